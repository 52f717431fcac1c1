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

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rmtland.arguments import choice, count, instance
from rmtland.drawing import COLORS, by_name, given_axes, several, style_of
from rmtland.landscape.connectivity import PathProfile
from rmtland.landscape.level_sets import MergeTree
from rmtland.landscape.sharpness import BallSharpness
from rmtland.landscape.slices import LineSlice, PlaneSlice
from rmtland.typing import Real

__all__ = ["draw_components", "draw_line", "draw_paths", "draw_plane", "draw_sharpness"]


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
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    found = several("found", found, BallSharpness)
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


def draw_line(ax: Axes, line: LineSlice, *, label: str | None = None, **style: Any) -> Line2D:
    """Draw the loss along a line.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    line : LineSlice
        Coordinates and losses.
    label : str, optional
        Of the legend; that of the direction by default.
    **style
        Passed on to `Axes.plot`.

    Returns
    -------
    Line2D
        The curve.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("line", line, LineSlice, "a LineSlice")
    (drawn,) = ax.plot(line.coordinates, line.losses, label=label or line.label, **style)
    ax.set_xlabel("coordinate along the direction")
    ax.set_ylabel("loss")
    return drawn


def draw_plane(
    ax: Axes,
    plane: PlaneSlice,
    *,
    levels: int = 24,
    scale: str = "log",
    trajectory: Real | None = None,
    marks: Real | None = None,
) -> QuadContourSet:
    """Draw the contours of the loss in a plane, with a trajectory.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    plane : PlaneSlice
        Losses on a grid; points that are missing stay white.
    levels : int, optional
        Contours, spaced evenly in the loss or in its logarithm.
    scale : {"log", "linear"}, optional
        Of the losses; linear where one is not positive.
    trajectory : ndarray, shape (k, 2), optional
        Coordinates of a line of points, from a ring at the first to a star at the last.
    marks : ndarray, shape (k, 2), optional
        Coordinates of points to mark.

    Returns
    -------
    QuadContourSet
        The filled contours; a colour bar is drawn beside the axes.

    Raises
    ------
    ValueError
        For an unknown scale, fewer than two levels, or no loss at all.
    TypeError
        If `levels` is no integer.
    """
    given_axes(ax)
    instance("plane", plane, PlaneSlice, "a PlaneSlice")
    choice("scale", scale, ("log", "linear"))
    number = count("levels", levels, min_value=2)
    seen = plane.losses[np.isfinite(plane.losses)]
    if not seen.size:
        raise ValueError("no point of the plane was evaluated")
    low, high = float(seen.min()), float(seen.max())
    high = high if high > low else low + max(abs(low), 1.0) * 1e-9
    norm: Normalize
    if scale == "log" and low > 0.0:
        edges = np.geomspace(low, high, number)
        edges[0], edges[-1] = low, high
        norm = LogNorm(low, high)
    else:
        edges, norm = np.linspace(low, high, number), Normalize(low, high)
    shown = np.ma.masked_invalid(plane.losses)
    filled = ax.contourf(plane.x, plane.y, shown, edges, norm=norm, cmap="viridis")
    ax.contour(plane.x, plane.y, shown, edges, norm=norm, colors="white", linewidths=0.4)
    bar = ax.figure.colorbar(filled, ax=ax, label="loss", format="%.3g")
    bar.ax.minorticks_off()
    bar.set_ticks(edges[:: max(1, number // 6)].tolist())
    if trajectory is not None:
        ax.plot(*trajectory.T, "-", color="black", lw=1.2, label="training")
        ax.plot(*trajectory[0], "o", mfc="none", color="black", label="start")
        ax.plot(*trajectory[-1], "*", ms=10, color=COLORS[0], label="end")
    if marks is not None:
        ax.plot(*marks.T, "P", ms=8, color=COLORS[0], mec="white", label="minima", ls="none")
    if trajectory is not None or marks is not None:
        ax.legend(fontsize=8)
    ax.set_xlim(plane.x[0], plane.x[-1])
    ax.set_ylim(plane.y[0], plane.y[-1])
    ax.set_xlabel(plane.labels[0])
    ax.set_ylabel(plane.labels[1])
    return filled


def draw_paths(
    ax: Axes, profiles: Mapping[str, PathProfile], *, index_ax: Axes | None = None
) -> list[Line2D]:
    """Draw the loss along several paths between two minima, and the index where it was measured.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    profiles : mapping of str to PathProfile
        The paths, by the names of the legend.
    index_ax : Axes, optional
        Where the fraction of negative eigenvalues is drawn.

    Returns
    -------
    list of Line2D
        The curves of the loss.

    Raises
    ------
    ValueError
        If there are no paths.
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    by_name("profiles", profiles, PathProfile)
    if index_ax is not None:
        given_axes(index_ax, "index_ax")
    if not profiles:
        raise ValueError("there are no paths to draw")
    lines = []
    for i, (name, one) in enumerate(profiles.items()):
        label = f"{name}: barrier {one.barrier:.3g}, length {one.length:.3g}"
        lines += ax.plot(one.t, one.losses, label=label, **style_of(i))
        if index_ax is not None and one.index.size:
            index_ax.plot(one.index_t, one.index, marker="o", ms=3, label=name, **style_of(i))
    ax.set_xlabel("parameter t of the path")
    ax.set_ylabel("loss")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + (high - low) * (0.06 + 0.065 * len(profiles)))  # room for the legend
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    if index_ax is not None:
        index_ax.set_xlabel("parameter t of the path")
        index_ax.set_ylabel("fraction of negative eigenvalues")
    return lines


def draw_components(ax: Axes, tree: MergeTree, *, min_persistence: float = 0.0) -> Line2D:
    """Draw the number of components of the sublevel sets, and the bars of persistent basins.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    tree : MergeTree
        Of a slice.
    min_persistence : float, optional
        Basins with at least that barrier have a bar, from birth to death, below the curve.

    Returns
    -------
    Line2D
        The curve of N against the level.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("tree", tree, MergeTree, "a MergeTree")
    levels, numbers = tree.curve()
    high = max([float(levels[-1])] + [float(b.death) for b in tree.basins if b.parent is not None])
    end = high + 0.15 * max(high - float(levels[0]), 1e-12)
    x, y = np.append(levels, end), np.append(numbers, numbers[-1])
    (line,) = ax.step(x, y, where="post", color=COLORS[1], label="components of the slice")
    bars = tree.persistent(min_persistence)
    for place, basin in enumerate(bars[:20]):
        death = min(float(basin.death), end)
        ax.plot(
            [float(basin.birth), death],
            [-0.3 * (place + 1)] * 2,
            color=COLORS[0],
            lw=2.0,
            solid_capstyle="butt",
            label="basins, birth to death" if place == 0 else None,
        )
    ax.axhline(0.0, color="0.8", lw=0.8)
    ax.set_xlabel(r"level $\lambda$ of the loss")
    ax.set_ylabel(r"number of components $N(\lambda)$")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_yticks([tick for tick in ax.get_yticks() if 0.0 <= tick <= numbers.max() + 0.5])
    ax.legend(frameon=False, fontsize=8)
    return line
