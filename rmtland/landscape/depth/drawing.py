"""Pictures of condition numbers against depth.

>>> from matplotlib.figure import Figure
>>> from rmtland.landscape.depth import depth_scan
>>> scan = depth_scan([1, 2, 3], width=8, draws=2, rng=0)
>>> len(draw_depth(Figure().subplots(), [scan], "spread"))
2
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rmtland.arguments import choice
from rmtland.drawing import COLORS, given_axes, several
from rmtland.landscape.depth.conditioning import MEASURES, DepthScan

__all__ = ["draw_depth"]

_LABELS = {
    "jacobian": r"Jacobian: $s_{\max}/s_{\min}$",
    "spread": "Jacobian: quantiles of s, .9 over .1",
    "gauss_newton": r"Gauss-Newton: $\lambda_{\max}/\lambda_{\min}$",
}


def draw_depth(
    ax: Axes, scans: Sequence[DepthScan], measure: str = "jacobian", *, claims: bool = False
) -> list[Line2D]:
    """Draw a condition number against depth, with the law (lines) and draws (markers).

    Parameters
    ----------
    ax : Axes
        Where to draw; both axes become logarithmic.
    scans : sequence of DepthScan
        Networks of one or several kinds.
    measure : {"jacobian", "spread", "gauss_newton"}, optional
        What to draw.
    claims : bool, optional
        Whether the texts' exp(L) and L^2 are drawn, from the first measured value of the first
        scan.

    Returns
    -------
    list of Line2D
        Markers and laws.

    Raises
    ------
    ValueError
        If `measure` is another name.
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    scans = several("scans", scans, DepthScan)
    choice("measure", measure, MEASURES)
    drawn: list[Line2D] = []
    for i, scan in enumerate(scans):
        color, values = COLORS[i % len(COLORS)], getattr(scan, measure)
        depths = np.repeat(scan.depths, values.shape[1])
        drawn += ax.plot(
            depths, values.ravel(), "o", ms=3.5, color=color, alpha=0.7, label=scan.stack.kind
        )
        if measure != "gauss_newton" and np.isfinite(scan.predicted(measure)).any():
            drawn += ax.plot(scan.depths, scan.predicted(measure), color=color, lw=1.2)
    if claims and scans:
        L = np.linspace(scans[0].depths[0], scans[0].depths[-1], 60)
        first = float(np.exp(np.log(getattr(scans[0], measure)[0]).mean()))
        for values, style, name in (
            (first * np.exp(L - L[0]), "--", r"texts: $e^L$"),
            (first * (L / L[0]) ** 2, ":", r"texts: $L^2$"),
        ):
            drawn += ax.plot(L, values, color="0.4", ls=style, lw=1.0, label=name)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xlabel("depth L")
    ax.set_ylabel(_LABELS[measure])
    ax.legend(frameon=False, fontsize=7)
    return drawn
