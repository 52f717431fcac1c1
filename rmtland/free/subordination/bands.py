"""States inside the bands: tables that are solved once, from which other points start."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from rmtland.free.subordination.last_solved import LastSolved
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.state import SubordinationState, extrapolated, interpolated
from rmtland.typing import Complex, Integer, Real, Support

__all__ = ["BandTable", "BandTables", "PlainTables"]

_NODES = 200
_ORDER = 6
"""Number of neighbours that a start is interpolated from."""
_BERNSTEIN = np.array(
    [[math.comb(j, i) / math.comb(_ORDER - 1, i) for i in range(_ORDER)] for j in range(_ORDER)]
)
"""Monomials' coefficients to those of Bernstein's basis, which bound a polynomial on [0, 1]."""


@dataclass(frozen=True)
class BandTable:
    """Points that were solved, ascending, their coordinates, and the states there."""

    points: Real
    coordinates: Real
    state: SubordinationState

    @cached_property
    def _polynomials(self) -> SubordinationState:
        """The coefficients of every row in every cell, of shape (order, cells)."""
        return self.state.mapped(partial(_polynomials, self.coordinates))

    def start(self, t: Real) -> SubordinationState:
        """Return approximate states at coordinates, constant beyond the first and the last.

        So close that in most places one step of Newton's method does.
        """
        nodes = self.coordinates
        if nodes.size < _ORDER:
            return self.state.mapped(partial(interpolated, t, nodes))
        cell = np.clip(np.searchsorted(nodes, t, side="right") - 1, 0, nodes.size - 2)
        low = nodes[cell]
        share = np.clip((t - low) / (nodes[cell + 1] - low), 0.0, 1.0)

        def along(coefficients: Complex) -> Complex:
            value: Complex = coefficients[-1].take(cell)
            for row in coefficients[-2::-1]:
                value *= share
                value += row.take(cell)
            return value

        return self._polynomials.mapped(along)

    def beyond(self, x: Real) -> SubordinationState:
        """Return approximate states between zero and the first point, where zero is a hard edge.

        Of states that are logarithms: these are linear in log x there.
        """
        share = np.log(x / self.points[0]) / np.log(self.points[0] / self.points[1])
        near = self.state.take(np.zeros(x.shape, dtype=np.intp))
        return extrapolated(near, self.state.take(np.ones(x.shape, dtype=np.intp)), share)


class BandTables(abc.ABC):
    """Solves inside bands, or parts of them (panels), from a table for each."""

    solver: SubordinationSolver
    panels: Support
    hard_zero: bool = False
    """Whether a band begins at zero with a hard edge, and states are logarithms."""

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

    @cached_property
    def _last(self) -> LastSolved:
        return LastSolved()

    def solve(self, x: Real) -> tuple[SubordinationState, Integer]:
        """Return states and steps, negative where it did not converge, at points of the bands."""
        return self._last(self._solved, x)

    def _solved(self, x: Real) -> tuple[SubordinationState, Integer]:
        state = None
        for k, (low, high) in enumerate(self.panels):
            here = (x > low) & (x < high)
            if not here.any():
                continue
            table = self.table(k)
            if table.coordinates.size:
                start = table.start(self.coordinate(x[here], low, high))
                if self.hard_zero and low == 0 and table.points.size > 1:
                    near = np.flatnonzero(x[here] < table.points[0])
                    if near.size:
                        start.put(near, table.beyond(x[here][near]))
                if here.all():
                    return self.solver.in_bands(x, start)
                if state is None:
                    state = self.solver.equation.asymptotic_state(x.astype(np.complex128))
                state.put(here, start)
        if state is None:
            state = self.solver.equation.asymptotic_state(x.astype(np.complex128))
        return self.solver.in_bands(x, state)


@dataclass(frozen=True)
class PlainTables(BandTables):
    """Tables at Chebyshev points: angles t in x = low + (high - low) sin(t/2)^2."""

    solver: SubordinationSolver
    panels: Support
    hard_zero: bool = False

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


def _polynomials(nodes: Real, row: Complex) -> Complex:
    """Return polynomials through neighbours, in the share of the cell between the inner two.

    Where an imaginary part comes closer to zero than half of what it is at both ends of the cell,
    the chord is taken instead: a start has to be inside the half-plane.
    """
    cells = np.arange(nodes.size - 1)
    first = np.clip(cells - _ORDER // 2 + 1, 0, nodes.size - _ORDER)
    around = first[:, None] + np.arange(_ORDER)
    shares = (nodes[around] - nodes[cells, None]) / np.diff(nodes)[:, None]
    powers = shares[:, :, None] ** np.arange(_ORDER)
    found = np.linalg.solve(powers, row[around][:, :, None])[:, :, 0].T
    left, right = row[:-1].imag, row[1:].imag
    least = np.minimum(np.abs(left), np.abs(right)) / 2
    good = (np.sign(left) * (_BERNSTEIN @ found.imag) >= least).all(axis=0)
    good &= (left * right > 0) & np.isfinite(found).all(axis=0)
    chord = np.zeros_like(found)
    chord[0], chord[1] = row[:-1], np.diff(row)
    return np.where(good, found, chord)
