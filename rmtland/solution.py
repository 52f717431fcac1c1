"""Results of iterative solvers: a value, and how far it may be trusted.

>>> import numpy as np
>>> s = Solution(value=np.array([1.0]), status=Status.CONVERGED, residual=np.array([1e-16]),
...              steps=np.array([3]))
>>> s.converged
True
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConvergenceError", "Solution", "Status"]


class Status(enum.Enum):
    """How an iterative solver ended."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not converged"


class ConvergenceError(ArithmeticError):
    """A solver did not reach its tolerance; the message says where, and what to try."""


@dataclass(frozen=True)
class Solution:
    """What an iterative solver found.

    Parameters
    ----------
    value : ndarray
        The solution, of the shape of the input.
    status : Status
        Whether every component converged.
    residual : ndarray of float64
        Size of the defect of the equation at `value`, in the units of the equation.
    steps : ndarray of int64
        Iterations spent on each component.
    error : ndarray of float64, optional
        Bound of the absolute error of `value`, to first order in the residual and rounding;
        infinite where nothing can be stated, None from a solver that states none.
    """

    value: NDArray[Any]
    status: Status
    residual: NDArray[np.float64]
    steps: NDArray[np.int64]
    error: NDArray[np.float64] | None = None

    @property
    def converged(self) -> bool:
        """Whether every component converged."""
        return self.status is Status.CONVERGED
