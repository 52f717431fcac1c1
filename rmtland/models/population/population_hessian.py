r"""The Hessian law of a one-hidden-layer network from its sizes and its activation alone.

Pennington and Bahri [1]_ leave open the limit law of H0 for a network y = W2 f(W1 x) with Gaussian
weights and data. Here it is, for n0 inputs, n1 hidden units, n2 outputs, m samples in any ratio,
any activation and data of any covariance; nothing is drawn and nothing fitted. Two facts carry it:

* *Gaussian equivalence.* For z of variance q the features act like c0 + c1 W1 X + c* Theta with
  independent Gaussian Theta, c0 = E f, c1 = E f', c*^2 = E f^2 - c0^2 - q c1^2; the slopes f'
  like an independent diagonal matrix over units and samples.
* *Two tensor legs.* Singular vectors of W2 act on outputs and units, X, W1 and Theta on samples:
  for every singular value of W2 there is a small equation in free Gaussian matrices; the slopes,
  free from all of it, couple these equations through a 2 x 2 self-energy
  (`rmtland.models.population.equation`).

Both were tested, not proved. Against the data-aware equation (`DysonHessian`, one draw of first
layer and data) G at height 0.2 differs by 0.096, 0.048 for ReLU and 0.045, 0.022 for tanh at n =
16, 32 (n0 = n1 = n2, m = 4n): like 1/n, in that case and in rectangular ones, hence neither the
freeness of the slopes nor their independence from Theta fails at leading order. Of order 1/n are
the n1 exact zeros of a ReLU network and its outliers, about n1 c0^2 (`spike`), one for each output.

The residual part H1 splits into blocks, one for each unit: `residual` has its law, with the
second derivatives of f. H0 + H1 has no finite closed system known, as residuals couple the units:
`total_density` averages `DysonHessian` over draws of a smaller network of the same ratios, with a
standard error.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 3.

Examples
--------
>>> model = PopulationHessian(1, 1, 1, 4, activation="relu")
>>> model.law.atoms, round(model.mean, 12)  # 1/2 - 1/(4 pi)
((), 0.420422528454)
>>> g = model.law.stieltjes(1 + 0.1j)
>>> round(g.real, 6), round(g.imag, 6)
(1.041819, -0.677033)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import choice, count, points
from rmtland.laws import Law
from rmtland.models.dyson.dyson_hessian import PARTS, DysonHessian
from rmtland.models.population.law import PopulationLaw
from rmtland.models.population.network import PopulationNetwork
from rmtland.models.population.residual import PopulationResidual
from rmtland.networks import MLP
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, seed_of, streams

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DrawnDensity", "PopulationHessian"]


class DrawnDensity(NamedTuple):
    """A density averaged over draws, and its standard error."""

    mean: NDArray[np.float64]
    standard_error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PopulationHessian(PopulationNetwork):
    """A one-hidden-layer network with Gaussian weights and Gaussian data, both averaged out.

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    activation : str or Activation
        As in `rmtland.networks.MLP`.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    covariance : float, array_like of shape (n0,) or Law
        Covariance of the samples: a multiple of the identity, its eigenvalues, or their law. Where
        there are more than 24 eigenvalues the Gauss rule of 24 nodes stands for them.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    name = "population law"

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of H0, outliers apart.

        That of `LinearHessian` for an affine activation and isotropic data.
        """
        sigma, rule = self._data[0], self.rule
        if rule.slopes.size == 1 and sigma.size == 1:
            linear = self.linear()
            return replace(
                linear, data_variance=linear.data_variance * float(rule.slopes[0]) ** 2
            ).law
        return PopulationLaw(self)

    def residual(self, epsilon: float) -> PopulationResidual:
        """Return the law of H1 at an energy epsilon > 0."""
        return PopulationResidual(self, epsilon)

    # Draws ---------------------------------------------------------------------------------------

    def _drawn(
        self, n: int, generators: list[np.random.Generator]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], int, np.random.Generator]]:
        """First layers, samples, n2 and the generator, one for each generator."""
        n1 = count("n", n)
        n0, n2, m = (
            max(1, round(n1 * size / self.hidden))
            for size in (self.inputs, self.outputs, self.samples)
        )
        for generator in generators:
            first = generator.normal(size=(n1, n0)) * math.sqrt(self.first_variance / n0)
            x = generator.normal(size=(m, n0)) * np.sqrt(self._levels(n0))
            yield first, x, n2, generator

    def _levels(self, n0: int) -> NDArray[Any]:
        """Eigenvalues of the covariance for n0 inputs: quantiles of their law."""
        share = (np.arange(n0) + 0.5) / n0
        if isinstance(self.covariance, Law):
            return np.asarray(self.covariance.ppf(share))
        values = np.sort(np.asarray(self.covariance, dtype=np.float64).ravel())
        return np.asarray(values[np.minimum((share * values.size).astype(int), values.size - 1)])

    def draw(
        self, n: int, *, epsilon: float = 0.0, part: str = "total", rng: Rng = None
    ) -> DysonHessian:
        """Draw a first layer and data, and return the model that knows them.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes follow by the ratios.
        epsilon : float
            Energy.
        part : {"total", "gauss_newton", "residual"}
            As in `DysonHessian`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        """
        first, x, n2, generator = next(self._drawn(n, streams(rng, 1)))
        return DysonHessian.of_first_layer(
            first, x, outputs=n2, epsilon=epsilon, activation=self.activation, part=part,
            second_layer=self.second_variance / first.shape[0], rng=generator,
        )  # fmt: skip

    def sample(self, n: int, rng: Rng = None, *, runs: int = 1) -> Spectrum:
        """Draw networks and data, and return all eigenvalues of the exact matrices H0.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes follow by the ratios, at least 1.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.
        """
        generators = streams(rng, count("runs", runs))
        rows = []
        for first, x, n2, generator in self._drawn(n, generators):
            n1, n0 = first.shape
            net = MLP((n0, n1, n2), activation=self.activation)
            second = generator.normal(size=(n2, n1)) * math.sqrt(self.second_variance / n1)
            theta = np.concatenate([first.ravel(), second.ravel()])
            point = net.at(theta, x, np.zeros((len(x), n2)))
            rows.append(np.linalg.eigvalsh(point.hessian("gauss_newton")))
        return Spectrum(
            np.array(rows),
            provenance={
                "source": "model",
                "model": type(self).__name__,
                "sizes": [n0, n1, n2, len(x)],
                "activation": str(self.activation),
                "seed": seed_of(generators[0]),
            },
        )  # fmt: skip

    def total_density(
        self,
        x: ArrayLike,
        *,
        eta: float,
        epsilon: float,
        n: int = 12,
        draws: int = 4,
        part: str = "total",
        rng: Rng = 0,
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
        """
        choice("part", part, PARTS)
        grid = points("x", x)
        rows = [
            np.asarray(
                self.draw(n, epsilon=epsilon, part=part, rng=generator).smoothed_density(
                    grid, eta=eta
                )
            )
            for generator in streams(rng, count("draws", draws, least=2))
        ]
        values = np.array(rows)
        error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
        return DrawnDensity(values.mean(axis=0), error)
