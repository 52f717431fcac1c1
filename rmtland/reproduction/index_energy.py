r"""Index against energy, with the law of small index: the figure of the lecture.

Just above its critical energy a model's index is

.. math:: \alpha \approx \alpha_0 \left(\frac{\epsilon - \epsilon_c}{\epsilon_c}\right)^{3/2} .

Panels (a) and (b) compare that law and the exact index with sampled matrices of the Wishart +
Wigner and the Wishart + ReLU block model. Panel (c) compares the models with networks at
initialisation with independent residuals of energy epsilon, beside the matrix Dyson equation:
there is no threshold in a network at initialisation, and only the Dyson index follows it. Panel (d)
compares thresholds: those of the two models, the energies of minimisers that the paper reports, its
fit (1 - phi)^2/2, and the linear network, for which least squares gives the energy exactly.

Three things that the printed figure leaves open are settled here.

* The points of fig. 6(b) are the mean energies of critical points of index 0 in fig. 6(a), not the
  fitted epsilon_c: they differ from the former by .003 throughout, from the latter by .003 to .016.
* A linear network of width n that fits m >= n samples of iid data is left with the energy
  (1 - n/m)/2 = (1 - phi/2)/2 on average, with phi = 2n/m; (1 - phi)/2, as printed, takes phi = n/m.
* Neither model predicts the thresholds that were measured: at phi = 1/2 they are .011 and .081,
  the measured one .134. Only the exponent 3/2 is tested by the paper.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, equations (21) and (32), figure 6.
.. [2] J. Tanner, Theories of deep learning, Oxford C6.5, lecture 9.

Examples
--------
>>> offsets = [energy - index_zero for _, energy, index_zero, _ in MINIMISERS]
>>> round(min(offsets), 3), round(max(offsets), 3)
(0.003, 0.003)
>>> residual = least_squares_energy(128, n=16, seed=0)["energy"]
>>> abs(residual - (1 - 16 / 128) / 2) < 0.05
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.models import DysonHessian, HessianModel, WishartPlusReluBlock, WishartPlusWigner
from rmtland.models.pennington_bahri.index_samples import sampled_index
from rmtland.networks import MLP, gaussian
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    index_above_axis,
)
from rmtland.reproduction.index_energy_drawing import draw_index_energy
from rmtland.reproduction.quantity import Quantity
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results
from rmtland.typing import Rng, override

__all__ = ["MINIMISERS", "IndexAgainstEnergy", "least_squares_energy", "network_index"]

MINIMISERS = (
    (2 / 3, 0.072, 0.069, 0.065),
    (1 / 2, 0.134, 0.131, 0.124),
    (1 / 3, 0.221, 0.218, 0.205),
    (1 / 4, 0.273, 0.270, 0.262),
    (1 / 8, 0.367, 0.364, 0.364),
    (1 / 16, 0.427, 0.424, 0.424),
)
"""Read off figure 6 of the paper, to .003: phi; energy in (b); in (a) the mean energy at index 0
and the epsilon_c of the fit."""

_MODELS: dict[str, tuple[str, type[HessianModel]]] = {
    "WishartPlusWigner": ("Wishart + Wigner", WishartPlusWigner),
    "WishartPlusReluBlock": ("Wishart + ReLU block", WishartPlusReluBlock),
}


def network_index(epsilon: float, *, n: int, phi: float, eta: float, seed: Rng) -> dict[str, float]:
    """Draw a ReLU network, data and residuals; return its index and that of the Dyson law.

    Parameters
    ----------
    epsilon : float
        Energy.
    n : int
        Inputs, hidden units and outputs.
    phi : float
        2n/m, which gives the number m of samples.
    eta : float
        Largest height above the axis for the Dyson index.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    dict of str to float
        `index`, `dyson`, and the traces `mean` of H0 and `square` of H1^2 over their size.
    """
    rng = random_generator(seed)
    data = gaussian(round(2 * n / phi), n, rng=rng)
    net = MLP((n, n, n), activation="relu")
    theta = net.init(rng=rng)
    noise = rng.normal(size=data.y.shape) * math.sqrt(2 * epsilon)
    point = net.at(theta, data.x, net.predict(theta, data.x) - noise)
    split = point.hessian()
    eigenvalues = np.linalg.eigvalsh(split.total)
    model = DysonHessian.of_point(point, epsilon=epsilon)
    return {
        "index": float((eigenvalues < 0).mean()),
        "dyson": index_above_axis(model, eta),
        "mean": float(np.trace(split.gauss_newton)) / eigenvalues.size,
        "square": float((split.residual**2).sum()) / eigenvalues.size,
    }


def least_squares_energy(samples: int, *, n: int, seed: Rng) -> dict[str, float]:
    """Return the least energy of a linear network of width n on iid data, by least squares."""
    data = gaussian(samples, n, rng=seed)
    fit, *_ = np.linalg.lstsq(data.x, data.y, rcond=None)
    return {"energy": float(((data.x @ fit - data.y) ** 2).mean()) / 2}


@dataclass(frozen=True, kw_only=True)
class IndexAgainstEnergy(PublishedFigure):
    """Index against energy for models and networks, and thresholds against phi.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    phi : tuple of float
        Ratios of the model panels.
    excess : tuple of float
        Energies of the sampled matrices, epsilon / epsilon_c - 1.
    size : int
        Size of the sampled matrices.
    samples : int
        Sampled matrices a point.
    width : int
        n of the networks.
    network_phi : float
        Their ratio.
    energies : tuple of float
        Their energies.
    runs : int
        Networks at each energy.
    eta : float
        Largest height above the axis for the Dyson index.
    """

    phi: tuple[float, ...] = (0.25, 0.5, 0.75)
    excess: tuple[float, ...] = (0.3, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    size: int = 1000
    samples: int = 4
    width: int = 16
    network_phi: float = 0.5
    energies: tuple[float, ...] = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    runs: int = 10
    eta: float = 0.004

    name = "index"
    title = "index against energy with the small-index law, for models and networks"
    quick: ClassVar[Mapping[str, object]] = {
        "excess": (1.0, 4.0),
        "size": 150,
        "samples": 2,
        "width": 6,
        "energies": (0.01, 0.1, 0.5),
        "runs": 4,
        "eta": 0.02,
    }
    full: ClassVar[Mapping[str, object]] = {
        "excess": (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
        "size": 3000,
        "runs": 30,
    }
    takes_images = False

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """Sampled matrices, networks, least squares."""
        points = [
            {
                "model": name,
                "phi": phi,
                "epsilon": model(phi, 1.0).critical_energy * (1 + t),
                "n": self.size,
            }
            for name, (_, model) in _MODELS.items()
            for phi in self.phi
            for t in self.excess
        ]
        networks = {
            "epsilon": self.energies,
            "n": self.width,
            "phi": self.network_phi,
            "eta": self.eta,
        }
        linear = {"samples": [round(2 * 16 / phi) for phi, *_ in MINIMISERS], "n": 16}
        return {
            "matrices": Sweep(
                sampled_index, Grid(points=points, seeds=self.samples, root=self.seed)
            ),
            "networks": Sweep(network_index, Grid(networks, seeds=self.runs, root=self.seed)),
            "linear": Sweep(least_squares_energy, Grid(linear, seeds=20, root=self.seed)),
        }

    @property
    def memory(self) -> int:
        """The sampled matrices, or the matrices of the Dyson equation with units coupled."""
        n, m = self.width, 2 * self.width / self.network_phi
        return int(max(8 * 4 * self.size**2, 16 * (12 * n**4 + 8 * m * (n**2 + m)))) + 10**8

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        series: list[Series] = []
        numbers: dict[Quantity, float] = {}
        measured = results["matrices"].means("index")
        worst = 0.0
        for name, (title, model) in _MODELS.items():
            for phi in self.phi:
                threshold = model(phi, 1.0).critical_energy
                prefactor = model(phi, 1.0).index_prefactor
                assert prefactor is not None
                x = np.geomspace(1e-2, 30.0, 40)
                exact = np.array([model(phi, threshold * (1 + t)).index() for t in x])
                series.append(Series(title, Quantity.of("law", phi=phi), x, exact))
                series.append(
                    Series(title, Quantity.of("small index", phi=phi), x, prefactor * x**1.5)
                )
                numbers[Quantity.of("critical energy", model=title, phi=phi)] = threshold
                numbers[Quantity.of("alpha0", model=title, phi=phi)] = prefactor
                points = [
                    one
                    for one in measured
                    if (one.parameters["model"], one.parameters["phi"]) == (name, phi)
                ]
                t = np.array([one.parameters["epsilon"] for one in points]) / threshold - 1
                y, error = (
                    np.array(column) for column in zip(*(p[1:3] for p in points), strict=True)
                )
                series.append(Series(title, Quantity.of("sampled", phi=phi), t, y, error))
                law = np.array([model(phi, p.parameters["epsilon"]).index() for p in points])
                worst = max(worst, float(np.abs(y - law).max()))
        numbers[Quantity.of("largest difference of sampled index and law")] = worst
        series += self._networks(results["networks"], numbers)
        series += self._thresholds(results["linear"])
        samples = round(2 * self.width / self.network_phi)
        caption = (
            "After Pennington & Bahri (ICML 2017), eqs. (21), (32), fig. 6, and Tanner's lecture. "
            f"(a), (b): points are means over {self.samples} random matrices of size {self.size}; "
            f"small-index law $\\alpha_0|\\epsilon/\\epsilon_c-1|^{{3/2}}$.\n"
            f"(c): ReLU networks, {self.width} inputs, hidden units and outputs, {samples} samples "
            f"of iid N(0, 1), at initialisation with iid residuals of energy $\\epsilon$; "
            f"{self.runs} a point. Dyson: given first layers and data, nothing fitted.\n"
            "(d): circles read off fig. 6(b), tanh networks, n = 16 (energy at which the index "
            "vanishes); squares least squares on iid data, n = 16. "
            f"Seed {self.seed}; bars are standard errors."
        )
        return Content(tuple(series), numbers, caption)

    def _networks(self, results: Results, numbers: dict[Quantity, float]) -> list[Series]:
        """Return index of networks and of what the theories say of them."""
        measured, dyson = results.means("index"), results.means("dyson")
        x = np.array([one.parameters["epsilon"] for one in measured])
        index = np.array([one.mean for one in measured])
        spread = [np.array([one.error for one in each]) for each in (measured, dyson)]
        theory = np.array([one.mean for one in dyson])
        mean = float(np.mean([one.mean for one in results.means("mean")]))
        square = float(
            np.mean([one.mean / one.parameters["epsilon"] for one in results.means("square")])
        )
        fine = np.geomspace(0.5 * x.min(), 1.5 * x.max(), 40)
        series = [
            Series("networks", "measured", x, index, spread[0]),
            Series("networks", "matrix Dyson", x, theory, spread[1]),
        ]
        for title, model in _MODELS.values():
            printed = np.array([model(self.network_phi, e).index() for e in fine])
            near = [
                model.from_moments(self.network_phi, mean=mean, residual_variance=e * square)
                for e in fine
            ]
            matched = np.array([one.index() for one in near])
            series.append(Series("networks", Quantity.of(title, scale="as printed"), fine, printed))
            series.append(
                Series("networks", Quantity.of(title, scale="traces matched"), fine, matched)
            )
            numbers[Quantity.of("largest index error", law=title, scale="traces matched")] = float(
                np.abs(np.interp(np.log(x), np.log(fine), matched) - index).max()
            )
        numbers[Quantity.of("largest index error", law="matrix Dyson")] = float(
            np.abs(theory - index).max()
        )
        pairs = np.array([one.value["dyson"] - one.value["index"] for one in results])
        numbers[Quantity.of("Dyson less measured index", statistic="mean")] = float(pairs.mean())
        numbers[Quantity.of("Dyson less measured index", statistic="root mean square")] = float(
            np.sqrt((pairs**2).mean())
        )
        return series

    def _thresholds(self, results: Results) -> list[Series]:
        """Return thresholds against phi."""
        phi = np.linspace(0.01, 1.0, 80)
        found = results.means("energy")
        # without jumps the block's threshold grows beyond the axis as phi goes to 0
        series = [
            Series("thresholds", title, phi, np.array([model(x, 1.0).critical_energy for x in phi]))
            for title, model in _MODELS.values()
        ]
        return [
            *series,
            Series("thresholds", "(1 - phi)^2/2", phi, (1 - phi) ** 2 / 2),
            Series("thresholds", "linear, (1 - phi/2)/2", phi, (1 - phi / 2) / 2),
            Series("thresholds", "linear as printed, (1 - phi)/2", phi, (1 - phi) / 2),
            Series(
                "thresholds",
                "linear, least squares",
                np.array([2 * one.parameters["n"] / one.parameters["samples"] for one in found]),
                np.array([one.mean for one in found]),
                np.array([one.error for one in found]),
            ),
            Series(
                "thresholds",
                "tanh minimisers, read off",
                np.array([row[0] for row in MINIMISERS]),
                np.array([row[1] for row in MINIMISERS]),
            ),
        ]

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        draw_index_energy(
            figure,
            content,
            models=tuple(title for title, _ in _MODELS.values()),
            phi=self.phi,
            network_phi=self.network_phi,
        )
