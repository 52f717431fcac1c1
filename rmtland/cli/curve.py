"""`rmtland spectrum`: the law of a model, or of an expression, in a table, a figure or a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.options import MODELS, OUT, Format, Html, Json, Out, model_class
from rmtland.cli.output import Output
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.comparison.theories import Theory
    from rmtland.laws import Law

__all__ = ["curve"]

_MOST_POINTS = 1_000_000


def curve(
    model: Annotated[
        str,
        typer.Argument(
            help=f"Model, {' or '.join(MODELS)}, with --phi and --epsilon; or a law, such as "
            "'free_sum(MarchenkoPastur(.5), Semicircle(.3))' or "
            "'law_of_polynomial(x*y + y*x, x=Uniform(0, 1), y=Semicircle())'."
        ),
    ],
    phi: Annotated[
        float | None, typer.Option(help="Parameters per effective example, > 0.")
    ] = None,
    epsilon: Annotated[float | None, typer.Option(help="Energy: loss per output, >= 0.")] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Mean of the Gauss-Newton part, > 0; 1 by default.")
    ] = None,
    points: Annotated[int, typer.Option(help="Points of the curve in each interval.")] = 1000,
    plot: Annotated[bool, typer.Option("--plot", help="Write a figure of the density.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write x, pdf, cdf as CSV.")] = False,
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Print edges, atoms, index and moments of a law; of a model its threshold too."""
    from rmtland.arguments import count
    from rmtland.comparison import law_of

    output = Output(out, format=format, json=json_file, html=html, writes=plot or csv)
    chosen, title, stem = _chosen(model, phi, epsilon, sigma)
    law = law_of(chosen)
    _prepare(law)
    count("points", points, min_value=2)
    if points * max(1, len(law.support)) > _MOST_POINTS:
        raise ValueError(
            f"points must be at most {_MOST_POINTS} in all {len(law.support)} intervals; got "
            f"{points} in each"
        )
    numbers = _numbers(chosen, law)
    _print(output, title, numbers)
    if csv:
        import numpy as np

        from rmtland.plot import law_points

        x = law_points(law, points)
        rows = np.column_stack([x, law.pdf(x), law.cdf(x)])
        with output.file(f"{stem}.csv") as stream:
            stream.write(b"x,pdf,cdf\n")
            np.savetxt(stream, rows, fmt="%.17g", delimiter=",")
    if plot:
        from matplotlib.figure import Figure

        from rmtland.plot import STYLES, draw_law

        figure = Figure(figsize=(7, 4.2), layout="constrained")
        ax = figure.subplots()
        draw_law(ax, law, points=points, **{**STYLES["Dyson"], "lw": 1.8})
        ax.axvline(0, color="0.6", lw=0.6)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("eigenvalue")
        ax.set_ylabel("density")
        ax.set_title(f"{title}\nindex {numbers['index']:.4g}", fontsize=10, wrap=True)
        output.figure(figure, stem)
    output.numbers({"law": title, **numbers})


def _chosen(
    text: str, phi: float | None, epsilon: float | None, sigma: float | None
) -> tuple[Theory, str, str]:
    """Return the model or law, what it is called, and a stem for names of files."""
    if text not in MODELS and re.fullmatch(r"[\w-]*", text):
        raise ValueError(
            f"unknown model {text!r}; choose one of {', '.join(MODELS)}, or give a law with its "
            "parameters, such as 'MarchenkoPastur(.5)'"
        )
    if text in MODELS:
        if phi is None or epsilon is None:
            missing = "--phi" if phi is None else "--epsilon"
            raise ValueError(f"Missing option '{missing}': the model {text} needs it")
        sigma = 1.0 if sigma is None else sigma
        model = model_class(text)(phi, epsilon, sigma)
        stem = f"{text}-phi{phi:g}-epsilon{epsilon:g}" + (f"-sigma{sigma:g}" if sigma != 1 else "")
        return model, f"{model.name}, phi = {phi:g}, epsilon = {epsilon:g}, sigma = {sigma:g}", stem
    for name, value in (("--phi", phi), ("--epsilon", epsilon), ("--sigma", sigma)):
        if value is not None:
            raise ValueError(f"{name} belongs to {' and '.join(MODELS)}; a law has its own numbers")
    from rmtland.cli.expressions import theory

    made = theory(text)
    words = re.sub(r"[^\w.=+-]+", "-", text.strip()).strip("-")
    return made, " ".join(text.split()), words[:100]


def _prepare(law: Law) -> None:
    """Search bands and atoms of the law of a polynomial, with a bar that says how long it takes."""
    from rmtland.free import PolynomialLaw

    if not isinstance(law, PolynomialLaw):
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("about {task.fields[left]:.0f} s left"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:  # a hidden bar of Rich 13 still ends in an empty line
        law.prepare()
        return
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("equation", total=1.0, left=0.0)

        def show(stage: str, share: float, seconds: float) -> None:
            bar.update(task, description=stage, completed=share, left=seconds)

        law.prepare(show)


def _numbers(chosen: Any, law: Law) -> Record:
    numbers: Record = {
        "support": [list(band) for band in law.support],
        "atoms": [list(atom) for atom in law.atoms],
        "index": float(law.mass_below(0.0)),
        "mean": law.mean(),
        "variance": law.var(),
    }
    if hasattr(chosen, "critical_energy"):
        numbers["critical_energy"] = chosen.critical_energy
        numbers["index_prefactor"] = chosen.index_prefactor
        numbers["phi"] = chosen.phi
    return numbers


def _print(output: Output, title: str, numbers: Record) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    for i, (low, high) in enumerate(numbers["support"]):
        name = "edges" if len(numbers["support"]) == 1 else f"edges of interval {i + 1}"
        table.add_row(name, f"{low:.15g}  {high:.15g}")
    atoms = ", ".join(f"mass {mass:.15g} at {x:g}" for x, mass in numbers["atoms"])
    table.add_row("atoms", atoms or "none")
    table.add_row("index (fraction negative)", f"{numbers['index']:.15g}")
    if "critical_energy" in numbers:
        threshold = f"{numbers['critical_energy']:.15g}"
        if numbers["phi"] >= 1:
            threshold += "  (phi >= 1: negative eigenvalues at every positive energy)"
        table.add_row("critical energy", threshold)
        prefactor = numbers["index_prefactor"]
        words = "none (phi >= 1)" if prefactor is None else f"{prefactor:.15g}"
        table.add_row("index prefactor alpha0", words)
    table.add_row("mean, variance", f"{numbers['mean']:.15g}, {numbers['variance']:.15g}")
    output.table(table)
