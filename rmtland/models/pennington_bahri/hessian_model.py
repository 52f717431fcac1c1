r"""Models of the Hessian of a one-hidden-layer network as a sum of two free random matrices.

The Hessian of the loss splits as H = H0 + H1: the Gauss-Newton part H0 is positive semi-definite,
the residual part H1 is indefinite and grows with the energy epsilon = loss / n. Pennington and
Bahri [1]_ take H0 as a Wishart matrix and H1 as an independent, hence free, matrix; the law of H is
then the free sum of the two. The ratio phi counts parameters per effective example,
phi = 2n/m for n inputs, hidden units and outputs and m samples (in general p / (m n_out)).

As random matrices of size n (synthetic Hessians) they are

.. math:: H = H_0 + H_1, \qquad H_0 = X X^T, \quad X_{ij} \sim N(0, \sigma/q),

with X of shape (n, q), q = round(n / phi) but at least 1, and H1 of its own ensemble. Where q >= n
only the Bartlett factor of X is drawn, lower triangular with chi variables on its diagonal.
E tr H/n = sigma and E tr H^2/n = sigma^2 (1 + (n + 1)/q) + E tr H_1^2/n.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, sections 3 and 4.
"""

from __future__ import annotations

import abc
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from rmtland.arguments import choice, nonnegative, positive
from rmtland.arrays import ArrayLibrary
from rmtland.deprecation import keyword_only
from rmtland.ensembles import Ensemble, WishartEnsemble
from rmtland.ensembles.device.kernels import kernels_of
from rmtland.ensembles.entries import Entries, columns
from rmtland.ensembles.krylov import Factor
from rmtland.free import free_sum
from rmtland.laws import Discrete, Law, LawGrid, MarchenkoPastur, SpectralModel
from rmtland.laws.law_grid import Batch, parameter_grid
from rmtland.spectrum import Spectrum
from rmtland.typing import Array, ArrayLike, Namespace, Record, Rng

__all__ = ["PARTS", "HessianModel"]

PARTS = ("gauss_newton", "residual", "total")
"""H0, H1 and H, as in `rmtland.networks`."""


@dataclass(frozen=True)
class HessianModel(Ensemble):
    """A Wishart Gauss-Newton part and a free residual part of energy epsilon.

    It is a random-matrix ensemble with its limiting law (a synthetic Hessian): `law`, `sample`,
    `lanczos`, `matrix` and the rest of `rmtland.ensembles.Ensemble`; `part` gives H0 and H1 alone.

    Parameters
    ----------
    phi : float
        Parameters per effective example, > 0: the aspect ratio of the Wishart part.
    epsilon : float
        Energy, loss / n_out, >= 0; residuals have variance 2 epsilon. At 0 only the
        Marchenko-Pastur law is left, with its atom at 0 for phi > 1.
    sigma : float
        Mean of the Gauss-Newton part (1 in the paper), > 0.

    Raises
    ------
    ValueError
        If a parameter is out of its range or not finite.
    TypeError
        If `phi`, `epsilon` or `sigma` is no real number.
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

        Returns
        -------
        HessianModel
            Of the class it is called on.

        Raises
        ------
        ValueError
            If a number is out of its range or not finite.
        """
        unit = cls(phi, 1.0).residual_variance
        return cls(phi, nonnegative("residual_variance", residual_variance) / unit, mean)

    @classmethod
    def grid(cls, phi: ArrayLike, epsilon: ArrayLike, *, sigma: ArrayLike = 1.0) -> LawGrid:
        """Return the laws at many parameters, for densities and indices in one call.

        Parameters
        ----------
        phi, epsilon, sigma : array_like of float
            As for the class, in shapes that broadcast: ``phi[:, None], epsilon`` for a grid.

        Returns
        -------
        LawGrid
            With `pdf`, `cdf` and `index`, in the shape of the grid.

        Raises
        ------
        ValueError
            If shapes do not broadcast, or a value is out of its range or not finite.
        """
        named = {"phi": phi, "epsilon": epsilon, "sigma": sigma}
        own = "_many" in vars(cls)  # a class derived from it may have another law
        parameters = parameter_grid(named, or_zero="epsilon")
        return LawGrid(cls, parameters, batch=cls._many if own else None)

    _many: ClassVar[Batch | None] = None
    """Of laws that are computed many at once: see `rmtland.free.rational.many_laws`."""

    # Laws ------------------------------------------------------------------------------------

    @cached_property
    def law(self) -> Law:
        """Limiting law of H0 + H1: the free sum of the laws of the two parts."""
        residual = self.residual_law
        if residual is None:
            return self.gauss_newton_law
        return free_sum(self.gauss_newton_law, residual)

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
        """Energy above which the law has mass below zero; 0 for phi >= 1.

        There the Wishart part has eigenvalues at or next to zero, and every positive energy pushes
        some below.
        """

    @property
    @abc.abstractmethod
    def index_prefactor(self) -> float | None:
        """Constant alpha0 of the index just above the threshold; None for phi >= 1.

        index ~ alpha0 (epsilon / critical_energy - 1)^(3/2)
        """

    # Parts -----------------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("gauss_newton", "residual", "total")."""
        return PARTS

    def part(self, name: str) -> SpectralModel | Law:
        """Return H0, H1 or H: an ensemble with its law, or the point mass at 0 for H1 = 0.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            Which part.

        Returns
        -------
        Ensemble or Law
            An ensemble with its law; the point mass at 0 for H1 = 0.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        if choice("name", name, PARTS) == "total":
            return self
        if name == "gauss_newton":
            return self.wishart
        return self.residual_ensemble or Discrete((0.0,), (1.0,))

    @property
    def wishart(self) -> WishartEnsemble:
        """The ensemble of the Gauss-Newton part."""
        return WishartEnsemble(self.phi, self.sigma)

    @property
    @abc.abstractmethod
    def residual_ensemble(self) -> Ensemble | None:
        """The ensemble of the residual part, or None at epsilon = 0 where H1 = 0."""

    @property
    def ensemble(self) -> Self:
        """Old name of the model itself, which is the ensemble."""
        warnings.warn(
            f"{type(self).__name__}.ensemble: the model is the ensemble; the old name goes in the "
            "next version",
            DeprecationWarning,
            stacklevel=2,
        )
        return self

    @keyword_only("rng", 2)
    def sample(self, n: int, *, rng: Rng = None, runs: int = 1, **library: Any) -> Spectrum:
        """Draw matrices and return all their eigenvalues.

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
        **library
            Array library, precision and device, as for `rmtland.ensembles.Ensemble.matrix`.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n), float64.

        Raises
        ------
        ValueError
            If n or runs is not a positive integer, or one matrix would not fit into memory.
        """
        return super().sample(n, rng=rng, runs=runs, **library)

    @keyword_only("rng", 3)
    def lanczos(
        self,
        n: float,
        steps: int,
        *,
        rng: Rng = None,
        runs: int = 1,
        xp: Namespace | None = None,
        device: object = None,
    ) -> Spectrum:
        """Draw the Gauss quadrature of Lanczos runs: see `rmtland.ensembles.Ensemble.lanczos`.

        Parameters
        ----------
        n : int or float
            Size of the matrices; the time does not depend on it, and `math.inf` gives the law
            itself.
        steps : int
            Number of Lanczos steps, at most n.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent runs.
        xp, device
            NumPy and the CPU only.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).
        """
        return super().lanczos(n, steps, rng=rng, runs=runs, xp=xp, device=device)

    # The ensemble ----------------------------------------------------------------------------

    def _floats(self, n: int) -> float:
        return (6.0 * n + 2 * min(n, columns(n, self.phi))) * n

    def _matrices(self, n: int, entries: Entries) -> Array:
        q = columns(n, self.phi)
        factor = entries.bartlett(n, q) * math.sqrt(self.sigma / q)
        wishart = factor @ entries.adjoint(factor)
        residual = self.residual_ensemble
        return wishart if residual is None else wishart + residual._matrices(n, entries)

    def _spectra(
        self, n: int, library: ArrayLibrary, parents: Sequence[np.random.Generator]
    ) -> Iterator[Array]:
        tridiagonal = library.name == "numpy" or kernels_of(library) is not None
        if not self.epsilon and tridiagonal:
            return self.wishart._spectra(n, library, parents)
        return super()._spectra(n, library, parents)

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        residual, zeros = self.residual_ensemble, n - columns(n, self.phi)
        if residual is not None:  # off its null space it moves all eigenvalues
            zeros += sum(number for place, number in residual._known(n) if place == 0) - n
        return ((0.0, zeros),) if zeros > 0 else ()

    @property
    def _hull(self) -> tuple[float, float]:
        return (-math.inf if self.epsilon else 0.0), math.inf

    def _factors(self) -> tuple[str, list[Factor]]:
        residual = self.residual_ensemble
        more = [] if residual is None else residual._factors()[1]
        return "sum", [*self.wishart._factors()[1], *more]

    def _provenance(self, n: float, generators: Sequence[np.random.Generator]) -> Record:
        found = super()._provenance(n, generators)
        del found["ensemble"]
        return found | {"source": "model", "model": type(self).__name__}
