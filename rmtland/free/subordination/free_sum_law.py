r"""The free sum of any laws, with real powers: the law behind `free_sum` and `free_power`.

See `rmtland.free.subordination.sum_equation` for the equation. Operands with rational R-transforms
are merged into one triplet.

References
----------
.. [1] D. Voiculescu, Addition of certain non-commuting random variables, J. Funct. Anal. 66 (1986)
       323-346.
.. [2] A. Nica and R. Speicher, On the multiplication of free N-tuples of noncommutative random
       variables, Amer. J. Math. 118 (1996) 799-837 (the powers of real order t >= 1).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.free.subordination.gap_search import GapSearch
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.free.subordination.operands import require_laws, require_powers
from rmtland.free.subordination.singular_point import SingularPoint
from rmtland.free.subordination.subordinated_law import SubordinatedLaw
from rmtland.free.subordination.sum_equation import SumEquation
from rmtland.laws.gaps import Gap
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyTriplet
from rmtland.typing import ArrayLike, Atoms, Complex, Values

__all__ = ["FreeSum"]


@dataclass(frozen=True)
class FreeSum(SubordinatedLaw):
    """Law of t_1 copies of the first operand, t_2 of the second, ..., and a Levy part, all free.

    Made by `free_sum` and `free_power`.

    Parameters
    ----------
    operands : tuple of Law
        Laws that enter through their Stieltjes transforms.
    powers : tuple of float
        How often each is added, > 0.
    levy : LevyTriplet, optional
        Freely infinitely divisible part with a rational R-transform.
    """

    operands: tuple[Law, ...]
    powers: tuple[float, ...]
    levy: LevyTriplet | None = None

    def __post_init__(self) -> None:
        require_laws("FreeSum", "operands", self.operands, verb="free_sum")
        require_powers("FreeSum", self.powers, self.operands)

    @cached_property
    def equation(self) -> SumEquation:
        """The equation of the sum."""
        return SumEquation(self.operands, self.powers, self.levy, self.mean(), self._scale)

    @cached_property
    def _scale(self) -> float:
        means = [law.mean() for law in self.operands]
        ends = [
            power * max(abs(end - mean) for end in law.hull)
            for law, power, mean in zip(self.operands, self.powers, means, strict=True)
        ]
        if self.levy is not None:
            ends.append(
                2 * float(self.levy.exact_cumulants(2)[1]) ** 0.5
                + max((abs(jump) for jump in self.levy.jumps), default=0.0)
            )
        return sum(ends)

    @cached_property
    def hull_bound(self) -> tuple[float, float]:
        """Bounds of the support, not necessarily sharp."""
        lows = [power * law.hull[0] for law, power in zip(self.operands, self.powers, strict=True)]
        highs = [power * law.hull[1] for law, power in zip(self.operands, self.powers, strict=True)]
        if self.levy is not None:
            middle, variance = (float(kappa) for kappa in self.levy.exact_cumulants(2))
            reach = 2 * variance**0.5 + max((abs(jump) for jump in self.levy.jumps), default=0.0)
            lows.append(middle - reach)
            highs.append(middle + reach)
        return sum(lows), sum(highs)

    @cached_property
    def _sums_of_atoms(self) -> tuple[tuple[float, float], ...]:
        """Sums of atoms, one of each operand, and 1 + sum t_i (m_i - 1), the mass if positive."""
        if self.levy is not None and self.levy.atom == 0:
            return ()
        lists = [
            [atom for atom in law.atoms if power * (1 - atom[1]) <= 1 + 1e-14]
            for law, power in zip(self.operands, self.powers, strict=True)
        ]
        found = []
        for choice in itertools.product(*lists):
            places = [place for place, _ in choice]
            rest = 1 - sum(
                power * (1 - mass) for power, (_, mass) in zip(self.powers, choice, strict=True)
            )
            if abs(rest) < 1e-6 and self.levy is None:
                # What is left of nearly all mass, to the last digit that the parameters have
                pairs = zip(self.powers, choice, strict=True)
                rest = float(1 - sum(Fraction(t) * (1 - Fraction(mass)) for t, (_, mass) in pairs))
            place = float(np.dot(self.powers, places))
            if self.levy is not None:
                rest -= 1 - self.levy.atom
                place += self.levy.drift
            found.append((place, rest))
        return tuple(sorted(found))

    @cached_property
    def atoms(self) -> Atoms:
        """Sums of atoms whose masses exceed what the others can take: sum t_i (m_i - 1) + 1 > 0."""
        return tuple((place, mass) for place, mass in self._sums_of_atoms if mass > 1e-14)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        parts = [law._exact_cumulants(k) for law in self.operands]
        powers = [Fraction(power) for power in self.powers]
        if self.levy is not None:
            parts.append(self.levy.exact_cumulants(k))
            powers.append(Fraction(1))
        return [
            sum((t * part[n] for t, part in zip(powers, parts, strict=True)), Fraction(0))
            for n in range(k)
        ]

    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform: the sum of those of the operands.

        Parameters
        ----------
        g : array_like of float or complex
            Points, any shape, at which every operand has an R-transform.

        Returns
        -------
        float, complex or ndarray
            R(g), in the shape of `g`.

        Raises
        ------
        ValueError
            As the R-transforms of the operands.
        ConvergenceError
            As the R-transforms of the operands.
        """
        value = sum(
            power * law.r_transform(g)
            for law, power in zip(self.operands, self.powers, strict=True)
        )
        return value if self.levy is None else value + self.levy.r_transform(g)

    # The support ----------------------------------------------------------------------------------

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        """Bounds that the law keeps: a sum of operands stays between the sums of their ends."""
        low, high = 0.0, 0.0
        if self.levy is not None:
            if self.levy.variance:
                return -np.inf, np.inf
            low = self.levy.drift if min(self.levy.jumps, default=1.0) > 0 else -np.inf
            high = self.levy.drift if max(self.levy.jumps, default=-1.0) < 0 else np.inf
        pairs = list(zip(self.operands, self.powers, strict=True))
        low += sum(power * law.hull[0] for law, power in pairs)
        high += sum(power * law.hull[1] for law, power in pairs)
        return low, high

    @cached_property
    def _critical(self) -> tuple[float, ...]:
        """Places where an atom would be if its mass were not exactly zero: ends of bands."""
        return tuple(place for place, rest in self._sums_of_atoms if abs(rest) <= 1e-14)

    def _log_potential(self, z: Complex) -> Complex:
        """L; where all points are well above the axis neither bands nor gaps are sought for it."""
        if "_half_plane" not in vars(self) and self._is_well_above(z):
            state, steps = self.solver.above_axis(z)
            if (steps >= 0).all():
                with np.errstate(all="ignore"):
                    return self.equation.log_potential(z, state)
        return super()._log_potential(z)

    def _is_well_above(self, z: Complex) -> bool:
        """Whether no point is far, nor so low that ends of bands or singular points matter."""
        if self.atoms or self._critical or self._far.holds(z).any():
            return False
        return bool((z.imag > 1e-9 * self._scale).all())

    @cached_property
    def _singular_points(self) -> tuple[SingularPoint | InnerAtom, ...]:
        critical = tuple(
            SingularPoint.of(
                self.solver,
                place,
                max(1e-15 * self._scale, 1e-10 * abs(place)),
                self._sides_of(place),
            )
            for place in self._critical
            if any(self._sides_of(place))
        )
        return critical + self._inner_atoms

    @cached_property
    def _closed_ends(self) -> tuple[float, ...]:
        r"""Ends of bands of a sum of two laws of two points, in closed form.

        Two projections of traces p and q in general position generate 2 x 2 matrices over an angle
        whose squared cosines fill :math:`(\sqrt{p(1 - q)} \pm \sqrt{q(1 - p)})^2`; steps s and t
        between the points give the eigenvalues :math:`(s + t)/2 \pm \sqrt{(s - t)^2/4 + s t c}`.
        """
        if self.levy is not None or self.powers != (1.0, 1.0):
            return ()
        if any(law.support or len(law.atoms) != 2 for law in self.operands):
            return ()
        ((x, _), (x_up, p)), ((y, _), (y_up, q)) = (law.atoms for law in self.operands)
        s, t = x_up - x, y_up - y
        first, second = math.sqrt(p * (1 - q)), math.sqrt(q * (1 - p))
        middle = x + y + (s + t) / 2
        halves = [
            math.hypot((s - t) / 2, math.sqrt(s * t) * root)
            for root in (first - second, first + second)
        ]
        return tuple(middle + sign * half for half in halves for sign in (-1, 1))

    def _found_gaps(self, search: GapSearch) -> list[Gap]:
        low, high = self._bounds
        near = 1e-12 * self._scale

        def exact(end: float) -> float:
            if not np.isfinite(end):
                return end
            place = next((place for place in self._critical if abs(place - end) <= near), end)
            closed = min(self._closed_ends, key=lambda other: abs(other - end), default=np.inf)
            if abs(closed - end) <= 1e-6 * self._scale:
                place = closed
            return min(max(place, low), high)

        gaps = [replace(gap, low=exact(gap.low), high=exact(gap.high)) for gap in search.gaps()]
        return [gap for gap in gaps if gap.low < gap.high]
