"""Gaps of free products of positive laws, from those of the operands.

On a gap of an operand, which leads, its own transform gives m, and m the points of all others, so
that z is explicit in the coordinate of that gap; see `rmtland.free.subordination.sweep`.
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.free.subordination.logarithms import exp_of, one_less_exp_of
from rmtland.free.subordination.sweep import Swept, beside_zero, multiplicative, swept_with_rounding
from rmtland.free.subordination.wishart_factor import wishart_place, wishart_slope
from rmtland.laws.gaps import Curve, Gap, as_near_zero, invert
from rmtland.laws.law import Law
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.typing import Real

__all__ = ["FEW_FACTORS", "candidate_gaps", "product_curve"]

FEW_FACTORS = 4
"""Factors whose powers and upper ends may be multiplied all at once."""


def candidate_gaps(
    law: Law,
    operands: tuple[Law, ...],
    powers: tuple[float, ...],
    wisharts: tuple[MarchenkoPastur, ...],
) -> list[Gap]:
    """Return components of an operand's complement that may leave a gap of the product.

    With a single Marchenko-Pastur factor a gap needs phi omega |M'| < |1 + phi M| there. |M| is at
    most sqrt(mean |M'|), and |M'| at least what the atoms at either end give, beyond which the
    condition cannot hold again.
    """
    components = law.complement()
    if sum(powers) > 1:
        return [as_near_zero(law, gap) for gap in components]
    if len(wisharts) != 1:
        return components
    phi, mean, mass = wisharts[0].aspect_ratio, law.mean(), dict(law.atoms)

    def wide_enough(gap: Gap) -> bool:
        if gap.through_infinity:
            return True
        ends = (gap.low * mass.get(gap.low, 0.0), gap.high * mass.get(gap.high, 0.0))
        least = sum(end ** (1 / 3) for end in ends) ** 3 / (gap.high - gap.low) ** 2
        return bool(phi * gap.low * least <= 1 + phi * math.sqrt(mean * least))

    return [gap for gap in components if wide_enough(gap)]


def product_curve(
    powers: tuple[float, ...],
    wisharts: tuple[MarchenkoPastur, ...],
    components: tuple[Gap, ...],
    lead: int,
    s: Real,
) -> Swept:
    """Return the points that belong to coordinates on the leading one of the components."""
    order = math.fsum(powers) + len(wisharts)
    with np.errstate(all="ignore"):
        first = components[lead].along(s)
        m, u, own = multiplicative(first)
        eta = m / u
        # Power by power where there are many: that of all of them would leave the range.
        few = order <= FEW_FACTORS and max(powers) == 1
        z, each = (first.point * eta ** (order - 1), 1.0) if few else (first.point, eta)
        if powers[lead] > 1:
            z = z * (first.point * eta) ** (powers[lead] - 1)
        slope = order - 1 + powers[lead] * own
        terms = order - 1 + powers[lead] * np.abs(own)
        clear = np.minimum(first.clear, np.abs(m * u))
        side = first.side + (m > 0) + (u > 0)
        omegas = []
        opposite = np.zeros(s.shape)
        for i, power in enumerate(powers):
            curve, down = first, own
            if i != lead:
                if components[i] is not components[lead]:
                    at = invert(components[i], lambda c: multiplicative(c)[1], u)
                    curve = beside_zero(components[i].along(at), u)
                    down = multiplicative(curve)[2]
                z = z * (curve.point * each) ** power
                slope = slope + power * down
                terms = terms + power * np.abs(down)
                clear, side = np.minimum(clear, curve.clear), side + curve.side
            omegas.append(curve.point)
            opposite += power * (curve.point * eta < 0)
        if all(component.through_infinity for component in components):
            clear = np.full(s.shape, np.inf)
        admissible = np.ones(s.shape, dtype=bool)
        for law in wisharts:
            common = np.log(eta.astype(np.complex128))
            point, one_less = exp_of(common), one_less_exp_of(common)
            omega = np.exp(wishart_place(law, common, point, one_less)).real
            down = wishart_slope(law, point, one_less).real
            z = z * (omega * each)
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
        return swept_with_rounding(curve, sign, terms, powers[lead] * np.abs(own))
