r"""The neural tangent kernel of a deep network at initialisation, and its limit law.

With outputs y = W_{L+1} h_L and weights that enter as :math:`W_l/\sqrt{n_{l-1}}`, the kernel
:math:`\Theta = J J^T` of the Jacobian J of the outputs in all weights is, with the sensitivities
:math:`\delta_l = \partial y/\partial z_l`,

.. math::
    \Theta = \sum_{l=0}^L (\delta_{l+1}^T \delta_{l+1}) \odot \frac{h_l^T h_l}{n_l} .

As widths and samples grow together, for a fixed number of outputs (or a slower one), it is in its
spectrum [1]_

.. math::
    \Theta \approx r + \sum_{l=0}^L q_l \frac{h_l^T h_l}{n_l}, \qquad
    q_l = \prod_{j=l+1}^L s \, b_j^2, \qquad
    r = \sum_{l=0}^{L} (p_l - q_l) \, \eta_l, \qquad p_l = \prod_{j=l+1}^L s \, a_j,

with a = E f'^2, b = E f', :math:`\eta_0` the data variance. Different outputs have kernels that do
not couple: k outputs repeat the law k times (a block-diagonal matrix).
`rmtland.models.depth.kernel_sum` solves for the law. (Also: NTK, tangent kernel, lazy regime.)

References
----------
.. [1] Z. Fan and Z. Wang, Spectra of the conjugate kernel and neural tangent kernel for
       linear-width neural networks, NeurIPS 2020, arXiv:2005.11879.
.. [2] A. Jacot, F. Gabriel and C. Hongler, Neural tangent kernel: convergence and generalization in
       neural networks, NeurIPS 2018.

Examples
--------
>>> kernel = NeuralTangentKernel(1.0, (1.0, 1.0), 1.0, activation="erf")
>>> coefficients, constant = kernel.linear_combination
>>> [round(q, 4) for q in coefficients], round(constant, 4)
([0.2801, 0.66, 1.0], 0.192)
>>> round(kernel.law.mean(), 8) == round(kernel.mean(), 8)
True
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.arguments import count
from rmtland.laws import Law
from rmtland.models.depth.kernel_sum import kernel_sum_law
from rmtland.models.depth.matrix_draws import drawn_spectrum, gram_eigenvalues, rounded_sizes
from rmtland.models.depth.wide_network import DrawnNetwork, WideNetwork
from rmtland.models.quadratures import SampledModel
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["NeuralTangentKernel", "tangent_coefficients", "tangent_kernel"]


@dataclass(frozen=True)
class NeuralTangentKernel(WideNetwork, SampledModel):
    r"""The neural tangent kernel J J^T of a network at initialisation.

    .. formula:: Neural tangent kernel, :math:`r + \sum_l q_l\, h_l^\top h_l/n_l`

    Parameters
    ----------
    inputs : float
        n0, > 0.
    hidden : sequence of float
        Widths n1, ..., nL of the hidden layers, each > 0, at least one.
    samples : float
        m, > 0: only ratios of sizes enter the law.
    activation : str or Activation
        f on all hidden layers.
    weight_variance : float
        s > 0: variance of the weights in the parametrisation W / sqrt(fan-in).
    data_variance : float
        v > 0: variance of the entries of the samples.
    outputs : int
        Number k of outputs, fixed as the other sizes grow.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or f has E f(z) other than 0 in a layer before the last.
    TypeError
        If `outputs` is no integer.

    See Also
    --------
    rmtland.models.ConjugateKernel : of features.
    rmtland.models.DeepGaussNewton : over parameters.
    """

    outputs: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "outputs", count("outputs", self.outputs))

    @cached_property
    def linear_combination(self) -> tuple[tuple[float, ...], float]:
        """Coefficients q_0, ..., q_L of h_l^T h_l / n_l, and r."""
        shares, rests = tangent_coefficients(self)
        return shares, sum(rests)

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues, without one that E f of the last layer moves out."""
        return kernel_sum_law(self, *self.linear_combination)

    def mean(self) -> float:
        """Mean eigenvalue of the bulk, r + sum of q_l (eta_l - c_l^2).

        Returns
        -------
        float
            In the units of the kernel.
        """
        shares, constant = self.linear_combination
        squares = [self.data_variance, *(la.square - la.mean**2 for la in self.layers)]
        return constant + sum(q * square for q, square in zip(shares, squares, strict=True))

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data and return all eigenvalues of J J^T.

        Parameters
        ----------
        n : int
            Number of samples m; widths are rounded from their ratios, and outputs stay.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n outputs).
        """
        m, *widths = rounded_sizes(n, (self.samples, *self.widths))
        scales = [1 / width for width in widths]

        def draw(stream: np.random.Generator) -> Real:
            drawn = self.draw(widths, m, self.outputs, stream)
            return gram_eigenvalues(tangent_kernel(drawn, scales))

        return drawn_spectrum(self, draw, rng, runs)


def tangent_coefficients(network: WideNetwork) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Coefficients q_l of h_l^T h_l / n_l, and what each layer adds to r, l = 0 to L.

    Parameters
    ----------
    network : WideNetwork
        Activation and variances.

    Returns
    -------
    (tuple of float, tuple of float)
        q_l and (p_l - q_l) eta_l.
    """
    squares = [network.data_variance, *(layer.square for layer in network.layers)]
    shares, rests, q, p = [], [], 1.0, 1.0
    for number in range(len(network.hidden), -1, -1):
        shares.append(q)
        rests.append((p - q) * squares[number])
        if number:
            layer = network.layers[number - 1]
            q *= network.weight_variance * layer.slope**2
            p *= network.weight_variance * layer.slope_square
    return tuple(shares[::-1]), tuple(rests[::-1])


def tangent_kernel(drawn: DrawnNetwork, scales: list[float]) -> Real:
    """Return the sum over layers of scales[l] (delta^T delta) * (h^T h), shape (k m, k m).

    Parameters
    ----------
    drawn : DrawnNetwork
        Features and sensitivities.
    scales : list of float
        One for each layer of weights.

    Returns
    -------
    ndarray
        Rows and columns are (output, sample).
    """
    outputs, _, samples = drawn.sensitivities[0].shape
    total = np.zeros((outputs * samples, outputs * samples))
    for h, delta, scale in zip(drawn.features, drawn.sensitivities, scales, strict=True):
        flat = delta.transpose(0, 2, 1).reshape(outputs * samples, -1)
        total += scale * (flat @ flat.T) * np.tile(h.T @ h, (outputs, outputs))
    return total
