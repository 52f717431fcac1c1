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

from rmtland.arrays import is_finite
from rmtland.typing import Array

__all__ = ["NetworkOverflowError", "refuse_overflow"]


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
