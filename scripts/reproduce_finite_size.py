"""Where the matrix Dyson equation of a Hessian is exact, how fast it gets there, and where not.

Mean smoothed density of sampled one-hidden-layer Hessians (inputs = hidden units = outputs = n,
m samples, Gaussian first layer, data, second layer and residuals; no f'' block) against the matrix
Dyson equation and against its first correction in 1/n. Printed: the worst deviation on a grid,
relative to the peak, with the Monte Carlo error.

For H0 and H1 the equation errs like 1/n, with the correction like 1/n^2. For H at epsilon > 0 the
error does not vanish: second layer and residuals act on different legs of a tensor product, which
a network with constant slopes (--activations linear) shows best.
"""

import argparse
import time

import numpy as np

from rmtland.models import DysonHessian, FiniteSizeHessian
from rmtland.networks.activation import activation as activation_of

GRID = np.concatenate([np.linspace(-0.6, 0.3, 19), [0.4, 0.5, 0.65, 0.8, 1.0, 1.2, 1.6, 2.0]])


def sampled(h, d, x, part, epsilon, draws, rng):
    """Eigenvalues of every drawn Hessian."""
    (n, m), spectra = h.shape, []
    for _ in range(draws):
        noise = rng.normal(size=(n, m)) * np.sqrt(2 * epsilon)
        mixed = np.einsum("is,js,sk->ijk", noise, d, x, optimize=True) / m
        if part == "residual":
            values = np.linalg.svd(mixed.swapaxes(0, 1), compute_uv=False).ravel()
            spectra.append(np.concatenate([values, -values]))
            continue
        second = rng.normal(size=(n, n)) / np.sqrt(n)
        inner = np.einsum("ij,js,sk->isjk", second, d, x).reshape(n * m, n * n)
        jacobian = np.concatenate([np.kron(np.eye(n), h.T), inner], axis=1) / np.sqrt(m)
        hessian = jacobian.T @ jacobian
        if part == "total":
            corner = np.zeros((n, n, n, n))
            corner[:, np.arange(n), np.arange(n)] = mixed
            corner = corner.reshape(n * n, n * n)
            hessian[: n * n, n * n :] += corner
            hessian[n * n :, : n * n] += corner.T
        spectra.append(np.linalg.eigvalsh(hessian))
    return np.array(spectra)


def report(part, name, n, arguments):
    rng = np.random.default_rng(arguments.seed)
    m = arguments.samples * n
    first, x = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(m, n))
    z = first @ x.T
    if name == "linear":
        h, d = z, np.ones_like(z)
    else:
        f = activation_of(name)
        h = np.asarray(f.value(z))
        d = np.asarray(f.slope(z, h))
    epsilon = 0.0 if part == "gauss_newton" else arguments.epsilon
    spectra = sampled(h, d, x, part, epsilon, arguments.draws, rng)
    densities = np.array(
        [
            (arguments.eta / np.pi / ((GRID[:, None] - run) ** 2 + arguments.eta**2)).mean(axis=1)
            for run in spectra
        ]
    )
    measured = densities.mean(axis=0)
    peak = measured.max()
    noise = (densities.std(axis=0, ddof=1)).max() / np.sqrt(len(spectra)) / peak
    model = DysonHessian(h, d, x, n, epsilon, part_name=part)
    plain = np.abs(model.smoothed_pdf(GRID, eta=arguments.eta) - measured).max() / peak
    line = f"{part:<13} {name:<7} n = {n:<3} Monte Carlo {noise:6.2%}   Dyson {plain:6.2%}"
    if n <= arguments.largest:
        start = time.perf_counter()
        corrected = FiniteSizeHessian(model).smoothed_pdf(GRID, eta=arguments.eta)
        seconds = (time.perf_counter() - start) / GRID.size
        better = np.abs(corrected - measured).max() / peak
        line += f"   corrected {better:6.2%}   {seconds:.2f} s a point"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", help="widths (default 6 8; --full: 8 16 28)")
    parser.add_argument("--samples", type=int, default=4, help="m/n (default 4)")
    parser.add_argument("--draws", type=int, help="Hessians (default 500; --full: 1000)")
    parser.add_argument("--parts", nargs="+", default=["gauss_newton", "residual", "total"])
    parser.add_argument("--activations", nargs="+", default=["relu", "tanh", "linear"])
    parser.add_argument("--epsilon", type=float, default=0.5, help="energy (default 0.5)")
    parser.add_argument("--eta", type=float, default=0.05, help="height (default 0.05)")
    parser.add_argument("--largest", type=int, help="width up to which to correct (default 8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="about an hour on one core")
    arguments = parser.parse_args()
    arguments.draws = arguments.draws or (1000 if arguments.full else 500)
    arguments.largest = arguments.largest or (16 if arguments.full else 8)
    for part in arguments.parts:
        for name in arguments.activations:
            for n in arguments.n or ([8, 16, 28] if arguments.full else [6, 8]):
                report(part, name, n, arguments)


if __name__ == "__main__":
    main()
