"""Compiled Newton steps for linear pencils in free variables.

The frames V_j of all parts stand side by side in V, shape (k, R); coordinates u belong to Hermitian
matrices B_a, shape (R, R), that live in the diagonal block of their part. A step has two halves,
between which the laws of the variables are evaluated at the eigenvalues of D^-1 w:

- `resolvents` gives M, X = V* M V, the inverse of its blocks and these eigenvalues;
- `linearised` gives the defect, its derivatives and the Newton step.

Blocks of laws are of size 1 or 2 (larger ones take the plain route of
`rmtland.free.operator_valued.free_pencil`, which is the reference); others may have any size. Kinds
of parts: 0 a law, 1 a rational R-transform, 2 a circular variable.
"""

from __future__ import annotations

import numpy as np

from rmtland.compiled import compiled
from rmtland.free.operator_valued.matrix_dyson_kernels import eliminate

__all__ = ["linearised", "resolvents"]


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


# Arrays are filled by loops and by these two functions: whole-array assignments (`b[:] = a`) make
# numba compile the text of the error for shapes that differ, which takes seconds.
@compiled(error_model="numpy")
def _put(factor, a, out):
    """Write factor * a into `out`."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = factor * a[i, j]


@compiled(error_model="numpy")
def _fill(value, out):
    """Write a number into every entry of `out`."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = value


@compiled(error_model="numpy")
def _adjoint(a):
    n, p = a.shape
    out = np.empty((p, n), dtype=np.complex128)
    for i in range(p):
        for j in range(n):
            out[i, j] = np.conj(a[j, i])
    return out


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
def resolvents(z, u, constant, frames, basis, starts, kinds, cores_inverse, m, x, lifted, zeta):
    """Fill M (n, k, k), X (n, R, R), inverses of its blocks and eigenvalues of D^-1 w (n, R)."""
    r = frames.shape[1]
    adjoint = _adjoint(frames)
    for n in range(z.size):
        sigma = np.zeros((r, r), dtype=np.complex128)
        for a in range(u.shape[1]):
            for i in range(r):
                for j in range(r):
                    if basis[a, i, j] != 0.0:
                        sigma[i, j] += u[n, a] * basis[a, i, j]
        w = _product(_product(frames, sigma), adjoint)
        for i in range(w.shape[0]):
            for j in range(w.shape[0]):
                w[i, j] = -constant[i, j] - w[i, j]
        w[0, 0] += z[n]
        if not _inverted(w, m[n]):
            _fill(np.nan, m[n])
        _put(1.0, _product(_product(adjoint, m[n]), frames), x[n])
        for part in range(kinds.size):
            if kinds[part] != 0:
                continue
            low, high = starts[part], starts[part + 1]
            inverse = np.empty((high - low, high - low), dtype=np.complex128)
            block = np.empty((high - low, high - low), dtype=np.complex128)
            _put(1.0, x[n, low:high, low:high], block)
            if not _inverted(block, inverse):
                _fill(np.nan, inverse)
            for i in range(high - low):
                for j in range(high - low):
                    lifted[n, low + i, low + j] = inverse[i, j]
                    inverse[i, j] += sigma[low + i, low + j]
            a = _product(cores_inverse[low:high, low:high], inverse)
            if high - low == 1:
                zeta[n, low] = a[0, 0]
            else:
                mean = (a[0, 0] + a[1, 1]) / 2
                half = (a[0, 0] - a[1, 1]) / 2
                root = np.sqrt(half * half + a[0, 1] * a[1, 0])
                zeta[n, low], zeta[n, low + 1] = mean + root, mean - root


@compiled(error_model="numpy")
def _law_terms(x, up, own, core_inverse, zeta, g, slope, difference, value, left, right):
    """Sigma of a law into `value`, and its derivative X -> sum of left_t X right_t; returns w.

    With A = D^-1 w, N = A - mean and N^2 = half^2 the derivative of f(A) in the direction E is
    E (even + odd N) + N E (odd + square N); w - F(w)^-1 has D in front and behind.
    """
    r = own.shape[0]
    w = np.empty((r, r), dtype=np.complex128)
    for i in range(r):
        for j in range(r):
            w[i, j] = up[i, j] + own[i, j]
    a = _product(core_inverse, w)
    f = np.zeros((r, r), dtype=np.complex128)
    even, odd, square = slope[0], 0j, 0j
    if r == 1:
        f[0, 0] = g[0]
        a[0, 0] = 0.0
    else:
        mean, half = (zeta[0] + zeta[1]) / 2, (zeta[0] - zeta[1]) / 2
        a[0, 0] -= mean
        a[1, 1] -= mean
        _put(difference, a, f)
        f[0, 0] += (g[0] + g[1]) / 2
        f[1, 1] += (g[0] + g[1]) / 2
        even = (slope[0] + slope[1] + 2 * difference) / 4
        scale = abs(zeta[0]) + abs(zeta[1])
        if abs(half) > 1e-8 * scale:
            odd = (slope[0] - slope[1]) / (4 * half)
        if abs(half) > 1e-5 * scale:
            square = (slope[0] + slope[1] - 2 * difference) / (4 * half * half)
    back = np.empty((r, r), dtype=np.complex128)
    if not _inverted(_product(f, core_inverse), back):
        _fill(np.nan, back)
    for i in range(r):
        for j in range(r):
            value[i, j] = w[i, j] - back[i, j]
    before, after = _product(back, core_inverse), _product(core_inverse, back)
    first, second = np.empty((r, r), dtype=np.complex128), np.empty((r, r), dtype=np.complex128)
    _put(odd, a, first)
    _put(square, a, second)
    for i in range(r):
        left[0, i, i], right[0, i, i] = 1.0, 1.0
        first[i, i] += even
        second[i, i] += odd
    _put(1.0, before, left[1])
    _put(1.0, _product(first, after), right[1])
    _put(1.0, _product(_product(back, a), core_inverse), left[2])
    _put(1.0, _product(second, after), right[2])
    return w


@compiled(error_model="numpy")
def _levy_terms(x, core, variance, rates, jumps, value, left, right):
    """Sigma of a rational R-transform into `value`, and its derivative."""
    r = core.shape[0]
    _put(variance, core, left[0])
    _put(1.0, core, right[0])
    _put(variance, _product(_product(core, x), core), value)
    inverse = np.empty((r, r), dtype=np.complex128)
    for q in range(jumps.size):
        if rates[q] != 0.0:
            inner = _product(x, core)
            _put(-jumps[q], inner, inner)
            for i in range(r):
                inner[i, i] += 1.0
            if not _inverted(inner, inverse):
                _fill(np.nan, inverse)
            ratio = _product(core, inverse)
            for i in range(r):
                for j in range(r):
                    value[i, j] += rates[q] * jumps[q] * ratio[i, j]
            _put(rates[q] * jumps[q] ** 2, ratio, left[1 + q])
            _put(1.0, ratio, right[1 + q])


@compiled(error_model="numpy")
def _largest(a):
    total = 0.0
    for value in a.flat:
        total += value.real * value.real + value.imag * value.imag
    return np.sqrt(total)


@compiled(error_model="numpy")
def _sandwiched(left, inner, right, work, out):
    """Add left @ inner @ right to `out`."""
    r = inner.shape[0]
    for i in range(r):
        for j in range(r):
            total = 0j
            for c in range(r):
                total += left[i, c] * inner[c, j]
            work[i, j] = total
    for i in range(r):
        for j in range(r):
            total = 0j
            for c in range(r):
                total += work[i, c] * right[c, j]
            out[i, j] += total


@compiled(error_model="numpy")
def linearised(
    u, m, x, lifted, zeta, g, slope, differences, frames, basis, starts, owners, kinds, cores,
    cores_inverse, variances, rates, jumps, jacobian, defect, change, terms, moves,
):  # fmt: skip
    """Fill the defect (n, d), its Jacobian, minus its slope in z, its terms, and both solutions."""
    k, r = frames.shape
    d = u.shape[1]
    most = 0
    for part in range(kinds.size):
        most = max(most, starts[part + 1] - starts[part])
    count = max(3, 1 + jumps.shape[1])
    lefts = np.empty((count, most, most), dtype=np.complex128)
    rights = np.empty((count, most, most), dtype=np.complex128)
    buffers = np.empty((5, most, most), dtype=np.complex128)
    sigma = np.empty((r, r), dtype=np.complex128)
    column = np.empty(r, dtype=np.complex128)
    row = np.empty(r, dtype=np.complex128)
    system = np.empty((d, d), dtype=np.complex128)
    for n in range(u.shape[0]):
        _fill(0.0, sigma)
        for a in range(d):
            for i in range(starts[owners[a]], starts[owners[a] + 1]):
                for j in range(starts[owners[a]], starts[owners[a] + 1]):
                    sigma[i, j] += u[n, a] * basis[a, i, j]
        for i in range(r):
            column[i], row[i] = 0.0, 0.0
            for c in range(k):
                column[i] += np.conj(frames[c, i]) * m[n, c, 0]
                row[i] += m[n, 0, c] * frames[c, i]
        for part in range(kinds.size):
            low, high = starts[part], starts[part + 1]
            size = high - low
            left, right = lefts[:, :size, :size], rights[:, :size, :size]
            for t in range(count):
                _fill(0.0, left[t])
                _fill(0.0, right[t])
            value, dm = buffers[0, :size, :size], buffers[1, :size, :size]
            moved, work = buffers[2, :size, :size], buffers[3, :size, :size]
            block, own = x[n, low:high, low:high], sigma[low:high, low:high]
            core = cores[low:high, low:high]
            up = lifted[n, low:high, low:high]
            used = 2
            weight = _largest(own)
            if kinds[part] == 0:
                used = 3
                w = _law_terms(
                    block, up, own, cores_inverse[low:high, low:high], zeta[n, low:high],
                    g[n, low:high], slope[n, low:high], differences[n, part], value, left, right,
                )  # fmt: skip
                weight += _largest(w)
            elif kinds[part] == 1:
                used = 1 + jumps.shape[1]
                _levy_terms(
                    block, core, variances[part], rates[part], jumps[part], value, left, right
                )
            else:
                adjoint = _adjoint(core)
                _put(variances[part], core, left[0])
                _put(1.0, adjoint, right[0])
                _put(variances[part], adjoint, left[1])
                _put(1.0, core, right[1])
                _fill(0.0, value)
                for t in range(2):
                    _sandwiched(left[t], block, right[t], work, value)
            weight += _largest(value)
            for b in range(d + 1):
                _fill(0.0, dm)
                if b < d:
                    first, last = starts[owners[b]], starts[owners[b] + 1]
                    for p in range(first, last):
                        for q in range(first, last):
                            if basis[b, p, q] != 0.0:
                                for i in range(size):
                                    factor = x[n, low + i, p] * basis[b, p, q]
                                    for j in range(size):
                                        dm[i, j] += factor * x[n, q, low + j]
                else:
                    for i in range(size):
                        for j in range(size):
                            dm[i, j] = -column[low + i] * row[low + j]
                if kinds[part] == 0:  # dw = -m^-1 dm m^-1 + dSigma
                    _fill(0.0, moved)
                    _sandwiched(up, dm, up, work, moved)
                    for i in range(size):
                        for j in range(size):
                            dm[i, j] = -moved[i, j]
                            if b < d and owners[b] == part:
                                dm[i, j] += basis[b, low + i, low + j]
                _fill(0.0, moved)
                for t in range(used):
                    _sandwiched(left[t], dm, right[t], work, moved)
                for a in range(d):
                    if owners[a] != part:
                        continue
                    total = 0j
                    for i in range(size):
                        for j in range(size):
                            total += np.conj(basis[a, low + i, low + j]) * moved[i, j]
                    if b < d:
                        jacobian[n, a, b] = (1.0 if a == b else 0.0) - total
                    else:
                        change[n, a] = total
            for a in range(d):
                if owners[a] != part:
                    continue
                total = 0j
                for i in range(size):
                    for j in range(size):
                        total += np.conj(basis[a, low + i, low + j]) * value[i, j]
                defect[n, a] = u[n, a] - total
                terms[n, a] = weight
        for a in range(d):
            moves[n, a, 0] = defect[n, a]
            moves[n, a, 1] = change[n, a]
            for b in range(d):
                system[a, b] = jacobian[n, a, b]
        if not eliminate(system, moves[n]):
            _fill(np.nan, moves[n])
