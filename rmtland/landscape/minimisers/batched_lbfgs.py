r"""Limited-memory BFGS on many small problems at once, and what each may still gain.

Each start has its own history and step length; one array operation serves all of them, so that
small networks cost arithmetic and not calls. Steps are accepted by Armijo's condition, shortened by
quadratic interpolation; a pair of step and gradient change enters the history where its product is
positive. A start ends where its gradient is small, no step lowers it, or its last 200 steps gained
next to nothing; the others go on without it.

What is missing is measured, not proved: the gain of the second half of the steps. It covers the
truth where the excess over the limit falls at least like 1/steps; a start that ended at a saddle's
plateau is not found out by it.

References
----------
.. [1] J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, Springer 2006, sections
       3.5 and 7.2.

Examples
--------
>>> import numpy as np
>>> curvatures = np.array([1.0, 10.0, 100.0])
>>> def bowl(x, which):
...     return (curvatures * x * x).sum(axis=1) / 2, curvatures * x
>>> found = minimise_batch(bowl, np.ones((2, 3)), steps=100)
>>> found.values.max() < 1e-12, found.steps.max() < 100
(np.True_, np.True_)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import count, function as checked_function, nonnegative, points
from rmtland.typing import Integer, Real

__all__ = ["BatchMinimum", "minimise_batch"]

BatchFunction = Callable[[Real, Integer], tuple[Real, Real]]
"""(x, which) -> values and gradients; `which` says which of the starts the rows of x are."""

_WINDOW = 200
_TRIALS = 20
_ARMIJO = 1e-4


@dataclass(frozen=True)
class BatchMinimum:
    """Where each start ended.

    Made by `rmtland.landscape.minimisers.minimise_batch` and
    `rmtland.landscape.minimisers.minimised_networks`.

    Parameters
    ----------
    x : ndarray, shape (starts, p)
        The points.
    values : ndarray, shape (starts,)
        Of the function there.
    gradients : ndarray, shape (starts,)
        Norms of the gradient there.
    missing : ndarray, shape (starts,)
        What the second half of the steps gained.
    steps : ndarray of int, shape (starts,)
        Steps taken.
    """

    x: Real
    values: Real
    gradients: Real
    missing: Real
    steps: Integer


def minimise_batch(
    function: BatchFunction,
    start: Real,
    *,
    steps: int = 4000,
    memory: int = 10,
    gradient: float = 1e-7,
    gain: float = 1e-6,
) -> BatchMinimum:
    """Minimise a function from many starts.

    Parameters
    ----------
    function : callable
        (x, which) -> values of shape (k,) and gradients of shape (k, p) at the rows of x; `which`,
        of shape (k,), says which of the starts they belong to.
    start : ndarray, shape (starts, p)
        Where each begins.
    steps : int
        At most.
    memory : int
        Pairs that are remembered.
    gradient : float
        A start ends where the norm of its gradient is at most this.
    gain : float
        A start ends where its last 200 steps gained at most this.

    Returns
    -------
    BatchMinimum
        Points, values, and what may be missing.

    Raises
    ------
    ValueError
        If the starts are not finite, or the function is not finite there.
    TypeError
        If `function` cannot be called, `start` holds no real numbers, `gradient` or `gain` is none,
        or `steps` or `memory` is no integer.
    """
    steps, memory = count("steps", steps), count("memory", memory)
    gradient, gain = nonnegative("gradient", gradient), nonnegative("gain", gain)
    checked_function("function", function)
    x = np.array(points("start", start))
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(
            f"start must be a finite array of shape (starts, p); got {np.shape(start)}"
        )
    which = np.arange(len(x))
    value, slope = function(x, which)
    if not (np.isfinite(value).all() and np.isfinite(slope).all()):
        raise ValueError("the function is not finite at every start; begin nearer to 0")
    history = _History.of(slope, memory)
    curve = np.empty((steps + 1, len(x)))
    curve[0] = value
    ends, norms, taken = x.copy(), np.linalg.norm(slope, axis=1), np.zeros(len(x), dtype=np.int64)
    for step in range(1, steps + 1):
        direction = history.direction(slope)
        moved, new, turned, ok = _searched(function, x, which, value, slope, direction)
        history.remember(moved - x, turned - slope, ok)
        x, value, slope = moved, new, turned
        curve[step:, which] = value
        size = np.linalg.norm(slope, axis=1)
        ends[which], norms[which], taken[which] = x, size, step
        done = ~ok | (size <= gradient)
        if step >= _WINDOW:
            done |= curve[step - _WINDOW, which] - value <= gain
        if done.any():
            stay = ~done
            if not stay.any():
                break
            which, x, value, slope = which[stay], x[stay], value[stay], slope[stay]
            history.keep(stay)
    columns = np.arange(len(ends))
    final = curve[taken, columns]
    return BatchMinimum(ends, final, norms, curve[taken // 2, columns] - final, taken)


def _searched(
    function: BatchFunction,
    x: Real,
    which: Integer,
    value: Real,
    slope: Real,
    direction: Real,
) -> tuple[Real, Real, Real, np.ndarray]:
    """Step along the directions; along the negative gradient where that fails."""
    descent = np.einsum("bp,bp->b", direction, slope)
    direction = np.where((descent < 0)[:, None], direction, -slope)
    descent = np.where(descent < 0, descent, -np.einsum("bp,bp->b", slope, slope))
    length = np.ones(len(x))
    ok = np.zeros(len(x), dtype=bool)
    moved, new, turned = x.copy(), value.copy(), slope.copy()
    for trial in range(2 * _TRIALS):
        if trial == _TRIALS:  # what failed so far tries the gradient
            direction = np.where(ok[:, None], direction, -slope)
            descent = np.where(ok, descent, -np.einsum("bp,bp->b", slope, slope))
            length = np.where(ok, length, 1e-3 / np.maximum(-descent, 1e-300) ** 0.5)
        open_ = np.flatnonzero(~ok)
        there = x[open_] + length[open_, None] * direction[open_]
        with np.errstate(over="ignore", invalid="ignore"):
            found, gradients = function(there, which[open_])
            good = found <= value[open_] + _ARMIJO * length[open_] * descent[open_]
            good &= (found < value[open_]) & np.isfinite(gradients).all(axis=1)
            curved = found - value[open_] - length[open_] * descent[open_]
            best = -descent[open_] * length[open_] ** 2 / (2 * curved)
        hits = open_[good]
        moved[hits], new[hits], turned[hits] = there[good], found[good], gradients[good]
        ok[hits] = True
        if ok.all():
            break
        best = np.where(np.isfinite(best), best, 0.0)
        length[open_] = np.clip(best, 0.1 * length[open_], 0.5 * length[open_])
    return moved, new, turned, ok


@dataclass
class _History:
    """Steps and gradient changes of all starts that go on, the oldest overwritten."""

    moves: Real
    turns: Real
    inverse: Real
    scale: Real
    seen: int = 0

    @classmethod
    def of(cls, slope: Real, memory: int) -> _History:
        shape = (memory, *slope.shape)
        scale = 1.0 / np.maximum(np.linalg.norm(slope, axis=1), 1e-300)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape[:2]), scale)

    def direction(self, slope: Real) -> Real:
        """Return minus the approximate inverse Hessian times the gradient (two-loop recursion)."""
        memory = len(self.moves)
        places = [(self.seen - 1 - i) % memory for i in range(min(self.seen, memory))]
        v, weights = slope.copy(), []
        for i in places:
            weight = self.inverse[i] * np.einsum("bp,bp->b", self.moves[i], v)
            v -= weight[:, None] * self.turns[i]
            weights.append(weight)
        v *= self.scale[:, None]
        for i, weight in zip(reversed(places), reversed(weights), strict=True):
            back = self.inverse[i] * np.einsum("bp,bp->b", self.turns[i], v)
            v += (weight - back)[:, None] * self.moves[i]
        return -v

    def remember(self, move: Real, turn: Real, ok: np.ndarray) -> None:
        """Enter a pair where its product is positive; elsewhere one that does nothing."""
        product = np.einsum("bp,bp->b", move, turn)
        square = np.einsum("bp,bp->b", turn, turn)
        size = np.sqrt(square * np.einsum("bp,bp->b", move, move))
        use = ok & (product > 1e-10 * size)
        place = self.seen % len(self.moves)
        self.moves[place], self.turns[place] = move, turn
        self.inverse[place] = np.where(use, 1.0 / np.where(use, product, 1.0), 0.0)
        self.scale = np.where(use, product / np.where(use, square, 1.0), self.scale)
        self.seen += 1

    def keep(self, stay: np.ndarray) -> None:
        """Forget the starts that have ended."""
        self.moves, self.turns = self.moves[:, stay], self.turns[:, stay]
        self.inverse, self.scale = self.inverse[:, stay], self.scale[stay]
