"""A law seen from so far away that its first moments say everything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rmtland.free.units import power_of_two
from rmtland.typing import Complex, Logical

__all__ = ["FarField"]


@dataclass(frozen=True)
class FarField:
    """Expansions of G, G' and L at infinity, about the mean.

    Parameters
    ----------
    mean : float
        Mean of the law.
    scale : float
        Its size; a thousand times that is far.
    unit : float
        A power of two of about that size.
    central : tuple of float
        Moments about the mean, order 0..8, in powers of the unit.
    """

    mean: float
    scale: float
    unit: float
    central: tuple[float, ...]

    @classmethod
    def of(cls, moments: list[Fraction], scale: float) -> FarField:
        """Return the far field of a law with these exact moments of order 0..8."""
        unit = power_of_two(scale)
        central = tuple(
            float(
                sum(math.comb(k, j) * moments[j] * (-moments[1]) ** (k - j) for j in range(k + 1))
                / Fraction(unit) ** k
            )
            for k in range(9)
        )
        return cls(float(moments[1]), scale, unit, central)

    def holds(self, z: Complex) -> Logical:
        """Whether points are far away."""
        return np.asarray(np.abs(z - self.mean) > 1e3 * self.scale)

    def at(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """G, G' and L."""
        distance = z - self.mean
        w = distance / self.unit
        value, slope, potential = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
        for k in range(8, -1, -1):
            moment = self.central[k]
            value = value / w + moment
            slope = slope / w + (k + 1) * moment
            if k:
                potential = potential / w + moment / k
        potential = np.log(distance) - potential / w
        return value / w / self.unit, -slope / w / w / self.unit / self.unit, potential
