r"""What a subordination equation is to its solvers: the interface of sums and products.

Free sums and products are solved for a common value of the operands' transforms and for the points
where these take it, the subordination functions. With F = 1/G and real powers :math:`t_i` (a law
added to itself t times, T their sum) a sum has :math:`F_i(\omega_i(z)) = F(z)` and

.. math:: z = (1 - T) F + \sum_i t_i \omega_i, \qquad F_i(\omega_i) = F .

A product of positive laws to powers :math:`t_i` has, with :math:`M(z) = z G(z) - 1`,

.. math:: z = \Bigl(\frac{m}{1 + m}\Bigr)^{T - 1} \prod_i \omega_i^{t_i}, \qquad
    M_i(\omega_i) = m .

Either way the solution is the fixed point of an analytic map of the upper half-plane into itself,
so there is at most one with Im omega > 0 -- for real z as well (Denjoy-Wolff theorem) [1]_. A root
that Newton's method finds inside the half-plane is therefore the right one, and it is the boundary
value itself: no point is ever shifted off the real axis. With three factors or more, inside means
that points of partial products are there, too: the arguments of the omega_i and of m/(1 + m) add up
to that of z, where other solutions are off by a multiple of 2 pi.

The logarithmic potentials, and with them the distribution functions, come without quadrature:

.. math::
    L = \sum_i t_i L_i(\omega_i) + (T - 1) \log G \quad \text{(sum)}, \qquad
    L = \sum_i t_i L_i(\omega_i) + (T - 1) \log m \quad \text{(product)} .

References
----------
.. [1] S. T. Belinschi and H. Bercovici, A new approach to subordination results in free
       probability, Journal d'Analyse Mathematique 101 (2007) 357-365.
"""

from __future__ import annotations

import abc
from typing import Protocol

import numpy as np

from rmtland.free.subordination.state import Step, SubordinationState
from rmtland.free.subordination.sweep import Swept
from rmtland.laws.gaps import Curve, Gap
from rmtland.laws.law import Law
from rmtland.typing import Complex, Integer, Logical, Real

__all__ = ["Solved", "SubordinationEquation", "error_of"]


class Newton(Protocol):
    """What a nested operand's solver gives: Newton's method from a state."""

    @property
    def equation(self) -> SubordinationEquation:
        """The equation that is solved."""

    def newton(
        self, z: Complex, start: SubordinationState, *, real: bool = False, max_steps: int = 40
    ) -> tuple[SubordinationState, Integer]:
        """States, and steps that are negative where it did not arrive inside the half-plane."""


class Solved(Law):
    """A law by subordination, which as an operand of another is solved from a state."""

    @property
    @abc.abstractmethod
    def solver(self) -> Newton:
        """The solver of its equation."""


class SubordinationEquation(abc.ABC):
    """An equation for the common value and the subordination points, with what follows from them.

    All points are flat arrays of the closed upper half-plane; states belong to them row by row.
    """

    operands: tuple[Law, ...]

    @property
    def adds_up(self) -> bool:
        """Whether it is of a sum, whose operands' widths may be compared."""
        return False

    @property
    def diverges_at_zero(self) -> bool:
        """Whether G may diverge at zero without an atom, and states keep their digits there."""
        return False

    # Solving ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def asymptotic_state(self, z: Complex) -> SubordinationState:
        """Approximate state for |z| large."""

    @abc.abstractmethod
    def newton_step(self, z: Complex, state: SubordinationState) -> Step:
        """One step of Newton's method, cut so that it stays in the half-plane."""

    @abc.abstractmethod
    def defect(self, z: Complex, state: SubordinationState) -> Real:
        """Defect of the equation, relative to its terms."""

    @abc.abstractmethod
    def argument(self, state: SubordinationState) -> Real:
        """Argument of F or m: a multiple of pi on the real axis."""

    @abc.abstractmethod
    def attracting(self, x: Real, state: SubordinationState) -> Logical:
        """Whether real solutions are attracting fixed points, as they are in gaps."""

    def flattened(self, state: SubordinationState) -> SubordinationState:
        """Return the state put onto the real axis."""
        return state.mapped(lambda row: row.real.astype(np.complex128))

    def on_axis(self, state: SubordinationState) -> Logical:
        """Whether all of a state is on the real axis."""
        real = self.flattened(state)
        same: Logical = real.common == state.common
        for here, there in zip(real.omegas, state.omegas, strict=True):
            same &= here == there
        return same

    # What follows from a solution ---------------------------------------------------------------

    @abc.abstractmethod
    def stieltjes(self, z: Complex, state: SubordinationState) -> Complex:
        """G at the solution."""

    @abc.abstractmethod
    def stieltjes_slope(self, z: Complex, state: SubordinationState) -> Complex:
        """G' at the solution."""

    @abc.abstractmethod
    def log_potential(self, z: Complex, state: SubordinationState) -> Complex:
        """L at the solution."""

    @abc.abstractmethod
    def uncertainty(self, z: Complex, state: SubordinationState, *, operands: bool = True) -> Real:
        """Defect of the equation in units of z, with rounding and the errors of the operands.

        Without `operands` these are taken as known to rounding.
        """

    def sensitivity(self, z: Complex, value: Complex, slope: Complex) -> Real:
        """By how much the value G moves with that uncertainty of the state, z itself held."""
        return np.abs(slope)

    # Gaps ---------------------------------------------------------------------------------------

    @abc.abstractmethod
    def critical_curve(self, components: tuple[Gap, ...], lead: int, s: Real) -> Swept:
        """Points that belong to coordinates on the leading one of the operands' gaps."""

    @abc.abstractmethod
    def state_on(self, curve: Curve) -> SubordinationState:
        """State on the real axis at points of a gap."""

    @abc.abstractmethod
    def subordination_slope(self, curve: Curve) -> Real:
        """Slope of an operand's subordination point (or its logarithm) in the common value."""

    def components(self, law: Law) -> list[Gap]:
        """Components of an operand's complement that may leave gaps."""
        return law.complement()

    def poles(self, component: Gap) -> Real:
        """Coordinates on the leading component at poles of explicit operands, which bands hold."""
        return np.empty(0)

    # Operands -----------------------------------------------------------------------------------

    def inner_states(self, omegas: tuple[Complex, ...]) -> tuple[SubordinationState | None, ...]:
        """Approximate states of the nested operands at points far away."""
        return tuple(
            law.solver.equation.asymptotic_state(omega) if isinstance(law, Solved) else None
            for law, omega in zip(self.operands, omegas, strict=True)
        )

    def operand_jet(
        self, i: int, omega: Complex, inner: SubordinationState | None
    ) -> tuple[Complex, Complex, SubordinationState | None]:
        """G and G' of an operand, NaN where there is no solution, and its own state."""
        law = self.operands[i]
        if inner is None or not isinstance(law, Solved):
            return *law._jet(omega), None
        # Newton from the last state; steps that are too large for it are for the caller to cut.
        value = np.full(omega.shape, complex(np.nan, np.nan))
        slope = value.copy()
        state = inner.mapped(np.copy)
        above = np.flatnonzero(omega.imag > 0)
        new, steps = law.solver.newton(omega[above], inner.take(above), max_steps=12)
        arrived = steps > 0
        above, new = above[arrived], new.take(arrived)
        state.put(above, new)
        value[above] = law.solver.equation.stieltjes(omega[above], new)
        slope[above] = law.solver.equation.stieltjes_slope(omega[above], new)
        axis = np.flatnonzero(omega.imag == 0)
        if axis.size:
            value[axis], slope[axis] = law._jet(omega[axis])
        return value, slope, state


def error_of(law: Law, omega: Complex) -> Real:
    """Bound of the error of G at points of the closed half-plane, infinite at others."""
    error = np.full(omega.shape, np.inf)
    inside = (omega.imag >= 0) & np.isfinite(omega)
    stated = law.solve(omega[inside], throw=False).error
    if stated is not None:
        error[inside] = stated
    return error
