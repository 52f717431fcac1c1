r"""The Fuss-Catalan laws.

The free multiplicative powers of Marchenko-Pastur at ratio 1, for real order s > 0:

.. math::
    m_k = \frac{1}{s k + 1} \binom{(s + 1) k}{k}, \qquad S(w) = (1 + w)^{-s}, \qquad
    \text{support } \left[0, \frac{(s + 1)^{s + 1}}{s^s}\right] .

For integer s this is the limit of the squared singular values of a product of s square Gaussian
matrices, and of the s-th power of one [1]_ [2]_. With P = z G,

.. math:: z = \frac{P^{s + 1}}{P - 1}, \qquad L = s (P - 1) - \log(P - 1) .

On the support, with 0 < t < pi/(s + 1),

.. math::
    x = \frac{\sin((s + 1) t)^{s + 1}}{\sin t \, \sin(s t)^s}, \qquad
    P = \frac{\sin((s + 1) t)}{\sin(s t)} e^{-i t}, \qquad
    \rho = \frac{\sin((s + 1) t) \sin t}{\pi x \sin(s t)} .

**The branch.** Let D be the part of the lower half-plane that this curve cuts off,
:math:`\{r e^{-i t} : 0 < t < \pi/(s+1), 0 < r < \sin((s+1)t)/\sin(st)\}`. On its boundary z is
real: x on the curve, z < 0 for P in (0, 1), z above the support for P in (1, (s+1)/s), with a
simple pole at P = 1; it passes over the real line once. So, by the argument principle, P -> z maps
D one-to-one onto the upper half-plane, and log z maps it one-to-one onto the strip 0 < Im < pi. The
unknown is :math:`\zeta = \log P`, the equation
:math:`f(\zeta) = (s + 1) \zeta - \log(e^\zeta - 1) = \log z`.

* On each ray of the sector 0 < t < pi/(s + 1), Im f falls from pi - (s + 1) t to -s t, and is 0 on
  the curve alone: D is the part of the sector where Im f > 0. A root of the equation in the closed
  sector therefore lies in the closure of D, where it is the only one. Whatever the way to it, a
  solution found in the sector is the right one: Newton's method from the nearest of four
  asymptotic solutions, with steps shortened until they stay in the sector.
* Where arg z is given, a ray meets the curve Im f = arg z once, at
  |P| = sin(arg z + (s + 1) t) / sin(arg z + s t), and |z| falls to 0 along it, from infinity or,
  for real z, from the edge. So there is an equation for the angle t alone, with one root, which is
  found by bisection where Newton's method has not arrived.

References
----------
.. [1] T. Banica, S. T. Belinschi, M. Capitaine and B. Collins, Free Bessel laws, Canad. J. Math. 63
       (2011) 3-37.
.. [2] K. A. Penson and K. Zyczkowski, Product of Ginibre matrices: Fuss-Catalan and Raney
       distributions, Phys. Rev. E 83 (2011) 061118; P. J. Forrester and D.-Z. Liu, Raney
       distributions and random matrix theory, J. Stat. Phys. 158 (2015) 1051-1082.

Examples
--------
>>> law = FussCatalan(2)
>>> law.support
((0.0, 6.75),)
>>> [law.moment(k) for k in range(6)]
[1.0, 1.0, 3.0, 12.0, 55.0, 273.0]
>>> round(law.pdf(1.0), 12), round(law.cdf(1.0), 12)
(0.178979127488, 0.685823641505)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import positive
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.solution import ConvergenceError
from rmtland.typing import Values

__all__ = ["FussCatalan"]


@dataclass(frozen=True)
class FussCatalan(Law):
    """Fuss-Catalan law (free Bessel law, Raney law of index 1; products of Ginibre matrices).

    .. formula:: Fuss-Catalan laws, products of Ginibre matrices, :math:`S(w) = (1 + w)^{-s}`

    Parameters
    ----------
    order : float
        Order s > 0: the free multiplicative power of Marchenko-Pastur at ratio 1 and mean 1, the
        number of square Gaussian factors where it is an integer.

    Raises
    ------
    ValueError
        If the order is not positive and finite.
    TypeError
        If `order` is no real number.

    See Also
    --------
    rmtland.free.free_product : products of other laws.
    rmtland.laws.MarchenkoPastur : the first of them.
    """

    order: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", positive("order", self.order))

    @property
    def support(self) -> Support:
        """The interval from 0 to (s + 1)^(s + 1) / s^s."""
        s = self.order
        return ((0.0, (s + 1) * math.exp(s * math.log1p(1 / s))),)

    @property
    def atoms(self) -> Atoms:
        """None."""
        return ()

    @property
    def _critical(self) -> float:
        """Log of P = (s + 1)/s, the double root at the upper edge."""
        return math.log1p(1 / self.order)

    def _log_p(self, z: Complex) -> Complex:
        """Return zeta = log(z G), Im zeta <= 0; z is neither 0 nor the upper edge."""
        ((_, edge),) = self.support
        s, target = self.order, np.log(z)
        real = (z.imag == 0) & ((z.real < 0) | (z.real > edge))
        positive = z.real > 0

        def defect(zeta: Complex) -> tuple[Complex, Complex]:
            # M = P - 1 lies in the lower half-plane; on its boundary above 1 where z > edge
            moment = np.expm1(zeta)
            turn = np.arctan2(np.abs(moment.imag), moment.real)
            value = (s + 1) * zeta - np.log(np.abs(moment)) - target
            return value + 1j * turn, moment

        with np.errstate(all="ignore"):
            starts = self._starts(z, target)
            defects = np.abs(defect(starts)[0])
            best = np.argmin(np.where(np.isnan(defects), np.inf, defects), axis=0)
            zeta: Complex = np.choose(best, starts)
            value, moment = defect(zeta)
            damping = np.ones(z.size)
            scale = 4e-16 * (1 + np.abs(target))
            active = np.ones(z.size, dtype=bool)
            for _ in range(30):
                step = value / (s - 1 / moment)
                trial = zeta - np.where(active, damping, 0.0) * step
                allowed = (trial.imag <= 0) & (trial.imag * (s + 1) >= -np.pi)
                allowed &= ~real | ((trial.real > 0) == positive) & (trial.real < self._critical)
                trial = np.where(allowed, trial, zeta)
                new, new_moment = defect(trial)
                better = allowed & (np.abs(new) < np.abs(value)) & active
                small = np.abs(value) <= 64 * scale * (1 + (s + 1) * np.abs(zeta))
                zeta = np.where(better, trial, zeta)
                value = np.where(better, new, value)
                moment = np.where(better, new_moment, moment)
                active &= ~((small & ~better) | (np.abs(value) <= scale / 8))
                damping = np.where(better, np.minimum(1, 2 * damping), damping / 4)
                if not active.any():
                    return np.asarray(zeta)
            zeta[active & ~real] = self._by_angle(z[active & ~real])
            zeta[active & real] = self._on_axis(z[active & real].real)
        return np.asarray(zeta)

    def _by_angle(self, z: Complex) -> Complex:
        """Log P from the equation for its angle, by bisection; z not real or in the support."""
        s = self.order
        turn, back = np.angle(z), np.arctan2(z.imag, -z.real)  # arg z and pi - arg z
        near = turn < 1
        last = back / (s + 1)

        def sines(u: Real) -> tuple[Real, Real, Real, Real]:
            # The angle t = last / (1 + exp(-u)), and the sines of t, arg z + s t, arg z + (s + 1) t
            t, rest = last / (1 + np.exp(-u)), last / (1 + np.exp(u))
            middle = np.where(near, np.sin(turn + s * t), np.sin(back - s * t))
            large = np.where((s + 1) * t < rest, turn + (s + 1) * t, (s + 1) * rest)
            return t, np.sin(t), middle, np.sin(np.where(near, large, (s + 1) * rest))

        def size(u: Real) -> Real:
            _, small, middle, large = sines(u)
            return (s + 1) * np.log(large) - s * np.log(middle) - np.log(small)

        t, _, middle, large = sines(_root_of_decreasing(size, np.log(np.abs(z))))
        return np.asarray(np.log(large / middle) - 1j * t)

    def _on_axis(self, x: Real) -> Complex:
        """Log P at real points outside the support, by bisection."""
        s = self.order

        def zeta(u: Real) -> Real:
            return np.where(x > 0, self._critical / (1 + np.exp(-u)), -np.exp(u))

        def size(u: Real) -> Real:
            value = zeta(u)
            return np.asarray((s + 1) * value - np.log(np.abs(np.expm1(value))))

        return zeta(_root_of_decreasing(size, np.log(np.abs(x)))).astype(np.complex128)

    def _starts(self, z: Complex, target: Complex) -> Complex:
        """Return starts far away, beside the edge, beside 0 and for small orders, a row each."""
        ((_, edge),) = self.support
        s = self.order
        far = np.log1p(1 / (z - (s + 1)))
        beside = self._critical - np.sqrt(2 * (target - math.log(edge)) / (s * (s + 1)))
        power = (target - 1j * np.pi) / (s + 1)
        damped = np.minimum(power.real, -0.2) + 1j * power.imag
        zero = power + np.log1p(-np.exp(damped)) / (s + 1)
        few = -np.log1p(-1 / z)
        return self._inside(z, np.stack([beside, far, zero, few]))

    def _inside(self, z: Complex, zeta: Complex) -> Complex:
        """Bring a start into the closure of D; for real z to its boundary there."""
        s, ((_, edge),) = self.order, self.support
        turn = np.clip(np.abs(zeta.imag), 0.0, np.pi / (s + 1) * (1 - 1e-9))
        curve = np.log(np.sin((s + 1) * turn) / np.sin(s * turn))
        curve = np.where(turn > 1e-9, curve, self._critical)
        size = np.where(np.isfinite(zeta), np.minimum(zeta.real, curve), -1.0)
        above = np.where((size > 0) & (size < self._critical), size, self._critical / 2)
        axis = np.where(z.real > 0, above, -np.abs(size) - 1e-300)
        outside = (z.imag == 0) & ((z.real < 0) | (z.real > edge))
        return np.asarray(np.where(outside, axis, size - 1j * turn))

    def _solved(self, z: Complex) -> tuple[Complex, Complex]:
        """Return P = z G and M = P - 1, also at 0 and at the upper edge."""
        ((_, edge),) = self.support
        ends = (z == 0) | (z == edge)
        zeta = self._log_p(np.where(ends, -1.0, z) if ends.any() else z)
        p, moment = np.exp(zeta), np.expm1(zeta)
        if ends.any():
            p[z == 0], moment[z == 0] = 0.0, -1.0
            p[z == edge], moment[z == edge] = (self.order + 1) / self.order, 1 / self.order
        return p, moment

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        p, moment = self._solved(z)
        with np.errstate(divide="ignore", invalid="ignore"):
            g = p / z
            slope = g / z * (moment * (1 - self.order) + 1) / (self.order * moment - 1)
        zero = z == 0
        if zero.any():
            g[zero] = complex(np.inf, 0)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From P - 1 = g P^s with P = z g."""
        s = self.order
        with np.errstate(all="ignore"):
            p = z * g
            zeta = np.log(p)
            power = np.exp(s * zeta)
            terms = np.abs(p) + 1 + np.abs(g * power) * (2 + s * np.abs(zeta))
            return accuracy_of_root(g, p - 1 - g * power, z - (s + 1) * power, terms)

    def _log_potential(self, z: Complex) -> Complex:
        _, moment = self._solved(z)
        value = np.empty(z.shape, dtype=np.complex128)
        value.real = self.order * moment.real - np.log(np.abs(moment))
        value.imag = self.order * moment.imag + np.arctan2(np.abs(moment.imag), moment.real)
        return value

    def _pdf(self, x: Real) -> Real:
        ((_, edge),) = self.support
        inside = (x > 0) & (x < edge)
        density = np.zeros(x.shape)
        y = x[inside].astype(np.complex128)
        density[inside] = np.maximum(-self._solved(y)[0].imag, 0.0) / (np.pi * y.real)
        return np.where(x == 0, np.inf, density)

    def _ppf(self, q: Real) -> Real:
        # In v = pi/(s + 1) - t the distribution function is smooth, and linear beside x = 0.
        s = self.order
        last = np.pi / (s + 1)

        def parts(v: Real) -> tuple[Real, Real]:
            t = last - v
            rest = np.sin((s + 1) * v) / np.sin(s * t)
            below = ((s + 1) * v + s * np.sin(t) * rest) / np.pi
            ratio = np.sin(t) / np.tan(s * t) * s * s + np.cos(t)
            slope = (ratio + np.sin(t) * (s + 1) ** 2 / np.tan((s + 1) * v)) * rest / np.pi
            return below, slope

        low, high = np.zeros_like(q), np.full_like(q, last)
        with np.errstate(divide="ignore", invalid="ignore"):
            for _ in range(60):
                v = (low + high) / 2
                above = parts(v)[0] > q
                low, high = np.where(above, low, v), np.where(above, v, high)
            v = (low + high) / 2
            for _ in range(2):
                below, slope = parts(v)
                step = (below - q) / slope
                v = np.where((v < 0.7 * last) & (np.abs(step) < v / 2), v - step, v)
            t = last - v
            sines = np.log(np.sin((s + 1) * v) / np.sin(s * t))
            x = np.exp(s * sines) * (np.sin((s + 1) * v) / np.sin(t))
        edge = self.support[0][1]
        x = np.where(q >= 1, edge, np.where(q <= 0, 0.0, np.minimum(x, edge)))
        return np.asarray(x)

    def _exact_moments(self, k: int) -> list[Fraction]:
        s = Fraction(self.order)
        return [_fuss_catalan(s + 1, n) for n in range(k + 1)]

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        # R = P^s with P - 1 = g P^s: the Fuss-Catalan numbers of order s - 1
        return [_fuss_catalan(Fraction(self.order), n) for n in range(1, k + 1)]

    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform for real or complex `g`: R = P^s with P - 1 = g P^s, P = 1 at g = 0.

        Followed from g = 0 by Newton's method. For s > 1 it has a branch point at
        (s - 1)^(s - 1) / s^s, beyond which real g have no value.

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
        ConvergenceError
            If `g` lies on the cut beyond the branch point.
        """
        s = self.order

        def transform(g: Complex) -> Complex:
            zeta = np.zeros_like(g)
            steps = 24
            for part in range(1, steps + 1):
                share = g * (part / steps)
                for _ in range(4 if part < steps else 12):
                    power = np.exp(s * zeta)
                    zeta = zeta - (np.expm1(zeta) - share * power) / (
                        np.exp(zeta) - s * share * power
                    )
            power = np.exp(s * zeta)
            miss = np.abs(np.expm1(zeta) - g * power)
            bad = ~(miss <= 1e-13 * (1 + np.abs(g * power)))
            if bad.any():
                raise ConvergenceError(
                    f"R({g[bad][0]}) was not found: the R-transform is defined off the real "
                    "numbers beyond its branch point (s - 1)^(s - 1) / s^s"
                )
            return np.asarray(power)

        with np.errstate(over="ignore"):
            return elementwise(transform, "g", g)

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform (1 + w)^(-s) for real or complex `w` of any shape.

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
            If `w` is NaN, infinite or the pole -1, or real below it.
        """
        return elementwise(lambda w: np.exp(-self.order * np.log(1 + w)), "w", w)


def _root_of_decreasing(function: Callable[[Real], Real], target: Real) -> Real:
    """Bisect for function(u) = target, elementwise."""
    low, high = np.full(target.shape, -700.0), np.full(target.shape, 700.0)
    for _ in range(64):
        middle = (low + high) / 2
        above = function(middle) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray((low + high) / 2)


def _fuss_catalan(p: Fraction, k: int) -> Fraction:
    """Return binom(p k, k) / ((p - 1) k + 1)."""
    value = Fraction(1)
    for i in range(k - 1):
        value *= (p * k - i) / (i + 2)
    return value
