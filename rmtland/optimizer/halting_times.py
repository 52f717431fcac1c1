r"""Halting times: after how many steps a loss has fallen to a part of the first one.

On a quadratic loss, and so on that of a linearised network, the fall depends on how the start is
spread over the curvatures. A law of curvatures alone does not know that: of residuals of real data
the largest part lies along the largest curvatures. Here it is measured, by k steps of Lanczos from
the gradient :math:`g` at the start. With the loss :math:`L_0` there, which cannot fall below 0, the
measure :math:`\lambda \mu`, of which every loss is an integral, has the mass :math:`2 L_0`. Its
Gauss and Gauss-Radau quadratures (node at 0: weights :math:`w_j/\theta_j` of the Gauss quadrature
of g, and the rest at 0) bracket the loss of gradient descent of step at most
:math:`1/\lambda_{\max}` after any number of steps [1]_, and so the halting time. The rest at 0,
over :math:`2 L_0`, is the loss that k steps of conjugate gradients would leave.

A start at a random distance from a minimum is another matter: at interpolation, a network whose
parameters are moved by iid noise has an isotropic start, and the law predicts the fall
(`isotropic_halting_time`). Anywhere else that is refused.

Synonyms: iteration complexity, hitting time, number of iterations to a tolerance.

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       University Press 2010, chapter 6.
.. [2] C. Paquette, B. van Merrienboer, E. Paquette and F. Pedregosa, Halting time is predictable
       for large models: a universality property and average-case analysis, Found. Comput. Math. 23
       (2023) 597-673.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 10, rng=0), MLP((10, 40, 10), parametrisation="ntk")
>>> found = halting_time(net.at(net.init(rng=1), data.x, data.y), fraction=0.1)
>>> found.low <= found.steps <= found.high, found.is_bracket
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rmtland.adapters import TorchOperator
from rmtland.arguments import callable_or_none, choice, count, finite, float_array, positive
from rmtland.arrays import to_numpy
from rmtland.ensembles.krylov_quadrature import measure_jacobi, quadrature
from rmtland.estimate import symmetric_operator
from rmtland.estimate.lanczos import Lanczos, Tridiagonal
from rmtland.estimate.radau import canonical_quadrature, gauss
from rmtland.networks import LossPoint
from rmtland.optimizer.methods import GradientDescent, Method, checked_method
from rmtland.solution import ConvergenceError
from rmtland.typing import ArrayLike, Operator, Real

__all__ = ["HaltingTime", "halting_time", "steps_to_fall"]

_ZERO = 1e-12
"""Ritz values up to this part of the largest are rounding of zeros."""

_LEAST = 4096
"""Least fraction, in units of rounding."""


@dataclass(frozen=True)
class HaltingTime:
    """Predicted number of steps to a fall.

    Made by `rmtland.optimizer.halting_time`.

    Parameters
    ----------
    method : Method
        The method.
    objective : {"loss", "gradient"}
        What falls: the loss, or the squared gradient.
    fraction : float
        To what part of the first value.
    steps : int
        Geometric mean of the ends.
    low, high : int
        By the Gauss and by the Gauss-Radau quadrature. They are bounds where `is_bracket`; else
        their distance says how far they are from being settled.
    is_bracket : bool
        Whether the true number of steps on the quadratic loss lies between them: for gradient
        descent with no step beyond 1/lambda_max, or where the measure is exact.
    products : int
        Products spent by Lanczos.
    conjugate_gradients : int or None
        Steps that conjugate gradients would take to that loss; for the loss only.
    nodes, weights : ndarray of float, shape (n,)
        Gauss-Radau quadrature that was reached, with what cannot be told from 0 there.
    """

    method: Method
    objective: str
    fraction: float
    steps: int
    low: int
    high: int
    is_bracket: bool
    products: int
    conjugate_gradients: int | None
    nodes: Real = field(repr=False)
    weights: Real = field(repr=False)

    def __str__(self) -> str:
        ends = f"{self.low} to {self.high}"
        kind = "bounds" if self.is_bracket else "not bounds for this method"
        return (
            f"{self.method.name}: {self.objective} at {self.fraction:g} of the first after "
            f"{self.steps} steps ({ends}, {kind}); {self.products} products spent"
        )


def halting_time(
    source: LossPoint | Operator,
    method: Method | None = None,
    *,
    fraction: float = 0.01,
    objective: str = "loss",
    gradient: ArrayLike | None = None,
    loss: float | None = None,
    tolerance: float = 0.05,
    max_products: int = 1000,
    max_steps: int = 1_000_000,
    progress: Callable[[float], object] | None = None,
) -> HaltingTime:
    r"""Predict after how many steps the loss has fallen, from the measure of the start itself.

    .. formula:: Bounds on the loss after :math:`t` steps: Gauss-Radau with node 0, weights
        :math:`w_j/\theta_j` and :math:`2 L_0 - \sum_j w_j/\theta_j`

    Of a network or a model the loss is that of its linearisation at the point, whose Hessian is the
    Gauss-Newton matrix.

    Parameters
    ----------
    source : LossPoint, TorchOperator or anything that multiplies
        The start: a point of a network (`MLP.at`), an operator by `rmtland.adapters.from_torch`, or
        the Hessian of a quadratic loss.
    method : Method, optional
        With its parameters. By default gradient descent of step 1/lambda_max, the largest Ritz
        value; that step is then in the answer.
    fraction : float, optional
        Fall to this part of the first value, at least 1e-12 (5e-4 with products in single
        precision).
    objective : {"loss", "gradient"}, optional
        The loss, or the squared gradient, which needs no value of the loss.
    gradient : array_like, shape (p,), optional
        Gradient at the start; for operators that have none.
    loss : float, optional
        Value of the loss at the start, as a quadratic function that is nowhere below 0. Taken from
        a network with a squared loss; of operators it must be given (`TorchOperator.loss` for a
        mean squared error). Networks and models with other losses are refused.
    tolerance : float, optional
        Spend products until the prediction is within this part of both ends.
    max_products : int, optional
        Spend no more.
    max_steps : int, optional
        Look no further.
    progress : callable, optional
        Called with the part of `max_products` that is spent.

    Returns
    -------
    HaltingTime
        The prediction, and its ends.

    Raises
    ------
    ValueError
        If the gradient is zero, the Hessian has negative curvature along it, the loss is not the
        one of that gradient and Hessian or not squared, or the fall never comes: the rest of the
        residual is outside the range of the Jacobian.
    TypeError
        If `fraction` or `tolerance` is no real number, or `max_products` or `max_steps` is no
        integer, `gradient` holds no real numbers, `method` is none, or `progress` cannot be called.
    ConvergenceError
        If the products or the steps do not suffice.
    """
    share, near = finite("fraction", fraction), positive("tolerance", tolerance)
    if not 0 < share < 1:
        raise ValueError(f"fraction must be between 0 and 1; got {fraction}")
    choice("objective", objective, ("loss", "gradient"))
    most, longest = count("max_products", max_products), count("max_steps", max_steps)
    if method is not None:
        checked_method(method)
    callable_or_none("progress", progress)
    operator, slope, value = _start(source, gradient, loss, objective)
    matrix = symmetric_operator(operator, check=operator is source)
    eps = float(np.finfo(matrix.dtype).eps)
    if share < _LEAST * eps:
        raise ValueError(
            f"fraction must be at least {_LEAST * eps:.1g} at the precision of these products; got "
            f"{share:g}: what is left there cannot be told from rounding"
        )
    vector, squared = _moving(slope, matrix.size)
    mass = 2 * value if objective == "loss" else squared
    run = Lanczos(matrix, vector[None], reorthogonalize="full")
    ends: tuple[int | None, int | None] = (None, None)
    while True:
        run.extend(min(run.step + max(4, run.step // 8), most))
        (tridiagonal,) = run.tridiagonals()
        lower, upper = _quadratures(tridiagonal, squared, mass, objective, eps)
        top = float(lower[0].max())
        used = GradientDescent(1 / top) if method is None else method
        floor = float(upper[1][upper[0] == 0].sum()) / mass
        done = tridiagonal.is_exhausted
        if done and floor > share:
            raise ValueError(
                f"the {objective} falls to {floor:.3g} of the first and no further: the rest is "
                "outside the range of the Jacobian; ask for a larger fraction"
            )
        if floor <= share:
            ends = (
                steps_to_fall(used, *lower, share, mass=mass, max_steps=longest),
                steps_to_fall(used, *upper, share, mass=mass, max_steps=longest),
            )
            if _close(ends, near) or done:
                break
        if progress is not None:
            progress(run.step / most)
        if run.step >= min(most, matrix.dimension):
            break
    low, high = ends
    if low is None or high is None or not (_close(ends, near) or done):
        raise ConvergenceError(
            f"after {run.step} products the fall to {share:g} takes {low} to "
            f"{'more than ' + str(longest) if high is None else high} steps, and {floor:.2g} of "
            f"the {objective} cannot be told from a part that stays: allow more products "
            "(max_products), more steps (max_steps), or ask for a larger fraction"
        )
    low, high = min(low, high), max(low, high)
    bracket = done or (isinstance(used, GradientDescent) and used.step * top <= 1 + 1e-12)
    taken = None
    if objective == "loss":
        taken = _conjugate_gradients(tridiagonal, squared, mass, share)
    return HaltingTime(
        used,
        objective,
        share,
        round(math.sqrt(low * high)),
        low,
        high,
        bracket,
        run.step,
        taken,
        *upper,
    )


def steps_to_fall(
    method: Method,
    nodes: Real,
    weights: Real,
    fraction: float,
    *,
    mass: float | None = None,
    max_steps: int = 1_000_000,
) -> int | None:
    """Return the first number of steps at which the sum of w P_t^2 is at most a part of a mass.

    Parameters
    ----------
    method : Method
        The method, with its residual polynomials P.
    nodes, weights : ndarray of float, shape (n,)
        Curvatures, >= 0, and what lies at each.
    fraction : float
        Between 0 and 1.
    mass : float, optional
        Of which it is a part; by default the sum of the weights.
    max_steps : int, optional
        Look no further.

    Returns
    -------
    int or None
        None where it is not reached.
    """
    target = fraction * (float(weights.sum()) if mass is None else mass)
    if isinstance(method, GradientDescent):
        return _descent_steps(method.step, nodes, weights, target, max_steps)
    size = 256
    now = before = np.ones(nodes.shape)
    taken = 0
    with np.errstate(over="ignore", invalid="ignore"):
        while taken < max_steps:
            size = min(4 * size, max_steps)
            step, momentum, extrapolation = method.coefficients(size)
            for t in range(taken, size):
                change = now - before
                pull = step[t] * nodes * (now + extrapolation[t] * change)
                now, before = now + momentum[t] * change - pull, now
                left = float(weights @ now**2)
                if left <= target:
                    return t + 1
                if not math.isfinite(left):
                    return None
            taken = size
    return None


def _descent_steps(
    step: float, nodes: Real, weights: Real, target: float, max_steps: int
) -> int | None:
    """Bisect: the loss of a stable descent never rises, and one that is not may fall at first."""
    factors = np.abs(1 - step * nodes)
    if (factors > 1 + 1e-12).any():
        now = weights.copy()
        for t in range(1, min(max_steps, 10_000) + 1):
            now = now * factors**2
            if float(now.sum()) <= target:
                return t
            if float(now[factors > 1].sum()) > target:
                return None
        return None

    def left(t: int) -> float:
        with np.errstate(under="ignore"):
            return float(weights @ factors ** (2.0 * t))

    if left(max_steps) > target:
        return None
    low, high = 0, max_steps
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if left(middle) <= target else (middle, high)
    return high


def _moving(gradient: ArrayLike, size: int) -> tuple[Real, float]:
    """Return a gradient that moves `size` parameters, and its square, which must not overflow."""
    vector = float_array("gradient", gradient, ndim=1)
    if vector.size != size:
        raise ValueError(f"gradient must have {size} entries; got {vector.size}")
    if not vector.any():
        raise ValueError("the gradient is zero: nothing moves from here")
    with np.errstate(over="ignore", under="ignore"):
        squared = float(vector @ vector)
    if not 1e-290 < squared < math.inf:
        raise ValueError(
            f"the squared gradient, {squared:g}, is out of the range of floating-point numbers: "
            "give the loss another unit"
        )
    return vector, squared


def _start(
    source: LossPoint | Operator, gradient: ArrayLike | None, loss: float | None, objective: str
) -> tuple[Operator, ArrayLike, float]:
    """Operator, gradient and value of the loss of what came."""
    value = None if loss is None else positive("loss", loss)
    operator: Operator
    if isinstance(source, LossPoint):
        operator = source.operator("gauss_newton")
        if gradient is None:
            gradient = to_numpy(source.gradient)
        if objective == "loss":
            _squared(source.data.loss.name == "mse", f"loss {source.data.loss.name!r}")
            value = float(source.loss) if value is None else value
    elif isinstance(source, TorchOperator):
        operator = source.with_part("gauss_newton")
        if objective == "loss":
            rule = source.function.rule  # one's own loss may be squared
            _squared(rule.is_quadratic or not rule.is_known, "loss of the operator")
        if gradient is None:
            gradient = source.gradient()
    else:
        operator = source
    if gradient is None:
        raise ValueError("a matrix does not tell where the start is; give gradient=")
    if objective == "loss" and value is None:
        raise ValueError(
            "the loss at the start is needed, as a quadratic function that is nowhere below 0: "
            "give loss= (of a torch model with a mean squared error: its loss()), or ask for "
            "objective='gradient'"
        )
    return operator, np.asarray(gradient, dtype=np.float64), value or 0.0


def _squared(yes: bool, loss: str) -> None:
    """Raise unless the loss is a squared error."""
    if not yes:
        raise ValueError(
            f"the quadratic model of the {loss} may fall below 0, so that its fall has no known "
            "end; ask for objective='gradient', or take a mean squared error"
        )


def _quadratures(
    tridiagonal: Tridiagonal, size: float, mass: float, objective: str, eps: float
) -> tuple[tuple[Real, Real], tuple[Real, Real]]:
    """Gauss and Gauss-Radau quadratures of the objective's measure: lower and upper bounds."""
    nodes, weights = gauss(tridiagonal)
    top = float(np.abs(nodes).max())
    if top == 0:
        raise ValueError("the Hessian has no curvature along the gradient: the loss falls for ever")
    if nodes.min() < -_ZERO * top * len(nodes):
        raise ValueError(
            f"the Hessian has negative curvature along the gradient (down to {nodes.min():.3g}): "
            "its quadratic model has no minimum; take the Gauss-Newton part, or a later point"
        )
    keep = (nodes > _ZERO * top) & (weights > 0)
    nodes, weights = nodes[keep], weights[keep] * size
    if objective == "gradient":
        if tridiagonal.is_exhausted:
            return (nodes, weights), (nodes, weights)
        far, masses = canonical_quadrature(tridiagonal, 0.0)
        far = np.where(far > _ZERO * top, far, 0.0)
        return (nodes, weights), (far, masses * size)
    shares = weights / nodes
    rest = mass - float(shares.sum())
    if rest < -max(1e-6, _LEAST * eps) * mass:
        raise ValueError(
            f"the loss {mass / 2:.6g} at the start is less than what gradient and Hessian say that "
            f"it falls by, {shares.sum() / 2:.6g}: it is not squared, or of another point or scale"
        )
    rest = rest if rest > 512 * eps * mass else 0.0
    far, masses = np.append(0.0, nodes), np.append(rest, shares)
    if tridiagonal.is_exhausted or rest == 0:
        return (far, masses), (far, masses)
    alpha, beta = measure_jacobi(far, masses, nodes.size)
    near, parts = quadrature(alpha[None], beta[None])
    return (near[0], parts[0] * float(masses.sum())), (far, masses)


def _close(ends: tuple[int | None, int | None], tolerance: float) -> bool:
    low, high = ends
    if low is None or high is None:
        return False
    middle = round(math.sqrt(low * high))
    return max(abs(high - middle), abs(middle - low)) <= tolerance * min(low, high)


def _conjugate_gradients(
    tridiagonal: Tridiagonal, size: float, mass: float, fraction: float
) -> int | None:
    """Return how many steps leave at most the fraction at 0: those of conjugate gradients."""

    def left(k: int) -> float:
        nodes, weights = gauss(Tridiagonal(tridiagonal.alpha[:k], tridiagonal.beta[:k]))
        keep = nodes > _ZERO * np.abs(nodes).max()
        return 1 - float((weights[keep] / nodes[keep]).sum()) * size / mass

    low, high = 0, len(tridiagonal.alpha)
    if left(high) > fraction:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if left(middle) <= fraction else (middle, high)
    return high
