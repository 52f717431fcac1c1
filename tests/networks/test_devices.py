"""Data on a device that is not the library's default, and tensors that require gradients.

array-api-strict has a second device, which refuses what a GPU would: arrays of two devices in one
operation, implicit conversion to NumPy. With PyTorch the default device is set to one that holds
no numbers at all.
"""

import array

import numpy as np
import pytest
from network_cases import CASES, NetworkCase

from rmtland.arrays import to_numpy
from rmtland.networks import MLP, Activation, train

SOME = CASES[::7]
SMALL = NetworkCase((3, 5, 2), "tanh", True, 12)


def close(actual, expected, tolerance=1e-12):
    actual, expected = to_numpy(actual), to_numpy(expected)
    assert actual.shape == expected.shape
    scale = np.abs(expected).max() + 1e-2
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def strict_device():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    return device, lambda array: xp.asarray(np.asarray(array), device=device)


def torch_device():
    torch = pytest.importorskip("torch")
    return torch.device("cpu"), lambda array: torch.tensor(np.asarray(array), device="cpu")


@pytest.fixture(params=["strict", "torch"])
def elsewhere(request):
    """Return a device that is not the default, and a function that puts arrays there."""
    if request.param == "strict":
        yield strict_device()
        return
    torch = pytest.importorskip("torch")
    before = torch.get_default_device()
    torch.set_default_device("meta")
    try:
        yield torch_device()
    finally:
        torch.set_default_device(before)


def surface(point, put, case):
    """Return everything that a point computes, by name."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal((len(case.theta), 3))
    u = rng.standard_normal((case.samples * case.widths[-1], 2))
    split = point.hessian()
    found = {
        "prediction": point.prediction,
        "residuals": point.residuals,
        "gradient": point.gradient,
        "layers": point.layers[0][1],
        "split": split.gauss_newton,
        "residual": split.residual,
        "split total": split.total,
        "vjp": point.vjp(put(u)),
        "empirical": point.fisher("empirical"),
        "sampled": point.fisher("sampled", rng=1),
        "elsewhere": point.at(put(0.5 * case.theta)).gradient,
    }
    for name in ("jacobian", "ntk", "sample_gradients", "fisher"):
        found[name] = getattr(point, name)()
    for name in ("hvp", "gauss_newton_vp", "residual_vp", "jvp"):
        found[name] = getattr(point, name)(put(v))
        found[name + " of one"] = getattr(point, name)(put(v[:, 0]))
    for part in ("gauss_newton", "residual", "total"):
        found["hessian " + part] = point.hessian(part)
        found["diagonal " + part] = point.hessian_diagonal(part)
    numbers = {
        "operator": point.operator() @ v,
        "submatrix": point.operator("residual", parameters="W1").matmat(
            v[: case.net.blocks[0].stop]
        ),
        "fisher operator": point.fisher_operator("empirical") @ v,
        "sampled operator": point.fisher_operator("sampled", rng=1) @ v[:, 0],
    }
    return found, numbers


@pytest.mark.parametrize(
    ("case", "chunk"), [(case, (None, 2)[i % 2]) for i, case in enumerate(SOME)], ids=str
)
def test_everything_stays_on_the_device(elsewhere, case, chunk):
    device, put = elsewhere
    theta, x, y = put(case.theta), put(case.x), put(case.y)
    point = case.net.at(theta, x, y, chunk=chunk)
    found, numbers = surface(point, put, case)
    expected, expected_numbers = surface(case.point, np.asarray, case)
    assert point.loss == pytest.approx(case.point.loss, rel=1e-13)
    for name, result in found.items():
        assert result.device == device, name
        close(result, expected[name])
    for name, result in numbers.items():
        assert isinstance(result, np.ndarray), name
        close(result, expected_numbers[name])
    prediction = case.net.predict(theta, x)
    assert prediction.device == device
    close(prediction, case.point.prediction)
    weights = case.net.unflatten(theta)
    assert all(weight.device == device for weight in weights)


@pytest.mark.parametrize("given", ["theta", "x"])
def test_one_argument_on_the_device_is_enough(elsewhere, given):
    device, put = elsewhere
    arguments = {"theta": SMALL.theta, "x": SMALL.x, "y": SMALL.y}
    arguments[given] = put(arguments[given])
    gradient = SMALL.net.at(**arguments).gradient
    assert gradient.device == device
    close(gradient, SMALL.point.gradient)


@pytest.mark.parametrize("method", ["lbfgs", "gd", "sgd", "momentum", "adam"])
def test_training_on_the_device(elsewhere, tmp_path, method):
    device, put = elsewhere
    options = {"method": method, "max_steps": 6, "checkpoint_every": 3}
    if method not in ("lbfgs", "gd"):
        options |= {"batch_size": 5, "rng": 0}
    here, there = tmp_path / "here.npz", tmp_path / "there.npz"
    expected = train(SMALL.net, SMALL.theta, SMALL.x, SMALL.y, checkpoint=here, **options)
    data = [put(array) for array in (SMALL.theta, SMALL.x, SMALL.y)]
    result = train(SMALL.net, *data, checkpoint=there, **options)
    assert result.theta.device == device
    assert (result.steps, result.reason) == (expected.steps, expected.reason)
    close(result.theta, expected.theta, 1e-7)
    options["max_steps"] = 9
    resumed = train(SMALL.net, *data, checkpoint=there, resume=True, **options)
    again = train(SMALL.net, SMALL.theta, SMALL.x, SMALL.y, checkpoint=here, resume=True, **options)
    assert resumed.steps == again.steps == 9
    close(resumed.theta, again.theta, 1e-7)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_batches_and_labels_on_the_device(elsewhere, loss):
    device, put = elsewhere
    case = NetworkCase((3, 4, 3), "gelu", False, 9, seed=1, loss=loss)
    point = case.net.at(put(case.theta), put(case.x), put(case.y))
    part = point.data.subset(np.array([0, 2, 7]))
    assert part.x.device == device
    expected = case.point.data.subset(np.array([0, 2, 7]))
    close(part.x, expected.x)
    close(part.y, expected.y)


def test_errors_of_data_are_not_called_overflow():
    """Only a number out of range is said to have left the range of floating-point numbers."""

    def shy(z):
        if z.shape[0] == 5:  # a batch
            raise ValueError("five is too few")
        return z

    net = MLP((3, 5, 2), Activation("shy", shy, lambda z, a: np.ones_like(z), None), bias=True)
    with pytest.raises(ValueError, match=r"^five is too few$"):
        train(net, SMALL.theta, SMALL.x, SMALL.y, method="sgd", batch_size=5, max_steps=3, rng=0)


def test_tensors_that_require_gradients_are_detached():
    torch = pytest.importorskip("torch")
    theta, x, y = (
        torch.tensor(array, requires_grad=True) for array in (SMALL.theta, SMALL.x, SMALL.y)
    )
    v = torch.ones(len(SMALL.theta), dtype=torch.float64, requires_grad=True)
    for arguments in ((theta, x, y), (torch.nn.Parameter(theta.detach()), x, y)):
        point = SMALL.net.at(*arguments)
        results = [point.gradient, point.hessian().total, point.hvp(v), point.jvp(v)]
        results += [point.at(theta).gradient, SMALL.net.predict(theta, x)]
        results += [point.vjp(torch.ones(24, dtype=torch.float64, requires_grad=True))]
        assert not any(result.requires_grad for result in results)
        close(results[1], SMALL.point.hessian().total)
    numpy_data = SMALL.net.at(theta, SMALL.x, SMALL.y)
    assert not numpy_data.gradient.requires_grad
    result = train(SMALL.net, theta, x, y, max_steps=3)
    assert not result.theta.requires_grad
    assert theta.requires_grad
    assert theta.grad is None


def test_numbers_of_any_form_beside_a_tensor():
    """PyTorch rounds lists to single precision, and refuses what is reversed or read-only."""
    torch = pytest.importorskip("torch")
    net, case = MLP((2, 2)), {"x": np.array([[0.1, 0.2], [0.3, 0.7]]), "y": np.eye(2)}
    theta, v = np.array([0.1, 0.2, 0.3, 0.4]), [0.1, 0.7, 0.3, 0.2]
    expected = net.at(theta, **case)
    kept = case["x"].copy()
    kept.flags.writeable = False
    for x in (kept, case["x"].astype(">f8"), case["x"][::-1].copy()[::-1], torch.tensor(kept)):
        for first in (torch.tensor(theta), list(theta)):
            point = net.at(first, x, case["y"][::-1].copy()[::-1])
            assert point.loss == pytest.approx(expected.loss, rel=1e-14)
            np.testing.assert_allclose(np.asarray(point.hvp(v)), expected.hvp(v), rtol=1e-14)


def test_buffers_and_sparse_tensors_beside_a_tensor():
    """PyTorch takes the bytes of a buffer for numbers in single precision."""
    torch = pytest.importorskip("torch")
    net, theta = MLP((2, 2)), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    x, y, v = np.array([[0.1, 0.2], [0.3, 0.7]]), np.eye(2), np.array([1, 7, 3, 2], np.int32)
    expected = net.at(theta.numpy(), x, y)
    point = net.at(theta, memoryview(x), memoryview(y))
    assert point.loss == pytest.approx(expected.loss, rel=1e-14)
    for buffer in (memoryview(v), array.array("i", v), memoryview(v.astype(float))):
        np.testing.assert_allclose(np.asarray(point.hvp(buffer)), expected.hvp(v), rtol=1e-14)
    with pytest.raises(TypeError, match=r"call to_dense\(\) first"):
        net.at(theta.to_sparse(), x, y)
    with pytest.raises(TypeError, match="must be real numbers; got dtype <U1"):
        point.hvp(list("abcd"))
