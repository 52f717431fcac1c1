r"""Distances between two laws: Kolmogorov's and the Wasserstein-1 distance.

With F and G the distribution functions,

.. math::
    D = \sup_x |F(x) - G(x)|, \qquad W_1 = \int |F(x) - G(x)| \, dx .

D is between 0 and 1; :math:`W_1` is in the units of the eigenvalues (`rmtland.comparison.compare`
gives it in units of the width of the law) and at least the difference of the means, which it is
where one distribution function is nowhere above the other. Both are metrics.

The line is cut at all edges and atoms of both laws, where the distribution functions have their
steps and roots. In a cell [a, b) between cuts both ascend, so that

.. math::
    \sup_{[a, b)} |F - G| \le \max\bigl(F(b-) - G(a), \; G(b-) - F(a)\bigr),

and cells are halved until none can hold a difference above the largest one found: the error of D
is proved, whatever the laws do between the points. The area is integrated by Gauss-Kronrod rules in
variables in which roots at edges are smooth, on panels that are halved where the rules differ or
where the difference has changed its sign. To both errors come those of the distribution functions:
1e-8, beside which laws pass their certificate, and what a tabulated law states.

Synonyms: Kolmogorov-Smirnov distance, uniform distance; earth mover's distance, Kantorovich
distance, :math:`L^1` distance of distribution functions.

References
----------
.. [1] C. Villani, Optimal Transport, Springer 2009, chapter 6 (W_1 as the area between
       distribution functions).
.. [2] R. Piessens, E. de Doncker-Kapenga, C. W. Überhuber and D. K. Kahaner, QUADPACK, Springer
       1983.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur, Semicircle
>>> near = kolmogorov_distance(MarchenkoPastur(0.01), Semicircle(0.01, center=1.0))
>>> round(near.value, 5), near.error < 2e-6
(0.01133, True)
>>> area = wasserstein_distance(Semicircle(1.0), Semicircle(1.0, center=0.25))
>>> round(area.value, 6)
0.25
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import positive
from rmtland.comparison.theories import Theory, law_of
from rmtland.laws import Law
from rmtland.laws.first_check import mass_accuracy
from rmtland.laws.kronrod import GAUSS_WEIGHTS, KRONROD_WEIGHTS, NODES
from rmtland.solution import ConvergenceError
from rmtland.typing import Integer, Real

__all__ = ["LawDistance", "kolmogorov_distance", "wasserstein_distance"]

_LIMIT = 2**17
"""Points at which the distribution functions are evaluated at most, about."""
_HALVINGS = 100


class LawDistance(NamedTuple):
    """A distance between two laws; made by `kolmogorov_distance` and `wasserstein_distance`.

    Parameters
    ----------
    value : float
        The distance.
    error : float
        By how much it may be off.
    """

    value: float
    error: float


def kolmogorov_distance(first: Theory, second: Theory, *, tolerance: float = 1e-6) -> LawDistance:
    r"""Largest difference of the distribution functions of two laws.

    .. formula:: Distance between two laws, :math:`\sup_x \lvert F - G \rvert`, with a proved error

    Parameters
    ----------
    first, second : Law, model, ensemble, fit or Spectrum
        The laws, in any order; a Spectrum stands for the law of its nodes.
    tolerance : float, optional
        Error to be reached beside that of the distribution functions. It is missed, and the error
        says by how much, for laws that are nearly equal.

    Returns
    -------
    LawDistance
        The largest difference found, and how much larger it may be at most.

    Raises
    ------
    TypeError
        If one of them is no law and has none.
    ValueError
        If one has no law on the axis, or `tolerance` is not positive.

    See Also
    --------
    rmtland.comparison.wasserstein_distance : the area between them.
    rmtland.comparison.compare : a spectrum and a law, with outliers and indices.
    """
    line, wanted = _Line.between(first, second), positive("tolerance", tolerance)
    if line is None:
        return LawDistance(0.0, 0.0)
    piece, left, right = line.cells(64)
    low, high = line.values(piece, left), line.values(piece, right)
    found = float(max(np.abs(low[0] - low[1]).max(), np.abs(high[0] - high[1]).max()))
    spent, left_over, limit = 2 * len(piece), 0.0, _LIMIT + 8 * len(line.low)
    for _ in range(_HALVINGS):
        above = np.maximum(high[0] - low[1], high[1] - low[0]) - found
        open_ = above > wanted
        if not open_.any() or spent > limit:
            break
        piece, left, right = piece[open_], left[open_], right[open_]
        left_over = max(left_over, float(above[~open_].max(initial=0.0)))
        low, high = low[:, open_], high[:, open_]
        middle = (left + right) / 2
        between = line.values(piece, middle)
        spent += len(piece)
        found = max(found, float(np.abs(between[0] - between[1]).max()))
        piece = np.concatenate([piece, piece])
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
        low, high = np.hstack([low, between]), np.hstack([between, high])
    above = np.maximum(high[0] - low[1], high[1] - low[0]) - found
    off = max(left_over, float(above.max(initial=0.0)), 0.0)
    return LawDistance(min(found, 1.0), off + line.accuracy)


def wasserstein_distance(first: Theory, second: Theory, *, tolerance: float = 1e-6) -> LawDistance:
    r"""Area between the distribution functions of two laws, the Wasserstein-1 distance.

    .. formula:: Area between two laws, :math:`\int \lvert F - G \rvert \, dx` (earth mover's
        distance)

    Parameters
    ----------
    first, second : Law, model, ensemble, fit or Spectrum
        The laws, in any order; a Spectrum stands for the law of its nodes.
    tolerance : float, optional
        Error to be reached beside that of the distribution functions, as a share of the width of
        both laws together; without its tails, where it has no ends.

    Returns
    -------
    LawDistance
        In the units of the eigenvalues.

    Raises
    ------
    TypeError
        If one of them is no law and has none.
    ValueError
        If one has no law on the axis, or `tolerance` is not positive.
    ConvergenceError
        If the tolerance is not reached: there is no area where tails fall too slowly.

    See Also
    --------
    rmtland.comparison.kolmogorov_distance : the largest difference.
    rmtland.comparison.compare : a spectrum and a law, with outliers and indices.
    """
    line, wanted = _Line.between(first, second), positive("tolerance", tolerance)
    if line is None:
        return LawDistance(0.0, 0.0)
    piece, left, right = line.cells(8)
    value = error = 0.0
    spent, allowed, limit = 0, wanted * line.width, _LIMIT + 60 * len(line.low)
    for _ in range(_HALVINGS):
        area, off = line.panels(piece, left, right)
        spent += 15 * len(piece)
        rest = off.sum()
        if error + rest <= allowed or spent > limit:
            value, error = value + float(area.sum()), error + float(rest)
            break
        # what is small beside the share of a panel stays as it is
        fine = off <= 0.1 * allowed / len(piece)
        value, error = value + float(area[fine].sum()), error + float(off[fine].sum())
        piece, left, right = piece[~fine], left[~fine], right[~fine]
        middle = (left + right) / 2
        piece = np.concatenate([piece, piece])
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    else:
        value, error = value + float(area.sum()), error + float(off.sum())
    if not error <= allowed:
        raise ConvergenceError(
            f"the area between the laws is {value:.6g} up to {error:.2g}, more than the tolerance "
            f"{allowed:.2g}: raise it, or take kolmogorov_distance; where a law has no mean there "
            "is no area"
        )
    return LawDistance(value, error + line.accuracy * line.width)


class _Line:
    """The line cut at all edges and atoms of two laws; each piece has a variable t in [0, 1]."""

    def __init__(self, first: Law, second: Law) -> None:
        self.laws = (first, second)
        self.accuracy = mass_accuracy(first) + mass_accuracy(second)
        places = [place for law in self.laws for place, _ in law.atoms]
        edges = [end for law in self.laws for band in law.support for end in band]
        cuts = np.unique(np.array([*places, *edges], dtype=np.float64))
        if not np.isfinite(cuts).any():
            cuts = np.sort(np.append(cuts, first.median()))
        if len(cuts) == 1:
            cuts = np.array([cuts[0], cuts[0]])
        self.low, self.high = cuts[:-1], cuts[1:]
        finite = cuts[np.isfinite(cuts)]
        levels = [0.0005, 0.25, 0.75, 0.9995]
        middle = np.concatenate([np.asarray(law.ppf(levels)) for law in self.laws])
        whole = cuts if np.isfinite(cuts).all() else np.append(finite, middle)
        self.width = float(whole.max() - whole.min()) or 1.0
        quartiles = middle.reshape(2, 4)[:, 1:3]
        self.reach = max(float(np.abs(quartiles[..., None] - finite).max()), 1e-3 * self.width)
        # limits at the ends of the pieces, from within: what is at an atom is of neither side
        self.start = np.array([np.asarray(law.cdf(self.low)) for law in self.laws])
        self.end = np.array([np.asarray(law.mass_below(self.high)) for law in self.laws])

    @classmethod
    def between(cls, first: Theory, second: Theory) -> _Line | None:
        """Return the line of two laws; None where they are the same."""
        one, other = law_of(first), law_of(second)
        same = one is other or (type(one) is type(other) and bool(one == other))
        return None if same else cls(one, other)

    def cells(self, least: int) -> tuple[Integer, Real, Real]:
        """Pieces of cells, and between which t they are: so many, or one a piece."""
        many, pieces = max(1, least // len(self.low)), np.arange(len(self.low))
        ends = np.linspace(0.0, 1.0, many + 1)
        left, right = (np.tile(part, len(pieces)) for part in (ends[:-1], ends[1:]))
        return np.repeat(pieces, many), left, right

    def points(self, piece: Integer, t: Real) -> tuple[Real, Real]:
        """Points at t, and dx/dt: squares next to the ends, rational towards infinity."""
        low, high = self.low[piece], self.high[piece]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            span = high - low
            near = np.sin(0.5 * np.pi * np.minimum(t, 1 - t)) ** 2 * span
            x = np.where(t < 0.5, low + near, high - near)
            slope = 0.5 * np.pi * np.sin(np.pi * t) * span
            for side, from_end in ((np.isinf(high), t), (np.isinf(low), 1 - t)):
                left = np.maximum(1 - from_end, 1e-30)  # finite at the end itself
                away = self.reach * from_end**2 / left
                steep = self.reach * from_end * (2 - from_end) / left**2
                x = np.where(side, np.where(np.isinf(high), low + away, high - away), x)
                slope = np.where(side, steep, slope)
        return x, slope

    def values(self, piece: Integer, t: Real) -> Real:
        """Both distribution functions at t, limits from within at the ends; shape (2, n)."""
        x, _ = self.points(piece, t)
        found = np.array([np.asarray(law.cdf(x)) for law in self.laws])
        start, end = self.start[:, piece], self.end[:, piece]
        found = np.where(t == 0.0, start, np.where(t == 1.0, end, found))
        return np.asarray(np.clip(found, start, end))  # x may be rounded onto an atom

    def panels(self, piece: Integer, left: Real, right: Real) -> tuple[Real, Real]:
        """Areas of panels, and by how much each may be off."""
        half = (right - left)[:, None] / 2
        t = (left[:, None] + half) + half * NODES
        pieces = np.repeat(piece, NODES.size)
        x, slope = self.points(pieces, t.ravel())
        both = self.values(pieces, t.ravel())
        difference = (both[0] - both[1]).reshape(t.shape)
        height = np.abs(difference) * slope.reshape(t.shape)
        rules = (KRONROD_WEIGHTS, GAUSS_WEIGHTS)
        area, coarse = ((height * rule * half).sum(axis=1) for rule in rules)
        # where the difference changes its sign its modulus has a kink: at most the triangle there
        turned = np.sign(difference[:, 1:]) * np.sign(difference[:, :-1]) < 0
        steps = np.abs(np.diff(x.reshape(t.shape), axis=1))
        tops = np.abs(difference[:, 1:]) + np.abs(difference[:, :-1])
        kinks = np.where(turned, tops * steps, 0.0).sum(axis=1)
        return area, np.abs(area - coarse) + kinks
