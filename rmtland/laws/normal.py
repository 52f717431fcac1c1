r"""The normal law, on the whole line.

.. math::
    \rho(x) = \frac{e^{-w^2/2v}}{\sqrt{2 \pi v}}, \qquad
    G(z) = -i \sqrt{\frac{\pi}{2 v}} \; \mathrm{w}\!\left(\frac{w}{\sqrt{2 v}}\right), \qquad
    G' = \frac{1 - w G}{v}, \qquad w = z - \mu

with the Faddeeva function :math:`\mathrm{w}(\zeta) = e^{-\zeta^2} \operatorname{erfc}(-i\zeta)`. It
is the limit of a sum of classically independent variables; its free counterpart is the semicircle.
Its support has no ends: bands, hull and quantiles of 0 and 1 are infinite. Operations of free
probability look for edges: they cut it where 1e-17 of its mass is left on either side, which
distribution functions do not notice (`rmtland.laws.light_tails`). Its free cumulants exist, but
their series has radius 0; the R-transform is found by inversion above the axis.

References
----------
.. [1] J. A. C. Weideman, Computation of the complex error function, SIAM J. Numer. Anal. 31 (1994)
       1497-1518.

Examples
--------
>>> law = Normal(4.0, 1.0)
>>> law.support, law.std(), law.cdf(1.0)
(((-inf, inf),), 2.0, 0.5)
>>> round(law.sf(21.0) / 7.61985302416e-24, 9), law.moment(4)
(1.0, 73.0)
>>> round(law.stieltjes(1.0 + 2j).imag, 12)
-0.327839771209
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rmtland.arguments import finite, positive
from rmtland.laws.law import Law
from rmtland.laws.root_accuracy import rounded_once
from rmtland.typing import Atoms, Complex, Real, Support

__all__ = ["Normal"]

_FAR = 40.0  # standard deviations beyond which the asymptotic series has all digits
_HEIGHT = 1.5  # standard deviations above which the trapezoidal rule has all digits
_NODES = np.arange(-36, 37) / 4.0
_RULE = np.exp(-(_NODES**2) / 2) / math.sqrt(2 * math.pi) / 4
_GAUSS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class Normal(Law):
    """Normal law (Gaussian law).

    Parameters
    ----------
    variance : float
        Variance v > 0.
    center : float
        Mean.

    Raises
    ------
    ValueError
        If the variance is not positive or a parameter is not finite.
    TypeError
        If `variance` or `center` is no real number.

    See Also
    --------
    rmtland.laws.Semicircle : the free Gaussian.
    """

    variance: float = 1.0
    center: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", positive("variance", self.variance))
        object.__setattr__(self, "center", finite("center", self.center))

    @property
    def support(self) -> Support:
        """The whole line."""
        return ((-math.inf, math.inf),)

    @property
    def atoms(self) -> Atoms:
        """None."""
        return ()

    @property
    def _scale(self) -> float:
        return math.sqrt(self.variance)

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        center = rounded_once(scale, self.center, shift)
        return Normal(scale * (scale * self.variance), center)

    def _stieltjes(self, z: Complex) -> Complex:
        from scipy.special import wofz

        w = (z - self.center) / self._scale
        return np.asarray(-1j * math.sqrt(math.pi / 2) * wofz(w / math.sqrt(2)) / self._scale)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g = self._stieltjes(z)
        w = (z - self.center) / self._scale
        slope = (1 - w * (g * self._scale)) / self.variance
        far = np.abs(w) > _FAR
        if far.any():  # 1 - w G = -1/w^2 - 3/w^4 - 15/w^6 - ...
            u = 1 / w[far] ** 2
            series = -u * (1 + u * (3 + u * (15 + u * (105 + u * (945 + u * 10395)))))
            slope[far] = series / self.variance + 1j * (slope[far].imag * (z[far].imag == 0))
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """State the error of the Faddeeva function, 1e-13 of its modulus."""
        share = np.full(z.shape, 1e-13)
        # What the rounding of z - mean moves
        moved = 4e-16 * (np.abs(z) + abs(self.center)) * (1 + np.abs(z - self.center) * np.abs(g))
        return share, share * np.abs(g) + moved / self.variance

    def _log_potential(self, z: Complex) -> Complex:
        scale = self._scale
        w = (z - self.center) / scale
        top = np.where(w.imag < _HEIGHT, w.real + 1j * _HEIGHT, w)
        value = (np.log(top[:, None] - _NODES) * _RULE).sum(axis=1)
        low = w.imag < _HEIGHT
        if low.any():
            half = (_HEIGHT - w.imag[low]) / 2
            heights = w.imag[low][:, None] + half[:, None] * (_GAUSS[0] + 1)
            points: Complex = np.empty(heights.shape, dtype=np.complex128)
            points.real = z.real[low][:, None]
            points.imag = heights * scale
            g = self._stieltjes(points.ravel()).reshape(points.shape) * scale
            value[low] -= 1j * (g * _GAUSS[1]).sum(axis=1) * half
        value = value + math.log(scale)
        real = z.imag == 0
        value.imag[real] = np.pi * self._sf(z.real[real])
        return np.asarray(value)

    def _standard(self, x: Real) -> Real:
        with np.errstate(over="ignore"):
            return (x - self.center) / self._scale

    def _pdf(self, x: Real) -> Real:
        w = np.clip(self._standard(x), -1e3, 1e3)  # the density is 0 long before that
        return np.asarray(np.exp(-(w**2) / 2) / math.sqrt(2 * math.pi * self.variance))

    def _cdf(self, x: Real) -> Real:
        from scipy.special import ndtr

        return np.asarray(ndtr(self._standard(x)))

    def _sf(self, x: Real) -> Real:
        from scipy.special import ndtr

        return np.asarray(ndtr(-self._standard(x)))

    def _mass_below(self, x: Real) -> Real:
        return self._cdf(x)

    def _ppf(self, q: Real) -> Real:
        from scipy.special import ndtri

        return np.asarray(self.center + self._scale * ndtri(q))

    def _isf(self, q: Real) -> Real:
        from scipy.special import ndtri

        return np.asarray(self.center - self._scale * ndtri(q))

    def _exact_moments(self, k: int) -> list[Fraction]:
        mean, variance = Fraction(self.center), Fraction(self.variance)
        moments = [Fraction(1), mean]
        for n in range(2, k + 1):
            moments.append(mean * moments[-1] + (n - 1) * variance * moments[-2])
        return moments[: k + 1]
