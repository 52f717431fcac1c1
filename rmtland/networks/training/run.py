"""One training run: the last iterate, the targets, and whether they are reached.

>>> from rmtland.networks.mlp import MLP
>>> start = MLP((1, 1)).at([0.0], [[1.0]], [[1.0]])
>>> run = TrainingRun(start, energy=0.6)
>>> run.accept(start, 0)
>>> run.reason, run.steps
('energy', 0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from rmtland.arrays import array_namespace, is_finite
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.overflow import NetworkOverflowError, refuse_overflow
from rmtland.typing import Array

__all__ = ["Monitor", "Progress", "TrainingRun", "gradient_norm_of"]

Monitor = Callable[[int, LossPoint], object]
"""Called with the number of steps and the point there."""


class Progress(Protocol):
    """Called with the fraction of the way that is done, and where the run is."""

    def __call__(self, fraction: float, *, energy: float, steps: int) -> object:
        """Take note of it."""


class TrainingRun:
    """One training run: the last iterate, the last point evaluated, and the targets.

    Parameters
    ----------
    start : LossPoint
        Where it starts.
    energy, gradient_norm : float, optional
        The targets.
    max_steps : int, optional
        Stop after so many steps.
    cut : bool, optional
        Cut the last step short where it ends below 0.99 times the target energy.
    callback : callable, optional
        Called with each iterate; may raise StopIteration.
    progress : callable, optional
        Called after each iterate.
    """

    def __init__(
        self,
        start: LossPoint,
        *,
        energy: float | None = None,
        gradient_norm: float | None = None,
        max_steps: int = 0,
        cut: bool = False,
        callback: Monitor | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.start = self.point = self.evaluated = start
        self.energy, self.gradient_norm, self.max_steps = energy, gradient_norm, max_steps
        self.cut, self.callback, self.progress = cut, callback, progress
        self.steps = -1  # the start is iterate 0
        self.reason: str | None = None

    def evaluate(self, theta: Array) -> tuple[float, Array]:
        """Return loss and gradient at `theta`.

        Parameters
        ----------
        theta : array, shape (p,)
            The parameters.

        Returns
        -------
        loss : float
        gradient : array, shape (p,)

        Raises
        ------
        NetworkOverflowError
            If one of them overflows.
        """
        with self.overflow_reported():
            self.evaluated = self.look_up(theta)
            return self.evaluated.loss, self.evaluated.gradient

    def at(self, theta: Array) -> LossPoint:
        """Return the point at parameters of the run's own making, which may have overflowed.

        Parameters
        ----------
        theta : array, shape (p,)
            The parameters.

        Returns
        -------
        LossPoint

        Raises
        ------
        NetworkOverflowError
            If a parameter, or the forward pass, overflows.
        """
        if not is_finite(theta):
            refuse_overflow("last step", theta)
        return self.start.at(theta)

    @contextmanager
    def overflow_reported(self) -> Iterator[None]:
        """Say at which step an overflow happened; other errors pass as they are."""
        try:
            yield
        except NetworkOverflowError as error:
            raise NetworkOverflowError(
                f"training left the range of floating-point numbers after step {self.steps} "
                f"(energy {self.point.energy:.4g}): {error}"
            ) from error

    def look_up(self, theta: Array) -> LossPoint:
        """Return the point at `theta`, the last one evaluated if it is that.

        Parameters
        ----------
        theta : array, shape (p,)
            The parameters.

        Returns
        -------
        LossPoint
        """
        xp = array_namespace(theta)
        if bool(xp.all(theta == self.evaluated.theta)):
            return self.evaluated
        return LossPoint.of(self.start.net, xp.asarray(theta, copy=True), self.start.data)

    def accept(self, point: LossPoint, step: int) -> None:
        """Take `point` as the iterate after `step` steps and decide whether to stop there.

        Parameters
        ----------
        point : LossPoint
            The iterate.
        step : int
            Steps taken.
        """
        target = self.energy if self.cut and self.steps >= 0 else None
        if target is not None and point.energy < 0.99 * target:
            point = self._cut_short(self.point, point, target)
        self.point = point
        self.steps = step
        if self.progress is not None:
            self.progress(self.fraction(), energy=point.energy, steps=step)
        if self.callback is not None:
            try:
                self.callback(self.steps, point)
            except StopIteration:
                self.reason = "callback"
        if self.energy is not None and point.energy <= self.energy:
            self.reason = "energy"
        elif self.gradient_norm is not None and gradient_norm_of(point) <= self.gradient_norm:
            self.reason = "gradient_norm"
        elif self.reason is None and self.steps >= self.max_steps:
            self.reason = "max_steps"

    def _cut_short(self, above: LossPoint, below: LossPoint, target: float) -> LossPoint:
        """Return a point between two iterates where the energy is the target, by bisection."""
        if above.energy <= target:
            return below
        low, high = 0.0, 1.0
        point = below
        for _ in range(60):
            middle = (low + high) / 2
            theta = above.theta + middle * (below.theta - above.theta)
            trial = LossPoint.of(self.start.net, theta, self.start.data)
            if trial.energy > target:
                low = middle
            else:
                high, point = middle, trial
                if trial.energy >= 0.99 * target:
                    break
        return point

    def fraction(self) -> float:
        """Return how much of the way is done, between 0 and 1.

        Returns
        -------
        float
        """
        done = [self.steps / max(self.max_steps, 1)]
        if self.energy is not None:
            done.append(_log_fraction(self.start.energy, self.point.energy, self.energy))
        if self.gradient_norm is not None:
            norms = (gradient_norm_of(self.start), gradient_norm_of(self.point))
            done.append(_log_fraction(*norms, self.gradient_norm))
        return max(done)

    def final_parameters(self) -> Array:
        """Return a copy of the parameters of the last iterate.

        Returns
        -------
        array, shape (p,)
        """
        return array_namespace(self.point.theta).asarray(self.point.theta, copy=True)


def gradient_norm_of(point: LossPoint) -> float:
    """Return the Euclidean norm of the gradient, where its squares would overflow too.

    Parameters
    ----------
    point : LossPoint
        Where.

    Returns
    -------
    float
    """
    if isinstance(point.gradient, np.ndarray):
        gradient = point.gradient
        largest = float(np.abs(gradient).max())
        return largest * float(np.linalg.norm(gradient / largest)) if largest else 0.0
    xp = array_namespace(point.gradient)  # one number comes to the host
    size = xp.abs(point.gradient)
    most = xp.max(size)
    share = size / xp.where(most > 0.0, most, xp.ones_like(most))
    return float(most * xp.sqrt(xp.sum(share * share)))


def _log_fraction(start: float, here: float, target: float) -> float:
    """Return the share of the way from `start` down to `target` on a logarithmic scale."""
    if here <= target:
        return 1.0
    if target <= 0.0 or start <= here:
        return 0.0
    return math.log(start / here) / math.log(start / target)
