"""What commands print and write: tables, figures, JSON, reports; whole files or none at all."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rmtland.cli.options import figure_format
from rmtland.cli.report_page import ReportPage, command_line
from rmtland.files import atomic_write, check_folder, check_target
from rmtland.typing import Json, Record
from rmtland.version import installed_version

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "Output",
    "Stopped",
    "check_folder",
    "print_table",
    "replaced",
    "write_figure",
    "write_json",
    "write_png",
]


class Stopped(Exception):
    """The user interrupted a command; the message says what is kept. It ends with exit code 130."""


class Output:
    """Where a command's tables, figures and numbers go; checked before the work begins.

    With ``--json -`` nothing but the JSON appears on standard output: tables are left out, and
    notes about files go to standard error.

    Parameters
    ----------
    out : Path
        Folder for files.
    format : str
        Format of figures: png, pdf or svg.
    json : str, optional
        File for the numbers, "-" for standard output.
    writes : bool
        Whether the command will write into `out`.
    html : Path, optional
        File for a report: all that is printed and drawn, on one page.

    Raises
    ------
    ValueError
        If the format is unknown, or the name of the report does not end in .html or is that of the
        numbers.
    OSError
        If the folder or a file cannot be written.
    """

    def __init__(
        self,
        out: Path,
        *,
        format: str = "png",
        json: str | None = None,
        writes: bool = True,
        html: Path | None = None,
    ) -> None:
        self.out, self.format, self._json = out, figure_format(format), json
        self.to_machine = json == "-"
        if writes:
            check_folder(out)
        if json is not None and json != "-":
            check_folder(Path(json).parent)
            check_target(json)
        self._page = None if html is None else ReportPage(html, numbers=json)

    @property
    def console(self) -> Console:
        """Console for lines and notes: standard output, or standard error beside JSON."""
        from rich.console import Console

        return Console(
            stderr=self.to_machine, soft_wrap=True, highlight=False, markup=False, emoji=False
        )

    def line(self, text: str) -> None:
        """Print a line for people; not beside JSON."""
        self._print(text)

    def answer(self, text: str) -> None:
        """Print what the reader came for: a line that stands at the top of a report."""
        self._print(text, stressed=True)

    def title(self, text: str) -> None:
        """Give a report, or a part of it, the title that no printed line is."""
        if self._page is not None:
            self._page.text(text)

    def part(self) -> None:
        """Say that what follows is another part of a report, as of another figure or stage."""
        if self._page is not None:
            self._page.part()

    def warn(self, text: str) -> None:
        """Print a line that is never left out; beside JSON on standard error."""
        self.console.print(text)
        if self._page is not None:
            self._page.text(text, stressed=True)

    def _print(self, text: str, *, stressed: bool = False) -> None:
        if not self.to_machine:
            self.console.print(text)
        if self._page is not None:
            self._page.text(text, stressed=stressed)

    def table(self, table: Table) -> None:
        """Print a table for people; not beside JSON."""
        if not self.to_machine:
            from rich.console import Console

            print_table(Console(), table)
        if self._page is not None:
            self._page.table(table)

    def entries(self, heads: tuple[str, str], rows: list[tuple[str, str]]) -> None:
        """Print a line of each name and its value, which are a table in a report."""
        if not self.to_machine:
            for name, value in rows:
                self.console.print(f"  {name}: {value}")
        if self._page is not None:
            self._page.entries(heads, rows)

    def wrote(self, path: Path) -> None:
        """Say which file was written."""
        self.console.print(f"wrote {path}")

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file in the folder that appears when the block ends without error."""
        with replaced(self.out, name) as (stream, path):
            yield stream
        self.wrote(path)

    def json_file(self, name: str, values: Mapping[str, object]) -> None:
        """Write numbers into a JSON file of the folder."""
        with self.file(name) as stream:
            stream.write(_json_text(_signed(values)).encode())

    def figure(self, figure: Figure, stem: str, *, dpi: int = 150) -> Path:
        """Write a figure in the format that was asked for, and say where it is."""
        path = write_figure(figure, self.out, stem, format=self.format, dpi=dpi)
        self.wrote(path)
        if self._page is not None:
            self._page.figure(figure, path.name)
        return path

    def numbers(self, values: Mapping[str, object]) -> None:
        """Write the command's numbers as JSON, and the report, if these were asked for.

        It is the last that a command does with its output.
        """
        if self._json is not None:
            write_json(_signed(values), self._json)
            if not self.to_machine:
                self.wrote(Path(self._json))
        if self._page is not None:
            self._page.write({name: _plain(one) for name, one in _signed(values).items()})
            self.wrote(self._page.target)


def print_table(console: Console, table: Table) -> None:
    """Print a table whole: a line longer than the terminal is better than a number cut short."""
    whole = console.measure(table, options=console.options.update(max_width=1000)).maximum
    console.width = max(console.width, whole)
    console.print(table)


@contextmanager
def replaced(folder: Path, name: str) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a temporary file in `folder` that takes its name when the block ends without error."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    with atomic_write(target) as stream:
        yield stream, target


def write_figure(figure: Figure, folder: Path, stem: str, *, format: str, dpi: int) -> Path:
    """Write a figure as STEM.png, .pdf or .svg; the same figure gives the same bytes.

    The file says in words what it shows. A PNG has a palette: lines and text look the same in a
    third of the size.
    """
    name = f"{stem}.{figure_format(format)}"
    if format == "png":
        write_png(figure, folder, name, dpi=dpi)
        return folder / name
    import matplotlib as mpl

    from rmtland.report.pictures import words_of

    stamp, about = {"pdf": ("CreationDate", "Subject"), "svg": ("Date", "Description")}[format]
    described = {stamp: None, about: words_of(figure)}
    with replaced(folder, name) as (stream, path), mpl.rc_context({"svg.hashsalt": stem}):
        figure.savefig(stream, format=format, dpi=dpi, metadata=described)
    return path


def write_png(figure: Figure, folder: Path, name: str, *, dpi: int) -> None:
    """Write a figure with a palette: lines and text look the same in a third of the size."""
    from PIL import Image

    from rmtland.report.pictures import palette_png, words_of

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi, pil_kwargs={"compress_level": 0})
    with Image.open(picture) as whole, replaced(folder, name) as (stream, _):
        stream.write(palette_png(whole, words=words_of(figure)))


def write_json(values: Mapping[str, object], target: str) -> None:
    """Write numbers as JSON into a file, or to standard output for "-".

    Arrays become lists; what is infinite or not a number becomes null.
    """
    text = _json_text(values)
    if target == "-":
        if sys.stdout is None:
            raise ValueError("standard output is closed: name a file after --json")
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    path = Path(target)
    with replaced(path.parent, path.name) as (stream, _):
        stream.write(text.encode())


def _signed(values: Mapping[str, object]) -> Record:
    """Return numbers with the program and the command line that they are of."""
    signature = {
        "program": f"rmtland {installed_version()}",
        "command": command_line(sys.argv),
    }
    return {**values, "written_by": signature}


def _json_text(values: Mapping[str, object]) -> str:
    return json.dumps(_plain(values), indent=1, allow_nan=False) + "\n"


def _plain(value: object) -> Json:
    """Return a value as JSON knows it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if hasattr(value, "tolist"):  # arrays and their numbers
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
