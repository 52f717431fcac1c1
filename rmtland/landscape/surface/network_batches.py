r"""The loss of a multilayer perceptron at many points at once.

Points are passed forward together, in chunks whose activations stay in the cache. In a plane
theta(c) = theta_0 + sum_i c_i d_i the preactivations of the first layer are affine in c,

.. math:: X W_1(c)^T + b_1(c) = (X W_{1,0}^T + b_{1,0}) + \sum_i c_i (X D_i^T + e_i) ,

so that the first layer, the widest product of most networks, is multiplied d + 1 times for any
number of points, and the weight decay is a quadratic function of c.

>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net, origin = MLP((3, 4, 2)), np.zeros(20)
>>> point = net.at(origin, np.eye(3), np.ones((3, 2)))
>>> directions = np.ones((1, 20))
>>> found = losses_in_plane(point, origin, directions, np.array([[0.0], [0.5]]))
>>> bool(np.allclose(found, losses_at(point, np.array([[0.0], [0.5]]) @ directions)))
True
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rmtland.networks import LossPoint
from rmtland.networks.activation import activation
from rmtland.networks.overflow import NetworkOverflowError
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Real

__all__ = ["losses_at", "losses_in_plane"]

CHUNK_BYTES = 2**20
"""Bytes of the widest activations of the points that are passed forward together."""


def losses_at(point: LossPoint, thetas: Real) -> Real:
    """Return the losses at rows of parameters.

    Parameters
    ----------
    point : LossPoint
        Its network and data are used.
    thetas : ndarray, shape (k, p)
        One point a row.

    Returns
    -------
    ndarray, shape (k,)
        Weight decay included.

    Raises
    ------
    NetworkOverflowError
        If one overflows (a ValueError).
    """
    totals = np.zeros(len(thetas))
    with np.errstate(over="ignore", invalid="ignore"):
        for x, y in point.data.chunks():
            for some in _chunks(point, len(x), len(thetas)):
                first, *rest = _layers(point, thetas[some])
                z = np.matmul(x, first[0].transpose(0, 2, 1))
                if first[1] is not None:
                    z += first[1][:, None, :]
                totals[some] += _loss_sums(point, z, rest, y)
        decay = np.einsum("kp,kp->k", thetas, thetas) if point.net.weight_decay else 0.0
        return _finished(point, totals, decay)


def losses_in_plane(point: LossPoint, origin: Real, directions: Real, coordinates: Real) -> Real:
    """Return the losses at points of a plane.

    Parameters
    ----------
    point : LossPoint
        Its network and data are used.
    origin : ndarray, shape (p,)
        Where all coordinates are 0.
    directions : ndarray, shape (d, p)
        One direction a row.
    coordinates : ndarray, shape (k, d)
        One point a row.

    Returns
    -------
    ndarray, shape (k,)
        Weight decay included.

    Raises
    ------
    NetworkOverflowError
        If one overflows (a ValueError).
    """
    totals = np.zeros(len(coordinates))
    corners = np.concatenate([origin[None], directions])
    with np.errstate(over="ignore", invalid="ignore"):
        for x, y in point.data.chunks():
            (weights, biases), *_ = _layers(point, corners)
            parts = np.matmul(x, weights.transpose(0, 2, 1))
            if biases is not None:
                parts += biases[:, None, :]
            fixed, moving = parts[0], parts[1:].reshape(len(directions), -1)
            for some in _chunks(point, len(x), len(coordinates)):
                here = coordinates[some]
                z = (here @ moving).reshape(len(here), *fixed.shape)
                z += fixed
                inner = origin + here @ directions
                totals[some] += _loss_sums(point, z, _layers(point, inner)[1:], y)
        decay: Real | float = 0.0
        if point.net.weight_decay:
            gram, mixed = directions @ directions.T, directions @ origin
            decay = origin @ origin + 2.0 * (coordinates @ mixed)
            decay = decay + np.einsum("ki,ij,kj->k", coordinates, gram, coordinates)
        return _finished(point, totals, decay)


def _chunks(point: LossPoint, samples: int, many: int) -> Iterator[slice]:
    """Return pieces of the points, of which the activations of one layer stay in the cache."""
    each = 8 * samples * max(point.net.widths[1:])
    at_once = max(1, CHUNK_BYTES // each)
    for start in range(0, many, at_once):
        yield slice(start, min(many, start + at_once))


def _layers(point: LossPoint, thetas: Real) -> list[tuple[Real, Real | None]]:
    """Return the weights (k, n_l, n_{l-1}) and biases (k, n_l) of each layer, as they multiply."""
    layers: list[tuple[Real, Real | None]] = []
    for block in point.net.blocks:
        piece = thetas[:, block.slice]
        if block.is_bias:
            layers[-1] = (layers[-1][0], piece)
        else:
            layers.append((_scaled(piece, block), None))
    return layers


def _scaled(piece: Real, block: ParameterBlock) -> Real:
    weight = piece.reshape(len(piece), *block.shape)
    return weight if block.scale == 1.0 else weight * block.scale


def _loss_sums(point: LossPoint, z: Real, layers: list[tuple[Real, Real | None]], y: Real) -> Real:
    """Return the losses summed over samples, from preactivations of the first layer (k, m, n)."""
    f = activation(point.net.activation).value
    for weights, biases in layers:
        z = np.matmul(f(z), weights.transpose(0, 2, 1))
        if biases is not None:
            z += biases[:, None, :]
    return _SUMS[point.data.loss.name](z, y)


def _squares(outputs: Real, targets: Real) -> Real:
    error = (outputs - targets).reshape(len(outputs), -1)
    sums: Real = 0.5 * np.einsum("ki,ki->k", error, error)
    return sums


def _cross_entropies(outputs: Real, targets: Real) -> Real:
    """Log of 1 + the other exponentials' sum, without cancellation, as in the losses' module."""
    top = outputs.argmax(axis=-1)[..., None]
    shifted = outputs - np.take_along_axis(outputs, top, -1)
    powers = np.exp(shifted)
    np.put_along_axis(powers, top, 0.0, -1)
    logarithm = np.log1p(powers.sum(axis=-1)) * targets.sum(axis=-1)
    sums: Real = logarithm.sum(axis=-1) - np.einsum("kmi,mi->k", shifted, targets)
    return sums


def _logistic(outputs: Real, targets: Real) -> Real:
    tail = np.log1p(np.exp(-np.abs(outputs)))
    each = targets * (np.maximum(-outputs, 0.0) + tail)
    each += (1.0 - targets) * (np.maximum(outputs, 0.0) + tail)
    sums: Real = each.sum(axis=(1, 2))
    return sums


_SUMS = {"mse": _squares, "cross_entropy": _cross_entropies, "logistic": _logistic}


def _finished(point: LossPoint, totals: Real, squares: Real | float) -> Real:
    """Return mean losses with the weight decay, or say that some overflow."""
    losses: Real = totals / point.data.size + (0.5 * point.net.weight_decay) * squares
    bad = int((~np.isfinite(losses)).sum())
    if bad:
        raise NetworkOverflowError(
            f"the loss overflows floating-point numbers at {bad} of {len(losses)} points; take "
            "points nearer together, or rescale the data"
        )
    return losses
