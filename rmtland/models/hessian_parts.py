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
from rmtland.laws import SpectralModel
from rmtland.models.quadratures import lanczos_of
from rmtland.networks.derivatives.hessian_split import PARTS
from rmtland.spectrum import Spectrum
from rmtland.typing import Rng

__all__ = ["PARTS", "HessianParts"]


class HessianParts(SpectralModel):
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

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw as `sample` and return the Gauss quadrature from uniform start vectors.

        Parameters
        ----------
        n : int or None
            As for `sample`.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If there are more steps than eigenvalues, or an argument is out of its range.
        """
        return lanczos_of(lambda seed: self.sample(n, rng=seed, runs=runs), steps, rng)  # type: ignore[arg-type]
