r"""Power series beside points where a transform is unbounded, in :math:`\sigma = G^{-1/p}`.

Beside such a point e,

.. math:: z - e = c_q \sigma^q + c_{q+1} \sigma^{q+1} + \dots , \qquad
    \int_e^z G = \sum_k \frac{k}{k - p} c_k \sigma^{k - p} .

`rmtland.free.operator_valued.hard_edges` has it at ends of bands, with real coefficients,
`rmtland.free.operator_valued.inner_singularities` inside, with complex ones.

Examples
--------
>>> import numpy as np
>>> first = np.array([0.01j])  # sigma^2 + sigma^3/2 = -1e-4
>>> sigma = solve_series(np.array([1.0, 0.5]), 2, first)
>>> bool(abs(sigma[0] ** 2 + sigma[0] ** 3 / 2 + 1e-4) < 1e-18)
True
"""

from __future__ import annotations

import abc
from typing import Generic, Protocol, TypeVar

import numpy as np

from rmtland.typing import Complex, Logical, NumpyArray, Real

__all__ = [
    "SeriesBesidePoints",
    "TransformSeries",
    "relative_fit",
    "solve_series",
    "transform_integral",
]

_STEPS = 5


def solve_series(coefficients: NumpyArray, lowest: int, first: Complex) -> Complex:
    """Solve the series for sigma by Newton's method, from its first term.

    Parameters
    ----------
    coefficients : ndarray
        c_q, c_{q+1}, ...
    lowest : int
        q.
    first : ndarray of complex, shape (n,)
        Solution of c_q sigma^q = z - e, on the branch that is wanted; not 0.

    Returns
    -------
    ndarray of complex, shape (n,)
    """
    sigma = first
    for _ in range(_STEPS):
        value, slope = np.zeros_like(sigma), np.zeros_like(sigma)
        for k in range(coefficients.size - 1, -1, -1):
            value = value * sigma + coefficients[k]
            slope = slope * sigma + (k + lowest) * coefficients[k]
        # All is divided by sigma^(q - 1): z - e itself may be too small for quotients.
        target = coefficients[0] * first * (first / sigma) ** (lowest - 1)
        sigma = sigma - (value * sigma - target) / slope
    return np.asarray(sigma)


def transform_integral(
    coefficients: NumpyArray, lowest: int, power: int, sigma: Complex
) -> Complex:
    """Integrate G from e, where sigma is 0.

    Parameters
    ----------
    coefficients : ndarray
        c_q, c_{q+1}, ...
    lowest, power : int
        q and p.
    sigma : ndarray of complex, shape (n,)
        Where the integral ends.

    Returns
    -------
    ndarray of complex, shape (n,)
    """
    total = np.zeros_like(sigma)
    for k in range(coefficients.size - 1, -1, -1):
        order = k + lowest
        total = total * sigma + order / (order - power) * coefficients[k]
    return np.asarray(total * sigma ** (lowest - power))


def relative_fit(columns: NumpyArray) -> tuple[NumpyArray, float]:
    """Return factors with which columns add up to 1, and the largest deviation.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        Terms of a series at n points, each divided by what the series gives there.

    Returns
    -------
    factors : ndarray, shape (k,)
    deviation : float
    """
    scales = np.abs(columns).max(axis=0)
    values, *_ = np.linalg.lstsq(columns / scales, np.ones(len(columns)), rcond=1e-15)
    return values / scales, float(np.abs(columns / scales @ values - 1).max())


class TransformSeries(Protocol):
    """The series of one point."""

    def density(self, t: Real, /) -> Real:
        """Density at coordinates t beside the point, infinite at 0."""
        ...


Series = TypeVar("Series", bound=TransformSeries)


class SeriesBesidePoints(abc.ABC, Generic[Series]):
    """Values of a law replaced by those of series, beside the points that have one."""

    @abc.abstractmethod
    def _beside(self, x: Real) -> list[tuple[Series, Logical, Real]]:
        """Each series with the points that it holds at, as a mask and in its coordinate."""

    def covers(self, x: Real) -> Logical:
        """Whether points are so close that the series are used.

        Parameters
        ----------
        x : ndarray of float, shape (n,)
            Points.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where `density` and `distribution` replace values.
        """
        covered = np.zeros(x.shape, dtype=np.bool_)
        for _, near, _ in self._beside(x):
            covered |= near
        return covered

    def density(self, x: Real, density: Real) -> Real:
        """Return the density with its values beside the points replaced.

        Parameters
        ----------
        x, density : ndarray of float, shape (n,)
            Points and the density there.

        Returns
        -------
        ndarray of float, shape (n,)
            Infinite at the points themselves.
        """
        for series, near, t in self._beside(x):
            density[near] = series.density(t)
        return density
