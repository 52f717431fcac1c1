"""Residuals in the eigenbasis of the tangent kernel: its spectrum and rank, and what is in reach.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.linearisation import LinearisedLoss
>>> tangent = LinearisedLoss.of_jacobian(np.diag([2.0, 1.0, 0.0]), [1.0, 1.0, 1.0], samples=3)
>>> tangent.rank, tangent.null_dimension, tangent.unreachable
(2, 1, 1.0)
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.landscape.linearisation.tangent_spectrum import TangentSpectrum
from rmtland.typing import Real

__all__ = ["TangentResiduals"]


class TangentResiduals:
    """Kernel and residuals of a linearised loss; `LinearisedLoss` has what solves it."""

    kernel: Real
    residuals: Real
    parameter_count: int
    jacobian: Real | None
    rounding: float

    # The spectrum --------------------------------------------------------------------------------

    @cached_property
    def spectrum(self) -> TangentSpectrum:
        """Eigenvalues and eigenvectors of J J^T, with their rank."""
        return TangentSpectrum(self.kernel, self.jacobian, self.rounding)

    @property
    def eigenvalues(self) -> Real:
        """Eigenvalues of J J^T, descending: squared singular values of J."""
        return self.spectrum.values.copy()

    @property
    def rank(self) -> int:
        """Number of eigenvalues that are not zero up to rounding."""
        return self.spectrum.rank

    @property
    def gap(self) -> float:
        """Smallest eigenvalue kept over the size of the largest left out; infinite if none is.

        A rank can be trusted where it is large.
        """
        return self.spectrum.gap

    @property
    def null_dimension(self) -> int:
        """Dimension p - rank of the directions in which the linearised loss is flat."""
        return self.parameter_count - self.rank

    @property
    def condition_number(self) -> float:
        """lambda_max/lambda_min of J J^T over its `rank` nonzero eigenvalues."""
        return self.spectrum.condition_number

    @cached_property
    def coefficients(self) -> Real:
        """Components of the residual along the eigenvectors, in the order of `eigenvalues`."""
        return np.asarray(self.spectrum.vectors.T @ self.residuals)

    @property
    def unreachable(self) -> float:
        """Square of the norm of the residual outside the range of J."""
        return float((self.coefficients[self.rank :] ** 2).sum())
