r"""Entry-wise steps of networks as single CUDA kernels, for CuPy arrays; other libraries get None.

An activation a = f(z) with its slope f'(z) and its curvature f''(z) are one kernel, which reads z
once: by the array-API standard they are twenty launches and as many passes through the memory. The
formulas are those of `rmtland.networks.activation`, the reference, with one name for each function;
an activation of one's own takes the plain route. Also the steps between the matrix products of the
R-operator. Synonyms: fused kernels, GPU, CUDA, CuPy ElementwiseKernel.

>>> import numpy as np
>>> activation_with_derivatives("tanh", np.zeros(3)) is None
True
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from rmtland.typing import Array

__all__ = [
    "BODIES",
    "PREAMBLE",
    "activation_with_derivatives",
    "add_scaled_sum",
    "is_cupy",
    "pulled_signal",
    "sum_and_scaled",
]

PREAMBLE = """
template <typename T> __device__ inline T rmt_exp2(T factor, T z, T times) {
    z = z < T(-40) ? T(-40) : (z > T(40) ? T(40) : z);
    T coarse = rint(T(64) * z) / T(64);
    T root = exp(T(0.5) * factor * coarse * coarse);
    return (root * times) * (root * exp(factor * (z - coarse) * (z + coarse)));
}
template <typename T> __device__ inline T rmt_clip(T z, T bound) {
    return z < -bound ? -bound : (z > bound ? bound : z);
}
template <typename T> __device__ inline T rmt_s(T z) {
    T small = exp(-fabs(z));
    return (z >= T(0) ? T(1) : small) / (T(1) + small);
}
template <typename T> __device__ inline T rmt_s_times(T z, T factor) {
    T root = exp(T(-0.5) * fabs(z));
    return (z >= T(0) ? factor : root * factor * root) / (T(1) + root * root);
}
"""
"""Functions that the kernels share (C++)."""

_SOFT = "T e = exp(-fabs(z)); T s = T(1) + e;"

BODIES = {
    "tanh": """
        T e = exp(T(-2) * fabs(z)); T s = T(1) + e;
        a = tanh(z); slope = T(4) * e / (s * s); curvature = T(-2) * a * slope;""",
    "relu": "a = z > T(0) ? z : T(0); slope = z > T(0) ? T(1) : T(0); curvature = T(0);",
    "linear": "a = z; slope = T(1); curvature = T(0);",
    "leaky_relu": """
        a = z > T(0) ? z : T(0.01) * z; slope = z > T(0) ? T(1) : T(0.01); curvature = T(0);""",
    "erf": """
        T near = rmt_clip(z, T(40));
        a = erf(z); slope = T(1.1283791670955126) * rmt_exp2(T(-1), z, T(1));
        curvature = rmt_exp2(T(-1), near, T(-2.2567583341910251) * near);""",
    "sigmoid": _SOFT
    + """
        a = (z >= T(0) ? T(1) : e) / s; slope = e / (s * s);
        curvature = -tanh(T(0.5) * z) * slope;""",
    "softplus": _SOFT
    + """
        a = (z > T(0) ? z : T(0)) + log1p(e); slope = (z >= T(0) ? T(1) : e) / s;
        curvature = e / (s * s);""",
    "gelu": """
        T tail = rmt_exp2(T(-0.5), z, T(0.5) * erfcx(fabs(z) * T(0.70710678118654752)));
        T phi = z < T(0) ? tail : T(1) - tail;
        T near = rmt_clip(z, T(40)); T two = T(1.4142135623730951);
        a = z * phi; slope = phi + z * (rmt_exp2(T(-0.5), z, T(1)) * T(0.39894228040143268));
        curvature = rmt_exp2(T(-0.5), near, (two - near) * (two + near));
        curvature *= T(0.39894228040143268);""",
    "silu": """
        T near = rmt_clip(z, T(1e4)); T root = exp(T(-0.5) * fabs(near)); T s = T(1) + root * root;
        a = rmt_s_times(z, z); slope = rmt_s_times(z, T(1) + z * rmt_s(-z));
        curvature = root * (T(2) - near * tanh(T(0.5) * near)) * root / (s * s);""",
    "quadratic": "a = z * z; slope = T(2) * z; curvature = T(2);",
    "sine": "a = sin(z); slope = cos(z); curvature = -a;",
}
"""z -> a, slope, curvature for each activation, by name (C++, of a type T)."""


def is_cupy(array: Array) -> bool:
    """Return whether an array is one of CuPy.

    Parameters
    ----------
    array : object
        An array of any library.

    Returns
    -------
    bool
    """
    return type(array).__module__.partition(".")[0] == "cupy"


def activation_with_derivatives(name: str, z: Array) -> tuple[Array, Array, Array] | None:
    """Return f(z), f'(z) and f''(z), computed by one kernel.

    Parameters
    ----------
    name : str
        The name of the activation.
    z : array
        Preactivations.

    Returns
    -------
    (array, array, array) or None
        None for arrays that are not CuPy's, and for activations of one's own.
    """
    if not is_cupy(z) or name not in BODIES:
        return None
    kernel = _kernel("T z", "T a, T slope, T curvature", BODIES[name], f"rmtland_{name}")
    return tuple(kernel(z))


def sum_and_scaled(first: Array, second: Array, slope: Array) -> tuple[Array, Array] | None:
    """Return (first + second, slope * (first + second)), in the memory of both.

    Parameters
    ----------
    first, second : array
        The summands, overwritten.
    slope : array
        What multiplies the sum; broadcasts to it.

    Returns
    -------
    (array, array) or None
        None for arrays that are not CuPy's.
    """
    if not is_cupy(first):
        return None
    body = "T both = first + second; total = both; scaled = slope * both;"
    kernel = _kernel("T first, T second, T slope", "T total, T scaled", body, "rmtland_sum")
    kernel(first, second, slope, first, second)
    return first, second


def pulled_signal(
    first: Array, second: Array, slope: Array, second_order: Array, tangent: Array
) -> Array | None:
    """Return slope * (first + second) + second_order * tangent, in the memory of `first`.

    Parameters
    ----------
    first, second : array
        Signals; the first is overwritten.
    slope, second_order : array
        What multiplies their sum, and the tangent; they broadcast.
    tangent : array
        The tangent.

    Returns
    -------
    array or None
        None for arrays that are not CuPy's.
    """
    if not is_cupy(first):
        return None
    body = "out = slope * (first + second) + bend * tangent;"
    names = "T first, T second, T slope, T bend, T tangent"
    kernel = _kernel(names, "T out", body, "rmtland_pull")
    kernel(first, second, slope, second_order, tangent, first)
    return first


def add_scaled_sum(target: Array, first: Array, second: Array, factor: float) -> bool:
    """Add factor * (first + second) to an array by one kernel, if it is one of CuPy.

    Parameters
    ----------
    target : array
        Added to.
    first, second : array
        The summands.
    factor : float
        What multiplies them.

    Returns
    -------
    bool
        Whether it was done.
    """
    if not is_cupy(target):
        return False
    body = "out = old + factor * (first + second);"
    kernel = _kernel("T old, T first, T second, T factor", "T out", body, "rmtland_add")
    kernel(target, first, second, target.dtype.type(factor), target)
    return True


@cache
def _kernel(inputs: str, outputs: str, body: str, name: str) -> Callable[..., Array]:
    cupy = import_module("cupy")
    made: Callable[..., Array]
    made = cupy.ElementwiseKernel(inputs, outputs, body, name, preamble=PREAMBLE)
    return made
