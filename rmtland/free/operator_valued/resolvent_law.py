r"""Laws given by a matrix-valued equation: what they share.

The Stieltjes transform is a corner or a trace of a matrix M(z) that solves an equation
(`rmtland.free.operator_valued.matrix_dyson`, `rmtland.free.operator_valued.free_pencil`). Density
and distribution function are boundary values at the real axis, the latter from the logarithmic
potential, without quadrature.

The support is searched on a table of points, in every gap of which the distribution function tells
whether mass was overlooked. An edge is the point where the curve of solutions turns.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.free.operator_valued.matrix_dyson import MatrixSystem
from rmtland.laws.law import Atoms, Complex, Law, Real, Support, upper_half_plane
from rmtland.solution import ConvergenceError, Solution, Status

__all__ = ["ResolventEquation", "ResolventLaw"]

_NODES = 600
_LEAST_MASS = 1e-9
_CUSP = 1e-11
_BLUR = 3e-7  # beside an atom, where the continuous part of G is lost in rounding


class ResolventEquation(Protocol):
    """What a law needs of an equation for M(z)."""

    @property
    def scale(self) -> float:
        """Guess of the radius of the spectrum."""

    def points(self, z: Complex) -> tuple[Complex, Complex, NDArray[np.bool_], Any, Any]:
        """Coordinates, M, acceptance, steps and relative defects at points."""

    def system(self, z: Complex, u: Complex) -> MatrixSystem:
        """Return the equation in coordinates at points."""

    def trace(self, m: Complex) -> Complex:
        """G of matrices M."""

    def derivative(self, z: Complex, u: Complex) -> tuple[Complex, Complex]:
        """G and its derivative at solved points."""

    def log_potential(self, z: Complex, u: Complex) -> Complex:
        """Logarithmic potential up to a constant at solved points."""

    def solve(self, z: ArrayLike, *, throw: bool = True) -> Solution:
        """M with its accuracy."""

    def error_of_trace(self, error: Any) -> Any:
        """Error of G from that of the entries of M."""


class ResolventLaw(Law):
    """A law whose Stieltjes transform comes from a matrix-valued equation."""

    equation: ResolventEquation

    @abc.abstractmethod
    def _atom_places(self) -> list[float]:
        """Where an atom may lie inside a band or at its end."""

    def _moments_on_circle(self, k: int) -> list[Fraction]:
        """Moments of order 0..k in double precision from G on a circle around the support."""
        radius = 1.2 * self._range
        angles = np.pi * (np.arange(512) + 0.5) / 512
        z = radius * np.exp(1j * angles)
        g = self._stieltjes(z)
        powers = [float(np.mean((z ** (j + 1) * g).real)) for j in range(k + 1)]
        return [Fraction(1), *(Fraction(p) for p in powers[1:])]

    # Support ---------------------------------------------------------------------------------

    @property
    def support(self) -> Support:
        """Intervals of the continuous part; edges are solved for, see the module."""
        return self._structure[0]

    @property
    def atoms(self) -> Atoms:
        """Point masses: in the gaps, and at eigenvalues of the mean inside the support."""
        return self._structure[1]

    @cached_property
    def _range(self) -> float:
        """A number beyond which, on either side, there is no mass."""
        radius = 1.05 * self.equation.scale
        for _ in range(60):
            ends = radius * np.array([-1.0, 1.0, -3.0, 3.0])
            _, m, fine, _ = self._solved(ends.astype(np.complex128))
            if fine.all() and np.abs(self.equation.trace(m).imag).max() * radius < 1e-9:
                level = self._raw_potential(ends.astype(np.complex128)).imag
                beyond = max(abs(level[0] - level[2]), abs(level[1] - level[3]))
                if abs(level[2] - level[3] - np.pi) < 1e-6 and beyond < 1e-6:
                    return radius
            radius *= 1.5
        raise ConvergenceError("the support of this linearisation could not be bounded")

    def _solved(self, z: Complex) -> tuple[Complex, Complex, NDArray[np.bool_], Any]:
        u, m, accepted, steps, _ = self.equation.points(z)
        return u, m, accepted, steps

    def _raw_potential(self, z: Complex) -> Complex:
        u, _, fine, _ = self._solved(z)
        value = self.equation.log_potential(z, u)
        value[~fine] = np.nan
        return value

    @cached_property
    def _constant(self) -> complex:
        """What the potential of the equation has in excess of log z at infinity."""
        radius = 3 * self._range
        angles = np.pi * (np.arange(64) + 0.5) / 64
        z = radius * np.exp(1j * angles)
        real = float(np.mean((self._raw_potential(z) - np.log(z)).real))
        edge = self._raw_potential(np.array([radius + 0j]))
        return complex(real, round(float(edge[0].imag) / np.pi, 12) * np.pi)

    def _level(self, x: Real) -> Real:
        """Distribution function at points, NaN where the equation has no solution."""
        potential = self._raw_potential(x.astype(np.complex128)) - self._constant
        return np.asarray(1 - potential.imag / np.pi)

    def _inside(self, x: Real) -> NDArray[np.bool_]:
        z = x.astype(np.complex128)
        u, m, fine, _ = self._solved(z)
        if not fine.all():
            # In a gap an entry of M may be singular at a single point.
            z[~fine] += 1e-11 * self._range
            u[~fine], m[~fine], fine[~fine], _ = self._solved(z[~fine])
        g = self.equation.trace(m)
        inside: NDArray[np.bool_] = np.asarray(~fine | (-g.imag > 1e-9 * np.abs(g)))
        doubtful = fine & inside & (-g.imag < 1e-5 * (np.abs(g) + 1 / self._range))
        if doubtful.any():
            inside[doubtful] = ~self._is_hermitian(z[doubtful], u[doubtful])
        return inside

    def _is_hermitian(self, z: Complex, u: Complex) -> NDArray[np.bool_]:
        """Whether a Hermitian solution of the physical sheet lies within rounding of solutions."""
        start: Complex = u.real.astype(np.complex128)
        best = start
        least = np.full(z.shape, np.inf)
        here = start
        for _ in range(40):
            with np.errstate(all="ignore"):
                system = self.equation.system(z, here)
                size = np.max(np.abs(system.defect) / system.terms, axis=1, initial=0.0)
            better = np.asarray(size < least)
            best = np.where(better[:, None], here, best)
            least = np.fmin(least, size)
            if (least < 1e-16).all():
                break
            try:
                with np.errstate(all="ignore"):
                    step = np.linalg.solve(system.jacobian, system.defect[..., None])[..., 0]
            except np.linalg.LinAlgError:
                break
            usable = np.asarray(np.isfinite(step).all(axis=1))[:, None]
            here = np.where(usable, here - step.real, best).astype(np.complex128)
        moved = np.abs(best - start).max(axis=1, initial=0.0)
        close = moved <= 1e-2 * np.abs(start).max(axis=1, initial=0.0)
        falling = np.zeros(z.shape, dtype=np.bool_)
        fine = np.asarray(close & (least < 1e-14))
        if fine.any():
            falling[fine] = self.equation.derivative(z[fine], best[fine])[1].real < 0
        return falling

    @cached_property
    def _structure(self) -> tuple[Support, Atoms]:
        radius = self._range
        x = np.linspace(-radius, radius, _NODES + 1)
        x += 0.37 * radius / _NODES * np.cos(np.arange(x.size))  # off symmetric points
        x[0], x[-1] = -radius, radius
        inside = self._inside(x)
        x, inside = self._without_empty_bands(x, inside)
        atoms = self._expected_atoms()
        x, inside = self._with_hidden_bands(x, inside, atoms)
        x, inside = self._with_hidden_gaps(x, inside)
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        edges = [
            self._edge(float(x[i + 1 - inside[i]]), float(x[i + inside[i]])) for i in changes
        ]  # (outside, inside) in that order is settled within
        # Two edges that are one to rounding are a cusp, where no gap is open.
        for i in range(len(edges) - 2, 1, -1):
            if i % 2 == 0 and edges[i] - edges[i - 1] <= _CUSP * radius:
                del edges[i - 1 : i + 1]
        bands = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
        self._add_atoms_in_gaps(bands, atoms)
        return tuple(bands), tuple(sorted(atoms))

    def _without_empty_bands(
        self, x: Real, inside: NDArray[np.bool_]
    ) -> tuple[Real, NDArray[np.bool_]]:
        """Leave out points in gaps where the equation, not G, is singular: no mass is there."""
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        ends = np.array([[i, j + 1] for i, j in zip(changes[::2], changes[1::2], strict=False)])
        if not ends.size:
            return x, inside
        levels = self._level(x[ends.ravel()]).reshape(ends.shape)
        kept = np.ones(x.size, dtype=np.bool_)
        for (low, high), (below, above) in zip(ends, levels, strict=True):
            if above - below < _LEAST_MASS:
                kept[low + 1 : high] = False
        return x[kept], inside[kept]

    def _with_hidden_bands(
        self, x: Real, inside: NDArray[np.bool_], atoms: list[tuple[float, float]]
    ) -> tuple[Real, NDArray[np.bool_]]:
        """Add points in bands that fall between two neighbours outside; atoms go to the list."""
        levels = self._level(x) - _mass_up_to(x, atoms)
        known = tuple(atoms)
        cells = [
            (x[i], x[i + 1], levels[i], levels[i + 1])
            for i in range(x.size - 1)
            if not (inside[i] or inside[i + 1])
            and levels[i + 1] - levels[i]
            > _LEAST_MASS + 1e-6 * sum(mass for place, mass in atoms if x[i] <= place <= x[i + 1])
        ]
        extra: list[tuple[float, bool]] = []
        while cells:
            low, high, below, above = cells.pop()
            middle = (low + high) / 2
            if high - low <= 1e-14 * self._range:
                atoms.append((self._place(low, high), above - below))
                continue
            point = np.array([middle])
            if self._inside(point)[0]:
                _, _, fine, _ = self._solved(point.astype(np.complex128))
                if fine[0]:
                    extra.append((middle, True))
                    continue
                point = np.array([middle + 0.2 * (high - low)])  # an atom, hit exactly
                middle = float(point[0])
            extra.append((middle, False))
            level = float((self._level(point) - _mass_up_to(point, known))[0])
            if level - below > _LEAST_MASS:
                cells.append((low, middle, below, level))
            if above - level > _LEAST_MASS:
                cells.append((middle, high, level, above))
        return _merged(x, inside, extra)

    def _with_hidden_gaps(
        self, x: Real, inside: NDArray[np.bool_]
    ) -> tuple[Real, NDArray[np.bool_]]:
        """Add points in gaps that fall between neighbours inside: at minima of the density."""
        _, m, fine, _ = self._solved(x.astype(np.complex128))
        density = np.where(fine, -self.equation.trace(m).imag, np.inf)
        low = (density[1:-1] <= density[:-2]) & (density[1:-1] <= density[2:])
        extra = []
        for i in np.flatnonzero(low & inside[1:-1] & inside[:-2] & inside[2:]) + 1:
            left, right = x[i - 1], x[i + 1]
            for _ in range(12):
                nodes = np.linspace(left, right, 9)[1:-1]
                _, m, fine, _ = self._solved(nodes.astype(np.complex128))
                value = np.where(fine, -self.equation.trace(m).imag, np.inf)
                out = ~self._inside(nodes)
                if out.any():
                    extra.append((float(nodes[np.flatnonzero(out)[0]]), False))
                    break
                best = int(np.argmin(value))
                step = nodes[1] - nodes[0]
                left, right = nodes[best] - step, nodes[best] + step
        return _merged(x, inside, extra)

    def _edge(self, first: float, second: float) -> float:
        """Edge between two points, one of them outside: along the curve, else by bisection."""
        points = np.array([first, second])
        inner = self._inside(points)
        out, within = (first, second) if inner[1] else (second, first)
        found = self._turning_point(out, within)
        if found is not None:
            return found
        for _ in range(18):
            nodes = out + (within - out) * np.arange(1, 8) / 8
            inner = self._inside(nodes)
            here = int(np.argmax(inner)) if inner.any() else 7
            step = (within - out) / 8
            out, within = out + step * here, out + step * (here + 1)
            if abs(within - out) <= 1e-9 * self._range:
                break
        found = self._turning_point(out, within)
        if found is not None:
            return found
        for _ in range(30):
            middle = (out + within) / 2
            if middle in (out, within):
                break
            out, within = (out, middle) if self._inside(np.array([middle]))[0] else (middle, within)
        return float(within)

    def _turning_point(self, out: float, within: float) -> float | None:
        """Edge that the curve of solutions reaches from a point outside, None if it is not found.

        The curve is followed in s, the component of u along its direction at the start. Where the
        density vanishes like a root it turns, dz/ds = 0; where the density is unbounded u goes to
        infinity, and z to the edge.
        """
        curve = _Curve.through(self.equation, out, math.copysign(1.0, within - out))
        if curve is None:
            return None
        gap, width = abs(within - out), self._range
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
                ends = [_extrapolated(row[-7:-1]), _extrapolated(row[-6:])]
                change = abs(ends[1] - ends[0])
                if change < best[0]:
                    best = (change, ends[1])
                elif change > 1e3 * best[0] or best[0] <= 1e-15 * width:
                    break
        settled = best[0] <= min(1e-9 * width, 1e-3 * gap)
        return best[1] if settled and low <= best[1] <= high else None

    def _place(self, low: float, high: float) -> float:
        middle = (low + high) / 2
        return 0.0 if abs(middle) <= 1e-13 * self._range else float(middle)

    def _add_atoms_in_gaps(
        self, bands: list[tuple[float, float]], atoms: list[tuple[float, float]]
    ) -> None:
        """Find atoms between a band and the first node beside it."""
        ends = [-self._range, *(end for band in bands for end in band), self._range]
        for low, high in zip(ends[::2], ends[1::2], strict=True):
            known = sum(mass for place, mass in atoms if low <= place <= high)
            points, levels = self._ends_of_gap(low, high)
            below, above = levels
            if not above - below - known > 1e-7:
                continue
            left, right = points
            while right - left > 1e-14 * self._range:
                middle = (left + right) / 2
                level = self._level(np.array([middle]))[0]
                if np.isnan(level):
                    left = right = middle
                elif level - below > (above - below) / 2:
                    right = middle
                else:
                    left = middle
            atoms.append((self._place(left, right), float(above - below - known)))

    def _ends_of_gap(self, low: float, high: float) -> tuple[Real, Real]:
        """Points of a gap near its ends, and the distribution function there."""
        shares = np.array([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1])
        points, levels = np.array([low, high]), np.array([np.nan, np.nan])
        for side in range(2):
            places = low + (high - low) * (shares if side == 0 else 1 - shares)
            good = np.flatnonzero(~self._inside(places))
            if good.size:
                points[side] = places[good[0]]
                levels[side] = self._level(points[side : side + 1])[0]
        return points, levels

    def _expected_atoms(self) -> list[tuple[float, float]]:
        """Atoms where they may be expected: the mass -h Im G at small heights h above the place."""
        places = np.array(sorted(set(np.round(self._atom_places(), 14).tolist())))
        places = places[np.abs(places) <= self._range]
        heights = self._range * 10.0 ** -np.array([4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0])
        z = places[:, None] + 1j * heights
        _, m, fine, _ = self._solved(z.ravel())
        masses = -heights * self.equation.trace(m).imag.reshape(z.shape)
        found = []
        for place, row, good in zip(places, masses, fine.reshape(z.shape), strict=True):
            # What is no atom falls with h, like its root where the density is unbounded.
            size = row.size if good.all() else int(np.argmin(good))
            changes = np.abs(np.diff(row[:size]))
            steady = np.flatnonzero(changes < 1e-2 * row[1:size])
            if steady.size and steady[-1] == size - 2 and row[size - 1] > 1e-6:
                found.append((float(place), float(row[1 + np.argmin(changes)])))
        return found

    @cached_property
    def _gap_levels(self) -> Real:
        """Mass of the continuous part and of atoms within bands, up to each gap."""
        bands, atoms = self._structure
        within = tuple((p, w) for p, w in atoms if any(low < p < high for low, high in bands))
        between = [atom for atom in atoms if atom not in within]
        levels = [0.0]
        for left, right in pairwise(bands):
            points, level = self._ends_of_gap(left[1], right[0])
            known = float(_mass_up_to(points, between)[0])
            levels.append(float(level[0]) - known)
            if np.isnan(level[0]):
                middle = np.array([(left[1] + right[0]) / 2])
                levels[-1] = float(super()._cdf(middle)[0]) - float(_mass_up_to(middle, between)[0])
        if bands:
            levels.append(1 - sum(mass for _, mass in between))
        return np.maximum.accumulate(np.array(levels))

    def _cdf(self, x: Real) -> Real:
        bands, atoms = self._structure
        value = np.zeros(x.shape)
        lows, highs = np.array(bands).reshape(-1, 2).T
        place = np.searchsorted(lows, x, side="left")  # bands that begin below x
        inside = (place > 0) & (x < np.append(highs, 0.0)[place - 1])
        outer = ~inside
        between = [(p, w) for p, w in atoms if not any(low < p < high for low, high in bands)]
        value[outer] = self._gap_levels[place[outer]] + _mass_up_to(x[outer], between)
        if inside.any():
            t, rest = self._off_atoms(x[inside])
            potential = self._log_potential(t.astype(np.complex128))
            level = 1 - potential.imag / np.pi + rest
            # No point of a band is below its left or above its right gap.
            base = _mass_up_to(lows[place[inside] - 1], between)
            least = self._gap_levels[place[inside] - 1] + base
            value[inside] = np.clip(level, least, self._gap_levels[place[inside]] + base)
        return np.clip(value, 0.0, 1.0)

    # Transforms ------------------------------------------------------------------------------

    def _stieltjes(self, z: Complex) -> Complex:
        return self._values(z, lambda w, u, m: self.equation.trace(m), np.complex128(np.inf))

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g = self._stieltjes(z)
        slope = self._values(
            z, lambda w, u, m: self.equation.derivative(w, u)[1], np.complex128(np.inf)
        )
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        return (
            self._values(z, lambda w, u, m: self.equation.log_potential(w, u), None)
            - self._constant
        )

    def _values(self, z: Complex, function: Any, singular: Any) -> Complex:
        """Evaluate a function of the solution; `singular` is its value where G is unbounded."""
        u, m, fine, _ = self._solved(z)
        value = np.empty(z.shape, dtype=np.complex128)
        if fine.any():
            value[fine] = function(z[fine], u[fine], m[fine])
        for i in np.flatnonzero(~fine):
            value[i] = self._beside(z[i], function, singular)
        return value

    def _beside(self, z: complex, function: Any, singular: Any) -> Any:
        """Value at an atom or beside an edge, where Newton's method has no footing.

        That is within rounding, or within up to 1e-5 of the range where M is unbounded at an edge.
        """
        for exponent in range(-13, -4):
            offset = 10.0**exponent * self._range
            # To the right, where the distribution function has its value, or upwards.
            near = z + np.array([1.0, 10.0]) * (offset if singular is None else 1j * offset)
            u, m, fine, _ = self._solved(near)
            if fine.all():
                g = np.abs(self.equation.trace(m))
                if singular is not None and g[0] > 1.7 * g[1]:
                    return singular
                return function(near, u, m)[0]
        raise ConvergenceError(
            f"no solution of the matrix Dyson equation with Im M <= 0 at {z} or right beside it"
        )

    def _pdf(self, x: Real) -> Real:
        density = super()._pdf(x)
        for place, level in self._beside_atoms:
            density[np.abs(x - place) < _BLUR * self._range] = level
        return density

    @cached_property
    def _beside_atoms(self) -> list[tuple[float, float]]:
        """Atoms inside bands, and the density beside each, where rounding does not reach."""
        offset = 3 * _BLUR * self._range * np.array([-1.0, 1.0])
        return [
            (place, float(np.mean(super(ResolventLaw, self)._pdf(place + offset))))
            for place, _ in self.atoms
            if any(low < place < high for low, high in self.support)
        ]

    def _off_atoms(self, x: Real) -> tuple[Real, Real]:
        """Points moved away from atoms inside bands, and the mass from there back to them."""
        moved, mass = x.copy(), np.zeros(x.shape)
        for place, level in self._beside_atoms:
            near = np.abs(x - place) < _BLUR * self._range
            side = np.where(x[near] >= place, 3.0, -3.0)
            moved[near] = place + side * _BLUR * self._range
            mass[near] = level * (x[near] - moved[near])
        return moved, mass

    def _solution(self, z: ArrayLike) -> Solution:
        """Evaluate G(z); `error` bounds its error (see `MatrixDyson.solve`).

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane, any shape; real points mean x + i0.

        Returns
        -------
        Solution
            Of G; the relative defect, error and Newton steps of M. Never raises for lack of
            convergence: `status` says.
        """
        flat, shape = upper_half_plane(z)
        solution = self.equation.solve(flat, throw=False)
        value = np.asarray(solution.value)
        g = self.equation.trace(value)
        error = self.equation.error_of_trace(solution.error)
        return Solution(
            g.reshape(shape),
            Status.CONVERGED if solution.converged else Status.NOT_CONVERGED,
            solution.residual.reshape(shape),
            solution.steps.reshape(shape),
            error.reshape(shape),
        )


@dataclass(frozen=True)
class _Curve:
    """A point of the curve of Hermitian solutions (u, z), with s = border . u as its parameter."""

    equation: ResolventEquation
    border: Real
    z: float
    u: Real
    tangent: Real
    speed: float
    ended: bool = False

    @classmethod
    def through(cls, equation: ResolventEquation, z: float, side: float) -> _Curve | None:
        """Return the curve at z, with s growing in the direction `side` of z."""
        u, _, fine, _, _ = equation.points(np.array([z + 0j]))
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
            equation, side * slope / length, z, u[0].real, side * slope / length, side / length
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
            scale = np.abs(u) + 1e-12 * np.abs(u).max() + 1e-300
            size = float(np.abs(move[:d] / scale).max())
            size = max(size, abs(float(move[d])) / (abs(z - self.z) + abs(z) + 1e-300))
            if size < 4e-16 or (size >= last / 2 and size < 1e-9):
                return _Curve(self.equation, self.border, z, u, tangent[:d], float(tangent[d]))
            last = size
        return None


def _extrapolated(row: list[tuple[float, float]]) -> float:
    """Value at t = 0 of the polynomial through points (t, z), by Neville's scheme."""
    t, z = np.array(row).T
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


def _mass_up_to(x: Real, atoms: Sequence[tuple[float, float]]) -> Real:
    """Mass of atoms up to each point."""
    total = np.zeros(x.shape)
    for place, mass in atoms:
        total += mass * (x >= place)
    return total


def _merged(
    x: Real, inside: NDArray[np.bool_], extra: list[tuple[float, bool]]
) -> tuple[Real, NDArray[np.bool_]]:
    if not extra:
        return x, inside
    places = np.concatenate([x, [place for place, _ in extra]])
    marks = np.concatenate([inside, [mark for _, mark in extra]])
    order = np.argsort(places, kind="stable")
    return places[order], marks[order]
