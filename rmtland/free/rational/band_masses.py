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

import numpy as np

from rmtland.deferred import inner, kernel
from rmtland.free.rational.arc_values import atom_at_drift
from rmtland.free.rational.boundary import boundary
from rmtland.free.rational.edges import arc_constants, edge_place, minimum_between

_NEARLY_OPEN = 4.0


@kernel(cost=lambda edges, place, atom, density, *_: 0.2 * density.size * density.shape[1])
def agree(edges, place, atom, density, below, stops, rule, moments, allowed):
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
    rule : rmtland.laws.band_rules.Rule
        The rule.
    moments : (float, float)
        Mean and variance.
    allowed : float
        Deviation of masses.

    Returns
    -------
    bool
        True for a law that passes.
    """
    share, rest, weights, matrix, last = rule
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


@kernel(cost=lambda *_: 20.0)
def pieces_of_bands(arcs, levy):
    """Bands, cut where a gap has nearly opened: beside it the density has a narrow peak or dip.

    Between two neighbouring poles of H a gap opens where f(h) = sum s/(h - t)^2 falls below 1; the
    cuts are the places H(h) of the minima of f that are not far above it. Any cut is right: each
    piece is integrated by itself, and compared with the distribution function at both of its ends.
    """
    edges, t, s = arcs[0], arcs[-2], arcs[-1]
    drift, variance, rates, jumps = levy
    cuts = np.empty(2 * t.size)
    size = 0
    for i in range(t.size - 1):
        h = minimum_between(t[i], t[i + 1], t, s)
        f = 0.0
        for k in range(t.size):
            f += s[k] / ((h - t[k]) * (h - t[k]))
        if 1.0 <= f < _NEARLY_OPEN:
            cuts[size] = edge_place(h, drift, variance, rates, jumps)[0]
            size += 1
    pieces = np.empty(edges.size + 2 * size)
    count, used = 0, 0
    for j in range(edges.size // 2):
        low, high = edges[2 * j], edges[2 * j + 1]
        margin = 1e-6 * (high - low)
        pieces[count] = low
        count += 1
        last = low
        while used < size and cuts[used] < high - margin:
            if cuts[used] > last + margin:
                pieces[count], pieces[count + 1] = cuts[used], cuts[used]
                count += 2
                last = cuts[used]
            used += 1
        pieces[count] = high
        count += 1
    return pieces[:count].copy()


@inner
def sampled(pieces, rule, more, arcs, beside, levy):
    """Return nodes, ends of pieces and further points, density and distribution function there.

    The last value says whether all of them were found.
    """
    share, rest = rule.share, rule.rest
    count, n = pieces.size // 2, share.size
    x = np.empty(count * n + pieces.size + more.size)
    for j in range(count):
        low, high = pieces[2 * j], pieces[2 * j + 1]
        for i in range(n):
            near = share[i] < 0.5
            x[j * n + i] = low + (high - low) * share[i] if near else high - (high - low) * rest[i]
    for j in range(pieces.size):
        x[count * n + j] = pieces[j]
    for j in range(more.size):
        x[count * n + pieces.size + j] = more[j]
    # A mode of type int64: numba compiles `boundary` anew for every literal number.
    found, steps = boundary(x, np.int64(3), arcs, beside, levy)
    converged = True
    for step in steps:
        converged &= step >= 0
    return x, found[0], found[1], converged


@kernel(cost=lambda pieces, *_: 2.0 * pieces.size)
def agrees(pieces, place, atom, rule, moments, allowed, arcs, beside, levy):
    """Apply `agree` to values that `boundary` finds; the arguments are those of the two.

    `pieces` are the ends of the bands, or of the pieces that they are cut into.
    """
    count, n = pieces.size // 2, rule.share.size
    _, density, below, converged = sampled(pieces, rule, pieces[:0], arcs, beside, levy)
    if not converged:
        return False
    return agree(
        pieces.reshape((count, 2)),
        place,
        atom,
        density[: count * n].copy().reshape((count, n)),
        below[: count * n].copy().reshape((count, n)),
        below[count * n :].copy().reshape((count, 2)),
        rule,
        moments,
        allowed,
    )


@kernel(cost=lambda mode, x, laws, *_: laws.variances.size * (200.0 + 2.0 * x.size))
def values_of_jumps(mode, x, laws, allowed, rule, in_pieces):
    """Values of laws with a rational R-transform, and which of them passed `agrees`.

    mode 0: densities; 1: distribution functions; 2: masses strictly below, at the points x. The
    laws are `rmtland.free.rational.many_laws.Triplets`, their jumps ascending. `in_pieces`: whether
    the rule is applied to `pieces_of_bands`.
    """
    count = laws.variances.size
    values = np.full((count, x.size), np.nan)
    sound = np.zeros(count, dtype=np.bool_)
    for i in range(count):
        rate, jump, c1, c2 = laws.rates[i], laws.jumps[i], laws.firsts[i], laws.seconds[i]
        variance = laws.variances[i]
        levy = (0.0, variance, rate, jump)
        code, arcs = arc_constants(levy, c1, c2)
        if code != 0:
            continue
        moments, reach = _moments_and_reach(variance, rate, jump, c1, c2)
        beside = (c1, c2, reach)
        edges, atom = arcs[0], atom_at_drift(variance, rate)
        pieces = pieces_of_bands(arcs, levy) if in_pieces else edges
        if not agrees(pieces, 0.0, atom, rule, moments, allowed, arcs, beside, levy):
            continue
        value, steps = boundary(x, np.int64(1 if mode else 0), arcs, beside, levy)
        failed = False
        for step in steps:
            failed |= step < 0
        if mode == 2:
            bottom = min(edges[0], 0.0) if atom > 0.0 else edges[0]
            for j in range(x.size):
                if x[j] <= bottom:
                    value[0, j] = 0.0
                elif x[j] == 0.0 and atom > 0.0:
                    value[0, j] = max(value[0, j] - atom, 0.0)
        if not failed:
            for n in range(x.size):
                values[i, n] = value[0, n]
            sound[i] = True
    return values, sound


@inner
def _moments_and_reach(variance, rates, jumps, c1, c2):
    """Mean and variance of a law without drift, and the reach of its form beside the drift."""
    mean, spread, reach = 0.0, 0.0, 0.0
    h = abs(jumps[0])
    for k in range(jumps.size):
        h = min(h, abs(jumps[k]))
    h *= 0.2
    for k in range(jumps.size):
        mean += rates[k] * jumps[k]
        spread += rates[k] * (jumps[k] * jumps[k])
        reach += rates[k] * (h / jumps[k]) ** 2
    reach = 0.0 if variance > 0.0 else h * abs(c1) + h * (h * abs(c2)) + h * reach
    return (mean, variance + spread), reach
