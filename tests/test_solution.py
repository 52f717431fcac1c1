"""Solution and Status."""

import dataclasses

import numpy as np
import pytest

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
