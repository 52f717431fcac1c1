"""Exchanges of units lower a path, beside all permutations where those can be counted."""

import contextlib
from itertools import permutations, product

import numpy as np
import pytest

from rmtland.landscape.connectivity import align, connect, lower_barrier, unit_groups
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP, digits, gaussian, train

DATA = gaussian(20, 3, 2, rng=0)
INSIDE = np.linspace(0.0, 1.0, 9)[1:-1, None]


def problem(activation="tanh", widths=(3, 4, 2), seed=0):
    net = MLP(widths, activation, bias=True)
    surface = NetworkSurface.of(net, DATA.x, DATA.y)
    ends = [2.0 * net.init(rng=10 * seed + k, bias_scale=1.0) for k in (1, 2)]
    return surface, ends, unit_groups(net)


def height(surface, first, second):
    return surface.losses(first + INSIDE * (second - first)).max()


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_between_the_start_and_the_lowest_of_all(signs, seed):
    surface, (a, b), groups = problem(seed=seed)
    turns = [np.array(t) for t in product((1.0, -1.0), repeat=4)] if signs else [np.ones(4)]
    everything = [
        height(surface, a, groups[0].moved(b, np.array(order), turn))
        for order in permutations(range(4))
        for turn in turns
    ]
    found = lower_barrier(surface, a, b, groups, signs=signs, rng=0)
    reached, start = height(surface, a, found.theta), height(surface, a, b)
    lowest = min(everything)
    assert lowest - 1e-9 <= reached <= start
    assert reached <= np.median(everything)
    assert (found.sweeps == 0) == (found.theta == b).all()
    assert surface.loss(found.theta) == pytest.approx(surface.loss(b), rel=1e-12)
    assert found.distance == pytest.approx(np.linalg.norm(found.theta - a))
    for i in range(4 if found.sweeps else 0):  # no exchange lowers it further
        for j in range(i):
            order = np.arange(4)
            order[[i, j]] = j, i
            assert height(surface, a, groups[0].moved(found.theta, order)) >= reached * (1 - 1e-8)


def test_two_hidden_layers_and_repeatable_order():
    surface, (a, b), groups = problem(widths=(3, 5, 4, 2))
    found = lower_barrier(surface, a, b, groups, rng=3)
    assert height(surface, a, found.theta) < height(surface, a, b)
    assert surface.loss(found.theta) == pytest.approx(surface.loss(b), rel=1e-12)
    assert (lower_barrier(surface, a, b, groups, rng=3).theta == found.theta).all()


def test_trials_are_counted_and_ctrl_c_keeps_the_lowest(monkeypatch):
    surface, (a, b), groups = problem()
    assert (lower_barrier(surface, a, b, groups, trials=0).theta == b).all()
    seen = []
    losses = NetworkSurface.losses

    def counted(self, thetas):
        seen.append(len(thetas))
        if len(seen) > 2:
            raise KeyboardInterrupt
        return losses(self, thetas)

    monkeypatch.setattr(NetworkSurface, "losses", counted)
    with contextlib.suppress(KeyboardInterrupt):  # of the last look
        lower_barrier(surface, a, b, groups, trials=5)
    assert seen[:2] == [7, 35]
    seen.clear()
    stopped = lower_barrier(surface, a, b, groups, points=3)
    assert len(seen) == 3
    assert stopped.sweeps == 1
    assert not stopped.is_whole


def test_progress_reaches_1_unless_ctrl_c_comes():
    surface, (a, b), groups = problem()
    shares = []
    assert lower_barrier(surface, a, b, groups, trials=300, rng=0, progress=shares.append).is_whole
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0.0 < shares[0] < 0.5

    def stop(share):
        shares.append(share)
        raise KeyboardInterrupt

    shares.clear()
    lower_barrier(surface, a, b, groups, trials=300, rng=0, progress=stop)
    assert len(shares) == 1
    assert shares[0] < 1.0


def test_what_does_not_fit_is_refused():
    surface, (a, b), groups = problem()
    with pytest.raises(ValueError, match="second must have"):
        lower_barrier(surface, a, b[:-1], groups)
    with pytest.raises(ValueError, match="no groups"):
        lower_barrier(surface, a, b, ())
    with pytest.raises(ValueError, match="first holds 26 NaN"):
        lower_barrier(surface, np.full_like(a, np.nan), b, groups)
    with pytest.raises(ValueError, match="points"):
        lower_barrier(surface, a, b, groups, points=0)


def test_trained_networks_have_lower_paths_than_the_nearest_permutation():
    data = digits(80, size=4, whiten=True, target="one-hot", rng=0)
    net = MLP((16, 8, 10), loss="cross_entropy", weight_decay=1e-3)
    surface = NetworkSurface.of(net, data.x, data.y)
    a, b = (
        train(net, net.init(rng=k), data.x, data.y, gradient_norm=1e-4, max_steps=200).theta
        for k in (6, 7)
    )
    found = connect(
        surface, a, b, groups=unit_groups(net), curves=(), swap_trials=2000, points=21, rng=0
    )
    names = ["linear", "permuted", "permuted, lowered"]
    names += ["permuted, signs", "permuted, signs, lowered"]
    assert list(found.profiles) == names
    barrier = {name: one.barrier for name, one in found.profiles.items()}
    assert barrier["permuted, lowered"] < 0.95 * barrier["permuted"]
    assert barrier["permuted, signs, lowered"] <= barrier["permuted, signs"] + 1e-9
    nearest = align(a, b, unit_groups(net), signs=False, rng=0)
    assert found.alignments["permuted, lowered"].before == pytest.approx(nearest.distance)


def test_weights_whose_squares_overflow_have_a_distance():
    """Saturated units: the loss is finite, and so is the way between them."""
    net, data = MLP((3, 4, 2)), gaussian(20, 3, 2, rng=0)
    surface, groups = NetworkSurface.of(net, data.x, data.y), unit_groups(net)
    a, b = net.init(rng=1), net.init(rng=2)
    a[:12], b[:12] = 1e170 * a[:12], 1e170 * b[:12]
    found = lower_barrier(surface, a, b, groups, trials=0)
    assert found.distance == pytest.approx(1e170 * np.linalg.norm((a - b)[:12] / 1e170))


@pytest.mark.parametrize("widths", [(3, 7, 2), (3, 1, 1), (3, 2, 3, 1)])  # (3, 1, 1): of fewer
def test_groups_of_another_network_are_refused(widths):
    net, data = MLP((3, 1, 2)), gaussian(20, 3, 2, rng=0)
    surface, groups = NetworkSurface.of(net, data.x, data.y), unit_groups(MLP(widths))
    a, b = net.init(rng=1), net.init(rng=2)
    for move in (
        lambda: lower_barrier(surface, a, b, groups, rng=0),
        lambda: align(a, b, groups, rng=0),
    ):
        with pytest.raises(ValueError, match="groups are of another network"):
            move()
