r"""What a law provides, and what follows from it: the routes behind `rmtland.laws.law.Law`.

Functions here take and return flat arrays, without a check of their arguments. A law gives its
bands, its atoms, G and the logarithmic potential, and moments or free cumulants as exact rationals;
everything else has a general route, which a law replaces where it knows better. Conventions are
those of `rmtland.laws.law`.

Synonyms: defaults, hooks, general routes.

Examples
--------
The distribution function by the general route, from the logarithmic potential:

>>> from rmtland.laws import Semicircle
>>> law, x = Semicircle(), np.array([-1.0, 0.0, 3.0])
>>> bool(np.allclose(LawRoutes._cdf(law, x), law.cdf(x)))
True
"""

from __future__ import annotations

import abc
from fractions import Fraction
from itertools import pairwise

import numpy as np

from rmtland.laws.cumulants import free_cumulants_of, moments_of
from rmtland.laws.gaps import Gap, plain_gaps
from rmtland.laws.quantiles import LOW_LEVEL, quantiles, upper_quantiles
from rmtland.laws.upper_tail import with_upper_tail
from rmtland.typing import Atoms, Complex, Real, Support

__all__ = ["LawRoutes"]


class LawRoutes(abc.ABC):
    """What a law provides, and general routes to the rest, on flat arrays."""

    # What a law provides -------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def support(self) -> Support:
        """Intervals (low, high) that carry the absolutely continuous part, in ascending order."""

    @property
    @abc.abstractmethod
    def atoms(self) -> Atoms:
        """Pairs (location, mass) of the point masses, in ascending order of location."""

    @abc.abstractmethod
    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        """G and G' on the closed upper half-plane; real z means the boundary value at x + i0."""

    @abc.abstractmethod
    def _log_potential(self, z: Complex) -> Complex:
        """L on the closed upper half-plane; real z means the boundary value L(x + i0)."""

    def _exact_moments(self, k: int) -> list[Fraction]:
        """Moments of order 0..k as exact rationals; a law gives these or its free cumulants."""
        return moments_of(self._exact_cumulants(k))

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        """First k free cumulants as exact rationals; a law gives these or its moments."""
        return free_cumulants_of(self._exact_moments(k))

    # Where it is -----------------------------------------------------------------------------

    @property
    def hull(self) -> tuple[float, float]:
        """Least and largest point of the law: ends of the convex hull of bands and atoms."""
        ends = [end for band in self.support for end in band]
        ends += [place for place, _ in self.atoms]
        return min(ends), max(ends)

    @property
    def is_point_mass(self) -> bool:
        """Whether all mass is in one atom."""
        return not self.support and len(self.atoms) == 1

    @property
    def gaps(self) -> Support:
        """Open intervals (low, high) without mass between bands and atoms, ascending.

        Atoms end gaps; the half-lines beside the hull are not among them.
        """
        pieces = sorted([*self.support, *((place, place) for place, _ in self.atoms)])
        found, top = [], pieces[0][1]
        for (_, _), (low, high) in pairwise(pieces):
            if low > top:
                found.append((top, low))
            top = max(top, high)
        return tuple(found)

    # How far it may be trusted ------------------------------------------------------------------

    @property
    def _mass_error(self) -> float:
        """Error of masses that the law states of itself: of a table, of what was recovered."""
        return 0.0

    _ppf_rises = False
    """Whether `_ppf` is monotone however its formula rounds."""

    _density_noise = 0.0
    """Density, relative to the largest, that a route may give where there is none."""

    @property
    def _singular_places(self) -> tuple[float, ...]:
        """Points inside bands, beside atoms, where the density is not smooth."""
        return ()

    def _require_certificate(self) -> None:  # noqa: B027
        """Check the law against itself, once, before a value of it is given out.

        Nothing for a law in closed form. A law that a route computes calls
        `rmtland.laws.first_check.certify_once`; one made of others asks these.
        """

    # What follows from it, unless a law knows better ---------------------------------------------

    def _stieltjes(self, z: Complex) -> Complex:
        return self._jet(z)[0]

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Residual and bound of the error of computed values g = G(z), as `solve` states them.

        A law gives an equation for G that its computation does not use, or the rounding of it.
        """
        return np.full(z.shape, np.inf), np.full(z.shape, np.inf)

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        for low, high in self.support:
            inside = (x >= low) & (x <= high)
            density[inside] = -self._stieltjes(x[inside].astype(np.complex128)).imag / np.pi
        return np.where(np.isnan(density), np.inf, np.maximum(density, 0.0))

    def _cdf(self, x: Real) -> Real:
        low, high = self.hull
        below = (x >= high).astype(np.float64)
        inside = (x >= low) & (x < high) & np.isfinite(x)
        if inside.any():
            potential = self._log_potential(x[inside].astype(np.complex128))
            below[inside] = np.clip(1 - potential.imag / np.pi, 0.0, 1.0)
        return below

    def _sf(self, x: Real) -> Real:
        low, high = self.hull
        above = ((x < low) | (x == -np.inf)).astype(np.float64)
        inside = (x >= low) & (x < high) & np.isfinite(x)
        atoms = inside & np.isin(x, [place for place, _ in self.atoms])
        if atoms.any():
            above[atoms] = 1 - self._cdf(x[atoms])
            inside &= ~atoms
        if inside.any():
            potential = self._log_potential(x[inside].astype(np.complex128))
            above[inside] = np.clip(potential.imag / np.pi, 0.0, 1.0)
        return with_upper_tail(self, x, above)

    def _mass_below(self, x: Real) -> Real:
        mass = np.array(self._cdf(x))
        for place, weight in self.atoms:
            mass[x == place] -= weight
        return np.where(x <= self.hull[0], 0.0, np.maximum(mass, 0.0))

    def _ppf(self, q: Real) -> Real:
        return quantiles(self, q)

    def _isf(self, q: Real) -> Real:
        # 1 - q is as exact as q unless q is small.
        small = q < LOW_LEVEL
        x = np.empty_like(q)
        if small.any():
            x[small] = upper_quantiles(self, q[small])
        if not small.all():
            x[~small] = self._ppf(1 - q[~small])
        return x

    def complement(self) -> list[Gap]:
        """Components of the complement of support and atoms, the last one through infinity.

        Returns
        -------
        list of Gap
            Open intervals, with G and G' along them.
        """
        return plain_gaps(self)
