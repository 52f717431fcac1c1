r"""A check cheap enough for every law that a route computes, before its first value.

The masses of the bands are computed from the density, by the midpoint rule in s,

.. math:: x = a + (b - a) \sin^2(s/2), \qquad dx = \tfrac{b - a}{2} \sin s \, ds,

which converges exponentially where the density vanishes, or grows, like a square root at both ends
[1]_, and are compared with everything else that the law says of itself:

* atoms have masses in (0, 1], bands are in order, the density is not negative;
* the distribution function at edges, atoms, in gaps and beyond the ends is the mass to the left;
* inside the bands it grows and is the integral of the density;
* mean and variance are the exact ones;
* G off the axis is the integral over the law, and Im G < 0; so is the logarithmic potential;
* in a gap G is that integral too, in a band its principal value (`rmtland.laws.transform_values`);
* the survival function and the mass below are what the distribution function leaves.

Where that fails for a band, it is asked again with the trapezoidal rule in v, x = a + (b - a)/(1 +
exp(-v)), whose error depends neither on powers of the density at the ends nor on how close the next
singularity is to an end; and if that fails too, `rmtland.laws.certificate` decides by adaptive
quadrature. So only a law that the thorough certificate refuses is refused.

References
----------
.. [1] L. N. Trefethen and J. A. C. Weideman, The exponentially convergent trapezoidal rule, SIAM
       Rev. 56 (2014) 385-458, sections 2, 5 (integrals over a period and over the line).

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> defects(MarchenkoPastur(0.5))
[]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from rmtland.laws.band_rules import Rule, end_rule, end_sizes, places_between, square_root_rule
from rmtland.laws.certificate import structure_failures
from rmtland.laws.law import Law
from rmtland.laws.quadrature import DensityError
from rmtland.laws.transform_values import Between, asked_between, between, transform_defects
from rmtland.typing import Real

__all__ = ["TOLERANCE", "defects", "transform_failures"]

TOLERANCE = 1e-8
"""Deviation of masses that is allowed beside the error that a law states."""

_NODES = 48
_MANY = 160
_FEW = 3
"""Up to so many bands each gets all nodes, beyond as many as the gaps beside it ask for."""


Levels = dict[float, float]


def _is_wrong(density: Real, noise: float) -> bool:
    """Whether a density is negative somewhere, or only noise next to the end of its band."""
    floor = noise * float(density.max())
    return bool(density.min() < 0 or density[0] <= floor or density[-1] <= floor)


@dataclass
class _Band:
    """What is known of one band."""

    low: float
    high: float
    x: Real
    masses: Real
    inside: float
    """Defect of the distribution function inside, beyond what the rule explains."""

    density: Real | None
    """Values at the nodes of a rule over the whole of the band; None over pieces of it."""

    order: int
    """Order of the rule, as far as poles beside the band are concerned."""

    between: Between
    """Values between two nodes."""

    @property
    def mass(self) -> float:
        """Mass by the density."""
        return float(self.masses.sum())

    def moments(self, center: float) -> tuple[float, float]:
        """First and second moment about a point."""
        d = self.x - center
        return float(self.masses @ d), float(self.masses @ (d * d))


def defects(law: Law) -> list[str]:
    """Return what the cheap check finds, as sentences; a law with none is sound.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    list of str
        Empty for a law that passes.
    """
    wrong = structure_failures(law)
    if wrong:
        return wrong
    try:
        return _Check(law).failures()
    except DensityError as error:
        return [str(error)]


def transform_failures(law: Law) -> list[str]:
    """Return what the cheap check finds in moments, transforms and tails, the masses being right.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    list of str
        Sentences; empty for a law that passes.
    """
    return _Check(law).transforms()


class _Check:
    """The cheap check of one law."""

    def __init__(self, law: Law) -> None:
        self.law = law
        self.bands = law.support
        self.atoms = law.atoms
        self.allowed = TOLERANCE + law._mass_error
        self.places = np.array([place for place, _ in self.atoms])
        self.weights = np.array([mass for _, mass in self.atoms])
        self.stops, self.gaps = self._stops()

    def _stops(self) -> tuple[Real, Real]:
        """Edges and atoms, ascending, and points of gaps and beyond the ends."""
        pieces = sorted([*self.bands, *((place, place) for place in self.places.tolist())])
        low, high = pieces[0][0], max(end for _, end in pieces)
        width = (high - low) or max(abs(high), 1.0)
        gaps = [low - width, high + width]
        top = pieces[0][1]
        for start, end in pieces[1:]:
            if start > top:
                gaps.append(top + 0.37 * (start - top))
            top = max(top, end)
        ends = [end for band in self.bands for end in band]
        return np.unique(np.concatenate([ends, self.places])), np.array(gaps)

    def transforms(self) -> list[str]:
        """Sentences about moments, transforms and tails of a law whose masses are right."""
        found = self._by_square_roots()
        if found is None:
            return ["its density or distribution function is not finite"]
        return self._beside_masses(found[0])

    def failures(self) -> list[str]:
        """Sentences about what does not hold."""
        found = self._by_square_roots()
        if found is None:
            return ["its density or distribution function is not finite"]
        bands, stops, gaps = found
        levels = dict(zip(self.stops.tolist(), stops.tolist(), strict=True))
        for i, band in enumerate(bands):
            gain = levels[band.high] - levels[band.low] - self._atoms_in(band.low, band.high)
            finer = [self._refined, self._by_ends]
            if any(band.low < place < band.high for place in self.law._singular_places):
                finer.reverse()  # only the rule for any power divides the band there
            finer.append(partial(self._by_ends, far=True))
            for again in (None, *finer):
                if again is not None:
                    bands[i] = band = again(band.low, band.high, levels)
                if abs(band.mass - gain) <= self.allowed and band.inside <= self.allowed:
                    break
            else:
                return [
                    f"its band from {band.low} to {band.high} has the mass {band.mass:.12g} by its "
                    f"density and {gain:.12g} by its distribution function"
                ]
        return [*self._distribution(bands, stops, gaps), *self._beside_masses(bands)]

    def _beside_masses(self, bands: list[_Band]) -> list[str]:
        """Sentences about moments, transforms and tails."""
        moments = self._moments(bands)
        return moments + transform_defects(self.law, bands, self.stops, self.allowed)

    def _atoms_in(self, low: float, high: float) -> float:
        """Mass of the atoms in (low, high]."""
        return math.fsum(mass for place, mass in self.atoms if low < place <= high)

    def _rules(self) -> list[Rule]:
        if len(self.bands) <= _FEW:
            return [square_root_rule(_NODES)] * len(self.bands)
        sizes = []
        before = [-math.inf, *(high for _, high in self.bands[:-1])]
        after = [*(low for low, _ in self.bands[1:]), math.inf]
        for (low, high), left, right in zip(self.bands, before, after, strict=True):
            ratio = 1 + 2 * min(low - left, right - high) / (high - low)
            # Rate of convergence, from the ellipse of foci at the ends through the next band
            rate = math.log(ratio + math.sqrt(ratio * ratio - 1)) if ratio < 1e9 else 20.0
            sizes.append(min(max(6, math.ceil(12 / max(rate, 1e-3))), _NODES))
        return [square_root_rule(size) for size in sizes]

    def _by_square_roots(self) -> tuple[list[_Band], Real, Real] | None:
        """Bands by the rule for square roots, and the distribution function at stops and gaps.

        None where a value is not finite, or a band has no end.
        """
        if not np.isfinite(self.stops).all():
            return None
        law, rules = self.law, self._rules()
        nodes = [
            places_between(low, high, rule.share, rule.rest)
            for (low, high), rule in zip(self.bands, rules, strict=True)
        ]
        more = np.array([between(places) for places in nodes])  # asked in the same call
        x = np.concatenate([*nodes, more, self.stops, self.gaps])
        inner = x.size - self.stops.size - self.gaps.size
        density, below = law._pdf(x[:inner]), law._cdf(x)
        density = np.where(np.isposinf(density), 0.0, density)  # rounded onto an end
        if not np.isfinite(density).all() or not np.isfinite(below).all():
            return None
        stops, gaps = below[inner : inner + self.stops.size], below[inner + self.stops.size :]
        level = dict(zip(self.stops.tolist(), stops.tolist(), strict=True))
        bands, start = [], 0
        for i, ((low, high), rule) in enumerate(zip(self.bands, rules, strict=True)):
            part = np.append(start + np.arange(rule.share.size), inner - more.size + i)
            start += rule.share.size
            bands.append(self._band(low, high, rule, x[part], density[part], below[part], level))
        return bands, stops, gaps

    def _band(
        self,
        low: float,
        high: float,
        rule: Rule,
        x: Real,
        density: Real,
        below: Real,
        level: Levels,
    ) -> _Band:
        """Return a band from values at the nodes of a rule, and as the last ones between two."""
        inner = Between(float(x[-1]), float(density[-1]), float(below[-1]))
        x, density, below = x[:-1], density[:-1], below[:-1]
        masses = density * rule.weights * (high - low)
        got = self._without_atoms(x, below, low, high) - level[low]
        off = np.abs(got - rule.below @ masses).max()
        tail = 4 * np.abs(rule.last @ masses).max()
        inside = (
            math.inf if _is_wrong(density, self.law._density_noise) or tail > 1e-3 else off - tail
        )
        fall = -float(np.diff(below).min())
        inside = max(float(inside), fall)
        return _Band(low, high, x, masses, inside, density, 2 * x.size, inner)

    def _without_atoms(self, x: Real, below: Real, low: float, high: float) -> Real:
        """Distribution function without the steps at atoms inside a band."""
        for place, mass in self.atoms:
            if low < place < high:
                below = below - np.where(x >= place, mass, 0.0)
        return below

    def _refined(self, low: float, high: float, level: Levels) -> _Band:
        """Return a band by the rule for square roots with many nodes."""
        rule = square_root_rule(_MANY)
        x = places_between(low, high, rule.share, rule.rest)
        x = np.append(x, between(x))
        density, below = self.law._pdf(x), self.law._cdf(x)
        density = np.where(np.isposinf(density), 0.0, density)
        return self._band(low, high, rule, x, density, below, level)

    def _by_ends(self, low: float, high: float, level: Levels, *, far: bool = False) -> _Band:
        """Return a band by the rule that takes any power of the density at its ends.

        Powers near -1 leave mass within 1e-7 of an end, not all of it as the power has it: `far`.
        """
        split = [*(place for place, _ in self.atoms), *self.law._singular_places]
        cuts = sorted({cut for cut in split if low < cut < high})
        places: list[Real] = []
        inner: list[Real] = []
        masses: list[Real] = []
        worst = 0.0
        for a, b in pairwise([low, *cuts, high]):
            nodes = end_sizes(self.law._pdf, a, b) if far else (32, 32)
            share, rest, weights, below = end_rule(*nodes)
            x = places_between(a, b, share, rest)
            density, got = self.law._pdf(x), self.law._cdf(x)
            fall = -float(np.diff(got).min())
            density = np.where(np.isposinf(density), 0.0, density)
            part = density * weights * (b - a)
            with np.errstate(all="ignore"):
                left, right = part[0] / part[1], part[-1] / part[-2]
                tails = np.array([part[0] * left / (1 - left), part[-1] * right / (1 - right)])
            # What is beyond the first and the last node is a geometric series.
            tails[~((tails >= 0) & (tails < 1))] = 0.0
            got = self._without_atoms(x, got, low, high) - level[low]
            expected = sum(float(each.sum()) for each in masses) + tails[0] + below @ part
            # The indefinite integral converges half as fast as the whole one.
            off = float(np.abs(got - expected).max()) - 1e-5 * float(part.sum())
            worst = max(
                worst, off, fall, math.inf if _is_wrong(density, self.law._density_noise) else 0.0
            )
            places.append(np.concatenate([[a], x, [b]]))
            inner.append(x[nodes[0] - 32 : nodes[0] + 33])
            masses.append(np.concatenate([tails[:1], part, tails[1:]]))
        values = None if cuts else np.concatenate([[0.0], np.where(part > 0, density, 0.0), [0.0]])
        x = np.concatenate(places)
        middle = asked_between(self.law, max(inner, key=np.ptp))  # of no cut, where pieces meet
        return _Band(low, high, x, np.concatenate(masses), worst, values, 24, middle)

    def _distribution(self, bands: list[_Band], stops: Real, gaps: Real) -> list[str]:
        """Compare the distribution function off the bands with the masses to the left."""
        x = np.concatenate([self.stops, self.gaps])
        got = np.concatenate([stops, gaps])
        expected = np.zeros(x.size)
        for band in bands:
            expected += np.where(x >= band.high, band.mass, 0.0)
        for place, mass in self.atoms:
            expected += np.where(x >= place, mass, 0.0)
        for band in bands:
            # At a stop inside a band (an atom) the mass of the band counts in part.
            inside = (x > band.low) & (x < band.high)
            expected[inside] = got[inside]
        off = np.abs(got - expected)
        worst = int(off.argmax())
        if off[worst] <= self.allowed * (1 + len(bands)):
            return []
        return [
            f"its distribution function is {got[worst]:.12g} at x = {float(x[worst])!r}, where its "
            f"density and atoms have the mass {expected[worst]:.12g}"
        ]

    def _moments(self, bands: list[_Band]) -> list[str]:
        """Compare mean and variance with the exact ones."""
        mean, variance = map(float, self.law.free_cumulants(2))
        pairs = [band.moments(mean) for band in bands]
        d = self.places - mean
        first = math.fsum(pair[0] for pair in pairs) + float(self.weights @ d)
        second = math.fsum(pair[1] for pair in pairs) + float(self.weights @ (d * d))
        reach = max(abs(float(self.stops[0]) - mean), abs(float(self.stops[-1]) - mean))
        allowed = self.allowed * (1 + len(bands))
        rounding = 1e-14 * (abs(mean) + reach)
        failures = []
        if not abs(first) <= allowed * reach + rounding:
            failures.append(
                f"its mean is {mean:.12g}, but its density and atoms have {mean + first:.12g}"
            )
        if not abs(second - variance) <= (
            allowed * reach**2 + 4 * rounding * reach + 1e-13 * abs(variance)
        ):
            failures.append(
                f"its variance is {variance:.12g}, but its density and atoms have {second:.12g}"
            )
        return failures
