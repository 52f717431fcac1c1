r"""Transforms, moments and cumulants of a law, for arguments of any shape.

Conventions are those of `rmtland.laws.law`.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lectures 11 (free cumulants) and 16 (moment-cumulant series).

Examples
--------
>>> from rmtland.laws import Semicircle
>>> law = Semicircle(2.0)
>>> round(law.stieltjes(2j).imag, 12), law.free_cumulants(3).tolist(), law.moment(4)
(-0.366025403784, [0.0, 2.0, 0.0], 8.0)
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import length
from rmtland.laws.inversion import r_transform_of, s_transform_of
from rmtland.laws.pointwise import half_planes, upper_half_plane
from rmtland.laws.routes import LawRoutes
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import Complex, NumpyArray, Real, Scalar, Values

__all__ = ["LawTransforms", "rounded"]


def rounded(exact: Fraction, name: str) -> float:
    """Return the float next to an exact number, or say that there is none.

    Parameters
    ----------
    exact : Fraction
        The number.
    name : str
        What messages call it.

    Returns
    -------
    float

    Raises
    ------
    OverflowError
        If it is beyond the largest float.
    """
    try:
        return float(exact)
    except OverflowError:
        raise OverflowError(f"{name} is beyond the largest floating-point number") from None


class LawTransforms(LawRoutes):
    """Transforms, moments and free cumulants of a law, for arguments of any shape."""

    @overload
    def stieltjes(self, z: Scalar) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def stieltjes(self, z: ArrayLike) -> Complex: ...
    def stieltjes(self, z: ArrayLike) -> Values:
        r"""Stieltjes (Cauchy) transform G(z) = integral of rho(dt) / (z - t).

        .. formula:: Stieltjes (Cauchy) transform, :math:`G(z) = \int \rho(dt)/(z - t)`, the trace
            of the resolvent

        Parameters
        ----------
        z : array_like of complex
            Points in either half-plane, any shape. A real z stands for the boundary value
            from above, G(x + i0), whose imaginary part is -pi times the density.

        Returns
        -------
        complex or ndarray of complex128
            Infinite at an atom.
        """
        return half_planes(self._stieltjes, z)

    def solve(self, z: ArrayLike, *, throw: bool = True) -> Solution:
        """Evaluate G(z) and report how far the value may be trusted.

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane, any shape; real points mean x + i0.
        throw : bool
            Raise where a point is not solved; otherwise the status of the result says so.

        Returns
        -------
        Solution
            `value` is G(z). `residual` is the defect of an equation for G at that value,
            relative to the moduli of its terms; for a law that is a sum, the bound of its relative
            rounding. `error` bounds the absolute error of the value: twice the defect and the
            rounding of the equation, divided by the derivative of the equation in G. Both are
            infinite where nothing can be stated, which is no lack of convergence. `steps` counts
            the steps of an iterative solver, 0 for a closed form.

        Raises
        ------
        ConvergenceError
            If a point is not solved and `throw` is true.
        ValueError
            If z is not finite or below the real axis.
        TypeError
            If z is not made of numbers.
        """
        found = self._solution(z)
        return found.checked() if throw else found

    def _solution(self, z: ArrayLike) -> Solution:
        """Return what `solve` returns, without raising for lack of convergence."""
        flat, shape = upper_half_plane(z)
        value, unsolved = self._value_or_nan(flat)
        known = ~np.isnan(value)
        residual, error = np.full(flat.shape, np.inf), np.full(flat.shape, np.inf)
        if known.any():
            residual[known], error[known] = self._accuracy(flat[known], value[known])
        return Solution(
            value.reshape(shape),
            Status.CONVERGED if known.all() else unsolved,
            residual.reshape(shape),
            np.zeros(shape, dtype=np.int64),
            error.reshape(shape),
        )

    def _value_or_nan(self, z: Complex) -> tuple[Complex, Status]:
        """Return G, NaN where it is not known, and what is said of such points."""
        try:
            return self._stieltjes(z), Status.NOT_FINITE
        except ConvergenceError:
            pass
        try:
            return self._jet(z)[0], Status.NOT_CONVERGED
        except ConvergenceError:  # nowhere
            return np.full(z.shape, complex(np.nan, np.nan)), Status.NOT_CONVERGED

    @overload
    def log_potential(self, z: Scalar) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def log_potential(self, z: ArrayLike) -> Complex: ...
    def log_potential(self, z: ArrayLike) -> Values:
        r"""Logarithmic potential L(z) = integral of log(z - t) rho(dt), with L' = G.

        .. formula:: Logarithmic potential, :math:`L' = G`, :math:`F(x) = 1 - \operatorname{Im} L(x
            + i0)/\pi`

        Principal branch for Im z > 0, complex conjugate below; a real z stands for the
        boundary value from above, so that the real part is the integral of log|x - t| and
        cdf(x) = 1 - Im L(x) / pi.

        Parameters
        ----------
        z : array_like of complex
            Points, any shape.

        Returns
        -------
        complex or ndarray of complex128
            L(z), in the shape of `z`.
        """
        return half_planes(self._log_potential, z)

    @overload
    def r_transform(self, g: float) -> float: ...
    @overload
    def r_transform(self, g: complex) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def r_transform(self, g: ArrayLike) -> NumpyArray: ...
    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform R(g), analytic near 0; R(G(z)) + 1/G(z) = z.

        .. formula:: R-transform, :math:`R(G(z)) + 1/G(z) = z`

        A closed form where the law has one; otherwise by inversion of G, for values g = G(z) that
        it takes off the convex hull of the law.

        Parameters
        ----------
        g : array_like of float or complex
            Any shape; real values give real results.

        Returns
        -------
        float, complex or ndarray
            R(g), in the shape of `g`.

        Raises
        ------
        ValueError
            If `g` is NaN or a pole.
        ConvergenceError
            If `g` is not a value of G off the convex hull.
        """
        return r_transform_of(self, g)

    @overload
    def s_transform(self, w: float) -> float: ...
    @overload
    def s_transform(self, w: complex) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def s_transform(self, w: ArrayLike) -> NumpyArray: ...
    def s_transform(self, w: ArrayLike) -> Values:
        r"""S-transform S(w) = (1 + w) chi(w) / w with M(1/chi(w)) = w and M(z) = z G(z) - 1.

        .. formula:: S-transform, :math:`S(w) = \frac{1 + w}{w} \chi(w)` with :math:`M(1/\chi(w)) =
            w`, :math:`M(z) = z G(z) - 1`

        A closed form where the law has one; otherwise by inversion of M, for values w = M(z) that
        it takes off the convex hull of the law. It needs a mean other than zero; S(0) = 1/mean.

        Parameters
        ----------
        w : array_like of float or complex
            Points, any shape.

        Returns
        -------
        float, complex or ndarray
            S(w), in the shape of `w`; real values give real results.

        Raises
        ------
        ValueError
            If the mean is zero, or `w` is NaN or a pole.
        ConvergenceError
            If `w` is not a value of M off the convex hull.
        """
        return s_transform_of(self, w)

    def mean(self) -> float:
        """Mean: the first free cumulant.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return rounded(self._exact_cumulants(1)[0], "the mean")

    def var(self) -> float:
        """Variance: the second free cumulant.

        Returns
        -------
        float
            In the squared units of the eigenvalues, >= 0.

        Raises
        ------
        OverflowError
            If it is beyond the range of a float; `std` is not.
        """
        return rounded(self._exact_cumulants(2)[1], "the variance (std is not)")

    def std(self) -> float:
        """Return the standard deviation, the root of the variance.

        Returns
        -------
        float
            In the units of the eigenvalues, >= 0.
        """
        try:
            variance = self.var()
        except OverflowError:
            variance = math.inf
        if sys.float_info.min <= variance < math.inf:
            return math.sqrt(variance)
        # The square is no floating-point number, the root may be one.
        exact = self._exact_cumulants(2)[1]
        half = (exact.numerator.bit_length() - exact.denominator.bit_length()) // 2
        return math.ldexp(math.sqrt(exact / Fraction(4) ** half), half)

    def moment(self, k: int) -> float:
        r"""Moment of order `k` about zero, from the free cumulants.

        .. formula:: Moments from free cumulants, :math:`M(w) = 1 + \sum_s \kappa_s (w M(w))^s`

        With M(w) the series of moments, M(w) = 1 + sum over s of kappa_s (w M(w))^s [1]_.

        Computed in exact rational arithmetic from the parameters and rounded once.

        Parameters
        ----------
        k : int
            Order, >= 0.

        Returns
        -------
        float
            Integral of x^k over the law; 1 for k = 0.

        Raises
        ------
        ValueError
            If `k` is negative.
        TypeError
            If `k` is no integer.
        OverflowError
            If the moment is beyond the range of a float.

        References
        ----------
        .. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
               University Press, 2006, theorem 16.15 and corollary 16.16.
        """
        moment = self._exact_moments(length("k", k, min_value=0))[-1]
        return rounded(moment, f"the moment of order {k}")

    def free_cumulants(self, k: int) -> Real:
        r"""First free cumulants: the mean, the variance and those of higher order.

        .. formula:: Free cumulants from moments, :math:`M(w) = 1 + \sum_s \kappa_s (w M(w))^s`

        Parameters
        ----------
        k : int
            How many, >= 1.

        Returns
        -------
        ndarray of float64, shape (k,)
            Cumulants of order 1 to k.

        Raises
        ------
        ValueError
            If `k` is not positive.
        TypeError
            If `k` is no integer.
        OverflowError
            If a cumulant is beyond the range of a float.
        """
        exact = self._exact_cumulants(length("k", k))
        names = [f"the free cumulant of order {order + 1}" for order in range(k)]
        return np.array([rounded(*pair) for pair in zip(exact, names, strict=True)])
