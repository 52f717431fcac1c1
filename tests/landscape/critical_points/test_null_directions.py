"""Zero eigenvalues by cause."""

import numpy as np
import pytest

from rmtland.landscape.critical_points import (
    CriticalPoint,
    LevenbergMarquardt,
    NetworkSurface,
    SymmetryType,
    null_directions,
)
from rmtland.networks import MLP


def critical(net, theta=None, seed=0, m=30, y=None):
    """A point where Levenberg-Marquardt ends."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, net.n_in))
    y = rng.standard_normal((m, net.n_out)) if y is None else y
    start = net.at(net.init(rng=rng) if theta is None else theta, x, y)
    walk = LevenbergMarquardt(tolerance=1e-28).find(NetworkSurface(start), start.theta)
    return start.at(walk.theta)


def count(point):
    hessian = point.hessian("total")
    return null_directions(point, hessian, 1e-9 * np.linalg.norm(hessian))


def test_rotations_of_a_linear_layer_with_weight_decay():
    point = critical(MLP((3, 3, 3), "linear", weight_decay=1e-2))
    found = count(point)
    rank = np.linalg.matrix_rank(point.net.unflatten(point.theta)[0], tol=1e-6)
    assert found.symmetry == 3 - (3 - rank) * (2 - rank) // 2
    assert found.unexplained == 0


def test_rescaling_of_relu_units():
    """Where all units are active any matrix may be moved between the layers, but only locally."""
    x = np.abs(np.random.default_rng(0).standard_normal((20, 2)))
    theta = np.array([1.0, 0.2, 0.3, 1.1, 0.4, 0.9, 1.2, 0.1])
    net = MLP((2, 2, 2), "relu")
    assert count(net.at(theta, x, net.predict(theta, x))) == (2, 0, 0, 2)


def test_common_shifts_of_logits():
    rng = np.random.default_rng(0)
    y = np.eye(3)[rng.integers(3, size=40)] * 0.7 + 0.1
    point = critical(MLP((2, 3), bias=True, loss="cross_entropy"), m=40, y=y)
    assert count(point) == (3, 0, 0, 0)


def test_equal_and_dead_units_without_decay():
    net = MLP((3, 4, 2))
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((30, 2))
    point = net.at(net.init(rng=0), x, y)
    walk = SymmetryType(((3,),)).find(NetworkSurface(point), point.theta, rng=0)
    here = point.at(walk.theta)
    assert np.linalg.norm(here.gradient) < 1e-11
    found = count(here)
    assert found.unexplained == 0
    assert found.equal_units + found.dead_units == sum(found) > 0
    examined = CriticalPoint.of(here)
    assert examined.null_directions == found
    assert examined.nullity == sum(found)
    assert examined.status == "critical"


def test_weight_decay_leaves_no_freedom_to_tanh_units():
    net = MLP((3, 4, 2), weight_decay=1e-3)
    point = critical(net, np.zeros(net.parameter_count))
    assert count(point) == (0, 0, 0, 0)


def test_what_has_no_known_cause_is_unexplained():
    point = MLP((1, 1, 1)).at([0.5, 0.3], [[1.0]], [[0.3]])
    assert null_directions(point, np.zeros((2, 2)), 1e-12) == (0, 0, 0, 2)


def test_a_network_of_another_kind_is_refused():
    class Other:
        net = None

    with pytest.raises(TypeError, match="MLP"):
        null_directions(Other(), np.eye(2), 0.1)
