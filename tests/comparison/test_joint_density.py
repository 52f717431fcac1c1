"""Joint densities of eigenvalues: their sums over matrices that are drawn, spikes, derivatives."""

import numpy as np
import pytest

from rmtland import (
    Discrete,
    GaussianEnsemble,
    JacobiEnsemble,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    WishartEnsemble,
    free_sum,
)
from rmtland.comparison.joint_density import joint_density, outlier_sums, sums
from rmtland.comparison.spectral_shift import spectral_shift
from rmtland.ensembles import SpikedEnsemble

CASES = [
    (WishartEnsemble(0.5), 20),
    (WishartEnsemble(1.0, 2.0, 2.0), 12),
    (WishartEnsemble(2.5, 3.0), 20),
    (GaussianEnsemble(1, 2.0), 15),
    (GaussianEnsemble(2, 0.1), 15),
    (JacobiEnsemble(0.5, 0.25), 12),
]
RUNS = 2000
FOUR = 4.0
"""Standard errors: a sound test of one number fails once in 16 000."""


def drawn_sums(ensemble, size, law):
    nodes = ensemble.sample(size, rng=1, runs=RUNS).nodes
    return np.array([sums(law, row[np.abs(row) > 1e-12]) for row in nodes])


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(("ensemble", "size"), CASES, ids=str)
def test_mean_and_covariance_are_those_of_matrices(ensemble, size):
    found = drawn_sums(ensemble, size, ensemble.law)
    density = joint_density(ensemble.law, size, beta=ensemble.beta)
    deviation = np.sqrt(np.diag(density.covariance))
    assert (np.abs(found.mean(axis=0) - density.mean) < FOUR * deviation / RUNS**0.5).all()
    # a product of normal variables of correlation r has the variance 1 + r^2 at most 2
    normal = (found - density.mean) / deviation
    correlation = density.covariance / np.outer(deviation, deviation)
    error = np.sqrt((1 + correlation**2) / RUNS) * 1.5  # excess of the kurtosis
    assert (np.abs(normal.T @ normal / RUNS - correlation) < FOUR * error).all()


@pytest.mark.parametrize(
    "law", [MarchenkoPastur(0.4, 2.0), Semicircle(2.0, 0.3), Wachter(0.4, 0.6)], ids=str
)
def test_the_partition_function_generates_the_mean(law):
    """dA/d theta = (d eta / d theta) . E T along every parameter: closed forms apart."""
    names = [
        name
        for name in ("aspect_ratio", "scale", "variance", "center", "other_ratio")
        if name in law.__dataclass_fields__
    ]
    for name in names:
        low, high = (
            joint_density(
                type(law)(**{**{n: getattr(law, n) for n in names}, name: getattr(law, name) + s}),
                9,
                beta=1.0,
            )
            for s in (-1e-5, 1e-5)
        )
        middle = joint_density(law, 9, beta=1.0)
        assert high.log_partition - low.log_partition == pytest.approx(
            (high.natural - low.natural) @ middle.mean, rel=1e-6
        )


@pytest.mark.parametrize("ratio", [1e-3, 1e-6, 1e-9, 1e-13])
@pytest.mark.parametrize("scale", [1.0, 1 + 1e-5])
def test_narrow_bulks_lose_no_digits(ratio, scale):
    """Against 60 digits: mean, covariance and differences of A, where a is 10^14."""
    mpmath = pytest.importorskip("mpmath")
    n, columns = 9, 9 / ratio
    with mpmath.workdps(60):
        digamma = [mpmath.psi(0, (mpmath.mpf(columns) - j) / 2) for j in range(n)]
        a, b = mpmath.mpf(columns) / 2, mpmath.mpf(columns) / 2 / mpmath.mpf(scale)
        trace = n * a / b - n
        mean = mpmath.fsum(digamma) - n * mpmath.log(b) - trace
        own = mpmath.fsum(mpmath.psi(1, a - mpmath.mpf(j) / 2) for j in range(n))
        covariance = [
            [own - 2 * n / b + n * a / b**2, -n * (a - b) / b**2],
            [-n * (a - b) / b**2, n * a / b**2],
        ]
        partition = (
            mpmath.fsum(mpmath.loggamma(a - mpmath.mpf(j) / 2) for j in range(n))
            - n * a * mpmath.log(b)
            + n * b
        )
    found = joint_density(MarchenkoPastur(ratio, scale), n, beta=1.0)
    # scale - 1 itself is known to a rounding
    tolerance = 1e-10 if scale != 1 else 1e-13
    assert found.mean == pytest.approx([float(mean), float(trace)], rel=tolerance)
    assert found.covariance.ravel() == pytest.approx(
        [float(one) for row in covariance for one in row], rel=10 * tolerance
    )
    assert found.log_partition == pytest.approx(float(partition), rel=1e-10)
    assert found.natural == pytest.approx([float(a), float(a - b)], rel=tolerance)


def test_a_unit_is_that_of_the_eigenvalues():
    one = joint_density(MarchenkoPastur(0.4, 6.0), 10, beta=1.0, unit=3.0)
    other = joint_density(MarchenkoPastur(0.4, 2.0), 10, beta=1.0)
    assert np.array_equal(one.mean, other.mean)
    assert np.array_equal(one.natural, other.natural)


def test_where_there_is_no_matrix():
    assert joint_density(MarchenkoPastur(3.0), 10, beta=1.0) is not None  # 3.33 columns: 3
    assert joint_density(MarchenkoPastur(30.0), 10, beta=1.0) is None
    assert joint_density(Wachter(1.5, 0.5), 10, beta=1.0) is None
    assert joint_density(Uniform(0.0, 1.0), 10, beta=1.0) is None
    with pytest.raises(ValueError, match="Jacobi matrices cannot be left out"):
        outlier_sums(Wachter(0.5, 0.5), np.array([0.999]))


SPIKED = [
    (WishartEnsemble(0.5), (8.0, 4.0, 0.05), "multiplicative"),
    (WishartEnsemble(3.0), (16.0,), "multiplicative"),
    (GaussianEnsemble(), (3.0, 2.5, -2.0), "additive"),
]
each_spiked = pytest.mark.parametrize(("bulk", "spikes", "kind"), SPIKED, ids=str)


@each_spiked
def test_sums_of_a_bulk_beside_spikes(bulk, spikes, kind):
    """Of order 1/sqrt(n) of a deviation; without the correction 2 to 40 deviations."""
    law, size, runs = bulk.law, 60, 400
    nodes = SpikedEnsemble(bulk, spikes, kind).sample(size, rng=1, runs=runs).nodes
    found, plain = [], []
    for row in nodes:
        row = row[np.abs(row) > 1e-12]
        few = sum(s < 1 for s in spikes)
        out = np.isin(
            np.arange(row.size), [*range(few), *range(row.size - len(spikes) + few, row.size)]
        )
        plain.append(sums(law, row[~out]))
        found.append(plain[-1] + outlier_sums(law, row[out]))
    density = joint_density(law, size, beta=1.0)
    deviation = np.sqrt(np.diag(density.covariance))
    off = np.abs(np.mean(found, axis=0) - density.mean) / deviation
    assert (off < FOUR / runs**0.5 + 1 / size**0.5).all()
    short = np.mean(plain, axis=0) - density.mean
    if kind == "multiplicative":  # sums of eigenvalues and logarithms, not taken about 1
        short = short + len(spikes) * np.array([1.0, -1.0])
    assert short @ np.linalg.solve(density.covariance, short) > 1.5**2


@each_spiked
def test_counts_of_a_bulk_beside_spikes(bulk, spikes, kind):
    """The number of eigenvalues up to a point, with spikes and without, over 1000 pairs."""
    law, size, runs = bulk.law, 60, 1000
    ensemble = SpikedEnsemble(bulk, spikes, kind)
    low, high = law.support[0]
    x = low + (high - low) * np.array([0.2, 0.4, 0.6, 0.8])
    with_them, without = (
        (one.sample(size, rng=seed, runs=runs).nodes[:, :, None] <= x).sum(axis=1)
        for seed, one in ((1, ensemble), (2, bulk))
    )
    places = np.array([outlier.location for outlier in ensemble.outliers])
    expected = spectral_shift(law, places, x, kind=kind)
    error = np.sqrt((with_them.var(axis=0) + without.var(axis=0)) / runs)
    off = without.mean(axis=0) - with_them.mean(axis=0) - expected
    assert (np.abs(off) < FOUR * error + 1 / size**0.5).all()
    assert np.abs(expected).max() > 0.4


def test_an_outlier_that_no_spike_explains_is_taken_out_as_it_stands():
    law = free_sum(Discrete((-4.0, 4.0), (0.5, 0.5)), Semicircle())
    x = np.array([-4.0, 4.0])
    expected = law.cdf(x) - [0.0, 1.0]
    assert spectral_shift(law, np.array([0.0]), x) == pytest.approx(expected, abs=1e-9)
    assert spectral_shift(law, np.array([]), x).tolist() == [0.0, 0.0]
