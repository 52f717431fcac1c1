r"""Hard edges: ends of a band where the density is unbounded.

Beside an edge e where G is unbounded like a power, x is a power series in 1/G,

.. math:: x - e = c_2 G^{-2} + c_3 G^{-3} + \dots ,

so that the edge follows from points outside, far enough away for G to be exact. Where the power is
-1/2 the density and the mass from the edge are, at the distance d inside the band,

.. math:: \rho = (a + b d + \dots) \, d^{-1/2}, \qquad 2 a d^{1/2} + \tfrac23 b d^{3/2} + \dots ;

closer than 1e-5 of the radius of the support they are taken from this expansion, as the matrix M
has entries of very different sizes there and Newton's method loses its digits.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> square = MatrixDyson(np.array([[0.0, 0.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]),
...     pencil=np.diag([1.0, 0.0]))  # Marchenko-Pastur law of ratio 1, on [0, 4]
>>> bool(abs(hard_edge(square, 1e-7, -1.0, 4.0)) < 1e-12)
True
>>> edges = HardEdges(square, ((0.0, 4.0),), 4.0)
>>> density = edges.density(np.array([1e-12]), np.array([np.inf]))
>>> bool(abs(density[0] * np.pi * 1e-6 - 1.0) < 1e-9)
True
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.edge_curve import extrapolated
from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.typing import Logical, Real, Support

__all__ = ["HardEdges", "hard_edge"]

_NEAR = 1e-5


def hard_edge(equation: ResolventEquation, near: float, side: float, radius: float) -> float | None:
    """Return the hard edge near a point, None where there is none.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    near : float
        A guess of the edge, within 1e-5 of the radius.
    side : float
        On which side of it there is no mass, -1 or 1.
    radius : float
        Radius of the support.

    Returns
    -------
    float or None
        The edge, if two extrapolations agree to 1e-9 of the radius, and much better with each other
        than with the guess.
    """
    x: Real = near + side * radius * 2.0 ** -np.arange(4.0, 20.0)
    solved = equation.solutions(x.astype(np.complex128))
    with np.errstate(all="ignore"):
        inverse = 1 / equation.trace(solved.matrices)
    usable = solved.accepted & (np.abs(inverse.imag) <= 1e-9 * np.abs(inverse))
    if usable.sum() < 8:
        return None
    x, s = x[usable], inverse.real[usable]
    if not (np.diff(np.abs(s)) < 0).all() or abs(s[-1]) > 0.1 * abs(s[0]):
        return None
    ends = np.array([extrapolated(s[i : i + 6], x[i : i + 6]) for i in range(x.size - 5)])
    changes = np.abs(np.diff(ends))
    best = int(np.argmin(changes))
    found = float(ends[best + 1])
    settled = changes[best] <= 1e-9 * radius and abs(found - near) <= _NEAR * radius
    better = abs(found - near) > 100 * changes[best] + 1e-12 * radius
    return found if settled and better else None


class _Expansion(NamedTuple):
    """An edge, the direction into its band, a and b."""

    edge: float
    inward: float
    lead: float
    next: float


class HardEdges:
    """Density and mass beside hard edges.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    bands : tuple of (float, float)
        The support.
    radius : float
        Its radius.
    """

    def __init__(self, equation: ResolventEquation, bands: Support, radius: float) -> None:
        self._equation = equation
        self._bands = bands
        self._reach = _NEAR * radius

    @cached_property
    def _expansions(self) -> list[_Expansion]:
        ends = [
            (edge, inward)
            for band in self._bands
            for edge, inward in zip(band, (1.0, -1.0), strict=True)
            if band[1] - band[0] > 100 * self._reach
        ]
        if not ends:
            return []
        d = self._reach * np.array([1.0, 2.0, 4.0])
        x = np.array([edge + inward * d for edge, inward in ends])
        solved = self._equation.solutions(x.ravel().astype(np.complex128))
        g = self._equation.trace(solved.matrices).reshape(x.shape)
        heights = -g.imag / np.pi * np.sqrt(d)
        found = []
        for (edge, inward), row, values, fine in zip(
            ends, heights, g, solved.accepted.reshape(x.shape), strict=True
        ):
            if not fine.all() or not abs(values[0]) > 1.5 * abs(values[2]):
                continue
            slope = (row[1] - row[0]) / (d[1] - d[0])
            lead = row[0] - slope * d[0]
            # The error falls with the square of the distance.
            if lead > 0 and abs(lead + slope * d[2] - row[2]) <= 1e-7 * lead:
                found.append(_Expansion(edge, inward, float(lead), float(slope)))
        return found

    def _beside(self, x: Real) -> list[tuple[_Expansion, Logical, Real]]:
        found = []
        for expansion in self._expansions:
            distance = (x - expansion.edge) * expansion.inward
            near = (distance >= 0) & (distance < self._reach)
            if near.any():
                found.append((expansion, near, distance[near]))
        return found

    def covers(self, x: Real) -> Logical:
        """Whether points are so close to hard edges that the expansions hold.

        Parameters
        ----------
        x : ndarray of float, shape (n,)
            Points.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where `density` and `distribution` replace values.
        """
        covered = np.zeros(x.shape, dtype=np.bool_)
        for _, near, _ in self._beside(x):
            covered |= near
        return covered

    def density(self, x: Real, density: Real) -> Real:
        """Return the density with its values beside hard edges replaced.

        Parameters
        ----------
        x, density : ndarray of float, shape (n,)
            Points and the density there.

        Returns
        -------
        ndarray of float, shape (n,)
            Infinite at the edges themselves.
        """
        for expansion, near, d in self._beside(x):
            with np.errstate(divide="ignore"):
                density[near] = (expansion.lead + expansion.next * d) / np.sqrt(d)
        return density

    def distribution(self, x: Real, level: Real, low: Real, high: Real) -> Real:
        """Return levels of the distribution function with those beside hard edges replaced.

        Parameters
        ----------
        x, level : ndarray of float, shape (n,)
            Points and the levels there.
        low, high : ndarray of float, shape (n,)
            Levels at both ends of the band of each point.

        Returns
        -------
        ndarray of float, shape (n,)
            The levels.
        """
        for expansion, near, d in self._beside(x):
            mass = 2 * expansion.lead * np.sqrt(d) + 2 / 3 * expansion.next * d**1.5
            level[near] = low[near] + mass if expansion.inward > 0 else high[near] - mass
        return level
