"""`rmtland spectrum`: the law of a model, in a table, a figure or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmtland.cli.options import MODELS, model_class
from rmtland.cli.output import print_table, replaced

__all__ = ["curve"]


def curve(
    model: Annotated[str, typer.Argument(help=f"Model: {' or '.join(MODELS)}.")],
    phi: Annotated[float, typer.Option(help="Parameters per effective example, > 0.")],
    epsilon: Annotated[float, typer.Option(help="Energy: loss per output, >= 0.")],
    sigma: Annotated[float, typer.Option(help="Mean of the Gauss-Newton part, > 0.")] = 1.0,
    points: Annotated[int, typer.Option(help="Points of the curve in each interval.")] = 1000,
    plot: Annotated[bool, typer.Option("--plot", help="Write a PNG of the density.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write x, pdf, cdf as CSV.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for what is written.")] = Path("rmtland-output"),
) -> None:
    """Print edges, atoms, index and threshold of a model's spectral law."""
    from rich.console import Console
    from rich.table import Table

    from rmtland.arguments import count

    chosen = model_class(model)(phi, epsilon, sigma)
    if count("points", points, least=2) > 1_000_000:
        raise ValueError(f"points must be at most 1000000; got {points}")
    law = chosen.law
    table = Table(title=f"{chosen.name}, phi = {phi:g}, epsilon = {epsilon:g}, "
                  f"sigma = {sigma:g}", title_justify="left", show_header=False)  # fmt: skip
    for i, (low, high) in enumerate(law.support):
        name = "edges" if len(law.support) == 1 else f"edges of interval {i + 1}"
        table.add_row(name, f"{low:.15g}  {high:.15g}")
    table.add_row(
        "atoms", ", ".join(f"mass {mass:.15g} at {x:g}" for x, mass in law.atoms) or "none"
    )
    table.add_row("index (fraction negative)", f"{chosen.index():.15g}")
    threshold = f"{chosen.critical_energy:.15g}"
    if chosen.phi >= 1:
        threshold += "  (phi >= 1: negative eigenvalues at every positive energy)"
    table.add_row("critical energy", threshold)
    prefactor = chosen.index_prefactor
    table.add_row(
        "index prefactor alpha0", "none (phi >= 1)" if prefactor is None else f"{prefactor:.15g}"
    )
    table.add_row("mean, variance", f"{law.mean():.15g}, {law.var():.15g}")
    console = Console()
    print_table(console, table)
    stem = f"{model}-phi{phi:g}-epsilon{epsilon:g}" + (f"-sigma{sigma:g}" if sigma != 1 else "")
    if csv:
        import numpy as np

        from rmtland.plot import law_points

        x = law_points(law, points)
        rows = np.column_stack([x, law.pdf(x), law.cdf(x)])
        with replaced(out, f"{stem}.csv") as (stream, path):
            stream.write(b"x,pdf,cdf\n")
            np.savetxt(stream, rows, fmt="%.17g", delimiter=",")
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    if plot:
        from matplotlib.figure import Figure

        from rmtland.plot import draw_law

        figure = Figure(figsize=(7, 4.2), layout="constrained")
        ax = figure.subplots()
        draw_law(ax, law, points=points, color="#00798c", lw=1.8)
        ax.axvline(0, color="0.6", lw=0.6)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("eigenvalue")
        ax.set_ylabel("density")
        ax.set_title(f"{chosen.name}: phi = {phi:g}, epsilon = {epsilon:g}, "
                     f"sigma = {sigma:g}, index {chosen.index():.4g}", fontsize=10)  # fmt: skip
        with replaced(out, f"{stem}.png") as (stream, path):
            figure.savefig(stream, format="png", dpi=150)
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
