r"""Curves through parameter space that are linear in their control points.

.. math:: \theta(t) = \sum_j w_j(t)\, n_j , \qquad 0 \le t \le 1 ,

with n_0 and n_k the ends: polygonal chains, with hat functions w_j, and Bezier curves, with
Bernstein polynomials. The derivative of a loss on the curve in its control points is then
dL/dn_j = w_j(t) dL/dtheta.

References
----------
.. [1] T. Garipov, P. Izmailov, D. Podoprikhin, D. Vetrov and A. G. Wilson, Loss surfaces, mode
       connectivity, and fast ensembling of DNNs, NeurIPS 2018.

Examples
--------
>>> import numpy as np
>>> nodes = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 0.0]])
>>> Polygon(nodes).at(np.array([0.25, 0.5])), Bezier(nodes).at(np.array([0.5]))
(array([[0.5, 1. ],
       [1. , 2. ]]), array([[1., 1.]]))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from scipy.special import comb

from rmtland.arguments import float_array, instance, length, points
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import loss_surface
from rmtland.typing import ArrayLike, Real, override

__all__ = ["Bezier", "Curve", "Polygon", "curve_on"]


class Curve(ABC):
    """A curve with control points.

    Parameters
    ----------
    nodes : array_like, shape (k + 1, p)
        Control points; the first and last are the ends.

    Attributes
    ----------
    is_whole : bool
        False for a curve whose training Ctrl-C cut short.

    Raises
    ------
    ValueError
        For fewer than two.
    TypeError
        If `nodes` holds no real numbers.
    """

    def __init__(self, nodes: ArrayLike) -> None:
        self.nodes = float_array("nodes", nodes, ndim=2).copy()
        self.is_whole = True
        if len(self.nodes) < 2:
            raise ValueError("a curve has two ends: give at least two control points")

    @classmethod
    def between(cls, start: ArrayLike, end: ArrayLike, bends: int = 1) -> Self:
        """Return the straight curve with some inner control points, evenly spaced.

        Parameters
        ----------
        start, end : array_like, shape (p,)
            The ends.
        bends : int, optional
            Inner control points.

        Returns
        -------
        Curve
            Straight, as far as its control points are not moved.

        Raises
        ------
        ValueError
            For ends of different sizes.
        """
        ends = [float_array(name, v, ndim=1) for name, v in (("start", start), ("end", end))]
        if ends[0].shape != ends[1].shape:
            raise ValueError(f"the ends have {len(ends[0])} and {len(ends[1])} entries")
        t = np.linspace(0.0, 1.0, length("bends", bends, min_value=0) + 2)[:, None]
        nodes = (1.0 - t) * ends[0] + t * ends[1]
        nodes[-1] = ends[1]
        return cls(nodes)

    @abstractmethod
    def weights(self, t: Real) -> Real:
        """Return the weights of the control points.

        Parameters
        ----------
        t : ndarray, shape (k,)
            Between 0 and 1.

        Returns
        -------
        ndarray, shape (k, number of nodes)
            Rows of sum 1.
        """

    def at(self, t: Real) -> Real:
        """Return points of the curve.

        Parameters
        ----------
        t : ndarray, shape (k,)
            Between 0 and 1.

        Returns
        -------
        ndarray, shape (k, p)
            One a row.

        Raises
        ------
        ValueError
            For a t outside the curve.
        TypeError
            If `t` holds no real numbers.
        """
        places = points("t", t)
        if places.size and (places.min() < 0.0 or places.max() > 1.0):
            raise ValueError(
                f"t must lie between 0 and 1; got {places.min():g} to {places.max():g}"
            )
        return self.weights(places) @ self.nodes

    def length(self, points: int = 1001) -> float:
        """Return the length of the curve, by a polygon of many points.

        Parameters
        ----------
        points : int, optional
            Of the polygon.

        Returns
        -------
        float
            Euclidean, in parameters; at most the true one.

        Raises
        ------
        ValueError
            If `points` is below 2.
        TypeError
            If it is no integer.
        """
        weights = self.weights(np.linspace(0.0, 1.0, length("points", points, min_value=2)))
        steps = np.diff(weights, axis=0)
        nodes = self.nodes - self.nodes[0]  # steps have the sum 0: digits are kept far from zero
        unit = float(np.abs(nodes).max()) or 1.0
        nodes = nodes / unit
        gram = nodes @ nodes.T  # the polygon has p entries a point; its Gram few
        squares = np.einsum("ki,ij,kj->k", steps, gram, steps)
        direct = np.linalg.norm(nodes[-1])
        return unit * max(float(np.sqrt(np.maximum(squares, 0.0)).sum()), float(direct))


class Polygon(Curve):
    """A polygonal chain, with its control points evenly spaced in t.

    Parameters
    ----------
    nodes : array_like, shape (k + 1, p)
        Control points; the first and last are the ends.
    """

    @override
    def weights(self, t: Real) -> Real:
        places = np.arange(len(self.nodes))
        scaled = np.asarray(t, dtype=np.float64)[:, None] * (len(self.nodes) - 1)
        return np.maximum(0.0, 1.0 - np.abs(scaled - places))


class Bezier(Curve):
    """A Bezier curve; with one inner control point a parabola.

    Parameters
    ----------
    nodes : array_like, shape (k + 1, p)
        Control points; the first and last are the ends.
    """

    @override
    def weights(self, t: Real) -> Real:
        degree = len(self.nodes) - 1
        j = np.arange(degree + 1)
        s = np.asarray(t, dtype=np.float64)[:, None]
        weights: Real = comb(degree, j) * s**j * (1.0 - s) ** (degree - j)
        return weights


def curve_on(surface: LossSurface, name: str, value: Curve) -> Curve:
    """Return a curve, or say why it is none on a surface.

    Parameters
    ----------
    surface : LossSurface
        Which says how many parameters there are.
    name : str
        Of the argument, for the message.
    value : Curve
        What came.

    Returns
    -------
    Curve
        The same.

    Raises
    ------
    ValueError
        If its points are of another size.
    TypeError
        If the surface is none, or the curve.
    """
    size = loss_surface("surface", surface).size
    kind: type[Curve] = Curve  # type: ignore[type-abstract]
    curve = instance(name, value, kind, "a Curve such as Polygon(nodes) or Bezier(nodes)")
    if curve.nodes.shape[1] != size:
        raise ValueError(
            f"the curve must have points of {size} entries; got {curve.nodes.shape[1]}"
        )
    return curve
