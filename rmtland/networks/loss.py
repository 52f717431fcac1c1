r"""Losses: value, gradient and curvature in the outputs of the network.

For outputs o (one row a sample) and m samples, L = (1/m) sum_mu l(o_mu, y_mu). With
q = softmax(o), s(o) = 1/(1 + exp(-o)), gradient r = dl/do and curvature Lambda = d^2 l/do^2:

- `mse`: l = sum_i (o_i - y_i)^2/2, r = o - y, Lambda = 1; y real, shape (m, n_out).
- `cross_entropy`: l = log sum_i exp(o_i) - sum_i y_i o_i, r = q - y, Lambda = diag(q) - q q^T;
  y labels from 0 to n_out - 1, shape (m,), or probabilities, shape (m, n_out).
- `logistic`: l = sum_i log(1 + exp(o_i)) - y_i o_i, r = s(o) - y, Lambda = diag(s(o) s(-o));
  y from 0 to 1, shape (m, n_out), or (m,) for one output.

All three are convex, with links that are canonical: Lambda does not depend on y, so that the
Gauss-Newton matrix is the Fisher matrix. Lambda is kept as diag(d) - q q^T.

>>> import numpy as np
>>> loss = LOSSES["cross_entropy"]
>>> y = loss.targets(np.array([1]), samples=1, n_out=2, like=np.zeros((1, 2)))
>>> round(float(loss.value(np.zeros((1, 2)), y)), 4), loss.gradient(np.zeros((1, 2)), y)
(0.6931, array([[ 0.5, -0.5]]))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtland.arrays import array_namespace, is_finite, placed, to_numpy
from rmtland.networks.activation import ACTIVATIONS

__all__ = ["LOSSES", "Loss", "OutputCurvature"]

Array = Any  # of any array library


@dataclass(frozen=True, eq=False)
class OutputCurvature:
    """The second derivative Lambda = diag(d) - q q^T of a loss in the outputs of each sample.

    Parameters
    ----------
    diagonal : array, shape (m, n_out), or None
        d; None for the identity.
    low_rank : array, shape (m, n_out), or None
        q; None for zero.
    """

    diagonal: Array | None = None
    low_rank: Array | None = None

    def times(self, vectors: Array) -> Array:
        """Return Lambda v for vectors of shape (m, k, n_out)."""
        if self.diagonal is None:
            return vectors
        product = self.diagonal[:, None, :] * vectors
        if self.low_rank is not None:
            q = self.low_rank[:, None, :]
            xp = array_namespace(vectors)
            product = product - q * xp.sum(q * vectors, axis=-1, keepdims=True)
        return product

    def times_samples_last(self, tensor: Array) -> Array:
        """Return Lambda P for a tensor of shape (n_out, n, m or 1); the result has (., ., m)."""
        if self.diagonal is None:
            return tensor
        product = self.diagonal.T[:, None, :] * tensor
        if self.low_rank is not None:
            q = self.low_rank.T[:, None, :]
            product = product - q * array_namespace(tensor).sum(q * tensor, axis=0, keepdims=True)
        return product


@dataclass(frozen=True)
class Loss:
    """Half the mean squared error; the interface of the losses.

    Parameters
    ----------
    name : str
        What `MLP(loss=...)` calls it.
    """

    name: str

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return the sum over samples, an array of no axes."""
        xp = array_namespace(outputs)
        error = xp.reshape(outputs - targets, (-1,))
        return 0.5 * (error @ error)

    def gradient(self, outputs: Array, targets: Array) -> Array:
        """Return dl/do, shape (m, n_out)."""
        return outputs - targets

    def curvature(self, outputs: Array) -> OutputCurvature:
        """Return d^2 l/do^2 of each sample."""
        return OutputCurvature()

    def draw(self, outputs: Array, generator: np.random.Generator) -> Array:
        """Draw targets from the distribution whose negative log-likelihood the loss is."""
        return outputs + placed(generator.standard_normal(tuple(outputs.shape)), outputs)

    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        """Return targets of shape (m, n_out) in the library and dtype of `like`, or say why not.

        Raises
        ------
        ValueError
            If the shape or the values are not those of targets of this loss.
        """
        array = _real(y, like)
        if tuple(array.shape) != (samples, n_out):
            raise ValueError(
                f"y must have shape ({samples}, {n_out}), one row per sample of x; "
                f"got {tuple(array.shape)}"
            )
        _check_finite(array)
        return array


class _CrossEntropy(Loss):
    def value(self, outputs: Array, targets: Array) -> Array:
        xp = array_namespace(outputs)
        top = xp.max(outputs, axis=1, keepdims=True)
        shifted = outputs - top
        weight = xp.sum(targets, axis=1)
        logarithm = xp.log(xp.sum(xp.exp(shifted), axis=1))
        return xp.sum(weight * logarithm - xp.sum(targets * shifted, axis=1))

    def gradient(self, outputs: Array, targets: Array) -> Array:
        return _softmax(outputs) - targets

    def curvature(self, outputs: Array) -> OutputCurvature:
        q = _softmax(outputs)
        return OutputCurvature(q, q)

    def draw(self, outputs: Array, generator: np.random.Generator) -> Array:
        cumulative = np.cumsum(to_numpy(_softmax(outputs)), axis=1)
        u = generator.random((len(cumulative), 1)) * cumulative[:, -1:]
        labels = (u > cumulative).sum(axis=1)
        return placed(np.eye(cumulative.shape[1])[labels], outputs)

    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        if getattr(y, "ndim", np.ndim(y)) == 1:
            labels = to_numpy(y)
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
    def value(self, outputs: Array, targets: Array) -> Array:
        softplus = ACTIVATIONS["softplus"].value(outputs)
        return array_namespace(outputs).sum(softplus - targets * outputs)

    def gradient(self, outputs: Array, targets: Array) -> Array:
        return ACTIVATIONS["sigmoid"].value(outputs) - targets

    def curvature(self, outputs: Array) -> OutputCurvature:
        return OutputCurvature(ACTIVATIONS["sigmoid"].slope(outputs, outputs))

    def draw(self, outputs: Array, generator: np.random.Generator) -> Array:
        probability = to_numpy(ACTIVATIONS["sigmoid"].value(outputs))
        drawn = generator.random(probability.shape) < probability
        return placed(drawn.astype(np.float64), outputs)

    def targets(self, y: Array, *, samples: int, n_out: int, like: Array) -> Array:
        array = y if hasattr(y, "ndim") else np.asarray(y)
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


def _softmax(outputs: Array) -> Array:
    xp = array_namespace(outputs)
    powers = xp.exp(outputs - xp.max(outputs, axis=1, keepdims=True))
    return powers / xp.sum(powers, axis=1, keepdims=True)


def _real(y: Array, like: Array) -> Array:
    """Return y in the library, device and dtype of `like`."""
    if isinstance(like, np.ndarray):
        array = y if isinstance(y, np.ndarray) else to_numpy(y)
        if array.dtype == like.dtype:
            return array
        if array.dtype.kind not in "iufb":
            raise TypeError(f"y must be real numbers; got dtype {array.dtype}")
        return array.astype(like.dtype)
    xp = array_namespace(like)
    array = xp.asarray(y)
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
