r"""Does it help training to know the spectrum? Untuned methods that measure it against tuned ones.

Methods that measure curvature and have nothing to tune (`rmtland.optimizer.SpectralSteps`) run
beside gradient descent, momentum and Adam, tuned with equal budgets, L-BFGS and conjugate
gradients, on random quadratics, regressions on real data, linearised networks and networks:
convergence, in passes over the data and seconds, generalisation, and robustness to wrong labels,
gradients of batches, and misjudged curvature or rate.

Examples
--------
>>> OptimizerStudy.of_size("quick").problems
('random quadratic', 'logistic regression', 'linearised network', 'network, cross-entropy')
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from scipy.special import stdtrit

from rmtland.arguments import choice
from rmtland.drawing import COLORS
from rmtland.reproduction.figure import Content, PublishedFigure, Series, Sweep, label_panels
from rmtland.reproduction.optimizer_problems import PROBLEMS, SIZES, available
from rmtland.reproduction.optimizer_runs import CONDITIONS, METHODS, SPECTRAL, TUNED, compare_method
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Record

__all__ = ["OptimizerStudy"]

_STYLES = {
    "gradient descent, tuned": (COLORS[0], "o"),
    "momentum, tuned": (COLORS[1], "s"),
    "Adam, tuned": (COLORS[2], "D"),
    "step 1/curvature": (COLORS[3], "^"),
    "Nesterov by curvature": (COLORS[4], "v"),
    "advised by spectrum": (COLORS[5], "<"),
    "L-BFGS": ("black", "P"),
    "conjugate gradients": ("0.5", "*"),
}
_MOVED = "held-out error, parameters moved"

_LINE = 150
"""Letters in a line of the caption."""

_SHORT = {
    "random quadratic": "random\nquadratic",
    "linear regression": "linear\nregression",
    "logistic regression": "logistic\nregression",
    "linearised network": "linearised\nnetwork",
    "network, squared": "network,\nsquared",
    "network, cross-entropy": "network,\ncross-ent.",
    "convolutional network": "conv. net\n(PyTorch)",
}


@dataclass(frozen=True, kw_only=True)
class OptimizerStudy(PublishedFigure):
    """Tuned methods, methods that measure curvature, and quasi-Newton methods, on seven problems.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Not used; empty.
    problems : tuple of str
        Of `rmtland.reproduction.optimizer_problems.PROBLEMS`; the convolutional network is left out
        where PyTorch is missing.
    methods : tuple of str
        Of `rmtland.reproduction.optimizer_runs.METHODS`.
    conditions : tuple of str
        Of `rmtland.reproduction.optimizer_runs.CONDITIONS`, "clean" among them.
    sets : int
        Data sets, at least 2.
    trials : int
        Settings that a tuned method may try.
    budget : int
        Passes over the data that a run may spend.
    scale : {"small", "large"}
        Size of the problems.

    Raises
    ------
    ValueError
        If a problem, method, condition or scale is not known, "clean" is missing, `sets` is below
        2, or another parameter is out of its range.
    TypeError
        If a number is of another type.
    """

    problems: tuple[str, ...] = PROBLEMS
    methods: tuple[str, ...] = METHODS
    conditions: tuple[str, ...] = CONDITIONS
    sets: int = 5
    trials: int = 9
    budget: int = 300
    scale: str = "large"

    name = "optimizer"
    title = "methods that measure curvature against tuned ones: convergence, held-out error"
    quick: ClassVar[Mapping[str, object]] = {
        "problems": (
            "random quadratic",
            "logistic regression",
            "linearised network",
            "network, cross-entropy",
        ),
        "sets": 2,
        "trials": 5,
        "budget": 120,
        "scale": "small",
    }
    full: ClassVar[Mapping[str, object]] = {"sets": 10, "budget": 1000}
    takes_images = False

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("scale", self.scale, tuple(SIZES))
        for name, chosen, all_of in (
            ("problem", self.problems, PROBLEMS),
            ("method", self.methods, METHODS),
            ("condition", self.conditions, CONDITIONS),
        ):
            for one in chosen:
                choice(name, one, all_of)
        if "clean" not in self.conditions:
            raise ValueError("the condition 'clean' is what others are compared with; add it")
        if self.sets < 2:
            raise ValueError(f"sets must be at least 2, or no interval is known; got {self.sets}")
        object.__setattr__(self, "problems", available(self.problems))

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each method on each problem under each condition."""
        grid = {
            "problem": self.problems,
            "condition": self.conditions,
            "method": self.methods,
            "seeds": self.sets,
            "trials": self.trials,
            "budget": float(self.budget),
            "size": self.scale,
            "root": self.seed,
        }
        return {"runs": Sweep(compare_method, Grid(grid, seeds=None))}

    @property
    def memory(self) -> int:
        """Two data sets of the largest problem, with vectors of the methods."""
        size = SIZES[self.scale]
        features = max(2 * size.dimension**2, 10 * size.linearised * 75 * size.width)
        return int(8 * 4 * features) + 4 * 10**8

    def content(self, results: Mapping[str, Results]) -> Content:
        """Return passes, errors and what knowing the spectrum gains.

        Parameters
        ----------
        results : mapping of str to Results
            Results of the sweep, by its name.

        Returns
        -------
        Content
            Curves, numbers and caption.
        """
        found = {
            tuple(
                one.key.parameters[name] for name in ("problem", "method", "condition")
            ): one.value
            for one in results["runs"]
            if one.value
        }
        numbers: dict[Quantity, float] = {}
        series = self._clean(found, numbers)
        series += self._robust(found, numbers)
        self._gains(found, numbers)
        caption = fill(
            f"A pass is a gradient over all samples; products with the Hessian count as one "
            f"(linear problems) or two, measurements of curvature included. Bars: 95 % intervals "
            f"over {self.sets} data sets; at the top, crosses: not reached within {self.budget} "
            f"passes on some data set. (b): with the passes of tuning, {self.trials} settings on a "
            f"data set of its own. (c): hollow with the parameters moved by a tenth of their norm. "
            f"(d): geometric means over the problems, of passes under a condition over those "
            f"without, {self.budget} where not reached. Seed {self.seed}.",
            _LINE,
        )
        return Content(tuple(series), numbers, caption)

    def _clean(
        self, found: Mapping[tuple[str, str, str], Record], numbers: dict[Quantity, float]
    ) -> list[Series]:
        """Return passes and held-out errors without disturbance."""
        series = []
        for method in self.methods:
            runs = [found[problem, method, "clean"] for problem in self.problems]
            x = np.arange(len(runs), dtype=float)
            panels = {
                "passes": [_interval(run["passes"]) for run in runs],
                "with tuning": [_interval(run["passes"] + run["tuning"]) for run in runs],
                "held-out error": [_interval(run["held_out"]) for run in runs],
                _MOVED: [_interval(run["held_out_noisy"]) for run in runs],
            }
            for panel, values in panels.items():
                y, error = np.array(values).T
                series.append(Series(panel, method, x, y, error))
            for problem, run in zip(self.problems, runs, strict=True):
                of = {"problem": problem, "method": method}
                for name, what in (
                    ("passes to the target", run["passes"]),
                    ("seconds to the target", run["seconds"]),
                    ("held-out error at the target", run["held_out_at_target"]),
                    ("held-out error at the end", run["held_out"]),
                    ("held-out error, parameters moved", run["held_out_noisy"]),
                    ("loss at the end", run["excess"]),
                ):
                    middle, half = _interval(what)
                    if not math.isnan(middle):
                        numbers[Quantity.of(name, **of)] = middle
                    if not math.isnan(half) and name.startswith(("passes", "held-out error at")):
                        numbers[Quantity.of(name, **of, part="half interval")] = half
                _note_missed(numbers, run["passes"], of)
                if method in TUNED:
                    numbers[Quantity.of("passes of tuning", **of)] = float(run["tuning"])
                    numbers[Quantity.of("seconds of tuning", **of)] = float(run["tuning_seconds"])
        return [one for one in series if not np.isnan(one.y).all()]

    def _robust(
        self, found: Mapping[tuple[str, str, str], Record], numbers: dict[Quantity, float]
    ) -> list[Series]:
        """Return how many times the passes a condition costs, over the problems."""
        series = []
        others = [condition for condition in self.conditions if condition != "clean"]
        for method in self.methods:
            x, y, error = [], [], []
            for place, condition in enumerate(others):
                logs = []
                for problem in self.problems:
                    run = found.get((problem, method, condition))
                    if run is None:
                        continue
                    before = np.minimum(found[problem, method, "clean"]["passes"], self.budget)
                    ratio = np.minimum(run["passes"], self.budget) / before
                    logs.append(np.log(ratio).mean())
                    of = {"problem": problem, "method": method, "condition": condition}
                    numbers[Quantity.of("passes over those without", **of)] = math.exp(logs[-1])
                    _note_missed(numbers, run["passes"], of)
                if not logs:
                    continue
                middle, half = _interval(np.array(logs))
                x.append(float(place))
                y.append(math.exp(middle))
                error.append(math.exp(middle) * half)
                all_of = {"method": method, "condition": condition}
                numbers[Quantity.of("passes over those without", **all_of)] = math.exp(middle)
            if x:
                series.append(
                    Series("robustness", method, np.array(x), np.array(y), np.array(error))
                )
        return series

    def _gains(
        self, found: Mapping[tuple[str, str, str], Record], numbers: dict[Quantity, float]
    ) -> None:
        """Note what the best method that measures curvature gains over the best tuned one."""
        for problem in self.problems:
            best: dict[str, tuple[float, float, float]] = {}
            for kind, of_kind in (("tuned", tuple(TUNED)), ("spectral", SPECTRAL)):
                there = [
                    found[problem, method, "clean"] for method in self.methods if method in of_kind
                ]
                if there:
                    run = min(there, key=lambda one: float(np.mean(one["passes"])))
                    best[kind] = (
                        float(np.mean(run["passes"])),
                        float(np.mean(run["passes"]) + run["tuning"]),
                        float(np.mean(run["held_out"])),
                    )
            if len(best) == 2:
                tuned, spectral = best["tuned"], best["spectral"]
                of = {"problem": problem}
                names = ("gain in passes", "gain with tuning")
                for place, name in enumerate(names):
                    if math.isfinite(tuned[place]) or math.isfinite(spectral[place]):
                        numbers[Quantity.of(name, **of)] = tuned[place] / spectral[place]
                if not math.isnan(tuned[2] - spectral[2]):
                    numbers[Quantity.of("gain in held-out error", **of)] = tuned[2] - spectral[2]

    def draw(self, figure: Figure, content: Content) -> None:
        """Draw four panels.

        Parameters
        ----------
        figure : Figure
            An empty figure of matplotlib.
        content : Content
            What to draw.
        """
        figure.set_size_inches(11.5, 8.4)
        axes = figure.subplots(2, 2)
        label_panels(figure, axes, content.caption)
        problems = [_SHORT[name] for name in self.problems]
        others = [name for name in self.conditions if name != "clean"]
        titles = {
            "passes": ("passes to the target", problems),
            "with tuning": ("passes to the target, tuning included", problems),
            "held-out error": ("held-out error at the end", problems),
            "robustness": ("passes under a condition over those without", others),
        }
        for ax, (panel, (title, places)) in zip(axes.ravel(), titles.items(), strict=True):
            self._draw_panel(ax, content, panel, places)
            if panel == "held-out error":
                self._draw_panel(ax, content, _MOVED, places, hollow=True)
            ax.set_title(title, fontsize=10)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            fontsize=8,
            frameon=False,
            ncol=8,
            loc="outside upper center",
            columnspacing=1.2,
            handletextpad=0.3,
        )

    def _draw_panel(
        self, ax: Axes, content: Content, panel: str, places: list[str], *, hollow: bool = False
    ) -> None:
        """Draw one marker for each method at each place."""
        width = 0.8 / len(self.methods)
        ceiling = self.budget * (self.trials + 1) if panel == "with tuning" else self.budget
        for k, method in enumerate(self.methods):
            try:
                one = content.get(panel, method)
            except KeyError:
                continue
            x = one.x + (k - (len(self.methods) - 1) / 2 + 0.4 * hollow) * width
            color, marker = _STYLES[method]
            error = np.zeros(one.y.shape) if one.error is None else one.error
            there = np.isfinite(one.y)
            ax.errorbar(
                x[there],
                one.y[there],
                np.where(np.isfinite(error), error, 0.0)[there],
                ls="",
                lw=1,
                label=method,
                color=color,
                marker=marker,
                ms=3.5 if hollow else 4.5,
                mfc="white" if hollow else color,
            )
            missing = np.isinf(one.y)
            ax.plot(
                x[missing],
                np.full(missing.sum(), 1.15 * ceiling),
                ls="",
                marker="x",
                ms=5,
                color=color,
            )
        ax.set_xticks(range(len(places)), places, fontsize=7)
        for edge in range(1, len(places)):
            ax.axvline(edge - 0.5, color="0.9", lw=0.8, zorder=0)
        ax.set_xlim(-0.5, len(places) - 0.5)
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(NullFormatter())
        if panel == "robustness":
            ax.axhline(1.0, color="0.6", lw=0.8, zorder=0)


def _note_missed(numbers: dict[Quantity, float], passes: Real, of: Mapping[str, str]) -> None:
    """Note the share of data sets on which the target is reached, where it is not all."""
    share = float(np.isfinite(passes).mean())
    if share < 1:
        numbers[Quantity.of("share reached", **of)] = share


def _interval(values: Real) -> tuple[float, float]:
    """Return the mean and half its 95 % interval; infinite and NaN where a value is."""
    known = np.asarray(values, dtype=float)
    if not np.isfinite(known).all():
        return (math.inf, math.nan) if np.isinf(known).any() else (math.nan, math.nan)
    if known.size < 2:
        return float(known.mean()), math.nan
    error = float(known.std(ddof=1)) / math.sqrt(known.size)
    return float(known.mean()), float(stdtrit(known.size - 1, 0.975)) * error
