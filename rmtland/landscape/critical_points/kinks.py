r"""Units at the kink of their activation, where a loss has no Hessian.

The preactivation z of a ReLU unit for one sample is 0 on a hypersurface of parameters, across which
the slope jumps; activations of one's own may have kinks elsewhere. A point whose distance
:math:`|z|/|\tilde a|` from one is within rounding (:math:`\tilde a` the inputs of the unit, and 1
with a bias) lies on several pieces of the loss at once: the Hessian is that of one of them, and its
index says nothing of the others. Units that die on the way do that: their weights shrink to 0, and
so do their preactivations for all samples.

Activations of one's own may have curvature and kinks too (ELU, SELU). A jump is told from a steep
place by its size, which does not halve with the step across it. Where only the curvature jumps (ELU
with slope 1 on both sides), the Hessian does so in proportion to the signal that comes back to the
unit: dead units, whose outgoing weights vanish too, have one.

Of other losses, PyTorch models among them, no units are known: there the gradient is looked at on
both sides, along directions drawn at random, which must differ as the Hessian says, up to what
grows as further derivatives do.

>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((1, 1, 1), "relu", weight_decay=0.1)
>>> [kinks(net.at(theta, np.ones((3, 1)), np.ones((3, 1)))) for theta in ([0.0, 0.0], [0.5, 0.5])]
[3, 0]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmtland.landscape.critical_points.surface_point import SurfacePoint
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import ACTIVATIONS, MLP, Activation, LossPoint
from rmtland.networks.activation import activation
from rmtland.typing import Real

__all__ = ["is_bent", "kinks"]

NEAR = 1e-8
"""Distance of a kink that is none, in the units of the parameters."""

BENT = 1e-5
"""Share of the Hessian's norm by which differences of gradients may miss it."""

SMOOTH = 3.5
"""Growth of what the Hessian misses with twice the step, which smooth losses exceed: theirs is 4 by
third derivatives and 8 by fourth ones, that of kinks 1, or 2 of curvature."""


def kinks(point: LossPoint, *, least_norm: float = 0.0) -> int:
    """Count pairs of a unit and a sample at a kink, where the slope jumps.

    Parameters
    ----------
    point : LossPoint
        Any point.
    least_norm : float, optional
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
    if f.name == "linear" or (f.curvature is not None and f is ACTIVATIONS.get(f.name)):
        return 0
    point = in_double(point)
    near = NEAR * max(float(np.linalg.norm(point.theta)), least_norm)
    inputs, many = np.asarray(point.data.x), 0
    hidden = point.layers[: net.depth - 1]
    signals: Sequence[NDArray[np.bool_] | None] = [None] * len(hidden)
    if f.curvature is not None:
        signals = _signals(point, net, f, near)
    for (preactivations, values), signal in zip(hidden, signals, strict=True):
        lengths = np.sqrt(np.sum(inputs**2, axis=1) + (1.0 if net.bias else 0.0))
        moves = lengths > 0.0  # no weights move the others
        z, far = np.asarray(preactivations)[moves], near * lengths[moves, None]
        if signal is None:
            below, above = (np.nextafter(z + side * far, side * np.inf) for side in (-1.0, 1.0))
            jumps = f.slope(below, f.value(below)) != f.slope(above, f.value(above))
        else:
            jumps = _jumps(f, 1, z, far) | (signal[moves] & _jumps(f, 2, z, far))
        many += int(np.count_nonzero(jumps))
        inputs = values
    return many


def _signals(point: LossPoint, net: MLP, f: Activation, near: float) -> list[NDArray[np.bool_]]:
    """Return whether the loss comes back to each hidden unit, for each sample, layer by layer."""
    delta, found = np.asarray(point.residuals), []
    for block in [block for block in net.blocks if not block.is_bias][:0:-1]:
        weights = block.scale * np.asarray(point.theta)[block.slice].reshape(block.shape)
        signal = delta @ weights
        found.append(np.abs(signal) > near * np.linalg.norm(delta, axis=1)[:, None])
        z, a = point.layers[block.layer - 2]
        delta = signal * f.slope(z, a)
    return found[::-1]


def _jumps(f: Activation, order: int, z: Real, far: Real) -> NDArray[np.bool_]:
    """Return where a derivative jumps within a distance: what does not halve with the distance."""
    assert f.curvature is not None
    derivative = f.slope if order == 1 else f.curvature

    def across(step: Real) -> tuple[Real, Real]:
        places = (np.nextafter(z + side * step, side * np.inf) for side in (-1.0, 1.0))
        ends = [np.asarray(derivative(at, f.value(at))) for at in places]
        return np.abs(ends[1] - ends[0]), np.maximum(np.abs(ends[0]), np.abs(ends[1]))

    (near_by, size), (farther, _) = across(far), across(2.0 * far)
    grid = np.linspace(-3.0, 3.0, 25)
    sizes = np.append(size.ravel(), np.abs(derivative(grid, f.value(grid))))
    rounding = 1e-10 * float(sizes[np.isfinite(sizes)].max(initial=0.0))
    return np.asarray((near_by > rounding) & (near_by > 0.75 * farther), dtype=np.bool_)


def is_bent(point: SurfacePoint, hessian: Real, *, least_norm: float = 0.0) -> bool:
    """Return whether gradients on the two sides of a point differ by other than the Hessian.

    Parameters
    ----------
    point : SurfacePoint
        Any loss at a point.
    hessian : ndarray, shape (p, p)
        There.
    least_norm : float, optional
        As in `kinks`.

    Returns
    -------
    bool
        True at a kink that one of three random directions crosses, up to rounding.
    """
    size = max(float(np.linalg.norm(point.theta)), least_norm) or 1.0
    limit = BENT * float(np.linalg.norm(hessian))

    def missed(move: Real) -> float:
        """How far the Hessian misses the change of the gradient; 0 where that overflows."""
        try:
            change = point.at(point.theta + move).gradient - point.gradient
        except ValueError:
            return 0.0
        return float(np.linalg.norm(change - hessian @ move))

    for direction in np.random.default_rng(0).standard_normal((3, len(hessian))):
        step = NEAR * size * direction / np.linalg.norm(direction)
        for side in (step, -step):
            off = missed(side)
            if not off > limit * np.linalg.norm(side):
                continue
            twice, four = missed(2.0 * side), missed(4.0 * side)
            if not (twice > SMOOTH * off and four > SMOOTH * twice):
                return True
    return False
