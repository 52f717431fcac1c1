r"""Tuned parameters, the margin for finite matrices, and the score of a method.

`tuned` finds the parameters of least predicted error after a number of steps, which is what a
careful user reaches by trial. The score of a method,

.. math:: C_T = \frac{\ln E_{\text{method}}(T)}{\ln E_{\text{best}}(T)},

clipped to [0, 1], compares the digits that a method gains in T steps with those that the best
possible one gains; it does not depend on scale.

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
>>> from rmtland.optimizer.methods import GradientDescent
>>> largest_stable_step(MarchenkoPastur(0.25))
0.8888888888888888
>>> method = tuned(GradientDescent, MarchenkoPastur(0.25), 20)
>>> round(compatibility(method, MarchenkoPastur(0.25), 20), 2)
0.5
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from rmtland.arguments import count, nonnegative
from rmtland.ensembles.krylov_quadrature import measure_jacobi, quadrature
from rmtland.laws import Law, SpectralModel
from rmtland.optimizer.average_case import best_errors
from rmtland.optimizer.edge_fluctuations import design_measure
from rmtland.optimizer.methods import Chebyshev, GradientDescent, HeavyBall, Method, Nesterov
from rmtland.optimizer.prediction import predict
from rmtland.optimizer.start_measure import Source, StartMeasure, start_measure

__all__ = ["compatibility", "largest_stable_step", "score", "tuned"]


def largest_stable_step(source: Source, *, momentum: float = 0.0) -> float:
    r"""Return the step beyond which gradient descent, or the heavy ball, diverges.

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures.
    momentum : float, optional
        Of the heavy ball.

    Returns
    -------
    float
        :math:`2 (1 + m)/\lambda_{\max}`.

    Raises
    ------
    ValueError
        As for `start_measure`, or if the momentum is not in [0, 1).
    TypeError
        If `momentum` is no real number.
    """
    if not 0 <= nonnegative("momentum", momentum) < 1:
        raise ValueError(f"momentum must be below 1; got {momentum}")
    law = source.law if isinstance(source, SpectralModel) else source
    high = start_measure(source, degree=1, extrapolate=True).edges[1]
    if isinstance(law, Law):
        high = law.hull[1]  # no node of a quadrature is at the edge
    return 2 * (1 + momentum) / high


def tuned(
    kind: type[Method],
    source: Source,
    steps: int,
    *,
    objective: str = "loss",
    dimension: int | None = None,
    scales: float = 3.0,
    beta: int = 1,
) -> Method:
    """Return the parameters of least predicted error after `steps` steps.

    Parameters
    ----------
    kind : {GradientDescent, HeavyBall, Nesterov, Chebyshev}
        Class of the method.
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures, or the measure of a known start.
    steps : int
        When the error counts.
    objective : {"distance", "loss", "gradient"}, optional
        Which error.
    dimension : int, optional
        Order of the matrices, for a law or a model: tuned with the margin of
        `average_case_optimal`.
    scales, beta : float, {1, 2}, optional
        How wide that margin is, in Tracy-Widom scales; real or complex matrices.

    Returns
    -------
    Method
        Of that class. Chebyshev's has its interval tuned.

    Raises
    ------
    ValueError
        As for `start_measure`.
    TypeError
        For another class.
    """
    size = count("steps", steps)
    start = design_measure(
        source,
        degree=2 * size + 3,
        dimension=dimension,
        scales=scales,
        beta=beta,
        extrapolate=True,
    )
    low, high = start.edges
    start = _compressed(start, size)
    if low == high:
        return _solved(kind, high)

    def error(method: Method) -> float:
        last = float(predict(method, start, size, objective=objective).errors[-1])
        return math.log(last) if 0 < last < math.inf else (-745.0 if last == 0 else 745.0)

    make, guesses = _parameters(kind, low, high)
    best: tuple[float, Method] | None = None
    for guess in guesses:
        found = minimize(
            lambda x: error(make(x)),
            guess,
            method="Nelder-Mead",
            options={"xatol": 1e-5, "fatol": 1e-6, "maxiter": 400},
        )
        if best is None or found.fun < best[0]:
            best = float(found.fun), make(found.x)
    assert best is not None
    return best[1]


def compatibility(method: Method, source: Source, steps: int, *, objective: str = "loss") -> float:
    """Return the score of a method on these curvatures: 1 for the best possible, 0 for none.

    Parameters
    ----------
    method : Method
        The method.
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures.
    steps : int
        T.
    objective : {"distance", "loss", "gradient"}, optional
        Which error.

    Returns
    -------
    float
        ln E_method(T)/ln E_best(T), clipped to [0, 1].

    Raises
    ------
    ValueError
        As for `start_measure`.
    TypeError
        If `steps` is no integer.
    """
    size = count("steps", steps)
    best = float(best_errors(source, size, objective=objective)[-1])
    return score(float(predict(method, source, size, objective=objective).errors[-1]), best)


def score(error: float, best: float) -> float:
    """Digits gained over those that the best method gains.

    Parameters
    ----------
    error, best : float
        Errors in parts of that at the start.

    Returns
    -------
    float
        ln error/ln best, clipped to [0, 1]; 1 where nothing can be gained.
    """
    if best >= 1 or error <= best:
        return 1.0
    if best <= 0:
        return 0.0
    return float(np.clip(math.log(error) / math.log(best), 0.0, 1.0))


def _compressed(start: StartMeasure, steps: int) -> StartMeasure:
    """Gauss quadrature that integrates what the steps need, of a measure of many points."""
    if start.power or start.nodes.size <= 8 * (steps + 8):
        return start
    top, mass = float(start.nodes[-1]), float(start.weights.sum())
    jacobi = measure_jacobi(start.nodes / top, start.weights / mass, steps + 4)
    nodes, weights = (row[0] for row in quadrature(jacobi[0][None], jacobi[1][None]))
    keep = weights > 0
    return StartMeasure(np.maximum(nodes[keep], 0.0) * top, weights[keep] * mass)


def _solved(kind: type[Method], curvature: float) -> Method:
    """One curvature: one step of size 1/lambda ends it."""
    if kind is GradientDescent:
        return GradientDescent(1 / curvature)
    if kind is HeavyBall:
        return HeavyBall(1 / curvature, 0.0)
    if kind is Nesterov:
        return Nesterov(1 / curvature, 0.0)
    if kind is Chebyshev:
        raise ValueError("Chebyshev's method needs an interval; there is one curvature only")
    raise TypeError(f"there is nothing to tune in {kind.__name__}")


def _parameters(
    kind: type[Method], low: float, high: float
) -> tuple[Callable[[np.ndarray], Method], list[list[float]]]:
    """How a vector of free numbers makes a method, and where to start."""

    def positive_of(u: float) -> float:
        return math.exp(min(max(u, -80.0), 80.0))

    def below_one(u: float) -> float:
        return 1 / (1 + positive_of(-u))

    def back(share: float) -> float:
        share = min(max(share, 1e-3), 1 - 1e-3)
        return math.log(share / (1 - share))

    root = (math.sqrt(high) - math.sqrt(low)) / (math.sqrt(high) + math.sqrt(low))
    if kind is GradientDescent:
        return (
            lambda x: GradientDescent(positive_of(x[0]) / high),
            [[math.log(1.0)], [math.log(1.9)]],
        )
    if kind is HeavyBall:
        return (
            lambda x: HeavyBall(positive_of(x[0]) / high, min(below_one(x[1]), 1 - 1e-12)),
            [[math.log(1 + root**2), back(root**2)], [0.0, back(0.5)]],
        )
    if kind is Nesterov:
        return (
            lambda x: Nesterov(positive_of(x[0]) / high, min(below_one(x[1]), 1 - 1e-12)),
            [[0.0, back(root)], [0.0, back(0.5)]],
        )
    if kind is Chebyshev:

        def interval(x: np.ndarray) -> Chebyshev:
            top = high * positive_of(x[1])
            return Chebyshev(top * below_one(x[0]), top * (1 + 1e-12))

        return interval, [[back(max(low / high, 1e-3)), 0.0], [back(0.1), 0.0]]
    raise TypeError(f"there is nothing to tune in {getattr(kind, '__name__', kind)}")
