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
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.arrays import to_numpy
from rmtland.audit.levels import measured_moments, why_not_dyson
from rmtland.models import DysonHessian
from rmtland.networks import LossPoint
from rmtland.streams import Rng, random_generator

__all__ = ["Redraws"]

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Redraws:
    """The Gaussian ensemble around a point: rows of W2 N(0, covariance), residuals N(0, r_mu).

    Parameters
    ----------
    point : LossPoint
        One hidden layer, no biases, half the mean squared error.
    covariance : array_like, shape (n1, n1)
        Of the rows of W2.
    variances : array_like, shape (m,) or (m, m)
        Of the residuals of each sample, or their covariance between samples.
    """

    point: LossPoint
    covariance: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def of_point(cls, point: LossPoint, *, moments: bool = True) -> Self:
        """Return the ensemble of level 6, or with `moments=False` of level 5.

        Raises
        ------
        ValueError
            If the matrix Dyson equation does not cover the network.
        """
        reason = why_not_dyson(point)
        if reason is not None:
            raise ValueError(reason)
        covariance, weights, _, _ = measured_moments(point)
        mean = float((to_numpy(point.residuals).astype(np.float64) ** 2).mean())
        if not moments:
            covariance = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
            weights = np.ones(len(weights))
        return cls(point, covariance, mean * weights)

    def draw(self, rng: Rng = None, *, second: bool = True, residuals: bool = True) -> LossPoint:
        """Return a point with the same first layer and inputs.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        second, residuals : bool
            Which of W2 and the residuals are drawn; the other keeps its measured values. Targets
            follow.
        """
        generator = random_generator(rng)
        net: Any = self.point.net
        first, old = (
            to_numpy(w).astype(np.float64) for w in net.unflatten(to_numpy(self.point.theta))
        )
        new = generator.normal(size=old.shape) @ _root(self.covariance).T
        e = to_numpy(self.point.residuals).astype(np.float64)
        noise = generator.normal(size=e.shape)
        if self.variances.ndim == 1:
            noise *= np.sqrt(self.variances)[:, None]
        else:
            noise = _root(self.variances) @ noise
        theta = np.concatenate([first.ravel(), (new if second else old).ravel()])
        x = to_numpy(self.point.x).astype(np.float64)
        outputs = net.predict(theta, x)
        point: LossPoint = net.at(theta, x, outputs - (noise if residuals else e))
        return point

    def parts(self, drawn: LossPoint, bends: Real | None = None) -> tuple[Real, Real]:
        """Return H0 and H1 of a point that was drawn.

        Parameters
        ----------
        drawn : LossPoint
            What `draw` returned.
        bends : array_like, shape (n1, m), optional
            W2^T e f'' to take in place of its own, so that the f'' block is the measured one.
        """
        split = drawn.hessian()
        h0, h1 = (
            to_numpy(matrix).astype(np.float64) for matrix in (split.gauss_newton, split.residual)
        )
        own = DysonHessian.of_point(drawn).bends
        if bends is not None and own is not None:
            x = to_numpy(self.point.x).astype(np.float64)
            h1 = h1.copy()
            for j, change in enumerate(np.asarray(bends) - own):
                rows = slice(j * x.shape[1], (j + 1) * x.shape[1])
                block = x.T @ (change[:, None] * x) / len(x)
                h1[rows, rows] += (block + block.T) / 2
        return h0, h1


def _root(covariance: Real) -> Real:
    """Return a matrix whose product with its transpose is the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
