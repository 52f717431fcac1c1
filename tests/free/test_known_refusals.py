"""Inputs that are refused although an answer exists: a table meant to empty.

Each row is a strict expected failure: where a refusal disappears the row fails, and its input is to
become a test of the answer. The numbers are seeds of `scripts/fuzz_free.py`.
"""

import numpy as np
import pytest

from rmtland.free import free_product, free_sum
from rmtland.laws import Arcsine, Discrete, EmpiricalLaw, FussCatalan
from rmtland.solution import ConvergenceError

slow = pytest.mark.slow


def measured(seed, size):
    return np.random.default_rng(seed).normal(size=size)


def thin_arcsine_with_three_points():
    signed = free_sum(
        Arcsine(0.0, 0.011473834975947617),
        Discrete((-2.0, 1.0, 3.0), (0.6479861173734979, 0.09393782180327734, 0.2580760608232247)),
    )
    return free_product(signed, EmpiricalLaw(measured(90, 40) ** 2), FussCatalan(2.0))


@pytest.mark.xfail(strict=True, raises=ConvergenceError, reason="refused, an answer exists")
@pytest.mark.parametrize(
    ("make", "x"),
    [
        pytest.param(thin_arcsine_with_three_points, 0.1, id="700009", marks=slow),
    ],
)
def test_refused(make, x):
    assert 0 < make().cdf(x) < 1
