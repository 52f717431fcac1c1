"""What an ensemble knows exactly: null spaces, ones, shared eigenspaces; one rule for quantiles."""

import math

import array_api_strict
import numpy as np
import pytest
from ensemble_table import ENSEMBLES
from hypothesis import given, strategies as st

from rmtland import Discrete, EmpiricalLaw, MarchenkoPastur, Uniform
from rmtland.ensembles import (
    DeformedWigner,
    GaussianEnsemble,
    HaarProduct,
    HaarSum,
    JacobiEnsemble,
    ReluBlock,
    ReluResidual,
    SampleCovariance,
    SpikedEnsemble,
    WishartEnsemble,
)
from rmtland.ensembles.krylov import HaarFactor
from rmtland.ensembles.quantiles import multiplicities, quantiles
from rmtland.models import WishartPlusReluBlock, WishartPlusWigner

P = Discrete((0.0, 1.0), (0.75, 0.25))
SIGN = Discrete((-1.0, 1.0), (0.2, 0.8))
BOX = Uniform(0.5, 2.0)


def libraries():
    yield pytest.param(np, id="numpy")
    yield pytest.param(array_api_strict, id="array-api-strict")
    try:
        import torch
    except ImportError:
        yield pytest.param(None, id="torch", marks=pytest.mark.skip("PyTorch is not installed"))
    else:
        yield pytest.param(torch, id="torch")


# Ensemble, size, and the eigenvalues that are certain; none of the others is within 1e-6 of them.
KNOWN = [
    (WishartEnsemble(3.0), 98, {0.0: 65}),
    (WishartEnsemble(3.0, 1e-9, 2), 40, {0.0: 27}),
    (WishartEnsemble(5.0, 2.0, 4), 10, {0.0: 8}),
    (JacobiEnsemble(2.0, 0.7), 40, {0.0: 20}),
    (JacobiEnsemble(1.5, 1.7, 2), 45, {0.0: 15, 1.0: 19}),
    (JacobiEnsemble(4.0, 3.0), 24, {0.0: 18, 1.0: 6}),
    (SampleCovariance(BOX, 4.0), 40, {0.0: 30}),
    (SampleCovariance(P, 2.0), 40, {0.0: 30}),
    (HaarProduct(P, BOX), 40, {0.0: 30}),
    (HaarProduct(P, BOX, beta=2), 40, {0.0: 30}),
    (HaarProduct(BOX, P), 40, {0.0: 30}),
    (
        HaarProduct(Discrete((1.0, 3.0), (0.7, 0.3)), Discrete((0.5, 4.0), (0.6, 0.4))),
        50,
        {0.5: 15},
    ),
    (HaarSum(SIGN, Discrete((0.0, 3.0), (0.7, 0.3))), 50, {1.0: 25}),
    (HaarSum(SIGN, SIGN, beta=2), 50, {2.0: 30}),
    (HaarSum(BOX, Discrete((1.5,), (1.0,))), 6, dict.fromkeys(1.5 + quantiles(BOX, 6), 1)),
    (WishartPlusWigner(3.0, 0.0), 60, {0.0: 40}),
    (WishartPlusReluBlock(3.0, 0.0), 60, {0.0: 40}),
    (WishartPlusReluBlock(4.0, 0.3), 60, {0.0: 29}),  # 15 columns, and 2 x 8
    (ReluBlock(4.0, 0.3), 60, {0.0: 44}),
    (ReluBlock(0.5, 0.3), 61, {0.0: 1}),
    (SpikedEnsemble(WishartEnsemble(3.0), (4.0, 2.0), "multiplicative"), 60, {0.0: 40}),
    (SpikedEnsemble(WishartEnsemble(3.0), (4.0, -2.0)), 60, {0.0: 38}),
    (SpikedEnsemble(JacobiEnsemble(4.0, 3.0), (2.0,), "multiplicative"), 24, {0.0: 18, 1.0: 5}),
]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("xp", list(libraries()))
@pytest.mark.parametrize(("ensemble", "n", "known"), KNOWN, ids=str)
def test_certain_eigenvalues_are_exact_on_every_library(ensemble, n, known, xp, precision):
    nodes = ensemble.sample(n, rng=1, runs=2, xp=xp, dtype=precision).nodes
    scale = np.abs(nodes).max()
    for place, number in known.items():
        assert ((nodes == place).sum(axis=1) == number).all()
        others = nodes[nodes != place]
        assert others.size == 0 or np.abs(others - place).min() > 1e-6 * scale


def test_inertia_of_a_null_space_in_single_precision():
    torch = pytest.importorskip("torch")
    spectrum = WishartEnsemble(3).sample(98, xp=torch, dtype="float32", rng=0)
    inertia = spectrum.inertia()
    assert (inertia.negative, inertia.zero, inertia.positive) == (0, 65, 33)


@pytest.mark.parametrize("case", [case for case in ENSEMBLES if case.dense], ids=lambda c: c.name)
def test_the_same_numbers_of_zeros_and_ones_in_every_precision(case):
    """Counted in double precision on NumPy, where most ensembles take another route."""
    exact = case.ensemble.sample(98, rng=5).nodes
    for xp in (np, array_api_strict):
        nodes = case.ensemble.sample(98, rng=5, xp=xp, dtype="float32").nodes
        if isinstance(case.ensemble, ReluResidual):  # the null space is as random as the data
            assert np.abs(nodes[nodes != 0]).min() > 1e-6 * np.abs(nodes).max()
        else:
            for place in (0.0, 1.0):
                assert (nodes == place).sum() == (exact == place).sum()
        low, high = case.ensemble._hull
        assert ((nodes >= low) & (nodes <= high)).all()


@pytest.mark.parametrize("case", ENSEMBLES, ids=lambda case: case.name)
def test_the_zero_tolerance_follows_the_precision(case):
    for precision, unit in (("float32", 2.0**-23), ("float64", 2.0**-52)):
        spectrum = case.ensemble.sample(20, rng=1, dtype=precision)
        assert spectrum.precision == precision
        assert spectrum.zero_tolerance == pytest.approx(20 * unit * np.abs(spectrum.nodes).max())


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("far", [1e3, 1e8, 1e15])
def test_terms_that_cancel(far, precision):
    """What is computed is rounded at the size of the terms, not at that of their sum."""
    law = Discrete((far, far + 1.0), (0.7, 0.3))
    other = Discrete((-far, 1.0 - far), (0.7, 0.3))
    nodes = HaarSum(law, other).sample(50, rng=1, dtype=precision).nodes
    assert (nodes == 0).sum() == 20
    product = HaarProduct(
        Discrete((1 / far, far), (0.7, 0.3)), Discrete((far, 1 / far), (0.7, 0.3))
    )
    nodes = product.sample(50, rng=1, xp=array_api_strict, dtype=precision).nodes
    assert (nodes >= 0).all()
    assert (nodes == 1 / far * far).sum() == 20


def test_a_wrong_claim_is_noticed(monkeypatch):
    monkeypatch.setattr(GaussianEnsemble, "_known", lambda self, n: ((0.0, n // 2),))
    with pytest.raises(ArithmeticError, match=r"has 20 eigenvalues at 0; the solver found none"):
        GaussianEnsemble().sample(40, xp=array_api_strict, rng=1)


# Quantiles ------------------------------------------------------------------------------------

TIES = Discrete((0.5, 2.0, 7.0), (0.25, 0.5, 0.25))


@pytest.mark.parametrize(
    "ensemble",
    [
        HaarSum(TIES, TIES),
        HaarProduct(TIES, TIES),
        DeformedWigner(TIES, 1e-30),
        SampleCovariance(TIES, 1e-6),
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [2, 10, *(pytest.param(n, marks=pytest.mark.slow) for n in (6, 30))])
def test_every_route_takes_the_same_quantiles(ensemble, n):
    """At n = 6 the sampler's mean was 2.338, that of Lanczos 3.415, by the other rule for ties."""
    mean = quantiles(TIES, n).mean()
    expected = {HaarSum: 2 * mean, HaarProduct: mean**2}.get(type(ensemble), mean)
    many = type(ensemble) is SampleCovariance  # columns, 10^6 n: one mean is good to .002
    lanczos = ensemble.lanczos(n, min(n, 4), rng=2, runs=4000)
    error = max(lanczos.moment_error(1), 1e-12)
    assert abs(lanczos.mean() - expected) < 5 * error + 0.01 * many
    if n <= 6 or not many:
        sampled = ensemble.sample(n, rng=1, runs=1 if many else 400)
        slack = 0.01 if many else 5 * sampled.moment_error(1) + 1e-9
        assert abs(sampled.mean() - expected) < slack


def test_ties_belong_to_the_lower_point():
    np.testing.assert_array_equal(quantiles(TIES, 6), [0.5, 0.5, 2.0, 2.0, 2.0, 7.0])
    values, counts = HaarFactor(TIES).blocks(6, 3)
    np.testing.assert_array_equal(values, [0.5, 2.0, 7.0])
    np.testing.assert_array_equal(counts, [2, 3, 1])


@given(
    masses=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    n=st.integers(1, 300),
)
def test_quantiles_by_exact_fractions(masses, n):
    """Each of the points (i + 1/2)/n lies where the exact distribution function reaches it."""
    total = sum(masses)
    law = Discrete(tuple(map(float, range(len(masses)))), tuple(m / total for m in masses))
    exact = []
    for i in range(n):
        reached, k = masses[0], 0
        while 2 * n * reached < (2 * i + 1) * total:
            k += 1
            reached += masses[k]
        exact.append(float(k))
    np.testing.assert_array_equal(quantiles(law, n), exact)
    values, counts = multiplicities(law, n)
    np.testing.assert_array_equal(np.repeat(values, counts.astype(int)), exact)
    values, counts = HaarFactor(law).blocks(n, 2)
    np.testing.assert_array_equal(np.repeat(values, counts.astype(int)), exact)


@pytest.mark.parametrize("law", [BOX, MarchenkoPastur(4.0), EmpiricalLaw(np.arange(7.0))], ids=str)
@pytest.mark.parametrize("n", [1, 4, 7, 100])
def test_quantiles_are_those_of_the_law(law, n):
    expected = law.ppf((np.arange(n) + 0.5) / n)
    np.testing.assert_allclose(quantiles(law, n), expected, rtol=1e-13)
    _, counts = multiplicities(law, n)
    assert counts.sum() == n


def test_counts_at_sizes_beyond_any_list():
    _, counts = HaarFactor(TIES).blocks(1e12, 3)
    np.testing.assert_array_equal(counts, [2.5e11, 5e11, 2.5e11])
    assert math.fsum(counts) == 1e12
