r"""Exponents of power laws from measured sizes and values, with confidence intervals.

A straight line through the logarithms by least squares; its slope is the exponent, and the interval
is Student's from the scatter about the line. Several values at a size (of seeds) are separate
points. The interval knows of scatter only: a law that bends is seen in `local`, the exponents
between neighbouring sizes.

Synonyms: scaling exponent, log-log regression, power-law fit.

Examples
--------
>>> found = fit_exponent([1, 2, 4, 8], [3.0, 1.5, 0.75, 0.375])
>>> round(found.value, 12), round(found.high - found.low, 12)
(-1.0, 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from rmtland.arguments import points, positive
from rmtland.intervals import interval_words
from rmtland.typing import ArrayLike, Real

__all__ = ["Exponent", "fit_exponent"]


@dataclass(frozen=True, eq=False)
class Exponent:
    """An exponent with its interval.

    Made by `rmtland.landscape.linearisation.fit_exponent`.

    Parameters
    ----------
    value : float
        Slope of the line.
    low, high : float
        Ends of the interval.
    confidence : float
        Of the interval.
    prefactor : float
        Value of the line at size 1.
    local : ndarray, shape (s - 1,)
        Exponents between the means of neighbouring sizes.
    """

    value: float
    low: float
    high: float
    confidence: float
    prefactor: float
    local: Real

    def __repr__(self) -> str:
        return f"{self.value:.3f} ({interval_words(self.low, self.high)})"

    def at(self, sizes: ArrayLike) -> Real:
        """Return the line at other sizes.

        Parameters
        ----------
        sizes : array_like
            Sizes, > 0.

        Returns
        -------
        ndarray
            Values of the power law.
        """
        return np.asarray(self.prefactor * np.asarray(sizes, dtype=float) ** self.value)


def fit_exponent(sizes: ArrayLike, values: ArrayLike, *, confidence: float = 0.95) -> Exponent:
    """Fit values = prefactor * sizes^exponent.

    Parameters
    ----------
    sizes : array_like, shape (n,)
        Sizes, > 0, of at least two kinds.
    values : array_like, shape (n,) or (n, k)
        Values, > 0; k at a size.
    confidence : float, optional
        Of the interval, between 0 and 1.

    Returns
    -------
    Exponent
        Slope, interval and prefactor.

    Raises
    ------
    ValueError
        If there are fewer than three points, one size, or a size or value that is not positive.
    TypeError
        If a size, a value or the confidence is no real number.
    """
    n, v = points("sizes", sizes), points("values", values)
    if not 0.0 < positive("confidence", confidence) < 1.0:
        raise ValueError(f"confidence must be between 0 and 1; got {confidence}")
    if n.ndim != 1 or v.ndim not in (1, 2) or len(v) != len(n) or v.size < 3:
        raise ValueError(
            "sizes must have shape (n,) and values (n,) or (n, k), three points at least; got "
            f"shapes {n.shape} and {v.shape}"
        )
    if not (np.isfinite(n).all() and np.isfinite(v).all() and (n > 0).all() and (v > 0).all()):
        raise ValueError("sizes and values must be positive and finite, for their logarithms")
    if np.unique(n).size < 2:
        raise ValueError(f"an exponent needs two different sizes; got {n[0]:g} alone")
    rows = v.reshape(len(n), -1)
    log_n = np.repeat(np.log(n), rows.shape[1])
    log_v = np.log(rows).ravel()
    centred = log_n - log_n.mean()
    spread = float(centred @ centred)
    slope = float(centred @ log_v) / spread
    level = float(log_v.mean() - slope * log_n.mean())
    scatter = log_v - level - slope * log_n
    error = float(np.sqrt(scatter @ scatter / (log_v.size - 2) / spread))
    half = float(stdtrit(log_v.size - 2, 0.5 + confidence / 2)) * error
    order = np.argsort(n, kind="stable")
    places, which = np.unique(n[order], return_inverse=True)
    means = np.bincount(which, np.log(rows).mean(axis=1)[order]) / np.bincount(which)
    local = np.diff(means) / np.diff(np.log(places))
    return Exponent(slope, slope - half, slope + half, confidence, float(np.exp(level)), local)
