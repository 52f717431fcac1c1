"""`rmtland report`: one HTML page of results that commands wrote earlier."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rmtland.cli.options import OUT, Json
from rmtland.cli.output import Output
from rmtland.cli.report_page import check_page, command_line, write_page

__all__ = ["report"]


def report(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULTS",
            help="Files that commands wrote (.json, .npz, .png, .svg), or folders of them; "
            f"{OUT} where none is given.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="The page to write.")] = Path(
        "rmtland-report.html"
    ),
    json: Json = None,
) -> None:
    """Write a page of earlier results: figures one can enlarge, tables one can sort and copy.

    The page is one file below 3 MB that needs no network. A picture beside a file of JSON of the
    same name is shown with it.
    """
    from rmtland.report import Report, Text, provenance_of, read_results

    check_page(html, numbers=json)
    output = Output(OUT, json=json, writes=False)
    paths = results or [OUT]
    sections, left_out = read_results(paths)
    for name, why in left_out.items():
        sections.append(Text(f"{name} is left out: {why}"))
    heading = title or f"Results of {', '.join(path.name or str(path) for path in paths)}"
    origin = provenance_of(command_line(sys.argv))
    made = Report(heading, tuple(sections), origin, above="rmtland report")
    size = write_page(made, html)
    output.line(f"{len(sections)} sections, {size / 1e6:.2f} MB")
    for name, why in left_out.items():
        output.line(f"{name} is left out: {why}")
    output.wrote(html)
    output.numbers(
        {
            "command": "report",
            "results": [str(path) for path in paths],
            "report": str(html),
            "bytes": size,
            "sections": len(sections),
            "left_out": left_out,
        }
    )
