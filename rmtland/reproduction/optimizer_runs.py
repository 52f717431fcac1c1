r"""Runs of optimisers on a problem: tuned ones, ones that measure curvature, and quasi-Newton.

What is counted is passes over the data: a gradient is one, a gradient of a batch its share, a
product with the Hessian `Problem.product_cost`, measurements of curvature included. Looks at the
full loss that only tell when the target is reached are free; those that a method needs are not.

Tuned methods try so many settings on a data set of their own (coarse rates, then finer about the
best) and are then run on others. Steps are those of `torch.optim.SGD` and `torch.optim.Adam`
(`rmtland.networks.training.step_rules`).

>>> found = compare_method("linear regression", method="conjugate gradients", condition="clean",
...                        seeds=2, trials=5, budget=60, size="small", root=0)
>>> bool((found["passes"] < 60).all())
True
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from rmtland.arguments import choice, count
from rmtland.networks.training.step_rules import StepRule
from rmtland.optimizer import (
    Coefficients,
    GradientDescent,
    Method,
    Nesterov,
    SpectralSteps,
    advise,
    gradient_measure,
)
from rmtland.reproduction.optimizer_problems import LeastSquares, Problem, make_problem
from rmtland.typing import Integer, Multiplies, Real, Record

__all__ = ["CONDITIONS", "METHODS", "SPECTRAL", "TUNED", "compare_method"]

TUNED = {
    "gradient descent, tuned": "gd",
    "momentum, tuned": "momentum",
    "Adam, tuned": "adam",
}
"""Methods with settings that are tried out."""

SPECTRAL = ("step 1/curvature", "Nesterov by curvature", "advised by spectrum")
"""Methods that measure curvature and have nothing to tune."""

METHODS = (*TUNED, *SPECTRAL, "L-BFGS", "conjugate gradients")
"""All that are compared."""

CONDITIONS = ("clean", "label noise", "batches", "step doubled", "step halved")
"""Exact gradients; a fifth of the labels wrong; batches of 32; curvature or rate misjudged by 2."""

_NOISE, _BATCH, _PARAMETER_NOISE = 0.2, 32, 0.1
_DIVERGED = 1e6
"""A loss so many times the first one has diverged."""

_ADVISED = 30
"""Steps that advice is for; five products more measure the start."""


class Run(NamedTuple):
    """What a run came to: passes and seconds to the target, and the end of its budget."""

    passes: float
    seconds: float
    excess: float
    held_out: float
    held_out_at_target: float
    held_out_noisy: float


@dataclass
class Watch:
    """Counts passes and seconds, and keeps the point at which the target was reached."""

    problem: Problem
    budget: float
    target: float
    stop_at_target: bool = False
    spent: float = 0.0
    begun: float = field(default_factory=process_time)
    idle: float = 0.0
    hit: tuple[float, float, Real] | None = None
    best: tuple[float, Real] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent, or nothing is left to do."""
        return self.spent >= self.budget or (self.stop_at_target and self.hit is not None)

    def look(self, theta: Real, loss: float) -> None:
        """Note a point whose loss is known."""
        if not math.isfinite(loss):
            return
        if self.best is None or loss < self.best[0]:
            self.best = loss, theta
        if self.hit is None and loss <= self.target:
            self.hit = self.spent, process_time() - self.begun - self.idle, theta

    def result(self, rng: np.random.Generator) -> Run:
        """Return what the run came to."""
        problem = self.problem
        loss, theta = (math.inf, problem.start) if self.best is None else self.best
        first = problem.value_and_gradient(problem.start)[0]
        noisy = [
            problem.held_out(
                theta
                + _PARAMETER_NOISE
                * np.linalg.norm(theta)
                / math.sqrt(theta.size)
                * rng.standard_normal(theta.size)
            )
            for _ in range(5)
        ]
        at = math.nan if self.hit is None else problem.held_out(self.hit[2])
        return Run(
            math.inf if self.hit is None else self.hit[0],
            math.inf if self.hit is None else self.hit[1],
            (loss - problem.floor) / (first - problem.floor),
            problem.held_out(theta),
            at,
            float(np.mean(noisy)),
        )


@dataclass(frozen=True)
class Point:
    """A point of a problem, as step rules look at it."""

    problem: Problem
    theta: Real
    loss: float

    def operator(self) -> Multiplies:
        """Return the Hessian."""
        return self.problem.operator(self.theta)


def descend(
    watch: Watch, rule: StepRule | SpectralSteps, *, batch: int | None, rng: np.random.Generator
) -> None:
    """Take steps of a rule until the budget is spent.

    Parameters
    ----------
    watch : Watch
        The problem, and what is counted; changed.
    rule : StepRule or SpectralSteps
        The rule.
    batch : int or None
        Samples of a gradient; all of them if None.
    rng : numpy.random.Generator
        Draws the batches.
    """
    problem, m = watch.problem, watch.problem.samples
    theta, state = problem.start, rule.start(problem.start)
    order: Integer = np.empty(0, dtype=np.int64)
    first = math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        while not watch.is_over:
            gradient = None
            if order.size == 0:
                before = process_time()
                loss, gradient = problem.value_and_gradient(theta)
                if batch is None or rule.judges:
                    watch.spent += 1
                else:
                    watch.idle += process_time() - before
                watch.look(theta, loss)
                first = loss if math.isnan(first) else first
                if watch.is_over or not (rule.judges or loss <= _DIVERGED * first):
                    return
                if rule.judges:
                    back = _judged(watch, rule, Point(problem, theta, loss), state)
                    if back is not None:
                        theta = back
                        continue
            if batch is not None:
                if order.size == 0:
                    order = rng.permutation(m)
                rows, order = order[:batch], order[batch:]
                gradient = problem.value_and_gradient(theta, rows)[1]
                watch.spent += rows.size / m
            theta = rule.step(theta, gradient, state)


def _judged(watch: Watch, rule: Any, point: Point, state: Record) -> Real | None:
    """Let a rule look at a point, and count its products."""
    before = state["products"]
    finite = math.isfinite(point.loss)
    back: Real | None = rule.look(point if finite else None, state)
    watch.spent += watch.problem.product_cost * (state["products"] - before)
    return back


def _spectral_rule(watch: Watch, method: str, factor: float) -> SpectralSteps:
    """Return a method that measures curvature; `factor` times the steps it should take."""
    problem = watch.problem
    chosen: Method = GradientDescent(1.0) if method == "step 1/curvature" else Nesterov(1.0)
    every: int | None = 10**9 if problem.is_quadratic else 50
    if method == "advised by spectrum":
        _, gradient = problem.value_and_gradient(problem.start)
        found = gradient_measure(problem.gauss_newton(problem.start), gradient, _ADVISED + 5)
        watch.spent += 1 + problem.product_cost * found.steps
        steps = min(_ADVISED, found.gauss.nodes.size - 3)
        chosen = advise(found.gauss, steps=max(steps, 1)).method
        every = None if problem.is_quadratic else every
    largest = chosen.largest_curvature
    if every is None:  # as it was designed, but for the misjudgement
        return SpectralSteps(_Scaled(chosen, factor), restart="loss")
    assert largest is not None
    return SpectralSteps(chosen, every=every, restart="loss", largest=factor * largest)


@dataclass(frozen=True)
class _Scaled(Method):
    """A method with all its steps multiplied."""

    method: Method
    factor: float

    def _sequence(self, size: int) -> Coefficients:
        found = self.method.coefficients(size)
        return found._replace(step=self.factor * found.step)


class _Spent(Exception):
    """The budget is spent."""


def _quasi_newton(watch: Watch, name: str) -> None:
    """Run SciPy's L-BFGS-B or nonlinear conjugate gradients."""
    from scipy.optimize import minimize

    def evaluate(theta: Real) -> tuple[float, Real]:
        if watch.is_over:
            raise _Spent
        watch.spent += 1
        loss, gradient = watch.problem.value_and_gradient(theta)
        watch.look(theta.copy(), loss)
        return loss, gradient

    most = int(watch.budget) + 1
    options: Record = {"maxiter": most, "gtol": 0.0}
    if name == "L-BFGS-B":
        options |= {"maxfun": most, "maxcor": 20, "maxls": 50, "ftol": 0.0}
    with contextlib.suppress(_Spent):
        minimize(evaluate, watch.problem.start, jac=True, method=name, options=options)


def _conjugate_gradients(watch: Watch) -> None:
    """Run linear conjugate gradients on a quadratic problem: one product a step."""
    problem = watch.problem
    x = problem.start
    _, gradient = problem.value_and_gradient(x)
    watch.spent += 1
    operator = problem.operator(x)
    direction, square = -gradient, float(gradient @ gradient)
    while not watch.is_over and square > 0:
        product = operator @ direction
        watch.spent += 1
        curvature = float(direction @ product)
        if curvature <= 0:
            return
        rate = square / curvature
        x, gradient = x + rate * direction, gradient + rate * product
        before = process_time()
        loss = problem.value_and_gradient(x)[0]  # only to see where it is
        watch.idle += process_time() - before
        watch.look(x, loss)
        new = float(gradient @ gradient)
        direction, square = -gradient + new / square * direction, new


def run_method(
    watch: Watch,
    method: str,
    *,
    setting: StepRule | None,
    factor: float,
    batch: int | None,
    rng: np.random.Generator,
) -> None:
    """Run a method until its budget is spent.

    Parameters
    ----------
    watch : Watch
        The problem; what is counted is added there.
    method : str
        One of `METHODS`.
    setting : StepRule or None
        Of a tuned method.
    factor : float
        By which its steps are misjudged.
    batch : int or None
        Samples of a gradient.
    rng : numpy.random.Generator
        Draws the batches.
    """
    if setting is not None:
        rule = replace(setting, step_size=factor * setting.step_size)
        descend(watch, rule, batch=batch, rng=rng)
    elif method in SPECTRAL:
        descend(watch, _spectral_rule(watch, method, factor), batch=batch, rng=rng)
    elif method == "L-BFGS":
        _quasi_newton(watch, "L-BFGS-B")
    elif isinstance(watch.problem, LeastSquares):
        _conjugate_gradients(watch)
    else:
        _quasi_newton(watch, "CG")


@lru_cache(maxsize=2)  # the methods of a problem are asked for one by one
def _problem(name: str, seed: int, size: str, noise: float, root: int) -> Problem:
    return make_problem(name, seed=seed, size=size, label_noise=noise, root=root)


def _tuned(
    kind: str, score: Callable[[StepRule], float], trials: int
) -> tuple[StepRule, list[float]]:
    """Try settings: coarse rates a factor of ten apart, then finer ones about the best."""
    coarse = [10.0**k for k in (-1, 0, -2, -3, 1)][: max(2, trials - 3)]
    tried: dict[StepRule, float] = {}

    def rate(step_size: float, momentum: float = 0.9) -> None:
        rule = StepRule(kind, step_size=step_size, momentum=momentum)
        if rule not in tried and len(tried) < trials:
            tried[rule] = score(rule)

    for step_size in coarse:
        rate(step_size)
    if kind == "momentum":
        for momentum in (0.7, 0.97):
            rate(_best(tried).step_size, momentum)
    for power in (0.5, -0.5, 0.25, -0.25):
        best = _best(tried)
        rate(best.step_size * 10**power, best.momentum)
    return _best(tried), list(tried.values())


def _best(tried: dict[StepRule, float]) -> StepRule:
    return min(tried, key=lambda rule: tried[rule])


def compare_method(
    problem: str,
    *,
    method: str,
    condition: str,
    seeds: int,
    trials: int,
    budget: float,
    size: str,
    root: int,
) -> Record:
    """Run a method on a problem under a condition, over several data sets.

    Parameters
    ----------
    problem, method, condition : str
        Of `PROBLEMS`, `METHODS`, `CONDITIONS`.
    seeds : int
        Data sets; tuning has one more of its own.
    trials : int
        Settings that a tuned method may try.
    budget : float
        Passes over the data that a run may spend.
    size : {"small", "large"}
        Of the problem.
    root : int
        Of all random numbers.

    Returns
    -------
    dict of str to ndarray or float
        One entry for each data set of `passes`, `seconds` (to the target, infinite where it is not
        reached), `excess` (of the loss at the end, in parts of the first), `held_out`,
        `held_out_at_target`, `held_out_noisy` (parameters moved by a tenth of their norm); and
        `tuning`, passes spent on it, `tuning_seconds`, `step_size`, `momentum`. Empty where a
        condition does not concern a method.
    """
    choice("method", method, METHODS)
    choice("condition", condition, CONDITIONS)
    count("trials", trials, min_value=2)
    direct = method not in TUNED and method not in SPECTRAL
    if direct and condition not in ("clean", "label noise"):
        return {}
    if problem == "random quadratic" and condition == "label noise":
        return {}
    noise = _NOISE if condition == "label noise" else 0.0
    batch = _BATCH if condition == "batches" else None
    factor = {"step doubled": 2.0, "step halved": 0.5}.get(condition, 1.0)

    def watch(seed: int, *, stop: bool = False) -> Watch:
        made = _problem(problem, seed, size, noise, root)
        return Watch(made, budget, made.target, stop_at_target=stop)

    found: Record = {"tuning": 0.0, "tuning_seconds": 0.0}
    setting = None
    if method in TUNED:
        spent = [0.0]

        def score(rule: StepRule) -> float:
            trial = watch(0, stop=True)
            run_method(
                trial,
                method,
                setting=rule,
                factor=1.0,
                batch=batch,
                rng=np.random.default_rng([root, 0]),
            )
            spent[0] += trial.spent
            if trial.hit is not None:
                return trial.hit[0]
            least = math.inf if trial.best is None else trial.best[0]
            return budget * (1 + max(0.0, least / trial.target))

        before = process_time()
        setting, _ = _tuned(TUNED[method], score, trials)
        found |= {
            "tuning": spent[0],
            "tuning_seconds": process_time() - before,
            "step_size": setting.step_size,
            "momentum": setting.momentum,
        }
    runs = []
    for seed in range(1, count("seeds", seeds) + 1):
        one = watch(seed)
        one.stop_at_target = math.isnan(one.problem.held_out(one.problem.start))
        run_method(
            one,
            method,
            setting=setting,
            factor=factor,
            batch=batch,
            rng=np.random.default_rng([root, seed]),
        )
        runs.append(one.result(np.random.default_rng([root, seed, 1])))
    return found | {name: np.array([getattr(run, name) for run in runs]) for name in Run._fields}
