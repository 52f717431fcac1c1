"""Compiled kernels: real points inside the support, along the arcs of h.

Kernels of the rational route; the formulas stand in `rmtland.free.rational.free_levy`. They take
the poles t and weights s of H(h) = h + const + sum of s/(h - t), or the triplet itself, in real
arithmetic: a complex h is (u, w). They are tested equal to the plain references beside `FreeLevy`
(polynomial roots, and the closed formulas of `LevyTriplet`).
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.deferred import inlined, inner, kernel
from rmtland.free.rational.arc_values import (
    atom_at_drift,
    mass_at,
    put,
    put_at_drift,
    put_beside_drift,
    put_off_bands,
)


@inner
def _newton(d, slope, b, kappa, u, w):
    """Solve U slope + U^2 Q(U) = d for U = u + iw, w > 0, with Q = sum kappa/(b + U).

    Returns u, w, the derivative of the left side, the steps and whether it converged.
    """
    gr = 0.0
    gi = 0.0
    for step in range(1, 41):
        qr = 0.0
        qi = 0.0
        dr = 0.0
        di = 0.0
        for k in range(b.size):
            p = b[k] + u
            scale = 1.0 / (p * p + w * w)
            x = p * scale
            y = -w * scale
            qr += kappa[k] * x
            qi += kappa[k] * y
            dr -= kappa[k] * (x * x - y * y)
            di -= kappa[k] * 2.0 * x * y
        # derivative slope + U (2 Q + U Q'), value U slope + U^2 Q - d
        er = 2.0 * qr + u * dr - w * di
        ei = 2.0 * qi + u * di + w * dr
        gr = slope + u * er - w * ei
        gi = u * ei + w * er
        fr = u * slope + (u * u - w * w) * qr - 2.0 * u * w * qi - d
        fi = w * slope + (u * u - w * w) * qi + 2.0 * u * w * qr
        norm = gr * gr + gi * gi
        if not norm > 0.0:
            return u, w, gr, gi, step, False
        x = (fr * gr + fi * gi) / norm
        y = (fi * gr - fr * gi) / norm
        u -= x
        if w - y <= 0.0:
            w *= 0.25
            continue
        w -= y
        if not (abs(u) < 1e300 and w < 1e300) or w < 1e-12 * abs(u):
            # Lost, or on the way to one of the real roots.
            return u, w, gr, gi, step, False
        if abs(x) + abs(y) <= 1e-8 * w:
            return u, w, gr, gi, step, True
    return u, w, gr, gi, 40, False


@inner
def _height(u, t, s):
    """Return the w > 0 with sum s/((u - t)^2 + w^2) = 1: the arc over the real part u."""
    y = 0.0
    for k in range(t.size):
        y = max(y, s[k] - (u - t[k]) ** 2)
    for _ in range(200):
        f = -1.0
        df = 0.0
        for k in range(t.size):
            r = 1.0 / ((u - t[k]) ** 2 + y)
            f += s[k] * r
            df -= s[k] * r * r
        if f <= 0.0:
            break
        new = y - f / df
        if new == y:
            break
        y = new
    return math.sqrt(max(y, 0.0))


@inner
def _bisect_arc(d, slope, h, low, high, b, kappa, t, s):
    """Real and imaginary part of U by bisection over the real part: x increases along the arc."""
    lo = low
    hi = high
    for _ in range(120):
        u = 0.5 * (lo + hi)
        if u <= lo or u >= hi:
            break
        w = _height(u, t, s)
        x = u - h
        qr = 0.0
        qi = 0.0
        for k in range(b.size):
            p = b[k] + x
            scale = kappa[k] / (p * p + w * w)
            qr += p * scale
            qi -= w * scale
        if x * slope + (x * x - w * w) * qr - 2.0 * x * w * qi < d:
            lo = u
        else:
            hi = u
    u = 0.5 * (lo + hi)
    return u - h, _height(u, t, s)


@inner
def _newton_near_zero(x, c1, c2, variance, rates, jumps, u, w):
    """Newton for H(h) - drift = x close to h = 0, where the density may be unbounded."""
    for step in range(1, 81):
        tr = 0.0
        ti = 0.0
        dr = 0.0
        di = 0.0
        for k in range(jumps.size):
            p = u - jumps[k]
            scale = 1.0 / (p * p + w * w)
            a = p * scale
            b = -w * scale
            q = rates[k] / jumps[k]
            tr += q * a
            ti += q * b
            dr -= q * (a * a - b * b)
            di -= q * 2.0 * a * b
        h = complex(u, w)
        t = complex(tr, ti)
        f = h * (c1 + h * (c2 + h * t)) - x
        g = c1 + h * (2.0 * c2 + h * (3.0 * t + h * complex(dr, di)))
        if variance > 0.0:
            if not abs(h) > 1e-150:
                return u, w, step, False
            f += variance / h
            g -= variance / (h * h)
        if g == 0.0:
            return u, w, step, False
        move = f / g
        u -= move.real
        if w - move.imag <= 0.0:
            w *= 0.25
            continue
        w -= move.imag
        if not w > 1e-12 * abs(u):
            return u, w, step, False
        if abs(move) <= 1e-8 * w:
            return u, w, step, True
    return u, w, 80, False


@inlined
def _on_arc(u, w, t, s):
    """Whether h = u + iw fulfils sum s/|h - t|^2 = 1, as the physical root does."""
    total = -1.0
    for k in range(t.size):
        total += s[k] / ((u - t[k]) ** 2 + w * w)
    return abs(total) < 1e-6


@inlined
def _nearest_edge(x, edges, edges_low):
    """Return the nearest edge of the band that holds x, or -1, and the number of edges below x.

    Even numbers are left edges.
    """
    above = 0
    for j in range(edges.size // 2):
        left = (x - edges[2 * j]) - edges_low[2 * j]
        if not left > 0.0:
            break
        right = (x - edges[2 * j + 1]) - edges_low[2 * j + 1]
        above = 2 * j + 2
        if right < 0.0:
            return (2 * j if left <= -right else 2 * j + 1), above
    return -1, above


@inner
def _cold(d, slope, h, low, high, b, kappa, t, s):
    """Solve from the critical point, or after bisection of the arc between two of them.

    Returns U as u, w, the derivative, the steps and whether Newton's method converged.
    """
    spent = 0
    gr = 1.0
    gi = 0.0
    bend = 0.0
    for k in range(b.size):
        bend += kappa[k] / b[k]
    # U = -slope/(2 Q) is the true critical point, slope being the rounding of h.
    u = -0.5 * slope / bend
    w = math.sqrt(max((d + 0.25 * slope * slope / bend) / -bend, 0.0))
    near = abs(h)
    for k in range(b.size):
        near = min(near, abs(b[k]))
    ok = w == 0.0 and abs(u) < 0.2 * near  # else the critical point is not resolved
    if w > 0.0:
        u, w, gr, gi, more, ok = _newton(d, slope, b, kappa, u, w)
        ok = ok and _on_arc(h + u, w, t, s)
        spent += more
    if ok:
        return u, w, gr, gi, spent, True
    u, w = _bisect_arc(d, slope, h, low, high, b, kappa, t, s)
    start_u = u
    start_w = w
    spent += 120
    if w > 0.0:
        u, w, gr, gi, more, ok = _newton(d, slope, b, kappa, u, w)
        ok = ok and _on_arc(h + u, w, t, s)
        spent += more
    if not ok:
        u = start_u
        w = start_w
    return u, w, gr, gi, spent, ok


@inlined
def _taylor_step(dx, gap, gr, gi, before_r, before_i, curved):
    """Change of h over dx by Taylor: dh/dx = 1/H', and its change over the gap before.

    Returns the change and dh/dx; `curved` says whether that of the point before is known.
    """
    size = gr * gr + gi * gi
    rise_r, rise_i = gr / size, -gi / size
    du = dx * rise_r
    dw = dx * rise_i
    if curved and abs(dx) <= 2.0 * abs(gap):
        share = 0.5 * dx * dx / gap if gap != 0.0 else 0.0
        du += share * (rise_r - before_r)
        dw += share * (rise_i - before_i)
    return du, dw, rise_r, rise_i


@kernel(cost=lambda x, mode, arcs, beside, levy: x.size * (2.0 + 0.15 * levy[-1].size))
def boundary(x, mode, arcs, beside, levy):
    """Follow the arcs over the points x.

    mode 0: the density; 1: the distribution function; 2: h itself, as (u, w) in two rows; 3: the
    first two in two rows.
    `arcs`, `beside` and `levy` are the tuples that `rmtland.free.rational.arcs` names.
    Returns values and steps; a negative number of steps marks a point that did not converge.
    """
    edges, edges_low, criticals, slopes, offsets, kappas, masses, t, s = arcs
    drift, variance, rates, jumps = levy
    c1, c2, reach = beside
    n = x.size
    value = np.zeros((2 if mode >= 2 else 1, n))
    steps = np.zeros(n, dtype=np.int64)
    last, last_x, u, w, gr, gi = -1, 0.0, 0.0, 0.0, 1.0, 0.0
    edge, h, slope, b, kappa = 0, criticals[0], slopes[0], offsets[0], kappas[0]
    before_x, before_r, before_i, curved = 0.0, 0.0, 0.0, False
    radius = 0.2 * np.abs(jumps).min() if jumps.size else np.inf
    unbounded = variance == 0.0 and c1 == 0.0
    atom = atom_at_drift(variance, rates)
    for i in range(n):
        xi = x[i]
        place, above = _nearest_edge(xi, edges, edges_low)
        if place < 0:
            put_off_bands(value, i, mode, xi, above, edges, criticals, masses, atom, drift)
            continue
        if place != edge:
            edge = place
            h, slope, b, kappa = criticals[place], slopes[place], offsets[place], kappas[place]
        d = (xi - edges[place]) - edges_low[place]
        ok, spent, delta = False, 0, xi - drift
        if unbounded and delta == 0.0:
            # h = 0 inside a band: the jumps balance, or the gap beside 0 is below rounding.
            last = -1
            put_at_drift(value, i, mode, c2, rates, jumps)
            continue
        if (
            variance == 0.0
            and abs(c1) < 1e-2
            and abs(delta) < reach
            and (h == 0.0 or abs(delta) < 10.0 * abs(d))
        ):
            spent, ok = put_beside_drift(value, i, mode, delta, c1, c2, place, masses, levy)
            if ok:
                steps[i] = spent
                last = -1
                continue
        if last >= 0 and last // 2 == place // 2:
            du, dw, rise_r, rise_i = _taylor_step(
                xi - last_x, last_x - before_x, gr, gi, before_r, before_i, curved
            )
            before_x, before_r, before_i, curved = last_x, rise_r, rise_i, True
            u = u + (criticals[last] - h) + du
            if w + dw > 0.5 * w and w + dw < 2.0 * w:
                w += dw
            u, w, gr, gi, more, ok = _newton(d, slope, b, kappa, u, w)
            spent += more
            ok = ok and _on_arc(h + u, w, t, s)
        if not ok:
            curved = False
            j = place - place % 2
            u, w, gr, gi, more, ok = _cold(
                d, slope, h, criticals[j], criticals[j + 1], b, kappa, t, s
            )
            spent += more
        if (
            abs(delta) < abs(d)
            and math.hypot(h + u, w) < radius
            and math.hypot(u, w) > 0.2 * abs(h)
        ):
            nu, nw, more, good = _newton_near_zero(
                delta, c1, c2, variance, rates, jumps, h + u, max(w, 1e-3 * abs(h + u))
            )
            spent += more
            if good and _on_arc(nu, nw, t, s):
                u, w = nu - h, nw
                last, last_x = place, xi
                steps[i] = spent
                put(value, i, mode, nu, nw, place, masses, levy)
                continue
        steps[i] = spent if ok else -spent
        last = place if ok else -1
        last_x = xi
        p = h + u
        if mode == 2:
            value[0, i], value[1, i] = p, w
        else:
            value[0, i] = w / (math.pi * (p * p + w * w))
        if mode == 1 or mode == 3:
            value[mode // 3, i] = mass_at(place, h, slope, b, kappa, u, w, masses, levy)
    return value, steps
