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
from typing import IO

import numpy as np
from numpy.lib import format as npy

from rmtland.files import atomic_write, path_of
from rmtland.typing import NumpyArray, Record

__all__ = [
    "LARGEST_FILE",
    "array_names",
    "arrays_of",
    "read_array",
    "read_arrays",
    "read_stream",
    "spectrum_path",
    "write_arrays",
]

LARGEST_FILE = 2**31
"""Bytes that the arrays of a file may take, all together."""

_LARGEST_HEADER = 2**26


def spectrum_path(path: str | os.PathLike[str]) -> Path:
    """Return the name of a file to write, with `.npz` appended where it is missing."""
    target = path_of("path", path)
    return target if target.suffix == ".npz" else target.with_name(target.name + ".npz")


def write_arrays(
    path: str | os.PathLike[str],
    header: Record,
    arrays: dict[str, NumpyArray],
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
    named: Record = {"header": text, **arrays}
    with atomic_write(target) as stream:
        np.savez_compressed(stream, **named)
    return target


def read_arrays(
    path: str | os.PathLike[str], *, kind: str = "spectrum"
) -> tuple[Record, dict[str, NumpyArray]]:
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
    TypeError
        If `path` is none.
    """
    name = os.fspath(path_of("path", path))
    if not os.path.exists(name) and os.path.exists(spectrum_path(path)):
        name = os.fspath(spectrum_path(path))
    mode = os.stat(name).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"{name} is not a {kind} file: it is a device or a pipe")
    with open(name, "rb") as stream:
        # Damaged bytes surface as almost any exception: of zipfile, zlib, tokenize, struct, ...
        try:
            return read_stream(stream, kind=kind)
        except Exception as error:
            raise ValueError(f"{name} is not a {kind} file: {error}") from error


def read_stream(
    stream: IO[bytes], *, kind: str = "spectrum", largest: int = LARGEST_FILE
) -> tuple[Record, dict[str, NumpyArray]]:
    """Read what `write_arrays` wrote from an open file.

    Parameters
    ----------
    stream : binary file
        At its start.
    kind : str, optional
        What the file must hold.
    largest : int, optional
        Bytes that its arrays may take.

    Returns
    -------
    (dict, dict of str to ndarray)
        Header and arrays.

    Raises
    ------
    Exception
        Of almost any kind if the bytes are damaged; ValueError if it is not of that kind.
    """
    start = stream.read(len(npy.MAGIC_PREFIX))
    stream.seek(0)
    if start == npy.MAGIC_PREFIX:
        raise ValueError(
            "it is an array; if it holds eigenvalues, Spectrum.from_eigenvalues(numpy.load(...)), "
            "if a matrix, Spectrum.from_matrix(numpy.load(...))"
        )
    arrays = arrays_of(stream, largest)
    if "header" not in arrays:
        raise ValueError("it has no header")
    header = json.loads(str(arrays.pop("header")))
    if header["format"] != _format(kind):
        raise ValueError(f"format {header['format']!r}, expected {_format(kind)!r}")
    return header, arrays


def array_names(stream: IO[bytes]) -> list[str]:
    """Return the names of the arrays of an .npz file; nothing of them is read.

    Parameters
    ----------
    stream : binary file
        At its start, where it is left.

    Returns
    -------
    list of str
        In the order of the file.
    """
    with zipfile.ZipFile(stream) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    stream.seek(0)
    return names


def arrays_of(stream: IO[bytes], largest: int, *, only: str | None = None) -> dict[str, NumpyArray]:
    """Return the arrays of an .npz file, none of which is larger than it says.

    Parameters
    ----------
    stream : binary file
        At its start.
    largest : int
        Bytes that the arrays may take together, decompressed.
    only : str, optional
        The one array to read.

    Returns
    -------
    dict of str to ndarray
        By name.

    Raises
    ------
    Exception
        Of almost any kind if the bytes are damaged; ValueError if they take more.
    """
    arrays: dict[str, NumpyArray] = {}
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > largest:
            raise ValueError(f"its arrays take {total} bytes, more than the {largest} allowed")
        for entry in entries:
            key = entry.filename.removesuffix(".npy")
            if only is not None and key != only:
                continue
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{key} is compressed otherwise than by numpy.savez_compressed")
            if key == "header" and entry.file_size > _LARGEST_HEADER:
                raise ValueError(f"its header takes {entry.file_size} bytes")
            with archive.open(entry) as member:
                arrays[key] = read_array(member, entry.file_size)
    return arrays


def _format(kind: str) -> str:
    return f"rmtland {kind} 1"


def read_array(member: IO[bytes], size: int) -> NumpyArray:
    """Read one array, after its own header was seen to claim no more than there is.

    Parameters
    ----------
    member : binary file
        In the format of `numpy.save`, at its start.
    size : int
        Bytes that it has.

    Returns
    -------
    ndarray
        The array, of any shape; never of Python objects.

    Raises
    ------
    ValueError
        If it holds Python objects, or has other than the bytes that it claims.
    """
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
