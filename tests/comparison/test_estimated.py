"""Distances from estimated spectra: the true distance lies in the range that is stated."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur, Semicircle, Spectrum, compare, overlay
from rmtland.comparison.estimated import kolmogorov_range
from rmtland.estimate import spectral_density


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
    assert high - distance <= 2 * 0.01 + 1 / 40 + 1e-12  # a step between two nodes
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
    assert result.rows()[0][3] == f"{start:.3f} to {end:.3f}"
    complete = overlay(Spectrum(values), Semicircle(0.4, 0.5))
    assert complete.rows()[0][3] == "0.167"
    assert "index_interval" not in complete.to_dict()["spectrum"]
