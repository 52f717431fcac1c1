"""Small problems, where Python's overhead rules: every target with its ratio, in one run.

Each job is timed in turns with its peer, and the fastest of the repeats counts. Printed are the
times, their ratio and the target. A peer that is not installed is skipped by name.

* one loss point, gradient and Hessian-vector product (tanh, 16-16-16, 64 samples), by `MLP.at`, by
  `LossPoint.at` and by `MLP.compiled`: JAX compiled, which also holds the data fixed;
* Wishart + Wigner built anew and its density at 2000 points: Cardano's formula by hand;
* a free sum by subordination at 2000 points, after its construction: milliseconds;
* a product of two Marchenko-Pastur laws at 2000 points: companion matrices by hand;
* 1000 Marchenko-Pastur quantiles: milliseconds;
* 10^4 densities of Wishart + Wigner, Wishart + ReLU block and Marchenko-Pastur laws at 200 points
  each in one call: seconds;
* the first density of a new process, with and without a cache of compiled kernels: seconds.

    python scripts/bench_small.py --quick
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    WishartPlusReluBlock,
    WishartPlusWigner,
    free_product,
    free_sum,
)
from rmtland.networks import MLP, gaussian

JOBS = ("network", "laws", "grid", "first")

FIRST = """
import time
start = time.perf_counter()
from rmtland import WishartPlusWigner
WishartPlusWigner(0.5, 0.3).law.pdf([0.0, 1.0, 2.0])
print(time.perf_counter() - start)
"""


def beside(name: str) -> Any:
    """Return another script of this folder as a module."""
    folder = str(Path(__file__).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


def race(jobs: list[Callable[[], object]], repeats: int, inner: int) -> list[float]:
    """Return the fastest time of each job in seconds, run in turns."""
    best = [float("inf")] * len(jobs)
    for job in jobs:
        job()
    for _ in range(repeats):
        for i, job in enumerate(jobs):
            start = time.perf_counter()
            for _ in range(inner):
                job()
            best[i] = min(best[i], (time.perf_counter() - start) / inner)
    return best


def line(name: str, ours: float, target: str, peer: str = "", theirs: float = 0.0) -> None:
    """Print one target."""
    ratio = f"{peer} {theirs * 1e3:9.3f} ms, ratio {ours / theirs:5.2f}" if peer else ""
    print(f"{name:44s}{ours * 1e3:10.3f} ms   target {target:9s} {ratio}")


def inside(law: Any, size: int) -> Any:
    """Return points inside the support."""
    (low, *_), (*_, high) = law.support[0], law.support[-1]
    return np.linspace(low, high, size + 2)[1:-1]


def network(repeats: int) -> None:
    """Race one loss point, gradient and product."""
    widths, m = (16, 16, 16), 64
    net, data = MLP(widths), gaussian(m, 16, rng=1)
    theta = net.init(rng=0)
    v = np.random.default_rng(2).standard_normal(net.parameter_count)

    def checked() -> Any:
        point = net.at(theta, data.x, data.y)
        return point.gradient, point.hvp(v)

    known, compiled = net.at(theta, data.x, data.y), net.compiled(data.x, data.y)

    def moved() -> Any:
        point = known.at(theta)
        return point.gradient, point.hvp(v)

    ours = {
        "loss point, gradient, product": checked,
        "the same on data checked before": moved,
        "the same, compiled": lambda: compiled.derivatives(theta, v),
    }
    if find_spec("jax") is None:
        print("jax is not installed, so not timed")
        for name, taken in zip(ours, race([*ours.values()], repeats, 50), strict=True):
            line(name, taken, target="-")
        return
    import jax

    loss = beside("bench_networks").jax_loss(widths, data.x, data.y)
    both = jax.jit(lambda t, d: jax.jvp(jax.grad(loss), (t,), (d,)))
    *taken, jax_compiled = race(
        [*ours.values(), lambda: both(theta, v)[1].block_until_ready()], repeats, 50
    )
    for name, time_each in zip(ours, taken, strict=True):
        line(name, time_each, "<= .8", "jax compiled", jax_compiled)


def laws(repeats: int) -> None:
    """Race laws against hand-written routes."""
    by_hand, x = beside("bench_laws"), np.linspace(-1.2, 3.6, 2000)
    anew, hand = race(
        [lambda: WishartPlusWigner(0.5, 0.3).law.pdf(x), lambda: by_hand.cardano(x, 0.5, 0.3)],
        repeats,
        20,
    )
    line("Wishart + Wigner anew, 2000 points", anew, "<= .5", "Cardano by hand", hand)
    law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6), method="subordination")
    places = inside(law, 2000)
    line(
        "free sum by subordination, 2000 points",
        *race([lambda: law.pdf(places)], repeats, 3),
        target="<= 1 ms",
    )
    product = free_product(MarchenkoPastur(0.5), MarchenkoPastur(0.7))
    inner = inside(product, 2000)
    ours, hand = race(
        [lambda: product.pdf(inner), lambda: by_hand.companion(inner, 0.5, 0.7)],
        repeats // 2 + 1,
        2,
    )
    line("product of two Marchenko-Pastur laws", ours, "<= 1", "companion matrices", hand)
    plain, q = MarchenkoPastur(0.5), np.linspace(0.001, 0.999, 1000)
    line(
        "1000 Marchenko-Pastur quantiles",
        *race([lambda: plain.ppf(q)], repeats, 10),
        target="<= .4 ms",
    )


def grid(repeats: int) -> None:
    """Time thousands of laws in one call."""
    phi, epsilon = np.geomspace(0.05, 5, 100)[:, None], np.geomspace(1e-3, 10, 100)
    x = np.linspace(-3, 6, 200)
    for name, laws in (
        ("Wishart + Wigner", WishartPlusWigner.grid(phi, epsilon)),
        ("Wishart + ReLU block", WishartPlusReluBlock.grid(phi, epsilon)),
        ("Marchenko-Pastur", MarchenkoPastur.grid(phi, scale=epsilon)),
    ):
        job = partial(laws.pdf, x)
        line(f"10^4 densities, {name}", *race([job], repeats, 1), target="<= 1 s")


def new_process(runs: int) -> None:
    """Time the first density in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, place in (("warm", None), ("cold: no cache of kernels", folder)):
            options = {"RMTLAND_KERNELS": ""} | ({"NUMBA_CACHE_DIR": place} if place else {})
            found = []
            for _ in range(runs):
                done = subprocess.run(
                    [sys.executable, "-c", FIRST],
                    env=os.environ | options,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found.append(float(done.stdout))
            line(f"first density, {name}", min(found), "<= 2 s")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repeats, under 30 s")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS, help="what to time")
    chosen = parser.parse_args()
    quick = chosen.quick
    if "network" in chosen.jobs:
        network(20 if quick else 200)
    if "laws" in chosen.jobs:
        laws(5 if quick else 50)
    if "grid" in chosen.jobs:
        grid(1 if quick else 5)
    if "first" in chosen.jobs:
        new_process(1 if quick else 3)


if __name__ == "__main__":
    main()
