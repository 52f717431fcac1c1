"""Pictures of an audit: laws over the measured spectrum, misfits, shares, quantiles.

Every function draws on the axes it is given and returns what it drew.

Examples
--------
>>> import numpy as np
>>> from matplotlib.figure import Figure
>>> from rmtland.audit.diagnostics import Diagnostics, Quantiles
>>> axes, x = Figure().subplots(), np.linspace(-2, 2, 9)
>>> lines = draw_quantiles(axes, Diagnostics((), (Quantiles("W1", x, x, x**2 / 40),), 0.01))
>>> [line.get_label() for line in lines]
['W1']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rmtland.audit.diagnostics import Diagnostics
from rmtland.audit.hessian_audit import DYSON, WIGNER, HessianAudit, Level
from rmtland.plot import draw_spectrum, law_points

__all__ = [
    "draw_audit",
    "draw_densities",
    "draw_distribution_errors",
    "draw_misfits",
    "draw_quantiles",
    "draw_shares",
    "drawn_levels",
]

STYLES: dict[int, dict[str, Any]] = {
    0: {"color": "#999999", "ls": (0, (1, 1))},
    1: {"color": "#D55E00", "ls": (0, (5, 1.5))},
    2: {"color": "#E69F00", "ls": "-."},
    3: {"color": "#CC79A7", "ls": (0, (3, 1, 1, 1))},
    4: {"color": "#009E73", "ls": "-"},
    5: {"color": "#0072B2", "ls": "-"},
    6: {"color": "#000000", "ls": (0, (4, 2))},
}
"""Colours that the colour-blind tell apart, by level."""


def drawn_levels(audit: HessianAudit) -> list[Level]:
    """Levels to draw: one family, and level 6 only where it differs from level 5."""
    levels = [level for level in audit.levels if level.family in (WIGNER, DYSON)]
    laws: list[Any] = []
    kept = []
    for level in levels:
        if not any(level.law is law for law in laws):
            laws.append(level.law)
            kept.append(level)
    return kept


def draw_densities(
    ax: Axes, audit: HessianAudit, *, levels: Sequence[Level] | None = None, bins: int | None = None
) -> list[Artist]:
    """Draw the density of every level over the histogram of the measured eigenvalues.

    The axis shows the bulk; eigenvalues beyond it count in the normalisation.
    """
    nodes = audit.spectrum.eigenvalues
    bins = int(np.clip(nodes.size / 6, 15, 90)) if bins is None else bins
    low, high = np.quantile(nodes, [0.0, 0.97])
    pad = 0.15 * (high - low)
    limits = (float(low - pad), float(high + pad))
    artists: list[Artist] = [
        draw_spectrum(ax, audit.spectrum, bins=bins, limits=limits, label="measured", color="0.82")
    ]
    shares, _ = np.histogram(nodes, np.linspace(*limits, bins + 1))
    top = float(np.sort(shares)[-2]) / nodes.size * bins / (limits[1] - limits[0])
    for level in drawn_levels(audit) if levels is None else levels:
        artists.append(_density(ax, level, limits))
    ax.set_xlim(*limits)
    ax.set_ylim(0, 1.25 * top)
    ax.set_xlabel("eigenvalue of the Hessian")
    ax.set_ylabel("density")
    return artists


def _density(ax: Axes, level: Level, limits: tuple[float, float]) -> Line2D:
    """Draw the slope of the distribution function over cells: laws with very many bands too."""
    edges = np.linspace(*limits, 241)
    mass = np.diff(level.law.cdf(edges))
    middle = (edges[1:] + edges[:-1]) / 2
    (line,) = ax.plot(
        middle, mass / np.diff(edges), lw=1.5, label=f"{level.number}  {level.name}",
        **STYLES[level.number],
    )  # fmt: skip
    return line


def draw_distribution_errors(
    ax: Axes, audit: HessianAudit, *, levels: Sequence[Level] | None = None
) -> list[Artist]:
    """Draw distribution function of each law less the measured one, against the measured level.

    The largest modulus of a curve is its Kolmogorov distance.
    """
    nodes = audit.spectrum.eigenvalues
    seen = (np.arange(nodes.size) + 0.5) / nodes.size
    artists: list[Artist] = []
    for level in drawn_levels(audit) if levels is None else levels:
        if level.number == 0:
            points = np.concatenate([nodes, law_points(level.law, 300)])
            points.sort()
            x = np.searchsorted(nodes, points, side="right") / nodes.size
            y = level.law.cdf(points) - x
        else:
            x, y = seen, level.law.cdf(nodes) - seen
        artists += ax.plot(
            x, y, lw=1.3, label=f"{level.number}  {level.name}", **STYLES[level.number]
        )
    if audit.chance is not None:
        band = audit.chance + 2 * (audit.chance_error or 0.0)
        artists.append(ax.axhspan(-band, band, color="0.9", zorder=0))
    ax.axhline(0, color="0.5", lw=0.6)
    ax.set_xlim(0, 1)
    ax.set_xlabel("fraction of eigenvalues below")
    ax.set_ylabel("distribution function, law - measured")
    return artists


def draw_misfits(ax: Axes, audit: HessianAudit) -> list[Artist]:
    """Draw the Kolmogorov distance of every level as a bar, with what chance alone gives."""
    levels = list(audit.levels)
    places = np.arange(len(levels))[::-1]
    values = [level.comparison.kolmogorov for level in levels]
    errors = [level.error or 0.0 for level in levels]
    colors = [STYLES[level.number]["color"] for level in levels]
    bars = ax.barh(places, values, xerr=errors, color=colors, height=0.7, ecolor="0.3")
    for place, value, error in zip(places, values, errors, strict=True):
        ax.text(value + error, place, f"  {value:.3f}", va="center", fontsize=7)
    artists: list[Artist] = list(bars)
    if audit.chance is not None:
        artists.append(ax.axvline(audit.chance, color="0.2", lw=0.9, ls=(0, (2, 2))))
        ax.text(audit.chance, len(levels) - 0.35, " chance", fontsize=7, va="bottom", ha="left")
    ax.set_yticks(places, [f"{level.number}  {level.name}" for level in levels], fontsize=7)
    ax.set_xlim(0, 1.2 * max(values) + 1e-3)
    ax.set_ylim(-0.6, len(levels) + 0.2)
    ax.set_xlabel("Kolmogorov distance to measured")
    return artists


def draw_shares(ax: Axes, audit: HessianAudit) -> list[Artist]:
    """Draw what each assumption contributes; thin lines show the range over the orders."""
    shares = list(audit.shares)
    places = np.arange(len(shares))[::-1]
    values = [share.value for share in shares]
    colors = [STYLES[1 if share.law == WIGNER else 5]["color"] for share in shares]
    artists: list[Artist] = list(ax.barh(places, values, color=colors, height=0.6))
    for place, share in zip(places, shares, strict=True):
        artists += ax.plot([share.low, share.high], [place, place], color="0.25", lw=1)
        end = max(share.value, share.high, 0.0)
        text = f"  {share.value:.3f}"
        if share.error is not None:
            text += f" $\\pm$ {share.error:.3f}"
        ax.text(end, place, text, va="center", fontsize=7)
    ax.axvline(0, color="0.3", lw=0.8)
    ax.set_yticks(places, [share.assumption for share in shares], fontsize=7)
    least, most = min(0.0, *(s.low for s in shares)), max(s.high for s in shares)
    room = max(most - least, 1e-3)
    ax.set_xlim(least - 0.06 * room, most + 0.4 * room)
    ax.set_xlabel("share of the misfit (orange: as printed; blue: Dyson)")
    return artists


def draw_quantiles(ax: Axes, diagnostics: Diagnostics) -> list[Line2D]:
    """Draw measured quantiles of residuals and weights less those of the normal law."""
    lines = []
    colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
    for i, q in enumerate(diagnostics.quantiles):
        color = colors[i % len(colors)]
        lines += ax.plot(q.normal, q.measured - q.normal, lw=1.2, color=color, label=q.array)
        ax.fill_between(q.normal, -2 * q.error, 2 * q.error, color=color, alpha=0.12, lw=0)
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set_xlabel("quantile of the normal law")
    ax.set_ylabel("standardised quantile - normal one")
    if lines:
        ax.legend(fontsize=7, loc="upper center", ncols=min(3, len(lines)))
    return lines


def draw_audit(axes: Sequence[Axes], audit: HessianAudit) -> list[Artist]:
    """Draw an audit on four axes: densities, misfits, shares, quantiles."""
    first, second, third, fourth = axes
    artists = draw_densities(first, audit)
    first.set_ylim(0, 1.4 * first.get_ylim()[1])
    first.legend(fontsize=6.5, loc="upper center", ncols=2, frameon=False)
    artists += draw_misfits(second, audit)
    artists += draw_shares(third, audit)
    artists += draw_quantiles(fourth, audit.diagnostics)
    return artists
