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
:math:`c = 2r^2/(1 + 2r^2)` [2]_. Smooth activations else: the series whose coefficients are the
squares of those of f(r z) in Hermite polynomials, up to where k'(1) is reached to 1e-9.

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
from functools import lru_cache, partial

import numpy as np

from rmtland.arguments import points, positive
from rmtland.networks.activation import activation as named_activation
from rmtland.typing import ArrayLike, Real

__all__ = ["UnitKernel"]

_POWERS = {"linear": 1.0, "quadratic": 2.0}
"""Kernels that are a power of the cosine."""

_FAR, _NODES = 12.0, 4801  # of the trapezoidal rule, in standard deviations
_ORDERS = 3000
_REST = 1e-9
"""What the slope at 1 may lack, relative."""


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
    TypeError
        If `radius` is no real number.
    """

    activation: str
    radius: float = 1.0

    def __post_init__(self) -> None:
        named_activation(self.activation)
        positive("radius", self.radius)

    def value(self, t: ArrayLike) -> Real:
        """Return k(t).

        Parameters
        ----------
        t : array_like
            Cosines, from 0 to 1.

        Returns
        -------
        ndarray
            Of the shape of t.

        Raises
        ------
        ValueError
            If there is no closed form and the series does not converge, or a cosine is NaN, below 0
            or above 1.
        TypeError
            If `t` holds no real numbers.
        """
        return self._forms()[0](_cosines(t))

    def slope(self, t: ArrayLike) -> Real:
        """Return k'(t).

        Parameters
        ----------
        t : array_like
            Cosines, from 0 to 1.

        Returns
        -------
        ndarray
            Of the shape of t.

        Raises
        ------
        ValueError
            If there is no closed form and the series does not converge, or a cosine is NaN, below 0
            or above 1.
        TypeError
            If `t` holds no real numbers.
        """
        return self._forms()[1](_cosines(t))

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
        powers = np.array(_powers(self.activation, self.radius))
        rises = powers[1:] * np.arange(1.0, len(powers))
        return partial(_series, powers), partial(_series, rises)


def _cosines(t: ArrayLike) -> Real:
    found = points("t", t)
    if found.size and not (found.min() >= 0.0 and found.max() <= 1.0 + 1e-12):
        raise ValueError(
            f"t must be cosines between 0 and 1; got {found.min():g} to {found.max():g}"
        )
    return np.minimum(found, 1.0)  # rounding may leave it above


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


def _series(coefficients: Real, t: Real) -> Real:
    return np.asarray(np.polynomial.polynomial.polyval(t, coefficients), dtype=np.float64)


@lru_cache(maxsize=64)
def _powers(name: str, radius: float) -> tuple[float, ...]:
    """Return the coefficients of k: squares of f's Hermite coefficients, less the first, scaled."""
    f = named_activation(name)
    x, step = np.linspace(-_FAR, _FAR, _NODES, retstep=True)
    value = f.value(radius * x)
    now, before = np.exp(-x * x / 4) / (2 * np.pi) ** 0.25, np.zeros_like(x)  # h_j phi^(1/2)
    root = now
    steepest = radius**2 * step * ((f.slope(radius * x, value) * root) ** 2).sum()
    squares: list[float] = []
    grown = 0.0
    for j in range(_ORDERS):
        squares.append(float(step * (value * root) @ now) ** 2)
        grown += j * squares[-1]
        if j and abs(grown - steepest) <= _REST * steepest:
            break
        now, before = (x * now - j**0.5 * before) / (j + 1) ** 0.5, now
    else:
        raise ValueError(
            f"the Hermite series of {name!r} at radius {radius:g} does not converge in {_ORDERS} "
            "terms; take a smaller radius, or an activation with a closed form"
        )
    total = sum(squares[1:])
    return (0.0, *(one / total for one in squares[1:]))
