"""What is kept of batches of eigenvalues where not all are wanted: counts in bins, the outermost.

Batches stay on their device; what was counted or chosen travels back.

>>> from rmtland.arrays import ArrayLibrary
>>> batches, library = [np.array([[0.5, 2.0], [1.0, 0.0]])], ArrayLibrary.of()
>>> binned(batches, np.array([0.0, 1.0, 2.0]), library)
array([2, 2])
>>> outermost(batches, 1, "upper", library)
array([[2.],
       [1.]])
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import points
from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.typing import Array, Real

__all__ = ["bin_edges", "binned", "outermost"]


def bin_edges(edges: ArrayLike) -> Real:
    """Return edges of bins, at least two and ascending.

    Parameters
    ----------
    edges : array_like of float, shape (bins + 1,)
        Edges.

    Returns
    -------
    ndarray of float, shape (bins + 1,)
        The same as an array.

    Raises
    ------
    ValueError
        If the edges are fewer than two, NaN or not ascending.
    """
    places = points("edges", edges)
    if places.ndim != 1 or places.size < 2:
        raise ValueError(f"edges must be at least two numbers in a row; got shape {places.shape}")
    if (np.diff(places) < 0).any():
        raise ValueError("edges must be ascending")
    return places


def binned(batches: Iterable[Array], edges: Real, library: ArrayLibrary) -> NDArray[np.int64]:
    """Count eigenvalues in bins, those of all batches together.

    Parameters
    ----------
    batches : iterable of array
        Eigenvalues, any shapes.
    edges : ndarray of float, shape (bins + 1,)
        Ascending; bins are half open, [low, high), and the last one is closed.
    library : ArrayLibrary
        Of the batches.

    Returns
    -------
    ndarray of int64, shape (bins,)
        Numbers of eigenvalues.
    """
    xp = library.plain
    places = xp.asarray(edges)
    total = xp.zeros(edges.size, dtype=xp.int64)
    for values in batches:
        nodes = xp.sort(xp.reshape(values, (-1,)))
        below = xp.searchsorted(nodes, places[:-1], side="left")
        total[:-1] += below
        total[-1:] += xp.searchsorted(nodes, places[-1:], side="right")
    return np.diff(to_numpy(total)).astype(np.int64)


def outermost(batches: Iterable[Array], k: int, edge: str, library: ArrayLibrary) -> Real:
    """Return the k largest or smallest eigenvalues of each run.

    Parameters
    ----------
    batches : iterable of array, each of shape (batch, n)
        Eigenvalues, one row a run.
    k : int
        How many.
    edge : {"upper", "lower"}
        Which end.
    library : ArrayLibrary
        Of the batches.

    Returns
    -------
    ndarray, shape (runs, k)
        From the edge inwards.
    """
    xp, parts = library.plain, []
    for values in batches:
        nodes = xp.sort(values, axis=1)
        parts.append(to_numpy(nodes[:, -k:] if edge == "upper" else nodes[:, :k]))
    found = np.concatenate(parts)
    return found[:, ::-1] if edge == "upper" else found
