r"""How far a law may be from a spectrum that is known within brackets only.

An estimate by Lanczos (stochastic Lanczos quadrature, spectral density of states) bounds the
distribution function F at its nodes, low <= F <= high, up to the scatter of its probes. Between two
nodes F ascends, and so does the law L, so that

.. math::
    \max_i \max(low_i - L(x_i), L(x_i-) - high_i, 0) \le \sup |F - L| \le
    \max_i \max(high_{i+1} - L(x_i), L(x_{i+1}-) - low_i) .

The brackets are widened by two standard errors first: either end is then wrong with the
probability of a few percent at each node.

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

from rmtland.estimate.distribution import distribution_band
from rmtland.laws import Law
from rmtland.spectrum import Spectrum

__all__ = ["WIDENED", "IndexInterval", "index_interval", "kolmogorov_range"]

WIDENED = 2.0
"""Standard errors by which brackets are widened."""


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
    if spectrum.errors is not None:
        wider = WIDENED * spectrum.errors.ravel()[order]
        low, high = low - wider, high + wider
    # a distribution function ascends
    low = np.maximum.accumulate(np.clip(low, 0.0, 1.0))
    high = np.minimum.accumulate(np.clip(high, 0.0, 1.0)[::-1])[::-1]
    right, left = np.asarray(law.cdf(x)), np.asarray(law.mass_below(x))
    least = max(float((low - right).max()), float((left - high).max()), 0.0)
    above = np.append(high, 1.0) - np.concatenate([[0.0], right])
    below = np.append(left, 1.0) - np.concatenate([[0.0], low])
    return min(least, 1.0), min(max(float(above.max()), float(below.max()), least), 1.0)
