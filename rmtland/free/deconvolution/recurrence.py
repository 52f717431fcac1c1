r"""Recurrence coefficients of the law that a deconvolution leaves, from exact moments.

Free cumulants of a free sum add up, and S-transforms of a free product multiply; so the moments of
the missing operand follow from those of the other two exactly, whether or not it exists. They
belong to a law if and only if all their Hankel determinants are non-negative (Hamburger), that is
if the coefficients of the three-term recurrence

.. math:: x p_k = p_{k + 1} + a_k p_k + b_k^2 p_{k - 1}

of its orthogonal polynomials have :math:`b_k^2 > 0` up to some order and, for a law of k atoms, 0
from :math:`b_k^2` on [1]_. Moments determine them with a loss of about five bits an order, so that
everything here runs in integers with 1024 bits below the point.

What 64-bit parameters leave open is estimated beside it: the coefficients are computed again for
operands whose parameters are changed by one part in 2^50.

References
----------
.. [1] W. Gautschi, Orthogonal Polynomials: Computation and Approximation, Oxford University Press,
       2004, sections 1.2 and 2.1 (the Chebyshev algorithm).

Examples
--------
>>> from rmtland import Arcsine, Semicircle
>>> recurrence = additive_recurrence(Semicircle(3.0), Semicircle(1.0), 4)
>>> recurrence.squares.tolist()
[2.0, 2.0, 2.0]
>>> recurrence = additive_recurrence(Semicircle(1.5), Arcsine(-1.0, 1.0), 4)
>>> recurrence.squares.round(4).tolist()
[1.0, 1.125, 1.0417]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import numpy as np

from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.subordination.moments import power_of
from rmtland.laws.affine_law import Affine
from rmtland.laws.law import Law, Real
from rmtland.laws.levy import LevyLaw

__all__ = ["Recurrence", "additive_recurrence", "multiplicative_recurrence"]

_BITS = 1024
_ONE = 1 << _BITS
_NUDGE = Fraction(1, 1 << 50)


@dataclass(frozen=True, eq=False)
class Recurrence:
    """Recurrence coefficients of a law, or of moments that belong to none.

    Parameters
    ----------
    diagonal : ndarray of float64, shape (k,)
        a_0, ..., a_(k-1).
    squares : ndarray of float64, shape (k,) or (k - 1,)
        b_1^2, b_2^2, ...; one that is not positive is the last.
    diagonal_doubt, squares_doubt : ndarray of float64
        What rounding of the parameters of the operands may have changed, of the same shapes.
    closed : bool
        Whether a square that is zero ends the moments too, as it does for a law of atoms.
    """

    diagonal: Real
    squares: Real
    diagonal_doubt: Real
    squares_doubt: Real
    closed: bool


def additive_recurrence(total: Law, noise: Law, order: int) -> Recurrence:
    """Recurrence coefficients of X with X + noise = total, up to a_(order - 1)."""
    count = 2 * order - 1
    (mean, variance), (other, less) = (law._exact_cumulants(2) for law in (total, noise))
    centre = mean - other
    unit = _power_of_two(variance - less if variance > less else variance)
    sums, parts = _cumulants(total, count, unit), _cumulants(noise, count, unit)

    def moments(scaled: Fraction, rated: Fraction) -> list[int]:
        cumulants = [
            s - p + int(s * ((1 + scaled) ** n - 1)) - int(p * rated)
            for n, (s, p) in enumerate(zip(sums, parts, strict=True), 1)
        ]
        cumulants[0] -= _fixed(centre / unit)
        return _moments_of(cumulants)

    runs = [(Fraction(0), Fraction(0)), (_NUDGE, Fraction(0)), (Fraction(0), _NUDGE)]
    return _compared([moments(*run) for run in runs], centre, unit)


def _cumulants(law: Law, count: int, unit: Fraction) -> list[int]:
    """Free cumulants in powers of a unit; of a rational R-transform by its triplet, as sums do.

    Parameters of the two are equal to rounding only, and a law of atoms is one to no less.
    """
    if isinstance(law, LevyLaw):
        exact = law.levy.exact_cumulants(count)
        return [_fixed(c / unit**n) for n, c in enumerate(exact, 1)]
    if isinstance(law, Affine):
        inner = _cumulants(law.law, count, unit / abs(Fraction(law.scale)))
        if law.scale < 0:
            inner = [-value if n % 2 else value for n, value in enumerate(inner, 1)]
        inner[0] += _fixed(Fraction(law.shift) / unit)
        return inner
    if isinstance(law, FreeSum):
        result = [0] * count
        pieces = [
            (Fraction(t), _cumulants(part, count, unit))
            for part, t in zip(law.operands, law.powers, strict=True)
        ]
        if law.levy is not None:
            exact = law.levy.exact_cumulants(count)
            pieces.append((Fraction(1), [_fixed(c / unit**n) for n, c in enumerate(exact, 1)]))
        for t, piece in pieces:
            result = [
                known + value * t.numerator // t.denominator
                for known, value in zip(result, piece, strict=True)
            ]
        return result
    if type(law)._exact_cumulants is not Law._exact_cumulants:
        exact = law._exact_cumulants(count)
        return [_fixed(c / unit**n) for n, c in enumerate(exact, 1)]
    return _cumulants_of([_fixed(m / unit**n) for n, m in enumerate(law._exact_moments(count))])


def multiplicative_recurrence(total: Law, noise: Law, order: int) -> Recurrence:
    """Recurrence coefficients of X with X * noise = total, up to a_(order - 1); means positive."""
    count = 2 * order - 1
    whole, part = _s_series(total, count), _s_series(noise, count)

    def moments(first: Fraction, second: Fraction) -> list[int]:
        s = _multiply(_stretched(whole, first), _reciprocal(_stretched(part, second)), count)
        # chi = S u / (1 + u), with both means scaled to 1
        chi = list(s)
        for n in range(1, count):
            chi[n] -= chi[n - 1]
        return [_ONE, *_inverse(chi)]

    runs = [(Fraction(0), Fraction(0)), (_NUDGE, Fraction(0)), (Fraction(0), _NUDGE)]
    return _compared([moments(*run) for run in runs], Fraction(0), _mean(total) / _mean(noise))


def _mean(law: Law) -> Fraction:
    if isinstance(law, Affine) and law.shift == 0:
        return Fraction(law.scale) * _mean(law.law)
    if isinstance(law, FreeProduct):
        pairs = zip(law.factors, law.factor_powers, strict=True)
        return math.prod(
            (power_of(_mean(part), Fraction(t)) for part, t in pairs), start=Fraction(1)
        )
    return law._exact_moments(1)[1]


def _s_series(law: Law, order: int) -> list[int]:
    """Coefficients of mean * S(u), which begin with 1."""
    if isinstance(law, Affine) and law.shift == 0:
        return _s_series(law.law, order)
    if isinstance(law, FreeProduct):
        pairs = zip(law.factors, law.factor_powers, strict=True)
        pieces = (_power(_s_series(part, order), Fraction(t)) for part, t in pairs)
        return reduce(lambda a, b: _multiply(a, b, order), pieces)
    moments = law._exact_moments(order)
    chi = _inverse([_fixed(m / moments[1] ** n) for n, m in enumerate(moments) if n])
    return [value + (chi[n - 1] if n else 0) for n, value in enumerate(chi)]


def _stretched(series: Sequence[int], share: Fraction) -> list[int]:
    """Coefficients of the series at (1 + share) u."""
    if not share:
        return list(series)
    return [int(value * (1 + n * share)) for n, value in enumerate(series)]


def _compared(runs: list[list[int]], centre: Fraction, unit: Fraction) -> Recurrence:
    """Coefficients of the first list of moments, and how far those of the others are from them."""
    coefficients = [_chebyshev(moments) for moments in runs]
    diagonal, squares, closed = coefficients[0]
    doubts = []
    for values, others in (
        (diagonal, [run[0] for run in coefficients[1:]]),
        (squares, [run[1] for run in coefficients[1:]]),
    ):
        doubt = np.zeros(len(values))
        for k, value in enumerate(values):
            # A run that ended before says that its last coefficient was in doubt altogether.
            doubt[k] = max(
                abs(float(other[k] - value)) if k < len(other) else np.inf for other in others
            )
        doubts.append(doubt)
    scale = float(unit)
    return Recurrence(
        np.array([float(centre + unit * a) for a in diagonal]),
        np.array([float(b * unit * unit) for b in squares]),
        doubts[0] * scale,
        doubts[1] * scale * scale,
        closed,
    )


def _chebyshev(moments: Sequence[int]) -> tuple[list[Fraction], list[Fraction], bool]:
    """Recurrence coefficients from moments of order 0, ..., 2k - 1, as fixed-point numbers.

    Also return whether a polynomial of norm zero is orthogonal to all powers.
    """
    closed = True
    before, row = [0] * len(moments), list(moments)
    diagonal = [Fraction(row[1], row[0])]
    squares: list[Fraction] = []
    a, b = (row[1] << _BITS) // row[0], 0
    for k in range(1, len(moments) // 2):
        following = [0] * len(row)
        for n in range(k, len(moments) - k):
            following[n] = row[n + 1] - ((a * row[n] + b * before[n]) >> _BITS)
        square = Fraction(following[k], row[k - 1])
        squares.append(square)
        tiny = 1 << (_BITS // 4)
        if following[k] <= tiny:
            closed = all(abs(value) <= tiny << n for n, value in enumerate(following))
            break
        diagonal.append(Fraction(following[k + 1], following[k]) - Fraction(row[k], row[k - 1]))
        a, b = _fixed(diagonal[-1]), _fixed(square)
        before, row = row, following
    return diagonal, squares, closed


def _moments_of(cumulants: Sequence[int]) -> list[int]:
    """Moments of order 0, ..., k from k free cumulants: M = 1 + sum of kappa_s (w M)^s."""
    order = len(cumulants)
    # powers[s][n] is the coefficient of w^n in M^s, filled degree by degree
    powers = [[_ONE]] + [[_ONE] for _ in range(order)]
    for n in range(1, order + 1):
        moment = sum(cumulants[s - 1] * powers[s][n - s] for s in range(1, n + 1)) >> _BITS
        powers[0].append(0)
        powers[1].append(moment)
        for s in range(2, order - n + 1):
            lower = powers[s - 1]
            value = sum(powers[1][j] * lower[n - j] for j in range(n + 1)) >> _BITS
            powers[s].append(value)
    return powers[1]


def _cumulants_of(moments: Sequence[int]) -> list[int]:
    """First k free cumulants from the moments of order 0, ..., k."""
    order = len(moments) - 1
    powers = [[_ONE] + [0] * order]
    for _ in range(order):
        powers.append(_multiply(powers[-1], moments, order - len(powers) + 1))
    cumulants: list[int] = []
    for n in range(1, order + 1):
        known = sum(cumulants[s - 1] * powers[s][n - s] for s in range(1, n)) >> _BITS
        cumulants.append(moments[n] - known)
    return cumulants


def _inverse(series: Sequence[int]) -> list[int]:
    """Coefficients c of the inverse of w (1 + a_1 w + ...), divided by w (Lagrange)."""
    order = len(series)
    reciprocal = _reciprocal(series)
    # [w^n] of the inverse is (1/n) [w^(n-1)] of the n-th power of the reciprocal; powers are
    # made from a few small and a few large ones.
    step = max(1, math.isqrt(order))
    small = [[_ONE] + [0] * (order - 1)]
    for _ in range(step):
        small.append(_multiply(small[-1], reciprocal, order))
    large = [small[0]]
    while len(large) * step <= order:
        large.append(_multiply(large[-1], small[step], order))
    inverse = []
    for n in range(1, order + 1):
        a, b = large[n // step], small[n % step]
        inverse.append((sum(a[i] * b[n - 1 - i] for i in range(n)) >> _BITS) // n)
    return inverse


def _reciprocal(series: Sequence[int]) -> list[int]:
    """Coefficients of 1 / (1 + a_1 w + ...)."""
    result = [_ONE]
    for n in range(1, len(series)):
        result.append(-(sum(series[j] * result[n - j] for j in range(1, n + 1)) >> _BITS))
    return result


def _power(series: list[int], power: Fraction) -> list[int]:
    """Coefficients of a real power of 1 + a_1 w + ... (Miller's recurrence)."""
    if power == 1:
        return series
    up, down = power.numerator, power.denominator
    result = [_ONE]
    for n in range(1, len(series)):
        terms = ((k * up - (n - k) * down) * series[k] * result[n - k] for k in range(1, n + 1))
        result.append((sum(terms) >> _BITS) // (n * down))
    return result


def _multiply(a: Sequence[int], b: Sequence[int], order: int) -> list[int]:
    return [sum(a[i] * b[n - i] for i in range(n + 1)) >> _BITS for n in range(order)]


def _fixed(value: Fraction) -> int:
    return (value.numerator << _BITS) // value.denominator


def _power_of_two(variance: Fraction) -> Fraction:
    """Power of two near the square root of a number, 1 if it is not positive."""
    if variance <= 0:
        return Fraction(1)
    bits = variance.numerator.bit_length() - variance.denominator.bit_length()
    return Fraction(2) ** (bits // 2)
