"""Groups of equal units and dead ones."""

import numpy as np
import pytest

from rmtland.landscape.critical_points import (
    NetworkSurface,
    ReducedSurface,
    SymmetryType,
    TrustRegionNewton,
    random_groups,
)
from rmtland.networks import MLP

CASES = [
    (MLP((3, 6, 2), weight_decay=1e-2), ((2, 1, 1),)),
    (MLP((3, 4, 5, 2), "gelu", bias=True, weight_decay=1e-2), ((2, 1), (1, 3))),
    (MLP((2, 4, 3), "sigmoid", loss="cross_entropy", weight_decay=1e-2), ((2, 2),)),
    (MLP((2, 5, 1), "silu", loss="logistic", parametrisation="ntk", weight_decay=0.1), ((3, 1),)),
]


def point_of(net, seed=0, m=20):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((m, net.n_in)), rng.standard_normal((m, net.n_out))
    if net.loss != "mse":
        y = (y > 0).astype(float) if net.n_out == 1 else np.eye(net.n_out)[y.argmax(1)]
    return net.at(net.init(rng=rng), x, y)


@pytest.mark.parametrize(("net", "groups"), CASES, ids=[str(net) for net, _ in CASES])
def test_the_restricted_loss_is_that_of_the_embedded_weights(net, groups):
    point = point_of(net)
    reduced, rng = ReducedSurface(point, groups), np.random.default_rng(1)
    t, v = rng.standard_normal((2, reduced.size))
    whole, moved = reduced.embedded(t), reduced.embedded(v)
    here = point.at(whole)
    value, gradient = reduced.value(t)
    assert np.linalg.norm(whole) == pytest.approx(np.linalg.norm(t), rel=1e-13)
    assert value == pytest.approx(here.loss, rel=1e-12)
    assert gradient @ v == pytest.approx(here.gradient @ moved, rel=1e-10)
    assert v @ reduced.hessian(t) @ v == pytest.approx(moved @ here.hvp(moved), rel=1e-9)


@pytest.mark.parametrize(("net", "groups"), CASES, ids=[str(net) for net, _ in CASES])
def test_minima_of_the_restricted_loss_are_critical_points(net, groups):
    surface = NetworkSurface(point_of(net))
    walk = SymmetryType(groups).find(surface, np.zeros(0), rng=0)
    gradient = surface.value(walk.theta)[1]
    assert walk.groups == groups
    assert np.linalg.norm(gradient) < 1e-11


def test_the_index_counts_ways_to_wake_dead_units():
    """Index of the narrow network plus, for each dead unit, singular values above the decay."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 30, 4))
    net, narrow = MLP((4, 5, 4), weight_decay=0.05), MLP((4, 2, 4), weight_decay=0.05)
    point = net.at(net.init(rng=0), x, y)
    walk = SymmetryType(((1, 1),)).find(NetworkSurface(point), point.theta, rng=1)
    w1, w2 = net.unflatten(walk.theta)
    small = narrow.at(np.concatenate([w1[:2].ravel(), w2[:, :2].ravel()]), x, y)
    here = point.at(walk.theta)
    correlations = np.linalg.svd(here.residuals.T @ x / 30, compute_uv=False)

    def index(each):
        return np.count_nonzero(np.linalg.eigvalsh(each.hessian("total")) < 0.0)

    assert np.linalg.norm(small.gradient) < 1e-11
    assert index(here) == index(small) + 3 * np.count_nonzero(correlations > 0.05)
    assert index(here) > 0


def test_random_groups_are_those_of_the_network():
    net = MLP((3, 7, 5, 2))
    drawn = [random_groups(net, rng=seed) for seed in range(200)]
    assert {len(groups) for groups in drawn} == {2}
    assert all(sum(sizes) <= width for g in drawn for sizes, width in zip(g, (7, 5), strict=True))
    assert any(max(sizes, default=0) > 1 for groups in drawn for sizes in groups)
    assert any(groups == ((), ()) for groups in drawn)
    alive = [random_groups(MLP((3, 7, 2), "sigmoid"), rng=seed) for seed in range(50)]
    assert all(sum(sizes) == 7 for (sizes,) in alive)
    assert random_groups(net, rng=5) == random_groups(net, rng=5)


@pytest.mark.parametrize(
    ("net", "groups", "message"),
    [
        (MLP((2, 3, 1)), ((2, 2),), "more than the 3 units"),
        (MLP((2, 3, 1)), ((1,), (1,)), "each of the 1 hidden layers"),
        (MLP((2, 1)), (), "hidden layers"),
        (MLP((2, 3, 1), "sigmoid"), ((1, 1),), "must add to 3"),
        (MLP((2, 3, 3, 1)), ((1,), ()), "none has one"),
        (MLP((2, 3, 1), bias=True), ((),), "biases"),
        (MLP((2, 3, 1)), ((0, 1),), "size of a group"),
    ],
)
def test_groups_that_cannot_be_are_refused(net, groups, message):
    with pytest.raises(ValueError, match=message):
        SymmetryType(groups).find(NetworkSurface(point_of(net)), np.zeros(0))


def test_symmetry_types_need_a_network():
    class Square:
        size = 1

    with pytest.raises(TypeError, match="NetworkSurface"):
        SymmetryType().find(Square(), np.zeros(1))
    with pytest.raises(ValueError, match="group"):
        ReducedSurface(point_of(MLP((2, 3, 1))), ((),))


def test_the_dead_network_is_found_too():
    net = MLP((2, 3, 1), weight_decay=0.1)
    walk = SymmetryType(((),), TrustRegionNewton()).find(NetworkSurface(point_of(net)), np.zeros(0))
    assert not walk.theta.any()
    assert walk.reason == "gradient"
