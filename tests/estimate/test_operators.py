"""Anything that multiplies becomes a symmetric operator, or is refused with one clear error."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from rmtland.estimate import symmetric_operator
from rmtland.networks import MLP


def matrix(size=12, seed=0, kind=float):
    generator = np.random.default_rng(seed)
    array = generator.standard_normal((size, size)).astype(kind)
    if kind is complex:
        array = array + 1j * generator.standard_normal((size, size))
    return (array + array.conj().T) / 2


class OnlyMatvec:
    """An operator that multiplies one vector at a time."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def matvec(self, vector):
        assert vector.ndim == 1
        return self.array @ vector


class OnlyAt:
    """An operator of another library: a shape and the matrix product."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, "float64"

    def __matmul__(self, vectors):
        return self.array @ vectors


FORMS = {
    "dense": lambda a: a,
    "list": lambda a: a.tolist(),
    "not contiguous": lambda a: np.kron(a, np.ones((2, 2)))[::2, ::2],
    "sparse": scipy.sparse.csr_array,
    "coo": scipy.sparse.coo_matrix,
    "LinearOperator": aslinearoperator,
    "matvec": OnlyMatvec,
    "@": OnlyAt,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_multiplies_blocks(form):
    array = matrix()
    operator = symmetric_operator(FORMS[form](array))
    vectors = np.random.default_rng(1).standard_normal((12, 3))
    assert operator.shape == (12, 12)
    np.testing.assert_allclose(operator.matmat(vectors), array @ vectors, atol=1e-13)
    np.testing.assert_allclose(operator.matvec(vectors[:, 0]), array @ vectors[:, 0], atol=1e-13)
    np.testing.assert_allclose(operator.dense(), array, atol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 3, 12])
@pytest.mark.parametrize("name", ["A @ v", "values * v"])
def test_functions_and_the_blocks_they_take(name, size):
    array = matrix(size) if name == "A @ v" else np.diag(np.arange(1.0, size + 1))
    function = {"A @ v": lambda v: array @ v, "values * v": lambda v: np.diag(array) * v}[name]
    operator = symmetric_operator(function, size=size)
    if size > 1:
        assert operator.takes_blocks == (name == "A @ v")
    vectors = np.random.default_rng(1).standard_normal((size, size))
    np.testing.assert_allclose(operator.matmat(vectors), array @ vectors, atol=1e-13)


@pytest.mark.parametrize(
    ("vector", "error", "message"),
    [
        (np.array([1 + 1j, 2.0, 3.0]), TypeError, "must hold real numbers, as the matrix does"),
        (np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), ValueError, "masks 1 of its 3 values"),
        (np.array(["1", "2", "3"]), TypeError, "got dtype <U1"),
        (None, TypeError, "got dtype object"),
        (np.ones(2), ValueError, r"must have shape \(3, k\); got \(2, 1\)"),
    ],
)
def test_vectors_that_numpy_would_cut_are_refused(vector, error, message):
    """The imaginary part was dropped with a warning of NumPy, the mask without one."""
    operator = symmetric_operator(np.diag([1.0, 2.0, 3.0]))
    for multiply in (operator.matvec, lambda v: operator.matmat(np.ma.atleast_2d(v).T)):
        with pytest.raises(error, match=message):
            multiply(vector)


def test_products_that_mask_some_of_their_numbers_are_refused():
    def product(v):
        return np.ma.masked_array(v, np.arange(v.size).reshape(v.shape) == 1)

    for options in ({}, {"check": False}):
        with pytest.raises(ValueError, match="a product masks 1 of its 3 values"):
            symmetric_operator(product, size=3, **options).matvec(np.ones(3))


def test_products_are_counted():
    operator = symmetric_operator(matrix(), check=False)
    operator.matmat(np.ones((12, 5)))
    assert operator.products == 5
    operator.linear_operator() @ np.ones(12)
    assert operator.products == 6


def test_an_operator_stays_itself():
    operator = symmetric_operator(matrix())
    assert symmetric_operator(operator) is operator


def test_a_loss_point_and_its_parts():
    point = MLP((2, 3, 1)).at(np.linspace(-1, 1, 9), [[1.0, 2.0], [0.5, -1.0]], [[1.0], [0.0]])
    for part in ("total", "gauss_newton", "residual"):
        operator = symmetric_operator(point.operator(part))
        np.testing.assert_allclose(operator.dense(), point.hessian(part), atol=1e-14)
    split = symmetric_operator(point.hessian())
    np.testing.assert_allclose(split.dense(), point.hessian("total"), atol=1e-14)
    again = pickle.loads(pickle.dumps(symmetric_operator(point.operator("residual"))))
    np.testing.assert_array_equal(again.dense(), operator.dense())


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64, np.complex128])
def test_precisions(kind):
    array = matrix(kind=complex if kind(0).dtype.kind == "c" else float).astype(kind)
    operator = symmetric_operator(array)
    assert operator.dtype == kind
    assert operator.work_dtype == (np.complex128 if operator.is_complex else np.float64)
    assert operator.matmat(np.ones((12, 2))).dtype == operator.work_dtype
    assert operator.precision == ("float32" if kind in (np.float32, np.complex64) else "float64")


def test_a_zero_matrix_passes():
    assert not symmetric_operator(np.zeros((3, 3))).dense().any()


def forgetful():
    generator = np.random.default_rng(0)
    return lambda v: generator.standard_normal() * v


REFUSED = {
    "not square": (lambda: np.ones((2, 3)), {}, ValueError, "square"),
    "empty": (lambda: np.ones((0, 0)), {}, ValueError, "empty"),
    "not symmetric": (lambda: np.triu(matrix(300)), {}, ValueError, "not symmetric"),
    "slightly": (lambda: matrix() + 1e-6 * np.triu(matrix(seed=2)), {}, ValueError, "symmetric"),
    "not Hermitian": (lambda: 1j * matrix(), {}, ValueError, "not Hermitian"),
    "NaN": (lambda: np.full((2, 2), np.nan), {}, ValueError, "NaN"),
    "NaN of a function": (lambda: lambda v: v * np.inf, {"size": 3}, ValueError, "infinite"),
    "another each time": (forgetful, {"size": 3}, ValueError, "second time"),
    "shape": (lambda: lambda v: v[:2], {"size": 3}, ValueError, "shape"),
    "no size": (lambda: lambda v: v, {}, TypeError, "size="),
    "other size": (lambda: matrix(), {"size": 5}, ValueError, "size 5"),
    "a number": (lambda: 3.0, {}, TypeError, "expected a matrix"),
    "words": (lambda: np.array([["a"]]), {}, TypeError, "numbers"),
    "an integer type": (lambda: matrix(), {"dtype": int}, ValueError, "dtype"),
    "complex function": (lambda: lambda v: 1j * v, {"size": 3}, ValueError, "complex128"),
    "no products": (
        lambda: type("Empty", (), {"shape": (2, 2)})(),
        {},
        TypeError,
        "neither matmat",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_clear_error(name):
    make, options, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        symmetric_operator(make(), **options)


def test_a_linear_operator_that_is_not_its_adjoint():
    wrong = LinearOperator((50, 50), matvec=lambda v: np.roll(v, 1), dtype=float)
    with pytest.raises(ValueError, match="not symmetric"):
        symmetric_operator(wrong)


def test_operators_of_torch():
    torch = pytest.importorskip("torch")
    array = matrix()
    assert symmetric_operator(torch.tensor(array)).matrix is not None

    class TorchOperator:
        shape, dtype, device = (12, 12), torch.float64, "cpu"

        def __matmul__(self, vectors):
            return torch.tensor(array) @ vectors

    class Eigenthing:
        size, dtype, device = 12, torch.float32, "cpu"

        def matvec(self, vector):
            return torch.tensor(array, dtype=torch.float32) @ vector

    vectors = np.random.default_rng(1).standard_normal((12, 3))
    for operator, accuracy in ((TorchOperator(), 1e-13), (Eigenthing(), 1e-5)):
        product = symmetric_operator(operator).matmat(vectors)
        np.testing.assert_allclose(product, array @ vectors, atol=accuracy)


def test_products_of_lower_precision_are_told():
    def multiply(dtype):
        return lambda v: (np.linspace(0, 1, 20) * v.T).T.astype(dtype)

    with pytest.raises(
        ValueError, match=r"multiplies in float32, but float64 .* dtype=numpy\.float32"
    ):
        symmetric_operator(multiply("float32"), size=20)
    assert symmetric_operator(multiply("float32"), size=20, dtype="float32").precision == "float32"
    for dtype in (None, "float32"):
        with pytest.raises(ValueError, match="half precision knows three digits"):
            symmetric_operator(multiply("float16"), size=20, dtype=dtype)
    half = symmetric_operator(np.diag(np.arange(5.0)).astype(np.float16))
    assert half.dtype == np.float32
    assert half.matvec(np.ones(5)).tolist() == [0, 1, 2, 3, 4]


def test_products_of_another_library_than_the_vectors_on_a_device():
    """PyTorch dropped the mask, and refused reversed rows."""
    torch = pytest.importorskip("torch")
    vectors = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)

    def masked(v):
        return np.ma.masked_equal(2 * v.numpy(), 2.0)

    def reversed_rows(v):
        return (2 * v.numpy())[::-1].copy()[::-1]

    operator = symmetric_operator(reversed_rows, size=3, like=vectors)
    np.testing.assert_array_equal(operator.multiply(vectors).numpy(), 2 * vectors.numpy())
    for options in ({}, {"check": False}):
        with pytest.raises(ValueError, match="a product masks 1 of its 3 values"):
            symmetric_operator(masked, size=3, like=vectors, **options).multiply(vectors)
