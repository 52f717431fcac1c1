r"""Linear pencils as arrays: what the compiled kernels take.

The frames V_j of all parts stand side by side in V, shape (k, R), and so do the blocks of all
parts. The self-energy of part j is a Hermitian block with real coordinates u_a on the real axis
outside the support, complex ones elsewhere:

.. math:: \Sigma = \sum_a u_a B_a, \qquad
          B_a = w_a e_p e_q^T + \bar w_a e_q e_p^T \quad (p < q), \qquad B_a = e_p e_p^T .

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.pencil_parts import law_part
>>> from rmtland.laws import Uniform
>>> arrays = PencilArrays.of(np.zeros((2, 2)), [law_part(np.ones((2, 2)) - np.eye(2), Uniform())])
>>> arrays.first.tolist(), arrays.second.tolist()
([0, 0, 1], [0, 1, 1])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.pencil_parts import CircularPart, LevyPart, Part
from rmtland.typing import Complex, Integer, Real

__all__ = [
    "CIRCULAR",
    "LAW",
    "LEVY",
    "LinearEquations",
    "NewtonPoints",
    "NewtonRows",
    "PencilArrays",
]

LAW, LEVY, CIRCULAR = 0, 1, 2
"""Kinds of parts: any law, a rational R-transform, a circular variable."""


class PencilArrays(NamedTuple):
    """All parts of a pencil side by side.

    Parameters
    ----------
    constant : ndarray of complex, shape (k, k)
        a_0.
    frames, adjoint : ndarray of complex, shapes (k, R) and (R, k)
        V and V*.
    first, second, weights, owners : ndarray, shape (d,)
        p, q and w of every coordinate (see the module), and its part.
    starts : ndarray of int, shape (parts + 1,)
        Where the block of each part starts.
    kinds : ndarray of int, shape (parts,)
        `LAW`, `LEVY` or `CIRCULAR`.
    cores, cores_inverse : ndarray of complex, shape (R, R)
        D of each part in its block, and its inverse.
    variances, rates, jumps : ndarray of float, shapes (parts,), (parts, jumps), (parts, jumps)
        Numbers of the explicit parts.
    """

    constant: Complex
    frames: Complex
    adjoint: Complex
    first: Integer
    second: Integer
    weights: Complex
    owners: Integer
    starts: Integer
    kinds: Integer
    cores: Complex
    cores_inverse: Complex
    variances: Real
    rates: Real
    jumps: Real

    @classmethod
    def of(cls, constant: Complex, parts: Sequence[Part]) -> PencilArrays:
        """Return the arrays of a pencil with a constant and parts.

        Parameters
        ----------
        constant : ndarray of complex, shape (k, k)
            a_0.
        parts : sequence of Part
            The free variables.

        Returns
        -------
        PencilArrays
            With coordinates of real matrices only where all is real.
        """
        constant = np.ascontiguousarray(constant, dtype=np.complex128)
        k = len(constant)
        real = not any(
            np.abs(array.imag).any()
            for array in [constant, *(a for p in parts for a in (p.frame, p.core))]
        )
        starts = np.cumsum([0, *(part.rank for part in parts)])
        total = int(starts[-1])
        cores, inverses = np.zeros((2, total, total), dtype=np.complex128)
        kinds = np.zeros(len(parts), dtype=np.int64)
        most = max([len(part.jumps) for part in parts if isinstance(part, LevyPart)] + [1])
        variances, (rates, jumps) = np.zeros(len(parts)), np.zeros((2, len(parts), most))
        units: list[tuple[int, int, complex, int]] = []
        for j, part in enumerate(parts):
            start, stop = int(starts[j]), int(starts[j + 1])
            block = slice(start, stop)
            cores[block, block] = part.core
            above = [(p, q) for p in range(start, stop) for q in range(p, stop)]
            root = 1 / np.sqrt(2)
            units += [(p, q, 1.0 if p == q else root, j) for p, q in above]
            if not real:
                units += [(p, q, 1j * root, j) for p, q in above if p < q]
            if isinstance(part, CircularPart):
                kinds[j], variances[j] = CIRCULAR, part.variance
                continue
            inverses[block, block] = np.linalg.inv(part.core)
            if isinstance(part, LevyPart):
                kinds[j], variances[j] = LEVY, part.variance
                rates[j, : len(part.rates)], jumps[j, : len(part.jumps)] = part.rates, part.jumps
        frames = np.concatenate([np.zeros((k, 0)), *(part.frame for part in parts)], axis=1)
        frames = np.ascontiguousarray(frames, dtype=np.complex128)
        return cls(
            constant,
            frames,
            np.ascontiguousarray(frames.conj().T),
            np.array([p for p, _, _, _ in units], dtype=np.int64),
            np.array([q for _, q, _, _ in units], dtype=np.int64),
            np.array([w for _, _, w, _ in units], dtype=np.complex128),
            np.array([j for _, _, _, j in units], dtype=np.int64),
            starts,
            kinds,
            cores,
            inverses,
            variances,
            rates,
            jumps,
        )

    @property
    def dimension(self) -> int:
        """The number d of coordinates."""
        return int(self.owners.size)

    def scaled(self, tau: float) -> PencilArrays:
        """Return the pencil with all variables times tau.

        Parameters
        ----------
        tau : float
            The factor, positive.

        Returns
        -------
        PencilArrays
            With cores times tau.
        """
        if tau == 1.0:
            return self
        return self._replace(cores=tau * self.cores, cores_inverse=self.cores_inverse / tau)

    def basis(self) -> Complex:
        """B_a of all coordinates.

        Returns
        -------
        ndarray of complex, shape (d, R, R)
            Hermitian, of norm 1, orthogonal.
        """
        total = self.frames.shape[1]
        found = np.zeros((self.dimension, total, total), dtype=np.complex128)
        rows = np.arange(self.dimension)
        found[rows, self.second, self.first] = self.weights.conj()
        found[rows, self.first, self.second] = self.weights
        return found

    def energies(self, u: Complex) -> Complex:
        """Self-energies in the blocks of their parts.

        Parameters
        ----------
        u : ndarray of complex, shape (n, d)
            Coordinates.

        Returns
        -------
        ndarray of complex, shape (n, R, R)
            Sigma of all parts.
        """
        total = self.frames.shape[1]
        found = np.zeros((len(u), total, total), dtype=np.complex128)
        for a in range(self.dimension):
            p, q, w = self.first[a], self.second[a], self.weights[a]
            found[:, p, q] += w * u[:, a]
            if p != q:
                found[:, q, p] += w.conjugate() * u[:, a]
        return found

    def coordinates(self, blocks: Complex) -> Complex:
        """Coordinates of matrices in the blocks, the inverse of `energies`.

        Parameters
        ----------
        blocks : ndarray of complex, shape (n, R, R)
            Matrices; what lies outside the blocks is not read.

        Returns
        -------
        ndarray of complex, shape (n, d)
            Their orthogonal projections on the basis.
        """
        ahead = blocks[:, self.first, self.second] * self.weights.conj()
        back = blocks[:, self.second, self.first] * self.weights
        return np.asarray(np.where(self.first == self.second, ahead, ahead + back))


class NewtonRows(NamedTuple):
    """What a Newton step at n points keeps between its two halves.

    Parameters
    ----------
    matrices : ndarray of complex, shape (n, k, k)
        M.
    inner, lifted : ndarray of complex, shape (n, R, R)
        X = V* M V, and the inverses of its blocks at laws.
    zeta : ndarray of complex, shape (n, R)
        Eigenvalues of D^-1 w, where G of the laws is wanted.
    vectors, inverses : ndarray of complex, shape (n, R, R)
        Eigenvectors of D^-1 w in blocks of size 3 and more (D^-1 w itself at first), and their
        inverses.
    extents : ndarray of float, shape (n,)
        Largest modulus of an entry of M^-1.
    """

    matrices: Complex
    inner: Complex
    lifted: Complex
    zeta: Complex
    vectors: Complex
    inverses: Complex
    extents: Real

    @classmethod
    def empty(cls, n: int, k: int, total: int) -> NewtonRows:
        """Return arrays for n points.

        Parameters
        ----------
        n, k, total : int
            Numbers of points, of rows of M, and of rows of all blocks.

        Returns
        -------
        NewtonRows
            Uninitialised.
        """
        square = (n, total, total)
        return cls(
            np.empty((n, k, k), dtype=np.complex128),
            np.empty(square, dtype=np.complex128),
            np.empty(square, dtype=np.complex128),
            np.ones((n, total), dtype=np.complex128),
            np.empty(square, dtype=np.complex128),
            np.empty(square, dtype=np.complex128),
            np.empty(n),
        )


class LinearEquations(NamedTuple):
    """The equations of Newton's method.

    Parameters
    ----------
    system : ndarray of complex, shape (n, d, d)
        Jacobians.
    right : ndarray of complex, shape (n, d, 2)
        The defect, and minus its slope in z.
    terms : ndarray of float, shape (n, d)
        Sizes of the terms of the defect.
    """

    system: Complex
    right: Complex
    terms: Real

    @classmethod
    def empty(cls, n: int, d: int) -> LinearEquations:
        """Return arrays for n points.

        Parameters
        ----------
        n, d : int
            Numbers of points and coordinates.

        Returns
        -------
        LinearEquations
            Uninitialised.
        """
        return cls(
            np.empty((n, d, d), dtype=np.complex128),
            np.empty((n, d, 2), dtype=np.complex128),
            np.empty((n, d)),
        )


class NewtonPoints(NamedTuple):
    """How far Newton's method is at n points.

    Parameters
    ----------
    u, du : ndarray of complex, shape (n, d)
        Coordinates, and their derivatives in z where it has arrived.
    m : ndarray of complex, shape (n, k, k)
        M where it has arrived.
    status, steps, stalls : ndarray of int, shape (n,)
        0 while under way; steps; steps in a row that did not halve the defect.
    defects, best : ndarray of float, shape (n,)
        Relative defect where it has arrived, and the least so far.
    """

    u: Complex
    du: Complex
    m: Complex
    status: Integer
    steps: Integer
    stalls: Integer
    defects: Real
    best: Real

    @classmethod
    def start(cls, u: Complex, k: int) -> NewtonPoints:
        """Return points at the start.

        Parameters
        ----------
        u : ndarray of complex, shape (n, d)
            Coordinates, copied.
        k : int
            Number of rows of M.

        Returns
        -------
        NewtonPoints
            Under way.
        """
        n = len(u)
        status, steps, stalls = np.zeros((3, n), dtype=np.int64)
        defects, best = np.full((2, n), np.inf)
        matrices = np.zeros((n, k, k), dtype=np.complex128)
        values = np.array(u, dtype=np.complex128)
        return cls(values, np.zeros_like(values), matrices, status, steps, stalls, defects, best)
