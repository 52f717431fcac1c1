"""Minimised networks, single units, added units: known answers and independent routes."""

import numpy as np
import pytest

from rmtland.landscape.minimisers import (
    Complement,
    measure_added_unit,
    minimised_networks,
    random_weights,
    unit_slopes,
)
from rmtland.landscape.minimisers.networks import relative_energy
from rmtland.networks import MLP
from rmtland.networks.activation import activation


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    return rng.standard_normal((4, 30)), rng.standard_normal((3, 30))


@pytest.mark.parametrize("name", ["tanh", "relu", "sine", "quadratic"])
def test_energy_and_gradient_are_those_of_the_network(data, name):
    x, y = data
    theta = random_weights((4, 5, 3), batch=2, rng=0)
    function = relative_energy(np.stack([x, x]), np.stack([y, y]), hidden=5, activation=name)
    values, gradients = function(theta[1:], np.array([1]))
    point = MLP((4, 5, 3), activation=name).at(theta[1], x.T, y.T)
    scale = 2 * y.shape[1] / (y * y).sum()  # the loss is a mean over the samples of half a square
    assert values[0] == pytest.approx(scale * point.loss, rel=1e-12)
    np.testing.assert_allclose(gradients[0], scale * point.gradient, rtol=1e-9, atol=1e-13)


def test_a_linear_network_reaches_the_singular_values(data):
    """k linear units take the k largest singular values of the least-squares map (Eckart-Young)."""
    x, y = data
    q = np.linalg.qr(x.T)[0]
    squares = np.linalg.svd(y @ q, compute_uv=False) ** 2
    for k in (1, 2):
        found = minimised_networks(x[None], y[None], hidden=k, activation="linear", rng=0)
        best = 1 - squares[:k].sum() / (y * y).sum()
        assert found.values[0] == pytest.approx(best, abs=1e-5)
        assert found.values[0] >= best - 1e-12


def test_one_unit_is_a_network_of_one_unit(data):
    x, y = data
    slopes = unit_slopes(x, y, starts=40, centred=False, rng=0)
    many = [np.broadcast_to(one, (40, *one.shape)) for one in (x, y)]
    network = minimised_networks(*many, hidden=1, rng=1)
    phi = 7 / (30 * 3)
    # the same problem by another route: where both are converged, the best of 40 agree
    best = (1 - network.values.min()) / phi
    assert slopes.highest == pytest.approx(best, rel=2e-2)


def test_the_mean_is_what_centring_takes(data):
    """Targets that are all mean cannot be explained by centred units."""
    x, _ = data
    y = np.ones((2, 30)) + 1e-9 * np.random.default_rng(0).standard_normal((2, 30))
    with_mean = unit_slopes(x, y, activation="relu", starts=4, centred=False, rng=0)
    without = unit_slopes(x, y, activation="relu", starts=4, rng=0)
    assert with_mean.highest > 1
    assert without.highest < 1e-12


def test_gains_of_units_are_least_squares(data):
    """R is the fall of the squared error when unit and old units' first order are fitted."""
    x, y = data
    theta = random_weights((4, 3, 3), batch=1, rng=0)[0]
    point = MLP((4, 3, 3)).at(theta, x.T, y.T)
    jacobian = point.jacobian()
    complement = Complement(jacobian, 3)
    assert complement.rank == np.linalg.matrix_rank(jacobian)
    residual = complement.project(y.T)
    np.testing.assert_allclose(jacobian.T @ residual.ravel(), 0, atol=1e-10)
    w = np.random.default_rng(1).standard_normal((2, 4))
    a = activation("tanh").value(w @ x)
    gains, derivative, share = complement.gains(residual, a)
    for unit in range(2):
        columns = np.einsum("m,ij->mij", a[unit], np.eye(3)).reshape(90, 3)
        design = np.hstack([jacobian, columns])
        left = np.linalg.lstsq(design, residual.ravel(), rcond=None)[1:2] or None
        fitted = design @ np.linalg.lstsq(design, residual.ravel(), rcond=None)[0]
        assert left is not None
        fall = (residual**2).sum() - ((residual.ravel() - fitted) ** 2).sum()
        assert gains[unit] == pytest.approx(fall, rel=1e-6)
    step = 1e-6 * np.random.default_rng(2).standard_normal(a.shape)
    change = complement.gains(residual, a + step)[0] - complement.gains(residual, a - step)[0]
    np.testing.assert_allclose(change, 2 * (derivative * step).sum(axis=1), rtol=1e-4)
    assert ((share > 0) & (share < 1.2)).all()


def test_an_added_linear_unit_gains_the_next_singular_value():
    """One law of the derivation fails for linear units, and by how much is known."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((2, 6, 36))
    q = np.linalg.qr(x.T)[0]
    squares = np.linalg.svd(y @ q, compute_uv=False) ** 2
    found = measure_added_unit(x, y, hidden=2, activation="linear", starts=2, rng=0)
    before = (y * y).sum() - squares[:2].sum()
    step = 12 / (36 * 6)
    assert found.rank_share == pytest.approx((24 - 4) / 216)
    expected = np.log(1 - squares[2] / before) / np.log1p(-step / (1 - found.phi))
    assert found.regained == pytest.approx(expected, rel=1e-3)


def test_data_that_do_not_fit_are_refused(data):
    x, y = data
    with pytest.raises(ValueError, match="starts, n0, m"):
        minimised_networks(x, y, hidden=2)
    with pytest.raises(ValueError, match="all targets"):
        minimised_networks(x[None], 0 * y[None], hidden=2)
    with pytest.raises(ValueError, match="NaN of 120 values"):
        minimised_networks(x[None] * np.nan, y[None], hidden=2)
    with pytest.raises(ValueError, match=r"shapes \(n0, m\)"):
        unit_slopes(x, y[:, :-1])
    with pytest.raises(ValueError, match="not all the same"):
        unit_slopes(x, np.ones_like(y))
    with pytest.raises(ValueError, match="batch must be an integer of at least 1"):
        random_weights((4, 2, 3), batch=0)
    with pytest.raises(ValueError, match="fewer hidden units"):
        measure_added_unit(x, y, hidden=20)
