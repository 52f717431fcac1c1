r"""The loss on a line and on a grid of a plane.

.. math:: f(a) = L(\theta + a d) , \qquad f(a, b) = L(\theta + a d_1 + b d_2)

on evenly spaced coordinates. An odd number of points has the centre among them. A grid sees the
surface at its points only: minima and barriers between them are missed (a ReLU network with data
(1, 2), (-1, 1) has a barrier of exactly 2.5 at w = 0, and a grid that misses it reads less:
`rmtland.landscape.level_sets`).

References
----------
.. [1] H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural
       nets, NeurIPS 2018.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> bowl = FunctionSurface(2, lambda t: (float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(2))
>>> line_slice(bowl, np.zeros(2), np.array([1.0, 0.0]), extent=2.0, points=5).losses
array([4., 1., 0., 1., 4.])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtland.arguments import callable_or_none, finite, float_array, length
from rmtland.landscape.slices.directions import Directions, lengths
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import parameter_vector
from rmtland.typing import ArrayLike, Real

__all__ = ["LineSlice", "PlaneSlice", "line_slice", "plane_slice"]

_AT_ONCE = 512
"""Points between two looks at an interrupt and calls of `progress`."""


@dataclass(frozen=True, eq=False)
class LineSlice:
    """The loss along a line.

    Made by `rmtland.landscape.slices.line_slice`.

    Parameters
    ----------
    coordinates : ndarray, shape (k,)
        Ascending.
    losses : ndarray, shape (k,)
        There.
    label : str
        Of the direction.
    """

    coordinates: Real
    losses: Real
    label: str


@dataclass(frozen=True, eq=False)
class PlaneSlice:
    """The loss on a grid of a plane.

    Made by `rmtland.landscape.slices.plane_slice`.

    Parameters
    ----------
    x, y : ndarray, shapes (k,) and (l,)
        Coordinates along the two directions, ascending.
    losses : ndarray, shape (l, k)
        At ``origin + x[j] directions[0] + y[i] directions[1]``; NaN where an interrupt came first.
    origin : ndarray, shape (p,)
        Where both coordinates are 0.
    directions : ndarray, shape (2, p)
        One a row.
    labels : (str, str)
        Of the directions.
    """

    x: Real
    y: Real
    losses: Real
    origin: Real
    directions: Real
    labels: tuple[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether all points were evaluated."""
        return bool(np.isfinite(self.losses).all())

    def coordinates_of(self, thetas: Real) -> tuple[Real, Real]:
        """Project points of parameter space on the plane, orthogonally.

        Parameters
        ----------
        thetas : ndarray, shape (k, p)
            One point a row.

        Returns
        -------
        coordinates : ndarray, shape (k, 2)
            Of the nearest points of the plane.
        distances : ndarray, shape (k,)
            From the plane: a picture shows a point where it is only if that is small.

        Raises
        ------
        ValueError
            If the points are not finite, or not of p coordinates each.
        TypeError
            If they are not real numbers.
        """
        at = float_array("thetas", thetas, ndim=2)
        if at.shape[1] != self.origin.size:
            raise ValueError(
                f"thetas must have {self.origin.size} columns, one for each parameter; got shape "
                f"{at.shape}"
            )
        away = at - self.origin
        norms = lengths(self.directions)  # they may differ by any factor
        solved, *_ = np.linalg.lstsq((self.directions / norms).T, away.T, rcond=None)
        found = np.asarray(solved.T / norms.T, dtype=np.float64)
        return found, lengths(away - found @ self.directions)[:, 0]


def line_slice(
    surface: LossSurface,
    origin: Real,
    direction: ArrayLike | Directions,
    *,
    extent: float | tuple[float, float] = 1.0,
    points: int = 51,
) -> LineSlice:
    """Evaluate the loss along a line.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    origin : ndarray, shape (p,)
        Where the coordinate is 0.
    direction : ndarray, shape (p,), or Directions of one row
        The direction.
    extent : float or (float, float), optional
        From -extent to extent, or between two coordinates.
    points : int, optional
        At least 2.

    Returns
    -------
    LineSlice
        Coordinates and losses.

    Raises
    ------
    ValueError
        For a range that is empty, a direction of zeros, vectors of another shape, or a loss that
        overflows.
    TypeError
        If the surface is none, or `origin` or `direction` holds no real numbers.
    """
    center = parameter_vector(surface, "origin", origin)
    if isinstance(direction, Directions):
        rows, label = direction.rows, direction.labels[0]
    else:
        rows, label = float_array("direction", direction, ndim=1)[None], "direction"
    if len(rows) != 1:
        raise ValueError(f"a line has one direction; got {len(rows)}")
    if rows.shape[1] != surface.size:
        raise ValueError(f"direction must have {surface.size} entries; got {rows.shape[1]}")
    if not rows.any():
        raise ValueError("the direction is zero: there is no line along it")
    coordinates = _range("extent", extent, points)
    losses = surface.plane_losses(center, rows, coordinates[:, None])
    return LineSlice(coordinates, losses, label)


def plane_slice(
    surface: LossSurface,
    origin: Real,
    directions: ArrayLike | Directions,
    *,
    extent: Any = 1.0,
    points: int | tuple[int, int] = 51,
    progress: Callable[[float], object] | None = None,
) -> PlaneSlice:
    """Evaluate the loss on a grid of a plane; Ctrl-C keeps what is there.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    origin : ndarray, shape (p,)
        Where both coordinates are 0.
    directions : ndarray, shape (2, p), or Directions
        The plane; two that are linearly independent.
    extent : float, (float, float) or ((float, float), (float, float)), optional
        From -extent to extent on both axes; between two coordinates on both; or on each.
    points : int or (int, int), optional
        On each axis, at least 2.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    PlaneSlice
        Coordinates and losses; `is_whole` is False after an interrupt.

    Raises
    ------
    ValueError
        For a range that is empty, directions that are parallel, vectors of another shape, or a loss
        that overflows.
    TypeError
        If the surface is none, `origin` or `directions` holds no real numbers, or `progress` cannot
        be called.
    """
    center = parameter_vector(surface, "origin", origin)
    callable_or_none("progress", progress)
    if isinstance(directions, Directions):
        rows, labels = directions.rows, directions.labels
    else:
        rows = float_array("directions", directions, ndim=2)
        labels = tuple(f"direction {i + 1}" for i in range(len(rows)))
    if rows.shape != (2, surface.size):
        raise ValueError(
            f"a plane has two directions of {surface.size} entries; got shape {rows.shape}"
        )
    norms = lengths(rows)
    if not norms.all() or np.linalg.svd(rows / norms, compute_uv=False)[-1] < 1e-8:
        raise ValueError("the two directions are parallel or zero: they span no plane")
    each = points if isinstance(points, tuple) else (points, points)
    spans = extent if np.ndim(extent) == 2 else (extent, extent)
    if len(each) != 2 or len(spans) != 2:
        raise ValueError(f"points and extent take one or two; got {points!r} and {extent!r}")
    x, y = (_range("extent", span, number) for span, number in zip(spans, each, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    losses = np.full(len(grid), np.nan)
    try:
        for start in range(0, len(grid), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            losses[some] = surface.plane_losses(center, rows, grid[some])
            if progress is not None:
                progress(min(1.0, (start + _AT_ONCE) / len(grid)))
    except KeyboardInterrupt:
        if np.isnan(losses).all():
            raise
    return PlaneSlice(x, y, losses.reshape(len(y), len(x)), center, rows, (labels[0], labels[1]))


def _range(name: str, extent: Any, points: int) -> Real:
    number = length("points", points, min_value=2)
    if np.ndim(extent) == 0:
        high = finite(name, extent)
        low = -high
    elif np.shape(extent) == (2,):
        low, high = (finite(name, end) for end in extent)
    else:
        raise ValueError(f"{name} takes a number or two; got {extent!r}")
    if not low < high:
        raise ValueError(f"{name} must be ascending and not empty; got {low:g} to {high:g}")
    found: Real = np.linspace(low, high, number)
    if low == -high:
        found = 0.5 * (found - found[::-1])  # symmetric to the last bit: 0 is a point where odd
    return found
