r"""Trace, Frobenius norm and diagonal of a matrix known by its products, with standard errors.

Three estimators of the trace, at m products in all:

- ``"hutchinson"``: the mean of :math:`\omega^* A \omega` over m random vectors [1]_; its standard
  error is about :math:`\|A\|_F \sqrt{2/m}`, whatever the spectrum, with :math:`\|A\|_F^2` the mean
  of :math:`|A \omega|^2`, which few vectors know better than the scatter of the forms;
- ``"hutch++"``: a basis Q of m/3 random images takes the large eigenvalues apart, Hutchinson's
  estimator the rest [2]_;
- ``"xtrace"``: the same, but every one of m/2 random vectors serves in turn as the one that is left
  out of the basis [3]_. Their scatter, times :math:`\sqrt 2` for their correlation, is the
  standard error.

The gain of the latter two is that of a low-rank approximation: with a flat bulk they lose by the
products that they spend on it (Hutchinson .64 % against .92 % and .83 % at 90 products), with a few
large eigenvalues they win by orders of magnitude. ``"auto"`` spends m/2 products on random images
Y = A Omega, and looks at how much of a column lies outside the others, from the rows of the inverse
of R in Y = QR alone,

.. math:: \|(1 - Q_i Q_i^*) y_i\| = 1 / \|(R^{-1})_{i,:}\| .

Where less than half of the mean square is outside, it goes on as XTrace, otherwise as Hutchinson.

Synonyms: stochastic trace estimation, trace of the Hessian, XDiag, leave-one-out.

References
----------
.. [1] M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian
       smoothing splines, Comm. Statist. Simulation Comput. 19 (1990) 433-450.
.. [2] R. A. Meyer, C. Musco, C. Musco and D. P. Woodruff, Hutch++: optimal stochastic trace
       estimation, SOSA 2021.
.. [3] E. N. Epperly, J. A. Tropp and R. J. Webber, XTrace: making the most of every sample in
       stochastic trace estimation, SIAM J. Matrix Anal. Appl. 45 (2024) 1-23.

Examples
--------
>>> import numpy as np
>>> values = np.append(np.linspace(0.9, 1.1, 2000), [500.0, 300.0, 100.0])
>>> found = trace(lambda v: values * v, products=40, size=2003, rng=0)
>>> found.method, abs(found.value - 2900.0) < 4 * found.standard_error < 40.0
('xtrace', True)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import ndtri, stdtrit

from rmtland.arguments import choice, count
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.streams import random_generator
from rmtland.typing import Array, Real, Rng

__all__ = ["DiagonalEstimate", "ScalarEstimate", "diagonal", "frobenius_norm", "trace"]

_CORRELATED = 2.0**0.5
"""Leave-one-out estimates share their bases: their mean scatters up to 1.35 times as much as that
of independent ones (`scripts/bench_estimate.py --jobs trace`)."""

_METHODS = ("auto", "hutchinson", "hutch++", "xtrace")


class ScalarEstimate(NamedTuple):
    """A number and its standard error.

    Parameters
    ----------
    value : float
        The estimate.
    standard_error : float
        Of the estimate; 0 where it is exact, infinite where nothing tells it. Where it is the
        scatter of few samples it is widened as Student's quantile is at 95 %.
    products : int
        Products spent.
    method : str
        How it was found.
    """

    value: float
    standard_error: float
    products: int
    method: str


class DiagonalEstimate(NamedTuple):
    """The diagonal of a matrix and standard errors of its entries.

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


def trace(
    operator: Any,
    *,
    products: int = 100,
    method: str = "auto",
    rng: Rng = None,
    size: int | None = None,
) -> ScalarEstimate:
    """Estimate the trace.

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    products : int, optional
        Products that may be spent, at least 2; p of them give the trace exactly.
    method : {"auto", "hutchinson", "hutch++", "xtrace"}, optional
        The estimator. Memory: one vector a product for "xtrace", 2/3 of one for "hutch++", and a
        block of 16 for "hutchinson"; "auto" half a vector or one.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    size : int, optional
        Order of the matrix, for a function.

    Returns
    -------
    ScalarEstimate
        The trace and its standard error.

    Raises
    ------
    ValueError, TypeError
        For an operator that is none, an unknown method, or fewer than 2 products.
    """
    found = symmetric_operator(operator, size=size)
    budget = count("products", products, min_value=2)
    choice("method", method, _METHODS)
    generator = random_generator(rng)
    before = found.products
    if budget >= found.size:
        value = float(np.trace(found.dense()).real)
        return ScalarEstimate(value, 0.0, found.products - before, "exact")
    if method == "hutchinson":
        samples, squares = _quadratic_forms(found, generator, budget)
        return _hutchinson(found, samples, squares, found.products - before)
    if method == "hutch++":
        return _hutch_plus_plus(found, generator, budget)
    half = budget // 2
    if half < 2:
        return _hutchinson(found, *_quadratic_forms(found, generator, budget), budget)
    omega = found.place.put(_sphere(found, generator, half))
    images = found.multiply(omega)
    if method == "auto" and not _is_low_rank(found, images):
        first = _forms_and_squares(found, omega, images)
        rest = _quadratic_forms(found, generator, budget - half)
        forms, squares = np.hstack([first, rest])
        return _hutchinson(found, forms, squares, found.products - before)
    samples, floor = _xtrace_samples(found, omega, images, generator)
    value, error, _, _ = _mean(samples, found.products - before, "xtrace")
    error = max(_CORRELATED * error, floor)
    return ScalarEstimate(value, error, found.products - before, "xtrace")


def frobenius_norm(
    operator: Any, *, products: int = 100, rng: Rng = None, size: int | None = None
) -> ScalarEstimate:
    r"""Estimate the Frobenius norm, :math:`\|A\|_F^2 = E |A \omega|^2`.

    Half of the products find a basis of the large eigenvalues, whose share is then exact.

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    products : int, optional
        Products that may be spent, at least 2.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    size : int, optional
        Order of the matrix, for a function.

    Returns
    -------
    ScalarEstimate
        The norm and its standard error.

    Raises
    ------
    ValueError, TypeError
        As in `trace`.
    """
    found = symmetric_operator(operator, size=size)
    budget = count("products", products, min_value=2)
    generator = random_generator(rng)
    before = found.products
    if budget >= found.size:
        value = float(np.linalg.norm(found.dense()))
        return ScalarEstimate(value, 0.0, found.products - before, "exact")
    rank, place = budget // 3, found.place
    known = 0.0
    omega = _sphere(found, generator, rank) if rank else None
    if omega is not None:
        basis = _orthonormal(found, found.multiply(place.put(omega)))
        known = float(_squares(found, found.multiply(basis)).sum())
        omega = place.put(_sphere(found, generator, budget - 2 * rank))
        omega -= basis @ (place.adjoint(basis) @ omega)
    else:
        omega = place.put(_sphere(found, generator, budget))
    samples = _squares(found, found.multiply(omega))
    mean, error = float(samples.mean()), _student(samples.size) * _standard_error(samples)
    norm = float(np.sqrt(known + mean))
    return ScalarEstimate(
        norm, error / (2 * norm) if norm else 0.0, found.products - before, "hutch++"
    )


def diagonal(
    operator: Any,
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
    """
    found = symmetric_operator(operator, size=size)
    budget = count("products", products, min_value=4)
    choice("method", method, (*_METHODS[:3], "exact"))
    generator = random_generator(rng)
    before = found.products
    if budget >= found.size or method == "exact":
        value = _exact_diagonal(found)
        return DiagonalEstimate(value, np.zeros(found.size), found.products - before, "exact")
    place = found.place
    scatter, basis = _Scatter(found), None
    known = place.zeros((found.size,), np.float64)
    if method != "hutchinson":
        rank = max(2, budget // 3)
        omega = place.put(_signs(generator, found, rank))
        images = found.multiply(omega)
        if method == "hutch++" or _is_low_rank(found, images):
            basis = _orthonormal(found, images)
            known = _known_diagonal(found, basis, found.multiply(basis))
        else:
            scatter.add(place.real(place.conj(omega) * images))
    while (left := budget - (found.products - before)) > 0:
        omega = place.put(_signs(generator, found, min(left, 16)))
        inside = omega if basis is None else omega - basis @ (place.adjoint(basis) @ omega)
        images = found.multiply(inside)
        if basis is not None:
            images -= basis @ (place.adjoint(basis) @ images)
        scatter.add(place.real(place.conj(omega) * images))
    value, error = scatter.found(known)
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

    def found(self, known: Array) -> tuple[Real, Real]:
        """Return the mean beside what is known, and its standard error."""
        parts = self.place.xp.stack([self.first, self.total, self.square, known])
        sums = self.place.take(parts)
        self.operator.refuse_infinities(sums)
        mean = sums[1] / max(self.number, 1)
        value = sums[3] + sums[0] + mean
        if self.number < 2:
            return value, np.full(self.operator.size, np.inf)
        error = np.sqrt(np.clip(sums[2] / self.number - mean**2, 0, None) / (self.number - 1))
        return value, _student(self.number) * error


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


# Estimators -----------------------------------------------------------------------------------


def _standard_error(samples: Real) -> float:
    if samples.size < 2:
        return float("inf")
    scale = float(np.abs(samples).max()) or 1.0  # squares may leave double precision
    return scale * float((samples / scale).std(ddof=1) / np.sqrt(samples.size))


def _student(number: int) -> float:
    """Student's quantile of so many samples over that of the normal law, at 95 %."""
    return float(stdtrit(number - 1, 0.975) / ndtri(0.975)) if number > 1 else 1.0


def _mean(samples: Real, products: int, method: str) -> ScalarEstimate:
    error = _student(samples.size) * _standard_error(samples)
    return ScalarEstimate(float(samples.mean()), error, products, method)


def _sphere_error(size: int, mean: float, squares: Real, *, is_complex: bool) -> float:
    """Return the standard error of the mean of quadratic forms of vectors uniform on a sphere.

    A form of vectors of radius sqrt(p) has the variance (2p/(p + 2)) (|A|_F^2 - (tr A)^2/p),
    p/(p + 1) of it for complex ones, and the squares of the images the mean |A|_F^2.
    """
    scale = float(np.sqrt(squares.max()))
    if scale == 0.0:
        return 0.0
    frobenius = float((squares / scale**2).mean())
    variance = max(frobenius - (mean / scale) ** 2 / size, 0.0)
    factor = size / (size + 1) if is_complex else 2 * size / (size + 2)
    return scale * float(np.sqrt(factor * variance / squares.size))


def _hutchinson(
    operator: SymmetricOperator, samples: Real, squares: Real, products: int
) -> ScalarEstimate:
    """Mean of quadratic forms; squares of the norms of the images tell how far it may be off."""
    value = float(samples.mean())
    error = _sphere_error(operator.size, value, squares, is_complex=operator.is_complex)
    return ScalarEstimate(value, error, products, "hutchinson")


def _sphere(operator: SymmetricOperator, generator: np.random.Generator, k: int) -> NDArray[Any]:
    """Vectors uniform on the sphere of radius sqrt(p), in columns: better than Gaussian ones."""
    vectors: NDArray[Any] = generator.standard_normal((operator.size, k))
    if operator.is_complex:
        vectors = vectors + 1j * generator.standard_normal((operator.size, k))
    vectors *= np.sqrt(operator.size) / np.linalg.norm(vectors, axis=0)
    return vectors


def _signs(generator: np.random.Generator, operator: SymmetricOperator, k: int) -> NDArray[Any]:
    signs = 2.0 * generator.integers(2, size=(operator.size, k)) - 1.0
    return np.asarray(signs, dtype=operator.work_dtype)


def _forms_and_squares(operator: SymmetricOperator, omega: Array, images: Array) -> Real:
    """Return quadratic forms and squares of the norms of images, two rows, in one transfer."""
    place = operator.place
    both = [place.column_dots(omega, images), place.column_dots(images, images)]
    return np.asarray(place.take(place.xp.stack(both)))


def _quadratic_forms(
    operator: SymmetricOperator, generator: np.random.Generator, number: int
) -> tuple[Real, Real]:
    """Hutchinson's samples and squares of images, in blocks; a device gives them together."""
    place = operator.place
    found, squares = [], []
    for start in range(0, number, 16):
        omega = place.put(_sphere(operator, generator, min(16, number - start)))
        images = operator.multiply(omega)
        found.append(place.column_dots(omega, images))
        squares.append(place.column_dots(images, images))
    both = place.take(place.xp.stack([place.xp.concat(found), place.xp.concat(squares)]))
    operator.refuse_infinities(both)
    return both[0], both[1]


def _squares(operator: SymmetricOperator, images: Array) -> Real:
    """Squares of the norms of columns."""
    place = operator.place
    if place.is_host:
        return np.asarray((np.abs(images) ** 2).sum(axis=0))
    samples = place.take(place.column_dots(images, images))
    operator.refuse_infinities(samples)
    return samples


def _triangle(operator: SymmetricOperator, images: Array) -> NDArray[Any]:
    """R of images = QR, on the host."""
    if operator.place.is_host:
        return np.asarray(np.linalg.qr(images, mode="r"))
    triangle = operator.place.take(operator.place.xp.linalg.qr(images)[1])
    operator.refuse_infinities(triangle)
    return triangle


def _orthonormal(operator: SymmetricOperator, images: Array) -> Array:
    """Q of images = QR, where the images are."""
    return operator.place.xp.linalg.qr(images)[0]


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


def _is_low_rank(operator: SymmetricOperator, images: Array) -> bool:
    """Whether less than half of a random image lies outside of the others, in the mean square."""
    triangle = _triangle(operator, images)
    if operator.place.is_host:
        total = float((np.abs(images) ** 2).sum())
    else:
        total = float((np.abs(triangle) ** 2).sum())
    if total == 0.0:
        return False
    edge = np.abs(np.diagonal(triangle))
    if edge.min() <= 1e-13 * edge.max():
        return True
    inverse = solve_triangular(triangle, np.eye(len(triangle)))
    outside = 1 / (np.abs(inverse) ** 2).sum(axis=1)
    return bool(outside.sum() < 0.5 * total)


def _hutch_plus_plus(
    operator: SymmetricOperator, generator: np.random.Generator, budget: int
) -> ScalarEstimate:
    """Trace on a basis of random images, and Hutchinson's estimator outside of it."""
    before, rank, place = operator.products, budget // 3, operator.place
    known, basis = 0.0, None
    if rank:
        images = operator.multiply(place.put(_sphere(operator, generator, rank)))
        basis = _orthonormal(operator, images)
        known = float(place.take(place.column_dots(basis, operator.multiply(basis))).sum())
    omega = place.put(_sphere(operator, generator, budget - 2 * rank))
    if basis is not None:
        omega -= basis @ (place.adjoint(basis) @ omega)
    omega *= float(np.sqrt(operator.size - rank)) / place.column_norms(omega)
    images = operator.multiply(omega)
    if basis is not None:  # omega is in the complement, so that its forms stay as they are
        images = images - basis @ (place.adjoint(basis) @ images)
    samples, squares = _forms_and_squares(operator, omega, images)
    operator.refuse_infinities(np.append(samples, known))
    rest, mean = operator.size - rank, float(samples.mean())
    error = _sphere_error(rest, mean, squares, is_complex=operator.is_complex)
    return ScalarEstimate(known + mean, error, operator.products - before, "hutch++")


def _xtrace_samples(
    operator: SymmetricOperator, omega: Array, images: Array, generator: np.random.Generator
) -> tuple[Real, float]:
    """Leave-one-out estimates of the trace; a basis that does not leave one out is not formed.

    Where the images have a lower rank, their span has the trace up to rounding, and products that
    are left look at what is outside of it. The second result is what rounding leaves open.

    The basis of all images but the i-th is Q without the unit direction s_i = Q t_i, with t_i the
    normalised i-th row of the inverse of R, conjugated. What has one row a vector of the space
    stays where the operator is; matrices of k rows are the host's.
    """
    place, k = operator.place, int(images.shape[1])
    basis, upper = place.xp.linalg.qr(images)
    triangle = place.take(upper)
    operator.refuse_infinities(triangle)
    edge = np.abs(np.diagonal(triangle))
    unit = max(float(np.finfo(operator.dtype).eps), float(np.finfo(float).eps))
    if edge.min() <= 1e-13 * max(float(edge.max()), 1e-300):
        u, s, _ = place.xp.linalg.svd(images, full_matrices=False)
        sizes = place.take(s)
        basis = u[:, : min(int(np.count_nonzero(sizes > 1e-12 * sizes[0])), k - 1)]
        rank, floor = int(basis.shape[1]), 16 * unit * float(sizes[0])
        value = 0.0
        if rank:
            value = float(place.take(place.column_dots(basis, operator.multiply(basis))).sum())
        rest = place.put(_sphere(operator, generator, k - rank))
        rest = rest - basis @ (place.adjoint(basis) @ rest)
        rest = rest * (float(np.sqrt(operator.size - rank)) / place.column_norms(rest))
        image = operator.multiply(rest)
        outside = float(place.take(place.column_dots(rest, image)).mean())
        image = image - basis @ (place.adjoint(basis) @ image)
        error = _sphere_error(
            operator.size - rank, outside, _squares(operator, image),
            is_complex=operator.is_complex,
        )  # fmt: skip
        return np.full(2, value + outside), max(error, floor)
    left_out = solve_triangular(triangle, np.eye(k)).conj().T
    left_out /= np.linalg.norm(left_out, axis=0)
    folded = operator.multiply(basis)  # A Q
    core = place.take(place.adjoint(basis) @ folded)
    inside = place.take(place.adjoint(basis) @ omega)  # Q* omega
    # omega_i outside of the basis without s_i, in two parts: outside of Q, and along s_i
    along = np.einsum("ki,ki->i", left_out.conj(), inside)
    reduced = place.put(inside - left_out * along)  # coordinates of the part of omega_i inside
    rest = omega - basis @ reduced
    image = images - folded @ reduced
    # the projection onto the complement is on both sides, and rest is in the complement
    forms = place.take(place.column_dots(rest, image))
    length = place.take(place.column_dots(rest, rest))
    scale = (operator.size - k + 1) / np.where(length > 0, length, 1.0)
    known = np.trace(core).real - np.einsum("ki,kl,li->i", left_out.conj(), core, left_out).real
    operator.refuse_infinities(known + forms)
    return np.asarray(known + scale * forms), 16 * unit * float(np.linalg.norm(triangle, 2))
