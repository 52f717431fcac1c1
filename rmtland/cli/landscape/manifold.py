"""`rmtland landscape manifold`: the minimisers at zero loss, and walks along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.problem_options import right_table
from rmtland.cli.landscape.stage_bar import stage_bar, until_interrupt
from rmtland.cli.landscape.subject import (
    ActivationName,
    Bias,
    Data,
    Hidden,
    Model,
    Samples,
    perceptron,
)
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.landscape.manifold import ManifoldWalk, Minimiser

__all__ = ["manifold"]

LEGEND = (
    "rank of the Jacobian at the end of training and polishing; dimension: p - rank, that of the "
    "manifold where the rank is full (r m);",
    "residual: root mean square over that of the targets; gap: singular values on the two sides of "
    "the rank.",
)


def manifold(
    data: Data = "digits-labels",
    hidden: Hidden = "30",
    samples: Samples = 40,
    activation: ActivationName = "tanh",
    bias: Bias = False,
    steps: Annotated[int, typer.Option(help="Steps of each walk.")] = 30,
    step: Annotated[
        float | None,
        typer.Option(help="Length of a step; by default 1/50 of the norm of the parameters."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(help="Also look at a ReLU network, a narrow and a wide one, for exceptions."),
    ] = True,
    model: Model = None,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Fit the data exactly, measure rank and dimension, and walk along the minimisers.

    A model of PyTorch must be nn.Sequential of linear layers with nn.MSELoss: it is brought to zero
    loss from where it is.
    """
    from rmtland.arguments import count, positive
    from rmtland.cli.problem import hidden_widths, problem_data
    from rmtland.files import check_target
    from rmtland.landscape.manifold import DIRECTIONS, interpolate, walk_along
    from rmtland.networks import MLP

    count("steps", steps)
    if step is not None:
        positive("step", step)
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"manifold.{format}")
    starts: Record = {}
    if model is not None:
        net, theta, x, y = perceptron(model)
        description, compare, nets = model, False, {"as asked for": net}
        starts["as asked for"] = theta
    else:
        found = problem_data(data, None if data.endswith(".npz") else samples, None, "mse", seed)
        x, y, description = found.x, found.y, found.description
        widths, ends = hidden_widths(hidden), (x.shape[1], found.outputs)
        nets = {"as asked for": MLP((ends[0], *widths, ends[1]), activation, bias)}
    if compare:
        narrow = [max(1, min(ends[1] // 2, width)) for width in widths]
        nets["ReLU"] = MLP((ends[0], *widths, ends[1]), "relu", bias)
        nets["narrow"] = MLP((ends[0], *narrow, ends[1]), activation, bias)
        nets["wide"] = MLP((ends[0], *[2 * w for w in widths], ends[1]), activation, bias)
    minimisers: dict[str, Minimiser] = {}
    for name, net in nets.items():
        theta = starts.get(name, net.init(rng=seed))
        first = name == "as asked for"
        minimisers[name] = interpolate(
            net, theta, x, y, max_steps=20_000 if first else 2_000, throw=first
        )
    start = minimisers["as asked for"]
    _print_points(output, minimisers, description)
    wanted = DIRECTIONS if start.is_regular and start.dimension else ()
    with stage_bar() as stage:
        walks, stopped = until_interrupt(
            walk_along(
                start,
                direction,
                step=step,
                steps=steps,
                rng=seed,
                progress=stage(f"walk: {direction}"),
            )
            for direction in wanted
        )
    _print_walks(output, walks, start)
    if walks:
        output.figure(_figure(walks, f"{start.point.net}\n{description}"), "manifold")
    output.numbers(_report(minimisers, walks, description, seed))
    if stopped:
        raise Stopped(f"interrupted; {len(walks)} of {len(wanted)} walks are written")


def _print_points(output: Output, minimisers: dict[str, Minimiser], description: str) -> None:
    output.line(description)
    table = right_table(
        ["network", "p", "r m", "rank", "dimension", "residual", "gap", "lambda_max", "exceptions"],
        left=("network", "exceptions"),
    )
    for name, one in minimisers.items():
        net = one.point.net
        table.add_row(
            f"{name} {'-'.join(str(w) for w in net.widths)} {net.activation}",
            str(net.parameter_count),
            str(one.equations),
            str(one.rank),
            str(one.dimension),
            f"{one.residual:.1e}",
            f"{one.gap:.1e}",
            f"{one.sharpness:.4g}",
            "; ".join(one.exceptions),
        )
    output.table(table)
    for line in LEGEND:
        output.line(line)


def _print_walks(output: Output, walks: list[ManifoldWalk], start: Minimiser) -> None:
    if not walks:
        output.line("no walk: the rank is not full, and minimisers need not be a manifold here")
        return
    table = right_table(
        ["walk", "steps", "length", "distance", "lambda_max", "trace", "largest loss", "ended by"],
        left=("walk", "ended by"),
    )
    for walk in walks:
        table.add_row(
            walk.direction,
            str(len(walk.points) - 1),
            f"{walk.lengths[-1]:.4g}",
            f"{walk.distances[-1]:.4g}",
            f"{walk.sharpness[0]:.4g} to {walk.sharpness[-1]:.4g}",
            f"{walk.traces[0]:.4g} to {walk.traces[-1]:.4g}",
            f"{walk.losses.max():.1e}",
            walk.reason,
        )
    output.table(table)


def _figure(walks: list[ManifoldWalk], title: str) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.manifold import draw_walks

    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_walks(left, walks, "sharpness")
    draw_walks(right, walks, "traces")
    worst = max(float(walk.losses.max()) for walk in walks)
    figure.suptitle(f"{title}; loss at most {worst:.0e} on all walks", fontsize=7)
    return figure


def _report(
    minimisers: dict[str, Minimiser], walks: list[ManifoldWalk], data: str, seed: int
) -> Record:
    return {
        "command": "landscape manifold",
        "data": data,
        "seed": seed,
        "networks": {
            name: {
                "network": repr(one.point.net),
                "parameters": one.point.net.parameter_count,
                "equations": one.equations,
                "rank": one.rank,
                "dimension": one.dimension,
                "residual": one.residual,
                "interpolates": one.interpolates,
                "gap": one.gap,
                "sharpness": one.sharpness,
                "trace": one.trace,
                "exceptions": list(one.exceptions),
            }
            for name, one in minimisers.items()
        },
        "walks": {
            walk.direction: {
                "lengths": walk.lengths,
                "distances": walk.distances,
                "sharpness": walk.sharpness,
                "traces": walk.traces,
                "losses": walk.losses,
                "reason": walk.reason,
            }
            for walk in walks
        },
    }
