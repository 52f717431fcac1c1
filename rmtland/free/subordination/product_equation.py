r"""The equation of free products of positive laws with real powers, in logarithms.

.. math:: z = \eta^{T - 1} \prod_i \omega_i^{t_i}, \qquad M_i(\omega_i) = m, \quad
    \eta = \frac{m}{1 + m}, \quad T = \sum_i t_i,

with M(z) = z G(z) - 1 and powers :math:`t_i \ge 1`. Arguments are those in (0, pi) of z and the
omega_i, and in (-pi, 0) of eta. In logarithms supports that come down to zero are resolved there;
eta is known to the same relative accuracy at infinity, where it vanishes like m, and next to zero,
where 1 + m vanishes. Marchenko-Pastur operands are explicit: M = m is solved by
omega = s (1 + m)(1 + phi m) / m. See `rmtland.free.subordination.equation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.free.subordination.equation import SubordinationEquation, error_of
from rmtland.free.subordination.logarithms import exp_of, on_cut, one_less_exp_of
from rmtland.free.subordination.product_gaps import candidate_gaps, product_curve
from rmtland.free.subordination.state import SETTLED, Step, SubordinationState
from rmtland.free.subordination.sweep import Swept, multiplicative
from rmtland.free.subordination.wishart_factor import wishart_place, wishart_slope
from rmtland.laws.gaps import Curve, Gap
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyTriplet
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.typing import Complex, Logical, Real

__all__ = ["ProductEquation"]


class _Linear(NamedTuple):
    """Rest and slope of the equation, shifts and slopes of the log omegas, inner states.

    Of explicit operands `wisharts` holds log omega, up to a multiple of 2 pi i, and its slope.
    """

    rest: Complex
    slope: Complex
    shifts: list[Complex]
    slopes: list[Complex]
    wisharts: list[tuple[Complex, Complex]]
    nested: list[SubordinationState | None]


@dataclass(frozen=True)
class ProductEquation(SubordinationEquation):
    """The equation of a product of free positive operands, each to a power.

    Parameters
    ----------
    operands : tuple of Law
        Positive laws that enter through their Stieltjes transforms, at least one.
    powers : tuple of float
        How often each is a factor, >= 1.
    wisharts : tuple of MarchenkoPastur
        Marchenko-Pastur operands, which enter through their S-transforms.
    mean : float
        Mean of the product.
    """

    operands: tuple[Law, ...]
    powers: tuple[float, ...]
    wisharts: tuple[MarchenkoPastur, ...]
    mean: float

    @cached_property
    def order(self) -> float:
        """Number of factors, with their powers."""
        return math.fsum(self.powers) + len(self.wisharts)

    @cached_property
    def _means(self) -> list[float]:
        return [law.mean() for law in self.operands]

    @cached_property
    def diverges_at_zero(self) -> bool:
        """Whether no factor has an atom at zero: states are logarithms, exact at any distance."""
        factors = (*self.operands, *self.wisharts)
        return not any(place == 0 for law in factors for place, _ in law.atoms)

    @cached_property
    def _equals(self) -> list[int]:
        """For every operand the first that equals it: at the same point, with the same values."""
        return [self.operands.index(law) for law in self.operands]

    @cached_property
    def _equal_wisharts(self) -> list[int]:
        return [self.wisharts.index(law) for law in self.wisharts]

    @cached_property
    def _levies(self) -> list[LevyTriplet]:
        return [law.levy for law in self.wisharts]

    def asymptotic_state(self, z: Complex) -> SubordinationState:
        """Eta = mean/z, far away."""
        with np.errstate(divide="ignore"):
            common = (math.log(self.mean) - np.log(z)).astype(np.complex128)
        places = tuple(math.log(mean) - common for mean in self._means)
        inner = self.inner_states(tuple(exp_of(place) for place in places))
        return SubordinationState(common, places, inner)

    def _linear(self, z: Complex, state: SubordinationState) -> _Linear:
        """Return the equation at a state, with its derivatives."""
        rest = np.log(z) - (self.order - 1) * state.common
        slope = np.full(z.shape, self.order - 1, dtype=np.complex128)
        eta = exp_of(state.common)
        shifts: list[Complex] = []
        slopes: list[Complex] = []
        nested: list[SubordinationState | None] = []
        wisharts: list[tuple[Complex, Complex]] = []
        for i, place in enumerate(state.omegas):
            j = self._equals[i]
            if j < i and np.array_equal(place, state.omegas[j]):
                shift, down, inner = shifts[j], slopes[j], nested[j]
            else:
                omega = exp_of(place)
                g, dg, inner = self.operand_jet(i, omega, state.inner[i])
                u = omega * g
                value = u - 1
                down = value * u / (omega * (g + omega * dg))
                shift = np.log(eta * u / value) * down
            nested.append(inner)
            rest -= self.powers[i] * (place + shift)
            slope += self.powers[i] * down
            shifts.append(shift)
            slopes.append(down)
        if self.wisharts:
            one_less = one_less_exp_of(state.common)
            for law, j in zip(self.wisharts, self._equal_wisharts, strict=True):
                wisharts.append(
                    wisharts[j]
                    if j < len(wisharts)
                    else (
                        wishart_place(law, state.common, eta, one_less),
                        wishart_slope(law, eta, one_less),
                    )
                )
                rest -= wisharts[-1][0]
                slope += wisharts[-1][1]
        return _Linear(rest, slope, shifts, slopes, wisharts, nested)

    def _noise(self, z: Complex, state: SubordinationState, slope: Complex) -> Real:
        """Return what rounding of the equation alone moves the common value by."""
        # M = z G - 1 is off by one part in 1/|m|.
        terms = 1 + np.abs(np.log(z)) + self.order * np.abs(state.common)
        return np.asarray(4e-16 * (terms + np.exp(-state.common.real)) / np.abs(slope))

    def newton_step(self, z: Complex, state: SubordinationState) -> Step:
        """One step for log eta and the log omegas; arguments stay in the half-plane."""
        linear = self._linear(z, state)
        rest, slope = linear.rest, linear.slope
        # Branches of the logarithm: the defect is small near the solution.
        turns = np.round(rest.imag / (2 * np.pi))
        turned = bool(turns.any())
        if turned:
            rest = rest - 2j * np.pi * turns
        change = rest / slope
        noise = None
        flat = on_cut(state.common)
        if flat.any():
            # What rounding moves the solution by is much, next to an edge, where in a gap a step
            # of that size is none.
            noise = self._noise(z, state, slope)
            lost = flat & (noise > 1e-12) & (np.abs(change) <= noise)
            change = np.where(lost, 0, change)
        here = (state.common, *state.omegas)
        moves = [
            change,
            *(s + d * change for s, d in zip(linear.shifts, linear.slopes, strict=True)),
        ]
        cut = _cut(here, moves)
        common, *omegas = (
            place + (move if cut is None else cut * move)
            for place, move in zip(here, moves, strict=True)
        )
        new = SubordinationState(common, tuple(omegas), tuple(linear.nested))
        size = self._size(new, moves, linear.slopes, None)
        if (size > SETTLED).any():
            noise = self._noise(z, state, slope) if noise is None else noise
            size = self._size(new, moves, linear.slopes, noise)
        if cut is not None:
            size = np.where(cut < 1, np.maximum(size, 1.0), size)
        height = self._height(new, linear, change if cut is None else cut * change)
        if turned:
            height = np.where(turns == 0, height, -1.0)
        return Step(new, size, height)

    def _size(
        self,
        new: SubordinationState,
        moves: list[Complex],
        slopes: list[Complex],
        noise: Real | None,
    ) -> Real:
        """Relative size of a step, less what is rounding."""
        size = np.zeros(new.common.shape)
        for i, (place, move) in enumerate(zip((new.common, *new.omegas), moves, strict=True)):
            moved = np.abs(move)
            if noise is not None:
                moved = np.maximum(moved - (noise * np.abs(slopes[i - 1]) if i else noise), 0.0)
            size = np.maximum(size, moved / (np.abs(np.sin(place.imag)) + 1e-6))
        return np.where(np.isnan(moves[0]), np.nan, size)

    def _height(self, new: SubordinationState, linear: _Linear, change: Complex) -> Real:
        """How far inside the half-plane all points are, those of partial products too.

        Another solution has points outside. Explicit operands are first looked at along the
        tangent, and again where these come close to the axis.
        """
        explicit = [(place + rate * change).imag for place, rate in linear.wisharts]
        height = _least_height(new, self.powers, explicit)
        if explicit and not (height > 1e-4).all():
            eta, one_less = exp_of(new.common), one_less_exp_of(new.common)
            explicit = [wishart_place(law, new.common, eta, one_less).imag for law in self.wisharts]
            height = _least_height(new, self.powers, explicit)
        return height

    def defect(self, z: Complex, state: SubordinationState) -> Real:
        """Defect of log z = (T - 1) log eta + sum t_i log omega_i."""
        rest = self._linear(z, state).rest
        return np.asarray(np.abs(rest - 2j * np.pi * np.round(rest.imag / (2 * np.pi))))

    def uncertainty(self, z: Complex, state: SubordinationState, *, operands: bool = True) -> Real:
        """Defect of log z, with what is behind it, times |z|."""
        linear = self._linear(z, state)
        rest, slopes = linear.rest, linear.slopes
        rest = rest - 2j * np.pi * np.round(rest.imag / (2 * np.pi))
        terms = 1 + np.abs(np.log(z)) + self.order * np.abs(state.common)
        spread = np.abs(rest) + 4e-16 * (terms + np.exp(-state.common.real))
        asked = self.operands if operands else ()
        for i, (law, place) in enumerate(zip(asked, state.omegas, strict=False)):
            omega = exp_of(place)
            g = self.operand_jet(i, omega, state.inner[i])[0]
            share = self.powers[i] * np.abs(slopes[i]) / np.abs(omega * g * (omega * g - 1))
            spread = spread + share * np.abs(omega) * error_of(law, omega)
        return np.asarray(np.abs(z) * spread)

    def sensitivity(self, z: Complex, value: Complex, slope: Complex) -> Real:
        """Return that of z G, which the state says: beside an edge at zero it is steeper than G."""
        return np.maximum(np.abs(slope), np.abs(slope + value / z))

    def flattened(self, state: SubordinationState) -> SubordinationState:
        """Return the state on the axis, where the arguments are multiples of pi."""
        # On the axis the arguments are multiples of pi.
        return state.mapped(lambda row: row.real + 1j * np.pi * np.round(row.imag / np.pi))

    def argument(self, state: SubordinationState) -> Real:
        """Argument of eta."""
        return np.asarray(state.common.imag)

    def attracting(self, x: Real, state: SubordinationState) -> Logical:
        """Whether real solutions attract, with arguments that add up to that of z."""
        at, one_less = exp_of(state.common), one_less_exp_of(state.common)
        eta = at.real
        real = np.ones(x.shape, dtype=bool)
        opposite = np.zeros(x.shape)
        for law, power, place in zip(self.operands, self.powers, state.omegas, strict=True):
            omega = exp_of(place)
            real &= law._jet(omega)[0].imag == 0
            opposite += power * (omega.real * eta < 0)
        for law in self.wisharts:
            omega = np.exp(wishart_place(law, state.common, at, one_less))
            real &= (omega * wishart_slope(law, at, one_less)).real * eta < 0
            opposite += omega.real * eta < 0
        # Arguments (0 or pi, of eta 0 or -pi) that add up to that of z, not to 2 pi more or less.
        real &= opposite <= 1
        slope = self._linear(x.astype(np.complex128), state).slope.real
        return real & (-np.sign(x) * slope * eta > 0)

    def stieltjes(self, z: Complex, state: SubordinationState) -> Complex:
        """G = 1/((1 - eta) z)."""
        return 1 / (one_less_exp_of(state.common) * z)

    def stieltjes_slope(self, z: Complex, state: SubordinationState) -> Complex:
        """G' at the solution."""
        slope = self._linear(z, state).slope
        odds = exp_of(state.common) / one_less_exp_of(state.common)
        return self.stieltjes(z, state) / z * (odds / slope - 1)

    def log_potential(self, z: Complex, state: SubordinationState) -> Complex:
        """L = sum t_i L_i(omega_i) + (T - 1) log m.

        Stationary on states that fulfil log z = (T - 1) log eta + sum t_i log omega_i, as they do
        after a step of Newton's method: what is left of M_i(omega_i) = m enters by its square.
        """
        # log m = log eta - log(1 - eta), where eta is in the lower half-plane.
        rest = one_less_exp_of(state.common)
        argument = np.abs(np.angle(rest))
        value = (self.order - 1) * (state.common - np.log(np.abs(rest)) - 1j * argument)
        for law, power, place in zip(self.operands, self.powers, state.omegas, strict=True):
            value = value + power * law._log_potential(exp_of(place))
        eta = exp_of(state.common)
        for law, levy in zip(self.wisharts, self._levies, strict=True):
            h = law.scale * (rest / eta + law.aspect_ratio)
            value = value + levy.log_potential(h.real + 1j * np.abs(h.imag))
        # Explicit operands leave the square of a step, which is large next to the axis.
        if not self.wisharts:
            return np.asarray(value)
        thin = np.flatnonzero(np.abs(np.sin(state.common.imag)) < 1e-3)
        if thin.size:
            common, at, one_less = state.common[thin], eta[thin], rest[thin]
            left = np.log(z[thin]) - (self.order - 1) * common
            for power, place in zip(self.powers, state.omegas, strict=True):
                left = left - power * place[thin]
            for law in self.wisharts:
                left = left - wishart_place(law, common, at, one_less)
            left = left - 2j * np.pi * np.round(left.imag / (2 * np.pi))
            value[thin] += np.where(np.abs(left) < 1e-3, left / one_less, 0)
        return np.asarray(value)

    # Gaps ---------------------------------------------------------------------------------------

    def components(self, law: Law) -> list[Gap]:
        """Components of an operand's complement that may leave a gap of the product."""
        return candidate_gaps(law, self.operands, self.powers, self.wisharts)

    def critical_curve(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the leading one of the components."""
        return product_curve(self.powers, self.wisharts, components, lead, s)

    def subordination_slope(self, curve: Curve) -> Real:
        """D log omega/d log eta."""
        return np.abs(multiplicative(curve)[2])

    def state_on(self, curve: Curve) -> SubordinationState:
        """State at points of a gap."""
        eta = 1 - 1 / (curve.point * curve.g)
        omegas = tuple(omega.astype(np.complex128) for omega in curve.omegas)
        places = tuple(np.log(omega) for omega in omegas)
        common = np.log(eta.astype(np.complex128)).conj()
        return SubordinationState(common, places, self.inner_states(omegas))


def _cut(here: tuple[Complex, ...], moves: list[Complex]) -> Real | None:
    """Return what steps are shortened by; None where none is.

    No logarithm moves by more than 2, and arguments stay between 0 and pi, those of eta, the first,
    between -pi and 0.
    """
    cut = None
    for i, (place, move) in enumerate(zip(here, moves, strict=True)):
        angle, turn = (place.imag, move.imag) if i else (-place.imag, -move.imag)
        length, inside = np.abs(move), (angle > 0) & (angle < np.pi)
        room = 0.8 * np.where(turn < 0, angle, np.pi - angle)
        if (length > 2.0).any() or (inside & (np.abs(turn) > room)).any():
            reach = np.where(inside, room / np.maximum(np.abs(turn), 1e-300), 1.0)
            reach = np.minimum(reach, 2.0 / np.maximum(length, 1e-300))
            cut = np.minimum(1.0, reach) if cut is None else np.minimum(cut, reach)
    return cut


def _least_height(new: SubordinationState, powers: tuple[float, ...], explicit: list[Real]) -> Real:
    """Return the least distance of arguments from the axis, negative outside the half-plane."""
    turn = new.common.imag
    angles = [*(place.imag for place in new.omegas), *explicit]
    height = -turn
    for angle in angles:
        height = np.minimum(height, np.minimum(angle, np.pi - angle))
    partial = powers[0] * angles[0] + (powers[0] - 1) * turn
    for power, angle in zip((*powers[1:], *(1.0 for _ in explicit)), angles[1:-1], strict=False):
        partial = partial + power * (angle + turn)
        height = np.minimum(height, np.minimum(partial, np.pi - partial))
    return np.asarray(height)
