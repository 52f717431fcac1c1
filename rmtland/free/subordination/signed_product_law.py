r"""The free product of a law on the whole line and positive laws: of A^(1/2) B A^(1/2), B signed.

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

.. math:: L(z) = L_B(w) + \sum_j \Bigl[ \log u_j + \log(1 + m) + L_j(a_j) - \log a_j \Bigr]

with principal logarithms: :math:`a_j`, :math:`1 / u_j` and :math:`1 / (1 + m)` are in one
half-plane, or on the axis a_j is negative and the others are positive.

References
----------
.. [1] O. Arizmendi, T. Hasebe and Y. Kitagawa, Free multiplicative convolution with an arbitrary
       measure on the real line (2024).
.. [2] S. T. Belinschi and H. Bercovici, A new approach to subordination results in free
       probability, Journal d'Analyse Mathematique 101 (2007) 357-365.
.. [3] J. W. Silverstein and Z. D. Bai, On the empirical distribution of eigenvalues of a class of
       large dimensional random matrices, J. Multivariate Analysis 54 (1995) 175-192.

Examples
--------
>>> from rmtland import Discrete, MarchenkoPastur, free_product
>>> law = free_product(Discrete((-1.0, 1.0), (0.5, 0.5)), MarchenkoPastur(0.25))
>>> [[round(end, 10) for end in band] for band in law.support]
[[-1.760172593, -0.3690087298], [0.3690087298, 1.760172593]]
>>> law.cdf(0.0), law.moment(4)
(0.5, 1.5)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.free.subordination.gaps import (
    Curve,
    Gap,
    Swept,
    bundle,
    invert,
    multiplicative,
    settled,
    sweep,
)
from rmtland.free.subordination.subordinated_law import (
    MOST_COMPONENTS,
    State,
    SubordinatedLaw,
    error_of,
)
from rmtland.laws.affine_law import affine
from rmtland.laws.law import Atoms, Complex, Law, Real, upper_half_plane
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.solution import ConvergenceError, Solution

__all__ = ["FreeSignedProduct", "reciprocal_s", "signed_product_moments"]

_NEAREST = (1e-40, 1e-12)
"""Distances from zero inside a band, in units of its nearest end, where extrapolation takes over:
where the solution is relatively accurate however close, and otherwise."""
_BESIDE_ATOM = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
"""The same beside an atom at zero, where the density loses digits: the first that is smooth."""


class _Linear(NamedTuple):
    """The equation at a state: its defect, and what a change of log w does to everything."""

    rest: Complex
    slope: Complex
    bend: Complex
    rise: Complex
    defects: list[Complex]
    rates: list[Complex]
    drive: Complex
    known: Complex
    remote: list[tuple[NDArray[np.bool_], Complex]]
    inner: list[State | None]


@dataclass(frozen=True)
class _Remote:
    """u = 1/S of a positive law near m = 0, where its point a is close to infinity."""

    coefficients: Real
    radius: float
    reach: float

    @classmethod
    def of(cls, law: Law) -> _Remote:
        """Return the expansion to order 11, and where it may be used."""
        exact = reciprocal_s(law._exact_moments(12))
        values = np.array([float(value) for value in exact])
        shares = np.abs(values[1:] / values[0]) ** (1 / np.arange(1, 12))
        return cls(values, float(0.02 / max(shares.max(), 1.0)), 4 * _ends(law)[1])

    def near(self, m: NDArray[Any], a: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the expansion holds at m, with the point close to a."""
        return np.asarray((np.abs(m) < self.radius) & (np.abs(a) > self.reach))

    def at(self, m: NDArray[Any]) -> tuple[Any, Any]:
        """Return u and u'."""
        value, slope = np.zeros_like(m), np.zeros_like(m)
        for coefficient in self.coefficients[::-1]:
            slope = slope * m + value
            value = value * m + coefficient
        return value, slope


@dataclass(frozen=True)
class _Zero:
    """A law next to zero inside a band: a power of the distance on either side, and an atom.

    `values` are G less the atom's part at the distance on either side, `powers` minus the exponents
    of the density, `seen` and `limits` the distribution function left and right of zero by
    extrapolation and, where it is known, exactly; `bent` is the relative curvature.
    """

    distance: float
    mass: float
    values: tuple[complex, complex]
    powers: tuple[float, ...]
    seen: tuple[float, float]
    limits: tuple[float, float]
    inner: tuple[float, ...]
    bent: float

    def agrees(self, known: tuple[float, float]) -> bool:
        """Whether the extrapolated limits are the known ones, and the density is unbounded."""
        near = max(abs(a - b) for a, b in zip(self.seen, known, strict=True))
        return near < 1e-10 and max(self.powers) > 0

    @property
    def density(self) -> float:
        """Density at zero."""
        sides = [
            np.inf if power > 0 else 0.0 if power < 0 else -value.imag / math.pi
            for value, power in zip(self.values, self.powers, strict=True)
        ]
        return float(max(sides)) if np.inf in sides else float(sum(sides) / 2)

    def value(self, x: Real) -> Complex:
        """G on the axis, closer to zero than the distance."""
        t = x / self.distance
        if not any(self.powers):
            regular = (self.values[0] * (1 - t) + self.values[1] * (1 + t)) / 2
        else:
            with np.errstate(divide="ignore"):
                sides = [
                    value * np.where(t == 0, 1.0, np.abs(t)) ** -power
                    for value, power in zip(self.values, self.powers, strict=True)
                ]
            regular = np.where(t < 0, sides[0], sides[1])
            if max(self.powers) > 0:
                regular = np.where(t == 0, complex(0, -np.inf), regular)
        if not self.mass:
            return np.asarray(regular)
        at = np.where(x == 0, 1.0, x)
        return np.where(x == 0, complex(np.inf, 0), regular + self.mass / at)

    def below(self, x: Real) -> Real:
        """Distribution function closer to zero than the distance."""
        t = np.abs(x / self.distance)
        left = self.limits[0] - self.inner[0] * t ** (1 - self.powers[0])
        right = self.limits[1] + self.inner[1] * t ** (1 - self.powers[1])
        return np.asarray(np.where(x < 0, left, right))


@dataclass(frozen=True)
class FreeSignedProduct(SubordinatedLaw):
    """Law of A^(1/2) B A^(1/2) with B self-adjoint of any sign and A a product of positive factors.

    Made by `free_product`.

    Parameters
    ----------
    operands : tuple of Law
        The signed law, then the positive ones that enter through their Stieltjes transforms.
    wisharts : tuple of MarchenkoPastur
        Marchenko-Pastur operands, which enter through their S-transforms.
    """

    operands: tuple[Law, ...]
    wisharts: tuple[MarchenkoPastur, ...] = ()

    @property
    def factors(self) -> tuple[Law, ...]:
        """All operands, the signed one first."""
        return (*self.operands, *self.wisharts)

    def rescaled(self, scale: float) -> FreeSignedProduct:
        """Return the law of the product times a number of either sign, again a product."""
        signed, *others = self.operands
        return FreeSignedProduct((affine(signed, scale=scale), *others), self.wisharts)

    @cached_property
    def _top(self) -> float:
        return math.prod(_ends(law)[1] for law in self.factors[1:])

    @cached_property
    def _scale(self) -> float:
        return self._top * max(map(abs, _ends(self.operands[0])))

    @cached_property
    def _hull(self) -> tuple[float, float]:
        low, high = _ends(self.operands[0])
        return low * self._top, high * self._top

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
        product = [Fraction(1)] + [Fraction(0)] * k
        for law in self.operands[1:]:
            product = _multiplied(product, reciprocal_s(law._exact_moments(k + 1)))
        for wishart in self.wisharts:
            scale, ratio = Fraction(wishart.scale), Fraction(wishart.aspect_ratio)
            line = [scale, scale * ratio, *product[2:]][: k + 1]
            line[2:] = [Fraction(0)] * len(line[2:])
            product = _multiplied(product, line)
        return signed_product_moments(self.operands[0]._exact_moments(k), product)

    # The equation; the state is log w (twice: as common value and as subordination point) and
    # log a_j, with arguments between 0 and 2 pi --------------------------------------------------

    @cached_property
    def _means(self) -> list[float]:
        return [law.mean() for law in self.factors[1:]]

    @cached_property
    def _remote(self) -> list[_Remote]:
        return [_Remote.of(law) for law in self.operands[1:]]

    @cached_property
    def _first(self) -> tuple[float, float]:
        return self.operands[0].mean(), self.operands[0].var()

    def _far(self, z: Complex) -> State:
        mean, variance = self._first
        with np.errstate(all="ignore"):
            place: Complex = np.log(z / math.prod(self._means))
            # w - F_B(w), in the lower half-plane
            turn = np.log(mean + variance * np.exp(-place))
        places: list[Complex] = [place]
        for each in self._means[: len(self.operands) - 1]:
            places.append(math.log(each) + place - turn)
        omegas = tuple(places)
        return State(place.copy(), omegas, self._inner_far(_folded(omegas)))

    def _positive_jet(
        self, i: int, a: Complex, inner: State | None
    ) -> tuple[Complex, Complex, State | None]:
        """G and G' of a positive operand in either half-plane."""
        below = a.imag < 0
        g, dg, state = self._operand_jet(i, np.where(below, a.conj(), a), inner)
        return np.where(below, g.conj(), g), np.where(below, dg.conj(), dg), state

    def _linear(self, z: Complex, state: State) -> _Linear:
        w = _exp(state.common)
        g, dg, inner = self._operand_jet(0, w, state.inner[0])
        nested = [inner]
        u = w * g
        m = u - 1
        rise = w * (g + w * dg)
        drive = rise / (m * u)
        # d sum log u_j / dm, and with it d log z / d log w
        bend = np.zeros_like(z)
        total = np.ones_like(z)
        known = np.zeros_like(z)
        defects, rates, remote = [], [], []
        for i, expansion in enumerate(self._remote, 1):
            a = _exp(state.omegas[i])
            near = expansion.near(m, a)
            ga, dga, inner = self._positive_jet(i, a, state.inner[i])
            nested.append(inner)
            ua = a * ga
            ma = ua - 1
            rate = a * (ga + a * dga) / (ma * ua)
            defect = np.log(ma * u / (m * ua))
            far, turn = expansion.at(np.where(near, m, 0))
            remote.append((near, np.log(far * u / np.where(m == 0, 1e-300, m))))
            total = total * np.where(near, far, a - 1 / ga)
            known = known + np.where(near, 0, (1 + rate) / rate * defect)
            bend = bend + np.where(near, turn / far, (1 + rate) / rate / (m * u))
            defects.append(defect)
            rates.append(rate)
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
        return _Linear(
            rest, 1 + bend * rise, bend, rise, defects, rates, drive, known, remote, nested
        )

    def _step(self, z: Complex, state: State) -> tuple[State, Real, Real, Real]:
        at = self._linear(z, state)
        change = (at.rest + at.known) / at.slope
        moves = [
            (at.drive * change - defect) / rate
            for defect, rate in zip(at.defects, at.rates, strict=True)
        ]
        if moves:
            # An operand with an atom at zero, close to it, is driven by the first equation.
            rates = np.array(at.rates)
            least = np.argmin(np.abs(rates), axis=0)
            for i, (move, rate) in enumerate(zip(moves, at.rates, strict=True)):
                others = at.rest - change
                for j, (shift, other) in enumerate(zip(moves, at.rates, strict=True)):
                    if j != i:
                        others = others - (1 + other) * shift
                pivot = (least == i) & (np.abs(rate) < 0.5)
                moves[i] = np.where(pivot, others / (1 + rate), move)
        # Close to infinity the point is known outright; it follows at the next step.
        for i, (near, place) in enumerate(at.remote):
            target = place.real + 1j * np.mod(place.imag, 2 * np.pi)
            moves[i] = np.where(near, target - state.omegas[i + 1], moves[i])
        cut = np.minimum(1.0, 2.0 / np.maximum(np.abs(change), 1e-300))
        angles = [(state.common.imag, change.imag, np.pi)]
        for here, move, (near, _) in zip(state.omegas[1:], moves, at.remote, strict=True):
            bound = np.where(near, np.inf, 2.0 / np.maximum(np.abs(move), 1e-300))
            cut = np.minimum(cut, bound)
            angles.append((here.imag, np.where(near, 0.0, move.imag), 2 * np.pi))
        for angle, turn, most in angles:
            room = np.where(turn < 0, angle, most - angle)
            inside = (angle > 0) & (angle < most)
            reach = 0.8 * room / np.maximum(np.abs(turn), 1e-300)
            cut = np.where(inside, np.minimum(cut, reach), cut)
        common = state.common + cut * change
        new = State(
            common,
            (
                common,
                *(place + cut * move for place, move in zip(state.omegas[1:], moves, strict=True)),
            ),
            tuple(at.inner),
        )
        for here, there, (near, _), move in zip(
            new.omegas[1:], state.omegas[1:], at.remote, moves, strict=True
        ):
            here[near] = there[near] + move[near]
        noise = self._noise(z, state, at)
        excess = np.maximum(np.abs(change) - noise / np.abs(at.slope), 0.0)
        size = excess / (np.abs(new.common.imag) + 1e-6)
        size = np.where(np.isnan(change), np.nan, size)
        for place, move, rate, (near, _) in zip(
            new.omegas[1:], moves, at.rates, at.remote, strict=True
        ):
            own = noise * np.abs(at.drive / at.slope / rate) + 1e-15 / np.abs(rate)
            share = np.minimum(1, np.abs(1 + rate))
            excess = np.where(near, 0.0, np.maximum(np.abs(move) * share - own, 0.0))
            angle = np.abs(np.sin(place.imag)) + 1e-6
            size = np.maximum(size, np.where(np.isnan(move), np.nan, excess / angle))
        height = np.minimum(new.common.imag, np.pi - new.common.imag)
        if len(self.factors) > 2:
            height = np.minimum(height, self._agreement(new))
        size = np.where(cut < 1, np.maximum(size, 1.0), size)
        return new, size, height, np.abs(at.rest)

    def _agreement(self, state: State) -> Real:
        """Negative where points of positive operands or of their products are in no half-plane."""
        w = _exp(state.common)
        g = self._operand_jet(0, w, state.inner[0])[0]
        u = w * g
        height = np.full(w.shape, np.inf)
        points = [_exp(place) for place in state.omegas[1:]]
        points += [law.scale * (1 + law.aspect_ratio * (u - 1)) * u / (u - 1)
                   for law in self.wisharts]  # fmt: skip
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

    def _noise(self, z: Complex, state: State, at: _Linear) -> Real:
        """Bound what rounding of the terms moves log z by."""
        return np.asarray(4e-16 * (len(self.factors) + np.abs(at.bend)))

    def _uncertainty(self, z: Complex, state: State) -> Real:
        at = self._linear(z, state)
        w = _exp(state.common)
        spread = np.abs(at.rest) + 2 * self._noise(z, state, at)
        spread = spread + np.abs(at.bend * w) * error_of(self.operands[0], w)
        for i, rate in enumerate(at.rates, 1):
            a = _exp(state.omegas[i])
            g = self._positive_jet(i, a, state.inner[i])[0]
            share = np.abs((1 + rate) / rate / (g * (a * g - 1)))
            spread = spread + share * error_of(self.operands[i], np.where(a.imag < 0, a.conj(), a))
        return np.asarray(np.abs(z) * spread)

    def _flat(self, state: State) -> State:
        # On the axis the arguments are multiples of pi.
        return state.mapped(lambda row: row.real + 1j * np.pi * np.round(row.imag / np.pi))

    def _argument(self, state: State) -> Real:
        return np.asarray(state.common.imag)

    def _attracting(self, x: Real, state: State) -> NDArray[np.bool_]:
        w = _exp(state.common)
        g = self._operand_jet(0, w, state.inner[0])[0]
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
            a = _exp(state.omegas[i])
            real &= self._positive_jet(i, a, state.inner[i])[0].imag == 0
            opposite += a.real * share < 0
        real &= opposite <= 1
        real &= sign * (1 - at.bend.real * share) > 0
        return np.asarray(real & (sign * at.slope.real > 0))

    def _value_of(self, z: Complex, state: State) -> Complex:
        w = _exp(state.common)
        return self._operand_jet(0, w, state.inner[0])[0] / (z / w)

    def _slope_of(self, z: Complex, state: State) -> Complex:
        at = self._linear(z, state)
        return (at.rise / at.slope / z - self._value_of(z, state)) / z

    def _potential_of(self, z: Complex, state: State) -> Complex:
        known = np.logical_and.reduce([np.isfinite(place) for place in state.omegas])
        if not known.all():
            # An operand by subordination has no potential where there is no solution.
            value = np.full(z.shape, complex(np.nan, np.nan))
            if known.any():
                value[known] = self._potential_of(z[known], state.take(known))
            return value
        w = _exp(state.common)
        u = w * self._operand_jet(0, w, state.inner[0])[0]
        # On the axis a_j is above it for positive z and below for negative.
        flip = (z.imag == 0) & (z.real < 0)
        value = self.operands[0]._log_potential(w)
        for i in range(1, len(self.operands)):
            a = _exp(state.omegas[i])
            ua = a - 1 / self._positive_jet(i, a, state.inner[i])[0]
            below = (a.imag < 0) | ((a.imag == 0) & flip)
            up = np.where(below, a.conj(), a)
            up = up.real + 1j * np.abs(up.imag)
            part = self.operands[i]._log_potential(up) - np.log(up)
            value = value + np.where(below, part.conj(), part) + _log(ua, flip) + _log(u, flip)
        for law in self.wisharts:
            ua = law.scale * ((1 - law.aspect_ratio) + law.aspect_ratio * u)
            h = ua / (u - 1)
            a = h * u
            below = (h.imag < 0) | ((h.imag == 0) & flip)
            part = law.levy.log_potential(h.real + 1j * np.abs(h.imag))
            part = part - np.log(a.real + 1j * np.abs(a.imag))
            value = value + np.where(below, part.conj(), part) + _log(ua, flip) + _log(u, flip)
        return np.asarray(value)

    # Bands, with panels that end at zero: there the density may be unbounded ----------------------

    @cached_property
    def _panels(self) -> tuple[tuple[float, float], ...]:
        panels = []
        for low, high in self.support:
            cuts = [low, 0.0, high] if low < 0 < high else [low, high]
            panels += list(itertools.pairwise(cuts))
        return tuple(panels)

    @cached_property
    def _panel_tables(self) -> tuple[tuple[Real, State], ...]:
        """For every panel, coordinates (see `_coordinate`) and the states there."""
        angles = np.pi * (np.arange(160) + 0.5) / 160
        tables = []
        for low, high in self._panels:
            x = low + (high - low) * np.sin(angles / 2) ** 2
            if high == 0:
                x = low * np.cos(angles / 2) ** 2
            state, steps, _ = self._continued(x.astype(np.complex128))
            kept = np.flatnonzero(steps > 0)
            x, state = x[kept], state.take(kept)
            if kept.size and 0 in (low, high) and low != high:
                x, state = self._with_ladder(x, state, low == 0)
            t = _coordinate(x, low, high)
            order = np.argsort(t)
            tables.append((t[order], state.take(order)))
        return tuple(tables)

    def _with_ladder(self, x: Real, state: State, rising: bool) -> tuple[Real, State]:
        """Add states at points ever closer to zero, each started from the last two."""
        order = np.argsort(np.abs(x))[:2]
        points, states = [x], [state]
        last, here = state.take(order[1:]), state.take(order[:1])
        far, at = float(abs(x[order[1]])), float(abs(x[order[0]]))
        least = 0.1 * _NEAREST[0] * self._local
        while at > least:
            new = max(at * 3e-2, least)
            share = math.log(new / at) / math.log(at / far)
            start = _extrapolated(here, last, share)
            z = np.array([new if rising else -new], dtype=np.complex128)
            found, steps = self._newton(z, start)
            if steps[0] < 0:
                found, steps = self._newton(z, here)
            if steps[0] < 0:
                break
            points.append(z.real)
            states.append(found)
            last, here, far, at = here, found, at, new
        return np.concatenate(points), _stacked(states)

    def _inside(self, x: Real) -> tuple[State, NDArray[np.int64]]:
        """Solve at real points inside the bands."""
        z = x.astype(np.complex128)
        state = self._far(z)
        for (low, high), (t, table) in zip(self._panels, self._panel_tables, strict=True):
            here = (x > low) & (x < high)
            if t.size and here.any():
                at = _coordinate(x[here], low, high)
                state.put(here, table.mapped(partial(_interpolated, at, t)))
        return self._settled(x, state)

    # Next to zero inside a band -----------------------------------------------------------------

    @cached_property
    def _null(self) -> tuple[float, float]:
        """Largest masses at zero of the signed operand and of the others."""
        masses = [sum(mass for place, mass in law.atoms if place == 0) for law in self.factors]
        return masses[0], max(masses[1:])

    @cached_property
    def _sides(self) -> tuple[bool, bool]:
        """Whether there is a band just below zero, and just above it."""
        return (
            any(low < 0 <= high for low, high in self.support),
            any(low <= 0 < high for low, high in self.support),
        )

    @cached_property
    def _local(self) -> float:
        """Distance from zero to the nearest other end of a band or atom."""
        ends = [end for band in self.support for end in band if end]
        ends += [place for place, _ in self.atoms if place]
        return min(map(abs, ends))

    @cached_property
    def _zero(self) -> _Zero | None:
        """What the law does next to zero, where that is in a band or at its end."""
        if not any(self._sides):
            return None
        own, others = self._null
        if others > own:
            found = [self._seen_at(share * self._local, None) for share in _BESIDE_ATOM]
            seen = [zero for zero in found if zero is not None]
            if seen:
                return next((zero for zero in seen if zero.bent < 1e-8), seen[-1])
            raise ConvergenceError(f"{self} did not converge next to its atom at zero")
        # With A invertible, A^(1/2) B A^(1/2) has the inertia of B (Sylvester).
        at = np.zeros(1)
        signed = self.operands[0]
        known = float(signed._mass_below(at)[0]), float(signed._cdf(at)[0])
        for share in _NEAREST:
            zero = self._seen_at(share * self._local, known)
            if zero is not None and (share != _NEAREST[0] or zero.agrees(known)):
                return zero
        raise ConvergenceError(f"{self} did not converge next to zero")

    def _seen_at(self, d: float, known: tuple[float, float] | None) -> _Zero | None:
        """Extrapolate to zero from distances d and 4d; None where that fails."""
        below_zero, above_zero = self._sides
        # With a band on one side only, the other is filled with the same numbers.
        left = -1.0 if below_zero else 1.0
        right = 1.0 if above_zero else -1.0
        x = d * np.array([4 * left, left, right, 4 * right])
        z = x.astype(np.complex128)
        state, steps = self._inside(x)
        if (steps < 0).any():
            return None
        mass = max(self._null)
        with np.errstate(all="ignore"):
            g = self._value_of(z, state) - mass / z
            grown = 1 - self._potential_of(z, state).imag / np.pi
        if not (np.isfinite(g).all() and np.isfinite(grown).all() and (g.imag < 0).all()):
            return None
        powers = tuple(
            0.0 if abs(power) < 0.02 else power
            for power in (
                math.log(g[1].imag / g[0].imag) / math.log(4),
                math.log(g[2].imag / g[3].imag) / math.log(4),
            )
        )
        if max(powers) >= 1:
            return None
        inner = tuple(
            -d * float(value.imag) / math.pi / (1 - power)
            for value, power in zip(g[1:3], powers, strict=True)
        )
        seen = float(grown[1]) - left * inner[0], float(grown[2]) - right * inner[1]
        seen = seen[0 if below_zero else 1], seen[1 if above_zero else 0]
        values = complex(g[1]), complex(g[2])
        # Of a parabola, the points at 4 d are off the straight line by 15 times what is left out.
        line = (g[1] + g[2]) / 2 + 2 * (g[2] - g[1]) * np.array([-1, 1])
        bent = float(np.max(np.abs(g[[0, 3]] - line)) / np.abs(g[1]))
        return _Zero(d, mass, values, powers, seen, known or seen, inner, bent)

    def _close(self, z: Complex) -> NDArray[np.bool_]:
        """Whether points are real, in a band and too close to zero for the solver."""
        real = z.imag == 0
        if (
            not (real & (np.abs(z.real) < _BESIDE_ATOM[0] * self._scale)).any()
            or self._zero is None
        ):
            return np.zeros(z.shape, dtype=bool)
        below, above = self._sides
        sides = below & (z.real < 0) | above & (z.real > 0) | below & above & (z.real == 0)
        return np.asarray(real & sides & (np.abs(z.real) < self._zero.distance))

    def _moved(self, z: Complex, close: NDArray[np.bool_]) -> Complex:
        if self._zero is None or not close.any():
            return z
        d = self._zero.distance
        return np.where(close, np.where(z.real < 0, -d, d), z)

    def _jet_with_steps(
        self, z: Complex, *, slopes: bool
    ) -> tuple[Complex, Complex, NDArray[np.int64]]:
        close = self._close(z)
        value, slope, steps = super()._jet_with_steps(self._moved(z, close), slopes=slopes)
        if close.any() and self._zero is not None:
            value[close] = self._zero.value(z.real[close])
        return value, slope, steps

    def _solution(self, z: ArrayLike) -> Solution:
        """Solve for G(z) and report how far the solution may be trusted; see `SubordinatedLaw`.

        The error is also infinite next to zero inside a band, where values are extrapolated.
        """
        flat, shape = upper_half_plane(z)
        close = self._close(flat)
        found = super()._solution(self._moved(flat, close))
        value, residual, error = found.value.copy(), found.residual.copy(), found.error
        assert error is not None
        error = error.copy()
        if close.any():
            value[close] = self._stieltjes(flat[close])
            residual[close] = error[close] = np.inf
        return Solution(
            value.reshape(shape),
            found.status,
            residual.reshape(shape),
            found.steps.reshape(shape),
            error.reshape(shape),
        )

    def _log_potential(self, z: Complex) -> Complex:
        close = self._close(z)
        value = super()._log_potential(self._moved(z, close))
        if close.any() and self._zero is not None:
            x = z.real[close]
            with np.errstate(divide="ignore", invalid="ignore"):
                atom = np.log(np.abs(x) / self._zero.distance) * self._zero.mass
            atom = atom if self._zero.mass else np.zeros(x.shape)
            value[close] = value[close].real + atom + 1j * np.pi * (1 - self._zero.below(x))
        return value

    def _pdf(self, x: Real) -> Real:
        density = super()._pdf(x)
        if (x == 0).any() and self._close(np.zeros(1, dtype=np.complex128)).any():
            assert self._zero is not None
            density[x == 0] = self._zero.density
        return density

    def _cdf(self, x: Real) -> Real:
        z = np.where(np.isfinite(x), x, 0.0).astype(np.complex128)
        close = self._close(z) & np.isfinite(x)
        below = super()._cdf(np.where(close, self._moved(z, close).real, x))
        if close.any() and self._zero is not None:
            below[close] = self._zero.below(x[close])
        return below

    # The support ------------------------------------------------------------------------------

    def _gaps(self) -> list[Gap]:
        choices = [self._components(law) for law in self.operands]
        chosen = list(itertools.islice(itertools.product(*choices), MOST_COMPONENTS + 1))
        if len(chosen) > MOST_COMPONENTS:
            chosen = self._promising(choices)
        if len(chosen) > MOST_COMPONENTS:
            return self._gaps_by_grid()
        gaps = []
        for components in chosen:
            place = partial(self._swept, components, 0)
            whole = Gap(-np.inf, np.inf, lambda s, place=place: place(s).curve)  # type: ignore[misc]
            outer = all(component.through_infinity for component in components)
            gaps += [whole.part(run) for run in sweep(place, components[0], through_infinity=outer)]
        if min(_ends(law)[0] for law in self.factors[1:]) > 0:
            return gaps
        # Where the positive factors come down to zero, edges close to it are edges at it.
        tiny = 2e-12 * self._scale

        def hard(end: float) -> float:
            return 0.0 if abs(end) < tiny else end

        return [replace(gap, low=hard(gap.low), high=hard(gap.high)) for gap in gaps]

    def _promising(self, choices: list[list[Gap]]) -> list[tuple[Gap, ...]]:
        """Choices of components that may leave a gap, by a few samples on each of very many."""
        shares = np.sin(np.linspace(0, np.pi / 2, 14)[1:-1]) ** 2
        inner = [gap for gap in choices[0] if not gap.through_infinity]
        chosen = []
        for others in itertools.product(*choices[1:]):
            chosen += [(gap, *others) for gap in choices[0] if gap.through_infinity]
            if not inner:
                continue
            many = bundle(self.operands[0], inner)
            s = (np.arange(len(inner))[:, None] + shares).ravel()
            sign = self._swept((many, *others), 0, s).sign.reshape(len(inner), -1)
            # The condition is 1 less a multiple of -w M', which has its least value in the middle.
            close = np.any(sign > -1, axis=1).tolist()
            chosen += [(gap, *others) for gap, near in zip(inner, close, strict=True) if near]
            if len(chosen) > MOST_COMPONENTS:
                break
        return chosen

    def _swept(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the signed operand's component, which leads."""
        with np.errstate(all="ignore"):
            first = components[0].along(s)
            w = first.point
            infinite = np.isinf(w)
            m, u, _ = multiplicative(first)
            rise = np.where(infinite, 0.0, w * (first.g + w * first.dg))
            share = m * u
            bend, terms = np.zeros(s.shape), np.zeros(s.shape)
            total, tilt = np.ones(s.shape), np.ones(s.shape)
            clear, side = first.clear, first.side
            admissible = np.ones(s.shape, dtype=bool)
            omegas = [w]
            # Of the points a_j at most one has not the sign of m/(1 + m), where their product is.
            opposite = np.zeros(s.shape)
            for component, expansion in zip(components[1:], self._remote, strict=True):
                near = np.zeros(s.shape, dtype=bool)
                if component.through_infinity:
                    near = np.abs(m) < expansion.radius
                at = invert(component, lambda c: multiplicative(c)[1], np.where(near, np.nan, u))
                curve = component.along(at)
                value, turn = expansion.at(np.where(near, m, 0))
                a = np.where(near, value * u / m, curve.point)
                total = total * np.where(near, value, a * (m / u))
                parts = 1 / share, 1 / (a * (curve.g + a * curve.dg))
                parts = np.where(near, turn / value, parts[0]), np.where(near, 0.0, parts[1])
                bend = bend + parts[0] + parts[1]
                terms = terms + np.abs(parts[0]) + np.abs(parts[1])
                tilt = tilt - share * (parts[0] + parts[1])
                clear = np.where(near, clear, np.minimum(clear, curve.clear))
                side = np.where(near, side, side + curve.side)
                hidden = np.abs(share) / np.sqrt(np.abs(rise) + np.abs(share))
                clear = np.where(near, clear, np.minimum(clear, hidden))
                side = side + (u > 0) + (0 if component.through_infinity else m > 0)
                omegas.append(a)
                opposite += a * share < 0
            for law in self.wisharts:
                part = 1 + law.aspect_ratio * m
                total = total * law.scale * part
                bend = bend + law.aspect_ratio / part
                terms = terms + np.abs(law.aspect_ratio / part)
                tilt = tilt - law.aspect_ratio / part * share
                admissible &= np.sign(part) * (1 - law.aspect_ratio / part * share) > 0
                opposite += part < 0
            admissible &= opposite <= 1
            admissible &= np.sign(total) * tilt > 0
            slope = 1 + bend * rise
            z = np.where(infinite, np.inf, w * total)
            g = np.where(infinite, 0.0, first.g / total)
            dg = np.where(infinite, 0.0, (rise / slope / z - g) / z)
            sign = np.where(admissible, np.sign(total) * slope, np.nan)
            curve = Curve(z, g, dg, clear, side, tuple(omegas))
            return settled(curve, sign, 1 + np.abs(rise) * terms, self._steepness(first))

    def _steepness(self, curve: Curve) -> Real:
        return np.abs(multiplicative(curve)[2])

    def _state_of(self, curve: Curve) -> State:
        omegas = tuple(omega.astype(np.complex128) for omega in curve.omegas)
        places = tuple(np.log(omega) for omega in omegas)
        return State(places[0].copy(), places, self._inner_far(_folded(places)))


def signed_product_moments(signed: list[Fraction], reciprocal: list[Fraction]) -> list[Fraction]:
    r"""Moments of a free product, order 0..k, from those of one factor and 1/S of the other.

    With :math:`\psi(y) = \sum_n m_n y^n` of the first and u = 1/S of the second, the series of
    moments is psi(y) where y = x u(psi(y)), so that by Lagrange's formula its coefficients are
    :math:`[y^{n-1}] \, \psi'(y) \, u(\psi(y))^n / n`. The first may have mean 0.
    """
    order = len(signed) - 1
    flat = [Fraction(0), *signed[1:order]][:order]
    composed = [Fraction(0)] * order
    for coefficient in reversed(reciprocal[:order]):
        composed = _multiplied(composed, flat)
        composed[0] += coefficient
    slope = [n * signed[n] for n in range(1, order + 1)]
    moments = [Fraction(1)]
    for n in range(1, order + 1):
        slope = _multiplied(slope, composed)
        moments.append(slope[n - 1] / n)
    return moments


def reciprocal_s(moments: list[Fraction]) -> list[Fraction]:
    """Coefficients of 1/S(m) from the moments of order 0..k, as many as k; the mean is not 0."""
    order = len(moments) - 1
    # With psi = sum m_n y^n, S(m) = (1 + m) y(m) / m, and by Lagrange's formula the coefficient of
    # m^n in the inverse series y(m) is [y^(n-1)] (psi(y)/y)^(-n) / n.
    lead = _inverted(moments[1:])
    power = [Fraction(1)] + [Fraction(0)] * (order - 1)
    inverse = []
    for n in range(1, order + 1):
        power = _multiplied(power, lead)
        inverse.append(power[n - 1] / n)
    return _inverted([inverse[0], *(a + b for a, b in itertools.pairwise(inverse))])


def _multiplied(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    """Product of two power series; over common denominators, which spares most reductions."""
    below_a = math.lcm(*(value.denominator for value in a))
    below_b = math.lcm(*(value.denominator for value in b))
    left = [value.numerator * (below_a // value.denominator) for value in a]
    right = [value.numerator * (below_b // value.denominator) for value in b]
    below = below_a * below_b
    return [
        Fraction(sum(left[i] * right[n - i] for i in range(n + 1)), below) for n in range(len(a))
    ]


def _inverted(series: list[Fraction]) -> list[Fraction]:
    """Coefficients of the reciprocal of a power series."""
    result = [1 / series[0]]
    for n in range(1, len(series)):
        known = sum((series[j] * result[n - j] for j in range(1, n + 1)), Fraction(0))
        result.append(-known / series[0])
    return result


def _coordinate(x: Real, low: float, high: float) -> Real:
    """Coordinate of a table on a panel: an angle, or beside zero a logarithm."""
    t = 2 * np.arcsin(np.sqrt(np.clip((x - low) / (high - low), 0, 1)))
    if low == 0:
        near = 1e-4 * high
        return np.where(x < near, np.log(x / near) + 2e-2, t)
    if high == 0:
        near = 1e-4 * low
        return np.where(x > near, np.pi - 2e-2 - np.log(x / near), t)
    return np.asarray(t)


def _interpolated(t: Real, places: Real, row: Complex) -> Complex:
    return np.asarray(np.interp(t, places, row), dtype=np.complex128)


def _extrapolated(here: State, last: State, share: float) -> State:
    def along(a: Complex, b: Complex) -> Complex:
        return a.real + share * (a.real - b.real) + 1j * a.imag

    return State(
        along(here.common, last.common),
        tuple(along(a, b) for a, b in zip(here.omegas, last.omegas, strict=True)),
        here.inner,
    )


def _stacked(states: list[State]) -> State:
    first = states[0]
    nested: list[Any] = []
    for i, inner in enumerate(first.inner):
        parts = [state.inner[i] for state in states]
        nested.append(None if inner is None else _stacked([part for part in parts if part]))
    return State(
        np.concatenate([state.common for state in states]),
        tuple(np.concatenate(rows) for rows in zip(*(s.omegas for s in states), strict=True)),
        tuple(nested),
    )


def _log(value: Complex, flip: NDArray[np.bool_]) -> Complex:
    """Principal logarithm; negative numbers are above the cut if `flip`, else below."""
    real = np.log(np.abs(value))
    angle = np.angle(value)
    cut = (value.imag == 0) & (value.real < 0)
    return np.asarray(real + 1j * np.where(cut, np.where(flip, np.pi, -np.pi), angle))


def _exp(logarithm: Complex) -> Complex:
    """Exponential; exactly real where the argument is a multiple of pi."""
    value = np.exp(logarithm)
    flat = logarithm.imag == np.pi * np.round(logarithm.imag / np.pi)
    return np.where(flat, value.real + 0j, value)


def _folded(logarithms: tuple[Complex, ...]) -> tuple[Complex, ...]:
    """Exponentials, those in the lower half-plane conjugated: where operands are evaluated."""
    points = [_exp(each) for each in logarithms]
    return tuple(np.where(point.imag < 0, point.conj(), point) for point in points)


def _ends(law: Law) -> tuple[float, float]:
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    return min(ends), max(ends)
