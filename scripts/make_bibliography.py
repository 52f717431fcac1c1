"""Write the bibliography of the documentation from the references in all docstrings.

    python scripts/make_bibliography.py                  # prints the page
    python scripts/make_bibliography.py --out docs/bibliography.md

A work is cited in many docstrings; the script refuses to write the page while two of them disagree
on volume, year or pages.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCE = re.compile(r"^ *\.\. \[\d+\] (.+(?:\n {7,}(?!\"\"\")\S.*)*)", re.MULTILINE)
PLACE = re.compile(r"\d+ \(\d{4}\),? [\d-]+|(?:arXiv:)\d{4}\.\d{4,5}|(?:ICML|NIPS|NeurIPS) \d{4}")
DETAIL = re.compile(
    r"[,;:]? (?:sections?|lectures?|examples?|propositions?|corollary|lemmas?|theorems?|chapters?"
    r"|equations?|eqs?\.|figures?|table|appendix) [\d(A-Z][^;]*$"
)
YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b|arXiv:\d{4}\.\d{4,5}")
IN_BRACKETS = re.compile(r" \(((?=[^()]*[a-z])[^()]+)\)")


def references() -> dict[str, set[str]]:
    """Return every reference, as one line, with the modules that cite it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "rmtland").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for text in REFERENCE.findall(path.read_text("utf-8")):
            for work in re.split(r"; (?=[A-Z]\. )", " ".join(text.split()).rstrip(".")):
                found[work].add(module)
    return dict(found)


def plain(text: str) -> str:
    """Return a reference as it is for all who cite it: without remarks, and sections meant."""
    before, behind = _at_the_year(text)
    return DETAIL.sub("", before + IN_BRACKETS.sub("", behind.partition(": ")[0]))


def remark(text: str) -> str:
    """Return what one who cites a work says of it, behind its year: " (so and so)", or nothing."""
    _, behind = _at_the_year(text)
    said = behind.partition(": ")[2]
    words = [said] if said else IN_BRACKETS.findall(behind)
    return f" ({'; '.join(words)})" if words else ""


def _at_the_year(text: str) -> tuple[str, str]:
    end = max((found.end() for found in YEAR.finditer(text)), default=len(text))
    return text[:end], text[end:]


def works(found: dict[str, set[str]]) -> dict[str, list[str]]:
    """Group references by work: the same authors and the same beginning of the title."""
    groups: dict[str, list[str]] = defaultdict(list)
    for text in found:
        groups[re.sub(r"\W+", " ", text).lower()[:60]].append(text)
    return dict(groups)


def disagreements(found: dict[str, set[str]]) -> list[str]:
    """Return a sentence for every work that is cited with two places of publication."""
    sentences = []
    for texts in works(found).values():
        places = {place.group(0): text for text in texts if (place := PLACE.search(text))}
        if len(places) > 1:
            modules = sorted({module for text in texts for module in found[text]})
            sentences.append(f"{' / '.join(sorted(places))}: {texts[0]} ({', '.join(modules)})")
    return sentences


def page(found: dict[str, set[str]]) -> str:
    """Return the page in Markdown."""
    rows = []
    for texts in works(found).values():
        remarks: dict[str, str] = defaultdict(str)
        for text in texts:
            for module in found[text]:
                remarks[module] = remarks[module] or remark(text)
        cited = ", ".join(f"`{module}`{remarks[module]}" for module in sorted(remarks))
        rows.append(f"- {max(map(plain, texts), key=len)}. Cited in {cited}.")
    head = "# Bibliography\n\nWritten by `python scripts/make_bibliography.py` from all docstrings."
    wrapped = ["\n  ".join(textwrap.wrap(row, 98, break_on_hyphens=False)) for row in sorted(rows)]
    return head + "\n\n" + "\n".join(wrapped) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="file to write; without it, print")
    out = parser.parse_args().out
    found = references()
    if wrong := disagreements(found):
        raise SystemExit("cited differently:\n" + "\n".join(wrong))
    text = page(found)
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
