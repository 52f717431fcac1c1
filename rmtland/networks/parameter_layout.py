"""Layout of the parameters of a network: sizes of its layers, and where each weight lies in theta.

Examples
--------
>>> from rmtland.networks import MLP
>>> net = MLP((2, 3, 1), bias=True)
>>> net.depth, net.parameter_count, [weights.shape for weights in net.unflatten(net.init(rng=0))]
(2, 13, [(3, 2), (3,), (1, 3), (1,)])
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.arrays import array_namespace, device_options, is_finite
from rmtland.networks.array_arguments import is_single, real_array
from rmtland.networks.parameters import ParameterBlock, parameter_blocks
from rmtland.typing import Array, ArrayLike

__all__ = ["DOUBLE", "ParameterLayout"]

_SINGLE, DOUBLE = np.empty(0, np.float32), np.empty(0, np.float64)


class ParameterLayout:
    """Widths, and theta as the matrices and biases of layers; `rmtland.networks.MLP` has it."""

    widths: tuple[int, ...]
    bias: bool
    parametrisation: str

    @property
    def n_in(self) -> int:
        """The number n_0 of inputs."""
        return self.widths[0]

    @property
    def n_out(self) -> int:
        """The number n_L of outputs."""
        return self.widths[-1]

    @property
    def depth(self) -> int:
        """The number L of weight layers: one more than hidden layers."""
        return len(self.widths) - 1

    @property
    def parameter_count(self) -> int:
        """The number p of parameters."""
        return self.blocks[-1].stop

    @cached_property
    def blocks(self) -> tuple[ParameterBlock, ...]:
        """Where each weight matrix and bias lies in theta, in order: W1, (b1,) W2, ..."""
        return parameter_blocks(self.widths, bias=self.bias, ntk=self.parametrisation == "ntk")

    def unflatten(self, theta: ArrayLike) -> tuple[Array, ...]:
        """Return the weight matrices (W_1, W_2, ...), or (W_1, b_1, W_2, ...) with biases.

        Parameters
        ----------
        theta : array_like, shape (p,)
            The parameters.

        Returns
        -------
        tuple of array
            Views into `theta` where it is a contiguous floating-point array.

        Raises
        ------
        ValueError
            If their number is wrong or one is not finite.
        """
        array = self._parameters(theta)
        xp = array_namespace(array)
        return tuple(xp.reshape(array[b.start : b.stop], b.shape) for b in self.blocks)

    def _parameters(self, theta: Array, x: Array = None) -> Array:
        """Return theta checked, in the library and dtype of the computation."""
        xp = array_namespace(theta, x)
        if xp is np:
            plain = type(theta) is np.ndarray and theta.dtype == np.float64
            if plain and theta.shape == (self.parameter_count,) and is_finite(theta):
                return np.ascontiguousarray(theta)
            single = is_single(theta) and (x is None or is_single(x))
            like = _SINGLE if single else DOUBLE
            array = real_array("theta", theta, 1, like)
        else:
            source = x if array_namespace(theta) is np else theta
            single = is_single(theta) and (x is None or is_single(x))
            like = _empty_like(source, xp.float32 if single else xp.float64)
            array = real_array("theta", theta, 1, like)
        if array.shape[0] != self.parameter_count:
            raise ValueError(
                f"theta must have {self.parameter_count} entries for {self}; got {array.shape[0]}"
            )
        return array


def _empty_like(source: Array, dtype: object) -> Array:
    return array_namespace(source).empty((0,), dtype=dtype, **device_options(source))
