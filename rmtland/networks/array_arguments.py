"""Arrays of any library as arguments: checked, and brought to the library of the computation.

Arrays of PyTorch that require gradients are taken off the autograd graph: rmtland differentiates by
formulas, and a graph would keep every intermediate array alive.

>>> import numpy as np
>>> real_array("x", [[1, 2]], 2, np.empty(0))
array([[1., 2.]])
>>> real_array("x", [1, 2], 2, np.empty(0))
Traceback (most recent call last):
    ...
ValueError: x must have 2 axes; got shape (2,)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.arguments import dense_array, float_array
from rmtland.arrays import array_namespace, device_options, is_finite
from rmtland.networks.cuda_graphs import times
from rmtland.typing import Array, Tree

__all__ = [
    "any_array",
    "detached",
    "is_single",
    "library_array",
    "product_of",
    "real_array",
    "reshape_of",
]


def product_of(array: Array) -> Callable[[Array, Array], Array]:
    """Return the matrix product for arrays of the library of `array`; NumPy's own is the fastest.

    Parameters
    ----------
    array : array
        One of the factors.

    Returns
    -------
    callable
        Two matrices -> their product.
    """
    return np.ndarray.dot if isinstance(array, np.ndarray) else times


def reshape_of(array: Array) -> Callable[[Array, tuple[int, ...]], Array]:
    """Return the function that reshapes arrays of the library of `array`; NumPy's is a method.

    Parameters
    ----------
    array : array
        An array of that library.

    Returns
    -------
    callable
        (array, shape) -> the array in that shape.
    """
    if isinstance(array, np.ndarray):
        return np.ndarray.reshape
    reshape: Callable[[Array, tuple[int, ...]], Array] = array_namespace(array).reshape
    return reshape


def detached(array: Array) -> Array:
    """Return an array of PyTorch off its autograd graph, and anything else as it is.

    Parameters
    ----------
    array : object
        An array of any library, or anything else.

    Returns
    -------
    object
        The same numbers, in the same memory.
    """
    return array.detach() if getattr(array, "requires_grad", False) is True else array


def any_array(array: Tree, like: Array) -> Array:
    """Return something as an array of the library and device of `like`, unchecked.

    Parameters
    ----------
    array : array_like
        The numbers.
    like : array
        An array of the library and device that compute.

    Returns
    -------
    array
        Of the dtype of the argument.
    """
    if isinstance(like, np.ndarray):
        return dense_array("an argument", array)
    return library_array("an argument", array, like)


def library_array(name: str, value: Tree, like: Array) -> Array:
    """Return something as an array of the library and device of `like`, which is not NumPy's.

    What is neither of that library nor on a GPU is read by NumPy first: PyTorch would round the
    numbers of a list to single precision, take the bytes of a buffer (an array of JAX, a
    memoryview) for numbers in single precision, lose a mask, and refuse reversed rows or another
    order of bytes.

    Parameters
    ----------
    name : str
        What messages call it.
    value : array_like
        The numbers.
    like : array
        An array of the library and device that compute.

    Returns
    -------
    array
        Of the dtype of the argument.

    Raises
    ------
    TypeError
        If they are no numbers, or in a sparse array.
    ValueError
        If some of the numbers are masked.
    """
    value = detached(value)
    own = isinstance(value, type(like)) and "sparse" not in str(getattr(value, "layout", ""))
    if not (own or hasattr(value, "__cuda_array_interface__")):
        value = dense_array(name, value)
        if value.dtype.kind not in "biufc":
            raise TypeError(f"{name} must be real numbers; got dtype {value.dtype}")
        if not (value.flags.c_contiguous and value.flags.writeable and value.dtype.isnative):
            value = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
    return array_namespace(like).asarray(value, **device_options(like))


def is_single(array: Array) -> bool:
    """Return whether an argument is an array in single precision.

    Parameters
    ----------
    array : object
        An array of any library, or anything else.

    Returns
    -------
    bool
    """
    dtype = getattr(array, "dtype", None)
    return bool(dtype == np.float32) if type(array) is np.ndarray else "float32" in str(dtype)


def real_array(name: str, value: Array, ndim: int, like: Array) -> Array:
    """Return a checked contiguous array with `ndim` axes, of the library and dtype of `like`.

    Parameters
    ----------
    name : str
        What messages call it.
    value : array_like
        The numbers.
    ndim : int
        How many axes they must have.
    like : array
        An array of the library, device and dtype that compute.

    Returns
    -------
    array
        The argument itself where it is as asked for.

    Raises
    ------
    TypeError
        If the numbers are not real.
    ValueError
        If they are empty, have other axes, or are not all finite.
    """
    if isinstance(like, np.ndarray):
        value = dense_array(name, value)
        if value.dtype == like.dtype and value.ndim == ndim and value.size and is_finite(value):
            return np.ascontiguousarray(value)
        return float_array(name, value, ndim=ndim).astype(like.dtype, copy=False)
    xp = array_namespace(like)
    array = library_array(name, value, like)
    if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"{name} must be real numbers; got dtype {array.dtype}")
    array = xp.astype(array, like.dtype, copy=False)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes; got shape {tuple(array.shape)}")
    if 0 in tuple(array.shape):
        raise ValueError(f"{name} is empty (shape {tuple(array.shape)}); give at least one value")
    if not is_finite(array):
        raise ValueError(f"{name} holds NaN or infinite values; remove them first")
    return array
