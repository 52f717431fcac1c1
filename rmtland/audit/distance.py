"""Kolmogorov distances of eigenvalues where very many are needed, as for Hessians drawn anew.

`rmtland.comparison.compare` measures the same and more, in longer time: free sums of measured
spectra are taken just above the axis here, where the bands of the sum need not be found.

Examples
--------
>>> import numpy as np
>>> from rmtland import Semicircle
>>> round(kolmogorov(np.array([-1.0, 0.0, 1.0]), Semicircle()), 6)
0.195501
>>> two_sample(np.array([0.0, 1.0]), np.array([0.5, 1.5]))
0.5
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from rmtland.comparison.distances import at_zero, merged_nodes
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["kolmogorov", "two_sample"]

_HEIGHT = 1e-5  # in widths of the spectrum: what it smooths is far below one eigenvalue
_PLACES = 300  # at which a free sum is solved; it is interpolated at the other eigenvalues


def kolmogorov(eigenvalues: Real, law: Law) -> float:
    """Kolmogorov distance of eigenvalues to a law, as `compare` has it, and nothing else.

    Parameters
    ----------
    eigenvalues : ndarray, shape (p,)
        Of one matrix.
    law : Law
        The law; a free sum is taken just above the axis, and between every few eigenvalues where
        there are more than some hundred.

    Returns
    -------
    float
    """
    spectrum = Spectrum(eigenvalues)
    nodes, weights = merged_nodes(spectrum, law, spectrum.zero_tolerance)
    places = np.unique(np.append(nodes, [place for place, _ in law.atoms]))
    mass = np.zeros(places.shape)
    mass[np.searchsorted(places, nodes)] = weights / weights.sum()
    above = np.cumsum(mass)
    atoms = np.zeros(places.shape)
    for place, weight in law.atoms:
        atoms[np.searchsorted(places, place)] = weight
    if isinstance(law, FreeSum):
        upper = _above_axis(law, places, above, atoms)
    else:
        upper = np.asarray(law.cdf(places))
    lower = upper - atoms
    if not isinstance(law, FreeSum):
        upper, lower = at_zero(law, places, upper, lower, spectrum.zero_tolerance)
    return float(max(np.abs(upper - above).max(), np.abs(lower - (above - mass)).max()))


def _above_axis(law: FreeSum, places: Real, above: Real, atoms: Real) -> Real:
    """Distribution function from the logarithmic potential close to the axis."""
    height = _HEIGHT * max(float(np.ptp(places)), 1e-300)

    def solved(at: Real) -> Real:
        potential = np.asarray(law.log_potential(at + 1j * height))
        return np.asarray(1 - potential.imag / np.pi)

    if places.size <= _PLACES or atoms.any():
        return solved(places) + atoms / 2
    levels = np.linspace(above[0], above[-1], _PLACES)
    chosen = np.unique(np.searchsorted(above, levels).clip(0, places.size - 1))
    chosen = np.unique(np.concatenate([chosen, [0, places.size - 1]]))
    return np.asarray(PchipInterpolator(places[chosen], solved(places[chosen]))(places))


def two_sample(eigenvalues: Real, pool: Real) -> float:
    """Kolmogorov distance of two sorted sets of eigenvalues.

    Parameters
    ----------
    eigenvalues, pool : ndarray, shape (p,) and (q,)
        Ascending.

    Returns
    -------
    float
    """
    places = np.concatenate([eigenvalues, pool])
    first = np.searchsorted(eigenvalues, places, side="right") / eigenvalues.size
    second = np.searchsorted(pool, places, side="right") / pool.size
    return float(np.abs(first - second).max())
