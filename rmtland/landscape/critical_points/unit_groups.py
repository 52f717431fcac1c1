r"""Critical points by symmetry: groups of equal units, and dead ones.

Let the units of each hidden layer fall into groups of sizes :math:`c_a`, the units of a group equal
in all their weights, and let the rest be dead: all their weights zero. The loss is unchanged by
permutations within the groups, so that a critical point of the loss *restricted* to such weights
is one of the whole loss (principle of symmetric criticality); dead units add none to the gradient
where f(0) = 0. The restricted loss is that of a narrow network, a unit for each group; in
orthonormal coordinates t of the subspace

.. math::

    W^{wide}_{ij} = \frac{t_{ab}}{\sqrt{c_a c_b}}, \qquad
    W^{narrow}_{ab} = \sqrt{c_b / c_a}\, t_{ab}, \qquad i \in a,\ j \in b,

and biases :math:`t_a/\sqrt{c_a}`; inputs and outputs are groups of one. A minimum of it is a
critical point of the wide network, in general a saddle: directions that tell the units of a group
apart, or wake a dead one, may lead down.

References
----------
.. [1] K. Fukumizu and S. Amari, Local minima and plateaus in hierarchical structures of multilayer
       perceptrons, Neural Networks 13 (2000) 317-327.
.. [2] R. S. Palais, The principle of symmetric criticality, Commun. Math. Phys. 69 (1979) 19-30.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 3, 1), weight_decay=0.01)
>>> point = net.at(net.init(rng=0), [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [[1.0], [0.5], [0.0]])
>>> walk = SymmetryType(((2,),)).find(NetworkSurface(point), point.theta, rng=0)
>>> w1, w2 = net.unflatten(walk.theta)
>>> bool((w1[0] == w1[1]).all()), bool((w1[2] == 0.0).all()), walk.reason
(True, True, 'gradient')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rmtland.arguments import count, entries, instance
from rmtland.landscape.critical_points.finders import (
    Finder,
    TrustRegionNewton,
    Walk,
    checked_finder,
)
from rmtland.landscape.surface import NetworkSurface, Surface
from rmtland.networks import MLP, LossPoint
from rmtland.networks.activation import activation
from rmtland.streams import random_generator
from rmtland.typing import Integer, Real, Rng, override

__all__ = ["Groups", "ReducedSurface", "SymmetryType", "mlp_of", "random_groups"]

Groups = tuple[tuple[int, ...], ...]


def random_groups(net: MLP, *, rng: Rng = None) -> Groups:
    """Draw groups: the number of dead units uniform, sizes uniform up to a largest of 1, 2 or 4.

    Parameters
    ----------
    net : MLP
        The network.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    tuple of tuple of int
        Sizes of the groups of each hidden layer; what they lack of its width is dead. None is
        dead where f(0) is not 0.

    Raises
    ------
    TypeError
        If `net` is no MLP.
    """
    instance("net", net, MLP, "an MLP")
    generator = random_generator(rng)
    alive_at_zero = _value_at_zero(net) != 0.0
    layers = []
    for width in net.widths[1:-1]:
        left = width - (0 if alive_at_zero else int(generator.integers(0, width + 1)))
        largest = int(generator.choice([1, 1, 2, 4]))
        sizes = []
        while left > 0:
            sizes.append(int(generator.integers(1, min(largest, left) + 1)))
            left -= sizes[-1]
        layers.append(tuple(sizes))
    if not all(layers):  # a layer without a living unit: nothing passes any other one
        return tuple((1,) if net.bias else () for _ in layers)
    return tuple(layers)


class ReducedSurface(Surface):
    """The loss of a network restricted to weights with groups of equal units and dead ones.

    Parameters
    ----------
    point : LossPoint
        Network and data.
    groups : sequence of sequence of int
        Sizes of the groups of each hidden layer.

    Raises
    ------
    ValueError
        If there are not as many lists as hidden layers, a layer has no group or more units in
        groups than its width, or units would be dead where f(0) is not 0.
    TypeError
        If the network is no MLP, or the groups are no lists of integers.
    """

    def __init__(self, point: LossPoint, groups: Groups) -> None:
        net = mlp_of(point)
        self.groups = checked_groups(net, groups)
        if not all(self.groups):
            raise ValueError("each hidden layer needs a group: without one the weights are all 0")
        narrow = replace(
            net,
            widths=(net.n_in, *(len(sizes) for sizes in self.groups), net.n_out),
            weight_decay=0.0,
        )
        self._decay, self._net = net.weight_decay, net
        sizes = [np.ones(net.n_in), *map(np.asarray, self.groups), np.ones(net.n_out)]
        scale, self._wide = np.empty(narrow.parameter_count), np.empty(narrow.parameter_count)
        for block, wide in zip(narrow.blocks, net.blocks, strict=True):
            here, before = sizes[block.layer][:, None], sizes[block.layer - 1][None, :]
            if block.is_bias:
                scale[block.slice] = self._wide[block.slice] = 1.0 / np.sqrt(here[:, 0])
                continue
            factor = np.sqrt(before / here) * (wide.scale / block.scale)
            scale[block.slice] = factor.ravel()
            self._wide[block.slice] = (1.0 / np.sqrt(here * before)).ravel()
        self._scale, self._narrow = scale, narrow
        self._point = narrow.at(np.zeros(narrow.parameter_count), point.data.x, point.data.y)

    @property
    def size(self) -> int:
        """The dimension of the subspace."""
        return self._narrow.parameter_count

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        here = self._point.at(self._scale * theta)
        loss = here.loss + 0.5 * self._decay * float(theta @ theta)
        return loss, self._scale * here.gradient + self._decay * theta

    @override
    def hessian(self, theta: Real) -> Real:
        matrix: Real = self._point.at(self._scale * theta).hessian("total")
        matrix *= self._scale[:, None]
        matrix *= self._scale
        matrix[np.diag_indices(self.size)] += self._decay
        return matrix

    def restricted(self, theta: Real) -> Real:
        """Return the coordinates of the point of the subspace that is nearest to parameters.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Of the wide network.

        Returns
        -------
        ndarray, shape (size,)
            Orthonormal coordinates: `embedded` undone.
        """
        found = np.empty(self.size)
        for narrow, block in zip(self._narrow.blocks, self._net.blocks, strict=True):
            sums = theta[block.slice].reshape(block.shape)
            for axis, layer in enumerate((block.layer, block.layer - 1)[: sums.ndim]):
                sums = self._group_sums(sums, layer, axis)
            found[narrow.slice] = sums.ravel()
        return found * self._wide

    def _group_sums(self, values: Real, layer: int, axis: int) -> Real:
        """Sum over the units of each group along an axis; inputs and outputs stay as they are."""
        if not 0 < layer <= len(self.groups):
            return values
        sizes = self.groups[layer - 1]
        alive = np.take(values, range(sum(sizes)), axis)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        return np.add.reduceat(alive, starts, axis)

    def embedded(self, theta: Real) -> Real:
        """Return the parameters of the wide network.

        Parameters
        ----------
        theta : ndarray, shape (size,)
            Orthonormal coordinates.

        Returns
        -------
        ndarray, shape (p,)
            Of the same Euclidean norm.
        """
        net, entries = self._net, self._wide * theta
        places = [np.arange(net.n_in), *map(_group_of_unit, self.groups), np.arange(net.n_out)]
        whole = np.zeros(net.parameter_count)
        for narrow, block in zip(self._narrow.blocks, net.blocks, strict=True):
            rows, columns = places[block.layer], places[block.layer - 1]
            values = entries[narrow.slice].reshape(narrow.shape)
            wide = whole[block.slice].reshape(block.shape)
            if block.is_bias:
                wide[: len(rows)] = values[rows]
            else:
                wide[: len(rows), : len(columns)] = values[np.ix_(rows, columns)]
        return whole


@dataclass(frozen=True)
class SymmetryType(Finder):
    """Critical points with groups of equal units and dead units.

    Parameters
    ----------
    groups : tuple of tuple of int, optional
        Sizes of the groups of each hidden layer; drawn anew for each point by `random_groups` if
        there are none.
    finder : Finder, optional
        How to look in the subspace; by default for minima of the restricted loss.

    Raises
    ------
    TypeError
        If the groups are no lists, or the finder is none.

    Notes
    -----
    It makes its own start: entries iid N(0, 1/n), n the inputs of a layer.
    """

    groups: Groups | None = None
    finder: Finder = field(default_factory=TrustRegionNewton)

    makes_its_start = True

    def __post_init__(self) -> None:
        """Refuse what is no finder, or no lists of sizes."""
        checked_finder(self.finder)
        for sizes in () if self.groups is None else entries("groups", self.groups):
            entries("the sizes of a layer", sizes)

    def find(self, surface: Surface, theta: Real, *, rng: Rng = None) -> Walk:
        """Draw a type and a start, and walk in the subspace.

        Parameters
        ----------
        surface : NetworkSurface
            The loss of a network.
        theta : ndarray, shape (p,)
            Not used.
        rng : optional
            Anything `numpy.random.default_rng` takes.

        Returns
        -------
        Walk
            Where it ended.

        Raises
        ------
        TypeError
            If the surface is not that of a network.
        ValueError
            For groups that the network cannot have.
        """
        if not isinstance(surface, NetworkSurface):
            raise TypeError(
                f"symmetry types need the loss of a network, a NetworkSurface; got {surface!r}"
            )
        generator = random_generator(rng)
        net = mlp_of(surface.point)
        if self.groups is None:
            groups = random_groups(net, rng=generator)
        else:
            groups = checked_groups(net, self.groups)
        if not all(groups):
            return Walk(np.zeros(net.parameter_count), 0, "gradient", groups)
        reduced = ReducedSurface(surface.point, groups)
        start = np.empty(reduced.size)
        narrow = reduced._narrow
        for block in narrow.blocks:
            scale = 1.0 / np.sqrt(net.widths[block.layer - 1])
            start[block.slice] = generator.normal(size=block.stop - block.start) * scale
            if block.is_bias:
                start[block.slice] = 0.0
        walk = self.finder.find(reduced, start, rng=generator)
        return Walk(reduced.embedded(walk.theta), walk.steps, walk.reason, groups)


def checked_groups(net: MLP, groups: Sequence[Sequence[int]]) -> Groups:
    """Return groups as tuples, or say why the network cannot have them.

    Parameters
    ----------
    net : MLP
        The network.
    groups : sequence of sequence of int
        Sizes of the groups of each hidden layer.

    Returns
    -------
    tuple of tuple of int
        The groups.

    Raises
    ------
    ValueError
        If it cannot.
    TypeError
        If they are no lists of integers.
    """
    hidden = net.widths[1:-1]
    given = tuple(
        tuple(count("the size of a group", size) for size in entries("the sizes of a layer", sizes))
        for sizes in entries("groups", groups)
    )
    if len(given) != len(hidden) or not hidden:
        raise ValueError(
            f"groups must hold the sizes for each of the {len(hidden)} hidden layers of {net}, "
            f"such as ((2, 1, 1),); got {groups!r}"
        )
    for sizes, width in zip(given, hidden, strict=True):
        if sum(sizes) > width:
            raise ValueError(f"groups of sizes {sizes} need more than the {width} units there are")
        if sum(sizes) < width and _value_at_zero(net) != 0.0:
            raise ValueError(
                f"a unit without weights is no critical point of {net.activation}, whose value at "
                f"0 is not 0: the sizes {sizes} must add to {width}"
            )
    if not all(given) and any(given):
        raise ValueError(f"where one layer has no living unit, none has one; got {groups!r}")
    if net.bias and not all(given):
        raise ValueError("a network with biases needs a group: its last bias alone is not zero")
    return given


def _group_of_unit(sizes: tuple[int, ...]) -> Integer:
    return np.repeat(np.arange(len(sizes)), sizes)


def _value_at_zero(net: MLP) -> float:
    return float(activation(net.activation).value(np.zeros(1))[0])


def mlp_of(point: LossPoint) -> MLP:
    """Return the network of a point, or say that it is no MLP.

    Parameters
    ----------
    point : LossPoint
        A point.

    Returns
    -------
    MLP
        The network.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not (isinstance(point, LossPoint) and isinstance(point.net, MLP)):
        raise TypeError(f"this needs the loss of an MLP, by net.at(theta, x, y); got {point!r}")
    return point.net
