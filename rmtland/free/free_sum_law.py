r"""The free sum of any laws, with real powers: the law behind `free_sum` and `free_power`.

See `rmtland.free.subordination` for the equations. Operands with rational R-transforms are merged
into one triplet, whose subordination function is explicit, omega = H(F) (`rmtland.laws.levy`).

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
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.free.gaps import Component, complement, invert, real_jet, settled, sweep
from rmtland.free.subordination import MOST_COMPONENTS, State, SubordinatedLaw
from rmtland.laws.law import Atoms, Complex, Law, Real
from rmtland.laws.levy import LevyTriplet

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

    @cached_property
    def _total(self) -> float:
        return sum(self.powers) + (self.levy is not None)

    @cached_property
    def _scale(self) -> float:
        ends = [
            power * max(abs(end - mean) for end in _ends(law))
            for law, power, mean in zip(self.operands, self.powers, self._means, strict=True)
        ]
        if self.levy is not None:
            ends.append(
                2 * float(self.levy.exact_cumulants(2)[1]) ** 0.5
                + max((abs(jump) for jump in self.levy.jumps), default=0.0)
            )
        return sum(ends)

    @cached_property
    def _hull(self) -> tuple[float, float]:
        lows = [
            power * min(_ends(law)) for law, power in zip(self.operands, self.powers, strict=True)
        ]
        highs = [
            power * max(_ends(law)) for law, power in zip(self.operands, self.powers, strict=True)
        ]
        if self.levy is not None:
            middle, variance = (float(kappa) for kappa in self.levy.exact_cumulants(2))
            reach = 2 * variance**0.5 + max((abs(jump) for jump in self.levy.jumps), default=0.0)
            lows.append(middle - reach)
            highs.append(middle + reach)
        return sum(lows), sum(highs)

    @cached_property
    def atoms(self) -> Atoms:
        """Sums of atoms whose masses exceed what the others can take: sum t_i (m_i - 1) + 1 > 0."""
        if self.levy is not None and self.levy.atom == 0:
            return ()
        lists = [law.atoms for law in self.operands]
        found = []
        for choice in itertools.product(*lists):
            places = [place for place, _ in choice]
            rest = 1 - sum(
                power * (1 - mass) for power, (_, mass) in zip(self.powers, choice, strict=True)
            )
            place = float(np.dot(self.powers, places))
            if self.levy is not None:
                rest -= 1 - self.levy.atom
                place += self.levy.drift
            if rest > 1e-14:
                found.append((place, rest))
        return tuple(sorted(found))

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

    def r_transform(self, g: ArrayLike) -> Any:
        """R-transform: the sum of those of the operands."""
        value = sum(
            power * law.r_transform(g)
            for law, power in zip(self.operands, self.powers, strict=True)
        )
        return value if self.levy is None else value + self.levy.r_transform(g)

    # The equations ------------------------------------------------------------------------------

    @cached_property
    def _means(self) -> list[float]:
        return [law.mean() for law in self.operands]

    @cached_property
    def _middle(self) -> float:
        return self.mean()

    def _far(self, z: Complex) -> State:
        total = self._middle
        return State(z - total, tuple(z - total + mean for mean in self._means))

    def _step(self, z: Complex, state: State) -> tuple[State, Real, Real, Real]:
        common = state.common
        slope = np.full(z.shape, 1 - self._total, dtype=np.complex128)
        rest = z - (1 - self._total) * common
        shifts, slopes = [], []
        for law, power, omega in zip(self.operands, self.powers, state.omegas, strict=True):
            g, dg = law._jet(omega)
            down = -g * g / dg  # 1 / F'
            shift = (common - 1 / g) * down
            rest = rest - power * (omega + shift)
            slope = slope + power * down
            shifts.append(shift)
            slopes.append(down)
        if self.levy is not None:
            rest = rest - self.levy.inverse(common)
            slope = slope + self.levy.slope(common)
        change = rest / slope
        moves = [shift + down * change for shift, down in zip(shifts, slopes, strict=True)]
        # No step leaves the upper half-plane: it is cut to four fifths of the way to the axis.
        cut = np.ones(z.shape)
        for here, move in zip((common, *state.omegas), (change, *moves), strict=True):
            reach = -0.8 * here.imag / np.minimum(move.imag, -1e-300)
            cut = np.where(here.imag > 0, np.minimum(cut, reach), cut)
        new = State(
            common + cut * change,
            tuple(omega + cut * move for omega, move in zip(state.omegas, moves, strict=True)),
        )
        # What rounding of the equation alone moves the solution by: much, next to an edge.
        terms = np.abs(z) + self._total * np.abs(common)
        terms = terms + sum(np.abs(omega) for omega in state.omegas)
        noise = 4e-16 * terms / np.abs(slope)
        size = np.zeros(z.shape)
        height = new.common.imag
        shares = [np.ones(z.shape), *(np.abs(down) for down in slopes)]
        for here, move, share in zip(
            (new.common, *new.omegas), (change, *moves), shares, strict=True
        ):
            excess = np.maximum(np.abs(move) - noise * share, 0.0)
            size = np.maximum(size, excess / (here.imag + 1e-6 * np.abs(here)))
            size = np.where(np.isnan(move), np.nan, size)
            height = np.minimum(height, here.imag)
        if self.levy is not None:
            height = np.minimum(height, self.levy.inverse(new.common).imag)
        size = np.where(cut < 1, np.maximum(size, 1.0), size)
        defect = np.abs(rest) / (np.abs(z) + self._scale)
        return new, size, height, defect

    def _argument(self, state: State) -> Real:
        return np.angle(state.common)

    def _attracting(self, x: Real, state: State) -> NDArray[np.bool_]:
        slope = np.full(x.shape, 1 - self._total)
        real = np.ones(x.shape, dtype=bool)
        for law, power, omega in zip(self.operands, self.powers, state.omegas, strict=True):
            g, dg = law._jet(omega)
            real &= g.imag == 0
            slope = slope - power * (g * g / dg).real
        if self.levy is not None:
            own = self.levy.slope(state.common).real
            real &= own > 0
            slope = slope + own
        return real & (slope > 0)

    def _value_of(self, z: Complex, state: State) -> Complex:
        return 1 / state.common

    def _slope_of(self, z: Complex, state: State) -> Complex:
        slope = np.full(z.shape, 1 - self._total, dtype=np.complex128)
        for law, power, omega in zip(self.operands, self.powers, state.omegas, strict=True):
            g, dg = law._jet(omega)
            slope = slope - power * g * g / dg
        if self.levy is not None:
            slope = slope + self.levy.slope(state.common)
        return -1 / (state.common**2 * slope)

    def _potential_of(self, z: Complex, state: State) -> Complex:
        # log G with the argument in [-pi, 0]: on the axis G comes from below.
        size = np.abs(state.common)
        argument = -np.abs(np.angle(state.common))
        value = (self._total - 1) * (-np.log(size) + 1j * argument)
        for law, power, omega in zip(self.operands, self.powers, state.omegas, strict=True):
            value = value + power * law._log_potential(omega)
        if self.levy is not None:
            value = value + self.levy.log_potential(state.common)
        return np.asarray(value)

    # The support ------------------------------------------------------------------------------

    def _gaps(self) -> list[tuple[float, float]]:
        lead = next(
            (i for i, law in enumerate(self.operands) if isinstance(law, SubordinatedLaw)), 0
        )
        choices = [self._wide_enough(law) for law in self.operands]
        if math.prod(len(choice) for choice in choices) > MOST_COMPONENTS:
            return self._gaps_by_grid()
        gaps: list[tuple[float, float]] = []
        for components in itertools.product(*choices):
            gaps += self._gaps_on(components, lead)
        return gaps

    def _wide_enough(self, law: Law) -> list[Component]:
        """Components of a complement that noise of the given variance v leaves a gap of.

        A gap needs v |G'| < 1 there, and |G'| is at least what the atoms at either end give.
        """
        components = complement(law)
        if self.levy is None or len(self.operands) > 1 or self.powers != (1.0,):
            return components
        mass = dict(law.atoms)

        def least(component: Component) -> float:
            ends = (mass.get(component.low, 0.0), mass.get(component.high, 0.0))
            return float(sum(weight ** (1 / 3) for weight in ends) ** 3)

        return [
            component
            for component in components
            if component.through_infinity
            or (component.high - component.low) ** 2 > self.levy.variance * least(component)
        ]

    def _gaps_on(self, components: tuple[Component, ...], lead: int) -> list[tuple[float, float]]:
        """Gaps that come from one choice of components of the operands' complements."""

        def values(i: int, s: Real) -> tuple[Real, Real, Real]:
            omega = components[i].at(s)
            return omega, *real_jet(self.operands[i], omega)

        def transform(i: int, s: Real) -> Real:
            return values(i, s)[1]

        def place(s: Real) -> tuple[Real, Real]:
            with np.errstate(all="ignore"):
                omega, g, dg = values(lead, s)
                z = self.powers[lead] * omega + (1 - self._total) / g
                # -dz/dg; v = g has a removable pole where an operand is at infinity.
                sign = (1 - self._total) / g**2 - self.powers[lead] / dg
                terms = np.abs((1 - self._total) / g**2) + self.powers[lead] / np.abs(dg)
                for i, power in enumerate(self.powers):
                    if i != lead:
                        at = invert(partial(transform, i), g)
                        omega, _, dgi = values(i, at)
                        z = z + power * omega
                        sign = sign - power / dgi
                        terms = terms + power / np.abs(dgi)
                if self.levy is not None:
                    slope = self.levy.slope(1 / g)
                    z = z + self.levy.inverse(1 / g)
                    sign = np.where(slope > 0, sign + slope / g**2, np.nan)
                    terms = terms + np.abs(slope) / g**2
                return z, settled(z, sign, terms)

        return sweep(place, components, lambda s: self._scale * transform(lead, s))


def _ends(law: Law) -> list[float]:
    return [end for band in law.support for end in band] + [place for place, _ in law.atoms]
