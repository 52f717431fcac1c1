"""Merge trees: counts against a flood fill, known trees, exact numbers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from rmtland.landscape.level_sets import graph_merge_tree, merge_tree


@settings(max_examples=60, deadline=None)
@given(
    values=st.one_of(
        arrays(float, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 6)),
        arrays(float, st.integers(1, 12), elements=st.integers(0, 5)),
    ),
    neighbours=st.sampled_from(["full", "axes"]),
)
def test_components_are_those_of_a_flood_fill(values, neighbours):
    tree = merge_tree(values, neighbours)
    structure = np.ones((3,) * values.ndim) if neighbours == "full" else None
    for level in np.arange(-1.0, 8.0, 0.5):
        _, number = label(values <= level, structure=structure)
        assert tree.components(level) == number
    levels, numbers = tree.curve()
    assert all(tree.components(a) == n for a, n in zip(levels, numbers, strict=True))
    assert tree.basins[0].birth == values.min()
    assert tree.basins[0].parent is None
    for basin in tree.basins:
        assert values.ravel()[basin.minimum] == basin.birth
        assert basin.persistence > 0
        if basin.parent is not None:
            assert tree.basins[basin.parent].birth <= basin.birth
            assert values.ravel()[basin.saddle] == basin.death


def test_persistence_of_known_basins():
    tree = merge_tree(np.array([1.0, 3.0, 0.0, 2.0, 0.5, 9.0]))
    assert [(b.birth, b.death, b.parent) for b in tree.basins] == [
        (0.0, np.inf, None),
        (0.5, 2.0, 0),
        (1.0, 3.0, 0),
    ]
    assert [b.minimum for b in tree.persistent(2.0)] == [2, 0]
    assert [b.minimum for b in tree.persistent(1.5)] == [2, 4, 0]


def test_levels_and_heights_without_end():
    tree = merge_tree(np.array([1.0, 3.0, 0.0, 2.0]))
    assert tree.components(np.inf) == 1
    assert tree.components(-np.inf) == 0
    assert len(tree.persistent(np.inf)) == 1
    assert graph_merge_tree([0, 1], []).components(np.inf) == 2
    with pytest.raises(ValueError, match="height must be a number"):
        tree.persistent(np.nan)
    with pytest.raises(ValueError, match="level must be a number"):
        tree.components(np.nan)


def test_diagonals_join():
    values = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert merge_tree(values).components(0.5) == 1
    assert merge_tree(values, "axes").components(0.5) == 2


def test_a_graph_with_fractions_is_exact():
    third = Fraction(1, 3)
    tree = graph_merge_tree([Fraction(0), third, third], [(0, 1, 2 * third), (1, 2, third)])
    assert [(b.birth, b.death) for b in tree.basins] == [(0, np.inf), (third, 2 * third)]
    assert tree.components(2 * third) == 1
    assert tree.components(2 * third - Fraction(1, 10**30)) == 2
    assert tree.basins[1].saddle == 0


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        merge_tree(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="numbers on a grid"):
        merge_tree(1.0)
    with pytest.raises(ValueError, match="unknown neighbours"):
        merge_tree(np.zeros(3), "diagonals")
    with pytest.raises(ValueError, match="1 infinities"):
        merge_tree(np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match="got NaN"):
        merge_tree(np.array([1.0, 2.0])).components(np.nan)
    with pytest.raises(ValueError, match="at least one point"):
        graph_merge_tree([], [])
    with pytest.raises(ValueError, match="numbered 0 to 1"):
        graph_merge_tree([0, 2], [(0, -1, 3)])
    with pytest.raises(ValueError, match="appears at NaN"):
        graph_merge_tree([0, np.nan], [(0, 1, 3)])
    with pytest.raises(ValueError, match="is at nan"):
        graph_merge_tree([0, 2], [(0, 1, np.nan)])
    with pytest.raises(ValueError, match="below its ends"):
        graph_merge_tree([0, 2], [(0, 1, 1)])


def test_counts_at_exact_levels_that_round_downwards():
    third, tenth = Fraction(1, 3), Fraction(1, 10)  # float(third) lies below, float(tenth) above
    tree = graph_merge_tree([third, tenth], [(0, 1, Fraction(5, 7))])
    levels, numbers = tree.curve()
    assert levels.tolist() == [0.1, float(third), 5 / 7]
    assert numbers.tolist() == [1, 2, 1]
    near = graph_merge_tree([third, third + Fraction(1, 10**30)], [])
    assert [part.tolist() for part in near.curve()] == [[float(third)], [2]]


def test_deepest_basin_of_a_component_has_no_barrier_even_if_born_at_infinity():
    tree = graph_merge_tree([0.0, np.inf], [])
    assert [basin.persistence for basin in tree.basins] == [np.inf, np.inf]
    assert len(tree.persistent(np.inf)) == 2
