r"""The loss of a network at one point of parameter space: outputs, energy and gradient.

For outputs o of m samples, losses l and weight decay w (see `rmtland.networks.mlp`),

.. math::
    L = \frac1m \sum_\mu l(o_\mu, y_\mu) + \frac w2 |\theta|^2, \qquad
    g = \frac{\partial L}{\partial\theta} .

One forward pass is made and kept; what has more derivatives is built on it by
`rmtland.networks.loss_point`.

>>> from rmtland.networks.mlp import MLP
>>> net = MLP((2, 3, 1))
>>> point = net.at(net.init(rng=0), [[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]])
>>> point.energy == point.loss, point.gradient.shape
(True, (9,))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from rmtland.arrays import array_namespace, to_numpy
from rmtland.deprecation import renamed_method
from rmtland.networks.activation import Activation, activation
from rmtland.networks.array_arguments import real_array
from rmtland.networks.computed_once import computed_once
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.products import joined, loss_gradient
from rmtland.networks.derivatives.recorded import recorded_value
from rmtland.networks.derivatives.small_products import small_gradient
from rmtland.networks.loss_data import LossData
from rmtland.networks.overflow import refuse_overflow
from rmtland.networks.parameters import ParameterBlock, effective_weights
from rmtland.typing import Array, ArrayLike, Record

__all__ = ["LossValue"]


class Network(Protocol):
    """What a point needs of its network: the attributes of `rmtland.networks.MLP`."""

    @property
    def widths(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> str | Activation: ...
    @property
    def bias(self) -> bool: ...
    @property
    def loss(self) -> str: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def parametrisation(self) -> str: ...
    @property
    def blocks(self) -> tuple[ParameterBlock, ...]: ...
    @property
    def n_in(self) -> int: ...
    @property
    def n_out(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def parameter_count(self) -> int: ...
    def unflatten(self, theta: ArrayLike) -> tuple[Array, ...]: ...
    def predict(self, theta: ArrayLike, x: ArrayLike) -> Array: ...


@dataclass(frozen=True, eq=False, repr=False)
class LossValue:
    """Value and gradient of the loss at one point; what `LossPoint` differentiates further.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        The parameters.
    data : LossData
        Inputs and targets, checked.
    """

    net: Network
    theta: Array
    data: LossData

    samples = renamed_method("samples", "data")

    @classmethod
    def of(cls, net: Network, theta: Array, data: LossData) -> Self:
        """Return the point at checked arguments, none of them copied, its forward pass made.

        Parameters
        ----------
        net : MLP
            The network.
        theta : array, shape (p,)
            Its parameters, in the library and dtype of the computation.
        data : LossData
            Inputs and targets.

        Returns
        -------
        LossPoint
            The loss there.

        Raises
        ------
        NetworkOverflowError
            If the forward pass overflows (a ValueError); for data in chunks that is seen when they
            are read.
        """
        point = cls(net, _kept(theta), data)
        if not data.is_whole:
            return point
        if isinstance(theta, np.ndarray):
            point.__dict__["_whole"] = ForwardPass.on_host(
                *effective_weights(theta, net.blocks),
                activation(net.activation),
                data.loss,
                data.x,
                data.y,
            )
        elif point._replayed is None:
            _ = point._whole.layers
        return point

    @classmethod
    def known(
        cls, net: Network, theta: Array, data: LossData, *, loss_sum: float, gradient: Array
    ) -> Self:
        """Return the point at checked arguments where loss and gradient are known already.

        Parameters
        ----------
        net : MLP
            The network.
        theta : array, shape (p,)
            Its parameters, in the library and dtype of the computation.
        data : LossData
            Inputs and targets.
        loss_sum : float
            Sum of the losses of the samples.
        gradient : array, shape (p,)
            Of the loss.

        Returns
        -------
        LossPoint
            The loss there; its forward pass is made when it is asked for.
        """
        point = cls(net, _kept(theta), data)
        point.__dict__["data_loss"] = loss_sum / data.size  # as if it had been asked for
        point.__dict__["gradient"] = _kept(gradient)
        return point

    def at(self, theta: ArrayLike) -> Self:
        """Return the loss of the same network on the same data at other parameters.

        Parameters
        ----------
        theta : array_like, shape (p,)
            The parameters; they are copied.

        Returns
        -------
        LossPoint
            The loss at `theta`.

        Raises
        ------
        ValueError
            If their number is wrong, one is not finite, or the forward pass overflows.
        """
        parameters = real_array("theta", theta, 1, self.theta)
        if parameters.shape != self.theta.shape:
            raise ValueError(
                f"theta must have {self.net.parameter_count} entries for {self.net}; "
                f"got {parameters.shape[0]}"
            )
        copied = array_namespace(parameters).asarray(parameters, copy=True)
        return type(self).of(self.net, copied, self.data)

    # The loss ------------------------------------------------------------------------------------

    @property
    def x(self) -> Array:
        """The inputs, shape (m, n_in)."""
        return _kept(self.data.x)

    @property
    def y(self) -> Array:
        """The targets; labels as indicator variables where the data are kept whole."""
        return _kept(self.data.y)

    @property
    def layers(self) -> tuple[tuple[Array, Array], ...]:
        """Preactivations z_l and activations a_l, l = 1..L, each of shape (m, n_l).

        The last layer's are both the outputs.
        """
        passes = [batch.layers for batch in self.passes()]
        return tuple(
            tuple(_kept(joined([each[i][j] for each in passes])) for j in range(2))
            for i in range(self.net.depth)
        )

    @property
    def prediction(self) -> Array:
        """The outputs (for classification: logits), shape (m, n_out)."""
        return _kept(joined([batch.outputs for batch in self.passes()]))

    @computed_once
    def residuals(self) -> Array:
        """The gradient of the loss of each sample in its outputs, shape (m, n_out).

        For half the squared error the residuals e = o - y; for the classification losses
        probability minus target.
        """
        return _kept(joined([batch.output_gradient for batch in self.passes()]))

    @computed_once
    def data_loss(self) -> float:
        """The loss without the weight decay, (1/m) sum_mu l(o_mu, y_mu).

        Raises
        ------
        ValueError
            If the sum overflows.
        """
        total = 0.0
        if self._replayed is not None:
            return self._replayed[0] / self.data.size
        with np.errstate(over="ignore", invalid="ignore"):
            for batch in self.passes():
                total += float(batch.loss_sum)
        loss = total / self.data.size
        refuse_overflow("loss", loss)
        return loss

    @computed_once
    def loss(self) -> float:
        """L = (1/m) sum_mu l(o_mu, y_mu) + (w/2) `theta @ theta`."""
        if not self.net.weight_decay:
            return self.data_loss
        if self._replayed is not None:
            square = self._replayed[1]
        else:
            with np.errstate(over="ignore"):
                square = float(self.theta @ self.theta)
        loss = self.data_loss + 0.5 * self.net.weight_decay * square
        refuse_overflow("loss", loss)
        return loss

    @property
    def energy(self) -> float:
        """The loss per output without the weight decay, `data_loss` / n_out."""
        return self.data_loss / self.net.n_out

    @computed_once
    def gradient(self) -> Array:
        """dL/dtheta, shape (p,).

        Raises
        ------
        ValueError
            If it overflows.
        """
        blocks, decay = self.net.blocks, self.net.weight_decay
        if isinstance(self.theta, np.ndarray) and self.data.is_whole:
            gradient = small_gradient(self._whole, blocks)
            if decay:
                gradient += decay * self.theta
        elif self._replayed is not None:
            return self._replayed[2]
        else:
            gradient = loss_gradient(
                self.passes(), blocks, self.theta, samples=self.data.size, weight_decay=decay
            )
        refuse_overflow("gradient", gradient)
        return _kept(gradient)

    def __repr__(self) -> str:
        """Return network, sample count and energy in place of the arrays."""
        return f"LossPoint({self.net}, samples={self.data.size}, energy={self.energy:.6g})"

    def __getstate__(self) -> Record:
        """Return what a pickle holds: the fields, without what can be computed from them."""
        return {"net": self.net, "theta": self.theta, "data": self.data}

    # The machinery -------------------------------------------------------------------------------

    @computed_once
    def _replayed(self) -> tuple[float, float, Array] | None:
        """Sum of the losses, |theta|^2 and gradient by a CUDA graph, where all of it is finite."""
        if isinstance(self.theta, np.ndarray):
            return None
        found = recorded_value(self.net, self.theta, self.data)
        if found is None:
            return None
        numbers = to_numpy(found[0])
        if not np.isfinite(numbers).all():
            return None  # the plain route says what overflows
        return float(numbers[0]), float(numbers[1]), found[1]

    @computed_once
    def _effective(self) -> tuple[tuple[Array, ...], tuple[Array | None, ...]]:
        return effective_weights(self.theta, self.net.blocks)

    @computed_once
    def _whole(self) -> ForwardPass:
        """The forward pass over all samples, where they are kept whole."""
        return self._pass(self.data.x, self.data.y)

    def _pass(self, x: Array, y: Array) -> ForwardPass:
        weights, biases = self._effective
        f: Activation = activation(self.net.activation)
        return ForwardPass(weights, biases, f, self.data.loss, x, y)

    def passes(self) -> Iterator[ForwardPass]:
        """Yield the forward passes, one a chunk of samples; the only one is kept.

        Yields
        ------
        ForwardPass
            In the order of the samples.
        """
        if self.data.is_whole:
            yield self._whole
        else:
            for x, y in self.data.chunks():
                yield self._pass(x, y)


def _kept(array: Array) -> Array:
    """Return a view that NumPy refuses to write to: others read the same numbers."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.setflags(write=False)
    return view
