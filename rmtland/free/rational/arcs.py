r"""Arcs of h over the bands of a law with a rational R-transform, and forms beside their ends.

Parts of the rational route; the formulas stand in `rmtland.free.rational.free_levy`. `BesideDrift`
holds the constants of the equation close to the drift, `Arcs` edges and critical points with the
constants of the equation close to edges.

Compiled kernels take three tuples of a law, which they call `arcs` (the fields of `Arcs`), `beside`
(`BesideDrift.constants`) and `levy` (drift, variance, rates and jumps). These are plain: numba
takes longer to find the type of a named tuple, which is felt where a law is asked for one point.

Examples
--------
>>> from rmtland.laws.levy import LevyTriplet
>>> arcs = Arcs.of(LevyTriplet(0.0, 1.0))
>>> arcs.edges, arcs.criticals
(array([-2.,  2.]), array([-1.,  1.]))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.laws.levy import LevyTriplet
from rmtland.typing import Complex, Logical, Real

__all__ = ["Arcs", "BesideDrift"]

_APART = (
    "the parts of {} differ by more than 120 orders of magnitude in variance; leave the smallest "
    "out"
)
_NARROW = (
    "a band of {} is narrower than the spacing of floating-point numbers where it lies; take the "
    "drift out, or leave the small part out"
)
_BEYOND = "the edges of {} are beyond double precision; bring the rates and jumps closer together"


@dataclass(frozen=True)
class BesideDrift:
    """The form c_1 h + c_2 h^2 + h^3 sum r/(j (h - j)) = x - c of the equation close to the drift.

    Parameters
    ----------
    c1, c2 : float
        1 - sum of rates and -sum of rate/jump; 0 where these are rounding.
    reach : float
        The largest abs(x - c) for which the form is used; 0 with variance.
    left_out : (float, float)
        What of c_1 and c_2 was taken for rounding.
    """

    c1: float
    c2: float
    reach: float
    left_out: tuple[float, float]

    @classmethod
    def of(cls, triplet: LevyTriplet) -> BesideDrift:
        """Return the form of a triplet, its constants without cancellation."""
        variance, rates, jumps = triplet.variance, np.array(triplet.rates), np.array(triplet.jumps)
        if not jumps.size:
            return cls(1.0, 0.0, 0.0, (0.0, 0.0))
        if len(triplet.rates) == 1 and variance:  # one rounded operation each
            return cls(1 - triplet.rates[0], -triplet.rates[0] / triplet.jumps[0], 0.0, (0.0, 0.0))
        top, bottom = 0, 1  # of the sum of rate/jump, exactly
        for rate, jump in zip(triplet.rates, triplet.jumps, strict=True):
            a, b = rate.as_integer_ratio()
            c, d = jump.as_integer_ratio()
            top, bottom = top * (b * c) + a * d * bottom, bottom * (b * c)
        try:
            c1 = math.fsum([1.0, *(-rate for rate in triplet.rates)])
            c2 = -top / bottom + 0.0  # no -0.0
        except OverflowError:
            raise ValueError(_BEYOND.format(triplet)) from None
        left_out = 0.0, 0.0
        # Rates meant to sum to 1, and jumps to balance.
        if not variance and abs(1 - rates.sum()) <= 4e-16 * (1 + rates.size):
            left_out = c1, c2 if abs(c2) <= 4e-16 * np.abs(rates / jumps).sum() else 0.0
        c1, c2 = c1 - left_out[0], c2 - left_out[1]
        h = 0.2 * np.abs(jumps).min()
        reach = h * abs(c1) + h * (h * abs(c2)) + h * (rates * (h / jumps) ** 2).sum()
        return cls(c1, c2, 0.0 if variance else float(reach), left_out)

    @property
    def constants(self) -> tuple[float, float, float]:
        """c_1, c_2 and the reach, as the kernels take them."""
        return self.c1, self.c2, self.reach

    def polished(self, critical: float, rates: Real, jumps: Real) -> float:
        """Return a critical point close to 0 by Newton's method in the form."""
        h = critical
        for _ in range(8):
            ratio, weight = h / (h - jumps), rates / jumps
            slope = self.c1 + h * (2 * self.c2 + (weight * ratio * (3 - ratio)).sum())
            bend = 2 * self.c2 + (weight * ratio * (6 - 6 * ratio + 2 * ratio**2)).sum()
            h -= slope / bend
        return h


class Arcs(NamedTuple):
    """Edges, critical points and the constants of the edge form, two entries a band.

    Parameters
    ----------
    edges, edges_low : ndarray
        Edges, as sums of two doubles.
    criticals, slopes : ndarray
        Critical points, and H' there: their rounding.
    offsets, kappas : ndarray, shape (edges, poles)
        Critical points less the poles t, and s divided by their squares.
    masses : ndarray
        Distribution function at the edges.
    poles, weights : ndarray
        Poles t and weights s of H.
    """

    edges: Real
    edges_low: Real
    criticals: Real
    slopes: Real
    offsets: Real
    kappas: Real
    masses: Real
    poles: Real
    weights: Real

    @classmethod
    def of(cls, triplet: LevyTriplet, beside: BesideDrift | None = None) -> Arcs:
        """Find the arcs of a triplet; its form beside the drift is made where it is not given.

        Raises
        ------
        ValueError
            If its parts, or its edges, are too far apart for double precision, or a band is below
            it.
        """
        from rmtland.free.rational import edges

        drift, variance = triplet.drift, triplet.variance
        rates, jumps = np.array(triplet.rates), np.array(triplet.jumps)
        if variance:
            code, arcs = edges.arc_constants((drift, variance, rates, jumps), 0.0, 0.0)
            _refuse(code == 1, _APART, triplet)
            _refuse(code > 1, _BEYOND, triplet)
            _refuse((arcs[0][::2] >= arcs[0][1::2]).any(), _NARROW, triplet)
            return cls(*arcs)
        with np.errstate(over="ignore"):
            poles, weights = jumps, rates * jumps**2
        _refuse(not np.isfinite(weights).all(), _BEYOND, triplet)
        _refuse(weights.min() < 1e-120 * weights.max(), _APART, triplet)
        order = np.argsort(poles)
        poles, weights = poles[order], weights[order]
        criticals = np.asarray(edges.critical_points(poles, weights))
        criticals, high, low, slopes = _without_diffusion(
            criticals, triplet, beside or BesideDrift.of(triplet)
        )
        _refuse(not (np.isfinite(high).all() and np.isfinite(low).all()), _BEYOND, triplet)
        _refuse((high[::2] >= high[1::2]).any(), _NARROW, triplet)
        offsets = criticals[:, None] - poles
        # Mass to the left of a gap: one jump of 1/pi Im L for every pole between 0 and h.
        below = np.where(criticals < 0, 1.0, 0.0)
        sides = (criticals[:, None] < jumps).astype(float) - below[:, None]
        masses = 1 - below - (sides * rates).sum(axis=1)
        masses[criticals == 0] = rates[jumps < 0].sum()
        kappas = weights / offsets**2
        return cls(high, low, criticals, slopes, offsets, kappas, masses, poles, weights)

    def _nearest(self, z: Complex) -> tuple[Real, Complex, Real, Real, Real]:
        """Of the nearest edges: critical point, distance, slope, offsets and weights."""
        place = np.argmin(np.abs(z[:, None] - self.edges), axis=1)
        d = (z - self.edges[place]) - self.edges_low[place]
        return (
            self.criticals[place],
            d,
            self.slopes[place],
            self.offsets[place].T,
            self.kappas[place].T,
        )

    def solve_beside(self, z: Complex) -> tuple[Complex, Logical]:
        """Return h for Im z > 0 from the edge form at the nearest edge, and where that converged.

        Of the two roots close to a critical point one is in the upper half-plane; a root there is
        the physical one.
        """
        critical, d, slope, b, kappa = self._nearest(z)
        with np.errstate(all="ignore"):
            u = np.sqrt(d / (kappa / b).sum(axis=0))
            u = np.where(u.imag < 0, -u, u)
            close = np.abs(u) < 1e-2 * np.abs(b).min(axis=0)
            if not close.any():
                return critical + u, close
            for _ in range(8):
                q = (kappa / (b + u)).sum(axis=0)
                bend = (kappa / (b + u) ** 2).sum(axis=0)
                move = (u * slope + u * u * q - d) / (slope + u * (2 * q - u * bend))
                u = u - move
            # Im d = Im u times this, without cancellation where u is almost real.
            parts = np.array([slope, 2 * u.real * (kappa / (b + u)).sum(axis=0).real])
            size = (kappa / np.abs(b + u) ** 2).sum(axis=0)
            rest = parts.sum(axis=0) + (u.imag**2 - u.real**2) * size
            steep = rest > 0.1 * (np.abs(parts).sum(axis=0) + np.abs(u) ** 2 * size)
            u.imag = np.where(steep, d.imag / rest, u.imag)
            found = close & (u.imag > 0) & (np.abs(move) <= 1e-14 * np.abs(u))
        return critical + u, found

    def error_beside(self, z: Complex, h: Complex, triplet: LevyTriplet) -> Real:
        """Bound of the error of 1/h from the edge form at the nearest edge; infinite elsewhere."""
        critical, d, slope, b, kappa = self._nearest(z)
        u = h - critical
        q, bend = (kappa / (b + u)).sum(axis=0), (kappa / (b + u) ** 2).sum(axis=0)
        steep = np.abs(slope + u * (2 * q - u * bend))
        terms = 3 * np.abs(u) ** 2 * (kappa / np.abs(b + u)).sum(axis=0) + np.abs(d)
        # The place of the edge and the slope are known to 1e-29.
        place = np.argmin(np.abs(z[:, None] - self.edges), axis=1)
        rough = np.abs(b).max(axis=0) + np.abs(self.edges[place]) + np.abs(self.poles).max()
        # The parameters themselves were rounded: a ratio phi to the rate 1/phi, say.
        rates, jumps = np.array(triplet.rates), np.array(triplet.jumps)
        rounded = abs(triplet.drift) + triplet.variance / np.abs(h)
        share = np.abs(jumps / (h[:, None] - jumps))
        rounded = rounded + np.abs(h) * (rates * share * (2 + share)).sum(axis=1)
        size = np.abs(u * slope + u * u * q - d) + 1e-15 * terms + 1e-28 * (rough + np.abs(u))
        size = size + 1.2e-16 * rounded
        rounding = 4e-16 * np.abs(h)
        size = size + rounding * steep
        error = np.fmin(2 * size / steep, 2 * np.sqrt(size / np.abs(q))) + rounding
        close = (np.abs(u) < 0.05 * np.abs(b).min(axis=0)) & (critical != 0)
        close &= error < 0.5 * np.abs(h)
        return np.where(close, 2 * error / np.abs(h) / np.abs(h), np.inf)


def _refuse(wrong: bool | np.bool_, sentence: str, triplet: LevyTriplet) -> None:
    if wrong:
        raise ValueError(sentence.format(triplet))


def _without_diffusion(
    criticals: Real, triplet: LevyTriplet, beside: BesideDrift
) -> tuple[Real, Real, Real, Real]:
    """Critical points that bound arcs, the edges there in two parts, and the slopes."""
    from rmtland.free.rational import edges

    rates, jumps = np.array(triplet.rates), np.array(triplet.jumps)
    criticals = _beside_drift(criticals, beside, rates, jumps)
    places = np.array([_edge_place(h, beside, triplet.drift, 0.0, rates, jumps) for h in criticals])
    # A gap below rounding, between an unbounded density and the next edge, is left out.
    twins = np.flatnonzero(
        (criticals[1:-2:2] * criticals[2:-1:2] == 0) & (places[1:-2:2, 0] == places[2:-1:2, 0])
    )
    twins = np.concatenate([2 * twins + 1, 2 * twins + 2])
    criticals, places = np.delete(criticals, twins), np.delete(places, twins, axis=0)
    slopes = [edges.edge_slope(h, 0.0, rates, jumps) if h else 0.0 for h in criticals]
    return criticals, places[:, 0].copy(), places[:, 1].copy(), np.array(slopes)


def _beside_drift(found: Real, beside: BesideDrift, rates: Real, jumps: Real) -> Real:
    """Zeros of H' without variance; those close to 0 from the form beside the drift."""
    unit, c2 = np.abs(jumps).min(), beside.c2
    if beside.c1 == 0:
        low = max(jumps[jumps < 0], default=-np.inf)
        high = min(jumps[jumps > 0], default=np.inf)
        near = found[(found > low) & (found < high)]
        found = found[(found <= low) | (found >= high)]
        other = near[np.argmax(np.abs(near))] if near.size else 0.0
        if jumps[0] * jumps[-1] > 0:
            found = np.append(found, 0.0)
        elif c2:
            start = 2 / 3 * (c2 * unit) * unit / (rates * (unit / jumps) ** 2).sum()
            if near.size < 2 or abs(start) < 1e-2 * unit:
                other = start
            found = np.append(found, [0.0, other])
    for i in np.flatnonzero((np.abs(found) < 0.05 * unit) & (found != 0)):
        found[i] = beside.polished(found[i], rates, jumps)
    return np.sort(found)


def _edge_place(
    h: float, beside: BesideDrift, drift: float, variance: float, rates: Real, jumps: Real
) -> tuple[float, float]:
    """H(h) at a critical point, as an unevaluated sum of two doubles."""
    from rmtland.free.rational import edges, half_plane

    if not variance and abs(h) < 0.05 * np.abs(jumps).min():
        value, _ = half_plane.local_form(h, beside.c1, beside.c2, rates, jumps)
        if abs(value) < 1e-14 * abs(h):
            high = drift + value
            return high, (drift - high) + value
    high, low = edges.edge_place(h, drift, variance, rates, jumps)
    return high, low
