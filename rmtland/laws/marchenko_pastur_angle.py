r"""The distribution function of the Marchenko-Pastur law in closed form, in the angle of its band.

With r = min(sqrt(phi), 1/sqrt(phi)) and x = a + (b - a) sin^2(t/2) on the band [a, b], the mass
between a and x, as a share of that of the band, is

.. math::
    A_r(t) = \frac2\pi \int_0^t \frac{\sin^2 u}{1 + r^2 - 2 r \cos u} \, du
           = \frac1\pi \Bigl(t + \frac{\sin t}{r} - \frac{1 - r^2}{r^2} \delta\Bigr), \qquad
    \tan\delta = \frac{r \sin t}{1 - r \cos t},

and the share above x is :math:`A_{-r}(\pi - t)`. For small r the last two terms cancel; with
v = sin t/(1 - r cos t) they are

.. math:: \delta - v \cos t + r v^3 h(r v), \qquad h(u) = (u - \arctan u)/u^3 .

Next to t = 0 the integral is taken by Gauss's rule, so that both tails keep their relative
accuracy.

References
----------
.. [1] I. S. Gradshteyn and I. M. Ryzhik, Table of Integrals, Series, and Products, 2.554.

Examples
--------
>>> import numpy as np
>>> share, slope = band_share(np.array([np.pi / 2, np.pi]), 0.5, 0.5)
>>> share.round(6), slope.round(6)
(array([0.693869, 1.      ]), array([0.509296, 0.      ]))
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.typing import Real

__all__ = ["band_share"]

_NODES, _WEIGHTS = (half[8:] for half in np.polynomial.legendre.leggauss(16))
_SERIES_BELOW = 0.25
_SERIES = [(-1) ** k / (2 * k + 3) for k in range(14)]
"""Coefficients of h(u) in u^2, enough for r below `_SERIES_BELOW`."""


def band_share(t: Real, r: float, gap: float) -> tuple[Real, Real]:
    """Return A_r(t) and its derivative.

    Parameters
    ----------
    t : ndarray of float, shape (k,)
        Angles in [0, pi].
    r : float
        Modulus, from -1 to 1 and not 0.
    gap : float
        1 - abs(r), without cancellation.

    Returns
    -------
    share, slope : ndarray of float, shape (k,)
    """
    size, half = abs(r), t / 2
    sine, cosine = np.sin(half), np.cos(half)
    square, slope = _square_and_slope(sine, cosine, r, gap)
    sine *= cosine
    sine *= 2  # sin t
    if gap == 0:
        share = t + r * sine
    else:
        below = (2 * size) * square
        below += gap  # 1 - r cos t
        if size >= _SERIES_BELOW:
            turn = np.arctan(r * sine / below)
            turn *= gap * (1 + size) / (r * r)
            share = t + sine / r
            share -= turn
        else:
            v = sine / below
            u = r * v
            share = t + np.arctan(u)
            share -= v * (1 - 2 * np.sin(half) ** 2)
            share += u * v * v * _defect(u * u)
    share /= math.pi
    # The poles of the integrand are at t = +-i log(r) for r > 0, and at pi +-i log(-r) for r < 0
    depth = -math.log1p(-gap) if gap < 0.5 else -math.log(size)
    tail = t < 0.75 * (min(1.0, depth) if r > 0 else 1.0)
    if tail.any():
        share[tail] = _tail(t[tail], r, gap)
    return share, slope


def _square_and_slope(sine: Real, cosine: Real, r: float, gap: float) -> tuple[Real, Real]:
    """Return (1 - sign(r) cos t)/2 and (2/pi) sin^2 t/(1 + r^2 - 2 r cos t), from t/2."""
    square, other = sine * sine, cosine * cosine
    if r < 0:
        square, other = other, square
    if gap == 0:  # 0/0 at the hard edge
        return square, (2 / math.pi) * other
    slope = (8 / math.pi) * other
    slope *= square
    slope /= (4 * abs(r)) * square + gap * gap
    return square, slope


def _tail(t: Real, r: float, gap: float) -> Real:
    """Return A_r(t) by Gauss's rule on [-t, t], for t away from the poles of the integrand."""
    half = t[:, None] * (_NODES / 2)
    _, slope = _square_and_slope(np.sin(half), np.cos(half), r, gap)
    return np.asarray(t * (slope @ _WEIGHTS))


def _defect(square: Real) -> Real:
    """Return h(u) for u^2 = `square`."""
    total = np.full_like(square, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        total *= square
        total += coefficient
    return total
