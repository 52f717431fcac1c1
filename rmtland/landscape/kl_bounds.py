r"""Bounds of an error by a KL divergence: Seeger's, McAllester's and Catoni's.

With n independent samples, an error q found on them and KL = KL(Q || P), the true error is with
probability at least 1 - delta at most

.. math::
    \mathrm{kl}^{-1}\bigl(q, (\mathrm{KL} + \ln(2 \sqrt n/\delta))/n\bigr), \qquad
    q + \sqrt{(\mathrm{KL} + \ln(2 \sqrt n/\delta))/(2 n)}, \qquad
    \frac{1 - \exp(-C q - (\mathrm{KL} + \ln(1/\delta))/n)}{1 - e^{-C}} .

References
----------
.. [1] D. A. McAllester, PAC-Bayesian model averaging, COLT 1999.
.. [2] A. Maurer, A note on the PAC Bayesian theorem, arXiv:cs/0411099.
.. [3] O. Catoni, PAC-Bayesian supervised classification, IMS Lecture Notes 56, 2007.

Examples
--------
>>> round(kl_inverse(0.0, 0.1), 6) == round(1 - math.exp(-0.1), 6)
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rmtland.arguments import count, finite, nonnegative, positive

__all__ = [
    "CATONI",
    "catoni",
    "chance_of_failure",
    "kl_inverse",
    "mcallester",
    "printed_bound",
    "seeger",
]

CATONI = tuple(float(c) for c in np.geomspace(0.05, 10.0, 16))
"""Values of C: a union bound is paid for all of them."""


def kl_inverse(share: float, bound: float) -> float:
    """Return the largest p with kl(share || p) <= bound, of Bernoulli laws.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    bound : float
        At least 0.

    Returns
    -------
    float
        At least the share, at most 1; rounded up by bisection.

    Raises
    ------
    ValueError
        If `share` is not from 0 to 1, or `bound` is below 0.
    TypeError
        If one of them is no number.
    """
    q, c = _share("share", share), nonnegative("bound", bound)
    if q == 0.0:
        return -math.expm1(-c)
    low, high = q, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if _kl(q, middle) <= c:
            low = middle
        else:
            high = middle
    return high


def seeger(error: float, kl: float, samples: int, delta: float) -> float:
    """Return the bound by the inverse of kl (Langford and Seeger, Maurer).

    Parameters
    ----------
    error : float
        Empirical error of the posterior.
    kl : float
        KL(Q || P).
    samples : int
        n.
    delta : float
        Probability that the bound fails.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    ValueError
        If `error` or `delta` is no probability, `kl` below 0, or `samples` below 1.
    TypeError
        If one of them is no number, or `samples` no integer.
    """
    n = count("samples", samples)
    return kl_inverse(error, _complexity(kl, n, delta) / n)


def mcallester(error: float, kl: float, samples: int, delta: float) -> float:
    """Return McAllester's bound, error + sqrt((KL + log(2 sqrt n/delta))/(2 n)).

    Parameters
    ----------
    error, kl, samples, delta
        As for `seeger`.

    Returns
    -------
    float
        May exceed 1, and is then empty.

    Raises
    ------
    ValueError
        If `error` or `delta` is no probability, `kl` below 0, or `samples` below 1.
    TypeError
        If one of them is no number, or `samples` no integer.
    """
    n = count("samples", samples)
    return _share("error", error) + math.sqrt(_complexity(kl, n, delta) / (2.0 * n))


def catoni(
    error: float, kl: float, samples: int, delta: float, grid: Sequence[float] = CATONI
) -> float:
    """Return Catoni's bound, the least over a grid of C, which a union bound pays for.

    Parameters
    ----------
    error, kl, samples, delta
        As for `seeger`.
    grid : sequence of float, optional
        Values of C, chosen before the data.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    ValueError
        If `error` or `delta` is no probability, `kl` below 0, `samples` below 1, or `grid` empty or
        not positive.
    TypeError
        If one of them is no number, or `samples` no integer.
    """
    q, n = _share("error", error), count("samples", samples)
    if not len(grid) or not min(positive("grid", C) for C in grid) > 0.0:
        raise ValueError("grid must hold at least one C")
    cost = (nonnegative("kl", kl) + math.log(len(grid)) - math.log(chance_of_failure(delta))) / n
    return min(1.0, *(-math.expm1(-C * q - cost) / -math.expm1(-C) for C in grid))


def printed_bound(error: float, rho: float, parameters: int, samples: int, delta: float) -> float:
    """Return the bound printed in the texts, error + sqrt((2 rho^2 + log(2 p/delta))/n).

    It is no bound: see the module.

    Parameters
    ----------
    error : float
        Training error.
    rho : float
        Flatness, S_rho <= rho.
    parameters, samples : int
        p and n.
    delta : float
        Between 0 and 1.

    Returns
    -------
    float
        What is printed.

    Raises
    ------
    ValueError
        If `error` or `delta` is no probability, `rho` below 0, or `parameters` or `samples` below
        1.
    TypeError
        If one of them is no number, or a count no integer.
    """
    p, n = count("parameters", parameters), count("samples", samples)
    radius = nonnegative("rho", rho)
    inside = 2.0 * radius * radius + math.log(2.0 * p) - math.log(chance_of_failure(delta))
    return _share("error", error) + math.sqrt(inside / n)


def _kl(q: float, p: float) -> float:
    """Return kl(q || p) of Bernoulli laws."""
    if p >= 1.0:
        return 0.0 if q >= 1.0 else math.inf
    first = q * math.log(q / p) if q > 0 else 0.0
    second = (1.0 - q) * (math.log1p(-q) - math.log1p(-p)) if q < 1.0 else 0.0
    return first + second


def _complexity(kl: float, n: int, delta: float) -> float:
    return nonnegative("kl", kl) + math.log(2.0 * math.sqrt(n)) - math.log(chance_of_failure(delta))


def _share(name: str, value: float) -> float:
    number = finite(name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be between 0 and 1; got {number}")
    return number


def chance_of_failure(delta: float) -> float:
    """Return a probability between 0 and 1, or say what is wrong with it."""
    number = positive("delta", delta)
    if number >= 1.0:
        raise ValueError(f"delta must be below 1; got {number}")
    return number
