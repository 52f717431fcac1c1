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

from collections.abc import Callable
from functools import cached_property
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import (
    complex_points,
    count,
    nonnegative,
    points,
    positive as positive_number,
)
from rmtland.arrays import ROUNDING_UNITS
from rmtland.spectrum.bounds import mass_bounds
from rmtland.spectrum.inertia import Inertia
from rmtland.typing import Complex, NumpyArray, Real, Scalar, Values

__all__ = ["SpectralStatistics"]


class SpectralStatistics:
    """Statistics of nodes and weights, a row a run; `rmtland.spectrum.Spectrum` holds them."""

    nodes: Real
    weights: Real | None
    dimension: int | None
    beta: Real | None
    precision: str

    # The measure -----------------------------------------------------------------------------

    @property
    def runs(self) -> int:
        """Number of matrices."""
        return int(self.nodes.shape[0])

    @property
    def is_complete(self) -> bool:
        """Whether the nodes are all eigenvalues (and not a quadrature)."""
        return self.weights is None

    @cached_property
    def eigenvalues(self) -> Real:
        """All eigenvalues of all runs in ascending order, shape (runs * dimension,)."""
        if not self.is_complete:
            raise ValueError(
                "this spectrum is a quadrature: it has nodes and weights, not eigenvalues"
            )
        values = np.sort(self.nodes, axis=None)
        values.flags.writeable = False
        return values

    @cached_property
    def measure(self) -> tuple[Real, Real]:
        """Nodes of all runs in ascending order and their weights, of total 1."""
        order = np.argsort(self.nodes, axis=None, kind="stable")
        weights = self._weights.ravel()[order] / self.runs
        nodes = self.nodes.ravel()[order]
        nodes.flags.writeable = weights.flags.writeable = False
        return nodes, weights

    @property
    def _weights(self) -> Real:
        if self.weights is not None:
            return self.weights
        return np.broadcast_to(np.float64(1 / self.nodes.shape[1]), self.nodes.shape)

    @property
    def zero_tolerance(self) -> float:
        """Default zero tolerance: nodes in a run * rounding unit * largest modulus."""
        unit = ROUNDING_UNITS[self.precision]
        return float(self.nodes.shape[1] * unit * np.abs(self.nodes).max())

    @overload
    def cdf(self, x: Scalar) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def cdf(self, x: ArrayLike) -> Real: ...
    def cdf(self, x: ArrayLike) -> Values:
        """Distribution function: the mass in (-infinity, x], mean over runs.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.

        Returns
        -------
        float or ndarray
            Values in [0, 1], in the shape of `x`.
        """
        return self._mass(x, "right")

    @overload
    def mass_below(self, x: Scalar) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def mass_below(self, x: ArrayLike) -> Real: ...
    def mass_below(self, x: ArrayLike) -> Values:
        """Mass in (-infinity, x), mean over runs: without that of eigenvalues at x.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.

        Returns
        -------
        float or ndarray
            Values in [0, 1], in the shape of `x`.
        """
        return self._mass(x, "left")

    def _mass(self, x: ArrayLike, side: Literal["left", "right"]) -> Values:
        nodes, weights = self.measure
        sums = np.concatenate(([0.0], np.cumsum(weights)))
        sums[-1] = 1.0
        return _as_given(sums[np.searchsorted(nodes, points("x", x), side=side)])

    @overload
    def stieltjes(self, z: Scalar) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def stieltjes(self, z: ArrayLike) -> Complex: ...
    def stieltjes(self, z: ArrayLike) -> Values:
        """Stieltjes (Cauchy) transform, the mean of 1/(z - eigenvalue).

        Parameters
        ----------
        z : array_like of complex
            Points off the eigenvalues, any shape.

        Returns
        -------
        complex or ndarray of complex128
            G(z), in the shape of `z`.

        Raises
        ------
        ValueError
            If a point is not finite.
        TypeError
            If the points are not numbers.
        """
        return _averaged(self.measure, complex_points("z", z), lambda distance: 1 / distance)

    @overload
    def smoothed_pdf(self, x: Scalar, *, eta: float) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Real: ...
    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Density convolved with the Cauchy density of half-width eta.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0, in the units of x.

        Returns
        -------
        float or ndarray
            Density, in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN, or `eta` not positive and finite.
        TypeError
            If they are not real numbers.
        """
        z = points("x", x) + 1j * positive_number("eta", eta)
        return _averaged(self.measure, z, lambda distance: -(1 / distance).imag / np.pi)

    @overload
    def smoothed_cdf(self, x: Scalar, *, eta: float) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Real: ...
    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Distribution function convolved with the Cauchy law of half-width eta.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0, in the units of x.

        Returns
        -------
        float or ndarray
            Values in [0, 1], in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN, or `eta` not positive and finite.
        TypeError
            If they are not real numbers.
        """
        z = points("x", x) + 1j * positive_number("eta", eta)
        return _averaged(self.measure, z, lambda distance: 1 - np.angle(distance) / np.pi)

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


def _averaged(
    measure: tuple[Real, Real], z: NumpyArray, function: Callable[[NumpyArray], NumpyArray]
) -> Values:
    """Mean of a function of z - eigenvalue over nodes with weights."""
    nodes, weights = measure
    step = max(1, 2**20 // nodes.size)
    flat = z.ravel()
    parts = [
        function(flat[start : start + step, None] - nodes) @ weights
        for start in range(0, flat.size, step)
    ]
    return _as_given((np.concatenate(parts) if parts else flat.real).reshape(z.shape))


def _as_given(values: NumpyArray) -> Values:
    """Return a Python number where no axes were given."""
    return values if values.shape else values.item()


def _standard_error(values: Real) -> float:
    if values.size < 2:
        return float("inf")
    return float(values.std(ddof=1) / np.sqrt(values.size))
