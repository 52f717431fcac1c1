r"""Units at the kink of their activation, where a loss has no Hessian.

The preactivation z of a ReLU unit for one sample is 0 on a hypersurface of parameters, across which
the slope jumps; activations of one's own may have kinks elsewhere. A point whose distance
:math:`|z|/|\tilde a|` from one is within rounding (:math:`\tilde a` the inputs of the unit, and 1
with a bias) lies on several pieces of the loss at once: the Hessian is that of one of them, and its
index says nothing of the others. Units that die on the way do that: their weights shrink to 0, and
so do their preactivations for all samples.

>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((1, 1, 1), "relu", weight_decay=0.1)
>>> [kinks(net.at(theta, np.ones((3, 1)), np.ones((3, 1)))) for theta in ([0.0, 0.0], [0.5, 0.5])]
[3, 0]
"""

from __future__ import annotations

import numpy as np

from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import MLP, LossPoint
from rmtland.networks.activation import activation

__all__ = ["kinks"]

NEAR = 1e-8
"""Distance of a kink that is none, in the units of the parameters."""


def kinks(point: LossPoint, *, reach: float = 0.0) -> int:
    """Count pairs of a unit and a sample at a kink, where the slope jumps.

    Parameters
    ----------
    point : LossPoint
        Any point.
    reach : float, optional
        Size of parameters that is taken in place of the point's, if larger.

    Returns
    -------
    int
        0 for activations with a second derivative, and for networks that are no MLP.
    """
    net = point.net
    if not isinstance(net, MLP) or net.depth < 2:
        return 0
    f = activation(net.activation)
    if f.curvature is not None or f.name == "linear":
        return 0
    point = in_double(point)
    near = NEAR * max(float(np.linalg.norm(point.theta)), reach)
    inputs, many = np.asarray(point.data.x), 0
    for preactivations, values in point.layers[: net.depth - 1]:
        lengths = np.sqrt(np.sum(inputs**2, axis=1) + (1.0 if net.bias else 0.0))
        moves = lengths > 0.0  # no weights move the others
        z, far = np.asarray(preactivations)[moves], near * lengths[moves, None]
        below, above = (np.nextafter(z + side * far, side * np.inf) for side in (-1.0, 1.0))
        jumps = f.slope(below, f.value(below)) != f.slope(above, f.value(above))
        many += int(np.count_nonzero(jumps))
        inputs = values
    return many
