r"""A loss of any kind with weight decay, and what is asked of it at one point.

>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> bowl = FunctionSurface(2, lambda t: (float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(2))
>>> here = SurfacePoint(DecayedSurface(bowl, 1.0), np.array([1.0, 0.0]))
>>> here.loss, here.energy, here.gradient, float(here.hessian("total")[0, 0])
(1.5, 1.0, array([3., 0.]), 3.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arguments import nonnegative
from rmtland.landscape.surface import LossSurface, NamedBlock
from rmtland.landscape.surface.surface import loss_surface
from rmtland.typing import Real, override

__all__ = ["DecayedSurface", "SurfacePoint"]


class DecayedSurface(LossSurface):
    """A loss plus (w/2) |theta|^2.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    weight_decay : float
        w >= 0.

    Raises
    ------
    ValueError
        If `weight_decay` is negative, infinite or NaN.
    TypeError
        If the surface is none, or `weight_decay` is no real number.
    """

    def __init__(self, surface: LossSurface, weight_decay: float) -> None:
        self.surface = loss_surface("surface", surface)
        self.weight_decay = nonnegative("weight_decay", weight_decay)

    @property
    @override
    def size(self) -> int:
        return self.surface.size

    @property
    @override
    def blocks(self) -> Sequence[NamedBlock]:
        return self.surface.blocks

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        value, gradient = self.surface.value(theta)
        return value + 0.5 * self.weight_decay * float(theta @ theta), (
            gradient + self.weight_decay * theta
        )

    @override
    def product(self, theta: Real, vector: Real) -> Real:
        return self.surface.product(theta, vector) + self.weight_decay * vector

    @override
    def hessian(self, theta: Real) -> Real:
        return self.surface.hessian(theta) + self.weight_decay * np.eye(self.size)


@dataclass(frozen=True, eq=False)
class SurfacePoint:
    """A loss at one point, computed when it is asked for.

    Parameters
    ----------
    surface : DecayedSurface
        The loss.
    theta : ndarray, shape (p,)
        Where.
    """

    surface: DecayedSurface
    theta: Real

    @cached_property
    def _value(self) -> tuple[float, Real]:
        return self.surface.value(self.theta)

    @property
    def loss(self) -> float:
        """The loss, weight decay included."""
        return self._value[0]

    @property
    def energy(self) -> float:
        """The loss without the weight decay; how many outputs there are is not known."""
        return self.loss - 0.5 * self.surface.weight_decay * float(self.theta @ self.theta)

    @property
    def gradient(self) -> Real:
        """Of the loss, weight decay included."""
        return self._value[1]

    def hessian(self, part: str) -> Real:
        """Return the dense Hessian.

        Parameters
        ----------
        part : {"total"}
            The whole of it.

        Returns
        -------
        ndarray, shape (p, p)
            Weight decay included.
        """
        assert part == "total", part
        return self.surface.hessian(self.theta)

    def at(self, theta: Real) -> SurfacePoint:
        """Return the loss at another point.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        SurfacePoint
            There.
        """
        return SurfacePoint(self.surface, theta)
