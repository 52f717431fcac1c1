r"""The uniform law on an interval.

With mean m and half-width r, w = z - m,

.. math::
    \rho(x) = \frac{1}{2 r}, \qquad
    G(z) = \frac{1}{2 r} \log \frac{w + r}{w - r}, \qquad
    L(z) = w G(z) - 1 + \frac{\log(w + r) + \log(w - r)}{2}, \qquad
    R(g) = m + r \coth(r g) - \frac1g .

The S-transform has no closed form; it is found by inversion.

References
----------
.. [1] J. A. Mingo and R. Speicher, Free Probability and Random Matrices, Springer 2017, section 3.1
       (Cauchy transforms of standard laws).

Examples
--------
>>> law = Uniform(0.0, 3.0)
>>> law.cdf(1.0), law.mean(), law.var()
(0.3333333333333333, 1.5, 0.75)
>>> round(law.stieltjes(4.0).real, 12), round(law.r_transform(law.stieltjes(4.0).real), 12)
(0.462098120373, 1.835957438667)
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

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform(IntervalLaw):
    """Uniform law (rectangular law, flat law; Jacobi weight with both exponents 0).

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
    rmtland.laws.JacobiWeight : other weights on an interval.
    """

    low: float = 0.0
    high: float = 1.0
    _ppf_rises = True

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        return Uniform(*self._image_ends(scale, shift))

    def _stieltjes(self, z: Complex) -> Complex:
        width = self.high - self.low
        y, left, right = z.imag, z.real - self.low, z.real - self.high
        # log |(z - low)/(z - high)| by log1p of its excess over 1, taken about the nearer end.
        upper = left + right > 0
        near = np.where(upper, right, -left)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            distance = np.hypot(near, y)
            excess = (width / distance) * ((2 * near + width) / distance)
            size = np.log1p(excess) / (2 * width)
            close = np.isinf(size) & (distance > 0)  # the square of the quotient overflows
            apart = (width / distance[close], (2 * near[close] + width) / distance[close])
            size[close] = (np.log(apart[0]) + np.log(apart[1])) / (2 * width)
        g = np.empty(z.shape, dtype=np.complex128)
        g.real = np.where(upper, size, -size)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            g.imag = -np.arctan2(width * y, left * right + y * y) / width
            size = np.maximum(np.maximum(np.abs(left), np.abs(right)), y)
            extreme = (size > 1e150) | (size < 1e-150)
            if extreme.any():  # their squares are no numbers: in units of that size
                size = size[extreme]
                y, left, right = y[extreme] / size, left[extreme] / size, right[extreme] / size
                g.imag[extreme] = -np.arctan2(width / size * y, left * right + y * y) / width
        return g

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._stieltjes(z), -1 / (z - self.low) / (z - self.high)

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From exp(width g) = (z - low)/(z - high), less 1, about the nearer end.

        With ends that may have been rounded.
        """
        width = self.high - self.low
        right = z.real > self._middle
        with np.errstate(invalid="ignore", over="ignore"):
            y = np.where(right, width, -width) * g
            end = np.where(right, z - self.high, self.low - z)
            defect = np.expm1(y) * end - width
            terms = width * (1 + np.abs(y)) + np.abs(np.expm1(y) * end)
            slope = width * np.exp(y) * end
            found, error = accuracy_of_root(g, np.asarray(defect), np.asarray(slope), terms)
            wider = (np.spacing(abs(self.low)) + np.spacing(abs(self.high))) / 2
            moved = (self._rounded_ends(z) + wider * np.abs(g)) / width
            return found, np.where(np.isinf(g), error, error + moved)

    def _log_potential(self, z: Complex) -> Complex:
        to_low, to_high = z - self.low, z - self.high
        edge = (to_low == 0) | (to_high == 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            middle = 0.5 * to_low + 0.5 * to_high
            value = middle * self._stieltjes(z) - 1 + 0.5 * (np.log(to_low) + np.log(to_high))
        if edge.any():
            value[edge] = np.log(self.high - self.low) - 1
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return np.asarray(value)

    def _pdf(self, x: Real) -> Real:
        return np.where((x >= self.low) & (x <= self.high), 1 / (self.high - self.low), 0.0)

    def _cdf(self, x: Real) -> Real:
        return np.asarray((np.clip(x, self.low, self.high) - self.low) / (self.high - self.low))

    def _ppf(self, q: Real) -> Real:
        return np.clip(self.low + (self.high - self.low) * q, self.low, self.high)

    def _exact_moments(self, k: int) -> list[Fraction]:
        low, high = Fraction(self.low), Fraction(self.high)
        moments, complete, power = [], Fraction(1), Fraction(1)  # sum of low^i high^(n-i); low^n
        for n in range(k + 1):
            moments.append(complete / (n + 1))
            power *= low
            complete = complete * high + power
        return moments

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
            If `g` is NaN, infinite or a pole, a multiple of i pi / r other than 0.
        """
        r, middle = self._radius, self._middle
        return elementwise(lambda g: middle + r * _langevin(r * g), "g", g)


def _langevin(y: Complex) -> Complex:
    """Return coth(y) - 1/y; for small y by Lambert's continued fraction y/(3 + y^2/(5 + ...))."""
    square = np.where(np.abs(y) < 2, y * y, 1.0)
    fraction = np.full_like(y, 31.0)
    for n in range(29, 1, -2):
        fraction = n + square / fraction
    away = np.where(np.abs(y) < 2, 2.0, y)
    return np.asarray(np.where(np.abs(y) < 2, y / fraction, 1 / np.tanh(away) - 1 / away))
