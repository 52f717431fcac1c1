"""The picture of the study of minimisers: eight panels.

>>> sorted(LOOKS)
['linear', 'quadratic', 'relu', 'sine', 'tanh']
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rmtland.drawing import COLORS
from rmtland.reproduction.figure import Content, Series, error_bars, label_panels
from rmtland.reproduction.minimisers_numbers import ADDED, shape_name
from rmtland.typing import Record

__all__ = ["LOOKS", "draw_study"]

LOOKS: dict[str, Record] = {
    "tanh": {"color": COLORS[1], "marker": "o"},
    "relu": {"color": COLORS[0], "marker": "s"},
    "quadratic": {"color": COLORS[3], "marker": "^"},
    "sine": {"color": COLORS[4], "marker": "D"},
    "linear": {"color": "0.4", "marker": "x"},
}
_KINDS = ("-", "--", ":", "-.")
_PUBLISHED: Record = {"color": "black", "lw": 1.2, "ls": (0, (5, 2))}


def draw_study(figure: Figure, content: Content, shapes: tuple[tuple[int, int, int], ...]) -> None:
    """Draw energies, exponents, shapes, starts, slopes and added units.

    Parameters
    ----------
    figure : Figure
        An empty figure of matplotlib.
    content : Content
        What to draw.
    shapes : tuple of (int, int, int)
        Labels of the panel of shapes.
    """
    figure.set_size_inches(16.0, 8.4)
    axes = figure.subplots(2, 4)
    label_panels(figure, axes, content.caption)
    (a, b, c, d), (e, f, g, h) = axes
    _energies(a, content)
    _exponents(b, content)
    _shapes(c, content, shapes)
    _starts(d, content)
    kinds = list(
        dict.fromkeys(str(s.panel) for s in content.series if str(s.panel).startswith("S on data"))
    )
    _on_data(e, content, kinds[:1])
    _on_data(f, content, kinds[1:] or kinds)
    _fitted(g, content)
    _added(h, content)


def _of(content: Content, panel: str) -> list[Series]:
    return [one for one in content.series if str(one.panel) == panel]


def _look(name: str) -> Record:
    for activation, look in LOOKS.items():
        if activation in name.split(", "):
            return look
    return {"color": "black", "marker": "v"}


def _legend(ax: Axes, **more: Any) -> None:
    ax.legend(**{"fontsize": 7, "frameon": False, **more})


def _points(ax: Axes, one: Series, **look: Any) -> None:
    """Draw one series with its errors."""
    ax.errorbar(one.x, one.y, error_bars(one), **{"ms": 4, "lw": 1, "mfc": "none", **look})


def _energies(ax: Axes, content: Content) -> None:
    phi = np.linspace(0.02, 0.86, 200)
    ax.plot(phi, (1 - phi) ** 2 / 2, label=r"published $(1-\phi)^2/2$", **_PUBLISHED)
    ax.plot(phi, (1 - phi / 2) / 2, color="0.6", lw=1, label=r"least squares $(1-\phi/2)/2$")
    for one in _of(content, "energy"):
        name = str(one.name)
        if name.startswith("limit"):
            _points(ax, one, ls="none", label=name.replace("limit, ", ""), **_look(name))
    ax.set_yscale("log")
    ax.set_xlabel(r"$\phi = 2n/m$")
    ax.set_ylabel(r"energy $\epsilon$ (loss per output)")
    ax.set_title("square networks, limit n to infinity", fontsize=9)
    _legend(ax, loc="lower left")


def _exponents(ax: Axes, content: Content) -> None:
    ax.axhline(2.0, **_PUBLISHED)
    for one in _of(content, "exponent"):
        name = str(one.name)
        if "linear" not in name:
            _points(ax, one, capsize=2, label=name, **_look(name))
    ax.set_xlabel(r"$\phi = 2n/m$")
    ax.set_ylabel(r"exponent $\ln 2\epsilon\,/\,\ln(1-\phi)$")
    ax.set_title("square networks, limit; published: 2", fontsize=9)
    _legend(ax)


def _shapes(ax: Axes, content: Content, shapes: tuple[tuple[int, int, int], ...]) -> None:
    ax.axhline(0.125, **_PUBLISHED)
    for one in _of(content, "shapes"):
        name = str(one.name)
        _points(ax, one, ls="none", ms=5, label=name, **_look(name))
    ax.set_xticks(range(len(shapes)), [shape_name(s) for s in shapes], rotation=35, ha="right")
    ax.set_xlabel("inputs, hidden units, outputs")
    ax.set_ylabel(r"energy $\epsilon$")
    ax.set_ylim(0, None)
    ax.set_title(r"shapes at $\phi = 1/2$; published: .125", fontsize=9)
    _legend(ax, ncols=2)


def _starts(ax: Axes, content: Content) -> None:
    ax.axhline(0.125, **_PUBLISHED)
    for one, color in zip(_of(content, "starts"), COLORS, strict=False):
        _points(ax, one, marker="o", mfc=color, color=color, label=f"L-BFGS {one.name}")
    scales = _of(content, "starts")[0].x
    ax.set_xscale("log")
    ax.set_xticks(scales, [f"{scale:g}" for scale in scales])
    ax.minorticks_off()
    ax.set_xlabel("weights at the start over $n^{-1/2}$")
    ax.set_ylabel(r"energy $\epsilon$")
    ax.set_title(r"tanh, $\phi = 1/2$, other starts and memory", fontsize=9)
    _legend(ax)


def _on_data(ax: Axes, content: Content, panels: list[str]) -> None:
    ax.axhline(2.0, **_PUBLISHED)
    names = []
    for panel, kind in zip(panels, _KINDS, strict=False):
        label = panel.removeprefix("S on data ")
        for one in _of(content, panel):
            name = str(one.name)
            if name == "linear" or (len(panels) > 1 and name not in ("tanh", "relu")):
                continue
            shown = name if len(panels) == 1 else f"{name} {label}"
            _points(ax, one, ls=kind, capsize=2, label=shown, **_look(name))
        names.append(label)
    ax.set_xlabel(r"$\phi = n_1(n_0+n_2)/(m n_2)$")
    ax.set_ylabel(r"$\ln 2\epsilon\,/\,\ln(1-\phi)$")
    title = f"data {names[0]}" if len(panels) == 1 else "other data"
    ax.set_ylim(0.9, 3.4)
    ax.set_title(f"   hidden units varied, {title} ($n_0, n_2, m$)", fontsize=9)
    _legend(ax, ncols=1 if len(panels) == 1 else 2, fontsize=6)


def _fitted(ax: Axes, content: Content) -> None:
    shown = _of(content, "S fitted")
    values = np.concatenate([np.concatenate([one.x, one.y]) for one in shown])
    ends = [0.9 * values.min(), 1.05 * values.max()]
    ax.plot(ends, ends, color="0.6", lw=1)
    for one, color, marker in zip(shown, COLORS, "os^Dv", strict=False):
        _points(ax, one, ls="none", marker=marker, ms=5, color=color, label=str(one.name))
    ax.set_xlabel("S of one unit, mean of its maxima")
    ax.set_ylabel("S fitted to networks")
    ax.set_title("each activation; line: equal", fontsize=9)
    _legend(ax, title="$n_0, n_2, m$", title_fontsize=7)


def _added(ax: Axes, content: Content) -> None:
    ax.axhline(1.0, **_PUBLISHED)
    for (label, kind), color in zip(
        zip(ADDED.values(), _KINDS, strict=False), (COLORS[2], COLORS[5], "black"), strict=True
    ):
        lines = [one for one in _of(content, label) if str(one.name) != "linear"]
        x, y = lines[0].x, np.array([one.y for one in lines])
        spread = y.std(axis=0, ddof=1) if len(lines) > 1 else np.zeros(len(x))
        ax.errorbar(
            x,
            y.mean(axis=0),
            spread,
            color=color,
            ls=kind,
            marker="o",
            ms=4,
            lw=1.2,
            capsize=2,
            label=label,
        )
    ax.set_xlabel(r"$\phi$ before the unit is added")
    ax.set_ylabel(r"$(1-\phi)$ gain $/\,S$ of one unit")
    ax.set_ylim(0, None)
    ax.set_title("one unit more; derivation: 1", fontsize=9)
    _legend(ax, loc="lower left")
