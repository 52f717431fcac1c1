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
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.arrays import Rng, count, nonnegative, positive, random_generator, seed_of
from rmtland.free import free_sum
from rmtland.laws import Law, MarchenkoPastur
from rmtland.spectrum import Spectrum

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

    def sample(self, n: int, rng: Rng = None, *, runs: int = 1) -> Spectrum:
        """Draw random matrices of size n and diagonalise them.

        The Wishart part is X X^T with X of shape (n, q), q = round(n / phi) but at least 1, so
        that the ratio realised is n / q; it is drawn through its Bartlett factor where q >= n.

        Parameters
        ----------
        n : int
            Size of the matrices.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.

        Returns
        -------
        Spectrum
            All eigenvalues, nodes of shape (runs, n).
        """
        n, runs = count("n", n), count("runs", runs)
        generator = random_generator(rng)
        seed = seed_of(generator)
        nodes = np.empty((runs, n))
        for row in nodes:
            matrix = _wishart(n, max(1, round(n / self.phi)), self.sigma, generator)
            if self.epsilon:
                matrix += self._residual_matrix(n, generator)
            row[:] = np.linalg.eigvalsh(matrix)
        return Spectrum(
            nodes,
            provenance={
                "source": "model",
                "model": type(self).__name__,
                "parameters": asdict(self),
                "n": n,
                "runs": runs,
                "seed": seed,
                "versions": {"rmtland": _version(), "numpy": np.__version__},
            },
        )

    @abc.abstractmethod
    def _residual_matrix(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]: ...


def _wishart(
    n: int, q: int, variance: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """X X^T with X of shape (n, q) and independent entries N(0, variance / q)."""
    factor = gaussian_factor(n, q, generator) * np.sqrt(variance / q)
    return np.asarray(factor @ factor.T)


def gaussian_factor(n: int, q: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """X of shape (n, q) with entries N(0, 1), or L of X = L Q where q >= n.

    L is Bartlett's factor, lower triangular with chi entries on the diagonal and normal ones
    below it; Q has orthonormal rows and is independent of it.
    """
    if q < n:
        return generator.standard_normal((n, q))
    factor = np.tril(generator.standard_normal((n, n)), -1)
    np.fill_diagonal(factor, np.sqrt(generator.chisquare(q - np.arange(n))))
    return factor


def _version() -> str:
    try:
        return version("rmtland")
    except PackageNotFoundError:
        return "not installed"
