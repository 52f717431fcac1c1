r"""The block of second-layer weights and samples for one variance c of the outputs.

.. math:: \begin{pmatrix} M_a^{(c)} & \cdot \\ \cdot & M_s^{(c)} \end{pmatrix} =
      \begin{pmatrix} z - c S_a & -h/\sqrt m \\ -h^T/\sqrt m & 1 - S_s \end{pmatrix}^{-1},

by its Schur complement, in the full space of the samples; in a basis of those that data and
features span it is `rmtland.models.dyson.outer_blocks`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.models.dyson.half_plane import inverse
from rmtland.typing import Complex, Real

__all__ = ["OuterBlock", "outer_block", "real_times", "times_real"]


class OuterBlock(NamedTuple):
    """The inverse of M on a and s for one variance of outputs, by its Schur complement."""

    weight: float  # share of the outputs
    energy_a: Complex  # z - c S_a, diagonal (n1,) or a matrix
    schur: Complex  # 1 - S_s - h^T (z - c S_a)^{-1} h/m


def outer_block(
    z: complex, features: Real, energy_a: Complex, energy_s: Complex, *, has_outer: bool
) -> tuple[OuterBlock, Complex, Complex]:
    """Invert M on a and s for one variance of outputs.

    Parameters
    ----------
    z : complex
        Point of the open upper half-plane.
    features : ndarray, shape (n1, m)
        h.
    energy_a : ndarray of complex, shape (n1,) or (n1, n1)
        c S_a, or its diagonal.
    energy_s : ndarray of complex, shape (m, m)
        S_s.
    has_outer : bool
        Whether H0 takes part.

    Returns
    -------
    (OuterBlock, ndarray of complex, ndarray of complex)
        The block, of weight 1, M_a and M_s; S_s in the place of M_s without H0.
    """
    m = features.shape[1]
    if energy_a.ndim == 1:
        inner = z - energy_a
        still: Complex = np.diag(1 / inner)
        turned: Complex = features / (inner[:, None] * np.sqrt(m))
    else:
        inner = z * np.eye(len(energy_a)) - energy_a
        still = inverse(inner)
        turned = times_real(still, features / np.sqrt(m))
    if not has_outer:
        return OuterBlock(1.0, inner, energy_s), still, energy_s
    schur = -energy_s - real_times(features.T / np.sqrt(m), turned)
    schur[np.diag_indices(m)] += 1
    s = inverse(schur)
    return OuterBlock(1.0, inner, schur), still + turned @ s @ turned.T, s


def real_times(left: Real, right: Complex) -> Complex:
    """Return a real matrix times a complex one, as one real matrix product.

    Parameters
    ----------
    left : ndarray, shape (n, k)
        Real.
    right : ndarray of complex, shape (k, l)
        Complex.

    Returns
    -------
    ndarray of complex, shape (n, l)
    """
    wide = np.ascontiguousarray(right).view(np.float64)
    return np.asarray((left @ wide).view(np.complex128))


def times_real(left: Complex, right: Real) -> Complex:
    """Return a complex matrix times a real one, as two real matrix products.

    Parameters
    ----------
    left : ndarray of complex, shape (n, k)
        Complex.
    right : ndarray, shape (k, l)
        Real.

    Returns
    -------
    ndarray of complex, shape (n, l)
    """
    return np.ascontiguousarray(left.real) @ right + 1j * (np.ascontiguousarray(left.imag) @ right)
