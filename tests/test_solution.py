"""Solution and Status."""

import dataclasses

import numpy as np
import pytest

from rmtland.laws import Uniform
from rmtland.solution import ConvergenceError, Solution, Status


def solution(status):
    return Solution(np.ones(2), status, np.zeros(2), np.ones(2, dtype=int))


def test_converged_follows_the_status():
    assert solution(Status.CONVERGED).converged is True
    assert solution(Status.NOT_CONVERGED).converged is False


def test_solutions_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        solution(Status.CONVERGED).status = Status.NOT_CONVERGED


def test_lack_of_convergence_is_an_arithmetic_error():
    assert issubclass(ConvergenceError, ArithmeticError)


@pytest.mark.parametrize("status", Status)
def test_a_status_is_its_sentence(status):
    found = solution(status)
    assert len(status.sentence) > 20
    if status is Status.CONVERGED:
        assert found.checked() is found
        return
    assert ";" in status.sentence  # cause; remedy
    with pytest.raises(ConvergenceError) as caught:
        found.checked()
    assert status.sentence in str(caught.value)
    assert "largest residual 0" in str(caught.value)


def test_laws_raise_where_a_point_is_not_solved():
    class Lost(Uniform):
        def _stieltjes(self, z):
            return np.full(z.shape, np.nan + 0j)

    with pytest.raises(ConvergenceError, match="left the range of floating-point numbers"):
        Lost().solve(0.5j)
    found = Lost().solve(0.5j, throw=False)
    assert found.status is Status.NOT_FINITE
    assert found.error == np.inf
