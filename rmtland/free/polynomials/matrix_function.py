r"""Hermitian 2 x 2 matrix functions of one variable, by exact coefficients.

.. math:: H(t) = \begin{pmatrix} a(t) & r(t) b(t) \\ r(t) \overline{b(t)} & d(t) \end{pmatrix},
          \qquad r(t) = \sqrt{t (1 - t)},

with real polynomials a, d and a complex one b, has the eigenvalues :math:`(a + d)/2 \pm s` with
:math:`s = ((a - d)^2/4 + r^2 |b|^2)^{1/2}`. Polynomials of t are tuples of Fractions, the constant
first.

Examples
--------
>>> one = Fraction(1)
>>> matrix = MatrixFunction(a=(0, 2 * one), d=(0,), b=(one,), b_imaginary=(0,))
>>> matrix.determinant
(Fraction(0, 1), Fraction(-1, 1), Fraction(1, 1))
>>> matrix.exact_eigenvalue(0.25, 1)
0.75
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.typing import Real, Values

__all__ = ["MatrixFunction", "Series", "plus", "scaled", "times"]

Series = tuple[Fraction, ...]

_ROOT_BITS = 160


@dataclass(frozen=True)
class MatrixFunction:
    """H(t) of the module, by the coefficients of its entries, the constant first.

    Parameters
    ----------
    a, d : tuple of Fraction
        Diagonal entries.
    b, b_imaginary : tuple of Fraction
        Real and imaginary part of b; the entry is r(t) b(t).
    """

    a: Series
    d: Series
    b: Series
    b_imaginary: Series

    @cached_property
    def trace(self) -> Series:
        """Coefficients of a + d."""
        return plus(self.a, self.d)

    @cached_property
    def discriminant(self) -> Series:
        """Coefficients of s^2."""
        half = scaled(plus(self.a, scaled(self.d, Fraction(-1))), Fraction(1, 2))
        moduli = plus(times(self.b, self.b), times(self.b_imaginary, self.b_imaginary))
        return plus(times(half, half), times((Fraction(0), Fraction(1), Fraction(-1)), moduli))

    @cached_property
    def determinant(self) -> Series:
        """Coefficients of a d - t (1 - t) |b|^2."""
        square = scaled(times(self.trace, self.trace), Fraction(1, 4))
        return plus(square, scaled(self.discriminant, Fraction(-1)))

    @cached_property
    def scale(self) -> float:
        """Bound of the norm on [0, 1], which says what is rounding."""
        sizes = [sum(abs(c) for c in part) for part in (self.a, self.d, self.b, self.b_imaginary)]
        return float(max(sizes[0], sizes[1]) + sizes[2] + sizes[3])

    @cached_property
    def _floats(self) -> list[Real]:
        half = scaled(plus(self.a, scaled(self.d, Fraction(-1))), Fraction(1, 2))
        parts = (self.trace, half, self.b, self.b_imaginary)
        return [np.array([float(c) for c in part]) for part in parts]

    def spread(self, t: Real) -> Real:
        """Half the distance s of the eigenvalues, without cancellation."""
        _, half, real, imaginary = self._floats
        root = np.sqrt(np.maximum(t * (1 - t), 0.0))
        off = root * np.hypot(value_at(real, t), value_at(imaginary, t))
        return np.asarray(np.hypot(value_at(half, t), off))

    def spread_series(self, end: Fraction) -> tuple[Real, ...]:
        """Coefficients of (a - d)/2, both parts of b, and t (1 - t), in powers of t - end."""
        half = scaled(plus(self.a, scaled(self.d, Fraction(-1))), Fraction(1, 2))
        square = (Fraction(0), Fraction(1), Fraction(-1))
        return tuple(
            np.array([float(c) for c in shifted_series(part, end)])
            for part in (half, self.b, self.b_imaginary, square)
        )

    def eigenvalue(self, t: Real, sign: int) -> Real:
        """One of both eigenvalues, the larger for sign = 1."""
        return np.asarray(value_at(self._floats[0], t) / 2 + sign * self.spread(t))

    def slope(self, t: Real, sign: int) -> Real:
        """Slope of an eigenvalue; 0/0 where both meet."""
        with np.errstate(all="ignore"):
            bend = value_at(self._discriminant_slope, t) / (2 * self.spread(t))
        return np.asarray(value_at(derivative(self._floats[0]), t) / 2 + sign * bend)

    @cached_property
    def _discriminant_slope(self) -> Real:
        return derivative(np.array([float(c) for c in self.discriminant]))

    def exact_eigenvalue(self, t: float, sign: int) -> float:
        """Return an eigenvalue at a float, rounded once; what is rounding of zero is zero."""
        place = Fraction(t)
        square = exact_value(self.discriminant, place)
        root = _square_root(max(square, Fraction(0)))
        value = float(exact_value(self.trace, place) / 2 + sign * root)
        return 0.0 if abs(value) <= 4e-16 * self.scale else value

    def candidates(self) -> Real:
        """Real parts of zeros beside which a branch may turn or meet the other."""
        trace, determinant = self.trace, self.determinant
        t1, d1 = exact_derivative(trace), exact_derivative(determinant)
        turning = plus(times(d1, d1), times(determinant, times(t1, t1)))
        turning = plus(turning, scaled(times(trace, times(t1, d1)), Fraction(-1)))
        half = plus(self.a, scaled(self.d, Fraction(-1)))
        found = []
        for series in (turning, half, self.b, self.b_imaginary):
            values = np.trim_zeros(np.array([float(c) for c in series]), "b")
            if values.size > 1:
                zeros = np.roots(values[::-1])
                found.append(zeros.real[np.abs(zeros.imag) < 0.05])
        return np.concatenate([np.zeros(0), *found])


def plus(first: Sequence[Fraction], second: Sequence[Fraction]) -> Series:
    """Sum of two polynomials, the constant first."""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = [Fraction(c) for c in longer]
    for i, c in enumerate(shorter):
        total[i] += c
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return tuple(total)


def scaled(series: Sequence[Fraction], factor: Fraction) -> Series:
    """Return a polynomial times a number."""
    return tuple(c * factor for c in series)


def times(first: Sequence[Fraction], second: Sequence[Fraction]) -> Series:
    """Product of two polynomials."""
    total = [Fraction(0)] * (len(first) + len(second) - 1)
    for i, c in enumerate(first):
        if c:
            for j, other in enumerate(second):
                total[i + j] += c * other
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return tuple(total)


def exact_value(series: Sequence[Fraction], t: Fraction) -> Fraction:
    """Value of a polynomial by Horner's scheme."""
    total = Fraction(0)
    for c in reversed(series):
        total = total * t + c
    return total


def exact_derivative(series: Sequence[Fraction]) -> Series:
    """Coefficients of the derivative."""
    return tuple(k * c for k, c in enumerate(series))[1:] or (Fraction(0),)


def shifted_series(series: Sequence[Fraction], place: Fraction) -> list[Fraction]:
    """Coefficients in powers of t - place."""
    shifted = list(series)
    for i in range(len(shifted) - 1):
        for j in range(len(shifted) - 2, i - 1, -1):
            shifted[j] += place * shifted[j + 1]
    return shifted


def _square_root(value: Fraction) -> Fraction:
    """Root to about 160 binary digits."""
    if not value:
        return value
    shift = max(0, 2 * _ROOT_BITS - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    whole = math.isqrt((value.numerator << shift) // value.denominator)
    return Fraction(whole, 1 << (shift // 2))


def value_at(series: Real, t: Values) -> Values:
    """Value of a polynomial, the constant first, by Horner's scheme."""
    total = np.zeros_like(t) + (series[-1] if series.size else 0.0)
    for coefficient in series[-2::-1]:
        total = total * t + coefficient
    return np.asarray(total)


def derivative(series: Real) -> Real:
    """Coefficients of the derivative of a polynomial, the constant first."""
    return np.asarray(series[1:] * np.arange(1, series.size))
