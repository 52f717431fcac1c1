r"""Counting eigenvalues of a symmetric tridiagonal matrix without computing them.

With diagonal a and off-diagonal b, the pivots of T - x I = L D L^T are

.. math:: d_1 = a_1 - x, \qquad d_i = (a_i - x) - b_{i-1}^2 / d_{i-1},

and as many of them are negative as T has eigenvalues below x (Sylvester's law of inertia [1]_). A
pivot smaller in modulus than the smallest normal number times the largest b^2 is replaced by that
number, which moves an eigenvalue by less than its rounding. One sweep over the rows serves many x
at once, so that T is needed only block by block.

References
----------
.. [1] W. Barth, R. S. Martin and J. H. Wilkinson, Calculation of the eigenvalues of a symmetric
       tridiagonal matrix by the method of bisection, Numerische Mathematik 9 (1967) 386-393.

Examples
--------
>>> count_below(np.array([1.0, 2.0, 4.0]), np.zeros(2), np.array([0.0, 1.5, 4.0, 5.0]))
array([0, 1, 2, 3])
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rmtland.compiled import Options, compiled, parallel_kernel
from rmtland.typing import Integer, Real

__all__ = ["count_below", "count_below_reference", "extreme_eigenvalues", "sweep"]


_TINY = float(np.finfo(np.float64).tiny)
_LANES = 32  # shifts that share a sweep: enough to hide the time of a division


def _sweep(
    diagonal: Real, squares: Real, pivot: float, shifts: Real, state: Real, counts: Integer
) -> None:
    """Take the pivots of all shifts through a block of rows.

    `squares[i]` is the square of the off-diagonal above row i. `state` (the last pivots) and
    `counts` have a whole number of lanes and are updated; `pivot` is the smallest pivot allowed.
    """
    for block in numba.prange(shifts.size // _LANES):
        start = block * _LANES
        x, d = shifts[start : start + _LANES].copy(), state[start : start + _LANES].copy()
        below = np.zeros(_LANES, np.int64)
        for i in range(diagonal.size):
            a, b = diagonal[i], squares[i]
            for k in range(_LANES):
                t = (a - x[k]) - b / d[k]
                t = pivot if abs(t) < pivot else t
                below[k] += t < 0.0
                d[k] = t
        state[start : start + _LANES] = d
        counts[start : start + _LANES] += below


def _below(diagonal: Real, squares: Real, x: float, pivot: float) -> int:
    """Count the eigenvalues below one x."""
    below, d = 0, 1.0
    for i in range(diagonal.size):
        d = (diagonal[i] - x) - squares[i] / d
        d = pivot if abs(d) < pivot else d
        below += d < 0.0
    return below


def _largest(diagonal: Real, squares: Real, pivot: float, k: int, values: Real) -> None:
    """Fill the k largest eigenvalues, the largest first, by bisection to the last bit."""
    n = diagonal.size
    low, high = np.inf, -np.inf
    for i in range(n):
        radius = np.sqrt(squares[i]) + (np.sqrt(squares[i + 1]) if i + 1 < n else 0.0)
        low, high = min(low, diagonal[i] - radius), max(high, diagonal[i] + radius)
    margin = 4e-16 * max(abs(low), abs(high)) + pivot
    low, high = low - margin, high + 2 * margin
    for j in range(k):
        left, right = low, high  # count(left) <= n - 1 - j < count(right)
        while True:
            middle = 0.5 * left + 0.5 * right
            if not left < middle < right or right - left <= margin / 8:
                break
            if below(diagonal, squares, middle, pivot) > n - 1 - j:
                right = middle
            else:
                left = middle
        values[j] = 0.5 * left + 0.5 * right
        high = right


_options: Options = {"error_model": "numpy", "nogil": True}
sweep = parallel_kernel(_sweep, **_options)
below = compiled(**_options)(_below)
largest = compiled(**_options)(_largest)


def pivot_of(squares: Real, largest_square: float = 0.0) -> float:
    """Smallest pivot allowed, from the squares of the off-diagonal."""
    return _TINY * max(1.0, float(squares.max(initial=largest_square)))


def lanes(shifts: Real) -> tuple[Real, Real, NDArray[np.int64]]:
    """Return shifts padded to a whole number of lanes, and fresh state and counts for them."""
    padded = np.full(-(-shifts.size // _LANES) * _LANES, np.inf)
    padded[: shifts.size] = shifts
    return padded, np.ones(padded.size), np.zeros(padded.size, dtype=np.int64)


def count_below(diagonal: Real, off_diagonal: Real, shifts: Real) -> NDArray[np.int64]:
    """Return how many eigenvalues of a symmetric tridiagonal matrix lie below each shift.

    Parameters
    ----------
    diagonal : ndarray, shape (n,)
    off_diagonal : ndarray, shape (n - 1,)
    shifts : ndarray, shape (m,)

    Returns
    -------
    ndarray of int, shape (m,)
    """
    squares = np.concatenate([[0.0], off_diagonal**2])
    padded, state, counts = lanes(shifts)
    sweep(diagonal, squares, pivot_of(squares), padded, state, counts)
    return counts[: shifts.size]


def count_below_reference(diagonal: Real, off_diagonal: Real, shifts: Real) -> NDArray[np.int64]:
    """Count as `count_below`, by NumPy: one row after the other, all shifts at once."""
    squares = np.concatenate([[0.0], off_diagonal**2])
    pivot = pivot_of(squares)
    d, counts = np.ones(shifts.size), np.zeros(shifts.size, dtype=np.int64)
    for a, b in zip(diagonal, squares, strict=True):
        d = (a - shifts) - b / d
        d = np.where(np.abs(d) < pivot, pivot, d)
        counts += d < 0
    return counts


def extreme_eigenvalues(diagonal: Real, off_diagonal: Real, k: int) -> Real:
    """Return the k largest eigenvalues of a symmetric tridiagonal matrix, the largest first.

    By bisection on the number of eigenvalues below, to the rounding of the norm of the matrix.
    """
    squares = np.concatenate([[0.0], off_diagonal**2])
    values = np.empty(k)
    largest(np.ascontiguousarray(diagonal), squares, pivot_of(squares), k, values)
    return values
