"""Spectra in .npz files: without pickle, whole or not there, and never larger than they say.

A file holds the arrays of a spectrum and a header in JSON. Reading trusts nothing: what is not an
ordinary file is not opened, and no array is read before its size is known to be that of the file
and to fit (a compressed file of a few kilobytes can claim gigabytes).
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rmtland.files import atomic_write

__all__ = ["LARGEST_FILE", "read_arrays", "spectrum_path", "write_arrays"]

LARGEST_FILE = 2**31
"""Bytes that the arrays of a file may take, all together."""

_LARGEST_HEADER = 2**26


def spectrum_path(path: str | os.PathLike[str]) -> Path:
    """Return the name of a file to write, with `.npz` appended where it is missing."""
    target = Path(path)
    return target if target.suffix == ".npz" else target.with_name(target.name + ".npz")


def write_arrays(
    path: str | os.PathLike[str],
    header: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    *,
    kind: str = "spectrum",
) -> Path:
    """Write arrays and a header to an .npz file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; `.npz` is appended where it is missing.
    header : dict
        JSON-able values.
    arrays : dict of str to ndarray
        Arrays of numbers.
    kind : str, optional
        What the file holds, part of the format that it names.

    Returns
    -------
    Path
        The file written. It has the permissions of the file it replaces, or those that the umask
        leaves to a new one.
    """
    target = spectrum_path(path)
    text = np.array(json.dumps({"format": _format(kind), **header}))
    named: dict[str, Any] = {"header": text, **arrays}
    with atomic_write(target) as stream:
        np.savez_compressed(stream, **named)
    return target


def read_arrays(
    path: str | os.PathLike[str], *, kind: str = "spectrum"
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_arrays` wrote.

    Parameters
    ----------
    path : path-like
        The file; where there is none of that name, the one with `.npz` appended is read.
    kind : str, optional
        What the file must hold.

    Returns
    -------
    (dict, dict of str to ndarray)
        Header and arrays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an ordinary file, not of that kind, damaged, or larger than 2 GiB.
    """
    name = os.fspath(path)
    if not os.path.exists(name) and os.path.exists(spectrum_path(path)):
        name = os.fspath(spectrum_path(path))
    mode = os.stat(name).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"{name} is not a {kind} file: it is a device or a pipe")
    with open(name, "rb") as stream:
        # Damaged bytes surface as almost any exception: of zipfile, zlib, tokenize, struct, ...
        try:
            return _read(stream, kind)
        except Exception as error:
            raise ValueError(f"{name} is not a {kind} file: {error}") from error


def _read(stream: IO[bytes], kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    start = stream.read(len(npy.MAGIC_PREFIX))
    stream.seek(0)
    if start == npy.MAGIC_PREFIX:
        raise ValueError(
            "it is an array; if it holds eigenvalues, Spectrum.from_eigenvalues(numpy.load(...)), "
            "if a matrix, Spectrum.from_matrix(numpy.load(...))"
        )
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > LARGEST_FILE:
            raise ValueError(f"its arrays take {total} bytes, more than the {LARGEST_FILE} allowed")
        for entry in entries:
            key = entry.filename.removesuffix(".npy")
            if key == "header" and entry.file_size > _LARGEST_HEADER:
                raise ValueError(f"its header takes {entry.file_size} bytes")
            with archive.open(entry) as member:
                arrays[key] = _array(member, entry.file_size)
    if "header" not in arrays:
        raise ValueError("it has no header")
    header = json.loads(str(arrays.pop("header")))
    if header["format"] != _format(kind):
        raise ValueError(f"format {header['format']!r}, expected {_format(kind)!r}")
    return header, arrays


def _format(kind: str) -> str:
    return f"rmtland {kind} 1"


def _array(member: IO[bytes], size: int) -> NDArray[Any]:
    """Read one array, after its own header was seen to claim no more than there is."""
    version = npy.read_magic(member)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"array format {version}")
    shape, fortran, dtype = read(member)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    claimed = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    if claimed > size:
        raise ValueError(f"an array claims {claimed} bytes of {size}")
    content = member.read(claimed)
    if len(content) != claimed or member.read(1):  # the checksum is looked at when all is read
        raise ValueError(f"an array has other than the {claimed} bytes it claims")
    values = np.frombuffer(content, dtype=dtype)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
