"""The distribution function of a law by subordination: constant on gaps, checked inside bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.free.subordination.bands import BandTables
from rmtland.free.subordination.extrapolation import Extrapolated
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Real, Support

__all__ = ["Levels"]

_SLACK = 1e-9
"""By how much the distribution function may miss its values at solved points around."""
_CERTAIN = 1e-14
"""Mass between solved points up to which they say the distribution function themselves."""


@dataclass(frozen=True)
class Levels:
    """Mass up to every gap and, inside bands, between which values of a table a point has to be.

    Parameters
    ----------
    name : str
        The law, for messages.
    gaps : tuple of (float, float)
        Ends of the gaps, ascending, the outermost infinite.
    atoms : tuple of (float, float)
        Places and masses.
    support : tuple of (float, float)
        The bands.
    bands : BandTables
        Tables of solved points.
    phase : callable
        Im L at a point of a gap.
    hidden : float
        Points of tables closer to zero than this are left out.
    """

    name: str
    gaps: tuple[tuple[float, float], ...]
    atoms: Atoms
    support: Support
    bands: BandTables = field(repr=False)
    phase: Callable[[float], float] = field(repr=False)
    hidden: float = 0.0

    @cached_property
    def masses(self) -> tuple[float, ...]:
        """Distribution function on every gap, constant there, from the logarithmic potential."""
        inner = [
            float(1 - self.phase(low + 0.4871 * (high - low)) / np.pi)
            for low, high in self.gaps[1:-1]
        ]
        masses = [0.0, *inner, 1.0]
        if min(np.diff(masses)) < -_SLACK:
            raise ConvergenceError(f"the masses {masses} on the gaps of {self.name} do not rise")
        return tuple(np.clip(masses, 0.0, 1.0).tolist())

    def off_bands(self, x: Real) -> Real:
        """Distribution function at points of gaps and at ends of bands; 0 inside bands."""
        below = np.zeros(x.shape)
        inside = np.zeros(x.shape, dtype=bool)
        for low, high in self.support:
            inside |= (x > low) & (x < high)
        for (low, high), mass in zip(self.gaps, self.masses, strict=True):
            here = ~inside & (x >= low) & (x <= high)
            below[here] = mass
        for place, mass in self.atoms:
            if not inside[x == place].any():
                # The gap to the left of the atom ends there; the atom belongs to the right.
                below[x == place] = self._mass_just_above(place, mass)
        return below

    def _mass_just_above(self, place: float, mass: float) -> float:
        near = 1e-9 * self.bands.solver.scale
        pairs = list(zip(self.gaps, self.masses, strict=True))
        for (low, high), below in pairs:
            if low <= place < high and place - low <= near:
                return below
        return max((below for (low, _), below in pairs if low < place), default=0.0) + mass

    def at_ends(self, band: tuple[float, float]) -> tuple[float, float]:
        """Distribution function at the lower end of a band, and the mass below its upper end."""
        low, high = self.off_bands(np.array(band))
        return float(low), float(high) - dict(self.atoms).get(band[1], 0.0)

    @cached_property
    def _table(self) -> tuple[Real, Real]:
        """Solved points of all bands, with ends, and the distribution function there, rising."""
        tables = []
        for band in self.support:
            left, right = self.at_ends(band)
            x, state = self.bands.solved(band)
            if self.hidden:
                seen = np.flatnonzero(np.abs(x) >= self.hidden)
                x, state = x[seen], state.take(seen)
            with np.errstate(all="ignore"):
                potential = self.bands.solver.equation.log_potential(x.astype(np.complex128), state)
            levels = 1 - potential.imag / np.pi
            known = np.isfinite(levels)
            places = np.concatenate([band[:1], x[known], band[1:]])
            levels = np.concatenate([[left], levels[known], [right]])
            drop = np.diff(levels)
            if drop.min() < -_SLACK:
                i = int(np.argmin(drop))
                raise ConvergenceError(
                    f"the distribution function of {self.name} falls from {levels[i]} at "
                    f"{places[i]} to {levels[i + 1]} at {places[i + 1]}: one is on a wrong branch"
                )
            # within the masses at the ends, which rounding may miss by an ulp or two
            tables.append((places, np.clip(np.maximum.accumulate(levels), left, right)))
        return np.concatenate([x for x, _ in tables]), np.concatenate([y for _, y in tables])

    def checked(
        self, x: Real, below: Real, extrapolate: Callable[[float], Extrapolated | None]
    ) -> Real:
        """Return computed values at points of bands, held between those of the tables.

        A value that is off by more than 1e-9 is replaced by what `extrapolate` gives, but where
        those of the tables leave no choice: of a density below rounding a phase may be that of the
        other half-plane.

        Raises
        ------
        ConvergenceError
            If that is off, too, or there is none.
        """
        places, levels = self._table
        cell = np.searchsorted(places, x)
        low, high = levels[cell - 1], levels[cell]
        held = np.minimum(np.maximum(below, low), high)
        for i in np.flatnonzero((np.abs(held - below) > _SLACK) & (high - low > _CERTAIN)):
            found = extrapolate(float(x[i]))
            if found is not None and low[i] - _SLACK <= found.below <= high[i] + _SLACK:
                held[i] = min(max(found.below, low[i]), high[i])
                continue
            raise ConvergenceError(
                f"the distribution function of {self.name} is {below[i]} at {x[i]}, but between "
                f"{low[i]} and {high[i]} at solved points on either side: one of them is on a "
                "wrong branch"
            )
        return held
