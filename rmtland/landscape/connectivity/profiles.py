r"""The loss along a curve: barrier, length, and the index of the Hessian on the way.

The barrier is the height above the higher end,

.. math:: B = \max_t L(\theta(t)) - \max(L(\theta(0)), L(\theta(1))) ,

0 where no point of the curve is higher. The maximum is taken over evenly spaced points, and again
over finer grids around the highest of them; what is missed between points is bounded by nothing,
and a barrier is a lower bound of that of the curve. Frankle et al. (2020) measure from the line
between the ends, and others from the lower end: `above_lower_end`.

References
----------
.. [1] J. Frankle, G. K. Dziugaite, D. M. Roy and M. Carbin, Linear mode connectivity and the
       lottery ticket hypothesis, ICML 2020.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.connectivity import Polygon
>>> from rmtland.landscape.surface import FunctionSurface
>>> bump = FunctionSurface(1, lambda t: (1.0 - t[0] ** 2, -2.0 * t))
>>> found = profile(bump, Polygon([[-1.0], [1.0]]), points=4)
>>> round(found.barrier, 4), found.length
(1.0, 2.0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import length
from rmtland.estimate import negative_fraction
from rmtland.landscape.connectivity.curves import Curve, curve_on
from rmtland.landscape.surface import LossSurface
from rmtland.typing import Real, Rng

__all__ = ["PathProfile", "profile"]

_FINER = 3
"""Grids around the highest point, each eight times finer than the one before."""

_EXACT = 600
"""Largest number of parameters for which the index comes from all eigenvalues."""


@dataclass(frozen=True, eq=False)
class PathProfile:
    """The loss along a curve.

    Made by `rmtland.landscape.connectivity.profile`.

    Parameters
    ----------
    t : ndarray, shape (k,)
        Ascending, from 0 to 1; denser around the highest point.
    losses : ndarray, shape (k,)
        There.
    length : float
        Of the curve, in parameters.
    straight : float
        Distance of the ends.
    index_t, index : ndarray, shape (j,)
        Where the index was measured, and the fraction of negative eigenvalues there; empty where it
        was not asked for.
    """

    t: Real
    losses: Real
    length: float
    straight: float
    index_t: Real
    index: Real

    @property
    def highest(self) -> float:
        """The largest loss seen."""
        return float(self.losses.max())

    @property
    def barrier(self) -> float:
        """Height above the higher end."""
        return self.highest - float(max(self.losses[0], self.losses[-1]))

    @property
    def above_lower_end(self) -> float:
        """Height above the lower end."""
        return self.highest - float(min(self.losses[0], self.losses[-1]))

    def __repr__(self) -> str:
        return f"PathProfile(barrier={self.barrier:.4g}, length={self.length:.4g})"


def profile(
    surface: LossSurface,
    curve: Curve,
    *,
    points: int = 101,
    index_points: int = 0,
    rng: Rng = None,
) -> PathProfile:
    """Measure the loss along a curve.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    curve : Curve
        The path.
    points : int, optional
        Evenly spaced, at least 2; each node of a polygon is one of them only where that fits.
    index_points : int, optional
        At how many points the fraction of negative eigenvalues is measured.
    rng : optional
        For estimates of the index, beyond 600 parameters; anything `numpy.random.default_rng`
        takes.

    Returns
    -------
    PathProfile
        Loss, length and index along it.

    Raises
    ------
    ValueError
        If the loss overflows on the way, or the curve is of another size.
    TypeError
        If the surface or the curve is none, or `points` or `index_points` is no integer.
    """
    number = length("points", points, min_value=2)
    curve_on(surface, "curve", curve)
    wanted = length("index_points", index_points, min_value=0)
    t = np.linspace(0.0, 1.0, number)
    if len(curve.nodes) <= 4 * number:
        t = np.union1d(t, np.linspace(0.0, 1.0, len(curve.nodes)))
    losses = _losses(surface, curve, t)
    for _ in range(_FINER):
        top = int(losses.argmax())
        low, high = t[max(0, top - 1)], t[min(len(t) - 1, top + 1)]
        finer = np.setdiff1d(np.linspace(low, high, 17), t)
        order = np.argsort(np.append(t, finer), kind="stable")
        t = np.append(t, finer)[order]
        losses = np.append(losses, _losses(surface, curve, finer))[order]
    index_t = np.linspace(0.0, 1.0, wanted) if wanted > 1 else np.full(wanted, 0.5)
    index = np.array([_index(surface, theta, rng) for theta in curve.at(index_t)])
    straight = float(np.linalg.norm(curve.nodes[-1] - curve.nodes[0]))
    return PathProfile(t, losses, curve.length(), straight, index_t, index)


def _losses(surface: LossSurface, curve: Curve, t: Real) -> Real:
    origin, rows = curve.nodes[0], curve.nodes[1:] - curve.nodes[0]
    if len(rows) <= 3:
        return surface.plane_losses(origin, rows, curve.weights(t)[:, 1:])
    return surface.losses(curve.at(t))


def _index(surface: LossSurface, theta: Real, rng: Rng) -> float:
    if surface.size <= _EXACT:
        values = np.linalg.eigvalsh(surface.hessian(theta))
        return float((values < -1e-12 * np.abs(values).max()).mean())
    return negative_fraction(surface.operator(theta), rng=rng, progress=False).value
