"""Results of iterative solvers: a value, how far it may be trusted, and how the solver ended.

A status is its sentence: what probably happened, and what to change.

>>> import numpy as np
>>> found = Solution(np.array([1.0]), Status.CONVERGED, np.array([1e-16]), np.array([3]))
>>> found.converged, found.checked() is found
(True, True)
>>> lost = Solution(np.array([0.5]), Status.STEP_LIMIT, np.array([1e-7]), np.array([40]))
>>> lost.status.sentence[:33]
'the limit of steps was reached: t'
>>> lost.checked()  # doctest: +IGNORE_EXCEPTION_DETAIL
Traceback (most recent call last):
    ...
ConvergenceError: the limit of steps was reached ... (largest residual 1e-07)
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rmtland.typing import NumpyArray

__all__ = ["ConvergenceError", "Solution", "Status"]


class Status(enum.Enum):
    """How an iterative solver ended: the value of a status is the sentence for it."""

    CONVERGED = "every component reached the tolerance"
    NOT_CONVERGED = (
        "not every component reached the tolerance: most often a point next to an edge or an atom; "
        "add an imaginary part or look at the error of each component"
    )
    STEP_LIMIT = (
        "the limit of steps was reached: the start is too far from the solution; start higher "
        "above the axis or allow more steps"
    )
    NOT_FINITE = (
        "a value left the range of floating-point numbers: an atom, an unbounded density, or "
        "parameters too far apart; add an imaginary part or rescale"
    )

    @property
    def sentence(self) -> str:
        """What probably happened, and what to change."""
        return str(self.value)


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
        Whether every component converged, and if not, the probable cause and what to do.
    residual : ndarray of float64
        Size of the defect of the equation at `value`, in the units of the equation.
    steps : ndarray of int64
        Iterations spent on each component.
    error : ndarray of float64, optional
        Bound of the absolute error of `value`, to first order in the residual and rounding;
        infinite where nothing can be stated, None from a solver that states none.
    """

    value: NumpyArray
    status: Status
    residual: NDArray[np.float64]
    steps: NDArray[np.int64]
    error: NDArray[np.float64] | None = None

    @property
    def converged(self) -> bool:
        """Whether every component converged."""
        return self.status is Status.CONVERGED

    def checked(self) -> Self:
        """Return the solution itself if it converged.

        Returns
        -------
        Solution
            This one.

        Raises
        ------
        ConvergenceError
            If a component did not converge; the message is the sentence of the status, with the
            largest residual.
        """
        if not self.converged:
            residual = np.asarray(self.residual)
            worst = f"{residual.max():.3g}" if residual.size else "unknown"
            raise ConvergenceError(f"{self.status.sentence} (largest residual {worst})")
        return self
