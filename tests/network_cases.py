"""The table of networks that losses, gradients and Hessians are tested over.

Beside it stands a reference written apart from the package: plain loops over samples and layers
that work for complex parameters too, so that a complex step differentiates them to rounding.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, cached_property, wraps

import numpy as np
from scipy.special import erf

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
    loss: str = "mse"
    weight_decay: float = 0.0
    parametrisation: str = "standard"

    @property
    def net(self) -> MLP:
        return MLP(
            self.widths,
            activation=self.activation,
            bias=self.bias,
            loss=self.loss,
            weight_decay=self.weight_decay,
            parametrisation=self.parametrisation,
        )

    @property
    def theta(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 1])
        scale = 1.0 if self.parametrisation == "ntk" else 0.8
        if self.activation == "quadratic":
            scale = 0.5  # squares of squares
        return scale * rng.standard_normal(self.net.parameter_count)

    @property
    def x(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 2])
        return rng.standard_normal((self.samples, self.widths[0]))

    @property
    def y(self) -> np.ndarray:
        """Targets as the network takes them: labels for every second cross-entropy case."""
        rng = np.random.default_rng([self.seed, 3])
        if self.loss == "cross_entropy" and self.seed % 2:
            return rng.integers(self.widths[-1], size=self.samples)
        if self.loss == "cross_entropy":
            return rng.dirichlet(np.ones(self.widths[-1]), size=self.samples)
        if self.loss == "logistic":
            return rng.integers(2, size=(self.samples, self.widths[-1]))
        return rng.standard_normal((self.samples, self.widths[-1]))

    @property
    def targets(self) -> np.ndarray:
        """Targets as real numbers, shape (m, n_out)."""
        if self.y.ndim == 1:
            return np.array(
                [[float(label == i) for i in range(self.widths[-1])] for label in self.y]
            )
        return self.y.astype(float)

    @cached_property
    def point(self):
        return self.net.at(self.theta, self.x, self.y)

    def __str__(self) -> str:
        name = f"{'-'.join(map(str, self.widths))}_{self.activation}{'_bias' if self.bias else ''}"
        if self.loss != "mse":
            name += f"_{self.loss}"
        if self.weight_decay:
            name += "_decay"
        if self.parametrisation != "standard":
            name += f"_{self.parametrisation}"
        return f"{name}_m{self.samples}"


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

ACTIVATION_NAMES = (
    "tanh",
    "relu",
    "linear",
    "leaky_relu",
    "erf",
    "sigmoid",
    "softplus",
    "gelu",
    "silu",
    "quadratic",
    "sine",
)
LOSS_NAMES = ("mse", "cross_entropy", "logistic")

SHAPES = [
    NetworkCase(widths, activation, bias, samples, seed=seed)
    for seed, (widths, activation, bias, samples) in enumerate(
        itertools.product(WIDTHS, ("tanh", "relu"), (False, True), (2, 11))
    )
]

FUNCTIONS = [
    NetworkCase(WIDTHS[2 + seed % 6], activation, bias, 3 + 5 * (seed % 2), seed=seed, loss=loss)
    for seed, (activation, loss, bias) in enumerate(
        itertools.product(ACTIVATION_NAMES, LOSS_NAMES, (False, True))
    )
]

OPTIONS = [
    NetworkCase(widths, "tanh", bias, 7, seed, loss, decay, parametrisation)
    for seed, (widths, bias, loss, (decay, parametrisation)) in enumerate(
        itertools.product(
            [(3, 5, 2), (2, 4, 3, 2)],
            (False, True),
            ("mse", "cross_entropy"),
            [(0.3, "standard"), (0.0, "ntk"), (0.02, "ntk")],
        )
    )
]

CASES = SHAPES + FUNCTIONS + OPTIONS


def reference_layers(case: NetworkCase, theta: np.ndarray) -> list[tuple]:
    """Return [(W_l, b_l)] cut out of theta by counting."""
    layers, used = [], 0
    for n_before, n_here in itertools.pairwise(case.widths):
        weight = theta[used : used + n_here * n_before].reshape(n_here, n_before)
        if case.parametrisation == "ntk":
            weight = weight / np.sqrt(n_before)
        used += n_here * n_before
        offset = np.zeros(n_here)
        if case.bias:
            offset = theta[used : used + n_here]
            used += n_here
        layers.append((weight, offset))
    assert used == len(theta)
    return layers


def reference_activation(name: str, z: np.ndarray) -> np.ndarray:
    """Return f(z), analytic in z."""
    return {
        "tanh": np.tanh,
        "relu": lambda z: np.where(z.real > 0, z, 0),
        "linear": lambda z: z,
        "leaky_relu": lambda z: np.where(z.real > 0, z, z / 100),
        "erf": erf,
        "sigmoid": _sigmoid,
        "softplus": lambda z: np.log(1 + np.exp(z)),
        "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
        "silu": lambda z: z * _sigmoid(z),
        "quadratic": lambda z: z**2,
        "sine": np.sin,
    }[name](z)


def reference_slope(name: str, z: np.ndarray) -> np.ndarray:
    """Return f'(z), analytic in z."""
    return {
        "tanh": lambda z: 1 / np.cosh(z) ** 2,
        "relu": lambda z: np.where(z.real > 0, 1.0, 0.0),
        "linear": np.ones_like,
        "leaky_relu": lambda z: np.where(z.real > 0, 1.0, 0.01),
        "erf": lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2)),
        "sigmoid": lambda z: _sigmoid(z) * (1 - _sigmoid(z)),
        "softplus": _sigmoid,
        "gelu": lambda z: (
            (1 + erf(z / np.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        ),
        "silu": lambda z: _sigmoid(z) * (1 + z * (1 - _sigmoid(z))),
        "quadratic": lambda z: 2 * z,
        "sine": np.cos,
    }[name](z)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def reference_outputs(case: NetworkCase, theta: np.ndarray) -> np.ndarray:
    """Return the outputs, shape (m, n_out), one sample at a time."""
    outputs = []
    layers = reference_layers(case, theta)
    for sample in case.x:
        signal = sample
        for weight, offset in layers[:-1]:
            signal = reference_activation(case.activation, weight.dot(signal) + offset)
        outputs.append(layers[-1][0].dot(signal) + layers[-1][1])
    return np.array(outputs)


def reference_loss_of_sample(loss: str, output: np.ndarray, target: np.ndarray):
    """Return l(o, y), analytic in o."""
    if loss == "mse":
        return ((output - target) ** 2).sum() / 2
    if loss == "cross_entropy":
        return np.log(np.exp(output).sum()) - (target * output).sum()
    return (np.log(1 + np.exp(output)) - target * output).sum()


def reference_loss_gradient(loss: str, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return dl/do, analytic in o."""
    if loss == "mse":
        return output - target
    if loss == "cross_entropy":
        return np.exp(output) / np.exp(output).sum() - target
    return 1 / (1 + np.exp(-output)) - target


def reference_loss_curvature(loss: str, output: np.ndarray) -> np.ndarray:
    """Return d^2 l/do^2, shape (n_out, n_out)."""
    if loss == "mse":
        return np.eye(len(output))
    if loss == "cross_entropy":
        q = np.exp(output) / np.exp(output).sum()
        return np.diag(q) - np.outer(q, q)
    q = 1 / (1 + np.exp(-output))
    return np.diag(q * (1 - q))


def reference_loss(case: NetworkCase, theta: np.ndarray):
    """Return the loss; complex for complex theta (no absolute value)."""
    samples = zip(reference_outputs(case, theta), case.targets, strict=True)
    total = sum(reference_loss_of_sample(case.loss, o, y) for o, y in samples)
    return total / case.samples + case.weight_decay * (theta**2).sum() / 2


def reference_gradient(case: NetworkCase, theta: np.ndarray) -> np.ndarray:
    """Return dL/dtheta by backpropagation, one sample at a time."""
    total = np.zeros(len(theta), dtype=theta.dtype)
    layers = reference_layers(case, theta)
    for sample, target in zip(case.x, case.targets, strict=True):
        signals, slopes = [sample.astype(theta.dtype)], []
        for weight, offset in layers[:-1]:
            z = weight.dot(signals[-1]) + offset
            signals.append(reference_activation(case.activation, z))
            slopes.append(reference_slope(case.activation, z))
        output = layers[-1][0].dot(signals[-1]) + layers[-1][1]
        delta = reference_loss_gradient(case.loss, output, target)
        pieces: list[np.ndarray] = []
        for depth in range(len(layers) - 1, -1, -1):
            piece = np.outer(delta, signals[depth]).ravel()
            if case.parametrisation == "ntk":
                piece = piece / np.sqrt(len(signals[depth]))
            pieces.insert(0, np.concatenate([piece, delta]) if case.bias else piece)
            if depth:
                delta = slopes[depth - 1] * layers[depth][0].T.dot(delta)
        total += np.concatenate(pieces)
    return total / case.samples + case.weight_decay * theta


def read_only(matrix_of):
    """Compute the matrix of a case once in a process; nobody may write to it."""

    @cache
    def computed(case: NetworkCase) -> np.ndarray:
        matrix = matrix_of(case)
        matrix.flags.writeable = False
        return matrix

    return wraps(matrix_of)(computed)


@read_only
def reference_jacobian(case: NetworkCase) -> np.ndarray:
    """Return the derivatives of the outputs, shape (m n_out, p)."""
    return complex_step(lambda theta: reference_outputs(case, theta).ravel(), case.theta)


@read_only
def reference_gauss_newton(case: NetworkCase) -> np.ndarray:
    """Return J^T Lambda J/m plus the weight decay, one sample at a time."""
    p, n_out = len(case.theta), case.widths[-1]
    matrix = case.weight_decay * np.eye(p)
    jacobian = reference_jacobian(case).reshape(case.samples, n_out, p)
    for rows, output in zip(jacobian, reference_outputs(case, case.theta), strict=True):
        matrix += rows.T @ reference_loss_curvature(case.loss, output) @ rows / case.samples
    return matrix


@read_only
def reference_hessian(case: NetworkCase) -> np.ndarray:
    """Return the Hessian, the derivative of the reference gradient."""
    return complex_step(lambda theta: reference_gradient(case, theta), case.theta)


def complex_step(function, theta: np.ndarray) -> np.ndarray:
    """Return the derivatives of `function` with respect to each parameter, on the last axis."""
    columns = []
    for k in range(len(theta)):
        shifted = theta.astype(complex)
        shifted[k] += 1j * STEP
        columns.append(np.imag(function(shifted)) / STEP)
    return np.stack(columns, axis=-1)
