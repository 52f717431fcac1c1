"""The same numbers from other array libraries, and from automatic differentiation."""

from itertools import pairwise

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from network_cases import ACTIVATION_NAMES, CASES, LOSS_NAMES, NetworkCase

from rmtland.arrays import to_numpy
from rmtland.networks import MLP, train

LIBRARIES = ["array_api_strict", "torch"]
SOME = CASES[::4]


def close(actual, expected, tolerance=1e-12):
    actual = to_numpy(actual)
    assert actual.shape == expected.shape
    scale = np.abs(expected).max() + 1e-2
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("case", "chunk"), [(case, (None, 2)[i % 2]) for i, case in enumerate(SOME)], ids=str
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_method_in_every_library(library, case, chunk):
    xp = pytest.importorskip(library)
    expected = case.point
    theta, x, y = (xp.asarray(array) for array in (case.theta, case.x, case.y))
    v = np.random.default_rng(0).standard_normal((len(case.theta), 3))
    u = np.random.default_rng(1).standard_normal((case.samples * case.widths[-1], 2))
    point = case.net.at(theta, x, y, chunk=chunk)
    assert point.loss == pytest.approx(expected.loss, rel=1e-13)
    results = {
        "gradient": point.gradient,
        "prediction": point.prediction,
        "residuals": point.residuals,
    }
    for name, result in results.items():
        assert type(result) is type(theta)
        close(result, getattr(expected, name))
    for name in ("jacobian", "ntk", "sample_gradients", "fisher"):
        result = getattr(point, name)()
        assert type(result) is type(theta)
        close(result, getattr(expected, name)())
    for name in ("hvp", "gauss_newton_vp", "residual_vp", "jvp"):
        close(getattr(point, name)(xp.asarray(v)), getattr(expected, name)(v))
        close(getattr(point, name)(xp.asarray(v[:, 0])), getattr(expected, name)(v[:, 0]))
    close(point.vjp(xp.asarray(u)), expected.vjp(u))
    split = point.hessian()
    close(split.gauss_newton, expected.hessian().gauss_newton)
    close(split.residual, expected.hessian().residual)
    close(split.total, expected.hessian().total)
    close(point.hessian("total"), expected.hessian("total"))
    close(point.fisher("empirical"), expected.fisher("empirical"))
    close(point.fisher("sampled", rng=0), expected.fisher("sampled", rng=0))
    close(point.operator() @ v, expected.operator() @ v)


@pytest.mark.parametrize("library", LIBRARIES)
def test_single_precision_and_refusals_in_every_library(library):
    xp = pytest.importorskip(library)
    case = NetworkCase((3, 5, 2), "tanh", True, 4)
    arrays = [xp.asarray(array, dtype=xp.float32) for array in (case.theta, case.x, case.y)]
    single = case.net.at(*arrays)
    assert single.gradient.dtype == single.hessian().total.dtype == xp.float32
    close(single.hessian().total, case.point.hessian().total, 1e-5)
    theta, x, y = (xp.asarray(array) for array in (case.theta, case.x, case.y))
    with pytest.raises(ValueError, match="theta holds NaN or infinite values"):
        case.net.at(theta * float("nan"), x, y)
    with pytest.raises(ValueError, match="theta must have 32 entries"):
        case.net.at(theta[:5], x, y)
    with pytest.raises(ValueError, match="forward pass overflows in layer"):
        case.net.at(theta * 1e200, x * 1e200, y)
    with pytest.raises(ValueError, match="labels must lie between 0 and 1"):
        MLP((3, 5, 2), bias=True, loss="cross_entropy").at(theta, x, xp.asarray([0, 1, 2, 0]))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("method", ["lbfgs", "gd", "momentum", "adam"])
def test_training_takes_the_same_steps_in_every_library(library, method):
    xp = pytest.importorskip(library)
    case = NetworkCase((3, 5, 2), "tanh", True, 12)
    options = {"method": method, "max_steps": 8}
    if method in ("momentum", "adam"):
        options |= {"batch_size": 5, "rng": 0}
    expected = train(case.net, case.theta, case.x, case.y, **options)
    result = train(
        case.net, *(xp.asarray(array) for array in (case.theta, case.x, case.y)), **options
    )
    assert type(result.theta) is type(xp.asarray([1.0]))
    close(result.theta, expected.theta, 1e-7)
    assert result.steps == expected.steps


def activation_in(xp, name, z):
    """Return f(z) by the functions of `xp`, jax.numpy or torch."""
    if xp.__name__ == "torch":
        erf = xp.special.erf
    else:
        from jax.scipy.special import erf
    return {
        "tanh": lambda: xp.tanh(z),
        "relu": lambda: xp.where(z > 0, z, 0.0 * z),
        "linear": lambda: z,
        "leaky_relu": lambda: xp.where(z > 0, z, z / 100),
        "erf": lambda: erf(z),
        "sigmoid": lambda: 1 / (1 + xp.exp(-z)),
        "softplus": lambda: xp.log1p(xp.exp(z)),
        "gelu": lambda: z * (1 + erf(z / 2**0.5)) / 2,
        "silu": lambda: z / (1 + xp.exp(-z)),
        "quadratic": lambda: z * z,
        "sine": lambda: xp.sin(z),
    }[name]()


def loss_in(xp, case, theta):
    """Return the loss by the functions of `xp`, jax.numpy or torch."""
    signal, used = xp.asarray(case.x), 0
    for layer, (before, here) in enumerate(pairwise(case.widths), 1):
        weight = theta[used : used + before * here].reshape(here, before)
        used += before * here
        if case.parametrisation == "ntk":
            weight = weight / before**0.5
        signal = signal @ weight.T
        if case.bias:
            signal = signal + theta[used : used + here]
            used += here
        if layer < len(case.widths) - 1:
            signal = activation_in(xp, case.activation, signal)
    y = xp.asarray(case.targets)
    if case.loss == "mse":
        loss = ((signal - y) ** 2).sum() / 2
    elif case.loss == "cross_entropy":
        loss = (xp.log(xp.exp(signal).sum(1)) - (y * signal).sum(1)).sum()
    else:
        loss = (xp.log1p(xp.exp(signal)) - y * signal).sum()
    return loss / case.samples + case.weight_decay * (theta**2).sum() / 2


DIFFERENTIABLE = [
    NetworkCase(widths, "tanh", bias, samples, seed, loss, decay, parametrisation)
    for seed, (widths, bias, samples, loss, decay, parametrisation) in enumerate(
        [
            ((4, 5, 3), False, 9, "mse", 0.0, "standard"),
            ((3, 4, 2, 3), True, 6, "mse", 0.1, "ntk"),
            ((3, 4, 2), True, 30, "cross_entropy", 0.0, "standard"),
            ((3, 4, 3, 2, 2), False, 5, "logistic", 0.2, "standard"),
        ]
    )
]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_against_torch(case):
    torch = pytest.importorskip("torch")
    hessian = torch.func.hessian(lambda t: loss_in(torch, case, t))(torch.tensor(case.theta))
    close(hessian, case.point.hessian().total)
    close(hessian, case.point.hessian("total"))


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_against_jax(case):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    # compiled whole: step by step every step is compiled
    hessian = jax.jit(jax.hessian(lambda t: loss_in(jax.numpy, case, t)))(case.theta)
    close(np.asarray(hessian), case.point.hessian().total)
    close(np.asarray(hessian), case.point.hessian("total"))


networks = st.builds(
    NetworkCase,
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple),
    activation=st.sampled_from(ACTIVATION_NAMES),
    bias=st.booleans(),
    samples=st.integers(1, 9),
    seed=st.integers(0, 10**6),
    loss=st.sampled_from(LOSS_NAMES),
    weight_decay=st.sampled_from([0.0, 0.3]),
    parametrisation=st.sampled_from(["standard", "ntk"]),
)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@examples(30)
@given(case=networks)
def test_any_network_against_torch(case):
    torch = pytest.importorskip("torch")
    v = np.random.default_rng(case.seed).standard_normal(len(case.theta))
    gradient, product = torch.func.jvp(
        torch.func.grad(lambda t: loss_in(torch, case, t)),
        (torch.tensor(case.theta),),
        (torch.tensor(v),),
    )
    close(gradient, case.point.gradient, 1e-11)
    close(product, case.point.hvp(v), 1e-11)
    close(product, case.point.hessian().total @ v, 1e-11)


@examples(12)
@given(case=networks)
def test_any_network_against_jax(case):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    v = np.random.default_rng(case.seed).standard_normal(len(case.theta))
    gradient = jax.grad(lambda t: loss_in(jax.numpy, case, t))
    gradient, product = jax.jit(lambda t, v: jax.jvp(gradient, (t,), (v,)))(case.theta, v)
    close(np.asarray(gradient), case.point.gradient, 1e-11)
    close(np.asarray(product), case.point.hvp(v), 1e-11)
    close(np.asarray(product), case.point.hessian("total") @ v, 1e-11)
