r"""Figure 1 of Pennington and Bahri: densities of the Wishart + Wigner model.

Free sum of Marchenko-Pastur of ratio phi and a semicircle of variance 2 epsilon, for three ratios
of parameters to data and four energies, with eigenvalues of random matrices of that model. As the
energy rises the law becomes semicircular and negative eigenvalues appear, beyond epsilon_c.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 1.

Examples
--------
>>> content = ModelDensities.of_size("quick", n=60, phi=(0.5,)).compute()
>>> sorted({str(series.panel) for series in content.series})
['phi = 0.5']
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.comparison import compare
from rmtland.drawing import COLORS
from rmtland.models import WishartPlusWigner
from rmtland.plot import law_points
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    histogram,
    lettered_panels,
)
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.sweep import Grid, Results
from rmtland.typing import Real, Rng, override

__all__ = ["ModelDensities", "model_spectrum"]

_COLORS = (COLORS[6], COLORS[1], COLORS[3], COLORS[2])
_MARKERS = ("o", "s", "^", "D")


def model_spectrum(phi: float, epsilon: float, *, n: int, seed: Rng) -> Real:
    """Return the eigenvalues of one random matrix of the model, shape (n,)."""
    return WishartPlusWigner(phi, epsilon).sample(n, rng=seed).eigenvalues


@dataclass(frozen=True, kw_only=True)
class ModelDensities(PublishedFigure):
    """Densities of the Wishart + Wigner model.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    phi : tuple of float
        Ratios, one panel each.
    epsilon : tuple of float
        Energies.
    n : int
        Size of the random matrices.
    bins : int
        Bins of their histograms.
    """

    phi: tuple[float, ...] = (0.25, 0.5, 0.75)
    epsilon: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0)
    n: int = 1000
    bins: int = 40

    name = "fig1"
    title = "Wishart + Wigner densities at three ratios and four energies"
    quick: ClassVar[Mapping[str, object]] = {"n": 200, "bins": 24}
    full: ClassVar[Mapping[str, object]] = {"n": 4000, "bins": 96}
    takes_images = False

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """One random matrix for each ratio and energy."""
        grid = Grid({"phi": self.phi, "epsilon": self.epsilon, "n": self.n}, root=self.seed)
        return {"spectra": Sweep(model_spectrum, grid)}

    @property
    def memory(self) -> int:
        """Two matrices and the solver's copy."""
        return 8 * 4 * self.n**2

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        series: list[Series] = []
        numbers: dict[Quantity, float] = {}
        for result in results["spectra"]:
            phi, epsilon = (result.key.parameters[name] for name in ("phi", "epsilon"))
            panel, model = Quantity.of("", phi=phi), WishartPlusWigner(phi, epsilon)
            spectrum = Spectrum(result.value)
            (low, high) = model.law.support[0][0], model.law.support[-1][1]
            x = law_points(model.law, 90)
            y = model.law.pdf(x)
            keep = np.isfinite(y)
            series.append(Series(panel, Quantity.of("law", epsilon=epsilon), x[keep], y[keep]))
            series.append(
                histogram(
                    panel, Quantity.of("sampled", epsilon=epsilon), spectrum, (low, high), self.bins
                )
            )
            found = compare(spectrum, model.law)
            at = {"phi": phi, "epsilon": epsilon}
            numbers[Quantity.of("Kolmogorov distance", **at)] = found.kolmogorov
            numbers[Quantity.of("index of the law", **at)] = model.index()
            numbers[Quantity.of("critical energy", phi=phi)] = model.critical_energy
        caption = (
            "After Pennington & Bahri (ICML 2017), fig. 1. Lines: free sum of Marchenko-Pastur"
            "($\\phi$) and a semicircle of variance $2\\epsilon$.\n"
            f"Markers: all eigenvalues of one random matrix of size {self.n} each, binned; "
            f"seed {self.seed}. Index: mass of the law below 0."
        )
        return Content(tuple(series), numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        axes = lettered_panels(figure, content, len(self.phi), (10.5, 4.0), sharey=True)
        for ax, phi in zip(axes, self.phi, strict=True):
            panel = Quantity.of("", phi=phi)
            for i, epsilon in enumerate(self.epsilon):
                color = _COLORS[i % len(_COLORS)]
                law = content.get(panel, Quantity.of("law", epsilon=epsilon))
                index = content.number("index of the law", phi=phi, epsilon=epsilon)
                ax.plot(law.x, law.y, color=color, lw=1.6)
                bars = content.get(panel, Quantity.of("sampled", epsilon=epsilon))
                ax.plot(
                    bars.x,
                    bars.y,
                    ls="none",
                    marker=_MARKERS[i % 4],
                    ms=3.2,
                    mfc="white",
                    mec=color,
                    mew=0.8,
                )
                ax.plot(
                    [],
                    [],
                    color=color,
                    lw=1.6,
                    marker=_MARKERS[i % 4],
                    ms=3.2,
                    mfc="white",
                    mew=0.8,
                    label=f"$\\epsilon$ = {epsilon:g}, index {index:.3f}",
                )
            ax.axvline(0, color="0.6", lw=0.6, zorder=0)
            threshold = content.number("critical energy", phi=phi)
            ax.set_title(f"$\\phi$ = {phi:g},  $\\epsilon_c$ = {threshold:.3g}", fontsize=10)
            ax.set_xlabel("eigenvalue $\\lambda$")
            ax.set_ylim(0, 1.5)
            ax.legend(fontsize=7.5, frameon=False, loc="upper right")
        axes[0].set_ylabel("density $\\rho(\\lambda)$ per unit of $\\lambda$")
