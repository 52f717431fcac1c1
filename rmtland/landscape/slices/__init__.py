r"""Slices of a loss surface: the loss along a line, or in a plane, of parameter space.

Directions are random and filter-normalised, eigenvectors of the Hessian, or the leading directions
of a training trajectory. Synonyms: loss landscape visualisation, contour plot, filter
normalisation, PCA of the trajectory.

>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> bowl = FunctionSurface(2, lambda t: (float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(2))
>>> plane = plane_slice(bowl, np.zeros(2), np.eye(2), extent=1.0, points=3)
>>> plane.losses
array([[2., 1., 2.],
       [1., 0., 1.],
       [2., 1., 2.]])
"""

from rmtland.landscape.slices.directions import (
    Directions,
    eigenvector_directions,
    filter_normalised,
    random_directions,
)
from rmtland.landscape.slices.grids import LineSlice, PlaneSlice, line_slice, plane_slice
from rmtland.landscape.slices.surface_page import surface_page
from rmtland.landscape.slices.trajectory import (
    TrajectoryPlane,
    record_trajectory,
    trajectory_plane,
)

__all__ = [
    "Directions",
    "LineSlice",
    "PlaneSlice",
    "TrajectoryPlane",
    "eigenvector_directions",
    "filter_normalised",
    "line_slice",
    "plane_slice",
    "random_directions",
    "record_trajectory",
    "surface_page",
    "trajectory_plane",
]
