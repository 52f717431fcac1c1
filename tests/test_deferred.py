"""Interpreted kernels give what compiled ones give, and are compiled when it pays."""

import os
import subprocess
import sys

import numpy as np
import pytest

import rmtland.deferred as deferred
from rmtland import WishartPlusReluBlock, WishartPlusWigner
from rmtland.deferred import Kernel, inner, kernel
from rmtland.free.rational import boundary, edges, half_plane


@inner
def _reciprocal(x):
    return 1.0 / x


@kernel(cost=lambda x: x.size)
def total(x):
    sum = 0.0
    for value in x:
        sum += _reciprocal(value)
    return sum


@pytest.fixture
def spending(monkeypatch):
    """What may be spent, chosen by the test."""

    def allow(budget):
        monkeypatch.setattr(deferred, "_spending", deferred._Spending(budget))

    return allow


def test_compiled_when_the_budget_is_spent(spending):
    spending(5)
    entry = total if isinstance(total, Kernel) else None
    x = np.array([1.0, 2.0, 4.0])
    assert entry is not None
    assert entry(x) == 1.75
    assert entry.function not in deferred._compiled  # still interpreted
    assert entry(x) == 1.75
    assert deferred._compiled[entry.function] is not None


def test_where_python_raises_the_compiled_kernel_decides(spending):
    @kernel(cost=lambda x: 1.0)
    def quotient(x):
        return 1.0 / x[0]

    spending(100)
    assert quotient(np.array([4.0])) == 0.25
    assert quotient.function not in deferred._compiled
    assert quotient(np.array([0.0])) == np.inf
    assert quotient.function in deferred._compiled


CODE = """
import sys, time
import numpy as np
from rmtland import {model}
law = {model}({phi}, {epsilon}).law
x = np.linspace(*np.array(law.hull) * 1.05, 60)
found = [law.pdf(x), law.cdf(x), law.stieltjes(x + 0.1j).view(float), law.support[0]]
print(int("numba" in sys.modules), *np.concatenate(found).tolist())
"""

CASES = [
    (WishartPlusWigner, 0.5, 0.3),
    (WishartPlusWigner, 3.0, 1e-6),
    (WishartPlusReluBlock, 1.0, 0.5),
    (WishartPlusReluBlock, 1e-3, 1e3),
]


@pytest.mark.parametrize(("model", "phi", "epsilon"), CASES)
def test_a_new_process_needs_no_numba_for_its_first_values(model, phi, epsilon):
    code = CODE.format(model=model.__name__, phi=phi, epsilon=epsilon)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env=os.environ | {"RMTLAND_KERNELS": ""},
    )  # fmt: skip
    loaded, *values = map(float, done.stdout.split())
    law = model(phi, epsilon).law
    x = np.linspace(*np.array(law.hull) * 1.05, 60)
    expected = [law.pdf(x), law.cdf(x), law.stieltjes(x + 0.1j).view(float), law.support[0]]
    expected = np.concatenate(expected)
    assert loaded == 0
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14 * np.abs(expected).max())


def test_the_rooms_of_kernels_name_what_they_compile():
    for module, names in (
        (boundary, ("boundary",)),
        (edges, ("critical_points", "edge_place", "edge_slope", "edge_table")),
        (half_plane, ("local_form", "near_drift", "beside_drift", "upper", "outside")),
    ):
        assert all(callable(getattr(module, name)) for name in names)
