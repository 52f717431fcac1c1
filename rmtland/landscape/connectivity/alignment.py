r"""Permutation alignment of two networks before they are interpolated.

The units of a hidden layer may be permuted, and with an odd activation (tanh, erf) also turned over
by a sign, without any change of the function. Weight matching (Ainsworth, Hayase and Srinivasa,
ICLR 2023) permutes the units of one network so that it is nearest to the other,

.. math:: \min_{P_1, ..., P_{L-1}} \; |\theta_A - P(\theta_B)|^2 ,

one layer after the other: with all other layers fixed it is an assignment problem, solved exactly
by `scipy.optimize.linear_sum_assignment`, and the distance falls until nothing changes. A unit
enters with all its places: the weights into it, its bias and normalisation, the weights out of it
(a whole channel where a convolution is flattened). With signs, unit j for unit i counts the larger
of both similarities. The result depends on the start; the best of several is taken. A permuted copy
of the other network is always told, by the weights into its units, from the first layer on.

Synonyms: re-basin, permutation symmetry, neuron alignment, linear mode connectivity.

References
----------
.. [1] S. K. Ainsworth, J. Hayase and S. Srinivasa, Git Re-Basin: merging models modulo permutation
       symmetries, ICLR 2023.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((3, 4, 4, 2), bias=True)
>>> theta = net.init(rng=0, bias_scale=1.0)
>>> groups = unit_groups(net)
>>> other = groups[0].moved(theta, np.array([2, 0, 3, 1]), np.array([1, -1, 1, -1]))
>>> found = align(theta, other, groups, rng=0)
>>> bool(np.abs(found.theta - theta).max() < 1e-15), round(found.distance, 12)
(True, 0.0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from rmtland.arguments import count, float_array, truth
from rmtland.landscape.connectivity.torch_units import torch_unit_groups
from rmtland.landscape.connectivity.unit_group import (
    Place,
    UnitGroup,
    groups_of_units,
    moved_units,
    unit_rows,
)
from rmtland.networks import MLP
from rmtland.networks.activation import ACTIVATIONS, activation
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["Alignment", "align", "unit_groups"]

ODD = ("tanh", "erf", "sine", "linear")
EVEN = ("quadratic",)

_NEAR = 0.1
"""Distance over the norm up to which a network is a permuted copy, but for small changes."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """A network moved next to another by its symmetries.

    Made by `rmtland.landscape.connectivity.align` and
    `rmtland.landscape.connectivity.lower_barrier`.

    Parameters
    ----------
    theta : ndarray, shape (p,)
        The second network, permuted: the same function.
    distance, before : float
        From the first network, and before anything was moved.
    sweeps : int
        Passes over all layers in the best run.
    is_whole : bool, optional
        Whether the search came to its end; False where Ctrl-C cut `lower_barrier` short.
    """

    theta: Real
    distance: float
    before: float
    sweeps: int
    is_whole: bool = True


def unit_groups(network: MLP | Module) -> tuple[UnitGroup, ...]:
    """Return the hidden layers of a network whose units may be permuted.

    Parameters
    ----------
    network : MLP or nn.Sequential
        A network of rmtland; or of PyTorch, made of linear layers, convolutions in two dimensions
        (one group), batch normalisation, element-wise activations, pooling, flattening and dropout.
        Statistics that a batch normalisation keeps are no parameters and do not move with its
        units: the function stays the same with those of the batch only.

    Returns
    -------
    tuple of UnitGroup
        First layer first; places are those of the flat vector of parameters.

    Raises
    ------
    ValueError
        For another module in the sequence, a layer used twice, or no hidden layer.
    """
    groups = _of_mlp(network) if isinstance(network, MLP) else torch_unit_groups(network)
    if not groups:
        raise ValueError("the network has no hidden layer whose units could be permuted")
    return groups


def _of_mlp(net: MLP) -> tuple[UnitGroup, ...]:
    f = activation(net.activation)
    name = f.name if ACTIVATIONS.get(f.name) is f else ""  # one's own may borrow a name
    signs = name in ODD or name in EVEN
    groups = []
    for layer in range(1, net.depth):
        places = [
            Place(block.slice, block.shape, 0, True) for block in net.blocks if block.layer == layer
        ]
        following = next(b for b in net.blocks if b.layer == layer + 1 and not b.is_bias)
        places.append(Place(following.slice, following.shape, 1, name not in EVEN))
        width, many = net.widths[layer], net.parameter_count
        groups.append(UnitGroup(f"layer {layer}", width, tuple(places), signs, many))
    return tuple(groups)


def align(
    first: Real,
    second: Real,
    groups: Sequence[UnitGroup],
    *,
    signs: bool = True,
    restarts: int = 5,
    max_sweeps: int = 100,
    rng: Rng = None,
) -> Alignment:
    r"""Permute the units of a network so that it is nearest to another.

    .. formula:: Weight matching, :math:`\min_P \lvert\theta_A - P(\theta_B)\rvert^2`

    Parameters
    ----------
    first, second : ndarray, shape (p,)
        Two networks; the second one is moved.
    groups : sequence of UnitGroup
        From `unit_groups`.
    signs : bool, optional
        Turn units over where that leaves the function as it is.
    restarts : int, optional
        Random starts besides the networks as they are.
    max_sweeps : int, optional
        Passes over the layers in each run.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    Alignment
        The nearest that was found.

    Raises
    ------
    ValueError
        For networks of different sizes, or no groups.
    TypeError
        If a group is none, `max_sweeps` or `restarts` is no integer, `signs` no truth value, or
        `first` or `second` holds no real numbers.
    """
    fixed, moving = float_array("first", first, ndim=1), float_array("second", second, ndim=1)
    if fixed.shape != moving.shape:
        raise ValueError(f"the networks have {len(fixed)} and {len(moving)} parameters")
    groups, signs = groups_of_units(groups, fixed.size), truth("signs", signs)
    generator, number = random_generator(rng), count("restarts", restarts, min_value=0)
    limit = count("max_sweeps", max_sweeps)
    # squares of huge or tiny weights are no numbers; a power of 2 is exact
    unit = _power_of_2(max(float(np.abs(fixed).max()), float(np.abs(moving).max())))
    fixed, moving = fixed / unit, moving / unit
    before = float(np.linalg.norm(fixed - moving))
    best, least, spent = moving, before, 0
    for run in range(number + 1):
        here = moving
        if run:
            for group in groups:
                turned = (
                    generator.choice((-1.0, 1.0), group.size) if signs and group.signs else None
                )
                here = moved_units(group, here, generator.permutation(group.size), turned)
        here, sweeps = _descend(fixed, here, groups, signs, limit, generator)
        distance = float(np.linalg.norm(fixed - here))
        if distance < least:
            best, least, spent = here, distance, sweeps
    copy = _from_the_inputs(fixed, moving, groups, signs)
    apart = float(np.linalg.norm(fixed - copy))
    if apart < min(least, _NEAR * float(np.linalg.norm(fixed))):
        best, least, spent = copy, apart, 1
    return Alignment(unit * best, unit * least, unit * before, spent)


def _power_of_2(size: float) -> float:
    """Return the power of 2 up to a size, and 1 for sizes whose squares are numbers."""
    return 1.0 if 1e-100 < size < 1e100 or not size else math.ldexp(1.0, math.frexp(size)[1] - 1)


def _descend(
    fixed: Real,
    here: Real,
    groups: Sequence[UnitGroup],
    signs: bool,
    limit: int,
    generator: np.random.Generator,
) -> tuple[Real, int]:
    """Assign layer after layer, in random order, until no layer changes."""
    for sweep in range(1, limit + 1):
        changed = False
        for i in generator.permutation(len(groups)):
            moved, gained = _assigned(fixed, here, groups[i], groups[i].places, signs)
            if gained:
                here, changed = moved, True
        if not changed:
            return here, sweep
    return here, limit


def _assigned(
    fixed: Real, here: Real, group: UnitGroup, places: Sequence[Place], signs: bool
) -> tuple[Real, bool]:
    """Return the network with one layer moved so that these places are nearest, and if they are."""
    turning, staying = np.zeros((2, group.size, group.size))
    for place in places:
        similar = unit_rows(group, fixed, place) @ unit_rows(group, here, place).T
        if place.turns:
            turning += similar
        else:
            staying += similar
    flips = signs and group.signs
    gain = staying + (np.abs(turning) if flips else turning)
    rows, order = linear_sum_assignment(gain, maximize=True)
    turned = np.where(turning[rows, order] < 0.0, -1.0, 1.0) if flips else None
    total, now = float(gain[rows, order].sum()), float(np.trace(staying + turning))
    if total > now + 1e-12 * (abs(now) + abs(total)):
        return moved_units(group, here, order, turned), True
    return here, False


def _from_the_inputs(fixed: Real, here: Real, groups: Sequence[UnitGroup], signs: bool) -> Real:
    """Assign layer after layer by the weights into the units alone, which undoes any symmetry."""
    for group in groups:
        into = [place for place in group.places if place.axis == 0]
        here = _assigned(fixed, here, group, into, signs)[0]
    return here
