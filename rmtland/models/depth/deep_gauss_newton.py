r"""The Gauss-Newton matrix of a network of any depth at initialisation.

For the loss :math:`\sum |y - t|^2/(2 m)` the Gauss-Newton part of the Hessian is :math:`H_0 = J^T
J/m` with the Jacobian J of the k outputs at m samples, k m rows and p columns. Its eigenvalues
other than zero are those of :math:`J J^T/m`, the neural tangent kernel of weights that enter as
they are (standard parametrisation): with :math:`q_l, p_l` of `rmtland.models.depth.neural_tangent`,

.. math::
    \frac{J J^T}{m} \approx r + \sum_{l=0}^L \frac{n_l}{m} q_l \frac{h_l^T h_l}{n_l}, \qquad
    r = \sum_{l=0}^L \frac{n_l}{m} (p_l - q_l) \, \eta_l ,

k times over, and p - k m eigenvalues are zero. Networks here have no biases (a bias vector adds
terms of order 1/m). For outputs in proportion to the width see
`rmtland.models.PopulationHessian` (one hidden layer); with more layers their law is not known here.

References
----------
.. [1] Z. Fan and Z. Wang, Spectra of the conjugate kernel and neural tangent kernel for
       linear-width neural networks, NeurIPS 2020, arXiv:2005.11879.

Examples
--------
>>> model = DeepGaussNewton((20, 30, 30, 1), 25, activation="erf")
>>> model.parameter_count, round(model.law.atoms[0][1], 6)
(1530, 0.98366)
>>> abs(model.mean() - model.law.mean()) < 1e-9
True
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.arguments import count, entries
from rmtland.laws import Discrete, Law, mixture
from rmtland.models.depth.kernel_sum import kernel_sum_law
from rmtland.models.depth.matrix_draws import drawn_spectrum, gram_eigenvalues
from rmtland.models.depth.neural_tangent import tangent_coefficients, tangent_kernel
from rmtland.models.depth.wide_network import WideNetwork
from rmtland.models.quadratures import SampledModel
from rmtland.networks.activation import Activation
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["DeepGaussNewton"]


@dataclass(frozen=True)
class DeepGaussNewton(SampledModel):
    """H0 of a network of any depth with few outputs, Gaussian weights and Gaussian data.

    .. formula:: :math:`H_0` of a network of any depth with few outputs

    Parameters
    ----------
    widths : sequence of int
        (n0, n1, ..., nL, k): inputs, hidden layers, outputs, as of `rmtland.networks.MLP`.
    samples : int
        m; k m < p.
    activation : str or Activation
        f on all hidden layers.
    weight_variance : float
        s > 0: fan-in times the variance of the weights (1 for `lecun`).
    data_variance : float
        v > 0: variance of the entries of the samples.

    Raises
    ------
    ValueError
        If a parameter is out of its range, there are no more parameters than outputs of all
        samples, or f has E f(z) other than 0 in a layer before the last.
    TypeError
        If `samples` or a width is no integer, or `widths` is no sequence.

    See Also
    --------
    rmtland.models.NeuralTangentKernel : its eigenvalues over samples.
    rmtland.models.PopulationHessian : one hidden layer.
    """

    widths: tuple[int, ...]
    samples: int
    activation: str | Activation = field(default="tanh", kw_only=True)
    weight_variance: float = field(default=1.0, kw_only=True)
    data_variance: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        given = entries("widths", self.widths)
        widths = tuple(count(f"widths[{i}]", width) for i, width in enumerate(given))
        if len(widths) < 3:
            raise ValueError(f"widths must be (inputs, hidden layers, outputs); got {widths}")
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "samples", count("samples", self.samples))
        _ = self.network
        if self.outputs * self.samples >= self.parameter_count:
            raise ValueError(
                f"the law is that of wide networks, with more parameters than outputs times "
                f"samples; got {self.parameter_count} and {self.outputs} x {self.samples}"
            )

    @cached_property
    def network(self) -> WideNetwork:
        """Sizes without the outputs, activation and variances."""
        return WideNetwork(
            self.widths[0],
            self.widths[1:-1],
            self.samples,
            activation=self.activation,
            weight_variance=self.weight_variance,
            data_variance=self.data_variance,
        )

    @property
    def outputs(self) -> int:
        """The number k of outputs."""
        return self.widths[-1]

    @property
    def parameter_count(self) -> int:
        """The number p of weights."""
        return sum(a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def rank(self) -> float:
        """Share of the eigenvalues that differ from zero: k m / p."""
        return self.outputs * self.samples / self.parameter_count

    @cached_property
    def _coefficients(self) -> tuple[list[float], float]:
        """Coefficients of h_l^T h_l / n_l in J J^T / m, and r."""
        shares, rests = tangent_coefficients(self.network)
        sizes = [width / self.samples for width in self.widths[:-1]]
        constant = sum(size * rest for size, rest in zip(sizes, rests, strict=True))
        return [size * q for size, q in zip(sizes, shares, strict=True)], constant

    @cached_property
    def kernel_law(self) -> Law:
        """Limit law of J J^T / m."""
        return kernel_sum_law(self.network, *self._coefficients)

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of H0: zeros, and the law of the kernel."""
        return mixture([Discrete((0.0,), (1.0,)), self.kernel_law], [1 - self.rank, self.rank])

    def mean(self) -> float:
        """Mean eigenvalue, of the bulk.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        shares, constant = self._coefficients
        network = self.network
        squares = [self.data_variance, *(la.square - la.mean**2 for la in network.layers)]
        bulk = sum(q * square for q, square in zip(shares, squares, strict=True))
        return self.rank * (constant + bulk)

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data and return all eigenvalues of H0.

        Parameters
        ----------
        n : None
            Sizes are those of the model.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, p).

        Raises
        ------
        ValueError
            If n is given.
        """
        if n is not None:
            raise ValueError(f"the sizes are those of the model: leave n out; got {n}")
        scales = [1 / self.samples] * (len(self.widths) - 1)

        def draw(stream: np.random.Generator) -> Real:
            drawn = self.network.draw(self.widths[:-1], self.samples, self.outputs, stream)
            found = np.zeros(self.parameter_count)
            values = gram_eigenvalues(tangent_kernel(drawn, scales))
            found[-values.size :] = values
            return found

        return drawn_spectrum(self, draw, rng, runs)
