r"""Linearisations: a polynomial in noncommuting variables as a corner of a linear pencil.

For a self-adjoint polynomial p there are Hermitian matrices, of a size k, with

.. math:: L = a_0 + \sum_i a_i \otimes x_i, \qquad
          \bigl[(z P - L)^{-1}\bigr]_{11} = (z - p)^{-1}, \qquad P = e_1 e_1^* ,

for any operators x_i [1]_: L has the blocks l, u, u*, Q with Q invertible and p = l - u Q^{-1} u*.
The one used here is read off the coefficients. With words r, t out of a set U, letters x and
:math:`c_w` the coefficient of the word w,

.. math:: l = c_1 + \sum_x c_x x, \qquad u_t = \sum_x c_{x t^*} x, \qquad
          Q_{rt} = -c_{r t^*} + \sum_x c_{r x t^*} x .

That this is a linearisation follows from the theory of recognisable series: the Hankel matrix
:math:`K_{rt} = c_{r t^*}` over all nonempty words has a finite rank, and U is any set of words
whose rows are a basis of its rows. The size is 1 + rank K, the least that a pencil with these
zeros can have; terms of degree one cost nothing.

References
----------
.. [1] S. T. Belinschi, T. Mai and R. Speicher, Analytic subordination theory of operator-valued
       free additive convolution and the solution of a general random matrix problem, J. reine
       angew. Math. 732 (2017) 21-53.
.. [2] J. W. Helton, T. Mai and R. Speicher, Applications of realizations (aka linearizations) to
       free probability, J. Funct. Anal. 274 (2018) 1-79.

Examples
--------
>>> from rmtland.free.polynomials.noncommutative_polynomial import free_variables
>>> x, y = free_variables("x y")
>>> pencil = Linearisation.of(x * y + y * x + 3 * x)
>>> pencil.size
3
>>> pencil.constant.real + 0.0
array([[ 0.,  0.,  0.],
       [ 0.,  0., -1.],
       [ 0., -1.,  0.]])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from rmtland.free.polynomials.noncommutative_polynomial import (
    Letter,
    Polynomial,
    Word,
    adjoint_word,
)
from rmtland.typing import Array, NumpyArray

__all__ = ["Linearisation"]

_RANK = 1e-12
_MOST_WORDS = 2000


@dataclass(frozen=True, eq=False)
class Linearisation:
    """A Hermitian linear pencil of which a polynomial is a corner, see the module.

    Parameters
    ----------
    constant : ndarray of complex, shape (k, k)
        a_0.
    coefficients : mapping of Letter to ndarray of complex, shape (k, k)
        a_x of every letter; those of adjoint letters are adjoint to each other.
    """

    constant: NDArray[np.complex128]
    coefficients: Mapping[Letter, NDArray[np.complex128]]

    @property
    def size(self) -> int:
        """The size k."""
        return int(self.constant.shape[0])

    @classmethod
    def of(cls, polynomial: Polynomial, *, scales: Mapping[str, float] | None = None) -> Self:
        """Return the linearisation of a polynomial.

        Parameters
        ----------
        polynomial : Polynomial
            Self-adjoint.
        scales : mapping of str to float, optional
            Sizes of the variables, which say what is small in the search of the rank and how the
            rows are balanced; 1 by default.

        Raises
        ------
        ValueError
            If the polynomial is not self-adjoint, or has too many words.
        """
        wrong = polynomial.asymmetry()
        if wrong:
            shown = Polynomial({w: polynomial.coefficients[w] for w in wrong[:3]})
            raise ValueError(
                f"the polynomial must be self-adjoint; {shown!r} lacks its adjoint "
                f"{shown.adjoint()!r} with that coefficient; add p.adjoint() and halve"
            )
        sizes = dict(scales or {})
        scaled = {
            word: value * float(np.prod([sizes.get(letter.name, 1.0) for letter in word]))
            for word, value in polynomial.coefficients.items()
        }
        # What is left of the self-adjointness is rounding.
        coefficients = {
            word: (value + scaled[adjoint_word(word)].conjugate()) / 2
            if adjoint_word(word) in scaled
            else value
            for word, value in scaled.items()
        }
        words, factors = _row_basis(coefficients)
        letters = sorted(
            {letter for name in polynomial.letters for letter in (name, name.adjoint())}
        )

        def entry(word: Word) -> complex:
            return coefficients.get(word, 0j)

        rows: list[Word] = [(), *words]
        weights = np.concatenate([[1.0], factors])
        k = len(rows)
        constant = np.zeros((k, k), dtype=np.complex128)
        parts = {letter: np.zeros((k, k), dtype=np.complex128) for letter in letters}
        for i, left in enumerate(rows):
            for j, right in enumerate(rows):
                ends = adjoint_word(right)
                factor = weights[i] * weights[j]
                if i == j == 0:
                    constant[0, 0] = entry(())
                elif i and j:
                    constant[i, j] = -factor * entry(left + ends)
                for letter in letters:
                    parts[letter][i, j] = factor * entry((*left, letter, *ends))
        return cls(
            constant,
            {letter: part / sizes.get(letter.name, 1.0) for letter, part in parts.items()},
        )

    def __call__(self, **matrices: Array) -> NumpyArray:
        """L at square matrices, one keyword a variable: shape (k n, k n)."""
        size = next(iter(matrices.values())).shape[-1]
        total = np.kron(self.constant, np.eye(size))
        for letter, part in self.coefficients.items():
            matrix = np.asarray(matrices[letter.name])
            total = total + np.kron(part, matrix.conj().T if letter.starred else matrix)
        return total


def _row_basis(coefficients: Mapping[Word, complex]) -> tuple[list[Word], NumpyArray]:
    """Words whose rows are a basis of the Hankel matrix, and factors that balance them."""
    starts = {word[:i] for word in coefficients for i in range(1, len(word))}
    if not starts:
        return [], np.ones(0)
    words = sorted(starts, key=lambda word: (len(word), [str(letter) for letter in word]))
    if len(words) > _MOST_WORDS:
        raise ValueError(f"a polynomial of {len(words)} different starts of words is too large")
    place = {word: i for i, word in enumerate(words)}
    hankel = np.zeros((len(words), len(words)), dtype=np.complex128)
    for word, value in coefficients.items():
        for i in range(1, len(word)):
            left, right = word[:i], adjoint_word(word[i:])
            if right in place:
                hankel[place[left], place[right]] = value
    factors: NumpyArray = np.ones(len(words))
    for _ in range(40):
        balanced = factors[:, None] * np.abs(hankel) * factors
        largest = balanced.max(axis=1)
        factors /= np.sqrt(np.where(largest > 0, largest, 1.0))
    upper, pivots = qr(factors[:, None] * hankel * factors, mode="r", pivoting=True)
    sizes = np.abs(np.diagonal(upper))
    rank = int(np.sum(sizes > _RANK * sizes[0]))
    chosen = sorted(pivots[:rank])
    return [words[i] for i in chosen], np.minimum(factors[chosen], 1e120)  # squares are finite
