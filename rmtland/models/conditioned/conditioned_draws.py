"""Draws of Hessians whose residuals are conditioned: points, matrices, spectra and quadratures.

What the residuals are drawn from is said in `rmtland.models.conditioned.conditioned_residuals`.

Examples
--------
>>> from rmtland.models import ConditionedHessian
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(30, 3, rng=0), MLP((3, 4, 3))
>>> model = ConditionedHessian(net.at(net.init(rng=1), data.x, data.y), draws=2)
>>> model.sample(rng=0, runs=3).nodes.shape, model.lanczos(None, 5, rng=0).nodes.shape
((3, 24), (1, 5))
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.arguments import count
from rmtland.models.conditioned.conditioned_residuals import ConditionedResiduals
from rmtland.models.conditioned.drawn_hessians import DrawnHessians
from rmtland.models.hessian_parts import HessianParts
from rmtland.networks import LossPoint
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator, seed_of, streams
from rmtland.typing import Real, Record, Rng
from rmtland.version import installed_version

__all__ = ["ConditionedDraws"]


class ConditionedDraws(HessianParts):
    """Draws of the Hessian of one network; `rmtland.models.ConditionedHessian` has their law."""

    point: LossPoint
    on: tuple[str, ...]
    part_name: str
    residuals: ConditionedResiduals | None

    # What it knows -------------------------------------------------------------------------------

    @property
    def conditioned(self) -> ConditionedResiduals:
        """The residuals: what is known of them, and what is free."""
        assert self.residuals is not None
        return self.residuals

    @property
    def parameter_count(self) -> int:
        """Number of eigenvalues p."""
        return int(self.point.net.parameter_count)

    @property
    def measured_numbers(self) -> int:
        """How many numbers of the residuals were measured."""
        return self.conditioned.measured_numbers

    # Draws ---------------------------------------------------------------------------------------

    def draw(self, *, rng: Rng = None) -> LossPoint:
        """Draw residuals and return the point that has them, with all its matrices and products.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        LossPoint
            The same network, parameters and inputs; it has no loss.
        """
        return next(self._draws.points([random_generator(rng)]))

    @cached_property
    def _draws(self) -> DrawnHessians:
        return DrawnHessians(
            self.point, self.conditioned, self.part_name, is_minimum="minimum" in self.on
        )

    def matrix(self, *, rng: Rng = None) -> Real:
        """Draw residuals and return the matrix: H, H0 or H1, by `part_name`.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric.

        Raises
        ------
        MemoryError
            If it would not fit into memory.
        """
        return next(self._draws.matrices([random_generator(rng)]))

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw residuals and return all eigenvalues of the Hessians that they make.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be `parameter_count`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, p).

        Raises
        ------
        ValueError
            If n is another number: the network is given.
        TypeError
            If `runs` is no integer.
        MemoryError
            If a matrix would not fit into memory.
        """
        self._check_size(n)
        generators = streams(rng, count("runs", runs))
        rows = self._draws.eigenvalues(generators)
        return Spectrum(rows, provenance=self._provenance(generators[0]))

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw residuals and return Gauss quadratures of Lanczos runs; no matrix is formed.

        Parameters
        ----------
        n : int or None
            As for `sample`.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws, each with a start vector of its own.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If there are more steps than eigenvalues, or n is another number than theirs.
        TypeError
            If `steps` or `runs` is no integer.
        """
        self._check_size(n)
        steps = count("steps", steps)
        if steps > self.parameter_count:
            raise ValueError(
                f"a matrix of size {self.parameter_count} allows {self.parameter_count} Lanczos "
                f"steps; got {steps}"
            )
        generators = streams(rng, count("runs", runs))
        nodes, weights, alpha, beta = self._draws.quadratures(generators, steps)
        return Spectrum(
            nodes,
            weights,
            dimension=self.parameter_count,
            provenance={
                **self._provenance(generators[0]),
                "steps": steps,
                "probe_law": "Gaussian",
            },
            alpha=alpha,
            beta=beta,
        )

    def _check_size(self, n: float | None) -> None:
        size = self.parameter_count
        if n is not None and n != size:
            raise ValueError(
                f"a ConditionedHessian knows its network: it has {size} eigenvalues, not {n}; "
                "leave n out"
            )

    def _provenance(self, generator: np.random.Generator) -> Record:
        return {
            "source": "model",
            "model": type(self).__name__,
            "network": repr(self.point.net),
            "samples": int(self.point.data.size),
            "on": list(self.on),
            "measured_numbers": self.measured_numbers,
            "part": self.part_name,
            "seed": seed_of(generator),
            "rmtland": installed_version(),
        }
