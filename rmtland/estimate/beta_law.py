r"""How far random probes may be off: the Beta law of their masses, and intervals from it.

The mass that a Gaussian vector v gives to a set of eigenvalues, :math:`|P v|^2/|v|^2`, follows the
law Beta(:math:`q d, (1 - q) d`) exactly, with q the fraction of the eigenvalues in the set and
:math:`d = p/2` for real vectors, p for complex ones. The mean over m probes has the variance
:math:`q (1 - q)/n`,

.. math:: n = m (p/2 + 1) \text{ (real)}, \quad n = m (p + 1) \text{ (complex)} ,

that of a binomial fraction of n draws, for which Wilson's interval [1]_ holds down to a single
eigenvalue. (The masses of Rademacher vectors follow no such law.)

Its one-sided levels are off where q n is small; those of the Beta law with this mean and variance,
Beta(:math:`q (n - 1), (1 - q)(n - 1)`), which is the law itself for a single probe, are not.

A Krylov space knows the mass of its own start vector only up to a bracket
[:math:`lo`, :math:`lo + w`] (`rmtland.estimate.radau`). Two intervals result:

- rigorous: the lower end at :math:`lo`, the upper end at :math:`lo + w`, each the outer one of
  Wilson's and that of the Beta law;
- calibrated: about the middle, with the part of the bracket that measured spectra need,

  .. math::

     \delta_\mp = \tfrac w2 \bigl(e + (1 - e) \min(1, c + \max(\pm a, 0))\bigr), \quad
     a = \frac{w_+ - w_-}{w_+ + w_-}, \quad
     e = \max\Bigl(1 - \frac{w_+ + w_-}w, 0\Bigr), \quad c = 0.1 ,

  :math:`w_\mp` the weights of the nodes beside x. Where they differ, as beside a positive
  semidefinite spectrum, the mass is not in the middle. What the node at x has beyond both together
  is no part of a density that these nodes resolve: an atom at x or beside it, or eigenvalues far
  closer to x than the nodes are. It may all be on one side, and that part e of the bracket is kept
  whole.

References
----------
.. [1] E. B. Wilson, Probable inference, the law of succession, and statistical inference, J. Amer.
       Statist. Assoc. 22 (1927) 209-212.

Examples
--------
>>> low, high = wilson(0.5, 1000.0, confidence=0.95)
>>> round(float(low), 4), round(float(high), 4)
(0.4691, 0.5309)
>>> equivalent_draws(size=4608, probes=10)
23050.0
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betainc, kolmogi, ndtri

from rmtland.estimate.radau import Split
from rmtland.typing import ArrayLike, Real

__all__ = [
    "Intervals",
    "beta_interval",
    "equivalent_draws",
    "intervals",
    "kolmogorov_quantile",
    "wilson",
]

SHARE = 0.1
"""Part c of half a bracket that is kept on both sides where the nodes resolve a density."""

_ROUNDING = 8 * float(np.finfo(float).eps)
"""What the ends of an interval are moved outwards, so that it holds a fraction of 0 or 1."""


def equivalent_draws(*, size: int, probes: int, is_complex: bool = False) -> float:
    """Return the n of the Beta law: the binomial draws that random probes are worth.

    Parameters
    ----------
    size : int
        Order p of the matrix.
    probes : int
        Number m of Gaussian probes.
    is_complex : bool, optional
        Whether they are complex.

    Returns
    -------
    float
        m (p/2 + 1), or m (p + 1).
    """
    return probes * (size + 1.0 if is_complex else size / 2 + 1.0)


def wilson(fraction: ArrayLike, draws: float, *, confidence: float) -> tuple[Real, Real]:
    """Return Wilson's interval of a fraction, rounded outwards.

    Parameters
    ----------
    fraction : array_like of float
        Measured fractions; brought into [0, 1].
    draws : float
        Number n of draws.
    confidence : float
        Two-sided level, in (0, 1).

    Returns
    -------
    low, high : ndarray
        In [0, 1].
    """
    z = float(ndtri((1 + confidence) / 2))
    q = np.clip(np.asarray(fraction, dtype=float), 0.0, 1.0)
    spread = z * np.sqrt(q * (1 - q) / draws + z * z / (4 * draws * draws))
    middle, scale = q + z * z / (2 * draws), 1 + z * z / draws
    low, high = (middle - spread) / scale - _ROUNDING, (middle + spread) / scale + _ROUNDING
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def beta_interval(fraction: float, draws: float, *, confidence: float) -> tuple[float, float]:
    """Return the interval of a fraction from the Beta law of its mean and variance.

    Both ends are at their one-sided level, however small the fraction is.

    Parameters
    ----------
    fraction : float
        Measured fraction; brought into [0, 1].
    draws : float
        Number n of draws, above 1.
    confidence : float
        Two-sided level, in (0, 1).

    Returns
    -------
    low, high : float
        In [0, 1].
    """
    q = min(max(float(fraction), 0.0), 1.0)

    def fraction_at(level: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(52):  # the distribution function falls with the fraction
            middle = (low + high) / 2
            below = betainc(middle * (draws - 1), (1 - middle) * (draws - 1), q)
            low, high = (middle, high) if below > level else (low, middle)
        return (low + high) / 2

    tail = (1 - confidence) / 2
    return (fraction_at(1 - tail) if q > 0 else 0.0, fraction_at(tail) if q < 1 else 1.0)


def kolmogorov_quantile(draws: float, confidence: float) -> float:
    """Return how far the distribution function of the probes may be off, everywhere at once.

    Parameters
    ----------
    draws : float
        Number n of draws.
    confidence : float
        Level, in (0, 1).

    Returns
    -------
    float
        Quantile of Kolmogorov's statistic; by its limit law beyond 1000 draws.
    """
    if draws < 1000:
        from scipy.stats import kstwo  # scipy.stats loads at first use

        return float(kstwo.ppf(confidence, max(1, int(draws))))
    return float(kolmogi(1 - confidence) / np.sqrt(draws))


class Intervals(NamedTuple):
    """A mass and two intervals of it.

    Parameters
    ----------
    value : float
        The middle of the bracket.
    rigorous : (float, float)
        Holds at its level whatever the spectrum.
    calibrated : (float, float)
        Holds at its level where the nodes beside the point resolve the density, as they do on
        measured spectra; mass that they do not resolve is in it whole.
    """

    value: float
    rigorous: tuple[float, float]
    calibrated: tuple[float, float]


def intervals(split: Split, draws: float, *, confidence: float, nullity: float = 0.0) -> Intervals:
    """Return the estimate of a mass with its rigorous and its calibrated interval.

    Parameters
    ----------
    split : Split
        Mean over the probes of the canonical representation at the point.
    draws : float
        The n of the Beta law.
    confidence : float
        Two-sided level.
    nullity : float, optional
        Known fraction of the eigenvalues at the point itself, which is not counted.

    Returns
    -------
    Intervals
        Of the mass below the point and half of the mass at it; of the mass below it alone where the
        nullity is known.
    """
    below, at = split.below, max(split.at - nullity, 0.0)
    beside = split.left + split.right
    tilt = (split.right - split.left) / beside if beside > 0 else 0.0
    beyond = max(at - beside, 0.0)  # twice the weight of a neighbour, and more
    down, up = (
        (beyond + (at - beyond) * min(1.0, SHARE + max(sign * tilt, 0.0))) / 2
        for sign in (1.0, -1.0)
    )
    middle = below + at / 2
    whole = below + max(split.at, nullity)
    lowest, highest = (
        (float(wilson(q, draws, confidence=confidence)[side]), beta_ends[side])
        for side, q in enumerate((below, whole))
        for beta_ends in (beta_interval(q, draws, confidence=confidence),)
    )
    top = max(0.0, max(highest) - nullity)
    calibrated = (
        float(wilson(middle - down, draws, confidence=confidence)[0]),
        float(wilson(middle + up, draws, confidence=confidence)[1]),
    )
    return Intervals(middle, (min(*lowest, top), top), calibrated)
