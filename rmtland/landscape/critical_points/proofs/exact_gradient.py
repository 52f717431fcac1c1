r"""The gradient of the loss, enclosed at any precision.

Forward and backward pass with matrices of balls (`flint.arb_mat`) of 128 bits: the enclosure of a
gradient of size 1e-14, which double precision cannot tell from 0, has a radius of 1e-30 or so.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 3, 1), bias=True, loss="logistic", weight_decay=0.1)
>>> x, y, theta = np.eye(2), np.array([[1.0], [0.0]]), net.init(rng=0)
>>> enclosed = exact_gradient(Problem(net, x, y), theta)
>>> bool((abs(enclosed.mid - net.at(theta, x, y).gradient) < 1e-15).all())
True
>>> float(enclosed.rad.max()) < 1e-16
True
"""

from __future__ import annotations

from rmtland.landscape.critical_points.proofs.ball_array import BallArray
from rmtland.landscape.critical_points.proofs.ball_functions import (
    Ball,
    Matrix,
    flint,
    output_derivatives,
    precision,
    smooth_function,
    to_ball_array,
)
from rmtland.landscape.critical_points.proofs.statement import Problem
from rmtland.typing import Real

__all__ = ["exact_gradient"]

BITS = 128


def exact_gradient(problem: Problem, theta: Real, *, bits: int = BITS) -> BallArray:
    """Enclose the gradient at a point given in double precision.

    Parameters
    ----------
    problem : Problem
        Network and data.
    theta : ndarray, shape (p,)
        The point, taken exactly.
    bits : int, optional
        Precision of the midpoints.

    Returns
    -------
    BallArray, shape (p,)
        Rounded to double precision at the end, the rounding in the radius.
    """
    with precision(bits):
        return to_ball_array(_gradient(problem, theta), theta.shape)


def _gradient(problem: Problem, theta: Real) -> list[Ball]:
    matrix, net, m = flint().arb_mat, problem.net, problem.samples
    f = smooth_function(problem.activation)
    weights = _weights(problem, theta)
    ones = matrix(m, 1, [1] * m)
    inputs = [matrix(*problem.x.shape, problem.x.ravel().tolist())]
    slopes: list[list[Ball]] = []
    for (weight, bias), width in zip(weights, net.widths[1:], strict=True):
        z = inputs[-1] * weight.transpose()
        if bias is not None:
            z += ones * bias
        if len(slopes) == net.depth - 1:
            break  # the last layer is linear
        triples = [f(entry) for entry in z.entries()]
        inputs.append(matrix(m, width, [value for value, _, _ in triples]))
        slopes.append([slope for _, slope, _ in triples])
    delta = _output_gradient(problem, z)
    found: list[list[Ball]] = []
    for layer in range(net.depth, 0, -1):
        block, bias_block = problem.layers()[layer - 1]
        scale = _scale(block.scale, block.shape[1]) / m
        if bias_block is not None:
            found.append((ones.transpose() * delta / m).entries())
        found.append((delta.transpose() * inputs[layer - 1] * scale).entries())
        if layer > 1:
            back = (delta * weights[layer - 1][0]).entries()
            entries = [one * slope for one, slope in zip(back, slopes[layer - 2], strict=True)]
            delta = matrix(m, net.widths[layer - 1], entries)
    gradient = [entry for entries in reversed(found) for entry in entries]
    if not net.weight_decay:
        return gradient
    decay = flint().arb(net.weight_decay)
    return [g + decay * t for g, t in zip(gradient, theta.tolist(), strict=True)]


def _weights(problem: Problem, theta: Real) -> list[tuple[Matrix, Matrix | None]]:
    """Return weights as they multiply, and biases as a row."""
    matrix, found = flint().arb_mat, []
    for block, bias in problem.layers():
        weight = matrix(*block.shape, theta[block.slice].tolist())
        if block.scale != 1.0:
            weight *= _scale(block.scale, block.shape[1])
        row = None if bias is None else matrix(1, bias.shape[0], theta[bias.slice].tolist())
        found.append((weight, row))
    return found


def _scale(scale: float, fan_in: int) -> Ball:
    """Return the factor of the weights as a ball: 1, or 1/sqrt(n) exactly."""
    arb = flint().arb
    found: Ball = arb(1) if scale == 1.0 else arb(fan_in).rsqrt()
    return found


def _output_gradient(problem: Problem, outputs: Matrix) -> Matrix:
    n, arb, matrix, m = problem.net.n_out, flint().arb, flint().arb_mat, problem.samples
    if problem.net.loss == "mse":
        residuals: Matrix = outputs - matrix(m, n, problem.y.ravel().tolist())
        return residuals
    entries, rows = outputs.entries(), problem.y.tolist()
    found: list[Ball] = []
    for mu, targets in enumerate(rows):
        row = entries[mu * n : (mu + 1) * n]
        found += output_derivatives(problem.net.loss, row, [arb(y) for y in targets])[0]
    gradient: Matrix = matrix(m, n, found)
    return gradient
