r"""Input-output Jacobians of deep nonlinear networks at initialisation.

For J = D_L W_L ... D_1 W_1 with D_l the diagonal of slopes f'(z_l), square layers of n units and
preactivations at the variance q at which they settle, D_l and W_l are asymptotically free [1]_:

.. math::
    S_{J J^T} = \bigl(S_{D^2} S_{W W^T}\bigr)^L, \qquad
    q = \sigma_w^2 E f(\sqrt q\, u)^2 + \sigma_b^2 .

* Gaussian weights of variance sigma_w^2/n: :math:`S_{W W^T} = 1/(\sigma_w^2 (1 + w))`;
* orthogonal weights, sigma_w times a Haar matrix: :math:`S = 1/\sigma_w^2`;
* slopes of 0 and 1, 1 with probability p (ReLU: 1/2; hard tanh: erf(1/sqrt(2 q))):
  :math:`S_{D^2} = (1 + w)/(p + w)`.

For orthogonal weights and such slopes a share p of the eigenvalues have the law of a product of
L - 1 free Wachter laws, :math:`S = ((1 + p w)/(p + p w))^{L - 1}`, whose density grows like
:math:`x^{1/L - 1}` towards zero, and all others are zero. For Gaussian weights
:math:`z M = \sigma_w^{2L} (1 + M)(p + M)^L`, a product of L Marchenko-Pastur laws of ratio 1/p, and
for linear f the Fuss-Catalan law with
:math:`\lambda_{max} = \sigma_w^{2 L} (L + 1)^{L + 1}/L^L`: singular values spread out linearly in
depth even where their mean square stays at 1 (no dynamical isometry). Orthogonal linear networks
have all of them equal. (Also: dynamical isometry, exploding and vanishing gradients.)

References
----------
.. [1] J. Pennington, S. S. Schoenholz and S. Ganguli, The emergence of spectral universality in
       deep networks, AISTATS 2018; J. Pennington, S. S. Schoenholz and S. Ganguli, Resurrecting the
       sigmoid in deep learning through dynamical isometry, NIPS 2017.

Examples
--------
>>> InputOutputJacobian(3, activation="linear").law.hull[1] == 4**4 / 3**3
True
>>> relu = InputOutputJacobian(4, activation="relu", weight_variance=2.0)
>>> relu.law.atoms, round(relu.mean(), 12)
(((0.0, 0.5),), 1.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.arguments import choice, count, nonnegative, positive
from rmtland.free import free_product
from rmtland.laws import Discrete, Law, MarchenkoPastur, Wachter, mixture
from rmtland.laws.affine_law import affine
from rmtland.models.depth.linear_jacobian import gaussian_product, squared_singular_values
from rmtland.models.depth.matrix_draws import drawn_spectrum
from rmtland.models.depth.slope_law import as_activation, settled_variance, slope_square_law
from rmtland.models.quadratures import SampledModel
from rmtland.networks.activation import Activation
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["InputOutputJacobian"]

WEIGHTS = ("gaussian", "orthogonal")

_PIECES = 24


@dataclass(frozen=True)
class InputOutputJacobian(SampledModel):
    r"""J J^T of the input-output Jacobian J = D_L W_L ... D_1 W_1 of a deep network.

    .. formula:: Input-output Jacobian, :math:`S_{JJ^\top} = (S_{D^2} S_{WW^\top})^L`

    Parameters
    ----------
    depth : int
        Number L of layers, >= 1.
    activation : str or Activation
        f: a name of `rmtland.networks`, "hard_tanh", or an activation of one's own.
    weights : {"gaussian", "orthogonal"}
        Independent entries, or Haar matrices.
    weight_variance : float
        sigma_w^2 > 0: n times the mean square of an entry.
    bias_variance : float
        sigma_b^2 >= 0 of normal biases.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If `weight_variance` or `bias_variance` is no real number, or `depth` is no integer.
    ConvergenceError
        If the preactivations do not settle at a variance.

    See Also
    --------
    rmtland.models.LinearJacobian : linear networks.
    """

    depth: int
    activation: str | Activation = field(default="tanh", kw_only=True)
    weights: str = field(default="gaussian", kw_only=True)
    weight_variance: float = field(default=1.0, kw_only=True)
    bias_variance: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", count("depth", self.depth))
        choice("weights", self.weights, WEIGHTS)
        object.__setattr__(
            self, "weight_variance", positive("weight_variance", self.weight_variance)
        )
        object.__setattr__(self, "bias_variance", nonnegative("bias_variance", self.bias_variance))
        _ = self.preactivation_variance

    @cached_property
    def preactivation_variance(self) -> float:
        """Variance q at which preactivations settle; 1 where slopes do not depend on it."""
        return settled_variance(self.activation, self.weight_variance, self.bias_variance)

    @cached_property
    def slope_law(self) -> Law:
        """Law of the squared slopes: exact where f is piecewise linear.

        For any other f it is a quadrature, or with orthogonal weights, which do not smooth it, 24
        uniform pieces.
        """
        pieces = _PIECES if self.weights == "orthogonal" else 0
        return slope_square_law(self.activation, self.preactivation_variance, pieces=pieces)

    @property
    def gradient_growth(self) -> float:
        """Factor chi = sigma_w^2 E f'^2 of the mean square of a gradient per layer."""
        return self.weight_variance * self.slope_law.mean()

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of J J^T.

        Raises
        ------
        ValueError
            If all slopes are zero.
        """
        slopes, scale = self.slope_law, self.weight_variance**self.depth
        levels = [(place, mass) for place, mass in slopes.atoms if place]
        if not levels and not slopes.support:
            raise ValueError(f"all slopes of {self.activation!r} are zero, and so is J")
        if self.weights == "orthogonal":
            return affine(_product_of_equals(slopes, self.depth), scale=scale)
        if len(levels) == 1:  # of one value d with probability p, or 0: again Marchenko-Pastur
            ((place, share),) = levels
            return gaussian_product([1 / share] * self.depth, scale * (place * share) ** self.depth)
        wisharts = [MarchenkoPastur(1.0)] * self.depth
        return affine(free_product(*[slopes] * self.depth, *wisharts), scale=scale)

    def mean(self) -> float:
        """Mean squared singular value, chi^L.

        Returns
        -------
        float
            In the units of J J^T.
        """
        return self.gradient_growth**self.depth

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks, run them from a random input, and return all eigenvalues of J J^T.

        Parameters
        ----------
        n : int
            Number of units of every layer.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n).

        Raises
        ------
        ValueError
            If `n` or `runs` is below 1.
        TypeError
            If it is no integer.
        """
        size, f = count("n", n), as_activation(self.activation)
        s, b = self.weight_variance, self.bias_variance

        def draw(stream: np.random.Generator) -> Real:
            h = stream.normal(size=size)
            square = max(self.preactivation_variance - b, 0.0) / s
            h *= math.sqrt(size * square) / np.linalg.norm(h)
            jacobian = np.eye(size)
            for _ in range(self.depth):
                weight = stream.normal(size=(size, size))
                if self.weights == "orthogonal":
                    basis, triangle = np.linalg.qr(weight)
                    weight = basis * np.sign(np.diagonal(triangle)) * math.sqrt(s)
                else:
                    weight *= math.sqrt(s / size)
                z = weight @ h + math.sqrt(b) * stream.normal(size=size)
                h = np.asarray(f.value(z), dtype=np.float64)
                jacobian = np.asarray(f.slope(z, h))[:, None] * (weight @ jacobian)
            return squared_singular_values(jacobian)

        return drawn_spectrum(self, draw, rng, runs)


def _product_of_equals(slopes: Law, factors: int) -> Law:
    """Return the free product of equal laws; that of projections without their null space.

    On the range of one of them, a share p, the others are Wachter laws. The product itself loses
    digits beside zero, where the density is unbounded and the atom is.
    """
    levels = [(place, mass) for place, mass in slopes.atoms if place]
    if slopes.support or len(levels) != 1 or len(slopes.atoms) == 1 or factors == 1:
        return free_product(*[slopes] * factors)
    ((place, share),) = levels
    rest = free_product(*[Wachter(1.0, share / (1 - share))] * (factors - 1))
    return mixture(
        [Discrete((0.0,), (1.0,)), affine(rest, scale=place**factors)], [1 - share, share]
    )
