"""free_decompression: the law of a matrix from a submatrix, within the error it states."""

import itertools
import math
import pickle

import numpy as np
import pytest

from rmtland import Spectrum, free_compression, free_power
from rmtland.free import FreeLevy, free_decompression
from rmtland.laws import (
    Discrete,
    EmpiricalLaw,
    KestenMcKay,
    LevyTriplet,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    affine,
)

WHOLE = {
    "marchenko-pastur": MarchenkoPastur(0.5),
    "marchenko-pastur with zeros": MarchenkoPastur(2.0),
    "semicircle": Semicircle(1.0, 2.0),
    "wachter": Wachter(0.4, 0.7),
    "kesten-mckay": KestenMcKay(3.3),
    "two jumps": FreeLevy(LevyTriplet(0.0, 0.1, (0.4, 0.7), (1.0, -2.0))),
    "uniform": Uniform(1.0, 3.0),
}


def wasserstein(law, other):
    low = min(law.hull[0], other.hull[0]) - 0.01
    high = max(law.hull[1], other.hull[1]) + 0.01
    x = np.linspace(low, high, 4001)
    return float(np.abs(law.cdf(x) - other.cdf(x)).sum() * (x[1] - x[0]))


def submatrix(whole, n, share, seed):
    """Eigenvalues of a corner of a matrix in general position with the quantiles of a law."""
    rng = np.random.default_rng(seed)
    size = round(n / share)
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    rows = (q * np.sign(np.diag(r)))[:n]
    return np.linalg.eigvalsh((rows * whole.ppf((np.arange(size) + 0.5) / size)) @ rows.T)


@pytest.mark.slow_siblings(3)
@pytest.mark.parametrize(
    ("name", "share"),
    [
        pytest.param(name, share, marks=[] if share == usual else pytest.mark.slow)
        for name, usual in zip(WHOLE, itertools.cycle([0.25, 0.5]), strict=False)
        for share in (0.25, 0.5)
    ],
)
def test_the_law_of_the_matrix_is_found_within_the_stated_error(name, share):
    whole, better = WHOLE[name], 0
    for seed in range(2):
        part = EmpiricalLaw(submatrix(whole, 300, share, seed))
        found = free_decompression(part, share)
        error = wasserstein(found.law, whole)
        assert error <= found.error <= 0.6 * whole.std()
        assert found.distance == "wasserstein"
        assert "smoothest" in found.regularisation
        assert found.law.mean() == pytest.approx(part.mean(), abs=found.error)
        better += error < 0.5 * wasserstein(part, whole)
    assert better == 2


@pytest.mark.parametrize("name", ["marchenko-pastur", "semicircle", "wachter", "kesten-mckay"])
def test_exact_quantiles_of_the_part_give_smaller_errors(name):
    whole = WHOLE[name]
    part = free_compression(whole, 0.5)
    errors = []
    for n in (250, 2000):
        found = free_decompression(EmpiricalLaw(part.ppf((np.arange(n) + 0.5) / n)), 0.5)
        errors.append(found.error)
        assert wasserstein(found.law, whole) <= found.error
    assert errors[1] < errors[0]


def test_the_free_power_of_a_measured_law_below_one():
    whole = MarchenkoPastur(0.5)
    copies = free_power(whole, 2.5)
    measured = EmpiricalLaw(copies.ppf((np.arange(800) + 0.5) / 800))
    found = free_power(measured, 0.4)
    assert wasserstein(found, whole) <= found.error < 0.2
    assert "smoothest" in found.regularisation
    again = free_power(found, 2.5)
    assert wasserstein(again, copies) < 2.5 * found.error
    assert free_power(measured, 1) == measured
    twin = pickle.loads(pickle.dumps(found))
    assert twin == found
    assert (twin.error, twin.regularisation) == (found.error, found.regularisation)
    assert f"Wasserstein error {found.error:.3g}" in repr(found)


def test_decompression_is_the_scaled_free_power():
    measured = EmpiricalLaw(submatrix(Semicircle(), 200, 0.5, 0))
    found = free_decompression(Spectrum(measured.eigenvalues), 0.5)
    power = free_power(measured, 0.5)
    assert found.law == affine(power, scale=2.0)
    assert found.error == 2 * power.error
    assert found.residual < 0.05
    assert free_decompression(measured, 1.0).law == measured


def test_fewer_samples_mean_a_larger_error():
    measured = EmpiricalLaw(submatrix(Semicircle(), 200, 0.5, 0))
    plain, few = (free_decompression(measured, 0.5, samples=n) for n in (None, 40))
    assert few.error > 1.3 * plain.error


def test_what_is_no_compression_is_refused():
    """Two points alone are no free sum of several copies."""
    with pytest.raises(ValueError, match="does not exist"):
        free_decompression(EmpiricalLaw(np.repeat([-1.0, 1.0], 400)), 0.5)


def test_a_point_stays_a_point():
    found = free_decompression(EmpiricalLaw(np.full(50, 3.0)), 0.25)
    assert found.law.atoms == ((3.0, 1.0),)
    assert found.error == 0


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        ((Uniform(0.0, 1.0), 0.5), ValueError, "infinitely divisible laws only"),
        ((Semicircle(), 1.5), ValueError, r"share must be in \(0, 1\]"),
        (("eigenvalues", 0.5), TypeError, "free_decompression takes laws, spectra or arrays"),
        ((EmpiricalLaw([1.0, 2.0]), 1.5), ValueError, r"share must be in \(0, 1\]"),
        ((EmpiricalLaw([1.0, 2.0]), 0.0), ValueError, "share must be a positive"),
        ((EmpiricalLaw([1.0, 2.0]), math.nan), ValueError, "share must be a positive"),
    ],
)
def test_bad_arguments_are_refused(args, kind, message):
    with pytest.raises(kind, match=message):
        free_decompression(*args)


def test_laws_that_are_not_measured_keep_their_refusal():
    with pytest.raises(ValueError, match="infinitely divisible laws only"):
        free_power(Discrete((0.0, 1.0), (0.5, 0.5)), 0.5)


@pytest.mark.parametrize("share", [0.25, 0.9])
@pytest.mark.parametrize("name", ["marchenko-pastur", "semicircle", "two jumps"])
def test_exact_corners_give_the_exact_matrix(name, share):
    whole = WHOLE[name]
    found = free_decompression(free_compression(whole, share), share)
    assert (found.error, found.route) == (0.0, "exact")
    np.testing.assert_allclose(np.ravel(found.law.support), np.ravel(whole.support), rtol=1e-12)
    x = whole.ppf(np.linspace(0.1, 0.9, 5))
    np.testing.assert_allclose(found.law.cdf(x), whole.cdf(x), rtol=1e-12)


def test_corners_of_any_law_and_arrays_of_eigenvalues():
    assert free_decompression(free_compression(Uniform(1.0, 3.0), 0.25), 0.25).law == Uniform(
        1.0, 3.0
    )
    values = submatrix(Semicircle(), 60, 0.5, 0)
    measured = free_decompression(EmpiricalLaw(values), 0.5)
    assert free_decompression(values, 0.5).law == measured.law
    assert free_decompression(values.tolist(), 0.5).error == measured.error
