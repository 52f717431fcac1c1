"""`rmtland landscape connect`: paths between independently trained minima, and their barriers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.stage_bar import stage_bar
from rmtland.cli.landscape.subject import Network, minimised, with_network
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.cli.user_function import function_of
from rmtland.typing import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from rmtland.landscape.connectivity import Connection, UnitGroup
    from rmtland.landscape.surface import LossSurface
    from rmtland.typing import Real

__all__ = ["connect"]


@dataclass(frozen=True)
class _Ends:
    """Two minima of one surface."""

    surface: LossSurface
    first: Real
    second: Real
    groups: Sequence[UnitGroup]
    title: str
    data: str


@with_network(train_steps=2000)
def connect(
    network: Network,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="Function without arguments that returns ((model, model), loss, data) of PyTorch.",
        ),
    ] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of networks, for statistics.")] = 1,
    curves: Annotated[
        str, typer.Option(help="Of bezier, polygon, string, with commas; none for neither.")
    ] = "bezier,string",
    curve_steps: Annotated[int, typer.Option(help="Steps of each trained curve.")] = 1500,
    string_steps: Annotated[int, typer.Option(help="Steps of the string.")] = 60,
    swap_trials: Annotated[
        int, typer.Option(help="Exchanges of units tried to lower a permuted path; 0 for none.")
    ] = 3000,
    index_points: Annotated[
        int, typer.Option(help="Points of each path at which the index is measured.")
    ] = 9,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Train two networks from different starts, and connect them in all ways.

    Prints barriers (height above the higher end) and lengths of the straight path, of that after
    the units are permuted (and turned over) to be near, and exchanged to lower the path, of a
    trained curve, and of a relaxed string.
    """
    from rmtland.arguments import count
    from rmtland.files import check_target
    from rmtland.landscape import connectivity

    wanted = () if curves == "none" else tuple(part.strip() for part in curves.split(","))
    unknown = sorted(set(wanted) - {"bezier", "polygon", "string"})
    if unknown:
        raise ValueError(f"--curves: choose of bezier, polygon, string; got {unknown}")
    many = count("pairs", pairs)
    for name, number in (("curve_steps", curve_steps), ("string_steps", string_steps)):
        count(name, number)
    count("index_points", index_points, min_value=0)
    count("swap_trials", swap_trials, min_value=0)
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"connect.{format}")
    if model is not None and many > 1:
        raise ValueError("--pairs: a model's function returns one pair; leave it out")
    found: list[Connection] = []
    ends = None
    stopped = False
    try:
        for pair in range(many):
            ends = _trained(network, pair) if model is None else _given(model)
            with stage_bar() as stage:
                swaps = swap_trials if ends.groups else 0
                lowered = [f"{kind}, lowered" for kind in ("permuted", "permuted, signs")]
                named = (*lowered, *wanted) if swaps else wanted
                bars = {name: stage(f"pair {pair + 1}: {name}") for name in named}
                made = connectivity.connect(
                    ends.surface,
                    ends.first,
                    ends.second,
                    groups=ends.groups,
                    curves=wanted,
                    curve_steps=curve_steps,
                    string_steps=string_steps,
                    index_points=index_points if pair == 0 else 0,
                    swap_trials=swaps,
                    rng=seed + pair,
                    progress=partial(_show, bars),
                )
            found.append(made)
            if not made.is_whole:
                stopped = True
                break
    except KeyboardInterrupt:
        if not found:
            raise
        stopped = True
    assert ends is not None
    _print(output, ends, found)
    output.figure(_figure(ends, found[0]), "connect")
    output.numbers(_report(ends, found, seed))
    if stopped:
        short = "" if found[-1].is_whole else ", of the last one the paths that were begun"
        raise Stopped(f"interrupted; {len(found)} of {many} pairs are in the table{short}")


def _show(bars: Mapping[str, Callable[[float], None]], name: str, share: float) -> None:
    """Move the bar of a path."""
    bars[name](share)


def _trained(network: Network, pair: int) -> _Ends:
    """Train two networks on the data of the first seed, from starts of their own."""
    from numpy.random import SeedSequence

    from rmtland.landscape.connectivity import unit_groups
    from rmtland.landscape.surface import NetworkSurface

    net, x, y, described = network.problem()
    seeds = [SeedSequence([network.seed, pair, k]) for k in (0, 1)]
    steps = max(1, network.steps)
    ends = [
        minimised(net, net.init(rng=seed), x, y, max_steps=steps, gradient_norm=1e-7).theta
        for seed in seeds
    ]
    surface = NetworkSurface.of(net, x, y)
    groups = unit_groups(net) if net.depth > 1 else ()
    return _Ends(surface, ends[0], ends[1], groups, repr(net), described)


def _given(target: str) -> _Ends:
    """Return two models of a user's function as points of one surface."""
    from rmtland.landscape.connectivity import unit_groups
    from rmtland.landscape.surface import TorchSurface

    made = function_of(target)()
    if not (isinstance(made, tuple) and len(made) == 3 and isinstance(made[0], tuple | list)):
        raise ValueError(f"--model: {target} must return ((model, model), loss, data) of PyTorch")
    models, loss, data = made
    if len(models) != 2 or not all(hasattr(one, "named_parameters") for one in models):
        raise ValueError(f"--model: {target} must return two models; got {len(models)}")
    surfaces = [TorchSurface(one, loss, data) for one in models]
    first, second = (surface.parameters() for surface in surfaces)
    if [b.shape for b in surfaces[0].blocks] != [b.shape for b in surfaces[1].blocks]:
        raise ValueError("--model: the two models have parameters of different shapes")
    groups: Sequence[UnitGroup] = ()
    if type(models[0]).__name__ == "Sequential":
        groups = unit_groups(models[0])
    surface = surfaces[0]
    if any("BatchNorm" in type(module).__name__ for module in models[0].modules()):
        surface = TorchSurface(models[0], loss, data, batch_statistics="batch")
    title = f"{type(models[0]).__name__}, {surface.size} parameters"
    return _Ends(surface, first, second, groups, title, target)


def _print(output: Output, ends: _Ends, found: list[Connection]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rmtland.landscape.connectivity import pair_statistics

    first = next(iter(found[0].profiles.values()))
    output.line(f"{ends.title}\n{ends.data}")
    output.line(
        f"losses of the first pair {first.losses[0]:.6g} and {first.losses[-1]:.6g}; "
        f"{len(found)} pair" + ("s" if len(found) > 1 else "")
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("path", no_wrap=True)
    for column in ("barrier", "+-", "of linear", "length", "largest index"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in pair_statistics(found):
        path = found[0].profiles[one.name]
        table.add_row(
            one.name,
            f"{one.mean:.4g}",
            f"{one.standard_error:.2g}" if len(found) > 1 else "-",
            f"{one.ratio:.3f}" if one.ratio == one.ratio else "-",
            f"{path.length:.4g}",
            f"{path.index.max():.3f}" if path.index.size else "-",
        )
    output.table(table)
    output.line("barrier: height above the higher end; of linear: over that of the straight path")


def _figure(ends: _Ends, connection: Connection) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.pictures import draw_paths

    indexed = any(one.index.size for one in connection.profiles.values())
    figure = Figure(figsize=(10.5 if indexed else 6.4, 4.6), layout="constrained")
    axes = figure.subplots(1, 2 if indexed else 1, squeeze=False)[0]
    draw_paths(axes[0], connection.profiles, index_ax=axes[1] if indexed else None)
    figure.suptitle(f"{ends.title}\n{ends.data}", fontsize=7)
    return figure


def _report(ends: _Ends, found: list[Connection], seed: int) -> Record:
    from rmtland.landscape.connectivity import pair_statistics

    return {
        "command": "landscape connect",
        "subject": ends.title,
        "data": ends.data,
        "seed": seed,
        "pairs": len(found),
        "paths": [
            {
                "name": one.name,
                "barriers": one.barriers,
                "mean": one.mean,
                "standard_error": one.standard_error,
                "interval": one.interval,
                "of_linear": one.ratio,
                "length": found[0].profiles[one.name].length,
                "t": found[0].profiles[one.name].t,
                "losses": found[0].profiles[one.name].losses,
                "index_t": found[0].profiles[one.name].index_t,
                "index": found[0].profiles[one.name].index,
            }
            for one in pair_statistics(found)
        ],
    }
