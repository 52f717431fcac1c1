"""How often the intervals of `rmtland.estimate` cover, and how far off other packages are.

On the exact Hessians of 12 networks, 10 probes x 80 steps a repetition:

  intervals  coverage and widths of the calibrated and the rigorous interval of the index, with and
             without a known nullity, coverage of the simultaneous band of the distribution
             function, and by how many of its own standard errors plain quadrature is off. Gaussian
             probes are invariant under rotations, so that they act on the eigenvalues.
  peers      by how many of their own standard errors (over their probes) the indices of matfree,
             hessian-eigenthings and curvlinops are off; their products are those of the matrix
             itself, since random signs are not invariant. What is not installed is named. Matrices
             with zeros are left out: quadratures have them on either side.
  widths     (where it is asked for) widths of the calibrated interval at p = 4608 to 4800, by
             products, beside the widths that are the goal.

    python scripts/estimate_coverage.py
    python scripts/estimate_coverage.py --full --keep --write

--keep puts the numbers into figures/estimates.json, a Hessian at a time (--hessians does some of
them), --write draws the table of docs/estimates.md from there.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rmtland.estimate import (
    distribution_band,
    krylov_quadratures,
    negative_fraction,
    symmetric_operator,
)
from rmtland.estimate.density import quadrature_spectrum
from rmtland.estimate.index import estimated_mass
from rmtland.networks import MLP, train
from rmtland.version import installed_version

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "figures" / "estimates.json"
PAGE = ROOT / "docs" / "estimates.md"
MARKS = ("<!-- coverage: scripts/estimate_coverage.py --write -->", "<!-- end of coverage -->")
JOBS = ("intervals", "peers", "widths")
PROBES, STEPS = 10, 80

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

WIDE: dict[str, tuple[Any, ...]] = {
    "tanh, initial": ((48, 48, 48), "tanh", "mse", None, 4, "total", 0.025),
    "tanh, trained": ((48, 48, 48), "tanh", "mse", 0.3, 4, "total", 0.035),
    "tanh, near a minimum": ((48, 48, 48), "tanh", "mse", 0.13, 4, "total", 0.045),
    "tanh, two hidden, trained": ((40, 40, 40, 40), "tanh", "mse", 0.1, 4, "total", 0.13),
}
"""Larger networks, with the width that is the goal."""

Runs = Callable[[int], list[float]]
"""Seed -> mass below 0 by each probe."""


def matrix_of(name: str) -> Any:
    """Return the Hessian of a network."""
    point, part = point_of(*HESSIANS[name])
    return point.hessian(part)


def point_of(
    widths: tuple[int, ...],
    activation: str,
    loss: str,
    energy: float | None,
    samples: int,
    part: str,
) -> tuple[Any, str]:
    """Return a network at its parameters with its data, and the part of the Hessian."""
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
    return network.at(theta, x, y), part


def spectrum_of(matrix: Any) -> tuple[Any, int]:
    """Return the eigenvalues of a matrix, rounding set to zero, and the number of zeros."""
    values = np.linalg.eigvalsh(matrix)
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


# Ours -----------------------------------------------------------------------------------------


def intervals(values: Any, zeros: int, repetitions: int) -> dict[str, float]:
    """Return coverages, widths and errors over repetitions."""
    p, operator = len(values), symmetric_operator(Diagonal(values))
    strict, half = (values < 0).mean(), ((values < 0).sum() + zeros / 2) / p
    grid = np.quantile(values, np.linspace(0.02, 0.98, 15))
    truth = np.array([[(values < t).mean(), (values <= t).mean()] for t in grid])
    rows = []
    for r in range(repetitions):
        probes = krylov_quadratures(operator, probes=PROBES, steps=STEPS, rng=r)
        found = estimated_mass(probes, operator, 0.0, None, 0.95)
        known = estimated_mass(probes, operator, 0.0, zeros, 0.95)
        spectrum = quadrature_spectrum(probes, operator, np.empty(0))
        band = distribution_band(spectrum, grid).band
        (low, high), (least, most), (below, above) = found.interval, found.rigorous, known.interval
        plain = (spectrum.weights * (spectrum.nodes < 0)).sum(axis=1)
        rows.append(
            (
                low <= half <= high,
                high - low,
                least <= strict and strict + zeros / p <= most,
                most - least,
                below <= strict <= above,
                above - below,
                (band[:, 0] <= truth[:, 0]).all() and (truth[:, 1] <= band[:, 1]).all(),
                off_by(list(plain), half, p),
            )
        )
    found_rows = np.array(rows, dtype=float)
    names = (
        "calibrated",
        "calibrated_width",
        "rigorous",
        "rigorous_width",
        "nullity",
        "nullity_width",
        "band",
    )
    result = dict(zip(names, found_rows[:, :-1].mean(axis=0).tolist(), strict=True))
    off = found_rows[:, -1]
    return {**result, "plain": float(np.median(off)), "plain_most": float(off.max())}


def off_by(masses: list[float], truth: float, p: int) -> float:
    """Return by how many of its standard errors the mean over probes is off."""
    error = np.std(masses, ddof=1) / len(masses) ** 0.5
    return float(abs(np.mean(masses) - truth) / max(error, 0.1 / p))


def width_of(name: str, seeds: int) -> dict[str, float]:
    """Return what the interval of a larger network is like over some seeds."""
    *what, goal = WIDE[name]
    point, part = point_of(*what)
    operator = symmetric_operator(point.operator(part))
    found = [
        negative_fraction(operator, probes=PROBES, steps=STEPS, rng=seed, method="lanczos")
        for seed in range(seeds)
    ]
    widths = [one.width for one in found]
    return {
        "p": operator.size,
        "index": float(np.mean([one.value for one in found])),
        "width": float(np.mean(widths)),
        "widest": max(widths),
        "goal": goal,
        "seeds": seeds,
    }


# Others ---------------------------------------------------------------------------------------


def matfree(matrix: Any) -> Runs:
    """Quadratures of matfree, in double precision."""
    import jax
    from matfree import decomp, funm

    jax.config.update("jax_enable_x64", True)
    dense = jax.numpy.asarray(matrix)
    count = funm.dense_funm_sym_eigh(lambda value: jax.numpy.where(value < 0, 1.0, 0.0))
    form = funm.monte_carlo_funm_sym(count, decomp.tridiag_sym(STEPS))
    made = jax.jit(lambda v: form(lambda w: dense @ w, v))

    def runs(seed: int) -> list[float]:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(PROBES, len(matrix)))
        return [float(made(jax.numpy.asarray(v))) / len(matrix) for v in signs]

    return runs


def eigenthings(matrix: Any) -> Runs:
    """Raw quadratures of hessian-eigenthings (its density smooths them further)."""
    import hessian_eigenthings as things
    import torch

    dense = torch.from_numpy(matrix)
    operator = things.LambdaOperator(lambda v: dense @ v, size=len(matrix), dtype=torch.float64)

    def runs(seed: int) -> list[float]:
        found = things.spectral_density(
            operator, num_runs=PROBES, lanczos_steps=STEPS, num_grid_points=2, seed=1000 * seed
        )
        pairs = zip(found.raw_eigenvalues.numpy(), found.raw_weights.numpy(), strict=True)
        return [float(w[np.isfinite(n) & (n < 0)].sum()) for n, w in pairs]

    return runs


def curvlinops(matrix: Any) -> Runs:
    """Smoothed densities of curvlinops, with the ends of the spectrum given."""
    import torch
    from curvlinops import lanczos_approximate_spectrum
    from curvlinops.examples import TensorLinearOperator

    operator = TensorLinearOperator(torch.from_numpy(matrix))
    values = np.linalg.eigvalsh(matrix)
    ends = (float(values[0]), float(values[-1]))

    def runs(seed: int) -> list[float]:
        torch.manual_seed(seed)
        found = []
        for _ in range(PROBES):
            grid, density = lanczos_approximate_spectrum(
                operator, STEPS, num_points=4096, boundaries=ends
            )
            found.append(float(density[grid < 0].sum() / density.sum()))
        return found

    return runs


PEERS: dict[str, tuple[str, Callable[[Any], Runs]]] = {
    "matfree": ("matfree", matfree),
    "hessian-eigenthings": ("hessian_eigenthings", eigenthings),
    "curvlinops": ("curvlinops", curvlinops),
}


def peers(matrix: Any, truth: float, repetitions: int) -> dict[str, list[float]]:
    """Return median and largest error of each peer in its own standard errors."""
    found = {}
    for name, (module, make) in PEERS.items():
        if find_spec(module) is None:
            print(f"  {name}: not installed")
            continue
        runs = make(matrix)
        off = [off_by(runs(seed), truth, len(matrix)) for seed in range(repetitions)]
        found[name] = [float(np.median(off)), max(off)]
    return found


# The table ------------------------------------------------------------------------------------


def table(kept: dict[str, Any]) -> str:
    """Return the table of the page."""
    found = kept["hessians"]
    others = [name for name in PEERS if any(name in row.get("peers", {}) for row in found.values())]
    heads = [
        "Hessian",
        "p",
        "index",
        "zeros",
        "repetitions",
        "calibrated: coverage",
        "width",
        "rigorous: coverage",
        "width",
        "width with nullity",
        "band: coverage",
        "plain quadrature",
        *others,
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in (name for name in HESSIANS if name in found):
        row = found[name]
        v = row["intervals"]
        cells = [
            name,
            str(row["p"]),
            f"{row['index']:.3f}",
            f"{row['zeros']:.3f}",
            str(row["repetitions"]),
            f"{v['calibrated']:.3f}",
            f"{v['calibrated_width']:.3f}",
            f"{v['rigorous']:.3f}",
            f"{v['rigorous_width']:.3f}",
            f"{v['nullity_width']:.3f}",
            f"{v['band']:.3f}",
            "-" if row["zeros"] else f"{v['plain']:.1f} ({v['plain_most']:.1f})",
        ]
        for other in others:
            pair = row.get("peers", {}).get(other)
            cells.append("-" if pair is None or row["zeros"] else f"{pair[0]:.1f} ({pair[1]:.1f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def width_table(kept: dict[str, Any]) -> str:
    """Return the widths at larger sizes."""
    lines = [
        "| Hessian | p | index | seeds | width of the calibrated interval | widest | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in kept["widths"].items():
        lines.append(
            f"| {name} | {row['p']} | {row['index']:.3f} | {row['seeds']} | {row['width']:.4f} | "
            f"{row['widest']:.4f} | {row['goal']} |"
        )
    return "\n".join(lines)


def summary(kept: dict[str, Any]) -> str:
    """Return the mean and least coverages."""
    rows = [row["intervals"] for row in kept["hessians"].values()]
    parts = []
    for name in ("calibrated", "rigorous", "nullity", "band"):
        values = [row[name] for row in rows]
        parts.append(f"{name} {np.mean(values):.3f} ({min(values):.3f})")
    return f"Mean and least coverage of {len(rows)} Hessians: {', '.join(parts)}."


def write(kept: dict[str, Any]) -> None:
    """Put the table and its summary between the marks of the page."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    parts = [table(kept), summary(kept), *([width_table(kept)] if "widths" in kept else [])]
    middle = "\n\n" + "\n\n".join(parts) + "\n\n"
    PAGE.write_text(before + MARKS[0] + middle + MARKS[1] + after, "utf-8")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS[:2]))
    parser.add_argument("--full", action="store_true", help="200 repetitions, all Hessians")
    parser.add_argument("--repetitions", type=int, help="of ours (20 by default); of peers a tenth")
    parser.add_argument("--hessians", nargs="+", choices=list(HESSIANS), metavar="NAME")
    parser.add_argument("--keep", action="store_true", help="put the numbers into figures/")
    parser.add_argument("--write", action="store_true", help="draw the table of the page")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # of the other packages
    number = options.repetitions or (200 if options.full else 20)
    names = options.hessians or list(HESSIANS)[:: 1 if options.full or options.write else 3]
    kept: dict[str, Any] = {"hessians": {}}
    if KEPT.exists() and (options.keep or options.write):
        kept = json.loads(KEPT.read_text("utf-8"))
    if "widths" in options.jobs:
        for name in WIDE:
            row = kept.setdefault("widths", {})[name] = width_of(name, 5 if options.full else 1)
            shown = ", ".join(f"{key} {np.round(value, 4)}" for key, value in row.items())
            print(f"{name}: {shown}", flush=True)
            if options.keep:
                KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    if options.jobs != ["widths"] and (options.keep or not options.write):
        print(f"{number} repetitions of {PROBES} probes x {STEPS} steps")
        for name in names:
            matrix = matrix_of(name)
            values, zeros = spectrum_of(matrix)
            row = kept["hessians"].setdefault(name, {})
            row.update(p=len(values), zeros=zeros / len(values), index=float((values < 0).mean()))
            if "intervals" in options.jobs:
                row["repetitions"], row["rmtland"] = number, installed_version()
                row["intervals"] = intervals(values, zeros, number)
            if "peers" in options.jobs and not zeros:
                row["peers"] = peers(matrix, row["index"], max(3, number // 10))
            numbers = {**row.get("intervals", {}), **row.get("peers", {})}
            shown = ", ".join(f"{key} {np.round(value, 4)}" for key, value in numbers.items())
            print(f"{name} (p = {len(values)}, index {row['index']:.4f}): {shown}", flush=True)
            if options.keep:
                KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    if options.write:
        write(kept)
        print(summary(kept))


if __name__ == "__main__":
    main()
