"""`rmtland reproduce`: figures of the literature, computed anew."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import OUT, Format, Html, Json, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.reproduction import Content, PublishedFigure

__all__ = ["draw_kept", "reproduce", "reproduce_figure"]

DOTS = 150
"""Dots per inch: pictures stay below 150 kB."""


def reproduce(
    figures: Annotated[
        list[str],
        typer.Argument(
            help="fig1, fig2, fig3, fig4, fig5, fig6, dyson, limit, trained, minimisers, "
            "optimizer, index, or all.",
            metavar="NAME",
        ),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="A small size, in seconds.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The parameters of the paper.")] = False,
    seed: Seed = 0,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with CIFAR-10 (binary version), in place of the digits."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each core by default, with --quick one.")
    ] = None,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw NAME.csv and NAME.json of the folder again.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the results of single tasks.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Draw what a run has kept so far; compute nothing.")
    ] = False,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
    out: Annotated[
        Path, typer.Option("--out", "--output", help="Folder for what is written.")
    ] = OUT,
) -> None:
    """Compute figures of Pennington & Bahri (ICML 2017) and of later laws: picture, CSV, numbers.

    fig1 to fig6: of the paper. index: index against energy. dyson, limit: matrix Dyson and two-leg
    law. trained: networks in training against conditioned residuals. minimisers: energies of
    trained networks against (1 - phi)^2/2. optimizer: methods that measure curvature against tuned
    ones. Results of single tasks are kept until the picture is
    written: the same command resumes an interrupted run, and with --partial it draws what is kept
    (fig6; other figures once all is there).
    """
    from rmtland.arguments import count
    from rmtland.reproduction import FIGURES

    chosen = []
    for name in figures:
        if name != "all" and name not in FIGURES:
            raise ValueError(f"unknown figure {name!r}; choose one of {', '.join(FIGURES)} or all")
        chosen += list(FIGURES) if name == "all" else [name]
    if redraw and html is not None:
        raise ValueError("--html is of what is computed; leave out --redraw or run rmtland report")
    if redraw and partial:
        raise ValueError("give --redraw (from NAME.csv) or --partial (from kept results), not both")
    if quick and full:
        raise ValueError("give --quick or --full, not both")
    if workers is not None:
        count("workers", workers)
    size = "quick" if quick else "full" if full else "default"
    folder = "" if images is None else str(images)
    made = [
        FIGURES[name].of_size(
            size,
            seed=seed,
            images="" if "all" in figures and not FIGURES[name].takes_images else folder,
        )
        for name in dict.fromkeys(chosen)
    ]
    output = Output(out, format=format, json=json_file, html=html)
    if redraw:
        for figure in made:
            redraw_figure(figure, output)
        return
    reports = []
    for figure in made:
        if partial:
            reports.append(draw_kept(figure, output))
            continue
        content = reproduce_figure(
            figure, output, workers=1 if quick and workers is None else workers, keep=keep
        )
        reports.append(report(figure, content))
    output.numbers({"format": "rmtland reproduce 1", "figures": reports})


def reproduce_figure(
    figure: PublishedFigure, output: Output, *, workers: int | None = None, keep: bool = False
) -> Content:
    """Compute a figure, print its numbers, and write its picture, NAME.csv and NAME.json.

    Parameters
    ----------
    figure : PublishedFigure
        The figure at its parameters.
    output : Output
        Where it goes; the results of single tasks lie in NAME-*.partial in its folder until all is
        written, the star a digest of the parameters.
    workers : int, optional
        Processes; one for each core by default.
    keep : bool
        Leave NAME-*.partial there.

    Returns
    -------
    Content
    """
    from rich.console import Console

    from rmtland.sweep import Interrupted, Processes, Serial
    from rmtland.sweep.executors import AnyExecutor, cores

    many = cores() if workers is None else workers
    executor: AnyExecutor = Serial() if many == 1 else Processes(many)
    tasks = sum(len(sweep.grid) for sweep in figure.sweeps.values())
    notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    notes.print(
        f"{figure.name}: {figure.title}; {tasks} tasks, {many} at a time, at most "
        f"{figure.memory / 1e6:.0f} MB each{_cost(figure, many)}"
    )
    partial = _folder(figure, output)
    try:
        content = figure.compute(folder=partial, executor=executor)
    except Interrupted as stop:
        more = "; --partial draws what there is" if figure.takes_part else ""
        raise Stopped(f"{stop}{more}") from None
    _show(figure, content, output)
    _write(figure, report(figure, content), content, output)
    if not keep:
        shutil.rmtree(partial, ignore_errors=True)  # a run beside this one may have done it
    return content


def _cost(figure: PublishedFigure, workers: int) -> str:
    """Return about how long the tasks take, where that is known beforehand."""
    seconds = figure.cpu_seconds
    if seconds is None:
        return ""
    minutes = seconds / 60.0
    return f"; about {minutes:.2g} CPU minutes, {minutes / workers:.2g} minutes on free cores"


def draw_kept(figure: PublishedFigure, output: Output) -> Record:
    """Draw a figure from what its run has kept so far, and say how much that is.

    Parameters
    ----------
    figure : PublishedFigure
        The figure at the parameters of the run.
    output : Output
        The folder of the run.

    Returns
    -------
    dict
        As `report` returns it, with `tasks`: done and all of each sweep.

    Raises
    ------
    FileNotFoundError
        If nothing is kept.
    ValueError
        If the figure needs results that are missing.
    """
    results = figure.kept(_folder(figure, output))
    counts = {name: found.status for name, found in results.items()}
    tasks = {name: {"done": one.done, "all": sum(one)} for name, one in counts.items()}
    content = figure.content(results)
    parts = ", ".join(f"{name} {one['done']} of {one['all']}" for name, one in tasks.items())
    done, every = (sum(one[key] for one in tasks.values()) for key in ("done", "all"))
    content = replace(content, caption=f"{content.caption} Drawn from {done} of {every} tasks.")
    _show(figure, content, output)
    output.line(f"  from {done} of {every} tasks: {parts}")
    values = {**report(figure, content), "tasks": tasks}
    if values["command"] is not None:
        values["command"] += " --partial"
    _write(figure, values, content, output)
    return values


def _folder(figure: PublishedFigure, output: Output) -> Path:
    """Return where results are kept, for each set of parameters: no run takes from another."""
    digest = hashlib.blake2b(repr(figure).encode(), digest_size=4).hexdigest()
    return output.out / f"{figure.name}-{digest}.partial"


def _show(figure: PublishedFigure, content: Content, output: Output) -> None:
    output.part()
    output.line(f"{figure.name}: {figure.title}")
    rows = [(str(quantity), f"{value:.4g}") for quantity, value in content.numbers.items()]
    output.entries(("quantity", "value"), rows)


def redraw_figure(figure: PublishedFigure, output: Output) -> None:
    """Draw a figure again from NAME.csv and NAME.json of the folder; nothing is computed.

    Parameters
    ----------
    figure : PublishedFigure
        Which figure; its parameters are those of the file.
    output : Output
        The folder.

    Raises
    ------
    ValueError
        If the folder has no such files.
    """
    import json

    from matplotlib.figure import Figure

    from rmtland.reproduction.figure import Content
    from rmtland.reproduction.quantity import Quantity

    paths = [output.out / f"{figure.name}{suffix}" for suffix in (".csv", ".json")]
    for path in paths:
        if not path.is_file():
            raise ValueError(
                f"{path} is not there: run rmtland reproduce {figure.name} without --redraw first"
            )
    stored = json.loads(paths[1].read_text())
    known = {field.name for field in fields(figure)}
    given: Record = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stored["parameters"].items()
        if name in known
    }
    with paths[0].open(newline="") as stream:
        rows = [
            (
                row["panel"],
                row["series"],
                float(row["x"]),
                float(row["y"]),
                float(row["error"]) if row["error"] else None,
            )
            for row in csv.DictReader(stream)
        ]
    numbers = {
        Quantity.of(one["quantity"], **one["parameters"]): one["value"] for one in stored["numbers"]
    }
    canvas = Figure(layout="constrained")
    content = Content.of_rows(rows, numbers, stored["caption"])
    replace(figure, **given).draw(canvas, content)
    output.figure(canvas, figure.name, dpi=DOTS)


def report(figure: PublishedFigure, content: Content) -> Record:
    """Return command, parameters and numbers of a figure as plain values.

    Parameters
    ----------
    figure : PublishedFigure
        The figure at its parameters.
    content : Content
        What was computed.

    Returns
    -------
    dict
    """
    return {
        "figure": figure.name,
        "title": figure.title,
        "command": _command(figure),
        "parameters": asdict(figure),
        # the last digits depend on how the processor adds
        "numbers": [
            {**quantity.as_dict(), "value": float(f"{value:.9g}")}
            for quantity, value in content.numbers.items()
        ],
        "caption": content.caption,
    }


def _command(figure: PublishedFigure) -> str | None:
    """Return the command that computes a figure; None if no size has its parameters."""
    given: Record = {"seed": figure.seed, "images": figure.images}
    for size, option in (("default", ""), ("quick", " --quick"), ("full", " --full")):
        if type(figure).of_size(size, **given) == figure:
            more = [f" --{name} {value}" for name, value in given.items() if value]
            return f"rmtland reproduce {figure.name}{option}{''.join(more)}"
    return None


def _write(figure: PublishedFigure, values: Record, content: Content, output: Output) -> None:
    from matplotlib.figure import Figure

    from rmtland.cli.output import write_json

    canvas = Figure(layout="constrained")
    figure.draw(canvas, content)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["panel", "series", "x", "y", "error"])
    for panel, name, x, y, error in content.rows():
        shown = "" if error is None or not math.isfinite(error) else f"{error:.6g}"
        writer.writerow([panel, name, f"{x:.6g}", f"{y:.6g}", shown])
    with output.file(f"{figure.name}.csv") as stream:
        stream.write(text.getvalue().encode())
    path = output.out / f"{figure.name}.json"
    write_json(values, str(path))
    output.wrote(path)
    output.figure(canvas, figure.name, dpi=DOTS)
