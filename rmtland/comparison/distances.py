r"""Distances between a spectrum and a law.

With F_n and F the distribution functions of the spectrum and of the law,

.. math::
    D = \sup_x |F_n(x) - F(x)|, \qquad
    W_1 = \frac{1}{b - a} \int |F_n(x) - F(x)| \, dx,

the Kolmogorov distance and the Wasserstein-1 distance in units of the width b - a of the law
(from its lowest to its highest point, atoms included; where that is a single point, in units of the
width of law and spectrum together). Both distribution functions take their steps
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
from typing import TypedDict

import numpy as np

from rmtland.arguments import nonnegative, positive
from rmtland.comparison.estimated import Band, kolmogorov_range, wasserstein_range
from rmtland.comparison.outliers import Pieces, edge_margins, outside
from rmtland.comparison.theories import Smoothed, SmoothedTheory, Theory, law_of, smoothed_of
from rmtland.deprecation import old_names
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.synonyms import COMPARISONS, WithSynonyms
from rmtland.typing import Real, Record

__all__ = ["Comparison", "at_zero", "compare", "merged_nodes"]

_POINTS = 256
"""Quantiles at which smoothed distribution functions are compared."""


@dataclass(frozen=True)
class Comparison(WithSynonyms):
    """How far a spectrum and a theory are apart.

    Made by `rmtland.comparison.compare`.

    Parameters
    ----------
    kolmogorov : float
        Largest difference of the distribution functions, in [0, 1].
    wasserstein : float
        Area between the distribution functions, in units of `unit`.
    spectrum_index, law_index : float
        Fractions below zero (strictly; the zero tolerance applied to the spectrum).
    index_error : float
        Standard error of `spectrum_index` over runs; infinite for a single run.
    spectrum_edges, law_edges : tuple of float
        Lowest and highest point of either, in the units of the eigenvalues; for a theory that is
        known smoothed only, those of the law are infinite.
    mass_outside : float
        Fraction of the spectrum outside the support of the law and off its atoms, by however
        little.
    outliers : int
        Nodes outside by more than chance moves an extreme eigenvalue
        (`rmtland.comparison.outliers`), summed over runs: what tables and figures count.
    unit : float
        Width of the law; of law and spectrum together where the law is a single point; the
        deviation of the spectrum where the law has no ends.
    eta : float
        Half-width of the Cauchy law that both were convolved with; 0 for the exact distances.
    kolmogorov_range, wasserstein_range : tuple of float
        Between which the distances lie, with 95 %, where the spectrum is an estimate with brackets
        or errors (`rmtland.comparison.estimated`); both ends are the distance otherwise.
    """

    _synonyms = COMPARISONS

    kolmogorov: float
    wasserstein: float
    spectrum_index: float
    law_index: float
    index_error: float
    spectrum_edges: tuple[float, float]
    law_edges: tuple[float, float]
    mass_outside: float
    outliers: int
    unit: float = 1.0
    eta: float = 0.0
    kolmogorov_range: tuple[float, float] | None = None
    wasserstein_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("kolmogorov", "wasserstein"):
            if getattr(self, f"{name}_range") is None:
                object.__setattr__(self, f"{name}_range", (getattr(self, name),) * 2)

    @property
    def index_difference(self) -> float:
        """Index of the law less that of the spectrum."""
        return self.law_index - self.spectrum_index

    @property
    def edge_differences(self) -> tuple[float, float]:
        """Lowest and highest point of the law less those of the spectrum."""
        low, high = self.law_edges
        return low - self.spectrum_edges[0], high - self.spectrum_edges[1]

    def to_dict(self) -> Record:
        """Return plain values, for JSON; what is infinite becomes None.

        Returns
        -------
        dict of str to values
            One entry for each attribute.
        """
        values = asdict(self)
        if np.isinf(self.index_error):
            values["index_error"] = None
        values["law_edges"] = [x if np.isfinite(x) else None for x in self.law_edges]
        return values

    as_dict = to_dict


def compare(
    spectrum: Spectrum,
    theory: Theory,
    *,
    zero_tolerance: float | None = None,
    eta: float | None = None,
) -> Comparison:
    r"""Measure how far a spectrum and a theory are apart.

    .. formula:: Kolmogorov and Wasserstein distances to a law, :math:`\sup_x \lvert F_n - F
        \rvert`, :math:`\int \lvert F_n - F \rvert \, dx`

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues of one or more runs, or a quadrature.
    theory : Law, model, ensemble, fit or Spectrum
        What it is compared with: through its law, or where it has none on the axis through its
        smoothed distribution function.
    zero_tolerance : float, optional
        Distance below which an eigenvalue counts as zero or as lying on an atom; defaults to
        that of the spectrum.
    eta : float, optional
        Compare both convolved with the Cauchy law of this half-width; by default only a theory
        without a law is, with a twentieth of the standard deviation of the spectrum.

    Returns
    -------
    Comparison
        Distances, indices, edges and outliers.

    Raises
    ------
    TypeError
        If the arguments are not a Spectrum and a theory.
    ValueError
        If the theory has neither a law nor a smoothed distribution function, or the tolerance is
        out of its range.

    See Also
    --------
    rmtland.comparison.fit : nearest member of a family.
    rmtland.comparison.goodness_of_fit : p-value of a distance.
    rmtland.comparison.kolmogorov_distance : two laws.
    rmtland.comparison.overlay : several theories.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(
            f"expected a Spectrum (see Spectrum.from_matrix) and then a theory; got "
            f"{type(spectrum).__name__}{_what_instead(spectrum, theory)}"
        )
    if zero_tolerance is None:
        tolerance = spectrum.zero_tolerance
    else:
        tolerance = nonnegative("zero_tolerance", zero_tolerance)
    blurred = smoothed_of(theory) if eta is None else None
    if eta is not None or blurred is not None:
        return _compared_smoothed(spectrum, theory if blurred is None else blurred, tolerance, eta)
    law = law_of(theory)
    nodes, weights = merged_nodes(spectrum, law, tolerance)
    ecdf_right = np.cumsum(weights)
    ecdf_right /= ecdf_right[-1]
    steps = np.concatenate(([0.0], ecdf_right))
    pieces = edge_margins(law, spectrum.dimension or spectrum.nodes.shape[1], tolerance)
    law_edges = (float(pieces.low.min()), float(pieces.high.max()))
    places = np.array([place for place, _ in law.atoms])
    grid = _grid(nodes, places, law, pieces)
    cdf, below = _values(law, grid, places)
    upper, lower = at_zero(law, grid, cdf, below, tolerance)
    right = steps[np.searchsorted(nodes, grid, side="right")]
    left = steps[np.searchsorted(nodes, grid, side="left")]
    at = np.searchsorted(grid, np.concatenate([nodes, places]))
    kolmogorov = max(np.abs(upper - right)[at].max(), np.abs(lower - left)[at].max())
    exact = pieces._replace(
        margin_low=np.zeros(pieces.low.shape), margin_high=np.zeros(pieces.low.shape)
    )
    beyond = float(weights[outside(nodes, exact)].sum() / weights.sum())
    unit = _unit(spectrum, law_edges)
    return Comparison(
        kolmogorov=float(kolmogorov),
        wasserstein=_area(grid, cdf, below, right) / unit,
        spectrum_index=spectrum.index(tolerance),
        law_index=float(law.mass_below(0.0)),
        index_error=spectrum.index_error(tolerance),
        spectrum_edges=_ends(spectrum),
        law_edges=law_edges,
        mass_outside=min(max(beyond, 0.0), 1.0),
        outliers=int(np.count_nonzero(outside(spectrum.nodes, pieces))),
        unit=unit,
        **_ranges(spectrum, law, unit),
    )


def _what_instead(first: object, second: object) -> str:
    """Say what to write where the first argument is no spectrum."""
    if isinstance(second, Spectrum):
        return " and then a Spectrum: give the spectrum first"
    if isinstance(first, Law) or hasattr(type(first), "law"):
        return (
            ": for two laws take rmtland.kolmogorov_distance(first, second) or "
            "rmtland.wasserstein_distance(first, second)"
        )
    return ""


class _Ranges(TypedDict, total=False):
    kolmogorov_range: tuple[float, float]
    wasserstein_range: tuple[float, float]


def _ranges(spectrum: Spectrum, law: Law, unit: float) -> _Ranges:
    """Ranges of the distances of an estimate; none where all eigenvalues are known."""
    if spectrum.brackets is None and spectrum.errors is None:
        return {}
    low, high = wasserstein_range(spectrum, law)
    return {
        "kolmogorov_range": kolmogorov_range(spectrum, law),
        "wasserstein_range": (low / unit, high / unit),
    }


def _smoothed_ranges(
    spectrum: Spectrum, kolmogorov: float, wasserstein: float, unit: float
) -> _Ranges:
    """Ranges about smoothed distances: smoothing brings two distribution functions no further."""
    if spectrum.brackets is None and spectrum.errors is None:
        return {}
    off = Band.of(spectrum).width
    area = wasserstein_range(spectrum, law_of(spectrum))[1] / unit
    return {
        "kolmogorov_range": (max(kolmogorov - off, 0.0), min(kolmogorov + off, 1.0)),
        "wasserstein_range": (max(wasserstein - area, 0.0), wasserstein + area),
    }


def _compared_smoothed(
    spectrum: Spectrum, theory: Theory, tolerance: float, eta: float | None
) -> Comparison:
    """Compare distribution functions that are both convolved with a Cauchy law."""
    if not isinstance(theory, Smoothed):
        theory = law_of(theory)
        if not isinstance(theory, Smoothed):
            raise ValueError(f"{type(theory).__name__} has no smoothed distribution function")
    low, high = _ends(spectrum)
    size = spectrum.std() or max(abs(low), abs(high)) or 1.0
    eta = size / 20 if eta is None else positive("eta", eta)
    nodes, weights = spectrum.measure
    levels = np.cumsum(weights) - weights / 2
    inner = np.interp((np.arange(_POINTS) + 0.5) / _POINTS, levels, nodes)
    steps = eta * np.concatenate((np.arange(0.0, 4.0, 0.5), np.geomspace(4.0, 64.0, 9)))
    x = np.unique(np.concatenate([low - steps, inner, high + steps]))
    difference = np.abs(
        np.asarray(theory.smoothed_cdf(x, eta=eta)) - spectrum.smoothed_cdf(x, eta=eta)
    )
    unit = (high - low) or size
    kolmogorov, wasserstein = float(difference.max()), float(np.trapezoid(difference, x)) / unit
    return Comparison(
        kolmogorov=kolmogorov,
        wasserstein=wasserstein,
        spectrum_index=spectrum.index(tolerance),
        law_index=SmoothedTheory(theory, eta).index(),
        index_error=spectrum.index_error(tolerance),
        spectrum_edges=(low, high),
        law_edges=(-np.inf, np.inf),
        mass_outside=0.0,
        outliers=0,
        unit=unit,
        eta=eta,
        **_smoothed_ranges(spectrum, kolmogorov, wasserstein, unit),
    )


def merged_nodes(spectrum: Spectrum, law: Law, tolerance: float) -> tuple[Real, Real]:
    """Distinct nodes, ascending, and their weights.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.
    law : Law
        Whose atoms attract nodes.
    tolerance : float
        Nodes within it of zero or of an atom are put there.

    Returns
    -------
    (ndarray, ndarray)
    """
    nodes, weights = spectrum.measure
    nodes = nodes.copy()
    for zero in (0.0, *(place for place, _ in law.atoms)):
        nodes[np.abs(nodes - zero) <= tolerance] = zero
    is_new = np.append(True, nodes[1:] != nodes[:-1])  # they are ascending, and stay so
    total = np.zeros(np.count_nonzero(is_new))
    np.add.at(total, np.cumsum(is_new) - 1, weights)
    return nodes[is_new], total


def at_zero(law: Law, nodes: Real, cdf: Real, below: Real, tolerance: float) -> tuple[Real, Real]:
    """Distribution function with the mass of the law within the tolerance of zero put there too.

    Eigenvalues that close to zero are at zero (`merged_nodes`): what the law has there is no
    distance, however much it is, as for products of many matrices.

    Parameters
    ----------
    law : Law
        The law.
    nodes : ndarray
        Where its distribution function was asked.
    cdf, below : ndarray
        Its values there, and its limits from the left.
    tolerance : float
        As for `merged_nodes`.

    Returns
    -------
    (ndarray, ndarray)
        Both, changed at zero.
    """
    zero = nodes == 0
    if not tolerance or not zero.any():
        return cdf, below
    low, high = law.mass_below(-tolerance), law.cdf(tolerance)
    return np.where(zero, high, cdf), np.where(zero, low, below)


def _ends(spectrum: Spectrum) -> tuple[float, float]:
    return float(spectrum.nodes.min()), float(spectrum.nodes.max())


def _unit(spectrum: Spectrum, law_edges: tuple[float, float]) -> float:
    """Return the unit of the area between distribution functions."""
    low, high = law_edges
    if not np.isfinite(high - low):
        return spectrum.std() or 1.0
    if high > low:
        return high - low
    bottom, top = _ends(spectrum)
    return (max(top, high) - min(bottom, low)) or 1.0


def _grid(nodes: Real, places: Real, law: Law, pieces: Pieces) -> Real:
    """Return nodes, atoms and points between which the distribution function is nearly linear."""
    angles = np.linspace(0, np.pi, 2049)
    grids = []
    for low, high in zip(pieces.low, pieces.high, strict=True):
        if np.isinf(high - low):  # tails: a grid of quantiles
            levels = np.concatenate(
                (np.geomspace(1e-12, 0.5, 512), 1 - np.geomspace(0.5, 1e-12, 512))
            )
            grids.append(np.asarray(law.ppf(np.unique(levels))))
        elif high > low:
            grids.append(low + (high - low) * np.sin(angles / 2) ** 2)
    return np.unique(np.concatenate([nodes, places, *grids]))


def _values(law: Law, grid: Real, places: Real) -> tuple[Real, Real]:
    """Return the distribution function of a law, and its limits from the left."""
    cdf = np.asarray(law.cdf(grid))
    below = cdf.copy()
    if places.size:
        at = np.isin(grid, places)
        below[at] = law.mass_below(grid[at])
    return cdf, below


def _area(grid: Real, cdf: Real, below: Real, ecdf: Real) -> float:
    """Integral of |F_n - F|: both are step functions plus an F that is linear on a fine grid."""
    start, end = cdf[:-1] - ecdf[:-1], below[1:] - ecdf[:-1]
    size = np.abs(start) + np.abs(end)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = (start**2 + end**2) / size
    mean = np.where((start * end < 0) & (size > 0), crossing, size) / 2
    return float(np.sum(np.diff(grid) * mean))


__getattr__ = old_names(__name__, {"settled": "rmtland.comparison.distances:merged_nodes"})
