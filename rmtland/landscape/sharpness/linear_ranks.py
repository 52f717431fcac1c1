r"""The rank of the Hessian of a deep linear network: exact formula beside the numbers.

For o = W_L ... W_1 x, squared loss, widths n_0, ..., n_L, inputs of rank r, K = n_L outputs, hidden
units M = n_1 + ... + n_{L-1} and q = min(r, n_1, ..., n_{L-1}, K), at all parameters but a set of
measure zero

.. math::

    \operatorname{rank} H_0 = q (r + K - q) , \qquad
    \operatorname{rank} H_1 = 2 q M - L q^2 + 2 q \min(r, K) \quad (L \ge 2) ,

.. math:: \operatorname{rank} H = 2 q M - L q^2 + q (r + K) ,

H_0 the Gauss-Newton and H_1 the residual part (Singh, Bachmann and Hofmann, NeurIPS 2021; that of
H_0 is the dimension of the matrices of rank q). Where the residuals vanish, H = H_0. Texts print
rank H <= n + O(c) for n samples and c outputs; what their proofs give, and what holds at
interpolation, is rank H_0 <= n c.

References
----------
.. [1] S. P. Singh, G. Bachmann and T. Hofmann, Analytic insights into structure and rank of neural
       network Hessian maps, NeurIPS 2021.

Examples
--------
>>> generic_ranks((3, 2, 3))
LinearRanks(gauss_newton=8, residual=12, total=12, gap=inf)
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(10, 3, rng=0), MLP((3, 2, 3), "linear")
>>> linear_ranks(net.at(net.init(rng=0), data.x, data.y))[:3]
(8, 12, 12)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count, entries, positive
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import LossPoint
from rmtland.networks.activation import activation
from rmtland.networks.loss_point import loss_point
from rmtland.typing import Real

__all__ = ["LinearRanks", "generic_ranks", "linear_ranks", "numerical_rank"]


class LinearRanks(NamedTuple):
    """Ranks of the parts of a Hessian.

    Made by `rmtland.landscape.sharpness.generic_ranks` and
    `rmtland.landscape.sharpness.linear_ranks`.

    Parameters
    ----------
    gauss_newton, residual, total : int
        Of H_0, H_1 and H.
    gap : float
        Smallest ratio, of the three, between the least modulus that counts and the largest that
        does not: how clear the numerical ranks are. Infinite for the formula.
    """

    gauss_newton: int
    residual: int
    total: int
    gap: float


def generic_ranks(widths: Sequence[int], *, input_rank: int | None = None) -> LinearRanks:
    """Return the ranks at almost all parameters of a deep linear network, by the formula.

    .. formula:: Rank of the Hessian of a deep linear network, :math:`2 q M - L q^2 + q (r + K)`

    Parameters
    ----------
    widths : sequence of int
        (n_0, ..., n_L), at least two.
    input_rank : int, optional
        Rank r of the inputs; n_0 by default.

    Returns
    -------
    LinearRanks
        Exact.

    Raises
    ------
    ValueError
        For fewer than two widths, or a rank above n_0.
    TypeError
        If a width or `input_rank` is no integer, or `widths` is no sequence.
    """
    sizes = [count(f"widths[{i}]", width) for i, width in enumerate(entries("widths", widths))]
    if len(sizes) < 2:
        raise ValueError(f"widths must name at least the inputs and the outputs; got {sizes}")
    r = sizes[0] if input_rank is None else count("input_rank", input_rank)
    if r > sizes[0]:
        raise ValueError(f"inputs of {sizes[0]} numbers have at most that rank; got {r}")
    depth, outputs, hidden = len(sizes) - 1, sizes[-1], sum(sizes[1:-1])
    q = min(r, *sizes[1:])
    grown = 2 * q * hidden - depth * q * q
    residual = grown + 2 * q * min(r, outputs) if depth > 1 else 0
    return LinearRanks(q * (r + outputs - q), residual, grown + q * (r + outputs), np.inf)


def linear_ranks(point: LossPoint, *, tolerance: float = 1e-10) -> LinearRanks:
    """Return the numerical ranks of the parts of a linear network's Hessian, with their gap.

    Parameters
    ----------
    point : LossPoint
        Of a network with linear activation (or one layer), squared loss and no weight decay.
    tolerance : float, optional
        Moduli below that times the largest are zero.

    Returns
    -------
    LinearRanks
        Counted.

    Raises
    ------
    ValueError
        If the network is not linear, has biases or weight decay, or another loss, or `tolerance` is
        not between 0 and 1.
    TypeError
        If it is no point, or `tolerance` is no real number.
    """
    net = loss_point(point).net
    name = activation(net.activation).name
    if (name != "linear" and net.depth > 1) or point.data.loss.name != "mse" or net.weight_decay:
        raise ValueError(
            "the formula is for linear networks with squared loss and without weight decay; got "
            f"{net}"
        )
    if any(block.is_bias for block in net.blocks):
        raise ValueError("the formula is for networks without biases; give a column of ones in x")
    split = in_double(point).hessian()
    found = [
        numerical_rank(np.linalg.eigvalsh(part), tolerance)
        for part in (split.gauss_newton, split.residual, split.total)
    ]
    return LinearRanks(found[0][0], found[1][0], found[2][0], min(gap for _, gap in found))


def numerical_rank(eigenvalues: Real, tolerance: float) -> tuple[int, float]:
    """Return how many eigenvalues count, and how clearly.

    Parameters
    ----------
    eigenvalues : ndarray
        Of a symmetric matrix.
    tolerance : float
        Moduli up to that times the largest are zero.

    Returns
    -------
    rank : int
        The others.
    gap : float
        Least modulus that counts over the largest that does not; infinite where all or none do, or
        the others are exactly zero.

    Raises
    ------
    ValueError
        If `tolerance` is not between 0 and 1.
    """
    moduli = np.sort(np.abs(eigenvalues))[::-1]
    if positive("tolerance", tolerance) >= 1.0:
        raise ValueError(
            f"tolerance must be below 1: no eigenvalue exceeds the largest; got {tolerance:g}"
        )
    limit = tolerance * moduli[0]
    rank = int((moduli > limit).sum())
    if rank in (0, len(moduli)) or moduli[rank] == 0.0:
        return rank, np.inf
    return rank, float(moduli[rank - 1] / moduli[rank])
