r"""Bounds that a Gauss quadrature leaves to the mass below a point.

For the nodes and weights of a Gauss quadrature of a measure, the mass below a point between two
nodes obeys the inequalities of Chebyshev, Markov and Stieltjes [1]_

.. math::
    \sum_{i < k} w_i \le \mu((-\infty, x)) \le \sum_{i \le k + 1} w_i ,
    \qquad \lambda_k < x \le \lambda_{k + 1} .

References
----------
.. [1] G. Szego, Orthogonal Polynomials, American Mathematical Society 1939, section 3.41.

Examples
--------
>>> low, high = mass_bounds(np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([2]))
>>> round(float(low[0]), 12), round(float(high[0]), 12)
(0.1, 0.6)
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import Integer, Real

__all__ = ["mass_bounds"]


def mass_bounds(weights: Real, below: Integer) -> tuple[Real, Real]:
    """Return bounds of the mass below a point, for each run.

    Parameters
    ----------
    weights : ndarray, shape (runs, size)
        Weights of the nodes in ascending order.
    below : ndarray of int, shape (runs,)
        Number of nodes below the point.

    Returns
    -------
    (ndarray, ndarray)
        Of shape (runs,).
    """
    sums = np.cumsum(np.pad(weights, ((0, 0), (2, 1))), axis=1)
    place = np.asarray(below)[:, None]
    low = np.take_along_axis(sums, place, axis=1)[:, 0]
    high = np.take_along_axis(sums, place + 2, axis=1)[:, 0]
    return low, np.minimum(high, 1.0)
