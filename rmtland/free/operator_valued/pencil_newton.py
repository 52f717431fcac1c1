r"""Newton's method for linear pencils in free variables, at many points at once.

Kernels make the steps (`rmtland.free.operator_valued.free_pencil_kernels`); between their two
halves the laws of the variables are evaluated, at all points that are still under way.

Examples
--------
The semicircle from a pencil of size one with two semicircles of variance 1/2, one of them as a law
without a closed form:

>>> import numpy as np
>>> from rmtland.free.operator_valued.pencil_parts import law_part, levy_part
>>> from rmtland.laws import Semicircle
>>> one, half = np.eye(1), Semicircle(0.5)
>>> newton = PencilNewton(np.zeros((1, 1)), [law_part(one, half), levy_part(one, half.levy)])
>>> z = np.array([0.5 + 0j])
>>> found = newton.solve(z, np.full((1, 2), -0.5j))
>>> bool(found.accepted[0]), bool(abs(found.matrices[0, 0, 0].imag + np.sqrt(15) / 4) < 1e-14)
(True, True)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rmtland.free.operator_valued.pencil_arrays import (
    LinearEquations,
    NewtonPoints,
    NewtonRows,
    PencilArrays,
)
from rmtland.free.operator_valued.pencil_parts import LawPart, Part
from rmtland.free.operator_valued.resolvent_equation import MatrixSystem
from rmtland.free.operator_valued.small_matrices import eigensystem_or_nan, inverse_or_nan
from rmtland.typing import Complex, Integer, Logical, Real

__all__ = ["PencilNewton", "Sheet"]

_STEPS = 25


class Sheet(NamedTuple):
    """Solutions at points: the sheet of the physical solution near them, to first order.

    Parameters
    ----------
    z : ndarray of complex, shape (n,)
        The points.
    coordinates, slopes : ndarray of complex, shape (n, d)
        u and du/dz.
    matrices : ndarray of complex, shape (n, k, k)
        M.
    accepted : ndarray of bool, shape (n,)
        Whether the physical solution was found.
    steps : ndarray of int, shape (n,)
        Newton steps.
    defects : ndarray of float, shape (n,)
        Defect relative to the terms of the equation.
    """

    z: Complex
    coordinates: Complex
    slopes: Complex
    matrices: Complex
    accepted: Logical
    steps: Integer
    defects: Real

    def take(self, index: Integer | Logical) -> Sheet:
        """Return the solutions at some of the points.

        Parameters
        ----------
        index : ndarray of int or bool
            Which.

        Returns
        -------
        Sheet
            Copies.
        """
        return Sheet(*(array[index] for array in self))  # type: ignore[arg-type]

    def put(self, index: Integer | Logical, other: Sheet) -> None:
        """Replace the solutions at some of the points.

        Parameters
        ----------
        index : ndarray of int or bool
            Which.
        other : Sheet
            Their new solutions.
        """
        for mine, theirs in zip(self, other, strict=True):
            mine[index] = theirs

    def joined(self, other: Sheet) -> Sheet:
        """Return accepted solutions of both in the order of Re z.

        Parameters
        ----------
        other : Sheet
            More solutions.

        Returns
        -------
        Sheet
            The solutions of both that were accepted.
        """
        kept = [sheet.take(sheet.accepted) for sheet in (self, other)]
        both = Sheet(*map(np.concatenate, zip(*kept, strict=True)))
        return both.take(np.argsort(both.z.real, kind="stable"))


class PencilNewton:
    """Newton's method for the equation of a pencil.

    Parameters
    ----------
    constant : ndarray of complex, shape (k, k)
        a_0.
    parts : sequence of Part
        The free variables.
    """

    def __init__(self, constant: Complex, parts: Sequence[Part]) -> None:
        self.arrays = PencilArrays.of(constant, parts)
        self._parts = tuple(parts)
        self._spans = [slice(low, high) for low, high in pairwise(self.arrays.starts.tolist())]
        self._laws = [
            (part, span)
            for part, span in zip(self._parts, self._spans, strict=True)
            if isinstance(part, LawPart)
        ]

    def _rows(self, n: int) -> NewtonRows:
        k, total = self.arrays.frames.shape
        return NewtonRows.empty(n, k, total)

    def _values(
        self, count: int, rows: NewtonRows, pencil: PencilArrays, room: tuple[Complex, ...]
    ) -> None:
        """G of the laws at the eigenvalues in the first rows, and its divided differences."""
        from rmtland.free.operator_valued.free_pencil_kernels import divided

        g, slope, table = room
        for part, span in self._laws:
            if part.rank > 2:
                blocks = rows.vectors[:count, span, span]
                values, vectors = eigensystem_or_nan(blocks.copy())
                rows.zeta[:count, span], blocks[:] = values, vectors
                rows.inverses[:count, span, span] = inverse_or_nan(vectors)
            g[:count, span], slope[:count, span] = part.transform(rows.zeta[:count, span])
        pairs = np.empty((count * sum(p.rank**2 for p, _ in self._laws), 3), dtype=np.int64)
        found = divided(count, rows.zeta, g, slope, pencil, table, pairs)
        places, first, second = pairs[:found].T
        for part, span in self._laws:
            # Simpson's rule for the mean of G' between them
            own = (first >= span.start) & (first < span.stop)
            if own.any():
                n, i, j = places[own], first[own], second[own]
                mean = (rows.zeta[n, i] + rows.zeta[n, j]) / 2
                value = (table[n, i, j] + 2 * part.transform(mean)[1]) / 3
                table[n, i, j] = table[n, j, i] = value

    def _room(self, n: int) -> tuple[Complex, ...]:
        total = self.arrays.frames.shape[1]
        g, slope = np.zeros((2, n, total), dtype=np.complex128)
        return g, slope, np.empty((n, total, total), dtype=np.complex128)

    def system(self, z: Complex, u: Complex) -> MatrixSystem:
        """Return the equation at points and coordinates.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        u : ndarray of complex, shape (n, d)
            Coordinates.

        Returns
        -------
        MatrixSystem
            Defect, Jacobian and slope.
        """
        from rmtland.free.operator_valued import free_pencil_kernels as kernels

        n, d = u.shape
        z = np.ascontiguousarray(z)
        rows, room, linear = self._rows(n), self._room(n), LinearEquations.empty(n, d)
        found = NewtonPoints.start(u, len(self.arrays.constant))
        every, pencil = np.arange(n), self.arrays
        g, _, table = room
        with np.errstate(all="ignore"):
            kernels.advance(kernels.BEGIN, n, 0, every, z, pencil, rows, g, table, linear, found)
            self._values(n, rows, pencil, room)
            kernels.advance(
                kernels.LINEARISE, n, 0, every, z, pencil, rows, g, table, linear, found
            )
        defect, slope = linear.right[..., 0], linear.right[..., 1]
        return MatrixSystem(rows.matrices, defect, linear.system, slope, linear.terms)

    def small(self, z: Complex, tau: float) -> Complex:
        """Coordinates to second order in the variables.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points.
        tau : float
            Factor of all variables.

        Returns
        -------
        ndarray of complex, shape (n, d)
            Those of the self-energies of semicircles of the same variance.
        """
        w = np.tile(-self.arrays.constant, (z.size, 1, 1))
        w[:, 0, 0] += z
        frames, adjoint = self.arrays.frames, self.arrays.adjoint
        blocks = np.zeros((z.size, frames.shape[1], frames.shape[1]), dtype=np.complex128)
        # Variables next to each other in a word reach M on each other's ranges one after the other;
        # where M is singular there, the subordination point is infinite.
        for _ in range(len(w[0])):
            x = adjoint @ inverse_or_nan(w - frames @ blocks @ adjoint) @ frames
            for part, span in zip(self._parts, self._spans, strict=True):
                inner = x[:, span, span]
                value, _, _ = part.to_second_order().energy(inner, np.zeros_like(inner), tau)
                blocks[:, span, span] = value
        return self.arrays.coordinates(blocks)

    def solve(self, z: Complex, u: Complex, *, tau: float = 1.0, limit: int = _STEPS) -> Sheet:
        """Follow Newton's method from coordinates to solutions.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the closed upper half-plane.
        u : ndarray of complex, shape (n, d)
            Where to start.
        tau : float
            Factor of all variables.
        limit : int
            Largest number of steps.

        Returns
        -------
        Sheet
            Accepted where the defect is at rounding and the solution is the physical one.
        """
        from rmtland.free.operator_valued import free_pencil_kernels as kernels

        n, d = u.shape
        pencil = self.arrays.scaled(tau)
        z = np.array(z, dtype=np.complex128)
        rows, room, linear = self._rows(n), self._room(n), LinearEquations.empty(1, d)
        found = NewtonPoints.start(u, len(pencil.constant))
        active, count = np.arange(n), n
        g, _, table = room
        with np.errstate(all="ignore"):
            kernels.advance(
                kernels.BEGIN, n, limit, active, z, pencil, rows, g, table, linear, found
            )
            while count:
                self._values(count, rows, pencil, room)
                count = kernels.advance(
                    kernels.STEP, count, limit, active, z, pencil, rows, g, table, linear, found
                )
        accepted = found.status == kernels.ARRIVED
        return Sheet(z, found.u, found.du, found.m, accepted, found.steps, found.defects)
