"""Training to a given energy or gradient norm.

Random-matrix theory speaks of Hessians at a given energy, so training stops where the energy comes
down to the target. The default method is SciPy's L-BFGS-B (limited-memory quasi-Newton, full
batch): the loss of its iterates never rises; on a device its steps are taken there
(`rmtland.networks.training.device_lbfgs`). Its steps are long, so the last one is cut short: the
point returned lies between the last two iterates, where the energy is between 0.99 and 1 times the
target. Gradient descent, SGD, momentum and Adam (`rmtland.networks.training.step_rules`) reach the
points that practice reaches.

References
----------
.. [1] R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, A limited memory algorithm for bound constrained
       optimization, SIAM J. Sci. Comput. 16 (1995) 1190-1208.

Examples
--------
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

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rmtland.arguments import callable_or_none, count, nonnegative
from rmtland.arrays import placed, to_numpy
from rmtland.files import path_of
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.mlp import MLP
from rmtland.networks.overflow import NetworkOverflowError
from rmtland.networks.training.checkpoints import Checkpoint
from rmtland.networks.training.device_lbfgs import DeviceLbfgs
from rmtland.networks.training.plan import METHODS, TrainingPlan, TrainingState
from rmtland.networks.training.run import Monitor, Progress, TrainingRun, gradient_norm_of
from rmtland.networks.training.step_rules import Rule
from rmtland.networks.training.unchecked_steps import may_wait_for_a_look, unchecked_gradient
from rmtland.streams import random_generator
from rmtland.typing import Array, ArrayLike, Real, Rng

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

__all__ = ["METHODS", "TrainResult", "train"]


@dataclass(frozen=True, eq=False)
class TrainResult:
    """Where training ended.

    Made by `rmtland.networks.train`.

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

    def unless_interrupted(self) -> Self:
        """Return this result, or raise Ctrl-C again, which training keeps for itself.

        Returns
        -------
        TrainResult
            This one.

        Raises
        ------
        KeyboardInterrupt
            If that is why training ended: for those who have no use for a network trained by half.
        """
        if self.reason == "interrupted":
            raise KeyboardInterrupt
        return self


def train(
    net: MLP,
    theta: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    energy: float | None = None,
    gradient_norm: float | None = None,
    max_steps: int = 10_000,
    method: str | Rule = "lbfgs",
    step_size: float | None = None,
    momentum: float = 0.9,
    betas: tuple[float, float] = (0.9, 0.999),
    batch_size: int | None = None,
    check_every: int | None = None,
    rng: Rng = None,
    progress: Progress | None = None,
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
    method : {"lbfgs", "gd", "sgd", "momentum", "adam"} or step rule, optional
        L-BFGS, gradient descent, stochastic gradient descent, momentum, or Adam; or a rule such as
        `rmtland.optimizer.SpectralSteps`, which knows the spectrum and does not diverge.
    step_size : float, optional
        Of the first-order methods; the defaults are 0.1, 0.1, 0.01 and 0.001.
    momentum, betas : float, (float, float), optional
        Of momentum and of Adam.
    batch_size : int, optional
        Samples per step; all by default, 32 for "sgd". Each epoch goes through the samples once,
        in an order drawn anew. Not for "lbfgs" and "gd".
    check_every : int, optional
        Steps between looks at the full loss, where targets are checked, the callback is called
        and the point is kept. By default 1, or one epoch with batches. On a device nothing
        travels to the host between two looks, and an overflow is found at the next one.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the batches.
    progress : callable, optional
        Called after each look as ``progress(fraction, energy=energy, steps=steps)``: how much of
        the way is done, from 0 to 1, by the logarithm of energy (or gradient norm) on its way to
        the target.
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
        Resume from the checkpoint if there is one. The run is then, bit for bit, what it would
        have been without the stop; `theta` and `rng` are not used. Network, data, precision,
        method and settings must be those of the checkpoint; the targets and `max_steps` may
        differ.

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
    TypeError
        If `net` is no network, `energy`, `gradient_norm`, `momentum` or `betas` are no real
        numbers, `max_steps` or `checkpoint_every` no integer, `checkpoint` no path, or `progress`
        or `callback` cannot be called.
    """
    energy = None if energy is None else nonnegative("energy", energy)
    gradient_norm = None if gradient_norm is None else nonnegative("gradient_norm", gradient_norm)
    max_steps = count("max_steps", max_steps, min_value=0)
    if not hasattr(net, "at"):
        raise TypeError(f"expected a network such as MLP; got {type(net).__name__}")
    start = net.at(theta, x, y)
    plan = TrainingPlan.of(
        start,
        method,
        step_size=step_size,
        momentum=momentum,
        betas=betas,
        batch_size=batch_size,
        check_every=check_every,
    )
    run = TrainingRun(
        start,
        energy=energy,
        gradient_norm=gradient_norm,
        max_steps=max_steps,
        cut=method == "lbfgs",
        callback=callable_or_none("callback", callback),
        progress=_callable(progress),
    )
    file = None
    if checkpoint is not None:
        every = count("checkpoint_every", checkpoint_every)
        every = -(-every // plan.check_every) * plan.check_every
        file = Checkpoint(
            path_of("checkpoint", checkpoint), every, plan, start.data, net.activation
        )
    elif resume:
        raise ValueError("resume needs the path of a checkpoint; give checkpoint=")
    generator = None if method in ("lbfgs", "gd") else random_generator(rng)
    state = TrainingState(start.theta, generator, start.data.size)
    if file is not None and resume and file.path.exists():
        run.steps = file.restore(state) - 1
        run.point = run.evaluated = start.at(state.theta)
    elif plan.rule is not None:
        state.rule = plan.rule.start(start.theta)
    try:
        run.accept(run.point, run.steps + 1)
        if run.reason is None and plan.rule is None and may_wait_for_a_look(start):
            _minimize_on_device(run, file, state)
        elif run.reason is None and plan.rule is None:
            _minimize(run, file, state)
        elif run.reason is None:
            _descend(run, file, state, plan)
    except KeyboardInterrupt:
        run.reason = "interrupted"
    return TrainResult(
        theta=run.final_parameters(),
        energy=run.point.energy,
        gradient_norm=gradient_norm_of(run.point),
        steps=max(run.steps, 0),
        reason=run.reason or "stalled",
    )


def _callable(progress: Progress | bool | None) -> Progress | None:
    """Return a callback for progress; True and False are taken until the next version."""
    if isinstance(progress, bool):
        warnings.warn(
            "train: progress takes a callable, called as progress(fraction, energy=..., steps=...);"
            " True no longer draws a bar, and goes in the next version",
            DeprecationWarning,
            stacklevel=3,
        )
        return None
    return callable_or_none("progress", progress)


def _minimize(run: TrainingRun, file: Checkpoint | None, state: TrainingState) -> None:
    """Run L-BFGS-B from the last iterate until `run` has a reason to stop, or no step helps."""
    from scipy.optimize import minimize

    def evaluate(theta: Array) -> tuple[float, Real]:
        loss, gradient = run.evaluate(placed(theta, run.start.theta))
        return loss, to_numpy(gradient).astype(np.float64, copy=False)

    def after_step(intermediate_result: OptimizeResult) -> None:
        theta = placed(intermediate_result.x, run.start.theta)
        run.accept(run.look_up(theta), run.steps + 1)
        on_track = run.reason in (None, "max_steps")
        if file is not None and on_track and file.is_due(run.steps):
            state.theta = run.point.theta
            file.save(run.steps, state)
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
        if file is None or run.steps == before or not file.is_due(run.steps):
            break


def _minimize_on_device(run: TrainingRun, file: Checkpoint | None, state: TrainingState) -> None:
    """Do the same where the arrays are, see `rmtland.networks.training.device_lbfgs`."""
    is_over = False
    while run.reason is None and not is_over:  # from one checkpoint to the next
        is_over = True
        with run.overflow_reported():
            for point in DeviceLbfgs(run.point).iterates():
                run.accept(point, run.steps + 1)
                on_track = run.reason in (None, "max_steps")
                if file is not None and on_track and file.is_due(run.steps):
                    state.theta = run.point.theta
                    file.save(run.steps, state)
                    is_over = False
                    break
                if run.reason is not None:
                    break


def _descend(
    run: TrainingRun, file: Checkpoint | None, state: TrainingState, plan: TrainingPlan
) -> None:
    """Take first-order steps from the last iterate until `run` has a reason to stop."""
    rule = plan.rule
    assert rule is not None
    taken, here = run.steps, run.point
    whole, unchecked = plan.batch_size == plan.samples, may_wait_for_a_look(run.start)
    if rule.judges and taken == 0:
        rule.look(here, state.rule)
    while run.reason is None:
        with run.overflow_reported(), np.errstate(over="ignore", invalid="ignore"):
            if unchecked:
                which = None if whole else state.next_batch(plan.batch_size)
                gradient = unchecked_gradient(run.start, state.theta, which)
            elif whole:
                gradient = here.gradient
            else:
                gradient = _batch_gradient(run, state, plan, rule)
            state.theta = rule.step(state.theta, gradient, state.rule)
            taken += 1
            looked_at = taken % plan.check_every == 0 or taken >= run.max_steps
            if looked_at or (whole and not unchecked):
                here = _looked_at(run, state, rule)
        if looked_at:
            run.accept(here, taken)
            if file is not None and (file.is_due(taken) or run.reason == "max_steps"):
                file.save(taken, state)
    better = rule.end(run.point, state.rule) if run.reason in ("max_steps", "callback") else None
    if better is not None:
        run.point = run.at(better)


def _batch_gradient(
    run: TrainingRun, state: TrainingState, plan: TrainingPlan, rule: Rule
) -> Array:
    """Gradient over the next batch; a rule that judges goes back where it overflows."""
    batch = run.start.data.subset(state.next_batch(plan.batch_size))
    try:
        return LossPoint.of(run.start.net, state.theta, batch).gradient
    except NetworkOverflowError:
        back = rule.look(None, state.rule) if rule.judges else None
        if back is None:
            raise
        state.theta = back
        return LossPoint.of(run.start.net, state.theta, batch).gradient


def _looked_at(run: TrainingRun, state: TrainingState, rule: Rule) -> LossPoint:
    """Return the point reached, or the one that the rule goes back to."""
    here: LossPoint | None = None
    try:
        here = run.at(state.theta)
        _ = here.loss
        if rule.judges:
            _ = here.gradient
    except NetworkOverflowError:
        if not rule.judges:
            raise
        here = None
    if rule.judges:
        back = rule.look(here, state.rule)
        if back is not None:
            state.theta = back
            here = run.at(back)
    assert here is not None
    return here
