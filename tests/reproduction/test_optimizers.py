"""Tuned methods against methods that measure curvature: what is counted, and known answers."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.networks.training.step_rules import StepRule
from rmtland.optimizer import halting_time
from rmtland.reproduction import OptimizerStudy
from rmtland.reproduction.optimizer_problems import PROBLEMS, available, make_problem
from rmtland.reproduction.optimizer_runs import (
    METHODS,
    Watch,
    _tuned,
    compare_method,
    descend,
    run_method,
)

SHARED = {"seeds": 2, "trials": 4, "budget": 80.0, "size": "small", "root": 0}


@pytest.mark.parametrize("name", available(PROBLEMS))
def test_gradients_and_products_are_those_of_the_loss(name):
    problem = make_problem(name, seed=3, size="small", label_noise=0.2)
    rng = np.random.default_rng(0)
    theta = problem.start + 0.01 * rng.standard_normal(problem.start.size)
    direction = rng.standard_normal(theta.size)
    direction /= np.linalg.norm(direction)
    step = 1e-6
    ends = [problem.value_and_gradient(theta + sign * step * direction) for sign in (1, -1)]
    _, gradient = problem.value_and_gradient(theta)
    slope = (ends[0][0] - ends[1][0]) / (2 * step)
    assert slope == pytest.approx(gradient @ direction, rel=1e-4)
    product = (ends[0][1] - ends[1][1]) / (2 * step)
    scale = np.linalg.norm(product)
    assert np.linalg.norm(problem.operator(theta) @ direction - product) < 1e-3 * scale
    # the mean of the gradients of batches is the gradient
    halves = np.array_split(rng.permutation(problem.samples), 2)
    parts = [problem.value_and_gradient(theta, rows)[1] * rows.size for rows in halves]
    ridge = getattr(problem, "ridge", 0.0)
    assert ridge >= 0
    np.testing.assert_allclose(sum(parts) / problem.samples, gradient, atol=1e-10 * scale)


def test_floor_of_convex_problems_is_the_minimum():
    for name in ("linear regression", "logistic regression"):
        problem = make_problem(name, seed=1, size="small")
        watch = Watch(problem, 400, -math.inf)
        run_method(
            watch, "L-BFGS", setting=None, factor=1.0, batch=None, rng=np.random.default_rng(0)
        )
        first = problem.value_and_gradient(problem.start)[0]
        assert watch.best[0] >= problem.floor - 1e-12 * first
        assert watch.best[0] <= problem.floor + 1e-3 * (first - problem.floor)


def test_measured_descent_takes_as_many_passes_as_predicted():
    problem = make_problem("random quadratic", seed=1, size="small")
    loss, gradient = problem.value_and_gradient(problem.start)
    found = halting_time(
        problem.operator(problem.start),
        gradient=gradient,
        loss=loss,
        fraction=problem.fraction,
        tolerance=0.02,
    )
    run = compare_method("random quadratic", method="step 1/curvature", condition="clean", **SHARED)
    products = 12  # of the first measurement; and the gradient at the point that is reached
    assert run["passes"][0] - products - 1 == pytest.approx(found.steps, rel=0.05)
    quick = compare_method(
        "random quadratic", method="conjugate gradients", condition="clean", **SHARED
    )
    assert quick["passes"][0] == found.conjugate_gradients + 1


def test_passes_of_batches_are_their_shares(monkeypatch):
    problem = make_problem("logistic regression", seed=1, size="small")
    sizes, inner = [], type(problem).value_and_gradient

    def counted(self, theta, rows=None):
        sizes.append(0 if rows is None else rows.size)
        return inner(self, theta, rows)

    monkeypatch.setattr(type(problem), "value_and_gradient", counted)
    watch = Watch(problem, 3.0, 0.0)
    descend(watch, StepRule("gd", step_size=0.1), batch=32, rng=np.random.default_rng(0))
    assert sum(sizes) == 3 * problem.samples
    assert watch.spent == pytest.approx(3.0)
    sizes.clear()
    whole = Watch(problem, 3.0, 0.0)
    descend(whole, StepRule("gd", step_size=0.1), batch=None, rng=np.random.default_rng(0))
    assert whole.spent == len(sizes) == 3


def test_tuning_finds_a_rate_within_its_budget():
    tried = []

    def score(rule):
        tried.append((rule.step_size, rule.momentum))
        return abs(math.log10(rule.step_size) + 1.5) + abs(rule.momentum - 0.7)

    best, values = _tuned("momentum", score, 9)
    assert len(tried) == len(set(tried)) == len(values) == 9
    assert best.step_size == pytest.approx(10**-1.5)
    assert best.momentum == 0.7


@pytest.mark.parametrize("method", METHODS)
def test_the_same_numbers_each_time(method):
    runs = [
        compare_method("logistic regression", method=method, condition=condition, **SHARED)
        for condition in ("batches", "batches", "step doubled")
    ]
    if method in METHODS[-2:]:
        assert runs == [{}, {}, {}]
        return
    for name in ("passes", "excess", "held_out"):
        np.testing.assert_array_equal(runs[0][name], runs[1][name])
    assert (runs[0]["excess"] != runs[2]["excess"]).all()
    assert (runs[0]["excess"] < 0.2).all()


def test_rates_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((6, 5))
    for rule, made in (
        (StepRule("gd", 0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (StepRule("momentum", 0.1), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        (StepRule("adam", 0.1), lambda p: torch.optim.Adam(p, lr=0.1)),
    ):
        parameter = torch.nn.Parameter(torch.ones(5, dtype=torch.float64))
        optimizer, theta = made([parameter]), np.ones(5)
        state = rule.start(theta)
        for gradient in gradients:
            theta = rule.step(theta, gradient, state)
            parameter.grad = torch.from_numpy(gradient.copy())
            optimizer.step()
        np.testing.assert_allclose(theta, parameter.detach().numpy(), rtol=1e-7)


def test_a_small_study_is_drawn_with_its_gains():
    study = OptimizerStudy.of_size(
        "quick",
        problems=("logistic regression", "random quadratic"),
        budget=60,
        trials=3,
        methods=("momentum, tuned", "Nesterov by curvature", "L-BFGS"),
        conditions=("clean", "step doubled"),
    )
    content = study.compute()
    figure = Figure()
    study.draw(figure, content)
    names = {(str(one.panel), one.name) for one in content.series}
    assert ("passes", "L-BFGS") in names
    assert ("robustness", "L-BFGS") not in names
    moved = content.get("held-out error, parameters moved", "L-BFGS").y
    of = {"problem": "logistic regression", "method": "L-BFGS"}
    assert moved[0] == content.number("held-out error, parameters moved", **of)
    assert np.isnan(moved[1])  # the quadratic has none
    hollow = [line for line in figure.axes[2].lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 3
    of = {"problem": "random quadratic"}
    ratio = content.number("passes to the target", **of, method="momentum, tuned") / content.number(
        "passes to the target", **of, method="Nesterov by curvature"
    )
    assert content.number("gain in passes", **of) == ratio
    assert content.number("gain with tuning", **of) > 3 * ratio


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="'clean'"):
        OptimizerStudy(conditions=("batches",))
    with pytest.raises(ValueError, match="sets must be at least 2"):
        OptimizerStudy(sets=1)
    with pytest.raises(ValueError, match="unknown method"):
        OptimizerStudy(methods=("newton",))
    with pytest.raises(ValueError, match="unknown problem"):
        make_problem("nothing", seed=0)
