r"""Masses in the gaps of a law given by an equation for a matrix-valued resolvent: its atoms.

Masses in gaps are ranks: of the kernel of a polynomial, or of a projection that is a function of
it. They are integer combinations of the masses of atoms and of separate pieces of the variables'
laws (or of the sizes of blocks), and are rounded to such a combination where one is close and
others are not (`rmtland.free.operator_valued.rank_values`).

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> from rmtland.free.operator_valued.seen_points import SeenPoints
>>> equation = MatrixDyson([0.0, 3.0], np.array([[1.0, 0.0], [0.0, 0.0]]))
>>> GapMasses(equation, SeenPoints(equation), [0.0, 3.0], [0.5]).expected
[(3.0, 0.5)]
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.rank_values import nearest_rank
from rmtland.free.operator_valued.resolvent_equation import ResolventEquation, Solved
from rmtland.free.operator_valued.seen_points import LEVEL_ERROR, MISSING, SeenPoints
from rmtland.free.operator_valued.small_matrices import solve_or_nan
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Complex, Real, Support

__all__ = ["GapMasses", "Structure", "mass_up_to"]

_SNAP = 1e-9
_STEADY = 1e-9  # two levels of one gap are the same
_HEIGHTS = 10.0 ** -np.array([4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0])
_CLOSER = 10.0 ** -np.arange(4.0, 16.0)
_SLOW = 0.03  # of the mass two decades higher; a bounded density leaves 0.01
_SAME_PLACE = 1e-9  # of the radius, by which places of one atom differ
_SEEN = 0.03  # of the mass of an atom, as it is rounded to a rank
_SETTLED = 1e-2  # relative change of a mass with the height that an atom has at most


class Structure(NamedTuple):
    """Bands, atoms, and the mass of bands and of atoms within them up to each gap."""

    bands: Support
    atoms: Atoms
    gap_levels: Real

    def between(self) -> Atoms:
        """Atoms that lie in no band."""
        return tuple(
            atom for atom in self.atoms if not any(low < atom[0] < high for low, high in self.bands)
        )

    def require_atoms(
        self, certain: Sequence[tuple[float, float]], radius: float, name: str
    ) -> None:
        """Raise where an atom was not seen, as a small one beside an unbounded density may be.

        Parameters
        ----------
        certain : sequence of pairs of float
            Atoms that the law has for certain: places, and parts of the masses there that add up.
        radius : float
            The size of the law.
        name : str
            Its name, for the message.

        Raises
        ------
        ConvergenceError
            If of an atom so much less was seen that its mass is not rounded to the right rank.
        """
        near = _SAME_PLACE * radius
        for place, _ in certain:
            least = sum(mass for other, mass in certain if abs(other - place) <= near)
            seen = sum(mass for other, mass in self.atoms if abs(other - place) <= near)
            if seen < (1 - _SEEN) * least:
                raise ConvergenceError(
                    f"{name} has an atom of mass {least:.3g} at {place:.6g}, of which {seen:.3g} "
                    "was seen; make it larger, or leave it out"
                )


class GapMasses:
    """Atoms of one equation, and the mass up to each gap.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    points : SeenPoints
        What is seen of it on the axis.
    places : sequence of float
        Where an atom may be expected.
    ranks : sequence of float
        Numbers of which masses in gaps are integer combinations, beside 1.
    """

    def __init__(
        self,
        equation: ResolventEquation,
        points: SeenPoints,
        places: Sequence[float],
        ranks: Sequence[float],
    ) -> None:
        self._equation = equation
        self._points = points
        self._places = np.array(sorted(set(places)))
        self._ranks = tuple(ranks)

    def snapped(self, edge: float) -> float:
        """Return an edge at an expected place where it differs from that by rounding only."""
        if not self._places.size:
            return edge
        place = float(self._places[np.argmin(np.abs(self._places - edge))])
        return place if abs(place - edge) <= 1e-12 * self._points.radius else edge

    def place_between(self, low: float, high: float) -> float:
        """Place of an atom between two points close by: zero where it is that to rounding."""
        middle = (low + high) / 2
        return 0.0 if abs(middle) <= 1e-13 * self._points.radius else float(middle)

    def rounded(self, atom: tuple[float, float]) -> tuple[float, float]:
        """Return an atom at an expected place nearby, with the rank that its mass is."""
        place, mass = atom
        if self._places.size:
            nearest = float(self._places[np.argmin(np.abs(self._places - place))])
            if abs(nearest - place) <= _SNAP * self._points.radius:
                place = nearest
        return place, self._as_rank(mass)

    def _as_rank(self, mass: float) -> float:
        """Return the rank that the mass of an atom is: zero, which it is not, is never near."""
        return nearest_rank(mass, self._ranks, tolerance=min(2e-5, 0.02 * mass))

    @cached_property
    def expected(self) -> list[tuple[float, float]]:
        """Atoms where they may be expected: the mass -h Im G at small heights h above the place.

        However small its mass is, that of an atom does not change with h below it; what is no atom
        falls with h, like its root where the density is unbounded.
        """
        places = self._places[np.abs(self._places) <= self._points.radius]
        if not places.size:
            return []
        rows = self._masses_above(places, _HEIGHTS)
        for i, row in enumerate(rows):
            # Beside a band where the density is unbounded, that of a small atom is hidden longer.
            if row.size == _HEIGHTS.size and not _is_settled(row) and row[-1] > _SLOW * row[-2]:
                (rows[i],) = self._masses_above(places[i : i + 1], _CLOSER)
        return [
            (float(place), self._as_rank(float(row[1 + np.argmin(np.abs(np.diff(row)))])))
            for place, row in zip(places, rows, strict=True)
            if _is_settled(row)
        ]

    def _masses_above(self, places: Real, heights: Real) -> list[Real]:
        """Return -h Im G at heights h, in units of the law, above each place.

        As far down as it is solved: with h it falls, but by no more than h^2.
        """
        h = self._points.radius * heights
        z = places[:, None] + 1j * h
        solved = self._equation.solutions(z.ravel())
        g = self._equation.trace(self._polished(z.ravel(), solved)).reshape(z.shape)
        masses = -h * g.imag
        good = solved.accepted.reshape(z.shape)
        good[:, 1:] &= masses[:, 1:] > 0.9 * masses[:, :-1] * (heights[1:] / heights[:-1]) ** 2
        sizes = np.logical_and.accumulate(good, axis=1).sum(axis=1)
        return [row[:size] for row, size in zip(masses, sizes, strict=True)]

    def _polished(self, z: Complex, solved: Solved) -> Complex:
        """Matrices after one more step of Newton's method, where that is a small one.

        Beside a heavy atom some coordinates are so large that the defect of the others, which say
        what is left of the mass, is lost in their rounding.
        """
        u = solved.coordinates
        system = self._equation.system(z, u)
        with np.errstate(all="ignore"):
            step = solve_or_nan(system.jacobian, system.defect[..., None])[..., 0]
            size = np.abs(u).max(axis=1, initial=0.0)
            small = np.abs(step).max(axis=1, initial=0.0) <= 1e-6 * size
            after = self._equation.system(z, np.where(small[:, None], u - step, u)).matrices
        axes = tuple(range(1, after.ndim))
        good = (small & np.isfinite(after).all(axis=axes)).reshape(-1, *[1] * len(axes))
        return np.where(good, after, solved.matrices)

    def put_atoms_in_gaps(self, bands: Support, atoms: list[tuple[float, float]]) -> None:
        """Find atoms between a band and the first node beside it."""
        ends = [-self._points.radius, *(end for band in bands for end in band), self._points.radius]
        for low, high in zip(ends[::2], ends[1::2], strict=True):
            known = sum(mass for place, mass in atoms if low <= place <= high)
            points, levels = self._ends_of_gap(low, high)
            below, above = levels
            rise = above - below - known
            # Beside bands an atom has not all the mass: that is a turn of the logarithm.
            if not rise > 1e-7 or (bands and abs(rise - 1) <= 1e-7):
                continue
            left, right = points
            while right - left > 1e-14 * self._points.radius:
                middle = (left + right) / 2
                level = self._points.at(np.array([middle])).level[0]
                if np.isnan(level):
                    left = right = middle
                elif level - below > (above - below) / 2:
                    right = middle
                else:
                    left = middle
            atoms.append((self.place_between(left, right), float(rise)))

    def _ends_of_gap(self, low: float, high: float) -> tuple[Real, Real]:
        """Points of a gap near its ends, and the distribution function there."""
        shares = np.array([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1])
        points, levels = np.array([low, high]), np.array([np.nan, np.nan])
        for side in range(2):
            places = low + (high - low) * (shares if side == 0 else 1 - shares)
            seen = self._points.at(places)
            good = np.flatnonzero(~seen.inside & ~np.isnan(seen.level))
            if good.size:
                best = good[_first_steady(seen.level[good])]
                points[side], levels[side] = places[best], seen.level[best]
        return points, levels

    def gap_levels(self, found: Structure) -> Real:
        """Mass of the continuous part and of atoms within bands, up to each gap."""
        between = found.between()
        levels = [0.0]
        for left, right in pairwise(found.bands):
            points, level = self._ends_of_gap(left[1], right[0])
            place, value = points[:1], float(level[0])
            if np.isnan(value):
                place = np.array([(left[1] + right[0]) / 2])
                value = float(self._points.at(place).level[0])
            known = float(mass_up_to(place, between)[0])
            levels.append(nearest_rank(value, self._ranks, tolerance=1e-12) - known)
        if found.bands:
            levels.append(1 - sum(mass for _, mass in between))
        return np.array(levels)

    def require_law(self, found: Structure, levels: Real) -> None:
        """Raise where masses do not make a law, or some lie outside of what was found."""
        masses = np.array([mass for _, mass in found.atoms])
        total = float(masses.sum()) if masses.size else 0.0
        rises = np.diff(levels)
        whole = abs(total - 1) <= 1e-7 if not found.bands else total <= 1 + 1e-9
        if (
            not whole
            or (masses <= 0).any()
            or np.isnan(levels).any()
            or (rises < -1e-9).any()
            or (levels > 1 + 1e-9).any()
        ):
            raise ConvergenceError(
                f"masses do not make a law: atoms {found.atoms}, bands {found.bands} with masses "
                f"{rises.tolist()}; take another route, or perturb a coefficient"
            )
        places = [*(end for band in found.bands for end in band), *(x for x, _ in found.atoms)]
        low, high = min(places), max(places)
        around = self._points.mass_around(low, high)
        if abs(around - 1) > max(MISSING, 10 * self._points.mass_error):
            raise ConvergenceError(
                f"bands and atoms were found from {low:.6g} to {high:.6g}, where the mass is not 1 "
                f"but {around:.12g}; take another route, or leave out what is so small"
            )


def _is_settled(row: Real) -> bool:
    """Whether masses at smaller and smaller heights are those of an atom."""
    return row.size > 1 and bool(abs(row[-1] - row[-2]) < _SETTLED * row[-1])


def _first_steady(levels: Real) -> int:
    """Index of the first of some levels next to an edge that the next one confirms.

    Right beside an edge where the density is unbounded a level may be off, by less than
    `LEVEL_ERROR`; what is more is an atom between these points.
    """
    steady = np.flatnonzero(np.abs(np.diff(levels)) <= _STEADY)
    first = int(steady[0]) if steady.size else 0
    return first if abs(levels[first] - levels[0]) <= LEVEL_ERROR else 0


def mass_up_to(x: Real, atoms: Sequence[tuple[float, float]]) -> Real:
    """Mass of atoms up to each point."""
    total = np.zeros(x.shape)
    for place, mass in atoms:
        total += mass * (x >= place)
    return total
