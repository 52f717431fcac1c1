r"""Loss, gradient, products and Hessians of small networks as CUDA graphs.

Each is a function of arrays alone: parameters, inputs, targets (and vectors), with a number beside
the result that is finite if everything is. What a graph does not take - arrays that are not CuPy's,
large networks, the first call of its kind - is None here, and goes the plain way
(`rmtland.networks.cuda_graphs`). Small is a network whose kernels are shorter than their launch,
with at most `SMALL` numbers in a layer (`SMALL_PRODUCT` in one of a product), `LARGEST` in its
parameters and vectors, which a graph keeps copies of, and for its Hessian at most `WIDEST`
parameters. An activation of one's own is never recorded: what it reads besides its arguments would
stay what it was then.

Examples
--------
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((1, 1)).at([0.0], [[1.0], [2.0]], [[1.0], [0.0]])
>>> recorded_value(point.net, point.theta, point.data) is None
True
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

import numpy as np

from rmtland.networks.activation import ACTIVATIONS, Activation, activation
from rmtland.networks.cuda_graphs import GRAPHS
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.hessian import one_chunk, unchecked_hessian
from rmtland.networks.derivatives.products import curvature_product, loss_gradient
from rmtland.networks.loss import Loss
from rmtland.networks.parameters import ParameterBlock, effective_weights
from rmtland.typing import Array

__all__ = [
    "LARGEST",
    "SMALL",
    "SMALL_PRODUCT",
    "WIDEST",
    "recorded_hessian",
    "recorded_product",
    "recorded_value",
    "value_and_gradient",
]

SMALL = 2**20
"""Samples times units of the widest layer up to which loss and Hessian are graphs."""

SMALL_PRODUCT = 2**22
"""Samples times units of the widest layer, times vectors, up to which products are."""

WIDEST = 2**13
"""Parameters up to which a Hessian is one."""

LARGEST = 2**24
"""Parameters, times vectors, up to which anything is."""


class Network(Protocol):
    """What is needed of a network: the attributes of `rmtland.networks.MLP`."""

    @property
    def widths(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> str | Activation: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def blocks(self) -> tuple[ParameterBlock, ...]: ...


class Data(Protocol):
    """What is needed of the data: the attributes of `rmtland.networks.loss_data.LossData`."""

    @property
    def x(self) -> Array: ...
    @property
    def y(self) -> Array: ...
    @property
    def size(self) -> int: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def is_whole(self) -> bool: ...


def recorded_value(net: Network, theta: Array, data: Data) -> tuple[Array, Array] | None:
    """Return loss and gradient by a graph.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        Its parameters.
    data : LossData
        Inputs and targets.

    Returns
    -------
    (array, array) or None
        The numbers (sum of the losses, |theta|^2, a check), and the gradient, shape (p,).
    """
    if _pass_of(net, theta, data) is None:
        return None
    key = ("value", *_key(net, data))
    found = GRAPHS.replayed(key, _value_of(net, data), [theta, data.x, data.y])
    return None if found is None else (found[0], found[1])


def value_and_gradient(net: Network, theta: Array, data: Data) -> tuple[Array, Array]:
    """Return loss and gradient without a look at them, by a graph where there is one.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        Its parameters.
    data : LossData
        Inputs and targets, kept whole.

    Returns
    -------
    (array, array)
        As of `recorded_value`: where the numbers are finite, so is the gradient.
    """
    found = recorded_value(net, theta, data)
    if found is None:
        numbers, gradient = _value_of(net, data)(theta, data.x, data.y)
        return numbers, gradient
    return found


def _value_of(net: Network, data: Data) -> Callable[[Array, Array, Array], tuple[Array, ...]]:
    """Return the function of parameters, inputs and targets."""
    decay, blocks, m = net.weight_decay, net.blocks, data.size
    f, loss = activation(net.activation), data.loss

    def function(theta: Array, x: Array, y: Array) -> tuple[Array, ...]:
        weights, biases = effective_weights(theta, blocks)
        batch = ForwardPass(weights, biases, f, loss, x, y, checked=False)
        xp = batch.xp
        gradient = loss_gradient([batch], blocks, theta, samples=m, weight_decay=decay)
        with np.errstate(over="ignore", invalid="ignore"):  # of libraries made of NumPy
            sums = [xp.sum(gradient), *(xp.sum(z) for z, _ in batch.layers)]
            numbers = [batch.loss_sum, xp.sum(theta * theta), *sums]
        return xp.stack([xp.reshape(each, ()) for each in numbers]), gradient

    return function


def recorded_product(
    net: Network, theta: Array, data: Data, rows: Array, *, part: str, decay: bool
) -> tuple[Array, Array] | None:
    """Return products of the Hessian, or of one of its parts, by a graph.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        Its parameters.
    data : LossData
        Inputs and targets.
    rows : array, shape (k, p)
        The vectors.
    part : {"gauss_newton", "residual", "total"}
        Which matrix.
    decay : bool
        Whether weight decay has a part in it.

    Returns
    -------
    (array, array) or None
        The products, shape (k, p), and a number that is finite if they and the vectors are.
    """
    vectors = int(rows.shape[0])
    if data.size * max(net.widths) * vectors > SMALL_PRODUCT:
        return None
    if net.blocks[-1].stop * vectors > LARGEST:
        return None
    pass_of = _pass_of(net, theta, data, SMALL_PRODUCT)
    if pass_of is None or rows.dtype != theta.dtype:
        return None
    blocks, m = net.blocks, data.size
    weight = net.weight_decay if decay and part != "residual" else 0.0

    def function(theta: Array, x: Array, y: Array, rows: Array) -> tuple[Array, ...]:
        batch = pass_of(theta, x, y)
        result = curvature_product([batch], rows, blocks, samples=m, part=part)
        if weight:
            result += weight * rows
        return result, batch.xp.sum(result) + 0.0 * batch.xp.sum(rows)

    key = ("product", part, weight, *_key(net, data))
    found = GRAPHS.replayed(key, function, [theta, data.x, data.y, rows])
    return None if found is None else (found[0], found[1])


def recorded_hessian(
    net: Network, theta: Array, data: Data, parts: tuple[str, ...]
) -> tuple[tuple[Array, ...], Array] | None:
    """Return dense Hessians, or parts of one, by a graph.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        Its parameters.
    data : LossData
        Inputs and targets.
    parts : tuple of {"gauss_newton", "residual", "total"}
        Which matrices; they share a forward pass.

    Returns
    -------
    (tuple of array, array) or None
        The matrices, shape (p, p), and a bound of their entries.
    """
    pass_of = _pass_of(net, theta, data)
    order = net.blocks[-1].stop
    if pass_of is None or order > WIDEST:
        return None
    if not one_chunk(pass_of(theta, data.x, data.y), order):
        return None
    blocks, decay = net.blocks, net.weight_decay

    def function(theta: Array, x: Array, y: Array) -> tuple[Array, ...]:
        batch = pass_of(theta, x, y)
        pairs = [unchecked_hessian(batch, blocks, part=p, weight_decay=decay) for p in parts]
        bound = pairs[0][1]
        for _, other in pairs[1:]:
            bound = bound + other
        return (*(matrix for matrix, _ in pairs), bound)

    key = ("hessian", parts, decay, *_key(net, data))
    found = GRAPHS.replayed(key, function, [theta, data.x, data.y])
    return None if found is None else (found[:-1], found[-1])


def _key(net: Network, data: Data) -> tuple[Hashable, ...]:
    """Return what the functions are made of, besides the shapes of their arguments."""
    return net.blocks, activation(net.activation), data.loss, net.weight_decay


def _pass_of(
    net: Network, theta: Array, data: Data, limit: int | None = None
) -> Callable[[Array, Array, Array], ForwardPass] | None:
    """Return what makes a forward pass of arrays; None where no graph is to be used."""
    if isinstance(theta, np.ndarray) or not data.is_whole:
        return None
    if data.size * max(net.widths) > (SMALL if limit is None else limit):
        return None
    f, loss, blocks = activation(net.activation), data.loss, net.blocks
    if blocks[-1].stop > LARGEST or ACTIVATIONS.get(f.name) is not f:
        return None
    if not GRAPHS.accepts(theta, data.x, data.y):
        return None

    def pass_of(theta: Array, x: Array, y: Array) -> ForwardPass:
        weights, biases = effective_weights(theta, blocks)
        return ForwardPass(weights, biases, f, loss, x, y, checked=False)

    return pass_of
