r"""The free product of positive laws: the law behind `free_product`.

See `rmtland.free.subordination.subordinated_law` for the equations; they are solved in logarithms,
so that supports that come down to zero are resolved there. Marchenko-Pastur operands are explicit:
M = m is solved by omega = s (1 + m)(1 + phi m) / m.

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
from numpy.typing import NDArray

from rmtland.free.subordination.gaps import (
    Curve,
    Gap,
    Swept,
    complement,
    invert,
    multiplicative,
    plain_gap,
    settled,
)
from rmtland.free.subordination.subordinated_law import State, SubordinatedLaw, error_of
from rmtland.laws.affine_law import affine
from rmtland.laws.law import Atoms, Complex, Law, Real
from rmtland.laws.marchenko_pastur import MarchenkoPastur

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

    @property
    def factors(self) -> tuple[Law, ...]:
        """All operands."""
        return (*self.operands, *self.wisharts)

    def rescaled(self, scale: float) -> FreeProduct:
        """Return the law of the product times a positive number, again a product."""
        if scale == 1:
            return self
        if self.wisharts:
            first, *others = self.wisharts
            law = MarchenkoPastur(first.aspect_ratio, scale * first.scale)
            return FreeProduct(self.operands, (law, *others))
        return FreeProduct((affine(self.operands[0], scale=scale), *self.operands[1:]))

    @property
    def _order(self) -> int:
        return len(self.operands) + len(self.wisharts)

    @cached_property
    def _scale(self) -> float:
        return math.prod(_top(law) for law in self.factors)

    @cached_property
    def _hull(self) -> tuple[float, float]:
        return math.prod(_bottom(law) for law in self.factors), self._scale

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

    # The equations, with eta = m/(1 + m) as the common value: it is known to the same relative
    # accuracy at infinity, where it vanishes like m, and next to zero, where 1 + m vanishes -----

    @cached_property
    def _means(self) -> list[float]:
        return [law.mean() for law in self.operands]

    @cached_property
    def _log_mean(self) -> float:
        return math.log(self.mean())

    def _far(self, z: Complex) -> State:
        with np.errstate(divide="ignore"):
            common = (self._log_mean - np.log(z)).astype(np.complex128)
        places = tuple(math.log(mean) - common for mean in self._means)
        return State(common, places, self._inner_far(tuple(_exp(place) for place in places)))

    def _linear(
        self, z: Complex, state: State
    ) -> tuple[Complex, Complex, list[Complex], list[Complex], list[State | None]]:
        """Rest and slope of the equation, shifts and slopes of the log omegas, inner states."""
        rest = np.log(z) - (self._order - 1) * state.common
        slope = np.full(z.shape, self._order - 1, dtype=np.complex128)
        eta = _exp(state.common)
        shifts, slopes, nested = [], [], []
        for i, place in enumerate(state.omegas):
            omega = _exp(place)
            g, dg, inner = self._operand_jet(i, omega, state.inner[i])
            nested.append(inner)
            value = omega * g - 1
            down = value * omega * g / (omega * (g + omega * dg))
            shift = np.log(eta * (omega * g) / value) * down
            rest = rest - place - shift
            slope = slope + down
            shifts.append(shift)
            slopes.append(down)
        for law in self.wisharts:
            place, down = _wishart_place(law, state.common)
            rest = rest - place
            slope = slope + down
        return rest, slope, shifts, slopes, nested

    def _step(self, z: Complex, state: State) -> tuple[State, Real, Real, Real]:
        rest, slope, shifts, slopes, nested = self._linear(z, state)
        # Branches of the logarithm: the defect is small near the solution.
        turns = np.round(rest.imag / (2 * np.pi))
        rest = rest - 2j * np.pi * turns
        change = rest / slope
        moves = [shift + down * change for shift, down in zip(shifts, slopes, strict=True)]
        cut = np.minimum(1.0, 2.0 / np.maximum(np.abs(change), 1e-300))
        # Arguments stay between 0 and pi, those of eta between -pi and 0.
        angles = [(-state.common.imag, -change.imag)]
        for here, move in zip(state.omegas, moves, strict=True):
            angles.append((here.imag, move.imag))
            cut = np.minimum(cut, 2.0 / np.maximum(np.abs(move), 1e-300))
        for angle, turn in angles:
            room = np.where(turn < 0, angle, np.pi - angle)
            inside = (angle > 0) & (angle < np.pi)
            reach = 0.8 * room / np.maximum(np.abs(turn), 1e-300)
            cut = np.where(inside, np.minimum(cut, reach), cut)
        new = State(
            state.common + cut * change,
            tuple(place + cut * move for place, move in zip(state.omegas, moves, strict=True)),
            tuple(nested),
        )
        # What rounding of the equation alone moves the solution by: much, next to an edge.
        # M = z G - 1 is formed with an error of one part in 1/|m|.
        terms = 1 + np.abs(np.log(z)) + self._order * np.abs(state.common)
        noise = 4e-16 * (terms + np.exp(-state.common.real)) / np.abs(slope)
        size = np.maximum(np.abs(change) - noise, 0.0) / (np.abs(new.common.imag) + 1e-6)
        size = np.where(np.isnan(change), np.nan, size)
        height = -new.common.imag
        for place, move, down in zip(new.omegas, moves, slopes, strict=True):
            excess = np.maximum(np.abs(move) - noise * np.abs(down), 0.0)
            size = np.maximum(size, excess / (np.abs(place.imag) + 1e-6))
            height = np.minimum(height, np.minimum(place.imag, np.pi - place.imag))
        # Points of partial products lie in the half-plane too, else it is another solution.
        places = [*new.omegas, *(_wishart_place(law, new.common)[0] for law in self.wisharts)]
        partial = -new.common.imag
        for i, place in enumerate(places):
            height = np.minimum(height, np.minimum(place.imag, np.pi - place.imag))
            partial = partial + place.imag + new.common.imag
            if 0 < i < len(places) - 1:
                height = np.minimum(height, np.minimum(partial, np.pi - partial))
        height = np.where(turns == 0, height, -1.0)
        size = np.where(cut < 1, np.maximum(size, 1.0), size)
        return new, size, height, np.abs(rest)

    def _uncertainty(self, z: Complex, state: State) -> Real:
        rest, _, _, slopes, _ = self._linear(z, state)
        rest = rest - 2j * np.pi * np.round(rest.imag / (2 * np.pi))
        terms = 1 + np.abs(np.log(z)) + self._order * np.abs(state.common)
        spread = np.abs(rest) + 4e-16 * (terms + np.exp(-state.common.real))
        for i, (law, place) in enumerate(zip(self.operands, state.omegas, strict=True)):
            omega = _exp(place)
            g = self._operand_jet(i, omega, state.inner[i])[0]
            share = np.abs(slopes[i]) / np.abs(omega * g * (omega * g - 1))
            spread = spread + share * np.abs(omega) * error_of(law, omega)
        return np.asarray(np.abs(z) * spread)

    def _flat(self, state: State) -> State:
        # On the axis the arguments are multiples of pi.
        return state.mapped(lambda row: row.real + 1j * np.pi * np.round(row.imag / np.pi))

    def _argument(self, state: State) -> Real:
        return np.asarray(state.common.imag)

    def _attracting(self, x: Real, state: State) -> NDArray[np.bool_]:
        eta = _exp(state.common).real
        real = np.ones(x.shape, dtype=bool)
        opposite = np.zeros(x.shape)
        for law, place in zip(self.operands, state.omegas, strict=True):
            omega = _exp(place)
            real &= law._jet(omega)[0].imag == 0
            opposite += omega.real * eta < 0
        for law in self.wisharts:
            place, down = _wishart_place(law, state.common)
            omega = np.exp(place)
            real &= (omega * down).real * eta < 0
            opposite += omega.real * eta < 0
        # Arguments (0 or pi, of eta 0 or -pi) that add up to that of z, not to 2 pi more or less.
        real &= opposite <= 1
        slope = self._linear(x.astype(np.complex128), state)[1].real
        return real & (-np.sign(x) * slope * eta > 0)

    def _value_of(self, z: Complex, state: State) -> Complex:
        return 1 / (_rest(state.common) * z)

    def _slope_of(self, z: Complex, state: State) -> Complex:
        slope = self._linear(z, state)[1]
        odds = _exp(state.common) / _rest(state.common)
        return self._value_of(z, state) / z * (odds / slope - 1)

    def _potential_of(self, z: Complex, state: State) -> Complex:
        # log m = log eta - log(1 - eta), where eta is in the lower half-plane.
        rest = _rest(state.common)
        argument = np.abs(np.angle(rest))
        value = (self._order - 1) * (state.common - np.log(np.abs(rest)) - 1j * argument)
        for law, place in zip(self.operands, state.omegas, strict=True):
            value = value + law._log_potential(_exp(place))
        for law in self.wisharts:
            h = law.scale * (rest / _exp(state.common) + law.aspect_ratio)
            value = value + law.levy.log_potential(h.real + 1j * np.abs(h.imag))
        return np.asarray(value)

    # The support ------------------------------------------------------------------------------

    def _gaps(self) -> list[Gap]:
        gaps = super()._gaps()
        if not any(gap.low == -np.inf for gap in gaps):
            gaps.append(plain_gap(self, -np.inf, 0.0))
        # A hard edge at zero comes out as a rounding error of either sign.
        tiny = 1e-16 * self._scale

        def settled(end: float) -> float:
            return 0.0 if -np.inf < end < tiny else end

        return [replace(gap, low=settled(gap.low), high=settled(gap.high)) for gap in gaps]

    def _components(self, law: Law) -> list[Gap]:
        """Components of a complement that a single Marchenko-Pastur factor leaves a gap of.

        A gap needs phi omega |M'| < |1 + phi M| there. |M| is at most sqrt(mean |M'|), and |M'| at
        least what the atoms at either end give, beyond which the condition cannot hold again.
        """
        components = complement(law)
        if len(self.operands) > 1 or len(self.wisharts) != 1:
            return components
        phi, mean, mass = self.wisharts[0].aspect_ratio, law.mean(), dict(law.atoms)

        def wide_enough(gap: Gap) -> bool:
            if gap.through_infinity:
                return True
            ends = (gap.low * mass.get(gap.low, 0.0), gap.high * mass.get(gap.high, 0.0))
            least = sum(end ** (1 / 3) for end in ends) ** 3 / (gap.high - gap.low) ** 2
            return bool(phi * gap.low * least <= 1 + phi * math.sqrt(mean * least))

        return [gap for gap in components if wide_enough(gap)]

    def _swept(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the leading one of the components."""
        with np.errstate(all="ignore"):
            first = components[lead].along(s)
            m, u, down = multiplicative(first)
            eta = m / u
            z = first.point * eta ** (self._order - 1)
            slope = self._order - 1 + down
            terms = self._order - 1 + np.abs(down)
            clear = np.minimum(first.clear, np.abs(m * u))
            side = first.side + (m > 0) + (u > 0)
            omegas = []
            for i in range(len(self.operands)):
                curve = first
                if i != lead:
                    at = invert(components[i], lambda c: multiplicative(c)[1], u)
                    curve = components[i].along(at)
                    down = multiplicative(curve)[2]
                    z = z * curve.point
                    slope = slope + down
                    terms = terms + np.abs(down)
                    clear, side = np.minimum(clear, curve.clear), side + curve.side
                omegas.append(curve.point)
            opposite = np.sum([omega * eta < 0 for omega in omegas], axis=0)
            if all(component.through_infinity for component in components):
                clear = np.full(s.shape, np.inf)
            admissible = np.ones(s.shape, dtype=bool)
            for law in self.wisharts:
                place, turn = _wishart_place(law, np.log(eta.astype(np.complex128)))
                omega, down = np.exp(place).real, turn.real
                z = z * omega
                admissible &= omega * down * eta < 0
                opposite += omega * eta < 0
                slope = slope + down
                terms = terms + np.abs(down)
            # The arguments add up to that of z, not to a multiple of 2 pi more or less.
            admissible &= opposite <= 1
            z = np.where(m == 0, np.inf, z)
            g = np.where(m == 0, 0.0, u / z)
            dg = np.where(m == 0, 0.0, g / z * (m / slope - 1))
            sign = np.where(admissible, -np.sign(z * eta) * slope, np.nan)
            curve = Curve(z, g, dg, clear, side, tuple(omegas))
            return settled(curve, sign, terms, self._steepness(first))

    def _steepness(self, curve: Curve) -> Real:
        return np.abs(multiplicative(curve)[2])

    def _state_of(self, curve: Curve) -> State:
        eta = 1 - 1 / (curve.point * curve.g)
        omegas = tuple(omega.astype(np.complex128) for omega in curve.omegas)
        places = tuple(np.log(omega) for omega in omegas)
        return State(np.log(eta.astype(np.complex128)).conj(), places, self._inner_far(omegas))


def _wishart_place(law: MarchenkoPastur, common: Complex) -> tuple[Complex, Complex]:
    """Log omega at a log eta, up to a multiple of 2 pi i, and its derivative."""
    eta = _exp(common)
    rest = _rest(common)
    share = rest + law.aspect_ratio * eta
    place = math.log(law.scale) - common + np.log(share / rest)
    return place, -1 + eta * ((law.aspect_ratio - 1) / share + 1 / rest)


def product_moments(factors: list[list[Fraction]]) -> list[Fraction]:
    r"""Moments of a free product from the moments of its factors, order 0..k, exactly.

    With psi(w) = sum m_n w^n and chi its inverse series, S(u) = chi(u) (1 + u)/u multiplies:
    chi of the product is the product of the chi_i times ((1 + u)/u)^(n - 1). Every factor must have
    a mean other than 0.
    """
    order = len(factors[0]) - 1
    if order == 0:
        return [Fraction(1)]
    product = [Fraction(1)] + [Fraction(0)] * (order - 1)
    for moments in factors:
        inverse = _inverse_series(moments[1:])
        product = _multiply(product, inverse)
    one_plus = [Fraction(math.comb(len(factors) - 1, j)) for j in range(order)]
    product = _multiply(product, one_plus)
    return [Fraction(1), *_inverse_series(product)]


def _multiply(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    return [sum((a[i] * b[n - i] for i in range(n + 1)), Fraction(0)) for n in range(len(a))]


def _inverse_series(series: list[Fraction]) -> list[Fraction]:
    """Coefficients c of the inverse of w (a_0 + a_1 w + ...), divided by w (Lagrange)."""
    order = len(series)
    lead = series[0]
    # [w^n] of the inverse of w a(w) is (1/n) [w^(n-1)] of a(w)^(-n).
    reciprocal = [1 / lead]
    for n in range(1, order):
        reciprocal.append(
            -sum((series[j] * reciprocal[n - j] for j in range(1, n + 1)), Fraction(0)) / lead
        )
    power = [Fraction(1)] + [Fraction(0)] * (order - 1)
    inverse = []
    for n in range(1, order + 1):
        power = _multiply(power, reciprocal)
        inverse.append(power[n - 1] / n)
    return inverse


def _exp(logarithm: Complex) -> Complex:
    """Exponential; exactly real where the argument is a multiple of pi."""
    value = np.exp(logarithm)
    flat = logarithm.imag == np.pi * np.round(logarithm.imag / np.pi)
    return np.where(flat, value.real + 0j, value)


def _rest(logarithm: Complex) -> Complex:
    """1 - exp without cancellation; exactly real where the argument is a multiple of pi."""
    turns = np.round(logarithm.imag / np.pi)
    flat = logarithm.imag == np.pi * turns
    real = np.where(turns % 2, 1 + np.exp(logarithm.real), -np.expm1(logarithm.real))
    return np.where(flat, real + 0j, -np.expm1(logarithm))


def _bottom(law: Law) -> float:
    return min([low for low, _ in law.support] + [place for place, _ in law.atoms])


def _top(law: Law) -> float:
    return max([high for _, high in law.support] + [place for place, _ in law.atoms])
