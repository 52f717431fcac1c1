"""Points in bands: solved ones, what they say of lost ones, and the distribution function."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.free.subordination.bands import BandTables
from rmtland.free.subordination.end_masses import EndMass
from rmtland.free.subordination.extrapolation import (
    EndPower,
    Extrapolated,
    between,
    power_beside_end,
)
from rmtland.free.subordination.levels import Levels
from rmtland.free.subordination.state import SubordinationState
from rmtland.typing import Complex, Integer, Logical, Real, Support

__all__ = ["BandPoints"]

Band = tuple[float, float]

_BESIDE = 1e-4
"""Distance from an end, in units of the band, where the mass is integrated from the end."""


@dataclass(frozen=True)
class BandPoints:
    """Solves at real points inside the bands.

    Parameters
    ----------
    tables : BandTables
        Tables of solved points, from which others start.
    levels : Levels
        Distribution function on gaps and at solved points.
    support : tuple of (float, float)
        The bands.
    hard : tuple of float
        Ends beside which the mass is known otherwise.
    """

    tables: BandTables = field(repr=False)
    levels: Levels = field(repr=False)
    support: Support
    hard: tuple[float, ...] = ()

    def solved(self, x: Real) -> tuple[Complex, Real, Logical]:
        """G, the distribution function and whether they were found."""
        z = x.astype(np.complex128)
        state, steps = self.tables.solve(x)
        with np.errstate(all="ignore"):
            value = self.tables.solver.equation.stieltjes(z, state)
        below = self._level_at(x, state, steps)
        return value, below, (steps > 0) & np.isfinite(value) & np.isfinite(below)

    def _level_at(self, x: Real, state: SubordinationState, steps: Integer) -> Real:
        """Distribution function at states, from the potential; NaN where not solved."""
        z, equation = x.astype(np.complex128), self.tables.solver.equation
        good = steps > 0
        with np.errstate(all="ignore"):
            if good.all():
                return np.asarray(1 - equation.log_potential(z, state).imag / np.pi)
            below = np.full(x.shape, np.nan)
            below[good] = 1 - equation.log_potential(z[good], state.take(good)).imag / np.pi
        return below

    def below(self, x: Real) -> tuple[Real, Integer]:
        """Distribution function, held between its values at solved points, and steps.

        These are negative where neither the equation nor points around say it.
        """
        levels, steps = np.empty(x.shape), np.ones(x.shape, dtype=np.int64)
        rest = ~self._beside_ends(x, levels)
        if rest.any():
            at = x[rest]
            state, counts = self.tables.solve(at)
            found = self._level_at(at, state, counts)
            counts = np.where(np.isfinite(found), counts, -np.abs(counts))
            for i in np.flatnonzero(counts < 0):
                other = self.extrapolated(float(at[i]))
                if other is not None:
                    found[i], counts[i] = other.below, 1
            levels[rest], steps[rest] = found, counts
        if steps.min() > 0:
            levels = self.levels.checked(x, levels, self.extrapolated)
        return levels, steps

    # Beside ends --------------------------------------------------------------------------------

    def _beside_ends(self, x: Real, levels: Real) -> Logical:
        """Put in the levels of points beside ends of bands, and say where these are."""
        known = np.zeros(x.shape, dtype=bool)
        for band in self.support:
            reach = _BESIDE * (band[1] - band[0])
            for end, inward in zip(band, (1.0, -1.0), strict=True):
                distance = inward * (x - end)
                near = (distance > 0) & (distance <= reach)
                mass = self._end_mass(band, inward) if near.any() else None
                if mass is None:
                    continue
                near &= distance <= mass.reach
                level = self.levels.at_ends(band)[inward < 0]
                levels[near] = level + inward * mass.at(distance[near])
                known |= near
        return known

    @cached_property
    def _end_masses(self) -> dict[tuple[Band, float], EndMass | None]:
        """What `_end_mass` found so far."""
        return {}

    def _end_mass(self, band: Band, inward: float) -> EndMass | None:
        """Mass beside an end of a band; None where the density does not say it."""
        key = band, inward
        if key not in self._end_masses:
            self._end_masses[key] = self._integrated(band, inward)
        return self._end_masses[key]

    def _integrated(self, band: Band, inward: float) -> EndMass | None:
        width, end = band[1] - band[0], band[inward < 0]
        if end in self.hard:
            return None

        def density(x: Real) -> Real:
            state, steps = self.tables.solve(x)
            with np.errstate(all="ignore"):
                value = self.tables.solver.equation.stieltjes(x.astype(np.complex128), state)
            return np.where(steps > 0, -value.imag / np.pi, np.nan)

        nearest = max(64 * float(np.spacing(abs(end))), 1e-18 * width) if end else 1e-22 * width
        mass = EndMass.of(density, end, inward, _BESIDE * width, nearest)
        if mass is None:
            return None
        # As far as the potential, which shares no integral, agrees.
        distance = mass.tops
        seen = self.solved(end + inward * distance)[1]
        level = self.levels.at_ends(band)[inward < 0]
        own = mass.at(distance)
        agrees = np.abs(inward * (seen - level) - own) <= 1e-12 + 1e-10 * own
        return mass.cut(int(np.argmin(agrees)) if not agrees.all() else agrees.size)

    # Lost points --------------------------------------------------------------------------------

    @cached_property
    def _end_powers(self) -> dict[tuple[Band, bool], EndPower | None]:
        """What was found at ends of bands."""
        return {}

    def extrapolated(self, x: float) -> Extrapolated | None:
        """Values at a point inside a band where the equation is lost in rounding."""
        band = next(band for band in self.support if band[0] < x < band[1])
        upper = band[1] - x < x - band[0]
        if (band, upper) not in self._end_powers:
            self._end_powers[band, upper] = power_beside_end(
                self.solved, band, self.levels.at_ends(band), upper=upper
            )
        power, distance = self._end_powers[band, upper], abs(x - band[upper])
        if power is None or distance >= power.step:
            found = between(self.solved, x, band)
            if found is not None or power is None or distance > 1e-6 * (band[1] - band[0]):
                return found
            # Closer to the end than where everything is solved.
            power = power_beside_end(
                self.solved, band, self.levels.at_ends(band), upper=upper, beyond=distance
            )
            self._end_powers[band, upper] = power
        return power.at(distance) if power is not None else None
