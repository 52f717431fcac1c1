r"""Laws of the modulus and of the square root of a variable.

For Y = |X|, and for Y = sqrt(X) with X >= 0 (singular values, from the squared ones),

.. math::
    G_{|X|}(z) = G_X(z) + G_{-X}(z) - \int \frac{\rho(dt)}{z + |t|}, \qquad
    G_{\sqrt X}(z) = 2 z G_X(z^2) - \int \frac{\rho(dt)}{z + \sqrt t}

for Re z >= 0, where the integrals are smooth (t is on the other side of 0); for Re z < 0 G itself
is such an integral. They are taken by adaptive quadrature of the density; the logarithmic potential
likewise, with logarithms in the place of quotients. Density, distribution function, edges and atoms
are those of X, exactly.

Examples
--------
The modulus of a semicircular variable is a quarter-circular one, the root of free Poisson:

>>> from rmtland.laws import MarchenkoPastur, Semicircle
>>> quarter, root = AbsoluteLaw(Semicircle()), RootLaw(MarchenkoPastur(1.0))
>>> quarter.support, round(quarter.pdf(1.0), 12), round(root.pdf(1.0), 12)
(((0.0, 2.0),), 0.551328895422, 0.551328895422)
>>> abs(complex(quarter.stieltjes(1 + 0.1j) - root.stieltjes(1 + 0.1j))) < 1e-9
True
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Law
from rmtland.laws.node_sums import CutLaw, weighed
from rmtland.laws.quadrature import density_panels
from rmtland.typing import Atoms, Complex, Logical, Real, Support

__all__ = ["AbsoluteLaw", "RootLaw"]

_TOLERANCE = 1e-13
_EVALUATIONS = 20000
_STEPS = 36
_FAR = 8.0
"""Largest values of Y beyond which its nodes give everything."""
_LEAST = 1e-100
"""Square roots below which squares lose digits at the end of the floating-point range."""


class _FoldedLaw(Law):
    """A law on [0, oo) whose G is known up to an integral that is smooth where Re z >= 0."""

    law: Law

    _require_certificate = certify_once

    @abc.abstractmethod
    def _folded(self, t: Real) -> Real:
        """Y as a function of X."""

    @cached_property
    def _singular_places(self) -> tuple[float, ...]:
        """Images of the edges, of what is singular inside them, and of 0."""
        ends = [end for band in self.law.support for end in band]
        places = np.array([0.0, *ends, *self.law._singular_places])
        return tuple(np.unique(self._folded(places)).tolist())

    @abc.abstractmethod
    def _doubled(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """G, G' and L of the law together with its mirror image, Re z >= 0."""

    @cached_property
    def _nodes(self) -> tuple[Real, Real]:
        """Places and masses that stand for Y in smooth integrals."""
        # Panels shrink towards 0, where 1/(z + y) is close to its pole.
        top = max(abs(end) for end in self.law.hull)
        steps = (top * 0.25 ** np.arange(1, _STEPS)).tolist()
        cuts = (0.0, *(s * step for s in (-1, 1) for step in steps))
        cuts += tuple(place for place, _ in self.law.atoms)
        panels = density_panels(self.law, tolerance=_TOLERANCE, evaluations=_EVALUATIONS, cuts=cuts)
        places = np.array([place for place, _ in self.law.atoms])
        masses = np.array([mass for _, mass in self.law.atoms])
        t = np.concatenate([panels.x.ravel(), places])
        continuous = weighed(panels, CutLaw(self.law, self.law.support)._cdf)
        weights = np.concatenate([continuous.ravel(), masses])
        return self._folded(t), weights

    @property
    def atoms(self) -> Atoms:
        """Images of the atoms of X; those at one place are one."""
        found: dict[float, float] = {}
        for place, mass in self.law.atoms:
            where = float(self._folded(np.array(place)))
            found[where] = found.get(where, 0.0) + mass
        return tuple(sorted(found.items()))

    def _summed(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """G, G' and L by quadrature."""
        y, weights = self._nodes
        g, slope, level = (np.empty(z.shape, dtype=np.complex128) for _ in range(3))
        for rows in np.array_split(np.arange(z.size), max(1, z.size // 64)):
            gap = z[rows, None] - y
            with np.errstate(all="ignore"):
                inverse = 1 / gap
                g[rows], slope[rows] = inverse @ weights, -(inverse * inverse) @ weights
                level[rows] = np.log(gap) @ weights
        return g, slope, level

    def _all(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        far = self._is_far(z)  # where squares of z may be beyond the floats
        g, slope, level = self._summed(np.where((z.real < 0) | far, z, -z))
        right = (z.real >= 0) & ~far
        if right.any():
            both = self._doubled(z[right])
            with np.errstate(invalid="ignore"):
                # 1/(z + y) = -1/((-z) - y), and log(z + y) = log(-z - y) + i pi from above
                g[right] = both[0] + g[right]
                slope[right] = both[1] - slope[right]
                level[right] = both[2] - (level[right].real + 1j * self._angle(z[right]))
        return g, slope, level

    def _is_far(self, z: Complex) -> Logical:
        """Whether points are so far away that all of G is a smooth integral."""
        top = max(end for band in self.support for end in band)
        return np.asarray(np.maximum(np.abs(z.real), np.abs(z.imag)) > _FAR * top)

    def _angle(self, z: Complex) -> Real:
        """Imaginary part of the integral of log(z + y), Re z >= 0."""
        y, weights = self._nodes
        return np.array([float(np.angle(point + y) @ weights) for point in z])

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope, _ = self._all(z)
        lost = np.flatnonzero((z.imag == 0) & ~np.isfinite(g))
        g[lost[np.isposinf(self._pdf(z.real[lost]))]] = complex(np.inf, 0)
        zero = z == 0
        if zero.any():
            g[zero] = self._at_zero
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g, slope

    @cached_property
    def _at_zero(self) -> float:
        """G at 0 from below, where all of it is the integral; NaN where nodes do not tell it."""
        if self._pdf(np.zeros(1))[0] > 0:
            return -math.inf
        y, weights = self._nodes
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = weights / y
        top = max(abs(end) for end in self.law.hull)
        inner = terms[y < self._folded(np.array(top * 0.25 ** (_STEPS - 2)))].sum()
        total = float(terms.sum())
        return -total if inner <= 1e-9 * total else math.nan

    def _log_potential(self, z: Complex) -> Complex:
        level = self._all(z)[2]
        real = z.imag == 0
        level.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        for place, _ in self.atoms:
            level.real[z == place] = -np.inf
        return level

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        distance = np.hypot(np.maximum(np.abs(z.real), 1e-300), z.imag)
        right = (z.real >= 0) & ~self._is_far(z)
        inner = np.zeros(z.shape)
        with np.errstate(all="ignore"):
            if right.any():
                inner[right] = self._inner_error(z[right])
            error = inner + 1e-11 / distance + 1e-14 * np.abs(g)
            exact = np.isinf(g)
            return np.where(exact, 0.0, error / np.abs(g)), np.where(exact, 0.0, error)

    @abc.abstractmethod
    def _inner_error(self, z: Complex) -> Real:
        """Error of `_doubled`, Re z >= 0."""

    def _even_moments(self, k: int, even: list[Fraction]) -> list[Fraction]:
        """Moments with the even ones given, those between them by quadrature."""
        y, weights = self._nodes
        return [
            even[n // 2] if n % 2 == 0 else Fraction(float(weights @ y**n)) for n in range(k + 1)
        ]


@dataclass(frozen=True)
class AbsoluteLaw(_FoldedLaw):
    """Law of |X| (modulus, absolute value, folded law); made by `pushforward(law, "abs")`.

    Parameters
    ----------
    law : Law
        The law of X, of bounded support.
    """

    law: Law

    def _folded(self, t: Real) -> Real:
        return np.abs(t)

    @cached_property
    def support(self) -> Support:
        """Moduli of the bands of X; those that overlap are one."""
        pieces = []
        for low, high in self.law.support:
            ends = sorted((abs(low), abs(high)))
            pieces.append((0.0 if low < 0 < high else ends[0], ends[1]))
        merged: list[tuple[float, float]] = []
        for low, high in sorted(pieces):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return tuple(merged)

    def _pdf(self, x: Real) -> Real:
        both = self.law._pdf(x) + self.law._pdf(-x)
        return np.where(x >= 0, both, 0.0)

    def _cdf(self, x: Real) -> Real:
        inside = np.maximum(x, 0.0)
        level = self.law._cdf(inside) - self.law._mass_below(-inside)
        return np.where(x >= 0, np.clip(level, 0.0, 1.0), 0.0)

    def _doubled(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        mirrored = -z.conj()
        mirrored.imag = np.abs(mirrored.imag)
        g, slope = self.law._jet(z)
        other, other_slope = self.law._jet(mirrored)
        level = self.law._log_potential(z)
        # log(z + t) = log(-conj(z) - t) mirrored: conj(log(..)) + i pi
        other_level = self.law._log_potential(mirrored)
        level = level + other_level.real + 1j * (np.pi - other_level.imag)
        with np.errstate(invalid="ignore"):
            return g - other.conj(), slope + other_slope.conj(), level

    def _inner_error(self, z: Complex) -> Real:
        mirrored = -z.conj()
        mirrored.imag = np.abs(mirrored.imag)
        total = np.zeros(z.shape)
        for points in (z, mirrored):
            stated = self.law.solve(points, throw=False).error
            total = total + (np.inf if stated is None else stated)
        return total

    def _exact_moments(self, k: int) -> list[Fraction]:
        return self._even_moments(k, self.law._exact_moments(k)[::2])


@dataclass(frozen=True)
class RootLaw(_FoldedLaw):
    """Law of the square root of X >= 0 (singular values); made by `pushforward(law, "sqrt")`.

    Parameters
    ----------
    law : Law
        The law of X, of bounded support in [0, oo).
    """

    law: Law

    def _folded(self, t: Real) -> Real:
        return np.sqrt(np.maximum(t, 0.0))

    @cached_property
    def support(self) -> Support:
        """Roots of the edges of X."""
        return tuple(
            (math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))) for low, high in self.law.support
        )

    def _pdf(self, x: Real) -> Real:
        y = np.maximum(x, 0.0)
        with np.errstate(invalid="ignore", over="ignore"):
            value = np.array(2 * y * self.law._pdf(y * y))
        value[y > self.hull[1]] = 0.0  # also where y is infinite
        tiny = (x > 0) & (x < _LEAST)
        if tiny.any():  # a power of x, which cannot be squared
            near = _LEAST * np.array([1.0, 10.0])
            limit = 2 * near * self.law._pdf(near * near)
            with np.errstate(all="ignore"):
                power = float(np.round(np.log10(limit[1] / limit[0]), 6))
                value[tiny] = limit[0] * (x[tiny] / _LEAST) ** power if limit[0] > 0 else 0.0
        lost = (x == 0) & ~np.isfinite(value)
        if lost.any():  # the limit at a hard edge
            top = self.support[0][1]
            near = top * np.array([1e-7, 1e-6])
            limit = 2 * near * self.law._pdf(near * near)
            # Of a power of x within 0.01 of 0 it is taken to be finite and positive.
            with np.errstate(all="ignore"):
                power = float(np.log10(limit[0] / limit[1]))
            clear = abs(power) >= 0.01
            value[lost] = (np.inf if power > 0 else 0.0) if clear else limit[0]
        return np.where(x >= 0, value, 0.0)

    def _cdf(self, x: Real) -> Real:
        y = np.maximum(x, 0.0)
        with np.errstate(over="ignore"):
            level = self.law._cdf(y * y)
        if self.law.atoms:  # the square of a root is rounded to either side of an atom
            places, least, most = self._steps
            at = np.searchsorted(places, y, side="right")
            level = np.clip(level, least[at], most[at])
        return np.where(x >= 0, level, 0.0)

    @cached_property
    def _steps(self) -> tuple[Real, Real, Real]:
        """Roots of the atoms; least and most distribution function below, between and above."""
        t = np.array([place for place, _ in self.law.atoms])
        least, most = self.law._cdf(t), self.law._mass_below(t)
        return self._folded(t), np.append(0.0, least), np.append(most, 1.0)

    def _mass_below(self, x: Real) -> Real:
        below = np.array(self._cdf(x))
        for place, mass in self.atoms:
            below[x == place] -= mass
        return np.where(x <= self.hull[0], 0.0, np.maximum(below, 0.0))

    def _ppf(self, q: Real) -> Real:
        return np.sqrt(np.maximum(self.law._ppf(q), 0.0))

    def _doubled(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        size = np.maximum(np.abs(z.real), np.abs(z.imag))
        tiny = (size > 0) & (size < _LEAST)
        if tiny.any():
            return self._doubled_beside_zero(z, np.where(tiny, size, _LEAST))
        square = z * z
        square.imag = np.abs(square.imag)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            g, slope = self.law._jet(square)
            value, change = 2 * z * g, 2 * g + 4 * square * slope
        return value, change, self.law._log_potential(square)

    def _doubled_beside_zero(self, z: Complex, size: Real) -> tuple[Complex, Complex, Complex]:
        """Return these with a power of z below what can be squared, as there is at a hard edge."""
        tiny, share = size < _LEAST, size / (2 * _LEAST)
        at = z.copy()
        at.real[tiny] = z.real[tiny] / size[tiny] * (2 * _LEAST)
        at.imag[tiny] = z.imag[tiny] / size[tiny] * (2 * _LEAST)
        value, change, level = self._doubled(at)
        further = self._doubled(np.where(tiny, 10 * at, at))[0]
        held = sum(mass for place, mass in self.law.atoms if place == 0)
        with np.errstate(all="ignore"):
            power = np.log10(np.abs(further) / np.abs(value))
            grown = share ** np.where(np.isfinite(power), np.round(power, 6), 0.0)
            value = np.where(tiny, value * grown, value)
            change = np.where(tiny, change * (grown / share), change)
            level = level + np.where(tiny, 2 * held * np.log(share), 0.0)
        return value, change, level

    def _inner_error(self, z: Complex) -> Real:
        square = z * z
        square.imag = np.abs(square.imag)
        stated = self.law.solve(square, throw=False).error
        error = np.asarray(2 * np.abs(z) * (np.inf if stated is None else stated))
        return np.where(np.abs(z) < _LEAST, np.inf, error)

    def _exact_moments(self, k: int) -> list[Fraction]:
        return self._even_moments(k, self.law._exact_moments(k // 2))
