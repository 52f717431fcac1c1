"""Points in gaps: the real root that attracts, and what is interpolated across its poles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rmtland.free.subordination.extrapolation import across_pole as interpolated_across
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.state import SubordinationState
from rmtland.laws.gaps import Gap
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Complex, Integer, Real, Support

__all__ = ["GapPoints"]

_BESIDE = (1e-3, 0.1)
"""Shares of a gap beside an atom over which its pole is taken out, the second where need be."""


@dataclass(frozen=True)
class GapPoints:
    """Solves at real points outside of the bands.

    Parameters
    ----------
    name : str
        The law, for messages.
    solver : SubordinationSolver
        The solver.
    gaps : tuple of Gap
        Gaps on the real line.
    support, atoms : tuple of (float, float)
        Bands, and places and masses of atoms.
    """

    name: str
    solver: SubordinationSolver = field(repr=False)
    gaps: tuple[Gap, ...] = field(repr=False)
    support: Support
    atoms: Atoms

    def reach(self, x: Real, *, without: float | None = None) -> Real:
        """Distance to the nearest end of a band or atom, one of these left out."""
        ends = [end for band in self.support for end in band]
        ends += [place for place, _ in self.atoms if place != without]
        return np.asarray(np.abs(x[:, None] - np.array(ends)).min(axis=1))

    def solve(self, x: Real) -> tuple[SubordinationState, Integer]:
        """Solve at real points in gaps: from the curves of the gaps, to the end on the axis.

        A root on the axis is the right one if it attracts, and is not taken otherwise; nor is it
        sought next to a zero of G, where the subordination function of an operand has a pole.
        """
        z = x.astype(np.complex128)
        state = self.solver.equation.asymptotic_state(z)
        steps = np.full(x.shape, -1, dtype=np.int64)
        for gap in self.gaps:
            here = np.flatnonzero((x > gap.low) & (x < gap.high))
            if here.size == 0:
                continue
            start = self.solver.equation.asymptotic_state(z[here])
            at = np.full(here.shape, np.nan)
            if gap.explicit:
                at = gap.coordinates_of(x[here])
                with np.errstate(all="ignore"):
                    start = self.solver.equation.state_on(gap.along(at))
            beyond = ~np.isfinite(at)
            if beyond.any():
                start.put(beyond, self._from_above(x[here[beyond]]))
            start, steps[here] = self.solver.newton(z[here], start, real=True)
            state.put(here, start)
        with np.errstate(all="ignore"):
            good = (steps > 0) & self.solver.equation.attracting(x, state)
        return state, np.where(good, steps, -np.abs(steps))

    def _from_above(self, x: Real) -> SubordinationState:
        """Approach real points in gaps from a little above; NaN where the argument changes fast."""
        height = np.clip(1e-2 * self.reach(x), 1e-300, self.solver.scale)
        state, steps = self.solver.above_axis(x + 1j * height)
        turns = self.solver.equation.argument(state) / np.pi
        steep = (np.abs(turns - np.round(turns)) > 0.1) | (steps < 0)
        state.common[steep] = np.nan
        return self.solver.equation.flattened(state)

    def across_pole(
        self,
        x: float,
        function: Callable[[Complex, SubordinationState], Complex],
        pole: Callable[[Complex], Complex],
    ) -> complex:
        """Interpolate a function of the solution in a gap, across a zero of G or beside an atom."""
        value = None
        for share in _BESIDE:
            middle, mass = x, 0.0
            for place, weight in self.atoms:
                if abs(x - place) <= share * self.reach(np.array([x]), without=place)[0]:
                    middle, mass = place, weight
            if share == _BESIDE[0] or mass:
                value = self._interpolated(x, function, middle, mass, pole)
            if value is not None:
                return value
        raise ConvergenceError(f"{self.name} did not converge next to {x}")

    def _interpolated(
        self,
        x: float,
        function: Callable[[Complex, SubordinationState], Complex],
        middle: float,
        mass: float,
        pole: Callable[[Complex], Complex],
    ) -> complex | None:
        """Interpolate across a point, or the pole of an atom there; None where it is not known."""
        reach = float(self.reach(np.array([middle]), without=middle if mass else None)[0])

        def solved(at: Real) -> tuple[Real, Complex]:
            state, steps = self.solve(at)
            good = steps > 0
            return at[good], function(at[good].astype(np.complex128), state.take(good))

        return interpolated_across(
            solved, x, middle, reach, lambda t: mass * pole(t) if mass else np.zeros_like(t)
        )
