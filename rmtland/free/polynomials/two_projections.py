r"""Polynomials in two free variables of two-point laws, in closed form.

Variables with two values each are :math:`x = x_0 + (x_1 - x_0) p, y = y_0 + (y_1 - y_0) q` with
free projections p and q of traces :math:`\alpha` and :math:`\beta`. Two projections are a direct
sum of common eigenspaces and of planes in which both are lines at an angle [1]_,

.. math::
    q = \begin{pmatrix} 1 & 0 \\ 0 & 0 \end{pmatrix}, \qquad
    p = \begin{pmatrix} t & r \\ r & 1 - t \end{pmatrix}, \qquad r = \sqrt{t (1 - t)}, \qquad
    t = \cos^2 \theta,

and for free ones the shares are known [2]_: with :math:`\mu` the least of
:math:`\alpha, 1 - \alpha, \beta, 1 - \beta` the planes have the share :math:`2 \mu`, t has the law
of the compression of one projection to the other (Wachter's), and the common eigenspaces have the
shares :math:`(\alpha + \beta - 1)^+, (\alpha - \beta)^+, (\beta - \alpha)^+` and
:math:`(1 - \alpha - \beta)^+`. A polynomial is a number on each of the latter and a 2 x 2 matrix
function of t on the planes (`rmtland.free.polynomials.branch_law`); an eigenvalue that
does not depend on t is an atom. Everything is computed from exact coefficients: atoms and their
masses are exact, edges are values at the ends of the law of t and at turning points.

References
----------
.. [1] P. R. Halmos, Two subspaces, Trans. Amer. Math. Soc. 144 (1969) 381-389.
.. [2] D. Voiculescu, K. Dykema and A. Nica, Free Random Variables, CRM Monograph Series 1,
       Amer. Math. Soc. 1992, examples 2.8 and 3.6.7.

Examples
--------
>>> from rmtland.free.polynomials.noncommutative_polynomial import free_variables
>>> from rmtland.laws import Discrete
>>> x, y = free_variables("x y")
>>> sign = Discrete((-1.0, 1.0), (0.5, 0.5))
>>> law = law_of_two_point_polynomial(x * y + y * x, {"x": sign, "y": sign})
>>> law.support, round(law.cdf(1.0), 12)
(((-2.0, 2.0),), 0.666666666667)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from rmtland.free.polynomials.branch_law import BranchLaw
from rmtland.free.polynomials.matrix_function import (
    MatrixFunction,
    Series,
    plus,
    scaled,
    times,
)
from rmtland.free.polynomials.noncommutative_polynomial import Polynomial, Word
from rmtland.laws.discrete import Discrete
from rmtland.laws.law import Law
from rmtland.laws.mixture_law import mixture
from rmtland.laws.pushforward import pushforward
from rmtland.laws.wachter import Wachter

__all__ = ["is_two_point", "law_of_two_point_polynomial"]

_ZERO: Series = (Fraction(0),)
_ONE: Series = (Fraction(1),)
_SQUARE: Series = (Fraction(0), Fraction(1), Fraction(-1))  # r^2
_ROUNDING = 4e-16


def is_two_point(law: object) -> bool:
    """Whether a law consists of two point masses."""
    return isinstance(law, Law) and not law.support and len(law.atoms) == 2


class _Plane(NamedTuple):
    """A matrix [[a, r b], [r c, d]] with polynomials of t."""

    a: Series
    b: Series
    c: Series
    d: Series

    def __matmul__(self, other: _Plane) -> _Plane:
        return _Plane(
            plus(times(self.a, other.a), times(_SQUARE, times(self.b, other.c))),
            plus(times(self.a, other.b), times(self.b, other.d)),
            plus(times(self.c, other.a), times(self.d, other.c)),
            plus(times(self.d, other.d), times(_SQUARE, times(self.c, other.b))),
        )


class _Projections(NamedTuple):
    """Both variables as values on and off two projections, the second of the least trace.

    The first has trace at most 1/2: the mean of t is that trace, and t is relatively accurate
    beside 0, not beside 1.
    """

    first: str
    second: str
    values: dict[str, tuple[Fraction, Fraction]]  # on the projection, off it
    alpha: tuple[float, float]  # trace of the first projection, and of its complement
    beta: tuple[float, float]


def law_of_two_point_polynomial(polynomial: Polynomial, laws: Mapping[str, Any]) -> Law:
    """Return the law of a self-adjoint polynomial in two free variables with two values each.

    Parameters
    ----------
    polynomial : Polynomial
        Self-adjoint, in both variables.
    laws : mapping of str to Law
        Two laws of two point masses each.

    Returns
    -------
    Law
        A mixture of images of the law of the angle and of point masses; `Discrete` where all
        eigenvalues are constant.

    Raises
    ------
    ValueError
        If there are not two variables, or a law does not consist of two point masses.
    """
    if len(laws) != 2 or not all(is_two_point(law) for law in laws.values()):
        raise ValueError(f"two laws of two point masses each are needed; got {laws}")
    pair = _arranged(laws)
    size = _size(polynomial, pair)
    matrix = _matrix(polynomial, pair)
    atoms = _common_eigenspaces(polynomial, pair)
    mu = pair.beta[0]
    angle = Wachter(*(_ratio(mu, share) for share in pair.alpha))
    parts: list[tuple[Law, float]] = []
    for branch in _branches(matrix, angle, [place for place, _ in atoms], size):
        if isinstance(branch, BranchLaw):
            parts.append((branch, 2 * mu))
        elif len(branch) == 1:
            atoms.append((branch[0], mu))
        else:
            parts.append((pushforward(angle, branch), mu))
    atoms = _merged(atoms, _ROUNDING * size)
    if atoms:
        total = math.fsum(mass for _, mass in atoms)
        places, masses = zip(*atoms, strict=True)
        parts.append((Discrete(places, tuple(mass / total for mass in masses)), total))
    total = math.fsum(share for _, share in parts)
    return mixture([law for law, _ in parts], [share / total for _, share in parts])


def _ratio(part: float, whole: float) -> float:
    return 1.0 if abs(part - whole) <= _ROUNDING else part / whole


def _arranged(laws: Mapping[str, Law]) -> _Projections:
    """Choose the projections such that the second has the least trace of all four."""
    names = list(laws)
    shares = {name: tuple(mass for _, mass in laws[name].atoms) for name in names}
    second = min(names, key=lambda name: min(shares[name]))
    first = next(name for name in names if name != second)
    values, traces = {}, []
    for name in (first, second):
        on = shares[name].index(min(shares[name]))
        points = [Fraction(where) for where, _ in laws[name].atoms]
        values[name] = (points[on], points[1 - on])
        traces.append((shares[name][on], shares[name][1 - on]))
    return _Projections(first, second, values, *traces)


def _size(polynomial: Polynomial, pair: _Projections) -> float:
    """Bound of the norm, which says what is rounding."""
    norms = {name: float(max(abs(v) for v in values)) for name, values in pair.values.items()}
    return math.fsum(
        abs(value) * math.prod(norms[letter.name] for letter in word)
        for word, value in polynomial.coefficients.items()
    )


def _matrix(polynomial: Polynomial, pair: _Projections) -> MatrixFunction:
    """Return the polynomial on the planes."""
    on, off = pair.values[pair.second]
    second = _Plane((on,), _ZERO, _ZERO, (off,))
    on, off = pair.values[pair.first]
    rise = (on - off,)
    line = plus((off,), times(rise, (Fraction(0), Fraction(1))))
    first = _Plane(line, rise, rise, plus((on + off,), scaled(line, Fraction(-1))))
    letters = {pair.first: first, pair.second: second}
    known: dict[Word, _Plane] = {(): _Plane(_ONE, _ZERO, _ZERO, _ONE)}

    def product(word: Word) -> _Plane:
        if word not in known:
            known[word] = product(word[:-1]) @ letters[word[-1].name]
        return known[word]

    a, d, real, imaginary = _ZERO, _ZERO, _ZERO, _ZERO
    half = Fraction(1, 2)
    for word, value in polynomial.coefficients.items():
        plane = product(word)
        x, y = Fraction(value.real), Fraction(value.imag)
        a, d = plus(a, scaled(plane.a, x)), plus(d, scaled(plane.d, x))
        real = plus(real, scaled(plus(plane.b, plane.c), half * x))
        minus = plus(plane.b, scaled(plane.c, Fraction(-1)))
        imaginary = plus(imaginary, scaled(minus, half * y))
    slack = Fraction(_size(polynomial, pair)) * Fraction(1, 2**53)
    return MatrixFunction(*(_trimmed(part, slack) for part in (a, d, real, imaginary)))


def _trimmed(series: Sequence[Fraction], slack: Fraction) -> Series:
    """Leave out coefficients that are rounding of the parameters."""
    kept = [c if abs(c) > slack else Fraction(0) for c in series]
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
    return tuple(kept)


def _common_eigenspaces(polynomial: Polynomial, pair: _Projections) -> list[tuple[float, float]]:
    """Values and shares of the common eigenspaces."""
    found = []
    for i, alpha in enumerate(pair.alpha):
        for j, beta in enumerate(pair.beta):
            other = pair.alpha[1 - i]
            share = beta - other if beta >= alpha else alpha - pair.beta[1 - j]
            if share <= _ROUNDING:
                continue
            place = {
                pair.first: pair.values[pair.first][i],
                pair.second: pair.values[pair.second][j],
            }
            value = sum(
                (
                    Fraction(c.real)
                    * math.prod((place[letter.name] for letter in word), start=Fraction(1))
                    for word, c in polynomial.coefficients.items()
                ),
                Fraction(0),
            )
            found.append((float(value), share))
    return found


def _branches(
    matrix: MatrixFunction, angle: Wachter, places: Sequence[float], size: float
) -> list[BranchLaw | tuple[float, ...]]:
    """Eigenvalues as polynomials of t where they are, else the law of both."""
    low, high = angle.support[0]
    t = low + (high - low) * np.sin(np.pi * (np.arange(41) + 0.5) / 82) ** 2
    slack = 2 * _ROUNDING * size
    if all(abs(c) <= slack for part in (matrix.b, matrix.b_imaginary) for c in part):
        return [_floats(matrix.a, size, high), _floats(matrix.d, size, high)]
    if matrix.spread(t).max() <= slack:
        branch = _floats(scaled(matrix.trace, Fraction(1, 2)), size, high)
        return [branch, branch]
    lower, upper = matrix.eigenvalue(t, -1), matrix.eigenvalue(t, 1)
    for sign in (-1, 1):
        value = matrix.exact_eigenvalue(float(t[20]), sign)
        if np.minimum(np.abs(lower - value), np.abs(upper - value)).max() <= 2 * slack:
            # an atom; one that is known has its place
            near = [place for place in [*places, 0.0] if abs(place - value) <= 2 * slack]
            value = near[0] if near else value
            other = plus(matrix.trace, (-Fraction(value),))
            return [(value,), _floats(other, size, high)]
    return [BranchLaw(angle, matrix)]


def _floats(series: Series, size: float, high: float) -> tuple[float, ...]:
    """Coefficients without those that are rounding of the values up to t = high."""
    slack, end = Fraction(_ROUNDING * size), Fraction(high)
    reached = _trimmed([c * end**k for k, c in enumerate(series)], slack)
    return tuple(float(c) if kept else 0.0 for c, kept in zip(series, reached, strict=False))


def _merged(atoms: list[tuple[float, float]], slack: float) -> list[tuple[float, float]]:
    """Atoms in ascending order, those within rounding of each other as one."""
    found: list[list[float]] = []
    for place, mass in sorted(atoms):
        if found and place - found[-1][0] <= slack:
            if abs(place) < abs(found[-1][0]):
                found[-1][0] = place
            found[-1][1] += mass
        else:
            found.append([place, mass])
    return [(place, mass) for place, mass in found]
