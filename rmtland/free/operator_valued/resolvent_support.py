r"""Bands and gaps of a law given by an equation for a matrix-valued resolvent.

The equation is solved on a coarse grid over a range that holds the spectrum, then on a fine grid
over the spectrum itself. In every gap the distribution function, from the logarithmic potential,
tells whether mass was overlooked between two points; between points inside, minima of the density
are searched for gaps. An edge is the point where the curve of solutions turns
(`rmtland.free.operator_valued.edge_curve`).

Masses in gaps, and atoms, are those of `rmtland.free.operator_valued.gap_masses`. The logarithm of
a determinant is known up to whole turns, and so are levels of the distribution function up to
integers; those in gaps follow from their neighbours.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> equation = MatrixDyson([0.0, 3.0], np.array([[1.0, 0.0], [0.0, 0.0]]))
>>> structure = SupportSearch(equation, [0.0, 3.0], [0.5]).structure
>>> structure.atoms, [round(end, 9) for end in structure.bands[0]]
(((3.0, 0.5),), [-2.0, 2.0])
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from rmtland.free.operator_valued.edge_curve import turning_point
from rmtland.free.operator_valued.gap_masses import GapMasses, Structure, mass_up_to
from rmtland.free.operator_valued.hard_edges import HardEdge, hard_edge
from rmtland.free.operator_valued.inner_singularities import InnerSingularity, inner_singularity
from rmtland.free.operator_valued.rank_values import small_ranks
from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.free.operator_valued.seen_points import WHOLE, SeenPoints
from rmtland.solution import ConvergenceError
from rmtland.typing import Logical, Real

__all__ = ["SupportSearch"]

_COARSE = 160
_FINE = 400
_MIN_MASS = 1e-12
_MOST_CELLS = 200  # at one time, in which mass is sought between neighbours outside
_CUSP = 1e-11
_BEYOND = np.array([1e-3, 1e-2, 0.1, 0.3])  # shares of the way from an edge into its band
_LEVEL = 1e-9  # a level of the distribution function is reached


class SupportSearch:
    """The search for bands and atoms of one equation.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    places : sequence of float
        Where an atom may be expected.
    ranks : sequence of float
        Numbers of which masses in gaps are integer combinations, beside 1.
    """

    def __init__(
        self, equation: ResolventEquation, places: Sequence[float], ranks: Sequence[float]
    ) -> None:
        self.equation = equation
        self.points = SeenPoints(equation)
        self.masses = GapMasses(equation, self.points, places, ranks)
        self._ranks = tuple(ranks)
        self.hard_edges: list[HardEdge] = []
        self.progress: Callable[[str, float, float], None] | None = None

    @cached_property
    def structure(self) -> Structure:
        """Bands, atoms and levels of gaps.

        Raises
        ------
        ConvergenceError
            If masses do not add up.
        """
        started = time.perf_counter()

        def report(stage: str, share: float) -> None:
            if self.progress is not None:
                seconds = (time.perf_counter() - started) * (1 / share - 1)
                self.progress(stage, share, seconds)

        self.points.constant  # noqa: B018
        report("range", 0.3)
        x = self._grid()
        inside = self.points.inside(x)
        report("grid", 0.6)
        x, inside = self._without_empty_bands(x, inside)
        atoms = list(self.masses.expected)
        x, inside = self._with_hidden_bands(x, inside, atoms)
        x, inside = self._with_hidden_gaps(x, inside)
        report("gaps", 0.8)
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        edges = [self._edge(float(x[i + 1 - inside[i]]), float(x[i + inside[i]])) for i in changes]
        sides = np.resize([-1.0, 1.0], len(edges))  # on which the gap is
        for i, edge in enumerate(edges):
            hard = hard_edge(self.equation, edge, float(sides[i]), self.points.radius)
            edges[i] = self.masses.snapped(edge if hard is None else hard.place)
            if hard is not None:
                self.hard_edges.append(hard._replace(place=edges[i]))
        # Two edges that are one to rounding are a cusp, where no gap is open.
        for i in range(len(edges) - 2, 1, -1):
            if i % 2 == 0 and edges[i] - edges[i - 1] <= _CUSP * self.points.radius:
                del edges[i - 1 : i + 1]
        report("edges", 0.95)
        bands = tuple((edges[i], edges[i + 1]) for i in range(0, len(edges), 2))
        self.masses.put_atoms_in_gaps(bands, atoms)
        known = tuple(sorted(self.masses.rounded(atom) for atom in atoms))
        found = Structure(bands, known, np.zeros(0))
        levels = self.masses.gap_levels(found)
        self.masses.require_law(found, levels)
        return found._replace(gap_levels=np.maximum.accumulate(levels))

    def _grid(self) -> Real:
        """Return a coarse grid over the range with a fine one where the mass is."""
        radius = self.points.radius
        x = np.linspace(-radius, radius, _COARSE + 1)
        x += 0.37 * radius / _COARSE * np.cos(np.arange(x.size))  # off symmetric points
        x[0], x[-1] = -radius, radius
        inside, _, level = self.points.at(x)
        level = np.where(np.isnan(level), 0.5, level)
        some = np.flatnonzero(inside | (level > _MIN_MASS))
        more = np.flatnonzero(inside | (level < 1 - _MIN_MASS))
        first = max(int(some[0]) - 1, 0) if some.size else 0
        last = min(int(more[-1]) + 1, x.size - 1) if more.size else x.size - 1
        low, high = float(x[first]), float(x[max(last, first + 1)])
        fine = np.linspace(low, high, _FINE + 1)[1:-1]
        fine += 0.37 * (high - low) / _FINE * np.cos(np.arange(fine.size))
        return np.unique(np.concatenate([x, fine]))

    def _without_empty_bands(self, x: Real, inside: Logical) -> tuple[Real, Logical]:
        """Leave out points in gaps where the equation, not G, is singular: no mass is there."""
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        ends = np.array([[i, j + 1] for i, j in zip(changes[::2], changes[1::2], strict=False)])
        if not ends.size:
            return x, inside
        seen = self.points.at(x)
        levels, density = seen.level[ends], np.where(seen.density < np.inf, seen.density, 0.0)
        kept = np.ones(x.size, dtype=np.bool_)
        for (low, high), (below, above) in zip(ends, levels, strict=True):
            mass = np.trapezoid(density[low : high + 1], x[low : high + 1]) / np.pi
            if above - below < _MIN_MASS and mass < 0.5:  # otherwise all of it, and a whole turn
                kept[low + 1 : high] = False
        return x[kept], inside[kept]

    def _with_hidden_bands(
        self, x: Real, inside: Logical, atoms: list[tuple[float, float]]
    ) -> tuple[Real, Logical]:
        """Add points in bands that fall between two neighbours outside; atoms go to the list."""
        levels = self.points.at(x).level - mass_up_to(x, atoms)
        known = tuple(atoms)
        cells = np.column_stack([x[:-1], x[1:], levels[:-1], levels[1:]])
        beside = np.array([sum(m for at, m in atoms if a <= at <= b) for a, b in pairwise(x)])
        rising = _is_rise(levels[1:] - levels[:-1], beside)
        cells = cells[rising & ~(inside[1:] | inside[:-1])]
        extra: list[tuple[float, bool]] = []
        while len(cells):
            if len(cells) > _MOST_CELLS:
                raise ConvergenceError(
                    f"the distribution function rises between more than {_MOST_CELLS} neighbours "
                    "outside of bands: masses or coefficients of very different sizes are lost in "
                    "rounding; take another route, or leave the smallest out"
                )
            narrow = cells[:, 1] - cells[:, 0] <= 1e-14 * self.points.radius
            for low, high, below, above in cells[narrow].tolist():
                atoms.append((self.masses.place_between(low, high), above - below))
            cells = cells[~narrow]
            low, high, below, above = cells.T
            middle = (low + high) / 2
            seen = self.points.at(middle)
            found = seen.inside & ~np.isnan(seen.level)
            hit = seen.inside & np.isnan(seen.level)  # an atom, hit exactly
            middle[hit] += 0.2 * (high - low)[hit]
            extra += zip(middle.tolist(), found.tolist(), strict=True)
            level = self.points.at(middle).level - mass_up_to(middle, known)
            left, right = ~found & _is_rise(level - below), ~found & _is_rise(above - level)
            cells = np.concatenate(
                [
                    np.column_stack([low, middle, below, level])[left],
                    np.column_stack([middle, high, level, above])[right],
                ]
            )
        return _merged(x, inside, extra)

    def _with_hidden_gaps(self, x: Real, inside: Logical) -> tuple[Real, Logical]:
        """Add points in gaps that fall between neighbours inside: at minima of the density."""
        density = self.points.at(x).density
        low = (density[1:-1] <= density[:-2]) & (density[1:-1] <= density[2:])
        extra = []
        for i in np.flatnonzero(low & inside[1:-1] & inside[:-2] & inside[2:]) + 1:
            left, right = x[i - 1], x[i + 1]
            for _ in range(12):
                nodes = np.linspace(left, right, 9)[1:-1]
                seen = self.points.at(nodes)
                if not seen.inside.all():
                    extra.append((float(nodes[np.flatnonzero(~seen.inside)[0]]), False))
                    break
                best = int(np.argmin(seen.density))
                ends = min(seen.density[0], seen.density[-1])
                if 0 < best < nodes.size - 1 and seen.density[best] > 0.9999 * ends:
                    break  # a smooth minimum, seen from close by
                step = nodes[1] - nodes[0]
                left, right = nodes[best] - step, nodes[best] + step
        extra += self._gaps_at_ranks(x, inside)
        return _merged(x, inside, extra)

    def _gaps_at_ranks(self, x: Real, inside: Logical) -> list[tuple[float, bool]]:
        """Points in gaps, where the distribution function has the value of a rank."""
        seen = self.points.at(x)
        usable = ~np.isnan(seen.level)
        x, level, density = x[usable], seen.level[usable], seen.density[usable]
        inside = inside[usable]
        ranks = np.array(small_ranks(self._ranks))
        if not ranks.size or x.size < 2:
            return []
        right = np.searchsorted(np.maximum.accumulate(level), ranks)
        held = (right > 0) & (right < x.size)
        ranks, right = ranks[held], right[held]
        held = inside[right] & inside[right - 1]
        ranks, right = ranks[held], right[held]
        # Place, level and density at both ends
        ends = np.array([[x[i], level[i], density[i] / np.pi] for i in (right - 1, right)])
        found = []
        for _ in range(14):
            if not ranks.size:
                break
            nodes = _crossings(ends, ranks)
            seen = self.points.at(nodes.ravel())
            inner = seen.inside.reshape(nodes.shape)
            levels = np.where(np.isnan(seen.level), -1.0, seen.level).reshape(nodes.shape)
            heights = seen.density.reshape(nodes.shape) / np.pi
            open_ = np.ones(ranks.size, dtype=np.bool_)
            for i in range(ranks.size):
                if not inner[i].all():
                    found.append((float(nodes[i, np.argmin(inner[i])]), False))
                    open_[i] = False
                    continue
                # A level that is reached where the density is not small is reached nowhere else.
                near = int(np.argmin(np.abs(levels[i] - ranks[i])))
                height, sides = heights[i, near], ends[:, 2, i]
                steady = height < np.inf and np.abs(sides - height).max() <= 0.3 * height
                if steady and abs(levels[i, near] - ranks[i]) <= _LEVEL:
                    open_[i] = False
                    continue
                place = int(np.searchsorted(levels[i], ranks[i]))
                if place > 0:
                    ends[0, :, i] = nodes[i, place - 1], levels[i, place - 1], heights[i, place - 1]
                if place < nodes.shape[1]:
                    ends[1, :, i] = nodes[i, place], levels[i, place], heights[i, place]
            ranks, ends = ranks[open_], ends[:, :, open_]
        return found

    def _edge(self, first: float, second: float) -> float:
        """Edge between two points, one of them outside: along the curve, else by bisection."""
        inner = self.points.inside(np.array([first, second]))
        out, within = (first, second) if inner[1] else (second, first)
        for attempt in range(19):
            if attempt in (0, 1, 3, 6) or abs(within - out) <= 1e-9 * self.points.radius:
                found = turning_point(self.equation, out, within, width=self.points.radius)
                if found is not None:
                    # A zero of G is no edge: coordinates are unbounded there, and the gap goes on.
                    nodes = found + (within - found) * _BEYOND
                    inner = self.points.inside(nodes)
                    if inner.all():
                        return found
                    out = float(nodes[~inner][-1])
                if abs(within - out) <= 1e-9 * self.points.radius:
                    break
            nodes = out + (within - out) * np.arange(1, 8) / 8
            inner = self.points.inside(nodes)
            here = int(np.argmax(inner)) if inner.any() else 7
            step = (within - out) / 8
            out, within = out + step * here, out + step * (here + 1)
        for place, _ in self.masses.expected:
            if abs(place - within) <= 3e-6 * self.points.radius:
                return place  # beside an atom the continuous part of G is lost in rounding
        for _ in range(30):
            middle = (out + within) / 2
            if middle in (out, within):
                break
            out, within = (
                (out, middle) if self.points.inside(np.array([middle]))[0] else (middle, within)
            )
        return float(within)

    @cached_property
    def inner_singularities(self) -> list[InnerSingularity]:
        """Points inside bands where the density is unbounded: sought at its maxima on the grid."""
        x = self.points.known()
        inside, density, _ = self.points.at(x)
        density = np.where(inside, density, 0.0)
        peak = (density[1:-1] >= density[:-2]) & (density[1:-1] >= density[2:]) & inside[1:-1]
        found: list[InnerSingularity] = []
        for i in np.flatnonzero(peak) + 1:
            distance = max(float(max(x[i + 1] - x[i], x[i] - x[i - 1])), 2e-4 * self.points.radius)
            point = inner_singularity(self.equation, float(x[i]), distance, self.points.radius)
            if point is not None and all(abs(point.place - old.place) > distance for old in found):
                found.append(point._replace(place=self.masses.snapped(point.place)))
        return found


def _is_rise(rise: Real, atoms: Real | float = 0.0) -> Logical:
    """Whether levels that rise, beside known atoms, say that there is mass: no whole turn."""
    return (rise > _MIN_MASS + 1e-6 * atoms) & ~(np.abs(rise - 1) <= WHOLE)


def _crossings(ends: Real, ranks: Real) -> Real:
    """Where a level may be reached, or a gap lie, between places (n, 4), in ascending order.

    By Newton's method from either end, in the middle of the gap if the density falls to both its
    edges like a root, and in the middle. `ends`, shape (2, 3, n), has places, levels, densities.
    """
    (low, below, left), (high, above, right) = ends
    with np.errstate(all="ignore"):
        ahead, back = (ranks - below) / left, (above - ranks) / right
    guesses = np.array(
        [
            low + ahead,
            high - back,
            (low + 1.5 * ahead + high - 1.5 * back) / 2,
            (low + high) / 2,
        ]
    )
    margin = 0.02 * (high - low)
    inner = (guesses > low) & (guesses < high)
    guesses = np.where(inner, guesses, (low + high) / 2 + margin * np.arange(-2, 2)[:, None])
    return np.sort(guesses.T, axis=1)


def _merged(x: Real, inside: Logical, extra: list[tuple[float, bool]]) -> tuple[Real, Logical]:
    if not extra:
        return x, inside
    places = np.concatenate([x, [place for place, _ in extra]])
    marks = np.concatenate([inside, [mark for _, mark in extra]])
    order = np.argsort(places, kind="stable")
    return places[order], marks[order]
