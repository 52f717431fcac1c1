"""Hessians of the ensemble that a matrix Dyson equation speaks of, drawn and diagonalised.

Rows of W2 are N(0, Sigma), residuals have the covariance 2 epsilon C r; features, slopes, data and
bends are given. Parameters are in the order of `rmtland.networks`: W1 row by row, then W2.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.models.dyson.of_network import times_root
from rmtland.typing import Real

__all__ = ["drawn_hessian", "sampled_eigenvalues"]


class GaussianHessian(Protocol):
    """What is needed of a model: the fields of `DysonHessian`."""

    @property
    def features(self) -> Real: ...

    @property
    def slopes(self) -> Real: ...

    @property
    def x(self) -> Real: ...

    @property
    def outputs(self) -> int: ...

    @property
    def epsilon(self) -> float: ...

    @property
    def part_name(self) -> str: ...

    @property
    def second_layer(self) -> Any: ...

    @property
    def residual_weights(self) -> Any: ...

    @property
    def output_weights(self) -> Any: ...

    @property
    def bends(self) -> Any: ...

    @property
    def parameter_count(self) -> int: ...


def sampled_eigenvalues(model: GaussianHessian, generator: np.random.Generator) -> Real:
    """Draw one matrix and return its eigenvalues, ascending.

    Parameters
    ----------
    model : DysonHessian
        Second moments and what is given.
    generator : numpy.random.Generator
        For W2 and residuals.

    Returns
    -------
    ndarray, shape (parameter_count,)

    Raises
    ------
    MemoryError
        If the matrix would not fit into memory.
    """
    needed, free = 5 * 8 * model.parameter_count**2, ArrayLibrary.of().free_memory()
    if needed > free:
        raise MemoryError(
            f"a matrix of {model.parameter_count} parameters takes about {needed / 2**30:.1f} GiB "
            f"with its eigenvalues, {free / 2**30:.1f} GiB are free; take a narrower network"
        )
    return np.asarray(np.linalg.eigvalsh(drawn_hessian(model, generator)), dtype=np.float64)


def drawn_hessian(model: GaussianHessian, generator: np.random.Generator) -> Real:
    """Draw one matrix: H, H0 or H1, by `part_name`.

    Parameters
    ----------
    model, generator
        As for `sampled_eigenvalues`.

    Returns
    -------
    ndarray, shape (parameter_count, parameter_count)
    """
    (n1, m), n0, n2 = model.features.shape, model.x.shape[1], model.outputs
    second = times_root(model.second_layer, generator.normal(size=(n1, n2))).T
    e = generator.normal(size=(n2, m))
    rays = (model.slopes[:, None, :] * model.x.T[None]).reshape(n1 * n0, m)
    inner = np.zeros((n1 * n0, n1 * n0))
    across = np.zeros((n1, n0, n2, n1))
    outer = np.zeros((n1, n1))
    if model.part_name != "residual":
        squares = (second.T @ second)[:, None, :, None]
        inner += (squares * (rays @ rays.T / m).reshape(n1, n0, n1, n0)).reshape(inner.shape)
        mixed = (rays @ model.features.T / m).reshape(n1, n0, 1, n1)
        across += second.T[:, None, :, None] * mixed
        outer += model.features @ model.features.T / m
    if model.part_name != "gauss_newton":
        e = times_root(model.residual_weights, e.T).T
        if model.output_weights is not None:
            e = times_root(model.output_weights, e)
        units = np.arange(n1)
        blocks = (rays @ (e.T * np.sqrt(2 * model.epsilon) / m)).reshape(n1, n0, n2)
        across[units, :, :, units] += blocks
        if model.bends is not None:
            diagonal = inner.reshape(n1, n0, n1, n0)
            for j, row in enumerate(model.bends):
                diagonal[j, :, j, :] += (model.x.T * (row / m)) @ model.x
    side = across.reshape(n1 * n0, n2 * n1)
    return np.block([[inner, side], [side.T, np.kron(np.eye(n2), outer)]])
