r"""Signal propagation: the averages of an activation in each layer of a wide network.

A network h_l = f(z_l), z_l = W_l h_{l-1}, with independent weights of variance s/n_{l-1} and data
of variance v has normal preactivations of variance

.. math::
    v_1 = s v, \qquad v_{l+1} = s \, \eta_l, \qquad \eta_l = E f(z_l)^2 ,

and what its kernels and Jacobians take from f are :math:`\eta_l`, the mean :math:`c_l = E f(z_l)`,
the slope :math:`b_l = E f'(z_l)` and :math:`a_l = E f'(z_l)^2` (mean-field theory of wide
networks [1]_). The features of a layer are spectrally those of the Gaussian equivalent

.. math:: f(z) \approx c + b z + \sqrt{\eta - c^2 - b^2 v} \; \theta ,

with independent normal theta [2]_; a mean c other than zero is a perturbation of rank one in that
layer, and correlates all units of the next (`rmtland.models.depth.unit_offsets`).

References
----------
.. [1] B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein and S. Ganguli, Exponential expressivity in
       deep neural networks through transient chaos, NIPS 2016.
.. [2] Z. Fan and Z. Wang, Spectra of the conjugate kernel and neural tangent kernel for
       linear-width neural networks, NeurIPS 2020, arXiv:2005.11879.

Examples
--------
>>> first, second = signal_propagation("tanh", 2)
>>> round(first.square, 6), round(second.variance, 6), first.mean
(0.394294, 0.394294, 0.0)
>>> (layer,) = signal_propagation(normalised_activation("relu"), 1)
>>> abs(layer.square - 1) < 1e-10, abs(layer.mean) < 1e-10, round(layer.slope, 6)
(True, True, 0.856429)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count, nonnegative, positive
from rmtland.networks.activation import Activation, activation
from rmtland.networks.gaussian_averages import gaussian_averages
from rmtland.typing import Array, Real

__all__ = ["LayerAverages", "gaussian_mean", "normalised_activation", "signal_propagation"]

_NODES = 4097
_CENTRED = 1e-9


class LayerAverages(NamedTuple):
    """What theory takes from the activation of one hidden layer.

    Parameters
    ----------
    variance : float
        v of the preactivation z ~ N(0, v).
    square : float
        E f(z)^2.
    mean : float
        E f(z).
    slope : float
        E f'(z).
    slope_square : float
        E f'(z)^2.
    """

    variance: float
    square: float
    mean: float
    slope: float
    slope_square: float

    @property
    def is_centred(self) -> bool:
        """Whether E f(z) = 0, up to rounding."""
        return self.mean**2 <= _CENTRED * self.square

    @property
    def linear(self) -> float:
        """b^2 v: the share of E f^2 that the linear part of f carries."""
        return self.slope**2 * self.variance

    @property
    def rest(self) -> float:
        """E f^2 - c^2 - b^2 v: the share of what is neither constant nor linear, >= 0."""
        rest = self.square - self.mean**2 - self.linear
        return rest if rest > 1e-13 * self.square else 0.0


def signal_propagation(
    name: str | Activation,
    depth: int,
    *,
    weight_variance: float = 1.0,
    data_variance: float = 1.0,
    bias_variance: float = 0.0,
) -> tuple[LayerAverages, ...]:
    """Return the averages of the activation in each hidden layer.

    Parameters
    ----------
    name : str or Activation
        The activation f.
    depth : int
        Number of hidden layers, >= 1.
    weight_variance : float
        s > 0: fan-in times the variance of the weights.
    data_variance : float
        v > 0: variance of the entries of the data.
    bias_variance : float
        Variance of the biases, >= 0, which adds to that of the preactivations.

    Returns
    -------
    tuple of LayerAverages
        From the first hidden layer to the last.

    Raises
    ------
    ValueError
        If an argument is out of its range, the averages of f do not converge, or a layer is zero.
    """
    f, s = activation(name), positive("weight_variance", weight_variance)
    biases = nonnegative("bias_variance", bias_variance)
    variance = s * positive("data_variance", data_variance) + biases
    layers = []
    for _ in range(count("depth", depth)):
        square, slope, slope_square, _ = gaussian_averages(f, variance=variance)
        if not square > 0:
            raise ValueError(f"{f!r} is zero on all of a layer: E f(z)^2 = {square}")
        mean = gaussian_mean(f, variance)
        layers.append(LayerAverages(variance, square, mean, slope, slope_square))
        variance = s * square + biases
    return tuple(layers)


def gaussian_mean(f: Activation, variance: float) -> float:
    """Return E f(z) for z ~ N(0, variance), by the trapezoidal rule on each side of 0.

    Parameters
    ----------
    f : Activation
        Smooth but for a kink or jump at 0.
    variance : float
        Variance, >= 0.

    Returns
    -------
    float
        The mean, to about 1e-13 of the mean modulus; 0 exactly for an odd f.
    """
    deviation = math.sqrt(nonnegative("variance", variance))
    # z = exp(w - exp(-w)): the map of rmtland.networks.gaussian_averages
    w, step = np.linspace(-4.5, math.log(14.0), _NODES, retstep=True)
    z = np.exp(w - np.exp(-w))
    weights = np.exp(-(z**2) / 2) * z * (1 + np.exp(-w)) * (step / math.sqrt(2 * math.pi))
    both: Real = np.asarray(f.value(deviation * z) + f.value(-deviation * z), dtype=np.float64)
    return float(weights @ both)


def normalised_activation(name: str | Activation, *, variance: float = 1.0) -> Activation:
    r"""Return (f - E f)/std f: mean 0 and variance 1 over z ~ N(0, variance).

    The convention of Fan & Wang; with weights of fan-in variance 1, all layers of a network then
    have preactivations of variance 1.

    Parameters
    ----------
    name : str or Activation
        The activation f.
    variance : float
        Variance of the preactivations, > 0.

    Returns
    -------
    Activation
        The shifted and scaled function, with its derivatives.

    Raises
    ------
    ValueError
        If f is constant, or its averages do not converge.
    TypeError
        If `variance` is no real number.
    """
    f, v = activation(name), positive("variance", variance)
    mean = gaussian_mean(f, v)
    spread = gaussian_averages(f, variance=v).square - mean**2
    if not spread > 1e-13 * mean**2:
        raise ValueError(f"{f!r} is constant: it has no variance to be divided by")
    scale = math.sqrt(spread)

    def scaled(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
        return lambda z, a: function(z, scale * a + mean) / scale

    return Activation(
        f"normalised {f.name}",
        lambda z: (f.value(z) - mean) / scale,
        scaled(f.slope),
        None if f.curvature is None else scaled(f.curvature),
    )
