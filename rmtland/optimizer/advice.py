"""Advice on a method from a spectrum: which, with what parameters, and what it gains.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> advice = advise(MarchenkoPastur(0.5), steps=20, dimension=2000)
>>> advice.method
AverageCase(20 steps for the loss)
>>> bool(advice.gain[0] < advice.gain[1] < advice.gain[2])
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice, count
from rmtland.optimizer.average_case import average_case_optimal, best_errors, smeared
from rmtland.optimizer.methods import Chebyshev, GradientDescent, HeavyBall, Method, Nesterov
from rmtland.optimizer.prediction import Prediction, predict
from rmtland.optimizer.start_measure import OBJECTIVES, Source, StartMeasure, start_measure
from rmtland.optimizer.tuning import tuned
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["Advice", "Candidate", "advise"]

_KINDS: tuple[type[Method], ...] = (GradientDescent, HeavyBall, Nesterov, Chebyshev)


class Candidate(NamedTuple):
    """A method that was considered.

    Parameters
    ----------
    method : Method
        The method.
    error : float
        Predicted error after the steps, in parts of that at the start.
    score : float
        Digits gained over those that the best possible method gains.
    """

    method: Method
    error: float
    score: float


@dataclass(frozen=True)
class Advice:
    """What to use on these curvatures; prints as a short paragraph.

    Parameters
    ----------
    method : Method
        The method advised, with its parameters.
    prediction : Prediction
        Its errors.
    candidates : tuple of Candidate
        All that were considered, best first.
    gain : (float, float, float)
        Digits gained for each digit of tuned gradient descent: low, middle, high.
    steps : int
        When the error counts.
    assumptions : tuple of str
        What the prediction takes for granted.
    """

    method: Method
    prediction: Prediction
    candidates: tuple[Candidate, ...]
    gain: tuple[float, float, float]
    steps: int
    assumptions: tuple[str, ...]

    def __str__(self) -> str:
        low, middle, high = self.gain
        spread = f" (90 % of cases: {low:.2f} to {high:.2f})" if low < high else ""
        step, momentum, _ = self.method.coefficients(self.steps)
        last = f"step {step[-1]:.4g}, momentum {momentum[-1]:.3g}"
        return (
            f"Use the {self.method.name} method ({last} at step {self.steps}): after {self.steps} "
            f"steps the {self.prediction.objective} is predicted to be "
            f"{self.prediction.errors[-1]:.3g} of that at the start, {middle:.2f} digits for each "
            f"digit of tuned gradient descent{spread}. Assumed: {'; '.join(self.assumptions)}."
        )


def advise(
    source: Source,
    *,
    steps: int = 20,
    objective: str = "loss",
    dimension: int | None = None,
    beta: int = 1,
) -> Advice:
    """Say which first-order method these curvatures ask for, and what it gains.

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures, or the measure of a known start (`gradient_measure`).
    steps : int, optional
        When the error counts.
    objective : {"distance", "loss", "gradient"}, optional
        Which error.
    dimension : int, optional
        Order of the matrices, for a law or a model: the average-case method is then designed with
        a margin for eigenvalues beyond the edges, and the gain has a band.
    beta : {1, 2}, optional
        Real or complex matrices.

    Returns
    -------
    Advice
        The method of least predicted error (by the mean over matrices where there is one) among
        gradient descent, heavy ball, Nesterov and Chebyshev, each tuned, and the average-case
        optimal one.

    Raises
    ------
    ValueError
        If there are negative curvatures or none above 0, or arguments do not fit together.
    """
    size = count("steps", steps)
    choice("objective", objective, tuple(OBJECTIVES))
    start = start_measure(source, degree=2 * size + 3)
    methods: list[Method] = []
    for kind in _KINDS:
        if kind is Chebyshev and start.edges[0] == start.edges[1]:
            continue
        methods.append(tuned(kind, start, size, objective=objective))
    notes = []
    try:
        methods.append(
            average_case_optimal(source, size, objective=objective, dimension=dimension, beta=beta)
        )
    except ConvergenceError:
        try:
            wide = smeared(source, degree=2 * size + 3)
            methods.append(average_case_optimal(wide, size, objective=objective))
            notes.append("isolated curvatures are known to 5 %")
        except ConvergenceError:
            notes.append("isolated curvatures leave no stable average-case method")
    best = float(best_errors(start, size, objective=objective)[-1])
    made = [
        predict(method, source, size, objective=objective, dimension=dimension, beta=beta)
        for method in methods
    ]
    ends = [float((found.errors if found.mean is None else found.mean)[-1]) for found in made]
    order = sorted(range(len(methods)), key=lambda i: ends[i])
    candidates = tuple(Candidate(methods[i], ends[i], _score(ends[i], best)) for i in order)
    chosen, descent = order[0], 0
    gain = _gain(source, size, (made[chosen], made[descent]))
    isotropic = not isinstance(source, StartMeasure)
    assumptions = ["a quadratic loss", *(["an isotropic start"] if isotropic else []), *notes]
    if dimension is not None:
        assumptions.append(f"matrices of order {dimension} with edges as random matrices have them")
    return Advice(methods[chosen], made[chosen], candidates, gain, size, tuple(assumptions))


def _score(error: float, best: float) -> float:
    if best >= 1:
        return 1.0
    if best <= 0 or error <= 0:
        return 1.0 if error <= best else 0.0
    return float(np.clip(math.log(error) / math.log(best), 0.0, 1.0))


def _gain(
    source: Source, steps: int, pair: tuple[Prediction, Prediction]
) -> tuple[float, float, float]:
    """Ratio of the logarithms of both errors, with its spread over matrices or over probes."""
    chosen, descent = pair
    middle = _ratio(chosen.errors[-1], descent.errors[-1])
    if chosen.draws is not None and descent.draws is not None:
        ratios = _ratio(chosen.draws[:, -1], descent.draws[:, -1])
    elif isinstance(source, Spectrum) and source.nodes.shape[0] > 1:
        rows = []
        for row in range(source.nodes.shape[0]):
            one = Spectrum(
                source.nodes[row],
                None if source.weights is None else source.weights[row],
                dimension=source.dimension,
            )
            ends = [
                predict(found.method, one, steps, objective=found.objective).errors[-1]
                for found in pair
            ]
            rows.append(_ratio(*ends))
        ratios = np.array(rows)
    else:
        return float(middle), float(middle), float(middle)
    low, high = np.quantile(ratios, [0.05, 0.95])
    return min(float(low), float(middle)), float(middle), max(float(high), float(middle))


def _ratio(error: Real | float, descent: Real | float) -> Real:
    tiny = np.finfo(float).tiny
    top = np.log(np.maximum(error, tiny))
    return np.asarray(top / np.minimum(np.log(np.maximum(descent, tiny)), -1e-300))
