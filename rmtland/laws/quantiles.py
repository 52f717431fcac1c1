r"""Quantiles of a law from its distribution function, by safeguarded root finding.

The quantile function is :math:`Q(q) = \inf \{x : F(x) \ge q\}`. On a band the unknown is t in

.. math:: x = a + (b - a) \sin^2(t/2),

in which edges like a square root and like its inverse are both smooth; Newton's method starts from
the cubic through a table of F and its slope and is kept in brackets by bisection. Upper quantiles
are the quantiles of the mirrored law, so that they keep the relative accuracy of the upper tail.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import MarchenkoPastur
>>> law = MarchenkoPastur(0.5)
>>> x = quantiles(law, np.array([0.25, 0.5]))
>>> np.abs(law.cdf(x) - [0.25, 0.5]).max() < 1e-15
np.True_
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Real, Support

__all__ = [
    "LOW_LEVEL",
    "angles_of_levels",
    "in_order",
    "quantiles",
    "quantiles_within",
    "require_inverse",
    "upper_quantiles",
]

LOW_LEVEL = 0.01
"""Level up to which upper quantiles are found from the upper tail."""
_INVERSE = 1e-6
"""Mass by which a quantile may miss its level beside what the law states."""


_HALVINGS = 64
"""Of the interval between two powers of ten: to the last digit."""


class Distribution(Protocol):
    """What the solver needs of a law."""

    @property
    def support(self) -> Support: ...
    @property
    def atoms(self) -> Atoms: ...
    def _pdf(self, x: Real) -> Real: ...
    def _cdf(self, x: Real) -> Real: ...
    def _mass_below(self, x: Real) -> Real: ...


class Stated(Distribution, Protocol):
    """A law that states the error of its masses."""

    @property
    def _mass_error(self) -> float: ...


class TwoTailed(Distribution, Protocol):
    """A law that knows its upper tail too."""

    def _sf(self, x: Real) -> Real: ...


def in_order(function: Callable[[Real], Real], q: Real, *, falling: bool = False) -> Real:
    """Return quantiles of levels in any order, without neighbours that rounding exchanges.

    Parameters
    ----------
    function : callable
        Ascending levels -> quantiles.
    q : ndarray of float, shape (k,)
        Levels.
    falling : bool, optional
        Whether quantiles fall with the level, as upper ones do.

    Returns
    -------
    ndarray of float, shape (k,)
        The quantiles.
    """
    if q.size < 2:
        return function(q)
    follow = np.minimum if falling else np.maximum
    if (q[1:] >= q[:-1]).all():
        x = function(q)
        ordered = (x[1:] <= x[:-1]) if falling else (x[1:] >= x[:-1])
        return x if ordered.all() else follow.accumulate(x)
    order = np.argsort(q)
    x = np.empty(q.shape)
    x[order] = follow.accumulate(function(q[order]))
    return x


def require_inverse(law: Stated, q: Real, x: Real, *, upper: bool = False) -> None:
    """Check once for a law that its quantiles are inverse to its distribution function.

    Three of the levels that are asked first are looked at.

    Parameters
    ----------
    law : Law
        The law, which remembers that it passed.
    q, x : ndarray of float, shape (k,)
        Levels, and the quantiles that were found.
    upper : bool
        Whether q is the mass above x.

    Raises
    ------
    ConvergenceError
        If a quantile is not where the distribution function takes its level.
    """
    name = "_upper_quantiles_passed" if upper else "_quantiles_passed"
    inner = np.flatnonzero((q > 0) & (q < 1))
    if name in law.__dict__ or not inner.size:
        return
    some = inner[[0, inner.size // 2, -1]]
    level, place = (1 - q[some] if upper else q[some]), x[some]
    ulp = 8 * np.spacing(np.maximum(np.abs(place), 1e-300))
    over, under = law._mass_below(place - ulp) - level, level - law._cdf(place + ulp)
    off = np.maximum(np.maximum(over, under), 0.0)
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    if not off[worst] <= _INVERSE + law._mass_error:
        raise ConvergenceError(
            f"the quantile of {float(level[worst])!r} of {law!r} was found as "
            f"{float(place[worst])!r}, where its distribution function is "
            f"{float(law._cdf(place[worst : worst + 1])[0]):.12g}"
        )
    law.__dict__[name] = True


def quantiles(law: Distribution, q: Real) -> Real:
    """Return the least x with cdf(x) >= q, for levels q in [0, 1]."""
    x = np.empty_like(q)
    pieces = [(place, place) for place, _ in law.atoms]
    for low, high in law.support:
        # An atom inside a band divides it.
        cuts = [low, *(place for place, _ in law.atoms if low < place < high), high]
        pieces += list(itertools.pairwise(cuts))
    remaining = np.ones(q.shape, dtype=bool)
    for low, high in sorted(pieces):
        # An atom at the upper end of a band is a piece of its own.
        top = float((law._cdf if low == high else law._mass_below)(np.array([high]))[0])
        here = remaining & (q <= top)
        remaining &= ~here
        if low == high:
            x[here] = low
        elif here.any():
            x[here] = quantiles_within(law, q[here], low, high)
    x[remaining] = max(piece[1] for piece in pieces)
    return x


def upper_quantiles(law: TwoTailed, q: Real) -> Real:
    """Return the x with mass q above it, for levels q in [0, 1/2], with their relative accuracy."""
    return np.asarray(-quantiles(_Mirrored(law), q) + 0.0)


class _Mirrored:
    """The law of -X, whose lower tail is the upper tail of X."""

    def __init__(self, law: TwoTailed) -> None:
        self._law = law
        self.support = tuple((-high, -low) for low, high in law.support[::-1])
        self.atoms = tuple((-place, mass) for place, mass in law.atoms[::-1])

    def _pdf(self, x: Real) -> Real:
        return self._law._pdf(-x)

    def _mass_below(self, x: Real) -> Real:
        return self._law._sf(-x)

    def _cdf(self, x: Real) -> Real:
        above = np.array(self._law._sf(-x))
        for place, mass in self.atoms:
            above[x == place] += mass
        return above


def quantiles_within(law: Distribution, q: Real, low: float, high: float) -> Real:
    """Quantiles inside one interval, by Newton safeguarded with bisection.

    The unknown is t in x = low + (high - low) sin(t/2)^2, in which square-root edges and
    inverse-square-root edges are both smooth. Brackets and starting values come from a table; an
    interval without an end is cut at powers of ten, and halved.
    """
    width = high - low
    if not np.isfinite(width):
        return _quantiles_without_end(law, q, low, high)

    def place(t: Real) -> Real:
        return np.asarray(low + width * np.sin(t / 2) ** 2)

    def level_and_slope(t: Real) -> tuple[Real, Real]:
        x = place(t)
        with np.errstate(invalid="ignore"):
            return law._cdf(x), law._pdf(x) * (width / 2) * np.sin(t)

    last = float(law._mass_below(np.array([high]))[0])
    t, lowest = angles_of_levels(level_and_slope, q, last)
    x = place(t)
    x[q <= lowest] = low
    x[q >= last] = high
    return x


def _quantiles_without_end(law: Distribution, q: Real, low: float, high: float) -> Real:
    """Quantiles inside an interval one end of which, or both, are infinite."""
    powers = 10.0 ** np.arange(-300, 301)
    places = np.concatenate([-powers[::-1], [0.0], powers])
    places = np.concatenate([[low], places[(places > low) & (places < high)], [high]])
    with np.errstate(over="ignore"):  # in tiny units
        levels = np.maximum.accumulate([*law._cdf(places[:-1]), law._mass_below(places[-1:])[0]])
    place = np.clip(np.searchsorted(levels, q), 1, places.size - 1)
    left, right = places[place - 1], places[place]
    for _ in range(_HALVINGS):  # Newton's method gains a factor e a step in a Gaussian tail
        middle = (left + right) / 2
        above = law._cdf(middle) >= q
        left, right = np.where(above, left, middle), np.where(above, middle, right)
    return np.where(q <= levels[0], low, np.where(q >= levels[-1], high, right))


def angles_of_levels(
    level_and_slope: Callable[[Real], tuple[Real, Real]],
    q: Real,
    last: float,
    *,
    relative: bool = False,
) -> tuple[Real, float]:
    """Solve F(t) = q for t in [0, pi], by Newton safeguarded with bisection.

    Parameters
    ----------
    level_and_slope : callable
        Angles t, shape (k,) -> F(t), which rises, and F'(t).
    q : ndarray of float, shape (k,)
        Levels.
    last : float
        F(pi).
    relative : bool, optional
        Whether F is relatively exact next to t = 0; else what Newton's method no longer improves
        there is taken for rounding.

    Returns
    -------
    t : ndarray of float, shape (k,)
        Where F is q; an end of the interval where it is beyond.
    first : float
        F(0).
    """
    grid = np.linspace(0, np.pi, min(257, 2 * q.size + 3))
    levels, slopes = level_and_slope(grid)
    levels[-1] = last
    place = np.clip(np.searchsorted(levels, q), 1, grid.size - 1)
    left, right = grid[place - 1], grid[place]
    share, bend = _start_in_cells(q, place, levels, slopes * grid[1])
    t = left + (right - left) * share
    active, before = np.arange(q.size), np.full(q.shape, np.inf)
    for _ in range(120):
        ta, wanted = t[active], q[active]
        level, slope = level_and_slope(ta)
        defect = level - wanted
        above = defect >= 0
        right[active[above]] = ta[above]
        left[active[~above]] = ta[~above]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = defect / slope
            # What Newton's method leaves is this bend times the square of its step.
            left_over = np.abs(step) * np.minimum(1.0, np.abs(step) * bend[active] / grid[1])
        trial = ta - step
        lo, hi = left[active], right[active]
        inside = (trial > lo) & (trial < hi)
        # Relative accuracy in the lower tail, where the law has it; rounding of cdf else.
        size = np.abs(defect)
        if relative:
            hit = size <= np.minimum(4.5e-16, 4.5e-15 * wanted)
        else:
            settled = (wanted > 0.5) | (size > before[active] / 2)
            hit = size <= np.where(settled, 4.5e-16, 2.3e-16 * wanted)
        before[active] = size
        t[active] = np.where(hit, ta, np.where(inside, trial, (lo + hi) / 2))
        done = hit | (hi - lo <= 4e-16 * hi) | (inside & (left_over <= 4e-16 * ta))
        active = active[~done]
        if active.size == 0:
            break
    return t, float(levels[0])


def _start_in_cells(
    q: Real, place: NDArray[np.intp], levels: Real, rises: Real
) -> tuple[Real, Real]:
    """Where in its cell [place - 1, place] of a table every level q is, as a share of the cell.

    By the cubic with the levels at both nodes and the slopes (`rises`, per cell) there; by a power
    in the first and the last cell, where the slope may be zero or infinite. Also returned is a
    bound of |F'' / 2 F'| per cell, for F the function in the table.
    """
    with np.errstate(all="ignore"):
        gain = levels[1:] - levels[:-1]
        start, end = rises[:-1] / gain, rises[1:] / gain
        bends = 1 + 2 * np.abs(end - start) / np.minimum(start, end)
        cell = place - 1
        target = np.clip((q - levels[cell]) / gain[cell], 0.0, 1.0)
        rise, fall = start[cell], end[cell]
        square, cube = 3 - 2 * rise - fall, rise + fall - 2
        share = target
        for _ in range(3):
            miss = share * (rise + share * (square + share * cube)) - target
            slope = rise + share * (2 * square + 3 * share * cube)
            share = np.clip(share - miss / slope, 0.0, 1.0)
        share = np.where(cell == 0, target ** (1 / fall), share)
        share = np.where(cell == gain.size - 1, 1 - (1 - target) ** (1 / rise), share)
        bend = bends[cell]
    bend[(cell == 0) | (cell == gain.size - 1) | ~np.isfinite(bend)] = np.inf
    return np.where(np.isfinite(share), share, target), bend
