"""`rmtland sweep`: the index over many energies and ratios; what a store holds; its table."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import MODELS, OUT, Format, Html, Json, Out, Sigma, model_class
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from rmtland.models import HessianModel
    from rmtland.sweep import Counts, Failure, Results

__all__ = ["sweep"]

ROWS = 60

sweep = typer.Typer(
    name="sweep",
    help="Many random matrices on all cores or a cluster, in a store that survives interruptions.",
    short_help="Sample over grids on all cores or a cluster, resumably.",
    rich_markup_mode=None,
)


@sweep.callback(invoke_without_command=True)
def _sweep(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


Values = Annotated[
    list[str], typer.Option(help="Values: one, 0.1,0.5,1, or start:stop:count; may be repeated.")
]
StoreFile = Annotated[Path, typer.Argument(help="File of a store.")]


@sweep.command("index", short_help="Compare the index of samples with the law, on a grid.")
def index(
    phi: Values,
    epsilon: Values,
    store: Annotated[Path, typer.Option(help="File for the results; made if there is none.")],
    model: Annotated[str, typer.Option(help=f"{' or '.join(MODELS)}.")] = "wishart-wigner",
    sigma: Sigma = 1.0,
    n: Annotated[int, typer.Option(help="Size of the matrices.")] = 500,
    runs: Annotated[int, typer.Option(help="Matrices at each point.")] = 10,
    seed: Annotated[int, typer.Option(help="Root of all seeds.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each core by default.")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, instead of --workers.")
    ] = None,
    retries: Annotated[int, typer.Option(help="Further attempts at a task that fails.")] = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute earlier failures again.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the index with its law.")] = False,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Sample model Hessians over a grid of phi and epsilon, and compare their index with the law.

    A sweep has at most 1000000 matrices. The same command again computes only what is missing in
    the store.
    """
    from rmtland.arguments import count
    from rmtland.models.pennington_bahri.index_samples import sampled_index
    from rmtland.sweep import Dask, Grid, Interrupted, Processes, run

    if dask is not None and workers is not None:
        raise ValueError("give --workers or --dask, not both")
    chosen = model_class(model)
    axes = {
        "model": chosen.__name__,
        "phi": _numbers("phi", phi),
        "epsilon": _numbers("epsilon", epsilon),
        "sigma": float(sigma),
        "n": count("n", n),
    }
    grid = Grid(axes, seeds=count("runs", runs), root=count("seed", seed, min_value=0))
    for one in grid.axes["phi"]:
        for other in grid.axes["epsilon"]:
            chosen(one, other, sigma)  # refuses bad values before anything is computed
    Output(store.parent)
    output = Output(out, format=format, json=json, html=html, writes=plot)
    try:
        results = run(
            sampled_index,
            grid,
            store=store,
            executor=Processes(workers) if dask is None else Dask(dask),
            retries=retries,
            retry_failed=retry_failed,
            progress=False if quiet else None,
        )
    except Interrupted as stop:
        raise Stopped(str(stop)) from None
    rows = _rows(results)
    label = f"{chosen.__name__}, n = {n}, {runs} runs"
    output.title(f"Index against energy: {label}")
    if rows:
        output.table(_table(rows))
    counts, failures = results.status, results.failures
    for line in (*_failure_lines(failures, store), f"{_counted(counts)}, in {store}"):
        output.line(line)
    if plot and rows:
        stem = f"index-{model}-n{n}-runs{runs}-seed{seed}"
        law = functools.partial(_law_index, chosen, sigma)
        output.figure(_figure(rows, label, law), stem)
    output.numbers(
        {
            "command": "sweep index",
            "store": str(store),
            "seed": seed,
            "counts": counts._asdict(),
            "points": rows,
            "failures": [_plain(failure) for failure in failures],
        }
    )
    if counts.failed:
        raise typer.Exit(1)


@sweep.command("status", short_help="Count what is done, failed and missing in a store.")
def status(file: StoreFile, json: Json = None) -> None:
    """Print how many tasks of a store are done, failed and missing, and the first errors."""
    from rmtland.sweep import Store

    output = Output(OUT, json=json, writes=False)
    held = Store(file, create=False)
    task, counts, failures = held.task(), held.status(), held.failures()
    for line in (f"task: {task or 'none yet'}", _counted(counts), *_failure_lines(failures, file)):
        output.line(line)
    output.numbers(
        {
            "command": "sweep status",
            "store": str(file),
            "task": task,
            "counts": counts._asdict(),
            "failures": [_plain(failure) for failure in failures],
        }
    )


@sweep.command("export", short_help="Write the table of a store as CSV.")
def export(
    file: StoreFile,
    out: Annotated[
        Path | None, typer.Option(help="CSV of the results, ordered by their parameters.")
    ] = None,
    timings: Annotated[
        Path | None, typer.Option(help="CSV of the seconds and attempts of each result.")
    ] = None,
    failures: Annotated[
        Path | None, typer.Option(help="CSV of the failures with their tracebacks.")
    ] = None,
    json: Json = None,
) -> None:
    """Write the table of a store: the same results give the same bytes, whatever their history."""
    from rmtland.sweep import Results, Store

    if not (out or timings or failures or json):
        raise ValueError("give a file to write to: --out, --timings, --failures or --json")
    output = Output(OUT, json=json, writes=False)
    files = {"out": out, "timings": timings, "failures": failures}
    for given in filter(None, files.values()):
        Output(given.parent)
    results = Results(Store(file, create=False))
    write = {
        "out": results.to_csv,
        "timings": results.timings_to_csv,
        "failures": results.failures_to_csv,
    }
    for name, path in files.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            output.wrote(write[name](path))
    if json is not None:
        output.numbers(
            {"command": "sweep export", "store": str(file), "columns": results.columns()}
        )


def _numbers(name: str, texts: list[str]) -> list[float]:
    """Return the numbers of an option: 0.5, 0.1,0.5 or start:stop:count."""
    import numpy as np

    from rmtland.arguments import count
    from rmtland.sweep.grid import MAX_TASKS

    values: list[float] = []
    for text in ",".join(texts).split(","):
        parts = text.split(":")
        try:
            many = count(f"the count of --{name}", int(parts[2])) if len(parts) == 3 else 1
            if many <= MAX_TASKS:
                low, high = (float(part) for part in (parts[:2] if parts[2:] else (text, text)))
                values += [float(value) for value in np.linspace(low, high, many)]
        except ValueError:
            raise ValueError(
                f"--{name} takes numbers, 0.1,0.5,1 or start:stop:count; got {text!r}"
            ) from None
        if many > MAX_TASKS or len(values) > MAX_TASKS:
            raise ValueError(f"--{name} has more than the {MAX_TASKS} values that it may have")
    return values


def _counted(counts: Counts) -> str:
    return f"{counts.done} done, {counts.failed} failed, {counts.missing} missing"


def _plain(failure: Failure) -> Record:
    return {
        "parameters": failure.parameters,
        "replicate": failure.key.replicate,
        "type": failure.type,
        "message": failure.message,
    }


def _failure_lines(failures: list[Failure], store: Path) -> list[str]:
    """Return a line for each of the first failures, with its reason."""
    lines = []
    for failure in failures[:5]:
        given = ", ".join(f"{name}={value!r}" for name, value in failure.parameters.items())
        lines.append(f"failed: {given}: {failure.type}: {' '.join(failure.message.split())}")
    if failures[5:]:
        lines.append(f"and {len(failures) - 5} more: rmtland sweep export {store} --failures FILE")
    return lines


def _rows(results: Results) -> list[Record]:
    """Return the sampled index at each point, its standard error, and that of the law."""
    laws = {tuple(one.parameters.items()): one.mean for one in results.means("law_index")}
    return [
        {
            "phi": one.parameters["phi"],
            "epsilon": one.parameters["epsilon"],
            "runs": one.runs,
            "index": one.mean,
            "standard_error": one.error if one.runs > 1 else None,
            "law": laws[tuple(one.parameters.items())],
        }
        for one in results.means("index")
    ]


def _table(rows: list[Record]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("phi", "epsilon", "runs", "index", "error", "law", "index - law"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows[:ROWS]:
        error = row["standard_error"]
        table.add_row(
            f"{row['phi']:.6g}",
            f"{row['epsilon']:.6g}",
            str(row["runs"]),
            f"{row['index']:.6f}",
            "" if error is None else f"{error:.1e}",
            f"{row['law']:.6f}",
            f"{row['index'] - row['law']:+.1e}",
        )
    if rows[ROWS:]:
        table.caption = f"and {len(rows) - ROWS} more rows"
    return table


def _law_index(model: type[HessianModel], sigma: float, phi: float, epsilon: float) -> float:
    return float(model(phi, epsilon, sigma).index())


def _figure(rows: list[Record], title: str, law: Callable[[float, float], float]) -> Figure:
    """Draw the index against the energy, a colour a ratio; points sampled, lines of the law."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    for i, phi in enumerate(dict.fromkeys(row["phi"] for row in rows)):
        here = sorted((row for row in rows if row["phi"] == phi), key=lambda row: row["epsilon"])
        x = [row["epsilon"] for row in here]
        errors = [row["standard_error"] or 0.0 for row in here]
        ax.errorbar(x, [row["index"] for row in here], errors, fmt="o", ms=4, color=f"C{i}")
        places = np.union1d(x, np.linspace(min(x), max(x), 60))
        index = [law(phi, float(place)) for place in places]
        ax.plot(places, index, color=f"C{i}", lw=1.4, label=f"phi = {phi:g}")
    ax.set_xlabel("energy epsilon")
    ax.set_ylabel("index (fraction negative)")
    ax.set_title(f"{title}: points sampled, lines the law", fontsize=9)
    ax.legend(frameon=False)
    return figure
