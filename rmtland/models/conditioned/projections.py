r"""Projections on what is known of the residuals: spans of the Jacobian and of the inputs.

With J = do/dtheta, one row for each output of each sample, the gradient of the loss knows J^T e;
a linear regression on the inputs knows X^T e, output by output. Both are products with

.. math:: A = S\, [\, J,\; X \otimes 1_{out} \,],

S the scales of `rmtland.models.conditioned.residual_space`, and P is the orthogonal projector on
the span of the columns of A. `DenseProjection` finds an orthonormal basis of it: columns of each
group brought to Frobenius norm 1, then the eigenvectors of A^T A (or A A^T, whichever is smaller)
whose singular values are above a tolerance times the largest; below 1e-7 times the root of its
order they are lost in rounding and count as zero in any case. `IterativeProjection` never forms A:
each projection is a least squares problem solved by LSMR, a product with J and one with its
transpose a step, with the columns of each layer brought near to an orthonormal set
(`rmtland.models.conditioned.kronecker`), and the rank is the mean of |P xi|^2 over Gaussian
vectors (Hutchinson). What the Jacobian sees too weakly for the tolerance of LSMR, as through units
that are saturated at nearly all samples, counts as free: how many directions these are is estimated
by one projection to a thousandth of the tolerance (`IterativeProjection.missed`), and is part of
the error of the rank.

References
----------
.. [1] D. C.-L. Fong and M. A. Saunders, LSMR: an iterative algorithm for sparse least-squares
       problems, SIAM J. Sci. Comput. 33 (2011) 2950-2971.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 3, rng=0), MLP((3, 4, 3))
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> space = ResidualSpace.of_point(point)
>>> known = DenseProjection.of_point(point, ("gradient",), space)
>>> known.rank, space.dimension
(24.0, 60)
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsmr

from rmtland.arguments import positive
from rmtland.arrays import to_numpy
from rmtland.models.conditioned.kronecker import KroneckerRoot, inverse_root
from rmtland.models.conditioned.residual_space import ResidualSpace
from rmtland.networks import LossPoint
from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["CONDITIONS", "RANK_TOLERANCE", "DenseProjection", "IterativeProjection", "Projection"]

CONDITIONS = ("gradient", "inputs", "rotations", "minimum")
"""What residuals can be conditioned on."""

RANK_TOLERANCE = 1e-6
"""Singular values below so much of the largest count as zero."""

_STEPS = 3000
_PROBES = 2  # Gaussian vectors that a rank is estimated from
_LEAK = 1e-2
_CLOSER = 1e-3  # of the tolerance, by which directions are found that it misses
_MORE_STEPS = 10  # times as many for that, at most
_FEWEST_STEPS = 200


class Projection(abc.ABC):
    """An orthogonal projector on a subspace of the residuals, with its rank."""

    @property
    @abc.abstractmethod
    def rank(self) -> float:
        """Dimension of the subspace; not whole where it was estimated."""

    @property
    def rank_error(self) -> float:
        """Standard error of the rank; 0 where it was counted."""
        return 0.0

    @abc.abstractmethod
    def project(self, u: Real) -> Real:
        """Return P u.

        Parameters
        ----------
        u : ndarray, shape (m, n_out)
            A vector of the space.

        Returns
        -------
        ndarray, shape (m, n_out)
        """


@dataclass(frozen=True, eq=False)
class DenseProjection(Projection):
    """A projector by an orthonormal basis.

    Parameters
    ----------
    basis : ndarray, shape (m n_out, rank)
        Orthonormal columns.
    """

    basis: Real

    @classmethod
    def of_point(
        cls,
        point: LossPoint,
        on: tuple[str, ...],
        space: ResidualSpace,
        *,
        tolerance: float = RANK_TOLERANCE,
    ) -> Self:
        """Return the projector on the span of what is known.

        Parameters
        ----------
        point : LossPoint
            The network with its data.
        on : tuple of {"gradient", "inputs"}
            What is known.
        space : ResidualSpace
            Of its residuals.
        tolerance : float
            Singular values below so much of the largest count as zero.

        Returns
        -------
        DenseProjection
        """
        if positive("rank_tolerance", tolerance) >= 1:
            raise ValueError(
                f"rank_tolerance must be below 1, or nothing is conditioned on; got {tolerance:g}"
            )
        m, n = space.scales.size, space.outputs
        groups: list[Real] = []
        if "gradient" in on:
            groups.append(to_numpy(point.jacobian()).astype(np.float64))
        if "inputs" in on:
            x = to_numpy(point.x).astype(np.float64)
            groups.append(np.asarray(np.kron(x, np.eye(n)), dtype=np.float64))
        scaled = [space.scaled(group.reshape(m, n, -1)).reshape(m * n, -1) for group in groups]
        units = [_unit(group) for group in scaled if group.any()]
        columns = np.concatenate(units or [np.zeros((m * n, 0))], axis=1)
        return cls(_orthonormal_basis(columns, tolerance))

    @property
    def rank(self) -> float:
        """Dimension of the subspace."""
        return float(self.basis.shape[1])

    def project(self, u: Real) -> Real:
        """Return P u.

        Parameters
        ----------
        u : ndarray, shape (m, n_out)
            A vector of the space.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        return np.asarray(self.basis @ (self.basis.T @ u.ravel())).reshape(u.shape)


def _unit(group: Real) -> Real:
    """Return a matrix divided by its Frobenius norm, whose square may be out of range."""
    group = np.ldexp(group, -np.frexp(np.abs(group).max())[1])
    return np.asarray(group / np.linalg.norm(group))


def _orthonormal_basis(columns: Real, tolerance: float) -> Real:
    """Basis of the span of the columns, by the smaller Gram matrix."""
    rows, number = columns.shape
    if not number or not columns.any():
        return np.zeros((rows, 0))
    tall = rows >= number
    gram = columns.T @ columns if tall else columns @ columns.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(tolerance**2, 1e-14 * len(values)) * values[-1]
    basis = vectors[:, kept]
    if tall:
        basis = np.linalg.qr(columns @ (basis / np.sqrt(values[kept])))[0]
    return np.asarray(basis)


@dataclass(eq=False)
class IterativeProjection(Projection):
    """A projector by least squares, for Jacobians that are too large to form.

    Parameters
    ----------
    point : LossPoint
        The network with its data.
    on : tuple of {"gradient", "inputs"}
        What is known.
    space : ResidualSpace
        Of its residuals.
    tolerance : float
        LSMR ends where the products of the rest with the columns have fallen to this, relative to
        the norms of the two.
    rng : numpy.random.Generator
        For the vectors that the rank is estimated from.

    Attributes
    ----------
    leak : float
        Largest norm of the products of a rest with the columns, relative to those of the vector
        that was projected: 0 for an exact projection.
    steps : int
        Steps of LSMR so far.
    """

    point: LossPoint
    on: tuple[str, ...]
    space: ResidualSpace
    tolerance: float = 1e-5
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    leak: float = field(default=0.0, init=False)
    steps: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._columns = self._operator()
        self._rank: float | None = None

    @property
    def rank(self) -> float:
        """Trace of P, estimated from two Gaussian vectors; see `rank_error`."""
        if self._rank is None:
            shares = []
            for generator in self.rng.spawn(_PROBES):
                xi = self.space.noise(generator)
                shares.append(float((self.project(xi) ** 2).sum() / (xi**2).sum()))
            self._rank = float(np.mean(shares)) * self.space.dimension
        return self._rank

    @property
    def rank_error(self) -> float:
        """Error of the rank r in d dimensions: by chance, and by directions that are missed.

        Each |P xi|^2/|xi|^2 is of a beta law, which gives the standard error.
        """
        r, d = self.rank, self.space.dimension
        return math.hypot(math.sqrt(2 * max(r * (d - r), 0.0) / (_PROBES * (d + 2))), self.missed)

    @cached_property
    def missed(self) -> float:
        """Number of directions that are known but seen too weakly, estimated from one vector.

        |dP xi|^2, dP the change of the projector by a thousandth of the tolerance; of r directions
        it finds r on the average, with a standard error of sqrt(2 r).
        """
        _ = self.rank  # its vectors come first
        xi = self.space.noise(self.rng.spawn(1)[0])
        before = self.steps
        coarse = self.project(xi)
        closer = self._solved(
            xi.ravel() - coarse.ravel(),
            _CLOSER * self.tolerance,
            max(_MORE_STEPS * (self.steps - before), _FEWEST_STEPS),
        )
        return float((closer**2).sum())

    def project(self, u: Real) -> Real:
        """Return P u, up to the tolerance.

        Parameters
        ----------
        u : ndarray, shape (m, n_out)
            A vector of the space.

        Returns
        -------
        ndarray, shape (m, n_out)

        Raises
        ------
        ConvergenceError
            If a hundredth of the products with the columns is left after 3000 steps.
        """
        flat = u.ravel()
        before = float(np.linalg.norm(self._columns.rmatvec(flat)))
        if not before:
            return np.zeros_like(u)
        steps = self.steps
        seen = self._solved(flat, self.tolerance, _STEPS)
        leak = float(np.linalg.norm(self._columns.rmatvec(flat - seen))) / before
        self.leak = max(self.leak, leak)
        if leak > _LEAK:
            raise ConvergenceError(
                f"the residuals could not be projected: {self.steps - steps} steps of LSMR left "
                f"{leak:.1e} of their products with the Jacobian (at most {_LEAK:g})"
            )
        return np.asarray(seen, dtype=np.float64).reshape(u.shape)

    def _solved(self, flat: Real, tolerance: float, limit: int) -> Real:
        """Part of a vector in the span of the columns, to a tolerance."""
        found = lsmr(self._columns, flat, atol=tolerance, btol=0.0, conlim=0.0, maxiter=limit)
        self.steps += int(found[2])
        return np.asarray(self._columns.matvec(found[0]))

    def _operator(self) -> LinearOperator:
        point, space = self.point, self.space
        root = KroneckerRoot.of_point(point, space.scales) if "gradient" in self.on else None
        m, n, x = space.scales.size, space.outputs, to_numpy(point.x).astype(np.float64)
        p = point.net.parameter_count if "gradient" in self.on else 0
        inputs = x.shape[1] * n if "inputs" in self.on else 0
        seen = x * space.scales[:, None]
        size = max(float(np.abs(seen).max(initial=0.0)), 1e-300)
        across = inverse_root((seen / size).T @ (seen / size)) / size if inputs else np.eye(1)

        def matvec(v: Real) -> Real:
            v = v.ravel()
            e = np.zeros((m, n))
            if root is not None:
                e += to_numpy(point.jvp(root.apply(v[:p]))).reshape(m, n)
            if inputs:
                e += x @ (across @ v[p:].reshape(-1, n))
            return space.scaled(e).ravel()

        def rmatvec(u: Real) -> Real:
            e = space.scaled(u.reshape(m, n))
            pieces = [] if root is None else [root.apply(to_numpy(point.vjp(e)))]
            if inputs:
                pieces.append((across @ (x.T @ e)).ravel())
            return np.concatenate(pieces)

        return LinearOperator((m * n, p + inputs), matvec=matvec, rmatvec=rmatvec, dtype=np.float64)
