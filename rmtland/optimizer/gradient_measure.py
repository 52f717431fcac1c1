r"""The measure of a given start: Lanczos from its own gradient.

The curvatures alone predict nothing for a start that is aligned with some directions, as residuals
of real data are. The spectral measure of the gradient at the start does: on a quadratic loss it is
:math:`\lambda^2 \mu`, and every objective is an integral against it, the loss that of
:math:`P_t^2/\lambda`. k steps of Lanczos from the gradient give its Gauss quadrature, for as many
products as conjugate gradients would take to k steps.

For gradient descent of step at most :math:`1/\lambda_{\max}` the integrand
:math:`(1 - h \lambda)^{2t}/\lambda` has derivatives of alternating sign, so that the Gauss
quadrature is a lower bound, and the Gauss-Radau quadrature with a node at a number below all
curvatures an upper one [1]_.

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       University Press 2010, chapter 6.

Examples
--------
>>> import numpy as np
>>> hessian = np.diag([1.0, 2.0, 3.0])
>>> found = gradient_measure(hessian, hessian @ np.array([1.0, 1.0, 0.0]), 3)
>>> found.gauss.nodes.round(12), found.is_exact
(array([1., 2.]), True)
>>> round(found.gauss.initial("loss"), 12)  # twice the loss: 1 + 2
3.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import count, float_array, positive
from rmtland.estimate import symmetric_operator
from rmtland.estimate.lanczos import Lanczos
from rmtland.estimate.radau import canonical_quadrature, gauss
from rmtland.optimizer.start_measure import StartMeasure
from rmtland.typing import Operator, Real

__all__ = ["GradientMeasure", "gradient_measure"]

_ZERO = 1e-12


@dataclass(frozen=True)
class GradientMeasure:
    """Quadratures of the spectral measure of a gradient.

    Made by `rmtland.optimizer.gradient_measure`.

    Parameters
    ----------
    gauss : StartMeasure
        Gauss quadrature: what predictions are made from.
    radau : StartMeasure or None
        Gauss-Radau quadrature with a node at the given lower bound.
    steps : int
        Lanczos steps, each one product.
    is_exact : bool
        Whether the gradient lies in an invariant space of that dimension: the Gauss quadrature is
        then its measure itself.
    """

    gauss: StartMeasure
    radau: StartMeasure | None
    steps: int
    is_exact: bool


def gradient_measure(
    operator: Operator, gradient: ArrayLike, steps: int, *, low: float | None = None
) -> GradientMeasure:
    """Measure how a gradient is spread over the curvatures.

    Parameters
    ----------
    operator : anything that multiplies
        Hessian, or Gauss-Newton matrix, at the start: see `rmtland.estimate.symmetric_operator`.
    gradient : array_like of float, shape (p,)
        Gradient there.
    steps : int
        Products to spend; at most p are taken.
    low : float, optional
        A positive number below every curvature above 0 that the gradient has a part in, for the
        upper bound.

    Returns
    -------
    GradientMeasure
        Its quadratures, in squared gradient: weights sum to that of the start.

    Raises
    ------
    ValueError
        If the gradient is zero or does not fit, or the Hessian has negative curvature along it, so
        that there is no minimum to approach, or `low` is above a Ritz value.
    TypeError
        If `low` is no real number, or `steps` is no integer, or `gradient` holds no real numbers.
    """
    matrix = symmetric_operator(operator)
    vector = float_array("gradient", gradient, ndim=1)
    if vector.size != matrix.size:
        raise ValueError(f"gradient must have {matrix.size} entries; got {vector.size}")
    if not np.isfinite(vector).all() or not vector.any():
        raise ValueError("gradient must be finite and not zero: at a zero gradient nothing moves")
    with np.errstate(over="ignore", under="ignore"):
        scale = float(vector @ vector)
    if not 1e-290 < scale < np.inf:
        raise ValueError(
            f"the squared gradient, {scale:g}, is out of the range of floating-point numbers: "
            "give the loss another unit"
        )
    precision = _precision(operator)
    run = Lanczos(matrix, vector[None], reorthogonalize="full")
    run.extend(count("steps", steps))
    (tridiagonal,) = run.tridiagonals()
    nodes, weights = gauss(tridiagonal)
    exact = None if tridiagonal.is_exhausted else 2 * nodes.size - 1
    top = float(np.abs(nodes).max())
    zero = _ZERO if precision == np.float64 else 50 * float(np.finfo(precision).eps)
    if nodes.min() < -zero * top or top == 0:
        raise ValueError(
            f"the Hessian has negative curvature along the gradient (down to {nodes.min():.3g}): "
            "its quadratic model has no minimum; take the Gauss-Newton part, or a later point"
        )
    upper = None
    if low is not None:
        bound = positive("low", low)
        if bound > nodes[nodes > zero * top].min():
            raise ValueError(
                f"low = {low:g} is above a Ritz value {nodes[nodes > zero * top].min():g}, so "
                "that it bounds nothing"
            )
        if not tridiagonal.is_exhausted:
            upper = _measure(*canonical_quadrature(tridiagonal, bound), zero * top, scale, exact)
    return GradientMeasure(
        _measure(nodes, weights, zero * top, scale, exact),
        upper,
        run.step,
        tridiagonal.is_exhausted,
    )


def _measure(
    nodes: Real, weights: Real, zero: float, scale: float, degree: int | None
) -> StartMeasure:
    keep = (nodes > zero) & (weights > 0)
    order = np.argsort(nodes[keep])
    return StartMeasure(nodes[keep][order], weights[keep][order] * scale, power=2, degree=degree)


def _precision(operator: Operator) -> type[np.float32 | np.float64]:
    """Precision of the products: float32 of a matrix or an operator of that type."""
    name = str(getattr(operator, "dtype", "float64"))
    return np.float32 if any(part in name for part in ("float32", "float16")) else np.float64
