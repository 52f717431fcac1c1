r"""Values of an equation averaged over sampled legs, their bias taken out and their error known.

The legs are of two sizes; with values G_n and G_l of legs of n and l hidden units the extrapolated
mean is (Richardson)

.. math:: G = G_n + \frac{l^2}{n^2 - l^2} (G_n - G_l) .

Each leg is solved along all points by itself, in a thread of its own.

Examples
--------
>>> import numpy as np
>>> values = np.array([[[1.1]], [[1.1]], [[1.4]], [[1.4]]]) + 0j  # 1 + .4/n^2, n = 2 and 1
>>> good = np.ones(1, dtype=bool)
>>> found = LegValues(values, 2, 2.0, good, np.zeros(1), np.ones(1, dtype=int))
>>> value, error = found.extrapolated(0)
>>> value.round(6), error.round(6)  # the error is the bias that was taken out
(array([1.+0.j]), array([0.1]))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.special import ndtr, stdtrit

from rmtland.models.dyson.above_axis import Progress
from rmtland.models.dyson.fixed_points import FixedPoint, SolvedStates, solve_along
from rmtland.models.two_leg.leg_equation import LegEquation
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import Complex, Integer, Logical, Real

__all__ = [
    "LegOrders",
    "LegValue",
    "LegValues",
    "deviations",
    "in_threads",
    "share_of_small",
    "threads",
    "values_over_legs",
]

_DEVIATIONS = 2.5  # standard errors in an error, with many draws
_AMPLIFIED = 100.0  # of the tolerance, by slow modes of the equation

LegValue: TypeAlias = Callable[[Any, complex, FixedPoint], Complex]
"""Quantities from an equation, a point and what was found there."""


class LegOrders(NamedTuple):
    """The transform from either order of the legs, and how far apart they may be by chance."""

    first: Complex
    second: Complex
    standard_error: Real

    @property
    def difference(self) -> Real:
        """Modulus of the difference."""
        return np.abs(self.first - self.second)


class LegValues(NamedTuple):
    """Values of all legs, the large ones first, at all points.

    Parameters
    ----------
    values : ndarray of complex, shape (legs, quantities, points)
        What each leg gives.
    large : int
        Number of large legs.
    ratio : float
        Of the sizes of large and small legs, > 1.
    good : ndarray of bool, shape (points,)
        Whether all legs are solved.
    residual, steps : ndarray, shape (points,)
        Largest relative change, and steps of all legs together.
    """

    values: Complex
    large: int
    ratio: float
    good: Logical
    residual: Real
    steps: Integer

    @property
    def _weights(self) -> Real:
        """Of every leg in the extrapolated mean."""
        share = share_of_small(self.ratio)
        small = len(self.values) - self.large
        return np.repeat([(1 + share) / self.large, -share / small], [self.large, small])

    def standard_error(self, i: int) -> Real:
        """Return the standard error of the extrapolated mean of a quantity, shape (points,)."""
        values, weights = self.values[:, i], self._weights
        square = np.zeros(values.shape[1])
        for part in (slice(0, self.large), slice(self.large, None)):
            square += (weights[part] ** 2).sum() * values[part].var(axis=0, ddof=1)
        return np.sqrt(square)

    def imaginary(self, i: int) -> tuple[Real, Real]:
        """Mean of the imaginary part of a quantity without its bias, and its error."""
        only = np.asarray(self.values.imag, dtype=np.complex128)
        value, error = self._replace(values=only).extrapolated(i)
        return value.real, error

    def extrapolated(self, i: int) -> tuple[Complex, Real]:
        """Mean of a quantity without its bias, and its error."""
        values = self.values[:, i]
        value = np.asarray(self._weights @ values)
        bias = np.abs(value - values[: self.large].mean(axis=0))
        return value, np.asarray(bias + deviations(self.large) * self.standard_error(i))

    def solution(
        self, shape: tuple[int, ...], tolerance: float, rounded: float, *, relative: bool = True
    ) -> Solution:
        """Return the first quantity, with its error.

        Parameters
        ----------
        shape : tuple of int
            Of the points.
        tolerance : float
            Of the equation.
        rounded : float
            Relative error by the ratios of the sizes of the legs.
        relative : bool
            Whether the tolerance is relative to the quantity, or to 1.

        Returns
        -------
        Solution
        """
        value, error = self.extrapolated(0)
        size, slack = np.abs(value), _AMPLIFIED * tolerance
        error = error + (slack + rounded) * size if relative else error + slack + rounded * size
        return Solution(
            value.reshape(shape),
            Status.CONVERGED if self.good.all() else Status.NOT_CONVERGED,
            self.residual.reshape(shape),
            self.steps.reshape(shape),
            error.reshape(shape),
        )


def values_over_legs(
    legs: Sequence[LegEquation],
    z: Complex,
    tolerance: float,
    size: int,
    value: LegValue,
    *,
    large: int,
    ratio: float,
    progress: Progress | None = None,
    throw: bool = True,
) -> LegValues:
    """Solve the equations of all legs at all points.

    Parameters
    ----------
    legs : sequence of LegEquation
        The large ones first.
    z : ndarray of complex, shape (points,)
        Points of the open upper half-plane.
    tolerance : float
        Of the relative change of the state of each leg.
    size : int
        Number of quantities.
    value : callable
        Returns them, shape (size,), from the equation, the point and what was found there.
    large : int
        Number of large legs.
    ratio : float
        Of the sizes of large and small legs.
    progress : callable, optional
        Called with the numbers of solutions done and of all, one for each leg and point.
    throw : bool
        Whether to raise if a leg is not solved at a point.

    Returns
    -------
    LegValues

    Raises
    ------
    ConvergenceError
        If a leg is not solved at a point and `throw` is true.
    """
    found = np.full((len(legs), size, z.size), np.nan + 0j)
    residual, steps = np.zeros((len(legs), z.size)), np.zeros((len(legs), z.size), dtype=int)
    good = np.zeros((len(legs), z.size), dtype=bool)
    done, failed, stop = [0], list[complex](), Event()

    def solve(i: int) -> None:
        for place, one in solve_along(legs[i], z, tolerance, states=SolvedStates()):
            residual[i, place], steps[i, place] = one.residual, one.steps
            good[i, place] = one.converged
            if one.converged:
                found[i, :, place] = value(legs[i], complex(z[place]), one)
            elif throw:
                failed.append(complex(z[place]))
            if failed or stop.is_set():
                return
            done[0] += 1
            if progress is not None:
                progress(done[0], len(legs) * z.size)

    in_threads(solve, len(legs), stop)
    if failed:
        raise ConvergenceError(
            f"the two-leg equation was not solved at {failed[0]:.6g}, the largest relative "
            f"change of a leg is {residual.max():.1e}: raise the height above the axis, or the "
            "tolerance"
        )
    everywhere = np.asarray(good.all(axis=0))
    return LegValues(found, large, ratio, everywhere, residual.max(axis=0), steps.sum(axis=0))


def deviations(draws: int) -> float:
    """Return how many standard errors an error holds: 2.5, or Student's quantile of that level.

    Few draws know their own scatter badly.
    """
    return float(stdtrit(draws - 1, ndtr(_DEVIATIONS)))


def share_of_small(ratio: float) -> float:
    """Weight of the small legs in Richardson's extrapolation, for the ratio of the sizes."""
    return 1 / (ratio**2 - 1)


def threads(tasks: int) -> int:
    """Threads for so many tasks: cores, or fewer by OMP_NUM_THREADS."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(tasks, most or 1, int(given) if given.isdigit() and int(given) else tasks)


def in_threads(task: Callable[[int], None], tasks: int, stop: Event) -> None:
    """Run tasks on all cores, each with a BLAS of one thread: its matrices are small.

    Parameters
    ----------
    task : callable
        Called with the number of each task.
    tasks : int
        How many.
    stop : threading.Event
        Set when one fails, or at Ctrl-C: the others are to end at their next point.
    """
    from threadpoolctl import threadpool_limits

    workers = threads(tasks)
    with threadpool_limits(limits=1):
        if workers == 1:
            for i in range(tasks):
                task(i)
            return
        with ThreadPoolExecutor(workers) as pool:
            try:
                list(pool.map(task, range(tasks)))
            except BaseException:
                stop.set()
                raise
