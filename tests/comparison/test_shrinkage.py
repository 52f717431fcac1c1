"""Nonlinear shrinkage: exact cases, preserved traces, loss near the best, refusals."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland import (
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Uniform,
    nonlinear_shrinkage,
)
from rmtland.comparison import Shrinkage
from rmtland.free import general_marchenko_pastur


def sampled(variances, samples, *, rng):
    """Eigenvalues and eigenvectors of a sample covariance matrix, and the best replacements."""
    generator = np.random.default_rng(rng)
    x = generator.standard_normal((samples, len(variances))) * np.sqrt(variances)
    values, vectors = np.linalg.eigh(x.T @ x / samples)
    best = np.einsum("ji,j,ji->i", vectors, variances, vectors)
    null = max(0, len(variances) - samples)
    best[:null] = best[:null].mean() if null else best[:null]
    return values, vectors, best


def levels(law, size):
    """Eigenvalues as even as they can be; those of the atom at 0 as exact zeros."""
    return np.maximum(law.ppf((np.arange(size) + 0.5) / size), 0.0)


@settings(max_examples=20)
@given(ratio=st.floats(0.02, 30.0), scale=st.floats(1e-6, 1e6), loss=st.sampled_from(["f", "s"]))
def test_white_noise_becomes_its_variance(ratio, scale, loss):
    size = 60
    samples = max(1, round(size / ratio))
    if loss == "s" and samples <= size:
        samples = 4 * size
    law = MarchenkoPastur(size / samples, scale=scale)
    values = levels(law, size)
    values[: max(0, size - samples)] = 0.0
    found = nonlinear_shrinkage(
        values,
        samples=samples,
        population=Discrete((scale,), (1.0,)),
        loss={"f": "frobenius", "s": "stein"}[loss],
    )
    np.testing.assert_allclose(found.values, scale, rtol=1e-6)


@settings(max_examples=10)
@given(
    ratio=st.floats(0.05, 5.0),
    places=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=3, unique=True),
)
def test_the_trace_is_that_of_the_population(ratio, places):
    """The replacements are diagonal entries of the covariance in a basis: their mean is its."""
    population = Discrete(tuple(places), (1 / len(places),) * len(places))
    samples = 1000
    size = round(ratio * samples)
    law = general_marchenko_pastur(population, size / samples)
    values = levels(law, size)
    values[: max(0, size - samples)] = 0.0
    found = nonlinear_shrinkage(values, samples=samples, population=population)
    # The midpoint rule between eigenvalues: second order inside, less beside the edges.
    assert found.values.mean() == pytest.approx(population.mean(), rel=5e-3)


@pytest.mark.parametrize(
    ("variances", "samples"),
    [
        pytest.param(
            np.repeat([1.0, 3.0, 10.0], [20, 40, 40]), 300, id="p < n", marks=pytest.mark.slow
        ),
        pytest.param(np.repeat([1.0, 3.0, 10.0], [20, 40, 40]), 50, id="p > n"),
        pytest.param(np.ones(80), 160, id="white"),
    ],
)
def test_nearly_all_of_the_avoidable_loss_is_avoided(variances, samples):
    values, vectors, best = sampled(variances, samples, rng=1)
    found = nonlinear_shrinkage(Spectrum(values), samples=samples)
    assert np.sum((found.values - best) ** 2) < 0.05 * np.sum((values - best) ** 2)
    assert found.population.mean() == pytest.approx(values.mean(), rel=0.02)
    assert found.comparison.kolmogorov < 0.04
    estimate = found.covariance(vectors)
    np.testing.assert_allclose(np.linalg.eigvalsh(estimate), np.sort(found.values), rtol=1e-8)
    np.testing.assert_allclose(found.precision(vectors) @ estimate, np.eye(len(values)), atol=1e-8)
    assert json.loads(json.dumps(found.to_dict()))["samples"] == samples


def test_a_singular_population_stays_singular():
    variances = np.repeat([0.0, 1.0, 4.0], [40, 30, 30])
    values, vectors, best = sampled(variances, 200, rng=2)
    found = nonlinear_shrinkage(values, samples=200)
    assert (found.values[:40] == 0).all()
    assert (found.eigenvalues[:40] == 0).all()
    assert found.population.cdf(0.0) == pytest.approx(0.4, abs=0.02)
    loss = np.sum((found.values - best) ** 2)
    assert loss < 0.1 * np.sum((values - best) ** 2)
    with pytest.raises(ValueError, match="40 eigenvalues 0"):
        found.precision(vectors)


def test_eigenvalues_outside_the_bands_get_what_the_nearest_edge_gets():
    """Between 0 and the first band the formula has a pole."""
    law = MarchenkoPastur(2.0)
    values = np.concatenate([np.zeros(100), levels(law, 200)[100:]])
    values[100] = 1e-4
    found = nonlinear_shrinkage(values, samples=100, population=Discrete((1.0,), (1.0,)))
    np.testing.assert_allclose(found.values, 1.0, rtol=1e-6)


def test_scale_and_order_do_not_matter():
    values, _, _ = sampled(np.repeat([1.0, 5.0], 20), 100, rng=0)
    found = nonlinear_shrinkage(values, samples=100)
    again = nonlinear_shrinkage(1e3 * values[::-1], samples=100)
    np.testing.assert_allclose(again.values, 1e3 * found.values, rtol=1e-3)


def test_one_variable_and_few():
    with pytest.warns(UserWarning, match="1 eigenvalues are few"):
        found = nonlinear_shrinkage([2.0], samples=5)
    assert found.values[0] == pytest.approx(2.0)
    assert isinstance(found, Shrinkage)
    assert "1 eigenvalues of 5 samples" in repr(found)


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ([1.0, -0.5], {"samples": 9}, "no negative eigenvalues; got -0.5"),
        ([0.0, 0.0], {"samples": 9}, "all eigenvalues are 0"),
        ([1.0, np.nan], {"samples": 9}, "all of them finite"),
        ([], {"samples": 9}, "at least one eigenvalue"),
        ([1.0, 2.0, 3.0], {"samples": 2}, "rank 2 at most"),
        ([1.0, 2.0, 3.0], {"samples": 3, "loss": "stein"}, "fewer variables than samples"),
        ([1.0, 2.0], {"samples": 0}, "samples"),
        (np.linspace(1.0, 2.0, 40), {"samples": 50}, "if there are 50 independent samples"),
        ([1.0, 2.0], {"samples": 9, "loss": "entropy"}, "loss"),
        (np.eye(2), {"samples": 9}, "shape"),
        (Spectrum([[1.0, 2.0], [1.0, 3.0]]), {"samples": 9}, "one matrix"),
    ],
)
def test_bad_input(given, options, words):
    with pytest.raises(ValueError, match=words):
        nonlinear_shrinkage(given, **options)


def test_a_null_space_in_single_precision_and_a_mask():
    """A spectrum holds numbers of double precision, whatever they were computed in."""
    x = np.random.default_rng(0).normal(size=(32, 16)).astype(np.float32)
    spectrum = Spectrum.from_matrix(x @ x.T / 16)
    assert spectrum.nodes.min() < -1e-8
    found = nonlinear_shrinkage(spectrum, samples=16, population=Uniform(0.5, 1.5))
    assert (found.eigenvalues == 0).sum() == 16
    with pytest.raises(ValueError, match="eigenvalues masks 1 of its 2"):
        nonlinear_shrinkage(np.ma.masked_array([1.0, 9.0], [0, 1]), samples=4)


def test_wrong_types_and_vectors():
    with pytest.raises(TypeError, match="real eigenvalues"):
        nonlinear_shrinkage(np.array([1.0 + 1j, 2.0]), samples=9)
    with pytest.raises(TypeError, match="must be a law"):
        nonlinear_shrinkage([1.0, 2.0], samples=9, population=[1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = nonlinear_shrinkage([1.0, 2.0], samples=9, population=Uniform(1.0, 2.0))
    with pytest.raises(ValueError, match="2 eigenvectors"):
        found.covariance(np.eye(3))
    with pytest.raises(ValueError, match="not orthonormal"):
        found.covariance([[1.0, 0.5], [0.0, 1.0]])


def test_units_do_not_matter():
    values, _, _ = sampled(np.repeat([1.0, 4.0], 30), 200, rng=3)
    one = nonlinear_shrinkage(values, samples=200)
    for scale in (1e-150, 1e100):
        other = nonlinear_shrinkage(scale * values, samples=200)
        # What is beside an edge has the square root of its rounding
        np.testing.assert_allclose(other.values, scale * one.values, rtol=2e-3)
        assert other.population.mean() == pytest.approx(scale * one.population.mean(), rel=1e-6)
        assert other.comparison.kolmogorov == pytest.approx(one.comparison.kolmogorov, abs=1e-3)


def test_a_population_over_decades_explains_the_small_eigenvalues_too():
    """Lines of one height above the axis see nothing below a hundredth of the width."""
    values, _, _ = sampled(np.geomspace(1.0, 0.01, 50), 150, rng=1)
    found = nonlinear_shrinkage(values, samples=150)
    assert found.comparison.kolmogorov < 3 / 50


def test_a_wrong_number_of_samples_or_population_is_said():
    values, _, _ = sampled(np.repeat([1.0, 4.0], 30), 200, rng=3)
    with pytest.warns(UserWarning, match="their number is not 70"):
        nonlinear_shrinkage(values, samples=70)
    with pytest.warns(UserWarning, match="from the law that the population gives"):
        nonlinear_shrinkage(values, samples=200, population=Discrete((100.0,), (1.0,)))
    with pytest.raises(ValueError, match=r"mass 0\.5 below 0"):
        nonlinear_shrinkage(values, samples=200, population=Semicircle(1.0))


def test_a_continuous_population_with_more_variables_than_samples():
    variances = np.linspace(1.0, 2.0, 80)
    values, _, best = sampled(variances, 40, rng=4)
    found = nonlinear_shrinkage(values, samples=40, population=Uniform(1.0, 2.0))
    assert np.sum((found.values - best) ** 2) < 0.02 * np.sum((values - best) ** 2)
