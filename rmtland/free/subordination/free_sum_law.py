r"""The free sum of any laws, with real powers: the law behind `free_sum` and `free_power`.

See `rmtland.free.subordination.subordinated_law` for the equations. Operands with rational
R-transforms are merged into one triplet, whose subordination function is explicit, omega = H(F)
(`rmtland.laws.levy`).

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
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.free.subordination.gaps import Curve, Gap, Swept, complement, invert, settled
from rmtland.free.subordination.subordinated_law import State, SubordinatedLaw, error_of
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
    def _surplus(self) -> float:
        """1 - sum of the powers: with it z = surplus F + sum t_i omega_i + R(1/F)."""
        return 1 - math.fsum(self.powers)

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
        lists = [
            [atom for atom in law.atoms if power * (1 - atom[1]) < 1]
            for law, power in zip(self.operands, self.powers, strict=True)
        ]
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
        common = z - self._middle
        omegas = tuple(common + mean for mean in self._means)
        return State(common, omegas, self._inner_far(omegas))

    def _step(self, z: Complex, state: State) -> tuple[State, Real, Real, Real]:
        common = state.common
        slope = np.full(z.shape, self._surplus, dtype=np.complex128)
        rest = z - self._surplus * common
        shifts, slopes, nested = [], [], []
        terms = self._terms(z, state)
        rounding = [np.zeros(z.shape)]
        for i, (power, omega) in enumerate(zip(self.powers, state.omegas, strict=True)):
            g, dg, inner = self._operand_jet(i, omega, state.inner[i])
            nested.append(inner)
            down = -g * g / dg  # 1 / F'
            shift = (common - 1 / g) * down
            # G is a sum of terms whose moduli add up to at most sqrt|G'|
            rounding.append(4e-16 / np.sqrt(np.abs(dg)))
            terms = terms + power * rounding[-1] / 4e-16
            rest = rest - power * (omega + shift)
            slope = slope + power * down
            shifts.append(shift)
            slopes.append(down)
        if self.levy is not None:
            rest = rest - self.levy.excess(common)
            slope = slope + self.levy.excess_slope(common)
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
            tuple(nested),
        )
        # What rounding of the equation alone moves the solution by: much, next to an edge.
        noise = 4e-16 * terms / np.abs(slope)
        size = np.zeros(z.shape)
        height = new.common.imag
        shares = [np.ones(z.shape), *(np.abs(down) for down in slopes)]
        for here, move, share, own in zip(
            (new.common, *new.omegas), (change, *moves), shares, rounding, strict=True
        ):
            excess = np.maximum(np.abs(move) - noise * share - own, 0.0)
            size = np.maximum(size, excess / (here.imag + 1e-6 * np.abs(here)))
            size = np.where(np.isnan(move), np.nan, size)
            height = np.minimum(height, here.imag)
        if self.levy is not None:
            height = np.minimum(height, self.levy.inverse(new.common).imag)
        size = np.where(cut < 1, np.maximum(size, 1.0), size)
        defect = np.abs(rest) / (np.abs(z) + self._scale)
        return new, size, height, defect

    def _terms(self, z: Complex, state: State) -> Real:
        terms = np.abs(z) + abs(self._surplus * state.common)
        for power, omega in zip(self.powers, state.omegas, strict=True):
            terms = terms + power * np.abs(omega)
        if self.levy is not None:
            terms = terms + np.abs(self.levy.excess(state.common))
        return np.asarray(terms)

    def _uncertainty(self, z: Complex, state: State) -> Real:
        defect = self._step(z, state)[3] * (np.abs(z) + self._scale)
        spread = defect + 4e-16 * self._terms(z, state)
        for i, (law, power) in enumerate(zip(self.operands, self.powers, strict=True)):
            slope = self._operand_jet(i, state.omegas[i], state.inner[i])[1]
            spread = spread + power * error_of(law, state.omegas[i]) / np.abs(slope)
        return spread

    def _argument(self, state: State) -> Real:
        return np.angle(state.common)

    def _attracting(self, x: Real, state: State) -> NDArray[np.bool_]:
        slope = np.full(x.shape, self._surplus)
        real = np.ones(x.shape, dtype=bool)
        for i, (power, omega) in enumerate(zip(self.powers, state.omegas, strict=True)):
            g, dg, _ = self._operand_jet(i, omega, state.inner[i])
            real &= g.imag == 0
            slope = slope - power * (g * g / dg).real
        if self.levy is not None:
            own = self.levy.excess_slope(state.common).real
            real &= 1 + own > 0
            slope = slope + own
        return real & (slope > 0)

    def _value_of(self, z: Complex, state: State) -> Complex:
        return 1 / state.common

    def _slope_of(self, z: Complex, state: State) -> Complex:
        slope = np.full(z.shape, self._surplus, dtype=np.complex128)
        for i, (power, omega) in enumerate(zip(self.powers, state.omegas, strict=True)):
            g, dg, _ = self._operand_jet(i, omega, state.inner[i])
            slope = slope - power * g * g / dg
        if self.levy is not None:
            slope = slope + self.levy.excess_slope(state.common)
        return -1 / (state.common**2 * slope)

    def _potential_of(self, z: Complex, state: State) -> Complex:
        # log G with the argument in [-pi, 0]: on the axis G comes from below.
        size = np.abs(state.common)
        argument = -np.abs(np.angle(state.common))
        copies = (self.levy is not None) - self._surplus
        value = copies * (-np.log(size) + 1j * argument)
        for law, power, omega in zip(self.operands, self.powers, state.omegas, strict=True):
            value = value + power * law._log_potential(omega)
        if self.levy is not None:
            value = value + self.levy.log_potential(state.common)
        return np.asarray(value)

    # The support ------------------------------------------------------------------------------

    def _components(self, law: Law) -> list[Gap]:
        """Components of a complement that noise of the given variance v leaves a gap of.

        A gap needs v |G'| < 1 there, and |G'| is at least what the atoms at either end give.
        """
        components = complement(law)
        if self.levy is None or len(self.operands) > 1 or self.powers != (1.0,):
            return components
        mass = dict(law.atoms)

        def least(component: Gap) -> float:
            ends = (mass.get(component.low, 0.0), mass.get(component.high, 0.0))
            return float(sum(weight ** (1 / 3) for weight in ends) ** 3)

        return [
            component
            for component in components
            if component.through_infinity
            or (component.high - component.low) ** 2 > self.levy.variance * least(component)
        ]

    def _swept(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the leading one of the components."""
        with np.errstate(all="ignore"):
            first = components[lead].along(s)
            g = first.g
            # -dz/dg, with G and the other points as functions of the one on the leading component.
            z = self.powers[lead] * first.point
            sign = -self.powers[lead] / first.dg
            terms = np.abs(sign)
            clear, side = first.clear, first.side
            if self._surplus:
                z = z + self._surplus / g
                sign = sign + self._surplus / g**2
                terms = terms + np.abs(self._surplus / g**2)
                clear, side = np.minimum(clear, np.abs(self._scale * g)), side + (g > 0)
            omegas = []
            for i, power in enumerate(self.powers):
                curve = first
                if i != lead:
                    curve = components[i].along(invert(components[i], lambda c: c.g, g))
                    z = z + power * curve.point
                    sign = sign - power / curve.dg
                    terms = terms + power / np.abs(curve.dg)
                    clear, side = np.minimum(clear, curve.clear), side + curve.side
                omegas.append(curve.point)
            if all(component.through_infinity for component in components):
                clear = np.full(s.shape, np.inf)
            slope = sign
            if self.levy is not None:
                own = self.levy.excess_slope(1 / g)
                z = z + self.levy.excess(1 / g)
                slope = sign + own / g**2
                sign = np.where(1 + own > 0, slope, np.nan)
                terms = terms + np.abs(own) / g**2
            dg = -1 / slope
            curve = Curve(z, g, dg, clear, side, tuple(omegas))
            return settled(curve, sign, terms, -self.powers[lead] / first.dg)

    def _poles(self, component: Gap) -> Real:
        jumps = np.array(self.levy.jumps if self.levy is not None else ())
        s = invert(component, lambda curve: curve.g, 1 / jumps)
        return np.asarray(s[np.isfinite(s)])

    def _steepness(self, curve: Curve) -> Real:
        with np.errstate(all="ignore"):  # 0/0 where an operand is far away
            return np.asarray(-(curve.g**2) / curve.dg)

    def _state_of(self, curve: Curve) -> State:
        omegas = tuple(omega.astype(np.complex128) for omega in curve.omegas)
        return State((1 / curve.g).astype(np.complex128), omegas, self._inner_far(omegas))


def _ends(law: Law) -> list[float]:
    return [end for band in law.support for end in band] + [place for place, _ in law.atoms]
