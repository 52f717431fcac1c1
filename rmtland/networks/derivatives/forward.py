r"""The forward and the backward pass of a network over a batch of samples, each made once.

With a_0 = x, z_l = a_{l-1} W_l^T + b_l, a_l = f(z_l) on hidden layers and outputs o = z_L,

    delta_L = dl/do,   g_l = delta_{l+1} W_{l+1},   delta_l = f'(z_l) g_l,

where l is the loss of one sample: the deltas are dl/dz_l. All arrays have one row per sample. The
weights here are those that multiply: with the NTK parametrisation they hold the factor
1/sqrt(n_{l-1}).

>>> import numpy as np
>>> from rmtland.networks.activation import ACTIVATIONS
>>> from rmtland.networks.loss import LOSSES
>>> one = np.ones((1, 1))
>>> f, loss = ACTIVATIONS["quadratic"], LOSSES["mse"]
>>> batch = ForwardPass((one, one), (None, None), f, loss, x=3 * one, y=0 * one)
>>> batch.outputs, batch.deltas
(array([[9.]]), (array([[54.]]), array([[9.]])))
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.arrays import array_namespace, device_options, is_finite
from rmtland.networks.activation import ACTIVATIONS, Activation
from rmtland.networks.array_arguments import product_of
from rmtland.networks.computed_once import computed_once
from rmtland.networks.cuda_graphs import times
from rmtland.networks.fused_kernels import activation_with_derivatives
from rmtland.networks.loss import Loss, OutputCurvature
from rmtland.networks.overflow import NetworkOverflowError
from rmtland.typing import Array, Namespace, Real, Tree

__all__ = ["ForwardPass", "transposed"]

_times = np.ndarray.dot
_FEW = 2**12  # entries up to which a transposed copy costs less than it saves BLAS


@dataclass(frozen=True, eq=False, repr=False)
class ForwardPass:
    """What a network makes of a batch of samples; computed at the first use, then kept.

    Whoever asks for derivatives switches NumPy's warnings of overflow off, and checks the result.

    Parameters
    ----------
    weights : tuple of array, W_l of shape (n_l, n_{l-1})
        Entry l-1 is W_l, l = 1..L, as it multiplies.
    biases : tuple of array or None, shape (n_l,)
        Entry l-1 is b_l.
    activation : Activation
        f on the hidden layers.
    loss : Loss
        The loss of one sample.
    x, y : array, shapes (m, n_0) and (m, n_L)
        Inputs and targets.
    checked : bool, optional
        Whether an overflow is looked for, which waits for a device.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array | None, ...]
    activation: Activation
    loss: Loss
    x: Array
    y: Array
    checked: bool = True

    @property
    def depth(self) -> int:
        """The number L of weight layers."""
        return len(self.weights)

    @computed_once
    def xp(self) -> Namespace:
        """The array library."""
        return array_namespace(self.x)

    @classmethod
    def on_host(
        cls,
        weights: tuple[Real, ...],
        biases: tuple[Real | None, ...],
        activation: Activation,
        loss: Loss,
        x: Real,
        y: Real,
    ) -> Self:
        """Return the forward pass of arrays of NumPy, made at once.

        For small networks: it takes half the time of fields that are set one by one, as those of a
        frozen class are.

        Parameters
        ----------
        weights, biases, activation, loss, x, y
            As for the class.

        Returns
        -------
        ForwardPass

        Raises
        ------
        NetworkOverflowError
            If the forward pass overflows.
        """
        batch = cls.__new__(cls)
        fields = batch.__dict__
        fields["weights"], fields["biases"] = weights, biases
        fields["activation"], fields["loss"], fields["checked"] = activation, loss, True
        fields["x"], fields["y"] = x, y
        _add_host_layers(batch)
        return batch

    @computed_once
    def transposed_weights(self) -> tuple[Array, ...]:
        """W_l^T as it multiplies a signal, for arrays of NumPy."""
        return tuple([transposed(weight) for weight in self.weights])

    @property
    def samples(self) -> int:
        """The number m of samples."""
        return int(self.x.shape[0])

    @property
    def widths(self) -> tuple[int, ...]:
        """The numbers of units (n_0, n_1, ..., n_L)."""
        return (int(self.x.shape[1]), *[int(weight.shape[0]) for weight in self.weights])

    @computed_once
    def layers(self) -> tuple[tuple[Array, Array], ...]:
        """(z_l, a_l) for l = 1..L; the last layer has a_L = z_L = o.

        Raises
        ------
        NetworkOverflowError
            If a preactivation or an activation overflows (a ValueError).
        """
        if isinstance(self.x, np.ndarray):
            _add_host_layers(self)
            return self.layers  # kept by now
        return tuple([(z, a) for z, a, *_ in self._device_layers])

    @computed_once
    def _device_layers(self) -> list[tuple[Array, ...]]:
        """(z_l, a_l), or (z_l, a_l, f', f'') by one kernel; one number travels to the host."""
        xp, name = self.xp, self.activation.name
        own = ACTIVATIONS.get(name) is not self.activation
        layers: list[tuple[Array, ...]] = []
        signal, sums = self.x, []
        with np.errstate(over="ignore", invalid="ignore"):
            for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
                z = times(signal, weight.T)
                if bias is not None:
                    z += bias
                # an infinite signal makes the sum of this or the next z infinite or NaN
                if self.checked:
                    sums.append(xp.sum(z))
                fused = None
                if layer == self.depth:
                    layers.append((z, z))
                    break
                if not own:
                    fused = activation_with_derivatives(name, z)
                layers.append((z, self.activation.value(z)) if fused is None else (z, *fused))
                signal = layers[-1][1]
        if self.checked and not is_finite(xp.stack(sums)):
            for layer, (z, a, *_) in enumerate(layers, 1):
                if not is_finite(z) or not is_finite(a):
                    raise NetworkOverflowError(
                        f"the forward pass overflows in layer {layer} of {self.depth}; "
                        "theta or x is too large: rescale them"
                    )
        return layers

    @property
    def outputs(self) -> Array:
        """The outputs o, shape (m, n_L)."""
        return self.layers[-1][1]

    @computed_once
    def inputs(self) -> tuple[Array, ...]:
        """What each layer reads: a_0 = x, a_1, ..., a_{L-1}."""
        return (self.x, *[a for _, a in self.layers][:-1])

    @computed_once
    def slopes(self) -> tuple[Array, ...]:
        """f'(z_l) of the hidden layers."""
        if self._has_derivatives:
            return tuple([layer[2] for layer in self._device_layers[:-1]])
        return tuple([self.activation.slope(z, a) for z, a in self.layers[:-1]])

    @property
    def _has_derivatives(self) -> bool:
        """Whether the kernels of the forward pass have made slopes and curvatures too."""
        on_host = isinstance(self.x, np.ndarray)
        return not on_host and self.depth > 1 and len(self._device_layers[0]) == 4

    @computed_once
    def _shared(self) -> Tree:
        return self.loss.prepared(self.outputs)

    @computed_once
    def loss_sum(self) -> Array:
        """The sum of the losses of the samples, an array of no axes."""
        return self.loss.value(self.outputs, self.y, self._shared)

    @computed_once
    def output_gradient(self) -> Array:
        """dl/do, shape (m, n_L)."""
        return self.loss.gradient(self.outputs, self.y, self._shared)

    @computed_once
    def output_curvature(self) -> OutputCurvature:
        """d^2 l/do^2 of each sample."""
        return self.loss.curvature(self.outputs, self._shared)

    @computed_once
    def _backward(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        if isinstance(self.x, np.ndarray):
            _add_host_derivatives(self)
            return self._backward  # kept by now
        delta, weights, slopes = self.output_gradient, self.weights, self.slopes
        times = product_of(delta)
        deltas, pulled = [delta], []
        for layer in range(len(slopes), 0, -1):
            signal = times(delta, weights[layer])
            delta = slopes[layer - 1] * signal
            pulled.append(signal)
            deltas.append(delta)
        return tuple(deltas[::-1]), tuple(pulled[::-1])

    @property
    def deltas(self) -> tuple[Array, ...]:
        """delta_l = dl/dz_l, l = 1..L, each of shape (m, n_l)."""
        return self._backward[0]

    @computed_once
    def curvature_signals(self) -> tuple[Array | None, ...]:
        """f''(z_l) g_l of the hidden layers, each of shape (m, n_l); None where f'' = 0."""
        f = self.activation
        if f.curvature is None:
            return (None,) * (self.depth - 1)
        if self._has_derivatives:
            return tuple(
                layer[3] * pulled
                for layer, pulled in zip(self._device_layers[:-1], self._backward[1], strict=True)
            )
        signals = []
        by_slope = f.curvature_from_slope
        proportional = ACTIVATIONS.get(f.name) is f
        for (z, a), slope, delta, pulled in zip(
            self.layers[:-1], self.slopes, self.deltas[:-1], self._backward[1], strict=True
        ):
            if by_slope is None:
                signals.append(f.curvature(z, a) * pulled)
            elif proportional:  # f'' = (f''/f') f', so that f' g may stand for f'
                signals.append(by_slope(z, a, delta))
            else:
                signals.append(by_slope(z, a, slope) * pulled)
        return tuple(signals)

    @computed_once
    def workspaces(self) -> list[dict[Hashable, Array]]:
        """Buffers for tangents, kept from one product with the Hessian to the next.

        A product takes one and puts it back, so that several may run at a time.
        """
        return []

    def output_jacobians(self) -> tuple[Array, ...]:
        """Return do/dz_l for l = 1..L, each of shape (m, n_L, n_l), for l = L (1, ., .).

        Returns
        -------
        tuple of array
        """
        n_out = self.weights[-1].shape[0]
        eye = self.xp.eye(n_out, dtype=self.x.dtype, **device_options(self.x))
        jacobian = eye[None, :, :]
        jacobians = [jacobian]
        for weight, slope in zip(self.weights[:0:-1], self.slopes[::-1], strict=True):
            jacobian = slope[:, None, :] * (jacobian @ weight)
            jacobians.append(jacobian)
        return tuple(jacobians[::-1])


def transposed(weight: Real) -> Real:
    """Return W^T: a copy where it is small, as BLAS multiplies by rows faster then, else a view.

    Parameters
    ----------
    weight : ndarray, shape (n, n_before)
        The matrix.

    Returns
    -------
    ndarray, shape (n_before, n)
    """
    return weight.T.copy() if weight.size <= _FEW else weight.T


@np.errstate(over="ignore", invalid="ignore")
def _add_host_layers(batch: ForwardPass) -> None:
    """Make `layers`, `inputs` and `transposed_weights` of a pass of arrays of NumPy."""
    kept = batch.__dict__
    layers: list[tuple[Real, Real]] = []
    signal, value, times, square = batch.x, batch.activation.value, np.ndarray.dot, np.vdot
    weights = tuple([transposed(weight) for weight in batch.weights])
    inputs, last = [], len(weights) - 1
    squares = 0.0  # an infinite signal makes the next z infinite or NaN
    for layer, bias in enumerate(batch.biases):
        inputs.append(signal)
        z = times(signal, weights[layer])
        if bias is not None:
            z += bias
        squares += square(z, z)
        signal = value(z) if layer < last else z
        layers.append((z, signal))
    if not math.isfinite(squares):
        _refuse_overflow(batch.x, layers)
    kept["transposed_weights"], kept["inputs"] = weights, tuple(inputs)
    kept["layers"] = tuple(layers)


def _add_host_derivatives(batch: ForwardPass) -> None:
    """Make `slopes` and what `_backward` holds of a pass of arrays of NumPy."""
    kept, weights, slope, times = batch.__dict__, batch.weights, batch.activation.slope, _times
    slopes = kept["slopes"] = tuple([slope(z, a) for z, a in batch.layers[:-1]])
    delta = batch.output_gradient
    deltas, pulled = [delta], []
    for layer in range(len(slopes), 0, -1):
        signal = times(delta, weights[layer])
        delta = slopes[layer - 1] * signal
        pulled.append(signal)
        deltas.append(delta)
    kept["_backward"] = tuple(deltas[::-1]), tuple(pulled[::-1])


def _refuse_overflow(x: Real, layers: list[tuple[Array, Array]]) -> None:
    """Name the layer that overflows, unless it was but a sum of squares that did."""
    signal = x
    for layer, (z, following) in enumerate(layers):
        if not is_finite(z):
            raise NetworkOverflowError(
                f"the forward pass overflows in layer {layer + is_finite(signal)} of "
                f"{len(layers)}; theta or x is too large: rescale them"
            )
        signal = following
