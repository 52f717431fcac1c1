"""What users bring by mistake: a clear error, or the right answer; never a wrong one."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from rmtland.estimate import (
    basis_bytes,
    distance_bounds,
    distribution_band,
    extremal_eigenpairs,
    frobenius_norm,
    log_determinant,
    mass_below,
    negative_fraction,
    smooth_density,
    spectral_density,
    symmetric_operator,
)

SIZE = 60


@pytest.fixture(scope="module")
def matrix():
    rows = np.random.default_rng(5).standard_normal((SIZE, SIZE))
    return (rows + rows.T) / np.sqrt(2 * SIZE)


class Buffered:
    """Writes every product into the same memory."""

    def __init__(self, matrix):
        self.matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype
        self.memory = {}

    def matmat(self, vectors):
        out = self.memory.setdefault(vectors.shape, np.empty(vectors.shape))
        return np.matmul(self.matrix, vectors, out=out)


class InPlace(Buffered):
    """Overwrites its argument."""

    def matmat(self, vectors):
        vectors[:] = self.matrix @ vectors
        return vectors


def _buffered_function(matrix):
    out = np.empty(len(matrix))
    return lambda vector: np.dot(matrix, vector, out=out)


def _in_place_function(matrix):
    def product(vectors):
        vectors[:] = matrix @ vectors
        return vectors

    return product


@pytest.mark.parametrize(
    "made", [Buffered, InPlace, _buffered_function, _in_place_function], ids=lambda f: f.__name__
)
def test_products_that_share_memory_are_those_of_the_matrix(matrix, made):
    operator = symmetric_operator(made(matrix), size=SIZE)
    np.testing.assert_allclose(operator.dense(), matrix, atol=1e-14)
    options = {"probes": 3, "steps": 12, "rng": 1}
    np.testing.assert_allclose(
        spectral_density(operator, **options).nodes,
        spectral_density(matrix, **options).nodes,
        atol=1e-10,
    )


def test_function_that_returns_its_argument_is_the_identity():
    found = spectral_density(lambda v: v, size=SIZE, probes=3, steps=5, rng=0)
    np.testing.assert_allclose(found.nodes, 1.0, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-140, 1e140, 1e200])
def test_sizes_whose_squares_are_no_numbers_are_refused(matrix, scale):
    with pytest.raises(ValueError, match="leave double precision"):
        symmetric_operator(scale * matrix)


@pytest.mark.parametrize("scale", [1e-120, 1e-40, 1e40, 1e120])
def test_other_sizes_do_not_matter(matrix, scale):
    options = {"method": "lanczos", "probes": 3, "steps": 12, "rng": 1}
    one, other = (negative_fraction(c * matrix, **options) for c in (1.0, scale))
    np.testing.assert_allclose(other.interval, one.interval, atol=1e-9)
    norms = [frobenius_norm(c * matrix, products=20, rng=1) for c in (1.0, scale)]
    assert norms[1].value / scale == pytest.approx(norms[0].value)
    assert norms[1].standard_error / scale == pytest.approx(norms[0].standard_error)


@pytest.mark.parametrize(
    ("product", "error", "words"),
    [
        (lambda v: None, TypeError, "must be a vector"),
        (lambda v: "abc", TypeError, "must be a vector"),
        (lambda v: v[:2], ValueError, "same shape was expected"),
        (lambda v: v.astype(str), TypeError, "instead of numbers"),
        (lambda v, calls=[]: v * (calls.append(1) or len(calls) > 1), ValueError, "second time"),
    ],
)
def test_functions_that_return_no_products_are_refused(product, error, words):
    with pytest.raises(error, match=words):
        symmetric_operator(product, size=5)


def test_size_of_a_known_operator_is_compared(matrix):
    with pytest.raises(ValueError, match="size 3 was given"):
        symmetric_operator(symmetric_operator(matrix), size=3)


def test_single_precision_does_not_blur_the_exact_index():
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 200)))[0]
    values = np.append(np.linspace(-1.0, 2.0, 198), [-1e-4, 1e-4])
    single = ((vectors * values) @ vectors.T).astype(np.float32)
    exact = (np.linalg.eigvalsh(single.astype(float)) < 0).mean()
    by_products = symmetric_operator(lambda v: single @ v, size=200, dtype=np.float32)
    for operator in (single, by_products):
        found = negative_fraction(operator, method="inertia")
        assert (found.value, found.at_point) == (exact, 0.0)


def test_what_rounding_of_single_precision_hides_is_in_the_interval():
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 200)))[0]
    values = np.repeat([-1.0, -1e-9, 1e-9, 1.0], [20, 10, 30, 140])
    matrix = (vectors * values) @ vectors.T
    single = matrix.astype(np.float32)
    by_products = symmetric_operator(lambda v: single @ v, size=200, dtype=np.float32)
    for operator in (single, csr_array(single), single.astype(np.complex64), by_products):
        found = negative_fraction(operator, method="inertia")
        assert found.value == 0.1
        assert found.interval == found.rigorous == (0.1, 0.3)
        assert found.rigorous[0] <= (values < 0).mean() <= found.rigorous[1]
        assert (found.at_least, found.at_most) == (20, 60)
        assert "0.1, to 0.3 with those that rounding may hide" in repr(found)
        assert negative_fraction(operator, nullity=40, method="inertia").interval == (0.1, 0.1)
    double = symmetric_operator(lambda v: matrix @ v, size=200)
    for operator in (matrix, double):
        assert negative_fraction(operator, method="inertia").interval == (0.15, 0.15)


@pytest.mark.parametrize(("shift", "number"), [(0.0, 40), (-2.0, 0), (1.0, 140)])
def test_what_rounding_of_half_precision_hides_is_in_the_interval(shift, number):
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 200)))[0]
    values = np.repeat([-1.0, -1e-4, 1e-4, 1.0], [20, 10, 30, 140])
    half = ((vectors * values) @ vectors.T).astype(np.float16)
    for operator in (half, symmetric_operator(half, dtype=np.float64)):
        found = mass_below(operator, shift, method="inertia")
        assert found.at_most - found.at_least == number
        assert found.interval[0] <= (values < shift).mean() <= found.interval[1]


def test_rank_of_a_matrix_summed_in_single_precision_is_left_open():
    factors = np.random.default_rng(1).standard_normal((300, 100), dtype=np.float32)
    product = factors @ factors.T
    assert (np.linalg.eigvalsh(product.astype(float)) < 0).any()  # none of the exact one is
    found = negative_fraction(product, method="inertia")
    assert (found.value, found.interval) == (0.0, (0.0, 2 / 3))


@pytest.mark.parametrize("method", ["lanczos", "inertia"])
def test_nullity_that_contradicts_the_matrix_is_refused(matrix, method):
    with pytest.raises(ValueError, match="eigenvalues at 0 were given"):
        negative_fraction(matrix, nullity=50, method=method, rng=0)


def test_exact_index_with_fewer_known_zeros_is_an_interval():
    values = np.diag([-1.0, 0.0, 0.0, 0.0, 2.0])
    found = negative_fraction(values, nullity=2, method="inertia")
    assert found.interval == (0.2, 0.4)
    assert negative_fraction(values, nullity=3, method="inertia").interval == (0.2, 0.2)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"progress": 3}, TypeError, "progress must be True or False"),
        ({"bars": True}, TypeError, "unknown option 'bars'"),
        ({"together": 0}, ValueError, "together must be"),
        ({"basis": "paper"}, ValueError, "unknown basis"),
        ({"reorthogonalize": "twice"}, ValueError, "unknown reorthogonalize"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be"),
        ({"width": -1.0}, ValueError, "width must be"),
        ({"rng": "seed"}, TypeError, "rng must be"),
    ],
    ids=str,
)
def test_options_of_probes_are_checked_where_the_index_is_counted(matrix, options, kind, message):
    """Each of them passed without a word where a matrix was factorised instead."""
    for method in ("auto", "inertia", "lanczos"):
        with pytest.raises(kind, match=message):
            negative_fraction(matrix, method=method, **options)


@pytest.mark.parametrize("limit", [True, 0, -5, "a", 1.5])
def test_max_products_is_a_count(matrix, limit):
    with pytest.raises((ValueError, TypeError), match="max_products"):
        negative_fraction(matrix, width=0.01, max_products=limit)
    with pytest.raises((ValueError, TypeError), match="max_products"):
        spectral_density(matrix, accuracy=0.01, max_products=limit)
    with pytest.raises((ValueError, TypeError), match="max_steps"):
        extremal_eigenpairs(matrix, 1, max_steps=limit)


def test_options_without_a_use_are_refused(matrix):
    with pytest.raises(TypeError, match="checkpoint"):
        spectral_density(matrix, method="kpm", checkpoint="folder")
    with pytest.raises(TypeError, match="unknown"):
        spectral_density(matrix, unknown=1)


@pytest.mark.parametrize("support", [(3.0, 1.0), (np.nan, 1.0), (-0.1, 0.1), 2.0])
def test_support_must_hold_the_ritz_values(matrix, support):
    spectrum = spectral_density(matrix, probes=2, steps=10, rng=0)
    with pytest.raises(ValueError, match="support"):
        distance_bounds(spectrum, support=support)
    with pytest.raises(ValueError, match="edges"):
        smooth_density(spectrum, [0.0], method="terminator", edges=(2.0, 1.0))


def test_at_infinity_the_distribution_function_is_known(matrix):
    spectrum = spectral_density(matrix, probes=2, steps=10, rng=0)
    found = distribution_band(spectrum, [-np.inf, 0.0, np.inf])
    for ends in (found.band, found.interval, found.rigorous):
        np.testing.assert_array_equal(ends[[0, 2]], [[0, 0], [1, 1]])
    np.testing.assert_array_equal(found.value[[0, 2]], [0, 1])
    pdf = smooth_density(spectrum, [0.0, np.inf], method="terminator").pdf
    assert pdf[0] > 0.1
    assert pdf[1] == 0.0


def test_singular_matrices_have_no_log_determinant():
    factor = np.random.default_rng(0).standard_normal((SIZE, 3))
    for singular in (factor @ factor.T, np.zeros((SIZE, SIZE))):
        with pytest.raises(ValueError, match="give damping"):
            log_determinant(singular, rng=0)
        assert np.isfinite(log_determinant(singular, damping=0.1, rng=0).interval).all()


def test_zero_matrix_beyond_the_dense_solver_has_zero_eigenvalues():
    found = extremal_eigenpairs(lambda v: 0 * v, 3, size=600, rng=0)
    np.testing.assert_array_equal(found.values, np.zeros(6))
    np.testing.assert_array_equal(found.vectors.T @ found.vectors, np.eye(6))


def test_errors_of_deflated_spectra_are_those_of_the_complement():
    """With d of p eigenvalues apart, probes are worth as many draws as vectors of p - d entries."""
    values = np.append(np.linspace(5.0, 6.0, 50), np.linspace(-1.0, 1.0, 10))
    operator = symmetric_operator(lambda v: values * v, size=60)
    runs = [
        spectral_density(operator, probes=2, steps=10, deflate=50, rng=seed) for seed in range(150)
    ]
    off = np.array([one.cdf(0.0) - 5 / 60 for one in runs])
    stated = np.array([np.interp(0.0, one.nodes[0, :10], one.errors[0, :10]) for one in runs])
    assert np.sqrt((off**2).mean()) == pytest.approx(np.sqrt((stated**2).mean()), rel=0.2)


def test_a_header_of_something_else_is_no_checkpoint(matrix, tmp_path):
    header = tmp_path / "header.json"
    for content, words in (
        ("[]", "no header"),
        ('{"format": "rmtland lanczos 0"}', "no header"),
        ('{"format": "rmtland lanczos 1"}', "does not say its seed"),
    ):
        header.write_text(content)
        with pytest.raises(ValueError, match=words):
            negative_fraction(matrix, method="lanczos", checkpoint=tmp_path)
    with pytest.raises(ValueError, match="belongs to another run"):
        negative_fraction(matrix, method="lanczos", checkpoint=tmp_path, rng=0)


def test_executors_find_the_seed_in_the_checkpoint_too(matrix, tmp_path):
    from rmtland.sweep import Serial

    options = {"method": "lanczos", "probes": 2, "steps": 5, "executor": Serial()}
    first, again = (negative_fraction(matrix, checkpoint=tmp_path, **options) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("made", [np.asarray, csr_array, aslinearoperator])
def test_complex_numbers_of_any_precision_stay_complex(made):
    draw = np.random.default_rng(1).standard_normal((2, 20, 20))
    half = (draw[0] + 1j * draw[1]).astype(np.clongdouble)
    hermitian = half + half.conj().T
    operator = symmetric_operator(made(hermitian))
    assert operator.dtype == np.complex128
    np.testing.assert_allclose(operator.dense(), hermitian.astype(complex), atol=1e-14)


@pytest.mark.parametrize(
    "bad", [{"size": -1}, {"steps": 0}, {"runs": 1.5}, {"precision": "half"}, {"parts": 3}]
)
def test_bytes_of_no_basis(bad):
    with pytest.raises((ValueError, TypeError), match=next(iter(bad))):
        basis_bytes(**{"size": 10, "steps": 3, "runs": 2, **bad})


def test_shape_is_believed_over_a_wrong_dtype():
    hermitian = np.array([[0.0, 1.0j], [-1.0j, 0.0]])
    operator = LinearOperator((2, 2), matvec=lambda v: hermitian @ v, dtype=float)
    with pytest.raises(ValueError, match="complex"):
        symmetric_operator(operator)
