r"""What a discrete spectral measure says: counts, moments, distribution function and transform.

For :math:`\sum_i w_i \delta_{\lambda_i}`, the mean over runs,

.. math:: F(x) = \sum_{\lambda_i \le x} w_i, \qquad
          G(z) = \sum_i \frac{w_i}{z - \lambda_i}, \qquad m_k = \sum_i w_i \lambda_i^k .

An eigenvalue counts as zero when its modulus is at most the zero tolerance. The default is the
rounding error of a symmetric eigenvalue solver, :math:`p \, u \max |\lambda|` with p the number
of nodes of a run and u the distance from 1 to the next number of the precision in which the matrix
or its eigenvalues were computed [1]_: :math:`2^{-52}` in double precision, :math:`2^{-23}` in
single.

References
----------
.. [1] LAPACK Users' Guide, 3rd ed., SIAM 1999, section 4.7: error bounds for the symmetric
       eigenproblem.

Examples
--------
>>> from rmtland.spectrum import Spectrum
>>> spectrum = Spectrum([-1.0, 0.0, 0.0, 2.0])
>>> spectrum.mean(), spectrum.var(), spectrum.index(), spectrum.cdf(0.0)
(0.25, 1.1875, 0.25, 0.75)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from rmtland.arguments import (
    count,
    nonnegative,
)
from rmtland.spectrum.bounds import mass_bounds
from rmtland.spectrum.inertia import Inertia
from rmtland.spectrum.spectral_measure import SpectralMeasure
from rmtland.typing import Real

__all__ = ["SpectralStatistics"]


class SpectralStatistics(SpectralMeasure):
    """Statistics of nodes and weights, a row a run; `rmtland.spectrum.Spectrum` holds them."""

    dimension: int | None
    beta: Real | None

    # Counts ----------------------------------------------------------------------------------

    def inertia(self, zero_tolerance: float | None = None) -> Inertia:
        """Count negative, zero and positive eigenvalues over all runs.

        Parameters
        ----------
        zero_tolerance : float, optional
            Largest modulus that counts as zero; defaults to `zero_tolerance`.

        Returns
        -------
        Inertia
            The three numbers, and the tolerance that they belong to.
        """
        tolerance = self._tolerance(zero_tolerance)
        values = self.eigenvalues
        negative = int(np.count_nonzero(values < -tolerance))
        positive = int(np.count_nonzero(values > tolerance))
        return Inertia(negative, values.size - negative - positive, positive, tolerance)

    def index(self, zero_tolerance: float | None = None) -> float:
        """Fraction of negative eigenvalues (mass below the zero tolerance), mean over runs.

        Parameters
        ----------
        zero_tolerance : float, optional
            Largest modulus that counts as zero; defaults to `zero_tolerance`.

        Returns
        -------
        float
            Mean over runs, in [0, 1].
        """
        return float(self._index_of_runs(zero_tolerance).mean())

    def index_error(self, zero_tolerance: float | None = None) -> float:
        """Return the standard error of the index over runs; infinite for one run.

        Parameters
        ----------
        zero_tolerance : float, optional
            Largest modulus that counts as zero; defaults to `zero_tolerance`.

        Returns
        -------
        float
            Standard error of the mean over runs.
        """
        return _standard_error(self._index_of_runs(zero_tolerance))

    def index_bracket(self, zero_tolerance: float | None = None) -> tuple[float, float]:
        """Return bounds of the index that a Gauss quadrature leaves, mean over runs.

        The mass below a node is at least the weights before it and at most those up to it
        (Chebyshev-Markov-Stieltjes inequalities, `rmtland.spectrum.bounds`): for the last negative
        node and the first other one. They hold for the spectral measure of the start vector, not
        for the chance that is in the choice of that vector. For all eigenvalues, and for a
        quadrature whose Krylov space has ended (a zero in `beta`, or as many nodes as dimensions),
        both are the index.

        Parameters
        ----------
        zero_tolerance : float, optional
            Largest modulus that counts as zero; defaults to `zero_tolerance`.

        Returns
        -------
        (float, float)
            Lower and upper bound.
        """
        index = self._index_of_runs(zero_tolerance)
        if self.weights is None or self.nodes.shape[1] == self.dimension:
            return float(index.mean()), float(index.mean())
        below = np.sum(self.nodes < -self._tolerance(zero_tolerance), axis=1)
        low, high = mass_bounds(self.weights, below)
        if self.beta is not None:
            ended = (self.beta == 0).any(axis=1)
            low, high = np.where(ended, index, low), np.where(ended, index, high)
        return float(low.mean()), float(high.mean())

    def _index_of_runs(self, zero_tolerance: float | None) -> Real:
        tolerance = self._tolerance(zero_tolerance)
        return np.asarray((self._weights * (self.nodes < -tolerance)).sum(axis=1))

    def _tolerance(self, zero_tolerance: float | None) -> float:
        if zero_tolerance is None:
            return self.zero_tolerance
        return nonnegative("zero_tolerance", zero_tolerance)

    # Moments ---------------------------------------------------------------------------------

    def mean(self) -> float:
        """Mean of the spectral measure: trace / dimension, averaged over runs.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return self.moment(1)

    def var(self) -> float:
        """Variance of the spectral measure of all runs together.

        Returns
        -------
        float
            In the squared units of the eigenvalues, >= 0.

        Raises
        ------
        OverflowError
            If it is beyond the largest floating-point number; `std` is not.
        """
        variance, unit = self._variance()
        return _of_units(variance, 2 * unit, "the variance (std is not)")

    def _variance(self) -> tuple[float, int]:
        """Variance and k, in units of 2^k: 0 unless it is close to what floats can hold."""
        nodes, weights = self.measure
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float(np.sum(weights * (nodes - self.mean()) ** 2))
        if sys.float_info.min / sys.float_info.epsilon <= variance < math.inf:
            return variance, 0
        unit = math.frexp(float(np.abs(nodes).max()))[1]
        nodes = np.ldexp(nodes, -unit)
        return float(np.sum(weights * (nodes - np.sum(weights * nodes)) ** 2)), unit

    def std(self) -> float:
        """Return the standard deviation of the spectral measure of all runs together.

        Returns
        -------
        float
            In the units of the eigenvalues, >= 0.
        """
        variance, unit = self._variance()
        return math.ldexp(math.sqrt(variance), unit)

    def moment(self, k: int) -> float:
        """Moment of order `k` about zero.

        Parameters
        ----------
        k : int
            Order, >= 0.

        Returns
        -------
        float
            Weighted mean of eigenvalue^k over all runs.

        Raises
        ------
        ValueError
            If `k` is negative.
        TypeError
            If `k` is no integer.
        OverflowError
            If the moment is beyond the largest floating-point number.
        """
        nodes, weights = self.measure
        return _of_powers(
            nodes,
            count("k", k, min_value=0),
            lambda powers: float(np.sum(weights * powers)),
            f"the moment of order {k}",
        )

    def moment_error(self, k: int) -> float:
        """Return the standard error of the moment over runs; infinite for one run.

        Parameters
        ----------
        k : int
            Order, >= 0.

        Returns
        -------
        float
            Standard error of the mean over runs.

        Raises
        ------
        ValueError
            If `k` is negative.
        TypeError
            If `k` is no integer.
        OverflowError
            If the error is beyond the largest floating-point number.
        """
        order = count("k", k, min_value=0)
        if self.runs < 2:
            return math.inf
        return _of_powers(
            self.nodes,
            order,
            lambda powers: _standard_error((self._weights * powers).sum(axis=1)),
            f"the error of the moment of order {k}",
        )


def _standard_error(values: Real) -> float:
    if values.size < 2:
        return float("inf")
    return float(values.std(ddof=1) / np.sqrt(values.size))


def _of_powers(nodes: Real, k: int, statistic: Callable[[Real], float], name: str) -> float:
    """Return a linear statistic of nodes^k, in units of their own where the powers overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        plain = statistic(nodes**k)
    if math.isfinite(plain):
        return plain
    unit = math.frexp(float(np.abs(nodes).max()))[1]
    return _of_units(statistic(np.ldexp(nodes, -unit) ** k), k * unit, name)


def _of_units(value: float, unit: int, name: str) -> float:
    """Return value 2^unit, or say that no floating-point number holds it."""
    try:
        return math.ldexp(value, unit)
    except OverflowError:
        raise OverflowError(f"{name} is beyond the largest floating-point number") from None
