"""Pictures of linearised networks: losses beside their prediction, and what falls with a size.

Every function draws on the `Axes` it is given and returns what it drew.

>>> from matplotlib.figure import Figure
>>> from rmtland.landscape.linearisation import compare_descent
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(8, 4, rng=0), MLP((4, 32, 4))
>>> run = compare_descent(net, net.init(rng=1), data.x, data.y, steps=5)
>>> len(draw_descent(Figure().subplots(), [run], labels=["width 32"]))
2
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from rmtland.arguments import choice, entries, instance
from rmtland.drawing import COLORS, given_axes, several
from rmtland.intervals import interval_words
from rmtland.landscape.linearisation.training import DescentComparison
from rmtland.landscape.linearisation.width_scaling import QUANTITIES, Scaling

__all__ = ["draw_descent", "draw_scaling"]


def draw_descent(
    ax: Axes, runs: Sequence[DescentComparison], *, labels: Sequence[str]
) -> list[Line2D]:
    """Draw the losses of networks and, dashed, those of their linearisations.

    Parameters
    ----------
    ax : Axes
        Where to draw; the losses, over the first, become logarithmic.
    runs : sequence of DescentComparison
        One or several.
    labels : sequence of str
        Of each.

    Returns
    -------
    list of Line2D
        Two for each run.

    Raises
    ------
    ValueError
        If there is not one label for each run.
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    runs = several("runs", runs, DescentComparison)
    if len(entries("labels", labels)) != len(runs):
        raise ValueError(f"labels must be one for each of {len(runs)} runs; got {labels!r}")
    drawn: list[Line2D] = []
    for i, (run, label) in enumerate(zip(runs, labels, strict=True)):
        color = COLORS[i % len(COLORS)]
        first = run.predicted[0]
        drawn += ax.plot(run.steps, run.measured / first, color=color, lw=1.6, label=label)
        drawn += ax.plot(
            run.steps,
            run.predicted / first,
            color="0.25",
            lw=1.0,
            ls=(0, (4, 2)),
            label="linearised, exact" if i == len(runs) - 1 else None,
        )
    ax.set_yscale("log")
    ax.set_xlabel("step of gradient descent")
    ax.set_ylabel("loss over the first")
    ax.legend(frameon=False, fontsize=8)
    return drawn


def draw_scaling(
    ax: Axes, scaling: Scaling, names: Sequence[str] = tuple(QUANTITIES)
) -> list[Line2D]:
    """Draw quantities against the size, with the fitted powers.

    Parameters
    ----------
    ax : Axes
        Where to draw; both axes become logarithmic.
    scaling : Scaling
        By `width_scaling` or `output_scaling`.
    names : sequence of str, optional
        Which of `QUANTITIES`.

    Returns
    -------
    list of Line2D
        Markers and a line for each quantity.

    Raises
    ------
    ValueError
        If there is no quantity of a name.
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("scaling", scaling, Scaling, "a Scaling, by width_scaling or output_scaling")
    for name in entries("names", names):
        choice("name", name, tuple(QUANTITIES))
    drawn: list[Line2D] = []
    table, fits = scaling.table(), scaling.exponents
    for i, name in enumerate(names):
        color = COLORS[i % len(COLORS)]
        sizes = np.repeat(scaling.sizes, table[name].shape[1])
        fit = fits[name]
        label = f"{name}: {fit.value:.2f} ({interval_words(fit.low, fit.high, decimals=2)})"
        drawn += ax.plot(sizes, table[name].ravel(), "o", ms=3.5, color=color, alpha=0.8)
        drawn += ax.plot(scaling.sizes, fit.at(scaling.sizes), color=color, lw=1.2, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel({"width": "width of the hidden layers"}.get(scaling.variable, scaling.variable))
    ax.set_ylabel("value at the horizon")
    ax.set_xticks(scaling.sizes, [f"{size:g}" for size in scaling.sizes])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(
        frameon=False,
        fontsize=7,
        title="exponents (95 %)",
        title_fontsize=7,
        ncol=2,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
    )
    return drawn
