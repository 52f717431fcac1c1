r"""Adaptive Gauss-Kronrod quadrature of a law's density, with an estimate of its error.

On a band [a, b] the variable is s in

.. math:: x = a + (b - a) \sin^2(s/2), \qquad dx = \tfrac{b - a}{2} \sin s \, ds,

from each end to the middle, so that edges like a square root, or its inverse, are smooth. Panels
are integrated by the 15-point Kronrod rule with the 7-point Gauss rule inside it; the difference,
reduced as in QUADPACK [1]_, estimates the error. A panel with too large an error is divided: in the
geometric mean of its ends if the larger is twice the smaller, at 1/256 of it next to an end, else
in the middle. What a density of another power than 1/2 leaves next to an end so decays
geometrically.

References
----------
.. [1] R. Piessens, E. de Doncker-Kapenga, C. W. Überhuber and D. K. Kahaner, QUADPACK, Springer
       1983, section 3.4.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> cells = density_panels(MarchenkoPastur(0.5))
>>> round(float(cells.mass.sum()), 12), cells.error < 1e-9
(1.0, True)
>>> round(float((cells.x**2 * cells.weights).sum()), 10)
1.5
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from rmtland.laws.kronrod import GAUSS_WEIGHTS, KRONROD_WEIGHTS, NODES
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Integer, Logical, Real, Support

__all__ = [
    "DensityError",
    "Panels",
    "bounded",
    "density_panels",
    "known_density",
    "mass_by_quadrature",
    "rule_errors",
]

_SKIPPED = 1e-5


def _cumulative() -> Real:
    """Matrix from values at the nodes to integrals of their interpolant from -1 to every node."""
    p = np.polynomial.legendre.legvander(NODES, 15)
    integrals = (p[:, 2:] - p[:, :-2]) / (2 * np.arange(1, 15) + 1)
    integrals = np.column_stack([NODES + 1, integrals])
    return np.asarray(np.linalg.solve(p[:, :15].T, integrals.T).T)


_CUMULATIVE = _cumulative()


class DensityError(ConvergenceError):
    """A law does not know its density at some points.

    Parameters
    ----------
    message : str
        What is said of them.
    unknown : ndarray of bool, shape (n,)
        Which of the points they are.
    """

    def __init__(self, message: str, unknown: Logical) -> None:
        super().__init__(message)
        self.unknown = unknown


def known_density(law: Banded, x: Real) -> Real:
    """Density of a law, NaN where it refuses one with `DensityError`, -inf where it gives NaN.

    Parameters
    ----------
    law : Law
        The law.
    x : ndarray of float, shape (n,)
        Points.

    Returns
    -------
    ndarray of float, shape (n,)
        Values.
    """
    try:
        density, known = law._pdf(x), np.ones(x.shape, dtype=np.bool_)
    except DensityError as error:
        known = ~error.unknown
        density = np.full(x.shape, np.nan)
        density[known] = law._pdf(x[known])
    density[known & np.isnan(density)] = -np.inf  # a fault, not a refusal
    return density


class Banded(Protocol):
    """What the quadrature needs of a law."""

    @property
    def support(self) -> Support: ...
    @property
    def atoms(self) -> Atoms: ...
    @property
    def _singular_places(self) -> tuple[float, ...]: ...
    def _pdf(self, x: Real) -> Real: ...
    def _cdf(self, x: Real) -> Real: ...
    def _sf(self, x: Real) -> Real: ...
    def _ppf(self, q: Real) -> Real: ...
    def _isf(self, q: Real) -> Real: ...


@dataclass(frozen=True)
class Panels:
    """Nodes and weights for integrals against a density, panel by panel in ascending order.

    Parameters
    ----------
    left, right : ndarray of float, shape (panels,)
        Ends of the panels.
    x, weights : ndarray of float, shape (panels, 15)
        Nodes, and the density there times the weight of the node: the integral of a smooth f
        against the density is the sum of f(x) * weights.
    errors : ndarray of float, shape (panels,)
        Estimated error of the mass of every panel.
    rough : ndarray of float, shape (panels,)
        The same without the reduction: an estimate of the error of masses inside a panel.
    """

    left: Real
    right: Real
    x: Real
    weights: Real
    errors: Real
    rough: Real

    @property
    def mass(self) -> Real:
        """Mass of every panel, shape (panels,)."""
        return np.asarray(self.weights.sum(axis=1))

    @property
    def below(self) -> Real:
        """Mass of the bands to the left of every node, shape (panels, 15)."""
        inside = (self.weights / KRONROD_WEIGHTS) @ _CUMULATIVE.T
        return np.asarray(np.cumsum(self.mass)[:, None] - self.mass[:, None] + inside)

    @property
    def error(self) -> float:
        """Estimated error of the mass of all panels."""
        return float(self.errors.sum())


def density_panels(
    law: Banded,
    *,
    tolerance: float = 1e-10,
    evaluations: int | None = None,
    cuts: tuple[float, ...] = (),
    skip: bool = False,
) -> Panels:
    """Panels that integrate a law's density, fine enough for its mass.

    Parameters
    ----------
    law : Law
        The law; bands without end are cut where 1e-17 of the mass is beyond. Where its density is
        not smooth, as far as the law knows, panels end.
    tolerance : float
        Error of the total mass at which the division of panels ends.
    evaluations : int, optional
        Number of values of the density at which it ends in any case; `errors` then says what is
        left. By default 6000 beyond what undivided panels take, and 300 more for every point at
        which the density is not smooth.
    cuts : tuple of float
        More points inside the support that shall be ends of panels.
    skip : bool
        Whether a panel in which the law refuses its density (`DensityError`) has the mass that the
        distribution function says, if that is at most 1e-5; otherwise the error is raised.

    Returns
    -------
    Panels
        Without any panel for a law without density.
    """
    pieces, singular = [], set(law._singular_places)
    inner = 0
    for low, high in bounded(law):
        inside = sorted({cut for cut in singular.union(cuts) if low < cut < high})
        inner += len(singular.intersection(inside))
        pieces += list(pairwise([low, *inside, high]))
    halves = [(low, high, side) for low, high in pieces for side in (0, 1)]
    most = 6000 + 36 * len(pieces) + 300 * inner if evaluations is None else evaluations
    if not halves:
        empty = np.empty(0)
        return Panels(empty, empty, np.empty((0, 15)), np.empty((0, 15)), empty, empty)
    table = np.array(halves, dtype=np.float64)
    rows = np.arange(len(halves))
    start, stop = np.zeros(rows.size), np.full(rows.size, np.pi / 2)
    done: list[tuple[Integer, Real, Real, Real, Real, Real, Real]] = []
    spent, settled = 0, 0.0

    def pdf(x: Real) -> Real:
        return known_density(law, x) if skip else law._pdf(x)

    while True:
        x, weights, errors, rough = _kronrod(pdf, table[rows], start, stop)
        if skip and np.isnan(weights).any():
            _skip_unknown(law, table[rows], (start, stop), weights, errors, rough)
        spent += x.size + 3 * int((start == 0).sum())
        mass = weights.sum(axis=1)
        kept = sum(batch[0].size for batch in done)
        share = (tolerance - settled) / (2 * (rows.size + kept))
        again = errors > np.maximum(share, 2e-15 * np.abs(mass))
        again &= (stop - start) > 1e-14 * stop
        if spent + 30 * again.sum() > most or settled + errors.sum() <= tolerance:
            again[:] = False
        keep = ~again
        done.append(
            (rows[keep], start[keep], stop[keep], x[keep], weights[keep], errors[keep], rough[keep])
        )
        settled += float(errors[keep].sum())
        if not again.any():
            break
        rows, start, stop = rows[again], start[again], stop[again]
        cut = np.where(
            start == 0,
            stop / 256,
            np.where(stop > 2 * start, np.sqrt(start * stop), start + (stop - start) / 2),
        )
        rows = np.concatenate([rows, rows])
        start, stop = np.concatenate([start, cut]), np.concatenate([cut, stop])
    rows, start, stop, x, weights, errors, rough = (
        np.concatenate([batch[i] for batch in done]) for i in range(7)
    )
    mirrored = table[rows][:, 2] == 1
    x[mirrored], weights[mirrored] = x[mirrored, ::-1], weights[mirrored, ::-1]
    first = _place(table[rows], start)
    last = _place(table[rows], stop)
    left, right = np.minimum(first, last), np.maximum(first, last)
    order = np.lexsort((right, left))
    columns = [column[order] for column in (left, right, x, weights, errors, rough)]
    left, right = columns[:2]
    # Both halves of a piece end in the middle, which each of them rounds.
    same = np.diff(rows[order] // 2) == 0
    left[1:][same] = right[:-1][same]
    return Panels(*columns)


def _skip_unknown(
    law: Banded,
    half: Real,
    ends: tuple[Real, Real],
    weights: Real,
    errors: Real,
    rough: Real,
) -> None:
    """Give small panels with unknown values the mass of the distribution function, in place.

    Others keep what is to be divided: an error as large as their mass.
    """
    unknown = np.flatnonzero(np.isnan(weights).any(axis=1))
    first, last = (_place(half[unknown], end[unknown]) for end in ends)
    low, high = np.minimum(first, last), np.maximum(first, last)
    mass = law._cdf(high) - law._cdf(low)
    for place, weight in law.atoms:
        mass = mass - np.where(place == high, weight, 0.0)
    weights[unknown] = mass[:, None] * KRONROD_WEIGHTS / 2
    errors[unknown] = np.where(mass > _SKIPPED, mass, 0.0)
    rough[unknown] = mass


def mass_by_quadrature(law: Banded, x: Real, *, tolerance: float = 1e-11) -> tuple[Real, float]:
    """Distribution function of a law from its density and its atoms, and the estimated error.

    Parameters
    ----------
    law : Law
        The law.
    x : ndarray of float, shape (size,)
        Points; infinities are allowed.
    tolerance : float
        Error of the mass that is aimed at.

    Returns
    -------
    (ndarray, float)
        Mass in (-infinity, x], atoms included; the estimated error of all of them.

    Raises
    ------
    ConvergenceError
        If that is above 1e-6, as next to an end other than 0 of a density that is almost infinite:
        there the numbers near it hold mass.
    """
    cells = density_panels(law, tolerance=tolerance, cuts=tuple(x[np.isfinite(x)].tolist()))
    if not cells.error <= 1e-6:
        raise ConvergenceError(
            f"the density of {law!r} integrates to its masses within {cells.error:.2g} only; "
            "cdf(x) finds them by another route"
        )
    total = np.concatenate([[0.0], np.cumsum(cells.mass)])
    below = total[np.searchsorted(cells.right, x, side="right")]
    for place, mass in law.atoms:
        below = below + np.where(x >= place, mass, 0.0)
    return below, cells.error


def bounded(law: Banded, tail: float = 1e-17) -> Support:
    """Return the bands, cut where no more than the mass of a tail is beyond."""
    beyond = np.array([tail])
    cut = (
        (
            low if np.isfinite(low) else float(law._ppf(beyond)[0]),
            high if np.isfinite(high) else float(law._isf(beyond)[0]),
        )
        for low, high in law.support
    )
    return tuple((low, high) for low, high in cut if low < high)


def _place(half: Real, s: Real) -> Real:
    """Points at distance s from the end of their half band; columns low, high, side."""
    low, high, side = half.T
    if s.ndim > 1:
        low, high, side = low[:, None], high[:, None], side[:, None]
    reach = (high - low) * np.sin(s / 2) ** 2
    return np.asarray(np.where(side == 0, low + reach, high - reach))


def _kronrod(
    pdf: Callable[[Real], Real], half: Real, start: Real, stop: Real
) -> tuple[Real, Real, Real, Real]:
    """Nodes, weights times density, and error of every panel."""
    middle, radius = (start + stop) / 2, (stop - start) / 2
    s = middle[:, None] + radius[:, None] * NODES
    x = _place(half, s)
    density = pdf(x.ravel()).reshape(x.shape)
    low, high = half[:, :1], half[:, 1:2]
    # Infinite only where x was rounded onto an end of the band.
    density = np.where(np.isposinf(density), 0.0, density)
    jacobian = (high - low) / 2 * np.sin(s) * radius[:, None]
    weights, errors, defect = rule_errors(density * jacobian)
    # What the rounding of x moves, next to an end that is not 0
    close = x - low < 4 * np.spacing(np.abs(low))
    close |= high - x < 4 * np.spacing(np.abs(high))
    errors = errors + np.where(close, np.abs(weights), 0.0).sum(axis=1)
    errors[start == 0] += _unseen(pdf, half[start == 0], stop[start == 0])
    return x, weights, np.where(np.isnan(errors), np.inf, errors), errors + defect


def rule_errors(values: Real) -> tuple[Real, Real, Real]:
    """Kronrod terms of values at the nodes, estimated errors of their sums, and without reduction.

    Parameters
    ----------
    values : ndarray of float, shape (panels, 15)
        Integrand at the nodes of every panel, in units of half the panel.

    Returns
    -------
    (ndarray, ndarray, ndarray)
        Terms, shape (panels, 15); errors as in QUADPACK, and differences of the two rules, shape
        (panels,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = values * KRONROD_WEIGHTS
        total = terms.sum(axis=1)
        defect = np.abs(total - (values * GAUSS_WEIGHTS).sum(axis=1))
        spread = (np.abs(values - total[:, None] / 2) * KRONROD_WEIGHTS).sum(axis=1)
        share = np.where(spread > 0, np.minimum(1.0, (200 * defect / spread) ** 1.5), 0.0)
        return terms, np.where(spread > 0, spread * share, defect), defect


def _unseen(pdf: Callable[[Real], Real], half: Real, stop: Real) -> Real:
    """Mass that may hide next to an end, between an edge and the node nearest to it.

    A density that is large beside an edge and turns down at a distance no node is at, as that of
    Marchenko-Pastur of ratio 1 - 1e-7, changes between points that come nearer by decades.
    """
    s = stop[:, None] * np.array([1e-4, 1e-6, 1e-8])
    x = _place(half, s)
    density = pdf(x.ravel()).reshape(x.shape)
    values = (half[:, 1:2] - half[:, :1]) / 2 * density * np.sin(s)
    values[~np.isfinite(values)] = 0.0
    distance = np.where(half[:, 2:3] == 0, x - half[:, :1], half[:, 1:2] - x)
    end = np.where(half[:, 2:3] == 0, half[:, :1], half[:, 1:2])
    steps = 5 * np.abs(np.diff(values)) * s[:, :-1]
    # Points that rounding cannot tell from the end say nothing.
    return np.asarray(
        np.where(distance[:, 1:] > 64 * np.spacing(np.abs(end)), steps, 0.0).sum(axis=1)
    )
