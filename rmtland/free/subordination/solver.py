"""The solver of subordination equations: Newton's method, and continuation from above the axis.

It takes any `SubordinationEquation`. In the open half-plane and in bands the right solution is the
one inside the half-plane; where the density is below rounding it is the root on the axis next to a
solution just above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.free.continuation import Descent, descend
from rmtland.free.subordination.equation import SubordinationEquation
from rmtland.free.subordination.state import SETTLED, SubordinationState
from rmtland.typing import Complex, Integer, Real

__all__ = ["SubordinationSolver"]

_STEPS = 40
_CREPT = 1e-9  # arguments smaller than that next to an edge like a square root are rounding


@dataclass(frozen=True)
class SubordinationSolver:
    """Newton's method and continuation for one equation.

    Parameters
    ----------
    equation : SubordinationEquation
        What is solved.
    scale : float
        A length beyond which the law looks like a point.
    """

    equation: SubordinationEquation
    scale: float

    def newton(
        self,
        z: Complex,
        start: SubordinationState,
        *,
        real: bool = False,
        max_steps: int = _STEPS,
    ) -> tuple[SubordinationState, Integer]:
        """Take steps of Newton's method; their number is negative where it did not end inside.

        Inside means in the upper half-plane, or on the axis if `real`.
        """
        state = start
        steps = np.full(z.shape, -max_steps, dtype=np.int64)
        active = np.arange(z.size)
        for step in range(1, max_steps + 1):
            whole = active.size == z.size
            with np.errstate(all="ignore"):
                new, size, height = self.equation.newton_step(
                    z if whole else z[active], state if whole else state.take(active)
                )
            if whole:
                state = new
            else:
                state.put(active, new)
            # A first step that is small says less: the curvature next to an edge is large.
            done = (size <= (SETTLED if step > 1 else SETTLED / 100)) & ((height > 0) | real)
            steps[active[done]] = step
            lost = ~np.isfinite(size)
            active = active[~(done | lost)]
            if active.size == 0:
                break
        return state, steps

    def from_above(self, z: Complex, share: float = 0.0) -> Descent[SubordinationState]:
        """Solve by continuation from far above the axis; also the heights reached.

        The axis is reached in one step from 1e-13 of the scale, or beside zero from that share of
        the distance, if it is given.
        """
        floor = np.full(z.shape, 1e-13 * self.scale)
        if share:
            floor = np.where(z.real == 0, floor, np.minimum(floor, share * np.abs(z.real)))
        return descend(
            self.newton,
            self.equation.asymptotic_state,
            z,
            top=np.full(z.shape, 4 * self.scale),
            floor=np.where(z.imag > 0, z.imag, floor),
        )

    def above_axis(self, z: Complex) -> tuple[SubordinationState, Integer]:
        """Solve in the open upper half-plane."""
        state, steps = self.newton(z, self.equation.asymptotic_state(z))
        self._finish(z, state, steps)
        return state, steps

    def in_bands(self, x: Real, start: SubordinationState) -> tuple[SubordinationState, Integer]:
        """Solve at real points inside the bands from a start, by every means that there is."""
        z = x.astype(np.complex128)
        state, steps = self.newton(z, start)
        self._finish(z, state, steps)
        return state, steps

    def _finish(self, z: Complex, state: SubordinationState, steps: Integer) -> None:
        """Solve by other means where Newton's method failed; state and steps are overwritten.

        So close above the axis that the height is rounding, what holds on it is taken.
        """
        self.leave_crept(z, state, steps)
        lost = np.flatnonzero(steps < 0)
        if not lost.size:
            return
        again, steps[lost], height = self.from_above(z[lost])
        state.put(lost, again)
        close = (steps[lost] < 0) & (height <= 1e-10 * self.scale)
        close &= z.imag[lost] <= 1e-13 * self.scale
        if close.any():
            thin = lost[close]
            flat, counts = self._real_root_below_rounding(
                z.real[thin], state.take(thin), height[close]
            )
            state.put(thin[counts > 0], flat.take(counts > 0))
            steps[thin] = counts
        left = np.flatnonzero((steps < 0) & (z.imag == 0) & (np.abs(z.real) < 1e-9 * self.scale))
        if left.size and self.equation.diverges_at_zero:
            again, counts, _ = self.from_above(z[left], share=1e-3)
            state.put(left[counts > 0], again.take(counts > 0))
            steps[left] = counts

    def leave_crept(self, z: Complex, state: SubordinationState, steps: Integer) -> None:
        """Solve again where Newton's method crept onto a root of the axis that is another solution.

        Steps that are cut at the axis come as near to a root on it as rounding allows. The root is
        the solution only if it is an attracting fixed point, as in gaps. State and steps are
        overwritten.
        """
        equation = self.equation
        with np.errstate(all="ignore"):
            close = np.abs(np.sin(equation.argument(state))) < _CREPT
            near = np.flatnonzero(close & (steps > 0) & (z.imag <= 1e-12 * self.scale))
            if near.size:
                flat = equation.flattened(state.take(near))
                near = near[~equation.attracting(z.real[near], flat)]
        if near.size:
            again, count, _ = self.from_above(z[near])
            inside = count > 0
            state.put(near[inside], again.take(inside))
            steps[near[inside]] = count[inside]

    def _real_root_below_rounding(
        self, x: Real, state: SubordinationState, height: Real
    ) -> tuple[SubordinationState, Integer]:
        """Solve where the density is below rounding: the real root next to a state just above."""
        z = x.astype(np.complex128)
        equation = self.equation
        with np.errstate(all="ignore"):
            flat, steps = self._newton_on_axis(z, equation.flattened(state))
            above = equation.stieltjes(z + 1j * height, state)
            slope = equation.stieltjes_slope(z + 1j * height, state)
            moved = np.abs(equation.stieltjes(z, flat) - above)
            # Beside a zero of G what counts is not G, but its unit.
            unit = np.maximum(np.abs(above), 1 / self.scale)
            # Next to an edge the slope is large without limit; the root moves as sqrt(height).
            reach = np.minimum(10 * height * np.abs(slope), 1e-5 * unit)
            near = (steps > 0) & (moved <= reach + 1e-13 * np.abs(above))
            small = np.abs(above.imag) <= 1e-9 * np.abs(above)
            small |= np.abs(above.imag - height * slope.real) <= 1e-9 * np.abs(above) + 1e-15 * unit
            # Where even the real root is lost in rounding, the state just above has to do.
            close = small & ~near & (height * np.abs(slope) <= 1e-12 * np.abs(above))
        flat.put(close, state.take(close))
        return flat, np.where((near & small) | close, np.abs(steps), -np.abs(steps))

    def _newton_on_axis(
        self, z: Complex, start: SubordinationState
    ) -> tuple[SubordinationState, Integer]:
        """Take steps of Newton's method to solutions on the axis, or off it by rounding.

        A point in an operand's band where that has hardly any density is not quite real; steps
        would be cut at the axis, to which they are put back one by one. Steps that were on it
        anyway would be the same once more.
        """
        equation = self.equation
        state, steps = self.newton(z, start, real=True)
        on_axis = equation.on_axis(state)
        steps = np.where(on_axis, steps, -np.abs(steps))
        lost = np.flatnonzero(~on_axis)
        here = start.take(lost)
        for _ in range(_STEPS):
            if not lost.size:
                break
            new, count = self.newton(z[lost], here, real=True, max_steps=1)
            beside = np.abs(np.sin(equation.argument(new))) < _CREPT
            here = equation.flattened(new)
            done = (count > 0) & beside
            state.put(lost[done], here.take(done))
            steps[lost[done]] = np.abs(steps[lost[done]])
            lost, here = lost[~done & beside], here.take(~done & beside)
        return state, steps
