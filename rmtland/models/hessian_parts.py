"""Hessians that are split into a Gauss-Newton and a residual part, H = H0 + H1.

Examples
--------
>>> PARTS
('gauss_newton', 'residual', 'total')
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from rmtland.arguments import choice
from rmtland.models.quadratures import SampledModel
from rmtland.networks.derivatives.hessian_split import PARTS

__all__ = ["PARTS", "HessianParts"]


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
