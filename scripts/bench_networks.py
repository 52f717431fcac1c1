"""Time exact Hessians and Hessian-vector products against other tools, in one run.

Each job runs on tanh networks without biases in float64, in turns with its competitors, and reports
the fastest of the repeats, as seconds and as a ratio to rmtland. JAX, PyTorch and curvlinops are
timed where they are installed. Jobs:

  dense    the Hessian of a network with n inputs, hidden units and outputs at m samples, with and
           without its split, against an assembly by hand, jax.hessian, torch.func.hessian and
           curvlinops
  deep     the same for widths 32-32-32-32 (or n of them) at 256 samples
  product  one and 16 Hessian-vector products at 512-512-512 and 2048 samples, forward pass kept,
           against the bare matrix products they consist of
  small    one loss point, gradient and product at 16-16-16 and 64 samples
  index    signs of the eigenvalues: LDL^T inertia against the LAPACK drivers for eigenvalues
  memory   the peak of memory of `hessian` over what it returns
  first    seconds from the start of Python to the first product and the first Hessian

    python scripts/bench_networks.py --jobs dense --n 48 --m 192 --repeats 5
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from rmtland.networks import MLP, gaussian

JOBS = ("dense", "deep", "product", "small", "index", "memory", "first")


def hand_written(theta: Any, x: Any, y: Any, n: int) -> tuple[Any, Any]:
    """Return H0 and H1 of a square one-hidden-layer tanh network, block by block."""
    m, q = len(x), n * n
    w1, w2 = theta[:q].reshape(n, n), theta[q:].reshape(n, n)
    h = np.tanh(x @ w1.T)
    slope = 1 - h * h
    residual = h @ w2.T - y

    features = (slope[:, :, None] * x[:, None, :]).reshape(m, q)  # f'_j x_k
    mixed = (features.T @ h).reshape(n, n, n) / m  # [j, k, j'] = sum f'_j x_k h_j'
    h0 = np.zeros((2 * q, 2 * q))
    h0[:q, :q] = features.T @ features / m
    h0[:q, :q].reshape(n, n, n, n)[...] *= (w2.T @ w2)[:, None, :, None]
    h0[:q, q:].reshape(n, n, n, n)[...] = w2.T[:, None, :, None] * mixed[:, :, None, :]
    h0[q:, :q] = h0[:q, q:].T
    gram = h.T @ h / m
    for i in range(n):
        rows = slice(q + i * n, q + (i + 1) * n)
        h0[rows, rows] = gram

    bend = (residual @ w2) * (-2 * h * slope)
    cross = (features.T @ residual).reshape(n, n, n) / m  # [j, k, i]
    h1 = np.zeros((2 * q, 2 * q))
    for j in range(n):
        rows = slice(j * n, (j + 1) * n)
        h1[rows, rows] = (x * bend[:, j : j + 1]).T @ x / m
        h1[rows, q + j :: n] = cross[j]
        h1[q + j :: n, rows] = cross[j].T
    return h0, h1


def hand_written_total(theta: Any, x: Any, y: Any, n: int) -> Any:
    """Return their sum, added in place."""
    h0, h1 = hand_written(theta, x, y, n)
    h0 += h1
    return h0


def jax_loss(widths: tuple[int, ...], x: Any, y: Any) -> Any:
    """Return the loss as a JAX function of the flat parameters."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loss(theta: Any) -> Any:
        signal, start = x, 0
        for layer, (before, here) in enumerate(itertools.pairwise(widths)):
            weight = theta[start : start + before * here].reshape(here, before)
            start += before * here
            signal = signal @ weight.T
            if layer < len(widths) - 2:
                signal = jnp.tanh(signal)
        return ((signal - y) ** 2).sum() / (2 * len(x))

    return loss


def torch_loss(widths: tuple[int, ...], x: Any, y: Any) -> Any:
    """Return the loss as a PyTorch function of the flat parameters."""
    import torch

    x, y = torch.tensor(x), torch.tensor(y)

    def loss(theta: Any) -> Any:
        signal, start = x, 0
        for layer, (before, here) in enumerate(itertools.pairwise(widths)):
            weight = theta[start : start + before * here].reshape(here, before)
            start += before * here
            signal = signal @ weight.T
            if layer < len(widths) - 2:
                signal = torch.tanh(signal)
        return ((signal - y) ** 2).sum() / (2 * len(x))

    return loss


def curvlinops_operator(widths: tuple[int, ...], theta: Any, x: Any, y: Any) -> Any:
    """Return the Hessian as a curvlinops operator, and its parameters as PyTorch tensors."""
    import torch
    from curvlinops import HessianLinearOperator

    layers: list[Any] = []
    for before, here in itertools.pairwise(widths):
        layers += [torch.nn.Linear(before, here, bias=False, dtype=torch.float64), torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    torch.nn.utils.vector_to_parameters(torch.tensor(theta), model.parameters())
    # MSELoss(mean) divides by samples and outputs; ours by twice the samples
    scale = widths[-1] / 2

    class Half(torch.nn.MSELoss):
        def forward(self, prediction: Any, target: Any) -> Any:
            return super().forward(prediction, target) * scale

    data = [(torch.tensor(x), torch.tensor(y))]
    names = dict(model.named_parameters())
    try:
        return HessianLinearOperator(model, Half(), names, data, check_deterministic=False)
    except Exception:  # older versions take a list
        return HessianLinearOperator(
            model, Half(), list(names.values()), data, check_deterministic=False
        )


def installed(name: str) -> bool:
    """Return whether a module can be imported."""
    return find_spec(name) is not None


clock: Callable[[], float] = time.perf_counter


def race(jobs: dict[str, Callable[[], object]], repeats: int, inner: int = 1) -> dict[str, float]:
    """Return the fastest time of each job, run in turns."""
    times = dict.fromkeys(jobs, float("inf"))
    for _ in range(repeats):
        for name, job in jobs.items():
            start = clock()
            for _ in range(inner):
                result = job()
            times[name] = min(times[name], (clock() - start) / inner)
            del result
    return times


def report(title: str, times: dict[str, float], *references: str) -> None:
    """Print times and their ratios to the references, which come first among the jobs."""
    print(title)
    for name, seconds in times.items():
        unit = f"{seconds:10.4f} s " if seconds > 0.01 else f"{seconds * 1e6:10.1f} us"
        ratios = "".join(f"{seconds / times[r]:10.2f}" for r in references)
        print(f"  {name:42s}{unit}{ratios}")


def competitors(
    widths: tuple[int, ...], theta: Any, x: Any, y: Any, curvlinops: bool
) -> dict[str, Callable[[], object]]:
    """Return the dense Hessians of other tools, warmed up."""
    jobs: dict[str, Callable[[], object]] = {}
    if installed("jax"):
        import jax

        compiled = jax.jit(jax.hessian(jax_loss(widths, x, y)))
        jobs["jax.hessian, jit"] = lambda: compiled(theta).block_until_ready()
    if installed("torch"):
        import torch

        loss, start = torch_loss(widths, x, y), torch.tensor(theta)
        jobs["torch.func.hessian"] = lambda: torch.func.hessian(loss)(start)
    if curvlinops and installed("curvlinops"):
        import torch

        operator = curvlinops_operator(widths, theta, x, y)
        identity = torch.eye(len(theta), dtype=torch.float64)
        jobs["curvlinops, H @ I"] = lambda: operator @ identity
    for name, job in jobs.items():
        ours = MLP(widths).at(theta, x, y).hessian("total")
        difference = np.abs(np.asarray(job()) - ours).max() / np.abs(ours).max()
        assert difference < 1e-9, f"{name} disagrees: {difference}"
    return jobs


def dense(n: int, m: int, repeats: int, peers: bool, eigenvalues: bool) -> None:
    """Race the dense Hessian of one hidden layer."""
    widths = (n, n, n)
    net, data = MLP(widths), gaussian(m, n, rng=1)
    theta = net.init(rng=0)
    arguments = (theta, data.x, data.y)

    def ours() -> Any:
        split = net.at(*arguments).hessian()
        return split.gauss_newton, split.residual, split.total

    jobs: dict[str, Callable[[], object]] = {
        "rmtland: H0, H1 and H": ours,
        "rmtland: H alone": lambda: net.at(*arguments).hessian("total"),
        "by hand: H0, H1 and H": lambda: (lambda a, b: (a, b, a + b))(*hand_written(*arguments, n)),
        "by hand: H alone": lambda: hand_written_total(*arguments, n),
    }
    total, by_hand = ours()[2], hand_written_total(*arguments, n)
    difference = np.abs(total - by_hand).max() / np.abs(total).max()
    if peers:
        jobs |= competitors(widths, *arguments, curvlinops=True)
    if eigenvalues:
        jobs["eigvalsh(H)"] = lambda: np.linalg.eigvalsh(total)
    times = race(jobs, repeats)
    report(
        f"dense, tanh, n = {n}, m = {m}, p = {net.parameter_count}: seconds, ratio to our split, "
        "ratio to ours alone",
        times,
        "rmtland: H0, H1 and H",
        "rmtland: H alone",
    )
    print(f"  largest relative difference {difference:.1e}")


def deep(n: int, m: int, repeats: int, peers: bool) -> None:
    """Race the dense Hessian of two hidden layers."""
    widths = (n, n, n, n)
    net, data = MLP(widths), gaussian(m, n, rng=1)
    theta = net.init(rng=0)
    arguments = (theta, data.x, data.y)
    jobs: dict[str, Callable[[], object]] = {
        "rmtland: H0, H1 and H": lambda: net.at(*arguments).hessian().total,
        "rmtland: H alone": lambda: net.at(*arguments).hessian("total"),
    }
    if peers:
        jobs |= competitors(widths, *arguments, curvlinops=False)
    report(
        f"deep, tanh, {n}-{n}-{n}-{n}, m = {m}, p = {net.parameter_count}: seconds, ratios",
        race(jobs, repeats),
        *list(jobs)[:2],
    )


def product(n: int, m: int, repeats: int, peers: bool) -> None:
    """Race Hessian-vector products with the forward pass kept."""
    widths = (n, n, n)
    net, data = MLP(widths), gaussian(m, n, rng=1)
    theta = net.init(rng=0)
    point = net.at(theta, data.x, data.y)
    rng = np.random.default_rng(2)
    v = rng.standard_normal(net.parameter_count)
    many = rng.standard_normal((net.parameter_count, 16))
    h = point.layers[0][1]
    weight, tall, square = theta[: n * n].reshape(n, n), np.empty((m, n)), np.empty((n, n))

    def floor() -> None:
        for _ in range(5):
            np.matmul(h, weight.T, out=tall)
        for _ in range(3):
            np.matmul(h.T, data.x, out=square)

    point.hvp(v)
    point.hvp(many)
    jobs: dict[str, Callable[[], object]] = {
        "8 matrix products": floor,
        "rmtland: hvp": lambda: point.hvp(v),
        "rmtland: hvp of 16, each": lambda: point.hvp(many),
    }
    if peers and installed("curvlinops"):
        import torch

        operator = curvlinops_operator(widths, theta, data.x, data.y)
        vector = torch.tensor(v)
        result = np.asarray(operator @ vector)
        assert np.abs(result - point.hvp(v)).max() < 1e-9 * np.abs(result).max()
        jobs["curvlinops: H @ v"] = lambda: operator @ vector
    if peers and installed("jax"):
        import jax

        loss = jax_loss(widths, data.x, data.y)
        pushed = jax.jit(lambda t, d: jax.jvp(jax.grad(loss), (t,), (d,))[1])
        pushed(theta, v).block_until_ready()
        jobs["jax: jvp(grad), cold"] = lambda: pushed(theta, v).block_until_ready()
    times = race(jobs, repeats)
    times["rmtland: hvp of 16, each"] /= 16
    report(
        f"product, n = {n}, m = {m}, p = {net.parameter_count}: seconds, ratio to the products",
        times,
        "8 matrix products",
    )


def small(repeats: int, peers: bool) -> None:
    """Race one loss point with gradient and product on a small network."""
    n, m = 16, 64
    widths = (n, n, n)
    net, data = MLP(widths), gaussian(m, n, rng=1)
    theta = net.init(rng=0)
    v = np.random.default_rng(2).standard_normal(net.parameter_count)

    def ours() -> Any:
        point = net.at(theta, data.x, data.y)
        return point.gradient, point.hvp(v)

    jobs: dict[str, Callable[[], object]] = {"rmtland: at, gradient, hvp": ours}
    if peers and installed("jax"):
        import jax

        loss = jax_loss(widths, data.x, data.y)
        both = jax.jit(lambda t, d: jax.jvp(jax.grad(loss), (t,), (d,)))
        jobs["jax: jvp(grad), jit"] = lambda: both(theta, v)[1].block_until_ready()
    if peers and installed("torch"):
        import torch

        torch_function = torch_loss(widths, data.x, data.y)
        start, direction = torch.tensor(theta), torch.tensor(v)
        jobs["torch.func: jvp(grad)"] = lambda: torch.func.jvp(
            torch.func.grad(torch_function), (start,), (direction,)
        )
    for job in jobs.values():
        job()
    report(
        f"small, n = {n}, m = {m}: time, ratio",
        race(jobs, max(repeats, 5), inner=200),
        *list(jobs)[:1],
    )


def index(n: int, repeats: int) -> None:
    """Race the inertia of a Hessian against all its eigenvalues."""
    from scipy.linalg import eigvalsh

    from rmtland.spectrum import inertia

    net, data = MLP((n, n, n)), gaussian(4 * n, n, rng=1)
    matrix = net.at(net.init(rng=0), data.x, data.y).hessian("total")
    jobs: dict[str, Callable[[], object]] = {
        "rmtland: inertia by LDL^T": lambda: inertia(matrix),
        "numpy eigvalsh (rmtland: Spectrum)": lambda: np.linalg.eigvalsh(matrix),
    }
    for driver in ("ev", "evd", "evr"):
        jobs[f"scipy eigvalsh, driver {driver}"] = lambda driver=driver: eigvalsh(
            matrix, driver=driver, check_finite=False
        )
    report(
        f"index, n = {n}, p = {net.parameter_count}: seconds, ratio to the inertia",
        race(jobs, repeats),
        *list(jobs)[:1],
    )


def memory(n: int, m: int) -> None:
    """Print the peak of memory of both kinds of Hessian over their size."""
    net, data = MLP((n, n, n)), gaussian(m, n, rng=1)
    point = net.at(net.init(rng=0), data.x, data.y)
    size = 8 * net.parameter_count**2
    print(f"memory, n = {n}, m = {m}: peak over one matrix of {size / 1e6:.0f} MB")
    for name, part, matrices in (("H0 and H1", None, 2), ("H alone", "total", 1)):
        tracemalloc.start()
        result = point.hessian(part) if part else point.hessian()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        del result
        print(f"  {name:42s}{peak / size:10.2f}   (result {matrices})")


def first() -> None:
    """Print the time from the start of a process to its first Hessian and product."""
    code = (
        "import time; start = time.perf_counter(), time.process_time()\n"
        "from rmtland.networks import MLP\n"
        "import numpy as np\n"
        "net, rng = MLP((64, {n}, 64)), np.random.default_rng(0)\n"
        "x, v = rng.standard_normal((2048, 64)), rng.standard_normal(net.parameter_count)\n"
        "point = net.at(net.init(rng=0), x, x)\n"
        "point.hvp(v)\n"
        "MLP((8, 8, 8)).at(np.zeros(128), x[:, :8], x[:, :8]).hessian()\n"
        "print(time.perf_counter() - start[0], time.process_time() - start[1])\n"
    )
    print("first: a process until its first product and Hessian: wall, CPU")
    for title, n in (("64-64-64, plain route", 64), ("64-256-64, kept buffers", 256)):
        runs = []
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", code.format(n=n)], capture_output=True, text=True, check=True
            )
            runs.append([float(number) for number in done.stdout.split()])
        wall, cpu = (min(column) for column in zip(*runs[1:], strict=True))
        print(f"  {title:42s}{wall:10.4f} s {cpu:10.4f} s")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS, help="what to time")
    parser.add_argument("--n", type=int, default=48, help="dense: inputs = hidden = outputs")
    parser.add_argument("--m", type=int, default=192, help="dense: samples")
    parser.add_argument("--deep-n", type=int, default=32, help="deep: width of each layer")
    parser.add_argument("--product-n", type=int, default=512, help="product: width")
    parser.add_argument("--index-n", type=int, default=24, help="index: width of each layer")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (the fastest counts)")
    parser.add_argument("--no-peers", action="store_true", help="leave other tools out")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="CPU seconds of all threads in place of wall time: for a busy machine, best with "
        "OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1",
    )
    parser.add_argument("--eigenvalues", action="store_true", help="dense: time eigvalsh as well")
    chosen = parser.parse_args()
    sizes = (chosen.n, chosen.m, chosen.deep_n, chosen.product_n, chosen.index_n, chosen.repeats)
    if min(sizes) < 1:
        parser.error("--n, --m, --deep-n, --product-n, --index-n and --repeats must be at least 1")
    if chosen.cpu_time:
        global clock
        clock = time.process_time
    peers = not chosen.no_peers
    missing = [name for name in ("jax", "torch", "curvlinops") if not installed(name)]
    if peers and missing:
        print(f"not installed, so not timed: {', '.join(missing)}")
    if "dense" in chosen.jobs:
        dense(chosen.n, chosen.m, chosen.repeats, peers, chosen.eigenvalues)
    if "deep" in chosen.jobs:
        deep(chosen.deep_n, 8 * chosen.deep_n, chosen.repeats, peers)
    if "product" in chosen.jobs:
        product(chosen.product_n, 4 * chosen.product_n, min(chosen.repeats, 3), peers)
    if "small" in chosen.jobs:
        small(chosen.repeats, peers)
    if "index" in chosen.jobs:
        index(chosen.index_n, min(chosen.repeats, 3))
    if "memory" in chosen.jobs:
        memory(chosen.n, chosen.m)
    if "first" in chosen.jobs:
        first()


if __name__ == "__main__":
    main()
