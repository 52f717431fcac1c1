"""What a solver found at the points that it was asked for last.

G, the potential and the distribution function at the same points are functions of the same states;
who asks for them one after the other has the equation solved once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rmtland.free.subordination.state import SubordinationState
from rmtland.typing import Integer

__all__ = ["LastSolved"]

_MANY = 4096
"""Number of points from which on nothing is kept."""

Points = TypeVar("Points", bound=NDArray[np.inexact])


class LastSolved:
    """The last points that were solved, ascending, with states and steps there."""

    def __init__(self) -> None:
        self._found: tuple[NDArray[np.inexact], SubordinationState, Integer] | None = None

    def __call__(
        self, solve: Callable[[Points], tuple[SubordinationState, Integer]], points: Points
    ) -> tuple[SubordinationState, Integer]:
        """Return states and steps at points, copies of those where all are among the last ones.

        Parameters
        ----------
        solve : callable
            The solver; always the same one.
        points : ndarray of float or complex, shape (n,)
            Points.

        Returns
        -------
        SubordinationState, ndarray of int
            States and steps.
        """
        if not 0 < points.size <= _MANY:
            return solve(points)
        last = self._found  # one read: another thread may write
        if last is not None:
            index = np.minimum(np.searchsorted(last[0], points), last[0].size - 1)
            if np.array_equal(last[0][index], points):
                return last[1].take(index), last[2][index]
        state, steps = solve(points)
        order = np.argsort(points)
        self._found = points[order], state.take(order), steps[order]
        return state, steps
