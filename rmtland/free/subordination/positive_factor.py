r"""What a positive factor adds to the equation of a product with one factor of any sign.

With m = M(a) at the factor's point a, and u = 1 + m, the factor is :math:`1/S(m) = a - 1/G(a)`.
Points are kept as logarithms, and may be in either half-plane; laws are asked in the upper one.
Close to infinity m is rounded: there 1/S comes from its expansion, and the point from 1/S.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import MarchenkoPastur
>>> law, a = MarchenkoPastur(0.5), np.array([3.0 - 1.0j])
>>> g, slope, _ = jet_on_either_side(lambda z, state: (*law._jet(z), state), a, None)
>>> bool(g[0].imag > 0)
True
>>> terms = FactorTerms.of(FarExpansion.of(law), a * g, a * g - 1, a, (g, slope))
>>> bool(abs(terms.factor[0] - (1 + 0.5 * (a * g - 1)[0])) < 1e-14), terms.far is None
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from rmtland.free.subordination.far_expansion import FarExpansion
from rmtland.typing import Complex, Logical, Real

__all__ = ["FactorTerms", "FarPoints", "jet_on_either_side", "potential_on_side"]

State = TypeVar("State")


class FarPoints(NamedTuple):
    """Where a factor's point is close to infinity, and its logarithm there."""

    near: Logical
    place: Complex


class FactorTerms(NamedTuple):
    """A positive factor at a state of the equation.

    Parameters
    ----------
    defect : ndarray of complex, shape (size,)
        Defect of M(a) = m in the logarithm of m/(1 + m).
    rate : ndarray of complex, shape (size,)
        Its derivative in log a.
    factor : ndarray of complex, shape (size,)
        1/S.
    known : ndarray of complex, shape (size,)
        What the defect moves the logarithm of the factor by.
    bend : ndarray of complex, shape (size,)
        Derivative of the logarithm of the factor in m.
    far : FarPoints or None
        None where no point is close to infinity.
    """

    defect: Complex
    rate: Complex
    factor: Complex
    known: Complex
    bend: Complex
    far: FarPoints | None

    @classmethod
    def of(
        cls, expansion: FarExpansion, u: Complex, m: Complex, a: Complex, jet: tuple[Complex, ...]
    ) -> FactorTerms:
        """Return the terms at values of m and u = 1 + m, points a, and G and G' there."""
        g, slope = jet
        ua = a * g
        ma = ua - 1
        rate = a * (g + a * slope) / (ma * ua)
        defect = np.log(ma * u / (m * ua))
        share = (1 + rate) / rate
        factor, known, bend = a - 1 / g, share * defect, share / (m * u)
        near = expansion.near(m, a)
        if not near.any():
            return cls(defect, rate, factor, known, bend, None)
        value, turn = expansion.at(np.where(near, m, 0))
        far = FarPoints(near, np.log(value * u / np.where(m == 0, 1e-300, m)))
        factor = np.where(near, value, factor)
        known, bend = np.where(near, 0, known), np.where(near, turn / value, bend)
        return cls(defect, rate, factor, known, bend, far)

    def moved(self, here: Complex, move: Complex) -> Complex:
        """Return the move of log a from here; close to infinity to the known point outright."""
        if self.far is None:
            return move
        near, place = self.far
        target = place.real + 1j * np.mod(place.imag, 2 * np.pi)
        return np.where(near, target - here, move)

    def free(self, value: Real, otherwise: float) -> Real:
        """Return a bound on the move, another where the point is close to infinity."""
        return value if self.far is None else np.where(self.far.near, otherwise, value)


def jet_on_either_side(
    jet: Callable[[Complex, State], tuple[Complex, Complex, State]], a: Complex, state: State
) -> tuple[Complex, Complex, State]:
    """G and G' in either half-plane, from those in the upper one, and the state that comes along.

    Parameters
    ----------
    jet : callable
        Takes points of the closed upper half-plane and a state.
    a : ndarray of complex, shape (size,)
        Points.
    state : object
        Handed on.

    Returns
    -------
    (ndarray of complex, ndarray of complex, object)
        G, G', and the state.
    """
    below = a.imag < 0
    if not below.any():
        return jet(a, state)
    g, slope, new = jet(np.where(below, a.conj(), a), state)
    return np.where(below, g.conj(), g), np.where(below, slope.conj(), slope), new


def potential_on_side(
    log_potential: Callable[[Complex], Complex], point: Complex, below: Logical
) -> Complex:
    """L of a positive operand in either half-plane, below the axis where it says so."""
    value = log_potential(point.real + 1j * np.abs(point.imag))
    return np.where(below, value.conj(), value)
