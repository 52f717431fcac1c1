r"""The two legs of a tensor product: one by its law, the other by a complex Gaussian sample.

Data enter the Hessian of a one-hidden-layer network by the spectrum of X^T X/m on the m samples
alone. Averaged, it is the free compound Poisson law with the free cumulants

.. math:: \kappa_k = \frac{n_0}{m} \, E \sigma^k

of the eigenvalues sigma of the data covariance (for white data Marchenko-Pastur); analytic
functions of it are integrated by a Gauss rule of few nodes, and the mass at zero. Sampled, it is
drawn with W2, the features h and the residuals e: complex, because the first correction of real
matrices is of order 1/n and that of complex ones 1/n^2. Only the limit is asked for, so that the
singular values of the Gaussian matrices are put at the quantiles of the Marchenko-Pastur law, and
their singular vectors alone are drawn: the values of a leg scatter a third as much (ReLU).

References
----------
.. [1] W. Gautschi, Orthogonal Polynomials: Computation and Approximation, Oxford University Press,
       2004, section 2.1.7: the recurrence from moments.

Examples
--------
>>> nodes, weights = sample_rule([1.0], [1.0], 0.25, count=2)
>>> nodes.round(6), weights.round(6)
(array([0.609612, 1.640388, 0.      ]), array([0.155317, 0.094683, 0.75    ]))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from rmtland.laws import MarchenkoPastur
from rmtland.typing import ArrayLike, Complex, Real

__all__ = ["SampledLeg", "isotropic", "leg_sizes", "ratios_off", "sample_rule"]

_SLACK = 0.25
"""By how much legs may be larger than asked for, so that their sizes have the right ratios."""


@dataclass(frozen=True, eq=False)
class SampledLeg:
    """A leg that is drawn, in the basis of the right singular vectors of X.

    Parameters
    ----------
    second : ndarray of complex, shape (n2, n1)
        W2.
    features : ndarray of complex, shape (n1, m)
        h/sqrt m.
    residuals : ndarray of complex, shape (n2, m)
        e/sqrt m.
    spectrum : ndarray of float, shape (m,)
        Eigenvalues of X^T X/m.
    """

    second: Complex
    features: Complex
    residuals: Complex
    spectrum: Real

    @classmethod
    def draw(
        cls,
        sizes: tuple[int, int, int, int],
        levels: Real,
        *,
        slope: float,
        rest: float,
        first_variance: float,
        second_variance: float,
        epsilon: float,
        rng: np.random.Generator,
    ) -> SampledLeg:
        """Draw a leg.

        Parameters
        ----------
        sizes : tuple of int
            n0, n1, n2 and m.
        levels : ndarray of float, shape (n0,)
            Eigenvalues of the data covariance.
        slope, rest : float
            c1 and c*^2 of the activation.
        first_variance, second_variance : float
            n0 times the variance of the entries of W1, n1 times that of W2.
        epsilon : float
            Energy.
        rng : numpy.random.Generator
            Source of the numbers.

        Returns
        -------
        SampledLeg
            In the basis where X^T X is diagonal.
        """
        n0, n1, n2, m = sizes

        x = isotropic(n0, m, rng) * np.sqrt(levels / m)[:, None]
        spectrum = np.zeros(m)
        if n0 < m:
            spectrum[:n0] = np.linalg.eigvalsh(x @ x.conj().T)
        else:
            spectrum[:] = np.linalg.eigvalsh(x.conj().T @ x)
        np.maximum(spectrum, 0.0, out=spectrum)
        ranks = min(n0, m)
        features = isotropic(n1, m, rng) * math.sqrt(rest / m)
        scale = np.sqrt(slope**2 * first_variance / n0 * spectrum[:ranks])
        features[:, :ranks] += isotropic(n1, ranks, rng) * scale
        return cls(
            isotropic(n2, n1, rng) * math.sqrt(second_variance / n1),
            features,
            isotropic(n2, m, rng) * math.sqrt(2 * epsilon / m),
            spectrum,
        )


def isotropic(rows: int, columns: int, rng: np.random.Generator) -> Complex:
    """Draw a complex matrix with the singular values of a large Gaussian one.

    Parameters
    ----------
    rows, columns : int
        Its shape.
    rng : numpy.random.Generator
        Source of the singular vectors, which are uniform.

    Returns
    -------
    ndarray of complex, shape (rows, columns)
        The mean square of its entries is 1.
    """
    pair = rng.normal(size=(2, rows, columns))
    left, _, right = np.linalg.svd(pair[0] + 1j * pair[1], full_matrices=False)
    return np.asarray((left * _singular_values(*sorted((rows, columns)))) @ right)


@cache
def _singular_values(few: int, many: int) -> Real:
    """Quantiles of the singular values of a matrix with independent entries of variance 1."""
    law = MarchenkoPastur(few / many, float(many))
    squares = np.asarray(law.ppf((np.arange(few) + 0.5) / few))[::-1]
    values: Real = np.sqrt(squares * (few * many / squares.sum()))
    values.flags.writeable = False
    return values


def sample_rule(
    sigma: ArrayLike, share: ArrayLike, aspect: float, *, count: int
) -> tuple[Real, Real]:
    """Return a quadrature rule for the eigenvalues of X^T X/m, zeros among them.

    Parameters
    ----------
    sigma, share : array_like, shape (k,)
        Eigenvalues of the data covariance, and their shares.
    aspect : float
        n0/m.
    count : int
        Number of nodes other than zero.

    Returns
    -------
    (ndarray, ndarray)
        Nodes, zero last where it has a mass, and weights that add up to 1.
    """
    levels = [Fraction(float(s)) for s in np.asarray(sigma).ravel()]
    shares = [Fraction(float(w)) for w in np.asarray(share).ravel()]
    total = sum(shares)
    if len(levels) == 1:
        return _white_rule(float(levels[0]), aspect, count)
    # moments come and go exactly: in floating point the recurrence would lose all digits
    ratio = Fraction(float(aspect))
    order = 2 * count
    cumulants = [
        ratio * sum(w * s**k for w, s in zip(shares, levels, strict=True)) / total
        for k in range(1, order + 1)
    ]
    moments = _moments(cumulants)
    present = sum(w for w, s in zip(shares, levels, strict=True) if s > 0) / total
    moments[0] = min(Fraction(1), ratio * Fraction(present))  # of what is not zero
    diagonal, beside = _recurrence(moments, count)
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    nodes, vectors = np.linalg.eigh(matrix)
    weights = vectors[0] ** 2 * float(moments[0])
    if moments[0] < 1:
        nodes, weights = np.append(nodes, 0.0), np.append(weights, float(1 - moments[0]))
    return nodes, weights


def _white_rule(level: float, aspect: float, count: int) -> tuple[Real, Real]:
    """Rule of the Marchenko-Pastur law, whose recurrence is constant from the second step on."""
    ratio, mass = min(aspect, 1 / aspect), min(aspect, 1.0)
    diagonal = np.full(count, 1 + ratio)
    diagonal[0] = 1.0
    beside = np.full(count - 1, math.sqrt(ratio))
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    nodes, vectors = np.linalg.eigh(matrix)
    nodes, weights = nodes * level * max(aspect, 1.0), vectors[0] ** 2 * mass
    if mass < 1:
        nodes, weights = np.append(nodes, 0.0), np.append(weights, 1 - mass)
    return nodes, weights


def _moments(cumulants: list[Fraction]) -> list[Fraction]:
    """Moments 0, 1, ... of free cumulants 1, 2, ...: M(x) = 1 + sum kappa_k (x M(x))^k."""
    order = len(cumulants)
    moments = [Fraction(1)] + [Fraction(0)] * order
    for n in range(1, order + 1):
        # powers[k][j]: coefficient of x^j in M^k, of which n - 1 is the highest that is known
        power = [Fraction(1)] + [Fraction(0)] * (n - 1)
        value = Fraction(0)
        for k in range(1, n + 1):
            power = [
                sum((power[i] * moments[j - i] for i in range(j + 1)), Fraction(0))
                for j in range(n)
            ]
            value += cumulants[k - 1] * power[n - k]
        moments[n] = value
    return moments


def _recurrence(moments: list[Fraction], count: int) -> tuple[list[float], list[float]]:
    """Diagonal and next diagonal of the Jacobi matrix (Chebyshev's algorithm)."""
    before = [Fraction(0)] * len(moments)
    now = list(moments)
    diagonal = [moments[1] / moments[0]]
    squares: list[Fraction] = []
    last = Fraction(0)
    for k in range(1, count):
        after = [Fraction(0)] * len(moments)
        for j in range(k, 2 * count - k):
            after[j] = now[j + 1] - diagonal[-1] * now[j] - last * before[j]
        diagonal.append(after[k + 1] / after[k] - now[k] / now[k - 1])
        last = after[k] / now[k - 1]
        squares.append(last)
        before, now = now, after
    return [float(a) for a in diagonal], [math.sqrt(b) for b in squares]


def ratios_off(sizes: tuple[float, float, float, float], leg: tuple[int, int, int, int]) -> float:
    """Return the largest relative error of the ratios of a leg's sizes to its hidden units.

    Parameters
    ----------
    sizes : tuple of float
        n0, n1, n2 and m.
    leg : tuple of int
        Those of the leg.

    Returns
    -------
    float
    """
    exact = [leg[1] * size / sizes[1] for size in sizes]
    return max(abs(one / value - 1) for one, value in zip(leg, exact, strict=True))


def leg_sizes(
    sizes: tuple[float, float, float, float],
    hidden: int,
    levels_off: Callable[[int], float] = lambda n0: 0.0,
) -> tuple[int, int, int, int]:
    """Return whole numbers in the ratios of the sizes, as nearly as legs of that size can.

    Parameters
    ----------
    sizes : tuple of float
        n0, n1, n2 and m.
    hidden : int
        Least number of hidden units; up to a quarter more are taken.
    levels_off : callable, optional
        Error of the data that so many inputs can have, which counts like that of a ratio.

    Returns
    -------
    tuple of int
        n0, n1, n2 and m.
    """
    n1 = sizes[1]
    best: tuple[float, tuple[int, int, int, int]] | None = None
    for units in range(hidden, math.floor((1 + _SLACK) * hidden) + 1):
        n0, _, n2, m = (max(1, round(units * size / n1)) for size in sizes)
        leg = n0, units, n2, m
        off = max(ratios_off(sizes, leg), levels_off(n0))
        if best is None or off < best[0] - 1e-9:
            best = off, leg
    assert best is not None
    return best[1]
