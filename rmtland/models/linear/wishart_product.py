r"""Products of two Marchenko-Pastur laws without their null space, and integrals over one such law.

Examples
--------
>>> law = wishart_product(0.5, 0.25, 1.0)
>>> law.atoms, round(law.mean(), 12)
((), 1.0)
>>> nodes, weights = wishart_path(0.5, 1.0, 1 / 30)
>>> bool(abs(weights @ nodes - 1) < 1e-10)
True
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from rmtland.free import free_product
from rmtland.laws import Law, MarchenkoPastur
from rmtland.typing import Complex

__all__ = ["wishart_path", "wishart_product"]

_REACH = 3.375
_TILT = 0.65


def wishart_product(first: float, second: float, scale: float) -> Law:
    """Law of the eigenvalues other than zero of a product of two free Marchenko-Pastur laws.

    The product has the equation z M = scale (1 + M)(1 + first M)(1 + second M) for M = z G - 1. Its
    eigenvalues other than zero, a share r, have M / r in the place of M: the same equation with
    ratios of at most 1 and no atom, however extreme the ratios of the factors are.

    Parameters
    ----------
    first, second : float
        Aspect ratios of the factors.
    scale : float
        Product of their variances.
    """
    rank = min(1.0, 1 / first, 1 / second)
    low, middle, _ = sorted((rank, rank * first, rank * second))
    return free_product(MarchenkoPastur(low, scale / rank), MarchenkoPastur(middle))


@lru_cache(maxsize=32)
def wishart_path(aspect_ratio: float, variance: float, step: float) -> tuple[Complex, Complex]:
    """Nodes below the axis and weights of integrals over the continuous Marchenko-Pastur law.

    On w = c - r cos(theta) the density is (2 s / pi) sin(theta)^2 / w; theta = t - i k sin(t)
    leaves either end at an angle to the axis and to the pole w = 0, which may be close.

    Parameters
    ----------
    aspect_ratio, variance : float
        Of the Marchenko-Pastur law; the variance is its mean.
    step : float
        Of the trapezoidal rule.

    Returns
    -------
    (ndarray of complex, ndarray of complex)
    """
    reach = round(_REACH / step)
    knots = step * np.arange(-reach, reach + 1)
    swing = np.pi * np.sinh(knots)
    angle, rest = np.pi / (1 + np.exp(-swing)), np.pi / (1 + np.exp(swing))
    left = knots < 0
    # The angle from the nearer end: theta, or pi - theta.
    theta = np.where(left, angle - 1j * _TILT * np.sin(angle), rest + 1j * _TILT * np.sin(rest))
    root = math.sqrt(aspect_ratio)
    half = 4 * variance * root * np.sin(theta / 2) ** 2
    w = np.where(left, variance * (1 - root) ** 2 + half, variance * (1 + root) ** 2 - half)
    slope = 1 - 1j * _TILT * np.where(left, np.cos(angle), -np.cos(rest))
    rate = angle * rest * np.cosh(knots) * slope
    return w, step * rate * (2 * variance / np.pi) * np.sin(theta) ** 2 / w
