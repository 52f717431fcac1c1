"""Gradients of steps between two looks, for arrays on a device: nothing travels to the host.

A look at the loss checks everything: whether parameters, signals and loss are finite. The steps
before it need not wait for the device, as an overflow does not go away: it is found at the look.

>>> from rmtland.networks.mlp import MLP
>>> start = MLP((1, 1)).at([0.0], [[1.0], [2.0]], [[1.0], [0.0]])
>>> unchecked_gradient(start, start.theta)
array([-0.5])
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rmtland.arrays import array_namespace, device_options
from rmtland.networks.activation import activation
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.products import loss_gradient
from rmtland.networks.derivatives.recorded import recorded_value
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.parameters import effective_weights
from rmtland.typing import Array, Integer

__all__ = ["may_wait_for_a_look", "unchecked_gradient"]


def may_wait_for_a_look(start: LossPoint) -> bool:
    """Return whether a run computes on a device, with all its data there.

    Parameters
    ----------
    start : LossPoint
        Where the run starts.

    Returns
    -------
    bool
    """
    return start.data.is_whole and not isinstance(start.theta, np.ndarray)


def unchecked_gradient(start: LossPoint, theta: Array, which: Integer | None = None) -> Array:
    """Return the gradient of the loss over all samples, or some of them.

    Parameters
    ----------
    start : LossPoint
        Network and data, kept whole.
    theta : array, shape (p,)
        The parameters.
    which : ndarray of int, optional
        The numbers of the samples; all by default.

    Returns
    -------
    array, shape (p,)
        Not checked for overflow.
    """
    net, x, y = start.net, start.data.x, start.data.y
    if which is not None:
        xp = array_namespace(x)
        numbers = xp.asarray(which, **device_options(x))
        x, y = xp.take(x, numbers, axis=0), xp.take(y, numbers, axis=0)
    samples = int(x.shape[0])
    data = replace(start.data, x=x, y=y, size=samples, chunk=samples)
    found = recorded_value(net, theta, data)
    if found is not None:
        return found[1]
    weights, biases = effective_weights(theta, net.blocks)
    loss, f = start.data.loss, activation(net.activation)
    batch = ForwardPass(weights, biases, f, loss, x, y, checked=False)
    return loss_gradient([batch], net.blocks, theta, samples=samples, weight_decay=net.weight_decay)
