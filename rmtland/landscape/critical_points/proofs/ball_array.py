r"""Arrays of balls: midpoints and radii, with every rounding inside the radius.

A ball array holds all real arrays A with :math:`|A - M| \le R`, entry by entry. Midpoints are
computed in double precision, by BLAS; radii carry what that rounds. For a sum of k products, in
whatever order it is added and with fused operations or without (but not for Strassen's algorithm),

.. math::

    |fl(AB) - AB| \le \gamma_k |A||B|, \qquad \gamma_k = \frac{k u}{1 - k u}, \qquad u = 2^{-53},

so that three products of matrices give midpoint and radius [1]_ [2]_. Radii are themselves rounded
numbers; each is made larger by more than its own rounding could have taken away, and by the least
normal number for what underflows.

Synonyms: interval arithmetic (midpoint-radius form), verified computing, self-validating numerics.

References
----------
.. [1] S. M. Rump, Fast and parallel interval arithmetic, BIT 39 (1999) 534-554.
.. [2] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM 2002,
       section 3.1.

Examples
--------
>>> import numpy as np
>>> third = BallArray(np.array([[1 / 3]]), np.array([[1e-16]]))
>>> product = third @ third
>>> bool(abs(product.mid[0, 0] - 1 / 9) <= product.rad[0, 0] < 2e-16)
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtland.typing import Real

__all__ = ["BallArray", "frobenius_above", "gamma", "spectral_radius_above", "up", "up_number"]

UNIT = 2.0**-53
"""Half the distance of 1 and the next number."""

TINY = 2.0**-1000
"""Far more than all underflows of an entry together."""


def up(values: Real, operations: int) -> Real:
    """Return nonnegative numbers raised above the errors of the operations that made them.

    Parameters
    ----------
    values : ndarray
        Computed from nonnegative numbers by additions, products, roots and quotients.
    operations : int
        How many roundings an entry went through, or more.

    Returns
    -------
    ndarray
        Above the exact result.
    """
    return values * (1.0 + (4.0 * operations + 8.0) * UNIT) + TINY


def up_number(value: float, operations: int) -> float:
    """Return a nonnegative number raised above the errors of the operations that made it.

    Parameters
    ----------
    value : float
        As for `up`.
    operations : int
        As for `up`.

    Returns
    -------
    float
        Above the exact result.
    """
    return value * (1.0 + (4.0 * operations + 8.0) * UNIT) + TINY


def gamma(operations: int) -> float:
    """Return a bound above gamma_k = k u/(1 - k u), k the operations and two more.

    Parameters
    ----------
    operations : int
        Number k of roundings; far below 2^53.

    Returns
    -------
    float
        Above gamma_k.
    """
    steps = (operations + 2) * UNIT
    return steps / (1.0 - steps) * (1.0 + 8.0 * UNIT)


def frobenius_above(matrix: Real) -> float:
    """Return a number above the Frobenius norm.

    Parameters
    ----------
    matrix : ndarray
        Real numbers.

    Returns
    -------
    float
        Above the norm.
    """
    entries = np.ravel(matrix)
    return up_number(math.sqrt(up_number(float(entries @ entries), entries.size)), 1)


def spectral_radius_above(matrix: Real) -> float:
    """Return a number above the spectral norm of a matrix of nonnegative numbers.

    Parameters
    ----------
    matrix : ndarray, shape (p, q)
        Nonnegative numbers.

    Returns
    -------
    float
        The root of the largest row sum times the largest column sum.
    """
    rows, columns = (float(up(matrix.sum(axis), max(matrix.shape)).max()) for axis in (1, 0))
    return up_number(math.sqrt(rows * columns), 2)


@dataclass(frozen=True, eq=False)
class BallArray:
    """Real arrays within given distances of a midpoint.

    Parameters
    ----------
    mid : ndarray
        Midpoints.
    rad : ndarray, of the same shape
        Radii, nonnegative.
    """

    mid: Real
    rad: Real

    @classmethod
    def exact(cls, values: Real) -> BallArray:
        """Return balls of radius 0.

        Parameters
        ----------
        values : ndarray
            Midpoints.

        Returns
        -------
        BallArray
            Of radius 0.
        """
        return cls(values, np.zeros_like(values))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.mid.shape

    @property
    def above(self) -> Real:
        """Numbers above the moduli of all that the balls hold."""
        return up(np.abs(self.mid) + self.rad, 1)

    def __add__(self, other: BallArray) -> BallArray:
        mid = self.mid + other.mid
        return BallArray(mid, up(self.rad + other.rad + UNIT * np.abs(mid), 3))

    def __sub__(self, other: BallArray) -> BallArray:
        return self + BallArray(-other.mid, other.rad)

    def __mul__(self, other: BallArray) -> BallArray:
        mid = self.mid * other.mid
        rad = np.abs(self.mid) * other.rad + self.rad * other.above + UNIT * np.abs(mid)
        return BallArray(mid, up(rad, 6))

    def __matmul__(self, other: BallArray) -> BallArray:
        """Return the product of matrices, or of stacks of matrices."""
        inner = self.shape[-1]
        mid = self.mid @ other.mid
        size = np.abs(other.mid)
        rad = np.abs(self.mid) @ (other.rad + gamma(inner) * size) + self.rad @ other.above
        return BallArray(mid, up(rad, inner + 6))

    def __getitem__(self, places: Any) -> BallArray:
        return BallArray(self.mid[places], self.rad[places])

    def reshape(self, *shape: int) -> BallArray:
        """Return the same balls in another shape.

        Parameters
        ----------
        *shape : int
            The shape.

        Returns
        -------
        BallArray
            The same balls.
        """
        return BallArray(self.mid.reshape(shape), self.rad.reshape(shape))

    def transposed(self, *axes: int) -> BallArray:
        """Return the same balls with their axes in another order.

        Parameters
        ----------
        *axes : int
            The order.

        Returns
        -------
        BallArray
            The same balls.
        """
        return BallArray(self.mid.transpose(axes), self.rad.transpose(axes))
