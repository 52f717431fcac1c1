#!/usr/bin/env python3
"""Samplers on a CUDA device: benchmarks with peers, and distributions against the host.

`CASES` are functions in order of importance; each takes `small` (sizes for a look, not those of a
device) and returns a dictionary of seconds and checks. Without a CUDA device they run on NumPy:

    python scripts/device_samplers.py [--small] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from device_timing import has_card, peer, shortest, timed

from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.ensembles import (
    GaussianEnsemble,
    JacobiEnsemble,
    WishartEnsemble,
)
from rmtland.ensembles.device import eigenvalues, philox
from rmtland.ensembles.device.kernels import kernels_of
from rmtland.models import WishartPlusWigner

CUPY = peer("cupy") if has_card() else None
ON = {} if CUPY is None else {"xp": CUPY}


def goe_histogram(small: bool = False) -> dict[str, Any]:
    """Count eigenvalues of GOE matrices of size 10^6 in 200 bins, 64 runs."""
    n, bins, runs = (10**6, 200, 64) if not small else (3000, 20, 2)
    ensemble, edges = GaussianEnsemble(), np.linspace(-2.1, 2.1, bins + 1)
    found = timed(lambda: ensemble.histogram(n, edges, rng=1, runs=runs, **ON), runs=2)
    counts = ensemble.histogram(n, edges, rng=1, runs=runs, **ON)
    expected = n * runs * np.diff(ensemble.law.cdf(edges))
    found["largest deviation, eigenvalues a run"] = float(abs(counts - expected).max() / runs)
    found["ok"] = bool(abs(np.cumsum(counts - expected)).max() / runs < 3)
    found["one run on the host"] = shortest(lambda: ensemble.histogram(n, edges, rng=1), runs=1)
    return found


def wishart_wigner(small: bool = False) -> dict[str, Any]:
    """All eigenvalues of 256 Wishart + Wigner matrices of size 1024, against the CPU's cores."""
    n, runs, host_runs = (1024, 256, 64) if not small else (60, 8, 8)
    model = WishartPlusWigner(0.5, 0.3)
    found = timed(lambda: model.sample(n, rng=1, runs=runs, **ON), seconds=8.0, runs=3)
    nodes = model.sample(n, rng=1, runs=host_runs, **ON).nodes
    found["z of moments"] = z = _z(nodes, model.sample(n, rng=2, runs=8 if not small else 60).nodes)
    found["ok"] = max(z) < 5
    matrices = np.random.default_rng(0).standard_normal((host_runs, n, n))
    matrices += matrices.swapaxes(1, 2)
    cores = len(os.sched_getaffinity(0))
    with _one_thread_each(), ThreadPoolExecutor(cores) as pool:
        start = time.perf_counter()
        list(pool.map(np.linalg.eigvalsh, matrices))
        host = (time.perf_counter() - start) * runs / host_runs
        start = time.perf_counter()
        list(pool.map(lambda seed: model.sample(n, rng=seed), range(host_runs)))
        whole = (time.perf_counter() - start) * runs / host_runs
    found |= {
        "eigvalsh alone on the CPU, scaled": round(host, 4),
        "draws and eigenvalues on the CPU, scaled": round(whole, 4),
        "cores": cores,
        "times faster than the CPU": round(whole / found["s"], 2),
        "times faster than its eigvalsh alone": round(host / found["s"], 2),
    }
    if CUPY is not None:
        there = CUPY.asarray(matrices[:32])
        naive = shortest(lambda: [CUPY.linalg.eigvalsh(matrix) for matrix in there], runs=1)
        found["naive CuPy, scaled"] = round(naive * runs / len(there), 4)
        found["draws and assembly alone"] = _assembly(model, n, runs)
    return found


def _assembly(model: Any, n: int, runs: int) -> float:
    from rmtland.ensembles.entries import Entries
    from rmtland.streams import streams

    library = ArrayLibrary.of(**ON)
    parents = streams(1, runs)
    return shortest(lambda: model._equivalents(n, Entries.of(library, parents)), runs=3)


def _one_thread_each() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def routes(small: bool = False, *, budget: float = 14.0) -> dict[str, Any]:
    """Seconds of every route to dense eigenvalues, by size and number of matrices."""
    sizes = [(16, 4096), (32, 4096), (64, 2048), (128, 1024), (256, 512), (512, 256), (1024, 64)]
    sizes = [*sizes, (2048, 16), (4096, 2)] if not small else [(8, 20), (40, 4)]
    library, until = ArrayLibrary.of(**ON), time.perf_counter() + budget
    found: dict[str, Any] = {}
    for n, runs in sizes:
        rng = np.random.default_rng(n)
        matrices = rng.standard_normal((min(runs, 8), n, n))
        matrices += matrices.swapaxes(1, 2)
        reference = np.linalg.eigvalsh(matrices[:1]) if n <= 1024 else None
        stack = library.array(matrices)
        stack = library.xp.tile(stack, (-(-runs // len(matrices)), 1, 1))[:runs]
        row: dict[str, Any] = {}
        for route in ("batched", "jacobi", "single"):
            if time.perf_counter() > until:
                row[route] = "out of time"
                continue
            if CUPY is not None and route == "jacobi" and n > 512:
                continue
            if CUPY is not None and route == "single" and n < 128:
                continue
            try:
                part = stack[: 16 if route == "single" and n < 2048 else runs]
                solve = lambda part=part, route=route: eigenvalues.eigvalsh(  # noqa: E731
                    library, part + 0.0, route=route
                )
                values = to_numpy(solve()[:1])
                taken = shortest(solve, limit=0.5, runs=1)
                row[route] = round(taken * runs / len(part), 6)
                if reference is None:  # by two traces
                    norm = float((matrices[0] ** 2).sum())
                    error = max(
                        abs(values.sum() - np.trace(matrices[0])) / math.sqrt(n * norm),
                        abs((values**2).sum() - norm) / norm,
                    )
                else:
                    error = abs(values - reference).max() / abs(reference).max()
                row["ok"] = bool(row.get("ok", True) and error < 1e-12)
            except Exception as error:  # the table is to show what fails
                row[route] = f"{type(error).__name__}: {error}"[:200]
        times = {name: value for name, value in row.items() if isinstance(value, float)}
        row["fastest"] = min(times, key=times.__getitem__, default=None)
        row["chosen"] = eigenvalues.route_of(n, runs)
        found[f"n={n} runs={runs}"] = row
    return found


def random_numbers(small: bool = False) -> dict[str, Any]:
    """Rate of the generator, and its numbers against the NumPy reference."""
    library = ArrayLibrary.of(**ON)
    kernels, size = kernels_of(library), 2**26 if not small else 2**12
    keys = np.array([[5, run] for run in range(4)], dtype=np.uint64)
    if kernels is None:
        values = philox.normals(keys, 1, 0, size)
        return {"ok": bool(abs(values.mean()) < 5 / math.sqrt(values.size)), "on": "NumPy"}
    here = CUPY.asarray(keys)
    found: dict[str, Any] = {}
    for kind in ("normals", "uniforms"):
        taken = shortest(lambda kind=kind: kernels.fill(kind, here, 1, 0, size), runs=3)
        found[f"{kind}, 1e9 a second"] = round(4 * size / taken / 1e9, 2)
    taken = shortest(lambda: kernels.chisquares(here, 1, 0, size, (1e6, 0.0, 1.0)), runs=3)
    found["chi squares, 1e9 a second"] = round(4 * size / taken / 1e9, 2)
    words = kernels.fill("integers", here, 1, 3, 10**5).get()
    found["same integers"] = bool((words == philox.integers(keys, 1, 3, 10**5)).all())
    normals = kernels.fill("normals", here, 1, 3, 10**5).get()
    reference = philox.normals(keys, 1, 3, 10**5)
    found["largest difference of normals, ulp"] = float(
        abs((normals - reference) / np.spacing(reference)).max()
    )
    return found | {"ok": found["same integers"]}


def extremes(small: bool = False) -> dict[str, Any]:
    """Largest eigenvalues of GUE matrices of size 10^9, 10^4 runs: Tracy-Widom's mean."""
    n, runs = (10**9, 10**4) if not small else (10**5, 20)
    ensemble = GaussianEnsemble(2)
    found = timed(lambda: ensemble.extremes(n, rng=1, runs=runs, **ON), runs=1)
    values = ensemble.extremes(n, rng=1, runs=runs, **ON)[:, 0]
    scaled = (values - 2) * n ** (2 / 3)
    found["z"] = round(float((scaled.mean() + 1.771086807) / (0.901773 / math.sqrt(runs))), 2)
    return found | {"ok": abs(found["z"]) < 5}


def tridiagonal_sample(small: bool = False) -> dict[str, Any]:
    """All eigenvalues of beta ensembles, by bisection."""
    n, runs = (4000, 64) if not small else (100, 4)
    found: dict[str, Any] = {}
    for ensemble in (GaussianEnsemble(2.5), WishartEnsemble(0.5), JacobiEnsemble(0.5, 0.4)):
        name = type(ensemble).__name__
        found[name] = timed(
            lambda ensemble=ensemble: ensemble.sample(n, rng=1, runs=runs, **ON), runs=1
        )
        nodes = ensemble.sample(n, rng=1, runs=2, **ON).nodes
        rank = (np.arange(n) + 0.5) / n
        distance = max(abs(ensemble.law.cdf(np.sort(run)) - rank).max() for run in nodes)
        found[name] |= {"Kolmogorov": float(distance), "ok": bool(distance < 12 / n)}
    host = shortest(lambda: GaussianEnsemble(2.5).sample(n, rng=1), runs=1)
    return found | {"GaussianEnsemble, one run on the host": host}


def index(small: bool = False) -> dict[str, Any]:
    """Share of negative eigenvalues: only counts travel back."""
    n, runs = (1024, 64) if not small else (50, 4)
    model = WishartPlusWigner(0.5, 0.3)
    edges = [-math.inf, 0.0]
    found = timed(lambda: model.histogram(n, edges, rng=1, runs=runs, **ON), runs=1)
    share = float(model.histogram(n, edges, rng=1, runs=runs, **ON)[0] / (n * runs))
    return found | {"index": share, "ok": abs(share - model.index()) < 3 / n}


def _z(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Differences of the mean traces of powers 1, 2 and 4, in standard errors."""
    z = []
    for k in (1, 2, 4):
        x, y = (a**k).mean(axis=1), (b**k).mean(axis=1)
        error = math.sqrt(x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y)) + 1e-9
        z.append(round(float(abs(x.mean() - y.mean()) / error), 2))
    return z


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "GOE histogram, n = 10^6": goe_histogram,
    "Wishart + Wigner, n = 1024": wishart_wigner,
    "routes to eigenvalues": routes,
    "random numbers": random_numbers,
    "eigenvalues of tridiagonal models": tridiagonal_sample,
    "extremes, n = 10^9": extremes,
    "index": index,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="small sizes")
    parser.add_argument("--only", nargs="*", help="names of the cases to run")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    for name, case in CASES.items():
        if arguments.only and case.__name__ not in arguments.only:
            continue
        start = time.perf_counter()
        results[name] = case(small=arguments.small or CUPY is None)
        results[name]["took"] = round(time.perf_counter() - start, 2)
    print(json.dumps(results, indent=1, default=str))


if __name__ == "__main__":
    main()
