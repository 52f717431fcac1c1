r"""Moments and free cumulants of each other, in exact rational arithmetic.

With the series :math:`M(w) = 1 + \sum_n m_n w^n` of moments and the free cumulants
:math:`\kappa_n`,

.. math:: M(w) = 1 + \sum_{s \ge 1} \kappa_s \, (w M(w))^s ,

which gives each from the other degree by degree [1]_. A float is a rational number with a power of
two below, so results are exact for any parameters; they are rounded once, at the end.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, corollary 16.16.

Examples
--------
>>> from fractions import Fraction
>>> catalan = moments_of([Fraction(0), Fraction(1), *[Fraction(0)] * 6])
>>> [int(m) for m in catalan]
[1, 0, 1, 0, 2, 0, 5, 0, 14]
>>> [int(k) for k in free_cumulants_of(catalan)]
[0, 1, 0, 0, 0, 0, 0, 0]
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

__all__ = ["free_cumulants_of", "moments_of"]


def moments_of(cumulants: Sequence[Fraction]) -> list[Fraction]:
    """Moments of order 0..k from the first k free cumulants."""
    order = len(cumulants)
    unit = _unit(cumulants)
    kappa = [int(value * unit**n) for n, value in enumerate(cumulants, 1)]
    moments = [1] + [0] * order
    powers = _Powers(moments)
    for n in range(1, order + 1):
        moments[n] = sum(kappa[s - 1] * powers.coefficient(s, n - s) for s in range(1, n + 1))
    return [Fraction(value, unit**n) for n, value in enumerate(moments)]


def free_cumulants_of(moments: Sequence[Fraction]) -> list[Fraction]:
    """First k free cumulants from the moments of order 0..k; the moment of order 0 must be 1."""
    if moments[0] != 1:
        raise ValueError(f"the moment of order 0 must be 1; got {moments[0]}")
    order = len(moments) - 1
    unit = _unit(moments[1:])
    scaled = [int(value * unit**n) for n, value in enumerate(moments)]
    powers = _Powers(scaled)
    kappa: list[int] = []
    for n in range(1, order + 1):
        known = sum(kappa[s - 1] * powers.coefficient(s, n - s) for s in range(1, n))
        kappa.append(scaled[n] - known)
    return [Fraction(value, unit**n) for n, value in enumerate(kappa, 1)]


class _Powers:
    """Coefficients of the powers of a power series, made when asked for and kept."""

    def __init__(self, series: list[int]) -> None:
        self.series = series
        self.rows: list[list[int]] = [[1]]

    def coefficient(self, power: int, degree: int) -> int:
        """Coefficient of w^degree in M^power; needs the series up to that degree only."""
        while len(self.rows) <= power:
            self.rows.append([])
        if power == 0:
            return 1 if degree == 0 else 0
        row = self.rows[power]
        while len(row) <= degree:
            n = len(row)
            row.append(
                sum(self.series[j] * self.coefficient(power - 1, n - j) for j in range(n + 1))
            )
        return row[degree]


def _unit(values: Sequence[Fraction]) -> int:
    """Smallest convenient u such that u^n times the n-th value is an integer."""
    unit = 1
    for n, value in enumerate(values, 1):
        rest = value.denominator // _gcd_power(value.denominator, unit, n)
        if rest > 1:
            unit = lcm(unit, _root_above(rest, n) * unit)
    return unit


def _gcd_power(denominator: int, unit: int, n: int) -> int:
    from math import gcd

    return gcd(denominator, unit**n)


def _root_above(value: int, n: int) -> int:
    """Integer whose n-th power is a multiple of `value`: exact for powers of two."""
    if value & (value - 1) == 0:
        return 1 << -(-(value.bit_length() - 1) // n)
    return value
