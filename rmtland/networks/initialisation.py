"""Named initialisations: the variance of a weight, by the fan-in and fan-out of its layer.

| name | variance of an entry of W_l | source |
|---|---|---|
| `lecun` | 1/n_{l-1} | LeCun et al. 1998, "Efficient BackProp" |
| `he` | 2/n_{l-1} | He et al., ICCV 2015 |
| `glorot` | 2/(n_{l-1} + n_l) | Glorot & Bengio, AISTATS 2010 |
| `lecun_uniform`, `he_uniform`, `glorot_uniform` | the same, entries uniform | |
| `orthogonal` | 1/n_{l-1} for n_l >= n_{l-1}, else 1/n_{l-1} with orthonormal rows | Saxe 2014 |
| `critical` | 1/(n_{l-1} E f'(z)^2), z ~ N(0, 1) | Poole et al., NIPS 2016 |
| `unit` | 1, what the NTK parametrisation divides by the fan-in | Jacot et al., NIPS 2018 |

`orthogonal` draws a Haar matrix of which the weight is a corner, scaled so that the mean square of
an entry is 1/n_{l-1}. The rest have independent entries of mean 0, normal unless named uniform.
Biases start at zero, or are N(0, bias_scale^2).

References
----------
.. [1] Y. LeCun, L. Bottou, G. B. Orr and K.-R. Mueller, Efficient BackProp, in: Neural Networks:
       Tricks of the Trade, Springer 1998, 9-50.
.. [2] K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers: surpassing human-level
       performance on ImageNet classification, ICCV 2015.
.. [3] X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
       networks, AISTATS 2010.
.. [4] A. M. Saxe, J. L. McClelland and S. Ganguli, Exact solutions to the nonlinear dynamics of
       learning in deep linear neural networks, ICLR 2014.
.. [5] B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein and S. Ganguli, Exponential expressivity in
       deep neural networks through transient chaos, NIPS 2016.
.. [6] A. Jacot, F. Gabriel and C. Hongler, Neural tangent kernel: convergence and generalization in
       neural networks, NeurIPS 2018.

Examples
--------
>>> INITIALISATIONS["he"].variance(50, 10, "relu")
0.04
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import choice
from rmtland.networks.activation import Activation
from rmtland.networks.gaussian_averages import gaussian_averages
from rmtland.typing import Real

__all__ = ["INITIALISATIONS", "Initialisation"]


@dataclass(frozen=True)
class Initialisation:
    """The law of the entries of a weight matrix.

    Parameters
    ----------
    name : str
        What `MLP.init(scheme=...)` calls it.
    variance : callable
        (fan_in, fan_out, activation) -> variance of an entry, mean 0.
    entries : {"normal", "uniform", "orthogonal"}
        Their distribution.

    Raises
    ------
    TypeError
        If the name is no string, or the variance no function.
    ValueError
        If the distribution is another.
    """

    name: str
    variance: Callable[[int, int, str | Activation], float]
    entries: str = "normal"

    def __post_init__(self) -> None:
        """Refuse what is no scheme here: another word would draw orthogonal matrices."""
        if not isinstance(self.name, str) or not callable(self.variance):
            raise TypeError(
                "an initialisation is a name and a function of fan-in, fan-out and activation; got "
                f"{self.name!r} and {self.variance!r}"
            )
        choice("entries", self.entries, ("normal", "uniform", "orthogonal"))

    def draw(
        self,
        shape: tuple[int, int],
        activation: str | Activation,
        generator: np.random.Generator,
    ) -> Real:
        """Draw a weight matrix of shape (n_l, n_{l-1}).

        Parameters
        ----------
        shape : (int, int)
            (n_l, n_{l-1}).
        activation : str or Activation
            Of the network, for the variance of "critical".
        generator : Generator
            What draws.

        Returns
        -------
        ndarray, shape (n_l, n_{l-1})
            The weights W_l.
        """
        fan_out, fan_in = shape
        deviation = math.sqrt(self.variance(fan_in, fan_out, activation))
        if self.entries == "uniform":
            half_width = math.sqrt(3.0) * deviation
            return generator.uniform(-half_width, half_width, size=shape)
        normal = generator.standard_normal(shape)
        if self.entries == "normal":
            return deviation * normal
        tall = normal if fan_out >= fan_in else normal.T
        q, r = np.linalg.qr(tall)
        q *= np.where(np.diagonal(r) < 0.0, -1.0, 1.0)  # makes the law that of Haar
        return (q if fan_out >= fan_in else q.T) * (deviation * math.sqrt(max(shape)))


def _lecun(fan_in: int, fan_out: int, activation: str | Activation) -> float:
    return 1.0 / fan_in


def _he(fan_in: int, fan_out: int, activation: str | Activation) -> float:
    return 2.0 / fan_in


def _glorot(fan_in: int, fan_out: int, activation: str | Activation) -> float:
    return 2.0 / (fan_in + fan_out)


def _critical(fan_in: int, fan_out: int, activation: str | Activation) -> float:
    return 1.0 / (fan_in * gaussian_averages(activation).slope_square)


def _unit(fan_in: int, fan_out: int, activation: str | Activation) -> float:
    return 1.0


INITIALISATIONS: dict[str, Initialisation] = {
    scheme.name: scheme
    for scheme in (
        Initialisation("lecun", _lecun),
        Initialisation("he", _he),
        Initialisation("glorot", _glorot),
        Initialisation("lecun_uniform", _lecun, "uniform"),
        Initialisation("he_uniform", _he, "uniform"),
        Initialisation("glorot_uniform", _glorot, "uniform"),
        Initialisation("orthogonal", _lecun, "orthogonal"),
        Initialisation("critical", _critical),
        Initialisation("unit", _unit),
    )
}
"""The initialisations by name."""
