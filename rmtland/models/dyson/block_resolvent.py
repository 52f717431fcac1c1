r"""Models whose resolvent is the solution of an equation between blocks, point after point.

.. math:: P G(z) = \operatorname{tr} M(z) \text{ over the blocks of the parameters}, \qquad
          M(z) = (z - S[M(z)])^{-1}, \qquad L' = G .

The equation is an object (`rmtland.models.dyson.blocks`, `rmtland.models.dyson.free_slopes`) that
knows its iteration, trace and potential; here it is solved along a path of points, memory and cost
are told beforehand, and what is found becomes G, the distribution function and the density. On a
device all points are solved together (`rmtland.models.dyson.batched_blocks`).

Examples
--------
>>> COUPLINGS
('full', 'units', 'free_slopes')
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from rmtland.arguments import callable_or_none, count, positive
from rmtland.arrays import ArrayLibrary
from rmtland.estimate.placement import Placement
from rmtland.models.dyson.above_axis import AboveAxis, Progress, above_axis, density_from_above
from rmtland.models.dyson.batched_blocks import BatchedBlocks, SolvedPoints
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.cost import Cost, seconds_of_point
from rmtland.models.dyson.fixed_points import STEPS, FixedPoint, SolvedStates, solve_along
from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import ArrayLike, Complex, Real

__all__ = ["COUPLINGS", "BlockResolvent"]

COUPLINGS = ("full", "units", "free_slopes")
"""The equation itself, without the blocks between unlike hidden units, or with free slopes."""

_TOLERANCE = 1e-8


class BlockResolvent(AboveAxis):
    """A model with an equation between blocks; a subclass gives it, and `solve_index`."""

    coupling: str

    @property
    @abc.abstractmethod
    def place(self) -> Placement:
        """Where it is solved."""

    @property
    @abc.abstractmethod
    def equation(self) -> BlockEquation | FreeSlopes:
        """The equation that is solved."""

    @property
    def _called(self) -> str:
        """What the equation is called in messages."""
        return f"the equation with coupling {self.coupling!r}"

    @property
    def _cheaper(self) -> str:
        """What takes less memory."""
        return _cheaper(self.coupling)

    @property
    def memory(self) -> int:
        """Bytes that a solution takes at its height, estimated from above."""
        return self.equation.memory

    def cost(self, points: int = 1) -> Cost:
        """Estimate what so many points take on this machine.

        Parameters
        ----------
        points : int
            Number of points.

        Returns
        -------
        Cost
            Seconds, right to a factor of about three, and bytes.

        Raises
        ------
        ValueError
            If `points` is below 1.
        TypeError
            If it is no integer.
        """
        return Cost(count("points", points) * seconds_of_point(self.equation), self.memory)

    def solve_along(
        self,
        z: Complex,
        tolerance: float,
        progress: Progress | None = None,
        states: SolvedStates | None = None,
    ) -> Iterator[tuple[int, FixedPoint]]:
        """Solve point after point; refuse at once what would not fit into memory.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the open upper half-plane.
        tolerance : float
            Of the relative change of the state.
        progress : callable, optional
            Called as ``progress(done, all)``.
        states : SolvedStates, optional
            States to start from; those found are added.

        Yields
        ------
        (int, FixedPoint)
            Place in z and what was found.

        Raises
        ------
        MemoryError
            If it would take more than the memory that is free, see `memory`.
        """
        free = ArrayLibrary.of().free_memory()
        if self.memory > free:
            raise MemoryError(
                f"{self._called} takes about "
                f"{self.memory / 2**30:.1f} GiB, more than the {free / 2**30:.1f} GiB that are "
                f"free; take {self._cheaper}"
            )

        def told(done: int) -> None:
            if progress is not None:
                progress(done, z.size)

        yield from solve_along(self.equation, z, tolerance, callback=told, states=states)

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        throw: bool = True,
        progress: Progress | None = None,
        states: SolvedStates | None = None,
    ) -> Solution:
        """Evaluate G(z) in the open upper half-plane.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0; the number of steps grows towards the axis.
        tolerance : float
            Of the relative change of (M_a, M_s) by the equation, in the Frobenius norm.
        throw : bool
            Whether to raise if a point is not solved.
        progress : callable, optional
            Called after each point with the numbers of points solved and of all.
        states : SolvedStates, optional
            States to start from; those found are added.

        Returns
        -------
        Solution
            `residual` is that relative change; `steps` the applications of the equation.

        Raises
        ------
        ValueError
            If a point is not in the open upper half-plane.
        TypeError
            If `tolerance` is no real number, or `progress` cannot be called.
        ConvergenceError
            If a point is not solved and `throw` is true.
        MemoryError
            If it would take more than the memory that is free, see `memory`.
        """
        flat, shape = above_axis(z)
        tolerance = positive("tolerance", tolerance)
        found = self._solved(flat, tolerance, progress, states, potential=False, throw=throw)
        return Solution(
            found.transform.reshape(shape),
            Status.CONVERGED if found.converged.all() else Status.NOT_CONVERGED,
            found.residuals.reshape(shape),
            found.steps.reshape(shape),
        )

    def _solved(
        self,
        flat: Complex,
        tolerance: float,
        progress: Progress | None,
        states: SolvedStates | None,
        *,
        potential: bool,
        throw: bool = True,
    ) -> SolvedPoints:
        """Solve at all points: all together on a device, one after the other on the host."""
        n, progress = flat.size, callable_or_none("progress", progress)
        if not self.place.is_host and n:
            found = self._batched.solve(
                flat,
                tolerance,
                potential=potential,
                states=states,
                callback=None if progress is None else lambda done: progress(done, n),
            )
            if throw and not found.converged.all():
                i = int(np.flatnonzero(~found.converged)[0])
                raise _unsolved(flat[i], tolerance, int(found.steps[i]), float(found.residuals[i]))
            return found
        both = np.zeros((2, n), dtype=np.complex128)
        residuals, steps = np.empty(n), np.empty(n, dtype=np.int64)
        good = np.empty(n, dtype=bool)
        for i, one in self.solve_along(flat, tolerance, progress, states):
            if throw and not one.converged:
                raise _unsolved(flat[i], tolerance, one.steps, one.residual)
            both[0, i] = self.equation.trace(one.blocks)
            if potential:
                both[1, i] = self.equation.potential(complex(flat[i]), one.blocks)
            residuals[i], steps[i], good[i] = one.residual, one.steps, one.converged
        return SolvedPoints(both[0], both[1], residuals, steps, good)

    @cached_property
    def _batched(self) -> BatchedBlocks:
        equation = self.equation
        if not isinstance(equation, BlockEquation):
            raise ValueError(
                "the equation of free slopes is solved on the CPU; take coupling 'units' or "
                "'full', or leave xp and device out"
            )
        return BatchedBlocks(equation, self.place)

    def cdf_above(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        progress: Progress | None = None,
        states: SolvedStates | None = None,
    ) -> Real:
        """Distribution function seen from points above the axis: 1 - Im L(z)/pi.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, progress, states
            As for `solve`; the error has the square of the tolerance.

        Returns
        -------
        ndarray of float
            Values in the shape of `z`.

        Raises
        ------
        ConvergenceError
            If a point is not solved.
        """
        potential, _ = self.potential_and_transform(
            z, tolerance=tolerance, progress=progress, states=states
        )
        return np.asarray(1 - potential.imag / np.pi)

    def potential_and_transform(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        progress: Progress | None = None,
        states: SolvedStates | None = None,
    ) -> tuple[Complex, Complex]:
        """Logarithmic potential L and G = L' at points above the axis.

        The potential is stationary at the solution: its error is of the order of the square of
        `tolerance`, which may be large; that of G of its first power.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, progress, states
            As for `solve`.

        Returns
        -------
        (ndarray of complex, ndarray of complex)
            L and G, in the shape of `z`.

        Raises
        ------
        ConvergenceError
            If a point is not solved.
        ValueError
            If `tolerance` is not positive and finite.
        TypeError
            If `tolerance` is no real number.
        """
        flat, shape = above_axis(z)
        tolerance = positive("tolerance", tolerance)
        found = self._solved(flat, tolerance, progress, states, potential=True)
        return found.potential.reshape(shape), found.transform.reshape(shape)

    def density(self, x: ArrayLike, *, eta: float = 0.04, heights: int = 4) -> Solution:
        """Density at the real axis, extrapolated from heights eta, eta/2, ..., with its error.

        Parameters
        ----------
        x : array_like of float
            Points.
        eta : float
            The largest height; below the distance to the next edge the extrapolation converges
            like a power series.
        heights : int
            Number of heights, each half the one before.

        Returns
        -------
        Solution
            `value` is the density; `error` the largest change by leaving out the largest or the
            smallest height. Not reliable right at an edge, where it is of the order of
            sqrt(eta / 2^heights), and says so by its size. `residual` as in `solve`.
        """
        return density_from_above(
            lambda z: self.solve(z, tolerance=1e-11, throw=False), x, eta=eta, heights=heights
        )


def _unsolved(z: complex, tolerance: float, steps: int, residual: float) -> ConvergenceError:
    return ConvergenceError(
        f"no solution at z = {z} to {tolerance}: {steps} steps left a relative change of "
        f"{residual:.1e} (at most {STEPS} from one start); raise Im z or the tolerance"
    )


def _cheaper(coupling: str) -> str:
    rest = COUPLINGS[COUPLINGS.index(coupling) + 1 :]
    if not rest:
        return "fewer samples or a smaller network of the same ratios"
    return "coupling " + " or ".join(f"{name!r}" for name in rest)
