"""The Hessian laws of linear networks against exact matrices, moments and one another."""

import itertools

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.models import DysonHessian, LinearHessian
from rmtland.models.linear.wishart_product import wishart_path, wishart_product
from rmtland.networks import MLP

SHAPES = [(1, 1, 1, 4), (2, 1, 1.5, 1.5), (1, 2, 0.5, 3), (1, 0.3, 2, 0.5), (1, 0.1, 0.1, 10)]
ratio = st.floats(-3.0, 3.0).map(lambda power: 10.0**power)


def inside(law, size):
    """Points of all bands, clustered at their ends."""
    angles = np.pi * (np.arange(size) + 0.5) / size
    return np.concatenate(
        [(low + high) / 2 - (high - low) / 2 * np.cos(angles) for low, high in law.support]
    )


@examples(20)
@given(ratio, st.floats(0.01, 100.0))
def test_path_integrates_polynomials_over_the_singular_values(aspect, variance):
    w, weights = wishart_path(aspect, variance, 1 / 30)
    accuracy = 1e-5 if 0.9 < aspect < 1.1 else 1e-10
    assert weights.sum() == pytest.approx(min(1.0, 1 / aspect), rel=accuracy)
    assert weights @ w == pytest.approx(variance, rel=1e-12)
    assert weights @ w**2 == pytest.approx(variance**2 * (1 + aspect), rel=1e-12)


@examples(12)
@given(ratio, ratio, ratio, st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_density_distribution_and_moments_agree(hidden, outputs, samples, tilt, scale):
    law = LinearHessian(
        1.0, hidden, outputs, samples, second_variance=tilt, data_variance=scale
    ).law
    ((place, atom),) = law.atoms
    assert place == 0
    assert 0 < atom < 1
    x = inside(law, 9)
    levels = law.cdf(x)
    assert (np.diff(levels) >= -1e-12).all()
    assert law.cdf(law.support[-1][1] * (1 + 1e-9)) == 1.0
    assert law.cdf(0.0) == pytest.approx(atom)
    step = 1e-5 * x
    slope = (law.cdf(x + step) - law.cdf(x - step)) / (2 * step)
    low, high = law.support[0][0], law.support[-1][1]
    middle = (x > low + 2e-2 * (high - low)) & (x < high - 2e-2 * (high - low))
    assert slope[middle] == pytest.approx(law.pdf(x[middle]), rel=1e-3, abs=1e-4 / high)
    # The mean, from the traces of H0, and from far away
    mean = outputs * (hidden + tilt) * scale / (hidden * (1 + outputs))
    assert law.moment(1) == pytest.approx(mean, rel=1e-12)
    z = 1e5j * high
    assert (z * (z * law.stieltjes(z) - 1)).real == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize(("first", "second"), [(1e3, 0.1), (1e-3, 1e3), (4.0, 2.0), (0.3, 0.5)])
def test_product_of_wisharts_without_its_zeros(first, second):
    law = wishart_product(first, second, 0.7)
    z = law.mean() * np.array([-0.5 + 0.1j, 0.3 + 0.01j, 1.2 + 0.3j, 5 + 0.2j])
    rank = min(1.0, 1 / first, 1 / second)
    m = rank * (z * law.stieltjes(z) - 1)
    assert 0.7 * (1 + m) * (1 + first * m) * (1 + second * m) == pytest.approx(z * m, rel=1e-9)
    assert law.atoms == ()


def test_one_hidden_unit_for_a_thousand_inputs():
    law = LinearHessian(1.0, 1e-3, 1.0, 10.0).law
    assert law.cdf([1e-5, 1e-3, 0.5]) == pytest.approx(law.atoms[0][1], abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_are_integrals_of_the_density(shape):
    law = LinearHessian(*shape).law
    angles = np.pi * (np.arange(500) + 0.5) / 500
    total = np.zeros(3)
    # Edges of components are where the density is not smooth
    ends = [end for w in law._singular_law.support[0] for band in law._bands(w) for end in band]
    ends += [end for band in (*law._zero_component.support, *law.support) for end in band]
    ends = np.unique(np.clip(ends, law.support[0][0], law.support[-1][1]))
    for low, high in itertools.pairwise(ends):
        x = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
        weight = law.pdf(x) * (high - low) / 2 * np.sin(angles) * np.pi / angles.size
        total += [weight @ x, weight @ x**2, weight @ x**3]
    assert total == pytest.approx([law.moment(k) for k in (1, 2, 3)], rel=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_error_covers_a_finer_integral(shape):
    law = LinearHessian(*shape).law
    x = inside(law, 11)
    solution = law.solve(x)
    assert (solution.error < 1e-9 * np.abs(solution.value)).all()
    w, _, g = law._components(x / law._unit + 0j, 1 / 90)
    weights = wishart_path(law._singular_law.aspect_ratio, law._singular_law.scale, 1 / 90)[1]
    u = weights @ (w[:, None] * g + law._v * g / (1 - g))
    if law._positive_fraction < 1:
        u = u + (1 - law._positive_fraction) * law._zero_component_rank * (
            x * law._zero_component.stieltjes(x) - 1
        )
    fine = (1 + law._multiplicity * u) / x
    assert (np.abs(fine - solution.value) <= solution.error).all()


def test_samples_are_those_of_exact_hessians():
    # The eigenvalues by singular values of W2 are those of J^T J / m
    rng = np.random.default_rng(3)
    n0, n1, n2, m = 4, 3, 5, 6
    net = MLP((n0, n1, n2), activation="linear")
    theta, x = net.init(rng=1), rng.normal(size=(m, n0))
    exact = np.linalg.eigvalsh(net.at(theta, x, np.zeros((m, n2))).hessian("gauss_newton"))
    first, second = net.unflatten(theta)
    still, moving = (x @ first.T) @ (x @ first.T).T / m, x @ x.T / m
    w = np.linalg.eigvalsh(second @ second.T)
    parts = np.linalg.eigvalsh(still + w[:, None, None] * moving).ravel()
    assert np.sort(parts)[-len(exact) :] == pytest.approx(exact, abs=1e-10)
    assert np.sum(exact < 1e-10) == len(exact) - round(
        LinearHessian(n0, n1, n2, m).rank * len(exact)
    )


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_sampled_networks(shape):
    model = LinearHessian(*shape, second_variance=0.7, data_variance=1.3)
    n = round(60 * shape[1] / max(shape[:3]))
    spectrum = model.sample(n, rng=0, runs=6)
    nodes = np.sort(spectrum.nodes.ravel())
    x = inside(model.law, 20)
    measured = np.searchsorted(nodes, x, side="right") / nodes.size
    assert np.abs(measured - model.law.cdf(x)).max() < 0.03
    again = model.sample(n, rng=0, runs=2)
    assert np.array_equal(again.nodes, spectrum.nodes[:2])


@pytest.mark.parametrize("sizes", [(4, 5, 60, 20), (6, 8, 7, 20), (6, 5, 8, 20), (6, 9, 5, 4)])
def test_given_data_against_drawn_second_layers(sizes):
    n0, n1, n2, m = sizes
    rng = np.random.default_rng(5)
    first, x = rng.normal(size=(n1, n0)) / np.sqrt(n0), rng.normal(size=(m, n0))
    law = LinearHessian.of_data(first, x, outputs=n2)
    grid = inside(law, 8)
    levels = law.cdf(grid)
    # One route for the distribution function, another for the density, a third for G
    step = 1e-6 * grid
    slope = (law.cdf(grid + step) - law.cdf(grid - step)) / (2 * step)
    assert slope == pytest.approx(law.pdf(grid), rel=1e-4, abs=1e-6)
    potential = 1 - law.log_potential(grid).imag / np.pi
    assert levels == pytest.approx(potential, abs=1e-9)
    assert law.cdf(1e9) == pytest.approx(1.0)
    # The law of w at finite size differs from its limit by 1/n; its mean does not
    total = 0.0
    for _ in range(400):
        second = rng.normal(size=(n2, n1)) / np.sqrt(n1)
        total += n2 * (first @ x.T * (first @ x.T)).sum() + (second**2).sum() * (x**2).sum()
    mean = total / (400 * m * law.parameter_count)
    assert law.mean() == pytest.approx(mean, rel=0.02)
    z = 1e4j
    assert (z * (z * law.stieltjes(z) - 1)).real == pytest.approx(law.mean(), rel=1e-5)
    assert z * (z * (z * law.stieltjes(z) - 1) - law.mean()) == pytest.approx(
        law.moment(2), rel=1e-2
    )


def test_given_data_is_the_data_aware_equation():
    # W2 enters only by W2^T W2 in both: they agree at n2 -> infinity
    rng = np.random.default_rng(2)
    first, x = rng.normal(size=(5, 4)) / 2, rng.normal(size=(20, 4))
    law = LinearHessian.of_data(first, x, outputs=400)
    dyson = DysonHessian.of_first_layer(
        first, x, outputs=400, epsilon=0.0, activation="linear", part="gauss_newton"
    )
    z = np.array([0.6, 2.0]) + 0.2j
    assert law.stieltjes(z) == pytest.approx(dyson.stieltjes(z), rel=0.01)


def test_residual_law():
    model = LinearHessian(2, 1, 3, 4, data_variance=1.3)
    law = model.residual_law(0.4)
    rng = np.random.default_rng(0)
    nodes = []
    for _ in range(6):
        e = rng.normal(size=(90, 120)) * np.sqrt(0.8)
        b = e @ rng.normal(size=(120, 60)) * np.sqrt(1.3) / 120
        half = np.linalg.svd(b, compute_uv=False)
        nodes.append(np.concatenate([half, -half, np.zeros(30)]))
    x = np.linspace(-1.5, 1.5, 12)
    measured = np.searchsorted(np.sort(np.concatenate(nodes)), x, side="right") / (6 * 150)
    assert law.cdf(x) == pytest.approx(measured, abs=0.01)
    assert law.atoms == ((0.0, pytest.approx(0.2)),)
    assert law.var() == pytest.approx(2 * 0.8 * 1.3 * 6 / 20, rel=1e-12)
    z = x + 0.2j
    fine = np.linspace(*law.support[-1], 20001)[1:-1]
    direct = law.pdf(fine) * (fine[1] - fine[0])
    g = (0.2 / z) + (1 / (z[:, None] - fine)) @ direct + (1 / (z[:, None] + fine)) @ direct
    assert law.stieltjes(z) == pytest.approx(g, rel=1e-4)
    assert law.cdf(x) == pytest.approx(1 - law.log_potential(x).imag / np.pi, abs=1e-10)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="hidden"):
        LinearHessian(1, 0, 1, 1)
    with pytest.raises(ValueError, match="second_variance"):
        LinearHessian(1, 1, 1, 1, second_variance=np.nan)
    with pytest.raises(ValueError, match="inputs"):
        LinearHessian.of_data(np.ones((2, 3)), np.ones((4, 2)), outputs=1)
    with pytest.raises(ValueError, match="other than zero"):
        LinearHessian.of_data(np.ones((2, 3)), np.zeros((4, 3)), outputs=1)
    with pytest.raises(ValueError, match="epsilon"):
        LinearHessian(1, 1, 1, 1).residual_law(0.0)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 4), (8, 2, 2, 3)])
def test_down_to_the_smallest_number_beside_zero(sizes):
    """G is rounding there: the distribution function was 1 at 5e-324, and the density 0."""
    law = LinearHessian(*sizes).part("gauss_newton").law
    x = np.array([0.0, 5e-324, 1e-300, 1e-100, 1e-20, 1e-13, 1e-11, 1e-8, 1e-6])
    below = law.cdf(x)
    ((_, atom),) = law.atoms
    assert below[0] == atom
    assert below[1] - atom < 1e-12
    assert (np.diff(below) >= 0).all()
    density = law.pdf(x[1:])
    assert (density > 0).all()
    # mass and density beside zero belong to one power of x
    power = np.log(density[-2] / density[-3]) / np.log(1e3)
    assert below[-2] - atom == pytest.approx(density[-2] * x[-2] / (1 + power), rel=0.02)
