"""Branches of critical points as the weight decay goes to 0, against chains of known answers."""

import numpy as np
import pytest

from rmtland.landscape.critical_points import (
    CappedNewton,
    NetworkSurface,
    ReducedSurface,
    SymmetryType,
    find_critical_points,
    follow_weight_decay,
)
from rmtland.networks import MLP, gaussian


def test_the_minimum_of_a_chain_at_all_decays():
    """W2 W1 = 1 - w at the minimum of (1 - w2 w1)^2/2 + w (w1^2 + w2^2)/2."""
    net = MLP((1, 1, 1), "linear", weight_decay=0.5)
    point = net.at(np.full(2, 0.5**0.5), [[1.0]], [[1.0]])
    branch = follow_weight_decay(point, lowest=1e-4)
    assert branch.reason == "lowest"
    assert (branch.decays[0], branch.decays[-1]) == (0.5, 1e-4)
    assert (np.diff(branch.decays) < 0).all()
    np.testing.assert_allclose(branch.energies, branch.decays**2 / 2, atol=1e-12)
    np.testing.assert_allclose(branch.norms, np.sqrt(2 * (1 - branch.decays)), rtol=1e-10)
    assert (branch.indices == 0).all()
    assert abs(branch.growth) < 1e-2


def test_a_weight_that_goes_to_infinity_slowly():
    """tanh(w) = 1 is never reached: |w| grows like the logarithm of 1/decay."""
    net = MLP((1, 1, 1), weight_decay=0.1)
    x, y = [[2.0]], [[1.0]]
    (point,) = find_critical_points(net, x, y, starts=[[1.0, 1.0]], prove=False)
    branch = follow_weight_decay(net.at(point.theta, x, y), lowest=1e-7)
    assert branch.reason == "lowest"
    assert (np.diff(branch.energies) < 0).all()
    assert branch.energies[-1] < 1e-12


def test_branches_end_in_folds():
    """Of a small network: H is nearly singular there, and no branch is lost."""
    data, net = gaussian(16, 4, rng=0), MLP((4, 4, 4), weight_decay=1e-2)
    found = find_critical_points(
        net, data.x, data.y, finder=CappedNewton(max_steps=300), starts=5, rng=1, prove=False
    )
    changed = 0
    for point in found.of_status("critical"):
        branch = follow_weight_decay(net.at(point.theta, data.x, data.y), lowest=1e-6)
        assert branch.reason == "fold"
        last = MLP((4, 4, 4), weight_decay=branch.decays[-1]).at(branch.theta, data.x, data.y)
        assert np.linalg.norm(last.gradient) < 1e-12
        eigenvalues = np.linalg.eigvalsh(last.hessian("total"))
        assert branch.indices[-1] == np.count_nonzero(eigenvalues < 0.0)
        start = np.abs(np.linalg.eigvalsh(net.at(point.theta, data.x, data.y).hessian("total")))
        assert np.abs(eigenvalues).min() < 0.3 * start.min()
        if np.ptp(branch.indices):
            changed += 1
            # two eigenvalues pass 0 together: a bifurcation, not a fold; finer steps agree
            finer = follow_weight_decay(
                net.at(point.theta, data.x, data.y), lowest=branch.decays[-1], step=0.15
            )
            np.testing.assert_allclose(finer.theta, branch.theta, atol=1e-9)
            assert branch.indices.max() - branch.indices.min() == 2
            assert branch.decays[-1] < 1e-3 < branch.decays[np.argmax(branch.indices)]
    assert changed == 1


def test_a_sharp_fold_is_told_beside_it():
    """It was lost: the curvature along the branch does not foresee it from a thousandth away."""
    data, net = gaussian(32, 4, rng=8), MLP((4, 4, 4), weight_decay=1e-2)
    (point,) = find_critical_points(
        net, data.x, data.y, finder=CappedNewton(max_steps=150), starts=1, rng=8, prove=False
    )
    assert (point.status, point.index) == ("critical", 7)
    branch = follow_weight_decay(net.at(point.theta, data.x, data.y), lowest=1e-5)
    assert branch.reason == "fold"
    least = []
    for decay in branch.decays[[0, -1]]:
        theta = point.theta if decay == net.weight_decay else branch.theta
        there = MLP((4, 4, 4), weight_decay=decay).at(theta, data.x, data.y)
        least.append(np.abs(np.linalg.eigvalsh(there.hessian("total"))).min())
    assert least[1] < 0.3 * least[0]  # as at other folds


def test_groups_of_equal_units_stay_equal():
    data, net = gaussian(16, 4, rng=2), MLP((4, 4, 4), weight_decay=1e-2)
    origin = net.at(np.zeros(32), data.x, data.y)
    walk = SymmetryType(((2, 1),)).find(NetworkSurface(origin), origin.theta, rng=0)
    reduced = ReducedSurface(origin, walk.groups)
    np.testing.assert_allclose(reduced.embedded(reduced.restricted(walk.theta)), walk.theta)
    branch = follow_weight_decay(origin.at(walk.theta), lowest=1e-3, groups=walk.groups)
    first, second = net.unflatten(branch.theta)
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[:, 3], 0.0)
    assert branch.indices[0] > 0


def test_layers_of_groups_are_restricted_and_embedded():
    net = MLP((2, 3, 4, 1), bias=True, weight_decay=0.1)
    origin = net.at(np.zeros(net.parameter_count), np.eye(2), np.ones((2, 1)))
    reduced = ReducedSurface(origin, ((2, 1), (1, 2)))
    at = np.random.default_rng(0).standard_normal(reduced.size)
    np.testing.assert_allclose(reduced.restricted(reduced.embedded(at)), at)


def test_what_is_no_critical_point_is_refused():
    net = MLP((1, 1, 1), "linear", weight_decay=0.1)
    with pytest.raises(ValueError, match="no critical point"):
        follow_weight_decay(net.at([3.0, 0.1], [[1.0]], [[1.0]]))
    for lowest in (0.1, 0.2, 0.0, -1.0):
        with pytest.raises(ValueError, match="lowest"):
            follow_weight_decay(net.at(np.full(2, 0.9**0.5), [[1.0]], [[1.0]]), lowest=lowest)
