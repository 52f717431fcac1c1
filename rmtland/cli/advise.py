"""`rmtland advise`: which first-order method a spectrum asks for, and what it gains."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.landscape.subject import (
    ActivationName,
    Bias,
    Data,
    Decay,
    Hidden,
    LossName,
    Model,
    Network,
    SamplesOrAll,
    Steps,
)
from rmtland.cli.options import MODELS, OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output
from rmtland.cli.user_function import function_of

if TYPE_CHECKING:
    from rmtland.laws import Law
    from rmtland.optimizer import Method
    from rmtland.spectrum import Spectrum

__all__ = ["advise"]

LONGEST = 10_000
"""Steps that are advised on, at most."""


def advise(
    curvatures: Annotated[
        str | None,
        typer.Argument(
            metavar="LAW|MODEL|FILE|network",
            help="A law or a model, such as 'MarchenkoPastur(.5)' or 'NeuralTangentKernel(100, "
            "(200,), 150)'; or eigenvalues: .npy, .npz, .csv, or - for standard input; or the "
            "word network, for a network by the options below, at its start.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Number of steps after which the error counts.")] = 20,
    objective: Annotated[
        str, typer.Option(help="What shall be small: distance, loss or gradient.")
    ] = "loss",
    dimension: Annotated[
        int | None,
        typer.Option(
            help="Order of the matrices, for a law or a model: a band, and a margin at its edges."
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            help="Matrices of a model that are drawn, with --dimension, and run; 0 for none."
        ),
    ] = 50,
    plot: Annotated[bool, typer.Option("--plot", help="Write a figure of the errors.")] = False,
    model: Model = None,
    data: Data = "digits",
    samples: SamplesOrAll = None,
    hidden: Hidden = "16",
    activation: ActivationName = "tanh",
    loss: LossName = "mse",
    bias: Bias = False,
    weight_decay: Decay = 0.0,
    train_steps: Steps = 0,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Say which first-order method these curvatures ask for, and what it gains.

    Curvatures are those of a quadratic loss near a minimum: none may be negative. Of a network, or
    a model of PyTorch, the measure of its own gradient over the Gauss-Newton matrix takes the place
    of a law, and the methods are tried on the true loss.
    """
    output = Output(out, format=format, json=json_file, html=html, writes=plot)
    if steps > LONGEST:
        raise ValueError(f"--steps is at most {LONGEST}; got {steps}")
    if model is not None or curvatures == "network":
        if model is not None and curvatures is not None:
            raise ValueError("give curvatures or --model, not both")
        if objective != "loss" or dimension is not None:
            raise ValueError("--objective and --dimension are for laws, models and eigenvalues")
        options = Network(
            data, hidden, samples, activation, loss, bias, weight_decay, train_steps, seed
        )
        _at_a_start(output, options, model, steps, plot=plot)
        return
    if curvatures is None:
        raise ValueError("give a law, a model, a file of eigenvalues, the word network, or --model")
    _on_curvatures(output, curvatures, steps, objective, dimension, draws, seed, plot=plot)


def _on_curvatures(
    output: Output,
    text: str,
    steps: int,
    objective: str,
    dimension: int | None,
    draws: int,
    seed: int,
    *,
    plot: bool,
) -> None:
    """Advise on a law, a model or eigenvalues, and run drawn matrices of a model."""
    from rich.table import Table

    from rmtland.arguments import count
    from rmtland.cli.advise_figure import advice_figure
    from rmtland.laws import Law
    from rmtland.optimizer import advise as advise_on, sampled_errors
    from rmtland.spectrum import Spectrum

    count("draws", draws, min_value=0)
    source, made = _source(text)
    found = advise_on(source, steps=steps, objective=objective, dimension=dimension)
    measured = None
    if dimension is not None and draws and not isinstance(made, Law | Spectrum):
        measured = sampled_errors(
            made,
            found.method,
            steps,
            dimension=dimension,
            runs=draws,
            objective=objective,
            rng=seed,
        )
    output.title(f"First-order methods for {text}")
    table = Table(title=f"{objective} after {steps} steps, in parts of that at the start")
    for head in ("method", "parameters at the last step", "predicted", "score"):
        table.add_column(head, justify="left" if head == "method" else "right")
    for candidate in found.candidates:
        table.add_row(
            candidate.method.name,
            _numbers_of(candidate.method, steps),
            f"{candidate.error:.3g}",
            f"{candidate.score:.2f}",
        )
    output.table(table)
    output.answer(str(found))
    if measured is not None:
        import numpy as np

        low, middle, high = np.quantile(measured[:, -1], [0.05, 0.5, 0.95])
        output.line(
            f"Measured on {draws} matrices of order {dimension} with drawn starts: {middle:.3g} "
            f"(90 %: {low:.3g} to {high:.3g})."
        )
        ends = found.prediction.interval()
        if not ends[0][-1] <= middle <= ends[1][-1]:
            output.line(
                "The runs leave the predicted band: matrices of this order have curvatures that "
                "their law does not (outliers, wider edges). Trust the runs; or advise on the "
                "eigenvalues of such a matrix."
            )
    if plot:
        output.figure(advice_figure(found, source, measured), "advise")
    step, momentum, _ = found.method.coefficients(steps)
    output.numbers(
        {
            "method": found.method.name,
            "objective": objective,
            "steps": steps,
            "seed": seed,
            "step": step.tolist(),
            "momentum": momentum.tolist(),
            "errors": found.prediction.errors.tolist(),
            "gain": list(found.gain),
            "assumptions": list(found.assumptions),
            "candidates": [
                {"method": one.method.name, "error": one.error, "score": one.score}
                for one in found.candidates
            ],
            "measured": None if measured is None else measured[:, -1].tolist(),
        }
    )


def _at_a_start(
    output: Output, options: Network, model: str | None, steps: int, *, plot: bool
) -> None:
    """Advise at a point of a network or a model of PyTorch, and try the methods there."""
    from rich.table import Table

    from rmtland.cli.advise_figure import start_figure
    from rmtland.optimizer import advise_start

    if model is None:
        subject = options.trained()
        assert subject.point is not None  # it was trained
        title, point = subject.heading, subject.point
    else:
        from rmtland.adapters import from_torch

        made = function_of(model)()
        if not (isinstance(made, tuple) and len(made) == 3):
            raise ValueError(f"--model: {model} must return (model, loss, data) of PyTorch")
        title, point = model, from_torch(*made)
    found = advise_start(point, steps=steps)
    output.title(f"First-order methods for {title}")
    table = Table(title=f"loss after {steps} steps, {found.loss:.4g} at the start")
    for head in ("method", "parameters at the last step", "predicted", "measured"):
        table.add_column(head, justify="left" if head == "method" else "right")
    for curve in found.curves:
        assert curve.measured is not None
        table.add_row(
            curve.method.name,
            _numbers_of(curve.method, steps),
            f"{curve.predicted[-1]:.4g}",
            f"{curve.measured[-1]:.4g}",
        )
    output.table(table)
    output.answer(str(found))
    if plot:
        output.figure(start_figure(found, title), "advise")
    step, momentum, ahead = found.method.coefficients(steps)
    output.numbers(
        {
            "method": found.method.name,
            "steps": steps,
            "seed": options.seed if model is None else None,
            "step": step.tolist(),
            "momentum": momentum.tolist(),
            "extrapolation": ahead.tolist(),
            "products": found.products,
            "best": found.best.tolist(),
            "curves": [
                {
                    "method": curve.method.name,
                    "predicted": curve.predicted.tolist(),
                    "measured": [
                        float(x) if math.isfinite(x) else None
                        for x in curve.measured  # type: ignore[union-attr]
                    ],
                }
                for curve in found.curves
            ],
        }
    )


def _numbers_of(method: Method, steps: int) -> str:
    step, momentum, _ = method.coefficients(steps)
    return f"step {step[-1]:.4g}, momentum {momentum[-1]:.3g}"


def _source(text: str) -> tuple[Law | Spectrum, Any]:
    """Return the law or the spectrum that the argument names, and what it is the law of."""
    if text == "-" or Path(text).suffix in {".npy", ".npz", ".csv", ".txt"}:
        from rmtland.cli.eigenvalues import read_eigenvalues

        found = read_eigenvalues(text)
        return found, found
    if text in MODELS:
        raise ValueError(
            f"{text} is a family with negative curvatures; give a law of positive ones, such as "
            "'MarchenkoPastur(.5)', or a file of eigenvalues"
        )
    from rmtland.cli.expressions import theory
    from rmtland.comparison import law_of

    made = theory(text)
    return law_of(made), made
