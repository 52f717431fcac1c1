"""The gaps of a free sum or product: from the operands' gaps, or on a grid where these are many."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rmtland.free.subordination.equation import Solved
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.sweep import Run, bundle, part_of, sweep
from rmtland.laws.gaps import Gap, plain_gap
from rmtland.laws.law import Law
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Logical, Real

__all__ = ["FEW_COMPONENTS", "MAX_COMPONENTS", "GapSearch"]

FEW_COMPONENTS = 40
"""Choices of components of the operands' complements that are all swept one by one."""
MAX_COMPONENTS = 400
"""Promising choices of components that are swept one by one."""
_NARROW = 1e-6
_POINT = 1e-6
"""Share of a width below which a law is seen from far away, and its coordinate is too coarse."""
_SHARES = np.array([0.25, 0.5, 0.75])
_HEIGHTS = np.array([0.1, 0.01])


@dataclass(frozen=True)
class GapSearch:
    """Finds the gaps of a law on the real line, the outermost included.

    Parameters
    ----------
    law : Law
        The law whose gaps they are.
    solver : SubordinationSolver
        Solver of its equation.
    hull : (float, float)
        Bounds of the support, not necessarily sharp.
    """

    law: Law
    solver: SubordinationSolver
    hull: tuple[float, float]

    def gaps(self) -> list[Gap]:
        """Return the gaps, in any order."""
        equation = self.solver.equation
        operands = equation.operands
        first_equal = [operands.index(law) for law in operands]
        distinct = sorted(set(first_equal))
        choices = [equation.components(operands[i]) for i in distinct]
        # One that is nested, or else one whose coordinate resolves points near zero.
        near = (
            i
            for i, gaps in zip(distinct, choices, strict=True)
            if any(gap.samples is not None for gap in gaps)
        )
        nested = (i for i, law in enumerate(operands) if isinstance(law, Solved))
        lead = next(itertools.chain(nested, near), self._widest())
        if equation.adds_up:
            leading = distinct.index(first_equal[lead])
            choices[leading] = [self._closer_to_infinity(gap) for gap in choices[leading]]
        chosen = list(itertools.islice(itertools.product(*choices), FEW_COMPONENTS + 1))
        if len(distinct) < len(operands):
            # Equal operands are at the same point, and so on the same component.
            rows = [distinct.index(i) for i in first_equal]
            chosen = [tuple(components[row] for row in rows) for components in chosen]
            choices = [choices[row] for row in rows]
        if len(chosen) > FEW_COMPONENTS:
            chosen = self._promising(choices)
        if len(chosen) > MAX_COMPONENTS:
            return self.by_grid()
        return self.swept(chosen, lead)

    def _widest(self) -> int:
        """Return the first operand, or the widest if that one looks like a point beside it."""
        equation = self.solver.equation
        widths = [high - low for low, high in (law.hull for law in equation.operands)]
        wide = not equation.adds_up or widths[0] > _POINT * max(widths)
        return 0 if wide else int(np.argmax(widths))

    def _closer_to_infinity(self, gap: Gap) -> Gap:
        """Return an outer gap of a law that looks like a point with samples as far as the sum."""
        share = (gap.low - gap.high) / self.solver.scale
        if not gap.through_infinity or not 0 < share < _POINT:
            return gap
        far = np.geomspace(1e-3 * share, 1e-9, 200)
        return replace(gap, samples=np.unique(np.concatenate([-far, gap.coordinates(), far])))

    def swept(self, chosen: list[tuple[Gap, ...]], lead: int) -> list[Gap]:
        """Return the gaps on given choices of components of the operands' complements."""
        equation = self.solver.equation
        gaps = []
        for components in chosen:
            place = partial(equation.critical_curve, components, lead)
            whole = Gap(-np.inf, np.inf, lambda s, place=place: place(s).curve)  # type: ignore[misc]
            outer = all(component.through_infinity for component in components)
            poles = equation.poles(components[lead])
            gaps += [
                part_of(whole, run)
                for run in sweep(place, components[lead], through_infinity=outer, poles=poles)
            ]
        return gaps

    def _promising(self, choices: list[list[Gap]]) -> list[tuple[Gap, ...]]:
        """Choices of components that may leave a gap, by a few samples on each of very many.

        The slope condition is that slopes d omega / d F, which are below 1, add up to more than
        their number less one. One bounded component at a time, the others through infinity, is
        kept where its slope is at least half of what is missing at a sample.
        """
        equation = self.solver.equation
        outer = [next(gap for gap in choice if gap.through_infinity) for choice in choices]
        shares = np.sin(np.linspace(0, np.pi / 2, 14)[1:-1]) ** 2
        chosen = [tuple(outer)]
        strong: list[list[tuple[Gap, float]]] = []
        for i, (law, choice) in enumerate(zip(equation.operands, choices, strict=True)):
            inner = [gap for gap in choice if not gap.through_infinity]
            strong.append([])
            if not inner:
                continue
            many = bundle(law, inner)
            s = (np.arange(len(inner))[:, None] + shares).ravel()
            row = tuple(many if j == i else gap for j, gap in enumerate(outer))
            swept = equation.critical_curve(row, i, s)
            close = np.any((swept.sign > -swept.lead).reshape(len(inner), -1), axis=1).tolist()
            chosen += [
                tuple(gap if j == i else other for j, other in enumerate(outer))
                for gap, near in zip(inner, close, strict=True)
                if near
            ]
            slopes = np.nan_to_num(equation.subordination_slope(many.along(s)), nan=0.0)
            steep = slopes.reshape(len(inner), -1).max(axis=1)
            strong[-1] = [
                (gap, share)
                for gap, share in zip(inner, steep.tolist(), strict=True)
                if share > 0.02
            ]
        for count in range(2, len(choices) + 1):
            for places in itertools.combinations(range(len(choices)), count):
                if math.prod(len(strong[i]) for i in places) > 10**6:
                    return [tuple(outer)] * (MAX_COMPONENTS + 1)
                for pairs in itertools.product(*(strong[i] for i in places)):
                    if 1.2 * sum(share for _, share in pairs) > count - 1:
                        several = list(outer)
                        for i, (gap, _) in zip(places, pairs, strict=True):
                            several[i] = gap
                        chosen.append(tuple(several))
        return chosen

    def by_grid(self) -> list[Gap]:
        """Gaps of a law whose operands have too many of their own: seen on a grid of points.

        A point is in a band where the solver settles inside the half-plane. Ends are bisected, to
        about 1e-8 of the hull; what is narrower than a 1500th of the hull can be missed.
        """
        low, high = self.hull
        x = np.linspace(low, high, 1501)

        def in_band(at: Real) -> Logical:
            return np.asarray(self.solver.from_above(at.astype(np.complex128)).steps > 0)

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
        return [plain_gap(self.law, left, right) for left, right in pairs]

    def _without_false(self, gaps: list[Gap]) -> list[Gap]:
        """Leave out gaps in which there is a density: what was swept was rounding.

        Only those that are narrow, or overlap, are looked at: from so little above that in a gap
        the imaginary part of G falls with the height, to a tenth here.
        """
        low, high = np.array([(gap.low, gap.high) for gap in gaps]).reshape(-1, 2).T
        doubtful = high - low < _NARROW * self.solver.scale
        doubtful[1:] |= low[1:] < np.maximum.accumulate(high)[:-1]
        doubtful[:-1] |= high[:-1] > low[1:]
        doubtful &= np.isfinite(high - low)
        if not doubtful.any():
            return gaps
        left, width = low[doubtful, None, None], (high - low)[doubtful, None, None]
        z = left + width * (_SHARES[:, None] + 1j * _HEIGHTS)
        state, steps = self.solver.above_axis(z.ravel())
        with np.errstate(all="ignore"):
            g = self.solver.equation.stieltjes(z.ravel(), state).reshape(z.shape)
        solved = (steps > 0).reshape(z.shape).all(axis=2)
        height = np.abs(g.imag)
        dense = (height[..., 1] > 0.5 * height[..., 0]) & (
            height[..., 1] > 1e-9 * np.abs(g[..., 1])
        )
        doubtful[doubtful] = (solved & dense).all(axis=1)
        return list(itertools.compress(gaps, ~doubtful))

    def ordered(self, gaps: list[Gap], atoms: Atoms) -> tuple[Gap, ...]:
        """Return gaps in ascending order, with ends at atoms exactly there.

        Raises
        ------
        ConvergenceError
            If the gaps do not reach both infinities, or overlap.
        """
        scale = self.solver.scale
        places = [place for place, _ in atoms]
        # Beside an atom of small mass m the next edge is at a distance of the order of m^2; beside
        # a heavy one the condition is rounding there.
        light = [place for place, mass in atoms if mass < 1e-3]

        def exact(end: float, critical: bool) -> float:
            # An atom is the limit of an infinite transform; the samples come close to it.
            near = [place for place in places if abs(place - end) <= 1e-10 * scale]
            if not near:
                return end
            known = critical and near[0] in light and abs(near[0] - end) > 1e-14 * scale
            return end if known else near[0]

        def is_wide(gap: Gap) -> bool:
            # What is narrower is rounding at a point where the condition is just missed.
            beside = any(gap.low - 1e-10 * scale <= place <= gap.high for place in light)
            return gap.high - gap.low > (1e-13 if beside else 1e-11) * scale

        gaps = [
            replace(gap, low=exact(gap.low, gap.critical[0]), high=exact(gap.high, gap.critical[1]))
            for gap in sorted(gaps, key=lambda gap: (gap.low, gap.high))
            if is_wide(gap)
        ]
        gaps = self._without_false(gaps)
        # Rounding beside an atom: nothing is left of it at the atom.
        gaps = [gap for gap in gaps if gap.low < gap.high]
        # An atom inside a gap, which explicit operands pass through smoothly, divides it.
        for place in places:
            for i, gap in enumerate(gaps):
                if gap.low < place < gap.high:
                    s = float(gap.coordinates_of(np.array([place]))[0])
                    start = -1.0 if gap.high == np.inf else 0.0
                    gaps[i : i + 1] = [
                        part_of(gap, Run(gap.low, place, start, s)),
                        part_of(gap, Run(place, gap.high, s, start + 1.0)),
                    ]
        overlap = any(not a.high <= b.low + 1e-9 * scale for a, b in itertools.pairwise(gaps))
        if not gaps or gaps[0].low > -np.inf or gaps[-1].high < np.inf or overlap:
            raise ConvergenceError(
                f"the support of {self.law} could not be determined: gaps {gaps}"
            )
        return tuple(gaps)
