"""The spectra that ensembles are made of: laws, measured spectra, eigenvalues, numbers.

Examples
--------
>>> law_of("a", [1.0, 1.0, 4.0]).mean(), law_of("a", 2.0).is_point_mass
(2.0, True)
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import dense_array
from rmtland.laws import EmpiricalLaw, Law
from rmtland.laws.discrete import without_rounding
from rmtland.spectrum import Spectrum

__all__ = ["law_of", "lowest", "positive_law"]


def law_of(name: str, value: object) -> Law:
    """Return a Law: one as it is, a number as a point mass, a Spectrum or eigenvalues as theirs.

    Raises
    ------
    TypeError
        If the value is none of these.
    ValueError
        If eigenvalues are NaN or infinite.
    """
    if isinstance(value, Law):
        return value
    if isinstance(value, Spectrum):
        return EmpiricalLaw.of(value)
    if value is None or isinstance(value, str | bytes | bool):
        raise TypeError(f"{name} must be a law, a spectrum or eigenvalues; got {value!r}")
    array = np.atleast_1d(dense_array(name, value))
    if array.dtype.kind not in "iuf" and array.size:
        raise TypeError(f"{name} must be a law, a spectrum or eigenvalues; got {value!r}")
    if not np.isfinite(array.astype(np.float64)).all():
        raise ValueError(f"{name} holds NaN or infinite eigenvalues; remove them first")
    return without_rounding(EmpiricalLaw(array))


def lowest(law: Law) -> float:
    """Lowest point of a law."""
    return min([low for low, _ in law.support] + [place for place, _ in law.atoms])


def positive_law(name: str, value: object) -> Law:
    """Return a Law as `law_of` does if it is on [0, infinity) and not all at zero."""
    law = law_of(name, value)
    if lowest(law) < 0:
        raise ValueError(f"{name} must be on [0, infinity); {law!r} reaches down to {lowest(law)}")
    if not law.mean() > 0:
        raise ValueError(f"{name} has all its mass at zero: {law!r}")
    return law
