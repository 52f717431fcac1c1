"""Inputs that are refused although an answer exists: a table meant to empty.

Each row is a strict expected failure: where a refusal disappears the row fails, and its input is to
become a test of the answer. The numbers are seeds of `scripts/fuzz_free.py`.
"""

import numpy as np
import pytest

from rmtland.free import free_compression, free_product
from rmtland.laws import Discrete, EmpiricalLaw, Uniform
from rmtland.solution import ConvergenceError

slow = pytest.mark.slow


def measured(seed, size):
    return np.random.default_rng(seed).normal(size=size)


def gap_of_width_1e_8():
    corner = Uniform(-0.4533571801009182, 0.37954217573866256)
    points = Discrete(
        (1.5840850602047671, 2.2833989098105287, 3.855200057530096), (0.25, 0.5, 0.25)
    )
    factor = free_product(points, EmpiricalLaw(measured(879, 53) ** 2))
    return free_product(free_compression(corner, 0.10645000904823645), factor)


@pytest.mark.xfail(strict=True, raises=ConvergenceError, reason="refused, an answer exists")
@pytest.mark.parametrize(
    ("make", "x"),
    [
        pytest.param(gap_of_width_1e_8, 0.1, id="20126", marks=slow),
    ],
)
def test_refused(make, x):
    assert 0 < make().cdf(x) < 1
