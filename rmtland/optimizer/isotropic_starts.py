r"""Halting times from a law alone: where the parameters of a minimum are moved by iid noise.

A law of curvatures says how many there are, not how a start is spread over them. It suffices where
the start is isotropic: at interpolation, the loss zero, with parameters moved by
:math:`\sigma \xi`, :math:`\xi \sim N(0, I_p)`. There

.. math:: L_t = \frac{\sigma^2}{2} \sum_i \lambda_i P_t(\lambda_i)^2 \xi_i^2 .

A node of weight w of the law stands for p w curvatures, and carries a sum of as many squares: the
halting time is drawn with these. Looks at the network come first, and refuse the prediction where
the start would be no isotropic one of a quadratic loss with those curvatures: the loss at the point
itself must be small, the quadratic model at points moved by that noise
:math:`\sigma^2 \operatorname{tr} H/2` on average, and the loss there that of the model.

References
----------
.. [1] C. Paquette, B. van Merrienboer, E. Paquette and F. Pedregosa, Halting time is predictable
       for large models: a universality property and average-case analysis, Found. Comput. Math. 23
       (2023) 597-673.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP, gaussian, train
>>> from rmtland.optimizer import GradientDescent
>>> from rmtland.spectrum import Spectrum
>>> data, net = gaussian(8, 6, rng=0), MLP((6, 20, 6), parametrisation="ntk")
>>> end = train(net, net.init(rng=1), data.x, data.y, energy=1e-12)
>>> point = net.at(end.theta, data.x, data.y)
>>> curvatures = Spectrum(np.linalg.eigvalsh(point.hessian("gauss_newton")).clip(0.0))
>>> method = GradientDescent(1 / curvatures.nodes.max())
>>> found = isotropic_halting_time(point, method, curvatures, scale=1e-3, rng=0)
>>> found.low <= found.steps <= found.high
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.adapters import TorchOperator
from rmtland.arguments import count, finite, positive
from rmtland.networks import LossPoint
from rmtland.optimizer.halting_times import steps_to_fall
from rmtland.optimizer.loss_model import loss_model
from rmtland.optimizer.methods import Method, checked_method
from rmtland.optimizer.start_measure import Source, StartMeasure, start_measure
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.typing import Rng

__all__ = ["IsotropicHalting", "isotropic_halting_time"]

_DEGREE = 400
"""Nodes in each panel of a law: a descent of many steps resolves its lower edge."""

_RESIDUE = 0.1
"""Largest loss at the point, in parts of the loss to be reached."""

_OFF = 0.25
"""Largest relative distance of losses from the quadratic model, and of that from the law."""

_CERTAIN = 4.0
"""Standard errors of the mean of the quadratic model that fit into that distance."""


@dataclass(frozen=True)
class IsotropicHalting:
    """Predicted number of steps back to a minimum.

    Made by `rmtland.optimizer.isotropic_halting_time`.

    Parameters
    ----------
    method : Method
        The method.
    fraction : float
        To what part of the first loss.
    steps : float
        Median over starts.
    low, high : float
        5 and 95 % of the starts lie below.
    mean, deviation : float
        Mean and standard deviation over starts.
    bend : float
        How far the loss of moved points is off its quadratic model, a mean of relative distances.
    """

    method: Method
    fraction: float
    steps: float
    low: float
    high: float
    mean: float
    deviation: float
    bend: float

    def __str__(self) -> str:
        return (
            f"{self.method.name}: from random starts the loss is at {self.fraction:g} of the first "
            f"after {self.mean:.1f} +- {self.deviation:.1f} steps"
        )


def isotropic_halting_time(
    point: LossPoint | TorchOperator,
    method: Method,
    curvatures: Source,
    *,
    scale: float,
    fraction: float = 0.01,
    draws: int = 200,
    looks: int = 8,
    max_steps: int = 1_000_000,
    rng: Rng = None,
) -> IsotropicHalting:
    """Predict from a law how long a perturbed minimum takes to lose its loss again.

    Parameters
    ----------
    point : LossPoint or TorchOperator
        A point at interpolation: of a network (`MLP.at`), or by `rmtland.adapters.from_torch`.
    method : Method
        The method.
    curvatures : Law, SpectralModel or Spectrum
        Of the Hessian, all p of it: where the parameters are more than the residuals, with an atom
        at 0.
    scale : float
        Standard deviation of the noise on each parameter.
    fraction : float, optional
        Fall to this part of the first loss.
    draws : int, optional
        Starts that are drawn, at least 2.
    looks : int, optional
        Moved points at which the loss is looked at. The quadratic model is looked at, by a product
        each, at as many more as its mean takes to be told from another law's: some hundreds where
        one curvature makes nearly all of it.
    max_steps : int, optional
        Look no further.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    IsotropicHalting
        Median, band, mean and deviation over starts.

    Raises
    ------
    ValueError
        Where a law alone predicts nothing, with the reason: the loss at the point is not small
        beside the one to be reached, the curvatures are not those about it, or the noise leaves the
        region where the loss is quadratic.
    ConvergenceError
        If the loss does not fall so far within the steps.
    TypeError
        If the curvatures are the measure of a known start, or a number is of another type.
    """
    size, share = positive("scale", scale), finite("fraction", fraction)
    if not 0 < share < 1:
        raise ValueError(f"fraction must be between 0 and 1; got {fraction}")
    if not size < 1e150:
        raise ValueError(f"scale must have a square that is a number; got {size:g}")
    count("draws", draws, min_value=2)  # one has no deviation
    max_steps = count("max_steps", max_steps)
    checked_method(method)
    if isinstance(curvatures, StartMeasure):
        raise TypeError(
            "the measure of a known start needs no isotropy: predict from it (halting_time); "
            "curvatures are a Law, a model with one, or a Spectrum"
        )
    generator = random_generator(rng)
    degree = 1 if isinstance(curvatures, Spectrum) else 2 * _DEGREE
    start = start_measure(curvatures, degree=degree)
    nodes, masses = start.nodes, start.weights / start.weights.sum()
    model_of = loss_model(point)
    theta, loss, product = model_of.theta, model_of.loss, model_of.gauss_newton.matvec
    expected = 0.5 * size**2 * theta.size * float(masses @ nodes)
    here = loss(theta)
    if here > _RESIDUE * share * expected:
        raise ValueError(
            f"the loss at the point, {here:.3g}, is not small beside the {share * expected:.3g} to "
            f"be reached from iid noise of deviation {size:g}: the start is made by the residuals "
            "there, not by the noise, and these are aligned with the curvatures, which a law does "
            "not know; train to interpolation first, or measure the start (halting_time)"
        )
    noise = size * generator.standard_normal((count("looks", looks), theta.size))
    model = [0.5 * float(row @ product(row)) for row in noise]
    relative = nodes / nodes[-1]
    spread = 2 * float(masses @ relative**2) / float(masses @ relative) ** 2 / theta.size
    further = range(looks, math.ceil(spread * (_CERTAIN / _OFF) ** 2))
    more = (size * generator.standard_normal(theta.size) for _ in further)
    ratio = float(np.mean(model + [0.5 * float(row @ product(row)) for row in more])) / expected
    if not abs(ratio - 1) <= _OFF:
        raise ValueError(
            f"about the point, iid noise of deviation {size:g} makes {ratio:.3g} times the loss "
            f"{expected:.3g} that these curvatures give: they are of another matrix or scale"
        )
    bend = float(
        np.mean([abs(loss(theta + row) / to - 1) for row, to in zip(noise, model, strict=True)])
    )
    if not bend <= _OFF:
        raise ValueError(
            f"iid noise of deviation {size:g} leaves the region where the loss is quadratic: moved "
            f"by it, the loss is off its quadratic model by {bend:.3g} of it; take a smaller scale"
        )
    squares = 2 * generator.gamma(
        np.maximum(theta.size * masses / 2, 1e-12), size=(draws, nodes.size)
    )
    found = []
    for row in squares:
        steps = steps_to_fall(method, nodes, row * nodes, share, max_steps=max_steps)
        if steps is None:
            raise ConvergenceError(
                f"{method} does not bring the loss to {share:g} of the first within {max_steps} "
                "steps: take a stable step, more steps, or a larger fraction"
            )
        found.append(steps)
    times = np.array(found, dtype=float)
    low, middle, high = (float(q) for q in np.quantile(times, [0.05, 0.5, 0.95]))
    return IsotropicHalting(
        method, share, middle, low, high, float(times.mean()), float(times.std(ddof=1)), bend
    )
