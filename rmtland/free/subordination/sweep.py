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
from scipy.optimize import brentq, minimize_scalar

from rmtland.laws.gaps import ACROSS, Curve, Gap
from rmtland.laws.law import Law
from rmtland.typing import ArrayLike, Real, Support

__all__ = [
    "Run",
    "Swept",
    "bands_between",
    "bundle",
    "multiplicative",
    "part_of",
    "sweep",
    "swept_with_rounding",
]

_CLEAR = 1e-3
"""Distance in v from a removable singularity below which samples are left out."""


class Swept(NamedTuple):
    """What a sweep meets: the curve, and the slope condition, positive on gaps, NaN off them.

    `lead` is the part of the condition that the leading operand contributes.
    """

    curve: Curve
    sign: Real
    lead: Real


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


def swept_with_rounding(curve: Curve, sign: Real, terms: Real, lead: Real) -> Swept:
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
    part = first + (last - first) * ACROSS
    samples = np.unique(np.concatenate([samples[admissible], [first, last], part, poles]))
    samples = samples[samples != 0]
    if not through_infinity:
        return runs(place, samples)
    right = sorted(runs(place, samples[samples < 0]), key=lambda run: run.low)
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
            end, critical = samples[here], False
            if 0 <= beyond < samples.size:
                end = samples[beyond]
                if not np.isfinite(sign[beyond]):
                    end = _last_admissible(place, samples[here], end)
                critical = sign_at(end) < 0 < sign_at(samples[here])
                if critical:
                    end = brentq(
                        lambda s: -1.0 if np.isnan(sign_at(s)) else sign_at(s),
                        samples[here],
                        end,
                        xtol=1e-300,
                        rtol=1e-15,
                    )
            point = float(place(np.array([end])).curve.point[0])
            ends.append((point, float(end), critical))
        (low, start, below), (high, end, above) = sorted(ends)
        gaps.append(Run(low, high, start, end, (below, above)))
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
