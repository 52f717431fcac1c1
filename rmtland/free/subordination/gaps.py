r"""Gaps of the support of a free sum or product, from real critical points.

Outside the support of a law the transform v = G (for sums; M for products) is real and decreasing
along the axis. On a component of the complement of every operand's support the common value v
determines the subordination points omega_i(v), hence the point z(v), and z belongs to a gap of the
result exactly where dz/dv < 0 there: the boundary fixed point is then attracting, so that it is the
Denjoy-Wolff point. Edges are the critical points dz/dv = 0, each bracketed and found to the last
bit; atoms are the ends v = +-infinity.

A gap is kept as a curve: a coordinate s in (0, 1) and, along it, the point, G and G' there. The
gaps of a sum or product are swept by the coordinates of its operands' gaps, so that its own curves
need no equation to be solved, and what is nested costs no more than its parts.

The complement of the hull of an operand's support is one component, through infinity.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar

from rmtland.laws.law import Law, Real, Support

__all__ = [
    "Curve",
    "Gap",
    "Run",
    "Swept",
    "bands_between",
    "bundle",
    "complement",
    "invert",
    "multiplicative",
    "plain_gap",
    "settled",
    "sweep",
]

_TINY = 1e-13
_CLEAR = 1e-3
"""Distance in v from a removable singularity below which samples are left out."""

_SMOOTH = np.sin(np.linspace(0, np.pi / 2, 122)[1:-1]) ** 2
_CLOSE = np.geomspace(_TINY, 1e-3, 60)
_ACROSS: Real = np.unique(np.concatenate([_CLOSE, _SMOOTH, 1 - _CLOSE]))
"""Samples of (0, 1), dense at both ends."""
_OUTWARD: Real = np.unique(np.concatenate([np.geomspace(2e-10, 0.1, 60), _SMOOTH, 1 - _CLOSE]))
"""Samples of (0, 1), from infinity at 0 to a dense end at 1."""


class Curve(NamedTuple):
    """Points along a gap with G and G' there.

    `clear` is how far v is from a removable singularity, where some operands are at infinity (or
    zero) and others are not and differences of large numbers come in; `side` counts the
    singularities ahead. `omegas` are the subordination points of the explicit operands.
    """

    point: Real
    g: Real
    dg: Real
    clear: Real
    side: Real
    omegas: tuple[Real, ...] = ()


class Swept(NamedTuple):
    """What a sweep meets: the curve, and the slope condition, positive on gaps, NaN off them.

    `lead` is the part of the condition that the leading operand contributes.
    """

    curve: Curve
    sign: Real
    lead: Real


@dataclass(frozen=True)
class Gap:
    """An open interval without continuous part; its ends may be atoms, edges or infinite.

    The coordinate s runs from `low` to `high`: over (0, 1), or (-1, 0) where the upper end is
    infinite, or (-1/2, 1/2) through infinity, where low > high. Infinity is always s = 0, next to
    which floating-point numbers resolve it.
    """

    low: float
    high: float
    along: Callable[[Real], Curve] = field(repr=False, compare=False)
    explicit: bool = field(default=True, repr=False, compare=False)
    """Whether the curve comes from a sweep, not from the law that it is to serve."""

    @property
    def through_infinity(self) -> bool:
        """Whether the gap is the outside of [high, low]."""
        return self.low > self.high

    def coordinates(self) -> Real:
        """Return samples of the coordinate: dense at the ends and next to infinity."""
        if self.through_infinity:
            return np.concatenate([-_OUTWARD[::-1] / 2, _OUTWARD / 2])
        if self.high == np.inf:
            return np.asarray(-_OUTWARD[::-1])
        return _OUTWARD if self.low == -np.inf else _ACROSS

    @cached_property
    def table(self) -> tuple[Real, Curve]:
        """Coordinates, ascending, and the curve there."""
        samples = self.coordinates()
        return samples, self.along(samples)

    def coordinates_of(self, points: Real) -> Real:
        """Coordinates of points of the gap, which is not one through infinity."""
        return invert(self, lambda curve: -curve.point, -points)

    def part(self, run: Run) -> Gap:
        """Return a part of the gap."""

        def along(s: Real) -> Curve:
            if run.high == np.inf:
                return self.along(-run.start * s)
            return self.along(run.start + (run.end - run.start) * s)

        return Gap(run.low, run.high, along, self.explicit)


@dataclass(frozen=True)
class Run:
    """A part of a sweep where the slope condition holds: points and coordinates of its ends."""

    low: float
    high: float
    start: float
    end: float


def plain_gap(law: Law, low: float, high: float) -> Gap:
    """Return a gap of a law whose transform is computed from the point."""

    def point(s: Real) -> Real:
        with np.errstate(divide="ignore"):
            if low == -np.inf:
                return np.asarray(high - (1 - s) / s)
            if high == np.inf:
                return np.asarray(low - (1 + s) / s)
            if low > high:
                # From the top of the hull to infinity at s = 0, and on to the bottom.
                return np.asarray((low + high) / 2 - (low - high) / (4 * s))
        return np.asarray(low + (high - low) * s)

    def along(s: Real) -> Curve:
        at = point(s)
        g, dg = np.zeros(at.shape), np.zeros(at.shape)
        finite = np.isfinite(at)
        if finite.any():
            jet = law._jet(at[finite].astype(np.complex128))
            g[finite], dg[finite] = jet[0].real, jet[1].real
        return Curve(at, g, dg, np.full(at.shape, np.inf), np.zeros(at.shape))

    return Gap(low, high, along, False)


def bundle(law: Law, gaps: list[Gap]) -> Gap:
    """Return many finite gaps of a law as one curve: coordinate k + s is s along gap k."""
    low, high = np.array([(gap.low, gap.high) for gap in gaps]).T

    def along(s: Real) -> Curve:
        k = np.floor(s).astype(np.intp)
        at = low[k] + (high - low)[k] * (s - k)
        jet = law._jet(at.astype(np.complex128))
        return Curve(at, jet[0].real, jet[1].real, np.full(at.shape, np.inf), np.zeros(at.shape))

    return Gap(-np.inf, np.inf, along, False)


def joined(last: Gap, first: Gap) -> Gap:
    """Return the component through infinity, of the gaps on its right and on its left."""

    def along(s: Real) -> Curve:
        right = s < 0
        a, b = last.along(2 * s[right]), first.along(2 * s[~right])

        def column(here: Real, there: Real, infinity: float | None = None) -> Real:
            values = np.empty(s.shape)
            values[right], values[~right] = here, there
            return values if infinity is None else np.where(s == 0, infinity, values)

        # At infinity itself a sum of points that are infinite there has no value.
        return Curve(
            column(a.point, b.point, np.inf),
            column(a.g, b.g, 0.0),
            column(a.dg, b.dg, 0.0),
            column(a.clear, b.clear),
            column(a.side, b.side),
        )

    return Gap(last.low, first.high, along, last.explicit and first.explicit)


def complement(law: Law) -> list[Gap]:
    """Components of the complement of a law's support and atoms."""
    curves: tuple[Gap, ...] | None = getattr(law, "_gap_list", None)
    if curves is not None:
        return [*curves[1:-1], joined(curves[-1], curves[0])]
    bands = sorted([*law.support, *((place, place) for place, _ in law.atoms)])
    merged: list[list[float]] = []
    for low, high in bands:
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    ends = [(left[1], right[0]) for left, right in itertools.pairwise(merged)]
    return [plain_gap(law, *pair) for pair in [*ends, (merged[-1][1], merged[0][0])]]


def multiplicative(curve: Curve) -> tuple[Real, Real, Real]:
    """M = z G - 1 along a curve, 1 + M, and d log z / d log eta with eta = M/(1 + M)."""
    with np.errstate(all="ignore"):
        u = np.where(np.isinf(curve.point), 1.0, curve.point * curve.g)
        m = u - 1
        return m, u, m * u / (curve.point * (curve.g + curve.point * curve.dg))


def invert(gap: Gap, transform: Callable[[Curve], Real], wanted: Real) -> Real:
    """Coordinates where a function that decreases along a gap takes the wanted values; else NaN.

    Bracketed in the table of the gap and found by inverse quadratic interpolation with bisection.

    References
    ----------
    T. R. Chandrupatla, A new hybrid quadratic/bisection algorithm for finding the zero of a
    nonlinear function without using derivatives, Adv. Eng. Software 28 (1997) 145-149.
    """
    samples, curve = gap.table
    levels = np.minimum.accumulate(transform(curve))
    place = np.searchsorted(-levels, -wanted)
    result = np.full(wanted.shape, np.nan)
    todo = np.flatnonzero((place > 0) & (place < samples.size) & np.isfinite(wanted))
    goal, place = wanted[todo], place[todo]
    a, b = samples[place - 1], samples[place]
    fa, fb = levels[place - 1] - goal, levels[place] - goal
    share = np.full(a.shape, 0.5)
    for _ in range(90):
        if todo.size == 0:
            break
        x = a + share * (b - a)
        f = transform(gap.along(x)) - goal
        same = (f > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        result[todo] = best
        limit = 2e-16 * np.abs(best) / np.abs(b - a)
        going = (limit < 0.5) & (f != 0) & np.isfinite(f)
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            quadratic = fa / (fb - fa) * fc / (fb - fc)
            quadratic = quadratic + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        share = np.where(smooth & np.isfinite(quadratic), quadratic, 0.5)
        share = np.clip(share, np.minimum(limit, 0.5), 1 - np.minimum(limit, 0.5))
        todo, goal = todo[going], goal[going]
        a, b, fa, fb, share = a[going], b[going], fa[going], fb[going], share[going]
    return result


def settled(curve: Curve, sign: Real, terms: Real, lead: Real) -> Swept:
    """Return what a sweep meets; the slope condition is 0 where it is rounding of its terms."""
    sign = np.where(np.abs(sign) < 1e-11 * terms, 0.0, sign)
    known = np.isfinite(curve.point) & np.isfinite(sign)
    return Swept(curve, np.where(known, sign, np.nan), lead)


def sweep(
    place: Callable[[Real], Swept],
    leading: Gap,
    *,
    through_infinity: bool,
    poles: ArrayLike = (),
) -> list[Run]:
    """Return the gaps on one choice of components, by the coordinate on the leading one.

    Parameters
    ----------
    place : callable
        For coordinates in ascending order, what is met there.
    leading : Gap
        The component with the coordinate.
    through_infinity : bool
        Whether all components are, so that the gaps next to infinity reach it.
    poles : array_like of float
        Coordinates that are in no gap, however narrow the band around them.
    """
    samples = np.union1d(leading.coordinates(), poles)
    admissible = np.flatnonzero(np.isfinite(place(samples).sign))
    if admissible.size == 0:
        return []
    # Where only a part is admissible, look at that part with all samples, and at its ends.
    first = samples[max(admissible[0] - 1, 0)]
    last = samples[min(admissible[-1] + 1, samples.size - 1)]
    part = first + (last - first) * _ACROSS
    samples = np.unique(np.concatenate([samples[admissible], [first, last], part, poles]))
    samples = samples[samples != 0]
    if not through_infinity:
        return runs(place, samples)
    right = sorted(runs(place, samples[samples < 0]), key=lambda run: run.low)
    left = sorted(runs(place, samples[samples > 0]), key=lambda run: run.low)
    if right:
        right[-1] = Run(right[-1].low, np.inf, right[-1].start, 0.0)
    if left:
        left[0] = Run(-np.inf, left[0].high, 0.0, left[0].end)
    return left + right


def runs(place: Callable[[Real], Swept], samples: Real) -> list[Run]:
    """Return the intervals of the line swept where the slope condition holds.

    Samples next to removable singularities are left out; extrema of the condition that come close
    to zero are looked at more closely.
    """
    curve, sign, _ = place(samples)
    # Relative to the clearest: all of a gap beside a heavy atom may lie close to a singularity.
    most = min(1.0, float(np.nanmax(curve.clear, initial=0.0)))
    kept = ~(curve.clear <= _CLEAR * most**2)
    # Samples with a singularity between them are not neighbours.
    block = np.cumsum(~kept)[kept]
    samples, sign, side = samples[kept], sign[kept], curve.side[kept]

    def sign_at(s: float) -> float:
        return float(place(np.array([s])).sign[0])

    extra = []
    for i in range(1, samples.size - 1):
        left, here, right = sign[i - 1 : i + 2]
        peak = (here - left) * (right - here) < 0
        peak &= block[i - 1] == block[i + 1] and side[i - 1] == side[i + 1]
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
        sign = place(samples).sign
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
                    end = brentq(
                        lambda s: -1.0 if np.isnan(sign_at(s)) else sign_at(s),
                        samples[here],
                        end,
                        xtol=1e-300,
                        rtol=1e-15,
                    )
            ends.append((float(place(np.array([end])).curve.point[0]), float(end)))
        (low, start), (high, end) = sorted(ends)
        gaps.append(Run(low, high, start, end))
        i = j + 1
    return gaps


def _last_admissible(place: Callable[[Real], Swept], inside: float, outside: float) -> float:
    """Coordinate where the admissible ones end, by bisection."""
    for _ in range(100):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if np.isfinite(place(np.array([middle])).sign[0]):
            inside = middle
        else:
            outside = middle
    return inside


def bands_between(gaps: tuple[Gap, ...]) -> Support:
    """Intervals between ascending gaps."""
    ends = [(left.high, right.low) for left, right in itertools.pairwise(gaps)]
    return tuple((low, high) for low, high in ends if high > low)
