"""Simulated SGD beside the stationary covariance, and its gradients beside those of the network."""

import numpy as np
import pytest

from rmtland.landscape.noise import (
    GradientNoise,
    NoisyDescent,
    SampleCurvature,
    chain_gradients,
    simulate_escape,
    simulate_sgd,
)
from rmtland.networks import MLP, gaussian, train

DATA = gaussian(12, 3, rng=0)


@pytest.mark.parametrize("widths", [(3, 3), (3, 4, 3), (3, 5, 4, 3)])
@pytest.mark.parametrize("loss", ["mse", "logistic", "cross_entropy"])
@pytest.mark.parametrize("parametrisation", ["standard", "ntk"])
@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_chains_are_those_of_the_network(widths, loss, parametrisation, bias):
    net = MLP(widths, bias=bias, loss=loss, weight_decay=0.1, parametrisation=parametrisation)
    rng = np.random.default_rng(0)
    targets = {
        "mse": DATA.y,
        "logistic": (DATA.y > 0).astype(float),
        "cross_entropy": np.eye(3)[np.arange(12) % 3],
    }[loss]
    thetas = rng.standard_normal((2, net.parameter_count))
    which = rng.integers(12, size=(2, 5))
    found = chain_gradients(net, thetas, DATA.x[which], targets[which])
    for theta, rows, gradient in zip(thetas, which, found, strict=True):
        assert np.allclose(gradient, net.at(theta, DATA.x[rows], targets[rows]).gradient)


@pytest.mark.parametrize("sampling", ["with", "without", "reshuffling"])
def test_least_squares_has_the_predicted_variances(sampling):
    net = MLP((3, 1), bias=True, weight_decay=0.1)
    y = DATA.y[:, :1]
    theta = train(net, net.init(rng=0), DATA.x, y, gradient_norm=1e-12).theta
    point = net.at(theta, DATA.x, y)
    eta = 0.02 if sampling == "reshuffling" else 0.15
    sgd = NoisyDescent.of_matrices(
        point.hessian("total"),
        GradientNoise.of(point).covariance,
        samples=12,
        step_size=eta,
        batch_size=3,
        sampling=sampling,
        spread=SampleCurvature.of(point),
    )
    found = sgd.stationary()
    runs = simulate_sgd(
        net,
        theta,
        DATA.x,
        y,
        found.directions,
        step_size=eta,
        batch_size=3,
        sampling=sampling,
        steps=400,
        burn_in=600 if sampling == "reshuffling" else 150,
        chains=300,
        rng=1,
    )
    off = runs.variances / found.variances - 1.0
    errors = runs.errors / found.variances
    allowed = 4 * errors + (0.02 if sampling == "reshuffling" else 0.0)
    assert (np.abs(off) < allowed).all()
    assert (np.abs(runs.mean) < 5 * runs.mean_errors).all() or sampling == "reshuffling"
    assert runs.effective.min() > 300
    if sampling != "reshuffling":  # the multiplicative term is seen
        plain = sgd.stationary(multiplicative=False).variances
        assert (np.abs(runs.variances / plain - 1.0) > 4 * errors).any()


def test_escape_from_a_maximum_follows_the_prediction():
    """Least squares with negative weight on one sample: a quadratic saddle, simulated exactly."""
    rng = np.random.default_rng(0)
    curvature, eta, chains = -0.5, 0.1, 4000
    sgd = NoisyDescent.of_matrices([[curvature]], [[4.0]], samples=2, step_size=eta)
    theta = np.zeros(chains)
    for _ in range(30):
        theta -= eta * (curvature * theta + 2.0 * rng.choice([-1.0, 1.0], size=chains))
    predicted = sgd.variances(30)[0]
    assert theta.var() == pytest.approx(predicted, rel=4 * np.sqrt(2 / chains))


def one_weight(**options):
    """SGD on one weight between two targets: a first-order process of unit curvature."""
    x, y = np.array([[1.0], [1.0]]), np.array([[1.0], [-1.0]])
    fixed = {"batch_size": 4, "burn_in": 50, "rng": 0}
    return simulate_sgd(MLP((1, 1)), [0.0], x, y, np.eye(1), **fixed, **options)


def test_effective_samples_are_those_of_a_first_order_process():
    """For one direction N_eff = N (1 - a^2)/(1 + a^2), N steps times chains."""
    runs = one_weight(step_size=0.2, steps=3000, chains=200)
    expected = 200 * 3000 * (1 - 0.64) / (1 + 0.64)
    # five-ninths to nine-fifths: a chi-squared of 199 degrees, and noise that is not normal
    assert expected / 1.8 < runs.effective[0] < 1.8 * expected


def test_few_chains_do_not_raise_the_variance():
    """The mean over chains is known far better than that of one: 20 chains are no sample of 20."""
    runs = one_weight(step_size=0.5, steps=4000, chains=20)
    exact = 0.5**2 * 0.25 / (1 - 0.5**2)
    assert runs.variances[0] == pytest.approx(exact, rel=4 * runs.errors[0] / exact)
    assert runs.errors[0] < 0.01 * exact  # a factor 20/19 would be seen


def test_escape_is_timed_and_a_quiet_direction_keeps_its_chains():
    """A linear unit with weights (0, 0): a saddle of w1 w2, without noise for symmetric targets."""
    net = MLP((2, 1))
    x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    runs = simulate_escape(
        net,
        [0.0, 0.0],
        x,
        np.ones((2, 1)),
        np.eye(2),
        step_size=0.1,
        batch_size=1,
        steps=40,
        chains=400,
        rng=0,
    )
    assert (runs.variances[:, 1] == 0.0).all()
    exact = 0.01 * (1 - 0.9 ** (2 * np.arange(41))) / (1 - 0.81)
    assert (np.abs(runs.variances[1:, 0] - exact[1:]) < 5 * runs.errors[1:, 0] + 1e-12).all()
    assert runs.steps_to(0.15).tolist() == [np.argmax(runs.variances[:, 0] >= 0.15**2), np.inf]


@pytest.mark.parametrize("simulate", [simulate_sgd, simulate_escape])
def test_both_simulations_tell_how_far_they_are_and_stop_where_a_chain_runs_off(simulate):
    net, seen = MLP((1, 1)), []
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    options = {"batch_size": 1, "chains": 20, "rng": 0, "progress": seen.append}
    if simulate is simulate_sgd:
        options["burn_in"] = 0
    simulate(net, [0.3], x, y, np.eye(1), step_size=0.1, steps=130, **options)
    assert seen == [64 / 130, 128 / 130, 1.0]
    for steps in (100, 400):  # parameters that are numbers, but not their squares, and neither
        with pytest.raises(ArithmeticError, match="smaller step_size than 50"):
            simulate(net, [0.3], x, y, np.eye(1), step_size=50.0, steps=steps, **options)


def test_bad_input_is_refused():
    net = MLP((3, 1))
    x, y, theta = DATA.x, DATA.y[:, :1], np.zeros(3)
    options = {"step_size": 0.1, "batch_size": 2, "steps": 300}
    with pytest.raises(ValueError, match="directions must have 3 rows"):
        simulate_sgd(net, theta, x, y, np.eye(2), **options)
    with pytest.raises(ValueError, match="orthonormal"):
        simulate_sgd(net, theta, x, y, 2 * np.eye(3), **options)
    with pytest.raises(ValueError, match="chains"):
        simulate_sgd(net, theta, x, y, np.eye(3), chains=3, **options)
    with pytest.raises(ValueError, match="sampling"):
        simulate_sgd(net, theta, x, y, np.eye(3), sampling="none", **options)
    with pytest.raises(ArithmeticError, match="smaller step_size"):
        simulate_sgd(
            net, theta, x, y, np.eye(3), step_size=50.0, batch_size=2, steps=300, chains=20, rng=0
        )
