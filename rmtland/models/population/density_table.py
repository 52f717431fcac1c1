r"""Tables of a density on a band: Legendre series in a variable that is smooth at its ends.

With x = low + (high - low) S(t), S(t) = 1/(1 + exp(-pi sinh t)), the density per unit of t falls
off doubly exponentially at both ends, whatever its power there, and has short series on panels.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> table = tabulated_band(Semicircle(1.0).stieltjes, -2.0, 2.0)
>>> round(float(table.levels[-1]), 8)
1.0
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from rmtland.typing import Complex, Real

__all__ = ["LOWEST", "BandTable", "located", "table_points", "tabulated_band"]

LOWEST = 1e-8
"""Share of a band that begins at zero below which its density is a power."""

_ORDER = 16
_TAIL = 1e-7
_DEPTH = 6


class BandTable(NamedTuple):
    """Panels of a band: their ends in t, series of the density per unit of t, mass before each."""

    low: float
    high: float
    ends: Real  # (panels + 1,)
    series: Real  # (panels, order)
    levels: Real  # (panels + 1,), mass of the band below each end
    power: float  # the density grows like x^-power below the first panel


def tabulated_band(values: Callable[[Complex], Complex], low: float, high: float) -> BandTable:
    """Tabulate the density of a band, in panels that are halved until their series end.

    Parameters
    ----------
    values : callable
        G at points of the real axis, from above.
    low, high : float
        Ends of the band.

    Returns
    -------
    BandTable
        Not scaled to any mass.
    """
    first, last = (-_logit(LOWEST if low == 0 else 1e-8), _logit(1e-8))
    nodes, weights = legendre.leggauss(_ORDER)
    fit = legendre.legvander(nodes, _ORDER - 1) * weights[:, None]
    fit *= np.arange(_ORDER) + 0.5
    ends = np.linspace(first, last, 7)
    pending = list(itertools.pairwise(ends))
    done: list[tuple[float, float, Real]] = []
    largest = 0.0
    for depth in range(_DEPTH + 1):
        t = np.array([(a + b) / 2 + (b - a) / 2 * nodes for a, b in pending])
        x, rate = _place(t, low, high)
        g = values(x.ravel().astype(np.complex128)).reshape(x.shape)
        series = (np.maximum(-g.imag / np.pi, 0.0) * rate) @ fit
        sizes = np.array([b - a for a, b in pending])
        largest = max(largest, float((np.abs(series).max(axis=1) * sizes).max()))
        tails = np.abs(series[:, -3:]).max(axis=1) * sizes
        halves = []
        for (a, b), row, tail in zip(pending, series, tails, strict=True):
            if tail > _TAIL * largest and depth < _DEPTH:
                halves += [(a, (a + b) / 2), ((a + b) / 2, b)]
            else:
                done.append((a, b, row))
        pending = halves
        if not pending:
            break
    done.sort(key=lambda panel: panel[0])
    masses = np.array([(b - a) * row[0] for a, b, row in done])
    start, power = 0.0, 0.0
    if low == 0:
        # What is below the first panel, by the power law of the density there
        x = high * LOWEST * np.array([1.0, 4.0])
        density = -values(x.astype(np.complex128)).imag / np.pi
        power = float(np.log(density[0] / density[1]) / np.log(4.0))
        start = float(density[0] * x[0] / max(1 - power, 1e-3))
    return BandTable(
        low,
        high,
        np.array([done[0][0], *(b for _, b, _ in done)]),
        np.array([row for _, _, row in done]),
        start + np.concatenate([[0.0], np.cumsum(masses)]),
        power,
    )


def table_points(tables: Sequence[BandTable]) -> tuple[Real, Real]:
    """Return nodes and weights of tables, the mass below each at its lowest node.

    Parameters
    ----------
    tables : sequence of BandTable
        Of all bands.

    Returns
    -------
    (ndarray, ndarray)
        Nodes and weights.
    """
    nodes, weights = legendre.leggauss(_ORDER)
    values = legendre.legvander(nodes, _ORDER - 1)
    places, masses = [], []
    for table in tables:
        for a, b, row in zip(table.ends[:-1], table.ends[1:], table.series, strict=True):
            places.append(_place((a + b) / 2 + (b - a) / 2 * nodes, table.low, table.high)[0])
            masses.append((b - a) / 2 * weights * (values @ row))
        places.append(np.array([table.low + LOWEST * (table.high - table.low)]))
        masses.append(np.array([table.levels[0]]))
    return np.concatenate(places), np.concatenate(masses)


def located(table: BandTable, x: Real) -> tuple[Real, NDArray[np.intp], Real]:
    """Return the places of points inside a band.

    Parameters
    ----------
    table : BandTable
        The band.
    x : ndarray
        Points inside it.

    Returns
    -------
    (ndarray, ndarray of int, ndarray)
        Place in the panel, in (-1, 1), the panel, and dx/dt.
    """
    share = (x - table.low) / (table.high - table.low)
    t = np.clip(_logit_of(share), table.ends[0], table.ends[-1])
    panel = np.clip(np.searchsorted(table.ends, t) - 1, 0, len(table.series) - 1)
    a, b = table.ends[panel], table.ends[panel + 1]
    return 2 * (t - a) / (b - a) - 1, panel, _place(t, table.low, table.high)[1]


def _logit(share: float) -> float:
    """Return the t > 0 with 1 - S(t) = share."""
    return float(np.arcsinh(np.log((1 - share) / share) / np.pi))


def _logit_of(share: Real) -> Real:
    """Inverse of S(t) = 1/(1 + exp(-pi sinh t))."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.arcsinh((np.log(share) - np.log1p(-share)) / np.pi))


def _place(t: Real, low: float, high: float) -> tuple[Real, Real]:
    """Return x(t) = low + (high - low) S(t) and its derivative."""
    swing = np.pi * np.sinh(t)
    share, rest = 1 / (1 + np.exp(-swing)), 1 / (1 + np.exp(swing))
    x = np.where(swing < 0, low + (high - low) * share, high - (high - low) * rest)
    return x, (high - low) * share * rest * np.pi * np.cosh(t)
