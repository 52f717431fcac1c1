"""Losses of a PyTorch model at many points by rmtland's own network, where it is one.

A sequence of linear layers with one known activation between, with a loss of PyTorch that `MLP` has
too, is the same function. Its losses at many points, and in a plane above all, are then found by
`rmtland.landscape.surface.network_batches`, in the precision of the model. At the first points both
are computed and compared.

>>> own_network.__name__
'own_network'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmtland.adapters import TorchOperator
from rmtland.adapters.torch_batches import to_numpy
from rmtland.landscape.surface.network_batches import losses_at, losses_in_plane
from rmtland.networks import MLP
from rmtland.networks.torch_sequential import computes_otherwise
from rmtland.typing import Real

if TYPE_CHECKING:
    from torch.nn import Module

    from rmtland.networks import LossPoint

__all__ = ["TorchPerceptron", "own_network"]

_LOSSES = {"CrossEntropyLoss": "cross_entropy", "MSELoss": "mse", "BCEWithLogitsLoss": "logistic"}


class TorchPerceptron:
    """The loss of a PyTorch model by rmtland's own network.

    Parameters
    ----------
    point : LossPoint
        The network on the data, in the precision of the model.
    factor : float
        Of PyTorch's loss to that of the network.
    """

    def __init__(self, point: LossPoint, factor: float) -> None:
        self.point, self.factor = point, factor
        self.dtype = np.dtype(point.theta.dtype)

    def losses(self, thetas: Real) -> Real:
        """Return the losses at rows of parameters.

        Parameters
        ----------
        thetas : ndarray, shape (k, p)
            One point a row.

        Returns
        -------
        ndarray, shape (k,)
            As PyTorch's loss is defined.
        """
        return self.factor * losses_at(self.point, thetas.astype(self.dtype))

    def plane_losses(self, origin: Real, directions: Real, coordinates: Real) -> Real:
        """Return the losses at points of a plane.

        Parameters
        ----------
        origin : ndarray, shape (p,)
            Where all coordinates are 0.
        directions : ndarray, shape (d, p)
            One direction a row.
        coordinates : ndarray, shape (k, d)
            One point a row.

        Returns
        -------
        ndarray, shape (k,)
            As PyTorch's loss is defined.
        """
        given = (part.astype(self.dtype) for part in (origin, directions, coordinates))
        return self.factor * losses_in_plane(self.point, *given)

    def agrees(self, thetas: Real, losses: Real) -> bool:
        """Whether losses that PyTorch has found are those found here, up to rounding.

        Parameters
        ----------
        thetas : ndarray, shape (k, p)
            One point a row.
        losses : ndarray, shape (k,)
            By PyTorch.

        Returns
        -------
        bool
            Relative to a loss of 1 or, if that is more, to themselves.
        """
        allowed = min(1e5 * float(np.finfo(self.dtype).eps), 1e-3) * np.maximum(1.0, np.abs(losses))
        try:
            return bool((np.abs(self.losses(thetas) - losses) <= allowed).all())
        except ValueError:  # an overflow on one side only
            return False


def own_network(operator: TorchOperator, loss: Module) -> TorchPerceptron | None:
    """Return the loss of a PyTorch model by rmtland's network, None where it is not the same.

    Parameters
    ----------
    operator : TorchOperator
        By `from_torch`.
    loss : nn.Module
        Its loss.

    Returns
    -------
    TorchPerceptron or None
        For models and losses that `MLP.from_torch` reads, of all their parameters, on the CPU, in
        single or double precision, with the data in one batch of tensors.
    """
    name = _LOSSES.get(type(loss).__name__)
    function = operator.function
    plain = (
        name is not None
        and loss.reduction == "mean"
        and getattr(loss, "weight", None) is None
        and getattr(loss, "pos_weight", None) is None
        and getattr(loss, "label_smoothing", 0.0) == 0.0
        and operator.batches.is_one_batch
        and function.device.type == "cpu"
        and str(function.dtype) in ("torch.float32", "torch.float64")
        and getattr(loss, "ignore_index", -100) < 0  # labels below 0 are refused
        and not any(computes_otherwise(part) for part in (loss, *function.model.modules()))
    )
    if not plain or name is None:
        return None
    try:
        net, theta = MLP.from_torch(function.model, loss=name)
        shapes = [tuple(parameter.shape) for parameter in function.model.parameters()]
        if shapes != [tuple(block.shape) for block in operator.blocks]:
            return None  # a part of the parameters, or some that are frozen
        batch = function.batch(next(iter(operator.batches)))
        x, y = to_numpy(batch.inputs), to_numpy(batch.targets)
        point = net.at(theta.astype(x.dtype), x.reshape(len(x), -1), y)
    except (ValueError, TypeError, AttributeError, RuntimeError):  # another function than an MLP
        return None
    factor = {"cross_entropy": 1.0, "mse": 2.0, "logistic": 1.0}[name]
    return TorchPerceptron(point, factor / (1.0 if name == "cross_entropy" else net.n_out))
