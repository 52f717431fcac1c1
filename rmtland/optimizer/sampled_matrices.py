"""Errors of a method on drawn matrices from drawn starts: what predictions are compared with.

Examples
--------
>>> from rmtland import WishartEnsemble
>>> from rmtland.optimizer.methods import GradientDescent
>>> errors = sampled_errors(WishartEnsemble(0.5), GradientDescent(0.6), 4, dimension=50, runs=10)
>>> errors.shape, bool((errors[:, 0] == 1).all())
((10, 5), True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import choice, count
from rmtland.laws import Law
from rmtland.optimizer.methods import Method, residual_polynomials
from rmtland.optimizer.start_measure import NEGATIVE, OBJECTIVES
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

if TYPE_CHECKING:
    from rmtland.comparison.drawable import Sampler

__all__ = ["sampled_errors"]


def sampled_errors(
    model: Sampler | Law,
    method: Method,
    steps: int,
    *,
    dimension: int,
    runs: int = 50,
    objective: str = "loss",
    rng: Rng = None,
) -> Real:
    """Run a method on drawn quadratics: matrices of a model, Gaussian displacements.

    Parameters
    ----------
    model : model or ensemble
        What has ``sample(n, rng=, runs=)``.
    method : Method
        The method.
    steps : int
        Number of steps.
    dimension : int
        Order of the matrices.
    runs : int, optional
        How many.
    objective : {"distance", "loss", "gradient"}, optional
        Which error.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    ndarray of float, shape (runs, steps + 1)
        Each in parts of that at its start; inf from where it overflows.

    Raises
    ------
    ValueError
        If a matrix has negative curvatures, or none above 0.
    TypeError
        If the model cannot be sampled.
    """
    if isinstance(model, Law) or not callable(getattr(model, "sample", None)):
        raise TypeError(
            f"{model} cannot be sampled: a model or an ensemble has matrices, a law has none"
        )
    k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
    size, many = count("steps", steps, min_value=0), count("runs", runs)
    generator = random_generator(rng)
    spectra = model.sample(count("dimension", dimension), rng=generator, runs=many)
    nodes = np.where(np.abs(spectra.nodes) > spectra.zero_tolerance, spectra.nodes, 0.0)
    if nodes.min() < -NEGATIVE * nodes.max() or not (nodes.max(axis=-1) > 0).all():
        raise ValueError(
            f"{model} has matrices with negative curvatures (down to {nodes.min():g}), or with "
            "none above 0: the error has no first value to fall from; take one of positive matrices"
        )
    nodes = np.maximum(nodes, 0.0)
    errors = np.empty((many, size + 1))
    for row, values in zip(errors, np.atleast_2d(nodes), strict=True):
        shares = generator.standard_normal(values.size) ** 2 * values ** float(k)
        with np.errstate(over="ignore", invalid="ignore"):
            left = residual_polynomials(method, values, size) ** 2 @ shares
            row[:] = left / left[0]  # 1 at the start, to the last digit
        row[np.isnan(row)] = np.inf
    return errors
