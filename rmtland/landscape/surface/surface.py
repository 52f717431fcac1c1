r"""What a surface can do: value, gradient, products with the Hessian, and values along planes.

A finder of critical points needs a `Surface` of two methods. Slices, sharpness and paths are given
a `LossSurface`, which is one too, and can be evaluated at many points at once: at rows of a matrix,
or in a plane

.. math:: \theta(c) = \theta_0 + \sum_i c_i d_i ,

where a network needs its first layer only once for each direction.

>>> LossSurface.__abstractmethods__ >= {"size", "blocks", "value", "product"}
True
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import DTypeLike

from rmtland.arguments import float_array, instance
from rmtland.typing import ArrayLike, Real

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

__all__ = [
    "LARGEST_DENSE",
    "LossSurface",
    "NamedBlock",
    "Surface",
    "loss_surface",
    "parameter_rows",
    "parameter_vector",
]

LARGEST_DENSE = 6000
"""Largest number of parameters for which a dense Hessian is made from products."""


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


class NamedBlock(Protocol):
    """One weight array or bias vector inside the flat vector of parameters."""

    @property
    def name(self) -> str:
        """Its name, such as "W1" or "fc.weight"."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape; the first axis counts the units (filters) that it feeds."""
        ...

    @property
    def slice(self) -> slice:
        """Its entries in the flat vector."""
        ...


class LossSurface(ABC):
    """A loss on vectors of p parameters: value, gradient, Hessian products, many points at once.

    Parameter vectors are NumPy arrays of float64, whatever computes the loss.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """The number p of parameters."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[NamedBlock]:
        """Name, shape and place of each array of parameters, in order."""

    @abstractmethod
    def value(self, theta: Real) -> tuple[float, Real]:
        """Return loss and gradient.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        loss : float
            Weight decay included.
        gradient : ndarray, shape (p,)
            First derivatives.

        Raises
        ------
        ValueError
            For another shape, what is not finite, or an overflow.
        """

    @abstractmethod
    def product(self, theta: Real, vector: Real) -> Real:
        """Return the product of the Hessian with one vector or several, without forming it.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.
        vector : ndarray, shape (p,) or (p, k)
            The vector, or several in columns.

        Returns
        -------
        ndarray, of the shape of `vector`
            H v.
        """

    def loss(self, theta: Real) -> float:
        """Return the loss alone.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        float
            Weight decay included.
        """
        return self.value(theta)[0]

    def gradient(self, theta: Real) -> Real:
        """Return the gradient alone.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        ndarray, shape (p,)
            First derivatives.
        """
        return self.value(theta)[1]

    def losses(self, thetas: ArrayLike) -> Real:
        """Return the losses at several points.

        Parameters
        ----------
        thetas : array_like, shape (k, p)
            One point a row.

        Returns
        -------
        ndarray, shape (k,)
            The losses.

        Raises
        ------
        ValueError
            For another shape, what is not finite, or a loss that overflows.
        """
        return np.array([self.loss(row) for row in parameter_rows(thetas, self.size)])

    def plane_losses(self, origin: Real, directions: Real, coordinates: ArrayLike) -> Real:
        """Return the losses at points of a plane (or a line, or more dimensions).

        Parameters
        ----------
        origin : ndarray, shape (p,)
            Where all coordinates are 0.
        directions : ndarray, shape (d, p)
            One direction a row.
        coordinates : array_like, shape (k, d)
            One point a row.

        Returns
        -------
        ndarray, shape (k,)
            The losses at ``origin + coordinates @ directions``.
        """
        points = np.asarray(coordinates, dtype=np.float64)
        at_once = max(1, 2**22 // self.size)  # 32 MB of parameters
        pieces = [
            self.losses(origin + points[start : start + at_once] @ directions)
            for start in range(0, len(points), at_once)
        ]
        return np.concatenate(pieces) if pieces else np.empty(0)

    def operator(self, theta: Real) -> LinearOperator:
        """Return the Hessian at a point as an operator by products.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Symmetric, of shape (p, p).
        """
        return self._by_products(theta, np.float64)

    def _by_products(self, theta: Real, dtype: DTypeLike) -> LinearOperator:
        """Return the Hessian as an operator of the precision in which products are made."""
        from scipy.sparse.linalg import LinearOperator

        product = partial(self.product, theta)
        shape = (self.size, self.size)
        return LinearOperator(shape, product, product, product, np.dtype(dtype), product)

    def hessian(self, theta: Real) -> Real:
        """Return the dense Hessian.

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
            For more than `LARGEST_DENSE` parameters.
        """
        if self.size > LARGEST_DENSE:
            raise ValueError(
                f"a dense Hessian of {self.size} parameters is not made from products (at most "
                f"{LARGEST_DENSE}); use operator() with rmtland.estimate"
            )
        matrix = np.empty((self.size, self.size))
        for start in range(0, self.size, 64):
            unit = np.eye(self.size, min(64, self.size - start), -start)
            matrix[:, start : start + 64] = self.product(theta, unit)
        return 0.5 * (matrix + matrix.T)


def loss_surface(name: str, value: object) -> LossSurface:
    """Return a surface, or say that what came is none.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : LossSurface
        What came.

    Returns
    -------
    LossSurface
        The same.

    Raises
    ------
    TypeError
        If it is none.
    """
    return instance(
        name,
        value,
        LossSurface,  # type: ignore[type-abstract]
        "a LossSurface, such as NetworkSurface.of(net, x, y) or TorchSurface(model, loss, data)",
    )


def parameter_vector(surface: LossSurface, name: str, value: ArrayLike) -> Real:
    """Return a point of a surface, or a direction on it, checked.

    Parameters
    ----------
    surface : LossSurface
        Which says how many parameters there are.
    name : str
        Of the argument, for the message.
    value : array_like, shape (p,)
        What came.

    Returns
    -------
    ndarray of float64, shape (p,)
        The same, finite.

    Raises
    ------
    ValueError
        For another shape, or entries that are not finite.
    TypeError
        If the surface is none, or the entries are no real numbers.
    """
    size = loss_surface("surface", surface).size
    vector = float_array(name, value, ndim=1)
    if vector.shape != (size,):
        raise ValueError(f"{name} must have {size} entries; got {vector.shape[0]}")
    return vector


def parameter_rows(thetas: ArrayLike, size: int) -> Real:
    """Return points of parameter space as rows, checked.

    Parameters
    ----------
    thetas : array_like, shape (k, p)
        One point a row.
    size : int
        The number p of parameters.

    Returns
    -------
    ndarray of float64, shape (k, p)
        The same, finite.

    Raises
    ------
    ValueError
        For another shape, or entries that are not finite.
    """
    rows = float_array("thetas", thetas, ndim=2)
    if rows.shape[1] != size:
        raise ValueError(f"thetas must have shape (k, {size}), one point a row; got {rows.shape}")
    return rows
