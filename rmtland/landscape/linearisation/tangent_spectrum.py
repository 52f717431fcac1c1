r"""The spectrum of a tangent kernel K = J J^T, and its rank.

Where the Jacobian J is at hand its singular values are found, and those below max(N, p) eps of the
largest are taken as zero; else eigenvalues of K below N eps of the largest are.

Examples
--------
>>> jacobian = np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
>>> spectrum = TangentSpectrum(jacobian @ jacobian.T, jacobian)
>>> spectrum.values.tolist(), spectrum.rank, spectrum.gap
([16.0, 9.0, 0.0], 2, inf)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.typing import Real

__all__ = ["TangentSpectrum"]


@dataclass(frozen=True, eq=False)
class TangentSpectrum:
    """Eigenvalues and eigenvectors of J J^T, descending.

    Parameters
    ----------
    kernel : ndarray, shape (N, N)
        J J^T.
    jacobian : ndarray, shape (N, p), optional
        J, where it is at hand: small singular values then keep their digits.
    rounding : float, optional
        Unit of rounding of the precision in which J was computed.
    """

    kernel: Real
    jacobian: Real | None = None
    rounding: float = float(np.finfo(np.float64).eps)

    @cached_property
    def _singular(self) -> tuple[Real, Real, Real]:
        """Singular vectors and values of J, the left ones all of them."""
        assert self.jacobian is not None
        n, p = self.jacobian.shape
        left, values, right = np.linalg.svd(self.jacobian, full_matrices=p < n)
        return left, values, right

    @cached_property
    def _eigen(self) -> tuple[Real, Real]:
        if self.jacobian is not None:
            left, singular, _ = self._singular
            values = np.zeros(len(left))
            values[: singular.size] = singular**2
            return values, left
        values, vectors = np.linalg.eigh(self.kernel)
        return values[::-1], vectors[:, ::-1]

    @property
    def values(self) -> Real:
        """Eigenvalues, shape (N,)."""
        return self._eigen[0]

    @property
    def vectors(self) -> Real:
        """Eigenvectors as columns, shape (N, N)."""
        return self._eigen[1]

    @property
    def directions(self) -> Real:
        """Right singular vectors of J of the nonzero singular values, rows of shape (rank, p)."""
        return self._singular[2][: self.rank]

    @property
    def smallest(self) -> float:
        """Eigenvalue over the largest up to which rounding may have made it."""
        if self.jacobian is not None:
            return float(max(self.jacobian.shape) * self.rounding) ** 2
        return len(self.kernel) * self.rounding

    @cached_property
    def rank(self) -> int:
        """Number of eigenvalues that are not zero up to rounding."""
        values = self.values
        top = float(values[0])
        return int((values > self.smallest * top).sum()) if top > 0 else 0

    @property
    def gap(self) -> float:
        """Smallest eigenvalue kept over the size of the largest left out; infinite if none is.

        A rank can be trusted where it is large.
        """
        values = self.values
        if not self.rank or self.rank == values.size:
            return float("inf")
        dropped = float(np.abs(values[self.rank :]).max())
        return float(values[self.rank - 1]) / dropped if dropped else float("inf")

    @property
    def condition_number(self) -> float:
        """Largest eigenvalue over the least that is not zero."""
        self.refuse_zero()
        return float(self.values[0] / self.values[self.rank - 1])

    @property
    def nonzero(self) -> tuple[Real, Real]:
        """Eigenvalues that are not zero, and their eigenvectors as columns."""
        self.refuse_zero()
        return self.values[: self.rank], self.vectors[:, : self.rank]

    def refuse_zero(self) -> None:
        """Raise ValueError if the Jacobian is zero, so that nothing moves."""
        if not self.rank:
            raise ValueError(
                "the Jacobian of the outputs is zero: no parameter moves an output to first order "
                "(all units dead, or all weights zero); start elsewhere"
            )
