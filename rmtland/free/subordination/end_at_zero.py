r"""Ends of gaps of a product where the points of its factors are zero, but for that of one of them.

Where G of one factor, A, has a zero w between bands or atoms, and every other factor B has an
inverse with a mean, the points of these tend to zero like :math:`-(1 + M)/\mathbb{E}[1/B]` as
M = z G - 1 tends to -1, and

.. math:: z = \Bigl(\frac{M}{1 + M}\Bigr)^{T - 1} \prod_i \omega_i^{t_i}
          \to \frac{w}{\prod_B \mathbb{E}[1/B]^{t_B}} ,

where A is a factor once; of a power of it no gap ends so.

If zero is an end of the support of one of them the gap ends there, with G = 0, or at a critical
point close by: always where the density of a factor vanishes there like a power of at most one. The
equation is a difference of large numbers beside it, so that samples of the gap come close to its
end only.

References
----------
.. [1] D. Voiculescu, Multiplication of certain non-commuting random variables, J. Operator Theory
       18 (1987) 223-235.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from rmtland.laws.gaps import Gap
from rmtland.laws.law import Law
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["with_ends_at_zeros"]

Factors: TypeAlias = tuple[tuple[Law, float], ...]
"""Laws with their powers."""

_SMALL = 3e-3
"""z G up to which samples of a gap that ends at a zero of G have come."""
_ROUNDED = 1e-7
"""The same where the condition of critical points may be rounding."""
_CANCELLED = 1e-8
"""Share of the distance to zero up to which G beside its zero is linear, but for rounding."""
_FIRST = math.log(1e-30)
"""Logarithm of the least share on a way to the zero."""


def with_ends_at_zeros(
    gaps: Sequence[Gap],
    operands: tuple[Law, ...],
    powers: tuple[float, ...],
    wisharts: tuple[MarchenkoPastur, ...],
) -> list[Gap]:
    """Return gaps of a product with those of their ends exact at which G is zero.

    Parameters
    ----------
    gaps : sequence of Gap
        As found by sweeps.
    operands : tuple of Law
        Factors whose points the gaps know.
    powers : tuple of float
        How often each of these is a factor.
    wisharts : tuple of MarchenkoPastur
        The others, once each.

    Returns
    -------
    list of Gap
        In the same order.
    """
    if not any(_ends_at_zero(law) for law in (*operands, *wisharts)):
        return list(gaps)
    factors = (*zip(operands, powers, strict=True), *((law, 1.0) for law in wisharts))
    return [_exact(gap, factors) for gap in gaps]


def _ends_at_zero(law: Law) -> bool:
    return any(end == 0 for band in law.support for end in band) and not _has_null(law)


def _has_null(law: Law) -> bool:
    return any(place == 0 for place, _ in law.atoms)


def _exact(gap: Gap, factors: Factors) -> Gap:
    """Return a gap with those of its ends exact that are farther from zero than the rest of it."""
    if not gap.explicit:
        return gap
    if 0 < gap.high < math.inf and gap.low < gap.high:
        gap = replace(gap, high=_end(gap, True, factors))
    if -math.inf < gap.low < 0 and gap.low < gap.high:
        gap = replace(gap, low=_end(gap, False, factors))
    return gap


def _end(gap: Gap, upper: bool, factors: Factors) -> float:
    """Return the end of a gap as it is known from the point of the gap beside it, or as found."""
    found = gap.high if upper else gap.low
    curve = gap.along(np.array([1 - 1e-9 if upper else 1e-9]))
    most = _ROUNDED if gap.critical[upper] else _SMALL
    if not abs(float(curve.point[0] * curve.g[0])) <= most:
        return found
    for i, ((law, power), omega) in enumerate(zip(factors, curve.omegas, strict=False)):
        for part in law.complement() if power == 1 else ():
            if part.low < omega[0] < part.high:
                others = (*factors[:i], *factors[i + 1 :])
                known = _known_end(law, part, float(omega[0]), others)
                if known is not None and abs(known - found) < 0.1 * abs(found):
                    return known
    return found


def _known_end(law: Law, part: Gap, beside: float, others: Factors) -> float | None:
    """Return the end near a zero of G of a law in a gap that its point is in, if there is one.

    It is w/prod E[1/B], or the farthest point on the way there, if that is farther from zero.
    """
    if not any(_ends_at_zero(other) for other, _ in others):
        return None
    if any(_has_null(other) for other, _ in others):
        return None
    try:
        zero = _zero_of_transform(law, part.low, part.high)
        if zero is None:
            return None
        origin = np.zeros(1, dtype=np.complex128)
        means = [float(-other._stieltjes(origin)[0].real) for other, _ in others]
        if not all(mean and math.isfinite(mean) for mean in means):
            return None
        way = _Way(law, zero, others, tuple(means))
        room = part.low if zero > 0 else part.high
        longest = min(10 * abs(1 - beside / zero) + 1e-6, 0.9 * abs(1 - room / zero), 0.5)
        return way.farthest(math.log(longest))
    except ConvergenceError:  # a law by another equation, at its end
        return None


@dataclass(frozen=True)
class _Way:
    """Points of a product as those of its factors come to a zero of G of one, and to zero.

    With e = 1 + M = a G_A(a) and b G_B(b) = e the point is a prod (1 - e)/E[1/(B - b)], which does
    not cancel as e tends to zero. Where the density of a factor vanishes more slowly than x there,
    or A is nearly all in one atom, the farthest of them is on the way, not at its end.

    Parameters
    ----------
    law : Law
        A.
    zero : float
        Zero of its G.
    others : tuple of (Law, float)
        The other factors, B, with their powers.
    means : tuple of float
        Their E[1/B].
    """

    law: Law
    zero: float
    others: Factors
    means: tuple[float, ...]

    @cached_property
    def _slope(self) -> float:
        """A^2 G_A'(a) at the zero, negative."""
        jet = self.law._jet(np.array([self.zero], dtype=np.complex128))
        return float(self.zero**2 * jet[1][0].real)

    @property
    def end(self) -> float:
        """Where it ends."""
        pairs = zip(self.means, self.others, strict=True)
        return float(self.zero / math.prod(mean**power for mean, (_, power) in pairs))

    def points(self, shares: Real) -> Real:
        """Return points where A's is short of the zero by shares of it."""
        a = self.zero * (1 - shares)
        excess = a * self.law._stieltjes(a.astype(np.complex128)).real
        excess = np.where(shares < _CANCELLED, -self._slope * shares * (1 - shares), excess)
        z = a
        for (other, power), mean in zip(self.others, self.means, strict=True):
            # Newton's method from the side where it cannot overshoot: e(b) is concave
            b = -excess / mean
            for _ in range(60):
                g, dg = (part.real for part in other._jet(b.astype(np.complex128)))
                change = (b * g - excess) / (g + b * dg)
                b = np.where(np.isfinite(change), b - change, b)
                if not (np.abs(change) > 1e-15 * np.abs(b)).any():
                    break
            z = z * ((excess - 1) / other._stieltjes(b.astype(np.complex128)).real) ** power
        return z

    def farthest(self, last: float) -> float | None:
        """Return the farthest point from zero, of shares up to one of the given logarithm.

        None is returned if the points go on to recede there.
        """
        low, high = _FIRST, last
        for turn in range(6):
            shares = np.linspace(low, high, 400 if turn == 0 else 40)
            points = self.points(np.exp(shares)) / self.end
            at = int(np.nanargmax(points))
            if turn == 0 and (not np.isfinite(points).all() or at == shares.size - 1):
                return None
            if turn == 0 and at == 0:
                break
            low, high = float(shares[max(at - 1, 0)]), float(shares[min(at + 1, shares.size - 1)])
        return self.end * max(1.0, float(points[at]))


def _zero_of_transform(law: Law, low: float, high: float) -> float | None:
    """Return where G is zero in a gap, by bisection."""

    def g(x: float) -> float:
        return float(law._stieltjes(np.array([x], dtype=np.complex128))[0].real)

    start, stop = low + 1e-12 * (high - low), high - 1e-12 * (high - low)
    if not g(start) > 0 > g(stop):
        return None
    for _ in range(100):
        middle = (start + stop) / 2
        if middle in (start, stop):
            break
        start, stop = (middle, stop) if g(middle) > 0 else (start, middle)
    return (start + stop) / 2
