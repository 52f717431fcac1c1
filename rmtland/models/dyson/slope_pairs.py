r"""Means over the slopes and curvatures of all units and samples, two by two matrices of them.

For the pairs (t, b) of a slope and a bend and a symmetric matrix of two rows, written as its
entries 11, 12, 22,

.. math:: \int \Bigl( \Omega + \begin{pmatrix} 0 & t \\ t & -b \end{pmatrix} \Bigr)^{-1} d\nu,
          \qquad
          \int \log\det \Bigl( \Omega + \begin{pmatrix} 0 & t \\ t & -b \end{pmatrix} \Bigr) d\nu .

Examples
--------
>>> pairs = SlopePairs(np.array([0.0]), 0.0)
>>> omega = np.array([2j, 0.5, 1j])
>>> bool(np.allclose(pairs.mean_inverse(omega), pair_inverse(omega)))
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import upper_log
from rmtland.typing import Complex, Real

__all__ = ["SlopePairs", "pair_inverse", "pair_matrix"]


@dataclass(frozen=True, eq=False)
class SlopePairs:
    """The law of slopes and curvatures.

    Parameters
    ----------
    slopes : ndarray, shape (k,)
        t.
    curvatures : ndarray of shape (k,), or 0.0
        b.
    """

    slopes: Real
    curvatures: Real | float

    def mean_inverse(self, omega: Complex) -> Complex:
        """Return the integral of (Omega + [[0, t], [t, -b]])^{-1}.

        Parameters
        ----------
        omega : ndarray of complex, shape (3,)
            Omega.

        Returns
        -------
        ndarray of complex, shape (3,)
        """
        t, b = self.slopes, self.curvatures
        corner, right = omega[2] - b, omega[1] + t
        inverse = 1 / (omega[0] * corner - right**2)
        return np.array(
            [np.mean(corner * inverse), -np.mean(right * inverse), omega[0] * np.mean(inverse)]
        )

    def mean_log(self, omega: Complex) -> complex:
        """Return the integral of log det (Omega + [[0, t], [t, -b]]).

        Parameters
        ----------
        omega : ndarray of complex, shape (3,)
            Omega.

        Returns
        -------
        complex
        """
        t, b = self.slopes, self.curvatures
        first = upper_log(omega[:1])
        second = upper_log(omega[2] - b - (omega[1] + t) ** 2 / omega[0])
        return complex(first[0] + np.mean(second))


def pair_matrix(omega: Complex) -> Complex:
    """Return the matrix of two rows.

    Parameters
    ----------
    omega : ndarray of complex, shape (3,)
        Its entries 11, 12, 22.

    Returns
    -------
    ndarray of complex, shape (2, 2)
    """
    return np.array([[omega[0], omega[1]], [omega[1], omega[2]]])


def pair_inverse(omega: Complex) -> Complex:
    """Return the inverse of a matrix of two rows.

    Parameters
    ----------
    omega : ndarray of complex, shape (3,)
        Its entries 11, 12, 22.

    Returns
    -------
    ndarray of complex, shape (3,)
    """
    return np.asarray(
        np.array([omega[2], -omega[1], omega[0]]) / (omega[0] * omega[2] - omega[1] ** 2)
    )
