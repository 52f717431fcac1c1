r"""Products with the Jacobian, the Hessian and its two parts, without forming any of them.

The R-operator of Pearlmutter (Neural Computation 6, 1994) differentiates the forward and the
backward pass along a direction (V_l, c_l) of the weights and biases. With R = d/dt at t = 0,

    R z_l = R a_{l-1} W_l^T + a_{l-1} V_l^T + c_l,      R a_l = f'(z_l) R z_l,   R a_0 = 0,
    R delta_L = Lambda R o,
    R delta_l = f'(z_l) (R delta_{l+1} W_{l+1} + delta_{l+1} V_{l+1}) + f''(z_l) g_l R z_l,
    (H v)_l = sum_mu R delta_l^T a_{l-1} + delta_l^T R a_{l-1},

over the number of samples; the Gauss-Newton product keeps the terms with R delta only that descend
from Lambda R o, the residual product the others. Beside the cached forward pass that is 4 matrix
products for each hidden layer and 4 for the output (the first layer, whose inputs do not move,
saves 2 of them). Vectors travel in arrays of shape (m, k, n), so that each product is one large
one, in buffers that are kept from call to call; one vector and few samples take a plainer route
(`rmtland.networks.derivatives.small_products`).

Synonyms: Hessian-vector product, R{} technique, forward-over-reverse differentiation.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 1)).at([1.0, 2.0], [[3.0, 4.0]], [[1.0]])
>>> point.hvp(np.array([1.0, 0.0]))
array([ 9., 12.])

References: Pearlmutter 1994; Schraudolph, Neural Computation 14 (2002) for the Gauss-Newton part.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from rmtland.arrays import array_namespace
from rmtland.networks.array_arguments import reshape_of
from rmtland.networks.cuda_graphs import times
from rmtland.networks.derivatives.elementwise import add_and_scale, pull_through, scale
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = [
    "add_curvature_products",
    "add_fisher_products",
    "add_pulled_back",
    "is_small",
    "joined_blocks",
    "push_forward",
]

LARGE = 2**18
"""Entries from which on an array is kept as a buffer for the next product."""

Blocks = tuple[ParameterBlock, ...]
Buffers = dict[Hashable, Array]


def push_forward(batch: ForwardPass, rows: Array, blocks: Blocks) -> Array:
    """Return J v for k vectors, shape (m, k, n_out).

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    rows : array, shape (k, p)
        The vectors.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    array, shape (m, k, n_out)
    """
    return _push(batch, _directions(rows, blocks), {}, outputs=True)[-1][0]


def add_pulled_back(
    batch: ForwardPass, signal: Array, blocks: Blocks, result: Array, *, factor: float = 1.0
) -> None:
    """Add `factor` J^T u for k vectors u, shape (m, k, n_out), to the rows of `result` (k, p).

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    signal : array, shape (m, k, n_out)
        The vectors.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    result : array, shape (k, p)
        Where the products are added.
    factor : float, optional
        Multiplies what is added.
    """
    _pull(batch, signal, None, None, blocks, result, factor, {})


def add_curvature_products(
    batch: ForwardPass,
    rows: Array,
    blocks: Blocks,
    result: Array,
    *,
    gauss_newton: bool,
    residual: bool,
    factor: float = 1.0,
) -> None:
    """Add the sum over samples of H v, or of one of its parts, to the rows of `result`.

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    rows, result : array, shape (k, p)
        The vectors, and where their products are added.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    gauss_newton, residual : bool
        Which parts.
    factor : float, optional
        Multiplies what is added.
    """
    directions = _directions(rows, blocks)
    buffers = _workspace(batch)
    tangents = _push(batch, directions, buffers, outputs=gauss_newton)
    signal = batch.output_curvature.times(tangents[-1][0]) if gauss_newton else None
    if residual:
        _pull(batch, signal, directions, tangents, blocks, result, factor, buffers)
    else:
        _pull(batch, signal, None, None, blocks, result, factor, buffers)
    batch.workspaces.append(buffers)


def is_small(samples: int, widths: Sequence[int]) -> bool:
    """Return whether one vector's product takes the plain route: no array is worth a buffer.

    Parameters
    ----------
    samples : int
        How many.
    widths : sequence of int
        Of the network.

    Returns
    -------
    bool
    """
    return samples * max(widths) < LARGE


def joined_blocks(pieces: list[Array | None], blocks: Blocks, like: Array) -> Array:
    """Return derivatives in effective weights and biases as those in the flat parameters.

    Parameters
    ----------
    pieces : list of array or None
        One a block, in its shape; None counts as zero.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    like : array
        Of the library, device and dtype of the result.

    Returns
    -------
    array, shape (p,)
    """
    reshape = reshape_of(like)
    flat = []
    for piece, block in zip(pieces, blocks, strict=True):
        if piece is None:
            piece = array_namespace(like).zeros_like(like[block.slice])
        elif block.scale != 1.0:
            piece = piece * block.scale
        flat.append(reshape(piece, (-1,)))
    return array_namespace(like).concat(flat)


def add_fisher_products(
    batch: ForwardPass,
    rows: Array,
    blocks: Blocks,
    result: Array,
    gradient: Array,
    *,
    factor: float = 1.0,
) -> None:
    """Add the sum over samples of g (g . v) to `result`, g = J^T r the gradient of a sample.

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    rows, result : array, shape (k, p)
        The vectors, and where their products are added.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    gradient : array, shape (m, n_out)
        r, the gradient of the loss of each sample in its outputs.
    factor : float, optional
        Multiplies what is added.
    """
    pushed = push_forward(batch, rows, blocks)  # (m, k, n_out)
    along = batch.xp.sum(pushed * gradient[:, None, :], axis=-1, keepdims=True)
    add_pulled_back(batch, along * gradient[:, None, :], blocks, result, factor=factor)


def _workspace(batch: ForwardPass) -> Buffers:
    """Take kept buffers that no other thread can take, or new ones."""
    try:
        return batch.workspaces.pop()
    except IndexError:
        return {}


def _directions(rows: Array, blocks: Blocks) -> list[tuple[Array, Array | None]]:
    """Return (V_l, c_l) of shapes (k, n_l, n_{l-1}) and (k, n_l), as they multiply."""
    reshape = reshape_of(rows)
    k = rows.shape[0]
    layers: list[tuple[Array, Array | None]] = []
    for block in blocks:
        piece = rows[:, block.start : block.stop]
        if block.scale != 1.0:
            piece = piece * block.scale
        if block.is_bias:
            layers[-1] = (layers[-1][0], piece)
        else:
            layers.append((reshape(piece, (k, *block.shape)), None))
    return layers


def _push(
    batch: ForwardPass,
    directions: list[tuple[Array, Array | None]],
    buffers: Buffers,
    *,
    outputs: bool,
) -> list[tuple[Array, Array]]:
    """Return (R z_l, R a_l) of the hidden layers, then (R o, R o) if `outputs`."""
    reshape = reshape_of(batch.x)
    k, m = directions[0][0].shape[0], batch.samples
    tangents: list[tuple[Array, Array]] = []
    last = batch.depth if outputs else batch.depth - 1
    for layer in range(last):
        weight, (push, shift) = batch.weights[layer], directions[layer]
        n, before = weight.shape
        flat = reshape(push, (k * n, before))
        z = reshape(_product(batch.inputs[layer], flat.T, buffers, ("z", layer)), (m, k, n))
        if shift is not None:
            z += shift
        is_output = layer == batch.depth - 1
        if layer == 0:
            a = z if is_output else scale(z, batch.slopes[0], out=_buffer(z, buffers, "a"))
            tangents.append((z, a))
            continue
        signal = reshape(tangents[-1][1], (m * k, before))
        moved = reshape(_product(signal, weight.T, buffers, ("a", layer)), (m, k, n))
        if is_output:
            z += moved
            tangents.append((z, z))
        else:
            tangents.append(add_and_scale(z, moved, batch.slopes[layer]))
    return tangents


def _pull(
    batch: ForwardPass,
    signal: Array | None,
    directions: list[tuple[Array, Array | None]] | None,
    tangents: list[tuple[Array, Array]] | None,
    blocks: Blocks,
    result: Array,
    factor: float,
    buffers: Buffers,
) -> None:
    """Add the backward pass of a signal R delta_L (None: zero) to the rows of `result`.

    With directions and tangents the terms of the residual part come in on the way.
    """
    reshape = reshape_of(batch.x)
    m, k = batch.samples, result.shape[0]
    each = len(blocks) // batch.depth  # a weight, and a bias
    for layer in range(batch.depth, 0, -1):
        weight = batch.weights[layer - 1]
        n, before = weight.shape
        for block in blocks[(layer - 1) * each : layer * each]:
            piece = _weight_product(batch, block, signal, tangents, k, buffers)
            if piece is not None:
                piece *= factor * block.scale
                result[:, block.start : block.stop] += reshape(piece, (k, -1))
        if layer == 1:
            break
        first = second = second_order = tangent = None
        if signal is not None:
            flat = reshape(signal, (m * k, n))
            first = reshape(_product(flat, weight, buffers, ("first", layer)), (m, k, before))
        if directions is not None and tangents is not None:
            push = directions[layer - 1][0]
            if k > 1:
                push = array_namespace(push).permute_dims(push, (1, 0, 2))
            flat = reshape(push, (n, k * before))
            delta = batch.deltas[layer - 1]
            second = reshape(_product(delta, flat, buffers, ("second", layer)), (m, k, before))
            second_order = batch.curvature_signals[layer - 2]
            tangent = tangents[layer - 2][0]
        signal = pull_through(first, second, batch.slopes[layer - 2], second_order, tangent)


def _weight_product(
    batch: ForwardPass,
    block: ParameterBlock,
    signal: Array | None,
    tangents: list[tuple[Array, Array]] | None,
    k: int,
    buffers: Buffers,
) -> Array | None:
    """Return sum_mu R delta^T a + delta^T R a for a weight block, sum_mu R delta for a bias."""
    reshape = reshape_of(batch.x)
    m, n = batch.samples, block.shape[0]
    if block.is_bias:
        return None if signal is None else array_namespace(signal).sum(signal, axis=0)
    piece = None
    before = block.shape[1]
    if signal is not None:
        flat = reshape(signal, (m, k * n)).T
        inputs = batch.inputs[block.layer - 1]
        piece = reshape(_product(flat, inputs, buffers, ("W", block.layer)), (k, n, before))
    if tangents is not None and block.layer > 1:
        moved = reshape(tangents[block.layer - 2][1], (m, k * before))
        delta = batch.deltas[block.layer - 1].T
        cross = reshape(_product(delta, moved, buffers, ("X", block.layer)), (n, k, before))
        cross = array_namespace(cross).permute_dims(cross, (1, 0, 2))
        if piece is None:
            piece = cross
        else:
            piece += cross
    return piece


def _product(left: Array, right: Array, buffers: Buffers, name: Hashable) -> Array:
    """Return left @ right, for large NumPy arrays in the buffer of that name."""
    shape = (left.shape[0], right.shape[1])
    if shape[0] * shape[1] < LARGE or not isinstance(left, np.ndarray):
        return times(left, right)
    out = buffers.get(name)
    if out is None or out.shape != shape:
        out = buffers[name] = np.empty(shape, dtype=left.dtype)
    return np.matmul(left, right, out=out)


def _buffer(like: Array, buffers: Buffers, name: Hashable) -> Array | None:
    """Return the buffer of that name in the shape of a large NumPy array, None for others."""
    if not isinstance(like, np.ndarray) or like.size < LARGE:
        return None
    out = buffers.get(name)
    if out is None or out.shape != like.shape:
        out = buffers[name] = np.empty_like(like)
    return out
