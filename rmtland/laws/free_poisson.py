r"""The free Poisson law with any jump.

.. math::
    R(g) = \frac{\lambda j}{1 - j g}, \qquad
    \rho(x) = \frac{\sqrt{(x - a)(b - x)}}{2 \pi j x} + (1 - \lambda)^+ \delta_0, \qquad
    a, b = j (1 \mp \sqrt\lambda)^2, \qquad S(w) = \frac{1}{j (\lambda + w)} :

the limit of the free sum of n laws :math:`(1 - \lambda/n) \delta_0 + (\lambda/n) \delta_j` [1]_.
For j > 0 it is Marchenko-Pastur of aspect ratio 1/lambda and variance lambda j; the law of jump -j
is its mirror image.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, proposition 12.11.

Examples
--------
>>> law = FreePoisson(0.25, -2.0)
>>> law.support, law.atoms
(((-4.5, -0.5),), ((0.0, 0.75),))
>>> law.mean(), law.var()
(-0.5, 1.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import finite, positive
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.marchenko_pastur import band_density
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import Values

__all__ = ["FreePoisson"]


@dataclass(frozen=True)
class FreePoisson(LevyLaw):
    r"""Free Poisson law (Marchenko-Pastur law, free compound Poisson law of one jump).

    .. formula:: Free Poisson law, :math:`R(g) = \lambda j/(1 - j g)`

    Parameters
    ----------
    rate : float
        Rate lambda > 0.
    jump : float
        Jump size j, of either sign, not 0.

    Raises
    ------
    ValueError
        If the rate is not positive, the jump is 0, or one is not finite.
    TypeError
        If `rate` or `jump` is no real number.

    See Also
    --------
    rmtland.laws.MarchenkoPastur : the same law up to rates and jumps.
    rmtland.free.general_marchenko_pastur : jumps that follow a law.
    """

    rate: float
    jump: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", positive("rate", self.rate))
        object.__setattr__(self, "jump", finite("jump", self.jump))
        if self.jump == 0:
            raise ValueError("jump must not be 0: without a jump the law is a point mass")

    @property
    def levy(self) -> LevyTriplet:
        """Free Levy-Khintchine triplet: the one jump with its rate."""
        return LevyTriplet(rates=(self.rate,), jumps=(self.jump,))

    @property
    def support(self) -> Support:
        """The one interval between j (1 - sqrt(lambda))^2 and j (1 + sqrt(lambda))^2."""
        root = math.sqrt(self.rate)
        near = (1 - self.rate) / (1 + root)  # 1 - sqrt(lambda), exact also near lambda = 1
        low, high = sorted((self.jump * near**2 + 0.0, self.jump * (1 + root) ** 2))
        return ((low, high),)

    @property
    def atoms(self) -> Atoms:
        """The mass 1 - lambda at zero when lambda < 1."""
        return ((0.0, 1 - self.rate),) if self.rate < 1 else ()

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        return FreePoisson(self.rate, scale * self.jump) if shift == 0 else None

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform 1/(j (lambda + w)) for real or complex `w` of any shape.

        Parameters
        ----------
        w : array_like of float or complex
            Points, any shape.

        Returns
        -------
        float, complex or ndarray
            S(w), in the shape of `w`; real values give real results.

        Raises
        ------
        ValueError
            If `w` is NaN, infinite or the pole -lambda.
        """
        return elementwise(lambda w: 1 / (self.jump * (self.rate + w)), "w", w)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        # h' = (h - j) / root, which keeps its relative accuracy beside the edges
        root, h = self._root_and_reciprocal(z)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g = np.where(h == 0, complex(np.inf, 0), 1 / h)
            return g, (self.jump / h - 1) / (root * h)

    def _reciprocal(self, z: Complex) -> Complex:
        return self._root_and_reciprocal(z)[1]

    def _root_and_reciprocal(self, z: Complex) -> tuple[Complex, Complex]:
        # h^2 - (z - j (lambda - 1)) h + j z = 0; the smaller root comes from the product.
        ((low, high),) = self.support
        root: Complex = np.sqrt(z - low) * np.sqrt(z - high)
        w = z - self.jump * (self.rate - 1)
        up, down = w + root, w - root
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            quotient = (2 * self.jump) * (z / down)
            if (lost := (quotient == 0) & (z != 0)).any():  # the inner quotient was below numbers
                quotient[lost] = (2 * self.jump / down[lost]) * z[lost]
        return root, np.where(np.abs(up) >= np.abs(down), up / 2, quotient)

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From j z g^2 - (z - j (lambda - 1)) g + 1 = 0."""
        shift = self.jump * (self.rate - 1)
        with np.errstate(invalid="ignore", over="ignore"):
            lead, line = self.jump * z, z - shift
            terms = np.abs(lead) * np.abs(g) ** 2 + (np.abs(z) + abs(shift)) * np.abs(g) + 1
            return accuracy_of_root(
                g, (lead * g - line) * g + 1, 2 * lead * g - line, terms, lead=lead
            )

    def _pdf(self, x: Real) -> Real:
        ((low, high),) = self.support
        if self.jump < 0:
            return band_density(-x, -high, -low, -self.jump)
        return band_density(x, low, high, self.jump)
