"""The population law of H0 against linear networks, data-aware laws, exact Hessians, itself."""

from types import SimpleNamespace

import numpy as np
import pytest

from rmtland.laws import Discrete, MarchenkoPastur
from rmtland.models import LinearHessian, PopulationHessian
from rmtland.models.population import kernels, law as laws, population_hessian
from rmtland.models.population.density_table import table_points, tabulated_band
from rmtland.models.population.equation import (
    activation_rule,
    covariance_rule,
    node_map,
    slope_average,
)
from rmtland.networks import MLP
from rmtland.networks.gaussian_averages import gaussian_averages

HEIGHTS = np.array([-0.2, 0.3, 0.8, 2.0]) + 0.3j


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sine", "quadratic", "leaky_relu"])
@pytest.mark.parametrize("variance", [0.01, 1.0, 30.0])
def test_rule_has_the_gaussian_averages(activation, variance):
    rule, exact = (
        activation_rule(activation, variance),
        gaussian_averages(activation, variance=variance),
    )
    assert rule.mean_square == pytest.approx(exact.square, rel=1e-9, abs=0)
    assert rule.slope == pytest.approx(exact.slope, rel=1e-9, abs=1e-12)
    assert rule.masses @ rule.slopes**2 == pytest.approx(exact.slope_square, rel=1e-9, abs=0)
    assert rule.rest >= 0


def test_compiled_equation_is_the_reference():
    rng = np.random.default_rng(0)
    w = rng.random(5) - 0.3j * rng.random(5) + 0.2
    x = rng.normal(size=(5, 4)) + 1j * rng.normal(size=(5, 4))
    omega = rng.normal(size=3) + 1j * rng.normal(size=3)
    sigma, share = np.array([0.5, 1.5]), np.array([0.3, 0.7])
    sizes = rng.random(5) + 0.5
    images, blocks = node_map(0.3 + 0.2j, w, x, omega, sizes, sigma, share)
    out = np.empty(7, dtype=np.complex128)
    for n in range(5):
        kernels._node_map(0.3 + 0.2j, w[n], x[n], omega, sizes, sigma, share, out)
        assert out == pytest.approx(np.concatenate([images[n], blocks[n]]), rel=1e-12)
    slopes, masses = np.array([0.2, 1.0]), np.array([0.4, 0.6])
    mean = np.empty(3, dtype=np.complex128)
    kernels._slope_average(omega, blocks.sum(axis=0), slopes, masses, mean)
    assert mean == pytest.approx(slope_average(omega, blocks.sum(axis=0), slopes, masses))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1, 1, 4), (2, 1, 1.5, 1.5), (1, 3, 0.5, 0.7)])
def test_linear_network(shape):
    model = PopulationHessian(
        *shape, activation="linear", first_variance=0.8, second_variance=1.3, covariance=1.5
    )
    exact = LinearHessian(*shape, first_variance=0.8, second_variance=1.3, data_variance=1.5).law
    assert model.law == exact
    assert model.mean() == pytest.approx(exact.mean())
    solved = laws.PopulationLaw(model)
    x = exact.ppf(exact.atoms[0][1] + (1 - exact.atoms[0][1]) * np.array([0.3, 0.6, 0.9]))
    z = np.concatenate([x, HEIGHTS])
    assert solved.stieltjes(z) == pytest.approx(exact.stieltjes(z), rel=2e-6)
    assert (np.abs(solved.stieltjes(x) - exact.stieltjes(x)) <= solved.solve(x).error).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "shape"),
    [("relu", (1, 1, 1, 4)), ("tanh", (1, 1, 1, 4)), ("relu", (1, 2, 0.5, 3))],
)
def test_data_aware_law_comes_closer_like_one_over_n(activation, shape):
    model = PopulationHessian(*shape, activation=activation)
    g = model.law.stieltjes(HEIGHTS)
    errors = []
    for n, draws in ((6, 8), (18, 3)):
        values = [
            model.draw(round(n * shape[1]), part="gauss_newton", rng=seed)
            .solve(HEIGHTS, tolerance=1e-6)
            .value
            for seed in range(draws)
        ]
        errors.append(np.abs(np.mean(values, axis=0) - g).max() / np.abs(g).max())
    assert errors[1] < 0.06
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.slow
def test_data_aware_law_with_few_samples():
    model = PopulationHessian(2, 1, 1.5, 1.5, activation="tanh")
    g = model.law.stieltjes(HEIGHTS)
    values = [
        model.draw(16, part="gauss_newton", rng=seed).solve(HEIGHTS, tolerance=1e-6).value
        for seed in range(4)
    ]
    assert np.abs(np.mean(values, axis=0) - g).max() < 0.02 * np.abs(g).max()


@pytest.mark.slow
def test_correlated_data():
    covariance = Discrete((0.25, 2.0), (0.5, 0.5))
    model = PopulationHessian(1, 1, 0.5, 3, activation="erf", covariance=covariance)
    plain = PopulationHessian(1, 1, 0.5, 3, activation="erf", covariance=1.125)
    g = model.law.stieltjes(HEIGHTS)
    drawn = np.mean(
        [
            model.draw(24, part="gauss_newton", rng=seed).solve(HEIGHTS, tolerance=1e-6).value
            for seed in range(3)
        ],
        axis=0,
    )
    error = np.abs(drawn - g).max()
    assert error < 0.04 * np.abs(g).max()
    assert error < np.abs(drawn - plain.law.stieltjes(HEIGHTS)).max() / 2
    # The same eigenvalues as an array, and many of them through their Gauss rule
    array = PopulationHessian(1, 1, 0.5, 3, activation="erf", covariance=[0.25, 2.0, 2.0, 0.25])
    assert array.law.stieltjes(HEIGHTS) == pytest.approx(g, rel=1e-9)
    values = np.linspace(0.5, 1.5, 400)
    nodes, weights = covariance_rule(values)
    assert nodes.size == 24
    assert weights @ (1 / (nodes + 0.3j)) == pytest.approx(np.mean(1 / (values + 0.3j)), rel=1e-9)


@pytest.mark.slow
def test_law_is_a_law():
    model = PopulationHessian(1, 2, 0.5, 3, activation="relu")
    law = model.law
    ((low, high),) = law.support
    assert 0 < low < 0.02
    assert law.atoms == ((0.0, 0.5),)
    # Independent of the equation: total mass and mean
    assert law.mass_error < 1e-7
    places, masses = table_points(law._tables[0])
    assert places @ masses == pytest.approx(model.mean(), rel=1e-7)
    assert law.pdf(0.99 * low) == law.pdf(1.01 * high) == 0.0
    x = law.ppf([0.55, 0.8, 0.99])
    assert law.cdf(x) == pytest.approx([0.55, 0.8, 0.99], abs=1e-9)
    assert law.pdf(x) == pytest.approx(-law.stieltjes(x).imag / np.pi, rel=1e-5)
    step = 1e-4 * x
    assert (law.cdf(x + step) - law.cdf(x - step)) / (2 * step) == pytest.approx(
        law.pdf(x), rel=1e-4
    )
    z = np.array([0.4 + 0.05j])
    step = 1e-4
    slope = (law.log_potential(z + step) - law.log_potential(z - step)) / (2 * step)
    assert slope == pytest.approx(law.stieltjes(z), rel=1e-5)
    assert law._jet(z)[1] == pytest.approx(
        (law.stieltjes(z + step) - law.stieltjes(z - step)) / (2 * step), rel=1e-5
    )


def test_the_potential_holds_beside_edges_close_to_zero(monkeypatch):
    """The route of H0, with G and density of a law whose potential is known."""
    known = MarchenkoPastur(1.2)
    band = known.support[0]
    law = object.__new__(laws.PopulationLaw)
    law.__dict__.update(
        model=SimpleNamespace(rank=1 / 1.2),
        support=(band,),
        _tables=([tabulated_band(known.stieltjes, *band)], 0.0),
    )
    monkeypatch.setattr(laws.PopulationLaw, "_stieltjes", lambda _, z: known.stieltjes(z))
    z = np.array([-1e-3, 1e-3, band[0], 1e-2, 1.0, 4.5, 0.01 + 1e-4j, 2 + 0.1j, 1 + 9j]) + 0j
    assert law._log_potential(z) == pytest.approx(known.log_potential(z), abs=2e-9)


def test_the_index_without_residuals_needs_no_law():
    for part in ("total", "gauss_newton", "residual"):
        model = PopulationHessian(1, 2, 0.5, 3, activation="erf", part_name=part)
        assert model.index() == 0.0
        assert "law" not in vars(model)


@pytest.mark.parametrize(
    ("part", "epsilon"), [("gauss_newton", 0.3), ("total", 0.0), ("total", 0.3)]
)
def test_the_variance_tabulates_no_law_anew(part, epsilon, monkeypatch):
    made = []

    class Counted(laws.PopulationLaw):
        def var(self):
            made.append(self)
            return 2.0

    monkeypatch.setattr(population_hessian, "PopulationLaw", Counted)
    model = PopulationHessian(1, 1, 1, 4, activation="erf", epsilon=epsilon).part(part)
    assert model.var() == model.var() >= 2.0
    assert made[0] is made[1]
    if epsilon == 0 or part == "gauss_newton":
        assert model.law is made[0]


def test_rank_counts_the_null_directions_of_exact_hessians():
    for activation, sizes in (
        ("tanh", (4, 3, 5, 6)),
        ("tanh", (6, 4, 2, 3)),
        ("erf", (5, 2, 6, 3)),
        ("linear", (4, 3, 5, 6)),
    ):
        n0, n1, n2, _ = sizes
        model = PopulationHessian(*sizes, activation=activation)
        nodes = model.sample(n1, rng=0).nodes[0]
        null = np.sum(nodes < 1e-11 * nodes.max())
        assert null == round((1 - model.rank) * n1 * (n0 + n2))


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_residual_part(activation):
    model = PopulationHessian(1, 1, 1, 4, activation=activation)
    residual = model.residual(0.5)
    x = np.array([0.05, 0.3, 0.6, 1.0])
    z = x + 0.1j
    g = residual.stieltjes(z)
    n, rows = 20, []
    for first, data, n2, rng in model._drawn(n, [np.random.default_rng(s) for s in range(4)]):
        net = MLP((n, n, n2), activation=activation)
        second = rng.normal(size=(n2, n)) / np.sqrt(n)
        theta = np.concatenate([first.ravel(), second.ravel()])
        y = net.predict(theta, data) - rng.normal(size=(len(data), n2))
        rows.append(np.linalg.eigvalsh(net.at(theta, data, y).hessian("residual")))
    measured = np.mean(1 / (z[:, None] - np.ravel(rows)), axis=1)
    assert np.abs(g - measured).max() < 0.05 * np.abs(g).max()
    far = 1e3j
    assert ((far * residual.stieltjes(far) - 1) * far**2).real == pytest.approx(
        residual.variance, rel=1e-4
    )
    if activation == "relu":  # the ReLU block of Pennington and Bahri, at phi = 2n/m
        from rmtland import WishartPlusReluBlock

        block = WishartPlusReluBlock(0.5, 0.5).residual_law
        assert residual.law.pdf(x) == pytest.approx(block.pdf(x), rel=1e-9)
        assert residual.density(x) == pytest.approx(block.pdf(x), rel=1e-9)
        assert g == pytest.approx(block.stieltjes(z), rel=1e-9)


def test_total_density_is_an_average_over_draws():
    model = PopulationHessian(1, 1, 1, 3, activation="relu")
    drawn = model.total_density([0.2, 1.0], eta=0.2, epsilon=0.3, n=4, draws=2, rng=1)
    again = model.total_density([0.2, 1.0], eta=0.2, epsilon=0.3, n=4, draws=2, rng=1)
    assert np.array_equal(drawn.mean, again.mean)
    assert (drawn.mean > 0).all()
    assert (drawn.standard_error > 0).all()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="hidden"):
        PopulationHessian(1, -1, 1, 1)
    with pytest.raises(ValueError, match="covariance"):
        PopulationHessian(1, 1, 1, 1, covariance=[0.0, 0.0])
    with pytest.raises(TypeError, match="covariance"):
        PopulationHessian(1, 1, 1, 1, covariance="wide")
    with pytest.raises(ValueError, match="covariance"):
        PopulationHessian(1, 1, 1, 1, covariance=np.nan)
    with pytest.raises(ValueError, match="activation"):
        PopulationHessian(1, 1, 1, 1, activation="cube")
    model = PopulationHessian(1, 1, 1, 1)
    with pytest.raises(ValueError, match="epsilon"):
        model.residual(0.0)
    with pytest.raises(ValueError, match="closed form"):
        _ = model.residual(0.1).law
    with pytest.raises(ValueError, match="part"):
        model.total_density([1.0], eta=0.1, epsilon=0.1, part="half")
