r"""The interface of what has a spectrum: models of a Hessian and random-matrix ensembles.

A spectral model is a random matrix of which one knows the law of the eigenvalues, exactly or as n
grows (limiting spectral distribution, density of states). What it is asked is the same for all:

.. math::
    G(z) = \int \frac{\rho(dt)}{z - t}, \qquad
    \rho_\eta(x) = -\tfrac1\pi \operatorname{Im} G(x + i\eta), \qquad
    F_\eta(x) = 1 - \tfrac1\pi \operatorname{Im} L(x + i\eta), \quad L' = G,

the density and the distribution function convolved with the Cauchy law of half-width eta; the
index, its mass strictly below zero (fraction of negative eigenvalues); mean and variance; and draws
of the matrix. A model that is a sum has `parts`, each with the same interface.

A subclass gives `law`, or raises ValueError there with the reason why there is none and gives
`stieltjes`, `smoothed_pdf`, `smoothed_cdf`, `index`, `mean` and `var` itself. The conventions are
those of `rmtland.laws.law`.

References
----------
.. [1] A. Edelman and N. R. Rao, Random matrix theory, Acta Numerica 14 (2005) 233-297.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> class Gaussian(SpectralModel):
...     @property
...     def law(self):
...         return Semicircle(1.0)
>>> model = Gaussian()
>>> model.index(), model.mean(), model.var(), model.parts
(0.5, 0.0, 1.0, ('total',))
>>> round(model.smoothed_cdf(0.0, eta=0.1), 12)
0.5
"""

from __future__ import annotations

import abc
from typing import overload

import numpy as np

from rmtland.arguments import choice, points, positive
from rmtland.arrays import number_or_array
from rmtland.laws.law import Law
from rmtland.laws.pointwise import between_infinities
from rmtland.spectrum import Spectrum
from rmtland.synonyms import LAWS, MODELS, WithSynonyms, leading_name, meant
from rmtland.typing import ArrayLike, Complex, Real, Rng, Scalar, Values

__all__ = ["SpectralModel"]


class SpectralModel(WithSynonyms, abc.ABC):
    """A random matrix whose spectral law is known: one interface for models and ensembles."""

    _synonyms = MODELS

    @property
    @abc.abstractmethod
    def law(self) -> Law:
        """Law of the eigenvalues: exact, or the limit as the matrix grows.

        Raises
        ------
        ValueError
            If the model has no such law; the message says why, and what to ask instead.
        """

    def _meant(self, name: str) -> str | None:
        """Return what to write instead of a missing attribute: one of its law, too."""
        here = super()._meant(name)
        if here is not None:
            return here
        words = name if hasattr(Law, name) else meant(name, LAWS)
        return f"law.{words}" if words and hasattr(Law, leading_name(words)) else None

    # The spectral law ------------------------------------------------------------------------

    @overload
    def stieltjes(self, z: Scalar) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def stieltjes(self, z: ArrayLike) -> Complex: ...
    def stieltjes(self, z: ArrayLike) -> Values:
        """Stieltjes (Cauchy) transform G(z), the mean of 1/(z - eigenvalue).

        Parameters
        ----------
        z : array_like of complex
            Points, any shape.

        Returns
        -------
        complex or ndarray of complex128
            G(z), in the shape of `z`; Im G < 0 for Im z > 0.
        """
        return self.law.stieltjes(z)

    @overload
    def smoothed_pdf(self, x: Scalar, *, eta: float) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Real: ...
    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Density convolved with the Cauchy density of half-width eta: -Im G(x + i eta)/pi.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0, in the units of x.

        Returns
        -------
        float or ndarray
            Density per unit of x; atoms are part of it.

        Raises
        ------
        ValueError
            If a point is NaN or eta is not positive.
        TypeError
            If `eta` is no real number, or `x` holds no real numbers.
        """
        place, height = points("x", x), positive("eta", eta)

        def density(x: Real) -> Real:
            return -np.asarray(self.stieltjes(x + 1j * height)).imag / np.pi

        return number_or_array(between_infinities(density, place, last=0.0))

    @overload
    def smoothed_cdf(self, x: Scalar, *, eta: float) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Real: ...
    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Distribution function convolved with the Cauchy law of half-width eta.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0, in the units of x.

        Returns
        -------
        float or ndarray
            Values in [0, 1], in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN or eta is not positive.
        TypeError
            If `eta` is no real number, or `x` holds no real numbers.
        """
        place, height = points("x", x), positive("eta", eta)

        def mass(x: Real) -> Real:
            return 1 - np.asarray(self.law.log_potential(x + 1j * height)).imag / np.pi

        return number_or_array(between_infinities(mass, place, last=1.0))

    def index(self) -> float:
        """Fraction of negative eigenvalues: the mass strictly below zero.

        An atom at zero is no part of it.

        Returns
        -------
        float
            Mass of (-infinity, 0), in [0, 1].
        """
        return float(self.law.mass_below(0.0))

    def mean(self) -> float:
        """Mean eigenvalue.

        Returns
        -------
        float
            In the units of the eigenvalues.

        Raises
        ------
        ValueError
            If the model has no law and no route of its own to the mean.
        """
        return self.law.mean()

    def var(self) -> float:
        """Variance of the eigenvalues.

        Returns
        -------
        float
            In the squared units of the eigenvalues, >= 0.

        Raises
        ------
        ValueError
            If the model has no law and no route of its own to the variance.
        """
        return self.law.var()

    # Parts -----------------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, "total" last: ("gauss_newton", "residual", "total") of a Hessian."""
        return ("total",)

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part, by name: a model, or a law, which answers the same questions.

        Parameters
        ----------
        name : str
            One of `parts`; "total" is the model itself.

        Returns
        -------
        SpectralModel or Law
            The part; the model itself for "total".

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        choice("name", name, self.parts)
        return self

    # Draws -----------------------------------------------------------------------------------

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw matrices and return all their eigenvalues.

        Parameters
        ----------
        n : int
            Size of the matrices; what it counts is stated by each model.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, eigenvalues).

        Raises
        ------
        ValueError
            If the model cannot be drawn, or an argument is out of its range.
        """
        raise ValueError(f"{type(self).__name__} is a law only: it cannot draw matrices")

    def lanczos(self, n: float, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw the Gauss quadrature of Lanczos runs from uniform start vectors.

        Parameters
        ----------
        n : int or float
            Size of the matrices, as in `sample`.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent runs.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If the model has no Lanczos sampler, or an argument is out of its range.
        """
        raise ValueError(f"{type(self).__name__} has no Lanczos sampler; use sample")
