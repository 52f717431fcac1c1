"""What the assembly of a Hessian needs of a network at a point: all arrays with samples last.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 3, 1)).at(np.ones(9), np.ones((5, 2)), np.ones((5, 1)))
>>> d = LayerDerivatives.of(next(iter(point.passes())), point.net.blocks)
>>> [array.shape for array in d.slopes], d.samples
([(3, 5)], 5)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmtland.arrays import array_namespace, device_options
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.symmetric_blocks import left_multiply
from rmtland.networks.loss import OutputCurvature
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["LayerDerivatives"]


@dataclass(frozen=True, eq=False)
class LayerDerivatives:
    """What the assembly needs of a network at a point; every array has samples last.

    Parameters
    ----------
    blocks : tuple of ParameterBlock
        The layout of the parameters.
    weights : tuple of array, W_l of shape (n_l, n_{l-1})
        Entry l-1 is W_l, l = 1..L, as it multiplies.
    inputs : tuple of array, shape (n_{l-1}, m)
        Entry l-1 is a_{l-1}, what layer l reads.
    slopes : tuple of array, shape (n_l, m)
        Entry l-1 is f'(z_l), hidden layers l = 1..L-1.
    deltas : tuple of array, shape (n_l, m)
        Entry l-1 is delta_l.
    curvature_signals : tuple of array or None, shape (n_l, m)
        Entry l-1 is f''(z_l) g_l; None where it is identically zero.
    curvature : OutputCurvature
        Lambda of each sample.
    normalisation : float
        1/m for all samples, those of other chunks included.
    """

    blocks: tuple[ParameterBlock, ...]
    weights: tuple[Array, ...]
    inputs: tuple[Array, ...]
    slopes: tuple[Array, ...]
    deltas: tuple[Array, ...]
    curvature_signals: tuple[Array | None, ...]
    curvature: OutputCurvature
    normalisation: float

    @classmethod
    def of(
        cls,
        batch: ForwardPass,
        blocks: tuple[ParameterBlock, ...],
        *,
        samples: slice = slice(None),
        normalisation: float | None = None,
    ) -> LayerDerivatives:
        """Return the derivatives of some samples of a forward pass; all of them by default.

        Parameters
        ----------
        batch : ForwardPass
            The samples.
        blocks : tuple of ParameterBlock
            Layout of the parameters.
        samples : slice, optional
            Which of them.
        normalisation : float, optional
            1/m for all samples, those of other batches included.

        Returns
        -------
        LayerDerivatives
        """

        def turned(array: Array) -> Array:
            part = array[samples, :].T
            return np.ascontiguousarray(part) if isinstance(part, np.ndarray) else part

        return cls(
            blocks=blocks,
            weights=batch.weights,
            inputs=tuple(map(turned, batch.inputs)),
            slopes=tuple(map(turned, batch.slopes)),
            deltas=tuple(map(turned, batch.deltas)),
            curvature_signals=tuple(
                None if signal is None else turned(signal) for signal in batch.curvature_signals
            ),
            curvature=batch.output_curvature.of_samples(samples),
            normalisation=1.0 / batch.samples if normalisation is None else normalisation,
        )

    @property
    def depth(self) -> int:
        """The number L of weight layers."""
        return len(self.weights)

    @property
    def samples(self) -> int:
        """The number of samples of this chunk."""
        return int(self.inputs[0].shape[1])

    def input_of(self, block: ParameterBlock) -> Array:
        """Return what multiplies the block's entries: layer inputs, or ones for a bias.

        Parameters
        ----------
        block : ParameterBlock
            A weight matrix or bias vector.

        Returns
        -------
        array, shape (n_{l-1}, m) or (1, m)
        """
        inputs = self.inputs[block.layer - 1]
        if block.is_bias:
            return array_namespace(inputs).ones_like(inputs[:1, :])
        return inputs if block.scale == 1.0 else inputs * block.scale

    def normalised_input_of(self, block: ParameterBlock) -> Array:
        """Return the same over the number of samples, transposed: the right factor of a block.

        Parameters
        ----------
        block : ParameterBlock
            A weight matrix or bias vector.

        Returns
        -------
        array, shape (m, n_{l-1}) or (m, 1)
        """
        return (self.input_of(block) * self.normalisation).T

    def slope_times_input(self, block: ParameterBlock) -> Array:
        """Return f'(z_l)[j] u_l[k] with rows (j, k), shape (p_block, m).

        Parameters
        ----------
        block : ParameterBlock
            A weight matrix or bias vector of a hidden layer.

        Returns
        -------
        array, shape (p_block, m)
        """
        product = self.slopes[block.layer - 1][:, None, :] * self.input_of(block)[None, :, :]
        return array_namespace(product).reshape(product, (-1, self.samples))

    def blocks_of(self, layer: int) -> Iterator[ParameterBlock]:
        """Return the weight and the bias block of a layer.

        Parameters
        ----------
        layer : int
            l.

        Returns
        -------
        iterator of ParameterBlock
        """
        return (block for block in self.blocks if block.layer == layer)

    def pairs(self, above: int, layer: int) -> Iterator[tuple[ParameterBlock, ParameterBlock]]:
        """Return the pairs of blocks of two layers on or below the diagonal.

        Parameters
        ----------
        above, layer : int
            l' and l.

        Returns
        -------
        iterator of (ParameterBlock, ParameterBlock)
        """
        for upper in self.blocks_of(above):
            for lower in self.blocks_of(layer):
                if upper.start >= lower.start:
                    yield upper, lower

    def forward_jacobians(self, layer: int) -> dict[int, Array]:
        """Return {l': dz_l'/dz_l} for l' >= l, each of shape (n_l', n_l, m or 1).

        Parameters
        ----------
        layer : int
            l.

        Returns
        -------
        dict of int to array
        """
        inputs = self.inputs[0]
        n_here = self.weights[layer - 1].shape[0]
        eye = array_namespace(inputs).eye(n_here, dtype=inputs.dtype, **device_options(inputs))
        jacobian = eye[:, :, None]
        jacobians = {layer: jacobian}
        for above in range(layer + 1, self.depth + 1):
            slope, weight = self.slopes[above - 2], self.weights[above - 1]
            if above == layer + 1:
                jacobian = weight[:, :, None] * slope[None, :, :]
            else:
                jacobian = left_multiply(weight, slope[:, None, :] * jacobian)
            jacobians[above] = jacobian
        return jacobians
