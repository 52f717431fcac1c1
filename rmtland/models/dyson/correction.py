r"""The first correction in 1/n to the matrix Dyson equation of a Hessian.

The equation sums the noncrossing pairings of the Gaussian entries of W2 and e. Their matrices are
real, so the next ones are those on which a path and its repetition run in parallel (a cross-cap,
the "cooperon" of weak localisation). A path alternates between the blocks i = (a, s), of size
n1 + m for each output, and b. Two parallel passages i -> b -> i multiply matrices Y of size n1 + m
by

.. math:: \mathcal T Y = n_2 M_i \Bigl(\sum_{\alpha \alpha'} v_\alpha v_{\alpha'}
          \Phi_{\alpha \alpha'} Y \Phi_{\alpha \alpha'}^T\Bigr) M_i^T , \qquad
          \Phi_{\alpha \alpha'} = C_\alpha M_b C_{\alpha'}^T ,

where alpha runs over the n1 entries of a row of W2 and the m residuals of an output, v are their
variances and C the matrices with which they enter. The closed path is one trace that goes round
twice, so that symmetric and antisymmetric Y count with opposite signs:

.. math:: P (E\,G - G_0) = \frac12 \frac{d}{dz} \bigl(
          \log\det (1 - \mathcal T)_{sym} - \log\det (1 - \mathcal T)_{anti} \bigr) + O(1/n) .

For a Gaussian orthogonal matrix T = G^2 and this is the known correction of its density.

For H0 and H1 it is all there is at this order: what is left falls like 1/n^2. For H with
epsilon > 0 it is a part only. There W2 acts on outputs and hidden units, e on outputs and samples,
and paths that cross a pair of the one with a pair of the other are not small where the slopes do
not vary: the matrix Dyson equation itself keeps an error that does not vanish with n.

References
----------
.. [1] J. J. M. Verbaarschot, H. A. Weidenmuller and M. R. Zirnbauer, Evaluation of ensemble
       averages for simple Hamiltonians perturbed by a GOE interaction, Ann. Phys. 153 (1984)
       367-388.
.. [2] I. Dumitriu and A. Edelman, Global spectrum fluctuations for the beta-Hermite and
       beta-Laguerre ensembles via matrix models, J. Math. Phys. 47 (2006) 063302: the term of order
       1/n of the classical ensembles.

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(12, 4))
>>> model = DysonHessian.of_first_layer(
...     first, x, outputs=4, epsilon=0.0, activation="relu", part="gauss_newton"
... )
>>> corrected = FiniteSizeHessian(model)
>>> bool(corrected.smoothed_pdf(0.0, eta=0.05) > model.smoothed_pdf(0.0, eta=0.05))
True
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from rmtland.arguments import count
from rmtland.arrays import ArrayLibrary
from rmtland.deprecation import renamed_method
from rmtland.models.dyson.above_axis import Progress, above_axis
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.corrected_model import CorrectedModel
from rmtland.models.dyson.cost import Cost, seconds_of_pairs, seconds_of_point
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.models.dyson.parallel_paths import parallel_paths
from rmtland.models.smoothed_index import index_from_above
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import ArrayLike, Complex, Integer, Logical, Real, override

__all__ = ["FiniteSizeHessian"]

_STEP = 0.03  # of the derivative, relative to the height
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class FiniteSizeHessian(CorrectedModel):
    """The spectrum of a Hessian of finite size: the matrix Dyson equation and its first correction.

    .. formula:: First correction in :math:`1/n` to the Dyson equation of a one-hidden-layer Hessian

    Parameters
    ----------
    model : DysonHessian
        The equation, with coupling "full" or "units".

    Raises
    ------
    ValueError
        If the model has free slopes, or outputs whose residuals are unlike or correlated.
    TypeError
        If `model` is no `DysonHessian`.

    See Also
    --------
    rmtland.models.DysonHessian : its limit.

    Notes
    -----
    Cost of a point: for H0 one product of size m^2 x n1 x m^2 and two determinants of size m^2/2,
    which is for n of some tens, where the correction matters. `cost` tells seconds and bytes
    beforehand.
    """

    model: DysonHessian

    _tolerance: ClassVar[float] = _TOLERANCE
    _no_law: ClassVar[str] = (
        "the correction of order 1/n is a density above the axis only, not a probability law; "
        "take smoothed_pdf, smoothed_cdf or index, or model.law without it"
    )

    def __post_init__(self) -> None:
        if not isinstance(self.model, DysonHessian):
            raise TypeError(f"model must be a DysonHessian; got {type(self.model).__name__}")
        if not isinstance(self.model.equation, BlockEquation):
            raise ValueError(
                "the correction needs the slopes of every unit; take coupling='full' or 'units'"
            )
        if self.model.output_weights is not None:
            raise ValueError(
                "the correction is for residuals that are alike and independent between outputs; "
                "leave output_weights out"
            )

    # Parts and sizes -----------------------------------------------------------------------------

    def part(self, name: str) -> Self:
        """Return the same of a part of the Hessian, as `DysonHessian.part`.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            H0, H1 or H.

        Returns
        -------
        FiniteSizeHessian
            The corrected model of that part.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        return replace(self, model=self.model.part(name))

    @property
    def parameter_count(self) -> int:
        """P, as of the model."""
        return self.model.parameter_count

    @property
    def memory(self) -> int:
        """Bytes that a solution takes at its height, estimated from above."""
        n1, m = self.model.features.shape
        pairs = 0 if self.model.part_name == "residual" else m**4
        if self.model.part_name == "total":
            pairs += 2 * (n1 * m) ** 2
        return self.model.memory + 16 * 3 * pairs

    def cost(self, points: int = 1) -> Cost:
        """Estimate what so many points of `smoothed_pdf` take on this machine.

        Parameters
        ----------
        points : int
            Number of points; `smoothed_cdf` takes about half as long for as many.

        Returns
        -------
        Cost
            Seconds, right to a factor of about three, and bytes.

        Raises
        ------
        ValueError
            If `points` is below 1.
        TypeError
            If it is no integer.
        """
        equation = self.model.equation
        assert isinstance(equation, BlockEquation)
        here = 3 * seconds_of_point(equation)
        here += 2 * seconds_of_pairs(equation, self.model.part_name)
        return Cost(count("points", points) * here, self.memory)

    # Results -------------------------------------------------------------------------------------

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        throw: bool = True,
        progress: Progress | None = None,
    ) -> Solution:
        """Evaluate E G(z) in the open upper half-plane, as `DysonHessian.solve`.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, throw
            As for `DysonHessian.solve`.
        progress : callable, optional
            Called with the numbers of solutions done and of all, two for each point.

        Returns
        -------
        Solution
            E G(z) with its error, in the shape of `z`.

        Raises
        ------
        ConvergenceError
            If a point is not solved and `throw` is true.
        MemoryError
            If it would take more than the memory that is free; it states what `cost` does.
        """
        flat, shape = above_axis(z)
        step = _STEP * flat.imag
        count = flat.size
        _, pairs, size, steps, good = self._solved(
            np.concatenate([flat + step, flat - step]), tolerance, progress, with_phase=False
        )
        if throw and not good.all():
            raise ConvergenceError("the matrix Dyson equation was not solved; raise Im z")
        change = pairs[:count] - pairs[count:]
        turned = np.remainder(change.imag + np.pi, 2 * np.pi) - np.pi
        slope = (change.real + 1j * turned) / (2 * step)
        plain = self.model.solve(flat, tolerance=tolerance, throw=throw)
        corrected = plain.value + slope / (2 * self.parameter_count)
        solved = good.all() and plain.status is Status.CONVERGED
        return Solution(
            corrected.reshape(shape),
            Status.CONVERGED if solved else Status.NOT_CONVERGED,
            np.maximum(size.reshape(2, count).max(axis=0), plain.residual).reshape(shape),
            (steps.reshape(2, count).sum(axis=0) + plain.steps).reshape(shape),
        )

    def _solved(
        self, z: Complex, tolerance: float, progress: Progress | None, *, with_phase: bool
    ) -> tuple[Complex, Complex, Real, Integer, Logical]:
        """G or L, and the logarithm of the determinants, at all points."""
        free = ArrayLibrary.of().free_memory()
        if self.memory > free:
            raise MemoryError(
                f"the correction takes {self.cost(z.size).sentence}, more than the "
                f"{free / 2**30:.1f} GiB that are free; it is for small networks, take the "
                "model without it"
            )
        equation = self.model.equation
        assert isinstance(equation, BlockEquation)
        values = np.empty(z.size, dtype=np.complex128)
        pairs, size = np.empty_like(values), np.empty(z.size)
        steps, good = np.empty(z.size, dtype=np.int64), np.empty(z.size, dtype=bool)
        for i, found in self.model.solve_along(z, tolerance, progress):
            here = complex(z[i])
            values[i] = (
                equation.potential(here, found.blocks)
                if with_phase
                else equation.trace(found.blocks)
            )
            size[i], steps[i], good[i] = found.residual, found.steps, found.converged
            pairs[i] = parallel_paths(equation, here, found.blocks, with_phase=with_phase)
        return values, pairs, size, steps, good

    @override
    def cdf_above(
        self, z: ArrayLike, *, tolerance: float = _TOLERANCE, progress: Progress | None = None
    ) -> Real:
        flat, shape = above_axis(z)
        potential, pairs, _, _, good = self._solved(flat, tolerance, progress, with_phase=True)
        if not good.all():
            raise ConvergenceError("the matrix Dyson equation was not solved; raise eta")
        total = potential + pairs / (2 * self.parameter_count)
        return np.asarray(1 - total.imag / np.pi).reshape(shape)

    def solve_index(self) -> Solution:
        """Mean fraction of negative eigenvalues with its error, as `DysonHessian.solve_index`.

        The atom left out is that of the equation: next to a hard edge the correction has one of its
        own, of either sign, which belongs to the eigenvalues beside zero.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape ().
        """
        if self.model.part_name == "gauss_newton":
            return self.model.solve_index()
        scale = float(np.hypot(self.model.mean(), np.sqrt(self.model.var())))
        return index_from_above(
            lambda z: self.model.solve(z, throw=False),
            self.cdf_above,
            scale,
            atom=self.model.atom_at_zero(),
            is_measure=False,
        )

    smoothed_density = renamed_method("smoothed_density", "smoothed_pdf")
