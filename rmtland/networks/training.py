"""Training by L-BFGS to a given energy or gradient norm.

Random-matrix theory speaks of Hessians at a given energy, so training stops where the energy
comes down to the target. The method is SciPy's L-BFGS-B (limited-memory quasi-Newton, full
batch): the energy of its iterates never rises. Its steps are long, so the last one is cut short:
the point returned lies between the last two iterates, where the energy is between 0.99 and 1 times
the target.

>>> from rmtland.networks.datasets import gaussian
>>> from rmtland.networks.mlp import MLP
>>> data, net = gaussian(20, 5, rng=0), MLP((5, 5, 5))
>>> result = train(net, net.init(rng=1), data.x, data.y, energy=0.2)
>>> result.reason, result.energy <= 0.2
('energy', True)
>>> result.energy >= 0.99 * 0.2
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arrays import count, nonnegative
from rmtland.networks.mlp import MLP, LossPoint

__all__ = ["TrainResult", "train"]

Array = NDArray[np.float64]
Monitor = Callable[[int, LossPoint], object]


@dataclass(frozen=True, eq=False)
class TrainResult:
    """Where training ended.

    Parameters
    ----------
    theta : ndarray of float64, shape (p,)
        The parameters.
    energy : float
        Loss per output there.
    gradient_norm : float
        Euclidean norm of the gradient of the loss there.
    steps : int
        Iterations of L-BFGS taken.
    reason : str
        Why it ended: "energy" or "gradient_norm" (that target is reached), "max_steps",
        "stalled" (no step lowers the loss in double precision any more: a critical point up to
        rounding, or with ReLU often a kink; `gradient_norm` tells which), "callback" (the
        callback raised StopIteration) or "interrupted" (Ctrl-C).
    """

    theta: Array
    energy: float
    gradient_norm: float
    steps: int
    reason: str


def train(
    net: MLP,
    theta: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    energy: float | None = None,
    gradient_norm: float | None = None,
    max_steps: int = 10_000,
    progress: bool = False,
    callback: Monitor | None = None,
) -> TrainResult:
    """Lower the loss from `theta` until a target is reached.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array_like, shape (p,)
        Where to start; not changed.
    x, y : array_like, shapes (m, n_in) and (m, n_out)
        Data.
    energy : float, optional
        Stop where the energy, loss per output, has come down to this: at the start, or within
        the first step that ends below, at 0.99 to 1 times the target.
    gradient_norm : float, optional
        Stop at the first iterate whose gradient of the loss has at most this Euclidean norm.
    max_steps : int, optional
        Stop after so many iterations.
    progress : bool, optional
        Show a bar on stderr: it fills with the logarithm of energy (or gradient norm) on its
        way to the target.
    callback : callable, optional
        Called as ``callback(step, point)`` with the `LossPoint` of each iterate, the start
        (step 0) included; it may raise StopIteration to end training.

    Returns
    -------
    TrainResult
        The iterate at which training ended. Ctrl-C does not raise: it ends training at the
        last iterate, with reason "interrupted".

    Raises
    ------
    ValueError
        For bad data or targets, or if the loss overflows on the way.
    """
    energy = None if energy is None else nonnegative("energy", energy)
    gradient_norm = None if gradient_norm is None else nonnegative("gradient_norm", gradient_norm)
    run = _Run(net.at(theta, x, y), energy, gradient_norm, count("max_steps", max_steps, least=0))
    with _progress_bar(run) if progress else _no_bar() as show:
        try:
            run.accept(run.point, callback, show)
            if run.reason is None:
                _minimize(run, callback, show)
        except KeyboardInterrupt:
            run.reason = "interrupted"
    return run.result()


class _Run:
    """One training run: the last iterate, the last point evaluated, and the targets."""

    def __init__(
        self, start: LossPoint, energy: float | None, gradient_norm: float | None, max_steps: int
    ) -> None:
        self.start = self.point = self.evaluated = start
        self.energy, self.gradient_norm, self.max_steps = energy, gradient_norm, max_steps
        self.steps = -1  # the start is iterate 0
        self.reason: str | None = None

    def evaluate(self, theta: Array) -> tuple[float, Array]:
        """Return loss and gradient at `theta`."""
        try:
            self.evaluated = self.look_up(theta)
            return self.evaluated.loss, self.evaluated.gradient
        except ValueError as error:
            raise ValueError(
                f"training left the range of double precision after step {self.steps} "
                f"(energy {self.point.energy:.4g}): {error}"
            ) from error

    def look_up(self, theta: Array) -> LossPoint:
        """Return the point at `theta`, the last one evaluated if it is that."""
        if np.array_equal(theta, self.evaluated.theta):
            return self.evaluated
        return self.start.net._at(theta.copy(), self.start.x, self.start.y)

    def accept(
        self, point: LossPoint, callback: Monitor | None, show: Callable[[], object]
    ) -> None:
        """Take `point` as the next iterate and decide whether to stop there."""
        if self.energy is not None and point.energy < 0.99 * self.energy and self.steps >= 0:
            point = self._cut_short(self.point, point, self.energy)
        self.point = point
        self.steps += 1
        show()
        if callback is not None:
            try:
                callback(self.steps, point)
            except StopIteration:
                self.reason = "callback"
        if self.energy is not None and point.energy <= self.energy:
            self.reason = "energy"
        elif self.gradient_norm is not None and _norm(point) <= self.gradient_norm:
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
            trial = self.start.net._at(theta, self.start.x, self.start.y)
            if trial.energy > target:
                low = middle
            else:
                high, point = middle, trial
                if trial.energy >= 0.99 * target:
                    break
        return point

    def fraction(self) -> float:
        """Return how much of the way is done, between 0 and 1."""
        done = [self.steps / max(self.max_steps, 1)]
        if self.energy is not None:
            done.append(_log_fraction(self.start.energy, self.point.energy, self.energy))
        if self.gradient_norm is not None:
            done.append(_log_fraction(_norm(self.start), _norm(self.point), self.gradient_norm))
        return max(done)

    def result(self) -> TrainResult:
        """Return the last iterate."""
        return TrainResult(
            theta=self.point.theta,
            energy=self.point.energy,
            gradient_norm=_norm(self.point),
            steps=max(self.steps, 0),
            reason=self.reason or "stalled",
        )


def _minimize(run: _Run, callback: Monitor | None, show: Callable[[], object]) -> None:
    """Run L-BFGS-B from the last iterate until `run` has a reason to stop, or no step helps."""
    from scipy.optimize import minimize

    def after_step(intermediate_result: Any) -> None:
        run.accept(run.look_up(intermediate_result.x), callback, show)
        if run.reason is not None:
            raise StopIteration

    options = {
        "maxiter": run.max_steps + 1,
        "maxfun": 100 * (run.max_steps + 1),
        "maxcor": 20,
        "maxls": 50,
        "ftol": 0.0,
        "gtol": 0.0,
    }
    minimize(
        run.evaluate,
        run.point.theta,
        jac=True,
        method="L-BFGS-B",
        callback=after_step,
        options=options,
    )


@contextmanager
def _no_bar() -> Iterator[Callable[[], object]]:
    yield lambda: None


@contextmanager
def _progress_bar(run: _Run) -> Iterator[Callable[[], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("energy {task.fields[energy]:.4g}, step {task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=1.0, energy=run.point.energy, step=0)
        yield lambda: bar.update(
            task, completed=run.fraction(), energy=run.point.energy, step=run.steps
        )


def _norm(point: LossPoint) -> float:
    largest = float(np.abs(point.gradient).max())  # scaled, so that the squares cannot overflow
    return largest * float(np.linalg.norm(point.gradient / largest)) if largest else 0.0


def _log_fraction(start: float, here: float, target: float) -> float:
    """Return the share of the way from `start` down to `target` on a logarithmic scale."""
    if here <= target:
        return 1.0
    if target <= 0.0 or start <= here:
        return 0.0
    return math.log(start / here) / math.log(start / target)
