"""Laws of layered Jacobians against closed forms and draws; kernels against the network's own."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.depth import JacobianLaw, LayerFactor, LayerStack, depth_scan
from rmtland.laws import FussCatalan
from rmtland.models import InputOutputJacobian
from rmtland.networks import MLP

ONE = LayerFactor((1.0,), (1.0,))


@pytest.mark.parametrize("depth", [1, 2, 5, 40])
def test_linear_gaussian_layers_have_the_fuss_catalan_law(depth):
    law, exact = JacobianLaw((ONE,) * depth), FussCatalan(depth)
    levels = np.array([0.02, 0.1, 0.5, 0.9, 0.995])
    found = law.log_quantile(levels)
    # the density of log x is about 1/(L + 1) wide: errors there, not in x
    assert np.abs(found - np.log(exact.ppf(levels))).max() < 0.01 * (depth + 1)
    edge = (depth + 1) * math.log(depth + 1) - depth * math.log(depth)
    assert law.log_top == pytest.approx(edge, rel=1e-9)
    assert law.mass == pytest.approx(1.0, abs=1e-3)


def test_relu_layers_have_the_law_of_the_model_with_its_atom():
    model = InputOutputJacobian(3, activation="relu", weight_variance=2.0)
    law = LayerStack(64, 3, activation="relu", weight_variance=2.0).law()
    assert law.null_share == pytest.approx(model.law.atoms[0][1], abs=1e-12)
    levels = [0.55, 0.75, 0.95]
    assert np.exp(law.log_quantile(levels)) == pytest.approx(model.law.ppf(levels), rel=0.02)
    assert math.exp(law.log_top) == pytest.approx(model.law.hull[1], rel=1e-9)
    assert law.mean == pytest.approx(model.mean())


def test_orthogonal_layers_have_the_law_of_drawn_matrices():
    rng, n = np.random.default_rng(0), 300
    squares, masses = (0.2, 0.6, 1.0), (0.3, 0.3, 0.4)
    law = JacobianLaw((LayerFactor(squares, masses, "orthogonal"),) * 6)
    J = np.eye(n)
    for _ in range(6):
        slopes = np.sqrt(rng.permutation(np.repeat(squares, [90, 90, 120])))
        J = slopes[:, None] * np.linalg.qr(rng.standard_normal((n, n)))[0] @ J
    drawn = np.log(np.linalg.svd(J, compute_uv=False) ** 2)
    levels = [0.05, 0.3, 0.5, 0.8, 0.95]
    assert law.log_quantile(levels) == pytest.approx(np.quantile(drawn, levels), abs=0.1)
    assert drawn.max() < law.log_top + 0.05
    atoms = JacobianLaw((LayerFactor(squares, masses, "orthogonal"),))  # smeared, in place
    assert atoms.log_quantile([0.15, 0.45, 0.8]) == pytest.approx(np.log(squares), abs=0.01)


@settings(max_examples=6, deadline=None)
@given(
    kind=st.sampled_from(["gaussian", "skip"]),
    depth=st.integers(1, 20),
    places=st.lists(st.floats(0.01, 2.0), min_size=1, max_size=3),
    seed=st.integers(0, 100),
)
def test_the_mass_is_one_and_the_edge_above_every_quantile(kind, depth, places, seed):
    masses = np.random.default_rng(seed).dirichlet(np.ones(len(places)))
    law = JacobianLaw((LayerFactor(tuple(places), tuple(masses), kind),) * depth)
    assert law.mass == pytest.approx(1.0, abs=5e-3)
    found = law.log_quantile([0.1, 0.5, 0.9, 0.99])
    assert (np.diff(found) > 0).all()
    assert found[-1] < law.log_top + 1e-3
    assert math.log(law.mean) < law.log_top


@pytest.mark.parametrize("mixed", [False, True])
def test_residual_layers_have_the_law_of_drawn_matrices(mixed):
    """1 + D W for Gaussian W: R-diagonal plus one; layers may differ."""
    rng, n = np.random.default_rng(0), 300
    squares = [(0.5, 1.0), (0.1, 0.4), (1.5, 0.2)]
    kinds = ["skip", "gaussian" if mixed else "skip", "skip"]
    law = JacobianLaw(
        tuple(LayerFactor(s, (0.5, 0.5), k) for s, k in zip(squares, kinds, strict=True))
    )
    values = []
    for _ in range(4):
        J = np.eye(n)
        for pair, kind in zip(squares, kinds, strict=True):
            slopes = np.sqrt(rng.permutation(np.repeat(pair, n // 2)))
            A = slopes[:, None] * rng.standard_normal((n, n)) / math.sqrt(n)
            J = (A + np.eye(n) if kind == "skip" else A) @ J
        values.append(np.linalg.svd(J, compute_uv=False) ** 2)
    levels = np.array([0.1, 0.3, 0.5, 0.8, 0.95])
    drawn = np.quantile(np.ravel(values), levels)
    # the density of log x is flattest, and its quantiles scatter most, at the lower end
    assert np.exp(law.log_quantile(levels[1:])) == pytest.approx(drawn[1:], rel=0.06)
    assert np.exp(law.log_quantile(levels[0])) == pytest.approx(drawn[0], rel=0.2)
    assert law.mean == pytest.approx(np.mean(values), rel=0.05)


@pytest.mark.parametrize("kind", ["plain", "normalised", "residual"])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_jacobians_are_those_of_differences(kind, weights):
    stack = LayerStack(6, 3, kind=kind, weights=weights, branch_scale=0.7)
    drawn = stack.draw(rng=0)
    x = np.random.default_rng(1).standard_normal(6)

    def output(h):
        for W in drawn:
            z = W @ h
            if kind == "normalised":
                z = z * math.sqrt(6) / np.linalg.norm(z)
            h = h + 0.7 * np.tanh(z) if kind == "residual" else np.tanh(z)
        return h

    h = 1e-5
    exact = np.array([(output(x + h * e) - output(x - h * e)) / (2 * h) for e in np.eye(6)]).T
    assert np.allclose(stack.jacobian(x, drawn), exact, atol=1e-8)


@pytest.mark.parametrize("kind", ["plain", "normalised", "residual"])
def test_the_gauss_newton_kernel_is_that_of_differences(kind):
    stack = LayerStack(4, 2, kind=kind, branch_scale=0.7)
    drawn, rng = stack.draw(rng=0), np.random.default_rng(1)
    x, V = rng.standard_normal((3, 4)), rng.standard_normal((2, 4))

    def outputs(theta):
        W1, W2, readout = np.split(theta, [16, 32])
        h = x
        for W in (W1.reshape(4, 4), W2.reshape(4, 4)):
            z = h @ W.T
            if kind == "normalised":
                z = 2 * z / np.linalg.norm(z, axis=1, keepdims=True)
            h = h + 0.7 * np.tanh(z) if kind == "residual" else np.tanh(z)
        return (h @ readout.reshape(2, 4).T / 2).ravel()

    theta = np.concatenate([W.ravel() for W in (*drawn, V)])
    h = 1e-5
    J = np.array([(outputs(theta + h * e) - outputs(theta - h * e)) / (2 * h) for e in np.eye(40)])
    assert np.allclose(stack.gauss_newton_kernel(x, drawn, V), J.T @ J / 3, atol=1e-8)


def test_a_plain_stack_is_the_multilayer_perceptron():
    stack = LayerStack(5, 2)
    drawn, rng = stack.draw(rng=0), np.random.default_rng(1)
    x, V = rng.standard_normal((4, 5)), rng.standard_normal((2, 5))
    net = MLP((5, 5, 5, 2))
    theta = np.concatenate([W.ravel() for W in (*drawn, V / math.sqrt(5))])
    J = net.at(theta, x, np.zeros((4, 2))).jacobian()
    J[:, 50:] /= math.sqrt(5)
    assert np.allclose(stack.gauss_newton_kernel(x, drawn, V), J @ J.T / 4, atol=1e-13)


def test_graded_singular_values_keep_their_digits():
    """Diagonal layers, so that the answer is known far below rounding."""
    stack = LayerStack(6, 12, activation="linear")
    growth = np.array([3.0, 1.0, 0.3, 0.1, 0.03, 0.01])
    rng = np.random.default_rng(0)
    basis = [np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(13)]
    drawn = [basis[i + 1] @ np.diag(growth) @ basis[i].T for i in range(12)]
    found = stack.log_singular_values(np.ones(6), drawn)
    assert np.allclose(found, 12 * np.log(growth), atol=1e-6)
    assert found[0] - found[-1] > 60  # far below rounding


@pytest.mark.parametrize("small", [1e-10, 1e-13])
def test_small_is_not_zero(small):
    """Two groups of values, nothing between: below rounding of the product, but not mapped to 0."""
    rng, growth = np.random.default_rng(0), np.array([1, 1, 0.5, small, small, small])
    basis = [np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(3)]
    drawn = [basis[i + 1] @ np.diag(growth) @ basis[i].T for i in range(2)]
    found = LayerStack(6, 2, activation="linear").log_singular_values(np.ones(6), drawn)
    assert np.allclose(found, 2 * np.log(growth), atol=1e-2 if small < 1e-12 else 1e-4)
    narrow = LayerStack(3, 60, activation="linear")
    assert np.isfinite(narrow.log_singular_values(np.ones(3), narrow.draw(rng=0))).all()


def test_values_beside_zeros_keep_their_digits():
    """Dead units leave singular values of the others that lie close together."""
    stack = LayerStack(8, 3, activation="relu")
    for seed in range(3):
        drawn = stack.draw(rng=seed)
        x = np.random.default_rng(seed).standard_normal(8)
        exact = np.linalg.svd(stack.jacobian(x, drawn), compute_uv=False)
        found = stack.log_singular_values(x, drawn)
        kept = np.isfinite(found)
        assert (~kept).sum() == (exact < 1e-12 * exact[0]).sum() > 0
        assert found[kept] == pytest.approx(np.log(exact[kept]), abs=1e-10)


def test_directions_mapped_to_zero_are_counted():
    stack = LayerStack(8, 3, kind="normalised")
    found = stack.log_singular_values(np.ones(8), stack.draw(rng=0))
    assert np.isneginf(found).sum() == 1  # the scale of the input does not matter
    dead = LayerStack(4, 1, activation="relu")
    W = np.diag([1.0, 1.0, -1.0, -1.0])
    assert np.isneginf(dead.log_singular_values(np.ones(4), [W])).sum() == 2


def test_condition_numbers_grow_as_the_law_says():
    scan = depth_scan([2, 4, 8], width=32, draws=3, rng=0)
    assert np.exp(np.log(scan.spread).mean(axis=1)) == pytest.approx(
        scan.predicted("spread"), rel=0.6
    )
    plain = scan.growth("jacobian")
    assert plain.rate.low > 1.0  # exp(L) and more
    assert (scan.null == 0).all()
    short = depth_scan([2, 4, 8], width=32, kind="residual", branch_scale=0.2, draws=3, rng=0)
    assert (short.jacobian < 5).all()
    assert np.exp(np.log(short.jacobian).mean(axis=1)) == pytest.approx(
        short.predicted("jacobian"), rel=0.2
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="kind"):
        LayerStack(4, 2, kind="dense")
    with pytest.raises(ValueError, match="needs Gaussian weights"):
        LayerStack(4, 2, kind="residual", weights="orthogonal").law()
    with pytest.raises(ValueError, match="above the atom"):
        LayerStack(4, 2, activation="relu").law().log_quantile(0.3)
    with pytest.raises(ValueError, match="at least one layer"):
        JacobianLaw(())
    for places, masses, message in (
        ((1.0,), (0.5,), "add up to 1"),
        ((1.0, 2.0), (-0.5, 1.5), "at least 0"),
        ((1.0, 2.0), (1.0,), "one weight"),
        ((math.nan,), (1.0,), "squared slopes"),
    ):
        with pytest.raises(ValueError, match=message):
            JacobianLaw((LayerFactor(places, masses),))
    with pytest.raises(ValueError, match="below 1/2"):
        JacobianLaw((ONE,)).spread(0.7)
    with pytest.raises(ValueError, match="must be 2 matrices"):
        LayerStack(4, 2).jacobian(np.ones(4), [np.eye(4)])
    with pytest.raises(ValueError, match="4 columns"):
        LayerStack(4, 1).gauss_newton_kernel(np.ones((2, 3)), [np.eye(4)], np.ones((1, 4)))
    with pytest.raises(ValueError, match="columns, one a unit"):
        depth_scan([1, 2], width=4, inputs=np.ones((3, 5)), draws=1)
    with pytest.raises(ValueError, match="size must be"):
        LayerStack(4, 2).law().condition_number(0)
    loud = LayerStack(3, 60, activation="linear", weight_variance=1e12)
    with pytest.raises(ValueError, match="overflows floating-point numbers"):
        loud.log_singular_values(np.ones(3), loud.draw(rng=0))
    with pytest.raises(ValueError, match="three depths"):
        depth_scan([1, 2], width=4, draws=1, law=False).growth("spread")
    with pytest.raises(ValueError, match="row of zeros"):
        depth_scan([1, 2], width=4, inputs=np.zeros((3, 4)), draws=1)


def test_a_law_left_out_says_why():
    scan = depth_scan([1, 2], width=8, weights="orthogonal", draws=1, rng=0)
    assert scan.laws[0] is None
    assert "has mass" in scan.reasons[0]
    assert scan.laws[1] is not None
    assert scan.reasons[1] == ""
    assert "law=False" in depth_scan([1], width=8, draws=1, law=False).reasons[0]
