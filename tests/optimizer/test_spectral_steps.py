"""Training with designed methods: the steps that they say, and never a worse end than the start."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur
from rmtland.networks import MLP, gaussian, train
from rmtland.optimizer import (
    Chebyshev,
    GradientDescent,
    HeavyBall,
    Nesterov,
    SpectralSteps,
    average_case_optimal,
)

DATA = gaussian(30, 6, rng=0)
NET = MLP((6, 6, 6), activation="tanh")
THETA = NET.init(rng=1)
LINEAR = MLP((6, 1), weight_decay=0.0)
TARGETS = np.random.default_rng(3).normal(size=(30, 1))
START = LINEAR.init(rng=2)


def losses(net, y, rule, steps, **options):
    found = []
    result = train(
        net,
        options.pop("theta", THETA if net is NET else START),
        DATA.x,
        y,
        method=rule,
        max_steps=steps,
        callback=lambda _, point: found.append(point.loss),
        **options,
    )
    return found, result


@pytest.mark.parametrize(
    "method",
    [
        GradientDescent(0.3),
        HeavyBall(0.4, 0.4),
        Nesterov(0.3),
        Nesterov(0.3, 0.6),
        Chebyshev(0.2, 3.0),
    ],
    ids=repr,
)
def test_steps_are_those_of_the_method(method):
    """On a quadratic loss, against a plain loop; training looks at the extrapolated points."""
    at = lambda theta: LINEAR.at(theta, DATA.x, TARGETS)  # noqa: E731
    step, momentum, ahead = method.coefficients(13)
    x = before = START
    expected = [at(x).loss]
    for t in range(12):
        y = x + ahead[t] * (x - before)
        x, before = x + momentum[t] * (x - before) - step[t] * at(y).gradient, x
        expected.append(at(x + ahead[t + 1] * (x - before)).loss)
    found, result = losses(LINEAR, TARGETS, SpectralSteps(method), 12)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert result.steps == 12


@pytest.mark.parametrize("misjudged", [1e-3, 0.1, 0.5, 1.0, 10.0])
@pytest.mark.parametrize("restart", [None, 7, "loss"])
@pytest.mark.parametrize("net", ["linear", "deep"])
def test_no_method_ends_above_its_start(net, restart, misjudged):
    """Curvatures taken for too small by any factor: divergence is noticed, and descent goes on."""
    net, y = (LINEAR, TARGETS) if net == "linear" else (NET, DATA.y)
    start = net.at(THETA if net is NET else START, DATA.x, y)
    top = float(np.linalg.eigvalsh(start.hessian("total"))[-1])
    method = average_case_optimal(MarchenkoPastur(0.8, scale=misjudged * top / 3.6), 20)
    found, result = losses(net, y, SpectralSteps(method, restart=restart), 60)
    assert max(found) <= found[0] * (1 + 1e-12)
    end = net.at(result.theta, DATA.x, y).loss
    assert end == min(found)
    assert end < 0.98 * found[0]


def test_an_overflow_is_a_divergence():
    rule = SpectralSteps(GradientDescent(1e200))
    found, _ = losses(NET, DATA.y, rule, 5)
    assert max(found) <= found[0]
    with pytest.raises(ValueError, match="floating-point"):
        train(NET, THETA, DATA.x, DATA.y, method="gd", step_size=1e200, max_steps=5)


def test_measured_curvature_takes_the_place_of_tuning():
    """Gradient descent at 1 over the largest curvature; its cost in products is stated."""
    rule = SpectralSteps(GradientDescent(1.0), every=10, lanczos_steps=3)
    state = rule.start(THETA)
    point = NET.at(THETA, DATA.x, DATA.y)
    assert rule.look(point, state) is None
    top = np.linalg.eigvalsh(point.hessian("total"))[-1]
    assert top <= state["curvature"] <= 1.05 * top
    assert state["scale"] == pytest.approx(1 / state["curvature"], rel=1e-12)
    theta = THETA
    for _ in range(40):
        theta = rule.step(theta, NET.at(theta, DATA.x, DATA.y).gradient, state)
        assert rule.look(NET.at(theta, DATA.x, DATA.y), state) is None
    assert state["measurements"] == 5
    assert state["products"] == 9 + 4 * 3  # 3 products for ten steps, and 9 at the start
    found, _ = losses(NET, DATA.y, rule, 40)
    assert (np.diff(found) <= 0).all()


def test_the_cost_that_the_page_states():
    """One product for ten gradients: 400 steps, a measurement every 50 of them."""
    rule = SpectralSteps(Nesterov(0.1), every=50)
    state = rule.start(THETA)
    point = NET.at(THETA, DATA.x, DATA.y)
    for t in range(400):
        state["steps"] = t
        rule.look(point, state)
    assert state["products"] == 40


def test_untuned_nesterov_is_ahead_of_gradient_descent():
    _, spectral = losses(NET, DATA.y, SpectralSteps(Nesterov(1.0), every=25, restart="loss"), 150)
    plain = [
        train(NET, THETA, DATA.x, DATA.y, method="gd", step_size=h, max_steps=150).energy
        for h in (0.05, 0.1, 0.2, 0.4)
    ]
    assert spectral.energy < min(plain)


@pytest.mark.parametrize("options", [{}, {"batch_size": 10, "rng": 5}])
def test_resumed_runs_are_the_same_bit_for_bit(options, tmp_path):
    rule = SpectralSteps(Nesterov(0.8), every=6, restart="loss", lanczos_steps=2)
    whole = train(NET, THETA, DATA.x, DATA.y, method=rule, max_steps=30, **options)
    file = tmp_path / "run.npz"
    common = {"method": rule, "checkpoint": file, "checkpoint_every": 3, **options}
    part = train(NET, THETA, DATA.x, DATA.y, max_steps=9, **common)
    assert part.steps == 9
    again = train(NET, THETA, DATA.x, DATA.y, max_steps=30, resume=True, **common)
    np.testing.assert_array_equal(again.theta, whole.theta)
    other = common | {"method": SpectralSteps(Nesterov(0.7), every=6, restart="loss")}
    with pytest.raises(ValueError, match="rule was"):
        train(NET, THETA, DATA.x, DATA.y, max_steps=30, resume=True, **other)


def test_batches_are_judged_at_looks():
    rule = SpectralSteps(HeavyBall(2.0, 0.9))  # far too long
    _, result = losses(NET, DATA.y, rule, 60, batch_size=5, rng=0)
    assert NET.at(result.theta, DATA.x, DATA.y).loss <= NET.at(THETA, DATA.x, DATA.y).loss


def test_single_precision_stays_so():
    theta, x, y = (np.asarray(a, dtype=np.float32) for a in (THETA, DATA.x, DATA.y))
    rule = SpectralSteps(Nesterov(1.0), every=5)
    result = train(NET, theta, x, y, method=rule, max_steps=20)
    assert result.theta.dtype == np.float32
    assert result.energy < NET.at(theta, x, y).energy


def test_wrong_arguments():
    with pytest.raises(TypeError, match="must have coefficients"):
        SpectralSteps("nesterov")
    with pytest.raises(ValueError, match="every"):
        SpectralSteps(Nesterov(1.0), every=0)
    with pytest.raises(ValueError, match="lanczos_steps"):
        SpectralSteps(Nesterov(1.0), lanczos_steps=0)
    with pytest.raises(TypeError, match="step rule"):
        train(NET, THETA, DATA.x, DATA.y, method=Nesterov(1.0))
    with pytest.raises(ValueError, match="its own steps"):
        train(NET, THETA, DATA.x, DATA.y, method=SpectralSteps(Nesterov(1.0)), step_size=0.1)


def test_coefficients_of_a_method_of_ones_own_are_as_many_as_asked():
    class Short:
        def coefficients(self, steps):
            return np.full(3, 0.1), np.zeros(3), np.zeros(3)

    rule = SpectralSteps(Short())
    with pytest.raises(ValueError, match="three arrays of shape"):
        rule.step(THETA, THETA, rule.start(THETA))
