"""A model with a correction added: what the correction leaves as it is.

Examples
--------
>>> from rmtland.models import FiniteSizeHessian
>>> issubclass(FiniteSizeHessian, CorrectedModel)
True
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from rmtland.arguments import choice
from rmtland.laws import Law, SpectralModel
from rmtland.models.dyson.above_axis import AboveAxis
from rmtland.spectrum import Spectrum
from rmtland.typing import Rng

__all__ = ["CorrectedModel"]


class CorrectedModel(AboveAxis):
    """A model, and what is added to its transform: no probability law, but the same matrices."""

    model: Any
    _no_law: ClassVar[str]
    """Why there is no law, and what to ask instead."""

    @property
    def law(self) -> NoReturn:
        """There is none.

        Raises
        ------
        ValueError
            The corrected density need not be positive at the real axis, nor integrable there.
        """
        raise ValueError(self._no_law)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("gauss_newton", "residual", "total")."""
        return tuple(self.model.parts)

    def mean(self) -> float:
        """Mean eigenvalue: the correction leaves it as it is.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return float(self.model.mean())

    def var(self) -> float:
        """Variance: that of the model.

        Returns
        -------
        float
            In the squared units of the eigenvalues.
        """
        return float(self.model.var())

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part: H0 and H1 are those of the model, without a correction.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            H0, H1 or H.

        Returns
        -------
        SpectralModel
            The model itself for "total".

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        choice("name", name, self.parts)
        found: SpectralModel | Law = self if name == "total" else self.model.part(name)
        return found

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw matrices, as `DysonHessian.sample`.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be that of the model.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, number of parameters).

        Raises
        ------
        ValueError
            If n is another number.
        MemoryError
            If a matrix would not fit into memory.
        """
        found: Spectrum = self.model.sample(n, rng=rng, runs=runs)
        return found

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw Gauss quadratures, as `DysonHessian.lanczos`.

        Parameters
        ----------
        n : int or None
            Number of eigenvalues: can only be that of the model.
        steps : int
            Number of Lanczos steps.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If n is another number, or an argument is out of its range.
        """
        found: Spectrum = self.model.lanczos(n, steps, rng=rng, runs=runs)
        return found
