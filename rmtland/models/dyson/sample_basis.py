r"""A basis of the samples in which the covariance of their inputs is diagonal.

All but the n0 + n1 directions that data and features span are alike to an equation with free slopes
(`rmtland.models.dyson.free_slopes`): K = X^T X/m is zero there, and features are.

Examples
--------
>>> x = np.array([[1.0], [2.0], [2.0]])
>>> basis = SampleBasis(np.ones((1, 3)), x, np.zeros(3), True)
>>> basis.levels.round(12), basis.rest
(array([3., 0.]), 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.typing import Real

__all__ = ["SampleBasis"]

_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class SampleBasis:
    """An orthonormal basis of a part of the space of the samples.

    Parameters
    ----------
    features : ndarray, shape (n1, m)
        h.
    x : ndarray, shape (m, n0)
        Samples.
    variances : ndarray, shape (m,)
        r of the residuals.
    has_outer : bool
        Whether the basis holds the features.
    """

    features: Real
    x: Real
    variances: Real
    has_outer: bool

    @property
    def is_uneven(self) -> bool:
        """Whether residuals are of unlike size."""
        return bool(np.ptp(self.variances) > 0)

    @cached_property
    def _found(self) -> tuple[Real, Real]:
        """Eigenvalues of K, and the basis, in rows."""
        n1, m = self.features.shape
        _, values, data = np.linalg.svd(self.x.T / np.sqrt(m), full_matrices=False)
        data = data[values > _RANK * values[0]] if values[0] > 0 else data[:0]
        rest = self.features - (self.features @ data.T) @ data
        if self.is_uneven:
            rest = np.concatenate([rest, np.eye(m) - data.T @ data])
        if not self.has_outer:
            rest = rest[n1:]
        _, sizes, more = np.linalg.svd(rest, full_matrices=False)
        floor = _RANK * (np.abs(self.features).max(initial=0.0) * np.sqrt(m) + 1)
        more = more[sizes > floor][: m - len(data)]
        basis = np.concatenate([data, more])
        k = np.zeros(len(basis))
        k[: len(data)] = values[: len(data)] ** 2
        return k, basis

    @property
    def levels(self) -> Real:
        """Eigenvalues of K on the basis."""
        return self._found[0]

    @property
    def vectors(self) -> Real:
        """The basis, shape (size, m)."""
        return self._found[1]

    @property
    def size(self) -> int:
        """Number of directions in the basis."""
        return len(self._found[0])

    @property
    def rest(self) -> int:
        """Directions of the samples outside the basis."""
        return int(self.features.shape[1] - self.size)

    @cached_property
    def features_in(self) -> Real:
        """h/sqrt(m) in the basis, shape (n1, size)."""
        return np.asarray(self.features @ self.vectors.T / np.sqrt(self.features.shape[1]))

    @cached_property
    def gram(self) -> Real:
        """h^T h/m in the basis."""
        h = self.features_in
        return np.asarray(h.T @ h)

    @cached_property
    def weights(self) -> Real:
        """R in the basis: a matrix, or shape () where residuals are alike."""
        if not self.is_uneven:
            return np.asarray(self.variances[0])
        return np.asarray((self.vectors * self.variances) @ self.vectors.T)
