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
import reprlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arrays import to_numpy
from rmtland.typing import Array, Complex, NumpyArray, Real

__all__ = [
    "Object",
    "among",
    "callable_or_none",
    "choice",
    "complex_points",
    "count",
    "dense_array",
    "entries",
    "extended",
    "finite",
    "float_array",
    "function",
    "instance",
    "length",
    "nonnegative",
    "points",
    "positive",
    "truth",
]

Called = TypeVar("Called")
Object = TypeVar("Object")
T = TypeVar("T")


def finite(name: str, value: object) -> float:
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


def extended(name: str, value: object) -> float:
    """Return a real number, finite or infinite.

    Parameters
    ----------
    name : str
        How the argument is called in the message.
    value : object
        What came.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        If it is NaN.
    TypeError
        If it is not one real number.
    """
    number = _number(name, value)
    if math.isnan(number):
        raise ValueError(f"{name} must be a number or an infinity; got NaN")
    return number


def positive(name: str, value: object) -> float:
    """Return `value` as a float if it is positive and finite.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is not positive, or not finite.
    """
    number = _number(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be a positive finite number; got {number}")
    return number


def nonnegative(name: str, value: object) -> float:
    """Return `value` as a float if it is zero or positive, and finite.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is negative, or not finite.
    """
    number = _number(name, value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be zero or a positive finite number; got {number}")
    return abs(number)  # -0.0 becomes 0.0


def count(name: str, value: object, *, min_value: int = 1) -> int:
    """Return `value` as an int if it is an integer of at least `min_value`.

    Raises
    ------
    TypeError
        If `value` is not an integer (an integral float is one).
    ValueError
        If it is below `min_value`, or past all floating-point numbers.
    """
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, not a truth value; got {value!r}")
    if _is_masked(value):
        raise TypeError(f"{name} must be an integer; got a masked one")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        if not (isinstance(value, float | np.floating) and float(value).is_integer()):
            raise TypeError(f"{name} must be an integer; got {value!r}") from None
        number = int(value)
    if number < min_value:
        raise ValueError(f"{name} must be an integer of at least {min_value}; got {_shown(number)}")
    if number > sys.float_info.max:
        raise ValueError(f"{name} must be an integer that floats hold; got {_shown(number)}")
    return number


def length(name: str, value: object, *, min_value: int = 1) -> int:
    """Return `value` as an int if it counts entries that are made at once: no array has more.

    Raises
    ------
    TypeError
        If `value` is not an integer (an integral float is one).
    ValueError
        If it is below `min_value`, or more than `sys.maxsize`.
    """
    number = count(name, value, min_value=min_value)
    if number > sys.maxsize:
        raise ValueError(
            f"{name} must be an integer of at most {sys.maxsize}, the most entries of an array; "
            f"got {number}"
        )
    return number


def among(name: str, value: Any, allowed: Mapping[int, str]) -> int:
    """Return `value` as an int if it is one of a few numbers, such as a Dyson index.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
        What came; an integral float is a number too, a truth value is none.
    allowed : mapping of int to str
        The numbers, and what each stands for; an empty string says nothing.

    Returns
    -------
    int
        The number.

    Raises
    ------
    TypeError
        If `value` is a truth value or an array.
    ValueError
        If it is another number, or none.
    """
    if isinstance(value, bool | np.bool_) or np.ndim(value):
        _number(name, value)
    if value not in tuple(allowed):
        words = [f"{one} ({what})" if what else str(one) for one, what in allowed.items()]
        raise ValueError(
            f"{name} must be {', '.join(words[:-1])} or {words[-1]}; got {_shown(value)}"
        )
    return int(value)


def truth(name: str, value: object) -> bool:
    """Return `value` as a bool if it is a truth value of Python or NumPy.

    Raises
    ------
    TypeError
        If it is anything else, a number included.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def function(name: str, value: Called) -> Called:
    """Return `value` if it can be called.

    Raises
    ------
    TypeError
        If it cannot.
    """
    if not callable(value):
        raise TypeError(f"{name} must be a callable; got {_shown(value)}")
    return value


def callable_or_none(name: str, value: Called | None) -> Called | None:
    """Return `value` if it can be called, or is None.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a callable or None; got {value!r}")
    return value


def instance(name: str, value: object, kind: type[Object], what: str) -> Object:
    """Return `value` if it is an object of a class.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
        What came.
    kind : type
        The class.
    what : str
        What it must be, in words, and how one is made.

    Returns
    -------
    object
        The same.

    Raises
    ------
    TypeError
        If it is another object.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}; got {type(value).__name__}")
    return value


def choice(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of the `allowed` names.

    Raises
    ------
    ValueError
        If it is not; the message lists the names.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"unknown {name} {value!r}; choose one of {', '.join(allowed)}")
    return str(value)


def entries(name: str, value: Iterable[T]) -> tuple[T, ...]:
    """Return the entries of a sequence, or say that what came has none.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : iterable
        A list, a tuple, an array of one axis; a text and a dictionary are none.

    Returns
    -------
    tuple
        The entries, which are checked by themselves.

    Raises
    ------
    TypeError
        If it is none.
    """
    if type(value) is tuple:
        return value
    try:
        if not isinstance(value, str | bytes | Mapping):
            return tuple(value)
    except TypeError:
        pass
    raise TypeError(f"{name} must be a list or a tuple; got {_shown(value)}")


def dense_array(name: str, value: Array) -> NumpyArray:
    """Return an array of any library as a NumPy array, or say what NumPy would drop without a word.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array_like
        Numbers, sequences, arrays of NumPy, CuPy, PyTorch or another array library, on any device.

    Returns
    -------
    ndarray
        With the values and the dtype of the argument; not copied where it is an ndarray.

    Raises
    ------
    ValueError
        If the array masks some of its values, or is made of rows of unequal lengths.
    TypeError
        If it is sparse, or carries a unit.
    """
    if type(value) is np.ndarray:
        return value
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(f"{name} must be a dense array; got a sparse one: call toarray() first")
    for attribute in ("unit", "units"):  # astropy, pint, unyt
        if hasattr(value, attribute) and hasattr(value, "__array__"):
            raise TypeError(
                f"{name} must be plain numbers; got the unit {getattr(value, attribute)}: divide "
                "by it first"
            )
    for part in value if isinstance(value, list | tuple) else (value,):
        masked = int(np.ma.getmaskarray(part).sum()) if isinstance(part, np.ma.MaskedArray) else 0
        if masked:
            raise ValueError(
                f"{name} masks {masked} of its {part.size} values, and a mask is not kept: give "
                "its compressed() values, or fill them"
            )
    try:
        array = to_numpy(value)
        return np.asarray(array.data if isinstance(array, np.ma.MaskedArray) else array)
    except ValueError:
        if not isinstance(value, list | tuple):
            raise
    raise ValueError(f"{name} must have rows of equal lengths; got {reprlib.repr(value)}")


def points(name: str, value: ArrayLike) -> Real:
    """Return real evaluation points as a float64 array of any shape; infinities are allowed.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array_like of float
        Any shape, array library and device.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If any value is NaN or masked.
    """
    array = value if type(value) is np.ndarray else dense_array(name, value)
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be real numbers; got the truth value {value}")
    if array.dtype != np.float64:
        if array.dtype.kind not in "iufb":
            raise TypeError(f"{name} must be real numbers; got {_kind_of(array)}")
        array = array.astype(np.float64)
    if np.isnan(array).any():
        raise ValueError(
            f"{name} holds {int(np.isnan(array).sum())} NaN of {array.size} values; "
            "remove them first"
        )
    return array


def complex_points(name: str, value: ArrayLike) -> Complex:
    """Return complex points as a complex128 array of any shape.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array_like of complex
        Any shape, array library and device.

    Raises
    ------
    TypeError
        If the values are not numbers.
    ValueError
        If any value is NaN, infinite or masked.
    """
    array = dense_array(name, value)
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be complex numbers; got the truth value {value}")
    if array.dtype.kind not in "iufcb" and array.size:
        raise TypeError(f"{name} must be complex numbers; got {_kind_of(array)}")
    array = array.astype(np.complex128, copy=False)
    if np.isnan(array).any():
        raise ValueError(f"{name} holds {int(np.isnan(array).sum())} NaN of {array.size} values")
    if np.isinf(array).any():
        raise ValueError(f"{name} must be finite; transforms behave like 1/z at infinity")
    return array


def float_array(name: str, value: ArrayLike, *, ndim: int) -> Real:
    """Return a non-empty finite C-contiguous float64 array with `ndim` axes.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If there are none, or other than `ndim` axes, or a value is NaN, infinite or masked.
    """
    array = points(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes; got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty (shape {array.shape}); give at least one value")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds infinite values; remove them first")
    return np.ascontiguousarray(array)


def _number(name: str, value: Any) -> float:
    if type(value) is float:
        return value
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise TypeError(f"{name} must be a real number; got {value!r}")
    if _is_masked(value):
        raise TypeError(f"{name} must be a real number; got a masked one")
    try:
        shape = np.shape(value)
    except ValueError:  # lists of unequal lengths
        shape = (len(value),)
    if shape:
        raise TypeError(
            f"{name} must be one number; got an array of shape {shape}. For several "
            f"values make one object each, in a loop over them"
        )
    if isinstance(value, complex) or "complex" in str(getattr(value, "dtype", "")):
        raise TypeError(f"{name} must be a real number; got {_shown(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a real number; got {_shown(value)}") from None


def _is_masked(value: object) -> bool:
    """Whether this is one number, and a masked one."""
    return isinstance(value, np.ma.MaskedArray) and not value.ndim and np.ma.is_masked(value)


def _shown(value: object) -> str:
    """Return the value for a message: of an integer past all floats its length."""
    if isinstance(value, int) and value.bit_length() > 1024:
        return f"an integer of {value.bit_length()} binary digits, of which floats hold 1024"
    return repr(value)


def _kind_of(array: NumpyArray) -> str:
    """Return the dtype for a message, and the entry that makes it one of objects."""
    entries = array.ravel().tolist() if array.dtype.kind == "O" else []
    long = [one for one in entries if isinstance(one, int) and one.bit_length() > 63]
    return f"dtype {array.dtype}" + (f", with {_shown(long[0])}" if long else "")
