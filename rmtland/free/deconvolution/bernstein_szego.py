r"""Laws whose recurrence coefficients are constant from some order on.

With the coefficients of the orthogonal polynomials
:math:`x p_k = p_{k + 1} + a_k p_k + b_k^2 p_{k - 1}` and :math:`a_k = a`, :math:`b_{k + 1} = b` for
k >= K the Stieltjes transform is a finite continued fraction

.. math::
    G(z) = \cfrac{1}{z - a_0 - \cfrac{b_1^2}{z - a_1 - \cdots - b_K^2 m(z)}}, \qquad
    m(z) = \frac{z - a - \sqrt{(z - a)^2 - 4 b^2}}{2 b^2} ,

the density is a square root on [a - 2b, a + 2b] over a polynomial that is positive there, and an
atom is possible at each real zero of 1/G outside [1]_. Semicircle, Marchenko-Pastur, Kesten-McKay,
arcsine and free Meixner laws are of this kind; a law whose density is analytic but for square roots
at two edges is approached geometrically in K.

With :math:`x = a + 2b \cos\theta` the density times :math:`\sin\theta` is a smooth even function of
the angle, :math:`(d_0 + 2 \sum_j d_j \cos j\theta) / 2 \pi b`, whose cosine series gives

.. math::
    \operatorname{cdf} = d_0 (1 - \theta / \pi) - \frac{2}{\pi} \sum_j \frac{d_j}{j} \sin j\theta,
    \qquad
    L = d_0 \log \frac{b}{\zeta} - 2 \sum_j \frac{d_j}{j} \zeta^j, \qquad
    \zeta = b\, m .

References
----------
.. [1] G. Szego, Orthogonal Polynomials, American Mathematical Society, 1939, section 2.6;
       B. Simon, Szego's Theorem and Its Descendants, Princeton University Press, 2011, chapter 3.

Examples
--------
>>> law = BernsteinSzego((0.0, 0.0), (2.0, 1.0))
>>> law.support, round(law.pdf(0.0), 12)  # the arcsine law on [-2, 2]
(((-2.0, 2.0),), 0.159154943092)
>>> law = BernsteinSzego((1.0, 3.5), (2.5, 2.5))  # Marchenko-Pastur of aspect ratio 2.5
>>> [(round(x, 12), round(mass, 12)) for x, mass in law.atoms]
[(0.0, 0.6)]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.arguments import finite, positive
from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.solution import ConvergenceError

__all__ = ["BernsteinSzego"]

_MOST = 2**16  # terms of the cosine series
_WORK = 2**23  # terms times coefficients
_TINY = 1e-300  # added where 0 would be divided by; nothing else feels it


@dataclass(frozen=True)
class BernsteinSzego(Law):
    """Bernstein-Szego law (eventually constant Jacobi parameters, one-band finite-gap law).

    Parameters
    ----------
    diagonal : tuple of float
        a_0, ..., a_K; the last one is that of all following orders.
    squares : tuple of float
        b_1^2, ..., b_(K+1)^2 > 0, of the same length; the last one is that of all following orders.

    Raises
    ------
    ValueError
        If the lengths differ, there is no coefficient, or a square is not positive.
    """

    diagonal: tuple[float, ...]
    squares: tuple[float, ...]

    _require_certificate = certify_once

    def __post_init__(self) -> None:
        diagonal = tuple(finite("diagonal", a) for a in self.diagonal)
        squares = tuple(positive("square", b) for b in self.squares)
        if not diagonal or len(diagonal) != len(squares):
            raise ValueError(
                "diagonal and squares must be of equal length, at least 1; "
                f"got {len(diagonal)} and {len(squares)}"
            )
        object.__setattr__(self, "diagonal", diagonal)
        object.__setattr__(self, "squares", squares)

    @property
    def _tail(self) -> tuple[float, float]:
        """Middle a and quarter width b of the band."""
        return self.diagonal[-1], math.sqrt(self.squares[-1])

    @property
    def support(self) -> Support:
        """The one interval [a - 2b, a + 2b]."""
        a, b = self._tail
        return ((a - 2 * b, a + 2 * b),)

    @cached_property
    def atoms(self) -> Atoms:
        """Real zeros of 1/G outside the band, with the masses 1/(1/G)' there."""
        from scipy.linalg import eigh_tridiagonal

        ((low, high),) = self.support
        a, b = self._tail
        far = 5000  # coefficients of an eigenvector that reaches so far beyond the others
        size = len(self.diagonal) + far
        diagonal = np.append(self.diagonal, np.full(far, a))
        sides = np.sqrt(np.append(self.squares, np.full(far, b * b)))[: size - 1]
        reach = float(np.abs(diagonal).max() + 2 * sides.max())
        margin = 1e-9 * b
        found = []
        roots = [
            root
            for ends in ((-reach - 1, low - margin), (high + margin, reach + 1))
            if ends[0] < ends[1]
            for root in eigh_tridiagonal(
                diagonal, sides, eigvals_only=True, select="v", select_range=ends
            )
        ]
        for root in roots:
            x = np.array([root], dtype=np.complex128)
            for _ in range(8):
                value, slope = self._reciprocal(x)
                move = np.real(value / slope)
                # No step goes more than half the way to the band.
                room = (low - x.real if root < low else x.real - high) / 2
                x = x - np.clip(move, -room, room)
                if abs(move[0]) <= 1e-16 * (abs(a) + b):
                    break
            mass = float(1 / self._reciprocal(x)[1].real[0])
            if 1e-15 < mass <= 1:
                place = float(x.real[0])
                found.append((0.0 if abs(place) < 1e-12 * (abs(a) + b) else place, mass))
        return tuple(sorted(found))

    def _reciprocal(self, z: Complex) -> tuple[Complex, Complex]:
        """1/G and its derivative."""
        _, b = self._tail
        zeta = self._zeta(z)
        with np.errstate(all="ignore"):
            h, slope = b / zeta, 1 / (1 - zeta * zeta)  # z - a - b^2 m = b / zeta
            for a_k, square in zip(self.diagonal[-2::-1], self.squares[-2::-1], strict=True):
                part = square / (h + _TINY)
                slope = 1 + part * slope / (h + _TINY)
                h = z - a_k - part
        return h, slope

    def _value(self, z: Complex, zeta: Complex) -> Complex:
        """1/G alone."""
        _, b = self._tail
        with np.errstate(all="ignore"):
            h = b / zeta
            for a_k, square in zip(self.diagonal[-2::-1], self.squares[-2::-1], strict=True):
                np.divide(-square, h + _TINY, out=h)
                h += z - a_k
        return h

    def _zeta(self, z: Complex) -> Complex:
        """Point of the closed unit disk with z = a + b (zeta + 1/zeta), Im zeta <= 0."""
        a, b = self._tail
        u = (z - a) / (2 * b)
        root = np.sqrt(u - 1) * np.sqrt(u + 1)
        return np.asarray(1 / (u + root))

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        h, slope = self._reciprocal(z)
        with np.errstate(all="ignore"):
            g = np.where(h == 0, complex(np.inf, 0), 1 / h)
            for place, _ in self.atoms:
                g = np.where(z == place, complex(np.inf, 0), g)
            return g, -slope / (h * h)

    @cached_property
    def _cosines(self) -> Real:
        """Coefficients d_j of the cosine series."""
        from scipy import fft

        a, b = self._tail
        mass = 1 - math.fsum(mass for _, mass in self.atoms)
        size = 256
        while size <= min(_MOST, max(2048, _WORK // len(self.diagonal))):
            angle = np.pi * (np.arange(size) + 0.5) / size
            z = (a + 2 * b * np.cos(angle)).astype(np.complex128)
            h = self._value(z, np.exp(-1j * angle))
            density = -2 * b * (1 / h).imag * np.sin(angle)
            series = fft.dct(density, type=2) / (2 * size)
            small = 1e-15 * max(np.abs(series).max(), 1e-300)
            last = int(np.flatnonzero(np.abs(series) > small).max(initial=0)) + 1
            if last < 0.6 * size:
                break
            size *= 2
        if not abs(series[0] - mass) < 1e-9:
            raise ConvergenceError(
                f"the density of {self.diagonal[:2]}... does not integrate to its mass: "
                f"{series[0]} instead of {mass}"
            )
        return np.asarray(series[:last])

    def _pdf(self, x: Real) -> Real:
        ((low, high),) = self.support
        inside = (x >= low) & (x <= high)
        density = np.zeros(x.shape)
        z = x[inside].astype(np.complex128)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = -(1 / self._value(z, self._zeta(z))).imag / np.pi
        density[inside] = np.where(np.isnan(value), np.inf, np.maximum(value, 0.0))
        return density

    def _cdf(self, x: Real) -> Real:
        a, b = self._tail
        angle = np.arccos(np.clip((x - a) / (2 * b), -1.0, 1.0))
        series = self._cosines
        value = series[0] * (1 - angle / np.pi)
        if series.size > 1:
            rest = series[1:] / np.arange(1, series.size)
            value = value - 2 / np.pi * _power_series(rest, np.exp(1j * angle)).imag
        for place, mass in self.atoms:
            value = value + mass * (x >= place)
        top = max([self.support[0][1], *(place for place, _ in self.atoms)])
        return np.where(x >= top, 1.0, np.clip(value, 0.0, 1.0))

    def _log_potential(self, z: Complex) -> Complex:
        _, b = self._tail
        zeta = self._zeta(z)
        series = self._cosines
        # Im zeta <= 0, and the argument of 1/zeta lies in [0, pi]
        angle = np.abs(np.angle(zeta))
        value = series[0] * (math.log(b) - np.log(np.abs(zeta)) + 1j * angle)
        if series.size > 1:
            value = value - 2 * _power_series(series[1:] / np.arange(1, series.size), zeta)
        with np.errstate(divide="ignore"):
            for place, mass in self.atoms:
                value = value + mass * np.log(z - place)
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return np.asarray(value)

    def _exact_moments(self, k: int) -> list[Fraction]:
        # x^n in the basis of the polynomials, in units that make all coefficients integers
        order = k // 2 + 2
        reach = min(order, len(self.diagonal))
        numbers = [Fraction(a) for a in self.diagonal[:reach]]
        squares = [Fraction(b) for b in self.squares[:reach]]
        bits = max(
            [a.denominator.bit_length() for a in numbers]
            + [(b.denominator.bit_length() + 1) // 2 for b in squares]
        )
        unit = 1 << bits
        diagonal = [int(a * unit) for a in numbers]
        weights = [int(b * unit * unit) for b in squares]
        diagonal += [diagonal[-1]] * (order - len(diagonal))
        weights += [weights[-1]] * (order - len(weights))
        row = [1] + [0] * order
        moments = [Fraction(1)]
        for n in range(1, k + 1):
            row = [
                (row[j - 1] if j else 0) + diagonal[j] * row[j] + weights[j] * row[j + 1]
                for j in range(order)
            ] + [0]
            moments.append(Fraction(row[0], unit**n))
        return moments

    def __repr__(self) -> str:
        """Band and number of coefficients, which are too many to print."""
        ((low, high),) = self.support
        return f"<BernsteinSzego of {len(self.diagonal)} coefficients on [{low}, {high}]>"


def _power_series(coefficients: Real, z: Complex) -> Complex:
    """Sum of c_j z^j over j = 1, 2, ..."""
    value = np.zeros(z.shape, dtype=np.complex128)
    for c in coefficients[::-1]:
        value = (value + c) * z
    return value
