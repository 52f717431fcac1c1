"""The sampled legs of a network: how many units they have, and their equations.

A leg has whole numbers of inputs, hidden units, outputs and samples; by how much their ratios, or
the mean of the data variances, miss those of the network is stated (`SampledLegs.rounded`), and
refused above a fifth. For every large leg two of half the size are drawn, which take out the bias
(`rmtland.models.two_leg.leg_averages`).

Examples
--------
>>> from rmtland.models import PopulationHessian
>>> network = PopulationHessian(1, 1, 1, 4, activation="relu", epsilon=0.5)
>>> legs = SampledLegs(network, np.ones(1), np.ones(1), legs=6, draws=3)
>>> legs.sizes, len(legs.equations[0]), len(legs.equations[1])
(((6, 6, 6, 24), (3, 3, 3, 12)), 3, 6)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from rmtland.arguments import callable_or_none, positive
from rmtland.arrays import ArrayLibrary
from rmtland.models.dyson.above_axis import Progress
from rmtland.models.dyson.fixed_points import DEPTH
from rmtland.models.population import PopulationHessian
from rmtland.models.two_leg.equation import TwoLegEquation
from rmtland.models.two_leg.leg_averages import (
    LegValue,
    LegValues,
    share_of_small,
    threads,
    values_over_legs,
)
from rmtland.models.two_leg.leg_equation import LegEquation
from rmtland.models.two_leg.non_crossing import NonCrossingEquation
from rmtland.models.two_leg.sampled_leg import SampledLeg, leg_sizes, ratios_off, sample_rule
from rmtland.models.two_leg.slope_medium import SlopeMedium
from rmtland.streams import streams
from rmtland.typing import Complex, Real

__all__ = ["LegSizes", "SampledLegs"]

_SMALL_LEGS = 2  # legs of half the size for every large one
_ROUNDED = 0.2  # largest relative error of the ratios of legs
_MOST_LEGS = 400
_NODES = 10  # of the averaged leg
_NODES_OF_ONE_SLOPE = 20

LegSizes: TypeAlias = tuple[int, int, int, int]
"""n0, n1, n2 and m."""


@dataclass(frozen=True, eq=False)
class SampledLegs:
    """Large and small legs of a network.

    Parameters
    ----------
    network : PopulationHessian
        Sizes, activation, variances, energy and samples.
    sigma, share : ndarray of float
        Eigenvalues of the data covariance, and their shares.
    legs : int
        Hidden units of the large legs.
    draws : int
        Number of large legs.
    seed : int
        Of all legs.
    nodes : int, optional
        Of the rule for the averaged leg.
    """

    network: PopulationHessian
    sigma: Real
    share: Real
    legs: int
    draws: int
    seed: int = 0
    nodes: int | None = None

    @cached_property
    def sizes(self) -> tuple[LegSizes, LegSizes]:
        """Sizes n0, n1, n2 and m of the large and of the small legs."""
        return self._sizes_of(self.legs)

    def _sizes_of(self, legs: int) -> tuple[LegSizes, LegSizes]:
        large = leg_sizes(self.network.sizes, legs, self._levels_off)
        return large, leg_sizes(self.network.sizes, max(2, large[1] // 2), self._levels_off)

    @property
    def ratio(self) -> float:
        """Of the hidden units of large and small legs."""
        return float(self.sizes[0][1] / self.sizes[1][1])

    def _levels_off(self, n0: int) -> float:
        """By how much the mean of n0 eigenvalues of the covariance is off."""
        return abs(float(self.network.levels(n0).mean() / (self.sigma @ self.share)) - 1)

    @cached_property
    def rounded(self) -> float:
        """By how much ratios and data of the legs are off, as their sizes are whole numbers."""
        return self._off(self.sizes)

    def _off(self, sizes: tuple[LegSizes, LegSizes]) -> float:
        large, small = (
            max(ratios_off(self.network.sizes, leg), self._levels_off(leg[0])) for leg in sizes
        )
        share = share_of_small(sizes[0][1] / sizes[1][1])
        return (1 + share) * large + share * small

    def check(self) -> None:
        """Raise ValueError where whole numbers of so few units are another network."""
        if self.rounded <= _ROUNDED:
            return
        legs = 2 * self.legs
        while legs < _MOST_LEGS and self._off(self._sizes_of(legs)) > _ROUNDED:
            legs *= 2
        advice = f"take legs={legs}" if legs < _MOST_LEGS else "no legs of moderate size do"
        raise ValueError(
            f"legs of n0, n1, n2, m = {self.sizes[0]} and {self.sizes[1]} have ratios or a "
            f"mean data variance with a relative error of {self.rounded:.2g} against those of "
            f"{self.network.sizes}; {advice}"
        )

    def memory(self, *, crossing: bool = True) -> int:
        """Bytes that a solution takes at the same time, all threads together.

        Parameters
        ----------
        crossing : bool
            Whether of the two-leg equation, or of the non-crossing one.

        Returns
        -------
        int
        """
        _, n1, n2, m = self.sizes[0]
        nodes = len(self.averaged_leg[0])
        state = n1 * n1 + n2 * n2 + m * m
        work = nodes * 8 * (n1 * n1 + n2 * n2) if crossing else n1 * 3 * m * m
        number = self.draws * (1 + _SMALL_LEGS)
        legs = number * (n1 * n2 + (n1 + n2) * m)
        return 16 * (threads(number) * ((2 * DEPTH + 16) * state + work) + legs)

    @cached_property
    def averaged_leg(self) -> tuple[Real, Real]:
        """Nodes and weights for the eigenvalues of X^T X/m on the averaged leg."""
        chosen = _NODES if self.network.rule.slopes.size > 1 else _NODES_OF_ONE_SLOPE
        nodes = chosen if self.nodes is None else self.nodes
        aspect = self.network.inputs / self.network.samples
        return sample_rule(self.sigma, self.share, aspect, count=nodes)

    @cached_property
    def equations(self) -> tuple[tuple[TwoLegEquation, ...], tuple[TwoLegEquation, ...]]:
        """The equations of the large and of the small legs."""
        self.check()
        large, small = self.sizes
        generators = streams(self.seed, self.draws * (1 + _SMALL_LEGS))
        return (
            tuple(self._equation(large, one) for one in generators[: self.draws]),
            tuple(self._equation(small, one) for one in generators[self.draws :]),
        )

    def _equation(self, sizes: LegSizes, rng: np.random.Generator) -> TwoLegEquation:
        network, (nodes, weights) = self.network, self.averaged_leg
        rule, s1, s2 = network.rule, network.first_variance, network.second_variance
        leg = SampledLeg.draw(
            sizes,
            network.levels(sizes[0]),
            slope=rule.slope,
            rest=rule.rest,
            first_variance=s1,
            second_variance=s2,
            epsilon=network.epsilon,
            rng=rng,
        )
        _, n1, n2, _ = network.sizes
        medium = SlopeMedium.of_rule(rule, 2 * network.epsilon * s2 * n2 / n1)
        numbers = rule.slope, rule.rest, s1, s2, network.epsilon
        return TwoLegEquation(sizes, leg, nodes, weights, medium, *numbers)

    def solve(
        self,
        z: Complex,
        tolerance: float,
        size: int,
        value: LegValue,
        progress: Progress | None = None,
        *,
        throw: bool = True,
        crossing: bool = True,
    ) -> LegValues:
        """Solve on all legs at points z.

        Parameters
        ----------
        z : ndarray of complex, shape (points,)
            Points of the open upper half-plane.
        tolerance, size, value, progress, throw
            As for `rmtland.models.two_leg.leg_averages.values_over_legs`.
        crossing : bool
            Whether the two-leg equation, or the non-crossing one.

        Returns
        -------
        LegValues

        Raises
        ------
        ValueError
            If legs of this size cannot have the ratios.
        MemoryError
            If it would take more memory than is free.
        ConvergenceError
            If a leg is not solved at a point and `throw` is true.
        TypeError
            If `progress` cannot be called.
        """
        tolerance = positive("tolerance", tolerance)
        callable_or_none("progress", progress)
        self.check()
        needed, free = self.memory(crossing=crossing), ArrayLibrary.of().free_memory()
        if needed > free:
            raise MemoryError(
                f"legs of n0, n1, n2, m = {self.sizes[0]} take about {needed / 2**30:.1f} GiB, "
                f"more than the {free / 2**30:.1f} GiB that are free; take smaller legs, or fewer "
                "samples"
            )
        large, small = self.equations
        legs: Sequence[LegEquation] = large + small
        if not crossing:
            legs = [NonCrossingEquation(equation) for equation in large + small]
        return values_over_legs(
            legs,
            z,
            tolerance,
            size,
            value,
            large=len(large),
            ratio=self.ratio,
            progress=progress,
            throw=throw,
        )
