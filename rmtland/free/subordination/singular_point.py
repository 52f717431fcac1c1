r"""A law closer to a point of infinite density than its equation keeps digits.

Where the masses of operands' atoms add up so that the atom of the sum is exactly zero, and at zero
for products of laws with a hard edge there, the Stieltjes transform diverges by a power,

.. math:: G(z) \approx c \, (z - p)^{q}, \qquad -1 < q < 0,

with q = -1/2 for a sum whose operands have gaps around their atoms: the equation of F = 1/G is
z - p = a F^2 there, the linear terms cancel, and with them all digits where \|z - p\| is near the
square of the rounding. Power and factor are taken from points above the axis that are solved, and
the values are stated with the error that the points disagree by.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np

from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.typing import Complex, Logical, Real

__all__ = ["SingularPoint"]

_TRUSTED = 1e-3
"""The largest relative error of a value that is given out."""


@dataclass(frozen=True)
class SingularPoint:
    """G beside a point where it diverges like a power of the distance.

    Parameters
    ----------
    place : float
        The point.
    radius : float
        Distance of the nearest point that was solved; the power is used closer than that.
    power : float
        The exponent q.
    factor : complex
        G over the power of z - place.
    potential : complex
        The potential L at place + i radius.
    spread : float
        How far the exponents of neighbouring points differ; infinite where there is no power.
    rounding : float
        Relative error of the factor.
    """

    place: float
    radius: float
    power: float
    factor: complex
    potential: complex
    spread: float
    rounding: float = 1e-7

    @classmethod
    def of(
        cls, solver: SubordinationSolver, place: float, radius: float, sides: tuple[bool, bool]
    ) -> SingularPoint:
        """Find the power from points 1, 100 and 10^4 radii above the place.

        `sides` says whether there is a band just below the place, and just above it.
        """
        z = place + 1j * radius * np.array([1.0, 1e2, 1e4])
        state, steps = solver.above_axis(z)
        none = cls(place, radius, -0.5, complex(np.nan, np.nan), complex(np.nan, np.nan), np.inf)
        if steps.min() < 0:
            return none
        g = solver.equation.stieltjes(z, state)
        potential = complex(solver.equation.log_potential(z[:1], state.take(np.array([0])))[0])
        if not (np.isfinite(g).all() and (g.imag < 0).all() and np.isfinite(potential)):
            return none
        near, far = (np.log(g[1:] / g[:-1]) / math.log(100)).tolist()
        power, spread = float(near.real), abs(near - far)
        rounding = 1e-7 + 4e-16 * abs(place) / radius
        # An exponent that tends to -1/2 is that.
        off, farther = abs(near + 0.5), abs(far + 0.5)
        if off < 0.02 and off < 0.6 * farther + 1e-8:
            power, spread = -0.5, 0.0
        factors = g / (z - place) ** power
        factor = complex(factors[0])
        if spread == 0:
            # The next term is smaller by a power: Aitken's extrapolation.
            first, second = factors[0] - factors[1], factors[1] - factors[2]
            if 1e-8 * abs(factor) < abs(first) < 0.6 * abs(second):
                factor = complex(factor + first**2 / (second - first))
            rounding += 0.1 * abs(factor / factors[0] - 1)
        if not -1 < power < 1:
            spread = math.inf
        if sides == (False, True):  # real below the place
            turn = cmath.exp(1j * math.pi * power)
            factor = math.copysign(abs(factor), (factor * turn).real) / turn
        if sides == (True, False):
            factor = complex(math.copysign(abs(factor), factor.real))
        return cls(place, radius, power, factor, potential, spread, rounding)

    def holds(self, z: Complex) -> Logical:
        """Whether points are closer than what was solved, and not the place itself.

        Where no power says what comes next, the equation is asked to a millionth of the radius.
        """
        reach = self.radius if self.spread < 1e-6 else 1e-6 * self.radius
        distance = np.abs(z - self.place)
        return np.asarray((distance < reach) & (distance > 0))

    def error(self, z: Complex) -> Real:
        """Bound of the relative error of G."""
        with np.errstate(divide="ignore"):
            # A difference of logarithms: the quotient overflows at a subnormal distance
            away = np.log(self.radius) - np.log(np.abs(z - self.place))
        return np.asarray(self.rounding + self.spread * (1 + away))

    def jet(self, z: Complex) -> tuple[Complex, Complex]:
        """G and G'; NaN where the power is not known well enough."""
        w = z - self.place
        # The closed upper half-plane: an argument of pi on the axis below the place.
        angle = np.where(w.imag == 0, np.where(w.real < 0, np.pi, 0.0), np.angle(w))
        with np.errstate(all="ignore"):
            phase = self.factor * np.exp(1j * self.power * angle)
            value: Complex = (np.abs(w) ** self.power * phase).astype(np.complex128)
            slope: Complex = self.power * value / w
        # Real on the side without a band.
        flat = (w.imag == 0) & (np.abs(value.imag) <= 1e-12 * np.abs(value))
        value.imag[flat] = slope.imag[flat] = 0.0
        unknown = ~(self.error(z) < _TRUSTED)
        value[unknown] = slope[unknown] = complex(np.nan, np.nan)
        return value, slope

    def log_potential(self, z: Complex) -> Complex:
        """L, from its value at the radius; NaN where the power is not known well enough."""
        w, start = z - self.place, np.array([self.place + 1j * self.radius])
        own = self.jet(z)[0] * w / (1 + self.power)
        first = self.jet(start)[0] * (start - self.place) / (1 + self.power)
        return np.asarray(self.potential + own - first)
