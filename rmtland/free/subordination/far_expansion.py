r"""The S-transform of a positive law at a point close to infinity, from moments.

There m = z G(z) - 1 is close to zero, and rounded; 1/S is a power series in it.

>>> from rmtland.laws import MarchenkoPastur
>>> u, slope = FarExpansion.of(MarchenkoPastur(0.5)).at(np.array([0.01]))
>>> float(u[0]), float(slope[0])
(1.005, 0.5)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.free.subordination.moments import reciprocal_s
from rmtland.laws.law import Law
from rmtland.typing import Logical, NumpyArray, Real

__all__ = ["FarExpansion"]


@dataclass(frozen=True)
class FarExpansion:
    """u = 1/S of a positive law near m = 0, where its point a is close to infinity.

    Parameters
    ----------
    coefficients : ndarray of float, shape (12,)
        Of the powers of m, ascending.
    radius : float
        Largest size of m at which the expansion holds.
    reach : float
        Least size of a there.
    """

    coefficients: Real
    radius: float
    reach: float

    @classmethod
    def of(cls, law: Law) -> FarExpansion:
        """Return the expansion to order 11, and where it may be used."""
        exact = reciprocal_s(law._exact_moments(12))
        values = np.array([float(value) for value in exact])
        shares = np.abs(values[1:] / values[0]) ** (1 / np.arange(1, 12))
        return cls(values, float(0.02 / max(shares.max(), 1.0)), 4 * law.hull[1])

    def near(self, m: NumpyArray, a: NumpyArray) -> Logical:
        """Whether the expansion holds at m, with the point close to a."""
        return np.asarray((np.abs(m) < self.radius) & (np.abs(a) > self.reach))

    def at(self, m: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return u and u'."""
        value, slope = np.zeros_like(m), np.zeros_like(m)
        for coefficient in self.coefficients[::-1]:
            slope = slope * m + value
            value = value * m + coefficient
        return value, slope
