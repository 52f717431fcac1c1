r"""Power laws of the index against the energy, fitted in both directions, with bootstrap intervals.

The printed figure fits :math:`\alpha = a (\epsilon - \epsilon_c)^b` with b = 3/2. Least squares of
what is counted (the index given the energy) and of what is averaged in the figure (the energy given
the index) are different questions with different answers where points scatter; here are both:

- "index given energy": the sum of :math:`(\alpha - a (\epsilon - \epsilon_c)_+^b)^2`;
- "energy given index": the sum of :math:`(\epsilon - \epsilon_c - c\,\alpha^{1/b})^2`.

Each is linear in all but b (and epsilon_c), which are searched on a grid, for all bootstrap samples
at once: the sums of a sample are products of the same features with its counts.

Synonyms: nonlinear regression, critical exponent, resampling of cases.

Examples
--------
>>> alpha = np.linspace(0.0, 0.4, 30)
>>> fit = fit_power_law(0.1 + 0.6 * alpha ** (1 / 1.5), alpha, given="index")
>>> round(fit.exponent, 2), round(fit.onset, 2)
(1.5, 0.1)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice, count
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["DIRECTIONS", "PowerLawFit", "fit_power_law"]

DIRECTIONS = ("energy", "index")
"""What is given: the other is fitted."""

EXPONENTS = np.geomspace(0.25, 6.0, 120)
"""The grid of b, 2.7 % from one to the next."""

ONSETS = 50
"""Values of epsilon_c on its grid."""

COVERED = 0.95


class PowerLawFit(NamedTuple):
    """A fit of alpha = a (epsilon - epsilon_c)^b.

    Parameters
    ----------
    exponent, low, high : float
        b, and the ends of its 95 % bootstrap interval (nan without bootstrap).
    onset : float
        epsilon_c.
    points : int
        How many were fitted.
    """

    exponent: float
    low: float
    high: float
    onset: float
    points: int


def fit_power_law(
    energy: Real, index: Real, *, given: str, resamples: int = 0, rng: Rng = None
) -> PowerLawFit:
    """Fit a power law to energies and indices.

    Parameters
    ----------
    energy, index : ndarray, shape (k,)
        The points; at least four, of two different indices.
    given : {"energy", "index"}
        Which of them is taken as given.
    resamples : int, optional
        Bootstrap samples.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    PowerLawFit
        The best on the grid of exponents.

    Raises
    ------
    ValueError
        For too few points.
    """
    choice("given", given, DIRECTIONS)
    many = count("resamples", resamples, min_value=0)
    if len(energy) < 4 or np.unique(index).size < 2:
        raise ValueError("a power law needs at least four points of two different indices")
    generator = random_generator(rng)
    k = len(energy)
    counts = np.vstack([np.ones(k), generator.multinomial(k, np.full(k, 1.0 / k), size=many)])
    search = _index_fits if given == "energy" else _energy_fits
    exponents, onset = search(energy, index, counts)
    low, high = np.nan, np.nan
    if many:
        tail = (1.0 - COVERED) / 2.0
        low, high = (float(q) for q in np.quantile(exponents[1:], [tail, 1.0 - tail]))
    return PowerLawFit(float(exponents[0]), low, high, onset, k)


def _energy_fits(energy: Real, index: Real, counts: Real) -> tuple[Real, float]:
    """Return exponents of all samples, and epsilon_c of the first: a line in alpha^(1/b)."""
    features = index[None, :] ** (1.0 / EXPONENTS[:, None])
    total = counts.sum(1)
    mean, mean_energy = features @ counts.T / total, counts @ energy / total
    spread = features**2 @ counts.T / total - mean**2
    together = (features * energy) @ counts.T / total - mean * mean_energy
    slope = together / np.maximum(spread, 1e-300)
    gain = np.where(together > 0.0, together * slope, -np.inf)  # what the fit explains
    best = gain.argmax(0)
    onset = mean_energy[0] - slope[best[0], 0] * mean[best[0], 0]
    return EXPONENTS[best], float(onset)


def _index_fits(energy: Real, index: Real, counts: Real) -> tuple[Real, float]:
    """Return the same where the index is fitted: on a grid of epsilon_c too."""
    span = float(energy.max() - energy.min())
    onsets = np.linspace(energy.min() - 0.5 * span, energy.min() + 0.5 * span, ONSETS)
    best = np.full(len(counts), -np.inf)
    exponents, onset = np.full(len(counts), np.nan), np.nan
    for start in onsets:
        above = np.maximum(energy - start, 0.0)
        features = above[None, :] ** EXPONENTS[:, None]
        size, together = features**2 @ counts.T, (features * index) @ counts.T
        gain = together**2 / np.maximum(size, 1e-300)
        place = gain.argmax(0)
        found = np.take_along_axis(gain, place[None, :], 0)[0]
        better = found > best
        best[better], exponents[better] = found[better], EXPONENTS[place[better]]
        if better[0]:
            onset = float(start)
    return exponents, onset
