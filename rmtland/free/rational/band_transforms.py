r"""Compiled kernel: G and the logarithmic potential against the masses of the bands.

Rounds off the check of `rmtland.free.rational.band_masses` by what `rmtland.laws.transform_values`
asks of other laws. On the axis the principal value of the integral over a band,

.. math:: \mathrm{p.v.} \int \frac{\rho(t)}{x - t} \, dt ,

is the midpoint rule in s itself where x lies midway between two of its nodes: there the errors from
either side of the pole cancel, and the rule converges exponentially [1]_.

References
----------
.. [1] P. J. Davis and P. Rabinowitz, Methods of Numerical Integration, 2nd edition, Academic Press
       1984, section 2.12.8 (principal values by rules that are symmetric about the pole).

Examples
--------
>>> from rmtland.laws.band_rules import square_root_rule
>>> rule, middle = square_root_rule(24), np.sin(np.pi * 10 / 48) ** 2
>>> semicircle = 8 / np.pi * np.sqrt(rule.share * rule.rest)
>>> value = (semicircle * rule.weights / (middle - rule.share)).sum()
>>> round(float(value - 8 * (middle - 0.5)), 12) == 0
True
"""

from __future__ import annotations

import cmath
import math

import numpy as np

from rmtland.deferred import inner, kernel
from rmtland.free.rational.band_masses import agree, sampled
from rmtland.laws.transform_values import AXIS, FAR, NEAR


@inner
def _unresolved(x, edges, masses, band):
    """Return what a rule in s leaves of integrals of 1/(x - t) over all but one band.

    The pole is at cos s = 1 + 2 distance / width.
    """
    total = 0.0
    count, n = masses.shape
    for j in range(count):
        if j == band:
            continue
        low, high = edges[2 * j], edges[2 * j + 1]
        distance = max(low - x, x - high)
        if not distance > 0.0:
            return math.inf
        ratio = math.acosh(1.0 + 2.0 * distance / (high - low))
        total += 4.0 * masses[j].sum() / distance * math.exp(-2.0 * n * ratio)
    return total


@kernel(cost=lambda edges, *_: 8.0 * edges.size)
def agrees_throughout(edges, place, atom, rule, moments, allowed, asked, arcs, beside, levy):
    """Apply `agree` to values that `boundary` finds, and compare transforms with the masses.

    `asked` are points of bands, each midway between two nodes; all points, these first, then real
    ones off the bands and points above the axis; h = 1/G and the potential there. The other
    arguments are those of `agree` and of `boundary`.
    """
    inside, z, h, levels = asked
    count, n = edges.size // 2, rule.share.size
    x, density, below, converged = sampled(edges, rule, inside, arcs, beside, levy)
    if not converged:
        return False
    size, first = count * n, count * n + edges.size
    of_nodes = density[:size].copy().reshape((count, n))
    if not agree(
        edges.reshape((count, 2)),
        place,
        atom,
        of_nodes,
        below[:size].copy().reshape((count, n)),
        below[size:first].copy().reshape((count, 2)),
        rule,
        moments,
        allowed,
    ):
        return False
    masses = np.empty((count, n))
    for j in range(count):
        for i in range(n):
            masses[j, i] = of_nodes[j, i] * rule.weights[i] * (edges[2 * j + 1] - edges[2 * j])
    slack = allowed * (1.0 + count)
    top = max(edges[-1], place) if atom > 0.0 else edges[-1]
    bottom = min(edges[0], place) if atom > 0.0 else edges[0]
    for p in range(z.size):
        band = 0 if p < inside.size else -1
        while band >= 0 and edges[2 * band + 1] < inside[p]:
            band += 1
        g, potential, terms, largest = 0.0j, 0.0j, 0.0, 0.0
        if atom > 0.0:
            g = atom / (z[p] - place)
            potential = atom * cmath.log(z[p] - place)
            terms, largest = abs(g), abs(cmath.log(z[p] - place))
        for j in range(count):
            for i in range(n):
                gap = z[p] - x[j * n + i]
                part, log = masses[j, i] / gap, cmath.log(gap)
                g += part
                potential += masses[j, i] * log
                largest = max(largest, abs(log))
                if j != band:
                    terms += abs(part)
        found, y = 1.0 / h[p], z[p].imag
        if y > 0.0:
            room = slack + (FAR if y >= top - bottom else NEAR)
            if not (found.imag < 0.0 and abs(found) * y <= 1.0 + 1e-9):
                return False
            if not abs(found - g) * y <= room:
                return False
            if not abs(levels[p] - potential) <= room * (1.0 + largest):
                return False
            continue
        mass = potential.imag / math.pi
        if band >= 0:
            here = density[first + p]
            g -= 1j * math.pi * here
            terms += 4.0 * masses[band].sum() / (edges[2 * band + 1] - edges[2 * band])
            terms += math.pi * here
            mass = 1.0 - below[first + p]
        room = (AXIS + 100.0 * slack) * terms + _unresolved(z[p].real, edges, masses, band)
        if not (abs(found - g) <= room and abs(levels[p].imag / math.pi - mass) <= slack + 1e-9):
            return False
    return True
