r"""Moments of a spectrum from its Stieltjes transform far away.

.. math:: \operatorname{var} = \frac{1}{2 \pi i} \oint (z - \mu)^2 G(z) \, dz

on a circle about the mean that holds the spectrum; by the trapezoidal rule the error falls like a
power of the ratio of the radii.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> round(variance_from_above(MarchenkoPastur(0.5, 2.0).stieltjes, 2.0), 8)
2.0
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.solution import ConvergenceError
from rmtland.typing import Complex

__all__ = ["root_mean_square", "variance_from_above"]

_FAR = 30.0  # root mean squares, from where the second moment is read off
_ARC = 12


def root_mean_square(transform: Callable[[Complex], Complex], mean: float) -> float:
    """Root of the second moment to about a part in a thousand; 0 where all eigenvalues are 0.

    From z^2 (z G - 1 - mean/z) far above the axis.

    Parameters
    ----------
    transform : callable
        G at an array of points with Im z > 0.
    mean : float
        The first moment.

    Returns
    -------
    float
    """
    reach = 1.0 + _FAR * abs(mean)
    for _ in range(30):
        z = 1j * reach
        value = complex(np.asarray(transform(np.array([z])))[0])
        share = -(z * value - 1 - mean / z).real
        size = float(reach * max(share, 1e-9) ** 0.5)
        if share > 1e-9 and reach >= _FAR * size:
            return size
        reach = 1.3 * _FAR * size
    return 0.0


def variance_from_above(transform: Callable[[Complex], Complex], mean: float) -> float:
    """Variance of a spectrum of which G is known above the axis.

    Parameters
    ----------
    transform : callable
        G at an array of points with Im z > 0, to about 1e-10.
    mean : float
        The mean.

    Returns
    -------
    float

    Raises
    ------
    ConvergenceError
        If the integral is negative beyond rounding.
    """
    size = root_mean_square(transform, mean)
    if not size:
        return 0.0
    step = _FAR * size * np.exp(1j * np.pi * (np.arange(_ARC) + 0.5) / _ARC)
    value = float((np.asarray(transform(mean + step)) * step**3).real.mean())
    if value < -1e-5 * size**2:
        raise ConvergenceError(
            f"the variance came out as {value:.3e} for a mean square of {size**2:.3e}: G is not "
            "known well enough"
        )
    return max(value, 0.0)
