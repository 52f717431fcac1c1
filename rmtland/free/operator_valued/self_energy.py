r"""The self-energy S[M] = E (X M X) of a random matrix: a covariance map or a variance profile.

A profile s of entries that are all independent has S[M] = diag(sum over j of s_ij M_jj). A map has
to be linear and completely positive, and both must be symmetric in the weighted trace,
<B S[C]> = <S[B] C>.

>>> self_energy(np.array([[1.0, 3.0], [3.0, 0.0]]), np.diag([1.0, 2.0]))
array([[7., 0.],
       [0., 3.]])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.typing import ArrayLike, NumpyArray, Real

__all__ = ["LARGEST_SIZE", "Covariance", "checked_covariance", "self_energy"]

Covariance = Callable[[NumpyArray], NumpyArray]

LARGEST_SIZE = 40
"""Largest size of M for a covariance that is not a profile of variances."""


def self_energy(covariance: Covariance | NumpyArray, m: NumpyArray) -> NumpyArray:
    """S of matrices, each shape (k, k).

    Parameters
    ----------
    covariance : callable or ndarray of shape (k, k)
        A map of such arrays, or variances.
    m : ndarray, shape (..., k, k)
        Matrices.

    Returns
    -------
    ndarray, shape (..., k, k)
        S of each of them.
    """
    if callable(covariance):
        return np.asarray(covariance(m))
    diagonal = np.diagonal(m, axis1=-2, axis2=-1) @ covariance.T
    return diagonal[..., None] * np.eye(len(covariance))


def checked_covariance(
    covariance: Covariance | ArrayLike, size: int, weights: Real
) -> Covariance | NumpyArray:
    """Return a covariance that fits a size and is symmetric in a weighted trace.

    Parameters
    ----------
    covariance : callable or array_like of shape (k, k)
        A map of arrays (..., k, k), or variances >= 0.
    size : int
        k.
    weights : ndarray, shape (k,)
        Of the trace, with sum 1.

    Returns
    -------
    callable or ndarray
        The map, or the variances as an array.

    Raises
    ------
    ValueError
        If a shape does not fit, a variance is negative, the size is too large for a map, or the
        covariance is not symmetric.
    """
    if callable(covariance):
        if size > LARGEST_SIZE:
            raise ValueError(
                f"a covariance map takes sizes up to {LARGEST_SIZE}; got {size}; give a matrix "
                "of variances if all entries are independent"
            )
        _require_symmetric_map(covariance, weights)
        return covariance
    profile = np.array(covariance, dtype=np.float64)
    if profile.shape != (size, size) or not (np.isfinite(profile).all() and profile.min() >= 0):
        raise ValueError(
            f"a matrix of variances must be of shape {(size, size)} with entries >= 0; got shape "
            f"{profile.shape}"
        )
    flow = weights[:, None] * profile
    if not np.allclose(flow, flow.T, rtol=1e-9, atol=1e-12 * flow.max(initial=0.0)):
        raise ValueError(
            "weights[i] * covariance[i, j] must be symmetric: the variance of an entry "
            "and of its mirror image are the same"
        )
    return profile


def _require_symmetric_map(covariance: Covariance, weights: Real) -> None:
    """Raise ValueError unless <B S[C]> = <S[B] C> for random B and C, and shapes are kept."""
    rng = np.random.default_rng(21)
    same = weights[:, None] == weights
    b, c = rng.normal(size=(2, len(weights), len(weights))) * same
    if self_energy(covariance, b).shape != b.shape:
        raise ValueError(f"the covariance of a matrix of shape {b.shape} must have that shape")
    left = np.sum(weights * np.diagonal(b @ self_energy(covariance, c)))
    right = np.sum(weights * np.diagonal(self_energy(covariance, b) @ c))
    if not abs(left - right) <= 1e-9 * (abs(left) + abs(right)):
        raise ValueError(
            f"the covariance is not symmetric in the trace: <B S[C]> = {left:.6g} but "
            f"<S[B] C> = {right:.6g}; is a weight missing?"
        )
