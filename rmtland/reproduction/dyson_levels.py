r"""Levels of theory compared with the Hessian of a one-hidden-layer network at initialisation.

First layer and data are drawn once and known to the theory; second layers and residuals, which are
independent Gaussians of energy epsilon, are drawn anew for every Hessian. The mean density of the
measured Hessians, smoothed at height eta, is compared with

* Wishart + Wigner as printed by Pennington and Bahri [1]_, ratio phi and residual variance
  2 epsilon, with the mean of H0 matched;
* Wishart + Wigner with mean of H0 and mean square of H1 matched;
* Wishart + ReLU block with the same two matched;
* measured H0 and H1, assumed free;
* the matrix Dyson equation, nothing fitted: with free slopes, without the coupling of hidden
  units, and in full.

For epsilon = 0 there is H0 alone and Marchenko-Pastur is what is left of the first three. Errors
are the largest over a grid of x, relative to the peak of the measured density; they contain the
Monte Carlo error, which is given. They are largest at the nearly null directions around 0, so that
the error of the Dyson equation for |x| > 0.2 is given too.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> found = level_densities(4, activation="relu", epsilon=0.5, ratio=4, draws=1, points=5,
...                         eta=0.1, seed=0)
>>> sorted(found)[:3]
['Dyson', 'Dyson, free slopes', 'Dyson, units']
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.drawing import COLORS, STYLES
from rmtland.free import free_sum
from rmtland.laws import EmpiricalLaw, Law, MarchenkoPastur, Semicircle
from rmtland.models import DysonHessian, WishartPlusReluBlock, WishartPlusWigner
from rmtland.networks import MLP
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    errors_over_width,
    index_above_axis,
    lettered_panels,
)
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Record, Rng, override

__all__ = ["LEVELS", "DysonLevels", "level_densities"]

LEVELS: dict[str, Record] = {
    "Wishart + Wigner, printed variance": {"color": COLORS[2], "ls": (0, (3, 1, 1, 1)), "lw": 1.4},
    "Wishart + Wigner, traces matched": STYLES["Wishart + Wigner"],
    "Wishart + ReLU block, traces matched": STYLES["Wishart + ReLU block"],
    "measured H0 and H1, free": STYLES["free"],
    "Dyson, free slopes": {"color": COLORS[5], "ls": (0, (4, 1.5)), "lw": 1.4},
    "Dyson, units": {"color": "#003f70", "ls": (0, (1, 1.2)), "lw": 1.6},
    "Dyson": STYLES["Dyson"],
}
"""Names of the levels, and how each looks."""

_ATOMS = 300
_PEAK = 0.5
_NULL = 0.2
_PARTS = 10
_COUPLING = {"Dyson, free slopes": "free_slopes", "Dyson, units": "units", "Dyson": "full"}


def level_densities(
    n: int,
    *,
    activation: str,
    epsilon: float,
    ratio: int,
    draws: int,
    points: int,
    eta: float,
    seed: Rng,
) -> Record:
    """Draw a first layer, data and Hessians; return the smoothed densities of all levels.

    Parameters
    ----------
    n : int
        Inputs, hidden units and outputs.
    activation : str
        As in `rmtland.networks.MLP`.
    epsilon : float
        Energy of the residuals; 0 for H0 alone.
    ratio : int
        Samples divided by n.
    draws : int
        Hessians at n = 12; in inverse proportion to n^2 at other widths, at least 4.
    points : int
        Of the grid of x.
    eta : float
        Height of the smoothing.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    dict of str to ndarray or float
        `x`, `measured`, its standard error `error`, the levels by name; `index` and `index_error`
        measured, `dyson_index`.
    """
    rng = random_generator(seed)
    m, draws = ratio * n, max(4, round(draws * 144 / n**2))
    first, data = rng.normal(size=(n, n)) / math.sqrt(n), rng.normal(size=(m, n))
    whole, h0, h1 = _eigenvalues(first, data, activation, epsilon, draws, rng)
    low, high = np.quantile(whole, [0.001, 0.995])
    first_place, last_place = np.arcsinh(np.array([low - 0.3, high + 0.3]) / _PEAK)
    x = _PEAK * np.sinh(np.linspace(first_place, last_place, points))  # densest at the peak
    densities = np.array([Spectrum(run).smoothed_pdf(x, eta=eta) for run in whole])
    negative = (whole < 0).mean(axis=1)
    found: Record = {
        "x": x,
        "measured": densities.mean(axis=0),
        "error": densities.std(axis=0, ddof=1) / math.sqrt(draws),
        "index": float(negative.mean()),
        "index_error": float(negative.std(ddof=1) / math.sqrt(draws)),
        "dyson_index": 0.0,
    }
    for name, law in _laws(2 / ratio, epsilon, h0, h1).items():
        found[name] = law.smoothed_pdf(x, eta=eta)
    model = DysonHessian.of_first_layer(
        first,
        data,
        outputs=n,
        epsilon=epsilon,
        activation=activation,
        part="total" if epsilon else "gauss_newton",
        rng=0,
    )
    for name, coupling in _COUPLING.items():
        if epsilon or coupling != "units":  # for H0 "units" and "full" are the same
            here = replace(model, coupling=coupling)
            found[name] = here.smoothed_pdf(x, eta=eta, tolerance=1e-5)
    if epsilon:
        found["dyson_index"] = index_above_axis(model, 0.004)
    return found


def _eigenvalues(
    first: Real, data: Real, activation: str, epsilon: float, draws: int, rng: np.random.Generator
) -> tuple[Real, Real, Real]:
    """Of H, and of H0 and H1 of some draws."""
    n1, n0 = first.shape
    net = MLP((n0, n1, n0), activation=activation)
    rows: tuple[list[Real], list[Real], list[Real]] = ([], [], [])
    for draw in range(draws):
        theta = np.concatenate([first.ravel(), rng.normal(size=n0 * n1) / math.sqrt(n1)])
        noise = rng.normal(size=(len(data), n0)) * math.sqrt(2 * epsilon)
        point = net.at(theta, data, net.predict(theta, data) - noise)
        if not epsilon:
            rows[0].append(np.linalg.eigvalsh(point.hessian("gauss_newton")))
            continue
        split = point.hessian()
        rows[0].append(np.linalg.eigvalsh(split.total))
        if draw < _PARTS:
            rows[1].append(np.linalg.eigvalsh(split.gauss_newton))
            rows[2].append(np.linalg.eigvalsh(split.residual))
    return np.array(rows[0]), np.array(rows[1] or rows[0]), np.array(rows[2])


def _laws(phi: float, epsilon: float, h0: Real, h1: Real) -> dict[str, Law]:
    """Theories that know traces or spectra, not the data."""
    mean = float(h0.mean())
    printed = "Wishart + Wigner, printed variance"
    if not epsilon:
        return {"Wishart + Wigner, traces matched": MarchenkoPastur(phi, mean)}
    moments = {"mean": mean, "residual_variance": float((h1**2).mean())}
    levels = (np.arange(_ATOMS) + 0.5) / _ATOMS
    return {
        printed: free_sum(MarchenkoPastur(phi, mean), Semicircle(2 * epsilon)),
        "Wishart + Wigner, traces matched": WishartPlusWigner.from_moments(phi, **moments).law,
        "Wishart + ReLU block, traces matched": WishartPlusReluBlock.from_moments(
            phi, **moments
        ).law,
        "measured H0 and H1, free": free_sum(
            EmpiricalLaw(np.quantile(h0, levels)), EmpiricalLaw(np.quantile(h1, levels))
        ),
    }


@dataclass(frozen=True, kw_only=True)
class DysonLevels(PublishedFigure):
    """Densities of all levels of theory, and their errors against the width.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    sizes : tuple of int
        Widths n = n0 = n1 = n2.
    shown : int
        The width whose densities are drawn.
    activations : tuple of str
        Two panels.
    epsilon : float
        Energy of the residuals; H0 alone is compared too.
    ratio : int
        Samples divided by n.
    draws : int
        Hessians for each case at n = 12; in inverse proportion to n^2 at other widths.
    points : int
        Of the grid of x.
    eta : float
        Height of the smoothing.
    """

    sizes: tuple[int, ...] = (8, 12)
    shown: int = 12
    activations: tuple[str, ...] = ("relu", "tanh")
    epsilon: float = 0.5
    ratio: int = 4
    draws: int = 120
    points: int = 61
    eta: float = 0.05

    name = "dyson"
    title = "levels of theory up to the matrix Dyson equation against measured Hessians"
    quick: ClassVar[Mapping[str, object]] = {
        "sizes": (4, 6),
        "shown": 6,
        "draws": 4,
        "points": 15,
    }
    full: ClassVar[Mapping[str, object]] = {"sizes": (8, 12, 20, 32)}
    takes_images = False

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each width, activation and energy."""
        axes = {
            "n": self.sizes,
            "activation": self.activations,
            "epsilon": (self.epsilon, 0.0),
            "ratio": self.ratio,
            "draws": self.draws,
            "points": self.points,
            "eta": self.eta,
        }
        return {"levels": Sweep(level_densities, Grid(axes, seeds=1, root=self.seed))}

    @property
    def memory(self) -> int:
        """Matrices of size n^2 of the coupled equation, Hessians of size 2 n^2."""
        n = max(self.sizes)
        return int(16 * 8 * n**4 + 8 * 6 * (2 * n**2) ** 2) + 2**27

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        series: list[Series] = []
        numbers: dict[Quantity, float] = {}
        errors: dict[Quantity, list[tuple[int, float]]] = {}
        for one in results["levels"]:
            n, activation = one.key.parameters["n"], one.key.parameters["activation"]
            epsilon, found = one.key.parameters["epsilon"], one.value
            x, measured = found["x"], found["measured"]
            peak = measured.max()
            part = "H" if epsilon else "H0"
            at = {"activation": activation, "part": part, "n": n}
            if epsilon and n == self.shown:
                series.append(Series(activation, "measured", x, measured, found["error"]))
            for name in LEVELS:
                if name not in found:
                    continue
                worst = float(np.abs(found[name] - measured).max() / peak)
                numbers[Quantity.of("error", **at, level=name)] = worst
                case = Quantity.of(name, activation=activation, part=part)
                errors.setdefault(case, []).append((n, worst))
                if epsilon and n == self.shown:
                    series.append(Series(activation, name, x, found[name]))
            away = np.abs(x) > _NULL
            worst = float(np.abs(found["Dyson"] - measured)[away].max() / peak)
            away_from_zero = Quantity.of("error", **at, level="Dyson", range=f"|x| > {_NULL:g}")
            numbers[away_from_zero] = worst
            numbers[Quantity.of("Monte Carlo error", **at)] = float(found["error"].max() / peak)
            if epsilon:
                index = Quantity.of("index", **at, level="measured")
                numbers[index] = found["index"]
                numbers[index.having(statistic="standard error")] = found["index_error"]
                numbers[Quantity.of("index", **at, level="Dyson")] = found["dyson_index"]
        for case, pairs in errors.items():
            widths, worst = np.array(sorted(pairs)).T
            series.append(Series("errors", case, widths, worst))
        caption = (
            f"One-hidden-layer networks, n inputs, hidden units and outputs, m = {self.ratio} n "
            f"Gaussian samples; W2 and residuals (energy {self.epsilon:g}) drawn anew for each of "
            f"{self.draws} (12/n)^2 Hessians, first layer and data fixed; seed {self.seed}.\n"
            f"Densities smoothed at height {self.eta:g}. (c): largest error of the smoothed "
            "density relative to its peak, Monte Carlo error included; nothing is fitted in the "
            "Dyson levels."
        )
        return Content(tuple(series), numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        axes = lettered_panels(figure, content, len(self.activations) + 1, (12.5, 4.8))
        for ax, activation in zip(axes, self.activations, strict=False):
            measured = content.get(activation, "measured")
            ax.fill_between(measured.x, measured.y, color="0.85", lw=0, label="measured")
            for one in content.series:
                if one.panel == activation and one.name in LEVELS:
                    name = str(one.name)
                    worst = content.number(
                        "error", activation=activation, part="H", n=self.shown, level=name
                    )
                    ax.plot(one.x, one.y, label=f"{name}: {worst:.1%}", **LEVELS[name])
            ax.set_ylim(0, 1.75 * measured.y.max())
            ax.set_xlim(measured.x[0], measured.x[-1])
            ax.set_title(f"{activation}, n = {self.shown}", fontsize=10)
            ax.set_xlabel(r"eigenvalue $\lambda$ of $H$")
            ax.legend(
                fontsize=7, frameon=False, loc="upper right", title="worst error", title_fontsize=7
            )
        axes[0].set_ylabel(r"density per unit of $\lambda$")
        ax = axes[-1]
        for one in content.series:
            name, *case = str(one.name).rsplit(", ", 2)
            if one.panel != "errors" or name not in LEVELS or len(case) != 2:
                continue
            activation, part = case
            if "printed" in name or (part == "H0" and not name.startswith("Dyson")):
                continue
            marker = "os^D"[self.activations.index(activation)]
            filled = LEVELS[name]["color"] if part == "H" else "none"
            style = LEVELS[name] | {"lw": 1.0}
            ax.plot(one.x, one.y, marker=marker, ms=5, mfc=filled, **style)
        for place, activation in enumerate(self.activations):
            ax.plot([], [], "os^D"[place], color="0.4", label=f"{activation}, H")
            ax.plot([], [], "os^D"[place], color="0.4", mfc="none", label=f"{activation}, H0")
        n = np.array([min(self.sizes), max(self.sizes)], dtype=float)
        ax.plot(n, 0.3 / n, color="0.6", lw=0.8, label="0.3/n")
        errors_over_width(ax, self.sizes, "errors; lines as on the left")
        ax.legend(fontsize=7, frameon=False, loc="lower left")
