"""Transforms of a law by subordination on the closed upper half-plane: who is asked at which point.

In a band it is the table of the band, in a gap its curve, above the axis the solver, far away the
moments, beside a point where the equation loses its digits a power, and at an end of a band what is
extrapolated to it; what is lost in rounding on the axis is extrapolated from solved points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.free.subordination.band_points import BandPoints
from rmtland.free.subordination.equation import SubordinationEquation
from rmtland.free.subordination.extrapolation import value_at_end
from rmtland.free.subordination.far_field import FarField
from rmtland.free.subordination.gap_points import GapPoints
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.free.subordination.last_solved import LastSolved
from rmtland.free.subordination.singular_point import SingularPoint
from rmtland.free.subordination.state import SubordinationState
from rmtland.laws.law import Law
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Integer, Logical, NumpyArray, Real

__all__ = ["ClosedHalfPlane"]


@dataclass(frozen=True, eq=False)
class ClosedHalfPlane:
    """G, its slope and its potential L at points of the closed upper half-plane.

    Parameters
    ----------
    law : Law
        The law, asked for its values beside ends of bands.
    in_bands : BandPoints
        Solves at real points in the bands.
    off_bands : GapPoints
        Solves at real points in the gaps.
    far : FarField
        Values far away.
    singular_points : tuple of SingularPoint or InnerAtom
        Points so close to which the equation loses its digits.
    by_power : callable
        Whether points are so close to one of these that its power is asked.
    """

    law: Law
    in_bands: BandPoints
    off_bands: GapPoints
    far: FarField
    singular_points: tuple[SingularPoint | InnerAtom, ...]
    by_power: Callable[[Complex, SingularPoint | InnerAtom], Logical]

    @cached_property
    def equation(self) -> SubordinationEquation:
        """The equation of the law."""
        return self.off_bands.solver.equation

    def in_gap(self, x: Real) -> Logical:
        """Whether real points are in no band, the ends of bands included."""
        gap = np.ones(x.shape, dtype=bool)
        for low, high in self.law.support:
            gap &= (x <= low) | (x >= high)
        return gap

    def _is_end(self, z: Complex) -> Logical:
        """Whether points are ends of bands exactly, where the equation has a double root."""
        return np.isin(z, np.array([end for band in self.law.support for end in band]))

    def _taylor_above_gap(self, z: Complex) -> Logical:
        """Whether points are so close above a gap that G there is its first two Taylor terms."""
        close = (z.imag > 0) & self.in_gap(z.real) & ~self._is_singular(z)
        close[close] = z.imag[close] < 1e-13 * self.off_bands.reach(z.real[close])
        return close

    def _is_singular(self, z: Complex) -> Logical:
        found = np.zeros(z.shape, dtype=bool)
        for point in self.singular_points:
            found |= self.by_power(z, point)
        return found

    @cached_property
    def _last_above(self) -> LastSolved:
        return LastSolved()

    def _above_axis(self, z: Complex) -> tuple[SubordinationState, Integer]:
        return self._last_above(self.off_bands.solver.above_axis, z)

    def _parts(self, z: Complex) -> list[tuple[Logical, SubordinationState, Integer]]:
        """Solve in the bands, in the gaps and above the axis apart: mask, state, steps."""
        ends, far = self._is_end(z) | self._is_singular(z), self.far.holds(z)
        real = (z.imag == 0) & ~ends
        gap = real & self.in_gap(z.real)
        parts = []
        for mask, solve in (
            (real & ~gap, lambda at: self.in_bands.tables.solve(at.real)),
            (gap & ~far, lambda at: self.off_bands.solve(at.real)),
            (~(real | ends | far), self._above_axis),
        ):
            if mask.any():
                parts.append((mask, *solve(z[mask])))
        return parts

    def jet(self, z: Complex, *, slopes: bool) -> tuple[Complex, Complex, Integer]:
        """G, its slope where that is asked for, and steps, negative where it was not solved."""
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
        remote = self.far.holds(at)
        if remote.any():
            value[remote], slope[remote], _ = self.far.at(at[remote])
            steps[remote] = 0
        if thin.any():
            value[thin] += 1j * z.imag[thin] * slope[thin]
        for point in self.singular_points:
            near = self.by_power(z, point)
            value[near], slope[near] = point.jet(z[near])
            steps[near] = np.where(np.isnan(value[near]), -1, 0)
        for i in np.flatnonzero(self._is_end(z)):
            value[i] = value_at_end(self._band_of(float(z[i].real)), z[i].real, self.law._stieltjes)
            slope[i] = complex(-np.inf, 0)
        for place, _ in self.law.atoms:
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
        places = [place for place, _ in self.law.atoms]
        for i in lost[~self.in_gap(at.real[lost])]:
            found = self.in_bands.extrapolated(float(at[i].real))
            if found is not None and not np.isnan(found.value):
                value[i], slope[i] = found.value, complex(np.nan, np.nan)
                steps[i] = abs(steps[i])
        for i in lost[self.in_gap(at.real[lost]) & ~np.isin(at[lost], places)]:
            x = float(at[i].real)
            steps[i] = abs(steps[i])
            end = min(np.ravel(self.law.support), key=lambda end: abs(end - x), default=np.inf)
            if abs(x - end) <= 1e-14 * self.off_bands.solver.scale:
                value[i] = value_at_end(self._band_of(float(end)), float(end), self.law._stieltjes)
                slope[i] = complex(-np.inf, 0)
                continue
            try:
                value[i] = self.off_bands.across_pole(x, self.equation.stieltjes, lambda t: 1 / t)
                if slopes:
                    slope[i] = self.off_bands.across_pole(
                        x, self.equation.stieltjes_slope, lambda t: -1 / t**2
                    )
            except ConvergenceError:  # what asks for the value says so
                value[i] = slope[i] = complex(np.nan, np.nan)
                steps[i] = -abs(steps[i]) or -1

    def _band_of(self, end: float) -> tuple[float, float]:
        return next(band for band in self.law.support if end in band)

    def log_potential(self, z: Complex) -> Complex:
        """L, whose slope is G; ConvergenceError where it was not solved."""
        value = np.empty_like(z)
        places = [place for place, _ in self.law.atoms]
        thin = self._taylor_above_gap(z)
        at = np.where(thin, z.real, z)
        for part, state, steps in self._parts(at):
            x = at[part]
            lost = (steps < 0) & (x.imag == 0)
            self.require(np.where(lost, 0, steps), x)
            good = steps >= 0
            with np.errstate(all="ignore"):
                index = np.flatnonzero(part)[good]
                value[index] = self.equation.log_potential(x[good], state.take(good))
            for i in np.flatnonzero(part)[lost & ~np.isin(x, places)]:
                point = float(at[i].real)
                if self.in_gap(at.real[i : i + 1])[0]:
                    value[i] = self.off_bands.across_pole(
                        point, self.equation.log_potential, np.log
                    )
                else:
                    value[i] = self._potential_beside(point)
        remote = self.far.holds(at)
        if remote.any():
            value[remote] = self.far.at(at[remote])[2]
        if thin.any():
            value[thin] += 1j * z.imag[thin] * self.law._jet(at[thin])[0]
        for singular in self.singular_points:
            near = self.by_power(z, singular)
            value[near] = singular.log_potential(z[near])
            self.require(np.where(np.isnan(value[near]), -1, 0), z[near])
        for i in np.flatnonzero(self._is_end(z)):
            end = float(z[i].real)
            real = value_at_end(self._band_of(end), end, self.law._log_potential, bounded=True).real
            value[i] = complex(real, np.pi * (1 - float(self.law._cdf(z.real[i : i + 1])[0])))
        for i in np.flatnonzero(np.isin(z, places)):
            value[i] = complex(-np.inf, np.pi * (1 - float(self.law._cdf(z.real[i : i + 1])[0])))
        return value

    def _potential_beside(self, x: float) -> complex:
        """L at a point of a band where the equation is lost, from a point that is not."""
        found = self.in_bands.extrapolated(x)
        low, high = next(band for band in self.law.support if band[0] < x < band[1])
        near = x + (1 if x - low < high - x else -1) * 1e-8 * (high - low)
        value, _, good = self.in_bands.solved(np.array([near]))
        self.require(np.where(good & (found is not None), 1, -1), np.array([x]))
        assert found is not None
        real = float(self.law._log_potential(np.array([near + 0j]))[0].real)
        return complex(real + (x - near) * value[0].real, np.pi * (1 - found.below))

    def errors(self, z: Complex, value: Complex, slope: Complex) -> tuple[Real, Real]:
        """Return the defect of the equation and a bound of the error of values and slopes of G."""
        defect, error = np.full(z.shape, np.inf), np.full(z.shape, np.inf)
        thin = self._taylor_above_gap(z)
        at = np.where(thin, z.real, z)
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
        for point in self.singular_points:
            near = self.by_power(z, point)
            found = value[near]
            error[near] = point.error(z[near]) * np.where(np.isinf(found), 0, np.abs(found))
        remote = self.far.holds(at)
        defect[remote] = 0.0
        error[remote] = 1e-15 * np.abs(value[remote])
        ends = self._is_end(z) & ~np.isinf(value)
        defect[ends] = error[ends] = np.inf
        return defect, error

    def require(self, steps: Integer, z: NumpyArray) -> None:
        """Raise ConvergenceError where steps are negative: the points were not solved."""
        if steps.size and steps.min() < 0:
            raise ConvergenceError(self.unsolved(steps, z))

    def unsolved(self, steps: Integer, z: NumpyArray) -> str:
        """Return what is said of points whose steps are negative."""
        bad = z[steps < 0]
        return (
            f"{self.off_bands.name} did not converge at {bad.size} of {z.size} points, the first "
            f"at {bad[0]}; solve() returns the others"
        )
