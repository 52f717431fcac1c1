"""`rmtland landscape levels`: components of the sublevel sets of a slice, and exact examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.stage_bar import stage_bar
from rmtland.cli.landscape.subject import Model, Network, Subject, minimised, with_network
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import NumpyArray, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.landscape.level_sets import MergeTree
    from rmtland.landscape.slices import Directions, PlaneSlice
    from rmtland.typing import Real

__all__ = ["levels"]

PLANES = ("minima", "random")


@with_network(train_steps=1000)
def levels(
    network: Network,
    model: Model = None,
    plane: Annotated[
        str,
        typer.Option(help="minima (through three that training finds), or random through one."),
    ] = "minima",
    extent: Annotated[
        float, typer.Option(help="Half the width of a random plane, in lengths of a direction.")
    ] = 1.0,
    points: Annotated[int, typer.Option(help="Points on each axis.")] = 61,
    neighbours: Annotated[
        str, typer.Option(help="Which points of the grid touch: full (diagonals) or axes.")
    ] = "full",
    height: Annotated[
        float, typer.Option(help="Basins with a barrier of at least that are listed.")
    ] = 1e-3,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Count the components of the sublevel sets of a plane, and the persistence of its basins.

    Prints the smallest ReLU networks whose level sets fall apart, too, with their exact barriers.
    Ctrl-C keeps the rows of the plane that are whole, from below.
    """
    import numpy as np

    from rmtland.arguments import choice, count, nonnegative, positive
    from rmtland.files import check_target
    from rmtland.landscape.level_sets import merge_tree
    from rmtland.landscape.slices import plane_slice, random_directions

    choice("plane", plane, PLANES)
    choice("neighbours", neighbours, ("full", "axes"))
    number, half = count("points", points, min_value=3), positive("extent", extent)
    least = nonnegative("height", height)
    if model is not None and plane == "minima":
        plane = "random"
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"levels.{format}")
    marks: Real | None = None
    span: float | tuple[tuple[float, float], ...] = half
    if plane == "minima":
        subject, directions, marks, span = _three_minima(network)
    else:
        subject = network.subject(model)
        directions = random_directions(subject.surface, subject.theta, rng=seed)
    with stage_bar() as stage:
        found = plane_slice(
            subject.surface,
            subject.theta,
            directions,
            extent=span,
            points=number,
            progress=stage("plane"),
        )
    rows = int(np.isfinite(found.losses).all(axis=1).sum())
    if rows < 2:
        raise Stopped("interrupted before two rows of the plane were whole; nothing is written")
    tree = merge_tree(found.losses[:rows], neighbours)
    if rows < number:
        output.warn(f"interrupted: of the lowest {rows} rows of {number}, and nothing above them")
    _print(output, subject, found, tree, least)
    output.figure(_figure(subject, found, tree, least, marks), "levels")
    output.numbers(_report(subject, found, tree, plane, seed))
    if rows < number:
        raise Stopped(f"interrupted; {rows} of {number} rows of the plane are written")


def _three_minima(
    network: Network,
) -> tuple[Subject, Directions, Real, tuple[tuple[float, float], ...]]:
    """Train three networks; return the plane through them, their coordinates and the ranges."""
    import numpy as np
    from numpy.random import SeedSequence

    from rmtland.landscape.slices import Directions
    from rmtland.landscape.surface import NetworkSurface

    net, x, y, described = network.problem()
    minima = np.array(
        [
            minimised(
                net,
                net.init(rng=SeedSequence([network.seed, k])),
                x,
                y,
                max_steps=max(1, network.steps),
                gradient_norm=1e-6,
            ).theta
            for k in range(3)
        ]
    )
    surface = NetworkSurface.of(net, x, y)
    basis, _ = np.linalg.qr((minima[1:] - minima[0]).T)
    basis = basis.T
    coordinates = (minima - minima[0]) @ basis.T
    basis *= np.where(coordinates[[1, 2], [0, 1]] < 0.0, -1.0, 1.0)[:, None]
    coordinates = (minima - minima[0]) @ basis.T
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    room = 0.3 * float((high - low).max())
    span = tuple((float(a - room), float(b + room)) for a, b in zip(low, high, strict=True))
    labels = ("distance in the plane of three minima", "distance across")
    subject = Subject(surface, minima[0], f"{net}, three minima", described)
    return subject, Directions(basis, labels), coordinates, span


def _print(
    output: Output, subject: Subject, found: PlaneSlice, tree: MergeTree, least: float
) -> None:
    import numpy as np
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    output.line(subject.heading)
    basins = tree.persistent(least)
    output.line(
        f"{len(tree.basins)} basins on a grid of {tree.shape[1]} x {tree.shape[0]}, {len(basins)} "
        f"with a barrier of at least {least:g}"
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("basin", "at x", "at y", "minimum", "joined at", "barrier", "joins"):
        table.add_column(column, justify="right", no_wrap=True)
    for place, basin in enumerate(basins[:12]):
        row, column_ = np.unravel_index(basin.minimum, tree.shape)
        table.add_row(
            str(place),
            f"{found.x[column_]:.3g}",
            f"{found.y[row]:.3g}",
            f"{basin.birth:.5g}",
            "-" if basin.parent is None else f"{basin.death:.5g}",
            "-" if basin.parent is None else f"{basin.persistence:.4g}",
            "-" if basin.parent is None else str(basin.parent),
        )
    output.table(table)
    output.line("a grid sees no basin and no barrier between its points")
    exact = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    exact.add_column("ReLU network, half the sum of squares", no_wrap=True)
    for column in ("minima", "joined at", "components below"):
        exact.add_column(column, justify="right", no_wrap=True)
    for row_ in _examples():
        exact.add_row(row_["network"], row_["minima"], row_["joined_at"], row_["components"])
    output.table(exact)
    output.line("joined at: exact, in fractions; every path passes that level")


def _examples() -> list[dict[str, str]]:
    """Return the exact examples as text."""
    from rmtland.landscape.level_sets import OneUnitWithBias, SignPatterns

    rows = []
    for units, plus, minus in ((1, 2, 1), (2, 1, 1), (3, 1, 1)):
        one = SignPatterns(units, plus, minus)
        births = sorted({basin.birth for basin in one.tree.basins})
        below = one.barrier is not None
        rows.append(
            {
                "network": f"{units} unit{'s' * (units > 1)}, x = (1, -1), y = ({plus}, {minus})",
                "minima": ", ".join(map(str, births)),
                "joined_at": str(one.barrier) if below else "-",
                "components": str(len(one.tree.basins)),
            }
        )
    bias = OneUnitWithBias((-1, 0, 1), (1, -1, 1))
    rows.append(
        {
            "network": "1 unit, biases, x = (-1, 0, 1), y = (1, -1, 1)",
            "minima": f"at most {max(bias.reached(1), bias.reached(-1))}",
            "joined_at": f"at least {bias.barrier}",
            "components": "at least 2",
        }
    )
    return rows


def _figure(
    subject: Subject, found: PlaneSlice, tree: MergeTree, least: float, marks: NumpyArray | None
) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.pictures import draw_components, draw_plane

    figure = Figure(figsize=(11.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_plane(left, found, marks=marks)
    draw_components(right, tree, min_persistence=least)
    figure.suptitle(subject.heading, fontsize=7)
    return figure


def _report(subject: Subject, found: PlaneSlice, tree: MergeTree, plane: str, seed: int) -> Record:
    level, number = tree.curve()
    return {
        "command": "landscape levels",
        "subject": subject.title,
        "data": subject.data,
        "plane": plane,
        "seed": seed,
        "whole": found.is_whole,
        "x": found.x,
        "y": found.y,
        "losses": found.losses,
        "basins": [
            {"minimum": b.minimum, "birth": b.birth, "death": b.death, "parent": b.parent}
            for b in tree.basins
        ],
        "levels": level,
        "components": number,
        "examples": _examples(),
    }
