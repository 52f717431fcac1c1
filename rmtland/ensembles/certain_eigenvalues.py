"""Eigenvalues that a random matrix has for certain, in the place of computed ones.

A Wishart matrix of low rank has exact zeros, a projection zeros and ones. A solver gives them with
rounding errors; which of its values they are is known, as they are the nearest.

Examples
--------
>>> import numpy as np
>>> computed = np.array([[1e-17, -2e-17, 0.7]])
>>> bounds = {"rounding": 2e-16, "norm": 1.0, "hull": (0.0, np.inf)}
>>> with_certain(computed, [(0.0, 2)], ArrayLibrary.of(), **bounds, ensemble="A")
array([[0. , 0. , 0.7]])
"""

from __future__ import annotations

from collections.abc import Sequence

from rmtland.arrays import ArrayLibrary
from rmtland.typing import Array

__all__ = ["with_certain"]


def with_certain(
    nodes: Array,
    known: Sequence[tuple[float, int]],
    library: ArrayLibrary,
    *,
    rounding: float,
    norm: float,
    hull: tuple[float, float],
    ensemble: object,
) -> Array:
    """Put what is known exactly in the place of computed eigenvalues.

    Parameters
    ----------
    nodes : array, shape (runs, n)
        Computed eigenvalues, in any order.
    known : sequence of (float, int)
        Eigenvalues that are certain, with their multiplicities, ascending.
    library : ArrayLibrary
        That of `nodes`.
    rounding : float
        Relative rounding of the solver's numbers.
    norm : float
        Norm of what the matrices were computed from, where it may be above their own.
    hull : (float, float)
        Bounds that no eigenvalue passes.
    ensemble : object
        What has them, as the error names it.

    Returns
    -------
    array, shape (runs, n)
        Within the bounds; ascending up to rounding.

    Raises
    ------
    ArithmeticError
        If the solver found no eigenvalues near one that is certain.
    """
    xp, n = library.plain, int(nodes.shape[1])
    nodes = xp.sort(nodes, axis=1)
    scale = xp.maximum(xp.max(xp.abs(nodes), axis=1), xp.asarray(norm))
    for place, multiplicity in known:
        # of consecutive ones, those that are nearest
        distance = xp.abs(nodes - place)
        within = xp.maximum(distance[:, : n - multiplicity + 1], distance[:, multiplicity - 1 :])
        start, gap = xp.argmin(within, axis=1), xp.min(within, axis=1)
        off = gap > 64 * n * rounding * xp.maximum(scale, xp.asarray(abs(place)))
        if bool(xp.any(off)):
            raise ArithmeticError(
                f"{ensemble} has {multiplicity} eigenvalues at {place:g}; the solver found none "
                f"within {float(gap[off][0]):.3g}: please report this"
            )
        rank = xp.arange(n)[None, :] - start[:, None]
        nodes = xp.where((rank >= 0) & (rank < multiplicity), place, nodes)
    return xp.clip(nodes, *hull)
