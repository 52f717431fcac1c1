r"""Laws next to zero inside a band: an atom there, and a density that is a power on either side.

A product with a signed factor keeps inertia, so the distribution function on both sides of zero is
known exactly: that of the signed factor where the others are invertible (Sylvester), else that of
its compression to the range of the others. The density comes from the nearest points at which the
solution is smooth and agrees with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rmtland.typing import Complex, Logical, Real

__all__ = ["BESIDE_ATOM", "NEAREST", "BesideZero", "Sides", "beside_zero", "nearest_smooth"]

NEAREST = (1e-40, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
"""Distances from zero inside a band, in units of its nearest end, where extrapolation takes over:
where the solution is relatively accurate however close, and otherwise the first that will do."""
BESIDE_ATOM = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-4, 1e-3)
"""The same beside an atom at zero, where the density loses digits: the first that is smooth."""

Solve = Callable[[Real], tuple[Complex, Real, Logical]]
"""Values of G, the distribution function, and whether they were found."""
Sides = tuple[bool, bool]
"""Whether there is a band just below zero, and just above it."""


@dataclass(frozen=True)
class BesideZero:
    """A law next to zero inside a band: a power of the distance on either side, and an atom.

    `values` are G less the atom's part at the distance on either side, `powers` minus the exponents
    of the density, `seen` and `limits` the distribution function left and right of zero by
    extrapolation and, where it is known, exactly; `bent` is the relative curvature of G, and
    `bent_density` that of its imaginary part.
    """

    distance: float
    mass: float
    values: tuple[complex, complex]
    powers: tuple[float, ...]
    seen: tuple[float, float]
    limits: tuple[float, float]
    inner: tuple[float, ...]
    bent: float
    bent_density: float

    def agrees(self, known: tuple[float, float], *, unbounded: bool) -> bool:
        """Whether the extrapolated limits are the known ones, and the density is as expected."""
        near = self.distance_from(known)
        if unbounded:
            return near < 1e-10 and max(self.powers) > 0
        return near < 1e-8 and (any(self.powers) or self.bent_density < 1e-4)

    def distance_from(self, known: tuple[float, float]) -> float:
        """How far the extrapolated limits are from known ones."""
        return max(abs(a - b) for a, b in zip(self.seen, known, strict=True))

    @property
    def density(self) -> float:
        """Density at zero."""
        sides = [
            np.inf if power > 0 else 0.0 if power < 0 else -value.imag / math.pi
            for value, power in zip(self.values, self.powers, strict=True)
        ]
        return float(max(sides)) if np.inf in sides else float(sum(sides) / 2)

    def value(self, x: Real) -> Complex:
        """G on the axis, closer to zero than the distance."""
        t = np.asarray(x / self.distance)
        regular = np.asarray((self.values[0] * (1 - t) + self.values[1] * (1 + t)) / 2)
        regular = regular.astype(np.complex128)
        if any(self.powers):
            with np.errstate(divide="ignore", over="ignore"):
                sides = [
                    value * np.where(t == 0, 1.0, np.abs(t)) ** -power
                    for value, power in zip(self.values, self.powers, strict=True)
                ]
            by_power = np.where(t < 0, sides[0], sides[1])
            if max(self.powers) > 0:
                regular = np.where(t == 0, complex(0, -np.inf), by_power)
            else:  # it is the density that vanishes, not the real part
                regular.imag = np.where(t == 0, 0.0, by_power.imag)
        if not self.mass:
            return np.asarray(regular)
        at = np.where(x == 0, 1.0, x)
        with np.errstate(over="ignore"):
            return np.where(x == 0, complex(np.inf, 0), regular + self.mass / at)

    def below(self, x: Real) -> Real:
        """Distribution function closer to zero than the distance."""
        t = np.abs(x / self.distance)
        left = self.limits[0] - self.inner[0] * t ** (1 - self.powers[0])
        right = self.limits[1] + self.inner[1] * t ** (1 - self.powers[1])
        return np.asarray(np.where(x < 0, left, right))

    def replaced(self, limits: tuple[float, float]) -> BesideZero:
        """Return the same with limits that are known."""
        return replace(self, limits=limits)


def beside_zero(
    solve: Solve, d: float, sides: Sides, mass: float, known: tuple[float, float] | None
) -> BesideZero | None:
    """Extrapolate to zero from distances d and 4d; None where that fails.

    Parameters
    ----------
    solve : callable
        Solves at points of the bands.
    d : float
        The distance.
    sides : (bool, bool)
        Whether there is a band below zero, and above; at least one.
    mass : float
        Mass of the atom at zero.
    known : (float, float) or None
        Distribution function on either side of zero, where it is known.
    """
    x = _points(d, sides)
    return _through(*solve(x), x, sides, mass, known)


def _points(d: float, sides: Sides) -> Real:
    """Return the points at distances d and 4d; those of a side without a band on the other."""
    left, right = -1.0 if sides[0] else 1.0, 1.0 if sides[1] else -1.0
    return d * np.array([4 * left, left, right, 4 * right])


def _through(
    g: Complex,
    grown: Real,
    good: Logical,
    x: Real,
    sides: Sides,
    mass: float,
    known: tuple[float, float] | None,
) -> BesideZero | None:
    """Return what is extrapolated from solved points; see `beside_zero`."""
    if not good.all():
        return None
    below_zero, above_zero = sides
    left, right = np.sign(x[1:3]).tolist()
    d = abs(float(x[1]))
    with np.errstate(all="ignore"):
        g = g - mass / x
    if not (np.isfinite(g).all() and np.isfinite(grown).all() and (g.imag < 0).all()):
        return None
    powers = tuple(
        0.0 if abs(power) < 0.02 else power
        for power in (
            math.log(g[1].imag / g[0].imag) / math.log(4),
            math.log(g[2].imag / g[3].imag) / math.log(4),
        )
    )
    if max(powers) >= 1:
        return None
    inner = tuple(
        -d * float(value.imag) / math.pi / (1 - power)
        for value, power in zip(g[1:3], powers, strict=True)
    )
    seen = float(grown[1]) - left * inner[0], float(grown[2]) - right * inner[1]
    seen = seen[0 if below_zero else 1], seen[1 if above_zero else 0]
    values = complex(g[1]), complex(g[2])
    # Of a parabola, the points at 4 d are off the straight line by 15 times what is left out.
    line = (g[1] + g[2]) / 2 + 2 * (g[2] - g[1]) * np.array([-1, 1])
    bent = float(np.max(np.abs(g[[0, 3]] - line)) / np.abs(g[1]))
    off = float(np.max(np.abs((g[[0, 3]] - line).imag)) / np.abs(g[1].imag))
    return BesideZero(d, mass, values, powers, seen, known or seen, inner, bent, off)


def nearest_smooth(
    solve: Solve,
    unit: float,
    sides: Sides,
    mass: float,
    known: Callable[[], tuple[float, float]],
) -> BesideZero | None:
    """Return what a law does next to zero, from the nearest points that will do; None if none do.

    Parameters
    ----------
    solve, sides, mass
        As for `beside_zero`.
    unit : float
        Distance from zero to the nearest other end of a band or atom.
    known : callable
        Returns the distribution function on either side of zero.
    """
    x = np.array([_points(share * unit, sides) for share in BESIDE_ATOM])
    g, grown, solved = solve(x.ravel())
    rows = zip(g.reshape(x.shape), grown.reshape(x.shape), solved.reshape(x.shape), x, strict=True)
    found = [_through(*row, sides, mass, None) for row in rows]
    seen = [zero for zero in found if zero is not None]
    smooth = next((zero for zero in seen if zero.bent < 1e-8), None)
    best = smooth or min(seen, key=lambda zero: zero.bent, default=None)
    apart = [best.distance_from(zero.seen) for zero in seen if best and zero is not best]
    if best is None or (best.bent < 1e-4 and min(apart, default=1.0) < 1e-9):
        return best
    limits = known()
    best = min(seen, key=lambda zero: zero.distance_from(limits) + 1e-3 * zero.bent)
    good = best.distance_from(limits) < 1e-7 and (best.bent < 1e-3 or any(best.powers))
    return best.replaced(limits) if good else None
