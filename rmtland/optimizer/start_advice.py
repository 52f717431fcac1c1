r"""Advice at a point of a network or a model, from the measure of its own gradient, and its proof.

The loss about a point is taken as quadratic, with the Gauss-Newton matrix. k steps of Lanczos from
the gradient there know the loss of every method after fewer steps than k,

.. math:: L_t = L_0 - \tfrac12 \int \frac{1 - P_t(\lambda)^2}{\lambda} \, d\mu_g(\lambda) ,

exactly: the integrand is a polynomial. So the predictions are those of the quadratic model itself,
without a law and without an assumption on the start; what is left to differ is the loss, which is
not quadratic. `advise_start` runs the methods on the true loss too, and advises the one that ends
lowest there: the best one of the quadratic model, made for this very start, bears the least change.

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       University Press 2010.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(30, 6, rng=0), MLP((6, 60, 6), parametrisation="ntk")
>>> found = advise_start(net.at(net.init(rng=1), data.x, data.y), steps=5)
>>> bool(found.curves[0].measured[-1] == min(curve.measured[-1] for curve in found.curves))
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import count
from rmtland.optimizer.advice import advise
from rmtland.optimizer.average_case import best_errors
from rmtland.optimizer.gradient_measure import gradient_measure
from rmtland.optimizer.loss_model import LossModel, loss_model
from rmtland.optimizer.methods import GradientDescent, Method
from rmtland.optimizer.preconditioning import Preconditioner
from rmtland.optimizer.prediction import predict
from rmtland.optimizer.start_measure import StartMeasure
from rmtland.typing import Real

if TYPE_CHECKING:
    from rmtland.adapters import TorchOperator
    from rmtland.networks import LossPoint

__all__ = ["LossCurve", "StartAdvice", "advise_start", "run_method"]


_HALVINGS = 30
"""How often a step is halved that goes up."""


@dataclass(frozen=True)
class LossCurve:
    """Loss of a method from a start.

    Made by `rmtland.optimizer.advise_start`.

    Parameters
    ----------
    method : Method
        The method, with its parameters.
    predicted : ndarray of float, shape (steps + 1,)
        By the quadratic model at the start.
    measured : ndarray of float, shape (steps + 1,), or None
        On the true loss; inf from where it overflows.
    """

    method: Method
    predicted: Real = field(repr=False)
    measured: Real | None = field(repr=False)


@dataclass(frozen=True)
class StartAdvice:
    """Which method to use from a point; prints as a short paragraph.

    Made by `rmtland.optimizer.advise_start`.

    Parameters
    ----------
    curves : tuple of LossCurve
        Of the methods considered: least loss at the end first, the measured one where there is one.
    loss : float
        Loss at the start.
    best : ndarray of float, shape (steps + 1,)
        Least loss of the quadratic model that steps along gradients can reach: conjugate gradients.
    steps : int
        When the loss counts.
    products : int
        Products that the measure took.
    measure : StartMeasure
        Measure of the gradient over the curvatures.
    """

    curves: tuple[LossCurve, ...]
    loss: float
    best: Real = field(repr=False)
    steps: int
    products: int
    measure: StartMeasure = field(repr=False)

    @property
    def method(self) -> Method:
        """The method advised."""
        return self.curves[0].method

    def __str__(self) -> str:
        first = self.curves[0]
        descents = [c for c in self.curves if isinstance(c.method, GradientDescent)]
        descent = min(descents, key=lambda c: float(c.predicted[-1]))
        beside = f"; with tuned gradient descent {descent.predicted[-1]:.4g}{_and(descent)}"
        step, momentum, _ = self.method.coefficients(self.steps)
        after = "1 step" if self.steps == 1 else f"{self.steps} steps"
        tried = "" if first.measured is None else ", and each method tried on the true loss"
        return (
            f"Use the {self.method.name} method (step {step[-1]:.4g}, momentum {momentum[-1]:.3g} "
            f"at step {self.steps}): after {after} the loss, {self.loss:.4g} at the start, is "
            f"predicted to be {first.predicted[-1]:.4g}{_and(first)}"
            f"{'' if first is descent else beside}. On the quadratic model at the start, "
            f"which the predictions are for, no method does better than {self.best[-1]:.4g}. "
            f"{self.products} products{tried}."
        )


def _and(curve: LossCurve) -> str:
    if curve.measured is None:
        return ""
    end = curve.measured[-1]
    return f" ({end:.4g} on the true loss)" if math.isfinite(end) else " (and diverged in truth)"


def advise_start(
    point: LossPoint | TorchOperator,
    *,
    steps: int = 20,
    measure: bool = True,
    preconditioner: Preconditioner | None = None,
) -> StartAdvice:
    r"""Say which first-order method a point asks for, and try it.

    .. formula:: Loss of a method by the measure of the gradient, :math:`L_0 - \frac12 \int (1 -
        P_t^2)/\lambda \, d\mu_g`

    Parameters
    ----------
    point : LossPoint or TorchOperator
        A point of a network (`MLP.at`), or an operator by `rmtland.adapters.from_torch`.
    steps : int, optional
        When the loss counts.
    measure : bool, optional
        Run each method on the true loss as well: `steps` gradients and losses for each.
    preconditioner : DiagonalPreconditioner or KroneckerPreconditioner, optional
        P: all methods take steps along P^-1 g.

    Returns
    -------
    StartAdvice
        The methods, tuned for this start, with predicted and measured losses; where all of them end
        above it, gradient descent too whose step is halved until it goes down.

    Raises
    ------
    ValueError
        If the gradient is zero, or a number is out of its range.
    TypeError
        If the point is neither.

    References
    ----------
    .. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
           University Press 2010, chapter 6.
    """
    size = count("steps", steps)
    model = loss_model(point)
    if preconditioner is not None:
        model = model.in_coordinates(preconditioner)
    loss = model.loss(model.theta)
    # a design for t steps needs the moments of t + 2
    found = gradient_measure(model.gauss_newton, model.gradient(model.theta), size + 2)
    fall = found.gauss.initial("loss") / 2
    advice = advise(found.gauss, steps=size)

    def curve(method: Method) -> LossCurve:
        errors = predict(method, found.gauss, size).errors
        with np.errstate(over="ignore"):
            predicted = loss - fall * (1 - errors)
        return LossCurve(method, predicted, run_method(method, model, size) if measure else None)

    curves = [curve(candidate.method) for candidate in advice.candidates]
    step = 1 / found.gauss.edges[1]
    for _ in range(_HALVINGS):
        curves.sort(key=_end)
        if _end(curves[0]) < loss:
            break
        curves.append(curve(GradientDescent(step)))
        step /= 2
    best = loss - fall * (1 - best_errors(found.gauss, size))
    return StartAdvice(tuple(curves), loss, best, size, found.steps, found.gauss)


def _end(curve: LossCurve) -> float:
    """Loss that counts: the measured one where there is one."""
    return float((curve.predicted if curve.measured is None else curve.measured)[-1])


def run_method(method: Method, model: LossModel, steps: int) -> Real:
    """Take plain steps on a loss, without a safeguard.

    Parameters
    ----------
    method : Method
        The method.
    model : LossModel
        The loss and the start.
    steps : int
        Number of steps.

    Returns
    -------
    ndarray of float, shape (steps + 1,)
        Losses of the iterates, inf from where one overflows.
    """
    step, momentum, ahead = method.coefficients(count("steps", steps, min_value=0))
    x = before = model.theta
    losses = np.full(step.size + 1, np.inf)
    losses[0] = model.loss(x)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(step.size):
            y = x + ahead[t] * (x - before)
            try:
                x, before = x + momentum[t] * (x - before) - step[t] * model.gradient(y), x
                value = model.loss(x)
            except ValueError:  # an overflow of the network
                break
            if not math.isfinite(value):
                break
            losses[t + 1] = value
    return losses
