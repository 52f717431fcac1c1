r"""Polynomials in free variables whose law follows from simpler ones, without a linearisation.

- Summands in different variables are free: the law is a free sum.
- x^a q x^a with q in other variables has, as far as eigenvalues go, the law of the free product of
  x^{2a} and q.
- c_0 + c_1 q + c_2 q^2 is the image of the law of q.
- A variable that occurs in powers of x^k only is x^k, with the law of that.

Examples
--------
>>> from rmtland.free.polynomials.noncommutative_polynomial import free_variables
>>> x, y, w = free_variables("x y w")
>>> [str(part) for part in free_summands(x * y + y * x + w**2 + 3.0)]
['3 + w w', 'x y + y x']
>>> sandwich(2 * x * y * x), square_of(-(x * y - y * x) ** 2)
(('x', 1, 2 y), (-1j x y + 1j y x, (0.0, 0.0, 1.0)))
>>> p = x**3 * y + y * x**3 + x**6
>>> common_powers(p), in_powers(p, common_powers(p))
({'x': 3}, x x + x y + y x)
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from itertools import groupby

from rmtland.free.polynomials.noncommutative_polynomial import Letter, Polynomial, Word
from rmtland.laws.discrete import Discrete

__all__ = [
    "common_powers",
    "free_summands",
    "in_powers",
    "sandwich",
    "square_of",
    "without_powers_of_projections",
]

_ROUNDING = 1e-13


def free_summands(p: Polynomial) -> list[Polynomial]:
    """Return parts of a polynomial that have no variable in common; the constant in the first.

    Parameters
    ----------
    p : Polynomial
        Any polynomial.

    Returns
    -------
    list of Polynomial
        Their sum is p; in the order of their first variables.
    """
    groups: list[set[str]] = []
    for word in p.coefficients:
        names = {letter.name for letter in word}
        joined = [group for group in groups if group & names]
        groups = [group for group in groups if not group & names]
        if names:
            groups.append(names.union(*joined))
    groups.sort(key=min)
    parts = [
        Polynomial({w: c for w, c in p.coefficients.items() if {a.name for a in w} & group})
        for group in groups
    ]
    constant = p.coefficients.get((), 0j)
    if parts and constant:
        parts[0] = parts[0] + constant
    return parts


def sandwich(p: Polynomial) -> tuple[str, int, Polynomial] | None:
    """Return (x, a, q) of a polynomial x^a q x^a with q in other variables, else None.

    Parameters
    ----------
    p : Polynomial
        Self-adjoint.

    Returns
    -------
    tuple or None
        Name of a self-adjoint variable x, its power, and q.
    """
    words = p.coefficients
    if not words or () in words:
        return None
    first = next(iter(words))[0]
    if not first.self_adjoint:
        return None
    power = None
    inner: dict[Word, complex] = {}
    for word, value in words.items():
        left, right = _run(word, first), _run(tuple(reversed(word)), first)
        middle = word[left : len(word) - right]
        if left != right or not middle or first in middle or power not in (None, left):
            return None
        power = left
        inner[middle] = value
    return (first.name, power, Polynomial(inner)) if power else None


def _run(word: Word, letter: Letter) -> int:
    """Length of the run of a letter at the start of a word."""
    for i, other in enumerate(word):
        if other != letter:
            return i
    return len(word)


def square_of(p: Polynomial) -> tuple[Polynomial, tuple[float, float, float]] | None:
    """Return q and (c_0, c_1, c_2) of a polynomial c_0 + c_1 q + c_2 q^2, q self-adjoint, or None.

    Parameters
    ----------
    p : Polynomial
        Self-adjoint.

    Returns
    -------
    tuple or None
        A homogeneous q of half the degree, with largest coefficient of modulus 1 up to rounding.
    """
    degree = p.degree
    if degree < 4 or degree % 2:
        return None
    words = p.coefficients
    half = degree // 2
    top = {word: value for word, value in words.items() if len(word) == degree}
    squares = {w[:half]: v for w, v in top.items() if w[:half] == w[half:]}
    if not squares:
        return None
    pivot = max(squares, key=lambda word: abs(squares[word]))
    lead = squares[pivot]
    q = Polynomial(
        {word[half:]: value / lead for word, value in top.items() if word[:half] == pivot}
    )
    # q* = factor q; a root of the factor makes it self-adjoint
    adjoint = q.adjoint().coefficients
    if set(adjoint) != set(q.coefficients):
        return None
    factor = adjoint[pivot] / q.coefficients[pivot]
    root = cmath.sqrt(factor)
    q = q * root
    lead = lead / root**2
    size = max(abs(value) for value in words.values())
    rest = (p - lead * q * q).coefficients
    rest = {word: value for word, value in rest.items() if abs(value) > _ROUNDING * size}
    constant = rest.pop((), 0j)
    slope = rest.get(pivot, 0j) / q.coefficients[pivot]
    beyond = (Polynomial(rest) - slope * q).coefficients
    real = max(abs(lead.imag), abs(slope.imag), abs(constant.imag)) <= _ROUNDING * size
    if not (
        real and q.is_self_adjoint and all(abs(v) <= _ROUNDING * size for v in beyond.values())
    ):
        return None
    return q, (constant.real + 0.0, slope.real + 0.0, lead.real)


def common_powers(p: Polynomial) -> dict[str, int]:
    """Return the variables that occur in powers of x^k only, k > 1, with the largest such k.

    Parameters
    ----------
    p : Polynomial
        Any polynomial.

    Returns
    -------
    dict of str to int
        Names of self-adjoint variables, with their powers.
    """
    powers: dict[str, int] = {}
    for word in p.coefficients:
        for letter, run in groupby(word):
            length = len(list(run)) if letter.self_adjoint else 1
            powers[letter.name] = math.gcd(powers.get(letter.name, 0), length)
    return {name: power for name, power in powers.items() if power > 1}


def in_powers(p: Polynomial, powers: Mapping[str, int]) -> Polynomial:
    """Return a polynomial with x in the place of x^k.

    Parameters
    ----------
    p : Polynomial
        Any polynomial.
    powers : mapping of str to int
        k for some variables, which divides all powers of them in p (`common_powers`).

    Returns
    -------
    Polynomial
        In the variables of p; those that are named stand for their powers.
    """
    written: dict[Word, complex] = {}
    for word, value in p.coefficients.items():
        runs = [(letter, len(list(run))) for letter, run in groupby(word)]
        kept = [(letter,) * (size // powers.get(letter.name, 1)) for letter, size in runs]
        written[sum(kept, ())] = value
    return Polynomial(written)


def without_powers_of_projections(p: Polynomial, laws: Mapping[str, object]) -> Polynomial:
    """Return a polynomial with c^(k - 1) x in the place of x^k where x is 0 or c.

    Parameters
    ----------
    p : Polynomial
        Self-adjoint.
    laws : mapping of str to Law or Circular
        The law of each variable.

    Returns
    -------
    Polynomial
        Equal to p for such variables; self-adjoint to the last bit if anything was replaced.
    """
    values: dict[str, float] = {}
    for name, law in laws.items():
        places = [place for place, _ in law.atoms] if isinstance(law, Discrete) else []
        if len(places) == 2 and 0.0 in places:
            values[name] = sum(places)
    written: dict[Word, complex] = {}
    for word, value in p.coefficients.items():
        runs = [(letter, len(list(run))) for letter, run in groupby(word)]
        kept = [(letter,) * (1 if letter.name in values else size) for letter, size in runs]
        factor = math.prod(values.get(letter.name, 1.0) ** (size - 1) for letter, size in runs)
        short: Word = sum(kept, ())
        written[short] = written.get(short, 0j) + factor * value
    found = Polynomial(written)
    return p if found == p else (found + found.adjoint()) / 2
