"""Networks beside their linearisations: exact for linear models, exponents in the width."""

import numpy as np
import pytest

from rmtland.landscape.linearisation import (
    compare_descent,
    fit_exponent,
    output_scaling,
    width_scaling,
)
from rmtland.networks import MLP, gaussian

DATA = gaussian(10, 6, rng=0)


def test_a_model_linear_in_its_parameters_is_its_linearisation():
    net = MLP((6, 6), bias=True)
    found = compare_descent(net, net.init(rng=0), DATA.x, DATA.y, steps=80)
    assert found.deviation < 1e-10
    assert found.kernel_change < 1e-14
    assert found.output_error < 1e-12
    assert found.distance == pytest.approx(found.predicted_distance, rel=1e-10)
    assert found.measured[-1] < found.measured[0]


def test_the_recorded_losses_are_those_of_the_network():
    net = MLP((6, 8, 6))
    theta = net.init(rng=0)
    found = compare_descent(net, theta, DATA.x, DATA.y, step_size=0.05, steps=3)
    for k in range(4):
        point = net.at(theta, DATA.x, DATA.y)
        assert found.measured[k] == pytest.approx(point.loss, rel=1e-13)
        theta = theta - 0.05 * point.gradient


@pytest.mark.parametrize(
    ("parametrisation", "movement", "relative"), [("ntk", 0.0, -0.5), ("standard", -0.5, -1.0)]
)
def test_movement_scales_with_the_width_as_the_parametrisation_says(
    parametrisation, movement, relative
):
    net = MLP((6, 6, 1), parametrisation=parametrisation)
    found = width_scaling(net, DATA.x, DATA.y[:, :1], [256, 1024], seeds=3, steps=15, rng=1)
    assert found.exponents["movement"].value == pytest.approx(movement, abs=0.12)
    assert found.exponents["relative movement"].value == pytest.approx(relative, abs=0.12)
    # the bound of the lecture is -1/2; the terms of single units have random signs
    assert found.exponents["output error"].value < -0.7


def test_the_kernel_moves_in_inverse_proportion_to_the_output_scale():
    net = MLP((6, 20, 1), parametrisation="ntk")
    found = output_scaling(net, DATA.x, DATA.y[:, :1], [10.0, 100.0], seeds=2, steps=20, rng=1)
    assert found.exponents["kernel change"].value == pytest.approx(-1.0, abs=0.05)
    assert found.exponents["output error"].value == pytest.approx(-1.0, abs=0.05)
    feature = output_scaling(net, DATA.x, DATA.y[:, :1], [0.2, 1.0], seeds=1, steps=20, rng=1)
    change = feature.table()["kernel change"]
    assert change[0, 0] > 3 * change[1, 0]


def test_an_exponent_is_inside_its_interval_as_often_as_stated():
    rng = np.random.default_rng(0)
    sizes = np.array([10.0, 30.0, 100.0, 300.0])
    inside = 0
    for _ in range(400):
        noise = np.exp(0.2 * rng.standard_normal((4, 3)))
        fit = fit_exponent(sizes, 3 * sizes[:, None] ** -0.7 * noise)
        inside += fit.low <= -0.7 <= fit.high
    assert 0.92 <= inside / 400 <= 0.98


def test_bad_input_is_refused():
    net = MLP((6, 8, 1))
    theta, x, y = net.init(rng=0), DATA.x, DATA.y[:, :1]
    with pytest.raises(ValueError, match="is not stable; take at most"):
        compare_descent(net, theta, x, y, relative_step=2.5)
    with pytest.raises(ValueError, match="more than max_steps = 3"):
        compare_descent(net, theta, x, y, max_steps=3, fraction=1e-3)
    with pytest.raises(ValueError, match="no hidden layer"):
        width_scaling(MLP((6, 1)), x, y, [8, 16])
    with pytest.raises(ValueError, match="at least two different widths"):
        width_scaling(net, x, y, [8, 8])
    with pytest.raises(ValueError, match="below 2"):
        width_scaling(net, x, y, [8, 16], step=2.0)
    with pytest.raises(ValueError, match="at least two different output scales"):
        output_scaling(net, x, y, [1.0])
    with pytest.raises(ValueError, match="loss='mse'"):
        compare_descent(
            MLP((6, 8, 1), loss="logistic"), theta, x, np.ones((10, 1)), output_scale=2.0
        )
    with pytest.raises(ValueError, match="the loss is zero at the start"):
        compare_descent(net, theta, x, 0 * y, output_scale=2.0)
    with pytest.raises(ValueError, match="two different sizes"):
        fit_exponent([1, 1, 1], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="positive"):
        fit_exponent([1, 2, 3], [1.0, 0.0, 3.0])


def test_a_network_whose_loss_grows_is_refused():
    net = MLP((6, 8, 1), activation="quadratic")
    theta = 3 * net.init(rng=0)
    with pytest.raises(ValueError, match=r"take a smaller step_size|overflow"):
        compare_descent(
            net, theta, DATA.x, 5 * DATA.y[:, :1], output_scale=0.01, relative_step=1.9, steps=300
        )
