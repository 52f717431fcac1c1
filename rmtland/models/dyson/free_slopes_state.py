"""States of the equation with free slopes: Omega, S_s and S_a packed into one vector."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.models.dyson.hidden_layer import HiddenLayer
from rmtland.models.dyson.sample_basis import SampleBasis
from rmtland.models.dyson.slope_pairs import SlopePairs
from rmtland.typing import Complex, Real

__all__ = ["FreeSlopesState"]


class FreeSlopesState(HiddenLayer):
    """What is solved for as one vector; `rmtland.models.dyson.free_slopes.FreeSlopes` solves it."""

    slopes: Real
    curvatures: Real | None

    # Coordinates ---------------------------------------------------------------------------------

    @cached_property
    def basis(self) -> SampleBasis:
        """The samples in a basis where their covariance is diagonal."""
        return SampleBasis(self.features, self.x, self.variances, self.has_outer)

    @cached_property
    def pairs(self) -> SlopePairs:
        """Slopes and curvatures of all units and samples, of which means are taken."""
        curvatures = 0.0 if self.curvatures is None else self.curvatures.ravel()
        return SlopePairs(self.slopes.ravel(), curvatures)

    # The state: sqrt(m) Omega, then 1 - S_s outside the basis and in it, S_a ---------------------

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """Sizes of S_s and S_a in the state."""
        d = self.basis.size if self.has_outer else 0
        return d, self.features.shape[0] if self.has_noise else 0

    def start(self, z: complex) -> Complex:
        """S = 0, Omega the mean of the slopes.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.

        Returns
        -------
        ndarray of complex
        """
        d, n1 = self._sizes
        t, b = self.pairs.slopes, self.pairs.curvatures
        lift = 0.1j * float(np.abs(t).max() + np.abs(b).max() + 1e-3)
        omega = np.sqrt(self.features.shape[1]) * np.array([lift, t.mean(), lift - np.mean(b)])
        one = np.eye(d, dtype=np.complex128).ravel()
        return np.concatenate([omega, [self._rest_scale], one, np.zeros(n1 * n1)])

    @property
    def _rest_scale(self) -> float:
        return float(np.sqrt(max(self.basis.rest, 1)))

    def _unpacked(self, y: Complex) -> tuple[Complex, complex, Complex, Complex]:
        d, n1 = self._sizes
        rest = complex(y[3] / self._rest_scale)
        s, a = y[4 : 4 + d * d].reshape(d, d), y[4 + d * d :].reshape(n1, n1)
        return y[:3] / np.sqrt(self.features.shape[1]), rest, s, a

    def in_half_plane(self, y: Complex) -> bool:
        """Whether Omega and 1 - S_s lie in the upper, S_a in the lower half-plane: diagonals.

        Parameters
        ----------
        y : ndarray of complex
            A packed state.

        Returns
        -------
        bool
        """
        omega, rest, s, a = self._unpacked(y)
        highest = max(
            -np.diagonal(s).imag.min(initial=1.0),
            np.diagonal(a).imag.max(initial=-1.0),
            -rest.imag,
            -omega[0].imag,
            -omega[2].imag,
        )
        return bool(highest < 1e-12)
