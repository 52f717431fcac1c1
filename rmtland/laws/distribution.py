r"""Density, distribution function and quantiles of a law, for arguments of any shape.

Conventions are those of `rmtland.laws.law`; the routes to the values are those of
`rmtland.laws.routes`.

Synonyms: survival function, percent point function, inverse survival function.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lecture 2 (Stieltjes inversion).

Examples
--------
>>> from rmtland.laws import Semicircle
>>> law = Semicircle()
>>> law.cdf(0.0), law.ppf([0.0, 1.0]).tolist(), law.isf(1.0)
(0.5, [-2.0, 2.0], -2.0)
>>> abs(law.ppf(0.5)) < 1e-15
True
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import choice, positive
from rmtland.laws.pointwise import between_infinities, pointwise, probabilities
from rmtland.laws.quadrature import mass_by_quadrature
from rmtland.laws.quantiles import in_order, require_inverse
from rmtland.laws.routes import LawRoutes
from rmtland.laws.transforms import LawTransforms
from rmtland.typing import Real, Scalar, Values

__all__ = ["LawDistribution"]


class LawDistribution(LawTransforms):
    """Density, distribution function and quantiles of a law, certified before the first value."""

    @overload
    def pdf(self, x: Scalar, *, method: str = ...) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def pdf(self, x: ArrayLike, *, method: str = ...) -> Real: ...
    def pdf(self, x: ArrayLike, *, method: str = "default") -> Values:
        r"""Density of the absolutely continuous part.

        .. formula:: Stieltjes inversion, :math:`\rho(x) = -\operatorname{Im} G(x + i0)/\pi`
            :with: method="stieltjes"

        Parameters
        ----------
        x : array_like of float
            Points, any shape; infinities are allowed.
        method : str
            "default", the law's own route; "stieltjes", the boundary value -Im G(x + i0)/pi.

        Returns
        -------
        float or ndarray
            Density per unit of x; zero outside the support, infinite at a point where the
            density is unbounded. Atoms are not part of it.

        Raises
        ------
        ValueError
            If a point is NaN, or there is no such method.
        """
        choice("method", method, ("default", "stieltjes"))
        self._require_certificate()
        if method == "default":
            return pointwise(self._pdf, x)
        return pointwise(lambda x: LawRoutes._pdf(self, x), x)

    @overload
    def cdf(self, x: Scalar, *, method: str = ...) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def cdf(self, x: ArrayLike, *, method: str = ...) -> Real: ...
    def cdf(self, x: ArrayLike, *, method: str = "default") -> Values:
        """Distribution function: the mass in (-infinity, x], atoms included, right-continuous.

        Parameters
        ----------
        x : array_like of float
            Points, any shape; infinities are allowed.
        method : str
            "default", the law's own route; "log_potential", 1 - Im L(x + i0)/pi; "quadrature", the
            integral of the density and the atoms.

        Returns
        -------
        float or ndarray
            Mass, between 0 and 1.

        Raises
        ------
        ValueError, ConvergenceError
            If a point is NaN, there is no such method, or a quadrature is not good to 1e-6.
        """
        choice("method", method, ("default", "log_potential", "quadrature"))
        self._require_certificate()
        if method == "default":
            return pointwise(self._cdf, x)
        if method == "log_potential":
            return pointwise(lambda x: LawRoutes._cdf(self, x), x)
        return pointwise(lambda x: np.minimum(mass_by_quadrature(self, x)[0], 1.0), x)

    @overload
    def sf(self, x: Scalar) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def sf(self, x: ArrayLike) -> Real: ...
    def sf(self, x: ArrayLike) -> Values:
        """Survival function: the mass in (x, infinity), 1 - cdf(x).

        Relatively accurate next to the upper end of the law, as far as its density is: where less
        than 1e-5 is left, and no atom, it is the integral of the density up to the end.

        Parameters
        ----------
        x : array_like of float
            Points, any shape; infinities are allowed.

        Returns
        -------
        float or ndarray
            Mass, between 0 and 1.

        Raises
        ------
        ValueError
            If a point is NaN.
        """
        self._require_certificate()
        return pointwise(self._sf, x)

    @overload
    def smoothed_pdf(self, x: Scalar, *, eta: float) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Real: ...
    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Values:
        r"""Density of the law smoothed at height eta: convolved with a Cauchy law.

        .. math:: \rho_\eta(x) = -\tfrac1\pi \operatorname{Im} G(x + i \eta)

        Parameters
        ----------
        x : array_like of float
            Points, any shape; infinities are allowed.
        eta : float
            Half-width of the Cauchy density (Lorentzian broadening), positive.

        Returns
        -------
        float or ndarray
            Density, atoms included.

        Raises
        ------
        ValueError, TypeError
            If eta is no positive number, or a point is NaN.
        """
        height = positive("eta", eta)

        def density(x: Real) -> Real:
            return -self.stieltjes(x + 1j * height).imag / np.pi

        return pointwise(lambda x: between_infinities(density, x, last=0.0), x)

    @overload
    def smoothed_cdf(self, x: Scalar, *, eta: float) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Real: ...
    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Values:
        r"""Distribution function of the law smoothed at height eta.

        .. math:: F_\eta(x) = 1 - \tfrac1\pi \operatorname{Im} L(x + i \eta)

        Distances of two smoothed distribution functions are at most those of the functions.

        Parameters
        ----------
        x : array_like of float
            Points, any shape; infinities are allowed.
        eta : float
            Half-width of the Cauchy density, positive.

        Returns
        -------
        float or ndarray
            Mass of the smoothed law in (-infinity, x].

        Raises
        ------
        ValueError, TypeError
            If eta is no positive number, or a point is NaN.
        """
        height = positive("eta", eta)

        def mass(x: Real) -> Real:
            return 1 - self.log_potential(x + 1j * height).imag / np.pi

        return pointwise(lambda x: between_infinities(mass, x, last=1.0), x)

    @overload
    def mass_below(self, x: Scalar) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def mass_below(self, x: ArrayLike) -> Real: ...
    def mass_below(self, x: ArrayLike) -> Values:
        """Mass in (-infinity, x): the left limit of the distribution function.

        It differs from `cdf` at atoms; at 0 it is the index, the fraction of negative eigenvalues.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.

        Returns
        -------
        float or ndarray
            Mass strictly below each point, in [0, 1].

        Raises
        ------
        ValueError
            If a point is NaN.
        """
        self._require_certificate()
        return pointwise(self._mass_below, x)

    @overload
    def ppf(self, q: Scalar) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def ppf(self, q: ArrayLike) -> Real: ...
    def ppf(self, q: ArrayLike) -> Values:
        """Quantile function: the least x with cdf(x) >= q; ppf(0) is the bottom of the support.

        Parameters
        ----------
        q : array_like of float
            Probabilities in [0, 1], any shape.

        Returns
        -------
        float or ndarray
            Quantiles, in the shape of `q`.

        Raises
        ------
        ValueError
            If a probability is NaN or outside [0, 1].
        ConvergenceError
            If those asked first are not where the distribution function takes their levels.
        """
        self._require_certificate()
        return pointwise(self._ordered_ppf, probabilities("q", q))

    def _ordered_ppf(self, q: Real) -> Real:
        x = self._ppf(q) if self._ppf_rises else in_order(self._ppf, q)
        require_inverse(self, q, x)
        return x

    @overload
    def isf(self, q: Scalar) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def isf(self, q: ArrayLike) -> Real: ...
    def isf(self, q: ArrayLike) -> Values:
        """Upper quantile (inverse survival function): the x with sf(x) = q, as `ppf(1 - q)`.

        Parameters
        ----------
        q : array_like of float
            Probabilities in [0, 1], any shape; small ones keep their relative accuracy.

        Returns
        -------
        float or ndarray
            Quantiles, in the shape of `q`.

        Raises
        ------
        ValueError
            If a probability is NaN or outside [0, 1].
        ConvergenceError
            If those asked first are not where the distribution function takes their levels.
        """
        self._require_certificate()
        return pointwise(self._ordered_isf, probabilities("q", q))

    def _ordered_isf(self, q: Real) -> Real:
        x = in_order(self._isf, q, falling=True)
        require_inverse(self, q, x, upper=True)
        return x
