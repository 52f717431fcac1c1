r"""The space that residuals live in, and how large those of each sample are.

The residuals of softmax with cross-entropy, probability less target, sum to zero over the outputs
of a sample (the simplex constraint); those of half the squared error and of logistic outputs are
free. Written as :math:`e_\mu = s_\mu u_\mu` with u of the same space, noise is iid in u. The
scales s are one for all samples ("alike") or the root mean square residual of each sample
("samples"): a trained classifier is certain of most samples and wrong on few, so that one size for
all of them fits none.

Examples
--------
>>> import numpy as np
>>> space = ResidualSpace(np.ones(4), outputs=3, sums_to_zero=True)
>>> space.dimension
8
>>> bool(np.allclose(space.noise(np.random.default_rng(0)).sum(axis=1), 0))
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.arguments import choice
from rmtland.arrays import to_numpy
from rmtland.models.conditioned.given_residuals import own_loss
from rmtland.networks import LossPoint
from rmtland.networks.loss import LOSSES
from rmtland.typing import Real

__all__ = ["SIZES", "ResidualSpace"]

SIZES = ("auto", "alike", "samples")
"""Whether residuals of all samples are alike; by default those of half the squared error are."""


@dataclass(frozen=True, eq=False)
class ResidualSpace:
    """Residuals e = s u of m samples, with u in a linear space.

    Parameters
    ----------
    scales : ndarray, shape (m,)
        s, >= 0; a sample of scale 0 has no residual.
    outputs : int
        n_out.
    sums_to_zero : bool
        Whether the residuals of a sample sum to zero.
    measured : int
        How many numbers the scales are measured by.
    """

    scales: Real
    outputs: int
    sums_to_zero: bool = False
    measured: int = 0

    @classmethod
    def of_point(cls, point: LossPoint, sizes: str = "auto") -> Self:
        """Return the space of the residuals of a network.

        Parameters
        ----------
        point : LossPoint
            The network with its data.
        sizes : {"auto", "alike", "samples"}
            How large residuals are; "auto" is "alike" for half the squared error, "samples" else.

        Returns
        -------
        ResidualSpace
        """
        e = to_numpy(point.residuals).astype(np.float64)
        loss = own_loss(point)
        of_squares = loss is LOSSES["mse"]
        by_sample = choice("sizes", sizes, SIZES) == "samples" or (
            sizes == "auto" and not of_squares
        )
        scales = np.sqrt((e**2).mean(axis=1)) if by_sample else np.ones(len(e))
        simplex = loss is LOSSES["cross_entropy"]
        return cls(scales, e.shape[1], simplex, len(e) if by_sample else 0)

    @property
    def dimension(self) -> int:
        """Dimension of the space."""
        return int(np.count_nonzero(self.scales)) * (self.outputs - self.sums_to_zero)

    def noise(self, generator: np.random.Generator) -> Real:
        """Draw u, iid standard normal in the space.

        Parameters
        ----------
        generator : numpy.random.Generator
            What draws.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        u = generator.normal(size=(self.scales.size, self.outputs))
        return self._centred(u) * (self.scales > 0)[:, None]

    def scaled(self, u: Real) -> Real:
        """Return e = s u, projected on the space; its own transpose.

        Parameters
        ----------
        u : ndarray, shape (m, n_out) or (m, n_out, k)
            One vector or k of them.

        Returns
        -------
        ndarray
            Of the shape of `u`.
        """
        scales = self.scales[(slice(None),) + (None,) * (u.ndim - 1)]
        return self._centred(u) * scales

    def unscaled(self, e: Real) -> Real:
        """Return u = e / s, 0 where s is.

        Parameters
        ----------
        e : ndarray, shape (m, n_out)
            Residuals.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        factors = np.divide(1.0, self.scales, out=np.zeros_like(self.scales), where=self.scales > 0)
        return self._centred(e * factors[:, None])

    def _centred(self, u: Real) -> Real:
        return u - u.mean(axis=1, keepdims=True) if self.sums_to_zero else u
