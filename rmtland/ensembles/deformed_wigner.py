r"""Deformed Wigner matrices: a given spectrum plus Gaussian noise.

Matrices A + W with A diagonal, its eigenvalues the quantiles (i + 1/2)/n of a law, and W of the
Gaussian ensemble of variance v. The limit is the free sum of the law with a semicircle [1]_. With a
discrete law it is the standard model of a few levels blurred by noise.

E tr (A + W)^2 / n = tr A^2 / n + v (1 + (2/beta - 1)/n), exactly.

References
----------
.. [1] L. A. Pastur, On the spectrum of random matrices, Theoretical and Mathematical Physics 10
       (1972) 67-74.

Examples
--------
>>> from rmtland import Discrete
>>> ensemble = DeformedWigner(Discrete((-2.0, 3.0), (0.25, 0.75)), 0.1)
>>> [round(edge, 3) for band in ensemble.law.support for edge in band]
[-2.331, -1.699, 2.458, 3.552]
>>> float(np.mean(ensemble.sample(80, rng=0).eigenvalues < 0))
0.25
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arguments import among, positive
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.gaussian_ensemble import GaussianEnsemble
from rmtland.ensembles.krylov import Factor, GaussianFactor, HaarFactor
from rmtland.ensembles.operands import law_of
from rmtland.ensembles.quantiles import quantiles
from rmtland.free import free_sum
from rmtland.laws import Law, Semicircle
from rmtland.laws.spectral_model import SpectralModel
from rmtland.typing import Array

__all__ = ["DeformedWigner"]


@dataclass(frozen=True)
class DeformedWigner(Ensemble):
    """A given spectrum plus Gaussian noise (external source model, discrete plus noise).

    .. formula:: Sum of a given spectrum and Gaussian noise (deformed Wigner, Pastur equation),
        :math:`G(z) = G_A(z - v G(z))`

    Parameters
    ----------
    population : Law, Spectrum or array_like of float
        Spectrum without the noise: a law (`Discrete`, ...), or eigenvalues.
    variance : float
        Variance v > 0 of the semicircle law of the noise.
    beta : int
        1 for a real symmetric (GOE), 2 for a complex Hermitian (GUE), 4 for a quaternion noise
        (GSE).

    Raises
    ------
    ValueError
        If the variance is not positive, beta is another number, or eigenvalues are not finite.
    TypeError
        If the population is not a spectrum.

    See Also
    --------
    rmtland.free.free_sum : its limit.
    """

    population: Law
    variance: float = 1.0
    beta: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "population", law_of("population", self.population))
        object.__setattr__(self, "variance", positive("variance", self.variance))
        beta = among("beta", self.beta, {1: "real", 2: "complex", 4: "quaternion"})
        object.__setattr__(self, "beta", beta)

    @cached_property
    def law(self) -> Law:
        """Free sum of the population law and the semicircle law."""
        return free_sum(self.population, Semicircle(self.variance))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("population", "noise", "total")."""
        return ("population", "noise", "total")

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part: the law of the population, or the ensemble of the noise.

        Parameters
        ----------
        name : str
            One of `parts`; "total" is the ensemble itself.

        Returns
        -------
        Law or Ensemble
            The law of the population, or an ensemble.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        if name == "population":
            return self.population
        if name == "noise":
            return GaussianEnsemble(self.beta, self.variance)
        return super().part(name)

    def _floats(self, n: int) -> float:
        return 8.0 * n * n * self.beta**2

    def _matrices(self, n: int, entries: Entries) -> Array:
        noise = GaussianEnsemble(self.beta, self.variance)._matrices(n, entries)
        values = np.tile(quantiles(self.population, n), noise.shape[-1] // n)
        return entries.with_diagonal(noise, entries.array(values))

    def _factors(self) -> tuple[str, list[Factor]]:
        if self.beta != 1:
            raise ValueError("the Lanczos sampler takes real noise, beta = 1; use sample")
        return "sum", [HaarFactor(self.population), GaussianFactor(self.variance)]
