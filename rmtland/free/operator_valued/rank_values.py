r"""Masses that are ranks: integer combinations of known numbers.

The trace of a projection in the algebra of free variables is an integer combination of the masses
of atoms and of separate pieces of their laws (K-theory of a free product [1]_), and so is the rank
of a polynomial (its kernel is an atom) [2]_. A mass computed in floating point is rounded to the
combination with the least coefficients that is near enough, unless another one is nearly as near.

References
----------
.. [1] J. Cuntz, The K-groups for free products of C*-algebras, Proc. Sympos. Pure Math. 38 (1982),
       part 1, 81-84.
.. [2] T. Mai, R. Speicher and S. Yin, The free field: realization via unbounded operators and
       Atiyah property, J. Funct. Anal. 285 (2023) 110016.

Examples
--------
>>> nearest_rank(0.50000362, [0.5], tolerance=1e-5)
0.5
>>> nearest_rank(0.3999999, [0.3, 0.2], tolerance=1e-5)
0.4
>>> nearest_rank(0.4321, [0.5], tolerance=1e-5)
0.4321
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

__all__ = ["nearest_rank", "small_ranks"]

_MAX_COEFFICIENT = 4
_MAX_COMBINATIONS = 20000


def nearest_rank(mass: float, ranks: Sequence[float], *, tolerance: float) -> float:
    """Return the combination of ranks that a mass is, or the mass itself.

    Parameters
    ----------
    mass : float
        A computed mass.
    ranks : sequence of float
        Numbers that are combined, beside 1; those that are 0 or 1 do not matter.
    tolerance : float
        Largest error of the mass.

    Returns
    -------
    float
        A combination in (0, 1], rounded once, if exactly one with small coefficients lies within
        the tolerance (several that differ by rounding count as one); `mass` otherwise.
    """
    if not math.isfinite(mass):
        return mass
    useful = sorted({rank for rank in ranks if 1e-12 < rank < 1 - 1e-12})
    bound = _MAX_COEFFICIENT
    while bound > 1 and (2 * bound + 1) ** len(useful) > _MAX_COMBINATIONS:
        bound -= 1
    if (2 * bound + 1) ** len(useful) > _MAX_COMBINATIONS:
        return mass
    near: list[tuple[int, Fraction]] = []
    for factors in product(range(-bound, bound + 1), repeat=len(useful)):
        part = sum(n * rank for n, rank in zip(factors, useful, strict=True))
        whole = round(mass - part)
        if abs(whole + part - mass) <= 10 * tolerance:
            value = Fraction(whole) + sum(
                (n * Fraction(rank) for n, rank in zip(factors, useful, strict=True)), Fraction(0)
            )
            near.append((sum(map(abs, factors)), value))
    near.sort(key=lambda item: (item[0], abs(float(item[1]) - mass)))
    inner = [value for _, value in near if abs(float(value) - mass) <= tolerance]
    if not inner or not 0 < inner[0] <= 1 + Fraction(1, 10**15):
        return mass
    if any(abs(float(value - inner[0])) > 1e-14 for _, value in near):
        return mass
    return min(float(inner[0]), 1.0)


def small_ranks(ranks: Sequence[float], *, limit: int = 100) -> list[float]:
    """Return combinations in (0, 1) with small coefficients, those with the smallest first.

    Parameters
    ----------
    ranks : sequence of float
        Numbers that are combined, beside 1.
    limit : int
        How many are returned at most.

    Returns
    -------
    list of float
        Different by more than rounding.
    """
    useful = sorted({rank for rank in ranks if 1e-12 < rank < 1 - 1e-12})
    bound = _MAX_COEFFICIENT
    while bound > 1 and (2 * bound + 1) ** len(useful) > _MAX_COMBINATIONS:
        bound -= 1
    if not useful or (2 * bound + 1) ** len(useful) > _MAX_COMBINATIONS:
        return useful[:limit]
    found: list[tuple[int, float]] = []
    for factors in product(range(-bound, bound + 1), repeat=len(useful)):
        value = sum(n * rank for n, rank in zip(factors, useful, strict=True)) % 1.0
        if 1e-9 < value < 1 - 1e-9:
            found.append((sum(map(abs, factors)), value))
    kept: dict[int, float] = {}
    for _, value in sorted(found):
        kept.setdefault(round(value * 1e10), value)
    return list(kept.values())[:limit]
