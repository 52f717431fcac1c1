"""What every published figure has: parameters, sweeps that compute it, content, a drawing.

A figure is a frozen dataclass of its parameters. `sweeps` names the tasks that compute it, so
that an interrupted run resumes; `content` turns their results into the curves of
the picture and the numbers it shows; `draw` lays the curves out. The curves are all that is drawn,
so that a table of them is the picture's data.

>>> from rmtland.reproduction.densities import ModelDensities
>>> figure = ModelDensities.of_size("quick", seed=3)
>>> figure.seed, len(figure.sweeps["spectra"].grid)
(3, 12)
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rmtland.arguments import choice, count, nonnegative
from rmtland.arrays import ArrayLibrary
from rmtland.drawing import STYLES
from rmtland.laws.spectral_model import SpectralModel
from rmtland.networks import cifar10
from rmtland.reproduction.figure_sweeps import Sweep, in_rounds, kept_results, store_path
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.sweep import Results, Serial, run
from rmtland.sweep.executors import AnyExecutor, cores
from rmtland.typing import Real

__all__ = [
    "SIZES",
    "STYLES",
    "Content",
    "PublishedFigure",
    "Series",
    "Sweep",
    "draw_bars",
    "error_bars",
    "errors_over_width",
    "histogram",
    "index_above_axis",
    "label_panels",
    "lettered_panels",
    "mean_and_error",
]

SIZES = ("quick", "default", "full")
"""Seconds; minutes; the parameters of the paper."""


class Series(NamedTuple):
    """One curve, histogram or set of points of a picture.

    Made by `rmtland.reproduction.PublishedFigure.content`.

    Parameters
    ----------
    panel, name : Quantity or str
        Where it is drawn; what it is.
    x, y : ndarray
        Its points; of a histogram the centres of its bins, all of one width, and their heights.
    error : ndarray, optional
        Standard errors of y.
    """

    panel: Quantity | str
    name: Quantity | str
    x: Real
    y: Real
    error: Real | None = None


@dataclass(frozen=True)
class Content:
    """The curves of a picture, the numbers it shows, and a caption that says what they are of.

    Made by `rmtland.reproduction.PublishedFigure.compute`.

    Parameters
    ----------
    series : tuple of Series
        The curves.
    numbers : dict of Quantity to float
        The numbers.
    caption : str
        Under the picture.
    """

    series: tuple[Series, ...]
    numbers: dict[Quantity, float] = field(default_factory=dict)
    caption: str = ""

    def number(self, name: str, /, **parameters: str | float) -> float:
        """Return the number of a quantity.

        Parameters
        ----------
        name : str
            Of the quantity.
        **parameters
            What it belongs to.

        Returns
        -------
        float
            The value.

        Raises
        ------
        KeyError
            If there is none.
        """
        wanted = Quantity.of(name, **parameters)
        if wanted not in self.numbers:
            raise KeyError(f"there is no number {str(wanted)!r}")
        return self.numbers[wanted]

    def get(self, panel: Quantity | str, name: Quantity | str) -> Series:
        """Return the series of that panel and name.

        Parameters
        ----------
        panel, name : Quantity or str
            Where it is drawn; what it is.

        Returns
        -------
        Series
            The series.

        Raises
        ------
        KeyError
            If there is none.
        """
        wanted = (str(panel), str(name))  # what was read from a file has no parameters
        for one in self.series:
            if (str(one.panel), str(one.name)) == wanted:
                return one
        raise KeyError(f"there is no series {str(name)!r} in panel {str(panel)!r}")

    @classmethod
    def of_rows(
        cls,
        rows: Iterable[tuple[str, str, float, float, float | None]],
        numbers: Mapping[Quantity, float],
        caption: str,
    ) -> Content:
        """Return a content whose `rows` were written before, to be drawn again.

        Parameters
        ----------
        rows : iterable of tuple
            As `rows` returns them.
        numbers : mapping of Quantity to float
            The numbers.
        caption : str
            Under the picture.

        Returns
        -------
        Content
            With names of panels and series as strings.
        """
        found: dict[tuple[str, str], list[tuple[float, float, float | None]]] = {}
        for panel, name, x, y, error in rows:
            found.setdefault((panel, name), []).append((x, y, error))
        series = []
        for (panel, name), points in found.items():
            x, y, error = np.array(points, dtype=np.float64).T  # no error is NaN
            known = not np.isnan(error).all()
            series.append(Series(panel, name, x, y, error if known else None))
        return cls(tuple(series), dict(numbers), caption)

    def rows(self) -> list[tuple[str, str, float, float, float | None]]:
        """Return panel, series, x, y and standard error of every point.

        Returns
        -------
        list of tuple
            One tuple (panel, series, x, y, standard error or None) for each point.
        """
        return [
            (
                str(one.panel),
                str(one.name),
                float(x),
                float(y),
                None if one.error is None else float(e),
            )
            for one in self.series
            for x, y, e in zip(one.x, one.y, one.x if one.error is None else one.error, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class PublishedFigure(abc.ABC):
    """A figure of the literature with the parameters it is computed at.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.

    Raises
    ------
    ValueError
        If a count is below 1, `seed` or another number below 0, a list empty, or a folder of images
        given to a figure that uses none.
    TypeError
        If a number is of another type.
    """

    seed: int = 0
    images: str = ""

    name: ClassVar[str]
    """What the command line calls it."""

    title: ClassVar[str]
    """What it shows, in a line."""

    quick: ClassVar[Mapping[str, Any]]
    """Parameters of a run of seconds, where they differ from the default."""

    full: ClassVar[Mapping[str, Any]]
    """Parameters of the paper, where they differ from the default."""

    takes_images: ClassVar[bool] = True
    """Whether the figure is of a network on images."""

    takes_part: ClassVar[bool] = False
    """Whether the content can be made of some of the results, counted as what they are."""

    def __post_init__(self) -> None:
        count("seed", self.seed, min_value=0)
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(entry.default, tuple) and not value:
                raise ValueError(f"{entry.name} must not be empty")
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, int) and entry.name != "seed":
                    count(entry.name, one)
                elif isinstance(one, float):
                    nonnegative(entry.name, one)
        if self.images and not self.takes_images:
            raise ValueError(f"{self.name} uses no images; leave the folder {self.images} out")

    @classmethod
    def of_size(cls, size: str = "default", **given: object) -> Self:
        """Return the figure at the parameters of a size, some of them replaced.

        Parameters
        ----------
        size : {"quick", "default", "full"}
            Seconds; a few minutes; the parameters of the paper.
        **given
            Parameters by name.
        """
        choice("size", size, SIZES)
        chosen = {"quick": cls.quick, "default": {}, "full": cls.full}[size]
        return cls(**{**chosen, **given})

    @property
    @abc.abstractmethod
    def sweeps(self) -> dict[str, Sweep]:
        """What has to be computed, by name."""

    @property
    @abc.abstractmethod
    def memory(self) -> int:
        """Bytes that one worker needs at most, beside the program."""

    @property
    def cpu_seconds(self) -> float | None:
        """About how long all tasks take one core; None where that is not known beforehand."""
        return None

    @abc.abstractmethod
    def content(self, results: Mapping[str, Results]) -> Content:
        """Return curves, numbers and caption from the results of the sweeps.

        Parameters
        ----------
        results : mapping of str to Results
            Results of each sweep, by its name.
        """

    @abc.abstractmethod
    def draw(self, figure: Figure, content: Content) -> None:
        """Draw the content on an empty figure; no file is written.

        Parameters
        ----------
        figure : Figure
            An empty figure of matplotlib.
        content : Content
            What to draw.
        """

    def ask_for_packages(self) -> None:  # noqa: B027
        """Say, before anything runs, which optional package is missing; none is needed by default.

        Raises
        ------
        ImportError
            If one is not installed; the message gives the command.
        """

    def compute(
        self,
        *,
        folder: Path | None = None,
        executor: AnyExecutor | str | None = None,
        progress: bool | None = None,
    ) -> Content:
        """Run the sweeps and return the content.

        Parameters
        ----------
        folder : Path, optional
            Where results are kept as they come: an interrupted run resumes from there. Few
            replicates of every sweep come first, so that it has something of everything.
        executor : optional
            Who computes, see `rmtland.sweep.run`; this process by default.
        progress : bool, optional
            Show a bar for each sweep on stderr; by default where that is a terminal.

        Returns
        -------
        Content
            Curves, numbers and caption.

        Raises
        ------
        ImportError
            If an optional package that the tasks need is not installed.
        MemoryError
            If less memory is available than the workers need.
        ArithmeticError
            If a task failed.
        """
        self.ask_for_packages()
        tasks = max(len(sweep.grid) for sweep in self.sweeps.values())
        workers = min(getattr(executor, "workers", 1) or cores(), tasks)
        archive = 300_000_000 if self.images else 0  # all of CIFAR-10, and a copy
        need, there = (self.memory + archive) * workers, ArrayLibrary.of().free_memory()
        if need > there:
            raise MemoryError(
                f"{self.name} at these parameters needs {need / 1e9:.1f} GB for {workers} workers, "
                f"and {there / 1e9:.1f} GB are available; take fewer workers or a smaller size"
            )
        if self.images:
            cifar10(self.images, 1)  # says what is wrong with the folder before anything runs
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        results: dict[str, Results] = {}
        for name, (task, grid) in in_rounds(self.sweeps, kept=folder is not None):
            found = run(
                task,
                grid,
                store=None if folder is None else store_path(folder, self.name, name),
                executor=Serial() if executor is None else executor,
                retry_failed=True,
                progress=progress,
            )
            if found.failures:
                first = found.failures[0]
                raise ArithmeticError(
                    f"{len(found.failures)} tasks of {self.name} failed, the first at "
                    f"{first.parameters} with {first.type}: {first.message}"
                )
            results[name] = found
        return self.content(results)

    def kept(self, folder: Path) -> dict[str, Results]:
        """Return what a run that `compute` began has kept so far; nothing is computed.

        Parameters
        ----------
        folder : Path
            What `compute` was given. The run may still go on.

        Returns
        -------
        dict of str to Results
            Of each sweep, by its name; `status` of each counts what is done and missing.

        Raises
        ------
        FileNotFoundError
            If nothing is kept there.
        ValueError
            If results are missing and the content is made of all of them only.
        """
        return kept_results(self.name, self.sweeps, folder, whole=not self.takes_part)


def histogram(
    panel: Quantity | str,
    name: Quantity | str,
    spectrum: Spectrum,
    limits: tuple[float, float],
    bins: int,
) -> Series:
    """Return the density of a spectrum in bins, the whole spectrum having mass 1."""
    nodes, weights = spectrum.measure
    edges = np.linspace(*limits, bins + 1)
    mass, _ = np.histogram(nodes, edges, weights=weights)
    return Series(panel, name, (edges[1:] + edges[:-1]) / 2, mass / np.diff(edges))


def draw_bars(ax: Axes, bars: Series, **style: Any) -> None:
    """Draw a histogram from the centres of its bins."""
    half = (bars.x[1] - bars.x[0]) / 2
    edges = np.append(bars.x - half, bars.x[-1] + half)
    ax.stairs(bars.y, edges, fill=True, zorder=1, **{**STYLES["measured"], **style})


def error_bars(points: Series) -> Real:
    """Return standard errors for a drawing: zero where a single value has none."""
    if points.error is None:
        return np.zeros(points.y.shape)
    return np.where(np.isfinite(points.error), points.error, 0.0)


def label_panels(figure: Figure, axes: Any, caption: str) -> None:
    """Letter the panels and put the caption under the picture."""
    for letter, ax in zip("abcdefghi", np.ravel(axes), strict=False):
        ax.set_title(f"({letter})", loc="left", fontsize=10, fontweight="bold")
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    figure.supxlabel(caption, fontsize=7, x=0.01, ha="left", color="0.25")


def lettered_panels(
    figure: Figure,
    content: Content,
    panels: int,
    inches: tuple[float, float],
    *,
    sharey: bool = False,
) -> list[Axes]:
    """Return so many panels in a row, lettered, with the caption under them."""
    figure.set_size_inches(*inches)
    axes = list(figure.subplots(1, panels, sharey=sharey, squeeze=False)[0])
    label_panels(figure, axes, content.caption)
    return axes


def errors_over_width(ax: Axes, sizes: Sequence[int], title: str) -> None:
    """Prepare a panel of errors, relative to a peak, over the widths of networks."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    ax.minorticks_off()
    ax.set_xlabel("width n")
    ax.set_ylabel("worst error / peak")
    ax.set_title(title, fontsize=10)


def mean_and_error(values: Real) -> tuple[float, float]:
    """Return the mean and its standard error; infinite for one value."""
    error = np.inf if len(values) < 2 else np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(error)


def index_above_axis(model: SpectralModel, eta: float) -> float:
    """Return the mass below 0, extrapolated linearly from the heights eta and eta/2.

    Parameters
    ----------
    model : SpectralModel
        Without a point mass at 0.
    eta : float
        The larger height.

    Returns
    -------
    float
    """
    far, near = (float(model.smoothed_cdf(0.0, eta=height)) for height in (eta, eta / 2))
    return 2 * near - far
