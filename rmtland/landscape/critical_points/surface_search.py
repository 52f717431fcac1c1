"""The search for critical points of any loss, such as a PyTorch model's: finders without proofs.

>>> import numpy as np
>>> checked_starts([[0.0, 1.0]], 2).shape
(1, 2)
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import dense_array, length
from rmtland.landscape.critical_points.critical_point import CriticalPoint, CriticalPoints
from rmtland.landscape.critical_points.finders import Finder
from rmtland.landscape.critical_points.starts import trained_start
from rmtland.landscape.critical_points.surface_point import DecayedSurface, SurfacePoint
from rmtland.landscape.surface import LossSurface, TorchSurface
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Real, Rng

__all__ = ["checked_starts", "search_surface"]

STEPS = 300
"""Of gradient descent to a start, at most: a model costs more than an MLP."""


def search_surface(
    surface: LossSurface,
    finder: Finder,
    starts: int | ArrayLike,
    *,
    weight_decay: float | None = None,
    spectrum: bool = False,
    rng: Rng = None,
) -> CriticalPoints:
    """Search for critical points of the loss of a model, one start after the other.

    Parameters
    ----------
    surface : LossSurface
        The loss, in double precision.
    finder : Finder
        How to search.
    starts : int or array_like of shape (k, p)
        How many, or the starts themselves.
    weight_decay : float, optional
        Added to the loss; none by default.
    spectrum : bool, optional
        Keep the eigenvalues of each Hessian.
    rng : optional
        Anything `numpy.random.default_rng` takes; each start has a stream of its own.

    Returns
    -------
    CriticalPoints
        One a start, in their order.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it is in single precision, or for a finder of symmetry types.
    """
    if not isinstance(surface, LossSurface):
        raise TypeError(
            "network must be an MLP, or a surface such as rmtland.landscape.surface.TorchSurface("
            f"model, loss, data); got {surface!r}"
        )
    if finder.makes_its_start:
        raise ValueError(f"{type(finder).__name__} knows the units of an MLP only")
    if isinstance(surface, TorchSurface) and surface.origin.dtype != np.float64:
        raise ValueError(
            "critical points are sought in double precision; make the surface of model.double() or "
            "with dtype=torch.float64"
        )
    decayed = DecayedSurface(surface, 0.0 if weight_decay is None else weight_decay)
    given = None if np.ndim(starts) == 0 else checked_starts(starts, decayed.size)
    many = length("starts", starts, min_value=0) if given is None else len(given)
    found = []
    for place, generator in enumerate(streams(rng, many)):
        theta = (
            trained_start(decayed, rng=generator, max_steps=STEPS)
            if given is None
            else given[place]
        )
        start = SurfacePoint(decayed, theta)
        walk = finder.find(decayed, theta, rng=generator)
        found.append(
            CriticalPoint.of(
                SurfacePoint(decayed, walk.theta),
                start_norm=float(np.linalg.norm(theta)),
                spectrum=spectrum,
                steps=walk.steps,
                reason=walk.reason,
                start_energy=start.energy,
            )
        )
    return CriticalPoints(found)


def checked_starts(starts: ArrayLike, size: int) -> Real:
    """Return starts as an array, or say what they should be.

    Parameters
    ----------
    starts : array_like, shape (k, p)
        The starts.
    size : int
        p.

    Returns
    -------
    ndarray, shape (k, p)
        In double precision.

    Raises
    ------
    ValueError
        For another shape, or entries that are masked or not finite.
    TypeError
        If they are not real numbers.
    """
    array = dense_array("starts", starts)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"starts must be real numbers; got dtype {array.dtype}")
    given: Real = array.astype(np.float64)
    if given.ndim != 2 or given.shape[1] != size:
        raise ValueError(
            f"starts must be a number, or an array of shape (k, {size}); got shape {given.shape}"
        )
    if not np.isfinite(given).all():
        raise ValueError("starts must be finite")
    return given
