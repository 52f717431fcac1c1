r"""The largest rise of the loss within a ball of parameters, from below and from above.

.. math:: S_\rho(\theta) = \max_{|e| \le \rho} L(\theta + e) - L(\theta)

- From below: the loss itself at the best point found, by projected gradient ascent (long steps
  first: e <- rho g/|g|, which rises where the loss is convex) from the gradient, from both ends of
  the leading eigenvectors, from random points, and near a maximum from that of the second-order
  Taylor polynomial: by eigenvectors where it lies inside, else by truncated conjugate gradients
  (Steihaug), and so for many parameters.
- From above, where the network's derivatives are bounded
  (`rmtland.landscape.sharpness.derivative_bounds`): the largest value of the second-order Taylor
  polynomial (`rmtland.landscape.sharpness.trust_region`) and M rho^3/6 for the rest; or, up to 1000
  parameters, a quadratic function and a rest from an expansion of the outputs, of which much less
  is left at larger radii (`rmtland.landscape.sharpness.output_expansion`). The least is taken.
- SAM's one step, L(theta + rho g/|g|) - L(theta) (Foret et al., ICLR 2021).
- rho^2 lambda_max/2, which is S_rho to second order where the gradient vanishes, and neither bound
  elsewhere.

References
----------
.. [1] P. Foret, A. Kleiner, H. Mobahi and B. Neyshabur, Sharpness-aware minimization for
       efficiently improving generalization, ICLR 2021.
.. [2] J. J. More and D. C. Sorensen, Computing a trust region step, SIAM J. Sci. Stat. Comput. 4
       (1983) 553-572.
.. [3] T. Steihaug, The conjugate gradient method and trust regions in large scale optimization,
       SIAM J. Numer. Anal. 20 (1983) 626-637.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.surface import NetworkSurface
>>> from rmtland.networks import MLP, gaussian, train
>>> data, net = gaussian(20, 3, rng=0), MLP((3, 4, 3), weight_decay=1e-2)
>>> theta = train(net, net.init(rng=1), data.x, data.y, gradient_norm=1e-7).theta
>>> found = ball_sharpness(NetworkSurface.of(net, data.x, data.y), theta, 1e-3, rng=0)
>>> found.lower <= found.upper <= 1.1 * found.lower
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count, length, positive
from rmtland.estimate import extremal_eigenpairs
from rmtland.landscape.sharpness.adaptive import ScaledSurface
from rmtland.landscape.sharpness.derivative_bounds import UnboundedDerivatives, derivative_bounds
from rmtland.landscape.sharpness.output_expansion import expanded_rise
from rmtland.landscape.sharpness.trust_region import quadratic_maximiser, quadratic_maximum
from rmtland.landscape.surface import LossSurface, NetworkSurface, TorchSurface
from rmtland.landscape.surface.surface import parameter_vector
from rmtland.networks import LossPoint
from rmtland.networks.overflow import NetworkOverflowError, squared_norm
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["EXACT_SIZE", "BallSharpness", "ball_sharpness"]

EXACT_SIZE = 2500
"""Largest number of parameters for which the Hessian is diagonalised."""


@dataclass(frozen=True)
class BallSharpness:
    """The rise of the loss in a ball.

    Made by `rmtland.landscape.sharpness.ball_sharpness`.

    Parameters
    ----------
    rho : float
        Radius of the ball.
    lower : float
        Rise at the best point found: S_rho is at least that, up to rounding of the loss. Where the
        Hessian was diagonalised the maximiser of the Taylor polynomial is one of the points; beyond
        that (`EXACT_SIZE`), beside a maximum outside the ball, conjugate gradients promise half of
        the polynomial's rise.
    upper : float or None
        Certified upper bound of S_rho; None where there is none, `why_no_upper` says why.
    sam : float
        Rise after one step of length rho along the gradient; 0 where the gradient vanishes.
    half_rho_squared_lambda_max : float
        rho^2 lambda_max/2.
    taylor : float or None
        Largest rise of the second-order Taylor polynomial in the ball, where the Hessian was
        diagonalised.
    remainder : float or None
        Certified bound M rho^3/6 of what the polynomial leaves out; infinite with a kink.
    lambda_max, lambda_max_error : float
        Largest eigenvalue of the Hessian, and the residual of its eigenvector.
    gradient_norm : float
        At the centre: not zero at a point that is not critical.
    rounding : float
        How far a difference of two losses may be off.
    displacement : ndarray, shape (p,)
        e at the best point.
    why_no_upper : str
        Empty where there is an upper bound.
    """

    rho: float
    lower: float
    upper: float | None
    sam: float
    half_rho_squared_lambda_max: float
    taylor: float | None
    remainder: float | None
    lambda_max: float
    lambda_max_error: float
    gradient_norm: float
    rounding: float
    displacement: Real
    why_no_upper: str = ""

    def __repr__(self) -> str:
        above = "no upper bound" if self.upper is None else f"at most {self.upper:.4g}"
        return f"BallSharpness(rho={self.rho:g}, at least {self.lower:.4g}, {above})"


def ball_sharpness(
    surface: LossSurface,
    theta: Real,
    rho: float,
    *,
    restarts: int = 4,
    steps: int = 60,
    eigenvectors: int = 3,
    rng: Rng = None,
) -> BallSharpness:
    r"""Return the largest rise of the loss within a distance, with bounds from both sides.

    .. formula:: Sharpness, :math:`S_\rho = \max_{\lvert e \rvert \le \rho} L(\theta + e) -
        L(\theta) \le \max(g \cdot e + e^\top H e/2) + M \rho^3/6`

    Parameters
    ----------
    surface : LossSurface
        The loss. Upper bounds are for a `NetworkSurface`, and for a `TorchSurface` whose model is
        such a network in double precision, softplus excepted.
    theta : ndarray, shape (p,)
        Centre of the ball.
    rho : float
        Radius.
    restarts : int, optional
        Random starts of the ascent, besides the gradient and eigenvectors.
    steps : int, optional
        Of each ascent.
    eigenvectors : int, optional
        How many leading eigenvectors the ascent starts from, in both directions.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    BallSharpness
        Bounds, and the quantities that people use in their place.

    Raises
    ------
    ValueError
        For a radius that is not positive, parameters of another shape, or a loss (or the square of
        its gradient) that overflows at the centre or on the sphere.
    TypeError
        If the surface is none, `rho` is no real number, `restarts`, `steps` or `eigenvectors` is no
        integer, or `theta` holds no real numbers.
    """
    radius, center = positive("rho", rho), parameter_vector(surface, "theta", theta)
    restarts = length("restarts", restarts, min_value=0)
    steps = count("steps", steps)
    generator = random_generator(rng)
    loss, gradient = surface.value(center)
    norm = math.sqrt(squared_norm("gradient", gradient))
    spectrum, summit = None, np.zeros(surface.size)
    wanted = min(count("eigenvectors", eigenvectors), surface.size)
    if surface.size <= EXACT_SIZE:
        hessian = surface.hessian(center)
        values, vectors = np.linalg.eigh(hessian)
        spectrum = (values, vectors.T @ gradient)
        summit = vectors @ quadratic_maximiser(spectrum[1], values, radius)
        top, top_vectors = float(values[-1]), vectors[:, -wanted:]
        with np.errstate(over="ignore"):  # an infinite error of a huge Hessian says so
            error = float(np.linalg.norm(hessian @ vectors[:, -1] - top * vectors[:, -1]))
    else:
        pairs = extremal_eigenpairs(
            surface.operator(center), wanted, which="largest", tol=1e-4, rng=generator
        )
        top, top_vectors = float(pairs.values[-1]), pairs.vectors
        error = float(pairs.residuals[-1])
    best, place, worst = -np.inf, np.zeros(surface.size), abs(loss)
    sam = 0.0
    starts = _starts(gradient, norm, top_vectors, restarts, surface.size, generator)

    def climb(start: Real, length: float | None = None) -> None:
        nonlocal best, place, worst
        found, where = _ascent(surface, center, radius, start, steps, length)
        worst = max(worst, abs(found))
        if found - loss > best:
            best, place = found - loss, where

    try:
        for i, start in enumerate(starts):
            climb(start)
            if i == 0 and norm > 0.0:
                sam = surface.loss(center + radius * start) - loss
        fall, first = norm * radius - sam, None
        if fall > sam:  # along the gradient the loss rises, and falls before the sphere
            first = radius * (0.5 * radius / fall)
            if not summit.any():
                product = surface.operator(center).matvec
                summit = _truncated_newton(product, gradient / norm, radius / norm, 10 * steps)
        if summit.any():
            climb(summit, first)
    except NetworkOverflowError as overflow:
        raise NetworkOverflowError(
            f"the loss overflows in the ball of radius {radius:g}; give a smaller rho"
        ) from overflow
    if best < 0.0:  # a maximum: the centre itself is in the ball
        best, place = 0.0, np.zeros(surface.size)
    above = _above(surface, center, radius, spectrum, error)
    return BallSharpness(
        rho=radius,
        lower=best,
        upper=above.upper,
        sam=sam,
        half_rho_squared_lambda_max=0.5 * radius * top * radius,
        taylor=above.taylor,
        remainder=above.remainder,
        lambda_max=top,
        lambda_max_error=error,
        gradient_norm=norm,
        rounding=max(64.0 * float(np.finfo(float).eps) * worst, 2.0 * above.loss_error),
        displacement=place,
        why_no_upper=above.why_no_upper,
    )


def _starts(
    gradient: Real,
    norm: float,
    vectors: Real,
    restarts: int,
    size: int,
    generator: np.random.Generator,
) -> Iterator[Real]:
    """Return unit vectors to start from, the gradient first."""
    if norm > 0.0:
        yield gradient / norm
    for vector in vectors.T[::-1]:
        yield vector
        yield -vector
    for _ in range(restarts):
        drawn = generator.standard_normal(size)
        yield drawn / np.linalg.norm(drawn)


def _truncated_newton(
    product: Callable[[Real], Real], slope: Real, reach: float, limit: int
) -> Real:
    """Return the Taylor polynomial's maximum over the radius by conjugate gradients, or zeros.

    They rise from the centre, and end on the sphere where they would leave the ball or find the
    loss convex: where it is concave, at half of the largest rise at least. The gradient is of
    length 1, and so `reach` is the radius over that of the true one.
    """
    here, left, ahead, square = np.zeros(len(slope)), slope, slope, 1.0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for _ in range(limit):
            bent = -product(ahead)
            curvature = float(ahead @ bent)
            trial = here + np.divide(square, curvature) * ahead
            if not (curvature > 0.0 and float(np.linalg.norm(trial)) < reach):
                along, length = float(here @ ahead), float(ahead @ ahead)
                square = along * along + length * (reach * reach - float(here @ here))
                here = here + (math.sqrt(max(square, 0.0)) - along) / length * ahead
                break
            here, left = trial, left - square / curvature * bent
            square, before = float(left @ left), square
            if square < 1e-24:
                break
            ahead = left + square / before * ahead
        found = here / reach
    return found if np.isfinite(found).all() else np.zeros(len(slope))


def _ascent(
    surface: LossSurface,
    center: Real,
    radius: float,
    start: Real,
    steps: int,
    length: float | None = None,
) -> tuple[float, Real]:
    """Climb within the ball from a point of the sphere, or the centre; return the loss, and where.

    A step is the projection of e + a g on the ball: for large a the point of the sphere in the
    direction of the gradient, which rises wherever the loss is convex.
    """
    here = radius * start
    loss, gradient = surface.value(center + here)
    norm = math.sqrt(squared_norm("gradient", gradient))
    if length is None:
        length = 1e3 * radius / norm if norm > 0.0 else 0.0
    for _ in range(steps):
        if not length * norm > 1e-14 * radius:
            break
        with np.errstate(over="ignore", invalid="ignore"):  # the step is shortened below
            trial = here + length * gradient
            size = float(np.linalg.norm(trial))
            if size > radius:
                trial *= radius / size
        try:
            new, slope = surface.value(center + trial)
            steepness = math.sqrt(squared_norm("gradient", slope))
        except ValueError:  # the loss overflows there
            new = -np.inf
        if not new > loss:
            length *= 0.25
            continue
        moved = float(np.linalg.norm(trial - here))
        gain = new - loss
        here, loss, gradient = trial, new, slope
        norm = steepness
        length *= 2.0
        if moved < 1e-9 * radius or gain < 1e-13 * abs(loss):
            break
    return loss, here


class _Above(NamedTuple):
    """Bounds from above, or why there are none."""

    taylor: float | None
    upper: float | None = None
    remainder: float | None = None
    loss_error: float = 0.0
    why_no_upper: str = ""


def _exact_network(surface: LossSurface) -> tuple[LossPoint, float] | None:
    """Return the network whose derivatives are bounded, and the factor of its loss; or None."""
    if isinstance(surface, NetworkSurface):
        return surface.point, 1.0
    own = surface.perceptron if isinstance(surface, TorchSurface) else None
    if own is None or own.dtype != np.float64 or own.point.net.activation == "softplus":
        return None  # PyTorch's softplus jumps by 2e-9 at 20: it is rmtland's up to that only
    return own.point, own.factor


def _why_not(surface: LossSurface) -> str:
    if isinstance(surface, TorchSurface):
        return (
            "bounds come from the norms of the layers of a fully connected nn.Sequential in double "
            "precision, with one activation and a mean loss; in single precision the loss itself "
            "is rounded by more, PyTorch's softplus jumps at 20, and of other models the layers "
            "are not known"
        )
    return f"derivatives of a {type(surface).__name__} are not bounded in a ball"


def _above(
    surface: LossSurface,
    center: Real,
    radius: float,
    spectrum: tuple[Real, Real] | None,
    error: float,
) -> _Above:
    """Return the upper bound, the Taylor polynomial's maximum, the remainder, or why there is none.

    Errors of eigenvalues, eigenvectors and of the derivatives themselves enter through the largest
    residual and rounding.
    """
    taylor = None
    if spectrum is not None:
        taylor = quadratic_maximum(spectrum[1], spectrum[0], radius)
    scaled, scale, scales = surface, 1.0, None
    if isinstance(surface, ScaledSurface):
        scaled, scale, scales = surface.inner, surface.largest_scale, surface.scales
        center = surface.to_inner(center)
    known = _exact_network(scaled)
    if known is None:
        return _Above(taylor, why_no_upper=_why_not(scaled))
    here, factor = known[0].at(center), known[1]
    try:
        own = derivative_bounds(here, radius, scale=scale)
    except UnboundedDerivatives as reason:
        return _Above(taylor, why_no_upper=str(reason))
    bounds = own.times(factor)
    remainder = bounds.third * radius * radius * radius / 6.0
    upper = min(bounds.rise, factor * expanded_rise(here, radius, own, scales=scales))
    if taylor is not None and np.isfinite(remainder):
        values = spectrum[0] if spectrum is not None else np.zeros(1)
        unit = float(np.finfo(float).eps) * surface.size * float(np.abs(values).max())
        slack = bounds.gradient_error * radius
        slack += 0.5 * (error + 32.0 * unit + bounds.hessian_error) * radius * radius
        upper = min(upper, taylor * (1.0 + 1e-9) + slack + remainder)
    if not upper < np.inf:
        why = "the bound overflows: give a smaller rho"
        return _Above(taylor, None, remainder, bounds.loss_error, why)
    return _Above(taylor, upper, remainder, bounds.loss_error)
