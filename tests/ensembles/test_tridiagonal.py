"""Tridiagonal models: exact moments at every beta, counts, corners at the edges, Lanczos."""

import math

import numpy as np
import pytest
from ensemble_table import check_scale, standard_error
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import gammaln
from scipy.stats import ks_2samp, kstest

from rmtland.ensembles import GaussianEnsemble, JacobiEnsemble, WishartEnsemble, tridiagonal
from rmtland.ensembles.sturm import extreme_eigenvalues
from rmtland.laws import TracyWidom

FAMILIES = [
    GaussianEnsemble(1.0, 0.8),
    GaussianEnsemble(0.2),
    WishartEnsemble(0.5, 0.7),
    WishartEnsemble(1.0, beta=2),
    WishartEnsemble(3.0, beta=4),
    JacobiEnsemble(0.5, 0.7),
    JacobiEnsemble(2.0, 0.6, 2.5),
    JacobiEnsemble(0.7, 2.0),
    JacobiEnsemble(1.5, 1.8),
]
families = pytest.mark.parametrize("ensemble", FAMILIES, ids=str)


# Moments --------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.25, 1.0, 2.0, 4.0, pytest.param(9.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_moments_of_the_gaussian_ensemble(beta, n):
    """E tr A^k / n for k = 2, 4, 6: polynomials in n and kappa = 2 / beta; 5 standard errors."""
    k, v, runs = 2 / beta, 0.7, 2000
    exact = {
        2: n + k - 1,
        4: 2 * n**2 + 5 * (k - 1) * n + 3 * k**2 - 5 * k + 3,
        6: 5 * n**3
        + 22 * (k - 1) * n**2
        + (32 * k**2 - 54 * k + 32) * n
        + 15 * k**3
        - 32 * k**2
        + 32 * k
        - 15,
    }
    nodes = GaussianEnsemble(beta, v).sample(n, rng=5, runs=runs).nodes
    for order, value in exact.items():
        moments = (nodes**order).mean(axis=1)
        expected = v ** (order // 2) * value / n ** (order // 2)
        assert abs(moments.mean() - expected) < 5 * standard_error(moments)


@pytest.mark.parametrize("beta", [0.25, 1.0, 2.0, 4.0, pytest.param(9.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("n", "q"), [(1, 3), (3, 2), (4, 4)])
def test_third_moments_of_the_wishart_ensemble(beta, n, q):
    k, s, runs = 2 / beta, 0.7, 1500
    exact = q**2 + 3 * n * q + n**2 + 3 * (k - 1) * (q + n) + 2 * k**2 - 3 * k + 2
    nodes = WishartEnsemble(n / q, s, beta).sample(n, rng=6, runs=runs).nodes
    moments = (nodes**3).mean(axis=1)
    assert abs(moments.mean() - s**3 * exact / q**2) < 5 * standard_error(moments)


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("n", "q1", "q2"), [(3, 3, 5), (3, 2, 6), (4, 6, 3), (4, 3, 2)])
def test_elementary_symmetric_moments_of_the_jacobi_ensemble(beta, n, q1, q2):
    """E of the r-th elementary symmetric function (Aomoto): free of beta."""
    runs = 1000
    nodes = JacobiEnsemble(n / q1, n / q2, beta).sample(n, rng=7, runs=runs).nodes
    symmetric = np.array([np.poly(row) for row in nodes]) * (-1.0) ** np.arange(n + 1)
    for r in (1, 2, n):
        values = symmetric[:, r]
        exact = math.comb(n, r) * math.prod((q1 - j) / (q1 + q2 - j) for j in range(r))
        assert abs(values.mean() - exact) < 5 * standard_error(values) + 1e-12


@pytest.mark.parametrize(
    "ensemble",
    [
        GaussianEnsemble(1),
        GaussianEnsemble(2),
        GaussianEnsemble(4),
        WishartEnsemble(0.6),
        WishartEnsemble(1.5, beta=2),
        WishartEnsemble(0.6, beta=4),
        JacobiEnsemble(0.6, 0.5),
        JacobiEnsemble(1.5, 0.5, 2),
        JacobiEnsemble(0.6, 1.5, 4),
    ],
    ids=str,
)
def test_matrices_and_tridiagonal_models_have_the_same_eigenvalues(ensemble):
    """Two samples of the largest, the least and a middle eigenvalue; p-value above 1e-5 each."""
    n, runs = 6, 400
    rng = np.random.default_rng(1)
    matrices = np.array([ensemble.matrix(n, rng=rng) for _ in range(runs)])
    dense = np.linalg.eigvalsh(matrices)
    dense = dense[:, :: dense.shape[1] // n]
    other = np.sort(ensemble.sample(n, rng=2, runs=1500).nodes, axis=1)
    for place in (0, 2, 5):
        one, two = dense[:, place], other[:, place]
        if np.ptp(two) < 1e-9:  # null spaces
            np.testing.assert_allclose(one, two[0], atol=1e-12)
        else:
            assert ks_2samp(one, two).pvalue > 1e-5


def test_quaternion_eigenvalues_are_double():
    values = np.linalg.eigvalsh(GaussianEnsemble(4).matrix(7, rng=3))
    np.testing.assert_allclose(values[::2], values[1::2], atol=1e-14)


# Rows, counts ---------------------------------------------------------------------------------


@families
def test_rows_do_not_depend_on_the_blocks_they_come_in(ensemble):
    n = 60
    whole = ensemble._core(n, tridiagonal.HostRowDraws(np.random.default_rng(4))).matrix()
    rows = ensemble._core(n, tridiagonal.HostRowDraws(np.random.default_rng(4)))
    parts = []
    while rows.start < rows.size:
        parts.append(rows.take(7))
    np.testing.assert_array_equal(np.concatenate([d for d, _ in parts]), whole[0])
    np.testing.assert_array_equal(np.concatenate([e for _, e in parts])[:-1], whole[1])


@families
def test_counts_are_exactly_those_of_lapack(ensemble, monkeypatch):
    monkeypatch.setattr(tridiagonal, "ROW_BLOCK", 100)
    n, runs = 700, 2
    diagonals, off_diagonals = ensemble.tridiagonal(n, rng=8, runs=runs)
    values = np.concatenate(
        [eigvalsh_tridiagonal(d, e) for d, e in zip(diagonals, off_diagonals, strict=True)]
    )
    edges = np.linspace(values.min() - 0.01, values.max() + 0.01, 201)
    counts = ensemble.histogram(n, edges, rng=8, runs=runs)
    known = np.repeat(*zip(*ensemble._known(n), strict=True)) if ensemble._known(n) else []
    everything = np.concatenate([values, *[known] * runs])
    assert everything.size == n * runs
    np.testing.assert_array_equal(counts, np.histogram(everything, edges)[0])


def test_a_large_histogram_follows_the_law():
    n = 200_000
    ensemble = WishartEnsemble(0.25, 1.5, beta=2)
    edges = np.linspace(0, 3.5, 60)
    counts = ensemble.histogram(n, edges, rng=9)
    assert np.abs(counts / n - np.diff(ensemble.law.cdf(edges))).max() < 10 / n


# Corners --------------------------------------------------------------------------------------


@families
@pytest.mark.parametrize("edge", ["upper", "lower"])
def test_a_corner_gives_the_extremes_of_the_whole_matrix(ensemble, edge):
    """Truncation moves nothing beyond rounding: 8 roundings of the norm, and 4 of bisection."""
    n, k, sign = 3000, 6, 1 if edge == "upper" else -1
    diagonals, off_diagonals = ensemble.tridiagonal(n, rng=10)
    exact = sign * extreme_eigenvalues(sign * diagonals[0], off_diagonals[0], k)
    known = [place for place, number in ensemble._known(n) for _ in range(number)]
    exact = sign * np.sort(sign * np.concatenate([exact, known]))[::-1][:k]
    found = ensemble.extremes(n, k, edge=edge, rng=10)[0]
    norm = np.abs(diagonals).max() + 2 * off_diagonals.max()
    assert np.abs(found - exact).max() < 12 * 2**-52 * norm


@pytest.mark.parametrize("beta", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("edge", ["upper", "lower"])
def test_corners_at_small_beta(beta, edge):
    """Eigenvectors are localised anywhere then: a corner of some n^(1/3) rows misses extremes."""
    n, runs, sign = 1500, 25, 1 if edge == "upper" else -1
    for ensemble in (
        GaussianEnsemble(beta),
        WishartEnsemble(0.5, 0.7, beta),
        JacobiEnsemble(0.5, 0.4, beta),
    ):
        matrices = zip(*ensemble.tridiagonal(n, rng=3, runs=runs), strict=True)
        exact = np.array([sign * extreme_eigenvalues(sign * d, e, 1)[0] for d, e in matrices])
        found = ensemble.extremes(n, edge=edge, rng=3, runs=runs)[:, 0]
        np.testing.assert_allclose(found, exact, atol=1e-13 * np.abs(exact).max(), rtol=0)


@pytest.mark.parametrize("exponent", [-1000, -600, -300, 300, 600, 1000])
@pytest.mark.parametrize("family", [GaussianEnsemble, WishartEnsemble])
def test_every_route_follows_the_scale(family, exponent):
    check_scale(family, exponent)


@pytest.mark.parametrize("variance", [1e-310, 1e-320, 5e-324])
def test_variances_below_the_normal_numbers_keep_all_digits(variance):
    unit = GaussianEnsemble().sample(60, rng=1).nodes
    found = GaussianEnsemble(variance=variance).sample(60, rng=1).nodes
    np.testing.assert_allclose(found / math.sqrt(variance), unit, rtol=0, atol=1e-13)
    unit = WishartEnsemble(0.5).sample(60, rng=1).nodes
    found = WishartEnsemble(0.5, variance).sample(60, rng=1).nodes
    np.testing.assert_allclose(found, variance * unit, rtol=1e-13, atol=2 * 5e-324)


def test_corners_are_small():
    """At n = 10^9 some 10^4 rows are drawn, not all of them."""
    rows = GaussianEnsemble()._core(10**9, tridiagonal.HostRowDraws(np.random.default_rng(0)))
    tridiagonal._outermost(rows, 1, 1.0)
    assert rows.start < 50_000


@pytest.mark.parametrize(
    ("ensemble", "edge"),
    [
        (GaussianEnsemble(1), "upper"),
        (GaussianEnsemble(2), "lower"),
        (GaussianEnsemble(4), "upper"),
        (WishartEnsemble(0.25, 0.7), "upper"),
        (WishartEnsemble(0.25, 0.7, 2), "lower"),
        (JacobiEnsemble(0.3, 0.4), "upper"),
    ],
    ids=str,
)
def test_extreme_eigenvalues_follow_tracy_widom(ensemble, edge):
    """Mean and variance at n = 10^6: the bias of finite size is of order n^(-1/3) = .01."""
    n, runs, beta = 10**6, 250, int(ensemble.beta)
    centre, scale = ensemble.law.edge_scale(n, beta=beta, edge=edge)
    values = ensemble.extremes(n, edge=edge, rng=11, runs=runs)[:, 0]
    normal = (values - centre) / scale * (1 if edge == "upper" else -1)
    law = TracyWidom(beta)
    assert abs(normal.mean() - law.mean()) < 5 * standard_error(normal) + 0.02
    squares = (normal - law.mean()) ** 2
    assert abs(squares.mean() - law.var()) < 5 * standard_error(squares) + 0.02


def test_tracy_widom_at_size_200_in_10000_runs():
    """Johnstone and Ma's centring for the GOE at n = 200: error of order n^(-2/3) = .03.

    The bound is 5 standard deviations of the empirical distribution function at its centre, and
    that error on a density of at most .31.
    """
    n, runs = 200, 10_000
    values = GaussianEnsemble().extremes(n, rng=12, runs=runs)[:, 0]
    centre = 2 * math.sqrt((n - 0.5) / n)
    scale = ((n - 0.5) / n) ** (-1 / 6) * n ** (-2 / 3)
    normal = (values - centre) / scale
    distance = kstest(normal, TracyWidom(1).cdf).statistic
    assert distance < 5 * 0.5 / math.sqrt(runs) + 0.31 * 0.03


# Lanczos --------------------------------------------------------------------------------------


@families
def test_lanczos_is_the_top_of_the_tridiagonal_model(ensemble):
    """Against Lanczos on dense eigenvalues and a uniform start: means of alpha and beta."""
    n, steps, runs = 12, 3, 1500
    rng = np.random.default_rng(13)
    nodes = ensemble.sample(n, rng=14, runs=runs).nodes
    weights = rng.gamma(ensemble.beta / 2, size=nodes.shape)  # squared moduli of a uniform vector
    dense = _jacobi(nodes, weights / weights.sum(axis=1, keepdims=True), steps)
    quadrature = ensemble.lanczos(n, steps, rng=15, runs=runs)
    drawn = np.concatenate([quadrature.alpha, quadrature.beta], axis=1)
    for one, two in zip(dense, drawn.T, strict=True):
        error = math.hypot(standard_error(one), standard_error(two))
        assert abs(one.mean() - two.mean()) < 5 * error + 1e-9


def _jacobi(nodes, weights, steps):
    """Lanczos with full reorthogonalisation on diagonal matrices, one a row."""
    basis, alpha, beta = [np.sqrt(weights)], [], []
    for _ in range(steps):
        v = nodes * basis[-1]
        alpha.append((v * basis[-1]).sum(axis=1))
        for _ in range(2):
            for u in basis:
                v = v - (u * v).sum(axis=1, keepdims=True) * u
        norm = np.linalg.norm(v, axis=1)
        ended = norm <= 1e-9
        beta.append(np.where(ended, 0.0, norm))
        basis.append(np.where(ended, 0.0, v.T / np.where(ended, 1.0, norm)).T)
    return [*alpha, *beta[:-1]]


@pytest.mark.parametrize("phi", [0.5, pytest.param(3.0, marks=pytest.mark.slow)])
def test_lanczos_of_wishart_matrices_has_its_exact_means(phi):
    """Means of the entries of B B^T, to 5 standard errors."""
    n, runs = 12, 5_000
    ensemble = WishartEnsemble(phi)
    q = ensemble.columns(n)
    steps = min(n, q)  # all that there are
    i = np.arange(steps)

    def chi(degrees):
        return math.sqrt(2) * np.exp(gammaln((degrees + 1) / 2) - gammaln(degrees / 2))

    alpha = (q - i + np.where(i > 0, n - i, 0)) / q
    beta = chi(q - i[:-1]) * chi(n - 1 - i[:-1]) / q
    spectrum = ensemble.lanczos(n, steps, rng=16, runs=runs)
    drawn = np.hstack([spectrum.alpha, spectrum.beta])
    z = (drawn.mean(axis=0) - np.r_[alpha, beta]) / (drawn.std(axis=0, ddof=1) / math.sqrt(runs))
    assert np.abs(z).max() < 5


@pytest.mark.parametrize(
    ("ensemble", "n", "length"),
    [
        (WishartEnsemble(4.0), 40, 11),
        (JacobiEnsemble(4.0, 0.5), 40, 11),
        (WishartEnsemble(2.0, beta=3), 7, 5),
    ],
    ids=str,
)
def test_tridiagonals_are_zero_where_the_krylov_space_has_ended(ensemble, n, length):
    """Ten columns: ten eigenvalues and the null space."""
    spectrum = ensemble.lanczos(n, length + 3 if n > 7 else n, rng=1, runs=3)
    assert (spectrum.beta[:, : length - 1] > 0).all()
    assert not spectrum.beta[:, length - 1 :].any()
    assert not spectrum.alpha[:, length:].any()
    assert spectrum.index_bracket() == (0.0, 0.0)


@families
def test_lanczos_of_infinite_size_is_the_quadrature_of_the_law(ensemble):
    steps, law = 12, ensemble.law
    spectrum = ensemble.lanczos(math.inf, steps, runs=2)
    assert spectrum.dimension is None
    assert spectrum.provenance["n"] == "inf"
    np.testing.assert_array_equal(spectrum.nodes[0], spectrum.nodes[1])
    radius = max(abs(end) for band in law.support for end in band)
    for k in range(1, 2 * steps):
        tolerance = 1e-12 * radius**k
        assert spectrum.moment(k) == pytest.approx(law.moment(k), rel=1e-11, abs=tolerance)


@families
def test_lanczos_at_size_1e12_is_next_to_infinity(ensemble):
    large = ensemble.lanczos(1e12, 30, rng=3)
    limit = ensemble.lanczos(math.inf, 30)
    assert large.dimension == 10**12
    np.testing.assert_allclose(large.alpha, limit.alpha, atol=3e-4)
    np.testing.assert_allclose(large.beta, limit.beta, atol=3e-4)


# Beta -----------------------------------------------------------------------------------------


def test_other_betas_have_no_matrices():
    for ensemble in (
        GaussianEnsemble(3.0),
        WishartEnsemble(0.5, beta=0.1),
        JacobiEnsemble(0.5, 0.5, 7.0),
    ):
        with pytest.raises(ValueError, match="full matrices for beta = 1, 2 or 4 only"):
            ensemble.matrix(3)


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf])
def test_parameters_out_of_range(bad):
    for make in (
        lambda: GaussianEnsemble(bad),
        lambda: GaussianEnsemble(1, bad),
        lambda: WishartEnsemble(bad),
        lambda: WishartEnsemble(1, bad),
        lambda: WishartEnsemble(1, 1, bad),
        lambda: JacobiEnsemble(bad, 1),
        lambda: JacobiEnsemble(1, bad),
        lambda: JacobiEnsemble(1, 1, bad),
    ):
        with pytest.raises(ValueError, match="must be a positive finite number"):
            make()


def test_beyond_double_precision():
    for ensemble in (GaussianEnsemble(1e-320), WishartEnsemble(0.5, 1e300, 1e-20)):
        with pytest.raises(ValueError, match="beta is too small for double precision"):
            ensemble.sample(3)
    for ensemble in (WishartEnsemble(1e-320), JacobiEnsemble(0.5, 1e-320)):
        with pytest.raises(ValueError, match="too many columns for double precision"):
            ensemble.sample(3)


def test_a_size_beyond_memory_is_refused_before_anything_is_drawn():
    for use in (GaussianEnsemble().sample, WishartEnsemble(0.5).tridiagonal):
        with pytest.raises(ValueError, match=r"of size 1000000000000 takes about .* GiB"):
            use(10**12)


@pytest.mark.parametrize("beta", [1e-3, 1e3])
def test_extreme_betas(beta):
    """Almost independent, and almost frozen at the zeros of Hermite's polynomial."""
    ensemble = GaussianEnsemble(beta)
    nodes = ensemble.sample(40, rng=1, runs=50).nodes
    assert np.isfinite(nodes).all()
    if beta > 1:
        zeros = np.polynomial.hermite.hermgauss(40)[0] * math.sqrt(2 / 40)
        np.testing.assert_allclose(nodes.mean(axis=0), zeros, atol=0.01)
    assert ensemble.extremes(1000, 3, rng=1).shape == (1, 3)
