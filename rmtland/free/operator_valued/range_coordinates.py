r"""Coordinates of the range of a covariance S: the unknowns of a matrix Dyson equation.

S[M] of all M that the equation can reach lies in a space of r Hermitian matrices E_a,

.. math:: S[M] = \sum_a E_a \sum_{pq} \Phi_{a, pq} M_{pq} ,

often with r far below k^2. The space is found from S of a few resolvents, and its coordinates are
entries of S[M] themselves.

Examples
--------
A profile of variances with two kinds of rows, the second twice the first:

>>> import numpy as np
>>> basis, functionals = profile_coordinates(np.array([[1.0, 3.0], [2.0, 6.0]]))
>>> basis.real.tolist(), functionals.real.tolist()
([[1.0, 2.0]], [[1.0, 3.0]])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import qr

from rmtland.free.operator_valued.small_matrices import inverse_or_nan
from rmtland.typing import Complex, NumpyArray, Real

__all__ = ["profile_coordinates", "range_coordinates"]

_PROBES = 6
_RANK = 1e-11


def range_coordinates(
    self_energy: Callable[[NumpyArray], NumpyArray],
    matrix: Callable[[Complex], Complex],
    size: int,
    scale: float,
) -> tuple[Complex, Complex]:
    """Return E and Phi for any covariance.

    Parameters
    ----------
    self_energy : callable
        S of matrices, shape (n, k, k).
    matrix : callable
        Of points, shape (n,): z P' - A with an invertible P', shape (n, k, k).
    size : int
        k.
    scale : float
        Size of the random matrix.

    Returns
    -------
    (ndarray, ndarray), each of shape (r, k, k)
        E, each Hermitian, and Phi.
    """
    k = size
    rng = np.random.default_rng(20)
    basis: Complex = np.zeros((0, k, k), dtype=np.complex128)
    while True:
        z = (scale * (rng.normal(size=_PROBES) + 1j * (1 + rng.random(_PROBES)))).astype(
            np.complex128
        )
        share = rng.normal(size=(_PROBES, len(basis))) * scale
        shift = np.tensordot(share.astype(np.complex128), basis, axes=1)
        energy = self_energy(inverse_or_nan(matrix(z) - shift))
        adjoint = energy.conj().swapaxes(-1, -2)
        parts = np.concatenate([basis, (energy + adjoint) / 2, (energy - adjoint) / 2j])
        # Unit size each, so that the rank is a question of direction.
        norms = np.linalg.norm(parts.reshape(len(parts), -1), axis=1)
        parts = parts[norms > 0] / norms[norms > 0, None, None]
        if not len(parts):
            break
        flat = np.concatenate([parts.real, parts.imag], axis=1).reshape(len(parts), -1)
        _, values, right = np.linalg.svd(flat, full_matrices=False)
        found = right[values > _RANK * values[0]].reshape(-1, 2 * k, k)
        grown = len(found) > len(basis)
        basis = found[:, :k] + 1j * found[:, k:]
        # A direction of little size is Hermitian to few digits; the rest is no direction.
        basis = (basis + basis.conj().swapaxes(-1, -2)) / 2
        if not grown:
            break
    if not len(basis):
        return basis, basis
    # Entries of S[M] themselves as coordinates: quantities of different size do not mix.
    flat = np.concatenate([basis.real, basis.imag], axis=1).reshape(len(basis), -1)
    pivots = qr(flat, mode="r", pivoting=True)[1][: len(basis)]
    flat = np.linalg.solve(flat[:, pivots], flat)
    flat[np.abs(flat) < 1e-12] = 0.0
    parts = flat.reshape(-1, 2 * k, k)
    units = np.eye(k * k, dtype=np.complex128).reshape(k * k, k, k)
    images = np.moveaxis(self_energy(units).reshape(k, k, k, k), (2, 3), (0, 1))
    functionals = np.zeros((len(basis), k, k), dtype=np.complex128)
    for a, (i, j) in enumerate(zip(pivots // k, pivots % k, strict=True)):
        if i < k:
            functionals[a] = (images[i, j] + images[j, i]) / 2
        else:
            functionals[a] = (images[i - k, j] - images[j, i - k]) / 2j
    return parts[:, :k] + 1j * parts[:, k:], functionals


def profile_coordinates(profile: Real) -> tuple[Complex, Complex]:
    """Return E and Phi for a profile: one coordinate for rows that are multiples of each other.

    Parameters
    ----------
    profile : ndarray of float, shape (k, k)
        Variances.

    Returns
    -------
    (ndarray, ndarray), each of shape (r, k)
        Diagonals of E and of Phi.
    """
    basis: list[Real] = []
    rows: list[Real] = []
    for i, row in enumerate(profile):
        if not row.any():
            continue
        for e, known in zip(basis, rows, strict=True):
            factor = float(row.max() / known.max())
            if np.allclose(row, factor * known, rtol=1e-15, atol=0):
                e[i] = factor
                break
        else:
            basis.append(np.eye(len(profile))[i])
            rows.append(row)
    shape = (len(rows), len(profile))
    return (
        np.array(basis, dtype=np.complex128).reshape(shape),
        np.array(rows, dtype=np.complex128).reshape(shape),
    )
