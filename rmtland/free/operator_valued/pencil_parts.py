r"""Free variables in a linear pencil: what each contributes to the equation.

A Hermitian coefficient a = V D V* with D invertible, of the size r of the rank of a, gives a
self-energy V Sigma V* with Sigma of size r: explicit for semicircles, free Poisson jumps and
circular variables, by operator-valued subordination for any other law (see
`rmtland.free.operator_valued.free_pencil`, which holds the formulas). Each kind states its
self-energy with derivatives, its share of the logarithmic potential, and its rounding.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Semicircle
>>> part = law_part(np.diag([2.0, 0.0]), Semicircle())
>>> part.rank, part.core.real.tolist()
(1, [[2.0]])
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import upper_log, upper_log_determinant
from rmtland.free.operator_valued.small_matrices import (
    eigensystem_or_nan,
    inverse_or_nan,
)
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyTriplet
from rmtland.typing import ArrayLike, Complex, Real

__all__ = [
    "CircularPart",
    "LawPart",
    "LevyPart",
    "Part",
    "circular_part",
    "law_part",
    "levy_part",
]

Linear = Callable[[Complex], Complex]


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
    def energy(
        self, m: Complex, sigma: Complex, tau: float
    ) -> tuple[Complex, Linear, Linear | None]:
        """Sigma as a function of m (and of itself), and its derivatives in both.

        Shapes (n, r, r); the derivatives take directions (n, d, r, r). The last is None where
        Sigma is explicit. The variable is multiplied by tau.
        """

    @abc.abstractmethod
    def potential(self, m: Complex, sigma: Complex) -> Complex:
        """Return what the part adds to the logarithmic potential, shape (n,)."""

    def to_second_order(self) -> Part:
        """Return a part with the same self-energy to second order in the variable."""
        return self

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
class LevyPart(Part):
    """A semicircle and free Poisson jumps: a rational R-transform."""

    variance: float
    rates: tuple[float, ...]
    jumps: tuple[float, ...]

    def energy(
        self, m: Complex, sigma: Complex, tau: float
    ) -> tuple[Complex, Linear, Linear | None]:
        """See `Part`."""
        d = tau * self.core
        value = self.variance * d @ m @ d
        factors = []
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            ratio = d @ inverse_or_nan(np.eye(self.rank) - jump * m @ d)
            value = value + rate * jump * ratio
            factors.append((rate * jump**2, ratio[:, None]))

        def slope(dm: Complex) -> Complex:
            total = self.variance * d @ dm @ d
            for weight, ratio in factors:
                total = total + weight * ratio @ dm @ ratio
            return total

        return value, slope, None

    def potential(self, m: Complex, sigma: Complex) -> Complex:
        """See `Part`."""
        d = self.core
        total = self.variance / 2 * np.einsum("nij,nji->n", m @ d, m @ d)
        inverse = np.linalg.inv(d)
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            ratio = jump * d @ inverse_or_nan(np.eye(self.rank) - jump * m @ d)
            total = total + rate * np.einsum("nij,nji->n", m, ratio)
            # 1 - t m D = (D^-1/t - m) (t D), the first factor in the upper half-plane
            logs = upper_log_determinant(inverse / jump - m)
            real = upper_log(np.linalg.eigvalsh(inverse / jump).astype(np.complex128)).sum()
            total = total + rate * (logs - real)
        return np.asarray(total)


@dataclass(frozen=True, eq=False)
class CircularPart(Part):
    """A circular variable and its adjoint."""

    variance: float

    def energy(
        self, m: Complex, sigma: Complex, tau: float
    ) -> tuple[Complex, Linear, Linear | None]:
        """See `Part`."""
        c = tau * self.core
        adjoint = c.conj().T

        def slope(dm: Complex) -> Complex:
            return self.variance * (c @ dm @ adjoint + adjoint @ dm @ c)

        return slope(m), slope, None

    def potential(self, m: Complex, sigma: Complex) -> Complex:
        """See `Part`."""
        c = self.core
        return np.asarray(self.variance * np.einsum("nij,nji->n", m @ c, m @ c.conj().T))


@dataclass(frozen=True, eq=False)
class LawPart(Part):
    """Any law, less a number, by subordination."""

    law: Law
    center: float

    def to_second_order(self) -> Part:
        """See `Part`."""
        return LevyPart(self.frame, self.core, self.law.var(), (), ())

    def _points(self, w: Complex, tau: float) -> tuple[Complex, Complex, Complex]:
        """Eigenvalues and eigenvectors of D^-1 w, with the inverses of the latter."""
        a = np.linalg.inv(tau * self.core) @ w
        if self.rank == 1:
            one = np.ones_like(a)
            return a[:, :, 0], one, one
        values, vectors = eigensystem_or_nan(a)
        return values, vectors, inverse_or_nan(vectors)

    def transform(self, zeta: Complex) -> tuple[Complex, Complex]:
        """G and G' of the centred law in both half-planes."""
        flat = zeta.ravel()
        known = np.isfinite(flat)
        if not known.all():  # trial points of Newton's method
            g, slope = np.full((2, *zeta.shape), complex(np.nan, np.nan))
            at = known.reshape(zeta.shape)
            g[at], slope[at] = self.transform(flat[known])
            return g, slope
        with np.errstate(all="ignore"):
            g, slope = self.law._jet(flat.real + self.center + 1j * np.abs(flat.imag))
        below = flat.imag < 0
        g, slope = np.where(below, g.conj(), g), np.where(below, slope.conj(), slope)
        return g.reshape(zeta.shape), slope.reshape(zeta.shape)

    def differences(self, zeta: Complex, g: Complex, slope: Complex) -> Complex:
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
            table[apart] = (middle[apart] + 2 * self.transform(mean[apart])[1]) / 3
        return np.asarray(table)

    def _cauchy(self, w: Complex, tau: float) -> tuple[Complex, Linear]:
        """F(w) and its derivative."""
        zeta, vectors, inverse = self._points(w, tau)
        g, slope = self.transform(zeta)
        table = self.differences(zeta, g, slope)
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
        """See `Part`."""
        return np.asarray(inverse_or_nan(m) + sigma)

    def energy(
        self, m: Complex, sigma: Complex, tau: float
    ) -> tuple[Complex, Linear, Linear | None]:
        """See `Part`."""
        lifted = inverse_or_nan(m)
        w = lifted + sigma
        value, derivative = self._cauchy(w, tau)
        back = inverse_or_nan(value)

        def of_w(dw: Complex) -> Complex:
            return np.asarray(dw + back[:, None] @ derivative(dw) @ back[:, None])

        def slope(dm: Complex) -> Complex:
            return of_w(-lifted[:, None] @ dm @ lifted[:, None])

        return w - back, slope, of_w

    def potential(self, m: Complex, sigma: Complex) -> Complex:
        """See `Part`."""
        lifted = inverse_or_nan(m)
        w = lifted + sigma
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
        return np.asarray(total - upper_log_determinant(lifted))

    def rounding(self, m: Complex, sigma: Complex) -> Real:
        """See `Part`."""
        # In the eigenbasis of D^-1 w, where an error of G(zeta_i) moves Sigma by D times it over
        # G(zeta_i)^2, and one of D^-1 w itself by D times a divided difference of 1/G.
        w = inverse_or_nan(m) + sigma
        zeta, vectors, inverse = self._points(w, 1.0)
        flat = zeta.ravel()
        solution = self.law.solve(flat.real + self.center + 1j * np.abs(flat.imag), throw=False)
        stated = np.inf if solution.error is None else np.asarray(solution.error)
        error = np.where(np.isfinite(stated), stated, 1e-12 * np.abs(solution.value))
        error = error.reshape(zeta.shape)
        g, slope = self.transform(zeta)
        size = np.abs(g)
        bent = np.abs(self.differences(zeta, g, slope)) / (size[:, :, None] * size[:, None, :])
        around = np.linalg.norm(vectors, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2))
        core, back = np.linalg.norm(self.core), np.linalg.inv(self.core)
        norm = np.linalg.norm(w, axis=(1, 2))
        point = 1e-15 * around * np.linalg.norm(back) * norm
        moved = ((error + 1e-15 * size) / size**2).max(axis=1) + bent.max(axis=(1, 2)) * point
        if self.rank > 1:  # G as a matrix has the rounding of its largest eigenvalue
            moved += 1e-15 * size.max(axis=1) / size.min(axis=1) ** 2
        return np.asarray(1e-15 * norm + around * core * moved)


def levy_part(matrix: ArrayLike, triplet: LevyTriplet) -> Part:
    """Part of a variable with a rational R-transform (its drift left out), a Hermitian."""
    frame, core = _framed(matrix)
    return LevyPart(frame, core, triplet.variance, triplet.rates, triplet.jumps)


def law_part(matrix: ArrayLike, law: Law, *, center: float = 0.0) -> Part:
    """Part of a variable of any law, less the number `center`, a Hermitian."""
    frame, core = _framed(matrix)
    return LawPart(frame, core, law, center)


def circular_part(matrix: ArrayLike, variance: float) -> Part:
    """Part a (x) c + its adjoint of a circular variable with E c c* = variance, a any matrix."""
    a = np.asarray(matrix, dtype=np.complex128)
    left, values, _ = np.linalg.svd(np.concatenate([a, a.conj().T], axis=1))
    frame = left[:, : int(np.sum(values > 1e-13 * values[0]))]
    return CircularPart(frame, frame.conj().T @ a @ frame, variance)


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
