"""Every figure of the documentation says in words what it shows."""

import re
import runpy
from pathlib import Path

import pytest
from matplotlib.figure import Figure

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md"), DOCS.parent / "README.md"])
DRAWS = re.compile(r"subplots\(|\.plot\(\);|plt\.show\(|Figure\(")


def figures(text):
    """Return the alternative texts of the figures of a page, empty where there is none."""
    found = re.findall(r"!\[(.*?)\]\(", text, re.DOTALL)
    for options in re.findall(
        r"^[`:]{3,}\{(?:figure|image)\}[^\n]*\n(.*?)^[`:]{3,}", text, re.DOTALL | re.MULTILINE
    ):
        line = re.search(r"^:alt: (.+)\n(?=:|$)", options, re.MULTILINE)  # ends with its line
        block = re.search(r"^alt: >\n((?:  .+\n)+)", options, re.MULTILINE)
        found.append(line[1] if line else block[1] if block else "")
    for cell in re.findall(r"```\{code-cell\}[^\n]*\n(.*?)```", text, re.DOTALL):
        if DRAWS.search(cell):
            found += re.findall(r"^    alt: \"(.+)\"$", cell, re.MULTILINE) or [""]
    return found


def test_figures_of_pages_have_alternative_texts():
    mute = [
        (page.name, words)
        for page in PAGES
        for words in figures(page.read_text("utf-8"))
        if len(words.split()) < 4
    ]
    assert mute == []


def test_figures_are_found():
    texts = {page.stem: figures(page.read_text("utf-8")) for page in PAGES}
    assert sum(map(len, texts.values())) >= 18
    assert len(texts["hessian_and_audit"]) == 3
    assert len(texts["explorer"]) == 1
    assert figures("```{figure} a.png\n:width: 3\n```\n") == [""]
    assert figures("```{figure} a.png\n:alt: one two\n  three\n:width: 3\n```\n") == [""]
    assert figures("```{code-cell} ipython3\nfigure, ax = plt.subplots()\n```") == [""]


@pytest.fixture
def words_of():
    return runpy.run_path(str(DOCS / "figure_words.py"))["words_of"]


def test_words_of_a_figure(words_of):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], label=r"law, $\phi = \mathrm{1}$")
    left.set(xlabel="eigenvalue", ylabel="density", title="(a)")
    left.legend()
    right.set(xlabel=r"$\epsilon$")
    figure.suptitle("two\npanels")
    assert words_of(figure) == (
        "Two panels. panel 1: (a); density against eigenvalue; showing law, phi = 1. "
        "panel 2: epsilon"
    )


def test_words_of_a_figure_end_somewhere(words_of):
    figure = Figure()
    figure.suptitle("many words " * 200)
    assert len(words_of(figure)) <= 604
    assert words_of(figure).endswith(" ...")
    assert words_of(Figure()) == ""
