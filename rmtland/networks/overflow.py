"""The error of a network whose numbers leave the range of floating point, and the check for it.

>>> import numpy as np
>>> refuse_overflow("gradient", np.array([np.inf]))
Traceback (most recent call last):
    ...
rmtland.networks.overflow.NetworkOverflowError: the gradient overflows floating-point numbers at \
this point; rescale the data or theta
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.arrays import is_finite
from rmtland.typing import Array, Real

__all__ = ["NetworkOverflowError", "refuse_overflow", "squared_norm"]


class NetworkOverflowError(ValueError):
    """A number of a network at some parameters and data is larger than floating point holds."""


def refuse_overflow(name: str, numbers: Array | float) -> None:
    """Raise where a computed quantity is not finite.

    Parameters
    ----------
    name : str
        What it is, for the message.
    numbers : array or float
        The quantity.

    Raises
    ------
    NetworkOverflowError
        If an entry is infinite or NaN.
    """
    finite = math.isfinite(numbers) if isinstance(numbers, float) else is_finite(numbers)
    if not finite:
        raise NetworkOverflowError(
            f"the {name} overflows floating-point numbers at this point; rescale the data or theta"
        )


def squared_norm(name: str, vector: Real) -> float:
    """Return the sum of squares of a vector, or raise where it is no number.

    Parameters
    ----------
    name : str
        What the vector is, for the message.
    vector : ndarray, shape (p,)
        Its entries.

    Returns
    -------
    float
        The square of its Euclidean norm.

    Raises
    ------
    NetworkOverflowError
        If the square is larger than floating point holds, or an entry is NaN.

    Examples
    --------
    >>> squared_norm("gradient", np.array([3.0, 4.0]))
    25.0
    >>> squared_norm("gradient", np.array([1e200]))
    Traceback (most recent call last):
        ...
    rmtland.networks.overflow.NetworkOverflowError: the square of the gradient overflows \
floating-point numbers at this point; rescale the data or theta
    """
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(vector @ vector)
    refuse_overflow(f"square of the {name}", square)
    return square
