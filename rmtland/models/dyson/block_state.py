"""States of the block equation: M_a and M_s packed into one vector, their start and their scale."""

from __future__ import annotations

import numpy as np

from rmtland.models.dyson.hidden_layer import HiddenLayer
from rmtland.typing import Complex, Real

__all__ = ["BlockState"]


class BlockState(HiddenLayer):
    """What is solved for as one vector; `rmtland.models.dyson.blocks.BlockEquation` solves it."""

    @property
    def _sizes(self) -> tuple[int, int, int]:
        n1, m = self.features.shape
        return n1, self.x.shape[1], m

    # The fixed point -----------------------------------------------------------------------------

    def start(self, z: complex) -> Complex:
        """M_a = 1/z, M_s = 1.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.

        Returns
        -------
        ndarray of complex
        """
        n1, _, m = self._sizes
        size = m if self.has_outer else 0
        return np.concatenate([(np.eye(n1) / z).ravel(), np.eye(size, dtype=np.complex128).ravel()])

    def _unpacked(self, y: Complex) -> tuple[Complex, Complex]:
        n1, _, m = self._sizes
        size = m if self.has_outer else 0
        return y[: n1 * n1].reshape(n1, n1), y[n1 * n1 :].reshape(size, size)

    def weights(self, y: Complex) -> Real:
        """Weights of a state by its diagonal: 1/sqrt(|M_jj M_kk|).

        Near the axis null directions have entries of the size 1/z beside others of the size 1,
        whose changes would not be seen.

        Parameters
        ----------
        y : ndarray of complex
            A packed state.

        Returns
        -------
        ndarray of float
        """
        rows = [1 / np.sqrt(np.abs(np.diagonal(m))) for m in self._unpacked(y)]
        return np.concatenate([np.outer(row, row).ravel() for row in rows])

    def in_half_plane(self, y: Complex) -> bool:
        """Whether the diagonals lie in the lower half-plane.

        Parameters
        ----------
        y : ndarray of complex
            A packed state.

        Returns
        -------
        bool
        """
        a, s = self._unpacked(y)
        return bool(np.diagonal(a).imag.max() < 0 and np.diagonal(s).imag.max(initial=-1.0) < 1e-12)
