r"""Permutations chosen for the loss on the way, not for the distance.

The permutation that brings two networks nearest to one another (`align`) need not be that of the
lowest barrier. From it, two units of a layer change places (and are turned over where signs are
free) whenever that lowers

.. math:: \max_t L((1 - t) \theta_A + t P(\theta_B))

over some t inside the path, until no such exchange does. What is left is a local minimum over
exchanges, and an upper bound of the lowest barrier that permutations leave.

References
----------
.. [1] R. Entezari, H. Sedghi, O. Saukh and B. Neyshabur, The role of permutation invariance in
       linear mode connectivity of neural networks, ICLR 2022.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.connectivity import align, unit_groups
>>> from rmtland.landscape.surface import NetworkSurface
>>> from rmtland.networks import MLP, gaussian
>>> net, data = MLP((3, 4, 2)), gaussian(20, 3, 2, rng=0)
>>> surface, groups = NetworkSurface.of(net, data.x, data.y), unit_groups(net)
>>> ends = net.init(rng=1), net.init(rng=2)
>>> near = align(*ends, groups, signs=False, rng=0)
>>> low = lower_barrier(surface, ends[0], near.theta, groups, signs=False, rng=0)
>>> [round(surface.loss(0.5 * (ends[0] + end)), 4) for end in (ends[1], near.theta, low.theta)]
[1.2179, 1.2383, 1.1587]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product

import numpy as np
from scipy.linalg import norm

from rmtland.arguments import callable_or_none, count, length, truth
from rmtland.landscape.connectivity.alignment import Alignment
from rmtland.landscape.connectivity.curves import Polygon
from rmtland.landscape.connectivity.profiles import profile
from rmtland.landscape.connectivity.unit_group import UnitGroup, groups_of_units, moved_units
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import parameter_vector
from rmtland.streams import random_generator
from rmtland.typing import Integer, Real, Rng

__all__ = ["lower_barrier"]

_TOGETHER = 64
"""Exchanges that are tried before the best of them is made."""


def lower_barrier(
    surface: LossSurface,
    first: Real,
    second: Real,
    groups: Sequence[UnitGroup],
    *,
    signs: bool = True,
    trials: int = 3000,
    points: int = 7,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> Alignment:
    r"""Exchange units of a network until the straight path to another is as low as that makes it.

    .. formula:: Lowest straight path over exchanges of units, :math:`\min_P \max_t L((1 - t)
        \theta_A + t P(\theta_B))`

    Ctrl-C ends it with the lowest so far.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    first, second : ndarray, shape (p,)
        Two networks; the second one is moved. Best `align` it first.
    groups : sequence of UnitGroup
        From `unit_groups`.
    signs : bool, optional
        Turn units over too, where that leaves the function as it is.
    trials : int, optional
        Exchanges that are tried, at most; each costs the loss at all `points`. A layer of n units
        has n (n - 1)/2, and with signs about four times as many.
    points : int, optional
        Evenly spaced inside the path.
    rng : optional
        Anything `numpy.random.default_rng` takes, for the order of exchanges.
    progress : callable, optional
        Called with the share of `trials` that is done, and with 1 at the end, but for Ctrl-C.

    Returns
    -------
    Alignment
        Where it ended, `second` itself if a finer look finds that higher; `sweeps` is the number
        of exchanges made, and `is_whole` False after Ctrl-C.

    Raises
    ------
    ValueError
        For networks of another size than the surface, no groups, or losses that overflow.
    TypeError
        If the surface or a group is none, `trials` or `points` is no integer, `signs` no truth
        value, `first` or `second` holds no real numbers, or `progress` cannot be called.
    """
    fixed = parameter_vector(surface, "first", first)
    here = parameter_vector(surface, "second", second)
    groups, signs = groups_of_units(groups, fixed.size), truth("signs", signs)
    callable_or_none("progress", progress)
    left, number = count("trials", trials, min_value=0), length("points", points)
    allowed = left
    generator = random_generator(rng)
    inside = np.linspace(0.0, 1.0, number + 2)[1:-1, None]
    before = float(norm(fixed - here))

    def heights(ends: Sequence[Real]) -> Real:
        rows = np.concatenate([fixed + inside * (end - fixed) for end in ends])
        found: Real = surface.losses(rows).reshape(len(ends), number).max(axis=1)
        return found

    start, made, height = here, 0, float(heights([here])[0])
    moves = [(group, *move) for group in groups for move in _exchanges(group, signs)]
    idle, is_whole = 0, False
    try:
        while left and idle < len(moves):
            order = generator.permutation(len(moves))
            for place in range(0, len(moves), _TOGETHER):
                chosen = order[place : place + min(_TOGETHER, left)]
                if idle >= len(moves) or not len(chosen):
                    break
                tried = [moved_units(moves[k][0], here, *moves[k][1:]) for k in chosen]
                found = heights(tried)
                left, idle = left - len(chosen), idle + len(chosen)
                best = int(found.argmin())
                if found[best] < height - 1e-9 * abs(height):
                    here, height, idle = tried[best], float(found[best]), 0
                    made += 1
                if progress is not None:
                    progress(1.0 - left / allowed)
        is_whole = True
        if progress is not None:
            progress(1.0)
    except KeyboardInterrupt:
        pass
    if made and _highest(surface, fixed, here) > _highest(surface, fixed, start):
        here, made = start, 0  # lower at some points, not between them
    return Alignment(np.array(here), float(norm(fixed - here)), before, made, is_whole)


def _highest(surface: LossSurface, first: Real, second: Real) -> float:
    """Return the largest loss on the straight path, looked for on finer grids too."""
    return profile(surface, Polygon(np.array([first, second]))).highest


def _exchanges(group: UnitGroup, signs: bool) -> Iterator[tuple[Integer, Real | None]]:
    """Return orders and signs of all exchanges of two units, and of all single turns."""
    same = np.arange(group.size)
    turned = signs and group.signs
    for i, j in combinations(range(group.size), 2):
        order = same.copy()
        order[[i, j]] = j, i
        if not turned:
            yield order, None
            continue
        for pair in product((1.0, -1.0), repeat=2):
            flips = np.ones(group.size)
            flips[[i, j]] = pair
            yield order, flips
    if turned:
        for flips in 1.0 - 2.0 * np.eye(group.size):
            yield same, flips
