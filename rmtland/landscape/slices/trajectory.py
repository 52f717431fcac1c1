r"""The plane in which a training trajectory moves most, and the trajectory in it.

With the iterates theta_0, ..., theta_T as rows, the directions are the leading right singular
vectors of theta_t - theta_T (Li et al., NeurIPS 2018) or of theta_t less their mean, found from the
Gram matrix of size T + 1. The share of variance says how much of the movement the plane holds,

.. math:: \frac{s_1^2 + s_2^2}{\sum_i s_i^2} ,

which is large for any random walk in many dimensions too (6/pi^2 = .61 and .15 for the first two
components; Antognini and Sohl-Dickstein, NeurIPS 2018): a picture of such a plane shows a smooth
arc whatever the training did.

References
----------
.. [1] H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural
       nets, NeurIPS 2018.
.. [2] J. Antognini and J. Sohl-Dickstein, PCA of high dimensional random walks with comparison to
       neural network training, NeurIPS 2018.

Examples
--------
>>> import numpy as np
>>> steps = np.array([[0.0, 0.0, 0.0], [3.0, 1.0, 0.0], [6.0, 0.0, 0.0]])
>>> found = trajectory_plane(steps)
>>> np.round(found.shares, 3), found.coordinates.shape
(array([0.983, 0.017]), (3, 2))
>>> bool(np.allclose(found.origin + found.coordinates @ found.directions.rows, steps))
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import choice, count, float_array
from rmtland.landscape.slices.directions import Directions
from rmtland.networks import LossPoint
from rmtland.typing import Real

__all__ = ["TrajectoryPlane", "record_trajectory", "trajectory_plane"]


@dataclass(frozen=True, eq=False)
class TrajectoryPlane:
    """The leading directions of a trajectory.

    Made by `rmtland.landscape.slices.trajectory_plane`.

    Parameters
    ----------
    origin : ndarray, shape (p,)
        The last iterate, or the mean.
    directions : Directions
        Orthonormal rows, most variance first.
    shares : ndarray, shape (d,)
        Share of the variance of each.
    coordinates : ndarray, shape (T + 1, d)
        Of the iterates, projected.
    distances : ndarray, shape (T + 1,)
        Of the iterates from the plane.
    """

    origin: Real
    directions: Directions
    shares: Real
    coordinates: Real
    distances: Real

    def extent(self, margin: float = 0.25) -> tuple[tuple[float, float], ...]:
        """Return ranges that hold the trajectory.

        Parameters
        ----------
        margin : float, optional
            On each side, as a share of the wider range.

        Returns
        -------
        tuple of (float, float)
            One for each direction, as `plane_slice` takes them.
        """
        low, high = self.coordinates.min(axis=0), self.coordinates.max(axis=0)
        room = margin * float((high - low).max())
        return tuple((float(a - room), float(b + room)) for a, b in zip(low, high, strict=True))


def trajectory_plane(thetas: Real, d: int = 2, *, center: str = "last") -> TrajectoryPlane:
    """Return the leading directions of a trajectory.

    Parameters
    ----------
    thetas : ndarray, shape (T + 1, p)
        The iterates, one a row.
    d : int, optional
        How many directions.
    center : {"last", "mean"}, optional
        What is subtracted: the last iterate, or the mean (principal components proper).

    Returns
    -------
    TrajectoryPlane
        Directions, shares of variance and projections.

    Raises
    ------
    ValueError
        If the iterates span fewer directions.
    TypeError
        If `d` is no integer, or `thetas` holds no real numbers.
    """
    choice("center", center, ("last", "mean"))
    number = count("d", d)
    rows = float_array("thetas", thetas, ndim=2)
    origin = rows[-1].copy() if center == "last" else rows.mean(axis=0)
    moved = rows - origin
    unit = float(np.abs(moved).max()) or 1.0  # squares of tiny or huge steps are no numbers
    values, vectors = np.linalg.eigh((moved / unit) @ (moved / unit).T)
    values, vectors = values[::-1], vectors[:, ::-1]
    total = float(np.maximum(values, 0.0).sum())
    if len(rows) < number or not values[number - 1] > 1e-14 * total:
        raise ValueError(
            f"{len(rows)} iterates do not span {number} directions; record more of them, or take "
            "fewer directions"
        )
    axes, _ = np.linalg.qr((vectors[:, :number].T @ (moved / unit)).T)
    axes = axes.T
    axes *= np.sign(axes[np.arange(number), np.abs(axes).argmax(axis=1)])[:, None]
    coordinates = moved @ axes.T
    shares = values[:number] / total
    distances = unit * np.linalg.norm((moved - coordinates @ axes) / unit, axis=1)
    labels = tuple(
        f"principal direction {i + 1} ({100 * share:.1f} % of variance)"
        for i, share in enumerate(shares)
    )
    return TrajectoryPlane(origin, Directions(axes, labels), shares, coordinates, distances)


def record_trajectory(
    every: int = 1,
) -> tuple[list[Real], Callable[[int, LossPoint], None]]:
    """Return a list, and a callback of `rmtland.networks.train` that fills it with iterates.

    Parameters
    ----------
    every : int, optional
        Keep each so many-th look.

    Returns
    -------
    iterates : list of ndarray
        Parameters, copied; the last look may be missing: append the result's theta.
    callback : callable
        For ``train(..., callback=callback)``.

    Raises
    ------
    ValueError
        For a number below 1.
    TypeError
        If `every` is no integer.
    """
    step = count("every", every)
    iterates: list[Real] = []
    seen = 0

    def note(steps: int, point: LossPoint) -> None:
        nonlocal seen
        if seen % step == 0:
            iterates.append(np.array(point.theta, dtype=np.float64))
        seen += 1

    return iterates, note
