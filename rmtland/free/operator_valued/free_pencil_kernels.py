"""Compiled Newton steps for linear pencils in free variables.

A step has two halves, between which the laws of the variables are evaluated at the eigenvalues of
D^-1 w: the first gives M, X = V* M V, the inverses of its blocks and these eigenvalues; the second
linearises the equation there. `advance` makes the second half of one step and the first of the
next, for all points that are still under way, and judges those that have arrived. The plain
reference is `rmtland.free.operator_valued.free_pencil.FreePencil.reference_system`.

The derivative of a self-energy is a sum over t of L_t X' R_t, as B_a and the derivative of M in z
have rank 2 and 1: no product of full matrices is needed for an entry of the Jacobian.
"""

from __future__ import annotations

import numpy as np

from rmtland.compiled import compiled
from rmtland.free.operator_valued.matrix_dyson_kernels import eliminate, is_positive
from rmtland.free.operator_valued.self_energy_kernels import circular_terms, law_terms, levy_terms
from rmtland.free.operator_valued.small_matrix_kernels import (
    added,
    diagonal_block,
    inverse_of,
    largest,
    product,
    put,
    quotient,
)

__all__ = ["ARRIVED", "BEGIN", "LINEARISE", "LOST", "REFUSED", "STEP", "advance", "divided"]

BEGIN, STEP, LINEARISE = 0, 1, 2
ARRIVED, REFUSED, LOST = 1, 2, 3
_NEAR = 3e-4  # eigenvalues closer than that, relative to G/G', are nearly one


@compiled(error_model="numpy", inner=True)
def _block_energy(u, pencil):
    total = pencil.frames.shape[1]
    sigma = np.zeros((total, total), dtype=np.complex128)
    for a in range(u.size):
        p, q, w = pencil.first[a], pencil.second[a], pencil.weights[a]
        sigma[p, q] += w * u[a]
        if p != q:
            sigma[q, p] += w.conjugate() * u[a]
    return sigma


@compiled(error_model="numpy", inner=True)
def _resolvent(z, u, pencil, rows, n):
    """First half of a step at one point, into row n; blocks of size 3 and more leave D^-1 w."""
    sigma = _block_energy(u, pencil)
    w = product(product(pencil.frames, sigma), pencil.adjoint)
    for i in range(w.shape[0]):
        for j in range(w.shape[0]):
            w[i, j] = -pencil.constant[i, j] - w[i, j]
    w[0, 0] += z
    rows.extents[n] = largest(w)
    m = inverse_of(w)
    put(rows.matrices[n], 0, 1.0, m)
    x = product(product(pencil.adjoint, m), pencil.frames)
    put(rows.inner[n], 0, 1.0, x)
    for part in range(pencil.kinds.size):
        if pencil.kinds[part] != 0:
            continue
        low, high = pencil.starts[part], pencil.starts[part + 1]
        inverse = inverse_of(diagonal_block(x, low, high))
        put(rows.lifted[n], low, 1.0, inverse)
        put(sigma, low, 1.0, added(inverse, diagonal_block(sigma, low, high)))
        a = product(
            diagonal_block(pencil.cores_inverse, low, high), diagonal_block(sigma, low, high)
        )
        if high - low == 1:
            rows.zeta[n, low] = a[0, 0]
        elif high - low == 2:
            mean = (a[0, 0] + a[1, 1]) / 2
            half = (a[0, 0] - a[1, 1]) / 2
            root = np.sqrt(half * half + a[0, 1] * a[1, 0])
            rows.zeta[n, low], rows.zeta[n, low + 1] = mean + root, mean - root
        else:
            put(rows.vectors[n], low, 1.0, a)


@compiled(error_model="numpy")
def divided(count, zeta, g, slope, pencil, table, near):
    """Divided differences of G at pairs of eigenvalues; returns the number of nearly equal pairs.

    `table`, shape (n, R, R), is filled in the blocks of laws; where eigenvalues are nearly equal it
    has the mean of both slopes, and row, place and place of the pair stand in `near`.
    """
    found = 0
    for part in range(pencil.kinds.size):
        if pencil.kinds[part] != 0:
            continue
        low, high = pencil.starts[part], pencil.starts[part + 1]
        for n in range(count):
            for i in range(low, high):
                table[n, i, i] = slope[n, i]
                for j in range(i + 1, high):
                    gap = zeta[n, i] - zeta[n, j]
                    value = (slope[n, i] + slope[n, j]) / 2
                    if abs(gap) * abs(slope[n, i]) > _NEAR * abs(g[n, i]):
                        value = quotient(g[n, i] - g[n, j], gap)
                    elif gap != 0.0:
                        near[found, 0], near[found, 1], near[found, 2] = n, i, j
                        found += 1
                    table[n, i, j] = value
                    table[n, j, i] = value
    return found


@compiled(error_model="numpy", inner=True)
def _terms_in_rest(low, used, sign, x, up, left, right_factors, column, row, outer, inner):
    """Terms in X of one part, with the rest of X on either side of them."""
    total, size = x.shape[0], up.shape[0]
    for t in range(used):
        for i in range(size):
            for j in range(size):
                if sign < 0:
                    before, after = 0j, 0j
                    for c in range(size):
                        before += left[t, i, c] * up[c, j]
                        after += up[i, c] * right_factors[t, c, j]
                else:
                    before, after = left[t, i, j], right_factors[t, i, j]
                inner[0, i, j], inner[1, i, j] = before, after
        for i in range(size):
            for p in range(total):
                before, after = 0j, 0j
                for c in range(size):
                    before += inner[0, i, c] * x[low + c, p]
                    after += x[p, low + c] * inner[1, c, i]
                outer[0, t, i, p], outer[1, t, i, p] = before, after
            before, after = 0j, 0j
            for c in range(size):
                before += inner[0, i, c] * column[low + c]
                after += row[low + c] * inner[1, c, i]
            outer[0, t, i, total], outer[1, t, i, total] = before, after


@compiled(error_model="numpy", inner=True)
def _linear(u, n, rows, g, table, pencil, work, system, right, terms):
    """Jacobian and both right sides (defect, minus its slope in z) at one point.

    Returns the rounding of the equation, relative to its terms, in units of the last place.
    """
    lefts, rights, outer, inner = work
    total, d = pencil.frames.shape[1], u.size
    k = pencil.frames.shape[0]
    sigma = _block_energy(u, pencil)
    x = rows.inner[n]
    blur = largest(rows.matrices[n]) * rows.extents[n]
    column = np.zeros(total, dtype=np.complex128)
    row = np.zeros(total, dtype=np.complex128)
    for i in range(total):
        for c in range(k):
            column[i] += pencil.adjoint[i, c] * rows.matrices[n, c, 0]
            row[i] += rows.matrices[n, 0, c] * pencil.frames[c, i]
    for part in range(pencil.kinds.size):
        low, high = pencil.starts[part], pencil.starts[part + 1]
        size = high - low
        left, right_factors = lefts[:, :size, :size], rights[:, :size, :size]
        for t in range(left.shape[0]):
            for i in range(size):
                for j in range(size):
                    left[t, i, j], right_factors[t, i, j] = 0.0, 0.0
        value = np.zeros((size, size), dtype=np.complex128)
        block, own = diagonal_block(x, low, high), diagonal_block(sigma, low, high)
        core, up = (
            diagonal_block(pencil.cores, low, high),
            diagonal_block(rows.lifted[n], low, high),
        )
        sign = 1.0
        weight = largest(own)
        if pencil.kinds[part] == 0:
            sign = -1.0
            w = added(up, own)
            used, rounding = law_terms(
                w,
                core,
                diagonal_block(pencil.cores_inverse, low, high),
                rows.zeta[n, low:high],
                g[n, low:high],
                diagonal_block(table[n], low, high),
                diagonal_block(rows.vectors[n], low, high),
                diagonal_block(rows.inverses[n], low, high),
                value,
                left,
                right_factors,
            )
            weight += largest(w)
            # Rounding of w, which is large where Sigma has a pole, times the derivative there
            condition = largest(block) * largest(up)
            steep = 0.0
            for t in range(used):
                steep += largest(left[t]) * largest(right_factors[t])
            lost = largest(own) + largest(up) * (1.0 + condition)
            blur = max(blur, rounding, steep * lost / max(weight, 1e-300))
        elif pencil.kinds[part] == 1:
            used, rounding = levy_terms(
                block,
                core,
                pencil.variances[part],
                pencil.rates[part],
                pencil.jumps[part],
                value,
                left,
                right_factors,
            )
            blur = max(blur, rounding)
        else:
            used = circular_terms(block, core, pencil.variances[part], value, left, right_factors)
        weight += largest(value)
        _terms_in_rest(low, used, sign, x, up, left, right_factors, column, row, outer, inner)
        _entries(u, part, used, sign, value, left, right_factors, outer, pencil, system, right)
        for a in range(d):
            if pencil.owners[a] == part:
                terms[a] = weight
    return blur


@compiled(error_model="numpy", inner=True)
def _entries(u, part, used, sign, value, left, right_factors, outer, pencil, system, right):
    """Rows of the linear equation that belong to one part."""
    low = pencil.starts[part]
    size, d = value.shape[0], u.size
    total = pencil.frames.shape[1]
    moved = np.empty((size, size), dtype=np.complex128)
    for b in range(d + 1):
        if b == d:
            p, q, weight = total, total, -1.0 + 0j
        else:
            p, q, weight = pencil.first[b], pencil.second[b], pencil.weights[b]
        own = b < d and pencil.owners[b] == part and sign < 0
        for i in range(size):
            for j in range(size):
                ahead, back = 0j, 0j
                for t in range(used):
                    ahead += outer[0, t, i, p] * outer[1, t, j, q]
                    if p != q:
                        back += outer[0, t, i, q] * outer[1, t, j, p]
                moved[i, j] = sign * (weight * ahead + weight.conjugate() * back)
                if own:
                    ahead, back = 0j, 0j
                    for t in range(used):
                        ahead += left[t, i, p - low] * right_factors[t, q - low, j]
                        if p != q:
                            back += left[t, i, q - low] * right_factors[t, p - low, j]
                    moved[i, j] += weight * ahead + weight.conjugate() * back
        for a in range(d):
            if pencil.owners[a] != part:
                continue
            i, j, w = pencil.first[a] - low, pencil.second[a] - low, pencil.weights[a]
            projected = w.conjugate() * moved[i, j]
            if i != j:
                projected += w * moved[j, i]
            if b < d:
                system[a, b] = (1.0 if a == b else 0.0) - projected
            else:
                right[a, 1] = projected
    for a in range(d):
        if pencil.owners[a] != part:
            continue
        i, j, w = pencil.first[a] - low, pencil.second[a] - low, pencil.weights[a]
        projected = w.conjugate() * value[i, j]
        if i != j:
            projected += w * value[j, i]
        right[a, 0] = u[a] - projected


@compiled(error_model="numpy", inner=True)
def _workspace(pencil):
    most = 1
    for part in range(pencil.kinds.size):
        most = max(most, pencil.starts[part + 1] - pencil.starts[part])
    total = pencil.frames.shape[1]
    count = 2 + max(most, pencil.jumps.shape[1])
    return (
        np.zeros((count, most, most), dtype=np.complex128),
        np.zeros((count, most, most), dtype=np.complex128),
        np.zeros((2, count, most, total + 1), dtype=np.complex128),
        np.zeros((2, most, most), dtype=np.complex128),
    )


@compiled(error_model="numpy", inner=True)
def _hermitian_part(a):
    """Hermitian part of a matrix in place."""
    for i in range(a.shape[0]):
        for j in range(i + 1):
            value = (a[i, j] + a[j, i].conjugate()) / 2
            a[i, j], a[j, i] = value, value.conjugate()


@compiled(error_model="numpy", inner=True)
def _is_physical(z, u, du, n, rows, pencil, blur):
    """Whether Im M <= 0 and Im w >= 0, or M Hermitian and decreasing, w increasing, in z."""
    k = pencil.frames.shape[0]
    m = diagonal_block(rows.matrices[n], 0, k)
    h = np.empty((k, k), dtype=np.complex128)
    for i in range(k):
        for j in range(k):
            h[i, j] = (m[j, i].conjugate() - m[i, j]) / 2j
    size, extent = largest(m), largest(h)
    plane = extent > 1e-9 * size or z.imag > 0.0
    fall = h
    change = _block_energy(du, pencil)
    if plane:
        if not is_positive(h, max(1e-9 * extent, blur * size)):
            return False
    else:
        inner = product(product(pencil.frames, change), pencil.adjoint)
        put(inner, 0, -1.0, inner)
        inner[0, 0] += 1.0
        fall = product(product(m, inner), m)
        _hermitian_part(fall)
        if not is_positive(fall.copy(), max(1e-7, blur) * largest(fall)):
            return False
    sigma = _block_energy(u, pencil)
    for part in range(pencil.kinds.size):
        if pencil.kinds[part] != 0:
            continue
        low, high = pencil.starts[part], pencil.starts[part + 1]
        up = diagonal_block(rows.lifted[n], low, high)
        if plane:
            w = added(up, diagonal_block(sigma, low, high))
            rise = np.empty_like(w)
            for i in range(high - low):
                for j in range(high - low):
                    rise[i, j] = (w[i, j] - w[j, i].conjugate()) / 2j
            slack = max(1e-9, blur) * largest(w)
        else:
            whole = product(product(pencil.adjoint, fall), pencil.frames)
            inner = product(product(up, diagonal_block(whole, low, high)), up)
            rise = added(inner, diagonal_block(change, low, high))
            _hermitian_part(rise)
            slack = 1e-7 * largest(rise)
        if not is_positive(rise, slack):
            return False
    return True


@compiled(error_model="numpy")
def advance(mode, count, limit, active, z, pencil, rows, g, table, linear, found):
    """One Newton step at the points `active[:count]`; returns how many are still under way.

    Those that have arrived get their status, du/dz and M; for the others the first half of the next
    step is made, in the rows of their new places in `active`. In mode BEGIN only that first half is
    made; in mode LINEARISE only the second half, up to the linear equation, for every row.
    """
    work = _workspace(pencil)
    d = found.u.shape[1]
    left = np.int64(0)  # not the literal 0, for which numba compiles `_resolvent` once more
    for place in range(count):
        n = active[place]
        u = found.u[n]
        if mode == BEGIN:
            _resolvent(z[n], u, pencil, rows, place)
            continue
        slot = place if mode == LINEARISE else 0
        system, right, terms = linear.system[slot], linear.right[slot], linear.terms[slot]
        blur = _linear(u, place, rows, g, table, pencil, work, system, right, terms)
        if mode == LINEARISE:
            continue
        found.steps[n] += 1
        size, fine = 0.0, True
        for a in range(d):
            share = abs(right[a, 0]) / terms[a]
            fine = fine and share < np.inf
            size = max(size, share)
        fine = fine and eliminate(system, right)
        for a in range(d):
            fine = fine and abs(right[a, 0]) < np.inf and abs(right[a, 1]) < np.inf
        if not fine:
            found.status[n] = LOST
            continue
        found.stalls[n] = found.stalls[n] + 1 if size > found.best[n] / 2 else 0
        found.best[n] = min(found.best[n], size)
        rounding = min(4e-15 * (1.0 + blur), 1e-8)
        if size < 1e-15 or (found.stalls[n] > 0 and size < max(1e-12, rounding)):
            for a in range(d):
                found.du[n, a] = right[a, 1]
            put(found.m[n], 0, 1.0, rows.matrices[place])
            found.defects[n] = size
            good = _is_physical(z[n], u, found.du[n], place, rows, pencil, np.sqrt(rounding))
            found.status[n] = ARRIVED if good else REFUSED
            continue
        if found.stalls[n] > 6 or found.steps[n] >= limit:
            found.status[n] = LOST
            continue
        for a in range(d):
            u[a] -= right[a, 0]
        active[left] = n
        _resolvent(z[n], u, pencil, rows, left)
        left += 1
    return left
