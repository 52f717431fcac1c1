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
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rmtland.arguments import choice, count
from rmtland.laws import EmpiricalLaw
from rmtland.models.conditioned.chance_level import chance_level
from rmtland.models.conditioned.conditioned_residuals import (
    ConditionedResiduals,
    checked_conditions,
)
from rmtland.models.conditioned.drawn_hessians import DrawnHessians
from rmtland.models.conditioned.given_residuals import fitted_point, in_double
from rmtland.models.conditioned.projections import RANK_TOLERANCE
from rmtland.models.hessian_parts import PARTS, HessianParts
from rmtland.networks import LossPoint
from rmtland.solution import Solution
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator, seed_of, streams
from rmtland.typing import ArrayLike, Real, Rng
from rmtland.version import installed_version

if TYPE_CHECKING:
    from rmtland.networks.activation import Activation

__all__ = ["ConditionedHessian"]

_ZERO = 1e-11
"""Eigenvalues within so much of the largest of a place are there."""


@dataclass(frozen=True, eq=False, repr=False)
class ConditionedHessian(HessianParts):
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

    # What it knows -------------------------------------------------------------------------------

    @property
    def conditioned(self) -> ConditionedResiduals:
        """The residuals: what is known of them, and what is free."""
        assert self.residuals is not None
        return self.residuals

    @property
    def parameter_count(self) -> int:
        """Number of eigenvalues p."""
        return int(self.point.net.parameter_count)

    @property
    def measured_numbers(self) -> int:
        """How many numbers of the residuals were measured."""
        return self.conditioned.measured_numbers

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

    # Draws ---------------------------------------------------------------------------------------

    def draw(self, *, rng: Rng = None) -> LossPoint:
        """Draw residuals and return the point that has them, with all its matrices and products.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        LossPoint
            The same network, parameters and inputs; it has no loss.
        """
        return next(self._draws.points([random_generator(rng)]))

    @cached_property
    def _draws(self) -> DrawnHessians:
        return DrawnHessians(
            self.point, self.conditioned, self.part_name, is_minimum="minimum" in self.on
        )

    def matrix(self, *, rng: Rng = None) -> Real:
        """Draw residuals and return the matrix: H, H0 or H1, by `part_name`.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric.

        Raises
        ------
        MemoryError
            If it would not fit into memory.
        """
        return next(self._draws.matrices([random_generator(rng)]))

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw residuals and return all eigenvalues of the Hessians that they make.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be `parameter_count`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, p).

        Raises
        ------
        ValueError
            If n is another number: the network is given.
        TypeError
            If `runs` is no integer.
        MemoryError
            If a matrix would not fit into memory.
        """
        self._check_size(n)
        generators = streams(rng, count("runs", runs))
        rows = self._draws.eigenvalues(generators)
        return Spectrum(rows, provenance=self._provenance(generators[0]))

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw residuals and return Gauss quadratures of Lanczos runs; no matrix is formed.

        Parameters
        ----------
        n : int or None
            As for `sample`.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws, each with a start vector of its own.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If there are more steps than eigenvalues, or n is another number than theirs.
        TypeError
            If `steps` or `runs` is no integer.
        """
        self._check_size(n)
        steps = count("steps", steps)
        if steps > self.parameter_count:
            raise ValueError(
                f"a matrix of size {self.parameter_count} allows {self.parameter_count} Lanczos "
                f"steps; got {steps}"
            )
        generators = streams(rng, count("runs", runs))
        nodes, weights, alpha, beta = self._draws.quadratures(generators, steps)
        return Spectrum(
            nodes,
            weights,
            dimension=self.parameter_count,
            provenance={
                **self._provenance(generators[0]),
                "steps": steps,
                "probe_law": "Gaussian",
            },
            alpha=alpha,
            beta=beta,
        )

    def _check_size(self, n: float | None) -> None:
        size = self.parameter_count
        if n is not None and n != size:
            raise ValueError(
                f"a ConditionedHessian knows its network: it has {size} eigenvalues, not {n}; "
                "leave n out"
            )

    def _provenance(self, generator: np.random.Generator) -> dict[str, Any]:
        return {
            "source": "model",
            "model": type(self).__name__,
            "network": repr(self.point.net),
            "samples": int(self.point.data.size),
            "on": list(self.on),
            "measured_numbers": self.measured_numbers,
            "part": self.part_name,
            "seed": seed_of(generator),
            "rmtland": installed_version(),
        }

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
