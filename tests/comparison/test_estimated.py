"""Distances from estimated spectra: the true distance lies in the range that is stated."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartEnsemble,
    WishartPlusWigner,
    compare,
    fit,
    overlay,
)
from rmtland.comparison.estimated import kolmogorov_range, wasserstein_range
from rmtland.estimate import spectral_density
from rmtland.networks import MLP, gaussian


@pytest.fixture(scope="module")
def cases():
    """Matrices with their estimates of few probes and steps, and laws near and far."""
    rng = np.random.default_rng(0)
    found = []
    for n in (150, 300):
        noise = rng.normal(size=(n, 2 * n))
        wishart = noise @ noise.T / (2 * n)
        half = rng.normal(size=(n, n))
        wigner = (half + half.T) / np.sqrt(2 * n)
        for matrix in (wishart, wigner, wishart + wigner):
            estimate = spectral_density(matrix, probes=4, steps=14, rng=rng)
            found.append((Spectrum.from_matrix(matrix), estimate))
    return found


@pytest.mark.parametrize(
    "law", [MarchenkoPastur(0.5), Semicircle(), MarchenkoPastur(2.0), Semicircle(4.0, center=1.0)]
)
def test_the_true_distance_lies_in_the_range(cases, law):
    for exact, estimate in cases:
        true, seen = compare(exact, law), compare(estimate, law)
        low, high = seen.kolmogorov_range
        assert low <= true.kolmogorov <= high
        assert (low, high) == kolmogorov_range(estimate, law)
        assert high - low < 0.6  # 14 steps and 4 probes
        assert true.kolmogorov_range == (true.kolmogorov, true.kolmogorov)
        near, far = seen.wasserstein_range
        area = true.wasserstein * true.unit / seen.unit
        assert near <= area <= far
        assert (near * seen.unit, far * seen.unit) == pytest.approx(
            wasserstein_range(estimate, law), rel=1e-12
        )
        assert far - near < 0.6
        assert true.wasserstein_range == (true.wasserstein, true.wasserstein)


def test_a_law_that_is_far_is_told_from_the_estimate(cases):
    _, estimate = cases[0]
    assert compare(estimate, MarchenkoPastur(0.5)).kolmogorov_range[0] < 0.02
    assert compare(estimate, Semicircle()).kolmogorov_range[0] > 0.3


def test_errors_alone_widen_the_distance():
    law, x = Semicircle(), np.linspace(-1.9, 1.9, 40)
    exact = Spectrum(x, np.full(40, 1 / 40), dimension=1000)
    known = Spectrum(x, np.full(40, 1 / 40), dimension=1000, errors=np.full(40, 0.01))
    distance = compare(exact, law).kolmogorov
    low, high = compare(known, law).kolmogorov_range
    assert low <= distance <= high
    # 3.9 errors, and a step between two nodes
    assert 0.01 < high - distance <= 3.9 * 0.01 + 1 / 40 + 1e-12
    with pytest.raises(ValueError, match="neither brackets nor errors"):
        kolmogorov_range(exact, law)


def test_index_of_an_overlay_is_the_interval_of_the_estimate():
    # a third of the eigenvalues is zero: nodes of the quadrature below 0 mislead
    values = np.concatenate([np.zeros(200), np.linspace(-0.5, 1.5, 400)])
    spectrum = spectral_density(np.diag(values), probes=6, steps=30, rng=0)
    result = overlay(spectrum, Semicircle(0.4, 0.5))
    measured = result.to_dict()["spectrum"]
    low, high = measured["index_rigorous"]
    assert low <= 100 / 600
    assert high >= 300 / 600
    assert (
        low <= measured["index_interval"][0] <= measured["index"] <= measured["index_interval"][1]
    )
    start, end = measured["index_interval"]
    words = f"{start:.3f} to {end:.3f}"
    assert result.rows()[0][3] == words
    _, right = axes = tuple(Figure().subplots(1, 2))
    result.plot(axes)
    assert right.get_legend().get_texts()[0].get_text() == f"measured, index {words}"
    complete = overlay(Spectrum(values), Semicircle(0.4, 0.5))
    assert complete.rows()[0][3] == "0.167"
    assert "index_interval" not in complete.to_dict()["spectrum"]


def known_hessian():
    """A network at its start: a matrix of no family."""
    data = gaussian(40, 8, rng=0)
    net = MLP((8, 8, 8))
    return net.at(net.init(rng=1), data.x, data.y).hessian().total


@pytest.mark.parametrize("law", [WishartPlusWigner(0.4, 0.3), Semicircle()], ids=str)
def test_ranges_of_a_hessian_cover_over_repetitions(law):
    """24 estimates at 95 %: fewer than 20 in the range has the probability 3e-3 at most."""
    matrix = known_hessian()
    true, inside = compare(Spectrum.from_matrix(matrix), law), []
    for seed in range(24):
        seen = compare(spectral_density(matrix, probes=3, steps=16, rng=seed), law)
        area = true.wasserstein * true.unit / seen.unit
        inside.append(
            [
                seen.kolmogorov_range[0] <= true.kolmogorov <= seen.kolmogorov_range[1],
                seen.wasserstein_range[0] <= area <= seen.wasserstein_range[1],
            ]
        )
    assert (np.sum(inside, axis=0) >= 20).all()


def test_smoothed_distances_of_an_estimate_have_ranges(cases):
    for exact, estimate in cases[:3]:
        true, seen = (compare(one, Semicircle(), eta=0.1) for one in (exact, estimate))
        low, high = seen.kolmogorov_range
        assert low <= true.kolmogorov <= high
        assert low < seen.kolmogorov < high
        low, high = seen.wasserstein_range
        assert low * seen.unit <= true.wasserstein * true.unit <= high * seen.unit
        assert true.kolmogorov_range == (true.kolmogorov,) * 2


# Fits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["distance", "quantiles"])
@pytest.mark.parametrize(
    ("family", "fix"),
    [
        (MarchenkoPastur, {}),
        pytest.param(Semicircle, {}, marks=pytest.mark.slow),
        pytest.param(WishartPlusWigner, {"sigma": 1.0}, marks=pytest.mark.slow),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_errors_of_a_fit_cover_what_an_estimate_does_not_know(family, fix, method):
    """Fits of 16 estimates beside that of the exact spectrum: an error of normal law is beyond
    3 of them in 16 with probability 4 %, beyond 4 with 1e-3; the errors are not twice too small.
    """
    if family is MarchenkoPastur:
        noise = np.random.default_rng(0).normal(size=(200, 400))
        matrix = noise @ noise.T / 400
    else:
        matrix = known_hessian()
    exact = fit(
        Spectrum.from_matrix(matrix), family, fix=fix, method=method, rng=0, resamples=0, starts=2
    )
    scores = []
    for seed in range(16):
        estimate = spectral_density(matrix, probes=2, steps=20, rng=seed)
        found = fit(
            estimate,
            family,
            fix=fix,
            method=method,
            rng=0,
            resamples=2,
            starts=[exact.parameters],
        )
        scores.append(
            [
                (found.parameters[name] - exact.parameters[name]) / error
                for name, error in found.errors.items()
            ]
        )
    assert np.abs(scores).max() < 4
    # rms of 16 normal scores: 1 with deviation .18; truncation is bounded, not known
    rms = np.sqrt(np.mean(np.square(scores), axis=0))
    assert (rms < 1 + 4 * 0.18).all(), rms
    assert (rms > 0.1).all(), rms


def test_more_probes_and_steps_make_errors_smaller():
    noise = np.random.default_rng(0).normal(size=(200, 400))
    matrix = noise @ noise.T / 400
    errors = [
        fit(
            spectral_density(matrix, probes=probes, steps=steps, rng=0),
            MarchenkoPastur,
            rng=0,
            resamples=4,
            starts=1,
        ).errors["scale"]
        for probes, steps in ((1, 12), (4, 24), (16, 48))
    ]
    assert errors[0] > 1.3 * errors[1] > 1.3 * 1.3 * errors[2]


def test_runs_of_a_quadrature_tell_their_scatter():
    """Rows that are matrices of their own, without a law of probes: the jackknife over rows."""
    one, many = (
        fit(
            WishartEnsemble(0.5).lanczos(1000, 30, rng=1, runs=runs),
            MarchenkoPastur,
            rng=0,
            resamples=4,
            starts=[{"aspect_ratio": 0.5, "scale": 1.0}],
        )
        for runs in (2, 16)
    )
    assert many.errors["scale"] < one.errors["scale"]
    # the mean over 16 start vectors of 1000 entries scatters by sqrt(.5/8000) = .008
    assert 0.004 < many.errors["scale"] < 0.03
    assert abs(many.parameters["scale"] - 1.0) < 4 * many.errors["scale"]


def test_errors_that_are_stated_are_carried():
    x = Semicircle().ppf((np.arange(40) + 0.5) / 40)
    found = [
        fit(
            Spectrum(x, np.full(40, 1 / 40), dimension=10**6, errors=np.full(40, error)),
            Semicircle,
            rng=0,
            resamples=2,
            starts=[{"variance": 1.0, "center": 0.0}],
        ).errors["center"]
        for error in (1e-9, 0.02, 0.04)
    ]
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(2 * found[1], rel=0.3)


def test_outliers_left_out_of_an_estimate_keep_its_brackets():
    noise = np.random.default_rng(0).normal(size=(200, 400))
    noise[:2] *= np.sqrt([[9.0], [16.0]])
    matrix = noise @ noise.T / 400
    exact = fit(Spectrum.from_matrix(matrix), MarchenkoPastur, rng=0, outliers=2, starts=2)
    found = fit(
        spectral_density(matrix, probes=6, steps=30, rng=0),
        MarchenkoPastur,
        rng=0,
        outliers=2,
        starts=2,
        resamples=4,
    )
    assert len(exact.excluded) == 2
    assert len(found.excluded) == 12  # two nodes of each probe
    for name, error in found.errors.items():
        assert abs(found.parameters[name] - exact.parameters[name]) < 4 * error
    low, high = found.comparison.kolmogorov_range
    assert low <= exact.comparison.kolmogorov <= high < 0.3
