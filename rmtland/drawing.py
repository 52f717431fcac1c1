"""One palette, one style, and the drawing of a single spectrum or a single law.

Every function draws on the `Axes` it is given and returns what it drew; none opens a window or
writes a file. Density is per unit of eigenvalue, all eigenvalues together having mass 1. Figures
that lay several laws over a spectrum are in `rmtland.plot`.

Examples
--------
>>> from matplotlib.figure import Figure
>>> from rmtland.laws import Semicircle
>>> from rmtland.spectrum import Spectrum
>>> axes = Figure().subplots()
>>> bars = draw_spectrum(axes, Spectrum([-1.0, 0.0, 1.0]), bins=4)
>>> line = draw_law(axes, Semicircle(), label="theory", **STYLES["fitted"])
>>> line.get_color()
'#E69F00'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rmtland.arguments import Object, count, entries, finite, instance, points as real_points
from rmtland.typing import ArrayLike, Atoms, Real, Record, Support, Values

__all__ = [
    "COLORS",
    "STYLES",
    "Drawable",
    "Measure",
    "by_name",
    "draw_law",
    "draw_outliers",
    "draw_spectrum",
    "given_axes",
    "law_points",
    "new_axes",
    "several",
    "several_axes",
    "style_of",
]

COLORS = ("#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
"""Colours that the colour-blind tell apart (Okabe and Ito)."""

_APART = (0, 1, 3, 4, 2, 5, 6)
"""Order of the colours for curves: vermilion and orange, which look alike, are not neighbours."""

_DASHES: tuple[object, ...] = ((0, (5, 1.5)), "-", "-.", (0, (1, 1)), (0, (3, 1, 1, 1)))

STYLES: dict[str, Record] = {
    "measured": {"color": "0.78"},
    "printed": {"color": "#999999", "ls": (0, (1, 1)), "lw": 1.8},
    "matched": {"color": "#D55E00", "ls": (0, (5, 1.5)), "lw": 1.6},
    "fitted": {"color": "#E69F00", "ls": "-.", "lw": 1.6},
    "one part measured": {"color": "#CC79A7", "ls": (0, (3, 1, 1, 1)), "lw": 1.6},
    "both parts measured": {"color": "#009E73", "ls": "-", "lw": 1.6},
    "Dyson": {"color": "#0072B2", "ls": "-", "lw": 1.6},
    "conditioned": {"color": "#000000", "ls": "-", "lw": 1.4},
    "Dyson, measured moments": {"color": "#000000", "ls": (0, (4, 2)), "lw": 1.4},
    "Wishart + Wigner": {"color": "#D55E00", "ls": (0, (5, 1.5)), "lw": 1.6},
    "Wishart + ReLU block": {"color": "#009E73", "ls": (0, (1, 1)), "lw": 2.0},
    "free": {"color": "#CC79A7", "ls": "-.", "lw": 1.6},
    "Dyson, corrected": {"color": "#000000", "ls": (0, (4, 1, 1, 1)), "lw": 1.3},
}
"""How a measurement and each level of theory look in every figure, each with its own dashes."""


class Measure(Protocol):
    """What is needed of a spectrum: its nodes in ascending order, and their weights."""

    @property
    def measure(self) -> tuple[Real, Real]:
        """Nodes and weights, of total 1."""


class Drawable(Protocol):
    """What is needed of a law: where it lives, and its density."""

    @property
    def support(self) -> Support:
        """Intervals of the absolutely continuous part."""

    @property
    def atoms(self) -> Atoms:
        """Point masses."""

    def pdf(self, x: ArrayLike) -> Values:
        """Density."""


def style_of(i: int) -> Record:
    """Return the style of the i-th of several curves: colour and dashes differ for 35 of them.

    Parameters
    ----------
    i : int
        Number of the curve, from 0.

    Returns
    -------
    dict of str to values
        Keyword arguments of `Axes.plot`.
    """
    color = COLORS[_APART[i % len(_APART)]]
    return {"color": color, "ls": _DASHES[i % len(_DASHES)], "lw": 1.6}


def new_axes(ax: Axes | None = None) -> Axes:
    """Return the axes given, or those of a new figure of pyplot, which a notebook shows."""
    if ax is not None:
        return given_axes(ax)
    from matplotlib import pyplot

    _, made = pyplot.subplots(layout="constrained")
    made.set_xlabel("eigenvalue")
    made.set_ylabel("density")
    return made


def given_axes(ax: object, name: str = "ax") -> Axes:
    """Return the axes given, or say what came in their place.

    Parameters
    ----------
    ax : object
        What came.
    name : str, optional
        How the argument is called in the message.

    Raises
    ------
    TypeError
        If it is no Axes.
    """
    return instance(name, ax, Axes, "matplotlib Axes, such as Figure().subplots()")


def several_axes(axes: Iterable[object], number: int) -> tuple[Axes, ...]:
    """Return so many axes, or say what came in their place.

    Parameters
    ----------
    axes : object
        What came.
    number : int
        How many there must be.

    Raises
    ------
    TypeError
        If it is no list, or one is no Axes.
    ValueError
        If their number is another.
    """
    listed = entries("axes", axes)
    if len(listed) != number:
        raise ValueError(f"axes must be {number} of matplotlib's Axes; got {len(listed)}")
    return tuple(given_axes(ax, f"axes[{i}]") for i, ax in enumerate(listed))


def several(name: str, values: Iterable[object], kind: type[Object]) -> tuple[Object, ...]:
    """Return objects of one class, or say which is none.

    Parameters
    ----------
    name : str
        How the argument is called in the message.
    values : object
        What came: a list or a tuple.
    kind : type
        The class.

    Raises
    ------
    TypeError
        If it is no list, or one is of another class.
    """
    listed = entries(name, values)
    words = f"a {kind.__name__}"
    return tuple(instance(f"{name}[{i}]", one, kind, words) for i, one in enumerate(listed))


def by_name(name: str, values: object, kind: type | None = None) -> None:
    """Say what came in the place of a dictionary of what is drawn, by name.

    Parameters
    ----------
    name : str
        How the argument is called in the message.
    values : object
        What came.
    kind : type, optional
        Of what is drawn.

    Raises
    ------
    TypeError
        If it is no dictionary, or one of its values is of another class.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{name} must be a dictionary by name; got {type(values).__name__}")
    if kind is not None:
        several(name, list(values.values()), kind)


def draw_spectrum(
    ax: Axes,
    spectrum: Measure,
    *,
    bins: int = 80,
    limits: tuple[float, float] | None = None,
    label: str | None = None,
    color: str = "0.75",
) -> Artist:
    """Draw the histogram of a spectrum, as a density over the whole spectrum.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    spectrum : Spectrum
        Eigenvalues or quadrature.
    bins : int
        Number of bins between the limits.
    limits : (float, float), optional
        Range of the bins; eigenvalues outside still count in the normalisation. Defaults to all.
    label, color : str, optional
        Of the legend; of the bars.

    Returns
    -------
    Artist
        The bars.

    Raises
    ------
    ValueError
        If there are no bins, or the limits are not ascending.
    TypeError
        If `bins` is no integer, or `ax` or `spectrum` none.
    """
    given_axes(ax)
    if isinstance(spectrum, type) or not hasattr(spectrum, "measure"):
        raise TypeError(f"spectrum must be a Spectrum; got {_named(spectrum)}")
    nodes, weights = spectrum.measure
    low, high = _limits(limits, (float(nodes[0]), float(nodes[-1])))
    if limits is None and high - low <= 1e-12 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, count("bins", bins) + 1)
    mass, _ = np.histogram(nodes, edges, weights=weights)
    return ax.stairs(mass / np.diff(edges), edges, fill=True, color=color, label=label, zorder=1)


def draw_law(
    ax: Axes,
    law: Drawable,
    *,
    points: int = 1000,
    limits: tuple[float, float] | None = None,
    label: str | None = None,
    **style: Any,
) -> Line2D:
    """Draw the density of a law; an atom is an arrow that carries its mass.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    law : Law, model, ensemble or fit
        The law, or what has one; a purely atomic one is arrows alone.
    points : int
        Points for each interval of the support, dense at its edges.
    limits : (float, float), optional
        Draw the law between these limits only.
    label : str, optional
        Of the legend.
    **style
        Passed on to `Axes.plot`.

    Returns
    -------
    Line2D
        The curve.

    Raises
    ------
    ValueError
        If the limits are not ascending.
    TypeError
        If `ax` is no Axes, or `law` has no law.
    """
    given_axes(ax)
    law = _law(law)
    x = law_points(law, points, limits)
    density = np.array(law.pdf(x), dtype=np.float64)
    density[~np.isfinite(density)] = np.nan
    (line,) = ax.plot(x, density, label=label, **style)
    for place, mass in law.atoms:
        if limits is None or limits[0] <= place <= limits[1]:
            ax.update_datalim([(place, 0.0)])  # an annotation does not move the limits of the axes
            ax.autoscale_view()
            ax.annotate(
                f"atom {mass:.3g}",
                (place, 0.97),
                (place, 0.75),
                xycoords=("data", "axes fraction"),
                textcoords=("data", "axes fraction"),
                ha="center",
                fontsize=7,
                color=line.get_color(),
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
                arrowprops={"arrowstyle": "->", "color": line.get_color()},
            )
    return line


def draw_outliers(ax: Axes, values: Real, *, color: str = "black") -> Artist:
    """Mark eigenvalues that a law leaves out, by triangles on the axis.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    values : array_like of float
        The eigenvalues.
    color : str, optional
        Of the triangles.

    Returns
    -------
    Artist
        The triangles.

    Raises
    ------
    ValueError, TypeError
        If the values are no real numbers, or `ax` is none.
    """
    given_axes(ax)
    values = np.atleast_1d(real_points("values", values))
    return ax.plot(
        values,
        np.full(values.shape, 0.015),
        ls="none",
        marker="v",
        ms=4,
        mfc="none",
        mec=color,
        mew=0.7,
        transform=ax.get_xaxis_transform(),
        clip_on=False,
        zorder=5,
    )[0]


def law_points(law: Drawable, points: int, limits: tuple[float, float] | None = None) -> Real:
    """Points of the support, dense at the edges and including them; or those between limits.

    Parameters
    ----------
    law : Law, model, ensemble or fit
        The law; one without a density has no points of its own.
    points : int
        Points for each interval.
    limits : (float, float), optional
        Take the points between these, and as many evenly spaced ones besides.

    Returns
    -------
    ndarray of float64
        Ascending; empty for a purely atomic law without limits.

    Raises
    ------
    ValueError
        If the limits are not ascending.
    TypeError
        If `points` is no integer.
    """
    law = _law(law)
    angles = np.linspace(0, np.pi, count("points", points))
    parts = []
    for low, high in law.support:
        if not (np.isfinite(low) and np.isfinite(high)):
            low, high = _far_ends(law, low, high)
        part = low + (high - low) * np.sin(angles / 2) ** 2
        part[-1] = high
        parts.append(part)
    grid = np.concatenate(parts) if parts else np.empty(0)
    if limits is not None:
        least, most = _limits(limits, limits)
        grid = np.unique(np.concatenate([grid, np.linspace(least, most, points)]))
        grid = grid[(grid >= least) & (grid <= most)]
    return grid


def _law(law: object) -> Drawable:
    """Return the law of a model, ensemble or fit; a law as it is."""
    found: Any = law if hasattr(law, "support") else getattr(law, "law", None)
    if isinstance(law, type) or not isinstance(getattr(found, "support", None), tuple):
        raise TypeError(f"law must be a law, model, ensemble or fit; got {_named(law)}")
    drawable: Drawable = found
    return drawable


def _named(value: object) -> str:
    """Return the class of a value, or say that it is one itself."""
    if isinstance(value, type):
        return f"the class {value.__name__}: make one with its parameters"
    return type(value).__name__


def _far_ends(law: Any, low: float, high: float) -> tuple[float, float]:
    """Finite ends of an unbounded band, which leave a millionth of the mass outside."""
    return (
        float(low if np.isfinite(low) else law.ppf(5e-7)),
        float(high if np.isfinite(high) else law.ppf(1 - 5e-7)),
    )


def _limits(
    limits: tuple[float, float] | None, default: tuple[float, float]
) -> tuple[float, float]:
    low, high = default if limits is None else limits
    low, high = finite("limits", low), finite("limits", high)
    if limits is not None and not low < high:
        raise ValueError(f"limits must be ascending; got {limits}")
    return low, high
