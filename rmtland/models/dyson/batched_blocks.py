r"""The matrix Dyson equation of a one-hidden-layer Hessian at many points at once, on any device.

The equation is that of `rmtland.models.dyson.blocks`, applied to stacks of states by
`rmtland.models.dyson.stacked_blocks`; all points advance together
(`rmtland.models.batched_resolvents`), where units are coupled from the solution without it.
Synonyms: MDE on a GPU, batched resolvent.

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(8, 4))
>>> model = DysonHessian.of_first_layer(first, x, outputs=4, epsilon=0.5, activation="relu")
>>> z = np.array([0.5 + 0.1j, 2 + 0.1j])
>>> found = BatchedBlocks(model.equation, place_of(np)).solve(z, 1e-8)
>>> bool(np.abs(found.transform - model.solve(z).value).max() < 1e-7)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.estimate.placement import Placement
from rmtland.models.batched_resolvents import (
    BatchedSolution,
    batched_fixed_points,
    batches,
    complex_of,
    log_determinants,
    place_of,
    points_at_once,
)
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.fixed_points import STEPS, SolvedStates
from rmtland.models.dyson.half_plane import is_lower
from rmtland.models.dyson.stacked_blocks import StackedBlocks
from rmtland.typing import Array, Complex, Integer, Logical, Real

__all__ = ["BatchedBlocks", "SolvedPoints", "place_of"]

_HEIGHTS = 8
_FIRST = 1e-3  # of the start without coupling


class SolvedPoints(NamedTuple):
    """What was found at all points, on the host.

    Parameters
    ----------
    transform, potential : ndarray of complex, shape (n,)
        G, and L where it was asked for.
    residuals : ndarray, shape (n,)
        Relative changes by the last step.
    steps : ndarray of int, shape (n,)
        Applications of the equation.
    converged : ndarray of bool, shape (n,)
    """

    transform: Complex
    potential: Complex
    residuals: Real
    steps: Integer
    converged: Logical


@dataclass(frozen=True, eq=False)
class BatchedBlocks:
    """The equation at many points.

    Parameters
    ----------
    equation : BlockEquation
        Its data, on the host.
    place : Placement
        Where it is solved.
    """

    equation: BlockEquation
    place: Placement

    @cached_property
    def stacked(self) -> StackedBlocks:
        """The equation for stacks of states."""
        return StackedBlocks(self.equation, self.place)

    def solve(
        self,
        z: Complex,
        tolerance: float,
        *,
        potential: bool = False,
        states: SolvedStates | None = None,
        callback: Callable[[int], object] | None = None,
    ) -> SolvedPoints:
        """Solve at all points.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the open upper half-plane.
        tolerance : float
            Of the relative change of the states.
        potential : bool, optional
            Whether L is wanted too.
        states : SolvedStates, optional
            States to start from, of this place; those found are added.
        callback : callable, optional
            Called with the number of points that are done, after each batch.

        Returns
        -------
        SolvedPoints
        """
        n = len(z)
        both = np.full((2, n), np.nan, dtype=np.complex128)
        residuals, steps = np.empty(n), np.empty(n, dtype=np.int64)
        converged = np.zeros(n, dtype=bool)
        at_once = points_at_once(self.place, self.stacked.bytes_of_a_point)
        order = np.lexsort((-z.imag, z.real))
        for part in batches(n, at_once):
            which = order[part]
            points = z[which]
            found = self._solve_batch(points, tolerance, states)
            there = self.place.put(points)
            transform, level = self._results(there, found.states, potential)
            both[0, which], both[1, which] = transform, level
            residuals[which], steps[which] = found.residuals, found.steps
            converged[which] = found.converged & self._are_physical(found.states)
            if states is not None:
                for i in np.flatnonzero(converged[which]):
                    states.add(complex(points[i]), found.states[int(i), :])
            if callback is not None:
                callback(part.stop)
        return SolvedPoints(both[0], both[1], residuals, steps, converged)

    def _solve_batch(
        self, z: Complex, tolerance: float, states: SolvedStates | None
    ) -> BatchedSolution:
        """Solve from known states or the start; from far above what was not solved."""
        xp, place = self.place.xp, self.place
        start = self._starts(z, states)
        if not self.equation.by_unit:
            start = batched_fixed_points(
                self._units, z, start, tolerance=_FIRST, limit=STEPS, place=place
            ).states
        found = batched_fixed_points(
            self.stacked, z, start, tolerance=tolerance, limit=STEPS, place=place
        )
        bad = np.flatnonzero(~found.converged)
        if not bad.size:
            return found
        state, taken = self.stacked.start(place.put(z[bad])), np.zeros(bad.size, dtype=np.int64)
        for level in np.linspace(0.0, 1.0, _HEIGHTS):
            top = np.maximum(4.0, 4 * z[bad].imag)
            height = top ** (1 - level) * z[bad].imag ** level
            again = batched_fixed_points(
                self.stacked,
                z[bad].real + 1j * height,
                state,
                tolerance=tolerance,
                limit=STEPS,
                place=place,
            )
            state, taken = again.states, taken + again.steps
        places = np.arange(len(z))
        places[bad] = len(z) + np.arange(bad.size)
        merged = xp.take(xp.concat([found.states, state], axis=0), place.put(places), axis=0)
        residuals, steps = found.residuals.copy(), found.steps.copy()
        converged = found.converged.copy()
        residuals[bad], converged[bad] = again.residuals, again.converged
        steps[bad] += taken
        return BatchedSolution(merged, residuals, steps, converged)

    def _starts(self, z: Complex, states: SolvedStates | None) -> Array:
        """Return states to start from: continued from known ones where that may do."""
        xp, place = self.place.xp, self.place
        start = self.stacked.start(place.put(z))
        rows = [None if states is None else next(states.starts(complex(each)), None) for each in z]
        if all(row is None for row in rows):
            return start
        known = [start[i, :] if row is None else row for i, row in enumerate(rows)]
        given = xp.stack(known)
        return xp.where(self.stacked.in_half_plane(given)[:, None], given, start)

    @cached_property
    def _units(self) -> StackedBlocks:
        """The equation without coupling between hidden units."""
        return StackedBlocks(replace(self.equation, by_unit=True), self.place)

    def _results(self, z: Array, y: Array, potential: bool) -> tuple[Complex, Complex]:
        """Return G, and L where it is wanted, of solutions: one transfer."""
        xp, eq = self.place.xp, self.equation
        with np.errstate(all="ignore"):
            found = self.stacked.formed(z, y)
            level = found.trace * math.nan
            if potential:
                level = found.coupled + self._logarithms(found.inner)
                for share, matrix, schur in found.outer:
                    here = self._logarithms(matrix, diagonal=matrix.ndim == 2)
                    if schur is not None:
                        here = here + log_determinants(schur, self.place)
                    level = level + eq.outputs * share * here
            both = self.place.take(xp.stack([found.trace, level]))
        return both[0] / eq.parameter_count, both[1] / eq.parameter_count

    def _logarithms(self, w: Array, *, diagonal: bool = False) -> Array:
        """Return sums of logarithms of determinants, or of entries of diagonals, shape (b,)."""
        xp = self.place.xp
        if diagonal:
            phase = xp.atan2(xp.imag(w), xp.real(w))
            return xp.sum(complex_of(xp.log(xp.abs(w)), phase, self.place), axis=1)
        values = log_determinants(w, self.place)
        return xp.sum(values, axis=1) if values.ndim == 2 else values

    def _are_physical(self, y: Array) -> Logical:
        """Whether imaginary parts are negative semi-definite, looked at on the host."""
        n1, _, m = self.stacked.sizes
        rows = self.place.take(y)
        good = np.zeros(len(rows), dtype=bool)
        for i, row in enumerate(rows):
            if np.isfinite(row).all():
                good[i] = is_lower(row[: n1 * n1].reshape(n1, n1)) and (
                    not self.equation.has_outer or is_lower(row[n1 * n1 :].reshape(m, m))
                )
        return good
