"""Rows of random tridiagonal matrices of many runs on a device, their counts and eigenvalues.

All runs are drawn and counted together, block of rows by block of rows; what travels back to the
host are counts and the eigenvalues asked for.

Examples
--------
>>> pivots_of(np.array([[0.0, 4.0]]), np) == 4 * np.finfo(np.float64).tiny
array([ True])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.ensembles.device.kernels import Kernels
from rmtland.typing import Array, Namespace

__all__ = ["DeviceRowDraws", "count_below", "eigenvalues_of", "pivots_of"]

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class DeviceRowDraws:
    """Ingredients of tridiagonal rows, of all runs; element i belongs to row i.

    Parameters
    ----------
    kernels : Kernels
        The kernels of the device.
    keys : array of uint64, shape (runs, 2)
        Seed and number of each run, on the device.
    """

    kernels: Kernels
    keys: Array

    @property
    def xp(self) -> Namespace:
        """The array library."""
        return self.kernels.xp

    def constant(self, value: float) -> Array:
        """Return a column of one value, shape (runs, 1)."""
        return self.xp.full((self.keys.shape[0], 1), value, dtype="float64")

    def normals(self, stream: int, start: int, count: int) -> Array:
        """Return standard normal numbers, shape (runs, count)."""
        return self.kernels.fill("normals", self.keys, stream, start, count)

    def chis(self, stream: int, start: int, count: int, top: float, scale: float) -> Array:
        """Return chi variables of (top - row) * scale degrees of freedom, zero where not > 0."""
        degrees = (top, 1.0, scale)
        return self.xp.sqrt(self.kernels.chisquares(self.keys, stream, start, count, degrees))

    def moments(
        self, stream: int, start: int, count: int, tops: tuple[float, float], half: float
    ) -> Array:
        """Return beta variables of parameters half * (top - row); 0 or 1 where one is not > 0."""
        logarithms = [
            self.kernels.chisquares(
                self.keys, 2 * stream + k, start, count, (top, 1.0, 2 * half), logarithm=True
            )
            for k, top in enumerate(tops)
        ]
        row = self.xp.arange(start, start + count, dtype="float64")
        alive = (half * (tops[0] - row) > 0) & (half * (tops[1] - row) > 0)
        difference = self.xp.where(alive, logarithms[1] - logarithms[0], 0.0)
        # the exponent of what is next to zero is cut where exp would overflow
        values = 1 / (1 + self.xp.exp(self.xp.minimum(difference, 700.0)))
        return self.xp.where(alive, values, self.xp.where(half * (tops[0] - row) > 0, 1.0, 0.0))


def pivots_of(squares: Array, xp: Namespace) -> Array:
    """Smallest pivots allowed, from the squares of the off-diagonals of every run.

    Parameters
    ----------
    squares : array, shape (runs, length)
        Squares of the off-diagonals.
    xp : module
        Their library.

    Returns
    -------
    array, shape (runs,)
    """
    return _TINY * xp.maximum(xp.max(squares, axis=1), 1.0)


def count_below(rows: Array, kernels: Kernels, shifts: Array, block: int) -> Array:
    """Count the eigenvalues below each shift of every run, drawing the rows block by block.

    Parameters
    ----------
    rows : Rows
        Source of the rows of all runs, from the first one on.
    kernels : Kernels
        The kernels of the device.
    shifts : array, shape (runs, lanes)
        Points, on the device.
    block : int
        Rows drawn at once.

    Returns
    -------
    array of int64, shape (runs, lanes)
        On the device.
    """
    xp = kernels.xp
    state = xp.ones(shifts.shape, dtype="float64")
    counts = xp.zeros(shifts.shape, dtype="int64")
    above = xp.zeros((shifts.shape[0], 1), dtype="float64")
    largest = above[:, 0]
    while rows.start < rows.size:
        diagonal, off_diagonal = rows.take(block)
        squares = xp.concatenate([above, off_diagonal**2], axis=1)
        largest = xp.maximum(largest, xp.max(squares, axis=1))
        above = squares[:, -1:]
        pivots = pivots_of(largest[:, None], xp)
        kernels.sweep(diagonal, squares[:, :-1], pivots, shifts, state, counts)
    return counts


def eigenvalues_of(
    diagonal: Array, off_diagonal: Array, kernels: Kernels, first: int, count: int
) -> Array:
    """Eigenvalues of ranks first, ..., first + count - 1 from below, by bisection.

    Parameters
    ----------
    diagonal : array, shape (runs, size)
        Diagonals.
    off_diagonal : array, shape (runs, size - 1)
        Off-diagonals.
    kernels : Kernels
        The kernels of the device.
    first, count : int
        Ranks, from zero.

    Returns
    -------
    array, shape (runs, count)
        Ascending, to the rounding of the norm.
    """
    xp = kernels.xp
    edge = xp.zeros((diagonal.shape[0], 1), dtype="float64")
    squares = xp.concatenate([edge, off_diagonal**2], axis=1)
    modulus = xp.concatenate([edge, xp.sqrt(squares[:, 1:]), edge], axis=1)
    radius = modulus[:, :-1] + modulus[:, 1:]
    low, high = xp.min(diagonal - radius, axis=1), xp.max(diagonal + radius, axis=1)
    pivots = pivots_of(squares, xp)
    margin = 4e-16 * xp.maximum(xp.abs(low), xp.abs(high)) + pivots
    bounds = (low - margin, high + 2 * margin)
    return kernels.bisect(diagonal, squares, pivots, bounds, margin / 8, first, count)
