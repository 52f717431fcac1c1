r"""The covariance of the Gaussian part of a conditioned Hessian, for networks of any depth.

H1 is linear in the residuals, whatever the depth. With an orthonormal basis q_r of the free
directions, S the scales of the samples and sigma the size of the noise,

.. math::
    \mathcal S[M] = \sigma^2 \sum_r H_1[S q_r] \, M \, H_1[S q_r] ,

a sum over all free directions, of p^3 operations each: for networks of some hundred parameters.
For one hidden layer `rmtland.models.conditioned.noise_covariance` is the same in far less.

Examples
--------
>>> import numpy as np
>>> swap = np.array([[[0.0, 1.0], [1.0, 0.0]]])
>>> ResidualCovariance(swap).apply(np.array([[1.0, 2.0], [2.0, 1j]]))
array([[0.+1.j, 2.+0.j],
       [2.+0.j, 1.+0.j]])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.models.conditioned.conditioned_residuals import ConditionedResiduals
from rmtland.models.conditioned.given_residuals import with_residuals
from rmtland.models.conditioned.projections import DenseProjection
from rmtland.networks import LossPoint
from rmtland.typing import Complex, Real

__all__ = ["ResidualCovariance"]


@dataclass(frozen=True, eq=False)
class ResidualCovariance:
    """S[M] = sum_r H_r M H_r.

    Parameters
    ----------
    matrices : ndarray, shape (r, p, p)
        H_r, symmetric: H1 of sigma S q_r.
    """

    matrices: Real

    @classmethod
    def of_residuals(cls, point: LossPoint, residuals: ConditionedResiduals) -> Self:
        """Form H1 of every free direction.

        Parameters
        ----------
        point : LossPoint
            The network with its data.
        residuals : ConditionedResiduals
            Projected with a basis.

        Returns
        -------
        ResidualCovariance

        Raises
        ------
        MemoryError
            If the matrices would not fit into memory.
        """
        p, free = point.net.parameter_count, round(residuals.free_dimensions)
        needed, left = 8 * 3 * free * p**2, ArrayLibrary.of().free_memory()
        if needed > left:
            raise MemoryError(
                f"{free} matrices of {p} parameters take about {needed / 2**30:.1f} GiB, "
                f"{left / 2**30:.1f} GiB are free; take the law of ConditionedHessian, which is "
                "drawn"
            )
        found = np.empty((free, p, p))
        for row, direction in zip(found, _free_directions(residuals, free), strict=True):
            e = residuals.free_residuals(direction)
            row[:] = with_residuals(point, e).hessian("residual")
        return cls(found)

    @property
    def memory(self) -> int:
        """Bytes of what is kept and of one application."""
        return 8 * 5 * self.matrices.size

    @property
    def operations(self) -> float:
        """Real operations of one application."""
        r, p, _ = self.matrices.shape
        return float(8.0 * r * float(p) ** 3)

    def apply(self, resolvent: Complex) -> Complex:
        """Return S[M].

        Parameters
        ----------
        resolvent : ndarray of complex, shape (p, p)
            M, symmetric.

        Returns
        -------
        ndarray of complex, shape (p, p)
        """
        r, p, _ = self.matrices.shape
        rows = self.matrices.reshape(r * p, p)

        def real(part: Real) -> Real:
            left = (rows @ part).reshape(r, p, p)  # H_r M
            return np.tensordot(left, self.matrices, axes=((0, 2), (0, 1)))

        return np.asarray(real(resolvent.real) + 1j * real(resolvent.imag))


def _free_directions(residuals: ConditionedResiduals, free: int) -> Real:
    """Orthonormal basis of what is free, shape (free, m, n_out), in units of the scales."""
    space, projection = residuals.space, residuals.projection
    assert isinstance(projection, DenseProjection)
    m, n = space.scales.size, space.outputs
    seen = space.projector() - projection.basis @ projection.basis.T
    values, vectors = np.linalg.eigh((seen + seen.T) / 2)
    kept = vectors[:, np.argsort(values)[values.size - free :]]
    return np.asarray(kept.T.reshape(free, m, n))
