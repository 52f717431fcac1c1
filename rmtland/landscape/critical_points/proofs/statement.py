r"""What is proved: a network with its data, all of whose numbers are taken exactly.

The statement is about the function of real numbers

.. math::

    L(\theta) = \frac1m \sum_\mu l(o_\mu, y_\mu) + \frac w2 |\theta|^2

with the given doubles x, y and w as they are, and with :math:`1/\sqrt{n}` of the NTK
parametrisation and all functions exact; not about what floating-point numbers make of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import instance
from rmtland.landscape.critical_points.proofs.ball_functions import smooth_function
from rmtland.networks import MLP, LossPoint
from rmtland.networks.loss_point import loss_point
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Integer, Real

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A network with its data.

    Parameters
    ----------
    net : MLP
        The network; its activation is one by name, with two derivatives.
    x, y : ndarray, shape (m, n_in) and (m, n_out)
        Inputs and targets, as `MLP.at` takes them; kept in double precision, labels as indicator
        variables.

    Raises
    ------
    ValueError
        If nothing is proved of that activation, or for data that the network does not take.
    TypeError
        If the network is no MLP.
    """

    net: MLP
    x: Real
    y: Real

    def __post_init__(self) -> None:
        """Refuse what has no formulas; keep doubles, for which alone the radii hold."""
        instance("net", self.net, MLP, "an MLP")
        smooth_function(self.activation)
        inputs, origin = np.array(self.x, dtype=np.float64), np.zeros(self.net.parameter_count)
        data = self.net.at(origin, inputs, self.y, chunk=max(inputs.size, 1)).data
        object.__setattr__(self, "x", np.array(data.x, dtype=np.float64))
        object.__setattr__(self, "y", np.array(data.y, dtype=np.float64))

    @classmethod
    def of(cls, point: LossPoint) -> Problem:
        """Return the problem of a point of the loss.

        Parameters
        ----------
        point : LossPoint
            Any point of it.

        Returns
        -------
        Problem
            Network and data.

        Raises
        ------
        TypeError
            If the network is no MLP.
        ValueError
            If the activation is one of one's own, or has no formulas.
        """
        net = loss_point(point).net
        if not isinstance(net, MLP):
            raise TypeError(f"proofs need an MLP; got {net!r}")
        return cls(net, point.data.x, point.data.y)

    @property
    def activation(self) -> str:
        """Name of the activation.

        Raises
        ------
        ValueError
            If the network has an activation of one's own, of which nothing is proved.
        """
        name = self.net.activation
        if not isinstance(name, str):
            from rmtland.networks.activation import ACTIVATIONS

            if ACTIVATIONS.get(name.name) is not name:
                raise ValueError(f"nothing is proved of an activation of one's own, {name!r}")
            return name.name
        return name

    @property
    def samples(self) -> int:
        """The number m of samples."""
        return len(self.x)

    def layers(self) -> list[tuple[ParameterBlock, ParameterBlock | None]]:
        """Return weights and biases of each layer.

        Returns
        -------
        list of (ParameterBlock, ParameterBlock or None)
            None for layers without biases.
        """
        blocks = {block.name: block for block in self.net.blocks}
        return [
            (blocks[f"W{layer}"], blocks.get(f"b{layer}")) for layer in range(1, self.net.depth + 1)
        ]

    def places(self) -> list[Integer]:
        """Return where the entries of (W_l, b_l) lie in theta, layer by layer.

        Returns
        -------
        list of ndarray of int, shape (n_l, n_{l-1} (+ 1))
            One array a layer.
        """
        found = []
        for weight, bias in self.layers():
            rows, columns = weight.shape
            place = np.arange(weight.start, weight.stop).reshape(rows, columns)
            if bias is not None:
                place = np.hstack([place, np.arange(bias.start, bias.stop)[:, None]])
            found.append(place)
        return found
