r"""A discrete spectral measure: its distribution function and transform, exact and smoothed.

For :math:`\sum_i w_i \delta_{\lambda_i}`, the mean over runs,

.. math:: F(x) = \sum_{\lambda_i \le x} w_i, \qquad G(z) = \sum_i \frac{w_i}{z - \lambda_i} .

Examples
--------
>>> from rmtland.spectrum import Spectrum
>>> spectrum = Spectrum([-1.0, 0.0, 0.0, 2.0])
>>> spectrum.cdf(0.0), spectrum.mass_below(0.0), spectrum.stieltjes(1.0)
(0.75, 0.25, (0.375+0j))
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import (
    complex_points,
    points,
    positive as positive_number,
)
from rmtland.arrays import ROUNDING_UNITS, number_or_array
from rmtland.typing import Complex, NumpyArray, Real, Scalar, Values

__all__ = ["SpectralMeasure"]


class SpectralMeasure:
    """Nodes and weights, a row a run, as a measure; `rmtland.spectrum.Spectrum` holds them."""

    nodes: Real
    weights: Real | None
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
        return number_or_array(sums[np.searchsorted(nodes, points("x", x), side=side)])

    @overload
    def stieltjes(self, z: Scalar) -> complex: ...  # type: ignore[overload-overlap]
    @overload
    def stieltjes(self, z: ArrayLike) -> Complex: ...
    def stieltjes(self, z: ArrayLike) -> Values:
        """Stieltjes (Cauchy) transform, the mean of 1/(z - eigenvalue).

        Parameters
        ----------
        z : array_like of complex
            Points, any shape.

        Returns
        -------
        complex or ndarray of complex128
            G(z), in the shape of `z`; infinite at an eigenvalue.

        Raises
        ------
        ValueError
            If a point is not finite.
        TypeError
            If the points are not numbers.
        """
        place = complex_points("z", z)
        at = (place.imag == 0) & np.isin(place.real, self.measure[0])
        value = _averaged(self.measure, np.where(at, 1j, place), lambda distance: 1 / distance)
        return number_or_array(np.where(at, complex(np.inf, 0.0), value)) if at.any() else value

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


def _averaged(
    measure: tuple[Real, Real], z: NumpyArray, function: Callable[[NumpyArray], NumpyArray]
) -> Values:
    """Mean of a function of z - eigenvalue over nodes with weights."""
    nodes, weights = measure
    step = max(1, 2**20 // nodes.size)
    flat = z.ravel()
    parts = [
        function(flat[start : start + step, None] - nodes) @ weights
        for start in range(0, max(flat.size, 1), step)  # of no points: an empty array of its type
    ]
    return number_or_array(np.concatenate(parts).reshape(z.shape))
