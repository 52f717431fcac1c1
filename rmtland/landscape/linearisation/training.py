r"""Gradient descent on a network beside the exact descent on its linearisation.

Both start at the same parameters and take the same steps. The network stays close to its
linearisation while its kernel moves little: with one hidden layer of n units and the NTK
parametrisation the difference at a fixed horizon is of order 1/n, the kernel's change too, and
|theta - theta_0| of order 1. The parametrisation belongs to every such statement: with weights that
enter as they are, and a step size that falls as 1/n to stay stable, hidden weights move less by
another factor 1/n.

With an output scale alpha the network that is trained is alpha (o(theta) - o(theta_0)), on the loss
over alpha^2: targets become o(theta_0) + y/alpha. Large alpha is the lazy regime, in which the
network is its linearisation, small alpha that of feature learning, at any width [1]_.

References
----------
.. [1] L. Chizat, E. Oyallon and F. Bach, On lazy training in differentiable programming,
       NeurIPS 2019.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data = gaussian(8, 4, rng=0)
>>> net = MLP((4, 256, 4), parametrisation="ntk")
>>> found = compare_descent(net, net.init(rng=1), data.x, data.y, fraction=0.5)
>>> found.deviation < 0.05, found.relative_movement < 0.2
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import callable_or_none, count, instance, positive
from rmtland.arrays import to_numpy
from rmtland.landscape.linearisation.linear_loss import LinearisedLoss, linearise
from rmtland.landscape.linearisation.spectral_descent import share_of_loss
from rmtland.networks import MLP, LossPoint
from rmtland.typing import Array, ArrayLike, Integer, Real

__all__ = ["DescentComparison", "compare_descent"]

_FINITE_GROWTH = 100.0
"""A loss that has grown so much above its start is that of a step too large."""


@dataclass(frozen=True, eq=False)
class DescentComparison:
    """Losses of a network and of its linearisation under the same gradient descent.

    Made by `rmtland.landscape.linearisation.compare_descent`.

    Parameters
    ----------
    net : MLP
        The network, with its parametrisation.
    step_size : float
        eta.
    output_scale : float
        alpha.
    steps : ndarray of int, shape (s,)
        Steps at which both are known: all of them, from 0.
    measured, predicted : ndarray, shape (s,)
        Losses of the network and of its linearisation.
    distance, predicted_distance : float
        Norm of theta - theta_0 at the end.
    start_norm : float
        Norm of theta_0.
    output_error : float
        Root mean square of the difference of the outputs at the end, over that of the residual at
        the start.
    kernel_change : float
        Frobenius norm of the change of J J^T over that of J J^T at the start.
    tangent : LinearisedLoss
        The linearisation.
    """

    net: MLP
    step_size: float
    output_scale: float
    steps: Integer
    measured: Real
    predicted: Real
    distance: float
    predicted_distance: float
    start_norm: float
    output_error: float
    kernel_change: float
    tangent: LinearisedLoss

    @property
    def deviation(self) -> float:
        """Largest relative difference of the losses on the way."""
        here = self.predicted > 0
        return float(np.abs(self.measured[here] / self.predicted[here] - 1.0).max())

    @property
    def relative_movement(self) -> float:
        """Norm of theta - theta_0 over that of theta_0, at the end."""
        return self.distance / self.start_norm if self.start_norm else math.inf

    def __repr__(self) -> str:
        return (
            f"DescentComparison({self.net}, {self.steps[-1]} steps of {self.step_size:.4g}: losses "
            f"differ by {self.deviation:.3g}, kernel moved by {self.kernel_change:.3g})"
        )


def compare_descent(
    net: MLP,
    theta: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    step_size: float | None = None,
    relative_step: float = 1.0,
    steps: int | None = None,
    fraction: float = 0.1,
    output_scale: float | None = None,
    max_steps: int = 100_000,
    progress: Callable[[float], object] | None = None,
) -> DescentComparison:
    """Train a network by gradient descent beside the exact descent on its linearisation.

    Parameters
    ----------
    net : MLP
        A network with half the mean squared error and no weight decay.
    theta : array_like, shape (p,)
        Where both start.
    x, y : array_like
        Data, as `MLP.at` takes them.
    step_size : float, optional
        eta.
    relative_step : float, optional
        Where `step_size` is left out: eta lambda_max/m with the kernel at the start; below 2
        descent on the linearisation is stable.
    steps : int, optional
        How many steps; by default as many as the linearised loss takes to fall to `fraction`.
    fraction : float, optional
        Of the first loss; used where `steps` is left out.
    output_scale : float, optional
        alpha: train alpha (o - o(theta_0)) in the place of o.
    max_steps : int, optional
        Refuse to take more.
    progress : callable, optional
        Called with the fraction of steps done.

    Returns
    -------
    DescentComparison
        Losses of both at every step, and how far they are apart.

    Raises
    ------
    ValueError
        For another loss, a step that is not stable, more than `max_steps` steps, or a network whose
        loss grows a hundredfold on the way.
    TypeError
        If `net` is no MLP, `output_scale`, `relative_step` or `fraction` is no real number, `steps`
        or `max_steps` is no integer, or `progress` cannot be called.
    """
    callable_or_none("progress", progress)
    limit, fraction = count("max_steps", max_steps, min_value=0), share_of_loss(fraction)
    start = instance("net", net, MLP, "an MLP").at(theta, x, y)
    scale = 1.0 if output_scale is None else positive("output_scale", output_scale)
    if output_scale is not None:
        linearise(start)  # refuses another loss before its targets are taken for outputs
        start = net.at(theta, x, start.prediction + start.y / scale)
    tangent = linearise(start)
    if not tangent.residuals.any():
        raise ValueError(
            "the loss is zero at the start, so that nothing moves: with an output scale the "
            "targets must not all be zero"
        )
    if step_size is None and tangent.rank:
        step_size = positive("relative_step", relative_step) * tangent.default_step_size
    descent = tangent.descent(step_size)
    if not descent.stable:
        raise ValueError(
            f"step_size {descent.step_size:g} is not stable; take at most "
            f"{descent.largest_step_size:.6g} = 2 m/lambda_max"
        )
    many = descent.steps_to(fraction) if steps is None else count("steps", steps)
    if many > limit:
        raise ValueError(
            f"{many} steps are needed, more than max_steps = {max_steps}: the condition number of "
            f"J J^T is {tangent.condition_number:.3g}; ask for a larger fraction, or fewer steps"
        )
    measured, end = _trained(start, descent.step_size, many, progress)
    numbers = np.arange(many + 1)
    outputs = np.asarray(to_numpy(end.prediction - start.prediction)).ravel()
    off = outputs - tangent.outputs(many, descent.step_size)
    moved = np.asarray(to_numpy(end.theta - start.theta))
    after = np.asarray(to_numpy(end.ntk()))
    first = float(np.linalg.norm(tangent.residuals))
    return DescentComparison(
        net=net,
        step_size=descent.step_size,
        output_scale=scale,
        steps=numbers,
        measured=measured,
        predicted=np.asarray(descent.loss(numbers)),
        distance=float(np.linalg.norm(moved)),
        predicted_distance=float(descent.distance(many)),
        start_norm=float(np.linalg.norm(to_numpy(start.theta))),
        output_error=float(np.linalg.norm(off)) / first if first else 0.0,
        kernel_change=float(
            np.linalg.norm(after - tangent.kernel) / np.linalg.norm(tangent.kernel)
        ),
        tangent=tangent,
    )


def _trained(
    start: LossPoint, eta: float, steps: int, progress: Callable[[float], object] | None
) -> tuple[Real, LossPoint]:
    """Return the loss before and after each step of gradient descent, and where it ended."""
    losses = np.empty(steps + 1)
    losses[0] = start.loss
    point = start
    for k in range(1, steps + 1):
        theta: Array = point.theta - eta * point.gradient
        point = start.at(theta)
        losses[k] = point.loss
        if not losses[k] <= _FINITE_GROWTH * losses[0]:
            raise ValueError(
                f"the loss of the network has grown from {losses[0]:.3g} to {losses[k]:.3g} after "
                f"{k} steps, where that of its linearisation falls: curvature beyond the kernel "
                "makes the step unstable; take a smaller step_size"
            )
        if progress is not None:
            progress(k / steps)
    return losses, point
