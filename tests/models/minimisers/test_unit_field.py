"""The slope of one unit: kernels two ways, known spin glasses, bounds in order."""

import numpy as np
import pytest

from rmtland.landscape.minimisers import unit_slopes
from rmtland.models.minimisers import UnitField, UnitKernel
from rmtland.models.minimisers.unit_field import _ground_state_bound
from rmtland.networks.activation import activation
from rmtland.networks.gaussian_averages import gaussian_averages

KERNELS = [
    ("linear", 1.0),
    ("relu", 1.0),
    ("quadratic", 0.7),
    ("sine", 1.5),
    ("erf", 2.0),
    ("tanh", 1.0),
    ("gelu", 1.3),
]


@pytest.mark.parametrize(("name", "radius"), KERNELS)
def test_a_kernel_is_the_covariance_of_the_activation(name, radius):
    """Against Monte Carlo in common random numbers, and against its own derivative."""
    kernel, f = UnitKernel(name, radius), activation(name)
    t = np.array([0.2, 0.6, 0.9])
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    weights = weights / weights.sum()
    if name != "relu":  # Gauss-Hermite as an independent rule; a kink spoils it
        u, v = nodes[:, None], nodes[None, :]
        left = f.value(radius * nodes)
        mean = weights @ left
        variance = weights @ left**2 - mean**2
        for s in t:
            right = f.value(radius * (s * u + np.sqrt(1 - s * s) * v)) @ weights
            expected = (weights @ (left * right) - mean**2) / variance
            assert kernel.value(np.array([s]))[0] == pytest.approx(expected, abs=2e-4)
    step = 1e-5
    slope = (kernel.value(t + step) - kernel.value(t - step)) / (2 * step)
    np.testing.assert_allclose(kernel.slope(t), slope, rtol=1e-6)
    np.testing.assert_allclose(kernel.value(np.array([0.0, 1.0])), [0, 1], atol=1e-12)


@pytest.mark.parametrize(("name", "radius"), KERNELS)
def test_the_slope_at_one_is_that_of_the_gaussian_averages(name, radius):
    averages = gaussian_averages(name, variance=radius**2)
    f = activation(name)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    mean = {"relu": radius / np.sqrt(2 * np.pi)}.get(
        name, float(weights @ f.value(radius * nodes) / weights.sum())
    )
    expected = radius**2 * averages.slope_square / (averages.square - mean**2)
    assert UnitKernel(name, radius).slope(np.ones(1))[0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("outputs", [0.2, 1.0, 3.0])
def test_the_linear_unit_has_the_top_singular_value(outputs):
    field = UnitField("linear", outputs=outputs)
    expected = (1 + np.sqrt(outputs)) ** 2 / (1 + outputs)
    found = field.reachable_slope()
    assert abs(found.value - expected) <= found.error < 1e-3
    assert field.chevet_bound() == pytest.approx(expected)
    assert field.slope_bound() == pytest.approx(expected, rel=1e-4)


def test_a_power_of_the_cosine_is_reached_along_a_power():
    """k = q^2: p = q^a turns the integral into a number, maximal at 3 sqrt(3)/2 for n0 = n2."""
    a = np.linspace(0.5, 2, 20001)
    powers = (np.sqrt(2 * a) + np.sqrt(2 * a + 2)) ** 2 / (1 + a / 2) ** 2 / 2
    assert powers.max() == pytest.approx(1.5 * np.sqrt(3), rel=1e-8)
    found = UnitField("quadratic").reachable_slope()
    assert abs(found.value - powers.max()) <= found.error


def test_fast_sines_reach_27_over_8():
    """k = exp(-r^2 (1 - q)): p = exp(-a r^2 (1 - q)) gives 2 (sqrt a + sqrt(1 + a))/(1 + a)."""
    a = np.linspace(0.1, 1, 10001)
    best = (2 * (np.sqrt(a) + np.sqrt(1 + a)) / (1 + a)).max() ** 2 / 2
    assert best == pytest.approx(27 / 8, rel=1e-8)
    found = UnitField("sine", radius=4.0).reachable_slope()
    assert abs(found.value - 27 / 8) <= found.error + 1e-4  # sinh against exp at radius 4


def test_the_ground_state_of_the_pure_3_spin_glass():
    """Auffinger, Ben Arous & Cerny 2013: 1.657; replica symmetric is sqrt 3 = 1.732."""

    class Cubic(UnitKernel):
        def value(self, t):
            return t**3

        def slope(self, t):
            return 3 * t**2

    assert _ground_state_bound(Cubic("linear"), cells=200) == pytest.approx(1.657, abs=1.5e-3)


@pytest.mark.parametrize(("name", "radius"), [k for k in KERNELS if k[0] != "gelu"])
def test_what_is_reached_is_below_what_is_bounded(name, radius):
    field = UnitField(name, radius, inputs=2.0, outputs=1.0)
    reached = field.reachable_slope()
    assert reached.value <= field.slope_bound() + reached.error
    assert field.slope_bound() <= field.chevet_bound()
    assert 0 < reached.error < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "quadratic"])
def test_units_on_data_come_near_the_theory(name):
    """At n = 48, m = 40 n, relative to the linear unit on the same data, 6 % at most."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 48, 1920))
    linear = unit_slopes(x, y, activation="linear", starts=1, rng=0).highest
    found = unit_slopes(x, y, activation=name, starts=12, rng=0).highest
    assert found / linear == pytest.approx(UnitField(name).reachable_slope().value / 2, rel=0.06)


def test_what_has_no_kernel_is_refused():
    with pytest.raises(ValueError, match="activation"):
        UnitField("cosine")
    with pytest.raises(ValueError, match="radius"):
        UnitField("tanh", 0.0)
    with pytest.raises(ValueError, match="outputs"):
        UnitField("tanh", outputs=-1.0)
    with pytest.raises(ValueError, match="does not converge"):
        UnitField("tanh", 1e4)
