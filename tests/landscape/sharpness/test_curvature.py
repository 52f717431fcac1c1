"""Numbers of the Hessian: known matrices, estimates that cover the truth, ranks by the formula."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.sharpness import curvature, generic_ranks, linear_ranks
from rmtland.landscape.sharpness.curvature import _estimated
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP, gaussian, train


def diagonal_toy(values):
    values = np.asarray(values, float)
    return FunctionSurface(
        len(values),
        lambda t: (0.5 * float(t @ (values * t)), values * t),
        lambda t: np.diag(values),
    )


def test_a_diagonal_matrix_is_read_off():
    values = [-2.0, -1e-9, 0.0, 1e-9, 0.5, 1.0, 4.0]
    found = curvature(diagonal_toy(values), np.zeros(7), damping=1.0)
    assert found.exact
    assert found.trace.value == pytest.approx(3.5)
    assert (found.lambda_max.value, found.lambda_min.value) == (4.0, -2.0)
    assert found.condition.value == 8.0
    assert found.left_out == 4
    assert (found.flat.value, found.negative.value, found.rank.value) == (3.0, 1.0, 4.0)
    assert found.effective_dimension.value == pytest.approx(1 / 3 + 1 / 2 + 4 / 5, abs=1e-8)
    assert found.gap == pytest.approx(0.5e9)
    tighter = curvature(diagonal_toy(values), np.zeros(7), tolerance=1e-12)
    assert (tighter.flat.value, tighter.rank.value) == (1.0, 6.0)


def test_no_positive_part_has_no_condition_number():
    found = curvature(diagonal_toy([-1.0, -2.0]), np.zeros(2))
    assert np.isnan(found.condition.value)
    assert found.left_out == 2
    with pytest.raises(ValueError, match="Hessian is zero"):
        curvature(diagonal_toy([0.0, 0.0]), np.zeros(2))


def test_counts_that_hang_on_rounding_say_so():
    """An eigenvalue at the tolerance itself counts, or not; one apart from it does."""
    at = 1e-3 * (1 + 1e-16)
    found = curvature(diagonal_toy([-1e-3, -1e-9, at, 0.5, 1.0]), np.zeros(5), tolerance=1e-3)
    assert (found.rank.low, found.rank.high) == (2.0, 4.0)
    assert (found.flat.low, found.flat.high) == (1.0, 3.0)
    assert (found.negative.low, found.negative.high) == (0.0, 1.0)
    assert found.condition.low == pytest.approx(2.0, rel=1e-12)
    assert found.condition.high == pytest.approx(1000.0, rel=1e-9)
    clear = curvature(diagonal_toy([-1e-3, 0.5, 1.0]), np.zeros(3), tolerance=0.0)
    assert clear.rank == (3.0, 3.0, 3.0)
    assert clear.negative == (1.0, 1.0, 1.0)


def test_estimates_of_few_different_eigenvalues_cover_rounding():
    values = np.repeat([-1.0, 0.0, 1.0], [5, 40, 35])
    exact = curvature(diagonal_toy(values), np.zeros(80))
    found = _estimated(diagonal_toy(values), np.zeros(80), 1e-6, None, 4, 20, 0)
    for name in ("lambda_max", "lambda_min", "condition"):
        low, high = getattr(found, name)[1:]
        assert low <= getattr(exact, name).value <= high, name
    negative = _estimated(diagonal_toy(-1.0 - values**2), np.zeros(80), 1e-6, None, 4, 20, 0)
    assert np.isnan(negative.condition.low)


def test_estimates_cover_what_diagonalisation_finds():
    data, net = gaussian(60, 8, rng=0), MLP((8, 12, 8), weight_decay=1e-3)
    surface = NetworkSurface.of(net, data.x, data.y)
    theta = net.init(rng=0)
    exact = curvature(surface, theta, damping=0.05, tolerance=1e-2)
    found = _estimated(surface, theta, 1e-2, 0.05, 10, 60, 0)
    for name in ("trace", "lambda_max", "lambda_min", "effective_dimension", "negative", "rank"):
        estimate, truth = getattr(found, name), getattr(exact, name).value
        assert estimate.low <= truth <= estimate.high, name
    assert found.condition.low <= exact.condition.high
    assert (found.exact, found.left_out, found.eigenvalues) == (False, None, None)


@settings(max_examples=30, deadline=None)
@given(widths=st.lists(st.integers(1, 5), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_ranks_of_linear_networks_are_those_of_the_formula(widths, seed):
    rng, net = np.random.default_rng(seed), MLP(widths, "linear")
    x, y = rng.standard_normal((9, widths[0])), rng.standard_normal((9, widths[-1]))
    # orthogonal factors and singular values apart: no rank hangs on chance
    theta = net.init(rng=seed)
    for block in net.blocks:
        u, s, v = np.linalg.svd(theta[block.slice].reshape(block.shape), full_matrices=False)
        theta[block.slice] = ((u * np.linspace(0.7, 1.4, len(s))) @ v).ravel()
    found = linear_ranks(net.at(theta, x, y))
    if found.gap > 1e3:  # clear numerical ranks
        assert found[:3] == generic_ranks(widths)[:3]
    assert found.gap > 10.0


def test_inputs_of_low_rank_and_interpolation():
    rng, net = np.random.default_rng(0), MLP((5, 4, 3), "linear")
    x = rng.standard_normal((12, 2)) @ rng.standard_normal((2, 5))
    theta = net.init(rng=0)
    point = net.at(theta, x, rng.standard_normal((12, 3)))
    assert linear_ranks(point)[:3] == generic_ranks((5, 4, 3), input_rank=2)[:3] == (6, 16, 18)
    interpolated = net.at(theta, x, net.predict(theta, x))
    ranks = linear_ranks(interpolated)
    assert (ranks.gauss_newton, ranks.total) == (6, 6)


def test_the_printed_bound_of_the_rank_is_too_small():
    """Printed: rank H <= n + O(c). At interpolation of n samples by c outputs it is n c."""
    samples, outputs = 4, 6
    data = gaussian(samples, 8, rng=0)
    net = MLP((8, 10, outputs))
    theta = train(net, net.init(rng=1), data.x, data.y[:, :outputs], energy=1e-16).theta
    surface = NetworkSurface.of(net, data.x, data.y[:, :outputs])
    found = curvature(surface, theta)
    assert found.rank.value == samples * outputs
    assert found.rank.value > samples + 2 * outputs
    assert found.flat.value == surface.size - samples * outputs


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (MLP((2, 2, 1)), "linear networks"),
        (MLP((2, 2, 1), "linear", weight_decay=0.1), "weight decay"),
        (MLP((2, 2, 1), "linear", True), "biases"),
        (MLP((2, 2, 2), "linear", loss="logistic"), "squared loss"),
    ],
)
def test_other_networks_have_no_formula(net, message):
    point = net.at(net.init(rng=0), np.eye(2), np.zeros((2, net.n_out)))
    with pytest.raises(ValueError, match=message):
        linear_ranks(point)
    with pytest.raises(ValueError, match="at most that rank"):
        generic_ranks((2, 2), input_rank=3)
    with pytest.raises(ValueError, match="at least the inputs"):
        generic_ranks((2,))


def test_a_tolerance_that_counts_nothing_is_refused():
    for tolerance in (1.0, 2.0):
        with pytest.raises(ValueError, match="tolerance must be below 1"):
            curvature(diagonal_toy([1.0, 2.0]), np.zeros(2), tolerance=tolerance)
        net = MLP((2, 1), "linear")
        with pytest.raises(ValueError, match="tolerance must be below 1"):
            linear_ranks(net.at(np.ones(2), np.eye(2), np.ones((2, 1))), tolerance=tolerance)
