"""`rmtland shrink`: eigenvalues of a sample covariance matrix, shrunken to those behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import OUT, Format, Html, Json, Out
from rmtland.cli.output import Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.comparison import Shrinkage

__all__ = ["shrink"]


def shrink(
    eigenvalues: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="All eigenvalues of X^T X / n: .npy, .npz, .csv, or - for standard input.",
        ),
    ],
    samples: Annotated[
        int,
        typer.Option(help="Number n of samples; one fewer where their mean was subtracted."),
    ],
    loss: Annotated[
        str, typer.Option(help="What the values minimise: frobenius or stein.")
    ] = "frobenius",
    plot: Annotated[bool, typer.Option("--plot", help="Write a figure.")] = False,
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Shrink the eigenvalues of a sample covariance matrix (nonlinear shrinkage).

    Writes shrink.csv: each eigenvalue, and what to put in its place with the eigenvectors kept.
    """
    import warnings

    import numpy as np
    from rich.table import Table

    from rmtland.cli.eigenvalues import read_eigenvalues
    from rmtland.comparison import nonlinear_shrinkage

    output = Output(out, format=format, json=json_file, html=html)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = nonlinear_shrinkage(read_eigenvalues(eigenvalues), samples=samples, loss=loss)
    notes = [str(one.message) for one in caught]
    with output.file("shrink.csv") as stream:
        stream.write(b"eigenvalue,shrunken\n")
        rows = np.column_stack([found.eigenvalues, found.values])
        np.savetxt(stream, rows, fmt="%.17g", delimiter=",")
    table = Table(title=f"{len(found.values)} eigenvalues of {samples} samples", show_header=False)
    ends = found.eigenvalues[[0, -1]]
    table.add_row("eigenvalues", f"{ends[0]:.6g} ... {ends[1]:.6g}")
    table.add_row("shrunken", f"{found.values.min():.6g} ... {found.values.max():.6g}")
    middle, upper = (float(found.population.ppf(level)) for level in (0.5, 0.9))
    table.add_row("population, median and 90 %", f"{middle:.6g}, {upper:.6g}")
    error = getattr(found.population, "error", None)
    if error is not None:
        table.add_row("its error (Wasserstein)", f"{error:.3g}")
    if found.comparison is not None:
        table.add_row("Kolmogorov distance to its law", f"{found.comparison.kolmogorov:.3g}")
    output.table(table)
    for note in notes:
        output.line(f"note: {note}")
    if plot:
        output.figure(_figure(found), "shrink")
    output.numbers({**found.to_dict(), "notes": notes})


def _figure(found: Shrinkage) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(found.eigenvalues, found.values, ".", ms=4, color="C0")
    top = found.eigenvalues[-1]
    left.plot([0, top], [0, top], lw=0.8, color="0.6", label="unchanged")
    left.set(xlabel="eigenvalue of the sample", ylabel="shrunken")
    left.legend(frameon=False)
    levels = [(i + 0.5) / len(found.values) for i in range(len(found.values))]
    right.plot(found.eigenvalues, levels, ".", ms=4, color="C0", label="sample")
    right.plot(found.law.ppf(levels), levels, color="C3", lw=1, label="law of the sample")
    right.plot(found.population.ppf(levels), levels, color="C2", lw=1.2, label="population")
    right.set(xlabel="eigenvalue", ylabel="distribution function", ylim=(0, 1))
    right.legend(frameon=False)
    return figure
