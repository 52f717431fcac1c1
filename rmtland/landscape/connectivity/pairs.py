r"""Two minima connected in all ways, and statistics over several pairs.

References
----------
.. [1] J. Frankle, G. K. Dziugaite, D. M. Roy and M. Carbin, Linear mode connectivity and the
       lottery ticket hypothesis, ICML 2020.
.. [2] T. Garipov, P. Izmailov, D. Podoprikhin, D. Vetrov and A. G. Wilson, Loss surfaces, mode
       connectivity, and fast ensembling of DNNs, NeurIPS 2018.
.. [3] S. K. Ainsworth, J. Hayase and S. Srinivasa, Git Re-Basin: merging models modulo permutation
       symmetries, ICLR 2023.

Examples
--------
>>> PairStatistics("curve", (0.1, 0.2), (0.5, 0.5)).ratio
0.3
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from rmtland.arguments import callable_or_none, count, entries, instance, length, positive
from rmtland.landscape.connectivity.alignment import Alignment, align
from rmtland.landscape.connectivity.curves import Bezier, Curve, Polygon
from rmtland.landscape.connectivity.lowered_barrier import lower_barrier
from rmtland.landscape.connectivity.minimum_energy import RelaxedPath, relaxed_path
from rmtland.landscape.connectivity.profiles import PathProfile, profile
from rmtland.landscape.connectivity.trained_curves import trained_curve
from rmtland.landscape.connectivity.unit_group import UnitGroup, groups_of_units
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import parameter_vector
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["Connection", "PairStatistics", "connect", "pair_statistics", "unless_cut_short"]

MadeT = TypeVar("MadeT", Curve, RelaxedPath, Alignment)


@dataclass(frozen=True, eq=False)
class Connection:
    """Two minima and the paths between them.

    Made by `rmtland.landscape.connectivity.connect`.

    Parameters
    ----------
    profiles : dict of str to PathProfile
        "linear"; "permuted" and "permuted, signs" where there are symmetries, each also with
        ", lowered" where exchanges were tried; "bezier", "polygon", "string" where asked for.
    curves : dict of str to Curve
        The paths themselves.
    alignments : dict of str to Alignment
        Of the permuted ones.
    relaxed : RelaxedPath or None
        Of the string.
    is_whole : bool, optional
        Whether all that was asked for was made; if Ctrl-C came before, the last path may be one
        that it cut short.
    """

    profiles: Mapping[str, PathProfile]
    curves: Mapping[str, Curve]
    alignments: Mapping[str, Alignment]
    relaxed: RelaxedPath | None
    is_whole: bool = True


@dataclass(frozen=True)
class PairStatistics:
    """Barriers of one kind of path over several pairs.

    Made by `rmtland.landscape.connectivity.pair_statistics`.

    Parameters
    ----------
    name : str
        Of the path.
    barriers, linear : tuple of float
        Of each pair, and those of its straight path.
    """

    name: str
    barriers: tuple[float, ...]
    linear: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean barrier."""
        return float(np.mean(self.barriers))

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN for one pair."""
        many = len(self.barriers)
        return float(np.std(self.barriers, ddof=1) / math.sqrt(many)) if many > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean, by Student's quantile."""
        if len(self.barriers) < 2:
            return (math.nan, math.nan)
        from scipy.stats import t as student  # scipy.stats loads at first use

        half = float(student.ppf(0.975, len(self.barriers) - 1)) * self.standard_error
        return (self.mean - half, self.mean + half)

    @property
    def ratio(self) -> float:
        """Mean barrier over the mean straight one; NaN where that is zero."""
        total = float(np.sum(self.linear))
        return round(float(np.sum(self.barriers)) / total, 15) if total > 0.0 else math.nan


def connect(
    surface: LossSurface,
    first: Real,
    second: Real,
    *,
    groups: Sequence[UnitGroup] = (),
    curves: Sequence[str] = ("bezier", "string"),
    bends: int = 1,
    curve_steps: int = 1500,
    step_size: float = 0.03,
    images: int = 16,
    string_steps: int = 100,
    points: int = 101,
    index_points: int = 0,
    swap_trials: int = 0,
    rng: Rng = None,
    progress: Callable[[str, float], object] | None = None,
) -> Connection:
    """Connect two minima: straight, permuted, by trained curves and by a relaxed string.

    Curves start from the straight path between the networks as they are; the string starts from the
    Bezier curve where there is one. Ctrl-C ends the path that is being made and leaves out those
    that follow.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    first, second : ndarray, shape (p,)
        The minima.
    groups : sequence of UnitGroup, optional
        From `unit_groups`; none to leave permutations out.
    curves : sequence of {"bezier", "polygon", "string"}, optional
        Which are made.
    bends : int, optional
        Inner control points of the trained curves.
    curve_steps, step_size : int, float, optional
        Of each trained curve.
    images, string_steps : int, optional
        Of the string.
    points, index_points : int, optional
        Of each profile.
    swap_trials : int, optional
        Exchanges of units of the groups that `lower_barrier` tries from each permutation; none by
        default.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    progress : callable, optional
        Called with the name of the path and the share that is done, of those that take long:
        curves, the string and exchanges of units.

    Returns
    -------
    Connection
        Paths and profiles.

    Raises
    ------
    ValueError
        For an unknown curve, ends of another size or that are the same, groups whose permutation
        changes the loss, or exchanges of units without groups.
    TypeError
        If the surface or a group is none, a number of steps, bends, images or trials is no integer,
        a parameter holds no real numbers, or `progress` cannot be called.
    """
    curves = entries("curves", curves)
    unknown = sorted({str(one) for one in curves} - {"bezier", "polygon", "string"})
    if unknown:
        raise ValueError(f"unknown curves {unknown}; choose from bezier, polygon, string")
    given = {"first": first, "second": second}
    ends = [parameter_vector(surface, name, end) for name, end in given.items()]
    groups = entries("groups", groups)
    groups = groups_of_units(groups, surface.size) if groups else ()
    callable_or_none("progress", progress)
    if (ends[0] == ends[1]).all():
        raise ValueError("the two minima are the same point: there is no path between them")
    generator = random_generator(rng)
    length("images", images, min_value=2)
    length("bends", bends, min_value=0)
    count("string_steps", string_steps, min_value=0)
    count("curve_steps", curve_steps)
    positive("step_size", step_size)
    swaps = count("swap_trials", swap_trials, min_value=0)
    if swaps and not groups:
        raise ValueError(f"swap_trials={swaps} takes the units to exchange: give groups, or 0")
    found: dict[str, Curve] = {"linear": Polygon(np.array(ends))}
    alignments: dict[str, Alignment] = {}
    relaxed = None

    def shown(name: str) -> Callable[[float], object] | None:
        return None if progress is None else partial(progress, name)

    kinds_of_curve: dict[str, type[Curve]] = {"bezier": Bezier, "polygon": Polygon}
    try:
        for name, moved in _permuted(surface, ends, groups, swaps, generator, shown):
            alignments[name], found[name] = moved, Polygon(np.array([ends[0], moved.theta]))
            unless_cut_short(moved)
        for name, kind in kinds_of_curve.items():
            if name in curves:
                found[name] = trained_curve(
                    surface,
                    kind.between(ends[0], ends[1], bends),
                    steps=curve_steps,
                    step_size=step_size,
                    rng=generator,
                    progress=shown(name),
                )
                unless_cut_short(found[name])
        if "string" in curves:
            start = found.get("bezier", found.get("polygon", found["linear"]))
            row = start.at(np.linspace(0.0, 1.0, images + 1))
            relaxed = relaxed_path(surface, row, steps=string_steps, progress=shown("string"))
            found["string"] = Polygon(relaxed.images)
            unless_cut_short(relaxed)
        is_whole = True
    except KeyboardInterrupt:
        is_whole = False
    profiles = {
        name: profile(surface, curve, points=points, index_points=index_points, rng=generator)
        for name, curve in found.items()
    }
    return Connection(profiles, found, alignments, relaxed, is_whole)


def _permuted(
    surface: LossSurface,
    ends: Sequence[Real],
    groups: Sequence[UnitGroup],
    swaps: int,
    generator: np.random.Generator,
    shown: Callable[[str], Callable[[float], object] | None],
) -> Iterator[tuple[str, Alignment]]:
    """Make the second minimum permuted towards the first: without signs, with them, lowered."""
    kinds = [("permuted", False)] if groups else []
    kinds += [("permuted, signs", True)] if any(group.signs for group in groups) else []
    for name, signs in kinds:
        moved = align(ends[0], ends[1], groups, signs=signs, rng=generator)
        _refuse_another_function(surface, ends[1], moved.theta)
        yield name, moved
        if swaps:
            lowered = f"{name}, lowered"
            yield (
                lowered,
                lower_barrier(
                    surface,
                    ends[0],
                    moved.theta,
                    groups,
                    signs=signs,
                    trials=swaps,
                    rng=0,
                    progress=shown(lowered),
                ),
            )


def unless_cut_short(made: MadeT) -> MadeT:
    """Return a path, or raise Ctrl-C again, which the search for it keeps for itself.

    Parameters
    ----------
    made : Curve, RelaxedPath or Alignment
        What was made.

    Returns
    -------
    Curve, RelaxedPath or Alignment
        The same.

    Raises
    ------
    KeyboardInterrupt
        If that cut it short: for those who have no use for it then.
    """
    if not made.is_whole:
        raise KeyboardInterrupt
    return made


def _refuse_another_function(surface: LossSurface, theta: Real, moved: Real) -> None:
    """Refuse groups of units whose permutation is no symmetry of this surface."""
    before, after = surface.loss(theta), surface.loss(moved)
    if abs(after - before) > 1e-4 * max(abs(before), abs(after)):
        raise ValueError(
            f"permuting units changes the loss from {before:.6g} to {after:.6g}: the groups are "
            "not symmetries of this surface. Batch normalisation with statistics that are kept is "
            "one reason: take TorchSurface(..., batch_statistics='batch')"
        )


def pair_statistics(connections: Sequence[Connection]) -> list[PairStatistics]:
    """Return the barriers of each kind of path over several pairs.

    Parameters
    ----------
    connections : sequence of Connection
        Of pairs; paths that one of them lacks are left out.

    Returns
    -------
    list of PairStatistics
        "linear" first.

    Raises
    ------
    ValueError
        If there are none.
    TypeError
        If one is no `Connection`.
    """
    connections = entries("connections", connections)
    for place, one in enumerate(connections):
        instance(f"connections[{place}]", one, Connection, "a Connection, as connect returns it")
    if not connections:
        raise ValueError("there are no pairs to take statistics of")
    shared = [n for n in connections[0].profiles if all(n in c.profiles for c in connections)]
    linear = tuple(c.profiles["linear"].barrier for c in connections)
    return [
        PairStatistics(name, tuple(c.profiles[name].barrier for c in connections), linear)
        for name in shared
    ]
