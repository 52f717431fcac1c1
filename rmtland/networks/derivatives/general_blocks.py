r"""Blocks of the Hessian of a network of any depth with any loss, by recursion over layers.

The recursion for Q and both ways to write a block, over rows (a,b,c) or over pairs of units and
pairs of inputs, are those of `rmtland.networks.derivatives.hessian`.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((1, 1, 1), activation="quadratic").at([2.0, 3.0], [[1.0]], [[12.0]])
>>> point.hessian().total
array([[144.,  48.],
       [ 48.,  16.]])
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rmtland.arrays import array_namespace
from rmtland.networks.derivatives.layer_derivatives import LayerDerivatives
from rmtland.networks.derivatives.symmetric_blocks import (
    Region,
    add_in_place,
    left_multiply,
    put,
    put_rows_to_the_diagonal,
)
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["FACTOR", "PRODUCT", "general_columns", "signals"]

FACTOR = 2**18
"""Entries of the left factor of one matrix product, so that it stays in the cache."""

PRODUCT = 2**20
"""Entries of one matrix product over pairs of units and inputs."""


def signals(
    d: LayerDerivatives, layer: int, jacobians: dict[int, Array], part: str
) -> Iterator[tuple[int, Array | None]]:
    """Return (l', Q_{l'l}) from the last layer down to l = `layer`; None where Q is zero.

    Parameters
    ----------
    d : LayerDerivatives
        The network at the point.
    layer : int
        l.
    jacobians : dict
        {l': dz_l'/dz_l}, of `LayerDerivatives.forward_jacobians`.
    part : {"gauss_newton", "residual", "total"}
        Of which matrix.

    Returns
    -------
    iterator of (int, array or None)
        Arrays of shape (n_l', n_l, m or 1).
    """
    signal = None
    if part != "residual":
        signal = d.curvature.times_samples_last(jacobians[d.depth])
    for above in range(d.depth, layer - 1, -1):
        if above < d.depth:
            if signal is not None:
                pulled = left_multiply(d.weights[above].T, signal)
                signal = d.slopes[above - 1][:, None, :] * pulled
            second = d.curvature_signals[above - 1]
            if second is not None and part != "gauss_newton":
                moved = second[:, None, :] * jacobians[above]
                signal = moved if signal is None else signal + moved
        yield above, signal


def general_columns(
    matrix: Array, d: LayerDerivatives, layer: int, part: str, structured: bool, add: bool
) -> Iterator[Region]:
    """Fill the blocks (l', l), l' >= l = `layer`, and their mirror images.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to.
    d : LayerDerivatives
        The network at the point.
    layer : int
        l.
    part : {"gauss_newton", "residual", "total"}
        Of which matrix.
    structured : bool
        Use products over pairs of units where they are faster.
    add : bool
        Whether to add to what is there.

    Returns
    -------
    iterator of (slice, slice)
        The blocks that were written.
    """
    jacobians = d.forward_jacobians(layer)
    for above, signal in signals(d, layer, jacobians, part):
        for upper, lower in d.pairs(above, layer):
            activation_jacobian = None
            if above > layer and not upper.is_bias and part != "gauss_newton":
                slope = d.slopes[above - 2] * upper.scale
                activation_jacobian = slope[:, None, :] * jacobians[above - 1]
            if signal is None and activation_jacobian is None:
                continue
            pairs = upper.shape[0] * lower.shape[0]
            many = pairs >= d.input_of(lower).shape[0] and isinstance(matrix, np.ndarray)
            if structured and many and (signal is None or signal.shape[2] == d.samples):
                _write_by_pairs(matrix, d, upper, lower, signal, activation_jacobian, add)
            else:
                _write_general(matrix, d, upper, lower, signal, activation_jacobian, add)
            yield upper.slice, lower.slice
            if upper is not lower:
                yield lower.slice, upper.slice


def _write_general(
    matrix: Array,
    d: LayerDerivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    signal: Array | None,
    activation_jacobian: Array | None,
    add: bool,
) -> None:
    """Write sum_mu (signal[a,c] u'[b] + delta[a] R[b,c]) u[d]/m and its mirror image.

    `signal` has shape (n_l', n_l, m or 1), R = `activation_jacobian` = d a_{l'-1}/dz_l shape
    (n_{l'-1}, n_l, m).
    """
    xp = array_namespace(matrix)
    left, right = d.input_of(upper), d.normalised_input_of(lower)
    delta = d.deltas[upper.layer - 1]
    n_above, n_here = upper.shape[0], lower.shape[0]
    k, width = left.shape[0], right.shape[1]
    symmetric = upper is lower
    step = max(1, FACTOR // (k * n_here * d.samples))
    for first in range(0, n_above, step):  # rows (a, b) with first <= a < last
        last = min(first + step, n_above)
        reached = last if symmetric else n_here
        factor = None
        if signal is not None:
            factor = left[None, :, None, :] * signal[first:last, None, :reached, :]
        if activation_jacobian is not None:
            indirect = delta[first:last, None, None, :] * activation_jacobian[None, :, :reached, :]
            factor = indirect if factor is None else add_in_place(factor, indirect)
        product = xp.reshape(factor, ((last - first) * k * reached, d.samples)) @ right
        product = xp.reshape(product, ((last - first) * k, reached * width))
        rows = slice(upper.start + first * k, upper.start + last * k)
        if symmetric:
            put_rows_to_the_diagonal(matrix, rows, lower.start, product, add)
        else:
            columns = slice(lower.start, lower.stop)
            put(matrix, rows, columns, product, add)
            put(matrix, columns, rows, product.T, add)


def _write_by_pairs(
    matrix: Array,
    d: LayerDerivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    signal: Array | None,
    activation_jacobian: Array | None,
    add: bool,
) -> None:
    """Write the same as products over samples of (a,c) by (b,d) and of (a,d) by (b,c).

    Fewer and larger matrix products of smaller factors, where there are at least as many pairs of
    units (a,c) as inputs d. On the diagonal both factors are symmetric: a quarter of the work.
    """
    left, right = d.input_of(upper), d.normalised_input_of(lower).T
    (n_above, n_here), k, width = (upper.shape[0], lower.shape[0]), len(left), len(right)
    delta = d.deltas[upper.layer - 1]
    if upper is lower:
        _write_pairs_of_one_block(matrix, d, upper, signal, add)
        return
    if signal is not None:
        inputs = (left[:, None, :] * right[None, :, :]).reshape(k * width, d.samples)
    neighbours = upper.layer == lower.layer + 1
    columns = slice(lower.start, lower.stop)
    step = max(1, PRODUCT // (n_here * k * width))
    for first in range(0, n_above, step):
        last = min(first + step, n_above)
        rows = slice(upper.start + first * k, upper.start + last * k)
        block = np.zeros((last - first, k, n_here, width), dtype=matrix.dtype)
        if signal is not None:
            units = signal[first:last].reshape(-1, d.samples)
            product = (units @ inputs.T).reshape(last - first, n_here, k, width)
            block[...] = product.transpose(0, 2, 1, 3)
        if activation_jacobian is not None and neighbours:
            units = delta[first:last] * upper.scale
            product = (units @ d.slope_times_input(lower).T).reshape(-1, n_here, width)
            each = np.arange(n_here)  # activation_jacobian is diagonal
            block[:, each, each, :] += product * d.normalisation
        elif activation_jacobian is not None:
            units = (delta[first:last, None, :] * right[None, :, :]).reshape(-1, d.samples)
            product = (units @ activation_jacobian.reshape(k * n_here, -1).T).reshape(
                -1, width, k, n_here
            )
            block += product.transpose(0, 2, 3, 1)
        flat = block.reshape((last - first) * k, n_here * width)
        put(matrix, rows, columns, flat, add)
        put(matrix, columns, rows, flat.T, add)


def _write_pairs_of_one_block(
    matrix: Array, d: LayerDerivatives, block: ParameterBlock, signal: Array, add: bool
) -> None:
    """Write sum_mu signal[a,c] u[b] u[d]/m from the pairs with b >= d and, by strips, a >= c."""
    left, right = d.input_of(block), d.normalised_input_of(block).T
    n, k = block.shape[0], len(left)
    high, low = np.tril_indices(k)
    inputs = left[high] * right[low]
    pair = np.empty((k, k), dtype=np.intp)  # where (b,d) stands among the pairs
    pair[high, low] = pair[low, high] = np.arange(len(high))
    step = max(1, min(-(-n // 4), PRODUCT // (n * k * k)))
    for first in range(0, n, step):
        last = min(first + step, n)
        units = signal[first:last, :last].reshape(-1, d.samples)
        product = np.take(units @ inputs.T, pair, axis=1)  # (a,c), b, d
        product = product.reshape(last - first, last, k, k).transpose(0, 2, 1, 3)
        rows = slice(block.start + first * k, block.start + last * k)
        strip = product.reshape((last - first) * k, last * k)
        put_rows_to_the_diagonal(matrix, rows, block.start, strip, add)
