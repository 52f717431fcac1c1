"""Activations: derivatives, Gaussian averages and the variances of initialisations."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from network_cases import ACTIVATION_NAMES, reference_activation, reference_slope
from scipy.stats import norm

from rmtland.networks import (
    ACTIVATIONS,
    INITIALISATIONS,
    MLP,
    Activation,
    Initialisation,
    gaussian_averages,
    leaky_relu,
)
from rmtland.networks.gaussian_averages import _quadrature

Z = np.array([-30.0, -3.1, -2.0, -0.7, -1e-3, 0.3, 1.9, 4.0, 30.0])


def test_the_names():
    assert set(ACTIVATION_NAMES) == set(ACTIVATIONS)
    assert all(name == f.name for name, f in ACTIVATIONS.items())


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_values_slopes_and_curvatures(name):
    f = ACTIVATIONS[name]
    value = f.value(Z)
    np.testing.assert_allclose(value, reference_activation(name, Z), rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(f.slope(Z, value), reference_slope(name, Z), rtol=1e-12, atol=1e-12)
    step = 1e-30  # complex, of the slope written apart from the package
    bend = reference_slope(name, Z + 1j * step).imag / step
    curvature = np.zeros(len(Z)) if f.curvature is None else f.curvature(Z, value)
    np.testing.assert_allclose(curvature, bend, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_nothing_far_out_is_nan(name):
    f = ACTIVATIONS[name]
    z = np.array([-1e150, -800.0, 0.0, 800.0, 1e150])
    with np.errstate(all="ignore"):
        value = f.value(z)
        results = [value, f.slope(z, value)]
        if f.curvature is not None:
            results.append(f.curvature(z, value))
    assert np.isfinite(results).all()


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_dtype_and_argument_are_kept(name, dtype):
    f, z = ACTIVATIONS[name], Z.astype(dtype)
    value = f.value(z)
    value_and_derivatives = [value, f.slope(z, value)]
    if f.curvature is not None:
        value_and_derivatives.append(f.curvature(z, value))
    assert all(array.dtype == dtype and array is not z for array in value_and_derivatives)
    np.testing.assert_array_equal(z, Z.astype(dtype))


def test_leaky_relu_of_any_slope():
    f = leaky_relu(-0.5)
    np.testing.assert_array_equal(f.value(np.array([-2.0, 0.0, 3.0])), [1.0, 0.0, 3.0])
    np.testing.assert_array_equal(f.slope(np.array([-2.0, 0.0, 3.0]), None), [-0.5, -0.5, 1.0])
    averages = gaussian_averages(f, variance=2.0)
    assert averages.square == pytest.approx(1.25, abs=averages.error)
    assert averages.slope == pytest.approx(0.25, abs=averages.error)
    assert averages.slope_square == pytest.approx(0.625, abs=averages.error)
    assert averages.error < 1e-12
    with pytest.raises(ValueError, match="negative_slope must be a finite number"):
        leaky_relu(np.nan)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
@pytest.mark.parametrize("variance", [1e-9, 0.04, 1.0, 3.0, 200.0])
def test_gaussian_averages_against_adaptive_quadrature(name, variance):
    from scipy.integrate import quad

    f, averages = ACTIVATIONS[name], gaussian_averages(name, variance=variance)

    def mean(function):
        def integrand(t):
            z = np.array([math.sqrt(variance) * t])
            return float(function(z)[0]) * math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

        points = [sign * scale for sign in (-1, 1) for scale in (0.05, 0.3, 1, 3)]
        return quad(
            integrand, -12, 12, points=[0, *points], epsabs=1e-13 * max(1, variance**2), limit=500
        )[0]

    tolerance = 1e-11 * max(1, averages.square) + averages.error
    assert averages.square == pytest.approx(mean(lambda z: f.value(z) ** 2), abs=tolerance)
    assert averages.slope == pytest.approx(mean(lambda z: f.slope(z, f.value(z))), abs=tolerance)
    assert averages.slope_square == pytest.approx(
        mean(lambda z: f.slope(z, f.value(z)) ** 2), abs=max(tolerance, 1e-11 * variance)
    )


@given(
    name=st.sampled_from(["linear", "relu", "leaky_relu", "erf", "gelu", "quadratic", "sine"]),
    variance=st.floats(1e-12, 100.0),
)
def test_closed_forms_are_within_the_error_of_the_quadrature(name, variance):
    closed = gaussian_averages(name, variance=variance)
    numeric = _quadrature(ACTIVATIONS[name], variance)
    assert closed.error == 0.0
    for exact, found in zip(closed[:3], numeric[:3], strict=True):
        assert abs(exact - found) <= numeric.error
    assert numeric.error < 1e-10 * max(1.0, *map(abs, closed[:3]))


def test_averages_at_zero_variance_and_their_refusals():
    assert gaussian_averages("sigmoid", variance=0.0)[:3] == (0.25, 0.25, 0.0625)
    assert gaussian_averages("relu", variance=0.0).square == 0.0
    with pytest.raises(ValueError, match="variance must be zero or a positive"):
        gaussian_averages("tanh", variance=-1.0)
    with pytest.raises(ValueError, match="unknown activation"):
        gaussian_averages("swish")
    wild = Activation("wild", lambda z: np.sin(1 / z), lambda z, a: -np.cos(1 / z) / z**2, None)
    with pytest.raises(ValueError, match="do not converge"):
        gaussian_averages(wild)


@pytest.mark.parametrize("variance", [1e-4, 1.0, 1e4])
def test_kinks_away_from_zero_do_no_harm(variance):
    kinked = Activation("kinked", lambda z: np.abs(z - 1), lambda z, a: np.sign(z - 1), None)
    found = gaussian_averages(kinked, variance=variance)
    slope = 1 - 2 * norm.cdf(1 / variance**0.5)
    for value, exact in zip(found[:3], (variance + 1, slope, 1.0), strict=True):
        assert abs(value - exact) <= found.error
    assert found.error < 1e-11 * (1 + variance)


@pytest.mark.parametrize("scheme", list(INITIALISATIONS))
@pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
def test_weights_have_the_stated_variance(scheme, shape):
    net = MLP((shape[1], shape[0], 1), "relu", bias=True)
    weight, bias = net.unflatten(net.init(rng=3, scheme=scheme, scale=1.5, bias_scale=0.2))[:2]
    expected = 1.5**2 * INITIALISATIONS[scheme].variance(shape[1], shape[0], "relu")
    assert abs(weight.var() / expected - 1) < 5 * math.sqrt(2 / weight.size)
    assert abs(weight.mean()) < 5 * math.sqrt(expected / weight.size)
    assert abs(bias.var() / 0.04 - 1) < 5 * math.sqrt(2 / bias.size)
    if "uniform" in scheme:
        assert np.abs(weight).max() <= math.sqrt(3 * expected)
        assert np.abs(weight).max() > 0.999 * math.sqrt(3 * expected)
    if scheme == "orthogonal":
        gram = weight.T @ weight if shape[0] > shape[1] else weight @ weight.T
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(200), atol=1e-12)


def test_variances_by_name():
    variances = {name: s.variance(50, 150, "tanh") for name, s in INITIALISATIONS.items()}
    assert variances["lecun"] == variances["orthogonal"] == variances["lecun_uniform"] == 0.02
    assert variances["he"] == variances["he_uniform"] == 0.04
    assert variances["glorot"] == variances["glorot_uniform"] == 0.01
    assert variances["unit"] == 1.0
    assert INITIALISATIONS["critical"].variance(50, 9, "relu") == 0.04
    assert MLP((2, 3)).init(rng=0) == pytest.approx(MLP((2, 3)).init(rng=0, scheme="lecun"))
    ntk = MLP((2, 3), parametrisation="ntk")
    np.testing.assert_allclose(ntk.init(rng=0), MLP((2, 3)).init(rng=0) * math.sqrt(2), rtol=1e-15)
    with pytest.raises(ValueError, match="unknown scheme 'xavier'; choose one of lecun, he"):
        ntk.init(rng=0, scheme="xavier")


def test_the_critical_scheme_keeps_gradients():
    """With unit preactivations the mean square of a gradient is kept from layer to layer."""
    n = 2000
    weight = INITIALISATIONS["critical"].draw((n, n), "tanh", np.random.default_rng(0))
    rng = np.random.default_rng(1)
    slope = 1 - np.tanh(rng.standard_normal(n)) ** 2
    delta = rng.standard_normal(n)
    assert ((slope * (weight.T @ delta)) ** 2).mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((3, np.sin, np.cos, None), "name must be a string; got 3"),
        (("sine", np.sin, None, None), "slope of 'sine' must be a function; got None"),
        (("sine", np.sin, np.cos, 0.0), "curvature of 'sine' must be a function; got 0.0"),
    ],
)
def test_an_activation_is_made_of_functions(parts, message):
    with pytest.raises(TypeError, match=message):
        Activation(*parts)


def test_an_initialisation_has_a_variance_and_known_entries():
    """Other entries were drawn as orthogonal ones."""
    with pytest.raises(ValueError, match="unknown entries 'Normal'; choose one of normal, uniform"):
        Initialisation("mine", lambda fan_in, fan_out, f: 1.0, entries="Normal")
    with pytest.raises(TypeError, match=r"a name and a function of fan-in, .* got 'mine' and 1.0"):
        Initialisation("mine", 1.0)
