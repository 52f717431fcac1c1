"""Pictures of the landscape, each on axes that are given: sharpness, slices, paths, merge trees.

Every function draws on the `Axes` it is given and returns what it drew.

>>> import numpy as np
>>> from matplotlib.figure import Figure
>>> from rmtland.landscape.sharpness import ball_sharpness
>>> from rmtland.landscape.surface import FunctionSurface
>>> bowl = FunctionSurface(2, lambda t: (float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(2))
>>> found = [ball_sharpness(bowl, np.zeros(2), rho, rng=0) for rho in (0.1, 1.0)]
>>> len(draw_sharpness(Figure().subplots(), found))
2
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rmtland.drawing import COLORS
from rmtland.landscape.sharpness import BallSharpness

__all__ = ["draw_sharpness"]


def draw_sharpness(ax: Axes, found: Sequence[BallSharpness]) -> list[Line2D]:
    """Draw the rise of the loss against the radius of the ball, with its bounds.

    Parameters
    ----------
    ax : Axes
        Where to draw; both axes become logarithmic.
    found : sequence of BallSharpness
        At several radii, around one point.

    Returns
    -------
    list of Line2D
        The curves.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not found:
        raise ValueError("there is nothing to draw: give at least one radius")
    rho = [one.rho for one in found]
    curves: dict[str, list[float | None]] = {
        "found by ascent (lower bound)": [one.lower for one in found],
        "certified upper bound": [one.upper for one in found],
        "SAM's one step": [one.sam for one in found],
        r"$\rho^2 \lambda_{\max}/2$": [one.half_rho_squared_lambda_max for one in found],
    }
    styles = (("-", "o"), ("-", "v"), ("--", None), (":", None))
    lines = []
    for (label, values), (dashes, marker), color in zip(
        curves.items(), styles, COLORS[1:], strict=False
    ):
        kept = [(r, v) for r, v in zip(rho, values, strict=True) if v is not None and v > 0.0]
        if kept:
            x, y = [pair[0] for pair in kept], [pair[1] for pair in kept]
            lines += ax.plot(x, y, ls=dashes, marker=marker, ms=4, color=color, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(r"radius $\rho$ of the ball of parameters")
    ax.set_ylabel("rise of the loss above the centre")
    ax.legend(frameon=False, fontsize=8)
    return lines
