r"""The loss of a network at one point of parameter space, and everything that is made of it.

For outputs o of m samples, losses l and weight decay w (see `rmtland.networks.mlp`),

    L = (1/m) sum_mu l(o_mu, y_mu) + (w/2) |theta|^2,     J = do/dtheta,
    H = d^2 L/dtheta^2 = H0 + H1,    H0 = (1/m) J^T Lambda J + w,   H1 the residual part

(`rmtland.networks.derivatives.hessian`). One forward pass is made and kept; products with H and J
cost a few matrix products (`rmtland.networks.derivatives.r_operator`), H itself is assembled by
blocks. A point may be shared between threads, and is pickled without what can be computed again.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> net = MLP((2, 3, 1), bias=True, loss="logistic")
>>> point = net.at(net.init(rng=0), [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [1, 1, 0])
>>> v = np.ones(net.parameter_count)
>>> bool(np.allclose(point.hvp(v), point.gauss_newton_vp(v) + point.residual_vp(v)))
True
>>> bool(np.allclose(point.operator() @ v, point.hessian("total") @ v))
True
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import choice, count
from rmtland.arrays import array_namespace, device_options, is_finite, to_numpy
from rmtland.networks.activation import Activation, activation
from rmtland.networks.derivatives.elementwise import rows_of
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.hessian import PARTS, HessianSplit, assemble, assemble_split
from rmtland.networks.derivatives.per_sample import (
    empirical_fisher,
    jacobian,
    ntk,
    sample_gradients,
)
from rmtland.networks.derivatives.r_operator import (
    add_curvature_products,
    add_pulled_back,
    push_forward,
)
from rmtland.networks.parameters import ParameterBlock, effective_weights
from rmtland.networks.samples import Samples, real_array
from rmtland.streams import Rng, streams

__all__ = ["LossPoint"]

Array = Any  # of any array library

_TANGENTS_AT_ONCE = 2**20
"""Entries of one array of tangents; more vectors are taken in turns."""


class Network(Protocol):
    """What a point needs of its network: the attributes of `rmtland.networks.MLP`."""

    @property
    def widths(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> str | Activation: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def blocks(self) -> tuple[ParameterBlock, ...]: ...
    @property
    def n_out(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def parameter_count(self) -> int: ...


@dataclass(frozen=True, eq=False, repr=False)
class LossPoint:
    """The loss of a network at one point of parameter space; made by `MLP.at`.

    Everything is computed from one forward pass, at the first use, and kept; data in chunks are
    passed forward chunk by chunk, and nothing of the size of the data is kept. Attributes are
    NumPy arrays that are kept and cannot be written to (copy them first); what a method returns is
    new. The buffers of a product with the Hessian, some arrays of shape (m, k, n_l) for k vectors,
    are kept for the next one.

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

    net: Network
    theta: Array
    samples: Samples

    @classmethod
    def of(cls, net: Network, theta: Array, samples: Samples) -> LossPoint:
        """Return the point at checked arguments, none of them copied, its forward pass made.

        Raises
        ------
        ValueError
            If the forward pass overflows; for data in chunks that is seen when they are read.
        """
        point = cls(net, _kept(theta), samples)
        if samples.is_whole:
            _ = point._whole.layers
        return point

    def at(self, theta: ArrayLike) -> LossPoint:
        """Return the loss of the same network on the same data at other parameters."""
        parameters = real_array("theta", theta, 1, self.theta)
        if parameters.shape != self.theta.shape:
            raise ValueError(
                f"theta must have {self.net.parameter_count} entries for {self.net}; "
                f"got {parameters.shape[0]}"
            )
        copied = array_namespace(parameters).asarray(parameters, copy=True)
        return LossPoint.of(self.net, copied, self.samples)

    # The loss ------------------------------------------------------------------------------------

    @property
    def x(self) -> Array:
        """The inputs, shape (m, n_in)."""
        return _kept(self.samples.x)

    @property
    def y(self) -> Array:
        """The targets; labels as indicator variables where the data are kept whole."""
        return _kept(self.samples.y)

    @property
    def layers(self) -> tuple[tuple[Array, Array], ...]:
        """Preactivations z_l and activations a_l, l = 1..L, each of shape (m, n_l).

        The last layer's are both the outputs.
        """
        passes = [batch.layers for batch in self._batches()]
        return tuple(
            tuple(_kept(_concatenated([each[i][j] for each in passes])) for j in range(2))
            for i in range(self.net.depth)
        )

    @property
    def prediction(self) -> Array:
        """The outputs (for classification: logits), shape (m, n_out)."""
        return _kept(_concatenated([batch.outputs for batch in self._batches()]))

    @cached_property
    def residuals(self) -> Array:
        """The gradient of the loss of each sample in its outputs, shape (m, n_out).

        For half the squared error the residuals e = o - y; for the classification losses
        probability minus target.
        """
        return _kept(_concatenated([batch.output_gradient for batch in self._batches()]))

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
        return _kept(gradient)

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
            (k, self.net.parameter_count), dtype=self.theta.dtype, **device_options(self.theta)
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

        dtype = np.float32 if "float32" in str(self.theta.dtype) else np.float64
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
            Anything `numpy.random.default_rng` takes, for "sampled"; each draw has a stream of
            its own, so that the result does not depend on how the data are cut into chunks.

        References
        ----------
        Kunstner, Balles & Hennig, NeurIPS 2019, for the differences between them.
        """
        blocks, m = self.net.blocks, self.samples.size
        choice("kind", kind, ("exact", "empirical", "sampled"))
        if kind == "exact":
            return assemble(self._batches(), blocks, samples=m, part="gauss_newton")[0]
        draws = count("draws", draws)
        generators = streams(rng, draws) if kind == "sampled" else None
        matrix = empirical_fisher(self._batches(), blocks, samples=m, generators=generators)
        self._check("Fisher matrix", matrix)
        return matrix

    def __repr__(self) -> str:
        """Return network, sample count and energy in place of the arrays."""
        return f"LossPoint({self.net}, samples={self.samples.size}, energy={self.energy:.6g})"

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: the fields, without what can be computed from them."""
        return {"net": self.net, "theta": self.theta, "samples": self.samples}

    # The machinery -------------------------------------------------------------------------------

    @cached_property
    def _effective(self) -> tuple[tuple[Array, ...], tuple[Array | None, ...]]:
        return effective_weights(self.theta, self.net.blocks)

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
            # A last bias has no part in the residual product, which so shows no NaN of it.
            if part == "residual" or not is_finite(result):
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


def _as_array(array: Any, like: Array) -> Array:
    if isinstance(like, np.ndarray):
        return array if isinstance(array, np.ndarray) else to_numpy(array)
    return array_namespace(like).asarray(array, **device_options(like))


def _kept(array: Array) -> Array:
    """Return a view that NumPy refuses to write to: others read the same numbers."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _concatenated(arrays: list[Array], axis: int = 0) -> Array:
    return arrays[0] if len(arrays) == 1 else array_namespace(arrays[0]).concat(arrays, axis=axis)
