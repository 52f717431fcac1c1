r"""Monotone pieces of a polynomial on an interval, and its real roots on each of them.

Between two neighbouring critical points p is monotone. Each cell is cut in the middle, and each
half expanded around its own end of the cell, p(end + s) = value + sum of c_k s^k, so that roots
next to a critical point keep their digits.

Examples
--------
>>> pieces = MonotonePieces(np.array([0.0, -1.0, 0.0, 1.0]), (0.5, 2.0))  # t^3 - t
>>> pieces.nodes.round(6).tolist()
[0.5, 0.57735, 2.0]
>>> left, right = pieces.branches[1]
>>> round(float(left.end + pieces.roots_on(left, np.array([0.0]))[0]), 12)
1.0
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.typing import Logical, Real, Values

__all__ = ["Branch", "MonotonePieces", "derivative", "polynomial_at"]


class Branch(NamedTuple):
    """Half of a cell between critical points: p(end + s) = value + sum of series_k s^k."""

    end: float
    length: float  # with a sign
    value: float
    far: float
    series: Real  # from order 1


@dataclass(frozen=True, eq=False)
class MonotonePieces:
    """A polynomial on an interval.

    Parameters
    ----------
    series : ndarray of float, shape (d + 1,)
        Coefficients, the constant first.
    hull : (float, float)
        Ends of the interval.
    """

    series: Real
    hull: tuple[float, float]

    @cached_property
    def critical(self) -> Real:
        """Real zeros of p' in ascending order."""
        slope = derivative(self.series)
        zeros = np.roots(slope[::-1])
        real = zeros.real[zeros.imag == 0]
        bend = derivative(slope)
        for _ in range(2):
            with np.errstate(all="ignore"):
                moved = real - polynomial_at(slope, real) / polynomial_at(bend, real)
                better = np.abs(polynomial_at(slope, moved)) < np.abs(polynomial_at(slope, real))
            real = np.where(better, moved, real)
        return np.sort(real) + 0.0

    @cached_property
    def nodes(self) -> Real:
        """Ends of the cells in which p is monotone: those of the support, and critical points."""
        low, high = self.hull
        inner = self.critical[(self.critical > low) & (self.critical < high)]
        return np.array([low, *inner, high])

    @cached_property
    def branches(self) -> list[tuple[Branch, Branch]]:
        """Both halves of every cell, each expanded around its own end of the cell."""
        values = polynomial_at(self.series, self.nodes)
        found = []
        for i in range(self.nodes.size - 1):
            left, right = float(self.nodes[i]), float(self.nodes[i + 1])
            middle = (left + right) / 2
            half = []
            for j, end in ((i, left), (i + 1, right)):
                series = _shifted(self.series, end)[1:]
                if end in self.critical:
                    series[0] = 0.0
                value, far = float(values[j]), float(polynomial_at(self.series, np.array(middle)))
                half.append(Branch(end, middle - end, value, far, series))
            found.append((half[0], half[1]))
        return found

    def roots_on(self, branch: Branch, x: Real) -> Real:
        """Solve p(end + s) = x on a branch, by Newton's method within brackets.

        Parameters
        ----------
        branch : Branch
            The branch.
        x : ndarray of float, shape (n,)
            Values in its range.

        Returns
        -------
        ndarray of float, shape (n,)
            Distances s from its end, with a sign.
        """
        target = x - branch.value
        powers = np.concatenate([[0.0], branch.series])
        slope = derivative(powers)
        first = int(np.flatnonzero(branch.series)[0]) + 1
        low, high = np.zeros(x.shape), np.ones(x.shape)  # as shares of the length
        full = float(polynomial_at(powers, np.array(branch.length)))
        with np.errstate(all="ignore"):
            share = np.clip(np.abs(target / full) ** (1 / first), 0.0, 1.0)
        share[np.isnan(share)] = 0.0
        rising = full > 0
        under = np.arange(x.size)
        for _ in range(100):
            here, goal = share[under], target[under]
            s = here * branch.length
            defect = polynomial_at(powers, s) - goal
            beyond = (defect > 0) == rising
            exact = defect == 0
            high[under] = np.where(beyond | exact, here, high[under])
            low[under] = np.where(beyond & ~exact, low[under], here)
            with np.errstate(all="ignore"):
                trial = here - defect / (polynomial_at(slope, s) * branch.length)
            inside = (trial >= low[under]) & (trial <= high[under])
            middle = (low[under] + high[under]) / 2
            trial = np.where(exact, here, np.where(inside, trial, middle))
            # A step of two units in the last place, or less, is rounding
            open_ = (np.abs(trial - here) > 4.5e-16 * here) & (
                high[under] - low[under] > 2e-16 * high[under]
            )
            share[under] = trial
            under = under[open_]
            if not under.size:
                break
        return share * branch.length

    @staticmethod
    def on(branches: tuple[Branch, Branch], x: Real) -> list[tuple[Branch, Logical]]:
        """Say which points have a root on each half of a cell.

        Parameters
        ----------
        branches : (Branch, Branch)
            The halves.
        x : ndarray of float, shape (n,)
            Values of the polynomial.

        Returns
        -------
        list of (Branch, ndarray of bool)
            Both halves, each with the points that have a root on it.
        """
        first, second = branches
        rising = second.value >= first.value
        a, b, m = first.value, second.value, first.far
        below = (x >= a) & (x <= m) if rising else (x <= a) & (x >= m)
        above = (x > m) & (x <= b) if rising else (x < m) & (x >= b)
        return [(first, below), (second, above & ~below)]


def polynomial_at(series: Real, t: Values) -> Values:
    """Value of a polynomial by Horner's scheme.

    Parameters
    ----------
    series : ndarray of float, shape (d + 1,)
        Coefficients, the constant first.
    t : ndarray of float or complex
        Places.

    Returns
    -------
    ndarray
        Values, in the shape of t.
    """
    total = np.zeros_like(t) + series[-1]
    for coefficient in series[-2::-1]:
        total = total * t + coefficient
    return np.asarray(total)


def derivative(series: Real) -> Real:
    """Coefficients of the derivative of a polynomial.

    Parameters
    ----------
    series : ndarray of float, shape (d + 1,)
        Coefficients, the constant first.

    Returns
    -------
    ndarray of float, shape (d,)
        Those of the derivative.
    """
    return series[1:] * np.arange(1, series.size)


def _shifted(series: Real, place: float) -> Real:
    """Coefficients of the polynomial in powers of t - place."""
    shifted = series.copy()
    for i in range(series.size - 1):
        for j in range(series.size - 2, i - 1, -1):
            shifted[j] += place * shifted[j + 1]
    return shifted
