r"""Errors over random matrices of one order, and over random starts: their mean and draws of them.

The mean has the mean density of the Airy process at each regular edge of the law
(`rmtland.optimizer.edge_fluctuations`). Draws replace the outermost points of the law there by
drawn ones. A start whose displacement is Gaussian gives :math:`w` of the eigenvalues of an n x n
matrix a part of it with the law Gamma(:math:`\beta n w/2`), of mean :math:`w`: independent from
curvature to curvature.

Both hold for large matrices. The mean states how far it may be off; draws have no such number, and
are refused for matrices with fewer than 20 eigenvalues that are not 0. With drawn starts bands of
90 % hold 80 to 96 % of the runs at each of eight steps (tests, at orders 50 and 60).

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> from rmtland.optimizer.methods import GradientDescent
>>> from rmtland.optimizer.start_measure import start_measure
>>> law = MarchenkoPastur(0.5)
>>> found = FiniteMatrices(GradientDescent(0.5), start_measure(law, degree=9), 1, 3, 1000)
>>> mean, error = found.mean(law)
>>> mean.shape, found.draws(law, starts=True).shape
((4,), (500, 4))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.laws import Law
from rmtland.optimizer.edge_fluctuations import airy_points, mean_nodes, soft_edge
from rmtland.optimizer.methods import Method, residual_polynomials
from rmtland.optimizer.start_measure import StartMeasure
from rmtland.typing import Real

__all__ = ["SMALLEST", "FiniteMatrices", "integral"]

SMALLEST = 20
"""Least order of matrices whose edges are drawn, a null space not counted."""

_DRAWS, _POINTS = 500, 6

_ENTRIES = 4_000_000
"""Numbers of draws that are held at a time."""


@dataclass(frozen=True)
class FiniteMatrices:
    """Errors of a method over random matrices of one order.

    Parameters
    ----------
    method : Method
        The method.
    start : StartMeasure
        Isotropic start over the law, or the spectrum.
    power : {0, 1, 2}
        k of the objective.
    steps : int
        Number of steps.
    order : int
        n.
    beta : {1, 2}
        Real or complex matrices.
    """

    method: Method
    start: StartMeasure
    power: int
    steps: int
    order: int
    beta: int = 1

    def mean(self, law: Law) -> tuple[Real, Real] | tuple[None, None]:
        """Return the mean over matrices and how far it may be off.

        Parameters
        ----------
        law : Law
            Limit of the eigenvalues.

        Returns
        -------
        mean, error : ndarray of float, shape (steps + 1,), or None
            None where no edge of the law is regular, so that nothing is known. The error is how
            much the mean changes when the edges are moved by m^(-1/3) of their scales, m the
            number of eigenvalues that are not 0, the order of what the limit leaves out, or
            followed half as far into the bulk.
        """
        if not mean_nodes(law, self.order, beta=self.beta)[0].size:
            return None, None
        top, values = self.start.nodes[-1], self._values(self.start.nodes)
        masses = self.start.weights / self.start.weights.sum()
        relative = (self.start.nodes / top) ** float(self.power)
        bare = integral(values, masses * relative)
        at_zero = sum(mass for place, mass in law.atoms if place == 0)
        shift = max(self.order * (1 - at_zero), 1.0) ** (-1 / 3)

        def correction(move: float, reach: float = 1.0) -> Real:
            nodes, weights = mean_nodes(law, self.order, beta=self.beta, shift=move, reach=reach)
            nodes = np.maximum(nodes, 0.0)
            return integral(self._values(nodes), weights * (nodes / top) ** self.power)

        middle, *others = (correction(move) for move in (0.0, -shift, shift))
        others.append(correction(0.0, 0.5))
        whole = bare[0] + middle[0]
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.max([np.abs(other - middle) for other in others], axis=0) / whole
            mean = (bare + middle) / whole
        mean = np.where(np.isnan(mean), np.inf, np.maximum(mean, 0.0))
        return mean, np.where(np.isnan(error), np.inf, error)

    def draws(self, law: Law | None, *, starts: bool, seed: int = 0) -> Real:
        """Return errors with drawn edges, drawn starts or both.

        Parameters
        ----------
        law : Law or None
            Limit of the eigenvalues; None where they are the nodes of the start.
        starts : bool
            Whether the start is drawn too, with a Gaussian displacement; else its parts are what
            they are on average.
        seed : int, optional
            Of the draws.

        Returns
        -------
        ndarray of float, shape (draws, steps + 1)
            Each in parts of its own error at the start.
        """
        nodes, weights = self.start.nodes, self.start.weights / self.start.weights.sum()
        top = nodes[-1]
        generator = np.random.default_rng([seed, 1])

        def parts(shares: Real, count: int = _DRAWS) -> Real:
            """Parts of the displacement, (count, n): of a Gaussian start, or their means."""
            if not starts:
                return np.broadcast_to(shares, (count, shares.size))
            half = self.beta * self.order / 2
            return np.asarray(generator.gamma(half * shares, size=(count, shares.size)) / half)

        edges, inner = ([], weights) if law is None else self._edge_points(law, seed)
        keep = inner > 0
        relative = (nodes[keep] / top) ** float(self.power)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = self._values(nodes[keep]) ** 2 * relative
            shares, total = inner[keep], np.zeros((_DRAWS, self.steps + 1))
            rows = max(1, _ENTRIES // shares.size)
            for first in range(0, _DRAWS, rows):
                some = slice(first, min(first + rows, _DRAWS))
                total[some] = parts(shares, some.stop - some.start) @ squares.T
            for places, mass in edges:
                drawn = self._values(places.ravel()) ** 2 * (places.ravel() / top) ** self.power
                drawn = drawn.reshape(self.steps + 1, *places.shape)
                total = total + (drawn * parts(np.full(_POINTS, mass))).sum(axis=2).T
            errors = total / total[:, :1]
        return np.where(np.isnan(errors), np.inf, errors)

    def _values(self, nodes: Real) -> Real:
        return residual_polynomials(self.method, nodes, self.steps)

    def _edge_points(self, law: Law, seed: int) -> tuple[list[tuple[Real, float]], Real]:
        """Drawn points of each regular edge with the mass of one, and the masses left inside."""
        weights = self.start.weights / self.start.weights.sum()
        nodes = self.start.nodes
        found, left = [], weights.copy()
        share = min(_POINTS / self.order, 0.25 * float(weights[nodes > 0].sum()))
        for which, edge in enumerate(("lower", "upper")):
            try:
                end, scale = soft_edge(law, self.order, beta=self.beta, edge=edge)
            except ValueError:
                continue
            ordered = slice(None) if edge == "lower" else slice(None, None, -1)
            mass = np.where(nodes > 0, weights, 0.0)[ordered]
            # the law's own mass next to the edge, the last node in part
            left[ordered] -= np.clip(share - (np.cumsum(mass) - mass), 0.0, mass)
            xi = airy_points(beta=self.beta, draws=_DRAWS, points=_POINTS, seed=2 * seed + which)
            sign = 1.0 if edge == "upper" else -1.0
            found.append((np.maximum(end + sign * scale * xi, 0.0), share / _POINTS))
        return found, np.maximum(left, 0.0)


def integral(values: Real, shares: Real, *, power: int = 2) -> Real:
    """Return integrals of a power of the values, inf where a method diverges.

    Parameters
    ----------
    values : ndarray of float, shape (steps + 1, n)
        Of polynomials at the nodes.
    shares : ndarray of float, shape (n,)
        Weights.
    power : int, optional
        2 for errors, 1 for variances.

    Returns
    -------
    ndarray of float, shape (steps + 1,)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums = values**power @ shares
    return np.where(np.isnan(sums), np.inf, sums)
