r"""R- and S-transforms of laws that have no closed form for them, by inverting the transforms.

With the inverse K of the Stieltjes transform near infinity, G(K(g)) = g, and the inverse chi of
the moment series :math:`M(z) = z G(z) - 1 = \sum_{k \ge 1} m_k z^{-k}`, M(1/chi(w)) = w,

.. math:: R(g) = K(g) - \frac{1}{g}, \qquad S(w) = \frac{1 + w}{w} \chi(w) .

Both are solved in the reciprocal, where the equation is linear at infinity: 1/G(z) = 1/g with
1/G(z) = z - mean - O(1/z), and likewise m_1/M(z) = m_1/w, where for a positive law m_1/M is 1/G of
the law with the density x/m_1 to it. With standard deviation sigma, every h of Im h > 2 sigma is
1/G(z) for exactly one z with Im z > sigma [1]_; from there the solution is continued down to
Im h = Im 1/g in steps. On the real axis beyond the law 1/G is monotone and concave, and so is
Newton's method. A step that leaves the half-plane (or, for real g, crosses the law), or that does
not make the defect smaller, is shortened. Where g is so small that the subtraction of 1/g costs
digits, R is summed from the free cumulants.

Both transforms are so defined on the values that G and M take off the convex hull of the law; this
contains a neighbourhood of 0. S needs a mean other than zero.

References
----------
.. [1] H. Maassen, Addition of freely independent random variables, J. Funct. Anal. 106 (1992)
       409-438, lemma 2.4.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> law = MarchenkoPastur(0.5, 2.0)
>>> round(r_transform_of(law, 0.25), 12), law.r_transform(0.25)
(2.666666666667, 2.6666666666666665)
>>> round(s_transform_of(law, -0.5), 12)
0.666666666667
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import dense_array
from rmtland.solution import ConvergenceError
from rmtland.typing import Logical, Values

__all__ = [
    "elementwise",
    "r_transform_of",
    "s_transform_of",
]

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Transformed(Protocol):
    """What the inversion needs of a law."""

    @property
    def hull(self) -> tuple[float, float]: ...
    def mean(self) -> float: ...
    def var(self) -> float: ...
    def free_cumulants(self, k: int) -> Real: ...
    def _exact_moments(self, k: int) -> list[Fraction]: ...
    def _exact_cumulants(self, k: int) -> list[Fraction]: ...
    def _jet(self, z: Complex) -> tuple[Complex, Complex]: ...


_TERMS = 16  # of the series in free cumulants and moments, where each is below 1/12 of the last
_STAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.12, 0.06, 0.0)  # of the continuation


_PLAIN = 60
"""Exponents of two of sizes whose powers up to `_TERMS` are floating-point numbers."""


@dataclass(frozen=True)
class _InUnits:
    """A law in units of a power of two of its size, as its inversion needs it."""

    law: Transformed
    unit: float

    @classmethod
    def plain(cls, law: Transformed) -> tuple[Transformed, float]:
        """Return a law in units in which its moments are numbers, and the unit."""
        exponent = math.frexp(max(map(abs, law.hull)))[1]
        if abs(exponent) <= _PLAIN:
            return law, 1.0
        unit = math.ldexp(1.0, min(max(exponent, -1020), 1020))
        return cls(law, unit), unit

    @property
    def hull(self) -> tuple[float, float]:
        """Ends of the law."""
        low, high = self.law.hull
        return low / self.unit, high / self.unit

    def mean(self) -> float:
        """Mean."""
        return self.law.mean() / self.unit

    def var(self) -> float:
        """Variance."""
        return float(self.free_cumulants(2)[1])

    def free_cumulants(self, k: int) -> Real:
        """First free cumulants."""
        return np.array([float(value) for value in self._exact_cumulants(k)])

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        exact = enumerate(self.law._exact_cumulants(k), 1)
        return [value / Fraction(self.unit) ** n for n, value in exact]

    def _exact_moments(self, k: int) -> list[Fraction]:
        exact = enumerate(self.law._exact_moments(k))
        return [value / Fraction(self.unit) ** n for n, value in exact]

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = self.law._jet(z * self.unit)
        return g * self.unit, slope * self.unit * self.unit


def elementwise(function: Callable[[Complex], Complex], name: str, value: ArrayLike) -> Values:
    """Apply a function of flat complex arrays to real or complex numbers of any shape.

    Real numbers give real numbers.

    Raises
    ------
    TypeError
        If the values are not numbers.
    ValueError
        If a value is NaN or infinite, or real where the function is not.
    """
    array = dense_array(name, value)
    if array.dtype.kind not in "iufcb" and array.size:
        raise TypeError(f"{name} must be real or complex numbers; got dtype {array.dtype}")
    flat = array.astype(np.complex128).ravel()
    if np.isnan(flat).any():
        raise ValueError(f"{name} holds {int(np.isnan(flat).sum())} NaN of {flat.size} values")
    if np.isinf(flat).any():
        raise ValueError(f"{name} must be finite")
    with np.errstate(divide="ignore", invalid="ignore"):
        result = function(flat)
    if not np.isfinite(result).all():
        where = flat[~np.isfinite(result)][0]
        raise ValueError(f"the transform has a pole at {name} = {where}")
    if array.dtype.kind == "c":
        shaped: Values = result.reshape(array.shape)
    else:
        off = np.abs(result.imag) > 1e-13 * np.abs(result)
        if off.any():
            raise ValueError(
                f"the transform is not real at {name} = {flat[off][0].real}, beyond its branch "
                "point; give a complex number for the principal branch"
            )
        shaped = result.real.reshape(array.shape)
    return shaped if array.ndim else shaped.item()


def r_transform_of(law: Transformed, g: ArrayLike) -> Values:
    """R-transform of any law by inversion of its Stieltjes transform.

    Parameters
    ----------
    law : Law
        The law.
    g : array_like of float or complex
        Values of the Stieltjes transform off the convex hull of the law; 0 gives the mean.

    Raises
    ------
    ValueError
        If `g` is NaN or infinite.
    ConvergenceError
        If `g` is not such a value.
    """
    plain, unit = _InUnits.plain(law)
    radius = plain.hull[1] - plain.hull[0]

    def transform(g: Complex) -> Complex:
        g = g * unit
        small = np.abs(g) * radius < 0.01
        result = np.empty_like(g)
        if small.any():
            cumulants = plain.free_cumulants(_TERMS)
            result[small] = np.polyval(cumulants[::-1].astype(np.complex128), g[small])
        if not small.all():
            result[~small] = _inverse_stieltjes(plain, g[~small]) - 1 / g[~small]
        return result * unit

    return elementwise(transform, "g", g)


def s_transform_of(law: Transformed, w: ArrayLike) -> Values:
    """S-transform of any law of non-zero mean by inversion of its moment series.

    Parameters
    ----------
    law : Law
        The law.
    w : array_like of float or complex
        Values of M(z) = z G(z) - 1 off the convex hull of the law; 0 gives 1/mean.

    Raises
    ------
    ValueError
        If the mean is zero, or `w` is NaN or infinite.
    ConvergenceError
        If `w` is not such a value.
    """
    plain, unit = _InUnits.plain(law)
    mean = _mean_for_s(plain)

    def transform(w: Complex) -> Complex:
        result = np.full_like(w, 1 / mean)
        rest = w != 0
        if rest.any():
            result[rest] = (1 + w[rest]) / (w[rest] * _inverse_moment_series(plain, w[rest]))
        return result / unit

    return elementwise(transform, "w", w)


def _inverse_stieltjes(law: Transformed, g: Complex) -> Complex:
    """K(g): the points z off the convex hull of the law with G(z) = g, for g other than 0."""

    def reciprocal(z: Complex) -> tuple[Complex, Complex]:
        value, slope = law._jet(z)
        return 1 / value, -slope / value**2

    centre = law.mean(), math.sqrt(law.var())
    return _invert(reciprocal, 1 / g, centre, law.hull, ("g", g), "G(z)")


def _inverse_moment_series(law: Transformed, w: Complex) -> Complex:
    """1/chi(w): the points z off the convex hull with z G(z) - 1 = w, for w other than 0."""
    low, high = law.hull
    moments = np.array([float(m) for m in law._exact_moments(_TERMS)])
    far = 12 * max(abs(low), abs(high))

    def reciprocal(z: Complex) -> tuple[Complex, Complex]:
        value, slope = law._jet(z)
        series, derivative = z * value - 1, value + z * slope
        away = np.abs(z) > far
        if away.any():
            x = 1 / z[away]
            coefficients = np.append(moments[:0:-1], 0.0).astype(np.complex128)
            series[away] = np.polyval(coefficients, x)
            derivative[away] = -x * x * np.polyval(np.polyder(coefficients), x)
        return moments[1] / series, -moments[1] * derivative / series**2

    shift = moments[2] / moments[1]
    centre = shift, math.sqrt(abs(moments[3] / moments[1] - shift**2))
    return _invert(reciprocal, moments[1] / w, centre, (low, high), ("w", w), "z G(z) - 1")


def _invert(
    function: Callable[[Complex], tuple[Complex, Complex]],
    h: Complex,
    centre: tuple[float, float],
    ends: tuple[float, float],
    named: tuple[str, Complex],
    what: str,
) -> Complex:
    """Solve F(z) = h for F(z) = z - shift - O(spread^2/z), given with its derivative."""
    (shift, spread), (low, high), (name, argument) = centre, ends, named
    below = h.imag < 0
    h = np.where(below, h.conj(), h)
    real = h.imag == 0
    side = np.where(h.real > 0, 1.0, -1.0)
    edge = np.where(side > 0, high, low)
    width = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-300)
    lift = np.where(real, 0.0, np.maximum(0.0, 2 * spread - h.imag))
    z = h + 1j * lift + shift
    inside = real & (side * (z.real - edge) <= 0)
    z = np.where(inside, edge + side * width, np.where(real, z.real, z)).astype(np.complex128)
    failed = np.zeros(h.size, dtype=bool)
    with np.errstate(all="ignore"):
        for part in _STAGES if lift.any() else (0.0,):
            z, missed = _newton(function, h + 1j * part * lift, z, real, side, edge)
            failed |= missed
    if failed.any():
        raise ConvergenceError(
            f"{name} = {argument[failed][0]} is not among the values that {what} takes off the "
            f"convex hull [{low}, {high}] of the law, where the transform is defined, or too close "
            "to their boundary; take one nearer to 0"
        )
    return np.asarray(np.where(below, z.conj(), z))


def _newton(
    function: Callable[[Complex], tuple[Complex, Complex]],
    h: Complex,
    z: Complex,
    real: Logical,
    side: Real,
    edge: Real,
) -> tuple[Complex, Logical]:
    """Newton's method with shortened steps; also return where it did not arrive."""
    z = np.array(z)
    value, slope = function(z)
    damping = np.ones(h.size)
    active = np.arange(h.size)
    failed = np.zeros(h.size, dtype=bool)
    for _ in range(400):
        before, miss = z[active], np.abs(value[active] - h[active])
        trial = before - damping[active] * (value[active] - h[active]) / slope[active]
        on = real[active]
        beyond = side[active] * (trial.real - edge[active]) > 0
        allowed = np.where(on, beyond, trial.imag >= 0)
        # Halfway to the boundary is where a step over it ends.
        short = np.where(on, (before + edge[active]) / 2, trial.real + 0.5j * before.imag)
        trial = np.where(allowed, trial, short)
        trial.imag[on] = 0.0
        new, new_slope = function(trial)
        new_miss = np.abs(new - h[active])
        better = new_miss < miss
        chosen = active[better]
        z[chosen], value[chosen], slope[chosen] = trial[better], new[better], new_slope[better]
        factor = damping[active]
        damping[active] = np.where(better, np.minimum(1, 2 * factor), factor / 4)
        size = np.abs(h[active]) + np.abs(before)
        ended = (np.minimum(miss, new_miss) <= 4e-16 * size) | (damping[active] < 1e-9)
        # What does not become smaller any more is rounding, of 1/G or of M = z G - 1.
        ended |= ~better & (miss <= np.where(factor < 1e-3, 1e-10, 1e-13) * size)
        failed[active] = ~(np.minimum(miss, new_miss) <= 1e-10 * size)
        active = active[~ended]
        if active.size == 0:
            break
    return z, failed


def _mean_for_s(law: Transformed) -> float:
    mean = law.mean()
    if mean == 0:
        raise ValueError("the S-transform needs a law whose mean is not zero")
    return mean
