r"""Where the vectors of Krylov spaces are kept: memory or disk, double or single precision.

The basis of m start vectors after k steps takes

.. math:: m k p \cdot 8 \text{ bytes}

(16 where the matrix is complex, half of it in single precision), and the recurrence three vectors
of each space besides. `basis_bytes` says so beforehand.

Examples
--------
>>> basis_bytes(size=131072, steps=80, runs=10)
838860800
>>> basis_bytes(size=131072, steps=80, runs=10, precision="float32")
419430400
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from rmtland.arguments import choice, count
from rmtland.typing import NumpyArray

__all__ = ["BasisStore", "DiskBasis", "MemoryBasis", "available_bytes", "basis_bytes"]

_COLUMNS = 2**20  # of a basis in another precision or on disk, taken at once


def basis_bytes(
    *, size: int, steps: int, runs: int, precision: str = "float64", parts: int = 1
) -> int:
    """Return the bytes that a Krylov basis takes.

    Parameters
    ----------
    size : int
        Order p of the matrix.
    steps : int
        Lanczos steps k.
    runs : int
        Start vectors m that are advanced together.
    precision : {"float64", "float32"}, optional
        In which it is kept.
    parts : {1, 2}, optional
        2 for a complex matrix.

    Returns
    -------
    int
        Without the three vectors of each space that the recurrence needs.

    Raises
    ------
    ValueError, TypeError
        If a number is no count, or the precision unknown.

    See Also
    --------
    rmtland.estimate.spectral_density : what needs them.
    """
    size, steps, runs = count("size", size), count("steps", steps), count("runs", runs)
    choice("precision", precision, ("float64", "float32"))
    if count("parts", parts) > 2:
        raise ValueError(f"parts must be 1, or 2 for a complex matrix; got {parts}")
    return runs * min(steps, size) * size * parts * np.dtype(precision).itemsize


def available_bytes() -> int | None:
    """Return the memory that the system can give now; None where it does not say.

    Returns
    -------
    int or None
        Bytes.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return None


class BasisStore(Protocol):
    """What a Krylov space needs of its basis.

    Attributes
    ----------
    dtype : dtype
        Of the vectors as they are kept.
    filled : int
        Number of vectors of each space that are there.
    """

    dtype: np.dtype[np.generic]
    filled: int

    def reserve(self, steps: int, runs: int, size: int) -> None:
        """Make room for this many vectors of each space."""

    def append(self, vectors: NumpyArray) -> None:
        """Keep the next vectors, one of each space."""

    def remove(self, run: int, vector: NumpyArray, count: int) -> None:
        """Take from a vector, in place, its part on the first vectors of a space."""


class MemoryBasis:
    """Vectors in memory, in pieces of as many steps as were asked for at a time.

    Parameters
    ----------
    dtype : dtype
        float64 or complex128, or single precision for half of the memory.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.filled = 0
        self._pieces: list[NumpyArray] = []

    @property
    def lengths(self) -> list[int]:
        """Numbers of steps for which room was made at a time: sums are taken piece by piece."""
        return [len(piece) for piece in self._pieces]

    def reserve(self, steps: int, runs: int, size: int) -> None:
        """Make room for this many vectors of each space."""
        have = sum(len(piece) for piece in self._pieces)
        if steps > have:
            self._pieces.append(np.empty((steps - have, runs, size), dtype=self.dtype))

    def append(self, vectors: NumpyArray) -> None:
        """Keep the next vectors, one of each space."""
        place = self.filled
        for piece in self._pieces:
            if place < len(piece):
                piece[place] = vectors
                break
            place -= len(piece)
        self.filled += 1

    def remove(self, run: int, vector: NumpyArray, count: int) -> None:
        """Take from a vector, in place, its part on the first vectors of a space."""
        start = 0
        for piece in self._pieces:
            used = min(len(piece), count - start)
            if used <= 0:
                break
            _remove(piece[:used, run], vector)
            start += used

    def vectors(self) -> NumpyArray:
        """Return the vectors that are there.

        Returns
        -------
        ndarray, shape (filled, m, p)
            A copy.
        """
        return np.concatenate(self._pieces)[: self.filled]


class DiskBasis:
    """Vectors in a file, which is mapped into memory: the system keeps as much of it as fits.

    Parameters
    ----------
    path : path-like
        The file; what it holds is used from its start on.
    dtype : dtype
        As in `MemoryBasis`.
    filled : int, optional
        Number of vectors of each space that are there already.
    """

    def __init__(self, path: str | os.PathLike[str], dtype: DTypeLike, *, filled: int = 0) -> None:
        self.path, self.dtype, self.filled = Path(path), np.dtype(dtype), filled
        self._map: NumpyArray | None = None

    def reserve(self, steps: int, runs: int, size: int) -> None:
        """Make room for this many vectors of each space."""
        self._map = None
        length = steps * runs * size * self.dtype.itemsize
        with open(self.path, "ab") as stream:
            if stream.tell() < length:
                stream.truncate(length)
        self._map = np.memmap(self.path, self.dtype, mode="r+", shape=(steps, runs, size))

    def append(self, vectors: NumpyArray) -> None:
        """Keep the next vectors, one of each space."""
        assert self._map is not None, "reserve() makes the room"
        self._map[self.filled] = vectors
        self.filled += 1

    def remove(self, run: int, vector: NumpyArray, count: int) -> None:
        """Take from a vector, in place, its part on the first vectors of a space."""
        _remove(np.asarray(self._map)[:count, run], vector)

    def vectors(self) -> NumpyArray:
        """Return the vectors that are there.

        Returns
        -------
        ndarray, shape (filled, m, p)
            A view of the file.
        """
        return np.asarray(self._map)[: self.filled]


def _remove(rows: NumpyArray, vector: NumpyArray) -> None:
    """Take from a vector its part on orthonormal rows: two passes over them, no copy of them."""
    same = rows.dtype == vector.dtype
    parts = np.zeros(len(rows), dtype=vector.dtype)
    for start in range(0, vector.size, _COLUMNS):
        cut = slice(start, start + _COLUMNS)
        piece = vector[cut] if same else vector[cut].astype(rows.dtype)
        # rows are conjugated by conjugating the vector, so that no copy of them is made
        parts += (rows[:, cut] @ piece.conj()).conj()
    given = parts if same else parts.astype(rows.dtype)
    for start in range(0, vector.size, _COLUMNS):
        cut = slice(start, start + _COLUMNS)
        vector[cut] -= given @ rows[:, cut]
