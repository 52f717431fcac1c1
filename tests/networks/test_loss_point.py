"""What a point keeps and gives away: threads, pickles, arrays in use, draws in chunks."""

import pickle
import sys
import threading

import numpy as np
import pytest
from network_cases import ACTIVATION_NAMES, NetworkCase

from rmtland.networks import MLP, LossPoint, leaky_relu, loss_value

LARGE = NetworkCase((16, 128, 16), "tanh", True, 2048)  # as many entries as use kept buffers


def test_results_are_not_changed_by_later_products():
    point = LARGE.net.at(LARGE.theta, LARGE.x, LARGE.y)
    v = np.random.default_rng(1).standard_normal((len(LARGE.theta), 2))
    for name in ("hvp", "gauss_newton_vp", "residual_vp", "jvp"):
        for vectors in (v, v[:, 0]):
            result = getattr(point, name)(vectors)
            expected = result.copy()
            getattr(point, name)(3.0 * vectors)
            np.testing.assert_array_equal(result, expected)
            result[...] = np.inf  # what is returned is the caller's
            np.testing.assert_array_equal(getattr(point, name)(vectors), expected)


def test_what_is_kept_cannot_be_written_to():
    case = NetworkCase((3, 5, 2), "tanh", True, 7)
    point = case.point
    kept = [point.theta, point.x, point.y, point.gradient, point.prediction, point.residuals]
    for array in kept + [array for layer in point.layers for array in layer]:
        with pytest.raises(ValueError, match="read-only"):
            array *= 2.0


def test_threads_share_a_point():
    point = LARGE.net.at(LARGE.theta, LARGE.x, LARGE.y)
    v = np.random.default_rng(1).standard_normal((len(LARGE.theta), 4))
    expected = [point.hvp(column) for column in v.T]
    wrong = []

    def work(first):
        for i in range(8):
            which = (first + i) % 4
            try:
                if not np.array_equal(point.hvp(v[:, which]), expected[which]):
                    wrong.append(which)
            except Exception as error:
                wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


def test_no_workspace_is_an_ordinary_case():
    """Between a look at the list and the pop another thread may have emptied it."""
    from rmtland.networks.derivatives.r_operator import _workspace

    class Emptied(list):
        def __bool__(self):
            return True

    class Batch:
        workspaces = Emptied()

    assert _workspace(Batch()) == {}


@pytest.mark.parametrize("activation", [*ACTIVATION_NAMES, leaky_relu(0.2)], ids=str)
def test_pickles_hold_no_more_than_the_fields(activation):
    net = MLP((3, 40, 40, 2), activation=activation, bias=True)
    rng = np.random.default_rng(0)
    theta, x, y = net.init(rng=1), rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    point = net.at(theta, x, y)
    fresh = len(pickle.dumps(point))
    products = point.hvp(theta)
    written = pickle.dumps(point)
    assert len(written) == fresh
    again = pickle.loads(written)
    assert isinstance(again, LossPoint)
    np.testing.assert_array_equal(again.hvp(theta), products)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "logistic"])
def test_sampled_fisher_does_not_depend_on_chunks(loss):
    case = NetworkCase((3, 4, 3), "tanh", True, 11, loss=loss)
    whole = case.point.fisher("sampled", draws=3, rng=5)
    assert np.abs(whole - case.point.fisher("sampled", draws=3, rng=6)).max() > 1e-3
    for chunk in (2, 5):
        point = case.net.at(case.theta, case.x, case.y, chunk=chunk)
        again = point.fisher("sampled", draws=3, rng=5)
        np.testing.assert_allclose(again, whole, rtol=0, atol=1e-13)


@pytest.mark.parametrize("widths", [(3, 2), (3, 4, 2)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(widths, bad):
    point = NetworkCase(widths, "tanh", True, 6).point
    v = np.ones(point.net.parameter_count)
    for place in (0, -1):  # the last bias has no part in the residual product
        vector = v.copy()
        vector[place] = bad
        for name in ("hvp", "gauss_newton_vp", "residual_vp", "jvp"):
            with pytest.raises(ValueError, match="v holds"):
                getattr(point, name)(vector)


def test_overflow_of_a_fisher_matrix_is_reported_without_warnings():
    point = MLP((1, 1, 1), activation="linear").at([1e100, 1e-160], [[1e60]], [[0.0]])
    for kind in ("exact", "empirical", "sampled"):
        with pytest.raises(ValueError, match="overflows"):
            point.fisher(kind, rng=0)


def test_unhashable_activations_and_labels_that_are_nan():
    with pytest.raises(ValueError, match="unknown activation"):
        MLP((2, 2), activation=["tanh"])
    net = MLP((2, 2), loss="cross_entropy")
    with pytest.raises(ValueError, match="y holds 1 NaN"):
        net.at(net.init(rng=0), np.ones((2, 2)), [0.0, np.nan])


def test_a_point_asks_no_more_of_its_network_than_it_says():
    names = {name for name in vars(loss_value.Network) if not name.startswith("_")}
    assert names <= set(dir(MLP)) | set(MLP.__dataclass_fields__)


@pytest.mark.parametrize("name", ["theta", "x", "y", "v"])
def test_masked_entries_are_refused(name):
    """A mask would be lost without a word (faults 1.10)."""
    case = NetworkCase((3, 5, 2), "tanh", True, 4)
    given = {"theta": case.theta, "x": case.x, "y": case.y, "v": np.ones(len(case.theta))}
    given[name] = np.ma.masked_array(
        given[name], mask=np.arange(given[name].size).reshape(given[name].shape) == 1
    )
    v = given.pop("v")
    with pytest.raises(ValueError, match="masks 1 of its"):
        case.net.at(**given).hvp(v)


def test_masked_labels_are_refused():
    net = MLP((2, 3), loss="cross_entropy")
    labels = np.ma.masked_array([0, 1], mask=[False, True])
    with pytest.raises(ValueError, match="y masks 1 of its 2 values"):
        net.at(net.init(rng=0), np.ones((2, 2)), labels)


@pytest.mark.parametrize("name", ["theta", "x", "y", "v"])
def test_masked_entries_beside_an_array_of_another_library(name):
    """PyTorch dropped the mask."""
    xp = pytest.importorskip("array_api_strict")
    case = NetworkCase((3, 5, 2), "tanh", True, 4)
    given = {"theta": case.theta, "x": case.x, "y": case.y, "v": np.ones(len(case.theta))}
    other = "x" if name == "theta" else "theta"
    given[other] = xp.asarray(given[other])
    given[name] = np.ma.masked_array(
        given[name], mask=np.arange(given[name].size).reshape(given[name].shape) == 1
    )
    v = given.pop("v")
    with pytest.raises(ValueError, match="masks 1 of its"):
        case.net.at(**given).hvp(v)


@pytest.mark.parametrize("loss", ["mse", "logistic"])
def test_masked_rows_in_a_list_and_compiled_losses_with_a_mask(loss):
    net = MLP((2, 1), loss=loss)
    theta, x, y = np.ones(2), np.eye(2), np.array([[0.0], [1.0]])
    masked = [np.ma.masked_array(row, row == 1.0) for row in x]
    rows = [np.ma.masked_array(row, row == 1.0) for row in y]
    for make in (
        lambda: net.at(theta, masked, y),
        lambda: net.at(theta, x, rows),
        lambda: net.compiled(np.ma.masked_array(x, x == 1.0), y),
        lambda: net.compiled(x, np.ma.masked_array(y, y == 1.0)),
    ):
        with pytest.raises(ValueError, match=r"masks [12] of its"):
            make()
