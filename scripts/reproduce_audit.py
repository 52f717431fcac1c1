#!/usr/bin/env python3
"""All levels of theory and the exact Hessian of one-hidden-layer networks, and the limits.

First the levels at initialisation, on whitened 4x4 digits and on Gaussian data: Kolmogorov
distances, shares of the misfit, and a figure of all densities. The residuals are Gaussian noise of
energy 1/2 (as the theory has it), and then the network's own, outputs less targets. Then where the
theory ends: small networks, trained ones, and outliers.

    python scripts/reproduce_audit.py                 width 8, three minutes
    python scripts/reproduce_audit.py --full          about 1000 parameters, as in the figure
    python scripts/reproduce_audit.py --quick         the levels at width 6, ten seconds

Writes rows into levels.csv and limits.csv after every audit, and levels.png, a strip for each data
set. What takes long is done in pieces: `--part levels --data digits --residuals gaussian` is one
audit, whose rows replace those of the same case in levels.csv, and whose strip goes beside those
that are in the folder. Times are dominated by free sums of measured spectra (levels 3 and 4) and
by the matrix Dyson equation of two data sets of 1000 parameters: about two CPU minutes an audit.
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
    "case",
    "data",
    "residuals",
    "activation",
    "widths",
    "samples",
    "energy",
    "level",
    "name",
    "kolmogorov",
    "error",
    "expected",
    "wasserstein",
    "index_difference",
    "low_edge",
    "high_edge",
    "outliers",
    "outliers_explained",
    "law_error",
    "chance",
)


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
    print(
        f"\n{case}: {point.net}, {point.data.size} samples, energy {point.energy:.3g}, "
        f"{seconds:.0f} s"
    )
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
        yield dict(
            zip(
                FIELDS,
                (
                    case,
                    data,
                    residuals,
                    origin["network"].split("activation=")[1].split(",")[0],
                    "-".join(map(str, origin["widths"])),
                    origin["samples"],
                    origin["energy"],
                    level.number,
                    level.name,
                    result.kolmogorov,
                    level.error,
                    level.expected,
                    result.wasserstein,
                    level.index_difference,
                    *level.edge_differences,
                    result.outliers,
                    level.explained,
                    level.law_error,
                    found.chance,
                ),
                strict=True,
            )
        )


def draw(data, found, arguments):
    """Draw the strip of a data set, and all strips of the folder in one picture."""
    from matplotlib.figure import Figure
    from PIL import Image

    from rmtland.audit.drawing import (
        draw_densities,
        draw_distribution_errors,
        draw_misfits,
        drawn_levels,
    )

    figure = Figure(figsize=(13, 4.3), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    draw_densities(axes[0], found)
    axes[0].legend(fontsize=6, loc="upper right", handlelength=1.6, frameon=False)
    draw_distribution_errors(axes[1], found, levels=drawn_levels(found)[2:])
    draw_misfits(axes[2], found)
    origin = found.provenance
    figure.suptitle(
        f"{TITLES[data]}: {'-'.join(map(str, origin['widths']))} {arguments.activation}, "
        f"{origin['samples']} samples, p = {origin['parameters']}, at initialisation; residuals "
        f"Gaussian of energy {EPSILON:g}; levels 0, 5 and 6 are not fitted",
        fontsize=10,
    )
    axes[1].set_title("grey: what chance does at this size (two deviations)", fontsize=8)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=90)
    written(arguments.output / f"levels-{data}.png", drawn.getvalue())
    places = [arguments.output / f"levels-{name}.png" for name in TITLES]
    strips = [Image.open(place).convert("RGB") for place in places if place.exists()]
    whole = Image.new("RGB", (strips[0].width, sum(strip.height for strip in strips)))
    for i, strip in enumerate(strips):
        whole.paste(strip, (0, sum(above.height for above in strips[:i])))
    stream = io.BytesIO()
    whole.quantize(96).save(stream, format="png", optimize=True)
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
    parser.add_argument("--full", action="store_true", help="about 1000 parameters")
    parser.add_argument("--part", choices=("all", "levels", "limits"), default="all")
    parser.add_argument("--data", nargs="+", choices=tuple(TITLES), default=tuple(TITLES))
    parser.add_argument(
        "--residuals", nargs="+", choices=("gaussian", "own"), default=("gaussian", "own")
    )
    parser.add_argument(
        "--width", type=int, help="hidden units (default 8; --full: 32 for digits, 22)"
    )
    parser.add_argument(
        "--ratio", type=int, default=4, help="samples per hidden unit (default 4; digits: 8)"
    )
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--draws", type=int, help="Hessians drawn anew (default 6; --quick: 2)")
    parser.add_argument("--points", type=int, help="of the tables (default 40; --quick: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("rmtland-output"), help="folder")
    arguments = parser.parse_args()
    usual = 6 if arguments.quick else 8
    widths = {"digits": 32, "gaussian": 22} if arguments.full else dict.fromkeys(TITLES, usual)
    if arguments.width:
        widths = dict.fromkeys(TITLES, arguments.width)
    if arguments.quick:
        arguments.residuals = ("gaussian",)
    arguments.draws = arguments.draws or (2 if arguments.quick else 6)
    arguments.points = arguments.points or (20 if arguments.quick else 40)

    if arguments.part != "limits":
        levels(arguments, widths)
    if arguments.part != "levels" and not arguments.quick:
        limits(arguments)


def levels(arguments, widths):
    """All levels at initialisation, for two data sets and two kinds of residuals."""
    path = arguments.output / "levels.csv"
    for residuals in arguments.residuals:
        for data in arguments.data:
            net, theta, chosen = network(
                data, widths[data], arguments.activation, arguments.seed, arguments.ratio
            )
            case = f"{TITLES[data]}, {residuals} residuals"
            point = point_of(net, theta, chosen, residuals, arguments.seed)
            found = audited(case, point, arguments)
            rows = [*rows_of("initialisation", data, residuals, found)]
            table(path, [*others(path, rows[0]), *rows])
            if residuals == "gaussian":
                draw(data, found, arguments)


def others(path, row):
    """Rows of a table that are there already, but those of the same case."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        found = list(csv.DictReader(stream))
    names = ("case", "data", "residuals")
    return [one for one in found if [one[name] for name in names] != [row[name] for name in names]]


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
