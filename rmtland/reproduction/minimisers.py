r"""The energy of minimisers of networks that memorise noise, against (1 - phi)^2/2.

Pennington & Bahri [1]_ found energies near :math:`\epsilon = (1 - \phi)^2/2` when noise is
memorised, with :math:`\phi = p/(m n_2)`, and left it open why. Here networks of one hidden layer
are trained on noise: square ones of growing width, other shapes at equal :math:`\phi`, other
starts, and hidden layers of growing width on given data, where

.. math::

    2 \epsilon = (1 - \phi)^S

with S the slope of a single unit (`rmtland.models.minimisers`). Besides, what a further unit gains
at a minimum is laid beside what the derivation of that power assumes
(`rmtland.landscape.minimisers.added_unit`).

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> figure = MinimisersStudy.of_size("quick")
>>> {name: len(sweep.grid) for name, sweep in figure.sweeps.items()}
{'square': 8, 'shapes': 6, 'starts': 4, 'fixed data': 2, 'samples': 4, 'added': 4}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.figure import Figure

from rmtland.reproduction.figure import Content, PublishedFigure, Sweep
from rmtland.reproduction.minimisers_drawing import draw_study
from rmtland.reproduction.minimisers_numbers import (
    added_units,
    fixed_data,
    shapes,
    single_units,
    square_networks,
    starts,
)
from rmtland.reproduction.minimisers_runs import (
    added_unit,
    fixed_data_energies,
    shape_energies,
    slopes_over_samples,
    square_energies,
    start_energies,
)
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import Grid, Results

__all__ = ["MinimisersStudy"]

SHAPES = (
    (48, 48, 8),
    (32, 64, 16),
    (64, 32, 16),
    (32, 32, 32),
    (32, 16, 64),
    (16, 32, 64),
    (8, 48, 48),
)
"""Numbers of inputs, hidden units and outputs that are compared at equal phi."""

DATA = ((32, 32, 128), (32, 32, 64), (48, 8, 192), (8, 48, 192))
"""n0, n2, m of given data."""

STEP, OPERATION, ADDED, CLIMB = 2.5e-4, 1e-10, 3.0, 1e-5
"""Seconds that a core needs for a step of training and, of it, each multiplication; for an added
unit at width 16; and for single units, per n^2 m/n: measured on one machine."""


@dataclass(frozen=True, kw_only=True)
class MinimisersStudy(PublishedFigure):
    """Energies of minimisers against phi, shape, start and data, and the slope of single units.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Not used; empty.
    activations : tuple of str
        Of the networks.
    phi : tuple of float
        Ratios 2n/m of square networks.
    widths : tuple of int
        n of square networks.
    data_sets : tuple of int
        How many data sets at each width.
    steps : int
        Of the training, at most.
    shapes : tuple of (int, int, int)
        n0, n1, n2 at phi = 1/2.
    shape_sets : int
        Data sets of each shape.
    scales : tuple of float
        Sizes of starts, tanh, `start_width`, phi = 1/2.
    memories : tuple of int
        Of L-BFGS, likewise.
    start_width, start_sets : int
        n and number of data sets of these.
    data : tuple of (int, int, int)
        n0, n2, m of given data.
    hidden_phi : tuple of float
        phi of the hidden layers on given data.
    numbers : int
        Data sets of each kind.
    unit_widths : tuple of int
        n of single units.
    ratios : tuple of int
        m/n of single units.
    added_width : int
        n of networks that a unit is added to, at m = 4n.
    added_phi : tuple of float
        Their phi.
    added_sets : int
        Their data sets.

    Raises
    ------
    ValueError
        If `widths` and `data_sets` are not of one length of at least 2, a phi is not between 0 and
        1, or another parameter is out of its range.
    TypeError
        If a number is of another type.
    """

    activations: tuple[str, ...] = ("tanh", "relu", "quadratic", "sine", "linear")
    phi: tuple[float, ...] = (1 / 8, 1 / 2, 4 / 5)
    widths: tuple[int, ...] = (8, 16, 32)
    data_sets: tuple[int, ...] = (12, 4, 3)
    steps: int = 2000
    shapes: tuple[tuple[int, int, int], ...] = SHAPES
    shape_sets: int = 2
    scales: tuple[float, ...] = (0.3, 1.0, 3.0)
    memories: tuple[int, ...] = (10, 60)
    start_width: int = 16
    start_sets: int = 4
    data: tuple[tuple[int, int, int], ...] = DATA
    hidden_phi: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
    numbers: int = 2
    unit_widths: tuple[int, ...] = (32,)
    ratios: tuple[int, ...] = (4, 16)
    added_width: int = 16
    added_phi: tuple[float, ...] = (1 / 8, 1 / 2, 3 / 4)
    added_sets: int = 1

    name = "minimisers"
    title = "energies of minimisers against (1 - phi)^2/2 and against the slope of a single unit"
    quick: ClassVar[Mapping[str, object]] = {
        "activations": ("tanh", "linear"),
        "phi": (1 / 4, 1 / 2),
        "widths": (6, 8),
        "data_sets": (4, 4),
        "steps": 1000,
        "shapes": ((12, 12, 4), (8, 8, 8), (4, 8, 12)),
        "scales": (0.3, 3.0),
        "start_width": 8,
        "start_sets": 2,
        "data": ((8, 8, 32),),
        "numbers": 1,
        "unit_widths": (8,),
        "added_width": 8,
        "added_phi": (1 / 4, 1 / 2),
        "added_sets": 1,
    }
    full: ClassVar[Mapping[str, object]] = {
        "phi": (1 / 8, 1 / 4, 1 / 2, 2 / 3, 4 / 5),
        "widths": (8, 16, 32, 64),
        "data_sets": (16, 6, 3, 2),
        "memories": (5, 10, 60),
        "start_width": 32,
        "numbers": 3,
        "unit_widths": (32, 64),
        "ratios": (4, 16, 64),
        "added_sets": 2,
    }
    takes_images = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) != len(self.data_sets) or len(self.widths) < 2:
            raise ValueError(
                "widths and data_sets must be of one length, at least 2; got "
                f"{self.widths} and {self.data_sets}"
            )
        for phi in (*self.phi, *self.hidden_phi, *self.added_phi):
            if not 0 < phi < 1:
                raise ValueError(f"every phi must be between 0 and 1; got {phi:g}")

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """Networks of every kind, single units, added units."""
        trained = {"steps": self.steps, "root": self.seed}
        common = {"activation": self.activations, **trained}
        sets = dict(zip(self.widths, self.data_sets, strict=True))
        square = [
            {"activation": f, "phi": phi, "n": n, "data_sets": sets[n], **trained}
            for n in self.widths
            for f in self.activations
            for phi in self.phi
        ]
        numbers = list(range(self.numbers))
        starts = {
            "activation": "tanh",
            "phi": 0.5,
            "n": self.start_width,
            "scale": self.scales,
            "memory": self.memories,
            "data_sets": self.start_sets,
            **trained,
        }
        fixed = {"data": self.data, "phi": [self.hidden_phi], "starts": 1, "number": numbers}
        samples = {
            "activation": self.activations,
            "n": self.unit_widths,
            "ratio": self.ratios,
            "number": [0, 1][: self.numbers],
            "starts": 16,
            "root": self.seed,
        }
        added = {
            "n": self.added_width,
            "samples": 4 * self.added_width,
            "phi": self.added_phi,
            "number": list(range(self.added_sets)),
            "starts": 8,
        }
        shapes = {"shape": self.shapes, "phi": 0.5, "data_sets": self.shape_sets}
        return {
            "square": Sweep(square_energies, Grid(points=square, seeds=None)),
            "shapes": Sweep(shape_energies, Grid({**common, **shapes}, seeds=None)),
            "starts": Sweep(start_energies, Grid(starts, seeds=None)),
            "fixed data": Sweep(fixed_data_energies, Grid({**common, **fixed}, seeds=None)),
            "samples": Sweep(slopes_over_samples, Grid(samples, seeds=None)),
            "added": Sweep(added_unit, Grid({**common, **added}, seeds=None)),
        }

    @property
    def cpu_seconds(self) -> float:
        """From what a step of training costs, as if every network took all its steps."""
        active, phis = len(self.activations), self.hidden_phi
        runs: list[tuple[int, int, int, int, int, float]] = []  # how many, sets, n0, n1, n2, m
        for n, sets in zip(self.widths, self.data_sets, strict=True):
            runs += [(active, sets, n, n, n, 2 * n / phi) for phi in self.phi]
        for n0, n1, n2 in self.shapes:
            runs.append((active, self.shape_sets, n0, n1, n2, 2 * n1 * (n0 + n2) / n2))
        n, many = self.start_width, len(self.scales) * len(self.memories)
        runs.append((many, self.start_sets, n, n, n, 4 * n))
        for n0, n2, m in self.data:
            hidden = [max(1, round(phi * m * n2 / (n0 + n2))) for phi in phis]
            runs += [(active * self.numbers, 1, n0, n1, n2, m) for n1 in hidden]
        each = [
            many * (STEP + OPERATION * 6 * sets * m * n1 * (n0 + n2))
            for many, sets, n0, n1, n2, m in runs
        ]
        added = ADDED * (self.added_width / 16) ** 2 * len(self.added_phi) * self.added_sets
        climbed = [CLIMB * n * n * ratio for n in self.unit_widths for ratio in self.ratios]
        return self.steps * sum(each) + active * (added + min(2, self.numbers) * sum(climbed))

    @property
    def memory(self) -> int:
        """L-BFGS of the largest networks, single units on many samples, one Jacobian's basis."""
        n, m = max(self.widths), 2 * max(self.widths) / min(self.phi)
        networks = max(self.data_sets) * (60 * n * n + 6 * n * m)
        units = 16 * 4 * max(self.unit_widths) * max(self.ratios)
        added = 4 * (4 * self.added_width**2) ** 2
        return int(8 * (networks + units + added)) + 10**8

    def content(self, results: Mapping[str, Results]) -> Content:
        """Return energies, exponents, slopes and verdicts.

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
        series = square_networks(results["square"], numbers)
        series += shapes(results["shapes"], numbers)
        series += starts(results["starts"], numbers)
        series += fixed_data(results["fixed data"], numbers)
        series += single_units(results["samples"], numbers)
        series += added_units(results["added"], numbers)
        sizes = ", ".join(f"{n} ({k})" for n, k in zip(self.widths, self.data_sets, strict=True))
        caption = (
            "Networks of one hidden layer trained on noise by L-BFGS, at most "
            f"{self.steps} steps, from weights N(0, 1/n); targets of mean square 1. "
            f"(a), (b): n (data sets) {sizes}, linear in 1/n, bars 95 %.\n(c): "
            f"{self.shape_sets} data sets, bars standard errors. (d): n = {self.start_width}, "
            f"{self.start_sets} data sets, standard errors. (e)-(g): {self.numbers} data sets of "
            "each kind, standard errors; dashed line: published.\n"
            f"(h): n = {self.added_width}, m = 4n, mean and spread over the activations but the "
            f"linear one, data sets of each: {self.added_sets}. Seed {self.seed}."
        )
        return Content(tuple(series), numbers, caption)

    def draw(self, figure: Figure, content: Content) -> None:
        """Draw eight panels.

        Parameters
        ----------
        figure : Figure
            An empty figure of matplotlib.
        content : Content
            What to draw.
        """
        draw_study(figure, content, self.shapes)
