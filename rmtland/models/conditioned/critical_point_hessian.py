r"""Hessians of critical points without their weights, from sizes, activation and energy alone.

A network y = W2 f(W1 x) of n0 inputs, n1 hidden units and n2 outputs, m samples, is at a critical
point of half its mean squared error. The weights are taken as iid Gaussians, the inputs are, and
the residuals are as random as the vanishing gradient lets them be,

.. math::
    e = \sigma (1 - P_J) \xi, \qquad H = H_0 + H_1[e],

with P_J the projector on the span of the Jacobian and sigma fixed by the energy. The last layer is
linear in its weights, so that the outputs are in that span, and residuals are orthogonal to them:
at any critical point whose targets have mean square v,

.. math:: \frac1{m n_2} \sum o^2 = v - 2 \epsilon .

This fixes the size of W2, and says that there is no critical point of an energy
above v/2. Scaling W2 leaves the span of J and the signs of the eigenvalues of H alone, so that the
index depends on the energy by one number,

.. math:: \alpha(\epsilon) = F\Bigl(\frac{2 \epsilon}{v - 2 \epsilon}\Bigr),

and a curve of it (`index_curve`) takes one Jacobian a draw. It rises from 0 to the index of H1.

The law is pooled over `draws` of weights, inputs and residuals. What it leaves out is what makes a
point critical: that weights and residuals are not independent, and that critical points of weights
W are weighted by |det H| (Kac and Rice). `scripts/reproduce_critical_index.py` shows by how much it
is off for trained minima and saddles.

Synonyms: index of saddles, complexity, landscape of critical points, Kac-Rice without weights.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 4: the index of critical points against their energy.
.. [2] Y. V. Fyodorov, Complexity of random energy landscapes, glass transition, and absolute value
       of the spectral determinant of random matrices, Phys. Rev. Lett. 92 (2004) 240601.

Examples
--------
>>> model = CriticalPointHessian(4, 4, 4, 24, activation="tanh", epsilon=0.3, draws=8)
>>> model.parameter_count, round(model.output_mean_square, 12)
(32, 0.4)
>>> curve = model.index_curve([0.1, 0.3, 0.45])
>>> bool((np.diff(curve.mean) > 0).all()), bool(abs(curve.mean[1] - model.index()) < 1e-12)
(True, True)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from rmtland.arguments import choice, count, nonnegative, points, positive
from rmtland.arrays import ArrayLibrary
from rmtland.laws import EmpiricalLaw
from rmtland.models.conditioned.conditioned_hessian import ConditionedHessian
from rmtland.models.hessian_parts import PARTS, HessianParts, exact_zeros
from rmtland.networks import MLP
from rmtland.networks.activation import activation as activation_of
from rmtland.networks.gaussian_averages import gaussian_averages
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator, seed_of, streams
from rmtland.typing import ArrayLike, Real, Rng
from rmtland.version import installed_version

if TYPE_CHECKING:
    from rmtland.networks.activation import Activation

__all__ = ["CriticalPointHessian", "IndexCurve"]

_NO_OUTPUTS = 1e-7
"""Of the mean square of the targets: from smaller outputs on, rounding hides what W2 does."""


class IndexCurve(NamedTuple):
    """Mean index of critical points at several energies."""

    energies: Real
    mean: Real
    """Mean index: fraction of negative eigenvalues."""

    standard_error: Real
    """Of the mean over the draws."""

    deviation: Real
    """Of a single critical point."""


@dataclass(frozen=True, eq=False)
class CriticalPointHessian(HessianParts):
    r"""Hessians of critical points of given energy, with weights, inputs and residuals drawn.

    .. formula:: Critical points without their weights, :math:`\alpha = F(2\varepsilon/(v -
        2\varepsilon))`

    Parameters
    ----------
    inputs, hidden, outputs, samples : int
        n0, n1, n2 and m; m n2 must be above the rank of the Jacobian.
    activation : str or Activation
        As in `rmtland.networks.MLP`.
    epsilon : float
        Energy, loss / outputs, >= 0 and below half of `target_mean_square`.
    target_mean_square : float
        v, > 0.
    first_variance : float
        n0 times the variance of the entries of W1, > 0 (1 for `lecun`).
    draws : int
        Critical points that the law is pooled from, at least 2.
    seed : int
        From which they are drawn, >= 0: the same model gives the same numbers.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.

    Raises
    ------
    ValueError
        If a parameter is out of its range. When drawn, if the Jacobian leaves no residuals free.
    TypeError
        If a parameter is no real number, or a size no integer.

    See Also
    --------
    rmtland.models.ConditionedHessian : weights are known.
    rmtland.landscape.critical_points.find_critical_points : points themselves.
    """

    inputs: int
    hidden: int
    outputs: int
    samples: int
    activation: str | Activation = field(default="tanh", kw_only=True)
    epsilon: float = field(kw_only=True)
    target_mean_square: float = field(default=1.0, kw_only=True)
    first_variance: float = field(default=1.0, kw_only=True)
    draws: int = field(default=16, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    part_name: str = field(default="total", kw_only=True)

    name: ClassVar[str] = "critical points"

    def __post_init__(self) -> None:
        for key in ("inputs", "hidden", "outputs", "samples"):
            object.__setattr__(self, key, count(key, getattr(self, key)))
        for key, smallest in (("draws", 2), ("seed", 0)):
            object.__setattr__(self, key, count(key, getattr(self, key), min_value=smallest))
        for key in ("target_mean_square", "first_variance"):
            object.__setattr__(self, key, positive(key, getattr(self, key)))
        object.__setattr__(self, "epsilon", self._checked(self.epsilon))
        activation_of(self.activation)
        choice("part_name", self.part_name, PARTS)

    def _checked(self, epsilon: float) -> float:
        energy = nonnegative("epsilon", epsilon)
        if not 2 * energy < self.target_mean_square:
            raise ValueError(
                "epsilon must be below half the mean square of the targets, "
                f"{self.target_mean_square / 2:g}: residuals of a critical point are orthogonal to "
                f"its outputs; got {energy:g}"
            )
        return energy

    # What the energy implies ---------------------------------------------------------------------

    @property
    def parameter_count(self) -> int:
        """Number of eigenvalues p."""
        return self.hidden * (self.inputs + self.outputs)

    @property
    def output_mean_square(self) -> float:
        """Mean square of the outputs, v - 2 epsilon."""
        return self.target_mean_square - 2 * self.epsilon

    @property
    def second_variance(self) -> float:
        """n1 times the variance of the entries of W2 that gives outputs their mean square."""
        features = gaussian_averages(self.activation, variance=self.first_variance)
        return self.output_mean_square / features.square

    # Draws ---------------------------------------------------------------------------------------

    def draw(self, *, rng: Rng = None) -> ConditionedHessian:
        """Draw weights and inputs, and return the model that knows them and draws residuals.

        Parameters
        ----------
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.

        Returns
        -------
        ConditionedHessian
            Of critical points with these weights.

        Raises
        ------
        ValueError
            If the Jacobian leaves no residuals free, or the energy leaves outputs of a mean square
            below 1e-7 of that of the targets.
        """
        if self.output_mean_square < _NO_OUTPUTS * self.target_mean_square:
            raise ValueError(
                f"at epsilon = {self.epsilon!r} outputs have a mean square of "
                f"{self.output_mean_square:.2g}, too small beside the targets' "
                f"{self.target_mean_square:g} for a Hessian in floating point; index_curve takes "
                "this energy"
            )
        generator = random_generator(rng)
        n0, n1, n2 = self.inputs, self.hidden, self.outputs
        first = generator.normal(size=(n1, n0)) * math.sqrt(self.first_variance / n0)
        second = generator.normal(size=(n2, n1))
        x = generator.normal(size=(self.samples, n0))
        net = MLP((n0, n1, n2), activation=self.activation)
        theta = np.concatenate([first.ravel(), second.ravel()])
        size = float((net.predict(theta, x) ** 2).mean())
        if not size > 0:
            raise ValueError("all outputs vanish: no weights of the last layer give them a size")
        second *= math.sqrt(self.output_mean_square / size)
        model = ConditionedHessian.at_critical_point(
            (first, second), x, self.epsilon, activation=self.activation
        )
        return model.part(self.part_name)

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw critical points and return all eigenvalues of their Hessians.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be `parameter_count`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent critical points.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, p).

        Raises
        ------
        ValueError
            If n is another number, or the Jacobian leaves no residuals free.
        TypeError
            If `runs` is no integer.
        MemoryError
            If a matrix would not fit into memory.
        """
        if n is not None and n != self.parameter_count:
            raise ValueError(
                f"the sizes give {self.parameter_count} eigenvalues, not {n}; leave n out"
            )
        self._check_memory()
        generators = streams(rng, count("runs", runs))
        provenance = {
            "source": "model",
            "model": type(self).__name__,
            "sizes": [self.inputs, self.hidden, self.outputs, self.samples],
            "activation": str(self.activation),
            "part": self.part_name,
            "epsilon": self.epsilon,
            "seed": seed_of(generators[0]),
            "rmtland": installed_version(),
        }
        rows = [
            np.linalg.eigvalsh(self.draw(rng=generator).matrix(rng=generator))
            for generator in generators
        ]
        return Spectrum(np.array(rows), provenance=provenance)

    def _check_memory(self) -> None:
        rows, p = self.samples * self.outputs, self.parameter_count
        needed, free = 8 * (3 * rows * p + 6 * p**2), ArrayLibrary.of().free_memory()
        if needed > free:
            raise MemoryError(
                f"Jacobian and Hessian of {rows} residuals and {p} parameters take about "
                f"{needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; take smaller sizes "
                "of the same ratios"
            )

    # The law -------------------------------------------------------------------------------------

    @cached_property
    def drawn(self) -> Real:
        """Eigenvalues that the law is pooled from, shape (draws, p); zeros exact."""
        return exact_zeros(self.sample(rng=self.seed, runs=self.draws).nodes)

    @cached_property
    def law(self) -> EmpiricalLaw:
        """Mean spectrum of the draws, as the empirical law of all their eigenvalues."""
        return EmpiricalLaw(self.drawn.ravel())

    @property
    def index_deviation(self) -> float:
        """Standard deviation of the index over the critical points drawn."""
        return float((self.drawn < 0).mean(axis=1).std(ddof=1))

    @cached_property
    def _pencils(self) -> tuple[tuple[Real, Real], ...]:
        """H0 and H1 of every draw where residuals are as large as outputs."""
        self._check_memory()
        equal = replace(self, epsilon=self.target_mean_square / 4, part_name="total")
        found = []
        for generator in streams(self.seed, self.draws):
            model = equal.draw(rng=generator)
            h0 = model.part("gauss_newton").matrix()
            found.append((h0, model.part("residual").matrix(rng=generator)))
        return tuple(found)

    def index_curve(self, energies: ArrayLike) -> IndexCurve:
        """Mean index at several energies, all from the same draws.

        Parameters
        ----------
        energies : array_like of float, shape () or (n,)
            Not negative, below half the mean square of the targets.

        Returns
        -------
        IndexCurve
            Index, its standard error, and the deviation of a single critical point.

        Raises
        ------
        ValueError
            If an energy is out of its range, they have another shape, or the Jacobian leaves no
            residuals free.
        TypeError
            If `energies` holds no real numbers.
        """
        grid = np.atleast_1d(points("energies", energies))
        if grid.ndim > 1:
            raise ValueError(f"energies must be a number or a list; got shape {grid.shape}")
        rows = np.array([self._indices(float(energy)) for energy in grid])
        rows = rows.reshape(grid.size, self.draws)
        deviation = rows.std(axis=1, ddof=1)
        return IndexCurve(grid, rows.mean(axis=1), deviation / math.sqrt(self.draws), deviation)

    def _indices(self, epsilon: float) -> Real:
        """Index of every draw at another energy."""
        energy = self._checked(epsilon)
        ratio = math.sqrt(2 * energy / (self.target_mean_square - 2 * energy))
        found = []
        for h0, h1 in self._pencils:
            nodes = np.asarray(np.linalg.eigvalsh(h0 + ratio * h1), dtype=np.float64)
            found.append(float((exact_zeros(nodes) < 0).mean()))
        return np.array(found)
