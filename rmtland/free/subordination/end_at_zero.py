r"""Ends of gaps of a product where the points of its factors are zero, but for that of one of them.

Where G of one factor, A, has a zero w between bands or atoms, and every other factor B has an
inverse with a mean, the points of these tend to zero like :math:`-(1 + M)/\mathbb{E}[1/B]` as
M = z G - 1 tends to -1, and

.. math:: z = \Bigl(\frac{M}{1 + M}\Bigr)^{n - 1} \prod_i \omega_i
          \to \frac{w}{\prod_B \mathbb{E}[1/B]} .

If zero is an end of the support of one of them the gap ends there, with G = 0. The equation is a
difference of large numbers beside it, so that samples of the gap come close to its end only.

References
----------
.. [1] D. Voiculescu, Multiplication of certain non-commuting random variables, J. Operator Theory
       18 (1987) 223-235.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rmtland.laws.gaps import Gap
from rmtland.laws.law import Law
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.solution import ConvergenceError

__all__ = ["with_ends_at_zeros"]

_SMALL = 3e-3
"""z G up to which samples of a gap that ends at a zero of G have come."""
_ROUNDED = 1e-7
"""The same where the condition of critical points may be rounding."""


def with_ends_at_zeros(
    gaps: Sequence[Gap], operands: tuple[Law, ...], wisharts: tuple[MarchenkoPastur, ...]
) -> list[Gap]:
    """Return gaps of a product with those of their ends exact at which G is zero.

    Parameters
    ----------
    gaps : sequence of Gap
        As found by sweeps.
    operands : tuple of Law
        Factors whose points the gaps know.
    wisharts : tuple of MarchenkoPastur
        The others.

    Returns
    -------
    list of Gap
        In the same order.
    """
    if not any(_ends_at_zero(law) for law in (*operands, *wisharts)):
        return list(gaps)
    return [_exact(gap, operands, wisharts) for gap in gaps]


def _ends_at_zero(law: Law) -> bool:
    return any(end == 0 for band in law.support for end in band) and not _has_null(law)


def _has_null(law: Law) -> bool:
    return any(place == 0 for place, _ in law.atoms)


def _exact(gap: Gap, operands: tuple[Law, ...], wisharts: tuple[MarchenkoPastur, ...]) -> Gap:
    """Return a gap with those of its ends exact that are farther from zero than the rest of it."""
    if not gap.explicit:
        return gap
    if 0 < gap.high < math.inf and gap.low < gap.high:
        gap = replace(gap, high=_end(gap, True, operands, wisharts))
    if -math.inf < gap.low < 0 and gap.low < gap.high:
        gap = replace(gap, low=_end(gap, False, operands, wisharts))
    return gap


def _end(
    gap: Gap, upper: bool, operands: tuple[Law, ...], wisharts: tuple[MarchenkoPastur, ...]
) -> float:
    """Return the end of a gap as it is known from the point of the gap beside it, or as found."""
    found = gap.high if upper else gap.low
    curve = gap.along(np.array([1 - 1e-9 if upper else 1e-9]))
    most = _ROUNDED if gap.critical[upper] else _SMALL
    if not abs(float(curve.point[0] * curve.g[0])) <= most:
        return found
    for i, (law, omega) in enumerate(zip(operands, curve.omegas, strict=True)):
        for part in law.complement():
            if part.low < omega[0] < part.high:
                others = (*operands[:i], *operands[i + 1 :], *wisharts)
                known = _limit(law, part.low, part.high, others)
                if known is not None and abs(known - found) < 0.1 * abs(found):
                    return known
    return found


def _limit(law: Law, low: float, high: float, others: tuple[Law, ...]) -> float | None:
    """Return w/prod E[1/B] for the zero w of G of a law between two points, if there is one."""
    if not any(_ends_at_zero(other) for other in others) or any(map(_has_null, others)):
        return None
    try:
        inverse_means = [
            -law._stieltjes(np.zeros(1, dtype=np.complex128))[0].real for law in others
        ]
        zero = _zero_of_transform(law, low, high)
    except ConvergenceError:  # a law by another equation, at its end
        return None
    if zero is None or not all(mean and math.isfinite(mean) for mean in inverse_means):
        return None
    for mean in inverse_means:
        zero /= float(mean)
    return zero


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
