r"""Hessians of generalised linear models: H = X D X^T/n of logistic regression and its kind.

For the loss (1/n) sum of l(y_i, w^T x_i) on n samples x_i of p features, in the columns of X, the
Hessian is X D X^T/n with :math:`D_i = l''(y_i, w^T x_i)`: logistic, :math:`D = \sigma'(w^T x)`;
squared, D = 1. It is its own Gauss-Newton matrix. Let x = C^{1/2} u with u normal of covariance 1
and mean mu, c = p/n. D depends on x in the direction of w only, so that the bulk is [1]_

.. math::
    \operatorname{law}(H) = \operatorname{law}(C) \boxtimes \rho_D, \qquad
    R_{\rho_D}(g) = E \frac{D}{1 - c D g}, \quad
    D = l''(s), \; s \sim N(w \cdot \mu, |w|^2),

the free compound Poisson law of weights c D and rate 1/c. For logistic regression at w = 0 it is
Marchenko-Pastur over 4. In the plane of w and mu, where D and x are not independent, eigenvalues
may leave the bulk: for C = 1, with G the Stieltjes transform of the bulk, at every z off it with

.. math:: \det\Bigl(z - E \frac{D \, u u^T}{1 - c D \, G(z)}\Bigr) = 0

(u in an orthonormal basis of the plane, by the Schur complement), the eigenvector having the
squared overlap 1/(1 - lambda'(z)) with the plane, lambda the eigenvalue of that average. At w = 0,
rho the squared norm of mu, this gives :math:`\frac14 (1 + \rho + c (1 + \rho)/\rho)` for
:math:`\rho > \sqrt c` [1]_.

References
----------
.. [1] Z. Liao and M. W. Mahoney, Hessian eigenspectra of more realistic nonlinear models, NeurIPS
       2021, arXiv:2103.01519.

Examples
--------
>>> model = GeneralisedLinearHessian(1.0, 4.0, mean_norm=1.0)
>>> model.law
MarchenkoPastur(aspect_ratio=0.25, scale=0.25)
>>> (outlier,) = model.outliers()
>>> round(outlier.location, 9)
0.625
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from rmtland.arguments import choice, finite, nonnegative, positive
from rmtland.ensembles.operands import positive_law
from rmtland.ensembles.quantiles import quantiles
from rmtland.free import free_product
from rmtland.laws import Discrete, Law
from rmtland.laws.affine_law import affine
from rmtland.models.depth.compound_poisson import compound_poisson, gauss_discrete, uniform_pieces
from rmtland.models.depth.linear_jacobian import squared_singular_values
from rmtland.models.depth.matrix_draws import drawn_spectrum, rounded_sizes
from rmtland.models.depth.slope_law import normal_rule
from rmtland.models.quadratures import SampledModel
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["FeatureOutlier", "GeneralisedLinearHessian"]

_ATOMS = 24
_PIECES = 32
_NARROW = 1e-6  # relative deviation of curvatures below which atoms cannot show
_TOLERANCE = 1e-2  # of the first two moments of the curvatures


class FeatureOutlier(NamedTuple):
    """An eigenvalue beside the bulk, from the directions of the weights and of the mean.

    Parameters
    ----------
    location : float
        Limit of the eigenvalue.
    overlap : float
        Limit of the squared length of its eigenvector in the plane of w and mu, in (0, 1].
    """

    location: float
    overlap: float


def _logistic(s: Real) -> Real:
    decay = np.exp(-np.abs(s))
    return np.asarray(decay / (1 + decay) ** 2)


_CURVATURES: dict[str, Callable[[Real], Real]] = {
    "logistic": _logistic,
    "squared": np.ones_like,
}


@dataclass(frozen=True)
class GeneralisedLinearHessian(SampledModel):
    r"""The Hessian X D X^T/n of a generalised linear model with normal features.

    .. formula:: Hessian of logistic regression, :math:`X D X^\top/n`, and its outliers

    Parameters
    ----------
    features, samples : float
        p and n, > 0: only their ratio enters the law.
    loss : {"logistic", "squared"}
        What D is the second derivative of.
    weight_norm : float
        Norm of C^{1/2} w, >= 0: the standard deviation of w^T x.
    mean_norm : float
        Norm of the mean mu of the whitened features, >= 0.
    cosine : float
        Cosine of the angle between C^{1/2} w and mu, in [-1, 1].
    covariance : Law, Spectrum or array_like of float, optional
        Law of the eigenvalues of the covariance C of the features; the unit matrix by default.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If `cosine` or another parameter is no real number.

    See Also
    --------
    rmtland.models.SoftmaxHessian : several classes.
    """

    features: float
    samples: float
    loss: str = field(default="logistic", kw_only=True)
    weight_norm: float = field(default=0.0, kw_only=True)
    mean_norm: float = field(default=0.0, kw_only=True)
    cosine: float = field(default=0.0, kw_only=True)
    covariance: Law | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("features", "samples"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("weight_norm", "mean_norm"):
            object.__setattr__(self, name, nonnegative(name, getattr(self, name)))
        choice("loss", self.loss, tuple(_CURVATURES))
        cosine = finite("cosine", self.cosine)
        if abs(cosine) > 1:
            raise ValueError(f"cosine must be in [-1, 1]; got {cosine}")
        object.__setattr__(self, "cosine", cosine)
        if self.covariance is not None:
            object.__setattr__(self, "covariance", positive_law("covariance", self.covariance))

    @property
    def ratio(self) -> float:
        """The ratio c = p/n."""
        return self.features / self.samples

    def _along(self, points: int) -> tuple[Real, Real]:
        """Coordinate of u along w, dense where w^T x = 0 and D has its peak, and weights."""
        shift = self.mean_norm * self.cosine
        z, weights = normal_rule(points, kink=-shift)
        return z + shift, weights

    @cached_property
    def _rule(self) -> tuple[Real, Real, Real]:
        """Coordinate of u along w, weights and D of a quadrature."""
        u, weights = self._along(257)
        return u, weights, _CURVATURES[self.loss](self.weight_norm * u)

    @cached_property
    def curvature_law(self) -> Discrete:
        """Law of D, as a Gauss quadrature; a point mass where D is constant."""
        _, weights, curvature = self._rule
        return gauss_discrete(curvature, weights, _ATOMS)

    @cached_property
    def white_law(self) -> Law:
        """Limit law of the bulk for C = 1."""
        curvatures: Law = self.curvature_law
        spread = len(curvatures.atoms) > 1
        in_pieces = self.ratio >= 1 and curvatures.std() > _NARROW * curvatures.mean()
        if in_pieces:
            curvatures = self._pieces()
        _, weights, curvature = self._rule
        for k in (1, 2):
            found, moment = curvatures.moment(k), float(weights @ curvature**k)
            if not abs(found - moment) <= _TOLERANCE * moment:
                raise self._too_wide(f"their moment {k} comes out as {found:.3g}, not {moment:.3g}")
        law = compound_poisson(1 / self.ratio, affine(curvatures, scale=self.ratio))
        if spread and len(law.support) > 1:
            raise self._too_wide("the atoms of their quadrature show in the law as bands")
        try:
            if in_pieces:
                law._require_certificate()
        except ConvergenceError:
            raise self._too_wide("the equation of the law is not solved at its edges") from None
        return law

    def _pieces(self) -> Law:
        """Law of D as uniform pieces, which leave no atoms in the law of H."""
        u, masses = self._along(4097)
        try:
            return uniform_pieces(_CURVATURES[self.loss](self.weight_norm * u), masses, _PIECES)
        except ValueError as error:
            raise self._too_wide(str(error)) from None

    def _too_wide(self, sign: str) -> ConvergenceError:
        return ConvergenceError(
            f"the curvatures of {self!r} are spread so widely, for so few samples a feature, that "
            f"{sign}: take more samples or a smaller weight_norm"
        )

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of H, without its outliers.

        The law of D is replaced by its Gauss quadrature, or for p >= n by 32 uniform pieces, which
        leaves an error of some 1e-3 in the distribution function.

        Raises
        ------
        ConvergenceError
            If D is spread so widely, for so few samples a feature, that the quadrature shows.
        """
        if self.covariance is None:
            return self.white_law
        return free_product(self.covariance, self.white_law)

    def outliers(self) -> tuple[FeatureOutlier, ...]:
        """Eigenvalues beside the bulk, ascending.

        Returns
        -------
        tuple of FeatureOutlier
            At most two on each side of a band.

        Raises
        ------
        ValueError
            If a covariance is given: the outliers then depend on how w and mu lie to its
            eigenvectors.
        """
        if self.covariance is not None:
            raise ValueError(
                "outliers are known for the unit covariance; with another one they depend on how "
                "weights and mean lie to its eigenvectors: leave covariance out"
            )
        bands = self.law.support
        top = bands[-1][1]
        ends = [0.0, *(end for band in bands for end in band)]
        gaps = [(low, high) for low, high in zip(ends[::2], [*ends[1::2]], strict=False)]
        last = float(self._averages(top * (1 + 1e-9)).max()) + top
        found = []
        for low, high in [*gaps, (top, 2 * last)]:
            margin = 1e-9 * top
            if high - low > 4 * margin:
                found += self._between(low + margin, high - margin)
        return tuple(sorted(found))

    def _matrix(self, z: float) -> Real:
        """E D u u^T / (1 - c D G(z)) in a basis of the directions that count."""
        u, weights, curvature = self._rule
        g = float(np.real(self.law.stieltjes(z)))
        scaled = weights * curvature / (1 - self.ratio * curvature * g)
        across = self.mean_norm * math.sqrt(1 - self.cosine**2)
        first, second = float(scaled @ u**2), float(scaled.sum()) * (1 + across**2)
        mixed = float(scaled @ u) * across
        if not self.weight_norm:  # D is constant: w is a direction like any other
            return np.array([[float(scaled.sum()) * (1 + self.mean_norm**2)]])
        return np.array([[first, mixed], [mixed, second]]) if across else np.array([[first]])

    def _averages(self, z: float) -> Real:
        return np.asarray(np.linalg.eigvalsh(self._matrix(z)))

    def _between(self, low: float, high: float) -> list[FeatureOutlier]:
        """Outliers in an interval off the bulk, where z - lambda(z) increases."""
        found = []
        for number in range(len(self._averages(high))):

            def rest(z: float, number: int = number) -> float:
                return float(z - self._averages(z)[number])

            if rest(low) < 0 < rest(high):
                z = float(brentq(rest, low, high, xtol=1e-14 * high, rtol=1e-14))
                step = min(1e-5 * high, (z - low) / 2, (high - z) / 2)
                slope = (rest(z + step) - rest(z - step)) / (2 * step)
                found.append(FeatureOutlier(z, 1 / slope))
        return found

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw features and return all eigenvalues of H.

        Parameters
        ----------
        n : int
            Number of features p, the size of H; samples are rounded from their ratio.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n), outliers included.

        Raises
        ------
        ValueError
            If `n` or `runs` is below 1, or `n` is 1 where weights and mean span a plane.
        TypeError
            If a number is no integer.
        """
        p, samples = rounded_sizes(n, (self.features, self.samples))
        across = self.mean_norm * math.sqrt(1 - self.cosine**2)
        if p < 2 and across:
            raise ValueError("weights and mean span a plane: n must be at least 2")

        def draw(stream: np.random.Generator) -> Real:
            u = stream.normal(size=(p, samples))
            u[0] += self.mean_norm * self.cosine
            if across:
                u[1] += across
            curvature = _CURVATURES[self.loss](self.weight_norm * u[0])
            rows = u * np.sqrt(curvature / samples)
            if self.covariance is not None:
                basis, _ = np.linalg.qr(stream.normal(size=(p, p)))
                rows = np.sqrt(quantiles(self.covariance, p))[:, None] * (basis @ rows)
            return squared_singular_values(rows)

        return drawn_spectrum(self, draw, rng, runs)
