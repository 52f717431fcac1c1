r"""The transform of a law beside its atoms: a pole of known strength and a smooth rest.

Beside an atom of mass m at a,

.. math:: G(z) = \frac{m}{z - a} + \sum_k c_k (z - a)^k ,

and the equation for a matrix of entries as large as 1/|z - a| has lost as many digits as |z - a|
has less than the size of the law: at a distance of 1e-15 all of them. The rest is smooth in the
half-plane, up to the axis too where the density is smooth about the atom; it is fitted where the
equation keeps its digits, on half circles about the atom. What the fit leaves of other poles there
says how well place and mass are known.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> equation = MatrixDyson([0.0, 3.0], np.array([[1.0, 0.0], [0.0, 0.0]]))
>>> poles = AtomPoles.of(equation, ((-1.414, 1.414),), ((3.0, 0.5),), 5.0)
>>> z = np.array([3 + 1e-15j])
>>> bool(poles.covers(z)[0]), bool(abs(poles.transform(z)[0] * 1e-15 + 0.5j) < 1e-14)
(True, True)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.typing import Atoms, Complex, Logical, Real, Support

__all__ = ["AtomPole", "AtomPoles"]

_REACH = 1e-3  # of the radius of the law
_ROOM = 1 / 64  # of the distance to what is not smooth
_SMALLER = 1 / 16
_TRIES = 4
_ORDER = 7
_RESIDUAL = 1e-8  # of G on the half circles
_MASS = 1e-9  # relative change of the mass
_CIRCLES: Complex = np.concatenate(
    [r * np.exp(1j * np.pi * (np.arange(16) + 0.5) / 16) for r in (1.0, 0.6, 0.3)]
)


class AtomPole(NamedTuple):
    """G beside one atom.

    Parameters
    ----------
    place, mass : float
        Of the atom.
    size : float
        Radius of the larger half circle; the series is used to a quarter of it.
    coefficients : ndarray of complex
        Of the powers of (z - place)/size.
    rest_error, mass_error, place_error : float
        By how much the series, the mass and the place may be off.
    """

    place: float
    mass: float
    size: float
    coefficients: Complex
    rest_error: float
    mass_error: float
    place_error: float

    @classmethod
    def fitted(
        cls,
        equation: ResolventEquation,
        atom: tuple[float, float],
        size: float,
        *,
        in_gap: bool = False,
    ) -> Self | None:
        """Fit the series on half circles; None where G is not of that form.

        Parameters
        ----------
        equation : ResolventEquation
            The equation.
        atom : (float, float)
            Place and mass.
        size : float
            Radius of the larger half circle.
        in_gap : bool
            Whether there is no density about the atom: the series is that of the whole circle.

        Returns
        -------
        AtomPole or None
        """
        place, mass = atom
        z: Complex = place + size * _CIRCLES
        solved = equation.solutions(z)
        if not solved.accepted.all():
            return None
        t = z - place  # as it was rounded
        g = equation.trace(solved.matrices)
        if in_gap:
            t, g = np.concatenate([t, t.conj()]), np.concatenate([g, g.conj()])
        columns = (t / size)[:, None] ** np.arange(-2, _ORDER + 1)
        weights = np.abs(t) / size  # of a pole all points know as much
        rest = g - mass / t
        found: Complex = np.asarray(
            np.linalg.lstsq(columns * weights[:, None], rest * weights, rcond=None)[0], complex
        )
        off = float(np.abs(columns @ found - rest).max())
        change = abs(found[1]) * size
        if not (off <= _RESIDUAL * float(np.abs(g).min()) and change <= _MASS * mass):
            return None
        moved = abs(found[0]) * size**2 / mass
        least = 2 * float(np.finfo(np.float64).eps)
        return cls(place, mass, size, found[2:], 2 * off, 2 * change + least * mass, 2 * moved)

    def transform(self, t: Complex) -> Complex:
        """Return G at z - place = t, other than 0."""
        with np.errstate(over="ignore"):
            pole = self.mass / t
        return np.asarray(pole + np.polyval(self.coefficients[::-1], t / self.size))

    def slope(self, t: Complex) -> Complex:
        """Return the derivative of G at z - place = t, other than 0."""
        series = np.polyder(np.poly1d(self.coefficients[::-1]))(t / self.size) / self.size
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(series - self.mass / t / t)

    def error(self, t: Complex) -> Real:
        """Return by how much `transform` may be off."""
        with np.errstate(over="ignore"):
            away = 1 / np.abs(t)
            moved = self.mass * (self.place_error * away) * away
            return np.asarray(self.rest_error + self.mass_error * away + moved)


@dataclass(frozen=True, eq=False)
class AtomPoles:
    """G beside all atoms of a law.

    Parameters
    ----------
    poles : sequence of AtomPole
        One for each atom that has such a form beside it.
    """

    poles: Sequence[AtomPole]

    @classmethod
    def of(
        cls, equation: ResolventEquation, bands: Support, atoms: Atoms, radius: float
    ) -> AtomPoles:
        """Fit the poles of a law.

        Parameters
        ----------
        equation : ResolventEquation
            The equation.
        bands, atoms : tuple
            Of the law.
        radius : float
            Size of the law.

        Returns
        -------
        AtomPoles
        """
        found = []
        ends = [end for band in bands for end in band]
        for place, mass in atoms:
            others = [*ends, *(other for other, _ in atoms if other != place)]
            distance = min((abs(place - other) for other in others), default=radius)
            size = min(_ROOM * distance, _REACH * radius)
            in_gap = not any(low <= place <= high for low, high in bands)
            for _ in range(_TRIES if size else 0):
                pole = AtomPole.fitted(equation, (place, mass), size, in_gap=in_gap)
                if pole is not None:
                    found.append(pole)
                    break
                size *= _SMALLER
        return cls(found)

    def _beside(self, z: Complex) -> Iterator[tuple[AtomPole, Logical, Complex]]:
        """Poles, which points are beside them, and z - place of these."""
        for pole in self.poles:
            t = z - pole.place
            near = (np.abs(t) <= pole.size / 4) & (t != 0)
            if near.any():
                yield pole, near, t[near]

    def covers(self, z: Complex) -> Logical:
        """Whether points are beside an atom, and not at it.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the closed upper half-plane.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        covered = np.zeros(z.shape, dtype=np.bool_)
        for _, near, _ in self._beside(z):
            covered |= near
        return covered

    def transform(self, z: Complex, *, slope: bool = False) -> Complex:
        """G, or its derivative, at points that are covered; NaN elsewhere.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the closed upper half-plane.
        slope : bool
            Whether the derivative is asked for.

        Returns
        -------
        ndarray of complex, shape (n,)
        """
        value = np.full(z.shape, np.nan, dtype=np.complex128)
        for pole, near, t in self._beside(z):
            value[near] = pole.slope(t) if slope else pole.transform(t)
        return value

    def error(self, z: Complex) -> Real:
        """Error of G at points that are covered; infinite elsewhere.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the closed upper half-plane.

        Returns
        -------
        ndarray of float, shape (n,)
        """
        error = np.full(z.shape, np.inf)
        for pole, near, t in self._beside(z):
            error[near] = pole.error(t)
        return error
