"""Exact Hessians against a complex-step derivative of a gradient written apart from them."""

import tracemalloc

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from network_cases import (
    ACTIVATION_NAMES,
    CASES,
    LOSS_NAMES,
    STEP,
    NetworkCase,
    reference_gauss_newton,
    reference_gradient,
    reference_hessian,
    reference_loss_curvature,
    reference_outputs,
)

from rmtland.networks import MLP, HessianSplit, gaussian
from rmtland.networks.derivatives import general_blocks, hessian, last_layers
from rmtland.networks.derivatives.hessian import assemble_split


def close(actual, expected, tolerance=1e-12):
    scale = np.abs(expected).max() + 1e-3
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def split_of(case, *, structured=True):
    point = case.point
    return assemble_split(
        point.passes,
        case.net.blocks,
        samples=case.samples,
        weight_decay=case.weight_decay,
        structured=structured,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_split_against_complex_step(case):
    split = case.point.hessian()
    total, gauss_newton = reference_hessian(case), reference_gauss_newton(case)
    close(split.total, total)
    close(split.gauss_newton, gauss_newton)
    close(split.residual, total - gauss_newton)
    close(case.point.hessian("total"), total)
    np.testing.assert_array_equal(case.point.hessian("gauss_newton"), split.gauss_newton)
    np.testing.assert_array_equal(case.point.hessian("residual"), split.residual)
    assert split.parameter_count == case.net.parameter_count


@pytest.mark.parametrize("case", CASES, ids=str)
def test_symmetry_and_sum_hold_to_the_last_bit(case):
    split = case.point.hessian()
    for matrix in (split.gauss_newton, split.residual, split.total, case.point.hessian("total")):
        assert matrix.dtype == np.float64
        np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(split.total, split.gauss_newton + split.residual)
    assert split.total is split.total
    eigenvalues = np.linalg.eigvalsh(split.gauss_newton)
    assert eigenvalues[0] > -1e-13 * (1 + eigenvalues[-1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_structured_blocks_equal_the_general_recursion(case):
    fast, general = split_of(case), split_of(case, structured=False)
    close(fast.gauss_newton, general.gauss_newton, 1e-14)
    close(fast.residual, general.residual, 1e-14)
    np.testing.assert_array_equal(general.gauss_newton, general.gauss_newton.T)
    np.testing.assert_array_equal(general.residual, general.residual.T)
    np.testing.assert_array_equal(general.total, general.gauss_newton + general.residual)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("widths", [(21, 40, 3), (31, 13, 3), (1, 400, 1)])  # 384 rows at a time
def test_structured_blocks_wider_than_one_matrix_product(widths, bias):
    case = NetworkCase(widths, "tanh", bias, 15)
    fast, general = split_of(case), split_of(case, structured=False)
    close(fast.gauss_newton, general.gauss_newton, 1e-14)
    close(fast.residual, general.residual, 1e-14)
    np.testing.assert_array_equal(fast.total, fast.total.T)


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(
    "case",
    [
        NetworkCase((3, 5, 2), "tanh", True, 11),
        NetworkCase((2, 4, 3, 2), "gelu", True, 11, loss="cross_entropy"),
        NetworkCase((2, 4, 3, 2), "tanh", False, 11, parametrisation="ntk", weight_decay=0.1),
    ],
    ids=str,
)
def test_small_workspaces_change_nothing(monkeypatch, case, structured):
    """One sample and few rows at a time: every chunk is added to the matrix."""
    whole = split_of(case, structured=structured)
    total = case.point.hessian("total")
    monkeypatch.setattr(hessian, "WORKSPACE", 1)
    monkeypatch.setattr(general_blocks, "FACTOR", 50)
    monkeypatch.setattr(general_blocks, "PRODUCT", 50)
    monkeypatch.setattr(last_layers, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(hessian, "SHARE", 10**9)
    chunked = split_of(case, structured=structured)
    close(chunked.gauss_newton, whole.gauss_newton, 1e-14)
    close(chunked.residual, whole.residual, 1e-14)
    close(case.point.hessian("total"), total, 1e-14)
    np.testing.assert_array_equal(chunked.total, chunked.total.T)
    np.testing.assert_array_equal(chunked.total, chunked.gauss_newton + chunked.residual)


@pytest.mark.parametrize("widths", [(24, 24, 24), (18, 18, 18, 18)])
def test_peak_memory_is_at_most_three_times_the_result(widths):
    data = gaussian(800, widths[0], rng=0)
    net = MLP(widths)
    point = net.at(net.init(rng=1), data.x, data.y)
    _ = point.gradient
    for part, matrices in ((None, 2), ("total", 1)):
        point.hessian(part) if part else point.hessian()
        tracemalloc.start()
        result = point.hessian(part) if part else point.hessian()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        del result
        size = 8 * net.parameter_count**2
        assert peak < 3 * matrices * size + hessian.WORKSPACE


def test_blocks_by_name():
    case = NetworkCase((3, 4, 2), "tanh", True, 9)
    split = case.point.hessian()
    assert split.names == ("W1", "b1", "W2", "b2")
    for part in ("total", "gauss_newton", "residual"):
        matrix = getattr(split, part)
        rows = [
            np.hstack([split.block(row, column, part=part) for column in split.names])
            for row in split.names
        ]
        np.testing.assert_array_equal(np.vstack(rows), matrix)
    assert split.block("W1", "b2").shape == (12, 2)
    assert split.parts == ("gauss_newton", "residual", "total")
    assert all(split.part(name) is getattr(split, name) for name in split.parts)
    with pytest.raises(ValueError, match="unknown part 'H1'; choose one of gauss_newton"):
        split.part("H1")
    with pytest.raises(ValueError, match="unknown block 'W3'; choose one of W1, b1, W2, b2"):
        split.block("W1", "W3")
    with pytest.raises(ValueError, match="unknown part 'H0'"):
        split.block("W1", "W2", part="H0")
    with pytest.raises(ValueError, match="does not know the layout"):
        HessianSplit(np.eye(2), np.eye(2)).block("W1", "W2")


def test_unknown_parts():
    point = NetworkCase((3, 2), "tanh", True, 9).point
    for call in (point.hessian, point.operator):
        with pytest.raises(ValueError, match="unknown part 'half'; choose one of gauss_newton"):
            call("half")


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_weight_decay_adds_to_the_gauss_newton_part(loss):
    bare = NetworkCase((3, 4, 2), "gelu", True, 6, loss=loss)
    decayed = NetworkCase((3, 4, 2), "gelu", True, 6, loss=loss, weight_decay=0.7)
    p = bare.net.parameter_count
    first, second = bare.point.hessian(), decayed.point.hessian()
    close(second.gauss_newton, first.gauss_newton + 0.7 * np.eye(p), 1e-15)
    np.testing.assert_array_equal(second.residual, first.residual)
    np.testing.assert_array_equal(decayed.point.fisher(), first.gauss_newton)


def test_ntk_parametrisation_is_a_change_of_variables():
    ntk = NetworkCase((4, 5, 3, 2), "tanh", True, 9, parametrisation="ntk")
    scales = np.ones(ntk.net.parameter_count)
    for block in ntk.net.blocks:
        if not block.is_bias:
            scales[block.slice] = block.shape[1] ** -0.5
    standard = MLP(ntk.widths, bias=True).at(scales * ntk.theta, ntk.x, ntk.y)
    close(ntk.point.prediction, standard.prediction, 1e-14)
    close(ntk.point.gradient, scales * standard.gradient, 1e-14)
    for part in ("total", "gauss_newton", "residual"):
        expected = np.outer(scales, scales) * standard.hessian(part)
        close(ntk.point.hessian(part), expected, 1e-14)


networks = st.builds(
    NetworkCase,
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=6).map(tuple),
    activation=st.sampled_from(ACTIVATION_NAMES),
    bias=st.booleans(),
    samples=st.integers(1, 20),
    seed=st.integers(0, 10**6),
    loss=st.sampled_from(LOSS_NAMES),
    weight_decay=st.sampled_from([0.0, 0.1, 3.0]),
    parametrisation=st.sampled_from(["standard", "ntk"]),
)


@examples(80)
@given(case=networks)
def test_any_network_along_a_random_direction(case):
    split = case.point.hessian()
    direction = np.random.default_rng(case.seed).standard_normal(split.parameter_count)
    derivative = reference_gradient(case, case.theta + 1j * STEP * direction).imag / STEP
    scale = np.abs(split.gauss_newton).sum(axis=1).max() + 1e-3
    scale += np.abs(split.residual).sum(axis=1).max()
    np.testing.assert_allclose(split.total @ direction, derivative, rtol=0, atol=1e-11 * scale)
    np.testing.assert_allclose(case.point.hvp(direction), derivative, rtol=0, atol=1e-11 * scale)
    pushed = reference_outputs(case, case.theta + 1j * STEP * direction).imag / STEP
    outputs = reference_outputs(case, case.theta)
    expected = sum(
        d @ reference_loss_curvature(case.loss, o) @ d for d, o in zip(pushed, outputs, strict=True)
    )
    expected = expected / case.samples + case.weight_decay * (direction @ direction)
    quadratic = direction @ split.gauss_newton @ direction
    assert quadratic == pytest.approx(expected, rel=1e-9, abs=1e-12 * scale)
    np.testing.assert_array_equal(split.total, split.total.T)


@examples(60)
@given(case=networks.filter(lambda case: case.activation not in ("relu", "leaky_relu")))
def test_any_smooth_network_against_finite_differences(case):
    """Central differences with one Richardson step: error of order h^4, and rounding eps/h."""
    point = case.point
    direction = np.random.default_rng(case.seed).standard_normal(len(case.theta))
    direction /= np.linalg.norm(direction)

    def difference(h):
        ends = [point.at(case.theta + sign * h * direction) for sign in (1, -1)]
        return (ends[0].gradient - ends[1].gradient) / (2 * h), (ends[0].loss - ends[1].loss) / (
            2 * h
        )

    h = 2e-3
    (coarse, rise), (fine, step) = difference(2 * h), difference(h)
    split = point.hessian()
    scale = sum(np.abs(split.part(name)).sum(axis=1).max() for name in split.parts)
    scale += np.abs(point.gradient).max() + 1.0
    size = 1.0 + np.abs(case.theta).sum() ** 2  # of higher derivatives, those of squares of squares
    np.testing.assert_allclose(
        point.hvp(direction), (4 * fine - coarse) / 3, rtol=0, atol=1e-8 * scale * size
    )
    np.testing.assert_allclose(split.total @ direction, point.hvp(direction), atol=1e-12 * scale)
    slope = point.gradient @ direction
    assert slope == pytest.approx((4 * step - rise) / 3, abs=1e-8 * scale * size)


def rescaling(case, layer, unit):
    """Return d theta/d log c where hidden unit's incoming weights grow and outgoing shrink."""
    net = case.net
    direction = np.zeros(net.parameter_count)
    parameters = dict(zip((b.name for b in net.blocks), net.unflatten(case.theta), strict=True))
    views = dict(zip((b.name for b in net.blocks), net.unflatten(direction), strict=True))
    views[f"W{layer}"][unit] = parameters[f"W{layer}"][unit]
    if case.bias:
        views[f"b{layer}"][unit] = parameters[f"b{layer}"][unit]
    views[f"W{layer + 1}"][:, unit] = -parameters[f"W{layer + 1}"][:, unit]
    return direction


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
def test_rescaling_a_hidden_unit_is_flat_for_relu_and_linear_only(activation, bias):
    case = NetworkCase((4, 5, 4, 3), activation, bias, 30, seed=7)
    split = case.point.hessian()
    jacobian = case.point.jacobian()
    norms = []
    for layer, unit in [(1, 0), (1, 4), (2, 1), (2, 3)]:
        direction = rescaling(case, layer, unit)
        norms += [
            np.abs(split.gauss_newton @ direction).max(),
            np.abs(jacobian @ direction).max(),
            abs(case.point.gradient @ direction),
        ]
    if activation == "tanh":
        assert np.median(norms) > 1e-3
    else:
        assert max(norms) < 1e-13


def test_residual_part_of_relu_and_linear_couples_layers_only():
    for activation in ("relu", "linear"):
        case = NetworkCase((3, 4, 3, 2), activation, False, 9)
        residual = case.point.hessian().residual
        assert np.abs(residual).max() > 0.01
        for block in case.net.blocks:
            assert not residual[block.slice, block.slice].any()


def test_no_residual_part_without_hidden_layer():
    case = NetworkCase((3, 2), "tanh", False, 8)
    split = case.point.hessian()
    close(split.gauss_newton, np.kron(np.eye(2), case.x.T @ case.x / 8), 1e-15)
    assert not split.residual.any()


def test_linear_network_in_sample_space():
    """Each eigenvalue w of W2 W2^T gives the spectrum of (1/m) X^T (W1^T W1 + w) X."""
    n, m = 6, 5
    case = NetworkCase((n, n, n), "linear", False, m)
    w1, w2 = case.net.unflatten(case.theta)
    expected = np.concatenate(
        [
            np.linalg.eigvalsh(case.x @ (w1.T @ w1 + w * np.eye(n)) @ case.x.T / m)
            for w in np.linalg.eigvalsh(w2 @ w2.T)
        ]
    )
    eigenvalues = np.linalg.eigvalsh(case.point.hessian().gauss_newton)
    padded = np.sort(np.concatenate([np.zeros(2 * n * n - n * m), expected]))
    close(eigenvalues, padded, 1e-13)


def test_linear_network_has_half_its_gauss_newton_eigenvalues_at_zero():
    n = 5
    case = NetworkCase((n, n, n), "linear", False, 40)
    eigenvalues = np.linalg.eigvalsh(case.point.hessian().gauss_newton)
    zero = np.abs(eigenvalues) < 1e-12 * eigenvalues[-1]
    assert zero.sum() == n * n


def test_residual_part_vanishes_at_an_exact_fit():
    case = NetworkCase((3, 5, 2), "tanh", True, 9)
    outputs = case.net.predict(case.theta, case.x)
    split = case.net.at(case.theta, case.x, outputs).hessian()
    assert not split.residual.any()
    np.testing.assert_array_equal(split.total, split.gauss_newton)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_permuting_hidden_units_permutes_the_hessian(activation):
    case = NetworkCase((3, 5, 2), activation, True, 9)
    net, order = case.net, np.array([3, 0, 4, 1, 2])
    where = np.arange(net.parameter_count)
    w1, b1, w2, b2 = (view.astype(int) for view in net.unflatten(where))
    permutation = np.concatenate([w1[order].ravel(), b1[order], w2[:, order].ravel(), b2])
    permuted = net.at(case.theta[permutation], case.x, case.y).hessian()
    split = case.point.hessian()
    for name in ("gauss_newton", "residual"):
        close(getattr(permuted, name), getattr(split, name)[np.ix_(permutation, permutation)])


def test_hessian_is_a_mean_over_samples():
    case = NetworkCase((3, 4, 3, 2), "tanh", True, 6)
    whole = case.point.hessian()
    single = [
        case.net.at(case.theta, case.x[i : i + 1], case.y[i : i + 1]).hessian() for i in range(6)
    ]
    close(whole.gauss_newton, np.mean([s.gauss_newton for s in single], axis=0), 1e-14)
    close(whole.residual, np.mean([s.residual for s in single], axis=0), 1e-14)


def test_a_split_can_be_made_from_two_matrices():
    split = HessianSplit(np.eye(3), np.full((3, 3), 2.0))
    np.testing.assert_array_equal(split.total, np.eye(3) + 2.0)
    assert split.parameter_count == 3
    assert "parameter_count=3" in repr(split)


@pytest.mark.parametrize(
    ("gauss_newton", "residual"),
    [
        (np.eye(3), np.eye(2)),
        (np.ones((2, 3)), np.ones((2, 3))),
        (np.ones(3), np.ones(3)),
    ],
)
def test_bad_splits(gauss_newton, residual):
    with pytest.raises(ValueError, match="square matrices of one shape; got"):
        HessianSplit(gauss_newton, residual)


def test_overflow_of_either_part_is_reported():
    net = MLP((1, 1, 1), activation="linear")
    point = net.at([1e-200, 1e200], [[1.0]], [[0.0]])  # H0 holds W2^2
    assert point.loss == 0.5
    with pytest.raises(ValueError, match="the Hessian overflows"):
        point.hessian()
    net = MLP((1, 1, 1, 1), activation="linear")
    theta, x, y = [1e-250, 1e150, 1e-150], [[1e100]], [[1e153]]  # H1 holds e W2 x
    point = net.at(theta, x, y)
    assert np.isfinite(point.gradient).all()
    with pytest.raises(ValueError, match="the Hessian overflows"):
        point.hessian()
    assert np.isfinite(net.at(theta, x, [[0.0]]).hessian().gauss_newton).all()
