"""States inside the bands: tables that are solved once, from which other points start."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.state import SubordinationState, interpolated
from rmtland.typing import Integer, Real, Support

__all__ = ["BandTable", "BandTables", "PlainTables"]

_NODES = 200


@dataclass(frozen=True)
class BandTable:
    """Points that were solved, ascending, their coordinates, and the states there."""

    points: Real
    coordinates: Real
    state: SubordinationState


class BandTables(abc.ABC):
    """Solves inside bands, or parts of them (panels), from a table for each."""

    solver: SubordinationSolver
    panels: Support

    @abc.abstractmethod
    def table(self, k: int) -> BandTable:
        """Return the table of a panel, made when it is first asked for."""

    @abc.abstractmethod
    def coordinate(self, x: Real, low: float, high: float) -> Real:
        """Coordinate of a table on a panel, in which its states are smooth."""

    def solved(self, band: tuple[float, float]) -> tuple[Real, SubordinationState]:
        """Return the points inside a band that its tables solved, ascending, and states there."""
        low, high = band
        tables = [
            self.table(k)
            for k, (left, right) in enumerate(self.panels)
            if low <= left < right <= high
        ]
        filled = [table for table in tables if table.points.size] or tables[:1]
        x = np.concatenate([table.points for table in filled])
        state = SubordinationState.stacked([table.state for table in filled])
        inside = np.flatnonzero((x > low) & (x < high))
        return x[inside], state.take(inside)

    def solve(self, x: Real) -> tuple[SubordinationState, Integer]:
        """Return states and steps, negative where it did not converge, at points of the bands."""
        state = self.solver.equation.asymptotic_state(x.astype(np.complex128))
        for k, (low, high) in enumerate(self.panels):
            here = (x > low) & (x < high)
            if not here.any():
                continue
            table = self.table(k)
            if table.coordinates.size:
                t = self.coordinate(x[here], low, high)
                start = table.state.mapped(partial(interpolated, t, table.coordinates))
                if here.all():
                    return self.solver.in_bands(x, start)
                state.put(here, start)
        return self.solver.in_bands(x, state)


@dataclass(frozen=True)
class PlainTables(BandTables):
    """Tables at Chebyshev points: angles t in x = low + (high - low) sin(t/2)^2."""

    solver: SubordinationSolver
    panels: Support

    @cached_property
    def _tables(self) -> dict[int, BandTable]:
        """What `table` made so far."""
        return {}

    def coordinate(self, x: Real, low: float, high: float) -> Real:
        """Angle t of a point."""
        return np.asarray(2 * np.arcsin(np.sqrt((x - low) / (high - low))))

    def table(self, k: int) -> BandTable:
        """Return the table of a band: few nodes from far above, the others from between them."""
        if k not in self._tables:
            low, high = self.panels[k]
            angles, state = np.empty(0), None
            for count in (_NODES // 8, _NODES):
                nodes = np.pi * (np.arange(count) + 0.5) / count
                z = (low + (high - low) * np.sin(nodes / 2) ** 2).astype(np.complex128)
                if angles.size < 8 or state is None:
                    state, steps, _ = self.solver.from_above(z)
                else:
                    start = state.mapped(partial(interpolated, nodes, angles))
                    state, steps = self.solver.newton(z, start)
                    self.solver.leave_crept(z, state, steps)
                    lost = np.flatnonzero(steps < 0)
                    again, steps[lost], _ = self.solver.from_above(z[lost])
                    state.put(lost, again)
                angles, state = nodes[steps > 0], state.take(steps > 0)
            assert state is not None
            x = low + (high - low) * np.sin(angles / 2) ** 2
            self._tables[k] = BandTable(x, angles, state)
        return self._tables[k]
