r"""Power-law tails of samples: the exponent, where the tail begins, and how well both are known.

For a density proportional to x^-alpha above x_min the maximum-likelihood estimate from the n
values above is (Hill estimator)

.. math::

    \hat\alpha = 1 + \frac{n}{\sum_i \log (x_i / x_{\min})}, \qquad
    \operatorname{se} = \frac{\hat\alpha - 1}{\sqrt n},

and x_min is where the Kolmogorov distance of the tail to its power law is least [1]_. The choice of
x_min moves the estimate too: the error stated is that of a bootstrap in which it is chosen anew, or
the formula's where that is larger. Synonyms: heavy tail, ESD power law, alpha of WeightWatcher.

References
----------
.. [1] A. Clauset, C. R. Shalizi and M. E. J. Newman, Power-law distributions in empirical data,
       SIAM Review 51 (2009) 661-703.

Examples
--------
>>> import numpy as np
>>> values = np.random.default_rng(0).pareto(2.0, size=2000) + 1.0
>>> tail = power_tail(values, rng=0)
>>> abs(tail.exponent - 3.0) < 3 * tail.error < 0.6
True
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import count, float_array
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["PowerTail", "power_tail"]

_STARTS = 60
"""How many places are tried for the beginning of the tail."""


class PowerTail(NamedTuple):
    """A power law fitted to the upper tail of a sample.

    Made by `rmtland.comparison.power_tail`.

    Parameters
    ----------
    exponent : float
        alpha, of the density x^-alpha.
    error : float
        Its standard error.
    start : float
        x_min.
    size : int
        Values at or above it.
    kolmogorov : float
        Distance of the tail to the power law.
    """

    exponent: float
    error: float
    start: float
    size: int
    kolmogorov: float


def power_tail(
    values: ArrayLike, *, min_size: int = 10, resamples: int = 40, rng: Rng = None
) -> PowerTail:
    r"""Fit a power law to the upper tail of positive values.

    .. formula:: Power-law tail, :math:`\hat\alpha = 1 + n/\sum_i \log(x_i/x_{\min})`

    Parameters
    ----------
    values : array_like
        The sample; what is not positive is left out.
    min_size : int, optional
        Values that a tail has at least.
    resamples : int, optional
        Bootstrap samples for the error.
    rng : anything `numpy.random.default_rng` takes
        For the bootstrap.

    Returns
    -------
    PowerTail
        The exponent with its standard error.

    Raises
    ------
    ValueError
        If there are fewer than `min_size` different positive values.
    TypeError
        If `min_size` or `resamples` is no integer, or `values` holds no real numbers.

    See Also
    --------
    rmtland.comparison.spectra_of_weights : tails of weight matrices.
    """
    least = count("min_size", min_size, min_value=3)
    resamples = count("resamples", resamples, min_value=2)
    x = np.sort(float_array("values", values, ndim=1))
    x = x[x > 0]
    if len(np.unique(x)) < least:
        raise ValueError(
            f"a tail needs at least {least} different positive values; got {len(np.unique(x))}"
        )
    generator = random_generator(rng)
    exponent, start, size, distance = _fitted(x, least)
    drawn = []
    for _ in range(resamples):
        sample = np.sort(generator.choice(x, size=len(x)))
        if sample[-1] > sample[-least]:
            drawn.append(_fitted(sample, least)[0])
    spread = float(np.sqrt(np.mean((np.array(drawn) - exponent) ** 2))) if drawn else np.inf
    return PowerTail(exponent, max((exponent - 1) / size**0.5, spread), start, size, distance)


def _fitted(x: Real, least: int) -> tuple[float, float, int, float]:
    """Return exponent, start, size and distance of the best tail of a sorted sample."""
    n = len(x)
    first = np.searchsorted(x, np.unique(x))
    first = first[(first <= n - least) & (x[first] < x[-1])]
    first = first[np.unique(np.linspace(0, len(first) - 1, _STARTS).astype(int))]
    logs = np.log(x)
    best = (np.inf, 0.0, 0.0, 0)
    for i in first:
        size = n - int(i)
        excess = logs[i:] - logs[i]
        rate = size / excess.sum()
        fitted = -np.expm1(-rate * excess)
        steps = np.arange(size) / size
        distance = float(max((fitted - steps).max(), (steps + 1 / size - fitted).max()))
        if distance < best[0]:
            best = (distance, 1.0 + rate, float(x[i]), size)
    distance, exponent, start, size = best
    return float(exponent), start, size, distance
