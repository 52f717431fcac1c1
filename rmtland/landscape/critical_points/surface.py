r"""Functions whose critical points are sought: value, gradient and Hessian, and nothing else.

A finder sees the loss of a network as a `Surface`; so a toy of two parameters, the loss restricted
to a subspace, or anything else with two derivatives can be given to it.

>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 2, 1), weight_decay=0.1)
>>> surface = NetworkSurface(net.at(np.zeros(6), [[1.0, 0.0], [0.0, 1.0]], [[1.0], [0.0]]))
>>> value, gradient = surface.value(np.zeros(6))
>>> value, bool((gradient == 0.0).all())
(0.25, True)
>>> surface.hessian(np.zeros(6)).shape
(6, 6)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rmtland.networks import LossPoint
from rmtland.typing import Real, override

__all__ = ["NetworkSurface", "Surface"]


class Surface(Protocol):
    """A function of p parameters with two derivatives."""

    @property
    def size(self) -> int:
        """The number p of parameters."""
        ...

    def value(self, theta: Real) -> tuple[float, Real]:
        """Return value and gradient.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        value : float
            Of the function.
        gradient : ndarray, shape (p,)
            First derivatives.

        Raises
        ------
        ValueError
            If one of them overflows.
        """
        ...

    def hessian(self, theta: Real) -> Real:
        """Return the matrix of second derivatives.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric.

        Raises
        ------
        ValueError
            If an entry overflows.
        """
        ...


@dataclass(frozen=True, eq=False)
class NetworkSurface(Surface):
    """The loss of a network on its data, weight decay included.

    Parameters
    ----------
    point : LossPoint
        Any point: its network and data are used.

    Raises
    ------
    ValueError
        If its arrays are not of NumPy in double precision.
    """

    point: LossPoint

    def __post_init__(self) -> None:
        """Refuse single precision, in which no gradient becomes small enough."""
        theta = self.point.theta
        if not isinstance(theta, np.ndarray) or theta.dtype != np.float64:
            raise ValueError(
                "critical points are sought in NumPy and double precision; give theta, x and y as "
                f"arrays of float64, not {type(theta).__module__}.{theta.dtype}"
            )

    @property
    def size(self) -> int:
        """The number p of parameters."""
        return self.point.net.parameter_count

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        here = self.point.at(theta)
        return here.loss, here.gradient

    def product(self, theta: Real, vector: Real) -> Real:
        """Return the product of the Hessian with a vector, without forming the matrix.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.
        vector : ndarray, shape (p,)
            The vector.

        Returns
        -------
        ndarray, shape (p,)
            H v.
        """
        product: Real = self.point.at(theta).hvp(vector)
        return product

    @override
    def hessian(self, theta: Real) -> Real:
        matrix: Real = self.point.at(theta).hessian("total")
        return matrix
