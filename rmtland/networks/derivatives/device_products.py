r"""The product of the Hessian with one vector, for arrays on a device.

The formulas are those of `rmtland.networks.derivatives.r_operator`. Beside its matrix products a
large network pays for each pass through an array, so the steps between them are one kernel each in
CuPy (`rmtland.networks.fused_kernels`), and nothing is looked at on the way. Synonyms:
Hessian-vector product on a GPU.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 1)).at([1.0, 2.0], [[3.0, 4.0]], [[1.0]])
>>> result = np.zeros(2)
>>> add_device_product(
...     next(iter(point.passes())), np.array([1.0, 0.0]), point.net.blocks, result,
...     gauss_newton=True, residual=True,
... )
>>> result
array([ 9., 12.])
"""

from __future__ import annotations

from rmtland.networks.array_arguments import reshape_of
from rmtland.networks.cuda_graphs import times
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.fused_kernels import add_scaled_sum, pulled_signal, sum_and_scaled
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["add_device_product"]

Blocks = tuple[ParameterBlock, ...]


def add_device_product(
    batch: ForwardPass,
    row: Array,
    blocks: Blocks,
    result: Array,
    *,
    gauss_newton: bool,
    residual: bool,
    factor: float = 1.0,
) -> None:
    """Add the sum over samples of H v, or of one of its parts, to `result`.

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    row, result : array, shape (p,)
        The vector, and where its product is added.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    gauss_newton, residual : bool
        Which parts.
    factor : float, optional
        Multiplies what is added.
    """
    weights = tuple(block for block in blocks if not block.is_bias)
    biases = tuple(block for block in blocks if block.is_bias)
    reshape = reshape_of(row)
    pushes = [_scaled(reshape(row[b.start : b.stop], b.shape), b.scale) for b in weights]
    shifts = [row[b.start : b.stop] for b in biases]
    tangents, moved = _push(batch, pushes, shifts, outputs=gauss_newton)
    signal = None  # R delta_l
    if gauss_newton:
        signal = tangents[-1]
        if not batch.output_curvature.is_identity:
            signal = batch.output_curvature.times(signal[:, None, :])[:, 0, :]
    for layer in range(batch.depth - 1, -1, -1):
        block = weights[layer]
        pieces: list[Array] = []
        if signal is not None:
            pieces.append(times(signal.T, batch.inputs[layer]))
        if residual and layer:
            pieces.append(times(batch.deltas[layer].T, moved[layer - 1]))
        if pieces:
            target = batch.xp.reshape(result[block.start : block.stop], block.shape, copy=False)
            _add(target, pieces, factor * block.scale)
        if biases and signal is not None:
            place = biases[layer]
            result[place.start : place.stop] += factor * batch.xp.sum(signal, axis=0)
        if not layer:
            return
        first = None if signal is None else times(signal, batch.weights[layer])
        second = times(batch.deltas[layer], pushes[layer]) if residual else None
        bend = batch.curvature_signals[layer - 1] if residual else None
        signal = _pulled(first, second, batch.slopes[layer - 1], bend, tangents[layer - 1])


def _push(
    batch: ForwardPass, pushes: list[Array], shifts: list[Array], *, outputs: bool
) -> tuple[list[Array], list[Array]]:
    """Return R z_l of the hidden layers (and the outputs), and R a_l of the hidden layers."""
    tangents: list[Array] = []
    moved: list[Array] = []
    for layer in range(batch.depth if outputs else batch.depth - 1):
        z = times(batch.inputs[layer], pushes[layer].T)
        if shifts:
            z += shifts[layer]
        hidden = layer < batch.depth - 1
        if layer == 0:
            tangents.append(z)
            if hidden:
                moved.append(batch.slopes[0] * z)
            continue
        signal = times(moved[-1], batch.weights[layer].T)
        if not hidden:
            z += signal
            tangents.append(z)
            continue
        both = sum_and_scaled(z, signal, batch.slopes[layer])
        if both is None:
            z += signal
            both = z, batch.slopes[layer] * z
        tangents.append(both[0])
        moved.append(both[1])
    return tangents, moved


def _pulled(
    first: Array | None, second: Array | None, slope: Array, bend: Array | None, tangent: Array
) -> Array | None:
    """Return slope * (first + second) + bend * tangent; None counts as zero."""
    if first is not None and second is not None:
        if bend is not None:
            fused = pulled_signal(first, second, slope, bend, tangent)
            if fused is not None:
                return fused
        first += second
    total = second if first is None else first
    if total is not None:
        total *= slope
        if bend is not None:
            total += bend * tangent
    return total


def _add(target: Array, pieces: list[Array], factor: float) -> None:
    """Add factor times the sum of one or two pieces."""
    if len(pieces) == 2:
        if add_scaled_sum(target, pieces[0], pieces[1], factor):
            return
        pieces[0] += pieces[1]
    pieces[0] *= factor
    target += pieces[0]


def _scaled(matrix: Array, scale: float) -> Array:
    return matrix if scale == 1.0 else matrix * scale
