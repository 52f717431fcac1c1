"""`rmtland sample`: random matrices of a model, whole or by Lanczos at any size, and its law."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import MODELS, model_class
from rmtland.cli.output import check_folder, print_table, replaced

if TYPE_CHECKING:
    from rich.console import Console

    from rmtland.models import HessianModel
    from rmtland.spectrum import Spectrum

__all__ = ["sample"]


def sample(
    model: Annotated[str, typer.Argument(help=f"Model: {' or '.join(MODELS)}.")],
    phi: Annotated[float, typer.Option(help="Parameters per effective example, > 0.")],
    epsilon: Annotated[float, typer.Option(help="Energy: loss per output, >= 0.")],
    sigma: Annotated[float, typer.Option(help="Mean of the Gauss-Newton part, > 0.")] = 1.0,
    n: Annotated[
        float, typer.Option(help="Size of the matrices; with --lanczos any, 1e12 or inf.")
    ] = 500,
    runs: Annotated[int, typer.Option(help="Number of independent matrices.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    lanczos: Annotated[
        int | None,
        typer.Option(help="Lanczos steps: Gauss quadratures in a time that is free of n."),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Write a PNG with the law.")] = False,
    save: Annotated[bool, typer.Option("--save", help="Write the spectrum (.npz).")] = False,
    out: Annotated[Path, typer.Option(help="Folder for what is written.")] = Path("rmtland-output"),
) -> None:
    """Draw random matrices of a model and hold their spectrum against its law."""
    from rich.console import Console

    from rmtland.arguments import count

    chosen = model_class(model)(phi, epsilon, sigma)
    count("seed", seed, least=0)
    check_folder(out)
    if lanczos is None:
        if not isfinite(n):
            raise ValueError(f"n must be finite; got {n}; with --lanczos it may be inf")
        spectrum = chosen.sample(count("n", n), rng=seed, runs=runs)
    else:
        spectrum = chosen.lanczos(n, lanczos, rng=seed, runs=runs)
    console = Console()
    _print(console, chosen, spectrum)
    stem = f"{model}-phi{phi:g}-epsilon{epsilon:g}" + (f"-sigma{sigma:g}" if sigma != 1 else "")
    stem += f"-n{n:.15g}" + (f"-lanczos{lanczos}" if lanczos else "") + f"-runs{runs}-seed{seed}"
    if save:
        out.mkdir(parents=True, exist_ok=True)
        path = spectrum.save(out / f"{stem}.npz")
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    if plot:
        path = _plot(chosen, spectrum, out, f"{stem}.png")
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)


def _title(chosen: HessianModel, spectrum: Spectrum) -> str:
    kind = "eigenvalues" if spectrum.is_complete else f"{spectrum.nodes.shape[1]} Lanczos steps"
    size = "infinite" if spectrum.dimension is None else f"{spectrum.dimension:.15g}"
    runs = "1 run" if spectrum.runs == 1 else f"{spectrum.runs} runs"
    return (
        f"{chosen.name}, phi = {chosen.phi:g}, epsilon = {chosen.epsilon:g}, "
        f"sigma = {chosen.sigma:g}: {kind}, n = {size}, {runs}"
    )


def _print(console: Console, chosen: HessianModel, spectrum: Spectrum) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rmtland.comparison import compare

    law, found = chosen.law, compare(spectrum, chosen.law)
    console.print(_title(chosen, spectrum), soft_wrap=True, highlight=False, markup=False)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("", "sampled", "standard error", "law"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    if spectrum.is_complete:
        index: tuple[float | str, float | None] = (spectrum.index(), spectrum.index_error())
    else:
        index = "{:.6f} to {:.6f}".format(*spectrum.index_bracket()), None
    rows = (
        ("index (fraction negative)", *index, chosen.index()),
        ("mean", spectrum.mean(), spectrum.moment_error(1), law.mean()),
        ("second moment", spectrum.moment(2), spectrum.moment_error(2), law.moment(2)),
        ("lowest", found.spectrum_edges[0], None, found.law_edges[0]),
        ("highest", found.spectrum_edges[1], None, found.law_edges[1]),
    )
    for name, value, error, expected in rows:
        shown = f"{error:.1e}" if error is not None and isfinite(error) else ""
        text = value if isinstance(value, str) else f"{value:.10g}"
        table.add_row(name, text, shown, f"{expected:.10g}")
    if spectrum.is_complete:
        table.add_row("Kolmogorov distance", f"{found.kolmogorov:.3g}", "", "")
    print_table(console, table)


def _plot(chosen: HessianModel, spectrum: Spectrum, out: Path, name: str) -> Path:
    from matplotlib.figure import Figure

    from rmtland.plot import draw_distributions, draw_law, draw_spectrum

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    if spectrum.is_complete:
        draw_spectrum(ax, spectrum, label="sampled")
        draw_law(ax, chosen.law, color="#00798c", lw=1.8, label="law")
        ax.axvline(0, color="0.6", lw=0.6)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("eigenvalue")
        ax.set_ylabel("density")
        ax.legend(frameon=False)
    else:  # weights of quadrature nodes are no density; their sums are a distribution function
        draw_distributions(
            ax, spectrum, {"law": chosen.law}, styles=[{"color": "#00798c", "lw": 1.4}]
        )
    ax.set_title(_title(chosen, spectrum), fontsize=8)
    with replaced(out, name) as (stream, path):
        figure.savefig(stream, format="png", dpi=150)
    return path
