r"""The loss of a small network on fixed data as one compiled function of the parameters.

At 16 units and 64 samples a matrix product takes a microsecond, and `MLP.at` spends most of its
time in Python between them. Where a small problem is evaluated again and again (paths, samplers, an
optimiser of one's own), `MLP.compiled` makes loss, gradient and Hessian-vector product one call of
a kernel (`rmtland.networks.derivatives.compiled_kernels`), equal to `LossPoint` within rounding.
The kernel is compiled at the first call, some seconds once on each machine, and read from numba's
cache later. Synonyms: just-in-time compilation, jit, value and gradient, HVP.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> net = MLP((2, 3, 1))
>>> x, y, theta, v = np.eye(2), np.ones((2, 1)), net.init(rng=0), np.ones(9)
>>> loss, gradient, product = net.compiled(x, y).derivatives(theta, v)
>>> point = net.at(theta, x, y)
>>> bool(np.allclose(gradient, point.gradient)), bool(np.allclose(product, point.hvp(v)))
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from rmtland.arguments import choice, dense_array
from rmtland.networks.activation import ACTIVATIONS, activation
from rmtland.networks.array_arguments import real_array
from rmtland.networks.computed_once import computed_once
from rmtland.networks.loss import LOSSES
from rmtland.networks.loss_data import LossData
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.loss_value import Network
from rmtland.typing import ArrayLike, Real, Record

__all__ = ["CompiledLoss", "LossDerivatives"]

COMPILED = ("tanh", "relu", "linear", "leaky_relu", "quadratic", "sigmoid", "softplus", "sine")
"""The activations that can be compiled."""

_DOUBLE = np.empty(0)


class LossDerivatives(NamedTuple):
    """The loss at some parameters and what was asked for beside it.

    Made by `rmtland.networks.CompiledLoss.derivatives`.

    Parameters
    ----------
    loss : float
        With the weight decay.
    gradient : ndarray, shape (p,)
        Of the loss.
    product : ndarray, shape (p,)
        H v.
    """

    loss: float
    gradient: Real
    product: Real


@dataclass(frozen=True, eq=False)
class CompiledLoss:
    """The loss of a network on fixed data, compiled; made by `MLP.compiled`.

    It may be shared between threads, and computes without holding Python's lock.

    Parameters
    ----------
    net : MLP
        The network, with an activation of `COMPILED`.
    data : LossData
        Inputs and targets, checked, in NumPy and double precision.
    """

    net: Network
    data: LossData

    @classmethod
    def of(cls, net: Network, x: ArrayLike, y: ArrayLike, loss: str) -> Self:
        """Return the loss of a network on checked data.

        Parameters
        ----------
        net : MLP
            The network.
        x, y : array_like
            Inputs and targets, as `MLP.at` takes them; they are copied.
        loss : str
            Name of the loss of a sample.

        Returns
        -------
        CompiledLoss

        Raises
        ------
        ValueError
            For data that `MLP.at` refuses, or an activation that is not of `COMPILED`.
        """
        f = activation(net.activation)
        if ACTIVATIONS.get(f.name) is not f or f.name not in COMPILED:
            choice("activation of a compiled loss", f.name, COMPILED)
            raise ValueError(f"{f!r} is not the activation of that name; use MLP.at instead")
        x, y = (np.array(dense_array(name, a)) for name, a in (("x", x), ("y", y)))
        data = LossData.of(x, y, _DOUBLE, net.widths, LOSSES[loss])
        if not data.is_whole:
            raise ValueError(
                f"{data.size} samples are too many to keep whole; use MLP.at, which reads chunks"
            )
        return cls(net, data)

    def derivatives(self, theta: ArrayLike, v: ArrayLike) -> LossDerivatives:
        """Return the loss, its gradient and the product H v at some parameters.

        Parameters
        ----------
        theta : array_like, shape (p,)
            The parameters.
        v : array_like, shape (p,)
            The vector.

        Returns
        -------
        LossDerivatives
            loss, gradient, product.

        Raises
        ------
        ValueError
            For vectors of another shape, NaN, infinities, or an overflow.
        """
        vectors = np.empty((2, self.net.parameter_count))
        vectors[0] = self._vector("theta", theta)
        vectors[1] = self._vector("v", v)
        loss = self._evaluate(vectors)
        if loss is None:
            point = self._point(theta)
            return LossDerivatives(point.loss, point.gradient.copy(), point.hvp(v))
        return LossDerivatives(loss, vectors[0], vectors[1])

    def loss_and_gradient(self, theta: ArrayLike) -> tuple[float, Real]:
        """Return the loss and its gradient, as `scipy.optimize.minimize(jac=True)` takes them.

        Parameters
        ----------
        theta : array_like, shape (p,)
            The parameters.

        Returns
        -------
        loss : float
            With the weight decay.
        gradient : ndarray, shape (p,)
            Of the loss.

        Raises
        ------
        ValueError
            For a vector of another shape, NaN, infinities, or an overflow.
        """
        vectors = np.empty((1, self.net.parameter_count))
        vectors[0] = self._vector("theta", theta)
        loss = self._evaluate(vectors)
        if loss is None:
            point = self._point(theta)
            return point.loss, point.gradient.copy()
        return loss, vectors[0]

    def __getstate__(self) -> Record:
        """Return what a pickle holds: the fields."""
        return {"net": self.net, "data": self.data}

    # The machinery -------------------------------------------------------------------------------

    def _vector(self, name: str, vector: ArrayLike) -> Real:
        """Return a vector of the right shape and type; its entries are checked by the results."""
        p = self.net.parameter_count
        if type(vector) is np.ndarray and vector.dtype == np.float64 and vector.shape == (p,):
            return vector
        array: Real = real_array(name, vector, 1, _DOUBLE)
        if array.shape != (p,):
            raise ValueError(f"{name} must have shape ({p},); got {array.shape}")
        return array

    def _point(self, theta: ArrayLike) -> LossPoint:
        """Return the loss point, which computes or says what the kernel could not."""
        return LossPoint.of(self.net, real_array("theta", theta, 1, _DOUBLE).copy(), self.data)

    @computed_once
    def _kernel(self) -> tuple[Callable[..., tuple[bool, float]], tuple[object, ...]]:
        """The kernel, and all its arguments but the first."""
        from rmtland.networks.derivatives import compiled_kernels  # loads numba

        rows: list[list[int]] = []
        scales = []
        units = 0
        for block in self.net.blocks:
            if block.is_bias:
                rows[-1][3] = block.start
                continue
            n, before = block.shape
            rows.append([before, n, block.start, -1, units])
            scales.append(block.scale)
            units += n
        name = activation(self.net.activation).name
        return compiled_kernels.evaluate, (
            np.array(self.data.x, order="C"),  # that may be written to: one type for the compiler
            np.array(self.data.y, order="C"),
            np.array(rows),
            np.array(scales),
            compiled_kernels.ACTIVATION_CODES[name],
            compiled_kernels.LOSS_CODES[self.data.loss.name],
            float(self.net.weight_decay),
        )

    def _evaluate(self, vectors: Real) -> float | None:
        """Overwrite theta (and v) by the gradient (and H v); the loss, None where not finite."""
        kernel, arguments = self._kernel
        finite, loss = kernel(vectors, *arguments)
        return loss if finite and math.isfinite(loss) else None
