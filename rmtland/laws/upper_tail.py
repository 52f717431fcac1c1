r"""Masses next to the upper end of a law: small, and relatively accurate, by quadrature.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> x = np.array([2 - 1e-8])
>>> tail = with_upper_tail(Semicircle(), x, np.array([2.1e-13]))
>>> bool(abs(tail[0] / (2 / (3 * np.pi) * 1e-12) - 1) < 1e-7)
True
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from rmtland.typing import Atoms, Real, Support

__all__ = ["SMALL_MASS", "with_upper_tail"]

SMALL_MASS = 1e-5
"""Mass next to an end below which the rounding of a complement shows."""


class Banded(Protocol):
    """What the quadrature needs of a law."""

    @property
    def support(self) -> Support: ...
    @property
    def atoms(self) -> Atoms: ...
    def _pdf(self, x: Real) -> Real: ...


_GAUSS = np.polynomial.legendre.leggauss(20)


def with_upper_tail(law: Banded, x: Real, above: Real) -> Real:
    """Replace small masses above x by the integral of the density up to the end of the law.

    The variable is u in t = e - (e - x) u^2, which is smooth at edges like a square root.

    Parameters
    ----------
    law : Law
        The law.
    x, above : ndarray of float, shape (n,)
        Points, and the masses above them; the latter are replaced in place.

    Returns
    -------
    ndarray of float, shape (n,)
        The masses.
    """
    if not law.support:
        return above
    high = law.support[-1][1]
    last = max([law.support[-1][0], *(place for place, _ in law.atoms)])
    tail = np.flatnonzero((above < SMALL_MASS) & (x < high) & (x >= last) & np.isfinite(x))
    if tail.size and math.isfinite(high):
        nodes, weights = (_GAUSS[0] + 1) / 2, _GAUSS[1] / 2
        reach = (high - x[tail])[:, None]
        places = np.clip(high - reach * nodes**2, x[tail][:, None], high)
        density = law._pdf(places.ravel()).reshape(places.shape)
        density = np.where(np.isinf(density), 0.0, density)
        mass = (density * 2 * reach * nodes * weights).sum(axis=1)
        # They agree to the rounding of the potential; else the density is not smooth here.
        good = np.abs(mass - above[tail]) <= 1e-14 + 1e-6 * above[tail]
        above[tail] = np.where(good, mass, above[tail])
    return above
