"""Alternative texts of the gallery's figures: their titles, axes and legends in words.

Readers who do not see a figure hear what is drawn in it; the page around it says what it shows.
"""

from __future__ import annotations

import re
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["described", "words_of"]

_LONGEST = 600


def described(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Return the reST of a block's figures as sphinx-gallery does, with words for each of them."""
    from sphinx_gallery.scrapers import matplotlib_scraper

    words = iter([words_of(pyplot.figure(number)) for number in pyplot.get_fignums()])
    found = matplotlib_scraper(block, block_vars, gallery_conf)
    return re.sub(r"(:alt:).*", lambda line: f"{line[1]} {next(words)}", found)


def words_of(figure: Figure) -> str:
    """Say what is drawn: titles, what against what, entries of legends, panel by panel."""
    heading = plain(figure.get_suptitle())
    panels = list(dict.fromkeys(filter(None, map(panel_words, figure.axes))))
    if len(panels) > 1:
        panels = [f"panel {i}: {words}" for i, words in enumerate(panels, 1)]
    text = ". ".join(filter(None, [heading, *panels]))
    text = text[:1].upper() + text[1:]
    return text if len(text) <= _LONGEST else text[:_LONGEST].rpartition(" ")[0] + " ..."


def panel_words(ax: Axes) -> str:
    """Say what one pair of axes shows; nothing for axes without words, as of an inset."""
    x, y = plain(ax.get_xlabel()), plain(ax.get_ylabel())
    sides = f"{y} against {x}" if x and y else x or y
    titles = [plain(ax.get_title(loc=place)) for place in ("left", "center", "right")]
    legend = ax.get_legend()
    entries = [plain(text.get_text()) for text in legend.get_texts()] if legend else []
    shown = f"showing {', '.join(filter(None, entries))}" if any(entries) else ""
    return "; ".join(filter(None, [*titles, sides, shown]))


def plain(text: str) -> str:
    """Return words without the marks of TeX, on one line."""
    text = re.sub(r"\\(?:mathrm|mathbf|rm|text)\b", "", text)
    return " ".join(re.sub(r"[$\\{}]", "", text).split())
