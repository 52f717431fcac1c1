"""Kinks are where the slope jumps, of whatever activation."""

import numpy as np
import pytest

from rmtland.landscape.critical_points import CriticalPoint, find_critical_points
from rmtland.landscape.critical_points.kinks import is_bent, kinks
from rmtland.landscape.critical_points.surface_point import DecayedSurface, SurfacePoint
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP, Activation
from rmtland.networks.activation import leaky_relu

HARD = Activation(
    "hardtanh",
    lambda z: np.clip(z, -1.0, 1.0),
    lambda z, a: (np.abs(z) < 1.0).astype(z.dtype),
    None,
)
MODULUS = Activation("modulus", np.abs, lambda z, a: np.sign(z), None)


def elu(alpha, scale=1.0):
    """ELU; SELU with its own numbers."""

    def low(z):
        return alpha * np.exp(np.minimum(z, 0.0))

    return Activation(
        f"elu({alpha})",
        lambda z: scale * np.where(z > 0.0, z, low(z) - alpha),
        lambda z, a: scale * np.where(z > 0.0, 1.0, low(z)),
        lambda z, a: scale * np.where(z > 0.0, 0.0, low(z)),
    )


SELU = elu(1.6732632423543772, 1.0507009873554805)
SMOOTH = Activation(
    "tanh of one's own",
    np.tanh,
    lambda z, a: 1.0 - a**2,
    lambda z, a: -2.0 * a * (1.0 - a**2),
)


def count(activation, *first, least_norm=0.0):
    """Pairs at a kink, of one unit with these preactivations."""
    net = MLP((1, 1, 1), activation)
    x = np.array(first)[:, None]
    return kinks(net.at([1.0, 0.5], x, np.zeros_like(x)), least_norm=least_norm)


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
    assert count(HARD, 1.0 + 1e-5, least_norm=1e4) == 1


def test_slopes_that_do_not_jump_are_no_kink():
    assert count(leaky_relu(1.0), 1e-9, 1.0) == 0  # the identity
    assert count("tanh", 1e-9, 1.0) == 0


def test_vanished_parameters_are_at_a_kink():
    for activation, many in (("relu", 3), (leaky_relu(0.2), 3), (MODULUS, 3), (HARD, 0)):
        net = MLP((1, 1, 1), activation, bias=True)
        assert kinks(net.at(np.zeros(4), np.ones((3, 1)), np.ones((3, 1)))) == many


@pytest.mark.parametrize("activation", [SELU, elu(0.5), elu(1.0)])
def test_kinks_beside_curvature(activation):
    z = np.array([0.0, 1e-9, -1e-9, 1e-5, 0.3, -2.0, 7.0])
    x = np.stack([z, np.ones(7)], axis=1)  # z of the unit, beside an input that has no weight
    point = MLP((2, 1, 1), activation).at([1.0, 0.0, 0.5], x, np.ones((7, 1)))
    assert (kinks(point), kinks(point, least_norm=1e4)) == (3, 4)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_smooth_activations_of_ones_own_have_no_kink(scale):
    net = MLP((3, 5, 4, 2), SMOOTH, bias=True)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 3)), rng.standard_normal((200, 2))
    assert kinks(net.at(scale * rng.standard_normal(net.parameter_count), x, y)) == 0
    assert kinks(net.at(np.zeros(net.parameter_count), x, y), least_norm=scale) == 0


def test_curvature_jumps_count_where_a_signal_comes_back():
    x, y = np.eye(2), np.ones((2, 1))
    net = MLP((2, 1, 1), elu(1.0), weight_decay=1.0)
    assert kinks(net.at([0.0, 0.0, 0.5], x, y)) == 2
    assert kinks(net.at(np.zeros(3), x, y), least_norm=1.0) == 0  # dead: one Hessian from all sides
    selu = MLP((2, 1, 1), SELU, weight_decay=1.0)
    assert kinks(selu.at(np.zeros(3), x, y), least_norm=1.0) == 2


def test_dead_units_with_curvature_and_a_kink_are_not_critical():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    for activation, status in ((SELU, "unfinished"), (elu(1.0), "critical"), (SMOOTH, "critical")):
        net = MLP((3, 2, 2), activation, weight_decay=1.0)
        (point,) = find_critical_points(net, x, y, starts=[np.zeros(10)], prove=False)
        assert point.status == status
        assert ("at a kink of the activation" in point.why_not) == (status == "unfinished")


@pytest.mark.parametrize("activation", ["relu", SELU, "tanh", "quadratic"])
def test_surfaces_are_looked_at_from_both_sides(activation):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    net = MLP((3, 2, 2), activation)
    surface = DecayedSurface(NetworkSurface.of(net, x, y), 0.1)
    dead = SurfacePoint(surface, np.zeros(10))
    there = is_bent(dead, dead.hessian("total"), least_norm=1.0)
    assert there == (activation not in ("tanh", "quadratic"))
    away = SurfacePoint(surface, rng.standard_normal(10))
    assert not is_bent(away, away.hessian("total"))


def test_functions_with_a_kink_have_no_critical_point_there():
    def function(theta):
        return float(theta[0] * abs(theta[0]) + theta[1] ** 2), 2.0 * np.array(
            [abs(theta[0]), theta[1]]
        )

    def second(theta):
        return np.diag([2.0 if theta[0] >= 0.0 else -2.0, 2.0])

    surface = FunctionSurface(2, function, second)
    assert is_bent(
        SurfacePoint(DecayedSurface(surface, 0.0), np.zeros(2)), second(np.zeros(2)), least_norm=1.0
    )
    point = CriticalPoint.of(
        SurfacePoint(DecayedSurface(surface, 0.0), np.zeros(2)), start_norm=1.0
    )
    assert point.status == "unfinished"
    assert "kink of the loss" in point.why_not


@pytest.mark.parametrize("steepness", [1e4, 1e6])
@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_steep_smooth_functions_have_no_kink(steepness, place):
    """The softplus of a steep unit: its curvature changes within far less than its parameters."""

    def function(theta):
        z = steepness * theta[0]
        return float(np.logaddexp(0.0, z) / steepness + theta[1] ** 2), np.array(
            [1.0 / (1.0 + np.exp(-z)), 2.0 * theta[1]]
        )

    def second(theta):
        z = steepness * theta[0]
        return np.diag([steepness / (2.0 + 2.0 * np.cosh(z)), 2.0])

    surface = DecayedSurface(FunctionSurface(2, function, second), 0.0)
    theta = np.array([place / steepness, 0.0])
    assert not is_bent(SurfacePoint(surface, theta), second(theta), least_norm=1.0)


def test_a_minimum_without_curvature_is_no_kink():
    surface = FunctionSurface(
        2, lambda t: (float(np.sum(t**4)), 4.0 * t**3), lambda t: np.diag(12.0 * t**2)
    )
    point = SurfacePoint(DecayedSurface(surface, 0.0), np.zeros(2))
    assert not is_bent(point, np.zeros((2, 2)), least_norm=1.0)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_kinks_within_reach_are_seen_wherever_they_lie(power, share):
    """A jump of the slope, or of the curvature, at a share of the distance that is looked at."""
    place = share * 1e-8

    def function(theta):
        off = max(theta[0] - place, 0.0)
        slope = power * off ** (power - 1) if theta[0] > place else 0.0
        return off**power + float(theta @ theta), np.array([slope, 0.0]) + 2.0 * theta

    surface = DecayedSurface(FunctionSurface(2, function, lambda t: 2.0 * np.eye(2)), 0.0)
    assert is_bent(SurfacePoint(surface, np.zeros(2)), 2.0 * np.eye(2), least_norm=1.0)
