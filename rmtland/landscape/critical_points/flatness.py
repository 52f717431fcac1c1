r"""Whether a gradient is small because its point is critical, or because the loss is flat along it.

Where :math:`H g = 0` with g not zero, the square of the gradient is stationary and no method that
lowers it gets further: a *gradient-flat* point, with no critical point near. Frye et al. [1]_ tell
it from the Newton step p, here the least-squares solution of H p = -g without eigenvalues below
1e-6 of the Frobenius norm of H:

.. math::

    r = \frac{|H p + g|}{\|H\|_F |p| + |g|} > 0.9 \quad\text{and}\quad
    \frac{|H (H p + g)|}{\|H\|_F |H p + g|} < 5 \cdot 10^{-4} .

References
----------
.. [1] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard, Critical
       point-finding methods reveal gradient-flat regions of deep network losses, Neural
       Computation 33 (2021) 1469-1497, section 3.

Examples
--------
At x = 0 the function x^3/3 + x has the gradient 1 and the Hessian 0:

>>> import numpy as np
>>> flatness(np.diag([0.0, 2.0]), np.array([1.0, 0.0])).is_flat
True
>>> flatness(np.diag([0.1, 2.0]), np.array([1.0, 0.0])).is_flat
False
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import float_array
from rmtland.typing import Real

__all__ = ["Flatness", "flatness", "square_matrix"]

RESIDUAL, CO_RESIDUAL, CUT = 0.9, 5e-4, 1e-6


class Flatness(NamedTuple):
    r"""Numbers that tell gradient-flat points; 0 where the gradient is 0.

    Made by `rmtland.landscape.critical_points.flatness`.

    Parameters
    ----------
    residual : float
        r, from 0 (the gradient lies in the range of the Hessian) to 1 (in its kernel).
    co_residual : float
        How far the rest of the Newton equation is from the kernel.
    curvature : float
        :math:`|H g|/(\|H\|_F |g|)`.
    """

    residual: float
    co_residual: float
    curvature: float

    @property
    def is_flat(self) -> bool:
        """Whether both tests are met."""
        return self.residual > RESIDUAL and self.co_residual < CO_RESIDUAL


def flatness(hessian: Real, gradient: Real) -> Flatness:
    """Return the numbers that tell gradient-flat points.

    Parameters
    ----------
    hessian : ndarray, shape (p, p)
        Symmetric.
    gradient : ndarray, shape (p,)
        At the same point.

    Returns
    -------
    Flatness
        Residual, co-residual and curvature.

    Raises
    ------
    ValueError
        For other shapes, or numbers that are not finite.
    TypeError
        If one holds no real numbers.
    """
    gradient = float_array("gradient", gradient, ndim=1)
    hessian = square_matrix("hessian", hessian, len(gradient))
    gradient, hessian = _of_order_one(gradient), _of_order_one(hessian)
    size = float(np.linalg.norm(gradient))
    scale = float(np.linalg.norm(hessian))
    if size == 0.0:
        return Flatness(0.0, 0.0, 0.0)
    if scale == 0.0:
        return Flatness(1.0, 0.0, 0.0)
    unit = gradient / size
    values, vectors = np.linalg.eigh(hessian / scale)
    along = vectors.T @ unit
    kept = np.abs(values) > CUT
    step = along[kept] / values[kept]
    left = float(np.linalg.norm(along[~kept]))
    co = float(np.linalg.norm((values * along)[~kept])) / left if left else 0.0
    residual = left / (float(np.linalg.norm(step)) + 1.0)
    return Flatness(residual, co, float(np.linalg.norm(values * along)))


def _of_order_one(numbers: Real) -> Real:
    """Divide by a power of two, exactly, so that squares neither vanish nor overflow."""
    exponent = np.frexp(np.abs(numbers).max(initial=0.0))[1]
    return np.asarray(np.ldexp(numbers, -exponent))


def square_matrix(name: str, value: Real, size: int) -> Real:
    """Return a matrix of a stated size, or say what came.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array_like, shape (p, p)
        What came.
    size : int
        The number p of parameters.

    Returns
    -------
    ndarray of float64, shape (p, p)
        The same, finite.

    Raises
    ------
    ValueError
        For another shape, or entries that are not finite.
    TypeError
        If they are no real numbers.
    """
    matrix = float_array(name, value, ndim=2)
    if matrix.shape != (size, size):
        raise ValueError(f"{name} must have shape ({size}, {size}); got {matrix.shape}")
    return matrix
