"""Compiled kernels of Jacobi matrices: their coefficients from point masses, and Gauss quadrature.

The formulas stand in `rmtland.ensembles.krylov_quadrature` (rotations of Gragg and Harwood;
implicit QL of Golub and Welsch).
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.compiled import compiled

__all__ = ["coefficients_of", "golub_welsch"]

# Sums may be taken in any order, which lets the compiler use vector instructions.
_jit = compiled(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})


@_jit
def coefficients_of(nodes, weights, alpha, beta):
    """Jacobi coefficients of point masses by plane rotations, one mass after the other."""
    steps = min(alpha.size, nodes.size)
    place = np.zeros(steps)
    square = np.zeros(steps)
    for m in range(nodes.size):
        x, pn = nodes[m], weights[m]
        gamma, sigma, t = 1.0, 0.0, 0.0
        last = min(m, steps - 1)
        if m < steps:
            place[m] = x
        for k in range(last + 1):
            rho = square[k] + pn
            kept = gamma * rho
            before = sigma
            if rho <= 0.0:
                gamma, sigma = 1.0, 0.0
            else:
                gamma, sigma = square[k] / rho, pn / rho
            shift = sigma * (place[k] - x) - gamma * t
            place[k] -= shift - t
            t = shift
            pn = before * square[k] if sigma <= 0.0 else t * t / sigma
            square[k] = kept
    for k in range(steps):
        alpha[k] = place[k]
        if k + 1 < steps:
            beta[k] = math.sqrt(square[k + 1])


@_jit
def golub_welsch(nodes, beta, weights):
    """Eigenvalues, in place of the diagonals, and squared first components by implicit QL.

    A row ends at its first off-diagonal zero. Returns whether all converged.
    """
    runs, steps = nodes.shape
    off = np.empty(steps)
    for run in range(runs):
        d, z = nodes[run], weights[run]
        size = 1
        while size < steps and beta[run, size - 1] > 0.0:
            off[size - 1] = beta[run, size - 1]
            size += 1
        off[size - 1] = 0.0
        z[0] = 1.0
        for low in range(size):
            for sweep in range(61):
                high = low
                while high < size - 1:
                    if abs(off[high]) <= 1.1e-16 * (abs(d[high]) + abs(d[high + 1])):
                        break
                    high += 1
                if high == low:
                    break
                if sweep == 60:
                    return False
                g = (d[low + 1] - d[low]) / (2.0 * off[low])
                r = math.hypot(g, 1.0)
                g = d[high] - d[low] + off[low] / (g + math.copysign(r, g))
                s, c, p = 1.0, 1.0, 0.0
                early = False
                for i in range(high - 1, low - 1, -1):
                    f, b = s * off[i], c * off[i]
                    r = math.hypot(f, g)
                    off[i + 1] = r
                    if r == 0.0:
                        d[i + 1] -= p
                        off[high] = 0.0
                        early = True
                        break
                    s, c = f / r, g / r
                    g = d[i + 1] - p
                    r = (d[i] - g) * s + 2.0 * c * b
                    p = s * r
                    d[i + 1] = g + p
                    g = c * r - b
                    f = z[i + 1]
                    z[i + 1] = s * z[i] + c * f
                    z[i] = c * z[i] - s * f
                if early:
                    continue
                d[low] -= p
                off[low] = g
                off[high] = 0.0
        for i in range(size):
            z[i] *= z[i]
    return True
