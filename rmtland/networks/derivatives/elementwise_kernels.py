"""Compiled entry-wise steps; the formulas stand in `rmtland.networks.derivatives.elementwise`."""

from __future__ import annotations

from typing import Any

import numba
from numpy.typing import NDArray

from rmtland.compiled import compiled, parallel_kernel

__all__ = ["add", "add_and_scale", "pull_through", "scale", "transpose"]

Real = NDArray[Any]

PARALLEL = 2**18
"""Entries from which on a kernel runs on several threads, where there are at least four."""


def _add(first: Real, second: Real) -> None:
    """Turn first into first + second."""
    for i in numba.prange(first.size):
        first[i] += second[i]


def _scale(tangent: Real, slope: Real, result: Real) -> None:
    """Fill result = slope * tangent."""
    m, k, n = tangent.shape
    for mu in numba.prange(m):
        for j in range(k):
            for i in range(n):
                result[mu, j, i] = slope[mu, i] * tangent[mu, j, i]


def _add_and_scale(first: Real, second: Real, slope: Real) -> None:
    """Turn (first, second) into (first + second, slope * (first + second))."""
    m, k, n = first.shape
    for mu in numba.prange(m):
        for j in range(k):
            for i in range(n):
                total = first[mu, j, i] + second[mu, j, i]
                first[mu, j, i] = total
                second[mu, j, i] = slope[mu, i] * total


def _pull_through(
    first: Real, second: Real, slope: Real, second_order: Real, tangent: Real
) -> None:
    """Turn first into slope * (first + second) + second_order * tangent."""
    m, k, n = first.shape
    for mu in numba.prange(m):
        for j in range(k):
            for i in range(n):
                total = first[mu, j, i] + second[mu, j, i]
                first[mu, j, i] = slope[mu, i] * total + second_order[mu, i] * tangent[mu, j, i]


def _transpose(matrix: Real, result: Real) -> None:
    """Fill result = matrix^T; the matrix is tall, (p, k) with few columns."""
    p, k = matrix.shape
    strip = 512
    for block in numba.prange((p + strip - 1) // strip):
        first, last = block * strip, min(p, (block + 1) * strip)
        for j in range(k):
            for i in range(first, last):
                result[j, i] = matrix[i, j]


def _dispatched(kernel: Any) -> Any:
    """Compile a kernel for one thread and for several, and choose by the size of its first array.

    On few cores the passes are bound by memory: threads gain little and may wait long for each
    other on a busy machine.
    """
    serial = compiled(error_model="numpy")(kernel)
    parallel = parallel_kernel(kernel, error_model="numpy")

    def call(*arrays: Real) -> None:
        if arrays[0].size >= PARALLEL and numba.get_num_threads() >= 4:
            parallel(*arrays)
        else:
            serial(*arrays)

    return call


add = _dispatched(_add)
scale = _dispatched(_scale)
add_and_scale = _dispatched(_add_and_scale)
pull_through = _dispatched(_pull_through)
transpose = _dispatched(_transpose)
