"""Goodness of fit: its level for eigenvalues, its power where the law is wrong, refusals."""

import json

import numpy as np
import pytest

from rmtland import (
    Discrete,
    GaussianEnsemble,
    JacobiEnsemble,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Uniform,
    Wachter,
    WishartEnsemble,
    WishartPlusWigner,
    fit,
    free_sum,
    goodness_of_fit,
)

KNOWN = [
    (WishartEnsemble(0.5), MarchenkoPastur(0.5)),
    (WishartEnsemble(2.0, 3.0, 2), WishartEnsemble(2.0, 3.0, 2)),
    (GaussianEnsemble(1, 2.0), Semicircle(2.0)),
    (JacobiEnsemble(0.5, 0.25), Wachter(0.5, 0.25)),
]


def chances(ensemble, theory, *, size, repetitions, resamples=19):
    generator = np.random.default_rng(1)
    drawn = ensemble.sample(size, rng=2, runs=repetitions).nodes
    found = []
    for nodes in drawn:
        spectrum = Spectrum(nodes)
        asked = theory(spectrum) if callable(theory) else theory
        test = goodness_of_fit(spectrum, asked, resamples=resamples, rng=generator)
        found.append(test.p_value)
    return np.array(found)


@pytest.mark.parametrize(("ensemble", "law"), KNOWN, ids=str)
def test_p_values_are_uniform_where_the_parameters_are_known(ensemble, law):
    """Exact at any size: of 80 with level .25 four standard errors are .194."""
    found = chances(ensemble, law, size=16, repetitions=80)
    assert abs(np.mean(found <= 0.25) - 0.25) < 0.194
    assert abs(np.mean(found) - 0.525) < 4 * 0.29 / np.sqrt(80)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ensemble", "family", "fix", "truth"),
    [
        (WishartEnsemble(0.5, 2.0), MarchenkoPastur, {"aspect_ratio": 0.5}, {"scale": 2.0}),
        (GaussianEnsemble(1, 2.0), Semicircle, {"center": 0.0}, {"variance": 2.0}),
    ],
    ids=str,
)
def test_p_values_are_uniform_where_the_scale_is_fitted(ensemble, family, fix, truth):
    """A scale is fitted again without loss: 60 at level .25, four standard errors .224."""

    def fitted(spectrum):
        return fit(spectrum, family, fix=fix, starts=[truth], rng=0, resamples=0)

    found = chances(ensemble, fitted, size=24, repetitions=60)
    assert abs(np.mean(found <= 0.25) - 0.25) < 0.224
    assert abs(np.mean(found) - 0.525) < 4 * 0.29 / np.sqrt(60)


def test_independent_points_are_not_eigenvalues():
    """Points that a Kolmogorov test of independent points accepts are refused."""
    law = Semicircle()
    found = [
        goodness_of_fit(Spectrum(law.sample(200, rng=seed)), law, resamples=19, rng=0).p_value
        for seed in range(8)
    ]
    assert max(found) == 0.05


def test_small_departures_are_seen():
    spectrum = WishartEnsemble(0.5, 1.02).sample(200, rng=0)
    assert goodness_of_fit(spectrum, MarchenkoPastur(0.5), rng=0).p_value < 0.05
    assert goodness_of_fit(spectrum, MarchenkoPastur(0.5, 1.02), rng=0).p_value > 0.05


def test_excluded_outliers_are_left_out():
    nodes = WishartEnsemble(0.5).sample(80, rng=5).nodes.ravel()
    spectrum = Spectrum([*nodes, 9.0, 12.0])
    fix = {"aspect_ratio": 0.5}
    fitted = fit(spectrum, MarchenkoPastur, fix=fix, outliers="exclude", rng=0, resamples=0)
    found = goodness_of_fit(spectrum, fitted, resamples=39, rng=0)
    assert fitted.excluded == (9.0, 12.0)
    assert found.p_value > 0.05
    assert found.refitted == ("scale",)
    assert json.loads(json.dumps(found.to_dict()))["resamples"] == 39


def test_a_fit_on_the_boundary_of_its_family_stays_there():
    spectrum = WishartEnsemble(4.0).sample(80, rng=1)
    fitted = fit(spectrum, WishartPlusWigner, rng=0, resamples=0)
    found = goodness_of_fit(spectrum, fitted, resamples=19, rng=0)
    assert found.refitted == ("phi", "sigma")
    assert found.p_value > 0.05


def test_quadratures_are_laid_beside_quadratures():
    ensemble = WishartEnsemble(0.5)
    estimate = ensemble.lanczos(5000, 20, rng=3, runs=4)
    assert goodness_of_fit(estimate, MarchenkoPastur(0.5), resamples=39, rng=0).p_value > 0.05
    assert goodness_of_fit(estimate, MarchenkoPastur(0.45), resamples=39, rng=0).p_value == 0.025


def test_models_draw_their_own_matrices():
    model, other = WishartPlusWigner(0.5, 0.3), WishartPlusWigner(0.5, 0.1)
    spectra = [model.sample(24, rng=seed) for seed in range(6)]
    found = [goodness_of_fit(one, model, resamples=19, rng=0).p_value for one in spectra]
    assert np.mean(found) > 0.2  # uniform: .525, standard error .12
    found = [goodness_of_fit(one, other, resamples=19, rng=0).p_value for one in spectra[:2]]
    assert max(found) < 0.15


def test_same_seed_same_value():
    spectrum = WishartEnsemble(0.5).sample(20, rng=0)
    one, other = (goodness_of_fit(spectrum, MarchenkoPastur(0.5), rng=4) for _ in range(2))
    assert one.p_value == other.p_value
    assert (one.null == other.null).all()


SPECTRUM = WishartEnsemble(0.5).sample(20, rng=0)


@pytest.mark.parametrize(
    ("spectrum", "theory", "message"),
    [
        (SPECTRUM, Uniform(0.0, 2.0), "Uniform does not say how its eigenvalues repel"),
        (SPECTRUM, free_sum(MarchenkoPastur(0.5), Semicircle(0.1)), "no matrices of it"),
        (SPECTRUM, Discrete((0.0, 1.0), (0.5, 0.5)), "point masses"),
        (Spectrum([1.0]), MarchenkoPastur(0.5), "at least 4 eigenvalues; got 1"),
        (Spectrum(np.arange(5.0), np.full(5, 0.2), 9), MarchenkoPastur(0.5), "is an estimate"),
    ],
)
def test_refused(spectrum, theory, message):
    with pytest.raises(ValueError, match=message):
        goodness_of_fit(spectrum, theory)


def test_refused_arguments():
    with pytest.raises(TypeError, match="expected a Spectrum"):
        goodness_of_fit(SPECTRUM.nodes, MarchenkoPastur(0.5))
    with pytest.raises(ValueError, match="at least 19; got 9"):
        goodness_of_fit(SPECTRUM, MarchenkoPastur(0.5), resamples=9)
    fitted = fit(SPECTRUM, lambda s: MarchenkoPastur(0.5, s), rng=0, resamples=0)
    with pytest.raises(ValueError, match="fit a class"):
        goodness_of_fit(SPECTRUM, fitted)
