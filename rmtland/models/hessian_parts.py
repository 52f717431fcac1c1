"""Hessians that are split into a Gauss-Newton and a residual part, H = H0 + H1.

Examples
--------
>>> PARTS
('gauss_newton', 'residual', 'total')
>>> exact_zeros(np.array([-2e-16, 1e-16, 3.0]))
array([0., 0., 3.])
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from rmtland.arguments import choice
from rmtland.models.quadratures import SampledModel
from rmtland.networks.derivatives.hessian_split import PARTS
from rmtland.typing import Real

__all__ = ["PARTS", "HessianParts", "exact_zeros"]

_ZERO = 1e-11
"""Eigenvalues of at most so much of the largest are zero."""


def exact_zeros(nodes: Real) -> Real:
    """Put eigenvalues that are zero up to rounding, which fall on either side, at zero.

    Parameters
    ----------
    nodes : ndarray of float, shape (..., p)
        Eigenvalues of each matrix.

    Returns
    -------
    ndarray of float
    """
    sizes = np.abs(nodes)
    return np.where(sizes <= _ZERO * sizes.max(axis=-1, keepdims=True), 0.0, nodes)


class HessianParts(SampledModel):
    """A dataclass whose field `part_name` says which part it is a model of."""

    part_name: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("gauss_newton", "residual", "total")."""
        return PARTS

    def part(self, name: str) -> Self:
        """Return the model of a part of the same Hessian.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            H0, H1 or H.

        Returns
        -------
        SpectralModel
            The model of that part, with the same network.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        itself: Any = self
        found: Self = replace(itself, part_name=choice("name", name, PARTS))
        return found
