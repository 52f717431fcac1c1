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

__all__ = ["ARRIVED", "BEGIN", "LINEARISE", "LOST", "REFUSED", "STEP", "advance", "divided"]

BEGIN, STEP, LINEARISE = 0, 1, 2
ARRIVED, REFUSED, LOST = 1, 2, 3
_NEAR = 3e-4  # eigenvalues closer than that, relative to G/G', are nearly one


@compiled(error_model="numpy")
def _inverted(a, out):
    """Inverse of a small matrix into `out`; False where it is singular."""
    r = a.shape[0]
    if r == 1:
        out[0, 0] = 1.0 / a[0, 0]
        return abs(a[0, 0]) > 0.0
    if r == 2:
        det = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
        if not abs(det) > 0.0:
            return False
        out[0, 0], out[1, 1] = a[1, 1] / det, a[0, 0] / det
        out[0, 1], out[1, 0] = -a[0, 1] / det, -a[1, 0] / det
        return True
    work = a.copy()
    for i in range(r):
        for j in range(r):
            out[i, j] = 1.0 if i == j else 0.0
    return eliminate(work, out)


@compiled(error_model="numpy")
def _product(a, b):
    n, inner, p = a.shape[0], a.shape[1], b.shape[1]
    out = np.zeros((n, p), dtype=np.complex128)
    for i in range(n):
        for c in range(inner):
            value = a[i, c]
            if value != 0.0:
                for j in range(p):
                    out[i, j] += value * b[c, j]
    return out


@compiled(error_model="numpy")
def _block(a, low, high):
    """Copy of a diagonal block."""
    out = np.empty((high - low, high - low), dtype=np.complex128)
    for i in range(high - low):
        for j in range(high - low):
            out[i, j] = a[low + i, low + j]
    return out


@compiled(error_model="numpy")
def _put(out, low, factor, a):
    """Write a matrix times a factor into the block that starts at `low`."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[low + i, low + j] = factor * a[i, j]


@compiled(error_model="numpy")
def _spoil(out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.nan


@compiled(error_model="numpy")
def _inverse(a):
    """Inverse of a small matrix, NaN where it is singular."""
    out = np.empty_like(a)
    if not _inverted(a, out):
        _spoil(out)
    return out


@compiled(error_model="numpy")
def _largest(a):
    """Largest modulus of an entry, to a factor of root 2; NaN where one is not finite."""
    total, spoilt = 0.0, 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            size = max(abs(a[i, j].real), abs(a[i, j].imag))
            total = max(total, size)
            spoilt += size
    return total if spoilt < np.inf else np.nan


@compiled(error_model="numpy")
def _block_energy(u, pencil):
    total = pencil.frames.shape[1]
    sigma = np.zeros((total, total), dtype=np.complex128)
    for a in range(u.size):
        p, q, w = pencil.first[a], pencil.second[a], pencil.weights[a]
        sigma[p, q] += w * u[a]
        if p != q:
            sigma[q, p] += w.conjugate() * u[a]
    return sigma


@compiled(error_model="numpy")
def _resolvent(z, u, pencil, rows, n):
    """First half of a step at one point, into row n; blocks of size 3 and more leave D^-1 w."""
    sigma = _block_energy(u, pencil)
    w = _product(_product(pencil.frames, sigma), pencil.adjoint)
    for i in range(w.shape[0]):
        for j in range(w.shape[0]):
            w[i, j] = -pencil.constant[i, j] - w[i, j]
    w[0, 0] += z
    rows.extents[n] = _largest(w)
    m = _inverse(w)
    _put(rows.matrices[n], 0, 1.0, m)
    x = _product(_product(pencil.adjoint, m), pencil.frames)
    _put(rows.inner[n], 0, 1.0, x)
    for part in range(pencil.kinds.size):
        if pencil.kinds[part] != 0:
            continue
        low, high = pencil.starts[part], pencil.starts[part + 1]
        inverse = _inverse(_block(x, low, high))
        _put(rows.lifted[n], low, 1.0, inverse)
        _put(sigma, low, 1.0, _sum(inverse, _block(sigma, low, high)))
        a = _product(_block(pencil.cores_inverse, low, high), _block(sigma, low, high))
        if high - low == 1:
            rows.zeta[n, low] = a[0, 0]
        elif high - low == 2:
            mean = (a[0, 0] + a[1, 1]) / 2
            half = (a[0, 0] - a[1, 1]) / 2
            root = np.sqrt(half * half + a[0, 1] * a[1, 0])
            rows.zeta[n, low], rows.zeta[n, low + 1] = mean + root, mean - root
        else:
            _put(rows.vectors[n], low, 1.0, a)


@compiled(error_model="numpy")
def _sum(a, b):
    out = np.empty_like(a)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = a[i, j] + b[i, j]
    return out


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
                        value = (g[n, i] - g[n, j]) / gap
                    elif gap != 0.0:
                        near[found, 0], near[found, 1], near[found, 2] = n, i, j
                        found += 1
                    table[n, i, j] = value
                    table[n, j, i] = value
    return found


@compiled(error_model="numpy")
def _law_terms(w, core, core_inverse, zeta, g, table, vectors, inverses, value, left, right):
    """Sigma of a law into `value`, and its derivative in w, w' -> sum of left_t w' right_t.

    Returns the number of terms and the condition of the eigenvectors.

    With A = D^-1 w and h(t) = t - 1/G(t) the self-energy is w - F(w)^-1 = D h(A). For matrices of
    size 2, N = A - mean and N^2 = half^2, the derivative of h(A) in the direction E is
    E (even + odd N) + N E (odd + square N); larger ones use eigenvectors.
    """
    r = w.shape[0]
    if r == 1:
        value[0, 0] = core[0, 0] * (zeta[0] - 1.0 / g[0])
        left[0, 0, 0], right[0, 0, 0] = 1.0, 1.0 + table[0, 0] / (g[0] * g[0])
        return 1, 1.0
    if r == 2:
        mean, half = (zeta[0] + zeta[1]) / 2, (zeta[0] - zeta[1]) / 2
        difference = 1.0 + table[0, 1] / (g[0] * g[1])
        first = 1.0 + table[0, 0] / (g[0] * g[0])
        last = 1.0 + table[1, 1] / (g[1] * g[1])
        scale = abs(zeta[0]) + abs(zeta[1])
        even, odd, square = (first + last + 2 * difference) / 4, 0j, 0j
        if abs(half) > 1e-8 * scale:
            odd = (first - last) / (4 * half)
        if abs(half) > 1e-5 * scale:
            square = (first + last - 2 * difference) / (4 * half * half)
        a = _product(core_inverse, w)
        a[0, 0] -= mean
        a[1, 1] -= mean
        _put(left[1], 0, 1.0, _product(_product(core, a), core_inverse))
        _put(right[0], 0, odd, a)
        _put(right[1], 0, square, a)
        _put(a, 0, difference, a)
        middle = mean - (1.0 / g[0] + 1.0 / g[1]) / 2
        for i in range(2):
            a[i, i] += middle
            left[0, i, i] = 1.0
            right[0, i, i] += even
            right[1, i, i] += odd
        _put(value, 0, 1.0, _product(core, a))
        return 2, 1.0
    before, after = _product(core, vectors), _product(inverses, core_inverse)
    image = np.empty((r, r), dtype=np.complex128)
    for t in range(r):
        for i in range(r):
            image[t, i] = (zeta[t] - 1.0 / g[t]) * inverses[t, i]
            for j in range(r):
                left[t, i, j] = before[i, t] * after[t, j]
                total = 0j
                for c in range(r):
                    change = 1.0 + table[t, c] / (g[t] * g[c])
                    total += vectors[i, c] * change * inverses[c, j]
                right[t, i, j] = total
    _put(value, 0, 1.0, _product(before, image))
    return r, _largest(vectors) * _largest(inverses)


@compiled(error_model="numpy")
def _levy_terms(x, core, variance, rates, jumps, value, left, right):
    """Sigma of a rational R-transform into `value`, and its derivative; returns the terms."""
    r = core.shape[0]
    _put(left[0], 0, variance, core)
    _put(right[0], 0, 1.0, core)
    _put(value, 0, variance, _product(_product(core, x), core))
    used, blur = 1, 0.0
    for q in range(jumps.size):
        if rates[q] != 0.0:
            inner = _product(x, core)
            _put(inner, 0, -jumps[q], inner)
            for i in range(r):
                inner[i, i] += 1.0
            inverse = _inverse(inner)
            ratio = _product(core, inverse)
            blur = max(blur, _largest(inner) * _largest(inverse))
            for i in range(r):
                for j in range(r):
                    value[i, j] += rates[q] * jumps[q] * ratio[i, j]
            _put(left[used], 0, rates[q] * jumps[q] ** 2, ratio)
            _put(right[used], 0, 1.0, ratio)
            used += 1
    return used, blur


@compiled(error_model="numpy")
def _linear(u, n, rows, g, table, pencil, work, system, right, terms):
    """Jacobian and both right sides (defect, minus its slope in z) at one point.

    Returns the rounding of the equation, relative to its terms, in units of the last place.
    """
    lefts, rights, outer, inner = work
    total, d = pencil.frames.shape[1], u.size
    k = pencil.frames.shape[0]
    sigma = _block_energy(u, pencil)
    x = rows.inner[n]
    blur = _largest(rows.matrices[n]) * rows.extents[n]
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
        block, own = _block(x, low, high), _block(sigma, low, high)
        core, up = _block(pencil.cores, low, high), _block(rows.lifted[n], low, high)
        sign = 1.0
        weight = _largest(own)
        if pencil.kinds[part] == 0:
            sign = -1.0
            w = _sum(up, own)
            used, rounding = _law_terms(
                w,
                core,
                _block(pencil.cores_inverse, low, high),
                rows.zeta[n, low:high],
                g[n, low:high],
                _block(table[n], low, high),
                _block(rows.vectors[n], low, high),
                _block(rows.inverses[n], low, high),
                value,
                left,
                right_factors,
            )
            weight += _largest(w)
            # Rounding of w, which is large where Sigma has a pole, times the derivative there
            condition = _largest(block) * _largest(up)
            steep = 0.0
            for t in range(used):
                steep += _largest(left[t]) * _largest(right_factors[t])
            lost = _largest(own) + _largest(up) * (1.0 + condition)
            blur = max(blur, rounding, steep * lost / max(weight, 1e-300))
        elif pencil.kinds[part] == 1:
            used, rounding = _levy_terms(
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
            used = 2
            adjoint = np.empty_like(core)
            for i in range(size):
                for j in range(size):
                    adjoint[i, j] = core[j, i].conjugate()
            variance = pencil.variances[part]
            _put(left[0], 0, variance, core)
            _put(right_factors[0], 0, 1.0, adjoint)
            _put(left[1], 0, variance, adjoint)
            _put(right_factors[1], 0, 1.0, core)
            first = _product(_product(core, block), adjoint)
            second = _product(_product(adjoint, block), core)
            _put(value, 0, variance, _sum(first, second))
        weight += _largest(value)
        # the terms in X, with the rest of X on either side of them
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
        _entries(u, part, used, sign, value, left, right_factors, outer, pencil, system, right)
        for a in range(d):
            if pencil.owners[a] == part:
                terms[a] = weight
    return blur


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
def _hermitian_part(a):
    """Hermitian part of a matrix in place."""
    for i in range(a.shape[0]):
        for j in range(i + 1):
            value = (a[i, j] + a[j, i].conjugate()) / 2
            a[i, j], a[j, i] = value, value.conjugate()


@compiled(error_model="numpy")
def _is_physical(z, u, du, n, rows, pencil, blur):
    """Whether Im M <= 0 and Im w >= 0, or M Hermitian and decreasing, w increasing, in z."""
    k = pencil.frames.shape[0]
    m = _block(rows.matrices[n], 0, k)
    h = np.empty((k, k), dtype=np.complex128)
    for i in range(k):
        for j in range(k):
            h[i, j] = (m[j, i].conjugate() - m[i, j]) / 2j
    size, extent = _largest(m), _largest(h)
    plane = extent > 1e-9 * size or z.imag > 0.0
    fall = h
    change = _block_energy(du, pencil)
    if plane:
        if not is_positive(h, max(1e-9 * extent, blur * size)):
            return False
    else:
        inner = _product(_product(pencil.frames, change), pencil.adjoint)
        _put(inner, 0, -1.0, inner)
        inner[0, 0] += 1.0
        fall = _product(_product(m, inner), m)
        _hermitian_part(fall)
        if not is_positive(fall.copy(), max(1e-7, blur) * _largest(fall)):
            return False
    sigma = _block_energy(u, pencil)
    for part in range(pencil.kinds.size):
        if pencil.kinds[part] != 0:
            continue
        low, high = pencil.starts[part], pencil.starts[part + 1]
        up = _block(rows.lifted[n], low, high)
        if plane:
            w = _sum(up, _block(sigma, low, high))
            rise = np.empty_like(w)
            for i in range(high - low):
                for j in range(high - low):
                    rise[i, j] = (w[i, j] - w[j, i].conjugate()) / 2j
            slack = max(1e-9, blur) * _largest(w)
        else:
            whole = _product(_product(pencil.adjoint, fall), pencil.frames)
            inner = _product(_product(up, _block(whole, low, high)), up)
            rise = _sum(inner, _block(change, low, high))
            _hermitian_part(rise)
            slack = 1e-7 * _largest(rise)
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
            _put(found.m[n], 0, 1.0, rows.matrices[place])
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
