r"""Any function with its derivatives as a surface: toys with known answers.

>>> import numpy as np
>>> bowl = FunctionSurface(2, lambda t: (float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(2))
>>> bowl.value(np.array([1.0, 2.0]))
(5.0, array([2., 4.]))
>>> bowl.product(np.zeros(2), np.array([1.0, 0.0]))
array([2., 0.])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.arguments import callable_or_none, count, function as checked_function
from rmtland.landscape.surface.surface import LossSurface, parameter_vector
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Real, override

__all__ = ["FunctionSurface"]


class FunctionSurface(LossSurface):
    """A function of p parameters given by Python functions.

    Parameters
    ----------
    size : int
        The number p of parameters.
    function : callable
        theta -> (value, gradient).
    second : callable, optional
        theta -> Hessian of shape (p, p); by default central differences of the gradient, good to
        about eight digits.

    Raises
    ------
    ValueError
        If `size` is below 1.
    TypeError
        If it is no integer, or `function` or `second` cannot be called.
    """

    def __init__(
        self,
        size: int,
        function: Callable[[Real], tuple[float, Real]],
        second: Callable[[Real], Real] | None = None,
    ) -> None:
        self._size = count("size", size)
        self._function = checked_function("function", function)
        self._second = callable_or_none("second", second)

    @property
    @override
    def size(self) -> int:
        return self._size

    @property
    @override
    def blocks(self) -> tuple[ParameterBlock, ...]:
        return (ParameterBlock("theta", 1, (self.size,), 0),)

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        value, gradient = self._function(parameter_vector(self, "theta", theta))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise ValueError("the function overflows floating-point numbers at this point")
        return float(value), np.asarray(gradient, dtype=np.float64)

    @override
    def hessian(self, theta: Real) -> Real:
        theta = parameter_vector(self, "theta", theta)
        if self._second is not None:
            return np.asarray(self._second(theta), dtype=np.float64)
        step = 6e-6 * max(1.0, float(np.abs(theta).max()))
        rows = [
            (self.gradient(theta + step * unit) - self.gradient(theta - step * unit)) / (2 * step)
            for unit in np.eye(self.size)
        ]
        matrix = np.array(rows)
        return 0.5 * (matrix + matrix.T)

    @override
    def product(self, theta: Real, vector: Real) -> Real:
        product: Real = self.hessian(theta) @ vector
        return product
