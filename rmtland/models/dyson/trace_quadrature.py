r"""Gauss quadrature of spectral measures: complex symmetric matrices, finite sums of masses.

With the three-term recurrence of :math:`\langle P, Q \rangle = \operatorname{tr} P(A) Q(A)/n`
one has orthonormal polynomials of A; the eigenvalues of its Jacobi matrix are the nodes (Lanczos,
Golub and Welsch).

Examples
--------
>>> import numpy as np
>>> nodes, weights = gauss_rule(np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.25]), 2)
>>> nodes.round(6).tolist(), round(float(weights @ nodes**3), 12)
([0.292893, 1.707107], 2.5)
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import Complex, Real

__all__ = ["gauss_rule", "trace_quadrature"]


def trace_quadrature(a: Complex, nodes: int) -> tuple[Complex, Complex, list[Complex], Complex]:
    """Gauss quadrature of the spectral measure of a complex symmetric matrix.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        A.
    nodes : int
        Number of nodes; fewer where fewer are exact.

    Returns
    -------
    tuple
        Nodes and weights, with tr f(A)/n = sum of w_j f(a_j) for polynomials of degree below
        2 `nodes`; polynomials P_k(A), orthonormal in tr(P Q)/n; and the matrix (j, k) that turns
        values f(a_j) into coefficients, f(A) = sum over k of (sum over j of f_j c_jk) P_k.
    """
    n = len(a)
    diagonal: list[complex] = []
    off: list[complex] = []
    matrices = [np.eye(n, dtype=np.complex128)]
    scale = float(np.linalg.norm(a)) / np.sqrt(n)
    while True:
        here = matrices[-1]
        product = a @ here
        diagonal.append(complex(np.sum(product * here.T) / n))
        if len(diagonal) == nodes:
            break
        product -= diagonal[-1] * here
        if off:
            product -= off[-1] * matrices[-2]
        square = complex(np.sum(product * product.T) / n)
        if abs(square) <= (1e-7 * scale) ** 2:
            break
        off.append(complex(np.sqrt(square)))
        matrices.append(product / off[-1])
    jacobi = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    points, vectors = np.linalg.eig(jacobi)
    left = np.linalg.inv(vectors)
    return points, vectors[0] * left[:, 0], matrices, (vectors * left[:, 0]).T


def gauss_rule(places: Real, masses: Real, nodes: int) -> tuple[Real, Real]:
    """Gauss quadrature of point masses that are more than the nodes.

    Parameters
    ----------
    places, masses : ndarray, shape (k,)
        Distinct places, and masses that sum to 1.
    nodes : int
        Number of nodes, < k.

    Returns
    -------
    (ndarray, ndarray)
        Nodes and weights, exact for polynomials of degree below 2 `nodes`.
    """
    basis = np.zeros((nodes, places.size))
    basis[0] = np.sqrt(masses)
    jacobi = np.zeros((nodes, nodes))
    for k in range(nodes):
        step = places * basis[k]
        jacobi[k, k] = basis[k] @ step
        if k + 1 == nodes:
            break
        for _ in range(2):  # orthogonal to rounding
            step -= basis[: k + 1].T @ (basis[: k + 1] @ step)
        size = float(np.linalg.norm(step))
        jacobi[k, k + 1] = jacobi[k + 1, k] = size
        basis[k + 1] = step / size
    values, vectors = np.linalg.eigh(jacobi)
    return values, vectors[0] ** 2
