"""What the cases of `check_device.py` share: the card, its peers, and times that are times.

Work on a card is asynchronous: a time is taken between two synchronisations, of every library that
is loaded, after a first call that compiles. Where there is no card the same functions time the CPU.
"""

from __future__ import annotations

import functools
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any


class Skipped(Exception):
    """A case cannot run here; the message says what is missing."""


@functools.cache
def has_card() -> bool:
    """Return whether CuPy sees a CUDA device."""
    try:
        import cupy

        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except Exception:  # no CuPy, no driver, no device
        return False


def peer(name: str) -> Any:
    """Import a library that a case needs.

    Raises
    ------
    Skipped
        If it is not installed, or has no device where there is a card.
    """
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise Skipped(f"{name}: {type(error).__name__}: {error}") from None
    if name == "cupy" and not has_card():
        raise Skipped("cupy: no CUDA device")
    if name == "torch" and has_card() and not module.cuda.is_available():
        raise Skipped("torch: no CUDA device")
    if name == "jax":
        module.config.update("jax_enable_x64", True)
    return module


def synchronize() -> None:
    """Wait for all work on the card."""
    cupy, torch = sys.modules.get("cupy"), sys.modules.get("torch")
    if cupy is not None and has_card():
        cupy.cuda.Device().synchronize()
    if torch is not None and torch.cuda.is_initialized():  # else it has nothing to do
        torch.cuda.synchronize()


def release() -> None:
    """Give pooled memory of the card back."""
    cupy, torch = sys.modules.get("cupy"), sys.modules.get("torch")
    if cupy is not None and has_card():
        cupy.get_default_memory_pool().free_all_blocks()
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def timed(function: Callable[[], Any], *, seconds: float = 2.0, runs: int = 7) -> dict[str, Any]:
    """Return the shortest time of some calls, and the time of the first one.

    Parameters
    ----------
    function : callable
        What is timed; jax arrays that it returns are waited for.
    seconds : float, optional
        No further call is begun after this time.
    runs : int, optional
        Calls at most.

    Returns
    -------
    dict
        `s` (shortest), `first` (with compilation), `n` (calls besides the first).
    """

    def call() -> float:
        synchronize()
        begin = time.perf_counter()
        result = function()
        if hasattr(result, "block_until_ready"):
            result.block_until_ready()
        synchronize()
        return time.perf_counter() - begin

    first = call()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while not times or (time.perf_counter() < until and len(times) < runs):
        times.append(call())
    return {"s": round(min(times), 7), "first": round(first, 4), "n": len(times)}


def shortest(function: Callable[[], Any], *, limit: float = 2.0, runs: int = 5) -> float:
    """Return the shortest time of some calls alone: see `timed`."""
    return float(timed(function, seconds=limit, runs=runs)["s"])


def card() -> dict[str, Any]:
    """Return what is known of the card; an empty dict where there is none."""
    if not has_card():
        return {}
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(0)
    free, total = cupy.cuda.runtime.memGetInfo()
    return {
        "name": properties["name"].decode(),
        "multiprocessors": properties["multiProcessorCount"],
        "memory": total,
        "free": free,
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "runtime": cupy.cuda.runtime.runtimeGetVersion(),
    }
