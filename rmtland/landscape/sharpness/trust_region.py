r"""The largest value of a quadratic function in a ball, exactly, from eigenvalues.

For q(e) = g . e + e^T H e/2 in |e| <= r (trust-region subproblem, More and Sorensen 1983), the
maximiser is e = (s - H)^{-1} g with s >= max(0, lambda_max) and |e| = r (or s = 0 where H is
negative definite); and for every such s, by duality,

.. math:: q(e) \le \tfrac12 \sum_i \frac{g_i^2}{s - \lambda_i} + \tfrac12 s r^2 ,

so that the number found is an upper bound whatever s is. In the "hard case", a gradient without a
part along the largest eigenvalue, s = lambda_max.

>>> import numpy as np
>>> quadratic_maximum(np.array([0.0, 0.0]), np.array([1.0, 3.0]), 2.0)
6.0
>>> quadratic_maximum(np.array([3.0, 4.0]), np.zeros(2), 2.0)
10.0
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from rmtland.arguments import nonnegative
from rmtland.typing import Real

__all__ = ["quadratic_maximum"]


def quadratic_maximum(gradient: Real, eigenvalues: Real, radius: float) -> float:
    """Return an upper bound, tight up to rounding, of a quadratic function in a ball.

    Parameters
    ----------
    gradient : ndarray, shape (p,)
        Components of the gradient along the eigenvectors.
    eigenvalues : ndarray, shape (p,)
        Of the Hessian.
    radius : float
        Of the ball.

    Returns
    -------
    float
        The largest rise above the centre, at least 0.

    Raises
    ------
    ValueError
        For a negative radius.
    """
    r = nonnegative("radius", radius)
    squares = np.asarray(gradient, dtype=np.float64) ** 2
    values = np.asarray(eigenvalues, dtype=np.float64)
    lowest = max(0.0, float(values.max()))
    size = float(np.sqrt(squares.sum()))
    if r == 0.0:
        return 0.0

    def dual(above: float) -> float:
        shifts = np.maximum(lowest - values, 0.0) + above
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(squares > 0.0, squares / shifts, 0.0)
        return 0.5 * float(parts.sum()) + 0.5 * (lowest + above) * r * r

    furthest = size / r  # there |e| is at most r
    candidates = [dual(0.0), dual(furthest)]
    if size > 0.0:
        # convex in the shift; its logarithm spreads the scales
        found = minimize_scalar(
            lambda t: dual(furthest * float(np.exp(t))),
            bounds=(-60.0, 0.0),
            method="bounded",
            options={"xatol": 1e-10},
        )
        candidates.append(float(found.fun))
    return min(candidates)
