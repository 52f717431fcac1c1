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
from typing import Any, NamedTuple

import numpy as np

from rmtland.free.operator_valued.pencil_parts import (
    CircularPart,
    LawPart,
    LevyPart,
    Part,
    circular_part,
    law_part,
    levy_part,
)
from rmtland.free.operator_valued.resolvent_equation import (
    MatrixSystem,
    ResolventEquation,
    Solved,
    upper_log,
)
from rmtland.free.operator_valued.small_matrices import (
    eigenvalues_or_nan,
    hermitian_eigenvalues_or_nan,
    inverse_or_nan,
    pseudoinverse_or_nan,
    solve_or_nan,
)
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Integer, Logical, Real

__all__ = ["FreePencil", "Part", "circular_part", "law_part", "levy_part"]

_NEWTON = 25
_DESCENTS = 80
_COARSE = 8
_REFINED = 5


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

    # Coordinates -----------------------------------------------------------------------------

    @cached_property
    def _bases(self) -> list[Complex]:
        """Orthonormal Hermitian matrices that span the Sigma_j; real ones where all is real."""
        real = not any(
            np.abs(array.imag).any()
            for array in [self.constant, *(a for p in self.parts for a in (p.frame, p.core))]
        )
        bases = []
        for part in self.parts:
            r = part.rank
            units = np.eye(r * r, dtype=np.complex128).reshape(r, r, r, r)
            above = [(i, j) for i in range(r) for j in range(i, r)]
            spanning = [units[i, j] + units[j, i] for i, j in above]
            if not real:
                spanning += [1j * (units[i, j] - units[j, i]) for i, j in above if i < j]
            units = np.array(spanning)
            units /= np.linalg.norm(units, axis=(1, 2))[:, None, None]
            bases.append(units)
        return bases

    @cached_property
    def _spans(self) -> list[slice]:
        ends = np.cumsum([0, *(len(basis) for basis in self._bases)])
        return [slice(low, high) for low, high in pairwise(ends.tolist())]

    @cached_property
    def _directions(self) -> Complex:
        """V B V* of all basis matrices, shape (d, k, k)."""
        found = [
            part.frame @ basis @ part.frame.conj().T
            for part, basis in zip(self.parts, self._bases, strict=True)
        ]
        return np.concatenate([np.zeros((0, self.size, self.size)), *found])

    def _energies(self, u: Complex) -> list[Complex]:
        return [
            np.tensordot(u[:, span], basis, axes=1)
            for span, basis in zip(self._spans, self._bases, strict=True)
        ]

    def _inverse_of_m(self, z: Complex, u: Complex) -> Complex:
        w = -self.constant - np.tensordot(u, self._directions, axes=1)
        w[:, 0, 0] += z
        return np.asarray(w)

    @cached_property
    def _arrays(self) -> _PencilArrays | None:
        """What the kernels take; None where a law has a block they do not know."""
        if any(isinstance(part, LawPart) and part.rank > 2 for part in self.parts):
            return None
        return _PencilArrays.of(self.parts, self._bases, self._spans)

    def system(self, z: Complex, u: Complex) -> MatrixSystem:
        """Return the equation at points z, shape (n,), and coordinates u, shape (n, d)."""
        return self._linearised(z, u, 1.0)[0]

    def _linearised(self, z: Complex, u: Complex, tau: float) -> tuple[MatrixSystem, Complex]:
        """Return the equation with variables times tau, and Newton's step and du/dz (n, d, 2)."""
        arrays = self._arrays
        if arrays is None:
            system = self.reference_system(z, u, tau=tau)
            both = np.stack([system.defect, system.slope], axis=-1)
            return system, solve_or_nan(system.jacobian, both)
        from rmtland.free.operator_valued import free_pencil_kernels as kernels

        n, d, k, r = *u.shape, self.size, arrays.frames.shape[1]
        z, u = np.ascontiguousarray(z), np.ascontiguousarray(u)
        cores, cores_inverse = tau * arrays.cores, arrays.cores_inverse / tau
        m = np.empty((n, k, k), dtype=np.complex128)
        x = np.empty((n, r, r), dtype=np.complex128)
        lifted = np.empty((n, r, r), dtype=np.complex128)
        zeta = np.ones((n, r), dtype=np.complex128)
        kernels.resolvents(
            z, u, self.constant, arrays.frames, arrays.basis, arrays.starts, arrays.kinds,
            cores_inverse, m, x, lifted, zeta,
        )  # fmt: skip
        g, slope = np.zeros_like(zeta), np.zeros_like(zeta)
        differences = np.zeros((n, len(self.parts)), dtype=np.complex128)
        for j, part in enumerate(self.parts):
            if isinstance(part, LawPart):
                span = slice(arrays.starts[j], arrays.starts[j + 1])
                points = zeta[:, span]
                values = part.transform(points)
                g[:, span], slope[:, span] = values
                if part.rank == 2:
                    differences[:, j] = part.differences(points, *values)[:, 0, 1]
        jacobian = np.empty((n, d, d), dtype=np.complex128)
        defect, change = np.empty((2, n, d), dtype=np.complex128)
        terms = np.empty((n, d))
        moves = np.empty((n, d, 2), dtype=np.complex128)
        kernels.linearised(
            u, m, x, lifted, zeta, g, slope, differences, arrays.frames, arrays.basis,
            arrays.starts, arrays.owners, arrays.kinds, cores, cores_inverse, arrays.variances,
            arrays.rates, arrays.jumps, jacobian, defect, change, terms, moves,
        )  # fmt: skip
        return MatrixSystem(m, defect, jacobian, change, terms), moves

    def reference_system(self, z: Complex, u: Complex, *, tau: float = 1.0) -> MatrixSystem:
        """Return `system` in plain NumPy, with variables times tau."""
        n, d = u.shape
        m = inverse_or_nan(self._inverse_of_m(z, u))
        defect = np.empty((n, d), dtype=np.complex128)
        jacobian = np.zeros((n, d, d), dtype=np.complex128)
        slope = np.empty((n, d), dtype=np.complex128)
        terms = np.empty((n, d))
        corner = -m[:, :, :1] @ m[:, :1, :]
        for part, basis, span, sigma in zip(
            self.parts, self._bases, self._spans, self._energies(u), strict=True
        ):
            dual = basis.conj().reshape(len(basis), -1).T
            left, right = part.frame.conj().T @ m, m @ part.frame
            inner = left @ part.frame
            value, of_m, of_sigma = part.energy(inner, sigma, tau)
            moved = left[:, None] @ self._directions[None] @ right[:, None]
            moved = np.concatenate([moved, (part.frame.conj().T @ corner @ part.frame)[:, None]], 1)
            change = (of_m(moved)).reshape(n, d + 1, -1) @ dual
            own = np.zeros((len(basis), d))
            own[:, span] = np.eye(len(basis))
            jacobian[:, span] = own - change[:, :d].swapaxes(1, 2)
            slope[:, span] = change[:, d]
            if of_sigma is not None:
                here = of_sigma(np.broadcast_to(basis, (n, *basis.shape)))
                jacobian[:, span, span] -= (here.reshape(n, len(basis), -1) @ dual).swapaxes(1, 2)
            defect[:, span] = u[:, span] - value.reshape(n, -1) @ dual
            size = np.linalg.norm(value, axis=(1, 2)) + np.linalg.norm(sigma, axis=(1, 2))
            point = part.inner(inner, sigma)
            if point is not None:
                size = size + np.linalg.norm(point, axis=(1, 2))
            terms[:, span] = size[:, None]
        return MatrixSystem(m, defect, jacobian, slope, terms)

    # Newton and continuation -----------------------------------------------------------------

    def _newton(self, z: Complex, u: Complex, *, tau: float = 1.0, limit: int = _NEWTON) -> Solved:
        """Newton's method at points: coordinates, M, acceptance, steps, relative defect."""
        n = z.size
        u = u.copy()
        m = np.zeros((n, self.size, self.size), dtype=np.complex128)
        accepted = np.zeros(n, dtype=np.bool_)
        steps = np.zeros(n, dtype=np.int64)
        defects = np.full(n, np.inf)
        best, stalls = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
        active = np.arange(n)
        for _ in range(limit):
            if not active.size:
                break
            with np.errstate(all="ignore"):
                system, moves = self._linearised(z[active], u[active], tau)
                size = np.max(np.abs(system.defect) / system.terms, axis=1, initial=0.0)
                largest = np.abs(system.matrices).max(axis=(1, 2))
            steps[active] += 1
            fine = np.isfinite(size) & np.isfinite(moves).all(axis=(1, 2))
            stalls[active] = np.where(size > best[active] / 2, stalls[active] + 1, 0)
            best[active] = np.fmin(best[active], size)
            rounding = np.minimum(1e-15 * (1 + largest * np.abs(z[active])), 1e-8)
            # Where a block of M is nearly singular rounding is larger; the error that is stated
            # for a solution includes what is left of the defect.
            stalled = stalls[active]
            small = np.where(stalled > 1, 1e-10, np.maximum(1e-12, rounding))
            done = fine & ((size < 1e-15) | ((stalled > 0) & (size < small)))
            if done.any():
                chosen = active[done]
                m[chosen], defects[chosen] = system.matrices[done], size[done]
                accepted[chosen] = self._physical(
                    z[chosen], u[chosen], moves[done, :, 1], system.matrices[done],
                    np.sqrt(rounding[done]),
                )  # fmt: skip
            go = fine & ~done & (stalls[active] <= 6)
            u[active[go]] -= moves[go, :, 0]
            active = active[go]
        return Solved(u, m, accepted, steps, defects)

    def _physical(self, z: Complex, u: Complex, du: Complex, m: Complex, blur: Real) -> Logical:
        """Whether Im M <= 0 and Im w >= 0, or M Hermitian and decreasing, w increasing, in z."""
        adjoint = m.conj().swapaxes(1, 2)
        sizes = np.abs(m).max(axis=(1, 2))
        imaginary = (adjoint - m) / 2j
        extent = np.abs(imaginary).max(axis=(1, 2))
        plane = (extent > 1e-9 * sizes) | (z.imag > 0)
        lowest = hermitian_eigenvalues_or_nan(imaginary)[:, 0]
        good = lowest >= -np.maximum(1e-9 * extent, blur * sizes)
        fall = -np.tensordot(du, self._directions, axes=1)
        fall[:, 0, 0] += 1
        fall = m @ fall @ m
        fall = (fall + fall.conj().swapaxes(1, 2)) / 2
        least = hermitian_eigenvalues_or_nan(fall)[:, 0]
        falling = least >= -np.maximum(1e-7, blur) * np.abs(fall).max(axis=(1, 2))
        good = np.where(plane, good, falling)
        for part, sigma, change in zip(
            self.parts, self._energies(u), self._energies(du), strict=True
        ):
            inner = part.frame.conj().T @ m @ part.frame
            w = part.inner(inner, sigma)
            if w is None:
                continue
            upward = hermitian_eigenvalues_or_nan((w - w.conj().swapaxes(1, 2)) / 2j)[:, 0]
            size = np.abs(w).max(axis=(1, 2))
            lifted = inverse_or_nan(inner)
            rise = lifted @ part.frame.conj().T @ fall @ part.frame @ lifted + change
            rise = (rise + rise.conj().swapaxes(1, 2)) / 2
            slope = hermitian_eigenvalues_or_nan(rise)[:, 0] / np.abs(rise).max(axis=(1, 2))
            good &= np.where(plane, upward >= -np.maximum(1e-9, blur) * size, slope >= -1e-7)
        return np.asarray(good)

    @cached_property
    def _top(self) -> tuple[Complex, float]:
        """Solution at a point high above 0: the variables grow from nothing."""
        height = 4 * self.scale
        for _ in range(60):
            u = self._grown(height)
            if u is not None:
                return u, height
            height *= 2
        raise ConvergenceError("no starting value found: is the constant part invertible?")

    def _grown(self, height: float) -> Complex | None:
        z = np.array([1j * height])
        u = np.zeros((1, len(self._directions)), dtype=np.complex128)
        tau, share = 0.0, 0.05
        for _ in range(400):
            if tau == 1.0:
                return np.asarray(u[0])
            trial = min(1.0, tau + share)
            start = u * (trial / tau) ** 2 if tau else self._small(z, trial)
            new, _, fine, _, _ = self._newton(z, start, tau=trial)
            if fine[0]:
                u, tau, share = new, trial, 1.6 * share
            else:
                share /= 3
                if share < 1e-6:
                    return None
        return None

    def _small(self, z: Complex, tau: float) -> Complex:
        """Sigma to second order in tau."""
        u = np.zeros((1, len(self._directions)), dtype=np.complex128)
        m = inverse_or_nan(self._inverse_of_m(z, u))
        for part, basis, span in zip(self.parts, self._bases, self._spans, strict=True):
            inner = part.frame.conj().T @ m @ part.frame
            part = part.to_second_order()
            value, _, _ = part.energy(inner, np.zeros_like(inner), tau)
            u[:, span] = value.reshape(1, -1) @ basis.conj().reshape(len(basis), -1).T
        return u

    def _descended(self, z: Complex) -> Solved:
        """Solve at points: sideways at the top, then down in steps that shrink where they fail."""
        top, height = self._top
        n = z.size
        place = np.full(n, 1j * height)
        share = np.ones(n)
        u = np.tile(top, (n, 1))
        m = np.zeros((n, self.size, self.size), dtype=np.complex128)
        accepted = np.zeros(n, dtype=np.bool_)
        steps = np.zeros(n, dtype=np.int64)
        defects = np.full(n, np.inf)
        aloft = z.real + 1j * np.maximum(height, z.imag)
        gate = np.full(n, 1e-7 * height)  # below which the rest is tried at once
        sideways = np.ones(n, dtype=np.bool_)
        active = np.arange(n)
        for _ in range(_DESCENTS):
            if not active.size:
                break
            goal = np.where(sideways[active], aloft[active], z[active])
            part, here = share[active], place[active]
            rest = here.imag - goal.imag
            level = goal.imag + rest * (1 - 0.9 * part)
            last = ~sideways[active] & (rest < gate[active])
            level = np.where(last, goal.imag, level)
            trial = np.where(
                sideways[active],
                np.where(part >= 1, goal, here + part * (goal - here)),
                goal.real + 1j * level,
            )
            new, matrices, fine, count, defect = self._newton(trial, u[active], limit=14)
            steps[active] += count
            won = active[fine]
            u[won], place[won], m[won] = new[fine], trial[fine], matrices[fine]
            defects[won] = defect[fine]
            share[won] = np.minimum(1.0, 2 * share[won])
            share[active[~fine & ~last]] /= 2
            gate[active[last]] *= 1e-2
            arrived = place[active] == goal
            finished = arrived & ((place[active] == z[active]) | ~sideways[active])
            accepted[active[finished]] = True
            sideways[active[arrived]] = False
            hopeless = place[active].imag - z[active].imag < 1e-16 * height
            active = active[~finished & ~hopeless & (share[active] > 1e-3)]
        return Solved(u, m, accepted, steps, defects)

    @cached_property
    def _table(self) -> tuple[Complex, Complex]:
        """Solved points on the real axis, from which others start: from coarse to fine."""
        size = _COARSE * 2**_REFINED
        x = 1.1 * self.scale * np.sin(np.linspace(-np.pi / 2, np.pi / 2, size + 1) + 1e-3)
        z = x.astype(np.complex128)
        u = np.zeros((z.size, len(self._directions)), dtype=np.complex128)
        fine = np.zeros(z.size, dtype=np.bool_)
        first = np.arange(0, size + 1, 2**_REFINED)
        found = self._descended(z[first])
        u[first], fine[first] = found.coordinates, found.accepted
        for level in range(_REFINED):
            step = 2 ** (_REFINED - 1 - level)
            new = np.arange(step, size, 2 * step)
            known = np.flatnonzero(fine)
            if not known.size:
                break
            found = self._from(z[new], z[known], u[known])
            lost = ~found.accepted
            if lost.any() and level < 2:
                _replace(found, lost, self._descended(z[new[lost]]))
            u[new], fine[new] = found.coordinates, found.accepted
        return z[fine], u[fine]

    def _from(self, z: Complex, known: Complex, values: Complex) -> Solved:
        """Newton's method from the nearest of known points on the real axis, in ascending order."""
        right = np.clip(np.searchsorted(known.real, z.real), 1, max(known.size - 1, 1))
        right = np.minimum(right, known.size - 1)
        left = np.maximum(right - 1, 0)
        nearest = np.where(np.abs(z - known[left]) <= np.abs(z - known[right]), left, right)
        return self._newton(z, values[nearest], limit=14)

    def solutions(self, z: Complex) -> Solved:
        """Solve at points: from a table of solved ones on the axis, or from above."""
        known, values = self._table
        if not known.size or not z.size:
            return self._descended(z)
        found = self._from(z, known, values)
        for _ in range(3):
            # Neighbours that were solved are closer than the table.
            lost = ~found.accepted
            near = np.flatnonzero(found.accepted)
            if not lost.any() or not near.size:
                break
            near = near[np.argsort(z[near].real, kind="stable")]
            again = self._from(z[lost], z[near], found.coordinates[near])
            _replace(found, lost, again)
            if not again.accepted.any():
                break
        lost = ~found.accepted
        if lost.any():
            _replace(found, lost, self._descended(z[lost]))
        return found

    # Results ---------------------------------------------------------------------------------

    def error_of_matrix(self, z: Complex, u: Complex) -> Real:
        """Bound of the error of M from the defect and the rounding of the equation."""
        system = self.system(z, u)
        norm = np.linalg.norm(system.matrices, axis=(1, 2))
        w = np.linalg.norm(self._inverse_of_m(z, u), axis=(1, 2)) + np.abs(z)
        w = w + np.linalg.norm(self.constant)
        blurred = 1e-15 * (4 + norm * w)
        terms = np.abs(system.defect) + blurred[:, None] * system.terms
        for part, span, sigma in zip(self.parts, self._spans, self._energies(u), strict=True):
            inner = part.frame.conj().T @ system.matrices @ part.frame
            terms[:, span] += part.rounding(inner, sigma)[:, None]
            _, slope, _ = part.energy(inner, sigma, 1.0)
            unit = np.eye(part.rank, dtype=np.complex128)[None, None]
            moved = slope(np.broadcast_to(unit, (len(z), 1, part.rank, part.rank)))
            terms[:, span] += (
                blurred * np.linalg.norm(moved, axis=(2, 3))[:, 0] * np.linalg.norm(inner)
            )[:, None]
        inverse = np.abs(pseudoinverse_or_nan(system.jacobian))
        shift = (inverse @ terms[..., None])[..., 0].sum(axis=1)
        return np.asarray(2 * norm**2 * (shift + 4e-16 * (4 + self.size) * w))

    def trace(self, m: Complex) -> Complex:
        """M_11 of matrices (n, k, k)."""
        return np.asarray(m[:, 0, 0])

    def error_of_trace(self, error: Any) -> Real:
        """Return the error of M_11, an entry of M."""
        return np.asarray(error)

    def derivative(self, z: Complex, u: Complex) -> tuple[Complex, Complex]:
        """G and dG/dz at solved points."""
        system = self.system(z, u)
        du = solve_or_nan(system.jacobian, system.slope[..., None])[..., 0]
        inner = -np.tensordot(du, self._directions, axes=1)
        inner[:, 0, 0] += 1
        m = system.matrices
        return m[:, 0, 0], -(m @ inner @ m)[:, 0, 0]

    def log_potential(self, z: Complex, u: Complex) -> Complex:
        """Return L at solved points, up to a constant: its derivative is G."""
        w = self._inverse_of_m(z, u)
        m = inverse_or_nan(w)
        total = upper_log(eigenvalues_or_nan(w)).sum(axis=1)
        for part, sigma in zip(self.parts, self._energies(u), strict=True):
            total = total + part.potential(part.frame.conj().T @ m @ part.frame, sigma)
        return np.asarray(total)


class _PencilArrays(NamedTuple):
    """All parts side by side, as the kernels take them."""

    frames: Complex
    basis: Complex
    starts: Integer
    owners: Integer
    kinds: Integer
    cores: Complex
    cores_inverse: Complex
    variances: Real
    rates: Real
    jumps: Real

    @classmethod
    def of(
        cls, parts: Sequence[Part], bases: Sequence[Complex], spans: Sequence[slice]
    ) -> _PencilArrays:
        """Collect the arrays of parts with their bases and spans of coordinates."""
        ranks = [part.rank for part in parts]
        starts = np.cumsum([0, *ranks])
        total, d = int(starts[-1]), spans[-1].stop
        basis = np.zeros((d, total, total), dtype=np.complex128)
        cores, inverses = np.zeros((2, total, total), dtype=np.complex128)
        owners, kinds = np.zeros(d, dtype=np.int64), np.zeros(len(parts), dtype=np.int64)
        most = max([len(part.jumps) for part in parts if isinstance(part, LevyPart)] + [1])
        variances, (rates, jumps) = np.zeros(len(parts)), np.zeros((2, len(parts), most))
        for j, (part, own, span) in enumerate(zip(parts, bases, spans, strict=True)):
            block = slice(starts[j], starts[j + 1])
            basis[span, block, block] = own
            cores[block, block] = part.core
            owners[span] = j
            if isinstance(part, CircularPart):
                kinds[j], variances[j] = 2, part.variance
                continue
            inverses[block, block] = np.linalg.inv(part.core)
            if isinstance(part, LevyPart):
                kinds[j], variances[j] = 1, part.variance
                rates[j, : len(part.rates)], jumps[j, : len(part.jumps)] = part.rates, part.jumps
        frames = np.ascontiguousarray(np.concatenate([part.frame for part in parts], axis=1))
        return cls(frames, basis, starts, owners, kinds, cores, inverses, variances, rates, jumps)


def _replace(found: Solved, places: Logical, others: Solved) -> None:
    for mine, theirs in zip(found, others, strict=True):
        mine[places] = theirs
