"""Logarithmic determinants on the half-plane against eigenvalues."""

import numpy as np
import pytest

from rmtland.free.operator_valued.matrix_dyson import upper_log
from rmtland.models.dyson.half_plane import LEAF, is_lower, log_determinant


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
