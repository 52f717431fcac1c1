"""Traces, diagonals, functions and extremal eigenpairs, against dense matrices."""

import numpy as np
import pytest
from scipy.sparse import diags_array
from scipy.stats import chi2, ks_2samp, norm, t

from rmtland.estimate import (
    diagonal,
    effective_dimension,
    extremal_eigenpairs,
    frobenius_norm,
    log_determinant,
    symmetric_operator,
    trace,
)
from rmtland.estimate.functions import deviations_of_probes
from rmtland.estimate.sketches import length_error
from rmtland.solution import ConvergenceError

SPECTRA = {
    "bulk": np.linspace(-1, 2, 160),
    "outliers": np.append(np.linspace(-0.1, 0.2, 150), np.geomspace(5, 100, 10)),
    "decay": np.arange(1.0, 161.0) ** -2,
}


def rotated(values, seed=0):
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    matrix = (q * values) @ q.T
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("method", ["hutchinson", "hutch++", "xtrace", "auto"])
def test_traces_are_unbiased_and_know_their_error(name, method):
    values = SPECTRA[name]
    operator = symmetric_operator(rotated(values), check=False)
    found = [trace(operator, products=40, method=method, rng=seed) for seed in range(50)]
    off = np.array([one.value - values.sum() for one in found])
    errors = np.array([one.standard_error for one in found])
    rms, stated = np.sqrt(np.mean(off**2)), np.sqrt(np.mean(errors**2))
    assert np.abs(off.mean()) < 4 * rms / np.sqrt(50)
    assert rms < 1.3 * stated  # 50 repetitions know a standard deviation within 10 %
    assert stated < 2.0 * rms
    assert max(one.products for one in found) <= 40
    chosen = {"bulk": "hutchinson"}.get(name, "xtrace") if method == "auto" else method
    assert {one.method for one in found} == {chosen}


def test_low_rank_methods_win_where_the_rank_is_low():
    operator = symmetric_operator(rotated(SPECTRA["outliers"]), check=False)
    plain, auto = (
        np.mean([trace(operator, products=60, method=m, rng=s).standard_error for s in range(5)])
        for m in ("hutchinson", "auto")
    )
    assert auto < plain / 20


@pytest.mark.parametrize("matrix", [np.zeros((40, 40)), np.diag([3.0, 2.0] + 38 * [0.0])])
@pytest.mark.parametrize("method", ["auto", "xtrace", "hutch++"])
def test_rank_deficiency(matrix, method):
    found = trace(symmetric_operator(matrix), products=20, method=method, rng=0)
    assert found.value == pytest.approx(np.trace(matrix), abs=1e-9)
    assert found.standard_error == pytest.approx(0, abs=1e-9)


def test_enough_products_are_exact():
    matrix = rotated(np.linspace(-1, 3, 12))
    assert trace(matrix, products=12).value == pytest.approx(np.trace(matrix))
    assert trace(matrix, products=12).method == "exact"
    assert frobenius_norm(matrix, products=12).value == pytest.approx(np.linalg.norm(matrix))
    np.testing.assert_allclose(diagonal(matrix, products=12).value, np.diag(matrix), atol=1e-14)
    assert trace([[2.0]], products=2).standard_error == 0.0


def test_the_exact_diagonal_needs_p_products_and_no_matrix():
    matrix = rotated(np.linspace(-1, 3, 100))
    operator = symmetric_operator(lambda v: matrix @ v, size=100)
    found = diagonal(operator, products=5, method="exact")
    np.testing.assert_allclose(found.value, np.diag(matrix), atol=1e-14)
    assert (found.products, found.method) == (100, "exact")
    assert not found.standard_error.any()


def test_the_exact_diagonal_of_a_sparse_matrix_forms_none():
    values = np.arange(200_000.0)  # 298 GiB as a matrix
    found = diagonal(diags_array(values).tocsr(), method="exact")
    np.testing.assert_array_equal(found.value, values)
    hermitian = diags_array([1j * np.ones(2), np.arange(3.0), -1j * np.ones(2)], offsets=[-1, 0, 1])
    np.testing.assert_array_equal(diagonal(hermitian, method="exact").value, np.arange(3.0))


@pytest.mark.parametrize("products", [4, 6, 20])
@pytest.mark.parametrize("scale", [0.0, 1e8])
def test_errors_of_a_diagonal_cover(products, scale):
    """Also of entries that the diagonal exceeds by twelve orders of magnitude."""
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((400, 400)) * 1e-3
    matrix += matrix.T + np.diag(scale * generator.uniform(1, 2, 400))
    covered = []
    for seed in range(5):
        found = diagonal(
            lambda v: matrix @ v, size=400, products=products, method="hutchinson", rng=seed
        )
        off = np.abs(found.value - np.diag(matrix))
        covered.append(np.mean(off <= 1.96 * found.standard_error))
    assert np.mean(covered) > 0.93


def test_complex_traces():
    generator = np.random.default_rng(3)
    matrix = generator.standard_normal((60, 60)) + 1j * generator.standard_normal((60, 60))
    matrix = matrix @ matrix.conj().T
    for method in ("hutchinson", "hutch++", "xtrace"):
        found = trace(matrix, products=30, method=method, rng=0)
        assert abs(found.value - np.trace(matrix).real) < 5 * found.standard_error
    found = diagonal(matrix, products=30, method="hutch++", rng=0)
    z = (found.value - np.diag(matrix).real) / found.standard_error
    assert np.abs(z).max() < 6


@pytest.mark.parametrize("name", SPECTRA)
def test_frobenius_norms_and_diagonals(name):
    matrix = rotated(SPECTRA[name])
    operator = symmetric_operator(matrix, check=False)
    norms = [frobenius_norm(operator, products=30, rng=seed) for seed in range(30)]
    off = np.array([one.value for one in norms]) - np.linalg.norm(matrix)
    stated = np.sqrt(np.mean([one.standard_error**2 for one in norms]))
    assert np.sqrt(np.mean(off**2)) < 1.4 * stated
    for method in ("hutchinson", "hutch++"):
        found = diagonal(operator, products=90, method=method, rng=1)
        z = (found.value - np.diag(matrix)) / found.standard_error
        assert 0.6 < np.sqrt(np.mean(z**2)) < 1.4
        assert found.products == 90
    auto = diagonal(operator, products=90, rng=1)
    assert auto.method == ("hutchinson" if name == "bulk" else "hutch++")


@pytest.mark.parametrize("bad", [{"products": 1}, {"method": "magic"}])
def test_bad_arguments_of_traces(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        trace(np.eye(5), **bad)


# Functions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [5, 12, 30])
def test_functions_are_bracketed(steps):
    values = np.append(np.zeros(50), np.geomspace(1e-4, 10, 450))
    operator = symmetric_operator(lambda v: (values * v.T).T, size=500, check=False)
    for seed in range(5):
        found = effective_dimension(operator, 0.05, steps=steps, rng=seed)
        exact = (values / (values + 0.05)).sum()
        assert found.interval[0] <= exact <= found.interval[1]
        assert found.bracket[0] <= found.value <= found.bracket[1]
        found = log_determinant(operator, damping=0.05, steps=steps, rng=seed)
        exact = np.log(values + 0.05).sum()
        assert found.interval[0] <= exact <= found.interval[1]


def test_brackets_close_and_hold_for_each_probe():
    values = np.linspace(0.5, 4, 40)
    operator = symmetric_operator(lambda v: (values * v.T).T, size=40, check=False)
    full = log_determinant(operator, steps=40, probes=4, rng=0)
    assert full.bracket[1] - full.bracket[0] < 1e-9
    before = np.inf
    for steps in (2, 4, 8):
        some = log_determinant(operator, steps=steps, probes=4, rng=0, lower=0.5)
        assert some.bracket[0] - 1e-9 <= full.value <= some.bracket[1] + 1e-9
        assert some.bracket[1] - some.bracket[0] < before
        before = some.bracket[1] - some.bracket[0]
    assert before < 0.05
    open_end = log_determinant(operator, steps=4, probes=4, rng=0)
    assert open_end.bracket[0] == -np.inf
    assert np.isfinite(open_end.value)


@pytest.mark.parametrize("damping", [1e-10, 1e-16, 1e-20, 1e-300])
@pytest.mark.parametrize("steps", [2, 10])
def test_a_damping_below_rounding_is_covered(damping, steps):
    """Zeros of a turned matrix are seen at 1e-17, far above such a damping, by all probes."""
    generator = np.random.default_rng(0)
    w = generator.standard_normal(300)
    w /= np.linalg.norm(w)
    values = np.append(np.zeros(100), np.ones(200))

    def reflected(v):
        return v - 2 * w * (w @ v)

    def product(v):
        return reflected(values * reflected(v))

    found = effective_dimension(product, damping, size=300, probes=3, steps=steps, rng=0)
    assert found.interval[0] <= (values / (values + damping)).sum() <= found.interval[1]
    found = log_determinant(product, damping=damping, size=300, probes=3, steps=steps, rng=0)
    assert found.interval[0] <= np.log(values + damping).sum() <= found.interval[1]


def test_indefinite_matrices_are_refused():
    with pytest.raises(ValueError, match="eigenvalue"):
        log_determinant(np.diag(np.linspace(-1, 1, 30)), damping=0.1, rng=0)
    with pytest.raises(ValueError, match="damping"):
        effective_dimension(np.eye(3), 0.0)
    assert effective_dimension(np.zeros((5, 5)), 1.0, rng=0).interval == (0.0, 0.0)
    assert effective_dimension(np.eye(5), 1.0, rng=0).value == pytest.approx(2.5)


# Extremal eigenpairs ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [30, 700])
@pytest.mark.parametrize("which", ["both", "largest", "smallest", "magnitude"])
def test_extremal_eigenpairs(which, size):
    values = np.sort(np.append(np.linspace(-1, 1, size - 5), [3.0, 4.0, 5.0, -2.0, -8.0]))
    operator = symmetric_operator(lambda v: (values * v.T).T, size=size)
    pairs = extremal_eigenpairs(operator, 2, which=which, rng=0)
    wanted = {
        "both": [-8.0, -2.0, 4.0, 5.0],
        "largest": [4.0, 5.0],
        "smallest": [-8.0, -2.0],
        "magnitude": [-8.0, 5.0],
    }[which]
    np.testing.assert_allclose(pairs.values, wanted, atol=1e-8)
    exact = operator.matmat(pairs.vectors) - pairs.vectors * pairs.values
    np.testing.assert_allclose(pairs.residuals, np.linalg.norm(exact, axis=0), atol=1e-12)
    assert pairs.residuals.max() < 1e-7
    gram = pairs.vectors.T @ pairs.vectors
    np.testing.assert_allclose(gram, np.eye(len(wanted)), atol=1e-7)


@pytest.mark.parametrize("size", [40, 900])
def test_eigenvalues_next_to_a_point(size):
    values = np.arange(size) - size / 2 + 0.25
    pairs = extremal_eigenpairs(diags_array(values, format="csc"), 3, which="nearest", rng=0)
    np.testing.assert_allclose(pairs.values, [-0.75, 0.25, 1.25], atol=1e-8)
    singular = np.arange(float(size))
    pairs = extremal_eigenpairs(diags_array(singular, format="csc"), 2, which="nearest", rng=0)
    np.testing.assert_allclose(pairs.values, [0.0, 1.0], atol=1e-7)


def test_more_pairs_than_there_are():
    pairs = extremal_eigenpairs(np.diag([1.0, 2.0, 3.0]), 2, which="both")
    np.testing.assert_allclose(pairs.values, [1.0, 2.0, 3.0])
    for bad in ({"k": 4, "which": "largest"}, {"which": "middle"}):
        with pytest.raises(ValueError, match=r"asked for|unknown which"):
            extremal_eigenpairs(np.eye(3), **bad)
    values = np.linspace(0, 1, 900)
    with pytest.raises(ValueError, match="matrix itself"):
        extremal_eigenpairs(lambda v: values * v, 2, which="nearest", size=900)
    with pytest.raises(ConvergenceError, match="converged"):
        extremal_eigenpairs(lambda v: values * v, 5, size=900, max_steps=1, tol=1e-14, rng=0)


@pytest.mark.parametrize(
    "top", [[50.0], pytest.param([50.0, 30.0], marks=pytest.mark.slow), [50.0, 50.0, 20.0]]
)
def test_intervals_cover_where_few_eigenvalues_dominate(top):
    # Student's quantile covers .80 to .90 here; 60 repetitions know .95 within .028
    values = np.concatenate([top, np.linspace(0, 1e-3, 60 - len(top))])
    operator = symmetric_operator(np.diag(values))
    exact = np.array([(values / (values + 0.1)).sum(), np.log(values + 0.1).sum()])
    hits = np.zeros(2)
    for seed in range(60):
        found = (
            effective_dimension(operator, 0.1, probes=4, steps=6, rng=seed),
            log_determinant(operator, damping=0.1, probes=4, steps=6, rng=seed),
        )
        ends = np.array([one.interval for one in found])
        hits += (ends[:, 0] <= exact) & (exact <= ends[:, 1])
    assert hits.min() >= 52


@pytest.mark.parametrize("size", [30, 60])
def test_a_krylov_space_that_is_the_whole_space_counts_each_eigenvalue_once(size):
    """Numbers of eigenvalues rounded up would make the errors of a small matrix too small."""
    values = np.linspace(1.0, 20.0, size)
    found = log_determinant(np.diag(values), probes=10, steps=size, rng=0)
    spread = deviations_of_probes(np.log(values), np.ones(size), probes=10, is_complex=False)
    assert found.standard_error == pytest.approx(size * spread.std(), rel=0.02)


def test_the_law_of_the_probes_is_that_of_gaussian_vectors():
    values, counts = np.array([0.0, 1.0, 5.0]), np.array([60.0, 35.0, 5.0])
    eigenvalues = np.repeat(values, counts.astype(int))
    squares = np.random.default_rng(2).standard_normal((4000, 3, 100)) ** 2
    drawn = (squares @ eigenvalues / squares.sum(-1)).mean(axis=1) - eigenvalues.mean()
    found = deviations_of_probes(values, counts, probes=3, is_complex=False)
    assert ks_2samp(drawn, found).pvalue > 1e-3
    assert found.std() == pytest.approx(drawn.std(), rel=0.06)


@pytest.mark.parametrize("products", [4, 6])
@pytest.mark.parametrize("name", ["bulk", "outliers"])
def test_errors_of_few_products_cover(name, products):
    # 150 repetitions know .95 within .018
    values = SPECTRA[name]
    operator = symmetric_operator(np.diag(values))
    for estimate, exact in (
        (lambda s: trace(operator, products=products, method="hutchinson", rng=s), values.sum()),
        (lambda s: trace(operator, products=products, method="hutch++", rng=s), values.sum()),
        (lambda s: frobenius_norm(operator, products=products, rng=s), np.linalg.norm(values)),
    ):
        found = [estimate(seed) for seed in range(150)]
        off = np.array([one.value for one in found]) - exact
        reach = 1.96 * np.array([one.standard_error for one in found])
        assert (np.abs(off) <= reach).mean() >= 0.87


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_frobenius_norms_of_few_large_eigenvalues_cover(dtype):
    """A few samples of a chi-square law of few degrees of freedom do not know their own scatter."""
    indices = np.arange(1.0, 201.0)
    spectra = {
        "squares": indices**-2,
        "powers": 2.0**-indices,
        "one outlier": np.append(np.linspace(-1, 1, 199), 20.0),
        "three outliers": np.append(np.linspace(-1, 1, 197), [50.0, 30.0, 10.0]),
    }
    covered = []
    for values in spectra.values():
        operator = symmetric_operator(diags_array(values.astype(dtype)))
        for products in (2, 3, 8, 12, 20):
            found = [frobenius_norm(operator, products=products, rng=s) for s in range(60)]
            off = np.array([one.value for one in found]) - np.linalg.norm(values)
            error = np.array([one.standard_error for one in found])
            assert np.isfinite(error).all()
            covered.append((np.abs(off) <= 1.96 * error).mean())
    assert np.mean(covered) >= 0.93  # 1200 repetitions know .95 within .006
    assert np.min(covered) >= 0.83


def test_traces_of_few_large_eigenvalues_cover():
    indices, covered = np.arange(1.0, 201.0), []
    spectra = indices**-2, 2.0**-indices, np.append(np.zeros(199), 1.0)
    for values in spectra:
        operator = symmetric_operator(diags_array(values))
        for products in (2, 3, 4, 6):
            found = [
                trace(operator, products=products, method="hutchinson", rng=s) for s in range(150)
            ]
            off = np.array([one.value for one in found]) - values.sum()
            error = np.array([one.standard_error for one in found])
            covered.append((np.abs(off) <= 1.96 * error).mean())
    assert np.mean(covered) >= 0.92  # 1800 repetitions know .95 within .005
    assert np.min(covered) >= 0.83


def test_error_of_a_length_by_pairs_of_samples():
    operator = symmetric_operator(np.eye(1000))
    rows = np.random.default_rng(0).standard_normal((4, 3))
    one = rows[:, :1] @ rows[:, :1].T  # rank one: the length is |a| chi_4 / 2
    length, error = length_error(operator, 0.0, one)
    assert length == pytest.approx(np.linalg.norm(rows[:, 0]) / 2)
    reach = length * (np.sqrt(4 / chi2.ppf(0.025, 4)) - 1) * t.ppf(0.975, 6) / norm.ppf(0.975) ** 2
    assert error == pytest.approx(reach, rel=5e-3)  # 1/p is left out
    assert length_error(operator, 1e6, one)[1] < 1e-2 * error
    assert length_error(operator, 0.0, np.zeros((2, 2))) == (0.0, 0.0)
    assert length_error(operator, 4.0, np.zeros((2, 2)))[0] == 2.0
    huge = length_error(operator, 0.0, 1e250 * one)
    assert huge == pytest.approx((1e125 * length, 1e125 * error))


def test_a_rank_that_rounding_hides_has_an_error():
    values = np.append(1.0, np.full(2000, 1e-14))
    operator = symmetric_operator(diags_array(values))
    for method in ("xtrace", "hutch++"):
        found = trace(operator, products=20, method=method, rng=0)
        assert found.value == pytest.approx(values.sum(), abs=1e-14)
    assert 0 < trace(operator, products=20, method="xtrace", rng=0).standard_error < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["multiple of the identity", "low rank", "one outlier"])
def test_errors_cover_rounding(name, dtype):
    """Where chance leaves nothing, the stated error is that of rounded products."""
    values = {
        "multiple of the identity": np.full(200, 1.1),
        "low rank": np.append(np.zeros(197), [3.0, -1.0, 0.3]),
        "one outlier": np.append(np.linspace(-1e-9, 1e-9, 199), 1e6),
    }[name]
    matrix = np.diag(values) if name.startswith("mult") else rotated(values)
    matrix = matrix.astype(dtype)
    operator = symmetric_operator(lambda v: matrix @ v, size=200, dtype=dtype)
    exact = matrix.astype(float)
    for seed in range(4):
        for method in ("hutchinson", "hutch++", "xtrace"):
            found = trace(operator, products=30, method=method, rng=seed)
            assert abs(found.value - np.trace(exact)) <= 4.5 * found.standard_error
        found = frobenius_norm(operator, products=30, rng=seed)
        assert abs(found.value - np.linalg.norm(exact)) <= 4.5 * found.standard_error
        for method in ("hutchinson", "hutch++"):
            found = diagonal(operator, products=30, method=method, rng=seed)
            inside = np.abs(found.value - np.diag(exact)) <= 2.5 * found.standard_error
            assert inside.mean() > 0.9
