r"""Minimum-energy paths between minima, and the saddle on top of them.

On a minimum-energy path the gradient is parallel to the path everywhere; the highest point is a
critical point of index 1. Images theta_0, ..., theta_k between two minima are relaxed by

- the string method (E, Ren and Vanden-Eijnden 2007): each image takes a step down the gradient,
  then all are moved along the curve through them to equal distances;
- the nudged elastic band (Jonsson, Mills and Jacobsen 1998; Henkelman's tangents): springs along
  the path, the gradient across it.

The path is known between the images too: after every few steps the loss is measured on the polygon
through them, and the best path so far, the start among them, is what is returned.
`saddle_near` finds the critical point itself by Newton's method.

Synonyms: transition state, mountain pass, MEP, NEB, AutoNEB (Draxler et al., ICML 2018).

References
----------
.. [1] W. E, W. Ren and E. Vanden-Eijnden, Simplified and improved string method for computing the
       minimum energy paths in barrier-crossing events, J. Chem. Phys. 126 (2007) 164103.
.. [2] H. Jonsson, G. Mills and K. W. Jacobsen, Nudged elastic band method for finding minimum
       energy paths of transitions, in: Classical and Quantum Dynamics in Condensed Phase
       Simulations, World Scientific 1998, 385-404.
.. [3] G. Henkelman and H. Jonsson, Improved tangent estimate in the nudged elastic band method for
       finding minimum energy paths and saddle points, J. Chem. Phys. 113 (2000) 9978-9985.
.. [4] F. Draxler, K. Veschgini, M. Salmhofer and F. A. Hamprecht, Essentially no barriers in neural
       network energy landscape, ICML 2018.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> def two_wells(t):  # minima near (-1, 0) and (1, 0), a saddle at (0, 1/2)
...     well, bent = t[0] ** 2 - 1.0, t[1] - 0.5 * (1.0 - t[0] ** 2)
...     return well**2 + bent**2, np.array([4 * t[0] * well + 2 * bent * t[0], 2 * bent])
>>> surface = FunctionSurface(2, two_wells)
>>> images = np.linspace([-1.0, 0.0], [1.0, 0.0], 9)
>>> found = relaxed_path(surface, images, steps=400)
>>> top = saddle_near(surface, found.highest)
>>> bool(np.abs(top.theta - [0.0, 0.5]).max() < 1e-9), top.index, round(top.loss, 9)
(True, 1, 1.0)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from rmtland.arguments import callable_or_none, choice, count, float_array, positive
from rmtland.estimate import extremal_eigenpairs
from rmtland.landscape.connectivity.curves import Polygon
from rmtland.landscape.connectivity.profiles import PathProfile, profile
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import loss_surface, parameter_vector
from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["RelaxedPath", "Saddle", "relaxed_path", "saddle_near"]

METHODS = ("string", "neb")
_LOOK = 20
"""Steps between two looks at the loss between the images."""


@dataclass(frozen=True, eq=False)
class RelaxedPath:
    """The best path that a relaxation passed through.

    Made by `rmtland.landscape.connectivity.relaxed_path`.

    Parameters
    ----------
    images : ndarray, shape (k + 1, p)
        With the ends.
    profile : PathProfile
        Of the polygon through them.
    across : float
        Largest norm, among the inner images, of the gradient across the path, relative to the
        largest gradient there, by the tangents of the method: 0 on a path of minimum energy. Where
        the string rests it is proportional to the step (images slide along the path); a band that
        has come to rest has none.
    steps : int
        Taken in all.
    is_whole : bool, optional
        Whether relaxation came to its end; False after Ctrl-C.
    """

    images: Real
    profile: PathProfile
    across: float
    steps: int
    is_whole: bool = True

    @property
    def highest(self) -> Real:
        """The highest point of the polygon, between images too."""
        t = float(self.profile.t[self.profile.losses.argmax()])
        point: Real = Polygon(self.images).at(np.array([t]))[0]
        return point


@dataclass(frozen=True, eq=False)
class Saddle:
    """A critical point.

    Parameters
    ----------
    theta : ndarray, shape (p,)
        Where.
    loss, gradient_norm : float
        There.
    index : int
        Number of negative eigenvalues, those below -1e-9 of the largest modulus.
    """

    theta: Real
    loss: float
    gradient_norm: float
    index: int


def relaxed_path(
    surface: LossSurface,
    images: Real,
    *,
    method: str = "string",
    steps: int = 300,
    step_size: float | None = None,
    spring: float = 0.1,
    progress: Callable[[float], object] | None = None,
) -> RelaxedPath:
    """Relax a path towards one of minimum energy; Ctrl-C keeps the best so far.

    .. formula:: Minimum-energy path, string and elastic band

    Parameters
    ----------
    surface : LossSurface
        The loss.
    images : ndarray, shape (k + 1, p)
        A path, its ends minima; at least three.
    method : {"string", "neb"}, optional
        How.
    steps : int, optional
        Each costs a gradient for each inner image.
    step_size : float, optional
        Of gradient descent; .7 over the largest modulus of an eigenvalue on the start by default.
    spring : float, optional
        Of the band, as a share of that eigenvalue.
    progress : callable, optional
        Called with the share that is done, and with 1 at the end, but for Ctrl-C.

    Returns
    -------
    RelaxedPath
        With the lowest maximum of all that were looked at.

    Raises
    ------
    ValueError
        For fewer than three images, images that coincide, or a loss that overflows at the start.
    TypeError
        If the surface is none, `step_size` or `spring` is no real number, `steps` is no integer,
        `images` holds no real numbers, or `progress` cannot be called.
    """
    choice("method", method, METHODS)
    loss_surface("surface", surface)
    callable_or_none("progress", progress)
    here = float_array("images", images, ndim=2).copy()
    if here.shape[1] != surface.size:
        raise ValueError(f"images must have {surface.size} entries each; got shape {here.shape}")
    if len(here) < 3:
        raise ValueError(f"a path has at least three images; got {len(here)}")
    number = count("steps", steps, min_value=0)
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(np.diff(here, axis=0), axis=1)
    if not lengths.all():
        raise ValueError("two images of the path coincide; take fewer")
    if not lengths.sum() < 1e150:
        raise ValueError("the path is so long that squares of its length overflow; rescale it")
    curvature = _largest_curvature(surface, here)
    step = 0.7 / curvature if step_size is None else positive("step_size", step_size)
    band = positive("spring", spring) * curvature
    best, seen = here.copy(), profile(surface, Polygon(here), points=4 * len(here))
    done, limit, far = 0, seen.highest, 1e4 * (1.0 + float(np.abs(here).max()))
    is_whole = False
    try:
        with suppress(ValueError):  # an overflow: the step was too long
            while done < number and np.abs(here).max() < far:  # else the step is too long
                slopes = np.array([surface.gradient(image) for image in here[1:-1]])
                if method == "string":
                    here[1:-1] -= step * slopes
                    here = _evenly_spaced(here)
                else:
                    here[1:-1] -= step * _band_forces(surface, here, slopes, band)
                done += 1
                if done % _LOOK == 0 or done == number:
                    found = profile(surface, Polygon(here), points=4 * len(here))
                    near = seen.highest + 1e-6 * max(seen.barrier, 0.0)
                    if found.highest <= min(near, limit):  # the later one of equals
                        best, seen = here.copy(), found
                if progress is not None and done < number:
                    progress(done / number)
        is_whole = True
        if progress is not None:
            progress(1.0)
    except KeyboardInterrupt:
        pass
    return RelaxedPath(best, seen, _across(surface, best, method), done, is_whole)


def _largest_curvature(surface: LossSurface, images: Real) -> float:
    """Return the largest modulus of an eigenvalue at the ends and in the middle."""
    largest = 0.0
    for i in (0, len(images) // 2, len(images) - 1):
        if surface.size <= 300:
            values = np.linalg.eigvalsh(surface.hessian(images[i]))
            largest = max(largest, float(np.abs(values).max()))
        else:
            pairs = extremal_eigenpairs(
                surface.operator(images[i]), 1, which="magnitude", tol=1e-2, rng=0
            )
            largest = max(largest, float(np.abs(pairs.values).max()))
    return largest or 1.0


def _evenly_spaced(images: Real) -> Real:
    """Move images along the cubic spline through them to equal distances."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(np.diff(images, axis=0), axis=1)
    if not (lengths > 0.0).all():
        raise ValueError("two images of the path coincide; take fewer")
    places = np.append(0.0, lengths.cumsum())
    if not places[-1] < 1e150:  # products of lengths and images are no numbers
        raise ValueError("the path is so long that squares of its length overflow; rescale it")
    spline = CubicSpline(places, images)
    fine = np.linspace(0.0, places[-1], 10 * len(images) + 1)
    arcs = np.linalg.norm(np.diff(spline(fine), axis=0), axis=1).cumsum()
    wanted = np.linspace(0.0, arcs[-1], len(images))
    at = np.interp(wanted, np.append(0.0, arcs), fine)
    moved: Real = spline(at)
    moved[0], moved[-1] = images[0], images[-1]
    return moved


def _tangents(images: Real, losses: Real) -> Real:
    """Return unit tangents at inner images: towards the higher neighbour (Henkelman 2000)."""
    forward, backward = images[2:] - images[1:-1], images[1:-1] - images[:-2]
    up = losses[2:] - losses[1:-1]
    down = losses[1:-1] - losses[:-2]
    large, small = np.maximum(np.abs(up), np.abs(down)), np.minimum(np.abs(up), np.abs(down))
    rising, falling = (up > 0) & (down > 0), (up < 0) & (down < 0)
    mixed_up = losses[2:] > losses[:-2]
    ahead = np.where(rising, 1.0, np.where(falling, 0.0, np.where(mixed_up, large, small)))
    behind = np.where(rising, 0.0, np.where(falling, 1.0, np.where(mixed_up, small, large)))
    even = ahead + behind == 0.0
    ahead, behind = np.where(even, 1.0, ahead), np.where(even, 1.0, behind)
    unit = np.maximum(ahead, behind)  # of the loss, whose squares may be no numbers
    tangents = (ahead / unit)[:, None] * forward + (behind / unit)[:, None] * backward
    norms = np.linalg.norm(tangents, axis=1, keepdims=True)
    return np.asarray(tangents / np.where(norms > 0.0, norms, 1.0))  # none where the path folds


def _band_forces(surface: LossSurface, images: Real, slopes: Real, spring: float) -> Real:
    """Return what is subtracted: the gradient across the path, and springs along it."""
    tangents = _tangents(images, surface.losses(images))
    along = np.einsum("ip,ip->i", slopes, tangents)
    lengths = np.linalg.norm(np.diff(images, axis=0), axis=1)
    pull = spring * (lengths[1:] - lengths[:-1])
    forces: Real = slopes - (along + pull)[:, None] * tangents
    return forces


def _across(surface: LossSurface, images: Real, method: str) -> float:
    if method == "neb":
        tangents = _tangents(images, surface.losses(images))
    else:
        lengths = np.linalg.norm(np.diff(images, axis=0), axis=1)
        places = np.append(0.0, lengths.cumsum())
        tangents = CubicSpline(places, images)(places[1:-1], 1)
        tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    slopes = np.array([surface.gradient(image) for image in images[1:-1]])
    largest = float(np.abs(slopes).max())
    if largest == 0.0:
        return 0.0
    slopes /= largest  # squares of tiny or huge ones are no numbers
    along = np.einsum("ip,ip->i", slopes, tangents)
    apart = np.linalg.norm(slopes - along[:, None] * tangents, axis=1)
    return float(apart.max() / np.linalg.norm(slopes, axis=1).max())


def saddle_near(
    surface: LossSurface, theta: Real, *, tolerance: float = 1e-10, max_steps: int = 60
) -> Saddle:
    """Return the critical point that Newton's method finds from a point.

    Parameters
    ----------
    surface : LossSurface
        The loss; its Hessian is formed.
    theta : ndarray, shape (p,)
        Where to start, such as the highest point of a relaxed path.
    tolerance : float, optional
        Norm of the gradient that is enough, relative to the largest curvature and to the norm of
        theta, there or at the start, whichever is larger. Where rounding ends the descent before,
        1 in place of that norm, and a Newton step of 1e-6 of it, are enough.
    max_steps : int, optional
        Newton steps.

    Returns
    -------
    Saddle
        The point and its index: 1 on top of a minimum-energy path.

    Raises
    ------
    ConvergenceError
        If the gradient did not fall to the tolerance.
    ValueError
        For a point of another size, or a surface without curvature there.
    TypeError
        If the surface is none, `tolerance` is no real number, `max_steps` is no integer, or `theta`
        holds no real numbers.
    """
    here = parameter_vector(surface, "theta", theta).copy()
    limit = positive("tolerance", tolerance)
    loss, gradient = surface.value(here)
    start = _norm(here)
    for _ in range(count("max_steps", max_steps)):
        values, vectors = np.linalg.eigh(surface.hessian(here))
        largest = float(np.abs(values).max())
        norm, size = _norm(gradient), max(start, _norm(here))
        if largest == 0.0:
            raise ValueError("the Hessian is zero here: whether a point is a saddle it cannot tell")
        found = Saddle(here, loss, norm, int((values < -1e-9 * largest).sum()))
        if norm <= limit * largest * size:
            return found
        kept = np.abs(values) > 1e-12 * largest
        parts = np.where(kept, (vectors.T @ gradient) / np.where(kept, values, 1.0), 0.0)
        step = vectors @ parts
        settled = norm <= limit * largest * max(1.0, size) and _norm(step) <= 1e-6 * size
        share = 1.0
        while True:
            trial = here - share * step
            try:
                new_loss, new_gradient = surface.value(trial)
                fallen = _norm(new_gradient) < norm
            except ValueError:
                fallen = False
            if fallen:
                break
            share *= 0.5
            if share < 1e-8:
                if settled:
                    return found
                raise ConvergenceError(
                    f"Newton's method stopped at a gradient of norm {norm:.3g}: start nearer to a "
                    "critical point, from a path that was relaxed for longer"
                )
        here, loss, gradient = trial, new_loss, new_gradient
    if settled:
        return found
    raise ConvergenceError(
        f"the gradient is {_norm(gradient):.3g} after {max_steps} Newton steps; "
        "start nearer to a critical point"
    )


def _norm(vector: Real) -> float:
    """Return the Euclidean norm of a vector of any unit."""
    unit = float(np.abs(vector).max())
    return unit * float(np.linalg.norm(vector / unit)) if unit else 0.0
