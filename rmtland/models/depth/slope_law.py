r"""The law of squared slopes f'(z)^2 of a layer, z ~ N(0, q), and the variance q it settles at.

A piecewise linear f has few values of the slope, so that the law is exact: one half 0 and one half
1 for ReLU. For any other f it is replaced by its Gauss quadrature, which keeps
its first 2 k - 1 moments: what a free product takes from it, away from the quadrature's own atoms,
converges exponentially in k. Hard tanh, max(-1, min(1, z)), has slope 1 with probability
erf(1/sqrt(2 q)).

Examples
--------
>>> slope_square_law("relu", 1.0)
Discrete(locations=(0.0, 1.0), weights=(0.5, 0.5))
>>> round(slope_square_law("hard_tanh", 1.0).mean(), 9)
0.682689492
>>> round(settled_variance("tanh", 2.0, 0.1), 9)
0.81464401
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf, ndtr

from rmtland.arguments import nonnegative, positive
from rmtland.laws import Discrete, Law
from rmtland.models.depth.compound_poisson import gauss_discrete, uniform_pieces
from rmtland.networks.activation import Activation, activation
from rmtland.networks.gaussian_averages import gaussian_averages
from rmtland.solution import ConvergenceError
from rmtland.typing import Array, Real

__all__ = ["HARD_TANH", "as_activation", "normal_rule", "settled_variance", "slope_square_law"]

_STEPS = 100_000
_REACH = 12.0  # standard deviations: exp(-12^2/2) = 5e-32
_FARTHEST = 30.0  # nodes there are .8 apart: exp(-2 (pi/.8)^2) = 4e-14
_HALVINGS = 60
_FEW = 8  # values of a slope that is piecewise constant


def _hard_tanh(z: Array) -> Array:
    return np.clip(z, -1.0, 1.0)


def _hard_tanh_slope(z: Array, a: Array) -> Array:
    return (np.abs(z) < 1).astype(np.float64)


HARD_TANH = Activation("hard_tanh", _hard_tanh, _hard_tanh_slope, None)
"""max(-1, min(1, z))."""

_HOMOGENEOUS = ("linear", "relu", "leaky_relu")


def as_activation(name: str | Activation) -> Activation:
    """Return the activation of that name, "hard_tanh" among them.

    Parameters
    ----------
    name : str or Activation
        The activation.

    Returns
    -------
    Activation
        The function.
    """
    return HARD_TANH if isinstance(name, str) and name == "hard_tanh" else activation(name)


def normal_rule(points: int = 1025, *, kink: float = 0.0) -> tuple[Real, Real]:
    """Nodes and weights of averages over N(0, 1) of functions with one kink or narrow peak.

    Parameters
    ----------
    points : int
        Nodes on each side of the kink.
    kink : float
        Where nodes are dense on every scale; beyond 30 standard deviations 0 takes its place.

    Returns
    -------
    (ndarray, ndarray)
        Nodes and weights, which sum to 1.
    """
    centre = kink if abs(kink) < _FARTHEST else 0.0
    w, step = np.linspace(-4.5, math.log(_REACH + abs(centre)), points, retstep=True)
    z = np.exp(w - np.exp(-w))
    if centre:
        places = np.concatenate([centre - z[::-1], centre + z])
        steps = z * (1 + np.exp(-w))
        masses = np.exp(-(places**2) / 2) * np.concatenate([steps[::-1], steps])
        return places, masses / masses.sum()
    weights = np.exp(-(z**2) / 2) * z * (1 + np.exp(-w)) * step
    weights = weights / (2 * weights.sum())
    return np.concatenate([-z[::-1], z]), np.concatenate([weights[::-1], weights])


def slope_square_law(
    name: str | Activation, variance: float, *, size: int = 32, pieces: int = 0
) -> Law:
    """Return the law of f'(z)^2 for z ~ N(0, variance).

    Parameters
    ----------
    name : str or Activation
        The activation f.
    variance : float
        Variance q of the preactivation, >= 0.
    size : int
        Number of atoms of the quadrature where f is not piecewise linear.
    pieces : int
        Number of uniform pieces in its place; 0 for the quadrature.

    Returns
    -------
    Law
        A `Discrete`, or a mixture of uniform laws; exact for a piecewise linear f.
    """
    f, q = as_activation(name), nonnegative("variance", variance)
    if f == HARD_TANH:
        share = float(erf(1 / math.sqrt(2 * q))) if q else 1.0
        return Discrete((0.0, 1.0), (1 - share, share)) if share < 1 else Discrete((1.0,), (1.0,))
    z, weights = normal_rule(4097 if pieces else 1025)
    z = math.sqrt(q) * z
    squares = np.asarray(f.slope(z, f.value(z)), dtype=np.float64) ** 2
    if np.unique(squares).size <= _FEW:
        return _piecewise_constant(f, q, z, squares)
    if pieces:
        return uniform_pieces(squares, weights, pieces)
    return gauss_discrete(squares, weights, size)


def _piecewise_constant(f: Activation, variance: float, z: Real, squares: Real) -> Discrete:
    """Law of a square that jumps between neighbours among nodes z, by bisection of the jumps."""

    def square(place: Real) -> Real:
        return np.asarray(f.slope(place, f.value(place)), dtype=np.float64) ** 2

    jumps = np.flatnonzero(np.diff(squares))
    low, high = z[jumps], z[jumps + 1]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        before = square(middle) == squares[jumps]
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    levels = np.concatenate([[0.0], ndtr(high / math.sqrt(variance or 1.0)), [1.0]])
    values, which = np.unique(squares[np.append(jumps, -1)], return_inverse=True)
    shares = np.bincount(which, np.diff(levels))
    return Discrete(tuple(values[shares > 0].tolist()), tuple(shares[shares > 0].tolist()))


def settled_variance(
    name: str | Activation, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """Return the fixed point q = weight_variance E f(z)^2 + bias_variance, z ~ N(0, q).

    Found by iteration from q = 1, as layers do it. It is 1 for ReLU, leaky ReLU and linear f, whose
    slopes do not depend on it.

    Parameters
    ----------
    name : str or Activation
        The activation f.
    weight_variance, bias_variance : float
        Fan-in times the variance of the weights, > 0, and the variance of the biases, >= 0.

    Returns
    -------
    float
        q, 0 where the signal dies out.

    Raises
    ------
    ConvergenceError
        If q grows without bound, or settles more slowly than one part in 1e4 a layer.
    """
    f = as_activation(name)
    s, b = positive("weight_variance", weight_variance), nonnegative("bias_variance", bias_variance)
    if f.name.split("(")[0] in _HOMOGENEOUS:
        return 1.0
    q = 1.0
    for _ in range(_STEPS):
        new = s * _mean_square(f, q) + b
        if not math.isfinite(new) or new > 1e12:
            break
        if b == 0 and (new < 1e-12 or (new < q < 1e-3 and _contracts(f, s))):
            return 0.0
        if abs(new - q) <= 1e-14 * new:
            return new
        q = new
    raise ConvergenceError(
        f"the preactivations of {f!r} with weight_variance={s:g} and bias_variance={b:g} do not "
        f"settle (q = {q:.3g} in the end): choose a smaller weight variance"
    )


def _contracts(f: Activation, weight_variance: float) -> bool:
    """Whether layers do not amplify an infinitesimal signal: at s f'(0)^2 = 1 it dies slowly."""
    zero = np.zeros(1)
    value = np.asarray(f.value(zero), dtype=np.float64)
    slope = float(np.asarray(f.slope(zero, value), dtype=np.float64)[0])
    return float(value[0]) == 0 and weight_variance * slope**2 <= 1


def _mean_square(f: Activation, q: float) -> float:
    if f != HARD_TANH:
        return gaussian_averages(f, variance=q).square
    if q == 0:
        return 0.0
    u = 1 / math.sqrt(q)
    inside = math.erf(u / math.sqrt(2))
    edge = math.sqrt(2 / math.pi) * u * math.exp(-(u**2) / 2)
    return q * (inside - edge) + 1 - inside
