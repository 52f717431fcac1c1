r"""Figure 3 of Pennington and Bahri: the residual part H1 at initialisation.

H1 of a ReLU network has only mixed second derivatives: blocks [[0, B_j], [B_j^T, 0]], one for each
hidden unit, B_j = (1/m) sum over its active samples of e x^T. Residuals are replaced by independent
N(0, 2 epsilon), epsilon = 50. Held against the measured spectrum:

* a semicircle of the variance epsilon phi / 2 that H1 has (the Wigner model as printed has the
  variance 2 epsilon, 4/phi times as much, and is far off the picture; only its shape is tested);
* the law of the ReLU block, R(g) = epsilon phi g / (2 - epsilon phi^2 g^2), nothing fitted (as
  the variance above it is for as many hidden units as inputs and outputs);
* the matrix Dyson equation of the residual part, given first layer and data.

The peak at 0, which no limit law has, is the hard edge of the singular values of square real
blocks; it is as wide as their spacing, 1/n. The first correction in 1/n to the matrix Dyson
equation (`rmtland.models.FiniteSizeHessian`) has it.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 3.

Examples
--------
>>> found = residual_spectrum(0.5, hidden=4, epsilon=50.0, points=5, images="", seed=0)
>>> found["eigenvalues"].shape, found["dyson"].shape
((128,), (5,))
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.arguments import positive
from rmtland.drawing import STYLES
from rmtland.laws import Law, Semicircle
from rmtland.models import DysonHessian, FiniteSizeHessian, WishartPlusReluBlock
from rmtland.networks import MLP
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
from rmtland.typing import Record, Rng, override

__all__ = ["ResidualPart", "residual_spectrum"]

_HEIGHT = 0.02
"""Height above the axis, in widths of the law."""

_CORRECTED = "Dyson with 1/n"


def _block_law(phi: float, epsilon: float) -> Law:
    law = WishartPlusReluBlock(phi, positive("epsilon", epsilon)).residual_law
    assert law is not None  # it is for epsilon > 0
    return law


def residual_spectrum(
    phi: float, *, hidden: int, epsilon: float, points: int, images: str, seed: Rng
) -> Record:
    """Draw images, a network and residuals; return the spectrum of H1 and the Dyson law.

    Parameters
    ----------
    phi : float
        Ratio of parameters to data: m = hidden (n0 + n2)/(n2 phi) images.
    hidden : int
        Hidden units.
    epsilon : float
        Energy: residuals are N(0, 2 epsilon).
    points : int
        Points of the Dyson law, from 0 to beyond the edge: it is symmetric.
    images : str
        Folder with images; empty for the digits.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    dict of str to ndarray
        `eigenvalues`; at points `x`, and at a height above the axis, the densities `dyson` and
        `corrected` and the distribution functions `measured_cdf`, `dyson_cdf`, `corrected_cdf`.
    """
    rng = random_generator(seed)
    m = max(1, round(2 * hidden / phi))
    data = whitened_images(m, images, rng=rng)
    net = MLP((data.n_in, hidden, data.n_out), activation="relu")
    theta = net.init(rng=rng)
    noise = rng.normal(size=data.y.shape) * math.sqrt(2 * epsilon)
    point = net.at(theta, data.x, net.predict(theta, data.x) - noise)
    eigenvalues = np.linalg.eigvalsh(point.hessian("residual"))
    reach = _block_law(phi, epsilon).support[-1][1]
    x, eta = np.linspace(0.0, 1.3 * reach, points), _HEIGHT * reach
    model = DysonHessian.of_point(point, part="residual", epsilon=epsilon)
    corrected = FiniteSizeHessian(model)
    return {
        "eigenvalues": eigenvalues,
        "x": x,
        "corrected": corrected.smoothed_pdf(x, eta=eta),
        "corrected_cdf": corrected.smoothed_cdf(x, eta=eta),
        "dyson": model.smoothed_pdf(x, eta=eta),
        "dyson_cdf": model.smoothed_cdf(x, eta=eta),
        "measured_cdf": Spectrum(eigenvalues).smoothed_cdf(x, eta=eta),
    }


@dataclass(frozen=True, kw_only=True)
class ResidualPart(PublishedFigure):
    """Spectrum of H1 at initialisation.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    phi : tuple of float
        Ratios of parameters to data, one panel each.
    hidden : int
        Hidden units.
    epsilon : float
        Energy of the residuals.
    runs : int
        Networks at each ratio.
    points : int
        Points of the Dyson law.
    """

    phi: tuple[float, ...] = (1 / 16, 1 / 4)
    hidden: int = 16
    epsilon: float = 50.0
    runs: int = 10
    points: int = 41

    name = "fig3"
    title = "H1 of a ReLU network at initialisation against Wigner and the ReLU block"
    quick: ClassVar[Mapping[str, object]] = {
        "phi": (1 / 2, 1.0),
        "runs": 3,
        "points": 15,
    }
    full: ClassVar[Mapping[str, object]] = {"points": 81}

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One task for each network."""
        axes = {
            "phi": self.phi,
            "hidden": self.hidden,
            "epsilon": self.epsilon,
            "points": self.points,
            "images": self.images,
        }
        grid = Grid(axes, seeds=self.runs, root=self.seed)
        return {"networks": Sweep(residual_spectrum, grid)}

    @property
    def memory(self) -> int:
        """Hessian, and rays times samples in the Dyson equation."""
        m = 2 * self.hidden / min(self.phi)
        return int(8 * 4 * (32 * self.hidden) ** 2 + 16 * 8 * m * (16 * self.hidden + m)) + 10**8

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        series: list[Series] = []
        numbers: dict[Quantity, float] = {}
        for phi in self.phi:
            found = [one.value for one in results["networks"] if one.key.parameters["phi"] == phi]
            panel = Quantity.of("", phi=phi)
            spectrum = Spectrum(np.array([one["eigenvalues"] for one in found]))
            block = _block_law(phi, self.epsilon)
            wigner: Law = Semicircle(block.var())
            reach = 1.3 * block.support[-1][1]
            series.append(histogram(panel, "measured", spectrum, (-reach, reach), 60))
            for name, law in (("Wigner", wigner), ("ReLU block", block)):
                x = law_points(law, 200)
                y = law.pdf(x)
                keep = np.isfinite(y)
                series.append(Series(panel, name, x[keep], y[keep]))
            x, eta = found[0]["x"], _HEIGHT * block.support[-1][1]
            for name, key in (("matrix Dyson", "dyson"), (_CORRECTED, "corrected")):
                density = np.mean([one[key] for one in found], axis=0)
                whole = np.append(density[:0:-1], density)
                series.append(Series(panel, name, np.append(-x[:0:-1], x), whole))
            measured = np.array([one["measured_cdf"] for one in found])
            levels = {
                "Wigner": wigner.smoothed_cdf(x, eta=eta),
                "ReLU block": block.smoothed_cdf(x, eta=eta),
                "matrix Dyson": np.array([one["dyson_cdf"] for one in found]),
                _CORRECTED: np.array([one["corrected_cdf"] for one in found]),
            }
            for name, level in levels.items():
                # the mean over runs: what is left is not chance
                worst = np.abs((level - measured).mean(axis=0)).max()
                numbers[Quantity.of("distance", phi=phi, law=name)] = float(worst)
            variance, error = mean_and_error((spectrum.nodes**2).mean(axis=1))
            numbers[Quantity.of("variance", phi=phi)] = variance
            if self.runs > 1:
                statistic = "standard error"
                numbers[Quantity.of("variance", phi=phi, statistic=statistic)] = error
                spread = measured.std(axis=0, ddof=1).max() / np.sqrt(self.runs)
                numbers[Quantity.of("distance", phi=phi, statistic=statistic)] = float(spread)
            numbers[Quantity.of("variance", phi=phi, law="ReLU block")] = block.var()
            numbers[Quantity.of("variance", phi=phi, law="Wigner as printed")] = 2 * self.epsilon
        caption = (
            f"After Pennington & Bahri (ICML 2017), fig. 3. ReLU network 16-{self.hidden}-16 at "
            f"initialisation, residuals N(0, {2 * self.epsilon:g}), "
            f"{image_words(self.images)}; {self.runs} runs a panel, seed {self.seed}.\n"
            "Wigner: semicircle of the variance $\\epsilon\\phi/2$ of the ReLU block (as printed, "
            f"$2\\epsilon$ = {2 * self.epsilon:g}, it would be off the axis). Nothing fitted. Peak "
            "at 0: hard edge of square blocks, of width 1/n.\n"
            "Distance: largest difference of mean distribution functions, smoothed at "
            f"{_HEIGHT:g} of the edge, as the Dyson curves are (means over the runs' first layers "
            "and data)."
        )
        return Content(tuple(series), numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        axes = lettered_panels(figure, content, len(self.phi), (10.5, 4.4))
        styles = {
            "Wigner": STYLES["Wishart + Wigner"],
            "ReLU block": STYLES["Wishart + ReLU block"],
            "matrix Dyson": STYLES["Dyson"],
            _CORRECTED: STYLES["Dyson, corrected"],
        }
        for ax, phi in zip(axes, self.phi, strict=True):
            panel = Quantity.of("", phi=phi)
            bars = content.get(panel, "measured")
            draw_bars(ax, bars, label="measured $H_1$")
            for name, style in styles.items():
                curve = content.get(panel, name)
                distance = content.number("distance", phi=phi, law=name)
                ax.plot(curve.x, curve.y, label=f"{name}, distance {distance:.3f}", **style)
            top = max(
                series.y.max() for series in content.series if str(series.panel) == str(panel)
            )
            ax.set_ylim(0, 1.35 * top)
            ax.set_xlim(bars.x[0], bars.x[-1])
            samples = round(2 * self.hidden / phi)
            ax.set_title(f"$\\phi$ = 1/{1 / phi:g},  {samples} images", fontsize=10)
            ax.set_xlabel("eigenvalue $\\lambda$ of $H_1$")
            ax.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
        axes[0].set_ylabel("density per unit of $\\lambda$")
