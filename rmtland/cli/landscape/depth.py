"""`rmtland landscape depth`: condition numbers against depth, beside the laws and the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.problem_options import numbers_of, right_table
from rmtland.cli.landscape.stage_bar import stage_bar, until_interrupt
from rmtland.cli.landscape.subject import ActivationName, Model
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.landscape.depth import DepthScan
    from rmtland.typing import Real

__all__ = ["depth"]

LEGEND = (
    "geometric means over draws, and what the free product of the layers' laws gives for this "
    "width; zero: singular values that are 0, left out;",
    "rate: r of exp(r L), power: a of L^a, with 95 % intervals; *: the better fit of the two.",
)


def depth(
    depths: Annotated[str, typer.Option(help="Depths, with commas; three or more.")] = "1,2,4,8,16",
    kinds: Annotated[
        str, typer.Option(help="Of plain, normalised, residual, with commas.")
    ] = "plain,normalised,residual",
    width: Annotated[int, typer.Option(help="Units of every layer.")] = 64,
    activation: ActivationName = "tanh",
    weights: Annotated[
        str, typer.Option(help="gaussian or orthogonal (no law for residual networks).")
    ] = "gaussian",
    weight_variance: Annotated[
        float, typer.Option(help="Width times the variance of a weight.")
    ] = 1.0,
    branch_scale: Annotated[
        float, typer.Option(help="s of the residual layers h + s f(W h).")
    ] = 0.5,
    samples: Annotated[int, typer.Option(help="Samples of the Gauss-Newton matrix.")] = 20,
    draws: Annotated[int, typer.Option(help="Networks of each depth.")] = 4,
    gaussian: Annotated[
        bool, typer.Option("--gaussian", help="Normal inputs in place of 8x8 digits.")
    ] = False,
    model: Model = None,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Measure condition numbers of Jacobian and Gauss-Newton matrix against depth.

    Inputs are 8x8 digits where the width is 64, and normal numbers otherwise.
    """
    from rmtland.arguments import choice, count
    from rmtland.files import check_target
    from rmtland.landscape.depth import KINDS, depth_scan
    from rmtland.networks import digits

    if model is not None:
        raise ValueError(
            "--model: depth draws networks of several depths itself; the spectrum of one model's "
            "Hessian is that of `rmtland measure`"
        )
    many = numbers_of("depths", depths, int)
    if len({count("depths", one) for one in many}) < 3:
        raise ValueError(f"--depths takes three depths or more, for their growth; got {depths!r}")
    chosen = [choice("kinds", kind, KINDS) for kind in kinds.split(",")]
    count("draws", draws)
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"depth.{format}")
    on_digits = width == 64 and not gaussian
    inputs = digits(count("samples", samples), rng=seed).x if on_digits else None
    with stage_bar() as stage:
        scans, stopped = until_interrupt(
            depth_scan(
                many,
                width=width,
                kind=kind,
                activation=activation,
                weights=weights,
                weight_variance=weight_variance,
                branch_scale=branch_scale,
                inputs=inputs,
                samples=samples,
                draws=draws,
                rng=seed,
                progress=stage(kind),
            )
            for kind in chosen
        )
    title = (
        f"{width} units a layer, {activation}, {weights} weights, variance {weight_variance:g}/n; "
        f"{'8x8 digits' if on_digits else 'normal inputs'}, {draws} draws"
    )
    _print(output, scans, title)
    output.figure(_figure(scans, title), "depth")
    output.numbers(_report(scans, title, seed))
    if stopped:
        raise Stopped(f"interrupted; {len(scans)} of {len(chosen)} kinds of networks are written")


def _mean(values: Real) -> Real:
    import numpy as np

    return np.asarray(np.exp(np.log(values).mean(axis=1)))


def _print(output: Output, scans: list[DepthScan], title: str) -> None:
    import numpy as np

    output.line(title)
    table = right_table(
        ["network", "L", "s_max/s_min", "law", "spread", "its law", "Gauss-Newton", "zero"],
        left=("network",),
    )
    for scan in scans:
        laws = [scan.predicted("jacobian"), scan.predicted("spread")]
        means = [_mean(scan.jacobian), _mean(scan.spread), _mean(scan.gauss_newton)]
        for i, one in enumerate(scan.depths):
            law = ["-" if np.isnan(each[i]) else f"{each[i]:.3g}" for each in laws]
            table.add_row(
                scan.stack.kind if i == 0 else "",
                str(one),
                f"{means[0][i]:.3g}",
                law[0],
                f"{means[1][i]:.3g}",
                law[1],
                f"{means[2][i]:.3g}",
                f"{scan.null[i].mean():.1%}" if scan.null[i].any() else "",
            )
    output.table(table)
    growth = right_table(
        ["network", "of", "rate", "power", "texts"], left=("network", "of", "texts")
    )
    claims = {"plain": "exp(L)", "normalised": "L^2", "residual": "about 1"}
    for scan in scans:
        for measure in ("jacobian", "spread", "gauss_newton"):
            found = scan.growth(measure)
            marks = ("*", "") if found.exponential else ("", "*")
            growth.add_row(
                scan.stack.kind if measure == "jacobian" else "",
                measure.replace("_", "-"),
                f"{found.rate!r}{marks[0]}",
                f"{found.power!r}{marks[1]}",
                claims[scan.stack.kind] if measure == "gauss_newton" else "",
            )
    output.table(growth)
    for line in LEGEND:
        output.line(line)


def _figure(scans: list[DepthScan], title: str) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.depth import MEASURES, draw_depth

    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    for ax, measure in zip(figure.subplots(1, 3), MEASURES, strict=True):
        draw_depth(ax, scans, measure, claims=measure == "gauss_newton")
    figure.suptitle(f"{title}; lines: free product of the layers' laws", fontsize=8)
    return figure


def _report(scans: list[DepthScan], title: str, seed: int) -> Record:
    def of_scan(scan: DepthScan) -> Record:
        found: Record = {"depths": scan.depths, "null": scan.null, "dropped": scan.dropped}
        for measure in ("jacobian", "spread", "gauss_newton"):
            growth = scan.growth(measure)
            found[measure] = {
                "measured": getattr(scan, measure),
                "rate": [growth.rate.value, growth.rate.low, growth.rate.high],
                "power": [growth.power.value, growth.power.low, growth.power.high],
                "exponential": growth.exponential,
            }
            if measure != "gauss_newton":
                found[measure]["law"] = scan.predicted(measure)
        return found

    return {
        "command": "landscape depth",
        "title": title,
        "seed": seed,
        "networks": {scan.stack.kind: of_scan(scan) for scan in scans},
    }
