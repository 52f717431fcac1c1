"""PAC-Bayes bounds: their pieces against closed forms, and all of it on synthetic truth."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import rel_entr

from rmtland.landscape.pac_bayes import (
    GaussianPosterior,
    catoni,
    kl_inverse,
    mcallester,
    pac_bayes_bounds,
    printed_bound,
    seeger,
)
from rmtland.networks import MLP, train


@given(q=st.floats(0, 1), bound=st.floats(0, 10))
def test_the_inverse_of_kl_is_an_inverse(q, bound):
    p = kl_inverse(q, bound)
    assert q <= p <= 1
    if p < 1 - 1e-9:
        kl = rel_entr(q, p) + rel_entr(1 - q, 1 - p)
        assert kl == pytest.approx(bound, rel=1e-6, abs=1e-9)
    assert p - q <= math.sqrt(bound / 2) + 1e-8  # Pinsker, and the rounding of kl


@given(
    error=st.floats(0, 1), kl=st.floats(0, 1e4), n=st.integers(8, 10**5), delta=st.floats(1e-6, 0.5)
)
def test_bounds_are_above_the_error_and_in_order(error, kl, n, delta):
    values = [bound(error, kl, n, delta) for bound in (seeger, catoni, mcallester)]
    assert min(values) >= error
    assert values[0] <= values[2] + 1e-12
    assert max(values[:2]) <= 1
    least = [bound(error, kl, n, 5e-324) for bound in (seeger, catoni, mcallester)]
    assert all(one <= other < np.inf for one, other in zip(values, least, strict=True))
    looser = [bound(error, kl + 1, n, delta) for bound in (seeger, catoni, mcallester)]
    assert all(a <= b for a, b in zip(values, looser, strict=True))


def test_the_divergence_of_normal_laws_is_that_of_their_densities():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    law = GaussianPosterior(
        np.array([0.3, -0.2, 0.5]), np.zeros(3), np.array([0.2, 1.0, 2.0]), basis, 1.5
    )
    draws = law.draw(rng.standard_normal((200_000, 3)))
    cov = basis @ np.diag(law.variances) @ basis.T
    off = draws - law.mean
    log_q = -0.5 * (
        np.einsum("ki,ij,kj->k", off, np.linalg.inv(cov), off) + math.log(np.linalg.det(cov))
    )
    log_p = -0.5 * ((draws**2).sum(1) / 1.5**2 + 3 * math.log(1.5**2))
    ratio = log_q - log_p
    assert law.kl == pytest.approx(ratio.mean(), abs=4 * ratio.std() / math.sqrt(len(ratio)))
    assert np.allclose(np.cov(draws.T), cov, atol=0.03)
    same = GaussianPosterior(np.ones(3), np.ones(3), np.full(3, 4.0), np.eye(3), 2.0)
    assert same.kl == 0.0


def test_held_out_targets_are_checked():
    (x, y), _ = toy("true", n=20)
    net, options = MLP((4, 1), loss="logistic"), {"draws": 5, "rng": 0}
    bounds = pac_bayes_bounds(net, np.ones(4), np.zeros(4), x, y, held_out=(x, y), **options)
    assert bounds.held_out == bounds.training
    for wrong, message in ((2 * y - 1, "0 or 1"), (y[:3], "one row per sample")):
        with pytest.raises(ValueError, match=message):
            pac_bayes_bounds(net, np.ones(4), np.zeros(4), x, y, held_out=(x, wrong), **options)
    three, labels = MLP((4, 3), loss="cross_entropy"), np.arange(20) % 3
    with pytest.raises(ValueError, match="between 0 and 2"):
        pac_bayes_bounds(
            three, np.ones(12), np.zeros(12), x, labels, held_out=(x, labels + 1), **options
        )
    with pytest.raises(ValueError, match="KL divergence overflows"):
        pac_bayes_bounds(net, 1e200 * np.ones(4), np.zeros(4), x, y, **options)
    for grid in ((), (0.0,), (-1.0, 1.0)):
        with pytest.raises(ValueError, match="grid"):
            catoni(0.1, 5.0, 100, 0.05, grid)


def toy(labels, n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2 * n, 4))
    y = (x[:, :1] > 0).astype(float) if labels == "true" else rng.integers(2, size=(2 * n, 1)) * 1.0
    return (x[:n], y[:n]), (x[n:], y[n:])


def test_bounds_hold_on_data_whose_error_is_known_and_are_not_empty():
    net = MLP((4, 1), bias=True, loss="logistic", weight_decay=1e-2)
    seen, unseen = toy("true")
    start = net.init(rng=0)
    theta = train(net, start, *seen, gradient_norm=1e-8).theta
    found = pac_bayes_bounds(net, theta, start, *seen, held_out=unseen, draws=200, rng=0)
    assert found.posterior_held_out < found.seeger < 0.4
    assert found.seeger <= found.mcallester
    assert found.posterior_training <= found.empirical < found.seeger
    exact = np.mean((net.predict(theta, unseen[0]) > 0) != (unseen[1] > 0.5))
    assert found.held_out == exact


def test_random_labels_break_the_printed_bound_and_no_other():
    """A prior that has seen the data, as in the printed proof, bounds nothing."""
    net = MLP((4, 30, 1), bias=True, loss="logistic")
    seen, unseen = toy("random", n=60)
    start = net.init(rng=0)
    theta = train(net, start, *seen, energy=0.02, max_steps=4000).theta
    found = pac_bayes_bounds(net, theta, start, *seen, held_out=unseen, draws=50, rng=0)
    assert found.training < 0.05
    assert found.held_out > 0.35
    assert found.seeger > found.posterior_held_out
    many = printed_bound(found.training, 0.05, net.parameter_count, 10 * 60, 0.05)
    assert many < found.held_out  # at the sample sizes where it is not empty


def test_bad_input_is_refused():
    net, (x, y) = MLP((4, 1), loss="mse"), toy("true")[0]
    with pytest.raises(ValueError, match="error of a classifier"):
        pac_bayes_bounds(net, np.zeros(4), np.zeros(4), x, y)
    with pytest.raises(ValueError, match="delta must be below 1"):
        seeger(0.1, 1.0, 10, 1.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        kl_inverse(1.2, 1.0)
    logistic = MLP((4, 1), loss="logistic")
    with pytest.raises(ValueError, match="prior_mean must have 4 entries"):
        pac_bayes_bounds(logistic, np.zeros(4), np.zeros(3), x, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variances": [1.0, 0.0]}, "variances must be positive; got 0"),
        ({"variances": [1.0]}, r"must have the shapes \(2,\), \(2,\) and \(2, 2\); got .* \(1,\)"),
        ({"directions": np.eye(3)}, r"got \(2,\), \(2,\) and \(3, 3\)"),
        ({"mean": [np.nan, 0.0]}, "mean holds 1 NaN"),
        ({"prior_scale": 0.0}, "prior_scale must be a positive finite number"),
    ],
)
def test_no_posterior_has_a_divergence_that_is_no_number(change, message):
    parts = {
        "mean": [0.0, 1.0],
        "prior_mean": [0.0, 0.0],
        "variances": [0.5, 0.25],
        "directions": np.eye(2),
        "prior_scale": 1.0,
    }
    exact = 0.5 * (0.5 + 0.25 - 2 - np.log(0.5 * 0.25) + 1)
    assert GaussianPosterior(**parts).kl == pytest.approx(exact, rel=1e-12)
    with pytest.raises(ValueError, match=message):
        GaussianPosterior(**parts | change)
