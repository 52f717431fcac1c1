r"""Multilayer perceptrons, and their loss at a point of parameter space.

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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arrays import (
    Rng,
    array_namespace,
    choice,
    count,
    nonnegative,
    random_generator,
    to_numpy,
)
from rmtland.networks.activation import Activation, activation
from rmtland.networks.elementwise import rows_of
from rmtland.networks.forward import ForwardPass, is_finite
from rmtland.networks.hessian import PARTS, HessianSplit, assemble, assemble_split
from rmtland.networks.initialisation import INITIALISATIONS
from rmtland.networks.loss import LOSSES, Loss
from rmtland.networks.parameters import ParameterBlock, parameter_blocks
from rmtland.networks.per_sample import empirical_fisher, jacobian, ntk, sample_gradients
from rmtland.networks.r_operator import add_curvature_products, add_pulled_back, push_forward
from rmtland.networks.samples import Samples, real_array

__all__ = ["MLP", "PARAMETRISATIONS", "LossPoint"]

Array = Any  # of any array library
Float64 = NDArray[np.float64]

PARAMETRISATIONS = ("standard", "ntk")
"""How weights enter the network: as they are, or over the square root of their inputs."""

_TANGENTS_AT_ONCE = 2**20
"""Entries of one array of tangents; more vectors are taken in turns."""


@dataclass(frozen=True)
class MLP:
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
        w in (w/2) |theta|^2, over all parameters.
    parametrisation : {"standard", "ntk"}, optional
        Whether W_l enters as it is or over sqrt(n_{l-1}).

    Raises
    ------
    ValueError
        For fewer than two widths, a width below 1, or an unknown name.
    TypeError
        For a width that is not an integer, or a `bias` that is not a truth value.
    """

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
        if not isinstance(self.bias, bool | np.bool_):
            raise TypeError(f"bias must be True or False; got {self.bias!r}")
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "bias", bool(self.bias))
        object.__setattr__(self, "weight_decay", nonnegative("weight_decay", self.weight_decay))
        activation(self.activation)
        choice("loss", self.loss, tuple(LOSSES))
        choice("parametrisation", self.parametrisation, PARAMETRISATIONS)

    def __repr__(self) -> str:
        """Return what differs from the defaults, widths and activation first."""
        name = getattr(self.activation, "name", self.activation)
        text = f"MLP(widths={self.widths}, activation={name!r}, bias={self.bias}"
        defaults = {"loss": "mse", "weight_decay": 0.0, "parametrisation": "standard"}
        for option, default in defaults.items():
            if getattr(self, option) != default:
                text += f", {option}={getattr(self, option)!r}"
        return text + ")"

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

        They are views into `theta` where it is a contiguous floating-point array.
        """
        array = self._parameters(theta)
        xp = array_namespace(array)
        return tuple(xp.reshape(array[b.start : b.stop], b.shape) for b in self.blocks)

    def init(
        self,
        rng: Rng = None,
        *,
        scheme: str | None = None,
        scale: float = 1.0,
        bias_scale: float = 0.0,
    ) -> Float64:
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

        Raises
        ------
        ValueError
            For arrays of the wrong shape, NaN, infinities, or an overflow on the way.
        """
        parameters = self._parameters(theta, x)
        samples = Samples.of(x, x, parameters, self.widths, _NO_TARGETS)
        weights, biases = self._effective(parameters)
        outputs = [
            ForwardPass(weights, biases, activation(self.activation), _NO_TARGETS, x, y).outputs
            for x, y in samples.chunks()
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
            axis, such as a memory map. Not copied if they are contiguous and of the dtype of the
            computation: do not change them in place while the point is in use. The same holds
            for `y`.
        y : array_like
            Targets: shape (m, n_out); for "cross_entropy" integer labels, shape (m,), or
            rows of probabilities; for "logistic" 0 or 1, shape (m,) if there is one output.
        chunk : int, optional
            Samples taken at once. By default all of them, and their forward pass is kept, unless
            that would fill more than 1 GiB (a quarter of it for a memory map); then chunks are
            read and passed forward anew by each method.

        Raises
        ------
        ValueError
            For arrays of the wrong shape, empty data, NaN, infinities, targets out of range, or
            an overflow in the forward pass. Data in chunks are checked as they are read.
        """
        parameters = self._parameters(theta, x)
        samples = Samples.of(x, y, parameters, self.widths, LOSSES[self.loss], chunk=chunk)
        copied = array_namespace(parameters).asarray(parameters, copy=True)
        return self._at(copied, samples)

    def _at(self, theta: Array, samples: Samples) -> LossPoint:
        """Return the point at checked arguments, none of them copied."""
        point = LossPoint(self, theta, samples)
        if samples.is_whole:
            _ = point._whole.layers
        return point

    def _effective(self, theta: Array) -> tuple[tuple[Array, ...], tuple[Array | None, ...]]:
        """Return weights and biases as they enter the network."""
        xp = array_namespace(theta)
        weights: list[Array] = []
        biases: list[Array | None] = []
        for block in self.blocks:
            piece = theta[block.start : block.stop]
            if block.is_bias:
                biases[-1] = piece
                continue
            weight = xp.reshape(piece, block.shape)
            weights.append(weight if block.scale == 1.0 else weight * block.scale)
            biases.append(None)
        return tuple(weights), tuple(biases)

    def _parameters(self, theta: Any, x: Any = None) -> Array:
        """Return theta checked, in the library and dtype of the computation."""
        xp = array_namespace(theta, x)
        if xp is np:
            single = _is_single(theta) and (x is None or _is_single(x))
            like = _SINGLE if single else _DOUBLE
            array = real_array("theta", theta, 1, like)
        else:
            source = x if array_namespace(theta) is np else theta
            single = _is_single(theta) and (x is None or _is_single(x))
            like = _empty_like(source, xp.float32 if single else xp.float64)
            array = real_array("theta", theta, 1, like)
        if array.shape[0] != self.parameter_count:
            raise ValueError(
                f"theta must have {self.parameter_count} entries for {self}; got {array.shape[0]}"
            )
        return array


@dataclass(frozen=True, eq=False, repr=False)
class LossPoint:
    """The loss of a network at one point of parameter space; made by `MLP.at`.

    Everything is computed from one forward pass, at the first use, and kept; data in chunks are
    passed forward chunk by chunk, and nothing of the size of the data is kept.

    Vectors are of shape (p,), or (p, k) for k at once, and so are products with them; vectors
    on the side of the outputs are of shape (m n_out,) or (m n_out, k), in the order of
    ``prediction.ravel()``.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        The parameters.
    samples : Samples
        The data.
    """

    net: MLP
    theta: Array
    samples: Samples

    def at(self, theta: ArrayLike) -> LossPoint:
        """Return the loss of the same network on the same data at other parameters."""
        parameters = real_array("theta", theta, 1, self.theta)
        if parameters.shape != self.theta.shape:
            raise ValueError(
                f"theta must have {self.net.parameter_count} entries for {self.net}; "
                f"got {parameters.shape[0]}"
            )
        copied = array_namespace(parameters).asarray(parameters, copy=True)
        return self.net._at(copied, self.samples)

    # The loss ------------------------------------------------------------------------------------

    @property
    def x(self) -> Array:
        """The inputs, shape (m, n_in)."""
        return self.samples.x

    @property
    def y(self) -> Array:
        """The targets; labels as indicator variables where the data are kept whole."""
        return self.samples.y

    @property
    def layers(self) -> tuple[tuple[Array, Array], ...]:
        """Preactivations z_l and activations a_l, l = 1..L, each of shape (m, n_l).

        The last layer's are both the outputs.
        """
        passes = [batch.layers for batch in self._batches()]
        return tuple(
            tuple(_concatenated([each[i][j] for each in passes]) for j in range(2))
            for i in range(self.net.depth)
        )

    @property
    def prediction(self) -> Array:
        """The outputs (for classification: logits), shape (m, n_out)."""
        return _concatenated([batch.outputs for batch in self._batches()])

    @cached_property
    def residuals(self) -> Array:
        """The gradient of the loss of each sample in its outputs, shape (m, n_out).

        For half the squared error the residuals e = o - y; for the classification losses
        probability minus target.
        """
        return _concatenated([batch.output_gradient for batch in self._batches()])

    @cached_property
    def data_loss(self) -> float:
        """The loss without the weight decay, (1/m) sum_mu l(o_mu, y_mu).

        Raises
        ------
        ValueError
            If the sum overflows.
        """
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for batch in self._batches():
                total += float(batch.loss.value(batch.outputs, batch.y))
        return self._finite_number(total / self.samples.size)

    @cached_property
    def loss(self) -> float:
        """L = (1/m) sum_mu l(o_mu, y_mu) + (w/2) |theta|^2."""
        if not self.net.weight_decay:
            return self.data_loss
        with np.errstate(over="ignore"):
            square = float(self.theta @ self.theta)
        return self._finite_number(self.data_loss + 0.5 * self.net.weight_decay * square)

    @property
    def energy(self) -> float:
        """The loss per output without the weight decay, `data_loss` / n_out."""
        return self.data_loss / self.net.n_out

    @cached_property
    def gradient(self) -> Array:
        """dL/dtheta, shape (p,).

        Raises
        ------
        ValueError
            If it overflows.
        """
        xp = array_namespace(self.theta)
        gradient = xp.zeros_like(self.theta)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for batch in self._batches():
                deltas, inputs = batch.deltas, batch.inputs
                for block in self.net.blocks:
                    delta = deltas[block.layer - 1]
                    if block.is_bias:
                        piece = xp.sum(delta, axis=0)
                    else:
                        piece = xp.reshape(delta.T @ inputs[block.layer - 1], (-1,))
                        if block.scale != 1.0:
                            piece *= block.scale
                    gradient[block.start : block.stop] += piece
            gradient /= self.samples.size
            if self.net.weight_decay:
                gradient += self.net.weight_decay * self.theta
            self._check("gradient", gradient)
        return gradient

    # Jacobians -----------------------------------------------------------------------------------

    def jacobian(self) -> Array:
        """Return d prediction / d theta, shape (m n_out, p); rows run as `prediction.ravel()`."""
        rows = _concatenated([jacobian(batch, self.net.blocks) for batch in self._batches()])
        self._check("Jacobian", rows)
        return rows

    def jvp(self, v: ArrayLike) -> Array:
        """Return J v, shape (m n_out,) or (m n_out, k), without forming J."""
        rows, single = self._rows("v", v)
        xp = array_namespace(self.theta)
        pieces = []
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for batch in self._batches():
                pushed = _concatenated(
                    [
                        push_forward(batch, part, self.net.blocks)
                        for part in self._groups(rows, batch.samples)
                    ],
                    axis=1,
                )  # (m, k, n_out)
                pieces.append(xp.reshape(xp.permute_dims(pushed, (0, 2, 1)), (-1, pushed.shape[1])))
            product = _concatenated(pieces)
            if not is_finite(product):
                real_array("v", rows, 2, self.theta)
                self._check("product", product)
        return product[:, 0] if single else product

    def vjp(self, u: ArrayLike) -> Array:
        """Return J^T u, shape (p,) or (p, k), without forming J.

        Parameters
        ----------
        u : array_like, shape (m n_out,), (m, n_out) or (m n_out, k)
            One vector, also in the shape of `prediction`, or k of them.
        """
        xp = array_namespace(self.theta)
        m, n = self.samples.size, self.net.n_out
        given = _as_array(u, self.theta)
        single = given.ndim == 1 or tuple(given.shape) == (m, n)
        vectors = real_array("u", xp.reshape(given, (-1, 1)) if single else given, 2, self.theta)
        if vectors.shape[0] != m * n:
            raise ValueError(
                f"u must have shape ({m * n},), ({m}, {n}) or ({m * n}, k); "
                f"got {tuple(given.shape)}"
            )
        k = vectors.shape[1]
        signal = xp.permute_dims(xp.reshape(vectors, (m, n, k)), (0, 2, 1))
        rows = xp.zeros(
            (k, self.net.parameter_count), dtype=self.theta.dtype, **_device(self.theta)
        )
        start = 0
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for batch in self._batches():
                piece = signal[start : start + batch.samples, :, :]
                add_pulled_back(batch, piece, self.net.blocks, rows)
                start += batch.samples
            self._check("product", rows)
        return rows[0, :] if single else rows.T

    def ntk(self) -> Array:
        """Return the empirical neural tangent kernel J J^T, shape (m n_out, m n_out).

        Not divided by the number of samples; J itself is never formed.
        """
        kernel = ntk(list(self._batches()), self.net.blocks)
        self._check("kernel", kernel)
        return kernel

    def sample_gradients(self) -> Array:
        """Return the gradient of the loss of each sample, shape (m, p), without weight decay."""
        rows = _concatenated([sample_gradients(b, self.net.blocks) for b in self._batches()])
        self._check("gradient", rows)
        return rows

    # Products with the Hessian -------------------------------------------------------------------

    def hvp(self, v: ArrayLike) -> Array:
        """Return H v, shape (p,) or (p, k), without forming H."""
        return self._curvature_product(v, "total")

    def gauss_newton_vp(self, v: ArrayLike) -> Array:
        """Return H0 v, shape (p,) or (p, k): the Gauss-Newton part and the weight decay."""
        return self._curvature_product(v, "gauss_newton")

    def residual_vp(self, v: ArrayLike) -> Array:
        """Return H1 v, shape (p,) or (p, k): the residual part."""
        return self._curvature_product(v, "residual")

    def operator(self, part: str = "total") -> Any:
        """Return the Hessian, or one of its parts, as a SciPy LinearOperator.

        It takes and returns NumPy arrays, whatever the library of the network.

        Parameters
        ----------
        part : {"total", "gauss_newton", "residual"}, optional
            Which matrix.
        """
        from scipy.sparse.linalg import LinearOperator

        choice("part", part, PARTS)
        p = self.net.parameter_count

        def product(vectors: Any) -> Any:
            columns = vectors.reshape(p) if vectors.ndim == 1 or vectors.shape[1] == 1 else vectors
            result = to_numpy(self._curvature_product(columns, part))
            return result.reshape(vectors.shape)

        dtype = np.float32 if _is_single(self.theta) else np.float64
        return LinearOperator(
            (p, p), matvec=product, rmatvec=product, matmat=product, rmatmat=product, dtype=dtype
        )

    # Dense matrices ------------------------------------------------------------------------------

    @overload
    def hessian(self, part: None = None) -> HessianSplit: ...
    @overload
    def hessian(self, part: str) -> Array: ...

    def hessian(self, part: str | None = None) -> HessianSplit | Array:
        """Return the exact Hessian of the loss, split into Gauss-Newton and residual parts.

        Parameters
        ----------
        part : {"total", "gauss_newton", "residual"}, optional
            Return this matrix alone, an array, in a third to a half of the time and memory.

        Returns
        -------
        HessianSplit, or array of shape (p, p) if a part is named
            Dense; two matrices, and a third when the total is asked for.

        Raises
        ------
        ValueError
            If an entry overflows.
        """
        options: dict[str, Any] = {
            "samples": self.samples.size,
            "weight_decay": self.net.weight_decay,
        }
        if part is None:
            return assemble_split(self._batches, self.net.blocks, **options)
        return assemble(self._batches(), self.net.blocks, part=part, **options)[0]

    def fisher(self, kind: str = "exact", *, draws: int = 1, rng: Rng = None) -> Array:
        """Return the Fisher matrix of the distribution behind the loss, shape (p, p).

        The loss of a sample is the negative log-likelihood of its target: normal of variance 1
        for half the squared error, categorical for cross-entropy, Bernoulli for logistic. The
        weight decay has no part in it.

        Parameters
        ----------
        kind : {"exact", "empirical", "sampled"}, optional
            - "exact": targets averaged over the network's own distribution. For these losses it
              is the Gauss-Newton matrix J^T Lambda J/m.
            - "empirical": (1/m) sum_mu g_mu g_mu^T, gradients at the targets of the data.
            - "sampled": the same at targets drawn from the network's distribution, mean over
              draws: an unbiased estimate of "exact".
        draws : int, optional
            Targets drawn per sample, for "sampled".
        rng : optional
            Anything `numpy.random.default_rng` takes, for "sampled".

        References
        ----------
        Kunstner, Balles & Hennig, NeurIPS 2019, for the differences between them.
        """
        blocks, m = self.net.blocks, self.samples.size
        choice("kind", kind, ("exact", "empirical", "sampled"))
        if kind == "exact":
            return assemble(self._batches(), blocks, samples=m, part="gauss_newton")[0]
        draws = count("draws", draws)
        generator = random_generator(rng) if kind == "sampled" else None
        matrix = empirical_fisher(
            self._batches(), blocks, samples=m, draws=draws, generator=generator
        )
        self._check("Fisher matrix", matrix)
        return matrix

    def __repr__(self) -> str:
        """Return network, sample count and energy in place of the arrays."""
        return f"LossPoint({self.net}, samples={self.samples.size}, energy={self.energy:.6g})"

    # The machinery -------------------------------------------------------------------------------

    @cached_property
    def _effective(self) -> tuple[tuple[Array, ...], tuple[Array | None, ...]]:
        return self.net._effective(self.theta)

    @cached_property
    def _whole(self) -> ForwardPass:
        """The forward pass over all samples, where they are kept whole."""
        return self._pass(self.samples.x, self.samples.y)

    def _pass(self, x: Array, y: Array) -> ForwardPass:
        weights, biases = self._effective
        f: Activation = activation(self.net.activation)
        return ForwardPass(weights, biases, f, self.samples.loss, x, y)

    def _batches(self) -> Iterator[ForwardPass]:
        if self.samples.is_whole:
            yield self._whole
        else:
            for x, y in self.samples.chunks():
                yield self._pass(x, y)

    def _groups(self, rows: Array, samples: int) -> Iterator[Array]:
        """Return the vectors in groups whose tangents fit into the workspace."""
        step = max(1, _TANGENTS_AT_ONCE // (samples * max(self.net.widths[1:])))
        for start in range(0, rows.shape[0], step):
            yield rows[start : min(start + step, rows.shape[0]), :]

    def _rows(self, name: str, v: ArrayLike) -> tuple[Array, bool]:
        """Return vectors as the rows of a matrix (k, p), and whether it was a single one."""
        xp = array_namespace(self.theta)
        array = _as_array(v, self.theta)
        single = array.ndim == 1
        p = self.net.parameter_count
        if array.ndim not in (1, 2) or array.shape[0] != p:
            raise ValueError(
                f"{name} must have shape ({p},), or ({p}, k) for k vectors; "
                f"got {tuple(array.shape)}"
            )
        if array.dtype != self.theta.dtype or 0 in tuple(array.shape):
            array = real_array(name, array, array.ndim, self.theta)
        return (xp.reshape(array, (1, p)) if single else rows_of(array)), single

    def _curvature_product(self, v: ArrayLike, part: str) -> Array:
        rows, single = self._rows("v", v)
        xp = array_namespace(self.theta)
        result = xp.zeros_like(rows)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for batch in self._batches():
                start = 0
                for group in self._groups(rows, batch.samples):
                    stop = start + group.shape[0]
                    add_curvature_products(
                        batch,
                        group,
                        self.net.blocks,
                        result[start:stop, :],
                        gauss_newton=part != "residual",
                        residual=part != "gauss_newton",
                        factor=1.0 / self.samples.size,
                    )
                    start = stop
            if self.net.weight_decay and part != "residual":
                result += self.net.weight_decay * rows
            if not is_finite(result):
                real_array("v", rows, 2, self.theta)
                self._check("product", result)
        return result[0, :] if single else result.T

    def _check(self, name: str, array: Array) -> None:
        if not is_finite(array):
            raise ValueError(
                f"the {name} overflows floating-point numbers at this point; rescale the data or "
                "theta"
            )

    def _finite_number(self, number: float) -> float:
        if not np.isfinite(number):
            raise ValueError(
                "the loss overflows floating-point numbers at this point; rescale the data or theta"
            )
        return number


class _NoTargets(Loss):
    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        return y


_NO_TARGETS = _NoTargets("none")
_SINGLE, _DOUBLE = np.empty(0, np.float32), np.empty(0, np.float64)


def _is_single(array: Any) -> bool:
    dtype = getattr(array, "dtype", None)
    return bool(dtype == np.float32) if type(array) is np.ndarray else "float32" in str(dtype)


def _as_array(array: Any, like: Array) -> Array:
    if isinstance(like, np.ndarray):
        return array if isinstance(array, np.ndarray) else to_numpy(array)
    return array_namespace(like).asarray(array, **_device(like))


def _device(like: Array) -> dict[str, Any]:
    if isinstance(like, np.ndarray):
        return {}
    import array_api_compat

    return {"device": array_api_compat.device(like)}


def _empty_like(source: Any, dtype: Any) -> Array:
    return array_namespace(source).empty((0,), dtype=dtype, **_device(source))


def _concatenated(arrays: list[Array], axis: int = 0) -> Array:
    return arrays[0] if len(arrays) == 1 else array_namespace(arrays[0]).concat(arrays, axis=axis)
