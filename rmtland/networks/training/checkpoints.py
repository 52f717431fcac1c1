"""Checkpoints of training: a file written whole or not at all, read without pickle.

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.files import atomic_write

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = "rmtland training 1"


def save_checkpoint(
    path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> None:
    """Write a header of JSON-able values and some arrays to an .npz file of that very name."""
    text = np.array(json.dumps({"format": _FORMAT, "header": header}, default=_plain))
    named: dict[str, Any] = {f"array_{key}": array for key, array in arrays.items()}
    with atomic_write(path) as stream:
        np.savez(stream, header=text, **named)


def load_checkpoint(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no checkpoint, or is damaged.
    """
    with open(path, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as data:
                content = json.loads(str(data["header"]))
                if content["format"] != _FORMAT:
                    raise ValueError(f"format {content['format']!r}, expected {_FORMAT!r}")
                arrays = {
                    key.removeprefix("array_"): data[key] for key in data.files if key != "header"
                }
                return content["header"], arrays
        except Exception as error:
            raise ValueError(f"{os.fspath(path)} is not a training checkpoint: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a checkpoint header must be JSON-able; got {value!r}")
