"""What a computation with a matrix Dyson equation will take: seconds and bytes, beforehand.

The equation is applied once or twice and timed, and a point takes so many steps as points far from
edges do: right to a factor of about three. Where one step would be too much, operations are counted
and the speed of one complex product is measured.

Examples
--------
>>> Cost(seconds=90.0, bytes=2**31).sentence
'about 90 s and 2.0 GiB'
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.free_slopes import FreeSlopes

__all__ = ["Cost", "seconds_of_pairs", "seconds_of_point", "speed"]

_STEPS = 20.0  # of a point
_COUPLED = 7.0  # of them with coupled units, where the others are without
_LONG = 0.2  # seconds of a step that is not timed twice
_TINY = 0.004  # seconds of a determinant of pairs, however small


class Cost(NamedTuple):
    """What a computation will take, estimated beforehand.

    Made by `rmtland.models.DysonHessian.cost`.

    Parameters
    ----------
    seconds : float
        Time on this machine, in seconds.
    bytes : int
        Memory, in bytes.
    """

    seconds: float
    bytes: int

    @property
    def sentence(self) -> str:
        """In words."""
        return f"about {self.seconds:.2g} s and {self.bytes / 2**30:.1f} GiB"


def speed() -> float:
    """Real operations a second in a complex product, measured.

    Returns
    -------
    float
    """
    a = np.full((192, 192), 0.5 + 0.1j)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return float(8 * len(a) ** 3 / best)


def seconds_of_point(equation: BlockEquation | FreeSlopes) -> float:
    """Seconds that one point takes.

    Parameters
    ----------
    equation : BlockEquation or FreeSlopes
        The equation.

    Returns
    -------
    float
    """
    if equation.memory > ArrayLibrary.of().free_memory():
        return _operations_of_point(equation) / speed()
    if isinstance(equation, FreeSlopes) or equation.by_unit:
        return _STEPS * _seconds_of_step(equation)
    apart = replace(equation, by_unit=True)
    return _COUPLED * _seconds_of_step(equation) + 2 * _STEPS * _seconds_of_step(apart)


def _seconds_of_step(equation: BlockEquation | FreeSlopes) -> float:
    """Apply the equation and time it, without what is computed once."""
    z = 1.0 + 1.0j
    y = equation.start(z)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        equation.apply(z, y)
        best = min(best, time.perf_counter() - start)
        if best > _LONG:
            break
    return float(best)


def seconds_of_pairs(equation: BlockEquation, part: str) -> float:
    """Seconds that the determinants over pairs of a point take (`FiniteSizeHessian`).

    Parameters
    ----------
    equation : BlockEquation
        The equation.
    part : {"total", "gauss_newton", "residual"}
        H, H0 or H1.

    Returns
    -------
    float
    """
    n1, m = equation.features.shape
    operations = 0.0
    if part == "gauss_newton":
        operations = 2.5 * (8 * n1 * m**4 + 2 * (8 / 3) * (m * m / 2) ** 3)
    if part == "total":
        side = (n1 + m) ** 2 / 2
        operations = 8.0 * n1 * n1 * m**4 + 2 * (8 + 8 / 3) * side**3 + 8.0 * n1**4 * m**2
    return operations / speed() + _TINY


def _operations_of_point(equation: BlockEquation | FreeSlopes) -> float:
    """Real operations that one point takes."""
    (n1, m), n0 = equation.features.shape, equation.x.shape[1]
    if isinstance(equation, FreeSlopes):
        return float(_STEPS * 8.0 * 8 * (n1 + min(m, n0 + n1)) ** 3)
    wide = n0 if equation.by_unit else n1 * n0
    inverses = 16.0 * (n1 if equation.by_unit else 1) * wide**3
    outer = (16.0 * m**3 + 8.0 * n1 * n0 * m * (m + n0)) if equation.has_outer else 0.0
    # with coupled units the steps are those without, and few of the others
    apart = inverses if equation.by_unit else 16.0 * n1 * n0**3 + inverses / 4
    return float(_STEPS * (outer + apart))
