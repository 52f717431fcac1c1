r"""Fixed points of matrix Dyson equations (MDE), point after point along a row of z.

An equation y = F_z(y) maps a half-plane of states into itself, and the averaged iteration
y <- (y + F(y))/2 converges to its only solution there [1]_. Anderson acceleration [2]_ takes the
combination of the last states whose defects cancel best; a step that would leave the half-plane is
replaced by the averaged one.

The solution is analytic in z: each point starts from the polynomial through the states at the
nearest points solved before (`SolvedStates`), where its weights are moderate; where that fails,
from the start of the equation, and then from far above the axis.

References
----------
.. [1] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [2] H. F. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer.
       Anal. 49 (2011) 1715-1735.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from rmtland.typing import Complex, Real, Tree

__all__ = [
    "DEPTH",
    "STEPS",
    "DysonEquation",
    "FixedPoint",
    "SolvedStates",
    "anderson",
    "solve_along",
]

DEPTH = 16
"""Number of past steps that Anderson acceleration combines."""

STEPS = 400
"""Largest number of steps at one point from one start."""

_PATIENCE = 60
_HEIGHTS = 8
_NEAR = 3  # states that a start is continued from
_AMPLIFIED = 4.0  # largest sum of the moduli of their weights


class FixedPoint(NamedTuple):
    """What was found at one point."""

    state: Complex
    blocks: Tree
    steps: int
    residual: float
    converged: bool


class DysonEquation(Protocol):
    """A matrix Dyson equation as a fixed point of packed states."""

    def start(self, z: complex) -> Complex:
        """Return a state of the half-plane, right for large z."""

    def apply(self, z: complex, y: Complex) -> tuple[Complex, Tree]:
        """Apply the equation once: the new state, and its blocks."""

    def in_half_plane(self, y: Complex) -> bool:
        """Whether a state may belong to the half-plane; a necessary condition that is cheap."""

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int
    ) -> FixedPoint:
        """Solve at one point, from a start if there is one."""

    def trace(self, blocks: Tree) -> complex:
        """Return G."""

    def potential(self, z: complex, blocks: Tree) -> complex:
        """Return L, the integral of G."""


class SolvedStates:
    """States at points solved before, of which new points start.

    Parameters
    ----------
    capacity : int
        Number of states that are kept; the oldest go first.
    max_bytes : int, optional
        Of all states; four are kept in any case.
    """

    def __init__(self, capacity: int = 4, *, max_bytes: int | None = None) -> None:
        self.capacity, self.max_bytes = capacity, max_bytes
        self._points: list[complex] = []
        self._states: list[Complex] = []

    def add(self, z: complex, state: Complex) -> None:
        """Keep the state at a point.

        Parameters
        ----------
        z : complex
            Point.
        state : ndarray of complex
            Solution there.
        """
        self._points.append(z)
        self._states.append(state)
        held = self.capacity
        if self.max_bytes is not None:
            held = min(held, max(4, self.max_bytes // (16 * int(state.shape[0]))))
        del self._points[:-held], self._states[:-held]

    def starts(self, z: complex) -> Iterator[Complex]:
        """Yield states to start from at a point: the smoothest continuation first.

        Parameters
        ----------
        z : complex
            Point.

        Yields
        ------
        ndarray of complex
        """
        if not self._points:
            return
        places = np.array(self._points)
        # the scale on which states change is the height
        order = np.argsort(np.abs(places - z) / np.minimum(places.imag, z.imag), kind="stable")
        near = [int(i) for i in order[:_NEAR]]
        while len(near) > 1:
            weights = _lagrange(places[near], z)
            if np.abs(weights).sum() <= _AMPLIFIED:
                mixed = complex(weights[0]) * self._states[near[0]]
                for weight, i in zip(weights[1:], near[1:], strict=True):
                    mixed = mixed + complex(weight) * self._states[i]
                yield mixed
            near.pop()
        yield self._states[near[0]]


def _lagrange(places: Complex, z: complex) -> Complex:
    """Weights at z of the polynomial through values at the places; infinite where two agree."""
    apart = places[:, None] - places[None, :]
    np.fill_diagonal(apart, 1.0)
    top = np.where(np.eye(len(places), dtype=bool), 1.0, z - places[None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.prod(top / apart, axis=1)
    return np.where(np.isfinite(weights), weights, np.inf)


def anderson(
    equation: DysonEquation,
    z: complex,
    y: Complex,
    tolerance: float,
    *,
    source: complex | Complex = 0.0,
    limit: int = STEPS,
    weights: Callable[[Complex], Real] | None = None,
    first: float = 0.5,
) -> tuple[Complex, Tree, int, float]:
    """Solve y = F(y) + source.

    Parameters
    ----------
    equation : DysonEquation
        F.
    z : complex
        Point.
    y : ndarray of complex
        Start.
    tolerance : float
        Of the relative change.
    source : ndarray of complex or float
        Added to F.
    limit : int
        Largest number of steps.
    weights : callable, optional
        Weights of the components of a state, in which changes are measured; ones by default.
    first : float
        Share of the change that the first step takes; 1 where the start is known to be close.

    Returns
    -------
    tuple
        The state, its blocks, the number of steps, and the last relative change.
    """
    depth = min(DEPTH, y.size + 5)
    best, size, blocks = np.inf, np.inf, None
    combined = np.empty((depth, y.size), dtype=np.complex128)  # changes of y + f
    changes = np.empty_like(combined)  # changes of f, weighted
    normal = np.zeros((depth, depth), dtype=np.complex128)
    kept = 0  # of the rows above; the oldest is overwritten
    last: tuple[Complex, Complex] | None = None
    scale: float | Real = 1.0
    for step in range(1, limit + 1):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            value, blocks = equation.apply(z, y)
        f = value + source - y
        if weights is not None:
            now = weights(y)
            if step == 1 or not (now < 4 * scale).all() or not (scale < 4 * now).all():
                scale, kept, last = now, 0, None
            size = float(np.linalg.norm(now * f) / np.linalg.norm(now * y))
        else:
            size = float(np.linalg.norm(f) / np.linalg.norm(y))
        if not np.isfinite(size):
            return y, blocks, step, np.inf
        if size <= tolerance:
            return y + f, blocks, step, size
        if size > 1e3 * best:
            kept = 0
        best = min(best, size)
        if last is not None:
            row = kept % depth
            np.subtract(f, last[1], out=changes[row])
            np.subtract(y, last[0], out=combined[row])
            combined[row] += changes[row]
            changes[row] *= scale
            kept += 1
            used = min(kept, depth)
            products = changes[:used] @ changes[row].conj()
            normal[row, :used], normal[:used, row] = products, products.conj()
        last = (y, f)
        new = y + f * (first if step == 1 else 0.5)
        if last is not None and kept:
            used = min(kept, depth)
            shift = 1e-14 * np.trace(normal[:used, :used]).real * np.eye(used)
            right = (changes[:used] @ (scale * f).conj()).conj()
            gamma = np.linalg.solve(normal[:used, :used] + shift, right)
            trial = y + f - gamma @ combined[:used]
            if equation.in_half_plane(trial):
                new = trial
        y = new
    return y, blocks, limit, size


def solve_along(
    equation: DysonEquation,
    z: Complex,
    tolerance: float,
    *,
    callback: Callable[[int], object] | None = None,
    states: SolvedStates | None = None,
) -> Iterator[tuple[int, FixedPoint]]:
    """Solve at all points, in the order of the real part, then downwards.

    Parameters
    ----------
    equation : DysonEquation
        The equation.
    z : ndarray of complex, shape (n,)
        Points of the open upper half-plane.
    tolerance : float
        Of the relative change of the state.
    callback : callable, optional
        Called with the number of points solved after each.
    states : SolvedStates, optional
        States to start from; those found are added.

    Yields
    ------
    tuple
        Place in z and what was found there.
    """
    known = SolvedStates() if states is None else states
    for done, i in enumerate(np.lexsort((-z.imag, z.real)), start=1):
        found = _solve_at(equation, complex(z[i]), tolerance, known)
        if found.converged:
            known.add(complex(z[i]), found.state)
        yield int(i), found
        if callback is not None:
            callback(done)


def _solve_at(
    equation: DysonEquation, point: complex, tolerance: float, known: SolvedStates
) -> FixedPoint:
    """Solve at one point: from known states, from the start, from far above."""
    steps = 0
    start = next((y for y in known.starts(point) if equation.in_half_plane(y)), None)
    if start is not None:
        found = equation.fixed_point(point, start, tolerance, _PATIENCE)
        if found.converged:
            return found
        steps = found.steps
    found = equation.fixed_point(point, None, tolerance, STEPS)
    steps += found.steps
    if not found.converged:
        state: Complex | None = None
        for height in np.geomspace(max(4.0, 4 * point.imag), point.imag, _HEIGHTS):
            found = equation.fixed_point(complex(point.real, height), state, tolerance, STEPS)
            state, steps = found.state, steps + found.steps
    return found._replace(steps=steps)
