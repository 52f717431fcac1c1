"""Advice on a method from a spectrum: which, with what parameters, and what it gains.

References
----------
.. [1] F. Pedregosa and D. Scieur, Acceleration through spectral density estimation, ICML 2020,
       arXiv:2002.04756.
.. [2] C. Paquette, B. van Merrienboer, E. Paquette and F. Pedregosa, Halting time is predictable
       for large models: a universality property and average-case analysis, Found. Comput. Math. 23
       (2023) 597-673.

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
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice, count
from rmtland.optimizer.average_case import average_case_optimal, best_errors, smeared
from rmtland.optimizer.methods import Chebyshev, GradientDescent, HeavyBall, Method, Nesterov
from rmtland.optimizer.prediction import Prediction, predict
from rmtland.optimizer.start_measure import OBJECTIVES, Source, StartMeasure, start_measure
from rmtland.optimizer.tuning import score, tuned
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Record

__all__ = ["Advice", "Candidate", "advise"]

_KINDS: tuple[type[Method], ...] = (GradientDescent, HeavyBall, Nesterov, Chebyshev)

_MARGINS = (3.0, 5.0, 8.0)
"""Tracy-Widom scales beyond the edges for which methods are designed, the least that is safe."""

_RARE = 1.2
"""Mean over matrices, in parts of its limit, from which on rare matrices are said to make it."""


class Candidate(NamedTuple):
    """A method that was considered.

    Made by `rmtland.optimizer.advise`.

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

    Made by `rmtland.optimizer.advise`.

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
        after = "1 step" if self.steps == 1 else f"{self.steps} steps"
        return (
            f"Use the {self.method.name} method ({last} at step {self.steps}): after {after} "
            f"the {self.prediction.objective} is predicted to be {self._size()} of that at the "
            f"start, {middle:.2f} digits for each digit of tuned gradient descent{spread}. "
            f"Assumed: {'; '.join(self.assumptions)}."
        )

    def _size(self) -> str:
        """Error after the steps, with what is known of its spread."""
        found = self.prediction
        if found.draws is None:
            return f"{found.errors[-1]:.3g}"
        low, high = found.interval()
        text = f"{float(np.median(found.draws[:, -1])):.3g} ({low[-1]:.3g} to {high[-1]:.3g}"
        if found.mean is not None and found.mean_error is not None:
            text += f"; on average {found.mean[-1]:.3g} +- {found.mean_error[-1]:.1g}"
        return text + ")"


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
        Order of the matrices, for a law or a model: all methods are then designed with a margin for
        eigenvalues beyond the edges, and errors and gain have a band over matrices and starts. For
        a spectrum of one row the band is over starts, for one of several over its rows.
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
    TypeError
        If `steps` is no integer.
    """
    size = count("steps", steps)
    choice("objective", objective, tuple(OBJECTIVES))
    start = start_measure(source, degree=2 * size + 3, extrapolate=True)
    best = float(best_errors(source, size, objective=objective)[-1])
    isotropic = not isinstance(source, StartMeasure)
    drawn = isotropic and (dimension is not None or isinstance(source, Spectrum))

    def forecast(method: Method) -> Prediction:
        return predict(
            method,
            source,
            size,
            objective=objective,
            dimension=dimension,
            beta=beta,
            drawn_start=drawn,
            rng=0,
        )

    def safest(make: Callable[[float], Method]) -> Prediction:
        """Return the design of least mean among margins, the first whose mean few do not make."""
        found: Prediction | None = None
        for scales in _MARGINS:
            one = forecast(make(scales))
            if found is None or _end(one) < _end(found):
                found = one
            if one.mean is None or one.mean[-1] < _RARE * one.errors[-1]:
                break
        assert found is not None
        return found

    common: Record = {"objective": objective, "dimension": dimension, "beta": beta}
    made = [
        safest(lambda scales, kind=kind: tuned(kind, source, size, scales=scales, **common))  # type: ignore[misc]
        for kind in _KINDS
        if not (kind is Chebyshev and start.edges[0] == start.edges[1])
    ]
    notes = []
    try:
        made.append(
            safest(lambda scales: average_case_optimal(source, size, scales=scales, **common))
        )
    except ConvergenceError:
        try:
            wide = smeared(source, degree=2 * size + 3)
            made.append(forecast(average_case_optimal(wide, size, objective=objective)))
            notes.append("isolated curvatures are known to 5 %")
        except ConvergenceError:
            notes.append("isolated curvatures leave no stable average-case method")
    ends = [_end(found) for found in made]
    # the simplest of those that are as good as the best: below this an error is rounding
    order = sorted(range(len(made)), key=lambda i: (round(math.log(max(ends[i], 1e-30)), 5), i))
    candidates = tuple(Candidate(made[i].method, ends[i], score(ends[i], best)) for i in order)
    chosen = made[order[0]]
    gain = _gain(source, size, (chosen, made[0]))
    assumptions = ["a quadratic loss", *(["an isotropic start"] if isotropic else []), *notes]
    if dimension is not None:
        assumptions.append(f"matrices of order {dimension} with edges as random matrices have them")
    return Advice(chosen.method, chosen, candidates, gain, size, tuple(assumptions))


def _end(found: Prediction) -> float:
    """Error that counts: the mean over matrices where there is one."""
    return float((found.errors if found.mean is None else found.mean)[-1])


def _gain(
    source: Source, steps: int, pair: tuple[Prediction, Prediction]
) -> tuple[float, float, float]:
    """Ratio of the logarithms of both errors, with its spread over matrices and starts."""
    chosen, descent = pair
    if isinstance(source, Spectrum) and source.nodes.shape[0] > 1:
        ends = np.array([_row_errors(source, row, steps, pair) for row in range(len(source.nodes))])
        ratios = _ratio(ends[:, 0], ends[:, 1])
    elif chosen.draws is not None and descent.draws is not None:
        ratios = _ratio(chosen.draws[:, -1], descent.draws[:, -1])
    else:
        ratios = _ratio(chosen.errors[-1:], descent.errors[-1:])
    low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95], method="nearest")
    return float(low), float(middle), float(high)


def _row_errors(
    source: Spectrum, row: int, steps: int, pair: tuple[Prediction, Prediction]
) -> list[float]:
    """Errors of both methods on one matrix, or one probe, of a spectrum."""
    weights = None if source.weights is None else source.weights[row]
    one = Spectrum(source.nodes[row], weights, dimension=source.dimension)
    return [
        float(predict(found.method, one, steps, objective=found.objective).errors[-1])
        for found in pair
    ]


def _ratio(error: Real, descent: Real) -> Real:
    """Digits for each digit of gradient descent; inf where that gains none, 0 where none does."""
    tiny = np.finfo(float).tiny
    digits, least = (-np.log(np.maximum(one, tiny)) for one in (error, descent))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = digits / least
    return np.where(least > 0, ratio, np.where(digits > 0, np.inf, 0.0))
