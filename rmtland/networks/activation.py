"""Activation functions with the two derivatives that a Hessian needs.

An activation f acts entry by entry on the preactivations z of a hidden layer, a = f(z). Its
slope f'(z) carries the Gauss-Newton part of the Hessian, its curvature f''(z) the residual
part. Both are functions of z and of a = f(z), which the forward pass has already paid for:
tanh' = 1 - a^2 and tanh'' = -2 a tanh'.

ReLU is not differentiable at 0; here f'(0) = 0, and f'' = 0 everywhere (its point mass at 0
is left out, as in Pennington & Bahri, ICML 2017).

>>> import numpy as np
>>> f = ACTIVATIONS["tanh"]
>>> z = np.array([0.0, 0.5])
>>> f.slope(z, f.value(z))
array([1.        , 0.78644773])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIVATIONS", "Activation"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Activation:
    """An entry-wise function with its first two derivatives.

    Parameters
    ----------
    name : str
        What `MLP(activation=...)` calls it.
    value : callable
        z -> a = f(z).
    slope : callable
        (z, a) -> f'(z), where a = f(z).
    curvature : callable or None
        (z, a) -> f''(z), where a = f(z); None where f'' is identically zero, so that
        everything it multiplies can be skipped.
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    curvature: Callable[[Array, Array], Array] | None


def _tanh_slope(z: Array, a: Array) -> Array:
    return 1.0 - a * a


def _tanh_curvature(z: Array, a: Array) -> Array:
    return -2.0 * a * (1.0 - a * a)


def _relu(z: Array) -> Array:
    return np.maximum(z, 0.0)


def _relu_slope(z: Array, a: Array) -> Array:
    return (z > 0.0).astype(np.float64)


def _one(z: Array, a: Array) -> Array:
    return np.ones_like(z)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation("tanh", np.tanh, _tanh_slope, _tanh_curvature),
    "relu": Activation("relu", _relu, _relu_slope, None),
    "linear": Activation("linear", np.copy, _one, None),
}
"""The activations by name."""
