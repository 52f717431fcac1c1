"""What is particular to sums, products, spikes, entries, synthetic Hessians and batches."""

import math
import tracemalloc

import array_api_strict
import numpy as np
import pytest
from ensemble_table import ENSEMBLES, kolmogorov, standard_error
from scipy.stats import kstest

import rmtland.arrays
from rmtland import Discrete, EmpiricalLaw, Semicircle, Spectrum, Uniform
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles import (
    DeformedWigner,
    GaussianEnsemble,
    HaarProduct,
    HaarSum,
    ReluResidual,
    SampleCovariance,
    SpikedEnsemble,
    Wigner,
    WishartEnsemble,
)
from rmtland.ensembles.entries import Entries, fourth_moment
from rmtland.models import WishartPlusReluBlock, WishartPlusWigner

SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))


def numpy_entries(runs, seed=0):
    return Entries.of(ArrayLibrary.of(), tuple(np.random.default_rng(seed).spawn(runs)))


# Sums and products ----------------------------------------------------------------------------


def test_eigenvalues_of_that_number_are_taken_as_they_are():
    values, other = np.array([3.0, -1.0, 0.5, 7.0]), np.zeros(4)
    for given in (values, list(values), Spectrum(values), EmpiricalLaw(values)):
        nodes = HaarSum(given, other).sample(4, rng=1).nodes[0]
        np.testing.assert_allclose(np.sort(nodes), np.sort(values), atol=1e-15)


@pytest.mark.parametrize("beta", [1, 2])
def test_rotations_are_haar_distributed(beta):
    """Squared modulus of an entry: Beta(beta/2, beta (n-1)/2); p-value above 1e-5."""
    from scipy.stats import beta as beta_law

    n = 3
    frame = numpy_entries(3000).haar(beta, n, n)
    products = frame @ np.conj(np.swapaxes(frame, 1, 2))
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(n), products.shape), atol=1e-14)
    law = beta_law(beta / 2, beta * (n - 1) / 2)
    for i, j in [(0, 0), (1, 1), (2, 0), (2, 2)]:
        assert kstest(np.abs(frame[:, i, j]) ** 2, law.cdf).pvalue > 1e-5
    # Without the phases of R taken out the diagonal would be of one sign.
    assert abs(np.mean(np.real(frame[:, 0, 0]) > 0) - 0.5) < 5 * 0.5 / math.sqrt(3000)


def test_draws_fluctuate_and_quantiles_do_not():
    law = Uniform(0.0, 1.0)
    fixed = HaarSum(law, SIGN).sample(50, rng=1, runs=30).nodes.mean(axis=1)
    drawn = HaarSum(law, SIGN, spectra="draws").sample(50, rng=1, runs=30).nodes.mean(axis=1)
    assert np.ptp(fixed) < 1e-13
    assert np.ptp(drawn) > 0.1


def test_a_point_mass_shifts_or_scales():
    nodes = HaarSum(SIGN, np.full(6, 2.5)).sample(6, rng=1).nodes[0]
    np.testing.assert_allclose(nodes, [1.5] * 3 + [3.5] * 3, atol=1e-15)
    product = HaarProduct(np.full(6, 2.5), Discrete((0.0, 1.0), (0.5, 0.5)))
    np.testing.assert_allclose(product.sample(6, rng=1).nodes[0], [0] * 3 + [2.5] * 3, atol=1e-14)


def test_products_of_singular_factors_keep_their_null_space():
    one, two = Discrete((0.0, 1.0), (0.7, 0.3)), Discrete((0.0, 2.0), (0.5, 0.5))
    nodes = HaarProduct(one, two).sample(20, rng=2).nodes[0]
    assert (np.abs(nodes) < 1e-14).sum() == 14
    assert HaarProduct(one, two).law.atoms[0][1] == pytest.approx(0.7, abs=1e-14)


@pytest.mark.parametrize("kind", [HaarSum, HaarProduct])
def test_bad_operands(kind):
    with pytest.raises(TypeError, match="a must be a law, a spectrum or eigenvalues; got 'x'"):
        kind("x", [1.0])
    with pytest.raises(TypeError, match="b must be a law"):
        kind([1.0], None)
    with pytest.raises(ValueError, match="a holds NaN"):
        kind([1.0, math.nan], [1.0])
    with pytest.raises(ValueError, match="beta must be 1"):
        kind([1.0], [1.0], beta=4)
    with pytest.raises(ValueError, match="unknown spectra 'all'"):
        kind([1.0], [1.0], spectra="all")


def test_products_need_positive_operands():
    with pytest.raises(ValueError, match=r"b must be on \[0, infinity\)"):
        HaarProduct([1.0], SIGN)
    with pytest.raises(ValueError, match="all its mass at zero"):
        HaarProduct([0.0], [1.0])
    with pytest.raises(ValueError, match=r"population must be on \[0, infinity\)"):
        SampleCovariance(SIGN, 0.5)


# Spikes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bulk", "spikes", "kind", "edge"),
    [
        (GaussianEnsemble(), (2.0, 1.5), "additive", "upper"),
        (GaussianEnsemble(), (-3.0,), "additive", "lower"),
        (WishartEnsemble(0.5), (5.0, 3.0), "multiplicative", "upper"),
        (WishartEnsemble(0.25), (0.1,), "multiplicative", "lower"),
        (WishartPlusWigner(0.5, 0.3), (4.0,), "additive", "upper"),
    ],
)
def test_outliers_are_where_they_are_predicted(bulk, spikes, kind, edge):
    """Fluctuations are of order n^(-1/2) = .07, their mean over 12 runs .02."""
    ensemble = SpikedEnsemble(bulk, spikes, kind)
    assert ensemble.law == bulk.law
    predicted = sorted((o.location for o in ensemble.outliers), reverse=edge == "upper")
    assert len(predicted) == len(spikes)
    found = ensemble.extremes(200, len(spikes), edge=edge, rng=1, runs=12)
    scale = max(abs(predicted[0]), 1.0)
    np.testing.assert_allclose(found.mean(axis=0), predicted, atol=0.08 * scale)
    ends = np.ravel(bulk.law.support)
    assert abs(predicted[0] - (ends[-1] if edge == "upper" else ends[0])) > 0.08 * scale or (
        edge == "lower"
    )


def test_spikes_below_the_threshold_stay_in_the_bulk():
    ensemble = SpikedEnsemble(GaussianEnsemble(), (0.5,))
    assert ensemble.outliers == ()
    assert ensemble.extremes(400, rng=1)[0, 0] < 2.1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Semicircle(), (1.0,)), TypeError, "bulk must be an ensemble"),
        ((GaussianEnsemble(2), (1.0,)), ValueError, "real matrices"),
        ((GaussianEnsemble(), ()), ValueError, "spikes is empty"),
        ((GaussianEnsemble(), (math.nan,)), ValueError, "spikes holds 1 NaN"),
        ((GaussianEnsemble(), (1.0,), "other"), ValueError, "unknown kind"),
        ((WishartEnsemble(1.0), (-1.0,), "multiplicative"), ValueError, "must be positive"),
        ((GaussianEnsemble(), (2.0,), "multiplicative"), ValueError, r"on \[0, infinity\)"),
    ],
)
def test_bad_spikes(arguments, error, message):
    with pytest.raises(error, match=message):
        SpikedEnsemble(*arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bulk", "spikes", "kind"),
    [
        (GaussianEnsemble(), (3.0, -2.0), "additive"),
        (WishartEnsemble(0.5), (8.0, 0.1), "multiplicative"),
        (WishartPlusReluBlock(0.5, 0.3), (6.0,), "additive"),
        (DeformedWigner(Uniform(-1.0, 1.0), 0.2), (4.0,), "additive"),
    ],
)
def test_lanczos_finds_the_outliers(bulk, spikes, kind):
    """At n = 10^5, where the start vector holds 1/n of a spike; fluctuations are some n^(-1/2)."""
    ensemble = SpikedEnsemble(bulk, spikes, kind)
    top = ensemble.lanczos(10**5, 90, rng=1, runs=4).nodes[:, -1]
    predicted = max(outlier.location for outlier in ensemble.outliers)
    np.testing.assert_allclose(top, predicted, atol=0.01 * predicted)
    assert predicted > bulk.law.support[-1][1] + 0.05 * predicted
    limit = ensemble.lanczos(math.inf, 20)  # there a spike has no mass
    np.testing.assert_array_equal(limit.alpha, bulk.lanczos(math.inf, 20).alpha)


def test_spikes_without_a_lanczos_sampler():
    for bulk, spikes, kind in [
        (SampleCovariance(Uniform(1.0, 2.0), 0.5), (3.0,), "additive"),
        (WishartPlusWigner(0.1, 0.001), (3.0,), "multiplicative"),
        (Wigner(1.0, "sign"), (3.0,), "additive"),
    ]:
        with pytest.raises(ValueError, match="Lanczos sampler"):
            SpikedEnsemble(bulk, spikes, kind).lanczos(100, 5)


def test_more_spikes_than_rows_are_refused():
    with pytest.raises(ValueError, match="2 spikes need n >= 2; got 1"):
        SpikedEnsemble(GaussianEnsemble(), (2.0, 3.0)).sample(1)


# Entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "degrees"), [("normal", None), ("sign", None), ("uniform", None), ("student", 12.0)]
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_entries_are_standardised(kind, degrees, precision):
    entries = Entries.of(ArrayLibrary.of(dtype=precision), (np.random.default_rng(1),))
    x = entries.standard(kind, degrees, 200_000)[0].astype(np.float64)
    for power, exact in [(1, 0.0), (2, 1.0), (3, 0.0), (4, fourth_moment(kind, degrees))]:
        values = x**power
        assert abs(values.mean() - exact) < 5 * standard_error(values) + 1e-6
    assert np.unique(x).size > 2 or kind == "sign"


@pytest.mark.parametrize("kind", ["sign", "uniform", "student"])
def test_fourth_moments_of_wigner_matrices(kind):
    """The one place where the kind of entry shows at the order 1/n."""
    n, runs, v = 4, 4000, 0.5
    degrees = 12.0 if kind == "student" else None
    m4 = fourth_moment(kind, degrees)
    exact = v**2 / n**2 * ((n - 1) * (2 * n + 4 + m4) + 4 * m4)
    moments = (Wigner(v, kind, degrees).sample(n, rng=2, runs=runs).nodes ** 4).mean(axis=1)
    assert abs(moments.mean() - exact) < 5 * standard_error(moments)


def test_heavy_tails_without_a_fourth_moment_have_the_same_bulk():
    ensemble = Wigner(1.0, "student", 3.0)
    nodes = ensemble.sample(600, rng=3).nodes
    assert kolmogorov(nodes, Semicircle()) < 0.05
    # The largest eigenvalue leaves the edge with the largest entry.
    assert nodes.max() > 2.2


@pytest.mark.parametrize(
    ("entries", "degrees", "message"),
    [
        ("cauchy", None, "unknown entries 'cauchy'"),
        ("student", None, "need their degrees of freedom"),
        ("student", 2.0, "degrees must be above 2"),
        ("student", math.nan, "degrees must be a finite number"),
        ("sign", 5.0, "degrees belong to student entries"),
    ],
)
def test_bad_entries(entries, degrees, message):
    for make in (
        lambda: Wigner(1.0, entries, degrees),
        lambda: SampleCovariance(1.0, 0.5, entries, degrees),
    ):
        with pytest.raises(ValueError, match=message):
            make()


# Synthetic Hessians ---------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [0.3, 1.0, 2.5])
def test_eigenvalues_of_wishart_plus_wigner_by_either_route(phi):
    """`sample` takes the eigenvalues of the Wishart part, `matrix` the matrix itself."""
    ensemble, n = WishartPlusWigner(phi, 0.3, 0.7), 5
    rng = np.random.default_rng(4)
    dense = np.linalg.eigvalsh([ensemble.matrix(n, rng=rng) for _ in range(1500)])
    drawn = ensemble.sample(n, rng=5, runs=1500).nodes
    for j in range(n):
        for power in (1, 2):
            one, two = dense[:, j] ** power, drawn[:, j] ** power
            error = math.hypot(standard_error(one), standard_error(two))
            assert abs(one.mean() - two.mean()) < 5 * error


@pytest.mark.parametrize("kind", [WishartPlusWigner, WishartPlusReluBlock])
def test_without_energy_the_null_space_is_exact(kind):
    nodes = kind(4.0, 0.0, 0.7).sample(20, rng=3, runs=3).nodes
    assert ((nodes == 0).sum(axis=1) == 15).all()


def test_the_null_space_of_sample_covariance_is_exact():
    nodes = SampleCovariance(Uniform(1.0, 2.0), 4.0, "sign").sample(20, rng=3, runs=3).nodes
    assert ((nodes == 0).sum(axis=1) == 15).all()


# Memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [case for case in ENSEMBLES if case.dense], ids=lambda case: case.name
)
def test_batches_stay_within_their_share_of_memory(case, monkeypatch):
    """16 MB of free memory: no more than half of it is taken at any time.

    Under array-api-strict, where tridiagonal models take the dense route as well. A matrix of
    size 60 is 29 kB; all 100 at once would take 17 MB and more.
    """
    n, runs, free = 60, 100, 16_000_000
    case.ensemble.sample(4, rng=0, xp=array_api_strict)
    monkeypatch.setattr(rmtland.arrays, "_free_memory", lambda: free)
    monkeypatch.setattr("rmtland.ensembles.matrix_draws._BATCH", 2**40)
    nodes = runs * n * 8
    tracemalloc.start()
    try:
        case.ensemble.sample(n, rng=0, runs=runs, xp=array_api_strict)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Besides the batch there are the eigenvalues of all runs, and their generators.
    assert peak < free / 2 + 4 * nodes + runs * 8_000


def test_one_matrix_beyond_the_share_is_refused(monkeypatch):
    monkeypatch.setattr(rmtland.arrays, "_free_memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"may have \(50% of what is free\)"):
        DeformedWigner(SIGN).sample(300)
    with pytest.raises(ValueError, match="GiB"):
        ReluResidual(0.5, 1.0).sample(20_000)
    assert GaussianEnsemble().sample(300, rng=1).nodes.shape == (1, 300)  # needs no matrix
