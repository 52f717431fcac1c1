r"""The law of conditioned Hessians by a matrix Dyson equation (MDE).

With residuals e = P e_measured + sigma (1 - P) xi, H is a deterministic matrix plus a Gaussian one
whose covariance is known, and its resolvent has the deterministic equivalent

.. math::
    M(z) = (z - A - S[M(z)])^{-1}, \qquad A = H_0 + H_1[P e], \qquad
    S[M] = \operatorname{E} H_1[\sigma (1 - P) \xi] \, M \, H_1[\sigma (1 - P) \xi] , \\
    p\, G = \operatorname{tr} M, \qquad
    p\, L = \log\det(z - A - S[M]) + \tfrac12 \operatorname{tr} M S[M] ,

the f'' blocks included: A and S hold all of it, at any depth, as H1 is linear in the residuals. S
is that of `rmtland.models.conditioned.noise_covariance` for one hidden layer without biases, and
the sum over all free directions of `rmtland.models.conditioned.residual_covariance` for other
networks, which some hundred parameters can afford. The iteration is averaged and accelerated
(Anderson), and continued from point to point (`rmtland.models.dyson.fixed_points`).

A step inverts a matrix of order p and contracts the covariance, which takes less
(`rmtland.models.conditioned.pair_tensors`). M changes from point to point with every eigenvalue
that comes near, S[M] hardly does: the first step from the states nearby takes the whole change and
is right to a percent. With a `tolerance` of .1 on M two steps a point are enough, and G is off by
some 1e-4 of its peak; with the default of 1e-8 it takes six or seven.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [3] H. F. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer.
       Anal. 49 (2011) 1715-1735.

Examples
--------
>>> from rmtland.models import ConditionedHessian
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(30, 3, rng=0), MLP((3, 4, 3))
>>> model = ConditionedHessian(net.at(net.init(rng=1), data.x, data.y), draws=4)
>>> dyson = ConditionedDyson.of_hessian(model)
>>> bool(abs(dyson.smoothed_pdf(0.5, eta=0.2) - model.smoothed_pdf(0.5, eta=0.2)) < 0.05)
True
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from rmtland.arguments import choice, count
from rmtland.estimate.placement import Placement
from rmtland.models.batched_resolvents import place_of
from rmtland.models.conditioned.conditioned_hessian import ConditionedHessian
from rmtland.models.conditioned.given_residuals import with_residuals
from rmtland.models.conditioned.noise_covariance import NoiseCovariance
from rmtland.models.conditioned.projections import DenseProjection
from rmtland.models.conditioned.residual_covariance import ResidualCovariance
from rmtland.models.dyson.block_resolvent import BlockResolvent
from rmtland.models.dyson.cost import Cost, speed
from rmtland.models.dyson.fixed_points import DEPTH, STEPS, FixedPoint, anderson
from rmtland.models.dyson.half_plane import log_determinant, symmetric_inverse
from rmtland.models.dyson.tabulated import tabulated_law
from rmtland.models.dyson.tabulated_law import TabulatedLaw
from rmtland.models.hessian_parts import PARTS, HessianParts
from rmtland.models.smoothed_index import index_from_above
from rmtland.networks.activation import activation as activation_of
from rmtland.solution import Solution, Status
from rmtland.spectrum import Spectrum
from rmtland.typing import Complex, Real, Rng, Tree

__all__ = ["ConditionedDyson", "ConditionedEquation"]

_NULL = 1e-10
_STEPS = 7.0  # of a point at the default tolerance


@dataclass(frozen=True, eq=False)
class ConditionedEquation:
    """M = (z - A - S[M])^{-1} as a fixed point of packed matrices.

    Parameters
    ----------
    known : ndarray, shape (p, p)
        A.
    noise : NoiseCovariance, ResidualCovariance or None
        S; None for a deterministic matrix.
    """

    known: Real
    noise: NoiseCovariance | ResidualCovariance | None

    @property
    def memory(self) -> int:
        """Bytes at the height of a solution, estimated from above."""
        numbers = 16 * (2 * DEPTH + 12) * self.known.size
        return numbers + (0 if self.noise is None else self.noise.memory)

    @property
    def operations(self) -> float:
        """Real operations of one application."""
        p = float(len(self.known))
        return 16 / 3 * p**3 + 60 * p**2 + (self.noise.operations if self.noise else 0.0)

    def start(self, z: complex) -> Complex:
        """M = 1/z.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.

        Returns
        -------
        ndarray of complex
        """
        return np.asarray((np.eye(len(self.known)) / z).ravel())

    def in_half_plane(self, y: Complex) -> bool:
        """Whether the diagonal lies in the lower half-plane.

        Parameters
        ----------
        y : ndarray of complex
            A packed matrix.

        Returns
        -------
        bool
        """
        p = len(self.known)
        return bool(y[:: p + 1].imag.max() < 0)

    def apply(self, z: complex, y: Complex) -> tuple[Complex, tuple[Complex, ...]]:
        """Apply the equation once.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        y : ndarray of complex
            A packed matrix.

        Returns
        -------
        (ndarray of complex, tuple)
            The new matrix, packed; its inverse, S, the matrix and the new one.
        """
        p = len(self.known)
        old: Complex = np.asarray(y.reshape(p, p))
        energy: Complex = np.zeros((p, p), dtype=np.complex128)
        if self.noise is not None:
            energy = self.noise.apply(old)
        inner: Complex = -energy - self.known
        inner.ravel()[:: p + 1] += z
        new = symmetric_inverse(inner)
        return new.ravel(), (inner, energy, old, new)

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int = STEPS
    ) -> FixedPoint:
        """Solve at one point.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        start : ndarray of complex, optional
            Where to start.
        tolerance : float
            Of the relative change of M.
        limit : int
            Largest number of steps.

        Returns
        -------
        FixedPoint
        """
        first = 0.5 if start is None else 1.0
        y = self.start(z) if start is None else start
        y, blocks, steps, size = anderson(self, z, y, tolerance, limit=limit, first=first)
        return FixedPoint(y, blocks, steps, size, size <= tolerance and self.in_half_plane(y))

    def trace(self, blocks: Tree) -> complex:
        """G.

        Parameters
        ----------
        blocks : tuple
            Of a solution.

        Returns
        -------
        complex
        """
        return complex(np.trace(blocks[3]) / len(self.known))

    def potential(self, z: complex, blocks: Tree) -> complex:
        """L, the integral of G; the inverse of M has a positive imaginary part.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        blocks : tuple
            Of a solution there.

        Returns
        -------
        complex
        """
        inner, energy, old, _ = blocks
        return complex((log_determinant(inner) + np.sum(old * energy) / 2) / len(self.known))


@dataclass(frozen=True, eq=False)
class ConditionedDyson(HessianParts, BlockResolvent):
    """The matrix Dyson equation of a conditioned Hessian.

    .. formula:: Matrix Dyson equation of a trained network

    Parameters
    ----------
    hessian : ConditionedHessian
        Any depth and loss, projected with a basis.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.

    Raises
    ------
    ValueError
        If the residuals are not Gaussian, or projected without a basis.
    """

    hessian: ConditionedHessian
    part_name: str = field(default="total", kw_only=True)
    coupling: str = field(default="full", init=False)

    def __post_init__(self) -> None:
        choice("part_name", self.part_name, PARTS)
        for name in {"minimum", "rotations"} & set(self.hessian.on):
            raise ValueError(
                f"residuals conditioned on {name!r} are not Gaussian, and have no such equation: "
                f"take the law of ConditionedHessian, which is drawn, or leave {name!r} out"
            )
        if not isinstance(self.hessian.conditioned.projection, DenseProjection):
            raise ValueError("the equation needs a basis: take projection='dense'")

    @classmethod
    def of_hessian(cls, hessian: ConditionedHessian) -> Self:
        """Return the equation of the same part of the same Hessian.

        Parameters
        ----------
        hessian : ConditionedHessian
            The model that is drawn.

        Returns
        -------
        ConditionedDyson
        """
        return cls(hessian, part_name=hessian.part_name)

    @property
    def parameter_count(self) -> int:
        """Number of eigenvalues p."""
        return self.hessian.parameter_count

    @property
    def place(self) -> Placement:
        """Where the equation is solved: by NumPy."""
        return place_of()

    @property
    def _called(self) -> str:
        return "the equation of a conditioned Hessian"

    @property
    def _cheaper(self) -> str:
        return "the law of ConditionedHessian, which is drawn"

    def cost(self, points: int = 1) -> Cost:
        """Estimate what so many points take on this machine.

        Parameters
        ----------
        points : int
            Number of points.

        Returns
        -------
        Cost
            Seconds, right to a factor of about three, and bytes.

        Raises
        ------
        ValueError
            If `points` is below 1.
        TypeError
            If it is no integer.
        """
        each = _STEPS * self.equation.operations / speed()
        return Cost(count("points", points) * each, self.memory)

    @cached_property
    def equation(self) -> Any:
        """The equation that is solved, by part."""
        point, residuals = self.hessian.point, self.hessian.conditioned
        p = self.parameter_count
        known = np.zeros((p, p))
        if self.part_name != "residual":
            known += point.hessian("gauss_newton")
        if self.part_name == "gauss_newton":
            return ConditionedEquation(known, None)
        known += with_residuals(point, residuals.known_residuals).hessian("residual")
        return ConditionedEquation(known, self._noise())

    def _noise(self) -> NoiseCovariance | ResidualCovariance:
        point, residuals = self.hessian.point, self.hessian.conditioned
        net = point.net
        if len(net.widths) != 3 or net.bias or net.parametrisation != "standard":
            return ResidualCovariance.of_residuals(point, residuals)
        space, projection = residuals.space, residuals.projection
        assert isinstance(projection, DenseProjection)
        first, second = net.unflatten(point.theta)
        f, x = activation_of(net.activation), np.asarray(point.x)
        z = first @ x.T
        a = f.value(z)
        m, n = space.scales.size, space.outputs
        free = np.eye(m * n) - projection.basis @ projection.basis.T
        half = space.scaled(free.reshape(m, n, -1)).reshape(m * n, -1)
        covariance = space.scaled(half.T.reshape(m, n, -1)).reshape(m * n, -1)
        covariance *= residuals.sigma**2
        return NoiseCovariance(
            x,
            np.asarray(f.slope(z, a)),
            None if f.curvature is None else np.asarray(f.curvature(z, a)),
            np.asarray(second),
            np.asarray((covariance + covariance.T) / 2),
        )

    def mean(self) -> float:
        """Mean eigenvalue, exact.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return float(np.trace(self.equation.known) / self.parameter_count)

    def atom_at_zero(self) -> Solution:
        """Share of null directions of the matrices: the nullity of one that is drawn.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape ().
        """
        zero = np.zeros(())
        nodes = np.abs(np.linalg.eigvalsh(self._drawn.matrix(rng=0)))
        share = float((nodes <= _NULL * nodes.max()).mean())
        return Solution(np.array(share), Status.CONVERGED, zero, np.array(1), zero)

    @property
    def _drawn(self) -> ConditionedHessian:
        return self.hessian.part(self.part_name)

    def solve_index(self) -> Solution:
        """Fraction of negative eigenvalues with its error, from heights that fall to zero.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape (); the atom at zero is no part of it.
        """
        if self.part_name == "gauss_newton":
            zero = np.zeros(())
            return Solution(zero, Status.CONVERGED, zero, np.zeros((), dtype=np.int64), zero)
        return index_from_above(
            lambda z: self.solve(z, throw=False),
            self.cdf_above,
            float(np.hypot(self.mean(), np.sqrt(self.var()))),
            atom=self.atom_at_zero(),
        )

    @cached_property
    def law(self) -> TabulatedLaw:
        """The law, tabulated with its error (`rmtland.models.tabulated_law`)."""
        return tabulated_law(self)  # type: ignore[arg-type]

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw residuals and return all eigenvalues, as `ConditionedHessian.sample`.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be `parameter_count`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, p).
        """
        return self._drawn.sample(n, rng=rng, runs=runs)
