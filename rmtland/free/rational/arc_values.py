"""Compiled kernels: density and distribution function at points of the arcs, and off the bands.

Kernels of the rational route, which take h = u + iw where `rmtland.free.rational.boundary` has
found it; the formulas stand in `rmtland.free.rational.free_levy`. The distribution function is the
closed form of the logarithmic potential, and beside an edge or an unbounded density an integral
from there, so that it keeps its relative accuracy.

Examples
--------
>>> import numpy as np
>>> nothing = np.empty(0)
>>> round(phase(0.5, 0.5, 0.0, nothing, nothing) / math.pi, 12)
0.25
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.deferred import inlined, inner
from rmtland.free.rational.half_plane import local_form, near_drift

# Gauss-Legendre nodes and weights on [0, 1].
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


@inlined
def phase(u, w, variance, rates, jumps):
    """Im L / 1 at h = u + iw: the closed form of the logarithmic potential."""
    size = u * u + w * w
    total = math.atan2(w, u)
    if variance > 0.0:
        total -= variance * (u / size) * (w / size)
    for k in range(jumps.size):
        p = u - jumps[k]
        r2 = p * p + w * w
        yr = jumps[k] * p / r2
        yi = -jumps[k] * w / r2
        if yr * yr + yi * yi < 0.0025:
            ar = 0.0
            ai = 0.0
            sign = 1.0
            for n in range(16, 1, -1):
                ar, ai = ar * yr - ai * yi + sign / n, ar * yi + ai * yr
                sign = -sign
            qr = yr * yr - yi * yi
            qi = 2.0 * yr * yi
            total += rates[k] * (ar * qi + ai * qr)
        else:
            total += rates[k] * (yi - math.atan2(-jumps[k] * w, u * p + w * w))
    return total


@inner
def mass_from_edge(h, slope, b, kappa, u, w):
    """Mass between an edge and the point h + U, |U| small: relative accuracy in the tail.

    cdf(x) - cdf(edge) = -(1/pi) Im of the integral of (1/h' - 1/h) H'(h') dh' from h to h + U,
    with H'(h + U) = slope + U (2 Q + U Q'): of third order in U, without cancellation.
    """
    sr = 0.0
    si = 0.0
    for n in range(_NODES.size):
        x = _NODES[n] * u
        y = _NODES[n] * w
        qr = 0.0
        qi = 0.0
        dr = 0.0
        di = 0.0
        for k in range(b.size):
            p = b[k] + x
            scale = 1.0 / (p * p + y * y)
            a = p * scale
            c = -y * scale
            qr += kappa[k] * a
            qi += kappa[k] * c
            dr -= kappa[k] * (a * a - c * c)
            di -= kappa[k] * 2.0 * a * c
        er = 2.0 * qr + x * dr - y * di
        ei = 2.0 * qi + x * di + y * dr
        fr = slope + x * er - y * ei
        fi = x * ei + y * er
        p = h + x
        scale = _WEIGHTS[n] * _NODES[n] / (h * (p * p + y * y))
        sr += scale * (fr * p + fi * y)
        si += scale * (fi * p - fr * y)
    return ((u * u - w * w) * si + 2.0 * u * w * sr) / math.pi


@inner
def mass_from_drift(h, c2, rates, jumps):
    """Distribution function beside an unbounded density at the drift, rates of total 1.

    That of the drift, the rates of the negative jumps, less 1/pi Im of the integral of H'(h')/h'
    from 0 to h; H'(h')/h' has no pole there.
    """
    total = 0.0j
    for n in range(_NODES.size):
        place = _NODES[n] * h
        _, slope = local_form(place, 0.0, c2, rates, jumps)
        total += _WEIGHTS[n] * slope / _NODES[n]
    mass = -total.imag / math.pi
    for k in range(jumps.size):
        if jumps[k] < 0.0:
            mass += rates[k]
    return mass


@inner
def off_bands(x, mode, above, edges, criticals, masses, atom, drift):
    """Density (mode 0) or distribution function (1) at a point outside of the bands."""
    if mode == 0:
        for j in range(edges.size):
            if x == edges[j] and criticals[j] == 0.0:
                return np.inf
        return 0.0
    if atom > 0.0 and x >= drift:
        return masses[above] if above < edges.size else 1.0
    return 0.0 if above == 0 else masses[above - 1]


@inner
def atom_at_drift(variance, rates):
    """Mass of the atom at the drift."""
    if variance != 0.0:
        return 0.0
    total = 0.0
    for k in range(rates.size):
        total += rates[k]
    atom = 1.0 - total
    return 0.0 if atom <= 4e-16 * (1 + rates.size) else atom


@inlined
def mass_at(place, h, slope, b, kappa, u, w, masses, levy):
    """Distribution function at h + U: from the edge where U is small, else by the potential."""
    near = abs(h)
    for k in range(b.size):
        near = min(near, abs(b[k]))
    if math.hypot(u, w) < 0.2 * near:
        mass = masses[place] + mass_from_edge(h, slope, b, kappa, u, w)
    else:
        _, variance, rates, jumps = levy
        mass = 1.0 - phase(h + u, w, variance, rates, jumps) / math.pi
    return within_band(mass, place, masses)


@inlined
def within_band(mass, place, masses):
    """Distribution function without rounding below that of the lower edge or above the upper."""
    j = place - place % 2
    return min(max(mass, masses[j]), masses[j + 1])


@inner
def put(value, i, mode, u, w, place, masses, levy):
    """Write density, distribution function, h = u + iw itself, or the first two."""
    if mode == 2:
        value[0, i] = u
        value[1, i] = w
        return
    if mode != 1:
        value[0, i] = w / (math.pi * (u * u + w * w))
    if mode != 0:
        _, variance, rates, jumps = levy
        mass = 1.0 - phase(u, w, variance, rates, jumps) / math.pi
        value[mode // 3, i] = within_band(mass, place, masses)


@inner
def put_off_bands(value, i, mode, x, above, edges, criticals, masses, atom, drift):
    """Put the value at a point of a gap, in the way that `boundary` says."""
    if mode == 2:
        value[0, i] = np.nan
        return
    if mode != 1:
        value[0, i] = off_bands(x, 0, above, edges, criticals, masses, atom, drift)
    if mode != 0:
        value[mode // 3, i] = off_bands(x, 1, above, edges, criticals, masses, atom, drift)


@inner
def put_at_drift(value, i, mode, c2, rates, jumps):
    """Put the value at the drift, where the density is infinite."""
    if mode == 0 or mode == 3:
        value[0, i] = np.inf
    if mode == 1 or mode == 3:
        value[mode // 3, i] = mass_from_drift(0.0j, c2, rates, jumps)


@inner
def put_beside_drift(value, i, mode, delta, c1, c2, place, masses, levy):
    """Put the value at a point so close to the drift that the form there holds, if it does."""
    _, _, rates, jumps = levy
    small, spent, ok = near_drift(complex(delta, 0.0), c1, c2, rates, jumps, True)
    if ok:
        if mode != 0:
            put(value, i, mode, small.real, small.imag, place, masses, levy)
            if mode != 2 and c1 == 0.0:
                value[mode // 3, i] = mass_from_drift(small, c2, rates, jumps)
        if mode == 0 or mode == 3:
            value[0, i] = small.imag / abs(small) / abs(small) / math.pi
    return spent, ok
