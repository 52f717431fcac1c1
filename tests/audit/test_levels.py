"""Laws of the levels and the measured second moments."""

import numpy as np
import pytest
from audit.audit_cases import independent

from rmtland import MarchenkoPastur, Semicircle, WishartPlusWigner, free_sum
from rmtland.audit.levels import (
    dyson_models,
    free_of_parts,
    matched,
    measured_moments,
    residual_moments,
    shrunk_covariance,
    shrunk_squares,
    thinned,
    why_not_dyson,
)
from rmtland.audit.redraws import Redraws
from rmtland.networks import MLP


def test_thinned_keeps_zeros_and_the_distribution_function():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(300), rng.normal(size=700)])
    noisy = values.copy()
    noisy[:300] = 1e-16 * rng.normal(size=300)
    law = thinned(noisy, atoms=100)
    assert len(law.atoms) <= 100
    assert dict(law.atoms)[0.0] == pytest.approx(0.3, abs=0.011)
    x = np.linspace(-2, 2, 41)
    measured = np.searchsorted(np.sort(values), x, side="right") / 1000
    assert law.cdf(x) == pytest.approx(measured, abs=0.0101)
    assert thinned(np.array([1.0, 2.0])).atoms == ((1.0, 0.5), (2.0, 0.5))


def test_free_of_parts_is_the_free_sum():
    first, second = MarchenkoPastur(0.5), Semicircle(0.3)
    x = np.linspace(-1, 3, 9)
    assert free_of_parts(first, second).cdf(x) == pytest.approx(free_sum(first, second).cdf(x))
    assert free_of_parts(first, None) is first
    # quantiles of the law in place of the law
    nodes = first.ppf((np.arange(400) + 0.5) / 400)
    near = free_of_parts(nodes, second)
    assert near.cdf(x) == pytest.approx(free_sum(first, second).cdf(x), abs=5e-3)


def test_matched_traces():
    rng = np.random.default_rng(1)
    h0, h1 = rng.gamma(2.0, size=50), rng.normal(size=50)
    law = matched(WishartPlusWigner, 0.7, h0, h1).law
    assert law.mean() == pytest.approx(h0.mean())
    assert law.var() == pytest.approx(0.7 * h0.mean() ** 2 + (h1**2).mean())


def test_covariance_of_equal_variances_is_dropped_and_of_unequal_ones_kept():
    rng = np.random.default_rng(2)
    scales = np.array([3.0, 1.0, 1.0, 0.2])
    kept = []
    for _ in range(50):
        plain, share = shrunk_covariance(rng.normal(size=(40, 12)))
        kept.append(share)
        assert np.trace(plain) > 0
    assert np.mean(np.array(kept) == 0) > 0.95
    unequal, share = shrunk_covariance(rng.normal(size=(4000, 4)) * scales)
    assert share > 0.95
    assert unequal == pytest.approx(np.diag(scales**2), abs=0.5)


def test_shrinking_covariances_lowers_the_error():
    """Mean square error against the truth, over draws of few rows: the point of shrinking."""
    rng = np.random.default_rng(3)
    root = np.diag(np.linspace(0.2, 2.0, 10))
    errors = np.zeros(2)
    for _ in range(100):
        rows = rng.normal(size=(12, 10)) @ root
        sample = rows.T @ rows / 12
        errors += [
            ((shrunk_covariance(rows)[0] - root**2) ** 2).sum(),
            ((sample - root**2) ** 2).sum(),
        ]
    assert errors[0] < 0.8 * errors[1]


def test_squares_of_residuals():
    rng = np.random.default_rng(4)
    kept = [shrunk_squares(rng.normal(size=(60, 8)))[1] for _ in range(50)]
    assert np.mean(np.array(kept) == 0) > 0.95
    sizes = np.where(np.arange(60) < 30, 0.1, 2.0)
    weights, share = shrunk_squares(rng.normal(size=(60, 40)) * sizes[:, None])
    assert share > 0.9
    assert weights.mean() == pytest.approx(1.0)
    assert weights == pytest.approx(sizes**2 / (sizes**2).mean(), abs=1.2)
    ones, none = shrunk_squares(np.zeros((5, 3)))
    assert (ones == 1).all()
    assert none == 0.0
    assert shrunk_squares(np.ones((1, 3)))[1] == 0.0


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (MLP((3, 3, 3, 2)), "one hidden layer"),
        (MLP((3, 2)), "one hidden layer"),
        (MLP((3, 3, 2), bias=True), "biases"),
        (MLP((3, 3, 2), loss="cross_entropy"), "cross_entropy"),
        (MLP((3, 3, 2), weight_decay=0.1), "weight decay"),
        (MLP((3, 3, 2), parametrisation="ntk"), "parametrisation"),
    ],
)
def test_where_the_dyson_equation_does_not_apply(net, words):
    x = np.ones((4, 3))
    y = np.array([0, 1, 0, 1]) if net.loss == "cross_entropy" else np.ones((4, 2))
    assert words in why_not_dyson(net.at(net.init(rng=0), x, y))


def test_models_of_levels_five_and_six():
    point = independent(activation="tanh")
    drawn = Redraws.of_point(point, moments=False).draw(rng=5)
    five, six, kept = dyson_models(point, drawn)
    assert set(kept) == {"second_layer_kept", "residuals_kept"}
    assert five.epsilon == six.epsilon == pytest.approx(point.energy)
    assert not np.allclose(five.bends, six.bends)
    second = point.net.unflatten(point.theta)[1]
    assert five.second_layer == pytest.approx(np.full(6, (second**2).mean()))
    relu = independent(activation="relu")
    five, six, kept = dyson_models(relu, Redraws.of_point(relu, moments=False).draw(rng=5))
    assert five is six
    assert set(kept.values()) == {0.0}
    covariance, weights, *_ = measured_moments(relu)
    assert covariance.shape == (6, 6)
    assert weights == pytest.approx(np.ones(24))


def test_independent_residuals_have_no_covariance_between_samples():
    rng = np.random.default_rng(4)
    found = [
        residual_moments(rng.normal(size=(30, 5)), rng.normal(size=(30, 6))) for _ in range(200)
    ]
    matrices = sum(weights.ndim == 2 for weights, _ in found)
    assert matrices <= 3  # three standard errors: .13 % each
    x, e = rng.normal(size=(30, 5)), rng.normal(size=(30, 6))
    assert residual_moments(x, e)[0] == pytest.approx(shrunk_squares(e)[0])


def test_residuals_made_of_the_inputs_keep_their_covariance():
    rng = np.random.default_rng(5)
    x = np.linalg.qr(rng.normal(size=(40, 6)))[0] * np.sqrt(40)
    covariance, kept = residual_moments(x, -x)
    assert kept == 1.0
    assert covariance == pytest.approx(x @ x.T / 6, abs=1e-12)
    noise = 0.5 * rng.normal(size=(40, 6))
    mixed, _ = residual_moments(x, noise - x)
    values = np.linalg.eigvalsh(mixed)
    assert np.trace(mixed) == pytest.approx(40)
    assert values[:34] == pytest.approx(values[0])  # equal variances beyond the inputs
    assert values[34:].min() > 10 * values[0]


def test_more_inputs_than_samples_and_no_residuals_leave_equal_weights():
    rng = np.random.default_rng(6)
    assert residual_moments(rng.normal(size=(5, 8)), rng.normal(size=(5, 4)))[0].shape == (5,)
    assert residual_moments(rng.normal(size=(9, 3)), np.zeros((9, 4)))[0] == pytest.approx(1)
