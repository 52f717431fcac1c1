"""All runs of an ensemble with a tridiagonal model on a device: eigenvalues, counts, extremes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.ensembles.batches import in_batches
from rmtland.ensembles.device.kernels import Kernels
from rmtland.ensembles.device.tridiagonal import (
    DeviceRowDraws,
    count_below,
    eigenvalues_of,
    pivots_of,
)
from rmtland.typing import Array, Real

__all__ = ["DeviceRuns"]

_ULP = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class DeviceRuns:
    """Runs of one size.

    Parameters
    ----------
    core : callable
        Returns the rows of the matrices without certain eigenvalues from their draws, in a unit in
        which they can be squared.
    known : tuple of (float, int)
        Certain eigenvalues and their multiplicities.
    hull : tuple of float
        Bounds that no eigenvalue passes.
    library : ArrayLibrary
        Library on the device.
    kernels : Kernels
        Its kernels.
    keys : ndarray of uint64, shape (runs, 2)
        Seed and number of each run.
    batch : callable
        Returns how many runs of that many real numbers are computed together.
    """

    core: Callable[[Array], Array]
    known: tuple[tuple[float, int], ...]
    hull: tuple[float, float]
    library: ArrayLibrary
    kernels: Kernels
    keys: NDArray[np.uint64]
    batch: Callable[[float], int]

    def spectra(self, n: int) -> Iterator[Array]:
        """All eigenvalues of batches of runs, each of shape (batch, n), on the device.

        Parameters
        ----------
        n : int
            Size of the matrices.

        Yields
        ------
        array, shape (batch, n)
            Ascending.
        """

        def solved(runs: slice) -> Array:
            xp, rows = self.kernels.xp, self._rows(runs)
            parts = [
                xp.full((len(self.keys[runs]), number), place, dtype="float64")
                for place, number in self.known
            ]
            if rows.size:
                diagonal, off_diagonal = rows.matrix()
                values = eigenvalues_of(diagonal, off_diagonal, self.kernels, 0, rows.size)
                parts.append(xp.clip(values * rows.unit, *self.hull))
            return xp.sort(xp.concatenate(parts, axis=1), axis=1)

        yield from self._batches(16.0 * n, solved)

    def counts_below(self, shifts: Real, block: int) -> NDArray[np.int64]:
        """Count the eigenvalues of all runs together below each shift.

        Parameters
        ----------
        shifts : ndarray, shape (m,)
            Ascending points.
        block : int
            Rows drawn at once.

        Returns
        -------
        ndarray of int64, shape (m,)
        """
        xp, (low, high) = self.kernels.xp, self.hull

        def counted(runs: slice) -> NDArray[np.int64]:
            rows = self._rows(runs)
            with np.errstate(over="ignore"):
                scaled = shifts / rows.unit
            lanes = xp.tile(xp.asarray(scaled), (len(self.keys[runs]), 1))
            counts = to_numpy(xp.sum(count_below(rows, self.kernels, lanes, block), axis=0))
            everything = rows.size * len(self.keys[runs])
            found = np.where(shifts <= low, 0, np.where(shifts > high, everything, counts))
            for place, multiplicity in self.known:
                found += len(self.keys[runs]) * multiplicity * (place < shifts)
            return found

        total = np.zeros(shifts.size, dtype=np.int64)
        for found in self._batches(12.0 * block + 6 * shifts.size, counted):
            total += found
        return total

    def extremes(self, k: int, sign: float, corner: Callable[[Array, int], int]) -> Real:
        """Return the k largest (sign 1) or smallest (-1) eigenvalues of every run.

        Parameters
        ----------
        k : int
            How many.
        sign : float
            1 or -1.
        corner : callable
            Returns the number of rows that the search begins with.

        Returns
        -------
        ndarray, shape (runs, k)
            From the edge inwards.
        """
        known = [place for place, number in self.known for _ in range(min(k, number))]
        first = self._rows(slice(0, 1))
        size = first.size
        start = corner(first, min(k, size)) if size else 0

        def solved(runs: slice) -> Real:
            found = np.tile(np.array(known), (len(self.keys[runs]), 1))
            if size:
                rows = self._rows(runs)
                values = self._outermost(rows, min(k, size), sign, start) * rows.unit
                values = np.clip(to_numpy(values), *self.hull)
                found = np.concatenate([values, found], axis=1)
            return -sign * np.sort(-sign * found, axis=1)[:, :k]

        return np.concatenate(list(self._batches(32.0 * start + 8 * k, solved)))

    def _outermost(self, rows: Array, k: int, sign: float, corner: int) -> Array:
        """Return the outermost eigenvalues from a corner that suffices, doubled until it does."""
        xp = self.kernels.xp
        diagonal, off_diagonal = rows.take(corner)
        settled, kept = None, None
        while True:
            size = diagonal.shape[1]
            values = eigenvalues_of(
                sign * diagonal, off_diagonal[:, : size - 1], self.kernels, size - k, k
            )[:, ::-1]
            # a run that has settled stays as it is: it does not depend on the others
            kept = values if settled is None else xp.where(settled[:, None], kept, values)
            if size == rows.size:
                return sign * kept
            more = rows.take(size)
            diagonal = xp.concatenate([diagonal, more[0]], axis=1)
            off_diagonal = xp.concatenate([off_diagonal, more[1]], axis=1)
            # By interlacing a larger corner moves them outwards only: count those that have passed.
            edge = xp.zeros((diagonal.shape[0], 1), dtype="float64")
            squares = xp.concatenate([edge, off_diagonal[:, : diagonal.shape[1] - 1] ** 2], axis=1)
            norm = xp.max(xp.abs(diagonal), axis=1) + 2 * xp.sqrt(xp.max(squares, axis=1))
            shifts = kept + 8 * _ULP * norm[:, None]
            counts = xp.zeros(shifts.shape, dtype="int64")
            state, pivots = xp.ones(shifts.shape, dtype="float64"), pivots_of(squares, xp)
            self.kernels.sweep(sign * diagonal, squares, pivots, shifts, state, counts)
            now = xp.all(counts >= diagonal.shape[1] - xp.arange(k)[None, :], axis=1)
            settled = now if settled is None else settled | now
            if bool(xp.all(settled)):
                return sign * kept

    def _rows(self, runs: slice) -> Array:
        keys = self.kernels.xp.asarray(np.ascontiguousarray(self.keys[runs]))
        return self.core(DeviceRowDraws(self.kernels, keys))

    def _batches(self, floats: float, compute: Callable[[slice], Array]) -> Iterator[Array]:
        step = self.batch(floats)
        return in_batches(len(self.keys), step, compute, self.library, 8.0 * floats)
