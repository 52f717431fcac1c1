"""What a report consists of: headings, text, tables, pictures; values without any HTML.

>>> Table(("a", "b"), (("1", "2"),)).rows
(('1', '2'),)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rmtland.report.provenance import Provenance

__all__ = ["Heading", "Picture", "Report", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Heading:
    """A heading over the sections that follow.

    Parameters
    ----------
    words : str
        What it says.
    level : int, optional
        2 for a part of the report, 3 and 4 for parts of it.

    Raises
    ------
    ValueError
        If the level is not 2, 3 or 4.
    """

    words: str
    level: int = 2

    def __post_init__(self) -> None:
        if self.level not in (2, 3, 4):
            raise ValueError(f"level must be 2, 3 or 4, under the title; got {self.level!r}")


@dataclass(frozen=True)
class Text:
    """A paragraph; lines stay lines.

    Parameters
    ----------
    words : str
        Plain text.
    stressed : bool, optional
        Whether it is what the reader came for.
    """

    words: str
    stressed: bool = False


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    heads : tuple of str
        Heads of the columns.
    rows : tuple of tuple of str
        Rows, each as long as the heads.
    caption : str, optional
        What the table shows.

    Raises
    ------
    ValueError
        If a row has another number of cells than there are heads.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.heads):
                raise ValueError(
                    f"row {number} has {len(row)} cells under {len(self.heads)} heads; give as "
                    "many, '' for none"
                )


@dataclass(frozen=True)
class Picture:
    """A picture in one or more versions, the best one first.

    Parameters
    ----------
    versions : tuple of (str, bytes)
        Media type (image/svg+xml, image/png) and content, from the best to the smallest: the
        page takes the best for which there is room.
    words : str
        What can be seen, for those who cannot see it.
    caption : str, optional
        A line below it.
    name : str, optional
        Where the picture is found should no version fit.

    Raises
    ------
    ValueError
        If there is no version, no words, or a media type other than these two.
    """

    versions: tuple[tuple[str, bytes], ...]
    words: str
    caption: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not self.versions:
            raise ValueError("a picture needs at least one version; got none")
        for kind, _ in self.versions:
            if kind not in ("image/svg+xml", "image/png"):
                raise ValueError(f"a picture is image/svg+xml or image/png; got {kind!r}")
        if not self.words.strip():
            raise ValueError("a picture needs words that say what can be seen; got none")


Section: TypeAlias = Heading | Text | Table | Picture


@dataclass(frozen=True)
class Report:
    """All that a page shows.

    Parameters
    ----------
    title : str
        What it is about.
    sections : tuple of Heading, Text, Table and Picture
        In the order in which they are read.
    provenance : Provenance, optional
        Command, seed, versions, date.
    above : str, optional
        A few words above the title, such as the command.
    numbers : mapping, optional
        Plain values (as JSON knows them) that a reader of the page can save.
    """

    title: str
    sections: tuple[Section, ...]
    provenance: Provenance | None = None
    above: str = ""
    numbers: Mapping[str, object] | None = None
