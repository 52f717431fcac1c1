r"""Gram matrices of random features: M = Y Y^T/m with Y = f(W X).

For W of shape (n1, n0) with entries of variance s/n0 and X of shape (n0, m) with entries of
variance v, the limit law depends on f through two numbers only [1]_ (z ~ N(0, s v), E f = 0),

.. math::
    \eta = E f(z)^2, \qquad \zeta = s v \, (E f'(z))^2, \qquad \phi = n_0/m, \quad \psi = n_0/n_1,

.. math::
    G(z) = \frac{\psi}{z} P\Bigl(\frac{1}{z \psi}\Bigr) + \frac{1 - \psi}{z}, \qquad
    P = 1 + (\eta - \zeta) t P_\phi P_\psi
        + \frac{\zeta t P_\phi P_\psi}{1 - \zeta t P_\phi P_\psi},

with :math:`P_\phi = 1 + (P - 1)\phi`, :math:`P_\psi = 1 + (P - 1)\psi`: a quartic for G. It is
solved here as a composition of free operations: the rows of Y are, spectrally, normal with the
covariance :math:`\eta - \zeta + \zeta K`, K = X^T X/(v n0) of Marchenko-Pastur law, so that M is
the matrix Z^T D Z of `rmtland.models.depth.compound_poisson`; the tests solve the quartic beside
it. For zeta = 0 M is Marchenko-Pastur, for eta = zeta the product of two Marchenko-Pastur matrices.
A mean E f moves one eigenvalue out, to about :math:`n_1 (E f)^2`, and is left out. (Also: random
feature covariance, kernel random matrices.)

References
----------
.. [1] J. Pennington and P. Worah, Nonlinear random matrix theory for deep learning, NIPS 2017.

Examples
--------
>>> gram = NonlinearGram(1.0, 1.0, 2.0, activation="tanh")
>>> round(gram.eta, 6), round(gram.zeta, 6), abs(gram.law.mean() - gram.eta) < 1e-12
(0.394294, 0.366879, True)
>>> NonlinearGram(1.0, 1.0, 2.0, activation="quadratic").law  # zeta = 0
MarchenkoPastur(aspect_ratio=0.5, scale=2.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.arguments import positive
from rmtland.laws import Discrete, Law, MarchenkoPastur
from rmtland.laws.affine_law import affine
from rmtland.models.depth.compound_poisson import compound_poisson
from rmtland.models.depth.linear_jacobian import squared_singular_values
from rmtland.models.depth.matrix_draws import drawn_spectrum, rounded_sizes
from rmtland.models.depth.signal_propagation import LayerAverages, signal_propagation
from rmtland.models.quadratures import SampledModel
from rmtland.networks.activation import Activation, activation
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["NonlinearGram"]


@dataclass(frozen=True)
class NonlinearGram(SampledModel):
    r"""The Gram matrix Y Y^T/m of random features Y = f(W X), of size n1.

    .. formula:: Gram matrix of random features, quartic in :math:`\eta, \zeta, \phi, \psi`

    Parameters
    ----------
    inputs, features, samples : float
        n0, n1 and m, > 0: only their ratios enter the law.
    activation : str or Activation
        f.
    weight_variance : float
        s > 0: n0 times the variance of the entries of W.
    data_variance : float
        v > 0: variance of the entries of X.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If a parameter is no real number.

    See Also
    --------
    rmtland.models.ConjugateKernel : more layers.
    """

    inputs: float
    features: float
    samples: float
    activation: str | Activation = field(default="tanh", kw_only=True)
    weight_variance: float = field(default=1.0, kw_only=True)
    data_variance: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("inputs", "features", "samples", "weight_variance", "data_variance"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        _ = self.averages

    @cached_property
    def averages(self) -> LayerAverages:
        """Averages of f over the preactivation."""
        (layer,) = signal_propagation(
            self.activation,
            1,
            weight_variance=self.weight_variance,
            data_variance=self.data_variance,
        )
        return layer

    @property
    def eta(self) -> float:
        """E f^2 - (E f)^2, the variance of a feature."""
        return self.averages.linear + self.averages.rest

    @property
    def zeta(self) -> float:
        """The linear part of it, s v (E f')^2."""
        return self.averages.linear

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of M."""
        rate = self.samples / self.features
        rest, linear = self.averages.rest / rate, self.zeta / rate
        if not linear:
            return compound_poisson(rate, Discrete((rest,), (1.0,)))
        kernel = MarchenkoPastur(self.samples / self.inputs)
        return compound_poisson(rate, affine(kernel, scale=linear, shift=rest))

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw W and X and return all eigenvalues of M.

        Parameters
        ----------
        n : int
            Number of features n1, the size of M; n0 and m are rounded from their ratios.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n).
        """
        n1, n0, m = rounded_sizes(n, (self.features, self.inputs, self.samples))
        f = activation(self.activation)

        def draw(stream: np.random.Generator) -> Real:
            weight = stream.normal(size=(n1, n0)) * math.sqrt(self.weight_variance / n0)
            x = stream.normal(size=(n0, m)) * math.sqrt(self.data_variance)
            return squared_singular_values(np.asarray(f.value(weight @ x)) / math.sqrt(m))

        return drawn_spectrum(self, draw, rng, runs)
