"""Time the split Hessian of a one-hidden-layer network against a hand-written assembly.

Both sides get the same tanh network with n inputs, hidden units and outputs and m samples, do
their own forward pass and materialise H0, H1 and their sum. They run in turns in one process, so
that their ratio means something on a shared machine.

    python scripts/bench_networks.py --n 48 --m 192 --repeats 15
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rmtland.networks import MLP, gaussian


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


def seconds(job: Callable[[], object]) -> float:
    """Return the wall time of one call, its result freed outside the clock."""
    start = time.perf_counter()
    result = job()
    elapsed = time.perf_counter() - start
    del result
    return elapsed


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=48, help="inputs = hidden units = outputs")
    parser.add_argument("--m", type=int, default=192, help="samples")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each (median)")
    parser.add_argument("--eigenvalues", action="store_true", help="time eigvalsh of H as well")
    arguments = parser.parse_args()
    if min(arguments.n, arguments.m, arguments.repeats) < 1:
        parser.error("--n, --m and --repeats must be at least 1")
    n, m = arguments.n, arguments.m

    net = MLP((n, n, n), activation="tanh")
    theta = net.init(0)
    data = gaussian(m, n, rng=1)

    def ours() -> tuple[Any, ...]:
        split = net.at(theta, data.x, data.y).hessian()
        return split.gauss_newton, split.residual, split.total

    def two_parts() -> tuple[Any, ...]:
        return hand_written(theta, data.x, data.y, n)

    def three_matrices() -> tuple[Any, ...]:
        h0, h1 = hand_written(theta, data.x, data.y, n)
        return h0, h1, h0 + h1

    total = ours()[2]
    difference = np.abs(total - three_matrices()[2]).max() / np.abs(total).max()
    jobs = {"rmtland": ours, "parts": two_parts, "sum": three_matrices}
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(arguments.repeats):
        for name, job in jobs.items():
            times[name].append(seconds(job))
    median = {name: statistics.median(values) for name, values in times.items()}

    print(f"tanh, n = {n}, m = {m}, p = {net.parameter_count}, median of {arguments.repeats}")
    print(f"  rmtland: H0, H1 and H       {median['rmtland']:9.4f} s")
    print(f"  by hand: H0 and H1          {median['parts']:9.4f} s")
    print(f"  by hand: H0, H1 and H       {median['sum']:9.4f} s")
    print(f"  ratio to H0 and H1 by hand  {median['rmtland'] / median['parts']:9.2f}")
    print(f"  ratio to all three by hand  {median['rmtland'] / median['sum']:9.2f}")
    print(f"  largest relative difference {difference:9.1e}")
    if arguments.eigenvalues:
        print(f"  eigvalsh(H)                 {seconds(lambda: np.linalg.eigvalsh(total)):9.4f} s")


if __name__ == "__main__":
    main()
