"""Figure of `rmtland critical-points`: index against energy, and spectra with laws laid over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmtland.comparison.theories import Theory
    from rmtland.landscape import CriticalPoints
    from rmtland.landscape.critical_points import CriticalPoint
    from rmtland.networks import LossPoint
    from rmtland.typing import Real

__all__ = ["LaidOver", "chosen_points", "critical_figure", "laws_over"]

DRAWS = 4


@dataclass(frozen=True)
class LaidOver:
    """A law over the spectrum of a critical point.

    Parameters
    ----------
    place : int
        Of the point among those found.
    name : str
        Of the law.
    law : Law
        The law.
    index : float
        Its mass below 0.
    kolmogorov : float
        Largest difference of the distribution functions.
    """

    place: int
    name: str
    law: Theory
    index: float
    kolmogorov: float


def chosen_points(points: CriticalPoints, many: int) -> list[int]:
    """Return the places of points from low to high energy, of critical ones where there are."""
    import numpy as np

    critical = [k for k, point in enumerate(points) if point.status in ("proved", "critical")]
    some = critical or list(range(len(points)))
    order = sorted(some, key=lambda k: points[k].energy)
    if not order or not many:
        return []
    places = np.unique(np.linspace(0, len(order) - 1, many).round().astype(int))
    return [order[place] for place in places.tolist()]


def laws_over(
    points: CriticalPoints, places: list[int], at: Callable[[Real], LossPoint] | None
) -> list[LaidOver]:
    """Return the laws that are laid over the spectra of points.

    For a network the law of the same weights with residuals drawn anew, given their products with
    the Jacobian (`rmtland.models.ConditionedHessian`); always the sum of Wishart and Wigner with
    its three parameters fitted. What has no law there is left out.
    """
    found = []
    for place in places:
        for name, law in _laws(points[place], at):
            found.append(_laid(points[place], place, name, law))
    return found


def _laws(point: CriticalPoint, at: Callable[[Real], LossPoint] | None) -> list[tuple[str, Theory]]:
    from rmtland.comparison import fit
    from rmtland.models import ConditionedHessian, WishartPlusWigner

    laws: list[tuple[str, Theory]] = []
    if at is not None:
        with suppress(ValueError):  # conditioning leaves no residuals free
            model = ConditionedHessian(at(point.theta), draws=DRAWS)
            laws.append(("residuals redrawn", model.law))
    try:
        fitted = fit(point.spectrum(), WishartPlusWigner, resamples=0, starts=2, rng=0)
    except ValueError:  # too few eigenvalues
        return laws
    return [*laws, ("Wishart + Wigner, fitted", fitted.model)]


def _laid(point: CriticalPoint, place: int, name: str, law: Theory) -> LaidOver:
    from rmtland.comparison import compare

    apart = compare(point.spectrum(), law)
    return LaidOver(place, name, law, apart.law_index, apart.kolmogorov)


def critical_figure(
    points: CriticalPoints, title: str, places: list[int], laws: list[LaidOver]
) -> Figure:
    """Draw the index against the energy and, of chosen points, spectra with laws laid over."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5 if places else 6.0, 4.4), layout="constrained")
    axes = figure.subplots(1, 2 if places else 1, squeeze=False)[0]
    points.plot(axes[0])
    figure.suptitle(title, fontsize=9)
    if places:
        _draw_spectra(axes[1], points, places, laws)
    return figure


def _draw_spectra(
    ax: Axes, points: CriticalPoints, places: list[int], laws: list[LaidOver]
) -> None:
    import numpy as np

    from rmtland.comparison import law_of
    from rmtland.drawing import COLORS

    styles = {"residuals redrawn": "--", "Wishart + Wigner, fitted": ":"}
    for color, place in zip(COLORS * len(places), places, strict=False):
        point = points[place]
        nodes = np.sort(np.ravel(point.spectrum().nodes))
        shares = np.arange(1, nodes.size + 1) / nodes.size
        label = f"energy {point.energy:.3f}, index {point.relative_index:.3f}"
        ax.step(nodes, shares, where="post", color=color, label=label)
        width = nodes[-1] - nodes[0]
        low, high = np.arcsinh(10 * (nodes[[0, -1]] + [-0.05 * width, 0.05 * width])).tolist()
        x = np.sinh(np.linspace(low, high, 300)) / 10  # even on the axis as it is drawn
        for one in laws:
            if one.place == place:
                note = f"{one.name}: index {one.index:.3f}, distance {one.kolmogorov:.3f}"
                ax.plot(
                    x, law_of(one.law).cdf(x), styles[one.name], color=color, lw=1.2, label=note
                )
    ax.axvline(0.0, color="0.8", lw=0.8)
    ax.set_xscale("symlog", linthresh=0.1)
    ax.set_xlabel("eigenvalue of the Hessian")
    ax.set_ylabel("fraction of eigenvalues below")
    ax.legend(frameon=False, fontsize=7)
