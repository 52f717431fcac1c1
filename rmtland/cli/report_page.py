"""The page that `--html FILE` writes: what a command printed and drew, in one report.

>>> command_line(["/usr/bin/rmtland", "overlay", "--data", "my digits"])
"rmtland overlay --data 'my digits'"
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rmtland.files import atomic_write, check_folder, check_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from rmtland.report import Report, Section

__all__ = ["ReportPage", "check_page", "command_line", "command_name", "write_page"]

_GROUPS = ("critical-points", "landscape", "sweep")


class ReportPage:
    """Collects what a command prints and draws, and writes it as a page.

    Parameters
    ----------
    target : Path
        The page.
    numbers : str, optional
        The file of the numbers, "-" for standard output.

    Raises
    ------
    ValueError
        If its name does not end in .html, or is that of the numbers.
    OSError
        If it cannot be written.
    """

    def __init__(self, target: Path, *, numbers: str | None = None) -> None:
        check_page(target, numbers=numbers)
        self.target = target
        self._parts = [_Part()]

    def part(self) -> None:
        """Begin another part, with a title of its own."""
        if self._parts[-1].sections:
            self._parts.append(_Part())

    def text(self, words: str, *, stressed: bool = False) -> None:
        """Add text; the first line of a part is its title."""
        from rmtland.report import Text

        part = self._parts[-1]
        if not part.title:
            part.title, _, words = words.partition("\n")
            part.title = part.title.rstrip(" ,")
        if words:
            part.sections.append(Text(words, stressed=stressed))

    def table(self, table: Table) -> None:
        """Add a table as it is printed."""
        from rmtland.report import Table as ReportTable

        heads = tuple(_line(column.header) for column in table.columns)
        columns = [[_line(cell) for cell in column.cells] for column in table.columns]
        rows = tuple(zip(*columns, strict=True))
        self._parts[-1].sections.append(ReportTable(heads, rows, _line(table.title or "")))

    def entries(self, heads: tuple[str, str], rows: list[tuple[str, str]]) -> None:
        """Add a table of names and values."""
        from rmtland.report import Table as ReportTable

        self._parts[-1].sections.append(ReportTable(heads, tuple(rows)))

    def figure(self, figure: Figure, name: str) -> None:
        """Add a figure that was written to a file of that name."""
        from rmtland.report import picture_of

        self._parts[-1].sections.append(picture_of(figure, name=name))

    def write(self, values: Mapping[str, object]) -> None:
        """Write the page; `values` are the command's numbers as JSON knows them."""
        from rmtland.report import Heading, Report, provenance_of

        name = command_name(sys.argv)
        sections: list[Section] = []
        for part in self._parts:
            part.take_title()
            if len(self._parts) > 1:
                sections.append(Heading(part.title or name))
            sections += part.in_order()
        title = self._parts[0].title if len(self._parts) == 1 else ""
        origin = provenance_of(command_line(sys.argv), seed=_seed(values))
        above = name if title else ""
        report = Report(title or name, tuple(sections), origin, above=above, numbers=values)
        write_page(report, self.target)


class _Part:
    """A title, and what was printed and drawn below it."""

    def __init__(self) -> None:
        self.title = ""
        self.sections: list[Section] = []

    def take_title(self) -> None:
        """Take the caption of a table that stands alone as the title, if there is none."""
        from rmtland.report import Table

        tables = [one for one in self.sections if isinstance(one, Table)]
        if not self.title and len(tables) == 1:
            self.title = tables[0].caption
            self.sections[self.sections.index(tables[0])] = replace(tables[0], caption="")

    def in_order(self) -> list[Section]:
        """Return what the reader came for, pictures, then tables and what explains them."""
        from rmtland.report import Picture, Text

        def place(section: Section) -> int:
            if isinstance(section, Text) and section.stressed:
                return 0
            return 1 if isinstance(section, Picture) else 2

        return sorted(self.sections, key=place)


def check_page(target: Path, *, numbers: str | None = None) -> None:
    """Refuse a page that cannot be written, or is the file of the numbers, before the work."""
    if numbers is not None and numbers != "-" and Path(numbers).resolve() == target.resolve():
        raise ValueError(f"--json and --html are the same file, {target}; give two names")
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--html takes a file whose name ends in .html; got {target}")
    check_folder(target.parent)
    check_target(target)


def write_page(report: Report, target: Path) -> int:
    """Write a report, whole or not at all; return its size in bytes."""
    from rmtland.report import page

    content = page(report).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as stream:
        stream.write(content)
    return len(content)


def command_line(arguments: Sequence[str]) -> str:
    """Return the command line as a shell takes it; the user's own folder is ``"$HOME"``."""
    home = os.path.expanduser("~").rstrip("/")
    own = re.compile(rf"(?<![^=:,]){re.escape(home)}(?=/|$)")
    words = [own.split(word, maxsplit=1) if home else [word] for word in arguments[1:]]
    return " ".join(["rmtland", *map(_word, words)])


def _word(parts: list[str]) -> str:
    """Return a word of a shell from what stands before and after the user's own folder."""
    if len(parts) == 1:
        return shlex.quote(parts[0])
    return '"$HOME"'.join(shlex.quote(part) if part else "" for part in parts)


def command_name(arguments: Sequence[str]) -> str:
    """Return the name of the command, of a group that of its command too."""
    words = list(arguments[1:2])
    if words and words[0] in _GROUPS:
        words += arguments[2:3]
    return " ".join(["rmtland", *words])


def _line(words: object) -> str:
    return " ".join(str(words).split())


def _seed(values: object, depth: int = 4) -> int | None:
    """Return the first seed in a command's numbers."""
    if isinstance(values, Mapping):
        found = values.get("seed")
        if isinstance(found, int) and not isinstance(found, bool):
            return found
        inner = list(values.values())
    elif isinstance(values, list):
        inner = values[:3]
    else:
        return None
    seeds = (_seed(value, depth - 1) for value in inner) if depth else iter(())
    return next((seed for seed in seeds if seed is not None), None)
