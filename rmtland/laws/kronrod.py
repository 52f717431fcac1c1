r"""The 15-point Kronrod rule on [-1, 1] and the 7-point Gauss rule within it.

.. math:: \int_{-1}^1 f \approx \sum_i w_i f(x_i)

The Kronrod rule is exact for polynomials up to degree 23, the Gauss rule, which takes every second
node, up to degree 13: where they agree both have converged.

References
----------
.. [1] R. Piessens, E. de Doncker-Kapenga, C. W. Überhuber and D. K. Kahaner, QUADPACK, Springer
       1983.

Examples
--------
>>> round(float(KRONROD_WEIGHTS @ NODES**22), 15) == round(2 / 23, 15)
True
"""

from __future__ import annotations

import numpy as np

__all__ = ["GAUSS_WEIGHTS", "KRONROD_WEIGHTS", "NODES"]

_POSITIVE = np.array(
    [
        0.991455371120812639206854697526329,
        0.949107912342758524526189684047851,
        0.864864423359769072789712788640926,
        0.741531185599394439863864773280788,
        0.586087235467691130294144838258730,
        0.405845151377397166906606412076961,
        0.207784955007898467600689403773245,
        0.0,
    ]
)
_HALF_KRONROD = np.array(
    [
        0.022935322010529224963732008058970,
        0.063092092629978553290700663189204,
        0.104790010322250183839876322541518,
        0.140653259715525918745189590510238,
        0.169004726639267902826583426598550,
        0.190350578064785409913256402421014,
        0.204432940075298892414161999234649,
        0.209482141084727828012999174891714,
    ]
)
_HALF_GAUSS = np.array(
    [
        0.129484966168869693270611432679082,
        0.279705391489276667901467771423780,
        0.381830050505118944950369775488975,
        0.417959183673469387755102040816327,
    ]
)
NODES = np.concatenate([-_POSITIVE, _POSITIVE[-2::-1]])
"""Nodes of the Kronrod rule, ascending, shape (15,)."""
KRONROD_WEIGHTS = np.concatenate([_HALF_KRONROD, _HALF_KRONROD[-2::-1]])
"""Weights of the Kronrod rule."""
GAUSS_WEIGHTS = np.zeros(15)
GAUSS_WEIGHTS[1::2] = np.concatenate([_HALF_GAUSS, _HALF_GAUSS[-2::-1]])
"""Weights of the Gauss rule at the same nodes, 0 at those that it does not take."""
