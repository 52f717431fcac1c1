r"""Mass beside the ends of bands: the density integrated from the end, relatively accurate.

The potential knows the distribution function to 1e-16 of the whole mass. Beside an end the mass is
less than that, while the density is known relatively; with :math:`\tau = \log d`, d the distance
from the end,

.. math:: \mu(d) = \int_{-\infty}^{\log d} \rho(e + e^\tau) \, e^\tau \, d\tau .

In the logarithm every power of the distance is smooth, and so is a change from one power to another
on the way. With :math:`f = \rho d` and :math:`\mu = f r` the ratio r is 1/(1 + p) where the density
is a power p, and changes slowly elsewhere:

.. math:: r' + (\log f)' r = 1 .

That is solved upwards on panels of two decades by collocation at Chebyshev's points; every mass is
known to the same relative accuracy, however steep the density is. Below the lowest panel the
density is a power, and inside of a panel :math:`\log \mu` is interpolated.

Examples
--------
A density of which the square root and the square are equal at 1e-6 from the end:

>>> import numpy as np
>>> end = EndMass.of(lambda x: np.sqrt(x) + 1e9 * x**2, 0.0, 1.0, 1e-4, 1e-20)
>>> d = np.array([1e-30, 1e-9, 1e-6, 1e-4])
>>> bool(np.abs(end.at(d) / (d**1.5 / 1.5 + 1e9 * d**3 / 3) - 1).max() < 1e-5)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import chebyshev

from rmtland.typing import Real

__all__ = ["EndMass"]

_NODES = 12
_PANEL = math.log(100.0)
_AT = -np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
"""Chebyshev's points of the second kind, from -1 to 1."""
_TO_SERIES = np.linalg.inv(chebyshev.chebvander(_AT, _NODES - 1))
_SLOPES = chebyshev.chebval(_AT, chebyshev.chebder(_TO_SERIES)).T * (2 / _PANEL)
"""Takes values at the points to derivatives there in tau."""


@dataclass(frozen=True)
class EndMass:
    """Mass between an end of a band and points beside it.

    Parameters
    ----------
    lowest : float
        Distance below which the density is a power.
    power : float
        Its exponent.
    least : float
        Mass up to the lowest distance.
    series : ndarray, shape (12, panels)
        Chebyshev series of the logarithm of the mass on the panels, upwards.
    """

    lowest: float
    power: float
    least: float
    series: Real

    @property
    def tops(self) -> Real:
        """Upper ends of the panels."""
        return np.asarray(self.lowest * np.exp(_PANEL * np.arange(1, self.series.shape[1] + 1)))

    @property
    def reach(self) -> float:
        """Distance up to which the mass is known."""
        return float(self.tops[-1])

    def cut(self, count: int) -> EndMass | None:
        """Return the same with the lowest panels only; None without any."""
        return replace(self, series=self.series[:, :count]) if count else None

    @classmethod
    def of(
        cls,
        density: Callable[[Real], Real],
        end: float,
        inward: float,
        reach: float,
        nearest: float,
    ) -> EndMass | None:
        """Integrate the density beside an end.

        Parameters
        ----------
        density : callable
            Density at points of the band, NaN where it is not known.
        end, inward : float
            The end, and 1 where the band is above it, -1 where it is below.
        reach, nearest : float
            Distances up to which the mass is wanted, and down to which the density is asked for.

        Returns
        -------
        EndMass or None
            None where the density is not known on the uppermost panel, or is no power below.
        """
        count = int(math.log(reach / nearest) / _PANEL)
        if count < 1:
            return None
        starts = math.log(reach) - _PANEL * np.arange(count, 0, -1)
        tau = starts[:, None] + _PANEL * (_AT + 1) / 2
        distance = np.exp(tau)
        x = end + inward * distance
        value = density(x.ravel()).reshape(tau.shape)
        good = (np.isfinite(value) & (value > 0)).all(axis=1)
        bad = np.flatnonzero(~good)
        first = int(bad[-1]) + 1 if bad.size else 0
        if first == count:
            return None
        x, tau, value, distance = (each[first:] for each in (x, tau, value, distance))
        # Distances are rounded with the points; what that does to a power is taken back.
        apart = np.log(np.abs(x - end))
        powers = np.log(value[:, -1] / value[:, 0]) / (apart[:, -1] - apart[:, 0])
        grown = np.log(value * distance) + powers[:, None] * (tau - apart)
        power = float((grown[0, 3] - grown[0, 0]) / (tau[0, 3] - tau[0, 0])) - 1
        if not -0.99 < power < 8:
            return None
        ratio = 1 / (1 + power)
        masses = np.empty_like(grown)
        for k, row in enumerate(grown):
            system = _SLOPES + np.diag(_SLOPES @ row)
            system[0] = np.eye(_NODES)[0]
            known = np.ones(_NODES)
            known[0] = ratio
            ratios = np.linalg.solve(system, known)
            if ratios.min() <= 0:
                return None
            masses[k], ratio = row + np.log(ratios), ratios[-1]
        least = math.exp(masses[0, 0])
        return cls(float(distance[0, 0]), power, least, _TO_SERIES @ masses.T)

    def at(self, distance: Real) -> Real:
        """Return the mass up to distances below the reach."""
        with np.errstate(divide="ignore"):
            height = np.log(distance / self.lowest) / _PANEL
        count = self.series.shape[1]
        panel = np.clip(np.floor(height), 0, count - 1).astype(np.intp)
        place = 2 * (np.maximum(height, 0.0) - panel) - 1
        logarithm = chebyshev.chebval(place, self.series[:, panel], tensor=False)
        beside = self.least * (distance / self.lowest) ** (1 + self.power)
        return np.where(height < 0, beside, np.exp(np.where(height < 0, 0.0, logarithm)))
