"""Measure what `rmtland.estimate` promises: coverage, widths, time, memory, and resumption.

Jobs (default sizes take a few minutes; --full those of the tables in the documentation):

  coverage  how often the intervals of the index cover it, on exact Hessians of 12 networks, and
            their widths; the simultaneous band of the distribution function; and by how many of
            their own standard errors plain quadrature and smoothed densities are off. Gaussian
            probes are invariant under rotations, so that probes act on the eigenvalues.
  peers     PyHessian's quadrature on one network, where it is installed
  trace     Hutchinson, Hutch++ and XTrace: errors at equal numbers of products
  time      overhead of Lanczos over its bare products, n = 256 tanh network
  memory    peak of memory against what was stated beforehand
  resume    runs killed at random moments, resumed, and compared byte for byte

    python scripts/bench_estimate.py --jobs coverage
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rmtland.estimate import (
    basis_bytes,
    distribution_band,
    krylov_quadratures,
    negative_fraction,
    symmetric_operator,
    trace,
)
from rmtland.estimate.density import quadrature_spectrum
from rmtland.estimate.index import estimated_mass
from rmtland.networks import MLP, train

REPETITIONS: int | None = None
JOBS = ("coverage", "peers", "trace", "time", "memory", "resume")

# widths, activation, loss, energy to train to, samples per input, part
HESSIANS: dict[str, tuple[Any, ...]] = {
    "tanh, initial": ((24, 24, 24), "tanh", "mse", None, 4, "total"),
    "tanh, trained": ((24, 24, 24), "tanh", "mse", 0.3, 4, "total"),
    "tanh, near a minimum": ((24, 24, 24), "tanh", "mse", 0.13, 4, "total"),
    "tanh, two hidden, initial": ((20, 20, 20, 20), "tanh", "mse", None, 4, "total"),
    "tanh, two hidden, trained": ((20, 20, 20, 20), "tanh", "mse", 0.1, 4, "total"),
    "ReLU, initial": ((24, 24, 24), "relu", "mse", None, 4, "total"),
    "ReLU, trained": ((24, 24, 24), "relu", "mse", 0.15, 4, "total"),
    "ReLU, few samples, zeros": ((24, 24, 8), "relu", "mse", None, 1, "total"),
    "cross-entropy, initial": ((24, 24, 10), "tanh", "cross_entropy", None, 4, "total"),
    "cross-entropy, trained": ((24, 24, 10), "tanh", "cross_entropy", 0.1, 4, "total"),
    "Gauss-Newton, few samples": ((20, 20, 10), "tanh", "mse", None, 2, "gauss_newton"),
    "GELU, trained": ((16, 16, 16), "gelu", "mse", 0.2, 4, "total"),
}


def spectrum_of(name: str) -> tuple[Any, int]:
    """Return the eigenvalues of a network's Hessian, rounding set to zero, and the zeros."""
    widths, activation, loss, energy, samples, part = HESSIANS[name]
    generator = np.random.default_rng(7)
    m = samples * widths[0]
    x = generator.standard_normal((m, widths[0]))
    y: Any = generator.standard_normal((m, widths[-1]))
    if loss == "cross_entropy":
        y = generator.integers(widths[-1], size=m)
    network = MLP(widths, activation, loss=loss)
    theta = network.init(rng=1)
    if energy is not None:
        theta = train(network, theta, x, y, energy=energy, max_steps=2000).theta
    values = np.linalg.eigvalsh(network.at(theta, x, y).hessian(part))
    zero = np.abs(values) <= 4 * len(values) * 2.0**-52 * np.abs(values).max()
    values[zero] = 0.0
    return values, int(zero.sum())


class Diagonal:
    """A matrix in the basis of its eigenvectors; products of blocks."""

    def __init__(self, values: Any) -> None:
        self.values, self.shape = values, (len(values), len(values))

    def matmat(self, vectors: Any) -> Any:
        """Multiply columns."""
        return self.values[:, None] * vectors


def coverage(full: bool) -> None:
    repetitions = REPETITIONS or (200 if full else 20)
    names = list(HESSIANS) if full else list(HESSIANS)[::3]
    print(f"coverage of 95 % intervals, {repetitions} repetitions of 10 probes x 80 steps")
    print(
        f"{'Hessian':28s} {'p':>5s} {'index':>6s} {'zeros':>6s} | calibrated: cover width | "
        f"rigorous: cover width | nullity: cover width | band | plain off by, s.e. (max)"
    )
    rates = []
    for name in names:
        values, zeros = spectrum_of(name)
        p, operator = len(values), symmetric_operator(Diagonal(values))
        strict, half = (values < 0).mean(), ((values < 0).sum() + zeros / 2) / p
        grid = np.quantile(values, np.linspace(0.02, 0.98, 15))
        truth = np.array([[(values < t).mean(), (values <= t).mean()] for t in grid])
        hits = np.zeros((repetitions, 4))
        widths, off = np.zeros((repetitions, 3)), np.zeros(repetitions)
        for r in range(repetitions):
            probes = krylov_quadratures(operator, probes=10, steps=80, rng=r)
            found = estimated_mass(probes, operator, 0.0, None, 0.95)
            known = estimated_mass(probes, operator, 0.0, zeros, 0.95)
            spectrum = quadrature_spectrum(probes, operator, np.empty(0))
            band = distribution_band(spectrum, grid)
            low, high = found.interval
            hits[r, 0] = low <= half <= high
            hits[r, 1] = found.rigorous[0] <= strict and strict + zeros / p <= found.rigorous[1]
            hits[r, 2] = known.interval[0] <= strict <= known.interval[1]
            hits[r, 3] = (band.band[:, 0] <= truth[:, 0]).all() and (
                truth[:, 1] <= band.band[:, 1]
            ).all()
            widths[r] = (
                high - low,
                found.rigorous[1] - found.rigorous[0],
                known.interval[1] - known.interval[0],
            )
            plain = spectrum.mass_below(0.0)
            error = (spectrum.weights * (spectrum.nodes < 0)).sum(axis=1).std(ddof=1) / 10**0.5
            off[r] = abs(plain - half) / max(error, 0.1 / p)
        rates.append(hits.mean(axis=0))
        h, w = hits.mean(axis=0), widths.mean(axis=0)
        print(
            f"{name:28s} {p:5d} {strict:6.4f} {zeros / p:6.4f} |      {h[0]:.3f} {w[0]:.4f}      |"
            f"    {h[1]:.3f} {w[1]:.4f}     |   {h[2]:.3f} {w[2]:.4f}     | {h[3]:.3f} |"
            f" {np.median(off):.1f} ({off.max():.1f})",
            flush=True,
        )
    mean, least = np.mean(rates, axis=0), np.min(rates, axis=0)
    print(
        f"mean and least coverage: calibrated {mean[0]:.3f} {least[0]:.3f}, rigorous "
        f"{mean[1]:.3f} {least[1]:.3f}, with nullity {mean[2]:.3f} {least[2]:.3f}, band "
        f"{mean[3]:.3f} {least[3]:.3f}"
    )


def network_point(n: int, samples: int) -> Any:
    """Return a square tanh network at its initialisation, with random targets."""
    generator = np.random.default_rng(3)
    network = MLP((n, n, n))
    x, y = generator.standard_normal((2, samples, n))
    return network.at(network.init(rng=1), x, y)


def timing(full: bool) -> None:
    n = 256 if full else 64
    operator = symmetric_operator(network_point(n, 4 * n).operator())
    steps, probes = 80, 10
    block = np.random.default_rng(0).standard_normal((operator.size, probes))
    print(f"tanh network n = {n}, p = {operator.size}, {probes} probes x {steps} steps")
    operator.matmat(block)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        operator.matmat(block)
    bare = np.array([time.perf_counter() - wall, time.process_time() - cpu])
    print(f"  bare products, in blocks of {probes}: {bare[0]:.2f} s, CPU {bare[1]:.2f} s")
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(8):
        for column in block.T:
            operator.matvec(column)
    single = 10 * np.array([time.perf_counter() - wall, time.process_time() - cpu])
    print(f"  bare products, one by one: {single[0]:.2f} s, CPU {single[1]:.2f} s")
    for how in ("partial", "full"):
        wall, cpu = time.perf_counter(), time.process_time()
        krylov_quadratures(operator, probes=probes, steps=steps, rng=0, reorthogonalize=how)
        spent = np.array([time.perf_counter() - wall, time.process_time() - cpu])
        print(
            f"  Lanczos, {how} reorthogonalisation: {spent[0]:.2f} s, CPU {spent[1]:.2f} s, "
            f"overhead {spent[0] / bare[0] - 1:+.0%} (CPU {spent[1] / bare[1] - 1:+.0%})",
            flush=True,
        )
    found = negative_fraction(operator, rng=0, method="lanczos")
    print(f"  {found!r}, width {found.width:.4f}")


def memory(full: bool) -> None:
    sizes = (131072, 524288) if full else (131072,)
    steps = 80 if full else 20
    for p in sizes:
        operator = symmetric_operator(Diagonal(np.linspace(-1.0, 2.0, p)))
        for together, probes in ((1, 2), (4, 4)):
            stated = basis_bytes(size=p, steps=steps, runs=together)
            vectors = 3 * together * p * 8
            tracemalloc.start()
            krylov_quadratures(
                operator, probes=probes, steps=steps, rng=0, together=together, progress=False
            )
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            own = together * p * 8  # the operator's: its product
            print(
                f"p = {p}, {steps} steps, {together} together: basis {stated / 2**20:.0f} MiB, "
                f"3 vectors {vectors / 2**20:.0f} MiB, peak {peak / 2**20:.0f} MiB = basis + "
                f"{(peak - stated - own) / (together * p * 8):.2f} vectors + the operator's own",
                flush=True,
            )


KILLED = """
import os, signal, sys
import numpy as np
from rmtland.estimate import krylov_quadratures, symmetric_operator
values = np.append(np.linspace(-1, 2, 1990), np.geomspace(3, 50, 10))
calls, stop = 0, int(sys.argv[2])
class Operator:
    shape, dtype = (2000, 2000), np.dtype(float)
    def matmat(self, block):
        global calls
        calls += 1
        if calls == stop:
            os.kill(os.getpid(), signal.SIGKILL)
        return values[:, None] * block
krylov_quadratures(
    symmetric_operator(Operator()), probes=6, steps=60, rng=0, together=3, checkpoint=sys.argv[1]
)
"""


def resume(full: bool) -> None:
    kills = 30 if full else 5
    generator = np.random.default_rng(0)

    def states(folder: Path) -> dict[str, bytes]:
        found = {}
        for path in sorted(folder.glob("*.npz")):
            with np.load(path) as data:
                found[path.name] = b"".join(data[key].tobytes() for key in sorted(data.files))
        return found

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        subprocess.run([sys.executable, "-c", KILLED, str(whole), "0"], check=True)
        same = 0
        for kill in range(kills):
            part = Path(folder) / f"part-{kill}"
            stop = int(generator.integers(4, 3 + 2 * 60))
            first = subprocess.run([sys.executable, "-c", KILLED, str(part), str(stop)])
            assert first.returncode == -9, first
            subprocess.run([sys.executable, "-c", KILLED, str(part), "0"], check=True)
            same += states(part) == states(whole)
    print(f"{same} of {kills} runs killed at a random product and resumed ended with equal bytes")


def traces(full: bool) -> None:
    repetitions = 100 if full else 20
    print(f"trace at 90 products, {repetitions} repetitions: rms error, rms of stated errors")
    for name in ("tanh, initial", "tanh, trained", "ReLU, trained", "Gauss-Newton, few samples"):
        values, _ = spectrum_of(name)
        operator = symmetric_operator(Diagonal(values))
        for method in ("hutchinson", "hutch++", "xtrace", "auto"):
            # diagonal matrices favour no method: probes are uniform on the sphere
            found = [trace(operator, products=90, method=method, rng=r) for r in range(repetitions)]
            off = np.array([one.value for one in found]) - values.sum()
            stated = np.array([one.standard_error for one in found])
            size = np.abs(values).sum()
            print(
                f"  {name:28s} {method:10s} {np.sqrt((off**2).mean()) / size:.2e} "
                f"{np.sqrt((stated**2).mean()) / size:.2e} of the trace norm"
                + (f" ({found[0].method})" if method == "auto" else ""),
                flush=True,
            )


def peers(full: bool) -> None:
    if find_spec("torch") is None or find_spec("pyhessian") is None:
        print("peers: PyHessian and PyTorch are not both installed")
        return
    import torch
    from pyhessian import hessian

    n = 48 if full else 24
    point = network_point(n, 4 * n)
    values = np.linalg.eigvalsh(point.hessian("total"))
    theta = np.asarray(point.theta).reshape(2, n, n)
    generator = np.random.default_rng(3)
    x, y = generator.standard_normal((2, 4 * n, n))
    layers = torch.nn.Linear(n, n, bias=False), torch.nn.Linear(n, n, bias=False)
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1]).double()
    with torch.no_grad():
        for layer, weights in zip(layers, theta, strict=True):
            layer.weight.copy_(torch.tensor(weights))

    def loss(output: Any, target: Any) -> Any:
        return 0.5 * ((output - target) ** 2).sum(dim=1).mean()

    truth = (values < 0).mean()
    start = time.perf_counter()
    tool = hessian(model, loss, data=(torch.tensor(x), torch.tensor(y)), cuda=False)
    nodes, weights = tool.density(iter=80, n_v=10)
    seconds = time.perf_counter() - start
    runs = [
        sum(w for t, w in zip(*run, strict=True) if t < 0)
        for run in zip(nodes, weights, strict=True)
    ]
    error = np.std(runs, ddof=1) / len(runs) ** 0.5
    print(f"tanh network n = {n}, p = {len(values)}: index {truth:.4f}")
    print(
        f"  PyHessian (its quadrature, no smoothing): {np.mean(runs):.4f}, s.e. {error:.4f}, off "
        f"by {abs(np.mean(runs) - truth) / error:.1f} of them, {seconds:.1f} s"
    )
    start = time.perf_counter()
    found = negative_fraction(point.operator(), rng=0, method="lanczos")
    print(
        f"  rmtland: {found!r}, off by {abs(found.value - truth) / found.standard_error:.1f} s.e., "
        f"covered: {found.interval[0] <= truth <= found.interval[1]}, "
        f"{time.perf_counter() - start:.1f} s"
    )


RUN: dict[str, Any] = {
    "coverage": coverage,
    "peers": peers,
    "trace": traces,
    "time": timing,
    "memory": memory,
    "resume": resume,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--full", action="store_true", help="the sizes of the documentation")
    parser.add_argument("--repetitions", type=int, help="of the coverage")
    options = parser.parse_args()
    global REPETITIONS
    REPETITIONS = options.repetitions
    for job in options.jobs:
        start = time.perf_counter()
        RUN[job](options.full)
        print(f"[{job}: {time.perf_counter() - start:.0f} s]", flush=True)


if __name__ == "__main__":
    main()
