"""The page of a report: one HTML file, with pictures, style and script inside.

Texts are escaped wherever they come from, and the page forbids itself (Content Security Policy)
everything but its own script, known by its hash, its own style and pictures inside it: no text of a
result becomes a program, and nothing is asked of a network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from rmtland.report.sections import Heading, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["LARGEST_PAGE", "MOST_ROWS", "page"]

LARGEST_PAGE = 3_000_000
"""Bytes of a page: pictures come in smaller versions, and large ones not at all, to keep to it."""

MOST_ROWS = 300
"""Rows of a table that a page shows."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?%?|[+-]?inf|nan"
_NUMBERS = re.compile(rf"\s*(?:{_NUMBER})(?:(?: to |, ?| \+- | )(?:{_NUMBER}))*\s*", re.IGNORECASE)
_LONGEST_CELL = 400
_LONGEST_TEXT = 5_000
_LARGEST_NUMBERS = 600_000


@dataclass(frozen=True)
class _Shown:
    """A section as the template takes it."""

    kind: str
    words: str = ""
    level: int = 2
    caption: str = ""
    source: str = ""
    heads: tuple[tuple[str, bool], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""


def page(report: Report) -> str:
    """Return a report as a page of HTML.

    Parameters
    ----------
    report : Report
        What the page shows.

    Returns
    -------
    str
        A page of at most `LARGEST_PAGE` bytes in UTF-8 that needs no other file. Of long tables
        the first `MOST_ROWS` rows are shown, and the page says how many there are.

    Raises
    ------
    ValueError
        If tables and texts alone are larger than a page may be.
    """
    numbers = _numbers(report.numbers)
    without = _rendered(report, {}, numbers)
    size = len(without.encode())
    if size > LARGEST_PAGE and numbers:
        numbers = ""
        without = _rendered(report, {}, numbers)
        size = len(without.encode())
    if size > LARGEST_PAGE:
        raise ValueError(
            f"tables and texts of the report take {size} bytes of the {LARGEST_PAGE} that a page "
            "may have; report fewer results"
        )
    sources = _pictures(report, LARGEST_PAGE - size)
    return _rendered(report, sources, numbers) if sources else without


def _pictures(report: Report, room: int) -> dict[int, str]:
    """Return for each section that is a picture the address of the version there is room for."""
    chosen = {
        place: [_address(kind, content) for kind, content in section.versions]
        for place, section in enumerate(report.sections)
        if isinstance(section, Picture)
    }
    while sum(len(versions[0]) for versions in chosen.values()) > room:
        largest = max(chosen, key=lambda place: len(chosen[place][0]))
        smaller = [one for one in chosen[largest] if len(one) < len(chosen[largest][0])]
        if smaller:
            chosen[largest] = smaller
        else:
            del chosen[largest]
    return {place: versions[0] for place, versions in chosen.items()}


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _rendered(report: Report, sources: Mapping[int, str], numbers: str) -> str:
    from markupsafe import Markup

    style, script = _part("page.css"), _part("page.js")
    text: str = _template().render(
        report=report,
        sections=[_shown(section, sources.get(i, "")) for i, section in enumerate(report.sections)],
        origin=report.provenance,
        numbers=Markup(numbers),
        style=Markup(style),
        script=Markup(script),
        policy=(
            "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
        ),
    )
    # A lone surrogate, which JSON may hold, has no bytes
    return text.encode("utf-8", "replace").decode()


def _shown(section: Section, source: str) -> _Shown:
    if isinstance(section, Heading):
        return _Shown("heading", _cut(section.words, _LONGEST_CELL), level=section.level)
    if isinstance(section, Text):
        kind = "stressed" if section.stressed else "text"
        return _Shown(kind, _cut(section.words, _LONGEST_TEXT))
    if isinstance(section, Picture):
        note = "" if source else f"{section.name or 'A picture'} is too large for this page."
        return _Shown("picture", section.words, caption=section.caption, source=source, note=note)
    assert isinstance(section, Table)
    rows = tuple(
        tuple(_cut(cell, _LONGEST_CELL) for cell in row) for row in section.rows[:MOST_ROWS]
    )
    heads = tuple(
        (_cut(head, _LONGEST_CELL), _is_numeric([row[column] for row in rows]))
        for column, head in enumerate(section.heads)
    )
    note = ""
    if len(section.rows) > MOST_ROWS:
        note = f"The first {MOST_ROWS} of {len(section.rows)} rows."
    caption = _cut(section.caption, _LONGEST_CELL)
    return _Shown("table", caption=caption, heads=heads, rows=rows, note=note)


def _is_numeric(cells: list[str]) -> bool:
    """Whether a column holds numbers or ranges of them, beside what is empty or a dash."""
    filled = [cell for cell in cells if cell.strip() not in ("", "-")]
    return bool(filled) and all(map(_NUMBERS.fullmatch, filled))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _numbers(values: Mapping[str, object] | None) -> str:
    """Return values as JSON that no parser of HTML takes for anything else; "" where too long."""
    if values is None:
        return ""
    text = json.dumps(values, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text if len(text) <= _LARGEST_NUMBERS else ""


@cache
def _part(name: str) -> str:
    return files("rmtland.report").joinpath(name).read_text("utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_part("page.html"))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
