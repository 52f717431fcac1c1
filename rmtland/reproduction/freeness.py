r"""Figure 2 of Pennington and Bahri: freeness of H0 and H1 on a trained network.

If they are, the spectrum of H0 + H1 is that of H0 + Q H1 Q^T for a Haar orthogonal Q. A ReLU
autoencoder is trained, and three spectra are compared with that of its Hessian: of some rotations,
of the free sum of the two measured spectra (what infinitely many rotations of infinitely large
copies would give: no rotation is needed), and of the matrix Dyson equation, which knows first
layer, data and energy but takes second layer and residuals as random: on a trained network they
are not, and the distance says by how much.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 2.

Examples
--------
>>> figure = FreenessTest.of_size("quick")
>>> figure.hidden, figure.samples
(6, 50)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.comparison import compare
from rmtland.drawing import COLORS, STYLES
from rmtland.free import free_sum
from rmtland.laws import EmpiricalLaw
from rmtland.models import DysonHessian
from rmtland.networks import MLP, train
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    draw_bars,
    histogram,
    index_above_axis,
    lettered_panels,
    mean_and_error,
)
from rmtland.reproduction.images import image_words, whitened_images
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results
from rmtland.typing import Record, Rng, override

__all__ = ["FreenessTest", "rotated_hessian"]

_THEORIES = {"rotated": "H0 + Q H1 Q^T", "free": "free sum", "dyson": "matrix Dyson"}
"""Results that are compared with H0 + H1, and their names."""


def rotated_hessian(
    hidden: int,
    samples: int,
    energy: float,
    *,
    rotations: int,
    points: int,
    eta: float,
    images: str,
    seed: Rng,
) -> Record:
    """Train an autoencoder, take its Hessian apart, and put it together as if it were free.

    Parameters
    ----------
    hidden, samples : int
        Hidden units; images.
    energy : float
        Energy at which training stops.
    rotations : int
        Number of Haar rotations.
    points : int
        Points at which distribution functions are compared.
    eta : float
        Height above the axis there.
    images : str
        Folder with images; empty for the digits.
    seed : anything `numpy.random.default_rng` takes
        For images, weights and rotations.

    Returns
    -------
    dict of str to ndarray or float
        Eigenvalues of `total`, `gauss_newton`, `residual`, those of each rotation in `rotated`;
        edges of 60 bins of the free sum and its mass below them; at points `x` the distribution
        functions, smoothed at height eta, of H, the rotations, the free sum and the Dyson law,
        and the density of the last; distances; indices.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C while the network trains.
    """
    rng = random_generator(seed)
    data = whitened_images(samples, images, rng=rng)
    net = MLP((data.n_in, hidden, data.n_out), activation="relu")
    trained = train(net, net.init(rng=rng), data.x, data.y, energy=energy, max_steps=20_000)
    point = net.at(trained.unless_interrupted().theta, data.x, data.y)
    split = point.hessian()
    total, first, second = (
        np.linalg.eigvalsh(matrix) for matrix in (split.total, split.gauss_newton, split.residual)
    )
    size = total.size
    rotated = np.empty((rotations, size))
    for row in rotated:
        q, r = np.linalg.qr(rng.standard_normal((size, size)))
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # makes the law that of Haar
        turned = (q * second) @ q.T
        turned[np.diag_indices(size)] += first
        row[:] = np.linalg.eigvalsh(turned)
    law = free_sum(EmpiricalLaw(first), EmpiricalLaw(second))
    bulk = np.quantile(total, [0.02, 0.9])
    low, high = bulk[0] - 0.25 * np.ptp(bulk), bulk[1] + 0.25 * np.ptp(bulk)
    edges = np.linspace(low, high, 61)
    x = np.linspace(low, high, points)
    dyson = DysonHessian.of_point(point)
    found = compare(Spectrum(total), law)
    return {
        "total": total,
        "gauss_newton": first,
        "residual": second,
        "rotated": rotated,
        "edges": edges,
        "free": law.cdf(edges),
        "x": x,
        "total_cdf": Spectrum(total).smoothed_cdf(x, eta=eta),
        "rotated_cdf": Spectrum(rotated).smoothed_cdf(x, eta=eta),
        "free_cdf": law.smoothed_cdf(x, eta=eta),
        "dyson_cdf": dyson.smoothed_cdf(x, eta=eta),
        "dyson": dyson.smoothed_pdf(x, eta=eta),
        "free_distance": found.kolmogorov,
        "free_wasserstein": found.wasserstein,
        "free_index": found.law_index,
        "rotated_distance": float(
            np.mean([compare(Spectrum(row), EmpiricalLaw(total)).kolmogorov for row in rotated])
        ),
        "dyson_index": index_above_axis(dyson, eta),
        "energy": point.energy,
        "gradient_norm": trained.gradient_norm,
    }


@dataclass(frozen=True, kw_only=True)
class FreenessTest(PublishedFigure):
    """Freeness of the two parts of a trained network's Hessian.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    hidden, samples : int
        Hidden units; images.
    energy : float
        Energy at which training stops.
    rotations : int
        Haar rotations of each network.
    networks : int
        Networks, each with images and weights of its own; the first is drawn.
    points : int
        Points at which distribution functions are compared.
    eta : float
        Height above the axis there.
    """

    hidden: int = 20
    samples: int = 150
    energy: float = 0.1
    rotations: int = 5
    networks: int = 3
    points: int = 61
    eta: float = 0.02

    name = "fig2"
    title = "freeness of H0 and H1 on a trained ReLU autoencoder"
    quick: ClassVar[Mapping[str, object]] = {
        "hidden": 6,
        "samples": 50,
        "energy": 0.4,
        "rotations": 2,
        "networks": 1,
        "points": 13,
    }
    full: ClassVar[Mapping[str, object]] = {"rotations": 20, "networks": 10, "points": 121}

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each network."""
        names = ("hidden", "samples", "energy", "rotations", "points", "eta", "images")
        grid = Grid(
            {name: getattr(self, name) for name in names}, seeds=self.networks, root=self.seed
        )
        return {"networks": Sweep(rotated_hessian, grid)}

    @property
    def memory(self) -> int:
        """Matrices of the Hessian and of the Dyson equation."""
        return 8 * 14 * (32 * self.hidden) ** 2 + 10**8

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        found = [result.value for result in results["networks"]]
        one = found[0]
        edges, limits = one["edges"], (one["edges"][0], one["edges"][-1])
        bins = edges.size - 1
        middle = (edges[1:] + edges[:-1]) / 2
        series = [
            histogram("density", "H0 + H1", Spectrum(one["total"]), limits, bins),
            histogram("density", "H0 + Q H1 Q^T", Spectrum(one["rotated"]), limits, bins),
            Series("density", "free sum", middle, np.diff(one["free"]) / np.diff(edges)),
            Series("density", "matrix Dyson", one["x"], one["dyson"]),
        ]
        for key, name in _THEORIES.items():
            series.append(
                Series("difference", name, one["x"], one[f"{key}_cdf"] - one["total_cdf"])
            )
        indices = [float((each["total"] < 0).mean()) for each in found]
        numbers = {
            Quantity.of("energy"): one["energy"],
            Quantity.of("gradient norm"): one["gradient_norm"],
        }
        measured = {
            Quantity.of("Kolmogorov distance", law="free sum"): [e["free_distance"] for e in found],
            Quantity.of("Wasserstein distance in widths", law="free sum"): [
                each["free_wasserstein"] for each in found
            ],
            Quantity.of("Kolmogorov distance", law="one rotation"): [
                each["rotated_distance"] for each in found
            ],
            Quantity.of("index", law="measured"): indices,
            Quantity.of("index", law="free sum"): [each["free_index"] for each in found],
            Quantity.of("index", law="matrix Dyson"): [each["dyson_index"] for each in found],
        }
        for key, name in _THEORIES.items():
            measured[Quantity.of("largest smoothed difference", law=name)] = [
                float(np.abs(each[f"{key}_cdf"] - each["total_cdf"]).max()) for each in found
            ]
        for quantity, values in measured.items():
            numbers[quantity], error = mean_and_error(np.array(values))
            if np.isfinite(error):
                numbers[quantity.having(statistic="standard error")] = error
            numbers[quantity.having(statistic="of the network drawn")] = values[0]
        numbers[Quantity.of("root mean square of H1 over that of H0")] = float(
            np.std(one["residual"]) / np.sqrt(np.mean(one["gauss_newton"] ** 2))
        )
        caption = (
            "After Pennington & Bahri (ICML 2017), fig. 2. ReLU autoencoder 16-"
            f"{self.hidden}-16 on {self.samples} {image_words(self.images)}, trained to energy "
            f"{one['energy']:.3g}; {32 * self.hidden} eigenvalues up to "
            f"{one['total'][-1]:.2g}.\n"
            f"Q: {self.rotations} Haar rotations. Free sum: of the two measured spectra, nothing "
            "fitted. Dyson: first layer, data and energy measured; second layer and residuals "
            "taken as random,\nwhich after training they are not. (b), and the Dyson density in "
            f"(a): smoothed at height {self.eta:g}; legend: largest difference. Seed {self.seed}; "
            f"network 1 of {self.networks}, whose indices and differences are given."
        )
        return Content(tuple(series), numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        left, right = lettered_panels(figure, content, 2, (10.5, 4.4))
        drawn = {"statistic": "of the network drawn"}
        index = {
            law: content.number("index", law=law, **drawn)
            for law in ("measured", "free sum", "matrix Dyson")
        }
        bars = content.get("density", "H0 + H1")
        draw_bars(left, bars, label=f"$H_0+H_1$, index {index['measured']:.3f}")
        turned = content.get("density", "H0 + Q H1 Q^T")
        left.step(
            turned.x, turned.y, where="mid", color=COLORS[2], lw=1.0, label="$H_0+QH_1Q^T$, sampled"
        )
        free = content.get("density", "free sum")
        left.plot(
            free.x, free.y, **STYLES["free"], label=f"free sum, index {index['free sum']:.3f}"
        )
        dyson = content.get("density", "matrix Dyson")
        left.plot(
            dyson.x,
            dyson.y,
            **STYLES["Dyson"],
            label=f"matrix Dyson, index {index['matrix Dyson']:.3f}",
        )
        left.set_yscale("log")
        left.set_ylim(bottom=0.5 * min(free.y[free.y > 1e-3]), top=2.2 * max(bars.y))
        left.axvline(0, color="0.6", lw=0.6, zorder=0)
        left.set_xlabel("eigenvalue $\\lambda$")
        left.set_ylabel("density per unit of $\\lambda$")
        left.legend(fontsize=8, frameon=False)
        styles = (
            ("H0 + Q H1 Q^T", "$H_0+QH_1Q^T$", {"color": COLORS[2], "lw": 2.6, "alpha": 0.7}),
            ("free sum", "free sum", STYLES["free"]),
            ("matrix Dyson", "matrix Dyson", STYLES["Dyson"]),
        )
        for name, label, style in styles:
            curve = content.get("difference", name)
            worst = content.number("largest smoothed difference", law=name, **drawn)
            right.plot(curve.x, curve.y, label=f"{label}, at most {worst:.3f}", **style)
        right.axhline(0, color="0.6", lw=0.6, zorder=0)
        right.axvline(0, color="0.6", lw=0.6, zorder=0)
        right.set_xlabel("eigenvalue $\\lambda$")
        right.set_ylabel("fraction below $\\lambda$, less that of $H_0+H_1$")
        right.legend(fontsize=8, frameon=False)
