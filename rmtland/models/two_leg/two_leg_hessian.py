r"""The limit law of H at positive energy, of a one-hidden-layer network at initialisation.

The network is y = W2 f(W1 x), with n0 inputs, n1 hidden units, n2 outputs and m samples, Gaussian
weights and data, and residuals e that are independent of all else, of variance 2 epsilon; all sizes
grow in fixed ratios. H = H0 + H1 has the quadratic form

.. math::
    -z (|A|^2 + |B|^2) - |Y|^2 + 2 \operatorname{Re} Y^* \bigl(A h + W_2 \, v \bigr)
    + 2 \operatorname{Re} A^* e \, v^* + (\text{sites}),
    \qquad v = D \circ \kappa, \quad \kappa = B X/\sqrt m ,

with the fields A on pairs (output, hidden unit), B on (hidden unit, input), Y on (output, sample),
v and kappa on (hidden unit, sample); h, e stand for h/sqrt m, e/sqrt m, and "sites" for the slopes
D = f' and curvatures T = f'' W2^T e, a 2 x 2 block at each (hidden unit, sample).

*Two legs.* Each field is a pair of particles on the triangle {outputs, hidden units, samples}, and
each Gaussian matrix moves one of the two and leaves the other where it is: W2 an output to a hidden
unit, h a hidden unit to a sample, e an output to a sample. The trace of a power of H is a sum over
closed walks of the pair. A walk whose particles come home exchanged is one trace that goes round
twice, hence of order 1/n; every other one is a product of two traces, one word of each leg, and
traces factor as n grows. The matrices of the two legs may therefore be taken as independent copies,
(W2, h, e) for either. The matrix Dyson equation sums the pairings of both words that do not cross
when the words are read as one; here pairings of different legs cross freely. Moments agree up to
the fifth, densities do not: of a linear network the Dyson law errs by 8 % of the peak.

*One leg averaged, the other drawn.* Given the matrices of leg 2, the operator is linear in
independent Gaussian matrices of leg 1, and its resolvent follows from an operator-valued
semicircular equation with coefficients that are matrices on leg 2
(`rmtland.models.two_leg.equation`): six blocks, A, Y and v with either leg first. Leg 2 is drawn,
complex and of moderate size n (`rmtland.models.two_leg.sampled_leg`): complex matrices have no
correction of order 1/n, so that the bias is of order 1/n^2. It is taken out by a second size, half
as large (Richardson): with values G_n and G_l of legs of n and l hidden units

.. math:: G = G_n + \frac{l^2}{n^2 - l^2} (G_n - G_l) .

*Slopes* are free of the rest and come in by a coherent potential, k
(`rmtland.models.two_leg.slope_medium`): features of a Gaussian network act like h = c1 W1 X + c*
Theta, as in `PopulationHessian`.

*Data* of any covariance: in the basis of the right singular vectors of X nothing but the spectrum
of X^T X/m is left of them, since W1 is invariant under rotations of the inputs.

The error that goes with a value is the bias taken out, plus 2.5 standard errors of the draws (more
where they are few), plus what the tolerance leaves open and what the ratios of the legs' whole
numbers are off by. The two orders of the legs give two estimates, equal in the limit (`orders`):
their difference is a check that costs nothing.

What is left out: the rank-one mean c0 of the features (n2 outliers), the n1 exact zeros of a ReLU
network and all else of order 1/n. The limit is not proved. Against Lanczos runs on networks of n =
128 (`scripts/reproduce_two_leg.py`) the smoothed density differs by .8 to 1.8 % of its peak, more
at n = 64: what is left is of order 1/n in the networks, which the stated error does not hold, and
for linear ones the scatter of the legs.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70: the Hessian, its parts and the assumption on residuals.
.. [2] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [3] J. A. Mingo and R. Speicher, Free Probability and Random Matrices, Springer, 2017, chapters
       1, 4 and 9: genus expansion, asymptotic freeness, operator-valued equations.

Examples
--------
>>> model = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=6, draws=5)
>>> density = model.smoothed_pdf([0.0, 1.0, 3.0], eta=0.2)
>>> density.shape, bool((density > 0).all())
((3,), True)
>>> found = model.solve(0.5 + 0.2j)
>>> found.converged, bool(0 < found.error < 0.2 * abs(found.value))
(True, True)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import Any, ClassVar, NamedTuple, NoReturn, TypeAlias

import numpy as np
from scipy.special import ndtr, stdtrit

from rmtland.arguments import choice, count, positive
from rmtland.arrays import ArrayLibrary
from rmtland.laws import Law, SpectralModel
from rmtland.models.dyson.above_axis import AboveAxis, Progress, above_axis
from rmtland.models.dyson.fixed_points import DEPTH, FixedPoint, SolvedStates, solve_along
from rmtland.models.far_field import variance_from_above
from rmtland.models.hessian_parts import PARTS
from rmtland.models.population import PopulationHessian
from rmtland.models.population.network import PopulationNetwork
from rmtland.models.smoothed_index import index_from_above, with_doubt
from rmtland.models.two_leg.equation import TwoLegEquation
from rmtland.models.two_leg.non_crossing import NonCrossingEquation
from rmtland.models.two_leg.sampled_leg import SampledLeg, leg_sizes, ratios_off, sample_rule
from rmtland.models.two_leg.slope_medium import SlopeMedium
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.spectrum import Spectrum
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Complex, Integer, Logical, Real, Rng

__all__ = ["LegOrders", "TwoLegHessian"]

_TOLERANCE = 1e-6
_DEVIATIONS = 2.5  # standard errors in an error, with many draws
_AMPLIFIED = 100.0  # of the tolerance, by slow modes of the equation
_SMALL_LEGS = 2  # legs of half the size for every large one
_ROUNDED = 0.2  # largest relative error of the ratios of legs
_MOST_LEGS = 400
_NODES = 10  # of the averaged leg
_NODES_OF_ONE_SLOPE = 20


_Value: TypeAlias = Callable[[Any, complex, FixedPoint], Complex]


class LegOrders(NamedTuple):
    """The transform from either order of the legs, and how far apart they may be by chance."""

    first: Complex
    second: Complex
    standard_error: Real

    @property
    def difference(self) -> Real:
        """Modulus of the difference."""
        return np.abs(self.first - self.second)


@dataclass(frozen=True, eq=False)
class TwoLegHessian(PopulationNetwork, AboveAxis):
    """H of a one-hidden-layer network with Gaussian weights and data, at positive energy.

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    activation : str or Activation
        As in `rmtland.networks.MLP`.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    covariance : float, array_like of shape (n0,) or Law
        Covariance of the samples: a multiple of the identity, its eigenvalues, or their law.
    epsilon : float
        Energy, > 0: residuals are independent of everything, of variance 2 epsilon.
    legs : int
        Hidden units of the sampled legs, at least 4; up to a quarter more where the ratios of
        whole numbers come out better. Costs grow like the third power.
    draws : int
        Number of sampled legs, at least 2; twice as many of half the size take out the bias.
    seed : int
        Of the sampled legs, >= 0: the same model gives the same numbers.
    nodes : int, optional
        Of the rule for the averaged leg; by default 10, and 20 for a linear network, whose
        equation has sharper features.

    Raises
    ------
    ValueError
        If a parameter is out of its range; for epsilon = 0 take `PopulationHessian`. When solved,
        if whole numbers of so few units cannot have the ratios, or the data variance, to 20 %.
    """

    epsilon: float = field(kw_only=True)
    legs: int = field(default=24, kw_only=True)
    draws: int = field(default=8, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    nodes: int | None = field(default=None, kw_only=True)

    name: ClassVar[str] = "two-leg law"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            object.__setattr__(self, "epsilon", positive("epsilon", self.epsilon))
        except ValueError as error:
            raise ValueError(f"{error}; for epsilon = 0 take PopulationHessian") from None
        for key, least in (("legs", 4), ("draws", 2), ("seed", 0)):
            object.__setattr__(self, key, count(key, getattr(self, key), min_value=least))
        if self.nodes is not None:
            object.__setattr__(self, "nodes", count("nodes", self.nodes, min_value=2))

    # Legs ----------------------------------------------------------------------------------------

    @cached_property
    def leg_sizes(self) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
        """Sizes n0, n1, n2 and m of the large and of the small legs."""
        return self._sizes_of_legs(self.legs)

    def _sizes_of_legs(
        self, legs: int
    ) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
        large = leg_sizes(self.sizes, legs, self._levels_off)
        return large, leg_sizes(self.sizes, max(2, large[1] // 2), self._levels_off)

    def _levels_off(self, n0: int) -> float:
        """By how much the mean of n0 eigenvalues of the covariance is off."""
        sigma, share = self._data
        return abs(float(self.population.levels(n0).mean() / (sigma @ share)) - 1)

    @cached_property
    def _rounded(self) -> float:
        """By how much ratios and data of the legs are off, as their sizes are whole numbers."""
        return self._off(self.leg_sizes)

    def _off(self, sizes: tuple[tuple[int, int, int, int], tuple[int, int, int, int]]) -> float:
        large, small = (max(ratios_off(self.sizes, leg), self._levels_off(leg[0])) for leg in sizes)
        share = _share_of_small(sizes[0][1] / sizes[1][1])
        return (1 + share) * large + share * small

    def _check_legs(self) -> None:
        """Raise where whole numbers of so few units are another network."""
        if self._rounded <= _ROUNDED:
            return
        legs = 2 * self.legs
        while legs < _MOST_LEGS and self._off(self._sizes_of_legs(legs)) > _ROUNDED:
            legs *= 2
        advice = f"take legs={legs}" if legs < _MOST_LEGS else "no legs of moderate size do"
        raise ValueError(
            f"legs of n0, n1, n2, m = {self.leg_sizes[0]} and {self.leg_sizes[1]} have ratios or a "
            f"mean data variance with a relative error of {self._rounded:.2g} against those of "
            f"{self.sizes}; {advice}"
        )

    def memory(self, *, crossing: bool = True) -> int:
        """Bytes that a solution takes at the same time, all threads together.

        Parameters
        ----------
        crossing : bool
            Whether of the two-leg equation, or of that of `non_crossing`.

        Returns
        -------
        int
            Number of bytes; more than are free are refused.
        """
        _, n1, n2, m = self.leg_sizes[0]
        nodes = len(self.averaged_leg[0])
        state = n1 * n1 + n2 * n2 + m * m
        work = nodes * 8 * (n1 * n1 + n2 * n2) if crossing else n1 * 3 * m * m
        threads = _threads(self.draws * (1 + _SMALL_LEGS))
        legs = self.draws * (1 + _SMALL_LEGS) * (n1 * n2 + (n1 + n2) * m)
        return 16 * (threads * ((2 * DEPTH + 16) * state + work) + legs)

    @cached_property
    def equations(self) -> tuple[tuple[TwoLegEquation, ...], tuple[TwoLegEquation, ...]]:
        """The equations of the large and of the small legs."""
        self._check_legs()
        large, small = self.leg_sizes
        generators = streams(self.seed, self.draws * (1 + _SMALL_LEGS))
        return (
            tuple(self._equation(large, one) for one in generators[: self.draws]),
            tuple(self._equation(small, one) for one in generators[self.draws :]),
        )

    @cached_property
    def averaged_leg(self) -> tuple[Real, Real]:
        """Nodes and weights for the eigenvalues of X^T X/m on the averaged leg."""
        sigma, share = self._data
        chosen = _NODES if self.rule.slopes.size > 1 else _NODES_OF_ONE_SLOPE
        nodes = chosen if self.nodes is None else self.nodes
        return sample_rule(sigma, share, self.inputs / self.samples, count=nodes)

    def _equation(
        self, sizes: tuple[int, int, int, int], rng: np.random.Generator
    ) -> TwoLegEquation:
        _, n1, n2, _ = self.sizes
        leg = SampledLeg.draw(
            sizes,
            self.population.levels(sizes[0]),
            slope=self.rule.slope,
            rest=self.rule.rest,
            first_variance=self.first_variance,
            second_variance=self.second_variance,
            epsilon=self.epsilon,
            rng=rng,
        )
        variance = 2 * self.epsilon * self.second_variance * n2 / n1
        nodes, weights = self.averaged_leg
        return TwoLegEquation(
            sizes,
            leg,
            nodes,
            weights,
            SlopeMedium.of_rule(self.rule, variance),
            self.rule.slope,
            self.rule.rest,
            self.first_variance,
            self.second_variance,
            self.epsilon,
        )

    def _over_legs(
        self,
        z: Complex,
        tolerance: float,
        size: int,
        value: _Value,
        progress: Progress | None = None,
        *,
        throw: bool = True,
        crossing: bool = True,
    ) -> _OverLegs:
        """Values of all legs at points z, shape (size, points), and what they average to."""
        tolerance = positive("tolerance", tolerance)
        self._check_legs()
        needed, free = self.memory(crossing=crossing), ArrayLibrary.of().free_memory()
        if needed > free:
            raise MemoryError(
                f"legs of n0, n1, n2, m = {self.leg_sizes[0]} take about {needed / 2**30:.1f} GiB, "
                f"more than the {free / 2**30:.1f} GiB that are free; take smaller legs, or fewer "
                "samples"
            )
        large, small = self.equations
        legs: Any = large + small
        if not crossing:
            legs = tuple(NonCrossingEquation(equation) for equation in legs)
        found = np.full((len(legs), size, z.size), np.nan + 0j)
        residual, steps = np.zeros((len(legs), z.size)), np.zeros((len(legs), z.size), dtype=int)
        good = np.zeros((len(legs), z.size), dtype=bool)
        done, failed, stop = [0], list[complex](), Event()

        def solve(i: int) -> None:
            for place, one in solve_along(legs[i], z, tolerance, states=SolvedStates()):
                residual[i, place], steps[i, place] = one.residual, one.steps
                good[i, place] = one.converged
                if one.converged:
                    found[i, :, place] = value(legs[i], complex(z[place]), one)
                elif throw:
                    failed.append(complex(z[place]))
                if failed or stop.is_set():
                    return
                done[0] += 1
                if progress is not None:
                    progress(done[0], len(legs) * z.size)

        in_threads(solve, len(legs), stop)
        if failed:
            raise ConvergenceError(
                f"the two-leg equation was not solved at {failed[0]:.6g}, the largest relative "
                f"change of a leg is {residual.max():.1e}: raise the height above the axis, or the "
                "tolerance"
            )
        return _OverLegs(
            found,
            len(large),
            float(self.leg_sizes[0][1] / self.leg_sizes[1][1]),
            np.asarray(good.all(axis=0)),
            residual.max(axis=0),
            steps.sum(axis=0),
        )

    # Results -------------------------------------------------------------------------------------

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
        over = self._over_legs(
            flat,
            tolerance,
            1,
            _trace,
            progress,
            throw=throw,
        )
        return self._solution(over, shape, tolerance)

    def _solution(self, over: _OverLegs, shape: tuple[int, ...], tolerance: float) -> Solution:
        """Return the first quantity of all legs, with its error."""
        value, error = over.extrapolated(0)
        return Solution(
            value.reshape(shape),
            Status.CONVERGED if over.good.all() else Status.NOT_CONVERGED,
            over.residual.reshape(shape),
            over.steps.reshape(shape),
            (error + (_AMPLIFIED * tolerance + self._rounded) * np.abs(value)).reshape(shape),
        )

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
        over = self._over_legs(
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

    def _crossings(self, z: ArrayLike, tolerance: float, value: _Value) -> Solution:
        flat, shape = above_axis(z)
        with_them = self._over_legs(flat, tolerance, 1, value)
        without = self._over_legs(flat, tolerance, 1, value, crossing=False)
        over = with_them._replace(values=with_them.values - without.values)
        found, error = over.extrapolated(0)
        return Solution(
            found.reshape(shape),
            Status.CONVERGED,
            np.maximum(over.residual, without.residual).reshape(shape),
            (over.steps + without.steps).reshape(shape),
            (error + _AMPLIFIED * tolerance + self._rounded * np.abs(found)).reshape(shape),
        )

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
        over = self._over_legs(flat, tolerance, 1, _trace, crossing=False)
        return self._solution(over, shape, tolerance)

    def _potential(self, z: Complex, tolerance: float, progress: Progress | None) -> _OverLegs:
        return self._over_legs(z, tolerance, 1, _potential, progress)

    def cdf_above(
        self, z: ArrayLike, *, tolerance: float = _TOLERANCE, progress: Progress | None = None
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

        Raises
        ------
        ConvergenceError
            If a leg is not solved at a point.
        """
        flat, shape = above_axis(z)
        over = self._potential(flat, tolerance, progress)
        return np.asarray(1 - over.imaginary(0)[0] / np.pi).reshape(shape)

    def solve_index(self) -> Solution:
        """Fraction of negative eigenvalues with its error, from heights that fall to zero.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape (); `steps` counts the heights. The error holds
            that of the draws; not converged if it is above .01.
        """
        seen: list[_OverLegs] = []  # both quantities of a height from one solution
        errors = [0.0]

        def solve(z: Complex) -> Solution:
            seen.append(self._over_legs(z, _TOLERANCE, 2, _both, throw=False))
            return self._solution(seen[-1], z.shape, _TOLERANCE)

        def cdf_above(z: Complex) -> Real:
            level, error = seen[-1].imaginary(1)
            errors.append(float(error.max()) / np.pi)
            return np.asarray(1 - level / np.pi)

        scale = float(np.hypot(self.mean(), np.sqrt(self.var())))
        found = index_from_above(solve, cdf_above, scale, is_measure=False)
        return with_doubt(found, errors[-1] + self._rounded)

    def mean(self) -> float:
        """Mean eigenvalue without the outliers that c0 makes: that of H0.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return self.gauss_newton_mean

    def var(self) -> float:
        """Variance: those of H0 and H1 add up, as residuals are independent of the rest.

        Returns
        -------
        float
            In the squared units of the eigenvalues.
        """
        law = self.population.part("gauss_newton").law
        own = variance_from_above(law.stieltjes, self.mean())
        return own + self.population.residual(self.epsilon).variance

    # Parts and draws -----------------------------------------------------------------------------

    @property
    def law(self) -> NoReturn:
        """There is none.

        Raises
        ------
        ValueError
            The law is an average over sampled legs, above the axis.
        """
        raise ValueError(
            "the two-leg law is an average over sampled legs, known above the axis only; take "
            "smoothed_pdf, smoothed_cdf or index"
        )

    @cached_property
    def population(self) -> PopulationHessian:
        """The same network with its closed laws of H0 and H1, and its samples."""
        fields = PopulationNetwork.__dataclass_fields__
        return PopulationHessian(
            **{name: getattr(self, name) for name in fields}, epsilon=self.epsilon
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("gauss_newton", "residual", "total")."""
        return PARTS

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part: H0 and H1 have closed laws, and are those of `PopulationHessian`.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            H0, H1 or H.

        Returns
        -------
        SpectralModel
            The model itself for "total".

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        choice("name", name, PARTS)
        return self if name == "total" else self.population.part(name)

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data of n hidden units, as `PopulationHessian.sample`.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes follow by the ratios, at least 1.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n1 (n0 + n2)).
        """
        return self.population.sample(n, rng=rng, runs=runs)

    def lanczos(self, n: float, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw Gauss quadratures of Lanczos runs, as `PopulationHessian.lanczos`.

        Parameters
        ----------
        n : int
            Number of hidden units.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).
        """
        return self.population.lanczos(count("n", n), steps, rng=rng, runs=runs)


def _trace(equation: Any, z: complex, found: FixedPoint) -> Complex:
    return np.array([equation.trace(found.blocks)])


def _potential(equation: Any, z: complex, found: FixedPoint) -> Complex:
    return np.array([equation.potential(z, found.blocks)])


def _both(equation: Any, z: complex, found: FixedPoint) -> Complex:
    return np.array([equation.trace(found.blocks), equation.potential(z, found.blocks)])


class _OverLegs(NamedTuple):
    """Values of all legs, the large ones first, at all points."""

    values: Complex  # (legs, quantities, points)
    large: int
    ratio: float  # of the sizes of large and small legs
    good: Logical
    residual: Real
    steps: Integer

    @property
    def _weights(self) -> Real:
        """Of every leg in the extrapolated mean."""
        share = _share_of_small(self.ratio)
        small = len(self.values) - self.large
        return np.repeat([(1 + share) / self.large, -share / small], [self.large, small])

    def standard_error(self, i: int) -> Real:
        """Return the standard error of the extrapolated mean of a quantity, shape (points,)."""
        values, weights = self.values[:, i], self._weights
        square = np.zeros(values.shape[1])
        for part in (slice(0, self.large), slice(self.large, None)):
            square += (weights[part] ** 2).sum() * values[part].var(axis=0, ddof=1)
        return np.sqrt(square)

    def imaginary(self, i: int) -> tuple[Real, Real]:
        """Mean of the imaginary part of a quantity without its bias, and its error."""
        only = np.asarray(self.values.imag, dtype=np.complex128)
        value, error = self._replace(values=only).extrapolated(i)
        return value.real, error

    def extrapolated(self, i: int) -> tuple[Complex, Real]:
        """Mean of a quantity without its bias, and its error."""
        values = self.values[:, i]
        value = np.asarray(self._weights @ values)
        bias = np.abs(value - values[: self.large].mean(axis=0))
        # few draws know their own scatter badly: Student's quantile of the same level
        many = float(stdtrit(self.large - 1, ndtr(_DEVIATIONS)))
        return value, np.asarray(bias + many * self.standard_error(i))


def _share_of_small(ratio: float) -> float:
    """Weight of the small legs in Richardson's extrapolation, for the ratio of the sizes."""
    return 1 / (ratio**2 - 1)


def _threads(tasks: int) -> int:
    """Threads for so many tasks: cores, or fewer by OMP_NUM_THREADS."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(tasks, most or 1, int(given) if given.isdigit() and int(given) else tasks)


def in_threads(task: Callable[[int], None], tasks: int, stop: Event) -> None:
    """Run tasks on all cores, each with a BLAS of one thread: its matrices are small.

    Parameters
    ----------
    task : callable
        Called with the number of each task.
    tasks : int
        How many.
    stop : threading.Event
        Set when one fails, or at Ctrl-C: the others are to end at their next point.
    """
    from threadpoolctl import threadpool_limits

    threads = _threads(tasks)
    with threadpool_limits(limits=1):
        if threads == 1:
            for i in range(tasks):
                task(i)
            return
        with ThreadPoolExecutor(threads) as pool:
            try:
                list(pool.map(task, range(tasks)))
            except BaseException:
                stop.set()
                raise
