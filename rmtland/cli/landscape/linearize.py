"""`rmtland landscape linearize`: networks beside their linearisation, over widths and scales."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from rmtland.cli.landscape.problem_options import (
    Targets,
    chosen_targets,
    numbers_of,
    right_table,
)
from rmtland.cli.landscape.stage_bar import stage_bar
from rmtland.cli.landscape.subject import ActivationName, Data, Model, Samples, torch_model
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.intervals import interval_words
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmtland.landscape.linearisation import LinearisedLoss, Scaling
    from rmtland.networks import MLP

__all__ = ["linearize"]

LEGEND = (
    "movement: |theta - theta0|; relative: over |theta0|; output error: of the linearised outputs, "
    "over the first residual;",
    "kernel change: of J J^T, relative; loss deviation: largest on the way, relative.",
)


def linearize(
    data: Data = "digits8-labels",
    outputs: Targets = 1,
    samples: Samples = 200,
    activation: ActivationName = "tanh",
    widths: Annotated[
        str, typer.Option(help="Widths of the hidden layer, with commas; two or more.")
    ] = "64,256,1024",
    depth: Annotated[int, typer.Option(help="Hidden layers.")] = 1,
    parametrisation: Annotated[
        str, typer.Option(help="ntk (weights over the root of their inputs) or standard.")
    ] = "ntk",
    scales: Annotated[
        str, typer.Option(help="Output scales, for the smallest width; two or more.")
    ] = "0.5,2,8,32",
    fraction: Annotated[
        float, typer.Option(help="Train until the linearised loss has fallen to this.")
    ] = 0.1,
    relative_step: Annotated[
        float, typer.Option(help="Step size times lambda_max/m; stable below 2.")
    ] = 0.25,
    max_steps: Annotated[int, typer.Option(help="Refuse to take more steps.")] = 20_000,
    seeds: Annotated[int, typer.Option(help="Networks of each size.")] = 3,
    model: Model = None,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Train networks beside their exact linearisation: losses, movement, exponents in the width.

    For a model of PyTorch: its tangent kernel, the Gauss-Newton step, and the exact descent on its
    linearisation with half the mean squared error.
    """
    from rmtland.arguments import choice, count
    from rmtland.files import check_target
    from rmtland.landscape.linearisation import output_scaling, width_scaling
    from rmtland.networks import MLP
    from rmtland.networks.mlp import PARAMETRISATIONS

    choice("parametrisation", parametrisation, PARAMETRISATIONS)
    sizes = numbers_of("widths", widths, int)
    alphas = numbers_of("scales", scales, float)
    for option, sweep in (("widths", sizes), ("scales", alphas)):
        if len(set(sweep)) < 2 or len(set(sweep)) * count("seeds", seeds) < 3:
            raise ValueError(
                f"--{option}: at least two different {option}, and three networks in all, are "
                "needed for an exponent"
            )
    count("max_steps", max_steps)
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"--fraction must be between 0 and 1; got {fraction}")
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"linearize.{format}")
    if model is not None:
        _model(output, model, fraction)
        return
    problem = _problem(data, samples, outputs, seed)
    layers = [min(sizes)] * count("depth", depth)
    net = MLP(
        (problem.x.shape[1], *layers, problem.y.shape[1]),
        activation,
        parametrisation=parametrisation,
    )
    _refuse_long(net, problem, max(sizes), fraction, relative_step, max_steps, seed)
    options: Record = {"seeds": seeds, "fraction": fraction, "step": relative_step}
    with stage_bar() as stage:
        by_width = width_scaling(
            net, problem.x, problem.y, sizes, rng=seed, progress=stage("widths"), **options
        )
        options["step"] = min(relative_step, 0.5)  # curvature beyond the kernel at small scales
        by_scale: Scaling | None = None
        if len(by_width.sizes) == len(set(sizes)):
            with suppress(KeyboardInterrupt):
                by_scale = output_scaling(
                    net,
                    problem.x,
                    problem.y,
                    alphas,
                    rng=seed,
                    progress=stage("output scales"),
                    **options,
                )
    conditions = _conditions(by_width, problem, seed)
    _print(output, by_width, by_scale, conditions, problem)
    output.figure(_figure(by_width, by_scale, problem), "linearize")
    output.numbers(_report(by_width, by_scale, conditions, problem, seed))
    kept = 0 if by_scale is None else len(by_scale.sizes)
    if kept < len(set(alphas)):
        raise Stopped(
            f"interrupted; {len(by_width.sizes)} of {len(set(sizes))} widths and {kept} of "
            f"{len(set(alphas))} output scales are written"
        )


class _Problem(NamedTuple):
    x: Array
    y: Array
    description: str


class _Condition(NamedTuple):
    """Condition numbers of J J^T at the largest width."""

    data: float
    gaussian: float
    one_length: float
    law: float | None
    why_no_law: str


def _problem(name: str, samples: int | None, outputs: int | None, seed: int) -> _Problem:
    from rmtland.cli.problem import problem_data

    found = problem_data(name, None if name.endswith(".npz") else samples, None, "mse", seed)
    if found.y.ndim != 2:
        raise ValueError("linearisation needs targets in columns, not labels")
    y = chosen_targets(found.y, outputs)
    return _Problem(found.x, y, f"{found.description}; {y.shape[1]} of {found.y.shape[1]} targets")


def _refuse_long(
    net: MLP,
    problem: _Problem,
    width: int,
    fraction: float,
    step: float,
    max_steps: int,
    seed: int,
) -> None:
    """Find out how many steps will be taken before any is."""
    from dataclasses import replace

    from rmtland.arguments import positive
    from rmtland.landscape.linearisation import linearise

    if positive("relative_step", step) >= 2:
        raise ValueError(f"--relative-step must be below 2, where descent is stable; got {step}")
    widest = replace(net, widths=(net.n_in, *[width] * (net.depth - 1), net.n_out))
    tangent = linearise(widest.at(widest.init(rng=seed), problem.x, problem.y))
    steps = tangent.descent(step * tangent.default_step_size).steps_to(fraction)
    if steps > max_steps:
        raise ValueError(
            f"the linearised loss takes {steps} steps to fall to {fraction:g}, more than "
            f"--max-steps {max_steps}; raise --fraction or --max-steps"
        )


def _conditions(by_width: Scaling, problem: _Problem, seed: int) -> _Condition:
    """Condition numbers on the data, on Gaussian data of the same size, and by the law."""
    import numpy as np

    from rmtland.landscape.linearisation import linearise
    from rmtland.models import NeuralTangentKernel

    run = by_width.runs[-1][0]
    net, m = run.net, len(problem.x)
    x = np.random.default_rng(seed).standard_normal(problem.x.shape)
    sphere = x * np.sqrt(net.n_in) / np.linalg.norm(x, axis=1, keepdims=True)
    drawn, scaled = (
        linearise(net.at(net.init(rng=seed), rows, np.zeros((m, net.n_out)))).condition_number
        for rows in (x, sphere)
    )
    law, why = None, ""
    if net.parametrisation != "ntk":
        why = "the law is that of the NTK parametrisation"
    else:
        try:
            kernel = NeuralTangentKernel(
                net.n_in, net.widths[1:-1], m, outputs=net.n_out, activation=net.activation
            )
            low, high = kernel.law.hull
            if low > 0:
                law = high / low
            else:
                why = "the law reaches down to 0"
        except (ValueError, ArithmeticError) as error:
            why = str(error)
    return _Condition(run.tangent.condition_number, drawn, scaled, law, why)


def _print(
    output: Output,
    by_width: Scaling,
    by_scale: Scaling | None,
    conditions: _Condition,
    problem: _Problem,
) -> None:
    run = by_width.runs[-1][0]
    step = run.tangent.gauss_newton()
    output.line(f"{run.net}\n{problem.description}")
    output.line(
        f"{run.steps[-1]} steps of gradient descent; parametrisation {by_width.parametrisation}"
    )
    for scaling in filter(None, (by_width, by_scale)):
        names = list(scaling.table())
        table = right_table([scaling.variable, *names])
        for i, size in enumerate(scaling.sizes):
            means = [scaling.table()[name][i].mean() for name in names]
            table.add_row(f"{size:g}", *(f"{value:.4g}" for value in means))
        fits = scaling.exponents
        table.add_row("exponent", *(f"{fits[name].value:.2f}" for name in names))
        ends = ((fits[name].low, fits[name].high) for name in names)
        table.add_row("95 %", *(interval_words(*pair, decimals=2) for pair in ends))
        output.table(table)
    for line in LEGEND:
        output.line(line)
    output.line(
        f"Gauss-Newton at width {run.net.widths[1]}: |J^+ (y - o)| = {step.norm:.4g}, residual "
        f"{step.residual:.1e}, rank {run.tangent.rank} of {run.tangent.residuals.size}, null space "
        f"of dimension {run.tangent.null_dimension}"
    )
    law = "-" if conditions.law is None else f"{conditions.law:.4g}"
    output.line(
        f"condition number of J J^T there: {conditions.data:.4g}; Gaussian data of the same size "
        f"{conditions.gaussian:.4g}, scaled to samples of one length {conditions.one_length:.4g}, "
        f"their law {law}" + (f" ({conditions.why_no_law})" if conditions.why_no_law else "")
    )


def _figure(by_width: Scaling, by_scale: Scaling | None, problem: _Problem) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.linearisation import draw_descent, draw_scaling

    panels = 2 if by_scale is None else 3
    figure = Figure(figsize=(13.0 / 3 * panels, 4.3), layout="constrained")
    left, middle, *right = figure.subplots(1, panels)
    labels = [f"width {size:.0f}" for size in by_width.sizes]
    draw_descent(left, [row[0] for row in by_width.runs], labels=labels)
    names = ("movement", "relative movement", "output error", "kernel change")
    draw_scaling(middle, by_width, names)
    if by_scale is not None:
        draw_scaling(right[0], by_scale, names)
        right[0].set_xlabel(r"output scale $\alpha$ (large: lazy; small: feature learning)")
    net = by_width.runs[0][0].net
    figure.suptitle(f"{net}: widths varied\n{problem.description}", fontsize=7)
    return figure


def _report(
    by_width: Scaling,
    by_scale: Scaling | None,
    conditions: _Condition,
    problem: _Problem,
    seed: int,
) -> Record:
    step = by_width.runs[-1][0].tangent.gauss_newton()

    def one(scaling: Scaling) -> Record:
        return {
            "sizes": scaling.sizes,
            "steps": [int(row[0].steps[-1]) for row in scaling.runs],
            "values": scaling.table(),
            "exponents": {
                name: {"value": fit.value, "low": fit.low, "high": fit.high, "local": fit.local}
                for name, fit in scaling.exponents.items()
            },
        }

    return {
        "command": "landscape linearize",
        "network": repr(by_width.runs[-1][0].net),
        "data": problem.description,
        "seed": seed,
        "parametrisation": by_width.parametrisation,
        "width": one(by_width),
        "output_scale": None if by_scale is None else one(by_scale),
        "condition_number": conditions._asdict(),
        "gauss_newton": {"norm": step.norm, "residual": step.residual, "excess": step.excess},
    }


def _model(output: Output, target: str, fraction: float) -> None:
    """Print and draw the linearisation of a model of PyTorch."""
    from matplotlib.figure import Figure

    from rmtland.landscape.linearisation import linearise_torch

    made = torch_model(target)
    tangent = linearise_torch(made[0], made[2])
    step, descent = tangent.gauss_newton(), tangent.descent()
    output.line(f"{type(made[0]).__name__}, {target}: {tangent!r}")
    output.line(
        f"loss |o - y|^2/(2 m) {descent.loss(0):.6g}; condition number of J J^T "
        f"{tangent.condition_number:.4g}; null space of dimension {tangent.null_dimension}"
    )
    output.line(
        f"Gauss-Newton step: norm {step.norm:.4g}, residual {step.residual:.1e}, outside the range "
        f"{step.unreachable:.2g}"
    )
    steps = _steps(descent.steps_to, fraction)
    output.line(
        f"descent: stable below {descent.largest_step_size:.4g}, best step "
        f"{descent.best_step_size:.4g}; with half the stable step the linearised loss falls to "
        f"{fraction:g} in {steps} steps"
    )
    figure = Figure(figsize=(6.0, 4.3), layout="constrained")
    _draw_spectrum(figure.subplots(), tangent)
    figure.suptitle(
        f"{type(made[0]).__name__}, {tangent.parameter_count} parameters\n{target}", fontsize=7
    )
    output.figure(figure, "linearize")
    output.numbers(
        {
            "command": "landscape linearize",
            "model": target,
            "rank": tangent.rank,
            "parameters": tangent.parameter_count,
            "condition_number": tangent.condition_number,
            "eigenvalues": tangent.eigenvalues,
            "gauss_newton": {"norm": step.norm, "residual": step.residual},
            "loss": descent.loss(0),
            "steps": steps,
        }
    )


def _steps(steps_to: Callable[[float], int], fraction: float) -> int | None:
    try:
        found: int = steps_to(fraction)
    except ValueError:  # not reachable: the rest of the residual is outside the range
        return None
    return found


def _draw_spectrum(ax: Axes, tangent: LinearisedLoss) -> None:
    import numpy as np

    from rmtland.drawing import COLORS

    values = tangent.eigenvalues[: tangent.rank]
    ax.plot(np.arange(1, values.size + 1), values, ".", color=COLORS[1])
    ax.set_yscale("log")
    ax.set_xlabel("number of the eigenvalue")
    ax.set_ylabel("eigenvalue of the tangent kernel J J^T")
