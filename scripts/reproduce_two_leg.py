r"""The two-leg law of H against Lanczos runs on networks of some hundred units.

Networks with n hidden units are drawn with their data and residuals; the density of the eigenvalues
of H, smoothed at height eta, comes from Lanczos runs from random vectors: means over all runs, and
their standard errors, as if the runs of one network were independent. Beside it: the two-leg law
(`TwoLegHessian`) with the error that it states. Differences are relative to the peak.

    python scripts/reproduce_two_leg.py --table tests/reference/two_leg.json

wrote the table that the tests read (n = 128; about a quarter of an hour on one core).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from rmtland.arguments import count, positive
from rmtland.models import TwoLegHessian
from rmtland.models.population.equation import activation_rule
from rmtland.networks.activation import activation as activation_of

SHAPES = {"square": (1.0, 1.0, 1.0, 4.0), "unequal": (1.5, 1.0, 0.5, 3.0)}
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


def monte_carlo(shape, name, arguments):
    """Mean density and its standard error."""
    sizes = [round(arguments.n * size) for size in shape]
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


def check(arguments):
    """Refuse before a quarter of an hour is spent what would end in nonsense."""
    for name in ("n", "steps", "points"):
        count(name, getattr(arguments, name), min_value=2)
    for name in ("draws", "probes"):
        count(name, getattr(arguments, name), min_value=1)
    if arguments.draws * arguments.probes < 2:
        raise ValueError("a standard error takes two runs; raise draws or probes")
    positive("eta", arguments.eta)
    for name in arguments.activations:
        TwoLegHessian(
            *SHAPES["square"],
            activation=name,
            epsilon=arguments.epsilon,
            legs=arguments.legs,
            draws=arguments.leg_draws,
        )
    if arguments.table and not arguments.table.parent.is_dir():
        raise ValueError(f"there is no folder {arguments.table.parent} for the table")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=128, help="hidden units (default 128)")
    parser.add_argument("--draws", type=int, default=6, help="networks (default 6)")
    parser.add_argument("--probes", type=int, default=6, help="Lanczos runs each (default 6)")
    parser.add_argument("--steps", type=int, default=400, help="of a run (default 400)")
    parser.add_argument("--points", type=int, default=41, help="of the grid (default 41)")
    parser.add_argument("--eta", type=float, default=0.05, help="height (default .05)")
    parser.add_argument("--epsilon", type=float, default=0.5, help="energy (default .5)")
    parser.add_argument("--activations", nargs="+", default=list(ACTIVATIONS))
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument(
        "--centred", action="store_true", help="subtract c0 from the features: no outliers"
    )
    parser.add_argument("--legs", type=int, default=24, help="size of the legs (default 24)")
    parser.add_argument("--leg-draws", type=int, default=8, help="legs (default 8)")
    parser.add_argument("--table", type=Path, help="JSON of the Monte Carlo densities to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        check(arguments)
    except ValueError as error:
        parser.error(str(error))
    cases = []
    for shape in arguments.shapes:
        for name in arguments.activations:
            x, density, error = monte_carlo(SHAPES[shape], name, arguments)
            model = TwoLegHessian(
                *SHAPES[shape],
                activation=name,
                epsilon=arguments.epsilon,
                legs=arguments.legs,
                draws=arguments.leg_draws,
            )
            found = model.solve(x + 1j * arguments.eta)
            law, stated = -found.value.imag / math.pi, found.error / math.pi
            peak = density.max()
            print(
                f"{shape:<8} {name:<8} two-leg law off by {np.abs(law - density).max() / peak:.2%} "
                f"of the peak, stated {stated.max() / peak:.2%}, "
                f"Monte Carlo +- {error.max() / peak:.2%}",
                flush=True,
            )
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
        kept = ("n", "draws", "probes", "steps", "eta", "epsilon", "seed", "centred")
        made = {"source": "scripts/reproduce_two_leg.py, Lanczos runs on drawn networks"}
        made |= {key: getattr(arguments, key) for key in kept}
        arguments.table.write_text(json.dumps(made | {"cases": cases}, indent=0) + "\n", "utf-8")
        print(f"wrote {arguments.table}")


if __name__ == "__main__":
    main()
