"""Matrices of every kind: dense, sparse, complex, of other libraries, in single precision."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from rmtland import MLP, GaussianEnsemble, MarchenkoPastur, Semicircle, Spectrum, WishartPlusWigner
from rmtland.comparison import compare, fit
from rmtland.networks import HessianSplit
from rmtland.spectrum import inertia


def rotation(n, rng):
    return np.linalg.qr(np.random.default_rng(rng).standard_normal((n, n)))[0]


def with_eigenvalues(values, rng=0):
    q = rotation(len(values), rng)
    matrix = q @ np.diag(values) @ q.T
    return (matrix + matrix.T) / 2


def test_from_matrix_finds_known_eigenvalues():
    values = [3.0, -1.5, 0.25, 7.0, -1.5]
    spectrum = Spectrum.from_matrix(with_eigenvalues(values), source="known", seed=3)
    np.testing.assert_allclose(spectrum.eigenvalues, np.sort(values), atol=1e-14)
    assert spectrum.nodes.shape == (1, 5)
    assert (spectrum.runs, spectrum.dimension, spectrum.is_complete) == (1, 5, True)
    assert spectrum.provenance == {"source": "known", "seed": 3}


def test_from_matrix_tridiagonal_closed_form():
    """2 - 2 cos(k pi / (n + 1)): the discrete Laplacian."""
    n = 40
    matrix = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    exact = 2 - 2 * np.cos(np.arange(1, n + 1) * np.pi / (n + 1))
    np.testing.assert_allclose(Spectrum.from_matrix(matrix).eigenvalues, exact, atol=1e-14)


def test_from_matrix_takes_a_stack_as_runs():
    stack = np.array([with_eigenvalues([1.0, 2.0, 3.0], 1), with_eigenvalues([-4.0, 0.5, 9.0], 2)])
    spectrum = Spectrum.from_matrix(stack)
    assert (spectrum.runs, spectrum.dimension) == (2, 3)
    np.testing.assert_allclose(spectrum.nodes, [[1, 2, 3], [-4, 0.5, 9]], atol=1e-14)
    np.testing.assert_allclose(spectrum.eigenvalues, [-4, 0.5, 1, 2, 3, 9], atol=1e-14)


def test_from_matrix_takes_the_total_of_a_split():
    split = HessianSplit(np.eye(2), np.array([[0.0, 2.0], [2.0, 0.0]]))
    np.testing.assert_allclose(Spectrum.from_matrix(split).eigenvalues, [-1, 3], atol=1e-15)


@pytest.mark.parametrize(
    "matrix",
    [
        np.array([[2, 1], [1, 2]], dtype=np.int32),
        np.array([[2, 1], [1, 2]], dtype=np.float32),
        [[2, 1], [1, 2]],
        np.array([[2.0, 9, 1, 9], [9, 9, 9, 9], [1, 9, 2, 9], [9, 9, 9, 9]])[::2, ::2],
        np.asfortranarray(np.array([[2.0, 1.0], [1.0, 2.0]])),
    ],
    ids=["int32", "float32", "list", "strided", "fortran"],
)
def test_from_matrix_takes_other_layouts(matrix):
    spectrum = Spectrum.from_matrix(matrix)
    assert spectrum.nodes.dtype == np.float64
    np.testing.assert_allclose(spectrum.eigenvalues, [1.0, 3.0], atol=1e-15)


def test_from_matrix_leaves_its_argument_alone():
    matrix = with_eigenvalues([1.0, 2.0, 3.0])
    before = matrix.copy()
    Spectrum.from_matrix(matrix)
    np.testing.assert_array_equal(matrix, before)
    assert matrix.flags.writeable


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "not symmetric.*differ from their mirror by 1.0"),
        ([[0.0, 1.0], [-1.0, 0.0]], "not symmetric"),
        ([[1.0, math.nan], [math.nan, 1.0]], "2 NaN"),
        ([[1.0, math.inf], [math.inf, 1.0]], "infinite"),
        (np.empty((0, 0)), "empty"),
        (np.empty((0, 2, 2)), "empty"),
        (np.ones((2, 3)), r"\(p, p\).*\(2, 3\)"),
        (np.ones(4), r"\(4,\)"),
        (np.ones((1, 1, 2, 2)), r"\(1, 1, 2, 2\)"),
        (1.0, r"\(\)"),
    ],
)
def test_from_matrix_refuses(matrix, message):
    with pytest.raises(ValueError, match=message):
        Spectrum.from_matrix(matrix)


@pytest.mark.parametrize("matrix", [[["a", "b"], ["c", "d"]], [[None]], np.eye(2, dtype=object)])
def test_from_matrix_refuses_other_types(matrix):
    with pytest.raises(TypeError, match="real numbers or complex ones"):
        Spectrum.from_matrix(matrix)


def test_asymmetry_is_judged_against_the_largest_entry_of_either_sign():
    for sign in (1, -1):
        matrix = sign * 1e6 * np.eye(3)
        matrix[0, 1] = 0.9e-4
        Spectrum.from_matrix(matrix)
        matrix[0, 1] = 1.2e-4
        with pytest.raises(ValueError, match="not symmetric"):
            Spectrum.from_matrix(matrix)


def test_asymmetry_in_the_last_rows_of_a_large_matrix_and_of_a_stack_is_seen():
    matrix = np.eye(1100)  # more than one block of rows
    matrix[1098, 1099] = 1e-3
    with pytest.raises(ValueError, match="not symmetric"):
        Spectrum.from_matrix(matrix)
    with pytest.raises(ValueError, match="not symmetric"):
        Spectrum.from_matrix([np.eye(2), [[0.0, 1.0], [0.5, 0.0]]])


# Complex, sparse, operators -----------------------------------------------------------------------


@examples(40)
@given(size=st.integers(1, 30), seed=st.integers(0, 10**6), single=st.booleans())
def test_complex_hermitian_matrices(size, seed, single):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=size)
    unitary, _ = np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))
    matrix = unitary * values @ unitary.conj().T
    if single:
        matrix = matrix.astype(np.complex64)
    spectrum = Spectrum.from_matrix(matrix)
    assert spectrum.precision == ("float32" if single else "float64")
    tolerance = 1e-5 if single else 1e-13
    np.testing.assert_allclose(spectrum.eigenvalues, np.sort(values), atol=tolerance)
    found = inertia(matrix, 0.3)
    clear = np.abs(values - 0.3).min() > tolerance
    assert not clear or found[:3] == ((values < 0.3).sum(), 0, (values > 0.3).sum())


def test_a_complex_matrix_that_is_symmetric_only():
    with pytest.raises(ValueError, match="not Hermitian"):
        Spectrum.from_matrix(np.array([[1.0, 1j], [1j, 1.0]]))
    with pytest.raises(ValueError, match="not Hermitian"):
        Spectrum.from_matrix(np.eye(2) * 1j)


def test_the_gaussian_unitary_ensemble():
    spectrum = Spectrum.from_matrix(GaussianEnsemble(2.0).matrix(50, rng=0))
    assert compare(spectrum, Semicircle()).kolmogorov < 0.05


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.coo_array, aslinearoperator])
def test_sparse_matrices_and_operators_are_written_out(make):
    matrix = with_eigenvalues(np.linspace(-1, 2, 300))
    spectrum = Spectrum.from_matrix(make(matrix))
    np.testing.assert_allclose(spectrum.eigenvalues, np.linspace(-1, 2, 300), atol=1e-12)
    assert inertia(make(matrix)).negative == 100


def test_the_operator_of_a_network():
    net = MLP((3, 4, 2), activation="tanh")
    rng = np.random.default_rng(0)
    point = net.at(net.init(rng=1), rng.normal(size=(9, 3)), rng.normal(size=(9, 2)))
    expected = Spectrum.from_matrix(point.hessian()).eigenvalues
    found = Spectrum.from_matrix(point.operator()).eigenvalues
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_what_is_too_large_to_be_written_out_says_what_to_use():
    large = sparse.eye_array(100_000, format="csr")
    with pytest.raises(ValueError, match=r"100000 is not written out .*74\.5 GiB.*eigsh"):
        Spectrum.from_matrix(large)
    with pytest.raises(ValueError, match="an operator of size 100000"):
        Spectrum.from_matrix(aslinearoperator(large))
    with pytest.raises(ValueError, match=r"shape \(p, p\); got shape \(2, 3\)"):
        Spectrum.from_matrix(sparse.csr_array(np.ones((2, 3))))


# Single precision -------------------------------------------------------------------------------


def test_a_null_space_in_single_precision_is_zero():
    x = np.random.default_rng(0).normal(size=(400, 200)).astype(np.float32)
    s = x @ x.T / np.float32(200)
    spectrum = Spectrum.from_matrix((s + s.T) / 2)
    assert spectrum.inertia()[:3] == (0, 200, 200)
    result = compare(spectrum, MarchenkoPastur(2.0))
    assert (result.spectrum_index, result.law_index) == (0.0, 0.0)
    assert result.kolmogorov < 0.01
    fitted = fit(spectrum, WishartPlusWigner, fix={"epsilon": 0.0}, resamples=0)
    assert fitted.model.phi == pytest.approx(2.0, abs=0.02)


@examples(30)
@given(
    rank=st.integers(1, 20),
    size=st.integers(21, 60),
    seed=st.integers(0, 10**6),
    scale=st.floats(1e-6, 1e6),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_rank_is_found_in_either_precision(rank, size, seed, scale, dtype):
    factor = np.random.default_rng(seed).normal(size=(size, rank)).astype(dtype)
    matrix = (factor @ factor.T * dtype(scale)).astype(dtype)
    assert Spectrum.from_matrix(matrix).inertia()[:3] == (0, size - rank, rank)


def test_asymmetry_of_rounding_in_single_precision_is_taken_and_more_is_not():
    matrix = np.eye(3, dtype=np.float32)
    matrix[0, 1] = 7e-8
    Spectrum.from_matrix(matrix)
    inertia(matrix)
    with pytest.raises(ValueError, match=r"not symmetric.*7\.0e-08 relative"):
        Spectrum.from_matrix(matrix.astype(np.float64))
    matrix[0, 1] = 1e-4
    with pytest.raises(ValueError, match="not symmetric"):
        Spectrum.from_matrix(matrix)


# Other array libraries --------------------------------------------------------------------------

MATRIX = np.array([[2.0, 1.0], [1.0, -3.0]])


def on_second_device(array):
    strict = pytest.importorskip("array_api_strict")
    return strict.asarray(array, device=strict.Device("device1"))


def tensor(array):
    torch = pytest.importorskip("torch")
    return torch.tensor(array, requires_grad=not np.iscomplexobj(array))


@pytest.mark.parametrize("placed", [on_second_device, tensor])
def test_arrays_on_another_device_or_with_a_gradient(placed):
    expected = np.linalg.eigvalsh(MATRIX)
    np.testing.assert_allclose(Spectrum.from_matrix(placed(MATRIX)).eigenvalues, expected)
    assert inertia(placed(MATRIX))[:3] == (1, 0, 1)
    spectrum = Spectrum(placed(expected), placed(np.array([0.5, 0.5])))
    np.testing.assert_array_equal(spectrum.nodes[0], expected)
    law = MarchenkoPastur(0.5)
    np.testing.assert_array_equal(law.pdf(placed(np.array([1.0, 2.0]))), law.pdf([1.0, 2.0]))
    assert spectrum.cdf(placed(np.array([0.0]))) == 0.5
    hermitian = MATRIX + np.array([[0, 1j], [-1j, 0]])
    expected = np.linalg.eigvalsh(hermitian)
    np.testing.assert_allclose(Spectrum.from_matrix(placed(hermitian)).eigenvalues, expected)


def test_tensors_of_every_kind():
    torch = pytest.importorskip("torch")
    half = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.bfloat16)
    assert Spectrum.from_matrix(half).precision == "bfloat16"
    conjugate = torch.tensor([[1.0, 1j], [-1j, 1.0]]).conj()
    np.testing.assert_allclose(Spectrum.from_matrix(conjugate).eigenvalues, [0, 2], atol=1e-6)
    with pytest.raises(TypeError, match="expected a dense tensor"):
        Spectrum.from_matrix(half.float().to_sparse())
