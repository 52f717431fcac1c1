r"""The spectrum of size n that stands for a law: its quantiles (i + 1/2)/n, with one rule for ties.

A law with point masses at :math:`x_1 < x_2 < \dots` and distribution function F is represented by
:math:`\lfloor n F(x_k) + 1/2 \rfloor` eigenvalues up to :math:`x_k`: where :math:`n F(x_k) - 1/2`
is an integer, the quantile that lies on the step belongs to :math:`x_k`, as it does for
`Law.ppf`. Every sampler takes its eigenvalues from here, so that all of them draw the same matrix.

Examples
--------
>>> from rmtland.laws import Discrete
>>> quantiles(Discrete((0.5, 2.0, 7.0), (0.25, 0.5, 0.25)), 6)
array([0.5, 0.5, 2. , 2. , 2. , 7. ])
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rmtland.laws import Law
from rmtland.typing import Real

__all__ = ["multiplicities", "point_multiplicities", "quantiles"]


def quantiles(law: Law, n: int) -> Real:
    """Return the quantiles (i + 1/2)/n of a law, i = 0, ..., n - 1.

    Parameters
    ----------
    law : Law
        Any law.
    n : int
        Number of eigenvalues.

    Returns
    -------
    ndarray, shape (n,)
        Ascending; no n points have a distribution function nearer to that of the law.
    """
    return _quantiles(law, n).copy()


@lru_cache(maxsize=8)
def _quantiles(law: Law, n: int) -> Real:
    if not law.support:
        values, counts = point_multiplicities(law, n)
        return np.repeat(values, counts.astype(np.int64))
    return np.asarray(law.ppf((np.arange(n) + 0.5) / n), dtype=np.float64)


def multiplicities(law: Law, n: int) -> tuple[Real, Real]:
    """Return the distinct quantiles (i + 1/2)/n of a law and how often each occurs.

    Parameters
    ----------
    law : Law
        Any law.
    n : int
        Number of eigenvalues.

    Returns
    -------
    values, counts : ndarray
        Ascending, and floats of sum n.
    """
    if not law.support:
        return point_multiplicities(law, n)
    values, counts = np.unique(quantiles(law, n), return_counts=True)
    return values, counts.astype(np.float64)


def point_multiplicities(law: Law, n: float) -> tuple[Real, Real]:
    """Return the same for a law of point masses, for any n up to 2^53.

    Parameters
    ----------
    law : Law
        A law without a density.
    n : float
        Number of eigenvalues, an integer.

    Returns
    -------
    values, counts : ndarray
        Ascending, and floats of sum n.
    """
    values, masses = (np.array(column) for column in zip(*law.atoms, strict=True))
    levels = np.cumsum(masses)
    # rounded: masses such as 1/n are no binary fractions
    up_to = np.floor(np.round(levels / levels[-1] * n - 0.5, 6)) + 1.0
    up_to[-1] = n
    counts = np.diff(np.minimum(up_to, n), prepend=0.0)
    return values[counts > 0], counts[counts > 0]
