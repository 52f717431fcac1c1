r"""The space that residuals live in, and how large those of each sample are.

The residuals of softmax with cross-entropy, probability less target, sum to zero over the outputs
of a sample (the simplex constraint); those of half the squared error and of logistic outputs are
free. Written as :math:`e_\mu = s_\mu u_\mu` with u of the same space, noise is iid in u. The
scales s are one for all samples ("alike") or the root mean square residual of each sample
("samples"): a trained classifier is certain of most samples and wrong on few, so that one size for
all of them fits none.

Where labels are given residuals of softmax are far from isotropic: with q the probabilities and c
the label of a sample,

.. math::
    e = (1 - q_c) \left[ \sum_{i \ne c} \pi_i \mathbf 1_i - \mathbf 1_c \right]
      = (1 - q_c) \left[ -\tfrac{n}{n - 1} (\mathbf 1_c - \tfrac1n \mathbf 1) + u \right], \qquad
    u_c = 0, \quad \sum_{i \ne c} u_i = 0,

:math:`\pi` the distribution over the n - 1 other classes. What lies along the label is the same
function of one number a sample whatever the others do, and holds the share n/(2n - 2) of the square
at least. "labels" keeps it: the number of what is measured is that of "samples", the scales are
:math:`1 - q_c`, and noise is iid in the n - 2 dimensions of u.

Examples
--------
>>> import numpy as np
>>> space = ResidualSpace(np.ones(4), outputs=3, sums_to_zero=True)
>>> space.dimension
8
>>> bool(np.allclose(space.noise(np.random.default_rng(0)).sum(axis=1), 0))
True
>>> space = ResidualSpace.of_labels(np.array([[-0.5, 0.4, 0.1], [0.1, 0.1, -0.2]]))
>>> space.dimension, space.scales, space.known[0]
(2, array([0.5, 0.2]), array([-1. ,  0.5,  0.5]))
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

SIZES = ("auto", "alike", "samples", "labels")
"""Whether residuals of all samples are alike; by default those of half the squared error are."""

_ONE_HOT = 1e-6  # targets that are so near to a unit vector are labels


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
    known : ndarray, shape (m, n_out), or 0.0
        The part of u that is known beforehand: that along the labels.
    directions : ndarray, shape (m, n_out), optional
        Unit vectors that u is orthogonal to, one a sample: its label, centred.
    """

    scales: Real
    outputs: int
    sums_to_zero: bool = False
    measured: int = 0
    known: Real | float = 0.0
    directions: Real | None = None

    @classmethod
    def of_point(cls, point: LossPoint, sizes: str = "auto") -> Self:
        """Return the space of the residuals of a network.

        Parameters
        ----------
        point : LossPoint
            The network with its data.
        sizes : {"auto", "alike", "samples", "labels"}
            How large residuals are; "auto" is "alike" for half the squared error, "labels" for
            softmax of three labels or more, "samples" else.

        Returns
        -------
        ResidualSpace

        Raises
        ------
        ValueError
            If `sizes` is "labels" and the targets are none, or less than three.
        """
        e = to_numpy(point.residuals).astype(np.float64)
        loss, outputs = own_loss(point), e.shape[1]
        simplex = loss is LOSSES["cross_entropy"]
        if choice("sizes", sizes, SIZES) == "auto":
            sizes = "alike" if loss is LOSSES["mse"] else "samples"
            if simplex and outputs > 2 and _are_labels(point, e):
                sizes = "labels"
        elif sizes == "labels" and not (simplex and outputs > 2 and _are_labels(point, e)):
            raise ValueError(
                "sizes='labels' is for softmax with cross-entropy and targets that are labels, of "
                f"three classes at least; got {loss.name}, {outputs} outputs: take sizes='samples'"
            )
        if sizes == "labels":
            return cls.of_labels(e)
        if sizes == "samples":
            return cls(np.sqrt((e**2).mean(axis=1)), outputs, simplex, len(e))
        return cls(np.ones(len(e)), outputs, simplex)

    @classmethod
    def of_labels(cls, e: Real) -> Self:
        """Return the space of residuals of softmax, of which the part along the label is known.

        Parameters
        ----------
        e : ndarray, shape (m, n_out)
            Probability less label; the label is the only negative entry.

        Returns
        -------
        ResidualSpace
        """
        m, n = e.shape
        label = np.eye(n)[np.argmin(e, axis=1)]
        directions = (label - 1 / n) / np.sqrt(1 - 1 / n)
        scales = -np.minimum(e.min(axis=1), 0.0)
        return cls(scales, n, True, m, -n / (n - 1) * (label - 1 / n), directions)

    @property
    def dimension(self) -> int:
        """Dimension of the space."""
        fixed = self.sums_to_zero + (self.directions is not None)
        return int(np.count_nonzero(self.scales)) * (self.outputs - fixed)

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
        return self._projected(u) * (self.scales > 0)[:, None]

    def scaled(self, u: Real) -> Real:
        """Return e = s u, u projected on the space; its own transpose.

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
        return self._projected(u) * scales

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
        scales = self.scales[:, None]  # 1/s of a certain sample may overflow
        return self._projected(np.divide(e, scales, out=np.zeros_like(e), where=scales > 0))

    def projector(self) -> Real:
        """Return the orthogonal projector on the space of u, of order m n_out.

        Returns
        -------
        ndarray, shape (m n_out, m n_out)
        """
        size = self.scales.size * self.outputs
        unit = np.eye(size).reshape(self.scales.size, self.outputs, size)
        return (self._projected(unit) * (self.scales > 0)[:, None, None]).reshape(size, size)

    def whole(self, u: Real) -> Real:
        """Return e = s u of a vector that holds the known part too.

        Parameters
        ----------
        u : ndarray, shape (m, n_out)
            In units of the scales.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        return np.asarray(u * self.scales[:, None])

    def _projected(self, u: Real) -> Real:
        if self.sums_to_zero:
            u = u - u.mean(axis=1, keepdims=True)
        if self.directions is None:
            return u
        d = self.directions[(...,) + (None,) * (u.ndim - 2)]
        return np.asarray(u - d * (d * u).sum(axis=1, keepdims=True))


def _are_labels(point: LossPoint, e: Real) -> bool:
    """Whether the targets of softmax, also those of residuals that were given, are labels."""
    outputs = to_numpy(point.prediction).astype(np.float64)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    targets = powers / powers.sum(axis=1, keepdims=True) - e
    label = np.eye(e.shape[1])[np.argmax(targets, axis=1)]
    return bool(np.abs(targets - label).max(initial=0.0) < _ONE_HOT)
