r"""Sizes and activation of a deep network at initialisation, and draws of its features and slopes.

h_0 = x with independent normal entries of variance v, z_l = W_l h_{l-1}, h_l = f(z_l) for l = 1 to
L, outputs y = W_{L+1} h_L; the entries of W_l have variance s/n_{l-1}.

Examples
--------
>>> import numpy as np
>>> network = WideNetwork(3, (4, 5), 2, activation="tanh")
>>> drawn = network.draw((3, 4, 5), 2, 1, np.random.default_rng(0))
>>> [h.shape for h in drawn.features], [d.shape for d in drawn.sensitivities]
([(3, 2), (4, 2), (5, 2)], [(1, 4, 2), (1, 5, 2), (1, 1, 2)])
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.arguments import entries, positive
from rmtland.models.depth.signal_propagation import LayerAverages, signal_propagation
from rmtland.models.depth.unit_offsets import OffsetLayer
from rmtland.networks.activation import Activation, activation
from rmtland.typing import Real

__all__ = ["DrawnNetwork", "WideNetwork"]


class DrawnNetwork(NamedTuple):
    """Features and sensitivities of a drawn network.

    Parameters
    ----------
    features : list of ndarray, shapes (n_l, m)
        h_0 to h_L.
    sensitivities : list of ndarray, shapes (outputs, n_l, m)
        d y_i / d z_l for l = 1 to L + 1.
    """

    features: list[Real]
    sensitivities: list[Real]


@dataclass(frozen=True)
class WideNetwork:
    """A network of wide layers with independent weights and Gaussian data.

    Parameters
    ----------
    inputs : float
        n0, > 0.
    hidden : sequence of float
        Widths n1, ..., nL of the hidden layers, each > 0, at least one.
    samples : float
        m, > 0: only ratios of sizes enter the limit laws.
    activation : str or Activation
        f on all hidden layers.
    weight_variance : float
        s > 0: fan-in times the variance of the weights (1 for `lecun`).
    data_variance : float
        v > 0: variance of the entries of the samples.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or f has E f(z) other than 0 in a layer before the last:
        all units of the next layer are then correlated, and the laws here do not hold.
    """

    inputs: float
    hidden: tuple[float, ...]
    samples: float
    activation: str | Activation = field(default="tanh", kw_only=True)
    weight_variance: float = field(default=1.0, kw_only=True)
    data_variance: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        one = not isinstance(self.hidden, list | tuple) and np.ndim(self.hidden) == 0
        widths = (self.hidden,) if one else entries("hidden", self.hidden)
        if not widths:
            raise ValueError("hidden must name at least one hidden layer; got ()")
        for name in ("inputs", "samples", "weight_variance", "data_variance"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        checked = tuple(positive(f"hidden[{i}]", width) for i, width in enumerate(widths))
        object.__setattr__(self, "hidden", checked)
        activation(self.activation)
        self._refuse_means()

    def _refuse_means(self) -> None:
        for number, layer in enumerate(self.layers[:-1], 1):
            if not layer.is_centred:
                raise ValueError(
                    f"{self.activation!r} has the mean {layer.mean:.3g} in hidden layer {number}, "
                    "which correlates all units of the next one; the law is known for mean 0: "
                    "take normalised_activation(...), an odd activation, or one hidden layer "
                    "(ConjugateKernel takes any)"
                )

    @cached_property
    def layers(self) -> tuple[LayerAverages, ...]:
        """Averages of the activation in each hidden layer."""
        return signal_propagation(
            self.activation,
            len(self.hidden),
            weight_variance=self.weight_variance,
            data_variance=self.data_variance,
        )

    @property
    def units(self) -> tuple[OffsetLayer, ...]:
        """What a sum of kernels takes from each hidden layer: all units of a layer are alike."""
        one = np.ones(1)
        return tuple(
            OffsetLayer(
                la.variance,
                0.0,
                la.mean**2,
                la.square - la.mean**2,
                one,
                la.slope * one,
                la.rest * one,
            )
            for la in self.layers
        )

    @property
    def widths(self) -> tuple[float, ...]:
        """The numbers n0, n1, ..., nL."""
        return (self.inputs, *self.hidden)

    def draw(
        self,
        widths: Sequence[int],
        samples: int,
        outputs: int,
        stream: np.random.Generator,
        x: Real | None = None,
        *,
        bias_variance: float = 0.0,
    ) -> DrawnNetwork:
        """Draw weights and data, and run the network forwards and backwards.

        Parameters
        ----------
        widths : sequence of int
            n0, n1, ..., nL.
        samples : int
            m.
        outputs : int
            Number of outputs; 0 leaves the way back out.
        stream : Generator
            What draws.
        x : ndarray, shape (n0, m), optional
            Data in the place of drawn ones.
        bias_variance : float
            Variance of the biases of hidden units.

        Returns
        -------
        DrawnNetwork
            Features, and sensitivities of the outputs.
        """
        f = activation(self.activation)
        if x is None:
            x = stream.normal(size=(widths[0], samples)) * math.sqrt(self.data_variance)
        features, weights, slopes = [x], [], []
        for fan_in, fan_out in itertools.pairwise(widths):
            weight = stream.normal(size=(fan_out, fan_in))
            weights.append(weight * math.sqrt(self.weight_variance / fan_in))
            z = weights[-1] @ features[-1]
            if bias_variance:
                z += stream.normal(size=(fan_out, 1)) * math.sqrt(bias_variance)
            a = np.asarray(f.value(z), dtype=np.float64)
            features.append(a)
            if outputs:
                slopes.append(np.asarray(f.slope(z, a), dtype=np.float64))
        if not outputs:
            return DrawnNetwork(features, [])
        last = stream.normal(size=(outputs, widths[-1]))
        weights.append(last * math.sqrt(self.weight_variance / widths[-1]))
        sensitivities = [np.repeat(np.eye(outputs)[:, :, None], x.shape[1], axis=2)]
        for weight, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
            back = np.einsum("ij,oim->ojm", weight, sensitivities[-1], optimize=True)
            sensitivities.append(back * slope)
        return DrawnNetwork(features, sensitivities[::-1])
