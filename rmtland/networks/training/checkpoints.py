"""Checkpoints of training: files written whole or not at all, read without pickle.

A checkpoint knows the run that it belongs to: the network, the data (by a BLAKE2 digest of inputs
and targets as the loss sees them, whatever the chunks), the precision, the method and its settings,
and values of the activation. Another run is refused by name.

>>> import tempfile, numpy as np
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "run.npz"
...     save_checkpoint(path, {"steps": 3}, {"theta": np.ones(2)})
...     load_checkpoint(path)
({'steps': 3}, {'theta': array([1., 1.])})
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmtland.arrays import placed, to_numpy
from rmtland.files import atomic_write
from rmtland.networks.activation import Activation, activation
from rmtland.networks.computed_once import computed_once
from rmtland.networks.loss_data import LossData
from rmtland.networks.training.plan import TrainingPlan, TrainingState
from rmtland.typing import NumpyArray, Record

__all__ = ["Checkpoint", "data_digest", "load_checkpoint", "save_checkpoint"]

_FORMAT = "rmtland training 2"

_PROBES = np.array([-7.0, -2.3, -0.9, -0.1, 0.0, 0.4, 1.1, 3.2, 8.0])
"""Preactivations at which two activations of one name are compared."""


def save_checkpoint(
    path: str | os.PathLike[str], header: Record, arrays: dict[str, NumpyArray]
) -> None:
    """Write a header of JSON-able values and some arrays to an .npz file of that very name.

    A new file gets the permissions that the umask leaves, an old one keeps its own.

    Parameters
    ----------
    path : path
        The file; an old one is replaced when the new one is complete.
    header : dict
        Numbers, strings, lists and dicts.
    arrays : dict of str to ndarray
        Arrays by name.

    Raises
    ------
    OSError
        If the folder cannot be written to; an old file is then as it was.
    """
    text = np.array(json.dumps({"format": _FORMAT, "header": header}, default=_plain))
    named: Record = {f"array_{key}": array for key, array in arrays.items()}
    with atomic_write(path) as stream:
        np.savez(stream, header=text, **named)


def load_checkpoint(
    path: str | os.PathLike[str],
) -> tuple[Record, dict[str, NumpyArray]]:
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    header : dict
    arrays : dict of str to ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no checkpoint, is damaged, or is of another version.
    """
    with open(path, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as data:
                content = json.loads(str(data["header"]))
                if content["format"] != _FORMAT:
                    raise ValueError(
                        f"its format is {content['format']!r}, this version reads {_FORMAT!r}; "
                        "train from the start"
                    )
                arrays = {
                    key.removeprefix("array_"): data[key] for key in data.files if key != "header"
                }
                return content["header"], arrays
        except Exception as error:
            raise ValueError(f"{os.fspath(path)} is not a training checkpoint: {error}") from error


def data_digest(data: LossData) -> dict[str, str]:
    """Return digests of inputs and targets, as the loss sees them; chunks change nothing.

    Parameters
    ----------
    data : LossData
        The data; read once, chunk by chunk.

    Returns
    -------
    dict of str to str
        Hexadecimal digests under "x" and "y".
    """
    digests = {"x": blake2b(digest_size=16), "y": blake2b(digest_size=16)}
    for chunk in data.chunks():
        for digest, rows in zip(digests.values(), chunk, strict=True):
            array = to_numpy(rows)
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return {name: digest.hexdigest() for name, digest in digests.items()}


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint file of a run: what it must agree with, and when it is written.

    Parameters
    ----------
    path : Path
        The file.
    every : int
        Steps between writes.
    plan : TrainingPlan
        The run.
    data : LossData
        Its data.
    activation : str or Activation
        The activation of its network.
    """

    path: Path
    every: int
    plan: TrainingPlan
    data: LossData
    activation: str | Activation

    @computed_once
    def run(self) -> Record:
        """What identifies the run, as it is read back from the file."""
        run = {
            **self.plan.as_dict(),
            "checkpoint_every": self.every if self.plan.rule is None else None,
            **{f"digest of {name}": value for name, value in data_digest(self.data).items()},
        }
        read: Record = json.loads(json.dumps(run))
        return read

    def is_due(self, steps: int) -> bool:
        """Return whether the file is written after so many steps.

        Parameters
        ----------
        steps : int
            Steps taken.

        Returns
        -------
        bool
        """
        return steps % self.every == 0

    def save(self, steps: int, state: TrainingState) -> None:
        """Write the state after so many steps.

        Parameters
        ----------
        steps : int
            Steps taken.
        state : TrainingState
            What moves the run on.
        """
        arrays = {"theta": to_numpy(state.theta), "order": state.order}
        numbers = {}
        for key, value in state.rule.items():
            if isinstance(value, int | float):
                numbers[key] = value
            else:
                arrays["rule_" + key] = to_numpy(value)
        arrays["activation"] = _probed(self.activation)
        generator = state.generator
        header = {
            "run": self.run,
            "steps": steps,
            "position": state.position,
            "numbers": numbers,
            "generator": None if generator is None else generator.bit_generator.state,
        }
        save_checkpoint(self.path, header, arrays)

    def restore(self, state: TrainingState) -> int:
        """Fill the state from the file.

        Parameters
        ----------
        state : TrainingState
            The state of a run that has not begun.

        Returns
        -------
        int
            The number of steps taken.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or that of another run.
        """
        header, arrays = load_checkpoint(self.path)
        self._compare(header["run"], arrays["activation"])
        state.theta = placed(arrays["theta"], state.theta)
        state.order, state.position = arrays["order"], header["position"]
        state.rule = {
            key.removeprefix("rule_"): placed(array, state.theta)
            for key, array in arrays.items()
            if key.startswith("rule_")
        } | header["numbers"]
        if header["generator"] is not None:
            bits = getattr(np.random, header["generator"]["bit_generator"])()
            bits.state = header["generator"]
            state.generator = np.random.Generator(bits)
        steps: int = header["steps"]
        return steps

    def _compare(self, written: Record, probed: NumpyArray) -> None:
        """Refuse the checkpoint of another run, and say what differs."""
        for name, value in self.run.items():
            if written.get(name) == value:
                continue
            if name.startswith("digest of "):
                which = {"x": "inputs", "y": "targets"}[name[-1]]
                raise ValueError(
                    f"{self.path} is the checkpoint of another run: the {which} "
                    f"{name[-1]} are not those that it was trained on; resume with the same data, "
                    "or start anew without resume"
                )
            raise ValueError(
                f"{self.path} is the checkpoint of another run: {name} was "
                f"{written.get(name)!r}, now {value!r}"
            )
        here = _probed(self.activation)
        if probed.shape != here.shape or not np.allclose(probed, here, rtol=1e-9, atol=1e-12):
            raise ValueError(
                f"{self.path} is the checkpoint of another run: the activation "
                f"{activation(self.activation).name!r} was another function"
            )


def _probed(name: str | Activation) -> NDArray[np.float64]:
    """Return value, slope and curvature of an activation at some preactivations."""
    f, z = activation(name), _PROBES.copy()
    value = np.asarray(f.value(z), dtype=np.float64)
    slope = np.asarray(f.slope(z, value), dtype=np.float64)
    curvature = np.zeros_like(z) if f.curvature is None else f.curvature(z, value)
    return np.stack([value, slope, np.asarray(curvature, dtype=np.float64)])


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a checkpoint header must be JSON-able; got {value!r}")
