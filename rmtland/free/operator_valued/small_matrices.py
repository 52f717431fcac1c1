"""Linear algebra of many small matrices that never raises: NaN for those that have no answer.

NumPy raises `LinAlgError` for the whole stack where one matrix is singular or not finite. Here that
one matrix gives NaN, and Newton's method continues with the others.

Examples
--------
>>> import numpy as np
>>> stack = np.array([[[2.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
>>> inverse_or_nan(stack)[:, 0, 0]
array([0.5, nan])
>>> eigenvalues_or_nan(np.array([[[np.nan]], [[3.0]]]))[:, 0].real
array([nan,  3.])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from rmtland.typing import NumpyArray

__all__ = [
    "eigensystem_or_nan",
    "eigenvalues_or_nan",
    "inverse_or_nan",
    "pseudoinverse_or_nan",
    "solve_or_nan",
]


def _each(
    function: Callable[..., NumpyArray],
    *stacks: NumpyArray,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> NumpyArray:
    """Apply a function to a stack at once, or one by one where that raises."""
    finite = np.logical_and.reduce(
        [np.isfinite(stack).reshape(len(stack), -1).all(axis=1) for stack in stacks]
    )
    if finite.all():
        try:
            return function(*stacks)
        except np.linalg.LinAlgError:
            pass
    found = np.full((len(stacks[0]), *shape), np.nan, dtype=dtype)
    for i in np.flatnonzero(finite):
        try:
            found[i] = function(*(stack[i] for stack in stacks))
        except np.linalg.LinAlgError:
            continue
    return found


def inverse_or_nan(matrices: NumpyArray) -> NumpyArray:
    """Inverses of matrices (n, r, r)."""
    if matrices.shape[-1] == 1:
        with np.errstate(all="ignore"):
            return np.asarray(1 / matrices)
    return _each(np.linalg.inv, matrices, shape=matrices.shape[1:], dtype=matrices.dtype)


def pseudoinverse_or_nan(matrices: NumpyArray) -> NumpyArray:
    """Pseudoinverses of matrices (n, r, r)."""
    return _each(np.linalg.pinv, matrices, shape=matrices.shape[1:], dtype=matrices.dtype)


def solve_or_nan(matrices: NumpyArray, right: NumpyArray) -> NumpyArray:
    """Solutions of linear equations with matrices (n, r, r) and right sides (n, r, c)."""
    dtype = np.result_type(matrices, right)
    return _each(np.linalg.solve, matrices, right, shape=right.shape[1:], dtype=dtype)


def eigenvalues_or_nan(matrices: NumpyArray) -> NumpyArray:
    """Eigenvalues of matrices (n, r, r); by formula where r <= 2."""
    if matrices.shape[-1] == 1:
        return matrices[:, 0].astype(np.complex128)
    if matrices.shape[-1] == 2:
        return np.stack(_two_eigenvalues(matrices.astype(np.complex128)), axis=-1)
    return _each(np.linalg.eigvals, matrices, shape=matrices.shape[1:2], dtype=np.complex128)


def eigensystem_or_nan(matrices: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Eigenvalues (n, r) and eigenvectors (n, r, r) of matrices."""
    size = matrices.shape[-1]
    if size == 2:
        return _two_eigenvectors(matrices.astype(np.complex128))

    def both(a: NumpyArray) -> NumpyArray:
        values, vectors = np.linalg.eig(a)
        return np.concatenate([values[..., None, :], vectors], axis=-2)

    found = _each(both, matrices, shape=(size + 1, size), dtype=np.complex128)
    return found[:, 0], found[:, 1:]


def _two_eigenvalues(matrices: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Eigenvalues of matrices (n, 2, 2), the larger modulus first."""
    a, b, c, d = (matrices[:, i, j] for i in range(2) for j in range(2))
    with np.errstate(all="ignore"):
        middle, half = (a + d) / 2, (a - d) / 2
        root = np.sqrt(half * half + b * c)
        root = np.where((middle * root.conj()).real < 0, -root, root)
        return middle + root, middle - root


def _two_eigenvectors(matrices: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Eigenvalues and eigenvectors of norm 1 of matrices (n, 2, 2)."""
    a, b, c, d = (matrices[:, i, j] for i in range(2) for j in range(2))
    values = np.stack(_two_eigenvalues(matrices), axis=-1)
    vectors = np.empty(matrices.shape, dtype=np.complex128)
    with np.errstate(all="ignore"):
        for i in range(2):
            value = values[:, i]
            # Both are eigenvectors, unless they are 0.
            first, second = np.stack([b, value - a]), np.stack([value - d, c])
            larger = np.abs(first).sum(axis=0) >= np.abs(second).sum(axis=0)
            vector = np.where(larger, first, second)
            length = np.sqrt((np.abs(vector) ** 2).sum(axis=0))
            unit = np.where(length == 0, np.eye(2)[:, i, None], vector / length)
            vectors[:, :, i] = unit.T
    return values, vectors
