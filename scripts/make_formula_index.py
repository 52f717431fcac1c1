r"""Write the formula index of the documentation from the formulas in the docstrings.

    python scripts/make_formula_index.py                  # prints the page
    python scripts/make_formula_index.py --out docs/formulas.md

The docstring of a public class, function or method states a formula in words and symbols:

    .. formula:: Stieltjes inversion, :math:`\rho(x) = -\operatorname{Im} G(x + i0)/\pi` [1]_
        :with: method="stieltjes"
        :by: rmtland.laws.routes.LawRoutes
        :and: rmtland.laws.Semicircle

Lines of the second kind may be left out: arguments with which the object computes the formula, an
object of no public room that does the work, another public object that does it as well. The sources
are the references that the formula cites; where it cites none, all of the docstring, and where that
has none, those of its module. The site shows the formula on the page of the object as well
(`docs/formula_directive.py`).
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FORMULA = re.compile(r"^( *)\.\. formula:: (.+(?:\n\1 {4,}\S.*)*)", re.MULTILINE)
STATED = re.compile(r"^ *\.\. *formulas?\b", re.MULTILINE)
OPTION = re.compile(r"\n *:(\w+): (.+(?:\n(?! *:\w+: ).*)*)")
OPTIONS = ("with", "by", "and")
REFERENCE = re.compile(r"^ *\.\. \[(\d+)\] (.+(?:\n {7,}\S.*)*)", re.MULTILINE)
INITIALS = r"(?:[^\W\d_]{1,2}\.(?:-[^\W\d_]\.)? ?)+"
AUTHOR = rf"{INITIALS}(?:(?:van|von|der?|del|la|den) )*[^\W\d_][\w'-]*(?: [^\W\d_][\w'-]+)*?\.?"
AUTHORS = re.compile(rf"({AUTHOR}(?:, {AUTHOR})*(?: and {AUTHOR})?)(?P<more> et al\.)?, ")
YEARS = (
    re.compile(r"\(((?:1[89]|20)\d\d)\)"),
    re.compile(r"(?<!arXiv:)\b((?:19|20)\d\d)\b(?!-\d)"),
    re.compile(r"arXiv:(?:[a-z-]+/)?(\d\d)\d{5}\b|arXiv:(\d\d)\d\d\.\d{4,5}"),
)
HEAD = """# Formula index

Each row names the object that computes a formula, and links to its page, where the formula and its
sources stand too. Written by `python scripts/make_formula_index.py` from all docstrings; a test
imports every object.
"""


def rooms() -> list[str]:
    """Return the public rooms, in the order of their pages."""
    return re.findall(
        r"^ +(rmtland\.[\w.]+)$", (ROOT / "docs" / "api.rst").read_text("utf-8"), re.MULTILINE
    )


def documented() -> Iterator[tuple[str, str, object]]:
    """Yield room, name in it and object of all public classes, functions and methods, once each.

    What is in two rooms is of the outer one, and a method of the class that hands it on.
    """
    found: dict[object, tuple[tuple[int, int, str], str, str, object]] = {}
    for room in rooms():
        module = importlib.import_module(room)
        for name in module.__all__:
            owner = getattr(module, name)
            if not (inspect.isfunction(owner) or inspect.isclass(owner)):
                continue
            depth = len(inspect.getmro(owner)) if inspect.isclass(owner) else 0
            members = [(name, owner)]
            if inspect.isclass(owner):
                members += [
                    (f"{name}.{key}", member)
                    for key, member in inspect.getmembers(owner)
                    if not key.startswith("_")
                ]
            for full, member in members:
                thing = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if not (inspect.isfunction(thing) or inspect.isclass(thing)):
                    continue
                rank = (room.count("."), depth, full)
                if thing not in found or rank < found[thing][0]:
                    found[thing] = (rank, room, full, thing)
    for _, room, full, thing in found.values():
        yield room, full, thing


def short(reference: str) -> str:
    """Return a reference as a text cites it: "Nica and Speicher 2006"."""
    text = " ".join(reference.split())
    found = AUTHORS.match(text)
    years = next(filter(None, (pattern.findall(text) for pattern in YEARS)), None)
    if found is None or years is None:
        raise SystemExit(f"a reference needs authors, with initials, and a year; got: {text}")
    year = years[-1] if isinstance(years[-1], str) else "".join(years[-1])
    if len(year) == 2:
        year = f"{19 if year > '90' else 20}{year}"
    names = [re.sub(rf"^{INITIALS}", "", one) for one in re.split(r", (?:and )?| and ", found[1])]
    if found["more"] or len(names) > 3:
        return f"{names[0]} et al. {year}"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) + f" {year}"


def sources(formula: str, found: object) -> str:
    """Return the sources of a formula of an object, as a text cites them."""
    texts = (inspect.getdoc(found) or "", inspect.getdoc(inspect.getmodule(found)) or "")
    own, around = (dict(REFERENCE.findall(text)) for text in texts)
    cited = re.findall(r"\[(\d+)\]_", formula)
    if not own.keys() >= set(cited):
        raise SystemExit(f"{found} cites {cited}; its docstring has the references {list(own)}")
    chosen = [own[number] for number in cited] or list((own or around).values())
    works = [work for text in chosen for work in re.split(r"; (?=[A-Z]\. )", text)]
    return "; ".join(dict.fromkeys(map(short, works)))


def rows_of(name: str, found: object) -> list[str]:
    """Return the rows of the formulas in the docstring of an object."""
    rows, doc = [], inspect.getdoc(found) or ""
    formulas = list(FORMULA.finditer(doc))
    if len(formulas) != len(STATED.findall(doc)):
        raise SystemExit(f"{name}: a formula begins with '.. formula:: ' and words on that line")
    for stated in formulas:
        indent, text = stated.groups()
        if re.match(rf"\s*\n{indent} +\S", doc[stated.end() :]):
            raise SystemExit(f"{name}: a formula is one paragraph, indented by 4; got: {text}")
        options = {key: " ".join(value.split()) for key, value in OPTION.findall(text)}
        if not options.keys() <= set(OPTIONS):
            raise SystemExit(f"{name}: options of a formula are {OPTIONS}; got {list(options)}")
        words = " ".join(OPTION.sub("", text).split())
        objects = f"`{name}`"
        if "and" in options:
            objects += f", `{options['and']}`"
        if "with" in options:
            objects += " with " + " or ".join(f"`{one}`" for one in options["with"].split(" or "))
        if "by" in options:
            objects += f", by `{options['by']}`"
        formula = re.sub(r":math:`(.+?)`", r"$\1$", re.sub(r",? \[\d+\]_", "", words))
        source = sources(words, found)
        cells = (formula, objects, source)
        if any("|" in cell for cell in cells):
            raise SystemExit(f"{name}: a cell of a table cannot hold a |; write \\lvert: {cells}")
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def page() -> str:
    """Return the page in Markdown: a table for each room that computes a formula."""
    tables: dict[str, list[str]] = {room: [] for room in rooms()}
    for room, name, found in sorted(documented(), key=lambda entry: entry[1].lower()):
        tables[room] += rows_of(f"{room}.{name}", found)
    parts = [HEAD]
    for room, rows in tables.items():
        if rows:
            first = (inspect.getdoc(importlib.import_module(room)) or "").splitlines()[0]
            parts.append(f"## `{room}`\n\n{first}\n\n| formula | object | source |\n|---|---|---|")
            parts[-1] += "".join(f"\n{row}" for row in rows) + "\n"
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="file to write; without it, print")
    out, text = parser.parse_args().out, page()
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
