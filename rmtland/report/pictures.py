"""Pictures of a report: figures of matplotlib and picture files, with words on what they show.

A figure becomes a drawing (SVG) that stays sharp when zoomed, and pixels (PNG) in two sizes for
pages where the drawing would take too much room.

>>> from matplotlib.figure import Figure
>>> figure = Figure()
>>> _ = figure.subplots().plot([0, 1], [0, 1], label="law")
>>> _ = figure.axes[0].set(xlabel="eigenvalue", ylabel="density", title="A density")
>>> words_of(figure)
'A density: density against eigenvalue; shown: law.'
"""

from __future__ import annotations

import html
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rmtland.report.sections import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["palette_png", "picture_file", "picture_of", "words_of"]

LARGEST_DRAWING = 600_000
"""Bytes of SVG up to which a drawing is better than its pixels."""

LARGEST_FILE = 20_000_000
"""Bytes that a picture file may have."""

MOST_PIXELS = 40_000_000
"""Pixels that a picture file may have: a small file can claim gigabytes."""

_PIXELS = (170, 80)


def picture_of(figure: Figure, *, caption: str = "", name: str = "") -> Picture:
    """Return a figure of matplotlib as a picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    caption : str, optional
        A line below it.
    name : str, optional
        The file that holds it as well.

    Returns
    -------
    Picture
        As SVG where that is small, and as PNG in two sizes.
    """
    import matplotlib as mpl
    from PIL.Image import open as opened

    versions = []
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "rmtland", "svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    if stream.tell() <= LARGEST_DRAWING:
        versions.append(("image/svg+xml", stream.getvalue()))
    for dots in _PIXELS:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=dots, pil_kwargs={"compress_level": 0})
        with opened(stream) as whole:
            versions.append(("image/png", palette_png(whole)))
    return Picture(tuple(versions), words_of(figure), caption=caption, name=name)


def picture_file(path: Path) -> Picture:
    """Return a picture file as a picture.

    Parameters
    ----------
    path : Path
        A .png or .svg file.

    Returns
    -------
    Picture
        The file as it is; a PNG in half its size too. In words it is what its description says,
        which files of commands have.

    Raises
    ------
    ValueError
        If it is not such a picture, or larger than 20 MB or 40 million pixels.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"{path.name} has {size} bytes; at most {LARGEST_FILE} are read")
    content = path.read_bytes()
    plain = f"The picture {path.name}"
    if path.suffix == ".svg":
        head = content[:20_000].decode("utf-8", "replace")
        if not _is_drawing(content):
            raise ValueError(f"{path.name} is not a picture in SVG")
        found = re.search(r"<dc:description>([^<]+)</dc:description>", head)
        words = html.unescape(found[1]).strip() if found else plain
        versions = [("image/svg+xml", content)]
        return Picture(tuple(versions), words or plain, caption=path.name, name=path.name)
    from PIL.Image import open as opened

    try:
        with opened(io.BytesIO(content), formats=["PNG"]) as whole:
            if whole.width * whole.height > MOST_PIXELS:
                raise ValueError(f"it has more than {MOST_PIXELS} pixels")
            whole.load()
            described = str(whole.info.get("Description", "")).strip()
            half = whole.convert("RGB").reduce(2)
    except Exception as error:  # damaged bytes surface as almost anything, bombs as errors
        raise ValueError(f"{path.name} is not a picture in PNG: {error}") from error
    versions = [("image/png", content), ("image/png", palette_png(half))]
    return Picture(tuple(versions), described or plain, caption=path.name, name=path.name)


def _is_drawing(content: bytes) -> bool:
    """Whether a file is whole XML whose root is svg, without entities of its own (no bombs)."""
    from xml.parsers import expat

    roots: list[str] = []

    def begins(name: str, attributes: dict[str, str]) -> None:
        if not roots:
            roots.append(name.rpartition(":")[2])

    def declared(*entity: object) -> None:
        raise ValueError("it declares entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begins
    parser.EntityDeclHandler = declared
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return roots == ["svg"]


def words_of(figure: Figure) -> str:
    """Return in words what a figure shows: titles, axes, and the names in its legends.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    str
        A sentence for each panel.
    """
    parts = []
    heading = _plain(figure.get_suptitle())
    if heading:
        parts.append(heading + ".")
    shown = [axes for axes in figure.axes if axes.axison]
    for number, axes in enumerate(shown):
        text = _panel(axes)
        if text:
            parts.append(f"Panel {number + 1}, {text}." if len(shown) > 1 else f"{text}.")
    return " ".join(parts) or "A figure."


def _panel(axes: Axes) -> str:
    title, x, y = map(_plain, (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()))
    between = f"{y} against {x}" if x and y else x or y
    text = ": ".join(part for part in (title, between) if part)
    names = [name for name in axes.get_legend_handles_labels()[1] if name]
    if names:
        listed = f"shown: {', '.join(map(_plain, dict.fromkeys(names)))}"
        text = f"{text}; {listed}" if text else listed
    return text


def _plain(text: str) -> str:
    """Return a text of matplotlib on one line, formulas in it without their marks."""
    text = re.sub(r"\\pm\b", "\u00b1", text)
    text = re.sub(r"\\(?:mathrm|mathbf|mathit|text|left|right)\b", "", text)
    return " ".join(re.sub(r"[${}\\]", "", text).split())


def palette_png(picture: Image, *, words: str = "") -> bytes:
    """Return a PNG with a palette: lines and text look the same in a third of the size.

    Parameters
    ----------
    picture : PIL.Image.Image
        The picture.
    words : str, optional
        What it shows, kept in the file as its description.

    Returns
    -------
    bytes
        A PNG of 128 colours.
    """
    from PIL.PngImagePlugin import PngInfo

    stream, about = io.BytesIO(), PngInfo()
    if words:
        about.add_itxt("Description", words)
    picture.convert("RGB").quantize(128).save(stream, format="png", optimize=True, pnginfo=about)
    return stream.getvalue()
