"""Models of PyTorch and JAX on a card, for `check_device.py`: the CPU's answers, memory, times.

Every model exists twice, on the card and on the CPU with the same parameters and data; small dense
matrices are compared entry by entry. The modules note on which device they are called, so that
nothing is computed on the CPU without a word. Times are of one product at p = 10^5 and 10^7, beside
`torch.func` and a double backward pass by hand, and curvlinops where it is installed.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from device_timing import Skipped, has_card, peer, release, synchronize, timed

from rmtland.adapters import CurvatureMonitor, from_jax, from_torch, spectral_optimizer
from rmtland.audit import Level, audit_operators
from rmtland.comparison import compare
from rmtland.estimate import (
    extremal_eigenpairs,
    frobenius_norm,
    negative_fraction,
    spectral_density,
    symmetric_operator,
    trace,
)
from rmtland.laws import Semicircle
from rmtland.networks import MLP
from rmtland.optimizer import Nesterov

DIGITS = {"float64": 1e-11, "float32": 2e-5}
"""Largest difference of entries, of the largest entry."""


def where() -> str:
    return "cuda" if has_card() else "cpu"


@functools.cache
def watched() -> type:
    """Return a module that notes the devices of what it is called with."""
    torch = peer("torch")

    class Watched(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner
            self.devices: set[str] = set()

        def forward(self, x: Any) -> Any:
            self.devices |= {x.device.type, *(p.device.type for p in self.inner.parameters())}
            return self.inner(x)

    return Watched


def module(kind: str, dtype: Any) -> tuple[Any, Any]:
    """Return a model in evaluation mode, and its inputs, on the CPU."""
    torch = peer("torch")
    nn = torch.nn
    torch.manual_seed(0)
    if kind == "perceptron":
        inner = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
        x = torch.randn(11, 5)
    elif kind == "convolutions":
        inner = nn.Sequential(
            nn.Conv2d(1, 3, 3),
            nn.BatchNorm2d(3),
            nn.SiLU(),
            nn.Conv2d(3, 2, 3, stride=2),
            nn.Flatten(),
            nn.Linear(8, 3),
        )
        x = torch.randn(11, 1, 7, 7)
        inner(2.0 * x)  # statistics of its own
    else:
        layer = nn.TransformerEncoderLayer(
            4, 2, dim_feedforward=6, dropout=0.0, batch_first=True, activation="gelu"
        )
        inner = nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 3))
        x = torch.randn(11, 3, 4)
    return watched()(inner).to(dtype).eval(), x.to(dtype)


def dense(operator: Any) -> Any:
    return operator.matmat(np.eye(operator.shape[0]))


def off(found: Any, expected: Any) -> float:
    """Return the largest difference, of the largest entry."""
    one, two = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    return float(np.abs(one - two).max() / np.abs(two).max())


def fed(how: str, x: Any, y: Any) -> tuple[Any, dict[str, Any]]:
    """Return data as they are given to a model on the card, and the options that takes."""
    torch = peer("torch")
    if how == "tensors there":
        return (x.to(where()), y.to(where())), {}
    if how == "NumPy":
        return (x.numpy(), y.numpy()), {"move_data": True}
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=4)
    return loader, {"move_data": True}


def entries(kind: str, name: str) -> dict[str, Any]:
    """Compare Hessian, Gauss-Newton matrix, gradient and loss with float64 on the CPU."""
    torch = peer("torch")
    dtype = getattr(torch, name)
    model, x = module(kind, dtype)
    y = torch.arange(len(x)) % 3
    exact = from_torch(copy.deepcopy(model).double(), torch.nn.CrossEntropyLoss(), (x.double(), y))
    expected = dense(exact)
    half = dense(exact.with_part("gauss_newton"))
    there = model.to(where())
    worst: dict[str, float] = {}
    types = set()
    for how in ("tensors there", "NumPy", "loader"):
        data, options = fed(how, x, y)
        there.devices.clear()
        operator = from_torch(there, torch.nn.CrossEntropyLoss(), data, **options)
        found = dense(operator)
        worst[how] = off(found, expected)
        worst[f"{how}, gradient"] = off(operator.gradient(), exact.gradient())
        worst[f"{how}, loss"] = off(operator.loss(), exact.loss())
        worst[f"{how}, Gauss-Newton"] = off(dense(operator.with_part("gauss_newton")), half)
        worst[f"{how}, diagonal"] = off(operator.diagonal(), np.diag(expected))
        types |= {type(each).__name__ for each in (found, operator.gradient(), operator.loss())}
        worst[f"{how}, other device"] = float(there.devices != {where()})
    data, options = fed("tensors there", x, y)
    for title, setting in (
        ("autocast", torch.autocast(where(), dtype=torch.bfloat16)),
        ("default device", torch.device("cuda") if has_card() else nullcontext()),
        ("inference mode", torch.inference_mode()),
    ):
        with setting:
            operator = from_torch(there, torch.nn.CrossEntropyLoss(), data, **options)
            worst[title] = off(dense(operator), expected)
    seen = {str(p.dtype) for p in there.parameters()} | {p.device.type for p in there.parameters()}
    return {
        "ok": max(worst.values()) < DIGITS[name] and types == {"ndarray", "float"},
        "p": exact.shape[0],
        "worst": max(worst.values()),
        "differences": {k: v for k, v in worst.items() if v >= DIGITS[name]} or "none",
        "types": sorted(types),
        "parameters": sorted(seen),
    }


def refusals() -> dict[str, Any]:
    """See that data elsewhere are refused, with both places and the option that moves them."""
    torch = peer("torch")
    if not has_card():
        raise Skipped("torch: no CUDA device")
    model, x = module("perceptron", torch.float64)
    said = []
    for model_at, data_at in (("cuda", "cpu"), ("cpu", "cuda")):
        try:
            from_torch(
                model.to(model_at), torch.nn.MSELoss(), (x.to(data_at), x[:, :3].to(data_at))
            )
        except ValueError as error:
            said.append(str(error))
    ok = len(said) == 2 and all("cuda:0" in one and "move_data" in one for one in said)
    return {"ok": ok, "said": said}


def pair_of_operators() -> tuple[Any, Any]:
    """Return one operator on the CPU and the same on the card, float64."""
    torch = peer("torch")
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 12), torch.nn.Tanh(), torch.nn.Linear(12, 4)
    ).double()
    x, y = torch.randn(40, 8).double(), torch.randn(40, 4).double()
    here = from_torch(copy.deepcopy(model), torch.nn.MSELoss(), (x, y))
    there = from_torch(model.to(where()), torch.nn.MSELoss(), (x.to(where()), y.to(where())))
    return here, there


def estimates(here: Any, there: Any) -> dict[str, Any]:
    """Every estimate by a seed on both devices, and against the dense matrix."""
    exact = np.linalg.eigvalsh(dense(here))
    worst: dict[str, float] = {}
    one, two = (spectral_density(h, probes=4, steps=25, rng=0) for h in (here, there))
    for k in range(1, 5):  # weights within a cluster of rounding are any
        worst[f"moment {k}"] = off(
            (two.weights * two.nodes**k).sum(), (one.weights * one.nodes**k).sum()
        )
    worst["compare"] = abs(
        compare(two, Semicircle()).kolmogorov - compare(one, Semicircle()).kolmogorov
    )
    masses = [
        negative_fraction(h, probes=4, steps=30, rng=0, method="lanczos") for h in (here, there)
    ]
    worst["index"] = abs(masses[0].value - masses[1].value)
    ends = extremal_eigenpairs(there, 3, rng=0)
    worst["ends"] = off(ends.values, np.concatenate([exact[:3], exact[-3:]]))
    for method in ("hutchinson", "hutch++", "xtrace"):
        pair = [trace(h, products=30, method=method, rng=0).value for h in (here, there)]
        worst[method] = off(pair[1], pair[0])
    worst["norm"] = off(*(frobenius_norm(h, rng=0).value for h in (there, here)))
    share = float(np.mean(exact < 0))
    low, high = masses[1].rigorous
    return {
        "worst": max(worst.values()),
        "differences": {k: v for k, v in worst.items() if v >= 1e-7} or "none",
        "index": share,
        "interval": [low, high],
        "ok": max(worst.values()) < 1e-7
        and low <= share <= high
        and isinstance(two.nodes, np.ndarray)
        and isinstance(ends.vectors, np.ndarray),
    }


def torch_estimates() -> dict[str, Any]:
    """Return estimates of a PyTorch model, and its audit, on both devices."""
    here, there = pair_of_operators()
    found = estimates(here, there)
    audits = []
    for operator in (here, there):
        audit = audit_operators(
            operator,
            gauss_newton=operator.with_part("gauss_newton"),
            residual=operator.with_part("residual"),
            phi=operator.shape[0] / 160,
            probes=3,
            steps=20,
            rng=0,
            method="estimate",
            levels=(Level.PRINTED, Level.FITTED, Level.MEASURED_GAUSS_NEWTON),
        )
        audits.append([result.comparison.kolmogorov for result in audit.levels])
    found["audit"] = off(audits[1], audits[0])
    found["ok"] = found["ok"] and found["audit"] < 1e-6
    return found


def vectors_there() -> dict[str, Any]:
    """Return the same with the vectors of Lanczos on the card too, by `multiply` and `like=`."""
    torch = peer("torch")
    here, there = pair_of_operators()
    like = torch.empty(0, dtype=torch.float64, device=where())
    operator = symmetric_operator(there.multiply, size=there.shape[0], like=like)
    found = estimates(here, operator)
    return found | {"device": str(operator.place.device)}


def followed() -> dict[str, Any]:
    """Train on the card with a monitor and an optimiser made for a spectrum; read an MLP there."""
    torch = peer("torch")
    losses, sharpness = [], []
    for device in ("cpu", where()):
        torch.manual_seed(2)
        model = torch.nn.Sequential(
            torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3)
        ).double()
        x, y = torch.randn(30, 6).double().to(device), torch.randn(30, 3).double().to(device)
        model = model.to(device)
        operator = from_torch(model, torch.nn.MSELoss(), (x, y))
        monitor = CurvatureMonitor(operator, every=5, share=None, rng=0)
        optimizer = spectral_optimizer(model.parameters(), method=Nesterov(1.0), curvature=operator)

        def closure(model: Any = model, x: Any = x, y: Any = y) -> Any:
            model.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        for _ in range(20):
            losses.append(float(optimizer.step(closure).detach()))
            monitor.step()
        sharpness.append([record.sharpness for record in monitor.history])
        net, theta = MLP.from_torch(model)
        value = net.at(theta, x.cpu().numpy(), y.cpu().numpy()).loss
    worst = {
        "losses": off(losses[20:], losses[:20]),
        "sharpness": off(sharpness[1], sharpness[0]),
        "MLP.from_torch": off(2 / 3 * value, operator.loss()),
    }
    if has_card():
        cupy = peer("cupy")
        point = net.at(cupy.asarray(theta), cupy.asarray(x.cpu().numpy()), y.cpu().numpy())
        v = np.random.default_rng(0).standard_normal(theta.size)
        product = cupy.asnumpy(point.hvp(cupy.asarray(v)))
        worst["CuPy and PyTorch, product"] = off(2 / 3 * product, operator @ v)
    return {"ok": max(worst.values()) < 1e-8, "differences": worst}


def jax_model() -> dict[str, Any]:
    """Return estimates of a JAX model on its default device and on its CPU."""
    jax = peer("jax")
    jnp = jax.numpy
    rng = np.random.default_rng(3)
    params = {"in": rng.standard_normal((6, 10)) / 3, "out": rng.standard_normal((10, 3)) / 3}
    x, y = rng.standard_normal((30, 6)), rng.standard_normal((30, 3))

    def model(p: Any, inputs: Any) -> Any:
        return jnp.tanh(inputs @ p["in"]) @ p["out"]

    def loss(outputs: Any, targets: Any) -> Any:
        return ((outputs - targets) ** 2).sum(-1).mean() / 2

    operators = []
    for device in (jax.devices("cpu")[0], jax.devices()[0]):
        with jax.default_device(device):
            moved = jax.tree_util.tree_map(lambda a: jax.device_put(a, device), (params, x, y))  # noqa: B023
            batches = [(moved[1][:15], moved[2][:15]), (moved[1][15:], moved[2][15:])]
            operators.append(from_jax(loss, moved[0], batches, model=model))
    here, there = operators
    found = estimates(here, there)
    parts = {
        part: off(dense(there.with_part(part)), dense(here.with_part(part)))
        for part in ("total", "gauss_newton", "residual")
    }
    platforms = {device.platform for device in there.theta.devices()}
    single = from_jax(loss, jax.tree_util.tree_map(jnp.float32, params), (x, y), model=model)
    parts["float32"] = off(dense(single), dense(here)) * 1e-6
    rightly = not has_card() or platforms == {"gpu"}
    ok = found["ok"] and max(parts.values()) < 1e-11 and rightly
    return found | {"ok": ok, "parts": parts, "platforms": sorted(platforms)}


jax_model.limit = 60.0  # type: ignore[attr-defined]


def large(widths: tuple[int, ...], m: int, name: str) -> tuple[Any, Any, Any]:
    torch = peer("torch")
    torch.manual_seed(0)
    layers: list[Any] = []
    for a, b in itertools.pairwise(widths):
        layers += [torch.nn.Linear(a, b, bias=False), torch.nn.Tanh()]
    dtype = getattr(torch, name)
    model = torch.nn.Sequential(*layers[:-1]).to(device=where(), dtype=dtype)
    x = torch.randn(m, widths[0], dtype=dtype, device=where())
    y = torch.randn(m, widths[-1], dtype=dtype, device=where())
    p = sum(parameter.numel() for parameter in model.parameters())
    return model, (x, y), torch.randn(p, dtype=dtype, device=where())


def by_hand(model: Any, data: Any, vector: Any) -> dict[str, Callable[[], Any]]:
    """Return one product as torch.func and autograd are written by hand."""
    torch = peer("torch")
    params = {name: value.detach() for name, value in model.named_parameters()}
    pieces, start = {}, 0
    for name, value in params.items():
        pieces[name] = vector[start : start + value.numel()].reshape(value.shape)
        start += value.numel()

    def loss(values: Any) -> Any:
        outputs = torch.func.functional_call(model, values, (data[0],))
        return ((outputs - data[1]) ** 2).mean()

    def forward_over_reverse() -> Any:
        return torch.func.jvp(torch.func.grad(loss), (params,), (pieces,))[1]

    def double_backward() -> Any:
        own = list(model.parameters())
        value = torch.nn.functional.mse_loss(model(data[0]), data[1])
        slopes = torch.autograd.grad(value, own, create_graph=True)
        return torch.autograd.grad(slopes, own, list(pieces.values()))

    return {"torch.func by hand": forward_over_reverse, "double backward by hand": double_backward}


def race(widths: tuple[int, ...], m: int, name: str, *, small: bool = False) -> dict[str, Any]:
    """Time one product beside peers; peak memory of a block of products."""
    torch = peer("torch")
    if small:
        widths, m = (6, 7, 5), 10
    model, data, vector = large(widths, m, name)
    operator = from_torch(model, torch.nn.MSELoss(), data)
    rows: dict[str, Any] = {"p": operator.shape[0], "m": m, "dtype": name}
    runs: dict[str, Callable[[], Any]] = {"here": lambda: operator.multiply(vector)}
    runs |= by_hand(model, data, vector)
    host = vector.cpu().numpy()
    runs["here, vector of NumPy"] = lambda: operator @ host
    try:
        from curvlinops import HessianLinearOperator

        peer_operator = HessianLinearOperator(
            model, torch.nn.MSELoss(), list(model.parameters()), [data], check_deterministic=False
        )
        runs["curvlinops"] = lambda: peer_operator @ vector
    except Exception as error:  # not installed, or of another version
        rows["curvlinops"] = f"{type(error).__name__}: {error}"[:160]
    for title, run in runs.items():
        rows[title] = timed(run, seconds=1.0, runs=20)
    found = operator.multiply(vector)
    reference = torch.cat([one.reshape(-1) for one in runs["torch.func by hand"]().values()])
    rows["difference"] = float((found - reference).abs().max() / reference.abs().max())
    best = min(rows[t]["s"] for t in ("torch.func by hand", "double backward by hand"))
    rows["over the best by hand"] = rows["here"]["s"] / best
    rows["ok"] = rows["difference"] < DIGITS[name]
    if has_card():
        rows |= peak(operator, vector)
        rows["ok"] = rows["ok"] and rows["within"]
    del runs
    release()
    return rows


def peak(operator: Any, vector: Any) -> dict[str, Any]:
    """Return the peak of memory of one product and of eight, and what they may take."""
    torch = peer("torch")
    gradient = [value.nbytes for value in operator.function.values()]
    graph = operator.function.graph_bytes(next(operator._sums.read()))
    found: dict[str, Any] = {"graph of a forward pass": graph, "parameters": sum(gradient)}
    for k in (1, 8):
        block = vector.expand(k, -1).contiguous()
        operator.multiply(block)
        synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        operator.multiply(block)
        found[f"peak of {k}"] = torch.cuda.max_memory_allocated() - before
    at_once = operator.multivectors.at_once or 1
    allowed = 4 * graph * at_once + 8 * 6 * vector.nbytes
    return found | {"at once": at_once, "allowed": allowed, "within": found["peak of 8"] <= allowed}


race_small = functools.partial(race, (256, 256, 128), 512)
race_large = functools.partial(race, (2048, 2560, 2048), 1024)

CASES: dict[str, Callable[..., dict[str, Any]]] = {
    f"{kind}, {name}": functools.partial(entries, kind, name)
    for kind in ("perceptron", "convolutions", "transformer")
    for name in ("float64", "float32")
} | {
    "data on another device": refusals,
    "estimates of a PyTorch model": torch_estimates,
    "estimates with vectors on the card": vectors_there,
    "monitor, optimiser, MLP.from_torch": followed,
    "estimates of a JAX model": jax_model,
    "a product, p = 98304, float64": functools.partial(race_small, "float64"),
    "a product, p = 98304, float32": functools.partial(race_small, "float32"),
    "a product, p = 10485760, float32": functools.partial(race_large, "float32"),
    "a product, p = 10485760, float64": functools.partial(race_large, "float64"),
}
