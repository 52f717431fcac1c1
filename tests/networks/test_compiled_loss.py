"""The compiled loss agrees with the loss point, over the table of networks and at the extremes."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from network_cases import CASES

from rmtland.networks import MLP, leaky_relu
from rmtland.networks.activation import ACTIVATIONS
from rmtland.networks.compiled_loss import COMPILED
from rmtland.networks.derivatives.compiled_kernels import ACTIVATION_CODES, activate

IN_THE_TABLE = [case for case in CASES if case.activation in COMPILED]


def assert_as_the_point(net, theta, x, y, v):
    compiled, point = net.compiled(x, y), net.at(theta, x, y)
    loss, gradient, product = compiled.derivatives(theta, v)
    rounding = 1e-13 * len(x) ** 0.5
    assert loss == pytest.approx(point.loss, rel=rounding)
    assert np.allclose(gradient, point.gradient, rtol=0, atol=rounding * _size(point.gradient))
    assert np.allclose(product, point.hvp(v), rtol=0, atol=rounding * _size(point.hvp(v)))
    alone, again = compiled.loss_and_gradient(theta)
    assert alone == loss
    assert np.allclose(again, gradient, rtol=0, atol=rounding * _size(gradient))


def _size(vector):
    return max(float(np.abs(vector).max()), 1.0)


@pytest.mark.parametrize("case", IN_THE_TABLE, ids=str)
def test_it_agrees_with_the_loss_point(case):
    v = np.random.default_rng(7).standard_normal(case.net.parameter_count)
    assert_as_the_point(case.net, case.theta, case.x, case.y, v)


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple),
    activation=st.sampled_from(COMPILED),
    bias=st.booleans(),
    loss=st.sampled_from(["mse", "cross_entropy", "logistic"]),
    decay=st.sampled_from([0.0, 0.3]),
    parametrisation=st.sampled_from(["standard", "ntk"]),
    m=st.integers(1, 9),
    scale=st.sampled_from([1e-6, 0.7, 2.0, 30.0]),
    seed=st.integers(0, 10**6),
)
def test_it_agrees_for_any_shape(
    widths, activation, bias, loss, decay, parametrisation, m, scale, seed
):
    net = MLP(
        widths, activation, bias, loss=loss, weight_decay=decay, parametrisation=parametrisation
    )
    rng = np.random.default_rng(seed)
    if activation in ("quadratic", "sine"):
        scale = min(scale, 0.7)  # large phases and powers lose digits on either route
    theta, v = (
        scale * rng.standard_normal(net.parameter_count),
        rng.standard_normal(net.parameter_count),
    )
    x = rng.standard_normal((m, widths[0]))
    y = rng.random((m, widths[-1]))
    if loss == "cross_entropy":
        y = rng.integers(widths[-1], size=m)
    assert_as_the_point(net, theta, x, y, v)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus"])
def test_activations_are_exact_to_some_roundings(name):
    z = np.concatenate([np.geomspace(1e-300, 340, 150), -np.geomspace(1e-300, 340, 150), [0.0]])
    a, slope, bend = (np.empty(z.size) for _ in range(3))
    activate(ACTIVATION_CODES[name], z, a, slope, bend)
    with mpmath.workdps(330):
        for at, value, change, curve in zip(z, a, slope, bend, strict=True):
            t = mpmath.mpf(float(at))
            s = 1 / (1 + mpmath.exp(-t))
            sigmoid = (s, s * (1 - s), s * (1 - s) * (1 - 2 * s))
            wanted = {
                "tanh": (
                    mpmath.tanh(t),
                    mpmath.sech(t) ** 2,
                    -2 * mpmath.tanh(t) * mpmath.sech(t) ** 2,
                ),
                "sigmoid": sigmoid,
                "softplus": (mpmath.log1p(mpmath.exp(t)), *sigmoid[:2]),
            }[name]
            for got, right in zip((value, change, curve), wanted, strict=True):
                assert abs(got - right) <= 1.5e-15 * abs(right)


@pytest.mark.parametrize("name", COMPILED)
def test_activations_are_those_of_the_table(name):
    f = ACTIVATIONS[name]
    z = np.concatenate([np.linspace(-40, 40, 1001), [0.0, -0.0, 1e3, -1e3]])
    a, slope, bend = (np.empty(z.size) for _ in range(3))
    activate(ACTIVATION_CODES[name], z, a, slope, bend)
    value = f.value(z)
    assert np.allclose(a, value, rtol=2e-15, atol=0)
    assert np.allclose(slope, f.slope(z, value), rtol=3e-15, atol=0)
    curvature = np.zeros(z.size) if f.curvature is None else f.curvature(z, value)
    assert np.allclose(bend, curvature, rtol=4e-15, atol=0)


def _setting():
    net, rng = MLP((3, 4, 2)), np.random.default_rng(0)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    return net, x, y, net.init(rng=1), rng.standard_normal(net.parameter_count)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 7, 13, 19])
def test_vectors_that_are_not_finite_are_refused(bad, where):
    net, x, y, theta, v = _setting()
    compiled, broken = net.compiled(x, y), v.copy()
    broken[where] = bad
    with pytest.raises(ValueError, match="v holds"):
        compiled.derivatives(theta, broken)
    with pytest.raises(ValueError, match="theta holds"):  # as `net.at` says, and no overflow
        compiled.derivatives(broken, v)
    with pytest.raises(ValueError, match="theta holds"):
        compiled.loss_and_gradient(broken)


def test_overflow_is_refused():
    net, x, y, theta, v = _setting()
    compiled = net.compiled(1e200 * x, y)
    for call in (lambda t: compiled.derivatives(t, v), compiled.loss_and_gradient):
        with pytest.raises(ValueError, match="overflows"):
            call(1e200 * theta)


def test_other_shapes_and_types():
    net, x, y, theta, v = _setting()
    compiled = net.compiled(x, y)
    wanted = compiled.derivatives(theta, v)
    wide = np.repeat(theta, 2)
    frozen = theta.copy()
    frozen.flags.writeable = False
    for same in (wide[::2], list(theta), frozen):
        found = compiled.derivatives(same, v)
        assert found.loss == wanted.loss
        assert np.array_equal(found.product, wanted.product)
    assert np.array_equal(frozen, theta)  # arguments stay as they are
    for wrong in (theta[:-1], theta[None], 1.0):
        with pytest.raises(ValueError, match="theta must"):
            compiled.derivatives(wrong, v)
        with pytest.raises(ValueError, match="v must"):
            compiled.derivatives(theta, wrong)
    with pytest.raises(TypeError):
        compiled.derivatives(theta * 1j, v)


def test_threads_share_it():
    net, x, y, _, v = _setting()
    points = np.random.default_rng(3).standard_normal((64, net.parameter_count))
    shared = net.compiled(x, y)
    with ThreadPoolExecutor(8) as pool:  # the first calls meet: none has made the kernel
        found = list(pool.map(lambda theta: shared.derivatives(theta, v), points))
    alone = net.compiled(x, y)
    for theta, (loss, gradient, product) in zip(points, found, strict=True):
        wanted = alone.derivatives(theta, v)
        assert loss == wanted.loss
        assert np.array_equal(gradient, wanted.gradient)
        assert np.array_equal(product, wanted.product)


@pytest.mark.parametrize("activation", COMPILED)
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e8, 1e76, 1e153, 1e300])
def test_weights_of_any_size_compute_or_overflow_as_the_loss_point(activation, scale):
    _, x, y, _, v = _setting()
    if activation == "sine" and scale > 1:
        scale = 1 / scale  # the phase of a large z is lost in rounding on either route
    net = MLP((3, 4, 2), activation, weight_decay=0.1)
    theta, compiled = scale * net.init(rng=1), net.compiled(x, y)
    try:
        point = net.at(theta, x, y)
        wanted = (point.loss, point.gradient, point.hvp(v))
    except ValueError as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            compiled.derivatives(theta, v)
        return
    for got, right in zip(compiled.derivatives(theta, v), wanted, strict=True):
        assert np.all(np.abs(got - right) <= 1e-13 * np.abs(right).max())


def test_data_are_copied():
    net, x, y, theta, v = _setting()
    compiled = net.compiled(x, y)
    before = compiled.derivatives(theta, v).loss
    x[:], y[:] = 0.0, 9.0
    assert compiled.derivatives(theta, v).loss == before


def test_a_pickle_computes_the_same():
    net, x, y, theta, v = _setting()
    compiled = net.compiled(x, y)
    before = compiled.derivatives(theta, v)
    again = pickle.loads(pickle.dumps(compiled)).derivatives(theta, v)
    assert np.array_equal(before.product, again.product)


def test_what_cannot_be_compiled_is_refused():
    _, x, y, *_ = _setting()
    for f in ("gelu", leaky_relu(0.2)):
        with pytest.raises(ValueError, match="activation of a compiled loss"):
            MLP((3, 4, 2), f).compiled(x, y)
    for bad in (x[:, :2], np.full_like(x, np.nan)):
        with pytest.raises(ValueError, match="x "):
            MLP((3, 4, 2)).compiled(bad, y)
