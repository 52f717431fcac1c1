"""Blocks of a Hessian seen as arrays with axes for units and inputs, written by strided slices.

Each function returns views into a (p, p) matrix, so that one assignment writes entries that lie
scattered over a whole block: one launch on a device, where a loop over units would be hundreds. A
bias counts as a weight with one input. Only slices and reshapes of the array-API standard.

>>> import numpy as np
>>> from rmtland.networks.parameters import parameter_blocks
>>> (block,) = parameter_blocks((2, 3), bias=False)
>>> matrix = np.zeros((6, 6))
>>> for units, view in diagonal_blocks(matrix, block, block):
...     view += 1.0
>>> matrix[2]
array([0., 0., 1., 1., 0., 0.])
"""

from __future__ import annotations

from collections.abc import Iterator

from rmtland.arrays import array_namespace
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["by_units", "diagonal_blocks", "inputs_of", "mirrored_stripes", "stripes"]


def inputs_of(block: ParameterBlock) -> int:
    """Return the number of entries of a unit: inputs of a weight matrix, 1 for a bias.

    Parameters
    ----------
    block : ParameterBlock
        A weight matrix or bias vector.

    Returns
    -------
    int
    """
    return 1 if block.is_bias else block.shape[1]


def by_units(matrix: Array, upper: ParameterBlock, lower: ParameterBlock) -> Array:
    """Return the block of two parameter blocks with axes (a, b, c, d): unit, input, unit, input.

    Parameters
    ----------
    matrix : array, shape (p, p)
        The Hessian.
    upper, lower : ParameterBlock
        Rows (a, b) and columns (c, d).

    Returns
    -------
    array, shape (n_upper, inputs, n_lower, inputs)
        A view.
    """
    shape = (upper.shape[0], inputs_of(upper), lower.shape[0], inputs_of(lower))
    return _viewed(matrix[upper.slice, lower.slice], shape)


def diagonal_blocks(
    matrix: Array, upper: ParameterBlock, lower: ParameterBlock
) -> Iterator[tuple[slice, Array]]:
    """Return the entries (j, b), (j, d) of one and the same unit j of a layer.

    Parameters
    ----------
    matrix : array, shape (p, p)
        The Hessian, contiguous.
    upper, lower : ParameterBlock
        Blocks of one layer.

    Returns
    -------
    iterator of (slice, array)
        Units j, and a view of shape (units, inputs of upper, inputs of lower).
    """
    n, k, width, p = upper.shape[0], inputs_of(upper), inputs_of(lower), matrix.shape[0]
    if n > 1:
        flat, start = _viewed(matrix, (p * p,)), upper.start * p + lower.start
        step = k * p + width  # from one unit to the next
        strips = _viewed(flat[start : start + (n - 1) * step], (n - 1, step))[:, : k * p]
        yield slice(0, n - 1), _viewed(strips, (n - 1, k, p))[:, :, :width]
    rows, columns = slice(upper.stop - k, upper.stop), slice(lower.stop - width, lower.stop)
    yield slice(n - 1, n), matrix[rows, columns][None, :, :]


def stripes(
    matrix: Array, upper: ParameterBlock, lower: ParameterBlock
) -> Iterator[tuple[slice, Array]]:
    """Return the entries (a, j), (j, d): weights from unit j of a layer, and those into it.

    Parameters
    ----------
    matrix : array, shape (p, p)
        The Hessian, contiguous.
    upper, lower : ParameterBlock
        A weight matrix, and a block of the layer below it.

    Returns
    -------
    iterator of (slice, array)
        Units j, and a view of shape (n_upper, units, inputs of lower).
    """
    (n_above, n), width, p = upper.shape, inputs_of(lower), matrix.shape[0]
    if n > 1:
        rows = _viewed(matrix[upper.slice, :], (n_above, n * p))
        strips = rows[:, lower.start : lower.start + (n - 1) * (p + width)]
        yield slice(0, n - 1), _viewed(strips, (n_above, n - 1, p + width))[:, :, :width]
    last = slice(lower.stop - width, lower.stop)
    yield slice(n - 1, n), matrix[upper.start + n - 1 : upper.stop : n, last][:, None, :]


def mirrored_stripes(
    matrix: Array, upper: ParameterBlock, lower: ParameterBlock
) -> Iterator[tuple[slice, Array]]:
    """Return the mirror image of `stripes`, entries (j, d), (a, j).

    Parameters
    ----------
    matrix : array, shape (p, p)
        The Hessian, contiguous.
    upper, lower : ParameterBlock
        A weight matrix, and a block of the layer below it.

    Returns
    -------
    iterator of (slice, array)
        Units j, and a view of shape (units, inputs of lower, n_upper).
    """
    (n_above, n), width, p = upper.shape, inputs_of(lower), matrix.shape[0]
    if n > 1:
        flat, start = _viewed(matrix, (p * p,)), lower.start * p + upper.start
        step = width * p + 1
        strips = _viewed(flat[start : start + (n - 1) * step], (n - 1, step))[:, : width * p]
        yield slice(0, n - 1), _viewed(strips, (n - 1, width, p))[:, :, : n_above * n : n]
    last = slice(lower.stop - width, lower.stop)
    yield slice(n - 1, n), matrix[last, upper.start + n - 1 : upper.stop : n][None, :, :]


def _viewed(array: Array, shape: tuple[int, ...]) -> Array:
    xp = array_namespace(array)
    return xp.reshape(array, shape, copy=False)
