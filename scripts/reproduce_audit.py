#!/usr/bin/env python3
"""All levels of theory and the exact Hessian of one-hidden-layer networks, and the limits.

First the levels at initialisation, on whitened 4x4 digits and on Gaussian data: Kolmogorov
distances, shares of the misfit, and a figure of all densities. The residuals are Gaussian noise of
energy 1/2 (as the theory has it), and then the network's own, outputs less targets. Then where the
theory ends: small networks, trained ones, and outliers.

    python scripts/reproduce_audit.py                 width 8, three minutes
    python scripts/reproduce_audit.py --full          width 32, as in the figure; a quarter hour
    python scripts/reproduce_audit.py --quick         the levels at width 6, ten seconds

Writes levels.png, and all rows so far into levels.csv, limits.csv, after every audit.
"""

import argparse
import csv
import io
import time
from pathlib import Path

import numpy as np

from rmtland.audit import audit_hessian
from rmtland.audit.redraws import with_gaussian_residuals
from rmtland.files import atomic_write
from rmtland.networks import MLP, digits, gaussian, train

EPSILON = 0.5
TITLES = {"digits": "whitened 4x4 digits", "gaussian": "Gaussian data"}
FIELDS = (
    "case", "data", "residuals", "activation", "widths", "samples", "energy", "level", "name",
    "kolmogorov", "error", "expected", "wasserstein", "index_difference", "low_edge", "high_edge",
    "outliers", "outliers_explained", "law_error", "chance",
)  # fmt: skip


def network(data, width, activation, seed, ratio):
    """Network, parameters and data set; Gaussian data have as many inputs as hidden units."""
    samples = ratio * width
    if data == "digits":
        chosen = digits(2 * samples, size=4, whiten=True, rng=seed)
    else:
        chosen = gaussian(samples, width, rng=seed)
    net = MLP((chosen.n_in, width, chosen.n_out), activation=activation)
    return net, net.init(rng=seed + 1), chosen


def point_of(net, theta, chosen, residuals, seed):
    point = net.at(theta, chosen.x, chosen.y)
    if residuals == "gaussian":
        return with_gaussian_residuals(point, EPSILON, rng=np.random.default_rng([seed, 2]))
    return point


def audited(case, point, arguments):
    start = time.perf_counter()
    found = audit_hessian(point, draws=arguments.draws, points=arguments.points, rng=arguments.seed)
    seconds = time.perf_counter() - start
    print(f"\n{case}: {point.net}, {point.data.size} samples, energy {point.energy:.3g}, "
          f"{seconds:.0f} s")  # fmt: skip
    for level in found.levels:
        error = "" if level.error is None else f"+- {level.error:.3f}"
        print(
            f"  {level.number} {level.name:<38} {level.comparison.kolmogorov:7.4f} {error:<9}"
            f" index {level.index_difference:+.3f}  edges {level.edge_differences[0]:+.2f}"
            f" {level.edge_differences[1]:+.2f}  outliers {level.comparison.outliers}"
        )
    for share in found.shares:
        error = "" if share.error is None else f" +- {share.error:.3f}"
        print(f"  {share.law:<17} {share.assumption:<20} {share.value:+.3f}{error}")
    print(f"  {found.sentence}", flush=True)
    return found


def rows_of(case, data, residuals, found):
    origin = found.provenance
    for level in found.levels:
        result = level.comparison
        yield dict(zip(FIELDS, (
            case, data, residuals, origin["network"].split("activation=")[1].split(",")[0],
            "-".join(map(str, origin["widths"])), origin["samples"], origin["energy"],
            level.number, level.name, result.kolmogorov, level.error, level.expected,
            result.wasserstein, level.index_difference, *level.edge_differences, result.outliers,
            level.explained, level.law_error, found.chance,
        ), strict=True))  # fmt: skip


def draw(audits, arguments):
    from matplotlib.figure import Figure
    from PIL import Image

    from rmtland.audit.drawing import (
        draw_densities,
        draw_distribution_errors,
        draw_misfits,
        drawn_levels,
    )

    figure = Figure(figsize=(13, 4.1 * len(audits)), layout="constrained")
    grid = figure.subplots(len(audits), 3, squeeze=False, width_ratios=(1.25, 1, 1))
    for (data, found), axes in zip(audits.items(), grid, strict=True):
        draw_densities(axes[0], found)
        axes[0].legend(fontsize=7)
        draw_distribution_errors(axes[1], found, levels=drawn_levels(found)[2:])
        draw_misfits(axes[2], found)
        origin = found.provenance
        axes[0].set_title(
            f"{TITLES[data]}: {'-'.join(map(str, origin['widths']))} {arguments.activation}, "
            f"{origin['samples']} samples, p = {origin['parameters']}", fontsize=9, loc="left",
        )  # fmt: skip
        axes[1].set_title("grey: what chance does at this size (two deviations)", fontsize=8)
    figure.suptitle(
        "Hessians at initialisation, residuals Gaussian of energy "
        f"{EPSILON:g}: seven levels of theory, none of levels 0, 5 and 6 fitted", fontsize=10,
    )  # fmt: skip
    drawn, stream = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=90)
    Image.open(drawn).convert("RGB").quantize(96).save(stream, format="png", optimize=True)
    written(arguments.output / "levels.png", stream.getvalue())


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(content)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smallest sizes, initialisation only")
    parser.add_argument("--full", action="store_true", help="width 32")
    parser.add_argument("--part", choices=("all", "levels", "limits"), default="all")
    parser.add_argument("--width", type=int, help="hidden units (default 8; --full: 32)")
    parser.add_argument("--ratio", type=int, default=4,
                        help="samples per hidden unit (default 4; digits: 8)")  # fmt: skip
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--draws", type=int, help="Hessians drawn anew (default 6; --quick: 2)")
    parser.add_argument("--points", type=int, help="of the tables (default 40; --quick: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("rmtland-output"), help="folder")
    arguments = parser.parse_args()
    width = arguments.width or (32 if arguments.full else 6 if arguments.quick else 8)
    arguments.draws = arguments.draws or (2 if arguments.quick else 6)
    arguments.points = arguments.points or (20 if arguments.quick else 40)

    if arguments.part != "limits":
        levels(arguments, width)
    if arguments.part != "levels" and not arguments.quick:
        limits(arguments)


def levels(arguments, width):
    """All levels at initialisation, for two data sets and two kinds of residuals."""
    rows, audits = [], {}
    for residuals in ("gaussian",) if arguments.quick else ("gaussian", "own"):
        for data in ("digits", "gaussian"):
            net, theta, chosen = network(
                data, width, arguments.activation, arguments.seed, arguments.ratio
            )
            case = f"{TITLES[data]}, {residuals} residuals"
            point = point_of(net, theta, chosen, residuals, arguments.seed)
            found = audited(case, point, arguments)
            rows += rows_of("initialisation", data, residuals, found)
            table(arguments.output / "levels.csv", rows)
            audits.setdefault(residuals, {})[data] = found
        if residuals == "gaussian":
            draw(audits["gaussian"], arguments)


def limits(arguments):
    """Where the theory ends: small networks, and training."""
    rows = []
    for width in (4, 8, 16):
        net, theta, chosen = network(
            "gaussian", width, arguments.activation, arguments.seed, arguments.ratio
        )
        point = point_of(net, theta, chosen, "gaussian", arguments.seed)
        found = audited(f"width {width}, Gaussian residuals", point, arguments)
        rows += rows_of("small", "gaussian", "gaussian", found)
        table(arguments.output / "limits.csv", rows)
    net, theta, chosen = network("digits", 8, "tanh", arguments.seed, 8)
    for energy in (None, 0.3, 0.2):
        if energy is not None:
            theta = train(net, theta, chosen.x, chosen.y, energy=energy).theta
        point = net.at(theta, chosen.x, chosen.y)
        case = "digits, initialisation" if energy is None else f"digits, trained to {energy:g}"
        found = audited(case, point, arguments)
        rows += rows_of("training", "digits", "own", found)
        table(arguments.output / "limits.csv", rows)


def table(path, rows):
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    )
    written(path, stream.getvalue().encode())


if __name__ == "__main__":
    main()
