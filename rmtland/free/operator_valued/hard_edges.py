r"""Hard edges: ends of a band where the density is unbounded.

Beside an edge e where G is unbounded like the power -p/q, q = p + 1, the place is a power series in
:math:`\sigma = G^{-1/p}`,

.. math:: x - e = c_q \sigma^q + c_{q+1} \sigma^{q+1} + \dots ,

(p = 1: an inverse square root). Its coefficients, and e, are fitted to points outside, where G is
real and exact. Inside the band the same series is solved for complex sigma, and gives density and
mass from the edge without quadrature,

.. math::
    \rho = -\frac1\pi \operatorname{Im} \sigma^{-p}, \qquad
    \int_e^x \rho = \frac1\pi \Bigl| \operatorname{Im}
    \sum_k \frac{k}{k - p} c_k \sigma^{k - p} \Bigr| .

This replaces the equation closer to the edge than about 1e-5 of the radius of the support, as M
has entries of very different sizes there and Newton's method loses its digits.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> square = MatrixDyson(np.array([[0.0, 0.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]),
...     pencil=np.diag([1.0, 0.0]))  # Marchenko-Pastur law of ratio 1, on [0, 4]
>>> edge = hard_edge(square, 1e-7, -1.0, 4.0)
>>> bool(abs(edge.place) < 1e-12)
True
>>> edges = HardEdges(square, [edge._replace(place=0.0)], ((0.0, 4.0),), 4.0)
>>> density = edges.density(np.array([1e-12]), np.array([np.inf]))
>>> bool(abs(density[0] * np.pi * 1e-6 - 1.0) < 1e-9)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.free.operator_valued.transform_series import (
    SeriesBesidePoints,
    relative_fit,
    solve_series,
    transform_integral,
)
from rmtland.typing import Complex, Logical, Real, Support

__all__ = ["HardEdge", "HardEdges", "hard_edge"]

_NEAR = 1e-5
_TERMS = 8
_WINDOW = 13
_POWERS = (1, 2, 3)
_RESIDUAL = 1e-9
_SOFT = 1e-12
_AGREEMENT = 1e-6


class HardEdge(NamedTuple):
    """The series of a hard edge.

    Parameters
    ----------
    place : float
        The edge e.
    side : float
        On which side of it there is no mass, -1 or 1.
    power : int
        p; the density is unbounded like the power -p/(p + 1) of the distance.
    coefficients : ndarray of float
        c_q, c_{q+1}, ... of side * (x - e) in powers of sigma, for side * G.
    """

    place: float
    side: float
    power: int
    coefficients: Real

    def sigma(self, d: Real) -> Complex:
        """Solve the series at distances d > 0 inside the band."""
        q, c = self.power + 1, self.coefficients
        logarithm = np.log(d) - np.log(c[0])  # d/c[0] may underflow
        return solve_series(c, q, np.exp((logarithm + 1j * np.pi) / q))

    def density(self, d: Real) -> Real:
        """Density at distances d >= 0 from the edge, infinite at 0."""
        density = np.full(d.shape, np.inf)
        inner = d > 0
        density[inner] = -(self.sigma(d[inner]) ** -self.power).imag / np.pi
        return density

    def mass(self, d: Real) -> Real:
        """Mass between the edge and points at distances d >= 0."""
        mass = np.zeros(d.shape)
        inner = d > 0
        sigma = self.sigma(d[inner])
        mass[inner] = (
            transform_integral(self.coefficients, self.power + 1, self.power, sigma).imag / np.pi
        )
        return mass


def hard_edge(
    equation: ResolventEquation, near: float, side: float, radius: float
) -> HardEdge | None:
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
    HardEdge or None
        The edge with its series, if points outside lie on one to 1e-9 of their distances.
    """
    d, s = _outside(equation, near, side, radius * np.array([2.0**-8, 2.0**-16]))
    if d.size < 2 or not 0 < s[1] < 0.2 * s[0]:
        return None
    d, s = _outside(equation, near, side, radius * 2.0 ** -np.arange(4.0, 22.0, 0.5))
    usual = (s > 0) & (np.append(np.diff(s), -1.0) < 0)
    first = 0 if usual.all() else d.size - int(np.argmin(usual[::-1]))
    d, s = d[first:], s[first:]
    for power in _POWERS if d.size >= _WINDOW else ():
        found = _fitted(d, s, power, radius)
        if found is not None:
            edge, coefficients = found
            return HardEdge(near + side * edge, side, power, coefficients)
    return None


def _outside(equation: ResolventEquation, near: float, side: float, d: Real) -> tuple[Real, Real]:
    """Distances of those points outside that have a solution, and side / G there."""
    solved = equation.solutions((near + side * d).astype(np.complex128))
    with np.errstate(all="ignore"):
        inverse = side / equation.trace(solved.matrices)
    usable = solved.accepted & (np.abs(inverse.imag) <= 1e-9 * np.abs(inverse))
    return d[usable], inverse.real[usable]


def _fitted(d: Real, s: Real, power: int, radius: float) -> tuple[float, Real] | None:
    """Edge, relative to the guess and outwards, and coefficients of the series through points.

    Each window of neighbouring points is fitted by least squares of relative distances; far away
    the series has too few terms, close by the points have too few digits.
    """
    best, found = _RESIDUAL, None
    sigma = s ** (1 / power)
    orders = np.arange(power + 1, power + 1 + _TERMS)
    for start in range(d.size - _WINDOW + 1):
        part = slice(start, start + _WINDOW)
        t, y = sigma[part] / sigma[start], d[part]
        columns = np.column_stack([t[:, None] ** orders, np.ones(t.size)]) / y[:, None]
        values, residual = relative_fit(columns)
        if residual < best and values[0] > 0 and abs(values[-1]) <= _NEAR * radius:
            # With a linear term, which no hard edge has, the curve turns elsewhere.
            more, _ = relative_fit(np.column_stack([t**power / y, columns]))
            if more[0] ** 2 <= 4 * _SOFT * radius * abs(more[1]):
                best = residual
                found = float(values[-1]), values[:-1] / sigma[start] ** orders
    return found


class HardEdges(SeriesBesidePoints[HardEdge]):
    """Density and mass beside the hard edges of a law.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    edges : sequence of HardEdge
        The hard edges; each that is confirmed inside its band is used.
    bands : tuple of (float, float)
        The support.
    radius : float
        Its radius.
    """

    def __init__(
        self,
        equation: ResolventEquation,
        edges: Sequence[HardEdge],
        bands: Support,
        radius: float,
    ) -> None:
        self._equation = equation
        self._edges = edges
        self._bands = bands
        self._reach = _NEAR * radius

    @cached_property
    def _confirmed(self) -> list[tuple[HardEdge, float]]:
        """Edges whose series has the density of the equation, and the reach of each.

        The reach is where both agree best: the series is worse further away, the equation closer.
        """
        edges = [edge for edge in self._edges if self._is_end(edge.place)]
        if not edges:
            return []
        d = self._reach * 2.0 ** np.arange(-6.0, 3.0)
        x = np.array([edge.place - edge.side * d for edge in edges])
        solved = self._equation.solutions(x.ravel().astype(np.complex128))
        heights = (-self._equation.trace(solved.matrices).imag / np.pi).reshape(x.shape)
        heights[~solved.accepted.reshape(x.shape)] = np.nan
        found = []
        for edge, row in zip(edges, heights, strict=True):
            off = np.abs(edge.density(d) - row) / row
            off = np.maximum(np.maximum(off[:-2], off[1:-1]), off[2:])
            best = int(np.argmin(np.where(np.isnan(off), np.inf, off)))
            if off[best] <= _AGREEMENT:
                found.append((edge, float(d[best])))
        return found

    def _is_end(self, place: float) -> bool:
        """Whether a point ends a band that is wide enough."""
        return any(place in band and band[1] - band[0] > 100 * self._reach for band in self._bands)

    def _beside(self, x: Real) -> list[tuple[HardEdge, Logical, Real]]:
        found = []
        for edge, reach in self._confirmed:
            distance = (edge.place - x) * edge.side
            near = (distance >= 0) & (distance < reach)
            if near.any():
                found.append((edge, near, distance[near]))
        return found

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
        for edge, near, d in self._beside(x):
            mass = edge.mass(d)
            level[near] = low[near] + mass if edge.side < 0 else high[near] - mass
        return level
