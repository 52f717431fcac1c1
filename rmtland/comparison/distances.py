r"""Distances between a spectrum and a law.

With F_n and F the distribution functions of the spectrum and of the law,

.. math::
    D = \sup_x |F_n(x) - F(x)|, \qquad
    W_1 = \frac{1}{b - a} \int |F_n(x) - F(x)| \, dx,

the Kolmogorov distance and the Wasserstein-1 distance in units of the width b - a of the law
(from its lowest to its highest point, atoms included). Both distribution functions take their steps
at the same place where an eigenvalue lies within the zero tolerance of an atom, so that rounding in
a null space does not count as distance.

References
----------
.. [1] C. Villani, Optimal Transport, Springer 2009, chapter 6 (W_1 as the area between
       distribution functions).

Examples
--------
>>> from rmtland import Semicircle, Spectrum, compare
>>> result = compare(Spectrum([-1.0, 0.0, 1.0]), Semicircle())
>>> round(result.kolmogorov, 6), round(result.wasserstein, 6)
(0.195501, 0.078514)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import nonnegative
from rmtland.laws import Law
from rmtland.spectrum import Spectrum

__all__ = ["Comparison", "compare"]

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """How far a spectrum and a law are apart.

    Parameters
    ----------
    kolmogorov : float
        Largest difference of the distribution functions, in [0, 1].
    wasserstein : float
        Area between the distribution functions, in units of the width of the law.
    spectrum_index, law_index : float
        Fractions below zero (strictly; the zero tolerance applied to the spectrum).
    index_error : float
        Standard error of `spectrum_index` over runs; infinite for a single run.
    spectrum_edges, law_edges : tuple of float
        Lowest and highest point of either, in the units of the eigenvalues.
    mass_outside : float
        Fraction of the spectrum outside the support of the law and off its atoms.
    outliers : int
        Nodes outside by more than the width of the law times dimension^(-2/3), the
        scale on which an extreme eigenvalue fluctuates; summed over runs.
    """

    kolmogorov: float
    wasserstein: float
    spectrum_index: float
    law_index: float
    index_error: float
    spectrum_edges: tuple[float, float]
    law_edges: tuple[float, float]
    mass_outside: float
    outliers: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; an infinite error becomes None."""
        values = asdict(self)
        if np.isinf(self.index_error):
            values["index_error"] = None
        return values


def compare(spectrum: Spectrum, law: Law, *, zero_tolerance: float | None = None) -> Comparison:
    """Measure how far a spectrum and a law are apart.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues of one or more runs, or a quadrature.
    law : Law
        The law it is held against.
    zero_tolerance : float, optional
        Distance below which an eigenvalue counts as zero or as lying on an atom; defaults to
        that of the spectrum.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError
        If the arguments are not a Spectrum and a Law.
    """
    _check(spectrum, law)
    if zero_tolerance is None:
        tolerance = spectrum.zero_tolerance
    else:
        tolerance = nonnegative("zero_tolerance", zero_tolerance)
    nodes, weights = settled(spectrum, law, tolerance)
    above = np.cumsum(weights)
    above /= above[-1]
    below = np.concatenate(([0.0], above[:-1]))
    upper, lower = law.cdf(nodes), law.mass_below(nodes)
    kolmogorov = max(np.abs(upper - above).max(), np.abs(lower - below).max())
    for place, _ in law.atoms:
        i = np.searchsorted(nodes, [place], side="left")[0]
        j = np.searchsorted(nodes, [place], side="right")[0]
        before = above[i - 1] if i else 0.0
        after = above[j - 1] if j else 0.0
        kolmogorov = max(
            kolmogorov,
            abs(law.cdf(place) - after),
            abs(law.mass_below(place) - before),
        )
    pieces = [*law.support, *((place, place) for place, _ in law.atoms)]
    law_edges = (min(low for low, _ in pieces), max(high for _, high in pieces))
    inside = np.zeros(nodes.shape, dtype=bool)
    for low, high in pieces:
        inside |= (nodes >= low) & (nodes <= high)
    width = law_edges[1] - law_edges[0]
    margin = width * (spectrum.dimension or spectrum.nodes.shape[1]) ** (-2 / 3)
    far = np.ones(spectrum.nodes.shape, dtype=bool)
    for low, high in pieces:
        far &= (spectrum.nodes < low - margin) | (spectrum.nodes > high + margin)
    return Comparison(
        kolmogorov=float(kolmogorov),
        wasserstein=_area(nodes, above, law, pieces) / width,
        spectrum_index=spectrum.index(tolerance),
        law_index=law.mass_below(0.0),
        index_error=spectrum.index_error(tolerance),
        spectrum_edges=(float(spectrum.nodes.min()), float(spectrum.nodes.max())),
        law_edges=law_edges,
        mass_outside=float(min(max(weights[~inside].sum() / weights.sum(), 0.0), 1.0)),
        outliers=int(np.count_nonzero(far)),
    )


def settled(spectrum: Spectrum, law: Law, tolerance: float) -> tuple[Real, Real]:
    """Distinct nodes, ascending, and their weights.

    Nodes within `tolerance` of zero or of an atom are put on it.
    """
    nodes, weights = spectrum.measure
    nodes = nodes.copy()
    for zero in (0.0, *(place for place, _ in law.atoms)):
        nodes[np.abs(nodes - zero) <= tolerance] = zero
    distinct, place = np.unique(nodes, return_inverse=True)
    total = np.zeros(distinct.shape)
    np.add.at(total, place, weights)
    return distinct, total


def _area(nodes: Real, above: Real, law: Law, pieces: list[tuple[float, float]]) -> float:
    """Integral of |F_n - F|: both are step functions plus an F that is linear on a fine grid."""
    angles = np.linspace(0, np.pi, 2049)
    grids = [low + (high - low) * np.sin(angles / 2) ** 2 for low, high in pieces if high > low]
    atoms = np.array([place for place, _ in law.atoms])
    grid = np.unique(np.concatenate([nodes, atoms, *grids]))
    steps = np.concatenate(([0.0], above))
    empirical = steps[np.searchsorted(nodes, grid[:-1], side="right")]
    start = law.cdf(grid[:-1]) - empirical
    end = law.mass_below(grid[1:]) - empirical
    size = np.abs(start) + np.abs(end)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = (start**2 + end**2) / size
    mean = np.where((start * end < 0) & (size > 0), crossing, size) / 2
    return float(np.sum(np.diff(grid) * mean))


def _check(spectrum: Spectrum, law: Law) -> None:
    if not isinstance(spectrum, Spectrum):
        raise TypeError(
            f"expected a Spectrum (see Spectrum.from_matrix); got {type(spectrum).__name__}"
        )
    if not isinstance(law, Law):
        raise TypeError(f"expected a law (of a model: model.law); got {type(law).__name__}")
