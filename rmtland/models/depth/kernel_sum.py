r"""Sums of the Gram matrices of all layers of a network: the law behind neural tangent kernels.

.. math:: K = r + \sum_{l=0}^{L} q_l \frac{h_l^T h_l}{n_l} .

With the Gaussian equivalent of each layer (`rmtland.models.depth.signal_propagation`), K is a
rational function of independent Gaussian matrices, and the resolvent of K the first corner of that
of a matrix which is linear in them: with :math:`x_l = h_l v/\sqrt{n_l}` and multipliers
:math:`\lambda_l` beside a vector v,

.. math::
    \lambda_l = q_l x_l + b_{l+1} W_{l+1}^T \lambda_{l+1}, \qquad
    z v - r v = \sum_l (\text{noise of layer } l)^T \lambda_l .

Its self-energy couples the diagonal blocks only (sizes m and n_l); with normalised weights

.. math::
    S_v = \sum_l c_l M_{\lambda_l \lambda_l}, \quad
    S_{\lambda_l} = c_l \frac{m}{n_l} M_v + b_l^2 s \frac{n_{l-1}}{n_l} M_{x_{l-1} x_{l-1}}, \quad
    S_{x_l} = b_{l+1}^2 s M_{\lambda_{l+1} \lambda_{l+1}} ,

where c_0 = v is the data variance and :math:`c_l = \eta_l - b_l^2 v_l` in hidden layers. This
matrix Dyson equation is equivalent to the recursion for linear combinations of the kernels of all
layers of Fan and Wang [1]_, which the tests solve beside it. Where units of a layer differ
(`rmtland.models.depth.unit_offsets`) each kind of them has blocks x_l and lambda_l of its own.

References
----------
.. [1] Z. Fan and Z. Wang, Spectra of the conjugate kernel and neural tangent kernel for
       linear-width neural networks, NeurIPS 2020, arXiv:2005.11879.

Examples
--------
>>> from rmtland.models.depth.wide_network import WideNetwork
>>> network = WideNetwork(1.0, (1.0,), 2.0, activation="linear")
>>> law = kernel_sum_law(network, [1.0, 0.0], 0.5)  # 1/2 + Marchenko-Pastur of ratio 2
>>> law.atoms, [round(end, 9) for end in law.support[0]]
(((0.5, 0.5),), [0.671572875, 6.328427125])
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rmtland.free import MatrixDyson, MatrixDysonLaw
from rmtland.free.operator_valued.self_energy import LARGEST_SIZE
from rmtland.laws import Law
from rmtland.laws.affine_law import affine
from rmtland.models.depth.wide_network import WideNetwork
from rmtland.typing import Complex, Integer, Real

__all__ = ["feature_law", "kernel_sum_law"]


def kernel_sum_law(network: WideNetwork, coefficients: Sequence[float], constant: float) -> Law:
    """Return the limit law of constant + sum over layers of coefficients[l] h_l^T h_l / n_l.

    Parameters
    ----------
    network : WideNetwork
        Sizes, activation and variances.
    coefficients : sequence of float
        q_0, ..., q_L, >= 0.
    constant : float
        r, >= 0.

    Returns
    -------
    Law
        Of the bulk: without the eigenvalue that means move out.

    Raises
    ------
    ValueError
        If there are more hidden layers than a matrix Dyson equation takes.
    """
    sizes, variances, layers = _blocks(network)
    shares = np.asarray(coefficients) * _units(network)
    unit = _binary(constant + float(shares.sum()))
    mean, pencil = np.zeros(variances.shape), np.zeros(sizes.size)
    mean[0, 0], pencil[0] = constant / unit, 1.0
    for share, (features, multipliers) in zip(shares, layers, strict=True):
        mean[features, features] = share / unit
        mean[features, multipliers] = mean[multipliers, features] = 1.0
    return affine(_law(mean, variances, pencil, sizes), scale=unit)


def feature_law(network: WideNetwork) -> Law:
    """Return the limit law of h_L h_L^T / n_L, of size n_L: without zeros for n_L <= m.

    The multiplier of the last layer is the vector whose resolvent is wanted, and v = h_L^T w beside
    it has no z.

    Parameters
    ----------
    network : WideNetwork
        Sizes, activation and variances.

    Returns
    -------
    Law
        Of the bulk.
    """
    sizes, variances, layers = _blocks(network)
    *before, (removed, last) = layers
    mean, pencil = np.zeros(variances.shape), np.zeros(sizes.size)
    for features, multipliers in before:
        mean[features, multipliers] = mean[multipliers, features] = -1.0
    mean[0, 0] = -1.0
    pencil[last] = 1.0
    kept = np.delete(np.arange(sizes.size), removed)  # without the features of the last layer
    block = np.ix_(kept, kept)
    found = _law(mean[block], variances[block], pencil[kept], sizes[kept])
    return affine(found, scale=float(_units(network)[-1]))


def _units(network: WideNetwork) -> Real:
    """Powers of two near the mean squares of the features without their means, l = 0 to L."""
    squares = [network.data_variance, *(layer.spread for layer in network.units)]
    return np.array([_binary(square) for square in squares])


def _binary(value: float) -> float:
    """Return the power of two nearest to a value, 1 for zero: scaling by it is exact."""
    return 2.0 ** round(math.log2(value)) if value > 0 else 1.0


def _blocks(network: WideNetwork) -> tuple[Real, Real, list[tuple[Integer, Integer]]]:
    """Sizes of the blocks v, x_0, lambda_0, x_1, ..., the share of M_jj in S_ii, and the places.

    Features are in the units of `_units`, of order one whatever the scale of data and weights. The
    places are those of x_l and of lambda_l, one a kind of units, layer by layer.
    """
    depth = len(network.hidden)
    if 2 * depth + 3 > LARGEST_SIZE:
        raise ValueError(f"at most {(LARGEST_SIZE - 3) // 2} hidden layers; got {depth}")
    sizes, layers = [network.samples], []
    masses = [np.ones(1), *(layer.masses for layer in network.units)]
    for width, shares in zip(network.widths, masses, strict=True):
        features = len(sizes) + 2 * np.arange(shares.size)
        layers.append((features, features + 1))
        sizes += np.repeat(width * shares, 2).tolist()
    variances = np.zeros((len(sizes), len(sizes)))
    units = _units(network)
    rests = [np.array([network.data_variance]), *(layer.rests for layer in network.units)]
    rests = [rest / unit for rest, unit in zip(rests, units, strict=True)]
    for number, (width, (_, multipliers)) in enumerate(zip(network.widths, layers, strict=True)):
        variances[0, multipliers] = masses[number] * rests[number]
        variances[multipliers, 0] = rests[number] * network.samples / width
        if number:
            gains = network.weight_variance * network.units[number - 1].slopes ** 2
            gains *= units[number - 1] / units[number]
            features, fan_in = layers[number - 1][0], network.widths[number - 1]
            variances[np.ix_(multipliers, features)] = np.outer(
                gains, masses[number - 1] * fan_in / width
            )
            variances[np.ix_(features, multipliers)] = masses[number] * gains
    return np.array(sizes), variances, layers


def _law(mean: Real, variances: Real, pencil: Real, sizes: Real) -> Law:
    """Law of an equation whose self-energy couples diagonal blocks only."""

    def self_energy(m: Complex) -> Complex:
        diagonal = np.diagonal(m, axis1=-2, axis2=-1) @ variances.T
        return np.asarray(diagonal[..., None] * np.eye(sizes.size))

    return MatrixDysonLaw(MatrixDyson(mean, self_energy, pencil, sizes))
