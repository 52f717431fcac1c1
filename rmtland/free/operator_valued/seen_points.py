r"""Real points seen by an equation for a matrix-valued resolvent: inside a band or not, how high.

The equation is solved at the points themselves. What is found is kept: whether a point is in a
band, the density there (up to pi), and the level of the distribution function, from the logarithmic
potential, which is known up to whole turns.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> points = SeenPoints(MatrixDyson([0.0], np.array([[1.0]])))
>>> points.inside(np.array([-3.0, 0.0])).tolist()
[False, True]
>>> points.at(np.array([0.0])).level.round(9).tolist()
[0.5]
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.free.operator_valued.small_matrices import solve_or_nan
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Logical, Real

__all__ = ["LEVEL_ERROR", "MISSING", "WHOLE", "Seen", "SeenPoints", "within_band", "without_turns"]

LEVEL_ERROR = 1e-6
"""Error of the distribution function beyond which a value is refused."""


WHOLE = 1e-13
"""Mass that differs from none, or from all of it, by rounding only."""
MISSING = 3e-11
"""Mass that may lie elsewhere without a word."""
_NEARLY_ALL = 1e-9  # mass beside which what is missing does not turn the sign of G
_MARGIN = 0.05  # of the half-axis of an ellipse around an interval
_AROUND = 48  # points of half of it, for which the rule is exact to rounding


class Seen(NamedTuple):
    """What is known of points: inside a band or not, density, level of the distribution."""

    inside: Logical
    density: Real
    level: Real


class SeenPoints:
    """What is known of real points of the law of one equation.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    """

    def __init__(self, equation: ResolventEquation) -> None:
        self.equation = equation
        self._known: dict[float, tuple[bool, float, float]] = {}

    @cached_property
    def radius(self) -> float:
        """A number beyond which, on either side, there is no mass."""
        radius = 1.05 * self.equation.scale
        for _ in range(60):
            ends = (radius * np.array([-1.0, 1.0, -3.0, 3.0])).astype(np.complex128)
            solved = self.equation.solutions(ends)
            if solved.accepted.all():
                g = self.equation.trace(solved.matrices)
                level = self.equation.log_potential(ends, solved.coordinates).imag
                beyond = max(abs(level[0] - level[2]), abs(level[1] - level[3]))
                total = abs(level[2] - level[3] - np.pi)
                if np.abs(g.imag).max() * radius < 1e-9 and max(total, beyond) < 1e-6:
                    # Less mass than such levels tell may be far away.
                    near, far = (self._mass_within(0.0, f * radius, f * radius) for f in (1.5, 30))
                    if not abs(far - near) > max(MISSING, 10 * abs(far - 1)):
                        return radius
            radius *= 1.5
        raise ConvergenceError(
            "the support could not be bounded: the distribution function does not go from 0 to 1 "
            f"between -{radius:.3g} and {radius:.3g}; take another route, or perturb a coefficient"
        )

    @cached_property
    def constant(self) -> complex:
        """What the potential of the equation has in excess of log z at infinity."""
        radius = 3 * self.radius
        z = radius * np.exp(1j * np.pi * (np.arange(64) + 0.5) / 64)
        real = float(np.mean((self.raw_potential(z) - np.log(z)).real))
        edge = np.array([radius + 0j])
        u = self.equation.solutions(edge).coordinates.real.astype(np.complex128)
        turns = float(self.equation.log_potential(edge, u)[0].imag) / np.pi
        return complex(real, round(turns, 12) * np.pi)

    def raw_potential(self, z: Complex) -> Complex:
        """Potential of the equation, NaN where there is no solution."""
        solved = self.equation.solutions(z)
        value = self.equation.log_potential(z, solved.coordinates)
        value[~solved.accepted] = np.nan
        return value

    def levels(self, potential: Complex) -> Real:
        """Distribution function from values of the potential, without whole turns."""
        return without_turns(1 - (potential - self.constant).imag / np.pi)

    def at(self, x: Real) -> Seen:
        """Return what is known of real points; those that are new are solved for."""
        new = np.array([value for value in x.tolist() if value not in self._known])
        if new.size:
            looked = self._look(new)
            for value, *found in zip(
                new.tolist(), *(part.tolist() for part in looked), strict=True
            ):
                self._known[value] = tuple(found)
        known = [self._known[value] for value in x.tolist()]
        return Seen(
            np.array([row[0] for row in known], dtype=np.bool_),
            np.array([row[1] for row in known]),
            np.array([row[2] for row in known]),
        )

    def inside(self, x: Real) -> Logical:
        """Whether real points lie in a band (or on an atom)."""
        return self.at(x).inside

    def _look(self, x: Real) -> Seen:
        z = x.astype(np.complex128)
        u, m, fine, _, _ = self.equation.solutions(z)
        exact = fine.copy()
        if not fine.all():
            # In a gap an entry of M may be singular at a single point.
            z[~fine] += 1e-11 * self.radius
            again = self.equation.solutions(z[~fine])
            u[~fine], m[~fine] = again.coordinates, again.matrices
            fine[~fine] = again.accepted
        level, density = np.full(x.shape, np.nan), np.full(x.shape, np.inf)
        inside = np.ones(x.shape, dtype=np.bool_)
        if fine.any():
            g = self.equation.trace(m[fine])
            level[fine] = self.levels(self.equation.log_potential(z[fine], u[fine]))
            density[fine] = -g.imag
            inside[fine] = -g.imag > 1e-9 * np.abs(g)
            doubtful = np.zeros(x.shape, dtype=np.bool_)
            doubtful[fine] = inside[fine] & (-g.imag < 1e-5 * (np.abs(g) + 1 / self.radius))
            if doubtful.any():
                inside[doubtful] = ~self._is_hermitian(z[doubtful], u[doubtful])
        level[inside & ~exact] = np.nan
        gap = ~inside & ~np.isnan(level)
        if gap.any():
            level[gap] = self._level_in_gaps(z[gap], u[gap], level[gap])
        return Seen(inside, density, level)

    def _level_in_gaps(self, z: Complex, u: Complex, level: Real) -> Real:
        """Levels in gaps without rounding: angles of a Hermitian solution are whole half turns.

        A level of 0 or 1, which differ by a whole turn, is told by the sign of G.
        """
        hermitian = u.real.astype(np.complex128)
        with np.errstate(all="ignore"):
            potential = self.equation.log_potential(z, hermitian)
            exact = 1 - (potential - self.constant).imag / np.pi
            g = self.equation.trace(self.equation.system(z, hermitian).matrices).real
        exact = exact - np.floor(exact)
        exact = np.where((exact > 1 - _NEARLY_ALL) & (g < 0), exact - 1, exact)
        exact = np.where((exact < _NEARLY_ALL) & (g > 0), exact + 1, exact)
        return np.where(np.isfinite(exact), exact, level)

    def _is_hermitian(self, z: Complex, u: Complex) -> Logical:
        """Whether a Hermitian solution of the physical sheet lies within rounding of solutions."""
        start: Complex = u.real.astype(np.complex128)
        best = start
        least = np.full(z.shape, np.inf)
        here = start
        for _ in range(40):
            with np.errstate(all="ignore"):
                system = self.equation.system(z, here)
                size = np.max(np.abs(system.defect) / system.terms, axis=1, initial=0.0)
            better = np.asarray(size < least)
            best = np.where(better[:, None], here, best)
            least = np.fmin(least, size)
            if (least < 1e-16).all():
                break
            with np.errstate(all="ignore"):
                step = solve_or_nan(system.jacobian, system.defect[..., None])[..., 0]
            usable = np.asarray(np.isfinite(step).all(axis=1))[:, None]
            here = np.where(usable, here - step.real, best).astype(np.complex128)
        moved = np.abs(best - start).max(axis=1, initial=0.0)
        close = moved <= 1e-2 * np.abs(start).max(axis=1, initial=0.0)
        falling = np.zeros(z.shape, dtype=np.bool_)
        fine = np.asarray(close & (least < 1e-14))
        if fine.any():
            falling[fine] = self.equation.derivative(z[fine], best[fine])[1].real < 0
        return falling

    def mass_around(self, low: float, high: float) -> float:
        """Mass within an ellipse around an interval, from G on it by the trapezoidal rule.

        Parameters
        ----------
        low, high : float
            Ends of the interval, the foci of the ellipse.

        Returns
        -------
        float
            The mass, if there is none beyond the interval that is close to it; NaN where G is not
            known.
        """
        half = (high - low) / 2
        wide = half + max(_MARGIN * half, 1e-3 * self.radius)
        return self._mass_within((low + high) / 2, wide, float(np.sqrt(wide**2 - half**2)))

    @cached_property
    def mass_error(self) -> float:
        """Error of `mass_around`, as seen on a wide circle, where the mass is 1."""
        return abs(self._mass_within(0.0, 30 * self.radius, 30 * self.radius) - 1)

    def _mass_within(self, middle: float, wide: float, tall: float) -> float:
        """Mass within an ellipse with these half-axes."""
        angles = np.pi * (np.arange(_AROUND) + 0.5) / _AROUND
        solved = self.equation.solutions(
            middle + wide * np.cos(angles) + 1j * tall * np.sin(angles)
        )
        if not solved.accepted.all():
            return np.nan
        turn = -wide * np.sin(angles) + 1j * tall * np.cos(angles)
        return float(np.mean((self.equation.trace(solved.matrices) * turn).imag))

    def known(self) -> Real:
        """Points that were looked at, in ascending order."""
        return np.array(sorted(self._known))

    def ladder(self) -> tuple[Real, Real]:
        """Points with a level that all others confirm, and the levels, both ascending.

        Levels next to 0 and 1, which differ by a whole turn, are left out.
        """
        x = self.known()
        level = self.at(x).level if x.size else x
        kept = (level > LEVEL_ERROR) & (level < 1 - LEVEL_ERROR)
        x, level = x[kept], level[kept]
        if not x.size:
            return x, level
        highest = np.maximum.accumulate(level)
        lowest = np.minimum.accumulate(level[::-1])[::-1]
        kept = (level >= highest - LEVEL_ERROR) & (level <= lowest + LEVEL_ERROR)
        return x[kept], np.maximum.accumulate(level[kept])


def without_turns(levels: Real) -> Real:
    """Levels in [0, 1] that differ from given ones by whole numbers; rounding is left as it is."""
    beyond = (levels < -1e-7) | (levels > 1 + 1e-7)
    return np.where(beyond, levels - np.floor(levels + 1e-7), levels)


def within_band(levels: Real, least: Real, most: Real, share: Real) -> Real:
    """Levels at points of bands that differ from given ones by whole numbers.

    Parameters
    ----------
    levels : ndarray of float, shape (n,)
        Levels up to whole numbers and rounding.
    least, most : ndarray of float, shape (n,)
        Levels at the lower and the upper end of the band of each point.
    share : ndarray of float, shape (n,)
        Where in its band each point is, 0 to 1.

    Returns
    -------
    ndarray of float, shape (n,)
        Levels, outside [least, most] by rounding only. Where a band has all the mass both ends
        are the same level up to a whole number; the nearer end decides right beside it.
    """
    centred = levels - np.round(levels - (least + most) / 2)
    end = np.where(share < 0.5, least, most)
    beside = np.abs(share - 0.5) > 0.5 - 1e-6
    either = beside & (np.abs(centred - end - np.round(centred - end)) < 1e-6)
    return np.where(either, centred - np.round(centred - end), centred)
