r"""Gradient noise: the covariance of the gradients of single samples, and its alignment with H.

With g_mu the gradient of the loss of sample mu and g their mean,

.. math::
    \Sigma = \frac1m \sum_\mu g_\mu g_\mu^T - g g^T ,

the noise of the gradient of a batch of B samples has covariance Sigma/B where the samples are drawn
with replacement, and

.. math:: \frac{\Sigma}{B} \, \frac{m - B}{m - 1}

without. Weight decay shifts all g_mu alike and has no part in Sigma. At an interpolating minimum
Sigma = 0; at a minimum of a well-specified likelihood Sigma is close to H; in general neither its
size nor its eigenvectors are those of H.

The texts' temperature of SGD is T = eta tr(Sigma)/B: one number for noise that differs between
directions (`rmtland.landscape.noise.stationary` says what follows for each).

Synonyms: stochastic gradient covariance, minibatch noise, noise scale, empirical Fisher, alignment.

References
----------
.. [1] S. Mandt, M. D. Hoffman and D. M. Blei, Stochastic gradient descent as approximate Bayesian
       inference, J. Mach. Learn. Res. 18 (2017) 1-35.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 3, rng=0), MLP((3, 4, 3))
>>> noise = GradientNoise.of(net.at(net.init(rng=1), data.x, data.y))
>>> noise.covariance.shape, noise.samples
((24, 24), 20)
>>> round(noise.factor(5, "without") / noise.factor(5, "with"), 6) == round(15 / 19, 6)
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from rmtland.arguments import choice, count, float_array, positive
from rmtland.arrays import to_numpy
from rmtland.networks import LossPoint
from rmtland.typing import ArrayLike, Real

__all__ = ["SAMPLINGS", "Alignment", "GradientNoise", "noise_factor"]

SAMPLINGS = ("with", "without", "reshuffling")
"""Batches drawn with replacement, without, or cut from an order of all samples drawn each epoch."""


class Alignment(NamedTuple):
    """How the noise lies to the Hessian.

    Made by `rmtland.landscape.noise.GradientNoise.alignment`.

    Parameters
    ----------
    cosine : float
        tr(Sigma H) over both Frobenius norms: 1 if one is a multiple of the other.
    gain : float
        p tr(Sigma H)/(tr Sigma tr H): 1 if one of them is isotropic, up to p where both have rank
        1; NaN where a trace is not positive.
    ratio : float
        tr(Sigma H)/tr(H^2): the multiple of H that is nearest to Sigma.
    """

    cosine: float
    gain: float
    ratio: float


def noise_factor(samples: int, batch_size: int, sampling: str) -> float:
    """Return the covariance of the noise of one batch in units of Sigma.

    Parameters
    ----------
    samples : int
        m.
    batch_size : int
        B, at most m without replacement.
    sampling : {"with", "without", "reshuffling"}
        How samples are drawn; a single batch of a reshuffled epoch is drawn without replacement.

    Returns
    -------
    float
        1/B, or (m - B)/(B (m - 1)).

    Raises
    ------
    ValueError
        If B is larger than m without replacement, or does not divide m with reshuffling.
    TypeError
        If `samples` or `batch_size` is no integer.
    """
    m, b = count("samples", samples), count("batch_size", batch_size)
    if choice("sampling", sampling, SAMPLINGS) == "with":
        return 1.0 / b
    if b > m:
        raise ValueError(f"batch_size must be at most the {m} samples without replacement; got {b}")
    if sampling == "reshuffling" and m % b:
        raise ValueError(
            f"with reshuffling all batches must be of the same size: batch_size must divide the "
            f"{m} samples; got {b}"
        )
    return (m - b) / (b * (m - 1)) if m > 1 else 0.0


@dataclass(frozen=True, eq=False)
class GradientNoise:
    r"""Covariance of the gradients of single samples about their mean.

    .. formula:: Gradient noise, :math:`\Sigma = \frac1m \sum_\mu g_\mu g_\mu^\top - g g^\top`

    Made by `rmtland.landscape.noise.GradientNoise.of`.

    Parameters
    ----------
    covariance : ndarray, shape (p, p)
        Sigma.
    gradient : ndarray, shape (p,)
        Mean gradient g of the loss, weight decay included.
    samples : int
        m.
    """

    covariance: Real
    gradient: Real
    samples: int

    @classmethod
    def of(cls, point: LossPoint) -> Self:
        """Return the exact gradient noise of a network at a point.

        Parameters
        ----------
        point : LossPoint
            Loss of a network on its data, by `MLP.at`.

        Returns
        -------
        GradientNoise
            Covariance, mean gradient and number of samples.

        Raises
        ------
        ValueError
            If a gradient overflows.
        """
        rows = np.asarray(to_numpy(point.sample_gradients()), dtype=np.float64)
        return cls.of_gradients(rows, gradient=np.asarray(to_numpy(point.gradient)))

    @classmethod
    def of_gradients(cls, gradients: ArrayLike, *, gradient: ArrayLike | None = None) -> Self:
        """Return the noise of given gradients.

        Parameters
        ----------
        gradients : array_like, shape (m, p)
            One row for each sample.
        gradient : array_like, shape (p,), optional
            Gradient of the loss, where it is not their mean (weight decay).

        Returns
        -------
        GradientNoise
            Covariance, mean gradient and number of samples.

        Raises
        ------
        ValueError
            For another shape, or gradients whose squares leave the range of floating-point numbers.
        """
        rows = float_array("gradients", gradients, ndim=2)
        if not rows.size:
            raise ValueError(f"gradients must have shape (m, p), not empty; got {rows.shape}")
        mean = rows.mean(axis=0)
        centred = rows - mean
        if not 1e-140 < (float(np.abs(centred).max()) or 1.0) < 1e140:
            raise ValueError(
                f"gradients differ by {float(np.abs(centred).max()):.3g}: their squares leave the "
                "range of floating-point numbers; measure the loss in another unit"
            )
        given = mean if gradient is None else float_array("gradient", gradient, ndim=1)
        if given.shape != mean.shape:
            raise ValueError(f"gradient must have {mean.size} entries; got {given.size}")
        return cls(centred.T @ centred / len(rows), given, len(rows))

    def __repr__(self) -> str:
        return (
            f"GradientNoise({self.samples} samples, {self.gradient.size} parameters, "
            f"trace={self.trace:.4g})"
        )

    @property
    def trace(self) -> float:
        """Sum of the variances, tr Sigma."""
        return float(np.trace(self.covariance))

    @cached_property
    def eigenvalues(self) -> Real:
        """Eigenvalues of Sigma, descending."""
        return np.asarray(np.linalg.eigvalsh(self.covariance)[::-1], dtype=np.float64)

    @property
    def effective_rank(self) -> float:
        """Number of directions that carry the noise, (tr Sigma)^2/tr(Sigma^2)."""
        unit = float(np.abs(self.covariance).max())
        if unit == 0.0:
            return 0.0
        scaled = self.covariance / unit  # squares of tiny or huge entries are no numbers
        return float(np.trace(scaled)) ** 2 / float((scaled * scaled).sum())

    def factor(self, batch_size: int, sampling: str = "with") -> float:
        """Return the covariance of the noise of one batch in units of Sigma.

        Parameters
        ----------
        batch_size : int
            B.
        sampling : {"with", "without", "reshuffling"}, optional
            How samples are drawn.

        Returns
        -------
        float
            As `noise_factor`.
        """
        return noise_factor(self.samples, batch_size, sampling)

    def temperature(self, step_size: float, batch_size: int) -> float:
        """Return the texts' temperature of SGD, eta tr(Sigma)/B.

        Parameters
        ----------
        step_size : float
            eta.
        batch_size : int
            B.

        Returns
        -------
        float
            In the units of the loss times p.

        Raises
        ------
        ValueError
            If `step_size` is not positive and finite, or `batch_size` below 1.
        TypeError
            If `step_size` is no number, or `batch_size` no integer.
        """
        return positive("step_size", step_size) * self.trace / count("batch_size", batch_size)

    def alignment(self, hessian: ArrayLike) -> Alignment:
        """Return how the noise lies to the Hessian.

        Parameters
        ----------
        hessian : array_like, shape (p, p)
            H.

        Returns
        -------
        Alignment
            Cosine, gain and ratio.

        Raises
        ------
        ValueError
            If the shape is wrong, or Sigma or H is zero.
        TypeError
            If `hessian` holds no real numbers.
        """
        H = float_array("hessian", hessian, ndim=2)
        if H.shape != self.covariance.shape:
            raise ValueError(f"hessian must have shape {self.covariance.shape}; got {H.shape}")
        units = float(np.abs(self.covariance).max()), float(np.abs(H).max())
        if not all(units):
            raise ValueError(
                "the noise or the Hessian is zero (all samples are fitted exactly): there is no "
                "alignment"
            )
        S, H = self.covariance / units[0], H / units[1]
        product, sizes = float((S * H).sum()), (float(np.linalg.norm(S)), float(np.linalg.norm(H)))
        traces = float(np.trace(S)) * float(np.trace(H))
        gain = len(H) * product / traces if traces > 0 else float("nan")
        ratio = product / sizes[1] ** 2 * (units[0] / units[1])
        return Alignment(product / (sizes[0] * sizes[1]), gain, ratio)
