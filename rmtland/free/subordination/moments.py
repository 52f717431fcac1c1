"""Exact moments of free products, by truncated power series with rational coefficients.

Examples
--------
>>> from fractions import Fraction
>>> catalan = [Fraction(1), Fraction(1), Fraction(2), Fraction(5)]
>>> [int(moment) for moment in product_moments([catalan, catalan])]
[1, 1, 3, 12]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

__all__ = [
    "power_of",
    "product_moments",
    "reciprocal_s",
    "series_product",
    "signed_product_moments",
]


_EXACT = 64
"""Whole powers up to which that of a mean is a fraction without rounding."""


def product_moments(
    factors: Sequence[list[Fraction]], powers: Sequence[float] | None = None
) -> list[Fraction]:
    r"""Moments of a free product from the moments of its factors, order 0..k, exactly.

    With psi(w) = sum m_n w^n and chi its inverse series, S(u) = chi(u) (1 + u)/u multiplies:
    chi/u of the product is the product of the (chi_i/u)^(t_i) times (1 + u)^(T - 1), with the
    powers t_i, 1 unless given, and T their sum. Every factor must have a mean other than 0; that to
    a power that is no whole number is rounded, and all else in its units is exact.
    """
    exponents = [Fraction(1)] * len(factors) if powers is None else [Fraction(t) for t in powers]
    order = len(factors[0]) - 1
    if order == 0:
        return [Fraction(1)]
    product = [Fraction(1)] + [Fraction(0)] * (order - 1)
    for moments, power in zip(factors, exponents, strict=True):
        inverse = _inverse_series(moments[1:])
        product = _multiply(product, inverse if power == 1 else _power_series(inverse, power))
    one_plus = [Fraction(1), Fraction(1), *([Fraction(0)] * order)][:order]
    product = _multiply(product, _power_series(one_plus, sum(exponents, Fraction(-1))))
    return [Fraction(1), *_inverse_series(product)]


def _power_series(series: list[Fraction], power: Fraction) -> list[Fraction]:
    """Real power of a power series with a positive lead (Miller's recurrence)."""
    lead = series[0]
    result = [power_of(lead, power)]
    for n in range(1, len(series)):
        terms = ((k * power - (n - k)) * series[k] * result[n - k] for k in range(1, n + 1))
        result.append(sum(terms, Fraction(0)) / (n * lead))
    return result


def power_of(value: Fraction, power: Fraction) -> Fraction:
    """Return a real power of a positive number, exact where it is whole and not too large."""
    exact = power.denominator == 1 and abs(power) <= _EXACT
    return value ** int(power) if exact else Fraction(float(value) ** float(power))


def _multiply(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    return [sum((a[i] * b[n - i] for i in range(n + 1)), Fraction(0)) for n in range(len(a))]


def _inverse_series(series: list[Fraction]) -> list[Fraction]:
    """Coefficients c of the inverse of w (a_0 + a_1 w + ...), divided by w (Lagrange)."""
    order = len(series)
    lead = series[0]
    # [w^n] of the inverse of w a(w) is (1/n) [w^(n-1)] of a(w)^(-n).
    reciprocal = [1 / lead]
    for n in range(1, order):
        reciprocal.append(
            -sum((series[j] * reciprocal[n - j] for j in range(1, n + 1)), Fraction(0)) / lead
        )
    power = [Fraction(1)] + [Fraction(0)] * (order - 1)
    inverse = []
    for n in range(1, order + 1):
        power = _multiply(power, reciprocal)
        inverse.append(power[n - 1] / n)
    return inverse


def signed_product_moments(signed: list[Fraction], reciprocal: list[Fraction]) -> list[Fraction]:
    r"""Moments of a free product, order 0..k, from those of one factor and 1/S of the other.

    With :math:`\psi(y) = \sum_n m_n y^n` of the first and u = 1/S of the second, the series of
    moments is psi(y) where y = x u(psi(y)), so that by Lagrange's formula its coefficients are
    :math:`[y^{n-1}] \, \psi'(y) \, u(\psi(y))^n / n`. The first may have mean 0.
    """
    order = len(signed) - 1
    flat = [Fraction(0), *signed[1:order]][:order]
    composed = [Fraction(0)] * order
    for coefficient in reversed(reciprocal[:order]):
        composed = series_product(composed, flat)
        composed[0] += coefficient
    slope = [n * signed[n] for n in range(1, order + 1)]
    moments = [Fraction(1)]
    for n in range(1, order + 1):
        slope = series_product(slope, composed)
        moments.append(slope[n - 1] / n)
    return moments


def reciprocal_s(moments: list[Fraction]) -> list[Fraction]:
    """Coefficients of 1/S(m) from the moments of order 0..k, as many as k; the mean is not 0."""
    order = len(moments) - 1
    # With psi = sum m_n y^n, S(m) = (1 + m) y(m) / m, and by Lagrange's formula the coefficient of
    # m^n in the inverse series y(m) is [y^(n-1)] (psi(y)/y)^(-n) / n.
    lead = _inverted(moments[1:])
    power = [Fraction(1)] + [Fraction(0)] * (order - 1)
    inverse = []
    for n in range(1, order + 1):
        power = series_product(power, lead)
        inverse.append(power[n - 1] / n)
    return _inverted([inverse[0], *(a + b for a, b in itertools.pairwise(inverse))])


def series_product(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    """Product of two power series; over common denominators, which spares most reductions."""
    below_a = math.lcm(*(value.denominator for value in a))
    below_b = math.lcm(*(value.denominator for value in b))
    left = [value.numerator * (below_a // value.denominator) for value in a]
    right = [value.numerator * (below_b // value.denominator) for value in b]
    below = below_a * below_b
    return [
        Fraction(sum(left[i] * right[n - i] for i in range(n + 1)), below) for n in range(len(a))
    ]


def _inverted(series: list[Fraction]) -> list[Fraction]:
    """Coefficients of the reciprocal of a power series."""
    result = [1 / series[0]]
    for n in range(1, len(series)):
        known = sum((series[j] * result[n - j] for j in range(1, n + 1)), Fraction(0))
        result.append(-known / series[0])
    return result
