r"""The limit law of H0 from sizes and activation alone, against exact Hessians of drawn networks.

For growing n, networks with n0 : n1 : n2 : m in a fixed ratio are drawn with their data, and the
density of all eigenvalues of H0, smoothed at height eta and averaged over the draws, is compared
with the population law of `PopulationHessian` at the same height: worst error over a grid relative
to the peak of the law, with the Monte Carlo error. It should fall like 1/n.

A figure shows the density on the real axis itself over the histogram of one drawn network.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from rmtland.models import PopulationHessian

SHAPES = {"square": (1, 1, 1, 4), "wide": (1, 2, 0.5, 3), "few samples": (2, 1, 1.5, 1.5)}


def compare(activation, shape, sizes, draws, points, eta, seed):
    model = PopulationHessian(*SHAPES[shape], activation=activation)
    mean = model.mean() / model.rank
    grid = np.linspace(-0.2 * mean, 6 * mean, points)
    law = -model.law.stieltjes(grid + 1j * eta * mean).imag / np.pi
    rows = []
    for n in sizes:
        spectrum = model.sample(n, rng=seed, runs=draws)
        kernel = eta * mean / np.pi
        runs = np.array(
            [
                (kernel / ((grid[:, None] - nodes) ** 2 + (eta * mean) ** 2)).mean(axis=1)
                for nodes in spectrum.nodes
            ]
        )
        noise = runs.std(axis=0, ddof=1).max() / math.sqrt(draws) / law.max()
        rows.append(f"{np.abs(runs.mean(axis=0) - law).max() / law.max():7.2%} +- {noise:.2%}")
    print(f"{activation:<10} {shape:<12}" + "".join(f"{row:>20}" for row in rows), flush=True)


def draw_figure(path, n, points, seed):
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for ax, activation in zip(axes, ("relu", "tanh"), strict=True):
        model = PopulationHessian(1, 1, 1, 4, activation=activation)
        top = 8 * model.mean
        x = top * np.linspace(0.05, 1, points) ** 2
        density = -model.law.stieltjes(x).imag / np.pi
        nodes = model.sample(n, rng=seed).nodes[0]
        bins = np.linspace(0, top, 81)
        counts = np.histogram(nodes, bins)[0] / nodes.size / np.diff(bins)
        ax.stairs(counts, bins, fill=True, color="0.82", label=f"one network, n = {n}")
        ax.plot(x, density, color="C0", lw=1.2, label="population law")
        ax.set(title=activation, xlabel="eigenvalue of $H_0$", yscale="log", ylim=(1e-3, 12))
        ax.legend(frameon=False, fontsize=8)
    axes[0].set_ylabel("density")
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", default=[8, 16], help="hidden units")
    parser.add_argument("--draws", type=int, default=10, help="networks a size (default 10)")
    parser.add_argument("--points", type=int, default=21, help="of the grid (default 21)")
    parser.add_argument("--eta", type=float, default=0.1, help="height over the mean eigenvalue")
    parser.add_argument("--activations", nargs="+", default=["relu", "tanh"])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--figure", type=Path, help="PNG to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(" " * 23 + "".join(f"{f'n = {n}':>20}" for n in arguments.n))
    for activation in arguments.activations:
        for shape in arguments.shapes:
            compare(
                activation,
                shape,
                arguments.n,
                arguments.draws,
                arguments.points,
                arguments.eta,
                arguments.seed,
            )
    if arguments.figure:
        draw_figure(arguments.figure, max(40, *arguments.n), 200, arguments.seed)


if __name__ == "__main__":
    main()
