r"""Edges of a law as turning points of the curve of Hermitian solutions of its equation.

Outside the support an equation in coordinates, F(u, z) = 0, has real solutions on a smooth curve.
Where the density vanishes like a root the curve turns, dz/ds = 0 in its parameter s; where the
density is unbounded u goes to infinity, and z to the edge. The curve is followed by
pseudo-arclength continuation [1]_, with the component of u along its direction at the start as s.

References
----------
.. [1] H. B. Keller, Numerical solution of bifurcation and nonlinear eigenvalue problems, in:
       Applications of Bifurcation Theory, Academic Press 1977, 359-384.

Examples
--------
>>> import numpy as np
>>> from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
>>> semicircle = MatrixDyson(np.zeros((1, 1)), lambda m: m)
>>> edge = turning_point(semicircle, 2.1, 1.9, width=4.0)
>>> abs(edge - 2.0) < 1e-14
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.typing import Real

__all__ = ["extrapolated", "turning_point"]


def turning_point(
    equation: ResolventEquation, out: float, within: float, *, width: float
) -> float | None:
    """Return the edge between two points that the curve of solutions reaches from outside.

    Parameters
    ----------
    equation : ResolventEquation
        The equation.
    out, within : float
        A point outside the support and one inside.
    width : float
        Size of the spectrum, which says what is rounding.

    Returns
    -------
    float or None
        None if the curve does not lead to an edge between them.
    """
    curve = _Curve.through(equation, out, math.copysign(1.0, within - out))
    if curve is None:
        return None
    gap = abs(within - out)
    step = 0.5 * gap / abs(curve.speed)
    low, high = min(out, within) - 1e-13 * width, max(out, within) + 1e-13 * width
    parameter, row, best, growth = 0.0, [(0.0, curve.z)], (np.inf, 0.0), 2.0
    fails = 0
    for _ in range(120):
        ahead = curve.moved(step)
        if ahead is None or abs(ahead.z - out) > 2 * gap + 1e-12 * width:
            fails += 1
            step /= 3
            if best[0] <= 1e-8 * width or fails > 25:
                break
            continue
        if ahead.ended:
            # The curve ends at the edge of the law of a variable.
            step, growth = step / 3, 1.0
            if step * abs(curve.speed) < 1e-15 * width:
                return curve.z if low <= curve.z <= high else None
            continue
        if ahead.speed * curve.speed <= 0:
            if best[0] <= 1e-8 * width:
                break  # rounding
            curve = _turned(curve, ahead, 1e-18 * width)
            settled = abs(curve.speed) * step <= 1e-10 * width
            return curve.z if settled and low <= curve.z <= high else None
        curve, parameter = ahead, parameter + step
        row.append((1 / parameter, curve.z))
        step *= growth
        pause = abs(row[-1][1] - row[-2][1]) <= 1e-15 * width
        if growth > 1 and pause and low <= curve.z <= high:
            return curve.z
        if growth > 1 and len(row) > 7:
            ends = [extrapolated(*np.array(part).T) for part in (row[-7:-1], row[-6:])]
            change = abs(ends[1] - ends[0])
            if change < best[0]:
                best = (change, ends[1])
            elif change > 1e3 * best[0] or best[0] <= 1e-15 * width:
                break
    settled = best[0] <= min(1e-9 * width, 1e-3 * gap)
    return best[1] if settled and low <= best[1] <= high else None


@dataclass(frozen=True)
class _Curve:
    """A point of the curve of Hermitian solutions (u, z), with s = border . u as its parameter."""

    equation: ResolventEquation
    border: Real
    z: float
    u: Real
    tangent: Real
    speed: float
    floor: float
    ended: bool = False

    @classmethod
    def through(cls, equation: ResolventEquation, z: float, side: float) -> _Curve | None:
        """Return the curve at z, with s growing in the direction `side` of z."""
        u, _, fine, _, _ = equation.solutions(np.array([z + 0j]))
        if not fine[0] or not u.size:
            return None
        system = equation.system(np.array([z + 0j]), u)
        try:
            slope = np.linalg.solve(system.jacobian[0], system.slope[0]).real
        except np.linalg.LinAlgError:
            return None
        length = float(np.linalg.norm(slope))
        if not 0 < length < np.inf:
            return None
        start = cls(
            equation,
            side * slope / length,
            z,
            u[0].real,
            side * slope / length,
            side / length,
            1e-3 * float(np.abs(u).max()),
        )
        arrived = start.moved(0.0)
        return None if arrived is None or arrived.ended else arrived

    def moved(self, step: float) -> _Curve | None:
        """Return the point with s larger by `step`, None where Newton's method does not arrive."""
        d = self.u.size
        u, z = self.u + step * self.tangent, self.z + step * self.speed
        if not np.isfinite(u).all():
            return None
        goal = float(self.border @ self.u) + step
        matrix, right = np.zeros((d + 1, d + 1)), np.zeros((d + 1, 2))
        matrix[d, :d], right[d, 1] = self.border, 1.0
        last = np.inf
        for _ in range(20):
            if not (np.isfinite(u).all() and np.isfinite(z)):
                return None
            with np.errstate(all="ignore"):
                system = self.equation.system(np.array([z + 0j]), u[None].astype(np.complex128))
            matrix[:d, :d], matrix[:d, d] = system.jacobian[0].real, -system.slope[0].real
            right[:d, 0], right[d, 0] = system.defect[0].real, self.border @ u - goal
            if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
                return None
            if (np.abs(system.defect.imag) > 1e-9 * system.terms).any():
                return replace(self, ended=True)  # inside the law of a variable
            try:
                move, tangent = np.linalg.solve(matrix, right).T
            except np.linalg.LinAlgError:
                return None
            u, z = u - move[:d], z - float(move[d])
            # Small in every coordinate: those that stay finite where others grow settle z.
            if not (np.isfinite(u).all() and np.isfinite(z)):
                return None
            # Coordinates that are zero by symmetry are rounding.
            scale = np.abs(u) + 1e-12 * np.abs(u).max() + self.floor + 1e-300
            size = float(np.abs(move[:d] / scale).max())
            size = max(size, abs(float(move[d])) / (abs(z - self.z) + abs(z) + 1e-300))
            if size < 4e-16 or (size >= last / 2 and size < 1e-9):
                return _Curve(
                    self.equation, self.border, z, u, tangent[:d], float(tangent[d]), self.floor
                )
            last = size
        return None


def extrapolated(t: Real, z: Real) -> float:
    """Value at t = 0 of the polynomial through points (t, z), by Neville's scheme.

    Parameters
    ----------
    t, z : ndarray of float, shape (n,)
        The points, all t different.

    Returns
    -------
    float
        The value; not finite if two t are equal.
    """
    with np.errstate(all="ignore"):
        for order in range(1, t.size):
            z = (t[:-order] * z[1:] - t[order:] * z[:-1]) / (t[:-order] - t[order:])
    return float(z[0])


def _turned(before: _Curve, after: _Curve, small: float) -> _Curve:
    """Return the point between two where dz/ds changes its sign, by safeguarded secants."""
    low, high = 0.0, float(before.border @ (after.u - before.u))
    left, right = before.speed, after.speed
    best = before if abs(left) < abs(right) else after
    for i in range(80):
        share = left / (left - right) if i % 4 < 3 else 0.5
        place = low + (high - low) * min(max(share, 1e-3), 1 - 1e-3)
        start = float(before.border @ (best.u - before.u))
        found = best.moved(place - start)
        if found is None or found.ended:
            break
        gain = abs(found.speed) * (high - low)
        if abs(found.speed) < abs(best.speed):
            best = found
        if found.speed * left > 0:
            low, left = place, found.speed
            right *= 0.5 if i % 4 < 3 else 1.0
        else:
            high, right = place, found.speed
            left *= 0.5 if i % 4 < 3 else 1.0
        if gain <= small or found.speed == 0 or high - low <= 1e-15 * abs(high):
            break
    return best
