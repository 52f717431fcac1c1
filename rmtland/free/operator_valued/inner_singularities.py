r"""Points inside a band where the density is unbounded.

As at a hard edge (`rmtland.free.operator_valued.hard_edges`), z is a power series in
:math:`\sigma = G^{-1/p}` beside such a point e,

.. math:: z - e = c_q \sigma^q + c_{q+1} \sigma^{q+1} + \dots, \qquad q = p + 1,

with complex coefficients, as G is real on neither side, or begins with :math:`\sigma^3` for p = 1,
where the density is unbounded like the power -1/3 of the distance. They and e are fitted to points
above the axis, where the equation keeps its digits. The series gives the density, and the mass
between two points beside e from

.. math:: \int G \, dz = \sum_k \frac{k}{k - p} c_k \sigma^{k - p} .

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> square = MatrixDyson(np.array([[0.0, 0.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]),
...     pencil=np.diag([1.0, 0.0]))  # Marchenko-Pastur law of ratio 1: a point with one side
>>> point = inner_singularity(square, 0.01, 0.05, 4.0)
>>> bool(abs(point.place) < 1e-12), point.power
(True, 1)
>>> d = np.array([1e-12])
>>> bool(abs(-point.transform(d).imag[0] * 1e-6 - 1) < 1e-7)
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.free.operator_valued.transform_series import (
    SeriesBesidePoints,
    relative_fit,
    solve_series,
    transform_integral,
)
from rmtland.typing import Complex, Logical, Real

__all__ = ["InnerSingularities", "InnerSingularity", "inner_singularity"]

_NEAR = 1e-5
_CLOSEST = 1e-12
_TERMS = 8
_RESIDUAL = 1e-8
_AGREEMENT = 1e-6
_REFINEMENTS = 3
_POWERS = ((1, 3), (1, 2), (2, 3), (3, 4))
"""p and the lowest order q. A series from order 3 is one from order 2, too, and is tried first."""
_DIRECTIONS = np.exp(1j * np.pi * (np.arange(8) + 0.5) / 8)
_RADII = np.array([1.0, 0.3, 0.1])


class InnerSingularity(NamedTuple):
    """The series of a point e where the density is unbounded.

    Parameters
    ----------
    place : float
        The point e.
    power : int
        p; the density is unbounded like the power -p/q of the distance, on a side at least.
    coefficients : ndarray of complex
        c_q, c_{q+1}, ... of z - e in powers of sigma.
    reach : float
        Distance up to which the series replaces the equation.
    roots : (complex, complex)
        sigma^q = (z - e)/c_q has the root of the principal value times these, left and right.
    lowest : int
        q.
    """

    place: float
    power: int
    coefficients: Complex
    reach: float
    roots: tuple[complex, complex] = (1.0, 1.0)
    lowest: int = 2

    def sigma(self, t: Real) -> Complex:
        """Solve the series at real z - e = t, other than 0."""
        q, c = self.lowest, self.coefficients
        logarithm = np.log(t.astype(np.complex128)) - np.log(complex(c[0]))  # t/c[0] may underflow
        return solve_series(c, q, np.exp(logarithm / q) * np.where(t < 0, *self.roots))

    def transform(self, t: Real) -> Complex:
        """G at real z - e = t, other than 0."""
        return np.asarray(self.sigma(t) ** -self.power)

    def density(self, t: Real) -> Real:
        """Density at real z - e = t, infinite at 0."""
        density = np.full(t.shape, np.inf)
        away = t != 0
        density[away] = np.maximum(-self.transform(t[away]).imag / np.pi, 0.0)
        return density

    def integral(self, t: Real) -> Complex:
        """Integral of G from e to e + t."""
        found = np.zeros(t.shape, dtype=np.complex128)
        away = t != 0
        sigma = self.sigma(t[away])
        found[away] = transform_integral(self.coefficients, self.lowest, self.power, sigma)
        return found


def inner_singularity(
    equation: ResolventEquation, near: float, distance: float, radius: float
) -> InnerSingularity | None:
    """Return the point near a guess where G is unbounded, None where there is none.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    near : float
        A guess.
    distance : float
        How far from the guess the point may be.
    radius : float
        Radius of the support.

    Returns
    -------
    InnerSingularity or None
        If points above the axis lie on the series to 1e-9 of their distances. `roots` are those of
        either side.
    """
    for _ in range(_REFINEMENTS):
        found = _converged(equation, near, distance, radius)
        if found is not None:
            return found
        # To the highest of more points, and look closer
        x = near + distance * np.linspace(-1, 1, 34)
        solved = equation.solutions(x.astype(np.complex128))
        density = np.where(solved.accepted, -equation.trace(solved.matrices).imag, -np.inf)
        near, distance = float(x[density.argmax()]), distance / 8
    return None


def _converged(
    equation: ResolventEquation, near: float, distance: float, radius: float
) -> InnerSingularity | None:
    """Return the point to which series fitted at smaller and smaller distances converge."""
    while distance > _CLOSEST * radius:
        t = (distance * _RADII[:, None] * _DIRECTIONS).ravel()
        solved = equation.solutions(near + t)
        if not solved.accepted.all():
            return None
        g = equation.trace(solved.matrices)
        fits = [_fitted(t, g, *powers) for powers in _POWERS]
        best = fits[0] if fits[0][0] <= _RESIDUAL else min(fits, key=lambda fit: fit[0])
        residual, offset, coefficients, power, lowest = best
        if residual > 0.1 or abs(offset) > distance:
            return None
        if residual <= _RESIDUAL and abs(offset) <= distance / 100:
            if abs(offset.imag) > 10 * _RESIDUAL * distance:
                return None
            reach = min(distance / 20, _NEAR * radius)
            found = InnerSingularity(near + offset.real, power, coefficients, reach, lowest=lowest)
            return _with_roots(equation, found)
        near, distance = near + offset.real, distance / 4
    return None


def _fitted(
    t: Complex, g: Complex, power: int, lowest: int
) -> tuple[float, complex, Complex, int, int]:
    """Residual, offset and coefficients of the series through points z = t, and its orders."""
    sigma = g ** (-1 / power)
    size = np.abs(sigma).max()
    orders = np.arange(lowest, lowest + _TERMS)
    columns = np.column_stack([(sigma / size)[:, None] ** orders, np.ones(t.size)]) / t[:, None]
    values, residual = relative_fit(columns)
    return residual, complex(values[-1]), values[:-1] / size**orders, power, lowest


def _with_roots(equation: ResolventEquation, found: InnerSingularity) -> InnerSingularity | None:
    """Choose the roots that agree with the equation on either side; None where none does."""
    t = np.array([-4.0, -2.0, -1.0, 1.0, 2.0, 4.0]) * found.reach
    solved = equation.solutions((found.place + t).astype(np.complex128))
    g = equation.trace(solved.matrices)
    if not solved.accepted.all():
        return None
    q = found.lowest
    chosen: list[complex] = []
    for side in (t < 0, t > 0):
        choices = [np.exp(2j * np.pi * k / q) for k in range(q)]
        off = [
            float(np.abs(found._replace(roots=(r, r)).transform(t[side]) / g[side] - 1).max())
            for r in choices
        ]
        best = int(np.argmin(np.where(np.isnan(off), np.inf, off)))
        if not off[best] <= _AGREEMENT:
            return None
        chosen.append(complex(choices[best]))
    return found._replace(roots=(chosen[0], chosen[1]))


class InnerSingularities(SeriesBesidePoints[InnerSingularity]):
    """Density and mass beside the points inside bands where the density is unbounded.

    Parameters
    ----------
    points : list of InnerSingularity
        The points.
    level : callable
        The distribution function at real points, from the equation.
    """

    def __init__(self, points: list[InnerSingularity], level: Callable[[Real], Real]) -> None:
        self.points = points
        self._level = level

    @property
    def places(self) -> tuple[float, ...]:
        """The points."""
        return tuple(point.place for point in self.points)

    def _beside(self, x: Real) -> list[tuple[InnerSingularity, Logical, Real]]:
        found = []
        for point in self.points:
            t = x - point.place
            near = np.abs(t) < point.reach
            if near.any():
                found.append((point, near, t[near]))
        return found

    def distribution(self, x: Real, level: Real) -> Real:
        """Return levels of the distribution function with those beside the points replaced.

        Parameters
        ----------
        x, level : ndarray of float, shape (n,)
            Points and the levels there.

        Returns
        -------
        ndarray of float, shape (n,)
            The levels.
        """
        for point, near, t in self._beside(x):
            start = np.array([-1.0, 1.0]) * 1.5 * point.reach
            ends = self._level(point.place + start) + point.integral(start).imag / np.pi
            level[near] = ends.mean() - point.integral(t).imag / np.pi
        return level
