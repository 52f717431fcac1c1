"""Losses: values, derivatives and which targets they take."""

import numpy as np
import pytest
from network_cases import (
    LOSS_NAMES,
    reference_loss_curvature,
    reference_loss_gradient,
    reference_loss_of_sample,
)

from rmtland.networks import LOSSES, MLP

OUTPUTS = np.array([[0.3, -1.2, 2.0], [4.0, 0.0, -3.0]])
TARGETS = {
    "mse": np.array([[1.0, 0.0, -2.0], [0.5, 3.0, 1.0]]),
    "cross_entropy": np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]]),
    "logistic": np.array([[1.0, 0.0, 0.25], [0.0, 1.0, 1.0]]),
}


def at(loss, y, n_out=3, m=2):
    net = MLP((2, n_out), loss=loss)
    return net.at(np.zeros(2 * n_out), np.ones((m, 2)), y)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_value_gradient_and_curvature(name):
    loss, y = LOSSES[name], TARGETS[name]
    pairs = list(zip(OUTPUTS, y, strict=True))
    expected = sum(reference_loss_of_sample(name, o, t) for o, t in pairs)
    assert float(loss.value(OUTPUTS, y)) == pytest.approx(expected, rel=1e-14)
    gradient = [reference_loss_gradient(name, o, t) for o, t in pairs]
    np.testing.assert_allclose(loss.gradient(OUTPUTS, y), gradient, atol=1e-15)
    curvature = loss.curvature(OUTPUTS)
    vectors = np.random.default_rng(0).standard_normal((2, 4, 3))
    matrices = np.array([reference_loss_curvature(name, o) for o in OUTPUTS])
    products = np.einsum("mij,mkj->mki", matrices, vectors)
    np.testing.assert_allclose(curvature.times(vectors), products, atol=1e-15)
    turned = curvature.times_samples_last(vectors.transpose(2, 1, 0))
    np.testing.assert_allclose(turned, products.transpose(2, 1, 0), atol=1e-15)


@pytest.mark.parametrize("name", ["cross_entropy", "logistic"])
def test_confident_logits_overflow_nowhere(name):
    loss, outputs = LOSSES[name], np.array([[1000.0, -1000.0]])
    right, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert float(loss.value(outputs, right)) == 0.0
    assert float(loss.value(outputs, wrong)) == 2000.0
    np.testing.assert_array_equal(loss.gradient(outputs, right), [[0.0, 0.0]])
    assert np.isfinite(loss.curvature(outputs).times(np.ones((1, 1, 2)))).all()


def test_labels_are_indicator_variables():
    labels = at("cross_entropy", [2, 0])
    rows = at("cross_entropy", [[0, 0, 1], [1, 0, 0]])
    assert labels.loss == rows.loss == pytest.approx(np.log(3))
    np.testing.assert_array_equal(labels.gradient, rows.gradient)
    assert at("cross_entropy", [2.0, 0.0]).loss == labels.loss
    assert at("logistic", [1, 0], n_out=1).loss == at("logistic", [[1], [0]], n_out=1).loss
    assert at("logistic", [True, False], n_out=1).loss == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (
            "cross_entropy",
            [0, 3],
            "labels must lie between 0 and 2 for 3 outputs; 1 of 2 lie outside",
        ),
        ("cross_entropy", [-1, 5], "2 of 2 lie outside, the first is -1"),
        ("cross_entropy", [0.5, 1.0], "integer labels, or rows of probabilities"),
        ("cross_entropy", [0, 1, 2], "one row per sample of x; got"),
        ("cross_entropy", [[0.5, 0.2, 0.2], [1, 0, 0]], "rows of y must be probabilities"),
        ("cross_entropy", [[1.5, -0.5, 0], [1, 0, 0]], "entries down to -0.5"),
        ("cross_entropy", [[1, 0], [0, 1]], r"y must have shape \(2, 3\)"),
        ("cross_entropy", [[np.nan, 0, 1], [1, 0, 0]], "y holds 1 NaN"),
        ("logistic", [[0, 1, 2], [0, 0, 0]], "labels must be 0 or 1, .* got values from 0 to 2"),
        ("logistic", [[-1, 1, 1], [1, 1, 1]], "got values from -1 to 1"),
        ("logistic", [0, 1], r"y must have shape \(2, 3\)"),
        ("mse", [0, 1], r"y must have shape \(2, 3\)"),
    ],
)
def test_bad_targets(loss, y, message):
    with pytest.raises(ValueError, match=message):
        at(loss, y)


def test_targets_that_are_no_numbers():
    with pytest.raises(TypeError, match="y must be real numbers"):
        at("mse", [["a", "b", "c"], ["d", "e", "f"]])


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_drawn_targets_have_the_mean_and_variance_of_the_model(name):
    """At such targets the gradient has mean zero and covariance Lambda."""
    loss, draws = LOSSES[name], 20_000
    outputs = np.tile(np.array([[0.3, -1.2, 2.0]]), (draws, 1))
    y = loss.draw(outputs, np.random.default_rng(0))
    gradient = loss.gradient(outputs, y)
    covariance = gradient.T @ gradient / draws
    assert np.abs(gradient.mean(axis=0)).max() < 5 / np.sqrt(draws)
    expected = reference_loss_curvature(name, outputs[0])
    assert np.abs(covariance - expected).max() < 8 / np.sqrt(draws)
    if name != "mse":
        assert set(np.unique(y)) == {0.0, 1.0}
