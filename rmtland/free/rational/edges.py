"""Compiled kernels: critical points of H, and edges in double-double arithmetic.

Kernels of the rational route; the formulas stand in `rmtland.free.rational.free_levy`. They take
the poles t and weights s of H(h) = h + const + sum of s/(h - t), or the triplet itself, in real
arithmetic: a complex h is (u, w). They are tested equal to the plain references beside `FreeLevy`
(polynomial roots, and the closed formulas of `LevyTriplet`).
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.deferred import inner, kernel
from rmtland.free.rational.half_plane import local_form


@inner
def _slope(h, t, s):
    """f(h) = sum s/(h - t)^2 and its derivative."""
    f = 0.0
    df = 0.0
    for k in range(t.size):
        r = 1.0 / (h - t[k])
        f += s[k] * r * r
        df -= 2.0 * s[k] * r * r * r
    return f, df


@inner
def _root_beside(pole, near, far, t, s):
    """Root of f = 1 on one side of a pole: f >= 1 at distance |near| from it, f < 1 at |far|.

    The distance is bracketed within a factor of two on a logarithmic scale; from there Newton is
    monotone, since f is convex.
    """
    while abs(far) > 2.0 * abs(near):
        middle = math.copysign(math.sqrt(abs(near)) * math.sqrt(abs(far)), far)
        f, _ = _slope(pole + middle, t, s)
        if f >= 1.0:
            near = middle
        else:
            far = middle
    h = pole + near
    for _ in range(200):
        f, df = _slope(h, t, s)
        if f <= 1.0 or df == 0.0:
            break
        new = h - (f - 1.0) / df
        if new == h:
            break
        h = new
    # One unguarded step takes out the rounding of the last one.
    f, df = _slope(h, t, s)
    if abs(f - 1.0) < 1e-6 and df != 0.0:
        h -= (f - 1.0) / df
    return h


@inner
def minimum_between(a, b, t, s):
    """Minimiser of the convex f between two neighbouring poles a < b, by bisection on f'."""
    lo = a
    hi = b
    for _ in range(200):
        mid = 0.5 * (lo + hi)
        if mid <= lo or mid >= hi:
            break
        _, df = _slope(mid, t, s)
        if df < 0.0:
            lo = mid
        else:
            hi = mid
    return 0.5 * (lo + hi)


@kernel(cost=lambda t, s: 10.0 * t.size)
def critical_points(t, s):
    """Real solutions of sum s/(h - t)^2 = 1 that bound the arcs, in ascending pairs."""
    n = t.size
    found = np.empty(2 * n)
    size = 1
    reach = 1.0001 * math.sqrt(s.sum())
    found[0] = _root_beside(t[0], -math.sqrt(s[0]), -reach, t, s)
    for i in range(n - 1):
        a = t[i]
        b = t[i + 1]
        # Smallest value that the two neighbouring terms alone can take.
        least = (s[i] ** (1.0 / 3.0) + s[i + 1] ** (1.0 / 3.0)) ** 3 / (b - a) ** 2
        if least >= 1.0:
            continue
        bottom = minimum_between(a, b, t, s)
        f, _ = _slope(bottom, t, s)
        if not f < 1.0:
            continue
        left = _root_beside(a, math.sqrt(s[i]), bottom - a, t, s)
        right = _root_beside(b, -math.sqrt(s[i + 1]), bottom - b, t, s)
        if left < right:
            found[size] = left
            found[size + 1] = right
            size += 2
    found[size] = _root_beside(t[n - 1], math.sqrt(s[n - 1]), reach, t, s)
    return found[: size + 1].copy()


# Double-double arithmetic, for the places of the edges ------------------------------------------


@inner
def _two_sum(a, b):
    c = a + b
    d = c - a
    return c, (a - (c - d)) + (b - d)


@inner
def _two_product(a, b):
    c = a * b
    x = 134217729.0 * a
    ah = x - (x - a)
    al = a - ah
    y = 134217729.0 * b
    bh = y - (y - b)
    bl = b - bh
    return c, ((ah * bh - c) + ah * bl + al * bh) + al * bl


@inner
def _quotient(p, pe, d, de):
    """(p + pe) / (d + de) to double-double accuracy."""
    q = p / d
    m, me = _two_product(q, d)
    return _two_sum(q, ((p - m) - me + pe - q * de) / d)


@kernel(cost=lambda *_: 2.0)
def edge_place(h, drift, variance, rates, jumps):
    """H(h) as an unevaluated sum of two doubles."""
    hi, lo = _two_sum(h, drift)
    if variance > 0.0:
        q, qe = _quotient(variance, 0.0, h, 0.0)
        hi, e = _two_sum(hi, q)
        lo += e + qe
    for k in range(jumps.size):
        a, ae = _two_product(rates[k], jumps[k])
        p, pe = _two_product(a, h)
        pe += ae * h
        d, de = _two_sum(h, -jumps[k])
        q, qe = _quotient(p, pe, d, de)
        hi, e = _two_sum(hi, q)
        lo += e + qe
    return _two_sum(hi, lo)


@kernel(cost=lambda *_: 2.0)
def edge_slope(h, variance, rates, jumps):
    """H'(h) = 1 - sum s/(h - t)^2 near its zero, to the accuracy of double-double arithmetic.

    Not exactly zero, since h is rounded; the edge form takes it into account.
    """
    hi = 1.0
    lo = 0.0
    for k in range(jumps.size + 1):
        if k < jumps.size:
            d, de = _two_sum(h, -jumps[k])
            r, re = _quotient(jumps[k], 0.0, d, de)
            rate = rates[k]
        else:
            if not variance > 0.0:
                break
            r, re = _quotient(1.0, 0.0, h, 0.0)
            rate = variance
        q, qe = _two_product(r, r)
        qe += 2.0 * r * re
        p, pe = _two_product(rate, q)
        pe += rate * qe
        hi, e = _two_sum(hi, -p)
        lo += e - pe
    return hi + lo


@kernel(cost=lambda criticals, *_: 4.0 * criticals.size)
def edge_table(criticals, drift, variance, rates, jumps):
    """`edge_place` and `edge_slope` at every critical point: rows high, low, slope."""
    table = np.empty((3, criticals.size))
    for i in range(criticals.size):
        h = criticals[i]
        table[0, i], table[1, i] = edge_place(h, drift, variance, rates, jumps)
        table[2, i] = edge_slope(h, variance, rates, jumps)
    return table


@inner
def _polished(h, c1, c2, rates, jumps):
    """Zero of H' close to 0 by Newton's method in the form beside the drift, for no variance."""
    for _ in range(8):
        slope_sum, bend_sum = 0.0, 0.0
        for k in range(jumps.size):
            ratio = h / (h - jumps[k])
            weight = rates[k] / jumps[k]
            slope_sum += weight * ratio * (3.0 - ratio)
            bend_sum += weight * ratio * (6.0 - 6.0 * ratio + 2.0 * (ratio * ratio))
        h -= (c1 + h * (2.0 * c2 + slope_sum)) / (2.0 * c2 + bend_sum)
    return h


@kernel(cost=lambda *_: 20.0)
def arc_constants(levy, c1, c2):
    """Find the arcs of a law from its triplet; jumps ascend.

    Returns 0 (1: the parts are too far apart; 2: the edges are not finite; 3: jumps are equal, or
    without variance the density may be unbounded at the drift), and the
    fields of `rmtland.free.rational.arcs.Arcs`.
    """
    drift, variance, rates, jumps = levy
    k = jumps.size
    poles = k + 1 if variance > 0.0 else k
    t, s = np.empty(poles), np.empty(poles)
    unit, apart = math.inf, True
    smallest, largest = math.inf, 0.0
    for j in range(poles):  # sorted as they come: numba takes seconds for argsort and `a[:k] = b`
        pole, weight = (jumps[j], rates[j] * (jumps[j] * jumps[j])) if j < k else (0.0, variance)
        smallest, largest = min(smallest, weight), max(largest, weight)
        if j < k:
            unit = min(unit, abs(pole))
        place = j
        while place > 0 and t[place - 1] > pole:
            t[place], s[place] = t[place - 1], s[place - 1]
            place -= 1
        t[place], s[place] = pole, weight
    none = np.empty((3, 0))
    if smallest < 1e-120 * largest:
        return 1, (none[0], none[0], none[0], none[0], none, none, none[0], t, s)
    for i in range(poles - 1):
        apart &= t[i] < t[i + 1]
    if not apart or (not variance > 0.0 and abs(c1) <= 1e-15 * (1 + k)):
        return 3, (none[0], none[0], none[0], none[0], none, none, none[0], t, s)
    criticals = critical_points(t, s)
    n = criticals.size
    if not variance > 0.0:
        for i in range(n):
            h = criticals[i]
            if abs(h) < 0.05 * unit and h != 0.0:
                h = _polished(h, c1, c2, rates, jumps)
            place = i
            while place > 0 and criticals[place - 1] > h:
                criticals[place] = criticals[place - 1]
                place -= 1
            criticals[place] = h
    table = edge_table(criticals, drift, variance, rates, jumps)
    offsets = np.empty((n, poles))
    kappas = np.empty((n, poles))
    masses = np.empty(n)
    code = 0
    for i in range(n):
        h = criticals[i]
        if not variance > 0.0 and abs(h) < 0.05 * unit:
            value, _ = local_form(h, c1, c2, rates, jumps)
            if abs(value) < 1e-14 * abs(h):
                table[0, i] = drift + value
                table[1, i] = (drift - table[0, i]) + value
        if h == 0.0:
            code = 3
        if not (np.isfinite(table[0, i]) and np.isfinite(table[1, i])):
            code = 2
        for j in range(poles):
            offset = h - t[j]
            offsets[i, j] = offset
            kappas[i, j] = s[j] / (offset * offset)
        # Mass to the left of a gap: one jump of 1/pi Im L for every pole between 0 and h.
        below = 1.0 if h < 0.0 else 0.0
        moved = 0.0
        for j in range(k):
            moved += ((1.0 if h < jumps[j] else 0.0) - below) * rates[j]
        masses[i] = 1.0 - below - moved
    high, low, slopes = table[0], table[1], table[2]
    return code, (high, low, criticals, slopes, offsets, kappas, masses, t, s)
