r"""Curves whose loss is lowered along their whole length (Garipov et al., NeurIPS 2018).

The inner control points n_j of a polygon or Bezier curve are moved down

.. math:: \Phi(n) = E_t\, L(\theta(t)), \qquad
          \frac{\partial \Phi}{\partial n_j} = E_t\, w_j(t)\, \nabla L(\theta(t)) ,

with t uniform. Each step takes one t in each of some strata of [0, 1], so that no part of the curve
is forgotten; Adam takes the steps, with a step size that falls to zero.

References
----------
.. [1] T. Garipov, P. Izmailov, D. Podoprikhin, D. Vetrov and A. G. Wilson, Loss surfaces, mode
       connectivity, and fast ensembling of DNNs, NeurIPS 2018.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.connectivity import Bezier, profile
>>> from rmtland.landscape.surface import FunctionSurface
>>> def ring(t):
...     excess = t @ t - 1.0
...     return float(excess**2), 4.0 * excess * t
>>> surface = FunctionSurface(2, ring)
>>> start = Bezier([[-1.0, 0.0], [0.0, 0.1], [1.0, 0.0]])
>>> found = trained_curve(surface, start, steps=400, step_size=0.05, rng=0)
>>> profile(surface, found).barrier < 0.1 * profile(surface, start).barrier
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from rmtland.arguments import callable_or_none, count, length, nonnegative, positive
from rmtland.landscape.connectivity.curves import Curve, curve_on
from rmtland.landscape.surface import LossSurface
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["trained_curve"]

_FAR = 1e100
"""Gradients that grow so much are measured in a new unit, so that their squares are numbers."""

AnyCurve = TypeVar("AnyCurve", bound=Curve)


def trained_curve(
    surface: LossSurface,
    start: AnyCurve,
    *,
    steps: int = 1500,
    step_size: float = 0.03,
    strata: int = 6,
    jitter: float = 1e-3,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> AnyCurve:
    r"""Lower the mean loss along a curve; its ends stay, and Ctrl-C keeps what is there.

    .. formula:: Curves of low loss, :math:`\min_n E_t L(\theta_n(t))`

    Parameters
    ----------
    surface : LossSurface
        The loss.
    start : Curve
        With at least one inner control point.
    steps : int, optional
        Of Adam.
    step_size : float, optional
        Of Adam; falls to zero by half a cosine.
    strata : int, optional
        Points of the curve in each step.
    jitter : float, optional
        Inner control points start off the curve by so much of the distance of the ends, in a random
        direction: a straight curve may lie in a plane of symmetry, which no gradient leaves.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    Curve
        Of the same kind; `is_whole` is False after Ctrl-C.

    Raises
    ------
    ValueError
        For a curve without inner control points or of another size, or numbers that are not
        positive.
    TypeError
        If the surface or the curve is none, `step_size` or `jitter` is no real number, `steps` or
        `strata` is no integer, or `progress` cannot be called.
    """
    curve_on(surface, "start", start)
    callable_or_none("progress", progress)
    if len(start.nodes) < 3:
        raise ValueError("there is nothing to train: the curve has no inner control point")
    number, many = count("steps", steps), length("strata", strata)
    first = positive("step_size", step_size)
    generator = random_generator(rng)
    curve = type(start)(start.nodes)
    inner = curve.nodes[1:-1]
    size = float(np.linalg.norm(curve.nodes[-1] - curve.nodes[0])) / np.sqrt(surface.size)
    inner += nonnegative("jitter", jitter) * size * generator.standard_normal(inner.shape)
    mean, square, unit = np.zeros_like(inner), np.zeros_like(inner), 0.0
    curve.is_whole = False
    try:
        for step in range(1, number + 1):
            t = (np.arange(many) + generator.random(many)) / many
            gradient = _gradient(surface, curve, t)
            largest = float(np.abs(gradient).max())
            unit = unit or largest  # of the loss: Adam does not depend on it
            if largest / _FAR > unit:  # squares would overflow: what came before was nothing
                mean, square, unit = mean * (unit / largest), np.zeros_like(square), largest
            if unit:
                gradient /= unit
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            rate = 0.5 * first * (1.0 + np.cos(np.pi * (step - 1) / number))
            scaled = np.sqrt(square / (1.0 - 0.999**step)) + 1e-12
            inner -= rate * (mean / (1.0 - 0.9**step)) / scaled
            curve.is_whole = step == number
            if progress is not None:
                progress(step / number)
    except KeyboardInterrupt:
        pass
    return curve


def _gradient(surface: LossSurface, curve: Curve, t: Real) -> Real:
    """Return the derivative of the mean loss at some t in the inner control points."""
    weights = curve.weights(t)
    slopes = np.array([surface.gradient(theta) for theta in weights @ curve.nodes])
    mean: Real = weights[:, 1:-1].T @ slopes / len(t)
    return mean
