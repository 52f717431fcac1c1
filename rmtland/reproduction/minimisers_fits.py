r"""Fits to energies of minimisers: their limit in the width, and the power of 1 - phi.

>>> import numpy as np
>>> widths = np.array([8, 16, 32])
>>> limit = limit_in_width(widths, 0.1 + 0.4 / widths, np.full(3, 1e-3))
>>> round(limit.value, 6), 1e-3 < limit.error < 3e-3
(0.1, True)
>>> phi = np.array([0.25, 0.5])
>>> round(fitted_power(phi, (1 - phi) ** 2.5), 6)
2.5
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.typing import Real

__all__ = ["Known", "fitted_power", "limit_in_width", "mean_interval"]

_NORMAL = 1.959963984540054


class Known(NamedTuple):
    """A value and the half-width of its 95 % interval.

    Parameters
    ----------
    value, error : float
        Value and half-width.
    """

    value: float
    error: float


def limit_in_width(widths: Real, means: Real, errors: Real) -> Known:
    """Extrapolate linearly in 1/n.

    Parameters
    ----------
    widths : ndarray
        n, at least two.
    means, errors : ndarray
        Of a quantity at each, and their standard errors, positive.

    Returns
    -------
    Known
        The value at 1/n = 0; its interval is widened by the root of chi^2 per degree of freedom
        where that is above 1, so that a curve which is not straight shows. It knows nothing of
        powers of 1/n beyond the first that the widths do not show.
    """
    design = np.stack([np.ones(len(widths)), 1.0 / np.asarray(widths, dtype=float)], axis=1)
    scaled, aims = design / errors[:, None], means / errors
    covariance = np.linalg.inv(scaled.T @ scaled)
    found = covariance @ (scaled.T @ aims)
    free = len(widths) - 2
    chi = float(((aims - scaled @ found) ** 2).sum())
    stretch = max(1.0, chi / free) ** 0.5 if free else 1.0
    return Known(float(found[0]), _NORMAL * stretch * float(covariance[0, 0] ** 0.5))


def fitted_power(phi: Real, energies: Real) -> float:
    """Return S of 2 epsilon = (1 - phi)^S by least squares of the logarithms.

    Parameters
    ----------
    phi : ndarray
        Between 0 and 1.
    energies : ndarray
        2 epsilon, positive.

    Returns
    -------
    float
        S.
    """
    logs = np.log1p(-phi)
    return float(logs @ np.log(energies) / (logs @ logs))


def mean_interval(values: Real) -> Known:
    """Return the mean of independent values and Student's 95 % interval; infinite for one.

    Parameters
    ----------
    values : ndarray
        One for each data set.

    Returns
    -------
    Known
    """
    n = len(values)
    if n < 2:
        return Known(float(np.mean(values)), float("inf"))
    from scipy.stats import t as student  # scipy.stats loads at first use

    spread = float(np.std(values, ddof=1)) / n**0.5
    return Known(float(np.mean(values)), float(student.ppf(0.975, n - 1)) * spread)
