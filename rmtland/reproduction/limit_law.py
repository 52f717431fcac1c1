r"""The limit law of H at positive energy: networks of growing width against two laws.

With weights, data and residuals all drawn, the density of H, smoothed at height eta, is compared
over the width n with the two limits that theory has for it: the law of the matrix Dyson equation,
which leaves out pairings of W2 and residuals that cross, and the two-leg law, which has them
(`rmtland.models.TwoLegHessian`). Errors against the first level off, at 8 % of the peak for a
linear network; those against the second fall with n to what the draws and the legs leave open. At
small widths the data-aware Dyson law and its correction are shown too, each given first layer and
data of the Hessians that it is compared with.

Networks that are too large to diagonalise are measured by Lanczos runs from random vectors.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> found = measured_density(6, activation="relu", epsilon=0.5, ratio=4, draws=2, probes=2,
...                          points=5, eta=0.2, seed=0)
>>> sorted(found)
['error', 'measured', 'x']
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.drawing import COLORS, STYLES
from rmtland.estimate import spectral_density
from rmtland.models import CrossingCorrectedHessian, DysonHessian, TwoLegHessian
from rmtland.networks import MLP, LossPoint
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    errors_over_width,
    lettered_panels,
)
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Record, Rng, override

__all__ = ["LIMITS", "LimitLaw", "known_densities", "limit_densities", "measured_density"]

LIMITS: dict[str, Record] = {
    "two-leg law": STYLES["Dyson"],
    "Dyson, limit": {"color": COLORS[5], "ls": (0, (4, 1.5)), "lw": 1.4},
    "Dyson, data known": {"color": "#003f70", "ls": (0, (1, 1.2)), "lw": 1.6},
    "Dyson, data known, with crossings": {"color": COLORS[2], "ls": (0, (3, 1, 1, 1)), "lw": 1.4},
}
"""Names of the laws, and how each looks."""

_DENSE = 24
"""Largest width at which Hessians are diagonalised."""

_STEPS = 400


def grid_points(points: int) -> Real:
    """Return points that are densest at the peak of the density, near zero."""
    return np.asarray(0.5 * np.sinh(np.linspace(np.arcsinh(-5.0), np.arcsinh(18.0), points)))


def drawn_point(
    n: int,
    first: Real,
    data: Real,
    activation: str,
    epsilon: float,
    rng: np.random.Generator,
) -> LossPoint:
    """Return a square network with second layer and residuals drawn."""
    net = MLP((n, n, n), activation=activation)
    theta = np.concatenate([first.ravel(), rng.normal(size=n * n) / math.sqrt(n)])
    noise = rng.normal(size=(len(data), n)) * math.sqrt(2 * epsilon)
    return net.at(theta, data, net.predict(theta, data) - noise)


def measured_density(
    n: int,
    *,
    activation: str,
    epsilon: float,
    ratio: int,
    draws: int,
    probes: int,
    points: int,
    eta: float,
    seed: Rng,
) -> Record:
    """Draw networks and data; return the mean smoothed density of H and its standard error.

    Parameters
    ----------
    n : int
        Inputs, hidden units and outputs.
    activation : str
        As in `rmtland.networks.MLP`.
    epsilon : float
        Energy of the residuals.
    ratio : int
        Samples divided by n.
    draws : int
        Networks at n = 128; in inverse proportion to n^2 below, at most 400.
    probes : int
        Lanczos runs for each network that is not diagonalised.
    points : int
        Of the grid of x.
    eta : float
        Height of the smoothing.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    dict of str to ndarray
        `x`, `measured` and its standard error `error`.
    """
    rng = random_generator(seed)
    x = grid_points(points)
    rows = []
    for _ in range(min(400, max(draws, round(draws * (128 / n) ** 2)))):
        first, data = rng.normal(size=(n, n)) / math.sqrt(n), rng.normal(size=(ratio * n, n))
        point = drawn_point(n, first, data, activation, epsilon, rng)
        if n <= _DENSE:
            spectrum = Spectrum(np.linalg.eigvalsh(point.hessian("total")))
        else:
            spectrum = spectral_density(
                point.operator("total"),
                probes=probes,
                steps=min(_STEPS, 2 * n * n),
                rng=rng,
                reorthogonalize="none",
            )
        rows.append(spectrum.smoothed_pdf(x, eta=eta))
    values = np.array(rows)
    error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return {"x": x, "measured": values.mean(axis=0), "error": error}


def limit_densities(
    activation: str,
    *,
    epsilon: float,
    ratio: int,
    legs: int,
    leg_draws: int,
    points: int,
    eta: float,
    seed: Rng,
) -> Record:
    """Return the smoothed densities of the two limit laws, with the errors that they state.

    Parameters
    ----------
    activation : str
        As in `rmtland.networks.MLP`.
    epsilon : float
        Energy of the residuals.
    ratio : int
        Samples divided by n.
    legs, leg_draws : int
        Size and number of the legs.
    points : int
        Of the grid of x.
    eta : float
        Height of the smoothing.
    seed : anything `numpy.random.default_rng` takes
        For the legs.

    Returns
    -------
    dict of str to ndarray
        `x`, the laws by name, and `error` of the two-leg law.
    """
    x = grid_points(points)
    legs_seed = int(random_generator(seed).integers(2**31))
    options: Record = {"activation": activation, "epsilon": epsilon, "seed": legs_seed}
    law = TwoLegHessian(1, 1, 1, ratio, **options, legs=legs, draws=leg_draws)
    found = law.solve(x + 1j * eta)
    # the limit of the Dyson law keeps more matrices: smaller legs
    small = TwoLegHessian(1, 1, 1, ratio, **options, legs=max(4, legs // 2), draws=leg_draws)
    plain = small.non_crossing(x + 1j * eta)
    assert found.error is not None
    return {
        "x": x,
        "two-leg law": -found.value.imag / math.pi,
        "Dyson, limit": -plain.value.imag / math.pi,
        "error": np.asarray(found.error) / math.pi,
    }


def known_densities(
    n: int,
    *,
    activation: str,
    epsilon: float,
    ratio: int,
    draws: int,
    legs: int,
    leg_draws: int,
    points: int,
    eta: float,
    seed: Rng,
) -> Record:
    """Draw first layer and data, and Hessians given them; return data-aware laws beside them.

    Parameters
    ----------
    n : int
        Inputs, hidden units and outputs.
    activation : str
        As in `rmtland.networks.MLP`.
    epsilon : float
        Energy of the residuals.
    ratio : int
        Samples divided by n.
    draws : int
        Hessians at n = 12; in inverse proportion to n^2 at other widths, at least 4.
    legs, leg_draws : int
        Size and number of the legs of the correction.
    points : int
        Of the grid of x.
    eta : float
        Height of the smoothing.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    dict of str to ndarray
        `x`, `measured` and its standard error `error`, the laws by name.
    """
    rng = random_generator(seed)
    x, m = grid_points(points), ratio * n
    first, data = rng.normal(size=(n, n)) / math.sqrt(n), rng.normal(size=(m, n))
    rows = []
    for _ in range(max(4, round(draws * 144 / n**2))):
        point = drawn_point(n, first, data, activation, epsilon, rng)
        spectrum = Spectrum(np.linalg.eigvalsh(point.hessian("total")))
        rows.append(spectrum.smoothed_pdf(x, eta=eta))
    model = DysonHessian.of_first_layer(
        first, data, outputs=n, epsilon=epsilon, activation=activation, rng=0
    )
    limit = TwoLegHessian(
        n, n, n, m, activation=activation, epsilon=epsilon, legs=legs, draws=leg_draws
    )
    plain = model.smoothed_pdf(x, eta=eta, tolerance=1e-5)
    more = CrossingCorrectedHessian(model, limit).limit.crossings(x + 1j * eta).value
    values = np.array(rows)
    return {
        "x": x,
        "measured": values.mean(axis=0),
        "error": values.std(axis=0, ddof=1) / math.sqrt(len(values)),
        "Dyson, data known": plain,
        "Dyson, data known, with crossings": plain - more.imag / math.pi,
    }


@dataclass(frozen=True, kw_only=True)
class LimitLaw(PublishedFigure):
    """Densities of the limit laws, and how far networks of growing width are from them.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Not used.
    activations : tuple of str
        As in `rmtland.networks.MLP`.
    sizes : tuple of int
        Widths of the networks, ascending; the last is shown.
    known_sizes : tuple of int
        Widths at which the data-aware laws are solved.
    epsilon : float
        Energy of the residuals.
    ratio : int
        Samples divided by n.
    draws, probes : int
        See `measured_density`.
    known_draws : int
        Hessians for the data-aware laws at n = 12.
    legs, leg_draws : int
        Size and number of the legs.
    points : int
        Of the grid.
    eta : float
        Height of the smoothing.
    """

    activations: tuple[str, ...] = ("linear", "relu", "tanh")
    sizes: tuple[int, ...] = (8, 16, 32, 64)
    known_sizes: tuple[int, ...] = (8, 12)
    epsilon: float = 0.5
    ratio: int = 4
    draws: int = 2
    probes: int = 2
    known_draws: int = 40
    legs: int = 16
    leg_draws: int = 6
    points: int = 31
    eta: float = 0.05

    name = "limit"
    title = "two-leg law of H against the Dyson law and networks of growing width"
    quick: ClassVar[Mapping[str, object]] = {
        "sizes": (6, 10),
        "known_sizes": (4,),
        "draws": 1,
        "known_draws": 10,
        "legs": 6,
        "leg_draws": 3,
        "points": 9,
        "eta": 0.2,
    }
    full: ClassVar[Mapping[str, object]] = {
        "sizes": (8, 16, 32, 64, 128),
        "known_sizes": (8, 12, 20),
        "draws": 6,
        "probes": 4,
        "known_draws": 100,
        "legs": 24,
        "leg_draws": 12,
        "points": 41,
    }
    takes_images = False

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each law, and for each activation and width."""
        shared = {
            "activation": self.activations,
            "epsilon": self.epsilon,
            "ratio": self.ratio,
            "points": self.points,
            "eta": self.eta,
        }
        legs = {"legs": self.legs, "leg_draws": self.leg_draws}
        measured = {"n": self.sizes, "draws": self.draws, "probes": self.probes}
        known = {
            "n": self.known_sizes,
            "draws": self.known_draws,
            "legs": max(4, self.legs // 2),
            "leg_draws": self.leg_draws,
        }
        return {
            "laws": Sweep(limit_densities, Grid(shared | legs, seeds=1, root=self.seed)),
            "networks": Sweep(measured_density, Grid(shared | measured, seeds=1, root=self.seed)),
            "known": Sweep(known_densities, Grid(shared | known, seeds=1, root=self.seed)),
        }

    @property
    def memory(self) -> int:
        """Hessians that are diagonalised, Lanczos vectors, matrices of the coupled equation."""
        n, known = max(self.sizes), max(self.known_sizes)
        dense = min(n, _DENSE)
        vectors = 8 * 8 * self.probes * 2 * n**2 + 8 * 40 * self.ratio * n**2
        legs = 16 * 80 * self.leg_draws * (self.legs * self.ratio) ** 2
        return int(8 * 6 * (2 * dense**2) ** 2 + vectors + 16 * 8 * known**4 + legs) + 2**27

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        series: list[Series] = []
        numbers: dict[Quantity, float] = {}
        errors: dict[Quantity, list[tuple[int, float, float]]] = {}
        laws = {one.key.parameters["activation"]: one.value for one in results["laws"]}

        def note(activation: str, n: int, found: Record, against: Record) -> float:
            peak = float(found["measured"].max())
            at: dict[str, str | float] = {"activation": activation, "n": n}
            scatter = float(found["error"].max() / peak)
            for name in LIMITS:
                if name in against:
                    worst = float(np.abs(against[name] - found["measured"]).max() / peak)
                    numbers[Quantity.of("error", **at, law=name)] = worst
                    case = Quantity.of(name, activation=activation)
                    errors.setdefault(case, []).append((n, worst, scatter))
            return scatter

        for one in results["networks"]:
            n, activation = one.key.parameters["n"], one.key.parameters["activation"]
            found, law = one.value, laws[activation]
            scatter = note(activation, n, found, law)
            numbers[Quantity.of("Monte Carlo error", activation=activation, n=n)] = scatter
            if n == max(self.sizes):
                stated = float(law["error"].max() / found["measured"].max())
                numbers[Quantity.of("stated error", activation=activation)] = stated
                x = found["x"]
                series.append(Series(activation, "measured", x, found["measured"], found["error"]))
                series += [Series(activation, name, x, law[name]) for name in list(LIMITS)[:2]]
        for one in results["known"]:
            n, activation = one.key.parameters["n"], one.key.parameters["activation"]
            note(activation, n, one.value, one.value)
        for case, rows in errors.items():
            widths, worst, scatter = np.array(sorted(rows)).T
            series.append(Series("errors", case, widths, worst, scatter))
        caption = (
            f"One-hidden-layer networks, n inputs, hidden units and outputs, m = {self.ratio} n "
            f"Gaussian samples, residuals of energy {self.epsilon:g}; weights, data and residuals "
            f"drawn anew for each network; seed {self.seed}.\n"
            f"Densities smoothed at height {self.eta:g}. Last panel: largest error of the smoothed "
            f"density relative to its peak. Legs of {self.legs} hidden units, {self.leg_draws} "
            "draws; nothing is fitted."
        )
        return Content(tuple(series), numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        axes = lettered_panels(figure, content, len(self.activations) + 1, (12.5, 4.4))
        for ax, activation in zip(axes, self.activations, strict=False):
            measured = content.get(activation, "measured")
            ax.fill_between(measured.x, measured.y, color="0.85", lw=0, label="networks")
            for name in list(LIMITS)[:2]:
                law = content.get(activation, name)
                worst = content.number("error", activation=activation, n=max(self.sizes), law=name)
                ax.plot(law.x, law.y, label=f"{name}: {worst:.1%}", **LIMITS[name])
            ax.set_xlim(-1.5, 3.0)
            ax.set_ylim(0, 1.35 * measured.y.max())
            ax.set_title(f"{activation}, n = {max(self.sizes)}", fontsize=10)
            ax.set_xlabel(r"eigenvalue $\lambda$ of $H$")
            ax.legend(fontsize=7, frameon=False, loc="upper right")
        axes[0].set_ylabel(r"density per unit of $\lambda$")
        ax = axes[-1]
        for one in content.series:
            name, _, activation = str(one.name).rpartition(", ")
            if one.panel != "errors" or name not in LIMITS:
                continue
            marker = "os^D"[self.activations.index(activation)]
            ax.plot(one.x, one.y, marker=marker, ms=4, **LIMITS[name] | {"lw": 1.0})
        for place, activation in enumerate(self.activations):
            ax.plot([], [], "os^D"[place], color="0.4", ms=4, label=activation)
        for name, style in LIMITS.items():
            ax.plot([], [], label=name, **style | {"lw": 1.0})
        errors_over_width(ax, self.sizes, "errors")
        ax.set_ylim(bottom=ax.get_ylim()[0] / 5)  # room for the legend
        ax.legend(fontsize=6, frameon=False, loc="lower left")
