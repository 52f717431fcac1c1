"""Reports to send to a colleague: one HTML file that needs nothing else, not even a network.

A `Report` is a title, sections (`Heading`, `Text`, `Table`, `Picture`) and where it comes from
(`Provenance`); `page` makes a page of it with pictures that can be zoomed and tables that can be
sorted and copied. `read_results` makes sections of the files that commands wrote earlier.

Synonyms: HTML export, self-contained notebook, summary sheet.

Examples
--------
>>> table = Table(("law", "distance"), (("semicircle", "0.12"), ("free Poisson", "0.03")))
>>> report = Report("Two laws", (Text("The second is nearer.", stressed=True), table))
>>> text = page(report)
>>> text.startswith("<!DOCTYPE html>"), "free Poisson" in text
(True, True)
"""

from __future__ import annotations

from rmtland.report.page import LARGEST_PAGE, page
from rmtland.report.pictures import picture_file, picture_of
from rmtland.report.provenance import Provenance, provenance_of
from rmtland.report.results import read_results, sections_of
from rmtland.report.sections import Heading, Picture, Report, Section, Table, Text

__all__ = [
    "LARGEST_PAGE",
    "Heading",
    "Picture",
    "Provenance",
    "Report",
    "Section",
    "Table",
    "Text",
    "page",
    "picture_file",
    "picture_of",
    "provenance_of",
    "read_results",
    "sections_of",
]
