"""Time and check Hessians of networks on a GPU against other tools on the same card.

Each function is one benchmark: it makes its own data, and returns a dictionary of seconds by name,
"agreement ..." with relative errors, and what could not run with the reason. `BENCHMARKS` holds
them in order of importance. Without CuPy or a device they run on NumPy, at sizes for a test.

  dense_split        H0, H1 and H of a network with one hidden layer, against jax.hessian and
                     torch.func.hessian
  product            one Hessian-vector product at 10^7 parameters against its 8 matrix products
  surface            everything a point computes, against NumPy
  deep               the Hessian of a network with three hidden layers and cross-entropy
  block_of_products  16 products at once
  activations        the fused kernels against the plain formulas
  training           steps of Adam, and of L-BFGS
  small              one loss point, gradient and product of a small network
  eigenvalues        all eigenvalues of a dense Hessian, and of a large one

    python scripts/device_networks.py --only dense_split product
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import numpy as np
from device_timing import has_card, peer, release, shortest, synchronize

from rmtland.arrays import to_numpy
from rmtland.networks import ACTIVATIONS, MLP, train
from rmtland.networks.cuda_graphs import GRAPHS, without_graphs
from rmtland.networks.fused_kernels import activation_with_derivatives

Result = dict[str, Any]


xp: Any = peer("cupy") if has_card() else np
ON_DEVICE = xp is not np


def relative(actual: Any, expected: Any) -> float:
    """Return the largest difference over the largest entry."""
    if hasattr(actual, "__array_namespace__") and type(actual) is type(expected):
        return float(abs(actual - expected).max() / abs(expected).max())
    actual, expected = to_numpy(actual), to_numpy(expected)
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def problem(widths: tuple[int, ...], m: int, loss: str = "mse", activation: str = "tanh") -> Any:
    """Return a network, and its parameters and data on the device."""
    rng = np.random.default_rng(0)
    net = MLP(widths, activation=activation, loss=loss)
    x = rng.standard_normal((m, widths[0]))
    y: Any = rng.standard_normal((m, widths[-1]))
    if loss == "cross_entropy":
        y = np.eye(widths[-1])[rng.integers(widths[-1], size=m)]
    return net, *(xp.asarray(each) for each in (net.init(rng=1), x, y))


def attempt(result: Result, name: str, job: Callable[[], Any]) -> None:
    """Enter what a job returns, or the reason why there is none."""
    try:
        result[name] = job()
    except Exception as error:
        result[name] = f"{type(error).__name__}: {error}"[:160]
    release()


def jax_hessian(
    widths: tuple[int, ...], x: Any, y: Any, loss: str, chunk: int | None = None
) -> Any:
    """Return the compiled Hessian of JAX as a function of the parameters, and those moved there."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, y = jnp.asarray(to_numpy(x)), jnp.asarray(to_numpy(y))

    def value(theta: Any) -> Any:
        signal = _forward(widths, theta, x, jnp.tanh)
        if loss == "mse":
            return ((signal - y) ** 2).sum() / (2 * len(x))
        return (jax.nn.logsumexp(signal, axis=1) - (y * signal).sum(1)).sum() / len(x)

    def by_chunks(theta: Any) -> Any:
        def column(i: Any) -> Any:
            unit = jnp.zeros_like(theta).at[i].set(1.0)
            return jax.jvp(jax.grad(value), (theta,), (unit,))[1]

        return jax.lax.map(column, jnp.arange(theta.size), batch_size=chunk)

    return jax.jit(jax.hessian(value) if chunk is None else by_chunks), jnp.asarray


def torch_hessian(widths: tuple[int, ...], x: Any, y: Any, chunk: int | None) -> Any:
    """Return the Hessian of PyTorch for half the squared error as a function of the parameters."""
    import torch

    where = "cuda" if ON_DEVICE else "cpu"
    x, y = (torch.tensor(to_numpy(each), device=where) for each in (x, y))

    def value(theta: Any) -> Any:
        return ((_forward(widths, theta, x, torch.tanh) - y) ** 2).sum() / (2 * len(x))

    if chunk is None:
        function = torch.func.hessian(value)
    else:
        function = torch.func.jacrev(torch.func.grad(value), chunk_size=chunk)
    return function, lambda theta: torch.tensor(to_numpy(theta), device=where)


def _forward(widths: tuple[int, ...], theta: Any, signal: Any, tanh: Any) -> Any:
    start = 0
    for layer, (before, here) in enumerate(itertools.pairwise(widths)):
        weight = theta[start : start + before * here].reshape(here, before)
        start += before * here
        signal = signal @ weight.T
        if layer < len(widths) - 2:
            signal = tanh(signal)
    return signal


def _race(made: Any, theta: Any, ours: Any) -> tuple[float, float | None]:
    """Return the time of a peer's Hessian, and how far it is from ours."""
    function, moved = made
    start = moved(theta)

    time_taken = shortest(lambda: function(start), runs=3, limit=3.0)
    if ours is None:
        return time_taken, None
    return time_taken, relative(to_numpy(function(start)), ours)


def dense_split(n: int | None = None, m: int | None = None, peers: bool = True) -> Result:
    """Race the Hessian, with its split, of n inputs, hidden units and outputs."""
    result: Result = {}
    large_first = [(128, 512), (64, 256)]  # JAX keeps its memory
    sizes = large_first if ON_DEVICE else [(5, 12)]
    for size, samples in [(n, m)] if n and m else sizes:
        widths = (size, size, size)
        net, theta, x, y = problem(widths, samples)
        label = f"n={size} m={samples} p={net.parameter_count}"

        def split(net: Any = net, data: Any = (theta, x, y)) -> Any:
            made = net.at(*data).hessian()
            return made.gauss_newton, made.residual, made.total

        def alone(net: Any = net, data: Any = (theta, x, y)) -> Any:
            return net.at(*data).hessian("total")

        attempt(result, f"rmtland: H0, H1 and H, {label}", lambda job=split: shortest(job))
        attempt(result, f"rmtland: H alone, {label}", lambda job=alone: shortest(job))
        if size <= 64:
            with without_graphs():
                for name, job in (("H0, H1 and H", split), ("H alone", alone)):
                    label_of = f"no graph: {name}, {label}"
                    attempt(result, label_of, lambda job=job: shortest(job))
            _refusals(result, label)
        point = net.at(theta, x, y)
        v = xp.asarray(np.random.default_rng(3).standard_normal((len(theta), 2)))
        attempt(
            result,
            f"agreement of H with products, {label}",
            lambda point=point, v=v: relative(point.hessian("total") @ v, point.hvp(v)),
        )
        whole = to_numpy(point.hessian("total")) if size <= 64 else None
        release()
        if peers:
            _race_peers(result, widths, (theta, x, y), whole, label)
        _ratios(result, label)
    return result


def _refusals(result: Result, label: str) -> None:
    """Enter how many graphs could not be recorded, and why."""
    result[f"graphs refused, {label}"] = float(len(GRAPHS.refused))
    if GRAPHS.refused:
        result[f"why, {label}"] = "; ".join(sorted(set(GRAPHS.refused.values())))[:300]


def _race_peers(
    result: Result, widths: tuple[int, ...], data: tuple[Any, Any, Any], whole: Any, label: str
) -> None:
    theta, x, y = data
    makers: dict[str, Callable[[], Any]] = {
        "jax.hessian": lambda: jax_hessian(widths, x, y, "mse"),
        "torch.func.hessian": lambda: torch_hessian(widths, x, y, None),
        "torch jacrev(grad), chunks of 1024": lambda: torch_hessian(widths, x, y, 1024),
    }
    for name, maker in makers.items():
        key = f"{name}, {label}"
        if ON_DEVICE and widths[0] > 64 and name == "jax.hessian":
            attempt(result, key, lambda: _jax_apart(widths, len(x), "mse"))
            key = f"jax jvp(grad), chunks of 1024, {label}"
            attempt(result, key, lambda: _jax_apart(widths, len(x), "mse", 1024))
            continue
        attempt(result, key, lambda maker=maker: _race(maker(), theta, whole))
        if isinstance(result[key], tuple):
            result[key], error = result[key]
            if error is not None:
                result[f"agreement with {key}"] = error


def _jax_apart(widths: tuple[int, ...], m: int, loss: str, chunk: int = 0) -> float:
    """Return the time of jax.hessian in a process of its own: JAX keeps the memory it had."""
    environment = os.environ | {"XLA_PYTHON_CLIENT_MEM_FRACTION": ".95"}
    command = [sys.executable, __file__, "--jax", *map(str, widths), str(m), str(chunk), loss]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=90, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line or "EXHAUST" in line]
        raise RuntimeError(lines[-1][:140] if lines else f"exit status {done.returncode}")
    return float(done.stdout.split()[-1])


SKIPPED = ("rmt", "agree", "no graph", "graphs", "why")  # no peers


def _ratios(result: Result, label: str) -> None:
    ours = result.get(f"rmtland: H0, H1 and H, {label}")
    for key in [key for key in result if label in key and not key.startswith(SKIPPED)]:
        if isinstance(result[key], float) and isinstance(ours, float):
            result[f"times faster than {key}"] = result[key] / ours


def product(n: int | None = None, m: int | None = None) -> Result:
    """One product at 10^7 parameters against the 8 bare matrix products it consists of."""
    n, m = n or (2236 if ON_DEVICE else 8), m or (4096 if ON_DEVICE else 12)
    net, theta, x, y = problem((n, n, n), m)
    point = net.at(theta, x, y)
    batch = next(iter(point.passes()))
    v = xp.asarray(np.random.default_rng(3).standard_normal(net.parameter_count))
    first, second = v[: n * n].reshape(n, n), v[n * n :].reshape(n, n)
    h, w = batch.inputs[1], batch.weights[1]

    def bare() -> None:
        _ = (x @ first.T, h @ second.T, h @ w.T, x.T @ h, h.T @ x, x @ w, h @ second, h.T @ x)

    result: Result = {
        f"8 matrix products, n={n} m={m} p={net.parameter_count}": shortest(bare),
        "rmtland: one product": shortest(lambda: point.hvp(v)),
        "rmtland: Gauss-Newton product": shortest(lambda: point.gauss_newton_vp(v)),
        "rmtland: gradient from the start": shortest(lambda: net.at(theta, x, y).gradient),
    }
    times = list(result.values())
    result["one product over its 8 matrix products"] = times[1] / times[0]
    step = 1e-5
    turned = (point.at(theta + step * v).gradient - point.at(theta - step * v).gradient) / 2 / step
    result["agreement with differences of gradients"] = relative(point.hvp(v), turned)
    return result


def block_of_products(k: int = 16) -> Result:
    """Products with 16 vectors at once."""
    n, m = (512, 2048) if ON_DEVICE else (8, 12)
    net, theta, x, y = problem((n, n, n), m)
    point = net.at(theta, x, y)
    v = xp.asarray(np.random.default_rng(3).standard_normal((net.parameter_count, k)))
    one = point.hvp(v[:, 0])
    return {
        f"rmtland: {k} products, each, n={n} m={m}": shortest(lambda: point.hvp(v)) / k,
        "rmtland: one product": shortest(lambda: point.hvp(v[:, 0])),
        "agreement of one with many": relative(point.hvp(v)[:, 0], one),
    }


def surface() -> Result:
    """Everything a point computes, for three losses, against NumPy; float32 too."""
    result: Result = {}
    for loss in ("mse", "cross_entropy", "logistic"):
        for dtype in (np.float64, np.float32) if loss == "cross_entropy" else (np.float64,):
            rng = np.random.default_rng(0)
            net = MLP((5, 7, 6, 4), activation="gelu", loss=loss, bias=True, weight_decay=0.01)
            x, y = rng.standard_normal((40, 5)), np.eye(4)[rng.integers(4, size=40)]
            data = [each.astype(dtype) for each in (net.init(rng=1), x, y)]
            v = rng.standard_normal((len(data[0]), 3)).astype(dtype)
            here = net.at(*(each.astype(np.float64) for each in data))
            there = net.at(*(xp.asarray(each) for each in data))
            errors = {
                "gradient": relative(there.gradient, here.gradient),
                "hvp": relative(there.hvp(xp.asarray(v)), here.hvp(v)),
                "one hvp": relative(there.hvp(xp.asarray(v[:, 0])), here.hvp(v[:, 0])),
                "residual_vp": relative(there.residual_vp(xp.asarray(v)), here.residual_vp(v)),
                "jvp": relative(there.jvp(xp.asarray(v)), here.jvp(v)),
                "jacobian": relative(there.jacobian(), here.jacobian()),
                "ntk": relative(there.ntk(), here.ntk()),
                "fisher": relative(there.fisher("empirical"), here.fisher("empirical")),
                "H0": relative(there.hessian().gauss_newton, here.hessian().gauss_newton),
                "H1": relative(there.hessian().residual, here.hessian().residual),
                "H": relative(there.hessian("total"), here.hessian("total")),
                "diagonal": relative(there.hessian_diagonal(), here.hessian_diagonal()),
            }
            worst = max(errors, key=lambda name: errors[name])
            name = f"agreement, {loss}, {np.dtype(dtype).name}, worst is {worst}"
            result[name] = errors[worst]
    return result


def deep(peers: bool = True) -> Result:
    """Race the Hessian of a deep network with cross-entropy, against jax.hessian."""
    widths, m = ((64, 64, 64, 64, 10), 512) if ON_DEVICE else ((4, 5, 4, 3), 9)
    net, theta, x, y = problem(widths, m, "cross_entropy")
    point = net.at(theta, x, y)
    v = xp.asarray(np.random.default_rng(3).standard_normal(net.parameter_count))
    label = f"{widths} m={m} p={net.parameter_count}"
    result: Result = {
        f"rmtland: H, {label}": shortest(lambda: net.at(theta, x, y).hessian("total")),
        "rmtland: H0, H1 and H": shortest(lambda: net.at(theta, x, y).hessian().total),
        "agreement with products": relative(point.hessian("total") @ v, point.hvp(v)),
    }
    release()
    if peers and ON_DEVICE:
        attempt(result, "jax.hessian", lambda: _jax_apart(widths, m, "cross_entropy"))
    elif peers:
        made = jax_hessian(widths, x, y, "cross_entropy")
        attempt(result, "jax.hessian", lambda: _race(made, theta, None)[0])
    return result


def activations(entries: int | None = None) -> Result:
    """Activation, slope and curvature by one kernel against the plain formulas."""
    entries = entries or (2**24 if ON_DEVICE else 2**8)
    z = xp.asarray(np.random.default_rng(0).uniform(-30.0, 30.0, entries))
    result: Result = {}
    for name, f in ACTIVATIONS.items():

        def plain(f: Any = f) -> Any:
            a = f.value(z)
            slope = f.slope(z, a)
            return a, slope, slope if f.curvature is None else f.curvature(z, a)

        fused = activation_with_derivatives(name, z)
        if fused is None:
            result[f"{name}: plain"] = shortest(plain)
            continue
        pairs = zip(fused, plain(), strict=True)
        errors = [relative(one, two) for one, two in pairs if float(abs(one).max())]
        result[f"agreement, {name}"] = max(errors[: 3 if f.curvature else 2])
        if name in ("tanh", "gelu"):
            result[f"{name}: plain"] = shortest(plain)
            job = lambda name=name: activation_with_derivatives(name, z)  # noqa: E731
            result[f"{name}: one kernel"] = shortest(job)
    return result


def training(steps: int | None = None) -> Result:
    """Seconds a step of Adam with batches and of L-BFGS."""
    steps = steps or (200 if ON_DEVICE else 4)
    widths, m = ((512, 512, 512, 10), 8192) if ON_DEVICE else ((4, 5, 3), 12)
    net, theta, x, y = problem(widths, m, "cross_entropy")
    result: Result = {}
    for method, options in (
        ("adam", {"batch_size": 256 if ON_DEVICE else 4, "rng": 0, "check_every": 50}),
        ("lbfgs", {}),
    ):
        most = steps if method == "adam" else max(steps // 20, 4)
        start = time.perf_counter()
        done = train(net, theta, x, y, method=method, max_steps=most, **options)
        synchronize()
        name = f"{method}, a step, {widths} m={m}"
        result[name] = (time.perf_counter() - start) / max(done.steps, 1)
        result[f"{method}: energy after {done.steps} steps"] = done.energy
    return result


def small() -> Result:
    """One loss point with gradient and product of a small network: the cost of launches."""
    net, theta, x, y = problem((16, 16, 16), 64)
    v = xp.asarray(np.random.default_rng(3).standard_normal(net.parameter_count))

    def job() -> Any:
        point = net.at(theta, x, y)
        return point.loss, point.gradient, point.hvp(v)

    result: Result = {}
    dense = lambda: net.at(theta, x, y).hessian("total")  # noqa: E731
    point = net.at(theta, x, y)
    GRAPHS.clear()
    for name, block in (("graphs", nullcontext), ("no graphs", without_graphs)):
        with block():
            label = f"n=16 m=64, {name}"
            result[f"loss, gradient and product, {label}"] = shortest(job, runs=50, limit=1.0)
            result[f"product alone, {label}"] = shortest(lambda: point.hvp(v), runs=50, limit=1.0)
            result[f"dense H, {label}"] = shortest(dense, runs=20, limit=1.0)
            kept = point.hvp(v), point.gradient, dense()
        if name == "graphs":
            first = kept
    pairs = zip(first, kept, strict=True)
    result["agreement of both"] = max(relative(one, two) for one, two in pairs)
    _refusals(result, "n=16 m=64")
    return result


def eigenvalues(n: int | None = None) -> Result:
    """Find all eigenvalues of the Hessian of n inputs, hidden units and outputs."""
    n = n or (90 if ON_DEVICE else 4)
    net, theta, x, y = problem((n, n, n), 4 * n)
    matrix = net.at(theta, x, y).hessian("total")
    trace, square = float(matrix.trace()), float(matrix.ravel() @ matrix.ravel())
    start = time.perf_counter()
    values = xp.linalg.eigvalsh(matrix)
    synchronize()
    taken = time.perf_counter() - start
    return {
        f"all eigenvalues, p={net.parameter_count}": taken,
        "agreement of their sum with the trace": abs(float(values.sum()) - trace) / abs(trace),
        "agreement of squares": abs(float((values**2).sum()) - square) / square,
    }


def eigenvalues_of_large() -> Result:
    """Do the same at 32768 parameters; long."""
    return eigenvalues(128 if ON_DEVICE else 5)


BENCHMARKS: tuple[Callable[[], Result], ...] = (
    dense_split,
    product,
    eigenvalues,
    surface,
    deep,
    block_of_products,
    small,
    activations,
    training,
    eigenvalues_of_large,
)
"""In order of importance; the last takes about a minute on an H100, the others seconds."""

CASES = {each.__name__: each for each in BENCHMARKS}
eigenvalues_of_large.limit = 120.0  # type: ignore[attr-defined]
dense_split.limit = 60.0  # type: ignore[attr-defined]


def main() -> None:
    """Run what the command line names and print one JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [each.__name__ for each in BENCHMARKS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--jax", nargs="+", help="JAX alone: widths, samples, chunk, loss")
    arguments = parser.parse_args()
    if arguments.jax:
        *sizes, loss = arguments.jax
        *widths, m, chunk = map(int, sizes)
        net, theta, x, y = problem(tuple(widths), m, loss)
        theta, x, y = (to_numpy(each) for each in (theta, x, y))
        release()
        print(_race(jax_hessian(net.widths, x, y, loss, chunk or None), theta, None)[0])
        return
    chosen = arguments.only
    done = {each.__name__: each() for each in BENCHMARKS if each.__name__ in chosen}
    print(json.dumps(done, indent=1, default=str))


if __name__ == "__main__":
    main()
