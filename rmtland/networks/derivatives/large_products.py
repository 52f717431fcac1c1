r"""Blocks of the Hessian by few large matrix products: the route of arrays on a device.

The formulas are those of `rmtland.networks.derivatives.hessian` and of
`rmtland.networks.derivatives.last_layers`. A processor likes products that stay in its cache; a
device likes few and large ones, and pays for each launch. So each block is one product over samples
of pairs of units (a,c) by pairs of inputs (b,d), or some strips of rows where the block is
symmetric and large, and scattered entries are written through strided views
(`rmtland.networks.derivatives.block_views`). The number of launches depends on the depth of the
network, not on its widths. Synonyms: GPU assembly, CUDA.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((1, 1, 1), activation="quadratic").at([2.0, 3.0], [[1.0]], [[12.0]])
>>> d = LayerDerivatives.of(next(iter(point.passes())), point.net.blocks)
>>> matrix = np.zeros((2, 2))
>>> for layer in (1, 2):
...     entries = list(columns_by_large_products(matrix, d, layer, "total", True, False))
>>> matrix
array([[144.,  48.],
       [ 48.,  16.]])
"""

from __future__ import annotations

from collections.abc import Iterator

from rmtland.arrays import array_namespace
from rmtland.networks.cuda_graphs import times
from rmtland.networks.derivatives.block_views import (
    by_units,
    diagonal_blocks,
    inputs_of,
    mirrored_stripes,
    stripes,
)
from rmtland.networks.derivatives.general_blocks import signals
from rmtland.networks.derivatives.layer_derivatives import LayerDerivatives
from rmtland.networks.derivatives.symmetric_blocks import put_rows_to_the_diagonal
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["STRIP", "STRIPS", "columns_by_large_products"]

STRIP = 2**25
"""Entries of a symmetric block up to which it is one product, both halves of it."""

STRIPS = 8
"""Into at most so many strips of rows a larger one is cut; each ends at the diagonal."""


def columns_by_large_products(
    matrix: Array, d: LayerDerivatives, layer: int, part: str, closed: bool, add: bool
) -> Iterator[Array]:
    """Fill the blocks (l', l), l' >= l = `layer`, and their mirror images.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to; of a library that is not NumPy.
    d : LayerDerivatives
        The network at the point.
    layer : int
        l.
    part : {"gauss_newton", "residual", "total"}
        Of which matrix.
    closed : bool
        Use the closed forms between the last two layers (half the squared error).
    add : bool
        Whether to add to what is there.

    Returns
    -------
    iterator of array
        The entries that were written, on and below the diagonal; none of a closed form of the
        Gauss-Newton part, which its diagonal bounds.
    """
    if closed and layer >= d.depth - 1:
        if part != "residual":
            _closed_gauss_newton(matrix, d, layer, add)
        if part != "gauss_newton":
            yield from _closed_residual(matrix, d, layer, add or part == "total")
        return
    jacobians = d.forward_jacobians(layer)
    for above, signal in signals(d, layer, jacobians, part):
        moved = None  # d a_{l'-1}/dz_l
        if above > layer + 1 and part != "gauss_newton":
            moved = d.slopes[above - 2][:, None, :] * jacobians[above - 1]
        for upper, lower in d.pairs(above, layer):
            indirect = above > layer and not upper.is_bias and part != "gauss_newton"
            if signal is not None:
                if layer == d.depth and d.curvature.is_identity:
                    _write_identity_times(matrix, d, upper, lower, add)
                elif upper is lower:
                    _write_symmetric(matrix, d, upper, signal, add)
                else:
                    _write_pairs(matrix, d, upper, lower, signal, add)
            if indirect and moved is None:
                _write_neighbours(matrix, d, upper, lower, add or signal is not None)
            elif indirect:
                _write_distant(matrix, d, upper, lower, moved, add or signal is not None)
            if signal is not None or indirect:
                yield matrix[upper.slice, lower.slice]


def _closed_gauss_newton(matrix: Array, d: LayerDerivatives, layer: int, add: bool) -> None:
    for above in range(d.depth, layer - 1, -1):
        for upper, lower in d.pairs(above, layer):
            if layer == d.depth:
                _write_identity_times(matrix, d, upper, lower, add)
            elif above == d.depth:
                _write_output_hidden(matrix, d, upper, lower, add)
            else:
                _write_hidden_hidden(matrix, d, upper, lower, add)


def _closed_residual(matrix: Array, d: LayerDerivatives, layer: int, add: bool) -> Iterator[Array]:
    if layer == d.depth:
        return
    for upper, lower in d.pairs(d.depth, layer):
        if not upper.is_bias:
            yield _write_neighbours(matrix, d, upper, lower, add)
    second = d.curvature_signals[layer - 1]
    if second is None:
        return
    for upper, lower in d.pairs(layer, layer):
        left, right = d.input_of(upper), d.normalised_input_of(lower)
        xp = array_namespace(matrix)
        k, width = left.shape[0], right.shape[1]
        if k <= second.shape[0]:
            product = xp.reshape(times(second, _pairs_of_inputs(left, right.T).T), (-1, k, width))
        else:  # fewer units than inputs: the smaller workspace
            product = (second[:, None, :] * left[None, :, :]) @ right[None, :, :]
        _put_diagonal_blocks(matrix, upper, lower, product, add)
        yield product


def _write_identity_times(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Between output weights: I (x) u' u^T/m."""
    product = times(d.input_of(upper), d.normalised_input_of(lower))
    _put_diagonal_blocks(matrix, upper, lower, product[None, :, :], add)


def _write_output_hidden(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Output (i,b) and last hidden (j,k) weights: W_L[i,j] sum_mu u'_b f'_j u_k/m."""
    xp = array_namespace(matrix)
    weight = d.weights[-1]
    product = times(d.normalised_input_of(upper).T, d.slope_times_input(lower).T)
    product = xp.reshape(product, (inputs_of(upper), weight.shape[1], inputs_of(lower)))
    _put_product(
        by_units(matrix, upper, lower), weight[:, None, :, None], product[None, :, :, :], add
    )
    turned = xp.permute_dims(product, (1, 2, 0))
    _put_product(
        by_units(matrix, lower, upper), weight.T[:, None, :, None], turned[:, :, None, :], add
    )


def _write_hidden_hidden(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Between last hidden weights: (W_L^T W_L)[j,j'] sum_mu f'_j u'_k f'_j' u_k'/m."""
    xp = array_namespace(matrix)
    weight = d.weights[-1]
    gram = times(weight.T, weight) * d.normalisation
    left = d.slope_times_input(upper)
    right = left if upper is lower else d.slope_times_input(lower)
    k, width = inputs_of(upper), inputs_of(lower)
    for first, last, reached in _strips(upper, lower):
        product = times(left[first * k : last * k, :], right[: reached * width, :].T)
        seen = xp.reshape(product, (last - first, k, reached, width), copy=False)
        seen *= gram[first:last, None, :reached, None]
        _put_strip(matrix, upper, lower, first, product, add)


def _write_symmetric(
    matrix: Array, d: LayerDerivatives, block: ParameterBlock, signal: Array, add: bool
) -> None:
    """Write sum_mu signal[a,c] u[b] u[d]/m of a block with itself, and its mirror image."""
    xp = array_namespace(matrix)
    left, right = d.input_of(block), d.normalised_input_of(block).T
    k = inputs_of(block)
    inputs = _pairs_of_inputs(left, right).T
    for first, last, reached in _strips(block, block):
        units = xp.reshape(signal[first:last, :reached, :], (-1, d.samples))
        product = xp.reshape(times(units, inputs), (last - first, reached, k, k))
        product = xp.permute_dims(product, (0, 2, 1, 3))
        strip = xp.reshape(product, ((last - first) * k, reached * k))
        _put_strip(matrix, block, block, first, strip, add)


def _write_pairs(
    matrix: Array,
    d: LayerDerivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    signal: Array,
    add: bool,
) -> None:
    """Write sum_mu signal[a,c] u'[b] u[d]/m and its mirror image, as one product."""
    xp = array_namespace(matrix)
    inputs = _pairs_of_inputs(d.input_of(upper), d.normalised_input_of(lower).T)
    units = xp.reshape(signal, (-1, d.samples))
    product = xp.reshape(
        times(units, inputs.T), (upper.shape[0], lower.shape[0], inputs_of(upper), inputs_of(lower))
    )
    _put(by_units(matrix, upper, lower), xp.permute_dims(product, (0, 2, 1, 3)), add)
    _put(by_units(matrix, lower, upper), xp.permute_dims(product, (1, 3, 0, 2)), add)


def _write_neighbours(
    matrix: Array, d: LayerDerivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> Array:
    """Neighbouring layers, l' = l + 1, entries (a,j) and (j,d): sum_mu delta_l'[a] f'_j u_d/m."""
    xp = array_namespace(matrix)
    delta = d.deltas[upper.layer - 1] * (d.normalisation * upper.scale)
    values = times(delta, d.slope_times_input(lower).T)
    values = xp.reshape(values, (*upper.shape, inputs_of(lower)))
    turned = xp.permute_dims(values, (1, 2, 0))
    for units, view in stripes(matrix, upper, lower):
        _put(view, values[:, units, :], add)
    for units, view in mirrored_stripes(matrix, upper, lower):
        _put(view, turned[units, :, :], add)
    return values


def _write_distant(
    matrix: Array,
    d: LayerDerivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    moved: Array,
    add: bool,
) -> None:
    """Write sum_mu delta_l'[a] (d a_{l'-1}[b]/dz_l[c]) u[d]/m and its mirror image."""
    xp = array_namespace(matrix)
    delta = d.deltas[upper.layer - 1] * upper.scale
    right = d.normalised_input_of(lower).T
    units = _pairs_of_inputs(delta, right)  # (a,d)
    product = times(units, xp.reshape(moved, (-1, d.samples)).T)
    product = xp.reshape(
        product, (upper.shape[0], inputs_of(lower), inputs_of(upper), lower.shape[0])
    )
    _put(by_units(matrix, upper, lower), xp.permute_dims(product, (0, 2, 3, 1)), add)
    _put(by_units(matrix, lower, upper), xp.permute_dims(product, (3, 1, 0, 2)), add)


def _pairs_of_inputs(left: Array, right: Array) -> Array:
    """Return left[b] right[d] with rows (b, d), shape (k width, m)."""
    xp = array_namespace(left)
    return xp.reshape(left[:, None, :] * right[None, :, :], (-1, left.shape[1]))


def _strips(upper: ParameterBlock, lower: ParameterBlock) -> Iterator[tuple[int, int, int]]:
    """Return strips of units (first, last) of rows, and the units of columns to be written."""
    n = upper.shape[0]
    if upper is not lower:
        yield 0, n, lower.shape[0]
        return
    entries = (n * inputs_of(upper)) ** 2
    step = n if entries <= STRIP else max(1, -(-n // STRIPS))
    for first in range(0, n, step):
        last = min(first + step, n)
        yield first, last, last


def _put_strip(
    matrix: Array,
    upper: ParameterBlock,
    lower: ParameterBlock,
    first: int,
    strip: Array,
    add: bool,
) -> None:
    """Write rows of a block from unit `first` on, and their mirror image."""
    start = upper.start + first * inputs_of(upper)
    rows = slice(start, start + strip.shape[0])
    if upper is lower:
        put_rows_to_the_diagonal(matrix, rows, lower.start, strip, add)
        return
    columns = slice(lower.start, lower.start + strip.shape[1])
    _put(matrix[rows, columns], strip, add)
    _put(matrix[columns, rows], strip.T, add)


def _put_diagonal_blocks(
    matrix: Array, upper: ParameterBlock, lower: ParameterBlock, product: Array, add: bool
) -> None:
    """Write a product of shape (n or 1, k, width) for each unit, and its mirror image."""
    xp = array_namespace(matrix)
    turned = xp.permute_dims(product, (0, 2, 1))
    if upper is lower:
        product = 0.5 * (product + turned)
    one = product.shape[0] == 1
    for units, view in diagonal_blocks(matrix, upper, lower):
        _put(view, product if one else product[units, :, :], add)
    if upper is not lower:
        for units, view in diagonal_blocks(matrix, lower, upper):
            _put(view, turned if one else turned[units, :, :], add)


def _put(view: Array, values: Array, add: bool) -> None:
    if add:
        view += values
    else:
        view[...] = values


def _put_product(view: Array, first: Array, second: Array, add: bool) -> None:
    """Write a product that broadcasts to a view, without a temporary where the library can."""
    xp = array_namespace(view)
    if add:
        view += first * second
    elif xp.__name__.rsplit(".", maxsplit=1)[-1] in ("cupy", "torch"):
        xp.multiply(first, second, out=view)
    else:
        view[...] = first * second
