#!/usr/bin/env python3
r"""Index of critical points against their energy, without their weights: where that fails and why.

`CriticalPointHessian` takes sizes, activation and energy alone: weights iid, gradient zero. It is
compared, for tanh networks of n inputs, hidden units and outputs on iid data (phi = 2n/m), with

* trained minima, of index 0, and saddles of known index: minima of networks of fewer hidden units
  with the others dead (zero weights in and out), which are critical points of the larger network;
* the energies of minimisers that Pennington and Bahri report (fig. 6, n = 16), of index 0;
* any critical points of your own (--points FILE, a CSV with columns phi, energy and index).

At each of them stand the index that was measured, that of the law given weights and inputs
(`ConditionedHessian.at_critical_point`), that given the sizes of the weights only, and that without
weights. What the weights add to the second is their size, to the first their direction.

    python scripts/reproduce_critical_index.py            n = 16: ten minutes on one core
    python scripts/reproduce_critical_index.py --quick    n = 6, no figure, seconds

Writes critical_index.csv and critical_index.png.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from rmtland.files import atomic_write
from rmtland.models import ConditionedHessian, CriticalPointHessian
from rmtland.networks import MLP, gaussian, train
from rmtland.reproduction.index_energy import MINIMISERS

FIELDS = (
    "phi", "live_units", "energy", "gradient_norm", "outputs_less_identity", "first_variance",
    "second_variance", "measured", "given_weights", "given_sizes", "without_weights",
    "standard_error",
)  # fmt: skip
ZERO = 1e-8


def weight_free(n, phi, draws, **options):
    m = round(2 * n / phi)
    return CriticalPointHessian(n, n, n, m, activation="tanh", draws=draws, **options)


def minimum(n, live, m, seed, steps):
    """Train a network with so many live hidden units; return its minimum with n units."""
    data = gaussian(m, n, rng=seed)
    net = MLP((n, live, n))
    found = train(net, net.init(rng=seed + 1), data.x, data.y, max_steps=steps, gradient_norm=1e-8)
    first, second = np.split(np.asarray(found.theta), [live * n])
    whole = np.zeros((n, n)), np.zeros((n, n))
    whole[0][:live], whole[1][:, :live] = first.reshape(live, n), second.reshape(n, live)
    return MLP((n, n, n)).at(np.concatenate([w.ravel() for w in whole]), data.x, data.y)


def row_of(phi, live, point, arguments):
    """Compare one critical point with the laws."""
    n = point.net.widths[0]
    nodes = np.linalg.eigvalsh(point.hessian("total"))
    first, second = (w.reshape(n, n) for w in np.split(np.asarray(point.theta), 2))
    energy, square = point.energy, float((point.y**2).mean())
    outputs = float((point.net.predict(point.theta, point.x) ** 2).mean())
    options = {"epsilon": energy, "target_mean_square": square}
    alone = weight_free(n, phi, arguments.draws, **options).index_curve(energy)
    # of live units: what a dead one has is no size of a weight
    size = float((first[:live] ** 2).mean()) * n
    sized = weight_free(n, phi, arguments.draws, first_variance=size, **options)
    given = ConditionedHessian.at_critical_point(
        (first, second), point.x, energy, draws=arguments.draws
    )
    return dict(zip(FIELDS, (
        phi, live, energy, float(np.linalg.norm(point.gradient)), outputs - (square - 2 * energy),
        size, float((second[:, :live] ** 2).mean()) * live,
        float((nodes < -ZERO * nodes.max()).mean()), given.index(),
        float(sized.index_curve(energy).mean[0]), float(alone.mean[0]),
        float(alone.standard_error[0]),
    ), strict=True))  # fmt: skip


def threshold(model):
    """Energy below which the law has less than half a negative eigenvalue."""
    low, high = 1e-4, 0.499 * model.target_mean_square
    for _ in range(12):
        middle = np.sqrt(low * high)
        below = model.index_curve(middle).mean[0] < 0.5 / model.parameter_count
        low, high = (middle, high) if below else (low, middle)
    return float(np.sqrt(low * high))


def points_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            tuple(float(row[key]) for key in ("phi", "energy", "index"))
            for row in csv.DictReader(stream)
        ]


def figure(rows, curves, thresholds, arguments):
    """Draw index against energy, and thresholds against phi."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for number, (phi, curve) in enumerate(curves.items()):
        color = f"C{number}"
        left.plot(curve.energies, curve.mean, color=color, lw=1.4, label=rf"$\phi$ = {phi:.3g}")
        left.fill_between(
            curve.energies, curve.mean - curve.deviation, curve.mean + curve.deviation,
            color=color, alpha=0.15, lw=0,
        )  # fmt: skip
        here = [row for row in rows if row["phi"] == phi]
        for key, marker, filled in (("measured", "o", color), ("given_weights", "x", None)):
            left.scatter(
                [row["energy"] for row in here], [row[key] for row in here], s=22, marker=marker,
                color=filled or color, lw=1.0,
            )  # fmt: skip
    left.scatter([], [], color="0.3", marker="o", s=22, label="measured, minima and saddles")
    left.scatter([], [], color="0.3", marker="x", s=22, label="law given weights and inputs")
    left.plot([], [], color="0.3", lw=1.4, label="law without weights, +- one point")
    left.set(xlabel=r"energy $\epsilon$", ylabel=r"index $\alpha$", ylim=(-0.01, None))
    left.legend(fontsize=7, frameon=False, loc="upper left")
    phis = sorted(thresholds)
    right.plot(phis, [thresholds[phi] for phi in phis], "C3-s", ms=4,
               label="law without weights: index 0 below")  # fmt: skip
    right.plot(*zip(*[(phi, energy) for phi, energy, *_ in MINIMISERS], strict=True), "ko", mfc="w",
               label="minimisers, Pennington & Bahri")  # fmt: skip
    minima = [row for row in rows if row["live_units"] == arguments.n]
    right.plot([row["phi"] for row in minima], [row["energy"] for row in minima], "C0^", ms=4,
               label=f"minima trained here, n = {arguments.n}")  # fmt: skip
    right.set(xlabel=r"$\phi$", ylabel=r"energy $\epsilon$", yscale="log")
    right.legend(fontsize=7, frameon=False)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    shown.suptitle(
        f"tanh networks, n = {arguments.n}: index of critical points from sizes and energy alone",
        fontsize=11,
    )
    shown.savefig(arguments.out / "critical_index.png", dpi=90)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=16, help="inputs, hidden units, outputs (16)")
    parser.add_argument("--phi", type=float, nargs="+", default=[row[0] for row in MINIMISERS])
    parser.add_argument("--draws", type=int, default=8, help="critical points a law is pooled from")
    parser.add_argument("--runs", type=int, default=2, help="minima for each phi (default 2)")
    parser.add_argument("--steps", type=int, default=4000, help="of training, at most")
    parser.add_argument("--points", type=Path, help="CSV of critical points: phi, energy, index")
    parser.add_argument("--quick", action="store_true", help="n = 6, phi = 1/2, no figure")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.n, arguments.phi, arguments.draws, arguments.runs = 6, [0.5], 4, 1
    if min(arguments.phi) <= 0 or max(arguments.phi) >= 1:
        parser.error("phi must lie between 0 and 1: with as many residuals as parameters, or fewer,"
                     " there is no critical point of positive energy")  # fmt: skip
    n, rows, curves, thresholds = arguments.n, [], {}, {}
    for phi in arguments.phi:
        m = round(2 * n / phi)
        lives = [n] * arguments.runs + ([n // 4, n // 2, 3 * n // 4] if phi in (0.5, 0.25) else [])
        for run, live in enumerate(lives):
            point = minimum(n, live, m, 10 * run, arguments.steps)
            rows.append(row_of(phi, live, point, arguments))
            row = rows[-1]
            print(
                f"phi = {phi:.3g} {live:>2} of {n} units live, energy {row['energy']:.4f}, "
                f"gradient {row['gradient_norm']:.0e}: index {row['measured']:.3f}, law given "
                f"weights {row['given_weights']:.3f}, given their size {row['given_sizes']:.3f} "
                f"(n0 var W1 = {row['first_variance']:.2f}), without weights "
                f"{row['without_weights']:.3f} +- {row['standard_error']:.3f}",
                flush=True,
            )
        model = weight_free(n, phi, arguments.draws, epsilon=0.25)
        thresholds[phi] = threshold(model)
        published = [energy for known, energy, *_ in MINIMISERS if abs(known - phi) < 1e-9]
        curves[phi] = model.index_curve([*np.linspace(0.01, 0.49, 17), *published])
        line = f"phi = {phi:.3g} law without weights: index 0 below energy {thresholds[phi]:.4f}"
        if published:
            line += f"; at the published minimisers, {published[0]:.3f}: {curves[phi].mean[-1]:.3f}"
            curves[phi] = type(curves[phi])(*(column[:-1] for column in curves[phi]))
        print(line, flush=True)
    for phi, energy, index in points_of(arguments.points) if arguments.points else ():
        found = weight_free(n, phi, arguments.draws, epsilon=energy).index_curve(energy)
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
    if not arguments.quick:
        figure(rows, curves, thresholds, arguments)


if __name__ == "__main__":
    main()
