r"""Atoms that a polynomial in free variables has for certain: at common eigenvectors.

Free projections of traces :math:`m_1, \dots, m_k` have a common range of trace at least
:math:`m_1 + \dots + m_k - (k - 1)`. On that of eigenspaces of all variables the polynomial is its
value at the eigenvalues; those of different eigenvalues are orthogonal, and their masses add up.

Examples
--------
>>> from rmtland import Discrete, free_variables
>>> x, y = free_variables("x y")
>>> laws = {"x": Discrete((0.0, 1.0), (0.75, 0.25)), "y": Discrete((2.0, 3.0), (0.5, 0.5))}
>>> common_eigenspaces(x * y * x + y, laws)
[(2.0, 0.25), (3.0, 0.25)]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

from rmtland.free.polynomials.circular import Circular
from rmtland.free.polynomials.noncommutative_polynomial import Polynomial
from rmtland.laws.law import Law

__all__ = ["common_eigenspaces"]

_LEAST = 1e-12
_CHOICES = 1000


def common_eigenspaces(
    p: Polynomial, laws: Mapping[str, Law | Circular]
) -> list[tuple[float, float]]:
    """Return values at common eigenvectors of all variables, and the masses these have at least.

    Parameters
    ----------
    p : Polynomial
        Self-adjoint.
    laws : mapping of str to Law or Circular
        The law of each variable.

    Returns
    -------
    list of (float, float)
        Places and masses, one for each choice of atoms of all variables whose mass is above 1e-12;
        none where a variable has no atoms, or with more than 1000 choices.
    """
    atoms = [law.atoms if isinstance(law, Law) else () for law in laws.values()]
    if math.prod(map(len, atoms)) > _CHOICES:
        return []
    found = []
    for choice in product(*atoms):
        mass = math.fsum(m for _, m in choice) - (len(choice) - 1)
        if mass > _LEAST:
            at = {name: place for name, (place, _) in zip(laws, choice, strict=True)}
            terms = (
                value.real * math.prod(at[letter.name] for letter in word)
                for word, value in p.coefficients.items()
            )
            found.append((math.fsum(terms), mass))
    return found
