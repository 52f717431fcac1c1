r"""Eigenvalues that a law leaves out (outliers, spikes of Baik, Ben Arous and Peche).

An eigenvalue is an outlier where it lies outside every band and off every atom of the law by more
than chance moves the extreme eigenvalue there. Each edge has its own scale s, the distance within
which the law has the mass

.. math:: F(e + s) - F(e) = \frac{2}{3 \pi n} .

Where the density vanishes like a square root, this is the scale of Tracy and Widom [1]_, on which
the extreme eigenvalue of an n x n matrix fluctuates by order 1; at a hard edge, and where bands
merge, it is the scale of the eigenvalue spacing there. The margin is 4 s: the largest eigenvalue of
a Gaussian orthogonal matrix is above the edge by more with probability 2e-4. (For a semicircle it
is the width times n^(-2/3).) An atom has the margin of the band edge nearest to it, and the zero
tolerance where the law has atoms only. Many eigenvalues (an `EmpiricalLaw` of more than a dozen)
stand for a law with a density: they are one band.

References
----------
.. [1] C. A. Tracy and H. Widom, On orthogonal and symplectic matrix ensembles, Commun. Math. Phys.
       177 (1996) 727-754.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Semicircle
>>> from rmtland.spectrum import Spectrum
>>> bulk = Semicircle().ppf((np.arange(100) + 0.5) / 100)
>>> outliers(Spectrum([*bulk, 2.1, 2.6]), Semicircle())
array([2.6])
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import nonnegative
from rmtland.comparison.theories import Theory, law_of
from rmtland.laws import EmpiricalLaw, Law
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Logical, Real

__all__ = [
    "Pieces",
    "edge_margins",
    "is_pooled",
    "leave_out",
    "outliers",
    "outside",
]

_SCALES = 4.0
"""Margin of an edge in units of its own scale."""

_FEW = 12
"""Eigenvalues that are a law by themselves; more of them stand for a density."""


def is_pooled(law: object) -> bool:
    """Return whether a law is many point masses, as eigenvalues of drawn matrices are.

    Parameters
    ----------
    law : Law or theory
        Any.

    Returns
    -------
    bool
        True for an `EmpiricalLaw` of more than a dozen.
    """
    return isinstance(law, EmpiricalLaw) and len(law.atoms) > _FEW


class Pieces(NamedTuple):
    """Bands and atoms of a law, and how far beyond each end an eigenvalue may lie by chance."""

    low: Real
    high: Real
    margin_low: Real
    margin_high: Real


def outliers(spectrum: Spectrum, theory: Theory, *, margin: float | None = None) -> Real:
    """Eigenvalues outside the bands and away from the atoms of a law, ascending.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues of all runs, or a quadrature: then its nodes.
    theory : Law, model, ensemble, fit or Spectrum
        The law of the bulk.
    margin : float, optional
        How far outside an eigenvalue has to be; by default 4 times the scale of each edge.

    Returns
    -------
    ndarray of float64
        In the units of the eigenvalues; empty if there are none.

    Raises
    ------
    TypeError
        If the arguments are not a spectrum and a theory with a law.
    ValueError
        If the margin is negative or not finite.

    See Also
    --------
    rmtland.comparison.signals : with p-values.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    nodes = spectrum.measure[0]
    pieces = edge_margins(law_of(theory), _size(spectrum), spectrum.zero_tolerance)
    if margin is not None:
        wide = np.full(pieces.low.shape, nonnegative("margin", margin))
        pieces = pieces._replace(margin_low=wide, margin_high=wide)
    return nodes[outside(nodes, pieces)]


def leave_out(spectrum: Spectrum, far: Logical) -> Spectrum:
    """Return a spectrum without some of its eigenvalues.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.
    far : ndarray of bool, shape of the nodes
        Which are left out.

    Returns
    -------
    Spectrum
        The others, with weights of its own where runs lose unlike numbers; errors and brackets of
        an estimate are those of what is left.
    """
    if not far.any():
        return spectrum
    if spectrum.is_complete and spectrum.runs == 1:
        return Spectrum(spectrum.nodes[~far], precision=spectrum.precision)
    weights = np.where(far, 0.0, 1.0 if spectrum.weights is None else spectrum.weights)
    # an outlier of one run has no weight, and stands where an eigenvalue of the bulk does
    middle = float(np.median(spectrum.nodes[~far]))
    nodes = np.where(far, middle, spectrum.nodes)
    lost = float(np.count_nonzero(far)) / (spectrum.runs * _size(spectrum))
    errors, brackets = spectrum.errors, spectrum.brackets
    if errors is not None:
        errors = np.where(far, errors[~far].max(), errors) / (1 - lost)
    if brackets is not None:
        gone = np.sort(spectrum.nodes[far])
        below = lost * np.searchsorted(gone, spectrum.nodes, side="right") / gone.size
        low, high = ((brackets[..., i] - below) / (1 - lost) for i in (0, 1))
        at = spectrum.nodes[~far]
        low = np.where(far, low[~far][at <= middle].max(initial=0.0), low)
        high = np.where(far, high[~far][at >= middle].min(initial=1.0), high)
        low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
        brackets = np.stack([low, np.maximum(low, high)], axis=-1)
    return Spectrum(
        nodes,
        weights / weights.sum(axis=1, keepdims=True),
        dimension=_size(spectrum),
        precision=spectrum.precision,
        errors=errors,
        brackets=brackets,
    )


def outside(nodes: Real, pieces: Pieces) -> Logical:
    """Whether each node is outside of all pieces by more than their margins."""
    far = np.ones(nodes.shape, dtype=bool)
    for low, high, below, above in zip(*pieces, strict=True):
        far &= (nodes < low - below) | (nodes > high + above)
    return far


def edge_margins(
    law: Law, n: float, zero_tolerance: float = 0.0, *, scales: float = _SCALES
) -> Pieces:
    """Return the bands and atoms of a law with the margin of each end.

    Parameters
    ----------
    law : Law
        The law of the bulk.
    n : float
        Size of the matrices.
    zero_tolerance : float
        Least margin of all.
    scales : float, optional
        Margins in units of the scale of each edge.

    Returns
    -------
    Pieces
    """
    bands = np.array(law.support, dtype=np.float64).reshape(-1, 2)
    places = np.array([place for place, _ in law.atoms])
    if is_pooled(law):
        bands, places = np.array([[places[0], places[-1]]]), np.empty(0)
    low, high = bands.T
    below, above = _scales(law, low, high, 2 / (3 * np.pi * n))
    rounding = 4 * 2.0**-52 * np.maximum(np.abs(low), np.abs(high))
    least = np.maximum(zero_tolerance, np.where(np.isfinite(rounding), rounding, 0.0))
    below, above = np.maximum(scales * below, least), np.maximum(scales * above, least)
    beside = np.full(places.shape, zero_tolerance)
    if low.size and places.size:
        ends, margins = np.concatenate([low, high]), np.concatenate([below, above])
        beside = margins[np.abs(places[:, None] - ends).argmin(axis=1)]
    return Pieces(
        np.concatenate([low, places]),
        np.concatenate([high, places]),
        np.concatenate([below, beside]),
        np.concatenate([above, beside]),
    )


def _scales(law: Law, low: Real, high: Real, mass: float) -> tuple[Real, Real]:
    """Distances from the ends of bands within which they have a given mass, at most half of all."""
    if not low.size:
        return low, high
    start, end = np.asarray(law.cdf(low)), np.asarray(law.mass_below(high))
    part = np.minimum(mass, np.maximum(end - start, 0.0) / 2)
    try:
        inner = np.asarray(law.ppf(np.clip([start + part, end - part], 0.0, 1.0)))
    except ConvergenceError:  # wider than either edge of a band needs
        scale = (high - low) / _SCALES * (1.5 * np.pi * mass) ** (2 / 3)
        return scale, scale
    with np.errstate(invalid="ignore"):
        below, above = inner[0] - low, high - inner[1]
    # an infinite end has no outside
    return (
        np.where(np.isfinite(low), np.clip(below, 0.0, high - low), 0.0),
        np.where(np.isfinite(high), np.clip(above, 0.0, high - low), 0.0),
    )


def _size(spectrum: Spectrum) -> int:
    """Size of the matrices; of a quadrature of unknown dimension the number of its nodes."""
    return int(spectrum.dimension or spectrum.nodes.shape[1])
