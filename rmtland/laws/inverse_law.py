r"""The law of the inverse of a variable: eigenvalues of inverse matrices, precisions.

For X with no mass in a neighbourhood of 0 the law of 1/X has

.. math::
    \rho_{1/X}(x) = \frac{\rho(1/x)}{x^2}, \qquad
    G_{1/X}(z) = \frac1z - \frac{1}{z^2} G_X(1/z), \qquad
    L_{1/X}(z) = \log z + L_X(1/z) - \int \log t \, \rho(dt) .

1/z is in the other half-plane; at real points it is approached from below. Everything is exact; the
moments of 1/X are derivatives of G_X at 0, taken on a circle around 0 [1]_.

References
----------
.. [1] J. N. Lyness and C. B. Moler, Numerical differentiation of analytic functions, SIAM J. Numer.
       Anal. 4 (1967) 202-210.

Examples
--------
>>> from rmtland.laws import Uniform
>>> law = InverseLaw(Uniform(1.0, 2.0))
>>> law.support, round(law.pdf(0.8), 12), law.cdf(0.8)
(((0.5, 1.0),), 1.5625, 0.75)
>>> round(law.mean(), 12)
0.69314718056
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Law
from rmtland.typing import Atoms, Complex, Logical, Real, Support

__all__ = ["InverseLaw"]

_CIRCLE = 256
_SMALL = 1e-3
"""Units of the least distance of the law from 0 within which G is a series of seven terms."""


@dataclass(frozen=True)
class InverseLaw(Law):
    """Law of 1/X (inverse, reciprocal); made by `pushforward(law, "inverse")`.

    Parameters
    ----------
    law : Law
        The law of X, without mass at or beside 0.

    Raises
    ------
    ValueError
        If X has mass at or beside 0, where 1/X is unbounded.
    """

    law: Law

    _require_certificate = certify_once

    def __post_init__(self) -> None:
        touching = [band for band in self.law.support if band[0] <= 0 <= band[1]]
        if touching or any(place == 0 for place, _ in self.law.atoms):
            raise ValueError(
                f"the inverse of {self.law!r} is unbounded: it has mass at or beside 0; take the "
                "inverse of a law away from 0, or of a shifted one"
            )

    @cached_property
    def support(self) -> Support:
        """Inverses of the bands of X."""
        return tuple(sorted((1 / high, 1 / low) for low, high in self.law.support))

    @cached_property
    def _singular_places(self) -> tuple[float, ...]:
        return tuple(1 / place for place in self.law._singular_places if place)

    @cached_property
    def atoms(self) -> Atoms:
        """Inverses of the atoms of X."""
        return tuple(sorted((1 / place, mass) for place, mass in self.law.atoms))

    def _preimage(self, x: Real) -> Real:
        """1/x, on an edge or an atom of X where x is its image."""
        with np.errstate(divide="ignore", over="ignore"):
            t = np.array(1 / x)
        for low, high in self.law.support:
            for end in (low, high):
                t[x == 1 / end] = end
        for place, _ in self.law.atoms:
            t[x == 1 / place] = place
        return t

    def _pdf(self, x: Real) -> Real:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            t = self._preimage(x)
            density = self.law._pdf(t)
            return np.where((density == 0) | np.isinf(t), 0.0, density * t * t)

    def _levels(self, x: Real, beside: Real) -> Real:
        """Mass of 1/X up to x, with that of X below 1/x given."""
        negative = self.law._mass_below(np.zeros(1))[0]
        level = np.where(x < 0, negative - beside, negative + 1 - beside)
        return np.asarray(np.clip(np.where(x == 0, negative, level), 0.0, 1.0))

    def _cdf(self, x: Real) -> Real:
        return self._levels(x, self.law._mass_below(self._preimage(x)))

    def _mass_below(self, x: Real) -> Real:
        return self._levels(x, self.law._cdf(self._preimage(x)))

    def _inverted(self, z: Complex) -> Complex:
        """Return conj(1/z), in the upper half-plane."""
        with np.errstate(divide="ignore", invalid="ignore"):
            w = np.array(1 / z.conj())
        real = z.imag == 0
        w[real] = self._preimage(z.real[real])
        w.imag = np.abs(w.imag)
        return w

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        small = self._is_small(z)
        w = self._inverted(np.where(small, 1.0, z))
        g, slope = (part.conj() for part in self.law._jet(w))
        u = 1 / np.where(small, 1.0, z)  # no power of z itself, which is beyond the floats
        with np.errstate(invalid="ignore", over="ignore"):
            value = u * (1 - g * u)
            change = -u * u * (1 - u * (2 * g + slope * u))
        if small.any():
            value[small], change[small] = self._beside_zero(z[small])
        for place, _ in self.atoms:
            value[z == place] = complex(np.inf, 0)
        return value, change

    def _is_small(self, z: Complex) -> Logical:
        """Whether points are so much smaller than the law that the formula loses digits."""
        top = max(abs(end) for end in self.law.hull)
        return np.asarray(np.maximum(np.abs(z.real), np.abs(z.imag)) <= _SMALL / top)

    def _beside_zero(self, z: Complex) -> tuple[Complex, Complex]:
        """G and G' of 1/X by their power series, -m_1 - m_2 z - ..., with the moments of X."""
        top = max(abs(end) for end in self.law.hull)
        moments = self.law._exact_moments(7)[1:]
        shares = np.array([float(m / Fraction(top) ** n) for n, m in enumerate(moments)])
        y = top * z
        value = -np.polynomial.polynomial.polyval(y, shares)
        change = -np.polynomial.polynomial.polyval(y, shares[1:] * np.arange(1, 7)) * top
        return np.asarray(value, dtype=np.complex128), np.asarray(change, dtype=np.complex128)

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        small = self._is_small(z)
        points = np.where(small, 1.0, z)
        w = self._inverted(points)
        stated = self.law.solve(w, throw=False)
        inner = np.inf if stated.error is None else np.asarray(stated.error)
        u = 1 / np.abs(points)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = 4e-16 * np.abs(w) * np.abs(self.law._jet(w)[1])
            error = (inner + moved) * u * u + 2e-15 * (u + np.abs(g))
        error = np.where(small, 1e-14 * np.abs(g), error)
        exact = np.isinf(g)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(exact, 0.0, error / np.abs(g)), np.where(exact, 0.0, error)

    def _log_potential(self, z: Complex) -> Complex:
        zero = z == 0
        points = np.where(zero, 1.0, z)
        inner = self.law._log_potential(self._inverted(points)).conj()
        center = float(self.law._log_potential(np.zeros(1, dtype=np.complex128))[0].real)
        # log(z - 1/t) = log z + log(1/z - t) - log t + i pi: the phase from the negative part
        negative = float(self.law._mass_below(np.zeros(1))[0])
        phase = np.pi * (1 - negative)
        value = np.log(points) + inner - center + 1j * phase
        value[zero] = -center
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return np.asarray(value)

    def _exact_moments(self, k: int) -> list[Fraction]:
        """Moments in double precision from G on a circle around 0, inside the gap there."""
        ends = [abs(end) for band in self.law.support for end in band]
        ends += [abs(place) for place, _ in self.law.atoms]
        radius = 0.5 * min(ends)
        unit = np.exp(1j * np.pi * (np.arange(_CIRCLE) + 0.5) / _CIRCLE)
        g = self.law._stieltjes(radius * unit)
        # G(w) = - sum of E X^(-n-1) w^n
        moments = [-float(np.mean((g / unit**n).real)) / radius**n for n in range(k)]
        return [Fraction(1), *(Fraction(m) for m in moments)]
