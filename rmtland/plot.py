"""Figures: spectra and laws drawn on given axes.

Every function draws on the `Axes` it is given and returns what it drew; none opens a window or
writes a file. Density is per unit of eigenvalue, all eigenvalues together having mass 1.

Examples
--------
>>> from matplotlib.figure import Figure
>>> from rmtland import Semicircle, Spectrum, WishartPlusWigner
>>> from rmtland.plot import draw_law, draw_spectrum
>>> axes = Figure().subplots()
>>> model = WishartPlusWigner(0.5, 0.3)
>>> bars = draw_spectrum(axes, model.sample(100, rng=0))
>>> line = draw_law(axes, model.law, label="theory")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rmtland.comparison import Comparison
from rmtland.comparison import outliers as find_outliers
from rmtland.drawing import (
    COLORS,
    STYLES,
    draw_law,
    draw_outliers,
    draw_spectrum,
    law_points,
    style_of,
)
from rmtland.laws import Law
from rmtland.spectrum import Spectrum

__all__ = [
    "COLORS",
    "STYLES",
    "draw_distributions",
    "draw_law",
    "draw_outliers",
    "draw_overlay",
    "draw_spectrum",
    "law_points",
    "style_of",
]


def draw_distributions(
    ax: Axes, spectrum: Spectrum, laws: Mapping[str, Law], *, styles: Sequence[dict[str, Any]] = ()
) -> list[Artist]:
    """Draw distribution functions of a spectrum and of laws on a symmetric logarithmic axis.

    The axis is linear below a hundredth of the median modulus, so that the neighbourhood of zero
    can be read; the vertical distance of two curves is what the Kolmogorov distance measures.
    """
    nodes, weights = spectrum.measure
    moduli = np.abs(nodes[np.abs(nodes) > spectrum.zero_tolerance])
    # The linear part reaches to a power of ten well inside the bulk.
    scale = 10.0 ** np.floor(np.log10(np.median(moduli) / 10)) if moduli.size else 1.0
    low, high = nodes[0] - scale, nodes[-1] + scale
    for law in laws.values():
        low, high = min(low, law.hull[0]), max(high, law.hull[1])
    ax.set_xscale("symlog", linthresh=scale)
    powers = 10.0 ** np.arange(np.log10(scale), np.log10(max(-low, high)) + 1e-9)
    ax.set_xticks(np.concatenate([-powers[::-1], [0.0], powers]))
    x = np.concatenate(([low], nodes, [high]))
    artists: list[Artist] = list(
        ax.step(x, np.concatenate(([0.0], np.cumsum(weights), [1.0])), where="post", color="0.45",
                lw=2.5, zorder=1)
    )  # fmt: skip
    turn = np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), 1500)
    for (name, law), style in zip(laws.items(), styles or [{}] * len(laws), strict=True):
        grid = np.sort(np.concatenate([np.sinh(turn) * scale, law_points(law, 200)]))
        artists += ax.plot(grid, law.cdf(grid), label=name, **style)
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlim(low, high)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("eigenvalue (logarithmic away from zero)")
    ax.set_ylabel("fraction of eigenvalues below")
    return artists


def draw_overlay(
    axes: tuple[Axes, Axes],
    spectrum: Spectrum,
    laws: Mapping[str, Law],
    comparisons: Mapping[str, Comparison],
) -> list[Artist]:
    """Lay laws over a measured spectrum, with distances in the legend.

    Left: densities over the whole range on a logarithmic scale, the neighbourhood of zero in
    an inset on a linear one, the eigenvalues outside the last law marked. Right: distribution
    functions on a symmetric logarithmic axis.

    Parameters
    ----------
    axes : pair of Axes
        For the densities and for the distribution functions.
    spectrum : Spectrum
        The measured spectrum.
    laws : mapping of str to Law
        Laws by the name that the legend shows; outliers are marked against the last one.
    comparisons : mapping of str to Comparison
        Distances, by the same names.
    """
    left, right = axes
    styles = [style_of(i) for i in range(len(laws))]
    last = list(laws.values())[-1]
    nodes, weights = spectrum.measure
    low = min(nodes[0], *(law.hull[0] for law in laws.values()))
    high = max(nodes[-1], *(law.hull[1] for law in laws.values()))
    pad = 0.02 * (high - low)
    bulk = np.quantile(nodes, [0.05, 0.85])
    reach = max(2 * np.abs(bulk).max(), 1e-3 * (high - low))
    near = (max(low - pad, -reach), min(high + pad, reach))
    inset = left.inset_axes((0.42, 0.47, 0.56, 0.5))

    artists: list[Artist] = [
        draw_spectrum(left, spectrum, bins=120, limits=(low - pad, high + pad), label="measured"),
        draw_spectrum(inset, spectrum, bins=60, limits=near),
    ]
    for (name, law), style in zip(laws.items(), styles, strict=True):
        artists.append(draw_law(left, law, points=2000, **style))
        inset_line = _smooth_law(inset, law, near, style)
        artists.append(inset_line)
        del name
    outliers = find_outliers(spectrum, last) if spectrum.is_complete else np.empty(0)
    if outliers.size:
        artists.append(draw_outliers(left, outliers))
    left.set_yscale("log")
    floor = 0.3 / nodes.size / (high - low + 2 * pad) * 120
    bars, _ = np.histogram(nodes, 60, range=near, weights=weights)
    peak = bars.max() / (near[1] - near[0]) * 60
    left.set_ylim(floor, 30 * peak)
    left.set_xlim(low - pad, high + pad)
    left.set_xlabel("eigenvalue")
    left.set_ylabel("density")
    inset.set_xlim(*near)
    inset.set_ylim(0, 1.15 * peak)
    inset.tick_params(labelsize=7)
    inset.set_title("near zero, linear scale", fontsize=7, pad=2)
    inset.axvline(0, color="0.6", lw=0.6, zorder=0)

    named = {
        f"{name}\n  Kolmogorov {comparisons[name].kolmogorov:.3f}, "
        f"W1 {comparisons[name].wasserstein:.3f} widths, "
        f"index {comparisons[name].law_index:.3f}": law
        for name, law in laws.items()
    }
    artists += draw_distributions(right, spectrum, named, styles=styles)
    handles = [Line2D([], [], color="0.6", lw=5, label=f"measured, index {spectrum.index():.3f}")]
    handles += [
        Line2D([], [], label=label, **style) for label, style in zip(named, styles, strict=True)
    ]
    if outliers.size:
        handles.append(
            Line2D([], [], ls="none", marker="v", mfc="none", mec="black", ms=4,
                   label=f"{outliers.size} outside the last law")
        )  # fmt: skip
    artists.append(right.legend(handles=handles, fontsize=7, loc="upper left", framealpha=0.9))
    return artists


def _smooth_law(ax: Axes, law: Law, limits: tuple[float, float], style: dict[str, Any]) -> Line2D:
    return draw_law(ax, law, points=4000, limits=limits, **style)
