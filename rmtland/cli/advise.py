"""`rmtland advise`: which first-order method a spectrum asks for, and what it gains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.options import MODELS, OUT, Format, Html, Json, Out
from rmtland.cli.output import Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.optimizer import Advice

__all__ = ["advise"]


def advise(
    curvatures: Annotated[
        str,
        typer.Argument(
            metavar="LAW|FILE",
            help="A law, such as 'MarchenkoPastur(.5)' or 'free_product(MarchenkoPastur(.5), "
            "Uniform(1, 2))'; or eigenvalues: .npy, .npz, .csv, or - for standard input.",
        ),
    ],
    steps: Annotated[int, typer.Option(help="Number of steps after which the error counts.")] = 20,
    objective: Annotated[
        str, typer.Option(help="What shall be small: distance, loss or gradient.")
    ] = "loss",
    dimension: Annotated[
        int | None,
        typer.Option(help="Order of the matrices, for a law: a band, and a margin at its edges."),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Write a figure of the errors.")] = False,
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Say which first-order method these curvatures ask for, and what it gains.

    Curvatures are those of a quadratic loss near a minimum: none may be negative.
    """
    from rich.table import Table

    from rmtland.optimizer import advise as advise_on

    output = Output(out, format=format, json=json_file, html=html, writes=plot)
    source = _source(curvatures)
    found = advise_on(source, steps=steps, objective=objective, dimension=dimension)
    table = Table(title=f"{objective} after {steps} steps, in parts of that at the start")
    for head in ("method", "parameters at the last step", "predicted", "score"):
        table.add_column(head, justify="left" if head == "method" else "right")
    for candidate in found.candidates:
        step, momentum, _ = candidate.method.coefficients(steps)
        numbers = f"step {step[-1]:.4g}, momentum {momentum[-1]:.3g}"
        table.add_row(
            candidate.method.name, numbers, f"{candidate.error:.3g}", f"{candidate.score:.2f}"
        )
    output.table(table)
    output.line(str(found))
    if plot:
        output.figure(_figure(found, source), "advise")
    step, momentum, _ = found.method.coefficients(steps)
    output.numbers(
        {
            "method": found.method.name,
            "objective": objective,
            "steps": steps,
            "step": step.tolist(),
            "momentum": momentum.tolist(),
            "errors": found.prediction.errors.tolist(),
            "gain": list(found.gain),
            "assumptions": list(found.assumptions),
            "candidates": [
                {"method": one.method.name, "error": one.error, "score": one.score}
                for one in found.candidates
            ],
        }
    )


def _source(text: str) -> Any:
    """Return the law or the spectrum that the argument names."""
    if text == "-" or Path(text).suffix in {".npy", ".npz", ".csv", ".txt"}:
        from rmtland.cli.eigenvalues import read_eigenvalues

        return read_eigenvalues(text)
    if text in MODELS:
        raise ValueError(
            f"{text} is a family with negative curvatures; give a law of positive ones, such as "
            "'MarchenkoPastur(.5)', or a file of eigenvalues"
        )
    from rmtland.cli.expressions import theory
    from rmtland.comparison import law_of

    return law_of(theory(text))


def _figure(found: Advice, source: Any) -> Figure:
    import numpy as np
    from matplotlib.figure import Figure

    from rmtland.optimizer import best_errors, predict

    objective, steps = found.prediction.objective, found.steps
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    ax = figure.subplots()
    t = np.arange(steps + 1)
    tiny = 1e-300
    ax.plot(t, np.maximum(best_errors(source, steps, objective=objective), tiny), color="0.3",
            lw=1, ls="--", label="best possible")  # fmt: skip
    for candidate in found.candidates:
        errors = predict(candidate.method, source, steps, objective=objective).errors
        ax.plot(t, np.maximum(errors, tiny), lw=1.4, label=candidate.method.name)
    if found.prediction.draws is not None:
        low, high = found.prediction.interval()
        ax.fill_between(t, np.maximum(low, tiny), np.maximum(high, tiny), color="C0", alpha=0.25,
                        lw=0, label="90 % of matrices")  # fmt: skip
    ax.set_yscale("log")
    ax.set(xlabel="step", ylabel=f"{objective}, in parts of that at the start", xlim=(0, steps))
    ax.legend(frameon=False)
    return figure
