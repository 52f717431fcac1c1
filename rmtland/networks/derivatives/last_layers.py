r"""Closed forms of the blocks between the last two layers, for half the squared error.

With the last hidden layer's slopes f', its inputs u, the output layer's inputs u' and W = W_L,

.. math::

    H_0[W_L, W_L] &= I \otimes \langle u' u'^T\rangle, \\
    H_0[(i,b), (j,k)] &= W_{ij} \langle u'_b f'_j u_k\rangle, \\
    H_0[(j,k), (j',k')] &= (W^T W)_{jj'} \langle f'_j u_k f'_{j'} u_{k'}\rangle, \\
    H_1[(i,j), (j,k)] &= \langle r_i f'_j u_k\rangle, \qquad
    H_1[(j,k), (j,k')] = \langle g_j f''_j u_k u_{k'}\rangle,

averages over samples, r the residuals and g = W^T r. With one hidden layer that is the whole
Hessian (Pennington & Bahri, ICML 2017, write it down for ReLU). NumPy only; other libraries take
the general recursion.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> MLP((1, 1, 1), activation="linear").at([2.0, 3.0], [[1.0]], [[6.0]]).hessian().gauss_newton
array([[9., 6.],
       [6., 4.]])
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rmtland.networks.derivatives.layer_derivatives import LayerDerivatives
from rmtland.networks.derivatives.symmetric_blocks import (
    Region,
    put,
    put_product,
    put_rows_to_the_diagonal,
    row_of,
)
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["ROWS_AT_ONCE", "gauss_newton_columns", "residual_columns"]

ROWS_AT_ONCE = 384
"""Rows of the hidden block of H0 made by one matrix product, so that it stays in the cache."""


def gauss_newton_columns(matrix: Array, d: LayerDerivatives, layer: int, add: bool) -> None:
    """Fill the blocks (l', l) of H0, l' >= l = `layer` >= L - 1, and their mirror images.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to.
    d : LayerDerivatives
        The network at the point.
    layer : int
        l, the last or the last but one.
    add : bool
        Whether to add to what is there.
    """
    for above in range(d.depth, layer - 1, -1):
        for upper, lower in d.pairs(above, layer):
            if layer == d.depth:
                _write_output_output(matrix, d, upper, lower, add)
            elif above == d.depth:
                _write_output_hidden(matrix, d, upper, lower, add)
            else:
                _write_hidden_hidden(matrix, d, upper, lower, add)


def _write_output_output(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Between output weights: I (x) u' u^T/m."""
    product = d.input_of(upper) @ d.normalised_input_of(lower)
    if upper is lower:
        product = 0.5 * (product + product.T)
    for output in range(upper.shape[0]):
        rows, columns = row_of(upper, output), row_of(lower, output)
        put(matrix, rows, columns, product, add)
        if upper is not lower:
            put(matrix, columns, rows, product.T, add)


def _write_output_hidden(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Output (i,b) and last hidden (j,k) weights: W_L[i,j] sum_mu u'_b f'_j u_k/m."""
    weight = d.weights[-1]
    features = d.slope_times_input(lower)
    n_out, n_hidden = weight.shape
    product = d.normalised_input_of(upper).T @ features.T  # (b, (j,k))
    turned = np.ascontiguousarray(product.T)
    width = features.shape[0] // n_hidden
    k = product.shape[0]
    columns = lower.slice
    for i, wide in enumerate(np.repeat(weight, width, axis=1)):
        rows = slice(upper.start + i * k, upper.start + (i + 1) * k)
        put_product(matrix[rows, columns], wide[None, :], product, add)
    mirror = matrix[columns, upper.slice].reshape(-1, n_out, k, copy=False)
    for j in range(n_hidden):
        rows = slice(j * width, (j + 1) * width)
        put_product(mirror[rows], weight[:, j][None, :, None], turned[rows, None, :], add)


def _write_hidden_hidden(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Between last hidden weights: (W_L^T W_L)[j,j'] sum_mu f'_j u'_k f'_j' u_k'/m."""
    weight = d.weights[-1]
    n_hidden = weight.shape[1]
    gram = (weight.T @ weight) * d.normalisation
    left = d.slope_times_input(upper)
    right = left if upper is lower else d.slope_times_input(lower)
    k, width = left.shape[0] // n_hidden, right.shape[0] // n_hidden
    gram_columns = np.repeat(gram, width, axis=1)[:, None, :]
    step = max(1, ROWS_AT_ONCE // k)
    for first in range(0, n_hidden, step):  # rows up to the diagonal, and their mirror image
        last = min(first + step, n_hidden)
        rows = slice(first * k, last * k)
        reached = (last if upper is lower else n_hidden) * width
        product = left[rows] @ right[:reached].T
        by_unit = product.reshape(last - first, k, -1, copy=False)
        by_unit *= gram_columns[first:last, :, :reached]
        place = slice(upper.start + rows.start, upper.start + rows.stop)
        if upper is lower:
            put_rows_to_the_diagonal(matrix, place, lower.start, product, add)
        else:
            columns = slice(lower.start, lower.start + reached)
            put(matrix, place, columns, product, add)
            put(matrix, columns, place, product.T, add)


def residual_columns(matrix: Array, d: LayerDerivatives, layer: int, add: bool) -> Iterator[Region]:
    """Fill the blocks (l', l) of H1, l' >= l = `layer` >= L - 1; yield the regions written.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to.
    d : LayerDerivatives
        The network at the point.
    layer : int
        l, the last or the last but one.
    add : bool
        Whether to add to what is there.

    Returns
    -------
    iterator of (slice, slice)
        The regions that were written.
    """
    if layer == d.depth:
        return
    for upper, lower in d.pairs(d.depth, layer):
        if not upper.is_bias:
            yield from _write_stripes(matrix, d, upper, lower, add)
    second = d.curvature_signals[layer - 1]
    if second is not None:
        for upper, lower in d.pairs(layer, layer):
            yield from _write_block_diagonal(matrix, d, upper, lower, second, add)


def _write_stripes(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> Iterator[Region]:
    """Neighbouring layers, l' = l + 1, entries (a,j) and (j,d): sum_mu delta_l'[a] f'_j u_d/m."""
    n_here = upper.shape[1]
    delta = d.deltas[upper.layer - 1] * (d.normalisation * upper.scale)
    values = delta @ d.slope_times_input(lower).T
    width = values.shape[1] // n_here
    for j in range(n_here):
        rows = slice(upper.start + j, upper.stop, n_here)
        columns = row_of(lower, j)
        stripe = values[:, j * width : (j + 1) * width]
        put(matrix, rows, columns, stripe, add)
        put(matrix, columns, rows, stripe.T, add)
        yield rows, columns
        yield columns, rows


def _write_block_diagonal(
    matrix: Array,
    d: LayerDerivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    diagonal: Array,
    add: bool,
) -> Iterator[Region]:
    """Last hidden layer, entries (j,b) and (j,d): sum_mu diagonal_j u'_b u_d/m."""
    left, right = d.input_of(upper), d.normalised_input_of(lower)
    if len(left) <= len(diagonal):  # one matrix product
        pairs = (left[:, None, :] * right.T[None, :, :]).reshape(-1, d.samples)
        products = (diagonal @ pairs.T).reshape(-1, len(left), right.shape[1])
    else:  # one for each hidden unit: fewer than inputs, so the smaller workspace
        products = (diagonal[:, None, :] * left) @ right
    for j, product in enumerate(products):
        rows, columns = row_of(upper, j), row_of(lower, j)
        if upper is lower:
            put(matrix, rows, columns, 0.5 * (product + product.T), add)
            yield rows, columns
        else:
            put(matrix, rows, columns, product, add)
            put(matrix, columns, rows, product.T, add)
            yield rows, columns
            yield columns, rows
