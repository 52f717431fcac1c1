"""Kinks are where the slope jumps, of whatever activation."""

import numpy as np
import pytest

from rmtland.landscape.critical_points.kinks import kinks
from rmtland.networks import MLP, Activation
from rmtland.networks.activation import leaky_relu

HARD = Activation(
    "hardtanh",
    lambda z: np.clip(z, -1.0, 1.0),
    lambda z, a: (np.abs(z) < 1.0).astype(z.dtype),
    None,
)
MODULUS = Activation("modulus", np.abs, lambda z, a: np.sign(z), None)


def count(activation, *first, reach=0.0):
    """Pairs at a kink, of one unit with these preactivations."""
    net = MLP((1, 1, 1), activation)
    x = np.array(first)[:, None]
    return kinks(net.at([1.0, 0.5], x, np.zeros_like(x)), reach=reach)


@pytest.mark.parametrize(
    ("activation", "at"),
    [("relu", 1), ("leaky_relu", 1), (leaky_relu(-0.3), 1), (MODULUS, 1), (HARD, 0)],
)
def test_kink_at_zero(activation, at):
    z = np.array([0.0, 0.3, -2.0])
    net = MLP((2, 1, 1), activation)
    x = np.stack([z, np.ones(3)], axis=1)  # z of the unit, beside an input that has no weight
    assert kinks(net.at([1.0, 0.0, 0.5], x, np.zeros((3, 1)))) == at


def test_kinks_of_an_activation_of_ones_own_are_found_where_they_are():
    assert count(HARD, 1.0, -1.0, 1.0 + 1e-9, 0.0, 0.5, 1.1, -3.0) == 3
    assert count(HARD, 1.0 + 1e-5) == 0
    assert count(HARD, 1.0 + 1e-5, reach=1e4) == 1


def test_slopes_that_do_not_jump_are_no_kink():
    assert count(leaky_relu(1.0), 1e-9, 1.0) == 0  # the identity
    assert count("tanh", 1e-9, 1.0) == 0


def test_vanished_parameters_are_at_a_kink():
    for activation, many in (("relu", 3), (leaky_relu(0.2), 3), (MODULUS, 3), (HARD, 0)):
        net = MLP((1, 1, 1), activation, bias=True)
        assert kinks(net.at(np.zeros(4), np.ones((3, 1)), np.ones((3, 1)))) == many
