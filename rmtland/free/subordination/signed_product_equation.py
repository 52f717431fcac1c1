r"""The equation of free products with one factor of any sign.

With :math:`M(z) = z G(z) - 1` and :math:`u_j = 1 / S_j(m)` for the positive factors, the
subordination point w of the signed factor B solves

.. math:: z = w \prod_j u_j(m), \qquad m = M_B(w) .

For a Marchenko-Pastur factor :math:`u = s (1 + \varphi m)`, which is Silverstein's equation with a
population of either sign. For any other, :math:`u_j = a_j - 1 / G_j(a_j)` at the point a_j
off the half-line :math:`[0, \infty)` where :math:`M_j(a_j) = m`.

For z in the closed upper half-plane w is there, too: it is the fixed point of the map
:math:`w \mapsto z / u_A(z / (w - F_B(w)))` of the half-plane into itself (F = 1/G, A the product of
the positive factors), which has at most one inside; a real fixed point is the right one if its
multiplier, never negative, is below 1 (Denjoy-Wolff theorem) [1]_ [2]_. With several positive
factors m has to be a value of M_A: the points a_j and those of their partial products are in one
half-plane, else the product of the u_j is no u_A and the solution another one. Since M_B is not
monotonic on the gaps of B, while M_j is on those of a positive law, gaps are swept by the
coordinate of w.

The logarithmic potential is

.. math:: L(z) = L_B(w) + \sum_j \bigl[ L_j(a_j) + \log m \bigr] + (1 + m) \delta,
          \qquad \delta = \log z - \log w - \sum_j \log \frac{m a_j}{1 + m},

with principal logarithms, m in the half-plane opposite to that of all :math:`a_j`. The last term
is zero at the solution; with it L is stationary there, so that an error of the state enters by its
square only.

References
----------
.. [1] O. Arizmendi, T. Hasebe and Y. Kitagawa, Free multiplicative convolution with an arbitrary
       measure on the real line (2024).
.. [2] S. T. Belinschi and H. Bercovici, A new approach to subordination results in free
       probability, Journal d'Analyse Mathematique 101 (2007) 357-365.
.. [3] J. W. Silverstein and Z. D. Bai, On the empirical distribution of eigenvalues of a class of
       large dimensional random matrices, J. Multivariate Analysis 54 (1995) 175-192.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from rmtland.free.subordination.equation import SubordinationEquation, error_of
from rmtland.free.subordination.far_expansion import FarExpansion
from rmtland.free.subordination.logarithms import exp_of, folded, log_beside_cut, on_cut
from rmtland.free.subordination.positive_factor import (
    FactorTerms,
    jet_on_either_side,
    potential_on_side,
)
from rmtland.free.subordination.signed_product_gaps import signed_product_curve
from rmtland.free.subordination.state import SETTLED, Step, SubordinationState
from rmtland.free.subordination.sweep import Swept, multiplicative
from rmtland.laws.gaps import Curve, Gap, as_near_zero, with_samples_at_zero
from rmtland.laws.law import Law
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.typing import Complex, Logical, Real

__all__ = ["SignedProductEquation"]


_ON_CUT = 1e-15
"""Distance from pi that arguments do not tell."""


class _Linear(NamedTuple):
    """The equation at a state: its defect, and what a change of log w does to everything."""

    rest: Complex
    slope: Complex
    bend: Complex
    rise: Complex
    factors: list[FactorTerms]  # of the positive operands
    drive: Complex
    known: Complex
    inner: list[SubordinationState | None]


@dataclass(frozen=True)
class SignedProductEquation(SubordinationEquation):
    """The equation of A^(1/2) B A^(1/2), B of any sign and A a product of positive factors.

    The state is log w (twice: as common value and as subordination point) and log a_j, with
    arguments between 0 and 2 pi.

    Parameters
    ----------
    operands : tuple of Law
        The signed law, then the positive ones that enter through their Stieltjes transforms.
    wisharts : tuple of MarchenkoPastur
        Marchenko-Pastur operands, which enter through their S-transforms.
    """

    operands: tuple[Law, ...]
    wisharts: tuple[MarchenkoPastur, ...]

    @property
    def factors(self) -> tuple[Law, ...]:
        """All operands, the signed one first."""
        return (*self.operands, *self.wisharts)

    @cached_property
    def _means(self) -> list[float]:
        return [law.mean() for law in self.factors[1:]]

    @cached_property
    def remote(self) -> list[FarExpansion]:
        """Expansions of u = 1/S of the positive operands near m = 0."""
        return [FarExpansion.of(law) for law in self.operands[1:]]

    @cached_property
    def _first(self) -> tuple[float, float]:
        return self.operands[0].mean(), self.operands[0].var()

    def asymptotic_state(self, z: Complex) -> SubordinationState:
        """W = z/prod of means, far away."""
        mean, variance = self._first
        with np.errstate(all="ignore"):
            place: Complex = np.log(z / math.prod(self._means))
            # w - F_B(w), in the lower half-plane
            turn = np.log(mean + variance * np.exp(-place))
        places: list[Complex] = [place]
        for each in self._means[: len(self.operands) - 1]:
            places.append(math.log(each) + place - turn)
        omegas = tuple(places)
        return SubordinationState(place.copy(), omegas, self.inner_states(folded(omegas)))

    def _positive_jet(
        self, i: int, a: Complex, inner: SubordinationState | None
    ) -> tuple[Complex, Complex, SubordinationState | None]:
        """G and G' of a positive operand in either half-plane."""
        return jet_on_either_side(partial(self.operand_jet, i), a, inner)

    def _linear(self, z: Complex, state: SubordinationState) -> _Linear:
        w = exp_of(state.common)
        g, dg, inner = self.operand_jet(0, w, state.inner[0])
        nested = [inner]
        u = w * g
        m = u - 1
        rise = w * (g + w * dg)
        drive = rise / (m * u)
        # d sum log u_j / dm, and with it d log z / d log w
        bend = np.zeros_like(z)
        total = np.ones_like(z)
        known = np.zeros_like(z)
        factors = []
        for i, expansion in enumerate(self.remote, 1):
            a = exp_of(state.omegas[i])
            ga, dga, inner = self._positive_jet(i, a, state.inner[i])
            nested.append(inner)
            terms = FactorTerms.of(expansion, u, m, a, (ga, dga))
            factors.append(terms)
            total, known, bend = total * terms.factor, known + terms.known, bend + terms.bend
        for law in self.wisharts:
            share = (1 - law.aspect_ratio) + law.aspect_ratio * u
            total = total * law.scale * share
            bend = bend + law.aspect_ratio / share
        ratio = z / (w * total)
        # In logarithms, but where the product of the u_j is close to zero and rounded.
        rest = np.where(np.abs(ratio - 1) < 1e-3, ratio - 1, np.log(ratio))
        if self.wisharts:
            small = np.abs(total) < 1e-3 * math.prod(self._means)
            rest = np.where(small & (np.abs(ratio) < 1e3), ratio - 1, rest)
        return _Linear(rest, 1 + bend * rise, bend, rise, factors, drive, known, nested)

    def newton_step(self, z: Complex, state: SubordinationState) -> Step:
        """One step for log w and the log a_j, with arguments between 0 and 2 pi."""
        at = self._linear(z, state)
        noise = self._noise(z, state, at)
        change = (at.rest + at.known) / at.slope
        # In a gap next to an edge a step that rounding alone can make is none.
        own = noise / np.abs(at.slope)
        flat = on_cut(state.common)
        if flat.any():
            lost = flat & (own > 1e-12) & (np.abs(change) <= own)
            change = np.where(lost, 0, change)
        moves = self._driven(at, change)
        # Close to infinity the point is known outright; it follows at the next step.
        moves = [
            each.moved(here, move)
            for each, here, move in zip(at.factors, state.omegas[1:], moves, strict=True)
        ]
        cut = np.minimum(1.0, 2.0 / np.maximum(np.abs(change), 1e-300))
        angles = [(state.common.imag, change.imag, np.pi)]
        for each, here, move in zip(at.factors, state.omegas[1:], moves, strict=True):
            cut = np.minimum(cut, each.free(2.0 / np.maximum(np.abs(move), 1e-300), np.inf))
            angles.append((here.imag, each.free(move.imag, 0.0), 2 * np.pi))
        for angle, turn, most in angles:
            room = np.where(turn < 0, angle, most - angle)
            inside = (angle > 0) & (angle < most - _ON_CUT)
            reach = 0.8 * room / np.maximum(np.abs(turn), 1e-300)
            cut = np.where(inside, np.minimum(cut, reach), cut)
        common = state.common + cut * change
        below = np.abs(common.imag - np.pi) <= _ON_CUT
        common.imag[below] = np.pi
        new = SubordinationState(
            common,
            (
                common,
                *(place + cut * move for place, move in zip(state.omegas[1:], moves, strict=True)),
            ),
            tuple(at.inner),
        )
        for here, there, each, move in zip(
            new.omegas[1:], state.omegas[1:], at.factors, moves, strict=True
        ):
            if each.far is not None:
                here[each.far.near] = (there + move)[each.far.near]
        excess = np.maximum(np.abs(change) - own, 0.0)
        size = excess / (np.abs(np.sin(new.common.imag)) + 1e-6)
        size = np.where(np.isnan(change), np.nan, size)
        for place, move, each in zip(new.omegas[1:], moves, at.factors, strict=True):
            own = noise * np.abs(at.drive / at.slope / each.rate) + 1e-15 / np.abs(each.rate)
            share = np.minimum(1, np.abs(1 + each.rate))
            excess = each.free(np.maximum(np.abs(move) * share - own, 0.0), 0.0)
            angle = np.abs(np.sin(place.imag)) + 1e-6
            size = np.maximum(size, np.where(np.isnan(move), np.nan, excess / angle))
        size = np.where(cut < 1, np.maximum(size, 1.0), size)
        height = np.minimum(new.common.imag, np.pi - new.common.imag)
        # Closer to the negative axis than arguments tell, as with nearly a point mass for A.
        height = np.where(below & (np.abs(at.rise.imag) > 1e-9 * np.abs(at.rise)), 1.0, height)
        if len(self.factors) > 2 and (size <= SETTLED).any():  # before that no point is taken
            height = np.minimum(height, self._agreement(new))
        return Step(new, size, height)

    @staticmethod
    def _driven(at: _Linear, change: Complex) -> list[Complex]:
        """Return the moves of the log a_j that belong to a change of log w."""
        moves = [(at.drive * change - each.defect) / each.rate for each in at.factors]
        sizes = [np.abs(each.rate) for each in at.factors]
        if not any((size < 0.5).any() for size in sizes):
            return moves
        # An operand with an atom at zero, close to it, is driven by the first equation.
        least = np.argmin(np.array(sizes), axis=0)
        for i, (move, each) in enumerate(zip(moves, at.factors, strict=True)):
            others = at.rest - change
            for j, (shift, other) in enumerate(zip(moves, at.factors, strict=True)):
                if j != i:
                    others = others - (1 + other.rate) * shift
            pivot = (least == i) & (sizes[i] < 0.5)
            moves[i] = np.where(pivot, others / (1 + each.rate), move)
        return moves

    def defect(self, z: Complex, state: SubordinationState) -> Real:
        """Defect of the equation in log z."""
        return np.asarray(np.abs(self._linear(z, state).rest))

    def _agreement(self, state: SubordinationState) -> Real:
        """Negative where points of positive operands or of their products are in no half-plane."""
        w = exp_of(state.common)
        g = self.operand_jet(0, w, state.inner[0])[0]
        u = w * g
        height = np.full(w.shape, np.inf)
        points = [exp_of(place) for place in state.omegas[1:]]
        points += [
            law.scale * (1 + law.aspect_ratio * (u - 1)) * u / (u - 1) for law in self.wisharts
        ]
        # 1/(1 + m) is in the half-plane of all the a_j, or all are next to the negative axis.
        side = -u.imag
        for a in points:
            beside = (a.real < 0) & (np.abs(a.imag) < 1e-9 * np.abs(a)) & (np.abs(side) < 1e-9)
            height = np.where(beside | (a.imag * side > 0), height, -1.0)
        # With all in the upper half-plane, so are the points of partial products: arguments add up.
        turn = np.abs(np.angle((u - 1) / u))
        slack = 1e-9 + 1e-15 / np.abs(u * (u - 1))
        partial = turn
        for a in points:
            partial = partial + np.abs(np.angle(a)) - turn
            inside = (partial > -slack) & (partial < np.pi + slack)
            height = np.where(inside, height, -1.0)
        return height

    def _noise(self, z: Complex, state: SubordinationState, at: _Linear) -> Real:
        """Bound what rounding of the terms moves log z by."""
        return np.asarray(4e-16 * (len(self.factors) + np.abs(at.bend)))

    def uncertainty(self, z: Complex, state: SubordinationState, *, operands: bool = True) -> Real:
        """Defect of log z, with what is behind it, times |z|."""
        at = self._linear(z, state)
        w = exp_of(state.common)
        spread = np.abs(at.rest) + 2 * self._noise(z, state, at)
        if not operands:
            return np.asarray(np.abs(z) * spread)
        spread = spread + np.abs(at.bend * w) * error_of(self.operands[0], w)
        for i, each in enumerate(at.factors, 1):
            a = exp_of(state.omegas[i])
            g = self._positive_jet(i, a, state.inner[i])[0]
            share = np.abs((1 + each.rate) / each.rate / (g * (a * g - 1)))
            spread = spread + share * error_of(self.operands[i], np.where(a.imag < 0, a.conj(), a))
        return np.asarray(np.abs(z) * spread)

    def sensitivity(self, z: Complex, value: Complex, slope: Complex) -> Real:
        """Return that of z G, which the state says: beside an edge at zero it is steeper than G."""
        return np.maximum(np.abs(slope), np.abs(slope + value / z))

    def flattened(self, state: SubordinationState) -> SubordinationState:
        """Return the state on the axis, where the arguments are multiples of pi."""
        # On the axis the arguments are multiples of pi.
        return state.mapped(lambda row: row.real + 1j * np.pi * np.round(row.imag / np.pi))

    def argument(self, state: SubordinationState) -> Real:
        """Argument of w."""
        return np.asarray(state.common.imag)

    def attracting(self, x: Real, state: SubordinationState) -> Logical:
        """Whether real fixed points attract, with points that agree in sign."""
        w = exp_of(state.common)
        g = self.operand_jet(0, w, state.inner[0])[0]
        real = (g.imag == 0) & (w.imag == 0)
        at = self._linear(x.astype(np.complex128), state)
        u = (w * g).real
        m = u - 1
        share = m * u
        sign = np.sign(x) * np.sign(w.real)  # of the product of the u_j
        opposite = np.zeros(x.shape)
        for law in self.wisharts:
            part = (1 - law.aspect_ratio) + law.aspect_ratio * u.real
            opposite += part < 0
            real &= np.sign(part) * (1 - law.aspect_ratio / part * share) > 0
        for i in range(1, len(self.operands)):
            a = exp_of(state.omegas[i])
            real &= self._positive_jet(i, a, state.inner[i])[0].imag == 0
            opposite += a.real * share < 0
        real &= opposite <= 1
        real &= sign * (1 - at.bend.real * share) > 0
        return np.asarray(real & (sign * at.slope.real > 0))

    def stieltjes(self, z: Complex, state: SubordinationState) -> Complex:
        """G = G_B(w) w/z."""
        w = exp_of(state.common)
        return self.operand_jet(0, w, state.inner[0])[0] / (z / w)

    def stieltjes_slope(self, z: Complex, state: SubordinationState) -> Complex:
        """G' at the solution."""
        at = self._linear(z, state)
        return (at.rise / at.slope / z - self.stieltjes(z, state)) / z

    def log_potential(self, z: Complex, state: SubordinationState) -> Complex:
        """L by the formula of the module; NaN where the state is."""
        known = np.logical_and.reduce([np.isfinite(place) for place in state.omegas])
        if not known.all():
            # An operand by subordination has no potential where there is no solution.
            value = np.full(z.shape, complex(np.nan, np.nan))
            if known.any():
                value[known] = self.log_potential(z[known], state.take(known))
            return value
        w = exp_of(state.common)
        u = w * self.operand_jet(0, w, state.inner[0])[0]
        m = u - 1
        # On the axis m is below it for positive z and above for negative, and all a_j opposite:
        # where m < 0 up to rounding, the sides together decide on a turn of 2 pi.
        # There that of a density below rounding may be on the other side by rounding.
        above = np.where(z.imag == 0, z.real < 0, m.imag > 0)
        m = np.where((m.imag != 0) & ((m.imag > 0) != above), m.conj(), m)
        value = self.operands[0]._log_potential(w)
        value = value + (len(self.factors) - 1) * log_beside_cut(m, above)
        total = np.ones_like(z)
        for law, place in zip(self.operands[1:], state.omegas[1:], strict=True):
            a = exp_of(place)
            total = total * (a * (m / u))
            value = value + potential_on_side(law._log_potential, a, above)
        shares = [(1 - law.aspect_ratio) + law.aspect_ratio * u for law in self.wisharts]
        if len(shares) == 1:
            # Beside zero u is rounded there: the equation gives what is left of it.
            exact = z / (w * total * self.wisharts[0].scale)
            shares[0] = np.where(np.abs(shares[0]) < 1e-2, exact, shares[0])
        for law, share in zip(self.wisharts, shares, strict=True):
            total = total * (law.scale * share)
            value = value + potential_on_side(law.levy.log_potential, law.scale * share / m, above)
        # What is left of the equation, to first order: then errors of the state are of second.
        rest = np.log(z / (w * total))
        return np.asarray(value + np.where(np.abs(rest) < 1e-3, u * rest, 0))

    # Gaps ---------------------------------------------------------------------------------------

    def components(self, law: Law) -> list[Gap]:
        """Components of a complement; that around zero with samples close to zero.

        Beside an atom at zero of small mass in the product those are all that are admissible.
        """
        gaps = law.complement()
        others = (atom for other in self.operands[1:] for atom in other.atoms)
        if law is self.operands[0] and any(place == 0 for place, _ in others):
            return [with_samples_at_zero(gap) for gap in gaps]
        return [as_near_zero(law, gap) for gap in gaps] if len(self.operands) > 1 else gaps

    def critical_curve(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the signed operand's component, which leads."""
        return signed_product_curve(self.remote, self.wisharts, components, s)

    def subordination_slope(self, curve: Curve) -> Real:
        """D log w/d log eta."""
        return np.abs(multiplicative(curve)[2])

    def state_on(self, curve: Curve) -> SubordinationState:
        """State at points of a gap."""
        omegas = tuple(omega.astype(np.complex128) for omega in curve.omegas)
        places = tuple(np.log(omega) for omega in omegas)
        return SubordinationState(places[0].copy(), places, self.inner_states(folded(places)))
