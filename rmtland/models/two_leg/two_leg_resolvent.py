r"""The resolvent of the two-leg equation above the axis, with the error of its sampled legs.

What is solved at every point is the equation of each leg that was drawn
(`rmtland.models.two_leg.sampled_legs`); here G, its integral L and what pairings that cross add to
both are read off, with the bias of the legs taken out. The model that says which legs are drawn is
`rmtland.models.two_leg.two_leg_hessian`, where the formulas stand as well.
"""

from __future__ import annotations

import abc
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rmtland.models.dyson.above_axis import AboveAxis, Progress, above_axis
from rmtland.models.dyson.fixed_points import FixedPoint
from rmtland.models.smoothed_index import index_from_above, with_doubt
from rmtland.models.two_leg.leg_averages import LegOrders, LegValue, LegValues
from rmtland.models.two_leg.sampled_legs import SampledLegs
from rmtland.solution import Solution
from rmtland.typing import ArrayLike, Complex, Real, override

if TYPE_CHECKING:
    from rmtland.models.two_leg.leg_equation import LegEquation

__all__ = ["TwoLegResolvent"]

_TOLERANCE = 1e-6


class TwoLegResolvent(AboveAxis):
    """G, L and the index of a two-leg law, from legs that are drawn.

    A subclass gives `sampled_legs`, `mean` and `var`.
    """

    @property
    @abc.abstractmethod
    def sampled_legs(self) -> SampledLegs:
        """The legs that are drawn."""

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        throw: bool = True,
        progress: Progress | None = None,
    ) -> Solution:
        """Evaluate G(z) in the open upper half-plane, with its error.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance : float
            Of the relative change of the state of each leg.
        throw : bool
            Whether to raise if a leg is not solved at a point.
        progress : callable, optional
            Called with the numbers of solutions done and of all, one for each leg and point.

        Returns
        -------
        Solution
            G(z) in the shape of `z`; `error` bounds its modulus: the bias that was taken out, 2.5
            standard errors of the draws (Student's quantile of that level), and what the tolerance
            leaves open. Divide by pi for that
            of the smoothed density.

        Raises
        ------
        ConvergenceError
            If a leg is not solved at a point and `throw` is true.
        """
        flat, shape = above_axis(z)
        over = self.sampled_legs.solve(
            flat,
            tolerance,
            1,
            _trace,
            progress,
            throw=throw,
        )
        return over.solution(shape, tolerance, self.sampled_legs.rounded)

    def orders(self, z: ArrayLike, *, tolerance: float = _TOLERANCE) -> LegOrders:
        """Return G(z) from either order of the legs, averaged leg on the other factor.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance : float
            As for `solve`.

        Returns
        -------
        LegOrders
            Both, with the bias taken out, and the standard error of their difference; they agree
            in the limit of large legs.

        Raises
        ------
        ConvergenceError
            If a leg is not solved at a point.
        """
        flat, shape = above_axis(z)
        over = self.sampled_legs.solve(
            flat, tolerance, 2, lambda equation, _, one: equation.both_orders(one.blocks)
        )
        first, second = (over.extrapolated(i)[0].reshape(shape) for i in range(2))
        apart = over._replace(values=over.values[:, :1] - over.values[:, 1:])
        return LegOrders(first, second, apart.standard_error(0).reshape(shape))

    def crossings(self, z: ArrayLike, *, tolerance: float = _TOLERANCE) -> Solution:
        """Return what pairings that cross add to G: the law less that of the matrix Dyson equation.

        Both are solved with the same legs, so that part of their scatter cancels. The second keeps
        n1 matrices of size m, which is for legs of about 12 hidden units.
        `CrossingCorrectedHessian` adds the difference to a law of finite size.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance : float
            As for `solve`.

        Returns
        -------
        Solution
            The difference and its error, in the shape of `z`.

        Raises
        ------
        ConvergenceError
            If an equation is not solved at a point.
        """
        return self._crossings(z, tolerance, _trace)

    def crossing_potential(self, z: ArrayLike, *, tolerance: float = _TOLERANCE) -> Solution:
        """Return the integral of `crossings`: what pairings that cross add to L.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance : float
            As for `solve`.

        Returns
        -------
        Solution
            The difference and its error, in the shape of `z`.

        Raises
        ------
        ConvergenceError
            If an equation is not solved at a point.
        """
        return self._crossings(z, tolerance, _potential)

    def _crossings(self, z: ArrayLike, tolerance: float, value: LegValue) -> Solution:
        flat, shape = above_axis(z)
        with_them = self.sampled_legs.solve(flat, tolerance, 1, value)
        without = self.sampled_legs.solve(flat, tolerance, 1, value, crossing=False)
        over = with_them._replace(values=with_them.values - without.values)
        residual = np.maximum(over.residual, without.residual)
        both = over._replace(residual=residual, steps=over.steps + without.steps)
        return both.solution(shape, tolerance, self.sampled_legs.rounded, relative=False)

    def non_crossing(self, z: ArrayLike, *, tolerance: float = _TOLERANCE) -> Solution:
        """Evaluate the limit of the matrix Dyson equation, with the same legs: for comparison.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance : float
            As for `solve`.

        Returns
        -------
        Solution
            G of the law that leaves out pairings that cross, and its error.

        Raises
        ------
        ConvergenceError
            If a leg is not solved at a point.
        """
        flat, shape = above_axis(z)
        over = self.sampled_legs.solve(flat, tolerance, 1, _trace, crossing=False)
        return over.solution(shape, tolerance, self.sampled_legs.rounded)

    def _potential(self, z: Complex, tolerance: float, progress: Progress | None) -> LegValues:
        return self.sampled_legs.solve(z, tolerance, 1, _potential, progress)

    def solve_cdf(
        self, z: ArrayLike, *, tolerance: float = _TOLERANCE, progress: Progress | None = None
    ) -> Solution:
        """Distribution function seen from points above the axis, with its error.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, progress
            As for `solve`.

        Returns
        -------
        Solution
            Values in the shape of `z`; `error` as in `solve`, of the distribution function.

        Raises
        ------
        ConvergenceError
            If a leg is not solved at a point.
        """
        flat, shape = above_axis(z)
        over = self._potential(flat, tolerance, progress)
        level, error = over.imaginary(0)
        plain = over.solution(shape, tolerance, self.sampled_legs.rounded)
        error = (error / np.pi + self.sampled_legs.rounded).reshape(shape)
        return replace(plain, value=(1 - level / np.pi).reshape(shape), error=error)

    @override
    def cdf_above(
        self, z: ArrayLike, *, tolerance: float = _TOLERANCE, progress: Progress | None = None
    ) -> Real:
        return np.asarray(self.solve_cdf(z, tolerance=tolerance, progress=progress).value)

    def solve_index(self) -> Solution:
        """Fraction of negative eigenvalues with its error, from heights that fall to zero.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape (); `steps` counts the heights. The error holds
            that of the draws; not converged if it is above .01.
        """
        seen: list[LegValues] = []  # both quantities of a height from one solution
        errors = [0.0]

        def solve(z: Complex) -> Solution:
            seen.append(self.sampled_legs.solve(z, _TOLERANCE, 2, _both, throw=False))
            return seen[-1].solution(z.shape, _TOLERANCE, self.sampled_legs.rounded)

        def cdf_above(z: Complex) -> Real:
            level, error = seen[-1].imaginary(1)
            errors.append(float(error.max()) / np.pi)
            return np.asarray(1 - level / np.pi)

        scale = float(np.hypot(self.mean(), np.sqrt(self.var())))
        found = index_from_above(solve, cdf_above, scale, is_measure=False)
        return with_doubt(found, errors[-1] + self.sampled_legs.rounded)


def _trace(equation: LegEquation, z: complex, found: FixedPoint) -> Complex:
    return np.array([equation.trace(found.blocks)])


def _potential(equation: LegEquation, z: complex, found: FixedPoint) -> Complex:
    return np.array([equation.potential(z, found.blocks)])


def _both(equation: LegEquation, z: complex, found: FixedPoint) -> Complex:
    return np.array([equation.trace(found.blocks), equation.potential(z, found.blocks)])
