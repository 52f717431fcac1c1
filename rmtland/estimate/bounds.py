r"""How far an estimated spectrum can be from the true one: bounds known after the computation.

The distribution function of an estimated spectrum is the mean of Gauss quadratures. By the brackets
[lo, hi] of its probes it is off the mean measure of the probes by at most
:math:`e(x) = \max(hi - F, F - lo)`, and that one is off the truth by the law of the probes. So at
the stated level [1]_

.. math::

   d_K \le \sup_x e(x) + \kappa/\sqrt n , \qquad
   W_1 \le \int e(x) dx + \frac1{\sqrt{1 - c}} \int \sqrt{F (1 - F)/n}\, dx ,

with c the level; the second by Minkowski's and Chebyshev's inequalities, with the largest F (1 - F)
that Wilson's interval of F allows: where few eigenvalues are beyond x, probes often see less of
them than there is. The integrals end where the spectrum does, which Ritz values and their residuals
tell unless a support is given.

References
----------
.. [1] T. Chen, T. Trogdon and S. Ubaru, Analysis of stochastic Lanczos quadrature for spectrum
       approximation, ICML 2021.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.density import spectral_density
>>> values = np.linspace(-1.0, 3.0, 5000)
>>> spectrum = spectral_density(lambda v: values * v, size=5000, steps=40, rng=0)
>>> bounds = distance_bounds(spectrum)
>>> round(bounds.kolmogorov, 3), round(float(bounds.wasserstein), 3)
(0.048, 0.147)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import finite, positive
from rmtland.estimate.beta_law import kolmogorov_quantile, wilson
from rmtland.estimate.distribution import spectrum_draws, spectrum_tridiagonals
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.estimate.radau import Brackets, gauss
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["DistanceBounds", "distance_bounds", "ritz_interval"]


class DistanceBounds(NamedTuple):
    """Bounds of the distances between an estimated spectrum and the true one.

    Made by `rmtland.estimate.distance_bounds`.

    Parameters
    ----------
    kolmogorov : float
        Of the largest difference of the distribution functions.
    wasserstein : float
        Of the Wasserstein-1 (earth mover's) distance, in units of the eigenvalues.
    truncation : float
        Part of the latter that further steps make smaller.
    sampling : float
        Part of the latter that further probes make smaller.
    support : (float, float)
        Where the spectrum was taken to end.
    confidence : float
        Level of each bound.
    """

    kolmogorov: float
    wasserstein: float
    truncation: float
    sampling: float
    support: tuple[float, float]
    confidence: float


def ritz_interval(tridiagonals: list[Tridiagonal]) -> tuple[float, float]:
    """Return an interval that holds the extreme Ritz values with their residuals.

    Each residual bounds the distance to some eigenvalue. That no eigenvalue is further out is not
    proved, but needs a probe that is all but orthogonal to its eigenvector.

    Parameters
    ----------
    tridiagonals : list of Tridiagonal
        One a probe.

    Returns
    -------
    (float, float)
        Lower and upper end.
    """
    from scipy.linalg import eigh_tridiagonal

    low, high = [], []
    for alpha, beta in tridiagonals:
        if len(alpha) == 1:
            low.append(alpha[0] - beta[0])
            high.append(alpha[0] + beta[0])
            continue
        nodes, vectors = eigh_tridiagonal(alpha, beta[:-1])
        residuals = beta[-1] * np.abs(vectors[-1])
        low.append(nodes[0] - residuals[0])
        high.append(nodes[-1] + residuals[-1])
    return float(min(low)), float(max(high))


def distance_bounds(
    spectrum: Spectrum,
    *,
    confidence: float = 0.95,
    support: tuple[float, float] | None = None,
) -> DistanceBounds:
    """Bound the distances of an estimated spectrum to the true one.

    .. formula:: A posteriori bounds of :math:`d_K` and :math:`W_1`

    Parameters
    ----------
    spectrum : Spectrum
        Of `spectral_density`, without deflation.
    confidence : float, optional
        Level of each bound.
    support : (float, float), optional
        Interval that is known to hold all eigenvalues; by default the one of `ritz_interval`.

    Returns
    -------
    DistanceBounds
        Kolmogorov and Wasserstein bounds, and what they are made of.

    Raises
    ------
    ValueError
        If the spectrum has no Jacobi matrices of Gaussian probes, or Ritz values are outside of the
        support.
    TypeError
        If `confidence` is no real number.

    See Also
    --------
    rmtland.estimate.distribution_band : at given points.
    rmtland.comparison.compare : distances with such ranges.
    """
    confidence = positive("confidence", confidence)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1; got {confidence}")
    tridiagonals, draws = spectrum_tridiagonals(spectrum), spectrum_draws(spectrum)
    ends = ritz_interval(tridiagonals) if support is None else _support(support, tridiagonals)
    brackets = [Brackets(one) for one in tridiagonals]
    nodes = np.concatenate([gauss(one)[0] for one in tridiagonals] + [b.places for b in brackets])
    grid = np.unique(np.clip(np.append(nodes, ends), *ends))
    left = _between(grid)
    of_each = [one.at(left) for one in brackets]
    low, high = (np.mean(part, axis=0) for part in zip(*of_each, strict=True))
    middle = np.asarray(spectrum.cdf(left))
    off = np.maximum(np.maximum(high - middle, middle - low), 0.0)
    least = wilson(low, draws, confidence=confidence)[0]
    most = wilson(high, draws, confidence=confidence)[1]
    widest = np.clip(0.5, least, most)  # where the variance of the probes is largest
    spread = np.sqrt(widest * (1 - widest) / draws)
    width = np.diff(grid)
    truncation = float(off @ width)
    sampling = float(spread @ width) / (1 - confidence) ** 0.5
    reach = kolmogorov_quantile(draws, confidence)
    return DistanceBounds(
        kolmogorov=min(1.0, float(off.max(initial=0.0)) + reach),
        wasserstein=truncation + sampling,
        truncation=truncation,
        sampling=sampling,
        support=(float(ends[0]), float(ends[1])),
        confidence=confidence,
    )


def _support(support: tuple[float, float], tridiagonals: list[Tridiagonal]) -> tuple[float, float]:
    """Return the ends that were given, if all Ritz values are between them."""
    if np.shape(support) != (2,):
        raise ValueError(f"support must be two numbers, (low, high); got {support!r}")
    low, high = (finite("support", end) for end in support)
    nodes = np.concatenate([gauss(one)[0] for one in tridiagonals])
    first, last = float(nodes.min()), float(nodes.max())
    margin = 1e-6 * max(abs(first), abs(last))
    if not low <= high or first < low - margin or last > high + margin:
        raise ValueError(
            f"support must hold all eigenvalues; Ritz values are in [{first:.6g}, {last:.6g}], got "
            f"({low:.6g}, {high:.6g})"
        )
    return low, high


def _between(grid: Real) -> Real:
    """Return a point in each interval; on these, all step functions are constant."""
    return (grid[1:] + grid[:-1]) / 2 if grid.size > 1 else grid[:0]
