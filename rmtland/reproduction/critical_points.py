r"""Index against energy at critical points: figure 6 of the paper, and what is proved.

Pennington & Bahri [1]_ trained tanh networks of n = 16 inputs, hidden units and outputs on iid data
to a random loss, lowered :math:`|\nabla L|^2` from there, and kept the points below 1e-6. That
cutoff also lets gradient-flat points pass [2]_. Here families of points are compared, for each
:math:`\phi = 2n/m` (`rmtland.reproduction.critical_point_searches`): published, generic (found by
long and by short steps), symmetric, and minima; all but the first with weight decay, proved,
followed as it goes to 0, and compared with the law of the Hessian given their weights. Energies are
without the decay.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 6.
.. [2] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard, Critical
       point-finding methods reveal gradient-flat regions of deep network losses, Neural
       Computation 33 (2021) 1469-1497, arXiv:2003.10397.

Examples
--------
>>> figure = CriticalPointsFigure.of_size("quick")
>>> figure.name, sorted(figure.sweeps)[:3]
('fig6', ['generic', 'generic-decays', 'linear'])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rmtland.drawing import COLORS
from rmtland.landscape.critical_points.proofs.ball_functions import flint
from rmtland.reproduction.critical_point_numbers import (
    LEVELS,
    READ_OFF,
    column,
    of_branches,
    of_exponents,
    of_laws,
    of_levels,
    of_minima,
    of_published,
    of_starts,
    proved,
)
from rmtland.reproduction.critical_point_searches import CUTOFF, linear_energies, searched
from rmtland.reproduction.figure import Content, PublishedFigure, Series, Sweep, label_panels
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Record

__all__ = ["CriticalPointsFigure"]

_LOOKS: dict[str, Record] = {
    "published": {"color": COLORS[6], "marker": "x"},
    "generic": {"color": COLORS[1], "marker": "o"},
    "short steps": {"color": COLORS[3], "marker": "D"},
    "symmetric": {"color": COLORS[2], "marker": "^"},
    "minima": {"color": COLORS[0], "marker": "s"},
}
_PROVED = ("generic", "symmetric")


@dataclass(frozen=True, kw_only=True)
class CriticalPointsFigure(PublishedFigure):
    """Index against energy at published and at proved critical points, a panel for each phi.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Not used; empty.
    phi : tuple of float
        Ratios 2n/m.
    width : int
        n.
    weight_decay : float
        Of the proved points.
    checks : tuple of float
        Other weight decays.
    symmetric, generic, minima, published : int
        Starts of each family at each phi; generic points and minima are studied.
    short_steps : int
        Starts at each phi of generic points sought by short steps.
    studied : int
        Further starts of symmetric points, which are.
    symmetric_checks, generic_checks : int
        Starts at each phi and each other weight decay.
    linear : int
        Data sets at each phi of the linear network.
    resamples : int
        Bootstrap samples of the exponents.
    """

    phi: tuple[float, ...] = tuple(READ_OFF)
    width: int = 16
    weight_decay: float = 1e-3
    checks: tuple[float, ...] = (1e-2, 1e-4)
    symmetric: int = 24
    generic: int = 14
    minima: int = 2
    published: int = 1
    short_steps: int = 2
    studied: int = 4
    symmetric_checks: int = 2
    generic_checks: int = 2
    linear: int = 20
    resamples: int = 200

    name = "fig6"
    title = "index against energy at critical points, published and proved"
    quick: ClassVar[Mapping[str, object]] = {
        "phi": (1 / 2,),
        "width": 4,
        "checks": (1e-2,),
        "symmetric": 10,
        "generic": 4,
        "minima": 2,
        "published": 1,
        "short_steps": 1,
        "studied": 2,
        "symmetric_checks": 2,
        "generic_checks": 1,
        "linear": 2,
        "resamples": 20,
    }
    full: ClassVar[Mapping[str, object]] = {
        "symmetric": 1000,
        "generic": 240,
        "minima": 16,
        "published": 24,
        "short_steps": 24,
        "studied": 30,
        "symmetric_checks": 100,
        "generic_checks": 60,
        "linear": 40,
    }
    takes_images = False
    takes_part = True

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One search a task, a sweep for each family."""

        def searches(
            family: str, seeds: int, studied: bool, decays: float | tuple[float, ...]
        ) -> Sweep:
            axes = {"phi": self.phi, "n": self.width, "weight_decay": decays, "family": family}
            return Sweep(searched, Grid({**axes, "studied": studied}, seeds=seeds, root=self.seed))

        decay = self.weight_decay
        linear = Grid({"phi": self.phi, "n": self.width}, seeds=self.linear, root=self.seed)
        return {
            "minima": searches("minima", self.minima, True, decay),
            "generic": searches("generic", self.generic, True, decay),
            "short steps": searches("short steps", self.short_steps, False, decay),
            "symmetric": searches("symmetric", self.symmetric, False, decay),
            "symmetric-studied": searches("symmetric", self.studied, True, decay),
            "published": searches("published", self.published, False, decay),
            "symmetric-decays": searches("symmetric", self.symmetric_checks, False, self.checks),
            "generic-decays": searches("generic", self.generic_checks, False, self.checks),
            "linear": Sweep(linear_energies, linear),
        }

    @property
    def memory(self) -> int:
        """Some Hessians, and products of the enclosure over all samples."""
        p, m = 2 * self.width**2, 2 * self.width / min(self.phi)
        return int(8 * (20 * p * p + 12 * m * self.width**2)) + 10**8

    def ask_for_packages(self) -> None:
        """Ask for python-flint, which the proofs need.

        Raises
        ------
        ImportError
            If it is not installed; the message gives the command.
        """
        flint()

    def content(self, results: Mapping[str, Results]) -> Content:
        """Return points of each family, shares, mean energies, exponents and comparisons.

        Parameters
        ----------
        results : mapping of str to Results
            Results of each sweep, by its name.

        Returns
        -------
        Content
            Points, numbers and caption.
        """
        series: list[Series] = []
        numbers: dict[Quantity, float] = {}
        read = {name: list(found) for name, found in results.items()}  # each result once
        starts: list[dict[str, int]] = []
        for phi in self.phi:
            found = {
                name: [r.value for r in some if r.parameters["phi"] == phi]
                for name, some in read.items()
            }
            starts.append(_starts(found))
            self._add_points(series, phi, found)
            numbers.update(self._numbers(phi, found))
            for decay in self.checks:
                for family in _PROVED:
                    some = [
                        r.value
                        for r in read[f"{family}-decays"]
                        if (r.parameters["phi"], r.parameters["weight_decay"]) == (phi, decay)
                    ]
                    labels: dict[str, str | float] = {"phi": phi, "family": family, "decay": decay}
                    numbers.update(of_starts(some, **labels))
                    numbers.update(of_levels(proved(some), self._size, **labels))
        self._add_summaries(series, numbers)
        return Content(tuple(series), numbers, self._caption(starts))

    @property
    def _size(self) -> int:
        return 2 * self.width**2

    def _add_points(
        self, series: list[Series], phi: float, found: Mapping[str, Sequence[Record]]
    ) -> None:
        """Add the points of each family that count, and what was read off."""
        panel = Quantity.of("index against energy", phi=phi)
        if phi in READ_OFF:
            series.append(Series(panel, "read off", np.array(READ_OFF[phi]), np.array(LEVELS)))
        good = {
            "published": [one for one in found["published"] if one["square"] < CUTOFF],
            "generic": proved(found["generic"]),
            "short steps": proved(found["short steps"]),
            "symmetric": proved([*found["symmetric"], *found["symmetric-studied"]]),
            "minima": proved(found["minima"]),
        }
        for family, some in good.items():
            if some:
                x, y = column(some, "energy"), column(some, "index") / self._size
                series.append(Series(panel, family, x, y))
        for family in ("generic", "symmetric-studied", "minima"):
            some = [one for one in found[family] if "law_index" in one]
            if some:
                x, y = (column(some, name) / self._size for name in ("index", "law_index"))
                name = family.removesuffix("-studied")
                series.append(Series("index of the law", Quantity.of(name, phi=phi), x, y))

    def _numbers(self, phi: float, found: Mapping[str, Sequence[Record]]) -> dict[Quantity, float]:
        """Return all numbers of one phi at the weight decay of the figure."""
        numbers: dict[Quantity, float] = {}
        size = self._size
        numbers.update(of_published(found["published"], CUTOFF, phi=phi))
        for family in (*_PROVED, "short steps", "minima"):
            records = [*found[family], *found.get(f"{family}-studied", [])]
            labels: dict[str, str | float] = {"phi": phi, "family": family}
            numbers.update(of_starts(records, **labels))
            good = proved(records)
            numbers.update(of_levels(good, size, **labels))
            numbers.update(of_branches(good, **labels))
            numbers.update(of_laws(good, size, **labels))
            if family in _PROVED:
                energy, index = column(good, "energy"), column(good, "index") / size
                numbers.update(of_exponents(energy, index, self.resamples, **labels))
        if phi in READ_OFF:
            read = np.array(READ_OFF[phi]), np.array(LEVELS)
            numbers.update(of_exponents(*read, 0, phi=phi, family="read off"))
        numbers.update(of_minima(found["minima"], phi, self.weight_decay))
        numbers[Quantity.of("(1 - phi/2)/2", phi=phi)] = (1.0 - phi / 2.0) / 2.0
        if linear := [float(one["least"]) for one in found["linear"]]:
            numbers[Quantity.of("energy of linear minima", phi=phi)] = float(np.mean(linear))
        return numbers

    def _add_summaries(self, series: list[Series], numbers: Mapping[Quantity, float]) -> None:
        """Add the curves over phi: energies of minima and exponents."""
        curves = {
            f"minima, decay {self.weight_decay:g}": Quantity.of(
                "energy of minima", decay=self.weight_decay
            ),
            "minima, decay 1e-06": Quantity.of("energy of minima", decay=1e-6),
            "(1 - phi)^2/2": Quantity.of("(1 - phi)^2/2"),
            "(1 - phi/2)/2": Quantity.of("(1 - phi/2)/2"),
            "linear minima": Quantity.of("energy of linear minima"),
        }
        for name, quantity in curves.items():
            _add_curve(series, "energies of minima", name, quantity, self.phi, numbers)
        for family in ("read off", *_PROVED):
            for given in ("energy", "index"):
                shown = f"given the {given}"
                quantity = Quantity.of("exponent", family=family, given=shown)
                _add_curve(series, "exponents", f"{family}, {shown}", quantity, self.phi, numbers)

    def _caption(self, starts: Sequence[Mapping[str, int]]) -> str:
        shown = []
        for family in _LOOKS:
            low, high = (end(one[family] for one in starts) for end in (min, max))
            shown.append(f"{low if low == high else f'{low} to {high}'} {family}")
        return (
            f"After Pennington & Bahri (ICML 2017), fig. 6. Tanh networks, {self.width} inputs, "
            "hidden units and outputs, iid data drawn for each point; energy: loss per output "
            "without weight decay.\nLine: read off the printed figure. Published: the plain loss, "
            f"squared gradient lowered to {CUTOFF:g}. The others: proved, weight decay "
            f"{self.weight_decay:g}.\nStarts a panel: {', '.join(shown)}. "
            "Bars of exponents: 95 % bootstrap intervals, marks at their middles. "
            f"Seed {self.seed}."
        )

    def draw(self, figure: Figure, content: Content) -> None:
        """Draw a panel for each phi, and three over all of them.

        Parameters
        ----------
        figure : Figure
            An empty figure of matplotlib.
        content : Content
            What to draw.
        """
        panels = len(self.phi) + 3
        rows = -(-panels // 3)
        figure.set_size_inches(12.0, 3.3 * rows + 0.8)
        axes = figure.subplots(rows, 3, squeeze=False)
        label_panels(figure, axes, content.caption)
        for ax in axes.flat[panels:]:
            ax.remove()
        for ax, phi in zip(axes.flat, self.phi, strict=False):
            self._draw_points(ax, phi, content)
        summaries = axes.flat[len(self.phi) : panels]
        _draw_minima(summaries[0], content)
        _draw_exponents(summaries[1], content)
        _draw_laws(summaries[2], content)

    def _draw_points(self, ax: Axes, phi: float, content: Content) -> None:
        panel = str(Quantity.of("index against energy", phi=phi))
        shown = [one for one in content.series if str(one.panel) == panel]
        for one in sorted(shown, key=lambda each: -len(each.x)):
            name = str(one.name)
            if name == "read off":
                ax.plot(one.x, one.y, "-", color="0.4", lw=1.6, label="read off fig. 6(a)")
            else:
                label = f"{name} ({len(one.x)})"
                ax.plot(one.x, one.y, ls="none", ms=4, mfc="none", label=label, **_LOOKS[name])
        ax.set_xlim(0, max([0.62, *(1.03 * float(one.x.max()) for one in shown)]))
        ax.set_ylim(-0.02, max([0.55, *(1.03 * float(one.y.max()) for one in shown)]))
        ax.set_title(f"$\\phi$ = {phi:.3g}", fontsize=10)
        ax.set_xlabel("energy $\\epsilon$ (loss per output)")
        ax.set_ylabel("index $\\alpha$")
        ax.legend(fontsize=7, frameon=False, loc="upper left")


def _starts(found: Mapping[str, Sequence[Record]]) -> dict[str, int]:
    """Return how many searches of each family there are."""
    return {
        family: len(found[family]) + len(found.get(f"{family}-studied", ())) for family in _LOOKS
    }


def _add_curve(
    series: list[Series],
    panel: str,
    name: str,
    quantity: Quantity,
    phis: Sequence[float],
    numbers: Mapping[Quantity, float],
) -> None:
    """Add a number over phi, where it is known, with half of its interval or its error."""
    there = [phi for phi in phis if quantity.having(phi=phi) in numbers]
    if not there:
        return
    values, errors = [], []
    for phi in there:
        one = quantity.having(phi=phi)
        values.append(numbers[one])
        low, high = (
            numbers.get(Quantity(f"{one.name}, {end}", one.parameters)) for end in ("low", "high")
        )
        if low is not None and high is not None:
            errors.append((high - low) / 2.0)
            values[-1] = (high + low) / 2.0
        else:
            errors.append(numbers.get(one.having(statistic="standard error"), np.nan))
    series.append(Series(panel, name, np.array(there), np.array(values), np.array(errors)))


def _of_panel(content: Content, panel: str) -> list[Series]:
    return [one for one in content.series if str(one.panel) == panel]


def _bars(one: Series) -> Real:
    return np.zeros(one.x.shape) if one.error is None else np.nan_to_num(one.error)


def _draw_minima(ax: Axes, content: Content) -> None:
    lines = {"(1 - phi)^2/2": ("-", "0.4"), "(1 - phi/2)/2": (":", COLORS[6])}
    colors = iter((COLORS[0], COLORS[1]))
    for one in _of_panel(content, "energies of minima"):
        name, order = str(one.name), np.argsort(one.x)
        x, y = one.x[order], one.y[order]
        if name in lines:
            style, color = lines[name]
            ax.plot(x, y, style, color=color, label=name)
            continue
        color = COLORS[6] if "linear" in name else next(colors)
        ax.errorbar(x, y, _bars(one)[order], fmt="o", ms=4, color=color, mfc="none", label=name)
    ax.set_xlabel("$\\phi$")
    ax.set_ylabel("energy / mean square of targets", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def _draw_exponents(ax: Axes, content: Content) -> None:
    for one in _of_panel(content, "exponents"):
        family, _, given = str(one.name).partition(", ")
        color = "0.4" if family == "read off" else _LOOKS[family]["color"]
        marker = "s" if given.endswith("energy") else "o"
        shift = 1.0 if family == "read off" else 1.04 if family == "generic" else 0.96
        ax.errorbar(
            shift * one.x,
            one.y,
            _bars(one),
            fmt=marker,
            ms=4,
            color=color,
            mfc="none",
            label=str(one.name),
            elinewidth=0.9,
        )
    ax.axhline(1.5, color="0.8", lw=0.8, zorder=0)
    ticks = sorted({float(x) for one in _of_panel(content, "exponents") for x in one.x})
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("$\\phi$")
    ax.set_ylabel("exponent b")
    ax.set_ylim(0.0, 1.35 * ax.get_ylim()[1])  # room for the names
    ax.legend(fontsize=6, frameon=False, ncols=2, loc="upper center", columnspacing=1.0)


def _draw_laws(ax: Axes, content: Content) -> None:
    seen: set[str] = set()
    for one in _of_panel(content, "index of the law"):
        family = str(one.name).partition(",")[0]
        label = None if family in seen else family
        seen.add(family)
        ax.plot(one.x, one.y, ls="none", ms=4, mfc="none", label=label, **_LOOKS[family])
    top = max([0.1, *(float(one.x.max()) for one in _of_panel(content, "index of the law"))])
    ax.plot([0, top], [0, top], "-", color="0.7", lw=0.8, zorder=0)
    ax.set_xlabel("index counted")
    ax.set_ylabel("index of the law given the weights")
    ax.legend(fontsize=7, frameon=False)
