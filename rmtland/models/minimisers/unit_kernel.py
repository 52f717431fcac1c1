r"""The kernel of a hidden unit: correlations of its values at two weight vectors.

For normal inputs, weights of length r at an angle of cosine t, and an activation f,

.. math::

    k_r(t) = \frac{\operatorname{Cov}\bigl(f(r u), f(r v)\bigr)}{\operatorname{Var} f(r u)},
    \qquad u, v \sim N(0, 1),\ E\,uv = t,

a power series of nonnegative coefficients with k(0) = 0 and k(1) = 1. Its slope at 1 is
:math:`r^2 E f'(ru)^2/\operatorname{Var} f(ru)`. Closed forms: linear t; quadratic t^2; ReLU [1]_

.. math::

    \frac{\sqrt{1 - t^2} + (\pi - \arccos t)\,t - 1}{\pi - 1};

sine :math:`\sinh(r^2 t)/\sinh r^2`; erf :math:`\arcsin(c t)/\arcsin c`,
:math:`c = 2r^2/(1 + 2r^2)` [2]_. Smooth activations else: the trapezoidal rule in two
dimensions, its step halved until nothing changes.

Synonyms: neural network Gaussian process kernel, arc-cosine kernel, dual activation, all less the
mean.

References
----------
.. [1] Y. Cho and L. K. Saul, Kernel methods for deep learning, NIPS 2009.
.. [2] C. K. I. Williams, Computing with infinite networks, NIPS 1996.

Examples
--------
>>> import numpy as np
>>> kernel = UnitKernel("sine", radius=2.0)
>>> kernel.value(np.array([0.0, 1.0])).tolist()
[0.0, 1.0]
>>> round(float(UnitKernel("relu").slope(np.array([1.0]))[0]), 6)  # pi/(pi - 1)
1.466942
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from rmtland.arguments import positive
from rmtland.networks.activation import activation as named_activation
from rmtland.typing import Real

__all__ = ["UnitKernel"]

_NODES = (33, 65, 129, 257, 513)
_POWERS = {"linear": 1.0, "quadratic": 2.0}
"""Kernels that are a power of the cosine."""

_FAR = 9.0  # standard deviations
_CHANGE = 1e-9


@dataclass(frozen=True)
class UnitKernel:
    """Correlation of a unit's values at two weight vectors, and its derivative.

    Parameters
    ----------
    activation : str
        f.
    radius : float
        Length r of the weights, that is the standard deviation of the preactivation.

    Raises
    ------
    ValueError
        For an unknown activation or a length that is not positive.
    """

    activation: str
    radius: float = 1.0

    def __post_init__(self) -> None:
        named_activation(self.activation)
        positive("radius", self.radius)

    def value(self, t: Real) -> Real:
        """Return k(t).

        Parameters
        ----------
        t : ndarray
            Cosines, from 0 to 1.

        Returns
        -------
        ndarray

        Raises
        ------
        ValueError
            If there is no closed form and the quadrature does not converge.
        """
        return self._forms()[0](np.asarray(t, dtype=np.float64))

    def slope(self, t: Real) -> Real:
        """Return k'(t).

        Parameters
        ----------
        t : ndarray
            Cosines, from 0 to 1.

        Returns
        -------
        ndarray

        Raises
        ------
        ValueError
            If there is no closed form and the quadrature does not converge.
        """
        return self._forms()[1](np.asarray(t, dtype=np.float64))

    def _forms(self) -> tuple[Callable[[Real], Real], Callable[[Real], Real]]:
        v = self.radius**2
        if self.activation in _POWERS:
            d = _POWERS[self.activation]
            return (lambda t: np.power(t, d)), (lambda t: d * np.power(t, d - 1.0))
        if self.activation == "relu":
            return _relu, _relu_slope
        if self.activation == "sine":
            return partial(_sine, v), partial(_sine_slope, v)
        if self.activation == "erf":
            return partial(_erf, v), partial(_erf_slope, v)
        return self._averaged, self._averaged_slope

    def _averaged(self, t: Real) -> Real:
        f = named_activation(self.activation)
        at = np.append(np.ravel(t), [0.0, 1.0])
        raw = _pair_averages(f.value, self.radius, at, self.activation)
        share: Real = (raw[:-2] - raw[-2]) / (raw[-1] - raw[-2])
        return share.reshape(np.shape(t))

    def _averaged_slope(self, t: Real) -> Real:
        f = named_activation(self.activation)
        ends = _pair_averages(f.value, self.radius, np.array([0.0, 1.0]), self.activation)
        raw = _pair_averages(
            lambda z: f.slope(z, f.value(z)), self.radius, np.ravel(t), self.activation
        )
        slope: Real = self.radius**2 * raw / (ends[1] - ends[0])
        return slope.reshape(np.shape(t))


def _relu(t: Real) -> Real:
    raw = np.sqrt(np.maximum(1.0 - t * t, 0.0)) + (np.pi - np.arccos(t)) * t
    return (raw - 1.0) / (np.pi - 1.0)


def _relu_slope(t: Real) -> Real:
    return (np.pi - np.arccos(t)) / (np.pi - 1.0)


def _sine(v: float, t: Real) -> Real:
    """sinh(v t)/sinh v, without overflow."""
    ratio: Real = np.exp(-v * (1.0 - t)) * np.expm1(-2.0 * v * t) / np.expm1(-2.0 * v)
    return ratio


def _sine_slope(v: float, t: Real) -> Real:
    ratio: Real = np.exp(-v * (1.0 - t)) * (1.0 + np.exp(-2.0 * v * t)) / -np.expm1(-2.0 * v)
    return v * ratio


def _erf(v: float, t: Real) -> Real:
    c, angle = _arcsine(v)
    return np.asarray(np.arcsin(c * t) / angle)


def _erf_slope(v: float, t: Real) -> Real:
    c, angle = _arcsine(v)
    return np.asarray(c / (angle * np.sqrt(1.0 - (c * t) ** 2)))


def _arcsine(v: float) -> tuple[float, float]:
    """Return c = 2v/(1 + 2v) and arcsin c, which loses nothing where c is near 1."""
    c = 2.0 * v / (1.0 + 2.0 * v)
    return c, float(np.arctan2(c, np.sqrt(1.0 + 4.0 * v) / (1.0 + 2.0 * v)))


def _pair_averages(g: Callable[[Real], Real], radius: float, t: Real, name: str) -> Real:
    """Return E g(ru) g(rv) at correlations t."""
    before = None
    for count in _NODES:
        nodes = np.linspace(-_FAR, _FAR, count)
        weights = np.exp(-0.5 * nodes * nodes)
        weights /= weights.sum()
        left = weights * g(radius * nodes)
        found: Real = np.array([
            left @ (g(radius * (s * nodes[:, None] + np.sqrt(max(1 - s * s, 0)) * nodes)) @ weights)
            for s in t
        ])  # fmt: skip
        if before is not None and np.abs(found - before).max() <= _CHANGE * np.abs(found).max():
            return found
        before = found
    raise ValueError(
        f"the kernel of {name!r} at radius {radius:g} does not converge with {_NODES[-1]} nodes; "
        "take a smaller radius, or an activation with a closed form"
    )
