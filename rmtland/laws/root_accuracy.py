r"""How exact a computed root of an equation is: residual, and bound of the error.

Examples
--------
>>> root = np.array([1.4142135623730951 + 0j])  # of g^2 = 2
>>> residual, error = accuracy_of_root(root, root**2 - 2, 2 * root, np.array([4.0]))
>>> bool(residual[0] < 2e-16), bool(abs(root[0] - np.sqrt(2)) <= error[0] < 1e-14)
(True, True)
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from rmtland.typing import Complex, Real

__all__ = ["accuracy_of_root", "moved_once", "rounded_once"]

_HALVES = 2.0**27 + 1
"""Factor that splits a double into two halves, whose products are exact."""


def rounded_once(scale: float, place: float, shift: float) -> float:
    """Return the double nearest to scale * place + shift.

    Parameters
    ----------
    scale, place, shift : float
        Finite numbers.

    Returns
    -------
    float
        Within half a unit in the last place, whatever cancels.
    """
    once = scale * place + shift
    if shift == 0 or not math.isfinite(once):
        return once
    return float(Fraction(scale) * Fraction(place) + Fraction(shift))


def moved_once(scale: float, places: Real, shift: float) -> tuple[Real, Real]:
    """Return scale * places + shift in doubles, and how far off they are.

    By sums and products with their remainders.

    Parameters
    ----------
    scale, shift : float
        Finite numbers.
    places : ndarray of float
        Finite numbers.

    Returns
    -------
    moved : ndarray of float
        Within half a unit in the last place, whatever cancels.
    off : ndarray of float
        Distance from what is exact, to a few digits; a bound of it for numbers above 1e300.
    """
    with np.errstate(all="ignore"):
        product = scale * places
        (a, rest), (x, tail) = _halves(np.float64(scale)), _halves(places)
        left = rest * tail - (((product - a * x) - rest * x) - a * tail)
        once = product + shift
        added = once - product
        left = left + ((product - (once - added)) + (shift - added))
        moved = once + left
        off = np.abs((once - moved) + left)
        lost = ~np.isfinite(off)  # too large to be split
    off[lost] = np.spacing(np.abs(product[lost])) + np.spacing(np.abs(once[lost]))
    return np.where(lost, once, moved), off


def _halves(x: Real | np.float64) -> tuple[Real, Real]:
    """Upper and lower half of the digits."""
    large = _HALVES * x
    upper = large - (large - x)
    return np.asarray(upper), np.asarray(x - upper)


def accuracy_of_root(
    root: Complex,
    defect: Complex,
    slope: Complex,
    terms: Real,
    *,
    lead: Complex | float | None = None,
) -> tuple[Real, Real]:
    """Relative residual, and bound of the error, of a computed root of an equation.

    Parameters
    ----------
    root : ndarray of complex
        The computed root.
    defect, slope : ndarray of complex
        The equation and its derivative in the unknown, at the computed root.
    terms : ndarray of float
        Sum of the moduli of the terms of the equation, weighted by how often each was rounded.
    lead : ndarray of complex or float, optional
        Leading coefficient of a quadratic equation, which bounds the error beside a double root.

    Returns
    -------
    (ndarray, ndarray)
        |defect| / terms, and 2 (|defect| + 1e-15 terms) / |slope|; zero where the root is
        infinite, as it is exactly at an atom.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.abs(defect) + 1e-15 * terms
        residual, error = np.abs(defect) / terms, 2 * size / np.abs(slope)
        if lead is not None:
            error = np.fmin(error, 2 * np.sqrt(size / np.abs(lead)))
    exact = np.isinf(root)
    residual = np.where(exact, 0.0, np.where(np.isnan(residual), np.inf, residual))
    return residual, np.where(exact, 0.0, np.where(np.isnan(error), np.inf, error))
