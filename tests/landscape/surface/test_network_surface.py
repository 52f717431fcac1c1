"""Losses at many points together are those of single points; a network's surface is its loss."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP

LOSSES = ("mse", "cross_entropy", "logistic")


def surface_of(net, samples, rng):
    y = rng.standard_normal((samples, net.n_out))
    if net.loss == "cross_entropy":
        y = rng.integers(net.n_out, size=samples)
    elif net.loss == "logistic":
        y = rng.integers(2, size=(samples, net.n_out)).astype(float)
    return NetworkSurface.of(net, rng.standard_normal((samples, net.n_in)), y)


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    activation=st.sampled_from(["tanh", "relu", "gelu", "quadratic"]),
    loss=st.sampled_from(LOSSES),
    bias=st.booleans(),
    decay=st.sampled_from([0.0, 0.3]),
    parametrisation=st.sampled_from(["standard", "ntk"]),
    directions=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_batches_and_planes_agree_with_single_points(
    widths, activation, loss, bias, decay, parametrisation, directions, seed
):
    rng = np.random.default_rng(seed)
    net = MLP(
        widths, activation, bias, loss=loss, weight_decay=decay, parametrisation=parametrisation
    )
    surface = surface_of(net, 7, rng)
    origin = rng.standard_normal(surface.size)
    rows = rng.standard_normal((directions, surface.size))
    points = rng.standard_normal((9, directions))
    thetas = origin + points @ rows
    alone = [surface.point.at(theta).loss for theta in thetas]
    np.testing.assert_allclose(surface.losses(thetas), alone, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        surface.plane_losses(origin, rows, points), alone, rtol=1e-11, atol=1e-13
    )


def test_chunks_of_points_and_of_samples_are_put_together(monkeypatch):
    from rmtland.landscape.surface import network_batches

    rng, net = np.random.default_rng(0), MLP((3, 4, 2), weight_decay=0.1)
    x, y = rng.standard_normal((11, 3)), rng.standard_normal((11, 2))
    whole = NetworkSurface.of(net, x, y)
    pieces = NetworkSurface(net.at(np.zeros(20), x, y, chunk=4))
    thetas = rng.standard_normal((10, 20))
    monkeypatch.setattr(network_batches, "CHUNK_BYTES", 8 * 11 * 4 * 3)
    np.testing.assert_allclose(pieces.losses(thetas), whole.losses(thetas), rtol=1e-13)
    plane = (thetas[0], thetas[1:3], rng.standard_normal((10, 2)))
    np.testing.assert_allclose(pieces.plane_losses(*plane), whole.plane_losses(*plane), rtol=1e-13)


def test_confident_softmax_keeps_its_small_loss():
    net = MLP((1, 2), loss="cross_entropy")
    surface = NetworkSurface.of(net, [[1.0]], [0])
    found = surface.losses([[40.0, 0.0]])
    np.testing.assert_allclose(found, np.exp(-40.0), rtol=1e-12)


def test_overflow_is_refused_with_its_number():
    surface = NetworkSurface.of(MLP((1, 1, 1), "quadratic"), [[1.0]], [[0.0]])
    with pytest.raises(ValueError, match="overflows floating-point numbers at 1 of 2 points"):
        surface.losses([[1.0, 1.0], [1e200, 1e200]])


@pytest.mark.parametrize(
    ("thetas", "message"),
    [
        ([[1.0]], r"shape \(k, 6\)"),
        ([1.0] * 6, "2 axes"),
        ([[np.nan] * 6], "NaN"),
        ([[np.inf] * 6], "infinite"),
    ],
)
def test_bad_points_are_refused(thetas, message):
    surface = NetworkSurface.of(MLP((2, 2, 1)), np.eye(2), [[1.0], [0.0]])
    with pytest.raises(ValueError, match=message):
        surface.losses(thetas)


def test_single_precision_is_refused():
    point = MLP((1, 1)).at(np.zeros(1, np.float32), np.ones((1, 1), np.float32), [[1.0]])
    with pytest.raises(ValueError, match="double precision"):
        NetworkSurface(point)


def test_a_function_is_asked_at_its_own_points_only():
    """A function that does not look at its argument answered for points of another space."""
    bowl = FunctionSurface(2, lambda t: (float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(2))
    for ask in (bowl.loss, bowl.gradient, bowl.hessian, lambda t: bowl.product(t, np.ones(2))):
        with pytest.raises(ValueError, match="theta must have 2 entries; got 3"):
            ask(np.ones(3))
        with pytest.raises(ValueError, match="1 NaN"):
            ask(np.array([np.nan, 1.0]))
        with pytest.raises(TypeError, match="real numbers"):
            ask(np.ones(2) * 1j)


def test_a_function_has_products_by_differences():
    def cubic(theta):
        return float((theta**3).sum()), 3.0 * theta**2

    exact = FunctionSurface(3, cubic, lambda theta: np.diag(6.0 * theta))
    differences = FunctionSurface(3, cubic)
    theta = np.array([0.5, -2.0, 1.0])
    np.testing.assert_allclose(differences.hessian(theta), exact.hessian(theta), atol=1e-7)
    np.testing.assert_allclose(exact.operator(theta) @ np.ones(3), 6.0 * theta)
    assert exact.losses(np.ones((2, 3))).tolist() == [3.0, 3.0]
    np.testing.assert_allclose(exact.plane_losses(theta, np.eye(3), np.eye(3)[:1]), -3.625)
