r"""Covariance under random reshuffling: epochs that go through all samples in a new order.

The n batches of an epoch have noise eps_t of covariance C and, because it sums to zero over the
epoch, -C/(n - 1) between two of them. With contractions a_i = 1 - h_i and
:math:`S_t(a) = \sum_{k < t} a^k` the first t batches move the parameters by a sum of covariance

.. math:: C_{ij} \frac{n S_t(a_i a_j) - S_t(a_i) S_t(a_j)}{n - 1} ,

for t = n written with the deviations of a^k from their mean, because at small steps it is a small
difference; from it and the contraction (a_i a_j)^n over an epoch follows the stationary state at
the ends of epochs, and from that the one at each step.

Synonyms: sampling without replacement in epochs, single shuffle per epoch, RR-SGD.

Examples
--------
>>> import numpy as np
>>> quiet = epoch_covariance(np.array([0.01]), 10)[0, 0]
>>> independent = 1 / (1 - 0.99**2)
>>> bool(quiet < 0.05 * independent)
True
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import Real

__all__ = ["epoch_covariance"]


def epoch_covariance(h: Real, n: int) -> Real:
    """Return the covariance of parameters under reshuffling over that of the noise of a batch.

    Parameters
    ----------
    h : ndarray, shape (k,)
        eta lambda of each direction, in (0, 2).
    n : int
        Batches of an epoch.

    Returns
    -------
    ndarray, shape (k, k)
        Mean over the steps of an epoch, for noise that does not depend on the parameters; zero for
        n = 1, full batches.
    """
    if n == 1:
        return np.zeros((h.size, h.size))
    a, numbers = 1.0 - h, np.arange(n)[:, None]
    slow = np.where(h < 1.0, h, 0.0)
    # a^k - 1 without cancellation: at small steps the noise of an epoch nearly sums to zero
    powers = np.where(h < 1.0, np.expm1(numbers * np.log1p(-slow)), a**numbers - 1.0)
    centred = powers - powers.mean(axis=0)
    end = n * (centred.T @ centred) / (n - 1)
    both = a[:, None] * a[None, :]
    left = h[:, None] + h[None, :] - h[:, None] * h[None, :]  # 1 - a a'
    start = end / _one_minus_power(left, n)
    single, double = np.zeros_like(a), np.zeros_like(both)
    partial, decay, square = np.zeros_like(both), np.zeros_like(both), np.ones_like(both)
    for _ in range(1, n):
        single = single * a + 1.0
        double = double * both + 1.0
        square = square * both
        partial += (n * double - single[:, None] * single[None, :]) / (n - 1)
        decay += square
    total: Real = (decay + square * both) * start + partial + end
    return total / n


def _one_minus_power(share: Real, n: int) -> Real:
    """Return 1 - (1 - share)^n, for shares below 2."""
    slow = np.where(share < 1.0, share, 0.0)
    return np.asarray(
        np.where(share < 1.0, -np.expm1(n * np.log1p(-slow)), 1.0 - (1.0 - share) ** n)
    )
