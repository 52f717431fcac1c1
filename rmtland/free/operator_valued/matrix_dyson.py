r"""The matrix Dyson equation (MDE): resolvents of Gaussian random matrices with structure.

For a random matrix whose fluctuations are Gaussian with the covariance map
:math:`S[M] = E (X M X)` around the mean A, the resolvent is asymptotically the solution of

.. math:: M(z) = (z P - A - S[M(z)])^{-1}, \qquad \operatorname{Im} M \le 0
          \text{ for } \operatorname{Im} z > 0, \qquad
          G(z) = \langle P M(z) \rangle / \langle P \rangle .

Signs are those of `rmtland.laws.law`: Im G < 0, density = -Im G(x + i0)/pi (much of the literature
writes -1/M = z - A + S[M] for the M of opposite sign). Here A and P >= 0 are Hermitian of size k,
P = 1 unless the equation is a *linearisation*, where P projects on the block whose resolvent is
wanted; <.> is a trace with weights, one for each block row: the sizes of the blocks. S must be
symmetric in it, <B S[C]> = <S[B] C>, and completely positive.

The solution with Im M <= 0 is unique [1]_. It is followed from large Im z by Newton's method, each
step of which is checked, down to the real axis itself, never to an offset from it. A Hermitian
solution (off the support) is accepted if -dM/dx is positive, which holds on the physical sheet
only: the map M S[.] M is positive, and its spectral radius is below 1 exactly if
(1 - M S[.] M)^{-1} keeps matrices positive. At an edge of the support that spectral radius is 1.

The range of S, as far as the equation reaches it, is found numerically; in coordinates u of it,
S[M] = sum u_a E_a, Newton's method is r-dimensional: r = 2 for the 3 x 3 linearisation of
Marchenko-Pastur + semicircle. The distribution function needs no quadrature:

.. math:: L(z) = \bigl\langle \log(z P - A - S[M]) + \tfrac12 M S[M] \bigr\rangle, \qquad
          L' = \langle P M \rangle,

since the variation in M vanishes: <M (-S[dM])> + <(dM) S[M]>/2 + <M S[dM]>/2 = 0.

References
----------
.. [1] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [2] J. Alt, L. Erdos and T. Kruger, The Dyson equation with linear self-energy: spectral bands,
       edges and cusps, Documenta Mathematica 25 (2020) 1421-1539.
.. [3] S. T. Belinschi, T. Mai and R. Speicher, Analytic subordination theory of operator-valued
       free additive convolution and the solution of a general random matrix problem, J. reine
       angew. Math. 732 (2017) 21-53.

Examples
--------
The semicircle law of variance 1 as the simplest equation:

>>> import numpy as np
>>> semicircle = MatrixDyson(np.zeros((1, 1)), lambda m: m)
>>> abs(semicircle.stieltjes(0.0) + 1j) < 1e-15
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import dense_array, points
from rmtland.free.operator_valued.dyson_coordinates import DysonCoordinates, full_matrix
from rmtland.free.operator_valued.resolvent_equation import (
    MatrixSystem,
    Solved,
    upper_log,
    upper_log_determinant,
)
from rmtland.free.operator_valued.self_energy import Covariance, checked_covariance
from rmtland.free.operator_valued.small_matrices import (
    eigensystem_or_nan,
    inverse_or_nan,
    pseudoinverse_or_nan,
    solve_or_nan,
)
from rmtland.typing import Complex, NumpyArray, Real

__all__ = ["MatrixDyson"]


@dataclass(frozen=True, eq=False)
class MatrixDyson(DysonCoordinates):
    """A matrix Dyson equation M = (z P - A - S[M])^{-1}.

    .. formula:: Matrix Dyson equation (MDE), :math:`M^{-1} = zP - A - S[M]`

    Parameters
    ----------
    mean : array_like, shape (k, k)
        A, Hermitian; shape (k,) stands for a diagonal matrix.
    covariance : callable or array_like of shape (k, k)
        S: a function of arrays (..., k, k), linear and completely positive; or a matrix s of
        entries >= 0, S[M] = diag(sum over j of s_ij M_jj): entries that are all independent, with
        s_ij the variance of an entry times the number of columns of its block.
    pencil : array_like, shape (k, k) or (k,), optional
        P, Hermitian and positive semi-definite; the identity by default.
    weights : array_like, shape (k,), optional
        Relative sizes of the block rows, > 0; equal by default.

    Raises
    ------
    ValueError
        If a shape does not fit, a matrix is not Hermitian, P or a weight is not positive, or S
        is not symmetric in the weighted trace.
    TypeError
        If `weights` holds no real numbers.

    See Also
    --------
    rmtland.free.block_gaussian : laws of block matrices.
    rmtland.models.DysonHessian : of the Hessian of a network.
    """

    mean: NumpyArray
    covariance: Covariance | NumpyArray
    pencil: NumpyArray | None = None
    weights: NumpyArray | None = None

    def __post_init__(self) -> None:
        mean = _hermitian("mean", self.mean)
        k = mean.shape[0]
        pencil = np.ones(k) if self.pencil is None else _hermitian("pencil", self.pencil)
        weights = np.ones(k) if self.weights is None else points("weights", self.weights).copy()
        if pencil.shape[0] != k or weights.shape != (k,):
            raise ValueError(
                f"pencil and weights must be of the size of the mean, {k}; got shapes "
                f"{pencil.shape} and {weights.shape}"
            )
        if not (np.isfinite(weights).all() and weights.min() > 0):
            raise ValueError(f"weights must be positive; got {weights}")
        lowest = float((pencil if pencil.ndim == 1 else np.linalg.eigvalsh(pencil)).min())
        if lowest < -1e-12 * np.abs(pencil).max() or not np.abs(pencil).max() > 0:
            raise ValueError(
                f"the pencil must be positive semi-definite; its least eigenvalue is {lowest}"
            )
        covariance = checked_covariance(self.covariance, k, weights / weights.sum())
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "pencil", pencil)
        object.__setattr__(self, "weights", weights / weights.sum())

    def system(self, z: Complex, u: Complex, *, regular: float = 0.0) -> MatrixSystem:
        """Return the equation in coordinates at points z, shape (n,), and u, shape (n, r).

        `regular` puts P + regular (1 - P) in the place of P.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        u : ndarray of complex, shape (n, r)
            Coordinates of S[M] there.
        regular : float
            Weight of 1 - P.

        Returns
        -------
        MatrixSystem
            Defect, Jacobian and the matrices at the points.
        """
        pencil, mean, basis, functionals = self.arrays
        if self.is_diagonal:
            pencil = pencil + regular * (1 - pencil)
            m = 1 / (z[:, None] * pencil - mean - u @ basis)
            weighted = functionals[None] * (m**2)[:, None, :]
            jacobian = np.eye(len(basis)) - weighted @ basis.T
            slope = -(weighted @ pencil)
            pieces = functionals[None] * m[:, None, :]
            value, sizes = pieces.sum(axis=-1), np.abs(pieces).sum(axis=-1)
        else:
            pencil = pencil + regular * (np.eye(self.size) - pencil)
            w = z[:, None, None] * pencil - mean - np.tensordot(u, basis, axes=1)
            m = inverse_or_nan(w)
            moved = m[:, None] @ basis[None] @ m[:, None]
            jacobian = np.eye(len(basis)) - np.einsum("apq,nbpq->nab", functionals, moved)
            slope = -np.einsum("apq,npq->na", functionals, m @ pencil @ m)
            pieces = functionals[None] * m[:, None]
            value, sizes = pieces.sum(axis=(-2, -1)), np.abs(pieces).sum(axis=(-2, -1))
        return MatrixSystem(m, u - value, jacobian, slope, np.abs(u) + sizes)

    @cached_property
    def _top(self) -> tuple[Complex, float]:
        """Solution at a point high above 0, by Newton from a problem that contracts."""
        height = 4 * self.scale
        z = np.array([1j * height])
        u = np.zeros((1, len(self.arrays[2])), dtype=np.complex128)
        singular = float(np.abs(full_matrix(self.pencil) - np.eye(self.size)).max()) > 0
        ladder = [*np.geomspace(1.0, 1e-8, 25), 0.0] if singular else [0.0]
        for i, regular in enumerate(ladder):
            for _ in range(200 if i == 0 else 0):
                u = u - self.system(z, u, regular=regular).defect / 2
            for _ in range(30):
                system = self.system(z, u, regular=regular)
                step = solve_or_nan(system.jacobian, system.defect[..., None])[..., 0]
                u = u - step
                if np.abs(step).max(initial=0.0) <= 1e-15 * np.abs(u).max(initial=0.0):
                    break
        return u[0], height

    def solutions(self, z: Complex) -> Solved:
        """Solve at points, each from its neighbour or from above.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points with Im z >= 0.

        Returns
        -------
        Solved
            Solutions in the order of the points; `accepted` says which of them count.
        """
        from rmtland.free.operator_valued.matrix_dyson_kernels import (
            follow,  # numba loads at first use
        )

        top, height = self._top
        order = np.lexsort((z.real, z.imag))
        found = follow(z[order], top, height, *self.arrays)
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return Solved(*(part[back] for part in found))

    # Results ---------------------------------------------------------------------------------

    def error_of_matrix(self, z: Complex, u: Complex) -> Real:
        """Bound of the error of M from the defect and the rounding of the equation.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        u : ndarray of complex, shape (n, r)
            Coordinates of S[M] there, as solved.

        Returns
        -------
        ndarray of float, shape (n,)
            Bound in the Frobenius norm.
        """
        pencil, mean, basis, _ = self.arrays
        system = self.system(z, u)
        axes = (-2, -1) if system.matrices.ndim == 3 else (-1,)
        m = np.sqrt((np.abs(system.matrices) ** 2).sum(axis=axes))
        sizes = np.sqrt((np.abs(basis) ** 2).sum(axis=axes))
        w = np.abs(z) * np.linalg.norm(pencil) + np.linalg.norm(mean) + np.abs(u) @ sizes
        terms = np.abs(system.defect) + 2e-16 * (4 + m * w)[:, None] * system.terms
        if terms.shape[1]:
            inverse = np.abs(pseudoinverse_or_nan(system.jacobian))
            shift = (inverse @ terms[..., None])[..., 0] @ sizes
        else:
            shift = np.zeros(len(z))
        return np.asarray(2 * m**2 * (shift + 2e-16 * (4 + self.size) * w))

    @cached_property
    def trace_weight(self) -> float:
        """The trace <P>, by which G is divided."""
        return float(np.asarray(self.weights) @ np.diagonal(full_matrix(self.pencil)).real)

    def trace(self, m: Complex) -> Complex:
        """<P M> / <P> of matrices (n, k, k), or of diagonals (n, k) where M is diagonal.

        Parameters
        ----------
        m : ndarray of complex, shape (n, k, k) or (n, k)
            Matrices, or diagonals.

        Returns
        -------
        ndarray of complex, shape (n,)
            Normalised traces.
        """
        pencil = self.arrays[0]
        weights = np.asarray(self.weights)
        if m.ndim == 2:
            return np.asarray(m @ (weights * pencil / (weights @ pencil)))
        full = full_matrix(pencil)
        total = weights @ np.diagonal(full)
        return np.asarray(np.einsum("i,ij,nji->n", weights / total, full, m))

    def error_of_trace(self, error: Real) -> Real:
        """Bound of the error of <P M> / <P> from that of the entries of M.

        Parameters
        ----------
        error : array_like of float
            Errors of the entries of M, any shape.

        Returns
        -------
        ndarray of float
            Errors of the normalised trace, in the shape of `error`.
        """
        weights = np.asarray(self.weights)[:, None] * np.abs(full_matrix(self.pencil))
        return np.asarray(error) * max(1.0, float(weights.sum() / np.trace(weights)))

    def derivative(self, z: Complex, u: Complex) -> tuple[Complex, Complex]:
        """G and dG/dz at solved points.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        u : ndarray of complex, shape (n, r)
            Coordinates of S[M] there, as solved.

        Returns
        -------
        (ndarray of complex, ndarray of complex), shape (n,) each
            G and its derivative; NaN where the linear system is singular.
        """
        pencil, _, basis, _ = self.arrays
        system = self.system(z, u)
        du = solve_or_nan(system.jacobian, system.slope[..., None])[..., 0]
        m = system.matrices
        if self.is_diagonal:
            return self.trace(m), self.trace(-(m**2) * (pencil - du @ basis))
        inner = pencil - np.tensordot(du, basis, axes=1)
        return self.trace(m), self.trace(-(m @ inner @ m))

    def log_potential(self, z: Complex, u: Complex) -> Complex:
        """<log(z P - A - S[M]) + M S[M]/2> / <P> at solved points: its derivative is G.

        For P = 1 it is log z + O(1/z) at infinity; for a linearisation it differs from that by a
        constant.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        u : ndarray of complex, shape (n, r)
            Coordinates of S[M] there, as solved.

        Returns
        -------
        ndarray of complex, shape (n,)
            Values at the points.
        """
        pencil, mean, basis, _ = self.arrays
        weights = np.asarray(self.weights)
        if self.is_diagonal:
            energy = u @ basis
            w = z[:, None] * pencil - mean - energy
            return np.asarray((upper_log(w) + energy / w / 2) @ weights / (weights @ pencil))
        energy = np.tensordot(u, basis, axes=1)
        w = z[:, None, None] * pencil - mean - energy
        total = weights @ np.diagonal(pencil)
        second = np.einsum("i,nij,nji->n", weights, inverse_or_nan(w), energy) / 2
        if np.ptp(weights) == 0:
            logs = upper_log_determinant(w) / w.shape[1]
        else:
            values, vectors = eigensystem_or_nan(w)
            rows = np.einsum("i,nij,nji->nj", weights, vectors, inverse_or_nan(vectors))
            logs = np.sum(rows * upper_log(values), axis=1)
        return np.asarray((logs + second) / total)


def _hermitian(name: str, value: ArrayLike) -> NumpyArray:
    """Return a Hermitian matrix, as a vector if it is diagonal."""
    array = np.array(dense_array(name, value))
    if array.dtype.kind not in "iufcb":
        raise TypeError(f"{name} must be a matrix of numbers; got dtype {array.dtype}")
    array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    if array.size == 0 or not (array.ndim == 1 or square):
        raise ValueError(f"{name} must be a square matrix or a diagonal; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    full = full_matrix(array)
    if np.abs(full - full.conj().T).max() > 1e-12 * np.abs(full).max():
        raise ValueError(f"{name} must be Hermitian")
    diagonal = np.diagonal(full)
    return diagonal.real.copy() if np.array_equal(full, np.diag(diagonal)) else array
