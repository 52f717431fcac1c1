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
        """
        nodes, weights = self.measure
        return float(np.sum(weights * (nodes - self.mean()) ** 2))

    def std(self) -> float:
        """Return the standard deviation of the spectral measure of all runs together.

        Returns
        -------
        float
            In the units of the eigenvalues, >= 0.
        """
        return float(np.sqrt(self.var()))

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
        """
        nodes, weights = self.measure
        return float(np.sum(weights * nodes ** count("k", k, min_value=0)))

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
        """
        powers = self.nodes ** count("k", k, min_value=0)
        return _standard_error((self._weights * powers).sum(axis=1))


def _standard_error(values: Real) -> float:
    if values.size < 2:
        return float("inf")
    return float(values.std(ddof=1) / np.sqrt(values.size))
