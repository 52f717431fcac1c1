"""The route of arrays on a device: the number of calls, what the kernels compute, and a GPU itself.

array-api-strict's second device stands for one; operations and what goes to the host are counted.
"""

import importlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from device_places import cupy_with_a_card, put_strict
from network_cases import ACTIVATION_NAMES, CASES, LOSS_NAMES, NetworkCase
from transfer_counter import counted_transfers

from rmtland.arrays import to_numpy
from rmtland.networks import ACTIVATIONS, MLP, train
from rmtland.networks.derivatives import large_products
from rmtland.networks.fused_kernels import BODIES, PREAMBLE


def close(actual, expected, tolerance=1e-12):
    actual, expected = to_numpy(actual), to_numpy(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=tolerance * (np.abs(expected).max() + 1e-2)
    )


def counts(function):
    """Return the operations of a function, and how often it waits for the device."""
    with counted_transfers() as found:
        function()
    return found.operations, found.waits


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("depth", [2, 4])
def test_operations_and_transfers_do_not_grow_with_widths(loss, depth):
    found = []
    for width in (3, 6):
        case = NetworkCase((width,) * (depth + 1), "tanh", True, 7, loss=loss, weight_decay=0.1)
        theta, x, y = (put_strict(each) for each in (case.theta, case.x, case.targets))
        v = put_strict(np.ones(len(case.theta)))
        point = case.net.at(theta, x, y)
        _ = point.gradient
        found.append(
            [
                counts(function)
                for function in (
                    lambda point=point: point.hessian("total"),
                    lambda point=point: point.hessian("gauss_newton"),
                    lambda point=point, v=v: point.hvp(v),
                    lambda point=point, theta=theta: point.at(theta),
                    lambda point=point, theta=theta: point.at(theta).gradient,
                )
            ]
        )
    assert found[0] == found[1]
    total, gauss_newton, product, made, gradient = found[1]
    assert total[1] == gauss_newton[1] == product[1] == 1  # whether the result is finite
    assert made[1] == 2  # whether theta is, and the forward pass
    assert gradient[1] == made[1] + 1
    pairs = depth * (2 * depth + 1)  # of blocks, with biases
    assert total[0] <= 13 * pairs
    assert product[0] <= 20 * depth


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("widths", [(3, 5, 2), (2, 4, 3, 2)])
def test_large_symmetric_blocks_by_strips(monkeypatch, widths, bias):
    xp = pytest.importorskip("array_api_strict")
    monkeypatch.setattr(large_products, "STRIP", 1)
    monkeypatch.setattr(large_products, "STRIPS", 2)
    empty = lambda shape, **options: xp.full(shape, float("nan"), **options)  # noqa: E731
    monkeypatch.setattr(xp, "empty", empty)  # what is not written stays NaN
    case = NetworkCase(widths, "tanh", bias, 8, parametrisation="ntk")
    split = case.net.at(*(xp.asarray(each) for each in (case.theta, case.x, case.y))).hessian()
    for part in split.parts:
        matrix = to_numpy(split.part(part))
        close(matrix, case.point.hessian(part))
        assert (matrix == matrix.T).all()


def test_an_overflow_behind_a_saturated_unit_is_seen_on_a_device():
    xp = pytest.importorskip("array_api_strict")
    net = MLP((1, 1, 1), activation="tanh")
    with pytest.raises(ValueError, match="overflows in layer 1 of 2"):
        net.at(*(xp.asarray(each) for each in ([1e200, 1.0], [[1e200]], [[0.0]])))


@pytest.mark.parametrize("batch_size", [4, 12])
@pytest.mark.parametrize("method", ["momentum", "adam"])
def test_first_order_steps_wait_for_nothing_between_looks(method, batch_size):
    case = NetworkCase((3, 5, 2), "tanh", True, 12)
    data = [put_strict(each) for each in (case.theta, case.x, case.y)]
    options = {"method": method, "batch_size": batch_size, "rng": 0}

    def transfers(steps):
        many = options | {"check_every": steps, "max_steps": steps}
        return counts(lambda: train(case.net, *data, **many))[1]

    assert transfers(4) == transfers(12)
    options |= {"check_every": 5, "max_steps": 10}
    expected = train(case.net, case.theta, case.x, case.y, **options)
    result = train(case.net, *data, **options)
    close(result.theta, expected.theta, 1e-7)


def test_an_overflow_between_looks_is_found_at_the_next():
    xp = pytest.importorskip("array_api_strict")
    case = NetworkCase((3, 5, 2), "tanh", True, 12)
    data = [xp.asarray(each) for each in (case.theta, case.x, case.y)]
    options = {"method": "momentum", "step_size": 1e200, "check_every": 3, "max_steps": 9}
    with pytest.raises(ValueError, match="left the range of floating-point numbers"):
        train(case.net, *data, **options)


@pytest.mark.parametrize("chunk", [None, 5])
def test_data_on_the_host_are_moved_chunk_by_chunk(chunk):
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    case = NetworkCase((3, 5, 2), "tanh", True, 12, loss="cross_entropy", seed=1)
    theta = xp.asarray(case.theta, device=device)
    point = case.net.at(theta, case.x, case.y, chunk=chunk)
    assert point.gradient.device == device
    close(point.gradient, case.point.gradient)
    close(point.hvp(np.ones(len(case.theta))), case.point.hvp(np.ones(len(case.theta))))
    close(point.hessian("total"), case.point.hessian("total"))


OVERFLOWS = {  # activation, theta, x, y: where entries overflow in the parts
    "everywhere": ("quadratic", [1.0, 1.0], 1e100, 0.0, ("gauss_newton", "residual", "total")),
    "last of the diagonal": ("linear", [1e10, 1e-100], 1e150, 0.0, ("gauss_newton", "total")),
    "off the diagonal": ("linear", [1e-100, 1e-100], 1e150, 1e200, ("residual", "total")),
}


def overflowing(xp, where):
    activation, theta, x, y, parts = OVERFLOWS[where]
    net = MLP((1, 1, 1), activation=activation)
    point = net.at(*(xp.asarray(np.array(each)) for each in (theta, [[x]], [[y]])))
    for part in parts:
        with pytest.raises(ValueError, match="the Hessian overflows"):
            point.hessian(part)
    for part in {"gauss_newton", "residual"} - set(parts):
        assert np.isfinite(to_numpy(point.hessian(part))).all()


@pytest.mark.parametrize("where", OVERFLOWS)
def test_a_hessian_that_overflows_is_refused(where):
    overflowing(pytest.importorskip("array_api_strict"), where)
    overflowing(np, where)


# The kernels --------------------------------------------------------------------------------------

PROGRAM = """
#include <cmath>
#include <cstdio>
#define __device__
using namespace std;
template <typename T> inline T erfcx(T x) { return exp(x * x) * erfc(x); }
template <> inline float erfcx(float x) { return (float)(exp((double)x * x) * erfc((double)x)); }
%s
typedef %s T;
int main() {
    double given;
    while (scanf("%%lf", &given) == 1) {
        const T z = (T)given;
        T a, slope, curvature;
        %s
        printf("%%.17g %%.17g %%.17g\\n", (double)a, (double)slope, (double)curvature);
    }
}
"""


@pytest.mark.parametrize("kind", ["double", "float"])
@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_kernels_compute_what_the_formulas_say(tmp_path, name, kind):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    source, program = tmp_path / "kernel.cpp", tmp_path / "kernel"
    source.write_text(PROGRAM % (PREAMBLE, kind, BODIES[name]))
    subprocess.run([compiler, "-O0", "-o", program, source], check=True)
    dtype = np.float64 if kind == "double" else np.float32
    z = np.linspace(-20.0, 20.0, 81).astype(dtype)
    text = "\n".join(f"{each:.17g}" for each in z)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    a, slope, curvature = np.loadtxt(done.stdout.splitlines()).T
    f = ACTIVATIONS[name]
    value = f.value(z)
    units = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(a, value, rtol=units, atol=0)
    np.testing.assert_allclose(slope, f.slope(z, value), rtol=units, atol=0)
    bend = np.zeros(len(z)) if f.curvature is None else f.curvature(z, value)
    np.testing.assert_allclose(curvature, bend, rtol=units, atol=0)


def test_every_activation_has_a_kernel():
    assert set(BODIES) == set(ACTIVATIONS)


def test_the_benchmark_runs_on_numpy(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    module = importlib.import_module("device_networks")
    for function in module.BENCHMARKS:
        options = {"peers": False} if function.__name__ in ("dense_split", "deep") else {}
        found = function(**options)
        assert found
        for name, number in found.items():
            assert isinstance(number, float), name
            assert number < 1e-6 or "agreement" not in name, name


# A GPU --------------------------------------------------------------------------------------------


@pytest.fixture
def cupy():
    return cupy_with_a_card()


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_every_product_and_matrix_on_a_gpu(cupy, case):
    point = case.net.at(cupy.asarray(case.theta), cupy.asarray(case.x), cupy.asarray(case.y))
    expected = case.point
    v = np.random.default_rng(0).standard_normal((len(case.theta), 3))
    assert point.loss == pytest.approx(expected.loss, rel=1e-12)
    for name in ("hvp", "gauss_newton_vp", "residual_vp", "jvp"):
        close(getattr(point, name)(cupy.asarray(v)), getattr(expected, name)(v))
        close(getattr(point, name)(cupy.asarray(v[:, 0])), getattr(expected, name)(v[:, 0]))
    for name in ("jacobian", "ntk", "sample_gradients", "fisher", "hessian_diagonal"):
        close(getattr(point, name)(), getattr(expected, name)())
    split = point.hessian()
    for part in split.parts:
        close(split.part(part), expected.hessian(part))
        close(point.hessian(part), expected.hessian(part))
    assert bool((split.total == split.total.T).all())


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_kernels_on_a_gpu(cupy, name, dtype):
    from rmtland.networks.fused_kernels import activation_with_derivatives

    z = np.linspace(-25.0, 25.0, 1001).astype(dtype)
    f = ACTIVATIONS[name]
    value = f.value(z)
    a, slope, curvature = activation_with_derivatives(name, cupy.asarray(z))
    units = 200 * np.finfo(dtype).eps
    expected = [value, f.slope(z, value)]
    expected.append(np.zeros_like(z) if f.curvature is None else f.curvature(z, value))
    for one, two in zip((a, slope, curvature), expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(to_numpy(one), two, rtol=units, atol=units)


@pytest.mark.gpu
@pytest.mark.parametrize("where", OVERFLOWS)
def test_a_hessian_that_overflows_is_refused_on_a_gpu(cupy, where):
    overflowing(cupy, where)


@pytest.mark.gpu
def test_a_deep_network_in_single_precision_on_a_gpu(cupy):
    case = NetworkCase((6, 9, 7, 5), "gelu", True, 33, loss="cross_entropy")
    data = [cupy.asarray(each, dtype=cupy.float32) for each in (case.theta, case.x, case.targets)]
    point = case.net.at(*data)
    close(point.hessian("total"), case.point.hessian("total"), 2e-5)
    assert point.hessian("total").dtype == cupy.float32


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["lbfgs", "gd", "sgd", "momentum", "adam"])
def test_training_on_a_gpu(cupy, method):
    case = NetworkCase((3, 5, 2), "tanh", True, 12)
    options = {"method": method, "max_steps": 6}
    if method not in ("lbfgs", "gd"):
        options |= {"batch_size": 5, "rng": 0}
    expected = train(case.net, case.theta, case.x, case.y, **options)
    data = [cupy.asarray(each) for each in (case.theta, case.x, case.y)]
    result = train(case.net, *data, **options)
    assert result.steps == expected.steps
    close(result.theta, expected.theta, 1e-7)


@pytest.mark.gpu
def test_torch_tensors_on_a_gpu():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    for case in CASES[::16]:
        data = [torch.tensor(np.asarray(each)).cuda() for each in (case.theta, case.x, case.y)]
        point = case.net.at(*data)
        v = np.random.default_rng(0).standard_normal((len(case.theta), 3))
        assert point.gradient.is_cuda
        close(point.hvp(torch.tensor(v).cuda()), case.point.hvp(v))
        close(point.hvp(torch.tensor(v[:, 0]).cuda()), case.point.hvp(v[:, 0]))
        close(point.hessian().total, case.point.hessian().total)
