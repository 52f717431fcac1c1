r"""A bound of the third derivative of a network's loss in a ball, from means over the samples.

Along theta + t u, |u| = 1, let |u_l| be the norm of the part of u in layer l: sum |u_l|^2 = 1. The
derivatives of preactivations and outputs are bounded by forms in the |u_l| with coefficients that
are not negative, in two ways: for every sample, and in the root of the mean square over samples of
weights w,

.. math::

    |z_l'| &\le |u_l| \sqrt{|a_{l-1}|^2 + 1_b} + \|W_l\| |a_{l-1}'| , \\
    \|z_l'\|_w &\le |u_l| \sqrt{\lambda_{\max}(\tilde A_{l-1}^T w \tilde A_{l-1}/m)}
        + \|W_l\| \|a_{l-1}'\|_w ,

and so on for higher ones, with products of which one factor is a mean, such as
:math:`\|z'^2\|_w \le \max |z'| \, \|z'\|_w`. The largest eigenvalue of the (weighted) covariance of
the activations stands where the mean square of their norms does in
`rmtland.landscape.sharpness.derivative_bounds`: less by the number of directions that the samples
fill. With kappa_mu a bound in the ball of the second derivative of the loss of a sample in its
outputs,

.. math::

    |L'''| \le c \max |o'| \, \|o'\|_\kappa^2 + 3 \|o'\|_\kappa \|o''\|_\kappa
        + \sqrt{\overline{|r|}} \, \|o'''\|_{|r|} .

For the cross-entropy :math:`\kappa \le 1 - \sum p_i^2` at the centre, times
:math:`e^{\sqrt 2 r |o'|}` in the ball, and c = sqrt 2 (a third cumulant is at most the variance
times the range); for the logistic loss kappa is the largest p (1 - p), and c = 1. Samples that are
fitted count little.

>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 1), "linear")
>>> point = net.at([1.0, 0.0], np.eye(2), np.zeros((2, 1)))
>>> mean_third(point, 0.1, (1.0, 0.0, 0.0), np.ones(2), np.ones(2), 0.0)  # a quadratic function
0.0
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np

from rmtland.networks import LossPoint
from rmtland.networks.activation import activation
from rmtland.networks.parameters import effective_weights
from rmtland.typing import Real

__all__ = ["largest_form", "mean_forms", "mean_third", "norms", "output_curvatures"]

_MARGIN = 1.0 + 1e-9


class _Forms(NamedTuple):
    """Coefficients of bounds of three derivatives: shapes (L,), (L, L) and (L, L, L)."""

    first: Real
    second: Real
    third: Real


def norms(rows: Real) -> Real:
    """Return the norms of rows, whose squares need be no floating-point numbers.

    Parameters
    ----------
    rows : ndarray, shape (..., n)
        Vectors.

    Returns
    -------
    ndarray, shape (...)
        Off by n roundings at most; never 0 because of small units.
    """
    return np.asarray(np.hypot.reduce(np.abs(rows), axis=-1))


def output_curvatures(point: LossPoint, moved: Real) -> tuple[Real, float]:
    """Return kappa of each sample in the ball, and c of the third derivative.

    Parameters
    ----------
    point : LossPoint
        The centre.
    moved : ndarray, shape (m,)
        How far the outputs of each sample move at most.

    Returns
    -------
    kappa : ndarray, shape (m,)
        Bound of the second derivative of a sample's loss along unit vectors of outputs.
    c : float
        Bound of the third derivative over kappa.
    """
    name, outputs = point.data.loss.name, np.asarray(point.prediction)
    if name == "mse":
        return np.ones(len(outputs)), 0.0
    if name == "logistic":
        kappa = (0.25 / np.cosh(0.5 * np.clip(outputs, -700, 700)) ** 2).max(axis=1)
        return np.minimum(0.25, kappa * np.exp(np.minimum(moved, 700.0)) * _MARGIN), 1.0
    top = outputs.max(axis=1, keepdims=True)
    # raised to e^-700, which raises kappa: what underflows grows nowhere in the ball
    powers = np.exp(np.maximum(outputs - top, -700.0))
    shares = powers / powers.sum(axis=1, keepdims=True)
    others = 1.0 - shares.max(axis=1)
    if outputs.shape[1] > 1:  # without cancellation where one share is nearly 1
        others = np.sort(shares, axis=1)[:, :-1].sum(axis=1)
    largest = shares.max(axis=1)
    rest = np.sort(shares, axis=1)[:, :-1]
    kappa = others * (1.0 + largest) - (rest**2).sum(axis=1)  # 1 - sum of squares
    grown = np.maximum(kappa, 0.0) * np.exp(np.minimum(np.sqrt(2.0) * moved, 700.0))
    return np.minimum(0.5, grown * _MARGIN + 1e-15), float(np.sqrt(2.0))


def mean_third(
    point: LossPoint,
    r: float,
    slopes: tuple[float, float, float],
    kappa: Real,
    residuals: Real,
    c: float,
) -> float:
    """Return a bound of the third derivative of the mean loss of samples along unit vectors.

    Parameters
    ----------
    point : LossPoint
        The centre.
    r : float
        Radius of the ball, in the units of the parameters.
    slopes : (float, float, float)
        Largest moduli of the derivatives of the activation.
    kappa, residuals : ndarray, shape (m,)
        Bounds in the ball of the second derivative and of the norm of the first, of each sample's
        loss in its outputs.
    c : float
        Bound of the third over kappa.

    Returns
    -------
    float
        M; infinite with a kink.
    """
    if not (np.isfinite(slopes).all() and np.isfinite(residuals).all() and r < 1e100):
        return float("inf")
    every, curved = _forms(point, r, slopes, kappa)
    bent = c * np.multiply.outer(every.first, np.multiply.outer(curved.first, curved.first))
    bent = bent + 3.0 * np.multiply.outer(curved.first, curved.second)
    if slopes[1] or slopes[2] or len(every.first) > 2:
        left = _forms(point, r, slopes, residuals)[1]
        bent = bent + np.sqrt(residuals.mean()) * left.third
    return largest_form(bent) * _MARGIN


def mean_forms(
    point: LossPoint, r: float, slopes: tuple[float, float, float], weights: Real
) -> _Forms:
    """Return bounds of the derivatives of the outputs, in weighted root mean square over samples.

    Parameters
    ----------
    point : LossPoint
        The centre.
    r : float
        Radius of the ball, in the units of the parameters.
    slopes : (float, float, float)
        Largest moduli of the derivatives of the activation.
    weights : ndarray, shape (m,)
        Of the samples.

    Returns
    -------
    first, second, third : ndarray, shapes (L,), (L, L), (L, L, L)
        Coefficients of forms in the norms of the layers' parts of a unit vector.
    """
    return _forms(point, r, slopes, weights)[1]


def _forms(
    point: LossPoint, r: float, slopes: tuple[float, float, float], weights: Real
) -> tuple[_Forms, _Forms]:
    """Return bounds of the derivatives of the outputs, of every sample and in weighted mean."""
    blocks, depth = point.net.blocks, point.net.depth
    f1, f2, f3 = slopes
    f = activation(point.net.activation).value
    values, root = point.x, np.sqrt(weights / len(weights))[:, None]
    nothing = _Forms(np.zeros(depth), np.zeros((depth,) * 2), np.zeros((depth,) * 3))
    every = mean = nothing
    moved, moved_mean = 0.0, 0.0
    for layer, (weight, bias) in enumerate(
        zip(*effective_weights(point.theta, blocks), strict=True), 1
    ):
        unit = next(b for b in blocks if b.layer == layer and not b.is_bias).scale
        own = np.zeros(depth)
        own[layer - 1] = 1.0
        norm_w = float(np.linalg.norm(weight, 2)) * _MARGIN + r * unit
        with_bias = 0.0 if bias is None else 1.0
        size = unit * (float(norms(values).max()) + moved)
        held = values * unit if bias is None else np.c_[values * unit, np.ones(len(values))]
        spread = float(np.linalg.norm(root * held, 2)) * _MARGIN + unit * moved_mean
        every = _linear(every, own, float(np.hypot(size, with_bias)), norm_w, unit)
        mean = _linear(mean, own, spread, norm_w, unit)
        if layer == depth:
            break
        values = f(values @ weight.T + (0.0 if bias is None else bias))
        every, mean = _bent(every, every, f1, f2, f3), _bent(every, mean, f1, f2, f3)
        moved = r * float(norms(every.first))
        moved_mean = r * float(norms(mean.first))
    return every, mean


def _linear(a: _Forms, own: Real, size: float, norm_w: float, unit: float) -> _Forms:
    """Return bounds behind a layer's weights, from those of its inputs."""
    return _Forms(
        size * own + norm_w * a.first,
        2.0 * unit * np.multiply.outer(own, a.first) + norm_w * a.second,
        3.0 * unit * np.multiply.outer(own, a.second) + norm_w * a.third,
    )


def _bent(every: _Forms, mean: _Forms, f1: float, f2: float, f3: float) -> _Forms:
    """Return bounds behind an activation: products have one factor in mean."""
    square = np.multiply.outer(every.first, mean.first)
    mixed = [
        np.multiply.outer(every.first, mean.second),
        np.multiply.outer(mean.first, every.second),
    ]
    crossed = min(mixed, key=lambda form: float(norms(form.ravel())))
    return _Forms(
        f1 * mean.first,
        f1 * mean.second + f2 * square,
        f1 * mean.third + 3.0 * f2 * crossed + f3 * np.multiply.outer(every.first, square),
    )


def largest_form(form: Real) -> float:
    """Return a bound of a quadratic or cubic form with coefficients >= 0 on the unit sphere.

    Parameters
    ----------
    form : ndarray, shape (L, L) or (L, L, L)
        Its coefficients, in any order.

    Returns
    -------
    float
        The largest eigenvalue, or the norm, of the symmetric part.
    """
    orders = list(permutations(range(form.ndim)))
    parts = [form.transpose(order) for order in orders]
    whole = sum(parts[1:], parts[0]) / len(orders)
    if form.ndim == 2 and np.isfinite(whole).all():
        unit = float(whole.max())
        return unit * float(np.linalg.eigvalsh(whole / unit)[-1]) * _MARGIN if unit else 0.0
    return float(norms(whole.ravel()))
