"""The manifold of minimisers: ranks, dimensions, tangent spaces, walks with known ends."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.manifold import Minimiser, interpolate, polish, walk_along
from rmtland.networks import MLP, gaussian
from rmtland.solution import ConvergenceError


def hyperbola(w1, w2=None):
    """Return o = w2 w1 x on x = y = 1: minimisers w1 w2 = 1, sharpness w1^2 + w2^2."""
    net = MLP((1, 1, 1), activation="linear")
    return net.at([w1, 1 / w1 if w2 is None else w2], [[1.0]], [[1.0]])


def test_the_sharpness_on_a_hyperbola_and_its_flattest_point():
    start = Minimiser(hyperbola(3.0))
    assert start.sharpness == pytest.approx(9 + 1 / 9)
    assert (start.rank, start.dimension, start.equations) == (1, 1, 1)
    walk = walk_along(start, "flatter", step=0.05, steps=200)
    assert walk.sharpness[-1] == pytest.approx(2.0, abs=1e-4)
    assert walk.losses.max() < 1e-24
    assert np.all(np.diff(walk.sharpness) < 0)
    assert walk.reason in ("stationary", "no step")
    w = np.array([point.theta for point in walk.points])
    assert np.allclose(w[:, 0] * w[:, 1], 1.0, atol=1e-12)
    up = walk_along(start, "sharper", step=0.05, steps=10)
    assert np.all(np.diff(up.sharpness) > 0)
    assert up.lengths[-1] == pytest.approx(0.5, rel=0.01)


@settings(max_examples=20, deadline=None)
@given(
    m=st.integers(1, 5),
    n_in=st.integers(2, 4),
    n_out=st.integers(1, 3),
    bias=st.booleans(),
    seed=st.integers(0, 10**5),
)
def test_wide_tanh_networks_have_full_rank_and_dimension_p_minus_r_m(m, n_in, n_out, bias, seed):
    rng = np.random.default_rng(seed)
    net = MLP((n_in, 3 * m + n_out, n_out), bias=bias)
    x, y = rng.standard_normal((m, n_in)), 0.5 * rng.standard_normal((m, n_out))
    found = interpolate(net, net.init(rng=seed), x, y)
    p = net.parameter_count
    assert found.residual < 1e-10
    assert found.rank == m * n_out
    assert found.dimension == p - m * n_out
    assert found.exceptions == ()
    basis = found.tangent_basis()
    assert basis.shape == (p, found.dimension)
    J = found.point.jacobian()
    assert np.abs(J @ basis).max() < 1e-10 * (1 + np.abs(J).max())
    assert np.allclose(basis.T @ basis, np.eye(found.dimension), atol=1e-10)
    v = rng.standard_normal(p)
    assert np.allclose(found.tangent_part(v), basis @ (basis.T @ v), atol=1e-8)
    H = found.point.hessian("total")
    assert found.sharpness == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-6)
    assert found.trace == pytest.approx(np.trace(H), rel=1e-6)
    assert (np.abs(np.linalg.eigvalsh(H)) > 1e-8 * found.sharpness).sum() <= found.rank


def test_the_gradient_of_the_sharpness_is_that_of_differences():
    data, net = gaussian(5, 3, rng=0), MLP((3, 14, 2), bias=True)
    found = interpolate(net, net.init(rng=1), data.x, 0.5 * data.y[:, :2])
    slope = found.sharpness_gradient()
    rng = np.random.default_rng(0)
    for _ in range(3):
        v = rng.standard_normal(net.parameter_count)
        h = 1e-5
        ends = [
            np.linalg.svd(found.point.at(found.theta + s * h * v).jacobian())[1][0] ** 2 / 5
            for s in (1, -1)
        ]
        assert slope @ v == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


def test_a_random_walk_stays_at_zero_loss_and_keeps_its_rank():
    data, net = gaussian(5, 3, rng=0), MLP((3, 14, 2))
    start = interpolate(net, net.init(rng=1), data.x, 0.5 * data.y[:, :2])
    walk = walk_along(start, "random", steps=8, rng=0)
    assert walk.losses.max() < 1e-20
    assert set(walk.ranks.tolist()) == {10}
    assert walk.reason == "steps"
    assert (np.diff(walk.distances) > 0).all()
    assert (walk.distances <= walk.lengths + 1e-12).all()
    again = walk_along(start, "random", steps=8, rng=0)
    assert np.array_equal(again.points[-1].theta, walk.points[-1].theta)


def test_exceptions_are_named_with_rank_residual_and_gap():
    data, y = gaussian(4, 3, rng=0), np.arange(4.0)[:, None] / 4
    net = MLP((3, 5, 1), activation="relu")
    theta = net.init(rng=0)
    W1 = theta[:15].reshape(5, 3)
    W1[0] = -10 * np.abs(W1[0])
    x = np.abs(data.x)
    dead = Minimiser(net.at(theta, x, y))
    assert any("dead units" in reason for reason in dead.exceptions) or dead.is_regular
    # one unit alive, 4 equations: rank 3 at most
    theta[:12] = -1.0
    theta[12:15] = 1.0
    one = Minimiser(net.at(theta, x, y))
    assert one.rank == 3
    assert one.exceptions[0].startswith("4 dead units in hidden layer 1")
    assert one.gap > 1e8
    assert not one.interpolates
    repeated = Minimiser(net.at(net.init(rng=0), np.vstack([x, x[:1]]), np.vstack([y, y[:1]])))
    assert any("inputs of another" in reason for reason in repeated.exceptions)
    with pytest.raises(ValueError, match=r"rank 3 of 4 at the start"):
        walk_along(one)


def test_narrow_networks_are_reported_or_refused():
    data, net = gaussian(12, 3, rng=0), MLP((3, 1, 3))
    with pytest.raises(ConvergenceError, match="does not fit 36 numbers"):
        interpolate(net, net.init(rng=0), data.x, data.y, max_steps=200)
    found = interpolate(net, net.init(rng=0), data.x, data.y, max_steps=200, throw=False)
    assert not found.interpolates
    assert found.residual > 0.1
    assert found.rank <= 6
    assert "6 parameters for 36 equations" in found.exceptions
    assert "a hidden layer of 1 units for 3 outputs" in found.exceptions


@pytest.mark.parametrize("bias", [False, True])
def test_samples_that_share_their_units_lose_rank(bias):
    """Three samples on one unit: 3 r equations of rank r + 3 - 1, with biases r - 1 more."""
    rng = np.random.default_rng(0)
    net = MLP((6, 20, 4), activation="relu", bias=bias)
    x = rng.standard_normal((8, 6))
    theta = net.init(rng=1)
    W1 = theta[:120].reshape(20, 6)
    for i in range(1, 20):  # all units but the first are off for the first three samples
        W1[i] -= np.linalg.lstsq(x[:3], x[:3] @ W1[i] + 1.0, rcond=None)[0]
    W1[0] = np.linalg.lstsq(x[:3], np.array([1.0, 2.0, 4.0]), rcond=None)[0]
    point = net.at(theta, x, rng.standard_normal((8, 4)))
    found = Minimiser(point)
    rows = found.point.jacobian()[:12]
    bound = 4 + 3 - 1 + 3 * bias  # the unit's bias is on for all three: as that of the outputs
    assert np.linalg.matrix_rank(rows) == bound
    (reason,) = [one for one in found.exceptions if "switch on the same" in one]
    equations, least = (
        int(part.split()[0]) for part in (reason.split(": ")[1], reason.split()[-1:][0])
    )
    assert equations - least >= 12 - bound
    assert found.rank <= 32 - (equations - least)


def test_single_precision_is_polished_in_double():
    data, net = gaussian(4, 3, rng=0), MLP((3, 9, 1))
    x, y = data.x.astype(np.float32), data.y[:, :1].astype(np.float32)
    found = interpolate(net, net.init(rng=0).astype(np.float32), x, y)
    assert found.residual < 1e-14
    assert (found.rank, found.theta.dtype) == (4, np.float64)
    # three samples, one of them twice: single precision would round it to full rank
    twice = net.at(net.init(rng=0).astype(np.float32), np.vstack([x[:3], x[:1]]), y)
    assert Minimiser(twice).rank == 3


def test_linear_networks_have_the_rank_of_their_end_to_end_map():
    """o = W2 W1 x at full rank: 2 n^2 parameters, n^2 functions of them, samples n."""
    data, net = gaussian(3, 3, rng=0), MLP((3, 4, 3), activation="linear")
    found = interpolate(net, net.init(rng=0), data.x, data.y)
    assert (found.rank, found.dimension) == (9, 24 - 9)


def test_bad_input_is_refused():
    data, theta = gaussian(4, 3, rng=0), np.zeros(12)
    with pytest.raises(ValueError, match="weight_decay=0"):
        polish(MLP((3, 2, 3), weight_decay=0.1).at(theta, data.x, data.y))
    with pytest.raises(ValueError, match="loss='mse'"):
        polish(MLP((3, 2, 3), loss="logistic").at(theta, data.x, data.x > 0))
    with pytest.raises(ValueError, match="direction"):
        walk_along(Minimiser(hyperbola(1.0)), "up")
    with pytest.raises(ValueError, match="residual of 2 of the targets"):
        walk_along(Minimiser(hyperbola(1.0, 3.0)))
    isolated = MLP((1, 1)).at([1.0], [[1.0]], [[1.0]])
    with pytest.raises(ValueError, match="isolated"):
        walk_along(Minimiser(isolated))


def test_tangent_parts_are_those_of_vectors_of_the_network():
    """A column of shape (p, 1) was broadcast to numbers that mean nothing."""
    net = MLP((2, 3, 1))
    here = Minimiser(net.at(net.init(rng=0), np.eye(2), np.ones((2, 1))))
    for vector, message in ((np.ones((9, 1)), "1 axes"), (np.ones(8), "9 entries; got 8")):
        with pytest.raises(ValueError, match=message):
            here.tangent_part(vector)
