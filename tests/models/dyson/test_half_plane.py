"""Logarithmic determinants on the half-plane against eigenvalues."""

import numpy as np
import pytest

from rmtland.free.operator_valued.matrix_dyson import upper_log
from rmtland.models.dyson.half_plane import (
    LEAF,
    _by_halves,
    is_lower,
    log_determinant,
    symmetric_inverse,
)


@pytest.mark.parametrize("n", [1, 2, LEAF, LEAF + 1, 3 * LEAF + 2])
@pytest.mark.parametrize("height", [1e-6, 0.1, 10.0])
def test_halving_agrees_with_eigenvalues(n, height):
    rng = np.random.default_rng(n)
    raw = rng.normal(size=(2, n, n)) * 3
    root = rng.normal(size=(2, n, n))
    w = raw + raw.swapaxes(1, 2) + 1j * (root @ root.swapaxes(1, 2) + height * np.eye(n))
    exact = sum(upper_log(np.linalg.eigvals(one)).sum() for one in w)
    # The argument is far above pi: its branch counts.
    assert log_determinant(w) == pytest.approx(exact, rel=1e-11)
    assert all(is_lower(-one) for one in w)
    assert not is_lower(w[0])


@pytest.mark.parametrize("n", [1, 128, 129, 300])
@pytest.mark.parametrize("height", [1e-12, 1e-6, 0.1])
def test_symmetric_matrices_are_inverted_by_halves(n, height):
    raw = np.random.default_rng(n).normal(size=(n, n)) / np.sqrt(n)
    w = raw + raw.T + 1j * height * np.eye(n)
    found = symmetric_inverse(w)
    size = np.linalg.norm(w) * np.linalg.norm(found)
    assert np.abs(w @ found - np.eye(n)).max() < 1e-12 * size


def test_blocks_that_are_nearly_singular_lose_no_digits():
    n = 200
    raw = np.random.default_rng(0).normal(size=(n, n)) / np.sqrt(n)
    w = raw + raw.T + 1e-10j * np.eye(n)
    w[: n // 2, : n // 2] = 1e-10j * np.eye(n // 2)
    exact = np.linalg.inv(w)
    size = 1e-10 * np.abs(exact).max()
    assert np.abs(_by_halves(w) - exact).max() > size  # they would
    np.testing.assert_allclose(symmetric_inverse(w), exact, atol=size)


def test_a_singular_block_is_not_inverted():
    assert np.isnan(symmetric_inverse(np.zeros((200, 200), dtype=complex))).all()
