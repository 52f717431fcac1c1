"""Counts by Sturm's sequence against eigenvalues, and the compiled sweep against NumPy."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from scipy.linalg import eigvalsh_tridiagonal

from rmtland.ensembles.sturm import (
    count_below,
    count_below_reference,
    extreme_eigenvalues,
    lanes,
    pivot_of,
    sweep,
)

quick = examples(60)
entries = st.one_of(
    st.floats(-10, 10), st.sampled_from([0.0, 1.0, -1.0, 1e-160, 1e-8, 1e150, -1e150])
)


@st.composite
def tridiagonals(draw):
    n = draw(st.integers(1, 40))
    diagonal = np.array(draw(st.lists(entries, min_size=n, max_size=n)))
    off = np.array(draw(st.lists(entries, min_size=n - 1, max_size=n - 1)))
    return diagonal, off.reshape(n - 1)


def eigenvalues(diagonal, off):
    return eigvalsh_tridiagonal(diagonal, off) if diagonal.size > 1 else diagonal.copy()


@given(tridiagonals(), st.lists(st.floats(-20, 20), min_size=1, max_size=70))
@quick
def test_the_kernel_counts_as_its_reference(matrix, shifts):
    x = np.array(shifts)
    np.testing.assert_array_equal(count_below(*matrix, x), count_below_reference(*matrix, x))


@given(tridiagonals())
@quick
def test_counts_are_those_of_eigenvalues(matrix):
    values = eigenvalues(*matrix)
    scale = np.abs(values).max()
    middles = (values[:-1] + values[1:]) / 2
    clear = np.diff(values) > 1e-13 * scale
    x = np.concatenate([middles[clear], [values[0] - scale - 1, values[-1] + scale + 1]])
    np.testing.assert_array_equal(count_below(*matrix, x), (values[:, None] < x).sum(axis=0))


@given(tridiagonals(), st.integers(1, 5))
@quick
def test_extreme_eigenvalues(matrix, k):
    values = eigenvalues(*matrix)
    k = min(k, values.size)
    found = extreme_eigenvalues(*matrix, k)
    atol = 1e-14 * np.abs(values).max() + 1e-300
    np.testing.assert_allclose(found, values[::-1][:k], atol=atol, rtol=0)


def test_an_eigenvalue_on_a_shift_is_not_below_it():
    """An integer diagonal: pivots are exactly zero."""
    diagonal, off = np.arange(5.0), np.zeros(4)
    x = np.arange(-1.0, 6.0)
    np.testing.assert_array_equal(count_below(diagonal, off, x), [0, 0, 1, 2, 3, 4, 5])
    # 0 and +-sqrt 2 with a zero pivot in the first row.
    np.testing.assert_array_equal(
        count_below(np.zeros(3), np.ones(2), np.array([-1.5, -1.4, 0.1, 1.5])), [0, 1, 2, 3]
    )


def test_infinite_shifts_count_none_and_all():
    rng = np.random.default_rng(0)
    x = np.array([-np.inf, np.inf])
    matrix = rng.normal(size=50), rng.normal(size=49)
    np.testing.assert_array_equal(count_below(*matrix, x), [0, 50])


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_rows_add_up(block):
    rng = np.random.default_rng(1)
    diagonal, off = rng.normal(size=100), rng.normal(size=99)
    shifts = np.linspace(-3, 3, 37)
    squares = np.concatenate([[0.0], off**2])
    padded, state, counts = lanes(shifts)
    for start in range(0, 100, block):
        rows = slice(start, start + block)
        sweep(diagonal[rows], squares[rows], pivot_of(squares), padded, state, counts)
    np.testing.assert_array_equal(counts[:37], count_below(diagonal, off, shifts))
    assert 0 < counts[0] < counts[36] < 100


def test_glued_clusters_are_counted_one_by_one():
    """Wilkinson's matrix: pairs of eigenvalues that agree to 1e-13."""
    diagonal, off = np.abs(np.arange(-10.0, 11.0)), np.ones(20)
    values = eigenvalues(diagonal, off)
    np.testing.assert_allclose(extreme_eigenvalues(diagonal, off, 6), values[:-7:-1], rtol=1e-14)
    x = np.array([values[-1] + 1e-13, values[-2] - 1e-13])
    np.testing.assert_array_equal(count_below(diagonal, off, x), [21, 19])
