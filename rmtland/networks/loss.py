r"""Losses: value, gradient and curvature in the outputs of the network.

For outputs o (one row a sample) and m samples, L = (1/m) sum_mu l(o_mu, y_mu). With
q = softmax(o), s(o) = 1/(1 + exp(-o)), gradient r = dl/do and curvature Lambda = d^2 l/do^2:

- `mse`: l = sum_i (o_i - y_i)^2/2, r = o - y, Lambda = 1; y real, shape (m, n_out).
- `cross_entropy`: l = log sum_i exp(o_i) - sum_i y_i o_i, r = q - y, Lambda = diag(q) - q q^T;
  y labels from 0 to n_out - 1, shape (m,), or probabilities, shape (m, n_out).
- `logistic`: l = sum_i log(1 + exp(o_i)) - y_i o_i, r = s(o) - y, Lambda = diag(s(o) s(-o));
  y from 0 to 1, shape (m, n_out), or (m,) for one output.

All three are convex, with links that are canonical: Lambda does not depend on y, so that the
Gauss-Newton matrix is the Fisher matrix.

A confident network (margin 40, say) has 1 - q = 4e-18 for the class it prefers, which is lost where
it is a difference. So everything is made of the other probabilities' sum: with t the largest output
and S = sum_{i != t} exp(o_i - o_t),

.. math::

    q_i = \frac{e^{o_i - o_t}}{1 + S}, \quad 1 - q_t = \frac{S}{1 + S}, \quad
    l = \log(1 + S) - \sum_i y_i (o_i - o_t), \quad r_t = (1 - y_t) - (1 - q_t),

.. math::

    (\Lambda v)_i = q_i \Bigl(w_i - \sum_{j \ne t} q_j w_j\Bigr), \qquad w_i = v_i - v_t ,

which is exact up to rounding, and positive semi-definite, at any margin. The logistic loss is
y log(1 + exp(-o)) + (1 - y) log(1 + exp(o)), with r = (1 - y) - s(-o) where y > 1/2.

References
----------
.. [1] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent,
       Neural Computation 14 (2002) 1723-1738.
.. [2] J. Martens, New insights and perspectives on the natural gradient method, Journal of Machine
       Learning Research 21 (2020), no. 146.

Examples
--------
>>> import numpy as np
>>> loss = LOSSES["cross_entropy"]
>>> y = loss.targets(np.array([1]), samples=1, n_out=2, like=np.zeros((1, 2)))
>>> round(float(loss.value(np.zeros((1, 2)), y)), 4), loss.gradient(np.zeros((1, 2)), y)
(0.6931, array([[ 0.5, -0.5]]))
>>> loss.gradient(np.array([[0.0, 40.0]]), y)
array([[ 4.24835426e-18, -4.24835426e-18]])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from rmtland.arguments import dense_array
from rmtland.arrays import array_namespace, device_options, is_finite, placed, to_numpy
from rmtland.networks.activation import ACTIVATIONS
from rmtland.networks.array_arguments import library_array
from rmtland.typing import Array, Tree

__all__ = ["LOSSES", "Loss", "OutputCurvature"]


@dataclass(frozen=True, eq=False)
class OutputCurvature:
    """The second derivative Lambda of a loss in the outputs of each sample.

    Parameters
    ----------
    diagonal : array, shape (m, n_out), or None
        d, for Lambda = diag(d) or diag(d) - d d^T; None for the identity.
    top : array, shape (m, n_out), or None
        Indicator variables of one output of each sample, its largest, for
        Lambda = diag(d) - d d^T with d of sum 1; None for diag(d).
    """

    diagonal: Array | None = None
    top: Array | None = None

    @property
    def is_identity(self) -> bool:
        """Whether Lambda is the identity."""
        return self.diagonal is None

    def of_samples(self, samples: slice) -> Self:
        """Return the curvature of some samples.

        Parameters
        ----------
        samples : slice
            Which.

        Returns
        -------
        OutputCurvature
        """
        if samples == slice(None):
            return self
        pieces = (self.diagonal, self.top)
        return type(self)(*(None if each is None else each[samples, :] for each in pieces))

    def times(self, vectors: Array) -> Array:
        """Return Lambda v for vectors of shape (m, k, n_out).

        Parameters
        ----------
        vectors : array, shape (m, k, n_out)
            k vectors a sample.

        Returns
        -------
        array, shape (m, k, n_out)
        """
        if self.diagonal is None:
            return vectors
        diagonal = self.diagonal[:, None, :]
        if self.top is None:
            return diagonal * vectors
        return _centred(diagonal, self.top[:, None, :], vectors, axis=-1)

    def times_samples_last(self, tensor: Array) -> Array:
        """Return Lambda P for a tensor of shape (n_out, n, m or 1); the result has (., ., m).

        Parameters
        ----------
        tensor : array, shape (n_out, n, m) or (n_out, n, 1)
            n vectors a sample.

        Returns
        -------
        array, shape (n_out, n, m)
        """
        if self.diagonal is None:
            return tensor
        diagonal = self.diagonal.T[:, None, :]
        if self.top is None:
            return diagonal * tensor
        return _centred(diagonal, self.top.T[:, None, :], tensor, axis=0)


_IDENTITY = OutputCurvature()


def _centred(q: Array, top: Array, vectors: Array, *, axis: int) -> Array:
    """Return (diag(q) - q q^T) v from the differences to the entry that `top` marks."""
    xp = array_namespace(vectors)
    differences = vectors - xp.sum(top * vectors, axis=axis, keepdims=True)
    return q * (differences - xp.sum(q * differences, axis=axis, keepdims=True))


@dataclass(frozen=True)
class Loss:
    """Half the mean squared error; the interface of the losses.

    Parameters
    ----------
    name : str
        What `MLP(loss=...)` calls it.
    """

    name: str

    def prepared(self, outputs: Array) -> Tree:
        """Return what value, gradient and curvature share, for their argument `shared`.

        Parameters
        ----------
        outputs : array, shape (m, n_out)
            Outputs of the network.

        Returns
        -------
        object
            None where there is nothing.
        """
        return None

    def value(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        """Return the sum over samples, an array of no axes.

        Parameters
        ----------
        outputs, targets : array, shape (m, n_out)
            Outputs of the network, and targets as `targets` returns them.
        shared : object, optional
            What `prepared` returned for these outputs.

        Returns
        -------
        array, shape ()
            Sum over samples, not divided by m.
        """
        xp = array_namespace(outputs)
        error = xp.reshape(outputs - targets, (-1,))
        return 0.5 * (error @ error)

    def gradient(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        """Return dl/do, shape (m, n_out).

        Parameters
        ----------
        outputs, targets : array, shape (m, n_out)
            As for `value`.
        shared : object, optional
            What `prepared` returned for these outputs.

        Returns
        -------
        array, shape (m, n_out)
            Derivatives in the outputs, sample by sample, not divided by m.
        """
        return outputs - targets

    def curvature(self, outputs: Array, shared: Tree = None) -> OutputCurvature:
        """Return d^2 l/do^2 of each sample.

        Parameters
        ----------
        outputs : array, shape (m, n_out)
            Outputs of the network.
        shared : object, optional
            What `prepared` returned for these outputs.

        Returns
        -------
        OutputCurvature
            Second derivatives in the outputs, one matrix per sample.
        """
        return _IDENTITY

    def draw(self, outputs: Array, generator: np.random.Generator) -> Array:
        """Draw targets from the distribution whose negative log-likelihood the loss is.

        Parameters
        ----------
        outputs : array, shape (m, n_out)
            Outputs of the network.
        generator : Generator
            What draws.

        Returns
        -------
        array, shape (m, n_out)
            Targets, in the library of the outputs.
        """
        return outputs + placed(generator.standard_normal(tuple(outputs.shape)), outputs)

    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        """Return targets of shape (m, n_out) in the library and dtype of `like`, or say why not.

        Parameters
        ----------
        y : array_like
            Targets as a user gives them.
        samples, n_out : int
            Numbers of samples and outputs.
        like : array
            Of which library, device and dtype.

        Returns
        -------
        array, shape (m, n_out)
            The targets, checked.

        Raises
        ------
        ValueError
            If the shape or the values are not those of targets of this loss.
        """
        if (
            type(y) is type(like) is np.ndarray
            and y.dtype == like.dtype
            and y.shape == (samples, n_out)
            and is_finite(y)
        ):
            return y
        array = _real(y, like)
        if tuple(array.shape) != (samples, n_out):
            raise ValueError(
                f"y must have shape ({samples}, {n_out}), one row per sample of x; "
                f"got {tuple(array.shape)}"
            )
        _check_finite(array)
        return array


class _Softmax(NamedTuple):
    """Probabilities q, outputs from their largest, its indicator, S, and 1 - q of the largest."""

    q: Array
    shifted: Array
    top: Array
    rest: Array
    complement: Array

    @classmethod
    def of(cls, outputs: Array) -> Self:
        xp = array_namespace(outputs)
        shifted = outputs - xp.max(outputs, axis=1, keepdims=True)
        each = xp.arange(outputs.shape[1], **device_options(outputs))
        is_top = each[None, :] == xp.argmax(outputs, axis=1)[:, None]
        powers = xp.exp(shifted)
        others = xp.where(is_top, xp.zeros_like(powers), powers)
        rest = xp.sum(others, axis=1, keepdims=True)
        top = xp.astype(is_top, outputs.dtype)
        return cls(powers / (1.0 + rest), shifted, top, rest, rest / (1.0 + rest))


class _CrossEntropy(Loss):
    def prepared(self, outputs: Array) -> _Softmax:
        return _Softmax.of(outputs)

    def value(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        xp = array_namespace(outputs)
        softmax = _Softmax.of(outputs) if shared is None else shared
        weight = xp.sum(targets, axis=1)
        logarithm = xp.log1p(softmax.rest[:, 0])
        return xp.sum(weight * logarithm - xp.sum(targets * softmax.shifted, axis=1))

    def gradient(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        xp = array_namespace(outputs)
        softmax = _Softmax.of(outputs) if shared is None else shared
        from_one = (softmax.top > 0.5) & (targets > 0.5)
        return xp.where(from_one, (1.0 - targets) - softmax.complement, softmax.q - targets)

    def curvature(self, outputs: Array, shared: Tree = None) -> OutputCurvature:
        softmax = _Softmax.of(outputs) if shared is None else shared
        return OutputCurvature(softmax.q, softmax.top)

    def draw(self, outputs: Array, generator: np.random.Generator) -> Array:
        cumulative = np.cumsum(to_numpy(_Softmax.of(outputs).q), axis=1)
        u = generator.random((len(cumulative), 1)) * cumulative[:, -1:]
        labels = (u > cumulative).sum(axis=1)
        return placed(np.eye(cumulative.shape[1])[labels], outputs)

    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        if getattr(y, "ndim", np.ndim(y)) == 1:
            labels = dense_array("y", y)
            if len(labels) != samples:
                raise ValueError(
                    f"y must hold {samples} labels, one per sample of x; got {len(labels)}"
                )
            if labels.dtype.kind == "f":
                _check_finite(labels)
            if labels.dtype.kind not in "iu" and not (
                labels.dtype.kind == "f" and np.array_equal(labels, np.floor(labels))
            ):
                raise ValueError(
                    "y must hold integer labels, or rows of probabilities of shape "
                    f"({samples}, {n_out}); got dtype {labels.dtype}"
                )
            outside = (labels < 0) | (labels >= n_out)
            if outside.any():
                raise ValueError(
                    f"labels must lie between 0 and {n_out - 1} for {n_out} outputs; "
                    f"{int(outside.sum())} of {samples} lie outside, the first is "
                    f"{labels[outside][0]}"
                )
            return placed(np.eye(n_out)[labels.astype(np.int64)], like)
        array = super().targets(y, samples=samples, n_out=n_out, like=like)
        xp = array_namespace(array)
        total = xp.sum(array, axis=1)
        tolerance = 1e-3 if array.dtype == xp.float32 else 1e-8
        if float(xp.min(array)) < 0.0 or float(xp.max(xp.abs(total - 1.0))) > tolerance:
            raise ValueError(
                "the rows of y must be probabilities: not negative, of sum 1; got entries down to "
                f"{float(xp.min(array)):.4g} and sums from {float(xp.min(total)):.4g} to "
                f"{float(xp.max(total)):.4g}"
            )
        return array


class _Logistic(Loss):
    def value(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        xp = array_namespace(outputs)
        softplus = ACTIVATIONS["softplus"].value
        return xp.sum(targets * softplus(-outputs) + (1.0 - targets) * softplus(outputs))

    def gradient(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        xp, sigmoid = array_namespace(outputs), ACTIVATIONS["sigmoid"].value
        from_one = (1.0 - targets) - sigmoid(-outputs)
        return xp.where(targets > 0.5, from_one, sigmoid(outputs) - targets)

    def curvature(self, outputs: Array, shared: Tree = None) -> OutputCurvature:
        return OutputCurvature(ACTIVATIONS["sigmoid"].slope(outputs, outputs))

    def draw(self, outputs: Array, generator: np.random.Generator) -> Array:
        probability = to_numpy(ACTIVATIONS["sigmoid"].value(outputs))
        drawn = generator.random(probability.shape) < probability
        return placed(drawn.astype(np.float64), outputs)

    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        array = y if hasattr(y, "ndim") else dense_array("y", y)
        if array.ndim == 1 and n_out == 1:
            array = array[:, None]
        array = super().targets(array, samples=samples, n_out=n_out, like=like)
        xp = array_namespace(array)
        low, high = float(xp.min(array)), float(xp.max(array))
        if low < 0.0 or high > 1.0:
            raise ValueError(
                "labels must be 0 or 1, or probabilities between; got values from "
                f"{low:.4g} to {high:.4g}"
            )
        return array


def _real(y: Array, like: Array) -> Array:
    """Return y in the library, device and dtype of `like`."""
    if isinstance(like, np.ndarray):
        array = dense_array("y", y)
        if array.dtype == like.dtype:
            return array
        if array.dtype.kind not in "iufb":
            raise TypeError(f"y must be real numbers; got dtype {array.dtype}")
        return array.astype(like.dtype)
    xp = array_namespace(like)
    array = library_array("y", y, like)
    if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"y must be real numbers; got dtype {array.dtype}")
    return xp.astype(array, like.dtype, copy=False)


def _check_finite(y: Array) -> None:
    if is_finite(y):
        return
    xp = array_namespace(y)
    nan = int(xp.sum(xp.astype(xp.isnan(y), xp.int64)))
    if nan:
        raise ValueError(f"y holds {nan} NaN; remove them first")
    raise ValueError("y holds infinite values; remove them first")


LOSSES: dict[str, Loss] = {
    loss.name: loss for loss in (Loss("mse"), _CrossEntropy("cross_entropy"), _Logistic("logistic"))
}
"""The losses by name."""
