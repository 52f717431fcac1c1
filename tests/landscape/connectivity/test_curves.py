"""Curves, profiles along them, and curves that are trained."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.connectivity import Bezier, Polygon, profile, trained_curve
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP


def ring(size=2):
    """Minima on the unit sphere, a maximum of height 1 in its centre."""

    def value(theta):
        excess = float(theta @ theta) - 1.0
        return excess**2, 4.0 * excess * theta

    return FunctionSurface(size, value)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([Bezier, Polygon]),
    bends=st.integers(0, 5),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_curves_are_convex_combinations_of_their_nodes(kind, bends, size, seed):
    nodes = np.random.default_rng(seed).standard_normal((bends + 2, size))
    curve, t = kind(nodes), np.linspace(0.0, 1.0, 41)
    weights = curve.weights(t)
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(curve.at(np.array([0.0, 1.0])), nodes[[0, -1]], atol=1e-14)
    polygon = np.linalg.norm(np.diff(curve.at(np.linspace(0, 1, 1001)), axis=0), axis=1).sum()
    assert curve.length() == pytest.approx(polygon, rel=1e-6)
    assert curve.length() >= np.linalg.norm(nodes[-1] - nodes[0])
    straight = kind.between(nodes[0], nodes[-1], bends)
    np.testing.assert_allclose(
        straight.at(t), np.outer(1 - t, nodes[0]) + np.outer(t, nodes[-1]), atol=1e-12
    )


def test_a_curve_keeps_its_own_nodes():
    nodes = np.array([[-1.0, 0.0], [0.0, 0.5], [1.0, 0.0]])
    start = Bezier(nodes)
    found = trained_curve(ring(), start, steps=5, rng=0)
    assert (start.nodes == nodes).all()
    assert not (found.nodes[1] == nodes[1]).any()
    assert (found.nodes[[0, 2]] == nodes[[0, 2]]).all()


def test_barriers_of_known_functions():
    straight = profile(ring(), Polygon([[-1.0, 0.0], [1.0, 0.0]]), points=4)
    assert straight.barrier == pytest.approx(1.0, abs=1e-5)  # between the points too
    assert straight.above_lower_end == straight.barrier
    assert (straight.length, straight.straight) == (2.0, 2.0)
    tilted = profile(ring(), Polygon([[-1.0, 0.0], [0.5, 0.0]]))
    assert tilted.barrier == pytest.approx(1.0 - 0.75**2, abs=1e-5)
    assert tilted.above_lower_end == pytest.approx(1.0, abs=1e-5)
    downhill = profile(ring(), Polygon([[0.1, 0.0], [1.0, 0.0]]))
    assert downhill.barrier == 0.0
    index = profile(ring(), Polygon([[-1.0, 0.0], [1.0, 0.0]]), index_points=3)
    assert index.index.tolist() == [0.0, 1.0, 0.0]
    assert index.index_t.tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("kind", [Bezier, Polygon])
def test_training_goes_around_the_hill(kind):
    start = kind.between([-1.0, 0.0], [1.0, 0.0], 3)
    found = trained_curve(ring(), start, steps=600, step_size=0.05, rng=0)
    assert profile(ring(), found).barrier < 0.05
    assert found.length() > 2.8


def test_many_nodes_take_the_general_route():
    rng, net = np.random.default_rng(0), MLP((2, 3, 1))
    surface = NetworkSurface.of(net, rng.standard_normal((5, 2)), rng.standard_normal((5, 1)))
    few, many = rng.standard_normal((3, 9)), rng.standard_normal((8, 9))
    for nodes in (few, many):
        found = profile(surface, Bezier(nodes), points=7)
        expected = surface.losses(Bezier(nodes).at(found.t))
        np.testing.assert_allclose(found.losses, expected, rtol=1e-10)
        assert (np.diff(found.t) > 0).all()


def test_an_interrupt_keeps_the_curve():
    calls = []

    def stop(share):
        calls.append(share)
        if len(calls) == 3:
            raise KeyboardInterrupt

    start = Bezier.between([-1.0, 0.0], [1.0, 0.0])
    found = trained_curve(ring(), start, steps=100, rng=0, progress=stop)
    again = trained_curve(ring(), start, steps=100, rng=0)
    assert calls == [0.01, 0.02, 0.03]
    assert np.isfinite(found.nodes).all()
    assert not np.array_equal(found.nodes, again.nodes)
    assert (start.is_whole, found.is_whole, again.is_whole) == (True, False, True)

    def late(share):
        if share == 1.0:
            raise KeyboardInterrupt

    assert trained_curve(ring(), start, steps=5, rng=0, progress=late).is_whole
    assert trained_curve(ring(), found, steps=5, rng=0).is_whole


def test_bad_curves_are_refused():
    with pytest.raises(ValueError, match="two ends"):
        Polygon([[1.0, 2.0]])
    with pytest.raises(ValueError, match="2 and 1 entries"):
        Polygon.between([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no inner control point"):
        trained_curve(ring(), Polygon([[0.0, 0.0], [1.0, 0.0]]))
    with pytest.raises(ValueError, match="at least 2"):
        profile(ring(), Polygon([[0.0, 0.0], [1.0, 0.0]]), points=1)
    with pytest.raises(ValueError, match="step_size must be a positive"):
        trained_curve(ring(), Bezier.between([0.0, 0.0], [1.0, 0.0]), step_size=0.0)
