"""L-BFGS where the arrays are: the iterates of SciPy, one transfer an evaluation."""

import numpy as np
import pytest
from device_places import cupy_with_a_card, put_strict
from hypothesis import given, strategies as st
from scipy.optimize import minimize
from transfer_counter import counted_transfers

from rmtland.arrays import to_numpy
from rmtland.networks import MLP, train
from rmtland.networks.training.device_lbfgs import PAIRS, DeviceLbfgs, direction_of
from rmtland.networks.training.line_search import LineSearch

NETS = {
    "plain": MLP((3, 4, 2)),
    "decay and biases": MLP((3, 5, 4, 2), bias=True, weight_decay=0.01),
    "labels": MLP((2, 4, 3), activation="sigmoid", loss="cross_entropy", weight_decay=1e-4),
}


def problem(net, m=12):
    rng = np.random.default_rng(0)
    theta, x = net.init(rng=1), rng.standard_normal((m, net.widths[0]))
    y = rng.standard_normal((m, net.widths[-1]))
    if net.loss == "cross_entropy":
        y = np.eye(net.widths[-1])[rng.integers(net.widths[-1], size=m)]
    return theta, x, y


def on_device(net):
    pytest.importorskip("array_api_strict")
    return net.at(*map(put_strict, problem(net)))


def iterates(run, number):
    return [point for _, point in zip(range(number), run.iterates(), strict=False)]


@pytest.mark.parametrize("name", NETS)
def test_the_iterates_are_those_of_scipy(name):
    net, seen = NETS[name], []
    theta, x, y = problem(net)

    def function(t):
        point = net.at(t, x, y)
        return point.loss, point.gradient

    minimize(
        function,
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=lambda t: seen.append(t.copy()),
        options={"maxiter": 30, "maxcor": PAIRS, "maxls": 50, "ftol": 0.0, "gtol": 0.0},
    )
    found = iterates(DeviceLbfgs(on_device(net)), 30)
    assert len(found) == 30
    for k, (point, want) in enumerate(zip(found, seen, strict=False)):
        tolerance = 1e-10 * 10 ** (k / 6)  # rounding grows along the way
        np.testing.assert_allclose(to_numpy(point.theta), want, atol=tolerance, err_msg=str(k))
    for point in found[::10]:
        again = net.at(to_numpy(point.theta), x, y)
        assert point.loss == pytest.approx(again.loss, rel=1e-12)
        np.testing.assert_allclose(to_numpy(point.gradient), again.gradient, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_one_transfer_an_evaluation(name):
    run = DeviceLbfgs(on_device(NETS[name]))
    with counted_transfers() as found:
        iterates(run, 25)
    assert 25 < run.evaluations < 50
    assert found.waits == run.evaluations


def test_a_library_may_hand_over_numbers_to_read_only(monkeypatch):
    """As array-api-strict 2.3 and JAX do; the iterates are the same."""

    def frozen(array):
        numbers = to_numpy(array).copy()
        numbers.flags.writeable = False
        return numbers

    want = iterates(DeviceLbfgs(on_device(NETS["plain"])), 4)
    monkeypatch.setattr("rmtland.networks.training.device_lbfgs.to_numpy", frozen)
    found = iterates(DeviceLbfgs(on_device(NETS["plain"])), 4)
    for one, other in zip(found, want, strict=True):
        np.testing.assert_array_equal(to_numpy(one.theta), to_numpy(other.theta))


def test_single_precision_keeps_its_steps_in_double():
    net = NETS["decay and biases"]
    theta, x, y = (np.asarray(each, dtype=np.float32) for each in problem(net))
    here = train(net, theta, x, y, max_steps=15)
    there = train(net, *map(put_strict, (theta, x, y)), max_steps=15)
    assert to_numpy(there.theta).dtype == np.float32
    np.testing.assert_allclose(to_numpy(there.theta), here.theta, atol=2e-3)
    assert there.energy == pytest.approx(here.energy, rel=1e-3)


def test_it_ends_where_no_step_helps():
    net = MLP((2, 1), weight_decay=1.0)
    theta, x, y = problem(net)
    found = train(net, *map(put_strict, (theta, x, y)))
    assert found.reason == "stalled"
    assert found.gradient_norm < 1e-7
    exact = np.linalg.solve(x.T @ x / len(x) + np.eye(2), x.T @ y[:, 0] / len(x))
    np.testing.assert_allclose(to_numpy(found.theta), exact, atol=1e-8)
    rest = train(net, *map(put_strict, (theta, x, y)), gradient_norm=1e-3)
    assert rest.reason == "gradient_norm"
    assert list(DeviceLbfgs(net.at(*map(put_strict, (0 * theta, x, 0 * y)))).iterates()) == []


def test_overflow_on_the_way_is_an_error():
    net = MLP((1, 2, 1), activation="quadratic")
    data = [put_strict(each) for each in (np.full(4, 1.0), [[1e40]], [[0.0]])]
    with pytest.raises(ValueError, match=r"left the range|overflow"):
        train(net, *data, max_steps=50)


def test_the_recursion_on_coefficients_is_that_on_vectors():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((9, 9))
    hessian, g = root @ root.T, rng.standard_normal(9)
    steps = rng.standard_normal((5, 9))
    basis = np.concatenate([steps, steps @ hessian])
    order = [3, 0, 4, 1]
    coefficients, share = direction_of(basis @ basis.T, basis @ g, order)
    q, alpha = g.copy(), {}
    for k in reversed(order):
        alpha[k] = basis[k] @ q / (basis[k] @ basis[5 + k])
        q -= alpha[k] * basis[5 + k]
    q *= basis[1] @ basis[6] / (basis[6] @ basis[6])
    for k in order:
        q += (alpha[k] - basis[5 + k] @ q / (basis[k] @ basis[5 + k])) * basis[k]
    np.testing.assert_allclose(share * g + coefficients @ basis, q, rtol=1e-9)


def searched(search, phi, slope):
    steps = []
    while not search.is_done and len(steps) < 60:
        steps.append(search.step)
        search.tell(phi(search.step), slope(search.step))
    return steps


NUMBERS = st.floats(-3.0, 3.0)


@given(a=NUMBERS, b=NUMBERS, c=st.floats(0.1, 3.0), w=st.floats(0.1, 30.0), log=st.floats(-3, 2))
def test_steps_of_the_search_satisfy_the_wolfe_conditions(a, b, c, w, log):
    def phi(t):
        return c * (t - a) ** 2 + 0.1 * b * np.sin(w * t)

    def slope(t):
        return 2 * c * (t - a) + 0.1 * b * w * np.cos(w * t)

    if slope(0.0) >= -1e-6:
        return
    search = LineSearch(phi(0.0), slope(0.0), 10.0**log)
    steps = searched(search, phi, slope)
    assert search.is_done
    t = steps[-1]
    assert t > 0
    assert phi(t) <= phi(0.0) + 1e-3 * t * slope(0.0) + 1e-12
    good = abs(slope(t)) <= 0.9 * abs(slope(0.0)) * (1 + 1e-12)
    assert good or search.high - search.low <= 0.1 * search.high  # the interval is small
    reference = pytest.importorskip("scipy.optimize._dcsrch")
    asked = []
    other = reference.DCSRCH(
        lambda s: (asked.append(s), phi(s))[1], slope, 1e-3, 0.9, 0.1, 0.0, 1e10
    )
    other(10.0**log, phi0=phi(0.0), derphi0=slope(0.0), maxiter=60)
    np.testing.assert_allclose(steps, asked, rtol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETS)
def test_the_iterates_on_a_gpu(name):
    cupy, net = cupy_with_a_card(), NETS[name]
    theta, x, y = problem(net)
    here = train(net, theta, x, y, max_steps=12)
    there = train(net, *map(cupy.asarray, (theta, x, y)), max_steps=12)
    np.testing.assert_allclose(there.theta.get(), here.theta, atol=1e-7)
