r"""The free Meixner laws.

The laws of mean 0 and variance 1 whose Jacobi coefficients are constant from the second on,
a_0 = 0, b_1 = 1, then a and 1 + b [1]_ [2]_:

.. math::
    \rho(x) = \frac{\sqrt{4 (1 + b) - (x - a)^2}}{2 \pi (b x^2 + a x + 1)} + \text{atoms}, \qquad
    R(g) = \frac{2 g}{1 - a g + \sqrt{(1 - a g)^2 - 4 b g^2}} .

With :math:`z = h + a + (1 + b)/h, |h| \ge s = \sqrt{1 + b}` and y = 1/h,

.. math::
    \frac1G = z - y = h + a + \frac bh, \qquad
    L = -\log G + \int_0^y \frac{t \, dt}{1 + a t + b t^2} .

An atom is a root :math:`|h| > s` of :math:`h^2 + a h + b`: above the support where
:math:`1 + 2 b + a s < 0`, below it where :math:`1 + 2 b - a s < 0`; it lies at 1/h and has mass
:math:`(h^2 - s^2)/(h^2 - b)`. In the case of equality the density is unbounded at the edge.
Members: the semicircle (a = b = 0), the free Poisson law (b = 0: FreePoisson(1/a^2, a) less its
mean), the free negative binomial or Pascal law (0 < 4 b < a^2), the free gamma law (4 b = a^2), the
pure free Meixner law (4 b > a^2), and the free binomial laws (-1 <= b < 0; Kesten-McKay is
a = 0, b = -1/d scaled by sqrt(d), b = -1 two point masses). For b >= 0 the law is freely
infinitely divisible.

References
----------
.. [1] N. Saitoh and H. Yoshida, The infinite divisibility and orthogonal polynomials with a
       constant recursion formula in free probability theory, Probab. Math. Statist. 21 (2001)
       159-170.
.. [2] M. Bozejko and W. Bryc, On a class of free Levy laws related to a regression problem,
       J. Funct. Anal. 236 (2006) 59-77.

Examples
--------
>>> FreeMeixner(2.0, 0.0).atoms
((-0.5, 0.75),)
>>> law = FreeMeixner(0.5, -0.25)
>>> [law.moment(k) for k in range(5)]
[1.0, 0.0, 1.0, 0.5, 2.0]
>>> FreeMeixner(0.0, -1.0).atoms
((-1.0, 0.5), (1.0, 0.5))
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import finite
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.logarithm import log_one_plus
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import Values

__all__ = ["FreeMeixner"]


@dataclass(frozen=True)
class FreeMeixner(Law):
    r"""Free Meixner law, of mean 0 and variance 1 (law of a constant recursion).

    .. formula:: Free Meixner laws, :math:`R(g) = 2 g/(1 - a g + \sqrt{(1 - a g)^2 - 4 b g^2})`

    Also: free Poisson, free Pascal (negative binomial), free gamma, pure free Meixner (hyperbolic
    secant) and free binomial law, centred and scaled.

    Parameters
    ----------
    a : float
        Asymmetry; the third moment.
    b : float
        Shape, at least -1; the fourth free cumulant is a^2 + b.

    Raises
    ------
    ValueError
        If b < -1 or a parameter is not finite.
    TypeError
        If `a` or `b` is no real number.

    See Also
    --------
    rmtland.laws.Semicircle, rmtland.laws.MarchenkoPastur, rmtland.laws.KestenMcKay : special cases.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", finite("a", self.a) + 0.0)
        object.__setattr__(self, "b", finite("b", self.b) + 0.0)
        if self.b < -1:
            raise ValueError(f"b must be at least -1; got {self.b}")

    @cached_property
    def _edge(self) -> float:
        """Half the radius of the support, s = sqrt(1 + b)."""
        return math.sqrt(1 + Fraction(self.b))

    @cached_property
    def _poles(self) -> tuple[float, float]:
        """1 + 2b + a s and 1 + 2b - a s: negative where there is an atom above, below."""
        a, b = Fraction(self.a), Fraction(self.b)
        middle, slope = float(1 + 2 * b), self.a * self._edge
        product = float((1 + 2 * b) ** 2 - a * a * (1 + b))
        if middle * slope > 0:
            return middle + slope, product / (middle + slope)
        if middle - slope != 0:
            return product / (middle - slope), middle - slope
        return 0.0, 0.0

    @property
    def support(self) -> Support:
        """The one interval a -+ 2 sqrt(1 + b); none for b = -1."""
        return (self._ends,) if self._edge else ()

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Edges a -+ 2 s; the product of both is a^2 - 4 s^2, for an edge near 0."""
        low, high = self.a - 2 * self._edge, self.a + 2 * self._edge
        product = float(Fraction(self.a) ** 2 - 4 * (1 + Fraction(self.b)))
        if self.a > 0:
            low = product / high
        elif self.a < 0:
            high = product / low
        return low, high

    @cached_property
    def atoms(self) -> Atoms:
        """At most one on either side of the support."""
        a, b, s = self.a, self.b, self._edge
        found = []
        for sign, value in zip((1.0, -1.0), self._poles, strict=True):
            if value < 0:
                # |h| from x^2 + (sign a) x + b = 0 and its distance to s from value(s) = that at s
                slope = sign * a
                root = math.sqrt(Fraction(a) ** 2 - 4 * Fraction(b))
                size = (root - slope) / 2 if slope <= 0 else -2 * b / (root + slope)
                past = -value / (size + s + slope)
                found.append((sign / size, min(past * (size + s) / (size * size - b), 1.0)))
        return tuple(sorted(found))

    def _roots(self, z: Complex) -> tuple[Complex, Complex]:
        """Return the roots of z less the upper and the lower edge; their mean is sqrt(h)."""
        low, high = self._ends
        right: Complex = np.sqrt(z - high)
        left: Complex = np.sqrt(z - low)
        return right, left

    def _inverse(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """Return 1/G, y = 1/h and the product of the two roots."""
        right, left = self._roots(z)
        q = (right + left) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            y = (1 / q) / q
            h = z - y
            # Beside an edge where 1/G is small it is expanded about its value at the edge.
            s = self._edge
            upper, lower = self._poles
            if abs(upper) < 0.25 * s * s:
                about = right * right + upper / s + right / (s * q)
                h = np.where(z.real > self.a, about, h)
            if abs(lower) < 0.25 * s * s:
                about = left * left - lower / s - left / (s * q)
                h = np.where(z.real < self.a, about, h)
        return np.asarray(h), y, right * left

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        h, y, root = self._inverse(z)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g = 1 / h
            slope = -(1 + y / root) * g * g
        hits = ~np.isfinite(g)
        for place, _ in self.atoms:
            hits |= z == place
        if hits.any():
            g[hits] = complex(np.inf, 0)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From b p^2 + a g p + g^2 = p with p = z g - 1."""
        a, b = self.a, self.b
        with np.errstate(invalid="ignore", over="ignore"):
            p = z * g - 1
            defect = g * g + (a * g + b * p - 1) * p
            slope = 2 * g + a * p + (a * g + 2 * b * p - 1) * z
            rounded = abs(a) * np.abs(g) + 2 * abs(b) * np.abs(p) + 1
            terms = np.abs(g) ** 2 + rounded * (np.abs(p) + np.abs(z * g) + 1)
            return accuracy_of_root(g, defect, slope, terms, lead=1 + (a + b * z) * z)

    def _log_potential(self, z: Complex) -> Complex:
        h, y, _ = self._inverse(z)
        upper = y.real + 1j * np.abs(y.imag)  # conj(y), in the closed upper half-plane
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = np.log(h.real + 1j * np.abs(h.imag)) + self._integral(upper).conj()
        value = np.asarray(value)
        for sign, pole, edge in zip((1.0, -1.0), self._poles, self._ends[::-1], strict=True):
            if pole == 0:
                value.real[z == edge] = self._at_critical_edge(sign)
        real = z.imag == 0
        value.imag[real] = self._phase(z.real[real], value.imag[real])
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        return value

    def _at_critical_edge(self, sign: float) -> float:
        """Re L at an edge where the density is unbounded: the terms in log G cancel there."""
        s = self._edge
        u = -sign * s
        v = self.b / u
        rest = math.log1p(v * sign / s)
        return math.log(s) + rest + (rest / v if v else sign / s) / (u - v)

    def _integral(self, y: Complex) -> Complex:
        """Integral of t/(1 + a t + b t^2) from 0 to y, Im y >= 0.

        With the factors (1 + u t)(1 + v t) of the denominator it is the divided difference of
        -log(1 + u y)/u at u and v.
        """
        a, b = self.a, self.b
        gap = cmath.sqrt(float(Fraction(a) ** 2 - 4 * Fraction(b)))
        large = (a + math.copysign(1.0, a) * gap) / 2
        small = b / large if large else 0.0
        size = abs(large)
        series = np.zeros_like(y)
        near = size * np.abs(y) < 0.25
        if near.any():
            coefficients = [1.0, -a]
            for _ in range(26):
                coefficients.append(-a * coefficients[-1] - b * coefficients[-2])
            t = y[near]
            total = np.zeros_like(t)
            for n in range(len(coefficients) - 1, -1, -1):
                total = total * t + coefficients[n] / (n + 2)
            series[near] = total * t * t
        if not near.all():
            t = y[~near]
            if abs(gap) < 0.04 * size:
                series[~near] = _confluent(a / 2, (gap * gap).real / 4, t)
            elif gap.imag:
                series[~near] = (np.log(1 + small * t) / small - np.log(1 + large * t) / large) / (
                    large - small
                )
            else:
                u, v = large.real, complex(small).real
                rest: Complex = log_one_plus(v, t) / v if v else t
                series[~near] = (rest - log_one_plus(u, t) / u) / (u - v)
        return series

    def _phase(self, x: Real, inside: Real) -> Real:
        """Im L at real points: as computed inside the support, pi times the mass above outside."""
        low, high = self._ends
        above = np.where(x <= low, 1.0, 0.0)
        for place, mass in self.atoms:
            if place < self.a:
                above = np.where((x <= low) & (place <= x), above - mass, above)
            else:
                above = np.where((x > low) & (place > x), above + mass, above)
        if not self.support:
            above = np.where(x == self.a, self.atoms[1][1], above)
        return np.where((x <= low) | (x >= high), np.pi * above, inside)

    def _pdf(self, x: Real) -> Real:
        if not self.support:
            return np.zeros(x.shape)
        ((low, high),) = self.support
        inside = (x >= low) & (x <= high)
        g = self._jet(np.where(inside, x, low).astype(np.complex128))[0]
        density = np.maximum(-g.imag / np.pi, 0.0)
        for edge, value in zip((high, low), self._poles, strict=True):
            density = np.where(x == edge, 0.0 if value else np.inf, density)
        return np.where(inside, density, 0.0)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        # R = g + a g R + b g R^2
        a, b = Fraction(self.a), Fraction(self.b)
        series = [Fraction(0), Fraction(1)]
        while len(series) < k:
            n = len(series) - 1
            square = sum((series[i] * series[n - i] for i in range(1, n)), start=Fraction(0))
            series.append(a * series[n] + b * square)
        return series[:k]

    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform for real or complex `g` of any shape, analytic near 0.

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
            If `g` is NaN or infinite, a pole, or real beyond a branch point.
        """
        a, double = self.a, 2 * cmath.sqrt(self.b)

        def transform(g: Complex) -> Complex:
            root = np.sqrt(1 - (a - double) * g) * np.sqrt(1 - (a + double) * g)
            return np.asarray(2 * g / (1 - a * g + root))

        return elementwise(transform, "g", g)


def _confluent(middle: float, square: float, y: Complex) -> Complex:
    """Integral of t/((1 + middle t)^2 - square t^2) from 0 to y, for small `square`.

    It is the sum over n of square^n I_{2n+1}, where v = y/(1 + middle y) and I_k is the integral
    of v^k/(1 - middle v), so that I_k = (I_{k-1} - v^k/k)/middle.
    """
    v = y / (1 + middle * y)
    integral = np.asarray(np.log(1 + middle * y) / middle, dtype=np.complex128)
    power, factor = np.ones_like(y), 1.0
    total = np.zeros_like(y)
    for k in range(1, 14):
        power = power * v
        integral = (integral - power / k) / middle
        if k % 2:
            total = total + factor * integral
            factor *= square
    return total
