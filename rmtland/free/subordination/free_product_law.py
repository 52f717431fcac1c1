r"""The free product of positive laws: the law behind `free_product`.

See `rmtland.free.subordination.product_equation` for the equation.

References
----------
.. [1] D. Voiculescu, Multiplication of certain non-commuting random variables, J. Operator Theory
       18 (1987) 223-235.
.. [2] S. T. Belinschi, The atoms of the free multiplicative convolution of two probability
       distributions, Integral Equations and Operator Theory 46 (2003) 377-386.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.free.subordination.bands import BandTables, PlainTables
from rmtland.free.subordination.end_at_zero import with_ends_at_zeros
from rmtland.free.subordination.gap_search import GapSearch
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.free.subordination.moments import product_moments
from rmtland.free.subordination.operands import require_factors
from rmtland.free.subordination.product_equation import ProductEquation
from rmtland.free.subordination.product_gaps import FEW_FACTORS
from rmtland.free.subordination.singular_point import SingularPoint
from rmtland.free.subordination.subordinated_law import SubordinatedLaw
from rmtland.laws.affine_law import affine
from rmtland.laws.gaps import Gap, plain_gap
from rmtland.laws.law import Law
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.typing import Atoms, Complex, Logical

__all__ = ["FreeProduct"]


@dataclass(frozen=True)
class FreeProduct(SubordinatedLaw):
    """Law of the product of free positive operands, as of A^(1/2) B A^(1/2).

    Made by `free_product`.

    Parameters
    ----------
    operands : tuple of Law
        Positive laws that enter through their Stieltjes transforms, at least one.
    wisharts : tuple of MarchenkoPastur
        Marchenko-Pastur operands, which enter through their S-transforms.
    """

    operands: tuple[Law, ...]
    wisharts: tuple[MarchenkoPastur, ...] = ()

    def __post_init__(self) -> None:
        require_factors("FreeProduct", self.operands, self.wisharts)

    @property
    def factors(self) -> tuple[Law, ...]:
        """All operands."""
        return (*self.operands, *self.wisharts)

    def rescaled(self, scale: float) -> FreeProduct:
        """Return the law of the product times a positive number, again a product.

        Parameters
        ----------
        scale : float
            Factor, > 0.

        Returns
        -------
        FreeProduct
            The law of `scale` times the product.
        """
        if scale == 1:
            return self
        if self.wisharts:
            first, *others = self.wisharts
            law = MarchenkoPastur(first.aspect_ratio, scale * first.scale)
            return FreeProduct(self.operands, (law, *others))
        return FreeProduct((affine(self.operands[0], scale=scale), *self.operands[1:]))

    @cached_property
    def equation(self) -> ProductEquation:
        """The equation of the product."""
        return ProductEquation(self.operands, self.wisharts, self.mean())

    @cached_property
    def _scale(self) -> float:
        """The product of the upper ends, or what is known better of very many factors.

        On the curve to the right of the hull z(m) is at least the upper edge, and the subordination
        point of a law with upper end u is at most u + mean/m.
        """
        whole = math.prod(law.hull[1] for law in self.factors)
        if len(self.factors) <= FEW_FACTORS:
            return whole
        m = np.geomspace(1e-4, 10.0, 101)
        logs = (len(self.factors) - 1) * np.log(m / (1 + m))
        for law in self.factors:
            logs = logs + np.log(law.hull[1] + law.mean() / m)
        return float(min(whole, math.exp(logs.min())))

    @cached_property
    def hull_bound(self) -> tuple[float, float]:
        """Bounds of the support, not necessarily sharp."""
        return math.prod(law.hull[0] for law in self.factors), self._scale

    @cached_property
    def _edge_at_zero(self) -> SingularPoint | None:
        """What is known of G beside an edge at zero without an atom; None where there is none."""
        if self.support[0][0] != 0 or any(place == 0 for place, _ in self.atoms):
            return None
        return SingularPoint.of(self.solver, 0.0, 1e-34 * self._scale, (False, True))

    @cached_property
    def _bands(self) -> BandTables:
        edge = self._edge_at_zero
        hard = edge is not None and edge.spread < 1e-3 and edge.power < 0
        return PlainTables(self.solver, self.support, hard)

    @cached_property
    def atoms(self) -> Atoms:
        """At zero the largest mass of a factor there; elsewhere the products of large atoms."""
        null = max(sum(mass for place, mass in law.atoms if place == 0) for law in self.factors)
        found = [(0.0, null)] if null else []
        lists = [[atom for atom in law.atoms if atom[0] != 0] for law in self.factors]
        for choice in itertools.product(*lists):
            mass = 1 - sum(1 - mass for _, mass in choice)
            if mass > 1e-14:
                found.append((math.prod(place for place, _ in choice), mass))
        return tuple(sorted(found))

    def _exact_moments(self, k: int) -> list[Fraction]:
        return product_moments([law._exact_moments(k) for law in self.factors])

    def _found_gaps(self, search: GapSearch) -> list[Gap]:
        gaps = search.gaps()
        if not any(gap.low == -math.inf for gap in gaps):
            gaps.append(plain_gap(self, -math.inf, 0.0))
        # A hard edge at zero comes out as a rounding error of either sign.
        tiny = 1e-16 * self._scale
        lowest = self.hull_bound[0]

        def exact(end: float) -> float:
            if -math.inf < end < lowest:
                return lowest
            return 0.0 if -math.inf < end < tiny and not lowest else end

        gaps = [replace(gap, low=exact(gap.low), high=exact(gap.high)) for gap in gaps]
        return with_ends_at_zeros(gaps, self.operands, self.wisharts)

    @cached_property
    def _singular_points(self) -> tuple[SingularPoint | InnerAtom, ...]:
        edge = self._edge_at_zero
        return self._inner_atoms if edge is None else (edge, *self._inner_atoms)

    def _by_power(self, z: Complex, point: SingularPoint | InnerAtom) -> Logical:
        # In the band Newton's method for logarithms gets as close to zero as floats do.
        return point.holds(z) & ((z.imag > 0) | (z.real < 0) | (point.place != 0))
