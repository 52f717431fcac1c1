r"""Measured Hessians along training against old levels of theory and conditioned residuals.

Training drives the gradient :math:`J^\top e/m` to zero, so that residuals are no longer independent
of the Jacobian. Levels 7 and 8 of the audit condition them on the gradient, and on gradient and
inputs (`rmtland.models.ConditionedHessian`); all other directions are drawn anew. Panels (a) to (e)
are stages of one run, panel (f) the distances of all levels along it. Besides, twelve networks are
compared with levels 7 and 8 at the same stages, and at the end of a run, a minimum, residuals are
conditioned on that too: a level is within chance where its Kolmogorov distance is at most 1.5 times
that of a single draw to the others, plus .01.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> len(TrainedNetworks().sweeps["networks"].grid), TrainedNetworks.of_size("full").runs
(60, 3)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from rmtland.arguments import choice
from rmtland.audit import Level
from rmtland.drawing import COLORS, STYLES
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    draw_bars,
    label_panels,
)
from rmtland.reproduction.quantity import Quantity
from rmtland.reproduction.trained_cases import NAMES, NETWORKS, SMALL
from rmtland.reproduction.trained_runs import LEVELS, conditioned_distances, level_densities
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Record

__all__ = ["TrainedNetworks"]

_STYLES: dict[Level, Record] = {
    Level.PRINTED: STYLES["printed"],
    Level.MEASURED_PARTS: STYLES["both parts measured"],
    Level.DYSON: STYLES["Dyson"],
    Level.DYSON_MOMENTS: {"color": COLORS[5], "ls": (0, (4, 2)), "lw": 1.4},
    Level.CONDITIONED_GRADIENT: {"color": "black", "ls": "-", "lw": 1.4},
    Level.CONDITIONED_INPUTS: {"color": COLORS[4], "ls": (0, (3, 1, 1, 1)), "lw": 1.6},
}

_DENSITIES = (Level.PRINTED, Level.DYSON, Level.CONDITIONED_GRADIENT)
"""Levels whose densities are drawn."""

_CONDITIONED = (Level.CONDITIONED_GRADIENT, Level.CONDITIONED_INPUTS)
_FACTOR, _MARGIN = 1.5, 0.01
"""What is within chance: so many chance levels and so much more."""

_INDEX = 0.02
_LINE = 140
"""Letters in a line of the caption."""
_CHANCE = "chance: one draw to the others"


@dataclass(frozen=True, kw_only=True)
class TrainedNetworks(PublishedFigure):
    """Spectra of Hessians at stages of training, and their distances to all levels of theory.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Not used.
    shown : str
        The network of the picture, one without biases.
    networks : tuple of str
        Networks that are compared with levels 7 and 8.
    runs : int
        Data sets and starts of each.
    fractions : tuple of float
        Stages of training: fractions of the energy's way from the start (1) down to the end (0).
    steps : int
        Training steps at most.
    draws : int
        Hessians that the law of a level is pooled from, at least 3.
    points : int
        Of the tables of matrix Dyson laws, at least 20.

    Raises
    ------
    ValueError
        If a network is not known, `draws` is below 3, or another parameter is out of its range.
    TypeError
        If a number is of another type.
    """

    shown: str = "memory tanh 10-12-10"
    networks: tuple[str, ...] = tuple(NETWORKS)
    runs: int = 1
    fractions: tuple[float, ...] = (0.75, 0.5, 0.25, 0.1, 0.0)
    steps: int = 2000
    draws: int = 16
    points: int = 30

    name = "trained"
    title = "levels of theory against measured Hessians of networks in training"
    quick: ClassVar[Mapping[str, object]] = {
        "shown": SMALL,
        "networks": (SMALL, "memory logistic tanh 10-8-3"),
        "fractions": (0.5, 0.0),
        "steps": 200,
        "draws": 4,
        "points": 20,
    }
    full: ClassVar[Mapping[str, object]] = {"runs": 3}
    takes_images = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.shown, *self.networks):
            choice("network", name, NAMES)
        if self.draws < 3:
            raise ValueError(f"draws must be at least 3, or no chance is known; got {self.draws}")

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each stage of the network shown, and for each stage of every run."""
        shared = {
            "fraction": self.fractions,
            "root": self.seed,
            "steps": self.steps,
            "draws": self.draws,
        }
        shown = {"network": self.shown, "run": 0, "points": self.points}
        runs = {"network": self.networks, "run": list(range(self.runs))}
        return {
            "shown": Sweep(level_densities, Grid(shared | shown, seeds=None)),
            "networks": Sweep(conditioned_distances, Grid(shared | runs, seeds=None)),
        }

    @property
    def memory(self) -> int:
        """Jacobian and basis of 1500 residuals, Hessians of 300 parameters, equations, runs."""
        iterates = 8 * 300 * self.steps * min(12, len(self.networks))
        return 8 * 6 * 1500 * (300 + 1500) + 2**27 + 2**20 * self.runs + iterates

    def content(self, results: Mapping[str, Results]) -> Content:
        """Return densities and distances of the stages, and how many are within chance.

        Parameters
        ----------
        results : mapping of str to Results
            Results of each sweep, by its name.

        Returns
        -------
        Content
            Curves, numbers and caption.
        """
        numbers: dict[Quantity, float] = {}
        series = self._run_shown(results["shown"], numbers)
        series += self._all_runs(results["networks"], numbers)
        within = numbers[Quantity.of("points within chance", level="level 7 or 8")]
        points = numbers[Quantity.of("points")]
        last = "abcdefgh"[len(self.fractions) - 1]
        caption = fill(
            f"(a)-({last}): {self.shown}, on its way to a minimum; nothing is fitted, the highest "
            f"3 % of the eigenvalues are not drawn. Last panel: grey below the distance of one "
            f"draw of level 7 to the others. Of {len(self.networks)} networks at "
            f"{len(self.fractions)} stages, {self.runs} run(s) each, level 7 or 8 is within "
            f"{_FACTOR:g} times chance + {_MARGIN:g} of the measured spectrum at {within:g} of "
            f"{points:g} points; at the end of a run both know that it is a minimum. "
            f"Seed {self.seed}.",
            _LINE,
        )
        return Content(tuple(series), numbers, caption)

    def _run_shown(self, results: Results, numbers: dict[Quantity, float]) -> list[Series]:
        """Return densities of the stages, and distances along the run."""
        series: list[Series] = []
        stages = sorted(results, key=lambda one: -one.key.parameters["fraction"])
        energies = np.array([one.value["energy"] for one in stages])
        for place, one in enumerate(stages, 1):
            found, panel = one.value, f"stage {place}"
            numbers[Quantity.of("energy", stage=place)] = found["energy"]
            numbers[Quantity.of("index", stage=place)] = found["index"]
            x = (found["edges"][1:] + found["edges"][:-1]) / 2
            series.append(Series(panel, "measured", x, found["measured"]))
            for level in _DENSITIES:
                series.append(Series(panel, LEVELS[level], x, found[f"density {level.number}"]))
            for level in LEVELS:
                distance = Quantity.of("Kolmogorov distance", stage=place, level=LEVELS[level])
                numbers[distance] = found[f"kolmogorov {level.number}"]
            numbers[Quantity.of("Kolmogorov distance", stage=place, level=_CHANCE)] = found[
                "chance"
            ]
        for level, name in LEVELS.items():
            y = np.array([one.value[f"kolmogorov {level.number}"] for one in stages])
            series.append(Series("distances", name, energies, y))
        chance = np.array([one.value["chance"] for one in stages])
        return [*series, Series("distances", _CHANCE, energies, chance)]

    def _all_runs(self, results: Results, numbers: dict[Quantity, float]) -> list[Series]:
        """Return distances and indices of levels 7 and 8, every iterate once."""
        runs: dict[tuple[str, int], dict[int, Record]] = {}
        refused = 0
        for one in results:
            parameters = one.key.parameters
            refused += "refused" in one.value
            if "refused" not in one.value:
                run = runs.setdefault((parameters["network"], parameters["run"]), {})
                run[one.value["step"]] = one.value  # two stages may be one iterate
        series, points = [], []
        for (network, number), run in runs.items():
            stages = sorted(run.values(), key=lambda found: -found["energy"])
            points += [(network, number, found) for found in stages]
            series += _curves(network if number == 0 else f"{network}, run {number}", stages)
        numbers[Quantity.of("points")] = len(points)
        numbers[Quantity.of("points refused")] = refused
        _count_points(points, numbers)
        return series

    def draw(self, figure: Figure, content: Content) -> None:
        """Draw the stages of the run shown, and the distances of all levels.

        Parameters
        ----------
        figure : Figure
            An empty figure of matplotlib.
        content : Content
            What to draw.
        """
        columns = 3
        rows = len(self.fractions) // columns + 1
        figure.set_size_inches(9.5, 3.0 * rows + 0.4)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        label_panels(figure, axes[: len(self.fractions) + 1], content.caption)
        for place, ax in enumerate(axes[: len(self.fractions)], 1):
            energy, index = (content.number(name, stage=place) for name in ("energy", "index"))
            _draw_stage(ax, content, f"stage {place}")
            ax.set_title(f"energy {energy:.3g}, index {index:.3f}", fontsize=9)
            if place % columns == 1:
                ax.set_ylabel("density", fontsize=8)
        for ax in axes[len(self.fractions) + 1 :]:
            ax.set_axis_off()
        axes[len(self.fractions) - 1].legend(fontsize=6.5, frameon=False, loc="upper right")
        _draw_distances(axes[len(self.fractions)], content)


def _draw_stage(ax: Axes, content: Content, panel: str) -> None:
    """Draw the densities of a stage over the measured one."""
    measured = content.get(panel, "measured")
    draw_bars(ax, measured, label="measured", color="0.82")
    highest = float(measured.y.max())
    for level in _DENSITIES:
        law = content.get(panel, LEVELS[level])
        style: Record = dict(_STYLES[level])
        if level is Level.CONDITIONED_GRADIENT:
            style |= {"drawstyle": "steps-mid", "lw": 1.0}
        ax.plot(law.x, law.y, label=LEVELS[level], **style)
        highest = max(highest, float(law.y.max()))
    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(0.5 * measured.y[measured.y > 0].min(), 4 * highest)
    ax.set_xlabel("eigenvalue of the Hessian", fontsize=8)


def _draw_distances(ax: Axes, content: Content) -> None:
    """Draw the distances of all levels against the energy, training to the right."""
    chance = content.get("distances", _CHANCE)
    ax.fill_between(chance.x, chance.y, 1e-4, color="0.9", lw=0, label=_CHANCE, zorder=0)
    for level, name in LEVELS.items():
        one = content.get("distances", name)
        ax.plot(one.x, one.y, marker="o", ms=3, label=name, **_STYLES[level])
    values = [content.get("distances", name).y for name in LEVELS.values()]
    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(0.6 * min(chance.y.min(), *(y.min() for y in values)), 40 * np.max(values))
    ax.set_xlabel("energy (training to the right)", fontsize=8)
    ax.set_ylabel("Kolmogorov distance to measured", fontsize=8)
    ax.set_title("distance of each level", fontsize=9)
    ax.invert_xaxis()
    ax.legend(fontsize=6, frameon=False, loc="upper right")


def _curves(network: str, stages: list[Record]) -> list[Series]:
    """Return all that is known of a run, over its energies."""

    def column(name: str) -> Real:
        return np.array([found[name] for found in stages])

    energies = column("energy")
    series = [
        Series(network, name.replace("_", " "), energies, column(name))
        for name in ("index", "gradient_norm")
    ]
    for level in _CONDITIONED:
        n = level.number
        series += [
            Series(network, f"Kolmogorov distance, level {n}", energies, column(f"kolmogorov {n}")),
            Series(
                network,
                f"chance, level {n}",
                energies,
                column(f"chance {n}"),
                column(f"chance_deviation {n}"),
            ),
            Series(network, f"index, level {n}", energies, column(f"index {n}")),
            Series(network, f"free share, level {n}", energies, column(f"free_share {n}")),
            Series(
                network, f"measured numbers, level {n}", energies, column(f"measured_numbers {n}")
            ),
        ]
    return series


def _count_points(points: list[tuple[str, int, Record]], numbers: dict[Quantity, float]) -> None:
    """Note how many points are within chance, and all that are not."""

    def excess(found: Record, n: int) -> float:
        return float(found[f"kolmogorov {n}"] - _FACTOR * found[f"chance {n}"] - _MARGIN)

    levels = [level.number for level in _CONDITIONED]
    for n in levels:
        inside = sum(excess(found, n) <= 0 for *_, found in points)
        numbers[Quantity.of("points within chance", level=f"level {n}")] = inside
    either = [min(excess(found, n) for n in levels) <= 0 for *_, found in points]
    numbers[Quantity.of("points within chance", level="level 7 or 8")] = sum(either)
    off = []
    for network, run, found in points:
        best = min(levels, key=lambda n: found[f"kolmogorov {n}"])
        off.append(abs(found[f"index {best}"] - found["index"]))
        at: dict[str, str | float] = {
            "network": network,
            "run": run,
            "energy": float(f"{found['energy']:.4g}"),
        }
        if min(excess(found, n) for n in levels) > 0:
            outside = Quantity.of("Kolmogorov distance outside chance", **at, level=f"level {best}")
            numbers[outside] = found[f"kolmogorov {best}"]
            numbers[outside.having(statistic="chance")] = found[f"chance {best}"]
        if off[-1] > _INDEX:
            wrong = Quantity.of("index off", **at, level=f"level {best}")
            numbers[wrong] = found[f"index {best}"] - found["index"]
    numbers[Quantity.of(f"points with an index within {_INDEX:g}")] = sum(x <= _INDEX for x in off)
    numbers[Quantity.of("largest error of the index")] = max(off, default=0.0)
    for loss in sorted({found["loss"] for *_, found in points}):
        these = [
            good for good, (*_, found) in zip(either, points, strict=True) if found["loss"] == loss
        ]
        numbers[Quantity.of("points", loss=loss)] = len(these)
        numbers[Quantity.of("points within chance", level="level 7 or 8", loss=loss)] = sum(these)
