r"""Deep linear networks: squared singular values of a product of Gaussian matrices.

For J = W_L ... W_1 with W_l of shape (n_l, n_{l-1}) and entries of variance s/n_{l-1}, let
M(z) = z G(z) - 1 for the eigenvalues of J^T J, n_0 of them. S-transforms multiply [1]_,

.. math::
    S(w) = \prod_{l=1}^L \frac{n_{l-1}}{s (n_l + n_0 w)}, \qquad
    z M = (1 + M) \prod_{l=1}^L \frac{s n_l}{n_{l-1}} \Bigl(1 + \frac{n_0}{n_l} M\Bigr) :

a free product of Marchenko-Pastur laws of ratios n_0/n_l. For J J^T the ratios are n_L/n_l, l = 0
to L - 1. With equal widths it is the Fuss-Catalan law, whose upper edge is :math:`s^L (L + 1)^{L +
1} / L^L` and whose k-th moment a Fuss-Catalan number [2]_. (Also: products of Ginibre matrices,
products of Wishart matrices, input-output Jacobian of a linear network.)

The Gauss-Newton matrix of a deep linear network is `DeepGaussNewton` with activation "linear", for
few outputs, and `LinearHessian` for one hidden layer and any number.

References
----------
.. [1] R. R. Mueller, On the asymptotic eigenvalue distribution of concatenated vector-valued fading
       channels, IEEE Trans. Inf. Theory 48 (2002) 2086-2091.
.. [2] K. A. Penson and K. Zyczkowski, Product of Ginibre matrices: Fuss-Catalan and Raney
       distributions, Phys. Rev. E 83 (2011) 061118.

Examples
--------
>>> LinearJacobian((1.0, 1.0, 1.0)).law
FussCatalan(order=2.0)
>>> jacobian = LinearJacobian((4.0, 2.0, 1.0), side="inputs")
>>> jacobian.law.atoms, round(jacobian.mean(), 12)
(((0.0, 0.75),), 0.25)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rmtland.arguments import choice, entries, positive
from rmtland.free import free_product
from rmtland.laws import (
    Discrete,
    FussCatalan,
    Law,
    MarchenkoPastur,
    mixture,
)
from rmtland.laws.affine_law import affine
from rmtland.models.depth.matrix_draws import drawn_spectrum, rounded_sizes
from rmtland.models.quadratures import SampledModel
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["LinearJacobian", "gaussian_product", "squared_singular_values"]

SIDES = ("outputs", "inputs")


@dataclass(frozen=True)
class LinearJacobian(SampledModel):
    r"""J J^T or J^T J of the Jacobian J = W_L ... W_1 of a deep linear network.

    .. formula:: Products of Gaussian matrices of any shapes, :math:`z M = (1 + M) \prod_l s
        (n_l/n_{l-1}) (1 + n_0 M/n_l)`

    Parameters
    ----------
    widths : sequence of float
        (n0, n1, ..., nL), each > 0, at least two: only their ratios enter the law.
    weight_variance : float
        s > 0: fan-in times the variance of the weights.
    side : {"outputs", "inputs"}
        J J^T, of size nL, or J^T J, of size n0.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If `weight_variance` or a width is no real number, or `widths` is no sequence.

    See Also
    --------
    rmtland.models.InputOutputJacobian : other activations.
    """

    widths: tuple[float, ...]
    weight_variance: float = field(default=1.0, kw_only=True)
    side: str = field(default="outputs", kw_only=True)

    def __post_init__(self) -> None:
        given = entries("widths", self.widths)
        widths = tuple(positive(f"widths[{i}]", width) for i, width in enumerate(given))
        if len(widths) < 2:
            raise ValueError(f"widths must name at least inputs and outputs; got {widths}")
        object.__setattr__(self, "widths", widths)
        object.__setattr__(
            self, "weight_variance", positive("weight_variance", self.weight_variance)
        )
        choice("side", self.side, SIDES)

    @property
    def depth(self) -> int:
        """The number L of factors."""
        return len(self.widths) - 1

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues."""
        scale = self.weight_variance**self.depth
        first, *others = self.widths if self.side == "inputs" else self.widths[::-1]
        if self.side == "inputs":
            scale *= self.widths[-1] / self.widths[0]
        return gaussian_product([first / other for other in others], scale)

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw products and return all eigenvalues.

        Parameters
        ----------
        n : int
            Number of inputs n0; the other widths are rounded from their ratios.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent products.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, nL) or, for the side of the inputs, (runs, n0).
        """
        widths = rounded_sizes(n, self.widths)

        def draw(stream: np.random.Generator) -> Real:
            product = np.eye(widths[0])
            for fan_in, fan_out in itertools.pairwise(widths):
                weight = stream.normal(size=(fan_out, fan_in))
                product = weight * math.sqrt(self.weight_variance / fan_in) @ product
            return squared_singular_values(product.T if self.side == "inputs" else product)

        return drawn_spectrum(self, draw, rng, runs)


def gaussian_product(ratios: Sequence[float], scale: float) -> Law:
    """Return the free product of Marchenko-Pastur laws of these ratios and variance 1, scaled.

    With the largest ratio 1/r above 1 a share r of the eigenvalues differ from zero. M = r M' turns
    z M = scale (1 + M) prod (1 + ratio M) into the same equation with the ratio r in the place of
    1/r, the others times r, and no null space: that of the eigenvalues other than zero.

    Parameters
    ----------
    ratios : sequence of float
        Aspect ratios, > 0, at least one.
    scale : float
        Mean of the product, > 0.

    Returns
    -------
    Law
        A `MarchenkoPastur`, an image of a `FussCatalan`, or a `FreeProduct`, beside its null space.
    """
    first, *others = sorted(ratios)
    if not others:
        return MarchenkoPastur(first, scale)
    if others[-1] > 1:
        rank = 1 / others[-1]
        rest = gaussian_product(
            [rank, *(rank * ratio for ratio in (first, *others[:-1]))], scale / rank
        )
        return mixture([Discrete((0.0,), (1.0,)), rest], [1 - rank, rank])
    if all(ratio == 1 for ratio in ratios):
        return affine(FussCatalan(len(ratios)), scale=scale)
    return free_product(MarchenkoPastur(first, scale), *map(MarchenkoPastur, others))


def squared_singular_values(matrix: Real) -> Real:
    """Eigenvalues of matrix matrix^T, ascending, with exact zeros beyond its numerical rank.

    Parameters
    ----------
    matrix : ndarray, shape (n, q)
        Any matrix.

    Returns
    -------
    ndarray, shape (n,)
        Eigenvalues.
    """
    values = np.zeros(matrix.shape[0])
    sizes = np.linalg.svd(matrix, compute_uv=False)
    sizes[sizes <= max(matrix.shape) * np.finfo(np.float64).eps * sizes[0]] = 0.0
    values[values.size - sizes.size :] = sizes[::-1] ** 2
    return values
