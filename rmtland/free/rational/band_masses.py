"""Compiled kernel: masses and moments of bands from the density, against the rest of a law.

The cheap certificate of `rmtland.laws.consistency` for laws with a rational R-transform, whose
first values take so little time that the certificate has to be compiled. What does not pass is left
to the general one.

Examples
--------
>>> from rmtland import WishartPlusWigner
>>> WishartPlusWigner(0.5, 0.1).law.cdf(0.0) > 0
True
"""

from __future__ import annotations

import math

from rmtland.deferred import kernel


@kernel(cost=lambda edges, place, atom, density, *_: 0.2 * density.size * density.shape[1])
def agree(
    edges, place, atom, density, below, stops, share, rest, weights, matrix, last, moments, allowed
):  # fmt: skip
    """Whether bands, atom, distribution function, mean and variance of a law belong together.

    Parameters
    ----------
    edges : ndarray of float, shape (bands, 2)
        The bands.
    place, atom : float
        The atom, of mass 0 if there is none.
    density, below : ndarray of float, shape (bands, nodes)
        Density and distribution function at low + (high - low) share.
    stops : ndarray of float, shape (bands, 2)
        Distribution function at the edges.
    share, rest, weights, matrix, last : ndarray of float
        The rule: see `rmtland.laws.consistency.Rule`.
    moments : (float, float)
        Mean and variance.
    allowed : float
        Deviation of masses.

    Returns
    -------
    bool
        True for a law that passes.
    """
    count, n = density.shape
    mean, variance = moments
    if not 0.0 <= atom <= 1.0 + 1e-15:
        return False
    total, first, second = 0.0, 0.0, 0.0
    reach = 0.0
    left = -math.inf
    if atom > 0.0:
        reach = abs(place - mean)
        first = atom * (place - mean)
        second = first * (place - mean)
    for j in range(count):
        low, high = edges[j, 0], edges[j, 1]
        width = high - low
        if not (low < high and left <= low):
            return False
        left = high
        reach = max(reach, abs(low - mean), abs(high - mean))
        # The distribution function up to the band
        level = total
        if atom > 0.0 and place <= low:
            level += atom
        if not abs(stops[j, 0] - level) <= allowed:
            return False
        if not (density[j, 0] > 0.0 and density[j, n - 1] > 0.0):
            return False
        mass, previous, tail = 0.0, stops[j, 0], 0.0
        for k in range(last.shape[0]):
            term = 0.0
            for i in range(n):
                term += last[k, i] * density[j, i] * weights[i]
            tail = max(tail, 4.0 * width * abs(term))
        if not tail <= 1e-3:
            return False
        for i in range(n):
            if not density[j, i] >= 0.0 or not below[j, i] >= previous - allowed:
                return False
            previous = below[j, i]
            part = 0.0
            for k in range(n):
                part += matrix[i, k] * density[j, k] * weights[k]
            x = low + width * share[i] if share[i] < 0.5 else high - width * rest[i]
            got = below[j, i] - stops[j, 0]
            if atom > 0.0 and low < place <= x:
                got -= atom
            if not abs(got - width * part) <= allowed + tail:
                return False
            piece = density[j, i] * weights[i] * width
            mass += piece
            first += piece * (x - mean)
            second += piece * (x - mean) * (x - mean)
        total += mass
        level = total
        if atom > 0.0 and place <= high:
            level += atom
        if not abs(stops[j, 1] - level) <= allowed:
            return False
    if not abs(total + atom - 1.0) <= allowed:
        return False
    rounding = 1e-14 * (abs(mean) + reach)
    if not abs(first) <= allowed * reach + rounding:
        return False
    slack = allowed * reach * reach + 4.0 * rounding * reach + 1e-13 * variance
    return abs(second - variance) <= slack
