import math

import krylov_reference
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from scipy.stats import chi2

from rmtland import deferred
from rmtland.ensembles import jacobi_kernels, krylov
from rmtland.ensembles.krylov import (
    GaussianFactor,
    HaarFactor,
    ReluBlockFactor,
    SpikeFactor,
    WishartFactor,
    jacobi_coefficients,
    law_jacobi,
)
from rmtland.free import free_product, free_sum
from rmtland.laws import Discrete, EmpiricalLaw, Law, MarchenkoPastur, Semicircle, Uniform
from rmtland.models import WishartPlusReluBlock, WishartPlusWigner

SIGNS = Discrete((-1.0, 1.0), (0.5, 0.5))
THREE = Discrete((-1.0, 0.5, 2.0), (0.3, 0.5, 0.2))
POSITIVE = Discrete((0.0, 0.5, 2.0), (0.3, 0.5, 0.2))
CUBES = np.linspace(-1, 2, 40) ** 3

SUMS = {
    "Wigner": [GaussianFactor(0.7)],
    "Wishart": [WishartFactor(0.5, 1.3)],
    "Wishart of low rank": [WishartFactor(4.0)],
    "Wishart + Wigner": [WishartFactor(0.5), GaussianFactor(0.6)],
    "Wishart of low rank + Wigner": [WishartFactor(3.0), GaussianFactor(0.1)],
    "two Wisharts + Wigner": [WishartFactor(3.0), WishartFactor(0.4, 0.3), GaussianFactor(0.1)],
    "ReLU block": [ReluBlockFactor(0.8, 1.0)],
    "Wishart + ReLU block": [WishartFactor(0.5), ReluBlockFactor(0.5, 0.3)],
    "Wishart + ReLU block of low rank": [WishartFactor(5.0), ReluBlockFactor(5.0, 0.3)],
    "one discrete law": [HaarFactor(THREE)],
    "one spectrum": [HaarFactor(CUBES)],
    "two discrete laws": [HaarFactor(THREE), HaarFactor(Discrete((0.0, 1.0), (0.5, 0.5)))],
    "spectrum + discrete law": [HaarFactor(CUBES), HaarFactor(THREE)],
    "two continuous laws": [HaarFactor(MarchenkoPastur(0.5)), HaarFactor(Uniform(-1.0, 1.0))],
    "discrete law + Wigner": [HaarFactor(THREE), GaussianFactor(0.2)],
    "three spectra + Wigner": [
        HaarFactor(THREE),
        HaarFactor(CUBES),
        HaarFactor(POSITIVE),
        GaussianFactor(0.2),
    ],
    "spikes": [WishartFactor(0.5), SpikeFactor((6.0, -2.0, -2.0))],
    "all of them": [
        HaarFactor(THREE),
        SpikeFactor((3.0,)),
        WishartFactor(0.7),
        ReluBlockFactor(0.5, 0.3),
        ReluBlockFactor(2.0, 0.1),
        GaussianFactor(0.2),
    ],
}
PRODUCTS = {
    "two spectra": [HaarFactor(POSITIVE), HaarFactor(abs(CUBES))],
    "population of a Wishart": [HaarFactor(POSITIVE), WishartFactor(0.5)],
    "population of a Wishart of low rank": [HaarFactor(abs(CUBES)), WishartFactor(2.5)],
    "Wishart x discrete law": [WishartFactor(0.8), HaarFactor(POSITIVE)],
    "Wishart x Wishart": [WishartFactor(0.5), WishartFactor(0.8)],
    "Wishart x Wishart of low rank": [WishartFactor(0.4), WishartFactor(4.0)],
    "two Wisharts of low rank": [WishartFactor(2.0), WishartFactor(3.0, 0.5)],
    "spikes": [SpikeFactor((8.0, 0.1, 8.0), 1.0), WishartFactor(0.5)],
}
CASES = [
    pytest.param(factors, operation, id=f"{operation}: {name}")
    for operation, table in (("sum", SUMS), ("product", PRODUCTS))
    for name, factors in table.items()
]
LIMITS = [
    (SUMS["Wishart + Wigner"], "sum", WishartPlusWigner(0.5, 0.3).law),
    (SUMS["Wishart + ReLU block"], "sum", WishartPlusReluBlock(0.5, 0.3).law),
    (SUMS["discrete law + Wigner"], "sum", free_sum(THREE, Semicircle(0.2))),
    (SUMS["two discrete laws"], "sum", free_sum(THREE, Discrete((0.0, 1.0), (0.5, 0.5)))),
    (SUMS["two continuous laws"], "sum", free_sum(MarchenkoPastur(0.5), Uniform(-1.0, 1.0))),
    (PRODUCTS["population of a Wishart"], "product", free_product(POSITIVE, MarchenkoPastur(0.5))),
    (
        PRODUCTS["Wishart x Wishart"],
        "product",
        free_product(MarchenkoPastur(0.5), MarchenkoPastur(0.8)),
    ),
    (
        PRODUCTS["two Wisharts of low rank"],
        "product",
        free_product(MarchenkoPastur(2.0), MarchenkoPastur(3.0, 0.5)),
    ),
]


def streams(seed, runs):
    return np.random.default_rng(seed).spawn(runs)


def draws(factors, n, steps, *, seed=0, runs=1, operation="sum"):
    return np.hstack(
        jacobi_coefficients(factors, n, steps, streams(seed, runs), operation=operation)
    )


# Against matrices ------------------------------------------------------------------------------


def haar(rng, runs, n):
    q, r = np.linalg.qr(rng.standard_normal((runs, n, n)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]


def conjugated(rng, eigenvalues, runs):
    q = haar(rng, runs, eigenvalues.size)
    return (q * eigenvalues) @ q.transpose(0, 2, 1)


def eigenvalues(factor, n):
    if isinstance(factor, SpikeFactor):
        return np.array([*factor.spikes, *[factor.rest] * (n - len(factor.spikes))])
    law = factor.operand
    return law.ppf((np.arange(n) + 0.5) / n) if isinstance(law, Law) else law


def matrices(factor, n, runs, rng):
    if isinstance(factor, GaussianFactor):
        a = rng.standard_normal((runs, n, n)) * math.sqrt(factor.variance / (2 * n))
        return a + a.transpose(0, 2, 1)
    if isinstance(factor, WishartFactor):
        q = max(1, round(n / factor.aspect_ratio))
        x = rng.standard_normal((runs, n, q)) * math.sqrt(factor.variance / q)
        return x @ x.transpose(0, 2, 1)
    if isinstance(factor, ReluBlockFactor):
        rows, active = n // 2, max(1, round(n / (2 * factor.phi)))
        e = rng.standard_normal((runs, rows, active)) * math.sqrt(2 * factor.epsilon)
        x = rng.standard_normal((runs, n - rows, active)) / (2 * active)
        h = np.zeros((runs, n, n))
        h[:, :rows, rows:] = e @ x.transpose(0, 2, 1)
        h = h + h.transpose(0, 2, 1)
        q = haar(rng, runs, n)
        return q @ h @ q.transpose(0, 2, 1)
    return conjugated(rng, eigenvalues(factor, n), runs)


def product_matrices(factors, n, runs, rng):
    first, second = factors
    if isinstance(first, HaarFactor | SpikeFactor):
        root = conjugated(rng, np.sqrt(eigenvalues(first, n)), runs)
    else:
        values, vectors = np.linalg.eigh(matrices(first, n, runs, rng))
        values = np.where(values > 1e-10, values, 0.0)
        root = (vectors * np.sqrt(values)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return root @ matrices(second, n, runs, rng) @ root


def dense_lanczos(h, start, steps):
    """Lanczos with full reorthogonalisation on a stack of matrices, without breakdown."""
    vectors = [start / np.linalg.norm(start, axis=1, keepdims=True)]
    alpha, beta = [], []
    for _ in range(steps):
        rest = np.einsum("rij,rj->ri", h, vectors[-1])
        alpha.append((rest * vectors[-1]).sum(axis=1))
        for vector in vectors * 2:
            rest = rest - (rest * vector).sum(axis=1, keepdims=True) * vector
        beta.append(np.linalg.norm(rest, axis=1))
        vectors.append(rest / beta[-1][:, None])
    return np.stack(alpha + beta[:-1], axis=1)


def difference(a, b):
    """Largest mean difference in standard errors, and p-value of the whole vector of means."""
    gap = a.mean(axis=0) - b.mean(axis=0)
    covariance = np.cov(a.T) / len(a) + np.cov(b.T) / len(b)
    errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(errors, errors)
    statistic = gap / errors @ np.linalg.solve(correlation, gap / errors)
    return np.abs(gap / errors).max(), chi2.sf(statistic, gap.size)


def dense_draws(factors, n, steps, *, seed, runs, operation="sum"):
    rng = np.random.default_rng(seed)
    if operation == "sum":
        h = sum(matrices(factor, n, runs, rng) for factor in factors)
    else:
        h = product_matrices(factors, n, runs, rng)
    return dense_lanczos(h, rng.standard_normal((runs, n)), steps)


@pytest.mark.parametrize(("factors", "operation"), CASES)
def test_dense_lanczos_has_the_same_distribution(factors, operation):
    steps = 3 if factors == SUMS["one discrete law"] else 7
    dense = dense_draws(factors, 40, steps, seed=1, runs=800, operation=operation)
    krylov = draws(factors, 40, steps, seed=2, runs=800, operation=operation)
    for order in (1, 2):
        centre = dense.mean(axis=0) if order == 2 else 0.0
        error, p = difference((dense - centre) ** order, (krylov - centre) ** order)
        assert error < 4, order
        assert p > 1e-3, order


def test_the_comparison_notices_a_wrong_diagonal():
    # all entries of variance v/n: the diagonal should have twice that
    dense = dense_draws([GaussianFactor(0.7)], 40, 7, seed=1, runs=800)
    wrong = draws([GaussianFactor(0.7)], 40, 7, seed=2, runs=800)
    wrong[:, :7] /= math.sqrt(2)
    assert (
        difference((dense - dense.mean(axis=0)) ** 2, (wrong - wrong.mean(axis=0)) ** 2)[1] < 1e-9
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_all_steps_on_a_small_matrix_give_its_spectrum(n):
    """The tridiagonal of n steps has the trace and square norm of H: their means are known."""
    factors = [WishartFactor(0.5, 2.0), GaussianFactor(0.6)]
    alpha, beta = jacobi_coefficients(factors, n, n + 2, streams(3, 4000))
    assert not alpha[:, n:].any()
    assert not beta[:, n - 1 :].any()
    trace = alpha.sum(axis=1) / n
    square = (alpha**2).sum(axis=1) / n + 2 * (beta**2).sum(axis=1) / n
    q = max(1, round(n / 0.5))
    second = 4.0 * (q + n + 1) / q + 0.6 * (n + 1) / n
    for values, mean in ((trace, 2.0), (square, second)):
        assert abs(values.mean() - mean) < 4 * values.std() / math.sqrt(len(values))


def test_bidiagonal_model_of_a_wishart_matrix_alone():
    # B B^T with B lower bidiagonal: chi_q, chi_{q-1}, ... above chi_{n-1}, chi_{n-2}, ...
    n, q, steps, runs = 12, 5, 5, 3000
    rng = np.random.default_rng(4)
    d = np.sqrt(rng.chisquare(q - np.arange(steps), (runs, steps)) / q)
    e = np.sqrt(rng.chisquare(n - 1 - np.arange(steps), (runs, steps)) / q)
    alpha = d**2 + np.pad(e[:, :-1], ((0, 0), (1, 0))) ** 2
    exact = np.hstack([alpha, (d * e)[:, :-1]])
    error, p = difference(exact, draws([WishartFactor(n / q)], n, steps, seed=5, runs=runs))
    assert error < 4
    assert p > 1e-3


# Breakdown -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factors", "operation", "n", "length"),
    [
        ([WishartFactor(4.0)], "sum", 40, 11),  # rank 10 and the null space
        ([WishartFactor(10.0), WishartFactor(20.0)], "sum", 40, 7),
        ([ReluBlockFactor(10.0, 1.0)], "sum", 40, 5),  # rank 4
        ([HaarFactor(THREE)], "sum", 40, 3),
        ([HaarFactor(THREE)], "sum", 10**12, 3),
        ([HaarFactor(THREE)], "sum", math.inf, 3),
        ([HaarFactor(np.r_[np.zeros(38), 1.0, 2.0])] * 2, "sum", 40, 5),
        ([HaarFactor(np.r_[np.zeros(38), 1.0, 2.0]), WishartFactor(0.5)], "product", 40, 3),
        ([WishartFactor(20.0), WishartFactor(0.5)], "product", 40, 3),
        ([WishartFactor(20.0), WishartFactor(10.0)], "product", 40, 3),
        ([GaussianFactor(0.0)], "sum", 40, 1),
        ([HaarFactor(Discrete((2.5,), (1.0,)))], "sum", 40, 1),
        ([GaussianFactor(1.0)], "sum", 6, 6),
        ([WishartFactor(0.5), ReluBlockFactor(0.5, 1.0)], "sum", 6, 6),
    ],
)
def test_the_recursion_ends_with_the_krylov_space(factors, operation, n, length):
    alpha, beta = jacobi_coefficients(factors, n, 14, streams(6, 20), operation=operation)
    assert (beta[:, : length - 1] > 0).all()
    assert not beta[:, length - 1 :].any()
    assert not alpha[:, length:].any()


def test_a_multiple_of_the_identity_shifts_the_spectrum():
    plain = draws([WishartFactor(0.5)], 30, 5, seed=7)
    two = Discrete((2.0,), (1.0,))
    moved = draws([WishartFactor(0.5), HaarFactor(two)], 30, 5, seed=7)
    np.testing.assert_allclose(moved - plain, np.r_[np.full(5, 2.0), np.zeros(4)][None], atol=1e-14)


@pytest.mark.parametrize("factors", [SUMS["Wishart + Wigner"], SUMS["Wishart + ReLU block"]])
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_scales(factors, scale):
    scaled = [
        GaussianFactor(f.variance * scale**2)
        if isinstance(f, GaussianFactor)
        else WishartFactor(f.aspect_ratio, f.variance * scale)
        if isinstance(f, WishartFactor)
        else ReluBlockFactor(f.phi, f.epsilon * scale**2)
        for f in factors
    ]
    np.testing.assert_allclose(
        draws(scaled, 50, 20, seed=8), scale * draws(factors, 50, 20, seed=8), rtol=1e-9
    )


# The limit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factors", "operation", "law"), LIMITS)
def test_infinite_size_gives_the_coefficients_of_the_limit_law(factors, operation, law):
    sampler = jacobi_coefficients(factors, math.inf, 20, [], operation=operation)
    exact = law_jacobi(law, math.inf, 20, [])
    for mine, theirs in zip(sampler, exact, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-11)


@pytest.mark.parametrize(("factors", "operation", "law"), LIMITS)
def test_gauss_quadrature_of_the_limit_has_its_exact_moments(factors, operation, law):
    alpha, beta = jacobi_coefficients(factors, math.inf, 6, [], operation=operation)
    nodes, weights = krylov.quadrature(alpha, beta)
    for order in range(12):
        size = weights[0] @ np.abs(nodes[0]) ** order
        assert abs(weights[0] @ nodes[0] ** order - law.moment(order)) < 1e-11 * size


@pytest.mark.parametrize(("factors", "operation", "law"), LIMITS[:4] + LIMITS[5:7])
def test_large_matrices_are_close_to_the_limit(factors, operation, law):
    alpha, beta = jacobi_coefficients(factors, 1e12, 12, streams(9, 3), operation=operation)
    limit = law_jacobi(law, math.inf, 12, [])
    scale = np.abs(limit[0]).max() + limit[1].max()
    for mine, theirs in zip((alpha, beta), limit, strict=True):
        assert 0 < np.abs(mine - theirs).max() < 2e-5 * scale


@pytest.mark.parametrize(
    "name",
    [
        "population of a Wishart",
        "Wishart x discrete law",
        "Wishart x Wishart of low rank",
        "two discrete laws",
        "spikes",
    ],
)
def test_many_steps_stay_orthogonal(name):
    """At n = 10^12 every coefficient is within 1e-4 of the limit's, whose null space is an atom.

    One pass of orthogonalisation too few lets rounding grow by a factor a step, and a null space
    without a block of its own is found again and again: both were off by .3 and more from some
    step between 60 and 100 on.
    """
    steps, laws = (
        130,
        {
            "population of a Wishart": free_product(POSITIVE, MarchenkoPastur(0.5)),
            "Wishart x discrete law": free_product(MarchenkoPastur(0.8), POSITIVE),
            "Wishart x Wishart of low rank": free_product(
                MarchenkoPastur(0.4), MarchenkoPastur(4.0)
            ),
            "two discrete laws": free_sum(THREE, Discrete((0.0, 1.0), (0.5, 0.5))),
            "spikes": MarchenkoPastur(0.5),
        },
    )
    factors = (PRODUCTS | SUMS | {"spikes": [WishartFactor(0.5), SpikeFactor((0.5,))]})[name]
    operation = "sum" if name in SUMS else "product"
    drawn = draws(factors, 1e12, steps, seed=18, operation=operation)
    exact = np.hstack(law_jacobi(laws[name], math.inf, steps, []))
    np.testing.assert_allclose(drawn, exact, atol=1e-4)


@pytest.mark.parametrize("model", [WishartPlusWigner(0.5, 0.3), WishartPlusReluBlock(0.5, 0.3)])
def test_extreme_nodes_reach_the_edges(model):
    residual = GaussianFactor(0.6) if model.name.endswith("Wigner") else ReluBlockFactor(0.5, 0.3)
    coefficients = jacobi_coefficients([WishartFactor(0.5), residual], 1e12, 120, streams(10, 1))
    nodes, _ = krylov.quadrature(*coefficients)
    ((low, high),) = model.law.support
    assert low < nodes[0, 0] < low + 1.5e-3
    assert high - 1.5e-3 < nodes[0, -1] < high


@pytest.mark.parametrize("factors", [SUMS["Wishart + Wigner"], SUMS["two discrete laws"]])
def test_the_limit_law_alone_gives_the_fluctuations(factors):
    law = dict(zip(map(str, (f for f, _, _ in LIMITS)), (law for *_, law in LIMITS), strict=True))
    n, runs = 1e8, 3000
    fluctuations = [
        (coefficients - np.hstack(law_jacobi(law[str(factors)], math.inf, 6, []))) * math.sqrt(n)
        for coefficients in (
            draws(factors, n, 6, seed=11, runs=runs),
            np.hstack(law_jacobi(law[str(factors)], n, 6, streams(12, runs))),
        )
    ]
    for order in (1, 2):
        error, p = difference(*(values**order for values in fluctuations))
        assert error < 4
        assert p > 1e-3


def test_a_continuous_law_beyond_the_quantiles():
    factors = [HaarFactor(MarchenkoPastur(0.5)), HaarFactor(Uniform(-1.0, 1.0))]
    limit = free_sum(MarchenkoPastur(0.5), Uniform(-1.0, 1.0))
    asked = []

    def law():
        asked.append(True)
        return limit

    exact = np.hstack(law_jacobi(limit, math.inf, 8, []))
    by_limit = np.hstack(jacobi_coefficients(factors, 1e10, 8, streams(13, 1), limit=law))
    by_nodes = draws(factors, 1e10, 8, seed=13)
    assert asked == [True]
    assert 0 < np.abs(by_limit - exact).max() < 3e-4
    assert 0 < np.abs(by_nodes - exact).max() < 3e-4
    jacobi_coefficients(factors, 40, 8, streams(13, 1), limit=law)
    assert asked == [True]


# Laws, measures, quadratures -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "alpha", "beta"),
    [
        (Semicircle(2.0), 0.0, math.sqrt(2.0)),
        (MarchenkoPastur(0.25), np.r_[1.0, np.full(39, 1.25)], 0.5),
        (MarchenkoPastur(4.0), np.r_[1.0, np.full(39, 5.0)], 2.0),
        (MarchenkoPastur(1.0), np.r_[1.0, np.full(39, 2.0)], 1.0),
        (
            Uniform(-1.0, 1.0),
            0.0,
            np.arange(1, 40) / np.sqrt(4.0 * np.arange(1, 40) ** 2 - 1),
        ),
    ],
)
def test_known_jacobi_coefficients(law, alpha, beta):
    mine, off = law_jacobi(law, math.inf, 40, [])
    np.testing.assert_allclose(mine[0], np.broadcast_to(alpha, 40), atol=1e-12)
    np.testing.assert_allclose(off[0], np.broadcast_to(beta, 39), rtol=1e-12)


def test_quadrature_against_eigenvectors():
    rng = np.random.default_rng(14)
    alpha, beta = rng.normal(size=(30, 25)), rng.uniform(0.01, 2, size=(30, 24))
    beta[10:20, 11] = 0.0
    nodes, weights = krylov.quadrature(alpha, beta)
    for row in range(30):
        size = 12 if 10 <= row < 20 else 25
        t = np.diag(alpha[row, :size]) + np.diag(beta[row, : size - 1], 1)
        t += np.diag(beta[row, : size - 1], -1)
        values, vectors = np.linalg.eigh(t)
        np.testing.assert_allclose(nodes[row, :size], values, atol=1e-13)
        np.testing.assert_allclose(weights[row, :size], vectors[0] ** 2, atol=1e-13)
        assert not weights[row, size:].any()
        assert (nodes[row, size:] == nodes[row, size - 1]).all()


@examples(30)
@given(st.integers(1, 12), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_coefficients_of_point_masses(masses, steps, seed):
    rng = np.random.default_rng(seed)
    nodes, weights = np.arange(masses) + rng.uniform(0, 0.5, masses), rng.uniform(0.1, 1, masses)
    alpha, beta = np.zeros(steps), np.zeros(steps - 1)
    jacobi_kernels.coefficients_of(nodes, weights, alpha, beta)
    plain = krylov_reference.measure_coefficients(nodes, weights, steps)
    np.testing.assert_allclose(alpha, plain[0], atol=1e-9)
    np.testing.assert_allclose(beta, plain[1], atol=1e-9)


# Kernels and references ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [40, 1e12, math.inf])
@pytest.mark.parametrize(("factors", "operation"), CASES)
def test_kernels_against_plain_numpy(factors, operation, n):
    given_spectrum = any(
        isinstance(f, HaarFactor) and not isinstance(f.operand, Law) for f in factors
    )
    if given_spectrum:
        n = 40 if n == 1e12 else n
    steps = 4
    route = krylov._sum if operation == "sum" else krylov._product
    kernel, arguments = route(factors, float(n), steps)
    unit = 0.0 if math.isinf(n) else 1 / math.sqrt(n)
    results = []
    for function in (kernel, getattr(krylov_reference, kernel.__name__)):
        alpha, beta = np.zeros(steps), np.zeros(steps - 1)
        length = function(np.random.default_rng(15), unit, float(n), *arguments, alpha, beta)
        results.append((length, np.r_[alpha, beta]))
    assert results[0][0] == results[1][0]
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-10)


def test_a_run_depends_on_its_generator_alone(monkeypatch):
    factors = SUMS["Wishart + ReLU block"]
    together = draws(factors, 300, 12, seed=16, runs=6)
    monkeypatch.setattr(krylov, "_WORTH_THREADS", 0)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(deferred.os, "cpu_count", lambda: 3)
    assert np.array_equal(draws(factors, 300, 12, seed=16, runs=6), together)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in the workers of a sweep
    monkeypatch.setattr(krylov, "ThreadPoolExecutor", None)
    assert np.array_equal(draws(factors, 300, 12, seed=16, runs=6), together)
    last = jacobi_coefficients(factors, 300, 12, streams(16, 6)[-1:])
    assert np.array_equal(np.hstack(last)[0], together[-1])


@examples(60)
@given(
    n=st.one_of(st.integers(1, 60), st.integers(61, 10**15), st.just(math.inf)),
    steps=st.integers(1, 12),
    phis=st.lists(st.floats(-3, 3), max_size=2),
    relu=st.one_of(st.none(), st.floats(-3, 3)),
    variance=st.sampled_from([0.0, 1e-6, 1.0, 1e3]),
    discrete=st.sampled_from([(), (SIGNS,), (SIGNS, THREE)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_sum_is_finite_and_bounded(n, steps, phis, relu, variance, discrete, seed):
    factors = [GaussianFactor(variance), *(WishartFactor(10.0**phi) for phi in phis)]
    factors += [HaarFactor(law) for law in discrete]
    if relu is not None:
        factors.append(ReluBlockFactor(10.0**relu, 0.5))
    alpha, beta = jacobi_coefficients(factors, n, steps, streams(seed, 1))
    assert np.isfinite(alpha).all()
    assert np.isfinite(beta).all()
    assert (beta >= 0).all()
    nodes, weights = krylov.quadrature(alpha, beta)
    assert abs(weights.sum() - 1) < 1e-12
    if not variance and not discrete and relu is None:
        assert nodes.min() > -1e-10 * max(1.0, nodes.max())


# Operands and errors ---------------------------------------------------------------------------


def test_multiplicities_are_those_of_the_quantiles():
    law = Discrete((-1.0, 0.0, 3.0), (0.2, 1 / 3, 1 - 0.2 - 1 / 3))
    for n in (1, 2, 7, 10, 1000):
        values, sizes = HaarFactor(law).blocks(float(n), 5)
        expected = np.unique(law.ppf((np.arange(n) + 0.5) / n), return_counts=True)
        assert np.array_equal(values, expected[0])
        assert np.array_equal(sizes, expected[1])
    values, sizes = HaarFactor(law).blocks(1e12, 5)
    assert sizes.sum() == 1e12
    np.testing.assert_allclose(sizes, 1e12 * np.array([m for _, m in law.atoms]), atol=1)
    spectrum = EmpiricalLaw([1.0, 2.0, 2.0, 5.0])
    assert HaarFactor(spectrum).blocks(4.0, 5)[1].tolist() == [1.0, 2.0, 1.0]


def test_bad_arguments():
    one = streams(0, 1)
    with pytest.raises(ValueError, match="has 41 eigenvalues; got 40"):
        jacobi_coefficients([HaarFactor(CUBES)], 41, 3, one)
    with pytest.raises(ValueError, match="takes two factors"):
        jacobi_coefficients([WishartFactor(1.0)], 41, 3, one, operation="product")
    with pytest.raises(ValueError, match="takes two factors"):
        jacobi_coefficients([WishartFactor(1.0), GaussianFactor()], 5, 3, one, operation="product")
    with pytest.raises(ValueError, match="eigenvalues >= 0; got one of -1"):
        jacobi_coefficients([HaarFactor(SIGNS), WishartFactor(1.0)], 9, 3, one, operation="product")
    with pytest.raises(ValueError, match="at least one factor"):
        jacobi_coefficients([], 9, 3, one)
    with pytest.raises(TypeError, match="a factor must be one of"):
        jacobi_coefficients([SIGNS], 9, 3, one)
    with pytest.raises(ValueError, match="unknown operation"):
        jacobi_coefficients([GaussianFactor()], 9, 3, one, operation="difference")
    with pytest.raises(ValueError, match="at most 2\\^53"):
        jacobi_coefficients([GaussianFactor()], 1e16, 3, one)
    for n in (0, -1, 2.5, math.nan, -math.inf, "many"):
        with pytest.raises((ValueError, TypeError), match=r"^n must be an integer"):
            jacobi_coefficients([GaussianFactor()], n, 3, one)
    for factor, numbers in (
        (WishartFactor, (0.0,)),
        (GaussianFactor, (-1.0,)),
        (ReluBlockFactor, (1.0, math.nan)),
    ):
        with pytest.raises(ValueError, match="must be"):
            factor(*numbers)
    with pytest.raises(ValueError, match="one column less than alpha"):
        krylov.quadrature([[1.0, 2.0]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="finite numbers >= 0"):
        krylov.quadrature([[1.0, 2.0]], [[-1.0]])
