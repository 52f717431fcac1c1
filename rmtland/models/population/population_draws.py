"""Draws of networks and data from a population: matrices, their spectra, and mean densities.

Examples
--------
>>> from rmtland.models import PopulationHessian
>>> model = PopulationHessian(4, 4, 4, 16, activation="relu", epsilon=0.1)
>>> model.sample(4, rng=0, runs=2).nodes.shape
(2, 32)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rmtland.arguments import choice, count, points
from rmtland.deprecation import keyword_only
from rmtland.laws import Law
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.models.hessian_parts import PARTS, HessianParts
from rmtland.models.population.network import PopulationNetwork
from rmtland.networks import MLP
from rmtland.spectrum import Spectrum
from rmtland.streams import seed_of, streams
from rmtland.typing import ArrayLike, Real, Rng

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DrawnDensity", "PopulationDraws"]


class DrawnDensity(NamedTuple):
    """A density averaged over draws, and its standard error."""

    mean: Real
    standard_error: Real


class PopulationDraws(PopulationNetwork, HessianParts):
    """Networks and data drawn; `rmtland.models.PopulationHessian` has their limit laws."""

    epsilon: float
    part_name: str

    # Draws ---------------------------------------------------------------------------------------

    def _drawn(
        self, n: int, generators: list[np.random.Generator]
    ) -> Iterator[tuple[Real, Real, int, np.random.Generator]]:
        """First layers, samples, n2 and the generator, one for each generator."""
        n1 = count("n", n)
        n0, n2, m = (
            max(1, round(n1 * size / self.hidden))
            for size in (self.inputs, self.outputs, self.samples)
        )
        for generator in generators:
            first = generator.normal(size=(n1, n0)) * math.sqrt(self.first_variance / n0)
            x = generator.normal(size=(m, n0)) * np.sqrt(self.levels(n0))
            yield first, x, n2, generator

    def levels(self, n0: int) -> Real:
        """Return eigenvalues of the covariance for n0 inputs: quantiles of their law.

        Parameters
        ----------
        n0 : int
            Number of inputs.

        Returns
        -------
        ndarray of float, shape (n0,)
            Ascending.
        """
        share = (np.arange(n0) + 0.5) / n0
        if isinstance(self.covariance, Law):
            return np.asarray(self.covariance.ppf(share))
        values = np.sort(np.asarray(self.covariance, dtype=np.float64).ravel())
        return np.asarray(values[np.minimum((share * values.size).astype(int), values.size - 1)])

    def draw(
        self, n: int, *, epsilon: float | None = None, part: str | None = None, rng: Rng = None
    ) -> DysonHessian:
        """Draw a first layer and data, and return the model that knows them.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes follow by the ratios.
        epsilon : float, optional
            Energy; that of the model by default.
        part : {"total", "gauss_newton", "residual"}, optional
            That of the model by default.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        DysonHessian
            The model given the layer and the data drawn.
        """
        first, x, n2, generator = next(self._drawn(n, streams(rng, 1)))
        return DysonHessian.of_first_layer(
            first,
            x,
            outputs=n2,
            epsilon=self.epsilon if epsilon is None else epsilon,
            activation=self.activation,
            part=self.part_name if part is None else part,
            second_layer=self.second_variance / first.shape[0],
            rng=generator,
        )

    @keyword_only("rng", 2)
    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data, and return all eigenvalues of the exact matrices of the part.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes follow by the ratios, at least 1.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n1 (n0 + n2)).

        Raises
        ------
        ValueError
            If `n` or `runs` is below 1.
        TypeError
            If it is no integer.
        """
        generators = streams(rng, count("runs", runs))
        part = "gauss_newton" if self.part_name == "total" and not self.epsilon else self.part_name
        rows = []
        for first, x, n2, generator in self._drawn(n, generators):
            n1, n0 = first.shape
            net = MLP((n0, n1, n2), activation=self.activation)
            second = generator.normal(size=(n2, n1)) * math.sqrt(self.second_variance / n1)
            theta = np.concatenate([first.ravel(), second.ravel()])
            y = np.zeros((len(x), n2))
            if part != "gauss_newton":
                noise = generator.normal(size=(len(x), n2)) * math.sqrt(2 * self.epsilon)
                y = net.predict(theta, x) - noise
            rows.append(np.linalg.eigvalsh(net.at(theta, x, y).hessian(part)))
        return Spectrum(
            np.array(rows),
            provenance={
                "source": "model",
                "model": type(self).__name__,
                "sizes": [n0, n1, n2, len(x)],
                "activation": str(self.activation),
                "part": self.part_name,
                "epsilon": self.epsilon,
                "seed": seed_of(generators[0]),
            },
        )

    def total_density(
        self,
        x: ArrayLike,
        *,
        eta: float,
        epsilon: float,
        n: int = 12,
        draws: int = 4,
        part: str = "total",
        rng: Rng = None,
    ) -> DrawnDensity:
        """Density of H0 + H1, smoothed at the height eta, averaged over drawn networks of size n.

        Parameters
        ----------
        x : array_like of float
            Points.
        eta : float
            Half-width of the Cauchy density that it is convolved with.
        epsilon : float
            Energy.
        n : int
            Number of hidden units of the networks drawn. Their law differs from the limit by
            some multiple of 1/n, which the standard error does not hold.
        draws : int
            Number of draws, at least 2.
        part : {"total", "gauss_newton", "residual"}
            As in `DysonHessian`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        DrawnDensity
            Mean and its standard error.

        Raises
        ------
        ValueError
            If a point is NaN, `part` another name, `draws` below 2, `eta` not positive, or
            `epsilon` below 0.
        TypeError
            If a number is of another type.
        """
        choice("part", part, PARTS)
        grid = points("x", x)
        rows = [
            np.asarray(
                self.draw(n, epsilon=epsilon, part=part, rng=generator).smoothed_pdf(grid, eta=eta)
            )
            for generator in streams(rng, count("draws", draws, min_value=2))
        ]
        values = np.array(rows)
        error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
        return DrawnDensity(values.mean(axis=0), error)
