r"""Gaps of a law: the parts of the real line without mass, as curves of G and G'.

Outside of its support the Stieltjes transform of a law is real and decreases along the axis. A gap
is kept as a curve: a coordinate s in (0, 1) and, along it, the point, G and G' there. That of a
plain law computes G from the point; that of a free sum or product runs along its operands' gaps
(`rmtland.free.subordination.sweep`), so that no equation need be solved on it, and what is nested
costs no more than its parts. The complement of the hull is one component, through infinity.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Discrete
>>> inner, outer = Discrete((-1.0, 1.0), (0.5, 0.5)).complement()
>>> (inner.low, inner.high), outer.through_infinity
((-1.0, 1.0), True)

G takes the value 0 in the middle of the inner gap:

>>> float(inner.along(invert(inner, lambda curve: curve.g, np.array([0.0]))).point[0])
0.0
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import NamedTuple, Protocol

import numpy as np

from rmtland.typing import Atoms, Complex, Integer, Real, Support

__all__ = [
    "ACROSS",
    "Curve",
    "Gap",
    "as_near_zero",
    "bracketed_roots",
    "gap_beside_zero",
    "invert",
    "joined",
    "plain_gap",
    "plain_gaps",
    "with_samples_at_zero",
]

_TINY = 1e-13
_STEEP = 150.0
"""Powers of e per unit of a logarithmic coordinate."""
_BOTTOMS, _TOPS = {False: 0.0, True: -0.5}, {False: 1.0, True: 0.5}
"""Coordinates of the lower and the upper end of gaps, finite or through infinity."""
_SMOOTH = np.sin(np.linspace(0, np.pi / 2, 122)[1:-1]) ** 2
_CLOSE = np.geomspace(_TINY, 1e-3, 60)
ACROSS: Real = np.unique(np.concatenate([_CLOSE, _SMOOTH, 1 - _CLOSE]))
"""Samples of (0, 1), dense at both ends."""
_OUTWARD: Real = np.unique(np.concatenate([np.geomspace(2e-10, 0.1, 60), _SMOOTH, 1 - _CLOSE]))
"""Samples of (0, 1), from infinity at 0 to a dense end at 1."""


class _Transformed(Protocol):
    """What gaps need of a law."""

    @property
    def support(self) -> Support: ...
    @property
    def atoms(self) -> Atoms: ...
    def _jet(self, z: Complex) -> tuple[Complex, Complex]: ...


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

    critical: tuple[bool, bool] = field(default=(False, False), repr=False, compare=False)
    """Whether the ends are critical points of a sweep, edges of bands that are known exactly."""

    samples: Real | None = field(default=None, repr=False, compare=False)
    """Samples of the coordinate where these are others than usual."""

    @property
    def through_infinity(self) -> bool:
        """Whether the gap is the outside of [high, low]."""
        return self.low > self.high

    def coordinates(self) -> Real:
        """Return samples of the coordinate: dense at the ends and next to infinity."""
        if self.samples is not None:
            return self.samples
        if self.through_infinity:
            return np.concatenate([-_OUTWARD[::-1] / 2, _OUTWARD / 2])
        if self.high == np.inf:
            return np.asarray(-_OUTWARD[::-1])
        return _OUTWARD if self.low == -np.inf else ACROSS

    @cached_property
    def table(self) -> tuple[Real, Curve]:
        """Coordinates, ascending, and the curve there."""
        samples = self.coordinates()
        return samples, self.along(samples)

    def coordinates_of(self, points: Real) -> Real:
        """Coordinates of points of the gap, which is not one through infinity.

        As exactly as points are known along the gap: next to an edge at zero the rounding of a
        coordinate moves them, and what lies between two of them is not sought. Nor is a sample.
        """
        samples, curve = self.table
        place = np.minimum(np.searchsorted(curve.point, points), samples.size - 1)
        found = np.where(curve.point[place] == points, samples[place], np.nan)
        other = np.flatnonzero(np.isnan(found))
        if other.size:
            found[other] = invert(self, lambda curve: -curve.point, -points[other], stepwise=True)
        return found

    def part(
        self,
        low: float,
        high: float,
        start: float,
        end: float,
        critical: tuple[bool, bool] = (False, False),
    ) -> Gap:
        """Return the part between two points, which are at given coordinates."""

        def along(s: Real) -> Curve:
            if high == np.inf:
                return self.along(-start * s)
            return self.along(start + (end - start) * s)

        return Gap(low, high, along, self.explicit, critical)


def plain_gap(law: _Transformed, low: float, high: float) -> Gap:
    """Return a gap of a law whose transform is computed from the point."""
    return Gap(low, high, lambda s: _seen(law, _plain_point(low, high, s)), False)


def _plain_point(low: float, high: float, s: Real) -> Real:
    """Points at coordinates."""
    with np.errstate(divide="ignore"):
        if low == -np.inf:
            return np.asarray(high - (1 - s) / s)
        if high == np.inf:
            return np.asarray(low - (1 + s) / s)
        if low > high:
            # From the top of the hull to infinity at s = 0, and on to the bottom.
            return np.asarray((low + high) / 2 - (low - high) / (4 * s))
    return np.asarray(low + (high - low) * s)


def _seen(law: _Transformed, at: Real) -> Curve:
    """Return points, which may be infinite, with the transform there."""
    g, dg = np.zeros(at.shape), np.zeros(at.shape)
    finite = np.isfinite(at)
    if finite.any():
        jet = law._jet(at[finite].astype(np.complex128))
        g[finite], dg[finite] = jet[0].real, jet[1].real
    return Curve(at, g, dg, np.full(at.shape, np.inf), np.zeros(at.shape))


def gap_beside_zero(law: _Transformed, low: float, high: float) -> Gap:
    """Return a finite gap, or one through infinity, that ends at zero, as near to it as may be.

    Where the coordinate is within 0.01 of that end it is continued by a logarithmic one, which goes
    on to 1e-143 of the length.
    """
    point = partial(_plain_point, low, high)
    turn = _TOPS[low > high] - 0.01 if high == 0 else _BOTTOMS[low > high] + 0.01
    start = float(point(np.array([turn]))[0])

    def along(s: Real) -> Curve:
        beyond = np.maximum((s - turn) * (1.0 if high == 0 else -1.0), 0.0)
        at = point(np.where(beyond > 0, turn, s))
        return _seen(law, np.where(beyond > 0, start * np.exp(-_STEEP * beyond), at))

    usual = plain_gap(law, low, high).coordinates()
    usual = usual[usual < turn] if high == 0 else usual[usual > turn]
    closer = np.linspace(0, 330 / _STEEP, 166) * (1.0 if high == 0 else -1.0)
    return Gap(low, high, along, False, samples=np.unique(np.concatenate([usual, turn + closer])))


def as_near_zero(law: _Transformed, gap: Gap) -> Gap:
    """Return a gap as near to zero as may be where it ends at a band's edge there.

    In the usual coordinate points are rounded to 1e-16 of its length, and points of several laws do
    not belong together near zero.
    """
    plain = (
        gap.low != gap.high and 0 in (gap.low, gap.high) and np.isfinite([gap.low, gap.high]).all()
    )
    if not plain or any(place == 0 for place, _ in law.atoms):
        return gap
    return gap_beside_zero(law, gap.low, gap.high)


def with_samples_at_zero(gap: Gap) -> Gap:
    """Return a gap with samples that come close to zero on both sides, if it is in the gap."""
    samples, curve = gap.table
    at = np.flatnonzero((curve.point[:-1] < 0) & (curve.point[1:] > 0))
    if at.size != 1:
        return gap
    low, high = samples[at], samples[at + 1]
    here = bracketed_roots(
        lambda s, _: gap.along(s).point, low, high, curve.point[at], curve.point[at + 1]
    )
    shares = np.geomspace(1e-6, 1.0, 61)[:-1]
    closer = [here, here - (here - low) * shares, here + (high - here) * shares]
    return replace(gap, samples=np.unique(np.concatenate([samples, *closer])))


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


def plain_gaps(law: _Transformed) -> list[Gap]:
    """Components of the complement of a law's support and atoms, the last one through infinity."""
    bands = sorted([*law.support, *((place, place) for place, _ in law.atoms)])
    merged: list[list[float]] = []
    for low, high in bands:
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    ends = [(left[1], right[0]) for left, right in itertools.pairwise(merged)]
    return [plain_gap(law, *pair) for pair in [*ends, (merged[-1][1], merged[0][0])]]


def invert(
    gap: Gap, transform: Callable[[Curve], Real], wanted: Real, *, stepwise: bool = False
) -> Real:
    """Coordinates where a function that decreases along a gap takes the wanted values; else NaN.

    Bracketed in the table of the gap, then found by `bracketed_roots`.
    """
    samples, curve = gap.table
    levels = np.minimum.accumulate(transform(curve))
    place = np.searchsorted(-levels, -wanted)
    result = np.full(wanted.shape, np.nan)
    todo = np.flatnonzero((place > 0) & (place < samples.size) & np.isfinite(wanted))
    goal, place = wanted[todo], place[todo]
    result[todo] = bracketed_roots(
        lambda x, row: transform(gap.along(x)) - goal[row],
        samples[place - 1],
        samples[place],
        levels[place - 1] - goal,
        levels[place] - goal,
        stepwise=stepwise,
    )
    return result


def bracketed_roots(
    function: Callable[[Real, Integer], Real],
    a: Real,
    b: Real,
    fa: Real,
    fb: Real,
    *,
    stepwise: bool = False,
) -> Real:
    """Roots of many functions between a and b, by inverse quadratic interpolation with bisection.

    Parameters
    ----------
    function : callable
        Takes points and the numbers of the functions to be evaluated there.
    a, b, fa, fb : ndarray
        Ends of the brackets and values there, of different signs.
    stepwise : bool
        Whether to end where rounding makes steps of a function: where its values at both ends of a
        bracket have come again inside it, a smaller one has no other values.

    References
    ----------
    .. [1] T. R. Chandrupatla, A new hybrid quadratic/bisection algorithm for finding the zero of a
           nonlinear function without using derivatives, Adv. Eng. Software 28 (1997) 145-149.
    """
    result = np.full(a.shape, np.nan)
    todo = np.arange(a.size)
    share = np.full(a.shape, 0.5)
    above, below = np.zeros(a.shape, dtype=bool), np.zeros(a.shape, dtype=bool)
    for _ in range(90):
        if todo.size == 0:
            break
        x = a + share * (b - a)
        f = function(x, todo)
        same = (f > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        result[todo] = best
        limit = 2e-16 * np.abs(best) / np.abs(b - a)
        going = (limit < 0.5) & (f != 0) & np.isfinite(f)
        if stepwise:  # the value at the end of that sign has come again
            above, below = np.where(f > 0, f == fc, above), np.where(f > 0, below, f == fc)
            going &= ~(above & below)
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            quadratic = fa / (fb - fa) * fc / (fb - fc)
            quadratic = quadratic + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        share = np.where(smooth & np.isfinite(quadratic), quadratic, 0.5)
        share = np.clip(share, np.minimum(limit, 0.5), 1 - np.minimum(limit, 0.5))
        todo = todo[going]
        a, b, fa, fb, share = a[going], b[going], fa[going], fb[going], share[going]
        above, below = above[going], below[going]
    return result
