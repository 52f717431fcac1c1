r"""Sums of independent random projections: the free compound Poisson law of any jumps.

.. math::
    \sum_i d_i z_i z_i^T, \quad z_i \in \mathbb R^m, \; E z_i z_i^T = \tfrac1m 1, \qquad
    R(g) = \lambda \int \frac{d \, \nu(dd)}{1 - d g},

with lambda vectors per dimension and the law nu of their weights d (also: Marchenko-Pastur law with
weighted samples, Z^T D Z; companion law). A composition of free operations: for discrete nu a law
with a rational R-transform, for any other the free power lambda of nu (x) MP(1), and for lambda < 1
its null space beside nu (x) MP(lambda).

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006.

Examples
--------
>>> from rmtland.laws import Discrete, Uniform
>>> compound_poisson(2.0, Discrete((0.5,), (1.0,)))
MarchenkoPastur(aspect_ratio=0.5, scale=1.0)
>>> law = compound_poisson(0.5, Uniform(1.0, 3.0))
>>> law.atoms, round(law.mean(), 12)
(((0.0, 0.5),), 1.0)
"""

from __future__ import annotations

import itertools

import numpy as np

from rmtland.arguments import positive
from rmtland.ensembles.krylov_quadrature import measure_jacobi, quadrature
from rmtland.free import FreeLevy, free_power, free_product
from rmtland.laws import Discrete, Law, LevyTriplet, MarchenkoPastur, Uniform, mixture
from rmtland.typing import Real

__all__ = ["compound_poisson", "gauss_discrete", "uniform_pieces"]

_SMALL = 1e-100  # of the largest: squares of less would not be normal numbers


def compound_poisson(rate: float, jumps: Law) -> Law:
    """Return the law of a sum of `rate` weighted random projections per dimension.

    Parameters
    ----------
    rate : float
        lambda > 0.
    jumps : Law
        Law of the weights, on [0, infinity), not all of it at zero.

    Returns
    -------
    Law
        Of mean rate * jumps.mean().
    """
    rate = positive("rate", rate)
    if not jumps.support:
        atoms = [(place, mass) for place, mass in jumps.atoms if place != 0]
        if len(atoms) == 1:
            ((place, mass),) = atoms
            return MarchenkoPastur(1 / (rate * mass), rate * mass * place)
        return FreeLevy(
            LevyTriplet(
                rates=tuple(rate * mass for _, mass in atoms),
                jumps=tuple(place for place, _ in atoms),
            )
        )
    if rate >= 1:
        return free_power(free_product(jumps, MarchenkoPastur(1.0)), rate)
    rest = free_product(jumps, MarchenkoPastur(rate))
    return mixture([Discrete((0.0,), (1.0,)), rest], [1 - rate, rate])


def gauss_discrete(places: Real, masses: Real, size: int) -> Discrete:
    """Return the Gauss quadrature of point masses: at most `size` atoms, 2 size - 1 moments kept.

    Parameters
    ----------
    places, masses : ndarray, shape (n,)
        Point masses; the masses are scaled to sum to 1.
    size : int
        Largest number of atoms.

    Returns
    -------
    Discrete
        The quadrature.
    """
    top = np.abs(places).max()  # squares of less would not be normal numbers
    where, which = np.unique(
        np.where(np.abs(places) < _SMALL * top, 0, places), return_inverse=True
    )
    weights = np.asarray(np.bincount(which, masses / masses.sum()), dtype=np.float64)
    if where.size > size:
        alpha, beta = measure_jacobi(where, weights, size)
        nodes, shares = quadrature(alpha[None], beta[None])
        where, weights = nodes[0], shares[0]
    kept = weights > 1e-16
    weights = weights[kept] / weights[kept].sum()
    return Discrete(tuple(where[kept].tolist()), tuple(weights.tolist()))


def uniform_pieces(places: Real, masses: Real, pieces: int) -> Law:
    """Return a law without atoms close to that of many point masses: uniform between quantiles.

    The quantiles are denser towards both ends; the outermost pieces end where they keep their mean,
    so that a thin tail is not stretched over a whole piece.

    Parameters
    ----------
    places, masses : ndarray, shape (n,)
        Point masses that stand for a density on [0, infinity); the masses are scaled to sum to 1.
    pieces : int
        Number of pieces, at least 3.

    Returns
    -------
    Law
        A mixture of uniform laws.

    Raises
    ------
    ValueError
        If a piece is a single point.
    """
    order = np.argsort(places)
    where, weights = places[order], masses[order] / masses.sum()
    levels = np.cumsum(weights) - weights / 2
    targets = (1 - np.cos(np.pi * np.arange(pieces + 1) / pieces)) / 2
    ends = np.interp(targets, levels, where)
    low, high = levels <= targets[1], levels > targets[-2]
    first, last = (float(weights[part] @ where[part] / weights[part].sum()) for part in (low, high))
    ends[0] = max(ends[0], 2 * first - ends[1])
    ends[-1] = min(ends[-1], 2 * last - ends[-2])
    points = int(np.sum(np.diff(ends) <= 0))
    if points:
        raise ValueError(f"{points} of {pieces} pieces are single points: there is no density")
    cells = [Uniform(float(a), float(b)) for a, b in itertools.pairwise(ends)]
    return mixture(cells, np.diff(targets))
