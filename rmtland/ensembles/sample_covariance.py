r"""Sample covariance matrices of a given population.

Matrices S^{1/2} X X^T S^{1/2} with X of shape (n, q), independent centred entries of variance 1/q
of any kind, q = round(n / phi) but at least 1, and S diagonal: the quantiles (i + 1/2)/n of the
population law. For i.i.d. samples the limit is the generalised Marchenko-Pastur law, the free
product of the population law with Marchenko-Pastur(phi), whatever the entries [1]_.

References
----------
.. [1] J. W. Silverstein and Z. D. Bai, On the empirical distribution of eigenvalues of a class of
       large dimensional random matrices, J. Multivariate Analysis 54 (1995) 175-192.

Examples
--------
>>> from rmtland import Discrete
>>> ensemble = SampleCovariance(Discrete((1.0, 10.0), (0.8, 0.2)), 0.1)
>>> len(ensemble.law.support)
2
>>> SampleCovariance(2.0, 0.5, entries="sign").law
MarchenkoPastur(aspect_ratio=0.5, scale=2.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arguments import positive
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries, columns, entry_kind
from rmtland.ensembles.krylov import Factor, HaarFactor, WishartFactor
from rmtland.ensembles.operands import positive_law
from rmtland.ensembles.quantiles import quantiles
from rmtland.free import general_marchenko_pastur
from rmtland.laws import Law, MarchenkoPastur
from rmtland.typing import Array

__all__ = ["SampleCovariance"]


@dataclass(frozen=True)
class SampleCovariance(Ensemble):
    """Sample covariance matrices (generalised Wishart matrices, correlated Wishart matrices).

    Parameters
    ----------
    population : Law, Spectrum, array_like of float or float
        Law of the population covariance on [0, infinity): a law, eigenvalues, or one number for
        a multiple of the unit matrix.
    aspect_ratio : float
        Ratio phi = n/q > 0 of dimension to samples.
    entries : str
        "normal", "sign", "uniform" or "student", see `rmtland.ensembles.entries`.
    degrees : float, optional
        Degrees of freedom > 2 of student entries: their moments are finite below this order.

    Raises
    ------
    ValueError
        If the population has mass below zero or all of it at zero, or a parameter is out of its
        range.
    TypeError
        If `aspect_ratio` is no real number.

    See Also
    --------
    rmtland.free.general_marchenko_pastur : its limit.
    rmtland.ensembles.WishartEnsemble : covariance one.
    """

    population: Law
    aspect_ratio: float
    entries: str = "normal"
    degrees: float | None = None

    def __post_init__(self) -> None:
        population = positive_law("population", self.population)
        object.__setattr__(self, "population", population)
        object.__setattr__(self, "aspect_ratio", positive("aspect_ratio", self.aspect_ratio))
        _, degrees = entry_kind(self.entries, self.degrees)
        object.__setattr__(self, "degrees", degrees)

    @cached_property
    def law(self) -> Law:
        """Free product of the population law and the Marchenko-Pastur law."""
        if self.population.is_point_mass:
            return MarchenkoPastur(self.aspect_ratio, self.population.mean())
        return general_marchenko_pastur(self.population, self.aspect_ratio)

    def columns(self, n: int) -> int:
        """Return the number of samples q for matrices of size n.

        Parameters
        ----------
        n : int
            Size of the matrices.

        Returns
        -------
        int
            round(n / phi), at least 1.
        """
        return columns(n, self.aspect_ratio)

    def _floats(self, n: int) -> float:
        return (5.0 * n + 4 * self.columns(n)) * n

    def _matrices(self, n: int, entries: Entries) -> Array:
        factor = self._factor(n, entries)
        return factor @ entries.adjoint(factor)

    def _factor(self, n: int, entries: Entries) -> Array:
        q = self.columns(n)
        scales = entries.array(np.sqrt(quantiles(self.population, n) / q))
        return entries.standard(self.entries, self.degrees, n, q) * scales[:, None]

    def _factors(self) -> tuple[str, list[Factor]]:
        if self.entries != "normal":
            return super()._factors()
        if self.population.is_point_mass:
            return "sum", [WishartFactor(self.aspect_ratio, self.population.mean())]
        return "product", [HaarFactor(self.population), WishartFactor(self.aspect_ratio)]

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        rank = min(self.columns(n), int(np.count_nonzero(quantiles(self.population, n))))
        return ((0.0, n - rank),) if rank < n else ()

    @property
    def _hull(self) -> tuple[float, float]:
        return 0.0, math.inf
