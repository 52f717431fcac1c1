r"""Laws by subordination: a law that holds an equation, its solver, its gaps and its bands.

The equations are in `rmtland.free.subordination.equation`. On the axis a point is in a band, where
the solution is the root inside the half-plane and starts from a table
(`rmtland.free.subordination.bands`), or in a gap, where it is the attracting real root and starts
from the curve of the gap (`rmtland.laws.gaps`); no point is ever shifted off the axis. Which of
them is asked is decided by `rmtland.free.subordination.closed_half_plane`. What is lost in rounding
is extrapolated from solved points (`rmtland.free.subordination.extrapolation`), and the
distribution function has to lie between its values at solved points on either side.

Examples
--------
>>> from rmtland import Uniform, free_sum
>>> law = free_sum(Uniform(0.0, 1.0), Uniform(0.0, 1.0))
>>> round(law.cdf(1.0), 12), bool(law.solve(0.7).error < 1e-12)
(0.5, True)
"""

from __future__ import annotations

import abc
from dataclasses import fields
from functools import cached_property

import numpy as np

from rmtland.free.subordination.band_points import BandPoints
from rmtland.free.subordination.bands import BandTables, PlainTables
from rmtland.free.subordination.closed_half_plane import ClosedHalfPlane
from rmtland.free.subordination.equation import Solved, SubordinationEquation
from rmtland.free.subordination.far_field import FarField
from rmtland.free.subordination.gap_points import GapPoints
from rmtland.free.subordination.gap_search import GapSearch
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.free.subordination.levels import Levels
from rmtland.free.subordination.singular_point import SingularPoint
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.sweep import bands_between
from rmtland.free.units import require_plain
from rmtland.laws.first_check import certify_once
from rmtland.laws.gaps import Gap, joined
from rmtland.laws.pointwise import upper_half_plane
from rmtland.laws.quadrature import DensityError
from rmtland.solution import Solution, Status
from rmtland.typing import ArrayLike, Atoms, Complex, Integer, Logical, Real, Record, Support

__all__ = ["SubordinatedLaw"]


class SubordinatedLaw(Solved):
    """A law made from operands by subordination; see the module for the equations."""

    def __getstate__(self) -> Record:
        # What was computed on the way is left behind.
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    # What a sum or a product provides ------------------------------------------------------------

    @property
    @abc.abstractmethod
    def equation(self) -> SubordinationEquation:
        """The equation of the law."""

    @property
    @abc.abstractmethod
    def _scale(self) -> float:
        """A length beyond which the law looks like a point."""

    @property
    @abc.abstractmethod
    def hull_bound(self) -> tuple[float, float]:
        """Bounds of the support, not necessarily sharp."""

    def _found_gaps(self, search: GapSearch) -> list[Gap]:
        """Gaps by a search, with what is known of their ends."""
        return search.gaps()

    @property
    def _name(self) -> str:
        """The law in messages: of many operands the beginning and the end."""
        text = str(self)
        return text if len(text) <= 400 else f"{text[:250]} ... {text[-100:]}"

    # What it holds ------------------------------------------------------------------------------

    @cached_property
    def solver(self) -> SubordinationSolver:
        """Solver of the equation."""
        require_plain(self._name, self._scale)
        return SubordinationSolver(self.equation, self._scale)

    @cached_property
    def _real_gaps(self) -> tuple[Gap, ...]:
        """Gaps on the real line in ascending order, the outermost included."""
        search = GapSearch(self, self.solver, self.hull_bound)
        return search.ordered(self._found_gaps(search), self.atoms)

    def complement(self) -> list[Gap]:
        """Components of the complement of support and atoms, the last one through infinity.

        Returns
        -------
        list of Gap
            In ascending order.
        """
        first, *inner, last = self._real_gaps
        return [*inner, joined(last, first)]

    @cached_property
    def support(self) -> Support:
        """Intervals of the continuous part, between the gaps."""
        return bands_between(self._real_gaps)

    @property
    @abc.abstractmethod
    def atoms(self) -> Atoms:
        """Point masses by the exact criteria."""

    @cached_property
    def _bands(self) -> BandTables:
        return PlainTables(self.solver, self.support)

    @cached_property
    def _in_bands(self) -> BandPoints:
        return BandPoints(self._bands, self._levels, self.support)

    @cached_property
    def _off_bands(self) -> GapPoints:
        return GapPoints(self._name, self.solver, self._real_gaps, self.support, self.atoms)

    @cached_property
    def _far(self) -> FarField:
        return FarField.of(self._exact_moments(8), self._scale)

    @cached_property
    def _half_plane(self) -> ClosedHalfPlane:
        return ClosedHalfPlane(
            self,
            self._in_bands,
            self._off_bands,
            self._far,
            self._singular_points,
            self._by_power,
        )

    @cached_property
    def _singular_points(self) -> tuple[SingularPoint | InnerAtom, ...]:
        """Points of the support so close to which the equation loses its digits."""
        return self._inner_atoms

    @cached_property
    def _inner_atoms(self) -> tuple[InnerAtom, ...]:
        """Atoms inside bands, but where the law knows better what is beside them."""
        ends = [*(end for band in self.support for end in band), *(p for p, _ in self.atoms)]
        return tuple(
            InnerAtom.of(
                self._bands, place, mass, min(abs(end - place) for end in ends if end != place)
            )
            for place, mass in self.atoms
            if any(low < place < high for low, high in self.support)
            and place not in self._known_places
        )

    _known_places: tuple[float, ...] = ()

    def _sides_of(self, place: float) -> tuple[bool, bool]:
        """Whether there is a band just below a place, and just above it."""
        return (
            any(low < place <= high for low, high in self.support),
            any(low <= place < high for low, high in self.support),
        )

    def _by_power(self, z: Complex, point: SingularPoint | InnerAtom) -> Logical:
        """Whether points are so close to one of these that its power is asked."""
        return point.holds(z)

    @cached_property
    def _levels(self) -> Levels:
        gaps = tuple((gap.low, gap.high) for gap in self._real_gaps)
        return Levels(
            self._name, gaps, self.atoms, self.support, self._bands, self._potential_on_gap
        )

    _require_certificate = certify_once

    # Solving ------------------------------------------------------------------------------------

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
            extrapolated to an end of a band or to what is lost in rounding. Never raises for lack
            of convergence; `status` says.

        Raises
        ------
        ValueError
            If z is not finite or below the real axis.
        TypeError
            If z is not made of numbers.
        """
        flat, shape = upper_half_plane(z)
        value, slope, steps = self._jet_with_steps(flat, slopes=True)
        defect, error = self._half_plane.errors(flat, value, slope)
        status = Status.CONVERGED if (steps >= 0).all() else Status.NOT_CONVERGED
        return Solution(
            value.reshape(shape),
            status,
            defect.reshape(shape),
            np.abs(steps).reshape(shape),
            error.reshape(shape),
        )

    def _jet_with_steps(self, z: Complex, *, slopes: bool) -> tuple[Complex, Complex, Integer]:
        return self._half_plane.jet(z, slopes=slopes)

    # The interface of a law ---------------------------------------------------------------------

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        # NaN where there is no solution: as an operand, the law is also asked at trial points.
        value, slope, steps = self._jet_with_steps(z, slopes=True)
        value[steps < 0] = slope[steps < 0] = complex(np.nan, np.nan)
        return value, slope

    def _stieltjes(self, z: Complex) -> Complex:
        value, _, steps = self._jet_with_steps(z, slopes=False)
        self._half_plane.require(steps, z)
        return value

    def _log_potential(self, z: Complex) -> Complex:
        return self._half_plane.log_potential(z)

    def _potential_on_gap(self, x: float) -> float:
        """Im L at a point of a gap."""
        return float(self._log_potential(np.array([x], dtype=np.complex128)).imag[0])

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        inside = ~self._half_plane.in_gap(x)
        if inside.any():
            at = x[inside].astype(np.complex128)
            value, _, steps = self._jet_with_steps(at, slopes=False)
            if (steps < 0).any():
                unknown = np.zeros(x.shape, dtype=np.bool_)
                unknown[inside] = steps < 0
                raise DensityError(self._half_plane.unsolved(steps, at), unknown)
            density[inside] = -value.imag / np.pi
            for atom in self._inner_atoms:
                density[x == atom.place] = atom.density
        return np.maximum(density, 0.0)

    def _cdf(self, x: Real) -> Real:
        inside = ~self._half_plane.in_gap(x)
        below = np.zeros(x.shape)
        if not inside.all():
            below[~inside] = self._levels.off_bands(x[~inside])
        for atom in self._inner_atoms:
            near = atom.holds(x)
            below[near] = atom.below(x[near])
            self._half_plane.require(np.where(np.isnan(below[near]), -1, 0), x[near])
            inside &= ~near
        if inside.any():
            at = x[inside]
            below[inside], steps = self._in_bands.below(at)
            self._half_plane.require(steps, at)
            self._put_levels_by_power(x, below)
        return below

    def _put_levels_by_power(self, x: Real, below: Real) -> None:
        """Put in the levels so close to an end of infinite density that its power is asked."""
        for point in self._singular_points:
            for band in self.support:
                if isinstance(point, InnerAtom) or point.place not in band:
                    continue
                near = (x > band[0]) & (x < band[1]) & point.holds(x.astype(np.complex128))
                distance = x[near] - point.place
                with np.errstate(all="ignore"):
                    density = -point.jet(x[near].astype(np.complex128))[0].imag / np.pi
                level = self._levels.at_ends(band)[band.index(point.place)]
                found = level + density * distance / (1 + point.power)
                below[near] = np.where(np.isnan(found), below[near], np.clip(found, 0.0, 1.0))
