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
    adjoint = frames.conj().T.copy()
    for n in range(z.size):
        sigma = np.zeros((r, r), dtype=np.complex128)
        for a in range(u.shape[1]):
            for i in range(r):
                for j in range(r):
                    if basis[a, i, j] != 0.0:
                        sigma[i, j] += u[n, a] * basis[a, i, j]
        w = -constant - _product(_product(frames, sigma), adjoint)
        w[0, 0] += z[n]
        if not _inverted(w, m[n]):
            m[n] = np.nan
        x[n] = _product(_product(adjoint, m[n]), frames)
        for part in range(kinds.size):
            if kinds[part] != 0:
                continue
            low, high = starts[part], starts[part + 1]
            block = x[n, low:high, low:high].copy()
            inverse = np.empty_like(block)
            if not _inverted(block, inverse):
                inverse[:] = np.nan
            lifted[n, low:high, low:high] = inverse
            a = _product(cores_inverse[low:high, low:high], inverse + sigma[low:high, low:high])
            if high - low == 1:
                zeta[n, low] = a[0, 0]
            else:
                mean = (a[0, 0] + a[1, 1]) / 2
                half = (a[0, 0] - a[1, 1]) / 2
                root = np.sqrt(half * half + a[0, 1] * a[1, 0])
                zeta[n, low], zeta[n, low + 1] = mean + root, mean - root


@compiled(error_model="numpy")
def _law_block(x, lifted, sigma, core, core_inverse, zeta, g, slope, difference):
    """Sigma of a law, w, and what its derivative needs: F^-1, D^-1 and coefficients of f(A)."""
    r = core.shape[0]
    w = lifted + sigma
    a = _product(core_inverse, w)
    value = np.zeros((r, r), dtype=np.complex128)
    if r == 1:
        value[0, 0] = g[0]
    else:
        mean, g_mean = (zeta[0] + zeta[1]) / 2, (g[0] + g[1]) / 2
        for i in range(2):
            for j in range(2):
                value[i, j] = difference * a[i, j]
            value[i, i] += g_mean - difference * mean
    back = np.empty((r, r), dtype=np.complex128)
    if not _inverted(_product(value, core_inverse), back):
        back[:] = np.nan
    return w, a, back


@compiled(error_model="numpy")
def _of_w(dw, a, back, core_inverse, zeta, slope, difference):
    """Differentiate w - F(w)^-1 in the direction dw."""
    r = dw.shape[0]
    move = _product(core_inverse, dw)
    if r == 1:
        inner = slope[0] * move
    else:
        # with N = A - mean and N^2 = half^2, eigenprojections are (1 +- N/half)/2
        mean, half = (zeta[0] + zeta[1]) / 2, (zeta[0] - zeta[1]) / 2
        nilpotent = a.copy()
        nilpotent[0, 0] -= mean
        nilpotent[1, 1] -= mean
        even = (slope[0] + slope[1] + 2 * difference) / 4
        odd, square = 0j, 0j
        scale = abs(zeta[0]) + abs(zeta[1])
        if abs(half) > 1e-8 * scale:
            odd = (slope[0] - slope[1]) / (4 * half)
        if abs(half) > 1e-5 * scale:
            square = (slope[0] + slope[1] - 2 * difference) / (4 * half * half)
        left = _product(nilpotent, move)
        inner = (
            even * move
            + odd * (left + _product(move, nilpotent))
            + square * _product(left, nilpotent)
        )
    inner = _product(inner, core_inverse)
    return dw + _product(_product(back, inner), back)


@compiled(error_model="numpy")
def _largest(a):
    total = 0.0
    for value in a.flat:
        total += value.real * value.real + value.imag * value.imag
    return np.sqrt(total)


@compiled(error_model="numpy")
def linearised(
    u, m, x, lifted, zeta, g, slope, differences, frames, basis, starts, owners, kinds, cores,
    cores_inverse, variances, rates, jumps, jacobian, defect, change, terms, moves,
):  # fmt: skip
    """Fill the defect (n, d), its Jacobian, minus its slope in z, its terms, and both solutions."""
    k, r = frames.shape
    d = u.shape[1]
    adjoint = frames.conj().T.copy()
    for n in range(u.shape[0]):
        sigma = np.zeros((r, r), dtype=np.complex128)
        for a in range(d):
            for i in range(r):
                for j in range(r):
                    if basis[a, i, j] != 0.0:
                        sigma[i, j] += u[n, a] * basis[a, i, j]
        left = np.zeros(r, dtype=np.complex128)
        right = np.zeros(r, dtype=np.complex128)
        for i in range(r):
            for c in range(k):
                left[i] += adjoint[i, c] * m[n, c, 0]
                right[i] += m[n, 0, c] * frames[c, i]
        for part in range(kinds.size):
            low, high = starts[part], starts[part + 1]
            size = high - low
            block = x[n, low:high, low:high].copy()
            own = sigma[low:high, low:high].copy()
            core = cores[low:high, low:high].copy()
            core_adjoint = core.conj().T.copy()
            core_inverse = cores_inverse[low:high, low:high].copy()
            up = lifted[n, low:high, low:high].copy()
            w, a_matrix, back = block, block, block
            points, values, slopes = zeta[n, low:high], g[n, low:high], slope[n, low:high]
            difference = differences[n, part]
            ratios = np.zeros((jumps.shape[1], size, size), dtype=np.complex128)
            if kinds[part] == 0:
                w, a_matrix, back = _law_block(
                    block, up, own, core, core_inverse, points, values, slopes, difference
                )
                value = w - back
            elif kinds[part] == 1:
                value = variances[part] * _product(_product(core, block), core)
                for q in range(jumps.shape[1]):
                    if rates[part, q] != 0.0:
                        inner = -jumps[part, q] * _product(block, core)
                        for i in range(size):
                            inner[i, i] += 1.0
                        inverse = np.empty_like(inner)
                        if not _inverted(inner, inverse):
                            inverse[:] = np.nan
                        ratios[q] = _product(core, inverse)
                        value = value + rates[part, q] * jumps[part, q] * ratios[q]
            else:
                value = variances[part] * (
                    _product(_product(core, block), core_adjoint)
                    + _product(_product(core_adjoint, block), core)
                )
            weight = _largest(value) + _largest(own)
            if kinds[part] == 0:
                weight += _largest(w)
            for b in range(d + 1):
                dm = np.zeros((size, size), dtype=np.complex128)
                if b < d:
                    first, last = starts[owners[b]], starts[owners[b] + 1]
                    for i in range(size):
                        for p in range(first, last):
                            for q in range(first, last):
                                if basis[b, p, q] != 0.0:
                                    factor = x[n, low + i, p] * basis[b, p, q]
                                    for j in range(size):
                                        dm[i, j] += factor * x[n, q, low + j]
                else:
                    for i in range(size):
                        for j in range(size):
                            dm[i, j] = -left[low + i] * right[low + j]
                if kinds[part] == 0:
                    dw = -_product(_product(up, dm), up)
                    if b < d and owners[b] == part:
                        dw = dw + basis[b, low:high, low:high]
                    moved = _of_w(dw, a_matrix, back, core_inverse, points, slopes, difference)
                elif kinds[part] == 1:
                    moved = variances[part] * _product(_product(core, dm), core)
                    for q in range(jumps.shape[1]):
                        if rates[part, q] != 0.0:
                            moved = moved + rates[part, q] * jumps[part, q] ** 2 * _product(
                                _product(ratios[q], dm), ratios[q]
                            )
                else:
                    moved = variances[part] * (
                        _product(_product(core, dm), core_adjoint)
                        + _product(_product(core_adjoint, dm), core)
                    )
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
        work = jacobian[n].copy()
        for a in range(d):
            moves[n, a, 0] = defect[n, a]
            moves[n, a, 1] = change[n, a]
        if not eliminate(work, moves[n]):
            moves[n] = np.nan
