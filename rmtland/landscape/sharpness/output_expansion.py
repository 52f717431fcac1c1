r"""A bound of the rise of a network's loss in a ball, by expanding its outputs and not its loss.

With J the Jacobian of the outputs at the centre, r = dl/do there, and
:math:`o(\theta + e) = o + J e + q`, the rise of the loss of one sample is at most

.. math::
    r \cdot \Delta + \tfrac12 \Delta^T \bar K \Delta , \qquad \Delta = J e + q ,

for every :math:`\bar K` above the second derivative of l between both outputs. The loss is convex
and known: for the cross-entropy (logistic loss) :math:`|\Delta| \le D` makes

.. math::
    \bar K = \varphi(c D) K , \quad \varphi(t) = 2 (e^t - 1 - t)/t^2 , \quad c = \sqrt 2 \ (1) ,
    \qquad \text{or} \qquad \bar K = \tfrac12 (1 - 1 1^T/n) \ (\tfrac14)

such, whichever is less, and for the squared error :math:`\bar K = 1`. With A the mean of
:math:`J^T \bar K J`, w the weight decay, R the part of the Hessian H with second derivatives of
outputs, and bounds of those from the norms of the layers
(`rmtland.landscape.sharpness.third_derivative`),

.. math::
    S \le \max_{|e| \le \rho} \bigl(g \cdot e + \tfrac12 e^T Q e\bigr) + \epsilon
      + \rho \sqrt{\lambda_{\max}(A)} \, |q|_\kappa + \tfrac12 |q|_\kappa^2 ,
    \qquad |q|_\kappa \le \tfrac12 \rho^2 \|o''\|_\kappa ,

with Q = A + w and :math:`\epsilon = \overline{|r| |q|}`, or Q = A + R + w and the third derivative
of the outputs in epsilon. The eigenvalue is that of the network, where the bound of the loss's
third derivative has norms of the layers in its place too. The loss's own third derivative enters
sample by sample, and not by the largest.

>>> from rmtland.networks import MLP
>>> from rmtland.landscape.sharpness.derivative_bounds import derivative_bounds
>>> point = MLP((1, 1), "linear").at([0.5], [[1.0]], [[0.0]])
>>> round(expanded_rise(point, 0.1, derivative_bounds(point, 0.1)), 6)  # (0.6^2 - 0.5^2)/2
0.055
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.landscape.sharpness.derivative_bounds import (
    SLOPES,
    DerivativeBounds,
    along_lines,
    probability_excess,
    rounding_radius,
)
from rmtland.landscape.sharpness.third_derivative import (
    largest_form,
    mean_forms,
    norms,
    output_curvatures,
)
from rmtland.landscape.sharpness.trust_region import quadratic_maximum
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import LossPoint
from rmtland.networks.activation import activation
from rmtland.typing import Real

__all__ = ["LARGEST_EXPANDED", "expanded_rise"]

LARGEST_EXPANDED = 1000
"""Largest number of parameters for which the outputs are expanded."""

_ENTRIES = 2**24
"""Largest number of entries of the Jacobian."""

_MARGIN = 1.0 + 1e-9
_EPS = float(np.finfo(np.float64).eps)


def expanded_rise(
    point: LossPoint, radius: float, bounds: DerivativeBounds, *, scales: Real | None = None
) -> float:
    """Bound the rise of the loss in a ball by an expansion of the outputs.

    Parameters
    ----------
    point : LossPoint
        The centre; its activation and loss are those that `bounds` were found for.
    radius : float
        rho.
    bounds : DerivativeBounds
        By `derivative_bounds`, in the same ball, for the errors of gradient and Hessian.
    scales : ndarray, shape (p,), optional
        Diagonal of T, for balls in scaled parameters theta + T e.

    Returns
    -------
    float
        Upper bound of S_rho; infinite for activations with a kink, more than `LARGEST_EXPANDED`
        parameters, a Jacobian of more than 2^24 entries, or where numbers overflow.
    """
    point = in_double(point)
    slopes = SLOPES[activation(point.net.activation).name]
    p, m, k = point.net.parameter_count, point.data.size, point.net.n_out
    if not np.isfinite(slopes).all() or p > LARGEST_EXPANDED or m * k * p > _ENTRIES:
        return float("inf")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = _bound(point, radius, bounds, np.ones(p) if scales is None else scales, slopes)
    return float("inf") if np.isnan(found) else found * _MARGIN


def _bound(
    point: LossPoint,
    r: float,
    bounds: DerivativeBounds,
    scales: Real,
    slopes: tuple[float, float, float],
) -> float:
    reach = np.float64(scales.max()) * r  # of NumPy: powers that overflow are infinite
    off = rounding_radius(point, reach)
    first, second, _ = along_lines(point, reach + off, activation(point.net.activation).name)
    J = np.asarray(point.jacobian()).reshape(point.data.size, point.net.n_out, -1) * scales
    if not (np.isfinite(J).all() and first.max() < 1e100 and first.min() > 1e-100):
        return float("inf")  # squares are no numbers
    sizes = np.sqrt(np.maximum(np.linalg.eigvalsh(J @ J.transpose(0, 2, 1))[:, -1], 0.0))
    each = (0.5 * reach**2 + off * reach) * second
    moved = np.minimum(reach * first, r * sizes * _MARGIN + each)
    curves = _curves(point, moved, off * first)
    # what the outputs' second derivatives add, in norms with the weights kappa
    forms = mean_forms(point, reach + off, slopes, curves.kappa)
    bend = largest_form(forms.second)
    A = _mean_square(J, curves.above)
    if not np.isfinite(A).all():
        return float("inf")
    values, vectors = np.linalg.eigh(A)
    unit = 32.0 * _EPS * len(A)
    along = r * float(np.sqrt(values[-1] * (1.0 + unit)))
    wrong, q = off * reach * bend, 0.5 * reach**2 * bend
    rest = along * wrong + 0.5 * wrong**2 + (along + wrong) * q + 0.5 * q**2
    residuals = norms(point.residuals) + probability_excess(point) + curves.top * off * first
    left, root = mean_forms(point, reach + off, slopes, residuals), np.sqrt(residuals.mean())
    gradient, decay = scales * point.gradient, point.net.weight_decay * scales**2
    rest += bounds.gradient_error * r
    if np.ptp(decay) == 0.0:
        straight = _maximum(vectors.T @ gradient, values + decay[0], r, unit)
    else:
        straight = _largest_rise(A + np.diag(decay), gradient, r, unit)
    best = straight + root * largest_form(left.second) * 0.5 * reach**2
    third = root * largest_form(left.third) * reach**3 / 6.0
    if third + bounds.hessian_error * r**2 < best:
        hessian = scales[:, None] * np.asarray(point.hessian("total")) * scales
        Q = hessian + _mean_square(J, curves.above * (1.0 + curves.doubt) - curves.centre)
        bent = _largest_rise(Q, gradient, r, unit) + third + 0.5 * bounds.hessian_error * r**2
        best = min(best, bent)
    return float(best + rest)


class _Curves(NamedTuple):
    """Second derivatives of the samples' losses in their outputs: shapes (m, n, n), and kappa (m,).

    `centre` is K, `above` an upper bound between the centre and the ball, kappa its largest
    eigenvalue, `top` the bound everywhere, `doubt` the relative error of `centre`.
    """

    centre: Real
    above: Real
    kappa: Real
    top: float
    doubt: float


def _curves(point: LossPoint, moved: Real, wrong: Real) -> _Curves:
    """Return the second derivatives at the centre, and above those where outputs moved so far."""
    name, (m, k) = point.data.loss.name, point.prediction.shape
    eye, floor = np.eye(k), 16.0 * _EPS
    if name == "mse":
        ones = np.broadcast_to(eye, (m, k, k))
        return _Curves(ones, ones, np.ones(m), 1.0, 0.0)
    outputs = np.asarray(point.prediction)
    if name == "logistic":
        half = np.exp(-np.abs(outputs))
        K, top, whole, c = (half / (1.0 + half) ** 2)[:, :, None] * eye, 0.25, 0.25 * eye, 1.0
    else:
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        K = shares[:, :, None] * (eye - shares[:, None, :])
        top, whole, c = 0.5, 0.5 * (eye - 1.0 / k) + floor * eye, float(np.sqrt(2.0))
    weight = 1.0 + probability_excess(point)
    kappa = output_curvatures(point, np.zeros(m))[0] + floor
    t = np.minimum(c * moved, 700.0)
    tiny = t < 1e-3  # phi by its first terms, rounded up
    growth = np.where(tiny, 1.0 + 0.34 * t, 2.0 * (np.expm1(t) - t) / np.where(tiny, 1.0, t) ** 2)
    growth = growth * np.exp(np.minimum(c * wrong, 700.0)) * _MARGIN
    grown = growth * kappa < top
    above = np.where(grown[:, None, None], growth[:, None, None] * (K + floor * eye), whole)
    bounded = np.where(grown, growth * kappa, top)
    doubt = float(np.expm1(min(c * wrong.max(), 1.0))) + floor
    return _Curves(K, above * weight, bounded * weight, top * weight, doubt)


def _mean_square(J: Real, curves: Real) -> Real:
    """Return the mean over the samples of J^T K J, shape (p, p)."""
    rows = J.reshape(-1, J.shape[-1])
    found = rows.T @ np.matmul(curves, J).reshape(rows.shape) / len(J)
    return np.asarray(0.5 * (found + found.T))


def _largest_rise(matrix: Real, gradient: Real, r: float, unit: float) -> float:
    if not np.isfinite(matrix).all():
        return float("inf")
    values, vectors = np.linalg.eigh(matrix)
    return _maximum(vectors.T @ gradient, values, r, unit)


def _maximum(gradient: Real, values: Real, r: float, unit: float) -> float:
    """Return the largest value of a quadratic function in the ball, with what rounding may hide."""
    slack = unit * (0.5 * float(np.abs(values).max()) * r**2 + float(norms(gradient)) * r)
    return quadratic_maximum(gradient, values, r) * _MARGIN + slack
