r"""Polynomials in noncommuting variables: words with coefficients, and their moments.

A polynomial is a finite sum of words with real or complex coefficients,
:math:`p = \sum_w c_w w`. Its adjoint reverses every word, conjugates the coefficients and takes
letters to their adjoints. Variables are self-adjoint unless they are declared otherwise.

The moment of a word in free variables is a sum over the blocks that its first letter may share
with later letters of the same variable: between neighbours of a block whole words stand by
themselves [1]_,

.. math:: \varphi(w_1 \dots w_n) = \sum_{1 = i_1 < \dots < i_s \le n} \kappa_s(w_{i_1}, \dots,
          w_{i_s}) \prod_{j = 1}^{s} \varphi(w_{i_j + 1} \dots w_{i_{j + 1} - 1}) .

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lecture 11 and theorem 11.20.

Examples
--------
>>> x, y = free_variables("x y")
>>> p = (x + y) ** 2 - 1
>>> p
-1 + x x + x y + y x + y y
>>> (x * y).adjoint() == y * x, (1j * (x * y - y * x)).is_self_adjoint
(True, True)
"""

from __future__ import annotations

import cmath
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from rmtland.arguments import entries, truth
from rmtland.typing import ArrayLike, NumpyArray, Values

__all__ = ["Letter", "Polynomial", "Word", "WordMoments", "free_variables"]


class Letter(NamedTuple):
    """A variable or its adjoint.

    Parameters
    ----------
    name : str
        Name of the variable.
    self_adjoint : bool
        Whether the variable is its own adjoint.
    starred : bool
        Whether this is the adjoint of a variable that is not self-adjoint.
    """

    name: str
    self_adjoint: bool = True
    starred: bool = False

    def adjoint(self) -> Letter:
        """Return the adjoint letter."""
        return self if self.self_adjoint else self._replace(starred=not self.starred)

    def __str__(self) -> str:
        return self.name + "*" * self.starred


Word = tuple[Letter, ...]


class Polynomial:
    """A polynomial in noncommuting variables, made from `free_variables` by arithmetic.

    Sums, differences, products, natural powers, and quotients by numbers are polynomials; two are
    equal if all their coefficients are. It is immutable.

    Parameters
    ----------
    coefficients : mapping of tuple of Letter to number
        Coefficient of every word; the empty word stands for 1. Zeros are left out.

    Raises
    ------
    TypeError
        If the coefficients are not a mapping.
    ValueError
        If a coefficient is not finite, or a name stands for a self-adjoint variable and for
        another.
    """

    __slots__ = ("_coefficients",)

    def __init__(self, coefficients: Mapping[Word, complex]) -> None:
        if not isinstance(coefficients, Mapping):
            raise TypeError(
                "coefficients must be a mapping of words to numbers; make polynomials from "
                f"free_variables by arithmetic; got {coefficients!r}"
            )
        kept: dict[Word, complex] = {}
        kinds: dict[str, bool] = {}
        for word, value in coefficients.items():
            number = complex(value)
            if not cmath.isfinite(number):
                raise ValueError(
                    f"coefficients must be finite; the word {_written(tuple(word))} has {value}"
                )
            for letter in word:
                if kinds.setdefault(letter.name, letter.self_adjoint) != letter.self_adjoint:
                    raise ValueError(f"{letter.name} is declared self-adjoint and not self-adjoint")
            if number != 0:
                kept[tuple(word)] = number
        ordered = sorted(kept, key=lambda word: (len(word), [str(letter) for letter in word]))
        self._coefficients = {word: kept[word] for word in ordered}

    @property
    def coefficients(self) -> dict[Word, complex]:
        """Words with their coefficients, short words first."""
        return dict(self._coefficients)

    @property
    def degree(self) -> int:
        """Length of the longest word; 0 for a constant."""
        return max((len(word) for word in self._coefficients), default=0)

    @property
    def letters(self) -> tuple[Letter, ...]:
        """Letters that occur, in alphabetical order."""
        return tuple(sorted({letter for word in self._coefficients for letter in word}))

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that occur, in alphabetical order."""
        return tuple(sorted({letter.name for letter in self.letters}))

    def adjoint(self) -> Polynomial:
        """Words reversed, letters and coefficients replaced by their adjoints.

        Returns
        -------
        Polynomial
            Equal to this one if it is self-adjoint.
        """
        return Polynomial(
            {adjoint_word(word): value.conjugate() for word, value in self._coefficients.items()}
        )

    @property
    def is_self_adjoint(self) -> bool:
        """Whether the polynomial is its own adjoint, to rounding."""
        return not self.asymmetry()

    def asymmetry(self) -> list[Word]:
        """Words whose coefficient is not the conjugate of that of the adjoint word.

        Returns
        -------
        list of Word
            Empty for a self-adjoint polynomial.
        """
        sizes = self._coefficients
        largest = max((abs(value) for value in sizes.values()), default=0.0)
        wrong = []
        for word, value in sizes.items():
            mirrored = sizes.get(adjoint_word(word), 0j).conjugate()
            if abs(value - mirrored) > 1e-14 * min(largest, 8 * max(abs(value), abs(mirrored))):
                wrong.append(word)
        return wrong

    def __call__(self, **matrices: ArrayLike) -> Values:
        """Value at square matrices (or numbers), one keyword a variable.

        Parameters
        ----------
        **matrices : array_like, shape (..., n, n)
            The matrix of each variable; adjoint letters take the conjugate transpose.

        Raises
        ------
        ValueError
            If a variable is missing or a matrix is not square.
        """
        missing = [name for name in self.variables if name not in matrices]
        if missing:
            raise ValueError(f"no matrix given for {', '.join(missing)}")
        values = {name: np.asarray(matrix) for name, matrix in matrices.items()}
        scalar = all(value.ndim == 0 for value in values.values())
        for name, array in values.items():
            if not scalar and (array.ndim < 2 or array.shape[-1] != array.shape[-2]):
                raise ValueError(f"{name} must be a square matrix; got shape {array.shape}")
        real = all(value.imag == 0 for value in self._coefficients.values())
        total: Values = 0.0
        if scalar:
            for word, value in self._coefficients.items():
                factors = [self._placed(letter, values, scalar) for letter in word]
                total = total + (value.real if real else value) * math.prod(factors)
            return total
        size = next(iter(values.values())).shape[-1]
        for word, value in self._coefficients.items():
            product = np.eye(size)
            for place, letter in enumerate(word):
                factor = self._placed(letter, values, scalar)
                product = product @ factor if place else factor
            total = total + (value.real if real else value) * product
        return total

    @staticmethod
    def _placed(letter: Letter, values: Mapping[str, NumpyArray], scalar: bool) -> NumpyArray:
        value = values[letter.name]
        if not letter.starred:
            return value
        return value.conj() if scalar else value.conj().swapaxes(-1, -2)

    # Arithmetic ------------------------------------------------------------------------------

    def _with(self, second: Polynomial, sign: float) -> Polynomial:
        total = dict(self._coefficients)
        for word, value in second._coefficients.items():
            total[word] = total.get(word, 0j) + sign * value
        return Polynomial(total)

    def __add__(self, other: object) -> Polynomial:
        second = _polynomial(other)
        return NotImplemented if second is None else self._with(second, 1.0)

    __radd__ = __add__

    def __sub__(self, other: object) -> Polynomial:
        second = _polynomial(other)
        return NotImplemented if second is None else self._with(second, -1.0)

    def __rsub__(self, other: object) -> Polynomial:
        first = _polynomial(other)
        return NotImplemented if first is None else (-self)._with(first, 1.0)

    def __neg__(self) -> Polynomial:
        return Polynomial({word: -value for word, value in self._coefficients.items()})

    def __pos__(self) -> Polynomial:
        return self

    def __mul__(self, other: object) -> Polynomial:
        second = _polynomial(other)
        return NotImplemented if second is None else _product(self, second)

    def __rmul__(self, other: object) -> Polynomial:
        first = _polynomial(other)
        return NotImplemented if first is None else _product(first, self)

    def __truediv__(self, other: object) -> Polynomial:
        if not isinstance(other, numbers.Number):
            return NotImplemented
        divisor = complex(other)  # type: ignore[call-overload]
        if divisor == 0:
            raise ZeroDivisionError("a polynomial cannot be divided by 0")
        return Polynomial({word: value / divisor for word, value in self._coefficients.items()})

    def __pow__(self, exponent: object) -> Polynomial:
        if isinstance(exponent, bool) or not isinstance(exponent, int | np.integer):
            return NotImplemented
        if exponent < 0:
            raise ValueError(f"the exponent must be a natural number; got {exponent}")
        result = Polynomial({(): 1.0})
        for _ in range(int(exponent)):
            result = _product(result, self)
        return result

    # NumPy scalars leave the arithmetic to this class.
    __array_ufunc__ = None

    def __eq__(self, other: object) -> bool:
        second = _polynomial(other)
        return NotImplemented if second is None else self._coefficients == second._coefficients

    def __hash__(self) -> int:
        return hash(frozenset(self._coefficients.items()))

    def __reduce__(self) -> tuple[object, ...]:
        return Polynomial, (self._coefficients,)

    def __repr__(self) -> str:
        """Sum of words, a space between letters."""
        text = ""
        for word, value in self._coefficients.items():
            sign, size = _split(value)
            number = "" if size == "1" and word else size
            term = " ".join([*([number] if number else []), *([_written(word)] if word else [])])
            text += (f" {sign} " if text else sign.replace("+", "")) + term
        return text or "0"


def free_variables(names: str | Iterable[str], *, self_adjoint: bool = True) -> Any:
    """Return variables to make polynomials of.

    Parameters
    ----------
    names : str or iterable of str
        Names that Python accepts; in one string, separated by spaces or commas.
    self_adjoint : bool
        Whether the variables are their own adjoints; a circular variable is not.

    Returns
    -------
    Polynomial or tuple of Polynomial
        One for each name.

    Raises
    ------
    ValueError
        If a name is not an identifier, or none is given.
    TypeError
        If `names` is neither a text nor a sequence, or `self_adjoint` no truth value.

    See Also
    --------
    rmtland.free.law_of_polynomial : the law of a polynomial in them.
    """
    parts = names.replace(",", " ").split() if isinstance(names, str) else entries("names", names)
    self_adjoint = truth("self_adjoint", self_adjoint)
    if not parts or not all(isinstance(name, str) and name.isidentifier() for name in parts):
        raise ValueError(f"names must be identifiers such as 'x y'; got {names!r}")
    found = tuple(Polynomial({(Letter(name, self_adjoint),): 1.0}) for name in parts)
    return found[0] if len(found) == 1 else found


class WordMoments:
    """Moments of words in free variables from free cumulants, in exact arithmetic.

    Parameters
    ----------
    cumulants : callable
        (name, order) -> list of the first free cumulants of that variable, as Fractions; for a
        variable that is not self-adjoint, (name, 2) -> [0, variance] of a circular variable.
    """

    def __init__(self, cumulants: Callable[[str, int], list[Fraction]]) -> None:
        self._source = cumulants
        self._known: dict[str, list[Fraction]] = {}
        self._moments: dict[Word, Fraction] = {(): Fraction(1)}

    def moment(self, word: Word) -> Fraction:
        """Moment of a word."""
        if word not in self._moments:
            self._moments[word] = self._computed(word)
        return self._moments[word]

    def _cumulants(self, letter: Letter, order: int) -> list[Fraction]:
        known = self._known.get(letter.name, [])
        if len(known) < order:
            if letter.self_adjoint:
                known = self._source(letter.name, max(order, 2 * len(known)))
            else:
                known = [*self._source(letter.name, 2), *[Fraction(0)] * order]
            self._known[letter.name] = known
        return known

    def _computed(self, word: Word) -> Fraction:
        first = word[0]
        places = [i for i, letter in enumerate(word) if letter.name == first.name]
        kappa = self._cumulants(first, len(places))
        last = max((s for s in range(1, len(places) + 1) if kappa[s - 1]), default=0)
        total = Fraction(0)
        # Chains of places that end at a place, by their number of places
        chains: dict[int, Fraction] = {0: Fraction(1)}
        for size in range(1, last + 1):
            if kappa[size - 1]:
                for place, value in chains.items():
                    if first.self_adjoint or word[place] != first:
                        total += kappa[size - 1] * value * self.moment(word[place + 1 :])
            longer: dict[int, Fraction] = {}
            for place, value in chains.items():
                for other in places:
                    if other > place:
                        between = self.moment(word[place + 1 : other])
                        if between:
                            longer[other] = longer.get(other, Fraction(0)) + value * between
            chains = longer
        return total


def adjoint_word(word: Word) -> Word:
    """Return the adjoint letters in reverse order."""
    return tuple(letter.adjoint() for letter in reversed(word))


def _polynomial(value: object) -> Polynomial | None:
    if isinstance(value, Polynomial):
        return value
    if isinstance(value, numbers.Number):
        return Polynomial({(): complex(value)})  # type: ignore[call-overload]
    return None


def _product(first: Polynomial, second: Polynomial) -> Polynomial:
    total: dict[Word, complex] = {}
    for left, value in first._coefficients.items():
        for right, factor in second._coefficients.items():
            word = left + right
            total[word] = total.get(word, 0j) + value * factor
    return Polynomial(total)


def _written(word: Word) -> str:
    return " ".join(str(letter) for letter in word) or "1"


def _split(value: complex) -> tuple[str, str]:
    """Sign and modulus of a coefficient as they are written."""
    if value.imag == 0:
        return ("-" if value.real < 0 else "+"), f"{abs(value.real):.12g}"
    if value.real == 0:
        return ("-" if value.imag < 0 else "+"), f"{abs(value.imag):.12g}j"
    return "+", f"({value.real:.12g}{value.imag:+.12g}j)"
