r"""Multilayer perceptrons.

The network is o = W_L f(W_{L-1} ... f(W_1 x)): the activation acts on the hidden layers, the
output is linear, and a bias b_l is added before each activation (and to the output) on request.
With the NTK parametrisation each W_l is multiplied by 1/sqrt(n_{l-1}) (Jacot et al., NIPS 2018).
For m samples,

    loss   L = (1/m) sum_mu l(o_mu, y_mu) + (w/2) |theta|^2,

with l one of the losses of `rmtland.networks.loss` (half the squared error by default) and weight
decay w, and the energy is the loss per output without the weight decay: for half the mean squared
error (1/2 m n_out) sum (o - y)^2.

W_l has shape (n_l, n_{l-1}); the parameters are one flat vector, laid out as in
`rmtland.networks.parameters`. Data have one row per sample: x of shape (m, n_in), y of shape
(m, n_out) or, for cross-entropy, labels of shape (m,). Source of the conventions: Pennington &
Bahri, ICML 2017, whose networks have one hidden layer, no biases and half the mean squared error.

Arrays may be of NumPy, CuPy, PyTorch or any other library with the array-API standard; results are
of the same library, on the same device. Computation is in float32 where theta and x both are, else
in float64.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] A. Jacot, F. Gabriel and C. Hongler, Neural tangent kernel: convergence and generalization in
       neural networks, NeurIPS 2018.

Examples
--------
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
>>> product = point.hvp(theta)
>>> bool(abs(product - split.total @ theta).max() < 1e-14)
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from rmtland.arguments import choice, count, nonnegative, truth
from rmtland.arrays import array_namespace
from rmtland.deprecation import keyword_only
from rmtland.networks.activation import Activation, activation
from rmtland.networks.compiled_loss import CompiledLoss
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.initialisation import INITIALISATIONS
from rmtland.networks.loss import LOSSES, Loss
from rmtland.networks.loss_data import LossData
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.parameters import effective_weights
from rmtland.networks.torch_sequential import read_layers
from rmtland.streams import random_generator
from rmtland.synonyms import NETWORKS, WithSynonyms
from rmtland.typing import Array, ArrayLike, Real, Record, Rng

if TYPE_CHECKING:
    from torch.nn import Module
from rmtland.networks.parameter_layout import DOUBLE, ParameterLayout

__all__ = ["MLP", "PARAMETRISATIONS"]


PARAMETRISATIONS = ("standard", "ntk")
"""How weights enter the network: as they are, or over the square root of their inputs."""


@dataclass(frozen=True)
class MLP(WithSynonyms, ParameterLayout):
    """A fully connected network with its loss; synonyms: multilayer perceptron, feed-forward.

    Parameters
    ----------
    widths : sequence of int
        (n_0, n_1, ..., n_L): inputs, hidden layers, outputs; at least two, each at least 1.
    activation : str or Activation, optional
        The function f on the hidden layers: "tanh", "relu", "linear", "leaky_relu", "erf",
        "sigmoid", "softplus", "gelu", "silu", "quadratic", "sine", or one of your own. For
        ReLU, f'(0) = 0 and f'' = 0.
    bias : bool, optional
        Whether each layer adds a bias vector. Default False, as in Pennington & Bahri.
    loss : {"mse", "cross_entropy", "logistic"}, optional
        Half the mean squared error, softmax cross-entropy, or binary logistic loss of each
        output.
    weight_decay : float, optional
        w in (w/2) `theta @ theta`, over all parameters.
    parametrisation : {"standard", "ntk"}, optional
        Whether W_l enters as it is or over sqrt(n_{l-1}).

    Raises
    ------
    ValueError
        For fewer than two widths, a width below 1, or an unknown name.
    TypeError
        For a width that is not an integer, or a `bias` that is not a truth value.
    """

    _synonyms = NETWORKS

    widths: tuple[int, ...]
    activation: str | Activation = "tanh"
    bias: bool = False
    loss: str = field(default="mse", kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    parametrisation: str = field(default="standard", kw_only=True)

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
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "bias", truth("bias", self.bias))
        object.__setattr__(self, "weight_decay", nonnegative("weight_decay", self.weight_decay))
        activation(self.activation)
        choice("loss", self.loss, tuple(LOSSES))
        choice("parametrisation", self.parametrisation, PARAMETRISATIONS)

    @classmethod
    def from_torch(
        cls, sequential: Module, *, loss: str = "mse", weight_decay: float = 0.0
    ) -> tuple[Self, Real]:
        """Read a fully connected PyTorch network, for everything that is exact here.

        `torch.nn.CrossEntropyLoss` is "cross_entropy"; `torch.nn.MSELoss` is 2/n_out times "mse",
        and `torch.nn.BCEWithLogitsLoss` 1/n_out times "logistic". Other models:
        `rmtland.adapters.from_torch`.

        Parameters
        ----------
        sequential : nn.Sequential
            Linear layers with one kind of activation between, all with biases or all without.
        loss : {"mse", "cross_entropy", "logistic"}, optional
            As for the class.
        weight_decay : float, optional
            As for the class.

        Returns
        -------
        net : MLP
            The same function.
        theta : ndarray of float64, shape (p,)
            A copy of its parameters, as `at` takes them; their order is that of
            ``sequential.parameters()``.

        Raises
        ------
        ValueError
            If it is not made of such layers.

        Examples
        --------
        Where PyTorch is installed::

            net, theta = MLP.from_torch(torch.nn.Sequential(...), loss="cross_entropy")
            net.at(theta, x.numpy(), y.numpy()).hessian()
        """
        read = read_layers([sequential])
        options: Record = {"loss": loss, "weight_decay": weight_decay}
        return cls(read.widths, read.activation, read.bias, **options), read.theta

    def __repr__(self) -> str:
        """Return what differs from the defaults, widths and activation first."""
        name = getattr(self.activation, "name", self.activation)
        text = f"MLP(widths={self.widths}, activation={name!r}, bias={self.bias}"
        defaults = {"loss": "mse", "weight_decay": 0.0, "parametrisation": "standard"}
        for option, default in defaults.items():
            if getattr(self, option) != default:
                text += f", {option}={getattr(self, option)!r}"
        return text + ")"

    @keyword_only("rng", 1)
    def init(
        self,
        *,
        rng: Rng = None,
        scheme: str | None = None,
        scale: float = 1.0,
        bias_scale: float = 0.0,
    ) -> Real:
        """Draw parameters: by default the entries of W_l iid N(0, 1/n_{l-1}), the biases zero.

        Parameters
        ----------
        rng : optional
            Anything `numpy.random.default_rng` takes; layers are drawn in order.
        scheme : str, optional
            A name in `rmtland.networks.INITIALISATIONS`, which says the variance. The default
            is "lecun", or "unit" with the NTK parametrisation: the same network.
        scale : float, optional
            Multiplies the weights.
        bias_scale : float, optional
            The biases are N(0, bias_scale^2).

        Returns
        -------
        ndarray of float64, shape (p,)
            The parameters, layer by layer, as `at` takes them.

        Raises
        ------
        ValueError
            For an unknown scheme, or a scale that is negative.
        TypeError
            If `scale` or `bias_scale` is no real number.
        """
        if scheme is None:
            scheme = "unit" if self.parametrisation == "ntk" else "lecun"
        initialisation = INITIALISATIONS[choice("scheme", scheme, tuple(INITIALISATIONS))]
        scale = nonnegative("scale", scale)
        bias_scale = nonnegative("bias_scale", bias_scale)
        generator = random_generator(rng)
        theta = np.zeros(self.parameter_count)
        for block in self.blocks:
            if not block.is_bias:
                n, before = block.shape
                drawn = initialisation.draw((n, before), self.activation, generator)
                theta[block.slice] = scale * drawn.ravel()
            elif bias_scale:
                theta[block.slice] = bias_scale * generator.standard_normal(block.shape)
        return theta

    def predict(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Return the outputs, shape (m, n_out), for inputs x, shape (m, n_in).

        For classification losses they are logits.

        Parameters
        ----------
        theta : array_like, shape (p,)
            The parameters.
        x : array_like, shape (m, n_in)
            Inputs, as `at` takes them.

        Returns
        -------
        array, shape (m, n_out)
            Outputs of the last layer, in the library of the computation.

        Raises
        ------
        ValueError
            For arrays of the wrong shape, NaN, infinities, or an overflow on the way.
        """
        parameters = self._parameters(theta, x)
        data = LossData.of(x, x, parameters, self.widths, _NO_TARGETS)
        weights, biases = effective_weights(parameters, self.blocks)
        outputs = [
            ForwardPass(weights, biases, activation(self.activation), _NO_TARGETS, x, y).outputs
            for x, y in data.chunks()
        ]
        return outputs[0] if len(outputs) == 1 else array_namespace(parameters).concat(outputs)

    def at(
        self, theta: ArrayLike, x: ArrayLike, y: ArrayLike, *, chunk: int | None = None
    ) -> LossPoint:
        """Return the loss at `theta` on the data (x, y), with its forward pass kept.

        Parameters
        ----------
        theta : array_like, shape (p,)
            Parameters; they are copied.
        x : array_like, shape (m, n_in)
            Inputs, one row per sample; also anything that has a shape and slices along its first
            axis, such as a memory map. Data in NumPy beside parameters on a device are moved
            there, chunk by chunk if there are many. Not copied if they are contiguous and of the
            dtype of the computation: do not change them in place while the point is in use. The
            same holds for `y`.
        y : array_like
            Targets: shape (m, n_out); for "cross_entropy" integer labels, shape (m,), or
            rows of probabilities; for "logistic" 0 or 1, shape (m,) if there is one output.
        chunk : int, optional
            Samples taken at once. By default all of them, and their forward pass is kept, unless
            that would fill more than 1 GiB (a quarter of it for a memory map); then chunks are
            read and passed forward anew by each method.

        Returns
        -------
        LossPoint
            Loss, gradient, Hessian and products there, each computed when it is asked for.

        Raises
        ------
        ValueError
            For arrays of the wrong shape, empty data, NaN, infinities, targets out of range, or
            an overflow in the forward pass. Data in chunks are checked as they are read.
        """
        loss = LOSSES[self.loss]
        if (
            chunk is None
            and type(theta) is type(x) is np.ndarray
            and theta.dtype is DOUBLE.dtype
            and theta.shape == (self.parameter_count,)
            and math.isfinite(np.vdot(theta, theta))
        ):
            parameters = theta.copy()
            plain = LossData.plain(x, y, parameters, self.widths, loss)
            if plain is not None:
                return LossPoint.of(self, parameters, plain)
        parameters = self._parameters(theta, x)
        data = LossData.of(x, y, parameters, self.widths, loss, chunk=chunk)
        copied = array_namespace(parameters).asarray(parameters, copy=True)
        return LossPoint.of(self, copied, data)

    def compiled(self, x: ArrayLike, y: ArrayLike) -> CompiledLoss:
        """Return loss, gradient and Hessian-vector product on fixed data as a compiled function.

        For small networks at many parameters, where Python takes most of the time of `at`.

        Parameters
        ----------
        x, y : array_like
            Inputs and targets as `at` takes them; they are copied.

        Returns
        -------
        CompiledLoss
            Its methods take theta; equal to those of `LossPoint` within rounding.

        Raises
        ------
        ValueError
            For data that `at` refuses, or an activation that has no compiled form.

        Examples
        --------
        ::

            compiled = net.compiled(x, y)
            scipy.optimize.minimize(compiled.loss_and_gradient, theta, jac=True)
        """
        return CompiledLoss.of(self, x, y, self.loss)


class _NoTargets(Loss):
    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        return y


_NO_TARGETS = _NoTargets("none")
