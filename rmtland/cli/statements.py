"""`rmtland statements`: the ledger of the source documents' statements, and its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.statements import Finding, Statement

__all__ = ["statements"]


def statements(
    document: Annotated[
        str | None, typer.Option(help="Only this document: lecture, abstract, theory or proposal.")
    ] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Only holds, corrected, refuted or empirical.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Only statements in which all these words occur.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Put them to the test.")] = False,
    examples: Annotated[
        int, typer.Option(help="Examples for each statement; fewer where they are dear.")
    ] = 20,
    seed: Seed = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each core by default.")
    ] = None,
    counterexample: Annotated[
        str | None,
        typer.Option(
            "--counterexample", metavar="ID", help="Show that of one statement, with a picture."
        ),
    ] = None,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
    out: Out = OUT,
) -> None:
    """Print the statements of the source documents with their verdicts, or run them again.

    Exit code 1 when a run finds another verdict than the ledger has.
    """
    from rmtland.statements import find_statement, ledger

    output = Output(out, format=format, json=json, html=html, writes=counterexample is not None)
    if counterexample is not None:
        beside = {
            "--document": document,
            "--verdict": verdict,
            "--text": text,
            "--run": run or None,
        }
        if given := [name for name, value in beside.items() if value is not None]:
            raise ValueError(f"leave out {', '.join(given)} beside --counterexample")
        _show(find_statement(counterexample), output)
        return
    chosen = ledger(document=document, verdict=verdict, text=text)
    if not chosen:
        raise ValueError("no statement fits all filters; leave one out")
    if run:
        _run(chosen, output, examples=examples, seed=seed, workers=workers)
        return
    from rich.table import Table

    table = Table("statement", "place", "printed", "tested", "verdict", box=None)
    for one in chosen:
        table.add_row(one.id, one.place, one.printed, one.tested, one.verdict.value)
    output.table(table)
    output.line(_totals(chosen))
    output.numbers({"format": "rmtland statements 1", "statements": [_plain(o) for o in chosen]})


def _totals(chosen: Sequence[Statement]) -> str:
    from rmtland.statements.page import counts

    parts = [f"{many} {verdict.value}" for verdict, many in counts(chosen).items() if many]
    return f"{len(chosen)} statements: {', '.join(parts)}"


def _plain(one: Statement) -> Record:
    """Return an entry as plain values."""
    stored = one.counterexample
    return {
        "id": one.id,
        "document": one.document.value,
        "place": one.place,
        "kind": one.kind.value,
        "printed": one.printed,
        "tested": one.tested,
        "verdict": one.verdict.value,
        "derivation": one.derivation,
        "code": list(one.code),
        "figure": one.figure,
        "counterexample": None
        if stored is None
        else {"at": dict(stored.at), "printed": stored.claim, "true": stored.truth},
    }


def _show(one: Statement, output: Output) -> None:
    """Print a counterexample, run again, and draw it where that helps."""
    from matplotlib.figure import Figure

    from rmtland.statements.drawing import draw_counterexample
    from rmtland.statements.page import shown
    from rmtland.statements.verification import reproduces

    stored = one.counterexample
    if stored is None:
        raise ValueError(
            f"{one.id} {one.verdict.value}: there is no counterexample; rmtland statements "
            "--verdict refuted lists statements that have one"
        )
    wrong = reproduces(one)
    output.line(f"{one.id}: {one.verdict.value} ({one.document.title}, {one.place})")
    output.line(f"  printed: {one.printed}")
    output.line(f"  tested:  {one.tested}")
    output.line(
        f"  at {shown(stored.at)}: printed {shown(stored.claim)}, true {shown(stored.truth)}"
    )
    output.line(f"  {wrong or 'run again just now: both come out again'}")
    output.line(f"  {one.derivation}")
    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    if draw_counterexample(figure.subplots(), one) is not None:
        output.figure(figure, f"counterexample-{one.id}")
    output.numbers({"format": "rmtland statements 1", "statements": [_plain(one)]})
    if wrong:
        raise typer.Exit(1)


def _run(
    chosen: Sequence[Statement], output: Output, *, examples: int, seed: int, workers: int | None
) -> None:
    from rich.table import Table

    from rmtland.arguments import count
    from rmtland.statements import verify
    from rmtland.sweep.executors import cores

    many = cores() if workers is None else count("workers", workers)
    count("examples", examples)  # before the bar begins
    with _bar(len(chosen)) as show:
        findings = verify(chosen, examples=examples, seed=seed, workers=many, progress=show)
    table = Table("statement", "verdict", "found", "examples", "deviation", box=None)
    for finding in findings:
        found = "-" if finding.verdict is None else finding.verdict.value
        table.add_row(
            finding.id,
            finding.expected.value,
            "same" if not finding.changed else found.upper(),
            str(finding.examples),
            f"{finding.deviation:.2g}",
        )
    output.table(table)
    changed = [finding for finding in findings if finding.changed]
    for finding in changed:
        output.line(f"{finding.id}: {finding.message}")
    total = sum(finding.examples for finding in findings)
    output.line(f"{_totals(chosen)}; {total} examples, seed {seed}; {len(changed)} changed")
    output.numbers(
        {
            "format": "rmtland statements run 1",
            "seed": seed,
            "examples": examples,
            "findings": [_found(finding) for finding in findings],
        }
    )
    if changed:
        raise typer.Exit(1)


def _found(finding: Finding) -> Record:
    return {
        "id": finding.id,
        "expected": finding.expected.value,
        "verdict": None if finding.verdict is None else finding.verdict.value,
        "changed": finding.changed,
        "examples": finding.examples,
        "deviation": finding.deviation,
        "message": finding.message,
        "counterexample": finding.counterexample,
    }


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int, int, Finding], None]]:
    """Show on standard error how many are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("statements"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("statements", total=total, last="")

        def show(done: int, _: int, finding: Finding) -> None:
            bar.update(task, completed=done, last=finding.id)

        yield show
