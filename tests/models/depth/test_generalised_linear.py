"""Hessians of logistic and softmax regression: bulk, outliers, classes."""

import math
import tracemalloc

import numpy as np
import pytest

from rmtland import MarchenkoPastur, Uniform
from rmtland.models import GeneralisedLinearHessian, SoftmaxHessian
from rmtland.models.depth.compound_poisson import compound_poisson, gauss_discrete, uniform_pieces
from rmtland.models.depth.slope_law import normal_rule
from rmtland.solution import ConvergenceError


@pytest.mark.parametrize("c", [0.25, 1.6])
@pytest.mark.parametrize("norm", [0.4, 1.0, 1.5])
def test_logistic_regression_at_zero(c, norm):
    """Marchenko-Pastur over 4, and a spike beyond |mu|^2 = sqrt(c)."""
    model = GeneralisedLinearHessian(c, 1.0, mean_norm=norm)
    assert model.law == MarchenkoPastur(c, 0.25)
    found = model.outliers()
    rho = norm**2
    if rho <= math.sqrt(c):
        assert found == ()
        return
    ((place, overlap),) = found
    assert place == pytest.approx((1 + rho + c * (1 + rho) / rho) / 4, rel=1e-9)
    # Paul's overlap of a spike 1 + rho
    assert overlap == pytest.approx((1 - c / rho**2) / (1 + c / rho), rel=1e-5)


def silverstein(model, z, draws=40_000):
    """G of the bulk by the fixed point, with D drawn."""
    rng = np.random.default_rng(0)
    s = model.weight_norm * (rng.normal(size=draws) + model.mean_norm * model.cosine)
    curvature = 1 / (4 * np.cosh(s / 2) ** 2)
    g = 1 / z
    for _ in range(400):
        g = 1 / (z - np.mean(curvature / (1 - model.ratio * curvature * g)))
    return g


@pytest.mark.parametrize(
    "model",
    [
        GeneralisedLinearHessian(1.0, 4.0, weight_norm=3.0, mean_norm=1.5, cosine=0.5),
        GeneralisedLinearHessian(1.0, 1.2, weight_norm=2.0),
        GeneralisedLinearHessian(1.0, 0.6, weight_norm=3.0),
    ],
)
def test_the_bulk_solves_the_fixed_point_of_the_curvatures(model):
    for z in (0.1 + 0.05j, 0.4 + 0.05j):
        # the mean of 40 000 draws is off by half a per cent at most
        assert model.law.stieltjes(z) == pytest.approx(silverstein(model, z), rel=8e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"weight_norm": 3.0, "mean_norm": 1.5, "cosine": 0.5},
        {"weight_norm": 8.0},
        {"weight_norm": 1.0, "mean_norm": 2.0, "cosine": -1.0},
        {"loss": "squared", "mean_norm": 1.5, "weight_norm": 1.0, "cosine": 0.3},
    ],
)
def test_outliers_of_weights_and_mean(options):
    """Places against 16 matrices of 300 features: 5 standard errors, and order 1/n."""
    model = GeneralisedLinearHessian(1.0, 4.0, **options)
    found = model.outliers()
    assert len(found) == 1
    nodes = model.sample(300, rng=1, runs=16).nodes
    low, high = model.law.hull
    seen = nodes[:, 0] if found[0].location < low else nodes[:, -1]
    error = seen.std(ddof=1) / 4
    assert abs(seen.mean() - found[0].location) < 5 * error + 0.01 * found[0].location
    assert 0 < found[0].overlap <= 1
    inside = (nodes > low * 0.7) & (nodes < high * 1.05)
    assert inside.sum(axis=1).min() >= 299


def test_a_covariance_of_the_features():
    model = GeneralisedLinearHessian(1.0, 2.0, weight_norm=3.0, covariance=[0.5, 1.0, 3.0])
    nodes = np.sort(model.sample(300, rng=0, runs=3).nodes.ravel())
    places = np.quantile(nodes, np.linspace(0.02, 0.98, 20))
    seen = np.searchsorted(nodes, places, side="right") / nodes.size
    assert np.abs(seen - model.law.cdf(places)).max() < 0.015
    with pytest.raises(ValueError, match="unit covariance"):
        model.outliers()


def test_softmax_at_zero_and_for_two_classes():
    zero = SoftmaxHessian(5, 1.0, 2.0)
    assert zero.law.atoms == ((0.0, pytest.approx(0.2)),)
    inner = MarchenkoPastur(0.5, 0.2)
    assert zero.law.cdf(0.3) == pytest.approx(0.2 + 0.8 * inner.cdf(0.3), rel=1e-12)
    # two classes are logistic regression with w_1 - w_2, doubled
    two = SoftmaxHessian(2, 1.0, 2.0, logit_std=1.5)
    logistic = GeneralisedLinearHessian(1.0, 2.0, weight_norm=1.5 * math.sqrt(2))
    z = 0.2 + 0.1j
    assert two.law.stieltjes(z) == pytest.approx(
        0.5 / z + 0.25 * logistic.law.stieltjes(z / 2), rel=1e-9
    )
    sobol = gauss_discrete(two._drawn_curvatures, np.ones(4096), 16)
    for k in (1, 2, 3):
        assert sobol.moment(k) == pytest.approx(two.curvature_law.moment(k), rel=1e-3)


def test_curvatures_of_many_classes_take_little_memory():
    """4096 matrices of 20 x 20 are 13 MB, of 1000 x 1000 would be 33 GB."""
    model = SoftmaxHessian(20, 1.0, 50.0, logit_std=0.3)
    tracemalloc.start()
    values = model._drawn_curvatures
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.size == 4096 * 19
    assert peak < 10e6


def test_softmax_of_several_classes():
    """Kolmogorov distance of two matrices of 4 x 100; class directions are 4 of the eigenvalues."""
    model = SoftmaxHessian(4, 1.0, 2.0, logit_std=2.0)
    nodes = np.sort(model.sample(100, rng=1, runs=2).nodes.ravel())
    places = np.quantile(nodes[nodes > 0], np.linspace(0.02, 0.98, 20))
    seen = np.searchsorted(nodes, places, side="right") / nodes.size
    assert np.abs(seen - model.law.cdf(places)).max() < 0.03
    assert np.abs(seen - SoftmaxHessian(4, 1.0, 2.0).law.cdf(places)).max() > 0.1


def test_what_a_quadrature_cannot_do_is_refused():
    with pytest.raises(ConvergenceError, match="more samples"):
        _ = GeneralisedLinearHessian(1.0, 1.1, weight_norm=8.0).law
    with pytest.raises(ConvergenceError, match="more samples"):
        _ = SoftmaxHessian(3, 1.0, 0.4, logit_std=4.0).law
    with pytest.raises(ValueError, match="cosine"):
        GeneralisedLinearHessian(1.0, 1.0, cosine=1.5)
    with pytest.raises(ValueError, match="loss"):
        GeneralisedLinearHessian(1.0, 1.0, loss="hinge")
    with pytest.raises(ValueError, match="classes"):
        SoftmaxHessian(1, 1.0, 1.0)


@pytest.mark.parametrize(("weight", "mean"), [(1.0, 2.0), (100.0, 2.0), (1e3, -1.0), (2.0, 20.0)])
def test_averages_find_the_peak_of_the_curvature(weight, mean):
    """E sigma'(s), s ~ N(weight mean, weight^2): a peak of width 1/weight at -mean."""
    model = GeneralisedLinearHessian(
        1.0, 1.0, weight_norm=weight, mean_norm=abs(mean), cosine=math.copysign(1, mean)
    )
    u = np.linspace(-40 / weight, 40 / weight, 200_001)
    if weight < 10:  # the peak is wider than the normal law
        u = np.linspace(mean - 12, mean + 12, 200_001)
    values = np.exp(-((u - mean) ** 2) / 2) / (4 * np.cosh(weight * u / 2) ** 2)
    exact = np.trapezoid(values, u) / math.sqrt(2 * math.pi)
    _, weights, curvature = model._rule
    assert weights @ curvature == pytest.approx(exact, rel=1e-9)
    assert weights.sum() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("c", [0.25, 2.0])
@pytest.mark.parametrize("weight", [1e-9, 1e-6, 1e-3])
def test_small_weights_leave_marchenko_pastur(c, weight):
    law = GeneralisedLinearHessian(c, 1.0, weight_norm=weight).law
    limit = MarchenkoPastur(c, 0.25)
    assert law.hull == pytest.approx(limit.hull, rel=1e-5, abs=1e-12)
    assert dict(law.atoms).get(0.0, 0.0) == pytest.approx(max(0.0, 1 - 1 / c), abs=1e-12)
    x = 0.4 * limit.hull[1]
    assert law.cdf(x) == pytest.approx(limit.cdf(x), abs=1e-5)


@pytest.mark.parametrize("c", [0.25, 2.0])
@pytest.mark.parametrize(("weight", "mean"), [(1e3, 0.0), (100.0, 2.0), (3.0, 8.0), (30.0, 20.0)])
def test_curvatures_that_nearly_vanish_are_refused_with_the_reason(c, weight, mean):
    model = GeneralisedLinearHessian(c, 1.0, weight_norm=weight, mean_norm=mean, cosine=1.0)
    with pytest.raises(ConvergenceError, match="smaller weight_norm"):
        _ = model.law


@pytest.mark.slow
def test_curvatures_whose_law_is_not_solved_are_refused_with_the_reason():
    """The message was that of the equation behind the law, with all its pieces."""
    with pytest.raises(ConvergenceError, match="take more samples or a smaller weight_norm"):
        _ = GeneralisedLinearHessian(2.0, 1.0, weight_norm=12.0).law


def test_two_classes_with_huge_logits_are_refused_with_the_reason():
    with pytest.raises(ConvergenceError, match="smaller logit_std"):
        _ = SoftmaxHessian(2, 1.0, 4.0, logit_std=100.0).law


@pytest.mark.parametrize(("norm", "shift"), [(0.6, 0.6), (3.5, -0.4), (0.3, 2.0)])
def test_uniform_pieces_keep_moments(norm, shift):
    """Of D = sigma'(norm (z + shift)): 32 pieces keep mean and mean square to 1e-3."""
    z, masses = normal_rule(4097)
    curvature = 1 / (4 * np.cosh(norm * (z + shift) / 2) ** 2)
    law = uniform_pieces(curvature, masses, 32)
    assert law.mean() == pytest.approx(masses @ curvature, rel=1e-3)
    assert law.moment(2) == pytest.approx(masses @ curvature**2, rel=1e-3)
    assert law.hull[1] == pytest.approx(0.25, rel=1e-5)


def test_compound_poisson_laws_have_the_cumulants_of_their_weights():
    """kappa_k = rate E d^k, by all three compositions."""
    weights = Uniform(0.5, 2.0)
    for rate in (0.4, 1.0, 2.5):
        cumulants = compound_poisson(rate, weights).free_cumulants(4)
        expected = [rate * weights.moment(k) for k in range(1, 5)]
        np.testing.assert_allclose(cumulants, expected, rtol=1e-9)
    places = np.linspace(0.5, 2.0, 3001)
    masses = np.full(places.size, 1.0)
    quadrature = compound_poisson(1.5, gauss_discrete(places, masses, 8)).free_cumulants(4)
    np.testing.assert_allclose(
        quadrature, [1.5 * weights.moment(k) for k in range(1, 5)], rtol=1e-3
    )
    pieces = uniform_pieces(places, masses, 5)
    assert pieces.hull == pytest.approx(weights.hull, rel=1e-3)
    assert pieces.var() == pytest.approx(weights.var(), rel=1e-2)
    with pytest.raises(ValueError, match="single points"):
        uniform_pieces(np.array([0.0, 1.0, 1.0, 1.0]), np.ones(4), 4)


def test_softmax_of_many_classes():
    model = SoftmaxHessian(50, 0.5, 1.0, logit_std=2.0)  # atoms of rare curvatures show
    found, places = model.law, np.linspace(0.001, 0.2, 30)
    assert len(found.support) > 1
    values = model.sample(16, rng=0).nodes[0]
    seen = (values[:, None] <= places).mean(axis=0)
    assert np.abs(seen - found.cdf(places)).max() < 0.03
    drawn = model._drawn_curvatures
    assert found.mean() == pytest.approx(49 / 50 * drawn.mean(), rel=1e-6)
    assert drawn.size < 2**18  # of all numbers of classes
