"""Newton steps with the last layer eliminated, against the plain solve."""

import numpy as np
import pytest

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
