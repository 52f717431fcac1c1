r"""A cheap certificate that a law hangs together: mass, distribution function, moments, transforms.

A route that computes a law (a sum, a product, a polynomial, an equation) may land on a wrong sheet,
miss a band, count a turn of a logarithm once too often, and give numbers that look like a law. The
certificate integrates the density by quadrature, which no route uses, and compares with everything
else the law says of itself:

* atoms have masses in (0, 1], edges are in order, the density is not negative;
* the masses of bands and atoms add up to 1;
* the distribution function at edges, atoms, in gaps and at the ends of all panels is the mass to
  the left of them, grows, and is 0 and 1 at the ends;
* mean and variance are those of the moments, which are exact for most laws;
* G, G' and the logarithmic potential above the axis are the integrals over the law, and Im G < 0;
* on the axis, in a gap and in a band, G is the integral and its principal value;
* the survival function and the mass below are what the distribution function leaves;
* quantiles, from below and from above, are inverse to the distribution function.

What fails raises `ConvergenceError` with the numbers. Where a law refuses its density, beside a
point where it is unbounded, the panel in question has the mass that the distribution function says,
if that is at most 1e-5. The check takes about 100 values of the
density for each band where the law is smooth, at most `evaluations` otherwise.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> found = certificate(MarchenkoPastur(2.0))
>>> found.passed, round(found.mass, 10)
(True, 1.0)
>>> certify(MarchenkoPastur(2.0))
MarchenkoPastur(aspect_ratio=2.0, scale=1.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from rmtland.arguments import count, nonnegative
from rmtland.laws.law import Law
from rmtland.laws.quadrature import Panels, density_panels, known_density
from rmtland.laws.transform_values import parts_of, transform_defects
from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["Certificate", "certificate", "certify"]


AnyLaw = TypeVar("AnyLaw", bound=Law)

_BESIDE = 4.0 ** -np.arange(12, 2, -1)
"""Distances from an edge, in units of the band, at which its density has to begin."""


@dataclass(frozen=True)
class Certificate:
    """What the check of a law found.

    Parameters
    ----------
    failures : tuple of str
        A sentence with numbers for everything that does not hold; empty for a law that passes.
    mass : float
        Mass of bands (by quadrature) and atoms.
    mass_error : float
        Estimated error of the quadrature; it was allowed for on top of the tolerance.
    evaluations : int
        Number of values of the density that the quadrature took.
    defects : dict of str to float
        Largest deviation seen by each check, relative to what its sentence says.
    """

    failures: tuple[str, ...]
    mass: float
    mass_error: float
    evaluations: int
    defects: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def certify(
    law: AnyLaw,
    *,
    tolerance: float = 1e-8,
    mean: float | None = None,
    variance: float | None = None,
    evaluations: int = 6000,
    quantiles: bool = True,
    potential: bool = True,
    quadrature: float | None = None,
) -> AnyLaw:
    """Return the law if it passes its certificate.

    Parameters
    ----------
    law : Law
        The law to be checked.
    tolerance : float
        Deviation of masses that is allowed beside the error of the quadrature: the error that the
        route states for the law, or the default if that is smaller.
    mean, variance : float, optional
        Exact moments known to the caller; by default those that the law gives.
    evaluations : int
        Number of values of the density at which the quadrature ends.
    quantiles : bool
        Whether quantiles are checked too.
    potential : bool
        Whether the logarithmic potential off the axis is checked too.
    quadrature : float, optional
        Error of the mass at which the quadrature ends; a tenth of the tolerance by default.

    Returns
    -------
    Law
        `law` itself.

    Raises
    ------
    ConvergenceError
        If something does not hold; the message says what, with the numbers.
    """
    found = certificate(
        law,
        tolerance=tolerance,
        mean=mean,
        variance=variance,
        evaluations=evaluations,
        quantiles=quantiles,
        potential=potential,
        quadrature=quadrature,
    )
    if not found.passed:
        raise refusal(law, found)
    return law


def refusal(law: Law, found: Certificate) -> ConvergenceError:
    """Return the error that says why a law is refused.

    Parameters
    ----------
    law : Law
        The law.
    found : Certificate
        What was found, with at least one failure.

    Returns
    -------
    ConvergenceError
        To be raised.
    """
    return ConvergenceError(
        f"{_short(law)} was not found reliably: {'; '.join(found.failures)}. What was computed "
        "is not a law; please change its parameters slightly or take another route"
    )


def certificate(
    law: Law,
    *,
    tolerance: float = 1e-8,
    mean: float | None = None,
    variance: float | None = None,
    evaluations: int = 6000,
    quantiles: bool = True,
    potential: bool = True,
    quadrature: float | None = None,
) -> Certificate:
    """Check a law against itself by quadrature; parameters are those of `certify`.

    Returns
    -------
    Certificate
        What was found; nothing is raised for a law that fails.
    """
    tolerance = nonnegative("tolerance", tolerance)
    failures = structure_failures(law)
    if failures:
        return Certificate(tuple(failures), math.nan, math.inf, 0, {})
    budget = count("evaluations", evaluations)
    places = tuple(place for place, _ in law.atoms)
    aim = tolerance / 10 if quadrature is None else nonnegative("quadrature", quadrature)
    panels = density_panels(law, tolerance=aim, evaluations=budget, cuts=places, skip=True)
    atoms = np.array(law.atoms, dtype=np.float64).reshape(-1, 2)
    mass = math.fsum(panels.mass) + math.fsum(atoms[:, 1])
    allowed = tolerance + 2 * panels.error
    check = _Check(law, panels, atoms, allowed, failures, {})
    if np.isfinite(panels.error):
        check.density()
        check.edges()
        check.total(mass)
        check.distribution()
        check.moments(mean, variance)
        check.transforms(potential)
        failures += transform_defects(
            law, parts_of(law, panels), check.stops(), allowed, thorough=True
        )
        if quantiles:
            check.quantiles()
    else:
        failures.append("its density is NaN or infinite inside a band")
    return Certificate(tuple(failures), mass, panels.error, int(panels.x.size), check.defects)


def structure_failures(law: Law) -> list[str]:
    """Return what is wrong with the edges and atoms of a law."""
    failures = []
    ends = [end for band in law.support for end in band]
    if any(math.isnan(end) for end in ends) or any(a >= b for a, b in law.support):
        failures.append(f"its bands are not intervals: {law.support}")
    elif any(left[1] > right[0] for left, right in pairwise(law.support)):
        failures.append(f"its bands overlap or are out of order: {law.support}")
    places = [place for place, _ in law.atoms]
    if any(not math.isfinite(place) for place in places) or sorted(set(places)) != places:
        failures.append(f"its atoms are not at distinct places in ascending order: {law.atoms}")
    wrong = [(place, mass) for place, mass in law.atoms if not 0 < mass <= 1 + 1e-15]
    if wrong:
        failures.append(f"its atoms have masses outside (0, 1]: {tuple(wrong[:5])}")
    if not law.support and not law.atoms:
        failures.append("it has neither bands nor atoms")
    return failures


@dataclass(frozen=True)
class _Check:
    """The checks of one law; every one notes its largest defect, and a sentence where it fails."""

    law: Law
    panels: Panels
    atoms: Real
    allowed: float
    failures: list[str]
    defects: dict[str, float]

    def _note(self, name: str, defect: float, allowed: float, sentence: str) -> None:
        self.defects[name] = defect
        if not defect <= allowed:
            self.failures.append(sentence)

    @property
    def _scale(self) -> float:
        """Length of the convex hull; of a point mass its place."""
        ends = np.concatenate([self.panels.left, self.panels.right, self.atoms[:, 0]])
        spread = float(ends.max() - ends.min())
        return spread if spread > 0 else max(abs(float(ends[0])), 1.0)

    def stops(self) -> Real:
        """Return ends of bands, cut where they have none, and atoms, ascending."""
        return np.unique(np.concatenate([self.panels.left, self.panels.right, self.atoms[:, 0]]))

    def density(self) -> None:
        """Check that the density is not negative."""
        lowest = float(self.panels.weights.min(initial=0.0))
        where = self.panels.x.ravel()[self.panels.weights.argmin()] if lowest < 0 else 0.0
        self._note("density", -lowest, 0.0, f"its density is negative at x = {where}")

    def edges(self) -> None:
        """Check that bands end where the density does: it is not 0 inside, next to an edge."""
        x, density = self.panels.x.ravel(), known_density(self.law, self.panels.x.ravel())
        density = np.where(np.isfinite(density), density, 0.0)
        empty = []
        for low, high in self.law.support:
            for edge in (low, high):
                if math.isfinite(edge):
                    away = np.abs(x - edge)
                    near = away > 1e-6 * (high - low) + 64 * np.spacing(abs(edge))
                    near &= (x > low) & (x < high) & (away < 1e-2 * (high - low))
                    noise = self.law._density_noise * float(density.max(initial=0.0))
                    if near.any() and not (density[near] > noise).any():
                        empty.append(edge)
        empty += self._onsets(float(density.max(initial=0.0)))
        self._note(
            "edges",
            float(len(empty)),
            0.0,
            f"its density is 0 inside its bands, next to the edges {empty}",
        )

    def _onsets(self, top: float) -> list[float]:
        """Edges beside which the density is 0, and as large as beside an edge a little further."""
        noise, found = self.law._density_noise * top, []
        for low, high in self.law.support:
            away = (high - low) * _BESIDE
            for edge, side in ((low, 1.0), (high, -1.0)):
                if not math.isfinite(low) or not math.isfinite(high):
                    continue
                here = away[away > 64 * np.spacing(abs(edge))]
                density = known_density(self.law, edge + side * here)
                starts = (density[:-1] <= noise) & (density[1:] > noise + 1e-5 * top)
                if (starts & np.isfinite(density[:-1])).any():
                    found.append(edge)
        return found

    def total(self, mass: float) -> None:
        """Check that all masses add up to 1."""
        off = abs(mass - 1)
        self._note(
            "mass",
            off,
            self.allowed,
            f"its mass is {mass:.12g}, not 1 within {self.allowed:.2g} "
            f"(bands {self.panels.mass.sum():.12g}, atoms {self.atoms[:, 1].sum():.12g})",
        )

    def _expected(self, x: Real) -> Real:
        """Mass in (-infinity, x] by quadrature, at ends of panels and off the bands."""
        total = np.concatenate([[0.0], np.cumsum(self.panels.mass)])
        below = total[np.searchsorted(self.panels.right, x, side="right")]
        for place, mass in self.atoms:
            below = below + np.where(x >= place, mass, 0.0)
        return np.asarray(below)

    def distribution(self) -> None:
        """Check that the distribution function is the mass to the left, and grows."""
        law, panels, w = self.law, self.panels, self._scale
        places = self.atoms[:, 0]
        stops = np.unique(np.concatenate([panels.left, panels.right, places]))
        edges = [end for band in law.support for end in band if math.isfinite(end)]
        pieces = sorted([*law.support, *zip(places, places, strict=True)])
        tops = np.maximum.accumulate([top for _, top in pieces])  # an atom may be inside a band
        gaps = [
            top + share * (low - top)
            for top, (low, _) in zip(tops.tolist(), pieces[1:], strict=False)
            if top < low
            for share in (0.1, 0.5, 0.9)
        ]
        outside = [stops[0] - 3 * w, stops[0] - 0.01 * w, stops[-1] + 0.01 * w, stops[-1] + 3 * w]
        beside = np.concatenate([np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
        beside = beside[~np.isin(beside, places)]
        x = np.unique(np.concatenate([stops, gaps, outside]))
        below, expected = law._cdf(x), self._expected(x)
        off = np.abs(below - expected)
        worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
        self._note(
            "cdf",
            float(off[worst]),
            self.allowed,
            f"its distribution function is {below[worst]:.12g} at x = {float(x[worst])!r}, where "
            f"its density and atoms have the mass {expected[worst]:.12g}",
        )
        # Inside panels too, where the interpolated density gives the mass
        some = slice(1, None, 2) if panels.left.size <= 24 else slice(7, 8)
        nodes = panels.x[:, some].ravel()
        inside = law._cdf(nodes)
        mass = panels.below[:, some].ravel()
        for place, weight in self.atoms:
            mass = mass + np.where(nodes >= place, weight, 0.0)
        off = np.abs(inside - mass) - 4 * np.repeat(panels.rough, panels.x[:1, some].size)
        worst = int(np.argmax(np.where(np.isnan(off), np.inf, off))) if off.size else 0
        self._note(
            "cdf inside",
            float(off.max(initial=0.0)),
            self.allowed,
            f"its distribution function is {inside[worst] if off.size else 0:.12g} at x = "
            f"{float(nodes[worst]) if off.size else 0!r}, where its density and atoms have the "
            f"mass {mass[worst] if off.size else 0:.12g}",
        )
        everywhere = np.unique(np.concatenate([x, beside, nodes]))
        steps = np.diff(law._cdf(everywhere))
        place = int(np.argmin(steps)) if steps.size else 0
        fall = float(-steps[place]) if steps.size else 0.0
        self._note(
            "monotone",
            max(fall, 0.0),
            min(self.allowed, 1e-8),
            f"its distribution function falls by {fall:.3g} between {float(everywhere[place])!r} "
            f"and {float(everywhere[min(place + 1, everywhere.size - 1)])!r}",
        )
        if places.size:
            left = law._mass_below(places)
            off = np.abs(left - (self._expected(places) - self.atoms[:, 1]))
            worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            self._note(
                "atoms",
                float(off[worst]),
                self.allowed,
                f"the mass below its atom at {places[worst]} is {left[worst]:.12g}, not "
                f"{self._expected(places)[worst] - self.atoms[worst, 1]:.12g}",
            )

    def moments(self, mean: float | None, variance: float | None) -> None:
        """Check that mean and variance are those of the density and the atoms."""
        exact = self.law.mean() if mean is None else mean
        spread = self.law.var() if variance is None else variance
        x = np.concatenate([self.panels.x.ravel(), self.atoms[:, 0]]) - exact
        w = np.concatenate([self.panels.weights.ravel(), self.atoms[:, 1]])
        reach = float(np.abs(x).max(initial=0.0))
        first, second = float((x * w).sum()), float((x * x * w).sum())
        rounding = 1e-14 * (abs(exact) + reach)
        self._note(
            "mean",
            abs(first),
            self.allowed * reach + rounding,
            f"its mean is {exact:.12g}, but its density and atoms have {exact + first:.12g}",
        )
        self._note(
            "variance",
            abs(second - spread),
            self.allowed * reach**2 + 4 * rounding * reach + 1e-13 * spread,
            f"its variance is {spread:.12g}, but its density and atoms have {second:.12g}",
        )

    def transforms(self, potential: bool) -> None:
        """Check that G and L above the axis are integrals over the law, and the sheet near it."""
        nodes = np.concatenate([self.panels.x.ravel(), self.atoms[:, 0]])
        weights = np.concatenate([self.panels.weights.ravel(), self.atoms[:, 1]])
        w = self._scale
        low, high = float(nodes.min()), float(nodes.max())
        x = np.array([low - 0.3 * w, low, *np.linspace(low, high, 5)[1:-1], high, high + 0.3 * w])
        z = np.concatenate([x + 0.4j * w, [(low + high) / 2 + 4j * w]])
        g = self.law._stieltjes(z)
        level = self.law._log_potential(z) if potential else None
        apart = z[:, None] - nodes
        for name, got, terms, size in (
            ("stieltjes", g, 1 / apart, 1 / z.imag),
            ("log_potential", level, np.log(apart), 1 + np.abs(np.log(apart)).max(axis=1)),
        ):
            if got is None:
                continue
            expected = (terms * weights).sum(axis=1)
            off = np.abs(got - expected) / size
            worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            self._note(
                name,
                float(off[worst]),
                self.allowed + 1e-12,
                f"its {name} is {got[worst]:.10g} at z = {z[worst]:.6g}, where the integral over "
                f"its density and atoms is {expected[worst]:.10g}",
            )
        slope, expected = self.law._jet(z)[1], -(weights / apart**2).sum(axis=1)
        off = np.abs(slope - expected) * z.imag**2
        worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
        self._note(
            "slope",
            float(off[worst]),
            self.allowed + 1e-6,
            f"the slope of its stieltjes is {slope[worst]:.10g} at z = {z[worst]:.6g}, where the "
            f"integral over its density and atoms is {expected[worst]:.10g}",
        )
        heights = w * np.array([1e-1, 1e-3, 1e-6])
        z = (x[:, None] + 1j * heights).ravel()
        g = self.law._stieltjes(z)
        with np.errstate(invalid="ignore"):
            wrong = ~((g.imag < 0) & (np.abs(g) * z.imag <= 1 + 1e-9))
        point = z[wrong][0] if wrong.any() else 0j
        self._note(
            "half-plane",
            float(wrong.sum()),
            0.0,
            f"G({point:.6g}) = {g[wrong][0] if wrong.any() else 0j:.6g} is not the Stieltjes "
            "transform of a law",
        )

    def quantiles(self) -> None:
        """Check that quantiles are inverse to the distribution function."""
        q = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
        found = (("quantile", self.law._ppf(q), q), ("upper quantile", self.law._isf(q), 1 - q))
        for name, x, levels in found:
            # x is exact to a few units in the last place.
            ulp = 8 * np.spacing(np.maximum(np.abs(x), 1e-300))
            over = self.law._mass_below(x - ulp) - levels
            under = levels - self.law._cdf(x + ulp)
            off = np.maximum(np.maximum(over, under), 0.0)
            worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            self._note(
                f"{name}s",
                float(off[worst]),
                self.allowed,
                f"its {name} of {q[worst]} is {float(x[worst])!r}, where the distribution function "
                f"is {float(self.law._cdf(x[worst : worst + 1])[0]):.12g}",
            )


def _short(law: Law) -> str:
    text = repr(law)
    return text if len(text) <= 200 else f"{text[:160]} ... {text[-30:]}"
