"""`rmtland weights`: the spectrum of every weight matrix of a model beside Marchenko-Pastur."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output
from rmtland.cli.user_function import function_of
from rmtland.typing import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.comparison import WeightSpectra

__all__ = ["weights"]

DRAWN = 24
"""Layers in the figure, at most."""


def weights(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="File of matrices (.npz, .npy, .safetensors), or MODULE:FUNCTION, a function "
            "without arguments that returns a model, a state_dict or arrays by name (or a tuple "
            "that begins with one); MODULE may be a file such as run.py.",
        ),
    ],
    layers: Annotated[
        str | None,
        typer.Option(help="Names or patterns of weights, with commas: 'layer1.*,fc.weight'."),
    ] = None,
    transposed: Annotated[
        str | None,
        typer.Option(
            help="Names or patterns of kernels of transposed convolutions, with commas, in files "
            "and state dicts whose biases do not tell: 'decoder.*'."
        ),
    ] = None,
    level: Annotated[
        float, typer.Option(help="Chance with which Gaussian entries show a spike.")
    ] = 0.05,
    min_size: Annotated[
        int, typer.Option(help="Matrices with fewer rows or columns are left out.")
    ] = 8,
    goodness: Annotated[
        int, typer.Option(help="Matrices drawn for the p-value of each bulk; 0 for none.")
    ] = 99,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap samples for the error of each tail exponent.")
    ] = 40,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Lay the Marchenko-Pastur law beside the singular values of every weight matrix.

    Convolutions are unrolled. Prints for each matrix its spikes (Tracy-Widom), the p-value of its
    bulk and the exponent of its tail; writes a figure and weights.json.
    """
    from rmtland.comparison import spectra_of_weights
    from rmtland.files import check_target

    output = Output(out, format=format, json=json_file, html=html)
    for name in (f"weights.{format}", "weights.json"):
        check_target(out / name)
    matrices = _matrices(source, layers, min_size, transposed)
    found = spectra_of_weights(
        matrices, level=level, min_size=min_size, resamples=resamples, goodness=goodness, rng=seed
    )
    settings = {
        "source": source,
        "layers": layers,
        "transposed": transposed,
        "level": level,
        "min_size": min_size,
        "goodness": goodness,
        "resamples": resamples,
        "seed": seed,
    }
    report = {"settings": settings, **found.to_dict()}
    _print(output, source, found)
    output.json_file("weights.json", report)  # numbers first: a picture can be drawn again
    if len(found) > DRAWN:
        output.line(f"the figure shows the first {DRAWN} of {len(found)}; choose by --layers")
    output.figure(_figure(source, found), "weights", dpi=100)
    output.numbers(report)


def _matrices(source: str, layers: str | None, min_size: int, transposed: str | None) -> Record:
    """Return the matrices of a file, or of what a user's function returns."""
    from rmtland.adapters import weight_matrices
    from rmtland.adapters.weight_files import read_weights

    if ":" in source and not Path(source).exists():
        made = function_of(source)()
        made = made[0] if isinstance(made, tuple) and made else made
    else:
        made = read_weights(source)
    patterns = [word.strip() for word in transposed.split(",")] if transposed else ()
    found = weight_matrices(made, min_size=min_size, transposed=patterns)
    if layers is None:
        return dict(found)
    chosen: set[str] = set()
    for pattern in (word.strip() for word in layers.split(",")):
        fitting = {name for name in found if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(
                f"no weight matrix fits {pattern!r}; there are {', '.join(list(found)[:12])}"
            )
        chosen |= fitting
    return {name: matrix for name, matrix in found.items() if name in chosen}


def _print(output: Output, source: str, found: WeightSpectra) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    heads, *rows = found.rows()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    output.line(f"{source}: {len(found)} weight matrices, spikes at level {found.level:g}")
    output.table(table)
    for name, why in found.refused.items():
        output.line(f"{name} was left out: {why}")


def _figure(source: str, found: WeightSpectra) -> Figure:
    from matplotlib.figure import Figure

    drawn = list(found)[:DRAWN]
    across = min(3, len(drawn))
    down = -(-len(drawn) // across)
    figure = Figure(figsize=(4.2 * across, 3.2 * down + 0.4), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for ax, layer in zip(grid, drawn, strict=False):
        layer.plot(ax)
    for ax in grid[len(drawn) :]:
        ax.set_axis_off()
    figure.suptitle(f"{source}: singular values squared over the longer side", fontsize=10)
    return figure
