"""Where each weight matrix and bias vector lies in the flat parameter vector.

theta = concatenate([W_1.ravel(), W_2.ravel(), ...]), or with biases
[W_1.ravel(), b_1, W_2.ravel(), b_2, ...], where W_l has shape (n_l, n_{l-1}).

>>> for block in parameter_blocks((3, 2, 1), bias=True):
...     print(block.name, block.shape, block.start, block.stop)
W1 (2, 3) 0 6
b1 (2,) 6 8
W2 (1, 2) 8 10
b2 (1,) 10 11
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rmtland.networks.array_arguments import reshape_of
from rmtland.typing import Array

__all__ = ["ParameterBlock", "effective_weights", "parameter_blocks"]


@dataclass(frozen=True)
class ParameterBlock:
    """One weight matrix or bias vector inside the flat parameter vector.

    Made by `rmtland.networks.MLP`.

    Parameters
    ----------
    name : str
        "W1", "b1", "W2", ...
    layer : int
        The layer l it belongs to; the first is 1.
    shape : tuple of int
        (n_l, n_{l-1}) for a weight matrix, (n_l,) for a bias.
    start : int
        Position of its first entry in the flat vector.
    scale : float, optional
        Factor with which its entries enter the network: 1, or 1/sqrt(n_{l-1}) for the weights
        of the NTK parametrisation.
    """

    name: str
    layer: int
    shape: tuple[int, ...]
    start: int
    scale: float = 1.0

    @cached_property
    def stop(self) -> int:
        """One past the position of its last entry in the flat vector."""
        return self.start + math.prod(self.shape)

    @cached_property
    def slice(self) -> slice:
        """Its entries in the flat vector."""
        return slice(self.start, self.stop)

    @cached_property
    def is_bias(self) -> bool:
        """Whether it is a bias vector."""
        return len(self.shape) == 1


def parameter_blocks(
    widths: tuple[int, ...], *, bias: bool, ntk: bool = False
) -> tuple[ParameterBlock, ...]:
    """Return the blocks of a network's flat parameter vector, in order.

    Parameters
    ----------
    widths : tuple of int
        Of the network.
    bias : bool
        Whether layers have biases.
    ntk : bool, optional
        Whether weights are divided by the square root of their fan-in.

    Returns
    -------
    tuple of ParameterBlock
    """
    blocks: list[ParameterBlock] = []
    start = 0
    for layer, (n_before, n_here) in enumerate(pairwise(widths), 1):
        scale = 1.0 / math.sqrt(n_before) if ntk else 1.0
        blocks.append(ParameterBlock(f"W{layer}", layer, (n_here, n_before), start, scale))
        start = blocks[-1].stop
        if bias:
            blocks.append(ParameterBlock(f"b{layer}", layer, (n_here,), start))
            start = blocks[-1].stop
    return tuple(blocks)


def effective_weights(
    theta: Array, blocks: tuple[ParameterBlock, ...]
) -> tuple[tuple[Array, ...], tuple[Array | None, ...]]:
    """Return (W_1, W_2, ...) as they multiply, and (b_1, b_2, ...), None where there is none.

    Those that enter as they are, are views into `theta`.

    Parameters
    ----------
    theta : array, shape (p,)
        The parameters.
    blocks : tuple of ParameterBlock
        Their layout.

    Returns
    -------
    weights : tuple of array
    biases : tuple of array or None
    """
    reshape = reshape_of(theta)
    weights: list[Array] = []
    biases: list[Array | None] = []
    for block in blocks:
        piece = theta[block.slice]
        if block.is_bias:
            biases[-1] = piece
            continue
        weight = reshape(piece, block.shape)
        weights.append(weight if block.scale == 1.0 else weight * block.scale)
        biases.append(None)
    return tuple(weights), tuple(biases)
