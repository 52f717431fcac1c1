r"""Wigner's semicircle law.

.. math:: \rho(x) = \frac{\sqrt{4 v - (x - \mu)^2}}{2 \pi v}, \qquad R(g) = \mu + v g, \qquad
          G(z) = \frac{2}{w + \sqrt{w - 2 \sqrt v} \sqrt{w + 2 \sqrt v}}, \quad w = z - \mu,

with its R-transform R and its Stieltjes transform (Cauchy transform) G, v G^2 - w G + 1 = 0,
on :math:`[\mu - 2\sqrt v, \mu + 2 \sqrt v]`: the limit of a symmetric n x n matrix with independent
off-diagonal entries of variance v/n.

References
----------
.. [1] E. P. Wigner, On the distribution of the roots of certain symmetric matrices, Annals of
       Mathematics 67 (1958) 325-327.

Examples
--------
>>> Semicircle(0.25).support
((-1.0, 1.0),)
>>> round(Semicircle(0.25).cdf(0.5), 15)
0.804498890522115
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import finite, positive
from rmtland.deprecation import renamed_argument
from rmtland.laws.law import Complex, Law, Real, Support
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.root_accuracy import accuracy_of_root, rounded_once

__all__ = ["Semicircle"]


@dataclass(frozen=True)
class Semicircle(LevyLaw):
    r"""Semicircle law (Wigner law, Sato-Tate law; the free Gaussian).

    .. formula:: Semicircle law, :math:`R(g) = v g`, Stieltjes transform :math:`G = (z - \sqrt{z^2 -
        4v})/2v`

    Parameters
    ----------
    variance : float
        Variance v > 0; the radius is 2 sqrt(v).
    center : float
        Centre of the support: the mean of the law.

    Raises
    ------
    ValueError
        If the variance is not positive or a parameter is not finite.
    TypeError
        If `variance` or `center` is no real number.

    See Also
    --------
    rmtland.ensembles.GaussianEnsemble : its random matrices.
    rmtland.free.free_sum : a semicircle added to another law.
    rmtland.free.MatrixDyson : Gaussian matrices with a variance profile.
    """

    variance: float = 1.0
    center: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", positive("variance", self.variance))
        object.__setattr__(self, "center", finite("center", self.center))

    @property
    def levy(self) -> LevyTriplet:
        """Free Levy-Khintchine triplet: drift and variance, no jumps."""
        return LevyTriplet(drift=self.center, variance=self.variance)

    @property
    def is_point_mass(self) -> bool:
        """False: the continuous part is never empty."""
        return False

    @property
    def support(self) -> Support:
        """The one interval of radius 2 sqrt(v) about the mean."""
        radius = 2 * math.sqrt(self.variance)
        return ((self.center - radius, self.center + radius),)

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        variance = scale * (scale * self.variance)
        if not sys.float_info.min <= variance < math.inf:  # a square that is no number
            return None
        return Semicircle(variance, rounded_once(scale, self.center, shift))

    def _reciprocal(self, z: Complex) -> Complex:
        # h^2 - w h + v = 0 with w = z - mean; the larger root in modulus outside the support.
        radius = 2 * math.sqrt(self.variance)
        w = z - self.center
        return np.asarray((w + np.sqrt(w - radius) * np.sqrt(w + radius)) / 2)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        # h' = h / sqrt(w^2 - 4 v), which keeps its digits next to the edges
        radius = 2 * math.sqrt(self.variance)
        w = z - self.center
        h = self._reciprocal(z)
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1 / h, -1 / (h * np.sqrt(w - radius) * np.sqrt(w + radius))

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From v g^2 - w g + 1 = 0."""
        v, w = self.variance, z - self.center
        terms = v * np.abs(g) ** 2 + (np.abs(z) + abs(self.center)) * np.abs(g) + 1
        return accuracy_of_root(g, (v * g - w) * g + 1, 2 * v * g - w, terms, lead=v)

    def _pdf(self, x: Real) -> Real:
        radius = 2 * math.sqrt(self.variance)
        w = np.clip(x - self.center, -radius, radius)
        return np.asarray(np.sqrt((radius - w) * (radius + w)) / (2 * np.pi * self.variance))


# The old name of the centre, for one more version
Semicircle.__init__ = renamed_argument("mean", "center")(  # type: ignore[method-assign]
    Semicircle.__init__
)
