"""Matrices and networks that statements draw from a seed: the quantities of their settings.

>>> gaussian_matrix(0, 2, 3).shape
(2, 3)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmtland.networks import MLP, LossPoint
from rmtland.typing import Real, Record

__all__ = [
    "gaussian_matrix",
    "loss_point",
    "symmetric_matrix",
    "wide_problem",
    "with_singular_values",
]


def gaussian_matrix(seed: int, rows: int, columns: int, *, stream: int = 0) -> Real:
    """Return a matrix of independent N(0, 1) entries.

    Parameters
    ----------
    seed : int
        Of the entries.
    rows, columns : int
        Shape.
    stream : int
        Several matrices of one seed have different ones.

    Returns
    -------
    ndarray, shape (rows, columns)
        The entries.
    """
    return np.random.default_rng((seed, stream)).standard_normal((rows, columns))


def symmetric_matrix(seed: int, size: int) -> Real:
    """Return a symmetric Gaussian matrix with eigenvalues of order 1.

    Parameters
    ----------
    seed : int
        Of the entries.
    size : int
        Rows.

    Returns
    -------
    ndarray, shape (size, size)
        The entries.
    """
    A = gaussian_matrix(seed, size, size)
    return np.asarray((A + A.T) / np.sqrt(2 * size))


def with_singular_values(seed: int, rows: int, columns: int, values: Real) -> Real:
    """Return a matrix of random singular vectors and given singular values.

    Parameters
    ----------
    seed : int
        Of the vectors.
    rows, columns : int
        Shape.
    values : ndarray, shape (min(rows, columns),)
        Singular values.

    Returns
    -------
    ndarray, shape (rows, columns)
        The entries.
    """
    left = np.linalg.qr(gaussian_matrix(seed, rows, rows, stream=1))[0]
    right = np.linalg.qr(gaussian_matrix(seed, columns, columns, stream=2))[0]
    k = len(values)
    return np.asarray((left[:, :k] * values) @ right[:, :k].T)


def loss_point(
    seed: int, widths: tuple[int, ...], samples: int, activation: str = "tanh", **options: Any
) -> LossPoint:
    """Return a network with Gaussian weights and data.

    Parameters
    ----------
    seed : int
        Of weights and data.
    widths : tuple of int
        From inputs to outputs.
    samples : int
        Rows of the data.
    activation : str
        f.
    **options
        Of `MLP`.

    Returns
    -------
    LossPoint
        The network on its data.
    """
    net = MLP(widths, activation, **options)
    x = gaussian_matrix(seed, samples, widths[0], stream=3)
    y = gaussian_matrix(seed, samples, widths[-1], stream=4)
    return net.at(net.init(rng=seed), x, y)


def wide_problem(samples: int, more: int, seed: int) -> Record:
    """Return a linearised problem with a full-rank Jacobian and no fewer parameters than samples.

    Parameters
    ----------
    samples : int
        m.
    more : int
        p - m >= 0.
    seed : int
        Of the matrices.

    Returns
    -------
    dict
        "J" (m x p), residuals "r", "p", a "null" vector of J, and the nearest solution "step".
    """
    p = samples + more
    J = with_singular_values(seed, samples, p, np.geomspace(0.5, 2.0, samples))
    r = gaussian_matrix(seed, 1, samples, stream=5)[0]
    null = gaussian_matrix(seed, 1, p, stream=6)[0]
    null = null - np.linalg.pinv(J) @ (J @ null)
    return {"J": J, "r": r, "p": p, "null": null, "step": -np.linalg.pinv(J) @ r}
