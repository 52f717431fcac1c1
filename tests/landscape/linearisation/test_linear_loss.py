"""Linearised losses against explicit linear algebra, step by step."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.linearisation import LinearisedLoss, SpectralDescent, linearise
from rmtland.networks import MLP, gaussian
from rmtland.solution import ConvergenceError


def drawn(m, k, p, seed, rank=None):
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((m * k, p))
    if rank is not None:
        J = rng.standard_normal((m * k, rank)) @ rng.standard_normal((rank, p))
    return J, rng.standard_normal(m * k)


@settings(max_examples=40, deadline=None)
@given(
    m=st.integers(1, 6),
    k=st.integers(1, 3),
    p=st.integers(1, 30),
    rank=st.none() | st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_the_gauss_newton_step_is_the_pseudo_inverse(m, k, p, rank, seed):
    J, r = drawn(m, k, p, seed, rank)
    tangent = LinearisedLoss.of_jacobian(J, r, samples=m)
    found = tangent.gauss_newton()
    exact = -np.linalg.pinv(J, rcond=1e-9) @ r
    size = np.linalg.norm(exact)
    assert np.linalg.norm(found.step - exact) <= 1e-7 * size
    assert found.norm == pytest.approx(size, rel=1e-7)
    assert found.residual <= 1e-6
    assert abs(found.excess) <= 1e-6
    left = np.linalg.norm(r + J @ exact)
    assert found.unreachable * np.linalg.norm(r) == pytest.approx(left, abs=1e-7)
    assert tangent.rank + tangent.null_dimension == p
    assert tangent.rank == np.linalg.matrix_rank(J, tol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    m=st.integers(1, 5),
    p=st.integers(1, 12),
    relative=st.floats(0.01, 2.4),
    steps=st.integers(0, 25),
    seed=st.integers(0, 10**6),
)
def test_descent_is_that_of_explicit_iteration_for_every_step_size(m, p, relative, steps, seed):
    J, r = drawn(m, 1, p, seed)
    tangent = LinearisedLoss.of_jacobian(J, r, samples=m)
    eta = relative * m / np.linalg.eigvalsh(J @ J.T)[-1]
    descent = tangent.descent(eta)
    moved = np.zeros(p)
    for _ in range(steps):
        moved = moved - eta / m * J.T @ (r + J @ moved)
    assert descent.loss(steps) == pytest.approx(tangent.loss(moved), rel=1e-7, abs=1e-12)
    assert descent.distance(steps) == pytest.approx(np.linalg.norm(moved), rel=1e-6, abs=1e-12)
    scale = 1 + np.abs(J @ moved).max()
    assert np.allclose(tangent.outputs(steps, eta), J @ moved, atol=1e-9 * scale)
    assert np.allclose(tangent.displacement(steps, eta), moved, atol=1e-6 * scale)
    assert descent.stable == (relative <= 2.0)


def test_an_unstable_mode_that_the_residual_has_no_part_in_adds_nothing():
    descent = SpectralDescent(np.array([1.0, 4.0]), np.array([1.0, 0.0]), 0.0, 1, 0.9)
    assert descent.loss([1, 10**9]) == pytest.approx([0.005, 0.0])
    assert descent.distance(10**9) == pytest.approx(1.0)
    assert descent.steps_to(0.01) == 1
    assert descent.steps_to(1e-3) == 2
    grows = SpectralDescent(np.array([1.0, 3.0, 4.0]), np.array([1.0, 1.0, 0.0]), 0.0, 1, 0.9)
    with pytest.raises(ValueError, match=r"take less than 0\.666667 = "):
        grows.steps_to(0.01)


def test_held_out_outputs_move_by_the_cross_kernel():
    J, r = drawn(4, 1, 9, 0)
    other = np.random.default_rng(1).standard_normal((3, 9))
    tangent = LinearisedLoss.of_jacobian(J, r, samples=4)
    moved = tangent.displacement(7, 0.1)
    assert np.allclose(tangent.outputs(7, 0.1, cross=other @ J.T), other @ moved, atol=1e-12)


def test_the_printed_rate_holds_at_the_best_step_only():
    """(kappa - 1)/(kappa + 1) is not the rate of smaller steps, and the loss contracts by it
    squared."""
    descent = SpectralDescent(np.array([1.0, 9.0]), np.array([1.0, 1.0]), 0.0, 1, 0.2)
    printed = (descent.condition_number - 1) / (descent.condition_number + 1)
    assert descent.best_step_size == pytest.approx(0.2)
    assert descent.rate == pytest.approx(printed)
    assert descent.loss(5) / descent.loss(0) == pytest.approx(printed**10)
    smaller = SpectralDescent(np.array([1.0, 9.0]), np.array([1.0, 1.0]), 0.0, 1, 0.1)
    assert smaller.rate == pytest.approx(0.9)
    assert smaller.rate > printed
    many = 60
    assert smaller.loss(many) / smaller.loss(0) > printed**many  # the printed bound is broken


@pytest.mark.parametrize("fraction", [1.0, 0.7, 0.1, 1e-6])
def test_steps_to_a_fraction_are_the_first_that_reach_it(fraction):
    J, r = drawn(3, 1, 8, 2)
    descent = LinearisedLoss.of_jacobian(J, r, samples=3).descent()
    losses = descent.loss(np.arange(4000))
    assert descent.steps_to(fraction) == np.argmax(losses <= fraction * losses[0])


def test_a_fraction_below_what_is_reachable_is_refused():
    descent = SpectralDescent(np.array([1.0]), np.array([1.0]), 1.0, 1, 0.5)
    with pytest.raises(ValueError, match=r"falls to 0\.5 of the first"):
        descent.steps_to(0.4)
    unstable = SpectralDescent(np.array([1.0]), np.array([1.0]), 0.0, 1, 2.5)
    with pytest.raises(ValueError, match="take less than 2"):
        unstable.steps_to(0.4)
    assert unstable.loss(3) == pytest.approx(0.5 * 1.5**6)
    assert unstable.loss(10**6) == np.inf


def test_early_stopping_lies_above_its_ridge_filter_by_at_most_a_half():
    values = np.geomspace(1e-6, 1.0, 400)
    descent = SpectralDescent(values, np.ones(400), 0.0, 1, 1.0)
    for steps in (1, 2, 10, 1000, 10**7):
        gap = descent.filter_factors(steps) - descent.ridge_factors(steps)
        assert gap.min() >= -1e-15
        assert gap.max() <= 0.5
    small = SpectralDescent(values, np.ones(400), 0.0, 1, 1e-5)
    assert small.loss(10**6) == pytest.approx(small.flow_loss(10.0), rel=1e-4)


def test_small_filter_factors_keep_their_digits():
    descent = SpectralDescent(np.array([1e-14, 1.0]), np.ones(2), 0.0, 1, 1.0)
    assert descent.filter_factors(3)[0] == pytest.approx(3e-14, rel=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_a_network_gives_kernel_and_products_of_its_jacobian(bias):
    data, net = gaussian(5, 3, rng=0), MLP((3, 7, 3), bias=bias, parametrisation="ntk")
    point = net.at(net.init(rng=1), data.x, data.y)
    tangent, J = linearise(point), point.jacobian()
    direct = LinearisedLoss.of_jacobian(J, point.residuals, samples=5)
    assert np.allclose(tangent.eigenvalues, direct.eigenvalues, atol=1e-12)
    assert np.allclose(tangent.gauss_newton().step, direct.gauss_newton().step, atol=1e-9)
    assert tangent.loss(np.zeros(net.parameter_count)) == pytest.approx(point.loss)


def test_repeated_samples_lower_the_rank_and_the_gap_says_so():
    data, net = gaussian(4, 3, rng=0), MLP((3, 30, 1))
    x = np.vstack([data.x, data.x[:1]])
    tangent = linearise(net.at(net.init(rng=0), x, np.arange(5.0)[:, None]))
    assert tangent.rank == 4
    assert tangent.gap > 1e8
    found = tangent.gauss_newton()
    assert found.unreachable > 0.1  # two targets for one input


def test_the_rank_of_single_precision_is_that_of_its_rounding():
    rng = np.random.default_rng(0)
    J = (rng.standard_normal((6, 2)) @ rng.standard_normal((2, 8))).astype(np.float32)
    tangent = LinearisedLoss.of_jacobian(J, np.ones(6), samples=6)
    assert tangent.rank == 2
    assert tangent.gap > 1e10
    assert LinearisedLoss.of_jacobian(J.astype(float), np.ones(6), samples=6).rank == 6
    net, data = MLP((3, 30, 1)), gaussian(4, 3, rng=0)
    x = np.vstack([data.x, data.x[:1]]).astype(np.float32)
    theta = net.init(rng=0).astype(np.float32)
    assert linearise(net.at(theta, x, np.ones((5, 1), np.float32))).rank == 4


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_squares_that_are_no_numbers_are_refused(unit):
    with pytest.raises(ValueError, match="jacobian has entries of"):
        LinearisedLoss.of_jacobian(unit * np.eye(2), np.ones(2), samples=2)
    with pytest.raises(ValueError, match="residuals has entries of"):
        LinearisedLoss.of_jacobian(np.eye(2), unit * np.ones(2), samples=2)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="step must have 2 entries"):
        LinearisedLoss.of_jacobian(np.eye(2), np.ones(2), samples=2).loss(np.ones(3))
    data = gaussian(4, 3, rng=0)
    theta = np.zeros(12)
    with pytest.raises(ValueError, match="weight_decay=0"):
        linearise(MLP((3, 2, 3), weight_decay=0.1).at(theta, data.x, data.y))
    with pytest.raises(ValueError, match="loss='mse'"):
        linearise(MLP((3, 2, 3), loss="cross_entropy").at(theta, data.x, [0, 1, 2, 0]))
    zero = linearise(MLP((3, 2, 3)).at(theta, data.x, data.y))
    with pytest.raises(ValueError, match="Jacobian of the outputs is zero"):
        zero.gauss_newton()
    with pytest.raises(ValueError, match="one row for each residual"):
        LinearisedLoss.of_jacobian(np.ones((3, 2)), np.ones(4), samples=2)
    with pytest.raises(TypeError, match="residuals must be real"):
        LinearisedLoss.of_jacobian(np.eye(2), np.array([1j, 2.0]), samples=2)
    descent = SpectralDescent(np.ones(1), np.ones(1), 0.0, 1, 0.5)
    with pytest.raises(ValueError, match="at least 0"):
        descent.loss(-1)
    with pytest.raises(ValueError, match="integers"):
        descent.loss(1.5)
    with pytest.raises(ValueError, match="eigenvalues must be positive"):
        SpectralDescent(np.array([0.0]), np.ones(1), 0.0, 1, 0.5)


def nearly_singular(smallest):
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    right, _ = np.linalg.qr(rng.standard_normal((9, 6)))
    J = left @ np.diag([1, 1, 1, 1, 1, smallest]) @ right.T
    tangent = LinearisedLoss.of_jacobian(J, left[:, 5] + 1e-3 * left[:, 0], samples=6)
    return J, tangent, -right @ np.array([1e-3, 0, 0, 0, 0, 1 / smallest])


@pytest.mark.parametrize("smallest", [1e-3, 1e-6, 1e-8])
def test_small_singular_values_keep_their_digits_where_the_jacobian_is_formed(smallest):
    J, tangent, exact = nearly_singular(smallest)
    found = tangent.gauss_newton()
    assert tangent.rank == 6
    assert np.linalg.norm(J @ found.step + tangent.residuals) < 1e-14 / smallest
    assert np.linalg.norm(found.step - exact) < 1e-14 / smallest**2
    assert tangent.condition_number == pytest.approx(smallest**-2, rel=1e-6)


@pytest.mark.parametrize("smallest", [1e-3, 1e-5, 1e-6, 2e-7, 1e-8, 1e-12])
def test_from_the_kernel_a_step_is_right_or_refused(smallest):
    J, tangent, _ = nearly_singular(smallest)
    tangent = replace(tangent, jacobian=None)
    off = stated = 0.0
    with suppress(ConvergenceError):
        found = tangent.gauss_newton()
        off = np.linalg.norm(J @ found.step + tangent.residuals)
        stated = found.unreachable * np.linalg.norm(tangent.residuals)
    assert off <= stated + 1e-5
    assert stated > 0.5 or tangent.rank == 6
