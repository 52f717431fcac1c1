r"""Index against energy at critical points: figure 6 of the paper, and what is proved.

Pennington & Bahri [1]_ trained tanh networks of n = 16 inputs, hidden units and outputs on iid data
to a random loss, lowered :math:`|\nabla L|^2` from there, and kept the points below 1e-6. That
cutoff also lets gradient-flat points pass [2]_. Here three families are compared, for each
:math:`\phi = 2n/m`:

- *published*: the plain loss, :math:`|\nabla L|^2` lowered to just below the published cutoff (by
  Levenberg-Marquardt) and stopped there: nothing is said of whether a critical point is near;
- *generic*: weight decay, capped Newton steps, proved;
- *symmetric*: weight decay, groups of equal units and dead units, proved;

beside the mean energies read off the printed figure at given indices. Energies are without the
decay.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 6.
.. [2] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard, Critical
       point-finding methods reveal gradient-flat regions of deep network losses, Neural
       Computation 33 (2021) 1469-1497, arXiv:2003.10397.

Examples
--------
>>> READ_OFF[1 / 2][0], READ_OFF[1 / 2][-1]
(0.131, 0.431)
>>> point = searched(1.0, "symmetric", n=3, weight_decay=1e-2, seed=0)
>>> point["status"], 0 <= point["index"] <= 1
('proved', True)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.drawing import COLORS
from rmtland.landscape import find_critical_points
from rmtland.landscape.critical_points import (
    CappedNewton,
    Finder,
    LevenbergMarquardt,
    SymmetryType,
)
from rmtland.networks import MLP, gaussian
from rmtland.reproduction.figure import Content, PublishedFigure, Series, Sweep, label_panels
from rmtland.reproduction.quantity import Quantity
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results

__all__ = ["READ_OFF", "CriticalPointsFigure", "searched"]

LEVELS = (0.0, 0.05, 0.1, 0.2, 0.3)
"""Indices at which mean energies were read off the printed figure."""

READ_OFF = {
    2 / 3: (0.069, 0.107, 0.150, 0.297, 0.398),
    1 / 2: (0.131, 0.173, 0.231, 0.356, 0.431),
    1 / 3: (0.218, 0.268, 0.318, 0.407, 0.451),
    1 / 4: (0.270, 0.324, 0.367, 0.429, 0.462),
    1 / 8: (0.364, 0.401, 0.425, 0.463, 0.479),
    1 / 16: (0.424, 0.447, 0.460, 0.480, 0.483),
}
"""Mean energies at `LEVELS`, by phi; read off the printed figure to .003."""

CUTOFF = 1e-6
"""The published cutoff on the square of the gradient."""

FINDERS: dict[str, Finder] = {
    "published": LevenbergMarquardt(max_steps=200, tolerance=CUTOFF),
    "generic": CappedNewton(max_steps=800),
    "symmetric": SymmetryType(),
}
_LOOKS = {
    "published": {"color": COLORS[6], "marker": "x"},
    "generic": {"color": COLORS[1], "marker": "o"},
    "symmetric": {"color": COLORS[2], "marker": "^"},
}


def searched(phi: float, family: str, *, n: int, weight_decay: float, seed: Any) -> dict[str, Any]:
    """Draw data and a start, search once, and return what was found.

    Parameters
    ----------
    phi : float
        2n/m, which gives the number m of samples.
    family : {"published", "generic", "symmetric"}
        How to search; the published way is without weight decay and proves nothing.
    n : int
        Inputs, hidden units and outputs.
    weight_decay : float
        Of the other two.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    dict
        `status`, `energy`, `index` over the number of parameters, `square` of the gradient.
    """
    rng = random_generator(seed)
    published = family == "published"
    data = gaussian(round(2 * n / phi), n, rng=rng)
    net = MLP((n, n, n), weight_decay=0.0 if published else weight_decay)
    (point,) = find_critical_points(
        net, data.x, data.y, finder=FINDERS[family], starts=1, prove=not published, rng=rng
    )
    return {
        "status": point.status,
        "energy": point.energy,
        "index": point.relative_index,
        "square": point.gradient_square,
    }


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
    symmetric, generic, published : int
        Starts of each family at each phi.
    """

    phi: tuple[float, ...] = (1 / 2, 1 / 4)
    width: int = 16
    weight_decay: float = 1e-3
    symmetric: int = 40
    generic: int = 6
    published: int = 4

    name = "fig6"
    title = "index against energy at critical points, published and proved"
    quick: ClassVar[Mapping[str, Any]] = {
        "phi": (1 / 2,),
        "width": 4,
        "symmetric": 10,
        "generic": 3,
        "published": 2,
    }
    full: ClassVar[Mapping[str, Any]] = {
        "phi": tuple(READ_OFF),
        "symmetric": 1000,
        "generic": 200,
        "published": 100,
    }
    takes_images = False

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One search a task, a sweep for each family."""
        axes = {"phi": self.phi, "n": self.width, "weight_decay": self.weight_decay}
        return {
            family: Sweep(
                searched,
                Grid({**axes, "family": family}, seeds=getattr(self, family), root=self.seed),
            )
            for family in FINDERS
        }

    @property
    def memory(self) -> int:
        """Some Hessians, and products of the enclosure over all samples."""
        p, m = 2 * self.width**2, 2 * self.width / min(self.phi)
        return int(8 * (20 * p * p + 12 * m * self.width**2)) + 10**8

    def content(self, results: Mapping[str, Results]) -> Content:
        """Return points of each family, shares and mean energies.

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
        for phi in self.phi:
            panel = Quantity.of("index against energy", phi=phi)
            if phi in READ_OFF:
                read = np.array(READ_OFF[phi])
                series.append(Series(panel, "read off", read, np.array(LEVELS)))
            for family in FINDERS:
                found = [r.value for r in results[family] if r.parameters["phi"] == phi]
                self._add(series, numbers, panel, phi, family, found)
        caption = (
            f"After Pennington & Bahri (ICML 2017), fig. 6. Tanh networks, {self.width} inputs, "
            "hidden units and outputs,\n"
            "iid data drawn for each point; energy: loss per output without weight decay. "
            "Line: read off the printed figure.\n"
            f"Published: the plain loss, squared gradient lowered to {CUTOFF:g}. Generic "
            f"and symmetric: proved,\nweight decay {self.weight_decay:g}. Starts a panel: "
            f"{self.published}, {self.generic}, {self.symmetric}. Seed {self.seed}."
        )
        return Content(tuple(series), numbers, caption)

    def _add(
        self,
        series: list[Series],
        numbers: dict[Quantity, float],
        panel: Quantity,
        phi: float,
        family: str,
        found: list[dict[str, Any]],
    ) -> None:
        """Add the points of a family that count, and its numbers."""
        if family == "published":
            good = [one for one in found if one["square"] < CUTOFF]
            numbers[Quantity.of("below the cutoff", phi=phi)] = len(good)
        else:
            good = [one for one in found if one["status"] == "proved"]
            numbers[Quantity.of("share proved", phi=phi, family=family)] = len(good) / len(found)
        energy = np.array([one["energy"] for one in good])
        index = np.array([one["index"] for one in good])
        if not len(good):
            return
        series.append(Series(panel, family, energy, index))
        for level in LEVELS:
            near = np.abs(index - level) <= (0.0 if level == 0.0 else 0.025)
            if near.any():
                name = Quantity.of("mean energy", phi=phi, family=family, index=level)
                numbers[name] = float(energy[near].mean())

    def draw(self, figure: Figure, content: Content) -> None:
        """Draw a panel for each phi.

        Parameters
        ----------
        figure : Figure
            An empty figure of matplotlib.
        content : Content
            What to draw.
        """
        columns = min(len(self.phi), 3)
        rows = -(-len(self.phi) // columns)
        figure.set_size_inches(max(4.0 * columns, 8.0), 3.4 * rows + 1.0)
        axes = figure.subplots(rows, columns, squeeze=False)
        label_panels(figure, axes, content.caption)
        for ax in axes.flat[len(self.phi) :]:
            ax.remove()
        for ax, phi in zip(axes.flat, self.phi, strict=False):
            panel = str(Quantity.of("index against energy", phi=phi))
            shown = [one for one in content.series if str(one.panel) == panel]
            for one in shown:
                name = str(one.name)
                if name == "read off":
                    ax.plot(one.x, one.y, "-", color="0.4", lw=1.6, label="read off fig. 6(a)")
                else:
                    label = f"{name} ({len(one.x)})"
                    ax.plot(one.x, one.y, ls="none", ms=4, mfc="none", label=label, **_LOOKS[name])
            ax.set_xlim(0, max([0.62, *(1.03 * float(one.x.max()) for one in shown)]))
            ax.set_ylim(-0.02, 0.55)
            ax.set_title(f"$\\phi$ = {phi:.3g}", fontsize=10)
            ax.set_xlabel("energy $\\epsilon$ (loss per output)")
            ax.set_ylabel("index $\\alpha$")
            ax.legend(fontsize=8, frameon=False, loc="upper left")
