"""Free slopes: exact where they are free, off by 1/n otherwise, and their quadrature."""

from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.models import DysonHessian
from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.models.dyson.trace_quadrature import trace_quadrature

Z = np.array([-0.4, 0.1, 0.6, 1.7]) + 0.1j


def network(n0, n1, n2, m, activation="relu", epsilon=0.5, seed=0, **options):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(n1, n0)) / np.sqrt(n0)
    return DysonHessian.of_first_layer(
        first,
        rng.normal(size=(m, n0)),
        outputs=n2,
        epsilon=epsilon,
        activation=activation,
        **options,
        rng=0,
    )


def free(model):
    return replace(model, coupling="free_slopes")


@examples(12)
@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.integers(1, 14),
    st.sampled_from(["total", "gauss_newton", "residual"]),
    st.sampled_from([1e-3, 0.5, 20.0]),
)
def test_constant_slopes_are_free(widths, m, part, epsilon):
    # f(z) = z: nothing is neglected, also where samples are fewer than inputs.
    model = network(*widths, m, "linear", epsilon, part=part)
    z = Z * max(1.0, np.sqrt(epsilon))
    exact = model.solve(z, tolerance=1e-10).value
    assert free(model).solve(z, tolerance=1e-10).value == pytest.approx(exact, rel=3e-5)
    x = z.real[2]
    assert free(model).smoothed_cdf(x, eta=0.2) == pytest.approx(
        model.smoothed_cdf(x, eta=0.2), abs=1e-5
    )


def test_covariance_of_the_second_layer_enters_by_its_eigenvalues():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5)) / 4
    sigma = root @ root.T + np.diag([0.0, 0.1, 0.3, 0.5, 2.0])
    options = {"part": "gauss_newton", "second_layer": sigma}
    model = network(4, 5, 6, 20, "linear", **options)
    assert free(model).stieltjes(Z) == pytest.approx(model.stieltjes(Z), rel=2e-5)
    # A unit without weights has nothing but a zero block: node 0 of the quadrature.
    options["second_layer"] = np.array([0.0, 0.0, 0.0, 0.4, 0.4])
    model = network(4, 5, 6, 20, "linear", **options)
    assert free(model).stieltjes(Z) == pytest.approx(model.stieltjes(Z), rel=2e-5)


@pytest.mark.parametrize(("part", "widths"), [("gauss_newton", (6, 30)), ("total", (5, 18))])
def test_slopes_that_do_not_know_the_data(part, widths):
    rng = np.random.default_rng(2)
    errors = []
    for n in widths:
        x, features = rng.normal(size=(4 * n, n)), rng.normal(size=(n, 4 * n))
        slopes = rng.choice([0.2, 1.0], size=(n, 4 * n))
        curvatures = 0.3 * rng.normal(size=(n, 4 * n))
        model = DysonHessian(features, slopes, x, n, 0.5, part_name=part, curvatures=curvatures)
        exact = model.stieltjes(Z)
        errors.append(np.abs(free(model).stieltjes(Z) - exact).max() / np.abs(exact).max())
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.7 / widths[1]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_error_falls_with_the_width(activation):
    x = np.linspace(0.05, 3.0, 7)
    errors = []
    for n in (8, 24):
        model = network(n, n, n, 4 * n, activation, 0.0, part="gauss_newton")
        exact = model.smoothed_pdf(x, eta=0.1)
        near = free(model).smoothed_pdf(x, eta=0.1)
        errors.append(np.abs(near - exact).max() / exact.max())
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.7 / 24


def test_coupled_units_are_seen():
    # With slopes that are nearly constant, free slopes are nearly exact; single units are not.
    rng = np.random.default_rng(7)
    x, features = rng.normal(size=(12, 8)), rng.normal(size=(8, 12))
    model = DysonHessian(features, 1 + 0.01 * rng.normal(size=(8, 12)), x, 8, 0.5)
    exact = model.stieltjes(Z)
    without = np.abs(replace(model, coupling="units").stieltjes(Z) - exact).max()
    assert without > 0.05
    assert np.abs(free(model).stieltjes(Z) - exact).max() < without / 20


@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
@pytest.mark.parametrize("uneven", [False, True])
def test_potential_is_the_integral_of_the_stieltjes_transform(part, uneven):
    model = free(network(5, 4, 6, 12, "tanh", 0.4, part=part))
    if uneven:
        shares = np.random.default_rng(3).random(12) + 0.5
        model = replace(model, residual_weights=shares)
    levels = model.smoothed_cdf([0.299, 0.301], eta=0.1, tolerance=1e-11)
    slope = (levels[1] - levels[0]) / 2e-3
    assert slope == pytest.approx(model.smoothed_pdf(0.3, eta=0.1), rel=1e-3)
    ends = model.smoothed_cdf([-1e5, 1e5], eta=0.1)
    assert ends == pytest.approx([0.0, 1.0], abs=1e-5)
    g = model.solve(300j, tolerance=1e-13).value
    assert ((300j * g - 1) * 300j).real == pytest.approx(model.mean(), abs=0.05)


def test_two_bases_agree():
    # Residuals of unlike size need all directions of the samples; nearly alike is continuous.
    model = free(network(4, 5, 6, 20, "tanh", 0.4))
    shares = 1 + 1e-9 * np.random.default_rng(4).random(20)
    other = replace(model, residual_weights=shares)
    assert other.equation.memory > model.equation.memory
    assert other.stieltjes(Z) == pytest.approx(model.stieltjes(Z), rel=1e-5)
    assert other.smoothed_cdf(0.2, eta=0.1) == pytest.approx(
        model.smoothed_cdf(0.2, eta=0.1), abs=1e-5
    )


def test_samples_are_resolved_in_the_basis():
    model = network(3, 4, 5, 12, "tanh", 0.4)
    equation = free(model).equation
    solved = equation.fixed_point(0.3 + 0.2j, None, 1e-10)
    m_s = equation.sample_block(solved.blocks.outer)
    exact = model.equation.fixed_point(0.3 + 0.2j, None, 1e-10).blocks.s
    assert m_s == pytest.approx(m_s.T, abs=1e-12)
    assert np.linalg.norm(m_s - exact) < 0.2 * np.linalg.norm(exact)


@pytest.mark.parametrize(
    ("slopes", "features"), [(np.zeros, np.ones), (np.ones, np.zeros), (np.zeros, np.zeros)]
)
@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
def test_degenerate_networks(slopes, features, part):
    x = np.random.default_rng(5).normal(size=(6, 3))
    model = DysonHessian(features((4, 6)), slopes((4, 6)), x, 2, 0.3, part_name=part)
    assert free(model).stieltjes(Z) == pytest.approx(model.stieltjes(Z), rel=1e-5)


def test_nothing_random_is_left():
    # H1 without residuals, and H0 without second layer: the blocks themselves are taken.
    for options in (
        {"part": "residual", "epsilon": 0.0},
        {"part": "gauss_newton", "second_layer": 0.0},
    ):
        model = network(3, 4, 5, 12, "tanh", **options)
        assert not isinstance(free(model).equation, FreeSlopes)
        assert free(model).stieltjes(Z) == pytest.approx(model.stieltjes(Z), rel=1e-9)
    blind = DysonHessian(np.ones((3, 5)), np.ones((3, 5)), np.zeros((5, 2)), 4, 0.5)
    assert free(blind).stieltjes(Z) == pytest.approx(blind.stieltjes(Z), rel=1e-9)


def test_covariance_with_residuals_is_refused():
    model = network(3, 4, 5, 12, "tanh", second_layer=np.array([0.1, 0.2, 0.3, 0.4]))
    with pytest.raises(ValueError, match="one variance"):
        free(model).stieltjes(Z)
    assert free(model.part("residual")).stieltjes(Z).shape == Z.shape


def test_quadrature_of_a_complex_symmetric_matrix():
    rng = np.random.default_rng(6)
    raw = rng.normal(size=(9, 9)) + 1j * rng.normal(size=(9, 9))
    a = raw + raw.T
    nodes, weights, polynomials, coefficients = trace_quadrature(a, 4)
    power = np.eye(9, dtype=complex)
    for degree in range(8):
        exact = np.trace(power) / 9
        assert weights @ nodes**degree == pytest.approx(exact, abs=1e-9 * np.linalg.norm(power))
        power = power @ a
    for j, left in enumerate(polynomials):
        for k, right in enumerate(polynomials):
            assert np.trace(left @ right) / 9 == pytest.approx(float(j == k), abs=1e-9)
    # A cubic is what the values at four nodes say it is.
    values = nodes**3 - nodes
    rebuilt = sum(
        (column @ values) * matrix
        for column, matrix in zip(coefficients.T, polynomials, strict=True)
    )
    assert rebuilt == pytest.approx(a @ a @ a - a, abs=1e-8 * np.linalg.norm(a) ** 3)


def test_quadrature_stops_where_it_is_exact():
    a = np.diag(np.array([1.0, 1.0, 1.0, -2.0, -2.0]) - 0.5j)
    nodes, weights, _, _ = trace_quadrature(a, 6)
    order = np.argsort(nodes.real)
    assert nodes[order] == pytest.approx([-2 - 0.5j, 1 - 0.5j], abs=1e-12)
    assert weights[order] == pytest.approx([0.4, 0.6], abs=1e-12)
    assert len(trace_quadrature(np.eye(3) * 2j, 4)[0]) == 1
    assert len(trace_quadrature(np.zeros((3, 3), dtype=complex), 4)[0]) == 1
