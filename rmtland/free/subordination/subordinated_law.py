r"""Laws by subordination: a law that holds an equation, its solver, its gaps and its bands.

The equations are in `rmtland.free.subordination.equation`. On the axis a point is in a band, where
the solution is the root inside the half-plane and starts from a table
(`rmtland.free.subordination.bands`), or in a gap, where it is the attracting real root and starts
from the curve of the gap (`rmtland.laws.gaps`); no point is ever shifted off the axis. What is lost
in rounding is extrapolated from solved points (`rmtland.free.subordination.extrapolation`), and the
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
from typing import Any

import numpy as np

from rmtland.free.subordination.band_points import BandPoints
from rmtland.free.subordination.bands import BandTables, PlainTables
from rmtland.free.subordination.equation import Solved, SubordinationEquation
from rmtland.free.subordination.extrapolation import value_at_end
from rmtland.free.subordination.far_field import FarField
from rmtland.free.subordination.gap_points import GapPoints
from rmtland.free.subordination.gap_search import GapSearch
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.free.subordination.levels import Levels
from rmtland.free.subordination.singular_point import SingularPoint
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.state import SubordinationState
from rmtland.free.subordination.sweep import bands_between
from rmtland.laws.consistency import certify_once
from rmtland.laws.gaps import Gap, joined
from rmtland.laws.pointwise import upper_half_plane
from rmtland.laws.quadrature import DensityError
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import ArrayLike, Atoms, Complex, Integer, Logical, Real, Support

__all__ = ["SubordinatedLaw"]


class SubordinatedLaw(Solved):
    """A law made from operands by subordination; see the module for the equations."""

    def __getstate__(self) -> dict[str, Any]:
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

    def _is_singular(self, z: Complex) -> Logical:
        found = np.zeros(z.shape, dtype=bool)
        for point in self._singular_points:
            found |= self._by_power(z, point)
        return found

    @cached_property
    def _levels(self) -> Levels:
        gaps = tuple((gap.low, gap.high) for gap in self._real_gaps)
        return Levels(
            self._name, gaps, self.atoms, self.support, self._bands, self._potential_on_gap
        )

    _require_certificate = certify_once

    # Real points --------------------------------------------------------------------------------

    def _in_gap(self, x: Real) -> Logical:
        gap = np.ones(x.shape, dtype=bool)
        for low, high in self.support:
            gap &= (x <= low) | (x >= high)
        return gap

    def _is_end(self, z: Complex) -> Logical:
        """Whether points are ends of bands exactly, where the equation has a double root."""
        return np.isin(z, np.array([end for band in self.support for end in band]))

    def _taylor_above_gap(self, z: Complex) -> Logical:
        """Whether points are so close above a gap that G there is its first two Taylor terms."""
        close = (z.imag > 0) & self._in_gap(z.real) & ~self._is_singular(z)
        close[close] = z.imag[close] < 1e-13 * self._off_bands.reach(z.real[close])
        return close

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
        defect, error = np.full(flat.shape, np.inf), np.full(flat.shape, np.inf)
        thin = self._taylor_above_gap(flat)
        at = np.where(thin, flat.real, flat)
        for part, state, counts in self._parts(at):
            with np.errstate(all="ignore"):
                size = self.equation.defect(at[part], state)
                spread = self.equation.uncertainty(at[part], state)
                moved = self.equation.sensitivity(at[part], value[part], slope[part]) * spread
                bound = 2 * moved + 4e-16 * np.abs(value[part])
            # Values that are interpolated or extrapolated have no defect that could be stated.
            known = (counts >= 0) & np.isfinite(size)
            defect[part] = np.where(known, size, np.inf)
            error[part] = np.where(known & np.isfinite(bound), bound, np.inf)
        for point in self._singular_points:
            near = self._by_power(flat, point)
            found = value[near]
            error[near] = point.error(flat[near]) * np.where(np.isinf(found), 0, np.abs(found))
        remote = self._far.holds(at)
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

    def _parts(self, z: Complex) -> list[tuple[Logical, SubordinationState, Integer]]:
        """Solve in the bands, in the gaps and above the axis apart: mask, state, steps."""
        ends, far = self._is_end(z) | self._is_singular(z), self._far.holds(z)
        real = (z.imag == 0) & ~ends
        gap = real & self._in_gap(z.real)
        parts = []
        for mask, solve in (
            (real & ~gap, lambda at: self._bands.solve(at.real)),
            (gap & ~far, lambda at: self._off_bands.solve(at.real)),
            (~(real | ends | far), self.solver.above_axis),
        ):
            if mask.any():
                parts.append((mask, *solve(z[mask])))
        return parts

    def _jet_with_steps(self, z: Complex, *, slopes: bool) -> tuple[Complex, Complex, Integer]:
        value, slope = np.empty_like(z), np.empty_like(z)
        steps = np.zeros(z.shape, dtype=np.int64)
        thin = self._taylor_above_gap(z)
        slopes = slopes or bool(thin.any())
        at = np.where(thin, z.real, z)
        for part, state, count in self._parts(at):
            steps[part] = count
            with np.errstate(all="ignore"):
                value[part] = self.equation.stieltjes(at[part], state)
                if slopes:
                    slope[part] = self.equation.stieltjes_slope(at[part], state)
        self._recover(at, value, slope, steps, slopes=slopes)
        remote = self._far.holds(at)
        if remote.any():
            value[remote], slope[remote], _ = self._far.at(at[remote])
            steps[remote] = 0
        if thin.any():
            value[thin] += 1j * z.imag[thin] * slope[thin]
        for point in self._singular_points:
            near = self._by_power(z, point)
            value[near], slope[near] = point.jet(z[near])
            steps[near] = np.where(np.isnan(value[near]), -1, 0)
        for i in np.flatnonzero(self._is_end(z)):
            value[i] = value_at_end(self._band_of(float(z[i].real)), z[i].real, self._stieltjes)
            slope[i] = complex(-np.inf, 0)
        for place, _ in self.atoms:
            value[z == place] = complex(np.inf, 0)
            steps[z == place] = 0
        return value, slope, steps

    def _recover(
        self, at: Complex, value: Complex, slope: Complex, steps: Integer, *, slopes: bool
    ) -> None:
        """Overwrite what was not solved on the axis by what solved points say of it."""
        lost = np.flatnonzero((steps < 0) & (at.imag == 0))
        if not lost.size:
            return
        places = [place for place, _ in self.atoms]
        for i in lost[~self._in_gap(at.real[lost])]:
            found = self._in_bands.extrapolated(float(at[i].real))
            if found is not None and not np.isnan(found.value):
                value[i], slope[i] = found.value, complex(np.nan, np.nan)
                steps[i] = abs(steps[i])
        for i in lost[self._in_gap(at.real[lost]) & ~np.isin(at[lost], places)]:
            x = float(at[i].real)
            steps[i] = abs(steps[i])
            end = min(np.ravel(self.support), key=lambda end: abs(end - x), default=np.inf)
            if abs(x - end) <= 1e-14 * self._scale:
                value[i] = value_at_end(self._band_of(float(end)), float(end), self._stieltjes)
                slope[i] = complex(-np.inf, 0)
                continue
            value[i] = self._off_bands.across_pole(x, self.equation.stieltjes, lambda t: 1 / t)
            if slopes:
                slope[i] = self._off_bands.across_pole(
                    x, self.equation.stieltjes_slope, lambda t: -1 / t**2
                )

    def _band_of(self, end: float) -> tuple[float, float]:
        return next(band for band in self.support if end in band)

    # The interface of a law ---------------------------------------------------------------------

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
        thin = self._taylor_above_gap(z)
        at = np.where(thin, z.real, z)
        for part, state, steps in self._parts(at):
            x = at[part]
            lost = (steps < 0) & (x.imag == 0)
            self._require(np.where(lost, 0, steps), x)
            good = steps >= 0
            with np.errstate(all="ignore"):
                index = np.flatnonzero(part)[good]
                value[index] = self.equation.log_potential(x[good], state.take(good))
            for i in np.flatnonzero(part)[lost & ~np.isin(x, places)]:
                point = float(at[i].real)
                if self._in_gap(at.real[i : i + 1])[0]:
                    value[i] = self._off_bands.across_pole(
                        point, self.equation.log_potential, np.log
                    )
                else:
                    value[i] = self._potential_beside(point)
        remote = self._far.holds(at)
        if remote.any():
            value[remote] = self._far.at(at[remote])[2]
        if thin.any():
            value[thin] += 1j * z.imag[thin] * self._jet(at[thin])[0]
        for singular in self._singular_points:
            near = self._by_power(z, singular)
            value[near] = singular.log_potential(z[near])
            self._require(np.where(np.isnan(value[near]), -1, 0), z[near])
        for i in np.flatnonzero(self._is_end(z)):
            end = float(z[i].real)
            real = value_at_end(self._band_of(end), end, self._log_potential, bounded=True).real
            value[i] = complex(real, np.pi * (1 - float(self._cdf(z.real[i : i + 1])[0])))
        for i in np.flatnonzero(np.isin(z, places)):
            value[i] = complex(-np.inf, np.pi * (1 - float(self._cdf(z.real[i : i + 1])[0])))
        return value

    def _potential_beside(self, x: float) -> complex:
        """L at a point of a band where the equation is lost, from a point that is not."""
        found = self._in_bands.extrapolated(x)
        low, high = next(band for band in self.support if band[0] < x < band[1])
        near = x + (1 if x - low < high - x else -1) * 1e-8 * (high - low)
        value, _, good = self._in_bands.solved(np.array([near]))
        self._require(np.where(good & (found is not None), 1, -1), np.array([x]))
        assert found is not None
        real = float(self._log_potential(np.array([near + 0j]))[0].real)
        return complex(real + (x - near) * value[0].real, np.pi * (1 - found.below))

    def _potential_on_gap(self, x: float) -> float:
        """Im L at a point of a gap."""
        return float(self._log_potential(np.array([x], dtype=np.complex128)).imag[0])

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        inside = ~self._in_gap(x)
        if inside.any():
            at = x[inside].astype(np.complex128)
            value, _, steps = self._jet_with_steps(at, slopes=False)
            if (steps < 0).any():
                unknown = np.zeros(x.shape, dtype=np.bool_)
                unknown[inside] = steps < 0
                raise DensityError(self._unsolved(steps, at), unknown)
            density[inside] = -value.imag / np.pi
            for atom in self._inner_atoms:
                density[x == atom.place] = atom.density
        return np.maximum(density, 0.0)

    def _cdf(self, x: Real) -> Real:
        inside = ~self._in_gap(x)
        below = np.zeros(x.shape)
        if not inside.all():
            below[~inside] = self._levels.off_bands(x[~inside])
        for atom in self._inner_atoms:
            near = atom.holds(x)
            below[near] = atom.below(x[near])
            self._require(np.where(np.isnan(below[near]), -1, 0), x[near])
            inside &= ~near
        if inside.any():
            at = x[inside]
            below[inside], steps = self._in_bands.below(at)
            self._require(steps, at)
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

    def _require(self, steps: Integer, z: Any) -> None:
        if steps.size and steps.min() < 0:
            raise ConvergenceError(self._unsolved(steps, z))

    def _unsolved(self, steps: Integer, z: Any) -> str:
        bad = z[steps < 0]
        return (
            f"{self._name} did not converge at {bad.size} of {z.size} points, the first at "
            f"{bad[0]}; solve() returns the others"
        )
