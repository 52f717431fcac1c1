"""Integrals of functions over the density of a law, with errors that are estimated or refused.

The panels are those of the density, divided where the function is not smooth.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Uniform
>>> value, mass = expectation(Uniform(0.0, 1.0), np.log)
>>> round(value, 12), round(mass, 12)
(-1.0, 1.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rmtland.laws.kronrod import KRONROD_WEIGHTS
from rmtland.laws.node_sums import CutLaw, weighed
from rmtland.laws.quadrature import Banded, bounded, density_panels, rule_errors
from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["expectation"]

_ROUNDS = 60  # of divisions of panels in which a function is not smooth
_VALUES = 10**6  # of a function, after which panels are not divided


def expectation(
    law: Banded,
    function: Callable[[Real], Real],
    *,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[float, float]:
    """Return the integral of a function over the bands of a law in [low, high], and its mass.

    Panels in which the function is not smooth are halved until what they hold is rounding.

    Parameters
    ----------
    law : Law
        The law; its atoms are left out.
    function : callable
        Takes and returns arrays.
    low, high : float
        Bounds.

    Returns
    -------
    (float, float)
        The integral, and the mass that was found between the bounds.

    Raises
    ------
    ConvergenceError
        If the density does not add up to the distribution function, or the estimated error is above
        1e-6 of the integral of the size of the function.
    """
    cut = ((max(left, low), min(right, high)) for left, right in law.support)
    part = CutLaw(law, tuple((left, right) for left, right in cut if left < right))
    exact = _mass_of(part)
    tail = 1e-30 * max(exact, 1e-250)
    whole, part.support = part.support, bounded(part, tail)
    tails = np.array(sorted({*sum(part.support, ())} - {*sum(whole, ())}))
    missed = tail * float(np.abs(function(tails)).sum()) if tails.size else 0.0
    ends = np.array(part.support, dtype=np.float64).reshape(-1, 2)
    total, mass, size, spent = 0.0, 0.0, 0.0, 0
    for round_ in range(_ROUNDS):
        cells = density_panels(part, tolerance=1e-11 * min(exact, 1.0))
        weights = weighed(cells, part._cdf)
        x = np.where(np.isin(cells.x, ends[:, 0]), np.nextafter(cells.x, np.inf), cells.x)
        x = np.where(np.isin(x, ends[:, 1]), np.nextafter(x, -np.inf), x)
        values = function(x.ravel()).reshape(x.shape)
        spent += x.size
        terms = np.where(weights > 0, values, 0.0) * weights
        with np.errstate(invalid="ignore", divide="ignore"):
            _, errors, _ = rule_errors(terms / KRONROD_WEIGHTS)
            size = size or float(np.abs(terms).sum())
            width = cells.right - cells.left
            step = np.spacing(np.maximum(np.abs(cells.left), np.abs(cells.right)))
            # The density's own error, and next to an end other than 0 the rounding of x in it
            own = 4 * np.abs(values).max(axis=1, initial=0.0) * cells.errors
            own += 64 * step / width * np.abs(terms).sum(axis=1)
            again = (errors > 1e-12 * size) & (errors > own)
            again &= (round_ < _ROUNDS - 1) & (spent < _VALUES)
            middles = cells.left + width / 2
            # Next to an end masses are right, whatever the density is at the nodes.
            swing = values.max(axis=1, initial=-np.inf) - values.min(axis=1, initial=np.inf)
            errors = np.minimum(errors, swing * weights.sum(axis=1))
        total, mass = total + float(terms[~again].sum()), mass + float(weights[~again].sum())
        missed += float(errors[~again].sum())
        if not again.any():
            break
        halves = [(cells.left[again], middles[again]), (middles[again], cells.right[again])]
        part.support = tuple(zip(*map(np.concatenate, zip(*halves, strict=True)), strict=True))
    if not abs(mass - exact) <= 1e-7 * max(exact, 1e-7):
        raise ConvergenceError(
            f"the density of {law!r} adds up to {mass:.6g}, and its distribution function to "
            f"{exact:.6g}: expectations are not known; a mean over law.rvs() is one way out"
        )
    if missed > 1e-6 * size:
        raise ConvergenceError(
            f"the expectation of the function under {law!r} was found as {total:.6g}, with an "
            f"error of about {missed:.1g} or more: it may not exist, or the function have noise, "
            "many jumps or a pole where the density is infinite"
        )
    return total, mass


def _mass_of(part: CutLaw) -> float:
    """Mass of all bands, each from the tail that is the smaller."""
    ends = np.array(part.support, dtype=np.float64).reshape(-1, 2)
    finite = np.isfinite(ends)
    whole = 1.0 - part.held
    below, above = np.where(ends > 0, whole, 0.0), np.where(ends > 0, 0.0, whole)
    below[finite], above[finite] = part._cdf(ends[finite]), part._sf(ends[finite])
    upper = above[:, 0] < below[:, 0]
    return float(np.where(upper, above[:, 0] - above[:, 1], below[:, 1] - below[:, 0]).sum())
