r"""Walks along the manifold of minimisers, at zero loss: projected flow with a corrector.

From a minimiser a direction is projected onto the tangent space, a step of given length is taken,
and Gauss-Newton steps of minimum norm bring the point back to zero loss. The sharpness lambda_max
of the Hessian, its trace and the distance from the start are recorded; at zero loss they are those
of J^T J/m exactly.

Directions are those of

- "random": one random vector, carried along by projecting it anew at each point;
- "flatter", "sharper": the gradient of lambda_max, down or up. A walk down ends where no direction
  of the tangent space lowers it further.

A step is halved where the corrector does not converge within a few iterations, moves by more than
a quarter of the step, or (for "flatter" and "sharper") lambda_max moves the wrong way.

Synonyms: Riemannian gradient descent, retraction, predictor-corrector continuation, sharpness
minimisation along the zero-loss manifold.

References
----------
.. [1] Y. Cooper, Global minima of overparameterized neural networks, SIAM J. Math. Data Sci. 3
       (2021) 676-691.

Examples
--------
>>> from rmtland.landscape.manifold.minimisers import interpolate
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(6, 3, rng=0), MLP((3, 12, 3))
>>> walk = walk_along(interpolate(net, net.init(rng=1), data.x, data.y), "flatter", steps=5)
>>> bool(walk.sharpness[-1] < walk.sharpness[0]), bool(walk.losses.max() < 1e-18)
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import callable_or_none, choice, count, instance, positive
from rmtland.landscape.manifold.minimisers import Minimiser, polish
from rmtland.solution import ConvergenceError
from rmtland.streams import random_generator
from rmtland.typing import Integer, Real, Rng

__all__ = ["DIRECTIONS", "ManifoldWalk", "walk_along"]

DIRECTIONS = ("random", "flatter", "sharper")
"""Where a walk goes."""

_CORRECTIONS = 6
_SMALLEST = 1e-4  # of the first step


@dataclass(frozen=True, eq=False)
class ManifoldWalk:
    """Points of a walk at zero loss.

    Made by `rmtland.landscape.manifold.walk_along`.

    Parameters
    ----------
    points : tuple of Minimiser
        The start and the points after each step.
    lengths : ndarray, shape (s,)
        Length of the path to each point.
    direction : str
        Where it went.
    reason : str
        "steps" (all were taken), "stationary" (the gradient of the sharpness has no part in the
        tangent space) or "no step" (none of 1e-4 of the first could be corrected, at a kink of ReLU
        say, or changed the sharpness the right way).
    """

    points: tuple[Minimiser, ...]
    lengths: Real
    direction: str
    reason: str

    @property
    def sharpness(self) -> Real:
        """Largest eigenvalue of the Hessian at each point."""
        return np.array([point.sharpness for point in self.points])

    @property
    def traces(self) -> Real:
        """Trace of the Hessian at each point."""
        return np.array([point.trace for point in self.points])

    @property
    def losses(self) -> Real:
        """Loss at each point."""
        return np.array([point.loss for point in self.points])

    @property
    def ranks(self) -> Integer:
        """Rank of the Jacobian at each point."""
        return np.array([point.rank for point in self.points])

    @property
    def distances(self) -> Real:
        """Euclidean distance of each point from the start."""
        start = self.points[0].theta
        return np.array([float(np.linalg.norm(point.theta - start)) for point in self.points])

    def __repr__(self) -> str:
        return (
            f"ManifoldWalk({self.direction!r}, {len(self.points) - 1} steps, length "
            f"{self.lengths[-1]:.4g}: sharpness {self.sharpness[0]:.4g} to "
            f"{self.sharpness[-1]:.4g}, loss at most {self.losses.max():.2g})"
        )


def walk_along(
    start: Minimiser,
    direction: str = "random",
    *,
    step: float | None = None,
    steps: int = 50,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> ManifoldWalk:
    """Walk along the manifold of minimisers at zero loss.

    Parameters
    ----------
    start : Minimiser
        Where to start, by `interpolate` or `polish`; its rank must be full.
    direction : {"random", "flatter", "sharper"}, optional
        Where to.
    step : float, optional
        Length of a step; by default 1/50 of the norm of the parameters.
    steps : int, optional
        How many.
    rng : optional
        Anything `numpy.random.default_rng` takes, for "random".
    progress : callable, optional
        Called with the fraction of steps done.

    Returns
    -------
    ManifoldWalk
        Its points, lengths and sharpness.

    Raises
    ------
    ValueError
        If the start is not at zero loss, its rank not full, or the manifold a point.
    TypeError
        If the start is no `Minimiser`, `step` is no real number, `steps` is no integer, or
        `progress` cannot be called.
    """
    choice("direction", direction, DIRECTIONS)
    instance("start", start, Minimiser, "a Minimiser, by interpolate or polish")
    callable_or_none("progress", progress)
    if not start.is_regular:
        raise ValueError(
            f"the Jacobian has rank {start.rank} of {start.equations} at the start, where "
            f"minimisers need not be a manifold ({'; '.join(start.exceptions)}); start elsewhere"
        )
    if not start.interpolates:
        raise ValueError(
            f"the start leaves a residual of {start.residual:.3g} of the targets: it is on no "
            "manifold of minimisers; bring it there by `polish`"
        )
    if not start.dimension:
        raise ValueError("the tangent space has dimension 0: the minimiser is isolated")
    norm = float(np.linalg.norm(start.theta))
    length = positive("step", step if step is not None else (norm or 1.0) / 50.0)
    many, smallest = count("steps", steps), _SMALLEST * length
    vector = random_generator(rng).standard_normal(start.theta.size)
    points, lengths, reason = [start], [0.0], "steps"
    for k in range(many):
        here = points[-1]
        if direction == "random":
            along = vector = here.tangent_part(vector)
        else:
            slope = here.sharpness_gradient()
            along = here.tangent_part(slope if direction == "sharper" else -slope)
            if float(np.linalg.norm(along)) <= 1e-8 * float(np.linalg.norm(slope)):
                reason = "stationary"
                break
        found = _step(here, along / float(np.linalg.norm(along)), length, smallest, direction)
        if found is None:
            reason = "no step"
            break
        moved, taken = found
        lengths.append(lengths[-1] + float(np.linalg.norm(moved.theta - here.theta)))
        points.append(moved)
        length = min(taken * 2.0, length) if taken < length else length
        if progress is not None:
            progress((k + 1) / many)
    return ManifoldWalk(tuple(points), np.array(lengths), direction, reason)


def _step(
    here: Minimiser, along: Real, length: float, smallest: float, direction: str
) -> tuple[Minimiser, float] | None:
    """Return the next point and the length of the step, halved as often as needed."""
    while length >= smallest:
        target = here.theta + length * along
        try:
            moved = polish(here.point.at(target), max_steps=_CORRECTIONS)
        except (ConvergenceError, ValueError):  # too far, or an overflow on the way
            length /= 2.0
            continue
        back = float(np.linalg.norm(moved.theta - target))
        right = {
            "random": True,
            "flatter": moved.sharpness < here.sharpness,
            "sharper": moved.sharpness > here.sharpness,
        }[direction]
        if moved.is_regular and back <= 0.25 * length and right:
            return moved, length
        length /= 2.0
    return None
