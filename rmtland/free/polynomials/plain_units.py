"""Polynomials in variables of extreme sizes, in units in which they are solved.

Examples
--------
>>> from rmtland import Uniform, free_variables
>>> x, y = free_variables("x y")
>>> laws = {"x": Uniform(1e-200, 2e-200), "y": Uniform()}
>>> p, laws, unit = in_plain_units(x * y + y * x, laws)
>>> p, laws["x"].high == 2e-200 * 2.0**663, unit == 2.0**-662
(0.5 x y + 0.5 y x, True, True)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from rmtland.free.polynomials.circular import Circular
from rmtland.free.polynomials.noncommutative_polynomial import Polynomial
from rmtland.free.units import power_of_two, unit_of
from rmtland.laws.affine_law import affine
from rmtland.laws.law import Law

__all__ = ["in_plain_units"]

_PLAIN = 200
"""Exponents of two of coefficients that are taken as they are."""


def in_plain_units(
    p: Polynomial, laws: Mapping[str, Law | Circular]
) -> tuple[Polynomial, dict[str, Law | Circular], float]:
    """Return a polynomial and its variables in units of their own, and the unit of its values.

    Parameters
    ----------
    p : Polynomial
        The polynomial.
    laws : mapping of str to Law or Circular
        The law of each variable.

    Returns
    -------
    polynomial : Polynomial
        In the new variables.
    laws : dict of str to Law or Circular
        Of these: the old ones but for extreme sizes.
    unit : float
        A power of two, by which values of this polynomial are those of the given one.

    Raises
    ------
    ValueError
        If the values of the polynomial are no floating-point numbers.
    """
    units = {name: _unit_of(law) for name, law in laws.items()}
    powers = {name: math.frexp(unit)[1] - 1 for name, unit in units.items()}
    sizes = {
        word: math.frexp(abs(value))[1] + sum(powers[letter.name] for letter in word)
        for word, value in p.coefficients.items()
        if value
    }
    top = max(sizes.values(), default=0)
    if not any(powers.values()) and abs(top) <= _PLAIN:
        return p, dict(laws), 1.0
    if abs(top) > 1000:
        raise ValueError(
            f"the values of {p!r} are of the size 2^{top}, which is no floating-point number; "
            "scale its coefficients first"
        )
    scaled = {}
    for word, value in p.coefficients.items():
        shift = sum(powers[letter.name] for letter in word) - top
        scaled[word] = complex(math.ldexp(value.real, shift), math.ldexp(value.imag, shift))
    return Polynomial(scaled), {n: _over(laws[n], units[n]) for n in laws}, math.ldexp(1.0, top)


def _unit_of(law: Law | Circular) -> float:
    if isinstance(law, Law):
        return unit_of(law)
    size = math.sqrt(law.variance)
    return 1.0 if abs(math.frexp(size)[1]) <= _PLAIN else power_of_two(size)


def _over(law: Law | Circular, unit: float) -> Law | Circular:
    if unit == 1:
        return law
    if isinstance(law, Law):
        return affine(law, scale=1 / unit)
    return Circular(law.variance / unit / unit)
