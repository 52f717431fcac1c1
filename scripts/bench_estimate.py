"""Measure what `rmtland.estimate` promises: errors of traces, time, memory, and resumption.

Jobs (default sizes take a few minutes; --full those of the tables in the documentation):

  trace     Hutchinson, Hutch++ and XTrace: errors at equal numbers of products
  time      overhead of Lanczos over its bare products, n = 256 tanh network
  memory    peak of memory against what was stated beforehand
  resume    runs killed at random moments (kill_and_resume.py)

    python scripts/bench_estimate.py --jobs trace

Coverage and widths of intervals: estimate_coverage.py; other packages: estimate_peers.py.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import Any

import numpy as np
from estimate_coverage import Diagonal, matrix_of, spectrum_of
from kill_and_resume import study

from rmtland.estimate import (
    basis_bytes,
    krylov_quadratures,
    negative_fraction,
    symmetric_operator,
    trace,
)
from rmtland.networks import MLP

REPETITIONS: int | None = None
JOBS = ("trace", "time", "memory", "resume")


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


def resume(full: bool) -> None:
    for basis in ("float64", "disk"):
        study(30 if full else 5, 0, basis)


def traces(full: bool) -> None:
    repetitions = REPETITIONS or (100 if full else 20)
    print(f"trace at 90 products, {repetitions} repetitions: rms error, rms of stated errors")
    for name in ("tanh, initial", "tanh, trained", "ReLU, trained", "Gauss-Newton, few samples"):
        values, _ = spectrum_of(matrix_of(name))
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


RUN: dict[str, Any] = {
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
    parser.add_argument("--repetitions", type=int, help="of the traces")
    options = parser.parse_args()
    global REPETITIONS
    REPETITIONS = options.repetitions
    for job in options.jobs:
        start = time.perf_counter()
        RUN[job](options.full)
        print(f"[{job}: {time.perf_counter() - start:.0f} s]", flush=True)


if __name__ == "__main__":
    main()
