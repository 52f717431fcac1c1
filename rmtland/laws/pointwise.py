r"""Functions of flat arrays applied to points of any shape, on the line and in both half-planes.

Examples
--------
>>> pointwise(lambda x: x**2, [[1.0, 2.0]]), pointwise(lambda x: x**2, 3)
(array([[1., 4.]]), 9.0)
>>> half_planes(lambda z: 1 / z, [1j, -1j])
array([0.-1.j, 0.+1.j])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import complex_points, dense_array, points
from rmtland.arrays import number_or_array
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, NumpyArray, Real, Values

__all__ = ["between_infinities", "half_planes", "pointwise", "probabilities", "upper_half_plane"]


def probabilities(name: str, q: ArrayLike) -> Real:
    """Return probabilities as an array, or say what is wrong with them.

    Parameters
    ----------
    name : str
        How they are called in the message.
    q : array_like of float
        Probabilities.

    Returns
    -------
    ndarray of float
        In the shape of q.

    Raises
    ------
    ValueError
        If one is NaN or outside [0, 1].
    """
    levels = points(name, q)
    if levels.size and (levels.min() < 0 or levels.max() > 1):
        raise ValueError(
            f"{name} must lie in [0, 1]; got values from {levels.min()} to {levels.max()}"
        )
    return levels


@overload
def pointwise(function: Callable[[Real], Real], x: ArrayLike) -> Values: ...
@overload
def pointwise(function: Callable[[Complex], Complex], x: ArrayLike) -> Values: ...
def pointwise(function: Callable[[NumpyArray], NumpyArray], x: ArrayLike) -> Values:
    """Apply a function of flat arrays to points of any shape; a scalar gives a scalar.

    Parameters
    ----------
    function : callable
        Takes and returns arrays of shape (n,).
    x : array_like of float
        Points, any shape.

    Returns
    -------
    float or ndarray
        Values, in the shape of x.

    Raises
    ------
    ValueError
        If a point is NaN.
    """
    array = points("x", x)
    return number_or_array(function(array.ravel()).reshape(array.shape))


def between_infinities(function: Callable[[Real], Real], x: Real, *, last: float) -> Real:
    """Apply a function of the line whose limits are known, 0 on the left and `last` on the right.

    Parameters
    ----------
    function : callable
        Takes finite points, shape (n,) or that of x, and returns as many values.
    x : ndarray of float
        Points, infinite ones too.
    last : float
        Limit on the right.

    Returns
    -------
    ndarray of float
        Values, in the shape of x.
    """
    inside = np.isfinite(x)
    if inside.all():
        return function(x)
    value = np.where(x > 0, last, 0.0)
    if inside.any():
        value[inside] = function(x[inside])
    return value


def half_planes(function: Callable[[Complex], Complex], z: ArrayLike) -> Values:
    """Apply a function given on the closed upper half-plane to both half-planes.

    Parameters
    ----------
    function : callable
        Takes and returns arrays of complex, shape (n,); f(conj z) = conj f(z).
    z : array_like of complex
        Points, any shape.

    Returns
    -------
    complex or ndarray of complex
        Values, in the shape of z.

    Raises
    ------
    ConvergenceError
        If a value is NaN.
    """
    array = complex_points("z", z)
    flat = array.ravel()
    below = flat.imag < 0
    value = function(np.where(below, flat.conj(), flat.real + 1j * np.abs(flat.imag)))
    if np.isnan(value).any():
        raise ConvergenceError(f"no value found at {flat[np.isnan(value)][0]}")
    return number_or_array(np.where(below, value.conj(), value).reshape(array.shape))


def upper_half_plane(z: ArrayLike) -> tuple[Complex, tuple[int, ...]]:
    """Return finite points with Im z >= 0 as a flat array, with their shape.

    Parameters
    ----------
    z : array_like of complex
        Points, any shape.

    Returns
    -------
    (ndarray of complex, tuple of int)
        The points, shape (n,), and the shape that they had.

    Raises
    ------
    ValueError
        If a point is not finite or below the real axis.
    TypeError
        If the points are not numbers.
    """
    array = dense_array("z", z)
    if array.dtype.kind not in "iufcb" and array.size:
        raise TypeError(f"z must be complex numbers; got dtype {array.dtype}")
    flat = array.astype(np.complex128).ravel()
    if (flat.imag < 0).any() or not np.isfinite(flat).all():
        raise ValueError("solve takes finite z with Im z >= 0; conjugate the others")
    flat.imag = np.abs(flat.imag)  # -0.0 becomes 0.0
    return flat, array.shape
