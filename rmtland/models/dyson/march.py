r"""Fixed points of matrix Dyson equations, point after point along a row of z.

An equation y = F_z(y) maps a half-plane of states into itself, and the averaged iteration
y <- (y + F(y))/2 converges to its only solution there [1]_. Anderson acceleration [2]_ takes the
combination of the last states whose defects cancel best; a step that would leave the half-plane is
replaced by the averaged one. Along a row of points each starts from its neighbours, continued
linearly; where that fails, from far above the axis.

References
----------
.. [1] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [2] H. F. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer.
       Anal. 49 (2011) 1715-1735.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEPTH", "STEPS", "DysonEquation", "Solved", "anderson", "march"]

Complex = NDArray[Any]  # complex128

DEPTH = 6
"""Number of past steps that Anderson acceleration combines."""

STEPS = 400
"""Largest number of steps at one point from one start."""

_PATIENCE = 60
_RUNGS = 8


class Solved(NamedTuple):
    """What was found at one point."""

    y: Complex
    blocks: Any
    steps: int
    size: float
    good: bool


class DysonEquation(Protocol):
    """A matrix Dyson equation as a fixed point of packed states."""

    def start(self, z: complex) -> Complex:
        """Return a state of the half-plane, right for large z."""

    def applied(self, z: complex, y: Complex) -> tuple[Complex, Any]:
        """Apply the equation once: the new state, and its blocks."""

    def admits(self, y: Complex) -> bool:
        """Whether a state may belong to the half-plane; a necessary condition that is cheap."""

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int
    ) -> Solved:
        """Solve at one point, from a start if there is one."""

    def trace(self, blocks: Any) -> complex:
        """Return G."""

    def potential(self, z: complex, blocks: Any) -> complex:
        """Return L, the integral of G."""


def anderson(
    equation: DysonEquation,
    z: complex,
    y: Complex,
    tolerance: float,
    *,
    source: Any = 0.0,
    limit: int = STEPS,
) -> tuple[Complex, Any, int, float]:
    """Solve y = F(y) + source.

    Returns
    -------
    tuple
        The state, its blocks, the number of steps, and the last relative change.
    """
    best = np.inf
    steps_y: deque[Complex] = deque(maxlen=DEPTH)
    steps_f: deque[Complex] = deque(maxlen=DEPTH)
    last: tuple[Complex, Complex] | None = None
    for step in range(1, limit + 1):
        value, blocks = equation.applied(z, y)
        f = value + source - y
        size = float(np.linalg.norm(f) / np.linalg.norm(y))
        if not np.isfinite(size):
            return y, blocks, step, np.inf
        if size <= tolerance:
            return y + f, blocks, step, size
        if size > 1e3 * best:
            steps_y.clear()
            steps_f.clear()
        best = min(best, size)
        if last is not None:
            steps_y.append(y - last[0])
            steps_f.append(f - last[1])
        last = (y, f)
        new = y + f / 2
        if steps_f:
            df = np.array(steps_f)
            normal = df.conj() @ df.T
            shift = 1e-14 * np.trace(normal).real * np.eye(len(df))
            gamma = np.linalg.solve(normal + shift, df.conj() @ f)
            trial = y + f
            for weight, dy, move in zip(gamma, steps_y, steps_f, strict=True):
                trial -= weight * (dy + move)
            if equation.admits(trial):
                new = trial
        y = new
    return y, blocks, limit, size


def march(
    equation: DysonEquation, z: Complex, tolerance: float, *, see: Callable[[int], object]
) -> Iterator[tuple[int, Solved]]:
    """Solve at all points, in the order of the real part, then of the height.

    Parameters
    ----------
    equation : DysonEquation
        The equation.
    z : ndarray of complex, shape (n,)
        Points of the open upper half-plane.
    tolerance : float
        Of the relative change of the state.
    see : callable
        Called with the number of points solved after each.

    Yields
    ------
    tuple
        Place in z and what was found there.
    """
    past: deque[tuple[complex, Complex]] = deque(maxlen=2)
    for done, i in enumerate(np.lexsort((z.imag, z.real)), start=1):
        point = complex(z[i])
        solved, steps = None, 0
        if past:
            near = past[-1][1]
            start = _continued(point, past)
            start = start if equation.admits(start) else near
            solved = equation.fixed_point(point, start, tolerance, _PATIENCE)
            steps = solved.steps
        if solved is None or not solved.good:
            solved = equation.fixed_point(point, None, tolerance, STEPS)
            steps += solved.steps
        if not solved.good:
            rung: Complex | None = None
            for height in np.geomspace(max(4.0, 4 * point.imag), point.imag, _RUNGS):
                solved = equation.fixed_point(complex(point.real, height), rung, tolerance, STEPS)
                rung, steps = solved.y, steps + solved.steps
        if solved.good:
            past.append((point, solved.y))
        else:
            past.clear()
        yield int(i), solved._replace(steps=steps)
        see(done)


def _continued(point: complex, past: deque[tuple[complex, Complex]]) -> Complex:
    """Linear continuation in z of the last two states, where it does not reach too far."""
    near, state = past[-1]
    if len(past) == 2:
        far, state_far = past[0]
        ratio = (point - near) / (near - far) if near != far else np.inf
        if abs(ratio) <= 1.5:
            return np.asarray(state + ratio * (state - state_far))
    return state
