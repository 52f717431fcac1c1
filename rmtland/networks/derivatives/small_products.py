r"""Forward pass, gradient and one product of a small network in NumPy: the formulas, and no more.

Where a matrix product takes a microsecond, so does each step of Python beside it. What
`rmtland.networks.derivatives.forward` and `.r_operator` do for any array library and any number of
vectors is done here for one vector on plain arrays of shape (m, n); the formulas are those of
these modules.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 1)).at([1.0, 2.0], [[3.0, 4.0]], [[1.0]])
>>> (batch,) = point.passes()
>>> small_curvature_product(
...     batch, np.array([1.0, 0.0]), point.net.blocks, gauss_newton=True, residual=True
... )
array([ 9., 12.])
"""

from __future__ import annotations

import numpy as np

from rmtland.networks.derivatives.forward import ForwardPass, transposed
from rmtland.networks.parameters import ParameterBlock, effective_weights
from rmtland.typing import Real

__all__ = ["small_curvature_product", "small_gradient"]

Blocks = tuple[ParameterBlock, ...]

_times = np.ndarray.dot


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def small_gradient(batch: ForwardPass, blocks: Blocks) -> Real:
    """Return the gradient of the mean loss over the samples, without weight decay.

    Parameters
    ----------
    batch : ForwardPass
        The samples, arrays of NumPy.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    ndarray, shape (p,)
        Not checked for overflow.
    """
    deltas, inputs = batch.deltas, batch.inputs
    gradient = np.empty(blocks[-1].stop, inputs[0].dtype)
    for block in blocks:
        delta, piece = deltas[block.layer - 1], gradient[block.slice]
        if block.is_bias:
            np.add.reduce(delta, axis=0, out=piece)
            continue
        piece = piece.reshape(block.shape)
        _times(delta.T, inputs[block.layer - 1], piece)
        if block.scale != 1.0:
            piece *= block.scale
    gradient /= batch.samples
    return gradient


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def small_curvature_product(
    batch: ForwardPass, row: Real, blocks: Blocks, *, gauss_newton: bool, residual: bool
) -> Real:
    """Return the mean over samples of H v, or of one of its parts, for one vector.

    Parameters
    ----------
    batch : ForwardPass
        The samples, arrays of NumPy.
    row : ndarray, shape (p,)
        The vector.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    gauss_newton, residual : bool
        Which parts, at least one.

    Returns
    -------
    ndarray, shape (p,)
        Not checked for overflow.
    """
    weights, slopes, inputs = batch.weights, batch.slopes, batch.inputs
    pushes, shifts = effective_weights(row, blocks)
    last = len(weights) - 1
    tangents: list[Real] = []  # R z_l
    moved: list[Real] = []  # R a_l
    for layer in range(last + 1 if gauss_newton else last):
        z = _times(inputs[layer], transposed(pushes[layer]))
        if layer:
            z += _times(moved[-1], batch.transposed_weights[layer])
        shift = shifts[layer]
        if shift is not None:
            z += shift
        tangents.append(z)
        if layer < last:
            moved.append(slopes[layer] * z)
    signal = None  # R delta_l
    if gauss_newton:
        curvature, signal = batch.output_curvature, tangents[-1]
        if not curvature.is_identity:
            signal = curvature.times(signal[:, None, :])[:, 0, :]
    deltas, curvatures = (batch.deltas, batch.curvature_signals) if residual else ((), ())
    biased = len(blocks) > len(weights)
    product = np.zeros(row.shape, row.dtype)
    for layer in range(last, -1, -1):
        block = blocks[2 * layer if biased else layer]
        piece = product[block.slice].reshape(block.shape)
        if signal is not None:
            if biased:
                np.add.reduce(signal, axis=0, out=product[blocks[2 * layer + 1].slice])
            _times(signal.T, inputs[layer], piece)
        if residual and layer:
            piece += _times(deltas[layer].T, moved[layer - 1])
        if block.scale != 1.0:
            piece *= block.scale
        if not layer:
            break
        if signal is not None:
            signal = _times(signal, weights[layer])
        if residual:
            signal = _sum(signal, _times(deltas[layer], pushes[layer]))
        if signal is not None:
            signal *= slopes[layer - 1]
        own = curvatures[layer - 1] if residual else None
        if own is not None:
            signal = _sum(signal, own * tangents[layer - 1])
    product *= 1.0 / batch.samples
    return product


def _sum(first: Real | None, second: Real) -> Real:
    """Return the sum, in the buffer of the first; None counts as zero."""
    if first is None:
        return second
    first += second
    return first
