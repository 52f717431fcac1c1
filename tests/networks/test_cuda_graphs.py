"""Recorded launches: what is recorded looks at no number, and gives what the plain route gives.

Without a card a stand-in records: it computes the function anew from the static buffers at each
launch, on array-api-strict's second device, where every look at a number is counted.
"""

import numpy as np
import pytest
from device_places import cupy_with_a_card, put_strict
from transfer_counter import counted_transfers

from rmtland.arrays import to_numpy
from rmtland.networks import MLP, train
from rmtland.networks.activation import Activation
from rmtland.networks.cuda_graphs import GRAPHS, gemm_of, without_graphs
from rmtland.networks.overflow import NetworkOverflowError


class StandIn:
    """Records by remembering."""

    def __init__(self):
        self.records, self.launches, self.waits = 0, 0, 0
        self.bytes = 2**30

    def accepts(self, arrays):
        return not any(isinstance(array, np.ndarray) for array in arrays)

    def copy(self, array):
        import array_api_strict as xp

        return xp.asarray(array, copy=True)

    def record(self, function, buffers):
        self.records += 1
        with counted_transfers() as found:
            outputs = function(*buffers)
        self.waits += found.waits

        def launch():
            self.launches += 1
            for output, value in zip(outputs, function(*buffers), strict=True):
                output[...] = value

        return launch, outputs, 8 * sum(int(np.prod(output.shape)) for output in outputs)

    def limit(self):
        return self.bytes


@pytest.fixture
def stand_in(monkeypatch):
    pytest.importorskip("array_api_strict")
    recorder = StandIn()
    monkeypatch.setattr(GRAPHS, "recorder", recorder)
    monkeypatch.setattr(GRAPHS, "enabled", True)
    GRAPHS.clear()
    yield recorder
    GRAPHS.clear()


def problem(net, seed, put, m=7):
    rng = np.random.default_rng(seed)
    theta, x = net.init(rng=seed), rng.standard_normal((m, net.widths[0]))
    y = rng.standard_normal((m, net.widths[-1]))
    if net.loss == "cross_entropy":
        y = np.abs(y) / np.abs(y).sum(axis=1, keepdims=True)
    elif net.loss == "logistic":
        y = (y > 0).astype(float)
    return put(theta), put(x), put(y)


NETS = {
    "plain": MLP((3, 4, 2)),
    "biases and decay": MLP((3, 4, 5, 2), bias=True, weight_decay=0.1),
    "labels": MLP((2, 4, 3), activation="sigmoid", loss="cross_entropy", bias=True),
    "logistic": MLP((2, 3, 3, 1), activation="relu", loss="logistic"),
}


def surface(point, v):
    split = point.hessian()
    results = {
        "loss": point.loss,
        "gradient": point.gradient,
        "H0": split.gauss_newton,
        "H1": split.residual,
        "total": split.total,
    }
    for part in ("gauss_newton", "residual", "total"):
        results[part] = point.hessian(part)
    for name in ("hvp", "gauss_newton_vp", "residual_vp"):
        results[name] = getattr(point, name)(v[:, 0])
        results[name + " of three"] = getattr(point, name)(v)
    return results


def compared(net, point_of, put, rounds=3):
    for seed in range(rounds):
        v = np.random.default_rng(seed).standard_normal((net.parameter_count, 3))
        want = surface(net.at(*problem(net, seed, np.asarray)), v)
        found = surface(point_of(*problem(net, seed, put)), put(v))
        for name, value in found.items():
            np.testing.assert_allclose(
                to_numpy(value), want[name], rtol=1e-11, atol=1e-12, err_msg=name
            )


@pytest.mark.parametrize("name", NETS)
def test_what_is_replayed_is_what_the_formulas_give(stand_in, name):
    net = NETS[name]
    compared(net, net.at, put_strict)
    assert stand_in.records == 11  # value, split, three matrices, six products: each once
    assert stand_in.launches == 2 * 11  # at the second and the third point
    assert stand_in.waits == 0
    assert not GRAPHS.refused


def test_results_are_new_arrays(stand_in):
    net = NETS["plain"]
    theta, x, y = problem(net, 0, put_strict)
    points = [net.at(put_strict(to_numpy(theta) + k), x, y) for k in range(4)]
    kept = [to_numpy(point.gradient).copy() for point in points]
    assert stand_in.launches >= 3
    for point, gradient in zip(points, kept, strict=True):
        np.testing.assert_array_equal(to_numpy(point.gradient), gradient)


def test_one_wait_a_result(stand_in):
    net = NETS["plain"]
    theta, x, y = problem(net, 0, put_strict)
    v = put_strict(np.ones(net.parameter_count))
    for _ in range(2):
        net.at(theta, x, y).hvp(v)
    point = net.at(theta, x, y)
    with counted_transfers() as found:
        point = point.at(theta)
        _ = point.loss, point.gradient
    assert found.waits == 2  # whether theta is finite; the numbers of the graph
    with counted_transfers() as found:
        point.hvp(v)
    assert found.waits == 1


def test_an_overflow_is_reported_by_the_plain_route(stand_in):
    net = MLP((2, 3, 2), activation="quadratic")
    theta, x, y = problem(net, 0, put_strict)
    huge = put_strict(np.full(net.parameter_count, 1e160))
    for _ in range(3):
        net.at(theta, x, y).hessian("total")
        with pytest.raises(NetworkOverflowError, match="overflows in layer"):
            net.at(huge, x, y)
    large = net.at(put_strict(np.full(net.parameter_count, 1e60)), x, y)
    v = put_strict(np.full(net.parameter_count, 1e200))
    for _ in range(3):
        with pytest.raises(NetworkOverflowError, match="product overflows"):
            large.hvp(v)
        with pytest.raises(ValueError, match="v holds NaN"):
            large.residual_vp(put_strict(np.full(net.parameter_count, np.nan)))


def test_what_cannot_be_recorded_goes_the_plain_way(stand_in, monkeypatch):
    def refusing(function, buffers):
        raise NotImplementedError("cuBLAS")

    monkeypatch.setattr(stand_in, "record", refusing)
    net = NETS["plain"]
    compared(net, net.at, put_strict)
    assert set(GRAPHS.refused.values()) == {"NotImplementedError: cuBLAS"}
    assert len(GRAPHS.refused) == 11


def test_graphs_are_for_small_networks_and_can_be_left_out(stand_in, monkeypatch):
    net = NETS["plain"]
    theta, x, y = problem(net, 0, put_strict)
    with without_graphs():
        for _ in range(3):
            _ = net.at(theta, x, y).gradient
    for _ in range(3):
        _ = net.at(theta, x, y, chunk=3).gradient
    v = put_strict(np.ones((net.parameter_count, 2)))
    monkeypatch.setattr("rmtland.networks.derivatives.recorded.SMALL", 7 * 4 - 1)
    monkeypatch.setattr("rmtland.networks.derivatives.recorded.SMALL_PRODUCT", 2 * 7 * 4 - 1)
    for _ in range(3):
        point = net.at(theta, x, y)
        _ = point.gradient, point.hvp(v)
    assert stand_in.records == 0
    for _ in range(3):
        _ = net.at(to_numpy(theta), to_numpy(x), to_numpy(y)).gradient
    assert stand_in.records == 0


class Steep:
    """tanh(s z), with s to be changed; compared by value, and so without a hash."""

    steepness = 1.0

    def __eq__(self, other):
        return True

    def __call__(self, z):
        return z.__array_namespace__().tanh(self.steepness * z)


def test_activations_of_ones_own_are_never_recorded(stand_in):
    f = Steep()
    mine = Activation(
        "mine",
        f,
        lambda z, a: f.steepness * (1 - a * a),
        lambda z, a: -2 * f.steepness**2 * a * (1 - a * a),
    )
    net = MLP((3, 4, 2), activation=mine)
    theta, x, y = problem(net, 0, put_strict)
    v, names = put_strict(np.ones((net.parameter_count, 2))), ("gradient", "total", "hvp")
    for f.steepness in (1.0, 1.0, 1.0, 2.0):
        point, want = net.at(theta, x, y), net.at(*map(to_numpy, (theta, x, y)))
        found = point.gradient, point.hessian("total"), point.hvp(v)
        wanted = want.gradient, want.hessian("total"), want.hvp(to_numpy(v))
        for name, one, other in zip(names, found, wanted, strict=True):
            np.testing.assert_allclose(to_numpy(one), other, atol=1e-12, err_msg=name)
    assert stand_in.records == 0
    assert not GRAPHS._graphs


def test_what_a_graph_would_keep_copies_of_is_bounded(stand_in, monkeypatch):
    net = NETS["plain"]
    theta, x, y = problem(net, 0, put_strict)
    single, three = (put_strict(np.ones((net.parameter_count, k))) for k in (1, 3))
    monkeypatch.setattr("rmtland.networks.derivatives.recorded.LARGEST", 2 * net.parameter_count)
    for _ in range(3):
        point = net.at(theta, x, y)
        _ = point.hvp(single), point.hvp(three)
    assert stand_in.records == 2  # the loss, and one vector
    monkeypatch.setattr("rmtland.networks.derivatives.recorded.LARGEST", net.parameter_count - 1)
    for _ in range(3):
        point = net.at(theta, x, y)
        _ = point.gradient, point.hvp(single), point.hessian("total")
    assert stand_in.records == 2


def test_those_used_longest_ago_are_forgotten(stand_in, monkeypatch):
    monkeypatch.setattr("rmtland.networks.cuda_graphs._KEPT", 3)
    net = NETS["plain"]
    for _ in range(2):
        for m in (5, 6, 7, 8, 9):
            _ = net.at(*problem(net, 0, put_strict, m)).gradient
    assert stand_in.records == 0  # five kinds, three places: each was forgotten
    for _ in range(2):
        _ = net.at(*problem(net, 0, put_strict, 9)).gradient
    assert stand_in.records == 1
    stand_in.bytes = 1
    for _ in range(3):
        _ = net.at(*problem(net, 0, put_strict, 4)).gradient
    assert sum(graph is not None for graph in GRAPHS._graphs.values()) == 1


LAYOUTS = {
    "rows": lambda a: a,
    "columns": np.asfortranarray,
    "part of rows": lambda a: np.pad(a, ((0, 2), (0, 3)))[: a.shape[0], : a.shape[1]],
    "part of columns": lambda a: np.asfortranarray(np.pad(a, ((1, 2), (0, 3))))[
        1 : 1 + a.shape[0], : a.shape[1]
    ],
    "every second": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (4, 1), (1, 1), (3, 3)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_factors_as_cublas_reads_them(layout, shape):
    """It reads ld numbers from one column to the next, transposed or not."""
    a = np.random.default_rng(0).standard_normal(shape)
    given = LAYOUTS[layout](a)
    how = gemm_of(given.shape, given.strides, given.itemsize)
    if how is None:
        assert layout in ("every second", "backwards", "broadcast")
        return
    turn, lead = how
    rows, columns = (shape[1], shape[0]) if turn == 0 else shape  # of what lies in memory
    assert lead >= rows
    read = np.lib.stride_tricks.as_strided(given, (rows, columns), (8, 8 * lead))
    np.testing.assert_array_equal(read.T if turn == 0 else read, given)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETS)
def test_graphs_on_a_gpu(name):
    cupy, net = cupy_with_a_card(), NETS[name]
    GRAPHS.clear()
    compared(net, net.at, cupy.asarray, rounds=4)
    assert not GRAPHS.refused
    assert sum(graph is not None for graph in GRAPHS._graphs.values()) == 11
    GRAPHS.clear()


@pytest.mark.gpu
def test_graphs_of_single_precision_and_on_other_streams_on_a_gpu():
    cupy, net = cupy_with_a_card(), MLP((16, 32, 8), bias=True)
    GRAPHS.clear()
    theta, x, y = problem(net, 0, np.asarray, 50)
    want = net.at(theta, x, y)
    single = [cupy.asarray(a, dtype=cupy.float32) for a in (theta, x, y)]
    for _ in range(3):
        point = net.at(*single)
        np.testing.assert_allclose(point.gradient.get(), want.gradient, atol=2e-6)
    for _ in range(3):
        with cupy.cuda.Stream():
            point = net.at(*map(cupy.asarray, (theta, x, y)))
            np.testing.assert_allclose(point.gradient.get(), want.gradient, rtol=1e-11)
    assert not GRAPHS.refused
    GRAPHS.clear()


def test_batches_of_first_order_steps_are_replayed(stand_in):
    net = NETS["biases and decay"]
    theta, x, y = problem(net, 0, np.asarray, 12)
    options = {"method": "adam", "batch_size": 4, "rng": 0, "check_every": 5, "max_steps": 10}
    want = train(net, theta, x, y, **options)
    found = train(net, *map(put_strict, (theta, x, y)), **options)
    np.testing.assert_allclose(to_numpy(found.theta), want.theta, atol=1e-10)
    assert stand_in.launches >= 9
