"""Compiled kernels: points above the axis, and real points outside the support.

Kernels of the rational route; the formulas stand in `rmtland.free.free_levy`. They take the poles t
and weights s of H(h) = h + const + sum of s/(h - t), or the triplet itself, in real arithmetic: a
complex h is (u, w). They are tested equal to the plain references beside `FreeLevy` (polynomial
roots, and the closed formulas of `LevyTriplet`).
"""

from __future__ import annotations

import math

import numba
import numpy as np

_jit = numba.njit(cache=True, error_model="numpy", fastmath=False)


@_jit
def _inverse(u, w, drift, variance, rates, jumps):
    """H and H' at h = u + iw."""
    zr = u + drift
    zi = w
    gr = 1.0
    gi = 0.0
    size = u * u + w * w
    if variance > 0.0:
        x = u / size
        y = -w / size
        zr += variance * x
        zi += variance * y
        gr -= variance * (x * x - y * y)
        gi -= variance * 2.0 * x * y
    for k in range(jumps.size):
        p = u - jumps[k]
        scale = 1.0 / (p * p + w * w)
        x = p * scale
        y = -w * scale
        a = rates[k] * jumps[k]
        zr += a * (u * p + w * w) * scale
        zi += a * jumps[k] * y
        gr -= a * jumps[k] * (x * x - y * y)
        gi -= a * jumps[k] * 2.0 * x * y
    return zr, zi, gr, gi


@_jit
def _rest(u, w, variance, rates, jumps):
    """1 - sum s/|h - t|^2 = Im H(h) / Im h at h = u + iw."""
    rest = 1.0
    if variance > 0.0:
        rest -= variance / (u * u + w * w)
    for k in range(jumps.size):
        rest -= rates[k] * jumps[k] ** 2 / ((u - jumps[k]) ** 2 + w * w)
    return rest


@_jit
def _newton_upper(x, y, u, w, drift, variance, rates, jumps):
    """Newton for H(h) = x + iy from h = u + iw; the unique root in the upper half-plane."""
    terms = abs(x) + abs(drift)
    for k in range(jumps.size):
        terms += abs(rates[k] * jumps[k])
    for step in range(1, 31):
        zr, zi, gr, gi = _inverse(u, w, drift, variance, rates, jumps)
        fr = zr - x
        fi = zi - y
        norm = gr * gr + gi * gi
        if not norm > 0.0:
            return u, w, step, False
        du = (fr * gr + fi * gi) / norm
        dw = (fi * gr - fr * gi) / norm
        u -= du
        if w - dw <= 0.0:
            w *= 0.25
            continue
        w -= dw
        if not (abs(u) < 1e300 and w < 1e300):
            return u, w, step, False
        rounding = 1e-15 * max(abs(u), (terms + abs(u)) / math.sqrt(norm))
        if abs(du) + abs(dw) <= max(1e-9 * w, rounding):
            # The root fulfils Im H(h) = w (1 - sum s/|h - t|^2) = y; a real root does not.
            rest = _rest(u, w, variance, rates, jumps)
            return u, w, step, abs(w * rest - y) <= 1e-3 * y + 1e-12 * w
    return u, w, 30, False


@_jit
def upper(x, y, drift, variance, rates, jumps):
    """Solve H(h) = x + iy for y > 0, with continuation from far above the axis."""
    n = x.size
    value = np.empty((2, n))
    steps = np.zeros(n, dtype=np.int64)
    total = variance
    reach = 0.0
    shift = drift
    for k in range(jumps.size):
        total += rates[k] * jumps[k] ** 2
        reach = max(reach, abs(jumps[k]))
        shift += rates[k] * jumps[k]
    far = 4.0 * (math.sqrt(total) + reach)
    for i in range(n):
        u = x[i] - shift
        w = max(y[i], 1e-3 * far)
        u, w, spent, ok = _newton_upper(x[i], y[i], u, w, drift, variance, rates, jumps)
        if not ok or not w > 0.0:
            # Continuation: the root moves continuously as the point comes down.
            height = y[i] + far
            u = x[i] - shift
            w = height
            u, w, more, ok = _newton_upper(x[i], height, u, w, drift, variance, rates, jumps)
            spent += more
            factor = 0.5
            while ok and height > y[i] and factor < 0.999999:
                lower = y[i] + (height - y[i]) * factor
                if lower - y[i] < 1e-3 * y[i]:
                    lower = y[i]
                nu, nw, more, good = _newton_upper(x[i], lower, u, w, drift, variance, rates, jumps)
                spent += more
                if good:
                    u = nu
                    w = nw
                    height = lower
                    factor = max(0.25, factor * factor)
                else:
                    factor = math.sqrt(factor)
            ok = ok and height == y[i]
        # Where H' stays away from zero the height follows from Im H(h) = y without cancellation.
        rest = _rest(u, w, variance, rates, jumps)
        if rest > 0.1:
            w = y[i] / rest
        value[0, i] = u
        value[1, i] = w
        steps[i] = spent if ok else -spent
    return value, steps


@_jit
def outside(x, criticals, edges, drift, variance, rates, jumps):
    """Solve H(h) = x for real x outside the support: H increases on each gap between arcs."""
    n = x.size
    value = np.empty(n)
    for i in range(n):
        gap = 0
        while gap < edges.size and x[i] > edges[gap]:
            gap += 1
        # gap even: between edges gap - 1 and gap
        if gap < edges.size and x[i] == edges[gap] and criticals[gap] == 0.0:
            value[i] = 0.0  # the density is unbounded at this edge
            continue
        lo = -np.inf if gap == 0 else criticals[gap - 1]
        hi = np.inf if gap == edges.size else criticals[gap]
        if gap % 2 == 1:
            value[i] = criticals[gap]
            continue
        if gap == 0:
            lo = hi - 1.0
            while _inverse(lo, 0.0, drift, variance, rates, jumps)[0] > x[i]:
                lo = hi - 2.0 * (hi - lo)
        if gap == edges.size:
            hi = lo + 1.0
            while _inverse(hi, 0.0, drift, variance, rates, jumps)[0] < x[i]:
                hi = lo + 2.0 * (hi - lo)
        if variance == 0.0 and x[i] == drift and lo < 0.0 and hi > 0.0:
            value[i] = 0.0  # at the atom
            continue
        u = 0.5 * (lo + hi)
        for _ in range(200):
            z, _, g, _ = _inverse(u, 0.0, drift, variance, rates, jumps)
            if z == x[i]:
                break
            if z < x[i]:
                lo = u
            else:
                hi = u
            new = u - (z - x[i]) / g if g > 0.0 else lo
            if not (new > lo and new < hi):
                new = 0.5 * (lo + hi)
            if new == u:
                break
            u = new
        value[i] = u
    return value
