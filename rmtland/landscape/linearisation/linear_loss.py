r"""The loss of a network linearised in its parameters: Gauss-Newton step and exact descent.

About :math:`\theta_0`, with outputs o and the Jacobian :math:`J_0 = \partial o/\partial\theta`
(rows run over samples and outputs),

.. math::
    \tilde L(\theta) = \frac{1}{2 m} |o(\theta_0) - y + J_0 (\theta - \theta_0)|^2, \qquad
    \theta_1 = \theta_0 + J_0^+ (y - o(\theta_0)) .

The Gauss-Newton step J^+ (y - o) is the solution nearest to :math:`\theta_0`. Everything follows
from the neural tangent kernel K = J J^T, of size N = m n_out however many parameters there are.
Where J has at most 2^22 entries its singular values are found and those below max(N, p) eps of the
largest are taken as zero; beyond that J is never formed, and eigenvalues of K below N eps of the
largest are (singular values below about 1e-7). The rounding eps is that of the precision in which J
was computed, single for a network in single precision. How many were zero, and what part of the
residual lies there, is stated.

Synonyms: lazy training, tangent space, J0, neural tangent kernel (NTK), Moore-Penrose
pseudo-inverse, minimum-norm interpolation, implicit regularisation.

References
----------
.. [1] A. Jacot, F. Gabriel and C. Hongler, Neural tangent kernel: convergence and generalization in
       neural networks, NeurIPS 2018.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data = gaussian(6, 4, rng=0)
>>> net = MLP((4, 30, 4), parametrisation="ntk")
>>> tangent = linearise(net.at(net.init(rng=1), data.x, data.y))
>>> tangent.rank, tangent.parameter_count
(24, 240)
>>> step = tangent.gauss_newton()
>>> step.residual < 1e-12, bool(tangent.loss(step.step) < 1e-24)
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from rmtland.arguments import count, dense_array, float_array, positive
from rmtland.arrays import to_numpy
from rmtland.landscape.linearisation.spectral_descent import SpectralDescent
from rmtland.landscape.linearisation.tangent_residuals import TangentResiduals
from rmtland.networks import LossPoint
from rmtland.networks.loss_point import loss_point
from rmtland.solution import ConvergenceError
from rmtland.typing import ArrayLike, Real

__all__ = ["GaussNewtonStep", "LinearisedLoss", "linearise"]

_FORMED = 2**22
"""Entries of a Jacobian that is formed for its singular values."""

_TOLERANCE = 1e-6
"""Largest relative residual of a Gauss-Newton step in the range of the Jacobian."""


class GaussNewtonStep(NamedTuple):
    """The minimum-norm step to the minimum of a linearised loss.

    Made by `rmtland.landscape.linearisation.LinearisedLoss.gauss_newton`.

    Parameters
    ----------
    step : ndarray, shape (p,)
        J^+ (y - o).
    norm : float
        Its Euclidean norm, from the eigenvalues of the kernel: a bound from below on the norm of
        every solution.
    residual : float
        Norm of the residual after the step over that before it, in the range of the Jacobian.
    excess : float
        Norm of the step over `norm`, minus 1: the step has no part in the null space of J.
    unreachable : float
        Part of the norm of the residual outside the range of the Jacobian, relative.
    """

    step: Real
    norm: float
    residual: float
    excess: float
    unreachable: float


@dataclass(frozen=True, eq=False)
class LinearisedLoss(TangentResiduals):
    r"""Half the mean squared error of a model that is linear in its parameters.

    .. formula:: Gauss-Newton step :math:`J^+ (y - o)` and descent :math:`u_i^\top r_k = (1 -
        \eta\lambda_i/m)^k u_i^\top r_0` of a linearised network

    Made by `rmtland.landscape.linearisation.linearise`,
    `rmtland.landscape.linearisation.linearise_torch` and
    `rmtland.landscape.linearisation.LinearisedLoss.of_jacobian`.

    Parameters
    ----------
    kernel : ndarray, shape (N, N)
        J J^T, with N = m n_out.
    residuals : ndarray, shape (N,)
        o - y at the start.
    samples : int
        The number m of samples.
    parameter_count : int
        The number p of parameters.
    jvp, vjp : callable
        v -> J v and u -> J^T u.
    jacobian : ndarray, shape (N, p), optional
        J, where it is at hand: small singular values then keep their digits.
    rounding : float, optional
        Unit of rounding of the precision in which J was computed.
    """

    kernel: Real
    residuals: Real
    samples: int
    parameter_count: int
    jvp: Callable[[Real], Real]
    vjp: Callable[[Real], Real]
    jacobian: Real | None = None
    rounding: float = float(np.finfo(np.float64).eps)

    @classmethod
    def of_jacobian(cls, jacobian: ArrayLike, residuals: ArrayLike, *, samples: int) -> Self:
        """Return the linearised loss of a Jacobian that is at hand.

        Parameters
        ----------
        jacobian : array_like, shape (N, p)
            J; of single precision if it was computed so, for its rank.
        residuals : array_like, shape (N,) or (m, n_out)
            o - y.
        samples : int
            m, which the loss is divided by; it divides N.

        Returns
        -------
        LinearisedLoss
            Kernel, Gauss-Newton step, and exact gradient descent.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or squares of the entries leave the range
            of floating-point numbers.
        """
        given = dense_array("jacobian", jacobian)
        kind = given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)
        J = float_array("jacobian", given, ndim=2)
        r = float_array("residuals", np.ravel(np.asarray(residuals)), ndim=1)
        for name, size in (("jacobian", np.abs(J).max()), ("residuals", np.abs(r).max())):
            if size and not 1e-130 < size < 1e130:
                raise ValueError(
                    f"{name} has entries of {size:.3g}, whose squares leave the range of "
                    "floating-point numbers; measure outputs or parameters in another unit"
                )
        m = count("samples", samples)
        if J.shape[0] != r.size or r.size % m or not J.size:
            raise ValueError(
                "jacobian must have one row for each residual, a multiple of the samples; got "
                f"{J.shape}, {r.size} residuals and {m} samples"
            )
        eps = max(float(np.finfo(kind).eps), float(np.finfo(np.float64).eps))
        return cls(J @ J.T, r, m, J.shape[1], lambda v: J @ v, lambda u: J.T @ u, J, eps)

    def __repr__(self) -> str:
        return (
            f"LinearisedLoss({self.residuals.size} residuals, {self.parameter_count} parameters, "
            f"rank={self.rank})"
        )

    # Solutions -----------------------------------------------------------------------------------

    def loss(self, step: ArrayLike) -> float:
        """Return the linearised loss at theta_0 + step.

        Parameters
        ----------
        step : array_like, shape (p,)
            theta - theta_0.

        Returns
        -------
        float
            Half the squared norm of o - y + J step, over m.

        Raises
        ------
        ValueError
            For a step of another size.
        TypeError
            If `step` holds no real numbers.
        """
        along = float_array("step", step, ndim=1)
        if along.size != self.parameter_count:
            raise ValueError(f"step must have {self.parameter_count} entries; got {along.size}")
        moved = self.residuals + np.ravel(self.jvp(along))
        return float(moved @ moved) / (2.0 * self.samples)

    def gauss_newton(self) -> GaussNewtonStep:
        """Return J^+ (y - o), refined until its residual stops falling, and checked.

        Returns
        -------
        GaussNewtonStep
            The step, its norm, and how well it solves.

        Raises
        ------
        ConvergenceError
            If the residual in the range of J stays above 1e-6 of the first, or the step is longer
            than the minimum norm by as much: the Jacobian is too close to a lower rank.
        ValueError
            If the Jacobian is zero.
        """
        kept, basis = self.spectrum.nonzero
        along = self.coefficients[: self.rank]
        size = float(np.linalg.norm(along))
        first = float(np.linalg.norm(self.residuals))
        if size == 0.0:
            return GaussNewtonStep(np.zeros(self.parameter_count), 0.0, 0.0, 0.0, float(first > 0))
        if self.jacobian is not None:
            best = -(along / np.sqrt(kept)) @ self.spectrum.directions
            error = float(np.linalg.norm(along + basis.T @ (self.jacobian @ best))) / size
        else:
            best, error = self._refined(along, kept, basis)
        norm = float(np.linalg.norm(along / np.sqrt(kept)))
        excess = float(np.linalg.norm(best)) / norm - 1.0
        # of the norm from the eigenvalues
        rounding = self.spectrum.smallest * self.condition_number
        if not (error <= _TOLERANCE and abs(excess) <= _TOLERANCE + rounding):
            raise ConvergenceError(
                f"the Gauss-Newton step leaves {error:.2g} of the residual in the range of the "
                f"Jacobian and is longer than the minimum norm by {excess:.2g}: condition number "
                f"{self.condition_number:.3g} at rank {self.rank}; leave out repeated samples"
            )
        outside = np.sqrt(self.unreachable) / first
        return GaussNewtonStep(best, norm, error, excess, float(outside))

    def _refined(self, along: Real, kept: Real, basis: Real) -> tuple[Real, float]:
        """Return J^+ (y - o) from the kernel, refined by products, and its relative residual."""
        size, error = float(np.linalg.norm(along)), float("inf")
        dual = -basis @ (along / kept)
        best = np.zeros(self.parameter_count)
        for _ in range(6):
            step = np.asarray(self.vjp(dual))
            left = basis.T @ (self.residuals + np.ravel(self.jvp(step)))
            now = float(np.linalg.norm(left)) / size
            if now >= 0.5 * error:
                break
            best, error = step, now
            dual = dual - basis @ (left / kept)
        return best, error

    def descent(self, step_size: float | None = None) -> SpectralDescent:
        """Return gradient descent on the linearised loss, exactly.

        Parameters
        ----------
        step_size : float, optional
            eta; by default m/lambda_max, half of what is stable.

        Returns
        -------
        SpectralDescent
            Losses, distances and filter factors for any number of steps.

        Raises
        ------
        ValueError
            If the step size is not positive, or the Jacobian is zero.
        TypeError
            If `step_size` is no real number.
        """
        kept = self.spectrum.nonzero[0]
        eta = self.default_step_size if step_size is None else step_size
        return SpectralDescent(
            kept,
            self.coefficients[: self.rank],
            self.unreachable,
            self.samples,
            positive("step_size", eta),
        )

    @property
    def default_step_size(self) -> float:
        """m/lambda_max, half of what is stable."""
        return self.samples / float(self.spectrum.nonzero[0][0])

    def outputs(self, steps: int, step_size: float, *, cross: Real | None = None) -> Real:
        """Return how far descent has moved the outputs after `steps` steps.

        Parameters
        ----------
        steps : int
            k >= 0.
        step_size : float
            eta.
        cross : ndarray, shape (N', N), optional
            Rows of the kernel between other outputs (of held-out samples, say) and those of the
            data: theirs are returned then.

        Returns
        -------
        ndarray, shape (N,) or (N',)
            J (theta_k - theta_0), or J' (theta_k - theta_0).

        Raises
        ------
        ValueError
            If `steps` is below 0, `step_size` out of its range, the rows of `cross` have another
            length than N, or the Jacobian is zero, so that nothing moves.
        TypeError
            If `steps` is no integer, or `step_size` no number.
        """
        kept, basis = self.spectrum.nonzero
        factors = self.descent(step_size).filter_factors(count("steps", steps, min_value=0))
        moved = -factors * self.coefficients[: self.rank]
        if cross is None:
            return np.asarray(basis @ moved)
        rows = float_array("cross", cross, ndim=2)
        if rows.shape[1] != self.residuals.size:
            raise ValueError(
                f"cross must have {self.residuals.size} columns, one for each residual; got shape "
                f"{rows.shape}"
            )
        return np.asarray(rows @ (basis @ (moved / kept)))

    def displacement(self, steps: int, step_size: float) -> Real:
        """Return theta_k - theta_0 of descent on the linearised loss.

        Parameters
        ----------
        steps : int
            k >= 0.
        step_size : float
            eta.

        Returns
        -------
        ndarray, shape (p,)
            Where the linearised network has moved.

        Raises
        ------
        ValueError
            If `steps` is below 0, `step_size` out of its range, or the Jacobian zero, so that
            nothing moves.
        TypeError
            If `steps` is no integer, or `step_size` no number.
        """
        kept, basis = self.spectrum.nonzero
        factors = self.descent(step_size).filter_factors(count("steps", steps, min_value=0))
        return np.asarray(self.vjp(-basis @ (factors / kept * self.coefficients[: self.rank])))

    def with_residuals(self, residuals: ArrayLike) -> Self:
        """Return the same linear model with other residuals at the start.

        Parameters
        ----------
        residuals : array_like, shape (N,)
            o - y.

        Returns
        -------
        LinearisedLoss
            Its eigenvectors are found once.

        Raises
        ------
        ValueError
            If they are not N finite numbers.
        TypeError
            If they are not real.
        """
        given = float_array("residuals", np.ravel(np.asarray(residuals)), ndim=1)
        if given.shape != self.residuals.shape:
            raise ValueError(f"residuals must be {self.residuals.size}; got {given.size}")
        other = replace(self, residuals=given)
        other.__dict__["spectrum"] = self.spectrum
        return other


def linearise(point: LossPoint) -> LinearisedLoss:
    """Return the loss of a network linearised in its parameters about a point.

    Parameters
    ----------
    point : LossPoint
        Half the mean squared error of a network, without weight decay, by `MLP.at`.

    Returns
    -------
    LinearisedLoss
        Kernel, Gauss-Newton step, and exact gradient descent.

    Raises
    ------
    ValueError
        For another loss, or a weight decay.
    TypeError
        If it is no point.
    """
    net = loss_point(point).net
    if point.data.loss.name != "mse":
        raise ValueError(
            f"a linearised network has a quadratic loss for half the squared error only; got "
            f"{point.data.loss.name!r}; make the network with loss='mse'"
        )
    if net.weight_decay:
        raise ValueError(
            f"the weight decay {net.weight_decay:g} draws the parameters towards zero, which the "
            "tangent kernel does not know; make the network with weight_decay=0"
        )
    residuals = np.asarray(to_numpy(point.residuals), dtype=np.float64).ravel()
    if residuals.size * net.parameter_count <= _FORMED:
        jacobian = np.asarray(to_numpy(point.jacobian()))
        return LinearisedLoss.of_jacobian(jacobian, residuals, samples=point.data.size)
    return LinearisedLoss(
        np.asarray(to_numpy(point.ntk()), dtype=np.float64),
        residuals,
        point.data.size,
        net.parameter_count,
        lambda v: np.asarray(to_numpy(point.jvp(v))),
        lambda u: np.asarray(to_numpy(point.vjp(u))),
        rounding=float(np.finfo(to_numpy(point.residuals).dtype).eps),
    )
