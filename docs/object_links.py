"""Links from the code on hand-written pages to the pages of the objects that it names.

`free_sum` and `fit(spectrum, family)` become links to `rmtland.free.free_sum` and
`rmtland.comparison.fit`; what is no public name, or one of two rooms, stays code.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["PAGES", "linked", "objects_linked", "place_of", "rooms"]

PAGES = ("formulas", "which_tool")
"""Pages whose inline code is looked at."""

_CODE = re.compile(r"(?<![`}\w])`(([A-Za-z_]\w*(?:\.\w+)*)(?:\([^`<>]*\))?)`(?!`)")


def rooms() -> list[str]:
    """Return the rooms that have a page, the outer before those in them."""
    listed = (Path(__file__).parent / "api.rst").read_text("utf-8")
    return sorted(re.findall(r"^ +(rmtland[\w.]*)$", listed, re.MULTILINE), key=len)


@cache
def _places() -> dict[str, str]:
    """Return the full name of each public name that means one object, by its last part."""
    found: dict[str, str] = {}
    doubtful = set()
    for room in rooms():
        module = importlib.import_module(room)
        for name in module.__all__:
            first = found.setdefault(name, f"{room}.{name}")
            owner = importlib.import_module(first.rpartition(".")[0])
            if getattr(owner, name) is not getattr(module, name):
                doubtful.add(name)
    return {name: place for name, place in found.items() if name not in doubtful}


def place_of(name: str) -> str:
    """Return the full name of what has a page, or nothing."""
    short = name.removeprefix("rmtland.")
    if name in rooms():
        return name
    room, _, last = name.rpartition(".")
    if room in rooms():
        outer = _places().get(last, name)  # an object of two rooms is indexed in the outer one
        return outer if last in importlib.import_module(room).__all__ else ""
    head, _, rest = short.partition(".")
    if not rest:
        return _places().get(head, "")
    owner = place_of(room) or (_places().get(head, "") if "." not in rest else "")
    if not owner or owner in rooms():
        return ""
    module, _, thing = owner.rpartition(".")
    return (
        f"{owner}.{last}" if hasattr(getattr(importlib.import_module(module), thing), last) else ""
    )


def linked(text: str) -> str:
    """Return the text of a page with links in the place of code that names an object."""

    def link(found: re.Match[str]) -> str:
        place = place_of(found[2])
        return f"{{py:obj}}`{found[1]} <{place}>`" if place else found[0]

    return _CODE.sub(link, text)


def objects_linked(app: Any, page: str, source: list[str]) -> None:
    """Make links on a page that Sphinx reads."""
    if page in PAGES:
        source[0] = linked(source[0])
