r"""The conjugate kernel: the Gram matrix of the features of a deep network.

For a network h_l = f(W_l h_{l-1}) with independent weights and m samples the matrices
:math:`K_l = h_l^T h_l / n_l` of size m have, as all widths grow with m, the limit laws [1]_

.. math::
    \mu_l = \mathrm{MP}_{m/n_l} \boxtimes
        \bigl( \eta_l - b_l^2 v_l + b_l^2 s \, \mu_{l-1} \bigr),

with the averages of the activation in layer l of `rmtland.models.depth.signal_propagation`, s the
weight variance, and :math:`\mu_0` the law of x^T x/n_0: Marchenko-Pastur for Gaussian data, or any
law. In the normalisation of Fan and Wang (`normalised_activation`: E f = 0, E f^2 = 1, s = 1) this
is :math:`\mathrm{MP} \boxtimes ((1 - b^2) + b^2 \mu_{l-1})`: free products, layer by layer. For
Gaussian data the same law comes, much faster, from the matrix Dyson equation of
`rmtland.models.depth.kernel_sum`; tests compare the two. (Also: random features model, neural
network Gaussian process kernel, NNGP.)

A mean E f other than 0 in the last layer moves one eigenvalue out of the bulk, and is left out
here; in an earlier layer it is refused.

References
----------
.. [1] Z. Fan and Z. Wang, Spectra of the conjugate kernel and neural tangent kernel for
       linear-width neural networks, NeurIPS 2020, arXiv:2005.11879.

Examples
--------
>>> from rmtland.free import free_product
>>> from rmtland.models.depth.signal_propagation import normalised_activation
>>> kernel = ConjugateKernel(1.0, (1.0, 2.0), 1.0, activation=normalised_activation("tanh"))
>>> round(kernel.mean(), 10), len(kernel.law.support)
(1.0, 1)
>>> ConjugateKernel(2.0, (2.0,), 1.0, activation="linear").law.hull == (
...     free_product(MarchenkoPastur(0.5), MarchenkoPastur(0.5)).hull
... )
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rmtland.arguments import count
from rmtland.ensembles.operands import positive_law
from rmtland.ensembles.quantiles import quantiles
from rmtland.free import general_marchenko_pastur
from rmtland.laws import Discrete, Law, MarchenkoPastur, mixture
from rmtland.laws.affine_law import affine
from rmtland.models.depth.kernel_sum import feature_law, kernel_sum_law
from rmtland.models.depth.linear_jacobian import gaussian_product, squared_singular_values
from rmtland.models.depth.matrix_draws import drawn_spectrum, rounded_sizes
from rmtland.models.depth.wide_network import WideNetwork
from rmtland.models.quadratures import SampledModel
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["ConjugateKernel"]

_RATIO = 1e4
"""Ratio of sizes beyond which a law is looked at before it is given out."""


@dataclass(frozen=True)
class ConjugateKernel(WideNetwork, SampledModel):
    """The matrix h_L^T h_L / n_L of the last features of a network at initialisation.

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
        s > 0: fan-in times the variance of the weights.
    data_variance : float
        v > 0: variance of the entries of the samples.
    input_law : Law, Spectrum or array_like of float, optional
        Law of x^T x/n0 in the place of that of Gaussian data; its mean must be `data_variance`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, the input law has another mean or mass below 0, or f has
        E f(z) other than 0 in a layer before the last.
    """

    input_law: Law | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_law is None:
            return
        law = positive_law("input_law", self.input_law)
        if not abs(law.mean() - self.data_variance) <= 1e-9 * self.data_variance:
            raise ValueError(
                f"the mean of input_law must be data_variance = {self.data_variance:g}, the mean "
                f"square of an entry of x; got {law.mean():g}"
            )
        object.__setattr__(self, "input_law", law)

    @cached_property
    def layer_laws(self) -> tuple[Law, ...]:
        """Limit laws of x^T x/n0 and of h_l^T h_l/n_l, l = 1 to L, as free products.

        A value of a law takes about ten times as long as one of the layer before.
        """
        first = MarchenkoPastur(self.samples / self.inputs, self.data_variance)
        laws: list[Law] = [self.input_law if self.input_law is not None else first]
        for width, layer in zip(self.hidden, self.layers, strict=True):
            share = layer.slope**2 * self.weight_variance
            if share:
                population = affine(laws[-1], scale=share, shift=layer.rest)
                laws.append(general_marchenko_pastur(population, self.samples / width))
            else:
                laws.append(MarchenkoPastur(self.samples / width, layer.rest))
        return tuple(laws)

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues, without the one that E f of the last layer moves out.

        For Gaussian data and several layers it comes from a matrix Dyson equation, in a time that
        grows like a power of the depth; that of a linear network is a product of
        Marchenko-Pastur laws; any other is the last of `layer_laws`. So is one of sizes so far
        apart that the matrix Dyson equation loses its digits.
        """
        depth = len(self.hidden)
        if self.input_law is None and not any(layer.rest for layer in self.layers):
            scale = self.data_variance * self.weight_variance**depth
            gains = math.prod(layer.slope**2 for layer in self.layers)
            return gaussian_product([self.samples / width for width in self.widths], scale * gains)
        if self.input_law is not None or depth == 1:
            return self.layer_laws[-1]
        found = self._matrix_dyson_law
        sizes = (self.samples, *self.widths)
        if max(sizes) > _RATIO * min(sizes):
            try:
                _ = found.support
            except ConvergenceError:
                return self.layer_laws[-1]
        return found

    @property
    def _matrix_dyson_law(self) -> Law:
        rank = self.hidden[-1] / self.samples
        if rank < 1:
            return mixture([Discrete((0.0,), (1.0,)), feature_law(self)], [1 - rank, rank])
        return kernel_sum_law(self, [0.0] * len(self.hidden) + [1.0], 0.0)

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data and return all eigenvalues of h_L^T h_L / n_L.

        Parameters
        ----------
        n : int
            Number of samples m, the size of the matrix; widths are rounded from their ratios.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n).
        """
        m, *widths = rounded_sizes(n, (self.samples, *self.widths))

        def draw(stream: np.random.Generator) -> Real:
            x = None if self.input_law is None else self._data(m, stream)
            sizes = widths if x is None else [m, *widths[1:]]
            last = self.draw(sizes, m, 0, stream, x).features[-1]
            return squared_singular_values(last.T / np.sqrt(len(last)))

        return drawn_spectrum(self, draw, rng, runs)

    def _data(self, m: int, stream: np.random.Generator) -> Real:
        """Draw x, shape (m, m): x^T x / m at the quantiles of the input law, in a Haar basis."""
        assert self.input_law is not None
        basis, triangle = np.linalg.qr(stream.normal(size=(m, m)))
        basis = basis * np.sign(np.diagonal(triangle))
        return np.asarray(np.sqrt(m * quantiles(self.input_law, m))[:, None] * basis)

    def layer(self, number: int) -> ConjugateKernel:
        """Return the kernel of an earlier hidden layer.

        Parameters
        ----------
        number : int
            1 to L.

        Returns
        -------
        ConjugateKernel
            Of the network that ends there.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        if count("number", number) > len(self.hidden):
            raise ValueError(f"there are {len(self.hidden)} hidden layers; got {number}")
        return replace(self, hidden=self.hidden[:number])
