r"""Determinants over pairs of parallel paths: what `FiniteSizeHessian` adds to the Dyson equation.

.. math:: \log\det (1 - \mathcal T)_{sym} - \log\det (1 - \mathcal T)_{anti}

for the ladder T of `rmtland.models.dyson.correction`, on matrices between the blocks a and s of the
equation (cooperon, maximally crossed diagrams).

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> w, x = rng.normal(size=(3, 3)), rng.normal(size=(9, 3))
>>> model = DysonHessian.of_first_layer(
...     w, x, outputs=3, epsilon=0.0, activation="relu", part="gauss_newton"
... )
>>> found = model.equation.fixed_point(30j, None, 1e-12)
>>> abs(parallel_paths(model.equation, 30j, found.blocks)) < 0.1  # nothing far away
True
"""

from __future__ import annotations

import numpy as np

from rmtland.models.dyson.blocks import BlockEquation, Blocks
from rmtland.typing import Complex, Integer, NumpyArray, Real

__all__ = ["parallel_paths"]

_TURN = 0.8  # largest change of phase between two steps that is trusted
_FINEST = 2.0**-12


def parallel_paths(
    equation: BlockEquation, z: complex, blocks: Blocks, *, with_phase: bool = True
) -> complex:
    """Return log det (1 - T) on symmetric matrices less that on antisymmetric ones.

    Parameters
    ----------
    equation, z, blocks
        A solved point.
    with_phase : bool
        Whether the imaginary part is continued from 0 at infinity, or known up to 2 pi only.
    """
    if not equation.has_outer:
        return _by_unit_residual(equation, z, blocks)
    n1, m = equation.features.shape
    (outer,) = blocks.outer
    inner = outer.energy_a
    turned = equation.features / np.sqrt(m)
    turned = turned / inner[:, None] if inner.ndim == 1 else np.linalg.solve(inner, turned)
    a, s = blocks.a, blocks.s
    across = s @ turned.T
    total = 0j
    if equation.by_unit and not equation.has_noise:
        samples = _pairs_of_samples(equation, z, blocks, s)
        for sign in (1, -1):
            t = equation.outputs * _sector(samples, m, m, sign)
            total += sign * _log_determinant(t, with_phase)
        return total
    samples = _pairs_of_samples(equation, z, blocks, np.eye(m))
    units, mixed = _pairs_with_noise(equation, z, blocks)
    back = mixed.transpose(1, 0, 3, 2)
    for sign in (1, -1):
        v = np.block(
            [
                [_sector(samples, m, m, sign), _sector(mixed, m, n1, sign)],
                [_sector(back, n1, m, sign), _sector(units, n1, n1, sign)],
            ]
        )
        k = np.block(
            [
                [_square(s, m, m, sign), _square(across, m, n1, sign)],
                [_square(across.T, n1, m, sign), _square(a, n1, n1, sign)],
            ]
        )
        total += sign * _log_determinant(equation.outputs * (k @ v), with_phase)
    return total


def _by_unit_residual(equation: BlockEquation, z: complex, blocks: Blocks) -> complex:
    """Return the same for H1, whose units are apart: pairs of unlike units cancel."""
    total = 0j
    diagonal = np.diagonal(blocks.a)
    for part in equation.inner_blocks(z, *blocks.start):
        gram = equation.gram[part.units]
        loops = np.sum(part.b @ gram @ part.b.swapaxes(1, 2) * gram, axis=(1, 2))
        total += complex(np.log1p(-equation.outputs * diagonal[part.units] ** 2 * loops).sum())
    return total


def _between(equation: BlockEquation, z: complex, blocks: Blocks) -> Complex:
    """D_j x^T M_b[j, l] x D_l for all pairs of units and of samples, shape (n1, m, n1, m)."""
    n1, m = equation.features.shape
    n0 = equation.x.shape[1]
    full = np.zeros((n1, m, n1, m), dtype=np.complex128)
    for part in equation.inner_blocks(z, *blocks.start):
        rays = equation.rays.of(part.units)
        if part.b.shape[1] == n0 and equation.by_unit:
            units = np.arange(n1)[part.units]
            full[units, :, units, :] = rays.swapaxes(1, 2) @ part.b @ rays
        else:
            wide = part.b.reshape(n1, n0, n1, n0)
            full[...] = np.einsum("jku,jklp,lpv->julv", rays, wide, rays, optimize=True)
    return full


def _pairs_of_samples(
    equation: BlockEquation, z: complex, blocks: Blocks, left: NumpyArray
) -> Complex:
    """Sum over entries of W2, shape (m, m, m, m): from w, t to u, v at [u, w, v, t].

    Each path is multiplied by a matrix from the left.
    """
    n1, m = equation.features.shape
    sigma = equation.second_layer
    if equation.by_unit:
        variances = sigma if sigma.ndim == 1 else np.diagonal(sigma)
        rows = []
        for part in equation.inner_blocks(z, *blocks.start):
            rays = equation.rays.of(part.units)
            one = left @ (rays.swapaxes(1, 2) @ part.b @ rays)
            rows.append((one * variances[part.units, None, None]).reshape(-1, m * m))
        paths = np.concatenate(rows) / m
        return np.asarray((paths.T @ paths).reshape(m, m, m, m))
    between = np.einsum("uw,jwlv->julv", left, _between(equation, z, blocks), optimize=True)
    weighted = _times_sigma(between, sigma)
    weighted = _times_sigma(weighted.transpose(2, 3, 0, 1), sigma).transpose(2, 3, 0, 1)
    paths = between.transpose(1, 3, 0, 2).reshape(m * m, n1 * n1)
    partners = weighted.transpose(0, 2, 1, 3).reshape(n1 * n1, m * m)
    return np.asarray((paths @ partners).reshape(m, m, m, m) / m**2)


def _pairs_with_noise(
    equation: BlockEquation, z: complex, blocks: Blocks
) -> tuple[Complex, Complex]:
    """Return sums over residuals: from units to units, and from samples to units (W2 too)."""
    n1, m = equation.features.shape
    between = _between(equation, z, blocks)
    noisy = _times_residuals(between, equation.variances)
    twice = _times_residuals(noisy.transpose(0, 2, 3, 1), equation.variances)
    units = twice.transpose(3, 2, 0, 1)
    left = between.transpose(0, 2, 1, 3).reshape(n1 * n1, m * m)
    paths = (left @ units.reshape(m * m, n1 * n1)).reshape(n1, n1, n1, n1) / m**4
    weighted = _times_sigma(noisy, equation.second_layer)
    left = between.transpose(1, 2, 0, 3).reshape(m * n1, n1 * m)
    right = weighted.transpose(0, 3, 1, 2).reshape(n1 * m, m * n1)
    mixed = (left @ right).reshape(m, n1, m, n1) / m**3
    return paths, mixed


def _times_sigma(array: Complex, sigma: Real) -> Complex:
    """Apply the covariance of W2 to the first index."""
    if sigma.ndim == 1:
        return np.asarray(array * sigma[:, None, None, None])
    return np.asarray(np.tensordot(sigma, array, axes=1))


def _times_residuals(array: Complex, variances: Real) -> Complex:
    """Apply the covariance of residuals to the last index."""
    return np.asarray(array * variances if variances.ndim == 1 else array @ variances)


def _pairs(size: int, sign: int) -> tuple[Integer, Integer]:
    return np.triu_indices(size, 0 if sign > 0 else 1)


def _folded(
    straight: Complex, crossed: Complex, columns: tuple[Integer, Integer], sign: int
) -> Complex:
    if sign < 0:
        return np.asarray(straight - crossed)
    return np.asarray((straight + crossed) * np.where(columns[0] == columns[1], 0.5, 1.0))


def _sector(array: Complex, rows: int, columns: int, sign: int) -> Complex:
    """Restrict [u, w, v, t], from (w, t) to (u, v), to (anti)symmetric matrices."""
    (u, v), (w, t) = _pairs(rows, sign), _pairs(columns, sign)
    u, v = u[:, None], v[:, None]
    return _folded(array[u, w, v, t], array[u, t, v, w], (w, t), sign)


def _square(left: Complex, rows: int, columns: int, sign: int) -> Complex:
    """Restrict Y -> left Y left^T to (anti)symmetric matrices."""
    (u, v), (w, t) = _pairs(rows, sign), _pairs(columns, sign)
    u, v = u[:, None], v[:, None]
    return _folded(left[u, w] * left[v, t], left[u, t] * left[v, w], (w, t), sign)


def _log_determinant(t: Complex, with_phase: bool) -> complex:
    """Return log det (1 - t), the phase followed along 1 - tau t from 0 where it is wanted."""
    one = np.eye(len(t))

    def at(tau: float) -> tuple[float, float]:
        sign, size = np.linalg.slogdet(one - tau * t)
        return float(np.angle(sign)), float(size)

    phase, size = at(1.0)
    if not with_phase:
        return complex(size, phase)
    tau, here, turned, step = 0.0, 0.0, 0.0, 0.25
    while tau < 1:
        step = min(step, 1 - tau)
        there = phase if tau + step == 1 else at(tau + step)[0]
        change = float(np.remainder(there - here + np.pi, 2 * np.pi) - np.pi)
        if abs(change) > _TURN and step > _FINEST:
            step /= 2
            continue
        tau, here, turned = tau + step, there, turned + change
        step *= 2 if abs(change) < _TURN / 4 else 1
    return complex(size, turned)
