r"""Hessians of one-hidden-layer networks against the matrix Dyson equation and freer theories.

First layer and data are drawn once and known to the theory; second layers and residuals are drawn
anew for every Hessian. The worst error of the density smoothed at height eta, over a grid of x, is
given relative to the peak of the measured one, for the levels

* Wishart + Wigner and Wishart + ReLU block, both with traces matched to the measured H0 and H1;
* measured H0 and H1, assumed free;
* the matrix Dyson equation, which has nothing fitted.

The Monte Carlo error is the worst standard error over the grid. A last line times the general
solver on the 3 x 3 linearisation of Marchenko-Pastur + semicircle.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    WishartPlusReluBlock,
    WishartPlusWigner,
    free_sum,
)
from rmtland.free.matrix_dyson import MatrixDyson, kronecker_covariance
from rmtland.laws import EmpiricalLaw
from rmtland.models.dyson_hessian import DysonHessian
from rmtland.networks import MLP

CASES = [("relu", 0.5), ("tanh", 0.5), ("relu", 0.0), ("tanh", 0.0)]


def draws_of(first, x, activation, n_out, epsilon, draws, rng):
    """Eigenvalues of H, H0 and H1 of networks that share first layer and data."""
    n1, n0 = first.shape
    net = MLP((n0, n1, n_out), activation=activation)
    spectra = {"total": [], "gauss_newton": [], "residual": []}
    for _ in range(draws):
        second = rng.normal(size=(n_out, n1)) / math.sqrt(n1)
        theta = np.concatenate([first.ravel(), second.ravel()])
        noise = rng.normal(size=(len(x), n_out)) * math.sqrt(2 * epsilon)
        split = net.at(theta, x, net.predict(theta, x) - noise).hessian()
        parts = {"total": split.gauss_newton} if epsilon == 0 else {
            "total": split.total, "gauss_newton": split.gauss_newton, "residual": split.residual
        }  # fmt: skip
        for part, matrix in parts.items():
            spectra[part].append(np.linalg.eigvalsh(matrix))
    return {part: np.array(rows) for part, rows in spectra.items() if rows}


def smoothed(eigenvalues, x, eta):
    """Density of every run on the grid, convolved with a Cauchy density."""
    return np.array(
        [(eta / np.pi / ((x[:, None] - run) ** 2 + eta**2)).mean(axis=1) for run in eigenvalues]
    )


def theories(spectra, n0, n1, n_out, m, epsilon, z):
    """Smoothed densities of the theories that know traces or spectra, not the data."""
    if epsilon == 0:
        return {}
    h0, h1 = spectra["gauss_newton"], spectra["residual"]
    phi = n1 * (n0 + n_out) / (m * n_out)
    moments = {"mean": float(h0.mean()), "residual_variance": float((h1**2).mean())}
    laws = {
        "Wishart + Wigner, traces matched": WishartPlusWigner.from_moments(phi, **moments).law,
        "Wishart + ReLU block, traces matched": WishartPlusReluBlock.from_moments(
            phi, **moments
        ).law,
    }
    thin = 400
    levels = (np.arange(thin) + 0.5) / thin
    laws["measured H0 and H1, free"] = free_sum(
        EmpiricalLaw(np.quantile(h0, levels)), EmpiricalLaw(np.quantile(h1, levels))
    )
    return {name: -law.stieltjes(z).imag / np.pi for name, law in laws.items()}


def report(activation, epsilon, n, arguments, rng):
    n0 = n_out = n
    m = arguments.samples * n
    first = rng.normal(size=(n, n0)) / math.sqrt(n0)
    x = rng.normal(size=(m, n0))
    spectra = draws_of(first, x, activation, n_out, epsilon, arguments.draws, rng)
    runs = spectra["total"]
    low, high = np.quantile(runs, [0.001, 0.995])
    grid = np.linspace(low - 0.3, high + 0.3, arguments.points)
    densities = smoothed(runs, grid, arguments.eta)
    measured = densities.mean(axis=0)
    peak = measured.max()
    noise = (densities.std(axis=0, ddof=1) / math.sqrt(len(runs))).max() / peak
    part = "total" if epsilon else "gauss_newton"
    model = DysonHessian.of_first_layer(
        first, x, outputs=n_out, epsilon=epsilon, activation=activation, part=part
    )
    start = time.perf_counter()
    dyson = model.smoothed_density(grid, eta=arguments.eta)
    seconds = time.perf_counter() - start
    print(
        f"\n{activation}, n = {n}, m = {m}, epsilon = {epsilon:g}: {arguments.draws} draws, "
        f"Monte Carlo error {noise:.2%}"
    )
    z = grid + 1j * arguments.eta
    for name, density in theories(spectra, n0, n, n_out, m, epsilon, z).items():
        print(f"  {name:<40} {np.abs(density - measured).max() / peak:8.2%}")
    errors = np.abs(dyson - measured) / peak
    away = errors[np.abs(grid) > 0.2].max()
    worst = grid[np.argmax(errors)]
    print(
        f"  {'matrix Dyson equation':<40} {errors.max():8.2%}   at {worst:.2f}; "
        f"{away:.2%} for |x| > 0.2; {seconds:.1f} s for {grid.size} points"
    )
    if epsilon:
        negative = (runs < 0).mean(axis=1)
        print(
            f"  index: measured {negative.mean():.4f} +- "
            f"{negative.std(ddof=1) / math.sqrt(len(runs)):.4f}, Dyson {model.index():.4f}"
        )


def time_linearisation(points):
    unit = np.eye(3)
    terms = [math.sqrt(0.6) * np.outer(unit[0], unit[0])]
    terms += [math.sqrt(0.5) * np.outer(unit[0], unit[j]) for j in (1, 2)]
    equation = MatrixDyson([0.0, -1.0, -1.0], kronecker_covariance(terms), pencil=[1.0, 0.0, 0.0])
    law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
    x = np.linspace(-2.0, 5.0, points)
    equation.stieltjes(x[:2])
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        g = equation.stieltjes(x)
        seconds.append(time.perf_counter() - start)
    print(
        f"\n3 x 3 linearisation of Marchenko-Pastur + semicircle, {points} points: "
        f"{min(seconds) / points * 1e6:.1f} microseconds a point, worst error "
        f"{np.abs(g - law.stieltjes(x)).max():.1e}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", help="widths (default 8; --full: 8 12 20 32)")
    parser.add_argument("--samples", type=int, default=4, help="m/n (default 4)")
    parser.add_argument("--draws", type=int, help="Hessians (default 20; --full: 100)")
    parser.add_argument("--points", type=int, help="of the grid (default 41; --full: 81)")
    parser.add_argument("--eta", type=float, default=0.05, help="height (default 0.05)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="all sizes, about an hour on one core")
    arguments = parser.parse_args()
    arguments.draws = arguments.draws or (100 if arguments.full else 20)
    arguments.points = arguments.points or (81 if arguments.full else 41)
    sizes = arguments.n or ([8, 12, 20, 32] if arguments.full else [8])
    for n in sizes:
        for activation, epsilon in CASES:
            report(activation, epsilon, n, arguments, np.random.default_rng(arguments.seed))
    time_linearisation(4001)


if __name__ == "__main__":
    main()
