r"""The Hessian of the loss, enclosed over a ball of parameters.

For all :math:`\theta'` within r of :math:`\theta`, entry by entry. With preactivations
:math:`z_l = W_l a_{l-1} + b_l`, slopes :math:`D_l`, and a perturbation :math:`u_l` added to each
:math:`z_l`, let :math:`\delta_l` and :math:`G_l` be gradient and Hessian of the loss of one sample
in :math:`z_l`, and :math:`T_{kl} = \partial z_k/\partial u_l`:

.. math::

    G_L = \Lambda, \qquad
    G_l = D_l W_{l+1}^T G_{l+1} W_{l+1} D_l + \mathrm{diag}(f''(z_l) W_{l+1}^T \delta_{l+1}),

.. math::

    T_{ll} = 1, \quad T_{k+1,l} = W_{k+1} D_k T_{kl}, \qquad
    \frac{\partial^2 \ell}{\partial u_l\, \partial u_k} = T_{kl}^T G_k \quad (k \ge l),

.. math::

    \frac{\partial^2 L}{\partial W_l^{ij}\, \partial W_k^{i'j'}} = \frac1m \sum_\mu
    (T_{kl}^T G_k)_{ii'}\, a_{l-1}^j a_{k-1}^{j'}
    + [k > l]\ \delta_k^{i'} (D_{k-1} T_{k-1,l})_{j'i}\, a_{l-1}^j ,

the activations continued by 1 where there are biases. All of it is computed in balls: what the
third derivative of the loss does over the ball of parameters, and every rounding, is in the radii.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 3, 2, 1), "gelu", bias=True)
>>> x, y, theta = np.eye(2), np.array([[1.0], [0.0]]), net.init(rng=0)
>>> enclosed = enclosed_hessian(Problem(net, x, y), theta, 1e-9)
>>> exact = net.at(theta + 5e-10, x, y).hessian("total")
>>> bool((abs(exact - enclosed.mid) <= enclosed.rad).all()), float(enclosed.rad.max()) < 1e-7
(True, True)
"""

from __future__ import annotations

import numpy as np

from rmtland.landscape.critical_points.proofs.ball_array import UNIT, BallArray, up
from rmtland.landscape.critical_points.proofs.ball_functions import (
    balls_of,
    flint,
    output_derivatives,
    precision,
    smooth_function,
    to_ball_array,
)
from rmtland.landscape.critical_points.proofs.statement import Problem
from rmtland.typing import Real

__all__ = ["enclosed_hessian"]

BITS = 64


def enclosed_hessian(problem: Problem, theta: Real, radius: float) -> BallArray:
    """Enclose the Hessians at all points within a distance.

    Parameters
    ----------
    problem : Problem
        Network and data.
    theta : ndarray, shape (p,)
        The centre, taken exactly.
    radius : float
        The distance, in any coordinate: the Euclidean ball lies within.

    Returns
    -------
    BallArray, shape (p, p)
        Symmetric up to rounding.
    """
    with precision(BITS):
        return _Layers(problem, theta, radius).hessian()


class _Layers:
    """Forward and backward pass in balls."""

    def __init__(self, problem: Problem, theta: Real, radius: float) -> None:
        self.problem, self.size = problem, len(theta)
        self.samples = problem.samples
        self.weights: list[BallArray] = []
        self.factors: list[BallArray] = []
        self.inputs: list[BallArray] = []
        slopes, curvatures, z = [], [], BallArray.exact(problem.x)
        for (block, bias), width in zip(problem.layers(), problem.net.widths[1:], strict=True):
            weight = _balls(theta[block.slice].reshape(block.shape), radius)
            factor = _factor(block.scale, block.shape[1])
            weight = weight * factor
            inputs = z
            self.inputs.append(_with_one(inputs) if bias is not None else inputs)
            self.weights.append(weight)
            self.factors.append(factor)
            z = inputs @ weight.transposed(1, 0)
            if bias is not None:
                z = z + _balls(theta[bias.slice], radius)
            if len(self.weights) < problem.net.depth:
                triples = [smooth_function(problem.activation)(ball) for ball in balls_of(z)]
                shape = (self.samples, width)
                z, slope, curvature = (
                    to_ball_array(balls, shape) for balls in zip(*triples, strict=True)
                )
                slopes.append(slope)
                curvatures.append(curvature)
        self.slopes = slopes
        self._backward(z, curvatures)

    def _backward(self, outputs: BallArray, curvatures: list[BallArray]) -> None:
        """Set delta_l and G_l, each with one matrix or row a sample."""
        net = self.problem.net
        delta, second = self._of_outputs(outputs)
        self.deltas, self.seconds = [delta], [second]
        for layer in range(net.depth - 1, 0, -1):
            weight, slope = self.weights[layer], self.slopes[layer - 1]
            signal = delta @ weight
            mixed = weight * slope[:, None, :]  # W D, a matrix a sample
            second = _transposed(mixed) @ (second @ mixed)
            second = second + _diagonal(curvatures[layer - 1] * signal)
            delta = signal * slope
            self.deltas.insert(0, delta)
            self.seconds.insert(0, second)

    def _of_outputs(self, outputs: BallArray) -> tuple[BallArray, BallArray]:
        """Return gradients and curvatures of the losses of all samples in their outputs."""
        n, loss = self.problem.net.n_out, self.problem.net.loss
        if loss == "mse":
            unit = np.broadcast_to(np.eye(n), (self.samples, n, n))
            return outputs - BallArray.exact(self.problem.y), BallArray.exact(unit)
        gradients, matrices, arb, entries = [], [], flint().arb, balls_of(outputs)
        for mu, targets in enumerate(self.problem.y.tolist()):
            row = entries[mu * n : (mu + 1) * n]
            r, matrix = output_derivatives(loss, row, [arb(y) for y in targets])
            gradients += r
            matrices += [entry for line in matrix for entry in line]
        shape = (self.samples, n)
        return to_ball_array(gradients, shape), to_ball_array(matrices, (*shape, n))

    def hessian(self) -> BallArray:
        mid, rad = np.zeros((self.size, self.size)), np.zeros((self.size, self.size))
        places = [place.ravel() for place in self.problem.places()]
        for first in range(len(places)):
            for later, block in self._row(first):
                rows, columns = np.ix_(places[first], places[later])
                mid[rows, columns], rad[rows, columns] = block.mid, block.rad
                mid[columns.T, rows.T], rad[columns.T, rows.T] = block.mid.T, block.rad.T
        diagonal = np.diag_indices(self.size)
        mid[diagonal] += self.problem.net.weight_decay
        rad[diagonal] = up(rad[diagonal] + UNIT * np.abs(mid[diagonal]), 2)
        return BallArray(mid, rad)

    def _row(self, first: int) -> list[tuple[int, BallArray]]:
        """Return the blocks of one layer with itself and all later ones."""
        blocks, m = [], self.samples
        width = self.deltas[first].shape[1]
        before: BallArray | None = None  # D_{k-1} T_{k-1,l}, shape (m, n_{k-1}, n_l)
        tangent: BallArray | None = None  # T_{kl}, None for the unit matrix
        for later in range(first, len(self.weights)):
            if later > first:
                slope = self.slopes[later - 1]
                before = _diagonal(slope) if tangent is None else tangent * slope[:, :, None]
                tangent = self.weights[later] @ before
            second = self.seconds[later]
            mixed = second if tangent is None else _transposed(tangent) @ second
            block = self._outer(mixed, first, later)
            if before is not None:
                block = block + self._outer_residual(before, first, later)
            rows = self._scale(first, width)
            columns = self._scale(later, self.deltas[later].shape[1])
            block = block * rows.reshape(-1, 1) * columns.reshape(1, -1)
            blocks.append((later, block * _inverse(m)))
        return blocks

    def _outer(self, mixed: BallArray, first: int, later: int) -> BallArray:
        """Return sum_mu K_{ii'} a_j a'_{j'} as a matrix of (i, j) and (i', j')."""
        m, n, n_later = mixed.shape
        a, b = self.inputs[first], self.inputs[later]
        pairs = (a[:, :, None] * b[:, None, :]).reshape(m, -1)
        product = mixed.reshape(m, -1).transposed(1, 0) @ pairs
        j, j_later = a.shape[1], b.shape[1]
        four = product.reshape(n, n_later, j, j_later).transposed(0, 2, 1, 3)
        return four.reshape(n * j, n_later * j_later)

    def _outer_residual(self, before: BallArray, first: int, later: int) -> BallArray:
        """Return sum_mu delta_{i'} (D T)_{j'i} a_j as a matrix of (i, j) and (i', j')."""
        m, n_before, n = before.shape
        a, delta = self.inputs[first], self.deltas[later]
        pairs = (delta[:, :, None] * a[:, None, :]).reshape(m, -1)
        product = pairs.transposed(1, 0) @ before.reshape(m, -1)
        n_later, j, j_later = delta.shape[1], a.shape[1], self.inputs[later].shape[1]
        four = product.reshape(n_later, j, n_before, n).transposed(3, 1, 0, 2)
        if j_later > n_before:  # the bias does not depend on what is below
            pad = ((0, 0), (0, 0), (0, 0), (0, j_later - n_before))
            four = BallArray(np.pad(four.mid, pad), np.pad(four.rad, pad))
        return four.reshape(n * j, n_later * j_later)

    def _scale(self, layer: int, width: int) -> BallArray:
        """Return the factors of the parameters (W_l, b_l) of a layer, row by row."""
        block, bias = self.problem.layers()[layer]
        factor = self.factors[layer]
        entries = BallArray(
            np.full(block.shape, factor.mid[0]), np.full(block.shape, factor.rad[0])
        )
        return (entries if bias is None else _with_one(entries)).reshape(-1)


def _balls(values: Real, radius: float) -> BallArray:
    return BallArray(values, np.full_like(values, radius))


def _factor(scale: float, fan_in: int) -> BallArray:
    if scale == 1.0:
        return BallArray.exact(np.ones(1))
    return to_ball_array([flint().arb(fan_in).rsqrt()], (1,))


def _inverse(count: int) -> BallArray:
    value = np.full((1, 1), 1.0 / count)
    return BallArray(value, UNIT * value)


def _with_one(array: BallArray) -> BallArray:
    one = np.ones((array.shape[0], 1))
    return BallArray(np.hstack([array.mid, one]), np.hstack([array.rad, np.zeros_like(one)]))


def _transposed(stack: BallArray) -> BallArray:
    return stack.transposed(0, 2, 1)


def _diagonal(rows: BallArray) -> BallArray:
    """Return diagonal matrices, one for each row."""
    unit = np.eye(rows.shape[1])
    return BallArray(rows.mid[:, :, None] * unit, rows.rad[:, :, None] * unit)
