r"""Pieces of constant density through values of a distribution function.

Between points the distribution function is a monotone cubic [1]_, cut into equal pieces; intervals
that hold next to nothing are gaps, and at both ends of a band it follows the square-root edge,
:math:`(x - e)^{3/2}`.

References
----------
.. [1] F. N. Fritsch and R. E. Carlson, Monotone piecewise cubic interpolation, SIAM J. Numer. Anal.
       17 (1980) 238-246.

Examples
--------
>>> import numpy as np
>>> x = np.linspace(-2.5, 2.5, 41)
>>> t = x.clip(-2, 2)
>>> semicircle = 0.5 + t * np.sqrt(4 - t**2) / (4 * np.pi) + np.arcsin(t / 2) / np.pi
>>> pieces = pieces_of(x, semicircle)
>>> [round(float(end), 1) for end in pieces.edges[[0, -1]]]
[-2.0, 2.0]
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["Pieces", "pieces_of"]

_CELLS = 24
"""Pieces of constant density between two points of the table."""

_EMPTY = 1e-4
"""Mass below which an interval of the table may be a gap."""


class Pieces(NamedTuple):
    """Ends and masses of pieces of constant density."""

    edges: Real
    masses: Real
    edge_errors: tuple[float, float]
    lost: float  # mass that the gaps and the monotone values leave out


def pieces_of(x: Real, level: Real, whole: float = 1.0) -> Pieces:
    """Make pieces of constant density of values of a distribution function.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Points, ascending, from below all of the mass to above it.
    level : ndarray, shape (n,)
        Values there, up to errors; made monotone and held to [0, whole].
    whole : float
        Mass of all pieces.

    Returns
    -------
    Pieces

    Raises
    ------
    ConvergenceError
        If no mass lies between the points.
    """
    slip = float(np.maximum(0.0, -np.diff(level)).max())
    level = np.maximum.accumulate(np.clip(level, 0.0, whole))
    mass = np.diff(level)
    thin = (mass < _EMPTY) & (mass / np.diff(x) < 0.02 * whole / (x[-1] - x[0]))
    thin[0] |= mass[0] < 10 * _EMPTY
    thin[-1] |= mass[-1] < 10 * _EMPTY
    edges: list[Real] = []
    masses: list[Real] = []
    slack = (0.0, 0.0)
    starts = np.flatnonzero(~thin & np.concatenate(([True], thin[:-1])))
    ends = np.flatnonzero(~thin & np.concatenate((thin[1:], [True]))) + 1
    if not starts.size:
        raise ConvergenceError("no mass was found between the points; raise points or eta")
    for band, (i, j) in enumerate(zip(starts, ends, strict=True)):
        floor = level[i] if i == 0 else (level[i] + level[starts[band] - 1]) / 2
        here, f = x[i : j + 1], level[i : j + 1] - floor
        low, low_error = _edge(here, f)
        high, high_error = _edge(-here[::-1], (f[-1] - f)[::-1])
        grid, held = _band(here, f, low, -high)
        if edges:
            gap = grid[0] - edges[-1][-1]
            if gap <= 0:
                grid = grid.copy()
                grid[0] = np.nextafter(edges[-1][-1], np.inf)
            masses.append(np.zeros(1))
        edges.append(grid)
        masses.append(held)
        slack = (low_error if band == 0 else slack[0], high_error)
    every = np.concatenate(masses)
    total = float(every.sum())
    return Pieces(np.concatenate(edges), every * (whole / total), slack, slip + abs(total - whole))


def _edge(x: Real, f: Real) -> tuple[float, float]:
    """Return where (x - e)^(3/2) through two values begins, within the first interval."""
    inside = np.flatnonzero(f > 2e-4)[:3]
    if inside.size < 2 or inside[0] == 0:
        return float(x[0]), float(x[1] - x[0]) / 2

    def start(i: int, j: int) -> float:
        share = (f[i] / f[j]) ** (2 / 3)
        return float((x[i] - share * x[j]) / (1 - share)) if share < 1 else float(x[0])

    low, high = float(x[inside[0] - 1]), float(x[inside[0]])
    first = min(max(start(inside[0], inside[1]), low), high - 1e-3 * (high - low))
    error = (high - low) / 2
    if inside.size == 3:
        other = min(max(start(inside[1], inside[2]), low), high)
        error = max(abs(first - other), 0.1 * (high - low))
    return first, min(error, high - low)


def _band(x: Real, f: Real, low: float, high: float) -> tuple[Real, Real]:
    """Return ends and masses of the pieces of one band between its edges."""
    inner = (x > low) & (x < high) & (f > 0) & (f < f[-1])
    xs, fs = x[inner], f[inner]
    total = float(f[-1])
    if xs.size < 2:
        grid = np.linspace(low, high, 2 * _CELLS)
        turn = np.arccos(1 - 2 * (grid - low) / (high - low))
        return grid, np.diff(total * (turn - np.sin(turn) * np.cos(turn)) / np.pi)
    rise = np.linspace(0, 1, _CELLS + 1)
    places = [low + (xs[0] - low) * rise**1.5]
    levels = [fs[0] * ((places[0] - low) / (xs[0] - low)) ** 1.5]
    smooth = PchipInterpolator(xs, fs)
    for left, right in pairwise(xs):
        part = np.linspace(left, right, _CELLS + 1)[1:]
        places.append(part)
        levels.append(smooth(part))
    last = high - (high - xs[-1]) * (1 - rise[1:]) ** 1.5
    last[-1] = high
    places.append(last)
    share = (high - last) / (high - xs[-1])
    levels.append(total - (total - fs[-1]) * share**1.5)
    grid, level = np.concatenate(places), np.concatenate(levels)
    keep = np.concatenate(([True], np.diff(grid) > 0))
    grid, level = grid[keep], np.maximum.accumulate(level[keep])
    return grid, np.diff(level)
