"""`rmtland sweep`: the index over many energies and ratios; what a store holds; its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import MODELS, model_class
from rmtland.cli.output import Stopped, check_folder, print_table

if TYPE_CHECKING:
    from rmtland.sweep import Counts, Results

__all__ = ["sweep"]

ROWS = 60

sweep = typer.Typer(
    name="sweep",
    help="Many random matrices on all cores or a cluster, in a store that survives interruptions.",
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


@sweep.command("index")
def index(
    phi: Values,
    epsilon: Values,
    store: Annotated[Path, typer.Option(help="File for the results; made if there is none.")],
    model: Annotated[str, typer.Option(help=f"{' or '.join(MODELS)}.")] = "wishart-wigner",
    sigma: Annotated[float, typer.Option(help="Mean of the Gauss-Newton part, > 0.")] = 1.0,
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
) -> None:
    """Sample model Hessians over a grid of phi and epsilon, and compare their index with the law.

    The same command again computes only what is missing in the store.
    """
    from rmtland.arguments import count
    from rmtland.models.pennington_bahri.index_samples import sampled_index
    from rmtland.sweep import Dask, Grid, Interrupted, Processes, run

    if dask is not None and workers is not None:
        raise ValueError("give --workers or --dask, not both")
    chosen = model_class(model)
    ratios, energies = _numbers("phi", phi), _numbers("epsilon", epsilon)
    for one in ratios:
        for other in energies:
            chosen(one, other, sigma)  # refuses bad values before anything is computed
    axes = {
        "model": chosen.__name__, "phi": ratios, "epsilon": energies, "sigma": float(sigma),
        "n": count("n", n),
    }  # fmt: skip
    grid = Grid(axes, seeds=count("runs", runs), root=count("seed", seed, least=0))
    check_folder(store.parent)
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
    _print_index(results, store)
    if results.status.failed:
        raise typer.Exit(1)


@sweep.command("status")
def status(file: StoreFile) -> None:
    """Print how many tasks of a store are done, failed and missing, and the last errors."""
    from rich.console import Console

    from rmtland.sweep import Store

    held = Store(file, create=False)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"task: {held.task() or 'none yet'}")
    console.print(_counts(held.status()))
    failures = held.failures()
    for failure in failures[:5]:
        given = ", ".join(f"{name}={value!r}" for name, value in failure.parameters.items())
        console.print(f"failed: {given}: {failure.type}: {' '.join(failure.message.split())}")
    if failures[5:]:
        console.print(f"and {len(failures) - 5} more: rmtland sweep export --failures")


@sweep.command("export")
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
) -> None:
    """Write the table of a store: the same results give the same bytes, whatever their history."""
    from rich.console import Console

    from rmtland.sweep import Results, Store

    if not (out or timings or failures):
        raise ValueError("give a file to write to: --out, --timings or --failures")
    results = Results(Store(file, create=False))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for path, write in (
        (out, results.to_csv),
        (timings, results.timings_to_csv),
        (failures, results.failures_to_csv),
    ):
        if path is not None:
            check_folder(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            console.print(f"wrote {write(path)}")


def _numbers(name: str, texts: list[str]) -> list[float]:
    """Return the numbers of an option: 0.5, 0.1,0.5 or start:stop:count."""
    import numpy as np

    from rmtland.arguments import count

    values: list[float] = []
    for text in ",".join(texts).split(","):
        parts = text.split(":")
        try:
            if len(parts) == 3:
                many = count(f"the count of --{name}", int(parts[2]))
                spaced = np.linspace(float(parts[0]), float(parts[1]), many)
                values += [float(value) for value in spaced]
            else:
                values.append(float(text))
        except ValueError:
            raise ValueError(
                f"--{name} takes numbers, 0.1,0.5,1 or start:stop:count; got {text!r}"
            ) from None
    return values


def _counts(status: Counts) -> str:
    return f"{status.done} done, {status.failed} failed, {status.missing} missing"


def _print_index(results: Results, store: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    means = results.means("index")
    laws = {tuple(one.parameters.items()): one.mean for one in results.means("law_index")}
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("phi", "epsilon", "runs", "index", "error", "law", "index - law"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in means[:ROWS]:
        law = laws[tuple(one.parameters.items())]
        error = f"{one.error:.1e}" if one.runs > 1 else ""
        table.add_row(
            f"{one.parameters['phi']:.6g}", f"{one.parameters['epsilon']:.6g}", str(one.runs),
            f"{one.mean:.6f}", error, f"{law:.6f}", f"{one.mean - law:+.1e}",
        )  # fmt: skip
    if means:
        print_table(console, table)
    if means[ROWS:]:
        console.print(f"and {len(means) - ROWS} more rows", highlight=False)
    console.print(
        f"{_counts(results.status)}, in {store}", soft_wrap=True, highlight=False, markup=False
    )
