r"""Diagonal of a matrix known by its products, with standard errors.

Random signs :math:`\omega` give every entry at once, :math:`d_i = E\, \omega_i (A \omega)_i`
[1]_. A basis Q of random images takes the large eigenvalues apart,

.. math:: A = QQ^* A + A QQ^* - QQ^* A QQ^* + (1 - QQ^*) A (1 - QQ^*) ,

of which only the last is left to chance.

Synonyms: Hutchinson's diagonal estimator, Hutch++, XDiag, Jacobi preconditioner.

References
----------
.. [1] C. Bekas, E. Kokiopoulou and Y. Saad, An estimator for the diagonal of a matrix, Appl. Numer.
       Math. 57 (2007) 1214-1229.

Examples
--------
>>> import numpy as np
>>> values = np.linspace(1.0, 2.0, 500)
>>> found = diagonal(lambda v: values * v + v.mean(), products=20, size=500, rng=0)
>>> off = found.value - values - 1 / 500
>>> bool(np.mean(np.abs(off) < 1.96 * found.standard_error) > 0.9)
True
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice, count
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.sketches import (
    is_low_rank,
    orthonormal_images,
    rounding_of_products,
    sign_vectors,
    student_widening,
)
from rmtland.streams import random_generator
from rmtland.typing import Array, Operator, Real, Rng

__all__ = ["DiagonalEstimate", "diagonal"]

_METHODS = ("auto", "hutchinson", "hutch++", "exact")


class DiagonalEstimate(NamedTuple):
    """The diagonal of a matrix and standard errors of its entries.

    Made by `rmtland.estimate.diagonal`.

    Parameters
    ----------
    value : ndarray, shape (p,)
        The estimate.
    standard_error : ndarray, shape (p,)
        Of each entry, the scatter of its samples, widened as Student's quantile is at 95 %. Random
        signs may agree: where one entry of a row is far above the others, k samples of the same
        sign, of probability :math:`2^{1-k}`, have no scatter.
    products : int
        Products spent.
    method : str
        How it was found.
    """

    value: Real
    standard_error: Real
    products: int
    method: str


def diagonal(
    operator: Operator,
    *,
    products: int = 100,
    method: str = "auto",
    rng: Rng = None,
    size: int | None = None,
) -> DiagonalEstimate:
    r"""Estimate the diagonal, :math:`d_i = E\, \omega_i (A \omega)_i` for random signs.

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    products : int, optional
        Products that may be spent, at least 4; p of them give the diagonal exactly.
    method : {"auto", "hutchinson", "hutch++", "exact"}, optional
        "hutch++" takes the large eigenvalues apart by a basis of a third of the products; "auto"
        does so where they carry most of the Frobenius norm, as in `trace`. "exact" spends p
        products whatever `products` says, with unit vectors in blocks of 64, and forms no matrix.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    size : int, optional
        Order of the matrix, for a function.

    Returns
    -------
    DiagonalEstimate
        The entries and their standard errors.

    Raises
    ------
    ValueError, TypeError
        As in `trace`.

    See Also
    --------
    rmtland.estimate.trace : its sum.
    """
    found = symmetric_operator(operator, size=size)
    budget = count("products", products, min_value=4)
    choice("method", method, _METHODS)
    generator = random_generator(rng)
    before = found.products
    if budget >= found.size or method == "exact":
        value = _exact_diagonal(found)
        return DiagonalEstimate(value, np.zeros(found.size), found.products - before, "exact")
    place = found.place
    scatter, basis = _Scatter(found), None
    known, floor = (place.zeros((found.size,), np.float64) for _ in range(2))
    if method != "hutchinson":
        rank = max(2, budget // 3)
        omega = place.put(sign_vectors(found, generator, rank))
        images = found.multiply(omega)
        if method == "hutch++" or is_low_rank(found, images):
            basis = orthonormal_images(found, images)
            folded = found.multiply(basis)
            known = _known_diagonal(found, basis, folded)
            floor = place.row_norms(basis) * place.row_norms(folded)
        else:
            scatter.add(place.real(place.conj(omega) * images))
    while (left := budget - (found.products - before)) > 0:
        omega = place.put(sign_vectors(found, generator, min(left, 16)))
        inside = omega if basis is None else omega - basis @ (place.adjoint(basis) @ omega)
        images = found.multiply(inside)
        if basis is not None:
            images -= basis @ (place.adjoint(basis) @ images)
        scatter.add(place.real(place.conj(omega) * images))
    value, error = scatter.found(known, floor)
    name = "hutchinson" if basis is None else "hutch++"
    return DiagonalEstimate(value, error, found.products - before, name)


class _Scatter:
    """Mean and standard error of samples of every entry, of sums about the first sample.

    Sums of squares themselves would lose entries off the diagonal to the rounding of those on it.
    """

    def __init__(self, operator: SymmetricOperator) -> None:
        self.operator, self.place, self.number = operator, operator.place, 0
        self.first, self.total, self.square = (
            self.place.zeros((operator.size,), np.float64) for _ in range(3)
        )

    def add(self, samples: Array) -> None:
        """Add samples, shape (p, k)."""
        xp = self.place.xp
        if not self.number:
            self.first = xp.asarray(samples[:, 0], copy=True)
        samples = samples - self.first[:, None]
        self.total = self.total + xp.sum(samples, axis=1)
        self.square = self.square + xp.sum(samples**2, axis=1)
        self.number += int(samples.shape[1])

    def found(self, known: Array, floor: Array) -> tuple[Real, Real]:
        """Return the mean beside what is known, and its standard error.

        What is known is a sum of terms of the size of `floor`, which are rounded.
        """
        parts = self.place.xp.stack([self.first, self.total, self.square, known, floor])
        sums = self.place.take(parts)
        self.operator.refuse_infinities(sums)
        mean = sums[1] / max(self.number, 1)
        value = sums[3] + sums[0] + mean
        if self.number < 2:
            return value, np.full(self.operator.size, np.inf)
        error = np.sqrt(np.clip(sums[2] / self.number - mean**2, 0, None) / (self.number - 1))
        rounding = rounding_of_products(self.operator) * np.maximum(np.abs(value), sums[4])
        return value, np.maximum(student_widening(self.number) * error, rounding)


def _exact_diagonal(operator: SymmetricOperator) -> Real:
    """Return the diagonal by products with unit vectors, in blocks."""
    if hasattr(operator.matrix, "toarray"):
        return np.array(operator.matrix.diagonal().real, dtype=float)
    if operator.matrix is not None:
        return np.diagonal(operator.dense()).real.copy()
    value = np.empty(operator.size)
    for start in range(0, operator.size, 64):
        columns = np.arange(start, min(start + 64, operator.size))
        unit = np.zeros((operator.size, columns.size), dtype=operator.dtype)
        unit[columns, columns - start] = 1
        value[columns] = operator.matmat(unit)[columns, columns - start].real
    return value


def _known_diagonal(operator: SymmetricOperator, basis: Array, folded: Array) -> Array:
    """Diagonal of QQ*A + A QQ* - QQ*AQQ*, for folded = AQ.

    A = QQ*A + A QQ* - QQ*AQQ* + (1 - QQ*) A (1 - QQ*), and only the last is random.
    """
    place, xp = operator.place, operator.place.xp
    core = place.adjoint(basis) @ folded
    if place.is_host:
        known = 2 * np.einsum("pk,pk->p", basis, folded.conj()).real
        known -= np.einsum("pk,kl,pl->p", basis, core, basis.conj(), optimize=True).real
        return known
    twice = 2 * folded - basis @ core
    return xp.sum(place.real(basis * place.conj(twice)), axis=1)
