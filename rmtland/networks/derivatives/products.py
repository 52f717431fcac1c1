r"""Gradients and matrix-free products over all samples: batch after batch, vectors in groups.

What `rmtland.networks.derivatives.r_operator` does for one batch is summed here over the batches of
a loss, with so many vectors at once that their tangents fit into the workspace.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 1)).at([1.0, 2.0], [[3.0, 4.0]], [[1.0]])
>>> jacobian_product(point.passes(), np.array([[1.0, 0.0]]), point.net.blocks)
array([[3.]])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from rmtland.arrays import array_namespace, device_options
from rmtland.networks.array_arguments import product_of, reshape_of
from rmtland.networks.derivatives.device_products import add_device_product
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.r_operator import (
    add_curvature_products,
    add_fisher_products,
    add_pulled_back,
    is_small,
    joined_blocks,
    push_forward,
)
from rmtland.networks.derivatives.small_products import small_curvature_product
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = [
    "TANGENTS_AT_ONCE",
    "TANGENTS_ON_DEVICE",
    "curvature_product",
    "drawn_gradients",
    "fisher_product",
    "jacobian_product",
    "joined",
    "loss_gradient",
    "transposed_jacobian_product",
]

TANGENTS_AT_ONCE = 2**20
"""Entries of one array of tangents; more vectors are taken in turns."""

TANGENTS_ON_DEVICE = 2**26
"""The same for arrays that are not NumPy's: larger, as a device pays for each launch."""

Blocks = tuple[ParameterBlock, ...]
Batches = Iterable[ForwardPass]


def loss_gradient(
    batches: Batches, blocks: Blocks, theta: Array, *, samples: int, weight_decay: float = 0.0
) -> Array:
    """Return the gradient of the loss, shape (p,).

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    theta : array, shape (p,)
        The parameters.
    samples : int
        The number m of samples, over all batches.
    weight_decay : float, optional
        w in (w/2) |theta|^2.

    Returns
    -------
    array, shape (p,)
        Not checked for overflow.
    """
    times = product_of(theta)
    gradient: Array = None
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            deltas, inputs = batch.deltas, batch.inputs
            pieces: list[Array | None] = []
            for block in blocks:
                delta = deltas[block.layer - 1]
                if block.is_bias:
                    pieces.append(batch.xp.sum(delta, axis=0))
                else:
                    pieces.append(times(delta.T, inputs[block.layer - 1]))
            whole = joined_blocks(pieces, blocks, theta)
            gradient = whole if gradient is None else gradient + whole
        gradient /= samples
        if weight_decay:
            gradient += weight_decay * theta
    return gradient


def jacobian_product(batches: Batches, rows: Array, blocks: Blocks) -> Array:
    """Return J v for k vectors, shape (m n_out, k).

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    rows : array, shape (k, p)
        The vectors.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    array, shape (m n_out, k)
        Not checked for overflow.
    """
    pieces = []
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            xp = batch.xp
            pushed = joined(
                [
                    push_forward(batch, rows[group, :], blocks)
                    for group in groups(rows.shape[0], batch)
                ],
                axis=1,
            )  # (m, k, n_out)
            pieces.append(xp.reshape(xp.permute_dims(pushed, (0, 2, 1)), (-1, pushed.shape[1])))
        return joined(pieces)


def transposed_jacobian_product(batches: Batches, signal: Array, blocks: Blocks) -> Array:
    """Return J^T u for k vectors, as rows, shape (k, p).

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    signal : array, shape (m, k, n_out)
        The vectors.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    array, shape (k, p)
        Not checked for overflow.
    """
    rows = array_namespace(signal).zeros(
        (signal.shape[1], blocks[-1].stop), dtype=signal.dtype, **device_options(signal)
    )
    start = 0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            stop = start + batch.samples
            add_pulled_back(batch, signal[start:stop, :, :], blocks, rows)
            start = stop
    return rows


def curvature_product(
    batches: Batches, rows: Array, blocks: Blocks, *, samples: int, part: str
) -> Array:
    """Return the product of the Hessian, or of one of its parts, with k vectors, as rows.

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    rows : array, shape (k, p)
        The vectors.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    samples : int
        The number m of samples, over all batches.
    part : {"gauss_newton", "residual", "total"}
        Which matrix, without weight decay.

    Returns
    -------
    array, shape (k, p)
        Not checked for overflow.
    """
    parts = {"gauss_newton": part != "residual", "residual": part != "gauss_newton"}
    factor = 1.0 / samples
    result: Array = None
    k = rows.shape[0]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            if k == 1 and batch.xp is np and is_small(batch.samples, batch.widths):
                product = small_curvature_product(batch, rows[0, :], blocks, **parts)
                product *= factor * batch.samples
                product = reshape_of(product)(product, (1, -1))
                result = product if result is None else result + product
                continue
            if result is None:
                result = array_namespace(rows).zeros_like(rows)
            if k == 1 and batch.xp is not np:
                target = result[0, :]
                add_device_product(batch, rows[0, :], blocks, target, factor=factor, **parts)
                continue
            for group in groups(k, batch):
                add_curvature_products(
                    batch, rows[group, :], blocks, result[group, :], factor=factor, **parts
                )
    return result


def fisher_product(
    batches: Batches,
    rows: Array,
    blocks: Blocks,
    gradients: tuple[Array, ...],
    *,
    samples: int,
) -> Array:
    """Return the product of an empirical Fisher matrix with k vectors, as rows.

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    rows : array, shape (k, p)
        The vectors.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    gradients : tuple of array, shape (m, n_out)
        The gradient of the loss of each sample in its outputs, at each draw of the targets.
    samples : int
        The number m of samples, over all batches.

    Returns
    -------
    array, shape (k, p)
        Not checked for overflow.
    """
    result = array_namespace(rows).zeros_like(rows)
    factor = 1.0 / (samples * len(gradients))
    first = 0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            last = first + batch.samples
            for group in groups(rows.shape[0], batch):
                for gradient in gradients:
                    here = gradient[first:last, :]
                    add_fisher_products(
                        batch, rows[group, :], blocks, result[group, :], here, factor=factor
                    )
            first = last
    return result


def drawn_gradients(batches: Batches, generators: list[np.random.Generator]) -> tuple[Array, ...]:
    """Return dl/do at targets drawn from the network's distribution, once by each generator.

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    generators : list of Generator
        Each draws targets for the samples in their order, whatever the batches.

    Returns
    -------
    tuple of array, shape (m, n_out)
        One a generator.
    """
    drawn: list[list[Array]] = [[] for _ in generators]
    for batch in batches:
        for pieces, generator in zip(drawn, generators, strict=True):
            targets = batch.loss.draw(batch.outputs, generator)
            pieces.append(batch.loss.gradient(batch.outputs, targets))
    return tuple(joined(pieces) for pieces in drawn)


def groups(vectors: int, batch: ForwardPass) -> Iterator[slice]:
    """Return slices of so many vectors that their tangents fit into the workspace.

    Parameters
    ----------
    vectors : int
        How many there are.
    batch : ForwardPass
        The samples.

    Returns
    -------
    iterator of slice
    """
    entries = TANGENTS_AT_ONCE if batch.xp is np else TANGENTS_ON_DEVICE
    step = max(1, entries // (batch.samples * max(batch.widths[1:])))
    for start in range(0, vectors, step):
        yield slice(start, min(start + step, vectors))


def joined(arrays: list[Array], axis: int = 0) -> Array:
    """Return arrays joined along an axis; a single one as it is.

    Parameters
    ----------
    arrays : list of array
        At least one.
    axis : int, optional
        Along which.

    Returns
    -------
    array
    """
    return arrays[0] if len(arrays) == 1 else array_namespace(arrays[0]).concat(arrays, axis=axis)
