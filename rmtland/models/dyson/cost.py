"""What a computation with a matrix Dyson equation will take: seconds and bytes, beforehand.

Operations are counted, and the speed of one complex product is measured here: right to a factor of
about three.

Examples
--------
>>> Cost(seconds=90.0, bytes=2**31).sentence
'about 90 s and 2.0 GiB'
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.free_slopes import FreeSlopes

__all__ = ["Cost", "operations_of_point", "speed"]

_STEPS = 20  # of a point


class Cost(NamedTuple):
    """What a computation will take, estimated beforehand."""

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


def operations_of_point(equation: BlockEquation | FreeSlopes) -> float:
    """Real operations that one point takes.

    Parameters
    ----------
    equation : BlockEquation or FreeSlopes
        The equation.

    Returns
    -------
    float
    """
    (n1, m), n0 = equation.features.shape, equation.x.shape[1]
    if isinstance(equation, FreeSlopes):
        return float(_STEPS * 8.0 * 8 * (n1 + min(m, n0 + n1)) ** 3)
    wide = n0 if equation.by_unit else n1 * n0
    inverses = 16.0 * (n1 if equation.by_unit else 1) * wide**3
    outer = (16.0 * m**3 + 8.0 * n1 * n0 * m * (m + n0)) if equation.has_outer else 0.0
    # with coupled units the steps are those without, and few of the others
    apart = inverses if equation.by_unit else 16.0 * n1 * n0**3 + inverses / 4
    return float(_STEPS * (outer + apart))
