"""Writing the blocks of a symmetric matrix, on one side of the diagonal and mirrored to the other.

NumPy matrices are written in place by slices; those of other libraries by the array-API standard.

>>> import numpy as np
>>> matrix = np.zeros((2, 2))
>>> put_rows_to_the_diagonal(matrix, slice(1, 2), 0, np.array([[3.0, 5.0]]), add=False)
>>> matrix
array([[0., 3.],
       [3., 5.]])
"""

from __future__ import annotations

import numpy as np

from rmtland.arrays import array_namespace, device_options
from rmtland.networks.cuda_graphs import times
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = [
    "Region",
    "add_in_place",
    "add_to_diagonal",
    "left_multiply",
    "put",
    "put_product",
    "put_rows_to_the_diagonal",
    "row_of",
    "zeros",
]

Region = tuple[slice, slice]
"""Rows and columns of a matrix."""


def put_rows_to_the_diagonal(
    matrix: Array, rows: slice, start: int, product: Array, add: bool
) -> None:
    """Write rows of a symmetric block, columns from `start` to the diagonal, and their mirror.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to.
    rows : slice
        Which rows.
    start : int
        The first column.
    product : array
        The rows, from the first column to the diagonal.
    add : bool
        Whether to add to what is there.
    """
    before = rows.start - start
    if before:
        columns, part = slice(start, rows.start), product[:, :before]
        put(matrix, rows, columns, part, add)
        put(matrix, columns, rows, part.T, add)
    square = product[:, before:]
    put(matrix, rows, rows, 0.5 * (square + square.T), add)


def put(matrix: Array, rows: slice, columns: slice, product: Array, add: bool) -> None:
    """Write a block, or add it to what is there.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to.
    rows, columns : slice
        Where.
    product : array
        The block.
    add : bool
        Whether to add to what is there.
    """
    if add:
        matrix[rows, columns] += product
    else:
        matrix[rows, columns] = product


def add_in_place(first: Array, second: Array) -> Array:
    """Return the sum, in the memory of the first summand where NumPy can.

    Parameters
    ----------
    first, second : array
        The summands.

    Returns
    -------
    array
    """
    if isinstance(first, np.ndarray):
        first += second
        return first
    return first + second


def put_product(target: Array, first: Array, second: Array, add: bool) -> None:
    """Write a product of NumPy arrays that broadcast to a view, or add it to what is there.

    Parameters
    ----------
    target : ndarray
        A view, written to.
    first, second : ndarray
        The factors.
    add : bool
        Whether to add to what is there.
    """
    if add:
        target += first * second
    else:
        np.multiply(first, second, out=target)


def zeros(p: int, like: Array) -> Array:
    """Return a zero matrix of order p of the library, device and dtype of an array.

    Parameters
    ----------
    p : int
        The order.
    like : array
        Of which library.

    Returns
    -------
    array, shape (p, p)
    """
    xp = array_namespace(like)
    return xp.zeros((p, p), dtype=like.dtype, **device_options(like))


def add_to_diagonal(matrix: Array, number: float) -> None:
    """Add a number to each entry of the diagonal, as one strided step.

    Parameters
    ----------
    matrix : array, shape (p, p)
        Written to.
    number : float
        The number.
    """
    step = matrix.shape[0] + 1
    if isinstance(matrix, np.ndarray):
        matrix.flat[::step] += number
        return
    flat = array_namespace(matrix).reshape(matrix, (-1,), copy=False)
    flat[::step] += number


def row_of(block: ParameterBlock, unit: int) -> slice:
    """Return the entries of one row (one unit's incoming weights) of a block.

    Parameters
    ----------
    block : ParameterBlock
        A weight matrix or bias vector.
    unit : int
        Which row.

    Returns
    -------
    slice
    """
    width = 1 if block.is_bias else block.shape[1]
    return slice(block.start + unit * width, block.start + (unit + 1) * width)


def left_multiply(weight: Array, tensor: Array) -> Array:
    """Return sum_b weight[a,b] tensor[b,c,mu] as one matrix product.

    Parameters
    ----------
    weight : array, shape (n, k)
        The matrix.
    tensor : array, shape (k, c, m)
        The tensor.

    Returns
    -------
    array, shape (n, c, m)
    """
    xp = array_namespace(tensor)
    product = times(weight, xp.reshape(tensor, (tensor.shape[0], -1)))
    return xp.reshape(product, (weight.shape[0], *tensor.shape[1:]))
