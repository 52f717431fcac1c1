r"""The two-leg law of H against Lanczos runs on networks of some hundred units.

Networks with n hidden units are drawn with their data and residuals; the density of the eigenvalues
of H, smoothed at height eta, comes from Lanczos runs from random vectors: means over all runs, and
their standard errors, as if the runs of one network were independent. Beside it: the two-leg law
(`TwoLegHessian`) with the error that it states, and the law at that width (`FiniteWidthHessian`),
with the correction of order 1/n that networks of 16 and 8 hidden units show. Differences are
relative to the peak of the density.

    python scripts/reproduce_two_leg.py --table tests/reference/two_leg.json
        wrote the table that the tests read (n = 128; about a quarter of an hour on one core)
    python scripts/reproduce_two_leg.py --read tests/reference/two_leg.json
        the laws against that table, without networks (two minutes); the eight legs of a square
        linear network scatter by half a per cent of the peak: --leg-draws 24 is for it
    python scripts/reproduce_two_leg.py --n 64 128 256
        how the difference to the limit falls with the width; the last line of a case extrapolates
        the networks to infinite width, linearly in 1/n
    python scripts/reproduce_two_leg.py --shapes outliers --activations relu --epsilon 1 --n 120
        a case with large outliers, which converges slowly
    python scripts/reproduce_two_leg.py --known 20 --activations relu tanh
        the correction for crossings of a Dyson law that knows first layer and data, at n = 20
    python scripts/reproduce_two_leg.py --time
        seconds that a leg takes
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

from rmtland.arguments import count, positive
from rmtland.models import FiniteWidthHessian, TwoLegHessian
from rmtland.models.population.equation import activation_rule
from rmtland.models.two_leg.leg_averages import threads, values_over_legs
from rmtland.networks.activation import activation as activation_of
from rmtland.reproduction.limit_law import LIMITS, known_densities

SHAPES = {
    "square": (1.0, 1.0, 1.0, 4.0),
    "unequal": (1.5, 1.0, 0.5, 3.0),
    "outliers": (1.5, 1.0, 2.0, 4.0),
}
"""Inputs, hidden units, outputs and samples."""

ACTIVATIONS = ("linear", "relu", "tanh", "gelu")


class Network:
    """A network y = W2 f(W1 x) at initialisation with residuals drawn, and products with H."""

    def __init__(self, sizes, name, epsilon, rng, centred=False):
        n0, n1, n2, m = sizes
        self.x = rng.normal(size=(n0, m))
        z = rng.normal(size=(n1, n0)) @ self.x / math.sqrt(n0)
        self.w2 = rng.normal(size=(n2, n1)) / math.sqrt(n1)
        self.e = rng.normal(size=(n2, m)) * math.sqrt(2 * epsilon)
        f = activation_of(name)
        self.h = f.value(z)
        self.d = f.slope(z, self.h)
        if centred:
            self.h = self.h - activation_rule(name, 1.0).mean
        bend = 0.0 if f.curvature is None else f.curvature(z, f.value(z))
        self.bend = (self.w2.T @ self.e) * bend
        self.shape = self.w2.shape, (n1, n0)
        for key in ("x", "w2", "e", "h", "d", "bend"):  # densities need no more digits
            setattr(self, key, np.asarray(getattr(self, key), dtype=np.float32))

    def product(self, v):
        """H v, by the R-operator."""
        outer, inner = self.shape
        a, b = v[: math.prod(outer)].reshape(outer), v[math.prod(outer) :].reshape(inner)
        u = b @ self.x
        du = self.d * u
        y = a @ self.h + self.w2 @ du
        left = y @ self.h.T + self.e @ du.T
        right = (self.d * (self.w2.T @ y + a.T @ self.e) + self.bend * u) @ self.x.T
        return np.concatenate([left.ravel(), right.ravel()]) / self.x.shape[1]


def lanczos_density(network, x, eta, steps, rng):
    """Smoothed density from one run without reorthogonalisation: ghosts share their weight."""
    v = rng.normal(size=sum(math.prod(shape) for shape in network.shape)).astype(np.float32)
    v /= np.linalg.norm(v)
    before, beta = np.zeros_like(v), np.float32(0.0)
    alphas, betas = [], []
    for _ in range(steps):
        u = network.product(v) - beta * before
        alphas.append(v @ u)
        u -= alphas[-1] * v
        beta = np.linalg.norm(u)
        betas.append(beta)
        before, v = v, u / beta
    alphas, betas = (np.array(row, dtype=float) for row in (alphas, betas))
    matrix = np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return (eta / ((x[:, None] - nodes) ** 2 + eta**2)) @ vectors[0] ** 2 / math.pi


def read_case(shape, name, path):
    """Return width, grid, density and error of a case of a table that was written before."""
    table = json.loads(path.read_text("utf-8"))
    for case in table["cases"]:
        if (tuple(case["shape"]), case["activation"]) == (SHAPES[shape], name):
            return table["n"], *(np.array(case[key]) for key in ("x", "density", "error"))
    raise ValueError(f"{path} has no case {shape}, {name}")


def monte_carlo(shape, name, n, arguments):
    """Mean density and its standard error."""
    sizes = [round(n * size) for size in shape]
    x = grid(arguments.points)
    rows = []
    for draw in range(arguments.draws):
        rng = np.random.default_rng([arguments.seed, draw])
        network = Network(sizes, name, arguments.epsilon, rng, arguments.centred)
        rows.append(
            [
                lanczos_density(network, x, arguments.eta, arguments.steps, rng)
                for _ in range(arguments.probes)
            ]
        )
    rows = np.array(rows)
    return (
        x,
        rows.mean(axis=(0, 1)),
        rows.reshape(-1, len(x)).std(axis=0, ddof=1) / math.sqrt(rows.shape[0] * rows.shape[1]),
    )


def grid(points):
    return 0.5 * np.sinh(np.linspace(np.arcsinh(-5), np.arcsinh(18), points))


def model_of(shape, name, arguments):
    return TwoLegHessian(
        *SHAPES[shape],
        activation=name,
        epsilon=arguments.epsilon,
        legs=arguments.legs,
        draws=arguments.leg_draws,
    )


def check(arguments):
    """Refuse before a quarter of an hour is spent what would end in nonsense."""
    for name in ("steps", "points"):
        count(name, getattr(arguments, name), min_value=2)
    for n in arguments.n:
        count("n", n, min_value=2)
    for name in ("draws", "probes"):
        count(name, getattr(arguments, name))
    if arguments.draws * arguments.probes < 2:
        raise ValueError("a standard error takes two runs; raise draws or probes")
    positive("eta", arguments.eta)
    for name in arguments.activations:
        model_of("square", name, arguments)
    if arguments.table and not arguments.table.parent.is_dir():
        raise ValueError(f"there is no folder {arguments.table.parent} for the table")
    count("seed", arguments.seed, min_value=0)
    if arguments.known is not None:
        count("known", arguments.known)
    count("known-draws", arguments.known_draws, min_value=2)
    if arguments.read:
        if not arguments.read.is_file():
            raise ValueError(f"there is no file {arguments.read}; --table writes one")
        table = json.loads(arguments.read.read_text("utf-8"))
        for shape in arguments.shapes:
            for name in arguments.activations:
                read_case(shape, name, arguments.read)
        arguments.eta, arguments.epsilon = table["eta"], table["epsilon"]
        arguments.n = [table["n"]]
    if arguments.table and len(arguments.n) > 1:
        raise ValueError("a table is of one width; give one --n")


def limit_at_infinity(measured):
    """Fit a + b/n to the densities of all widths; return a and its largest standard error."""
    widths = np.array(list(measured), dtype=float)
    weights = np.array([1 / error.max() for _, error in measured.values()])
    rows = weights[:, None] * np.stack([np.ones_like(widths), 1 / widths], axis=1)
    right = weights[:, None] * np.array([density for density, _ in measured.values()])
    return np.linalg.lstsq(rows, right, rcond=None)[0][0], np.linalg.inv(rows.T @ rows)[0, 0] ** 0.5


def compare_case(shape, name, arguments):
    """Print how far the laws are from the networks of every width; return the last density."""
    model = model_of(shape, name, arguments)
    measured, law = {}, None
    for n in arguments.n:
        if arguments.read:
            n, x, density, error = read_case(shape, name, arguments.read)
        else:
            x, density, error = monte_carlo(SHAPES[shape], name, n, arguments)
        measured[n] = density, error
        peak, z = density.max(), x + 1j * arguments.eta
        if law is None:
            found = model.solve(z)
            law, stated = -found.value.imag / math.pi, found.error / math.pi
        off = np.abs(law - density).max() / peak
        line = (
            f"{shape:<8} {name:<7} n = {n:<4} limit off by {off:.2%} of the peak "
            f"(stated {stated.max() / peak:.2%}"
        )
        if arguments.centred or n <= 20:
            line += ")"
        else:
            there = FiniteWidthHessian(model, n).corrected(z, found)
            off = np.abs(-there.value.imag / math.pi - density).max()
            line += (
                f"), law at n by {off / peak:.2%} (stated {there.error.max() / math.pi / peak:.2%})"
            )
        print(
            f"{line}, Monte Carlo +- {error.max() / peak:.2%}; peaks {law.max():.3f}, "
            f"networks {peak:.3f}",
            flush=True,
        )
    if len(measured) > 1:
        limit, left = limit_at_infinity(measured)
        print(
            f"{shape:<8} {name:<7} n -> inf  limit off by {np.abs(law - limit).max() / peak:.2%}, "
            f"extrapolation +- {left / peak:.2%}"
        )
    return x, density, error


def compare_known(name, arguments):
    """Print how far data-aware Dyson laws are from Hessians, without and with what crosses."""
    n = arguments.known
    found = known_densities(
        n,
        activation=name,
        epsilon=arguments.epsilon,
        ratio=4,
        draws=arguments.known_draws,
        legs=12,
        leg_draws=arguments.leg_draws,
        points=arguments.points,
        eta=arguments.eta,
        seed=arguments.seed,
    )
    peak = found["measured"].max()
    errors = [np.abs(found[law] - found["measured"]).max() / peak for law in list(LIMITS)[2:]]
    print(
        f"{name:<7} n = {n}: Dyson law with known data off by {errors[0]:.2%} of the peak, with "
        f"crossings by {errors[1]:.2%}, Monte Carlo +- {found['error'].max() / peak:.2%}",
        flush=True,
    )


def time_legs(name, arguments):
    """Print seconds that a leg takes, solved on all cores."""
    model = model_of("square", name, arguments)
    legs = model.equations[0]
    z = grid(arguments.points) + 1j * arguments.eta
    wall, cpu = time.perf_counter(), time.process_time()
    values_over_legs(
        legs,
        z,
        1e-6,
        1,
        lambda equation, _, one: np.array([equation.trace(one.blocks)]),
        large=len(legs),
        ratio=2.0,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{name:<7} {len(legs)} legs of {arguments.legs} units, {len(z)} points, "
        f"{threads(len(legs))} threads: {wall / len(legs):.2f} s a leg, {cpu / len(legs):.2f} s of "
        "processor time",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", default=[128], help="hidden units (128)")
    parser.add_argument("--draws", type=int, default=6, help="networks (default 6)")
    parser.add_argument("--probes", type=int, default=6, help="Lanczos runs each (default 6)")
    parser.add_argument("--steps", type=int, default=400, help="of a run (default 400)")
    parser.add_argument("--points", type=int, default=41, help="of the grid (default 41)")
    parser.add_argument("--eta", type=float, default=0.05, help="height (default .05)")
    parser.add_argument("--epsilon", type=float, default=0.5, help="energy (default .5)")
    parser.add_argument("--activations", nargs="+", default=list(ACTIVATIONS))
    parser.add_argument("--shapes", nargs="+", default=["square", "unequal"], choices=list(SHAPES))
    parser.add_argument(
        "--centred", action="store_true", help="subtract c0 from the features: no outliers"
    )
    parser.add_argument("--legs", type=int, default=24, help="size of the legs (default 24)")
    parser.add_argument("--leg-draws", type=int, default=8, help="legs (default 8)")
    parser.add_argument("--read", type=Path, help="JSON of Monte Carlo densities to compare with")
    parser.add_argument("--table", type=Path, help="JSON of the Monte Carlo densities to write")
    parser.add_argument(
        "--known", type=int, help="width of networks with first layer and data known"
    )
    parser.add_argument(
        "--known-draws", type=int, default=100, help="Hessians at n = 12 (default 100)"
    )
    parser.add_argument("--time", action="store_true", help="print seconds a leg, and stop")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        check(arguments)
    except ValueError as error:
        parser.error(str(error))
    if arguments.time or arguments.known is not None:
        for name in arguments.activations:
            (time_legs if arguments.time else compare_known)(name, arguments)
        return
    cases = []
    for shape in arguments.shapes:
        for name in arguments.activations:
            x, density, error = compare_case(shape, name, arguments)
            cases.append(
                {
                    "shape": SHAPES[shape],
                    "activation": name,
                    "x": [round(value, 6) for value in x.tolist()],
                    "density": [round(value, 6) for value in density.tolist()],
                    "error": [round(value, 6) for value in error.tolist()],
                }
            )
    if arguments.table:
        kept = ("draws", "probes", "steps", "eta", "epsilon", "seed", "centred")
        made = {"source": "scripts/reproduce_two_leg.py, Lanczos runs on drawn networks"}
        made |= {"n": arguments.n[0]} | {key: getattr(arguments, key) for key in kept}
        arguments.table.write_text(json.dumps(made | {"cases": cases}, indent=0) + "\n", "utf-8")
        print(f"wrote {arguments.table}")


if __name__ == "__main__":
    main()
