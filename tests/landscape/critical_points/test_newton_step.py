"""Newton steps with the last layer eliminated, against the plain solve."""

import numpy as np
import pytest
from scipy.linalg import lapack

from rmtland.landscape.critical_points.newton_step import last_layer, newton_step
from rmtland.networks import MLP, gaussian

NETWORKS = [
    MLP((3, 4, 2), weight_decay=0.01),
    MLP((3, 4, 2), "gelu", bias=True, weight_decay=0.01),
    MLP((3, 2, 4, 1), "softplus", bias=True),
    MLP((3, 2, 2), "silu", parametrisation="ntk", weight_decay=0.1),
]


@pytest.mark.parametrize("net", NETWORKS, ids=str)
def test_the_step_is_that_of_the_plain_solve(net):
    data = gaussian(20, net.n_in, rng=0)
    point = net.at(net.init(rng=1) + 0.1, data.x, data.y[:, : net.n_out])
    hessian, gradient = point.hessian("total"), point.gradient
    step = newton_step(hessian, gradient, last_layer(net))
    np.testing.assert_allclose(step, np.linalg.solve(hessian, -gradient), rtol=1e-8, atol=1e-10)


def test_other_losses_have_no_block_to_eliminate():
    assert last_layer(MLP((2, 3, 2), loss="cross_entropy")) is None
    assert last_layer(MLP((2, 2))) is None
    places = last_layer(MLP((2, 3, 2), bias=True))
    np.testing.assert_array_equal(places, [[9, 10, 11, 15], [12, 13, 14, 16]])


def test_a_dead_unit_without_decay_is_solved_plainly():
    """The block is singular then, and so is the Hessian."""
    net = MLP((2, 2, 1))
    point = net.at(np.zeros(6), np.eye(2), np.ones((2, 1)))
    with pytest.raises(np.linalg.LinAlgError):
        newton_step(point.hessian("total"), point.gradient, last_layer(net))


@pytest.mark.parametrize("decay", [0.0, 1e-12, 1e-8, 1e-3])
@pytest.mark.parametrize("case", ["few samples", "equal units", "dead unit", "saturated", "small"])
def test_no_step_is_less_exact_where_the_block_is_nearly_singular(case, decay):
    """The block of the last layer may be singular where the Hessian is not."""
    net = MLP((3, 4, 2), "gelu" if case == "dead unit" else "tanh", bias=True, weight_decay=decay)
    m = 2 if case == "few samples" else 12
    data = gaussian(m, 3, rng=3)
    theta = np.array(net.init(rng=2)) * {"saturated": 30.0, "small": 1e-4}.get(case, 1.0)
    first, biases = theta[:12].reshape(4, 3), theta[12:16]
    if case == "equal units":
        first[1], biases[1] = first[0], biases[0]
    if case == "dead unit":
        first[2], biases[2] = 0.0, 0.0
    point = net.at(theta, data.x, data.y[:, :2])
    hessian, gradient = point.hessian("total"), point.gradient
    try:
        step = newton_step(hessian, gradient, last_layer(net))
    except np.linalg.LinAlgError:
        assert np.linalg.cond(hessian) > 1e15
        return
    size = np.linalg.norm(hessian) * np.linalg.norm(step) + np.linalg.norm(gradient)
    assert np.linalg.norm(hessian @ step + gradient) <= 1e-13 * size


def test_a_hessian_of_full_rank_is_solved_where_elimination_meets_a_zero(monkeypatch):
    net = NETWORKS[0]
    data = gaussian(20, 3, rng=0)
    point = net.at(net.init(rng=1), data.x, data.y[:, :2])
    hessian, gradient = point.hessian("total"), point.gradient
    monkeypatch.setattr(lapack, "dgesv", lambda *args, **options: (None, None, None, 1))
    step = newton_step(hessian, gradient, last_layer(net))
    np.testing.assert_allclose(step, np.linalg.solve(hessian, -gradient))
