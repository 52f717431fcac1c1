"""Cost and errors of the matrix Dyson equation: the general solver, levels for Hessians.

Linearisation: the 3 x 3 equation of Marchenko-Pastur + semicircle, a point by `MatrixDyson`
against a point by the half-averaged fixed point in plain NumPy at a height of 1e-3 above the axis
(its accuracy is that height's), both against the roots of the cubic.

Ladder: `DysonHessian` with coupling full, units and free_slopes for n0 = n1 = n2 = n, m = 4n:
processor seconds a point (all threads together), memory, index, and the worst error of the smoothed
density (eta = .05) relative to its peak, against the dearest level computed. H0 and H; ReLU and
tanh. For widths above `--full-to` and `--units-to` the dearer levels are left out, or with
`--sparse` taken at that many points only.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from dataclasses import replace

import numpy as np

from rmtland.free.operator_valued.kronecker import kronecker_covariance
from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
from rmtland.models import DysonHessian

RATIO, VARIANCE = 0.5, 0.6
HEIGHT = 1e-3


# The 3 x 3 linearisation ---------------------------------------------------------------------


def averaged_fixed_point(z, terms, mean, pencil):
    """M = (z P - A - S[M])^{-1} at one point, by averaging until nothing changes."""
    w = z * pencil - mean
    m = -1j * np.eye(len(mean))
    for _ in range(20000):
        energy = sum(c @ m @ c.T + (c.T @ m @ c if (c != c.T).any() else 0) for c in terms)
        new = (m + np.linalg.inv(w - energy)) / 2
        if np.abs(new - m).max() < 1e-9:
            return new[0, 0]
        m = new
    return m[0, 0]


def cubic_root(x):
    """G of the sum at a real point, the root with Im G < 0; NaN off the support."""
    phi, v = RATIO, VARIANCE
    roots = np.roots([v * phi, -(v + x * phi), x + phi - 1, -1])
    lowest = roots[np.argmin(roots.imag)]
    return lowest if lowest.imag < -1e-6 else np.nan


def linearisation(points):
    unit = np.eye(3)
    terms = [math.sqrt(VARIANCE) * np.outer(unit[0], unit[0])]
    terms += [math.sqrt(RATIO) * np.outer(unit[0], unit[j]) for j in (1, 2)]
    mean, pencil = np.diag([0.0, -1.0, -1.0]), np.diag([1.0, 0.0, 0.0])
    equation = MatrixDyson(mean, kronecker_covariance(terms), pencil=pencil)
    x = np.linspace(-2.0, 5.0, points)
    exact = np.array([cubic_root(place) for place in x])
    inside = ~np.isnan(exact)
    equation.stieltjes(x[:2])
    ours = []
    for _ in range(5):
        start = time.perf_counter()
        g = equation.stieltjes(x)
        ours.append((time.perf_counter() - start) / points)
    few = np.flatnonzero(inside)[:: max(1, int(inside.sum()) // 12)]
    start = time.perf_counter()
    theirs = [averaged_fixed_point(x[i] + 1j * HEIGHT, terms, mean, pencil) for i in few]
    seconds = (time.perf_counter() - start) / len(few)
    error = np.abs(g - exact)[inside].max()
    plain = np.abs(np.array(theirs) - exact[few]).max()
    print(
        f"3 x 3 linearisation of Marchenko-Pastur + semicircle, {points} points of the real axis\n"
        f"  MatrixDyson            {min(ours) * 1e6:10.2f} us a point, worst error {error:.1e}\n"
        f"  averaged fixed point   {seconds * 1e6:10.2f} us a point, worst error {plain:.1e}\n"
        f"  {seconds / min(ours):.0f} times faster"
    )


# Approximations ------------------------------------------------------------------------------


def model_of(n, activation, epsilon, seed):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(n, n)) / math.sqrt(n)
    return DysonHessian.of_first_layer(
        first,
        rng.normal(size=(4 * n, n)),
        outputs=n,
        epsilon=epsilon,
        activation=activation,
        part="total" if epsilon else "gauss_newton",
        rng=0,
    )


def levels_of(n, epsilon, arguments):
    """Couplings from the dearest to the cheapest, and at how many points."""
    levels = []
    full_to = arguments.full_to if epsilon else 0  # for H0 full and units are the same
    for coupling, limit in (("full", full_to), ("units", arguments.units_to)):
        if n <= limit:
            levels.append((coupling, arguments.points))
        elif arguments.sparse and (epsilon or coupling == "units"):
            levels.append((coupling, arguments.sparse))
    return [*levels, ("free_slopes", arguments.points)]


def compare_levels(n, activation, epsilon, arguments):
    model = model_of(n, activation, epsilon, arguments.seed)
    # Half of the points near 0, where the errors are.
    span = np.array([-1.0, 3.5] if epsilon else [0.0, 4.0])
    ends = np.arcsinh(span / 0.5)
    x = 0.5 * np.sinh(np.linspace(*ends, arguments.points))
    best, peak = {}, 0.0
    part = "H " if epsilon else "H0"
    print(f"{activation}, {part}, n = {n}, m = {4 * n}, p = {2 * n**2}")
    for coupling, points in levels_of(n, epsilon, arguments):
        here = replace(model, coupling=coupling)
        chosen = np.unique(np.linspace(0, arguments.points - 1, points).round().astype(int))
        line = f"  {coupling:<12} {here.memory / 2**30:8.3f} GiB stated"
        start, wall = time.process_time(), time.perf_counter()
        try:
            density = here.smoothed_pdf(x[chosen], eta=0.05, tolerance=arguments.tolerance)
        except MemoryError as error:
            print(f"  {coupling:<12} refused: {error}")
            continue
        seconds = (time.process_time() - start) / len(chosen)
        wall = (time.perf_counter() - wall) / len(chosen)
        line += f", {seconds:8.3f} s a point ({wall:.3f} s by the clock, {len(chosen)} points)"
        peak = max(peak, float(np.max(density)))
        found = dict(zip(chosen.tolist(), density, strict=True))
        for higher, values in best.items():
            errors = [abs(found[i] - values[i]) for i in values]
            line += f", {max(errors) / peak:.2%} off {higher}"
        best[coupling] = found
        if arguments.index and epsilon:
            line += f", index {here.index():.4f}"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", help="widths (default 8 16; --full: to 256)")
    parser.add_argument("--points", type=int, default=13, help="points x (default 13)")
    parser.add_argument("--linear", type=int, default=4001, help="points of the linearisation")
    parser.add_argument("--full-to", type=int, default=24, help="widest for coupling full, H")
    parser.add_argument("--units-to", type=int, default=64, help="widest for coupling units")
    parser.add_argument("--sparse", type=int, default=0, help="points of dearer levels beyond")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--index", action="store_true", help="the index of H too")
    parser.add_argument("--activations", nargs="+", default=["relu", "tanh"])
    parser.add_argument("--parts", nargs="+", default=["H0", "H"], choices=["H0", "H"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="n = 8 ... 256, an hour or so")
    arguments = parser.parse_args()
    if arguments.linear:
        linearisation(arguments.linear)
    for n in arguments.n or ([8, 16, 32, 64, 128, 256] if arguments.full else [8, 16]):
        for part in arguments.parts:
            for activation in arguments.activations:
                compare_levels(n, activation, 0.5 if part == "H" else 0.0, arguments)
    unit = 2**20 if sys.platform == "linux" else 2**30
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"largest memory used: {used:.2f} GiB")


if __name__ == "__main__":
    main()
