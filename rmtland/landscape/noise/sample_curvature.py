r"""Hessians of single samples, for the multiplicative part of gradient noise.

.. math:: M(C) = \frac1m \sum_\mu (H_\mu - H) \, C \, (H_\mu - H)

is the covariance that the gradients of single samples gain at a random distance d from a point,
E d d^T = C. For generalised linear models H_mu = F_mu F_mu^T has the rank of the outputs and only
the factors are kept; otherwise the matrices are.

Synonyms: state-dependent noise, per-sample Hessian, mean-square stability.

References
----------
.. [1] L. Ziyin, K. Liu, T. Mori and M. Ueda, Strength of minibatch noise in SGD, ICLR 2022.

Examples
--------
>>> import numpy as np
>>> spread = SampleCurvature(np.array([[[1.0]], [[3.0]]]), factored=False)
>>> spread.term(np.array([[2.0]]))
array([[2.]])
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from rmtland.arrays import to_numpy
from rmtland.networks import LossPoint
from rmtland.typing import Logical, Real

__all__ = ["SampleCurvature"]

_LARGEST = 2**26
"""Entries of the Hessians of all samples that are kept."""


@dataclass(frozen=True, eq=False)
class SampleCurvature:
    """The Hessians of the losses of single samples, or factors of them.

    Made by `rmtland.landscape.noise.SampleCurvature.of`.

    Parameters
    ----------
    matrices : ndarray, shape (m, p, p) or (m, p, k)
        H_mu, or F_mu with H_mu = F_mu F_mu^T.
    factored : bool
        Which of the two.
    """

    matrices: Real
    factored: bool

    @classmethod
    def of(cls, point: LossPoint) -> Self:
        """Return the exact Hessians of the samples of a network at a point, without weight decay.

        Parameters
        ----------
        point : LossPoint
            Loss of a network on its data, by `MLP.at`.

        Returns
        -------
        SampleCurvature
            Of as many directions.

        Raises
        ------
        ValueError
            If they are too large to keep: 2^26 entries.
        """
        net, p, m = point.net, point.net.parameter_count, point.data.size
        k = net.n_out
        factored = net.depth == 1  # the outputs are linear in the parameters
        entries = m * p * (k if factored else p)
        if entries > _LARGEST:
            raise ValueError(
                f"the Hessians of {m} samples have {entries:.3g} entries, more than the "
                f"{_LARGEST:.3g} that are kept; take fewer samples or a smaller network, or leave "
                "the multiplicative term out"
            )
        if factored:
            jacobian = np.asarray(to_numpy(point.jacobian())).reshape(m, k, p)
            (batch,) = point.passes()
            curvature = batch.output_curvature.times(np.broadcast_to(np.eye(k), (m, k, k)).copy())
            values, vectors = np.linalg.eigh(np.asarray(to_numpy(curvature)))
            roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
            return cls(np.einsum("mkp,mkj->mpj", jacobian, roots), True)
        decayed = net.weight_decay * np.eye(p)
        found = np.empty((m, p, p))
        for mu in range(m):
            one = LossPoint.of(net, point.theta, point.data.subset(np.array([mu])))
            found[mu] = to_numpy(one.hessian("total")) - decayed
        return cls(found, False)

    @cached_property
    def mean(self) -> Real:
        """The mean of H_mu, shape (p, p)."""
        if self.factored:
            flat = self._flat
            return np.asarray(flat @ flat.T) / len(self.matrices)
        return np.asarray(self.matrices.mean(axis=0))

    @property
    def _flat(self) -> Real:
        m, p, k = self.matrices.shape
        return np.ascontiguousarray(self.matrices.transpose(1, 0, 2)).reshape(p, m * k)

    def refuse_other(self, samples: int, size: int) -> None:
        """Refuse Hessians of other samples or parameters.

        Parameters
        ----------
        samples, size : int
            m and p.

        Raises
        ------
        ValueError
            If there are not m of size p, or one is not finite.
        """
        shape = self.matrices.shape
        if shape[:2] != (samples, size) or not (self.factored or shape[2] == size):
            raise ValueError(
                f"spread must hold {'factors' if self.factored else 'matrices'} of {samples} "
                f"samples and {size} parameters; got shape {shape}"
            )
        if not np.isfinite(self.matrices).all():
            raise ValueError("spread holds NaN or infinity")

    def rotated(self, basis: Real) -> Self:
        """Return the same in another basis.

        Parameters
        ----------
        basis : ndarray, shape (p, q)
            Orthonormal columns.

        Returns
        -------
        SampleCurvature
            Of size q.
        """
        turned = np.matmul(basis.T, self.matrices)
        if not self.factored:
            turned = np.matmul(turned, basis)
        return type(self)(turned, self.factored)

    def within(self, chosen: Logical) -> Self:
        """Return the principal submatrices of some of the directions.

        Parameters
        ----------
        chosen : ndarray of bool, shape (p,)
            Which.

        Returns
        -------
        SampleCurvature
            Of as many directions.
        """
        rows = self.matrices[:, chosen, :]
        return type(self)(rows if self.factored else rows[:, :, chosen], self.factored)

    def term(self, covariance: Real) -> Real:
        """Return M(C), shape (p, p).

        Parameters
        ----------
        covariance : ndarray, shape (p, p)
            C.

        Returns
        -------
        ndarray, shape (p, p)
            Positive semi-definite for a C that is.
        """
        mean = self.mean
        if self.factored:
            m, p, k = self.matrices.shape
            inner = np.matmul(
                self.matrices.transpose(0, 2, 1), np.matmul(covariance, self.matrices)
            )
            weighted = np.matmul(self.matrices, inner)
            flat = np.ascontiguousarray(weighted.transpose(1, 0, 2)).reshape(p, m * k)
            square = flat @ self._flat.T / m
        else:
            square = np.matmul(np.matmul(self.matrices, covariance), self.matrices).mean(axis=0)
        found = square - mean @ covariance @ mean
        return np.asarray((found + found.T) / 2)
