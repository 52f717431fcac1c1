"""Inertia without eigenvalues: against eigenvalues, real and complex."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.networks import HessianSplit
from rmtland.spectrum import inertia


@examples(60)
@given(size=st.integers(1, 40), seed=st.integers(0, 10**6), kind=st.integers(0, 3))
def test_inertia_counts_eigenvalues(size, seed, kind):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((size, size))
    matrix = matrix + matrix.T
    if kind == 1:
        np.fill_diagonal(matrix, 0.0)  # pivots of two rows
    if kind == 2:
        matrix *= 10.0 ** rng.uniform(-100, 100)
    shift = float(np.abs(matrix).max() * rng.normal()) if kind == 3 else 0.0
    eigenvalues = np.linalg.eigvalsh(matrix)
    found = inertia(matrix, shift)
    assert found.negative == (eigenvalues < shift).sum()
    assert found.positive == (eigenvalues > shift).sum()


def test_inertia_of_singular_matrices():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((30, 12))
    matrix = factor @ np.diag([-1.0] * 5 + [1.0] * 7) @ factor.T
    matrix = (matrix + matrix.T) / 2
    assert inertia(matrix, zero_tolerance=1e-9)[:3] == (5, 18, 7)
    assert inertia(np.zeros((4, 4)))[:3] == (0, 4, 0)
    assert inertia(np.diag([1.0, 2.0, 3.0]), 2.0)[:3] == (1, 1, 1)
    split = HessianSplit(np.eye(3), -2.0 * np.diag([1.0, 0.0, 0.0]))
    assert inertia(split)[:3] == (1, 0, 2)
    before = matrix.copy()
    inertia(matrix, 0.3)
    np.testing.assert_array_equal(matrix, before)


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (np.ones((2, 3)), {}, r"shape \(p, p\) or .*got shape \(2, 3\)"),
        ([[0.0, 1.0], [2.0, 0.0]], {}, "the matrix is not symmetric"),
        ([[np.nan]], {}, "matrix holds 1 NaN"),
        (np.eye(2), {"shift": np.inf}, "shift must be a finite number"),
        (np.eye(2), {"zero_tolerance": -1.0}, "zero_tolerance must be zero or a positive"),
    ],
)
def test_bad_inertia(matrix, options, message):
    with pytest.raises(ValueError, match=message):
        inertia(matrix, **options)
