r"""Files of eigenvalues as people have them: .npy, .npz, text; read right, or refused.

Nothing is trusted: no pickle is opened, no array is read before its size is known to be that of the
file, a compressed file may not claim more than is allowed, and what is no list of real eigenvalues
(a matrix, a table, complex values, NaN) is refused with a sentence that says what to do.

Examples
--------
>>> import io
>>> spectrum_of_file(io.BytesIO(b"eigenvalue\n0.5\n1.25\n3"), "values.csv").nodes
array([[0.5 , 1.25, 3.  ]])
>>> spectrum_of_file(io.BytesIO(b"0,0.5\n1,1.25\n2,3"), "values.csv")
Traceback (most recent call last):
    ...
ValueError: values.csv is a table with 2 columns; give the column of the eigenvalues alone
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import PurePath
from typing import IO

import numpy as np

from rmtland.spectrum.files import LARGEST_FILE, array_names, arrays_of, read_array
from rmtland.spectrum.measure import Spectrum
from rmtland.typing import NumpyArray, Real

__all__ = ["spectrum_of_file"]

_SIZES = (1e-100, 1e100)
_ROUNDING = 1e-5
_BEGINS_AS_NUMBER = re.compile(r"[\[({]*[+-]?\.?\d")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
_GROUPED = (
    (",", re.compile(r"[+-]?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d*)?")),
    (".", re.compile(r"[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)(,\d+)?")),
)
"""Marks of thousands, and numbers with them."""
_MOST_MARKS = 4
"""Of thousands, in what may be the one number of a file: doubles know 15 digits."""


def spectrum_of_file(stream: IO[bytes], name: str, *, largest: int = LARGEST_FILE) -> Spectrum:
    """Read a spectrum from an open file: .npy, .npz (of rmtland or with one array), text or CSV.

    A complex array is taken where its imaginary parts are rounding. Numbers of text are divided by
    commas, spaces or lines; a head line is left out. A comma inside a word, as in ``0,25``, divides
    too, unless all words of the file may be decimals with a comma or numbers with marks of
    thousands: those are refused.

    Parameters
    ----------
    stream : binary file
        At its start.
    name : str
        Its name, whose ending tells the format; for messages, and for the provenance.
    largest : int, optional
        Bytes that the file, and what is compressed in it, may have.

    Returns
    -------
    Spectrum
        One run of all values; of a file of rmtland, what it holds.

    Raises
    ------
    ValueError
        If it is larger, damaged, holds Python objects, or is no list of eigenvalues: a matrix, an
        array of more than two axes, a table with several named columns or a column that counts its
        lines, what may be decimals with a comma, complex values, NaN, none at all, or sizes whose
        squares leave double precision.
    """
    size = _size(stream)
    if size is None:
        stream = io.BytesIO(stream.read(largest + 1))
        size = len(stream.getvalue())
    if size > largest:
        raise ValueError(f"{name} has more than the {largest} bytes that are allowed")
    ending = PurePath(name).suffix.lower()
    if ending == ".npz":
        found = _archive(stream, name, largest)
        if isinstance(found, Spectrum):
            return found
        values = found
    elif ending == ".npy":
        # Damaged bytes surface as almost any exception: of tokenize, struct, ast, ...
        try:
            values = read_array(stream, size)
        except Exception as error:
            raise ValueError(f"{name} is no array of numbers: {error}") from error
    else:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name} is no text of numbers ({error}); arrays are read from .npy and .npz"
            ) from error
        values = np.array(_numbers(text, name))
    return Spectrum(_real(values, name).ravel(), provenance={"source": PurePath(name).name})


def _size(stream: IO[bytes]) -> int | None:
    """Return the number of bytes of a file; None of a pipe."""
    if not stream.seekable():
        return None
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size


def _archive(stream: IO[bytes], name: str, largest: int) -> Spectrum | NumpyArray:
    """Return what an .npz file holds: a spectrum of rmtland, or one array."""
    try:
        names = array_names(stream)
        if "nodes" in names:
            return Spectrum._from_file(stream, largest)
        wanted = "eigenvalues" if "eigenvalues" in names else names[0] if len(names) == 1 else ""
        found = arrays_of(stream, largest, only=wanted) if wanted else {}
    except Exception as error:  # of zipfile, zlib, tokenize, struct, json, ...
        raise ValueError(f"{name} is no file of arrays: {error}") from error
    if not names:
        raise ValueError(f"{name} holds no array; give one of eigenvalues")
    if not found:
        raise ValueError(
            f"{name} holds several arrays ({', '.join(names)[:200]}); call one 'eigenvalues'"
        )
    return found[wanted]


def _real(values: NumpyArray, name: str) -> NumpyArray:
    """Return the real eigenvalues in an array, or say why there are none."""
    if values.dtype.kind not in "iufc":
        raise ValueError(f"{name} holds values of type {values.dtype}, not real numbers")
    if values.dtype.kind == "c":
        if np.isnan(values.imag).any():
            raise ValueError(f"{name} holds eigenvalues whose imaginary part is NaN; remove them")
        if np.abs(values.imag).max(initial=0.0) > 1e-8 * np.abs(values).max(initial=0.0):
            raise ValueError(f"{name} holds complex eigenvalues; a Hermitian matrix has real ones")
        values = values.real
    if values.dtype.kind == "f" and (count := int(np.isnan(values).sum())):
        raise ValueError(f"{name} holds {count} NaN of {values.size} values; remove them first")
    if values.dtype.kind == "f" and (count := int(np.isinf(values).sum())):
        raise ValueError(
            f"{name} holds {count} infinite of {values.size} values; remove them first"
        )
    if values.ndim > 2:
        raise ValueError(
            f"{name} holds an array of shape {values.shape}; give all eigenvalues on one axis, or "
            "one row for each matrix"
        )
    square = values.ndim == 2 and values.shape[0] == values.shape[1] > 1
    if square and _is_symmetric(values.astype(np.float64)):
        raise ValueError(
            f"{name} holds a symmetric matrix of shape {values.shape}, not eigenvalues; take "
            "numpy.linalg.eigvalsh of it first"
        )
    if values.dtype.kind == "f":
        largest = float(np.abs(values).max(initial=0.0))
        if largest and not _SIZES[0] < largest < _SIZES[1]:
            raise ValueError(
                f"the eigenvalues of {name} are of the size {largest:.3g}; multiply them by a "
                "number that brings them to about 1"
            )
    return values


def _is_symmetric(values: Real) -> bool:
    """Whether a matrix is symmetric to the rounding of a Hessian in single precision."""
    gap = np.abs(values - values.T).max()
    return bool(gap <= _ROUNDING * np.abs(values).max())


def _numbers(text: str, source: str) -> list[float]:
    """Return the numbers of a text; the first line may name its columns."""
    text = text.removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    head = lines[:1] if not any(map(_BEGINS_AS_NUMBER.match, _words(lines[:1]))) else []
    pieces = [piece for line in lines[len(head) :] for piece in line.replace(";", " ").split()]
    doubtful = next((piece for piece in pieces if "," in piece), "")
    if doubtful and all(map(_DECIMAL_COMMA.fullmatch, pieces)):
        whole, _, rest = doubtful[:40].partition(",")
        raise ValueError(
            f"{source} holds {doubtful[:40]!r}, which may be the decimal {whole}.{rest} or two "
            f"eigenvalues, {whole} and {rest}: write decimals with a point, or whole numbers one a "
            "line"
        )
    for mark, grouped in _GROUPED if doubtful else ():
        marked = len(pieces) > 1 or 1 <= doubtful.count(mark) <= _MOST_MARKS
        if marked and all(map(grouped.fullmatch, pieces)):
            plain = doubtful.replace(mark, "").replace(",", ".")
            raise ValueError(
                f"{source} holds {doubtful[:40]!r}, which may be the number {plain[:40]} or the "
                f"eigenvalues {', '.join(doubtful.split(','))[:40]}: write numbers without marks "
                "of thousands and with a decimal point, one a line"
            )
    if pieces and not (head or doubtful) and len(pieces) == len(lines):  # one a line
        with contextlib.suppress(ValueError):  # the line that is no number is named below
            return [float(piece) for piece in pieces]
    rows: list[list[float]] = []
    named = 0
    for number, line in enumerate(lines):
        words = _words([line])
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            if number or any(map(_BEGINS_AS_NUMBER.match, words)):  # a value, not a head line
                raise ValueError(f"{source}: {line.strip()[:40]!r} is no number") from None
            named = len(words)
    if not any(rows):
        raise ValueError(f"{source} holds no numbers")
    table = len(rows) > 1 and all(len(row) > 1 for row in rows[1:])
    if table and (named > 1 or _counts(rows) or _counts(rows[1:])):
        raise ValueError(
            f"{source} is a table with {len(rows[-1])} columns; give the column of the eigenvalues "
            "alone"
        )
    return [value for row in rows for value in row]


def _words(lines: list[str]) -> list[str]:
    """Return what commas, semicolons and spaces divide."""
    return " ".join(lines).replace(",", " ").replace(";", " ").split()


def _counts(rows: list[list[float]]) -> bool:
    """Whether the first column of a table numbers its lines, as an index does."""
    first = [row[0] for row in rows]
    return len(rows) > 2 and first == [first[0] + i for i in range(len(rows))]
