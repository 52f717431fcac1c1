r"""Hessians of one network with residuals that are drawn, H = H0 + H1[e].

H0 is the same in all of them; residuals come from a conditioned distribution, or, at minima, from a
Markov chain among those whose Hessian has no negative eigenvalue
(`rmtland.models.conditioned.minima`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.estimate import krylov_quadratures, symmetric_operator
from rmtland.estimate.density import quadrature_spectrum
from rmtland.models.conditioned.conditioned_residuals import ConditionedResiduals
from rmtland.models.conditioned.given_residuals import with_residuals
from rmtland.models.conditioned.minima import NonnegativeChain
from rmtland.networks import LossPoint
from rmtland.typing import Real

__all__ = ["DrawnHessians"]


@dataclass(frozen=True, eq=False)
class DrawnHessians:
    """Draws points with their residuals, matrices, eigenvalues and Lanczos quadratures.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and inputs, in double precision.
    residuals : ConditionedResiduals
        What is drawn from.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.
    is_minimum : bool
        Whether the Hessians have no negative eigenvalue.
    """

    point: LossPoint
    residuals: ConditionedResiduals
    part_name: str
    is_minimum: bool

    @property
    def size(self) -> int:
        """Number of parameters p."""
        return int(self.point.net.parameter_count)

    @cached_property
    def gauss_newton(self) -> Real:
        """H0, shape (p, p)."""
        return np.asarray(self.point.hessian("gauss_newton"))

    @cached_property
    def chain(self) -> NonnegativeChain:
        """Draws the noise of minima."""
        residuals = self.residuals
        self.refuse_large()
        known = with_residuals(self.point, residuals.known_residuals).hessian("residual")

        def noise(xi: Real) -> Real:
            free = residuals.free_residuals(xi)
            return np.asarray(with_residuals(self.point, free).hessian("residual"))

        return NonnegativeChain(
            self.gauss_newton + np.asarray(known), noise, residuals.noise, residuals.radius
        )

    def points(self, generators: Sequence[np.random.Generator]) -> Iterator[LossPoint]:
        """Yield points with residuals that were drawn, one a generator; minima by one chain.

        Parameters
        ----------
        generators : sequence of numpy.random.Generator
            One for each point.

        Yields
        ------
        LossPoint
            The same network, parameters and inputs.
        """
        if not self.is_minimum:
            for generator in generators:
                yield with_residuals(self.point, self.residuals.draw(generator))
            return
        for xi in self.chain.draws(len(generators), generators[0]):
            e = self.residuals.known_residuals + self.residuals.free_residuals(xi)
            yield with_residuals(self.point, e)

    def matrices(self, generators: Sequence[np.random.Generator]) -> Iterator[Real]:
        """Yield matrices, one a generator.

        Parameters
        ----------
        generators : sequence of numpy.random.Generator
            One for each matrix.

        Yields
        ------
        ndarray, shape (p, p)
            Symmetric.
        """
        self.refuse_large()
        if self.part_name == "gauss_newton":
            yield from [self.gauss_newton] * len(generators)
            return
        for point in self.points(generators):
            h1 = np.asarray(point.hessian("residual"))
            yield h1 if self.part_name == "residual" else self.gauss_newton + h1

    def eigenvalues(self, generators: Sequence[np.random.Generator]) -> Real:
        """Return the eigenvalues of matrices, one row a generator.

        Parameters
        ----------
        generators : sequence of numpy.random.Generator
            One for each matrix.

        Returns
        -------
        ndarray, shape (runs, p)
            Ascending.
        """
        self.refuse_large()
        if self.part_name == "gauss_newton":
            return np.array([np.linalg.eigvalsh(self.gauss_newton)] * len(generators))
        return np.array([np.linalg.eigvalsh(matrix) for matrix in self.matrices(generators)])

    def quadratures(
        self, generators: Sequence[np.random.Generator], steps: int
    ) -> tuple[Real, Real, Real, Real]:
        """Return Gauss quadratures of Lanczos runs, one row a generator; no matrix is formed.

        Parameters
        ----------
        generators : sequence of numpy.random.Generator
            One for each draw and its start vector.
        steps : int
            Number of Lanczos steps.

        Returns
        -------
        tuple of ndarray
            Nodes, weights and diagonals of shape (runs, steps), off-diagonals (runs, steps - 1).
        """
        shape = len(generators), steps
        nodes, weights, alpha = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        beta = np.zeros((len(generators), steps - 1))
        pairs = [generator.spawn(2) for generator in generators]
        points = self.points([first for first, _ in pairs])
        for row, (point, (_, second)) in enumerate(zip(points, pairs, strict=True)):
            operator = symmetric_operator(point.operator(self.part_name))
            found = krylov_quadratures(operator, probes=1, steps=steps, rng=second, progress=False)
            spectrum = quadrature_spectrum(found, operator, np.zeros(0))
            mass, diagonal, off = spectrum.weights, spectrum.alpha, spectrum.beta
            assert mass is not None
            assert diagonal is not None
            assert off is not None
            used = min(steps, spectrum.nodes.shape[1])
            nodes[row, :used], nodes[row, used:] = spectrum.nodes[0, :used], spectrum.nodes[0, -1]
            weights[row, :used], alpha[row, :used] = mass[0, :used], diagonal[0, :used]
            beta[row, : used - 1] = off[0, : used - 1]
        return nodes, weights, alpha, beta

    def refuse_large(self) -> None:
        """Raise MemoryError if a matrix, with its eigenvalues, does not fit."""
        needed, free = 48 * self.size**2, ArrayLibrary.of().free_memory()
        if needed > free:
            raise MemoryError(
                f"a Hessian of {self.size} parameters takes about {needed / 2**30:.1f} GiB with "
                f"its eigenvalues, {free / 2**30:.1f} GiB are free; take `lanczos`, which "
                "multiplies only, without 'minimum'"
            )
