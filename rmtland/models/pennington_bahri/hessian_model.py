r"""Models of the Hessian of a one-hidden-layer network as a sum of two free random matrices.

The Hessian of the loss splits as H = H0 + H1: the Gauss-Newton part H0 is positive semi-definite,
the residual part H1 is indefinite and grows with the energy epsilon = loss / n. Pennington and
Bahri [1]_ take H0 as a Wishart matrix and H1 as an independent, hence free, matrix; the law of H is
then the free sum of the two. The ratio phi counts parameters per effective example,
phi = 2n/m for n inputs, hidden units and outputs and m samples (in general p / (m n_out)).

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, sections 3 and 4.
"""

from __future__ import annotations

import abc
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rmtland.arguments import nonnegative, positive
from rmtland.free import free_sum
from rmtland.laws import Law, MarchenkoPastur
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng

if TYPE_CHECKING:
    from rmtland.ensembles import SyntheticHessian

__all__ = ["HessianModel"]


@dataclass(frozen=True)
class HessianModel(abc.ABC):
    """A Wishart Gauss-Newton part and a free residual part of energy epsilon.

    Parameters
    ----------
    phi : float
        Parameters per effective example, > 0.
    epsilon : float
        Energy, loss / n_out, >= 0; residuals have variance 2 epsilon. At 0 only the
        Marchenko-Pastur law is left, with its atom at 0 for phi > 1.
    sigma : float
        Mean of the Gauss-Newton part (1 in the paper), > 0.

    Raises
    ------
    ValueError
        If a parameter is out of its range or not finite.
    """

    phi: float
    epsilon: float
    sigma: float = 1.0

    name: ClassVar[str]
    """What the model is called in tables and figures."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "phi", positive("phi", self.phi))
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))
        object.__setattr__(self, "sigma", positive("sigma", self.sigma))

    @classmethod
    def from_moments(cls, phi: float, *, mean: float, residual_variance: float) -> Self:
        """Return the model with a given Gauss-Newton mean and residual variance (traces matched).

        Parameters
        ----------
        phi : float
            Parameters per effective example.
        mean : float
            Mean eigenvalue of H0, > 0: becomes sigma.
        residual_variance : float
            Mean square eigenvalue of H1, >= 0: fixes epsilon.
        """
        unit = cls(phi, 1.0).residual_variance
        return cls(phi, nonnegative("residual_variance", residual_variance) / unit, mean)

    @cached_property
    def law(self) -> Law:
        """Limiting spectral law of H0 + H1: the free sum of the laws of the two parts."""
        residual = self.residual_law
        return self.gauss_newton_law if residual is None else free_sum(
            self.gauss_newton_law, residual
        )  # fmt: skip

    @property
    def gauss_newton_law(self) -> Law:
        """Law of H0: Marchenko-Pastur of ratio phi and mean sigma."""
        return MarchenkoPastur(self.phi, self.sigma)

    @property
    @abc.abstractmethod
    def residual_law(self) -> Law | None:
        """Law of H1, or None at epsilon = 0 where H1 = 0."""

    @property
    @abc.abstractmethod
    def residual_variance(self) -> float:
        """Variance of the law of H1."""

    @property
    @abc.abstractmethod
    def critical_energy(self) -> float:
        """Energy above which the law has mass below zero; 0 for phi >= 1."""

    @property
    @abc.abstractmethod
    def index_prefactor(self) -> float | None:
        """Constant alpha0 of the index just above the threshold; None for phi >= 1.

        index ~ alpha0 (epsilon / critical_energy - 1)^(3/2)
        """

    @cached_property
    def index(self) -> float:
        """Fraction of negative eigenvalues: the mass strictly below zero."""
        return float(self.law.mass_below(0.0))

    @property
    @abc.abstractmethod
    def ensemble(self) -> SyntheticHessian:
        """The random matrices whose limit is the law of the model."""

    def sample(
        self,
        n: int,
        rng: Rng = None,
        *,
        runs: int = 1,
        xp: Any = None,
        dtype: Any = None,
        device: Any = None,
    ) -> Spectrum:
        """Draw random matrices of size n and return all their eigenvalues.

        The Wishart part is X X^T with X of shape (n, q), q = round(n / phi) but at least 1, so
        that the ratio realised is n / q.

        Parameters
        ----------
        n : int
            Size of the matrices.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.
        xp, dtype, device
            Array library, precision and device, see `rmtland.ensembles.Ensemble.sample`.

        Returns
        -------
        Spectrum
            All eigenvalues, nodes of shape (runs, n).
        """
        return self._own(
            self.ensemble.sample(n, rng=rng, runs=runs, xp=xp, dtype=dtype, device=device)
        )

    def lanczos(self, n: float, steps: int, rng: Rng = None, *, runs: int = 1) -> Spectrum:
        """Draw the Gauss quadrature of Lanczos runs on matrices of any size (`Ensemble.lanczos`).

        Parameters
        ----------
        n : int or float
            Size of the matrices; the time does not depend on it. `math.inf` gives the law itself.
        steps : int
            Number of Lanczos steps, at most n.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent runs.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps), the tridiagonals in `alpha` and `beta`.
        """
        return self._own(self.ensemble.lanczos(n, steps, rng=rng, runs=runs))

    def _own(self, spectrum: Spectrum) -> Spectrum:
        """Name the model in the provenance instead of its ensemble."""
        origin = {"source": "model", "model": type(self).__name__, "parameters": asdict(self)}
        rest = {key: value for key, value in spectrum.provenance.items() if key != "ensemble"}
        return replace(spectrum, provenance={**rest, **origin})
