r"""Deep square networks at initialisation: plain, normalised, residual.

With n units in every layer, h_0 the input and W_l of variance sigma_w^2/n (or sigma_w times a Haar
matrix),

- plain:      h_l = f(W_l h_{l-1});
- normalised: h_l = f(z sqrt(n)/|z|), z = W_l h_{l-1}: layer normalisation without mean and gain;
- residual:   h_l = h_{l-1} + s f(W_l h_{l-1}).

The input-output Jacobian is the product of the layers'; its singular values are found by QR steps
through the layers, forward and back, so that they keep their digits where their quotients are far
below rounding (a graded product). Directions that a layer maps to zero (dead units, the radial
direction of a normalisation) are counted, not called small.

The Gauss-Newton matrix is that of half the mean squared error of k linear readouts V h_L/sqrt(n) in
all hidden weights and the readout; the eigenvalues other than zero are those of J J^T/m, of size
m k.

Synonyms: signal propagation, layer norm, skip connections, ResNet, Lyapunov exponents of products.

References
----------
.. [1] J. Pennington, S. S. Schoenholz and S. Ganguli, The emergence of spectral universality in
       deep networks, AISTATS 2018; J. Pennington, S. S. Schoenholz and S. Ganguli, Resurrecting the
       sigmoid in deep learning through dynamical isometry, NIPS 2017.
.. [2] B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein and S. Ganguli, Exponential expressivity in
       deep neural networks through transient chaos, NIPS 2016.

Examples
--------
>>> import numpy as np
>>> stack = LayerStack(8, 3, kind="residual")
>>> weights = stack.draw(rng=0)
>>> x = np.ones(8)
>>> values = stack.log_singular_values(x, weights)
>>> exact = np.linalg.svd(stack.jacobian(x, weights))[1]
>>> bool(np.allclose(np.exp(values), exact, rtol=1e-6))
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rmtland.arguments import choice, count, float_array, positive
from rmtland.landscape.depth.jacobian_law import JacobianLaw, LayerFactor
from rmtland.models.depth.slope_law import as_activation, normal_rule, slope_square_law
from rmtland.networks.activation import Activation
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["KINDS", "LayerStack"]

KINDS = ("plain", "normalised", "residual")
WEIGHTS = ("gaussian", "orthogonal")

_ROUNDS = 20
_SETTLED = 1e-5
_RESOLVED = 1e-10  # singular values over the largest that are read off the product itself
_NULL = 8.0 * float(np.finfo(np.float64).eps)
"""Singular values of a layer up to n times that of its norm are what rounding leaves of zero."""


@dataclass(frozen=True)
class LayerStack:
    """A network of L square layers.

    Parameters
    ----------
    width : int
        n.
    depth : int
        L.
    kind : {"plain", "normalised", "residual"}
        What a layer does.
    activation : str or Activation
        f.
    weights : {"gaussian", "orthogonal"}
        Independent entries, or Haar matrices.
    weight_variance : float
        sigma_w^2 > 0: n times the mean square of an entry.
    branch_scale : float
        s > 0 of the residual network.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If a parameter is no real number, or `width` or `depth` is no integer.
    """

    width: int
    depth: int
    kind: str = field(default="plain", kw_only=True)
    activation: str | Activation = field(default="tanh", kw_only=True)
    weights: str = field(default="gaussian", kw_only=True)
    weight_variance: float = field(default=1.0, kw_only=True)
    branch_scale: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", count("width", self.width))
        object.__setattr__(self, "depth", count("depth", self.depth))
        choice("kind", self.kind, KINDS)
        choice("weights", self.weights, WEIGHTS)
        as_activation(self.activation)
        for name in ("weight_variance", "branch_scale"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    # The law -------------------------------------------------------------------------------------

    def law(self, mean_square: float = 1.0, mean: float = 0.0) -> JacobianLaw:
        """Return the limit law of the Jacobian as the width grows, for an input of given size.

        The variance of the preactivations of each layer follows from that of the layer before:
        layers need not have settled.

        Parameters
        ----------
        mean_square : float, optional
            mean of h_0^2.
        mean : float, optional
            Mean entry of h_0, for residual networks whose activation has a mean.

        Returns
        -------
        JacobianLaw
            The free product of the laws of the layers.

        Raises
        ------
        ValueError
            For residual networks with orthogonal weights, whose layers are not treated.
        TypeError
            If `mean_square` is no real number.
        """
        if self.kind == "residual" and self.weights == "orthogonal":
            raise ValueError("the law of residual networks needs Gaussian weights")
        f, r, m = as_activation(self.activation), positive("mean_square", mean_square), mean
        kind = "skip" if self.kind == "residual" else self.weights
        layers = []
        for _ in range(self.depth):
            q = self.weight_variance * r
            if self.kind == "normalised":
                scale, q = 1.0 / r, 1.0
            elif self.kind == "residual":
                scale = self.branch_scale**2 * self.weight_variance
            else:
                scale = self.weight_variance
            first, second = _moments(f, q)
            if self.kind == "residual":
                s = self.branch_scale
                r, m = r + 2.0 * s * m * first + s * s * second, m + s * first
            else:
                r = second
            if not (0.0 < r < math.inf):
                raise ValueError(
                    f"the signal of {self} dies out or grows without bound; change weight_variance"
                )
            slopes = slope_square_law(f, q)
            places, masses = zip(*slopes.atoms, strict=True)
            layers.append(LayerFactor(tuple(scale * p for p in places), tuple(masses), kind))
        return JacobianLaw(tuple(layers))

    # Networks ------------------------------------------------------------------------------------

    def draw(self, *, rng: Rng = None) -> tuple[Real, ...]:
        """Return weight matrices W_1, ..., W_L.

        Parameters
        ----------
        rng : optional
            Anything `numpy.random.default_rng` takes.

        Returns
        -------
        tuple of ndarray, shapes (n, n)
            Independent.
        """
        generator, n = random_generator(rng), self.width
        scale = math.sqrt(self.weight_variance)
        if self.weights == "orthogonal":
            return tuple(scale * _orthogonal(n, generator) for _ in range(self.depth))
        return tuple(
            scale / math.sqrt(n) * generator.standard_normal((n, n)) for _ in range(self.depth)
        )

    def layer_jacobians(self, x: Real, weights: Sequence[Real]) -> list[Real]:
        """Return the Jacobian of each layer at an input.

        Parameters
        ----------
        x : array_like, shape (n,)
            h_0.
        weights : sequence of ndarray
            By `draw`.

        Returns
        -------
        list of ndarray, shapes (n, n)
            A_1, ..., A_L.

        Raises
        ------
        ValueError
            If the input or the weights have other shapes than the network, or the input is not
            finite.
        TypeError
            If the input is not of real numbers.
        """
        h, found = float_array("x", x, ndim=1), []
        if h.size != self.width:
            raise ValueError(f"x must have {self.width} entries; got {h.size}")
        for W in self._checked(weights):
            h, slopes, inner = self._layer(h[None], W)
            h = h[0]
            A = slopes[0][:, None] * inner[0]
            found.append(A + np.eye(self.width) if self.kind == "residual" else A)
        return found

    def jacobian(self, x: Real, weights: Sequence[Real]) -> Real:
        """Return the input-output Jacobian A_L ... A_1 at an input.

        Parameters
        ----------
        x : array_like, shape (n,)
            h_0.
        weights : sequence of ndarray
            By `draw`.

        Returns
        -------
        ndarray, shape (n, n)
            Its small singular values are lost in rounding where the network is deep; see
            `log_singular_values`.
        """
        J = np.eye(self.width)
        for A in self.layer_jacobians(x, weights):
            J = A @ J
        return J

    def log_singular_values(self, x: Real, weights: Sequence[Real]) -> Real:
        """Return the logarithms of the singular values of the Jacobian, descending.

        Parameters
        ----------
        x : array_like, shape (n,)
            h_0.
        weights : sequence of ndarray
            By `draw`.

        Returns
        -------
        ndarray, shape (n,)
            Minus infinity for directions that a layer maps to zero.
        """
        layers = self.layer_jacobians(x, weights)
        with np.errstate(over="ignore", invalid="ignore"):
            J = self.jacobian(x, weights)
        whole = bool(np.isfinite(J).all())
        values = np.linalg.svd(J, compute_uv=False) if whole else np.zeros(self.width)
        share = values / values[0] if values[0] > 0 else values
        if (share > _RESOLVED).all() and 1e-290 < values[0] < 1e290:
            return np.asarray(np.log(values))
        basis, logs = np.eye(self.width), np.full(self.width, np.nan)
        back_again = [A.T for A in layers[::-1]]
        for _ in range(_ROUNDS):
            before = logs
            basis, forward = _through(layers, basis)
            basis, back = _through(back_again, basis)
            logs = np.sort(0.5 * (forward + back))[::-1]
            if np.array_equal(np.isfinite(logs), np.isfinite(before)):
                kept = np.isfinite(logs)
                if (np.abs(logs[kept] - before[kept]) < _SETTLED).all():
                    break
        clear = (share > _RESOLVED) & (
            values > 1e-290
        )  # found to more digits by the product itself
        logs[clear] = np.log(values[clear])
        return logs

    def gauss_newton_kernel(self, x: Real, weights: Sequence[Real], readout: Real) -> Real:
        """Return J J^T/m of the readouts in all hidden weights and the readout.

        Parameters
        ----------
        x : array_like, shape (m, n)
            Inputs.
        weights : sequence of ndarray
            By `draw`.
        readout : ndarray, shape (k, n)
            V.

        Returns
        -------
        ndarray, shape (m k, m k)
            Its eigenvalues are those of the Gauss-Newton matrix other than zero, and of the
            Hessian where the residuals vanish.

        Raises
        ------
        ValueError
            If inputs, weights or readout have other shapes than the network, or an input is not
            finite.
        TypeError
            If the inputs are not real numbers.
        """
        h = float_array("x", x, ndim=2)
        m, k, n = len(h), len(readout), self.width
        if h.shape[1] != n or np.shape(readout) != (k, n):
            raise ValueError(
                f"x and readout must have {n} columns; got shapes {h.shape} and {np.shape(readout)}"
            )
        inputs, inner, slopes = [], [], []
        weights = self._checked(weights)
        for W in weights:
            inputs.append(h)
            h, slope, jacobian = self._layer(h, W)
            slopes.append(slope)
            inner.append(jacobian)
        signal = np.broadcast_to(readout / math.sqrt(n), (m, k, n))
        kernel = np.kron(h @ h.T / n, np.eye(k))
        for W, a, slope, jacobian in zip(
            weights[::-1], inputs[::-1], slopes[::-1], inner[::-1], strict=True
        ):
            # slopes hold the branch scale; d h/d z without the weights
            at_z = signal * slope[:, None, :]
            if self.kind == "normalised":
                at_z = np.matmul(at_z, _normaliser(a @ W.T))
            rows = at_z.reshape(m * k, n)
            kernel = kernel + (rows @ rows.T) * np.kron(a @ a.T, np.ones((k, k)))
            back = np.matmul(signal * slope[:, None, :], jacobian)
            signal = signal + back if self.kind == "residual" else back
        return np.asarray(kernel / m)

    def _checked(self, weights: Sequence[Real]) -> Sequence[Real]:
        """Refuse other weights than one square matrix a layer."""
        shapes = [np.shape(W) for W in weights]
        if shapes != [(self.width, self.width)] * self.depth:
            raise ValueError(
                f"weights must be {self.depth} matrices of shape ({self.width}, {self.width}); got "
                f"{shapes}"
            )
        return weights

    def _layer(self, h: Real, W: Real) -> tuple[Real, Real, Real]:
        """Return outputs and slopes (m, n), and d(what f acts on)/dh, shape (m or 1, n, n)."""
        f = as_activation(self.activation)
        with np.errstate(over="ignore", invalid="ignore"):
            z = h @ W.T
        if not np.isfinite(z).all():
            raise ValueError(
                f"the signal of {self} overflows floating-point numbers; change weight_variance"
            )
        if self.kind == "normalised":
            inner = np.matmul(_normaliser(z), W)
            z = z * (math.sqrt(self.width) / np.linalg.norm(z, axis=1, keepdims=True))
        else:
            inner = np.broadcast_to(W, (len(h), *W.shape))
        a = f.value(z)
        slope = np.asarray(f.slope(z, a), dtype=np.float64)
        if self.kind == "residual":
            return h + self.branch_scale * a, self.branch_scale * slope, inner
        return a, slope, inner


def _orthogonal(n: int, generator: np.random.Generator) -> Real:
    """Return a Haar matrix: QR of a Gaussian one, with the signs that make it unique."""
    q, r = np.linalg.qr(generator.standard_normal((n, n)))
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))


def _normaliser(z: Real) -> Real:
    """Return d(z sqrt(n)/|z|)/dz for each row, shape (m, n, n)."""
    norms = np.linalg.norm(z, axis=1)[:, None, None]
    if not (norms > 0).all():
        raise ValueError("a layer has no signal left to normalise; change weight_variance")
    unit = z / norms[:, :, 0]
    eye = np.eye(z.shape[1])
    return np.asarray(math.sqrt(z.shape[1]) / norms * (eye - unit[:, :, None] * unit[:, None, :]))


def _moments(f: Activation, q: float) -> tuple[float, float]:
    """Return E f(z) and E f(z)^2 for z ~ N(0, q)."""
    z, weights = normal_rule()
    values = np.asarray(f.value(math.sqrt(q) * z), dtype=np.float64)
    return float(weights @ values), float(weights @ (values * values))


def _through(layers: Sequence[Real], basis: Real) -> tuple[Real, Real]:
    """Take an orthonormal basis through layers; return the last one and the logs of its growth."""
    logs = np.zeros(basis.shape[1])
    for A in layers:
        image = A @ basis
        basis, r = np.linalg.qr(image)
        size = np.abs(np.diag(r))
        null = size <= _NULL * len(A) * np.linalg.norm(A, 2)
        with np.errstate(divide="ignore"):
            logs = logs + np.where(null, -np.inf, np.log(np.where(null, 1.0, size)))
    return basis, logs
