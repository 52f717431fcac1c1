r"""Subordination: free sums, powers and products of any laws, solved at the real axis.

For a free sum there are subordination functions :math:`\omega_i` of the upper half-plane into
itself with :math:`F_i(\omega_i(z)) = F(z)`, F = 1/G. With real powers :math:`t_i` (a law added to
itself t times, T their sum) they solve

.. math:: z = (1 - T) F + \sum_i t_i \omega_i, \qquad F_i(\omega_i) = F .

For a free product of positive laws, with :math:`M(z) = z G(z) - 1`,

.. math:: z = \Bigl(\frac{m}{1 + m}\Bigr)^{n - 1} \prod_i \omega_i, \qquad M_i(\omega_i) = m .

Either way the solution is the fixed point of an analytic map of the upper half-plane into itself,
so there is at most one with Im omega > 0 -- for real z as well (Denjoy-Wolff theorem) [1]_. A root
that Newton's method finds inside the half-plane is therefore the right one, and it is the boundary
value itself: no point is ever shifted off the real axis. With three factors or more, inside means
that points of partial products are there, too: the arguments of the omega_i and of m/(1 + m) add up
to that of z, where other solutions are off by a multiple of 2 pi. Starting values are continued
from large Im z, once for a table, and interpolated after that.

The logarithmic potentials, and with them the distribution functions, come without quadrature:

.. math::
    L = \sum_i t_i L_i(\omega_i) + (T - 1) \log G \quad \text{(sum)}, \qquad
    L = \sum_i L_i(\omega_i) + (n - 1) \log m \quad \text{(product)} .

References
----------
.. [1] S. T. Belinschi and H. Bercovici, A new approach to subordination results in free
       probability, Journal d'Analyse Mathematique 101 (2007) 357-365.
"""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.free.subordination.gaps import (
    Curve,
    Gap,
    Run,
    Swept,
    bands_between,
    bundle,
    complement,
    plain_gap,
    sweep,
)
from rmtland.laws.law import Atoms, Complex, Law, Real, Support, upper_half_plane
from rmtland.solution import ConvergenceError, Solution, Status

__all__ = ["FEW_COMPONENTS", "MOST_COMPONENTS", "State", "SubordinatedLaw", "error_of"]

_STEPS = 40
_NODES = 200
FEW_COMPONENTS = 40
"""Choices of components of the operands' complements that are all swept one by one."""
MOST_COMPONENTS = 400
"""Promising choices of components that are swept one by one."""


@dataclass(frozen=True)
class State:
    """Common value (F or log m) and subordination functions (or their logarithms), row by row.

    `inner` holds the states of those operands that are made by subordination themselves, at their
    subordination points: what the next solution there starts from.
    """

    common: Complex
    omegas: tuple[Complex, ...]
    inner: tuple[State | None, ...]

    def mapped(self, function: Callable[[Complex], Complex]) -> State:
        """Return the state with a function applied to every row."""
        return State(
            function(self.common),
            tuple(function(omega) for omega in self.omegas),
            tuple(None if state is None else state.mapped(function) for state in self.inner),
        )

    def take(self, index: Any) -> State:
        """Return the state at some of the points."""
        return self.mapped(lambda row: row[index])

    def put(self, index: Any, other: State) -> None:
        """Overwrite the state at some of the points."""
        self.common[index] = other.common
        for mine, theirs in zip(self.omegas, other.omegas, strict=True):
            mine[index] = theirs
        for nested, new in zip(self.inner, other.inner, strict=True):
            if nested is not None and new is not None:
                nested.put(index, new)


class SubordinatedLaw(Law):
    """A law made from operands by subordination; see the module for the equations."""

    operands: tuple[Law, ...]

    def __getstate__(self) -> dict[str, Any]:
        # What was computed on the way is left behind.
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    # What a sum or a product provides ------------------------------------------------------------

    @abc.abstractmethod
    def _far(self, z: Complex) -> State:
        """Approximate state for |z| large."""

    @abc.abstractmethod
    def _step(self, z: Complex, state: State) -> tuple[State, Real, Real, Real]:
        """One Newton step: the new state, its relative size, the least Im omega, the defect."""

    @abc.abstractmethod
    def _argument(self, state: State) -> Real:
        """Argument of F or m: a multiple of pi on the real axis."""

    @abc.abstractmethod
    def _attracting(self, x: Real, state: State) -> NDArray[np.bool_]:
        """Whether real solutions are attracting fixed points, as they are in gaps."""

    def _flat(self, state: State) -> State:
        """Put the state onto the real axis."""
        return state.mapped(lambda row: row.real.astype(np.complex128))

    @abc.abstractmethod
    def _value_of(self, z: Complex, state: State) -> Complex:
        """G at the solution."""

    @abc.abstractmethod
    def _slope_of(self, z: Complex, state: State) -> Complex:
        """G' at the solution."""

    @abc.abstractmethod
    def _potential_of(self, z: Complex, state: State) -> Complex:
        """L at the solution."""

    @abc.abstractmethod
    def _swept(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the leading one of the operands' gaps."""

    @abc.abstractmethod
    def _state_of(self, curve: Curve) -> State:
        """State on the real axis at points of a gap."""

    @abc.abstractmethod
    def _steepness(self, curve: Curve) -> Real:
        """Slope of an operand's subordination point (or its logarithm) in the common value."""

    def _components(self, law: Law) -> list[Gap]:
        """Components of an operand's complement that may leave gaps."""
        return complement(law)

    def _poles(self, component: Gap) -> Real:
        """Coordinates on the leading component at poles of explicit operands, which bands hold."""
        return np.empty(0)

    @property
    @abc.abstractmethod
    def _hull(self) -> tuple[float, float]:
        """Bounds of the support, not necessarily sharp."""

    @property
    @abc.abstractmethod
    def _scale(self) -> float:
        """A length beyond which the law looks like a point."""

    # The support ------------------------------------------------------------------------------

    @cached_property
    def _gap_list(self) -> tuple[Gap, ...]:
        places = [place for place, _ in self.atoms]

        def settled(end: float) -> float:
            # An atom is the limit of an infinite transform; the samples come close to it.
            near = [place for place in places if abs(place - end) <= 1e-10 * self._scale]
            return near[0] if near else end

        # What is narrower than this is rounding at a point where the condition is just missed.
        least = 1e-11 * self._scale
        gaps = [
            replace(gap, low=settled(gap.low), high=settled(gap.high))
            for gap in sorted(self._gaps(), key=lambda gap: (gap.low, gap.high))
            if gap.high - gap.low > least
        ]
        # An atom inside a gap, which explicit operands pass through smoothly, divides it.
        for place in places:
            for i, gap in enumerate(gaps):
                if gap.low < place < gap.high:
                    s = float(gap.coordinates_of(np.array([place]))[0])
                    start = -1.0 if gap.high == np.inf else 0.0
                    gaps[i : i + 1] = [
                        gap.part(Run(gap.low, place, start, s)),
                        gap.part(Run(place, gap.high, s, start + 1.0)),
                    ]
        overlap = any(a.high > b.low + 1e-9 * self._scale for a, b in itertools.pairwise(gaps))
        if not gaps or gaps[0].low > -np.inf or gaps[-1].high < np.inf or overlap:
            raise ConvergenceError(f"the support of {self} could not be determined: gaps {gaps}")
        return tuple(gaps)

    @cached_property
    def support(self) -> Support:
        """Intervals of the continuous part, between the gaps."""
        return bands_between(self._gap_list)

    @property
    @abc.abstractmethod
    def atoms(self) -> Atoms:
        """Point masses by the exact criteria."""

    def _gaps(self) -> list[Gap]:
        """Gaps of the support on the real line, the outermost included, in any order."""
        lead = next(
            (i for i, law in enumerate(self.operands) if isinstance(law, SubordinatedLaw)), 0
        )
        choices = [self._components(law) for law in self.operands]
        chosen = list(itertools.islice(itertools.product(*choices), FEW_COMPONENTS + 1))
        if len(chosen) > FEW_COMPONENTS:
            chosen = self._promising(choices)
        if len(chosen) > MOST_COMPONENTS:
            return self._gaps_by_grid()
        gaps = []
        for components in chosen:
            place = partial(self._swept, components, lead)
            whole = Gap(-np.inf, np.inf, lambda s, place=place: place(s).curve)  # type: ignore[misc]
            outer = all(component.through_infinity for component in components)
            poles = self._poles(components[lead])
            gaps += [
                whole.part(run)
                for run in sweep(place, components[lead], through_infinity=outer, poles=poles)
            ]
        return gaps

    def _promising(self, choices: list[list[Gap]]) -> list[tuple[Gap, ...]]:
        """Choices of components that may leave a gap, by a few samples on each of very many.

        The slope condition is that slopes d omega / d F, which are below 1, add up to more than
        their number less one. One bounded component at a time, the others through infinity, is
        kept where its slope is at least half of what is missing at a sample.
        """
        outer = [next(gap for gap in choice if gap.through_infinity) for choice in choices]
        shares = np.sin(np.linspace(0, np.pi / 2, 14)[1:-1]) ** 2
        chosen = [tuple(outer)]
        strong: list[list[tuple[Gap, float]]] = []
        for i, (law, choice) in enumerate(zip(self.operands, choices, strict=True)):
            inner = [gap for gap in choice if not gap.through_infinity]
            strong.append([])
            if not inner:
                continue
            many = bundle(law, inner)
            s = (np.arange(len(inner))[:, None] + shares).ravel()
            row = tuple(many if j == i else gap for j, gap in enumerate(outer))
            swept = self._swept(row, i, s)
            close = np.any((swept.sign > -swept.lead).reshape(len(inner), -1), axis=1).tolist()
            chosen += [
                tuple(gap if j == i else other for j, other in enumerate(outer))
                for gap, near in zip(inner, close, strict=True)
                if near
            ]
            slopes = np.nan_to_num(self._steepness(many.along(s)), nan=0.0)
            steep = slopes.reshape(len(inner), -1).max(axis=1)
            strong[-1] = [
                (gap, share)
                for gap, share in zip(inner, steep.tolist(), strict=True)
                if share > 0.02
            ]
        for count in range(2, len(choices) + 1):
            for places in itertools.combinations(range(len(choices)), count):
                if math.prod(len(strong[i]) for i in places) > 10**6:
                    return [tuple(outer)] * (MOST_COMPONENTS + 1)
                for pairs in itertools.product(*(strong[i] for i in places)):
                    if 1.2 * sum(share for _, share in pairs) > count - 1:
                        several = list(outer)
                        for i, (gap, _) in zip(places, pairs, strict=True):
                            several[i] = gap
                        chosen.append(tuple(several))
        return chosen

    def _gaps_by_grid(self) -> list[Gap]:
        """Gaps of a law whose operands have too many of their own: seen on a grid of points.

        A point is in a band where the solver settles inside the half-plane. Ends are bisected, to
        about 1e-8 of the hull; what is narrower than a 1500th of the hull can be missed.
        """
        low, high = self._hull
        x = np.linspace(low, high, 1501)

        def in_band(at: Real) -> NDArray[np.bool_]:
            return np.asarray(self._continued(at.astype(np.complex128))[1] > 0)

        band = in_band(x)
        turns = np.flatnonzero(band[1:] != band[:-1])
        left, right, rising = x[turns], x[turns + 1], band[turns + 1]
        for _ in range(30):
            middle = (left + right) / 2
            same = in_band(middle) == rising
            left, right = np.where(same, left, middle), np.where(same, middle, right)
        ends = ((left + right) / 2).tolist()
        if band[0]:
            ends.insert(0, low)
        if band[-1]:
            ends.append(high)
        pairs = zip([-np.inf, *ends[1::2]], [*ends[::2], np.inf], strict=True)
        return [plain_gap(self, left, right) for left, right in pairs]

    # The solver ---------------------------------------------------------------------------------

    def _newton(
        self, z: Complex, start: State, *, real: bool = False, most: int = _STEPS
    ) -> tuple[State, NDArray[np.int64]]:
        """At most so many steps of Newton; their number is negative where it did not settle inside.

        Inside means in the upper half-plane, or on the axis if `real`.
        """
        state = start.mapped(np.copy)
        steps = np.full(z.shape, -most, dtype=np.int64)
        active = np.arange(z.size)
        for step in range(1, most + 1):
            with np.errstate(all="ignore"):
                new, size, height, _ = self._step(z[active], state.take(active))
            state.put(active, new)
            done = (size <= 1e-8) & ((height > 0) | real)
            steps[active[done]] = step
            lost = ~np.isfinite(size)
            active = active[~(done | lost)]
            if active.size == 0:
                break
        return state, steps

    def _inner_far(self, omegas: tuple[Complex, ...]) -> tuple[State | None, ...]:
        """Approximate states of the nested operands at points far away."""
        return tuple(
            law._far(omega) if isinstance(law, SubordinatedLaw) else None
            for law, omega in zip(self.operands, omegas, strict=True)
        )

    def _operand_jet(
        self, i: int, omega: Complex, inner: State | None
    ) -> tuple[Complex, Complex, State | None]:
        """G and G' of an operand, NaN where there is no solution, and its own state."""
        law = self.operands[i]
        if inner is None or not isinstance(law, SubordinatedLaw):
            return *law._jet(omega), None
        # Newton from the last state; steps that are too large for it are for the caller to cut.
        value = np.full(omega.shape, complex(np.nan, np.nan))
        slope = value.copy()
        state = inner.mapped(np.copy)
        above = np.flatnonzero(omega.imag > 0)
        new, steps = law._newton(omega[above], inner.take(above), most=12)
        settled = steps > 0
        above, new = above[settled], new.take(settled)
        state.put(above, new)
        value[above] = law._value_of(omega[above], new)
        slope[above] = law._slope_of(omega[above], new)
        axis = np.flatnonzero(omega.imag == 0)
        if axis.size:
            value[axis], slope[axis] = law._jet(omega[axis])
        return value, slope, state

    def _continued(self, z: Complex) -> tuple[State, NDArray[np.int64], Real]:
        """Solve by continuation from far above the axis; also the heights reached."""
        height = np.maximum(4 * self._scale, z.imag)
        at = z.real + 1j * height
        state, steps = self._newton(at, self._far(at))
        total = np.abs(steps)
        alive = steps > 0
        factor = np.full(z.shape, 0.5)
        floor = np.where(z.imag > 0, z.imag, 1e-13 * self._scale)
        for _ in range(400):
            todo = np.flatnonzero(alive & (height > z.imag))
            if todo.size == 0:
                break
            lower = height[todo] * factor[todo]
            lower = np.where(lower <= floor[todo], z.imag[todo], lower)
            at = z.real[todo] + 1j * lower
            new, more = self._newton(at, state.take(todo))
            total[todo] += np.abs(more)
            good = more > 0
            state.put(todo[good], new.take(good))
            height[todo[good]] = lower[good]
            factor[todo] = np.where(
                good, np.maximum(factor[todo] ** 1.5, 0.05), factor[todo] ** 0.5
            )
            alive[todo] &= factor[todo] < 0.9999
        solved = alive & (height <= z.imag)
        return state, np.where(solved, total, -total), height

    @cached_property
    def _tables(self) -> dict[int, tuple[Real, State]]:
        """What `_table` made so far."""
        return {}

    def _table(self, k: int) -> tuple[Real, State]:
        """Angles t in x = low + (high - low) sin(t/2)^2 for a band, and the states there.

        A few nodes are continued from far above, the others start between them.
        """
        if k not in self._tables:
            low, high = self.support[k]
            angles, state = np.empty(0), None
            for count in (_NODES // 8, _NODES):
                nodes = np.pi * (np.arange(count) + 0.5) / count
                z = (low + (high - low) * np.sin(nodes / 2) ** 2).astype(np.complex128)
                if angles.size < 8 or state is None:
                    state, steps, _ = self._continued(z)
                else:
                    state, steps = self._newton(
                        z, state.mapped(partial(_interpolated, nodes, angles))
                    )
                    lost = np.flatnonzero(steps < 0)
                    again, steps[lost], _ = self._continued(z[lost])
                    state.put(lost, again)
                angles, state = nodes[steps > 0], state.take(steps > 0)
            assert state is not None
            self._tables[k] = angles, state
        return self._tables[k]

    def _inside(self, x: Real) -> tuple[State, NDArray[np.int64]]:
        """Solve at real points inside the bands."""
        z = x.astype(np.complex128)
        state = self._far(z)
        for k, (low, high) in enumerate(self.support):
            here = (x > low) & (x < high)
            if not here.any():
                continue
            angles, table = self._table(k)
            if angles.size:
                t = 2 * np.arcsin(np.sqrt((x[here] - low) / (high - low)))
                state.put(here, table.mapped(partial(_interpolated, t, angles)))
        return self._settled(x, state)

    def _settled(self, x: Real, start: State) -> tuple[State, NDArray[np.int64]]:
        """Solve at real points inside the bands from a start, by every means that there is."""
        z = x.astype(np.complex128)
        state, steps = self._newton(z, start)
        lost = np.flatnonzero(steps < 0)
        if lost.size:
            again, steps[lost], height = self._continued(z[lost])
            state.put(lost, again)
            close = (steps[lost] < 0) & (height <= 1e-10 * self._scale)
            if close.any():
                thin = lost[close]
                flat, counts = self._barely_inside(x[thin], state.take(thin), height[close])
                state.put(thin[counts > 0], flat.take(counts > 0))
                steps[thin] = counts
            self._beside_ends(x, state, steps)
        return state, steps

    def _beside_ends(self, x: Real, state: State, steps: NDArray[np.int64]) -> None:
        """Overwrite what is lost in the rounding next to an end where the density vanishes.

        At distance d the real part is a + b d, and the imaginary part goes like sqrt(d).
        """
        for low, high in self.support:
            unit = 1e-9 * (high - low)
            if not 0 < 1e-12 * self._scale < unit:
                continue
            for end, inward in ((low, unit), (high, -unit)):
                share = (x - end) / inward
                here = np.flatnonzero(
                    (steps < 0) & (share > 0) & (share * unit <= 1e-12 * self._scale)
                )
                if here.size == 0:
                    continue
                at = end + inward * np.array([1.0, 4.0])
                pair, count = self._inside(at)
                near, far = self._value_of(at.astype(np.complex128), pair)
                if count.min() < 0 or not abs(far.imag / near.imag - 2) < 1e-3:
                    continue

                def between(row: Complex, d: Real = share[here]) -> Complex:
                    slope = (row[1].real - row[0].real) / 3
                    real = row[0].real + slope * (d - 1)
                    lead = (8 * row[0].imag - row[1].imag) / 6
                    return np.asarray(real + 1j * lead * np.sqrt(d))

                state.put(here, pair.mapped(between))
                steps[here] = 1

    def _barely_inside(
        self, x: Real, state: State, height: Real
    ) -> tuple[State, NDArray[np.int64]]:
        """Solve where the density is below rounding: the real root next to a state just above."""
        z = x.astype(np.complex128)
        with np.errstate(all="ignore"):
            flat, steps = self._newton(z, self._flat(state), real=True)
            above = self._value_of(z + 1j * height, state)
            slope = self._slope_of(z + 1j * height, state)
            moved = np.abs(self._value_of(z, flat) - above)
            # Next to an edge the slope is large without limit; the root moves as sqrt(height).
            reach = np.minimum(10 * height * np.abs(slope), 1e-5 * np.abs(above))
            near = (steps > 0) & (moved <= reach + 1e-13 * np.abs(above))
            small = np.abs(above.imag) <= 1e-9 * np.abs(above)
            # Where even the real root is lost in rounding, the state just above has to do.
            close = small & ~near & (height * np.abs(slope) <= 1e-12 * np.abs(above))
        flat.put(close, state.take(close))
        return flat, np.where((near & small) | close, np.abs(steps), -np.abs(steps))

    def _above(self, z: Complex) -> tuple[State, NDArray[np.int64]]:
        """Solve in the open upper half-plane."""
        state, steps = self._newton(z, self._far(z))
        lost = np.flatnonzero(steps < 0)
        again, steps[lost], _ = self._continued(z[lost])
        state.put(lost, again)
        return state, steps

    def _outside(self, x: Real) -> tuple[State, NDArray[np.int64]]:
        """Solve at real points in gaps: from the curves of the gaps, to the end on the axis.

        A root on the axis is the right one if it attracts, and is not taken otherwise; nor is it
        sought next to a zero of G, where the subordination function of an operand has a pole.
        """
        z = x.astype(np.complex128)
        state = self._far(z)
        steps = np.full(x.shape, -1, dtype=np.int64)
        for gap in self._gap_list:
            here = np.flatnonzero((x > gap.low) & (x < gap.high))
            if here.size == 0:
                continue
            start = self._far(z[here])
            at = np.full(here.shape, np.nan)
            if gap.explicit:
                at = gap.coordinates_of(x[here])
                with np.errstate(all="ignore"):
                    start = self._state_of(gap.along(at))
            beyond = ~np.isfinite(at)
            if beyond.any():
                start.put(beyond, self._descended(x[here[beyond]]))
            start, steps[here] = self._newton(z[here], start, real=True)
            state.put(here, start)
        with np.errstate(all="ignore"):
            good = (steps > 0) & self._attracting(x, state)
        return state, np.where(good, steps, -np.abs(steps))

    def _descended(self, x: Real) -> State:
        """Approach real points in gaps from a little above; NaN where the argument changes fast."""
        height = np.clip(1e-2 * self._reach(x), 1e-300, self._scale)
        state, steps = self._above(x + 1j * height)
        turns = self._argument(state) / np.pi
        steep = (np.abs(turns - np.round(turns)) > 0.1) | (steps < 0)
        state.common[steep] = np.nan
        return self._flat(state)

    def _reach(self, x: Real, *, without: float | None = None) -> Real:
        """Distance to the nearest end of a band or atom, one of these left out."""
        ends = [end for band in self.support for end in band]
        ends += [place for place, _ in self.atoms if place != without]
        return np.asarray(np.abs(x[:, None] - np.array(ends)).min(axis=1))

    def _in_gap(self, x: Real) -> NDArray[np.bool_]:
        gap = np.ones(x.shape, dtype=bool)
        for low, high in self.support:
            gap &= (x <= low) | (x >= high)
        return gap

    def _solution(self, z: ArrayLike) -> Solution:
        """Solve for G(z) and report how far the solution may be trusted.

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane; real points mean x + i0.

        Returns
        -------
        Solution
            `value` is G(z), `residual` the defect of the subordination equation there, relative to
            its terms, `steps` the Newton steps, and `error` a bound of the absolute error of the
            value, from the defect, its rounding and the errors of the operands. Residual and error
            are infinite where the value was interpolated across a pole of the equation, or
            extrapolated to an end of a band. Never raises for lack of convergence; `status` says.
        """
        flat, shape = upper_half_plane(z)
        value, slope, steps = self._jet_with_steps(flat, slopes=True)
        defect, error = np.full(flat.shape, np.inf), np.full(flat.shape, np.inf)
        thin = self._barely_above(flat)
        at = np.where(thin, flat.real, flat)
        for part, state, counts in self._parts(at):
            with np.errstate(all="ignore"):
                size = self._step(at[part], state)[3]
                spread = self._uncertainty(at[part], state)
                bound = 2 * np.abs(slope[part]) * spread + 4e-16 * np.abs(value[part])
            # Values that are interpolated or extrapolated have no defect that could be stated.
            known = (counts >= 0) & np.isfinite(size)
            defect[part] = np.where(known, size, np.inf)
            error[part] = np.where(known & np.isfinite(bound), bound, np.inf)
        remote = self._is_far(at)
        defect[remote] = 0.0
        error[remote] = 1e-15 * np.abs(value[remote])
        ends = self._is_end(flat) & ~np.isinf(value)
        defect[ends] = error[ends] = np.inf
        status = Status.CONVERGED if (steps >= 0).all() else Status.NOT_CONVERGED
        return Solution(
            value.reshape(shape),
            status,
            defect.reshape(shape),
            np.abs(steps).reshape(shape),
            error.reshape(shape),
        )

    @abc.abstractmethod
    def _uncertainty(self, z: Complex, state: State) -> Real:
        """Defect of the equation in units of z, with rounding and the errors of the operands."""

    def _parts(self, z: Complex) -> list[tuple[NDArray[np.bool_], State, NDArray[np.int64]]]:
        """Solve in the bands, in the gaps and above the axis apart: mask, state, steps."""
        ends, far = self._is_end(z), self._is_far(z)
        real = (z.imag == 0) & ~ends
        gap = real & self._in_gap(z.real)
        parts = []
        for mask, solver in (
            (real & ~gap, lambda at: self._inside(at.real)),
            (gap & ~far, lambda at: self._outside(at.real)),
            (~(real | ends | far), self._above),
        ):
            if mask.any():
                parts.append((mask, *solver(z[mask])))
        return parts

    def _jet_with_steps(
        self, z: Complex, *, slopes: bool
    ) -> tuple[Complex, Complex, NDArray[np.int64]]:
        value, slope = np.empty_like(z), np.empty_like(z)
        steps = np.zeros(z.shape, dtype=np.int64)
        thin = self._barely_above(z)
        slopes = slopes or bool(thin.any())
        at = np.where(thin, z.real, z)
        for part, state, count in self._parts(at):
            steps[part] = count
            with np.errstate(all="ignore"):
                value[part] = self._value_of(at[part], state)
                if slopes:
                    slope[part] = self._slope_of(at[part], state)
        lost = (steps < 0) & (at.imag == 0) & self._in_gap(at.real)
        for i in np.flatnonzero(lost & ~np.isin(at, [place for place, _ in self.atoms])):
            x = float(at[i].real)
            steps[i] = abs(steps[i])
            end = min(np.ravel(self.support), key=lambda end: abs(end - x), default=np.inf)
            if abs(x - end) <= 1e-14 * self._scale:
                value[i], slope[i] = self._at_end(float(end)), complex(-np.inf, 0)
                continue
            value[i] = self._across(x, self._value_of, lambda t: 1 / t)
            if slopes:
                slope[i] = self._across(x, self._slope_of, lambda t: -1 / t**2)
        remote = self._is_far(at)
        if remote.any():
            value[remote], slope[remote], _ = self._series(at[remote])
            steps[remote] = 0
        if thin.any():
            value[thin] += 1j * z.imag[thin] * slope[thin]
        for i in np.flatnonzero(self._is_end(z)):
            value[i], slope[i] = self._at_end(float(z[i].real)), complex(-np.inf, 0)
        for place, _ in self.atoms:
            value[z == place] = complex(np.inf, 0)
            steps[z == place] = 0
        return value, slope, steps

    @cached_property
    def _central_moments(self) -> list[float]:
        """Moments about the mean, order 0..8."""
        moments = self._exact_moments(8)
        return [
            float(
                sum(math.comb(k, j) * moments[j] * (-moments[1]) ** (k - j) for j in range(k + 1))
            )
            for k in range(9)
        ]

    def _is_far(self, z: Complex) -> NDArray[np.bool_]:
        """Whether points are so far away that the first moments say everything."""
        return np.abs(z - self.mean()) > 1e3 * self._scale

    def _series(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """G, G' and L by their expansions at infinity."""
        w = z - self.mean()
        value, slope, potential = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
        for k in range(8, -1, -1):
            moment = self._central_moments[k]
            value = value / w + moment
            slope = slope / w + (k + 1) * moment
            if k:
                potential = potential / w + moment / k
        return value / w, -slope / w / w, np.log(w) - potential / w

    def _barely_above(self, z: Complex) -> NDArray[np.bool_]:
        """Whether points are so close above a gap that G there is its first two Taylor terms."""
        close = (z.imag > 0) & self._in_gap(z.real)
        close[close] = z.imag[close] < 1e-13 * self._reach(z.real[close])
        return close

    def _is_end(self, z: Complex) -> NDArray[np.bool_]:
        """Whether points are ends of bands exactly, where the equation has a double root."""
        return np.isin(z, np.array([end for band in self.support for end in band]))

    def _across(
        self,
        x: float,
        function: Callable[[Complex, State], Complex],
        pole: Callable[[Complex], Complex],
    ) -> complex:
        """Interpolate a function of the solution in a gap, across a zero of G or beside an atom.

        The interpolation is by polynomials on the Chebyshev nodes of half the way to the nearest
        end: 32 nodes leave an error of (2 + sqrt 3)^-32. Beside an atom of unit mass the function
        behaves like `pole` of the distance, which is taken out.
        """
        middle, mass = x, 0.0
        for place, weight in self.atoms:
            if abs(x - place) <= 1e-3 * self._reach(np.array([x]), without=place)[0]:
                middle, mass = place, weight
        without = middle if mass else None
        reach = float(self._reach(np.array([middle]), without=without)[0])
        at = middle + reach / 2 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
        state, steps = self._outside(at)
        good = (steps > 0) & (at != x)
        if np.count_nonzero(good) < 24:
            raise ConvergenceError(f"{self} did not converge next to {x}")
        at = at[good]
        values = function(at.astype(np.complex128), state.take(good))
        if mass:
            values = values - mass * pole((at - middle).astype(np.complex128))
        scaled = (at[:, None] - at) / reach + np.eye(at.size)
        weights = 1 / scaled.prod(axis=1) / (x - at)
        result = complex((weights @ values) / weights.sum())
        return result + mass * complex(pole(np.array(x - middle + 0j))) if mass else result

    def _at_end(self, end: float) -> complex:
        """G at an end of a band, infinite where the density is unbounded there."""
        near, far = self._beside_end(end, self._stieltjes)
        if abs(near.imag) > 1.2 * abs(far.imag):
            return complex(np.copysign(np.inf, near.real), 0)
        return (4 * near.real - far.real) / 3 + 0j

    def _beside_end(
        self, end: float, function: Callable[[Complex], Complex]
    ) -> tuple[complex, complex]:
        """Evaluate at distances d and 4d inside a band, from which its end is extrapolated.

        There a bounded transform is its value at the end plus terms of order d that are real and
        of order sqrt(d) that are imaginary.
        """
        low, high = next(band for band in self.support if end in band)
        d = 1e-9 * (high - low) * (1 if end == low else -1)
        near, far = function(np.array([end + d, end + 4 * d], dtype=np.complex128))
        return complex(near), complex(far)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        # NaN where there is no solution: as an operand, the law is also asked at trial points.
        value, slope, steps = self._jet_with_steps(z, slopes=True)
        value[steps < 0] = slope[steps < 0] = complex(np.nan, np.nan)
        return value, slope

    def _stieltjes(self, z: Complex) -> Complex:
        value, _, steps = self._jet_with_steps(z, slopes=False)
        self._require(steps, z)
        return value

    def _log_potential(self, z: Complex) -> Complex:
        value = np.empty_like(z)
        places = [place for place, _ in self.atoms]
        thin = self._barely_above(z)
        at = np.where(thin, z.real, z)
        for part, state, steps in self._parts(at):
            x = at[part]
            poles = (steps < 0) & (x.imag == 0) & self._in_gap(x.real)
            self._require(np.where(poles, 0, steps), x)
            with np.errstate(all="ignore"):
                value[part] = self._potential_of(x, state)
            for i in np.flatnonzero(part)[poles & ~np.isin(x, places)]:
                value[i] = self._across(float(at[i].real), self._potential_of, np.log)
        remote = self._is_far(at)
        if remote.any():
            value[remote] = self._series(at[remote])[2]
        if thin.any():
            value[thin] += 1j * z.imag[thin] * self._jet(at[thin])[0]
        for i in np.flatnonzero(self._is_end(z)):
            near, far = self._beside_end(float(z[i].real), self._log_potential)
            below = float(self._cdf(z.real[i : i + 1])[0])
            value[i] = complex((4 * near.real - far.real) / 3, np.pi * (1 - below))
        for i in np.flatnonzero(np.isin(z, places)):
            value[i] = complex(-np.inf, np.pi * (1 - float(self._cdf(z.real[i : i + 1])[0])))
        return value

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        inside = ~self._in_gap(x)
        if inside.any():
            density[inside] = -self._stieltjes(x[inside].astype(np.complex128)).imag / np.pi
        return np.maximum(density, 0.0)

    def _cdf(self, x: Real) -> Real:
        below = np.empty(x.shape)
        inside = ~self._in_gap(x)
        if inside.any():
            at = x[inside].astype(np.complex128)
            state, steps = self._inside(at.real)
            self._require(steps, at)
            below[inside] = np.clip(1 - self._potential_of(at, state).imag / np.pi, 0.0, 1.0)
        for gap, mass in zip(self._gap_list, self._gap_masses, strict=True):
            here = ~inside & (x >= gap.low) & (x <= gap.high)
            below[here] = mass
        for place, mass in self.atoms:
            if not inside[x == place].any():
                # The gap to the left of the atom ends there; the atom belongs to the right.
                below[x == place] = self._mass_just_above(place, mass)
        return below

    @cached_property
    def _gap_masses(self) -> tuple[float, ...]:
        """Distribution function on every gap, constant there, from the logarithmic potential."""
        masses = [0.0]
        for gap in self._gap_list[1:-1]:
            at = np.array([gap.low + 0.4871 * (gap.high - gap.low)], dtype=np.complex128)
            masses.append(float(1 - self._log_potential(at).imag[0] / np.pi))
        return (*masses, 1.0)

    def _mass_just_above(self, place: float, mass: float) -> float:
        for gap, below in zip(self._gap_list, self._gap_masses, strict=True):
            if gap.low <= place < gap.high and place - gap.low <= 1e-9 * self._scale:
                return below
        left = max(
            (below for gap, below in zip(self._gap_list, self._gap_masses, strict=True)
             if gap.low < place), default=0.0
        )  # fmt: skip
        return left + mass

    def _require(self, steps: NDArray[np.int64], z: NDArray[Any]) -> None:
        if steps.size and steps.min() < 0:
            bad = z[steps < 0]
            raise ConvergenceError(
                f"{self} did not converge at {bad.size} of {z.size} points, the first at "
                f"{bad[0]}; solve() returns the others"
            )


def _interpolated(t: Real, angles: Real, row: Complex) -> Complex:
    return np.asarray(np.interp(t, angles, row), dtype=np.complex128)


def error_of(law: Law, omega: Complex) -> Real:
    """Bound of the error of G at points of the closed half-plane, infinite at others."""
    error = np.full(omega.shape, np.inf)
    inside = (omega.imag >= 0) & np.isfinite(omega)
    stated = law.solve(omega[inside], throw=False).error
    if stated is not None:
        error[inside] = stated
    return error
