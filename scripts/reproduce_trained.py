#!/usr/bin/env python3
"""Hessians of trained networks, and the laws of residuals conditioned on what training controls.

Twelve networks (activations, shapes, losses, data, biases, weight decay) that nothing was chosen
for are trained by L-BFGS; at five energies on the way the measured spectrum is compared with levels
7 (residuals conditioned on the gradient) and 8 (on gradient and inputs) of the audit. A level is
within chance where its Kolmogorov distance is at most 1.5 times the mean distance of a single draw
to the others, plus .01. A last network, the first of the twelve, is audited with all levels.

    python scripts/reproduce_trained.py               twelve networks and the figure, five minutes
    python scripts/reproduce_trained.py --quick       two networks, no figure, half a minute

Writes trained.csv and trained.png.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from rmtland.audit import Level, audit_hessian
from rmtland.audit.distance import kolmogorov
from rmtland.files import atomic_write
from rmtland.models import ConditionedHessian
from rmtland.networks import MLP, digits, gaussian, teacher_student, train

FRACTIONS = (0.75, 0.5, 0.25, 0.1, 0.0)
"""Of the energy's way from the start down to the end of training."""

CONDITIONS = {7: ("gradient",), 8: ("gradient", "inputs")}
FIELDS = (
    "network", "loss", "parameters", "residuals", "energy", "gradient_norm", "level", "measured",
    "free_share", "known_energy_share", "kolmogorov", "chance", "chance_deviation", "within",
    "index", "index_of_law",
)  # fmt: skip
OLD = {
    Level.PRINTED: "0 Wishart + Wigner",
    Level.MEASURED_PARTS: "4 H0, H1 measured, free",
    Level.DYSON: "5 matrix Dyson",
    Level.DYSON_MOMENTS: "6 matrix Dyson, moments",
    Level.CONDITIONED_GRADIENT: "7 conditioned on gradient",
    Level.CONDITIONED_INPUTS: "8 on gradient and inputs",
}


def networks():
    """Yield name, network, inputs and targets."""

    def memory(name, net, samples, seed, to=lambda y: y):
        data = gaussian(samples, net.n_in, net.n_out, rng=seed)
        return name, net, data.x, to(data.y)

    def taught(activation, widths, samples, noise, seed):
        data = teacher_student(samples, widths, activation=activation, noise=noise, rng=seed)
        shape = "-".join(map(str, widths))
        return f"teacher {activation} {shape}", MLP(widths, activation=activation), data.x, data.y

    def labels(name, net, samples, seed):
        data = digits(samples, size=4, whiten=True, target="one-hot", rng=seed)
        return name, net, data.x, data.y

    yield memory("memory tanh 10-12-10", MLP((10, 12, 10)), 64, 1)
    yield memory("memory relu 12-10-8", MLP((12, 10, 8), activation="relu"), 80, 2)
    yield memory("memory gelu 9-14-7", MLP((9, 14, 7), activation="gelu"), 80, 3)
    yield taught("sigmoid", (12, 8, 10), 120, 0.1, 4)
    yield taught("silu", (10, 9, 6), 100, 0.2, 5)
    yield labels("digits tanh 16-10-10", MLP((16, 10, 10)), 100, 6)
    yield labels(
        "digits softmax relu 16-10-10",
        MLP((16, 10, 10), activation="relu", loss="cross_entropy"), 150, 7,
    )  # fmt: skip
    yield labels(
        "digits softmax tanh 16-8-8-10",
        MLP((16, 8, 8, 10), loss="cross_entropy", weight_decay=1e-3), 150, 8,
    )  # fmt: skip
    yield memory("memory tanh biases 8-8-8-8", MLP((8, 8, 8, 8), bias=True), 64, 9)
    yield memory(
        "memory relu biases 8-10-10-6", MLP((8, 10, 10, 6), activation="relu", bias=True), 100, 10
    )
    yield memory(
        "memory logistic tanh 10-8-3",
        MLP((10, 8, 3), loss="logistic"), 120, 11, lambda y: (y > 0).astype(float),
    )  # fmt: skip
    yield memory(
        "memory softplus decay biases 10-10-5",
        MLP((10, 10, 5), activation="softplus", bias=True, weight_decay=0.01), 100, 12,
    )  # fmt: skip


def stages(net, x, y, steps):
    """Yield the points of a training run whose energies are nearest to `FRACTIONS` of the way."""
    seen = []
    train(
        net, net.init(rng=20), x, y, max_steps=steps, gradient_norm=1e-7,
        callback=lambda step, point: seen.append((point.energy, np.array(point.theta))),
    )  # fmt: skip
    energies = np.array([energy for energy, _ in seen])
    for fraction in FRACTIONS:
        target = energies[-1] + fraction * (energies[0] - energies[-1])
        yield net.at(seen[int(np.argmin(np.abs(energies - target)))][1], x, y)


def rows_of(name, point, draws):
    """Yield the rows of a point: levels 7 and 8."""
    measured = np.linalg.eigvalsh(point.hessian("total"))
    zero = 1e-9 * np.abs(measured).max()
    for level, on in CONDITIONS.items():
        model = ConditionedHessian(point, on, draws=draws)
        law, chance = model.law, model.chance_level
        distance = kolmogorov(measured, law)
        yield dict(zip(FIELDS, (
            name, point.net.loss, measured.size, model.conditioned.space.dimension, point.energy,
            float(np.linalg.norm(point.gradient)), level, model.measured_numbers, model.free_share,
            model.conditioned.known_energy_share, distance, float(chance.value),
            float(chance.error), distance <= 1.5 * float(chance.value) + 0.01,
            float((measured < -zero).mean()), float((model.drawn < -zero).mean()),
        ), strict=True))  # fmt: skip


def write(rows, folder):
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    with atomic_write(folder / "trained.csv") as stream:
        stream.write(text.getvalue().encode())


def summary(rows):
    """Print how many points are within chance, and how far indices are off."""
    by_point = {}
    for row in rows:
        by_point.setdefault((row["network"], row["energy"]), []).append(row)
    good = [point for point in by_point.values() if any(row["within"] for row in point)]
    best = [min(point, key=lambda row: row["kolmogorov"]) for point in by_point.values()]
    off = np.array([abs(row["index"] - row["index_of_law"]) for row in best])
    print(f"level 7 or 8 within chance at {len(good)} of {len(by_point)} points")
    print(f"index within .02 at {(off <= 0.02).sum()} of them, off by {off.max():.3f} at most")
    for loss in sorted({row["loss"] for row in rows}):
        these = [point for point in by_point.values() if point[0]["loss"] == loss]
        inside = sum(any(row["within"] for row in point) for point in these)
        print(f"  {loss}: {inside} of {len(these)}")


def figure(points, folder, draws):
    """Draw densities at five energies, and the distances of all levels along training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from rmtland.audit.drawing import LEVEL_STYLES
    from rmtland.plot import draw_spectrum

    shown, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    distances, energies, chances = {level: [] for level in OLD}, [], []
    for ax, point in zip(axes.ravel(), points, strict=False):
        found = audit_hessian(point, draws=0, points=30, levels=set(OLD), rng=0)
        energies.append(point.energy)
        for level in OLD:
            distances[level].append(found[level].kolmogorov)
        chances.append(found[Level.CONDITIONED_GRADIENT].expected)
        model = ConditionedHessian(point, CONDITIONS[7], draws=draws)
        nodes = found.spectrum.nodes.ravel()
        low, high = nodes.min(), np.quantile(nodes, 0.97)
        edges = np.linspace(low - 0.05 * (high - low), high, 49)
        draw_spectrum(
            ax, found.spectrum, bins=48, limits=(edges[0], high), label="measured", color="0.82"
        )
        mean = np.histogram(model.drawn.ravel(), edges)[0] / (nodes.size * draws * np.diff(edges))
        ax.stairs(mean, edges, label=OLD[Level.CONDITIONED_GRADIENT], lw=1,
                  **LEVEL_STYLES[Level.CONDITIONED_GRADIENT])  # fmt: skip
        x = (edges[1:] + edges[:-1]) / 2
        for level in (Level.PRINTED, Level.DYSON):
            values = np.diff(found[level].law.cdf(edges)) / np.diff(edges)
            ax.plot(x, values, lw=1.4, label=OLD[level], **LEVEL_STYLES[level])
        ax.set_title(
            rf"$\epsilon$ = {point.energy:.3f}, index {(nodes < 0).mean():.3f}", fontsize=10
        )
        ax.set(yscale="log", ylim=(3e-3, 5), xlabel=r"eigenvalue $\lambda$ of $H$")
    for ax in axes[:, 0]:
        ax.set_ylabel("density")
    axes[1, 1].legend(fontsize=7, frameon=False)
    ax = axes[1, 2]
    for level, name in OLD.items():
        ax.plot(energies, distances[level], marker="o", ms=3, label=name, **LEVEL_STYLES[level])
    ax.plot(energies, chances, color="0.6", lw=0.8, label="chance (one draw to the others)")
    ax.set(xlabel=r"energy $\epsilon$ (training to the right)", ylabel="Kolmogorov distance",
           ylim=(0, None))  # fmt: skip
    ax.set_title("distance of each level", fontsize=10)
    ax.invert_xaxis()
    ax.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(0.0, 0.52))
    net = points[0].net
    shown.suptitle(
        f"{net.activation} network {net.widths} on its way to a minimum; the highest 3% of the "
        "eigenvalues are not drawn", fontsize=11,
    )  # fmt: skip
    shown.savefig(folder / "trained.png", dpi=90)
    for level, name in OLD.items():
        print(f"  {name:<28}" + " ".join(f"{value:.3f}" for value in distances[level]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two networks, four draws")
    parser.add_argument("--draws", type=int, default=16, help="Hessians that a law is pooled from")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    draws = 4 if arguments.quick else arguments.draws
    rows, first = [], None
    for number, (name, net, x, y) in enumerate(networks()):
        if arguments.quick and number not in (0, 10):
            continue
        points = list(stages(net, x, y, 200 if arguments.quick else 2000))
        first = first or points
        for point in points:
            try:
                found = list(rows_of(name, point, draws))
            except ValueError as error:
                print(f"{name}, energy {point.energy:.3g}: {error}")
                continue
            rows += found
            print(f"{name:<38} energy {point.energy:7.4f}" + "".join(
                f"  {row['level']}: {row['kolmogorov']:.3f} (chance {row['chance']:.3f}) index "
                f"{row['index']:.3f} {row['index_of_law']:.3f}" for row in found
            ), flush=True)  # fmt: skip
        write(rows, arguments.out)
    summary(rows)
    if not arguments.quick:
        figure(first, arguments.out, draws)


if __name__ == "__main__":
    main()
