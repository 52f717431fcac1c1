r"""The law of the eigenvalues of a 2 x 2 matrix function of one random variable.

With weight 1/2 for each eigenvalue of H(T) (`rmtland.free.polynomials.eigenvalue_branches`),

.. math::
    G(z) = \frac12 \int \frac{\chi_z(z, t)}{\chi(z, t)} \nu(dt), \qquad
    \chi(z, t) = \det(z - H(t)) .

The polynomial :math:`\chi(z, \cdot)` has the roots t_k, and by partial fractions

.. math::
    G(z) = \frac12 \Bigl[ \frac{c'(z)}{c(z)} + \sum_k t_k'(z) \, G_\nu(t_k) \Bigr], \qquad
    L(z) = \frac12 \Bigl[ \log c(z) + \sum_k L_\nu(t_k) + i \pi n \Bigr],

with c the leading coefficient in t. Where all roots are away from the interval, a Gauss rule
replaces the sum, in which roots close to each other would cancel.

Examples
--------
>>> from fractions import Fraction
>>> from rmtland.laws import Wachter
>>> one = Fraction(1)
>>> matrix = MatrixFunction(a=(0, 2 * one), d=(0,), b=(one,), b_imaginary=(0,))
>>> law = BranchLaw(Wachter(1.0, 1.0), matrix)
>>> law.support, round(law.cdf(0.0), 15)
(((-0.25, 2.0),), 0.5)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy.linalg import eigh_tridiagonal

from rmtland.free.polynomials.eigenvalue_branches import EigenvalueBranches
from rmtland.free.polynomials.matrix_function import (
    MatrixFunction,
    derivative,
    plus,
    scaled,
    times,
    value_at,
)
from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Law
from rmtland.laws.wachter import Wachter
from rmtland.typing import Atoms, Complex, Logical, NumpyArray, Real, Support

__all__ = ["BranchLaw"]

_NODES = 300
_FAR = 1.067  # sum of the half axes of an ellipse around the interval, beyond which Gauss is exact
_LARGE = 1e3


@dataclass(frozen=True)
class BranchLaw(Law):
    """The law of the eigenvalues of a matrix function of one random variable, see the module.

    Parameters
    ----------
    angle : Wachter
        The law of T, without atoms.
    matrix : MatrixFunction
        H; no eigenvalue may be constant.
    """

    angle: Wachter
    matrix: MatrixFunction

    _require_certificate = certify_once

    @property
    def _singular_places(self) -> tuple[float, ...]:
        return self._branches.ends

    @cached_property
    def _branches(self) -> EigenvalueBranches:
        return EigenvalueBranches(self.angle, self.matrix)

    @property
    def support(self) -> Support:
        """Ranges of the branches; those that overlap or touch are one."""
        return self._branches.ranges

    @property
    def atoms(self) -> Atoms:
        """None: no branch is constant."""
        return ()

    def _pdf(self, x: Real) -> Real:
        return self._branches.density(x)

    def _cdf(self, x: Real) -> Real:
        return self._branches.distribution(x)

    def _exact_moments(self, k: int) -> list[Fraction]:
        trace, minus = self.matrix.trace, scaled(self.matrix.determinant, Fraction(-1))
        powers = [(Fraction(2),), trace]
        for _ in range(k - 1):  # Cayley and Hamilton
            powers.append(plus(times(trace, powers[-1]), times(minus, powers[-2])))
        degree = max(len(power) for power in powers)
        moments = self.angle._exact_moments(degree)
        return [
            sum((c * m for c, m in zip(power, moments, strict=False)), Fraction(0)) / 2
            for power in powers[: k + 1]
        ]

    # Transforms ------------------------------------------------------------------------------

    @cached_property
    def _gauss(self) -> tuple[Real, Real]:
        """Nodes and weights for the law of T, of two rules for sqrt(..)/t and sqrt(..)/(1 - t)."""
        low, high = self._branches.interval
        middle, half = (low + high) / 2, (high - low) / 2
        nodes, weights = [], []
        for law, start, flip in (
            (self.angle, middle, False),
            (self._branches.mirrored, 1 - middle, True),
        ):
            bottom, top = law.support[0]
            roots = (math.sqrt(bottom) + math.sqrt(top)) ** 2
            diagonal = np.full(_NODES, start)
            diagonal[0] = roots / 4
            values, vectors = eigh_tridiagonal(diagonal, np.full(_NODES - 1, half / 2))
            nodes.append(1 - values if flip else values)
            weights.append(half**2 / roots * vectors[0] ** 2)
        total = np.concatenate(weights)
        return np.concatenate(nodes), total / total.sum()

    @cached_property
    def _curve(self) -> tuple[Real, Real]:
        """Coefficients of the trace and the determinant, of one length, the constant first."""
        size = max(len(self.matrix.trace), len(self.matrix.determinant))
        rows = np.zeros((2, size))
        rows[0, : len(self.matrix.trace)] = [float(c) for c in self.matrix.trace]
        rows[1, : len(self.matrix.determinant)] = [float(c) for c in self.matrix.determinant]
        return rows[0], rows[1]

    def _roots(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """Roots t_k of chi(z, .), their derivatives in z, and what G gets from c: (n, m), (n,)."""
        trace, determinant = self._curve
        series = determinant - z[:, None] * trace
        series[:, 0] += z**2
        change = np.broadcast_to(-trace, series.shape).astype(np.complex128)
        change[:, 0] += 2 * z
        m = trace.size - 1
        lead = series[:, -1]
        tiny = np.abs(lead) < 1e-300
        lead = np.where(tiny, 1e-300, lead)
        companion = np.zeros((z.size, m, m), dtype=np.complex128)
        companion[:, np.arange(1, m), np.arange(m - 1)] = 1.0
        with np.errstate(all="ignore"):
            companion[:, :, -1] = -series[:, :-1] / lead[:, None]
            companion[~np.isfinite(companion)] = 1e300
        roots = np.linalg.eigvals(companion).astype(np.complex128)
        powers = np.arange(1, m + 1)
        for _ in range(3):
            with np.errstate(all="ignore"):
                slope = _rows_at(series[:, 1:] * powers, roots)
                step = _rows_at(series, roots) / slope
                fine = np.abs(step) < 1e-4 * (np.abs(roots) + 1e-3)
            roots = np.where(fine, roots - step, roots)
        with np.errstate(all="ignore"):
            moved = -_rows_at(change, roots) / _rows_at(series[:, 1:] * powers, roots)
            return roots, moved, change[:, -1] / lead

    def _ellipse(self, t: Complex) -> Real:
        """Sum of the half axes of the ellipse around the interval through a point, 1 on it."""
        low, high = self._branches.interval
        w = (2 * t - (low + high)) / (high - low)
        with np.errstate(all="ignore"):
            root = np.sqrt(w - 1) * np.sqrt(w + 1)
            size = np.maximum(np.abs(w + root), np.abs(w - root))
        return np.where(np.isfinite(size), size, np.inf)

    def _sides(self, roots: Complex, moved: Complex, real: Logical) -> Real:
        """Half-plane of every root: where it moves to as Im z grows, for real z and real roots."""
        side = np.sign(roots.imag)
        blurred = real[:, None] & (np.abs(roots.imag) <= 1e-7 * (1 + np.abs(roots.real)))
        rounding = np.abs(roots.imag) <= 1e-13 * (1 + np.abs(roots)) * (1 + np.abs(moved))
        return np.where((side == 0) | (blurred & rounding), np.sign(moved.real), side)

    def _at(self, z: Complex) -> tuple[Complex, Complex, Complex, Real]:
        """G, G', L (mod i pi) and a bound of the error of G at points of the upper half-plane."""
        nodes, weights = self._gauss
        g, slope, level = (np.empty(z.shape, dtype=np.complex128) for _ in range(3))
        error = np.empty(z.shape)
        roots, moved, lead = self._roots(z)
        near = (self._ellipse(roots) < _FAR).any(axis=1)
        values = [self.matrix.eigenvalue(nodes, sign) for sign in (-1, 1)]
        for i in np.array_split(np.arange(z.size), max(1, z.size // 256)):
            with np.errstate(all="ignore"):
                terms = [1 / (z[i, None] - value) for value in values]
                g[i] = (terms[0] + terms[1]) @ weights / 2
                slope[i] = -(terms[0] ** 2 + terms[1] ** 2) @ weights / 2
                error[i] = 2e-15 * (np.abs(terms[0]) + np.abs(terms[1])) @ weights
                level[i] = sum(np.log(z[i, None] - value) for value in values) @ weights / 2
        if near.any():
            exact = self._by_roots(z[near], roots[near], moved[near], lead[near], level[near])
            g[near], slope[near], level[near], error[near] = exact
        return g, slope, level, error

    def _by_roots(
        self, z: Complex, roots: Complex, moved: Complex, lead: Complex, rough: Complex
    ) -> tuple[Complex, Complex, Complex, Real]:
        """`_at` by the sums over roots; `rough` tells the branch of L."""
        real = z.imag == 0
        side = self._sides(roots, moved, real)
        settled = np.where(side * roots.imag > 0, np.abs(roots.imag), 0.0)
        flat = (roots.real + 1j * settled).ravel()
        with np.errstate(all="ignore"):
            inner, inner_slope = self.angle._jet(flat)
            potential = self.angle._log_potential(flat)
        stated = np.asarray(self.angle._accuracy(flat, inner)[1]).reshape(roots.shape)
        inner, inner_slope, potential = (
            np.where(side > 0, part.reshape(roots.shape), part.reshape(roots.shape).conj())
            for part in (inner, inner_slope, potential)
        )
        trace, determinant = self._curve
        powers = np.arange(1, trace.size)
        series = determinant - z[:, None] * trace
        series[:, 0] += z**2
        with np.errstate(all="ignore"):
            first = _rows_at(series[:, 1:] * powers, roots)
            second = _rows_at((series[:, 1:] * powers)[:, 1:] * powers[:-1], roots)
            cross = value_at(-derivative(trace), roots)
            bend = -(2 + 2 * cross * moved + second * moved**2) / first
            large = np.abs(roots) > _LARGE
            alone = large & (large.sum(axis=1, keepdims=True) == 1)
            terms = moved * inner
            total = terms.sum(axis=1) + lead
            change = (bend * inner + moved**2 * inner_slope).sum(axis=1) - lead**2
            sizes = np.abs(_rows_at(np.abs(series), np.abs(roots))) / np.abs(first)
            blur = 4e-16 * (sizes + np.abs(roots))
            error = np.abs(moved) * stated + np.abs(terms) * 2e-15
            error = error + blur * (np.abs(bend / moved * inner) + np.abs(moved * inner_slope))
            error = error.sum(axis=1) + 1e-15 * np.abs(lead)
        rows = np.flatnonzero(alone.any(axis=1))
        for i in rows:
            k = int(np.flatnonzero(alone[i])[0])
            others = np.delete(np.arange(roots.shape[1]), k)
            total[i] = terms[i, others].sum() + self._beside_infinity(
                series[i], roots[i, k], moved[i, k], z[i]
            )
            error[i] = 1e-13 * np.abs(total[i])
        scale = series[:, -1]
        with np.errstate(all="ignore"):
            level = (potential.sum(axis=1) + np.log(scale)) / 2
        turns = np.round((rough - level).imag / (np.pi / 2))
        level = level + 1j * np.pi / 2 * turns
        lost = ~np.isfinite(total)
        total[lost], change[lost], error[lost] = np.inf, np.inf, np.inf
        return total / 2, change / 2, level, error

    def _beside_infinity(self, series: Complex, t: complex, moved: complex, z: complex) -> complex:
        """c'/c + t' G(t) of one root far away, where both are large and opposite."""
        trace, _ = self._curve
        m = trace.size - 1
        low = np.arange(m)
        inverse = t ** (low - m + 1.0)
        change = -trace[:-1].astype(np.complex128)
        change[0] += 2 * z
        # c t = -value, by the equation itself
        value = np.sum(series[:-1] * inverse)
        by_z = np.sum(change * inverse)
        by_t = np.sum(series[:-1] * (low - m + 1.0) * inverse) / t
        moments = [float(moment) for moment in self.angle._exact_moments(6)[1:]]
        rest = sum(moment / t ** (k + 2) for k, moment in enumerate(moments))
        return complex((by_z + by_t * moved) / value + moved * rest)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope, _, _ = self._at(z)
        return self._with_density(z, g), slope

    def _with_density(self, z: Complex, g: Complex) -> Complex:
        """On the real axis the imaginary part is known better from the preimages."""
        real = z.imag == 0
        if real.any():
            density = self._pdf(z.real[real])
            finite = np.isfinite(density)
            g.imag[real] = np.where(finite, -np.pi * density, g.imag[real])
            lost = real.copy()
            lost[real] = ~finite
            g[lost] = np.inf
        return g

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        _, _, _, error = self._at(z)
        exact = np.isinf(g)
        with np.errstate(all="ignore"):
            residual = np.where(exact, 0.0, error / np.abs(g))
        return residual, np.where(exact, 0.0, error)

    def _log_potential(self, z: Complex) -> Complex:
        _, _, level, _ = self._at(z)
        real = z.imag == 0
        level.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return level


def _rows_at(series: Complex, t: NumpyArray) -> Complex:
    """Values of one polynomial a row, series (n, m), at points (n, k)."""
    total = np.zeros_like(t)
    for j in range(series.shape[1] - 1, -1, -1):
        total = total * t + series[:, j : j + 1]
    return np.asarray(total)
