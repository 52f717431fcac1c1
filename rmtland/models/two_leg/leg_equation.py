r"""What the equations of a sampled leg have in common: how they are solved at a point.

Examples
--------
>>> import numpy as np
>>> from rmtland.models import TwoLegHessian
>>> model = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=4, draws=2)
>>> equation = model.equations[0][0]
>>> isinstance(equation, LegEquation)
True
>>> equation.fixed_point(1 + 0.5j, None, 1e-9, 400).converged
True
"""

from __future__ import annotations

import abc

import numpy as np

from rmtland.models.dyson.fixed_points import FixedPoint, anderson
from rmtland.typing import Complex, Tree

__all__ = ["IMAGINARY", "LegEquation"]

IMAGINARY = 1e-6
"""By how much imaginary parts may have the wrong sign, relative to the block."""


class LegEquation(abc.ABC):
    """An equation for one sampled leg, in the protocol of `rmtland.models.dyson.fixed_points`."""

    @abc.abstractmethod
    def start(self, z: complex) -> Complex:
        """Return a state of the half-plane, right for large z.

        Parameters
        ----------
        z : complex
            Point.

        Returns
        -------
        ndarray of complex
            The medium k, then matrices on the leg, packed.
        """

    @abc.abstractmethod
    def unpacked(self, y: Complex) -> tuple[Complex, ...]:
        """Return the medium k and the matrices of a state.

        Parameters
        ----------
        y : ndarray of complex
            State.

        Returns
        -------
        tuple of ndarray of complex
            k of shape (3,), then square matrices.
        """

    @abc.abstractmethod
    def apply(self, z: complex, y: Complex) -> tuple[Complex, Tree]:
        """Apply the equation once.

        Parameters
        ----------
        z : complex
            Point.
        y : ndarray of complex
            State.

        Returns
        -------
        (ndarray of complex, tuple)
            The new state and its blocks.
        """

    @abc.abstractmethod
    def is_solution(self, y: Complex, blocks: Tree) -> bool:
        """Whether a state that the equation leaves as it is belongs to the half-plane.

        Parameters
        ----------
        y : ndarray of complex
            State.
        blocks : tuple
            Of the state.

        Returns
        -------
        bool
        """

    @abc.abstractmethod
    def trace(self, blocks: Tree) -> complex:
        """Return G.

        Parameters
        ----------
        blocks : tuple
            Of a solution.

        Returns
        -------
        complex
        """

    @abc.abstractmethod
    def potential(self, z: complex, blocks: Tree) -> complex:
        """Return L, the integral of G that is log z far away.

        Parameters
        ----------
        z : complex
            Point, Im z > 0.
        blocks : tuple
            Of a solution there.

        Returns
        -------
        complex
        """

    def in_half_plane(self, y: Complex) -> bool:
        """Whether diagonals have imaginary parts of the right sign.

        Parameters
        ----------
        y : ndarray of complex
            State.

        Returns
        -------
        bool
        """
        k, *matrices = self.unpacked(y)
        slack = IMAGINARY * np.abs(k).max()
        return bool(
            all(matrix.diagonal().imag.min() > -1e-14 for matrix in matrices)
            and k[0].imag < slack
            and k[2].imag < slack
        )

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int
    ) -> FixedPoint:
        """Solve at one point.

        Parameters
        ----------
        z : complex
            Point, Im z > 0.
        start : ndarray of complex or None
            State to start from; that of `start` by default.
        tolerance : float
            Of the relative change.
        limit : int
            Largest number of steps.

        Returns
        -------
        FixedPoint
            Converged only if `is_solution`.
        """
        y = self.start(z) if start is None else start
        try:
            y, blocks, steps, size = anderson(self, z, y, tolerance, limit=limit)
        except np.linalg.LinAlgError:
            return FixedPoint(y, None, limit, np.inf, False)
        good = size <= tolerance and blocks is not None and self.is_solution(y, blocks)
        return FixedPoint(y, blocks, steps, size, good)
