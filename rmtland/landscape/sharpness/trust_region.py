r"""The largest value of a quadratic function in a ball, exactly, from eigenvalues.

For q(e) = g . e + e^T H e/2 in |e| <= r (trust-region subproblem, More and Sorensen 1983), the
maximiser is e = (s - H)^{-1} g with s >= max(0, lambda_max) and |e| = r (or s = 0 where H is
negative definite); and for every such s, by duality,

.. math:: q(e) \le \tfrac12 \sum_i \frac{g_i^2}{s - \lambda_i} + \tfrac12 s r^2 ,

so that the number found is an upper bound whatever s is. In the "hard case", a gradient without a
part along the largest eigenvalue, s = lambda_max.

References
----------
.. [1] J. J. More and D. C. Sorensen, Computing a trust region step, SIAM J. Sci. Stat. Comput. 4
       (1983) 553-572.

Examples
--------
>>> import numpy as np
>>> quadratic_maximum(np.array([0.0, 0.0]), np.array([1.0, 3.0]), 2.0)
6.0
>>> quadratic_maximum(np.array([3.0, 4.0]), np.zeros(2), 2.0)
10.0
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from rmtland.arguments import float_array, nonnegative
from rmtland.typing import Real

__all__ = ["quadratic_maximiser", "quadratic_maximum"]


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
        For a negative radius, numbers that are not finite, or other shapes.
    """
    linear, values, unit = _scaled(gradient, eigenvalues, radius)
    if unit == 0.0 or not np.isfinite(unit):
        return unit
    return unit * _in_the_unit_ball(linear**2, values)


def quadratic_maximiser(gradient: Real, eigenvalues: Real, radius: float) -> Real:
    """Return where a quadratic function is largest in a ball, over the radius.

    Parameters
    ----------
    gradient, eigenvalues, radius
        As in `quadratic_maximum`.

    Returns
    -------
    ndarray, shape (p,)
        Components along the eigenvectors, of a length of at most 1; zeros where the function is
        constant, or leaves the range of floating-point numbers.

    Raises
    ------
    ValueError
        As in `quadratic_maximum`.
    """
    linear, values, unit = _scaled(gradient, eigenvalues, radius)
    if unit == 0.0 or not np.isfinite(unit):
        return np.zeros_like(linear)
    lowest, size = max(0.0, float(values.max())), float(np.linalg.norm(linear))

    def place(above: float) -> Real:
        shifts = np.maximum(lowest - values, 0.0) + above
        found: Real = np.divide(linear, shifts, out=np.zeros_like(linear), where=linear != 0.0)
        return found

    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        here = place(0.0)
        length = float(np.linalg.norm(here))
    if not length <= 1.0:
        low, high = -60.0, 0.0  # logarithms of the shift over the length of the gradient
        for _ in range(60):
            middle = 0.5 * (low + high)
            inside = float(np.linalg.norm(place(size * float(np.exp(middle))))) <= 1.0
            low, high = (low, middle) if inside else (middle, high)
        here = place(size * float(np.exp(high)))
    if values.max() >= 0.0:  # on the sphere: what is missing lies along the largest eigenvalue
        top = int(values.argmax())
        rest = np.linalg.norm(np.delete(here, top))
        here[top] = np.copysign(np.sqrt(max(1.0 - float(rest) ** 2, 0.0)), linear[top])
    return here / max(1.0, float(np.linalg.norm(here)))


def _scaled(gradient: Real, eigenvalues: Real, radius: float) -> tuple[Real, Real, float]:
    """Return gradient and eigenvalues in the unit ball and the function's own unit, and that.

    Squares neither vanish nor overflow there.
    """
    r = nonnegative("radius", radius)
    linear, values = (
        float_array(name, given, ndim=1)
        for name, given in (("gradient", gradient), ("eigenvalues", eigenvalues))
    )
    if linear.shape != values.shape:
        raise ValueError(
            f"gradient and eigenvalues must be as many; got {len(linear)} and {len(values)}"
        )
    with np.errstate(over="ignore"):
        linear, values = linear * r, values * r * r
    unit = max(float(np.abs(linear).max()), float(np.abs(values).max()))
    if unit > 0.0 and np.isfinite(unit):
        linear, values = linear / unit, values / unit
    return linear, values, unit


def _in_the_unit_ball(squares: Real, values: Real) -> float:
    """Return the least of the dual's values, from squares of the gradient's components."""
    lowest = max(0.0, float(values.max()))
    size = float(np.sqrt(squares.sum()))

    def dual(above: float) -> float:
        shifts = np.maximum(lowest - values, 0.0) + above
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(squares > 0.0, squares / shifts, 0.0)
        return 0.5 * float(parts.sum()) + 0.5 * (lowest + above)

    candidates = [dual(0.0), dual(size)]  # at the second |e| is at most 1
    if size > 0.0:
        # convex in the shift; its logarithm spreads the scales
        found = minimize_scalar(
            lambda t: dual(size * float(np.exp(t))),
            bounds=(-60.0, 0.0),
            method="bounded",
            options={"xatol": 1e-10},
        )
        candidates.append(float(found.fun))
    return min(candidates)
