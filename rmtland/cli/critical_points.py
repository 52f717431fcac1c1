"""`rmtland critical-points`: search for critical points of a network, and check what is proved."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.cli.problem import DATA, hidden_widths, problem_data
from rmtland.typing import Record

if TYPE_CHECKING:
    from rich.table import Table

    from rmtland.cli.critical_spectra import LaidOver
    from rmtland.landscape import CriticalPoints
    from rmtland.landscape.critical_points import Finder
    from rmtland.networks import LossPoint
    from rmtland.typing import Real

__all__ = ["critical_points"]

FINDERS = ("newton", "newton-modes", "symmetry", "lm", "gradient-norm", "minima")
MODEL_FINDERS = tuple(name for name in FINDERS if name != "symmetry")
ROWS = 40
LARGEST = 3000

LEGEND = (
    "proved: exactly one critical point within a stated distance, and its index; critical: "
    "gradient at most 1e-10 of its scale, (2 |H|_F L_0)^(1/2) or, of a model, |H|_F |theta|, and "
    "not flat;",
    "flat: the gradient lies in the kernel of the Hessian (Frye et al.); escaping: weights grew "
    "tenfold; unfinished: none of these.",
    "energy: loss per output without weight decay; index: fraction of negative eigenvalues of the "
    "Hessian; |g|^2: square of the gradient.",
)

critical_points = typer.Typer(
    name="critical-points",
    help="Critical points of a network's loss: searched for, proved, counted by index and energy.",
    short_help="Find and prove critical points of a network's loss.",
    rich_markup_mode=None,
)


@critical_points.callback(invoke_without_command=True)
def _critical_points(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@critical_points.command("find", short_help="Search from many starts, and prove what is found.")
def find(
    data: Annotated[
        str,
        typer.Option(help=DATA),
    ] = "gaussian",
    hidden: Annotated[
        str, typer.Option(help="Widths of the hidden layers, such as 16 or 12,8.")
    ] = "8",
    samples: Annotated[
        int | None,
        typer.Option(help="Samples m, drawn or taken from the digits; 32 by default."),
    ] = None,
    inputs: Annotated[
        int | None, typer.Option(help="Inputs and outputs of gaussian data; 8 by default.")
    ] = None,
    activation: Annotated[str, typer.Option(help="tanh, erf, gelu, silu, relu, ...")] = "tanh",
    loss: Annotated[str, typer.Option(help="mse, cross_entropy or logistic.")] = "mse",
    bias: Annotated[bool, typer.Option(help="Biases in each layer.")] = False,
    weight_decay: Annotated[float, typer.Option(help="w in (w/2)|theta|^2.")] = 1e-3,
    finder: Annotated[str, typer.Option(help=", ".join(FINDERS) + ".")] = "newton",
    starts: Annotated[int, typer.Option(help="How many starts.")] = 20,
    max_steps: Annotated[
        int | None, typer.Option(help="Steps of a walk at most; by default those of the finder.")
    ] = None,
    prove: Annotated[bool, typer.Option(help="Prove each point (needs python-flint).")] = True,
    spectra: Annotated[
        int,
        typer.Option(
            help="Draw the spectra of so many points, low to high, with two laws laid over."
        ),
    ] = 0,
    seed: Seed = 0,
    store: Annotated[
        Path | None, typer.Option(help="File for the results: the same command resumes.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each core by default.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Search from many starts; print a table, draw index against energy, write a certificate.

    Writes critical-points.png and, of what is proved, critical-points.npz, a certificate that
    `rmtland critical-points verify` checks.
    """
    from rmtland.arguments import choice, count
    from rmtland.files import check_target
    from rmtland.landscape import find_critical_points
    from rmtland.landscape.critical_points import Certificate
    from rmtland.networks import MLP
    from rmtland.sweep import Interrupted, Processes, Serial

    chosen = _finder(choice("finder", finder, FINDERS), max_steps)
    many = None if workers is None else count("workers", workers)
    count("starts", starts)
    shown = count("spectra", spectra, min_value=0)
    output = Output(out, format=format, json=json, html=html)
    for name in (f"critical-points.{format}", "critical-points.npz"):
        check_target(out / name)
    x, y, described = chosen_data = problem_data(data, samples, inputs, loss, seed)
    widths = (x.shape[1], *hidden_widths(hidden), chosen_data.outputs)
    net = MLP(widths, activation, bias, loss=loss, weight_decay=weight_decay)
    _refuse_large(net.parameter_count, "lower --hidden")
    try:
        points = find_critical_points(
            net,
            x,
            y,
            finder=chosen,
            starts=starts,
            prove=prove,
            spectrum=shown > 0,
            rng=seed,
            store=store,
            executor=Serial() if many == 1 else Processes(many),
            progress=False if quiet else None,
        )
    except Interrupted as stop:
        raise Stopped(str(stop)) from None
    title = f"{net}, {len(x)} samples: {chosen}"
    laws = _show(output, points, title, f"{net}\n{described}", shown, partial(net.at, x=x, y=y))
    if points.counts["proved"]:
        certificate = Certificate.of(net, x, y, points)
        output.wrote(certificate.save(out / "critical-points.npz"))
    output.numbers(_report(points, laws, title, described, seed))


@critical_points.command("model", short_help="Search for those of a model of PyTorch.")
def model(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FUNCTION",
            help="Function without arguments that returns (model, loss, data) of PyTorch; MODULE "
            "may be a file such as run.py. The search is in double precision.",
        ),
    ],
    parameters: Annotated[
        str | None,
        typer.Option(help="Names, modules or patterns of parameters, with commas: 'layer1.*'."),
    ] = None,
    weight_decay: Annotated[
        float, typer.Option(help="w in (w/2)|theta|^2, added to the loss.")
    ] = 1e-3,
    finder: Annotated[str, typer.Option(help=", ".join(MODEL_FINDERS) + ".")] = "newton",
    starts: Annotated[int, typer.Option(help="How many starts.")] = 5,
    max_steps: Annotated[
        int | None, typer.Option(help="Steps of a walk at most; by default those of the finder.")
    ] = None,
    spectra: Annotated[
        int, typer.Option(help="Draw the spectra of so many points, low to high, and a law.")
    ] = 0,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Search for critical points of a PyTorch model, and draw index against energy.

    Starts have parameters of the size that the model has, and are trained to a random loss. Dense
    Hessians are made from products: a few hundred parameters take minutes. Nothing is proved.
    """
    from rmtland.adapters.optional import optional
    from rmtland.arguments import choice, count
    from rmtland.cli.user_function import function_of
    from rmtland.files import check_target
    from rmtland.landscape import find_critical_points
    from rmtland.landscape.surface import TorchSurface

    chosen = _finder(choice("finder", finder, MODEL_FINDERS), max_steps)
    count("starts", starts)
    shown = count("spectra", spectra, min_value=0)
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"critical-points.{format}")
    made = function_of(target)()
    if not (isinstance(made, tuple) and len(made) == 3 and hasattr(made[0], "named_parameters")):
        raise ValueError(
            f"{target} must return (model, loss, data) of PyTorch; got {type(made).__name__}"
            + (f" of {len(made)}" if isinstance(made, tuple) else "")
        )
    given, loss, data = made
    double = optional("torch", extra="torch").float64
    patterns = None if parameters is None else [p.strip() for p in parameters.split(",")]
    surface = TorchSurface(given.double(), loss, data, dtype=double, parameters=patterns)
    _refuse_large(surface.size, "give fewer --parameters")
    points = find_critical_points(
        surface,
        finder=chosen,
        starts=starts,
        weight_decay=weight_decay,
        spectrum=shown > 0,
        rng=seed,
    )
    title = f"{type(given).__name__}, {surface.size} parameters, weight decay {weight_decay:g}"
    laws = _show(output, points, f"{title}: {chosen}", f"{target}\n{title}", shown, None)
    output.numbers(_report(points, laws, title, target, seed))


def _refuse_large(size: int, remedy: str) -> None:
    if size > LARGEST:
        raise ValueError(
            f"the network has {size} parameters; this command needs exact Hessians and takes at "
            f"most {LARGEST}: {remedy}"
        )


def _show(
    output: Output,
    points: CriticalPoints,
    title: str,
    heading: str,
    spectra: int,
    at: Callable[[Real], LossPoint] | None,
) -> list[LaidOver]:
    """Print the table and draw the figure; return the laws laid over spectra."""
    from rmtland.cli.critical_spectra import chosen_points, critical_figure, laws_over

    places = chosen_points(points, spectra)
    laws = laws_over(points, places, at)
    _print(output, points, title)
    for one in laws:
        point = points[one.place]
        output.line(
            f"start {one.place}, index {point.relative_index:.4f}: {one.name}: index "
            f"{one.index:.4f}, distance of the distribution functions {one.kolmogorov:.4f}"
        )
    output.figure(critical_figure(points, heading, places, laws), "critical-points")
    return laws


@critical_points.command("verify", short_help="Prove every statement of a certificate again.")
def verify(
    file: Annotated[Path, typer.Argument(help="A certificate, such as critical-points.npz.")],
    json: Json = None,
    html: Html = None,
) -> None:
    """Prove every statement of a certificate again, from the file alone.

    Ends with exit code 1 if one is not proved.
    """
    from rmtland.landscape.critical_points import Certificate

    output = Output(OUT, json=json, html=html, writes=False)
    certificate = Certificate.load(file)
    complaints = certificate.verify()
    bad = [(place, complaint) for place, complaint in enumerate(complaints) if complaint]
    output.line(f"{certificate.net}, {len(certificate.x)} samples")
    for place, complaint in bad:
        output.line(f"point {place}: not proved: {complaint}")
    output.line(
        f"{len(complaints) - len(bad)} of {len(complaints)} critical points proved, with their "
        "indices, radii and gaps"
    )
    output.numbers(
        {
            "command": "critical-points verify",
            "file": str(file),
            "points": len(complaints),
            "proved": len(complaints) - len(bad),
            "complaints": [{"point": place, "complaint": text} for place, text in bad],
        }
    )
    if bad:
        raise typer.Exit(1)


def _finder(name: str, max_steps: int | None) -> Finder:
    from dataclasses import replace

    from rmtland.landscape.critical_points import (
        CappedNewton,
        GradientNorm,
        LevenbergMarquardt,
        SymmetryType,
        TrustRegionNewton,
    )

    finders: Record = {
        "newton": CappedNewton(),
        "newton-modes": CappedNewton(per="mode"),
        "symmetry": SymmetryType(),
        "lm": LevenbergMarquardt(),
        "gradient-norm": GradientNorm(),
        "minima": TrustRegionNewton(),
    }
    found: Finder = finders[name]
    if max_steps is None:
        return found
    if isinstance(found, SymmetryType):
        return SymmetryType(finder=TrustRegionNewton(max_steps=max_steps))
    return replace(found, max_steps=max_steps)  # type: ignore[type-var]


def _print(output: Output, points: CriticalPoints, title: str) -> None:
    output.line(title)
    output.table(_table(points))
    for line in (repr(points).strip("<>").removeprefix("CriticalPoints: "), *LEGEND):
        output.line(line)


def _table(points: CriticalPoints) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("start", "status", "energy", "index", "negative", "zero", "|g|^2", "|theta|"):
        left = column == "status"
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    table.add_column("within", justify="right", no_wrap=True)
    for place, point in enumerate(points[:ROWS]):
        table.add_row(
            str(place),
            point.status,
            f"{point.energy:.5f}",
            f"{point.relative_index:.4f}",
            str(point.index),
            str(point.nullity),
            f"{point.gradient_square:.1e}",
            f"{point.weight_norm:.3g}",
            "" if point.proof is None else f"{point.proof.radius:.0e}",
        )
    if points[ROWS:]:
        table.caption = f"and {len(points) - ROWS} more"
    return table


def _report(
    points: CriticalPoints, laws: list[LaidOver], title: str, data: str, seed: int
) -> Record:
    return {
        "command": "critical-points",
        "search": title,
        "data": data,
        "seed": seed,
        "counts": points.counts,
        "laws": [
            {
                "point": one.place,
                "law": one.name,
                "index": one.index,
                "kolmogorov": one.kolmogorov,
            }
            for one in laws
        ],
        "points": [
            {
                "status": point.status,
                "energy": point.energy,
                "index": point.index,
                "relative_index": point.relative_index,
                "zero": point.null_directions._asdict(),
                "gradient_square": point.gradient_square,
                "relative_gradient": (None if point.proof is not None else point.relative_gradient),
                "weight_norm": point.weight_norm,
                "steps": point.steps,
                "reason": point.reason,
                "why_not": point.why_not,
                "start_energy": point.start_energy,
                "groups": point.groups,
                "radius": None if point.proof is None else point.proof.radius,
                "gap": None if point.proof is None else point.proof.gap,
            }
            for point in points
        ],
    }
