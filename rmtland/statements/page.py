"""The ledger as a page in Markdown: a table for each document, and why each verdict is what it is.

>>> from rmtland.statements import ledger
>>> statements_page(ledger()).startswith("# Statements")
True
"""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rmtland.statements.ledger import chapter_of
from rmtland.statements.statement import Document, Statement, Verdict

__all__ = ["counts", "shown", "statements_page"]

HEAD = """# Statements of the source documents, put to the test

Written by `python scripts/write_statements.py`; a test keeps it in step with `rmtland.statements`.
Each row is checked by running: a formula beside an independent truth over the whole range of its
hypotheses (*holds*), the corrected formula so and the printed one failing at a stored smallest
counterexample (*holds as corrected*), that alone (*refuted*), or measurements with an interval
(*empirical*). Breaking any formula turns its verdict. `rmtland statements --run` runs all again.
"""


def counts(statements: Iterable[Statement]) -> dict[Verdict, int]:
    """Return how many statements have each verdict.

    Parameters
    ----------
    statements : iterable of Statement
        The entries.

    Returns
    -------
    dict of Verdict to int
        All four verdicts.
    """
    found = Counter(one.verdict for one in statements)
    return {verdict: found[verdict] for verdict in Verdict}


def statements_page(statements: Sequence[Statement], *, site: bool = False) -> str:
    """Return the page.

    Parameters
    ----------
    statements : sequence of Statement
        The entries.
    site : bool
        For the documentation, whose links are roles of Sphinx; else for a reader of the project.

    Returns
    -------
    str
        Markdown.
    """
    number = counts(statements)
    total = ", ".join(f"{many} {verdict.value}" for verdict, many in number.items())
    parts = [HEAD, f"{len(statements)} statements: {total}.\n"]
    for document in Document:
        chosen = [one for one in statements if one.document is document]
        if not chosen:
            continue
        title = document.title if document.url is None else f"[{document.title}]({document.url})"
        parts.append(f"## {document.value.capitalize()}\n\n{title}.\n")
        for place in dict.fromkeys(one.place for one in chosen):
            here = [one for one in chosen if one.place == place]
            parts.append(f"### {_cell(place[0].upper() + place[1:])}\n")
            parts.append("| statement | printed | tested | verdict |\n|---|---|---|---|")
            parts += [_row(one, site) for one in here]
            parts.append("")
            parts += [_reason(one) for one in here]
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def shown(values: object) -> str:
    """Return hypotheses or a value as a reader writes them.

    Parameters
    ----------
    values : mapping, number or sequence
        Name -> value, or a value.

    Returns
    -------
    str
        Numbers with six digits.
    """
    if isinstance(values, Mapping):
        return ", ".join(f"{name} = {shown(value)}" for name, value in values.items())
    if isinstance(values, tuple | list):
        return "(" + ", ".join(shown(value) for value in values) + ")"
    return f"{values:.6g}" if isinstance(values, float) else str(values)


def _row(one: Statement, site: bool) -> str:
    check = f"rmtland/statements/{chapter_of(one.id)}.py"
    links = [_code_link(name, site) for name in one.code]
    links.append(f"[check]({'../' if site else ''}{check})")
    if one.figure is not None:
        links.append(_figure_link(one.figure, site))
    name = f"{one.id} ({one.kind.value}): {', '.join(links)}"
    cells = (name, _cell(one.printed), _cell(one.tested), f"**{one.verdict.value}**")
    return "| " + " | ".join(cells) + " |"


def _reason(one: Statement) -> str:
    text = f"- {one.id}: {_cell(one.derivation, table=False)}"
    if one.counterexample is not None:
        stored = one.counterexample
        where = _cell(shown(stored.at), table=False)
        text += (
            f" Counterexample: {where}: printed {shown(stored.claim)}, true {shown(stored.truth)}."
        )
    return text


def _cell(text: str, *, table: bool = True) -> str:
    """Return text that Markdown shows as it is."""
    for sign in "\\*_`<[$":
        text = text.replace(sign, "\\" + sign)
    return text.replace("|", "\\|") if table else text


def _figure_link(path: str, site: bool) -> str:
    """Return a link to a picture, or to the page of an example."""
    if not site:
        return f"[figure]({path})"
    gallery = "docs/gallery/"
    if path.startswith(gallery):
        return f"{{doc}}`figure </auto_gallery/{path[len(gallery) : -len('.py')]}>`"
    return f"[figure](../{path})"


def _code_link(name: str, site: bool) -> str:
    """Return a link from the name of an object to its page, or to the file that defines it."""
    short = (
        ".".join(name.split(".")[-2:])
        if name.rpartition(".")[0].split(".")[-1][0].isupper()
        else name.rpartition(".")[2]
    )
    return f"{{py:obj}}`{short} <{name}>`" if site else f"[{short}]({_source(name)})"


def _source(name: str) -> str:
    """Return the path of the file in which an object of rmtland is defined."""
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:i]))
        found = getattr(found, part)
        if inspect.isclass(found) or inspect.isfunction(found):
            break
    package = Path(importlib.import_module("rmtland").__file__ or "").parent.parent
    return Path(inspect.getfile(found)).relative_to(package).as_posix()
