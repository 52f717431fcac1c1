"""Compiled kernels: points above the axis, real points outside the support, beside the drift.

Kernels of the rational route; the formulas stand in `rmtland.free.rational.free_levy`. They take
the poles t and weights s of H(h) = h + const + sum of s/(h - t), or the triplet itself, in real
arithmetic: a complex h is (u, w). They are tested equal to the plain references beside `FreeLevy`
(polynomial roots, and the closed formulas of `LevyTriplet`).
"""

from __future__ import annotations

import cmath
import math

import numpy as np

from rmtland.deferred import inner, kernel

# Beside the drift, where h is close to 0 ---------------------------------------------------------


@inner
def _roots_of_cubic(a, b, d):
    """Roots of t^3 + a t^2 + b t = d != 0, a and b real; the small ones are relatively exact too.

    The largest by Cardano's formula, the others from their product and sum.
    """
    size = max(abs(a), math.sqrt(abs(b)), abs(d) ** (1.0 / 3.0))
    a = a / size
    b = b / size / size
    d = d / size / size / size
    p = b - a * a / 3.0
    q = a * (2.0 * a * a - 9.0 * b) / 27.0 - d
    root = cmath.sqrt(q * q / 4.0 + p * p * p / 27.0)
    cube = root - q / 2.0
    if abs(cube) < abs(root + q / 2.0):
        cube = -root - q / 2.0
    largest = complex(-a / 3.0, 0.0)
    if cube != 0.0:
        c = cube ** (1.0 / 3.0)
        for _ in range(3):
            c *= complex(-0.5, 0.8660254037844386)
            trial = c - p / (3.0 * c) - a / 3.0
            if abs(trial) > abs(largest):
                largest = trial
    for _ in range(3):
        slope = (3.0 * largest + 2.0 * a) * largest + b
        if slope == 0.0:
            break
        largest -= (((largest + a) * largest + b) * largest - d) / slope
    product = d / largest
    half = (b - product) / largest / 2.0
    root = cmath.sqrt(half * half - product)
    second = half + root
    if abs(second) < abs(half - root):
        second = half - root
    return size * largest, size * second, size * product / second


@kernel(cost=lambda *_: 1.0)
def local_form(h, c1, c2, rates, jumps):
    """Value and derivative of H(h) - drift = c1 h + c2 h^2 + h^3 T, T = sum rate/(jump (h - jump)).

    For no variance and |h| below all |jumps|; c1 = 1 - sum rate and c2 = -sum rate/jump.
    """
    t = 0.0 * h
    dt = 0.0 * h
    for k in range(jumps.size):
        r = 1.0 / (h - jumps[k])
        q = rates[k] / jumps[k]
        t += q * r
        dt -= q * r * r
    return h * (c1 + h * (c2 + h * t)), c1 + h * (2.0 * c2 + h * (3.0 * t + h * dt))


@inner
def _local_rest(u, w, c1, c2, rates, jumps):
    """Im H(h) / Im h from the local form, and the sum of the moduli of its terms."""
    tr = 0.0
    size = 0.0
    for k in range(jumps.size):
        q = rates[k] / jumps[k]
        r2 = (u - jumps[k]) ** 2 + w * w
        tr += q * (u - jumps[k]) / r2
        size += q / r2
    cubic = (3.0 * u * u - w * w) * tr
    rest = c1 + 2.0 * c2 * u + cubic - u * (u * u - 3.0 * w * w) * size
    return rest, abs(c1) + abs(2.0 * c2 * u) + (3.0 * u * u + w * w) * abs(tr)


@kernel(cost=lambda *_: 2.0)
def near_drift(delta, c1, c2, rates, jumps, band):
    """Solve H(h) = drift + delta by the local form, for no variance: relative accuracy of h.

    `delta` is complex, not 0 and not below the axis; `band` says that it is real and inside the
    support. From the root of the cubic part of the form: one of its roots is in the upper
    half-plane, or else the one where the cubic increases is the boundary value. Returns h, the
    steps, and whether |h| is small enough for this and Newton's method converged.
    """
    unit = abs(jumps[0])
    for k in range(jumps.size):
        unit = min(unit, abs(jumps[k]))
    e2 = c2 * unit
    e3 = 0.0
    for k in range(jumps.size):
        e3 -= rates[k] * (unit / jumps[k]) ** 2
    scaled = delta / unit / e3
    if scaled == 0.0:  # below the smallest number: the leading term is exact
        if c1 != 0.0 or c2 == 0.0:
            return delta / complex(c1 if c1 != 0.0 else 1.0, 0.0), 0, c1 != 0.0 and not band
        h = cmath.sqrt(delta) / cmath.sqrt(complex(c2, 0.0))
        if h.imag < 0.0:
            h = -h
        return h, 0, h.imag > 0.0 or (delta.imag == 0.0 and not band)
    roots = _roots_of_cubic(e2 / e3, c1 / e3, scaled)
    t = roots[0]
    for root in roots:
        if root.imag > t.imag:
            t = root
    if not t.imag > 1e-8 * abs(t):
        if band:
            return t * unit, 0, False
        rise = -np.inf
        for root in roots:
            x = root.real
            slope = c1 + x * (2.0 * e2 + x * 3.0 * e3)
            if slope > rise:
                rise = slope
                t = complex(x, 0.0)
    h = t * unit
    if not abs(t) < 0.2:
        return h, 0, False
    for step in range(1, 41):
        f, g = local_form(h, c1, c2, rates, jumps)
        if g == 0.0:
            return h, step, False
        move = (f - delta) / g
        h -= move
        if abs(move) <= 1e-9 * abs(h):
            if delta.imag > 0.0:
                # The height follows from Im H(h) = Im delta without cancellation.
                rest, size = _local_rest(h.real, h.imag, c1, c2, rates, jumps)
                if rest > 0.1 * size:
                    h = complex(h.real, delta.imag / rest)
            return h, step, h.imag > 0.0 or (delta.imag == 0.0 and not band)
    return h, 40, False


@kernel(cost=lambda delta, *rest: delta.size * (2.0 + 0.5 * rest[-1].size))
def beside_drift(delta, c1, c2, rates, jumps):
    """Apply `near_drift` to points that are not inside the support."""
    h = np.empty(delta.size, dtype=np.complex128)
    steps = np.zeros(delta.size, dtype=np.int64)
    found = np.zeros(delta.size, dtype=np.bool_)
    for i in range(delta.size):
        if delta[i] != 0.0:
            h[i], steps[i], found[i] = near_drift(delta[i], c1, c2, rates, jumps, False)
    return h, steps, found


# Elsewhere ---------------------------------------------------------------------------------------


@inner
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


@inner
def _rest(u, w, variance, rates, jumps):
    """1 - sum s/|h - t|^2 = Im H(h) / Im h at h = u + iw."""
    rest = 1.0
    if variance > 0.0:
        rest -= variance / (u * u + w * w)
    for k in range(jumps.size):
        rest -= rates[k] * jumps[k] ** 2 / ((u - jumps[k]) ** 2 + w * w)
    return rest


@inner
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


@kernel(cost=lambda x, *rest: x.size * (4.0 + 1.5 * rest[-1].size))
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


@kernel(cost=lambda x, *rest: x.size * (3.0 + 0.25 * rest[-1].size))
def outside(x, criticals, edges, c1, c2, reach, drift, variance, rates, jumps):
    """Solve H(h) = x for real x outside the support: H increases on each gap between arcs."""
    n = x.size
    value = np.empty(n)
    step = criticals[-1] - criticals[0]
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
        delta = x[i] - drift
        if variance == 0.0 and delta == 0.0 and lo < 0.0 and hi > 0.0:
            value[i] = 0.0  # at the atom
            continue
        nearest = np.inf
        for k in range(edges.size):
            if criticals[k] != 0.0:
                nearest = min(nearest, abs(x[i] - edges[k]))
        if variance == 0.0 and abs(delta) < min(reach, 10.0 * nearest):
            h, _, ok = near_drift(complex(delta, 0.0), c1, c2, rates, jumps, False)
            if ok and h.real >= lo and h.real <= hi:
                value[i] = h.real
                continue
        if gap == 0:
            lo = hi - step
            while _inverse(lo, 0.0, drift, variance, rates, jumps)[0] > x[i]:
                lo = hi - 2.0 * (hi - lo)
        if gap == edges.size:
            hi = lo + step
            while _inverse(hi, 0.0, drift, variance, rates, jumps)[0] < x[i]:
                hi = lo + 2.0 * (hi - lo)
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
