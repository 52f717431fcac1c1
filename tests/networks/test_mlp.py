"""Losses, gradients and Jacobians against the plain per-sample reference."""

import subprocess
import sys

import numpy as np
import pytest
from network_cases import (
    CASES,
    NetworkCase,
    complex_step,
    reference_gradient,
    reference_jacobian,
    reference_loss,
    reference_loss_gradient,
    reference_outputs,
)

from rmtland.networks import ACTIVATIONS, LOSSES, MLP, Activation

CASE = NetworkCase((3, 5, 2), "tanh", True, 4)


def test_the_table_covers_what_it_says():
    assert {len(c.widths) - 1 for c in CASES} == {1, 2, 3, 4}
    assert {c.activation for c in CASES} == set(ACTIVATIONS)
    assert {c.loss for c in CASES} == set(LOSSES)
    assert len({(c.activation, c.loss, c.bias) for c in CASES}) == 2 * 3 * len(ACTIVATIONS)
    assert {c.samples < c.net.parameter_count for c in CASES} == {True, False}
    for activation in ACTIVATIONS:  # some, and not all, hidden units are active
        points = [c.point for c in CASES if c.activation == activation]
        slopes = [slope for point in points for slope in point._whole.slopes]
        assert all(np.isfinite(slope).all() for slope in slopes)
        if activation == "relu":
            assert 0.3 < np.mean(np.concatenate([s.ravel() for s in slopes])) < 0.7


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_reference_gradient_differentiates_the_reference_loss(case):
    derivative = complex_step(lambda theta: reference_loss(case, theta), case.theta)
    np.testing.assert_allclose(reference_gradient(case, case.theta), derivative, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_loss_energy_residuals_and_prediction(case):
    point, outputs = case.point, reference_outputs(case, case.theta)
    np.testing.assert_allclose(point.prediction, outputs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(case.net.predict(case.theta, case.x), outputs, atol=1e-13)
    residuals = [
        reference_loss_gradient(case.loss, o, y) for o, y in zip(outputs, case.targets, strict=True)
    ]
    np.testing.assert_allclose(point.residuals, residuals, rtol=1e-12, atol=1e-13)
    assert point.loss == pytest.approx(reference_loss(case, case.theta), rel=1e-13)
    decay = case.weight_decay * (case.theta**2).sum() / 2
    assert point.data_loss == pytest.approx(point.loss - decay, rel=1e-13)
    assert point.energy == pytest.approx(point.data_loss / case.widths[-1], rel=1e-15)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient(case):
    expected = complex_step(lambda theta: reference_loss(case, theta), case.theta)
    scale = np.abs(expected).max() + 1e-3
    np.testing.assert_allclose(case.point.gradient, expected, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_jacobian(case):
    expected = reference_jacobian(case)
    point = case.point
    jacobian = point.jacobian()
    assert jacobian.shape == (case.samples * case.widths[-1], case.net.parameter_count)
    scale = np.abs(expected).max() + 1e-3
    np.testing.assert_allclose(jacobian, expected, rtol=0, atol=1e-13 * scale)
    gradient = jacobian.T @ point.residuals.ravel() / case.samples
    gradient += case.weight_decay * case.theta
    np.testing.assert_allclose(gradient, point.gradient, rtol=0, atol=1e-12 * scale**2)


def test_relu_at_zero_has_slope_zero():
    f = ACTIVATIONS["relu"]
    assert f.slope(np.zeros(1), np.zeros(1)) == 0.0
    net = MLP((1, 1, 1), activation="relu")
    point = net.at([0.0, 2.0], [[1.0]], [[1.0]])
    np.testing.assert_array_equal(point.gradient, [0.0, 0.0])
    np.testing.assert_array_equal(point.hessian().total, np.zeros((2, 2)))


def test_layout_of_the_parameters():
    net = MLP((2, 3, 1), bias=True)
    assert (net.n_in, net.n_out, net.parameter_count) == (2, 1, 13)
    theta = np.arange(13.0)
    w1, b1, w2, b2 = net.unflatten(theta)
    np.testing.assert_array_equal(w1, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(b1, [6, 7, 8])
    np.testing.assert_array_equal(w2, [[9, 10, 11]])
    np.testing.assert_array_equal(b2, [12])
    assert all(np.shares_memory(view, theta) for view in (w1, b1, w2, b2))
    assert [block.name for block in net.blocks] == ["W1", "b1", "W2", "b2"]
    assert [len(MLP((2, 3, 1)).unflatten(np.zeros(9)))] == [2]


def test_options_of_a_network():
    net = MLP((3, 2), loss="logistic", weight_decay=0.5, parametrisation="ntk")
    assert repr(net) == (
        "MLP(widths=(3, 2), activation='tanh', bias=False, loss='logistic', weight_decay=0.5, "
        "parametrisation='ntk')"
    )
    for options, message in [
        ({"loss": "hinge"}, "unknown loss 'hinge'; choose one of mse, cross_entropy, logistic"),
        ({"weight_decay": -1.0}, "weight_decay must be zero or a positive"),
        ({"parametrisation": "mup"}, "unknown parametrisation 'mup'"),
    ]:
        with pytest.raises(ValueError, match=message):
            MLP((3, 2), **options)


def test_an_activation_of_ones_own():
    cube = Activation("cube", lambda z: z**3, lambda z, a: 3 * z**2, lambda z, a: 6 * z)
    net, rng = MLP((2, 3, 1), cube), np.random.default_rng(0)
    theta, x, y = net.init(rng=1), rng.standard_normal((5, 2)), rng.standard_normal((5, 1))
    point = net.at(theta, x, y)
    w1, w2 = net.unflatten(theta)
    np.testing.assert_allclose(point.prediction, (x @ w1.T) ** 3 @ w2.T, atol=1e-14)
    h = 1e-6
    v = rng.standard_normal(9)
    change = net.at(theta + h * v, x, y).gradient - net.at(theta - h * v, x, y).gradient
    np.testing.assert_allclose(point.hvp(v), change / (2 * h), atol=1e-8)
    np.testing.assert_allclose(point.hessian().total @ v, point.hvp(v), atol=1e-13)


def test_init_has_the_stated_variance_in_each_layer():
    net = MLP((100, 400, 50), bias=True)
    w1, b1, w2, b2 = net.unflatten(net.init(rng=3, scale=1.5))
    for weight in (w1, w2):  # relative standard error of a variance: sqrt(2/entries)
        assert abs(weight.var() * weight.shape[1] / 1.5**2 - 1) < 5 * np.sqrt(2 / weight.size)
        assert abs(weight.mean()) < 5 * 1.5 / np.sqrt(weight.shape[1] * weight.size)
    assert not b1.any()
    assert not b2.any()
    np.testing.assert_array_equal(net.init(rng=3), net.init(rng=np.random.default_rng(3)))
    assert not np.array_equal(net.init(rng=3), net.init(rng=4))


def test_old_ways_are_taken_with_a_warning():
    with pytest.warns(DeprecationWarning, match="write rng="):
        np.testing.assert_array_equal(CASE.net.init(3), CASE.net.init(rng=3))
    with pytest.warns(DeprecationWarning, match="LossPoint.samples is now called data"):
        assert CASE.point.samples is CASE.point.data
    assert not np.array_equal(CASE.net.init(), CASE.net.init())


def test_a_network_is_a_value():
    assert MLP([3, 5, 2]) == MLP((3, 5, 2)) == MLP(np.array([3, 5, 2]))
    assert hash(MLP([3, 5, 2])) == hash(MLP((3, 5, 2)))
    assert MLP((3, 5, 2), bias=True) != MLP((3, 5, 2))
    assert MLP([3, 5.0, 2]).widths == (3, 5, 2)


def test_other_memory_layouts_and_dtypes():
    net, point = CASE.net, CASE.point
    x = np.repeat(CASE.x, 2, axis=0)[::2]
    strided = net.at(np.repeat(CASE.theta, 3)[::3], np.asfortranarray(x), CASE.y[:, ::-1][:, ::-1])
    np.testing.assert_array_equal(strided.hessian().total, point.hessian().total)
    single = net.at(CASE.theta.astype("f4"), CASE.x.astype("f4"), CASE.y.astype("f4"))
    v = np.ones(len(CASE.theta), "f4")
    results = [single.gradient, single.hvp(v), single.hessian().total, single.jacobian()]
    results += [single.ntk(), single.prediction, single.jvp(v), single.fisher("empirical")]
    assert {result.dtype for result in results} == {np.dtype("f4")}
    np.testing.assert_allclose(single.gradient, point.gradient, atol=1e-5)
    np.testing.assert_allclose(single.hessian().total, point.hessian().total, atol=1e-5)
    mixed = net.at(CASE.theta, CASE.x.astype("f4"), CASE.y.astype("f4"))
    assert mixed.gradient.dtype == np.float64
    integers = net.at(np.zeros(len(CASE.theta), int), [[1, 2, 3]], [[4, 5]])
    assert integers.loss == 20.5


def test_a_point_keeps_its_parameters():
    theta = CASE.theta
    point = CASE.net.at(theta, CASE.x, CASE.y)
    before = point.loss
    theta[:] = 0.0
    assert point.theta.any()
    np.testing.assert_array_equal(point.gradient, CASE.point.gradient)
    assert point.loss == before
    assert "energy" in repr(point)
    assert "MLP" in repr(point)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((3,),), ValueError, "at least the inputs and the outputs"),
        (((),), ValueError, "at least the inputs and the outputs"),
        (((3, 0, 2),), ValueError, r"widths\[1\] must be an integer of at least 1; got 0"),
        (((3, -1),), ValueError, r"widths\[1\]"),
        (((3, 2.5),), TypeError, r"widths\[1\] must be an integer; got 2.5"),
        (((3, True),), TypeError, "truth value"),
        ((3,), TypeError, "widths must be a sequence"),
        (("32",), TypeError, "widths must be a sequence"),
        (((3, 2), "swoosh"), ValueError, "unknown activation 'swoosh'; choose one of tanh, relu"),
        (((3, 2), "tanh", 1), TypeError, "bias must be True or False; got 1"),
    ],
)
def test_bad_networks(arguments, error, message):
    with pytest.raises(error, match=message):
        MLP(*arguments)


NAN = np.full((4, 3), np.nan)


@pytest.mark.parametrize(
    ("replace", "error", "message"),
    [
        ({"theta": np.zeros(5)}, ValueError, "theta must have 32 entries .*; got 5"),
        ({"theta": np.zeros((32, 1))}, ValueError, r"theta must have 1 axes; got shape \(32, 1\)"),
        ({"theta": np.full(32, np.nan)}, ValueError, "theta holds 32 NaN"),
        ({"theta": np.full(32, np.inf)}, ValueError, "theta holds infinite"),
        ({"theta": ["a"] * 32}, TypeError, "theta must be real"),
        ({"theta": np.zeros(32, complex)}, TypeError, "theta must be real"),
        ({"x": np.zeros((4, 2))}, ValueError, r"x must have shape \(m, 3\).*got \(4, 2\)"),
        ({"x": np.zeros(3)}, ValueError, "x must have 2 axes"),
        ({"x": NAN}, ValueError, "x holds 12 NaN"),
        ({"x": np.zeros((0, 3)), "y": np.zeros((0, 2))}, ValueError, "x is empty"),
        ({"y": np.zeros((4, 3))}, ValueError, r"y must have shape \(4, 2\).*got \(4, 3\)"),
        ({"y": np.zeros((5, 2))}, ValueError, r"y must have shape \(4, 2\).*got \(5, 2\)"),
        ({"y": np.full((4, 2), -np.inf)}, ValueError, "y holds infinite"),
        ({"x": np.full((4, 3), 1e200), "theta": np.full(32, 1e200)}, ValueError, "layer 1 of 2"),
        ({"theta": np.full(32, 1e308)}, ValueError, "forward pass overflows in layer"),
        ({"y": np.full((4, 2), 1e200)}, ValueError, "the loss overflows"),
    ],
)
def test_bad_points(replace, error, message):
    arguments = {"theta": CASE.theta, "x": CASE.x, "y": CASE.y} | replace
    with pytest.raises(error, match=message):
        _ = CASE.net.at(**arguments).loss


def test_bad_predictions_and_scales():
    with pytest.raises(ValueError, match="theta must have 32 entries"):
        CASE.net.predict([1.0], CASE.x)
    with pytest.raises(ValueError, match="overflows"):
        CASE.net.predict(np.full(32, 1e300), 1e10 * np.ones((1, 3)))
    with pytest.raises(ValueError, match="scale must be zero or a positive"):
        CASE.net.init(rng=0, scale=-1.0)
    with pytest.raises(ValueError, match="theta must have 32"):
        CASE.net.unflatten(np.zeros(3))


def test_gradient_and_jacobian_report_overflow():
    net = MLP((1, 1, 1), activation="linear")
    point = net.at([1e-200, 1e200], [[1.0]], [[-1e120]])  # y_hat = 1
    assert np.isfinite(point.loss)
    with pytest.raises(ValueError, match="the gradient overflows"):
        _ = point.gradient
    point = net.at([1e-300, 1e300], [[1e100]], [[0.0]])
    with pytest.raises(ValueError, match="the Jacobian overflows"):
        point.jacobian()


def test_another_point_on_the_same_data():
    point = CASE.point
    elsewhere = point.at(2 * CASE.theta)
    expected = CASE.net.at(2 * CASE.theta, CASE.x, CASE.y)
    assert elsewhere.loss == expected.loss
    np.testing.assert_array_equal(elsewhere.gradient, expected.gradient)
    with pytest.raises(ValueError, match="theta must have 32 entries"):
        point.at(CASE.theta[1:])


def test_importing_the_room_loads_nothing_heavy():
    code = (
        "import sys, rmtland.networks; "
        "print([m for m in ('numba', 'sklearn', 'scipy.optimize', 'rich', 'matplotlib')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
