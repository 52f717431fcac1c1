r"""Hessians of softmax regression: several classes.

For cross-entropy on K classes, logits :math:`w_k^T x` and n samples of p features, the Hessian in
the K p weights is

.. math:: H = \frac1n \sum_i \bigl(\operatorname{diag}(p_i) - p_i p_i^T\bigr) \otimes x_i x_i^T,

p_i the softmax of the logits. In the bulk, with x ~ N(0, 1) and c = p/n, the resolvent averages to
the K x K matrix M (times the unit matrix) with

.. math::
    M = \bigl(z - E\,[S (1 - c M S)^{-1}]\bigr)^{-1}, \qquad
    S = \operatorname{diag}(p) - p p^T .

S has the vector of ones in its null space. Where logits are exchangeable, w_k independent of equal
norm tau, M is a multiple g of the unit matrix on the rest, and taking the trace there leaves a
scalar equation, that of a free compound Poisson law whose weights are the K - 1 other eigenvalues
of S:

.. math:: \frac1g = z - E \frac{1}{K - 1} \sum_{j=1}^{K-1} \frac{s_j}{1 - c\, s_j g} .

One eigenvalue in K is zero. At tau = 0 the rest is Marchenko-Pastur over K. The class directions
w_k, a number that stays as p grows, may have outliers, which are not part of the law. The one class
of more than two is the extension of [1]_ used here; for K = 2 it is logistic regression with the
weight w_1 - w_2, H doubled.

References
----------
.. [1] Z. Liao and M. W. Mahoney, Hessian eigenspectra of more realistic nonlinear models, NeurIPS
       2021, arXiv:2103.01519.

Examples
--------
>>> model = SoftmaxHessian(5, 1.0, 2.0)
>>> model.law.atoms, round(model.law.support[0][1], 9)
(((0.0, 0.2),), 0.582842712)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.arguments import count, nonnegative, positive
from rmtland.laws import Discrete, Law, mixture
from rmtland.laws.affine_law import affine
from rmtland.models.depth.compound_poisson import compound_poisson, gauss_discrete
from rmtland.models.depth.matrix_draws import drawn_spectrum, rounded_sizes
from rmtland.models.depth.slope_law import normal_rule
from rmtland.models.quadratures import SampledModel
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["SoftmaxHessian"]

_ATOMS = 16
_MORE_ATOMS = 64
_TAIL = 1e-3  # mass that single atoms may hold beside the bulk, as those of rare curvatures do
_VALUES = 2**17  # eigenvalues of S that stand for their law
_LOG_POINTS = (6, 12)  # of logits, at least and at most
_ENTRIES = 2**18  # of matrices S that are held at a time


@dataclass(frozen=True)
class SoftmaxHessian(SampledModel):
    r"""The Hessian of softmax regression with normal features and random weights, of size K p.

    .. formula:: Hessian of softmax regression, :math:`\sum_i (\operatorname{diag}(p_i) - p_i
        p_i^\top) \otimes x_i x_i^\top/n`

    Parameters
    ----------
    classes : int
        K, >= 2.
    features, samples : float
        p and n, > 0: only their ratio enters the law.
    logit_std : float
        tau >= 0: standard deviation of each logit, the norm of each w_k.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If `logit_std` or another parameter is no real number, or `classes` is no integer.

    See Also
    --------
    rmtland.models.GeneralisedLinearHessian : two classes.
    """

    classes: int
    features: float
    samples: float
    logit_std: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", count("classes", self.classes, min_value=2))
        for name in ("features", "samples"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        object.__setattr__(self, "logit_std", nonnegative("logit_std", self.logit_std))

    @property
    def ratio(self) -> float:
        """The ratio c = p/n."""
        return self.features / self.samples

    @cached_property
    def curvature_law(self) -> Discrete:
        """Law of the K - 1 eigenvalues of S, as a Gauss quadrature.

        The average over logits is exact for two classes, and over points of a Sobol sequence for
        more: 4096 up to 32 classes, fewer for more of them, which average by themselves. Moments
        have an error of some 1e-4. Takes seconds for 1000 classes, and grows with their square.
        """
        if not self.logit_std:
            return Discrete((1 / self.classes,), (1.0,))
        if self.classes == 2:
            z, weights = normal_rule(257)
            decay = np.exp(-np.abs(math.sqrt(2) * self.logit_std * z))
            return gauss_discrete(2 * decay / (1 + decay) ** 2, weights, _ATOMS)
        values = self._drawn_curvatures
        return gauss_discrete(values, np.ones(values.size), _ATOMS)

    @cached_property
    def _drawn_curvatures(self) -> Real:
        """Eigenvalues of S, but one of zero, at points of a Sobol sequence."""
        from scipy.stats import norm, qmc  # scipy.stats loads at first use

        points = round(math.log2(_VALUES / self.classes))
        sequence = qmc.Sobol(self.classes, rng=np.random.default_rng(2021))
        drawn = sequence.random_base2(min(max(points, _LOG_POINTS[0]), _LOG_POINTS[1]))
        logits = self.logit_std * norm.ppf(drawn)
        parts = np.array_split(logits, 1 + logits.size * self.classes // _ENTRIES)
        values = [np.linalg.eigvalsh(_curvatures(part))[:, 1:].ravel() for part in parts]
        return np.concatenate(values)

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of H, without outliers.

        The law of the curvatures is replaced by their Gauss quadrature, of 16 atoms or, where they
        would show, as with many classes, of 64; those of rare large ones may show beside the bulk,
        as bands of at most a thousandth of the mass.

        Raises
        ------
        ConvergenceError
            If the eigenvalues of S are spread so widely, for so few samples a feature, that their
            quadrature shows.
        """
        share = 1 / self.classes
        rest = self._of_curvatures(self.curvature_law)
        if len(rest.support) > 1 and self.classes > 2:
            values = self._drawn_curvatures
            rest = self._of_curvatures(gauss_discrete(values, np.ones(values.size), _MORE_ATOMS))
        if _beside_largest(rest) > _TAIL:
            raise ConvergenceError(
                f"the curvatures of {self!r} are spread so widely, for so few samples a feature, "
                "that the atoms of their quadrature show in the law as bands: take more samples or "
                "a smaller logit_std"
            )
        return mixture([Discrete((0.0,), (1.0,)), rest], [share, 1 - share])

    def _of_curvatures(self, curvatures: Law) -> Law:
        return compound_poisson(1 / self.ratio, affine(curvatures, scale=self.ratio))

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw features and weights and return all eigenvalues of H.

        Parameters
        ----------
        n : int
            Number of features p; samples are rounded from their ratio.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n classes), outliers included.
        """
        p, samples = rounded_sizes(n, (self.features, self.samples))

        def draw(stream: np.random.Generator) -> Real:
            weights = stream.normal(size=(self.classes, p)) * self.logit_std / math.sqrt(p)
            x = stream.normal(size=(samples, p))
            blocks = np.einsum(
                "ikl,ia,ib->kalb", _curvatures(x @ weights.T) / samples, x, x, optimize=True
            )
            values = np.linalg.eigvalsh(blocks.reshape(self.classes * p, -1))
            null = self.classes * p - min((self.classes - 1) * min(samples, p), values.size)
            values[:null] = 0.0  # the vector of ones, and what samples leave free
            return np.maximum(values, 0.0)

        return drawn_spectrum(self, draw, rng, runs)


def _beside_largest(law: Law) -> float:
    """Mass of all bands but the one that holds the most."""
    if len(law.support) == 1:
        return 0.0
    masses = [float(law.cdf(high) - law.cdf(low)) for low, high in law.support]
    return sum(masses) - max(masses)


def _curvatures(logits: Real) -> Real:
    """diag(p) - p p^T of the softmax p of logits, shape (samples, K, K)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = shifted / shifted.sum(axis=1, keepdims=True)
    return np.asarray(p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None, :])
