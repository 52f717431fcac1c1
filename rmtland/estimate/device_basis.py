r"""Krylov bases on a device: inner products with all vectors that are there, and their removal.

Bases are arrays (steps, m, p), vectors (m, p): one row a Krylov space. Of a vector u of space j,

.. math:: h_i = q_i^* u, \qquad u \leftarrow u - \sum_i q_i h_i,

each of which reads the basis once. As matrix products these are so thin that a device is left idle;
in CuPy both are kernels of their own, one thread a few columns, without cooperation of threads. A
space whose `due` is False is passed over: its basis is not read. Synonyms: Gram-Schmidt,
reorthogonalisation, tall and skinny products on a GPU.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.placement import HOST
>>> basis, u = np.eye(3)[:2, None, :], np.array([[3.0, 4.0, 5.0]])
>>> h = inner_products(basis, u, np.array([True]), HOST)
>>> h[:, 0], removed(u, basis, h, np.array([True]), HOST)
(array([3., 4.]), array([[0., 0., 5.]]))
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from rmtland.estimate.placement import Placement
from rmtland.typing import Array

__all__ = ["INNER", "REMOVE", "TAKEN", "inner_products", "removed", "row_dots"]

TAKEN = 16
"""Columns of a thread, taken at equal distances so that neighbours read neighbours."""

INNER = """
    const long long run = i / stride, first = i % stride;
    T own[TAKEN];
    for (int k = 0; k < TAKEN; ++k) {
        const long long x = first + k * stride;
        own[k] = x < length ? T(u[run * length + x]) : T(0);
    }
    for (long long step = 0; step < used; ++step) {
        const long long row = step * runs + run;
        T sum = T(0);
        if (due[run]) {
            for (int k = 0; k < TAKEN; ++k) {
                const long long x = first + k * stride;
                if (x < length) sum += CONJ(T(basis[row * length + x])) * own[k];
            }
        }
        partial[row * stride + first] = sum;
    }
"""
"""Inner products of the columns of one thread, for thread i (C++)."""

REMOVE = """
    const long long run = i / length;
    T sum = T(0);
    if (due[run]) {
        for (long long step = 0; step < used; ++step) {
            sum += T(basis[step * runs * length + i]) * h[step * runs + run];
        }
    }
    left = old - sum;
"""
"""One entry of a vector without its parts on a basis (C++)."""


def inner_products(basis: Array, u: Array, due: Array, place: Placement) -> Array:
    """Return the inner products of vectors with a basis, each of its own space.

    Parameters
    ----------
    basis : array, shape (k, m, p)
        Vectors of m spaces.
    u : array, shape (m, p)
        One more vector of each.
    due : array of bool, shape (m,)
        Spaces for which they are wanted; zero for the others.
    place : Placement
        Where they are.

    Returns
    -------
    array, shape (k, m)
        Conjugated in the basis.
    """
    xp = place.xp
    k, m, p = (int(n) for n in basis.shape)
    if _is_cupy(place):
        stride = -(-p // TAKEN)
        partial = xp.empty((k, m, stride), dtype=u.dtype)
        kernel = _inner(place.is_complex(u))
        kernel(basis, u, due, k, m, p, stride, partial, size=m * stride)
        return xp.sum(partial, axis=-1)
    rows = xp.permute_dims(place.cast(basis, _name(u)), (1, 0, 2))
    products = (place.conj(rows) @ u[:, :, None])[:, :, 0]
    return xp.where(due[None, :], products.T, xp.zeros_like(products.T))


def removed(u: Array, basis: Array, h: Array, due: Array, place: Placement) -> Array:
    """Return vectors without their parts on a basis.

    Parameters
    ----------
    u : array, shape (m, p)
        The vectors; overwritten on CuPy.
    basis : array, shape (k, m, p)
        Vectors of m spaces.
    h : array, shape (k, m)
        `inner_products`.
    due : array of bool, shape (m,)
        Spaces whose vectors are changed.
    place : Placement
        Where they are.

    Returns
    -------
    array, shape (m, p)
    """
    k, m, p = (int(n) for n in basis.shape)
    if _is_cupy(place):
        _remove()(basis, h, due, k, m, p, u, u)
        return u
    xp = place.xp
    rows = xp.permute_dims(place.cast(basis, _name(u)), (1, 0, 2))
    parts = (xp.permute_dims(h, (1, 0))[:, None, :] @ rows)[:, 0, :]
    return xp.where(due[:, None], u - parts, u)


def row_dots(one: Array, two: Array, place: Placement) -> Array:
    """Return the real parts of the inner products of rows, shape (m,).

    Parameters
    ----------
    one, two : array, shape (m, p)
        Vectors.
    place : Placement
        Where they are.

    Returns
    -------
    array, shape (m,)
    """
    if _is_cupy(place):
        every = _every(int(one.shape[0]))
        return place.real(inner_products(one[None, :, :], two, every, place)[0, :])
    return place.real(place.xp.sum(place.conj(one) * two, axis=1))


@cache
def _every(m: int) -> Any:
    return import_module("cupy").ones(m, dtype=bool)


@cache
def _inner(is_complex: bool) -> Any:
    body = INNER.replace("CONJ", "conj" if is_complex else "").replace("TAKEN", str(TAKEN))
    given = "raw B basis, raw T u, raw bool due, int64 used, int64 runs, int64 length, int64 stride"
    kernel = import_module("cupy").ElementwiseKernel
    return kernel(given, "raw T partial", body, f"rmtland_inner_{int(is_complex)}")


@cache
def _remove() -> Any:
    given = "raw B basis, raw T h, raw bool due, int64 used, int64 runs, int64 length, T old"
    return import_module("cupy").ElementwiseKernel(given, "T left", REMOVE, "rmtland_remove")


def _is_cupy(place: Placement) -> bool:
    return bool(place.xp.__name__.endswith("cupy"))


def _name(array: Array) -> str:
    return str(array.dtype).rsplit(".", maxsplit=1)[-1]
