"""Lanczos: orthogonal bases, no ghosts, breakdown, and both remedies give one tridiagonal."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.estimate import symmetric_operator
from rmtland.estimate.krylov_basis import DiskBasis, MemoryBasis, available_bytes, basis_bytes
from rmtland.estimate.lanczos import Lanczos
from rmtland.estimate.radau import gauss

SPECTRA = {
    "bulk": lambda r: np.linspace(-1, 1, 400),
    "outliers": lambda r: np.append(r.normal(size=380) * 0.01, np.geomspace(0.1, 50, 20)),
    "zeros": lambda r: np.append(np.zeros(200), r.normal(size=200)),
    "decay": lambda r: np.geomspace(1e-8, 1, 400),
    "two clusters": lambda r: np.append(1 + 1e-7 * r.normal(size=200), np.zeros(200)),
}


def run_of(values, *, steps=70, runs=2, seed=0, **options):
    operator = symmetric_operator(lambda v: (values * v.T).T, size=len(values))
    starts = np.random.default_rng(seed).standard_normal((runs, len(values)))
    run = Lanczos(operator, starts, **options)
    run.extend(steps)
    return run


def jacobi_matrix(one):
    return np.diag(one.alpha) + np.diag(one.beta[:-1], 1) + np.diag(one.beta[:-1], -1)


@pytest.mark.parametrize("name", SPECTRA)
def test_partial_is_full_up_to_rounding(name):
    values = SPECTRA[name](np.random.default_rng(1))
    partial, full = (run_of(values, reorthogonalize=how) for how in ("partial", "full"))
    for one, two in zip(partial.tridiagonals(), full.tridiagonals(), strict=True):
        x, w = gauss(one)
        y, v = gauss(two)
        k = np.arange(1, 12)[:, None]
        scale = np.abs(values).max()
        np.testing.assert_allclose((x / scale) ** k @ w, (y / scale) ** k @ v, atol=1e-13)
    assert partial.reorthogonalized < full.reorthogonalized
    vectors = partial.basis.vectors()
    for run in range(2):
        used = int(partial.lengths[run]) or len(vectors)
        gram = vectors[:used, run] @ vectors[:used, run].T
        assert np.abs(gram - np.eye(used)).max() < 1e-7
        gram = full.basis.vectors()[:used, run] @ full.basis.vectors()[:used, run].T
        assert np.abs(gram - np.eye(used)).max() < 1e-13


def test_ghosts_appear_without_and_only_without_reorthogonalisation():
    values = np.append(np.linspace(-1, 1, 300), 30.0)
    copies = {}
    for how in ("none", "partial", "full"):
        nodes, _ = gauss(run_of(values, steps=60, reorthogonalize=how).tridiagonals()[0])
        copies[how] = np.count_nonzero(np.abs(nodes - 30) < 1e-6)
    assert copies["none"] > 1
    assert copies["partial"] == copies["full"] == 1


def test_a_bulk_needs_no_reorthogonalisation():
    assert run_of(np.linspace(-1, 1, 400)).reorthogonalized == 0


@given(
    distinct=st.integers(1, 6),
    copies=st.integers(1, 5),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 100),
)
@examples(40)
def test_an_invariant_subspace_ends_the_space(distinct, copies, scale, seed):
    values = scale * np.repeat(np.arange(distinct) - 2.0, copies)
    found = run_of(values, steps=20, runs=3, seed=seed).tridiagonals()
    for one in found:
        assert one.is_exhausted
        assert len(one.alpha) == distinct
        nodes, weights = gauss(one)
        np.testing.assert_allclose(nodes, np.unique(values), atol=1e-9 * scale)
        assert weights.min() > 0


@pytest.mark.parametrize("size", [1, 2, 5])
def test_at_most_p_steps(size):
    values = np.arange(1.0, size + 1)
    one = run_of(values, steps=50).tridiagonals()[0]
    assert len(one.alpha) == size
    assert one.is_exhausted
    np.testing.assert_allclose(np.linalg.eigvalsh(jacobi_matrix(one)), values, atol=1e-12)


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.eye(4), -3 * np.eye(4)])
def test_one_step_for_multiples_of_the_identity(matrix):
    run = Lanczos(symmetric_operator(matrix), np.ones((1, 4)))
    run.extend(10)
    one = run.tridiagonals()[0]
    np.testing.assert_allclose(one.alpha, [matrix[0, 0]], atol=1e-15)
    assert one.is_exhausted


def test_spaces_that_end_at_different_steps():
    values = np.arange(6.0)
    starts = np.zeros((3, 6))
    starts[0, :2], starts[1, :], starts[2, 5] = 1.0, 1.0, 2.0
    run = Lanczos(symmetric_operator(np.diag(values)), starts)
    run.extend(6)
    assert [len(one.alpha) for one in run.tridiagonals()] == [2, 6, 1]
    np.testing.assert_allclose(gauss(run.tridiagonals()[2])[0], [5.0])
    assert run.operator.products == 3 + 3 + 2 + 4


def test_steps_can_be_added():
    values = np.linspace(-1, 3, 100)
    whole, parts = run_of(values, steps=30), run_of(values, steps=7)
    parts.extend(12)
    parts.extend(5)
    parts.extend(30)
    for one, two in zip(whole.tridiagonals(), parts.tridiagonals(), strict=True):
        np.testing.assert_allclose(one.alpha, two.alpha, atol=1e-12)
        np.testing.assert_allclose(one.beta, two.beta, atol=1e-12)


def test_complex_hermitian():
    generator = np.random.default_rng(3)
    matrix = generator.standard_normal((40, 40)) + 1j * generator.standard_normal((40, 40))
    matrix = matrix + matrix.conj().T
    starts = generator.standard_normal((1, 40)) + 1j * generator.standard_normal((1, 40))
    for how in ("partial", "full"):
        run = Lanczos(symmetric_operator(matrix), starts, reorthogonalize=how)
        run.extend(40)
        one = run.tridiagonals()[0]
        np.testing.assert_allclose(
            np.linalg.eigvalsh(jacobi_matrix(one)), np.linalg.eigvalsh(matrix), atol=1e-10
        )


def test_single_precision_operators_and_bases(tmp_path):
    values = np.append(np.linspace(-1, 1, 500), [8.0, 20.0])
    exact = run_of(values).tridiagonals()[0]
    k = np.arange(1, 12)[:, None]
    moments = (exact_nodes := gauss(exact))[0] ** k @ exact_nodes[1]
    single = symmetric_operator(np.diag(values).astype(np.float32))
    starts = np.random.default_rng(0).standard_normal((2, len(values)))
    run = Lanczos(single, starts)
    run.extend(70)
    nodes, weights = gauss(run.tridiagonals()[0])
    np.testing.assert_allclose(nodes**k @ weights, moments, rtol=1e-5)
    assert np.count_nonzero(nodes > 7) == 2
    kept = run_of(values, basis=MemoryBasis(np.float32)).tridiagonals()[0]
    nodes, weights = gauss(kept)
    np.testing.assert_allclose(nodes**k @ weights, moments, rtol=1e-5)
    assert np.count_nonzero(nodes > 7) == 2
    disk = run_of(values, basis=DiskBasis(tmp_path / "basis", np.float64)).tridiagonals()[0]
    np.testing.assert_array_equal(disk.alpha, exact.alpha)
    np.testing.assert_array_equal(disk.beta, exact.beta)


def test_a_zero_start_is_refused():
    with pytest.raises(ValueError, match="zero"):
        Lanczos(symmetric_operator(np.eye(3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="reorthogonalize"):
        Lanczos(symmetric_operator(np.eye(3)), np.ones((1, 3)), reorthogonalize="twice")


def test_memory_is_stated():
    assert basis_bytes(size=10, steps=20, runs=3) == 3 * 10 * 10 * 8
    assert basis_bytes(size=10, steps=2, runs=3, parts=2) == 3 * 2 * 10 * 16
    assert available_bytes() is None or available_bytes() > 2**20
