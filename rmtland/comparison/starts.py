"""Where the descents of a fit begin: the best of many points that are far from each other.

Examples
--------
>>> import numpy as np
>>> from rmtland import MarchenkoPastur, Spectrum
>>> from rmtland.comparison.fit_points import FitPoints
>>> spectrum = Spectrum(MarchenkoPastur(0.5).ppf((np.arange(40) + 0.5) / 40))
>>> family, rng = Family.of(MarchenkoPastur), np.random.default_rng(0)
>>> descent = Descent(family, family.boxes(spectrum, None, rng))
>>> points = FitPoints.of(spectrum, 2)
>>> starts = starting_positions(descent, spectrum, points, 3, rng)
>>> round(descent.values(starts[0])["scale"], 1)
1.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from rmtland.arguments import count, finite
from rmtland.comparison.descent import Descent
from rmtland.comparison.families import Box, Family, with_bulk
from rmtland.comparison.fit_points import Points
from rmtland.comparison.theories import Theory, law_of
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["starting_positions"]

_DRAWS = 150
"""Points tried for each parameter before the descent."""
_SCREENED, _SHORT = 4, 8
"""Short descents for each long one, and how many steps they take."""
_ROUGH = 2
"""Times as many of both beside far outliers, where there are more minima."""


def starting_positions(
    descent: Descent,
    spectrum: Spectrum,
    points: Points,
    starts: int | Sequence[Mapping[str, float]],
    generator: np.random.Generator,
) -> list[Real]:
    """Return where the descents of a fit begin.

    Parameters
    ----------
    descent : Descent
        Family and bounds.
    spectrum : Spectrum
        Gives the units.
    points : FitPoints or QuantilePoints
        What is compared.
    starts : int or sequence of mappings
        How many of the best of many points that are far from each other, or those points.
    generator : Generator
        Source of randomness.

    Returns
    -------
    list of ndarray
        Positions in the coordinates of the descent.

    Raises
    ------
    ValueError, TypeError
        As `rmtland.comparison.fit` says.
    """
    family, boxes = descent.family, descent.boxes
    if not isinstance(starts, int | np.integer):
        return [descent.position(_start(family, boxes, start)) for start in _listed(starts)]
    number = count("starts", starts)
    drawn = _by_moments(family, spectrum)
    rough = 1 if len(with_bulk(spectrum)) == 1 else _ROUGH
    known = bool(drawn) and rough == 1  # moments say little beside far outliers
    drawn += [] if known else family.at_sizes(spectrum, boxes)
    more = 40 if known else rough * _DRAWS * len(boxes)
    drawn += family.candidates(spectrum, boxes, generator, more)
    coarse = points.thinned(64)
    scored = []
    reason: Exception | None = None
    for values in drawn:
        position = descent.position(values)
        cost = float(np.mean(descent.defect(coarse, position) ** 2))
        if cost < points.nowhere**2:
            scored.append((cost, position))
    if not scored:
        try:
            law_of(family.at(drawn[-1]))
        except (ValueError, ArithmeticError) as error:
            reason = error
        raise ValueError(
            f"{family.name} has no law at any of the {len(drawn)} points tried ({reason}); give "
            "bounds or starts, or fix parameters"
        )
    width = float(points.x[-1] - points.x[0])
    apart = np.array([1.0 if box.positive else 0.1 * width for box in boxes.values()])
    begun = _apart(scored, apart, rough * _SCREENED * number)
    return _best_ends(descent, coarse, begun, apart / 100, number)


def _best_ends(
    descent: Descent, points: Points, begun: list[Real], apart: Real, number: int
) -> list[Real]:
    """Return the best ends of short descents that are far from each other.

    Only their laws are checked: where one is refused, the descent is repeated with checks, and its
    new end takes its place among the others.
    """
    glances = (descent.glance(points, start, steps=_SHORT) for start in begun)
    waiting = [(cost, i, end, False) for i, (end, cost) in enumerate(glances)]
    heapify(waiting)
    chosen: list[Real] = []
    while waiting and len(chosen) < number:
        cost, i, end, sound = heappop(waiting)
        if not _is_far(end, chosen, apart):
            continue
        if not sound:
            end, settled = descent.settle(points, begun[i], end, steps=_SHORT)
            if settled != cost:
                heappush(waiting, (settled, i, end, True))
                continue
        chosen.append(end)
    return chosen


def _apart(scored: list[tuple[float, Real]], apart: Real, number: int) -> list[Real]:
    """Return the best points that are far from each other in some coordinate."""
    chosen: list[Real] = []
    for _, position in sorted(scored, key=lambda pair: pair[0]):
        if _is_far(position, chosen, apart):
            chosen.append(position)
        if len(chosen) == number:
            break
    return chosen


def _is_far(position: Real, chosen: list[Real], apart: Real) -> bool:
    """Whether a point is far from each of those chosen in some coordinate."""
    return all((np.abs(position - other) > apart).any() for other in chosen)


def _listed(starts: Any) -> list[Any]:
    if isinstance(starts, Mapping):
        starts = [starts]
    try:
        listed = list(starts)
    except TypeError:
        raise TypeError(
            f"starts must be a number or a sequence of values of the parameters; got {starts!r}"
        ) from None
    if not listed:
        raise ValueError("starts is empty; give at least one")
    return listed


def _start(family: Family[Theory], boxes: Mapping[str, Box], start: object) -> dict[str, float]:
    """Check a starting point of the user's."""
    if not isinstance(start, Mapping) or set(start) != set(family.names):
        raise ValueError(
            f"a start gives a value to every free parameter, {', '.join(family.names)}; got "
            f"{start!r}"
        )
    values = {name: finite(name, start[name]) for name in family.names}
    for name, value in values.items():
        if not boxes[name].low <= value <= boxes[name].high:
            raise ValueError(
                f"the start {name} = {value} is outside of its bounds "
                f"({boxes[name].low:g}, {boxes[name].high:g})"
            )
    law_of(family.at(values))  # says what is wrong with it
    return values


def _by_moments(family: Family[object], spectrum: Spectrum) -> list[dict[str, float]]:
    """Members that share mean and variance with (most of) the spectrum, where a family has them.

    A class with `from_moments(phi, mean=, residual_variance=)` says how.
    """
    make = getattr(family.build, "from_moments", None)
    if make is None:
        return []
    nodes, weights = spectrum.measure
    levels = np.cumsum(weights) - weights / 2
    bulk = (levels > 0.01) & (levels < 0.99)
    most = bulk if bulk.any() else np.ones_like(bulk)
    parts = [(nodes[most], weights[most]), *(one.measure for one in with_bulk(spectrum))]
    candidates = []
    for places, masses in parts:
        share = masses / masses.sum()
        mean = float(share @ places)
        variance = float(share @ (places - mean) ** 2)
        scale = family.fixed.get("sigma", max(mean, 1e-3 * np.sqrt(variance)))
        grid = [family.fixed["phi"]] if "phi" in family.fixed else np.geomspace(0.02, 200, 14)
        for phi in grid:
            for rest in {max(variance - scale**2 * phi, 1e-3 * variance), 0.5 * variance}:
                try:
                    member = make(float(phi), mean=scale, residual_variance=rest)
                except ValueError:
                    continue
                candidates.append({name: float(getattr(member, name)) for name in family.names})
    return candidates
