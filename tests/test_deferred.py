"""Interpreted kernels give what compiled ones give, and are compiled when it pays."""

import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import rmtland.deferred as deferred
from rmtland import WishartPlusReluBlock, WishartPlusWigner
from rmtland.deferred import BUDGET, inlined, inner, kernel
from rmtland.free.rational import boundary, half_plane


@inner
def _reciprocal(x):
    return 1.0 / x


@kernel(cost=lambda x: x.size)
def total(x):
    sum = 0.0
    for value in x:
        sum += _reciprocal(value)
    return sum


@inner
def _square(x):
    return x * x


@kernel(cost=lambda x: x.size)
def sum_of_squares(x):
    return _square(x[0]) + _square(x[1])


@pytest.fixture
def spending(monkeypatch):
    """What may be spent, chosen by the test."""

    def allow(budget):
        monkeypatch.setattr(deferred, "_spending", deferred._Spending(budget))

    return allow


def test_compiled_when_the_budget_is_spent(spending):
    spending(5)
    x = np.array([1.0, 2.0, 4.0])
    assert total(x) == 1.75
    assert total.function not in deferred._compiled  # still interpreted
    assert total(x) == 1.75
    assert total.function in deferred._compiled


def test_compiled_at_the_first_call_from_a_word_on(spending, monkeypatch):
    spending(1e9)
    monkeypatch.setattr(deferred, "_compiled", {})
    x = np.array([1.0, 2.0, 4.0])
    total(x)
    assert total.function not in deferred._compiled
    deferred.compile_at_first_call()
    total(x)
    assert total.function in deferred._compiled


def test_what_is_to_be_interpreted_stays_so(spending, monkeypatch):
    spending(math.inf)
    monkeypatch.setattr(deferred, "_compiled", {})
    deferred.compile_at_first_call()
    total(np.array([1.0, 2.0, 4.0]))
    assert total.function not in deferred._compiled


@inlined
def _least(values, above):
    for value in values:
        if value > above:
            return value
    return above


@kernel(cost=lambda x: 1.0)
def least_above(x):
    return _least(x, 0.0) + _least(x, 1.5)


def test_an_inlined_function_returns_to_where_it_was_called(spending):
    x = np.array([-1.0, 1.0, 2.0])
    spending(1)
    assert least_above(x) == 3.0
    spending(0)
    assert least_above(x) == 3.0
    compiled = deferred._compiled
    assert compiled[least_above.function].targetoptions["inline"] == "never"
    assert compiled[_least].targetoptions["inline"] == "always"


def test_where_python_raises_the_compiled_kernel_decides(spending):
    @kernel(cost=lambda x: 1.0)
    def quotient(x):
        return 1.0 / x[0]

    spending(100)
    assert quotient(np.array([4.0])) == 0.25
    assert quotient.function not in deferred._compiled
    assert quotient(np.array([0.0])) == np.inf
    assert quotient.function in deferred._compiled


def test_an_interrupt_while_kernels_are_made_leaves_everything_as_it_was(spending, monkeypatch):
    """Half of a room compiled was of no use to the other half, for the rest of the process."""
    import rmtland.compiled as compilation

    made = []

    def stopped(**options):
        made.append(options)
        if len(made) == 2:
            raise KeyboardInterrupt
        return whole(**options)

    whole = compilation.compiled
    spending(0)
    names = dict(globals())
    monkeypatch.setattr(deferred, "_compiled", {})
    monkeypatch.setattr(compilation, "compiled", stopped)
    with pytest.raises(KeyboardInterrupt):
        sum_of_squares(np.array([3.0, 4.0]))
    assert deferred._compiled == {}
    assert {name: globals()[name] for name in names} == names
    assert sum_of_squares(np.array([3.0, 4.0])) == 25.0
    assert sum_of_squares.function in deferred._compiled


def test_several_threads_may_call_while_one_compiles(spending):
    @kernel(cost=lambda x: 1.0)
    def slow_to_compile(x):
        return np.sort(x)[::-1].sum() + np.linalg.norm(x)

    spending(3)
    x = np.array([3.0, 4.0])
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(slow_to_compile, [x] * 24)) == {12.0}
    assert slow_to_compile.function in deferred._compiled


@pytest.mark.parametrize(
    ("choice", "budget"), [("", BUDGET), ("compiled", 0), ("interpreted", np.inf)]
)
def test_the_environment_chooses(choice, budget):
    assert deferred._budget(choice) == budget


def test_another_choice_is_refused():
    with pytest.raises(
        ValueError, match='must be "compiled", "interpreted" or unset; got "Compiled"'
    ):
        deferred._budget("Compiled")


@pytest.mark.parametrize("name", ["upper", "outside", "boundary", "beside_drift"])
def test_more_jumps_cost_more(name):
    """A law of fifty was interpreted for ten seconds before it was compiled."""

    def cost(jumps):
        law = (0, (), (), (np.zeros(0), jumps)) if name == "boundary" else (jumps,)
        kernels = boundary if name == "boundary" else half_plane
        return getattr(kernels, name)._cost(np.zeros(100), *law)

    assert cost(np.zeros(50)) > 4 * cost(np.zeros(1))


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
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"RMTLAND_KERNELS": ""},
    )
    loaded, *values = map(float, done.stdout.split())
    law = model(phi, epsilon).law
    x = np.linspace(*np.array(law.hull) * 1.05, 60)
    expected = [law.pdf(x), law.cdf(x), law.stieltjes(x + 0.1j).view(float), law.support[0]]
    expected = np.concatenate(expected)
    assert loaded == 0
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14 * np.abs(expected).max())
