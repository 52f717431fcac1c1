r"""Multilayer perceptrons, and their loss at a point of parameter space.

The network is y_hat = W_L f(W_{L-1} ... f(W_1 x)): the activation acts on the hidden layers, the
output is linear, and a bias b_l is added before each activation (and to the output) on request.
For m samples,

    loss   L = (1/2m) sum_{mu, i} (y_hat_{mu i} - y_{mu i})^2,      energy = L / n_out.

W_l has shape (n_l, n_{l-1}); the parameters are one flat float64 vector, laid out as in
`rmtland.networks.parameters`. Data have one row per sample: x of shape (m, n_in), y of shape
(m, n_out). Source of the conventions: Pennington & Bahri, ICML 2017, whose networks have
one hidden layer and no biases.

>>> net = MLP((2, 3, 2), activation="tanh")
>>> net.parameter_count
12
>>> theta = net.init(rng=0)
>>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
>>> point = net.at(theta, x, y=x)
>>> point.energy == point.loss / 2
True
>>> split = point.hessian()
>>> bool((split.total == split.gauss_newton + split.residual).all())
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arrays import Rng, choice, count, float_array, nonnegative, random_generator
from rmtland.networks.activation import ACTIVATIONS, Activation
from rmtland.networks.hessian import Derivatives, HessianSplit, assemble
from rmtland.networks.parameters import ParameterBlock, parameter_blocks

__all__ = ["MLP", "LossPoint"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MLP:
    """A fully connected network; synonyms: multilayer perceptron, feed-forward network.

    Parameters
    ----------
    widths : sequence of int
        (n_0, n_1, ..., n_L): inputs, hidden layers, outputs; at least two, each at least 1.
    activation : {"tanh", "relu", "linear"}, optional
        The function f on the hidden layers. For ReLU, f'(0) = 0 and f'' = 0.
    bias : bool, optional
        Whether each layer adds a bias vector. Default False, as in Pennington & Bahri.

    Raises
    ------
    ValueError
        For fewer than two widths, a width below 1, or an unknown activation.
    TypeError
        For a width that is not an integer, or a `bias` that is not a truth value.
    """

    widths: tuple[int, ...]
    activation: str = "tanh"
    bias: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        if isinstance(self.widths, str | bytes) or not isinstance(
            self.widths, Sequence | np.ndarray
        ):
            raise TypeError(f"widths must be a sequence of integers; got {self.widths!r}")
        widths = tuple(count(f"widths[{i}]", width) for i, width in enumerate(self.widths))
        if len(widths) < 2:
            raise ValueError(
                f"widths must name at least the inputs and the outputs; got {widths}; "
                "write for example (16, 16, 16) for one hidden layer"
            )
        if not isinstance(self.bias, bool | np.bool_):
            raise TypeError(f"bias must be True or False; got {self.bias!r}")
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "bias", bool(self.bias))
        choice("activation", self.activation, tuple(ACTIVATIONS))

    @property
    def n_in(self) -> int:
        """The number n_0 of inputs."""
        return self.widths[0]

    @property
    def n_out(self) -> int:
        """The number n_L of outputs."""
        return self.widths[-1]

    @property
    def parameter_count(self) -> int:
        """The number p of parameters."""
        return self.blocks[-1].stop

    @cached_property
    def blocks(self) -> tuple[ParameterBlock, ...]:
        """Where each weight matrix and bias lies in theta, in order: W1, (b1,) W2, ..."""
        return parameter_blocks(self.widths, bias=self.bias)

    def unflatten(self, theta: ArrayLike) -> tuple[Array, ...]:
        """Return the weight matrices (W_1, W_2, ...), or (W_1, b_1, W_2, ...) with biases.

        They are views into `theta` where it is a contiguous float64 array.
        """
        return self._views(self._parameters(theta))

    def init(self, rng: Rng = None, *, scale: float = 1.0) -> Array:
        """Draw parameters: the entries of W_l iid N(0, scale^2/n_{l-1}), the biases zero.

        Parameters
        ----------
        rng : optional
            Anything `numpy.random.default_rng` takes; W_1 is drawn first.
        scale : float, optional
            Standard deviation of an entry times the square root of the layer's inputs.

        Returns
        -------
        ndarray of float64, shape (p,)
        """
        scale = nonnegative("scale", scale)
        generator = random_generator(rng)
        theta = np.zeros(self.parameter_count)
        for block in self.blocks:
            if not block.is_bias:
                deviation = scale / np.sqrt(block.shape[1])
                theta[block.slice] = deviation * generator.standard_normal(block.stop - block.start)
        return theta

    def predict(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Return the outputs y_hat, shape (m, n_out), for inputs x, shape (m, n_in).

        Raises
        ------
        ValueError
            For arrays of the wrong shape, NaN, infinities, or an overflow on the way.
        """
        parameters, inputs = self._parameters(theta), self._inputs(x)
        return self._forward(parameters, inputs)[-1][1]

    def at(self, theta: ArrayLike, x: ArrayLike, y: ArrayLike) -> LossPoint:
        """Return the loss at `theta` on the data (x, y), with its forward pass kept.

        Parameters
        ----------
        theta : array_like, shape (p,)
            Parameters; they are copied.
        x : array_like, shape (m, n_in)
            Inputs, one row per sample. Not copied if they are contiguous float64: do not
            change them in place while the point is in use. The same holds for `y`.
        y : array_like, shape (m, n_out)
            Targets.

        Raises
        ------
        ValueError
            For arrays of the wrong shape, empty data, NaN, infinities, or an overflow in the
            forward pass.
        """
        parameters, inputs = self._parameters(theta), self._inputs(x)
        return self._at(parameters.copy(), inputs, self._targets(y, samples=len(inputs)))

    def _at(self, theta: Array, x: Array, y: Array) -> LossPoint:
        """Return the point at checked arguments, none of them copied."""
        return LossPoint(self, theta, x, y, self._forward(theta, x))

    @property
    def _activation(self) -> Activation:
        return ACTIVATIONS[self.activation]

    def _views(self, theta: Array) -> tuple[Array, ...]:
        return tuple(theta[block.slice].reshape(block.shape) for block in self.blocks)

    def _weights(self, theta: Array) -> tuple[Array, ...]:
        views = self._views(theta)
        return tuple(v for v, b in zip(views, self.blocks, strict=True) if not b.is_bias)

    def _forward(self, theta: Array, x: Array) -> tuple[tuple[Array, Array], ...]:
        """Return (z_l, a_l) for l = 1..L; the last layer has a_L = z_L = y_hat."""
        layers: list[tuple[Array, Array]] = []
        depth = len(self.widths) - 1
        signal = x
        with np.errstate(over="ignore", invalid="ignore"):
            for block, parameters in zip(self.blocks, self._views(theta), strict=True):
                if not block.is_bias:
                    z = signal @ parameters.T
                    if self.bias:
                        continue
                else:
                    z += parameters
                if not np.isfinite(z).all():
                    raise ValueError(
                        f"the forward pass overflows in layer {block.layer} of {depth}; "
                        "theta or x is too large: rescale them"
                    )
                signal = self._activation.value(z) if block.layer < depth else z
                layers.append((z, signal))
        return tuple(layers)

    def _parameters(self, theta: ArrayLike) -> Array:
        array = float_array("theta", theta, ndim=1)
        if len(array) != self.parameter_count:
            raise ValueError(
                f"theta must have {self.parameter_count} entries for {self}; got {len(array)}"
            )
        return array

    def _inputs(self, x: ArrayLike) -> Array:
        array = float_array("x", x, ndim=2)
        if array.shape[1] != self.n_in:
            raise ValueError(
                f"x must have shape (m, {self.n_in}), one row per sample, for {self}; "
                f"got {array.shape}"
            )
        return array

    def _targets(self, y: ArrayLike, *, samples: int) -> Array:
        array = float_array("y", y, ndim=2)
        if array.shape != (samples, self.n_out):
            raise ValueError(
                f"y must have shape ({samples}, {self.n_out}), one row per sample of x, for "
                f"{self}; got {array.shape}"
            )
        return array


@dataclass(frozen=True, eq=False, repr=False)
class LossPoint:
    """The loss of a network at one point of parameter space; made by `MLP.at`.

    Everything is computed from one forward pass, at the first use, and kept.

    Parameters
    ----------
    net : MLP
        The network.
    theta : ndarray of float64, shape (p,)
        The parameters.
    x : ndarray of float64, shape (m, n_in)
        The inputs.
    y : ndarray of float64, shape (m, n_out)
        The targets.
    layers : tuple of (ndarray, ndarray), each of shape (m, n_l)
        Preactivations z_l and activations a_l, l = 1..L; the last layer's are both y_hat.
    """

    net: MLP
    theta: Array
    x: Array
    y: Array
    layers: tuple[tuple[Array, Array], ...]

    @property
    def prediction(self) -> Array:
        """The outputs y_hat, shape (m, n_out)."""
        return self.layers[-1][1]

    @cached_property
    def residuals(self) -> Array:
        """Residuals e = y_hat - y, shape (m, n_out)."""
        return self.prediction - self.y

    @cached_property
    def loss(self) -> float:
        """L = (1/2m) sum e^2.

        Raises
        ------
        ValueError
            If the sum of squares overflows.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            loss = 0.5 * float(np.vdot(self.residuals, self.residuals)) / len(self.x)
        if not np.isfinite(loss):
            raise ValueError(
                "the loss overflows double precision at this point; rescale the data or theta"
            )
        return loss

    @property
    def energy(self) -> float:
        """The loss per output, L / n_out."""
        return self.loss / self.net.n_out

    @cached_property
    def gradient(self) -> Array:
        """dL/dtheta, shape (p,).

        Raises
        ------
        ValueError
            If it overflows.
        """
        gradient = np.empty(self.net.parameter_count)
        views = self.net._views(gradient)
        with np.errstate(over="ignore", invalid="ignore"):
            for block, view in zip(self.net.blocks, views, strict=True):
                delta = self._deltas[block.layer - 1]
                if block.is_bias:
                    np.sum(delta, axis=0, out=view)
                else:
                    np.matmul(delta.T, self._inputs[block.layer - 1], out=view)
            gradient /= len(self.x)
        if not np.isfinite(gradient).all():
            raise ValueError(
                "the gradient overflows double precision at this point; rescale the data or theta"
            )
        return gradient

    def jacobian(self) -> Array:
        """Return d y_hat / d theta, shape (m * n_out, p); rows run as `prediction.ravel()`."""
        d = self._derivatives
        jacobian = np.empty((self.net.n_out, d.samples, d.parameter_count))
        with np.errstate(over="ignore", invalid="ignore"):
            for block in d.blocks:
                signal = d.forward_jacobians(block.layer)[d.depth]  # (n_out, n_l, m or 1)
                product = signal[:, :, None, :] * d.input_of(block)  # (n_out, n_l, k, m)
                flat = product.reshape(self.net.n_out, -1, d.samples)
                jacobian[:, :, block.slice] = flat.transpose(0, 2, 1)
        rows = np.ascontiguousarray(jacobian.transpose(1, 0, 2)).reshape(-1, d.parameter_count)
        if not np.isfinite(rows).all():
            raise ValueError(
                "the Jacobian overflows double precision at this point; rescale the data or theta"
            )
        return rows

    def hessian(self) -> HessianSplit:
        """Return the exact Hessian of the loss, split into Gauss-Newton and residual parts.

        Returns
        -------
        HessianSplit
            Dense (p, p) float64 matrices: 24 p^2 bytes with the total.

        Raises
        ------
        ValueError
            If an entry overflows.
        """
        return assemble(self._derivatives)

    def __repr__(self) -> str:
        """Return network, sample count and energy in place of the arrays."""
        return f"LossPoint({self.net}, samples={len(self.x)}, energy={self.energy:.6g})"

    @property
    def _inputs(self) -> tuple[Array, ...]:
        """What each layer reads: a_0 = x, a_1, ..., a_{L-1}."""
        return (self.x, *(a for _, a in self.layers[:-1]))

    @cached_property
    def _slopes(self) -> tuple[Array, ...]:
        """f'(z_l) of the hidden layers."""
        return tuple(self.net._activation.slope(z, a) for z, a in self.layers[:-1])

    @cached_property
    def _deltas(self) -> tuple[Array, ...]:
        """The backpropagated residuals m dL/dz_l, l = 1..L, each of shape (m, n_l)."""
        weights = self.net._weights(self.theta)
        deltas = [self.residuals]
        for weight, slope in zip(weights[:0:-1], self._slopes[::-1], strict=True):
            deltas.append(slope * (deltas[-1] @ weight))
        return tuple(deltas[::-1])

    @property
    def _derivatives(self) -> Derivatives:
        """What the Hessian is assembled from, samples last."""
        curvature = self.net._activation.curvature
        hidden = self.layers[:-1]
        return Derivatives(
            blocks=self.net.blocks,
            weights=self.net._weights(self.theta),
            inputs=tuple(_samples_last(a) for a in self._inputs),
            slopes=tuple(_samples_last(slope) for slope in self._slopes),
            curvatures=tuple(
                None if curvature is None else _samples_last(curvature(z, a)) for z, a in hidden
            ),
            residuals=_samples_last(self.residuals),
        )


def _samples_last(array: Array) -> Array:
    return np.ascontiguousarray(array.T)
