"""Entry-wise steps of the R-operator, fused and parallel where arrays are large.

Tangents have shape (m, k, n): samples, vectors, units. Each step works in place on buffers that
matrix products have just filled and reads each array once. NumPy arrays of at least `LARGE`
entries go through compiled kernels, smaller ones and arrays of other libraries through the plain
references of a line or two.

>>> import numpy as np
>>> first, second = np.full((1, 1, 2), 3.0), np.full((1, 1, 2), 4.0)
>>> add_and_scale(first, second, np.array([[2.0, 0.5]]))
(array([[[7., 7.]]]), array([[[14. ,  3.5]]]))
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import Array

__all__ = ["LARGE", "add", "add_and_scale", "pull_through", "rows_of", "scale"]

LARGE = 2**18
"""Entries from which on compiled kernels pay; below, NumPy is as fast and numba is not loaded."""


def add(first: Array, second: Array) -> Array:
    """Return first + second; the buffer `first` may be overwritten."""
    if _large(first, second):
        from rmtland.networks.derivatives import elementwise_kernels

        elementwise_kernels.add(first.reshape(-1), second.reshape(-1))
        return first
    return first + second


def scale(tangent: Array, slope: Array, out: Array | None = None) -> Array:
    """Return slope * tangent, (m, n) times (m, k, n); in the buffer `out` of NumPy if given."""
    if _large(tangent, slope):
        from rmtland.networks.derivatives import elementwise_kernels

        result = np.empty_like(tangent) if out is None else out
        elementwise_kernels.scale(tangent, slope, result)
        return result
    if out is not None:
        return np.multiply(slope[:, None, :], tangent, out=out)
    return slope[:, None, :] * tangent


def add_and_scale(first: Array, second: Array, slope: Array) -> tuple[Array, Array]:
    """Return (first + second, slope * (first + second)); both buffers may be overwritten."""
    if _large(first, second, slope):
        from rmtland.networks.derivatives import elementwise_kernels

        elementwise_kernels.add_and_scale(first, second, slope)
        return first, second
    return add_and_scale_reference(first, second, slope)


def add_and_scale_reference(first: Array, second: Array, slope: Array) -> tuple[Array, Array]:
    """Return the same by plain array operations, in the same buffers."""
    first += second
    if isinstance(first, np.ndarray):
        return first, np.multiply(slope[:, None, :], first, out=second)
    return first, slope[:, None, :] * first


def pull_through(
    first: Array | None,
    second: Array | None,
    slope: Array,
    second_order: Array | None,
    tangent: Array | None,
) -> Array | None:
    """Return slope * (first + second) + second_order * tangent; None counts as zero.

    The buffers `first` and `second` may be overwritten.
    """
    if (
        first is not None
        and second is not None
        and second_order is not None
        and _large(first, second, slope, second_order, tangent)
    ):
        from rmtland.networks.derivatives import elementwise_kernels

        elementwise_kernels.pull_through(first, second, slope, second_order, tangent)
        return first
    return pull_through_reference(first, second, slope, second_order, tangent)


def pull_through_reference(
    first: Array | None,
    second: Array | None,
    slope: Array,
    second_order: Array | None,
    tangent: Array | None,
) -> Array | None:
    """Return the same by plain array operations."""
    total = first
    if second is not None:
        total = second
        if first is not None:
            first += second
            total = first
    if total is not None:
        total = scale(total, slope, out=total if isinstance(total, np.ndarray) else None)
    if second_order is None or tangent is None:
        return total
    moved = scale(tangent, second_order)
    if total is None:
        return moved
    total += moved
    return total


def rows_of(vectors: Array) -> Array:
    """Return the columns of a matrix of shape (p, k) as rows, C-contiguous."""
    rows = vectors.T
    if not isinstance(rows, np.ndarray) or rows.flags.c_contiguous:
        return rows
    if _large(vectors):
        from rmtland.networks.derivatives import elementwise_kernels

        result = np.empty(rows.shape, dtype=rows.dtype)
        elementwise_kernels.transpose(vectors, result)
        return result
    return np.ascontiguousarray(rows)


def _large(*arrays: Array) -> bool:
    return (arrays[0].size if isinstance(arrays[0], np.ndarray) else 0) >= LARGE and all(
        isinstance(a, np.ndarray) and a.flags.c_contiguous and a.dtype == arrays[0].dtype
        for a in arrays
    )
