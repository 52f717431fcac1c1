r"""Linear pencils in free variables of any laws: operator-valued subordination.

The matrix M(z) is the conditional expectation of the resolvent of a pencil,

.. math:: M(z) = E\bigl[(z P - a_0 - \sum_j a_j \otimes x_j)^{-1}\bigr]
          = \Bigl(z P - a_0 - \sum_j \Sigma_j\Bigr)^{-1},

with free x_j. Written :math:`a_j = V_j D_j V_j^*` with D_j invertible, of the size of the rank of
a_j, the self-energy is :math:`V_j \Sigma_j V_j^*` and depends on M through
:math:`m_j = V_j^* M V_j` alone. For a law with a rational R-transform (semicircle of variance v,
jumps t of rates c) it is explicit, for a circular variable as well; for any other law mu it is the
operator-valued subordination of [1]_,

.. math::
    \Sigma_j &= v D m D + \sum c \, t \, D (1 - t \, m D)^{-1}, \\
    \Sigma_j &= w - F(w)^{-1}, \qquad w = m^{-1} + \Sigma_j, \qquad
    F(w) = \int (w - D t)^{-1} \mu(dt) = G_\mu(D^{-1} w) D^{-1} .

The last is exact: a function of a matrix of the size of D, with G on both half-planes. The fixed
point with Im M <= 0, Im w >= 0 is unique [1]_; it is followed by Newton's method from large Im z to
the real axis itself, as in `rmtland.free.operator_valued.matrix_dyson`.

No quadrature is needed for the distribution function, either: with tr the plain trace

.. math::
    L(z) = \operatorname{tr} \log (z P - a_0 - \Sigma) + \sum_j \Bigl[ \int \operatorname{tr}
    \log (w_j - D_j t) \, \mu_j(dt) - \operatorname{tr} \log m_j^{-1} \Bigr], \qquad L' = M_{11},

where an explicit part contributes tr(m S(m))/2 for its semicircle and
:math:`\operatorname{tr} m \Sigma + c \operatorname{tr} \log(1 - t m D)` for a jump.

References
----------
.. [1] S. T. Belinschi, T. Mai and R. Speicher, Analytic subordination theory of operator-valued
       free additive convolution and the solution of a general random matrix problem, J. reine
       angew. Math. 732 (2017) 21-53.

Examples
--------
A sum as a pencil of size one: the arcsine law from two signs.

>>> import numpy as np
>>> from rmtland.laws import Discrete
>>> sign = Discrete((-1.0, 1.0), (0.5, 0.5))
>>> pencil = FreePencil(np.zeros((1, 1)), [law_part(np.eye(1), sign), law_part(np.eye(1), sign)])
>>> abs(complex(pencil.stieltjes(1.0)) + 1j / np.sqrt(3)) < 1e-14
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from rmtland.free.operator_valued.pencil_arrays import PencilArrays
from rmtland.free.operator_valued.pencil_continuation import PencilContinuation
from rmtland.free.operator_valued.pencil_newton import PencilNewton
from rmtland.free.operator_valued.pencil_parts import Part, circular_part, law_part, levy_part
from rmtland.free.operator_valued.resolvent_equation import (
    MatrixSystem,
    ResolventEquation,
    Solved,
    upper_log_determinant,
)
from rmtland.free.operator_valued.small_matrices import (
    inverse_or_nan,
    pseudoinverse_or_nan,
    solve_or_nan,
)
from rmtland.typing import Complex, Real

__all__ = ["FreePencil", "Part", "circular_part", "law_part", "levy_part"]


@dataclass(frozen=True, eq=False)
class FreePencil(ResolventEquation):
    """The equation of a linear pencil in free variables, P = e_1 e_1*.

    Parameters
    ----------
    constant : array_like, shape (k, k)
        a_0, Hermitian, such that it is invertible without its first row and column.
    parts : sequence of Part
        The free variables: `levy_part`, `law_part`, `circular_part`. All but the first row and
        column of a_0 must come from a linearisation: invertible however small the variables are.
    radius : float, optional
        A bound of the spectrum of the operator in the corner; found if it is not given.
    """

    constant: Complex
    parts: Sequence[Part]
    radius: float | None = None

    def __post_init__(self) -> None:
        constant = np.array(self.constant, dtype=np.complex128)
        if constant.ndim != 2 or constant.shape[0] != constant.shape[1] or not constant.size:
            raise ValueError(f"constant must be a square matrix; got shape {constant.shape}")
        if not np.allclose(constant, constant.conj().T, rtol=1e-12, atol=0):
            raise ValueError("constant must be Hermitian")
        for part in self.parts:
            if part.frame.shape[0] != constant.shape[0]:
                raise ValueError(f"a part of size {part.frame.shape[0]}, not {constant.shape[0]}")
        object.__setattr__(self, "constant", constant)
        object.__setattr__(self, "parts", tuple(self.parts))

    @property
    def size(self) -> int:
        """The size k of M."""
        return int(self.constant.shape[0])

    @property
    def mean_matrix(self) -> Complex:
        """a_0, shape (k, k)."""
        return self.constant

    @cached_property
    def scale(self) -> float:
        """Bound, or guess, of the norm of the operator in the corner."""
        return 1.0 if self.radius is None else self.radius

    # The equation ----------------------------------------------------------------------------

    @cached_property
    def _newton(self) -> PencilNewton:
        return PencilNewton(self.constant, self.parts)

    @cached_property
    def _continuation(self) -> PencilContinuation:
        return PencilContinuation(self._newton, self.scale)

    @property
    def arrays(self) -> PencilArrays:
        """The pencil as arrays, with its coordinates."""
        return self._newton.arrays

    @cached_property
    def _spans(self) -> list[slice]:
        return [slice(low, high) for low, high in pairwise(self.arrays.starts.tolist())]

    def _inverse_of_m(self, z: Complex, sigma: Complex) -> Complex:
        w = -self.constant - self.arrays.frames @ sigma @ self.arrays.adjoint
        w[:, 0, 0] += z
        return np.asarray(w)

    def system(self, z: Complex, u: Complex) -> MatrixSystem:
        """Return the equation at points z, shape (n,), and coordinates u, shape (n, d)."""
        return self._newton.system(z, u)

    def reference_system(self, z: Complex, u: Complex) -> MatrixSystem:
        """Return `system` in plain NumPy."""
        arrays, basis = self.arrays, self.arrays.basis()
        n, d = u.shape
        sigma = arrays.energies(u)
        m = inverse_or_nan(self._inverse_of_m(z, sigma))
        x = arrays.adjoint @ m @ arrays.frames
        moved = x[:, None] @ basis[None] @ x[:, None]
        corner = -(arrays.adjoint @ m[:, :, :1]) @ (m[:, :1, :] @ arrays.frames)
        moved = np.concatenate([moved, corner[:, None]], axis=1)
        value, change = np.zeros_like(x), np.zeros_like(moved)
        terms = np.empty((n, d))
        for j, (part, span) in enumerate(zip(self.parts, self._spans, strict=True)):
            inner, own = x[:, span, span], sigma[:, span, span]
            value[:, span, span], of_m, of_sigma = part.energy(inner, own, 1.0)
            change[:, :, span, span] = of_m(moved[:, :, span, span])
            if of_sigma is not None:
                here = np.broadcast_to(basis[:, span, span], (n, d, part.rank, part.rank))
                change[:, :d, span, span] += of_sigma(here)
            size = _largest(value[:, span, span]) + _largest(own)
            point = part.inner(inner, own)
            if point is not None:
                size = size + _largest(point)
            terms[:, arrays.owners == j] = size[:, None]
        columns = arrays.coordinates(change.reshape(-1, *x.shape[1:])).reshape(n, d + 1, d)
        return MatrixSystem(
            m,
            u - arrays.coordinates(value),
            np.eye(d) - columns[:, :d].swapaxes(1, 2),
            columns[:, d],
            terms,
        )

    def solutions(self, z: Complex) -> Solved:
        """Solve at points: along the axis from known ones, or from above."""
        found = self._continuation.solutions(z)
        return Solved(found.coordinates, found.matrices, found.accepted, found.steps, found.defects)

    # Results ---------------------------------------------------------------------------------

    def _uncertainty(self, z: Complex, u: Complex) -> tuple[MatrixSystem, Real, Real]:
        """Return the equation, the error of its defect, rounding included, and the size of M^-1."""
        system = self.system(z, u)
        norm = np.linalg.norm(system.matrices, axis=(1, 2))
        energies = self.arrays.energies(u)
        w = np.linalg.norm(self._inverse_of_m(z, energies), axis=(1, 2)) + np.abs(z)
        w = w + np.linalg.norm(self.constant)
        blurred = 1e-15 * (4 + norm * w)
        terms = np.abs(system.defect) + blurred[:, None] * system.terms
        for j, (part, span) in enumerate(zip(self.parts, self._spans, strict=True)):
            sigma, own = energies[:, span, span], self.arrays.owners == j
            inner = part.frame.conj().T @ system.matrices @ part.frame
            terms[:, own] += part.rounding(inner, sigma)[:, None]
            _, slope, _ = part.energy(inner, sigma, 1.0)
            unit = np.eye(part.rank, dtype=np.complex128)[None, None]
            moved = slope(np.broadcast_to(unit, (len(z), 1, part.rank, part.rank)))
            reach = np.linalg.norm(moved, axis=(2, 3))[:, 0] * np.linalg.norm(inner, axis=(1, 2))
            terms[:, own] += (blurred * reach)[:, None]
        return system, terms, w

    def error_of_matrix(self, z: Complex, u: Complex) -> Real:
        """Bound of the error of M from the defect and the rounding of the equation."""
        system, terms, w = self._uncertainty(z, u)
        norm = np.linalg.norm(system.matrices, axis=(1, 2))
        inverse = np.abs(pseudoinverse_or_nan(system.jacobian))
        shift = (inverse @ terms[..., None])[..., 0].sum(axis=1)
        return np.asarray(2 * norm**2 * (shift + 4e-16 * (4 + self.size) * w))

    def error_of_value(self, z: Complex, u: Complex) -> Real:
        """Bound of the error of G = M_11: each coordinate's error times what it moves G by.

        With dG = M_1. V (dSigma) V* M_.1 and du = J^-1 times the defect, the sensitivity of G to
        the defect is one solution of the transposed system.
        """
        system, terms, w = self._uncertainty(z, u)
        m, arrays = system.matrices, self.arrays
        left, right = m[:, 0, :] @ arrays.frames, m[:, :, 0] @ arrays.adjoint.T
        moved = np.einsum("nr,ars,ns->na", left, arrays.basis(), right)
        inverse = pseudoinverse_or_nan(system.jacobian)
        weight = np.abs((moved[:, None, :] @ inverse)[:, 0])
        own = np.linalg.norm(m[:, 0, :], axis=1) * np.linalg.norm(m[:, :, 0], axis=1)
        shift = (weight * terms).sum(axis=1)
        return np.asarray(2 * shift + 8e-16 * (4 + self.size) * own * w)

    def trace(self, m: Complex) -> Complex:
        """M_11 of matrices (n, k, k)."""
        return np.asarray(m[:, 0, 0])

    def error_of_trace(self, error: Real) -> Real:
        """Return the error of M_11, an entry of M."""
        return np.asarray(error)

    def derivative(self, z: Complex, u: Complex) -> tuple[Complex, Complex]:
        """G and dG/dz at solved points."""
        system = self.system(z, u)
        du = solve_or_nan(system.jacobian, system.slope[..., None])[..., 0]
        inner = -self.arrays.frames @ self.arrays.energies(du) @ self.arrays.adjoint
        inner[:, 0, 0] += 1
        m = system.matrices
        return m[:, 0, 0], -(m @ inner @ m)[:, 0, 0]

    def log_potential(self, z: Complex, u: Complex) -> Complex:
        """Return L at solved points, up to a constant: its derivative is G."""
        energies = self.arrays.energies(u)
        w = self._inverse_of_m(z, energies)
        x = self.arrays.adjoint @ inverse_or_nan(w) @ self.arrays.frames
        total = upper_log_determinant(w)
        for part, span in zip(self.parts, self._spans, strict=True):
            total = total + part.potential(x[:, span, span], energies[:, span, span])
        return np.asarray(total)


def _largest(blocks: Complex) -> Real:
    """Largest real or imaginary part of an entry of matrices (n, r, r)."""
    return np.asarray(np.maximum(np.abs(blocks.real), np.abs(blocks.imag)).max(axis=(1, 2)))
