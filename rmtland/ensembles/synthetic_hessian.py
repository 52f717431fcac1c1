r"""Synthetic Hessians: a Wishart Gauss-Newton part and an independent residual part.

.. math:: H = H_0 + H_1, \qquad H_0 = X X^T, \quad X_{ij} \sim N(0, \sigma/q),

with X of shape (n, q), q = round(n / phi) but at least 1; the energy epsilon fixes the residual
part. Wishart + Wigner has H_1 from the GOE of variance 2 epsilon. Wishart + ReLU block has

.. math:: H_1 = \begin{pmatrix} 0 & B \\ B^T & 0 \end{pmatrix}, \qquad
          B = \frac{1}{2k} E Y^T, \quad E_{ij} \sim N(0, 2 \epsilon), \; Y_{ij} \sim N(0, 1),

with k = round(n / (2 phi)) but at least 1 active samples and B of floor(n/2) rows. As H_0 is
rotation invariant the two are free in the limit, and the limit is the free sum. Where q >= n only
the Bartlett factor of X is drawn, lower triangular with chi variables on its diagonal.

E tr H/n = sigma and E tr H^2/n = sigma^2 (1 + (n + 1)/q) + r with r = 2 epsilon (1 + 1/n), and
epsilon rows columns / (k n) for the block.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 4.

Examples
--------
>>> ensemble = WishartWigner(0.5, 0.3)
>>> spectrum = ensemble.sample(400, rng=0)
>>> abs(spectrum.index() - ensemble.law.mass_below(0.0)) < 0.005
True
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import nonnegative, positive
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries, columns
from rmtland.ensembles.gaussian_ensemble import GaussianEnsemble
from rmtland.ensembles.krylov import GaussianFactor, ReluBlockFactor, WishartFactor
from rmtland.ensembles.relu_residual import relu_residual_law
from rmtland.ensembles.sample_covariance import exact_zeros
from rmtland.ensembles.wishart_ensemble import WishartEnsemble
from rmtland.free import free_sum
from rmtland.laws import Law, MarchenkoPastur, Semicircle

__all__ = ["SyntheticHessian", "WishartReluBlock", "WishartWigner"]


@dataclass(frozen=True)
class SyntheticHessian(Ensemble):
    """Wishart Gauss-Newton part and independent residual part.

    Parameters
    ----------
    phi : float
        Parameters per effective example, > 0: the aspect ratio of the Wishart part.
    epsilon : float
        Energy >= 0; residuals have variance 2 epsilon. At 0 the Wishart part is left.
    sigma : float
        Mean of the Wishart part, > 0.

    Raises
    ------
    ValueError
        If a parameter is out of its range or not finite.
    """

    phi: float
    epsilon: float
    sigma: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "phi", positive("phi", self.phi))
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))
        object.__setattr__(self, "sigma", positive("sigma", self.sigma))

    @cached_property
    def law(self) -> Law:
        """Free sum of the Marchenko-Pastur law and the law of the residual part."""
        wishart = MarchenkoPastur(self.phi, self.sigma)
        return free_sum(wishart, self._residual_law()) if self.epsilon else wishart

    @property
    def wishart(self) -> WishartEnsemble:
        """The ensemble of the Gauss-Newton part."""
        return WishartEnsemble(self.phi, self.sigma)

    @abc.abstractmethod
    def _residual_law(self) -> Law: ...

    @abc.abstractmethod
    def _residual(self, n: int, entries: Entries) -> Any:
        """Residual parts, shape (runs, n, n)."""

    @property
    @abc.abstractmethod
    def _residual_factor(self) -> Any:
        """Description of the residual part for the Krylov sampler."""

    def _floats(self, n: int) -> float:
        return (6.0 * n + 2 * min(n, columns(n, self.phi))) * n

    def _matrices(self, n: int, entries: Entries) -> Any:
        q = columns(n, self.phi)
        factor = entries.bartlett(n, q) * math.sqrt(self.sigma / q)
        wishart = factor @ entries.adjoint(factor)
        return wishart + self._residual(n, entries) if self.epsilon else wishart

    def _eigenvalues(
        self, n: int, library: ArrayLibrary, parents: Sequence[np.random.Generator]
    ) -> NDArray[Any]:
        if not self.epsilon and library.name == "numpy":
            return self.wishart._eigenvalues(n, library, parents)
        nodes = super()._eigenvalues(n, library, parents)
        return nodes if self.epsilon else exact_zeros(nodes, n - columns(n, self.phi))

    def _factors(self) -> tuple[str, list[Any]]:
        wishart = WishartFactor(self.phi, self.sigma)
        return "sum", [wishart, self._residual_factor] if self.epsilon else [wishart]


@dataclass(frozen=True)
class WishartWigner(SyntheticHessian):
    """Wishart + Wigner: the residual part is Gaussian. Parameters as for `SyntheticHessian`."""

    def _residual_law(self) -> Law:
        return Semicircle(2 * self.epsilon)

    def _residual(self, n: int, entries: Entries) -> Any:
        return GaussianEnsemble(variance=2 * self.epsilon)._matrices(n, entries)

    @property
    def _residual_factor(self) -> GaussianFactor:
        return GaussianFactor(2 * self.epsilon)

    def _equivalents(self, n: int, entries: Entries) -> Any:
        # The Gaussian part is rotation invariant: the eigenvalues of the other suffice.
        if not self.epsilon:
            return self._matrices(n, entries)
        diagonal = self.wishart._eigenvalues(n, ArrayLibrary.of(), entries.host_generators())
        return entries.with_diagonal(self._residual(n, entries), entries.array(diagonal))


@dataclass(frozen=True)
class WishartReluBlock(SyntheticHessian):
    """Wishart + ReLU block: off-diagonal residual part. Parameters as for `SyntheticHessian`."""

    def _residual_law(self) -> Law:
        return relu_residual_law(self.phi, self.epsilon)

    def _residual(self, n: int, entries: Entries) -> Any:
        rows = n // 2
        active = columns(n, 2 * self.phi)
        xp, library = entries.xp, entries.library
        if not rows:
            return xp.zeros((1, n, n), dtype=library.real, device=library.device)
        # E = L Q where active >= rows, and Q Y^T is Gaussian too: the cost is free of `active`.
        errors = entries.bartlett(rows, active)
        block = errors @ entries.normal(errors.shape[-1], n - rows)
        block = block * (math.sqrt(2 * self.epsilon) / (2 * active))
        matrices = xp.zeros((block.shape[0], n, n), dtype=library.real, device=library.device)
        matrices[:, :rows, rows:] = block
        matrices[:, rows:, :rows] = entries.adjoint(block)
        return matrices

    @property
    def _residual_factor(self) -> ReluBlockFactor:
        return ReluBlockFactor(self.phi, self.epsilon)
