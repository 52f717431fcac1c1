"""`rmtland landscape sharpness`: the rise of the loss in a ball, and the Hessian in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.stage_bar import stage_bar, until_interrupt
from rmtland.cli.landscape.subject import Model, Network, Subject, with_network
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from rmtland.landscape.sharpness import BallSharpness, Curvature

__all__ = ["sharpness"]


@with_network(train_steps=2000)
def sharpness(
    network: Network,
    model: Model = None,
    rho: Annotated[str, typer.Option(help="Radii, with commas.")] = ".0001,.001,.01,.03,.1,.3",
    adaptive: Annotated[
        str | None,
        typer.Option(help="Measure in units of the parameters: element or filter (ASAM)."),
    ] = None,
    restarts: Annotated[int, typer.Option(help="Random starts of each ascent.")] = 2,
    tolerance: Annotated[
        float, typer.Option(help="Eigenvalues up to that times the largest count as zero.")
    ] = 1e-6,
    damping: Annotated[
        float | None,
        typer.Option(help="z of the effective dimension; lambda_max/1000 by default."),
    ] = None,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Measure how sharp the minimum is that training found; draw the rise against the radius."""
    import numpy as np

    from rmtland.arguments import choice
    from rmtland.files import check_target
    from rmtland.landscape.sharpness import (
        ScaledSurface,
        adaptive_scales,
        ball_sharpness,
        curvature,
    )

    radii = radii_of(rho)
    if adaptive is not None:
        choice("adaptive", adaptive, ("element", "filter"))
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"sharpness.{format}")
    subject = network.subject(model)
    surface, theta = subject.surface, subject.theta
    numbers = curvature(surface, theta, tolerance=tolerance, damping=damping, rng=seed)
    center = theta
    if adaptive is not None:
        surface = ScaledSurface(surface, theta, adaptive_scales(surface, theta, by=adaptive))
        center = np.zeros(surface.size)
    with stage_bar() as stage:
        show = stage("balls")

        def balls() -> Iterator[BallSharpness]:
            for i, radius in enumerate(radii):
                yield ball_sharpness(surface, center, radius, restarts=restarts, rng=seed)
                show((i + 1) / len(radii))

        found, stopped = until_interrupt(balls())
    _print(output, subject, numbers, found, adaptive)
    output.figure(_figure(subject, found, adaptive), "sharpness")
    output.numbers(_report(subject, numbers, found, adaptive, seed))
    if stopped:
        raise Stopped(f"interrupted; {len(found)} of {len(radii)} radii are in the table")


def radii_of(text: str) -> list[float]:
    """Return positive radii from text such as "0.01,0.1"."""
    from rmtland.arguments import positive

    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--rho takes radii, such as 0.01,0.1; got {text!r}") from None
    return sorted(positive("rho", value) for value in values)


def _print(
    output: Output,
    subject: Subject,
    numbers: Curvature,
    found: list[BallSharpness],
    adaptive: str | None,
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    output.line(f"{subject.title}\n{subject.data}")
    unit = "" if adaptive is None else f" (in units of the parameters, by {adaptive})"
    output.line(
        f"loss {subject.surface.loss(subject.theta):.6g}, gradient {found[0].gradient_norm:.2g}, "
        f"largest eigenvalue {found[0].lambda_max:.6g} +- {found[0].lambda_max_error:.1g}{unit}"
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("rho", "at least", "at most", "SAM", "rho^2 lmax/2", "Taylor", "remainder"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found:
        cells = (
            one.lower,
            one.upper,
            one.sam,
            one.half_rho_squared_lambda_max,
            one.taylor,
            one.remainder,
        )
        table.add_row(f"{one.rho:g}", *("-" if v is None else f"{v:.4g}" for v in cells))
    output.table(table)
    if found[0].why_no_upper:
        output.line(f"no upper bound: {found[0].why_no_upper}")
    output.line(_sentence(numbers))


def _sentence(numbers: Curvature) -> str:
    def one(name: str, digits: str = ".4g") -> str:
        value, low, high = getattr(numbers, name)
        exact = high - low <= 1e-6 * max(abs(value), 1e-300)
        return format(value, digits) + ("" if exact else f" [{low:{digits}}, {high:{digits}}]")

    left = "" if numbers.left_out is None else f" ({numbers.left_out} eigenvalues left out)"
    how = "exact" if numbers.exact else "estimated"
    return (
        f"Hessian of {numbers.size} parameters, {how}: trace {one('trace')}, largest "
        f"{one('lambda_max')}, least {one('lambda_min')}\n"
        f"condition number of the positive part {one('condition')}{left}\n"
        f"effective dimension {one('effective_dimension')} at z = {numbers.damping:.3g}; rank "
        f"{one('rank', '.6g')}, flat {one('flat', '.6g')}, negative {one('negative', '.6g')} "
        f"(zero: up to {numbers.zero:.2g}"
        + (f", gap {numbers.gap:.2g})" if numbers.gap is not None else ")")
    )


def _figure(subject: Subject, found: list[BallSharpness], adaptive: str | None) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.pictures import draw_sharpness

    figure = Figure(figsize=(6.0, 4.4), layout="constrained")
    ax = figure.subplots()
    draw_sharpness(ax, found)
    if adaptive is not None:
        ax.set_xlabel(rf"radius $\rho$, in units of the parameters (by {adaptive})")
    figure.suptitle(subject.heading, fontsize=7)
    return figure


def _report(
    subject: Subject,
    numbers: Curvature,
    found: list[BallSharpness],
    adaptive: str | None,
    seed: int,
) -> Record:
    from dataclasses import asdict

    curved = asdict(numbers)
    curved.pop("eigenvalues")
    kept = [asdict(one) for one in found]
    for one in kept:
        one.pop("displacement")
    return {
        "command": "landscape sharpness",
        "subject": subject.title,
        "data": subject.data,
        "seed": seed,
        "adaptive": adaptive,
        "loss": subject.surface.loss(subject.theta),
        "hessian": {
            name: value._asdict() if hasattr(value, "_asdict") else value
            for name, value in curved.items()
        },
        "balls": kept,
    }
