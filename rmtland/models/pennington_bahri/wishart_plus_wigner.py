r"""Wishart + Wigner: the first model of Pennington and Bahri.

R-transform and spectral law, with s = sigma,

.. math:: R(g) = \frac{s}{1 - s \phi g} + 2 \epsilon g :

the free sum of Marchenko-Pastur(phi, s) and a semicircle of variance 2 epsilon (section 4.2 of
[1]_). With :math:`w = \sqrt{1 + 8 \phi}`, :math:`\phi < 1`, the lower edge reaches zero at

.. math::
    \epsilon_c = s^2 \frac{1 - 20 \phi - 8 \phi^2 + w^3}{16}
               = \frac{4 s^2 (1 - \phi)^3 (1 + w)}{(3 + w)^3},

the second form free of cancellation, and just above it the index is
:math:`\alpha_0 (\epsilon / \epsilon_c - 1)^{3/2}`, the 3/2 law, with the prefactor

.. math:: \alpha_0 = \frac{16 (1 - \phi)}{3 \pi \sqrt w (1 + w) (3 + w)} .

It follows from the double root :math:`h_* = -s (1 - \phi)(1 + w)/(3 + w)` of H(h) = 0 (`h = 1/G`,
`rmtland.laws.levy`), where :math:`H''(h_*) = -16 w / (s (1 + w)^2)`.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 4.2.

Examples
--------
>>> model = WishartPlusWigner(0.5, 0.3)
>>> round(model.critical_energy, 12), round(model.index(), 12), round(model.index_prefactor, 5)
(0.011271242969, 0.205280313062, 0.0335)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmtland.arrays import ArrayLibrary
from rmtland.ensembles import GaussianEnsemble
from rmtland.ensembles.entries import DeviceDraws, Entries
from rmtland.laws import Semicircle
from rmtland.models.pennington_bahri.hessian_model import HessianModel
from rmtland.typing import Array, Real

__all__ = ["WishartPlusWigner"]


@dataclass(frozen=True)
class WishartPlusWigner(HessianModel):
    r"""Wishart + Wigner model; parameters as for `HessianModel`.

    .. formula:: Wishart + Wigner Hessian, :math:`\varepsilon_c`, prefactor of the 3/2 law,
        :math:`\alpha_0 \lvert\varepsilon/\varepsilon_c - 1\rvert^{3/2}`

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
    rmtland.models.WishartPlusReluBlock : the residual of a ReLU network.
    rmtland.comparison.fit : fits it to a spectrum.
    rmtland.models.DysonHessian : knows the data.
    """

    name = "Wishart + Wigner"

    @staticmethod
    def _many(function: int, x: Real, /, *parameters: Real) -> tuple[Real, NDArray[np.bool_]]:
        from rmtland.free.rational.many_laws import Triplets, values_of_laws  # numba at need

        phi, epsilon, sigma = parameters
        # At epsilon = 0 there may be atoms: the law by itself
        with np.errstate(all="ignore"):
            triplets = Triplets.of_one_jump(2 * epsilon, 1 / phi, sigma * phi)
        return values_of_laws(function, x, triplets, where=epsilon > 0)

    @property
    def residual_law(self) -> Semicircle | None:
        """Law of H1: a semicircle of variance 2 epsilon."""
        return Semicircle(self.residual_variance) if self.epsilon else None

    @property
    def residual_variance(self) -> float:
        """Variance of H1: 2 epsilon."""
        return 2 * self.epsilon

    @property
    def critical_energy(self) -> float:
        """Energy above which there are negative eigenvalues; 0 for phi >= 1."""
        if self.phi >= 1:
            return 0.0
        w = math.sqrt(1 + 8 * self.phi)
        return 4 * self.sigma**2 * (1 - self.phi) ** 3 * (1 + w) / (3 + w) ** 3

    @property
    def index_prefactor(self) -> float | None:
        """Constant alpha0 of index ~ alpha0 (epsilon / critical_energy - 1)^(3/2)."""
        if self.phi >= 1:
            return None
        w = math.sqrt(1 + 8 * self.phi)
        return 16 * (1 - self.phi) / (3 * math.pi * math.sqrt(w) * (1 + w) * (3 + w))

    @property
    def residual_ensemble(self) -> GaussianEnsemble | None:
        """Gaussian orthogonal matrices of variance 2 epsilon."""
        return GaussianEnsemble(variance=self.residual_variance) if self.epsilon else None

    def _equivalents(self, n: int, entries: Entries) -> Array:
        # The Gaussian part is rotation invariant: the eigenvalues of the other suffice.
        residual = self.residual_ensemble
        if residual is None:
            return self._matrices(n, entries)
        if isinstance(entries.draws, DeviceDraws):  # its tridiagonal model will do
            return residual._matrices(n, entries) + self.wishart._tridiagonals(n, entries.draws)
        wishart = self.wishart._eigenvalues(n, ArrayLibrary.of(), entries.host_generators())
        return entries.with_diagonal(residual._matrices(n, entries), entries.array(wishart))
