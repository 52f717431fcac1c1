r"""The loss of a multilayer perceptron of rmtland on its data, as a surface.

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
from typing import TYPE_CHECKING, Self

import numpy as np

from rmtland.arguments import float_array, instance
from rmtland.landscape.surface.network_batches import losses_at, losses_in_plane
from rmtland.landscape.surface.surface import LossSurface, parameter_rows
from rmtland.networks import MLP, LossPoint
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import ArrayLike, Real, override

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

__all__ = ["NetworkSurface"]


@dataclass(frozen=True, eq=False)
class NetworkSurface(LossSurface):
    """The loss of a network on its data, weight decay included.

    Parameters
    ----------
    point : LossPoint
        Any point: its network and data are used.

    Raises
    ------
    ValueError
        If its arrays are not of NumPy in double precision.
    TypeError
        If it is no point.
    """

    point: LossPoint

    def __post_init__(self) -> None:
        """Refuse single precision, in which no gradient becomes small enough."""
        theta = instance(
            "point", self.point, LossPoint, "a LossPoint, by net.at(theta, x, y)"
        ).theta
        if not isinstance(theta, np.ndarray) or theta.dtype != np.float64:
            raise ValueError(
                "a surface is walked on in NumPy and double precision; give theta, x and y as "
                f"arrays of float64, not {type(theta).__module__}.{theta.dtype}"
            )

    @classmethod
    def of(cls, net: MLP, x: ArrayLike, y: ArrayLike) -> Self:
        """Return the loss of a network on data.

        Parameters
        ----------
        net : MLP
            The network.
        x, y : array_like
            Data, as `MLP.at` takes them.

        Returns
        -------
        NetworkSurface
            Its loss at any parameters, computed in double precision.

        Raises
        ------
        ValueError
            For data that do not fit the network.
        TypeError
            If `net` is no MLP.
        """
        instance("net", net, MLP, "an MLP")
        return cls(net.at(np.zeros(net.parameter_count), x, y))

    @property
    @override
    def size(self) -> int:
        return self.point.net.parameter_count

    @property
    @override
    def blocks(self) -> tuple[ParameterBlock, ...]:
        return self.point.net.blocks

    @override
    def loss(self, theta: Real) -> float:
        return float(self.point.at(theta).loss)

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        here = self.point.at(theta)
        return here.loss, here.gradient

    @override
    def product(self, theta: Real, vector: Real) -> Real:
        product: Real = self.point.at(theta).hvp(vector)
        return product

    @override
    def operator(self, theta: Real) -> LinearOperator:
        return self.point.at(theta).operator()

    @override
    def hessian(self, theta: Real) -> Real:
        matrix: Real = self.point.at(theta).hessian("total")
        return matrix

    @override
    def losses(self, thetas: ArrayLike) -> Real:
        return losses_at(self.point, parameter_rows(thetas, self.size))

    @override
    def plane_losses(self, origin: Real, directions: Real, coordinates: ArrayLike) -> Real:
        rows = parameter_rows(directions, self.size)
        start = parameter_rows(np.reshape(origin, (1, -1)), self.size)[0]
        points = float_array("coordinates", coordinates, ndim=2)
        return losses_in_plane(self.point, start, rows, points)
