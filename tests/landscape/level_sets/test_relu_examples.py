"""ReLU networks whose level sets fall apart: exact barriers, and networks that obey them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.connectivity import Polygon, profile
from rmtland.landscape.level_sets import OneUnitWithBias, SignPatterns, merge_tree
from rmtland.landscape.slices import plane_slice
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP


def surface_of(example):
    net, x, y = example.network()
    return NetworkSurface.of(net, x, y)


def test_the_numbers_of_the_lecture():
    one = SignPatterns(1, 2, 1)
    assert one.barrier == Fraction(5, 2)
    assert sorted(basin.birth for basin in one.tree.basins) == [Fraction(1, 2), Fraction(2)]
    assert [one.components(Fraction(n, 4)) for n in (1, 2, 7, 8, 9, 10)] == [0, 1, 1, 2, 2, 1]
    two = SignPatterns(2, 1, 1)
    assert (two.barrier, two.components(0), two.components(Fraction(1, 2))) == (
        Fraction(1, 2),
        2,
        1,
    )
    three = SignPatterns(3, 1, 1)
    assert (three.barrier, three.components(0)) == (None, 1)
    bias = OneUnitWithBias((-1, 0, 1), (1, -1, 1))
    assert bias.barrier == Fraction(4, 3)
    assert (bias.reached(1), bias.reached(-1)) == (1, 1)
    assert bias.is_disconnected
    assert not OneUnitWithBias((-1, 0, 1), (1, 1, 1)).is_disconnected


@settings(max_examples=20, deadline=None)
@given(
    units=st.integers(1, 4),
    plus=st.integers(1, 4),
    minus=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_every_path_of_a_network_passes_the_level(units, plus, minus, seed):
    """Random polygons between minima of different patterns never stay below the exact barrier."""
    example = SignPatterns(units, plus, minus)
    surface, rng = surface_of(example), np.random.default_rng(seed)
    if example.barrier is None:
        assert units >= 3
        return
    apart = [b for b in example.tree.basins if b.parent is not None and b.death == example.barrier]
    ends = []
    for point in (example.tree.basins[apart[0].parent].minimum, apart[0].minimum):
        signs = np.array(example.patterns[point], float)
        a = np.zeros(units)
        for sign, target in ((1.0, plus), (-1.0, minus)):
            active = np.flatnonzero(signs == sign)
            if active.size:
                a[active[0]] = target
        ends.append(np.concatenate([signs, a]))
        assert 2.0 * surface.loss(ends[-1]) == pytest.approx(float(example._least(signs)))
    nodes = np.linspace(*ends, 6)
    nodes[1:-1] += rng.standard_normal((4, nodes.shape[1]))
    found = profile(surface, Polygon(nodes), points=1001)
    assert 2.0 * found.highest >= float(example.barrier) * (1.0 - 1e-3)


def test_the_barrier_of_two_units_is_reached():
    surface = surface_of(SignPatterns(2, 1, 1))
    # unit 1 from w = 1 to w = -1 while unit 2 holds y = 1 at x = -1, then the other way round
    nodes = np.array(
        [
            [1, -1, 1, 1],
            [0, -1, 0, 1],
            [-1, -1, 0, 1],
            [-1, -1, 1, 0],
            [-1, 0, 1, 0],
            [-1, 1, 1, 0],
            [-1, 1, 1, 1],
        ],
        float,
    )
    found = profile(surface, Polygon(nodes), points=601)
    assert 2.0 * found.losses[[0, -1]] == pytest.approx([0.0, 0.0])
    assert 2.0 * found.highest == pytest.approx(0.5)


def test_a_grid_that_misses_zero_reads_less_than_the_exact_barrier():
    surface = surface_of(SignPatterns(1, 2, 1))
    readings = {}
    for points in (21, 22):  # with and without w = 0
        plane = plane_slice(surface, np.zeros(2), np.eye(2), extent=3.0, points=points)
        tree = merge_tree(2.0 * plane.losses)
        readings[points] = max(b.death for b in tree.basins if b.parent is not None)
    assert readings[21] == 2.5
    assert readings[22] < 2.3


def test_one_unit_with_biases_passes_its_barrier():
    example = OneUnitWithBias((-1, 0, 1), (1, -1, 1))
    net = MLP((1, 1, 1), "relu", True)
    surface = NetworkSurface.of(net, [[-1.0], [0.0], [1.0]], [[1.0], [-1.0], [1.0]])
    at_zero = np.random.default_rng(0).standard_normal((200, 4))
    at_zero[:, 0] = 0.0
    assert 3.0 * surface.losses(at_zero).min() >= float(example.barrier) * (1 - 1e-12)
    best = surface.loss(np.array([0.0, 0.0, 0.0, 1.0 / 3.0]))
    assert 3.0 * best == pytest.approx(float(example.barrier))
    for sign in (1.0, -1.0):  # kink at 0: c = 0, f(sign) = 1
        assert 3.0 * surface.loss(np.array([sign, 0.0, 1.0, 0.0])) == pytest.approx(1.0)


def test_only_exact_numbers_are_taken():
    with pytest.raises(TypeError, match="integer or a Fraction"):
        SignPatterns(1, 2.0, 1)
    with pytest.raises(TypeError, match="integer or a Fraction"):
        OneUnitWithBias((0, 1), (True, 1))
    with pytest.raises(ValueError, match="at most 12"):
        SignPatterns(13, 1, 1)
    with pytest.raises(ValueError, match="two different inputs"):
        OneUnitWithBias((1, 1), (1, 2))
