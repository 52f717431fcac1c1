r"""How outliers move the bulk beside them: the spectral shift function of a perturbation.

A spike moves more than its outlier: every eigenvalue of the bulk goes a part of the way to its
neighbour. With N the number of eigenvalues up to x and F the law of the noise, by the formula of
Krein [1]_ in the limit of Benaych-Georges and Nadakuditi [2]_,

.. math::
    N(x) = n F(x) - \sum_s \xi_s(x), \qquad
    \xi_s(x) = \frac1\pi \arg \left( 1 - \frac{h(x + i0)}{h(\lambda_s)} \right),

where h = G for additive spikes and h = z G - 1 for multiplicative ones (sample covariances), and
the argument is in [0, pi] for spikes above the bulk, in [-pi, 0] for those below. A fit of the
n - k eigenvalues that are left as if they were all would be off by k/n, many of its errors:
eigenvalues are known to order 1/n. Fits of bulks therefore compare n F(x) with N(x) + sum of xi.

An outlier that no spike explains is taken out as it stands: xi = F(x) - 1 above it, F(x) below.

References
----------
.. [1] M. G. Krein, On the trace formula in perturbation theory, Matematicheskii Sbornik 33 (1953)
       597-626.
.. [2] F. Benaych-Georges and R. R. Nadakuditi, The eigenvalues and eigenvectors of finite, low rank
       perturbations of large random matrices, Advances in Mathematics 227 (2011) 494-521.

Examples
--------
>>> import numpy as np
>>> from rmtland import Semicircle
>>> spectral_shift(Semicircle(), np.array([2.5]), np.array([-3.0, 0.0, 2.2])).round(3)
array([0.   , 0.352, 1.   ])
"""

from __future__ import annotations

import numpy as np

from rmtland.laws import Law, MarchenkoPastur
from rmtland.typing import Complex, Real

__all__ = ["spectral_shift"]


def spectral_shift(law: Law, outliers: Real, x: Real, *, kind: str | None = None) -> Real:
    """Sum of the spectral shift functions of outliers.

    Parameters
    ----------
    law : Law
        Of the noise.
    outliers : ndarray of float
        Eigenvalues off its support.
    x : ndarray of float
        Points.
    kind : {"additive", "multiplicative"}, optional
        As for `rmtland.comparison.spike_strengths`: multiplicative for a Marchenko-Pastur law.

    Returns
    -------
    ndarray of float
        By how many eigenvalues the number up to x is less than n F(x).
    """
    if kind is None:
        kind = "multiplicative" if isinstance(law, MarchenkoPastur) else "additive"
    total = np.zeros(x.shape)
    if not outliers.size:
        return total
    here, there = _transform(law, x, kind), _transform(law, outliers, kind).real
    low, high = law.hull
    for place, h in zip(outliers.tolist(), there.tolist(), strict=True):
        if np.isfinite(h) and h != 0 and not low <= place <= high:
            ratio = 1 - here / h
            side = np.sign(h)
            # pi times the density is positive: the argument is on the side of the spike
            total += side * np.arctan2(np.maximum(side * ratio.imag, 0.0), ratio.real) / np.pi
        else:
            total += np.asarray(law.cdf(x)) - (x > place)
    return total


def _transform(law: Law, x: Real, kind: str) -> Complex:
    g = np.asarray(law.stieltjes(x))
    if kind == "additive":
        return g
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(x == 0, np.nan, x * g - 1))
