"""State of a subordination equation at many points: what its solvers carry from point to point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.typing import Complex, Integer, Logical, Real

__all__ = ["SETTLED", "Step", "SubordinationState", "extrapolated", "interpolated"]

SETTLED = 1e-8
"""Relative size of a step of Newton's method after which another one is below rounding."""


@dataclass(frozen=True)
class SubordinationState:
    """Common value (F or log m) and subordination functions (or their logarithms), row by row.

    `inner` holds the states of those operands that are made by subordination themselves, at their
    subordination points: what the next solution there starts from.
    """

    common: Complex
    omegas: tuple[Complex, ...]
    inner: tuple[SubordinationState | None, ...]

    def mapped(self, function: Callable[[Complex], Complex]) -> SubordinationState:
        """Return the state with a function applied to every row."""
        return SubordinationState(
            function(self.common),
            tuple(function(omega) for omega in self.omegas),
            tuple(None if state is None else state.mapped(function) for state in self.inner),
        )

    def take(self, index: Integer | Logical) -> SubordinationState:
        """Return the state at some of the points."""
        return self.mapped(lambda row: row[index])

    def put(self, index: Integer | Logical, other: SubordinationState) -> None:
        """Overwrite the state at some of the points."""
        self.common[index] = other.common
        for mine, theirs in zip(self.omegas, other.omegas, strict=True):
            mine[index] = theirs
        for nested, new in zip(self.inner, other.inner, strict=True):
            if nested is not None and new is not None:
                nested.put(index, new)

    @staticmethod
    def stacked(states: list[SubordinationState]) -> SubordinationState:
        """Return states at several sets of points as one."""
        nested: list[SubordinationState | None] = []
        for i, inner in enumerate(states[0].inner):
            parts = [state.inner[i] for state in states]
            nested.append(
                None if inner is None else SubordinationState.stacked([p for p in parts if p])
            )
        rows = zip(*(state.omegas for state in states), strict=True)
        return SubordinationState(
            np.concatenate([state.common for state in states]),
            tuple(np.concatenate(row) for row in rows),
            tuple(nested),
        )


class Step(NamedTuple):
    """One step of Newton's method, point by point.

    The new state, the relative size of the step, and how far the new state is inside the half-plane
    (negative outside), which is said in full of points whose step is no larger than `SETTLED`.
    Sizes up to that may hold rounding.
    """

    state: SubordinationState
    size: Real
    height: Real


def interpolated(t: Real, nodes: Real, row: Complex) -> Complex:
    """Interpolate a row of a state linearly."""
    return np.asarray(np.interp(t, nodes, row), dtype=np.complex128)


def extrapolated(
    here: SubordinationState, last: SubordinationState, share: Real | float
) -> SubordinationState:
    """Return states beyond `here`, from `last`: imaginary parts and nested states stay.

    `share` is how far beyond, in units of the way from `last` to `here`.
    """

    def along(a: Complex, b: Complex) -> Complex:
        return a.real + share * (a.real - b.real) + 1j * a.imag

    return SubordinationState(
        along(here.common, last.common),
        tuple(along(a, b) for a, b in zip(here.omegas, last.omegas, strict=True)),
        here.inner,
    )
