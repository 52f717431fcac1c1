#!/usr/bin/env python3
r"""Index of critical points against their energy, without their weights: where that fails and why.

`CriticalPointHessian` takes sizes, activation and energy alone: weights iid, gradient zero. It is
compared, for tanh networks of n inputs, hidden units and outputs on iid data (phi = 2n/m), with

* critical points found and proved by `find_critical_points` (weight decay 1e-3): generic ones by
  capped Newton steps, and saddles by symmetry, with groups of equal and dead units;
* the energies of minimisers that Pennington and Bahri report (fig. 6, n = 16), of index 0;
* any critical points of your own (--points FILE, a CSV with columns phi, energy and index).

At each critical point that was found stand the index that was counted, that of the law given its
weights and inputs (`ConditionedHessian.at_critical_point`), that given the size of its weights, and
that without weights. What the last two lack is the direction of the weights; what the first lacks,
that residuals and weights belong together.

    python scripts/reproduce_critical_index.py            a few minutes on one core
    python scripts/reproduce_critical_index.py --quick    n = 6, no figure, seconds

Writes critical_index.csv and critical_index.png.
"""

import argparse
import csv
import importlib.util
import io
from pathlib import Path

import numpy as np

from rmtland import find_critical_points
from rmtland.arguments import count
from rmtland.files import atomic_write
from rmtland.landscape.critical_points import CappedNewton, SymmetryType
from rmtland.models import ConditionedHessian, CriticalPointHessian
from rmtland.networks import MLP, gaussian
from rmtland.reproduction.index_energy import MINIMISERS

FIELDS = (
    "phi",
    "finder",
    "status",
    "energy",
    "gradient_norm",
    "outputs_less_identity",
    "first_variance",
    "second_variance",
    "measured",
    "given_weights",
    "given_sizes",
    "without_weights",
    "standard_error",
)
DECAY = 1e-3
KINDS = {"generic": CappedNewton(cap=0.5, max_steps=1500), "symmetric": SymmetryType()}


def weight_free(n, phi, draws, **options):
    m = round(2 * n / phi)
    return CriticalPointHessian(n, n, n, m, activation="tanh", draws=draws, **options)


def critical_points(n, phi, kind, starts, seed):
    """Yield critical points and their network, with data of their own for every five starts."""
    prove = importlib.util.find_spec("flint") is not None
    for first in range(0, starts, 5):
        data = gaussian(round(2 * n / phi), n, rng=seed + first)
        net, square = MLP((n, n, n), weight_decay=DECAY), float((data.y**2).mean())
        found = find_critical_points(
            net,
            data.x,
            data.y,
            finder=KINDS[kind],
            starts=min(5, starts - first),
            prove=prove,
            rng=seed + first,
        )
        for point in found:
            # at zero weights there are no outputs, and no law
            if point.status in ("proved", "critical") and 2 * point.energy < 0.999 * square:
                yield point, net.at(point.theta, data.x, data.y)


def row_of(phi, kind, found, point, draws):
    """Compare one critical point with the laws."""
    n = point.net.widths[0]
    first, second = (w.reshape(n, n) for w in np.split(np.asarray(point.theta), 2))
    energy, square = found.energy, float((point.y**2).mean())
    outputs = float((point.net.predict(point.theta, point.x) ** 2).mean())
    options = {"epsilon": energy, "target_mean_square": square}
    alone = weight_free(n, phi, draws, **options).index_curve(energy)
    size = float((first**2).mean()) * n
    sized = weight_free(n, phi, draws, first_variance=size, **options).index_curve(energy)
    given = ConditionedHessian.at_critical_point((first, second), point.x, energy, draws=draws)
    return dict(
        zip(
            FIELDS,
            (
                phi,
                kind,
                found.status,
                energy,
                found.gradient_square**0.5,
                outputs - (square - 2 * energy),
                size,
                float((second**2).mean()) * n,
                found.index / found.theta.size,
                given.index(),
                float(sized.mean[0]),
                float(alone.mean[0]),
                float(alone.standard_error[0]),
            ),
            strict=True,
        )
    )


def energy_at(model, index):
    """Energy at which the law has that index, by bisection in its logarithm."""
    low, high = 1e-4, 0.499 * model.target_mean_square
    for _ in range(11):
        middle = np.sqrt(low * high)
        below = model.index_curve(middle).mean[0] < index
        low, high = (middle, high) if below else (low, middle)
    return float(np.sqrt(low * high))


def compare_published(n, draws):
    """Print the index of the law at published minimisers; return energies for the figure."""
    found, same = [], None
    for phi, energy, *_ in sorted(MINIMISERS, key=lambda row: abs(row[0] - 0.25)):
        model = weight_free(n, phi, draws, epsilon=0.25)
        here = model.index_curve(energy)
        same = here.mean[0] if same is None else same
        zero, level = energy_at(model, 0.5 / model.parameter_count), energy_at(model, same)
        print(
            f"phi = {phi:.3g} published minimisers at energy {energy:.3f}: law without weights has "
            f"index {here.mean[0]:.3f} +- {here.standard_error[0]:.3f} there, {same:.3f} at energy "
            f"{level:.3f}, 0 below {zero:.4f}",
            flush=True,
        )
        found.append((phi, energy, zero, level))
    return sorted(found)


def points_of(path):
    """Return phi, energy and index of every row of a file, or raise ValueError."""
    keys = ("phi", "energy", "index")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with path.open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(stream)
        if missing := set(keys) - set(table.fieldnames or ()):
            raise ValueError(f"{path} lacks the columns {sorted(missing)}; it needs {list(keys)}")
        points = [tuple(float(row[key]) for key in keys) for row in table]
    for phi, energy, _ in points:
        if not (0 < phi < 1 and 0 < energy < 0.5):
            raise ValueError(
                f"phi must lie between 0 and 1 and the energy between 0 and 1/2; {path} has "
                f"phi = {phi:g}, energy = {energy:g}"
            )
    return points


def check(arguments):
    """Refuse before anything is computed what would end in nonsense; return the points given."""
    count("n", arguments.n, min_value=2)
    for name in ("draws", "starts"):
        count(name, getattr(arguments, name), min_value=2 if name == "draws" else 1)
    count("published-n", arguments.published_n, min_value=0)
    count("seed", arguments.seed, min_value=0)
    if not all(0 < phi < 1 for phi in arguments.phi):
        raise ValueError(
            "phi must lie between 0 and 1: with as many residuals as parameters, or fewer, there "
            "is no critical point of positive energy"
        )
    return points_of(arguments.points) if arguments.points else []


def figure(rows, curves, published, arguments):
    """Draw index against energy, and thresholds against phi."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4.0), layout="constrained")
    for number, (phi, curve) in enumerate(curves.items()):
        color = f"C{number}"
        left.plot(curve.energies, curve.mean, color=color, lw=1.4, label=rf"$\phi$ = {phi:.3g}")
        left.fill_between(
            curve.energies,
            curve.mean - curve.deviation,
            curve.mean + curve.deviation,
            color=color,
            alpha=0.15,
            lw=0,
        )
        for kind, marker in (("generic", "o"), ("symmetric", "s")):
            here = [row for row in rows if (row["phi"], row["finder"]) == (phi, kind)]
            style = {
                "s": 18,
                "marker": marker,
                "lw": 0.8,
                "edgecolors": color,
                "facecolors": color if kind == "generic" else "none",
            }
            energies, counted, given = (
                [row[key] for row in here] for key in ("energy", "measured", "given_weights")
            )
            left.scatter(energies, counted, **style)
            middle.scatter(counted, given, **style)
    left.scatter([], [], color="0.3", marker="o", s=18, label="critical points, generic")
    left.scatter(
        [], [], edgecolors="0.3", marker="s", facecolors="none", s=18, label="saddles by symmetry"
    )
    left.plot([], [], color="0.3", lw=1.4, label="law without weights, +- one point")
    ends = [0, max(row["measured"] for row in rows)]
    middle.plot(ends, ends, color="0.6", lw=0.8)
    middle.set(xlabel=r"index counted", ylabel="index given weights and inputs")
    middle.set_title("the same points", fontsize=10)
    left.set(xlabel=r"energy $\epsilon$", ylabel=r"index $\alpha$", ylim=(-0.01, None))
    left.legend(fontsize=7, frameon=False, loc="upper left")
    phis, energies, zero, same = np.array(published).T
    right.plot(phis, energies, "ko", mfc="w", label="minimisers, Pennington & Bahri")
    right.plot(phis, same, "C0-^", ms=4, label="law without weights: index as at phi = 1/4")
    right.plot(phis, zero, "C3-s", ms=4, label="law without weights: index 0")
    right.set(xlabel=r"$\phi$", ylabel=r"energy $\epsilon$", yscale="log")
    right.legend(fontsize=7, frameon=False)
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    shown.suptitle(
        f"tanh networks: index of critical points (n = {arguments.n}) and energies of minimisers "
        f"(n = {arguments.published_n})",
        fontsize=11,
    )
    shown.savefig(arguments.out / "critical_index.png", dpi=90)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, help="inputs, hidden units, outputs (8)")
    parser.add_argument("--phi", type=float, nargs="+", help="(.5 .25)")
    parser.add_argument("--draws", type=int, help="critical points a law is pooled from (8)")
    parser.add_argument("--starts", type=int, help="of each finder, for each phi (20)")
    parser.add_argument("--published-n", type=int, help="0 to leave them out (16)")
    parser.add_argument("--points", type=Path, help="CSV of critical points: phi, energy, index")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="n = 6, phi = 1/2, 4 draws and starts, no figure, where not given",
    )
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    full = {"n": 8, "phi": [0.5, 0.25], "draws": 8, "starts": 20, "published_n": 16}
    quick = {"n": 6, "phi": [0.5], "draws": 4, "starts": 4, "published_n": 0}
    for name, value in (quick if arguments.quick else full).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    try:
        points = check(arguments)
    except ValueError as error:
        parser.error(str(error))
    rows, curves = [], {}
    for phi in arguments.phi:
        for kind in KINDS:
            for found, point in critical_points(
                arguments.n, phi, kind, arguments.starts, arguments.seed
            ):
                row = row_of(phi, kind, found, point, arguments.draws)
                rows.append(row)
                print(
                    f"phi = {phi:.3g} {kind:<9} {found.status:<8} energy {row['energy']:.4f} "
                    f"index {row['measured']:.3f}, law given weights {row['given_weights']:.3f}, "
                    f"given their size {row['given_sizes']:.3f} "
                    f"(n0 var W1 = {row['first_variance']:.2f}), without weights "
                    f"{row['without_weights']:.3f} +- {row['standard_error']:.3f}",
                    flush=True,
                )
            here = [row for row in rows if (row["phi"], row["finder"]) == (phi, kind)]
            for key in ("given_weights", "given_sizes", "without_weights") if here else ():
                off = [row[key] - row["measured"] for row in here]
                print(
                    f"phi = {phi:.3g} {kind}: {len(here)} points, {key.replace('_', ' ')}: off by "
                    f"{np.mean(off):+.3f} on average, {np.max(np.abs(off)):.3f} at most"
                )
        model = weight_free(arguments.n, phi, arguments.draws, epsilon=0.25)
        curves[phi] = model.index_curve(np.linspace(0.01, 0.49, 25))
    published = (
        compare_published(arguments.published_n, arguments.draws) if (arguments.published_n) else []
    )
    for phi, energy, index in points:
        model = weight_free(arguments.published_n or 16, phi, arguments.draws, epsilon=energy)
        found = model.index_curve(energy)
        print(
            f"phi = {phi:.3g} energy {energy:.3f}: index {index:.3f}, law without weights "
            f"{found.mean[0]:.3f} +- {found.standard_error[0]:.3f}"
        )
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    arguments.out.mkdir(parents=True, exist_ok=True)
    with atomic_write(arguments.out / "critical_index.csv") as stream:
        stream.write(text.getvalue().encode())
    if published:
        figure(rows, curves, published, arguments)


if __name__ == "__main__":
    main()
