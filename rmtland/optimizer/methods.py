r"""First-order methods as values: gradient descent, heavy ball, Nesterov, Chebyshev, and any other.

All are of the form

.. math::
    y_t = x_t + e_t (x_t - x_{t-1}), \qquad
    x_{t+1} = x_t + m_t (x_t - x_{t-1}) - h_t \nabla f(y_t),

with step h, momentum m and extrapolation e. On a quadratic loss the displacement after t steps is
:math:`P_t(H) (x_0 - x^*)` with the residual polynomial :math:`P_t`, :math:`P_t(0) = 1`,

.. math:: P_{t+1} = (1 + m_t) P_t - m_t P_{t-1} - h_t \lambda \, [(1 + e_t) P_t - e_t P_{t-1}] .

References
----------
.. [1] B. T. Polyak, Some methods of speeding up the convergence of iteration methods, USSR
       Computational Mathematics and Mathematical Physics 4 (1964) 1-17.
.. [2] Y. Nesterov, Lectures on Convex Optimization, 2nd edition, Springer 2018, section 2.2.
.. [3] G. H. Golub and R. S. Varga, Chebyshev semi-iterative methods, successive overrelaxation
       iterative methods, and second order Richardson iterative methods, Numer. Math. 3 (1961)
       147-156.

Examples
--------
>>> method = HeavyBall.from_edges(1.0, 9.0)
>>> method
HeavyBall(step=0.25, momentum=0.25)
>>> import numpy as np
>>> residual_polynomials(GradientDescent(0.5), np.array([0.0, 1.0, 2.0]), 2)
array([[1.  , 1.  , 1.  ],
       [1.  , 0.5 , 0.  ],
       [1.  , 0.25, 0.  ]])
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count, finite, instance, nonnegative, points, positive
from rmtland.typing import Real

__all__ = [
    "Chebyshev",
    "Coefficients",
    "GradientDescent",
    "HeavyBall",
    "Method",
    "Nesterov",
    "checked_method",
    "residual_polynomials",
]


class Coefficients(NamedTuple):
    """Coefficients of steps 0, 1, ....

    Made by `rmtland.optimizer.Method`.

    Parameters
    ----------
    step : ndarray of float, shape (steps,)
        h.
    momentum : ndarray of float, shape (steps,)
        m.
    extrapolation : ndarray of float, shape (steps,)
        e.
    """

    step: Real
    momentum: Real
    extrapolation: Real


class Method(abc.ABC):
    """A first-order method with two-term memory, whatever the gradient.

    A new one is a subclass whose ``_sequence(size)`` returns its first `size` coefficients.
    """

    def coefficients(self, steps: int) -> Coefficients:
        """Return step, momentum and extrapolation of the first steps.

        Parameters
        ----------
        steps : int
            How many.

        Returns
        -------
        Coefficients
            Three arrays of shape (steps,); the first momentum has no effect.

        Raises
        ------
        ValueError
            If the number of steps is negative.
        TypeError
            If `steps` is no integer.
        """
        return self._sequence(count("steps", steps, min_value=0))

    @abc.abstractmethod
    def _sequence(self, size: int) -> Coefficients:
        """Return the first coefficients."""

    @property
    def name(self) -> str:
        """Name in words, for tables and legends."""
        return type(self).__name__

    @property
    def largest_curvature(self) -> float | None:
        """Largest curvature that the method was made for; None where it does not tell."""
        return None


@dataclass(frozen=True)
class GradientDescent(Method):
    r"""Gradient descent (Richardson iteration) of constant step.

    Parameters
    ----------
    step : float
        Step (learning rate), > 0; stable below :math:`2/\lambda_{\max}`.

    Raises
    ------
    ValueError
        If the step is not positive.
    TypeError
        If `step` is no real number.
    """

    step: float

    def __post_init__(self) -> None:
        positive("step", self.step)

    @classmethod
    def from_edges(cls, low: float, high: float) -> GradientDescent:
        r"""Return the step of best guaranteed rate, :math:`2/(a + b)` (1/b for a = 0).

        Parameters
        ----------
        low, high : float
            Least and largest curvature, 0 <= a <= b.

        Returns
        -------
        GradientDescent
            Of rate (b - a)/(b + a) a step.
        """
        a, b = _edges(low, high)
        return cls(2 / (a + b) if a else 1 / b)

    def _sequence(self, size: int) -> Coefficients:
        return _constant(size, self.step, 0.0, 0.0)

    @property
    def name(self) -> str:
        """Name in words."""
        return "gradient descent"

    @property
    def largest_curvature(self) -> float:
        """Largest curvature that the method was made for."""
        return 1 / self.step


@dataclass(frozen=True)
class HeavyBall(Method):
    r"""Heavy ball (Polyak's momentum, stationary second-order Richardson) [1]_.

    Parameters
    ----------
    step : float
        Step, > 0; stable below :math:`2 (1 + m)/\lambda_{\max}`.
    momentum : float
        m, 0 <= m < 1.

    Raises
    ------
    ValueError
        If one is out of its range.
    TypeError
        If `step` is no real number.

    References
    ----------
    .. [1] B. T. Polyak, Some methods of speeding up the convergence of iteration methods, USSR
           Computational Mathematics and Mathematical Physics 4 (1964) 1-17.
    """

    step: float
    momentum: float

    def __post_init__(self) -> None:
        positive("step", self.step)
        _momentum(self.momentum)

    @classmethod
    def from_edges(cls, low: float, high: float) -> HeavyBall:
        r"""Return the pair of best rate: :math:`h = 4/(\sqrt a + \sqrt b)^2`, m the rate squared.

        Parameters
        ----------
        low, high : float
            Least and largest curvature, 0 < a <= b.

        Returns
        -------
        HeavyBall
            Of asymptotic rate (sqrt b - sqrt a)/(sqrt b + sqrt a).

        Raises
        ------
        ValueError
            If a = 0, where the best momentum is 1 and nothing is guaranteed.
        """
        a, b = _edges(low, high, above_zero=True)
        root = math.sqrt(a) + math.sqrt(b)
        return cls(4 / root**2, ((math.sqrt(b) - math.sqrt(a)) / root) ** 2)

    def _sequence(self, size: int) -> Coefficients:
        return _constant(size, self.step, self.momentum, 0.0)

    @property
    def name(self) -> str:
        """Name in words."""
        return "heavy ball"

    @property
    def largest_curvature(self) -> float:
        """Largest curvature that the method was made for."""
        return (1 + math.sqrt(self.momentum)) ** 2 / self.step


@dataclass(frozen=True)
class Nesterov(Method):
    r"""Nesterov's accelerated gradient [1]_.

    Parameters
    ----------
    step : float
        Step, > 0.
    momentum : float, optional
        Constant momentum, 0 <= m < 1; by default t/(t + 3) at step t, for losses without a least
        curvature.

    Raises
    ------
    ValueError
        If one is out of its range.
    TypeError
        If `step` is no real number.

    References
    ----------
    .. [1] Y. Nesterov, Lectures on Convex Optimization, 2nd edition, Springer 2018, section 2.2.
    """

    step: float
    momentum: float | None = None

    def __post_init__(self) -> None:
        positive("step", self.step)
        if self.momentum is not None:
            _momentum(self.momentum)

    @classmethod
    def from_edges(cls, low: float, high: float) -> Nesterov:
        r"""Return step 1/b with momentum :math:`(\sqrt b - \sqrt a)/(\sqrt b + \sqrt a)`.

        Parameters
        ----------
        low, high : float
            Least and largest curvature, 0 <= a <= b; the momentum t/(t + 3) for a = 0.

        Returns
        -------
        Nesterov
            The method.
        """
        a, b = _edges(low, high)
        roots = math.sqrt(a), math.sqrt(b)
        return cls(1 / b, (roots[1] - roots[0]) / (roots[1] + roots[0]) if a else None)

    def _sequence(self, size: int) -> Coefficients:
        if self.momentum is not None:
            return _constant(size, self.step, self.momentum, self.momentum)
        t = np.arange(size, dtype=np.float64)
        return Coefficients(np.full(t.size, float(self.step)), t / (t + 3), t / (t + 3))

    @property
    def name(self) -> str:
        """Name in words."""
        return "Nesterov"

    @property
    def largest_curvature(self) -> float:
        """Largest curvature that the method was made for."""
        return 1 / self.step


@dataclass(frozen=True)
class Chebyshev(Method):
    r"""Chebyshev semi-iteration: best guaranteed error over an interval of curvatures [1]_.

    The residual polynomial is :math:`T_t(s(\lambda))/T_t(s(0))` with the map s of the interval to
    [-1, 1].

    Parameters
    ----------
    low, high : float
        The interval, 0 < a < b.

    Raises
    ------
    ValueError
        If the interval is not one, or touches 0.

    References
    ----------
    .. [1] G. H. Golub and R. S. Varga, Chebyshev semi-iterative methods, successive overrelaxation
           iterative methods, and second order Richardson iterative methods, Numer. Math. 3 (1961)
           147-156.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        a, b = _edges(self.low, self.high, above_zero=True)
        if not a < b:
            raise ValueError(f"low must be below high; got {a} and {b}: one step 1/b solves it")

    @classmethod
    def from_edges(cls, low: float, high: float) -> Chebyshev:
        """Return the method of an interval.

        Parameters
        ----------
        low, high : float
            Least and largest curvature, 0 < a < b.

        Returns
        -------
        Chebyshev
            The method.
        """
        return cls(low, high)

    def _sequence(self, size: int) -> Coefficients:
        middle = self.low / 2 + self.high / 2
        half = (self.high / 2 - self.low / 2) / middle
        step, momentum = np.empty(size), np.zeros(size)
        omega = 1.0
        for t in range(size):
            if t:
                omega = 1 / (1 - half**2 / 4 * omega * (2 if t == 1 else 1))
                momentum[t] = omega - 1
            step[t] = omega / middle
        return Coefficients(step, momentum, np.zeros(size))

    @property
    def name(self) -> str:
        """Name in words."""
        return "Chebyshev"

    @property
    def largest_curvature(self) -> float:
        """Largest curvature that the method was made for."""
        return self.high


def checked_method(method: object) -> Method:
    """Return a method, or say that what came is none.

    Parameters
    ----------
    method : Method
        What came.

    Returns
    -------
    Method
        The same.

    Raises
    ------
    TypeError
        If it is none.
    """
    kind: type[Method] = Method  # type: ignore[type-abstract]
    return instance("method", method, kind, "one such as GradientDescent(0.1)")


def residual_polynomials(method: Method, nodes: Real, steps: int) -> Real:
    r"""Values of the residual polynomials of degrees 0 to `steps`.

    .. formula:: Residual polynomials of first-order methods, :math:`P_{t+1} = (1 + m) P_t - m
        P_{t-1} - h \lambda P_t`

    Parameters
    ----------
    method : Method
        The method.
    nodes : ndarray of float, shape (n,)
        Curvatures.
    steps : int
        Number of steps.

    Returns
    -------
    ndarray of float, shape (steps + 1, n)
        By the three-term recurrence, as a run in the same arithmetic would have them.

    Raises
    ------
    ValueError
        If a curvature is NaN or masked.
    TypeError
        If `method` is no method, or `nodes` holds no real numbers.
    """
    step, momentum, extrapolation = checked_method(method).coefficients(steps)
    x = points("nodes", nodes)
    values = np.ones((steps + 1, *x.shape))
    before = values[0]
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(steps):
            now = values[t]
            change = now - before
            values[t + 1] = (
                now + momentum[t] * change - step[t] * x * (now + extrapolation[t] * change)
            )
            before = now
    return values


def _constant(size: int, *values: float) -> Coefficients:
    return Coefficients(*(np.full(size, float(value)) for value in values))


def _momentum(momentum: float) -> None:
    if not 0 <= finite("momentum", momentum) < 1:
        raise ValueError(f"momentum must be at least 0 and below 1; got {momentum}")


def _edges(low: float, high: float, *, above_zero: bool = False) -> tuple[float, float]:
    a = positive("low", low) if above_zero else nonnegative("low", low)
    b = positive("high", high)
    if a > b:
        raise ValueError(f"low must not be above high; got {low} and {high}")
    return float(a), float(b)
