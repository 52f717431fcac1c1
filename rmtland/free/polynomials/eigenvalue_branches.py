r"""Eigenvalues of a matrix function of one random variable: monotone pieces and preimages.

The eigenvalues of H(T), for T of a law on an interval inside [0, 1]
(`rmtland.free.polynomials.matrix_function`), have the density

.. math:: \rho(x) = \frac12 \sum_{\pm} \sum_{\lambda_\pm(t) = x} \frac{\nu(t)}{|\lambda_\pm'(t)|} .

A branch is cut where it turns and where the branches meet; between these points the distribution
function is a sum of increments of that of T. Beside a cut t_0 with the value e, an eigenvalue
:math:`e + \delta` is the root of :math:`\delta^2 + (2 e - \operatorname{tr} H) \delta + \chi(e, t)`
that vanishes at t_0: exact expansions in t - t_0 keep its relative accuracy.

Examples
--------
Two lines at a random angle, cos^2 of the arcsine law: eigenvalues cos^2 +- cos.

>>> from fractions import Fraction
>>> from rmtland.laws import Wachter
>>> one = Fraction(1)
>>> matrix = MatrixFunction(a=(0, 2 * one), d=(0,), b=(one,), b_imaginary=(0,))
>>> EigenvalueBranches(Wachter(1.0, 1.0), matrix).ranges
((-0.25, 2.0),)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from rmtland.free.polynomials.matrix_function import (
    MatrixFunction,
    derivative,
    shifted_series,
    value_at,
)
from rmtland.laws.wachter import Wachter
from rmtland.typing import Logical, Real, Support

__all__ = ["EigenvalueBranches"]

_GRID = 96


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
    spread: tuple[Real, ...]


@dataclass(frozen=True)
class EigenvalueBranches:
    """Both eigenvalues of a matrix function, cut into monotone cells.

    Parameters
    ----------
    angle : Wachter
        The law of T, without atoms.
    matrix : MatrixFunction
        H; no eigenvalue may be constant.
    """

    angle: Wachter
    matrix: MatrixFunction

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Ends of the law of T."""
        return self.angle.support[0]

    def _cuts(self, sign: int) -> Real:
        """Return the ends of the interval, and where a branch turns or has a corner."""
        low, high = self.interval
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
        trace = shifted_series(self.matrix.trace, Fraction(end))
        determinant = shifted_series(self.matrix.determinant, Fraction(end))
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
        return _Half(
            end,
            length,
            value,
            far,
            sign,
            np.array(line),
            np.array(level),
            self.matrix.spread_series(Fraction(end)),
        )

    def _rise(self, half: _Half, s: Real) -> tuple[Real, Real]:
        """Eigenvalue less its value at the end, and its slope, at t_0 + s."""
        line, level = value_at(half.line, s), value_at(half.level, s)
        first, real, imaginary, square = (value_at(part, s) for part in half.spread)
        off = np.sqrt(np.maximum(square, 0.0)) * np.hypot(real, imaginary)
        root = 2 * half.sign * np.hypot(first, off)
        with np.errstate(all="ignore"):
            # root - line: no cancellation where the signs differ
            delta = np.where(line * root > 0, -2 * level / (line + root), (root - line) / 2)
            fall = value_at(derivative(half.line), s) * delta
            slope = -(fall + value_at(derivative(half.level), s)) / (2 * delta + line)
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

    @cached_property
    def ranges(self) -> Support:
        """Ranges of the branches; those that overlap or touch are one."""
        merged: list[list[float]] = []
        ranges = [sorted((first.value, second.value)) for first, second in self._cells]
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        return tuple((low, high) for low, high in merged)

    @cached_property
    def ends(self) -> tuple[float, ...]:
        """Values at all ends of monotone pieces, where the density is not smooth."""
        return tuple(sorted({float(half.value) for cell in self._cells for half in cell}))

    @cached_property
    def mirrored(self) -> Wachter:
        """The law of 1 - T."""
        return Wachter(self.angle.other_ratio, self.angle.aspect_ratio)

    def _angle_pdf(self, half: _Half, s: Real) -> Real:
        if half.end < 0.5:
            return self.angle._pdf(half.end + s)
        low, high = self.mirrored.support[0]
        start = low if half.end == self.interval[1] else 1 - half.end
        return self.mirrored._pdf(np.clip(start - s, low, high))

    def _angle_cdf(self, half: _Half, s: Real) -> Real:
        return self.angle._cdf(np.clip(half.end + s, *self.interval))

    def density(self, x: Real) -> Real:
        """Sum over preimages, at points."""
        total = np.zeros(x.shape)
        ends = np.zeros((2, x.size))  # limits at ends of cells, from below and from above
        for cell in self._cells:
            above = [half.value <= min(cell[0].value, cell[1].value) for half in cell]
            for (half, here), upper in zip(self._on(cell, x), above, strict=True):
                if here.any():
                    s = self._roots_on(half, x[here])
                    density = self._density_on(half, s)
                    total[here] += np.where(s == 0, 0.0, density)
                    ends[int(upper), here] += np.where(s == 0, density, 0.0)
        return np.asarray((total + ends.max(axis=0)) / 2)

    def _density_on(self, half: _Half, s: Real) -> Real:
        def ratio(s: Real) -> Real:
            with np.errstate(all="ignore"):
                return np.asarray(self._angle_pdf(half, s) / np.abs(self._rise(half, s)[1]))

        value = ratio(s)
        lost = np.isnan(value) | (s == 0)
        if lost.any():  # at the end itself: the limit
            near = ratio(half.length * np.array([1e-14, 1e-12]))
            grows = near[0] > 1.7 * near[1] and near[0] > 0
            falls = near[1] > 1.7 * near[0]
            # a smooth function of the root of s
            limit = near[0] + (near[0] - near[1]) / 9
            value[lost] = np.inf if grows else 0.0 if falls else limit
        return value

    def distribution(self, x: Real) -> Real:
        """Mass up to points, by increments of that of T."""
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
        return np.where(x >= self.ranges[-1][1], 1.0, np.clip(total / 2, 0.0, 1.0))
