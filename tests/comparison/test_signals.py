"""Signals: the edge test holds its level, strengths come back within their errors, refusals."""

import json

import numpy as np
import pytest

from rmtland import (
    GaussianEnsemble,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Uniform,
    WishartEnsemble,
    fit,
    free_sum,
    signals,
    spiked,
)
from rmtland.comparison.edge_law import wigner_edge, wishart_edge
from rmtland.comparison.signals import WishartNoise
from rmtland.comparison.spike_strengths import rectangular_strengths, spike_strengths


def covariance(population, samples, *, rng, beta=1):
    """Sample covariance of independent Gaussian samples."""
    generator = np.random.default_rng(rng)
    x = generator.standard_normal((len(population), samples))
    if beta == 2:
        x = (x + 1j * generator.standard_normal(x.shape)) / np.sqrt(2)
    x *= np.sqrt(population)[:, None]
    return Spectrum(np.linalg.eigvalsh(x @ x.conj().T / samples))


FOUR = 4.0
"""Standard errors: one sound comparison fails with probability 6e-5."""


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("n", "beta"),
    [
        (8, 1),
        (10, 2),
        (17, 2),
        *(
            pytest.param(n, beta, marks=pytest.mark.slow)
            for n, beta in ((8, 2), (10, 1), (17, 1), (32, 1), (32, 2))
        ),
    ],
)
def test_ends_of_small_wigner_matrices_hold_their_level(n, beta):
    """Without the law of small orders 1 % would be 1.8 % at order 10, 1.5 % at 17 (complex)."""
    values = GaussianEnsemble(beta).sample(n, rng=n, runs=8000).nodes
    centre = values.mean(axis=1)
    unbiased = n * n / (n * n + (2 / beta - 1) * n - 2 / beta)
    deviation = np.sqrt(values.var(axis=1) * unbiased / n)
    ends = np.concatenate([values.max(axis=1) - centre, centre - values.min(axis=1)])
    ends /= np.tile(deviation, 2)
    for level, low, high in ((0.1, 0.95, 1.08), (0.025, 0.9, 1.08), (0.01, 0.75, 1.1)):
        shown = np.mean(ends > wigner_edge(n, beta=beta).quantile(level))
        assert low * level - share_error(level, ends.size) < shown
        assert shown < high * level + share_error(level, ends.size)


def share_error(share, number):
    """Four standard errors of a share of so many independent matrices."""
    return FOUR * np.sqrt(share * (1 - share) / number)


def assert_scores(scores, size):
    """Scores in standard errors: mean 0, deviation 1, within four errors of either and what the
    errors, of first order, may be off: 1/sqrt(size) for a matrix of that size.
    """
    scores = np.asarray(scores, dtype=float)
    number, order = len(scores), size**-0.5
    assert (np.abs(np.mean(scores, axis=0)) < FOUR / number**0.5 + order).all()
    assert (np.abs(np.std(scores, axis=0) - 1) < FOUR / (2 * number) ** 0.5 + order / 2).all()


# Level -----------------------------------------------------------------------------------------


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("sides", "beta", "estimated"),
    [
        pytest.param(sides, beta, estimated, marks=pytest.mark.slow if again else [])
        for sides, beta, estimated, again in [
            ((10, 10), 1, True, False),
            ((10, 10), 2, False, False),
            ((60, 15), 1, False, False),
            ((60, 15), 2, True, False),
            ((10, 10), 1, False, True),
            ((10, 10), 2, True, True),
            ((60, 15), 1, True, True),
            ((60, 15), 2, False, True),
        ]
    ],
)
def test_level_of_the_largest_singular_value(sides, beta, estimated):
    """4000 matrices; the expansion in 1/n is good to a fifth of the level at such sizes."""
    n, m = sides
    nodes = WishartEnsemble(m / n, beta=beta).sample(m, rng=3, runs=4000).nodes
    scale = nodes.mean(axis=1) if estimated else 1.0
    edge = wishart_edge(n, m, beta=beta, estimated=estimated)
    share = np.mean(n * nodes[:, -1] / scale > edge.quantile(0.05))
    assert abs(share - 0.05) < share_error(0.05, 4000) + 0.2 * 0.05


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("beta", [1, 2])
def test_level_of_the_largest_eigenvalue(beta, estimated):
    n = 20
    nodes = GaussianEnsemble(beta, 2.0).sample(n, rng=3, runs=4000).nodes
    top, scale = nodes[:, -1], np.sqrt(2.0)
    if estimated:
        centred = nodes - nodes.mean(axis=1, keepdims=True)
        spread = n + 2 / beta - 1 - 2 / (beta * n)
        top, scale = centred[:, -1], np.sqrt((centred**2).sum(axis=1) / spread)
    edge = wigner_edge(n, beta=beta, estimated=estimated)
    share = np.mean(np.sqrt(n) * top / scale > edge.quantile(0.05))
    assert abs(share - 0.05) < share_error(0.05, 4000) + 0.2 * 0.05


@pytest.mark.parametrize(
    "ensemble", [WishartEnsemble(0.4, 3.0), WishartEnsemble(3.0), GaussianEnsemble(1, 0.2)], ids=str
)
def test_noise_shows_no_signals(ensemble):
    """200 matrices at 10 %, a fifth of which for the expansion."""
    nodes = ensemble.sample(24, rng=8, runs=200).nodes
    found = [signals(Spectrum(row), ensemble, level=0.1) for row in nodes]
    share = np.mean([one.count > 0 for one in found])
    assert 0.0 < share < 0.12 + share_error(0.12, 200)
    chances = np.array([one.p_value for one in found])
    for level in (0.25, 0.5):
        assert abs(np.mean(chances < level) - level) < share_error(level, 200) + level / 10


def test_the_level_is_that_of_gaussian_entries():
    """Of the other tails the documentation says on which side of the level they are."""

    def share(draw):
        found = [np.linalg.svd(draw((32, 33)), compute_uv=False) ** 2 / 33 for _ in range(200)]
        return np.mean([WishartNoise(values, 33, 32).count(0.1)[0] > 0 for values in found])

    generator = np.random.default_rng(4)
    assert share(lambda shape: generator.laplace(size=shape)) > 0.2
    assert 0.04 < share(generator.standard_normal) < 0.16  # 0.1 +- 3 errors
    assert share(lambda shape: generator.choice([-1.0, 1.0], shape)) < 0.04


@pytest.mark.parametrize("level", [1e-6, 0.01, 0.5, 0.9])
@pytest.mark.parametrize(
    "edge", [wishart_edge(9, 4), wishart_edge(400, 30, beta=2), wigner_edge(12)], ids=str
)
def test_quantile_inverts_the_chance(edge, level):
    assert edge.chance(edge.quantile(level)) == pytest.approx(level, rel=1e-6)


def test_chance_descends():
    for edge in (wishart_edge(8, 8), wigner_edge(8), wishart_edge(10**6, 10**5)):
        x = edge.centre + edge.scale * np.linspace(-12, 30, 400)
        chances = np.array([edge.chance(value) for value in x])
        assert (np.diff(chances) <= 1e-12).all()
        assert chances[0] > 0.99
    assert chances[-1] < 1e-20


# Signals are found -----------------------------------------------------------------------------


def test_signals_of_a_covariance_with_their_strengths():
    population = np.ones(40)
    population[:2] = 9.0, 4.0
    scores, counts, scales = [], [], []
    for seed in range(40):
        found = signals(covariance(2.5 * population, 160, rng=seed), MarchenkoPastur(0.25))
        counts.append(found.count)
        scales.append(found.law.scale)
        if found.count == 2:
            pairs = zip(found.strengths, (22.5, 10.0), strict=True)
            scores.append([(one.strength - true) / one.error for one, true in pairs])
    assert np.mean(np.array(counts) == 2) > 0.95 - share_error(0.05, 40)  # one more, at 5 %
    # of 40 x 160 entries the variance is known to sqrt(2/6400), and to 1/160 for the signals
    assert abs(np.mean(scales) / 2.5 - 1) < FOUR * np.sqrt(2 / 6400 / 40) + 1 / 160
    assert_scores(scores, 40)


def test_signals_at_both_ends_of_a_wigner_matrix():
    n, runs, scores = 60, 250, []
    for seed in range(runs):
        matrix = GaussianEnsemble().matrix(n, rng=seed)
        matrix[0, 0] += 3.0
        matrix[1, 1] -= 2.5
        found = signals(Spectrum(np.linalg.eigvalsh(2 * matrix + 5 * np.eye(n))), Semicircle())
        if found.count == 2:
            # 2 (-2.5) and 2 (3) about the centre that is found
            low, high = sorted(found.strengths, key=lambda one: one.strength)
            scores.append([(low.strength + 5) / low.error, (high.strength - 6) / high.error])
            # a deviation of 2/n: five of them, once in 2e6
            assert found.law.variance == pytest.approx(4.0, rel=5 * 2 / n)
    assert len(scores) > runs * (0.95 - share_error(0.05, runs))
    assert_scores(scores, n)


def test_many_equal_signals_do_not_mask_each_other():
    population = np.ones(40)
    population[:12] = 60.0
    assert signals(covariance(population, 200, rng=1), MarchenkoPastur(0.2)).count == 12


def test_units_do_not_matter():
    population = np.ones(30)
    population[0] = 5.0
    spectrum = covariance(population, 90, rng=2)
    one = signals(spectrum, MarchenkoPastur(1 / 3))
    other = signals(Spectrum(1e-7 * spectrum.nodes), WishartEnsemble(1 / 3))
    assert one.count == other.count == 1
    assert other.p_values == pytest.approx(one.p_values, rel=1e-6)
    assert other.strengths[0].strength == pytest.approx(1e-7 * one.strengths[0].strength)
    assert other.strengths[0].error == pytest.approx(1e-7 * one.strengths[0].error)


def test_of_a_fit_and_as_json():
    spectrum = covariance(np.array([6.0] + 39 * [1.0]), 80, rng=3)
    fitted = fit(spectrum, MarchenkoPastur, fix={"aspect_ratio": 0.5}, rng=0, resamples=0)
    found = signals(spectrum, fitted)
    assert json.loads(json.dumps(found.to_dict()))["count"] == found.count == 1
    assert found.values[0] == spectrum.nodes.max() > found.edges[1]


# Strengths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "kind", "spikes"),
    [
        (Semicircle(2.0, 1.0), "additive", [3.0, -2.0]),
        (MarchenkoPastur(0.3, 2.0), "multiplicative", [3.0, 0.2]),
        (MarchenkoPastur(4.0), "multiplicative", [9.0]),
        (Uniform(-1.0, 2.0), "additive", [4.0]),
    ],
    ids=str,
)
def test_strengths_invert_the_spikes(law, kind, spikes):
    unit = law.scale if isinstance(law, MarchenkoPastur) else 1.0
    for outlier in spiked(law, spikes, kind=kind):
        (found,) = spike_strengths([outlier.location], law, kind=kind)
        assert found.strength == pytest.approx(unit * outlier.spike, rel=1e-8)
        assert found.overlap == pytest.approx(outlier.overlap, rel=1e-7)
        assert found.error is None


def test_singular_values_of_a_signal_with_errors_and_overlaps():
    n, m, x = 120, 40, 1.4
    scores, overlaps = [], []
    for seed in range(200):
        matrix = np.random.default_rng(seed).standard_normal((m, n))
        matrix[0, 0] += x * np.sqrt(n)
        u, s, v = np.linalg.svd(matrix, full_matrices=False)
        (one,) = rectangular_strengths(s[:1] ** 2 / n, long=n, short=m)
        scores.append((one.strength - x * np.sqrt(n)) / one.error)
        overlaps.append([u[0, 0] ** 2 - one.overlap, v[0, 0] ** 2 - one.other_overlap])
    assert_scores(scores, m)
    spread = np.std(overlaps, axis=0) / 200**0.5
    assert (np.abs(np.mean(overlaps, axis=0)) < FOUR * spread + 1 / m).all()


@pytest.mark.parametrize("beta", [1, 2])
def test_errors_of_population_eigenvalues(beta):
    scores = []
    for seed in range(400):
        spectrum = covariance(np.array([5.0] + 39 * [1.0]), 120, rng=seed, beta=beta)
        top = spectrum.nodes[0, -1:]
        (one,) = spike_strengths(top, MarchenkoPastur(1 / 3), size=40, beta=beta)
        scores.append((one.strength - 5.0) / one.error)
    assert_scores(scores, 40)


# Refusals --------------------------------------------------------------------------------------

NOISE = WishartEnsemble(0.5).sample(20, rng=0)


@pytest.mark.parametrize(
    ("spectrum", "noise", "message"),
    [
        (Spectrum([1.0]), MarchenkoPastur(0.5), "at least 8 eigenvalues; got 1"),
        (Spectrum(np.ones(20)), MarchenkoPastur(0.5), "1 of 20 eigenvalues are distinct"),
        (Spectrum(np.repeat(np.arange(5.0), 4)), Semicircle(), "5 of 20 eigenvalues are distinct"),
        (Spectrum([*np.zeros(12), *range(1, 9)]), MarchenkoPastur(0.5), "has 8 .*aspect ratio"),
        (Spectrum(np.linspace(-1, 1, 20)), MarchenkoPastur(0.5), "zero or negative"),
        (NOISE, MarchenkoPastur(4.0), "has 5 positive eigenvalues; this spectrum has 20"),
        (NOISE, free_sum(MarchenkoPastur(0.5), Semicircle(0.1)), "Marchenko-Pastur and semicircle"),
        (WishartEnsemble(0.5).sample(20, rng=0, runs=2), MarchenkoPastur(0.5), "holds 2 runs"),
        (Spectrum([1.0, 2.0], [0.5, 0.5], dimension=9), Semicircle(), "is an estimate"),
        (NOISE, WishartEnsemble(0.5, beta=4), "beta must be"),
    ],
)
def test_refused(spectrum, noise, message):
    with pytest.raises(ValueError, match=message):
        signals(spectrum, noise)


def test_refused_arguments():
    with pytest.raises(ValueError, match="level must lie between"):
        signals(NOISE, MarchenkoPastur(0.5), level=1.0)
    with pytest.raises(TypeError, match="expected a Spectrum"):
        signals(NOISE.nodes, MarchenkoPastur(0.5))
    with pytest.raises(ValueError, match="within the bulk"):
        spike_strengths([1.0], Semicircle())
    assert spike_strengths([], Semicircle()) == ()


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_hard_edges_and_null_spaces(ratio):
    """As many samples as dimensions, and fewer."""
    samples = round(30 / ratio)
    spectrum = covariance(np.array([30.0] + 29 * [1.0]), samples, rng=4)
    found = signals(spectrum, MarchenkoPastur(ratio))
    assert found.count == 1
    assert abs(found.strengths[0].strength - 30) < 4 * found.strengths[0].error


def test_single_precision():
    nodes = NOISE.nodes.astype(np.float32)
    one, other = (signals(Spectrum(x), MarchenkoPastur(0.5)) for x in (nodes, NOISE.nodes))
    assert one.p_value == pytest.approx(other.p_value, abs=1e-4)
