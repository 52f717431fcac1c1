"""Compiled self-energies of the variables of a pencil at one point, with their derivatives.

A derivative is a sum over t of L_t X' R_t: the kernels write the value, the L_t and the R_t, and
return how many there are. The plain reference are the methods `energy` of
`rmtland.free.operator_valued.pencil_parts`.

Examples
--------
A semicircle of variance 1/2: D = (1), m = (2), Sigma = 1/2 m.

>>> import numpy as np
>>> m = np.array([[2.0 + 0j]])
>>> value, left, right = np.zeros((1, 1), complex), *np.zeros((2, 2, 1, 1), complex)
>>> levy_terms(m, np.eye(1, dtype=complex), 0.5, np.zeros(0), np.zeros(0), value, left, right)
(1, 0.0)
>>> complex(value[0, 0])
(1+0j)
"""

from __future__ import annotations

import numpy as np

from rmtland.compiled import compiled
from rmtland.free.operator_valued.small_matrix_kernels import (
    added,
    inverse_of,
    largest,
    product,
    put,
    quotient,
)

__all__ = ["circular_terms", "law_terms", "levy_terms"]


@compiled(error_model="numpy")
def law_terms(w, core, core_inverse, zeta, g, table, vectors, inverses, value, left, right):
    """Sigma of a law into `value`, and its derivative in w, w' -> sum of left_t w' right_t.

    Returns the number of terms and the condition of the eigenvectors.

    With A = D^-1 w and h(t) = t - 1/G(t) the self-energy is w - F(w)^-1 = D h(A). For matrices of
    size 2, N = A - mean and N^2 = half^2, the derivative of h(A) in the direction E is
    E (even + odd N) + N E (odd + square N); larger ones use eigenvectors.
    """
    r = w.shape[0]
    if r == 1:
        value[0, 0] = core[0, 0] * (zeta[0] - quotient(1.0, g[0]))
        left[0, 0, 0], right[0, 0, 0] = 1.0, 1.0 + quotient(table[0, 0], g[0] * g[0])
        return 1, 1.0
    if r == 2:
        mean, half = (zeta[0] + zeta[1]) / 2, (zeta[0] - zeta[1]) / 2
        difference = 1.0 + quotient(table[0, 1], g[0] * g[1])
        first = 1.0 + quotient(table[0, 0], g[0] * g[0])
        last = 1.0 + quotient(table[1, 1], g[1] * g[1])
        scale = abs(zeta[0]) + abs(zeta[1])
        even, odd, square = (first + last + 2 * difference) / 4, 0j, 0j
        if abs(half) > 1e-8 * scale:
            odd = quotient(first - last, 4 * half)
        if abs(half) > 1e-5 * scale:
            square = quotient(first + last - 2 * difference, 4 * half * half)
        a = product(core_inverse, w)
        a[0, 0] -= mean
        a[1, 1] -= mean
        put(left[1], 0, 1.0, product(product(core, a), core_inverse))
        put(right[0], 0, odd, a)
        put(right[1], 0, square, a)
        put(a, 0, difference, a)
        middle = mean - (quotient(1.0, g[0]) + quotient(1.0, g[1])) / 2
        for i in range(2):
            a[i, i] += middle
            left[0, i, i] = 1.0
            right[0, i, i] += even
            right[1, i, i] += odd
        put(value, 0, 1.0, product(core, a))
        return 2, 1.0
    before, after = product(core, vectors), product(inverses, core_inverse)
    image = np.empty((r, r), dtype=np.complex128)
    for t in range(r):
        for i in range(r):
            image[t, i] = (zeta[t] - quotient(1.0, g[t])) * inverses[t, i]
            for j in range(r):
                left[t, i, j] = before[i, t] * after[t, j]
                total = 0j
                for c in range(r):
                    change = 1.0 + quotient(table[t, c], g[t] * g[c])
                    total += vectors[i, c] * change * inverses[c, j]
                right[t, i, j] = total
    put(value, 0, 1.0, product(before, image))
    return r, largest(vectors) * largest(inverses)


@compiled(error_model="numpy")
def levy_terms(x, core, variance, rates, jumps, value, left, right):
    """Sigma of a rational R-transform into `value`, and its derivative; returns the terms."""
    r = core.shape[0]
    put(left[0], 0, variance, core)
    put(right[0], 0, 1.0, core)
    put(value, 0, variance, product(product(core, x), core))
    used, blur = 1, 0.0
    for q in range(jumps.size):
        if rates[q] != 0.0:
            inner = product(x, core)
            put(inner, 0, -jumps[q], inner)
            for i in range(r):
                inner[i, i] += 1.0
            inverse = inverse_of(inner)
            ratio = product(core, inverse)
            blur = max(blur, largest(inner) * largest(inverse))
            for i in range(r):
                for j in range(r):
                    value[i, j] += rates[q] * jumps[q] * ratio[i, j]
            put(left[used], 0, rates[q] * jumps[q] ** 2, ratio)
            put(right[used], 0, 1.0, ratio)
            used += 1
    return used, blur


@compiled(error_model="numpy")
def circular_terms(x, core, variance, value, left, right):
    """Sigma of a circular variable into `value`, and its derivative; returns the terms."""
    adjoint = np.empty_like(core)
    for i in range(core.shape[0]):
        for j in range(core.shape[0]):
            adjoint[i, j] = core[j, i].conjugate()
    put(left[0], 0, variance, core)
    put(right[0], 0, 1.0, adjoint)
    put(left[1], 0, variance, adjoint)
    put(right[1], 0, 1.0, core)
    first = product(product(core, x), adjoint)
    second = product(product(adjoint, x), core)
    put(value, 0, variance, added(first, second))
    return 2
