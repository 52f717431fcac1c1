r"""Models of which the resolvent is known above the real axis only.

.. math::
    \rho_\eta(x) = -\tfrac1\pi \operatorname{Im} G(x + i \eta), \qquad
    F_\eta(x) = 1 - \tfrac1\pi \operatorname{Im} L(x + i \eta), \quad L' = G .

A model solves its equation for Im z > 0; values below the axis are the conjugates, those on it are
extrapolated from heights.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> found = density_from_above(Semicircle(1.0).solve, 0.5, eta=0.04, heights=5)
>>> bool(abs(found.value - Semicircle(1.0).pdf(0.5)) <= found.error < 1e-6)
True
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from rmtland.arguments import count, points, positive
from rmtland.arrays import number_or_array
from rmtland.laws import SpectralModel
from rmtland.laws.pointwise import between_infinities, upper_half_plane
from rmtland.models.far_field import variance_from_above
from rmtland.models.smoothed_index import trusted_index
from rmtland.solution import Solution
from rmtland.typing import ArrayLike, Complex, Real, Values

__all__ = ["AboveAxis", "Progress", "above_axis", "density_from_above"]

Progress = Callable[[int, int], object]


class AboveAxis(SpectralModel):
    """A model whose equation is solved in the open upper half-plane.

    A subclass gives `solve`, for G, `cdf_above` and `solve_index`.
    """

    _tolerance: ClassVar[float] = 1e-6
    """Of G for a density, where none is given."""

    @abc.abstractmethod
    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = ...,
        throw: bool = True,
        progress: Progress | None = None,
    ) -> Solution:
        """Evaluate G(z) in the open upper half-plane.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance : float
            Of the equation.
        throw : bool
            Whether to raise if a point is not solved.
        progress : callable, optional
            Called with the numbers of points solved and of all.

        Returns
        -------
        Solution
        """

    @abc.abstractmethod
    def cdf_above(
        self, z: ArrayLike, *, tolerance: float = ..., progress: Progress | None = None
    ) -> Real:
        """Distribution function seen from points above the axis: 1 - Im L(z)/pi.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, progress
            As for `solve`.

        Returns
        -------
        ndarray of float
            Values in the shape of `z`.
        """

    @abc.abstractmethod
    def solve_index(self) -> Solution:
        """Fraction of negative eigenvalues with its error; an atom at zero is no part of it.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape ().
        """

    def index(self) -> float:
        """Fraction of negative eigenvalues, an atom at zero left out (`solve_index`).

        Returns
        -------
        float
            Fraction of all eigenvalues, in [0, 1].

        Raises
        ------
        ConvergenceError
            If it is not known to .01.
        """
        return trusted_index(self.solve_index())

    def var(self) -> float:
        """Variance, by a contour integral far from the spectrum.

        Returns
        -------
        float
            In the squared units of the eigenvalues.

        Raises
        ------
        ConvergenceError
            If the equation is not solved on the contour.
        """
        return variance_from_above(lambda z: self.solve(z, tolerance=1e-12).value, self.mean())

    def stieltjes(self, z: ArrayLike) -> Values:
        """G(z) = mean of 1/(z - eigenvalue) off the real axis, any shape.

        Parameters
        ----------
        z : array_like of complex
            Points off the real axis, any shape.

        Returns
        -------
        complex or ndarray of complex128
            Values in the shape of `z`; Im G < 0 for Im z > 0.

        Raises
        ------
        ValueError
            If a point lies on the real axis.
        ConvergenceError
            If a point is not solved.
        """
        array = np.asarray(z, dtype=np.complex128)
        below = array.imag < 0
        value = self.solve(np.where(below, array.conj(), array)).value
        value = np.where(below, value.conj(), value)
        return value if value.shape else value.item()

    def smoothed_pdf(
        self,
        x: ArrayLike,
        *,
        eta: float,
        tolerance: float | None = None,
        progress: Progress | None = None,
    ) -> Values:
        """Density convolved with the Cauchy density of half-width eta: -Im G(x + i eta)/pi.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0, in the units of the eigenvalues.
        tolerance : float, optional
            As for `solve`; by default what a density needs.
        progress : callable, optional
            As for `solve`.

        Returns
        -------
        float or ndarray
            Values in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN or eta is not positive.
        TypeError
            If `eta` is no real number, or `x` holds no real numbers.
        ConvergenceError
            If a point is not solved.
        """
        place, height = points("x", x), positive("eta", eta)
        limit = self._tolerance if tolerance is None else tolerance

        def density(x: Real) -> Real:
            value = self.solve(x + 1j * height, tolerance=limit, progress=progress).value
            return np.asarray(-value.imag / np.pi)

        return number_or_array(between_infinities(density, place, last=0.0))

    def smoothed_cdf(
        self,
        x: ArrayLike,
        *,
        eta: float,
        tolerance: float | None = None,
        progress: Progress | None = None,
    ) -> Values:
        """Distribution function convolved with the Cauchy law of half-width eta.

        From the logarithmic potential, without quadrature: 1 - Im L(x + i eta)/pi.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0, in the units of the eigenvalues.
        tolerance : float, optional
            As for `cdf_above`.
        progress : callable, optional
            As for `solve`.

        Returns
        -------
        float or ndarray
            Values in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN or eta is not positive.
        TypeError
            If `eta` is no real number, or `x` holds no real numbers.
        ConvergenceError
            If a point is not solved.
        """
        place, height = points("x", x), positive("eta", eta)
        limit = {} if tolerance is None else {"tolerance": tolerance}

        def mass(x: Real) -> Real:
            return np.asarray(self.cdf_above(x + 1j * height, progress=progress, **limit))

        return number_or_array(between_infinities(mass, place, last=1.0))


def above_axis(z: ArrayLike) -> tuple[Complex, tuple[int, ...]]:
    """Points of the open upper half-plane as a vector, and their shape.

    Parameters
    ----------
    z : array_like of complex
        Points with Im z > 0.

    Returns
    -------
    (ndarray of complex, tuple of int)
        The points, of shape (n,), and the shape that they came in.

    Raises
    ------
    ValueError
        If a point is not in the open upper half-plane.
    """
    flat, shape = upper_half_plane(z)
    if flat.size and not flat.imag.min() > 0:
        raise ValueError(
            "the equation of a finite network is solved for Im z > 0; for the real axis take "
            "`law`, or `DysonHessian.density`"
        )
    return flat, shape


def density_from_above(
    solve: Callable[[Complex], Solution], x: ArrayLike, *, eta: float, heights: int
) -> Solution:
    """Density at the real axis, extrapolated from heights eta, eta/2, ..., with its error.

    Parameters
    ----------
    solve : callable
        Solution for G at points with Im z > 0.
    x : array_like of float
        Points.
    eta : float
        The largest height.
    heights : int
        Number of heights, each half the one before, at least 2.

    Returns
    -------
    Solution
        `error` is the largest change by leaving out the largest or the smallest height.
    """
    flat = points("x", x)
    halvings = np.arange(count("heights", heights, min_value=2), dtype=np.float64)
    etas = np.asarray(positive("eta", eta) * np.exp2(-halvings), dtype=np.float64)
    solution = solve(flat[..., None] + 1j * etas)
    values = np.asarray(-solution.value.imag / np.pi, dtype=np.float64)
    best = values @ _extrapolation(etas)
    error = np.maximum(
        np.abs(values[..., 1:] @ _extrapolation(etas[1:]) - best),
        np.abs(values[..., :-1] @ _extrapolation(etas[:-1]) - best),
    )
    return Solution(
        best,
        solution.status,
        solution.residual.max(axis=-1),
        solution.steps.sum(axis=-1),
        error,
    )


def _extrapolation(heights: Real) -> Real:
    """Weights of the polynomial through values at the heights, at height 0."""
    differences = heights[:, None] - heights[None, :]
    np.fill_diagonal(differences, 1.0)
    top = np.where(np.eye(len(heights), dtype=bool), 1.0, -heights[None, :])
    return np.asarray(np.prod(top / differences, axis=1))
