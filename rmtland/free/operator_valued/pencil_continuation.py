r"""Continuation of the solution of a pencil: from above once, then along the real axis.

At a point high above 0 the variables grow from nothing. From there the solution is followed down
(`rmtland.free.continuation`) to a few points of the real axis; between them a table is refined
where Newton's method needs many steps, so that its nodes crowd towards the edges of the support,
where u moves like a square root. Any other point starts from the cubic through its neighbours and
their derivatives (Hermite), or along the tangent of the nearest; where that does not lead to the
physical solution it is followed down from a height like the distance to a neighbour, and only then
from the top.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.pencil_newton import PencilNewton
>>> from rmtland.free.operator_valued.pencil_parts import law_part
>>> from rmtland.laws import Semicircle
>>> newton = PencilNewton(np.zeros((1, 1)), [law_part(np.eye(1), Semicircle())])
>>> sheet = PencilContinuation(newton, 2.0).solutions(np.array([0.5 + 0j]))
>>> bool(abs(sheet.matrices[0, 0, 0] - (0.25 - np.sqrt(15) / 4 * 1j)) < 1e-14)
True
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.free.continuation import descend
from rmtland.free.operator_valued.pencil_newton import PencilNewton, Sheet
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Integer, Real

__all__ = ["PencilContinuation"]

_FIRST = 16  # intervals of the table from which it is refined
_LEVELS = 12
_MAX_NODES = 500
_EASY = 3  # Newton steps from a good start
_SHORT = 14
_RATIO = 0.2  # of distances on the way to a point that is far from known ones
_RUNGS = 20
_BOLD = 0.3  # largest relative change that a tangent is trusted with


class PencilContinuation:
    """Solutions of a pencil at any points of the closed upper half-plane.

    Parameters
    ----------
    newton : PencilNewton
        Newton's method for it.
    scale : float
        Bound, or guess, of the radius of the spectrum.
    """

    def __init__(self, newton: PencilNewton, scale: float) -> None:
        self._newton = newton
        self._scale = scale

    @cached_property
    def top(self) -> Sheet:
        """Solution at a point high above 0: the variables grow from nothing."""
        height = 4 * self._scale
        for _ in range(60):
            sheet = self._grown(np.array([1j * height]))
            if sheet is not None:
                return sheet
            height *= 2
        raise ConvergenceError(
            f"no solution was found at heights from {4 * self._scale:.3g} to {height:.3g} above "
            "the real axis: perturb a coefficient, and see that the constant part of a pencil of "
            "your own is invertible beside its first row"
        )

    def _grown(self, z: Complex) -> Sheet | None:
        u = np.zeros((1, self._newton.arrays.dimension), dtype=np.complex128)
        tau, share = 0.0, 0.05
        for _ in range(400):
            trial = min(1.0, tau + share)
            start = u * (trial / tau) ** 2 if tau else self._newton.small(z, trial)
            found = self._newton.solve(z, start, tau=trial)
            if found.accepted[0] and trial == 1.0:
                return found
            if found.accepted[0]:
                u, tau, share = found.coordinates, trial, 2.5 * share
            else:
                share /= 3
                if share < 1e-6:
                    return None
        return None

    def _followed(self, z: Complex, start: Sheet, *, top: Real, floor: Real) -> Sheet:
        """Follow solutions at `start`, one for each point, down from heights above the points."""

        def newton(at: Complex, state: Sheet) -> tuple[Sheet, Integer]:
            found = self._newton.solve(at, _tangent(state, at), limit=_SHORT)
            return found, np.where(found.accepted, found.steps, -found.steps)

        down = descend(newton, lambda at: start, z, top=top, floor=floor)
        state = down.state
        return state._replace(accepted=down.steps > 0, steps=np.abs(down.steps))

    def from_above(self, z: Complex) -> Sheet:
        """Solve at points from the top.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            The points.

        Returns
        -------
        Sheet
            Accepted where the continuation arrived.
        """
        height = float(self.top.z[0].imag)
        start = self.top.take(np.zeros(z.size, dtype=np.int64))
        found = self._followed(
            z, start, top=np.full(z.size, height), floor=np.full(z.size, 1e-8 * height)
        )
        lost = np.flatnonzero(~found.accepted)
        if lost.size:
            again = self._followed(
                z[lost],
                start.take(lost),
                top=np.full(lost.size, height),
                floor=np.full(lost.size, 1e-15 * height),
            )
            found.put(lost, again)
        return found

    def _beside(self, z: Complex, known: Sheet) -> Sheet:
        """Solve at points from heights above them like their distance to the nearest known one."""
        start = known.take(_nearest(known.z, z))
        distance = np.abs(start.z - z)
        return self._followed(z, start, top=distance, floor=0.3 * distance)

    def _way(self, z: Complex, known: Sheet) -> Sheet | None:
        """Solve on the way from the known ones to that point which is farthest from them.

        The distance to it falls by a constant factor; None where even the first is not found.
        """
        place = _nearest(known.z, z)
        distances = np.abs(z - known.z[place])
        far = int(np.argmax(distances))
        best = known.take(place[far : far + 1])
        gap = best.z[0] - z[far]
        once, twice = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
        way: Sheet | None = None
        for rung in range(1, _RUNGS):
            at = np.array([z[far] + gap * _RATIO**rung, z[far]])
            found = self._newton.solve(at, _tangent(best.take(twice), at), limit=_SHORT)
            if not found.accepted[0]:
                break
            best = found.take(once)
            way = found if way is None else way.joined(found)
            if found.accepted[1]:
                break
        return way

    @cached_property
    def _table(self) -> Sheet:
        """Solved points on the real axis, in ascending order."""
        x = 1.1 * self._scale * np.linspace(-1, 1, _FIRST + 1) + 1e-3 * self._scale
        sheet = self.from_above(x.astype(np.complex128))
        sheet = sheet.take(sheet.accepted)
        ends = np.column_stack([sheet.z[:-1].real, sheet.z[1:].real])
        for level in range(_LEVELS):
            if not ends.size or sheet.z.size + len(ends) > _MAX_NODES:
                break
            middle = ends.mean(axis=1)
            z = middle.astype(np.complex128)
            found = self._newton.solve(z, _predicted(sheet, z), limit=_SHORT)
            lost = np.flatnonzero(~found.accepted)
            if lost.size and level < 5:
                found.put(lost, self._beside(z[lost], sheet))
            hard = ~found.accepted | (found.steps > _EASY)
            hard &= found.accepted | (level < 5)
            sheet = sheet.joined(found)
            left, right = ends[hard].T
            ends = np.column_stack(
                [np.concatenate([left, middle[hard]]), np.concatenate([middle[hard], right])]
            )
        return sheet

    def solutions(self, z: Complex) -> Sheet:
        """Solve at points: from the table, from each other, from a little above, from the top.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            The points.

        Returns
        -------
        Sheet
            In the order of the points.
        """
        table = self._table
        if not table.z.size or not z.size:
            return self.from_above(z)
        found = self._newton.solve(z, _predicted(table, z), limit=_SHORT)
        for _ in range(3):
            # Neighbours that were solved are closer than the table.
            lost = np.flatnonzero(~found.accepted)
            if not lost.size or lost.size == z.size:
                break
            again = self._newton.solve(
                z[lost], _predicted(table.joined(found), z[lost]), limit=_SHORT
            )
            found.put(lost, again)
            if not again.accepted.any():
                break
        known = table.joined(found)
        for _ in range(2):
            # Towards a point where G is unbounded
            lost = np.flatnonzero(~found.accepted)
            way = self._way(z[lost], known) if lost.size else None
            if way is None:
                break
            known = known.joined(way)
            again = self._newton.solve(z[lost], _predicted(known, z[lost]), limit=_SHORT)
            found.put(lost, again)
            known = known.joined(again)
        lost = np.flatnonzero(~found.accepted)
        if lost.size:
            found.put(lost, self._beside(z[lost], known))
        lost = np.flatnonzero(~found.accepted)
        if lost.size:
            found.put(lost, self.from_above(z[lost]))
        return found


def _nearest(known: Complex, z: Complex) -> Integer:
    """Index of the nearest of known points in ascending order, by their real parts."""
    right = np.clip(np.searchsorted(known.real, z.real), 1, max(known.size - 1, 1))
    right = np.minimum(right, known.size - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(z - known[left]) <= np.abs(z - known[right]), left, right)


def _size(values: Complex) -> Real:
    return np.asarray(np.abs(values).max(axis=1, initial=0.0))


def _tangent(sheet: Sheet, z: Complex) -> Complex:
    """Coordinates at points along the tangents at others; those of the others where it is steep."""
    move = sheet.slopes * (z - sheet.z)[:, None]
    bold = ~(_size(move) <= _BOLD * _size(sheet.coordinates))
    return np.where(bold[:, None], sheet.coordinates, sheet.coordinates + move)


def _predicted(known: Sheet, z: Complex) -> Complex:
    """Coordinates at points from known ones in ascending order: a cubic where it is smooth."""
    guess = _tangent(known.take(_nearest(known.z, z)), z)
    if known.z.size < 2:
        return guess
    right = np.clip(np.searchsorted(known.z.real, z.real), 1, known.z.size - 1)
    low, high = known.take(right - 1), known.take(right)
    width = (high.z - low.z)[:, None]
    change = high.coordinates - low.coordinates
    first, last = low.slopes * width - change, change - high.slopes * width
    size = np.minimum(_size(low.coordinates), _size(high.coordinates))
    smooth = np.maximum(_size(first), _size(last)) <= _BOLD * size
    within = (z.real >= low.z.real) & (z.real <= high.z.real)
    smooth &= within & (np.abs(z.imag) <= np.abs(width[:, 0]))
    with np.errstate(all="ignore"):
        t = (z[:, None] - low.z[:, None]) / width
        cubic = low.coordinates + t * change + t * (1 - t) * ((1 - t) * first + t * last)
    return np.where(smooth[:, None], cubic, guess)
