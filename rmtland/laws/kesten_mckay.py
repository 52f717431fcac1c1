r"""The Kesten-McKay law.

.. math::
    \rho(x) = \frac{d \sqrt{4 (d - 1) - x^2}}{2 \pi (d^2 - x^2)}
              + \left(1 - \frac d2\right)^+ (\delta_{-d} + \delta_d), \qquad
    |x| \le 2 \sqrt{d - 1} :

the spectral law of the d-regular tree, the limit for random d-regular graphs [1]_ [2]_ and the free
sum of d symmetric signs; for real d > 1 the d-th free power of one sign, which keeps two atoms
while d < 2. With :math:`z = h + (d - 1)/h, |h| \ge \sqrt{d - 1}`,

.. math::
    G = \frac{h}{h^2 - 1}, \qquad
    L = \log h + \left(1 - \frac d2\right) \log(1 - h^{-2}), \qquad
    R(g) = \frac{2 d g}{1 + \sqrt{1 + 4 g^2}} .

With :math:`q = (\sqrt{z - e} + \sqrt{z + e})/2 = \sqrt h`, e the upper edge, the factors
:math:`h \mp \sqrt{d - 1} = q \sqrt{z \mp e}` keep the relative accuracy of G up to the edges.
The mean is zero, so that there is no S-transform.

References
----------
.. [1] H. Kesten, Symmetric random walks on groups, Trans. Amer. Math. Soc. 92 (1959) 336-354.
.. [2] B. D. McKay, The expected eigenvalue distribution of a large regular graph, Linear Algebra
       Appl. 40 (1981) 203-216.

Examples
--------
>>> law = KestenMcKay(3)
>>> round(law.pdf(0.0), 12)
0.15005271936
>>> [law.moment(k) for k in (2, 4, 6)]
[3.0, 15.0, 87.0]
>>> KestenMcKay(1.5).atoms
((-1.5, 0.25), (1.5, 0.25))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import finite
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.logarithm import log_one_plus
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import Values

__all__ = ["KestenMcKay"]


@dataclass(frozen=True)
class KestenMcKay(Law):
    r"""Kesten-McKay law (spectral law of the regular tree or Bethe lattice; free binomial law).

    .. formula:: Kesten-McKay law, :math:`\rho(x) = d \sqrt{4 (d - 1) - x^2}/(2 \pi (d^2 - x^2))`

    Parameters
    ----------
    degree : float
        Degree d > 1; degree 2 is the arcsine law on [-2, 2].

    Raises
    ------
    ValueError
        If the degree is not finite and above 1.
    TypeError
        If `degree` is no real number.

    See Also
    --------
    rmtland.laws.Arcsine : degree two.
    rmtland.laws.FreeMeixner : the family it belongs to.
    """

    degree: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "degree", finite("degree", self.degree))
        if self.degree <= 1:
            raise ValueError(
                f"degree must be above 1 (degree 1 is a pair of signs, Discrete); got {self.degree}"
            )

    @property
    def support(self) -> Support:
        """The one interval of radius 2 sqrt(d - 1)."""
        edge = 2 * math.sqrt(self.degree - 1)
        return ((-edge, edge),)

    @property
    def atoms(self) -> Atoms:
        """The masses 1 - d/2 at -d and d when d < 2."""
        d = self.degree
        return ((-d, 1 - d / 2), (d, 1 - d / 2)) if d < 2 else ()

    def _roots(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """Return q = sqrt(h) and the roots of z - e and z + e, whose product is dz/dlog(h)."""
        ((_, edge),) = self.support
        right: Complex = np.sqrt(z - edge)
        left: Complex = np.sqrt(z + edge)
        return (right + left) / 2, right, left

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        d = self.degree
        past = (d - 2) / (math.sqrt(d - 1) + 1)  # sqrt(d - 1) - 1
        q, right, left = self._roots(z)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g = (q / (q * right + past)) * (q / (q * left - past))
            h = q * q
            # h + 1/h, without cancellation at z = 0 for degree 2
            slope = -(z - (d - 2) / h) / (right * left) * g * g
        hits = ~np.isfinite(g)
        for place, _ in self.atoms:
            hits |= z == place
        if hits.any():
            g[hits] = complex(np.inf, 0)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From p^2 + d p = d^2 g^2 with p = z g - 1."""
        d = self.degree
        with np.errstate(invalid="ignore", over="ignore"):
            p = z * g - 1
            defect = (p + d) * p - (d * g) ** 2
            slope = (2 * p + d) * z - 2 * d * d * g
            terms = (2 * np.abs(p) + d) * (np.abs(p) + np.abs(z * g) + 1) + np.abs(d * g) ** 2
            return accuracy_of_root(g, defect, slope, terms, lead=(z - d) * (z + d))

    def _log_potential(self, z: Complex) -> Complex:
        q, _, _ = self._roots(z)
        with np.errstate(over="ignore"):
            back = np.conj(1 / (q * q))  # conj(1/h), in the closed upper half-plane
        back = back.real + 1j * np.abs(back.imag)
        value = 2 * np.log(q)
        if self.degree != 2:
            with np.errstate(invalid="ignore"):
                both = log_one_plus(1.0, back) + log_one_plus(-1.0, back)
                value = value + (1 - self.degree / 2) * both.conj()
        real = z.imag == 0
        value.imag[real] = self._phase(z.real[real], value.imag[real])
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        return np.asarray(value)

    def _phase(self, x: Real, inside: Real) -> Real:
        """Im L at real points: pi times the mass above, exact outside the support."""
        ((low, high),) = self.support
        least, most = np.zeros(x.shape), np.ones(x.shape)
        for place, mass in self.atoms:
            least += mass * (place > x)
            most -= mass * (place <= x)
        above = np.where(x < low, most, np.where(x > high, least, inside / np.pi))
        return np.asarray(np.pi * np.clip(above, least, most))

    def _pdf(self, x: Real) -> Real:
        d, ((_, edge),) = self.degree, self.support
        y = np.where(np.abs(x) <= edge, np.abs(x), edge)
        # d^2 - x^2 = (d - 2)^2 + (e - x)(e + x)
        square = (edge - y) * (edge + y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            density = d / (2 * np.pi) * np.sqrt(square) / ((d - 2) ** 2 + square)
        return np.where((d == 2) & (np.abs(x) == edge), np.inf, np.where(square == 0, 0.0, density))

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        cumulants = [Fraction(0)] * k
        term = Fraction(self.degree)  # d (-1)^n Catalan(n)
        for n in range(k // 2):
            cumulants[2 * n + 1] = term
            term *= Fraction(-2 * (2 * n + 1), n + 2)
        return cumulants

    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform for real or complex `g` of any shape.

        Parameters
        ----------
        g : array_like of float or complex
            Points, any shape.

        Returns
        -------
        float, complex or ndarray
            R(g), in the shape of `g`; real values give real results.

        Raises
        ------
        ValueError
            If `g` is NaN or infinite.
        """
        d = self.degree
        return elementwise(lambda g: 2 * d * g / (1 + np.sqrt(1 + 4 * g * g)), "g", g)
