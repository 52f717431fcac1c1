"""`rmtland reproduce`: figures of the literature, computed anew; the scripts call it too."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.output import Stopped, check_folder, replaced, write_png

if TYPE_CHECKING:
    from rmtland.reproduction import Content, PublishedFigure

__all__ = ["main", "reproduce", "reproduce_figure"]

DOTS = 150
"""Dots per inch: pictures stay below 150 kB."""


def reproduce(
    figures: Annotated[
        list[str],
        typer.Argument(help="fig1, fig2, fig3, fig4, fig5, dyson, index, or all.", metavar="NAME"),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="A small size, in seconds.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The parameters of the paper.")] = False,
    seed: Annotated[int, typer.Option(help="Root of all random numbers.")] = 0,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with CIFAR-10 (binary version), in place of the digits."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each core by default, with --quick one.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the results of single tasks.")] = False,
    out: Annotated[
        Path, typer.Option("--out", "--output", help="Folder for what is written.")
    ] = Path("rmtland-output"),
) -> None:
    """Compute figures of Pennington & Bahri (ICML 2017) anew: picture, CSV of its data, numbers.

    Results of single tasks are kept until the picture is written: the same command goes on where
    it was interrupted.
    """
    from rmtland.reproduction import FIGURES

    chosen = []
    for name in figures:
        if name != "all" and name not in FIGURES:
            raise ValueError(f"unknown figure {name!r}; choose one of {', '.join(FIGURES)} or all")
        chosen += list(FIGURES) if name == "all" else [name]
    if quick and full:
        raise ValueError("give --quick or --full, not both")
    size = "quick" if quick else "full" if full else "default"
    folder = "" if images is None else str(images)
    made = [
        FIGURES[name].of_size(
            size, seed=seed,
            images="" if "all" in figures and not FIGURES[name].takes_images else folder,
        )
        for name in dict.fromkeys(chosen)
    ]  # fmt: skip
    check_folder(out)
    for figure in made:
        reproduce_figure(
            figure, out=out, workers=1 if quick and workers is None else workers, keep=keep
        )


def reproduce_figure(
    figure: PublishedFigure, *, out: Path, workers: int | None = None, keep: bool = False
) -> Content:
    """Compute a figure, print its numbers, and write NAME.png, NAME.csv and NAME.json.

    Parameters
    ----------
    figure : PublishedFigure
        The figure at its parameters.
    out : Path
        Folder; the results of single tasks lie in NAME-*.partial there until all is written, the
        star a digest of the parameters.
    workers : int, optional
        Processes; one for each core by default.
    keep : bool
        Leave NAME-*.partial there.
    """
    from rich.console import Console

    from rmtland.arguments import count
    from rmtland.sweep import Interrupted, Processes, Serial
    from rmtland.sweep.executors import cores

    many = cores() if workers is None else count("workers", workers)
    executor: Any = Serial() if many == 1 else Processes(many)
    tasks = sum(len(sweep.grid) for sweep in figure.sweeps.values())
    notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    notes.print(
        f"{figure.name}: {figure.title}; {tasks} tasks, {many} at a time, at most "
        f"{figure.memory / 1e6:.0f} MB each"
    )
    check_folder(out)
    # a folder for each set of parameters: the end of one run takes nothing from another
    digest = hashlib.blake2b(repr(figure).encode(), digest_size=4).hexdigest()
    partial = out / f"{figure.name}-{digest}.partial"
    try:
        content = figure.compute(folder=partial, executor=executor)
    except Interrupted as stop:
        raise Stopped(str(stop)) from None
    _write(figure, content, out)
    if not keep:
        shutil.rmtree(partial, ignore_errors=True)  # a run beside this one may have done it
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{figure.name}: {figure.title}")
    for name, value in content.numbers.items():
        console.print(f"  {name}: {value:.4g}")
    for suffix in ("png", "csv", "json"):
        console.print(f"wrote {out / f'{figure.name}.{suffix}'}")
    return content


def main(name: str, arguments: list[str] | None = None) -> None:
    """Run the script of a figure: the options of `rmtland reproduce NAME`, and its exit codes."""
    import argparse

    from rmtland.reproduction import FIGURES

    module = sys.modules[FIGURES[name].__module__]
    parser = argparse.ArgumentParser(
        description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a small size, in seconds")
    size.add_argument("--full", action="store_true", help="the parameters of the paper")
    parser.add_argument("--seed", type=int, default=0, help="root of all random numbers")
    if FIGURES[name].takes_images:
        parser.add_argument("--images", default="", metavar="FOLDER",
                            help="CIFAR-10 (binary version), in place of the digits")  # fmt: skip
    parser.add_argument("--workers", type=int, help="processes (default: cores; --quick: 1)")
    parser.add_argument("--keep", action="store_true", help="keep the results of single tasks")
    parser.add_argument("--output", "--out", type=Path, default=Path("rmtland-output"),
                        help="folder for what is written (default rmtland-output)")  # fmt: skip
    given = parser.parse_args(arguments)
    chosen = "quick" if given.quick else "full" if given.full else "default"
    try:
        figure = FIGURES[name].of_size(chosen, seed=given.seed, images=getattr(given, "images", ""))
        reproduce_figure(
            figure, out=given.output, keep=given.keep,
            workers=1 if given.quick and given.workers is None else given.workers,
        )  # fmt: skip
    except (KeyboardInterrupt, Stopped) as stop:
        parser.exit(130, f"{parser.prog}: error: {stop or 'interrupted'}\n")
    except (ValueError, TypeError, ArithmeticError, OSError, MemoryError) as error:
        parser.exit(2, f"{parser.prog}: error: {' '.join(str(error).split())}\n")


def _command(figure: PublishedFigure) -> str | None:
    """Return the command that computes a figure; None if no size has its parameters."""
    given: dict[str, Any] = {"seed": figure.seed, "images": figure.images}
    for size, option in (("default", ""), ("quick", " --quick"), ("full", " --full")):
        if type(figure).of_size(size, **given) == figure:
            more = [f" --{name} {value}" for name, value in given.items() if value]
            return f"rmtland reproduce {figure.name}{option}{''.join(more)}"
    return None


def _write(figure: PublishedFigure, content: Content, out: Path) -> None:
    from matplotlib.figure import Figure

    canvas = Figure(layout="constrained")
    figure.draw(canvas, content)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["panel", "series", "x", "y", "error"])
    for panel, name, x, y, error in content.rows():
        shown = "" if error is None or not math.isfinite(error) else f"{error:.6g}"
        writer.writerow([panel, name, f"{x:.6g}", f"{y:.6g}", shown])
    with replaced(out, f"{figure.name}.csv") as (stream, _):
        stream.write(text.getvalue().encode())
    # the last digits depend on how the processor adds
    numbers = {name: float(f"{value:.9g}") for name, value in content.numbers.items()}
    report = {
        "figure": figure.name, "title": figure.title, "command": _command(figure),
        "parameters": asdict(figure), "numbers": numbers, "caption": content.caption,
    }  # fmt: skip
    with replaced(out, f"{figure.name}.json") as (stream, _):
        stream.write((json.dumps(report, indent=1, allow_nan=False) + "\n").encode())
    write_png(canvas, out, f"{figure.name}.png", dpi=DOTS)
