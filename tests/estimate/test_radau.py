"""Canonical representations bracket the distribution function; intervals cover it."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from scipy.stats import beta as beta_law

from rmtland.estimate import distribution_band, negative_fraction, spectral_density
from rmtland.estimate.beta_law import (
    beta_interval,
    equivalent_draws,
    intervals,
    kolmogorov_quantile,
    wilson,
)
from rmtland.estimate.distribution import spectrum_tridiagonals
from rmtland.estimate.lanczos import Lanczos, Tridiagonal
from rmtland.estimate.operators import symmetric_operator
from rmtland.estimate.radau import Brackets, Split, gauss, mean_split, radau


def measured(values, start, steps):
    run = Lanczos(symmetric_operator(np.diag(values)), start[None], reorthogonalize="full")
    run.extend(steps)
    return run.tridiagonals()[0]


@st.composite
def measures(draw):
    size = draw(st.integers(1, 30))
    seed = draw(st.integers(0, 10_000))
    generator = np.random.default_rng(seed)
    kind = draw(st.sampled_from(["normal", "copies", "outlier", "positive"]))
    values = generator.standard_normal(size)
    if kind == "copies":
        values = np.round(2 * values) / 2
    elif kind == "outlier":
        values[0] *= 100
    elif kind == "positive":
        values = np.maximum(values, 0.0)
    start = generator.standard_normal(size)
    return values, start, draw(st.integers(1, 12))


@given(measures(), st.floats(-4, 4))
@examples(150)
def test_brackets_hold(measure, x):
    values, start, steps = measure
    weights = start**2 / (start @ start)
    one = measured(values, start, steps)
    strict, closed = weights[values < x - 1e-9].sum(), weights[values <= x + 1e-9].sum()
    split = radau(one, x)
    assert split.below <= closed + 1e-9
    assert split.below + split.at >= strict - 1e-9
    if not (np.abs(values - x) < 1e-9).any():
        assert split.below - 1e-9 <= strict <= split.below + split.at + 1e-9
        for families in (1, 4):
            low, high = Brackets(one, families=families).at(np.array([x]))
            assert low[0] <= strict + 1e-9
            assert high[0] >= strict - 1e-9
            assert low[0] <= split.below + 1e-9  # never sharper than the sharp one
            assert high[0] >= split.below + split.at - 1e-9
    assert 0 <= split.below <= 1
    assert 0 <= split.at <= 1 + 1e-12


@given(measures())
@examples(60)
def test_a_representation_has_the_moments_of_the_measure(measure):
    values, start, steps = measure
    one = measured(values, start, steps)
    weights = start**2 / (start @ start)
    nodes, mass = gauss(one)
    scale = max(np.abs(values).max(), 1e-3)
    for k in range(2 * len(one.alpha)):
        assert mass @ (nodes / scale) ** k == pytest.approx(
            weights @ (values / scale) ** k, abs=1e-9
        )


def test_more_families_narrow_the_brackets():
    one = Tridiagonal(np.zeros(40), np.ones(40))
    x = np.linspace(-1.9, 1.9, 501)
    widths = []
    for families in (1, 2, 6):
        low, high = Brackets(one, families=families).at(x)
        assert (low <= high).all()
        widths.append((high - low).mean())
    sharp = np.mean([radau(one, t).at for t in x])
    assert widths[0] > widths[1] > widths[2] > sharp
    assert widths[2] < 1.25 * sharp


def test_the_width_at_a_point_is_the_christoffel_function():
    alpha, beta = np.array([0.3, -0.2, 0.1, 0.5]), np.array([1.0, 0.8, 1.1, 0.9])
    x = 0.37
    p = [1.0, (x - alpha[0]) / beta[0]]
    for j in range(1, 4):
        p.append(((x - alpha[j]) * p[j] - beta[j - 1] * p[j - 1]) / beta[j])
    assert radau(Tridiagonal(alpha, beta), x).at == pytest.approx(1 / np.sum(np.square(p)))


@pytest.mark.parametrize("x", [0.0, np.sqrt(2.0), -np.sqrt(2.0)])
def test_a_point_at_a_gauss_node(x):
    one = Tridiagonal(np.zeros(3), np.ones(3))  # nodes 0 and +-sqrt(2)
    near, at = radau(one, x + 1e-9), radau(one, x)
    np.testing.assert_allclose(near.below, at.below, atol=1e-6)
    np.testing.assert_allclose(near.at, at.at, atol=1e-6)


def test_an_exhausted_measure_is_exact():
    one = Tridiagonal(np.array([0.0]), np.array([0.0]))
    assert radau(one, 0.0) == Split(0.0, 1.0, 0.0, 0.0)
    assert radau(one, 1.0) == Split(1.0, 0.0, 1.0, 0.0)
    assert radau(one, -1.0) == Split(0.0, 0.0, 0.0, 1.0)
    assert mean_split([one, one], 1.0) == radau(one, 1.0)
    low, high = Brackets(one).at(np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(low, high)
    np.testing.assert_array_equal(high, [0.0, 1.0, 1.0])


@pytest.mark.parametrize("is_complex", [False, True])
def test_masses_of_gaussian_probes_follow_the_beta_law(is_complex):
    p, q, probes = 40, 0.3, 4000
    generator = np.random.default_rng(0)
    v = generator.standard_normal((probes, p))
    if is_complex:
        v = v + 1j * generator.standard_normal((probes, p))
    mass = (np.abs(v[:, :12]) ** 2).sum(axis=1) / (np.abs(v) ** 2).sum(axis=1)
    n = equivalent_draws(size=p, probes=1, is_complex=is_complex)
    assert mass.var() == pytest.approx(q * (1 - q) / n, rel=0.08)
    law = beta_law(q * (n - 1), (1 - q) * (n - 1))
    assert np.abs(law.cdf(np.sort(mass)) - (np.arange(probes) + 0.5) / probes).max() < 0.0215


def test_wilson_covers_a_single_eigenvalue():
    p, probes = 1000, 10
    generator = np.random.default_rng(1)
    n = equivalent_draws(size=p, probes=probes)
    mass = generator.beta(0.5, (p - 1) / 2, size=(4000, probes)).mean(axis=1)
    low, high = wilson(mass, n, confidence=0.95)
    assert 0.935 < ((low <= 1 / p) & (1 / p <= high)).mean() < 0.985


def test_quantiles_and_ends():
    assert kolmogorov_quantile(1e6, 0.95) == pytest.approx(1.3581e-3, rel=1e-3)
    assert kolmogorov_quantile(999, 0.95) == pytest.approx(
        kolmogorov_quantile(1000, 0.95), rel=0.02
    )
    low, high = wilson(np.array([0.0, 1.0]), 100.0, confidence=0.95)
    assert low[0] == pytest.approx(0, abs=1e-15)
    assert high[1] == pytest.approx(1, abs=1e-15)
    assert 0 < high[0] < 0.05


def test_a_known_nullity_is_taken_off():
    split = Split(0.2, 0.3, 0.05, 0.05)
    plain = intervals(split, 1e8, confidence=0.95)
    known = intervals(split, 1e8, confidence=0.95, nullity=0.29)
    assert plain.value == pytest.approx(0.35)
    assert known.value == pytest.approx(0.205)
    np.testing.assert_allclose(known.rigorous, (0.2, 0.21), atol=1e-3)
    np.testing.assert_allclose(plain.rigorous, (0.2, 0.5), atol=1e-3)


def test_the_beta_interval_is_that_of_the_law_for_one_probe():
    for count, size in ((1, 8), (3, 20), (7, 8)):
        law = beta_law(count / 2, (size - count) / 2)
        draws = equivalent_draws(size=size, probes=1)
        for level, end in ((0.975, 0), (0.025, 1)):  # the end moves past the truth right there
            edge = law.ppf(level)
            assert beta_interval(edge, draws, confidence=0.95)[end] == pytest.approx(
                count / size, abs=1e-9
            )
    assert beta_interval(0.0, 5.0, confidence=0.95)[0] == 0.0
    assert beta_interval(1.0, 5.0, confidence=0.95)[1] == 1.0


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(("size", "below", "at"), [(8, 1, 6), (8, 3, 2), (3, 1, 1)])
@pytest.mark.parametrize("probes", [1, 10])
def test_rigorous_intervals_of_tiny_matrices_hold_at_their_level(size, below, at, probes):
    # 600 repetitions: a coverage of .95 has a standard error of .009
    squares = np.random.default_rng(5).standard_normal((600, probes, size)) ** 2
    masses = (squares / squares.sum(-1, keepdims=True)).mean(axis=1)
    draws = equivalent_draws(size=size, probes=probes)
    covered = 0
    for one in masses:
        split = Split(one[:below].sum(), one[below : below + at].sum(), 0.0, 0.0)
        low, high = intervals(split, draws, confidence=0.95).rigorous
        covered += low <= below / size and (below + at) / size <= high
    assert covered >= 0.93 * 600


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_intervals_hold_the_index_of_a_definite_matrix_to_the_last_bit(sign):
    values = sign * (np.random.default_rng(3).random(200) + 1e-3)
    for seed in range(4):
        found = negative_fraction(
            lambda v: values * v, size=200, method="lanczos", probes=10, steps=40, rng=seed
        )
        for low, high in (found.interval, found.rigorous):
            assert low <= (values < 0).mean() <= high
        assert (low, high) != (0.0, 1.0)


@pytest.mark.parametrize("steps", [20, 80, 101])
def test_the_mass_of_an_atom_is_at_it_though_rounding_finds_it_twice(steps):
    """Rounding brings further vectors of an eigenspace in: two Ritz values are at 0 then."""
    values = np.concatenate([-np.ones(100), np.zeros(100), np.linspace(0.1, 1, 100)])
    operator = symmetric_operator(lambda v: (values * v.T).T, size=300)
    for options in ({}, {"reorthogonalize": "full"}):
        found = negative_fraction(
            operator, probes=4, steps=steps, rng=0, method="lanczos", nullity=100, **options
        )
        for low, high in (found.interval, found.rigorous):
            assert low <= 1 / 3 <= high
        unknown = negative_fraction(
            operator, probes=4, steps=steps, rng=0, method="lanczos", **options
        )
        assert unknown.rigorous[0] <= 1 / 3
        assert unknown.rigorous[1] >= 2 / 3
        spectrum = spectral_density(operator, probes=4, steps=steps, rng=0, **options)
        low, high = distribution_band(spectrum, [0.0]).rigorous[0]
        assert low <= 1 / 3
        assert high >= 2 / 3
        for one in spectrum_tridiagonals(spectrum):
            near = np.array([-1e-14, 0.0, 1e-14])
            low, high = Brackets(one).at(near)
            split = radau(one, 0.0)
            assert (low <= split.below + 1e-6).all()
            assert (high >= split.below + split.at - 1e-6).all()
