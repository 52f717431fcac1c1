r"""How far a law may be from a spectrum that is known within brackets only.

An estimate by Lanczos (stochastic Lanczos quadrature, spectral density of states) bounds the
distribution function F at its nodes, low <= F <= high, up to the scatter of its probes. Between two
nodes F ascends, and so does the law L, so that

.. math::
    \max_i \max(low_i - L(x_i), L(x_i-) - high_i, 0) \le \sup |F - L| \le
    \max_i \max(high_{i+1} - L(x_i), L(x_{i+1}-) - low_i) .

The brackets are widened by the scatter of the probes, at all points at once with 95 %: where it is
known how many draws n of a binomial fraction the probes are worth (`rmtland.estimate.beta_law`), by
Kolmogorov's quantile over :math:`\sqrt n`, or to Wilson's interval of 3.9 deviations where that is
narrower; otherwise by 3.9 standard errors. (Each has a share of 2.5 %: 3.9 deviations are exceeded
somewhere on (1/n, 1 - 1/n) with about that probability, for n up to 10^6 [1]_.) The same band
bounds the area between the distribution functions.

References
----------
.. [1] R. Miller and D. Siegmund, Maximally selected chi square statistics, Biometrics 38 (1982)
       1011-1016.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Uniform
>>> from rmtland.spectrum import Spectrum
>>> x = (np.arange(10) + 0.5) / 10
>>> bounds = np.stack([x - 0.05, x + 0.05], axis=-1)
>>> estimate = Spectrum(x, np.full(10, 0.1), dimension=100, brackets=bounds)
>>> low, high = kolmogorov_range(estimate, Uniform(0.0, 1.0))
>>> round(low, 12), round(high, 12)
(0.0, 0.15)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from rmtland.estimate.beta_law import kolmogorov_quantile, wilson
from rmtland.estimate.bounds import ritz_interval
from rmtland.estimate.distribution import (
    distribution_band,
    spectrum_draws,
    spectrum_tridiagonals,
)
from rmtland.intervals import interval_words
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = [
    "WIDENED",
    "Band",
    "IndexInterval",
    "draws_of",
    "index_interval",
    "index_words",
    "kolmogorov_range",
    "wasserstein_range",
]

WIDENED = 3.9
"""Standard errors by which brackets are widened at most."""
_MISSED = 0.05
"""Probability with which the spectrum leaves its band somewhere."""
_GRID, _TAIL = 2048, 1e-9
"""Points of integrals, and what a law has beyond the end of its tails."""


class IndexInterval(NamedTuple):
    """Index of an estimated spectrum: where the fraction of negative eigenvalues lies, at 95 %.

    Parameters
    ----------
    value : float
        Mass below zero and half of the mass at it.
    interval : (float, float)
        Calibrated interval of that (`rmtland.estimate.negative_fraction`).
    rigorous : (float, float)
        Holds whatever the spectrum, and whether eigenvalues at zero are counted or not.
    """

    value: float
    interval: tuple[float, float]
    rigorous: tuple[float, float]


def index_interval(spectrum: Spectrum) -> IndexInterval | None:
    """Return the index of an estimated spectrum with its intervals.

    Nodes of a quadrature below zero are no count of negative eigenvalues: of many zero ones a
    part lands there.

    Parameters
    ----------
    spectrum : Spectrum
        Any.

    Returns
    -------
    IndexInterval or None
        None for a complete spectrum, or one that does not come from
        `rmtland.estimate.spectral_density` with Gaussian probes.
    """
    law = spectrum.provenance.get("probe_law")
    if spectrum.is_complete or spectrum.alpha is None or law is None or spectrum.alpha.shape[1] < 2:
        return None
    found = distribution_band(spectrum, [0.0])
    (low, high), (least, most) = found.interval[0].tolist(), found.rigorous[0].tolist()
    return IndexInterval(float(found.value[0]), (low, high), (least, most))


def index_words(spectrum: Spectrum) -> str:
    """Return the index as tables and figures tell it: of an estimate the interval at 95 %.

    Parameters
    ----------
    spectrum : Spectrum
        Any.

    Returns
    -------
    str
        In three decimals, or as many as tell the ends of an interval apart.
    """
    estimate = index_interval(spectrum)
    if estimate is None:
        return f"{spectrum.index():.3f}"
    return interval_words(*estimate.interval)


def draws_of(spectrum: Spectrum) -> float | None:
    """Return the draws of a binomial fraction that the probes of an estimate are worth.

    Parameters
    ----------
    spectrum : Spectrum
        Any.

    Returns
    -------
    float or None
        From the law of the probes; None where it is not known.
    """
    try:
        return spectrum_draws(spectrum)
    except ValueError:
        return None


class Band(NamedTuple):
    """Between which the distribution function of an estimated spectrum lies, at all points at once.

    Parameters
    ----------
    x : ndarray of float, shape (n,)
        Nodes, ascending.
    low, high : ndarray of float, shape (n,)
        Bounds at the nodes, ascending.
    ends : (float, float)
        Interval that holds the spectrum.
    """

    x: Real
    low: Real
    high: Real
    ends: tuple[float, float]

    @classmethod
    def of(cls, spectrum: Spectrum) -> Band:
        """Return the band of a spectrum.

        Raises
        ------
        ValueError
            If the spectrum has neither brackets nor errors.
        """
        if spectrum.brackets is None and spectrum.errors is None:
            raise ValueError(
                "the spectrum has neither brackets nor errors: its distance is the one of `compare`"
            )
        order = np.argsort(spectrum.nodes, axis=None, kind="stable")
        x = spectrum.nodes.ravel()[order]
        if spectrum.brackets is None:
            low = high = np.asarray(spectrum.cdf(x))
        else:
            low, high = spectrum.brackets.reshape(-1, 2)[order].T
        draws = draws_of(spectrum)
        if draws is not None:
            reach = kolmogorov_quantile(draws, 1 - _MISSED / 2)
            sure = 2 * float(ndtr(WIDENED)) - 1
            low = np.maximum(low - reach, wilson(low, draws, confidence=sure)[0])
            high = np.minimum(high + reach, wilson(high, draws, confidence=sure)[1])
        elif spectrum.errors is not None:
            wider = WIDENED * spectrum.errors.ravel()[order]
            low, high = low - wider, high + wider
        # a distribution function ascends
        low = np.maximum.accumulate(np.clip(low, 0.0, 1.0))
        high = np.minimum.accumulate(np.clip(high, 0.0, 1.0)[::-1])[::-1]
        ends = (float(x[0]), float(x[-1]))
        if spectrum.alpha is not None and spectrum.alpha.shape[1] > 1:
            first, last = ritz_interval(spectrum_tridiagonals(spectrum))
            ends = (min(first, ends[0]), max(last, ends[1]))
        return cls(x, low, high, ends)

    @property
    def width(self) -> float:
        """How far the distribution function of the estimate may be off."""
        return float((np.append(self.high, 1.0) - np.concatenate([[0.0], self.low])).max())


def kolmogorov_range(spectrum: Spectrum, law: Law) -> tuple[float, float]:
    """Least and largest Kolmogorov distance of a law from what a spectrum may be.

    Parameters
    ----------
    spectrum : Spectrum
        With brackets, errors or both.
    law : Law
        What it is compared with.

    Returns
    -------
    (float, float)
        In [0, 1].

    Raises
    ------
    ValueError
        If the spectrum has neither brackets nor errors.
    """
    x, low, high, _ = Band.of(spectrum)
    right, left = np.asarray(law.cdf(x)), np.asarray(law.mass_below(x))
    least = max(float((low - right).max()), float((left - high).max()), 0.0)
    above = np.append(high, 1.0) - np.concatenate([[0.0], right])
    below = np.append(left, 1.0) - np.concatenate([[0.0], low])
    return min(least, 1.0), min(max(float(above.max()), float(below.max()), least), 1.0)


def wasserstein_range(spectrum: Spectrum, law: Law) -> tuple[float, float]:
    """Least and largest area between a law and what a spectrum may be (Wasserstein-1 distance).

    Parameters
    ----------
    spectrum : Spectrum
        With brackets, errors or both.
    law : Law
        What it is compared with.

    Returns
    -------
    (float, float)
        In the units of the eigenvalues.

    Raises
    ------
    ValueError
        If the spectrum has neither brackets nor errors.
    """
    x, low, high, ends = Band.of(spectrum)
    first, last = law.hull
    first = first if np.isfinite(first) else float(law.ppf(_TAIL))
    last = last if np.isfinite(last) else float(law.isf(_TAIL))
    start, stop = min(first, ends[0]), max(last, ends[1])
    levels = np.asarray(law.ppf((np.arange(_GRID) + 0.5) / _GRID))
    even = np.linspace(start, stop, _GRID)
    grid = np.unique(np.concatenate([[start, stop, *ends, first, last], x, levels, even]))
    middle = (grid[1:] + grid[:-1]) / 2
    place = np.searchsorted(x, middle, side="right")
    least = np.append(0.0, low)[place]
    most = np.append(high, 1.0)[place]
    most = np.where(middle < ends[0], 0.0, most)
    least = np.where(middle > ends[1], 1.0, least)
    left, right = np.asarray(law.cdf(grid[:-1])), np.asarray(law.mass_below(grid[1:]))
    inside = np.maximum(np.maximum(least - right, left - most), 0.0)
    outside = np.maximum(np.maximum(most - left, right - least), 0.0)
    width = np.diff(grid)
    return float(inside @ width), float(outside @ width)
