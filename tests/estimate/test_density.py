"""Densities from products: quadratures, brackets, bands, bounds, both routes, deflation."""

from dataclasses import replace

import numpy as np
import pytest

from rmtland.estimate import (
    distance_bounds,
    distribution_band,
    smooth_density,
    spectral_density,
    symmetric_operator,
)
from rmtland.estimate.chebyshev import chebyshev_moments, jackson_factors
from rmtland.estimate.smoothing import resolution_width
from rmtland.laws import Semicircle
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum


def diagonal(values):
    return symmetric_operator(lambda v: (values * v.T).T, size=len(values), check=False)


def bulk_and_outliers(size=1000):
    bulk = Semicircle(1.0).ppf((np.arange(size - 3) + 0.5) / (size - 3))
    return np.append(bulk, [5.0, -4.0, 9.0])


def test_a_spectrum_with_errors_and_brackets():
    values = bulk_and_outliers()
    spectrum = spectral_density(diagonal(values), probes=6, steps=30, rng=0)
    assert isinstance(spectrum, Spectrum)
    assert spectrum.nodes.shape == spectrum.errors.shape == spectrum.alpha.shape == (6, 30)
    assert spectrum.dimension == 1000
    assert spectrum.provenance["products"] == 180
    assert spectrum.mean() == pytest.approx(values.mean(), abs=0.1)
    truth = np.searchsorted(np.sort(values), spectrum.nodes, side="right") / 1000
    low, high = spectrum.brackets[..., 0], spectrum.brackets[..., 1]
    assert (low - 4 * spectrum.errors - 1e-9 <= truth).all()
    assert (truth <= high + 4 * spectrum.errors + 1e-9).all()
    middle = (spectrum.nodes > -1.5) & (spectrum.nodes < 1.5)
    assert (high - low)[middle].max() < 0.12
    again = Spectrum.load(spectrum.save(pytest.importorskip("tempfile").mkdtemp() + "/s"))
    assert again == spectrum
    band = distribution_band(again, [0.0])
    assert band.interval[0, 0] < 0.5 < band.interval[0, 1]


def test_the_band_holds_at_all_points_at_once():
    """At 95 %, 17 or fewer of 24 have a probability below 1e-4."""
    values = bulk_and_outliers(400)
    x = np.linspace(-2.2, 2.2, 12)
    truth = np.searchsorted(np.sort(values), x) / 400
    hits = 0
    for seed in range(24):
        spectrum = spectral_density(diagonal(values), probes=3, steps=16, rng=seed)
        band = distribution_band(spectrum, x)
        hits += ((band.band[:, 0] <= truth) & (truth <= band.band[:, 1])).all()
        assert (np.diff(band.value) >= 0).all()
        assert (band.rigorous[:, 0] <= band.interval[:, 0] + 1e-12).all()
        assert (band.interval[:, 1] <= band.rigorous[:, 1] + 1e-12).all()
    assert hits >= 18


def test_bounds_of_distances_hold_and_shrink():
    values = bulk_and_outliers(600)
    x = np.linspace(-6, 11, 20001)
    truth = np.searchsorted(np.sort(values), x, side="right") / 600
    before = np.inf
    for steps in (8, 16, 32):
        spectrum = spectral_density(diagonal(values), probes=4, steps=steps, rng=1)
        bounds = distance_bounds(spectrum)
        off = np.abs(spectrum.cdf(x) - truth)
        assert off.max() <= bounds.kolmogorov
        assert np.trapezoid(off, x) <= bounds.wasserstein < before
        assert bounds.wasserstein == pytest.approx(bounds.truncation + bounds.sampling)
        before = bounds.wasserstein
    assert bounds.support[0] <= values.min() + 1e-9
    assert bounds.support[1] >= values.max() - 1e-9
    wider = distance_bounds(spectrum, support=(-10.0, 20.0))
    assert wider.wasserstein >= bounds.wasserstein
    more = spectral_density(diagonal(values), probes=16, steps=32, rng=1)
    assert distance_bounds(more).sampling < 0.6 * bounds.sampling


def test_an_accuracy_is_reached():
    values = bulk_and_outliers(600)
    found = spectral_density(diagonal(values), probes=2, steps=6, rng=0, accuracy=0.5)
    assert distance_bounds(found).wasserstein <= 0.5
    assert found.nodes.size > 12
    with pytest.warns(UserWarning, match="was asked for"):
        spectral_density(diagonal(values), probes=2, steps=6, rng=0, accuracy=1e-6, max_products=30)


def test_kernel_polynomials_agree_with_lanczos():
    values = bulk_and_outliers()
    lanczos = spectral_density(diagonal(values), probes=8, steps=60, rng=0)
    kpm = spectral_density(diagonal(values), probes=8, steps=60, rng=0, method="kpm")
    assert kpm.nodes.shape == (8, 120)
    assert kpm.brackets is None
    assert kpm.provenance["products"] == 8 * 60 + 30
    # other probes; Jackson's kernel smooths by pi/120 of half the range
    assert kpm.mean() == pytest.approx(lanczos.mean(), abs=0.08)
    x = np.linspace(-1.8, 1.8, 50)
    assert np.abs(kpm.cdf(x) - lanczos.cdf(x)).max() < 0.08
    density = smooth_density(kpm, [0.0], width=0.3).pdf[0]
    assert density == pytest.approx(Semicircle(1.0).pdf(0.0), rel=0.1)


def test_chebyshev_moments_are_moments():
    values = np.linspace(-1, 1, 50)
    v = np.random.default_rng(0).standard_normal((50, 2))
    moments = chebyshev_moments(diagonal(values), v, 6, (-1.0, 1.0))
    weights = v**2 / (v**2).sum(axis=0)
    angles = np.arccos(values)
    exact = [[w @ np.cos(j * angles) for j in range(12)] for w in weights.T]
    np.testing.assert_allclose(moments, exact, atol=1e-12)
    factors = jackson_factors(12)
    theta = np.linspace(0, np.pi, 400)
    kernel = factors[0] + 2 * sum(factors[j] * np.cos(j * theta) for j in range(1, 12))
    assert kernel.min() > -1e-12
    with pytest.raises(ConvergenceError, match="outside"):
        chebyshev_moments(diagonal(3 * values), v, 20, (-1.0, 1.0))


def test_deflated_outliers_have_their_weight():
    values = bulk_and_outliers(600)
    plain = spectral_density(diagonal(values), probes=4, steps=20, rng=0)
    found = spectral_density(diagonal(values), probes=4, steps=20, rng=0, deflate=3)
    nodes, weights = found.measure
    for outlier in (-4.0, 5.0, 9.0):
        assert weights[np.abs(nodes - outlier) < 1e-8].sum() == pytest.approx(1 / 600)
    assert np.abs(nodes[np.abs(nodes) < 3.9]).max() < 2.01
    assert found.alpha is None
    inner = np.abs(found.nodes) < 1.5

    def mean_width(spectrum, where):
        return (spectrum.brackets[..., 1] - spectrum.brackets[..., 0])[where].mean()

    assert mean_width(found, inner) < mean_width(plain, np.abs(plain.nodes) < 1.5)
    with pytest.raises(ValueError, match="deflation"):
        distribution_band(found, [0.0])


@pytest.mark.parametrize("values", [np.zeros(5), np.ones(1), np.repeat([1.0, 3.0], 4)])
def test_small_and_degenerate(values):
    spectrum = spectral_density(diagonal(values), probes=3, steps=10, rng=0)
    nodes, weights = spectrum.measure
    assert set(np.round(nodes, 9)) <= set(values)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_array_equal(spectrum.brackets[..., 0], spectrum.brackets[..., 1])
    bounds = distance_bounds(spectrum)
    assert bounds.truncation == pytest.approx(0, abs=1e-12)
    assert smooth_density(spectrum, [0.0], width=1.0).pdf[0] > 0


def test_gaussian_smoothing_is_the_smoothed_density():
    values = bulk_and_outliers()
    spectrum = spectral_density(diagonal(values), probes=20, steps=40, rng=0)
    x = np.linspace(-2.5, 2.5, 21)
    exact = np.exp(-0.5 * ((x[:, None] - values) / 0.25) ** 2).mean(axis=1) / (
        np.sqrt(2 * np.pi) * 0.25
    )
    found = smooth_density(spectrum, x, width=0.25)
    assert (np.abs(found.pdf - exact) <= 4 * found.standard_error + 2e-3).all()
    assert found.width == 0.25
    assert smooth_density(spectrum, 0.0).width == resolution_width(spectrum)
    assert resolution_width(spectrum) == pytest.approx(4 / 40, rel=0.1)
    assert smooth_density(spectrum, x.reshape(3, 7)).pdf.shape == (3, 7)


def test_a_terminator_knows_the_edge():
    values = Semicircle(1.0).ppf((np.arange(4000) + 0.5) / 4000)
    spectrum = spectral_density(diagonal(values), probes=10, steps=12, rng=0)
    x = np.array([-2.2, -1.9, -1.0, 0.0, 1.0, 1.9, 2.2])
    found = smooth_density(spectrum, x, method="terminator")
    np.testing.assert_allclose(found.edges, (-2, 2), atol=0.05)
    np.testing.assert_allclose(found.pdf, Semicircle(1.0).pdf(x), atol=0.03)
    given = smooth_density(spectrum, x, method="terminator", edges=(-2.0, 2.0))
    assert given.pdf[0] == given.pdf[-1] == 0.0
    assert given.width == 0.0


REFUSED = [
    ("edges", lambda s: smooth_density(s, 0.0, method="terminator", edges=(1.0, -1.0))),
    ("no width", lambda s: smooth_density(s, 0.0, method="terminator", width=0.1)),
    ("method", lambda s: smooth_density(s, 0.0, method="spline")),
    ("ascending", lambda s: distribution_band(s, [1.0, 0.0])),
    ("confidence", lambda s: distribution_band(s, [1.0], confidence=2.0)),
    ("confidence", lambda s: distance_bounds(s, confidence=1.0)),
    ("Gaussian", lambda s: distribution_band(replace(s, provenance={}), 0)),
    ("Jacobi", lambda s: distance_bounds(Spectrum.from_eigenvalues([1.0, 2.0]))),
    ("2 or more", lambda s: distribution_band(spectral_density(np.diag([1.0, 2]), steps=1), 0)),
    ("deflate", lambda s: spectral_density(np.eye(2), deflate=2)),
    ("deflate", lambda s: spectral_density(np.eye(9), deflate=2, method="kpm")),
    ("accuracy", lambda s: spectral_density(np.eye(9), accuracy=0.1, method="kpm")),
    ("method", lambda s: spectral_density(np.eye(9), method="slq")),
]


@pytest.mark.parametrize(("words", "call"), REFUSED)
def test_bad_arguments(words, call):
    spectrum = spectral_density(diagonal(np.linspace(-1, 1, 60)), probes=2, steps=5, rng=0)
    with pytest.raises(ValueError, match=words):
        call(spectrum)
