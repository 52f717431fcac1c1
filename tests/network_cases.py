"""The table of networks that losses, gradients and Hessians are tested over.

Beside it stands a reference written apart from the package: plain loops over samples and layers
that work for complex parameters too, so that a complex step differentiates them to rounding.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from rmtland.networks import MLP

STEP = 1e-30  # of the complex-step derivative; no subtraction, so it may be this small


@dataclass(frozen=True)
class NetworkCase:
    """A network with parameters and data of its own, all drawn from `seed`."""

    widths: tuple[int, ...]
    activation: str
    bias: bool
    samples: int
    seed: int = 0

    @property
    def net(self) -> MLP:
        return MLP(self.widths, activation=self.activation, bias=self.bias)

    @property
    def theta(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 1])
        return 0.8 * rng.standard_normal(self.net.parameter_count)

    @property
    def x(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 2])
        return rng.standard_normal((self.samples, self.widths[0]))

    @property
    def y(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 3])
        return rng.standard_normal((self.samples, self.widths[-1]))

    @property
    def point(self):
        return self.net.at(self.theta, self.x, self.y)

    def __str__(self) -> str:
        widths = "-".join(map(str, self.widths))
        return f"{widths}_{self.activation}{'_bias' if self.bias else ''}_m{self.samples}"


WIDTHS = [
    (1, 1),  # no hidden layer
    (3, 2),
    (1, 1, 1),
    (4, 4, 4),
    (3, 5, 2),
    (5, 1, 3),
    (2, 4, 3, 2),
    (3, 2, 3, 2, 1),
]

CASES = [
    NetworkCase(widths, activation, bias, samples, seed=seed)
    for seed, (widths, activation, bias, samples) in enumerate(
        itertools.product(WIDTHS, ("tanh", "relu", "linear"), (False, True), (2, 11))
    )
]


def reference_layers(case: NetworkCase, theta: np.ndarray) -> list[tuple]:
    """Return [(W_l, b_l)] cut out of theta by counting."""
    layers, used = [], 0
    for n_before, n_here in itertools.pairwise(case.widths):
        weight = theta[used : used + n_here * n_before].reshape(n_here, n_before)
        used += n_here * n_before
        offset = np.zeros(n_here)
        if case.bias:
            offset = theta[used : used + n_here]
            used += n_here
        layers.append((weight, offset))
    assert used == len(theta)
    return layers


def reference_activation(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f(z) and f'(z), analytic in z."""
    if name == "tanh":
        return np.tanh(z), 1 / np.cosh(z) ** 2
    if name == "relu":
        return np.where(z.real > 0, z, 0), np.where(z.real > 0, 1.0, 0.0)
    return z, np.ones_like(z)


def reference_outputs(case: NetworkCase, theta: np.ndarray) -> np.ndarray:
    """Return y_hat, shape (m, n_out), one sample at a time."""
    outputs = []
    for sample in case.x:
        signal = sample
        layers = reference_layers(case, theta)
        for weight, offset in layers[:-1]:
            signal, _ = reference_activation(case.activation, weight.dot(signal) + offset)
        outputs.append(layers[-1][0].dot(signal) + layers[-1][1])
    return np.array(outputs)


def reference_loss(case: NetworkCase, theta: np.ndarray):
    """Return (1/2m) sum (y_hat - y)^2; complex for complex theta (no absolute value)."""
    return ((reference_outputs(case, theta) - case.y) ** 2).sum() / (2 * case.samples)


def reference_gradient(case: NetworkCase, theta: np.ndarray) -> np.ndarray:
    """Return dL/dtheta by backpropagation, one sample at a time."""
    total = np.zeros(len(theta), dtype=theta.dtype)
    for sample, target in zip(case.x, case.y, strict=True):
        layers = reference_layers(case, theta)
        signals, slopes = [sample.astype(theta.dtype)], []
        for weight, offset in layers[:-1]:
            signal, slope = reference_activation(case.activation, weight.dot(signals[-1]) + offset)
            signals.append(signal)
            slopes.append(slope)
        delta = layers[-1][0].dot(signals[-1]) + layers[-1][1] - target
        pieces: list[np.ndarray] = []
        for depth in range(len(layers) - 1, -1, -1):
            piece = np.outer(delta, signals[depth]).ravel()
            pieces.insert(0, np.concatenate([piece, delta]) if case.bias else piece)
            if depth:
                delta = slopes[depth - 1] * layers[depth][0].T.dot(delta)
        total += np.concatenate(pieces)
    return total / case.samples


def complex_step(function, theta: np.ndarray) -> np.ndarray:
    """Return the derivatives of `function` with respect to each parameter, on the last axis."""
    columns = []
    for k in range(len(theta)):
        shifted = theta.astype(complex)
        shifted[k] += 1j * STEP
        columns.append(np.imag(function(shifted)) / STEP)
    return np.stack(columns, axis=-1)
