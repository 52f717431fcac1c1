"""Extremal eigenpairs beyond the dense solver: any unit, next to zero, multiple eigenvalues."""

import numpy as np
import pytest
from scipy.sparse import diags_array

from rmtland.estimate import extremal_eigenpairs, spectral_density, symmetric_operator
from rmtland.solution import ConvergenceError

SIZE = 520
BULK = np.linspace(-1, 1, SIZE - 5)


def pairs_of(values, k, **options):
    operator = symmetric_operator(diags_array(values, format="csc"))
    return extremal_eigenpairs(operator, k, tol=1e-7, rng=0, **options)


@pytest.mark.parametrize("unit", [1e-120, 1e-30, 1e30, 1e120])
@pytest.mark.parametrize("which", ["both", "magnitude", "nearest"])
def test_units_do_not_matter(unit, which):
    values = np.append(BULK, [3.0, 4.0, 5.0, -2.0, -8.0])
    plain, scaled = (pairs_of(c * values, 2, which=which) for c in (1.0, unit))
    np.testing.assert_allclose(scaled.values / unit, plain.values, atol=1e-6)
    assert scaled.residuals.max() <= 1e-7 * 8 * unit


@pytest.mark.parametrize("end", [1e-6, 0.0, -1e-9])
def test_an_end_at_zero_is_reached(end):
    """A residual is small beside the norm of the matrix, not beside an eigenvalue next to 0."""
    values = np.append(np.linspace(0.5, 1, SIZE - 2), [end, 2e-3])
    found = pairs_of(values, 2, which="smallest")
    np.testing.assert_allclose(found.values, [end, 2e-3], atol=1e-7)
    found = pairs_of(-values, 2, which="largest")
    np.testing.assert_allclose(found.values, [-2e-3, -end], atol=1e-7)


@pytest.mark.parametrize("size", [60, SIZE])
def test_small_matrices_with_a_null_space(size):
    values = np.append(np.zeros(size // 2), np.linspace(1, 2, size - size // 2))
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))[0]
    matrix = (rotation * values) @ rotation.T
    found = extremal_eigenpairs((matrix + matrix.T) / 2, 3, which="smallest", rng=0)
    np.testing.assert_allclose(found.values, 0, atol=1e-8)


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize(
    ("top", "which", "wanted"),
    [
        ([5.0, 5.0, 5.0, 4.0, 4.0], "largest", [4.0, 4.0, 5.0, 5.0, 5.0]),
        ([-5.0, -5.0, 4.0, 4.0, 4.0], "magnitude", [-5.0, -5.0, 4.0, 4.0, 4.0]),
        ([1.1, 1.1, 1.1, 1.1, 1.1], "largest", [1.1, 1.1, 1.1, 1.1, 1.1]),
        ([-3.0, -3.0, -3.0, -3.0, -2.5], "smallest", [-3.0, -3.0, -3.0, -3.0, -2.5]),
    ],
)
def test_copies_of_multiple_eigenvalues_are_found(rotated, top, which, wanted):
    values = np.append(BULK, top)
    mirror = np.random.default_rng(2).standard_normal(SIZE) * float(rotated)
    mirror /= np.linalg.norm(mirror) or 1.0

    def reflected(v):
        return v - 2 * np.multiply.outer(mirror, mirror @ v)

    operator = symmetric_operator(
        lambda v: reflected((values * reflected(v).T).T), size=SIZE, check=False
    )
    found = extremal_eigenpairs(operator, 5, which=which, tol=1e-7, rng=3)
    np.testing.assert_allclose(found.values, wanted, atol=1e-5)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(5), atol=1e-6)


@pytest.mark.parametrize("values", [np.full(SIZE, 2.0), np.repeat([-1.0, 2.0], SIZE // 2)])
def test_both_ends_of_few_eigenvalues_are_orthogonal(values):
    found = pairs_of(values, 3)
    np.testing.assert_allclose(found.values, np.repeat([values[0], 2.0], 3), atol=1e-9)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(6), atol=1e-6)


def test_many_eigenvalues_at_a_point_are_nearest_to_it():
    values = np.append(BULK, [0.3] * 5)
    found = pairs_of(values, 4, which="nearest", near=0.3)
    np.testing.assert_allclose(found.values, 0.3, atol=1e-3)
    assert np.abs(found.values - 0.3).max() <= np.sort(np.abs(values - 0.3))[4] + 1e-9


def test_a_point_that_is_an_eigenvalue_of_nearly_all_vectors():
    """Rounding of the inverse made ever further copies of it: the search went on for good."""
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((SIZE, SIZE)))[0]
    values = np.append(np.zeros(SIZE - 5), np.arange(1.0, 6.0))
    matrix = (rotation * values) @ rotation.T
    matrix = (matrix + matrix.T) / 2
    found = extremal_eigenpairs(matrix, 4, which="nearest", rng=0)
    np.testing.assert_allclose(found.values, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(4), atol=1e-10)
    with pytest.raises(ConvergenceError):
        extremal_eigenpairs(matrix, 4, which="nearest", max_steps=30, rng=0)


@pytest.mark.parametrize(("near", "nearest"), [(1e4, 1.0), (-1e5, -1.0)])
def test_points_far_away_at_which_the_inverse_is_too_coarse(near, nearest):
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((SIZE, SIZE)))[0]
    values = np.sign(near) * np.append(np.linspace(-1, 0.5, SIZE // 2), np.ones(SIZE // 2))
    matrix = (rotation * values) @ rotation.T
    found = extremal_eigenpairs((matrix + matrix.T) / 2, 4, which="nearest", near=near, rng=0)
    np.testing.assert_allclose(found.values, nearest, atol=1e-9)
    assert found.residuals.max() <= 1e-9


def test_clusters_at_an_end_cost_a_few_times_p_products():
    """Ten restarts for each parameter were spent, and nothing found."""
    values = np.arange(1.0, SIZE + 1) ** -2
    operator = symmetric_operator(lambda v: (values * v.T).T, size=SIZE)
    found = extremal_eigenpairs(operator, 4, which="smallest", rng=0)
    np.testing.assert_allclose(found.values, np.sort(values)[:4], atol=1e-13)
    assert found.products < 6 * SIZE


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_deflated_spectra_end_where_the_complement_does(dtype):
    """No node of a Krylov space that goes on after its end, however many steps are asked for."""
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))[0]
    values = np.linspace(-1, -0.1, 40)
    matrix = ((rotation * values) @ rotation.T).astype(dtype)
    found = spectral_density(matrix, probes=3, steps=60, deflate=3, rng=0)
    assert found.nodes.min() >= -1 - 1e-5
    assert found.nodes.max() <= -0.1 + 1e-5
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)


def test_moments_of_a_multiple_of_the_identity_in_single_precision():
    value = np.float32(0.7)
    found = spectral_density(
        symmetric_operator(lambda v: value * v, size=30, dtype=np.float32),
        probes=2,
        steps=8,
        rng=0,
        method="kpm",
    )
    assert found.mean() == pytest.approx(float(value), rel=1e-5)
