r"""Light tails: laws without ends, such as the normal law, where an operation needs edges.

Such a law is cut where 1e-17 of its mass is left on either side. Distribution functions of free
sums move by no more than those of their operands do [1]_, so that the cut is a tenth of what
rounding hides; densities lose as little. The support is that of the law that was cut, and so are
moments of high order: of a standard normal law the twentieth is 1.6e-7 of itself too small.

References
----------
.. [1] H. Bercovici and D. Voiculescu, Free convolution of measures with unbounded support, Indiana
       Univ. Math. J. 42 (1993) 733-773.

Examples
--------
>>> from rmtland.laws import Normal
>>> law = cut_tails(Normal())
>>> round(law.hull[1], 4), round(law.var(), 12), f"{1 - law.moment(20) / 654729075:.1e}"
(8.4938, 1.0, '1.6e-07')
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.laws.law import Law
from rmtland.laws.truncated_law import truncated

__all__ = ["cut_tails"]

_TAIL = 1e-17
"""Mass that may be cut off each tail: a tenth of what rounding hides of a distribution function."""
_HEAVY = 1000.0
"""Distance of such cuts, over that of the quartiles, from which on tails are heavy (normal: 13).

The quartiles are those of the law, or, if they are further apart, those of it without its atoms.
"""


def cut_tails(law: Law) -> Law:
    """Return a law with ends: light tails are cut off where 1e-17 of the mass is left.

    Parameters
    ----------
    law : Law
        Any law.

    Returns
    -------
    Law
        The law itself where its ends are finite; otherwise a `rmtland.laws.Truncated` one.

    Raises
    ------
    ValueError
        If the tails are heavy: the cuts lie further apart than 1000 times its quartiles do.
    """
    low, high = law.hull
    if math.isfinite(low) and math.isfinite(high):
        return law
    with np.errstate(all="ignore"):
        whole = float(law.ppf(0.75)) - float(law.ppf(0.25))
        quartiles = max(whole, _in_bands(law, 0.75) - _in_bands(law, 0.25))
        low = low if math.isfinite(low) else float(law.ppf(_TAIL))
        high = high if math.isfinite(high) else float(law.isf(_TAIL))
    if not high - low < _HEAVY * quartiles:
        raise ValueError(
            f"operations take laws of bounded support or light tails, and {law!r} has heavy ones: "
            f"all but {_TAIL:g} of its mass reaches from {low:.6g} to {high:.6g}; cut off "
            "what you can do without, with truncated(law, low, high)"
        )
    return truncated(law, low, high)


def _in_bands(law: Law, share: float) -> float:
    """Return a quantile of a law without its atoms."""
    level = share * (1 - math.fsum(mass for _, mass in law.atoms))
    held = 0.0
    for place, mass in law.atoms:
        if float(law.mass_below(place)) - held >= level:
            break
        held += mass
    return float(law.ppf(level + held))
