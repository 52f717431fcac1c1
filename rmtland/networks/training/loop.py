"""Training to a given energy or gradient norm.

Random-matrix theory speaks of Hessians at a given energy, so training stops where the energy comes
down to the target. The default method is SciPy's L-BFGS-B (limited-memory quasi-Newton, full
batch): the loss of its iterates never rises. Its steps are long, so the last one is cut short: the
point returned lies between the last two iterates, where the energy is between 0.99 and 1 times the
target. Gradient descent, SGD, momentum and Adam (`rmtland.networks.training.step_rules`) reach the
points that practice reaches.

>>> from rmtland.networks.datasets import gaussian
>>> from rmtland.networks.mlp import MLP
>>> data, net = gaussian(20, 5, rng=0), MLP((5, 5, 5))
>>> result = train(net, net.init(rng=1), data.x, data.y, energy=0.2)
>>> result.reason, result.energy <= 0.2
('energy', True)
>>> result.energy >= 0.99 * 0.2
True
>>> slow = train(net, net.init(rng=1), data.x, data.y, method="adam", step_size=0.02, energy=0.2)
>>> slow.reason, slow.steps > result.steps
('energy', True)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import choice, count, nonnegative, positive
from rmtland.arrays import array_namespace, placed, to_numpy
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.mlp import MLP
from rmtland.networks.training.checkpoints import load_checkpoint, save_checkpoint
from rmtland.networks.training.step_rules import STEP_SIZES, StepRule
from rmtland.streams import Rng, random_generator

__all__ = ["METHODS", "TrainResult", "train"]

Array = Any  # of any array library
Monitor = Callable[[int, LossPoint], object]

METHODS = ("lbfgs", *STEP_SIZES)
"""The methods by name."""


@dataclass(frozen=True, eq=False)
class TrainResult:
    """Where training ended.

    Parameters
    ----------
    theta : array, shape (p,)
        The parameters.
    energy : float
        Loss per output there, without the weight decay.
    gradient_norm : float
        Euclidean norm of the gradient of the loss there.
    steps : int
        Steps taken, those before a checkpoint included.
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
    method: str = "lbfgs",
    step_size: float | None = None,
    momentum: float = 0.9,
    betas: tuple[float, float] = (0.9, 0.999),
    batch_size: int | None = None,
    check_every: int | None = None,
    rng: Rng = None,
    progress: bool = False,
    callback: Monitor | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    resume: bool = False,
) -> TrainResult:
    """Lower the loss from `theta` until a target is reached.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array_like, shape (p,)
        Where to start; not changed.
    x, y : array_like
        Data, as `MLP.at` takes them.
    energy : float, optional
        Stop where the energy, loss per output, has come down to this: at the start, or within
        the first step that ends below; L-BFGS at 0.99 to 1 times the target.
    gradient_norm : float, optional
        Stop at the first iterate whose gradient of the loss has at most this Euclidean norm.
    max_steps : int, optional
        Stop after so many steps.
    method : {"lbfgs", "gd", "sgd", "momentum", "adam"}, optional
        L-BFGS, gradient descent, stochastic gradient descent, momentum, or Adam.
    step_size : float, optional
        Of the first-order methods; the defaults are 0.1, 0.1, 0.01 and 0.001.
    momentum, betas : float, (float, float), optional
        Of momentum and of Adam.
    batch_size : int, optional
        Samples per step; all by default, 32 for "sgd". Each epoch goes through the samples once,
        in an order drawn anew. Not for "lbfgs" and "gd".
    check_every : int, optional
        Steps between looks at the full loss, where targets are checked, the callback is called
        and the point is kept. By default 1, or one epoch with batches.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the batches.
    progress : bool, optional
        Show a bar on stderr: it fills with the logarithm of energy (or gradient norm) on its
        way to the target.
    callback : callable, optional
        Called as ``callback(step, point)`` with the `LossPoint` of each iterate looked at, the
        start (step 0) included; it may raise StopIteration to end training.
    checkpoint : path, optional
        Write the state to this file (.npz) every `checkpoint_every` steps, whole or not at all.
        L-BFGS forgets its past there, so that a resumed run and one that was never stopped
        take the same steps.
    checkpoint_every : int, optional
        Steps between checkpoints, rounded up to a multiple of `check_every`.
    resume : bool, optional
        Go on from the checkpoint if there is one. The run is then, bit for bit, what it would
        have been without the stop; `theta` and `rng` are not used.

    Returns
    -------
    TrainResult
        The iterate at which training ended. Ctrl-C does not raise: it ends training at the
        last iterate looked at, with reason "interrupted".

    Raises
    ------
    ValueError
        For bad data or targets, if the loss overflows on the way, or for a checkpoint of another
        run.
    """
    energy = None if energy is None else nonnegative("energy", energy)
    gradient_norm = None if gradient_norm is None else nonnegative("gradient_norm", gradient_norm)
    max_steps = count("max_steps", max_steps, least=0)
    choice("method", method, METHODS)
    start = net.at(theta, x, y)
    plan = _plan(start, method, step_size, momentum, betas, batch_size, check_every)
    run = _Run(start, energy, gradient_norm, max_steps, cut=method == "lbfgs")
    keeper = None
    if checkpoint is not None:
        every = count("checkpoint_every", checkpoint_every)
        keeper = _Keeper(Path(checkpoint), -(-every // plan.check_every) * plan.check_every, plan)
    elif resume:
        raise ValueError("resume needs the path of a checkpoint; give checkpoint=")
    generator = None if method in ("lbfgs", "gd") else random_generator(rng)
    state = _State(start.theta, {}, generator, start.samples.size)
    if keeper is not None and resume and keeper.path.exists():
        run.steps = keeper.restore(state) - 1
        run.point = run.evaluated = start.at(state.theta)
    else:
        state.rule = plan.rule.start(start.theta) if plan.rule else {}
    with _progress_bar(run) if progress else _no_bar() as show:
        try:
            run.accept(run.point, run.steps + 1, callback, show)
            if run.reason is None and plan.rule is None:
                _minimize(run, callback, show, keeper, state)
            elif run.reason is None:
                _descend(run, callback, show, keeper, state, plan)
        except KeyboardInterrupt:
            run.reason = "interrupted"
    return run.result()


@dataclass(frozen=True)
class _Plan:
    """What a checkpoint must agree with to be continued."""

    net: str
    samples: int
    method: str
    rule: StepRule | None
    batch_size: int
    check_every: int


def _plan(
    start: LossPoint,
    method: str,
    step_size: float | None,
    momentum: float,
    betas: tuple[float, float],
    batch_size: int | None,
    check_every: int | None,
) -> _Plan:
    m = start.samples.size
    if method in ("lbfgs", "gd") and batch_size is not None:
        raise ValueError(f"{method!r} takes all samples at once; batch_size is for sgd and others")
    if method == "lbfgs":
        if step_size is not None:
            raise ValueError("'lbfgs' chooses its steps itself; step_size is for the others")
        if check_every not in (None, 1):
            raise ValueError(f"'lbfgs' looks at every step; got check_every={check_every!r}")
        return _Plan(repr(start.net), m, method, None, m, 1)
    size = STEP_SIZES[method] if step_size is None else positive("step_size", step_size)
    mu = nonnegative("momentum", momentum)
    first, second = (nonnegative("betas", beta) for beta in betas)
    if max(mu, first, second) >= 1.0:
        raise ValueError(f"momentum and betas must be below 1; got {momentum!r} and {betas!r}")
    if batch_size is None:
        batch_size = 32 if method == "sgd" else m
    batch_size = min(m, count("batch_size", batch_size))
    default = 1 if batch_size == m else -(-m // batch_size)
    looks = default if check_every is None else count("check_every", check_every)
    rule = StepRule(method, size, mu, (first, second))
    return _Plan(repr(start.net), m, method, rule, batch_size, looks)


class _State:
    """What moves a run on: parameters, the state of the rule, the order of the samples."""

    def __init__(
        self, theta: Array, rule: dict[str, Any], generator: np.random.Generator | None, m: int
    ) -> None:
        self.theta, self.rule, self.generator = theta, rule, generator
        self.order, self.position = np.arange(m), m

    def next_batch(self, size: int) -> Array:
        """Return the numbers of the next samples, in ascending order."""
        if self.position >= len(self.order):
            assert self.generator is not None
            self.order, self.position = self.generator.permutation(len(self.order)), 0
        chosen = self.order[self.position : self.position + size]
        self.position += size
        return np.sort(chosen)


class _Keeper:
    """Writes and reads the checkpoints of a run."""

    def __init__(self, path: Path, every: int, plan: _Plan) -> None:
        self.path, self.every = path, every
        self.plan = {**asdict(plan), "every": every if plan.rule is None else None}

    def is_due(self, steps: int) -> bool:
        return steps % self.every == 0

    def save(self, steps: int, state: _State) -> None:
        arrays = {"theta": to_numpy(state.theta), "order": state.order}
        numbers = {}
        for key, value in state.rule.items():
            if isinstance(value, int):
                numbers[key] = value
            else:
                arrays["rule_" + key] = to_numpy(value)
        generator = state.generator
        header = {
            "plan": self.plan,
            "steps": steps,
            "position": state.position,
            "numbers": numbers,
            "generator": None if generator is None else generator.bit_generator.state,
        }
        save_checkpoint(self.path, header, arrays)

    def restore(self, state: _State) -> int:
        """Fill the state from the file; return the number of steps taken."""
        header, arrays = load_checkpoint(self.path)
        plan = _as_read(self.plan)
        different = [key for key in plan if header["plan"].get(key) != plan[key]]
        if different:
            raise ValueError(
                f"{self.path} is the checkpoint of another run: {different[0]} was "
                f"{header['plan'].get(different[0])!r}, now {plan[different[0]]!r}"
            )
        state.theta = placed(arrays["theta"], state.theta)
        state.order, state.position = arrays["order"], header["position"]
        state.rule = {
            key.removeprefix("rule_"): placed(array, state.theta)
            for key, array in arrays.items()
            if key.startswith("rule_")
        } | header["numbers"]
        if header["generator"] is not None:
            bits = getattr(np.random, header["generator"]["bit_generator"])()
            bits.state = header["generator"]
            state.generator = np.random.Generator(bits)
        return int(header["steps"])


def _as_read(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan as it comes back from a file."""
    import json

    result: dict[str, Any] = json.loads(json.dumps(plan))
    return result


class _Run:
    """One training run: the last iterate, the last point evaluated, and the targets."""

    def __init__(
        self,
        start: LossPoint,
        energy: float | None,
        gradient_norm: float | None,
        max_steps: int,
        *,
        cut: bool,
    ) -> None:
        self.start = self.point = self.evaluated = start
        self.energy, self.gradient_norm, self.max_steps = energy, gradient_norm, max_steps
        self.cut = cut
        self.steps = -1  # the start is iterate 0
        self.reason: str | None = None

    def evaluate(self, theta: Array) -> tuple[float, Array]:
        """Return loss and gradient at `theta`."""
        with self.overflow_reported():
            self.evaluated = self.look_up(theta)
            return self.evaluated.loss, self.evaluated.gradient

    @contextmanager
    def overflow_reported(self) -> Iterator[None]:
        """Say at which step an overflow happened."""
        try:
            yield
        except ValueError as error:
            raise ValueError(
                f"training left the range of floating-point numbers after step {self.steps} "
                f"(energy {self.point.energy:.4g}): {error}"
            ) from error

    def look_up(self, theta: Array) -> LossPoint:
        """Return the point at `theta`, the last one evaluated if it is that."""
        xp = array_namespace(theta)
        if bool(xp.all(theta == self.evaluated.theta)):
            return self.evaluated
        return LossPoint.of(self.start.net, xp.asarray(theta, copy=True), self.start.samples)

    def accept(
        self, point: LossPoint, step: int, callback: Monitor | None, show: Callable[[], object]
    ) -> None:
        """Take `point` as the iterate after `step` steps and decide whether to stop there."""
        target = self.energy if self.cut and self.steps >= 0 else None
        if target is not None and point.energy < 0.99 * target:
            point = self._cut_short(self.point, point, target)
        self.point = point
        self.steps = step
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
            trial = LossPoint.of(self.start.net, theta, self.start.samples)
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
            theta=array_namespace(self.point.theta).asarray(self.point.theta, copy=True),
            energy=self.point.energy,
            gradient_norm=_norm(self.point),
            steps=max(self.steps, 0),
            reason=self.reason or "stalled",
        )


def _minimize(
    run: _Run,
    callback: Monitor | None,
    show: Callable[[], object],
    keeper: _Keeper | None,
    state: _State,
) -> None:
    """Run L-BFGS-B from the last iterate until `run` has a reason to stop, or no step helps."""
    from scipy.optimize import minimize

    def evaluate(theta: Any) -> tuple[float, Any]:
        loss, gradient = run.evaluate(placed(theta, run.start.theta))
        return loss, to_numpy(gradient).astype(np.float64, copy=False)

    def after_step(intermediate_result: Any) -> None:
        theta = placed(intermediate_result.x, run.start.theta)
        run.accept(run.look_up(theta), run.steps + 1, callback, show)
        on_track = run.reason in (None, "max_steps")
        if keeper is not None and on_track and keeper.is_due(run.steps):
            state.theta = run.point.theta
            keeper.save(run.steps, state)
            raise StopIteration
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
    while run.reason is None:  # from one checkpoint to the next
        before = run.steps
        minimize(
            evaluate,
            to_numpy(run.point.theta).astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=after_step,
            options=options,
        )
        if keeper is None or run.steps == before or not keeper.is_due(run.steps):
            break


def _descend(
    run: _Run,
    callback: Monitor | None,
    show: Callable[[], object],
    keeper: _Keeper | None,
    state: _State,
    plan: _Plan,
) -> None:
    """Take first-order steps from the last iterate until `run` has a reason to stop."""
    rule, samples = plan.rule, run.start.samples
    assert rule is not None
    taken, here = run.steps, run.point
    while run.reason is None:
        with run.overflow_reported(), np.errstate(over="ignore", invalid="ignore"):
            if plan.batch_size == plan.samples:
                gradient = here.gradient
            else:
                batch = samples.subset(state.next_batch(plan.batch_size))
                gradient = LossPoint.of(run.start.net, state.theta, batch).gradient
            state.theta = rule.step(state.theta, gradient, state.rule)
            taken += 1
            looked_at = taken % plan.check_every == 0 or taken >= run.max_steps
            if looked_at or plan.batch_size == plan.samples:
                here = run.start.at(state.theta)
                _ = here.loss
        if looked_at:
            run.accept(here, taken, callback, show)
            if keeper is not None and (keeper.is_due(taken) or run.reason == "max_steps"):
                keeper.save(taken, state)


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
    gradient = to_numpy(point.gradient)
    largest = float(np.abs(gradient).max())  # scaled, so that the squares cannot overflow
    return largest * float(np.linalg.norm(gradient / largest)) if largest else 0.0


def _log_fraction(start: float, here: float, target: float) -> float:
    """Return the share of the way from `start` down to `target` on a logarithmic scale."""
    if here <= target:
        return 1.0
    if target <= 0.0 or start <= here:
        return 0.0
    return math.log(start / here) / math.log(start / target)
