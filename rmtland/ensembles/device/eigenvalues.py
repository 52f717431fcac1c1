r"""Eigenvalues of many Hermitian matrices on a CUDA device.

Three routes: one matrix after the other by divide and conquer (`cusolverDnXsyevd`), a batch by
Jacobi rotations (`cusolverDn<t>syevjBatched`), a batch by cuSOLVER's `cusolverDnXsyevBatched`
(CUDA 12.6.2 and later; CuPy does not expose it, so that it is called in the library that CuPy has
loaded), chosen by `ROUTES` from the size and the number of matrices. Every one checks the status
that the solver reports for each matrix. Symmetric tridiagonal matrices are solved by bisection
(`rmtland.ensembles.device.tridiagonal`).

Examples
--------
>>> route_of(16, 1000), route_of(1000, 1)
('jacobi', 'single')
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.cuda_libraries import loaded_library
from rmtland.solution import ConvergenceError
from rmtland.typing import Array

__all__ = ["ROUTES", "eigvalsh", "route_of", "svdvals"]

ROUTES: tuple[tuple[int, str], ...] = ((32, "jacobi"), (2048, "batched"))
"""Largest size of a matrix for which each route is the fastest on a batch, ascending.

Measured on an H100 with CUDA 13 (`scripts/device_samplers.py`, routes to eigenvalues).
"""

_MOST = 2**15  # matrices in one call of cuSOLVER
_TYPES = {"float32": 0, "float64": 1, "complex64": 4, "complex128": 5}  # cudaDataType


def route_of(n: int, matrices: int) -> str:
    """Return the route for a number of matrices of a size: "jacobi", "batched" or "single".

    Parameters
    ----------
    n : int
        Size of the matrices.
    matrices : int
        How many there are.

    Returns
    -------
    str
    """
    for largest, route in ROUTES:
        if n <= largest and matrices > 1:
            return route
    return "single"


def eigvalsh(library: ArrayLibrary, matrices: Array, *, route: str | None = None) -> Array:
    """Eigenvalues of Hermitian matrices, ascending.

    Parameters
    ----------
    library : ArrayLibrary
        Library of the matrices; others than CuPy solve them as they do.
    matrices : array, shape (runs, n, n)
        Matrices on the device; they are overwritten.
    route : str, optional
        "jacobi", "batched" or "single"; by size by default.

    Returns
    -------
    array, shape (runs, n)

    Raises
    ------
    ConvergenceError
        If cuSOLVER reports that a matrix did not converge.
    """
    if library.name != "cupy":
        return library.xp.linalg.eigvalsh(matrices)
    runs, n = matrices.shape[:2]
    route = route or route_of(n, runs)
    if route == "batched" and _solver() is None:
        single_precision = str(matrices.dtype) in ("float32", "complex64")
        # Jacobi's rotations in single precision are off by 1e-4 of the norm at n = 150 on an H100
        route = "single" if n > (32 if single_precision else 256) else "jacobi"
    if route == "single":
        import cupy
        import cupyx

        with cupyx.errstate(linalg="raise"), _convergence():
            return cupy.stack([cupy.linalg.eigvalsh(matrix) for matrix in matrices])
    if route == "jacobi":
        return _jacobi(matrices)
    if route == "batched":
        parts = [_batched(matrices[k : k + _MOST]) for k in range(0, runs, _MOST)]
        return parts[0] if len(parts) == 1 else library.xp.concat(parts)
    raise ValueError(f"unknown route {route!r}; choose one of jacobi, batched, single")


def svdvals(library: ArrayLibrary, blocks: Array) -> Array:
    """Singular values of real matrices, descending.

    Parameters
    ----------
    library : ArrayLibrary
        Library of the matrices.
    blocks : array, shape (..., rows, columns)
        Matrices. On CuPy they are the positive eigenvalues of [[0, B], [B^T, 0]].

    Returns
    -------
    array, shape (..., min(rows, columns))
    """
    xp = library.xp
    if library.name != "cupy":
        return xp.linalg.svdvals(blocks)
    *several, rows, columns = blocks.shape
    flat = blocks.reshape(-1, rows, columns)
    whole = xp.zeros((flat.shape[0], rows + columns, rows + columns), dtype=flat.dtype)
    whole[:, rows:, :rows] = xp.linalg.matrix_transpose(flat)
    whole[:, :rows, rows:] = flat
    values = eigvalsh(library, whole)[:, ::-1][:, : min(rows, columns)]
    return xp.maximum(values, xp.zeros_like(values)).reshape(*several, min(rows, columns))


@contextmanager
def _convergence() -> Iterator[None]:
    """Turn CuPy's error of a solver that did not converge into a ConvergenceError."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(f"cuSOLVER found no eigenvalues: {error}") from error


def _jacobi(matrices: Array) -> Array:
    """Solve a batch by Jacobi rotations."""
    import cupy
    from cupy_backends.cuda.libs import cusolver

    runs, n = matrices.shape[:2]
    letter = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[
        str(matrices.dtype)
    ]
    name = letter + ("sy" if letter in "sd" else "he") + "evjBatched"
    solve, size = getattr(cusolver, name), getattr(cusolver, name + "_bufferSize")
    matrices = cupy.ascontiguousarray(matrices)
    values = cupy.empty((runs, n), dtype=matrices.dtype.char.lower())
    status = cupy.empty(runs, dtype=np.int32)
    handle = cupy.cuda.Device().cusolver_handle
    # column by column a Hermitian matrix is its conjugate, with the same eigenvalues
    place, lower = matrices.data.ptr, 0
    info = cusolver.createSyevjInfo()
    try:
        given = (handle, 0, lower, n, place, n, values.data.ptr)
        work = cupy.empty(size(*given, info, runs), dtype=matrices.dtype)
        solve(*given, work.data.ptr, work.size, status.data.ptr, info, runs)
    finally:
        cusolver.destroySyevjInfo(info)
    _check(status, n)
    return values


def _batched(matrices: Array) -> Array:
    """Solve a batch by cusolverDnXsyevBatched, halves of it where its workspace does not fit."""
    import cupy
    from cupy_backends.cuda.libs import cusolver

    solver = _solver()
    assert solver is not None
    runs, n = matrices.shape[:2]
    matrices = cupy.ascontiguousarray(matrices)
    values = cupy.empty((runs, n), dtype=matrices.dtype.char.lower())
    status = cupy.empty(runs, dtype=np.int32)
    kind, real = _TYPES[str(matrices.dtype)], _TYPES[str(values.dtype)]
    handle = cupy.cuda.Device().cusolver_handle
    cusolver.setStream(handle, cupy.cuda.get_current_stream().ptr)
    parameters = cusolver.createParams()
    device, host = ctypes.c_size_t(), ctypes.c_size_t()
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    given: tuple[object, ...] = (
        *(pointer(handle), pointer(parameters), 0, 0),  # values only, of the lower triangle
        *(size(n), kind, pointer(matrices.data.ptr), size(n)),
        *(real, pointer(values.data.ptr), kind),
    )
    try:
        _succeeded(
            solver.cusolverDnXsyevBatched_bufferSize(
                *given, ctypes.byref(device), ctypes.byref(host), size(runs)
            )
        )
        try:
            work = cupy.empty(device.value, dtype=np.uint8)
        except cupy.cuda.memory.OutOfMemoryError:
            if runs == 1:
                raise
            work = None
        if work is None:
            halves = (matrices[: runs // 2], matrices[runs // 2 :])
            return cupy.concatenate([_batched(half) for half in halves])
        own = np.empty(max(host.value, 1), dtype=np.uint8)
        _succeeded(
            solver.cusolverDnXsyevBatched(
                *given,
                pointer(work.data.ptr),
                device,
                pointer(own.ctypes.data),
                host,
                pointer(status.data.ptr),
                size(runs),
            )
        )
        _check(status, n)
    finally:
        cusolver.destroyParams(parameters)
    return values


def _succeeded(status: int) -> None:
    if status:
        raise RuntimeError(
            f"cusolverDnXsyevBatched returned status {status}"
            + (" (CUSOLVER_STATUS_ALLOC_FAILED)" if status == 2 else "")
        )


def _check(status: Array, n: int) -> None:
    bad = status.get() != 0
    if bad.any():
        raise ConvergenceError(
            f"cuSOLVER found no eigenvalues for {int(bad.sum())} of {bad.size} matrices of size "
            f"{n}, the first of them number {int(bad.argmax())} (info {int(status[bad.argmax()])})"
        )


@cache
def _solver() -> ctypes.CDLL | None:
    """Return the cuSOLVER library that CuPy has loaded, if it has the batched solver."""
    from cupy_backends.cuda.libs import cusolver

    assert cusolver  # it is loaded now
    return loaded_library(
        "libcusolver", ["libcusolver.so.12", "libcusolver.so.11"], "cusolverDnXsyevBatched"
    )
