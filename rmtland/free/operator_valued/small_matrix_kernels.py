"""Compiled algebra of one small complex matrix: products, inverses, blocks.

Examples
--------
>>> import numpy as np
>>> a = np.array([[2.0, 1.0], [0.0, 4.0]], dtype=np.complex128)
>>> bool(np.allclose(product(inverse_of(a), a), np.eye(2)))
True
"""

from __future__ import annotations

import numpy as np

from rmtland.compiled import compiled
from rmtland.free.operator_valued.matrix_dyson_kernels import eliminate

__all__ = [
    "added",
    "diagonal_block",
    "inverse_of",
    "inverted",
    "largest",
    "product",
    "put",
    "quotient",
    "spoil",
]


@compiled(error_model="numpy")
def quotient(a, b):
    """Quotient of complex numbers, NaN where b is zero: numba itself raises there."""
    return a / b if b != 0.0 else complex(np.nan, np.nan)


@compiled(error_model="numpy")
def inverted(a, out):
    """Inverse of a small matrix into `out`; False where it is singular."""
    r = a.shape[0]
    if r == 1:
        out[0, 0] = quotient(1.0, a[0, 0])
        return abs(a[0, 0]) > 0.0
    if r == 2:
        det = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
        if not abs(det) > 0.0:
            return False
        out[0, 0], out[1, 1] = a[1, 1] / det, a[0, 0] / det
        out[0, 1], out[1, 0] = -a[0, 1] / det, -a[1, 0] / det
        return True
    work = a.copy()
    for i in range(r):
        for j in range(r):
            out[i, j] = 1.0 if i == j else 0.0
    return eliminate(work, out)


@compiled(error_model="numpy")
def product(a, b):
    """Product of two matrices."""
    n, inner, p = a.shape[0], a.shape[1], b.shape[1]
    out = np.zeros((n, p), dtype=np.complex128)
    for i in range(n):
        for c in range(inner):
            value = a[i, c]
            if value != 0.0:
                for j in range(p):
                    out[i, j] += value * b[c, j]
    return out


@compiled(error_model="numpy")
def diagonal_block(a, low, high):
    """Copy of a diagonal block."""
    out = np.empty((high - low, high - low), dtype=np.complex128)
    for i in range(high - low):
        for j in range(high - low):
            out[i, j] = a[low + i, low + j]
    return out


@compiled(error_model="numpy")
def put(out, low, factor, a):
    """Write a matrix times a factor into the block that starts at `low`."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[low + i, low + j] = factor * a[i, j]


@compiled(error_model="numpy")
def spoil(out):
    """Fill a matrix with NaN."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.nan


@compiled(error_model="numpy")
def inverse_of(a):
    """Inverse of a small matrix, NaN where it is singular."""
    out = np.empty_like(a)
    if not inverted(a, out):
        spoil(out)
    return out


@compiled(error_model="numpy")
def largest(a):
    """Largest modulus of an entry, to a factor of root 2; NaN where one is not finite."""
    total, spoilt = 0.0, 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            size = max(abs(a[i, j].real), abs(a[i, j].imag))
            total = max(total, size)
            spoilt += size
    return total if spoilt < np.inf else np.nan


@compiled(error_model="numpy")
def added(a, b):
    """Sum of two matrices."""
    out = np.empty_like(a)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = a[i, j] + b[i, j]
    return out
