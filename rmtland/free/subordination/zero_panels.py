"""Tables for bands around zero: panels that end there, with states ever closer to it.

Next to zero the density of a product with a signed factor may be unbounded, or the law have an atom
inside the band; in logarithms of the points the states are smooth there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.free.subordination.bands import BandTable, BandTables
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.state import SubordinationState, extrapolated
from rmtland.typing import Real, Support

__all__ = ["ZeroPanels"]

_NODES = 160


@dataclass(frozen=True)
class ZeroPanels(BandTables):
    """Tables on panels, of which none has zero inside.

    Parameters
    ----------
    solver : SubordinationSolver
        The solver.
    panels : tuple of (float, float)
        Bands, cut at zero.
    nearest : float
        Distance from zero down to which points are added.
    """

    solver: SubordinationSolver
    panels: Support
    nearest: float

    def coordinate(self, x: Real, low: float, high: float) -> Real:
        """Angle, or beside zero a logarithm."""
        return _coordinate(x, low, high)

    def table(self, k: int) -> BandTable:
        """Return the table of a panel; all of them are made together."""
        return self._tables[k]

    @cached_property
    def _tables(self) -> tuple[BandTable, ...]:
        angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
        tables = []
        for low, high in self.panels:
            x = low + (high - low) * np.sin(angles / 2) ** 2
            if high == 0:
                x = low * np.cos(angles / 2) ** 2
            state, steps, _ = self.solver.from_above(x.astype(np.complex128))
            kept = np.flatnonzero(steps > 0)
            x, state = x[kept], state.take(kept)
            if kept.size > 1 and 0 in (low, high) and low != high:
                x, state = self._with_ladder(x, state, low == 0)
            # On a panel of few floating-point numbers some nodes are the same
            t, order = np.unique(_coordinate(x, low, high), return_index=True)
            tables.append(BandTable(x[order], t, state.take(order)))
        return tuple(tables)

    def _with_ladder(
        self, x: Real, state: SubordinationState, rising: bool
    ) -> tuple[Real, SubordinationState]:
        """Add states at points ever closer to zero, each started from the last two."""
        order = np.argsort(np.abs(x))[:2]
        points, states = [x], [state]
        last, here = state.take(order[1:]), state.take(order[:1])
        far, at = float(abs(x[order[1]])), float(abs(x[order[0]]))
        while at > self.nearest:
            new = max(at * 3e-2, self.nearest)
            share = math.log(new / at) / math.log(at / far)
            start = extrapolated(here, last, share)
            z = np.array([new if rising else -new], dtype=np.complex128)
            found, steps = self.solver.newton(z, start)
            if steps[0] < 0:
                found, steps = self.solver.newton(z, here)
            if steps[0] < 0:
                break
            points.append(z.real)
            states.append(found)
            last, here, far, at = here, found, at, new
        return np.concatenate(points), SubordinationState.stacked(states)


def _coordinate(x: Real, low: float, high: float) -> Real:
    """Coordinate of a table on a panel: an angle, or beside zero a logarithm."""
    t = 2 * np.arcsin(np.sqrt(np.clip((x - low) / (high - low), 0, 1)))
    if low == 0:
        near = 1e-4 * high
        return np.where(x < near, np.log(x / near) + 2e-2, t)
    if high == 0:
        near = 1e-4 * low
        return np.where(x > near, np.pi - 2e-2 - np.log(x / near), t)
    return np.asarray(t)
