r"""The block of second-layer weights and samples of a matrix Dyson equation, by Schur complements.

.. math:: \begin{pmatrix} M_a & \cdot \\ \cdot & M_s \end{pmatrix} =
          \begin{pmatrix} z - S_a & -h/\sqrt m \\ -h^T/\sqrt m & 1 - S_s \end{pmatrix}^{-1} .
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.models.dyson.half_plane import inverse
from rmtland.typing import Complex, Real

__all__ = ["OuterBlocks"]


class OuterBlocks:
    """The blocks of weights W2 and samples for given S_a, S_s; what is not asked for is not formed.

    Parameters
    ----------
    z : complex
        Point.
    features : ndarray, shape (n1, d)
        h / sqrt(m) in the basis of the samples.
    gram : ndarray, shape (d, d)
        h^T h / m.
    energy_a : ndarray, shape (n1, n1), or None
        S_a; None for 0.
    samples : ndarray, shape (d, d), or None
        1 - S_s in the basis; None if H0 is left out.
    rest : complex
        1 - S_s outside the basis.
    """

    def __init__(
        self,
        z: complex,
        features: Real,
        gram: Real,
        energy_a: Complex | None,
        samples: Complex | None,
        rest: complex,
    ) -> None:
        self.z, self.features, self.gram = z, features, gram
        self.energy_a, self.samples, self.rest = energy_a, samples, rest

    @cached_property
    def inner(self) -> Complex:
        """Z - S_a."""
        one = self.z * np.eye(len(self.features))
        return np.asarray(one if self.energy_a is None else one - self.energy_a)

    @cached_property
    def _turned(self) -> Complex:
        turned = np.linalg.solve(self.inner, self.features.astype(np.complex128))
        return np.asarray(turned, dtype=np.complex128)

    @cached_property
    def schur(self) -> Complex:
        """1 - S_s - h^T (z - S_a)^{-1} h / m, the inverse of M_s."""
        assert self.samples is not None
        seen = self.gram / self.z if self.energy_a is None else self.features.T @ self._turned
        return np.asarray(self.samples - seen)

    @cached_property
    def s(self) -> Complex:
        """M_s."""
        return inverse(self.schur)

    @cached_property
    def a(self) -> Complex:
        """M_a."""
        if self.samples is None:
            return inverse(self.inner)
        return np.asarray(inverse(self.inner) + self._turned @ self.s @ self._turned.T)

    @property
    def trace_a(self) -> complex:
        """Trace of M_a."""
        if self.energy_a is None and self.samples is not None:
            return complex(len(self.features) / self.z + np.sum(self.s * self.gram) / self.z**2)
        return complex(np.trace(self.a))
