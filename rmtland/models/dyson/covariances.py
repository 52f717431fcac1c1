"""Second moments of W2 and of residuals: variances, or a covariance.

>>> second_layer_of(None, 4).tolist()
[0.25, 0.25, 0.25, 0.25]
>>> bool(abs(root_of(covariance_of("C", [[2.0, 1.0], [1.0, 2.0]], 2))[0, 0] - 1.366025) < 1e-6)
True
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import float_array, nonnegative
from rmtland.typing import ArrayLike, Real

__all__ = ["covariance_of", "root_of", "second_layer_of"]


def second_layer_of(value: ArrayLike | None, hidden: int) -> Real:
    """Covariance of a row of W2 as a diagonal (n1,) or a matrix (n1, n1).

    Parameters
    ----------
    value : float or array_like, optional
        A variance, variances or a covariance; 1/n1 if None.
    hidden : int
        n1.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If it is no covariance.
    """
    if value is None:
        return np.full(hidden, 1 / hidden)
    if np.ndim(value) == 0:
        return np.full(hidden, nonnegative("second_layer", value))
    return covariance_of("second_layer", value, hidden)


def covariance_of(name: str, value: ArrayLike, size: int) -> Real:
    """Variances (size,) or a covariance (size, size), checked.

    Parameters
    ----------
    name : str
        For messages.
    value : array_like
        Variances or a covariance.
    size : int
        Number of variables.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If the shape is another, a variance is negative, or a matrix is not symmetric or not
        positive semi-definite.
    """
    array = float_array(name, value, ndim=2 if np.ndim(value) == 2 else 1)
    if array.shape not in ((size,), (size, size)):
        raise ValueError(
            f"{name} must be {size} variances or a matrix of shape {(size, size)}; got shape "
            f"{array.shape}"
        )
    if array.ndim == 1:
        if array.min() < 0:
            raise ValueError(f"{name} must hold variances >= 0; got {array.min()}")
        return array
    lowest = float(np.linalg.eigvalsh((array + array.T) / 2)[0])
    if not np.allclose(array, array.T, rtol=1e-10) or lowest < -1e-10 * np.abs(array).max():
        raise ValueError(f"{name} must be symmetric and positive semi-definite")
    return array


def root_of(covariance: Real) -> Real:
    """Symmetric root of a covariance, or the roots of variances.

    Parameters
    ----------
    covariance : ndarray, shape (n,) or (n, n)
        What `covariance_of` returned.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    if covariance.ndim == 1:
        return np.sqrt(covariance)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(0.0))) @ vectors.T)
