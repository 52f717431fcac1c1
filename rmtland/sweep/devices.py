"""Which CUDA device each worker of a sweep computes on.

A worker sees all devices of its parent in an order that begins with its own, by the variable
CUDA_VISIBLE_DEVICES: worker i of devices 0, 1, 2 sees i, i + 1, ... modulo 3, the convention
of Dask-CUDA. "cuda" is then the worker's own device, and memory is shared out evenly. The
variable counts as long as the process has not begun to use CUDA, so that it is set before the task
is loaded.

Examples
--------
>>> [visible_to_worker(i, ("0", "1", "2")) for i in range(4)]
['0,1,2', '1,2,0', '2,0,1', '0,1,2']
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = [
    "CUDA_VISIBLE",
    "device_names",
    "named_devices",
    "visible_devices",
    "visible_to_worker",
]

CUDA_VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")


def device_names(devices: Sequence[int | str]) -> tuple[str, ...]:
    """Return devices as CUDA names them.

    Parameters
    ----------
    devices : sequence of int or str
        Numbers, "cuda:1", or identifiers such as "GPU-8932f937" and "MIG-...".

    Returns
    -------
    tuple of str

    Raises
    ------
    TypeError
        If it is no sequence of these.
    ValueError
        If there is none, a number is negative, or one occurs twice.
    """
    if isinstance(devices, str) or not isinstance(devices, Sequence):
        raise TypeError(f"devices must be a list such as [0, 1]; got {devices!r}")
    names = []
    for device in devices:
        if isinstance(device, bool) or not isinstance(device, int | str):
            raise TypeError(f"a device is a number or a name such as 'cuda:1'; got {device!r}")
        name = str(device).strip().removeprefix("cuda:")
        if not (name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            raise ValueError(f"a device is a number or a name such as 'cuda:1'; got {device!r}")
        names.append(str(int(name)) if name.isdecimal() else name)
    if not names:
        raise ValueError("devices is empty; leave it out for workers without devices of their own")
    if len(set(names)) < len(names):
        raise ValueError(f"a device occurs twice in {devices!r}")
    return tuple(names)


def visible_devices(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the devices that this process sees, without touching CUDA.

    Parameters
    ----------
    environment : mapping, optional
        Variables instead of those of this process.

    Returns
    -------
    tuple of str
        Those in CUDA_VISIBLE_DEVICES up to the first that is none, as CUDA reads it; else all that
        the driver lists on Linux.
    """
    given = (os.environ if environment is None else environment).get(CUDA_VISIBLE)
    if given is None:
        try:
            return tuple(str(number) for number in range(len(list(_DRIVER.iterdir()))))
        except OSError:
            return ()
    found: list[str] = []
    for name in (part.strip() for part in given.split(",")):
        if not (name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            break
        found.append(name)
    return tuple(dict.fromkeys(found))


def named_devices(
    names: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return devices by the names that a worker may see them by.

    Numbers count the devices that this process sees, as everywhere in CUDA: where its variable is
    "2,3", device 0 is the one named 2.

    Parameters
    ----------
    names : sequence of str
        As `device_names` returns them.
    environment : mapping, optional
        Variables instead of those of this process.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If this process does not see so many devices.
    """
    environment = os.environ if environment is None else environment
    if CUDA_VISIBLE not in environment:
        return tuple(names)
    seen = visible_devices(environment)
    beyond = [name for name in names if name.isdecimal() and int(name) >= len(seen)]
    if beyond:
        raise ValueError(
            f"there is no device {', '.join(beyond)}: {CUDA_VISIBLE} shows {len(seen)} to this "
            "process, counted from 0; choose among them, or change the variable"
        )
    return tuple(seen[int(name)] if name.isdecimal() else name for name in names)


def visible_to_worker(worker: int, devices: Sequence[str]) -> str:
    """Return the value of CUDA_VISIBLE_DEVICES of a worker: its own device first.

    Parameters
    ----------
    worker : int
        Number of the worker.
    devices : sequence of str
        All devices.

    Returns
    -------
    str
    """
    start = worker % len(devices)
    return ",".join([*devices[start:], *devices[:start]])
