r"""Activation functions with the two derivatives that a Hessian needs.

An activation f acts entry by entry on the preactivations z of a hidden layer, a = f(z). Its
slope f'(z) carries the Gauss-Newton part of the Hessian, its curvature f''(z) the residual
part. Both are functions of z and of a = f(z), which the forward pass has already paid for.

With Phi and phi the distribution function and density of N(0, 1) and s(z) = 1/(1 + exp(-z)):

    linear z, relu max(z, 0), leaky_relu max(z, z/100), tanh, erf, sigmoid s(z),
    softplus log(1 + exp(z)), gelu z Phi(z), silu z s(z), quadratic z^2, sine sin(z).

Tails are computed without cancellation, so that a saturated unit has a small slope and not none:
with e = exp(-2|z|) and t = exp(-|z|),

.. math::

    \tanh' = \frac{4 e}{(1 + e)^2}, \qquad s' = \frac{t}{(1 + t)^2}, \qquad
    \Phi(-|z|) = \tfrac12 \operatorname{erfcx}(|z|/\sqrt2)\, e^{-z^2/2},

and z^2 is split into an exact square and a small rest before it is exponentiated. Values and
derivatives are exact to some units of rounding of themselves, down to the smallest normal number;
only beside their own zeros the error is that of a rounded z.

ReLU is not differentiable at 0; here f'(0) = 0, and f'' = 0 everywhere (its point mass at 0
is left out, as in Pennington & Bahri, ICML 2017); leaky ReLU alike, with f'(0) = 1/100. An
activation of one's own is an `Activation`, which `MLP` takes in place of a name.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] D. Hendrycks and K. Gimpel, Gaussian error linear units (GELUs), arXiv:1606.08415.
.. [3] S. Elfwing, E. Uchibe and K. Doya, Sigmoid-weighted linear units for neural network function
       approximation in reinforcement learning, Neural Networks 107 (2018) 3-11.

Examples
--------
>>> import numpy as np
>>> f = ACTIVATIONS["tanh"]
>>> z = np.array([0.0, 0.5, 40.0])
>>> f.slope(z, f.value(z))
array([1.00000000e+00, 7.86447733e-01, 7.21940555e-35])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from rmtland.arguments import choice, finite
from rmtland.arrays import array_namespace, placed, to_numpy
from rmtland.typing import Array

__all__ = ["ACTIVATIONS", "Activation", "activation", "leaky_relu"]


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
    curvature_from_slope : callable, optional
        (z, a, f'(z)) -> f''(z), where the slope makes it cheaper.

    Raises
    ------
    TypeError
        If the name is no string, or a function cannot be called.
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    curvature: Callable[[Array, Array], Array] | None
    curvature_from_slope: Callable[[Array, Array, Array], Array] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no function here: a network would only find it out later."""
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string; got {self.name!r}")
        for name in ("value", "slope", "curvature", "curvature_from_slope"):
            function = getattr(self, name)
            if not (callable(function) or (function is None and name.startswith("curvature"))):
                raise TypeError(f"{name} of {self.name!r} must be a function; got {function!r}")

    def __repr__(self) -> str:
        """Return the name in place of the functions."""
        return f"Activation({self.name!r})"


def activation(name: str | Activation) -> Activation:
    """Return the activation called `name`; an `Activation` is returned as it is.

    Parameters
    ----------
    name : str or Activation
        One of `ACTIVATIONS`, or an activation of one's own.

    Returns
    -------
    Activation
        The function with its derivatives.

    Raises
    ------
    ValueError
        If there is no activation of that name.
    """
    if isinstance(name, Activation):
        return name
    if isinstance(name, str) and name in ACTIVATIONS:
        return ACTIVATIONS[name]
    return ACTIVATIONS[choice("activation", name, tuple(ACTIVATIONS))]


def leaky_relu(negative_slope: float = 0.01) -> Activation:
    """Return z for z > 0 and `negative_slope` z elsewhere.

    Parameters
    ----------
    negative_slope : float, optional
        Slope at z <= 0.

    Returns
    -------
    Activation
        Named "leaky_relu", with the slope where it is not 0.01.

    Raises
    ------
    ValueError
        If the slope is not finite.
    TypeError
        If `negative_slope` is no real number.

    Examples
    --------
    >>> leaky_relu(0.2)
    Activation('leaky_relu(0.2)')
    """
    low = finite("negative_slope", negative_slope)

    name = "leaky_relu" if low == 0.01 else f"leaky_relu({low!r})"
    return Activation(name, partial(_leaky, low=low), partial(_leaky_slope, low=low), None)


# The functions -----------------------------------------------------------------------------------


def _tanh(z: Array) -> Array:
    return array_namespace(z).tanh(z)


def _tanh_slope(z: Array, a: Array) -> Array:
    xp = array_namespace(z)
    small = xp.abs(z)
    small *= -2.0
    small = xp.exp(small)
    square = small + 1.0
    square *= square
    small *= 4.0
    small /= square
    return small


def _tanh_curvature(z: Array, a: Array) -> Array:
    return _tanh_curvature_from_slope(z, a, _tanh_slope(z, a))


def _tanh_curvature_from_slope(z: Array, a: Array, slope: Array) -> Array:
    curvature = a * slope
    curvature *= -2.0
    return curvature


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


def _special(name: str, z: Array) -> Array:
    """Return a function of `scipy.special`; the array-API standard has none, its libraries do."""
    if isinstance(z, np.ndarray | np.generic):
        import scipy.special

        return getattr(scipy.special, name)(z)
    library = type(z).__module__.partition(".")[0]
    if library == "torch":
        import torch

        return getattr(torch.special, name)(z)
    if library == "cupy":
        import cupyx.scipy.special

        return getattr(cupyx.scipy.special, name)(z)
    return placed(_special(name, to_numpy(z)), z)


def _exp_of_square(factor: float, z: Array, times: Array = 1.0) -> Array:
    """Return `times` exp(factor z^2), factor < 0, to some units of rounding of itself.

    z = c + r with c a multiple of 1/64, so that c^2 is exact and z^2 - c^2 = r (z + c) is small;
    beyond 40 the result is zero for the factors -1 and -1/2. The square root of exp(factor c^2)
    is multiplied in twice, so that nothing is subnormal before the result is.
    """
    xp = array_namespace(z)
    z = xp.clip(z, -40.0, 40.0)
    coarse = xp.round(64.0 * z) / 64.0
    root = xp.exp((0.5 * factor) * coarse * coarse)
    return (root * times) * (root * xp.exp(factor * (z - coarse) * (z + coarse)))


def _erf(z: Array) -> Array:
    return _special("erf", z)


def _erf_slope(z: Array, a: Array) -> Array:
    return (2.0 / math.sqrt(math.pi)) * _exp_of_square(-1.0, z)


def _erf_curvature(z: Array, a: Array) -> Array:
    near = array_namespace(z).clip(z, -40.0, 40.0)  # the slope is zero beyond; never inf * 0
    return _exp_of_square(-1.0, near, (-4.0 / math.sqrt(math.pi)) * near)


def _sigmoid(z: Array) -> Array:
    xp = array_namespace(z)
    small = xp.exp(-xp.abs(z))  # never overflows
    return xp.where(z >= 0.0, xp.ones_like(z), small) / (1.0 + small)


def _sigmoid_slope(z: Array, a: Array) -> Array:
    xp = array_namespace(z)
    small = xp.exp(-xp.abs(z))
    return small / (1.0 + small) ** 2


def _sigmoid_curvature(z: Array, a: Array) -> Array:
    return _sigmoid_curvature_from_slope(z, a, _sigmoid_slope(z, a))


def _sigmoid_curvature_from_slope(z: Array, a: Array, slope: Array) -> Array:
    return -array_namespace(z).tanh(0.5 * z) * slope


def _softplus(z: Array) -> Array:
    xp = array_namespace(z)
    return xp.where(z > 0.0, z, xp.zeros_like(z)) + xp.log1p(xp.exp(-xp.abs(z)))


def _softplus_slope(z: Array, a: Array) -> Array:
    return _sigmoid(z)


def _normal_density(z: Array, times: Array = 1.0) -> Array:
    return _exp_of_square(-0.5, z, times) / math.sqrt(2.0 * math.pi)


def _normal_cdf(z: Array) -> Array:
    xp = array_namespace(z)
    tail = _exp_of_square(-0.5, z, 0.5 * _special("erfcx", xp.abs(z) / math.sqrt(2.0)))
    return xp.where(z < 0.0, tail, 1.0 - tail)


def _gelu(z: Array) -> Array:
    return z * _normal_cdf(z)


def _gelu_slope(z: Array, a: Array) -> Array:
    return _normal_cdf(z) + z * _normal_density(z)


def _gelu_curvature(z: Array, a: Array) -> Array:
    near = array_namespace(z).clip(z, -40.0, 40.0)  # the density is zero beyond; never inf * 0
    return _normal_density(near, (math.sqrt(2.0) - near) * (math.sqrt(2.0) + near))


def _silu(z: Array) -> Array:
    return _sigmoid_times(z, z)


def _silu_slope(z: Array, a: Array) -> Array:
    return _sigmoid_times(z, 1.0 + z * _sigmoid(-z))


def _silu_curvature(z: Array, a: Array) -> Array:
    xp = array_namespace(z)
    near = xp.clip(z, -1e4, 1e4)  # the slope of s is zero beyond; never inf * 0
    root = xp.exp(-0.5 * xp.abs(near))
    return root * (2.0 - near * xp.tanh(0.5 * near)) * root / (1.0 + root * root) ** 2


def _sigmoid_times(z: Array, factor: Array) -> Array:
    """Return s(z) times a factor, where nothing is subnormal before the result is."""
    xp = array_namespace(z)
    root = xp.exp(-0.5 * xp.abs(z))
    return xp.where(z >= 0.0, factor, root * factor * root) / (1.0 + root * root)


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
        Activation("tanh", _tanh, _tanh_slope, _tanh_curvature, _tanh_curvature_from_slope),
        Activation("relu", _relu, _relu_slope, None),
        Activation("linear", _copy, _one, None),
        leaky_relu(),
        Activation("erf", _erf, _erf_slope, _erf_curvature),
        Activation(
            "sigmoid",
            _sigmoid,
            _sigmoid_slope,
            _sigmoid_curvature,
            _sigmoid_curvature_from_slope,
        ),
        Activation("softplus", _softplus, _softplus_slope, _sigmoid_slope),
        Activation("gelu", _gelu, _gelu_slope, _gelu_curvature),
        Activation("silu", _silu, _silu_slope, _silu_curvature),
        Activation("quadratic", _square, _square_slope, _two),
        Activation("sine", _sine, _sine_slope, _sine_curvature),
    )
}
"""The activations by name."""
