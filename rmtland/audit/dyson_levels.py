r"""Levels 5 and 6: matrix Dyson equations (MDE) that know first layer and data of a network.

Level 5 takes the second layer and the residuals as iid Gaussian with the measured mean squares;
its f'' block, delta_j f''_j with delta = W2^T e, is drawn once from that ensemble. It averages
itself over units and outputs; how far laws of different draws are apart is measured with hidden
units left uncoupled and counts as an error of the law. Level 6 takes the second moments of W2 and
of the residuals as measured (`rmtland.audit.second_moments`) and the f'' block as it is: for an iid
W2 and iid residuals level 6 is level 5.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(12, 3, rng=0), MLP((3, 3, 3), bias=True)
>>> dyson_inapplicability(net.at(net.init(rng=1), data.x, data.y))
'the matrix Dyson equation is for networks without biases'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rmtland.arguments import count
from rmtland.audit.levels import Family, Level, LevelLaw
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.audit.redraws import Redraws, dyson_inapplicability
from rmtland.audit.second_moments import SecondMoments
from rmtland.models import DysonHessian
from rmtland.models.dyson.tabulated import TabulatedLaw, tabulated_law
from rmtland.networks import LossPoint
from rmtland.streams import Rng, streams
from rmtland.typing import Real

__all__ = ["DysonTheory", "curvature_spread", "dyson_law", "dyson_models", "dyson_theories"]

_ANCHORS = 8
"""Points at which the coupling of hidden units is solved for; it is interpolated between them."""

_DRAWS, _LEVELS = 4, (0.1, 0.3, 0.5, 0.7, 0.9)
"""f'' blocks whose laws are compared, and the levels of the distribution function there."""


@dataclass(eq=False)
class DysonModels:
    """The equations of levels 5 and 6 of a point and the laws that were made of them."""

    point: LossPoint
    points: int
    rng: Rng

    def __post_init__(self) -> None:
        moments = SecondMoments.of_point(self.point)
        self.moments = moments
        self.iid = Redraws(self.point, moments.iid())
        self._seeds = streams(self.rng, 1 + _DRAWS)
        drawn = self.iid.draw(rng=self._seeds[0])
        self.models = dyson_models(self.point, drawn, moments)
        self._laws: dict[int, LevelLaw] = {}

    @property
    def measured_curvature(self) -> Real | None:
        """The f'' block of the point, as level 6 has it."""
        found: Real | None = self.models[1].curvatures
        return found

    def law(self, level: Level, spectrum: Real, progress: Progress | None) -> LevelLaw:
        """Return the law of level 5 or 6, the same object for both where they do not differ."""
        place = 0 if level is Level.DYSON else 1
        model = self.models[place]
        same = self.models[0] is self.models[1]
        if same and self._laws:
            found = next(iter(self._laws.values()))
        else:
            show = None if progress is None else _named(progress, level)
            law = dyson_law(model, spectrum=spectrum, points=self.points, progress=show)
            spread = 0.0
            if place == 0 and model.curvatures is not None:
                others = [self.iid.draw(rng=seed) for seed in self._seeds[1:]]
                spread = curvature_spread(model, others, law)
            found = LevelLaw(law, {}, float(np.hypot(law.error, spread)), spread)
            self._laws[place] = found
        if level is not Level.DYSON_MOMENTS:
            return found
        kept: dict[str, object] = {
            "second_layer_kept": self.moments.second_layer_kept,
            "residuals_kept": self.moments.residuals.kept,
            "residuals": self.moments.residuals.kind.value,
        }
        return replace(found, parameters=kept)


@dataclass(frozen=True, eq=False)
class DysonTheory:
    """Level 5 or 6.

    Parameters
    ----------
    level : Level
        DYSON or DYSON_MOMENTS.
    models : DysonModels, optional
        The equations, shared by both levels; None where they do not apply.
    """

    level: Level
    models: DysonModels | None
    family: Family = Family.DYSON

    def applies(self, measured: MeasuredHessian) -> str | None:
        """Say why the equation does not cover the network, or None.

        Parameters
        ----------
        measured : MeasuredHessian
            With a point of a network.

        Returns
        -------
        str or None
        """
        if measured.point is None:
            return "it needs the network and its data"
        return dyson_inapplicability(measured.point)

    def law(self, measured: MeasuredHessian, *, progress: Progress | None = None) -> LevelLaw:
        """Tabulate the law.

        Parameters
        ----------
        measured : MeasuredHessian
            What `applies` has accepted.
        progress : callable, optional
            Called as ``progress(what, done, total)``.

        Returns
        -------
        LevelLaw
        """
        if self.models is None:
            raise ValueError(f"there is no such law: {self.applies(measured)}")
        return self.models.law(self.level, measured.total.nodes.ravel(), progress)


def dyson_theories(
    measured: MeasuredHessian, *, points: int = 40, rng: Rng = None
) -> tuple[DysonTheory, DysonTheory]:
    """Return levels 5 and 6 of a measured Hessian.

    Parameters
    ----------
    measured : MeasuredHessian
        With a point of a network, or the levels do not apply.
    points : int
        Points of the tables, at least 20.
    rng : anything `numpy.random.default_rng` takes
        For the f'' block of level 5.

    Returns
    -------
    (DysonTheory, DysonTheory)
    """
    count("points", points, min_value=20)
    models = None
    if measured.point is not None and dyson_inapplicability(measured.point) is None:
        models = DysonModels(measured.point, points, rng)
    return DysonTheory(Level.DYSON, models), DysonTheory(Level.DYSON_MOMENTS, models)


def dyson_models(
    point: LossPoint, drawn: LossPoint, moments: SecondMoments | None = None
) -> tuple[DysonHessian, DysonHessian]:
    """Return the equations of levels 5 and 6.

    Parameters
    ----------
    point : LossPoint
        One hidden layer, no biases, half the mean squared error.
    drawn : LossPoint
        The same with iid W2 and residuals drawn anew: its f'' block stands for all of them at
        level 5.
    moments : SecondMoments, optional
        Of the point.

    Returns
    -------
    (DysonHessian, DysonHessian)
        The same object twice where nothing is kept and f'' = 0.
    """
    moments = SecondMoments.of_point(point) if moments is None else moments
    known = DysonHessian.of_point(point)
    first = replace(known, curvatures=DysonHessian.of_point(drawn).curvatures)
    if moments.are_iid and known.curvatures is None:
        return first, first
    second = replace(
        known,
        second_layer=moments.second_layer if moments.second_layer_kept else known.second_layer,
        residual_weights=moments.residuals.samples,
        output_weights=moments.residuals.outputs,
    )
    return first, second


def dyson_law(
    model: DysonHessian,
    *,
    spectrum: Real,
    points: int = 40,
    progress: Callable[[int, int], object] | None = None,
) -> TabulatedLaw:
    """Tabulate the law of level 5 or 6; coupled units at eight anchors.

    Parameters
    ----------
    model : DysonHessian
        The equation.
    spectrum : array_like, shape (p,)
        Measured eigenvalues, ascending: where to look first.
    points : int
        Points of the table.
    progress : callable, optional
        Called with the numbers of points solved and of all.

    Returns
    -------
    TabulatedLaw
    """
    low, high = float(spectrum[0]), float(spectrum[-1])
    width = (high - low) or 1.0
    bulk = float(np.subtract(*np.quantile(spectrum, [0.75, 0.25])))
    # half of the first points by mass, half by place: neither bulk nor tail is passed over
    spread = low + width * np.sin(np.linspace(0, np.pi, 10) / 2) ** 2
    return tabulated_law(
        model,
        points=points,
        limits=(low - 0.2 * width, high + 0.2 * width),
        first=np.append(np.quantile(spectrum, np.linspace(0.05, 0.95, 8)), spread),
        eta=min(width / 200, max(bulk / 20, width / 20_000)),
        anchors=_ANCHORS,
        progress=progress,
    )


def curvature_spread(model: DysonHessian, drawn: list[LossPoint], law: TabulatedLaw) -> float:
    """How far laws with different draws of the f'' block are apart, as a Kolmogorov distance.

    Root mean square over the draws of the largest deviation from their mean, at five levels, with
    hidden units uncoupled and at a height of a hundredth of the distance between quartiles.

    Parameters
    ----------
    model : DysonHessian
        With the f'' block of one draw.
    drawn : list of LossPoint
        Further draws, at least one.
    law : TabulatedLaw
        Of the model: where to look.

    Returns
    -------
    float
    """
    x = law.ppf(np.array(_LEVELS))
    eta = max(float(x[-1] - x[0]) / 100, 1e-12)
    blocks = [model.curvatures, *(DysonHessian.of_point(other).curvatures for other in drawn)]
    rows = np.array(
        [
            replace(model, curvatures=curvatures, coupling="units").smoothed_cdf(
                x, eta=eta, tolerance=1e-5
            )
            for curvatures in blocks
        ]
    )
    worst = np.abs(rows - rows.mean(axis=0)).max(axis=1)
    return float(np.sqrt((worst**2).sum() / (len(rows) - 1)))


def _named(progress: Progress, level: Level) -> Callable[[int, int], object]:
    name = f"matrix Dyson equation, level {level.number}"
    return lambda done, total: progress(name, done, total)
