"""Gaps of free products with one factor of any sign, from those of that factor.

Its M is not monotonic on its gaps, while those of positive laws are: the coordinate is that of the
signed factor, m is explicit in it, and m gives the points of the others; see
`rmtland.free.subordination.sweep`.
"""

from __future__ import annotations

import numpy as np

from rmtland.free.subordination.far_expansion import FarExpansion
from rmtland.free.subordination.sweep import (
    ROUNDED,
    Swept,
    beside_zero,
    multiplicative,
    swept_with_rounding,
)
from rmtland.laws.gaps import Curve, Gap, invert
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.typing import Real

__all__ = ["signed_product_curve"]


def signed_product_curve(
    expansions: list[FarExpansion],
    wisharts: tuple[MarchenkoPastur, ...],
    components: tuple[Gap, ...],
    s: Real,
) -> Swept:
    """Return the points that belong to coordinates on the signed operand's component.

    The expansions are those of the positive operands, whose components follow the signed one's.
    """
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
        # Beside zero, where it is an end of a component, the condition is clear.
        end = any(0 in (component.low, component.high) for component in components)
        beside = end & (np.abs(u) < ROUNDED) & (w**2 * np.abs(first.dg) <= np.abs(u))
        admissible = np.ones(s.shape, dtype=bool)
        omegas = [w]
        # Of the points a_j at most one has not the sign of m/(1 + m), where their product is.
        opposite = np.zeros(s.shape)
        for component, expansion in zip(components[1:], expansions, strict=True):
            near = np.zeros(s.shape, dtype=bool)
            if component.through_infinity:
                near = np.abs(m) < expansion.radius
            at = invert(component, lambda c: multiplicative(c)[1], np.where(near, np.nan, u))
            curve = beside_zero(component.along(at), u)
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
            hidden = np.where(beside, np.maximum(hidden, ROUNDED), hidden)
            clear = np.where(near, clear, np.minimum(clear, hidden))
            side = side + (u > 0) + (0 if component.through_infinity else m > 0)
            omegas.append(a)
            opposite += a * share < 0
        for law in wisharts:
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
        return swept_with_rounding(
            curve, sign, 1 + np.abs(rise) * terms, np.abs(multiplicative(first)[2])
        )
