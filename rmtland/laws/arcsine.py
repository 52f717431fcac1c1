r"""The arcsine law.

.. math::
    \rho(x) = \frac{1}{\pi \sqrt{(x - a)(b - x)}}, \qquad
    G(z) = \frac{1}{\sqrt{z - a} \sqrt{z - b}}, \qquad
    L(z) = 2 \log \frac{\sqrt{z - a} + \sqrt{z - b}}{2},

the equilibrium law of the interval [a, b]: the limit law of the zeros of orthogonal polynomials
on it, the spectrum of the infinite chain, and on [-2, 2] the free sum of two symmetric signs [1]_.
With mean m = (a + b)/2 and radius r = (b - a)/2,

.. math::
    R(g) = m + \frac{r^2 g}{1 + \sqrt{1 + r^2 g^2}}, \qquad
    S(w) = \frac{2 + w}{m (1 + w) + \operatorname{sgn}(m) \sqrt{m^2 + r^2 w (2 + w)}} .

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, example 12.8 (R-transform) and lecture 18 (S-transforms).

Examples
--------
>>> law = Arcsine(0.0, 4.0)
>>> law.ppf(0.25)
0.585786437626905
>>> [law.moment(k) for k in range(5)]
[1.0, 2.0, 6.0, 20.0, 70.0]
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.laws.interval_law import IntervalLaw
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Complex, Law, Real
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import Values

__all__ = ["Arcsine"]


@dataclass(frozen=True)
class Arcsine(IntervalLaw):
    r"""Arcsine law (Chebyshev law of the first kind, equilibrium law; Kesten-McKay of degree 2).

    .. formula:: Arcsine law, :math:`\rho(x) = 1/(\pi \sqrt{(x - a)(b - x)})`

    Parameters
    ----------
    low, high : float
        Ends of the support, low < high.

    Raises
    ------
    ValueError
        If an end is not finite or low >= high.

    See Also
    --------
    rmtland.laws.KestenMcKay : sums of more than two projections.
    rmtland.laws.JacobiWeight : its weight with other exponents.
    """

    low: float = -2.0
    high: float = 2.0

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        return Arcsine(*self._image_ends(scale, shift))

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        to_low, to_high = z - self.low, z - self.high
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g = np.asarray(1 / (np.sqrt(to_low) * np.sqrt(to_high)), dtype=np.complex128)
            slope = g * (-0.5 / to_low - 0.5 / to_high)
        edge = (to_low == 0) | (to_high == 0)
        if edge.any():
            g[edge] = complex(np.inf, 0)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From g^2 (z - low)(z - high) = 1, with ends that may have been rounded."""
        with np.errstate(invalid="ignore", over="ignore"):
            part = g * (z - self.low) * (z - self.high)
            found, error = accuracy_of_root(g, part * g - 1, 2 * part, 1 + np.abs(part * g))
            moved = np.abs(g) * np.expm1(self._rounded_ends(z) / 2)
            return found, np.where(np.isinf(g), error, error + moved)

    def _log_potential(self, z: Complex) -> Complex:
        value = 2 * np.log((np.sqrt(z - self.low) + np.sqrt(z - self.high)) / 2)
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return np.asarray(value)

    def _pdf(self, x: Real) -> Real:
        inside = (x >= self.low) & (x <= self.high)
        y = np.where(inside, x, self.low)
        with np.errstate(divide="ignore"):
            density = 1 / (np.pi * (np.sqrt(y - self.low) * np.sqrt(self.high - y)))
        return np.where(inside, density, 0.0)

    def _cdf(self, x: Real) -> Real:
        y = np.clip(x, self.low, self.high)
        turn = np.arctan2(np.sqrt(y - self.low), np.sqrt(self.high - y))
        return np.asarray(2 / np.pi * turn)

    def _ppf(self, q: Real) -> Real:
        lower = q < 0.5
        away = (self.high - self.low) * np.sin(np.pi / 2 * np.where(lower, q, 1 - q)) ** 2
        return np.where(lower, self.low + away, self.high - away)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        low, high = Fraction(self.low), Fraction(self.high)
        square = ((high - low) / 2) ** 2
        cumulants = [(low + high) / 2] + [Fraction(0)] * (k - 1)
        term = square / 2  # (r^2/2) (-r^2/4)^n Catalan(n)
        for n in range(k // 2):
            cumulants[2 * n + 1] = term
            term *= -square / 4 * Fraction(2 * (2 * n + 1), n + 2)
        return cumulants[:k]

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
        r, middle = self._radius, self._middle
        return elementwise(lambda g: middle + r * (r * g / (1 + np.sqrt(1 + (r * g) ** 2))), "g", g)

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform for real or complex `w` of any shape, analytic near 0.

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
            If the mean is zero, or `w` is NaN, infinite or beyond the branch point.
        """
        middle, square = self._middle, self._radius**2
        if middle == 0:
            raise ValueError("the S-transform needs a law whose mean is not zero")
        sign = np.sign(middle)

        def transform(w: Complex) -> Complex:
            # m^2 + r^2 w (2 + w), of which low * high = m^2 - r^2 is formed without cancellation
            root = np.sqrt(self.low * self.high + square * (1 + w) ** 2)
            return np.asarray((2 + w) / (middle * (1 + w) + sign * root))

        return elementwise(transform, "w", w)
