r"""The Hessian of a trained network: residuals conditioned on the gradient, drawn anew.

No law that takes the residuals for independent of the Jacobian holds once a network has trained:
training drives J^T e to zero. With P the orthogonal projector on what training controls, the span
of the Jacobian J, or of J and the inputs,

.. math::
    e = P e_{measured} + \sigma (1 - P) \xi, \qquad
    H = H_0 + H_1[P e] + \sigma H_1[(1 - P) \xi],

a deterministic matrix plus a Gaussian one, of any depth, with any loss, biases and weight decay. At
a critical point P e = 0, and weights, inputs and the energy are all that is known
(`ConditionedHessian.at_critical_point`). Training does not end at any of them: where it has
converged, `on=("gradient", "minimum")` draws among residuals whose Hessian has no negative
eigenvalue (`rmtland.models.conditioned.minima`).

The law is the mean spectrum of such Hessians, pooled over draws (`draws`, from `seed`); how far a
single one is from it, `chance_level`, is what no law can do better than.
`rmtland.models.conditioned.ConditionedDyson` is the same law by a matrix Dyson equation.
`measured_numbers` says how much of the residuals was measured, `is_marked` whether that is nearly
all: less than a tenth is left, of their dimensions or of all numbers that there are.

Synonyms: trained minimum, stationary point, conditional Gaussian ensemble, empirical NTK projector.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(30, 3, rng=0), MLP((3, 4, 3))
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> model = ConditionedHessian(point, draws=4)
>>> model
ConditionedHessian(p=24, on gradient, 25 measured numbers, 73.3% of the residuals free)
>>> bool(abs(model.mean() - point.hessian("total").trace() / 24) < 0.02)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from rmtland.arguments import choice, count
from rmtland.laws import EmpiricalLaw
from rmtland.models.conditioned.chance_level import chance_level
from rmtland.models.conditioned.conditioned_residuals import (
    ConditionedResiduals,
    checked_conditions,
)
from rmtland.models.conditioned.given_residuals import fitted_point, in_double
from rmtland.models.conditioned.projections import RANK_TOLERANCE
from rmtland.models.hessian_parts import PARTS
from rmtland.networks import LossPoint
from rmtland.solution import Solution
from rmtland.typing import ArrayLike, Real

if TYPE_CHECKING:
    from rmtland.networks.activation import Activation
from rmtland.models.conditioned.conditioned_draws import ConditionedDraws

__all__ = ["ConditionedHessian"]

_ZERO = 1e-11
"""Eigenvalues within so much of the largest of a place are there."""


@dataclass(frozen=True, eq=False, repr=False)
class ConditionedHessian(ConditionedDraws):
    r"""Hessians of one network with residuals drawn anew, conditioned on what training controls.

    .. formula:: Residuals conditioned on the gradient, :math:`e = P e_0 + \sigma (1 - P) \xi`

    .. formula:: Residuals conditioned on the gradient at a minimum, where :math:`H \ge 0`, and for
        autoencoders
        :with: on=("gradient", "minimum") or on=("gradient", "rotations")

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data: any depth, loss, biases and weight decay.
    on : tuple of {"gradient", "inputs", "rotations", "minimum"}
        What the residuals are conditioned on: their products with the Jacobian, and with the
        inputs, those for autoencoders up to rotations within the spaces that the weights see
        (`rmtland.models.conditioned.rotated_regression`); and that the point is a minimum, where
        draws are steps of a Markov chain.
    sizes : {"auto", "alike", "samples", "labels"}
        Whether all residuals are alike, each sample keeps its mean square or, of softmax, what lies
        along its label; "auto" is "alike" for half the mean squared error, "labels" for softmax and
        "samples" for other losses (`rmtland.models.conditioned.residual_space`).
    projection : {"auto", "dense", "iterative"}
        Whether a basis of what is known is formed, or residuals are projected by least squares.
    rank_tolerance : float
        Singular values below so much of the largest, < 1, count as zero, where a basis is formed.
    draws : int
        Hessians that the law is pooled from, at least 2.
    seed : int
        From which they are drawn, >= 0.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.
    residuals : ConditionedResiduals, optional
        The residuals to draw from; by default those that the point, `on`, `sizes`, `projection`
        and `rank_tolerance` give.

    Raises
    ------
    ValueError
        If conditioning leaves nothing free, as where there are fewer residuals than parameters, or
        residuals that are given are conditioned on something else than `on`.
    TypeError
        If `point` is no `LossPoint`, or a number of another type.
    """

    point: LossPoint
    on: tuple[str, ...] = ("gradient",)
    sizes: str = field(default="auto", kw_only=True)
    projection: str = field(default="auto", kw_only=True)
    rank_tolerance: float = field(default=RANK_TOLERANCE, kw_only=True)
    draws: int = field(default=16, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    part_name: str = field(default="total", kw_only=True)
    residuals: ConditionedResiduals | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.point, LossPoint):
            raise TypeError(
                f"point must be a LossPoint (see MLP.at); got {type(self.point).__name__}"
            )
        choice("part_name", self.part_name, PARTS)
        object.__setattr__(self, "on", checked_conditions(self.on))
        object.__setattr__(self, "draws", count("draws", self.draws, min_value=2))
        object.__setattr__(self, "seed", count("seed", self.seed, min_value=0))
        object.__setattr__(self, "point", in_double(self.point))
        if self.residuals is None:
            found = ConditionedResiduals.of_point(
                self.point,
                self.on,
                sizes=self.sizes,
                projection=self.projection,
                rank_tolerance=self.rank_tolerance,
            )
            object.__setattr__(self, "residuals", found)
        elif not isinstance(self.residuals, ConditionedResiduals):
            raise TypeError(f"residuals must be ConditionedResiduals; got {self.residuals!r}")
        elif self.residuals.on != self.on:
            raise ValueError(
                f"the residuals are conditioned on {' and '.join(self.residuals.on)}, not on "
                f"{' and '.join(self.on)}; take residuals=None"
            )

    @classmethod
    def at_critical_point(
        cls,
        weights: Sequence[ArrayLike],
        x: ArrayLike,
        epsilon: float,
        *,
        activation: str | Activation = "tanh",
        minimum: bool = False,
        draws: int = 16,
        seed: int = 0,
    ) -> Self:
        """Return the Hessians of critical points with given weights, inputs and energy.

        Nothing of the residuals is measured: they are orthogonal to the Jacobian.

        Parameters
        ----------
        weights : sequence of array_like, shapes (n_l, n_{l-1})
            Of the layers, the first one first; no biases.
        x : array_like, shape (m, n_0)
            Inputs.
        epsilon : float
            Energy, loss / outputs, >= 0, of half the mean squared error.
        activation : str or Activation
            As in `rmtland.networks.MLP`.
        minimum : bool
            Whether it is a minimum.
        draws, seed
            As in the class.

        Returns
        -------
        ConditionedHessian

        Raises
        ------
        ValueError
            If shapes do not fit, or the Jacobian leaves nothing free.
        """
        point = fitted_point(weights, x, activation=activation)
        on = ("gradient", "minimum") if minimum else ("gradient",)
        residuals = ConditionedResiduals.at_critical_point(point, epsilon, on=on)
        return cls(point, on, draws=draws, seed=seed, residuals=residuals)

    @property
    def free_share(self) -> float:
        """Share of the dimensions of the residuals that are free."""
        return self.conditioned.free_share

    @property
    def free_share_error(self) -> float:
        """Standard error of that share: 0 unless the projection is iterative."""
        return self.conditioned.free_share_error

    @property
    def is_marked(self) -> bool:
        """Whether nearly all of them is measured: the law describes, it does not predict."""
        return self.conditioned.is_marked

    def __repr__(self) -> str:
        """Return size and what is known, in a line."""
        mark = ", nearly all measured" if self.is_marked else ""
        error = f" +- {self.free_share_error:.1%}" if self.free_share_error else ""
        return (
            f"ConditionedHessian(p={self.parameter_count}, on {' and '.join(self.on)}, "
            f"{self.measured_numbers} measured numbers, {self.free_share:.1%}{error} of the "
            f"residuals free{mark})"
        )

    # The law -------------------------------------------------------------------------------------

    @cached_property
    def drawn(self) -> Real:
        """Eigenvalues of the draws that the law is pooled from, shape (draws, p).

        Those that are zero, or the weight decay, up to rounding are so exactly: directions that no
        output sees.
        """
        runs = 1 if self.part_name == "gauss_newton" else self.draws
        nodes = self.sample(rng=self.seed, runs=runs).nodes.copy()
        tolerance = _ZERO * np.abs(nodes).max()
        for place in {0.0, float(self.point.net.weight_decay)}:
            nodes[np.abs(nodes - place) <= tolerance] = place
        return nodes

    @cached_property
    def law(self) -> EmpiricalLaw:
        """Mean spectrum of the draws, as the empirical law of all their eigenvalues."""
        return EmpiricalLaw(self.drawn.ravel())

    @cached_property
    def chance_level(self) -> Solution:
        """Kolmogorov distance of one draw to the mean spectrum of the others.

        What chance does: no law is closer to a single Hessian of this size on the average.

        Returns
        -------
        Solution
            As `rmtland.models.conditioned.chance_level.chance_level`.
        """
        return chance_level(self.drawn)

    @property
    def index_deviation(self) -> float:
        """Standard deviation of the index over the draws."""
        return float((self.drawn < 0).mean(axis=1).std(ddof=1)) if len(self.drawn) > 1 else 0.0
