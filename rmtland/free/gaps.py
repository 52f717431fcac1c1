r"""Gaps of the support of a free sum or product, from real critical points.

Outside the support of a law the transform v = G (for sums; M for products) is real and decreasing
along the axis. On a component of the complement of every operand's support the common value v
determines the subordination points omega_i(v), hence the point z(v), and z belongs to a gap of the
result exactly where dz/dv < 0 there: the boundary fixed point is then attracting, so that it is the
Denjoy-Wolff point. Edges are the critical points dz/dv = 0, each bracketed and found to the last
bit; atoms are the ends v = +-infinity.

The complement of the hull of an operand's support is one component, through infinity.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from rmtland.laws.law import Law, Real, Support

__all__ = [
    "Component",
    "Gap",
    "bands_between",
    "complement",
    "invert",
    "real_jet",
    "settled",
    "sweep",
]

_TINY = 1e-13

Place = Callable[[Real], tuple[Real, Real]]


@dataclass(frozen=True)
class Gap:
    """An open interval without continuous part; its ends may be atoms, edges or infinite."""

    low: float
    high: float


@dataclass(frozen=True)
class Component:
    """A component of the complement of a support: between two bands, or through infinity.

    The coordinate s in (0, 1) runs from `low` to `high`; through infinity where low > high.
    """

    low: float
    high: float

    @property
    def through_infinity(self) -> bool:
        """Whether the component is the outside of [high, low]."""
        return self.low > self.high

    def at(self, s: Real) -> Real:
        """Point of a coordinate."""
        if not self.through_infinity:
            return np.asarray(self.low + (self.high - self.low) * s)
        # From the top of the hull to infinity at s = 1/2, and on to the bottom.
        middle, half = (self.low + self.high) / 2, (self.low - self.high) / 2
        with np.errstate(divide="ignore"):
            return np.asarray(middle + half / (1 - 2 * s))


def complement(law: Law) -> list[Component]:
    """Components of the complement of a law's support and atoms."""
    bands = sorted([*law.support, *((place, place) for place, _ in law.atoms)])
    merged: list[list[float]] = []
    for low, high in bands:
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    parts = [Component(left[1], right[0]) for left, right in itertools.pairwise(merged)]
    return [*parts, Component(merged[-1][1], merged[0][0])]


def real_jet(law: Law, omega: Real) -> tuple[Real, Real]:
    """G and G' at real points outside the support of a law; both are 0 at infinity."""
    g, dg = np.zeros(omega.shape), np.zeros(omega.shape)
    finite = np.isfinite(omega)
    if finite.any():
        jet = law._jet(omega[finite].astype(np.complex128))
        g[finite], dg[finite] = jet[0].real, jet[1].real
    return g, dg


def invert(value: Callable[[Real], Real], wanted: Real) -> Real:
    """Coordinates in (0, 1) where a decreasing function takes the wanted values; else NaN."""
    ends = value(np.array([_TINY, 1 - _TINY]))
    low = np.zeros(wanted.shape)
    high = np.ones(wanted.shape)
    for _ in range(60):
        s = (low + high) / 2
        above = value(s) > wanted
        low = np.where(above, s, low)
        high = np.where(above, high, s)
    return np.where((wanted < ends[0]) & (wanted > ends[1]), (low + high) / 2, np.nan)


def settled(z: Real, sign: Real, terms: Real) -> Real:
    """Return a slope condition, 0 where it is rounding of its terms, NaN where it is not known."""
    sign = np.where(np.abs(sign) < 1e-11 * terms, 0.0, sign)
    return np.where(np.isfinite(z) & np.isfinite(sign), sign, np.nan)


def sweep(
    place: Place,
    components: tuple[Component, ...],
    singular: Callable[[Real], Real],
) -> list[tuple[float, float]]:
    """Gaps on one choice of components, by the coordinate on the leading one; see `runs`.

    `singular` vanishes where some operands are at infinity (or zero) and others are not: removable
    singularities, next to which differences of large numbers come in. Samples where it is below
    1e-3 are left out.
    """
    samples = coordinates()
    admissible = np.flatnonzero(np.isfinite(place(samples)[1]))
    if admissible.size == 0:
        return []
    # Where only a part is admissible, look at that part with all samples, and at its ends.
    first = samples[max(admissible[0] - 1, 0)]
    last = samples[min(admissible[-1] + 1, samples.size - 1)]
    part = first + (last - first) * coordinates()
    samples = np.unique(np.concatenate([samples[admissible], [first, last], part]))
    samples = samples[samples != 0.5]
    if not all(component.through_infinity for component in components):
        value = singular(samples)
        return runs(place, samples[np.abs(value) > 1e-3], value[np.abs(value) > 1e-3])
    # The gaps next to infinity reach it.
    right = sorted(runs(place, samples[samples < 0.5]))
    left = sorted(runs(place, samples[samples > 0.5]))
    if right:
        right[-1] = (right[-1][0], np.inf)
    if left:
        left[0] = (-np.inf, left[0][1])
    return left + right


def runs(place: Place, samples: Real, value: Real | None = None) -> list[tuple[float, float]]:
    """Intervals of the line swept where the slope condition holds.

    Parameters
    ----------
    place : callable
        For coordinates in ascending order, the points z and the sign function D, positive on gaps;
        NaN where the coordinate is not admissible.
    samples : ndarray
        Coordinates, dense enough to see every change of sign, or nearly: extrema that come
        close to zero are looked at more closely.
    value : ndarray, optional
        What vanishes at removable singularities; extrema next to those are not looked at.

    Returns
    -------
    list of (low, high)
    """
    _, sign = place(samples)

    def sign_at(s: float) -> float:
        return float(place(np.array([s]))[1][0])

    extra = []
    for i in range(1, samples.size - 1):
        left, here, right = sign[i - 1 : i + 2]
        peak = (here - left) * (right - here) < 0
        peak &= value is None or value[i - 1] * value[i + 1] > 0
        if peak and abs(here) < abs(left - here) + abs(right - here):
            toward = -1.0 if here < 0 else 1.0
            if toward * here < toward * left:
                found = minimize_scalar(
                    lambda s, toward=toward: toward * sign_at(s),
                    bounds=(samples[i - 1], samples[i + 1]),
                    method="bounded",
                    options={"xatol": 1e-10},
                )
                if found.fun < 0:
                    extra.append(float(found.x))
    if extra:
        samples = np.unique(np.concatenate([samples, extra]))
        _, sign = place(samples)
    gaps = []
    inside = np.isfinite(sign) & (sign > 0)
    i = 0
    while i < samples.size:
        if not inside[i]:
            i += 1
            continue
        j = i
        while j + 1 < samples.size and inside[j + 1]:
            j += 1
        ends = []
        for here, beyond in ((i, i - 1), (j, j + 1)):
            end = samples[here]
            if 0 <= beyond < samples.size:
                end = samples[beyond]
                if not np.isfinite(sign[beyond]):
                    end = _last_admissible(place, samples[here], end)
                if sign_at(end) < 0 < sign_at(samples[here]):
                    end = brentq(sign_at, samples[here], end, xtol=1e-300, rtol=1e-15)
            ends.append(float(place(np.array([end]))[0][0]))
        gaps.append((min(ends), max(ends)))
        i = j + 1
    return gaps


def _last_admissible(place: Place, inside: float, outside: float) -> float:
    """Coordinate where the admissible ones end, by bisection."""
    for _ in range(100):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if np.isfinite(place(np.array([middle]))[1][0]):
            inside = middle
        else:
            outside = middle
    return inside


def bands_between(gaps: tuple[Gap, ...]) -> Support:
    """Intervals between ascending gaps."""
    ends = [(left.high, right.low) for left, right in itertools.pairwise(gaps)]
    return tuple((low, high) for low, high in ends if high > low)


def coordinates(size: int = 240) -> NDArray[np.float64]:
    """Return samples of (0, 1): dense at both ends, and at 1/2, which is infinity for a hull."""
    smooth = np.sin(np.linspace(0, np.pi / 2, size // 2 + 2)[1:-1]) ** 2
    ends = np.geomspace(_TINY, 1e-3, size // 4)
    middle = np.geomspace(1e-10, 0.05, size // 4)
    return np.unique(np.concatenate([ends, smooth, 1 - ends, 0.5 - middle, 0.5 + middle]))
