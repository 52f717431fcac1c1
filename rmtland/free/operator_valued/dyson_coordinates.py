"""Coordinates of a matrix Dyson equation: the range of its self-energy, and what kernels take.

In coordinates u of the range S[M] = sum u_a E_a, so that the equation has r unknowns, not k^2
(`rmtland.free.operator_valued.matrix_dyson`).

Examples
--------
>>> import numpy as np
>>> from rmtland.free import MatrixDyson
>>> equation = MatrixDyson(np.zeros(3), np.full((3, 3), 1 / 3))  # alike: one unknown
>>> basis, functionals = equation.coordinates
>>> equation.is_diagonal, basis.shape, equation.scale
(True, (1, 3), 2.0)
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from rmtland.free.operator_valued.range_coordinates import profile_coordinates, range_coordinates
from rmtland.free.operator_valued.resolvent_equation import (
    ResolventEquation,
)
from rmtland.free.operator_valued.self_energy import Covariance, self_energy
from rmtland.typing import Complex, NumpyArray, Values

__all__ = ["DysonCoordinates", "full_matrix"]


class DysonCoordinates(ResolventEquation):
    """Mean, self-energy and its range; `rmtland.free.MatrixDyson` solves the equation in them."""

    mean: NumpyArray
    covariance: Covariance | NumpyArray
    pencil: NumpyArray | None
    weights: NumpyArray | None

    # The equation ----------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The size k of M."""
        return int(self.mean.shape[0])

    @property
    def mean_matrix(self) -> NumpyArray:
        """A as a matrix, shape (k, k)."""
        return full_matrix(self.mean)

    @cached_property
    def is_diagonal(self) -> bool:
        """Whether M is diagonal: independent entries around a diagonal mean."""
        assert self.pencil is not None
        return not callable(self.covariance) and self.mean.ndim == 1 and self.pencil.ndim == 1

    def self_energy(self, m: ArrayLike) -> Values:
        """S[M] of matrices M of shape (..., k, k).

        Parameters
        ----------
        m : array_like of complex, shape (..., k, k)
            Matrices.

        Returns
        -------
        ndarray, shape (..., k, k)
            S of each of them.
        """
        return self_energy(self.covariance, np.asarray(m))

    @cached_property
    def scale(self) -> float:
        """Bound of the norm of the random matrix if P = 1: `norm(A) + 2 norm(S[1])**0.5`."""
        mean = self.mean
        center = np.abs(mean).max() if mean.ndim == 1 else np.linalg.norm(mean, 2)
        one = self.self_energy(np.eye(self.size, dtype=np.complex128))
        bound = float(center + 2 * np.sqrt(np.linalg.norm(one, 2)))
        return bound if bound > 0 else 1.0

    def _matrix(self, z: Complex, regular: float = 0.0) -> Complex:
        """Z P - A for points of shape (n,), with P + regular (1 - P) in the place of P."""
        pencil = full_matrix(self.pencil)
        pencil = pencil + regular * (np.eye(self.size) - pencil)
        return np.asarray(z[:, None, None] * pencil - full_matrix(self.mean))

    # Coordinates of the range of S ---------------------------------------------------------------

    @cached_property
    def coordinates(self) -> tuple[Complex, Complex]:
        """(E, Phi): S[M] = sum over a of E_a sum over pq of Phi_a,pq M_pq, for reachable M.

        Shapes (r, k, k), or (r, k) where M is diagonal; every E_a is Hermitian.
        """
        if self.is_diagonal:
            return profile_coordinates(np.asarray(self.covariance))
        return range_coordinates(
            self.self_energy, lambda z: self._matrix(z, regular=0.5), self.size, self.scale
        )

    @cached_property
    def arrays(self) -> tuple[Complex, Complex, Complex, Complex]:
        """P, A, E and Phi, all matrices or all diagonals, as the kernels take them."""
        basis, functionals = self.coordinates
        pencil, mean = (
            (self.pencil, self.mean)
            if self.is_diagonal
            else (full_matrix(self.pencil), full_matrix(self.mean))
        )
        return tuple(
            np.ascontiguousarray(array, dtype=np.complex128)
            for array in (pencil, mean, basis, functionals)
        )  # type: ignore[return-value]


def full_matrix(matrix: ArrayLike | None) -> NumpyArray:
    """Return a matrix whose diagonal alone may be given."""
    array = np.asarray(matrix)
    return np.diag(array) if array.ndim == 1 else array
