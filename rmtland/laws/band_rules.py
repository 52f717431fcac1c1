r"""Quadrature rules on a band of a law: nodes, weights, and integrals up to every node.

The midpoint rule in s, x = a + (b - a) sin^2(s/2), for densities like a square root at both ends,
and the trapezoidal rule in v, x = a + (b - a)/(1 + exp(-v)), for any power: see
`rmtland.laws.consistency`, which compares distribution functions with them.

Examples
--------
>>> rule = square_root_rule(24)
>>> semicircle = 8 / np.pi * np.sqrt(rule.share * rule.rest)
>>> round(float(semicircle @ rule.weights), 14)
1.0
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from rmtland.typing import Real

__all__ = ["Rule", "end_rule", "end_sizes", "piece_rule", "places_between", "square_root_rule"]


class Rule(NamedTuple):
    """Nodes on [0, 1] with weights, and the matrix that integrates up to each node.

    Parameters
    ----------
    share, rest : ndarray of float, shape (n,)
        Distances of the nodes from 0 and from 1.
    weights : ndarray of float, shape (n,)
        Weights of a density.
    below : ndarray of float, shape (n, n)
        Takes weights times values to integrals from 0 to every node.
    last : ndarray of float, shape (3, n)
        Takes weights times values to the last coefficients of the series that is integrated.
    """

    share: Real
    rest: Real
    weights: Real
    below: Real
    last: Real


@cache
def square_root_rule(n: int) -> Rule:
    """Midpoint rule in s, exact for densities like a square root at both ends.

    Parameters
    ----------
    n : int
        Number of nodes, at least 4.

    Returns
    -------
    Rule
        The rule.
    """
    s = np.pi * (np.arange(n) + 0.5) / n
    order = np.arange(1, n)
    # f(s) = c_0 + sum c_m cos(m s), with c_m = 2/n sum f_k cos(m s_k); f_k = n/pi weight * value
    cosines = np.cos(order[:, None] * s)
    coefficients = 2 / np.pi * cosines
    below = s[:, None] / np.pi + (np.sin(s[:, None] * order) / order) @ coefficients
    return Rule(
        np.sin(s / 2) ** 2,
        np.cos(s / 2) ** 2,
        np.sin(s) / 2 * np.pi / n,
        below,
        coefficients[-3:],
    )


@cache
def end_rule(left: int = 32, right: int = 32) -> tuple[Real, Real, Real, Real]:
    """Return the trapezoidal rule in v, for any power of the density at the ends.

    Parameters
    ----------
    left, right : int
        Number of nodes on either side of the middle: each is a factor of 1.65 closer to its end.
        The nearest of 32 are 1e-7 away, of 680 2e-148.

    Returns
    -------
    tuple of ndarray of float
        Distances of the nodes from 0 and from 1, weights, and the matrix that takes weights times
        values to integrals up to the nodes.
    """
    return _rule_in_v(step=0.5, left=left, right=right)


def end_sizes(density: Callable[[Real], Real], low: float, high: float) -> tuple[int, int]:
    """Return how many nodes of `end_rule` powers near -1 need on either side, 32 to 680.

    Parameters
    ----------
    density : callable
        Density at points.
    low, high : float
        Ends of the interval.

    Returns
    -------
    (int, int)
        Numbers of nodes left and right of the middle.
    """
    share, rest, weights, _ = (each[[0, 1, -2, -1]] for each in end_rule())
    masses = density(places_between(low, high, share, rest)) * weights * (high - low)
    left, inner, outer, right = masses.tolist()
    width = high - low
    return _nodes_beside(low, width, left, inner), _nodes_beside(high, width, right, outer)


def _nodes_beside(end: float, width: float, last: float, before: float) -> int:
    """How many nodes the rule for any power has on the side of an end, up to 680.

    From the masses of the two that are closest to it by the usual rule: what the power leaves
    beyond the last node falls about twice as fast as the mass there.
    """
    if not 0 < last < before:
        return 32
    power = 2 * math.log(before / last)  # of the distance, in the mass within it
    missing = math.log(last / power / 1e-10) / (2 * power)
    rounding = math.log(1e-3 * width / math.ulp(end))
    return max(32, math.ceil(2 * min(16 + missing, rounding, 340.0)))


@cache
def piece_rule() -> Rule:
    """Return a longer trapezoidal rule in v, for pieces of bands that the density does not end.

    Its ends, 4e-11 of the piece, hold little of a density that is not small there, and its nodes
    are so close that a peak beside an end, however narrow, is seen.

    Returns
    -------
    Rule
        The rule; it has no series whose last coefficients would be looked at.
    """
    share, rest, weights, below = _rule_in_v(step=0.4, left=60, right=60)
    return Rule(share, rest, weights, below, np.empty((0, share.size)))


def _rule_in_v(*, step: float, left: int, right: int) -> tuple[Real, Real, Real, Real]:
    from scipy.special import sici

    count = left + 1 + right
    v = step * (np.arange(count) - left)
    share, rest = 1 / (1 + np.exp(-v)), 1 / (1 + np.exp(v))
    order = np.arange(count)
    below = 0.5 + sici(np.pi * (order[:, None] - order))[0] / np.pi
    return share, rest, step * share * rest, below


def places_between(low: float | Real, high: float | Real, share: Real, rest: Real) -> Real:
    """Return points of an interval, each from the end that is nearer.

    Parameters
    ----------
    low, high : float or ndarray of float
        The ends; of several intervals, shape (m, 1).
    share, rest : ndarray of float
        Distances of the points from 0 and from 1, as shares of the interval.

    Returns
    -------
    ndarray of float, shape (n,) or (m, n)
        The points.
    """
    return np.where(share < 0.5, low + (high - low) * share, high - (high - low) * rest)
