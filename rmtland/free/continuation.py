r"""Continuation from above the real axis: a solution followed from far up down to given points.

High above the axis transforms are known by their expansion; from there an equation is solved at
ever smaller Im z, each time by Newton's method from the last solution (homotopy in the imaginary
part). The step is a factor of the height: after a success it shrinks to its power 3/2 (bolder,
never below 1/20), after a failure it goes to its square root (more cautious). Where the factor
comes within 1e-4 of 1 the point is given up at the height reached. A step to the point itself that
failed is taken again only from another height.

Examples
--------
G^2 - z G + 1 = 0 of the semicircle, from 8i down to 0.5 on the axis:

>>> import numpy as np
>>> def newton(z, g):
...     for _ in range(20):
...         g = g - (g * g - z * g + 1) / (2 * g - z)
...     return g, np.where(g.imag < 0, 20, -20)
>>> z = np.array([0.5 + 0j])
>>> found = descend(newton, lambda z: 1 / z, z, top=np.array([8.0]), floor=np.array([1e-13]))
>>> bool(found.steps[0] > 0), bool(abs(found.state[0] - (0.25 - np.sqrt(15) / 4 * 1j)) < 1e-14)
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from rmtland.typing import Complex, Integer, Logical, Real

__all__ = ["Descent", "descend"]

State = TypeVar("State")

_ROUNDS = 400
_LEAST = 0.9999
"""Factor of the height from which on a point is given up."""


class Descent(NamedTuple, Generic[State]):
    """States where the continuation ended, steps (negative where it gave up), heights reached."""

    state: State
    steps: Integer
    height: Real


def descend(
    newton: Callable[[Complex, State], tuple[State, Integer]],
    start: Callable[[Complex], State],
    z: Complex,
    *,
    top: Real,
    floor: Real,
) -> Descent[State]:
    """Follow a solution from above down to points of the closed upper half-plane.

    Parameters
    ----------
    newton : callable
        Takes points and starting states, and returns states and the numbers of steps, negative
        where it did not arrive at the physical solution.
    start : callable
        Approximate states at points high above the axis.
    z : ndarray of complex, shape (n,)
        The points.
    top, floor : ndarray of float, shape (n,)
        Imaginary parts to start from, and below which the rest is done in one step.

    Returns
    -------
    Descent
        States are arrays, or objects with `take(index)` and `put(index, other)`.
    """
    height, floor = np.maximum(top, z.imag), np.maximum(floor, z.imag)
    at = z.real + 1j * height
    state, steps = newton(at, start(at))
    total = np.abs(steps)
    alive = steps > 0
    factor = np.full(z.shape, 0.5)
    for _ in range(_ROUNDS):
        todo = np.flatnonzero(alive & (height > z.imag))
        if todo.size == 0:
            break
        lower = height[todo] * factor[todo]
        last = lower <= floor[todo]
        lower = np.where(last, z.imag[todo], lower)
        at = z.real[todo] + 1j * lower
        new, more = newton(at, _take(state, todo))
        total[todo] += np.abs(more)
        good = more > 0
        _put(state, todo[good], _take(new, good))
        height[todo[good]] = lower[good]
        factor[todo] = np.where(good, np.maximum(factor[todo] ** 1.5, 0.05), factor[todo] ** 0.5)
        # A step to the end that failed would be the same once more from the same height.
        again = todo[last & ~good]
        while again.size:
            again = again[
                (height[again] * factor[again] <= floor[again]) & (factor[again] < _LEAST)
            ]
            factor[again] **= 0.5
        alive[todo] &= factor[todo] < _LEAST
    solved = alive & (height <= z.imag)
    return Descent(state, np.where(solved, total, -total), height)


def _take(state: Any, index: Integer | Logical) -> Any:
    return state[index] if isinstance(state, np.ndarray) else state.take(index)


def _put(state: Any, index: Integer, other: Any) -> None:
    if isinstance(state, np.ndarray):
        state[index] = other
    else:
        state.put(index, other)
