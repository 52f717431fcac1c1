"""Pictures of an audit: laws over the measured spectrum, misfits, shares, quantiles.

Every function draws on the axes it is given and returns what it drew. Bars are values; black
whiskers are errors from Hessians drawn anew; grey brackets are ranges over the orders in which
assumptions are given up.

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
from textwrap import fill

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rmtland.arguments import instance
from rmtland.audit.diagnostics import Diagnostics
from rmtland.audit.findings import HessianAudit
from rmtland.audit.level_result import LevelResult
from rmtland.audit.levels import Family, Level
from rmtland.drawing import COLORS, STYLES, given_axes, several_axes
from rmtland.intervals import error_words
from rmtland.plot import draw_spectrum, law_points
from rmtland.typing import ArrayLike, Real, Record

__all__ = [
    "LEVEL_STYLES",
    "audit_figure",
    "draw_audit",
    "draw_densities",
    "draw_distribution_errors",
    "draw_misfits",
    "draw_quantiles",
    "draw_shares",
    "drawn_levels",
]

LEVEL_STYLES: dict[Level, Record] = {
    level: {key: STYLES[name][key] for key in ("color", "ls")}
    for level, name in {
        Level.PRINTED: "printed",
        Level.MATCHED: "matched",
        Level.FITTED: "fitted",
        Level.MEASURED_GAUSS_NEWTON: "one part measured",
        Level.MEASURED_PARTS: "both parts measured",
        Level.DYSON: "Dyson",
        Level.DYSON_MOMENTS: "Dyson, measured moments",
    }.items()
} | {
    Level.CONDITIONED_GRADIENT: {"color": "black", "ls": "-"},
    Level.CONDITIONED_INPUTS: {"color": "black", "ls": ":"},
    Level.GIVEN: {"color": COLORS[5], "ls": (0, (6, 1, 1, 1))},
}
"""Colours that the colour-blind tell apart, by level."""

_CELLS = 240
_TALL = 6.0
"""Heights above the bars from which a logarithmic axis shows both."""


def drawn_levels(audit: HessianAudit) -> list[LevelResult]:
    """Levels to draw: one family, and level 6 only where it differs from level 5.

    Parameters
    ----------
    audit : HessianAudit
        What was found.

    Returns
    -------
    list of LevelResult
    """
    kept: list[LevelResult] = []
    for result in audit.levels:
        repeated = any(result.law is other.law for other in kept)
        if result.family is not Family.RELU_BLOCK and not repeated:
            kept.append(result)
    return kept


def draw_densities(
    ax: Axes,
    audit: HessianAudit,
    *,
    levels: Sequence[LevelResult] | None = None,
    bins: int | None = None,
) -> list[Artist]:
    """Draw the density of every level over the histogram of the measured eigenvalues.

    The axis shows the bulk; eigenvalues beyond it count in the normalisation. Every curve is shown
    to its top, on a logarithmic axis where one is much higher than the bars.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    audit : HessianAudit
        What was found.
    levels : sequence of LevelResult, optional
        Which levels; `drawn_levels` by default.
    bins : int, optional
        Bins of the histogram.

    Returns
    -------
    list of Artist

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("audit", audit, HessianAudit, "a HessianAudit")
    nodes, weights = audit.spectrum.measure
    bins = int(np.clip(nodes.size / 6, 15, 90)) if bins is None else bins
    low, high = np.quantile(nodes, [0.0, 0.97])
    pad = 0.15 * (high - low) or 1.0
    limits = (float(low - pad), float(high + pad))
    artists: list[Artist] = [
        draw_spectrum(ax, audit.spectrum, bins=bins, limits=limits, label="measured", color="0.82")
    ]
    mass, edges = np.histogram(nodes, np.linspace(*limits, bins + 1), weights=weights)
    heights = mass / np.diff(edges)
    lines = [
        _density(ax, level, edges) for level in (drawn_levels(audit) if levels is None else levels)
    ]
    highest = max([float(heights.max()), *(float(np.max(line.get_ydata())) for line in lines)])
    if highest > _TALL * np.sort(heights)[-2]:
        ax.set_yscale("log")
        ax.set_ylim(0.5 * heights[heights > 0].min(), 1.3 * highest)
    else:
        ax.set_ylim(0, 1.05 * highest)
    ax.set_xlim(*limits)
    ax.set_xlabel("eigenvalue of the Hessian")
    ax.set_ylabel("density")
    return [*artists, *lines]


def _density(ax: Axes, level: LevelResult, bins: Real) -> Line2D:
    """Draw the slope of the distribution function over cells: laws with very many bands too.

    Of a law of points alone, such as the mean spectrum of drawn Hessians, over the bins.
    """
    edges = np.linspace(bins[0], bins[-1], _CELLS + 1) if level.law.support else bins
    mass = np.diff(level.law.cdf(edges))
    middle = (edges[1:] + edges[:-1]) / 2
    (line,) = ax.plot(
        middle,
        mass / np.diff(edges),
        lw=1.5,
        label=f"{level.number}  {level.name}",
        **LEVEL_STYLES[level.level],
    )
    return line


def draw_distribution_errors(
    ax: Axes, audit: HessianAudit, *, levels: Sequence[LevelResult] | None = None
) -> list[Artist]:
    """Draw distribution function of each law less the measured one, against the measured level.

    The largest modulus of a curve is its Kolmogorov distance.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    audit : HessianAudit
        Of eigenvalues.
    levels : sequence of LevelResult, optional
        Which levels; `drawn_levels` by default.

    Returns
    -------
    list of Artist

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("audit", audit, HessianAudit, "a HessianAudit")
    nodes = audit.spectrum.eigenvalues
    seen = (np.arange(nodes.size) + 0.5) / nodes.size
    artists: list[Artist] = []
    for level in drawn_levels(audit) if levels is None else levels:
        if level.level is Level.PRINTED:
            points = np.concatenate([nodes, law_points(level.law, 300)])
            points.sort()
            x = np.searchsorted(nodes, points, side="right") / nodes.size
            y = level.law.cdf(points) - x
        else:
            x, y = seen, level.law.cdf(nodes) - seen
        label = f"{level.number}  {level.name}"
        artists += ax.plot(x, y, lw=1.3, label=label, **LEVEL_STYLES[level.level])
    if audit.chance is not None:
        band = audit.chance + 2 * (audit.chance_error or 0.0)
        artists.append(ax.axhspan(-band, band, color="0.9", zorder=0))
    ax.axhline(0, color="0.5", lw=0.6)
    ax.set_xlim(0, 1)
    ax.set_xlabel("fraction of eigenvalues below")
    ax.set_ylabel("distribution function, law - measured")
    return artists


def draw_misfits(ax: Axes, audit: HessianAudit) -> list[Artist]:
    """Draw the Kolmogorov distance of every level as a bar, with what Hessians drawn anew have.

    Of estimates the whiskers are the ranges of the distances, and a line is the threshold.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    audit : HessianAudit
        What was found.

    Returns
    -------
    list of Artist
        The bars first.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("audit", audit, HessianAudit, "a HessianAudit")
    levels = list(audit.levels)
    places = np.arange(len(levels))[::-1]
    values = [level.kolmogorov for level in levels]
    below, errors = _errors(levels)
    colors = [LEVEL_STYLES[level.level]["color"] for level in levels]
    artists: list[Artist] = list(ax.barh(places, values, color=colors, height=0.7))
    _whiskers(ax, places, values, [below, errors])
    for place, level, error in zip(places, levels, errors, strict=True):
        text = f"  {level.kolmogorov:.3f}"
        if level.is_estimated:
            text += f" {level.standing(audit.threshold)}"
        elif level.error is not None:
            text += f" $\\pm$ {error_words(level.error)}"
        ax.text(level.kolmogorov + error, place, text, va="center", fontsize=7)
    if audit.chance is not None:
        artists.append(ax.axvline(audit.chance, color="0.2", lw=0.9, ls=(0, (2, 2))))
        ax.text(
            audit.chance,
            len(levels) - 0.35,
            " Hessians drawn anew, level 5",
            fontsize=7,
            va="bottom",
        )
    if audit.is_estimated:
        artists.append(ax.axvline(audit.threshold, color="0.2", lw=0.9, ls=(0, (2, 2))))
        ax.text(audit.threshold, len(levels) - 0.35, " threshold", fontsize=7, va="bottom")
    ax.set_yticks(places, [f"{level.number}  {level.name}" for level in levels], fontsize=7)
    ends = [value + error for value, error in zip(values, errors, strict=True)]
    ax.set_xlim(0, 1.5 * max(ends) + 1e-3)
    ax.set_ylim(-0.6, len(levels) + 0.2)
    whisker = "" if not any(errors) else "\n($\\pm$: spread of redraws)"
    if audit.is_estimated:
        whisker = "\n(whiskers: ranges)"
    ax.set_xlabel(f"Kolmogorov distance to measured{whisker}", fontsize=8)
    return artists


def draw_shares(ax: Axes, audit: HessianAudit) -> list[Artist]:
    """Draw what each assumption contributes, its error, and its range over the orders.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    audit : HessianAudit
        What was found.

    Returns
    -------
    list of Artist
        The bars first.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("audit", audit, HessianAudit, "a HessianAudit")
    shares = list(audit.shares)
    if not shares:
        reason = "a level of the chain is missing"
        ax.text(0.5, 0.5, f"no shares: {reason}", ha="center", transform=ax.transAxes)
        ax.set_axis_off()
        return []
    places = np.arange(len(shares))[::-1]
    values = [share.value for share in shares]
    chosen = {Family.WIGNER: Level.MATCHED, Family.DYSON: Level.DYSON}
    colors = [LEVEL_STYLES[chosen[share.law]]["color"] for share in shares]
    artists: list[Artist] = list(ax.barh(places, values, color=colors, height=0.6))
    _whiskers(ax, places, values, [share.error or 0.0 for share in shares])
    for place, share in zip(places, shares, strict=True):
        if share.high > share.low:
            x = [share.low, share.low, share.high, share.high]
            y = place + np.array([-0.22, -0.34, -0.34, -0.22])
            artists += ax.plot(x, y, color="0.45", lw=0.9)
        end = max(share.value + (share.error or 0.0), share.high, 0.0)
        text = f"  {share.value:.3f}"
        if share.error is not None:
            text += f" $\\pm$ {error_words(share.error)}"
        if share.cancels:
            text += ", orders cancel"
        ax.text(end, place, text, va="center", fontsize=7)
    ax.axvline(0, color="0.3", lw=0.8)
    ax.set_yticks(places, [str(share.assumption) for share in shares], fontsize=7)
    ends = [0.0]
    for share in shares:
        error = share.error or 0.0
        ends += [share.low, share.high, share.value - error, share.value + error]
    least, most = min(ends), max(ends)
    room = max(most - least, 1e-3)
    ax.set_xlim(least - 0.06 * room, most + 0.5 * room)
    ax.set_xlabel(
        r"share of the misfit $\pm$ error; bracket: range over orders"
        "\n(orange: Wishart + Wigner as printed;\nblue: matrix Dyson, level 5)",
        fontsize=8,
    )
    return artists


def _errors(levels: Sequence[LevelResult]) -> tuple[list[float], list[float]]:
    """How far the whiskers of levels reach, down and up."""
    below, above = [], []
    for level in levels:
        low, high = level.kolmogorov_range
        is_range = level.is_estimated
        below.append(level.kolmogorov - low if is_range else level.error or 0.0)
        above.append(high - level.kolmogorov if is_range else level.error or 0.0)
    return below, above


def _whiskers(ax: Axes, places: ArrayLike, values: list[float], errors: ArrayLike) -> None:
    """Draw errors where there are any."""
    if np.any(errors):
        ax.errorbar(
            values, places, xerr=errors, fmt="none", ecolor="black", elinewidth=1, capsize=2
        )


def draw_quantiles(ax: Axes, diagnostics: Diagnostics) -> list[Line2D]:
    """Draw measured quantiles of residuals and weights less those of the normal law.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    diagnostics : Diagnostics
        Tests of a point.

    Returns
    -------
    list of Line2D

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("diagnostics", diagnostics, Diagnostics, "the Diagnostics of an audit")
    lines = []
    for i, q in enumerate(diagnostics.quantiles):
        color = COLORS[i % len(COLORS)]
        lines += ax.plot(q.normal, q.measured - q.normal, lw=1.2, color=color, label=q.array)
        ax.fill_between(q.normal, -2 * q.error, 2 * q.error, color=color, alpha=0.12, lw=0)
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set_xlabel("quantile of the normal law (bands: two standard errors)", fontsize=8)
    ax.set_ylabel("standardised quantile - normal one", fontsize=8)
    if lines:
        ax.legend(fontsize=7, loc="upper center", ncols=min(3, len(lines)))
    return lines


def draw_audit(axes: Sequence[Axes], audit: HessianAudit) -> list[Artist]:
    """Draw an audit on four axes: densities, misfits, shares, quantiles.

    Parameters
    ----------
    axes : sequence of four Axes
        Where to draw.
    audit : HessianAudit
        What was found.

    Returns
    -------
    list of Artist

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    first, second, third, fourth = several_axes(axes, 4)
    instance("audit", audit, HessianAudit, "a HessianAudit")
    artists = draw_densities(first, audit)
    handles = [artist for artist in artists if isinstance(artist, Line2D)]
    first.legend(
        handles,
        [f"level {str(line.get_label()).split()[0]}" for line in handles],
        fontsize=7,
        frameon=False,
    )
    artists += draw_misfits(second, audit)
    artists += draw_shares(third, audit)
    if audit.diagnostics is not None:
        artists += draw_quantiles(fourth, audit.diagnostics)
    else:
        fourth.set_axis_off()
    return artists


def audit_figure(audit: HessianAudit, title: str) -> Figure:
    """Return a figure of an audit: one line of title, the verdict under it, four panels.

    Parameters
    ----------
    audit : HessianAudit
        What was found.
    title : str
        One line.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    instance("audit", audit, HessianAudit, "a HessianAudit")
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    draw_audit(list(figure.subplots(2, 2).ravel()), audit)
    words = fill(audit.verdict, 140)
    room = "\n" * (words.count("\n") + 2)
    figure.suptitle(f"{' '.join(title.split())}{room}", fontsize=11, fontweight="bold")
    figure.text(0.5, 0.955, words, ha="center", va="top", fontsize=9)
    return figure
