r"""The free product of positive laws, with real powers: the law behind `free_product`.

See `rmtland.free.subordination.product_equation` for the equation.

References
----------
.. [1] D. Voiculescu, Multiplication of certain non-commuting random variables, J. Operator Theory
       18 (1987) 223-235.
.. [2] S. T. Belinschi, The atoms of the free multiplicative convolution of two probability
       distributions, Integral Equations and Operator Theory 46 (2003) 377-386.
.. [3] S. T. Belinschi and H. Bercovici, Partially defined semigroups relative to multiplicative
       free convolution, Int. Math. Res. Not. 2005, 65-101 (the powers of real order t >= 1).
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
from rmtland.free.subordination.operands import require_factors, require_powers
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


@dataclass(frozen=True, repr=False)
class FreeProduct(SubordinatedLaw):
    """Law of the product of free positive operands, as of A^(1/2) B A^(1/2).

    Made by `free_product` and `free_power`.

    Parameters
    ----------
    operands : tuple of Law
        Positive laws that enter through their Stieltjes transforms, at least one.
    wisharts : tuple of MarchenkoPastur
        Marchenko-Pastur operands, which enter through their S-transforms.
    powers : tuple of float
        How often each of the operands is a factor, at least once; once if empty.
    """

    operands: tuple[Law, ...]
    wisharts: tuple[MarchenkoPastur, ...] = ()
    powers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_factors("FreeProduct", self.operands, self.wisharts)
        if self.powers == ():
            object.__setattr__(self, "powers", (1.0,) * len(self.operands))
        require_powers("FreeProduct", self.powers, self.operands, least=1.0)

    def __repr__(self) -> str:
        """Operands, and powers where there are any."""
        powers = f", powers={self.powers!r}" if max(self.powers) > 1 else ""
        return f"FreeProduct(operands={self.operands!r}, wisharts={self.wisharts!r}{powers})"

    @property
    def factors(self) -> tuple[Law, ...]:
        """All operands."""
        return (*self.operands, *self.wisharts)

    @property
    def factor_powers(self) -> tuple[float, ...]:
        """How often each of these is a factor."""
        return (*self.powers, *(1.0 for _ in self.wisharts))

    @property
    def _pairs(self) -> list[tuple[Law, float]]:
        return list(zip(self.factors, self.factor_powers, strict=True))

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
            return FreeProduct(self.operands, (law, *others), self.powers)
        i = self.powers.index(min(self.powers))
        operand = affine(self.operands[i], scale=scale ** (1 / self.powers[i]))
        operands = (*self.operands[:i], operand, *self.operands[i + 1 :])
        return FreeProduct(operands, powers=self.powers)

    @cached_property
    def equation(self) -> ProductEquation:
        """The equation of the product."""
        return ProductEquation(self.operands, self.powers, self.wisharts, self.mean())

    @cached_property
    def _scale(self) -> float:
        """The product of the upper ends, or what is known better of very many factors.

        On the curve to the right of the hull z(m) is at least the upper edge, and the subordination
        point of a law with upper end u is at most u + mean/m.
        """
        with np.errstate(over="ignore"):
            whole = math.prod(np.power(law.hull[1], power) for law, power in self._pairs)
        order = self.equation.order
        if order <= FEW_FACTORS:
            return float(whole)
        m = np.geomspace(min(1e-4, 1e-2 / order), 10.0, 101)
        logs = (order - 1) * np.log(m / (1 + m))
        for law, power in self._pairs:
            logs = logs + power * np.log(law.hull[1] + law.mean() / m)
        return float(min(whole, math.exp(logs.min())))

    @cached_property
    def hull_bound(self) -> tuple[float, float]:
        """Bounds of the support, not necessarily sharp."""
        return math.prod(law.hull[0] ** power for law, power in self._pairs), self._scale

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
        lists = [
            [(place, mass) for place, mass in law.atoms if place and power * (1 - mass) <= 1]
            for law, power in self._pairs
        ]
        for choice in itertools.product(*lists):
            pairs = list(zip(self.factor_powers, choice, strict=True))
            mass = 1 - sum(power * (1 - mass) for power, (_, mass) in pairs)
            if mass > 1e-14:
                found.append((math.prod(place**power for power, (place, _) in pairs), mass))
        return tuple(sorted(found))

    def _exact_moments(self, k: int) -> list[Fraction]:
        return product_moments([law._exact_moments(k) for law in self.factors], self.factor_powers)

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
        return with_ends_at_zeros(gaps, self.operands, self.powers, self.wisharts)

    @cached_property
    def _singular_points(self) -> tuple[SingularPoint | InnerAtom, ...]:
        edge = self._edge_at_zero
        return self._inner_atoms if edge is None else (edge, *self._inner_atoms)

    def _by_power(self, z: Complex, point: SingularPoint | InnerAtom) -> Logical:
        # In the band Newton's method for logarithms gets as close to zero as floats do.
        return point.holds(z) & ((z.imag > 0) | (z.real < 0) | (point.place != 0))
