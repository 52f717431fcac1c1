"""Units in which free laws are solved: powers of two, which round nothing.

Sums, products and polynomials are solved with squares of their values, which beyond 1e150 and below
1e-150 are no floating-point numbers. Laws of such sizes are put into units of their own before, and
what comes out is scaled back. Laws that are narrow and far from zero are moved there to be added.

Examples
--------
>>> from rmtland import Uniform
>>> unit_of(Uniform(1.0, 2.0)), unit_of(Uniform(1e-160, 2e-160)) == 2.0**-530
(1.0, True)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rmtland.laws.affine_law import Affine, AffineLevy
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw, LevyTriplet

__all__ = [
    "far_shift",
    "power_of_two",
    "require_plain",
    "size_of",
    "unit_of",
    "unit_of_size",
    "units_of_factors",
]

_PLAIN = 200
"""Exponents of two of sizes that are solved in the units they come in."""
_SOLVED = 430
"""Exponents of two that the equations can take."""
_FAR = 1024.0
"""Distance from zero, in widths of a law, from which on it is moved there to be added."""


def size_of(law: Law) -> float:
    """Size of the values of a law: the larger modulus of its ends, or about that.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    float
        In the units of the eigenvalues.
    """
    if isinstance(law, Affine | AffineLevy):
        return abs(law.scale) * size_of(law.law) + abs(law.shift)
    if isinstance(law, LevyLaw):
        return _size_of_triplet(law.levy)
    ends = law.hull
    if not all(map(math.isfinite, ends)):
        ends = law.interval(0.5)
    return max(map(abs, ends))


def power_of_two(size: float) -> float:
    """Return the power of two of a size, such that its reciprocal is a number, too.

    Parameters
    ----------
    size : float
        A positive number.

    Returns
    -------
    float
        At most twice the size, and more than it.
    """
    return math.ldexp(1.0, min(max(math.frexp(size)[1], -1020), 1020))


def unit_of(*laws: Law) -> float:
    """Return the unit in which laws that are added up are solved.

    Parameters
    ----------
    *laws : Law
        The laws.

    Returns
    -------
    float
        A power of two: 1 but for extreme sizes.
    """
    return unit_of_size(max(map(size_of, laws)))


def unit_of_size(size: float) -> float:
    """Return the unit in which laws of a size are solved.

    Parameters
    ----------
    size : float
        The size.

    Returns
    -------
    float
        A power of two: 1 but for extreme sizes.
    """
    return 1.0 if _is_plain(size, _PLAIN) else power_of_two(size)


def far_shift(law: Law) -> float:
    """Return by how much a law that is narrow and far from zero is moved before it is added.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    float
        Its lower end, or the drift of a law with a rational R-transform; 0 where it is not far.
        What is left is exact where the ends of the law are within a factor of two.
    """
    if isinstance(law, LevyLaw):
        drift = law.levy.drift
        own = replace(law.levy, drift=0.0)
        return drift if abs(drift) > _FAR * _size_of_triplet(own) else 0.0
    low, high = law.hull
    return low if math.isfinite(high - low) and abs(low) > _FAR * (high - low) > 0 else 0.0


def _size_of_triplet(levy: LevyTriplet) -> float:
    jumps = [max(1.0, rate) * abs(jump) for rate, jump in zip(levy.rates, levy.jumps, strict=True)]
    return max(abs(levy.drift), math.sqrt(levy.variance), *jumps)


def units_of_factors(laws: Sequence[Law]) -> list[float]:
    """Return the units in which laws that are multiplied are solved.

    Parameters
    ----------
    laws : sequence of Law
        The factors.

    Returns
    -------
    list of float
        Powers of two, one for each: all 1 but for extreme sizes.

    Raises
    ------
    ValueError
        If the product of the units is no floating-point number.
    """
    sizes = [size_of(law) for law in laws]
    exponents = [math.frexp(size)[1] for size in sizes]
    total = sum(exponents)
    if all(_is_plain(size, _PLAIN) for size in sizes) and abs(total) <= _PLAIN:
        return [1.0] * len(sizes)
    if abs(total) > 1000:
        raise ValueError(
            f"the product of laws of the sizes {', '.join(f'{size:.3g}' for size in sizes)} is of "
            f"the size 2^{total}, which is no floating-point number; scale a factor first, with "
            "affine(law, scale=...)"
        )
    return [power_of_two(size) for size in sizes]


def require_plain(name: str, size: float, exponent: int = _SOLVED) -> None:
    """Raise ValueError where a law is so large or small that its equation has no powers it needs.

    Parameters
    ----------
    name : str
        The law, for the message.
    size : float
        Its size.
    exponent : int
        Of two, up to which the equation can be solved.
    """
    if not _is_plain(size, exponent):
        raise ValueError(
            f"{name} is of the size {size:.3g}; such laws are solved from 2^-{exponent} to "
            f"2^{exponent}, but free_sum(...), free_product(...) and free_power(...) make them in "
            "any units"
        )


def _is_plain(size: float, exponent: int) -> bool:
    return size == 0 or bool(math.ldexp(1.0, -exponent) <= size <= math.ldexp(1.0, exponent))
