r"""Certified bounds of how far a network's loss may rise and bend within a ball of parameters.

Along any line theta + t u, |u| = 1, 0 <= t <= r, with ||W_l|| the spectral norm and every part of u
of norm at most 1, the derivatives of one sample's activations satisfy

.. math::

    |z_l'| &\le |a_{l-1}| + 1_b + (\|W_l\| + r) |a_{l-1}'| , \\
    |z_l''| &\le 2 |a_{l-1}'| + (\|W_l\| + r) |a_{l-1}''| , \qquad
    |z_l'''| \le 3 |a_{l-1}''| + (\|W_l\| + r) |a_{l-1}'''| ,

.. math::

    |a'| \le F_1 |z'| , \quad |a''| \le F_2 |z'|^2 + F_1 |z''| , \quad
    |a'''| \le F_3 |z'|^3 + 3 F_2 |z'| |z''| + F_1 |z'''|

with F_k the largest modulus of the k-th derivative of the activation, and
|a_l| at most its norm at t = 0 plus r |a_l'|. So the outputs move by at most r |o'|, and the third
derivative of the loss is bounded by those of the outputs and of l: a Lipschitz constant M of the
Hessian in the ball. Then, for the rise S of the loss in it,

.. math::

    S \le \max_{|e| \le r} (g \cdot e + \tfrac12 e^T H e) + \tfrac16 M r^3 , \qquad
    S \le \frac1m \sum_\mu \bigl(|r_\mu| r |o_\mu'| + \tfrac12 \Lambda (r |o_\mu'|)^2\bigr)
          + w (|\theta| r + \tfrac12 r^2) ,

the second for activations with a kink too; the largest slope of the loss of a sample times its
r |o'| stands in the sum where that is less (:math:`\sqrt 2` for the cross-entropy). A second bound
of M, by means over the samples (`rmtland.landscape.sharpness.third_derivative`), is taken where it
is less.

What is known of the centre has been rounded: sums of n products are those of factors that are off
by the share (n + 8) eps at most, so that the outputs of each sample are exact ones at parameters
off by

.. math:: \nu = 2 (n + 8) \, \mathrm{eps} \, (|\theta| + r) ,

n the largest width. The ball is taken larger by that, residuals by Lambda nu |o'|, and loss,
gradient and Hessian at the centre are off by nu times bounds of the next derivative. Sums in the
bounds themselves are off by far less than the margin of 1e-9 that is added.

References
----------
.. [1] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM 2002, chapter
       3 (rounding of sums of products).

Examples
--------
>>> from rmtland.networks import MLP
>>> point = MLP((1, 1)).at([0.5], [[1.0]], [[0.0]])
>>> bounds = derivative_bounds(point, 0.1)
>>> round(bounds.rise, 6), bounds.third  # (0.6^2 - 0.5^2)/2; a quadratic function
(0.055, 0.0)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import nonnegative
from rmtland.landscape.sharpness.third_derivative import mean_third, norms, output_curvatures
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import LossPoint
from rmtland.networks.activation import ACTIVATIONS, activation
from rmtland.networks.loss import LOSSES
from rmtland.networks.loss_point import loss_point
from rmtland.networks.parameters import effective_weights
from rmtland.typing import Real

__all__ = [
    "SLOPES",
    "DerivativeBounds",
    "UnboundedDerivatives",
    "along_lines",
    "derivative_bounds",
    "probability_excess",
    "rounding_radius",
]

SLOPES: dict[str, tuple[float, float, float]] = {
    "linear": (1.0, 0.0, 0.0),
    "relu": (1.0, np.inf, np.inf),
    "leaky_relu": (1.0, np.inf, np.inf),
    "tanh": (1.0, 0.7698003589195012, 2.0),
    "erf": (1.1283791670955126, 0.9678828981, 2.2567583341910251),
    "sigmoid": (0.25, 0.09622504486493765, 0.125),
    "softplus": (1.0, 0.25, 0.09622504486493765),
    "sine": (1.0, 1.0, 1.0),
    "gelu": (1.12891, 0.7979, 0.7789),
    "silu": (1.0999, 0.5001, 0.3086),
}
"""Largest moduli of the first three derivatives."""

_CURVES = {"mse": (1.0, 0.0), "cross_entropy": (0.5, 0.70711), "logistic": (0.25, 0.09623)}
"""Largest second and third derivatives of the losses along a unit vector of outputs."""

_SMALLEST_SLOPE = 1e-140
"""Of the outputs; below, only first derivatives bound the rise."""

_MARGIN = 1.0 + 1e-9
_EPS = float(np.finfo(np.float64).eps)


class UnboundedDerivatives(ValueError):
    """No bound is known for this activation, or this loss."""


class DerivativeBounds(NamedTuple):
    """What holds in the whole ball; infinite where nothing does.

    Made by `rmtland.landscape.sharpness.derivative_bounds`.

    Parameters
    ----------
    radius : float
        r.
    rise : float
        Bound of the loss in the ball less that at the centre, from first derivatives.
    third : float
        Bound M of the third derivative of the loss along unit vectors; infinite for activations
        with a kink.
    loss_error : float
        How far a loss computed in the ball is off, by rounding.
    gradient_error, hessian_error : float
        How far gradient and Hessian computed at the centre are off, in norm.
    """

    radius: float
    rise: float
    third: float
    loss_error: float
    gradient_error: float
    hessian_error: float

    def times(self, factor: float) -> DerivativeBounds:
        """Return the bounds of a multiple of the loss.

        Parameters
        ----------
        factor : float
            Above 0.

        Returns
        -------
        DerivativeBounds
            In the same ball.
        """
        return DerivativeBounds(self.radius, *(factor * bound for bound in self[1:]))


def derivative_bounds(point: LossPoint, radius: float, *, scale: float = 1.0) -> DerivativeBounds:
    r"""Bound the rise of the loss and its third derivative in a ball around a point.

    Parameters
    ----------
    point : LossPoint
        The centre.
    radius : float
        Of the ball.
    scale : float, optional
        For balls in scaled parameters, theta + T e with e in the ball: the largest entry of T.
        Derivatives are those in e.

    Returns
    -------
    DerivativeBounds
        Upper bounds.

    Raises
    ------
    UnboundedDerivatives
        For an activation or a loss whose derivatives are not bounded, or not known (a ValueError).
    ValueError
        For a negative radius.
    TypeError
        If it is no point, or `radius` or `scale` is no real number.
    """
    point = loss_point(point)
    r, s = nonnegative("radius", radius), nonnegative("scale", scale)
    f = activation(point.net.activation)
    name = f.name
    if name not in SLOPES or f is not ACTIVATIONS[name]:
        raise UnboundedDerivatives(
            f"no bound of the derivatives of the activation {name!r} is known; there is none for "
            "'quadratic' and for functions of one's own"
        )
    rule = point.data.loss
    if LOSSES.get(rule.name) is not rule:
        raise UnboundedDerivatives(
            f"no bound of the derivatives of the loss {rule.name!r} is known; there is one for "
            f"{', '.join(_CURVES)}"
        )
    point = in_double(point)
    decay, size = point.net.weight_decay, float(np.linalg.norm(point.theta))
    curve, bend = _CURVES[point.data.loss.name]
    excess = probability_excess(point)
    curve, bend = curve * (1.0 + excess), bend * (1.0 + excess)
    with np.errstate(invalid="ignore", over="ignore"):
        reach = np.float64(s) * r
        off = rounding_radius(point, reach)
        first, second, third = along_lines(point, float(reach + off), name)
        wrong, moved = off * first, reach * first
        residuals = norms(point.residuals) + excess + curve * wrong
        largest = np.minimum(residuals + curve * moved, _largest_residual(point) + excess)
        slope = _largest_residual(point) + excess  # of the loss, anywhere
        rise = np.mean(np.fmin(residuals * moved + 0.5 * curve * moved**2, slope * moved))
        rise += decay * (size * reach + 0.5 * reach**2)
        bent = np.mean(bend * first**3 + 3.0 * curve * first * second + largest * third)
        kappa, c = output_curvatures(point, moved + wrong)
        kappa = kappa * (1.0 + excess)
        finer = mean_third(point, float(reach + off), SLOPES[name], kappa, largest, c)
        bent = np.fmin(bent, finer)
        if 0.0 < first.max() < _SMALLEST_SLOPE:
            bent = np.float64(np.inf)  # squares underflow: the Hessian at the centre is not known
        rounded = np.mean(largest * wrong + 0.5 * curve * wrong**2)
        rounded += off * decay * (size + reach) + 16.0 * _EPS * (point.loss + rise)
        curved = np.mean(curve * first**2 + largest * second) + decay
        found = (rise, s**3 * bent, rounded, s * off * curved, s * s * (off * bent + _EPS * decay))
    return DerivativeBounds(r, *(_or_infinite(float(bound)) for bound in found))


def _or_infinite(bound: float) -> float:
    """Return a bound; what overflows, or is 0 times infinity, bounds nothing."""
    return np.inf if np.isnan(bound) else float(bound) * _MARGIN


def rounding_radius(point: LossPoint, reach: float) -> float:
    """Return nu: outputs computed in a ball are exact ones at parameters that far away at most.

    Parameters
    ----------
    point : LossPoint
        The centre.
    reach : float
        Radius of the ball, in the units of the parameters.

    Returns
    -------
    float
        2 (n + 8) eps (|theta| + r), see the module.
    """
    size = float(np.linalg.norm(point.theta))
    return 2.0 * (max(point.net.widths) + 8) * _EPS * (size + float(reach))


def along_lines(point: LossPoint, r: float, name: str) -> tuple[Real, Real, Real]:
    """Return bounds of the first three derivatives of each sample's outputs, along unit vectors.

    Parameters
    ----------
    point : LossPoint
        The centre.
    r : float
        Radius of the ball, in the units of the parameters.
    name : str
        The activation, one of `SLOPES`.

    Returns
    -------
    first, second, third : ndarray, shape (m,)
        Bounds of the norms, in the whole ball.
    """
    blocks = point.net.blocks
    weights, biases = effective_weights(point.theta, blocks)
    f1, f2, f3 = SLOPES[name]
    f = activation(point.net.activation).value
    values = point.x
    norm = norms(values)
    d1 = d2 = d3 = np.zeros(len(values))
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        unit = next(b for b in blocks if b.layer == layer and not b.is_bias).scale
        norm_w = float(np.linalg.norm(weight, 2)) * _MARGIN + r * unit
        z3 = 3.0 * unit * d2 + norm_w * d3
        z2 = 2.0 * unit * d1 + norm_w * d2
        z1 = unit * norm + (0.0 if bias is None else 1.0) + norm_w * d1
        values = values @ weight.T + (0.0 if bias is None else bias)
        if layer == len(weights):
            return z1, z2, z3
        values = f(values)
        d1 = f1 * z1
        d2 = f1 * z2 + (f2 * z1**2 if f2 else 0.0)
        d3 = f1 * z3 + (f3 * z1**3 + 3.0 * f2 * z1 * z2 if f2 or f3 else 0.0)
        norm = norms(values) + r * d1
        if name in ("tanh", "erf", "sigmoid", "sine"):
            norm = np.minimum(norm, np.sqrt(values.shape[1]))
    raise AssertionError("a network has at least one layer")


def probability_excess(point: LossPoint) -> float:
    """Return by how much the probabilities of a row, which weigh its loss, may miss the sum 1.

    Parameters
    ----------
    point : LossPoint
        With its targets.

    Returns
    -------
    float
        0 for losses that are not of probabilities.
    """
    if point.data.loss.name != "cross_entropy":
        return 0.0
    return float(np.abs(point.y.sum(axis=1) - 1.0).max())


def _largest_residual(point: LossPoint) -> float:
    """Return what the norm of dl/do can be at most, anywhere."""
    name = point.data.loss.name
    if name == "cross_entropy":
        return float(np.sqrt(2.0))
    return float(np.sqrt(point.net.n_out)) if name == "logistic" else np.inf
