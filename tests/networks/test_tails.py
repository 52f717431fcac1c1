"""Activations and losses far out, against mpmath: relative accuracy in units of rounding.

Each value is compared with the exact one of the very same argument. The unit is the rounding of
the exact value (of the smallest normal number where it is smaller). Beside a zero of the function
only the error of a rounded argument is asked for.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from network_cases import ACTIVATION_NAMES

from rmtland.networks import ACTIVATIONS, LOSSES, MLP, leaky_relu

UNITS = 12
EPS = {"f8": 2.0**-52, "f4": 2.0**-23}
TINY = {dtype: float(np.finfo(dtype).tiny) for dtype in EPS}


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def density(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def distribution(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def gauss(z):
    return 2 / mp.sqrt(mp.pi) * mp.exp(-z * z)


ONE, ZERO = mp.mpf(1), mp.mpf(0)

EXACT = {
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2, lambda z: -2 * mp.tanh(z) * mp.sech(z) ** 2),
    "relu": (lambda z: max(z, ZERO), lambda z: ONE if z > 0 else ZERO, lambda z: ZERO),
    "linear": (lambda z: z, lambda z: ONE, lambda z: ZERO),
    "leaky_relu": (
        lambda z: z if z > 0 else z * mp.mpf(0.01),
        lambda z: ONE if z > 0 else mp.mpf(0.01),
        lambda z: ZERO,
    ),
    "erf": (mp.erf, gauss, lambda z: -2 * z * gauss(z)),
    "sigmoid": (
        sigmoid,
        lambda z: sigmoid(z) * sigmoid(-z),
        lambda z: -mp.tanh(z / 2) * sigmoid(z) * sigmoid(-z),
    ),
    "softplus": (
        lambda z: mp.log1p(mp.exp(z)),
        sigmoid,
        lambda z: sigmoid(z) * sigmoid(-z),
    ),
    "gelu": (
        lambda z: z * distribution(z),
        lambda z: distribution(z) + z * density(z),
        lambda z: (2 - z * z) * density(z),
    ),
    "silu": (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z),
        lambda z: sigmoid(z) * sigmoid(-z) * (2 - z * mp.tanh(z / 2)),
    ),
    "quadratic": (lambda z: z * z, lambda z: 2 * z, lambda z: mp.mpf(2)),
    "sine": (mp.sin, mp.cos, lambda z: -mp.sin(z)),
}

ZEROS = {
    ("gelu", 1): (-0.7517916,),
    ("gelu", 2): (-math.sqrt(2), math.sqrt(2)),
    ("silu", 1): (-1.2784645,),
    ("silu", 2): (-2.3993573, 2.3993573),
}
"""Zeros away from 0, where the terms of a sum cancel; sines are reduced exactly."""

RNG = np.random.default_rng(0)
ARGUMENTS = np.concatenate(
    [
        np.linspace(-700, 700, 57),
        RNG.uniform(-45, 45, 90),
        RNG.uniform(-6, 6, 60),
        10 ** RNG.uniform(-9, math.log10(700), 40),
        -(10 ** RNG.uniform(-9, math.log10(700), 40)),
    ]
)


def derivatives(name, z):
    """Return [f(z), f'(z), f''(z)] as the package computes them."""
    f = ACTIVATIONS[name]
    with np.errstate(over="ignore", under="ignore"):
        value = f.value(z)
        slope = f.slope(z, value)
        second = np.zeros_like(z) if f.curvature is None else f.curvature(z, value)
    return [value, slope, second]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_values_and_derivatives_over_the_whole_range(name, order, dtype):
    z = ARGUMENTS.astype(dtype)
    found = derivatives(name, z)[order]
    assert found.dtype == z.dtype
    eps, tiny = EPS[dtype], TINY[dtype]
    exact = EXACT[name][order]
    with mp.workdps(400 if name == "softplus" else 60):
        for here, number in zip(z, found, strict=True):
            argument = mp.mpf(float(here))
            right = exact(argument)
            unit = eps * max(abs(right), mp.mpf(tiny))
            if any(abs(here - zero) < 0.2 for zero in ZEROS.get((name, order), ())):
                unit = max(unit, mp.mpf(eps) / 4)
            error = float(abs(mp.mpf(float(number)) - right) / unit)
            assert error < UNITS, (name, order, here, error)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_the_shorter_way_to_the_curvature_is_the_same(name):
    value, slope, second = derivatives(name, ARGUMENTS)
    with np.errstate(under="ignore"):
        shorter = ACTIVATIONS[name].curvature_from_slope(ARGUMENTS, value, slope)
    np.testing.assert_array_equal(shorter, second)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_saturated_units_keep_their_slope(name):
    """tanh'(40) = 7e-35 was 0 as 1 - tanh^2, and Hessians of saturated networks with it."""
    net = MLP((1, 1, 1), activation=name)
    for z in (-30.0, 30.0):
        point = net.at([z, 1.0], [[1.0]], [[0.0]])
        with mp.workdps(60):
            slope = float(EXACT[name][1](mp.mpf(z)))
            value = float(EXACT[name][0](mp.mpf(z)))
        gauss_newton = point.hessian("gauss_newton")
        np.testing.assert_allclose(gauss_newton[0, 0], slope**2, rtol=1e-14)
        np.testing.assert_allclose(gauss_newton[0, 1], slope * value, rtol=1e-14)


def test_two_leaky_slopes_have_two_names():
    assert leaky_relu(0.2).name != leaky_relu(0.2000001).name
    assert leaky_relu(0.2).name == "leaky_relu(0.2)"


# Losses ------------------------------------------------------------------------------------------


def exact_softmax(outputs):
    powers = [mp.exp(mp.mpf(float(o))) for o in outputs]
    total = mp.fsum(powers)
    return [power / total for power in powers]


def exact_cross_entropy(outputs, label):
    """Return value, gradient and curvature, without rounding."""
    q = exact_softmax(outputs)
    n = len(q)
    gradient = [q[i] - (i == label) for i in range(n)]
    curvature = [[q[i] * ((i == j) - q[j]) for j in range(n)] for i in range(n)]
    return -mp.log(q[label]), gradient, curvature


def exact_logistic(output, label):
    q = sigmoid(mp.mpf(float(output)))
    value = -mp.log(q if label else sigmoid(-mp.mpf(float(output))))
    gradient = -sigmoid(-mp.mpf(float(output))) if label else q
    return value, gradient, q * sigmoid(-mp.mpf(float(output)))


def check(found, right, dtype, spread=0.0):
    """Compare in units of rounding of the right value, and of the differences of the outputs."""
    unit = EPS[dtype] * max(abs(right), mp.mpf(TINY[dtype]))
    assert float(abs(mp.mpf(float(found)) - right) / unit) < 2 * UNITS + spread, (found, right)


def check_cross_entropy(outputs, label, dtype):
    loss, row = LOSSES["cross_entropy"], np.array([outputs], dtype=dtype)
    n = row.shape[1]
    is_whole = np.array_equal(row, np.floor(row))  # then differences are exact
    spread = 0.0 if is_whole else 2.0 * float(np.ptp(row))
    target = np.eye(n, dtype=dtype)[[label]]
    with mp.workdps(950), np.errstate(under="ignore"):
        value, gradient, curvature = exact_cross_entropy(row[0], label)
        check(loss.value(row, target), value, dtype, spread)
        r = loss.gradient(row, target)
        columns = loss.curvature(row).times(np.eye(n, dtype=dtype)[None])[0].T
        assert r.dtype == columns.dtype == row.dtype
        last = loss.curvature(row).times_samples_last(np.eye(n, dtype=dtype)[:, :, None])
        np.testing.assert_allclose(last[:, :, 0], columns, rtol=UNITS * EPS[dtype], atol=0)
        for i in range(n):
            check(r[0, i], gradient[i], dtype, spread)
            for j in range(n):
                check(columns[i, j], curvature[i][j], dtype, spread)


MARGINS = [0.0, 1e-3, 0.7, 3.0, 15.0, 40.0, 90.0, 300.0, 700.0, 1000.0]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [1, 2, 3, 10])
@pytest.mark.parametrize("margin", MARGINS)
def test_cross_entropy_at_any_margin(margin, n, dtype):
    outputs = np.zeros(n)
    outputs[-1] = margin
    for label in {0, n - 1}:
        check_cross_entropy(outputs, label, dtype)


@examples(60)
@given(
    outputs=st.lists(st.floats(-1000, 1000), min_size=1, max_size=5),
    label=st.integers(0, 4),
    dtype=st.sampled_from(["f8", "f4"]),
)
def test_cross_entropy_of_any_outputs(outputs, label, dtype):
    check_cross_entropy(outputs, label % len(outputs), dtype)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("margin", [*MARGINS, *(-margin for margin in MARGINS)])
def test_logistic_loss_at_any_margin(margin, dtype):
    loss, row = LOSSES["logistic"], np.array([[margin]], dtype=dtype)
    for label in (0, 1):
        target = np.array([[label]], dtype=dtype)
        with mp.workdps(950), np.errstate(under="ignore"):
            value, gradient, curvature = exact_logistic(row[0, 0], label)
            check(loss.value(row, target), value, dtype)
            check(loss.gradient(row, target)[0, 0], gradient, dtype)
            check(loss.curvature(row).times(np.ones((1, 1, 1), dtype))[0, 0, 0], curvature, dtype)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("loss", ["cross_entropy", "logistic"])
@pytest.mark.parametrize("margin", [0.0, 10.0, 20.0, 40.0, 80.0])
def test_gauss_newton_part_of_confident_networks_is_positive(margin, loss, n, dtype):
    """At margin 40 in double precision its least eigenvalue was -0.4 of the largest."""
    rng = np.random.default_rng([n, int(margin)])
    net = MLP((5, 6, n), bias=True, loss=loss)
    theta = net.init(rng=1, bias_scale=1.0).astype(dtype)
    theta[net.blocks[-1].start] += margin
    x = (rng.normal(size=5) + 0.1 * rng.normal(size=(4, 5))).astype(dtype)
    y = np.zeros(4, int) if loss == "cross_entropy" else np.ones((4, n))
    point = net.at(theta, x, y)
    matrix = point.hessian("gauss_newton").astype(float)
    scale = np.abs(matrix).max()
    assert scale > 0.0
    eigenvalues = np.linalg.eigvalsh(matrix / scale)
    assert eigenvalues[0] > -4 * EPS[dtype] * eigenvalues[-1]
    # From the exact curvature of the outputs that came, and the Jacobian as it is
    jacobian = point.jacobian().astype(float).reshape(4, n, -1)
    expected = np.zeros_like(matrix)
    for rows, outputs in zip(jacobian, point.prediction, strict=True):
        with mp.workdps(100):
            if loss == "cross_entropy":
                exact = exact_cross_entropy(outputs, 0)[2]
            else:
                seconds = [exact_logistic(output, 1)[2] for output in outputs]
                exact = [[seconds[i] * (i == j) for j in range(n)] for i in range(n)]
            curvature = np.array([[float(entry) for entry in line] for line in exact])
        expected += rows.T @ curvature @ rows / 4
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=40 * EPS[dtype] * scale)
    v = rng.normal(size=net.parameter_count).astype(dtype)
    product = point.gauss_newton_vp(v).astype(float)
    bound = 100 * EPS[dtype] * scale * np.abs(v).sum()
    np.testing.assert_allclose(product, expected @ v, rtol=0, atol=bound)


def test_soft_targets_and_the_sum_over_samples():
    loss = LOSSES["cross_entropy"]
    outputs = np.array([[40.0, 0.0, 0.0], [0.3, -0.2, 1.0]])
    targets = np.array([[0.75, 0.125, 0.125], [0.2, 0.5, 0.3]])
    gradient = loss.gradient(outputs, targets)
    value = loss.value(outputs, targets)
    with mp.workdps(60):
        total = mp.mpf(0)
        for row, y, r in zip(outputs, targets, gradient, strict=True):
            q = exact_softmax(row)
            total -= mp.fsum(mp.mpf(t) * mp.log(p) for t, p in zip(y, q, strict=True))
            for found, p, t in zip(r, q, y, strict=True):
                assert abs(float(mp.mpf(float(found)) - (p - mp.mpf(float(t))))) < 4 * EPS["f8"]
        assert float(value) == pytest.approx(float(total), rel=1e-15)
