r"""Freely infinitely divisible laws with finitely many jumps: rational R-transforms.

A law is freely infinitely divisible when its R-transform has a free Levy-Khintchine form. With
finitely many jumps :math:`j_i` of rates :math:`\lambda_i > 0`, a semicircular part of variance
:math:`v \ge 0` and a drift :math:`c`, it is rational,

.. math:: R(g) = c + v g + \sum_i \frac{\lambda_i j_i}{1 - j_i g} .

A semicircle is (c, v, no jump); Marchenko-Pastur of ratio phi and variance s is one jump s phi of
rate 1/phi. The family is closed under free addition: drifts, variances and jumps add up.

In the variable h = 1/g (the reciprocal Stieltjes transform) the equation R(g) + 1/g = z reads

.. math::
    z = H(h) = h + c + \frac{v}{h} + \sum_i \frac{\lambda_i j_i h}{h - j_i}
             = h + \text{const} + \int \frac{\sigma(dt)}{h - t}, \qquad
    \sigma = v \delta_0 + \sum_i \lambda_i j_i^2 \delta_{j_i} .

:math:`\sigma` is a positive measure, so Im H(h) > 0 on a part of the upper half-plane that H maps
one-to-one onto the whole of it [1]_: for Im z > 0 there is exactly one root in the upper
half-plane, and for real z at most one. The physical branch is therefore never in doubt.

The logarithmic potential has a closed form in h, and with it the distribution function:

.. math::
    L = \log h + \frac{v}{2 h^2} + \sum_i \lambda_i \left[ y_i - \log(1 + y_i) \right], \qquad
    y_i = \frac{j_i}{h - j_i} .

References
----------
.. [1] P. Biane, On the free convolution with a semi-circular distribution, Indiana Univ. Math. J.
       46 (1997) 705-718; H. Bercovici and D. Voiculescu, Free convolution of measures with
       unbounded support, Indiana Univ. Math. J. 42 (1993) 733-773.

Examples
--------
>>> triplet = LevyTriplet(rates=(2.0,), jumps=(0.5,)) + LevyTriplet(variance=0.6)
>>> [float(kappa) for kappa in triplet.exact_cumulants(3)]
[1.0, 1.1, 0.25]
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import dense_array, entries, finite, length, nonnegative, positive
from rmtland.laws.law import Complex, Law, Real
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import NumpyArray, Values

__all__ = ["LevyLaw", "LevyTriplet"]


@dataclass(frozen=True)
class LevyTriplet:
    r"""Free Levy-Khintchine triplet with finitely many jumps.

    .. formula:: Compound free Poisson law, :math:`R = \sum_k r_k t_k/(1 - t_k g)`

    Parameters
    ----------
    drift : float
        Drift c.
    variance : float
        Variance v >= 0 of the semicircular part.
    rates, jumps : tuple of float
        Rates lambda_i > 0 and jumps j_i != 0, of equal length. Equal jumps are merged and jumps
        are put into ascending order, so that equal laws compare equal.

    Raises
    ------
    ValueError
        If `variance` is below 0, a rate not positive, a jump 0, rates and jumps of different
        lengths, or a number not finite.
    TypeError
        If a parameter is no real number.
    """

    drift: float = 0.0
    variance: float = 0.0
    rates: tuple[float, ...] = ()
    jumps: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rates = [positive("rate", rate) for rate in entries("rates", self.rates)]
        jumps = [finite("jump", jump) for jump in entries("jumps", self.jumps)]
        if len(rates) != len(jumps):
            raise ValueError(
                f"rates and jumps must be of equal length; got {len(rates)} and {len(jumps)}"
            )
        if 0.0 in jumps:
            raise ValueError("a jump of 0 changes nothing; leave it and its rate out")
        if len(jumps) > 1:
            merged: dict[float, float] = {}
            for jump, rate in sorted(zip(jumps, rates, strict=True)):
                merged[jump] = merged.get(jump, 0.0) + rate
            rates, jumps = [*merged.values()], [*merged]
        object.__setattr__(self, "drift", finite("drift", self.drift))
        object.__setattr__(self, "variance", nonnegative("variance", self.variance))
        object.__setattr__(self, "jumps", tuple(jumps))
        object.__setattr__(self, "rates", tuple(rates))

    def __add__(self, other: LevyTriplet) -> LevyTriplet:
        """Triplet of the free sum."""
        if not isinstance(other, LevyTriplet):
            return NotImplemented
        return LevyTriplet(
            self.drift + other.drift,
            self.variance + other.variance,
            self.rates + other.rates,
            self.jumps + other.jumps,
        )

    def r_transform(self, g: ArrayLike) -> Values:
        """R(g), elementwise, for real or complex `g`.

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
            If `g` is NaN or a pole 1/j_i.
        TypeError
            If `g` is neither real nor complex.
        """
        array = dense_array("g", g)
        if array.dtype.kind not in "iufcb" and array.size:
            raise TypeError(f"g must be real or complex numbers; got dtype {array.dtype}")
        array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        if np.isnan(array).any():
            raise ValueError(f"g holds {int(np.isnan(array).sum())} NaN of {array.size} values")
        value = self.drift + self.variance * array
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            gap = 1 - jump * array
            if (gap == 0).any():
                raise ValueError(f"the R-transform has a pole at g = {1 / jump}; it came up in g")
            value = value + rate * jump / gap
        return value if value.ndim else value.item()

    def exact_cumulants(self, k: int) -> list[Fraction]:
        """First `k` free cumulants: sum of rate * jump^n, plus drift (n = 1), variance (n = 2).

        Parameters
        ----------
        k : int
            How many, >= 0.

        Returns
        -------
        list of Fraction
            Cumulants of order 1 to k, without rounding.

        Raises
        ------
        ValueError
            If k is negative.
        TypeError
            If k is no integer.
        """
        k = length("k", k, min_value=0)
        cumulants = [Fraction(self.drift), Fraction(self.variance)] + [Fraction(0)] * k
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            term = Fraction(rate)
            for n in range(k):
                term *= Fraction(jump)
                cumulants[n] += term
        return cumulants[:k]

    def inverse(self, h: NumpyArray) -> NumpyArray:
        """H(h): the point z at which the reciprocal Stieltjes transform is h.

        Parameters
        ----------
        h : ndarray of float or complex
            Reciprocal Stieltjes transforms, any shape.

        Returns
        -------
        ndarray
            Points z = H(h), in the shape of `h`.
        """
        return np.asarray(h + self.excess(h))

    def slope(self, h: NumpyArray) -> NumpyArray:
        """H'(h).

        Parameters
        ----------
        h : ndarray of float or complex
            Reciprocal Stieltjes transforms, any shape.

        Returns
        -------
        ndarray
            Derivative of H at h, in the shape of `h`.
        """
        return np.asarray(1 + self.excess_slope(h))

    def excess(self, h: NumpyArray) -> NumpyArray:
        """H(h) - h = R(1/h).

        Parameters
        ----------
        h : ndarray of float or complex
            Reciprocal Stieltjes transforms, any shape.

        Returns
        -------
        ndarray
            R(1/h), in the shape of `h`.
        """
        z = np.full_like(h, self.drift)
        if self.variance:
            z = z + self.variance / h
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            z = z + rate * jump * (h / (h - jump))
        return np.asarray(z)

    def excess_slope(self, h: NumpyArray) -> NumpyArray:
        """H'(h) - 1.

        Parameters
        ----------
        h : ndarray of float or complex
            Reciprocal Stieltjes transforms, any shape.

        Returns
        -------
        ndarray
            Derivative of H(h) - h, in the shape of `h`.
        """
        slope = np.zeros_like(h)
        if self.variance:
            slope = slope - self.variance / h**2
        for rate, jump in zip(self.rates, self.jumps, strict=True):
            slope = slope - rate * (jump / (h - jump)) ** 2
        return np.asarray(slope)

    def log_potential(self, h: Complex) -> Complex:
        """L at the point whose reciprocal Stieltjes transform is h, Im h >= 0.

        Parameters
        ----------
        h : ndarray of complex
            Reciprocal Stieltjes transforms, any shape.

        Returns
        -------
        ndarray of complex128
            Logarithmic potential L, in the shape of `h`.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # At an atom h = 0: continuous from the right, as h = +0.
            zero, size = h == 0, np.abs(h)
            phase = np.where(zero, 0.0, np.angle(h))
            real = np.log(size)
            imag = phase.copy()
            if self.variance:
                part = self.variance / 2 / h / h
                real += part.real
                imag += part.imag
            largest = size.max(initial=0.0)
            for rate, jump in zip(self.rates, self.jumps, strict=True):
                gap = h - jump
                y = jump / gap
                # arg h - arg(h - jump), also where both are real
                a, b, c = _within_range(h, jump, largest)
                turn = np.arctan2(-c * b, a * (a - c) + b**2)
                if zero.any():
                    turn = np.where(zero, -np.pi * (jump > 0), turn)
                part = y - np.log(np.abs(h / gap)) - 1j * turn
                small = np.abs(y) < 0.05
                if small.any():
                    part = np.where(small, _log_defect(y), part)
                real += rate * part.real
                imag += rate * part.imag
        # At h = 0 the logarithms of h add up to that of the atom, if there is one.
        finite = sum(
            rate * (np.log(abs(jump)) - 1)
            for rate, jump in zip(self.rates, self.jumps, strict=True)
        )
        real = np.where(zero, -np.inf if self.atom or self.variance else finite, real)
        value = np.empty(h.shape, dtype=np.complex128)
        value.real, value.imag = real, imag
        return value

    @property
    def atom(self) -> float:
        """Mass of the only possible atom, at `drift`: what the rates leave of 1 without diffusion.

        Rates that sum to 1 within rounding leave nothing.
        """
        rest = 1.0 - sum(self.rates)
        return rest if self.variance == 0 and rest > 4e-16 * (1 + len(self.rates)) else 0.0


class LevyLaw(Law):
    """A law with a rational R-transform, given through its reciprocal Stieltjes transform."""

    @property
    @abc.abstractmethod
    def levy(self) -> LevyTriplet:
        """Free Levy-Khintchine triplet: drift, variance, rates and jumps."""

    @property
    def is_point_mass(self) -> bool:
        """Whether all mass is in one atom: neither diffusion nor jumps."""
        return not self.levy.variance and not self.levy.jumps

    @abc.abstractmethod
    def _reciprocal(self, z: Complex) -> Complex:
        """H = 1/G on the closed upper half-plane; real z means the boundary value at x + i0."""

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        """The atom at the drift, if the rates leave mass for it."""
        mass = self.levy.atom
        return ((self.levy.drift, mass),) if mass else ()

    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform, a rational function of `g`, for real or complex `g` of any shape.

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
            If `g` is NaN or a pole.
        """
        return self.levy.r_transform(g)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        return self.levy.exact_cumulants(k)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        h = self._reciprocal(z)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g = np.where(h == 0, complex(np.inf, 0), 1 / h)
            return g, -1 / (h**2 * self.levy.slope(h))

    def _stieltjes(self, z: Complex) -> Complex:
        h = self._reciprocal(z)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(h == 0, complex(np.inf, 0), 1 / h)

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From H(h) = z, h = 1/g."""
        triplet = self.levy
        with np.errstate(all="ignore"):
            h = 1 / g
            terms = np.abs(z) + np.abs(h) + abs(triplet.drift)
            if triplet.variance:
                terms = terms + triplet.variance / np.abs(h)
            for rate, jump in zip(triplet.rates, triplet.jumps, strict=True):
                share = np.abs(jump / (h - jump))
                terms = terms + rate * np.abs(h) * share * (1 + share)
            slope = -h * h * triplet.slope(h)
            defect = triplet.inverse(h) - z
        return accuracy_of_root(g, defect, slope, terms)

    def _log_potential(self, z: Complex) -> Complex:
        return self.levy.log_potential(self._reciprocal(z))

    def _pdf(self, x: Real) -> Real:
        inside = np.isfinite(x)
        h = self._reciprocal(np.where(inside, x, 0.0).astype(np.complex128))
        with np.errstate(divide="ignore", invalid="ignore"):
            density = h.imag / (np.pi * (h.real**2 + h.imag**2))
        return np.where(inside & (h != 0), density, 0.0)


def _within_range(h: Complex, jump: float, largest: float) -> tuple[Real, Real, Real | float]:
    """Return real and imaginary part of h, and the jump, in a unit in which products are finite.

    The unit is a power of two, 1 but where squares would leave double precision; `largest` is the
    largest modulus of h.
    """
    if 2.0**-401 <= abs(jump) < 2.0**400 and largest < 2.0**400:
        return h.real, h.imag, jump
    power = np.frexp(np.maximum(np.abs(h), abs(jump)))[1]
    power[np.abs(power) <= 400] = 0
    return np.ldexp(h.real, -power), np.ldexp(h.imag, -power), np.ldexp(jump, -power)


def _log_defect(y: Complex) -> Complex:
    """Return y - log(1 + y) for small y, without the cancellation: y^2/2 - y^3/3 + ..."""
    series = np.zeros_like(y)
    for k in range(16, 1, -1):
        series = series * y + (-1) ** k / k
    return series * y * y
