"""Entry-wise steps of the R-operator, in place on buffers that matrix products have just filled.

Tangents have shape (m, k, n): samples, vectors, units. Matrix products take nearly all of the time
of a product with the Hessian (`scripts/bench_networks.py`), so that there are no compiled kernels
that fuse these steps for NumPy. In CuPy each is one kernel (`rmtland.networks.fused_kernels`).

>>> import numpy as np
>>> first, second = np.full((1, 1, 2), 3.0), np.full((1, 1, 2), 4.0)
>>> add_and_scale(first, second, np.array([[2.0, 0.5]]))
(array([[[7., 7.]]]), array([[[14. ,  3.5]]]))
"""

from __future__ import annotations

import numpy as np

from rmtland.networks.fused_kernels import pulled_signal, sum_and_scaled
from rmtland.typing import Array

__all__ = ["add_and_scale", "pull_through", "rows_of", "scale"]


def scale(tangent: Array, slope: Array, out: Array | None = None) -> Array:
    """Return slope * tangent, (m, n) times (m, k, n); in the buffer `out` of NumPy if given.

    Parameters
    ----------
    tangent : array, shape (m, k, n)
        Tangents.
    slope : array, shape (m, n)
        What multiplies them.
    out : ndarray, optional
        Buffer for the result.

    Returns
    -------
    array, shape (m, k, n)
    """
    if out is not None:
        return np.multiply(slope[:, None, :], tangent, out=out)
    return slope[:, None, :] * tangent


def add_and_scale(first: Array, second: Array, slope: Array) -> tuple[Array, Array]:
    """Return (first + second, slope * (first + second)); both buffers may be overwritten.

    Parameters
    ----------
    first, second : array, shape (m, k, n)
        Tangents.
    slope : array, shape (m, n)
        What multiplies their sum.

    Returns
    -------
    total, scaled : array, shape (m, k, n)
    """
    fused = sum_and_scaled(first, second, slope[:, None, :])
    if fused is not None:
        return fused
    first += second
    return first, scale(first, slope, out=second if isinstance(second, np.ndarray) else None)


def pull_through(
    first: Array | None,
    second: Array | None,
    slope: Array,
    second_order: Array | None,
    tangent: Array | None,
) -> Array | None:
    """Return slope * (first + second) + second_order * tangent; None counts as zero.

    The buffers `first` and `second` may be overwritten.

    Parameters
    ----------
    first, second : array or None, shape (m, k, n)
        Signals.
    slope, second_order : array or None, shape (m, n)
        What multiplies their sum, and the tangent.
    tangent : array or None, shape (m, k, n)
        The tangent.

    Returns
    -------
    array or None, shape (m, k, n)
    """
    if not (first is None or second is None or second_order is None or tangent is None):
        bend = second_order[:, None, :]
        fused = pulled_signal(first, second, slope[:, None, :], bend, tangent)
        if fused is not None:
            return fused
    total = second if first is None else first
    free = None  # a buffer whose content is used up
    if first is not None and second is not None:
        first += second
        free = second
    if total is not None:
        total = scale(total, slope, out=total if isinstance(total, np.ndarray) else None)
    if second_order is None or tangent is None:
        return total
    moved = scale(tangent, second_order, out=free if isinstance(free, np.ndarray) else None)
    if total is None:
        return moved
    total += moved
    return total


def rows_of(vectors: Array) -> Array:
    """Return the columns of a matrix of shape (p, k) as rows, C-contiguous in NumPy.

    Parameters
    ----------
    vectors : array, shape (p, k)
        Columns.

    Returns
    -------
    array, shape (k, p)
    """
    rows = vectors.T
    return np.ascontiguousarray(rows) if isinstance(rows, np.ndarray) else rows
