"""A loss about a point: its values, its gradients, and products with the Gauss-Newton matrix there.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 5, rng=0), MLP((5, 5, 5))
>>> model = loss_model(net.at(net.init(rng=1), data.x, data.y))
>>> model.theta.shape, model.gradient(model.theta).shape
((50,), (50,))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rmtland.adapters import TorchOperator
from rmtland.arrays import placed, to_numpy
from rmtland.networks import LossPoint
from rmtland.optimizer.preconditioning import Preconditioner, preconditioned
from rmtland.typing import Real

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

__all__ = ["LossModel", "loss_model"]


class LossModel(NamedTuple):
    """What a first-order method and a quadratic model need.

    Parameters
    ----------
    theta : ndarray of float, shape (p,)
        The point.
    loss : callable
        Parameters -> loss.
    gradient : callable
        Parameters -> gradient.
    gauss_newton : anything that multiplies
        The Gauss-Newton matrix at the point: the Hessian of a linearised network with a squared
        loss.
    """

    theta: Real
    loss: Callable[[Real], float]
    gradient: Callable[[Real], Real]
    gauss_newton: LinearOperator

    def in_coordinates(self, preconditioner: Preconditioner) -> LossModel:
        """Return the same loss as a function of P^(1/2) x: what a preconditioned method sees.

        Parameters
        ----------
        preconditioner : DiagonalPreconditioner or KroneckerPreconditioner
            P.

        Returns
        -------
        LossModel
            With gradients P^(-1/2) g and the matrix P^(-1/2) G P^(-1/2).
        """
        back = preconditioner.inverse_root
        matrix = preconditioned(self.gauss_newton, preconditioner)
        return LossModel(
            preconditioner.root(self.theta),
            lambda x: self.loss(back(x)),
            lambda x: back(self.gradient(back(x))),
            matrix,
        )


def loss_model(point: LossPoint | TorchOperator) -> LossModel:
    """Return loss, gradient and Gauss-Newton matrix of a point.

    Parameters
    ----------
    point : LossPoint or TorchOperator
        A point of a network (`MLP.at`), or an operator by `rmtland.adapters.from_torch`.

    Returns
    -------
    LossModel
        With float64 parameters, whatever those of the point.

    Raises
    ------
    TypeError
        For anything else: a matrix does not tell the loss about it.
    """
    if isinstance(point, LossPoint):
        network: LossPoint = point

        def there(x: Real) -> LossPoint:
            return network.at(placed(x, network.theta))

        return LossModel(
            np.asarray(to_numpy(network.theta), dtype=np.float64),
            lambda x: float(there(x).loss),
            lambda x: np.asarray(to_numpy(there(x).gradient), dtype=np.float64),
            network.operator("gauss_newton"),
        )
    if isinstance(point, TorchOperator):
        operator: TorchOperator = point
        return LossModel(
            np.asarray(operator.parameters(), dtype=np.float64),
            lambda x: operator.at(x).loss(),
            lambda x: np.asarray(operator.at(x).gradient(), dtype=np.float64),
            operator.with_part("gauss_newton"),
        )
    raise TypeError(
        "the loss must be looked at about the point: give a LossPoint (MLP.at) or an operator by "
        f"rmtland.adapters.from_torch; got {type(point).__name__}"
    )
