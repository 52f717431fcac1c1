"""Compiled Newton steps and continuation for the matrix Dyson equation in coordinates.

The unknown is S[M] = sum over a of u_a E_a, with M = (z P - A - S[M])^{-1} and u = phi(M), see
`rmtland.free.operator_valued.matrix_dyson`. Arrays E and Phi have the shape (r, k, k) where M is a
matrix and (r, k) where it is diagonal; P and A (k, k) or (k,) likewise. A point is accepted if its
defect is at rounding and M is on the physical sheet: Im M <= 0, or M Hermitian and decreasing in
z.
"""

from __future__ import annotations

import numpy as np

from rmtland.compiled import compiled

__all__ = ["copied", "eliminate", "follow", "is_positive"]

_NEWTON = 25
_DESCENTS = 400


@compiled(inner=True)
def eliminate(a, b):
    """Solve a x = b in place by Gaussian elimination; False where a is singular."""
    n, columns = b.shape
    for i in range(n):
        pivot, size = i, abs(a[i, i])
        for j in range(i + 1, n):
            if abs(a[j, i]) > size:
                pivot, size = j, abs(a[j, i])
        if not 0.0 < size < np.inf:
            return False
        if pivot != i:
            for j in range(n):
                a[i, j], a[pivot, j] = a[pivot, j], a[i, j]
            for j in range(columns):
                b[i, j], b[pivot, j] = b[pivot, j], b[i, j]
        inverse = 1.0 / a[i, i]
        for j in range(i + 1, n):
            factor = a[j, i] * inverse
            if factor != 0.0:
                for c in range(i + 1, n):
                    a[j, c] -= factor * a[i, c]
                for c in range(columns):
                    b[j, c] -= factor * b[i, c]
    for i in range(n - 1, -1, -1):
        inverse = 1.0 / a[i, i]
        for c in range(columns):
            value = b[i, c]
            for j in range(i + 1, n):
                value -= a[i, j] * b[j, c]
            b[i, c] = value * inverse
    return True


@compiled(inner=True)
def copied(source, target):
    """Write a vector into another; numba takes seconds to compile the error text of `b[:] = a`."""
    for i in range(target.size):
        target[i] = source[i]


@compiled(inner=True)
def is_positive(h, slack):
    """Whether the Hermitian matrix h + slack is positive semi-definite, by Cholesky in place."""
    n = h.shape[0]
    for i in range(n):
        pivot = h[i, i].real + slack
        for c in range(i):
            pivot -= abs(h[i, c]) ** 2
        if not pivot >= 0.0:
            return False
        root = np.sqrt(pivot) if pivot > 0.0 else 1e-300
        h[i, i] = root
        for j in range(i + 1, n):
            value = h[j, i]
            for c in range(i):
                value -= h[j, c] * np.conj(h[i, c])
            h[j, i] = value / root
    return True


@compiled(inner=True)
def _matrix_system(z, u, pencil, mean, basis, functionals, m, jacobian, defect, slope):
    """M, the defect u - phi(M), its Jacobian, and -phi(M P M), of a point; terms of the defect."""
    r, k = basis.shape[0], basis.shape[1]
    w = np.empty((k, k), dtype=np.complex128)
    for i in range(k):
        for j in range(k):
            value = z * pencil[i, j] - mean[i, j]
            for a in range(r):
                value -= u[a] * basis[a, i, j]
            w[i, j] = value
            m[i, j] = 1.0 if i == j else 0.0
    if not eliminate(w, m):
        return np.inf
    product = np.empty((k, k), dtype=np.complex128)
    moved = np.empty((k, k), dtype=np.complex128)
    for b in range(r + 1):
        for i in range(k):
            for j in range(k):
                value = 0j
                for c in range(k):
                    value += m[i, c] * (basis[b, c, j] if b < r else pencil[c, j])
                product[i, j] = value
        for i in range(k):
            for j in range(k):
                value = 0j
                for c in range(k):
                    value += product[i, c] * m[c, j]
                moved[i, j] = value
        for a in range(r):
            value = 0j
            for i in range(k):
                for j in range(k):
                    value += functionals[a, i, j] * moved[i, j]
            if b < r:
                jacobian[a, b] = (1.0 if a == b else 0.0) - value
            else:
                slope[a] = -value
    terms = 0.0
    for a in range(r):
        value, size = 0j, abs(u[a])
        for i in range(k):
            for j in range(k):
                value += functionals[a, i, j] * m[i, j]
                size += abs(functionals[a, i, j] * m[i, j])
        defect[a] = u[a] - value
        terms = max(terms, size)
    return terms


@compiled(inner=True)
def _diagonal_system(z, u, pencil, mean, basis, functionals, m, jacobian, defect, slope):
    """`_matrix_system` for diagonal matrices, stored as vectors."""
    r, k = basis.shape
    for i in range(k):
        value = z * pencil[i] - mean[i]
        for a in range(r):
            value -= u[a] * basis[a, i]
        if not 0.0 < abs(value) < np.inf:
            return np.inf
        m[i] = 1.0 / value
    terms = 0.0
    for a in range(r):
        value, derivative, size = 0j, 0j, abs(u[a])
        for b in range(r):
            jacobian[a, b] = 1.0 if a == b else 0.0
        for i in range(k):
            weight = functionals[a, i]
            if weight != 0.0:
                value += weight * m[i]
                size += abs(weight * m[i])
                square = weight * m[i] * m[i]
                derivative += square * pencil[i]
                for b in range(r):
                    jacobian[a, b] -= square * basis[b, i]
        defect[a] = u[a] - value
        slope[a] = -derivative
        terms = max(terms, size)
    return terms


@compiled(inner=True)
def _matrix_physical(z, u, du, pencil, basis, m, blur):
    k = m.shape[0]
    h = np.empty((k, k), dtype=np.complex128)
    size, imaginary = 0.0, 0.0
    for i in range(k):
        for j in range(k):
            h[i, j] = (np.conj(m[j, i]) - m[i, j]) / 2j  # -Im M
            size = max(size, abs(m[i, j]))
            imaginary = max(imaginary, abs(h[i, j]))
    if imaginary > 1e-9 * size or z.imag > 0.0:
        return is_positive(h, max(1e-9 * imaginary, blur * size))
    # M Hermitian: -dM/dz = M (P - sum u' E) M must be positive.
    half = np.empty((k, k), dtype=np.complex128)
    for i in range(k):
        for j in range(k):
            value = 0j
            for c in range(k):
                inner = pencil[c, j]
                for a in range(u.size):
                    inner -= du[a] * basis[a, c, j]
                value += m[i, c] * inner
            half[i, j] = value
    largest = 0.0
    for i in range(k):
        for j in range(k):
            value = 0j
            for c in range(k):
                value += half[i, c] * m[c, j]
            h[i, j] = value
            largest = max(largest, abs(value))
    return is_positive(h, max(1e-7, blur) * largest)


@compiled(inner=True)
def _diagonal_physical(z, u, du, pencil, basis, m, blur):
    size, imaginary, highest = 0.0, 0.0, -np.inf
    for i in range(m.size):
        size = max(size, abs(m[i]))
        imaginary = max(imaginary, abs(m[i].imag))
        highest = max(highest, m[i].imag)
    if imaginary > 1e-9 * size or z.imag > 0.0:
        return highest <= max(1e-9 * imaginary, blur * size)
    least, most = np.inf, 0.0
    for i in range(m.size):
        value = pencil[i] + 0j
        for a in range(u.size):
            value -= du[a] * basis[a, i]
        slope = (m[i] * m[i] * value).real
        least, most = min(least, slope), max(most, abs(slope))
    return least >= -max(1e-7, blur) * most


@compiled(inner=True)
def _newton(z, u, du, pencil, mean, basis, functionals, m, scale, limit):
    """Newton's method at one point, in place: (accepted, steps, size of the relative defect).

    `du` becomes the derivative of u in z.
    """
    r = u.size
    jacobian = np.empty((r, r), dtype=np.complex128)
    defect = np.empty(r, dtype=np.complex128)
    slope = np.empty(r, dtype=np.complex128)
    right = np.empty((r, 2), dtype=np.complex128)
    best, stalls = np.inf, 0
    for step in range(limit):
        if basis.ndim == 3:
            terms = _matrix_system(
                z, u, pencil, mean, basis, functionals, m, jacobian, defect, slope
            )
        else:
            terms = _diagonal_system(
                z, u, pencil, mean, basis, functionals, m, jacobian, defect, slope
            )
        if not terms < np.inf:
            return False, step, np.inf
        size = 0.0
        for a in range(r):
            size = max(size, abs(defect[a]))
            right[a, 0] = defect[a]
            right[a, 1] = slope[a]
        size /= max(terms, 1e-300)
        if not eliminate(jacobian, right):
            return False, step, np.inf
        stalls = stalls + 1 if size > best / 2 else 0
        best = min(best, size)
        largest = 0.0
        for entry in m.flat:
            largest = max(largest, abs(entry))
        # Rounding of the inverse is large in a band that is narrow and far from 0, and beside an
        # edge where M and its inverse are unbounded.
        lifted = scale
        for a in range(r):
            lifted = max(lifted, abs(u[a]))
        rounding = min(1e-15 * (1.0 + largest * lifted), 1e-8)
        if size < 1e-15 or (stalls and size < max(1e-12, rounding)):
            for a in range(r):
                du[a] = right[a, 1]
            blur = np.sqrt(rounding)  # of a double root, at an edge: both signs of Im M meet there
            if basis.ndim == 3:
                return _matrix_physical(z, u, right[:, 1], pencil, basis, m, blur), step, size
            return _diagonal_physical(z, u, right[:, 1], pencil, basis, m, blur), step, size
        if stalls > 6:
            return False, step, size
        for a in range(r):
            u[a] -= right[a, 0]
    return False, limit, best


@compiled()
def follow(z, top, top_height, pencil, mean, basis, functionals):
    """Solve at the points z in their order: from the neighbour, or downwards from `top_height`.

    Parameters
    ----------
    z : ndarray of complex, shape (n,)
        Points of the closed upper half-plane.
    top : ndarray of complex, shape (r,)
        Solution at the height above 0.
    top_height : float
        That height.
    pencil, mean, basis, functionals : ndarray
        The equation, see the module.

    Returns
    -------
    (u, M, accepted, steps, defect)
        Coordinates (n, r), matrices (n, k, k) or (n, k), whether each point was accepted, Newton
        steps, relative defect.
    """
    n, r = z.size, top.size
    # Numba compiles a callee anew for each constant it is given: these are no constants to it.
    few, some, many = np.int64(8), np.int64(12), np.int64(_NEWTON)
    values = np.empty((n, r), dtype=np.complex128)
    slopes = np.zeros((n, r), dtype=np.complex128)
    matrices = np.empty((n, *mean.shape), dtype=np.complex128)
    accepted = np.zeros(n, dtype=np.bool_)
    steps = np.zeros(n, dtype=np.int64)
    defects = np.full(n, np.inf)
    for i in range(n):
        m = matrices[i]
        u = values[i]
        if i and accepted[i - 1]:
            # Along the tangent where that is a small step, else from the neighbour itself
            size, change = 0.0, 0.0
            for a in range(r):
                u[a] = values[i - 1, a] + slopes[i - 1, a] * (z[i] - z[i - 1])
                size = max(size, abs(values[i - 1, a]))
                change = max(change, abs(u[a] - values[i - 1, a]))
            fine = False
            if change < 0.2 * size:
                fine, count, defect = _newton(
                    z[i], u, slopes[i], pencil, mean, basis, functionals, m, top_height, few
                )
                steps[i] += count
            if not fine:
                copied(values[i - 1], u)
                fine, count, defect = _newton(
                    z[i], u, slopes[i], pencil, mean, basis, functionals, m, top_height, some
                )
                steps[i] += count
            if fine:
                accepted[i], defects[i] = True, defect
                continue
        # Sideways at the top in steps that Newton follows, then down in shrinking steps.
        good = top.copy()
        place = 1j * top_height
        target = z[i].real + 1j * max(top_height, z[i].imag)
        for phase in range(2):
            goal = target if phase == 0 else z[i]
            share, gate = 1.0, 1e-7 * top_height
            for _ in range(_DESCENTS):
                if place == goal:
                    break
                last = False
                if phase == 0:
                    trial = place + share * (goal - place)
                    if share >= 1.0:
                        trial = goal
                else:
                    # The height falls by a factor; close to the goal the rest is tried at once.
                    rest = place.imag - goal.imag
                    height = goal.imag + rest * (1.0 - 0.9 * share)
                    last = rest < gate
                    if last:
                        height = goal.imag
                    trial = goal.real + 1j * height
                copied(good, u)
                fine, count, defect = _newton(
                    trial, u, slopes[i], pencil, mean, basis, functionals, m, top_height, many
                )
                steps[i] += count
                if fine:
                    copied(u, good)
                    place = trial
                    defects[i] = defect
                    share = min(1.0, 2.0 * share)
                elif last:
                    gate *= 1e-2
                    if rest < 1e-20 * abs(goal.real) + 1e-30 * top_height:
                        break
                else:
                    share /= 2
                    if share < 1e-6:
                        break
            if place != goal:
                break
        copied(good, u)
        accepted[i] = place == z[i]
        if not accepted[i] or defects[i] == np.inf:
            accepted[i], count, defects[i] = _newton(
                z[i], u, slopes[i], pencil, mean, basis, functionals, m, top_height, many
            )
    return values, matrices, accepted, steps, defects
