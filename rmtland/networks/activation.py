r"""Activation functions with the two derivatives that a Hessian needs.

An activation f acts entry by entry on the preactivations z of a hidden layer, a = f(z). Its
slope f'(z) carries the Gauss-Newton part of the Hessian, its curvature f''(z) the residual
part. Both are functions of z and of a = f(z), which the forward pass has already paid for:
tanh' = 1 - a^2 and tanh'' = -2 a tanh'.

With Phi and phi the distribution function and density of N(0, 1) and s(z) = 1/(1 + exp(-z)):

    linear z, relu max(z, 0), leaky_relu max(z, z/100), tanh, erf, sigmoid s(z),
    softplus log(1 + exp(z)), gelu z Phi(z), silu z s(z), quadratic z^2, sine sin(z).

ReLU is not differentiable at 0; here f'(0) = 0, and f'' = 0 everywhere (its point mass at 0
is left out, as in Pennington & Bahri, ICML 2017); leaky ReLU alike, with f'(0) = 1/100. An
activation of one's own is an `Activation`, which `MLP` takes in place of a name.

>>> import numpy as np
>>> f = ACTIVATIONS["tanh"]
>>> z = np.array([0.0, 0.5])
>>> f.slope(z, f.value(z))
array([1.        , 0.78644773])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rmtland.arguments import choice, finite
from rmtland.arrays import array_namespace, to_numpy

__all__ = ["ACTIVATIONS", "Activation", "activation", "leaky_relu"]

Array = Any  # of any array library


@dataclass(frozen=True)
class Activation:
    """An entry-wise function with its first two derivatives.

    The functions take arrays of any array library and return the same kind and shape.

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

    def __repr__(self) -> str:
        """Return the name in place of the functions."""
        return f"Activation({self.name!r})"


def activation(name: str | Activation) -> Activation:
    """Return the activation called `name`; an `Activation` is returned as it is.

    Raises
    ------
    ValueError
        If there is no activation of that name.
    """
    if isinstance(name, Activation):
        return name
    return ACTIVATIONS[choice("activation", name, tuple(ACTIVATIONS))]


def leaky_relu(negative_slope: float = 0.01) -> Activation:
    """Return z for z > 0 and `negative_slope` z elsewhere.

    >>> leaky_relu(0.2)
    Activation('leaky_relu(0.2)')
    """
    low = finite("negative_slope", negative_slope)

    name = "leaky_relu" if low == 0.01 else f"leaky_relu({low:g})"
    return Activation(name, partial(_leaky, low=low), partial(_leaky_slope, low=low), None)


# The functions -----------------------------------------------------------------------------------


def _tanh(z: Array) -> Array:
    return array_namespace(z).tanh(z)


def _tanh_slope(z: Array, a: Array) -> Array:
    return 1.0 - a * a


def _tanh_curvature(z: Array, a: Array) -> Array:
    return -2.0 * a * (1.0 - a * a)


def _relu(z: Array) -> Array:
    xp = array_namespace(z)
    return xp.where(z > 0.0, z, xp.zeros_like(z))


def _relu_slope(z: Array, a: Array) -> Array:
    return array_namespace(z).astype(z > 0.0, z.dtype)


def _leaky(z: Array, *, low: float) -> Array:
    return array_namespace(z).where(z > 0.0, z, low * z)


def _leaky_slope(z: Array, a: Array, *, low: float) -> Array:
    xp = array_namespace(z)
    return xp.where(z > 0.0, xp.ones_like(z), xp.full_like(z, low))


def _copy(z: Array) -> Array:
    return array_namespace(z).asarray(z, copy=True)


def _one(z: Array, a: Array) -> Array:
    return array_namespace(z).ones_like(z)


def _erf(z: Array) -> Array:
    """Return erf(z); the array-API standard has none, its libraries do."""
    if not isinstance(z, np.ndarray | np.generic):
        library = type(z).__module__.partition(".")[0]
        if library == "torch":
            import torch

            return torch.special.erf(z)
        if library == "cupy":
            import cupyx.scipy.special

            return cupyx.scipy.special.erf(z)
        return array_namespace(z).asarray(_erf(to_numpy(z)))
    from scipy.special import erf

    return erf(z)


def _erf_slope(z: Array, a: Array) -> Array:
    return (2.0 / math.sqrt(math.pi)) * array_namespace(z).exp(-z * z)


def _erf_curvature(z: Array, a: Array) -> Array:
    return -2.0 * z * _erf_slope(z, a)


def _sigmoid(z: Array) -> Array:
    xp = array_namespace(z)
    small = xp.exp(-xp.abs(z))  # never overflows
    return xp.where(z >= 0.0, xp.ones_like(z), small) / (1.0 + small)


def _sigmoid_slope(z: Array, a: Array) -> Array:
    xp = array_namespace(z)
    small = xp.exp(-xp.abs(z))
    return small / (1.0 + small) ** 2


def _sigmoid_curvature(z: Array, a: Array) -> Array:
    return -array_namespace(z).tanh(0.5 * z) * _sigmoid_slope(z, a)


def _softplus(z: Array) -> Array:
    xp = array_namespace(z)
    return xp.where(z > 0.0, z, xp.zeros_like(z)) + xp.log1p(xp.exp(-xp.abs(z)))


def _softplus_slope(z: Array, a: Array) -> Array:
    return _sigmoid(z)


def _normal_density(z: Array) -> Array:
    return array_namespace(z).exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _normal_cdf(z: Array) -> Array:
    return 0.5 * (1.0 + _erf(z / math.sqrt(2.0)))


def _gelu(z: Array) -> Array:
    return z * _normal_cdf(z)


def _gelu_slope(z: Array, a: Array) -> Array:
    return _normal_cdf(z) + z * _normal_density(z)


def _gelu_curvature(z: Array, a: Array) -> Array:
    # exp(-z^2/2) is zero long before z^2 overflows; capped, their product is never inf * 0
    xp = array_namespace(z)
    square = xp.where(xp.abs(z) < 1e3, z, xp.full_like(z, 1e3)) ** 2
    return (2.0 - square) * _normal_density(z)


def _silu(z: Array) -> Array:
    return z * _sigmoid(z)


def _silu_slope(z: Array, a: Array) -> Array:
    return _sigmoid(z) + z * _sigmoid_slope(z, a)


def _silu_curvature(z: Array, a: Array) -> Array:
    return _sigmoid_slope(z, a) * (2.0 - z * array_namespace(z).tanh(0.5 * z))


def _square(z: Array) -> Array:
    return z * z


def _square_slope(z: Array, a: Array) -> Array:
    return 2.0 * z


def _two(z: Array, a: Array) -> Array:
    return array_namespace(z).full_like(z, 2.0)


def _sine(z: Array) -> Array:
    return array_namespace(z).sin(z)


def _sine_slope(z: Array, a: Array) -> Array:
    return array_namespace(z).cos(z)


def _sine_curvature(z: Array, a: Array) -> Array:
    return -a


ACTIVATIONS: dict[str, Activation] = {
    f.name: f
    for f in (
        Activation("tanh", _tanh, _tanh_slope, _tanh_curvature),
        Activation("relu", _relu, _relu_slope, None),
        Activation("linear", _copy, _one, None),
        leaky_relu(),
        Activation("erf", _erf, _erf_slope, _erf_curvature),
        Activation("sigmoid", _sigmoid, _sigmoid_slope, _sigmoid_curvature),
        Activation("softplus", _softplus, _softplus_slope, _sigmoid_slope),
        Activation("gelu", _gelu, _gelu_slope, _gelu_curvature),
        Activation("silu", _silu, _silu_slope, _silu_curvature),
        Activation("quadratic", _square, _square_slope, _two),
        Activation("sine", _sine, _sine_slope, _sine_curvature),
    )
}
"""The activations by name."""
