"""What an argument must be: a finite number, a count, a choice, an array of points.

Every public function of rmtland passes its arguments through these checks, so that a bad
argument is refused with a sentence that says what was expected, what came and what to do,
and so that no NaN travels silently through a computation.

Examples
--------
>>> positive("phi", 0.5)
0.5
>>> positive("phi", -1)
Traceback (most recent call last):
    ...
ValueError: phi must be a positive finite number; got -1.0
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["choice", "count", "finite", "float_array", "nonnegative", "points", "positive"]


def finite(name: str, value: Any) -> float:
    """Return `value` as a finite float, or say what is wrong with it.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is NaN or infinite.
    """
    number = _number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number; got {number}")
    return number


def positive(name: str, value: Any) -> float:
    """Return `value` as a float if it is positive and finite."""
    number = _number(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be a positive finite number; got {number}")
    return number


def nonnegative(name: str, value: Any) -> float:
    """Return `value` as a float if it is zero or positive, and finite."""
    number = _number(name, value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be zero or a positive finite number; got {number}")
    return abs(number)  # -0.0 becomes 0.0


def count(name: str, value: Any, *, least: int = 1) -> int:
    """Return `value` as an int if it is an integer of at least `least`."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, not a truth value; got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        if not (isinstance(value, float | np.floating) and float(value).is_integer()):
            raise TypeError(f"{name} must be an integer; got {value!r}") from None
        number = int(value)
    if number < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {number}")
    return number


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of the `allowed` names."""
    if value not in allowed:
        raise ValueError(f"unknown {name} {value!r}; choose one of {', '.join(allowed)}")
    return str(value)


def points(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return real evaluation points as a float64 array of any shape; infinities are allowed.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If any value is NaN.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise TypeError(f"{name} must be real numbers; got dtype {array.dtype}")
    array = array.astype(np.float64, copy=False)
    if np.isnan(array).any():
        raise ValueError(
            f"{name} holds {int(np.isnan(array).sum())} NaN of {array.size} values; "
            "remove them first"
        )
    return array


def float_array(name: str, value: ArrayLike, *, ndim: int) -> NDArray[np.float64]:
    """Return a non-empty finite C-contiguous float64 array with `ndim` axes."""
    array = points(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes; got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty (shape {array.shape}); give at least one value")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds infinite values; remove them first")
    return np.ascontiguousarray(array)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise TypeError(f"{name} must be a real number; got {value!r}")
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError(f"{name} must be one number; got an array of shape {value.shape}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a real number; got {value!r}") from None
