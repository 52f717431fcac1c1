"""Figures of comparisons: theories laid over a measured spectrum.

Every function draws on the `Axes` it is given and returns what it drew.

Examples
--------
>>> from matplotlib.figure import Figure
>>> from rmtland import WishartPlusWigner
>>> from rmtland.comparison import overlay
>>> model = WishartPlusWigner(0.5, 0.3)
>>> left, right = Figure().subplots(1, 2)
>>> artists = draw_overlay((left, right), overlay(model.sample(60, rng=0), model))
>>> right.get_ylabel()
'fraction of eigenvalues below'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rmtland.arguments import instance
from rmtland.comparison.distances import Comparison
from rmtland.comparison.outliers import is_pooled, outliers
from rmtland.comparison.theories import SmoothedTheory, Theory, law_of, smoothed_of
from rmtland.drawing import (
    by_name,
    draw_law,
    draw_outliers,
    draw_spectrum,
    given_axes,
    law_points,
    several_axes,
    style_of,
)
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Record

__all__ = [
    "LaidOver",
    "draw_distributions",
    "draw_overlay",
    "new_triple",
    "triple_of",
]

_BINS = (5, 120), (10, 60)
"""Eigenvalues to a bin of a histogram and of its inset, and the most bins; the fewest are 20."""


class LaidOver(Protocol):
    """What is drawn: an `rmtland.comparison.Overlay`."""

    @property
    def spectrum(self) -> Spectrum:
        """What was measured."""

    @property
    def theories(self) -> Mapping[str, Theory]:
        """Theories by name."""

    @property
    def comparisons(self) -> Mapping[str, Comparison]:
        """Distances by name."""

    @property
    def parameters(self) -> Mapping[str, Mapping[str, object]]:
        """Parameters by name; "chance" is a distance that chance alone has."""

    def index_words(self) -> str:
        """Say the measured index."""


def new_triple() -> tuple[tuple[Axes, Axes], Axes]:
    """Return two axes beside each other in a new figure of pyplot, and one below for a legend."""
    from matplotlib import pyplot

    return triple_of(pyplot.figure(figsize=(11, 5.8), layout="constrained"))


def triple_of(figure: Figure) -> tuple[tuple[Axes, Axes], Axes]:
    """Divide a figure into two axes beside each other, and one below for a legend.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        An empty one.

    Returns
    -------
    (left, right), below : Axes
        The last without a frame, and flat: the layout makes room for the legend in it.
    """
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    axes = figure.subplot_mosaic([["left", "right"], ["below", "below"]], height_ratios=[1000, 1])
    axes["below"].set_axis_off()
    return (axes["left"], axes["right"]), axes["below"]


def draw_distributions(
    ax: Axes,
    spectrum: Spectrum,
    theories: Mapping[str, Theory],
    *,
    styles: Sequence[Record] = (),
) -> list[Artist]:
    """Draw distribution functions of a spectrum and of theories on a symmetric logarithmic axis.

    The axis is linear below a hundredth of the median modulus, so that the neighbourhood of zero
    can be read; the vertical distance of two curves is what the Kolmogorov distance measures.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    spectrum : Spectrum
        The measured spectrum.
    theories : mapping of str to Law, model, ensemble or fit
        By the name that the legend shows.
    styles : sequence of dict, optional
        Of the curves.

    Returns
    -------
    list of Artist
        The steps of the spectrum, then a curve for each theory.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("spectrum", spectrum, Spectrum, "a Spectrum")
    by_name("theories", theories)
    nodes, weights = spectrum.measure
    laws = {name: _drawable(theory, spectrum) for name, theory in theories.items()}
    moduli = np.abs(nodes[np.abs(nodes) > spectrum.zero_tolerance])
    # The linear part reaches to a power of ten well inside the bulk.
    scale = 10.0 ** np.floor(np.log10(np.median(moduli) / 10)) if moduli.size else 1.0
    low, high = _range(spectrum, laws.values())
    low, high = min(low, nodes[0] - scale), max(high, nodes[-1] + scale)
    ax.set_xscale("symlog", linthresh=scale)
    powers = 10.0 ** np.arange(np.log10(scale), np.log10(max(-low, high)) + 1e-9)
    ax.set_xticks(np.concatenate([-powers[::-1], [0.0], powers]))
    x = np.concatenate(([low], nodes, [high]))
    levels = np.concatenate(([0.0], np.cumsum(weights), [1.0]))
    artists: list[Artist] = list(ax.step(x, levels, where="post", color="0.45", lw=2.5, zorder=1))
    turn = np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), 1500)
    for i, (name, law) in enumerate(laws.items()):
        own = law_points(law, 200)
        places = [place for place, _ in law.atoms]
        grid = np.concatenate([np.sinh(turn) * scale, own, np.nextafter(places, -np.inf), places])
        grid = np.sort(grid)
        style = styles[i] if styles else style_of(i)
        artists += ax.plot(grid, law.cdf(grid), label=name, **style)
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlim(low, high)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("eigenvalue (logarithmic away from zero)")
    ax.set_ylabel("fraction of eigenvalues below")
    return artists


def draw_overlay(
    axes: tuple[Axes, Axes],
    overlay: LaidOver,
    *,
    styles: Sequence[Record] = (),
    legend: Axes | None = None,
) -> list[Artist]:
    """Draw theories over a measured spectrum, with distances in the legend.

    Left: densities over the whole range on a logarithmic scale, the neighbourhood of zero in
    an inset on a linear one, or, where that is the whole range, on a linear scale without an
    inset; the outliers of the last theory marked. Right: distribution functions on a symmetric
    logarithmic axis. All numbers are those of the overlay.

    Parameters
    ----------
    axes : pair of Axes
        For the densities and for the distribution functions.
    overlay : Overlay
        Spectrum, theories and distances.
    styles : sequence of dict, optional
        Of the curves, in the order of the theories.
    legend : Axes, optional
        Empty ones, below the others, for the legend, which otherwise is in the right ones, where it
        may cover the curves.

    Returns
    -------
    list of Artist
        What was drawn.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    left, right = several_axes(axes, 2)
    if not (hasattr(overlay, "spectrum") and hasattr(overlay, "theories")):
        raise TypeError(f"overlay must be an Overlay; got {type(overlay).__name__}")
    spectrum = overlay.spectrum
    laws = {name: _drawable(theory, spectrum) for name, theory in overlay.theories.items()}
    chosen = list(styles) or [style_of(i) for i in range(len(laws))]
    nodes, weights = spectrum.measure
    low, high = _range(spectrum, laws.values())
    pad = 0.02 * (high - low)
    reach = max(2 * np.abs(np.quantile(nodes, [0.05, 0.85])).max(), 1e-3 * (high - low))
    whole = (low - pad, high + pad)
    near = (max(whole[0], -reach), min(whole[1], reach))
    bins, inner = (int(np.clip(nodes.size // few, 20, most)) for few, most in _BINS)
    panels = [(left, whole, bins, 2000)]
    if near != whole:
        panels.append((left.inset_axes((0.42, 0.47, 0.56, 0.5)), near, inner, 4000))
    artists: list[Artist] = [
        draw_spectrum(
            ax, spectrum, bins=many, limits=part, label="measured" if ax is left else None
        )
        for ax, part, many, _ in panels
    ]
    for law, style in zip(laws.values(), chosen, strict=True):
        for ax, part, many, points in panels:
            if is_pooled(law):
                artists.append(_draw_bins(ax, law, part, many, style))
                continue
            bounded = part != whole or isinstance(law, SmoothedTheory)
            limits = part if bounded else None
            artists.append(draw_law(ax, law, points=points, limits=limits, **style))
    last, last_law = list(laws.items())[-1] if laws else ("", None)
    beyond = outliers(spectrum, last_law) if isinstance(last_law, Law) else np.empty(0)
    if beyond.size:
        artists.append(draw_outliers(left, beyond))
    ax, part, many, _ = panels[-1]  # on a linear scale
    bars, _ = np.histogram(nodes, many, range=part, weights=weights)
    peak = float(bars.max()) / (part[1] - part[0]) * many or 1.0
    ax.set_xlim(*part)
    ax.set_ylim(0, 1.15 * peak)
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    if ax is not left:
        ax.tick_params(labelsize=7)
        ax.set_title("near zero, linear scale", fontsize=7, pad=2)
        floor = 0.3 / nodes.size / (high - low + 2 * pad) * bins
        left.set_yscale("log")
        left.set_ylim(floor, max(30 * peak, 10 * floor))
        left.set_xlim(*whole)
    left.set_xlabel("eigenvalue")
    left.set_ylabel("density")
    named = [
        f"{name}\n  {_words(found, overlay.parameters.get(name, {}))}"
        for name, found in overlay.comparisons.items()
    ]
    artists += draw_distributions(right, spectrum, overlay.theories, styles=chosen)
    handles = [Line2D([], [], color="0.6", lw=5, label=f"measured, index {overlay.index_words()}")]
    handles += [
        Line2D([], [], label=label, **style) for label, style in zip(named, chosen, strict=True)
    ]
    if beyond.size:
        label = f"{beyond.size} outliers of: {last}"
        if not spectrum.is_complete:  # nodes are no eigenvalues
            label = f"{100 * overlay.comparisons[last].mass_outside:.1f} % outside of: {last}"
        mark: Record = {"marker": "v", "mfc": "none", "mec": "black", "ms": 4}
        handles.append(Line2D([], [], ls="none", label=label, **mark))
    if legend is None:
        artists.append(right.legend(handles=handles, fontsize=7, loc="upper left", framealpha=0.9))
    else:
        box = legend.legend(
            handles=handles, fontsize=7, loc="upper center", ncols=2, labelspacing=0.4
        )
        artists.append(box)
    return artists


def _words(found: Comparison, parameters: Mapping[str, object]) -> str:
    """Return what the legend says of a comparison."""
    smoothed = f", smoothed at {found.eta:.2g}" if found.eta else ""
    chance = f" (chance {parameters['chance']:.3f})" if "chance" in parameters else ""
    return (
        f"Kolmogorov {found.kolmogorov:.3f}{chance}, W1 {found.wasserstein:.3f}, "
        f"index {found.law_index:.3f}{smoothed}"
    )


def _draw_bins(
    ax: Axes, law: Law | SmoothedTheory, limits: tuple[float, float], bins: int, style: Record
) -> Artist:
    """Draw the mass of a law in bins as a line of steps."""
    edges = np.linspace(*limits, bins + 1)
    heights = np.diff(law.cdf(edges)) / np.diff(edges)
    return ax.stairs(heights, edges, baseline=None, **style)


def _drawable(theory: Theory, spectrum: Spectrum) -> Law | SmoothedTheory:
    """Return the law of a theory, or the theory smoothed as `compare` does."""
    smooth = smoothed_of(theory)
    if smooth is None:
        return law_of(theory)
    return SmoothedTheory(smooth, spectrum.std() / 20 or 1.0)


def _range(spectrum: Spectrum, laws: Iterable[Any]) -> tuple[float, float]:
    """Lowest and highest point of a spectrum and laws; tails are cut at a millionth of the mass."""
    ends = [float(spectrum.nodes.min()), float(spectrum.nodes.max())]
    for law in laws:
        places = [place for place, _ in law.atoms] + [end for band in law.support for end in band]
        if np.isinf(places).any():
            places = [float(law.ppf(5e-7)), float(law.ppf(1 - 5e-7))]
        ends += places
    low, high = min(ends), max(ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
