"""Hessians of networks that share first layer and data, with W2 and residuals drawn anew.

The matrix Dyson equation speaks of the mean spectrum of such an ensemble. Its single spectra say
how far chance alone takes a network of this size from the law; and with one of the two, W2 or the
residuals, kept as measured they say which of the two assumptions fails.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(12, 3, rng=0), MLP((3, 3, 3))
>>> ensemble = Redraws.of_point(net.at(net.init(rng=1), data.x, data.y))
>>> ensemble.draw(rng=2).prediction.shape
(12, 3)
>>> ensemble.draw(rng=2, residuals=False).energy == ensemble.point.energy
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.arguments import nonnegative
from rmtland.arrays import to_numpy
from rmtland.audit.second_moments import SecondMoments
from rmtland.deprecation import keyword_only, renamed_argument
from rmtland.models import DysonHessian
from rmtland.networks import LossPoint
from rmtland.streams import Rng, random_generator
from rmtland.typing import Real

__all__ = ["Redraws", "dyson_inapplicability", "with_gaussian_residuals"]


def dyson_inapplicability(point: LossPoint) -> str | None:
    """Say why a matrix Dyson equation does not cover a network, or None where it does.

    Parameters
    ----------
    point : LossPoint
        Any multilayer perceptron.

    Returns
    -------
    str or None
    """
    net = point.net
    if len(net.widths) != 3:
        return f"the matrix Dyson equation is for one hidden layer; the widths are {net.widths}"
    if net.bias:
        return "the matrix Dyson equation is for networks without biases"
    if net.loss != "mse":
        return f"the matrix Dyson equation is for the loss 'mse'; this network has {net.loss!r}"
    if net.weight_decay:
        return "the matrix Dyson equation does not cover weight decay"
    if net.parametrisation != "standard":
        return "the matrix Dyson equation is for the standard parametrisation"
    return None


@dataclass(frozen=True, eq=False)
class Redraws:
    """The Gaussian ensemble around a point: rows of W2 and residuals of given second moments.

    Parameters
    ----------
    point : LossPoint
        One hidden layer, no biases, half the mean squared error.
    moments : SecondMoments
        Covariance of the rows of W2, and of the residuals between samples and between outputs.
    """

    point: LossPoint
    moments: SecondMoments

    @classmethod
    def of_point(cls, point: LossPoint, *, moments: bool = True) -> Self:
        """Return the ensemble of level 6, or with `moments=False` of level 5.

        Parameters
        ----------
        point : LossPoint
            One hidden layer, no biases, half the mean squared error.
        moments : bool
            Whether to measure second moments, or mean squares only.

        Raises
        ------
        ValueError
            If the matrix Dyson equation does not cover the network.
        """
        reason = dyson_inapplicability(point)
        if reason is not None:
            raise ValueError(reason)
        measured = SecondMoments.of_point(point)
        return cls(point, measured if moments else measured.iid())

    @renamed_argument("second", "second_layer")
    @keyword_only("rng", 1)
    def draw(
        self, *, rng: Rng = None, second_layer: bool = True, residuals: bool = True
    ) -> LossPoint:
        """Return a point with the same first layer and inputs.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        second_layer, residuals : bool
            Which of W2 and the residuals are drawn; the other keeps its measured values. Targets
            follow.

        Returns
        -------
        LossPoint
            The same network with what was drawn.
        """
        generator = random_generator(rng)
        net = self.point.net
        first, old = (
            to_numpy(w).astype(np.float64) for w in net.unflatten(to_numpy(self.point.theta))
        )
        new = generator.normal(size=old.shape) @ _root(self.moments.second_layer).T
        e = to_numpy(self.point.residuals).astype(np.float64)
        noise = self._noise(generator.normal(size=e.shape))
        theta = np.concatenate([first.ravel(), (new if second_layer else old).ravel()])
        x = to_numpy(self.point.x).astype(np.float64)
        outputs = net.predict(theta, x)
        return net.at(theta, x, outputs - (noise if residuals else e))

    def _noise(self, normal: Real) -> Real:
        """Give independent normal numbers the covariance of the residuals."""
        covariance = self.moments.residuals
        if covariance.samples.ndim == 1:
            noise = normal * np.sqrt(covariance.samples)[:, None]
        else:
            noise = _root(covariance.samples) @ normal
        if covariance.outputs is not None:
            noise = noise @ _root(covariance.outputs).T
        return np.asarray(noise * np.sqrt(self.moments.mean_square))

    def parts(self, drawn: LossPoint, curvature: Real | None = None) -> tuple[Real, Real]:
        """Return H0 and H1 of a point that was drawn.

        Parameters
        ----------
        drawn : LossPoint
            What `draw` returned.
        curvature : ndarray, shape (n1, m), optional
            W2^T e f'' to take in place of its own, so that the f'' block is the measured one.

        Returns
        -------
        (ndarray, ndarray), shape (p, p) each
            Gauss-Newton part and residual part.
        """
        split = drawn.hessian()
        h0, h1 = (
            to_numpy(matrix).astype(np.float64) for matrix in (split.gauss_newton, split.residual)
        )
        own = DysonHessian.of_point(drawn).curvatures
        if curvature is not None and own is not None:
            x = to_numpy(self.point.x).astype(np.float64)
            h1 = h1.copy()
            for j, change in enumerate(np.asarray(curvature) - own):
                rows = slice(j * x.shape[1], (j + 1) * x.shape[1])
                block = x.T @ (change[:, None] * x) / len(x)
                h1[rows, rows] += (block + block.T) / 2
        return h0, h1


def with_gaussian_residuals(point: LossPoint, energy: float, *, rng: Rng = None) -> LossPoint:
    """Replace residuals by iid Gaussian ones, as theory has them; targets follow.

    Parameters
    ----------
    point : LossPoint
        With the loss half the mean squared error.
    energy : float
        Of the new residuals, which have variance 2 energy; >= 0.
    rng : anything `numpy.random.default_rng` takes
        Seed or generator.

    Returns
    -------
    LossPoint
        The same network, parameters and inputs.

    Raises
    ------
    ValueError
        If the energy is negative, or the loss is another one.
    """
    net = point.net
    if net.loss != "mse":
        raise ValueError(f"residuals are Gaussian for the loss 'mse' only; got {net.loss!r}")
    size = np.sqrt(2 * nonnegative("energy", energy))
    noise = random_generator(rng).normal(size=(point.data.size, net.n_out)) * size
    theta, x = to_numpy(point.theta), to_numpy(point.x)
    return net.at(theta, x, net.predict(theta, x) - noise)


def _root(covariance: Real) -> Real:
    """Return a matrix whose product with its transpose is the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
