r"""A loss whose residuals are given: what makes H linear in them, H = H0 + H1[e].

For outputs o, loss l and residuals :math:`r_{\mu i} = \partial l / \partial o_{\mu i}`,

.. math::
    H = \frac1m J^T \Lambda J + w + H_1[r], \qquad
    H_1[r] = \frac1m \sum_{\mu i} r_{\mu i} \frac{\partial^2 o_{\mu i}}{\partial\theta^2} .

The second part is linear in r, whatever the depth, the biases or the loss. A loss whose targets are
the residuals themselves, with the curvature Lambda of the loss of the network, therefore gives
every matrix and every product of `rmtland.networks.LossPoint` for residuals that were drawn.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 3, 1))
>>> point = net.at(net.init(rng=0), [[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]])
>>> same = with_residuals(point, point.residuals)
>>> bool(np.allclose(same.hessian("total"), point.hessian("total")))
True
>>> double = with_residuals(point, 2 * point.residuals)
>>> bool(np.allclose(double.hessian("residual"), 2 * point.hessian("residual")))
True
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import float_array
from rmtland.arrays import placed, to_numpy
from rmtland.networks import MLP, LossPoint
from rmtland.networks.loss import Loss, OutputCurvature
from rmtland.networks.loss_data import LossData
from rmtland.typing import Array, ArrayLike, Tree

if TYPE_CHECKING:
    from rmtland.networks.activation import Activation

__all__ = ["GivenResiduals", "fitted_point", "in_double", "own_loss", "with_residuals"]


@dataclass(frozen=True)
class GivenResiduals(Loss):
    """A loss of given gradients in the outputs, with the curvature of another loss.

    Parameters
    ----------
    name : str
        In error messages.
    of : Loss
        Whose curvature.
    """

    of: Loss

    def prepared(self, outputs: Array) -> Tree:
        """Return what the curvature needs.

        Parameters
        ----------
        outputs : array, shape (m, n_out)
            Outputs of the network.

        Returns
        -------
        object
        """
        return self.of.prepared(outputs)

    def value(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        """Refuse: residuals that were drawn belong to no targets, and have no loss.

        Parameters
        ----------
        outputs, targets : array, shape (m, n_out)
            Outputs and residuals.
        shared : object, optional
            Not used.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "residuals that were drawn have a Hessian and a gradient but no loss; take that of the "
            "network's own point"
        )

    def gradient(self, outputs: Array, targets: Array, shared: Tree = None) -> Array:
        """Return the residuals that were given.

        Parameters
        ----------
        outputs, targets : array, shape (m, n_out)
            Outputs and residuals.
        shared : object, optional
            Not used.

        Returns
        -------
        array, shape (m, n_out)
        """
        return targets

    def curvature(self, outputs: Array, shared: Tree = None) -> OutputCurvature:
        """Return d^2 l/do^2 of the network's own loss.

        Parameters
        ----------
        outputs : array, shape (m, n_out)
            Outputs of the network.
        shared : object, optional
            What `prepared` returned.

        Returns
        -------
        OutputCurvature
        """
        return self.of.curvature(outputs, shared)


def own_loss(point: LossPoint) -> Loss:
    """Return the loss of the network, also where residuals were given in its place.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data.

    Returns
    -------
    Loss
    """
    loss = point.data.loss
    return loss.of if isinstance(loss, GivenResiduals) else loss


def with_residuals(point: LossPoint, residuals: ArrayLike) -> LossPoint:
    """Return the same network, parameters and inputs with residuals that are given.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data, in any array library.
    residuals : array_like, shape (m, n_out)
        The gradient of the loss of each sample in its outputs.

    Returns
    -------
    LossPoint
        Its Gauss-Newton part is that of `point`; it has no loss.

    Raises
    ------
    ValueError
        For another shape, or entries that are not finite.
    """
    data, own = point.data, own_loss(point)
    given = placed(to_numpy(residuals), point.theta)
    loss = GivenResiduals(f"{own.name} with residuals given", own)
    loss.targets(given, samples=data.size, n_out=data.n_out, like=point.theta)
    changed: LossData = replace(data, y=given, loss=loss)
    return LossPoint.of(point.net, point.theta, changed)


def in_double(point: LossPoint) -> LossPoint:
    """Return the point in NumPy's double precision.

    Parameters
    ----------
    point : LossPoint
        In any array library and precision.

    Returns
    -------
    LossPoint
        The same object where it is so already.
    """
    if isinstance(point.theta, np.ndarray) and point.theta.dtype == np.float64:
        return point
    net = point.net
    theta, x, y = (to_numpy(array).astype(np.float64) for array in (point.theta, point.x, point.y))
    if point.data.loss.name == "cross_entropy":  # of sum 1 in their own precision only
        y /= y.sum(axis=1, keepdims=True)
    data = LossData.of(x, y, theta, net.widths, point.data.loss)  # residuals given stay so
    return LossPoint.of(net, theta, data)


def fitted_point(
    weights: Sequence[ArrayLike], x: ArrayLike, *, activation: str | Activation
) -> LossPoint:
    """Return the point of given weights whose targets are its own outputs.

    Parameters
    ----------
    weights : sequence of array_like, shapes (n_l, n_{l-1})
        Of the layers, the first one first; no biases.
    x : array_like, shape (m, n_0)
        Inputs.
    activation : str or Activation
        As in `rmtland.networks.MLP`.

    Returns
    -------
    LossPoint
        Of half the mean squared error; all its residuals are zero.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    layers = [float_array(f"weights[{i}]", w, ndim=2) for i, w in enumerate(weights)]
    if not layers or any(w.shape[1] != before.shape[0] for before, w in itertools.pairwise(layers)):
        shapes = [w.shape for w in layers]
        raise ValueError(f"weights must be of shapes (n1, n0), (n2, n1), ...; got {shapes}")
    net = MLP((layers[0].shape[1], *(len(w) for w in layers)), activation=activation)
    theta = np.concatenate([w.ravel() for w in layers])
    inputs = float_array("x", x, ndim=2)
    return net.at(theta, inputs, net.predict(theta, inputs))
