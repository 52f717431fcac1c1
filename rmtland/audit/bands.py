r"""Distribution functions known within bounds, and the distances that the bounds leave open.

A spectrum estimated by Lanczos from Gaussian probes (`rmtland.estimate.spectral_density`) bounds
its distribution function F everywhere at once: the brackets of the quadratures (Chebyshev, Markov,
Stieltjes) widened by Kolmogorov's quantile of the probes,

.. math:: lo(x) - \kappa/\sqrt n \le F(x) \le hi(x) + \kappa/\sqrt n .

What is known beforehand narrows it: a matrix without negative eigenvalues, a number of zero
eigenvalues, ends of the spectrum. Measures are ordered by their distribution functions (stochastic
order), and free sums keep the order [1]_: if :math:`F_- \ge F \ge F_+`, then the sums of the outer
measures with anything bound the sum of F with it. With bounds of a spectrum F and of a law L

.. math::

   \max(F_{lo} - L_{hi}, L_{lo} - F_{hi}, 0) \le |F - L| \le \max(F_{hi} - L_{lo}, L_{hi} - F_{lo})

at every point, so that the Kolmogorov distance and the area between both have ranges.

References
----------
.. [1] H. Bercovici and D. Voiculescu, Free convolution of measures with unbounded support, Indiana
       Univ. Math. J. 42 (1993) 733-773, section 4.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate import spectral_density
>>> from rmtland.laws import Uniform
>>> values = np.linspace(0.0, 1.0, 4000)
>>> spectrum = spectral_density(lambda v: values * v, size=4000, steps=40, rng=0)
>>> x = np.linspace(0.0, 1.0, 200)
>>> band = MeasuredDistribution(spectrum, semidefinite=True).at(x)
>>> law = LawBand.of(Uniform(0.0, 1.0)).at(x)
>>> low, high = kolmogorov_distance(band, law).range
>>> low, high < 0.1
(0.0, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from rmtland.estimate.beta_law import kolmogorov_quantile
from rmtland.estimate.bounds import ritz_interval
from rmtland.estimate.distribution import spectrum_draws, spectrum_tridiagonals
from rmtland.estimate.radau import Brackets
from rmtland.laws import EmpiricalLaw, Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = [
    "Band",
    "LawBand",
    "MeasuredDistribution",
    "Ranged",
    "area_between",
    "is_estimate",
    "kolmogorov_distance",
]

_PLACES = 6000
"""Points at which quantiles of an estimate are looked up, at most."""
_HALF_UNIT = 1e-12


class Ranged(NamedTuple):
    """A number, and between which ends it lies.

    Parameters
    ----------
    value : float
        The estimate.
    low, high : float
        Ends of its range.
    """

    value: float
    low: float
    high: float

    @property
    def range(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high


@dataclass(frozen=True, eq=False)
class Band:
    """Bounds of a distribution function F at ascending points, and just below them.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The points.
    below : ndarray, shape (n, 3)
        Lower bound, middle and upper bound of F(x-).
    upto : ndarray, shape (n, 3)
        The same of F(x).
    """

    x: Real
    below: Real
    upto: Real


def is_estimate(spectrum: Spectrum | None) -> bool:
    """Whether a spectrum is an estimate whose distribution function has bounds.

    Parameters
    ----------
    spectrum : Spectrum or None
        Any.

    Returns
    -------
    bool
    """
    return (
        spectrum is not None
        and not spectrum.is_complete
        and spectrum.alpha is not None
        and spectrum.provenance.get("probe_law") in ("Gaussian", "complex Gaussian")
    )


class MeasuredDistribution:
    """Distribution function of a measured spectrum, exact or within bounds.

    Parameters
    ----------
    spectrum : Spectrum
        All eigenvalues, or an estimate of `rmtland.estimate.spectral_density`.
    confidence : float, optional
        Level at which the bounds of an estimate hold, everywhere at once.
    semidefinite : bool, optional
        Whether no eigenvalue is negative.
    zeros : float, optional
        Fraction of the eigenvalues that are known to be zero, at least.

    Raises
    ------
    ValueError
        If the spectrum is neither complete nor an estimate with Jacobi matrices.
    """

    def __init__(
        self,
        spectrum: Spectrum,
        *,
        confidence: float = 0.95,
        semidefinite: bool = False,
        zeros: float = 0.0,
    ) -> None:
        self.spectrum, self.semidefinite, self.zeros = spectrum, semidefinite, zeros
        self.reach = 0.0
        self._brackets: list[Brackets] = []
        if spectrum.is_complete:
            self._nodes = _merged(spectrum)
            self.ends = float(self._nodes[0]), float(self._nodes[-1])
            return
        found = spectrum_tridiagonals(spectrum)
        self._brackets = [Brackets(one) for one in found]
        self.reach = kolmogorov_quantile(spectrum_draws(spectrum), confidence)
        low, high = ritz_interval(found)
        self.ends = max(low, 0.0) if semidefinite else low, max(high, 0.0)

    @property
    def is_exact(self) -> bool:
        """Whether all eigenvalues are known."""
        return not self._brackets

    def at(self, x: Real) -> Band:
        """Return bounds of the distribution function.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Ascending points.

        Returns
        -------
        Band
        """
        if self.is_exact:
            sides = [
                np.searchsorted(self._nodes, x, side=side) / self._nodes.size
                for side in ("left", "right")
            ]
            below, upto = (np.stack([side] * 3, axis=1) for side in sides)
            return Band(x, below, upto)
        outer, inner = self._bounds(x, self.reach), self._bounds(x, 0.0)
        below, upto = (
            np.stack([low, (first + last) / 2, high], axis=1)
            for (low, high), (first, last) in zip(outer, inner, strict=True)
        )
        return Band(x, below, upto)

    def _bounds(self, x: Real, reach: float) -> list[tuple[Real, Real]]:
        """Bounds of F(x-) and of F(x), brackets widened by so much."""
        at = np.append(x, 0.0)
        each = [one.at(at) for one in self._brackets]
        low, high = (np.mean(part, axis=0) for part in zip(*each, strict=True))
        low, high = np.clip(low - reach, 0.0, 1.0), np.clip(high + reach, 0.0, 1.0)
        zero_low, zero_high = float(low[-1]), float(high[-1])
        low, high = low[:-1], high[:-1]
        if self.semidefinite:
            zero_low = 0.0
        first, last = self.ends
        sides = []
        for is_below in (x <= 0.0, x < 0.0):  # of F(x-), of F(x)
            lower = np.where(is_below, low, np.maximum(low, min(zero_low + self.zeros, 1.0)))
            upper = np.where(is_below, np.minimum(high, max(zero_high - self.zeros, 0.0)), high)
            if self.semidefinite:
                lower, upper = np.where(is_below, 0.0, lower), np.where(is_below, 0.0, upper)
            sides.append((lower, np.maximum(upper, lower)))
        (low_below, high_below), (low_upto, high_upto) = sides
        return [
            (np.where(x > last, 1.0, low_below), np.where(x <= first, 0.0, high_below)),
            (np.where(x >= last, 1.0, low_upto), np.where(x < first, 0.0, high_upto)),
        ]

    def laws(self, atoms: int) -> tuple[Law, Law, Law]:
        """Return laws of point masses that bound the measure, and one in the middle.

        Parameters
        ----------
        atoms : int
            Point masses, at most.

        Returns
        -------
        lowest, middle, highest : EmpiricalLaw
            In stochastic order: distribution functions above, near and below the true one.
        """
        places = self._places()
        band = self.at(places)
        levels = np.arange(atoms) / atoms
        last = places.size - 1
        above = np.minimum(
            np.searchsorted(band.upto[:, 2], levels + _HALF_UNIT, side="right"), last
        )
        jumps = band.below[above, 2] <= levels + _HALF_UNIT
        lowest = places[np.where(jumps, above, np.maximum(above - 1, 0))]
        middle = np.searchsorted(band.upto[:, 1], levels + 0.5 / atoms)
        highest = np.searchsorted(band.upto[:, 0], levels + 1 / atoms - _HALF_UNIT)
        return (
            EmpiricalLaw(lowest),
            EmpiricalLaw(places[np.minimum(middle, last)]),
            EmpiricalLaw(places[np.minimum(highest, last)]),
        )

    def quantiles(self, number: int) -> Real:
        """Return quantiles of the middle distribution function, ascending and distinct.

        Parameters
        ----------
        number : int
            How many levels are looked up.

        Returns
        -------
        ndarray
        """
        places = self._places()
        sums = self.at(places).upto[:, 1]
        found = np.searchsorted(sums, (np.arange(number) + 0.5) / number)
        return np.unique(places[np.minimum(found, places.size - 1)])

    def _places(self) -> Real:
        if self.is_exact:
            return np.unique(self._nodes)
        places = np.concatenate([one.places for one in self._brackets])
        places = np.unique(np.clip(places, *self.ends))
        if places.size > _PLACES:
            places = places[np.linspace(0, places.size - 1, _PLACES).round().astype(int)]
        inside = [0.0] if self.ends[0] <= 0.0 <= self.ends[1] else []
        return np.unique(np.concatenate([places, self.ends, inside]))


@dataclass(frozen=True, eq=False)
class LawBand:
    """A law known within bounds in the stochastic order, and within a shift of the axis.

    Parameters
    ----------
    lowest, middle, highest : Law
        Distribution functions above, near and below the true one; all the same where it is known.
    shift : float, optional
        The two outer laws hold after a shift by so much, down and up.
    """

    lowest: Law
    middle: Law
    highest: Law
    shift: float = 0.0

    @classmethod
    def of(cls, law: Law) -> Self:
        """Return the band of a known law.

        Parameters
        ----------
        law : Law
            The law.

        Returns
        -------
        LawBand
        """
        return cls(law, law, law)

    @property
    def is_exact(self) -> bool:
        """Whether the law is known."""
        return self.lowest is self.highest and self.shift == 0.0

    def middle_at(self, x: Real) -> Real:
        """Return the middle distribution function.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Points.

        Returns
        -------
        ndarray, shape (n,)
        """
        return np.asarray(self.middle.cdf(x), dtype=np.float64)

    def at(self, x: Real) -> Band:
        """Return bounds of the distribution function.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Ascending points.

        Returns
        -------
        Band
        """
        middle = _sides(self.middle, x)
        if self.is_exact:
            below, upto = (np.stack([side] * 3, axis=1) for side in middle)
            return Band(x, below, upto)
        high = _sides(self.lowest, x + self.shift)
        low = _sides(self.highest, x - self.shift)
        below, upto = (
            np.stack([np.minimum(a, b), b, np.maximum(b, c)], axis=1)
            for a, b, c in zip(low, middle, high, strict=True)
        )
        return Band(x, below, upto)


def kolmogorov_distance(first: Band, second: Band) -> Ranged:
    """Kolmogorov distance of two distribution functions known at the same points.

    Parameters
    ----------
    first, second : Band
        At the same points, which reach beyond both supports.

    Returns
    -------
    Ranged
        The distance of the middles at the points, and the range that the bounds leave.
    """
    sides = ((first.below, second.below), (first.upto, second.upto))
    value = max(float(np.abs(a[:, 1] - b[:, 1]).max()) for a, b in sides)
    least = max(float(np.maximum(a[:, 0] - b[:, 2], b[:, 0] - a[:, 2]).max()) for a, b in sides)
    at_points = max(float(np.maximum(a[:, 2] - b[:, 0], b[:, 2] - a[:, 0]).max()) for a, b in sides)
    most = max(at_points, float(_between(first, second)[1].max(initial=0.0)))
    least = max(least, 0.0)
    return Ranged(min(max(value, least), most), least, min(most, 1.0))


def area_between(first: Band, second: Band) -> Ranged:
    """Area between two distribution functions known at the same points (Wasserstein-1 distance).

    Parameters
    ----------
    first, second : Band
        At the same points, which reach beyond both supports.

    Returns
    -------
    Ranged
        In the units of the points.
    """
    widths = np.diff(first.x)
    least, most = (float(part @ widths) for part in _between(first, second))
    start = np.abs(first.upto[:-1, 1] - second.upto[:-1, 1])
    end = np.abs(first.below[1:, 1] - second.below[1:, 1])
    value = float((start + end) / 2 @ widths)
    return Ranged(min(max(value, least), most), least, most)


def _between(first: Band, second: Band) -> tuple[Real, Real]:
    """Least and largest difference between neighbouring points."""
    (a_low, a_high), (b_low, b_high) = ((b.upto[:-1, 0], b.below[1:, 2]) for b in (first, second))
    least = np.maximum(np.maximum(a_low - b_high, b_low - a_high), 0.0)
    return least, np.maximum(a_high - b_low, b_high - a_low)


def _sides(law: Law, x: Real) -> tuple[Real, Real]:
    """Distribution function just below points, and at them."""
    upto = np.asarray(law.cdf(x), dtype=np.float64)
    if not law.atoms:
        return upto, upto
    return np.asarray(law.mass_below(x), dtype=np.float64), upto


def _merged(spectrum: Spectrum) -> Real:
    """Eigenvalues of one matrix, ascending; what rounding leaves of zeros is zero."""
    nodes: Real = np.sort(spectrum.measure[0])
    return np.where(np.abs(nodes) <= spectrum.zero_tolerance, 0.0, nodes)
