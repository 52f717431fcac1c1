"""`rmtland landscape slice`: the loss along a line or in a plane, drawn and as an HTML surface."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.stage_bar import stage_bar
from rmtland.cli.landscape.subject import Model, Network, Subject, minimised, with_network
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.landscape.slices import Directions, PlaneSlice, TrajectoryPlane
    from rmtland.typing import Real

__all__ = ["PLANES", "slice_plane"]

PLANES = ("random", "eigenvectors", "largest", "trajectory", "line", "line-largest")


@with_network(train_steps=2000)
def slice_plane(
    network: Network,
    model: Model = None,
    plane: Annotated[
        str,
        typer.Option(
            help="random (filter-normalised), eigenvectors (largest and most negative), largest "
            "(two largest), trajectory (principal directions of training), or the line along a "
            "random direction or the largest eigenvector: line, line-largest."
        ),
    ] = "random",
    normalise: Annotated[
        str, typer.Option(help="Of random directions: filter, layer or none.")
    ] = "filter",
    vectors: Annotated[
        str,
        typer.Option(help="Biases and normalisation in random directions: zero, or whole."),
    ] = "zero",
    batch_statistics: Annotated[
        str,
        typer.Option(help="Of a model's batch normalisation: kept, or batch (measured anew)."),
    ] = "kept",
    extent: Annotated[float, typer.Option(help="Half the width, in lengths of a direction.")] = 1.0,
    points: Annotated[int, typer.Option(help="Points on each axis.")] = 51,
    scale: Annotated[str, typer.Option(help="Of the losses: log or linear.")] = "log",
    surface: Annotated[
        bool, typer.Option("--surface", help="Write slice.html too, in 3-D (needs plotly).")
    ] = False,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Draw the loss in a plane, or on a line, through the minimum that training found.

    Writes slice.png, the losses (slice.npz) and, with --surface, slice.html. Ctrl-C keeps what was
    evaluated of a plane.
    """
    from rmtland.adapters.optional import optional
    from rmtland.arguments import choice, count, positive
    from rmtland.files import check_target
    from rmtland.landscape.slices import plane_slice

    choice("plane", plane, PLANES)
    choice("normalise", normalise, ("filter", "layer", "none"))
    choice("vectors", vectors, ("zero", "whole"))
    choice("scale", scale, ("log", "linear"))
    choice("batch_statistics", batch_statistics, ("kept", "batch"))
    number, half = count("points", points, min_value=2), positive("extent", extent)
    if surface and plane.startswith("line"):
        raise ValueError("--surface is for planes; a line is a curve in two dimensions")
    if surface:
        optional("plotly.graph_objects", extra="html")
    if model is not None and plane == "trajectory":
        raise ValueError("--plane trajectory is for a network that is trained here")
    output = Output(out, format=format, json=json, html=html)
    for name in (f"slice.{format}", "slice.npz", *(["slice.html"] if surface else [])):
        check_target(out / name)
    if plane.startswith("line"):
        subject = network.subject(model, batch_statistics=batch_statistics)
        directions = _directions(subject, plane, normalise, vectors, seed)
        _line(output, subject, directions, half, number, scale, plane, seed)
        return
    path: TrajectoryPlane | None = None
    span: float | tuple[tuple[float, float], ...] = half
    if plane == "trajectory":
        subject, path = _trajectory(network)
        directions = path.directions
        origin, span = path.origin, path.extent()
    else:
        subject = network.subject(model, batch_statistics=batch_statistics)
        directions = _directions(subject, plane, normalise, vectors, seed)
        origin = subject.theta
    with stage_bar() as stage:
        found = plane_slice(
            subject.surface, origin, directions, extent=span, points=number, progress=stage("slice")
        )
    _write(output, subject, found, path, scale=scale, surface=surface)
    output.numbers(_report(subject, found, path, plane, seed))
    if not found.is_whole:
        raise Stopped("interrupted; the points that were evaluated are written")


def _directions(
    subject: Subject, plane: str, normalise: str, vectors: str, seed: int
) -> Directions:
    from rmtland.landscape.slices import eigenvector_directions, random_directions

    d = 1 if plane.startswith("line") else 2
    if plane in ("random", "line"):
        return random_directions(
            subject.surface, subject.theta, d, by=normalise, vectors=vectors, rng=seed
        )
    which = "both" if plane == "eigenvectors" else "largest"
    return eigenvector_directions(subject.surface, subject.theta, which, d, rng=seed)


def _line(
    output: Output,
    subject: Subject,
    directions: Directions,
    half: float,
    number: int,
    scale: str,
    plane: str,
    seed: int,
) -> None:
    """Evaluate, draw and write the loss along a line."""
    import numpy as np
    from matplotlib.figure import Figure

    from rmtland.landscape.pictures import draw_line
    from rmtland.landscape.slices import line_slice

    found = line_slice(subject.surface, subject.theta, directions, extent=half, points=number)
    output.line(subject.heading)
    output.line(
        f"loss at the centre {subject.surface.loss(subject.theta):.6g}; on the line from "
        f"{found.losses.min():.6g} to {found.losses.max():.6g}"
    )
    with output.file("slice.npz") as stream:
        np.savez_compressed(
            stream,
            x=found.coordinates,
            losses=found.losses,
            origin=subject.theta,
            directions=directions.rows,
        )
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.subplots()
    draw_line(ax, found)
    if scale == "log" and found.losses.min() > 0.0:
        ax.set_yscale("log")
    ax.legend(frameon=False)
    figure.suptitle(subject.heading, fontsize=7)
    output.figure(figure, "slice")
    output.numbers(
        {
            "command": "landscape slice",
            "subject": subject.title,
            "data": subject.data,
            "plane": plane,
            "labels": directions.labels,
            "seed": seed,
            "x": found.coordinates,
            "losses": found.losses,
        }
    )


def _trajectory(network: Network) -> tuple[Subject, TrajectoryPlane]:
    """Train with Adam, whose path is that of practice, and return its plane."""
    import numpy as np

    from rmtland.landscape.slices import record_trajectory, trajectory_plane
    from rmtland.landscape.surface import NetworkSurface

    net, x, y, described = network.problem()
    iterates, note = record_trajectory()
    result = minimised(
        net,
        net.init(rng=network.seed),
        x,
        y,
        method="adam",
        step_size=0.01,
        batch_size=32,
        max_steps=network.steps,
        check_every=max(1, network.steps // 100),
        rng=network.seed,
        callback=note,
    )
    iterates.append(result.theta)
    path = trajectory_plane(np.array(iterates))
    subject = Subject(NetworkSurface.of(net, x, y), result.theta, repr(net), described)
    return replace(subject, title=f"{net}, Adam, {result.steps} steps"), path


def _write(
    output: Output,
    subject: Subject,
    found: PlaneSlice,
    path: TrajectoryPlane | None,
    *,
    scale: str,
    surface: bool,
) -> None:
    import numpy as np
    from matplotlib.figure import Figure

    from rmtland.landscape.pictures import draw_plane
    from rmtland.landscape.slices import surface_page

    output.line(subject.heading)
    seen = found.losses[np.isfinite(found.losses)]
    output.line(
        f"loss at the centre {subject.surface.loss(found.origin):.6g}; in the plane from "
        f"{seen.min():.6g} to {seen.max():.6g}"
    )
    if path is not None:
        shares = " and ".join(f"{100 * share:.1f} %" for share in path.shares)
        output.line(
            f"the plane holds {shares} of the variance of the trajectory; its points are up to "
            f"{path.distances.max():.3g} away from it"
        )
    with output.file("slice.npz") as stream:
        arrays = {"x": found.x, "y": found.y, "losses": found.losses}
        arrays |= {"origin": found.origin, "directions": found.directions}
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    points = None if path is None else path.coordinates
    draw_plane(figure.subplots(), found, scale=scale, trajectory=points)
    figure.suptitle(subject.heading, fontsize=7)
    output.figure(figure, "slice")
    if surface:
        own: tuple[Real, Real] | None = None
        if path is not None:
            rows = path.origin + path.coordinates @ path.directions.rows
            own = (path.coordinates, subject.surface.losses(rows))
        page = surface_page(found, trajectory=own, title=subject.title, scale=scale)
        with output.file("slice.html") as stream:
            stream.write(page.encode())


def _report(
    subject: Subject, found: PlaneSlice, path: TrajectoryPlane | None, plane: str, seed: int
) -> Record:
    return {
        "command": "landscape slice",
        "subject": subject.title,
        "data": subject.data,
        "plane": plane,
        "labels": found.labels,
        "seed": seed,
        "whole": found.is_whole,
        "x": found.x,
        "y": found.y,
        "losses": found.losses,
        "shares_of_variance": None if path is None else path.shares,
        "distances_from_plane": None if path is None else path.distances,
    }
