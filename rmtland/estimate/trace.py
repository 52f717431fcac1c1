r"""Trace and Frobenius norm of a matrix known by its products, with standard errors.

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
products that they spend on it (`scripts/bench_estimate.py --jobs trace`), with a few large
eigenvalues they win by orders of magnitude. ``"auto"`` spends m/2 products on random images,
and looks at how much of each lies outside of the others (`rmtland.estimate.sketches`): where that
is less than half of the mean square, it continues as XTrace, otherwise as Hutchinson.

Synonyms: stochastic trace estimation, trace of the Hessian, Schatten-2 norm, leave-one-out.

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

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from rmtland.arguments import choice, count
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.sketches import (
    is_low_rank,
    length_error,
    orthonormal_images,
    rounding_of_products,
    sphere_error,
    sphere_vectors,
    student_widening,
)
from rmtland.streams import random_generator
from rmtland.typing import Array, Operator, Real, Rng

__all__ = ["ScalarEstimate", "frobenius_norm", "trace"]

_CORRELATED = 2.0**0.5
"""Leave-one-out estimates share their bases: their mean scatters up to 1.35 times as much as that
of independent ones (`scripts/bench_estimate.py --jobs trace`)."""

_METHODS = ("auto", "hutchinson", "hutch++", "xtrace")


class ScalarEstimate(NamedTuple):
    """A number and its standard error.

    Made by `rmtland.estimate.trace` and `rmtland.estimate.frobenius_norm`.

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


def trace(
    operator: Operator,
    *,
    products: int = 100,
    method: str = "auto",
    rng: Rng = None,
    size: int | None = None,
) -> ScalarEstimate:
    r"""Estimate the trace.

    .. formula:: Hutchinson, Hutch++, XTrace, from :math:`\omega^* A \omega`

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

    See Also
    --------
    rmtland.estimate.diagonal : its parts.
    rmtland.estimate.frobenius_norm : the second moment.
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
    omega = found.place.put(sphere_vectors(found, generator, half))
    images = found.multiply(omega)
    if method == "auto" and not is_low_rank(found, images):
        first = _forms_and_squares(found, omega, images)
        rest = _quadratic_forms(found, generator, budget - half)
        forms, squares = np.hstack([first, rest])
        return _hutchinson(found, forms, squares, found.products - before)
    samples, floor = _xtrace_samples(found, omega, images, generator)
    value, error, _, _ = _mean(samples, found.products - before, "xtrace")
    error = max(_CORRELATED * error, floor)
    return ScalarEstimate(value, error, found.products - before, "xtrace")


def frobenius_norm(
    operator: Operator, *, products: int = 100, rng: Rng = None, size: int | None = None
) -> ScalarEstimate:
    r"""Estimate the Frobenius norm, :math:`\|A\|_F^2 = E |A \omega|^2`.

    Two thirds of the products find a basis of the large eigenvalues and multiply it: its rows and
    columns are then exact. The rest look at what is outside, by `rmtland.estimate.sketches`.

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

    See Also
    --------
    rmtland.estimate.trace : the first moment.
    """
    found = symmetric_operator(operator, size=size)
    budget = count("products", products, min_value=2)
    generator = random_generator(rng)
    before = found.products
    if budget >= found.size:
        value = float(np.linalg.norm(found.dense()))
        return ScalarEstimate(value, 0.0, found.products - before, "exact")
    rank, place = budget // 3 if budget > 3 else 0, found.place
    known, basis = 0.0, None
    omega = place.put(sphere_vectors(found, generator, rank)) if rank else None
    if omega is not None:
        basis = orthonormal_images(found, found.multiply(omega))
        images = found.multiply(basis)
        outside = images - basis @ (place.adjoint(basis) @ images)  # on the other side too
        dots = [place.column_dots(one, one) for one in (images, outside)]
        squares = np.asarray(place.take(place.xp.concat(dots)))
        found.refuse_infinities(squares)
        known = float(squares.sum())
    omega = place.put(sphere_vectors(found, generator, budget - 2 * rank))
    if basis is not None:
        omega = omega - basis @ (place.adjoint(basis) @ omega)
    images = found.multiply(omega)
    if basis is not None:
        images = images - basis @ (place.adjoint(basis) @ images)
    gram = place.take(place.adjoint(images) @ images)
    found.refuse_infinities(gram)
    norm, error = length_error(found, known, gram)
    return ScalarEstimate(norm, error, found.products - before, "hutch++")


# Estimators -----------------------------------------------------------------------------------


def _standard_error(samples: Real) -> float:
    if samples.size < 2:
        return float("inf")
    scale = float(np.abs(samples).max()) or 1.0  # squares may leave double precision
    return scale * float((samples / scale).std(ddof=1) / np.sqrt(samples.size))


def _mean(samples: Real, products: int, method: str) -> ScalarEstimate:
    error = student_widening(samples.size) * _standard_error(samples)
    return ScalarEstimate(float(samples.mean()), error, products, method)


def _hutchinson(
    operator: SymmetricOperator, samples: Real, squares: Real, products: int
) -> ScalarEstimate:
    """Mean of quadratic forms; squares of the norms of the images tell how far it may be off."""
    value = float(samples.mean())
    error = sphere_error(operator, value, squares, size=operator.size)
    return ScalarEstimate(value, error, products, "hutchinson")


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
        omega = place.put(sphere_vectors(operator, generator, min(16, number - start)))
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


def _hutch_plus_plus(
    operator: SymmetricOperator, generator: np.random.Generator, budget: int
) -> ScalarEstimate:
    """Trace on a basis of random images, and Hutchinson's estimator outside of it."""
    before, rank, place = operator.products, budget // 3, operator.place
    known, floor, basis = 0.0, 0.0, None
    if rank:
        images = operator.multiply(place.put(sphere_vectors(operator, generator, rank)))
        basis = orthonormal_images(operator, images)
        forms, squares = _forms_and_squares(operator, basis, operator.multiply(basis))
        known = float(forms.sum())
        floor = rounding_of_products(operator) * float(np.sqrt(rank * squares.sum()))
    omega = place.put(sphere_vectors(operator, generator, budget - 2 * rank))
    if basis is not None:
        omega -= basis @ (place.adjoint(basis) @ omega)
    omega *= float(np.sqrt(operator.size - rank)) / place.column_norms(omega)
    images = operator.multiply(omega)
    if basis is not None:  # omega is in the complement, so that its forms stay as they are
        images = images - basis @ (place.adjoint(basis) @ images)
    samples, squares = _forms_and_squares(operator, omega, images)
    operator.refuse_infinities(np.append(samples, known))
    rest, mean = operator.size - rank, float(samples.mean())
    error = max(floor, sphere_error(operator, mean, squares, size=rest))
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
        rest = place.put(sphere_vectors(operator, generator, k - rank))
        rest = rest - basis @ (place.adjoint(basis) @ rest)
        rest = rest * (float(np.sqrt(operator.size - rank)) / place.column_norms(rest))
        image = operator.multiply(rest)
        outside = float(place.take(place.column_dots(rest, image)).mean())
        image = image - basis @ (place.adjoint(basis) @ image)
        squares = _squares(operator, image)
        error = sphere_error(operator, outside, squares, size=operator.size - rank)
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
