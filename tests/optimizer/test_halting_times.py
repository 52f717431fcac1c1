"""Predicted numbers of steps against runs: known starts, digits, and noise about a minimum."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland import MarchenkoPastur
from rmtland.landscape.linearisation import linearise
from rmtland.networks import MLP, digits, gaussian, train
from rmtland.optimizer import (
    GradientDescent,
    HeavyBall,
    Nesterov,
    gradient_measure,
    halting_time,
    isotropic_halting_time,
)
from rmtland.optimizer.halting_times import steps_to_fall
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum


def counted(method, hessian, start, fraction, most=100_000):
    """Iterate as a user would until the loss has fallen."""
    x = before = np.array(start)
    first = x @ hessian @ x
    step, momentum, extrapolation = method.coefficients(most)
    for t in range(most):
        y = x + extrapolation[t] * (x - before)
        x, before = x + momentum[t] * (x - before) - step[t] * (hessian @ y), x
        if x @ hessian @ x <= fraction * first:
            return t + 1
    return None


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.0, 3.0), st.floats(-2.0, 2.0), st.floats(1e-9, 1e9))
def test_bounds_hold_the_number_of_steps(seed, spread, lean, unit):
    rng = np.random.default_rng(seed)
    values = unit * np.sort(10.0 ** (-spread * rng.uniform(size=60)))
    start = rng.normal(size=60) * (values / unit) ** lean
    loss = 0.5 * (values * start**2).sum()
    found = halting_time(
        np.diag(values), gradient=values * start, loss=loss, fraction=0.02, tolerance=0.1
    )
    assert found.is_bracket
    true = counted(found.method, np.diag(values), start, 0.02)
    assert found.low <= true <= found.high
    assert abs(found.steps - true) <= 0.1 * true + 1


@pytest.mark.parametrize("method", [HeavyBall(0.5, 0.6), Nesterov(0.4)], ids=repr)
def test_momentum_is_predicted_though_not_bounded(method):
    rng = np.random.default_rng(4)
    values = np.geomspace(0.003, 2.0, 150)
    start = rng.normal(size=150) / np.sqrt(values)
    loss = 0.5 * (values * start**2).sum()
    found = halting_time(np.diag(values), method, gradient=values * start, loss=loss)
    assert not found.is_bracket
    assert found.steps == pytest.approx(counted(method, np.diag(values), start, 0.01), rel=0.05)


def test_conjugate_gradients_take_as_many_steps_as_said():
    rng = np.random.default_rng(5)
    values = np.geomspace(0.01, 1.0, 80)
    start = rng.normal(size=80)
    matrix = np.diag(values)
    first = x_loss = 0.5 * start @ matrix @ start
    found = halting_time(matrix, gradient=matrix @ start, loss=first)
    x, residual = start.copy(), -matrix @ start
    direction, taken = residual.copy(), 0
    while x_loss > 0.01 * first:
        rate = residual @ residual / (direction @ matrix @ direction)
        x, new = x + rate * direction, residual - rate * (matrix @ direction)
        direction = new + (new @ new) / (residual @ residual) * direction
        residual, taken, x_loss = new, taken + 1, 0.5 * x @ matrix @ x
    assert found.conjugate_gradients == taken


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_linearised_digits_within_a_tenth(seed):
    data = digits(64, target="one-hot", rng=seed)
    net = MLP((64, 64, 10), parametrisation="ntk")
    point = net.at(net.init(rng=seed + 1), data.x, data.y)
    tangent = linearise(point)
    measured = tangent.descent().steps_to(0.01)
    found = halting_time(point, tolerance=0.1)
    assert found.low <= measured <= found.high
    assert found.steps == pytest.approx(measured, rel=0.1)
    assert found.products <= 1.25 * found.conjugate_gradients
    # curvatures alone know nothing of it
    curvatures = tangent.eigenvalues / point.data.size
    residual = steps_to_fall(found.method, curvatures, np.ones(curvatures.size), 0.01)
    parameters = steps_to_fall(found.method, curvatures, curvatures, 0.01)
    assert residual > 5 * measured
    assert parameters < 0.7 * measured


def test_squared_gradient_of_any_loss():
    data = digits(40, size=4, target="one-hot", rng=0)
    net = MLP((16, 8, 10), loss="cross_entropy", weight_decay=1e-2)
    point = net.at(net.init(rng=1), data.x, data.labels)
    with pytest.raises(ValueError, match="objective='gradient'"):
        halting_time(point)
    with pytest.raises(ValueError, match="may fall below 0"):
        halting_time(point, loss=float(point.loss))
    found = halting_time(point, objective="gradient", fraction=0.1)
    exact = gradient_measure(
        point.operator("gauss_newton"), point.gradient, net.parameter_count
    ).gauss
    true = steps_to_fall(found.method, exact.nodes, exact.weights, 0.1)
    assert found.low <= true <= found.high
    assert found.conjugate_gradients is None


def test_torch_model_and_network_agree():
    torch = pytest.importorskip("torch")
    from rmtland.adapters import from_torch

    torch.manual_seed(0)
    data = gaussian(15, 6, 3, rng=0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 3))
    model.double()
    net, theta = MLP.from_torch(model)
    point = net.at(theta, data.x, data.y)
    x, y = torch.from_numpy(data.x.copy()), torch.from_numpy(data.y.copy())
    operator = from_torch(model, torch.nn.MSELoss(), (x, y))
    with pytest.raises(ValueError, match="give loss="):
        halting_time(operator)
    found = halting_time(operator, loss=operator.loss(), fraction=0.1)
    other = halting_time(point, fraction=0.1)
    assert (found.low, found.high) == (other.low, other.high)
    own = from_torch(model, lambda f, t: ((f - t) ** 2).mean(), (x, y))
    assert halting_time(own, loss=own.loss(), fraction=0.1).steps == found.steps
    labels = torch.arange(15) % 3  # its quadratic model once had "bounds" of its fall to a half
    likelihood = from_torch(model, torch.nn.CrossEntropyLoss(), (x, labels))
    with pytest.raises(ValueError, match="may fall below 0"):
        halting_time(likelihood, loss=likelihood.loss(), fraction=0.5)
    assert halting_time(likelihood, objective="gradient", fraction=0.1).steps > 0


def test_a_floor_is_said():
    matrix, gradient = np.diag([1.0, 0.5, 0.0]), np.array([1.0, 1.0, 0.0])
    loss = 0.5 * (1 + 2) + 0.5  # 0.5 of it stays
    with pytest.raises(ValueError, match=r"falls to 0\.25 of the first"):
        halting_time(matrix, gradient=gradient, loss=loss)
    assert halting_time(matrix, gradient=gradient, loss=loss, fraction=0.3).is_bracket


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gradient": np.zeros(3)}, "gradient is zero"),
        ({"gradient": np.ones(2)}, "3 entries"),
        ({"gradient": None}, "give gradient="),
        ({"loss": None}, "loss at the start is needed"),
        ({"loss": 0.1}, "less than what gradient and Hessian say"),
        ({"fraction": 1.0}, "between 0 and 1"),
        ({"fraction": 1e-15}, "cannot be told from rounding"),
        ({"gradient": [np.nan, 1, 1]}, "holds 1 NaN"),
        ({"fraction": 0.0}, "between 0 and 1"),
        ({"fraction": np.nan}, "finite number"),
        ({"gradient": np.full(3, 1e160)}, "another unit"),
        ({"gradient": np.full(3, 1e-160)}, "another unit"),  # its square has no digits left
        ({"gradient": np.full(3, 1e-200), "objective": "gradient"}, "another unit"),
    ],
)
def test_bad_input_is_refused(change, message):
    given_ = {"gradient": np.ones(3), "loss": 2.0} | change
    with pytest.raises(ValueError, match=message):
        halting_time(np.diag([1.0, 2.0, 3.0]), **given_)


def test_negative_curvature_and_few_products_are_refused():
    with pytest.raises(ValueError, match="negative curvature"):
        halting_time(np.diag([1.0, -2.0]), gradient=np.ones(2), loss=1.0)
    with pytest.raises(ValueError, match="no curvature along"):
        halting_time(np.zeros((2, 2)), gradient=np.ones(2), loss=1.0)
    values = np.geomspace(1e-6, 1.0, 200)
    with pytest.raises(ConvergenceError, match="more products"):
        halting_time(
            np.diag(values), gradient=np.ones(200), loss=0.5 * (1 / values).sum(), max_products=5
        )
    with pytest.raises(ConvergenceError, match="more steps"):
        halting_time(
            np.diag(values), gradient=np.ones(200), loss=0.5 * (1 / values).sum(), max_steps=50
        )


@pytest.fixture(scope="module")
def interpolating():
    data = digits(32, size=4, target="one-hot", rng=0)
    net = MLP((16, 40, 10), parametrisation="ntk")
    end = train(net, net.init(rng=1), data.x, data.y, energy=1e-13, max_steps=4000)
    point = net.at(end.theta, data.x, data.y)
    values = np.linalg.eigvalsh(point.hessian("gauss_newton"))
    return point, Spectrum(values.clip(0.0))


def test_noise_about_a_minimum_is_predicted_by_the_curvatures(interpolating):
    point, curvatures = interpolating
    method = GradientDescent(1 / curvatures.nodes.max())
    found = isotropic_halting_time(point, method, curvatures, scale=0.01, rng=0)
    rng, times = np.random.default_rng(7), []
    for _ in range(12):
        now = point.at(point.theta + 0.01 * rng.standard_normal(point.theta.size))
        first, taken = now.loss, 0
        while now.loss > 0.01 * first:
            now, taken = now.at(now.theta - method.step * now.gradient), taken + 1
        times.append(taken)
    error = np.hypot(np.std(times, ddof=1), found.deviation) / np.sqrt(12)
    assert abs(np.mean(times) - found.mean) < 3 * error
    assert found.deviation == pytest.approx(np.std(times, ddof=1), rel=0.6)


def test_elsewhere_a_law_is_refused_with_the_reason(interpolating):
    point, curvatures = interpolating
    method = GradientDescent(1 / curvatures.nodes.max())
    net = point.net
    start = point.at(net.init(rng=3))
    with pytest.raises(ValueError, match="aligned with the curvatures"):
        isotropic_halting_time(start, method, curvatures, scale=0.01, rng=0)
    with pytest.raises(ValueError, match="quadratic"):
        isotropic_halting_time(point, method, curvatures, scale=3.0, rng=0)
    with pytest.raises(ValueError, match="of another matrix or scale"):
        isotropic_halting_time(point, method, MarchenkoPastur(0.5), scale=0.01, rng=0)
    with pytest.raises(ConvergenceError, match="stable step"):
        isotropic_halting_time(
            point, GradientDescent(3 * method.step), curvatures, scale=0.01, max_steps=500
        )
    with pytest.raises(ValueError, match="scale must have a square"):
        isotropic_halting_time(point, method, curvatures, scale=1e200)
    with pytest.raises(ValueError, match="draws must be an integer of at least 2"):
        isotropic_halting_time(point, method, curvatures, scale=0.01, draws=1)


@pytest.mark.parametrize("looks", [1, 8])
def test_one_look_tells_the_right_law_from_another(interpolating, looks):
    point, curvatures = interpolating
    method = GradientDescent(1 / curvatures.nodes.max())
    for seed in range(6):  # one look alone is off by a third
        found = isotropic_halting_time(
            point, method, curvatures, scale=0.01, looks=looks, draws=2, rng=seed
        )
        assert found.low <= found.mean <= found.high
        with pytest.raises(ValueError, match="of another matrix or scale"):
            isotropic_halting_time(
                point, method, Spectrum(1.6 * curvatures.nodes), scale=0.01, looks=looks, rng=seed
            )


def test_step_count_does_not_depend_on_how_it_is_found():
    values = np.array([0.1, 0.7, 1.9])
    masses = np.array([1.0, 2.0, 3.0])
    method = GradientDescent(1.0)
    by_bisection = steps_to_fall(method, values, masses, 1e-3)
    as_momentum = steps_to_fall(HeavyBall(1.0, 0.0), values, masses, 1e-3)
    assert by_bisection == as_momentum
    # a step beyond stability may reach the target before it grows
    wild = GradientDescent(1.2)
    small = np.array([1.0, 1.0, 1e-9])
    assert steps_to_fall(wild, values, small, 0.3) == 3
    assert steps_to_fall(wild, values, masses, 0.3) is None
