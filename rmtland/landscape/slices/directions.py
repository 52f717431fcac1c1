r"""Directions in parameter space: random ones in units of the filters, and eigenvectors.

A filter is the weights that feed one unit (one channel of a convolution): a row of the first axis
of an array of parameters. Filter normalisation (Li et al., NeurIPS 2018) scales each filter of a
Gaussian direction to the norm of the same filter of the network,

.. math:: d_{l,i} \leftarrow \frac{d_{l,i}}{\|d_{l,i}\|} \, \|\theta_{l,i}\| ,

so that pictures of networks of different scale compare. Biases and the parameters of
normalisation, arrays of one axis, have no filters; both conventions are offered: ``vectors="zero"``
leaves them where they are (Li et al.'s ``biasbn`` left out), ``vectors="whole"`` scales each array
as one filter. A bias that is zero in the network is not moved by either.

References
----------
.. [1] H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural
       nets, NeurIPS 2018.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> from rmtland.landscape.surface import NetworkSurface
>>> surface = NetworkSurface.of(MLP((1, 1, 1), bias=True), [[1.0]], [[1.0]])
>>> filter_normalised(surface, np.array([3.0, 1.0, 4.0, 2.0]), np.array([1.0, -5.0, -2.0, 0.1]))
array([ 3.,  0., -4.,  0.])
>>> filter_normalised(surface, np.array([3.0, 1.0, 4.0, 2.0]), np.array([1.0, -5.0, -2.0, 0.1]),
...                   vectors="whole")
array([ 3., -1., -4.,  2.])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import choice, count, float_array, truth
from rmtland.estimate import extremal_eigenpairs
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import parameter_vector
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = [
    "Directions",
    "eigenvector_directions",
    "filter_normalised",
    "lengths",
    "random_directions",
]

NORMALISATIONS = ("filter", "layer", "none")
VECTORS = ("zero", "whole")


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions, and what the axes of a picture along them are called.

    Parameters
    ----------
    rows : ndarray, shape (d, p)
        One direction a row.
    labels : tuple of str
        One for each.

    Raises
    ------
    ValueError
        If the rows are no finite vectors, or not as many as the labels.
    TypeError
        If they are not real numbers.
    """

    rows: Real
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse rows that are no vectors, and labels that do not fit."""
        object.__setattr__(self, "rows", float_array("rows", self.rows, ndim=2))
        if len(self.labels) != len(self.rows):
            raise ValueError(f"{len(self.rows)} directions have {len(self.labels)} labels")


def filter_normalised(
    surface: LossSurface,
    theta: Real,
    direction: Real,
    *,
    by: str = "filter",
    vectors: str = "zero",
) -> Real:
    r"""Scale a direction to the filters, or layers, of a network.

    .. formula:: Filter normalisation, :math:`d_{l,i} \leftarrow d_{l,i} \lVert\theta_{l,i}\rVert /
        \lVert d_{l,i}\rVert`

    Parameters
    ----------
    surface : LossSurface
        Whose parameters: its blocks say what is a filter.
    theta : ndarray, shape (p,)
        The network.
    direction : ndarray, shape (p,)
        The direction.
    by : {"filter", "layer", "none"}, optional
        What is scaled together.
    vectors : {"zero", "whole"}, optional
        What happens to arrays of one axis (biases, normalisation): zero, or one filter each. An
        array that is all there is, as of a function, is one filter.

    Returns
    -------
    ndarray, shape (p,)
        A new direction.

    Raises
    ------
    ValueError
        For an unknown convention, or vectors of another shape.
    """
    choice("by", by, NORMALISATIONS)
    choice("vectors", vectors, VECTORS)
    center = parameter_vector(surface, "theta", theta)
    given = parameter_vector(surface, "direction", direction)
    scaled = given.copy()
    if by == "none":
        return scaled
    for block in surface.blocks:
        place, shape = block.slice, block.shape
        if len(shape) < 2 and vectors == "zero" and len(surface.blocks) > 1:
            scaled[place] = 0.0
            continue
        rows = shape[0] if len(shape) > 1 and by == "filter" else 1
        mine, own = (v[place].reshape(rows, -1) for v in (given, center))
        norms, sizes = lengths(mine), lengths(own)
        factors = np.divide(sizes, norms, out=np.zeros_like(sizes), where=norms > 0.0)
        scaled[place] = (factors * mine).ravel()
    return scaled


def lengths(rows: Real) -> Real:
    """Return the norm of each row, where squares are no numbers too.

    Parameters
    ----------
    rows : ndarray, shape (k, p)
        One vector a row.

    Returns
    -------
    ndarray, shape (k, 1)
        A column.
    """
    sizes = np.abs(rows).max(axis=1, keepdims=True)
    unit = np.ldexp(1.0, np.frexp(sizes)[1] - 1)  # exact: a power of 2
    return np.asarray(unit * np.linalg.norm(rows / unit, axis=1, keepdims=True))


def random_directions(
    surface: LossSurface,
    theta: Real,
    d: int = 2,
    *,
    by: str = "filter",
    vectors: str = "zero",
    orthogonal: bool = False,
    rng: Rng = None,
) -> Directions:
    """Draw Gaussian directions, in units of the filters of a network.

    Parameters
    ----------
    surface : LossSurface
        Whose parameters.
    theta : ndarray, shape (p,)
        The network.
    d : int, optional
        How many.
    by, vectors : str, optional
        As in `filter_normalised`.
    orthogonal : bool, optional
        Make the scaled directions orthogonal, each keeping its norm; random ones in many dimensions
        nearly are.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    Directions
        One step along one is as long as the network's weights.

    Raises
    ------
    ValueError
        If one is zero, as where all weights are, or orthogonal ones are more than parameters that
        move.
    TypeError
        If the surface is none, `d` is no integer, `orthogonal` no truth value, or `theta` holds no
        real numbers.
    """
    generator = random_generator(rng)
    center, number = parameter_vector(surface, "theta", theta), count("d", d)
    rows = np.array(
        [
            filter_normalised(
                surface, center, generator.standard_normal(surface.size), by=by, vectors=vectors
            )
            for _ in range(number)
        ]
    )
    norms = np.linalg.norm(rows, axis=1)
    if not norms.all():
        raise ValueError("a direction in units of the weights is zero: all weights are")
    if truth("orthogonal", orthogonal):
        if number > surface.size:
            raise ValueError(f"there are no {number} orthogonal directions of {surface.size}")
        q, r = np.linalg.qr(rows.T)
        if (np.abs(np.diag(r)) < 1e-8 * norms).any():
            raise ValueError(
                f"{number} directions in units of the weights are dependent: too few of the "
                "parameters move; draw fewer, or take by='none'"
            )
        rows = (q * (np.sign(np.diag(r)) * norms)).T
    kind = {"filter": "filter-normalised", "layer": "layer-normalised", "none": "Gaussian"}[by]
    return Directions(rows, tuple(f"random direction {i + 1} ({kind})" for i in range(number)))


def eigenvector_directions(
    surface: LossSurface, theta: Real, which: str = "both", d: int = 2, *, rng: Rng = None
) -> Directions:
    """Return unit eigenvectors of the Hessian at a point.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    theta : ndarray, shape (p,)
        Where.
    which : {"both", "largest", "smallest"}, optional
        The largest and the most negative (d = 2), the d largest or the d least eigenvalues.
    d : int, optional
        How many.
    rng : optional
        Draws the start of Lanczos; anything `numpy.random.default_rng` takes.

    Returns
    -------
    Directions
        With their eigenvalues in the labels. The sign of each is that of its largest entry.

    Raises
    ------
    ValueError
        For an unknown choice, or more than parameters.
    TypeError
        If `d` is no integer.
    """
    choice("which", which, ("both", "largest", "smallest"))
    number = count("d", d)
    if which == "both" and number != 2:
        raise ValueError(f"both ends are two directions; got d = {number}")
    center = parameter_vector(surface, "theta", theta)
    if number > surface.size:
        raise ValueError(f"there are {surface.size} eigenvectors; got d = {number}")
    matrix = surface.hessian(center) if surface.size <= 512 else surface.operator(center)
    k = 1 if which == "both" else number
    pairs = extremal_eigenpairs(matrix, k, which=which, tol=1e-5, rng=rng)
    values, vectors = pairs.values[::-1], pairs.vectors[:, ::-1].T
    if which == "smallest":
        values, vectors = values[::-1], vectors[::-1]
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])
    labels = tuple(rf"eigenvector of $\lambda$ = {value:.3g}" for value in values)
    return Directions(signs[:, None] * vectors, labels)
