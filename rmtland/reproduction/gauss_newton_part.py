r"""Figure 4 of Pennington and Bahri: the Gauss-Newton part H0 at initialisation.

A ReLU network does not change when the weights into a hidden unit are multiplied and those out of
it divided by the same positive number. Each hidden unit j therefore gives an exact null direction
of H0,

.. math:: J v_j = 0, \qquad v_j = (W_1[j, :],\, -W_2[:, j]),

whatever the data; n1 in all, orthogonal to each other. They are projected out. Against what is left
are held the Marchenko-Pastur law of ratio phi with its one parameter fitted, as in the paper, and
with its mean matched to the trace; and the matrix Dyson equation given first layer and data, with
nothing fitted. It knows the null directions too: it has a point mass of n1/p at 0, which is taken
off.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 4.

Examples
--------
>>> from rmtland.reproduction.images import whitened_images
>>> net, data = MLP((16, 4, 16), activation="relu"), whitened_images(40, rng=0)
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> reduced = without_rescalings(point)
>>> reduced.shape, bool(np.linalg.eigvalsh(reduced)[0] > 1e-4)
((124, 124), True)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.comparison import compare, fit
from rmtland.drawing import STYLES
from rmtland.laws import MarchenkoPastur
from rmtland.models import DysonHessian, WishartPlusWigner
from rmtland.networks import MLP, LossPoint
from rmtland.plot import law_points
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    draw_bars,
    histogram,
    lettered_panels,
    mean_and_error,
)
from rmtland.reproduction.images import image_words, whitened_images
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Record, Rng, override

__all__ = ["GaussNewtonPart", "gauss_newton_spectrum", "initial_point", "without_rescalings"]


def initial_point(samples: int, hidden: int, images: str, rng: np.random.Generator) -> LossPoint:
    """Return a ReLU autoencoder on images at a random initialisation."""
    data = whitened_images(samples, images, rng=rng)
    net = MLP((data.n_in, hidden, data.n_out), activation="relu")
    return net.at(net.init(rng=rng), data.x, data.y)


def without_rescalings(point: LossPoint) -> Real:
    """Return H0 in an orthonormal basis of what is orthogonal to the n1 rescalings.

    Parameters
    ----------
    point : LossPoint
        Of a ReLU network with one hidden layer and no biases.

    Returns
    -------
    ndarray, shape (p - n1, p - n1)
    """
    net = point.net
    first, second = net.unflatten(point.theta)
    hidden = first.shape[0]
    unit = np.eye(hidden)
    rows = np.concatenate(
        [
            (unit[:, :, None] * first[None]).reshape(hidden, -1),
            (-unit[:, None, :] * second[None]).reshape(hidden, -1),
        ],
        axis=1,
    )
    basis, _ = np.linalg.qr(rows.T, mode="complete")
    rest = basis[:, hidden:]
    reduced = rest.T @ point.hessian("gauss_newton") @ rest
    return np.asarray((reduced + reduced.T) / 2)


def gauss_newton_spectrum(
    samples: int, *, hidden: int, eta: float, points: int, images: str, seed: Rng
) -> Record:
    """Draw images and a network; return the spectrum of H0 without null directions, and theory.

    Parameters
    ----------
    samples, hidden : int
        Images; hidden units.
    eta : float
        Height above the axis of the Dyson law.
    points : int
        Its points, spaced evenly in the logarithm.
    images : str
        Folder with images; empty for the digits.
    seed : anything `numpy.random.default_rng` takes
        For images and weights.

    Returns
    -------
    dict of str to ndarray or float
        `eigenvalues`; at points `x` the density `dyson` and the distribution functions
        `measured_cdf` and `dyson_cdf`, all without the null directions; `trace`, the mean
        eigenvalue with them.
    """
    point = initial_point(samples, hidden, images, random_generator(seed))
    eigenvalues: Real = np.asarray(np.linalg.eigvalsh(without_rescalings(point)), dtype=float)
    model = DysonHessian.of_point(point, part="gauss_newton")
    null = hidden / point.net.parameter_count
    x = np.geomspace(0.003, 1.2 * eigenvalues[-1], points)
    mass = null * (0.5 + np.arctan(x / eta) / np.pi)
    peak = null * eta / np.pi / (x**2 + eta**2)
    return {
        "eigenvalues": eigenvalues,
        "x": x,
        "dyson": (model.smoothed_pdf(x, eta=eta) - peak) / (1 - null),
        "dyson_cdf": (model.smoothed_cdf(x, eta=eta) - mass) / (1 - null),
        "measured_cdf": Spectrum(eigenvalues).smoothed_cdf(x, eta=eta),
        "trace": float(eigenvalues.sum()) / point.net.parameter_count,
    }


@dataclass(frozen=True, kw_only=True)
class GaussNewtonPart(PublishedFigure):
    """Spectrum of H0 at initialisation without its null directions.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    samples, hidden : int
        Images; hidden units.
    runs : int
        Networks, each with images of its own.
    points : int
        Points of the Dyson law.
    eta : float
        Its height above the axis.
    """

    samples: int = 256
    hidden: int = 16
    runs: int = 4
    points: int = 61
    eta: float = 0.005

    name = "fig4"
    title = "H0 of a ReLU network at initialisation against Marchenko-Pastur and Dyson"
    quick: ClassVar[Mapping[str, object]] = {
        "samples": 96,
        "runs": 2,
        "points": 15,
        "eta": 0.02,
    }
    full: ClassVar[Mapping[str, object]] = {"runs": 10, "points": 121}

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each network."""
        names = ("samples", "hidden", "eta", "points", "images")
        grid = Grid({name: getattr(self, name) for name in names}, seeds=self.runs, root=self.seed)
        return {"networks": Sweep(gauss_newton_spectrum, grid)}

    @property
    def memory(self) -> int:
        """Hessian and its basis; rays times samples in the Dyson equation."""
        p, m = 32 * self.hidden, self.samples
        return 8 * 6 * p**2 + 16 * 8 * m * (16 * self.hidden + m) + 10**8

    @property
    def phi(self) -> float:
        """Parameters per effective example, 2 n1/m where inputs and outputs are as many."""
        return 2 * self.hidden / self.samples

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        found = [one.value for one in results["networks"]]
        spectrum = Spectrum(np.array([one["eigenvalues"] for one in found]))
        fitted = fit(
            spectrum, WishartPlusWigner, fix={"phi": self.phi, "epsilon": 0.0}, resamples=0, rng=0
        ).model.sigma
        laws = {
            "Marchenko-Pastur, fitted": MarchenkoPastur(self.phi, fitted),
            "Marchenko-Pastur, trace matched": MarchenkoPastur(self.phi, spectrum.mean()),
        }
        high = float(np.quantile(spectrum.nodes, 0.97))
        series = [histogram("density", "measured", spectrum, (0.0, high), 50)]
        numbers = {
            Quantity.of("mean eigenvalue", of="null directions included"): float(
                np.mean([one["trace"] for one in found])
            ),
            Quantity.of("scale", of="fitted"): float(fitted),
            Quantity.of("scale", of="trace matched"): spectrum.mean(),
            Quantity.of("smallest eigenvalue"): float(spectrum.nodes[:, 0].mean()),
            Quantity.of("largest eigenvalue"): float(spectrum.nodes[:, -1].mean()),
        }
        x = np.geomspace(found[0]["x"][0], max(one["x"][-1] for one in found), 3 * self.points)
        for panel, name, key in (
            ("density", "matrix Dyson", "dyson"),
            ("cdf", "measured", "measured_cdf"),
            ("cdf", "matrix Dyson", "dyson_cdf"),
        ):
            # each run has points of its own
            curves = [np.interp(np.log(x), np.log(one["x"]), one[key]) for one in found]
            series.append(Series(panel, name, x, np.mean(curves, axis=0)))
        worst = {
            "matrix Dyson": [np.abs(one["dyson_cdf"] - one["measured_cdf"]).max() for one in found]
        }
        for name, law in laws.items():
            at = law_points(law, 150)
            series.append(Series("density", name, at, law.pdf(at)))
            series.append(Series("cdf", name, x, law.smoothed_cdf(x, eta=self.eta)))
            numbers[Quantity.of("Kolmogorov distance", law=name)] = compare(
                spectrum, law
            ).kolmogorov
            worst[name] = [
                np.abs(law.smoothed_cdf(one["x"], eta=self.eta) - one["measured_cdf"]).max()
                for one in found
            ]
        for name, values in worst.items():
            mean, error = mean_and_error(np.array(values))
            quantity = Quantity.of("largest smoothed difference", law=name)
            numbers[quantity] = mean
            if np.isfinite(error):
                numbers[quantity.having(statistic="standard error")] = error
        caption = (
            f"After Pennington & Bahri (ICML 2017), fig. 4. ReLU network 16-{self.hidden}-16 at "
            f"initialisation on {self.samples} {image_words(self.images)}, "
            f"$\\phi$ = {self.phi:.3g}; {self.runs} runs, seed {self.seed}.\n"
            f"The {self.hidden} exact null directions of each run (rescalings of hidden units) are "
            "projected out. Marchenko-Pastur: ratio $\\phi$, scale as said.\n"
            "Dyson: given first layers and data, nothing fitted (mean over runs). Dyson in (a) and "
            f"all of (b) smoothed at height {self.eta:g}; distance: largest difference there, mean "
            "over runs."
        )
        return Content(tuple(series), numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        left, right = lettered_panels(figure, content, 2, (10.5, 4.4))
        bars = content.get("density", "measured")
        draw_bars(left, bars, label="measured $H_0$")
        measured = content.get("cdf", "measured")
        right.plot(measured.x, measured.y, color="0.6", lw=3, label="measured $H_0$")
        fitted = content.number("scale", of="fitted")
        matched = content.number("scale", of="trace matched")
        rows = (
            (
                "Marchenko-Pastur, fitted",
                f"Marchenko-Pastur, scale fitted: {fitted:.2f}",
                STYLES["Wishart + Wigner"],
            ),
            (
                "Marchenko-Pastur, trace matched",
                f"Marchenko-Pastur, trace: {matched:.2f}",
                STYLES["Wishart + ReLU block"],
            ),
            ("matrix Dyson", "matrix Dyson", STYLES["Dyson"]),
        )
        for name, label, style in rows:
            curve = content.get("density", name)
            left.plot(curve.x, curve.y, label=label, **style)
            curve = content.get("cdf", name)
            distance = content.number("largest smoothed difference", law=name)
            short = name.replace("Marchenko-Pastur", "M.-P.")
            right.plot(curve.x, curve.y, label=f"{short}: {distance:.3f}", **style)
        left.set_xlim(0, bars.x[-1])
        highest = max(one.y.max() for one in content.series if one.panel == "density")
        left.set_ylim(0, 1.05 * highest)
        left.set_xlabel("eigenvalue $\\lambda$ of $H_0$")
        left.set_ylabel("density per unit of $\\lambda$")
        right.set_xscale("log")
        right.set_xlim(measured.x[0], measured.x[-1])
        right.set_ylim(0, 1.02)
        right.set_xlabel("eigenvalue $\\lambda$ of $H_0$ (logarithmic)")
        right.set_ylabel("fraction below $\\lambda$")
        left.legend(fontsize=8, frameon=False)
        right.legend(
            fontsize=8,
            frameon=False,
            loc="upper left",
            title="distance from measured",
            title_fontsize=8,
            alignment="left",
        )
