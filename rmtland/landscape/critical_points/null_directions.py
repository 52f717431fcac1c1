r"""Zero eigenvalues of a Hessian at a critical point, by their cause.

Directions along which a loss cannot change lie in the kernel of the Hessian at a critical point:

- *symmetry*: with f(cz) = c f(z) (ReLU, linear) or c^2 f(z) (quadratic) a unit may be rescaled; a
  linear layer may be changed by any matrix, or with weight decay by any rotation; the logits of
  cross-entropy by a common amount;
- *equal units*: two units with the same inputs may share their outgoing weights in any way;
- *dead units*: what leaves a unit whose value is 0 on all samples is free, and what enters a unit
  that nothing leaves.

Only what lies in the computed kernel is counted: freedom to move is not always a null direction
(moving the weights into a unit that nothing leaves changes the gradient in those that leave it).

References
----------
.. [1] K. Fukumizu and S. Amari, Local minima and plateaus in hierarchical structures of multilayer
       perceptrons, Neural Networks 13 (2000) 317-327.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((1, 2, 1), "linear")
>>> point = net.at([1.0, 0.5, 0.8, 0.4], [[1.0]], [[1.0]])
>>> null_directions(point, point.hessian("total"), 1e-12)
NullDirections(symmetry=3, equal_units=0, dead_units=0, unexplained=0)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from rmtland.arguments import nonnegative
from rmtland.landscape.critical_points.flatness import square_matrix
from rmtland.landscape.critical_points.unit_groups import mlp_of
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import MLP, LossPoint
from rmtland.networks.activation import activation
from rmtland.typing import Real

__all__ = ["NullDirections", "null_directions"]

HOMOGENEOUS = {"linear": 1, "relu": 1, "quadratic": 2}
"""Degree of activations with f(cz) = c^degree f(z) for c > 0; leaky ReLUs are recognised too."""


class NullDirections(NamedTuple):
    """Numbers of zero eigenvalues of a Hessian, by cause.

    Made by `rmtland.landscape.critical_points.null_directions`.

    Parameters
    ----------
    symmetry : int
        By a continuous symmetry of the loss.
    equal_units : int
        By units with the same incoming weights.
    dead_units : int
        By units without a value or without outgoing weights.
    unexplained : int
        The rest.
    """

    symmetry: int
    equal_units: int
    dead_units: int
    unexplained: int


def null_directions(point: LossPoint, hessian: Real, zero_tolerance: float) -> NullDirections:
    """Count the zero eigenvalues of a Hessian by their cause.

    Parameters
    ----------
    point : LossPoint
        A critical point.
    hessian : ndarray, shape (p, p)
        Its Hessian.
    zero_tolerance : float
        Eigenvalues of at most this modulus are zero.

    Returns
    -------
    NullDirections
        Their sum is the number of zero eigenvalues.

    Raises
    ------
    ValueError
        For a Hessian of another shape, or a tolerance below 0.
    TypeError
        If the network is no MLP, or the Hessian or the tolerance holds no real numbers.
    """
    net = mlp_of(point)
    point = in_double(point)
    hessian = square_matrix("hessian", hessian, net.parameter_count)
    zero_tolerance = nonnegative("zero_tolerance", zero_tolerance)
    values, vectors = np.linalg.eigh(hessian)
    kernel = vectors[:, np.abs(values) <= zero_tolerance]
    counts, known = [], list(_symmetries(net, point))
    for more in ((), _equal_units(net, point), _dead_units(net, point)):
        known += more
        counts.append(_common_dimensions(kernel, known))
    symmetry, equal, dead = counts
    return NullDirections(symmetry, equal - symmetry, dead - equal, kernel.shape[1] - dead)


def _common_dimensions(kernel: Real, known: list[Real]) -> int:
    """Return how many dimensions a kernel and a span share, to a thousandth."""
    if not known or kernel.shape[1] == 0:
        return 0
    columns = np.array(known).T
    lengths = np.linalg.norm(columns, axis=0)
    columns = columns[:, lengths > 1e-12] / lengths[lengths > 1e-12]
    if columns.shape[1] == 0:
        return 0
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    basis = basis[:, sizes > 1e-10 * sizes[0]]
    cosines = np.linalg.svd(basis.T @ kernel, compute_uv=False)
    return int(np.count_nonzero(cosines > 0.999))


class _Directions:
    """Makes vectors of parameters from changes of single blocks."""

    def __init__(self, net: MLP, point: LossPoint) -> None:
        self.size = net.parameter_count
        self.blocks = {block.name: block for block in net.blocks}
        self.values = {
            name: point.theta[block.slice].reshape(block.shape)
            for name, block in self.blocks.items()
        }

    def of(self, **changes: Real) -> Real:
        vector = np.zeros(self.size)
        for name, change in changes.items():
            vector[self.blocks[name].slice] = np.ravel(change)
        return vector

    def entry(self, name: str, place: tuple[int, ...] | int) -> Real:
        change = np.zeros(self.blocks[name].shape)
        change[place] = 1.0
        return self.of(**{name: change})


def _symmetries(net: MLP, point: LossPoint) -> Iterator[Real]:
    make, name = _Directions(net, point), activation(net.activation).name
    degree = 1 if name.startswith("leaky_relu") else HOMOGENEOUS.get(name, 0)
    for layer, width in enumerate(net.widths[1:-1], 1):
        incoming = [one for one in (f"W{layer}", f"b{layer}") if one in make.blocks]
        outgoing, matrices = f"W{layer + 1}", []
        unit = np.eye(width)
        if name == "linear" and net.weight_decay:
            matrices = [
                np.outer(unit[a], unit[b]) - np.outer(unit[b], unit[a])
                for a, b in combinations(range(width), 2)
            ]
        elif name == "linear":
            matrices = [np.outer(a, b) for a in unit for b in unit]
        elif degree and not net.weight_decay:
            matrices = [np.outer(a, a) for a in unit]
        for matrix in matrices:
            changes = {one: matrix @ make.values[one] for one in incoming}
            changes[outgoing] = -degree * make.values[outgoing] @ matrix
            yield make.of(**changes)
    if net.loss == "cross_entropy" and not net.weight_decay:
        for one in (f"W{net.depth}", f"b{net.depth}"):
            if one not in make.blocks:
                continue
            for j in range(make.blocks[one].shape[-1] if one.startswith("W") else 1):
                change = np.zeros(make.blocks[one].shape)
                change[(slice(None), j) if one.startswith("W") else slice(None)] = 1.0
                yield make.of(**{one: change})


def _equal_units(net: MLP, point: LossPoint) -> Iterator[Real]:
    if net.weight_decay:
        return
    make = _Directions(net, point)
    for layer in range(1, net.depth):
        values, outgoing = point.layers[layer - 1][1], f"W{layer + 1}"
        rows = make.blocks[outgoing].shape[0]
        scale = 1e-9 * (1.0 + float(np.abs(values).max()))
        for a, b in combinations(range(values.shape[1]), 2):
            if np.abs(values[:, a] - values[:, b]).max() <= scale:
                for i in range(rows):
                    yield make.entry(outgoing, (i, a)) - make.entry(outgoing, (i, b))


def _dead_units(net: MLP, point: LossPoint) -> Iterator[Real]:
    if net.weight_decay:
        return
    make = _Directions(net, point)
    for layer in range(1, net.depth):
        preactivations, values = point.layers[layer - 1]
        slopes = activation(net.activation).slope(preactivations, values)
        outgoing, incoming = f"W{layer + 1}", f"W{layer}"
        for unit in range(values.shape[1]):
            if np.abs(values[:, unit]).max() <= 1e-12:
                for i in range(make.blocks[outgoing].shape[0]):
                    yield make.entry(outgoing, (i, unit))
            nothing_leaves = np.abs(make.values[outgoing][:, unit]).max() <= 1e-12
            if nothing_leaves or np.abs(slopes[:, unit]).max() <= 1e-12:
                for j in range(make.blocks[incoming].shape[1]):
                    yield make.entry(incoming, (unit, j))
                if f"b{layer}" in make.blocks:
                    yield make.entry(f"b{layer}", unit)
