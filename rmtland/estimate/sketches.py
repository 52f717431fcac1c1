r"""Random vectors, and the part of a matrix that a few of their images find: randomised sketches.

Images :math:`Y = A \Omega` of random vectors span nearly the eigenspace of the largest eigenvalues
(randomised range finder [1]_). How much of an image lies outside of the span of the others follows
from the rows of the inverse of R in Y = QR alone,

.. math:: \|(1 - Q_i Q_i^*) y_i\| = 1 / \|(R^{-1})_{i,:}\| ,

and where that is less than half of the mean square, a low-rank part is worth its products.

Synonyms: randomised SVD, random projection, Rademacher probes.

References
----------
.. [1] N. Halko, P. G. Martinsson and J. A. Tropp, Finding structure with randomness: probabilistic
       algorithms for constructing approximate matrix decompositions, SIAM Review 53 (2011) 217-288.

Examples
--------
>>> from rmtland.estimate.operators import symmetric_operator
>>> for values in (np.linspace(-1.0, 1.0, 400), np.arange(1.0, 401.0) ** -2):
...     operator = symmetric_operator(np.diag(values))
...     omega = sphere_vectors(operator, np.random.default_rng(0), 20)
...     print(is_low_rank(operator, operator.multiply(omega)))
False
True
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaincinv, ndtri, stdtrit

from rmtland.estimate.operators import SymmetricOperator
from rmtland.typing import Array, NumpyArray, Real

__all__ = [
    "is_low_rank",
    "length_error",
    "orthonormal_images",
    "rounding_of_products",
    "sign_vectors",
    "sphere_error",
    "sphere_vectors",
    "student_widening",
]


def sphere_vectors(
    operator: SymmetricOperator, generator: np.random.Generator, k: int
) -> NumpyArray:
    """Draw vectors uniform on the sphere of radius sqrt(p): better than Gaussian ones.

    Parameters
    ----------
    operator : SymmetricOperator
        Whose size they have; complex for a complex one.
    generator : numpy.random.Generator
        Where they come from.
    k : int
        How many.

    Returns
    -------
    ndarray, shape (p, k)
        Columns.
    """
    vectors: NumpyArray = generator.standard_normal((operator.size, k))
    if operator.is_complex:
        vectors = vectors + 1j * generator.standard_normal((operator.size, k))
    vectors *= np.sqrt(operator.size) / np.linalg.norm(vectors, axis=0)
    return vectors


def sign_vectors(operator: SymmetricOperator, generator: np.random.Generator, k: int) -> NumpyArray:
    """Draw vectors of random signs (Rademacher).

    Parameters
    ----------
    operator, generator, k
        As in `sphere_vectors`.

    Returns
    -------
    ndarray, shape (p, k)
        Columns of -1 and 1.
    """
    signs = 2.0 * generator.integers(2, size=(operator.size, k)) - 1.0
    return np.asarray(signs, dtype=operator.work_dtype)


def sphere_error(operator: SymmetricOperator, mean: float, squares: Real, *, size: int) -> float:
    """Return the standard error of the mean of quadratic forms of vectors uniform on a sphere.

    A form of vectors of radius sqrt(p) has the variance (2p/(p + 2)) (|A|_F^2 - (tr A)^2/p),
    p/(p + 1) of it for complex ones, and the squares of the images the mean |A|_F^2; p is `size`.
    Few squares that differ as chi-squares of few degrees of freedom do, those of a few large
    eigenvalues, do not know |A|_F^2: the error is widened as Student's quantile is for as many
    degrees as their scatter tells (Satterthwaite).
    Rounding of the products comes first where all forms are equal, as those of the identity.

    Parameters
    ----------
    operator : SymmetricOperator
        Whose precision counts.
    mean : float
        Of the forms.
    squares : ndarray, shape (m,)
        Squares of the norms of the images.
    size : int
        Dimension p of the space of the vectors.

    Returns
    -------
    float
        The standard error.
    """
    scale = float(np.sqrt(squares.max()))
    if scale == 0.0:
        return 0.0
    frobenius = float((squares / scale**2).mean())
    variance = max(frobenius - (mean / scale) ** 2 / size, 0.0)
    factor = size / (size + 1) if operator.is_complex else 2 * size / (size + 2)
    floor = rounding_of_products(operator) * float(np.sqrt(size * frobenius))
    m = squares.size
    scatter = float((squares / scale**2).var(ddof=1)) / frobenius**2 if m > 1 else 0.0
    degrees = m * max(1.0, 2.0 / max(scatter, 1e-12))
    widening = float(stdtrit(degrees, 0.975) / ndtri(0.975))
    return scale * max(widening * float(np.sqrt(factor * variance / m)), floor)


def length_error(
    operator: SymmetricOperator, known: float, gram: NumpyArray
) -> tuple[float, float]:
    r"""Return a length and its standard error from part of its square and samples of the rest.

    The rest is the trace of a positive matrix B, and the samples its quadratic forms
    :math:`\omega^* B \omega` of vectors on the sphere. Few of them do not know their own scatter:
    where B has rank r they follow a chi-square law of r degrees of freedom, half of which is small.
    Forms of two different vectors have the mean square :math:`\operatorname{tr} B^2`, so that the
    pairs tell the effective rank :math:`(\operatorname{tr} B)^2/\operatorname{tr} B^2`, and with it
    how far above the mean of m samples the truth may be: the upper end at 95 % of the chi-square
    law of m times as many degrees of freedom. The larger of that and of the scatter is taken, each
    widened as Student's quantile is for so many pairs or samples.

    Parameters
    ----------
    operator : SymmetricOperator
        Whose size, field and precision count.
    known : float
        The part of the square that is known.
    gram : ndarray, shape (m, m)
        Forms of all pairs of m >= 2 vectors, Hermitian.

    Returns
    -------
    length, error : float
        The square root of the known part and the mean of the samples, and its standard error.
    """
    samples = np.diagonal(gram).real
    m, mean = len(samples), float(samples.mean())
    length = float(np.sqrt(known + mean))
    if length == 0.0:
        return 0.0, 0.0
    rounding = rounding_of_products(operator) * length
    if mean <= 0.0:
        return length, rounding
    forms, p = gram / mean, operator.size
    diagonal = np.diagonal(forms).real
    squares = float((np.abs(forms) ** 2).sum() - (diagonal**2).sum())  # m (m - 1) tr B^2
    products = float(m * m - (diagonal**2).sum())  # m (m - 1) (tr B)^2
    scatter = float(diagonal.var(ddof=1))
    by_pairs = squares / products - 1 / p if products > 0.0 else 1.0
    by_pairs *= p / (p + 1) if operator.is_complex else 2 * p / (p + 2)
    variance = max(by_pairs, scatter) / m
    degrees = 2 / max(variance, 1e-12)
    highest = degrees / (2 * float(gammaincinv(degrees / 2, 0.025)))
    reach = mean * (highest - 1) / (np.sqrt(known + mean * highest) + length)
    pairs = student_widening(1 + m * (m - 1) // 2) * float(reach / ndtri(0.975))
    alone = student_widening(m) * mean * float(np.sqrt(scatter / m)) / (2 * length)
    return length, max(pairs, alone, rounding)


def student_widening(number: int) -> float:
    """Return Student's quantile of so many samples over that of the normal law, at 95 %.

    Parameters
    ----------
    number : int
        Of samples.

    Returns
    -------
    float
        1 for a single sample, whose scatter is infinite.
    """
    return float(stdtrit(number - 1, 0.975) / ndtri(0.975)) if number > 1 else 1.0


def rounding_of_products(operator: SymmetricOperator) -> float:
    """Return the relative error of sums of products that rounding may leave.

    Parameters
    ----------
    operator : SymmetricOperator
        Its precision counts.

    Returns
    -------
    float
        Four rounding units.
    """
    return 4.0 * float(np.finfo(operator.dtype).eps)


def _triangle(operator: SymmetricOperator, images: Array) -> NumpyArray:
    """Return R of images = QR, on the host."""
    if operator.place.is_host:
        return np.asarray(np.linalg.qr(images, mode="r"))
    triangle = operator.place.take(operator.place.xp.linalg.qr(images)[1])
    operator.refuse_infinities(triangle)
    return triangle


def orthonormal_images(operator: SymmetricOperator, images: Array) -> Array:
    """Return Q of images = QR, where the images are.

    Parameters
    ----------
    operator : SymmetricOperator
        Where the images are.
    images : array, shape (p, k)
        Columns.

    Returns
    -------
    array, shape (p, k)
        Orthonormal columns.
    """
    return operator.place.xp.linalg.qr(images)[0]


def is_low_rank(operator: SymmetricOperator, images: Array) -> bool:
    """Whether less than half of a random image lies outside of the others, in the mean square.

    Parameters
    ----------
    operator : SymmetricOperator
        Where the images are.
    images : array, shape (p, k)
        Columns.

    Returns
    -------
    bool
    """
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
