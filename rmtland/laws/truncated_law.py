r"""Laws conditioned on an interval (truncated).

For a law :math:`\rho` and an interval [a, b]

.. math:: \rho_{[a, b]}(dt) = \frac{1_{[a, b]}(t) \rho(dt)}{\rho([a, b])} .

Also: conditional law, restriction, truncation.

The Stieltjes transform between the cuts is that of the whole law less the integral over what was
cut off; there and beyond it is a quadrature over the density (`rmtland.laws.node_sums`), on panels
that shrink geometrically towards the cuts, where the density steps and the transform has a
logarithm.

References
----------
.. [1] N. L. Johnson, S. Kotz and N. Balakrishnan, Continuous Univariate Distributions, vol. 1, 2nd
       edition, Wiley 1994.

Examples
--------
>>> from rmtland.laws import Normal
>>> law = truncated(Normal(), 0.0, 2.0)
>>> law.support, round(law.cdf(1.0), 12), round(law.mean(), 12)
(((0.0, 2.0),), 0.715232772011, 0.722789752245)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.arguments import extended
from rmtland.laws.law import Law
from rmtland.laws.node_sums import (
    CutLaw,
    Nodes,
    cauchy_sums,
    moments_of,
    nodes_of,
    potential_sums,
)
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Complex, Logical, Real, Support

__all__ = ["Truncated", "truncated"]

_LITTLE = 1e-7
"""Mass of an interval below which the transforms of the rest leave too few digits of it."""
_DIGITS = 1e-9
"""Relative error up to which the nodes of such an interval give its transforms."""


def truncated(law: Law, low: float = -math.inf, high: float = math.inf) -> Law:
    """Return the law of X given low <= X <= high.

    Parameters
    ----------
    law : Law
        The law of X.
    low, high : float
        The interval; infinite ends cut nothing off.

    Returns
    -------
    Law
        A `Truncated` law; the law itself where nothing is cut off.

    Raises
    ------
    ValueError
        If low is not below high, or the law has no mass between them.
    TypeError
        If `law` is not a law.

    See Also
    --------
    rmtland.laws.tilted : a law with a weight.
    """
    if not isinstance(law, Law):
        raise TypeError(f"truncated takes a law; got {law!r}")
    left, right = extended("low", low), extended("high", high)
    bottom, top = law.hull
    if left <= bottom and right >= top:
        return law
    return Truncated(law, max(left, bottom), min(right, top))


@dataclass(frozen=True)
class Truncated(Law):
    """Law conditioned on an interval; made by `truncated`.

    Parameters
    ----------
    law : Law
        The law of X.
    low, high : float
        This is the law of X given low <= X <= high.

    Raises
    ------
    ValueError
        If low is not below high, or the law has no mass between them.
    TypeError
        If `law` is not a law.

    See Also
    --------
    rmtland.laws.truncated : makes it.
    """

    law: Law
    low: float
    high: float

    def _require_certificate(self) -> None:
        self.law._require_certificate()

    def __post_init__(self) -> None:
        if not isinstance(self.law, Law):
            raise TypeError(f"Truncated takes a law; got {self.law!r}")
        low, high = extended("low", self.low), extended("high", self.high)
        if not low < high:
            raise ValueError(f"low must be below high; got {low} and {high}")
        object.__setattr__(self, "low", low + 0.0)
        object.__setattr__(self, "high", high + 0.0)
        if not self._mass > 1e-280:  # below, floating-point numbers thin out
            raise ValueError(f"{self.law!r} has no mass between {low} and {high}")

    @cached_property
    def _mass(self) -> float:
        """Mass of the law in the interval; from the nearer tail."""
        if self._is_upper:
            return self._above_low - float(self.law.sf(self.high))
        return float(self.law.cdf(self.high)) - float(self.law.mass_below(self.low))

    @cached_property
    def _is_upper(self) -> bool:
        """Whether the interval is in the upper half of the law, whose tail is then exact."""
        return float(self.law.mass_below(self.low)) > 0.5

    @cached_property
    def _above_low(self) -> float:
        """Mass of the law at the lower cut and above."""
        return float(self.law.sf(self.low)) + self._at(self.low)

    def _at(self, x: float) -> float:
        return sum(mass for place, mass in self.law.atoms if place == x)

    @cached_property
    def support(self) -> Support:
        """The intervals of the law, cut."""
        cut = ((max(low, self.low), min(high, self.high)) for low, high in self.law.support)
        return tuple((low, high) for low, high in cut if low < high)

    @cached_property
    def _singular_places(self) -> tuple[float, ...]:
        return self.law._singular_places

    @cached_property
    def atoms(self) -> Atoms:
        """The atoms of the law in the interval, with their share of its mass."""
        return tuple(
            (place, mass / self._mass)
            for place, mass in self.law.atoms
            if self.low <= place <= self.high
        )

    @cached_property
    def _parts(self) -> tuple[Nodes, Nodes]:
        """Nodes and masses of the law inside the interval and outside, fine beside the cuts."""
        inside = nodes_of(CutLaw(self.law, self.support), self.low, self.high, self._mass)
        rest = []
        for low, high in self.law.support:
            rest += [(low, min(high, self.low))] if low < self.low else []
            rest += [(max(low, self.high), high)] if high > self.high else []
        outside = (
            nodes_of(CutLaw(self.law, tuple(rest)), self.low, self.high, 1.0)
            if rest
            else Nodes.none()
        )
        atoms = np.array(self.law.atoms, dtype=np.float64).reshape(-1, 2)
        held = (atoms[:, 0] >= self.low) & (atoms[:, 0] <= self.high)
        found = math.fsum(inside.masses) + math.fsum(atoms[held, 1])
        if not abs(found - self._mass) <= 1e-7 * self._mass:
            raise ConvergenceError(
                f"the density of {self!r} adds up to {found:.6g} there, and its distribution "
                f"function to {self._mass:.6g}: its pdf and quantiles are known, its moments and "
                "transforms are not"
            )
        return inside.with_atoms(*atoms[held].T), outside.with_atoms(*atoms[~held].T)

    @cached_property
    def _mass_share(self) -> float:
        """Relative error of the mass: of a difference of two, or of what the density adds up to."""
        inside, held = self._parts[0], self._mass
        apart = abs(math.fsum(inside.masses) - held) + float(inside.errors.sum())
        return (self.law._mass_error + min(4e-16, 2 * apart)) / held + 4e-16

    def _between(self, z: Complex) -> Logical:
        """Whether points are above or on the interval, where the law is nearer than the rest.

        Nowhere in a tail with next to no mass, of which the law less the rest has no digits.
        """
        within = np.asarray((z.real >= self.low) & (z.real <= self.high))
        return within & (self._mass >= _LITTLE)

    def _lost(self, z: Complex) -> Logical:
        """Whether points are so close to a tail with next to no mass that its nodes do not tell."""
        lost = np.asarray((z.real >= self.low) & (z.real <= self.high)) & (self._mass < _LITTLE)
        if lost.any():
            inside = self._parts[0]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                g, _ = cauchy_sums(z[lost], inside.x, inside.masses)
                lost[lost] = ~(inside.cauchy_error(z[lost]) <= _DIGITS * np.abs(g))
        return lost

    def _require_known(self, z: Complex) -> None:
        """Refuse points at which nothing is known."""
        lost = self._lost(z)
        if lost.any():
            raise ConvergenceError(
                f"{self!r} holds {self._mass:.3g} of the law: its transforms have no digits on the "
                f"interval and as close above it as {z[lost][0]:.6g}; pdf, cdf, quantiles and "
                "moments do"
            )

    def _stieltjes(self, z: Complex) -> Complex:
        self._require_known(z)
        return self._jet(z)[0]

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = np.empty_like(z), np.empty_like(z)
        within = self._between(z)
        inside, outside = self._parts
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g[~within], slope[~within] = cauchy_sums(z[~within], inside.x, inside.masses)
            if within.any():
                whole, rise = self.law._jet(z[within])
                rest, fall = cauchy_sums(z[within], outside.x, outside.masses)
                g[within], slope[within] = whole - rest, rise - fall
            for values in (g, slope):  # part by part: infinite at an end of a band, and no NaN
                values.real /= self._mass
                values.imag /= self._mass
        lost = self._lost(z)
        g[lost] = slope[lost] = complex(np.nan, np.nan)
        for cut, sign in ((self.low, 1.0), (self.high, -1.0)):
            at = z == cut
            if at.any() and self.law._pdf(np.array([cut]))[0] > 0:
                g[at] = complex(-sign * np.inf, 0)
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        error = np.zeros(z.shape)
        within = self._between(z)
        inside, outside = self._parts
        error[~within] = inside.cauchy_error(z[~within])
        if within.any():
            whole = self.law.solve(z[within], throw=False)
            error[within] = outside.cauchy_error(z[within]) + 1e-15 * np.abs(whole.value)
            error[within] += np.inf if whole.error is None else whole.error
        share = self._mass_share
        with np.errstate(invalid="ignore"):
            error = error / self._mass + share * np.abs(g)
            exact = np.isinf(g)
            return np.where(exact, 0.0, error / np.abs(g)), np.where(exact, 0.0, error)

    def _log_potential(self, z: Complex) -> Complex:
        self._require_known(z)
        value = np.empty_like(z)
        within = self._between(z)
        inside, outside = self._parts
        value[~within] = potential_sums(z[~within], inside.x, inside.masses)
        if within.any():
            rest = potential_sums(z[within], outside.x, outside.masses)
            value[within] = self.law._log_potential(z[within]) - rest
        with np.errstate(invalid="ignore"):
            value = value / self._mass
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        real = z.imag == 0
        value.imag[real] = np.pi * self._sf(z.real[real])
        return value

    def _pdf(self, x: Real) -> Real:
        inside = (x >= self.low) & (x <= self.high)
        density = np.zeros(x.shape)
        density[inside] = self.law._pdf(x[inside]) / self._mass
        return density

    def _cdf(self, x: Real) -> Real:
        held = np.clip(x, self.low, self.high)
        if self._is_upper:
            below = self._above_low - self.law._sf(held)
        else:
            below = self.law._cdf(held) - float(self.law.mass_below(self.low))
        mass = np.clip(below / self._mass, 0.0, 1.0)
        return np.where(x < self.low, 0.0, np.where(x >= self.high, 1.0, mass))

    def _sf(self, x: Real) -> Real:
        held = np.clip(x, self.low, self.high)
        top = float(self.law.cdf(self.high))
        if top < 0.5:
            above = top - self.law._cdf(held)
        else:
            above = self.law._sf(held) - float(self.law.sf(self.high))
        mass = np.clip(above / self._mass, 0.0, 1.0)
        return np.where(x < self.low, 1.0, np.where(x >= self.high, 0.0, mass))

    def _ppf(self, q: Real) -> Real:
        if self._is_upper:
            x = self.law._isf(np.clip(self._above_low - q * self._mass, 0.0, 1.0))
        else:
            below = float(self.law.mass_below(self.low))
            x = self.law._ppf(np.minimum(below + q * self._mass, 1.0))
        low, high = self.hull
        return np.where(q == 0, low, np.where(q == 1, high, np.clip(x, low, high)))

    def _isf(self, q: Real) -> Real:
        top = float(self.law.cdf(self.high))
        if top < 0.5:
            x = self.law._ppf(np.clip(top - q * self._mass, 0.0, 1.0))
        else:
            x = self.law._isf(np.minimum(float(self.law.sf(self.high)) + q * self._mass, 1.0))
        low, high = self.hull
        return np.where(q == 0, high, np.where(q == 1, low, np.clip(x, low, high)))

    def _exact_moments(self, k: int) -> list[Fraction]:
        return moments_of(self._parts[0].x, self._parts[0].masses, k)
