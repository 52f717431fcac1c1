r"""Where a fit lays a spectrum beside the laws of a family: levels, or quantiles.

- `FitPoints` are the middles between neighbouring distinct eigenvalues, and compare distribution
  functions there (Cramer and von Mises).
- `QuantilePoints` are the eigenvalues themselves, and compare them with the quantiles of the law at
  their levels: the Wasserstein-2 distance of eigenvalues over their deviation; where all of them
  are nonnegative, that of singular values (square roots), whose fluctuations are alike all along
  the bulk. Eigenvalues are rigid: a scale or centre fitted so is as good as by likelihood.

Neither sees how a law spreads what is exactly at one place: the mass below an eigenvalue of several
dimensions, and that up to it, are compared apart, in `FitPoints.misfit` to choose between a member
beside a boundary of the family and one on it, among quantiles as two more terms.

Outliers that are left out move the rest of the spectrum. Levels are those of the noise without
them, with the spectral shift of `rmtland.comparison.spectral_shift`.

Examples
--------
>>> from rmtland import MarchenkoPastur, Spectrum
>>> points = FitPoints.of(Spectrum([0.0, 0.0, 0.0, 1.0, 1.5, 3.5]), 2)
>>> points.level.round(3), points.heavy
(array([0.5  , 0.667, 0.833]), ((0.0, 0.0, 0.5),))
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from rmtland.comparison.spectral_shift import spectral_shift
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Logical, Real

__all__ = ["FitPoints", "Outside", "Points", "QuantilePoints", "Staircase"]

_MOST = 512
_HEAVY = 0.01
"""Mass of eigenvalues at one place from which they are compared apart."""

Heavy = tuple[tuple[float, float, float], ...]


class Outside(NamedTuple):
    """Outliers that are left out of a fit.

    Parameters
    ----------
    far : ndarray of bool, shape of the nodes
        Which they are.
    law : Law
        Of the bulk, from which their shift follows.
    """

    far: Logical
    law: Law

    def shift(self, spectrum: Spectrum, x: Real) -> Real:
        """Mass by which the levels at some points are below those of the noise."""
        size = spectrum.dimension or spectrum.nodes.shape[1]
        total = spectral_shift(self.law, spectrum.nodes[self.far], x)
        return np.asarray(total / (size * spectrum.runs))


class Staircase(NamedTuple):
    """Distinct eigenvalues of the bulk, and the mass of the whole spectrum on either side of them.

    Parameters
    ----------
    nodes : ndarray of float, shape (n,)
        Distinct, ascending.
    below, upto : ndarray of float, shape (n,)
        Mass below each, and up to it.
    heavy : tuple of (float, float, float)
        Eigenvalues of several dimensions: place, mass below it, and mass up to it.
    """

    nodes: Real
    below: Real
    upto: Real
    heavy: Heavy

    @classmethod
    def of(cls, spectrum: Spectrum, parameters: int, outside: Outside | None = None) -> Staircase:
        """Return the steps of a spectrum.

        Raises
        ------
        ValueError
            If there are too few distinct eigenvalues for the number of parameters.
        """
        all_nodes, weights = spectrum.measure
        all_nodes = np.where(np.abs(all_nodes) <= spectrum.zero_tolerance, 0.0, all_nodes)
        nodes, start = np.unique(all_nodes, return_index=True)
        levels = np.concatenate(([0.0], np.cumsum(weights)))
        ends = np.append(start[1:], weights.size)
        below, upto, number = levels[start], levels[ends], ends - start
        if outside is not None:
            inside = ~np.isin(nodes, spectrum.nodes[outside.far])
            nodes, below, upto = nodes[inside], below[inside], upto[inside]
            number = number[inside]
        if nodes.size < parameters + 2:
            raise ValueError(
                f"the spectrum has {nodes.size} distinct eigenvalue{'s' * (nodes.size != 1)}; "
                f"fitting {parameters} parameter{'s' * (parameters != 1)} needs at least "
                f"{parameters + 2}"
            )
        several = spectrum.is_complete & (number > 1) & (upto - below >= _HEAVY)
        heavy = tuple(
            (float(nodes[i]), float(below[i]), float(upto[i])) for i in np.flatnonzero(several)
        )
        return cls(nodes, below, upto, heavy)


def kept(size: int, number: int) -> Real:
    """Return places of at most so many of a number of points, the first and the last included."""
    return np.unique(np.linspace(0, size - 1, min(size, number)).round().astype(int))


@dataclass(frozen=True)
class FitPoints:
    """Points between eigenvalues, and the distribution function of the noise there.

    Parameters
    ----------
    x, level : ndarray of float, shape (n,)
        The points, and the mass below them.
    heavy : tuple of (float, float, float)
        Eigenvalues of several dimensions: place, mass below it, and mass up to it.
    """

    nowhere: ClassVar[float] = 2.0

    x: Real
    level: Real
    heavy: Heavy = ()

    @classmethod
    def of(cls, spectrum: Spectrum, parameters: int, outside: Outside | None = None) -> FitPoints:
        """Return the points of a spectrum for a number of parameters.

        Raises
        ------
        ValueError
            If there are too few distinct eigenvalues.
        """
        steps = Staircase.of(spectrum, parameters, outside)
        x = (steps.nodes[1:] + steps.nodes[:-1]) / 2
        points = cls(x, steps.below[1:], steps.heavy)
        points = points.thinned(_MOST) if spectrum.is_complete else points.spread(_MOST)
        if outside is None:
            return points
        return replace(points, level=points.level + outside.shift(spectrum, points.x))

    @property
    def terms(self) -> int:
        """Number of the points."""
        return self.x.size

    def thinned(self, number: int) -> FitPoints:
        """Return so many of the points."""
        keep = kept(self.x.size, number)
        return FitPoints(self.x[keep], self.level[keep], self.heavy)

    def spread(self, number: int) -> FitPoints:
        """Return the points nearest to levels at equal distances: each as often as its mass asks.

        Nodes of a quadrature are no sample of its spectrum: they are dense where there is little.
        """
        wanted = (np.arange(number) + 0.5) / number
        keep = np.searchsorted((self.level[1:] + self.level[:-1]) / 2, wanted)
        return FitPoints(self.x[keep], self.level[keep], self.heavy)

    def misfit(self, law: Law | None) -> float:
        """Sum of squares of F - F_n over the points and on both sides of heavy eigenvalues."""
        total = float((self.defect(law) ** 2).sum())
        if law is None:
            return total
        for place, below, upto in self.heavy:
            try:
                total += float(law.mass_below(place) - below) ** 2
                total += float(law.cdf(place) - upto) ** 2
            except (ValueError, ArithmeticError):
                return float("inf")
        return total

    def defect(self, law: Law | None) -> Real:
        """Return F - F_n; 2, more than any law can miss, where there is no law."""
        if law is None:
            return np.full(self.x.shape, self.nowhere)
        try:
            values = np.asarray(law.cdf(self.x) - self.level)
        except (ValueError, ArithmeticError):
            return np.full(self.x.shape, self.nowhere)
        return np.where(np.isfinite(values), values, self.nowhere)

    def by_level(self) -> Real:
        """Return by how much each residual changes with the level of its point."""
        return np.full(self.x.shape, -1.0)


@dataclass(frozen=True)
class QuantilePoints:
    """Eigenvalues, and the levels of the noise at which the law has its quantiles.

    Parameters
    ----------
    x, level : ndarray of float, shape (n,)
        Eigenvalues that stand alone, and the middles of their steps.
    root : ndarray of float, shape (n,)
        Square roots of the masses they stand for.
    unit : float
        Deviation of the eigenvalues, or of their square roots.
    singular : bool
        Whether square roots are compared.
    heavy : tuple of (float, float, float)
        Eigenvalues of several dimensions: place, mass below it, and mass up to it.
    """

    nowhere: ClassVar[float] = 1e6

    x: Real
    level: Real
    root: Real
    unit: float
    singular: bool
    heavy: Heavy = ()

    @classmethod
    def of(
        cls, spectrum: Spectrum, parameters: int, outside: Outside | None = None
    ) -> QuantilePoints:
        """Return the points of a spectrum for a number of parameters.

        Raises
        ------
        ValueError
            If there are too few distinct eigenvalues.
        """
        steps = Staircase.of(spectrum, parameters, outside)
        mass = steps.upto - steps.below
        usual = 3 * float(np.median(mass))
        heavy = tuple(h for h in steps.heavy if h[0] == 0 or h[2] - h[1] > usual)
        alone = ~np.isin(steps.nodes, [place for place, _, _ in heavy])
        nodes, below, upto = (a[alone] for a in (steps.nodes, steps.below, steps.upto))
        shift = 0.0 if outside is None else outside.shift(spectrum, nodes)
        singular = bool(steps.nodes[0] >= 0)
        mass = upto - below
        values = np.sqrt(nodes) if singular else nodes
        mean = float(mass @ values / mass.sum())
        unit = float(np.sqrt(mass @ (values - mean) ** 2 / mass.sum())) or abs(mean) or 1.0
        points = cls(nodes, (below + upto) / 2 + shift, np.sqrt(mass), unit, singular, heavy)
        return points.thinned(_MOST)

    @property
    def terms(self) -> int:
        """One: the squares are weighted by masses of total 1."""
        return 1

    def thinned(self, number: int) -> QuantilePoints:
        """Return so many of the points."""
        keep = kept(self.x.size, number)
        root = self.root[keep] * np.sqrt(self.x.size / keep.size)
        return replace(self, x=self.x[keep], level=self.level[keep], root=root)

    def misfit(self, law: Law | None) -> float:
        """Sum of squares of all residuals."""
        return float((self.defect(law) ** 2).sum())

    def defect(self, law: Law | None) -> Real:
        """Return quantiles less eigenvalues, and masses at one place; 10^6 where there is no law.

        A mass that is missed counts as if all eigenvalues were off by it, in units of 1/n.
        """
        number = self.x.size + 2 * len(self.heavy)
        if law is None:
            return np.full(number, self.nowhere)
        try:
            quantiles = np.asarray(law.ppf(np.clip(self.level, 0.0, 1.0)))
            masses = [
                (float(law.mass_below(place)) - below, float(law.cdf(place)) - upto)
                for place, below, upto in self.heavy
            ]
        except (ValueError, ArithmeticError):
            return np.full(number, self.nowhere)
        off = self._measured(quantiles) - self._measured(self.x)
        apart = np.sqrt(self.x.size) * np.array(masses).ravel()
        values = np.concatenate([self.root * off / self.unit, apart])
        return np.where(np.isfinite(values), values, self.nowhere)

    def by_level(self) -> Real:
        """Return by how much each residual changes with the level of its point.

        That is by how much the quantile of the spectrum does, also where the law is far off.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.gradient(self._measured(self.x)) / np.gradient(self.level)
        slope = np.where(np.isfinite(slope), np.abs(slope), 0.0)
        return np.concatenate([self.root * slope / self.unit, np.zeros(2 * len(self.heavy))])

    def _measured(self, values: Real) -> Real:
        """Singular values keep the sign of what is below zero."""
        return np.sign(values) * np.sqrt(np.abs(values)) if self.singular else values


Points: TypeAlias = FitPoints | QuantilePoints
"""What a descent needs of points: residuals of a law that are to be small."""
