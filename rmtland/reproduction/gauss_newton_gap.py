r"""Figure 5 of Pennington and Bahri: the gap of H0 against 1/phi.

The smallest eigenvalue of H0 at initialisation, its null directions removed, over the number of
data per parameter. The Marchenko-Pastur law has the gap :math:`s (1 - \sqrt\phi)^2`; with s matched
to the trace it is more than ten times too large, and the paper fits one s to all points. The matrix
Dyson law has an edge of its own. The smallest of finitely many eigenvalues lies above it on
average, by a part of their spacing there, so that the measured gap is expected to be larger. The
edge is found here from inside the gap: there

.. math:: S(x) = -G'(x) = \int \frac{\rho(dt)}{(t - x)^2}
              = -\lim_{\eta \to 0} \operatorname{Im} G(x + i \eta) / \eta

is finite, and towards an edge where the density starts like a square root :math:`S^{-2}` goes to
zero linearly, so that secants of it from inside lead to the edge. No density is thresholded.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, figure 5.

Examples
--------
The gap of a Marchenko-Pastur law, from its Stieltjes transform alone:

>>> from rmtland import MarchenkoPastur
>>> law = MarchenkoPastur(0.25)
>>> edge, error = lower_edge(law.stieltjes, 0.05)
>>> abs(edge - 0.25) <= error < 0.01
True
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from rmtland.arguments import count, positive
from rmtland.drawing import STYLES
from rmtland.models import DysonHessian
from rmtland.reproduction.figure import (
    Content,
    PublishedFigure,
    Series,
    Sweep,
    error_bars,
    lettered_panels,
)
from rmtland.reproduction.gauss_newton_part import initial_point, without_rescalings
from rmtland.reproduction.images import image_words
from rmtland.reproduction.quantity import Quantity
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Results
from rmtland.typing import NumpyArray, Rng, override

__all__ = ["GaussNewtonGap", "gap_of_run", "lower_edge"]

_ACCURACY = 0.01
_HEIGHT = 1e-3
_STEPS = 40


def lower_edge(
    stieltjes: Callable[[NumpyArray], NumpyArray], start: float, *, null: float = 0.0
) -> tuple[float, float]:
    """Return the lowest edge above 0 of a law with a gap there, and a bound of its error.

    Parameters
    ----------
    stieltjes : callable
        z -> G(z) in the upper half-plane.
    start : float
        A point that may lie in the gap or beyond it, > 0.
    null : float
        Point mass at 0.

    Returns
    -------
    (float, float)
        Middle of an interval that has the edge, about a hundredth of it wide to each side; a bound
        of its error.

    Raises
    ------
    ArithmeticError
        If there is no gap down to 1e-9 times the start, or `null` is too large.
    """
    low, high = 0.0, np.inf
    x = first = positive("start", start)
    past: tuple[float, float] | None = None
    for _ in range(_STEPS):
        heights = x * _HEIGHT * np.array([1.0, 0.5])
        slopes = -np.asarray(stieltjes(x + 1j * heights)).imag / heights
        bulk = slopes - null / (x**2 + heights**2)
        if not bulk.min() > 0:
            raise ArithmeticError(f"the point mass at 0 is less than {null}; give the right one")
        if bulk[1] > 1.2 * bulk[0]:  # grows like 1/height where there is density
            high = x
            x = 0.5 * (low + high) if low else 0.3 * x
            if x < 1e-9 * first:
                raise ArithmeticError("the law has no gap above 0 that could be found")
            continue
        low, value = x, bulk[1] ** -2.0
        # 1/S is a mean of squared distances to the rest: a step by its root stays below the top
        target = x + np.sqrt((1 - null) / bulk[1])
        if past is not None and value < past[1]:
            target = min(target, x + value * (x - past[0]) / (past[1] - value))
        past = (x, value)
        if high - low <= 2 * _ACCURACY * low:
            break
        aim = x + max(0.8 * (target - x), 0.5 * _ACCURACY * x)
        if high < np.inf:
            aim = min(aim, 0.5 * (x + high))
        elif target - x < _ACCURACY * x:
            aim = x * (1 + 2 * _ACCURACY)
        x = aim
    else:
        raise ArithmeticError(f"no edge was found in {_STEPS} steps from {start}")
    # a point closer to the edge than its heights may count on either side
    return float((low + high) / 2), float((high - low) / 2 + 2 * _HEIGHT * high)


def gap_of_run(
    samples: int, *, hidden: int, theory: bool, images: str, seed: Rng
) -> dict[str, float]:
    """Draw images and a network; return the gap of H0, its trace, and the gap of the Dyson law.

    Parameters
    ----------
    samples, hidden : int
        Images; hidden units.
    theory : bool
        Whether to solve the Dyson equation.
    images : str
        Folder with images; empty for the digits.
    seed : anything `numpy.random.default_rng` takes
        For images and weights.

    Returns
    -------
    dict of str to float
        `gap`, the smallest eigenvalue that is not zero; `scale`, the mean eigenvalue; `further`,
        the number of null directions beside the rescalings (a unit with fewer active samples than
        inputs has some); with theory `dyson` and its `error`.
    """
    point = initial_point(samples, hidden, images, random_generator(seed))
    spectrum = Spectrum(np.asarray(np.linalg.eigvalsh(without_rescalings(point)), dtype=float))
    further = spectrum.inertia().zero
    gap = float(spectrum.nodes[0, further])
    found = {"gap": gap, "scale": spectrum.mean(), "further": float(further)}
    if theory:
        model = DysonHessian.of_point(point, part="gauss_newton")
        null = (hidden + further) / point.net.parameter_count
        edge, error = lower_edge(model.stieltjes, gap / 2, null=null)
        found |= {"dyson": edge, "error": error}
    return found


@dataclass(frozen=True, kw_only=True)
class GaussNewtonGap(PublishedFigure):
    """Gap of H0 at initialisation against the number of data per parameter.

    Parameters
    ----------
    seed : int
        Root of all random numbers, >= 0.
    images : str
        Folder with CIFAR-10 in its binary version; empty for the handwritten digits.
    ratios : tuple of float
        1/phi, > 1: m = 2 hidden/phi images.
    hidden : int
        Hidden units.
    runs : int
        Networks a point, at least 2: points are weighted by their standard errors.
    theory_runs : int
        How many further ones, for which the Dyson equation is solved too.

    Raises
    ------
    ValueError
        If a ratio is not above 1, `runs` is below 2, or another parameter is out of its range.
    TypeError
        If a number is of another type.
    """

    ratios: tuple[float, ...] = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
    hidden: int = 16
    runs: int = 30
    theory_runs: int = 10

    name = "fig5"
    title = "gap of H0 against 1/phi: Marchenko-Pastur with one fitted scale, and Dyson"
    quick: ClassVar[Mapping[str, object]] = {
        "ratios": (2.0, 3.0),
        "runs": 4,
        "theory_runs": 1,
    }
    full: ClassVar[Mapping[str, object]] = {
        "ratios": (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0),
        "theory_runs": 30,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        count("runs", self.runs, min_value=2)
        if min(self.ratios) <= 1:
            raise ValueError(f"ratios 1/phi must be above 1, where H0 has a gap; got {self.ratios}")

    @property
    def _samples(self) -> tuple[int, ...]:
        return tuple(round(2 * self.hidden * ratio) for ratio in self.ratios)

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """Gaps alone, and gaps with theory."""
        axes = {"samples": self._samples, "hidden": self.hidden, "images": self.images}
        return {
            "gaps": Sweep(
                gap_of_run, Grid({**axes, "theory": False}, seeds=self.runs, root=self.seed)
            ),
            "theory": Sweep(
                gap_of_run, Grid({**axes, "theory": True}, seeds=self.theory_runs, root=self.seed)
            ),
        }

    @property
    def memory(self) -> int:
        """Hessian and its basis; rays times samples in the Dyson equation."""
        p, m = 32 * self.hidden, max(self._samples)
        return 8 * 6 * p**2 + 16 * 8 * m * (16 * self.hidden + m) + 10**8

    @override
    def content(self, results: Mapping[str, Results]) -> Content:
        gaps, theory = results["gaps"], results["theory"]
        measured, edges = gaps.means("gap"), theory.means("dyson")
        m = np.array([one.parameters["samples"] for one in measured])
        ratio = m / (2 * self.hidden)
        shape = (1 - np.sqrt(1 / ratio)) ** 2
        gap = np.array([one.mean for one in measured])
        error = np.array([one.error for one in measured])
        weight = 1 / error**2
        scale = float((weight * shape) @ gap / ((weight * shape) @ shape))
        spread = float(1 / np.sqrt((weight * shape) @ shape))
        misfit = float(weight @ (gap - scale * shape) ** 2) / max(len(gap) - 1, 1)
        matched = float(np.mean([one.mean for one in gaps.means("scale")]))
        dyson = np.array([one.mean for one in edges])
        dyson_error = np.array([one.error for one in edges])
        above = np.array([one.mean for one in theory.means("gap")]) / dyson
        x = np.linspace(1.0, 1.05 * ratio[-1], 80)
        curve = (1 - np.sqrt(1 / x)) ** 2
        series = (
            Series("gap", "measured", ratio, gap, error),
            Series("gap", "matrix Dyson", ratio, dyson, dyson_error),
            Series("gap", "Marchenko-Pastur, fitted", x, scale * curve),
            Series("gap", "Marchenko-Pastur, trace matched", x, matched * curve),
        )
        fitted = Quantity.of("scale", of="fitted")
        numbers = {
            fitted: scale,
            fitted.having(statistic="standard error"): spread,
            Quantity.of("squared misfit a degree of freedom", of="fitted"): misfit,
            Quantity.of("scale", of="trace matched"): matched,
            Quantity.of("scale", of="trace matched over fitted"): matched / scale,
            Quantity.of("null directions of a run beside the rescalings"): float(
                np.mean([one.mean for one in gaps.means("further")])
            ),
            Quantity.of("largest numerical error of the Dyson edge"): float(
                max(one.mean for one in theory.means("error"))
            ),
        }
        for i, one in enumerate(ratio):
            ratio_to = {"phi": 1 / float(one)}
            numbers[Quantity.of("gap over Dyson edge of the same networks", **ratio_to)] = float(
                above[i]
            )
            numbers[Quantity.of("gap over fitted Marchenko-Pastur", **ratio_to)] = float(
                gap[i] / (scale * shape[i])
            )
        caption = (
            f"After Pennington & Bahri (ICML 2017), fig. 5. ReLU network 16-{self.hidden}-16 at "
            f"initialisation, {m[0]} to {m[-1]} {image_words(self.images)};\n"
            f"smallest eigenvalue of $H_0$ without its {self.hidden} exact null directions, mean "
            f"and standard error over {self.runs} runs a point, seed {self.seed}. "
            "Marchenko-Pastur: $s(1-\\sqrt{\\phi})^2$.\n"
            "Dyson: lower edge of the law given first layer and data, nothing fitted, "
            f"{self.theory_runs} further run(s) a point.\nThe smallest of finitely many "
            "eigenvalues is expected above the edge: means are "
            f"{above.min():.2f} to {above.max():.2f} times as high as those of the same networks' "
            "edges."
        )
        return Content(series, numbers, caption)

    @override
    def draw(self, figure: Figure, content: Content) -> None:
        left, right = lettered_panels(figure, content, 2, (10.5, 4.4))
        scales = [content.number("scale", of=of) for of in ("fitted", "trace matched")]
        fitted = f"Marchenko-Pastur, one scale fitted: {scales[0]:.4f}"
        matched = f"Marchenko-Pastur, trace matched: {scales[1]:.2f}"
        for ax in (left, right):
            curve = content.get("gap", "Marchenko-Pastur, fitted")
            ax.plot(curve.x[1:], curve.y[1:], label=fitted, **STYLES["Wishart + Wigner"])
            points = content.get("gap", "matrix Dyson")
            ax.errorbar(
                points.x,
                points.y,
                error_bars(points),
                marker="s",
                ms=4,
                mfc="white",
                color=STYLES["Dyson"]["color"],
                lw=1.4,
                capsize=2,
                label="matrix Dyson edge",
            )
            points = content.get("gap", "measured")
            ax.errorbar(
                points.x,
                points.y,
                error_bars(points),
                color="black",
                marker="o",
                ms=3.5,
                ls="none",
                capsize=2,
                label="measured",
                zorder=5,
            )
            ax.set_xlabel("$1/\\phi$, data per parameter")
            ax.set_xlim(1, 1.05 * points.x[-1])
        curve = content.get("gap", "Marchenko-Pastur, trace matched")
        right.plot(curve.x[1:], curve.y[1:], label=matched, **STYLES["Wishart + ReLU block"])
        right.set_yscale("log")
        right.set_ylim(bottom=0.3 * points.y[0])
        left.set_ylim(bottom=0)
        left.set_ylabel("smallest nonzero eigenvalue of $H_0$")
        right.set_ylabel("the same, logarithmic")
        left.legend(fontsize=8, frameon=False, loc="upper left")
        right.legend(fontsize=8, frameon=False, loc="lower right")
