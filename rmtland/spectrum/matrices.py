"""What counts as a Hermitian matrix: dense, sparse, an operator, a Hessian in parts; any library.

A matrix that was computed in single precision is symmetric, and its eigenvalues are known, up to
the rounding of that precision only. It travels with the matrix.

Examples
--------
>>> stack = hermitian_stack(np.array([[2.0, 1.0], [1.0, 2.0]], dtype=np.float32))
>>> stack.matrices.shape, str(stack.matrices.dtype), stack.precision
((1, 2, 2), 'float64', 'float32')
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import dense_array
from rmtland.arrays import (
    array_namespace,
    is_on_device,
    precision_of,
    to_numpy,
)
from rmtland.typing import Array, Namespace, NumpyArray, Real

__all__ = ["LARGEST_DENSE", "HermitianStack", "device_eigenvalues", "hermitian_stack"]

LARGEST_DENSE = 8192
"""Size up to which a sparse matrix or an operator is written out as a dense matrix."""

_ASYMMETRY = {"float64": 1e-10, "float32": 2e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference from the mirror entry, relative to the largest entry, that is rounding."""

_COLUMNS = 256  # of an operator, multiplied at once

_ROWS = 2**24  # entries of a matrix on a device that are compared with their mirror at once


class HermitianStack(NamedTuple):
    """Matrices as float64 or complex128, shape (runs, p, p), and the precision of their entries."""

    matrices: NumpyArray
    precision: str


def hermitian_stack(matrix: Array) -> HermitianStack:
    """Return real symmetric or complex Hermitian matrices, checked.

    Parameters
    ----------
    matrix : array_like, shape (p, p) or (runs, p, p)
        Of any array library and device; or a SciPy sparse matrix or linear operator, which is
        written out up to a size of 8192; or a HessianSplit, of which the total is taken.

    Returns
    -------
    HermitianStack

    Raises
    ------
    ValueError
        If it is not square, not Hermitian up to the rounding of its precision, empty, holds NaN or
        infinities, or is an operator too large to be written out.
    TypeError
        If it is not made of numbers.
    """
    if hasattr(matrix, "total") and hasattr(matrix, "gauss_newton"):
        matrix = matrix.total
    precision = precision_of(matrix)
    array = _written_out(matrix)
    if array.dtype.kind not in "iufcb":
        raise TypeError(f"matrix must be made of real numbers or complex ones; got {array.dtype}")
    _check_shape(array.shape)
    kind = np.complex128 if array.dtype.kind == "c" else np.float64
    array = np.ascontiguousarray(array, dtype=kind).reshape(-1, *array.shape[-2:])
    if np.isnan(array).any():
        raise ValueError(f"matrix holds {int(np.isnan(array).sum())} NaN of {array.size} values")
    if np.isinf(array).any():
        raise ValueError("matrix holds infinite values; remove them first")
    for one in array:
        _check_mirror(_asymmetry(one), _largest(one), precision, kind is np.complex128)
    return HermitianStack(array, precision)


def device_eigenvalues(matrix: Array) -> tuple[Real, str] | None:
    """Return the eigenvalues of matrices on a device, computed there.

    Parameters
    ----------
    matrix : array, shape (p, p) or (runs, p, p)
        What `hermitian_stack` takes; the matrices stay where they are.

    Returns
    -------
    (ndarray, str) or None
        Ascending eigenvalues in float64, shape (runs, p), and the precision of the entries; None
        where the matrix is not on a device.

    Raises
    ------
    ValueError, TypeError
        As `hermitian_stack`.
    """
    if hasattr(matrix, "total") and hasattr(matrix, "gauss_newton"):
        matrix = matrix.total
    if not is_on_device(matrix):
        return None
    matrix = matrix.detach() if hasattr(matrix, "detach") else matrix
    xp, precision = array_namespace(matrix), precision_of(matrix)
    _check_shape(tuple(matrix.shape))
    is_complex = bool(xp.isdtype(matrix.dtype, "complex floating"))
    stack = xp.astype(matrix, xp.complex128 if is_complex else xp.float64, copy=False)
    stack = xp.reshape(stack, (-1, *tuple(matrix.shape)[-2:]))
    found = to_numpy(_sizes_on_device(stack, xp, is_complex))  # one transfer
    if not np.isfinite(found).all():
        raise ValueError("matrix holds NaN or infinite values; remove them first")
    for skew, size in found:
        _check_mirror(float(skew), float(size), precision, is_complex)
    values = [xp.linalg.eigvalsh(stack[i, ...]) for i in range(int(stack.shape[0]))]
    return to_numpy(xp.stack(values)), precision


def _sizes_on_device(stack: Array, xp: Namespace, is_complex: bool) -> Array:
    """Largest asymmetry and largest entry of each matrix, in blocks of rows."""
    size, worst = int(stack.shape[-1]), []
    rows = max(1, _ROWS // size)
    for start in range(0, size, rows):
        stop = min(start + rows, size)
        block = stack[:, start:stop, :]
        mirror = xp.matrix_transpose(stack[:, :, start:stop])
        mirror = xp.conj(mirror) if is_complex else mirror
        # NaN and infinities pass through and are found on the host
        with np.errstate(over="ignore", invalid="ignore"):  # of libraries made of NumPy
            sizes = [xp.max(xp.abs(one), axis=(1, 2)) for one in (block - mirror, block)]
        worst.append(xp.stack(sizes, axis=1))
    return xp.max(xp.stack(worst), axis=0)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or shape[-1] != shape[-2]:
        raise ValueError(f"a matrix must have shape (p, p) or (runs, p, p); got shape {shape}")
    if 0 in shape:
        raise ValueError(f"matrix is empty (shape {shape}); give at least one value")


def _check_mirror(skew: float, size: float, precision: str, is_complex: bool) -> None:
    """Refuse a matrix whose entries differ from their mirror by more than rounding."""
    if skew > _ASYMMETRY[precision] * size:
        word = "Hermitian" if is_complex else "symmetric"
        mirror = "A.conj().T" if is_complex else "A.T"
        raise ValueError(
            f"the matrix is not {word}: entries differ from their mirror by {skew}, and by "
            f"{skew / size:.1e} relative to the largest one; symmetrise it first, "
            f"(A + {mirror}) / 2, if that is rounding"
        )


def _written_out(matrix: Array) -> NumpyArray:
    """Return a dense array; multiply an operator by the identity."""
    sparse = hasattr(matrix, "toarray") and hasattr(matrix, "nnz")
    operator = not sparse and not isinstance(matrix, np.ndarray) and hasattr(matrix, "matmat")
    if not (sparse or operator):
        return dense_array("matrix", matrix)
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a matrix must have shape (p, p); got shape {matrix.shape}")
    rows = matrix.shape[0]
    if rows > LARGEST_DENSE:
        what = "a sparse matrix" if sparse else "an operator"
        raise ValueError(
            f"{what} of size {rows} is not written out beyond {LARGEST_DENSE}: all its "
            f"eigenvalues would take {8 * rows**2 / 2**30:.3g} GiB; take those at the ends by "
            "scipy.sparse.linalg.eigsh and give them to Spectrum.from_eigenvalues"
        )
    if sparse:
        return np.asarray(matrix.toarray())
    parts = [
        dense_array("matrix", matrix.matmat(np.eye(rows)[:, start : start + _COLUMNS]))
        for start in range(0, rows, _COLUMNS)
    ]
    return np.concatenate(parts, axis=1) if parts else np.empty((0, 0))


def _largest(matrix: NumpyArray) -> float:
    """Largest modulus of an entry."""
    if matrix.dtype.kind == "c":
        return float(np.abs(matrix).max())
    return float(max(matrix.max(), -matrix.min()))


def _asymmetry(matrix: NumpyArray) -> float:
    """Largest |a_ij - conj(a_ji)|, in blocks of rows so that no second matrix is made."""
    worst = 0.0
    step = max(1, 2**20 // matrix.shape[0])
    for start in range(0, matrix.shape[0], step):
        rows = slice(start, start + step)
        mirror = matrix[:, rows].T
        if matrix.dtype.kind == "c":
            mirror = mirror.conj()
        worst = max(worst, float(np.abs(matrix[rows] - mirror).max()))
    return worst
