r"""Resolvents at many points at once, as stacks of matrices, on any array library and device.

A matrix Dyson equation :math:`M(z) = (z - A - S[M(z)])^{-1}` is solved point by point on the CPU,
each point from its neighbours. A device wants few and large launches: here all points advance
together, a state is a row, and one step of the averaged or Anderson-accelerated iteration [1]_ is
a handful of batched products and inverses for all of them. Nothing is read on the host between two
looks, `LOOK` steps apart; at a look the points that are solved leave the batch.

Logarithmic determinants of matrices with a positive imaginary part,

.. math:: \log\det W = \sum \log(\text{eigenvalues}), \qquad 0 < \arg < \pi ,

take modulus and phase from a factorisation with pivoting, and the number of whole turns from the
pivots of one without, which all lie in the upper half-plane. Synonyms: MDE, Dyson equation on a
GPU, batched LU, operator-valued Stieltjes transform.

References
----------
.. [1] H. F. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer.
       Anal. 49 (2011) 1715-1735.

Examples
--------
A scalar equation, of the semicircle law: g = 1/(z - g).

>>> import numpy as np
>>> class Semicircle:
...     def apply(self, z, y):
...         return 1 / (z[:, None] - y)
...     def weights(self, y):
...         return np.ones(y.shape)
...     def in_half_plane(self, y):
...         return (y.imag < 0).all(axis=1)
>>> z = np.array([0.1j, 1 + 0.01j])
>>> found = batched_fixed_points(Semicircle(), z, 1 / z[:, None], tolerance=1e-12)
>>> bool(np.abs(found.states[:, 0] - (z - np.sqrt(z - 2) * np.sqrt(z + 2)) / 2).max() < 1e-10)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.estimate.placement import Placement
from rmtland.typing import Array, Complex, Integer, Logical, Namespace, Real

__all__ = [
    "DEPTH",
    "LOOK",
    "BatchedEquation",
    "BatchedSolution",
    "batched_fixed_points",
    "batches",
    "complex_of",
    "inverses",
    "log_determinants",
    "on_parts",
    "place_of",
    "points_at_once",
]

DEPTH = 16
"""Past steps that Anderson acceleration combines."""

LOOK = 4
"""Steps between two looks of the host at what is solved."""

_SINGLE = 256  # order from which CuPy's solvers of one matrix are faster than its batched ones
_SHARE = 4  # of the free memory that a batch may take, 1 over this
_HOST_BYTES = 2**28  # of a batch where the library does not say what is free


def place_of(xp: Namespace | None = None, device: object = None) -> Placement:
    """Return where to compute: a library and a device, by the keywords of the samplers.

    Parameters
    ----------
    xp : module, optional
        numpy, cupy, torch or another library of the array-API standard; NumPy by default, and
        CuPy where `device` is "cuda".
    device : str or device, optional
        Device for the library.

    Returns
    -------
    Placement

    Raises
    ------
    ImportError
        If the library is not installed.
    ValueError
        If it has no such device.
    """
    library = ArrayLibrary.of(xp, device=device)
    return Placement(library.xp, library.device)


def points_at_once(place: Placement, bytes_of_a_point: int) -> int:
    """Return how many points a batch may hold, at least one.

    Parameters
    ----------
    place : Placement
        Where it is computed.
    bytes_of_a_point : int
        At the height of a step, everything included.

    Returns
    -------
    int
        So many as fill a quarter of the free memory of a device.
    """
    free = place.free_bytes()
    room = _HOST_BYTES if free is None else free // _SHARE
    return max(1, room // max(bytes_of_a_point, 1))


# Linear algebra of stacks -------------------------------------------------------------------------


def complex_of(real: Array, imaginary: Array, place: Placement) -> Array:
    """Return an array by its real and imaginary parts.

    Parameters
    ----------
    real, imaginary : array
        Real arrays of one shape, of the place.
    place : Placement
        Where they are.

    Returns
    -------
    array of complex128
    """
    if place.is_host:
        made = np.empty(real.shape, dtype=np.complex128)
        made.real, made.imag = real, imaginary
        return made
    return place.cast(real, np.complex128) + place.cast(imaginary, np.complex128) * 1j


def on_parts(function: Callable[[Array], Array], array: Array, place: Placement) -> Array:
    """Apply a real linear function to real and imaginary parts, as one stack of twice the length.

    A product of a real and a complex matrix costs half of that of two complex ones.

    Parameters
    ----------
    function : callable
        Real array (2 b, ...) -> real array (2 b, ...).
    array : array of complex, shape (b, ...)
        What it is applied to.
    place : Placement
        Where it is.

    Returns
    -------
    array of complex
    """
    xp, b = place.xp, array.shape[0]
    both = function(xp.concat([xp.real(array), xp.imag(array)], axis=0))
    return complex_of(both[:b, ...], both[b:, ...], place)


def inverses(w: Array, place: Placement) -> Array:
    """Return the inverses of a stack of matrices.

    Parameters
    ----------
    w : array, shape (..., n, n)
        Real or complex.
    place : Placement
        Where they are.

    Returns
    -------
    array, shape (..., n, n)
        NaN or infinite where a matrix is singular, and only there.

    Raises
    ------
    ValueError
        If they are not square.
    """
    xp = place.xp
    if w.ndim < 2 or w.shape[-1] != w.shape[-2]:
        raise ValueError(f"expected square matrices (..., n, n); got shape {tuple(w.shape)}")
    try:
        if w.ndim > 2 and w.shape[-1] >= _SINGLE and xp.__name__.endswith("cupy"):
            n = w.shape[-1]
            each = [xp.linalg.inv(one) for one in xp.reshape(w, (-1, n, n))]
            return xp.reshape(xp.stack(each), w.shape)
        return xp.linalg.inv(w)
    except Exception as error:
        if "LinAlgError" not in type(error).__name__:
            raise
    if w.ndim == 2:
        return xp.full_like(w, math.nan)
    n = w.shape[-1]
    flat = xp.reshape(w, (-1, n, n))
    each = [inverses(flat[i, :, :], place) for i in range(flat.shape[0])]
    return xp.reshape(xp.stack(each), w.shape)


def log_determinants(w: Array, place: Placement) -> Array:
    """Return log det of matrices with a positive imaginary part, every argument in (0, pi n).

    Parameters
    ----------
    w : array of complex, shape (..., n, n)
        Matrices; (W - W*)/2i is positive definite.
    place : Placement
        Where they are.

    Returns
    -------
    array of complex, shape (...)
    """
    xp, n = place.xp, int(w.shape[-1])
    sign, size = xp.linalg.slogdet(w)
    turns = xp.zeros_like(xp.real(sign))
    rest = w
    for left in range(n, 0, -1):  # pivots, without pivoting: in the upper half-plane
        pivot = rest[..., 0, 0]
        turns = turns + _argument(pivot, xp)
        if left > 1:
            row = rest[..., 0:1, 1:] / pivot[..., None, None]
            rest = rest[..., 1:, 1:] - rest[..., 1:, 0:1] * row
    phase = xp.atan2(xp.imag(sign), xp.real(sign))
    phase = phase + 2 * math.pi * xp.round((turns - phase) / (2 * math.pi))
    return complex_of(place.cast(xp.real(size), np.float64), phase, place)


def _argument(z: Array, xp: Namespace) -> Array:
    """Argument in (-pi/2, 3 pi/2): a pivot that rounding puts below the axis is near to it."""
    angle = xp.atan2(xp.imag(z), xp.real(z))
    return xp.where(angle < -math.pi / 2, angle + 2 * math.pi, angle)


# Fixed points -------------------------------------------------------------------------------------


class BatchedEquation(Protocol):
    """An equation y = F_z(y) for rows of packed states, one a point."""

    def apply(self, z: Array, y: Array) -> Array:
        """Apply the equation: points (b,), states (b, s) -> states (b, s)."""

    def weights(self, y: Array) -> Array:
        """Return positive weights in which changes of states are measured, shape (b, s)."""

    def in_half_plane(self, y: Array) -> Array:
        """Whether each state may belong to the half-plane, shape (b,); cheap."""


class BatchedSolution(NamedTuple):
    """Where the iteration ended, in the order of the points.

    Parameters
    ----------
    states : array, shape (b, s)
        Where they were computed.
    residuals : ndarray, shape (b,)
        The last relative change of each.
    steps : ndarray of int, shape (b,)
        Applications of the equation.
    converged : ndarray of bool, shape (b,)
    """

    states: Array
    residuals: Real
    steps: Integer
    converged: Logical


class _Batch:
    """The rows that are not solved yet, with the history of Anderson acceleration."""

    def __init__(self, z: Array, y: Array, depth: int, place: Placement) -> None:
        b, size = (int(n) for n in y.shape)
        self.place, self.z, self.y, self.depth = place, z, y, depth
        self.numbers = np.arange(b)
        self.combined = place.zeros((b, depth, size), np.complex128)  # changes of y + f
        self.changes = place.zeros((b, depth, size), np.complex128)  # changes of f, weighted
        self.normal = place.zeros((b, depth, depth), np.complex128)
        self.valid = place.zeros((b, depth), np.float64)
        self.eye = place.put(np.eye(depth, dtype=np.complex128))
        self.best = place.zeros((b,), np.float64) + math.inf
        self.done = self.best < 0.0
        self.solved = y
        self.size = self.best
        self.when = place.zeros((b,), np.float64)
        self.scale: Array = None
        self.before: tuple[Array, Array] | None = None
        self.count = 0

    def step(self, equation: BatchedEquation, tolerance: float, number: int) -> None:
        """Take a step of all rows; those that are solved stay."""
        xp, y = self.place.xp, self.y
        value = equation.apply(self.z, y)
        now = equation.weights(y)
        f = value - y
        size = _norms(now * f, xp) / _norms(now * y, xp)
        bad = ~xp.isfinite(size)
        f = xp.where(bad[:, None], xp.zeros_like(f), f)
        good = ~self.done & (size <= tolerance)
        self.solved = xp.where(good[:, None], y + f, self.solved)
        self.size = xp.where(self.done, self.size, size)
        self.when = xp.where(self.done, self.when, xp.zeros_like(size) + float(number))
        self.done = self.done | good
        if self.scale is None:
            self.scale = now
        else:
            far = xp.any((now >= 4 * self.scale) | (self.scale >= 4 * now), axis=1)
            self.scale = xp.where(far[:, None], now, self.scale)
            self._forget(far | (size > 1e3 * self.best))
            self._remember(f)
        self.best = xp.where(size < self.best, size, self.best)
        self.before = (y, f)
        new = y + f / 2
        if self.count:
            trial = y + f - self._combination(f)
            inside = equation.in_half_plane(trial)
            new = xp.where(inside[:, None], trial, new)
        self.y = xp.where((self.done | bad)[:, None], y, new)

    def _forget(self, rows: Array) -> None:
        xp = self.place.xp
        self.valid = xp.where(rows[:, None], xp.zeros_like(self.valid), self.valid)

    def _remember(self, f: Array) -> None:
        """Keep what changed in the last step."""
        assert self.before is not None
        xp, place = self.place.xp, self.count % self.depth
        change = f - self.before[1]
        self.combined[:, place, :] = self.y - self.before[0] + change
        change = change * self.scale
        self.changes[:, place, :] = change
        self.valid[:, place] = 1.0
        self.count += 1
        products = (self.changes @ xp.conj(change)[:, :, None])[:, :, 0]
        self.normal[:, place, :] = products
        self.normal[:, :, place] = xp.conj(products)

    def _combination(self, f: Array) -> Array:
        """Return the combination of past changes that cancels the defect best."""
        xp, place = self.place.xp, self.place
        used = min(self.count, self.depth)
        valid = place.cast(self.valid[:, :used], np.complex128)
        normal = self.normal[:, :used, :used] * valid[:, :, None] * valid[:, None, :]
        eye = self.eye[:used, :used]
        size = xp.sum(xp.sum(xp.real(normal * eye), axis=2), axis=1)
        tiny = xp.where(size > 0.0, 1e-14 * size, xp.ones_like(size))
        shift = place.cast(tiny, np.complex128)[:, None] * valid + (1.0 - valid)
        right = xp.conj(self.changes[:, :used, :]) @ (self.scale * f)[:, :, None]
        gamma = xp.linalg.solve(normal + eye * shift[:, None, :], right * valid[:, :, None])
        mixed = xp.matrix_transpose(gamma) @ self.combined[:, :used, :]
        return mixed[:, 0, :]

    def keep(self, rows: Integer) -> None:
        """Drop all rows but some."""
        xp, place = self.place.xp, self.place
        which = place.put(rows)
        for name in (
            "z",
            "y",
            "combined",
            "changes",
            "normal",
            "valid",
            "best",
            "done",
            "solved",
            "size",
            "when",
            "scale",
        ):
            setattr(self, name, xp.take(getattr(self, name), which, axis=0))
        if self.before is not None:
            one, two = self.before
            self.before = (xp.take(one, which, axis=0), xp.take(two, which, axis=0))
        self.numbers = self.numbers[rows]


def batched_fixed_points(
    equation: BatchedEquation,
    z: Complex,
    start: Array,
    *,
    tolerance: float,
    limit: int = 400,
    place: Placement | None = None,
) -> BatchedSolution:
    """Solve y = F_z(y) at many points by Anderson acceleration, all points together.

    Parameters
    ----------
    equation : BatchedEquation
        F.
    z : ndarray of complex, shape (b,)
        Points, of NumPy.
    start : array of complex, shape (b, s)
        States to start from, where the equation computes.
    tolerance : float
        Of the relative change of each state.
    limit : int, optional
        Largest number of steps.
    place : Placement, optional
        Where it is computed; that of `start` by default.

    Returns
    -------
    BatchedSolution
        Points that were not solved have the last state and `converged` False.
    """
    place = Placement.of(start) if place is None else place
    xp = place.xp
    depth = min(DEPTH, int(start.shape[1]) + 5)
    batch = _Batch(place.put(z, np.complex128), start, depth, place)
    b = len(z)
    residuals, steps = np.full(b, np.inf), np.zeros(b, dtype=np.int64)
    converged = np.zeros(b, dtype=bool)
    pieces: list[tuple[Integer, Array]] = []
    for number in range(1, limit + 1):
        with np.errstate(all="ignore"):
            batch.step(equation, tolerance, number)
        if number % LOOK and number < limit:
            continue
        flags = place.cast(batch.done, np.float64)
        seen = place.take(xp.stack([flags, batch.size, batch.when]))  # one transfer
        done = seen[0] > 0.5
        lost = ~np.isfinite(seen[1]) & ~done
        over = done | lost | (number >= limit)
        residuals[batch.numbers], steps[batch.numbers] = seen[1], seen[2].astype(np.int64)
        converged[batch.numbers[done]] = True
        if over.all() or 4 * over.sum() >= over.size:
            ends = xp.where(batch.done[:, None], batch.solved, batch.y)
            chosen = np.flatnonzero(over)
            pieces.append((batch.numbers[over], xp.take(ends, place.put(chosen), axis=0)))
            if over.all():
                break
            batch.keep(np.flatnonzero(~over))
    order = np.argsort(np.concatenate([numbers for numbers, _ in pieces]))
    states = xp.take(xp.concat([part for _, part in pieces], axis=0), place.put(order), axis=0)
    residuals[np.isnan(residuals)] = np.inf
    return BatchedSolution(states, residuals, steps, converged)


def batches(count: int, at_once: int) -> Iterator[slice]:
    """Return slices of points, as even as they can be.

    Parameters
    ----------
    count : int
        How many points there are; of none there is no slice.
    at_once : int
        How many a batch may hold.

    Returns
    -------
    iterator of slice
    """
    parts = -(-count // at_once)
    ends = np.linspace(0, count, parts + 1).round().astype(int)
    for first, last in pairwise(ends):
        yield slice(int(first), int(last))


def _norms(rows: Array, xp: Namespace) -> Array:
    """Norms of complex rows."""
    return xp.sqrt(xp.sum(xp.real(rows) ** 2 + xp.imag(rows) ** 2, axis=1))
