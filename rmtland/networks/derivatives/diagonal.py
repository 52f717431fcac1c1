r"""The diagonal of the Hessian and of its parts, without the rest of the matrix.

In the notation of `rmtland.networks.derivatives.hessian` the entry of weight (a,b) of layer l is

.. math::

    \frac1m \sum_\mu Q_{ll}[a,a]\, u_l[b]^2 ,

and its other term is zero, as it joins different layers. Exact, in the time of the recursion for Q.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((1, 1, 1), activation="quadratic").at([2.0, 3.0], [[1.0]], [[12.0]])
>>> hessian_diagonal(point.passes(), point.net.blocks, samples=1)
array([144.,  16.])
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rmtland.arguments import choice
from rmtland.arrays import array_namespace, device_options
from rmtland.networks.derivatives import hessian
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.general_blocks import signals
from rmtland.networks.derivatives.hessian_split import PARTS
from rmtland.networks.derivatives.layer_derivatives import LayerDerivatives
from rmtland.networks.overflow import refuse_overflow
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["hessian_diagonal"]


def hessian_diagonal(
    batches: Iterable[ForwardPass],
    blocks: tuple[ParameterBlock, ...],
    *,
    samples: int,
    part: str = "total",
    weight_decay: float = 0.0,
) -> Array:
    """Return the diagonal of the Hessian, or of one of its parts.

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        The layout of the parameters.
    samples : int
        The number m of samples, over all batches.
    part : {"gauss_newton", "residual", "total"}, optional
        Of which matrix.
    weight_decay : float, optional
        Added, except to the residual part.

    Returns
    -------
    array, shape (p,)

    Raises
    ------
    NetworkOverflowError
        If an entry overflows (a ValueError).
    """
    choice("part", part, PARTS)
    diagonal: Array = None
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            if diagonal is None:
                diagonal = array_namespace(batch.x).zeros(
                    (blocks[-1].stop,), dtype=batch.x.dtype, **device_options(batch.x)
                )
            for chunk in hessian.chunks(batch, hessian.workspace(batch)):
                d = LayerDerivatives.of(batch, blocks, samples=chunk, normalisation=1.0 / samples)
                for layer in range(1, d.depth + 1):
                    _add_layer(diagonal, d, layer, part)
        if weight_decay and part != "residual":
            diagonal += weight_decay
    refuse_overflow("diagonal", diagonal)
    return diagonal


def _add_layer(diagonal: Array, d: LayerDerivatives, layer: int, part: str) -> None:
    """Add the entries of a layer's weights and biases."""
    xp = array_namespace(diagonal)
    *_, (_, signal) = signals(d, layer, d.forward_jacobians(layer), part)
    if signal is None:
        return
    units = xp.linalg.diagonal(xp.permute_dims(signal, (2, 0, 1))).T  # (n_l, m or 1)
    for block in d.blocks_of(layer):
        inputs = d.input_of(block)
        squares = (inputs * inputs * d.normalisation).T
        if units.shape[1] == 1:  # the same for all samples
            squares = xp.sum(squares, axis=0, keepdims=True)
        diagonal[block.slice] += xp.reshape(units @ squares, (-1,))
