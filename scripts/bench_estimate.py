"""Measure what `rmtland.estimate` promises: coverage, widths, time, memory, and resumption.

Jobs (default sizes take a few minutes; --full those of the tables in the documentation):

  coverage  how often the intervals of the index cover it, on exact Hessians of 12 networks, and
            their widths; the simultaneous band of the distribution function; and by how many of
            their own standard errors plain quadrature and smoothed densities are off. Gaussian
            probes are invariant under rotations, so that probes act on the eigenvalues.
  peers     PyHessian, curvlinops and hessian-eigenthings on one network, where they are installed
  trace     Hutchinson, Hutch++ and XTrace: errors at equal numbers of products
  time      overhead of Lanczos over its bare products, n = 256 tanh network
  memory    peak of memory against what was stated beforehand
  resume    runs killed at random moments, resumed, and compared byte for byte

    python scripts/bench_estimate.py --jobs coverage
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from rmtland.estimate import distribution_band, krylov_quadratures, symmetric_operator
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
            off[r] = abs(plain - half) / max(error, 1e-12)
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


RUN: dict[str, Any] = {"coverage": coverage}


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
