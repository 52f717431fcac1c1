"""Predicted errors against runs on matrices, and the edges of finite matrices."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.linalg import eigvalsh_tridiagonal

from rmtland import MarchenkoPastur
from rmtland.laws import TracyWidom, Uniform, affine, mixture
from rmtland.optimizer import (
    Chebyshev,
    GradientDescent,
    GradientNoise,
    HeavyBall,
    Nesterov,
    average_case_optimal,
    gradient_measure,
    predict,
    residual_polynomials,
)
from rmtland.optimizer.edge_fluctuations import airy_density, airy_points, mean_nodes
from rmtland.optimizer.prediction import noise_variances
from rmtland.spectrum import Spectrum

METHODS = [
    GradientDescent(0.5),
    HeavyBall(0.6, 0.4),
    Nesterov(0.4, 0.5),
    Nesterov(0.4),
    Chebyshev(0.2, 3.0),
]


def run(method, hessian, start, steps, noise=None):
    """Iterate as a user would: a plain reference."""
    step, momentum, extrapolation = method.coefficients(steps)
    x, before = start.copy(), start.copy()
    path = [x]
    for t in range(steps):
        y = x + extrapolation[t] * (x - before)
        gradient = hessian @ y + (0 if noise is None else noise[t])
        x, before = x + momentum[t] * (x - before) - step[t] * gradient, x
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_run_is_its_residual_polynomial(method):
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    values = np.array([0.0, 0.3, 0.7, 1.5, 2.0, 2.9])
    hessian = (basis * values) @ basis.T
    start = rng.normal(size=6)
    path = run(method, hessian, start, 9)
    polynomials = residual_polynomials(method, values, 9)
    np.testing.assert_allclose(path, (polynomials * (start @ basis)) @ basis.T, atol=1e-12)


@pytest.mark.parametrize("objective", ["distance", "loss", "gradient"])
def test_known_start_is_predicted_to_rounding(objective):
    rng = np.random.default_rng(2)
    factor = rng.normal(size=(12, 20))
    hessian = factor @ factor.T / 20
    start = rng.normal(size=12) * np.arange(12)
    found = gradient_measure(hessian, hessian @ start, 12)
    method = HeavyBall(0.5, 0.3)
    path = run(method, hessian, start, 15)
    products = {"distance": path, "loss": path @ hessian, "gradient": path @ hessian @ hessian}
    errors = (path * products[objective]).sum(axis=1)
    forecast = predict(method, found.gauss, 15, objective=objective)
    np.testing.assert_allclose(forecast.errors, errors / errors[0], rtol=1e-8)


def test_quadratures_of_a_gradient_bracket_gradient_descent():
    rng = np.random.default_rng(3)
    values = np.geomspace(0.01, 1.0, 200)
    start = rng.normal(size=200)
    exact = ((1 - 0.9 * values) ** (2 * np.arange(301)[:, None]) * values) @ start**2
    found = gradient_measure(np.diag(values), values * start, 30, low=0.0099)
    method = GradientDescent(0.9)
    low, high = (
        predict(method, part, 300).errors * part.initial("loss")
        for part in (found.gauss, found.radau)
    )
    assert (low <= exact * (1 + 1e-9)).all()
    assert (exact <= high * (1 + 1e-9)).all()
    assert (high / low)[100] < 1.2


def test_a_gradient_into_a_saddle_is_refused():
    with pytest.raises(ValueError, match="negative curvature along the gradient"):
        gradient_measure(np.diag([1.0, -1.0]), [1.0, 1.0], 2)
    with pytest.raises(ValueError, match="not zero"):
        gradient_measure(np.eye(2), [0.0, 0.0], 2)
    with pytest.raises(ValueError, match="2 entries"):
        gradient_measure(np.eye(2), [1.0, 0.0, 0.0], 2)
    with pytest.raises(ValueError, match="above a Ritz value"):
        gradient_measure(np.diag([1.0, 2.0, 3.0]), [1.0, 1.0, 1.0], 2, low=2.5)


@given(
    step=st.floats(0.05, 1.0),
    momentum=st.floats(0, 0.9),
    curvature=st.floats(0.1, 1.5),
    ahead=st.booleans(),
)
def test_stationary_variance(step, momentum, curvature, ahead):
    """The recursion ends at the closed form of a second-order autoregression."""
    method = Nesterov(step, momentum) if ahead else HeavyBall(step, momentum)
    e = momentum if ahead else 0.0
    pull = step * curvature
    p, q = 1 + momentum - pull * (1 + e), momentum - pull * e
    if not (abs(q) < 0.9 and abs(p) < 0.9 * (1 + q)):
        return
    expected = step**2 * (1 + q) / ((1 - q) * ((1 + q) ** 2 - p**2))
    found = noise_variances(method, np.array([curvature]), 400)[-1, 0]
    assert found == pytest.approx(expected, rel=1e-9)


def test_noise_is_that_of_runs():
    rng = np.random.default_rng(4)
    values = np.array([0.2, 0.5, 1.0, 1.8])
    start = np.ones(4)
    method, steps, runs = HeavyBall(0.5, 0.5), 30, 4000
    noise = rng.normal(size=(steps, 4, runs))
    level = 4 / (values**2).sum()
    path = run(method, np.diag(values), np.repeat(start[:, None], runs, 1), steps, noise)
    losses = (path**2 * values[:, None]).sum(axis=1).mean(axis=1)
    forecast = predict(method, Spectrum(values), steps, noise=GradientNoise(level))
    np.testing.assert_allclose(forecast.errors, losses / losses[0], rtol=0.06)
    shaped = predict(method, Spectrum(values), steps, noise=GradientNoise(level, "curvature"))
    assert not np.allclose(shaped.errors[1:], forecast.errors[1:], rtol=0.01)


def test_airy_density_is_that_of_the_draws():
    """Points above -1 on average, by the density and by draws; the largest is Tracy-Widom."""
    for beta in (1, 2):
        draws = airy_points(beta=beta, draws=1000, points=6, seed=beta - 1)
        xi = np.linspace(-1, 8, 4001)
        mean = np.trapezoid(airy_density(xi, beta=beta), xi)
        counts = (draws > -1).sum(axis=1)
        assert abs(counts.mean() - mean) < 4 * counts.std() / np.sqrt(1000) + 0.005
        law = TracyWidom(beta)
        assert abs(draws[:, 0].mean() - law.mean()) < 4 * law.std() / np.sqrt(1000) + 0.01


@pytest.mark.parametrize(("n", "m"), [(50, 100), (100, 25), (2000, 4000)])
@pytest.mark.parametrize("beta", [1, 2])
def test_corrections_have_the_moments_of_wishart_matrices(n, m, beta):
    """E tr W^k/n for k = 0, 1, 2: the law's, and for real matrices n/m more of the second, by n."""
    places, weights = mean_nodes(MarchenkoPastur(n / m), n, beta=beta)
    top = (1 + np.sqrt(n / m)) ** 2
    second = n / m if beta == 1 else 0.0
    assert abs(weights.sum() * n) < 1e-9
    assert abs(weights @ places * n) < 5e-3 * top
    assert abs(weights @ places**2 * n - second) < 5e-3 * top**2


def test_edges_of_two_bands_have_the_points_of_one():
    """What lies beyond an edge is the same whether the law has another band or not."""
    law, n = MarchenkoPastur(0.1), 200
    pair = mixture((law, affine(law, shift=10.0)), (0.5, 0.5))
    for beta in (1, 2):
        beyond = []
        for one, order in ((law, n), (pair, 2 * n)):
            places, weights = mean_nodes(one, order, beta=beta)
            assert abs(weights.sum() * order) < 1e-9
            beyond.append(weights[places < law.hull[0]].sum() * order)
        assert beyond[1] == pytest.approx(beyond[0], rel=2e-3)
        assert beyond[0] > 0.02


def test_a_null_space_stays_on_average():
    """Three quarters of a singular Wishart matrix are 0: no method moves that part."""
    law = MarchenkoPastur(4.0)
    for n in (80, 100):
        method = average_case_optimal(law, 10, dimension=n)
        found = predict(method, law, 10, objective="distance", dimension=n, rng=0)
        assert abs(found.mean[-1] - 0.75) < found.mean_error[-1] + 1e-4
        assert found.draws[:, -1].min() > 0.74999


@pytest.mark.parametrize("ratio", [1e-3, 1e3])
def test_medians_of_extreme_ratios(ratio):
    """Twenty eigenvalues that are not 0: those of Laguerre matrices of order 20."""
    n, m = (20, 20_000) if ratio < 1 else (20_000, 20)
    small, large = min(n, m), max(n, m)
    law = MarchenkoPastur(ratio)
    method = GradientDescent(2 / sum(law.support[-1]))
    rng = np.random.default_rng(8)
    errors = np.empty((300, 3))
    for row in errors:
        a = np.sqrt(rng.chisquare(large - np.arange(small)))
        b = np.sqrt(rng.chisquare(small - 1 - np.arange(small - 1)))
        values = eigvalsh_tridiagonal(np.r_[a[0] ** 2, a[1:] ** 2 + b**2], a[:-1] * b) / m
        row[:] = residual_polynomials(method, values, 2) ** 2 @ values / values.sum()
    forecast = predict(method, law, 2, dimension=n, rng=0)
    np.testing.assert_allclose(np.median(errors, axis=0), forecast.median, rtol=0.2)
    few = "order below 20" if ratio < 1 else "of dimension=19000 eigenvalues 19 are not 0"
    with pytest.raises(ValueError, match=few):
        predict(method, law, 2, dimension=19 if ratio < 1 else 19_000)


@pytest.mark.parametrize(("n", "m"), [(50, 100), (60, 60)])
def test_bands_hold_single_runs(n, m):
    """Small matrices and Gaussian starts: nine of ten errors lie in the band of 90 %."""
    steps, runs = 8, 300
    law = MarchenkoPastur(n / m)
    method = average_case_optimal(law, steps, dimension=n)
    rng = np.random.default_rng(6)
    errors = np.empty((runs, steps + 1))
    for row in errors:
        factor = rng.normal(size=(n, m))
        values = np.linalg.eigvalsh(factor @ factor.T / m)
        start = rng.normal(size=n) ** 2 * values
        row[:] = residual_polynomials(method, values, steps) ** 2 @ start / start.sum()
    forecast = predict(method, law, steps, dimension=n, drawn_start=True, rng=0)
    low, high = forecast.interval(0.9)
    inside = ((errors >= low) & (errors <= high)).mean(axis=0)[1:]
    assert 0.8 < inside.min() <= inside.max() < 0.96
    # what the limit leaves out is of order 1/n: ten units of it after eight steps
    np.testing.assert_allclose(np.median(errors, axis=0), forecast.median, rtol=10 / n)
    # steps to a tenfold fall: quantiles of the runs, to a step
    first = np.sort((errors < 0.1).argmax(axis=1))
    expected = first[[runs // 20, runs // 2, -runs // 20]]
    np.testing.assert_allclose(forecast.halting(0.1), expected, atol=1)


def test_drawn_starts_of_a_spectrum():
    rng = np.random.default_rng(7)
    values = np.linspace(0.1, 1.0, 40)
    method = HeavyBall(1.0, 0.3)
    starts = rng.normal(size=(2000, 40)) ** 2 * values
    errors = starts @ residual_polynomials(method, values, 6).T ** 2 / starts.sum(1)[:, None]
    forecast = predict(method, Spectrum(values), 6, drawn_start=True, rng=0)
    expected = np.quantile(errors, [0.05, 0.5, 0.95], axis=0)
    found = np.quantile(forecast.draws, [0.05, 0.5, 0.95], axis=0)
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=0.12)


def test_means_and_medians_of_finite_matrices():
    """Laguerre matrices of order 200: mean by the Airy density, band by draws."""
    n, m, steps, runs = 200, 400, 10, 400
    law = MarchenkoPastur(0.5)
    method = average_case_optimal(law, steps)
    rng = np.random.default_rng(5)
    errors = np.empty((runs, steps + 1))
    for row in errors:
        a = np.sqrt(rng.chisquare(m - np.arange(n)))
        b = np.sqrt(rng.chisquare(n - 1 - np.arange(n - 1)))
        values = eigvalsh_tridiagonal(np.r_[a[0] ** 2, a[1:] ** 2 + b**2], a[:-1] * b) / m
        row[:] = residual_polynomials(method, values, steps) ** 2 @ values / values.sum()
    forecast = predict(method, law, steps, dimension=n, rng=0)
    mean, spread = errors.mean(axis=0), 4 * errors.std(axis=0) / np.sqrt(runs)
    assert mean[-1] > 1.1 * forecast.errors[-1]  # the law alone is off
    assert (np.abs(mean - forecast.mean) < spread + forecast.mean_error).all()
    assert abs(mean[4] - forecast.mean[4]) < spread[4] < abs(mean[4] - forecast.errors[4])
    assert np.median(errors[:, -1]) == pytest.approx(forecast.median[-1], rel=0.06)
    errors = errors[:, -1]
    low, high = forecast.interval(0.9)
    inside = ((errors > low[-1]) & (errors < high[-1])).mean()
    assert 0.7 < inside <= 1.0
    assert forecast.halting(1e-2)[0] <= forecast.halting(1e-2)[2]


def test_divergence_is_infinite_and_not_nan():
    errors = predict(GradientDescent(3.0), Spectrum([1.0, 2.0]), 2000).errors
    assert not np.isnan(errors).any()
    assert errors[-1] == np.inf


def test_wrong_arguments():
    law = Uniform(1, 2)
    with pytest.raises(ValueError, match="dimension= is for laws"):
        predict(GradientDescent(0.1), Spectrum([1.0]), 2, dimension=5)
    with pytest.raises(ValueError, match="beta"):
        predict(GradientDescent(0.1), law, 2, dimension=50, beta=3)
    with pytest.raises(ValueError, match="order below 20"):
        predict(GradientDescent(0.1), law, 2, dimension=5)
    with pytest.raises(ValueError, match="order of the matrices"):
        predict(GradientDescent(0.1), law, 2, drawn_start=True)
    assert predict(GradientDescent(0.1), law, 2, dimension=50).mean is None  # edges that jump
    found = gradient_measure(np.eye(2), [1.0, 0.0], 1)
    with pytest.raises(ValueError, match="noise has a spectral measure"):
        predict(GradientDescent(0.1), found.gauss, 2, noise=GradientNoise(0.1))
    with pytest.raises(ValueError, match="a known start is what it is"):
        predict(GradientDescent(0.1), found.gauss, 2, drawn_start=True)
    with pytest.raises(ValueError, match="a band needs"):
        predict(GradientDescent(0.1), law, 2).interval()
    with pytest.raises(ValueError, match="target"):
        predict(GradientDescent(0.1), law, 2).halting(1.0)
    with pytest.raises(ValueError, match="shape"):
        GradientNoise(1.0, "pink")
    for wrong in (
        lambda: GradientDescent(0),
        lambda: HeavyBall(1, 1.0),
        lambda: Chebyshev(0, 1),
        lambda: HeavyBall.from_edges(0, 1),
        lambda: Nesterov(1, -0.1),
        lambda: GradientDescent.from_edges(2, 1),
    ):
        with pytest.raises(ValueError, match="must"):
            wrong()


def test_draws_follow_the_stream():
    """The same seed draws the same band; without one each call draws anew, by a law's edges too."""
    law = MarchenkoPastur(0.5)

    def median(rng):
        method = GradientDescent(0.5)
        return predict(method, law, 3, dimension=50, drawn_start=True, rng=rng).median[-1]

    third = median(3)
    assert third == median(np.int64(3))
    assert median(np.random.default_rng(3)) == median(np.random.default_rng(3)) != third
    assert len({median(None), median(None), third, median(4)}) == 4
    with pytest.raises(ValueError, match="rng must be an integer of at least 0"):
        median(-1)
