r"""Gauss and Gauss-Radau quadratures of a spectral measure, and what they say of its mass below x.

k steps of Lanczos give the tridiagonal T of the spectral measure :math:`\mu` of the start vector.
The canonical representation with a node at x (Gauss-Radau quadrature [1]_) is that of T with one
more row, diagonal entry

.. math:: \tilde\alpha = x + \beta_k^2 / d_k(x) ,

:math:`d_k(x)` the last pivot of :math:`T - x`. With :math:`lo` the weight of its nodes below x and
:math:`w` that of the node at x,

.. math:: lo(x) \le \mu((-\infty, x)) \le \mu((-\infty, x]) \le lo(x) + w(x) ,

and no better bounds follow from the same moments (inequalities of Chebyshev, Markov and Stieltjes
[2]_; Krein, Akhiezer). At other nodes y of the same representation the same holds, so that a few
representations, whose nodes interlace, bound the whole distribution function (`Brackets`).

References
----------
.. [1] G. H. Golub, Some modified matrix eigenvalue problems, SIAM Review 15 (1973) 318-334.
.. [2] N. I. Akhiezer, The Classical Moment Problem, Oliver and Boyd 1965, chapter 2.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.lanczos import Tridiagonal
>>> semicircle = Tridiagonal(np.zeros(30), np.ones(30))
>>> split = radau(semicircle, 0.0)
>>> bool(split.below <= 0.5 <= split.below + split.at), round(float(split.at), 3)
(True, 0.062)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import eigh_tridiagonal

from rmtland.estimate.lanczos import Tridiagonal
from rmtland.typing import Real

__all__ = [
    "Brackets",
    "Split",
    "canonical_quadrature",
    "gauss",
    "mean_split",
    "radau",
    "rounding_of_nodes",
]

_AT = 1e-10
"""Relative distance at which a node is at x, in double precision."""


class Split(NamedTuple):
    """How a canonical representation with a node at x splits the mass 1.

    Parameters
    ----------
    below : float
        Mass of the nodes below x.
    at : float
        Mass of the node at x.
    left : float
        Mass of the last node below x.
    right : float
        Mass of the first node above x.
    """

    below: float
    at: float
    left: float
    right: float


def gauss(tridiagonal: Tridiagonal) -> tuple[Real, Real]:
    """Return nodes and weights of the Gauss quadrature.

    Parameters
    ----------
    tridiagonal : Tridiagonal
        k steps.

    Returns
    -------
    nodes, weights : ndarray, shape (k,)
        Nodes in ascending order, weights of sum 1.
    """
    return _eigen(tridiagonal.alpha, tridiagonal.beta[:-1])


def _eigen(diagonal: Real, beside: Real) -> tuple[Real, Real]:
    if len(diagonal) == 1:
        return diagonal.copy(), np.ones(1)
    nodes, vectors = eigh_tridiagonal(diagonal, beside)
    weights = vectors[0] ** 2
    return nodes, weights / weights.sum()


def _size(tridiagonal: Tridiagonal) -> float:
    return float(max(np.abs(tridiagonal.alpha).max(), tridiagonal.beta.max(), 1e-300))


def canonical_quadrature(tridiagonal: Tridiagonal, x: float) -> tuple[Real, Real]:
    """Return nodes and weights of the representation with a node at x (Gauss-Radau).

    Parameters
    ----------
    tridiagonal : Tridiagonal
        k steps of a Krylov space that goes on.
    x : float
        The prescribed node.

    Returns
    -------
    nodes, weights : ndarray, shape (k + 1,)
        Nodes in ascending order, weights of sum 1.
    """
    alpha, beta = tridiagonal
    tiny = 1e-300 * _size(tridiagonal)
    pivot = alpha[0] - x
    for j in range(1, len(alpha)):
        pivot = alpha[j] - x - beta[j - 1] ** 2 / (pivot or tiny)
    last = x + beta[-1] ** 2 / (pivot or tiny)
    bound = 1e16 * _size(tridiagonal)  # x at a Gauss node: the further node runs off, without mass
    return _eigen(np.append(alpha, min(max(last, -bound), bound)), beta)


def rounding_of_nodes(precision: DTypeLike | None) -> float:
    """Return the distance, relative to the operator's size, at which nodes are at a point.

    An eigenvalue of many vectors is found several times: rounding brings further vectors of its
    eigenspace into the Krylov space, and its mass may be at a node on either side of it.

    Parameters
    ----------
    precision : dtype
        Of the products.

    Returns
    -------
    float
        1e-10, or 64 rounding units where these are more.
    """
    return max(_AT, 64 * float(np.finfo(precision).eps))


def radau(tridiagonal: Tridiagonal, x: float, *, rounding: float = _AT) -> Split:
    """Return how the canonical representation with a node at x splits the mass.

    Parameters
    ----------
    tridiagonal : Tridiagonal
        k steps of Lanczos. Where they ended in an invariant subspace, the measure is known.
    x : float
        The point.
    rounding : float, optional
        Nodes within this part of the operator's size are at x.

    Returns
    -------
    Split
    """
    if np.isinf(x):
        return Split(float(x > 0), 0.0, 0.0, 0.0)
    if tridiagonal.is_exhausted:
        nodes, weights = gauss(tridiagonal)
    else:
        nodes, weights = canonical_quadrature(tridiagonal, x)
    off = np.abs(nodes - x)
    at = off <= rounding * _size(tridiagonal)
    if not tridiagonal.is_exhausted:
        at[np.argmin(off)] = True
    left, right = np.flatnonzero((nodes < x) & ~at), np.flatnonzero((nodes > x) & ~at)
    return Split(
        min(float(weights[left].sum()), 1.0),
        min(float(weights[at].sum()), 1.0),
        float(weights[left[-1]]) if left.size else 0.0,
        float(weights[right[0]]) if right.size else 0.0,
    )


def mean_split(tridiagonals: list[Tridiagonal], x: float, *, rounding: float = _AT) -> Split:
    """Return the mean of the splits of several start vectors.

    Parameters
    ----------
    tridiagonals : list of Tridiagonal
        One a start vector.
    x : float
        The point.
    rounding : float, optional
        As in `radau`.

    Returns
    -------
    Split
    """
    each = [radau(one, x, rounding=rounding) for one in tridiagonals]
    return Split(*np.mean(each, axis=0).tolist())


class Brackets:
    """Bounds of the distribution function of one measure at any point, and the measure's middle.

    Parameters
    ----------
    tridiagonal : Tridiagonal
        k steps of Lanczos.
    families : int, optional
        Number of representations whose nodes interlace. At their nodes the bounds are sharp;
        between two of them the bracket is wider by about one part in `families`.
    """

    def __init__(self, tridiagonal: Tridiagonal, *, families: int = 6) -> None:
        nodes, weights = gauss(tridiagonal)
        found = [(nodes, weights)]
        exact = tridiagonal.is_exhausted
        if not exact and len(nodes) > 1:
            middle = int(np.searchsorted(np.cumsum(weights), 0.5))
            first = min(max(middle, 0), len(nodes) - 2)
            low, high = nodes[first], nodes[first + 1]
            for part in range(1, families):
                node = low + (high - low) * part / families
                found.append(canonical_quadrature(tridiagonal, float(node)))
        places = np.concatenate([x for x, _ in found])
        upper = np.concatenate([np.cumsum(w) for _, w in found])
        lower = np.concatenate([np.cumsum(w) - w for _, w in found])
        order = np.argsort(places, kind="stable")
        self.places = places[order]
        self.exact = exact
        if exact:
            self.lower = self.upper = np.clip(upper[order], 0.0, 1.0)
        else:
            self.lower = np.maximum.accumulate(np.clip(lower[order], 0.0, 1.0))
            self.upper = np.minimum.accumulate(np.clip(upper[order], 0.0, 1.0)[::-1])[::-1]
            self._join(_AT * _size(tridiagonal))

    def _join(self, reach: float) -> None:
        """Make one of nodes that only rounding tells apart: mass at one may be at the other."""
        self.reach = reach
        apart = np.concatenate(([True], np.diff(self.places) > reach))
        first, group = np.flatnonzero(apart), np.cumsum(apart) - 1
        self.lower = np.minimum.reduceat(self.lower, first)[group]
        self.upper = np.maximum.reduceat(self.upper, first)[group]

    def at(self, x: Real) -> tuple[Real, Real]:
        """Return bounds of the distribution function.

        Parameters
        ----------
        x : ndarray
            Points.

        Returns
        -------
        low, high : ndarray, of the shape of `x`
            ``low <= F(x-) <= F(x) <= high``; equal where the measure is known.
        """
        if not self.exact:  # a point within rounding of a node is at it
            near = np.searchsorted((self.places[1:] + self.places[:-1]) / 2, x)
            x = np.where(np.abs(x - self.places[near]) <= self.reach, self.places[near], x)
        left = np.searchsorted(self.places, x, side="right")
        low = np.concatenate(([0.0], self.lower))[left]
        if self.exact:
            return low, low
        right = np.searchsorted(self.places, x, side="left")
        return low, np.concatenate((self.upper, [1.0]))[right]
