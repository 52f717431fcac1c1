r"""Means in inner layers, and biases: what the units of a layer have that samples share.

Where features have a mean, or units have biases, the preactivations of a unit in layer l are

.. math::
    z_{j \mu} = t_j + g_{j \mu}, \qquad
    t_j \sim N(0, \tau_l), \quad g_{j \mu} \sim N(0, v_l - \tau_l),

with an offset t that all samples share. It is of order one and differs from unit to unit, and so do
the averages of the activation: given t,

.. math::
    c(t) = E f(t + g), \qquad b(t) = E f'(t + g), \qquad
    r(t) = \operatorname{Var} f(t + g) - b(t)^2 (v_l - \tau_l).

With s the weight variance, :math:`\sigma_b^2` that of the biases and :math:`v` that of the data,

.. math::
    v_1 - \tau_1 = s v, \quad \tau_1 = \sigma_b^2, \qquad
    v_{l+1} - \tau_{l+1} = s \, E_t [\operatorname{Var} f], \quad
    \tau_{l+1} = \sigma_b^2 + s \, E_t c(t)^2 :

the correlation of two samples that are independent, which signal propagation follows [1]_. The
features of a layer are the sum of :math:`c(t_j)`, the same for all samples, which moves one
eigenvalue out of the bulk, and of a part without a mean. The law of that
(`rmtland.models.depth.kernel_sum`) takes b and r of a few kinds of units: a quadrature of t that
keeps averages of b and r, polynomial and rational, to 1e-4 of themselves where so many kinds are
allowed; where it misses them by more than 5e-3 all units are taken. It is a Gauss
quadrature in erf(t/w), with w of the size of g, as b and r change there and saturate beyond, or in
t itself, whichever is better.

References
----------
.. [1] B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein and S. Ganguli, Exponential expressivity in
       deep neural networks through transient chaos, NIPS 2016.

Examples
--------
ReLU of preactivations of variance 2: the two arc-cosine kernels give the mean square, and the
variance of what samples share.

>>> first, second = offset_layers("relu", 2, weight_variance=2.0)
>>> len(first.masses), len(second.masses), round(first.mean_square * np.pi, 6)
(1, 6, 1.0)
>>> round(second.variance + second.shared_variance, 6), second.shared_variance == 2 / np.pi
(2.0, False)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import erf, erfinv

from rmtland.arguments import count, nonnegative, positive
from rmtland.ensembles.krylov_quadrature import measure_jacobi, quadrature
from rmtland.networks.activation import Activation, activation
from rmtland.typing import Real

__all__ = ["OffsetLayer", "TooVariousOffsets", "offset_layers"]

_NODES = 12
_PANELS, _ORDER, _REACH = 6, 24, 9.0
_POINTS, _MOST_POINTS = 601, 6001
_SCALES = (1.0, 1.5, 2.5, 4.0)
_GOOD, _WORST = 1e-4, 5e-3
_CENTRED = 1e-9
"""Share of the mean square below which a mean of features is rounding."""
_ALIKE = 1e-5
"""Share of the mean square below which samples hardly differ."""


class TooVariousOffsets(ValueError):
    """Few kinds of units do not make up the averages over all of them."""


@dataclass(frozen=True, eq=False)
class OffsetLayer:
    """Averages of the activation over the units of a layer, by their offsets.

    Parameters
    ----------
    variance : float
        v - tau: of preactivations of a unit, over samples.
    shared_variance : float
        tau: of offsets, over units.
    mean_square : float
        E c(t)^2, which all samples share.
    spread : float
        E Var f, what they do not share.
    masses : ndarray, shape (q,)
        Shares of the kinds of units, > 0.
    slopes, rests : ndarray, shape (q,)
        b and r of each kind.
    every : OffsetLayer, optional
        The same by a fine rule for the offsets, where these are a quadrature.
    """

    variance: float
    shared_variance: float
    mean_square: float
    spread: float
    masses: Real
    slopes: Real
    rests: Real
    every: OffsetLayer | None = None

    @property
    def is_varied(self) -> bool:
        """Whether units differ."""
        return len(self.masses) > 1


def offset_layers(
    name: str | Activation,
    depth: int,
    *,
    weight_variance: float = 1.0,
    data_variance: float = 1.0,
    bias_variance: float = 0.0,
    nodes: int = _NODES,
    total: int | None = None,
    every: bool = False,
) -> tuple[OffsetLayer, ...]:
    """Return the averages of the activation in each hidden layer, given the offsets of units.

    Parameters
    ----------
    name : str or Activation
        The activation f, smooth but for a kink or jump at 0.
    depth : int
        Number of hidden layers, >= 1.
    weight_variance : float
        s > 0: fan-in times the variance of the weights.
    data_variance : float
        v > 0: variance of the entries of the data.
    bias_variance : float
        Variance of the biases, >= 0.
    nodes : int
        Kinds of units at most in a layer where they differ.
    total : int, optional
        Kinds of units at most in all layers where they differ: what a layer does not need is for
        those after it.
    every : bool
        Whether to take all units by the fine rule, and no few kinds of them.

    Returns
    -------
    tuple of OffsetLayer
        From the first hidden layer to the last.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a layer is the same for nearly all samples.
    TooVariousOffsets
        If so many kinds of units do not make up the averages over all of them.
    """
    f, s = activation(name), positive("weight_variance", weight_variance)
    biases = nonnegative("bias_variance", bias_variance)
    variance, shared = s * positive("data_variance", data_variance), biases
    most, left = count("nodes", nodes), None if total is None else count("total", total)
    layers = []
    for number in range(1, count("depth", depth) + 1):
        allowed = most if left is None else min(most, left // (depth + 1 - number))
        layer = _layer(f, variance, shared, None if every else allowed, number)
        layers.append(layer)
        left = left - len(layer.masses) if left is not None and shared else left
        variance, shared = s * layer.spread, biases
        if layer.mean_square > _CENTRED * (layer.spread + layer.mean_square):
            shared += s * layer.mean_square
    return tuple(layers)


def _layer(
    f: Activation, variance: float, shared: float, nodes: int | None, number: int
) -> OffsetLayer:
    """Averages of a layer from a fine rule for the offsets, or for kinds of units."""
    offsets, masses = np.zeros(1), np.ones(1)
    if shared:
        wanted = 20 * math.sqrt(shared / variance)
        places = np.linspace(-_REACH, _REACH, int(min(max(wanted, _POINTS), _MOST_POINTS)) | 1)
        masses = np.exp(-(places**2) / 2)
        offsets, masses = math.sqrt(shared) * places, masses / masses.sum()
    means, slopes, rests = _averages(f, offsets, variance)
    mean_square = float(masses @ means**2)
    spread = float(masses @ (rests + slopes**2 * variance))
    if not spread > _ALIKE * (spread + mean_square):
        raise ValueError(
            f"the features of hidden layer {number} are the same for nearly all samples: "
            f"{f!r} has a variance of {spread:.3g} over them and a mean square of "
            f"{mean_square:.3g}, and there is no bulk; take smaller biases"
        )
    if not rests.any() and np.ptp(slopes) <= 1e-12 * np.abs(slopes).max():  # a linear f
        return OffsetLayer(variance, shared, mean_square, spread, np.ones(1), slopes[:1], rests[:1])
    parts = variance, shared, mean_square, spread
    if not shared or nodes is None:
        return OffsetLayer(*parts, masses, slopes, rests)
    every = OffsetLayer(*parts, masses, slopes, rests)
    best, kinds = np.inf, (masses, slopes, rests)
    expected = _tested(masses, slopes**2 * variance / spread, rests / spread)
    for size in range(2, nodes + 1):
        for chosen, shares in _rules(offsets, masses, variance, size):
            _, b, r = _averages(f, chosen, variance)
            found = _tested(shares, b**2 * variance / spread, r / spread)
            off = float((np.abs(found - expected) / np.maximum(expected, 1e-3)).max())
            if off < best:
                best, kinds = off, (shares, b, r)
        if best < _GOOD:
            break
    if not best < _WORST:
        raise TooVariousOffsets(
            f"the offsets that samples share in hidden layer {number} are too various for {nodes} "
            f"kinds of units: averages of {f!r} would be off by {best:.1g} of themselves; take "
            "smaller biases or fewer hidden layers"
        )
    return OffsetLayer(*parts, *kinds, every)


def _rules(offsets: Real, masses: Real, variance: float, size: int) -> Iterator[tuple[Real, Real]]:
    """Yield quadratures of the offsets with so many nodes, and their masses."""
    for scale in (np.inf, *(scale * math.sqrt(2 * variance) for scale in _SCALES)):
        where = offsets if scale == np.inf else np.asarray(erf(offsets / scale))
        alpha, beta = measure_jacobi(where, masses, size)
        nodes, shares = quadrature(alpha[None], beta[None])
        chosen = nodes[0]
        if scale < np.inf:
            chosen = scale * np.asarray(erfinv(np.clip(chosen, where[0], where[-1])))
        yield np.clip(chosen, offsets[0], offsets[-1]), shares[0] / shares[0].sum()


def _tested(masses: Real, linear: Real, rests: Real) -> Real:
    """Averages over units that a quadrature keeps."""
    damped = 1 + linear + rests
    values = [linear, rests, linear**2, rests**2, linear * rests, linear / damped, rests / damped]
    return np.array(values) @ masses


def _averages(f: Activation, offsets: Real, variance: float) -> tuple[Real, Real, Real]:
    """Return c, b and r over z ~ N(t, variance), by Gauss-Legendre panels on each side of 0."""
    deviation = math.sqrt(variance)
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    steps = (np.arange(_PANELS)[:, None] + (1 + nodes) / 2).ravel() / _PANELS  # of an interval
    low, high = offsets - _REACH * deviation, offsets + _REACH * deviation
    kink = np.clip(0.0, low, high)
    widths = np.concatenate([kink - low, high - kink])[:, None]
    z = np.concatenate([low, kink])[:, None] + widths * steps
    measure = np.exp(-((z - np.tile(offsets, 2)[:, None]) ** 2) / (2 * variance))
    measure *= widths * np.tile(weights / (2 * _PANELS), _PANELS)
    measure /= math.sqrt(2 * math.pi) * deviation
    a: Real = np.asarray(f.value(z), dtype=np.float64)
    slope: Real = np.asarray(f.slope(z, a), dtype=np.float64)
    halves = np.array([(measure * part).sum(axis=1) for part in (a, a**2, slope)])
    means, squares, slopes = halves.reshape(3, 2, -1).sum(axis=1)
    rests = squares - means**2 - slopes**2 * variance
    return means, slopes, np.where(rests > 1e-12 * squares, rests, 0.0)
