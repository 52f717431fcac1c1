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

A mean E f other than 0 moves one eigenvalue out of the bulk, to about m times `shared_square`, and
is left out here. In a layer before the last it does more, and so do biases: units of the next layer
differ by an offset that all samples share (`rmtland.models.depth.unit_offsets`). Given the kernel
of the layer before, K without the shared part, that of a layer is then a sum over units of
covariances that commute,

.. math::
    \operatorname{E} (z - K_l)^{-1} = \Bigl( z - \operatorname{E}_t
        \frac{b(t)^2 s K + r(t)}{1 - g(t)} \Bigr)^{-1}, \qquad
    g(t) = \frac1{n_l} \operatorname{tr} \, (b(t)^2 s K + r(t)) (z - K_l)^{-1},

which is no free product; the matrix Dyson equation takes a few kinds of units, nodes of a
quadrature of t. With fewer units than samples in such a layer, or where these kinds do not make up
the averages over all, their law falls apart or is not found, all units are taken
(`rmtland.models.depth.all_units`) and the law is a table. `ConjugateKernel.cdf_error` says how far
its distribution function may be from that of all units. Edges of the law of a few kinds are those
of these kinds: where f' is not bounded the law of all units has a thin tail beyond.

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

import contextlib
import math
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from rmtland.arguments import count, nonnegative
from rmtland.ensembles.operands import positive_law
from rmtland.ensembles.quantiles import quantiles
from rmtland.free import general_marchenko_pastur
from rmtland.free.operator_valued.self_energy import LARGEST_SIZE
from rmtland.laws import Discrete, Law, MarchenkoPastur, mixture
from rmtland.laws.affine_law import affine
from rmtland.models.depth.all_units import ROUNDING, all_units_cdf, all_units_law
from rmtland.models.depth.kernel_sum import feature_law, kernel_sum_law
from rmtland.models.depth.linear_jacobian import gaussian_product, squared_singular_values
from rmtland.models.depth.matrix_draws import drawn_spectrum, rounded_sizes
from rmtland.models.depth.signal_propagation import LayerAverages, signal_propagation
from rmtland.models.depth.unit_offsets import OffsetLayer, TooVariousOffsets, offset_layers
from rmtland.models.depth.wide_network import WideNetwork
from rmtland.models.dyson.tabulated_law import TabulatedLaw
from rmtland.models.quadratures import SampledModel
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["ConjugateKernel"]

_RATIO = 1e4
"""Ratio of sizes beyond which a law is looked at before it is given out."""

_MOST, _FEWEST = 12, 4
"""Kinds of units in a layer where they differ: at most, and what there must be on average."""

_PLACES = 60
"""Where laws of a few kinds of units and of all are compared."""


@dataclass(frozen=True)
class ConjugateKernel(WideNetwork, SampledModel):
    r"""The matrix h_L^T h_L / n_L of the last features of a network at initialisation.

    .. formula:: Conjugate kernel, :math:`\mu_l = \mathrm{MP} \boxtimes (1 - b^2 + b^2 \mu_{l-1})`

    .. formula:: Conjugate kernel with means in inner layers or biases (derived here), :math:`(z -
        E_t\, (b^2 s K + r)/(1 - g))^{-1}`
        :with: bias_variance=

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
    bias_variance : float
        Variance of the biases of the hidden units, >= 0.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the input law has another mean or mass below 0. If
        units differ, as with biases or where E f(z) is other than 0 in a layer before the last:
        with an input law.
    TypeError
        If `bias_variance` is no real number.

    See Also
    --------
    rmtland.models.NeuralTangentKernel : of gradients.
    rmtland.models.NonlinearGram : one layer.
    """

    input_law: Law | None = field(default=None, kw_only=True)
    bias_variance: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        biases = nonnegative("bias_variance", self.bias_variance)
        object.__setattr__(self, "bias_variance", biases)
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

    def _refuse_means(self) -> None:
        if not self._is_varied:
            return
        if self.input_law is not None:
            raise ValueError(
                "an input_law is for layers of units that are alike, without biases and with "
                "activations of mean 0 in all hidden layers but the last; leave it out, or take "
                "normalised_activation(...) and bias_variance=0"
            )

    @cached_property
    def layers(self) -> tuple[LayerAverages, ...]:
        """Averages of the activation in each hidden layer, over all units."""
        return signal_propagation(
            self.activation,
            len(self.hidden),
            weight_variance=self.weight_variance,
            data_variance=self.data_variance,
            bias_variance=self.bias_variance,
        )

    @cached_property
    def units(self) -> tuple[OffsetLayer, ...]:
        """What the law takes from each hidden layer: kinds of units, by their offsets."""
        if not self.bias_variance and all(layer.is_centred for layer in self.layers[:-1]):
            return super().units
        found = partial(
            offset_layers,
            self.activation,
            len(self.hidden),
            weight_variance=self.weight_variance,
            data_variance=self.data_variance,
            bias_variance=self.bias_variance,
        )
        if self._kinds:
            with contextlib.suppress(TooVariousOffsets):
                return found(nodes=_MOST, total=self._kinds)
        return found(every=True)

    @property
    def _is_varied(self) -> bool:
        """Whether units of some layer differ."""
        return any(layer.is_varied for layer in self.units)

    @property
    def _kinds(self) -> int:
        """Kinds of units in all layers where they differ, as many as the equation takes, or 0."""
        varied = len(self.hidden) - (not self.bias_variance)
        kinds = (LARGEST_SIZE - 3) // 2 - (len(self.hidden) - varied)
        return kinds if kinds >= _FEWEST * varied else 0

    @property
    def shared_square(self) -> float:
        """E c(t)^2 of the last layer: m times that is about where one eigenvalue lies."""
        return self.units[-1].mean_square

    @cached_property
    def cdf_error(self) -> float:
        """How far the distribution function may be from that of all units, in the limit.

        What a network of finite size is off by is no part of it: a layer of few units has few
        offsets, and its law another scale. The largest difference seen at places over the whole
        support, and a tenth; 0 where units are alike, and the `error` of the table where the law
        is one.

        Raises
        ------
        ConvergenceError
            If the equation of all units is not solved.
        """
        if not self._is_varied:
            return 0.0
        law = self.law
        if isinstance(law, TabulatedLaw):
            return law.error
        ends = np.array([end for part in law.support for end in part])
        x = np.union1d(ends[ends > 0], ends.max() * np.linspace(0, 1.1, _PLACES + 1)[1:] ** 2)
        return 1.1 * float(np.abs(law.cdf(x) - all_units_cdf(self, x)).max()) + ROUNDING

    @cached_property
    def layer_laws(self) -> tuple[Law, ...]:
        """Limit laws of x^T x/n0 and of h_l^T h_l/n_l, l = 1 to L, as free products.

        A value of a law takes about ten times as long as one of the layer before. Where units
        differ they are no free products, and come from the matrix Dyson equation.
        """
        first = MarchenkoPastur(self.samples / self.inputs, self.data_variance)
        if self._is_varied:
            numbers = range(1, len(self.hidden) + 1)
            return (first, *(self.layer(number).law for number in numbers))
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
        """Limit law of the eigenvalues, without the one that means of features move out.

        For Gaussian data and several layers it comes from a matrix Dyson equation, in a time that
        grows like a power of the depth; that of a linear network is a product of
        Marchenko-Pastur laws; any other is the last of `layer_laws`. So is one of sizes so far
        apart that the matrix Dyson equation loses its digits. Where units differ it is that of a
        few kinds of them, or, where these may have bands of their own, a table of that of all
        units, a `TabulatedLaw`.
        """
        if self._is_varied:
            return self._varied_law
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
    def _varied_law(self) -> Law:
        """The law of a few kinds of units, where it is sure to be one interval, or of all units."""
        varied = zip(self.hidden, self.units, strict=True)
        few = all(layer.masses.size <= _MOST for layer in self.units)
        if few and all(width >= self.samples for width, layer in varied if layer.is_varied):
            found = self._matrix_dyson_law
            with contextlib.suppress(ConvergenceError):
                if len(found.support) == 1:
                    return found
        return all_units_law(self)

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
            drawn = self.draw(sizes, m, 0, stream, x, bias_variance=self.bias_variance)
            last = drawn.features[-1]
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
        TypeError
            If `number` is no integer.
        """
        if count("number", number) > len(self.hidden):
            raise ValueError(f"there are {len(self.hidden)} hidden layers; got {number}")
        return replace(self, hidden=self.hidden[:number])
