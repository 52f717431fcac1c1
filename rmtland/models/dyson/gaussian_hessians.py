"""Hessians of the ensemble that a matrix Dyson equation speaks of, drawn and diagonalised.

Rows of W2 are N(0, Sigma), residuals have the covariance 2 epsilon C r; features, slopes, data and
curvatures are given. Parameters are in the order of `rmtland.networks`: W1 row by row, then W2.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rmtland.arguments import count
from rmtland.arrays import ArrayLibrary
from rmtland.models.dyson.of_network import times_root
from rmtland.spectrum import Spectrum
from rmtland.streams import seed_of, streams
from rmtland.typing import Real, Rng
from rmtland.version import installed_version

__all__ = ["drawn_hessian", "mean_eigenvalue", "sampled_eigenvalues", "sampled_spectrum"]


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
    def coupling(self) -> str: ...

    @property
    def second_layer(self) -> Real: ...

    @property
    def residual_weights(self) -> Real: ...

    @property
    def output_weights(self) -> Real | None: ...

    @property
    def curvatures(self) -> Real | None: ...

    @property
    def parameter_count(self) -> int: ...


def sampled_spectrum(
    model: GaussianHessian, n: int | None, *, rng: Rng = None, runs: int = 1
) -> Spectrum:
    """Draw matrices and return their eigenvalues.

    Parameters
    ----------
    model : DysonHessian
        Second moments and what is given.
    n : int or None
        Number of eigenvalues, which the model has already.
    rng : anything `numpy.random.default_rng` takes
        Seed or generator.
    runs : int
        Number of independent draws.

    Returns
    -------
    Spectrum
        Nodes of shape (runs, parameter_count).

    Raises
    ------
    ValueError
        If n is another number.
    MemoryError
        If a matrix would not fit into memory.
    """
    size = model.parameter_count
    if n is not None and count("n", n) != size:
        raise ValueError(
            f"a DysonHessian knows its first layer and data: it has {size} eigenvalues, not "
            f"{n}; leave n out, or draw a network of another size with PopulationHessian"
        )
    generators = streams(rng, count("runs", runs))
    return Spectrum(
        np.array([sampled_eigenvalues(model, generator) for generator in generators]),
        provenance={
            "source": "model",
            "model": type(model).__name__,
            "sizes": [model.x.shape[1], len(model.features), model.outputs, len(model.x)],
            "part": model.part_name,
            "epsilon": model.epsilon,
            "seed": seed_of(generators[0]),
            "rmtland": installed_version(),
        },
    )


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


def mean_eigenvalue(model: GaussianHessian) -> float:
    """Return the mean eigenvalue of the ensemble, exactly.

    Parameters
    ----------
    model : DysonHessian
        Second moments and what is given.

    Returns
    -------
    float
    """
    m = model.features.shape[1]
    total = 0.0
    if model.part_name != "residual":
        sigma = model.second_layer
        diagonal = sigma if sigma.ndim == 1 else np.diagonal(sigma)
        sizes = (model.x**2).sum(axis=1)
        total += model.outputs * float((model.features**2).sum()) / m
        total += model.outputs * float((diagonal @ model.slopes**2) @ sizes) / m
    if model.part_name != "gauss_newton" and model.curvatures is not None:
        total += float((model.curvatures @ (model.x**2).sum(axis=1)).sum()) / m
    return total / model.parameter_count


def drawn_hessian(
    model: GaussianHessian,
    generator: np.random.Generator,
    *,
    inputs: Real | None = None,
    apart: bool = False,
) -> Real:
    """Draw one matrix: H, H0 or H1, by `part_name`.

    Parameters
    ----------
    model, generator
        As for `sampled_eigenvalues`.
    inputs : ndarray, shape (n1, n0, m), optional
        Inputs that each unit sees, in coordinates of its own; the samples by default.
    apart : bool
        Whether every hidden unit has residuals of its own, and weights of the second layer that
        are independent of the others': the ensemble of coupling "units".

    Returns
    -------
    ndarray, shape (parameter_count, parameter_count)
    """
    (n1, m), n0, n2 = model.features.shape, model.x.shape[1], model.outputs
    sigma = model.second_layer
    if apart and sigma.ndim == 2:
        sigma = np.diagonal(sigma)
    second = times_root(sigma, generator.normal(size=(n1, n2))).T
    seen = model.x.T[None] if inputs is None else inputs
    rays = (model.slopes[:, None, :] * seen).reshape(n1 * n0, m)
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
        e = generator.normal(size=(n1 if apart else 1, n2, m))
        e = np.stack([_correlated(model, one) for one in e]) * (np.sqrt(2 * model.epsilon) / m)
        units = np.arange(n1)
        blocks = rays.reshape(n1, n0, m) @ e.swapaxes(1, 2)
        across[units, :, :, units] += blocks
        if model.curvatures is not None:
            diagonal = inner.reshape(n1, n0, n1, n0)
            for j, row in enumerate(model.curvatures):
                here = seen[0 if inputs is None else j]
                diagonal[j, :, j, :] += (here * (row / m)) @ here.T
    side = across.reshape(n1 * n0, n2 * n1)
    return np.block([[inner, side], [side.T, np.kron(np.eye(n2), outer)]])


def _correlated(model: GaussianHessian, e: Real) -> Real:
    """Give iid residuals, shape (n2, m), their covariance."""
    e = times_root(model.residual_weights, e.T).T
    return e if model.output_weights is None else times_root(model.output_weights, e)
