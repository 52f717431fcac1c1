r"""Wishart + ReLU block: the second model of Pennington and Bahri.

A ReLU network has no second derivative but the mixed one of its two layers, so that H1 is block
off-diagonal, [[0, B], [B^T, 0]] with B = (1/m) sum over active samples of e x^T. The R-transforms
of the block and of the sum are

.. math:: R_{H_1}(g) = \frac{\epsilon \phi g}{2 - \epsilon \phi^2 g^2}, \qquad
          R(g) = \frac{s}{1 - s \phi g} + R_{H_1}(g)

(section 4.3 of [1]_, s = sigma): jumps :math:`\pm \phi \sqrt{\epsilon / 2}` of rate 1/(2 phi) each
in the language of `rmtland.laws.levy`. With :math:`w^2 = 1 + 16 \phi - 8 \phi^2`, phi < 1,

.. math::
    \epsilon_c = s^2 \frac{27 - 18 w^2 - w^4 + 8 w^3}{32 \phi (1 - \phi)^3}
               = \frac{16 s^2 (1 - \phi)^3 (1 + w)}{\phi (3 + w)^3},

the second form free of cancellation. (A lecture on the paper prints phi^2 for s^2: a slip.)
For phi > 1 both parts have atoms of mass 1 - 1/phi at zero; their sum keeps one of mass
1 - 2/phi for phi > 2, and the index is the mass strictly below zero.

At the threshold the double root of H(h) = 0 is h = -s (1 - phi)(1 + w)/(3 + w), with
h - s phi = -s r', r' = 1 - 2 (1 - phi)/(3 + w); the prefactor alpha0 of the 3/2 law follows from
the derivatives of H there:
index ~ (2 / 3 pi) sqrt(2/|H''|) |dH/d epsilon (epsilon - epsilon_c)|^(3/2) / h^2.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> model = WishartPlusReluBlock(0.5, 0.3)
>>> round(model.critical_energy, 12), round(model.index(), 12)
(0.081036709809, 0.04736884024)
>>> WishartPlusReluBlock(4.0, 0.3).law.atoms
((0.0, 0.5),)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmtland.ensembles.relu_residual import ReluBlock, relu_residual_law
from rmtland.laws import Law
from rmtland.models.pennington_bahri.hessian_model import HessianModel
from rmtland.typing import Real

__all__ = ["WishartPlusReluBlock"]


@dataclass(frozen=True)
class WishartPlusReluBlock(HessianModel):
    r"""Wishart + ReLU block model; parameters as for `HessianModel`.

    .. formula:: R-transform of the ReLU block, :math:`\varepsilon\phi g/(2 - \varepsilon\phi^2
        g^2)`

    Parameters
    ----------
    phi : float
        Parameters per effective example, > 0: the aspect ratio of the Wishart part.
    epsilon : float
        Energy, loss / n_out, >= 0; residuals have variance 2 epsilon.
    sigma : float
        Mean of the Gauss-Newton part, > 0.

    See Also
    --------
    rmtland.models.WishartPlusWigner : the other residual part.
    rmtland.comparison.fit : fits it to a spectrum.
    """

    name = "Wishart + ReLU block"

    @staticmethod
    def _many(function: int, x: Real, /, *parameters: Real) -> tuple[Real, NDArray[np.bool_]]:
        from rmtland.free.rational.many_laws import Triplets, values_of_laws  # numba at need

        phi, epsilon, sigma = parameters
        with np.errstate(all="ignore"):  # what is beyond double precision is not found
            rate, half = 1 / phi, 0.5 / phi
            jump, turn = sigma * phi, phi * np.sqrt(epsilon / 2)
            triplets = Triplets(
                np.zeros_like(phi),
                np.stack([half, half, rate], axis=1),
                np.stack([-turn, turn, jump], axis=1),
                1 - 2 * rate,  # rounded once: half is half of rate
                -(rate / jump),
            )
        return values_of_laws(function, x, triplets, where=epsilon > 0)

    @property
    def residual_law(self) -> Law | None:
        """Law of H1: free compound Poisson with two opposite jumps."""
        return relu_residual_law(self.phi, self.epsilon) if self.epsilon else None

    @property
    def residual_variance(self) -> float:
        """Variance of H1: epsilon phi / 2."""
        return self.epsilon * self.phi / 2

    @property
    def critical_energy(self) -> float:
        """Energy above which there are negative eigenvalues; 0 for phi >= 1."""
        if self.phi >= 1:
            return 0.0
        w = self._root
        return 16 * self.sigma**2 * (1 - self.phi) ** 3 * (1 + w) / (self.phi * (3 + w) ** 3)

    @property
    def index_prefactor(self) -> float | None:
        """Constant alpha0 of index ~ alpha0 (epsilon / critical_energy - 1)^(3/2)."""
        if self.phi >= 1:
            return None
        # All at sigma = 1: alpha0 does not depend on the scale.
        phi, w = self.phi, self._root
        r1 = 2 * (1 - phi) / (3 + w)  # r + 1
        r = r1 - 1  # h - phi
        h = -(1 - phi) * (1 + w) / (3 + w)
        energy = -2 * h * r1**2  # epsilon phi / 2
        d = 2 * h * r * r1  # h^2 - phi energy
        h2 = h * (2 / r**3 - 2 * energy / d**2 + 8 * energy * h**2 / d**3)  # H''
        dh_de = energy * h**3 / d**2  # epsilon dH/d epsilon
        return 2 / (3 * math.pi) * math.sqrt(2 / abs(h2)) * math.pow(abs(dh_de), 1.5) / h**2

    @property
    def _root(self) -> float:
        return math.sqrt(1 + 16 * self.phi - 8 * self.phi**2)

    @property
    def residual_ensemble(self) -> ReluBlock | None:
        """One block of a ReLU network, off-diagonal."""
        return ReluBlock(self.phi, self.epsilon) if self.epsilon else None
