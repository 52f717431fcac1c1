r"""Levels 7 and 8: residuals conditioned on the gradient, and on gradient and inputs.

Training drives the gradient J^T e/m to zero: residuals are no longer independent of the Jacobian,
and no level that takes them so fits. These keep weights and data as they are and draw the residuals
in all directions that the gradient (level 7), or gradient and inputs (level 8), leave free
(`rmtland.models.ConditionedHessian`). Any depth, loss, bias and weight decay. The law is the mean
spectrum of the draws, and the distance of a single draw to the others is what chance does.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(30, 3, rng=0), MLP((3, 4, 3), bias=True)
>>> measured = MeasuredHessian.of_point(net.at(net.init(rng=1), data.x, data.y))
>>> first, second = conditioned_theories(draws=4, rng=0)
>>> found = first.law(measured)
>>> found.parameters["measured_numbers"], bool(found.chance.value < 0.2)
(32, True)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rmtland.audit.levels import Family, Level, LevelLaw
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.models import ConditionedHessian
from rmtland.networks import LossPoint
from rmtland.streams import Rng, random_generator

__all__ = ["CONDITIONED", "ConditionedTheory", "conditioned_theories"]

CONDITIONED = {
    Level.CONDITIONED_GRADIENT: ("gradient",),
    Level.CONDITIONED_INPUTS: ("gradient", "inputs"),
}
"""What the residuals are conditioned on, by level."""

_FEWEST = 8  # draws that make a law


@dataclass(frozen=True)
class ConditionedTheory:
    """Level 7 or 8.

    Parameters
    ----------
    level : Level
        CONDITIONED_GRADIENT or CONDITIONED_INPUTS.
    draws : int
        Hessians that the law is pooled from.
    seed : int
        From which they are drawn.
    """

    level: Level
    draws: int
    seed: int
    family: Family = Family.CONDITIONED
    _models: list[tuple[LossPoint, ConditionedHessian]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def applies(self, measured: MeasuredHessian) -> str | None:
        """Say why there is no such law, or None.

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
        try:
            self._model(measured)
        except ValueError as error:
            return str(error)
        return None

    def law(self, measured: MeasuredHessian, *, progress: Progress | None = None) -> LevelLaw:
        """Draw Hessians and return their mean spectrum.

        Parameters
        ----------
        measured : MeasuredHessian
            What `applies` has accepted.
        progress : callable, optional
            Called as ``progress(what, done, total)``.

        Returns
        -------
        LevelLaw
            Its error is the chance level over the root of the number of draws.
        """
        if progress is not None:
            progress(f"residuals conditioned, level {self.level.number}", 0, 1)
        model = self._model(measured)
        residuals = model.conditioned
        parameters: dict[str, object] = {
            "on": list(model.on),
            "measured_numbers": model.measured_numbers,
            "free_share": model.free_share,
            "free_share_error": model.free_share_error,
            "nearly_all_measured": model.is_marked,
            "known_energy_share": residuals.known_energy_share,
            "index_deviation": model.index_deviation,
            "draws": self.draws,
        }
        chance = model.chance_level
        error = float(chance.value) / float(self.draws) ** 0.5
        return LevelLaw(model.law, parameters, error, chance=chance)

    def _model(self, measured: MeasuredHessian) -> ConditionedHessian:
        """Return the model; the last one is kept, as `applies` needs what `law` does."""
        point = measured.point
        assert point is not None
        if not self._models or self._models[0][0] is not point:
            on = CONDITIONED[self.level]
            model = ConditionedHessian(point, on, draws=self.draws, seed=self.seed)
            self._models[:] = [(point, model)]
        return self._models[0][1]


def conditioned_theories(
    *, draws: int = _FEWEST, rng: Rng = None
) -> tuple[ConditionedTheory, ConditionedTheory]:
    """Return levels 7 and 8.

    Parameters
    ----------
    draws : int
        Hessians that a law is pooled from; at least 8 are.
    rng : anything `numpy.random.default_rng` takes
        For what is drawn.

    Returns
    -------
    (ConditionedTheory, ConditionedTheory)
    """
    seed = int(random_generator(rng).integers(2**31))
    first, second = (ConditionedTheory(level, max(draws, _FEWEST), seed) for level in CONDITIONED)
    return first, second
