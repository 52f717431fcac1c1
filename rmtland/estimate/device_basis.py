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

from collections.abc import Callable
from functools import cache
from importlib import import_module

from rmtland.estimate.placement import Placement
from rmtland.typing import Array

__all__ = [
    "BEGUN",
    "ENDED",
    "INNER",
    "REMOVE",
    "TAKEN",
    "begun",
    "ended",
    "inner_products",
    "less",
    "removed",
    "row_dots",
]

TAKEN = 16
"""Columns of a thread, taken at equal distances so that neighbours read neighbours."""

INNER = """
    const long long run = i / stride, first = i % stride;
    const bool is_due = due[run], is_whole = first + (TAKEN - 1) * stride < length;
    T own[TAKEN];
    #pragma unroll
    for (int k = 0; k < TAKEN; ++k) {
        const long long x = first + k * stride;
        own[k] = x < length ? T(u[run * length + x]) : T(0);
    }
    for (long long step = 0; step < used; ++step) {
        const long long row = step * runs + run;
        T sum = T(0), other = T(0);
        const B *here = &basis[row * length + first];
        if (is_due && is_whole) {
            #pragma unroll
            for (int k = 0; k < TAKEN; k += 2) {
                sum += CONJ(T(here[k * stride])) * own[k];
                other += CONJ(T(here[(k + 1) * stride])) * own[k + 1];
            }
        } else if (is_due) {
            for (int k = 0; first + k * stride < length; ++k) {
                sum += CONJ(T(here[k * stride])) * own[k];
            }
        }
        partial[row * stride + first] = sum + other;
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


BEGUN = """
    const T whole = alpha_part + rest, length = sqrt(square + lost);
    alpha = whole;
    T size = fabs(whole) > length ? fabs(whole) : length;
    scale = size > old ? size : old;
    due = sqrt(square) < least * scale;
"""
"""Coefficient, scale, and whether a vector is short, of one space after a pass (C++)."""

ENDED = """
    const T length = sqrt(square);
    const bool over = last || length <= limit * scale;
    norm = over ? T(0) : length;
    inverse = over ? T(0) : T(1) / length;
"""
"""Length of a vector, and one over it; zero both where a space has ended (C++)."""


def less(first: Array, second: Array, factor: Array, place: Placement) -> Array:
    """Return first - factor * second, of rows, in memory of its own or that of the first.

    Parameters
    ----------
    first, second : array, shape (m, p)
        Vectors; the first of any layout.
    factor : array, shape (m,)
        One number a row.
    place : Placement
        Where they are.

    Returns
    -------
    array, shape (m, p)
        Rows contiguous.
    """
    if _is_cupy(place):
        kind = "T first, T second, R factor"
        out = first if first.flags.c_contiguous else place.xp.empty(first.shape, dtype=second.dtype)
        kernel = _kernel(kind, "T left", "left = first - second * factor;", "rmtland_less")
        kernel(first, second, factor[:, None], out)
        return out
    return first - second * factor[:, None]


def begun(
    alpha_part: Array,
    rest: Array,
    square: Array,
    lost: Array,
    old: Array,
    least: float,
    place: Placement,
) -> tuple[Array, Array, Array]:
    """Return what is known after the first pass over the basis.

    Parameters
    ----------
    alpha_part, rest : array, shape (m,)
        Parts of the coefficient alpha.
    square, lost : array, shape (m,)
        Squares of the lengths of the vectors, and of what was taken from them.
    old : array, shape (m,)
        Size of the operator as far as was known.
    least : float
        Length, of that size, below which a vector is short.
    place : Placement
        Where they are.

    Returns
    -------
    alpha, scale, due : array, shape (m,)
        The coefficient, the size of the operator, and whether the vector is short.
    """
    if _is_cupy(place):
        given = "T alpha_part, T rest, T square, T lost, T old, T least"
        kernel = _kernel(given, "T alpha, T scale, bool due", BEGUN, "rmtland_begun")
        alpha, scale, due = kernel(alpha_part, rest, square, lost, old, least)
        return alpha, scale, due
    xp = place.xp
    alpha = alpha_part + rest
    scale = xp.maximum(old, xp.maximum(xp.abs(alpha), xp.sqrt(square + lost)))
    return alpha, scale, xp.sqrt(square) < least * scale


def ended(
    square: Array, scale: Array, limit: float, *, last: bool, place: Placement
) -> tuple[Array, Array]:
    """Return the lengths of vectors and one over them, both 0 where a space has ended.

    Parameters
    ----------
    square : array, shape (m,)
        Squares of the lengths.
    scale : array, shape (m,)
        Size of the operator.
    limit : float
        Length, of that size, that is rounding. A NaN is no end: it stays.
    last : bool
        Whether all spaces end here.
    place : Placement
        Where they are.

    Returns
    -------
    norm, inverse : array, shape (m,)
    """
    if _is_cupy(place):
        given, found = "T square, T scale, T limit, bool last", "T norm, T inverse"
        norm, inverse = _kernel(given, found, ENDED, "rmtland_ended")(square, scale, limit, last)
        return norm, inverse
    xp = place.xp
    norm = xp.sqrt(square)
    over = norm <= limit * scale
    if last:
        over = over | ~over
    norm = xp.where(over, xp.zeros_like(norm), norm)
    inverse = 1.0 / xp.where(over, xp.ones_like(norm), norm)
    return norm, xp.where(over, xp.zeros_like(norm), inverse)


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
def _every(m: int) -> Array:
    return import_module("cupy").ones(m, dtype=bool)


@cache
def _kernel(given: str, found: str, body: str, name: str) -> Callable[..., Array]:
    made: Callable[..., Array] = import_module("cupy").ElementwiseKernel(given, found, body, name)
    return made


@cache
def _inner(is_complex: bool) -> Callable[..., Array]:
    body = INNER.replace("CONJ", "conj" if is_complex else "").replace("TAKEN", str(TAKEN))
    given = "raw B basis, raw T u, raw bool due, int64 used, int64 runs, int64 length, int64 stride"
    return _kernel(given, "raw T partial", body, f"rmtland_inner_{int(is_complex)}")


@cache
def _remove() -> Callable[..., Array]:
    given = "raw B basis, raw T h, raw bool due, int64 used, int64 runs, int64 length, T old"
    return _kernel(given, "T left", REMOVE, "rmtland_remove")


def _is_cupy(place: Placement) -> bool:
    return bool(place.xp.__name__.endswith("cupy"))


def _name(array: Array) -> str:
    return str(array.dtype).rsplit(".", maxsplit=1)[-1]
