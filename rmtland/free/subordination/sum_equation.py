r"""The subordination equations of free sums, with real powers and a rational operand.

For two operands they are :math:`G(z) = G_1(\omega_1) = G_2(\omega_2)` and
:math:`\omega_1 + \omega_2 = z + 1/G(z)`; in general

.. math:: z = (1 - \sum_i t_i) F + \sum_i t_i \omega_i + R(1/F), \qquad F_i(\omega_i) = F,

with F = 1/G, powers :math:`t_i` and the R-transform of a Levy triplet, whose subordination function
is explicit: omega = H(F) (`rmtland.laws.levy`). See `rmtland.free.subordination.equation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.free.subordination.equation import SubordinationEquation, error_of
from rmtland.free.subordination.state import SETTLED, Step, SubordinationState
from rmtland.free.subordination.sweep import Swept, swept_with_rounding
from rmtland.laws.gaps import Curve, Gap, as_near_zero, gap_beside_zero, invert
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyTriplet
from rmtland.typing import Complex, Logical, Real

__all__ = ["SumEquation"]

_NEARLY_ONE = 1.001
"""Power of a single law below which its edge at zero is looked at in logarithms."""


class _Linear(NamedTuple):
    """Rest and slope of the equation; shifts and slopes of the omegas, G' there, inner states."""

    rest: Complex
    slope: Complex
    shifts: list[Complex]
    slopes: list[Complex]
    spreads: list[Complex]
    nested: list[SubordinationState | None]


@dataclass(frozen=True)
class SumEquation(SubordinationEquation):
    """The equation of t_1 copies of the first operand, t_2 of the second, ..., and a Levy part.

    Parameters
    ----------
    operands : tuple of Law
        Laws that enter through their Stieltjes transforms.
    powers : tuple of float
        How often each is added, >= 1.
    levy : LevyTriplet or None
        Freely infinitely divisible part with a rational R-transform.
    mean, scale : float
        Mean of the sum, and a length beyond which it looks like a point.
    """

    operands: tuple[Law, ...]
    powers: tuple[float, ...]
    levy: LevyTriplet | None
    mean: float
    scale: float

    @property
    def adds_up(self) -> bool:
        """It is."""
        return True

    @cached_property
    def _surplus(self) -> float:
        """1 - sum of the powers: with it z = surplus F + sum t_i omega_i + R(1/F)."""
        return 1 - math.fsum(self.powers)

    @property
    def _is_nearly_one_law(self) -> bool:
        return self.levy is None and len(self.powers) == 1 and self.powers[0] < _NEARLY_ONE

    @cached_property
    def _means(self) -> list[float]:
        return [law.mean() for law in self.operands]

    def asymptotic_state(self, z: Complex) -> SubordinationState:
        """F = z - mean, far away."""
        common = z - self.mean
        omegas = tuple(common + mean for mean in self._means)
        return SubordinationState(common, omegas, self.inner_states(omegas))

    def _linear(self, z: Complex, state: SubordinationState) -> _Linear:
        """Return the equation at a state, with its derivatives."""
        common = state.common
        slope = np.full(z.shape, self._surplus, dtype=np.complex128)
        rest = z - self._surplus * common
        shifts, slopes, spreads, nested = [], [], [], []
        for i, (power, omega) in enumerate(zip(self.powers, state.omegas, strict=True)):
            g, dg, inner = self.operand_jet(i, omega, state.inner[i])
            nested.append(inner)
            down = -g * g / dg  # 1 / F'
            shift = (common - 1 / g) * down
            spreads.append(dg)
            rest -= power * (omega + shift)
            slope += power * down
            shifts.append(shift)
            slopes.append(down)
        if self.levy is not None:
            rest -= self.levy.excess(common)
            slope += self.levy.excess_slope(common)
        return _Linear(rest, slope, shifts, slopes, spreads, nested)

    def _noise(self, z: Complex, state: SubordinationState, linear: _Linear) -> list[Real]:
        """Return what rounding moves the common value by, and each subordination point."""
        # G is a sum of terms whose moduli add up to at most sqrt|G'|
        own = [1 / np.sqrt(np.abs(dg)) for dg in linear.spreads]
        terms = self._terms(z, state)
        for power, each in zip(self.powers, own, strict=True):
            terms = terms + power * each
        noise = 4e-16 * terms / np.abs(linear.slope)
        moved = [
            noise * np.abs(down) + 4e-16 * each
            for down, each in zip(linear.slopes, own, strict=True)
        ]
        return [noise, *moved]

    def newton_step(self, z: Complex, state: SubordinationState) -> Step:
        """One step for F and all subordination points; no step leaves the half-plane."""
        linear = self._linear(z, state)
        change = linear.rest / linear.slope
        noise = None
        flat = state.common.imag == 0
        if flat.any():
            # What rounding moves the solution by is much, next to an edge, where in a gap a step
            # of that size is none.
            noise = self._noise(z, state, linear)
            lost = flat & (noise[0] > 1e-12 * np.abs(state.common)) & (np.abs(change) <= noise[0])
            change = np.where(lost, 0, change)
        here = (state.common, *state.omegas)
        moves = [
            change,
            *(s + d * change for s, d in zip(linear.shifts, linear.slopes, strict=True)),
        ]
        # No step leaves the upper half-plane: it is cut to four fifths of the way to the axis.
        cut = None
        for place, move in zip(here, moves, strict=True):
            over = (move.imag < -0.8 * place.imag) & (place.imag > 0)
            if over.any():
                cut = np.ones(z.shape) if cut is None else cut
                cut[over] = np.minimum(cut[over], -0.8 * place.imag[over] / move.imag[over])
        common, *omegas = (
            place + (move if cut is None else cut * move)
            for place, move in zip(here, moves, strict=True)
        )
        new = SubordinationState(common, tuple(omegas), tuple(linear.nested))
        moved = [np.abs(move) for move in moves]
        scales = [place.imag + 1e-6 * np.abs(place) for place in (common, *omegas)]
        size = _relative(moved, scales)
        if (size > SETTLED).any():
            noise = self._noise(z, state, linear) if noise is None else noise
            pairs = zip(moved, noise, strict=True)
            size = _relative([np.maximum(move - own, 0.0) for move, own in pairs], scales)
        height = common.imag
        for omega in omegas:
            height = np.minimum(height, omega.imag)
        if self.levy is not None:
            height = np.minimum(height, self.levy.inverse(common).imag)
        if cut is not None:
            size = np.where(cut < 1, np.maximum(size, 1.0), size)
        return Step(new, size, height)

    def defect(self, z: Complex, state: SubordinationState) -> Real:
        """Defect of z = surplus F + sum t_i omega_i + R(1/F), relative to z and the law."""
        return np.asarray(np.abs(self._linear(z, state).rest) / (np.abs(z) + self.scale))

    def _terms(self, z: Complex, state: SubordinationState) -> Real:
        terms = np.abs(z) + abs(self._surplus * state.common)
        for power, omega in zip(self.powers, state.omegas, strict=True):
            terms = terms + power * np.abs(omega)
        if self.levy is not None:
            terms = terms + np.abs(self.levy.excess(state.common))
        return np.asarray(terms)

    def uncertainty(self, z: Complex, state: SubordinationState, *, operands: bool = True) -> Real:
        """Defect of z = surplus F + sum t_i omega_i + R(1/F), with what is behind it."""
        defect = self.defect(z, state) * (np.abs(z) + self.scale)
        spread = defect + 4e-16 * self._terms(z, state)
        if not operands:
            return spread
        for i, (law, power) in enumerate(zip(self.operands, self.powers, strict=True)):
            slope = self.operand_jet(i, state.omegas[i], state.inner[i])[1]
            spread = spread + power * error_of(law, state.omegas[i]) / np.abs(slope)
        return spread

    def argument(self, state: SubordinationState) -> Real:
        """Argument of F."""
        return np.angle(state.common)

    def attracting(self, x: Real, state: SubordinationState) -> Logical:
        """Whether dz/dF > 0 at real solutions, with H' > 0 for the rational operand."""
        slope = np.full(x.shape, self._surplus)
        real = np.ones(x.shape, dtype=bool)
        for i, (power, omega) in enumerate(zip(self.powers, state.omegas, strict=True)):
            g, dg, _ = self.operand_jet(i, omega, state.inner[i])
            real &= g.imag == 0
            slope = slope - power * (g * g / dg).real
        if self.levy is not None:
            own = self.levy.excess_slope(state.common).real
            real &= 1 + own > 0
            slope = slope + own
        return real & (slope > 0)

    def stieltjes(self, z: Complex, state: SubordinationState) -> Complex:
        """G = 1/F."""
        return 1 / state.common

    def stieltjes_slope(self, z: Complex, state: SubordinationState) -> Complex:
        """G' = -F'/F^2."""
        slope = np.full(z.shape, self._surplus, dtype=np.complex128)
        for i, (power, omega) in enumerate(zip(self.powers, state.omegas, strict=True)):
            g, dg, _ = self.operand_jet(i, omega, state.inner[i])
            slope = slope - power * g * g / dg
        if self.levy is not None:
            slope = slope + self.levy.excess_slope(state.common)
        return -1 / (state.common**2 * slope)

    def log_potential(self, z: Complex, state: SubordinationState) -> Complex:
        """L = sum t_i L_i(omega_i) + (T - 1) log G.

        Stationary on states that fulfil z = (1 - T) F + sum t_i omega_i, as they do after a step of
        Newton's method: what is left of F_i(omega_i) = F enters by its square.
        """
        # log G with the argument in [-pi, 0]: on the axis G comes from below.
        size = np.abs(state.common)
        argument = -np.abs(np.angle(state.common))
        copies = (self.levy is not None) - self._surplus
        value = copies * (-np.log(size) + 1j * argument)
        for law, power, omega in zip(self.operands, self.powers, state.omegas, strict=True):
            value = value + power * law._log_potential(omega)
        if self.levy is None:
            return np.asarray(value)
        value = np.asarray(value + self.levy.log_potential(state.common))
        # The Levy part leaves the square of a step, which is large next to the axis.
        thin = np.flatnonzero(np.abs(state.common.imag) < 1e-3 * size)
        if thin.size:
            common = state.common[thin]
            left = z[thin] - self._surplus * common - self.levy.excess(common)
            for power, omega in zip(self.powers, state.omegas, strict=True):
                left = left - power * omega[thin]
            left = left / common
            value[thin] += np.where(np.abs(left) < 1e-3, left, 0)
        return value

    # Gaps ----------------------------------------------------------------------------------------

    def components(self, law: Law) -> list[Gap]:
        """Components of a complement that noise of the given variance v leaves a gap of.

        A gap needs v |G'| < 1 there, and |G'| is at least what the atoms at either end give.
        """
        components = law.complement()
        if self._is_nearly_one_law and any(0 in band for band in law.support):
            # Close to an edge at zero, how close by the excess of the power, a gap opens.
            return [
                gap_beside_zero(law, gap.low, gap.high) if 0 in (gap.low, gap.high) else gap
                for gap in components
            ]
        if self.levy is None and len(self.powers) == 1:
            return [as_near_zero(law, gap) for gap in components]
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

    def critical_curve(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
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
                # Where an operand is at infinity, a zero of G is removable; else it is in a band.
                if any(component.through_infinity for component in components):
                    clear, side = np.minimum(clear, np.abs(self.scale * g)), side + (g > 0)
            omegas = []
            for i, power in enumerate(self.powers):
                curve = first
                if i != lead:
                    if components[i] is not components[lead]:
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
            return swept_with_rounding(curve, sign, terms, -self.powers[lead] / first.dg)

    def poles(self, component: Gap) -> Real:
        """Coordinates where F is a jump of the rational operand, or infinite."""
        jumps = np.array(self.levy.jumps if self.levy is not None else ())
        zeros = [] if component.through_infinity or not self._surplus else [0.0]
        s = invert(component, lambda curve: curve.g, np.concatenate([1 / jumps, zeros]))
        return np.asarray(s[np.isfinite(s)])

    def subordination_slope(self, curve: Curve) -> Real:
        """D omega/dF."""
        with np.errstate(all="ignore"):  # 0/0 where an operand is far away
            return np.asarray(-(curve.g**2) / curve.dg)

    def state_on(self, curve: Curve) -> SubordinationState:
        """State at points of a gap."""
        omegas = tuple(omega.astype(np.complex128) for omega in curve.omegas)
        return SubordinationState(
            (1 / curve.g).astype(np.complex128), omegas, self.inner_states(omegas)
        )


def _relative(moved: list[Real], scales: list[Real]) -> Real:
    """Return the largest of moves relative to their scales; NaN or infinite where one is."""
    size = moved[0] / scales[0]
    for move, scale in zip(moved[1:], scales[1:], strict=True):
        size = np.maximum(size, move / scale)
    return size
