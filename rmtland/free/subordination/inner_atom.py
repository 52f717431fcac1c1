r"""A law beside an atom that lies inside a band.

Where an operand has an atom inside a band, as signed products have at zero, so may its powers and
sums. Beside the atom a of mass m the equation loses the density behind the pole; what is left of

.. math::
    G(z) = \frac{m}{z - a} + h(z), \qquad L(z) = m \log(z - a) + q(z), \qquad q' = h,

without it is smooth there. Both are polynomials through six solved points, which is used where
these agree with each other: through four of them, and h with the slope of q.

Examples
--------
>>> from rmtland import Discrete, Semicircle, free_compression, free_product
>>> signed = free_product(Semicircle(), Discrete((0.0, 1.0), (0.25, 0.75)))
>>> law = free_compression(signed, 0.9)
>>> law.atoms[0][0], round(law.atoms[0][1], 12)
(0.0, 0.166666666667)
>>> round(law.cdf(0.0) - law.cdf(-1e-15), 12)
0.166666666667
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.free.subordination.bands import BandTables
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Logical, Real

__all__ = ["InnerAtom"]

_NODES = np.array([-4.0, -2.0, -1.0, 1.0, 2.0, 4.0])
_POWERS = np.vander(_NODES, increasing=True)
_ALL = np.linalg.inv(_POWERS)
_FOUR = np.linalg.inv(np.vander(_NODES[1:-1], increasing=True))
_SHARES = (1e-4, 1e-3, 1e-5, 1e-2, 1e-6)
"""Distances of the nearest nodes, in units of that to the nearest end of a band or other atom."""
_CLOSER = tuple(10.0**power for power in range(-8, -33, -2))
"""Further ones: beside an atom of small mass m the density changes over a distance like m^2."""
_GOOD, _ALLOWED = 1e-10, 1e-6
"""Disagreement with which a distance is taken at once, and at most."""
_ROUNDING = 1e-13
"""By how much a potential is rounding."""


@dataclass(frozen=True)
class InnerAtom:
    """G and L beside an atom inside a band.

    Parameters
    ----------
    place, mass : float
        The atom.
    radius : float
        Distance of the nearest points that were solved; the polynomials are used closer than that.
    rest, potential : ndarray of complex, shape (6,)
        Coefficients of h and q in (z - place)/radius, ascending; NaN where there are none.
    spread : float
        How far they disagree with each other, absolutely.
    rounding : float
        How far that of the points, which is common to all polynomials, may move h.
    """

    place: float
    mass: float
    radius: float
    rest: Complex
    potential: Complex
    spread: float
    rounding: float = 0.0

    @classmethod
    def of(cls, tables: BandTables, place: float, mass: float, unit: float) -> InnerAtom:
        """Find the polynomials; `unit` is the distance to the nearest end of a band or other atom.

        Parameters
        ----------
        tables : BandTables
            Solves inside the bands.
        place, mass : float
            The atom.
        unit : float
            Distance to the nearest end of a band or other atom.

        Returns
        -------
        InnerAtom
            With NaN for coefficients where solved points do not agree on them.
        """
        found: list[InnerAtom] = []
        for share in (*_SHARES, *_CLOSER):
            each = cls._at(tables, place, mass, share * unit, share in _CLOSER)
            if each is not None and each._disagreement(unit) <= _ALLOWED:
                if each._disagreement(unit) <= _GOOD:
                    return each
                found.append(each)
            if found and share == _SHARES[-1]:
                break
        none = np.full(_NODES.size, complex(np.nan, np.nan))
        lost = cls(place, mass, _SHARES[-1] * unit, none, none, np.inf)
        return min(found, key=lambda each: each._disagreement(unit), default=lost)

    def _disagreement(self, unit: float) -> float:
        """Return the spread of h, relative to it where that is large."""
        return self.spread * unit / max(1.0, abs(complex(self.rest[0])) * unit)

    @classmethod
    def _at(
        cls, tables: BandTables, place: float, mass: float, radius: float, close: bool
    ) -> InnerAtom | None:
        z = (place + radius * _NODES).astype(np.complex128)
        if (z.real == place).any():  # closer than the spacing of numbers
            return None
        state, steps = tables.solve(z.real)
        equation = tables.solver.equation
        if steps.min() < 0:
            return None
        try:
            with np.errstate(all="ignore"):
                g, level = equation.stieltjes(z, state), equation.log_potential(z, state)
        except ConvergenceError:  # an operand's, at a point so close to its own atom
            return None
        if not (np.isfinite(g).all() and np.isfinite(level).all()):
            return None
        # An operand's own atom has no stated error so close to it, but its rounding, as that of z.
        with np.errstate(all="ignore"):
            slope_there = np.abs(equation.stieltjes_slope(z, state))
            moved = equation.uncertainty(z, state, operands=False) * slope_there
        rounding = float(np.abs(_ALL[0]) @ (moved + 4e-16 * np.abs(g)))
        w = z.real - place
        values = g - mass / w
        levels = level - mass * (np.log(np.abs(w)) + 1j * np.pi * (w < 0))
        rest, potential = _ALL @ values, _ALL @ levels
        few = _FOUR @ values[1:-1]
        apart = abs(rest[0] - few[0])
        if close:
            # Over so short a distance q is rounding; it has to agree with the integral of h.
            integral = np.append(potential[0], radius * rest[:-1] / np.arange(1, rest.size))
            if np.abs(levels - _POWERS @ integral).max() < _ROUNDING:
                return cls(place, mass, radius, rest, integral, float(apart), rounding)
        slope = potential[1] / radius
        spread = max(apart, abs(rest[0].imag - slope.imag))
        return cls(place, mass, radius, rest, potential, float(spread), rounding)

    def holds(self, z: Complex | Real) -> Logical:
        """Whether points are closer than what was solved, or the atom itself.

        Parameters
        ----------
        z : ndarray of complex
            Points of the closed upper half-plane.

        Returns
        -------
        ndarray of bool
            In the shape of z.
        """
        return np.asarray(np.abs(z - self.place) < self.radius)

    def error(self, z: Complex) -> Real:
        """Bound of the relative error of G.

        Parameters
        ----------
        z : ndarray of complex
            Points of the closed upper half-plane.

        Returns
        -------
        ndarray of float
            0 at the atom itself.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.abs(z - self.place)
            pole = self.mass / away
            own = pole * (4e-16 + float(np.spacing(abs(self.place))) / away)
            total = (4 * self.spread + self.rounding + own) / np.abs(self.jet(z)[0])
        return np.where(away == 0, 0.0, total)

    def jet(self, z: Complex) -> tuple[Complex, Complex]:
        """G and G', infinite at the atom.

        Parameters
        ----------
        z : ndarray of complex
            Points of the closed upper half-plane.

        Returns
        -------
        (ndarray of complex, ndarray of complex)
            Values and slopes; NaN where there are no polynomials.
        """
        w = z - self.place
        t = w / self.radius
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Part by part: at subnormal distances the pole is infinite, and its parts no NaN.
            pole, size = np.zeros(w.shape, dtype=np.complex128), np.abs(w)
            pole.real = self.mass * (w.real / size) / size
            pole.imag = np.where(w.imag == 0, 0.0, -self.mass * (w.imag / size) / size)
            value = pole + np.polyval(self.rest[::-1], t)
            slope = -self.mass / w**2 + np.polyval(_slope(self.rest)[::-1], t) / self.radius
        value[w == 0], slope[w == 0] = complex(np.inf, 0), complex(-np.inf, 0)
        return value, slope

    def log_potential(self, z: Complex) -> Complex:
        """L on the closed upper half-plane; its imaginary part counts the atom to its left.

        Parameters
        ----------
        z : ndarray of complex
            Points of the closed upper half-plane.

        Returns
        -------
        ndarray of complex
            Values; the real part is -infinity at the atom.
        """
        w = z - self.place
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(w))
        angle = np.where(w.imag == 0, np.where(w.real < 0, np.pi, 0.0), np.angle(w))
        smooth = np.polyval(self.potential[::-1], w / self.radius)
        value = np.empty_like(z)
        value.real = self.mass * size + smooth.real
        value.imag = self.mass * angle + smooth.imag
        return value

    def below(self, x: Real) -> Real:
        """Distribution function at real points, the atom included at its place.

        Parameters
        ----------
        x : ndarray of float
            Points.

        Returns
        -------
        ndarray of float
            Masses in [0, 1].
        """
        level = self.log_potential(x.astype(np.complex128)).imag
        return np.asarray(np.clip(1 - level / np.pi, 0.0, 1.0))

    @property
    def density(self) -> float:
        """Density at the atom, which is no part of it."""
        return max(-float(self.rest[0].imag) / np.pi, 0.0)


def _slope(coefficients: Complex) -> Complex:
    return np.asarray(coefficients[1:] * np.arange(1, coefficients.size))
