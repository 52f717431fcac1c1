r"""The merge tree of the sublevel sets of numbers on a grid or graph, by union-find.

As the level rises, a component of {L <= level} is born at each local minimum, and two components
merge where a point joins them; the one with the higher minimum dies (elder rule). The number of
components is

.. math:: N(\lambda) = \#\{\text{basins}: \text{birth} \le \lambda < \text{death}\} ,

and the persistence of a basin is death less birth. Numbers may be floats or exact fractions.

A grid is not the surface: basins narrower than its spacing are missed, and a barrier is read too
low where the grid steps over it (see `rmtland.landscape.level_sets.relu_examples`). Neighbours are
those along the axes and diagonals ("full"), or along the axes only ("axes"); full neighbours never
give more components.

Synonyms: join tree, 0-dimensional persistent homology, watershed, connected-component tree.

References
----------
.. [1] H. Carr, J. Snoeyink and U. Axen, Computing contour trees in all dimensions, Comput. Geom. 24
       (2003) 75-94 (the join tree).
.. [2] H. Edelsbrunner and J. Harer, Computational Topology: An Introduction, American Mathematical
       Society 2010 (the elder rule).

Examples
--------
>>> import numpy as np
>>> tree = merge_tree(np.array([[0.0, 5.0, 1.0], [4.0, 5.0, 2.0], [6.0, 3.0, 2.5]]), "axes")
>>> [(basin.birth, basin.death) for basin in tree.basins]
[(0.0, inf), (1.0, 5.0)]
>>> tree.components(2.0), tree.components(5.0)
(2, 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np

from rmtland.arguments import choice, entries, points
from rmtland.typing import ArrayLike, Integer, Real

__all__ = ["Basin", "MergeTree", "graph_merge_tree", "merge_tree"]

NEIGHBOURS = ("full", "axes")


Level: TypeAlias = float | Fraction
"""A height of the landscape, exact where it is a fraction."""


class Basin(NamedTuple):
    """One basin of the landscape.

    Made by `rmtland.landscape.level_sets.merge_tree`.

    Parameters
    ----------
    minimum : int
        Number of its lowest point (in the flat order of the grid).
    birth, death : number
        Level of that point; level at which it merges with a deeper one, infinite for the deepest.
    parent : int or None
        Place, in the list of basins, of the deeper one; None for the deepest of its component.
    saddle : int or None
        Number of the point that joins them.
    """

    minimum: int
    birth: Level
    death: Level
    parent: int | None
    saddle: int | None

    @property
    def persistence(self) -> Level:
        """Death less birth: the barrier out of the basin; infinite for the deepest."""
        return np.inf if self.parent is None else self.death - self.birth


@dataclass(frozen=True)
class MergeTree:
    """The basins of numbers on a grid or graph.

    Made by `rmtland.landscape.level_sets.merge_tree` and
    `rmtland.landscape.level_sets.graph_merge_tree`.

    Parameters
    ----------
    basins : tuple of Basin
        Deepest first.
    shape : tuple of int
        Of the grid; of a graph its number of points.
    """

    basins: tuple[Basin, ...]
    shape: tuple[int, ...]

    def components(self, level: Level) -> int:
        """Return the number N of components of the sublevel set.

        Parameters
        ----------
        level : number
            lambda.

        Returns
        -------
        int
            0 below the deepest minimum.

        Raises
        ------
        ValueError
            For NaN.
        """
        if level != level:
            raise ValueError("level must be a number; got NaN")
        return sum(
            basin.birth <= level and (basin.parent is None or level < basin.death)
            for basin in self.basins
        )

    def persistent(self, height: Level) -> tuple[Basin, ...]:
        """Return the basins with a barrier of at least a height.

        Parameters
        ----------
        height : number
            Of the barrier.

        Returns
        -------
        tuple of Basin
            Deepest first; the deepest of all is always one.

        Raises
        ------
        ValueError
            For NaN.
        """
        if height != height:
            raise ValueError("height must be a number; got NaN")
        return tuple(basin for basin in self.basins if basin.persistence >= height)

    def curve(self) -> tuple[Real, Integer]:
        """Return N at every level at which it changes.

        Returns
        -------
        levels : ndarray, shape (k,)
            Ascending; exact fractions rounded, those of one rounding once.
        numbers : ndarray of int, shape (k,)
            N from each level to the next.
        """
        ends = {b.birth for b in self.basins} | {b.death for b in self.basins}
        # counted at the exact level: a rounded one may lie below it
        numbers = {
            float(end): self.components(end) for end in sorted(ends) if np.isfinite(float(end))
        }
        return np.array(list(numbers)), np.array(list(numbers.values()), dtype=np.int64)


def merge_tree(values: ArrayLike, neighbours: str = "full") -> MergeTree:
    r"""Return the merge tree of numbers on a grid.

    .. formula:: Components of a sublevel set, :math:`N(\lambda) = \#\{\text{birth} \le \lambda <
        \text{death}\}`

    Parameters
    ----------
    values : array_like
        On a line (one axis), in a plane (two), or more; such as ``plane_slice(...).losses``.
    neighbours : {"full", "axes"}, optional
        Which points of the grid touch.

    Returns
    -------
    MergeTree
        Basins with births and deaths.

    Raises
    ------
    ValueError
        For no numbers, NaN or infinity, or an unknown kind of neighbours.
    TypeError
        If `values` holds no real numbers.
    """
    choice("neighbours", neighbours, NEIGHBOURS)
    array = points("values", values)
    if array.ndim == 0 or not array.size:
        raise ValueError(f"values must be numbers on a grid; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(
            f"values holds {int((~np.isfinite(array)).sum())} infinities, which are born and die "
            "at no level; take a smaller slice, or cut the values off at a height"
        )
    steps = [
        step
        for step in product((-1, 0, 1), repeat=array.ndim)
        if any(step) and (neighbours == "full" or sum(map(abs, step)) == 1)
    ]
    places = np.indices(array.shape).reshape(array.ndim, -1).T
    touching: list[list[int]] = [[] for _ in range(array.size)]
    for step in steps:
        moved = places + step
        inside = ((moved >= 0) & (moved < array.shape)).all(axis=1)
        targets = np.ravel_multi_index(tuple(moved[inside].T), array.shape)
        for source, target in zip(np.flatnonzero(inside).tolist(), targets.tolist(), strict=True):
            touching[source].append(target)
    return _swept(array.ravel().tolist(), touching, tuple(array.shape))


def graph_merge_tree(births: Sequence[Level], edges: Sequence[tuple[int, int, Level]]) -> MergeTree:
    """Return the merge tree of a graph with numbers on its points and edges.

    Parameters
    ----------
    births : sequence of number
        The level at which each point appears.
    edges : sequence of (int, int, number)
        Pairs of points and the level at which they are joined, at least that of both.

    Returns
    -------
    MergeTree
        Exact if the numbers are; `saddle` is the number of the edge.

    Raises
    ------
    ValueError
        For no points, NaN, an edge to a point that is none, or one below its ends.
    TypeError
        If `births` or `edges` is no sequence.
    """
    births, edges = entries("births", births), entries("edges", edges)
    if not births:
        raise ValueError("a graph has at least one point")
    for number, birth in enumerate(births):
        if birth != birth:
            raise ValueError(f"point {number} appears at NaN: give it a level")
    for i, j, level in edges:
        if not (0 <= i < len(births) and 0 <= j < len(births)):
            raise ValueError(f"the edge of {i} and {j}: points are numbered 0 to {len(births) - 1}")
        if level != level or level < max(births[i], births[j]):
            raise ValueError(f"the edge of {i} and {j} is at {level}, below its ends")
    many = len(births)
    touching: list[list[int]] = [[] for _ in range(many + len(edges))]
    for number, (i, j, _) in enumerate(edges):
        touching[many + number] = [i, j]
        touching[i].append(many + number)
        touching[j].append(many + number)
    values = [*births, *(level for _, _, level in edges)]
    tree = _swept(values, touching, (many,))
    moved = tuple(
        b if b.saddle is None else b._replace(saddle=b.saddle - many) for b in tree.basins
    )
    return MergeTree(moved, (many,))


def _swept(values: Sequence[Level], touching: list[list[int]], shape: tuple[int, ...]) -> MergeTree:
    """Add points from low to high and join components by union-find with path halving."""
    above = list(range(len(values)))
    seen = [False] * len(values)
    lowest = list(range(len(values)))
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = {point: place for place, point in enumerate(order)}
    ended: dict[int, tuple[Level, int, int]] = {}

    def root(point: int) -> int:
        while above[point] != point:
            above[point] = above[above[point]]
            point = above[point]
        return point

    births: list[int] = []
    for point in order:
        seen[point] = True
        roots = {root(other) for other in touching[point] if seen[other]}
        if not roots:
            births.append(point)
            continue
        first, *others = sorted(roots, key=lambda r: rank[lowest[r]])
        above[point] = first
        for other in others:
            ended[lowest[other]] = (values[point], lowest[first], point)
            above[other] = first
    # a basin that is born and dies at one level is none: a plateau
    kept = [p for p in births if p not in ended or ended[p][0] > values[p]]
    number = {point: place for place, point in enumerate(kept)}

    def parent(point: int) -> int | None:
        while point in ended:
            point = ended[point][1]
            if point in number:
                return number[point]
        return None

    return MergeTree(
        tuple(
            Basin(p, values[p], ended[p][0], parent(p), ended[p][2])
            if p in ended
            else Basin(p, values[p], np.inf, None, None)
            for p in kept
        ),
        shape,
    )
