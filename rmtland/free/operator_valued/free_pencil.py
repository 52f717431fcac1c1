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

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.free.operator_valued.matrix_dyson import MatrixSystem, upper_log
from rmtland.laws.law import Law, upper_half_plane
from rmtland.laws.levy import LevyTriplet
from rmtland.solution import ConvergenceError, Solution, Status

__all__ = ["FreePencil", "Part", "circular_part", "law_part", "levy_part"]

Real = NDArray[Any]  # float64
Complex = NDArray[Any]  # complex128
Linear = Callable[[Complex], Complex]

_NEWTON = 25
_DESCENTS = 120
_TABLE = 257


@dataclass(frozen=True, eq=False)
class Part(abc.ABC):
    """What one free variable contributes: a_j = V D V*.

    Parameters
    ----------
    frame : ndarray of complex, shape (k, r)
        V.
    core : ndarray of complex, shape (r, r)
        D; for a circular variable any matrix, otherwise Hermitian and invertible.
    """

    frame: Complex
    core: Complex

    @property
    def rank(self) -> int:
        """The rank r."""
        return int(self.frame.shape[1])

    @abc.abstractmethod
    def energy(self, m: Complex, sigma: Complex, tau: float) -> tuple[Complex, Linear, Any]:
        """Sigma as a function of m (and of itself), and its derivatives in both.

        Shapes (n, r, r); the derivatives take directions (n, d, r, r). The last is None where
        Sigma is explicit. The variable is multiplied by tau.
        """

    @abc.abstractmethod
    def potential(self, m: Complex, sigma: Complex) -> Complex:
        """Return what the part adds to the logarithmic potential, shape (n,)."""

    def inner(self, m: Complex, sigma: Complex) -> Complex | None:
        """Return the subordination point w, None where the part is explicit."""
        return None

    def rounding(self, m: Complex, sigma: Complex) -> Real:
        """Bound of the rounding of `energy`, shape (n,)."""
        value, slope, _ = self.energy(m, sigma, 1.0)
        unit = np.eye(self.rank)[None, None] * np.linalg.norm(m, axis=(1, 2))[:, None, None, None]
        moved = np.linalg.norm(slope(unit.astype(np.complex128)), axis=(2, 3))[:, 0]
        return np.asarray(1e-15 * (np.linalg.norm(value, axis=(1, 2)) + moved))


@dataclass(frozen=True, eq=False)
class _LevyPart(Part):
    variance: float
    rates: tuple[float, ...]
    jumps: tuple[float, ...]

    def energy(self, m: Complex, sigma: Complex, tau: float) -> tuple[Complex, Linear, Any]:
        d = tau * self.core
        value = self.variance * d @ m @ d
        factors = []
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            ratio = d @ _inverse(np.eye(self.rank) - jump * m @ d)
            value = value + rate * jump * ratio
            factors.append((rate * jump**2, ratio[:, None]))

        def slope(dm: Complex) -> Complex:
            total = self.variance * d @ dm @ d
            for weight, ratio in factors:
                total = total + weight * ratio @ dm @ ratio
            return total

        return value, slope, None

    def potential(self, m: Complex, sigma: Complex) -> Complex:
        d = self.core
        total = self.variance / 2 * np.einsum("nij,nji->n", m @ d, m @ d)
        inverse = np.linalg.inv(d)
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            ratio = jump * d @ _inverse(np.eye(self.rank) - jump * m @ d)
            total = total + rate * np.einsum("nij,nji->n", m, ratio)
            # 1 - t m D = (D^-1/t - m) (t D), the first factor in the upper half-plane
            logs = upper_log(np.linalg.eigvals(inverse / jump - m)).sum(axis=1)
            real = upper_log(np.linalg.eigvalsh(inverse / jump).astype(np.complex128)).sum()
            total = total + rate * (logs - real)
        return np.asarray(total)


@dataclass(frozen=True, eq=False)
class _CircularPart(Part):
    variance: float

    def energy(self, m: Complex, sigma: Complex, tau: float) -> tuple[Complex, Linear, Any]:
        c = tau * self.core
        adjoint = c.conj().T

        def slope(dm: Complex) -> Complex:
            return self.variance * (c @ dm @ adjoint + adjoint @ dm @ c)

        return slope(m), slope, None

    def potential(self, m: Complex, sigma: Complex) -> Complex:
        c = self.core
        return np.asarray(self.variance * np.einsum("nij,nji->n", m @ c, m @ c.conj().T))


@dataclass(frozen=True, eq=False)
class _LawPart(Part):
    law: Law
    center: float

    def _points(self, w: Complex, tau: float) -> tuple[Complex, Complex, Complex]:
        """Eigenvalues and eigenvectors of D^-1 w, with the inverses of the latter."""
        a = np.linalg.inv(tau * self.core) @ w
        if self.rank == 1:
            one = np.ones_like(a)
            return a[:, :, 0], one, one
        values, vectors = np.linalg.eig(a)
        return values, vectors, _inverse(vectors)

    def _transform(self, zeta: Complex) -> tuple[Complex, Complex]:
        """G and G' of the centred law in both half-planes."""
        flat = zeta.ravel()
        with np.errstate(all="ignore"):
            g, slope = self.law._jet(flat.real + self.center + 1j * np.abs(flat.imag))
        below = flat.imag < 0
        g, slope = np.where(below, g.conj(), g), np.where(below, slope.conj(), slope)
        return g.reshape(zeta.shape), slope.reshape(zeta.shape)

    def _differences(self, zeta: Complex, g: Complex, slope: Complex) -> Complex:
        """First divided differences of G at pairs of eigenvalues."""
        gap = zeta[:, :, None] - zeta[:, None, :]
        middle = (slope[:, :, None] + slope[:, None, :]) / 2
        with np.errstate(all="ignore"):
            table = (g[:, :, None] - g[:, None, :]) / gap
            near = np.abs(gap) <= 3e-4 * np.abs(g / slope)[:, :, None]
        near |= gap == 0
        table[near] = middle[near]
        apart = near & (gap != 0)
        if apart.any():
            # Simpson's rule for the mean of G' between them
            mean = (zeta[:, :, None] + zeta[:, None, :]) / 2
            table[apart] = (middle[apart] + 2 * self._transform(mean[apart])[1]) / 3
        return np.asarray(table)

    def _cauchy(self, w: Complex, tau: float) -> tuple[Complex, Linear]:
        """F(w) and its derivative."""
        zeta, vectors, inverse = self._points(w, tau)
        g, slope = self._transform(zeta)
        table = self._differences(zeta, g, slope)
        back = np.linalg.inv(tau * self.core)
        if self.rank == 2:
            # Without eigenvectors, which may be nearly parallel
            a = back @ w
            mean = zeta.mean(axis=1)[:, None, None] * np.eye(2)
            value = g.mean(axis=1)[:, None, None] * np.eye(2) + table[:, :1, 1:] * (a - mean)
        else:
            value = (vectors * g[:, None, :]) @ inverse

        def derivative(dw: Complex) -> Complex:
            inner = inverse[:, None] @ (back @ dw) @ vectors[:, None]
            return np.asarray(vectors[:, None] @ (table[:, None] * inner) @ inverse[:, None] @ back)

        return value @ back, derivative

    def inner(self, m: Complex, sigma: Complex) -> Complex | None:
        return _inverse(m) + sigma

    def energy(self, m: Complex, sigma: Complex, tau: float) -> tuple[Complex, Linear, Any]:
        lifted = _inverse(m)
        w = lifted + sigma
        value, derivative = self._cauchy(w, tau)
        back = _inverse(value)

        def of_w(dw: Complex) -> Complex:
            return np.asarray(dw + back[:, None] @ derivative(dw) @ back[:, None])

        def slope(dm: Complex) -> Complex:
            return of_w(-lifted[:, None] @ dm @ lifted[:, None])

        return w - back, slope, of_w

    def potential(self, m: Complex, sigma: Complex) -> Complex:
        w = _inverse(m) + sigma
        zeta, vectors, _ = self._points(w, 1.0)
        # As many are in the upper half-plane as D has positive eigenvalues; a real one belongs to
        # that which it is about to leave to.
        negative = int(np.sum(np.linalg.eigvalsh(self.core) < 0))
        quadratic = np.einsum("nia,ij,nja->na", vectors.conj(), self.core, vectors).real
        slant = zeta.imag / np.abs(zeta)
        score = np.where(np.abs(slant) <= 1e-9, 1e-9 * np.tanh(quadratic), slant)
        upper = np.argsort(np.argsort(score, axis=1), axis=1) >= negative
        flat = zeta.ravel()
        logs = self.law._log_potential(flat.real + self.center + 1j * np.abs(flat.imag))
        logs = logs.reshape(zeta.shape)
        logs = np.where(upper, logs, logs.conj())
        total = np.log(abs(np.linalg.det(self.core))) + 1j * np.pi * negative + logs.sum(axis=1)
        return np.asarray(total - upper_log(1 / np.linalg.eigvals(m)).sum(axis=1))

    def rounding(self, m: Complex, sigma: Complex) -> Real:
        w = _inverse(m) + sigma
        zeta, vectors, inverse = self._points(w, 1.0)
        flat = zeta.ravel()
        solution = self.law.solve(flat.real + self.center + 1j * np.abs(flat.imag), throw=False)
        stated = np.inf if solution.error is None else np.asarray(solution.error)
        error = np.where(np.isfinite(stated), stated, 1e-12 * np.abs(solution.value))
        error = (error + 1e-15 * np.abs(solution.value)).reshape(zeta.shape).max(axis=1)
        back = np.linalg.inv(self.core)
        value, derivative = self._cauchy(w, 1.0)
        lifted = _inverse(value)
        size = np.linalg.norm(vectors, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2))
        moved = np.linalg.norm(
            derivative(np.broadcast_to(np.eye(self.rank), (len(w), 1, self.rank, self.rank))),
            axis=(2, 3),
        )[:, 0]
        norm = np.linalg.norm(w, axis=(1, 2))
        error = error * size * np.linalg.norm(back) + 1e-15 * (1 + size) * moved * norm
        return np.asarray(1e-15 * norm + np.linalg.norm(lifted, axis=(1, 2)) ** 2 * error)


def levy_part(matrix: ArrayLike, triplet: LevyTriplet) -> Part:
    """Part of a variable with a rational R-transform (its drift left out), a Hermitian."""
    frame, core = _framed(matrix)
    return _LevyPart(frame, core, triplet.variance, triplet.rates, triplet.jumps)


def law_part(matrix: ArrayLike, law: Law, *, center: float = 0.0) -> Part:
    """Part of a variable of any law, less the number `center`, a Hermitian."""
    frame, core = _framed(matrix)
    return _LawPart(frame, core, law, center)


def circular_part(matrix: ArrayLike, variance: float) -> Part:
    """Part a (x) c + its adjoint of a circular variable with E c c* = variance, a any matrix."""
    a = np.asarray(matrix, dtype=np.complex128)
    left, values, _ = np.linalg.svd(np.concatenate([a, a.conj().T], axis=1))
    frame = left[:, : int(np.sum(values > 1e-13 * values[0]))]
    return _CircularPart(frame, frame.conj().T @ a @ frame, variance)


@dataclass(frozen=True, eq=False)
class FreePencil:
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

    def system(self, z: Complex, u: Complex, *, tau: float = 1.0) -> MatrixSystem:
        """Return the equation at points z, shape (n,), and coordinates u, shape (n, d)."""
        n, d = u.shape
        m = _inverse(self._inverse_of_m(z, u))
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

    def _newton(
        self, z: Complex, u: Complex, *, tau: float = 1.0, limit: int = _NEWTON
    ) -> tuple[Complex, Complex, NDArray[np.bool_], Any, Real]:
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
                system = self.system(z[active], u[active], tau=tau)
                size = np.max(np.abs(system.defect) / system.terms, axis=1, initial=0.0)
                both = np.stack([system.defect, system.slope], axis=-1)
                moves = _solve(system.jacobian, both)
                largest = np.abs(system.matrices).max(axis=(1, 2))
            steps[active] += 1
            fine = np.isfinite(size) & np.isfinite(moves).all(axis=(1, 2))
            stalls[active] = np.where(size > best[active] / 2, stalls[active] + 1, 0)
            best[active] = np.fmin(best[active], size)
            rounding = np.minimum(1e-15 * (1 + largest * np.abs(z[active])), 1e-8)
            done = fine & (
                (size < 1e-15) | ((stalls[active] > 0) & (size < np.maximum(1e-12, rounding)))
            )
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
        return u, m, accepted, steps, defects

    def _physical(
        self, z: Complex, u: Complex, du: Complex, m: Complex, blur: Real
    ) -> NDArray[np.bool_]:
        """Whether Im M <= 0 and Im w >= 0, or M Hermitian and decreasing, w increasing, in z."""
        adjoint = m.conj().swapaxes(1, 2)
        sizes = np.abs(m).max(axis=(1, 2))
        imaginary = (adjoint - m) / 2j
        extent = np.abs(imaginary).max(axis=(1, 2))
        plane = (extent > 1e-9 * sizes) | (z.imag > 0)
        lowest = np.linalg.eigvalsh(imaginary)[:, 0]
        good = lowest >= -np.maximum(1e-9 * extent, blur * sizes)
        fall = -np.tensordot(du, self._directions, axes=1)
        fall[:, 0, 0] += 1
        fall = m @ fall @ m
        fall = (fall + fall.conj().swapaxes(1, 2)) / 2
        least = np.linalg.eigvalsh(fall)[:, 0]
        falling = least >= -np.maximum(1e-7, blur) * np.abs(fall).max(axis=(1, 2))
        good = np.where(plane, good, falling)
        for part, sigma, change in zip(
            self.parts, self._energies(u), self._energies(du), strict=True
        ):
            inner = part.frame.conj().T @ m @ part.frame
            w = part.inner(inner, sigma)
            if w is None:
                continue
            upward = np.linalg.eigvalsh((w - w.conj().swapaxes(1, 2)) / 2j)[:, 0]
            size = np.abs(w).max(axis=(1, 2))
            lifted = _inverse(inner)
            rise = lifted @ part.frame.conj().T @ fall @ part.frame @ lifted + change
            rise = (rise + rise.conj().swapaxes(1, 2)) / 2
            slope = np.linalg.eigvalsh(rise)[:, 0] / np.abs(rise).max(axis=(1, 2))
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
        m = _inverse(self._inverse_of_m(z, u))
        for part, basis, span in zip(self.parts, self._bases, self._spans, strict=True):
            inner = part.frame.conj().T @ m @ part.frame
            if isinstance(part, _LawPart):
                part = _LevyPart(part.frame, part.core, part.law.var(), (), ())
            value, _, _ = part.energy(inner, np.zeros_like(inner), tau)
            u[:, span] = value.reshape(1, -1) @ basis.conj().reshape(len(basis), -1).T
        return u

    def _descended(self, z: Complex) -> tuple[Complex, Complex, NDArray[np.bool_], Any, Real]:
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
            active = active[~finished & ~hopeless & (share[active] > 1e-5)]
        return u, m, accepted, steps, defects

    @cached_property
    def _table(self) -> tuple[Complex, Complex]:
        """Solved points on the real axis, from which others start."""
        x = 1.1 * self.scale * np.sin(np.linspace(-np.pi / 2, np.pi / 2, _TABLE) + 1e-3)
        u, _, fine, _, _ = self._descended(x.astype(np.complex128))
        return x[fine].astype(np.complex128), u[fine]

    def points(self, z: Complex) -> tuple[Complex, Complex, NDArray[np.bool_], Any, Real]:
        """Coordinates, matrices, acceptance, steps and relative defects at points, shape (n,)."""
        known, values = self._table
        n = z.size
        if not known.size or not n:
            return self._descended(z)
        right = np.clip(np.searchsorted(known.real, z.real), 1, known.size - 1)
        left = right - 1
        nearest = np.where(np.abs(z - known[left]) <= np.abs(z - known[right]), left, right)
        found = self._newton(z, values[nearest], limit=14)
        lost = ~found[2]
        if lost.any():
            rest = self._descended(z[lost])
            for mine, theirs in zip(found, rest, strict=True):
                mine[lost] = theirs
        return found

    # Results ---------------------------------------------------------------------------------

    def solve(self, z: ArrayLike, *, throw: bool = True) -> Solution:
        """Solve for M and report how far it may be trusted.

        Parameters and result are those of `rmtland.free.MatrixDyson.solve`.

        Raises
        ------
        ConvergenceError
            If a point is not solved and `throw` is true.
        """
        flat, shape = upper_half_plane(z)
        u, m, accepted, steps, defect = self.points(flat)
        if throw and not accepted.all():
            raise ConvergenceError(
                f"no solution with Im M <= 0 found at z = {flat[~accepted][0]}: an atom, or a "
                "point where the density is unbounded; add an imaginary part"
            )
        error = np.full(flat.shape, np.inf)
        if accepted.any():
            error[accepted] = self._sensitivity(flat[accepted], u[accepted])
        return Solution(
            np.where(accepted[:, None, None], m, np.nan).reshape(*shape, self.size, self.size),
            Status.CONVERGED if accepted.all() else Status.NOT_CONVERGED,
            np.where(accepted, defect, np.inf).reshape(shape),
            steps.reshape(shape),
            error.reshape(shape),
        )

    def _sensitivity(self, z: Complex, u: Complex) -> Real:
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
        inverse = np.abs(np.linalg.pinv(system.jacobian))
        shift = (inverse @ terms[..., None])[..., 0].sum(axis=1)
        return np.asarray(2 * norm**2 * (shift + 4e-16 * (4 + self.size) * w))

    def stieltjes(self, z: ArrayLike) -> Any:
        """M_11(z), the transform of the corner, on the closed upper half-plane.

        Raises
        ------
        ConvergenceError
            If a point is not solved, as at an atom.
        """
        flat, shape = upper_half_plane(z)
        _, m, accepted, _, _ = self.points(flat)
        if not accepted.all():
            raise ConvergenceError(f"no solution with Im M <= 0 found at {flat[~accepted][0]}")
        value = self.trace(m).reshape(shape)
        return value if shape else value.item()

    def trace(self, m: Complex) -> Complex:
        """M_11 of matrices (n, k, k)."""
        return np.asarray(m[:, 0, 0])

    def error_of_trace(self, error: Any) -> Real:
        """Return the error of M_11, an entry of M."""
        return np.asarray(error)

    def derivative(self, z: Complex, u: Complex) -> tuple[Complex, Complex]:
        """G and dG/dz at solved points."""
        system = self.system(z, u)
        du = _solve(system.jacobian, system.slope[..., None])[..., 0]
        inner = -np.tensordot(du, self._directions, axes=1)
        inner[:, 0, 0] += 1
        m = system.matrices
        return m[:, 0, 0], -(m @ inner @ m)[:, 0, 0]

    def log_potential(self, z: Complex, u: Complex) -> Complex:
        """Return L at solved points, up to a constant: its derivative is G."""
        w = self._inverse_of_m(z, u)
        m = _inverse(w)
        total = upper_log(np.linalg.eigvals(w)).sum(axis=1)
        for part, sigma in zip(self.parts, self._energies(u), strict=True):
            total = total + part.potential(part.frame.conj().T @ m @ part.frame, sigma)
        return np.asarray(total)


def _framed(matrix: ArrayLike) -> tuple[Complex, Complex]:
    """V with orthonormal columns and D of a Hermitian matrix V D V*."""
    a = np.asarray(matrix, dtype=np.complex128)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not np.allclose(a, a.conj().T):
        raise ValueError(f"a coefficient must be Hermitian; got shape {a.shape}")
    values, vectors = np.linalg.eigh(a if a.imag.any() else a.real)
    kept = np.abs(values) > 1e-13 * np.abs(values).max()
    rows = np.flatnonzero(np.abs(a).max(axis=1))
    if rows.size == kept.sum():  # rows of the matrix themselves, which are exact
        frame = np.eye(len(a), dtype=np.complex128)[:, rows]
        return frame, np.ascontiguousarray(a[np.ix_(rows, rows)])
    frame = vectors[:, kept].astype(np.complex128)
    return frame, np.diag(values[kept]).astype(np.complex128)


def _inverse(matrices: Complex) -> Complex:
    """Inverses, NaN where there is none."""
    if matrices.shape[-1] == 1:
        with np.errstate(all="ignore"):
            return np.asarray(1 / matrices)
    try:
        return np.asarray(np.linalg.inv(matrices))
    except np.linalg.LinAlgError:
        return np.array([_inverse_or_nan(matrix) for matrix in matrices])


def _inverse_or_nan(matrix: Complex) -> Complex:
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)


def _solve(matrices: Complex, right: Complex) -> Complex:
    """Solutions of linear equations, NaN where there is none."""
    try:
        return np.asarray(np.linalg.solve(matrices, right))
    except np.linalg.LinAlgError:
        return np.asarray(_inverse(matrices) @ right)
