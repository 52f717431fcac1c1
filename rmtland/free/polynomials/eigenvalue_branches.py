r"""Eigenvalues of a 2 x 2 Hermitian matrix function of one random variable: their law.

For T of law :math:`\nu` on an interval inside [0, 1] and

.. math::
    H(t) = \begin{pmatrix} a(t) & r(t) b(t) \\ r(t) \overline{b(t)} & d(t) \end{pmatrix}, \qquad
    r(t) = \sqrt{t (1 - t)},

with real polynomials a, d and a complex one b, the law of the eigenvalues
:math:`\lambda_\pm = (a + d)/2 \pm s, s = ((a - d)^2/4 + r^2 |b|^2)^{1/2}` (each with weight 1/2) has

.. math::
    \rho(x) = \frac12 \sum_{\pm} \sum_{\lambda_\pm(t) = x} \frac{\nu(t)}{|\lambda_\pm'(t)|}, \qquad
    G(z) = \frac12 \int \frac{\chi_z(z, t)}{\chi(z, t)} \nu(dt), \qquad
    \chi(z, t) = \det(z - H(t)) .

A branch is cut where it turns and where the branches meet; between these points the distribution
function is a sum of increments of that of T. Beside a cut t_0 with the value e, an eigenvalue
:math:`e + \delta` is the root of :math:`\delta^2 + (2 e - \operatorname{tr} H) \delta + \chi(e, t)`
that vanishes at t_0: exact expansions in t - t_0 keep its relative accuracy.

The polynomial :math:`\chi(z, \cdot)` has the roots t_k, and by partial fractions

.. math::
    G(z) = \frac12 \Bigl[ \frac{c'(z)}{c(z)} + \sum_k t_k'(z) \, G_\nu(t_k) \Bigr], \qquad
    L(z) = \frac12 \Bigl[ \log c(z) + \sum_k L_\nu(t_k) + i \pi n \Bigr],

with c the leading coefficient in t. Where all roots are away from the interval, a Gauss rule
replaces the sum, in which roots close to each other would cancel.

Examples
--------
Two lines at a random angle, cos^2 of the arcsine law: eigenvalues cos^2 +- cos.

>>> from fractions import Fraction
>>> from rmtland.laws import Wachter
>>> one = Fraction(1)
>>> matrix = MatrixFunction(a=(0, 2 * one), d=(0,), b=(one,), b_imaginary=(0,))
>>> law = BranchLaw(Wachter(1.0, 1.0), matrix)
>>> law.support
((-0.25, 2.0),)
>>> round(law.cdf(0.0), 15)
0.5
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq

from rmtland.laws.law import Law
from rmtland.laws.wachter import Wachter
from rmtland.typing import Atoms, Complex, Logical, Real, Support

__all__ = ["BranchLaw", "MatrixFunction"]

Series = tuple[Fraction, ...]

_GRID = 96
_NODES = 300
_FAR = 1.067  # sum of the half axes of an ellipse around the interval, beyond which Gauss is exact
_LARGE = 1e3
_ROOT_BITS = 160


@dataclass(frozen=True)
class MatrixFunction:
    """H(t) of the module, by the coefficients of its entries, the constant first.

    Parameters
    ----------
    a, d : tuple of Fraction
        Diagonal entries.
    b, b_imaginary : tuple of Fraction
        Real and imaginary part of b; the entry is r(t) b(t).
    """

    a: Series
    d: Series
    b: Series
    b_imaginary: Series

    @cached_property
    def trace(self) -> Series:
        """Coefficients of a + d."""
        return plus(self.a, self.d)

    @cached_property
    def discriminant(self) -> Series:
        """Coefficients of s^2."""
        half = scaled(plus(self.a, scaled(self.d, Fraction(-1))), Fraction(1, 2))
        moduli = plus(times(self.b, self.b), times(self.b_imaginary, self.b_imaginary))
        return plus(times(half, half), times((Fraction(0), Fraction(1), Fraction(-1)), moduli))

    @cached_property
    def determinant(self) -> Series:
        """Coefficients of a d - t (1 - t) |b|^2."""
        square = scaled(times(self.trace, self.trace), Fraction(1, 4))
        return plus(square, scaled(self.discriminant, Fraction(-1)))

    @cached_property
    def scale(self) -> float:
        """Bound of the norm on [0, 1], which says what is rounding."""
        sizes = [sum(abs(c) for c in part) for part in (self.a, self.d, self.b, self.b_imaginary)]
        return float(max(sizes[0], sizes[1]) + sizes[2] + sizes[3])

    @cached_property
    def _floats(self) -> list[Real]:
        half = scaled(plus(self.a, scaled(self.d, Fraction(-1))), Fraction(1, 2))
        parts = (self.trace, half, self.b, self.b_imaginary)
        return [np.array([float(c) for c in part]) for part in parts]

    def spread(self, t: Real) -> Real:
        """Half the distance s of the eigenvalues, without cancellation."""
        _, half, real, imaginary = self._floats
        root = np.sqrt(np.maximum(t * (1 - t), 0.0))
        off = root * np.hypot(value_at(real, t), value_at(imaginary, t))
        return np.asarray(np.hypot(value_at(half, t), off))

    def eigenvalue(self, t: Real, sign: int) -> Real:
        """One of both eigenvalues, the larger for sign = 1."""
        return np.asarray(value_at(self._floats[0], t) / 2 + sign * self.spread(t))

    def slope(self, t: Real, sign: int) -> Real:
        """Derivative of an eigenvalue; 0/0 where both meet."""
        with np.errstate(all="ignore"):
            bend = value_at(self._discriminant_slope, t) / (2 * self.spread(t))
        return np.asarray(value_at(_derivative(self._floats[0]), t) / 2 + sign * bend)

    @cached_property
    def _discriminant_slope(self) -> Real:
        return _derivative(np.array([float(c) for c in self.discriminant]))

    def exact_eigenvalue(self, t: float, sign: int) -> float:
        """An eigenvalue at a float, rounded once; what is rounding of zero is zero."""
        place = Fraction(t)
        square = exact_value(self.discriminant, place)
        root = _square_root(max(square, Fraction(0)))
        value = float(exact_value(self.trace, place) / 2 + sign * root)
        return 0.0 if abs(value) <= 4e-16 * self.scale else value

    def candidates(self) -> Real:
        """Real parts of zeros beside which a branch may turn or meet the other."""
        trace, determinant = self.trace, self.determinant
        t1, d1 = exact_derivative(trace), exact_derivative(determinant)
        turning = plus(times(d1, d1), times(determinant, times(t1, t1)))
        turning = plus(turning, scaled(times(trace, times(t1, d1)), Fraction(-1)))
        half = plus(self.a, scaled(self.d, Fraction(-1)))
        found = []
        for series in (turning, half, self.b, self.b_imaginary):
            values = np.trim_zeros(np.array([float(c) for c in series]), "b")
            if values.size > 1:
                zeros = np.roots(values[::-1])
                found.append(zeros.real[np.abs(zeros.imag) < 0.05])
        return np.concatenate([np.zeros(0), *found])


class _Half(NamedTuple):
    """Half of a monotone cell of a branch, expanded around its own end t_0.

    The eigenvalue is e + delta with delta^2 + line(s) delta + level(s) = 0 at t_0 + s.
    """

    end: float
    length: float  # with a sign
    value: float
    far: float
    sign: int
    line: Real
    level: Real


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

    # Monotone cells --------------------------------------------------------------------------

    @cached_property
    def _interval(self) -> tuple[float, float]:
        return self.angle.support[0]

    def _cuts(self, sign: int) -> Real:
        """Ends of the cells of a branch: of the interval, and where it turns or has a corner."""
        low, high = self._interval
        matrix = self.matrix
        candidates = matrix.candidates()
        inner = candidates[(candidates > low) & (candidates < high)]
        angles = np.pi * np.arange(1, _GRID) / _GRID
        grid = low + (high - low) * np.sin(angles / 2) ** 2
        places = np.unique(np.concatenate([[low], grid, inner, [high]]))
        middles = (places[1:] + places[:-1]) / 2
        slopes = matrix.slope(middles, sign)
        cuts = [low, high]
        for i in np.flatnonzero(slopes[1:] * slopes[:-1] <= 0):
            corner = matrix.spread(places[i + 1 : i + 2])[0] <= 1e-9 * matrix.scale
            cuts.append(
                float(places[i + 1])
                if corner
                else brentq(
                    lambda t: float(matrix.slope(np.array(t), sign)),
                    middles[i],
                    middles[i + 1],
                    xtol=1e-300,
                    rtol=8.9e-16,
                )
            )
        meets = inner[matrix.spread(inner) <= 1e-12 * matrix.scale] if inner.size else inner
        cuts += [t for t in meets.tolist() if min(abs(t - cut) for cut in cuts) > 1e-9]
        return np.unique(np.array(cuts))

    @cached_property
    def _cells(self) -> list[tuple[_Half, _Half]]:
        """Both halves of every cell of both branches."""
        found = []
        for sign in (-1, 1):
            cuts = self._cuts(sign).tolist()
            values = [self.matrix.exact_eigenvalue(t, sign) for t in cuts]
            for i in range(len(cuts) - 1):
                middle = (cuts[i] + cuts[i + 1]) / 2
                far = float(self.matrix.eigenvalue(np.array(middle), sign))
                low, high = sorted(values[i : i + 2])
                far = min(max(far, low), high)
                halves = [
                    self._half(cuts[j], middle - cuts[j], values[j], far, sign, inside)
                    for j, inside in ((i, i > 0), (i + 1, i + 2 < len(cuts)))
                ]
                found.append((halves[0], halves[1]))
        return found

    def _half(
        self, end: float, length: float, value: float, far: float, sign: int, turning: bool
    ) -> _Half:
        trace = _shifted(self.matrix.trace, Fraction(end))
        determinant = _shifted(self.matrix.determinant, Fraction(end))
        e = Fraction(value)
        line = [float(-c) for c in trace]
        line[0] = float(2 * e - trace[0])
        pairs = max(len(trace), len(determinant))
        trace_row = [*trace, *[Fraction(0)] * (pairs - len(trace))]
        determinant_row = [*determinant, *[Fraction(0)] * (pairs - len(determinant))]
        level = [float(d - e * t) for t, d in zip(trace_row, determinant_row, strict=True)]
        level[0] = 0.0
        if turning and len(level) > 1:
            level[1] = 0.0
        return _Half(end, length, value, far, sign, np.array(line), np.array(level))

    def _rise(self, half: _Half, s: Real) -> tuple[Real, Real]:
        """Eigenvalue less its value at the end, and its slope, at t_0 + s."""
        line, level = value_at(half.line, s), value_at(half.level, s)
        root = 2 * half.sign * self.matrix.spread(half.end + s)
        with np.errstate(all="ignore"):
            # root - line: no cancellation where the signs differ
            delta = np.where(line * root > 0, -2 * level / (line + root), (root - line) / 2)
            fall = value_at(_derivative(half.line), s) * delta
            slope = -(fall + value_at(_derivative(half.level), s)) / (2 * delta + line)
        return np.where(s == 0, 0.0, np.nan_to_num(delta)), slope

    def _roots_on(self, half: _Half, x: Real) -> Real:
        """Distances s from the end of a half with eigenvalue x, for x in its range."""
        target = x - half.value
        full = float(self._rise(half, np.array([half.length]))[0][0])
        quarter = float(self._rise(half, np.array([half.length / 4]))[0][0])
        with np.errstate(all="ignore"):
            # s = length share^2: square roots at the end are smooth
            power = np.clip(0.5 * math.log2(abs(full / quarter)), 0.5, 16) if quarter else 1.0
            share = np.clip(np.abs(target / full) ** (0.5 / power), 0.0, 1.0)
        share = np.nan_to_num(share)
        low, high = np.zeros(x.shape), np.ones(x.shape)
        rising = full > 0
        for _ in range(110):
            value, slope = self._rise(half, half.length * share**2)
            defect = value - target
            beyond = (defect > 0) == rising
            exact = defect == 0
            high = np.where(beyond | exact, share, high)
            low = np.where(beyond & ~exact, low, share)
            with np.errstate(all="ignore"):
                trial = share - defect / (slope * half.length * 2 * share)
            inside = (trial >= low) & (trial <= high)
            trial = np.where(exact, share, np.where(inside, trial, (low + high) / 2))
            settled = np.abs(trial - share) <= 3e-16 * share
            share = trial
            if (settled | (high - low <= 3e-16 * high)).all():
                break
        return half.length * share**2

    @staticmethod
    def _on(cell: tuple[_Half, _Half], x: Real) -> list[tuple[_Half, Logical]]:
        """Which points have a preimage on each half of a cell."""
        first, second = cell
        a, b, m = first.value, second.value, first.far
        if b >= a:
            below, above = (x >= a) & (x <= m), (x > m) & (x <= b)
        else:
            below, above = (x <= a) & (x >= m), (x < m) & (x >= b)
        return [(first, below), (second, above)]

    # The law ---------------------------------------------------------------------------------

    @cached_property
    def support(self) -> Support:
        """Ranges of the branches; those that overlap or touch are one."""
        merged: list[list[float]] = []
        ranges = [sorted((first.value, second.value)) for first, second in self._cells]
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        return tuple((low, high) for low, high in merged)

    @property
    def atoms(self) -> Atoms:
        """None: no branch is constant."""
        return ()

    @cached_property
    def _mirrored(self) -> Wachter:
        """The law of 1 - T."""
        return Wachter(self.angle.other_ratio, self.angle.aspect_ratio)

    def _angle_pdf(self, half: _Half, s: Real) -> Real:
        if half.end < 0.5:
            return self.angle._pdf(half.end + s)
        low, high = self._mirrored.support[0]
        start = low if half.end == self._interval[1] else 1 - half.end
        return self._mirrored._pdf(np.clip(start - s, low, high))

    def _angle_cdf(self, half: _Half, s: Real) -> Real:
        return self.angle._cdf(np.clip(half.end + s, *self._interval))

    def _pdf(self, x: Real) -> Real:
        total = np.zeros(x.shape)
        for cell in self._cells:
            for half, here in self._on(cell, x):
                if here.any():
                    total[here] += self._density_on(half, self._roots_on(half, x[here]))
        return total / 2

    def _density_on(self, half: _Half, s: Real) -> Real:
        def ratio(s: Real) -> Real:
            with np.errstate(all="ignore"):
                return np.asarray(self._angle_pdf(half, s) / np.abs(self._rise(half, s)[1]))

        value = ratio(s)
        lost = np.isnan(value) | (s == 0)
        if lost.any():  # at the end itself: the limit
            near = ratio(half.length * np.array([1e-10, 1e-8]))
            grows = near[0] > 1.7 * near[1] and near[0] > 0
            falls = near[1] > 1.7 * near[0]
            value[lost] = np.inf if grows else 0.0 if falls else near[0]
        return value

    def _cdf(self, x: Real) -> Real:
        total = np.zeros(x.shape)
        for cell in self._cells:
            first, second = cell
            ends = self._angle_cdf(first, np.zeros(1)), self._angle_cdf(second, np.zeros(1))
            rising = second.value >= first.value
            total[x > max(first.value, second.value)] += (ends[1] - ends[0])[0]
            for half, here in self._on(cell, x):
                if here.any():
                    level = self._angle_cdf(half, self._roots_on(half, x[here]))
                    total[here] += level - ends[0] if rising else ends[1] - level
        return np.where(x >= self.support[-1][1], 1.0, np.clip(total / 2, 0.0, 1.0))

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
        low, high = self._interval
        middle, half = (low + high) / 2, (high - low) / 2
        mirrored = self._mirrored.support[0]
        pair = (math.sqrt(low * high), math.sqrt(mirrored[0] * mirrored[1]))
        masses = ((middle - pair[0]) / 2, ((1 - middle) - pair[1]) / 2)
        nodes, weights = [], []
        for mass, start, flip in ((masses[0], middle, False), (masses[1], 1 - middle, True)):
            diagonal = np.full(_NODES, start)
            diagonal[0] = half**2 / 4 / mass
            values, vectors = eigh_tridiagonal(diagonal, np.full(_NODES - 1, half / 2))
            nodes.append(1 - values if flip else values)
            weights.append(mass * vectors[0] ** 2)
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
        roots = np.linalg.eigvals(companion)
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
        low, high = self._interval
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
            cross = value_at(-_derivative(trace), roots)
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


def plus(first: Sequence[Fraction], second: Sequence[Fraction]) -> Series:
    """Sum of two polynomials, the constant first."""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = [Fraction(c) for c in longer]
    for i, c in enumerate(shorter):
        total[i] += c
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return tuple(total)


def scaled(series: Sequence[Fraction], factor: Fraction) -> Series:
    """Return a polynomial times a number."""
    return tuple(c * factor for c in series)


def times(first: Sequence[Fraction], second: Sequence[Fraction]) -> Series:
    """Product of two polynomials."""
    total = [Fraction(0)] * (len(first) + len(second) - 1)
    for i, c in enumerate(first):
        if c:
            for j, other in enumerate(second):
                total[i + j] += c * other
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return tuple(total)


def exact_value(series: Sequence[Fraction], t: Fraction) -> Fraction:
    """Value of a polynomial by Horner's scheme."""
    total = Fraction(0)
    for c in reversed(series):
        total = total * t + c
    return total


def exact_derivative(series: Sequence[Fraction]) -> Series:
    """Coefficients of the derivative."""
    return tuple(k * c for k, c in enumerate(series))[1:] or (Fraction(0),)


def _shifted(series: Sequence[Fraction], place: Fraction) -> list[Fraction]:
    """Coefficients in powers of t - place."""
    shifted = list(series)
    for i in range(len(shifted) - 1):
        for j in range(len(shifted) - 2, i - 1, -1):
            shifted[j] += place * shifted[j + 1]
    return shifted


def _square_root(value: Fraction) -> Fraction:
    """Root to about 160 binary digits."""
    if not value:
        return value
    shift = max(0, 2 * _ROOT_BITS - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    whole = math.isqrt((value.numerator << shift) // value.denominator)
    return Fraction(whole, 1 << (shift // 2))


def value_at(series: Real, t: Real) -> Real:
    """Value of a polynomial, the constant first, by Horner's scheme."""
    total = np.zeros_like(t) + (series[-1] if series.size else 0.0)
    for coefficient in series[-2::-1]:
        total = total * t + coefficient
    return np.asarray(total)


def _rows_at(series: Complex, t: Complex) -> Complex:
    """Values of one polynomial a row, series (n, m), at points (n, k)."""
    total = np.zeros_like(t)
    for j in range(series.shape[1] - 1, -1, -1):
        total = total * t + series[:, j : j + 1]
    return total


def _derivative(series: Real) -> Real:
    return np.asarray(series[1:] * np.arange(1, series.size))
