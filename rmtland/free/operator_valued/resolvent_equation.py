r"""Equations for a matrix-valued resolvent M(z): what they share.

An equation (`MatrixDyson`, `FreePencil`) has coordinates u of its self-energy; in them M is
explicit and the equation a system of analytic equations, `MatrixSystem`. The Stieltjes transform of
the law is a corner or a trace of M. `ResolventEquation` states solutions with their accuracy; how a
solution is found is the business of each equation.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> semicircle = MatrixDyson(np.zeros((1, 1)), lambda m: m)
>>> isinstance(semicircle, ResolventEquation)
True
>>> solution = semicircle.solve(0.5 + 0.1j)
>>> bool(solution.error < 1e-14)
True
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.small_matrices import eigenvalues_or_nan
from rmtland.laws.pointwise import upper_half_plane
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import ArrayLike, Complex, Integer, Logical, Real, Values

__all__ = ["MatrixSystem", "ResolventEquation", "Solved", "upper_log", "upper_log_determinant"]


@dataclass(frozen=True)
class MatrixSystem:
    """The equation in coordinates at n points: what Newton's method needs, in plain NumPy.

    Parameters
    ----------
    matrices : ndarray, shape (n, k, k) or (n, k)
        M; its diagonal where all matrices are diagonal.
    defect : ndarray, shape (n, r)
        u - phi(M).
    jacobian : ndarray, shape (n, r, r)
        Derivative of the defect in u.
    slope : ndarray, shape (n, r)
        Minus the derivative of the defect in z.
    terms : ndarray, shape (n, r)
        Sums of the moduli of the terms of the defect.
    """

    matrices: Complex
    defect: Complex
    jacobian: Complex
    slope: Complex
    terms: Real


class Solved(NamedTuple):
    """Solutions at n points: coordinates, M, whether each was accepted, steps, relative defect."""

    coordinates: Complex
    matrices: Complex
    accepted: Logical
    steps: Integer
    defects: Real


class ResolventEquation(abc.ABC):
    """An equation for M(z) in the closed upper half-plane, with G a corner or a trace of M."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """The size k of M."""

    @property
    @abc.abstractmethod
    def scale(self) -> float:
        """Bound, or guess, of the radius of the spectrum."""

    @abc.abstractmethod
    def solutions(self, z: Complex) -> Solved:
        """Solve at points z, shape (n,), of the closed upper half-plane."""

    @abc.abstractmethod
    def system(self, z: Complex, u: Complex) -> MatrixSystem:
        """Return the equation in coordinates u, shape (n, r), at points z, shape (n,)."""

    @abc.abstractmethod
    def trace(self, m: Complex) -> Complex:
        """G of matrices M."""

    @abc.abstractmethod
    def derivative(self, z: Complex, u: Complex) -> tuple[Complex, Complex]:
        """G and its derivative at solved points."""

    @abc.abstractmethod
    def log_potential(self, z: Complex, u: Complex) -> Complex:
        """Logarithmic potential at solved points, up to a constant and whole turns."""

    @abc.abstractmethod
    def error_of_matrix(self, z: Complex, u: Complex) -> Real:
        """Bound of the error of the entries of M at solved points, from defect and rounding."""

    @abc.abstractmethod
    def error_of_trace(self, error: Real) -> Real:
        """Error of G from that of the entries of M."""

    def error_of_value(self, z: Complex, u: Complex) -> Real:
        """Bound of the error of G at solved points, by that of the entries of M.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        u : ndarray of complex, shape (n, r)
            Solutions there.

        Returns
        -------
        ndarray of float, shape (n,)
            Bounds, to first order in the defect and rounding.
        """
        return self.error_of_trace(self.error_of_matrix(z, u))

    def as_matrices(self, m: Complex) -> Complex:
        """M as matrices (n, k, k), where diagonals may be stored as vectors.

        Parameters
        ----------
        m : ndarray of complex, shape (n, k, k) or (n, k)
            Matrices, or diagonals.

        Returns
        -------
        ndarray of complex, shape (n, k, k)
            Matrices.
        """
        return m if m.ndim == 3 else m[..., None] * np.eye(self.size)

    def solve(self, z: ArrayLike, *, throw: bool = True) -> Solution:
        """Solve for M and report how far it may be trusted.

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane, any shape; real points mean x + i0.
        throw : bool
            Whether to raise if a point is not solved.

        Returns
        -------
        Solution
            `value` is M, shape (..., k, k); `residual` the defect of the equation relative to its
            terms; `error` a bound of the error of any entry of M, to first order in the defect
            and rounding; `steps` Newton steps, those of the continuation included. NaN where
            there is no solution, as at an atom.

        Raises
        ------
        ConvergenceError
            If a point is not solved and `throw` is true.
        """
        flat, shape = upper_half_plane(z)
        u, m, accepted, steps, defect = self.solutions(flat)
        if throw:
            self._require(flat, accepted)
        error = np.full(flat.shape, np.inf)
        if accepted.any():
            error[accepted] = self.error_of_matrix(flat[accepted], u[accepted])
        values = np.where(accepted[:, None, None], self.as_matrices(m), np.nan)
        return Solution(
            values.reshape(*shape, self.size, self.size),
            Status.CONVERGED if accepted.all() else Status.NOT_CONVERGED,
            np.where(accepted, defect, np.inf).reshape(shape),
            steps.reshape(shape),
            error.reshape(shape),
        )

    def stieltjes(self, z: ArrayLike) -> Values:
        """G(z) on the closed upper half-plane.

        Parameters
        ----------
        z : array_like of complex
            Points, any shape; real points mean x + i0.

        Returns
        -------
        complex or ndarray of complex
            Values of G, of the shape of z.

        Raises
        ------
        ConvergenceError
            If a point is not solved, as at an atom.
        """
        flat, shape = upper_half_plane(z)
        solved = self.solutions(flat)
        self._require(flat, solved.accepted)
        value = self.trace(solved.matrices).reshape(shape)
        return value if shape else value.item()

    @staticmethod
    def _require(z: Complex, accepted: Logical) -> None:
        if not accepted.all():
            raise ConvergenceError(
                f"no solution with Im M <= 0 found at z = {z[~accepted][0]}: an atom, or a "
                "point where the density is unbounded; add an imaginary part"
            )


def upper_log(w: Complex) -> Complex:
    """Logarithm of points of the closed upper half-plane; rounding below it is undone."""
    angle = np.arctan2(np.abs(w.imag), w.real)  # -0.0 is on the real axis from above, too
    turn = np.where(w.imag >= 0, angle, np.where(w.real < 0, np.pi, 0.0))
    return np.asarray(np.log(np.abs(w)) + 1j * turn)


def upper_log_determinant(w: Complex) -> Complex:
    """Sum of the logarithms of the eigenvalues of matrices, all in the closed upper half-plane.

    The eigenvalues say how many whole turns there are, the determinant the rest: where the entries
    of a matrix are of very different sizes, small eigenvalues have fewer digits than it.

    Parameters
    ----------
    w : ndarray of complex, shape (n, k, k)
        Matrices.

    Returns
    -------
    ndarray of complex, shape (n,)
        Sums of principal logarithms.
    """
    total = upper_log(eigenvalues_or_nan(w)).sum(axis=1)
    if w.shape[-1] == 1:
        return np.asarray(total)
    with np.errstate(all="ignore"):
        sign, size = np.linalg.slogdet(w)
        angle = np.angle(sign)
        turns = np.round((total.imag - angle) / (2 * np.pi))
        exact = size + 1j * (angle + 2 * np.pi * turns)
    return np.asarray(np.where(np.isfinite(exact), exact, total))
