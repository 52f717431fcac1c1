r"""The networks of `rmtland reproduce trained`: architecture, loss and data of each.

Activations, shapes, losses, data, biases and weight decay are various. `NETWORKS` were there before
any rule of `rmtland.models.ConditionedHessian` had been tried on them, but their results have been
seen since. `FRESH` were written down after the rules for softmax and for minima, and before any of
them was trained: they confirm. `UNUSUAL` were written down later, to find where the levels fail:
activations, shapes and data that are in none of the others.

Examples
--------
>>> net, data = network_case("memory tanh 5-6-5", np.random.default_rng(0))
>>> net.widths, data.x.shape, set(NETWORKS) & set(FRESH)
((5, 6, 5), (32, 5), set())
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.arguments import choice
from rmtland.networks import MLP, Dataset, digits, gaussian, teacher_student
from rmtland.typing import Real

__all__ = ["FRESH", "NAMES", "NETWORKS", "SMALL", "UNUSUAL", "network_case"]

SMALL = "memory tanh 5-6-5"
"""A network for quick runs, not one of the others."""

Case = Callable[[np.random.Generator], tuple[MLP, Dataset]]


def _memory(net: MLP, samples: int) -> Case:
    """Independent Gaussian inputs and targets; labels or 0 and 1, by the loss."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = gaussian(samples, net.n_in, net.n_out, rng=rng)
        return net, Dataset(data.x, _targets(net, data.y), data.name)

    return case


def _taught(net: MLP, samples: int, noise: float) -> Case:
    """Targets of another network of this shape, with noise."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = teacher_student(
            samples, net.widths, activation=str(net.activation), noise=noise, rng=rng
        )
        return net, Dataset(data.x, _targets(net, data.y), data.name)

    return case


def _targets(net: MLP, y: Real) -> Real:
    """Targets as the loss takes them, of real ones."""
    if net.loss == "cross_entropy":
        return np.asarray(np.eye(net.n_out)[y.argmax(axis=1)])
    return (y > 0).astype(np.float64) if net.loss == "logistic" else y


def _labels(net: MLP, samples: int) -> Case:
    """Handwritten digits and their labels."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        return net, digits(samples, size=4, whiten=True, target="one-hot", rng=rng)

    return case


def _correlated(net: MLP, samples: int) -> Case:
    """Random axes, along which the standard deviations of the inputs fall like 1/k."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = gaussian(samples, net.n_in, net.n_out, rng=rng)
        deviations = 1 / np.arange(1, net.n_in + 1)
        basis, _ = np.linalg.qr(rng.normal(size=(net.n_in, net.n_in)))
        x = (data.x * (deviations / np.sqrt((deviations**2).mean()))) @ basis
        return net, Dataset(x, data.y, "correlated")

    return case


def _constant(net: MLP, samples: int) -> Case:
    """Targets that are 1 for all samples."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = gaussian(samples, net.n_in, net.n_out, rng=rng)
        return net, Dataset(data.x, np.ones_like(data.y), "constant")

    return case


def _heavy(net: MLP, samples: int) -> Case:
    """Heavy-tailed inputs: Student's distribution of three degrees of freedom, of variance 1."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = gaussian(samples, net.n_in, net.n_out, rng=rng)
        return net, Dataset(rng.standard_t(3, size=data.x.shape) / np.sqrt(3), data.y, "heavy")

    return case


def _noisy(net: MLP, samples: int) -> Case:
    """Classes half as large as the one before, a fifth of the labels drawn at random."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        shares = 0.5 ** np.arange(net.n_out)
        label = rng.choice(net.n_out, size=samples, p=shares / shares.sum())
        means = rng.normal(size=(net.n_out, net.n_in))
        x = means[label] + rng.normal(size=(samples, net.n_in))
        flipped = rng.random(samples) < 0.2
        label = np.where(flipped, rng.integers(0, net.n_out, size=samples), label)
        return net, Dataset(x, np.eye(net.n_out)[label], "noisy")

    return case


def _rare(net: MLP, samples: int) -> Case:
    """Targets 0 and 1, a tenth of them 1."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = gaussian(samples, net.n_in, net.n_out, rng=rng)
        return net, Dataset(data.x, (rng.random(data.y.shape) < 0.1).astype(np.float64), "rare")

    return case


NETWORKS: dict[str, Case] = {
    "memory tanh 10-12-10": _memory(MLP((10, 12, 10)), 64),
    "memory relu 12-10-8": _memory(MLP((12, 10, 8), activation="relu"), 80),
    "memory gelu 9-14-7": _memory(MLP((9, 14, 7), activation="gelu"), 80),
    "teacher sigmoid 12-8-10": _taught(MLP((12, 8, 10), activation="sigmoid"), 120, 0.1),
    "teacher silu 10-9-6": _taught(MLP((10, 9, 6), activation="silu"), 100, 0.2),
    "digits tanh 16-10-10": _labels(MLP((16, 10, 10)), 100),
    "digits softmax relu 16-10-10": _labels(
        MLP((16, 10, 10), activation="relu", loss="cross_entropy"), 150
    ),
    "digits softmax tanh decay 16-8-8-10": _labels(
        MLP((16, 8, 8, 10), loss="cross_entropy", weight_decay=1e-3), 150
    ),
    "memory tanh biases 8-8-8-8": _memory(MLP((8, 8, 8, 8), bias=True), 64),
    "memory relu biases 8-10-10-6": _memory(MLP((8, 10, 10, 6), activation="relu", bias=True), 100),
    "memory logistic tanh 10-8-3": _memory(MLP((10, 8, 3), loss="logistic"), 120),
    "memory softplus biases decay 10-10-5": _memory(
        MLP((10, 10, 5), activation="softplus", bias=True, weight_decay=0.01), 100
    ),
}
"""The twelve networks: functions that draw network and data, by name."""

FRESH: dict[str, Case] = {
    "memory gelu 11-9-7": _memory(MLP((11, 9, 7), activation="gelu"), 70),
    "memory silu biases 8-9-9-7": _memory(MLP((8, 9, 9, 7), activation="silu", bias=True), 90),
    "memory sigmoid 10-10-10": _memory(MLP((10, 10, 10), activation="sigmoid"), 70),
    "memory tanh decay 12-9-8": _memory(MLP((12, 9, 8), weight_decay=1e-3), 80),
    "teacher softplus 11-8-9": _taught(MLP((11, 8, 9), activation="softplus"), 110, 0.15),
    "teacher tanh 9-10-8": _taught(MLP((9, 10, 8)), 90, 0.2),
    "digits gelu 16-9-10": _labels(MLP((16, 9, 10), activation="gelu"), 120),
    "memory softmax gelu decay 9-10-6": _memory(
        MLP((9, 10, 6), activation="gelu", loss="cross_entropy", weight_decay=1e-3), 160
    ),
    "teacher softmax tanh 12-9-7": _taught(MLP((12, 9, 7), loss="cross_entropy"), 170, 0.2),
    "digits softmax silu decay 16-11-10": _labels(
        MLP((16, 11, 10), activation="silu", loss="cross_entropy", weight_decay=1e-3), 160
    ),
    "digits softmax relu biases 16-8-8-10": _labels(
        MLP((16, 8, 8, 10), activation="relu", loss="cross_entropy", bias=True), 170
    ),
    "memory logistic relu 9-9-4": _memory(MLP((9, 9, 4), activation="relu", loss="logistic"), 130),
}
"""Twelve networks to confirm by, as in `NETWORKS`."""

UNUSUAL: dict[str, Case] = {
    "memory sine 9-11-8": _memory(MLP((9, 11, 8), activation="sine"), 72),
    "memory erf biases 7-8-8-8-6": _memory(MLP((7, 8, 8, 8, 6), activation="erf", bias=True), 110),
    "teacher leaky_relu 6-24-5": _taught(MLP((6, 24, 5), activation="leaky_relu"), 90, 0.2),
    "memory relu 10-3-8": _memory(MLP((10, 3, 8), activation="relu"), 200),
    "memory tanh 12-16-10": _memory(MLP((12, 16, 10)), 50),
    "noisy softmax tanh 10-9-5": _noisy(MLP((10, 9, 5), loss="cross_entropy"), 180),
    "constant tanh 8-9-7": _constant(MLP((8, 9, 7)), 70),
    "correlated gelu 12-10-8": _correlated(MLP((12, 10, 8), activation="gelu"), 90),
    "memory tanh decay 10-10-8": _memory(MLP((10, 10, 8), weight_decay=0.03), 80),
    "memory quadratic 8-10-6": _memory(MLP((8, 10, 6), activation="quadratic"), 90),
    "heavy relu biases 9-10-8": _heavy(MLP((9, 10, 8), activation="relu", bias=True), 90),
    "rare logistic silu 9-8-3": _rare(MLP((9, 8, 3), activation="silu", loss="logistic"), 150),
}
"""Twelve networks of other kinds: three hidden layers, a hidden layer of 3 or 24 units, from a
seventh to four times as many samples as parameters, data of other kinds."""

_CASES: dict[str, Case] = {
    **NETWORKS,
    SMALL: _memory(MLP((5, 6, 5)), 32),
    **FRESH,
    **UNUSUAL,
}

NAMES = tuple(_CASES)
"""All of them; the place of a name seeds its random numbers."""


def network_case(name: str, rng: np.random.Generator) -> tuple[MLP, Dataset]:
    """Draw the data of a network.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    (MLP, Dataset)
    """
    return _CASES[choice("network", name, NAMES)](rng)
