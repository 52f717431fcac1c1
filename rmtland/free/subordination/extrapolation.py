r"""Values at points of a band where the equation is lost in rounding: beside its ends, at cusps.

Next to an end e the density goes like a power of the distance, :math:`c |x - e|^p` with p > -1: 1/2
at a regular edge, -1/2 and -1/3 beside atoms of critical mass. At an inner point where two bands
are about to part, or G has a zero on the axis, it is a power of the distance on either side. The
power comes from two points that are solved, and the distribution function is in every case between
its values at solved points: where these are not within 1e-6 of each other nothing is returned.

Examples
--------
The semicircle beside its lower end, from points at least 1e-9 away:

>>> import numpy as np
>>> from rmtland.laws import Semicircle
>>> law = Semicircle()
>>> def solved(x):
...     return law.stieltjes(x), law.cdf(x), np.abs(x + 2) >= 1e-9
>>> end = power_beside_end(solved, (-2.0, 2.0), (0.0, 1.0), upper=False)
>>> round(end.power, 6)
0.5
>>> bool(abs(end.at(1e-12).value.imag / law.stieltjes(-2 + 1e-12).imag - 1) < 1e-3)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmtland.typing import Complex, Logical, Real

__all__ = [
    "EndPower",
    "Extrapolated",
    "across_pole",
    "between",
    "power_beside_end",
    "value_at_end",
]

Solved = Callable[[Real], tuple[Complex, Real, Logical]]
"""Values of G, the distribution function, and whether they were found, at points of a band."""

_UNCERTAIN = 1e-6
"""The largest mass between solved points in which a point may be lost."""
_SEEN, _REGULAR, _ROUNDED = 1e-5, 1e-3, 0.05
"""How far from 1/2 the exponent of a regular edge is: at best, as seen, where points are lost."""


@dataclass(frozen=True)
class Extrapolated:
    """G and the distribution function at a point that could not be solved."""

    value: complex
    below: float


@dataclass(frozen=True)
class EndPower:
    """A law beside an end of a band: a power of the distance.

    Parameters
    ----------
    step : float
        Distance that was solved.
    near, far : complex
        G at that distance and at four times as much.
    power : float
        Exponent of the density.
    level, mass : float
        Distribution function at the end, and by how much it differs at the distance.
    bend : float
        By how much the exponent differs between neighbouring pairs of solved points.
    """

    step: float
    near: complex
    far: complex
    power: float
    level: float
    mass: float
    bend: float = 0.0

    def at(self, distance: float) -> Extrapolated:
        """Return the values at a distance below that which was solved.

        G is NaN where it is many powers of ten closer and the exponent, which changes with the
        logarithm of the distance, leaves no digit.
        """
        share = distance / self.step
        real = self.near.real - (self.far.real - self.near.real) / 3 * (1 - share)
        if self.power < -0.1:
            real = self.near.real * share**self.power
        value = complex(real, self.near.imag * share**self.power)
        away = -math.log(share)
        if away > 20 and self.bend * away**2 / (2 * math.log(4)) > 0.1:
            value = complex(math.nan, math.nan)
        return Extrapolated(value, self.level + self.mass * share ** (1 + self.power))


def power_beside_end(
    solved: Solved,
    band: tuple[float, float],
    masses: tuple[float, float],
    *,
    upper: bool,
    beyond: float = 0.0,
) -> EndPower | None:
    """Find the power at an end of a band, from the nearest points that are solved.

    Parameters
    ----------
    solved : callable
        Solves at points of the band.
    band : (float, float)
        The band.
    masses : (float, float)
        The distribution function at its ends.
    upper : bool
        Which end.
    beyond : float
        Only points farther from the end than this are looked at.

    Returns
    -------
    EndPower or None
        None where the solved points are too far away or do not look like a power.
    """
    low, high = band
    end, inward = (high, -1.0) if upper else (low, 1.0)
    level = masses[upper]
    step = max(64 * float(np.spacing(abs(end))), 1e-15 * (high - low) if end else 1e-30)
    step = max(step, 1.5 * beyond)
    while step < 1e-3 * (high - low):
        found = _power_at(solved, end, inward * step, level)
        if found is not None:
            return _as_regular(found, solved, end, inward, 1e-6 * (high - low))
        step *= 16 if step > 1e-16 * (high - low) else 1e4
    return None


def _as_regular(
    found: EndPower, solved: Solved, end: float, inward: float, reach: float
) -> EndPower:
    """Return what holds at a regular edge, if that is one: a power of exactly 1/2.

    Every edge is one once it is looked at from close enough. The constant comes from where the
    exponent seen is nearest to 1/2: closer to the edge it is lost in rounding.
    """
    if not 0 < abs(found.power - 0.5) < _ROUNDED:
        return found
    best, step = found, found.step
    while 16 * step < reach:
        step *= 16
        other = _power_at(solved, end, inward * step, found.level)
        if other is not None and abs(other.power - 0.5) <= max(abs(best.power - 0.5), _SEEN):
            best = other
    if abs(best.power - 0.5) > _REGULAR:
        return found
    height = best.near.imag * math.sqrt(found.step / best.step)
    return EndPower(
        found.step,
        complex(found.near.real, height),
        complex(found.far.real, 2 * height),
        0.5,
        found.level,
        -inward * found.step * height / math.pi / 1.5,
    )


def _power_at(solved: Solved, end: float, step: float, level: float) -> EndPower | None:
    g, below, good = solved(end + step * np.array([1.0, 4.0, 16.0]))
    if not good.all():
        return None
    inward = math.copysign(1.0, step)
    grown = inward * (below[:2] - level)
    if abs(grown[0]) < 1e-12 and (np.abs(g.imag) <= 1e-9 * np.abs(g)).all():
        # Density and mass are below rounding.
        near, far = (complex(value.real, min(value.imag, 0.0)) for value in g[:2])
        return EndPower(abs(step), near, far, 1.0, level, 0.0)
    if not g.imag.max() < 0:
        return None
    power, check = np.log(g[1:].imag / g[:-1].imag) / math.log(4)
    if not (-0.95 < power < 5 and abs(power - check) < 0.05):
        return None
    # The mass that belongs to the density; the levels know it to rounding.
    mass = -abs(step) * float(g[0].imag) / math.pi / (1 + power)
    if not (mass < 1e-2 and abs(grown[0] - mass) < 1e-9 + 0.1 * mass):
        return None
    # Where it is not small, it has to grow by the power, too.
    if mass > _UNCERTAIN and abs(grown[0] - grown[1] / 4 ** (1 + power)) > 0.1 * _UNCERTAIN:
        return None
    near, far = complex(g[0]), complex(g[1])
    bend = float(abs(power - check))
    return EndPower(abs(step), near, far, float(power), level, inward * mass, bend)


def between(solved: Solved, x: float, band: tuple[float, float]) -> Extrapolated | None:
    """Interpolate at a point inside a band, from the nearest solved points on either side.

    Returns
    -------
    Extrapolated or None
        None where these are too far away, or what they say does not agree.
    """
    low, high = band
    step = max(64 * float(np.spacing(abs(x))), 1e-12 * (high - low))
    while step < 1e-3 * (high - low) and 8 * step < min(x - low, high - x):
        g, below, good = solved(x + step * np.array([-8.0, -1.0, 1.0, 8.0]))
        small = (np.abs(g.imag) <= 1e-9 * np.abs(g)).all()
        if good.all() and -1e-12 < below[2] - below[1] < _UNCERTAIN:
            if small:
                middle = complex(g[1] + g[2]) / 2
                flat = complex(middle.real, min(middle.imag, 0.0))
                return Extrapolated(flat, float(below[1] + below[2]) / 2)
            if (g.imag < 0).all():
                return _interpolated(g, below, step)
        step *= 16
    return None


def _interpolated(g: Complex, below: Real, step: float) -> Extrapolated | None:
    powers = np.log(g[[0, 3]].imag / g[[1, 2]].imag) / math.log(8)
    middle = complex(g[1] + g[2]) / 2
    if powers.min() < -0.1:
        middle = complex(middle.real, -math.inf)
    elif powers.max() > 0.1:
        middle = complex(middle.real, 0.0)
    elif abs(g[1] - g[2]) > 1e-3 * abs(middle):
        return None
    # From either side by the mass that belongs to the density.
    mass = -step * g[1:3].imag / math.pi / (1 + np.maximum(powers, -0.9))
    level = float(below[1] + mass[0] + below[2] - mass[1]) / 2
    return Extrapolated(middle, min(max(level, float(below[1])), float(below[2])))


def value_at_end(
    band: tuple[float, float],
    end: float,
    function: Callable[[Complex], Complex],
    *,
    bounded: bool = False,
) -> complex:
    """Extrapolate a transform to an end of a band; infinite where it is unbounded there.

    At distances d and 4d inside the band a bounded transform is its value at the end plus terms of
    order d that are real and of order sqrt(d) that are imaginary.

    Parameters
    ----------
    band : (float, float)
        The band.
    end : float
        One of its ends.
    function : callable
        G, or with `bounded` a function whose real part is finite in any case.
    """
    low, high = band
    d = 1e-9 * (high - low) * (1 if end == low else -1)
    at = np.array([end + d, end + 4 * d], dtype=np.complex128)
    near, far = map(complex, function(at))
    if not bounded and abs(near.imag) > 1.2 * abs(far.imag):
        return complex(math.copysign(math.inf, near.real), 0)
    return complex((4 * near.real - far.real) / 3, 0)


def across_pole(
    solved: Callable[[Real], tuple[Real, Complex]],
    x: float,
    middle: float,
    reach: float,
    pole: Callable[[Complex], Complex],
) -> complex | None:
    """Interpolate a function in a gap, across a point where its equation has a pole.

    The interpolation is by polynomials on the Chebyshev nodes of half the way to the nearest end:
    32 nodes leave an error of (2 + sqrt 3)^-32.

    Parameters
    ----------
    solved : callable
        Returns those of the given points that are solved, and the function there.
    x : float
        Where the value is wanted.
    middle, reach : float
        Centre of the interpolation, and its distance to the nearest end.
    pole : callable
        How the function behaves at the centre; taken out. 0 where it is smooth.

    Returns
    -------
    complex or None
        None where fewer than 24 of the points are solved.
    """
    at = middle + reach / 2 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    at, values = solved(at[at != x])
    if at.size < 24:
        return None
    values = values - pole((at - middle).astype(np.complex128))
    scaled = (at[:, None] - at) / reach + np.eye(at.size)
    weights = 1 / scaled.prod(axis=1) / (x - at)
    result = complex((weights @ values) / weights.sum())
    with np.errstate(all="ignore"):
        own = complex(pole(np.array(x - middle + 0j)))
    return result + own if x != middle else result
