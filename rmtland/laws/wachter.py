r"""Wachter's law: eigenvalues of MANOVA (Jacobi) matrices.

The limit of :math:`X X^T (X X^T + Y Y^T)^{-1}` with X of shape (n, q1), Y of shape (n, q2),
independent entries of one variance, :math:`\phi_1 = n/q_1, \phi_2 = n/q_2` [1]_. With
:math:`p = 1/\phi_1, q = 1/\phi_2, \kappa = p + q`,

.. math::
    \rho(x) = \frac{\kappa \sqrt{(x - a)(b - x)}}{2 \pi x (1 - x)}
              + (1 - p)^+ \delta_0 + (1 - q)^+ \delta_1, \qquad
    a, b = \left(\frac{\sqrt{p (\kappa - 1)} \mp \sqrt q}{\kappa}\right)^2, \qquad
    S(w) = \frac{\kappa + w}{p + w}, \qquad
    g R^2 + (\kappa - g) R = p .

Where p + q <= 1 the sum X X^T + Y Y^T is singular; with its pseudo-inverse the matrix is a
projection, with eigenvalue 1 of mass p and 0 of mass 1 - p. If x has this law, x/(1 - x) p/q is the
limit of the eigenvalues of the F-matrix (X X^T/q1) (Y Y^T/q2)^{-1} of aspect ratios phi_1 and
phi_2 < 1. With two projections of traces alpha and beta, it is the law of the compression of one to
the other (free Jacobi law) for p = alpha/beta and q = (1 - alpha)/beta.

With M = z G - 1 the equation is :math:`z = (1 + M)(p + M)/(M (\kappa + M))`, and

.. math::
    L = -\log \frac{\kappa M}{p} + (1 - p) \log\left(1 + \frac Mp\right)
        + (\kappa - 1) \log\left(1 + \frac M\kappa\right) .

References
----------
.. [1] K. W. Wachter, The limiting empirical measure of multiple discriminant ratios, Annals of
       Statistics 8 (1980) 937-957.

Examples
--------
>>> law = Wachter(0.5, 0.5)
>>> law.mean(), law.var()
(0.5, 0.0625)
>>> law = Wachter(4.0, 1.0)
>>> law.atoms
((0.0, 0.75),)
>>> round(law.support[0][0], 12), law.support[0][1]
(0.36, 1.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import positive
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.logarithm import log_one_plus
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import Values

__all__ = ["Wachter"]

_Points = TypeVar("_Points", Complex, Real)


class _Numbers(NamedTuple):
    """Constants of the law, each rounded once from exact rationals."""

    p: float
    kappa: float
    rest: float  # kappa - 1, zero where the law is a projection
    p_rest: float  # p - 1
    q_rest: float  # q - 1
    low: float
    high: float
    above_low: float  # 1 - low
    above_high: float  # 1 - high


@dataclass(frozen=True)
class Wachter(Law):
    r"""Wachter law (MANOVA law, limiting Jacobi ensemble, free Jacobi law, free beta law).

    .. formula:: Wachter (Jacobi, MANOVA) law, :math:`S(w) = (\kappa + w)/(p + w)`, :math:`\kappa =
        p + q`

    Also: the law of squared canonical correlations, and of the double Wishart (Fisher) ensemble.

    Parameters
    ----------
    aspect_ratio : float
        Ratio phi_1 = n/q1 > 0 of X, the matrix in the numerator.
    other_ratio : float
        Ratio phi_2 = n/q2 > 0 of Y, the matrix that stands in the denominator only.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite.
    TypeError
        If `aspect_ratio` or `other_ratio` is no real number.

    See Also
    --------
    rmtland.laws.MarchenkoPastur : its limit for many samples.
    rmtland.ensembles.JacobiEnsemble : its random matrices.
    """

    aspect_ratio: float
    other_ratio: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "aspect_ratio", positive("aspect_ratio", self.aspect_ratio))
        object.__setattr__(self, "other_ratio", positive("other_ratio", self.other_ratio))

    def _exact_pair(self) -> tuple[Fraction, Fraction]:
        """Return p and kappa; the law depends on max(kappa, 1) only."""
        p = 1 / Fraction(self.aspect_ratio)
        return p, max(p + 1 / Fraction(self.other_ratio), Fraction(1))

    @cached_property
    def _numbers(self) -> _Numbers:
        p, kappa = self._exact_pair()
        q = kappa - p
        u, v = math.sqrt(p * (kappa - 1)), math.sqrt(q)
        s, t = math.sqrt(q * (kappa - 1)), math.sqrt(p)
        low = (float(p - 1) / (u + v)) ** 2
        above_high = (float(q - 1) / (s + t)) ** 2
        high, above_low = ((u + v) / float(kappa)) ** 2, ((s + t) / float(kappa)) ** 2
        if above_high < 0.5:
            high = 1 - above_high
        if low < 0.5:
            above_low = 1 - low
        return _Numbers(
            p=float(p),
            kappa=float(kappa),
            rest=float(kappa - 1),
            p_rest=float(p - 1),
            q_rest=float(q - 1),
            low=low,
            high=high,
            above_low=above_low,
            above_high=above_high,
        )

    @property
    def support(self) -> Support:
        """The one interval of the continuous part; none where p + q <= 1."""
        numbers = self._numbers
        return ((numbers.low, numbers.high),) if numbers.rest > 0 else ()

    @property
    def atoms(self) -> Atoms:
        """The masses 1 - p at 0 and 1 - q at 1, where positive."""
        p, kappa = self._exact_pair()
        masses = ((0.0, float(1 - p)), (1.0, float(1 - (kappa - p))))
        return tuple((place, mass) for place, mass in masses if mass > 0)

    def _to_edges(self, z: _Points) -> tuple[_Points, _Points]:
        """Return z - low and z - high, formed from 1 - z where an edge is nearer to 1."""
        numbers = self._numbers
        to_low = z - numbers.low if numbers.low < 0.5 else (z - 1) + numbers.above_low
        to_high = z - numbers.high if numbers.high < 0.5 else (z - 1) + numbers.above_high
        return to_low, to_high

    def _root(self, z: Complex) -> Complex:
        """Return kappa sqrt(z - low) sqrt(z - high)."""
        to_low, to_high = self._to_edges(z)
        root: Complex = np.sqrt(to_low) * np.sqrt(to_high)
        return self._numbers.kappa * root

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        # z (1 - z) G^2 - line G + (kappa - 1) = 0 with line = (kappa - 2) z + 1 - p
        numbers = self._numbers
        root = self._root(z)
        other = 1 - z
        line = numbers.rest * z - (numbers.p_rest + z)
        up, down = line + root, line - root
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g = np.where(np.abs(up) > np.abs(down), 2 * numbers.rest / up, down / (2 * (z * other)))
            slope = ((other - z) * g - (numbers.rest - 1)) * g / root
            lost = ~np.isfinite(g)
            if lost.any():  # far away, where z^2 overflows, or at an atom
                g[lost] = down[lost] / (2 * z[lost]) / other[lost]
                slope[lost] = np.where(np.isfinite(g[lost]), -(g[lost] ** 2), slope[lost])
                g[~np.isfinite(g)] = complex(np.inf, 0)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From z (1 - z) g^2 - ((kappa - 2) z + 1 - p) g + kappa - 1 = 0."""
        numbers = self._numbers
        with np.errstate(invalid="ignore", over="ignore"):
            lead, line = z * (1 - z), numbers.rest * z - (numbers.p_rest + z)
            size = abs(numbers.rest) * np.abs(z) + abs(numbers.p_rest) + np.abs(z)
            terms = np.abs(lead * g) * np.abs(g) + size * np.abs(g) + abs(numbers.rest)
            defect = (lead * g - line) * g + numbers.rest
            return accuracy_of_root(g, defect, 2 * lead * g - line, terms, lead=lead)

    def _log_potential(self, z: Complex) -> Complex:
        numbers = self._numbers
        p, kappa = numbers.p, numbers.kappa
        q = numbers.q_rest + 1
        other, (to_low, to_high) = 1 - z, self._to_edges(z)
        if p <= q:
            value = _potential(z, other, to_low, to_high, (p, numbers.p_rest, numbers.rest))
        else:
            # The mirror image, with a smaller M: log(z - t) = log((1 - z) - (1 - t)) + i pi.
            low, high = _upper(-to_high), _upper(-to_low)
            law = (q, numbers.q_rest, numbers.rest)
            value = _potential(_upper(other), z.conj(), low, high, law).conj() + 1j * np.pi
        if self.other_ratio == 1:  # the density is unbounded at 1
            value.real[z == 1] = p * math.log(p) - kappa * math.log(kappa)
        if self.aspect_ratio == 1:
            value.real[z == 0] = q * math.log(q) - kappa * math.log(kappa)
        real = z.imag == 0
        value.imag[real] = self._phase(z.real[real], value.imag[real])
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        return value

    def _phase(self, x: Real, inside: Real) -> Real:
        """Im L at real points: pi times the mass above, exact outside the support."""
        numbers, atoms = self._numbers, dict(self.atoms)
        zero, one = atoms.get(0.0, 0.0), atoms.get(1.0, 0.0)
        middle = numbers.low / 2 + numbers.high / 2 if self.support else 0.5
        above = np.where(x < 0, 1.0, np.where(x < middle, 1 - zero, np.where(x < 1, one, 0.0)))
        to_low, to_high = self._to_edges(x.astype(np.complex128))
        band = (to_low.real > 0) & (to_high.real < 0)
        return np.where(band, np.clip(inside, np.pi * one, np.pi * (1 - zero)), np.pi * above)

    def _cdf(self, x: Real) -> Real:
        if not self.support:
            return super()._cdf(x)
        numbers, atoms = self._numbers, dict(self.atoms)
        zero, one = atoms.get(0.0, 0.0), atoms.get(1.0, 0.0)
        below = np.where(x >= numbers.high, 1 - one, np.where(x >= 0, zero, 0.0))
        below[x >= 1] = 1.0
        to_low, to_high = self._to_edges(x)
        inside = np.flatnonzero((to_low > 0) & (to_high < 0))
        if inside.size:
            y, up, down = x[inside], to_low[inside], -to_high[inside]
            q = numbers.q_rest + 1
            if numbers.p <= q:
                phase = _phase(y, 1 - y, up, down, (numbers.p, numbers.p_rest, numbers.rest))
            else:  # the mirror image, as in `_log_potential`
                phase = np.pi - _phase(1 - y, y, down, up, (q, numbers.q_rest, numbers.rest))
            below[inside] = np.minimum(np.maximum(1 - phase / np.pi, zero), 1 - one)
        return below

    def _pdf(self, x: Real) -> Real:
        numbers = self._numbers
        if not self.support:
            return np.zeros(x.shape)
        inside = (x >= numbers.low) & (x <= numbers.high)
        y = np.where(inside, x, numbers.low)
        to_low, to_high = self._to_edges(y.astype(np.complex128))
        square = np.maximum(to_low.real, 0.0) * np.maximum(-to_high.real, 0.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            density = numbers.kappa / (2 * np.pi) * np.sqrt(square) / (y * (1 - y))
        density = np.where((y == 0) | (y == 1), np.inf, density)
        return np.where(inside, density, 0.0)

    def _exact_moments(self, k: int) -> list[Fraction]:
        # kappa M = p x + (1 + p) x M + (x - 1) M^2 with x = 1/z
        p, kappa = self._exact_pair()
        moments = [Fraction(1)] + [Fraction(0)] * k
        squares = [Fraction(0)] * (k + 1)
        for n in range(1, k + 1):
            squares[n] = sum((moments[i] * moments[n - i] for i in range(1, n)), start=Fraction(0))
            before = p if n == 1 else (1 + p) * moments[n - 1]
            moments[n] = (before + squares[n - 1] - squares[n]) / kappa
        return moments

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
            If `g` is NaN or infinite.
        """
        numbers = self._numbers
        p, kappa = numbers.p, numbers.kappa

        def transform(g: Complex) -> Complex:
            # (kappa - g)^2 + 4 p g = (g - c)^2 + 4 p q has the zeros c +- 2 i sqrt(p q), c = q - p
            line = kappa - g
            root = np.sqrt(line * line + 4 * p * g)
            return np.asarray(2 * p / (line + root))

        return elementwise(transform, "g", g)

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform (kappa + w)/(p + w) for real or complex `w` of any shape.

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
            If `w` is NaN, infinite or the pole -p.
        """
        numbers = self._numbers
        return elementwise(lambda w: (numbers.kappa + w) / (numbers.p + w), "w", w)


def _upper(z: Complex) -> Complex:
    """Return conj(z) for Im z <= 0, and real z with imaginary part +0."""
    value = np.array(z)
    value.imag = np.abs(value.imag)
    return value


def _beside_atom(z: Complex | Real, moment: Complex, p: float) -> NDArray[np.bool_]:
    """Where M + p cancels, beside an atom at 0: (M + p)(M + 1) = z M (M + kappa) gives it."""
    found = (np.abs(moment + p) < 1e-4 * p) & (z != 0) & (np.abs(moment + 1) > 0.01)
    return np.asarray(found)


def _phase(
    x: Real, other: Real, to_low: Real, to_high: Real, law: tuple[float, float, float]
) -> Real:
    """Im L at points x of the band, from 1 - x, x - low and high - x: as in `_potential`."""
    p, p_rest, rest = law
    kappa = rest + 1
    line, root = kappa * x - (1 + p), kappa * (np.sqrt(to_low) * np.sqrt(to_high))
    phase = np.arctan2(root, line)
    with np.errstate(over="ignore"):
        real, imag = line / (2 * other), root / (2 * other)  # of the conjugate of M
    if p_rest != 0:
        part = np.arctan2(imag, p + real)
        if p < 1:
            moment: Complex = real + 1j * imag
            beside = _beside_atom(x, moment, p)
            if beside.any():
                near = moment[beside]
                product: Complex = x[beside] * near * (near + kappa) / (p * (near + 1))
                part[beside] = np.arctan2(np.abs(product.imag), product.real)
        phase += p_rest * part
    if rest != 0:
        phase -= rest * np.arctan2(imag, kappa + real)
    return phase


def _potential(
    z: Complex, other: Complex, to_low: Complex, to_high: Complex, law: tuple[float, float, float]
) -> Complex:
    """L from z, 1 - z, z - low and z - high, without the imaginary parts on the real axis."""
    # (1 - z) M^2 + (1 + p - kappa z) M + p = 0; the conjugate of M is in the upper half-plane
    p, p_rest, rest = law
    kappa = rest + 1
    root = kappa * np.sqrt(to_low) * np.sqrt(to_high)
    line = kappa * z - (1 + p)
    up, down = line + root, line - root
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        moment = np.where(np.abs(up) > np.abs(down), 2 * p / up, down / (2 * other))
        # Beside an atom at a subnormal distance M overflows.
        moment = _upper(np.nan_to_num(moment, nan=0.0, posinf=1e300, neginf=-1e300))
        value = -np.log(moment * (kappa / p))
        if p_rest != 0:
            part = log_one_plus(1 / p, moment)
            beside = _beside_atom(z, moment, p) if p < 1 else np.zeros(0, dtype=bool)
            if beside.any():
                near = moment[beside]
                product = z[beside].conj() * near * (near + kappa) / (p * (near + 1))
                part[beside] = np.log(_upper(product))
            value = value - p_rest * part
        if rest != 0:
            value = value + rest * log_one_plus(1 / kappa, moment)
    return np.asarray(value.conj())
