"""`rmtland sample`: random matrices of a model, whole or by Lanczos at any size, and its law."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import (
    OUT,
    Epsilon,
    Format,
    Html,
    Json,
    ModelName,
    Out,
    Phi,
    Seed,
    Sigma,
    model_class,
)
from rmtland.cli.output import Output
from rmtland.typing import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from rmtland.models import HessianModel
    from rmtland.spectrum import Spectrum

__all__ = ["sample"]


def sample(
    model: ModelName,
    phi: Phi,
    epsilon: Epsilon,
    sigma: Sigma = 1.0,
    n: Annotated[
        float, typer.Option(help="Size of the matrices; with --lanczos any, 1e12 or inf.")
    ] = 500,
    runs: Annotated[int, typer.Option(help="Number of independent matrices.")] = 1,
    seed: Seed = 0,
    lanczos: Annotated[
        int | None,
        typer.Option(help="Lanczos steps: Gauss quadratures in a time that does not depend on n."),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the sample with the law.")] = False,
    save: Annotated[bool, typer.Option("--save", help="Write the spectrum (.npz).")] = False,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Draw random matrices of a model and compare their spectrum with its law."""
    from rmtland.arguments import count
    from rmtland.comparison import compare

    chosen = model_class(model)(phi, epsilon, sigma)
    count("seed", seed, min_value=0)
    output = Output(out, format=format, json=json, html=html)
    if lanczos is None:
        if not isfinite(n):
            raise ValueError(f"n must be finite; got {n}; with --lanczos it may be inf")
        spectrum = chosen.sample(_fitting(count("n", n)), rng=seed, runs=runs)
    else:
        spectrum = chosen.lanczos(n, lanczos, rng=seed, runs=runs)
    values = _values(chosen, spectrum)
    distance = compare(spectrum, chosen.law).kolmogorov if spectrum.is_complete else None
    output.line(_title(chosen, spectrum))
    output.table(_table(values, distance))
    stem = f"{model}-phi{phi:g}-epsilon{epsilon:g}" + (f"-sigma{sigma:g}" if sigma != 1 else "")
    stem += f"-n{n:.15g}" + (f"-lanczos{lanczos}" if lanczos else "") + f"-runs{runs}-seed{seed}"
    if save:
        out.mkdir(parents=True, exist_ok=True)
        output.wrote(spectrum.save(out / f"{stem}.npz"))
    if plot:
        output.figure(_figure(chosen, spectrum), stem)
    output.numbers(
        {
            "command": "sample",
            "model": type(chosen).__name__,
            "parameters": {"phi": phi, "epsilon": epsilon, "sigma": sigma},
            "n": n,
            "runs": runs,
            "seed": seed,
            "lanczos": lanczos,
            "values": values,
            "kolmogorov": distance,
        }
    )


def _fitting(n: int) -> int:
    """Return the size, or say that a matrix of it does not fit into memory."""
    from rmtland.estimate.krylov_basis import available_bytes

    need, free = 24 * n**2, available_bytes()  # the matrix, what it is summed from, its reduction
    if free is not None and need > free:
        raise ValueError(
            f"matrices of size {n:.15g} take {need / 2**30:.3g} GiB, {free / 2**30:.3g} GiB are "
            "free: take a smaller --n, or --lanczos STEPS, which forms none"
        )
    return n


def _title(chosen: HessianModel, spectrum: Spectrum) -> str:
    kind = "eigenvalues" if spectrum.is_complete else f"{spectrum.nodes.shape[1]} Lanczos steps"
    size = "infinite" if spectrum.dimension is None else f"{spectrum.dimension:.15g}"
    runs = "1 run" if spectrum.runs == 1 else f"{spectrum.runs} runs"
    return (
        f"{chosen.name}, phi = {chosen.phi:g}, epsilon = {chosen.epsilon:g}, "
        f"sigma = {chosen.sigma:g}: {kind}, n = {size}, {runs}"
    )


def _values(chosen: HessianModel, spectrum: Spectrum) -> dict[str, Record]:
    """Return what was sampled, its standard error, and the law's value, by name."""
    from rmtland.comparison import compare

    law, found = chosen.law, compare(spectrum, chosen.law)
    index: Record = {"law": chosen.index()}
    if spectrum.is_complete:
        index |= {"sampled": spectrum.index(), "standard_error": spectrum.index_error()}
    else:
        index |= {"bracket": spectrum.index_bracket()}
    return {
        "index": index,
        "mean": {
            "sampled": spectrum.mean(),
            "standard_error": spectrum.moment_error(1),
            "law": law.mean(),
        },
        "second moment": {
            "sampled": spectrum.moment(2),
            "standard_error": spectrum.moment_error(2),
            "law": law.moment(2),
        },
        "lowest": {"sampled": found.spectrum_edges[0], "law": found.law_edges[0]},
        "highest": {"sampled": found.spectrum_edges[1], "law": found.law_edges[1]},
    }


def _table(values: dict[str, Record], distance: float | None) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("", "sampled", "standard error", "law"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, value in values.items():
        title = "index (fraction negative)" if name == "index" else name
        if "bracket" in value:
            sampled = "{:.6f} to {:.6f}".format(*value["bracket"])
        else:
            sampled = f"{value['sampled']:.10g}"
        error = value.get("standard_error")
        shown = f"{error:.1e}" if error is not None and isfinite(error) else ""
        table.add_row(title, sampled, shown, f"{value['law']:.10g}")
    if distance is not None:
        table.add_row("Kolmogorov distance", f"{distance:.3g}", "", "")
    return table


def _figure(chosen: HessianModel, spectrum: Spectrum) -> Figure:
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
    return figure
