r"""Sweeps: gaps of the support of a free sum or product, from real critical points.

On a component of the complement of every operand's support the common value v (G for sums; M for
products) determines the subordination points omega_i(v), hence the point z(v), and z belongs to a
gap of the result exactly where dz/dv < 0 there: the boundary fixed point is then attracting, so
that it is the Denjoy-Wolff point. Edges are the critical points dz/dv = 0, each bracketed and found
to the last bit; atoms are the ends v = +-infinity. Gaps are swept by the coordinates of the
operands' gaps (`rmtland.laws.gaps`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rmtland.laws.gaps import ACROSS, Curve, Gap, bracketed_roots
from rmtland.laws.law import Law
from rmtland.typing import ArrayLike, Integer, Logical, Real, Support

__all__ = [
    "ROUNDED",
    "Run",
    "Swept",
    "bands_between",
    "beside_zero",
    "bundle",
    "multiplicative",
    "part_of",
    "sweep",
    "swept_with_rounding",
]

_CLEAR = 1e-3
"""Distance in v from a removable singularity below which samples are left out."""
ROUNDED = 1e-2
"""z G up to which points are moved by what their coordinate is rounded by."""


class Swept(NamedTuple):
    """What a sweep meets: the curve, and the slope condition, positive on gaps, NaN off them.

    `sign` is the condition with 0 where it may be rounding of its terms, which is for searches;
    `computed` is the condition as it came, for refining a zero between two points where its sign is
    known. `lead` is the part of the condition that the leading operand contributes.
    """

    curve: Curve
    sign: Real
    lead: Real
    computed: Real


@dataclass(frozen=True)
class Run:
    """A part of a sweep where the slope condition holds: points and coordinates of its ends."""

    low: float
    high: float
    start: float
    end: float
    critical: tuple[bool, bool] = (False, False)
    """Whether the ends are critical points, where the condition is zero."""


def part_of(gap: Gap, run: Run) -> Gap:
    """Return a part of a gap."""
    return gap.part(run.low, run.high, run.start, run.end, run.critical)


def bundle(law: Law, gaps: list[Gap]) -> Gap:
    """Return many finite gaps of a law as one curve: coordinate k + s is s along gap k."""
    low, high = np.array([(gap.low, gap.high) for gap in gaps]).T

    def along(s: Real) -> Curve:
        k = np.floor(s).astype(np.intp)
        at = low[k] + (high - low)[k] * (s - k)
        jet = law._jet(at.astype(np.complex128))
        return Curve(at, jet[0].real, jet[1].real, np.full(at.shape, np.inf), np.zeros(at.shape))

    return Gap(-np.inf, np.inf, along, False)


def multiplicative(curve: Curve) -> tuple[Real, Real, Real]:
    """M = z G - 1 along a curve, 1 + M, and d log z / d log eta with eta = M/(1 + M)."""
    with np.errstate(all="ignore"):
        u = np.where(np.isinf(curve.point), 1.0, curve.point * curve.g)
        m = u - 1
        return m, u, m * u / (curve.point * (curve.g + curve.point * curve.dg))


def beside_zero(curve: Curve, u: Real) -> Curve:
    """Return points with z G = u near zero moved by what the coordinate is rounded by there."""
    change = (u - curve.point * curve.g) / (curve.g + curve.point * curve.dg)
    move = (np.abs(u) < ROUNDED) & (np.abs(change) < 1e-12 * np.abs(1 / curve.g))
    change = np.where(move, change, 0.0)
    return curve._replace(point=curve.point + change, g=curve.g + curve.dg * change)


def swept_with_rounding(curve: Curve, sign: Real, terms: Real, lead: Real) -> Swept:
    """Return what a sweep meets; the slope condition is 0 where it is rounding of its terms."""
    known = np.isfinite(curve.point) & np.isfinite(sign)
    computed = np.where(known, sign, np.nan)
    sign = np.where(np.abs(computed) < 1e-11 * terms, 0.0, computed)
    return Swept(curve, sign, lead, computed)


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
    part = first + (last - first) * ACROSS
    samples = np.unique(np.concatenate([samples[admissible], [first, last], part, poles]))
    samples = samples[samples != 0]
    if not through_infinity:
        return runs(place, samples)
    right = sorted(runs(place, samples[samples < 0]), key=lambda run: run.high)
    left = sorted(runs(place, samples[samples > 0]), key=lambda run: run.low)
    if right:
        right[-1] = replace(right[-1], high=np.inf, end=0.0)
    if left:
        left[0] = replace(left[0], low=-np.inf, start=0.0)
    return left + right


def runs(place: Callable[[Real], Swept], samples: Real) -> list[Run]:
    """Return the intervals of the line swept where the slope condition holds.

    Samples next to removable singularities are left out; extrema of the condition that come close
    to zero are looked at more closely.
    """
    curve, sign, *_ = place(samples)
    kept = _kept(curve, sign)
    turns = np.flatnonzero(kept[1:] != kept[:-1])
    if turns.size:
        # As close to the singularity as may be: a narrow gap around it is seen from there only.
        near = np.where(kept[turns], samples[turns], samples[turns + 1])
        beyond = np.where(kept[turns], samples[turns + 1], samples[turns])
        closer = near + (beyond - near) * (1 - 0.5 ** np.arange(1, 11))[:, None]
        samples = np.unique(np.concatenate([samples, closer.ravel()]))
        curve, sign, *_ = place(samples)
        kept = _kept(curve, sign)
    beside = _beside_singularity(place, samples[kept], sign[kept], curve.side[kept])
    if beside.size:
        samples = np.unique(np.concatenate([samples, beside]))
        curve, sign, *_ = place(samples)
        kept = _kept(curve, sign)
    # Samples with a singularity between them are not neighbours.
    block = np.cumsum(~kept)[kept]
    samples, sign, side = samples[kept], sign[kept], curve.side[kept]

    same = (block[:-2] == block[2:]) & (side[:-2] == side[2:])
    extra = _between_samples(place, samples, sign, same)
    if extra.size:
        samples = np.unique(np.concatenate([samples, extra]))
        sign = place(samples).sign
    inside = np.concatenate([[False], np.isfinite(sign) & (sign > 0), [False]])
    firsts = np.flatnonzero(inside[1:] & ~inside[:-1])
    lasts = np.flatnonzero(inside[:-1] & ~inside[1:]) - 1
    here = np.concatenate([firsts, lasts])
    beyond = np.concatenate([firsts - 1, lasts + 1])
    ends, critical = _ends(place, samples, sign, here, beyond)
    points = _points_at(place, ends, samples[here])
    gaps = []
    for i in range(firsts.size):
        pair = [(float(points[k]), float(ends[k]), bool(critical[k])) for k in (i, i + firsts.size)]
        (low, start, below), (high, end, above) = sorted(pair)
        gaps.append(Run(low, high, start, end, (below, above)))
    return gaps


def _points_at(place: Callable[[Real], Swept], ends: Real, inside: Real) -> Real:
    """Return points at ends, which are moved inward by their rounding where there is none.

    A transform may be rounded differently as it is computed at other points with this one.
    """
    points = _in_order(place, ends).curve.point
    for k in range(52, 0, -1):
        lost = np.flatnonzero(np.isnan(points))
        if not lost.size:
            break
        ends[lost] += (inside[lost] - ends[lost]) * 0.5**k
        points = _in_order(place, ends).curve.point
    return points


def _beside_singularity(
    place: Callable[[Real], Swept], samples: Real, sign: Real, side: Real
) -> Real:
    """Return coordinates beside removable singularities across which the condition changes sign.

    The condition may have a zero of its own there, which is no end of a gap; the end is close by.
    """
    at = np.flatnonzero(((sign[1:] > 0) != (sign[:-1] > 0)) & (side[1:] != side[:-1]))
    if not at.size:
        return np.empty(0)
    low, high = samples[at], samples[at + 1]
    start, stop = low, high
    for _ in range(52):
        middle = (low + high) / 2
        left = _in_order(place, middle).curve.side == side[at]
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    shares = 0.5 ** np.arange(1, 21)[:, None]
    return np.concatenate(
        [(low - (low - start) * shares).ravel(), (high + (stop - high) * shares).ravel()]
    )


def _kept(curve: Curve, sign: Real) -> Logical:
    """Whether samples are not next to a singularity, or close to one and the condition rounding."""
    # Relative to the clearest: all of a gap beside a heavy atom may lie close to a singularity.
    most = min(1.0, float(np.nanmax(curve.clear, initial=0.0)))
    near = curve.clear <= _CLEAR * most**2
    close = curve.clear <= 30 * _CLEAR * most**2
    return np.asarray(~(near | close & (sign == 0)))


def _in_order(place: Callable[[Real], Swept], s: Real) -> Swept:
    """Return what is met at coordinates in any order."""
    order = np.argsort(s)
    curve, sign, lead, computed = place(s[order])
    back = np.argsort(order)
    sorted_back = Curve(
        curve.point[back],
        curve.g[back],
        curve.dg[back],
        curve.clear[back],
        curve.side[back],
        tuple(row[back] for row in curve.omegas),
    )
    return Swept(sorted_back, sign[back], lead, computed[back])


def _ends(
    place: Callable[[Real], Swept], samples: Real, sign: Real, here: Integer, beyond: Integer
) -> tuple[Real, Logical]:
    """Return ends of runs between samples inside and beyond, and whether these are critical."""
    ends = samples[here].copy()
    critical = np.zeros(here.shape, dtype=bool)
    next_to = np.flatnonzero((beyond >= 0) & (beyond < samples.size))
    ends[next_to] = samples[beyond[next_to]]
    left = next_to[~np.isfinite(sign[beyond[next_to]])]
    if left.size:
        ends[left] = _last_admissible(place, samples[here[left]], ends[left])
    signs = _in_order(place, ends).sign
    critical[next_to] = signs[next_to] < 0
    todo = np.flatnonzero(critical)
    if todo.size:
        ends[todo] = bracketed_roots(
            lambda s, row: np.nan_to_num(_in_order(place, s).computed, nan=-1.0),
            samples[here[todo]],
            ends[todo],
            sign[here[todo]],
            signs[todo],
        )
    return ends, critical


def _between_samples(
    place: Callable[[Real], Swept], samples: Real, sign: Real, same: Logical
) -> Real:
    """Return coordinates at extrema between samples where the condition has the other sign.

    Of every extremum that comes close to zero the interval is divided into eight, and again around
    the best of these points, until one has the other sign or the interval is 1e-10 of itself.
    """
    left, here, right = sign[:-2], sign[1:-1], sign[2:]
    toward = np.where(here < 0, -1.0, 1.0)
    with np.errstate(invalid="ignore"):
        peak = np.sign(here - left) * np.sign(right - here) < 0  # the product may overflow
        peak &= np.abs(here) < np.abs(left - here) + np.abs(right - here)
        peak &= toward * here < toward * left
    peak &= same
    at = np.flatnonzero(peak)
    low, high, toward = samples[at], samples[at + 2], toward[at]
    found = []
    for _ in range(17):
        if not low.size:
            break
        points = low[:, None] + (high - low)[:, None] * np.arange(1, 8) / 8
        values = _in_order(place, points.ravel()).sign.reshape(points.shape)
        values = np.where(np.isnan(values), np.inf, toward[:, None] * values)
        least = np.argmin(values, axis=1)
        row = np.arange(low.size)
        flipped = values[row, least] < 0
        found.append(points[row, least][flipped])
        middle, width = points[row, least], (high - low) / 8
        low, high = (middle - width)[~flipped], (middle + width)[~flipped]
        toward = toward[~flipped]
    return np.concatenate([*found, np.empty(0)])


def _last_admissible(place: Callable[[Real], Swept], inside: Real, outside: Real) -> Real:
    """Coordinates where the admissible ones end, by bisection."""
    inside, outside = inside.copy(), outside.copy()
    for _ in range(100):
        middle = (inside + outside) / 2
        if ((middle == inside) | (middle == outside)).all():
            break
        good = np.isfinite(_in_order(place, middle).sign)
        inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
    return inside


def bands_between(gaps: tuple[Gap, ...]) -> Support:
    """Intervals between ascending gaps."""
    ends = [(left.high, right.low) for left, right in itertools.pairwise(gaps)]
    return tuple((low, high) for low, high in ends if high > low)
