"""Weights from files: .npy, .npz and .safetensors, read without pickle.

A safetensors file is the length of its head (eight bytes, little end first), the head (JSON: name
-> dtype, shape, place of the first and past the last byte), and the numbers. Tensors of bfloat16
become float32, the upper half of whose bits they are. Files that only pickle can read (.pt, .pth,
.ckpt) are refused: reading one runs what is in it.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     np.savez(Path(folder) / "weights.npz", first=np.ones((3, 2)), second=np.ones((1, 3)))
...     {name: w.shape for name, w in read_weights(Path(folder) / "weights.npz").items()}
{'first': (3, 2), 'second': (1, 3)}
"""

from __future__ import annotations

import json
import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from rmtland.files import path_of
from rmtland.typing import Array, NumpyArray, Record

__all__ = ["SUFFIXES", "read_weights"]

SUFFIXES = (".npy", ".npz", ".safetensors")

_PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")

_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_OTHERS = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
"""Numbers of positions, counters and masks: no weights, left out."""


def read_weights(path: str | os.PathLike[str]) -> dict[str, NumpyArray]:
    """Read the arrays of a file by name.

    Parameters
    ----------
    path : path-like
        An .npy file of one matrix, an .npz file, or a .safetensors file, of which arrays of
        integers are left out.

    Returns
    -------
    dict of str to ndarray
        As the file holds them; a matrix of an .npy file is called "weights".

    Raises
    ------
    ValueError
        If there is no such file, it is damaged (tensors that share bytes, two of a name), of
        another kind or would need pickle.
    """
    path = path_of("path", path)
    if path.suffix in _PICKLED:
        raise ValueError(
            f"{path} is pickled, and reading it would run what is in it; load it in a function of "
            "yours that returns the model or its state_dict, and give that"
        )
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: weights are read from {', '.join(SUFFIXES)} files")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"weights": found}
        with found as data:
            return {name: data[name] for name in data.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise ValueError(f"{path} holds no arrays of numbers: {error}") from error


def _safetensors(path: Path) -> dict[str, NumpyArray]:
    """Return the tensors of floating-point numbers of a safetensors file."""
    size = path.stat().st_size
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError(f"{path} is no safetensors file, or is cut short: its head is missing")
        try:
            head = json.loads(stream.read(length), object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} is no safetensors file: its head is no JSON: {error}"
            ) from error
        if not isinstance(head, dict):
            raise ValueError(f"{path} is no safetensors file: its head names no tensors")
        entries = _entries(path, head, size - 8 - length)
        found = {}
        for name, dtype, shape, first in entries:  # each tensor once, from its place
            stream.seek(8 + length + first)
            numbers = np.fromfile(stream, dtype=dtype, count=math.prod(shape))
            if dtype == _FLOATS["BF16"]:
                numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
            found[name] = numbers.reshape(shape)
    return found


def _entries(path: Path, head: Record, size: int) -> list[tuple[str, str, tuple[int, ...], int]]:
    """Return name, dtype, shape and first byte of the tensors of floating-point numbers."""
    found, places = [], []
    for name, entry in head.items():
        if name == "__metadata__":
            continue
        try:
            kind = str(entry["dtype"])
            shape = tuple(_whole(n) for n in entry["shape"])
            first, last = (_whole(place) for place in entry["data_offsets"])
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: the entry of {name!r} in the head is damaged") from error
        if not 0 <= first <= last <= size:
            raise ValueError(f"{path} is cut short: {name!r} is not all there")
        places.append((first, last, str(name)))
        if kind in _OTHERS:
            continue
        if kind not in _FLOATS:
            raise ValueError(
                f"{path}: {name!r} has the dtype {kind}; known are {', '.join(_FLOATS)}"
            )
        expected = math.prod(shape) * np.dtype(_FLOATS[kind]).itemsize
        if last - first != expected:
            raise ValueError(
                f"{path}: {name!r} of shape {shape} has {last - first} bytes, not {expected}"
            )
        found.append((str(name), _FLOATS[kind], shape, first))
    _refuse_shared_bytes(path, places)
    return found


def _once(pairs: list[tuple[str, Array]]) -> Record:
    """Return a JSON object whose names are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return found


def _whole(number: object) -> int:
    """Return a JSON number that is a whole number, and no other."""
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no whole number")
    return number


def _refuse_shared_bytes(path: Path, places: list[tuple[int, int, str]]) -> None:
    """Refuse tensors that share bytes: one of them would be another's numbers."""
    filled = sorted(place for place in places if place[0] < place[1])
    for (_, last, name), (first, _, other) in pairwise(filled):
        if first < last:
            raise ValueError(f"{path} is damaged: {name!r} and {other!r} share bytes")
