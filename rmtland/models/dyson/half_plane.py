r"""Complex matrices with a positive imaginary part: their logarithmic determinant, their order.

A square matrix W has a positive imaginary part if (W - W*)/2i is positive definite; so have its
Schur complements, and its eigenvalues lie in the upper half-plane. The branch

.. math:: \log\det W = \sum \log(\text{eigenvalues}), \qquad 0 < \arg < \pi ,

is therefore analytic in W, and additive over Schur complements: it is computed by halving, without
eigenvalues of anything larger than `LEAF`. Halving needs no pivots either, as no Schur complement
is far from invertible, and inverts symmetric matrices in half the operations of a factorisation.

Examples
--------
>>> import numpy as np
>>> w = np.array([[-1.0, 2.0], [2.0, 0.5]]) + 0.1j * np.eye(2)
>>> bool(abs(log_determinant(w) - np.log(np.linalg.eigvals(w)).sum()) < 1e-12)
True
"""

from __future__ import annotations

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import upper_log
from rmtland.typing import Complex

__all__ = ["LEAF", "inverse", "is_lower", "log_determinant", "symmetric_inverse"]

LEAF = 24
"""Size up to which eigenvalues are the fastest."""

_BLOCK = 128  # size up to which a factorisation is the fastest
_LOST = 1e-12  # residual, relative to matrix and solution, from which halving is not trusted


def log_determinant(w: Complex) -> complex:
    """Sum of log det over matrices with a positive imaginary part, every argument in (0, pi n).

    Parameters
    ----------
    w : ndarray, shape (..., n, n)
        Matrices.
    """
    n = w.shape[-1]
    if n <= LEAF:
        # Rows of unlike size would cost the small eigenvalues their digits
        sizes = np.abs(np.diagonal(w, axis1=-2, axis2=-1))
        even = w / np.sqrt(sizes[..., None] * sizes[..., None, :])
        return complex(upper_log(np.linalg.eigvals(even)).sum() + np.log(sizes).sum())
    half = n // 2
    corner, right = w[..., :half, :half], w[..., :half, half:]
    rest = w[..., half:, half:] - w[..., half:, :half] @ np.linalg.solve(corner, right)
    return log_determinant(corner) + log_determinant(rest)


def inverse(w: Complex) -> Complex:
    """Inverses of complex matrices, shape (..., n, n).

    Parameters
    ----------
    w : ndarray of complex, shape (..., n, n)
        Matrices.

    Returns
    -------
    ndarray of complex, shape (..., n, n)
        NaN throughout if one of them is singular.
    """
    try:
        return np.asarray(np.linalg.inv(w), dtype=np.complex128)
    except np.linalg.LinAlgError:
        return np.full(w.shape, np.nan, dtype=np.complex128)


def symmetric_inverse(w: Complex) -> Complex:
    """Inverse of a symmetric matrix whose imaginary part is positive or negative definite.

    By halving, and tried on one vector; where blocks are so much nearer to singular than the whole
    that digits are lost, close to the axis, by a factorisation with pivots.

    Parameters
    ----------
    w : ndarray of complex, shape (n, n)
        Matrix.

    Returns
    -------
    ndarray of complex, shape (n, n)
        NaN throughout if it is singular.
    """
    n = len(w)
    if n <= _BLOCK:
        return inverse(w)
    with np.errstate(all="ignore"):
        found = _by_halves(w)
        v = np.cos(np.arange(n) ** 2)
        x = found @ v
        off = float(np.linalg.norm(w @ x - v))
        good = off <= _LOST * float(np.linalg.norm(w)) * float(np.linalg.norm(x))
    return found if good else inverse(w)


def _by_halves(w: Complex) -> Complex:
    n = len(w)
    if n <= _BLOCK:
        return inverse(w)
    half = n // 2
    corner, right = _by_halves(w[:half, :half]), w[:half, half:]
    across = corner @ right
    rest = _by_halves(w[half:, half:] - right.T @ across)
    found = np.empty((n, n), dtype=np.complex128)
    turned = across @ rest
    found[:half, half:], found[half:, :half] = -turned, -turned.T
    found[:half, :half], found[half:, half:] = corner + turned @ across.T, rest
    return found


def is_lower(m: Complex) -> bool:
    """Whether the imaginary part of a matrix is negative semi-definite, up to rounding.

    Rows are scaled to a diagonal of moduli 1 before.

    Parameters
    ----------
    m : ndarray of complex, shape (n, n)
        Matrix.

    Returns
    -------
    bool
    """
    scale = 1 / np.sqrt(np.abs(np.diagonal(m)))
    even = m * scale[:, None] * scale
    h = (even.conj().T - even) / 2j
    h[np.diag_indices(len(h))] += 1e-8 * np.abs(even).max()
    try:
        np.linalg.cholesky(h)
    except np.linalg.LinAlgError:
        return False
    return True
