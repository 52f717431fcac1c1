"""Traces block by block: any sizes of blocks, any units."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from rmtland.adapters.block_trace import trace_by_blocks

A = np.random.default_rng(0).standard_normal((40, 40))
A = A + A.T


class Blocks:
    """A matrix whose parameters are cut into blocks."""

    def __init__(self, matrix, cuts):
        self.matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype
        self.blocks = [SimpleNamespace(slice=slice(*pair)) for pair in pairwise(cuts)]

    def __matmul__(self, vector):
        with np.errstate(invalid="ignore"):
            return self.matrix @ vector


@pytest.mark.parametrize("cuts", [(0, 40), (0, 1, 2, 40), (0, 0, 17, 17, 40), (0, 2, 4, 7, 40)])
def test_errors_cover_for_blocks_of_any_size(cuts):
    """400 draws of variance 1 at most: the mean square is below 1.35 but one time in 10^4."""
    draws = [trace_by_blocks(Blocks(A, cuts), probes=1, rng=seed) for seed in range(400)]
    off = [(one.value - np.trace(A)) / one.standard_error for one in draws]
    assert 0.2 < np.mean(np.square(off)) < 1.35
    assert abs(np.mean(off)) < 4 / 20
    assert {one.products for one in draws} == {len(set(cuts)) - 1}


def test_blocks_of_one_parameter_are_exact():
    found = trace_by_blocks(Blocks(A, range(41)), probes=1, rng=0)
    assert found.value == pytest.approx(np.trace(A), rel=1e-12)
    assert found.standard_error == 0.0


@pytest.mark.parametrize("power", [-900, -540, 540, 900])
def test_units_change_nothing(power):
    """At 2^540 an error of 0 was stated: squares were infinite, and their difference no number."""
    cuts, unit = (0, 2, 19, 40), 2.0**power
    found, plain = (trace_by_blocks(Blocks(c * A, cuts), probes=2, rng=0) for c in (unit, 1.0))
    assert found.value == unit * plain.value
    assert found.standard_error == pytest.approx(unit * plain.standard_error, rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_products_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        trace_by_blocks(Blocks(np.full((6, 6), bad), (0, 3, 6)), rng=0)
